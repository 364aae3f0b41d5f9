//! NodePools, NodeClaims and Nodes as manifests.

use serde_json::Value;

use super::{
    Object, conditions, labels, maybe, metadata, requirements, resources, shown, taints, text,
    texts, times,
};
use crate::base::time::Span;
use crate::model::node::Node;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::{Budget, ConsolidationPolicy, NodePool};

fn or_never(span: Option<Span>) -> Value {
    span.map_or_else(|| Value::from("Never"), shown)
}

pub(super) fn node_pool(pool: &NodePool) -> Value {
    let meta = metadata(&pool.name)
        .filled("uid", text(&pool.uid))
        .filled("labels", labels(&pool.labels))
        .filled("annotations", labels(&pool.annotations));
    let template_meta = Object::default()
        .filled("labels", labels(&pool.template_labels))
        .filled("annotations", labels(&pool.template_annotations));
    let class = Object::default()
        .filled("group", text(&pool.node_class_ref.group))
        .filled("kind", text(&pool.node_class_ref.kind))
        .with("name", text(&pool.node_class_ref.name));
    let claim = Object::default()
        .with("nodeClassRef", class)
        .with("requirements", requirements(&pool.requirements))
        .filled("taints", taints(&pool.taints))
        .filled("startupTaints", taints(&pool.startup_taints))
        .with("expireAfter", or_never(pool.expire_after))
        .some(
            "terminationGracePeriod",
            pool.termination_grace_period.map(shown),
        );
    let policy = match &pool.consolidation_policy {
        ConsolidationPolicy::WhenEmpty => "WhenEmpty",
        ConsolidationPolicy::WhenEmptyOrUnderutilized => "WhenEmptyOrUnderutilized",
        ConsolidationPolicy::Balanced => "Balanced",
        ConsolidationPolicy::Other(other) => other,
    };
    let disruption = Object::default()
        .with("consolidationPolicy", policy)
        .with("consolidateAfter", or_never(pool.consolidate_after))
        .with(
            "budgets",
            pool.budgets.iter().map(budget).collect::<Value>(),
        );
    let template = Object::default()
        .filled("metadata", template_meta)
        .with("spec", claim);
    let spec = Object::default()
        .with("template", template)
        .with("disruption", disruption)
        .filled("limits", resources(&pool.limits))
        .some("weight", (pool.weight > 0).then_some(pool.weight))
        .some("replicas", pool.replicas);
    let status = Object::default().filled("conditions", conditions(&pool.conditions));
    Object::of(
        "karpenter.sh/v1",
        "NodePool",
        times(meta, None, pool.deleted),
    )
    .with("spec", spec)
    .filled("status", status)
    .into()
}

fn budget(budget: &Budget) -> Value {
    Object::default()
        .with("nodes", text(&budget.nodes))
        .some("reasons", budget.reasons.as_deref().map(texts))
        .some("schedule", maybe(budget.schedule.as_ref()))
        .some("duration", budget.duration.map(shown))
        .into()
}

pub(super) fn node_claim(claim: &NodeClaim) -> Value {
    let meta = metadata(&claim.name)
        .filled("uid", text(&claim.uid))
        .filled("labels", labels(&claim.labels))
        .filled("annotations", labels(&claim.annotations));
    let requests = Object::default().filled("requests", resources(&claim.requests));
    let spec = Object::default()
        .with(
            "nodeClassRef",
            Object::default().with("name", text(&claim.node_class)),
        )
        .with("requirements", requirements(&claim.requirements))
        .filled("resources", requests)
        .filled("taints", taints(&claim.taints))
        .filled("startupTaints", taints(&claim.startup_taints))
        .with("expireAfter", or_never(claim.expire_after))
        .some(
            "terminationGracePeriod",
            claim.termination_grace_period.map(shown),
        );
    let status = Object::default()
        .some("nodeName", maybe(claim.node_name.as_ref()))
        .some("providerID", maybe(claim.provider_id.as_ref()))
        .filled("capacity", resources(&claim.capacity))
        .filled("allocatable", resources(&claim.allocatable))
        .filled("conditions", conditions(&claim.conditions))
        .some("lastPodEventTime", claim.last_pod_event.map(shown));
    let meta = times(meta, claim.created, claim.deleted);
    Object::of("karpenter.sh/v1", "NodeClaim", meta)
        .with("spec", spec)
        .filled("status", status)
        .into()
}

pub(super) fn node(node: &Node) -> Value {
    let meta = metadata(&node.name)
        .filled("uid", text(&node.uid))
        .filled("labels", labels(&node.labels))
        .filled("annotations", labels(&node.annotations));
    let spec = Object::default()
        .some("providerID", maybe(node.provider_id.as_ref()))
        .filled("taints", taints(&node.taints))
        .filled("unschedulable", node.unschedulable);
    let status = Object::default()
        .filled("capacity", resources(&node.capacity))
        .filled("allocatable", resources(&node.allocatable))
        .filled("conditions", conditions(&node.conditions));
    Object::of("v1", "Node", times(meta, node.created, node.deleted))
        .with("spec", spec)
        .with("status", status)
        .into()
}
