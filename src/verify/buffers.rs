//! Pods of capacity buffers: the checker makes them for itself and judges the plan with them in place (S-129..S-132).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::cluster::Snapshot;
use crate::model::label::Labels;
use crate::model::node::Condition;
use crate::model::pod::{Pod, PodSpec};
use crate::model::resources::Name;
use crate::model::workload::{CapacityBuffer, WorkloadKind};
use crate::plan::{Plan, Unschedulable};

/// Snapshot and plan with the buffers' pods as if they were real, and how many of these the plan places and leaves.
pub(super) struct Merged<'a> {
    pub(super) snapshot: Cow<'a, Snapshot>,
    pub(super) plan: Cow<'a, Plan>,
    pub(super) placed: usize,
    pub(super) left: usize,
}

/// Merges the pods of buffers into both.
pub(super) fn merge<'a>(snapshot: &'a Snapshot, plan: &'a Plan) -> Merged<'a> {
    let mut merged = Merged {
        snapshot: Cow::Borrowed(snapshot),
        plan: Cow::Borrowed(plan),
        placed: 0,
        left: 0,
    };
    let gate = snapshot.options.feature_gates.capacity_buffer;
    let pods: Vec<Pod> = snapshot
        .capacity_buffers
        .iter()
        .filter(|_| gate)
        .flat_map(|buffer| pods_of(snapshot, buffer))
        .collect();
    let on_nodes = plan.existing_nodes.iter().map(|node| &node.buffer_pods);
    let on_claims = plan.new_node_claims.iter().map(|claim| &claim.buffer_pods);
    let placed: Vec<&Name> = on_nodes.chain(on_claims).flatten().collect();
    if pods.is_empty() && placed.is_empty() {
        return merged;
    }
    let named: BTreeSet<&Name> = placed.iter().copied().collect();
    let whole = merged.plan.to_mut();
    for node in &mut whole.existing_nodes {
        node.pods.append(&mut node.buffer_pods);
    }
    for claim in &mut whole.new_node_claims {
        claim.pods.append(&mut claim.buffer_pods);
    }
    let left: Vec<Unschedulable> = pods
        .iter()
        .map(|pod| Name::from(pod.key()))
        .filter(|key| !named.contains(key))
        .map(|pod| Unschedulable {
            pod,
            reason: Name::from("its buffer keeps no room for it"),
            code: Name::from("competition"),
            reasons: Arc::default(),
        })
        .collect();
    merged.left = left.len();
    merged.placed = placed.len();
    whole.unschedulable.extend(left);
    whole.totals.scheduled += merged.placed;
    whole.totals.unschedulable += merged.left;
    merged.snapshot.to_mut().pods.extend(pods);
    merged
}

fn pods_of(snapshot: &Snapshot, buffer: &CapacityBuffer) -> Vec<Pod> {
    let served = ["", "buffer.x-k8s.io/active-capacity"];
    let ready = Condition::is_true(&buffer.conditions, "ReadyForProvisioning") != Some(false);
    if !ready || !served.contains(&buffer.provisioning_strategy.as_ref()) {
        return Vec::new();
    }
    let Some((labels, spec, scale)) = template(snapshot, buffer) else {
        return Vec::new();
    };
    let mut spec = spec.clone();
    spec.volumes = Vec::new();
    spec.priority = i32::MIN;
    let each = spec.requests();
    let mut most = u64::MAX;
    for (name, limit) in buffer.limits.iter() {
        let one = each.amount(name).as_nanos();
        if one > 0 {
            let fit = limit.as_nanos().max(0) / one;
            most = most.min(u64::try_from(fit).unwrap_or(u64::MAX));
        }
    }
    let share = buffer
        .percentage
        .map(|percent| (u64::from(scale) * u64::from(percent)).div_ceil(100));
    let wanted = match (buffer.replicas.map(u64::from), share) {
        (None, None) if most == u64::MAX => 0,
        (None, None) => most,
        (count, share) => count.unwrap_or(0).max(share.unwrap_or(0)),
    };
    let (labels, spec) = (Arc::new(labels.clone()), Arc::new(spec));
    (0..wanted.min(most).min(100_000))
        .map(|number| {
            let name = format!("capacity-buffer-{}-{number}", buffer.name);
            let mut pod = Pod::new(Name::clone(&buffer.namespace), name);
            pod.labels = Arc::clone(&labels);
            pod.spec = Arc::clone(&spec);
            pod
        })
        .collect()
}

fn template<'s>(
    snapshot: &'s Snapshot,
    buffer: &CapacityBuffer,
) -> Option<(&'s Labels, &'s PodSpec, u32)> {
    match (&buffer.pod_template, &buffer.scalable) {
        (Some(name), _) => {
            let mut all = snapshot.pod_templates.iter();
            let found = all.find(|t| t.name == *name && t.namespace == buffer.namespace)?;
            Some((&found.template_labels, &found.spec, 0))
        }
        (None, Some(of)) => {
            let kind = match (of.api_group.as_ref(), of.kind.as_ref()) {
                ("" | "apps", "Deployment") => WorkloadKind::Deployment,
                ("" | "apps", "ReplicaSet") => WorkloadKind::ReplicaSet,
                ("" | "apps", "StatefulSet") => WorkloadKind::StatefulSet,
                _ => return None,
            };
            let mut all = snapshot.workloads.iter();
            let found = all
                .find(|w| w.kind == kind && w.name == of.name && w.namespace == buffer.namespace)?;
            Some((&found.template_labels, &found.spec, found.replicas))
        }
        (None, None) => None,
    }
}
