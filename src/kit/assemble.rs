//! From recipes to a snapshot that holds together: names, claims of nodes, and bound pods that fit their nodes.

use std::sync::Arc;

use super::recipe::{
    DaemonRecipe, NodeRecipe, PoolLimit, PoolRecipe, Together, Tolerates, TypeRecipe, Where,
    WorkloadRecipe,
};
use crate::base::time::Timestamp;
use crate::model::affinity::{NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use crate::model::label::{self, LabelSelector, SelectorExpression, SelectorOperator};
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::{Container, HostPort, OwnerReference, Pod, PodPhase, PodSpec, Protocol};
use crate::model::policy::{DaemonSet, IntOrPercent, PodDisruptionBudget};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{CPU, MEMORY, NODES, NVIDIA_GPU, Name, PODS, ResourceList};
use crate::model::taint::{Taint, TaintEffect, Toleration, TolerationOperator, untolerated};
use crate::model::volume::{
    ClaimPhase, PersistentVolume, PersistentVolumeClaim, PodVolume, StorageClass,
};
use crate::model::workload::{Workload, WorkloadKind};

const MIB: i64 = 1 << 20;
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// The node class of every pool.
const CLASS: &str = "main";
/// Key of the taints.
const DEDICATED: &str = "example.com/dedicated";
const NAMESPACE: &str = "default";
const CENT: i128 = 10_000_000_000_000;

/// 2026-01-01T00:00:00Z; nodes and pods are an hour old.
fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

fn an_hour_ago() -> Timestamp {
    Timestamp::from_millis(1_767_222_000_000)
}

fn zone(number: usize) -> &'static str {
    ZONES[number % ZONES.len()]
}

fn value(gpu: bool) -> &'static str {
    if gpu { "gpu" } else { "batch" }
}

pub(super) fn instance_type(at: usize, recipe: &TypeRecipe) -> InstanceType {
    let memory = recipe.cpu * recipe.gib_per_cpu;
    let mut made = InstanceType::new(format!("type-{at}"));
    made.capacity = list(recipe.cpu * 1_000, memory * 1_024, recipe.gpus);
    made.capacity.set(PODS, Quantity::from_units(29));
    made.overhead = list(100, 256, 0);
    made.requirements = vec![
        RequirementSpec::new(label::ARCH, Operator::In, ["amd64"]),
        RequirementSpec::new(label::OS, Operator::In, ["linux"]),
    ];
    let cents = 4 * recipe.cpu + memory / 4 + 60 * recipe.gpus + recipe.extra_cents;
    let price = Price::from_femto(CENT * i128::from(cents));
    for zone in ZONES.iter().take(recipe.zones.max(1)) {
        let of = |capacity_type, price| Offering::new(*zone, capacity_type, Some(price));
        made.offerings.push(of(CapacityType::OnDemand, price));
        if recipe.spot {
            let third = Price::from_femto(price.as_femto() / 3);
            made.offerings.push(of(CapacityType::Spot, third));
        }
    }
    made
}

fn list(milli: i64, mib: i64, gpus: i64) -> ResourceList {
    let mut list = ResourceList::new();
    list.set(CPU, Quantity::from_milli(milli));
    if mib > 0 {
        list.set(MEMORY, Quantity::from_bytes(mib * MIB));
    }
    if gpus > 0 {
        list.set(NVIDIA_GPU, Quantity::from_units(gpus));
    }
    list
}

fn pool(at: usize, recipe: &PoolRecipe) -> NodePool {
    let mut made = NodePool::new(format!("pool-{at}"), CLASS);
    made.weight = recipe.weight;
    if let Some(gpu) = recipe.taint {
        made.taints = vec![Taint::new(DEDICATED, value(gpu), TaintEffect::NoSchedule)];
    }
    match recipe.limit {
        Some(PoolLimit::Cpu(most)) => made.limits.set(CPU, Quantity::from_units(most)),
        Some(PoolLimit::Nodes(most)) => made.limits.set(NODES, Quantity::from_units(most)),
        None => {}
    }
    made
}

fn selects(name: &str) -> LabelSelector {
    LabelSelector::new(vec![SelectorExpression::new(
        "app",
        SelectorOperator::In,
        vec![Name::from(name)],
    )])
}

fn domain(hosts: bool) -> &'static str {
    if hosts { label::HOSTNAME } else { label::ZONE }
}

/// The Deployment number `at`: its pods carry the label `app` with its name.
pub(super) fn workload(at: usize, recipe: &WorkloadRecipe) -> Workload {
    let name = format!("app-{at}");
    let mut main = Container {
        name: Name::from("main"),
        requests: list(recipe.milli, recipe.mib, recipe.gpus),
        ..Container::default()
    };
    if recipe.host_port {
        main.host_ports = vec![HostPort::new("0.0.0.0", 80, Protocol::Tcp)];
    }
    let mut spec = PodSpec {
        containers: vec![main],
        priority: recipe.priority,
        ..PodSpec::default()
    };
    spec.tolerations.extend(recipe.tolerates.map(toleration));
    match recipe.place {
        Some(Where::Zone(number)) => spec.node_selector.set(label::ZONE, zone(number)),
        Some(Where::OnDemand) => spec.node_selector.set(label::CAPACITY_TYPE, "on-demand"),
        None => {}
    }
    let term = |hosts| PodAffinityTerm {
        label_selector: Some(selects(&name)),
        topology_key: Name::from(domain(hosts)),
        ..PodAffinityTerm::default()
    };
    match recipe.together {
        Some(Together::Spread { hosts, skew }) => {
            let spread = TopologySpreadConstraint::new(domain(hosts), skew, selects(&name));
            spec.topology_spread.push(spread);
        }
        Some(Together::Apart { hosts }) => spec.affinity.anti_required.push(term(hosts)),
        Some(Together::SameZone) => spec.affinity.pod_required.push(term(false)),
        None => {}
    }
    if recipe.volume.is_some() {
        spec.volumes = vec![PodVolume::Claim(Name::from(format!("{name}-data")))];
    }
    Workload {
        kind: WorkloadKind::Deployment,
        namespace: Name::from(NAMESPACE),
        replicas: recipe.replicas,
        template_labels: [("app", name.as_str())].into_iter().collect(),
        name: Name::from(name),
        spec: Arc::new(spec),
    }
}

fn toleration(tolerates: Tolerates) -> Toleration {
    match tolerates {
        Tolerates::Value(gpu) => Toleration {
            key: Some(Name::from(DEDICATED)),
            operator: TolerationOperator::Equal,
            value: Name::from(value(gpu)),
            ..Toleration::default()
        },
        Tolerates::Key => Toleration::exists(DEDICATED),
        Tolerates::Everything => Toleration::everything(),
    }
}

fn daemon_set(at: usize, recipe: &DaemonRecipe) -> DaemonSet {
    let mut spec = PodSpec {
        containers: vec![Container {
            name: Name::from("main"),
            requests: list(recipe.milli, recipe.mib, 0),
            ..Container::default()
        }],
        ..PodSpec::default()
    };
    if recipe.everywhere {
        spec.tolerations = vec![Toleration::everything()];
    }
    DaemonSet {
        namespace: Name::from("kube-system"),
        name: Name::from(format!("agent-{at}")),
        uid: Name::from(format!("agent-uid-{at}")),
        template_labels: [("agent", format!("agent-{at}"))].into_iter().collect(),
        spec: Arc::new(spec),
    }
}

/// A pod of `workload`, the `number`th of it.
fn pod(workload: &Workload, number: u32) -> Pod {
    let name = format!("{}-{number}", workload.name);
    Pod {
        namespace: Name::clone(&workload.namespace),
        uid: Name::from(format!("uid-{name}")),
        name: Name::from(name),
        created: Some(an_hour_ago()),
        labels: Arc::new(workload.template_labels.clone()),
        owners: Arc::new(vec![OwnerReference {
            api_version: Name::from("apps/v1"),
            kind: Name::from("ReplicaSet"),
            name: Name::clone(&workload.name),
            uid: Name::from(format!("rs-{}", workload.name)),
            controller: true,
        }]),
        spec: Arc::clone(&workload.spec),
        ..Pod::default()
    }
}

fn volume(snapshot: &mut Snapshot, workload: &Workload, number: usize) {
    let driver = Name::from("ebs.csi.aws.com");
    if snapshot.storage_classes.is_empty() {
        snapshot.storage_classes.push(StorageClass {
            name: Name::from("gp3"),
            provisioner: Name::clone(&driver),
            wait_for_first_consumer: true,
            allowed_topologies: Vec::new(),
        });
    }
    let name = Name::from(format!("pv-{}", workload.name));
    snapshot.volume_claims.push(PersistentVolumeClaim {
        namespace: Name::clone(&workload.namespace),
        name: Name::from(format!("{}-data", workload.name)),
        storage_class_name: Some(Name::from("gp3")),
        access_modes: vec![Name::from("ReadWriteMany")],
        phase: ClaimPhase::Bound,
        volume_name: Some(Name::clone(&name)),
        ..PersistentVolumeClaim::default()
    });
    let term = NodeSelectorTerm {
        match_expressions: vec![RequirementSpec::new(
            label::ZONE,
            Operator::In,
            [zone(number)],
        )],
        ..NodeSelectorTerm::default()
    };
    snapshot.volumes.push(PersistentVolume {
        name,
        node_affinity: Some(vec![term]),
        driver: Some(driver),
        ..PersistentVolume::default()
    });
}

/// The ingredients of a snapshot.
#[derive(Debug, Clone)]
pub(super) struct Ingredients {
    pub(super) types: Vec<TypeRecipe>,
    pub(super) pools: Vec<PoolRecipe>,
    pub(super) workloads: Vec<WorkloadRecipe>,
    pub(super) daemon_sets: Vec<DaemonRecipe>,
    pub(super) nodes: Vec<NodeRecipe>,
}

/// The cluster that the ingredients make.
pub(super) fn snapshot(ingredients: &Ingredients) -> Snapshot {
    let mut made = Snapshot::default();
    made.options.now = Some(now());
    let types = ingredients.types.iter().enumerate();
    let types = types.map(|(at, recipe)| instance_type(at, recipe));
    made.instance_types = vec![InstanceTypes::new(CLASS, types.collect())];
    let pools = ingredients.pools.iter().enumerate();
    made.node_pools = pools.map(|(at, recipe)| pool(at, recipe)).collect();
    let sets = ingredients.daemon_sets.iter().enumerate();
    made.daemon_sets = sets.map(|(at, recipe)| daemon_set(at, recipe)).collect();
    let mut workloads = Vec::new();
    for (at, recipe) in ingredients.workloads.iter().enumerate() {
        let one = workload(at, recipe);
        if let Some(number) = recipe.volume {
            volume(&mut made, &one, number);
        }
        if let Some(most) = recipe.budget {
            made.pod_disruption_budgets.push(PodDisruptionBudget {
                namespace: Name::clone(&one.namespace),
                name: Name::clone(&one.name),
                selector: Some(selects(&one.name)),
                max_unavailable: Some(IntOrPercent::Count(most)),
                ..PodDisruptionBudget::default()
            });
        }
        for number in 0..one.replicas {
            made.pods.push(pod(&one, number));
        }
        workloads.push(one);
    }
    for (at, recipe) in ingredients.nodes.iter().enumerate() {
        node(&mut made, at, recipe, &workloads);
    }
    made
}

fn condition(kind: &str) -> Condition {
    Condition {
        kind: Name::from(kind),
        status: Name::from("True"),
        last_transition: Some(an_hour_ago()),
        ..Condition::default()
    }
}

/// Adds a node with its claim, and binds pods of `workloads` to it that may run there.
fn node(made: &mut Snapshot, at: usize, recipe: &NodeRecipe, workloads: &[Workload]) {
    let types = made
        .instance_types
        .first()
        .map_or(&[][..], |class| &class.instance_types);
    let (Some(pool), Some(entry)) = (
        made.node_pools
            .get(recipe.pool % made.node_pools.len().max(1)),
        types.get(recipe.instance_type % types.len().max(1)),
    ) else {
        return;
    };
    let Some(offering) = entry
        .offerings
        .get(recipe.offering % entry.offerings.len().max(1))
    else {
        return;
    };
    let mut node = Node::new(format!("node-{at}"));
    node.uid = Name::from(format!("node-uid-{at}"));
    node.created = Some(an_hour_ago());
    node.provider_id = Some(Name::from(format!("aws:///i-{at}")));
    for (key, value) in [
        (label::ARCH, "amd64"),
        (label::OS, "linux"),
        (label::INSTANCE_TYPE, &*entry.name),
        (label::ZONE, &*offering.zone),
        (label::CAPACITY_TYPE, offering.capacity_type.as_str()),
        (label::NODE_POOL, &*pool.name),
        (label::HYPERPOD_NODE_CLASS, CLASS),
        (label::HOSTNAME, &*node.name),
        (label::REGISTERED, "true"),
        (label::INITIALIZED, "true"),
    ] {
        node.labels.set(key, value);
    }
    node.capacity = entry.capacity.clone();
    node.allocatable = entry.allocatable();
    node.taints.clone_from(&pool.taints);
    node.conditions = vec![condition("Ready")];
    let claim = NodeClaim {
        name: Name::from(format!("claim-{at}")),
        uid: Name::from(format!("claim-uid-{at}")),
        created: node.created,
        labels: node.labels.clone(),
        node_class: Name::from(CLASS),
        taints: pool.taints.clone(),
        node_name: Some(Name::clone(&node.name)),
        provider_id: node.provider_id.clone(),
        capacity: node.capacity.clone(),
        allocatable: node.allocatable.clone(),
        conditions: ["Launched", "Registered", "Initialized", "Consolidatable"]
            .map(condition)
            .to_vec(),
        ..NodeClaim::default()
    };
    bind(made, &node, recipe, workloads);
    if recipe.cordoned {
        node.unschedulable = true;
        node.taints.push(Taint::new(
            "node.kubernetes.io/unschedulable",
            "",
            TaintEffect::NoSchedule,
        ));
    }
    made.node_claims.push(claim);
    made.nodes.push(node);
}

/// Pods of Deployments with rules between pods or volumes stay pending: which nodes they may run on depends on more than
/// the node.
fn bind(made: &mut Snapshot, node: &Node, recipe: &NodeRecipe, workloads: &[Workload]) {
    let mut used = ResourceList::new();
    for set in &made.daemon_sets {
        if untolerated(&node.taints, &set.spec.tolerations, false).is_none() {
            used.add(&set.spec.requests());
        }
    }
    let mut ports: Vec<HostPort> = Vec::new();
    for &number in &recipe.pods {
        let Some(workload) = workloads.get(number % workloads.len().max(1)) else {
            return;
        };
        let spec = &workload.spec;
        let selected = spec
            .node_selector
            .iter()
            .all(|(key, value)| node.labels.get(key) == Some(&**value));
        let lonely = spec.topology_spread.is_empty()
            && spec.affinity.pod_required.is_empty()
            && spec.affinity.anti_required.is_empty()
            && spec.volumes.is_empty();
        let clash = spec
            .host_ports()
            .iter()
            .any(|port| ports.iter().any(|taken| port.clashes_with(taken)));
        let mut sum = used.clone();
        sum.add(&spec.requests());
        if !selected
            || !lonely
            || clash
            || !sum.fits(&node.allocatable)
            || untolerated(&node.taints, &spec.tolerations, false).is_some()
        {
            continue;
        }
        let waiting = made
            .pods
            .iter_mut()
            .find(|pod| pod.node_name.is_none() && Arc::ptr_eq(&pod.spec, spec));
        if let Some(pod) = waiting {
            pod.node_name = Some(Name::clone(&node.name));
            pod.phase = PodPhase::Running;
            ports.extend(spec.host_ports());
            used = sum;
        }
    }
}
