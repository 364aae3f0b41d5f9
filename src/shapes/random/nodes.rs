//! Random nodes with their claims and bound pods.

use super::demand::Workload;
use super::supply::taint;
use super::{Size, now, one_in, pick, up_to};
use crate::base::rng::Rng;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, Offering};
use crate::model::label::{self, Labels};
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::{HostPort, PodPhase};
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::{self, Taint, TaintEffect};

/// Adds nodes, some of them without a claim, claims without a node, and pods bound to the nodes.
pub(super) fn nodes(
    rng: &mut Rng,
    size: Size,
    snapshot: &mut Snapshot,
    workloads: &mut [Workload],
) {
    for at in 0..up_to(rng, 0, size.nodes) {
        let Some((pool, entry, offering)) = source(rng, snapshot) else {
            return;
        };
        let labels = labels(at, &pool, &entry, &offering);
        let flight = one_in(rng, 6);
        let managed = flight || !one_in(rng, 5);
        let name = Name::from(format!("node-{at}"));
        if managed {
            let claim = claim(
                at,
                &pool,
                &entry,
                labels.clone(),
                (!flight).then_some(&name),
            );
            snapshot.node_claims.push(claim);
        }
        if flight {
            continue;
        }
        let mut node = Node::new(Name::clone(&name));
        node.uid = Name::from(format!("node-uid-{at}"));
        node.created = Some(now());
        node.provider_id = Some(Name::from(format!("aws:///i-{at}")));
        node.labels = labels;
        if !managed {
            node.labels = node
                .labels
                .iter()
                .filter(|(key, _)| !key.contains("karpenter"))
                .map(|(key, value)| (Name::clone(key), Name::clone(value)))
                .collect();
        }
        node.capacity = entry.capacity.clone();
        node.allocatable = entry.allocatable();
        node.taints = pool.taints.iter().chain(&entry.taints).cloned().collect();
        state(rng, &mut node);
        bind(rng, size, snapshot, workloads, &node);
        snapshot.nodes.push(node);
    }
}

fn source(rng: &mut Rng, snapshot: &Snapshot) -> Option<(NodePool, InstanceType, Offering)> {
    let pool = rng.choose(&snapshot.node_pools)?;
    let class = snapshot
        .instance_types
        .iter()
        .find(|class| class.node_class == pool.node_class_ref.name)?;
    let entry = rng.choose(&class.instance_types)?;
    let offering = rng.choose(&entry.offerings)?;
    Some((pool.clone(), entry.clone(), offering.clone()))
}

fn labels(at: usize, pool: &NodePool, entry: &InstanceType, offering: &Offering) -> Labels {
    let mut labels = pool.template_labels.clone();
    for requirement in &entry.requirements {
        if let [value] = requirement.values.as_slice() {
            labels.set(Name::clone(&requirement.key), Name::clone(value));
        }
    }
    labels.set(label::INSTANCE_TYPE, Name::clone(&entry.name));
    labels.set(label::ZONE, Name::clone(&offering.zone));
    labels.set(label::CAPACITY_TYPE, offering.capacity_type.as_str());
    labels.set(label::NODE_POOL, Name::clone(&pool.name));
    labels.set(
        label::HYPERPOD_NODE_CLASS,
        Name::clone(&pool.node_class_ref.name),
    );
    labels.set(label::HOSTNAME, format!("node-{at}"));
    labels.set(label::REGISTERED, "true");
    labels.set(label::INITIALIZED, "true");
    labels
}

fn claim(
    at: usize,
    pool: &NodePool,
    entry: &InstanceType,
    labels: Labels,
    node: Option<&Name>,
) -> NodeClaim {
    NodeClaim {
        name: Name::from(format!("claim-{at}")),
        uid: Name::from(format!("claim-uid-{at}")),
        created: Some(now()),
        labels,
        node_class: Name::clone(&pool.node_class_ref.name),
        taints: pool.taints.clone(),
        startup_taints: pool.startup_taints.clone(),
        node_name: node.map(Name::clone),
        provider_id: Some(Name::from(format!("aws:///i-{at}"))),
        capacity: entry.capacity.clone(),
        allocatable: entry.allocatable(),
        ..NodeClaim::default()
    }
}

fn state(rng: &mut Rng, node: &mut Node) {
    node.conditions.push(Condition {
        kind: Name::from("Ready"),
        status: Name::from("True"),
        last_transition: Some(now()),
        ..Condition::default()
    });
    match rng.below(16) {
        0 | 1 => {
            node.unschedulable = true;
            node.taints.push(Taint::new(
                "node.kubernetes.io/unschedulable",
                "",
                TaintEffect::NoSchedule,
            ));
        }
        2 => node.deleted = Some(now()),
        3 => {
            node.labels.set(label::INITIALIZED, "false");
            node.taints.push(Taint::new(
                "node.kubernetes.io/not-ready",
                "",
                TaintEffect::NoSchedule,
            ));
        }
        4 => node.taints.push(Taint::new(
            "karpenter.sh/disrupted",
            "",
            TaintEffect::NoSchedule,
        )),
        5 | 6 => node.taints.push(taint(rng)),
        _ => {}
    }
}

/// Binds pods that tolerate the node and fit it, up to a random fill.
fn bind(
    rng: &mut Rng,
    size: Size,
    snapshot: &mut Snapshot,
    workloads: &mut [Workload],
    node: &Node,
) {
    let mut free = node.allocatable.clone();
    let mut ports: Vec<HostPort> = Vec::new();
    let tries = pick(rng, &[0, 1, 3, 6], 1);
    for _ in 0..tries {
        if snapshot.pods.len() >= size.pods / 2 || workloads.is_empty() {
            return;
        }
        let at = up_to(rng, 0, workloads.len() - 1);
        let Some(workload) = workloads.get_mut(at) else {
            return;
        };
        let wanted = workload.spec.requests();
        let asks = workload.spec.host_ports();
        let fits = fits(&wanted, &free)
            && taint::untolerated(&node.taints, &workload.spec.tolerations, false).is_none()
            && workload.spec.node_selector.is_empty()
            && workload.spec.affinity.node_required.is_none()
            && !asks
                .iter()
                .any(|ask| ports.iter().any(|held| held.clashes_with(ask)));
        if !fits {
            continue;
        }
        free.subtract(&wanted);
        ports.extend(asks);
        let mut pod = workload.next_pod(snapshot.pods.len());
        pod.node_name = Some(Name::clone(&node.name));
        pod.phase = PodPhase::Running;
        snapshot.pods.push(pod);
    }
}

fn fits(wanted: &ResourceList, free: &ResourceList) -> bool {
    wanted
        .iter()
        .all(|(name, quantity)| quantity <= free.amount(name))
}
