//! Snapshots changed in ways after which the right plan is known.

use std::sync::Arc;

use tetrapod::base::rng::Rng;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::{CapacityType, InstanceType, Offering};
use tetrapod::model::label::{self, Labels};
use tetrapod::model::node::Node;
use tetrapod::model::node_claim::NodeClaim;
use tetrapod::model::node_pool::NodePool;
use tetrapod::model::pod::{Pod, PodPhase, PodSpec};
use tetrapod::model::price::Price;
use tetrapod::model::requirement::{Operator, Requirement};
use tetrapod::model::resources::{CPU, MEMORY, Name, ResourceList};
use tetrapod::plan::{Plan, PlannedClaim};

/// The same objects in another order, requirements and offerings within them too. Taints stay: reasons list them as they
/// stand.
pub fn shuffled(snapshot: &Snapshot, rng: &mut Rng) -> Snapshot {
    let mut other = snapshot.clone();
    shuffle(&mut other.pods, rng);
    shuffle(&mut other.nodes, rng);
    shuffle(&mut other.node_claims, rng);
    shuffle(&mut other.node_pools, rng);
    shuffle(&mut other.daemon_sets, rng);
    shuffle(&mut other.options.limit_groups, rng);
    for pool in &mut other.node_pools {
        shuffle(&mut pool.requirements, rng);
    }
    shuffle(&mut other.instance_types, rng);
    for class in &mut other.instance_types {
        shuffle(&mut class.instance_types, rng);
        for entry in &mut class.instance_types {
            shuffle(&mut entry.requirements, rng);
            shuffle(&mut entry.offerings, rng);
        }
    }
    other
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for at in (1..items.len()).rev() {
        let with = usize::try_from(rng.below(at as u64 + 1)).unwrap();
        items.swap(at, with);
    }
}

/// What stands before every name in [`renamed`] and [`renamed_plan`]: the order of names stays.
fn longer(name: &Name) -> Name {
    format!("renamed-{name}").as_str().into()
}

/// Pods, nodes, claims and pools with other names in the same order (M-10).
pub fn renamed(snapshot: &Snapshot) -> Snapshot {
    let mut other = snapshot.clone();
    let relabel = |labels: &mut Labels| {
        for key in [label::NODE_POOL, label::HOSTNAME] {
            if let Some(value) = labels.shared(key).map(longer) {
                labels.set(key, value);
            }
        }
    };
    for pod in &mut other.pods {
        pod.name = longer(&pod.name);
        pod.node_name = pod.node_name.as_ref().map(longer);
    }
    for node in &mut other.nodes {
        node.name = longer(&node.name);
        relabel(&mut node.labels);
    }
    for claim in &mut other.node_claims {
        claim.name = longer(&claim.name);
        claim.node_name = claim.node_name.as_ref().map(longer);
        relabel(&mut claim.labels);
    }
    for pool in &mut other.node_pools {
        pool.name = longer(&pool.name);
    }
    let limits = std::mem::take(&mut other.options.pool_price_limits);
    other.options.pool_price_limits = limits
        .iter()
        .map(|(pool, limit)| (longer(pool), *limit))
        .collect();
    other
}

/// What becomes of a plan under [`renamed`]; texts for people are left out, see [`wordless`].
pub fn renamed_plan(plan: &Plan) -> Plan {
    let mut other = wordless(plan);
    let pod = |key: &mut Name| {
        let (namespace, name) = key.split_once('/').unwrap();
        *key = format!("{namespace}/{}", longer(&name.into()))
            .as_str()
            .into();
    };
    for claim in &mut other.new_node_claims {
        claim.node_pool = longer(&claim.node_pool);
        claim.pods.iter_mut().for_each(pod);
    }
    for placement in &mut other.existing_nodes {
        placement.node = longer(&placement.node);
        placement.pods.iter_mut().for_each(pod);
    }
    other
        .unschedulable
        .iter_mut()
        .for_each(|entry| pod(&mut entry.pod));
    other
}

/// A plan without the texts that speak of names and amounts.
pub fn wordless(plan: &Plan) -> Plan {
    let mut other = plan.clone();
    other.notes.clear();
    for entry in &mut other.unschedulable {
        entry.reason = "".into();
        entry.reasons = Arc::default();
    }
    other
}

/// A plan without the amounts that pods ask for, which scale with them.
pub fn without_amounts(plan: &Plan) -> Plan {
    let mut other = wordless(plan);
    for claim in &mut other.new_node_claims {
        claim.requests = ResourceList::new();
    }
    other
}

/// CPU and memory of everything times `factor` (M-10).
pub fn scaled(snapshot: &Snapshot, factor: i64) -> Snapshot {
    let mut other = snapshot.clone();
    let grow = |list: &mut ResourceList| {
        for name in [CPU, MEMORY] {
            if let Some(amount) = list.get(name) {
                list.set(name, amount.times(factor));
            }
        }
    };
    let grow_spec = |spec: &mut Arc<PodSpec>| {
        let mut own = PodSpec::clone(spec);
        for container in own.containers.iter_mut().chain(&mut own.init_containers) {
            grow(&mut container.requests);
            grow(&mut container.limits);
        }
        grow(&mut own.overhead);
        grow(&mut own.pod_requests);
        grow(&mut own.pod_limits);
        *spec = Arc::new(own);
    };
    other
        .pods
        .iter_mut()
        .for_each(|pod| grow_spec(&mut pod.spec));
    other
        .daemon_sets
        .iter_mut()
        .for_each(|set| grow_spec(&mut set.spec));
    for node in &mut other.nodes {
        grow(&mut node.capacity);
        grow(&mut node.allocatable);
    }
    for claim in &mut other.node_claims {
        grow(&mut claim.capacity);
        grow(&mut claim.allocatable);
        grow(&mut claim.requests);
    }
    let types = other
        .instance_types
        .iter_mut()
        .flat_map(|class| &mut class.instance_types);
    types.for_each(|entry| {
        grow(&mut entry.capacity);
        grow(&mut entry.overhead);
    });
    other
        .node_pools
        .iter_mut()
        .for_each(|pool| grow(&mut pool.limits));
    other
        .options
        .limit_groups
        .iter_mut()
        .for_each(|group| grow(&mut group.limits));
    other
}

/// Pools without limits, and no quotas, price limits or limit groups.
pub fn unlimited(snapshot: &Snapshot) -> Snapshot {
    let mut other = snapshot.clone();
    other
        .node_pools
        .iter_mut()
        .for_each(|pool| pool.limits = ResourceList::new());
    let options = &mut other.options;
    options.limit_groups.clear();
    options.price_limit = None;
    options.pool_price_limits.clear();
    options.quotas = tetrapod::model::options::Quotas::default();
    other
}

/// Pools without `minValues`.
pub fn without_min_values(snapshot: &Snapshot) -> Snapshot {
    let mut other = snapshot.clone();
    let pools = other.node_pools.iter_mut();
    pools.for_each(|pool| {
        pool.requirements
            .iter_mut()
            .for_each(|spec| spec.min_values = None)
    });
    other
}

/// Pods that no plan can place, whatever there is to buy.
pub fn hopeless() -> Vec<Pod> {
    let pod = |name: &str, change: &dyn Fn(&mut PodSpec)| {
        let mut pod = Pod::new("default", name);
        let mut spec = super::spec("cpu=37m");
        change(&mut spec);
        pod.spec = Arc::new(spec);
        pod
    };
    vec![
        pod("aa-too-large", &|spec| {
            spec.containers[0].requests =
                super::resources("cpu=1000000007m memory=7000000000000001");
            spec.priority = 2_000_000;
        }),
        pod("mm-unknown-label", &|spec| {
            spec.node_selector.set("example.com/nobody", "has-it")
        }),
        pod("zz-unknown-resource", &|spec| {
            spec.containers[0].requests = super::resources("cpu=1 example.com/nothing=3");
        }),
    ]
}

/// The snapshot as it is once the plan is carried out: nodes bought, registered and initialized, pods bound, and what
/// was used of reservations, quotas and price limits gone. A label that the claim could still choose has the least value
/// that is allowed.
pub fn carried_out(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
    let mut after = snapshot.clone();
    for (at, claim) in plan.new_node_claims.iter().enumerate() {
        let name = Name::from(format!("zz-new-{at:03}"));
        let (pool, entry, offering) = source(snapshot, claim);
        let mut node = Node::new(Name::clone(&name));
        node.provider_id = Some(Name::from(format!("aws:///new-{at}")));
        node.labels = labels(pool, entry, offering);
        node.labels.set(label::HOSTNAME, Name::clone(&name));
        node.capacity = entry.capacity.clone();
        node.allocatable = entry.allocatable();
        node.taints = pool.taints.iter().chain(&entry.taints).cloned().collect();
        let mut owner = NodeClaim::default();
        owner.name = Name::from(format!("zz-claim-{at:03}"));
        owner.node_class = Name::clone(&pool.node_class_ref.name);
        owner.labels = node.labels.clone();
        owner.taints = pool.taints.clone();
        owner.startup_taints = pool.startup_taints.clone();
        owner.node_name = Some(Name::clone(&name));
        owner.provider_id = node.provider_id.clone();
        owner.capacity = node.capacity.clone();
        owner.allocatable = node.allocatable.clone();
        after.nodes.push(node);
        after.node_claims.push(owner);
        bind(&mut after, &claim.pods, &name);
        spend(&mut after, claim);
    }
    for placement in &plan.existing_nodes {
        bind(&mut after, &placement.pods, &placement.node);
    }
    after
}

fn bind(after: &mut Snapshot, pods: &[Name], node: &Name) {
    for pod in &mut after.pods {
        if pods.iter().any(|key| key.as_ref() == pod.key()) {
            pod.node_name = Some(Name::clone(node));
            pod.phase = PodPhase::Running;
        }
    }
}

fn source<'a>(
    snapshot: &'a Snapshot,
    claim: &PlannedClaim,
) -> (&'a NodePool, &'a InstanceType, &'a Offering) {
    let chosen = &claim.cheapest;
    let pool = snapshot
        .node_pools
        .iter()
        .find(|pool| pool.name == claim.node_pool)
        .unwrap();
    let class = snapshot
        .instance_types
        .iter()
        .find(|class| class.node_class == pool.node_class_ref.name)
        .unwrap();
    let entry = class
        .instance_types
        .iter()
        .find(|entry| entry.name == chosen.instance_type);
    let entry = entry.unwrap();
    let offering = entry.offerings.iter().find(|o| {
        o.zone == chosen.zone
            && o.capacity_type == chosen.capacity_type
            && o.reservation_id == chosen.reservation_id
    });
    (pool, entry, offering.unwrap())
}

fn labels(pool: &NodePool, entry: &InstanceType, offering: &Offering) -> Labels {
    let mut labels = pool.template_labels.clone();
    labels.set(label::INSTANCE_TYPE, Name::clone(&entry.name));
    labels.set(label::ZONE, Name::clone(&offering.zone));
    labels.set(label::CAPACITY_TYPE, offering.capacity_type.as_str());
    labels.set(label::NODE_POOL, Name::clone(&pool.name));
    labels.set(
        pool.node_class_ref.label_key().as_str(),
        Name::clone(&pool.node_class_ref.name),
    );
    labels.set(label::REGISTERED, "true");
    labels.set(label::INITIALIZED, "true");
    if let Some(id) = &offering.reservation_id {
        labels.set(label::RESERVATION_ID, Name::clone(id));
    }
    for spec in entry.requirements.iter().chain(&pool.requirements) {
        let asked = Requirement::from_spec(spec);
        if labels.get(asked.key()).is_none() {
            let value = if asked.operator() == Operator::Exists {
                Some("any".into())
            } else {
                asked
                    .values()
                    .first()
                    .filter(|_| !asked.is_complement())
                    .map(Name::clone)
            };
            if let Some(value) = value {
                labels.set(Name::clone(asked.key()), value);
            }
        }
    }
    labels
}

/// Takes what the claim uses out of everything that is counted and not seen on nodes.
fn spend(after: &mut Snapshot, claim: &PlannedClaim) {
    let chosen = &claim.cheapest;
    if chosen.capacity_type == CapacityType::Reserved {
        let types = after
            .instance_types
            .iter_mut()
            .flat_map(|class| &mut class.instance_types);
        let held = types
            .flat_map(|entry| &mut entry.offerings)
            .filter(|o| o.reservation_id == chosen.reservation_id);
        held.for_each(|offering| offering.reservation_capacity -= 1);
    }
    let options = &mut after.options;
    if let Some(left) = options.quotas.per_type.get_mut(&chosen.instance_type) {
        *left -= 1;
    }
    for quota in [&mut options.quotas.cluster, &mut options.quotas.total] {
        *quota = quota.map(|left| left - 1);
    }
    let price = chosen.price.unwrap_or(Price::ZERO);
    options.price_limit = options.price_limit.map(|limit| limit - price);
    if let Some(limit) = options.pool_price_limits.get_mut(&claim.node_pool) {
        *limit = *limit - price;
    }
}
