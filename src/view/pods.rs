//! Pods as the scheduler sees them: which wait for a place, and what they ask of a node.

use crate::model::affinity::NodeSelectorTerm;
use crate::model::pod::{Pod, PodSpec};
use crate::model::requirement::{Operator, Requirement, RequirementSpec, Requirements};

/// One alternative of what a pod asks of a node: label requirements, and requirements on the node's name that only
/// existing nodes can meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub struct Term {
    /// Requirements on labels.
    pub requirements: Requirements,
    /// Requirements on `metadata.name` (`matchFields`).
    pub names: Vec<RequirementSpec>,
}

/// The alternatives of a pod: its `nodeSelector` joined with each required node-affinity term (any of them may hold). No
/// alternative at all means that no node can suit (an affinity without usable terms).
#[must_use]
pub fn node_terms(spec: &PodSpec) -> Vec<Term> {
    let selector = Requirements::from_labels(&spec.node_selector);
    let Some(terms) = &spec.affinity.node_required else {
        return vec![Term {
            requirements: selector,
            names: Vec::new(),
        }];
    };
    let usable = |term: &&NodeSelectorTerm| {
        !term.match_expressions.is_empty() || !term.match_fields.is_empty()
    };
    terms
        .iter()
        .filter(usable)
        .map(|term| {
            let mut requirements = selector.clone();
            requirements.add_all(&Requirements::from_specs(&term.match_expressions));
            Term {
                requirements,
                names: term.match_fields.clone(),
            }
        })
        .collect()
}

impl Term {
    /// Whether a node called `name` meets the requirements on names. Fields other than `metadata.name` never match.
    #[must_use]
    pub fn name_meets(&self, name: &str) -> bool {
        self.names.iter().all(|spec| {
            spec.key.as_ref() == "metadata.name"
                && matches!(spec.operator, Operator::In | Operator::NotIn)
                && Requirement::from_spec(spec).has(name)
        })
    }
}

/// Whether a pod waits for a place: pending (M-4), or bound to a node that is being deleted and to be moved (S-3, S-6):
/// neither ended nor owned by a DaemonSet or the node itself, and not leaving unless a StatefulSet will make it again.
/// Pods that may not be evicted are told apart by [`Protection`](super::protection::Protection).
#[must_use]
pub fn waits(pod: &Pod, node_is_deleting: bool) -> bool {
    if pod.node_name.is_none() {
        return pod.is_pending();
    }
    node_is_deleting
        && !pod.is_finished()
        && (!pod.is_terminating() || pod.is_owned_by("apps", "StatefulSet"))
        && !pod.is_daemon()
        && !pod.is_owned_by("", "Node")
}
