//! One node: its state, its room, and what the plan puts there.

use super::number;
use crate::explain::Explainer;
use crate::explain::reason::{Code, Reason};
use crate::explain::text::like;
use crate::model::label::{CAPACITY_TYPE, INSTANCE_GROUP, INSTANCE_TYPE, NODE_POOL, ZONE};
use crate::model::quantity::Quantity;
use crate::model::resources::Name;
use crate::model::taint::TaintEffect;
use crate::plan::Plan;
use crate::view::nodes::ExistingNode;

/// The state of the node `name` (or of a NodeClaim without a node) and what the plan puts there; `None` if there is none.
/// O(nodes + pods).
pub fn explain(explainer: &mut Explainer<'_, '_>, plan: &Plan, name: &str) -> Option<Reason> {
    let views = explainer.views;
    let at = views
        .nodes
        .iter()
        .position(|node| node.name.as_ref() == name)?;
    let node = &views.nodes[at];
    let (code, message) = state(node);
    let mut parts = vec![Reason::new("labels", code, labels(node))];
    let keeps_away: Vec<String> = node
        .taints
        .iter()
        .filter(|taint| taint.effect != TaintEffect::PreferNoSchedule)
        .map(ToString::to_string)
        .collect();
    if !keeps_away.is_empty() {
        let message = format!("pods must tolerate {}", keeps_away.join(", "));
        parts.push(Reason::new("taints", Code::Taint, message));
    }
    let used = &views.node_use.used[at];
    let free: Vec<String> = node
        .allocatable
        .iter()
        .map(|(resource, all)| {
            let left = (all - used.amount(resource)).max(Quantity::ZERO);
            format!("{resource} {} of {all}", like(left, all))
        })
        .collect();
    parts.push(Reason::new("free before this plan", code, free.join(", ")));
    let placed: Vec<Name> = plan
        .existing_nodes
        .iter()
        .filter(|held| held.node == node.name)
        .flat_map(|held| held.pods.iter().map(Name::clone))
        .collect();
    let count = placed.len();
    let puts = match (count, node.is_destination()) {
        (0, true) => "puts no pod here".to_owned(),
        (0, false) => "puts no pod here: it is no destination".to_owned(),
        (count, _) => format!("puts {} here", number(count, "pod")),
    };
    let mut of_plan = Reason::new(
        "this plan",
        if count > 0 { Code::Placed } else { code },
        puts,
    );
    if count > 0 {
        of_plan.count = count;
        of_plan.examples = placed
            .into_iter()
            .take(crate::explain::pool::EXAMPLES)
            .collect();
    }
    parts.push(of_plan);
    if count > 0 {
        let facts = explainer.facts();
        let after: Vec<String> = explainer
            .free_after(&facts, at)
            .into_iter()
            .zip(&explainer.symbols.resources)
            .map(|(left, resource)| {
                let all = node.allocatable.amount(resource);
                format!(
                    "{resource} {}",
                    like(Quantity::from_nanos(left.max(0)), all)
                )
            })
            .collect();
        parts.push(Reason::new("free after this plan", code, after.join(", ")));
    }
    Some(Reason::new(format!("Node {name}"), code, message).with_parts(parts))
}

fn state(node: &ExistingNode<'_>) -> (Code, String) {
    let closed = |why: &str| (Code::NodeUnavailable, format!("takes no pods: {why}"));
    if node.deleting {
        return closed("it is being deleted");
    }
    if node.unhealthy {
        return closed("HyperPod is about to replace or reboot it");
    }
    if node.node.is_some_and(|node| node.unschedulable) {
        return closed("it is cordoned");
    }
    let stage = if node.node.is_none() {
        "is on its way (no Node yet) and may be given pods"
    } else if node.initialized {
        "may be given pods"
    } else {
        "is not initialized yet and may be given pods"
    };
    (Code::Usable, stage.to_owned())
}

fn labels(node: &ExistingNode<'_>) -> String {
    let shown = [
        NODE_POOL,
        INSTANCE_GROUP,
        INSTANCE_TYPE,
        ZONE,
        CAPACITY_TYPE,
    ];
    let held: Vec<String> = shown
        .iter()
        .filter_map(|key| Some(format!("{key}={}", node.labels.get(key)?)))
        .collect();
    if held.is_empty() {
        "none of NodePool, instance group, type, zone and capacity type is set".to_owned()
    } else {
        held.join(", ")
    }
}
