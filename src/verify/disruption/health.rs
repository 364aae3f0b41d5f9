//! Which sick nodes may be touched, read from the rules (H-43..H-45, D-100..D-102).

use super::holds::claim_of;
use crate::base::time::{Span, Timestamp};
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::Node;
use crate::plan::command::DisruptionReason;

const STATUS: &str = "sagemaker.amazonaws.com/node-health-status";

/// Whether HyperPod has said that it will replace or reboot the node.
pub(super) fn is_given_up(node: &Node) -> bool {
    matches!(
        node.labels.get(STATUS),
        Some("UnschedulablePendingReplacement" | "UnschedulablePendingReboot")
    )
}

fn since(node: &Node) -> Option<Timestamp> {
    let ready = node.conditions.iter().find(|c| &*c.kind == "Ready")?;
    ready
        .last_transition
        .filter(|_| ready.status.as_ref() != "True")
}

/// What stands against disrupting `node` for `reason` because of its health.
pub(super) fn of(snapshot: &Snapshot, node: &Node, reason: DisruptionReason) -> Option<String> {
    let name = &node.name;
    if reason != DisruptionReason::Unhealthy {
        let sick = is_given_up(node) || node.labels.get(STATUS) == Some("Unschedulable");
        return sick.then(|| format!("{name} is sick and left to HyperPod"));
    }
    let options = &snapshot.options;
    if !options.feature_gates.node_repair {
        return Some("the feature gate NodeRepair is off".to_owned());
    }
    let accelerated = node.capacity.iter().any(|(resource, _)| {
        resource.starts_with("nvidia.com/") || resource.starts_with("aws.amazon.com/neuron")
    });
    let record = snapshot.cluster.as_ref();
    let refuses = record.and_then(|r| r.node_recovery.as_deref()) == Some("None");
    let wait = if accelerated && !refuses {
        options.repair_deadline
    } else if is_given_up(node) {
        Span::ZERO
    } else {
        options.repair_after
    };
    let now = options.now.unwrap_or_default();
    let ripe = match since(node) {
        Some(since) => since.plus(wait) <= now,
        None => is_given_up(node) && wait == Span::ZERO,
    };
    if !ripe {
        return Some(format!("{name} is not sick, or not for long enough"));
    }
    let pool = node.labels.get(label::NODE_POOL);
    let alike = |other: &&Node| {
        other.labels.get(label::NODE_POOL) == pool && claim_of(snapshot, other).is_some()
    };
    let all = snapshot.nodes.iter().filter(alike);
    let sick = |n: &&Node| {
        is_given_up(n) || since(n).is_some() || n.labels.get(STATUS) == Some("Unschedulable")
    };
    let (all, sick) = (all.clone().count(), all.filter(sick).count());
    (sick * 5 > all + 4).then(|| format!("{sick} of {all} nodes like {name} are sick"))
}
