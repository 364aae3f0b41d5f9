//! Toy notation: small clusters in a few lines.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of the notation"
)]

pub mod edit;
pub mod naive;

use std::sync::Arc;

use tetrapod::model::affinity::NodeSelectorTerm;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use tetrapod::model::label;
use tetrapod::model::node::Node;
use tetrapod::model::node_pool::NodePool;
use tetrapod::model::pod::{Container, HostPort, Pod, PodSpec, Protocol};
use tetrapod::model::policy::DaemonSet;
use tetrapod::model::requirement::{Operator, RequirementSpec};
use tetrapod::model::resources::{PODS, ResourceList};
use tetrapod::plan::Plan;
use tetrapod::scheduler::schedule;
use tetrapod::verify::verify;

/// The zones in which every type of a [`World`] is sold.
pub const ZONES: [&str; 3] = ["z1", "z2", "z3"];

/// `"cpu=4 memory=32Gi nvidia.com/gpu=1"` as a list; a number alone is CPU.
pub fn resources(text: &str) -> ResourceList {
    let mut list = ResourceList::new();
    for part in text.split_whitespace() {
        let (name, amount) = part.split_once('=').unwrap_or(("cpu", part));
        list.set(name, amount.parse().unwrap());
    }
    list
}

/// A snapshot under construction: node class `main`, prices per hour, no overhead unless said.
#[derive(Debug)]
pub struct World {
    pub snapshot: Snapshot,
}

impl World {
    /// One pool called `default` and nothing else.
    pub fn new() -> Self {
        let mut world = Self::bare();
        world.pool("default");
        world
    }

    /// No pool.
    pub fn bare() -> Self {
        let mut snapshot = Snapshot::default();
        snapshot.instance_types = vec![InstanceTypes::new("main", Vec::new())];
        Self { snapshot }
    }

    pub fn pool(&mut self, name: &str) -> &mut NodePool {
        self.snapshot.node_pools.push(NodePool::new(name, "main"));
        self.snapshot.node_pools.last_mut().unwrap()
    }

    /// A type sold on demand in all [`ZONES`], for 110 pods unless said.
    pub fn instance_type(&mut self, name: &str, capacity: &str, price: &str) -> &mut InstanceType {
        let mut entry = InstanceType::new(name);
        entry.capacity = resources(capacity);
        if entry.capacity.get(PODS).is_none() {
            entry.capacity.set(PODS, "110".parse().unwrap());
        }
        let price = Some(price.parse().unwrap());
        entry.offerings = ZONES
            .iter()
            .map(|zone| Offering::new(*zone, CapacityType::OnDemand, price))
            .collect();
        let types = &mut self.snapshot.instance_types[0].instance_types;
        types.push(entry);
        types.last_mut().unwrap()
    }

    /// A pending pod of namespace `default`.
    pub fn pod(&mut self, name: &str, requests: &str) -> &mut PodSpec {
        let mut pod = Pod::new("default", name);
        pod.spec = Arc::new(spec(requests));
        self.snapshot.pods.push(pod);
        Arc::make_mut(&mut self.snapshot.pods.last_mut().unwrap().spec)
    }

    /// A node that no NodeClaim manages, in zone `z1`.
    pub fn node(&mut self, name: &str, allocatable: &str) -> &mut Node {
        let mut node = Node::new(name);
        node.allocatable = resources(allocatable);
        node.allocatable.set(PODS, "110".parse().unwrap());
        node.capacity = node.allocatable.clone();
        node.labels.set(label::ZONE, "z1");
        node.labels.set(label::HOSTNAME, name);
        self.snapshot.nodes.push(node);
        self.snapshot.nodes.last_mut().unwrap()
    }

    pub fn daemon_set(&mut self, name: &str, requests: &str) -> &mut PodSpec {
        let mut set = DaemonSet::default();
        set.namespace = "kube-system".into();
        set.name = name.into();
        set.spec = Arc::new(spec(requests));
        self.snapshot.daemon_sets.push(set);
        Arc::make_mut(&mut self.snapshot.daemon_sets.last_mut().unwrap().spec)
    }

    /// The plan, which must be valid.
    pub fn plan(&self) -> Plan {
        let plan = schedule(&self.snapshot);
        let verdict = verify(&self.snapshot, &plan);
        assert!(verdict.valid, "{:#?}\n{plan:#?}", verdict.violations);
        plan
    }
}

pub fn spec(requests: &str) -> PodSpec {
    let mut main = Container::default();
    main.name = "main".into();
    main.requests = resources(requests);
    let mut spec = PodSpec::default();
    spec.containers = vec![main];
    spec
}

/// Pods with the same port exclude each other.
pub fn host_port(spec: &mut PodSpec, port: u16) {
    let port = HostPort::new("0.0.0.0", port, Protocol::Tcp);
    spec.containers[0].host_ports.push(port);
}

/// Label `key` is `value`.
pub fn is(key: &str, value: &str) -> RequirementSpec {
    RequirementSpec::new(key, Operator::In, [value])
}

/// Required node affinity with one term per requirement.
pub fn any_of(spec: &mut PodSpec, alternatives: impl IntoIterator<Item = RequirementSpec>) {
    let terms = alternatives.into_iter().map(|requirement| {
        let mut term = NodeSelectorTerm::default();
        term.match_expressions = vec![requirement];
        term
    });
    spec.affinity.node_required = Some(terms.collect());
}

/// What a plan buys and uses: `type: pods` per claim and `node: pods` per existing node, all sorted, namespaces left out.
pub fn shape(plan: &Plan) -> Vec<String> {
    let names = |pods: &[tetrapod::model::resources::Name]| {
        let mut names: Vec<&str> = pods
            .iter()
            .map(|pod| pod.split_once('/').unwrap().1)
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    let mut lines: Vec<String> = plan
        .new_node_claims
        .iter()
        .map(|claim| format!("{}: {}", claim.cheapest.instance_type, names(&claim.pods)))
        .collect();
    lines.extend(
        plan.existing_nodes
            .iter()
            .map(|placement| format!("{}: {}", placement.node, names(&placement.pods))),
    );
    lines.sort();
    lines
}

/// The names of the pods that stay pending, namespaces left out.
pub fn pending(plan: &Plan) -> Vec<&str> {
    let pods = plan.unschedulable.iter();
    pods.map(|entry| entry.pod.split_once('/').unwrap().1)
        .collect()
}
