//! Sick nodes: which are left to HyperPod, and which the planner repairs (H-43..H-47, D-100..D-102).
//!
//! HyperPod's health agent labels the nodes it takes care of; it reboots or replaces them itself, under the same logical
//! identity. Whoever deletes such a node meanwhile works against it, so they are no candidates of any method. Replacing
//! is not HyperPod's job where it says so (`NodeRecovery: None`), on nodes without accelerators (H-44), and where it had
//! its time and the node is still not ready. Those are repaired by the planner if the feature gate `NodeRepair` is on.

use std::collections::BTreeMap;

use super::candidate::Hold;
use super::cluster::Cluster;
use crate::base::index::Ix as _;
use crate::base::time::{Span, Timestamp};
use crate::explain::reason::{Code, Reason};
use crate::hyperpod::catalog::NEURON;
use crate::model::resources::{NVIDIA_GPU, Name};
use crate::problem::NodeId;
use crate::view::nodes::{ExistingNode, HEALTH_STATUS};

/// Labels by which the agent explains itself (H-43).
const FAULT: [&str; 2] = [
    "sagemaker.amazonaws.com/fault-type",
    "sagemaker.amazonaws.com/fault-reason",
];

/// Of a pool's nodes at most this part, rounded up, may be sick while some are repaired (D-101): one in five.
const BREAKER: usize = 5;

/// What is to be done about a node that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Care {
    /// Nothing, at least until then: someone else acts, or it may get well by itself.
    Leave(Hold),
    /// The planner replaces it now.
    Repair,
}

/// The nodes that are not well, and what is to be done about each.
#[derive(Debug, Clone, Default)]
pub struct Infirmary {
    care: BTreeMap<NodeId, Care>,
    next: Option<Timestamp>,
}

impl Infirmary {
    /// Looks at all nodes of `cluster`. O(nodes log n).
    #[must_use]
    pub fn new(cluster: &Cluster<'_>) -> Self {
        let mut care = BTreeMap::new();
        let mut pools: BTreeMap<Option<&Name>, (usize, usize)> = BTreeMap::new();
        for (at, node) in cluster.views.nodes.iter().enumerate() {
            let count = pools.entry(node.pool.as_ref()).or_default();
            count.0 += usize::from(node.claim.is_some());
            if let Some(found) = judge(cluster, node) {
                count.1 += usize::from(node.claim.is_some());
                care.insert(NodeId::new(at), found);
            }
        }
        for (node, found) in &mut care {
            let view = cluster.node(*node);
            let (all, sick) = pools.get(&view.pool.as_ref()).copied().unwrap_or_default();
            let most = all.div_ceil(BREAKER);
            if *found == Care::Repair && sick > most {
                let message = format!(
                    "it is to be repaired, but {sick} of {all} nodes of its NodePool are sick, and repair stops at {most}"
                );
                *found = Care::Leave(hold(view, message, None));
            }
        }
        let ends = care.values().filter_map(|found| match found {
            Care::Leave(held) => held.until,
            Care::Repair => None,
        });
        let next = ends.min();
        // A node that is not ready, and nothing else, is a candidate like others until its time has come.
        care.retain(|node, found| *found == Care::Repair || is_held(cluster.node(*node)));
        Self { care, next }
    }

    /// When the next node will have been sick for so long that it is repaired.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// What stands against disrupting `node` for any other reason than its health.
    #[must_use]
    pub fn hold(&self, cluster: &Cluster<'_>, node: NodeId) -> Option<Hold> {
        match self.care.get(&node)? {
            Care::Leave(held) => Some(held.clone()),
            Care::Repair => Some(hold(
                cluster.node(node),
                "it is to be repaired".to_owned(),
                None,
            )),
        }
    }

    /// Whether the planner replaces `node` now.
    #[must_use]
    pub fn is_due(&self, node: NodeId) -> bool {
        self.care.get(&node) == Some(&Care::Repair)
    }

    /// Whether no node is sick.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.care.is_empty()
    }

    /// The nodes that the planner replaces now.
    pub fn due(&self) -> impl Iterator<Item = NodeId> {
        let due = self.care.iter().filter(|(_, care)| **care == Care::Repair);
        due.map(|(node, _)| *node)
    }
}

/// Whether HyperPod's label says that the node may not be used.
fn is_held(node: &ExistingNode<'_>) -> bool {
    node.labels
        .get(HEALTH_STATUS)
        .is_some_and(|status| status.starts_with("Unschedulable"))
}

/// Since when the node is not ready; `None` if it is, or does not say.
fn unready_since(node: &ExistingNode<'_>) -> Option<Timestamp> {
    let conditions = &node.node?.conditions;
    let ready = conditions.iter().find(|c| c.kind.as_ref() == "Ready")?;
    (ready.status.as_ref() != "True")
        .then_some(ready.last_transition)
        .flatten()
}

/// Whether the health agent watches it: it has accelerators (H-44).
fn is_watched(node: &ExistingNode<'_>) -> bool {
    let names = [&node.capacity, &node.allocatable];
    names.iter().flat_map(|list| list.iter()).any(|(name, n)| {
        let kind = name.as_ref();
        !n.is_zero()
            && (kind == NVIDIA_GPU
                || kind.starts_with("nvidia.com/mig-")
                || kind.starts_with(NEURON))
    })
}

fn hold(node: &ExistingNode<'_>, message: String, until: Option<Timestamp>) -> Hold {
    let parts = FAULT.iter().filter_map(|key| {
        let value = node.labels.get(key)?;
        Some(Reason::new(
            format!("label {key}"),
            Code::NodeUnavailable,
            value.to_owned(),
        ))
    });
    let subject = format!("Node {}", node.name);
    let reason = Reason::new(subject, Code::NodeUnavailable, message);
    Hold {
        reason: reason.with_parts(parts.collect()),
        until,
    }
}

/// `None` for a node that is well.
fn judge(cluster: &Cluster<'_>, node: &ExistingNode<'_>) -> Option<Care> {
    let status = node.labels.get(HEALTH_STATUS);
    let pending = node.unhealthy;
    let since = unready_since(node);
    if status == Some("Unschedulable") {
        let message = "HyperPod is checking its health (label node-health-status is Unschedulable): it comes back or is replaced";
        return Some(Care::Leave(hold(node, message.to_owned(), None)));
    }
    if !pending && since.is_none() {
        return None;
    }
    let options = &cluster.snapshot.options;
    let hyperpod = cluster.snapshot.cluster.as_ref();
    let recovery = hyperpod.and_then(|record| record.node_recovery.as_deref());
    let by_hyperpod = is_watched(node) && recovery != Some("None");
    let patience = match by_hyperpod {
        true => options.repair_deadline,
        // The label is the agent's judgement: there is nothing more to wait for.
        false if pending => Span::ZERO,
        false => options.repair_after,
    };
    let end = match since {
        Some(since) => Some(since.plus(patience)),
        None if by_hyperpod => None,
        None => Some(cluster.now),
    };
    let what = match status {
        Some("UnschedulablePendingReboot") => "to be rebooted",
        _ if pending => "to be replaced",
        _ => "not ready",
    };
    if node.claim.is_none() || node.deleting {
        return Some(Care::Leave(hold(
            node,
            format!("it is {what}, and not ours"),
            None,
        )));
    }
    let gate = options.feature_gates.node_repair;
    if gate && end.is_some_and(|end| end <= cluster.now) {
        return Some(Care::Repair);
    }
    let until = end.filter(|_| gate);
    let message = match (by_hyperpod, gate) {
        (true, _) => format!("it is {what} by HyperPod, and left to it"),
        (false, false) => format!(
            "it is {what}, HyperPod does not do that here, and the feature gate NodeRepair is off"
        ),
        (false, true) => format!("it is {what}; it is repaired if it stays so"),
    };
    Some(Care::Leave(hold(node, message, until)))
}
