//! Shapes over the built-in catalogue of HyperPod's instance types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Params;
use super::parts::{GIB, cpu_memory, epoch, on_demand_in, pod, spec};
use crate::base::rng::Rng;
use crate::hyperpod::catalog::{self, AcceleratorKind, Arch, NodeSettings, TypeFacts};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, InstanceTypes};
use crate::model::label::{self, Labels};
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::options::Options;
use crate::model::pod::{OwnerReference, Pod, PodPhase, PodSpec};
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{NVIDIA_GPU, Name, ResourceList};

const ZONES: [&str; 3] = ["us-west-2a", "us-west-2b", "us-west-2c"];
const WORKLOADS: usize = 200;

/// The catalogue's types for which `keep` holds, on demand in three zones.
fn types(keep: &dyn Fn(&TypeFacts) -> bool) -> Vec<InstanceType> {
    catalog::all()
        .filter(|facts| keep(facts))
        .map(|facts| {
            let entry = facts.instance_type(&NodeSettings::default());
            on_demand_in(entry, &ZONES, facts.price())
        })
        .collect()
}

fn one_pool(types: Vec<InstanceType>) -> Snapshot {
    Snapshot {
        options: Options {
            now: Some(epoch()),
            ..Options::default()
        },
        node_pools: vec![NodePool::new("default", "default")],
        instance_types: vec![InstanceTypes::new("default", types)],
        ..Snapshot::default()
    }
}

/// Pods of 500m and 1Gi without constraints.
pub(super) fn identical(params: Params) -> Snapshot {
    let mut snapshot = one_pool(types(&|facts| ["m5", "c5"].contains(&facts.family())));
    let namespace = Name::from("default");
    let labels = Arc::new([("app", "web")].into_iter().collect::<Labels>());
    let spec = Arc::new(spec(cpu_memory(500, GIB)));
    snapshot.pods = (0..params.pods)
        .map(|number| pod(&namespace, format!("p{number:06}"), number, &labels, &spec))
        .collect();
    snapshot
}

/// A number of GPUs: 1, 2, 4 or 8 for 50, 20, 15 and 15 % of the pods.
fn gpu_count(rng: &mut Rng) -> i64 {
    match rng.below(100) {
        0..50 => 1,
        50..70 => 2,
        70..85 => 4,
        _ => 8,
    }
}

fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let width = u64::try_from(high - low + 1).unwrap_or(1);
    low + i64::try_from(rng.below(width)).unwrap_or(0)
}

/// GPU pods in front, as many CPU pods behind them. CPU and memory per GPU are whole numbers, so that replicas of one
/// size repeat.
pub(super) fn gpu(params: Params) -> Snapshot {
    let gpu_or_cpu = |facts: &TypeFacts| {
        facts.arch == Arch::Amd64
            && facts
                .accelerator
                .as_ref()
                .is_none_or(|found| found.kind == AcceleratorKind::Gpu)
    };
    let mut snapshot = one_pool(types(&gpu_or_cpu));
    let mut rng = Rng::new(params.seed);
    let namespace = Name::from("default");
    let labels = Arc::new(Labels::new());
    let mut specs: BTreeMap<(i64, i64, i64), Arc<PodSpec>> = BTreeMap::new();
    let gpu_pods = params.pods.div_ceil(2);
    snapshot.pods = (0..params.pods)
        .map(|number| {
            let shape = if number < gpu_pods {
                let count = gpu_count(&mut rng);
                let cpu = between(&mut rng, 4, 12) * count;
                (count, cpu, between(&mut rng, 16, 64) * count)
            } else {
                let cpu = between(&mut rng, 1, 8);
                (0, cpu, between(&mut rng, 2, 8) * cpu)
            };
            let spec = specs.entry(shape).or_insert_with(|| {
                let (count, cpu, gib) = shape;
                let mut requests = cpu_memory(cpu * 1_000, gib * GIB);
                if count > 0 {
                    requests.set(NVIDIA_GPU, Quantity::from_units(count));
                }
                Arc::new(spec(requests))
            });
            pod(&namespace, format!("p{number:06}"), number, &labels, spec)
        })
        .collect();
    snapshot
}

/// One of the workloads of the packed shape.
struct Workload {
    labels: Arc<Labels>,
    owners: Arc<Vec<OwnerReference>>,
    spec: Arc<PodSpec>,
    requests: ResourceList,
    replicas: usize,
    name: String,
}

fn workloads(rng: &mut Rng) -> Vec<Workload> {
    (0..WORKLOADS)
        .map(|at| {
            let milli = [100, 250, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 8_000];
            let milli = rng.choose(&milli).copied().unwrap_or(500);
            let per_core = rng.choose(&[1, 2, 2, 4, 4, 6]).copied().unwrap_or(2);
            let mut requests = cpu_memory(milli, (milli * per_core * GIB / 1_000).max(GIB / 4));
            if at % 10 == 0 {
                requests.set(NVIDIA_GPU, Quantity::from_units(1));
            }
            let name = format!("workload-{at:03}");
            let spec = spec(requests);
            Workload {
                labels: Arc::new([("app", name.as_str())].into_iter().collect()),
                owners: Arc::new(vec![OwnerReference {
                    api_version: Name::from("apps/v1"),
                    kind: Name::from("ReplicaSet"),
                    name: Name::from(name.as_str()),
                    uid: Name::from(format!("rs-{at:03}")),
                    controller: true,
                }]),
                requests: spec.requests(),
                spec: Arc::new(spec),
                replicas: 0,
                name,
            }
        })
        .collect()
}

impl Workload {
    fn pod(&mut self, namespace: &Name, number: usize, node: Option<&Name>) -> Pod {
        let name = format!("{}-{:05}", self.name, self.replicas);
        self.replicas += 1;
        let mut pod = pod(namespace, name, number, &self.labels, &self.spec);
        pod.owners = Arc::clone(&self.owners);
        if let Some(node) = node {
            pod.node_name = Some(Name::clone(node));
            pod.phase = PodPhase::Running;
        }
        pod
    }
}

/// The largest share of `have` that `used` takes, in thousandths.
fn used_permille(used: &ResourceList, have: &ResourceList) -> i128 {
    used.iter()
        .map(|(name, used)| {
            let have = have.amount(name).as_nanos();
            if used.is_zero() {
                0
            } else if have <= 0 {
                i128::MAX
            } else {
                used.as_nanos().saturating_mul(1_000) / have
            }
        })
        .max()
        .unwrap_or(0)
}

fn ready() -> Vec<Condition> {
    vec![Condition {
        kind: Name::from("Ready"),
        status: Name::from("True"),
        last_transition: Some(epoch()),
        ..Condition::default()
    }]
}

fn bought(name: &Name, number: usize, entry: &InstanceType, zone: &str) -> (Node, NodeClaim) {
    let labels: Labels = [
        (label::INSTANCE_TYPE, entry.name.as_ref()),
        (label::ZONE, zone),
        (label::CAPACITY_TYPE, "on-demand"),
        (label::NODE_POOL, "default"),
        (label::HYPERPOD_NODE_CLASS, "default"),
        (label::HOSTNAME, name.as_ref()),
        (label::ARCH, "amd64"),
        (label::OS, "linux"),
        (label::REGISTERED, "true"),
        (label::INITIALIZED, "true"),
    ]
    .into_iter()
    .collect();
    let provider = Name::from(format!("aws:///{zone}/i-{number:017x}"));
    let allocatable = entry.allocatable();
    let mut node = Node::new(Name::clone(name));
    node.uid = Name::from(format!("node-{number:06}"));
    node.created = Some(epoch());
    node.labels = labels.clone();
    node.provider_id = Some(Name::clone(&provider));
    node.capacity = entry.capacity.clone();
    node.allocatable = allocatable.clone();
    node.conditions = ready();
    let mut conditions = ready();
    for kind in ["Launched", "Registered", "Initialized"] {
        conditions.push(Condition {
            kind: Name::from(kind),
            status: Name::from("True"),
            last_transition: Some(epoch()),
            ..Condition::default()
        });
    }
    let claim = NodeClaim {
        name: Name::from(format!("default-{number:06}")),
        uid: Name::from(format!("claim-{number:06}")),
        created: Some(epoch()),
        labels,
        node_class: Name::from("default"),
        requirements: vec![RequirementSpec::new(
            label::INSTANCE_TYPE,
            Operator::In,
            [Name::clone(&entry.name)],
        )],
        node_name: Some(Name::clone(name)),
        provider_id: Some(provider),
        capacity: entry.capacity.clone(),
        allocatable,
        conditions,
        ..NodeClaim::default()
    };
    (node, claim)
}

/// Nodes that are 35-75 % used in the resource they have least of, and pending pods of the same workloads.
pub(super) fn packed(params: Params) -> Snapshot {
    let entries = types(&|facts| ["m5", "c5", "g5"].contains(&facts.family()));
    let mut rng = Rng::new(params.seed);
    let mut workloads = workloads(&mut rng);
    let namespace = Name::from("default");
    // On nodes that hold few pods the smallest share one more pod makes is large; those types could miss the window.
    let roomy: Vec<InstanceType> = entries
        .iter()
        .filter(|entry| entry.allocatable().amount("pods") >= Quantity::from_units(14))
        .cloned()
        .collect();
    let mut snapshot = one_pool(entries);
    let mut pods = Vec::with_capacity(params.pods);
    for number in 0..params.nodes {
        let Some(entry) = rng.choose(&roomy) else {
            break;
        };
        let zone = ZONES[number % ZONES.len()];
        let name = Name::from(format!("hyperpod-i-{number:06}"));
        let (node, claim) = bought(&name, number, entry, zone);
        let target = i128::from(350 + rng.below(401));
        let mut used = ResourceList::new();
        let mut misses = 0;
        while used_permille(&used, &node.allocatable) < target.min(700) && misses < 400 {
            // Once large workloads stop fitting, the small ones fill the rest.
            let at = rng.below(workloads.len() as u64);
            let Some(workload) = usize::try_from(at)
                .ok()
                .and_then(|at| workloads.get_mut(at))
            else {
                break;
            };
            let mut with = used.clone();
            with.add(&workload.requests);
            if used_permille(&with, &node.allocatable) > 750 {
                misses += 1;
                continue;
            }
            used = with;
            let pod = workload.pod(&namespace, pods.len(), Some(&name));
            pods.push(pod);
        }
        snapshot.nodes.push(node);
        snapshot.node_claims.push(claim);
    }
    for _ in 0..params.pods {
        let at = usize::try_from(rng.below(workloads.len() as u64)).unwrap_or(0);
        if let Some(workload) = workloads.get_mut(at) {
            let pod = workload.pod(&namespace, pods.len(), None);
            pods.push(pod);
        }
    }
    snapshot.pods = pods;
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_scarcest_resource() {
        let have = cpu_memory(4_000, 8 * GIB);
        assert_eq!(used_permille(&cpu_memory(1_000, 4 * GIB), &have), 500);
        assert_eq!(used_permille(&ResourceList::new(), &have), 0);
    }
}
