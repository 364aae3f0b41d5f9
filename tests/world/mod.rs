//! A toy notation for clusters, so that a test reads in five lines.
//!
//! ```text
//! world()
//!     .pool("default weight=10 limit=cpu:8")
//!     .types("small 4cpu 16Gi $1; big 16cpu 64Gi $4 z1,z2 spot$2")
//!     .node("n1 4cpu 16Gi zone=z1 pool=default")
//!     .pod("3x cpu=2 gpu=1 zone=z1")
//!     .plan()
//! ```
//!
//! A line is words parted by spaces; the first word of pools, types, nodes and daemons is the name.
//! * **pool**: `weight=N`, `limit=RESOURCE:N`, `label=K=V`, `taint=K=V:EFFECT`, `req=KEY:OP:A,B`, `min=KEY:OP:A,B:N`
//!   (minValues), `class=NAME` (else the pool's name), `static`, `unready`.
//! * **types** (of the last pool, parted by `;`): `4cpu`, `16Gi`, `8gpu`, `20pods` (else 110), zones `z1,z2` (else `z1`), a price
//!   `$1`, `spot$0.5`, `reserved$0:2@ID` (two instances) or `$?` (unknown), `!z2` (unavailable there), `taint=K=V:EFFECT`,
//!   `group=NAME`, any other `K=V` is a label.
//! * **pod** and **daemon**: `3x` copies, `name=`, `cpu=`, `mem=`, `gpu=`, `zone=`, `ct=`, `type=`, `sel=K=V`, `req=KEY:OP:A,B`
//!   (required node affinity, one term), `tol=K=V:EFFECT` or `tol=*`, `port=N`, `prio=N`, `on=NODE` (bound).
//! * **node**: sizes as for types, `zone=`, `type=`, `pool=`, `label=K=V`, `taint=...`, `cordoned`, `deleting`.
#![allow(dead_code, reason = "each test crate uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a slip in a test's own notation should end the test"
)]

use std::sync::Arc;

use tetrapod::base::time::Timestamp;
use tetrapod::model::affinity::NodeSelectorTerm;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use tetrapod::model::label::{CAPACITY_TYPE, INSTANCE_TYPE, NODE_POOL, ZONE};
use tetrapod::model::node::{Condition, Node};
use tetrapod::model::node_pool::NodePool;
use tetrapod::model::pod::{Container, HostPort, Pod, PodSpec, Protocol};
use tetrapod::model::policy::DaemonSet;
use tetrapod::model::quantity::Quantity;
use tetrapod::model::requirement::{Operator, RequirementSpec};
use tetrapod::model::resources::{CPU, MEMORY, NVIDIA_GPU, Name, PODS, ResourceList};
use tetrapod::model::taint::{Taint, TaintEffect, Toleration, TolerationOperator};
use tetrapod::plan::{Plan, Unschedulable};
use tetrapod::scheduler::{Capacity, Compiled, schedule};
use tetrapod::solver::Outcome;

/// A cluster in the making.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What has been said so far.
    pub(crate) snapshot: Snapshot,
    class: Option<Name>,
    pods: usize,
}

/// An empty cluster.
pub(crate) fn world() -> World {
    World::default()
}

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap()
}

fn pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

fn taint(text: &str) -> Taint {
    let (key, effect) = text.rsplit_once(':').unwrap();
    let effect = match effect {
        "NoSchedule" => TaintEffect::NoSchedule,
        "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        other => panic!("no effect {other}"),
    };
    let (key, value) = pair(key);
    Taint::new(key, value, effect)
}

fn toleration(text: &str) -> Toleration {
    if text == "*" {
        return Toleration::everything();
    }
    let taint = taint(text);
    let mut toleration = Toleration::exists(taint.key);
    toleration.operator = TolerationOperator::Equal;
    toleration.value = taint.value;
    toleration.effect = Some(taint.effect);
    toleration
}

/// `key:Op:a,b`
fn requirement(text: &str) -> RequirementSpec {
    let mut parts = text.splitn(3, ':');
    let key = parts.next().unwrap();
    let operator = match parts.next().unwrap() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        "Gte" => Operator::Gte,
        "Lte" => Operator::Lte,
        other => panic!("no operator {other}"),
    };
    let values = parts.next().unwrap_or_default().split(',');
    RequirementSpec::new(key, operator, values.filter(|value| !value.is_empty()))
}

/// Reads `4cpu`, `16Gi`, `8gpu` and `20pods` into `list`; whether `word` was one of them.
fn size(word: &str, list: &mut ResourceList) -> bool {
    let number = |suffix| {
        word.strip_suffix(suffix)
            .filter(|n: &&str| n.parse::<f64>().is_ok())
    };
    if let Some(n) = number("cpu") {
        list.set(CPU, quantity(n));
    } else if number("Gi").is_some() || number("Mi").is_some() {
        list.set(MEMORY, quantity(word));
    } else if let Some(n) = number("gpu") {
        list.set(NVIDIA_GPU, quantity(n));
    } else if let Some(n) = number("pods") {
        list.set(PODS, quantity(n));
    } else {
        return false;
    }
    true
}

impl World {
    /// A NodePool with a node class of its own.
    pub(crate) fn pool(mut self, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let mut pool = NodePool::new(name, name);
        for word in words {
            let (key, value) = pair(word);
            match key {
                "weight" => pool.weight = value.parse().unwrap(),
                "class" => pool.node_class_ref.name = Name::from(value),
                "static" => pool.replicas = Some(1),
                "unready" => {
                    let mut condition = Condition::default();
                    condition.kind = Name::from("Ready");
                    condition.status = Name::from("False");
                    pool.conditions.push(condition);
                }
                "limit" => {
                    let (resource, amount) = value.split_once(':').unwrap();
                    pool.limits.set(resource, quantity(amount));
                }
                "label" => {
                    let (key, value) = pair(value);
                    pool.template_labels.set(key, value);
                }
                "taint" => pool.taints.push(taint(value)),
                "req" => pool.requirements.push(requirement(value)),
                "min" => {
                    let (rule, least) = value.rsplit_once(':').unwrap();
                    let mut rule = requirement(rule);
                    rule.min_values = Some(least.parse().unwrap());
                    pool.requirements.push(rule);
                }
                other => panic!("pool: {other}?"),
            }
        }
        self.class = Some(Name::clone(&pool.node_class_ref.name));
        self.snapshot.node_pools.push(pool);
        self
    }

    /// Types of the last pool's node class.
    pub(crate) fn types(mut self, lines: &str) -> Self {
        let types = lines.split(';').map(instance_type).collect();
        let class = self.class.clone().expect("a pool comes before its types");
        self.snapshot
            .instance_types
            .push(InstanceTypes::new(class, types));
        self
    }

    /// Pods that wait, or are bound with `on=`.
    pub(crate) fn pod(mut self, line: &str) -> Self {
        let (count, pattern) = pod(line);
        let spec = Arc::clone(&pattern.spec);
        for copy in 0..count {
            let name = match (pattern.name.as_ref(), count) {
                ("", _) => format!("p{}", self.pods),
                (name, 1) => name.to_owned(),
                (name, _) => format!("{name}-{copy}"),
            };
            self.pods += 1;
            let mut pod = Pod::new("default", name);
            pod.spec = Arc::clone(&spec);
            pod.node_name = pattern.node_name.clone();
            self.snapshot.pods.push(pod);
        }
        self
    }

    /// A DaemonSet in `kube-system`.
    pub(crate) fn daemon(mut self, line: &str) -> Self {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (_, pattern) = pod(rest);
        let mut set = DaemonSet::default();
        set.namespace = Name::from("kube-system");
        set.name = Name::from(name);
        set.spec = pattern.spec;
        self.snapshot.daemon_sets.push(set);
        self
    }

    /// A Node.
    pub(crate) fn node(mut self, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut node = Node::new(words.next().unwrap());
        let mut list: ResourceList = [(PODS, quantity("110"))].into_iter().collect();
        for word in words {
            if size(word, &mut list) {
                continue;
            }
            let (key, value) = pair(word);
            match key {
                "zone" => node.labels.set(ZONE, value),
                "type" => node.labels.set(INSTANCE_TYPE, value),
                "pool" => node.labels.set(NODE_POOL, value),
                "label" => {
                    let (key, value) = pair(value);
                    node.labels.set(key, value);
                }
                "taint" => node.taints.push(taint(value)),
                "cordoned" => node.unschedulable = true,
                "deleting" => node.deleted = Some(Timestamp::from_millis(0)),
                other => panic!("node: {other}?"),
            }
        }
        node.capacity = list.clone();
        node.allocatable = list;
        self.snapshot.nodes.push(node);
        self
    }

    /// Changes anything the notation has no word for.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Snapshot)) -> Self {
        change(&mut self.snapshot);
        self
    }

    /// The plan.
    pub(crate) fn plan(&self) -> Plan {
        schedule(&self.snapshot)
    }

    /// Why the pod `name` of the namespace `default` stays pending.
    pub(crate) fn why(&self, name: &str) -> Unschedulable {
        let key = format!("default/{name}");
        let plan = self.plan();
        let found = plan.unschedulable.iter().find(|u| u.pod.as_ref() == key);
        found
            .unwrap_or_else(|| panic!("{key} is placed: {plan:#?}"))
            .clone()
    }

    /// Runs `ask` on the compiled snapshot, its outcome and its plan.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&Compiled<'_>, &Outcome, &Plan) -> T) -> T {
        let capacity = Capacity::new(&self.snapshot);
        let compiled = Compiled::new(&self.snapshot, &capacity);
        let outcome = compiled.solve();
        let plan = compiled.plan(&outcome);
        ask(&compiled, &outcome, &plan)
    }
}

fn instance_type(line: &str) -> InstanceType {
    let mut words = line.split_whitespace();
    let mut held = InstanceType::new(words.next().unwrap());
    held.capacity.set(PODS, quantity("110"));
    let mut zones = vec!["z1"];
    let mut closed = Vec::new();
    let mut prices = Vec::new();
    let mut group = None;
    for word in words {
        if size(word, &mut held.capacity) {
        } else if let Some((kind, price)) = word.split_once('$') {
            prices.push((kind, price));
        } else if let Some(taken) = word.strip_prefix('!') {
            closed.extend(taken.split(','));
        } else if let Some((key, value)) = word.split_once('=') {
            match key {
                "taint" => held.taints.push(taint(value)),
                "group" => group = Some(Name::from(value)),
                _ => held
                    .requirements
                    .push(RequirementSpec::new(key, Operator::In, [value])),
            }
        } else {
            zones = word.split(',').collect();
        }
    }
    for zone in zones {
        for (kind, price) in &prices {
            let (price, reservation) = price.split_once(':').unwrap_or((price, ""));
            let kind = match *kind {
                "" => CapacityType::OnDemand,
                other => other.parse().unwrap(),
            };
            let mut offering = Offering::new(zone, kind, price.parse().ok());
            offering.available = !closed.contains(&zone);
            offering.instance_group = group.clone();
            if let Some((count, id)) = reservation.split_once('@') {
                offering.reservation_capacity = count.parse().unwrap();
                offering.reservation_id = Some(Name::from(id));
            }
            held.offerings.push(offering);
        }
    }
    held
}

/// How many copies, and what one is.
fn pod(line: &str) -> (usize, Pod) {
    let mut count = 1;
    let mut pod = Pod::default();
    let mut spec = PodSpec::default();
    let mut app = Container::default();
    let mut affinity = Vec::new();
    for word in line.split_whitespace() {
        if let Some(n) = word.strip_suffix('x').and_then(|n| n.parse().ok()) {
            count = n;
            continue;
        }
        let (key, value) = pair(word);
        match key {
            "name" => pod.name = Name::from(value),
            "cpu" => app.requests.set(CPU, quantity(value)),
            "mem" => app.requests.set(MEMORY, quantity(value)),
            "gpu" => app.requests.set(NVIDIA_GPU, quantity(value)),
            "zone" => spec.node_selector.set(ZONE, value),
            "ct" => spec.node_selector.set(CAPACITY_TYPE, value),
            "type" => spec.node_selector.set(INSTANCE_TYPE, value),
            "sel" => {
                let (key, value) = pair(value);
                spec.node_selector.set(key, value);
            }
            "req" => affinity.push(requirement(value)),
            "tol" => spec.tolerations.push(toleration(value)),
            "port" => {
                let port = HostPort::new("0.0.0.0", value.parse().unwrap(), Protocol::Tcp);
                app.host_ports.push(port);
            }
            "prio" => spec.priority = value.parse().unwrap(),
            "on" => pod.node_name = Some(Name::from(value)),
            other => panic!("pod: {other}?"),
        }
    }
    if !affinity.is_empty() {
        let mut term = NodeSelectorTerm::default();
        term.match_expressions = affinity;
        spec.affinity.node_required = Some(vec![term]);
    }
    spec.containers.push(app);
    pod.spec = Arc::new(spec);
    (count, pod)
}
