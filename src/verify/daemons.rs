//! DaemonSet pods: which will really run on a node, and what they take there.

use crate::model::cluster::Snapshot;
use crate::model::label::Labels;
use crate::model::pod::{HostPort, OwnerReference};
use crate::model::policy::DaemonSet;
use crate::model::resources::ResourceList;
use crate::model::taint::{self, Taint, Toleration};

use super::selection;

/// Taints that the DaemonSet controller makes every DaemonSet pod tolerate.
const TOLERATED: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

/// A DaemonSet with what is computed once.
#[derive(Debug)]
pub(super) struct Daemon<'a> {
    set: &'a DaemonSet,
    tolerations: Vec<Toleration>,
    pub(super) requests: ResourceList,
    pub(super) ports: Vec<HostPort>,
}

impl Daemon<'_> {
    /// Whether a pod of this set will run on a node with these labels and taints.
    pub(super) fn runs_on(&self, labels: &Labels, taints: &[Taint], node: &str) -> bool {
        selection::admits(&self.set.spec, labels, node)
            && taint::untolerated(taints, &self.tolerations, false).is_none()
    }

    /// Whether `owner` is this set.
    pub(super) fn is(&self, owner: &OwnerReference, namespace: &str) -> bool {
        owner.kind.as_ref() == "DaemonSet"
            && if self.set.uid.is_empty() || owner.uid.is_empty() {
                owner.name == self.set.name && namespace == self.set.namespace.as_ref()
            } else {
                owner.uid == self.set.uid
            }
    }
}

/// All DaemonSets.
#[derive(Debug)]
pub(super) struct Daemons<'a>(Vec<Daemon<'a>>);

impl<'a> Daemons<'a> {
    /// The DaemonSets of `snapshot`.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let daemon = |set: &'a DaemonSet| {
            let automatic = TOLERATED.iter().map(|key| Toleration::exists(*key));
            Daemon {
                set,
                tolerations: set
                    .spec
                    .tolerations
                    .iter()
                    .cloned()
                    .chain(automatic)
                    .collect(),
                requests: set.spec.requests(),
                ports: set.spec.host_ports(),
            }
        };
        Self(snapshot.daemon_sets.iter().map(daemon).collect())
    }

    /// Those that will run on a node with these labels and taints.
    pub(super) fn running_on<'s>(
        &'s self,
        labels: &'s Labels,
        taints: &'s [Taint],
        node: &'s str,
    ) -> impl Iterator<Item = &'s Daemon<'a>> {
        self.0
            .iter()
            .filter(move |daemon| daemon.runs_on(labels, taints, node))
    }
}
