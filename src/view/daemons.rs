//! DaemonSet pods: what each node keeps for them (S-18..S-21).

use crate::model::instance_type::Offering;
use crate::model::label;
use crate::model::pod::{HostPort, Pod};
use crate::model::policy::DaemonSet;
use crate::model::requirement::Requirement;
use crate::model::resources::ResourceList;
use crate::model::taint::{Taint, Toleration, untolerated};
use crate::view::nodes::ExistingNode;
use crate::view::pods::{Term, node_terms};
use crate::view::pools::{NodeLabels, OFFERING_KEYS, labels_meet, offering_meets};

/// What the DaemonSet controller tolerates on behalf of its pods.
const ADDED_TOLERATIONS: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

/// A DaemonSet ready to be tested against nodes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Daemon<'a> {
    /// The DaemonSet.
    pub set: &'a DaemonSet,
    /// What one of its pods asks for.
    pub requests: ResourceList,
    /// Host ports of one of its pods.
    pub host_ports: Vec<HostPort>,
    terms: Vec<Term>,
    tolerations: Vec<Toleration>,
}

/// The DaemonSets of a snapshot in name order. Those that use resource claims are skipped (S-22).
#[must_use]
pub fn daemons(sets: &[DaemonSet]) -> Vec<Daemon<'_>> {
    let mut sets: Vec<&DaemonSet> = sets.iter().collect();
    sets.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    sets.into_iter()
        .filter(|set| !set.spec.uses_resource_claims())
        .map(|set| {
            let added = ADDED_TOLERATIONS.iter().map(|key| Toleration::exists(*key));
            Daemon {
                set,
                requests: set.spec.requests(),
                host_ports: set.spec.host_ports(),
                terms: node_terms(&set.spec),
                tolerations: set.spec.tolerations.iter().cloned().chain(added).collect(),
            }
        })
        .collect()
}

impl Daemon<'_> {
    /// Whether a pod of this DaemonSet may run on a new node with these labels and taints in this offering: any of its
    /// alternatives may hold (W-32), and keys that the claim still chooses count as met where they can be (S-19).
    #[must_use]
    pub fn runs_on_new(&self, labels: &NodeLabels, taints: &[Taint], offering: &Offering) -> bool {
        let state_label = |asked: &Requirement| {
            matches!(asked.key().as_ref(), label::REGISTERED | label::INITIALIZED)
                && asked.has("true")
        };
        untolerated(taints, &self.tolerations, false).is_none()
            && self
                .terms
                .iter()
                .filter(|term| term.names.is_empty())
                .any(|term| {
                    term.requirements.iter().all(|asked| {
                        if OFFERING_KEYS.contains(&asked.key().as_ref()) {
                            offering_meets(asked, offering)
                        } else {
                            labels_meet(labels, asked) || state_label(asked)
                        }
                    })
                })
    }

    /// Whether a pod of this DaemonSet may run on `node`.
    #[must_use]
    pub fn runs_on(&self, node: &ExistingNode<'_>) -> bool {
        untolerated(&node.taints, &self.tolerations, false).is_none()
            && self.terms.iter().any(|term| node.suits(term))
    }

    /// Whether `pod` belongs to this DaemonSet.
    #[must_use]
    pub fn owns(&self, pod: &Pod) -> bool {
        pod.namespace == self.set.namespace
            && pod.owners.iter().any(|owner| {
                owner.kind.as_ref() == "DaemonSet"
                    && if self.set.uid.is_empty() || owner.uid.is_empty() {
                        owner.name == self.set.name
                    } else {
                        owner.uid == self.set.uid
                    }
            })
    }
}

/// Whether the keys of the daemons' alternatives that an offering decides occur at all, so that callers may test one
/// offering for all.
#[must_use]
pub fn depend_on_offerings(daemons: &[Daemon<'_>]) -> bool {
    daemons.iter().any(|daemon| {
        daemon.terms.iter().any(|term| {
            OFFERING_KEYS
                .iter()
                .any(|key| term.requirements.get(key).is_some())
        })
    })
}

/// The overhead of DaemonSet pods on a new node: the sum of the requests of those that may run there.
#[must_use]
pub fn overhead(
    daemons: &[Daemon<'_>],
    labels: &NodeLabels,
    taints: &[Taint],
    offering: &Offering,
) -> (ResourceList, Vec<HostPort>) {
    let mut requests = ResourceList::new();
    let mut ports = Vec::new();
    for daemon in daemons
        .iter()
        .filter(|daemon| daemon.runs_on_new(labels, taints, offering))
    {
        requests.add(&daemon.requests);
        ports.extend(daemon.host_ports.iter().cloned());
    }
    (requests, ports)
}
