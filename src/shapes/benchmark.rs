//! The benchmark shapes of Karpenter and of Cluster Autoscaler's estimator.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Params;
use super::parts::{GIB, MIB, cpu_memory, epoch, linux, pod, scaled, selects, spec};
use crate::base::rng::Rng;
use crate::model::affinity::{
    NodeSelectorTerm, PodAffinityTerm, PreferredNodeTerm, TopologySpreadConstraint,
    WeightedPodAffinityTerm,
};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use crate::model::label::{self, Labels};
use crate::model::node_pool::NodePool;
use crate::model::options::{Options, PreferencePolicy};
use crate::model::pod::PodSpec;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{CPU, MEMORY, Name, PODS, ResourceList};

const CPU_MILLI: [i64; 5] = [100, 250, 500, 1_000, 1_500];
const MEMORY_MIB: [i64; 6] = [100, 256, 512, 1_024, 2_048, 4_096];
const VALUES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const ZONES: [&str; 3] = ["test-zone-1", "test-zone-2", "test-zone-3"];

/// The kinds of pods that these shapes mix; the label value a constraint selects is part of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Generic,
    ZoneSpread(usize),
    HostSpread(usize),
    ZoneAffinity(usize),
    HostAntiAffinity,
    Preferences,
}

/// Makes pods, sharing what equal ones have in common.
struct Mint {
    namespace: Name,
    specs: BTreeMap<(Kind, i64, i64), Arc<PodSpec>>,
    labels: BTreeMap<(&'static str, &'static str), Arc<Labels>>,
}

impl Mint {
    fn new() -> Self {
        Self {
            namespace: Name::from("default"),
            specs: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    fn labels(&mut self, key: &'static str, value: &'static str) -> Arc<Labels> {
        Arc::clone(
            self.labels
                .entry((key, value))
                .or_insert_with(|| Arc::new([(key, value)].into_iter().collect())),
        )
    }

    /// A specification of `kind` with CPU and memory drawn from `rng`.
    fn spec(&mut self, kind: Kind, rng: &mut Rng) -> Arc<PodSpec> {
        let milli = rng.choose(&CPU_MILLI).copied().unwrap_or(100);
        let mib = rng.choose(&MEMORY_MIB).copied().unwrap_or(100);
        Arc::clone(
            self.specs
                .entry((kind, milli, mib))
                .or_insert_with(|| Arc::new(constrained(kind, cpu_memory(milli, mib * MIB)))),
        )
    }
}

fn affinity_term(key: &str, value: &str, topology_key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: Some(selects(key, value)),
        topology_key: Name::from(topology_key),
        ..PodAffinityTerm::default()
    }
}

fn constrained(kind: Kind, requests: ResourceList) -> PodSpec {
    let mut spec = spec(requests);
    match kind {
        Kind::Generic => {}
        Kind::ZoneSpread(value) => spec.topology_spread.push(TopologySpreadConstraint::new(
            label::ZONE,
            1,
            selects("my-label", VALUES[value]),
        )),
        Kind::HostSpread(value) => spec.topology_spread.push(TopologySpreadConstraint::new(
            label::HOSTNAME,
            1,
            selects("my-label", VALUES[value]),
        )),
        Kind::ZoneAffinity(value) => {
            spec.affinity.pod_required =
                vec![affinity_term("my-affinity", VALUES[value], label::ZONE)];
        }
        Kind::HostAntiAffinity => {
            spec.affinity.anti_required = vec![affinity_term("app", "nginx", label::HOSTNAME)];
        }
        Kind::Preferences => {
            spec.affinity.node_preferred = vec![PreferredNodeTerm {
                weight: 1,
                preference: NodeSelectorTerm {
                    match_expressions: vec![RequirementSpec::new(
                        label::ZONE,
                        Operator::In,
                        [ZONES[0]],
                    )],
                    ..NodeSelectorTerm::default()
                },
            }];
            spec.affinity.anti_preferred = vec![
                WeightedPodAffinityTerm {
                    weight: 10,
                    pod_affinity_term: affinity_term("app", "nginx", label::ZONE),
                },
                WeightedPodAffinityTerm {
                    weight: 1,
                    pod_affinity_term: affinity_term("app", "nginx", label::HOSTNAME),
                },
            ];
        }
    }
    spec
}

/// The 400 types: the i-th has i CPU, 2i GiB and room for 10i pods at 0.1 $ per CPU and per 10^9 bytes.
fn types() -> InstanceTypes {
    let overhead = cpu_memory(100, 10 * MIB);
    let types = (0..400).map(|at| {
        let size = scaled(at + 1, 1);
        let bytes = size * 2 * GIB;
        // 0.1 $ per CPU is 10^14 femto-dollars; 0.1 $ per 10^9 bytes is 10^5 per byte.
        let femto = i128::from(size) * 100_000_000_000_000 + i128::from(bytes) * 100_000;
        let price = Some(Price::from_femto(femto));
        let mut entry = InstanceType::new(format!("fake-it-{at}"));
        entry.capacity = [
            (CPU, Quantity::from_units(size)),
            (MEMORY, Quantity::from_bytes(bytes)),
            (PODS, Quantity::from_units(size * 10)),
        ]
        .into_iter()
        .collect();
        entry.overhead = overhead.clone();
        entry.requirements = linux();
        entry.offerings = [
            (ZONES[0], CapacityType::Spot),
            (ZONES[1], CapacityType::Spot),
            (ZONES[0], CapacityType::OnDemand),
            (ZONES[1], CapacityType::OnDemand),
            (ZONES[2], CapacityType::OnDemand),
        ]
        .into_iter()
        .map(|(zone, capacity)| Offering::new(zone, capacity, price))
        .collect();
        entry
    });
    InstanceTypes::new("default", types.collect())
}

fn one_pool(types: InstanceTypes) -> Snapshot {
    let mut pool = NodePool::new("default", "default");
    pool.limits = [
        (CPU, Quantity::from_units(10_000_000)),
        (MEMORY, Quantity::from_bytes(10_000_000 * GIB)),
    ]
    .into_iter()
    .collect();
    Snapshot {
        options: Options {
            now: Some(epoch()),
            ..Options::default()
        },
        node_pools: vec![pool],
        instance_types: vec![types],
        ..Snapshot::default()
    }
}

/// A fifth of the pods of each kind, generic ones for the remainder; a spread constraint selects a random label value,
/// not always the pod's own.
pub(super) fn diverse(params: Params) -> Snapshot {
    let mut rng = Rng::new(params.seed);
    let mut mint = Mint::new();
    let fifth = params.pods / 5;
    let generic = params.pods - 4 * fifth;
    let mut snapshot = one_pool(types());
    snapshot.pods.reserve_exact(params.pods);
    for number in 0..params.pods {
        let part = if number < generic {
            0
        } else {
            1 + (number - generic) / fifth.max(1)
        };
        let own = random_value(&mut rng);
        let asked = random_value(&mut rng);
        let (kind, labels) = match part {
            0 => (Kind::Generic, mint.labels("my-label", VALUES[own])),
            1 => (
                Kind::ZoneSpread(asked),
                mint.labels("my-label", VALUES[own]),
            ),
            2 => (
                Kind::HostSpread(asked),
                mint.labels("my-label", VALUES[own]),
            ),
            3 => (
                Kind::ZoneAffinity(own),
                mint.labels("my-affinity", VALUES[own]),
            ),
            _ => (Kind::HostAntiAffinity, mint.labels("app", "nginx")),
        };
        let spec = mint.spec(kind, &mut rng);
        let name = format!("p{number:06}");
        snapshot
            .pods
            .push(pod(&mint.namespace, name, number, &labels, &spec));
    }
    snapshot
}

fn random_value(rng: &mut Rng) -> usize {
    usize::try_from(rng.below(VALUES.len() as u64)).unwrap_or(0)
}

/// One app that prefers a zone that exists and, with more weight, to be apart from itself.
pub(super) fn preferences(params: Params, policy: PreferencePolicy) -> Snapshot {
    let mut rng = Rng::new(params.seed);
    let mut mint = Mint::new();
    let mut snapshot = one_pool(types());
    snapshot.options.preference_policy = policy;
    snapshot.pods.reserve_exact(params.pods);
    let labels = mint.labels("app", "nginx");
    for number in 0..params.pods {
        let spec = mint.spec(Kind::Preferences, &mut rng);
        let name = format!("p{number:06}");
        snapshot
            .pods
            .push(pod(&mint.namespace, name, number, &labels, &spec));
    }
    snapshot
}

/// One type of 1000m CPU, 5000 bytes and 100 pods; one pod in 51 asks for 95m and 190 bytes, the others for 50m and 100
/// bytes.
pub(super) fn estimator(params: Params) -> Snapshot {
    let mut entry = InstanceType::new("estimator-node");
    entry.capacity = [
        (CPU, Quantity::from_milli(1_000)),
        (MEMORY, Quantity::from_units(5_000)),
        (PODS, Quantity::from_units(100)),
    ]
    .into_iter()
    .collect();
    entry.requirements = linux();
    entry.offerings = vec![Offering::new(
        ZONES[0],
        CapacityType::OnDemand,
        Some(Price::from_femto(1_000_000_000_000_000)),
    )];
    let request = |milli, bytes| {
        let list: ResourceList = [
            (CPU, Quantity::from_milli(milli)),
            (MEMORY, Quantity::from_units(bytes)),
        ]
        .into_iter()
        .collect();
        Arc::new(spec(list))
    };
    let (small, large) = (request(50, 100), request(95, 190));
    let labels = Arc::new(Labels::new());
    let namespace = Name::from("default");
    let few = params.pods / 51;
    let mut snapshot = one_pool(InstanceTypes::new("default", vec![entry]));
    snapshot.pods = (0..params.pods)
        .map(|number| {
            let spec = if number < params.pods - few {
                &small
            } else {
                &large
            };
            pod(&namespace, format!("p{number:06}"), number, &labels, spec)
        })
        .collect();
    snapshot
}
