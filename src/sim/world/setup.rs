//! What a run starts from, checked; and what follows from it and is never stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::trace::Trace;
use crate::base::time::Timestamp;
use crate::disruption::apply::launched;
use crate::hyperpod::group::{Group, SubnetZones};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, Offering};
use crate::model::label::Labels;
use crate::model::node::Node;
use crate::model::pod::{OwnerReference, PodSpec};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, MEMORY, Name, PODS, ResourceList};
use crate::model::simulation::{LoadSource, SimPolicy, Simulation};
use crate::model::taint::{Toleration, untolerated};
use crate::plan::{ChosenOffering, PlannedClaim};
use crate::scheduler::Capacity;
use crate::sim::hyperpod::FakeGroup;
use crate::view::daemons::daemons;
use crate::view::nodes::existing;
use crate::view::pods::{Term, node_terms};

/// Resources that count as GPUs.
pub(super) const GPUS: [&str; 4] = [
    "nvidia.com/gpu",
    "amd.com/gpu",
    "aws.amazon.com/neuron",
    "habana.ai/gaudi",
];

/// What is wrong with a simulation, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Simulation {name}: {}", .faults.join("\nSimulation: "))]
#[non_exhaustive]
pub struct SetupError {
    /// The simulation.
    pub name: Name,
    /// One sentence each: the field, what is wrong, what would help.
    pub faults: Vec<String>,
}

/// A run before its first event: cluster, simulation, policy, load and seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Setup {
    pub(super) snapshot: Snapshot,
    pub(super) simulation: Simulation,
    pub(super) policy: SimPolicy,
    pub(super) traces: BTreeMap<Name, Arc<Trace>>,
    pub(super) seed: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Setup {
    /// A run of `simulation` on the cluster of `snapshot` under `policy`. `traces` are those of requests that the simulation
    /// names; the arrivals of jobs must stand in the simulation already. Nodes and pods of the snapshot are not taken over: the
    /// world starts empty.
    ///
    /// # Errors
    /// If the simulation names what is not there, with everything that is wrong.
    pub fn new(
        snapshot: &Snapshot,
        simulation: &Simulation,
        policy: &SimPolicy,
        traces: BTreeMap<Name, Arc<Trace>>,
        seed: u64,
    ) -> Result<Self, SetupError> {
        let mut faults = Vec::new();
        let mut snapshot = snapshot.clone();
        snapshot.nodes.clear();
        snapshot.node_claims.clear();
        snapshot.pods.clear();
        for name in &policy.without {
            if !snapshot.node_pools.iter().any(|pool| pool.name == *name) {
                faults.push(format!(
                    "policies: {}: without: there is no NodePool {name}",
                    policy.name
                ));
            }
        }
        snapshot
            .node_pools
            .retain(|pool| !policy.without.contains(&pool.name));
        replace(&mut snapshot.node_pools, &policy.node_pools, |pool| {
            (Name::default(), Name::clone(&pool.name))
        });
        replace(
            &mut snapshot.scaled_objects,
            &policy.scaled_objects,
            |object| (Name::clone(&object.namespace), Name::clone(&object.name)),
        );
        replace(
            &mut snapshot.horizontal_pod_autoscalers,
            &policy.horizontal_pod_autoscalers,
            |hpa| (Name::clone(&hpa.namespace), Name::clone(&hpa.name)),
        );
        if let Some(effort) = policy.effort {
            snapshot.options.effort = effort;
        }
        let start = simulation.start.or(snapshot.options.now);
        if start.is_none() {
            faults.push(
                "start is absent, and nothing else in the input tells a time: give start"
                    .to_owned(),
            );
        }
        let start = start.unwrap_or_default();
        snapshot.options.now = Some(start);
        for (at, service) in simulation.services.iter().enumerate() {
            let same = |workload: &&crate::model::workload::Workload| {
                workload.kind == service.kind
                    && workload.namespace == service.namespace
                    && workload.name == service.name
            };
            if !snapshot.workloads.iter().any(|workload| same(&workload)) {
                faults.push(format!(
                    "services[{at}].workload: there is no {} {}/{} in the input",
                    service.kind.as_str(),
                    service.namespace,
                    service.name
                ));
            }
            if let Some(LoadSource::Trace(name)) = service.load.as_ref().map(|load| &load.source)
                && !traces.contains_key(name)
            {
                faults.push(format!("services[{at}].load.trace: {name} was not read"));
            }
        }
        for (at, stream) in simulation.jobs.iter().enumerate() {
            let there = snapshot.pod_templates.iter().any(|template| {
                template.namespace == stream.namespace && template.name == stream.template
            });
            if !there {
                faults.push(format!(
                    "jobs[{at}].template: there is no PodTemplate {}/{} in the input",
                    stream.namespace, stream.template
                ));
            }
        }
        if groups(&snapshot).is_empty() {
            faults.push(
                "no HyperpodNodeClass of the input has an instance group with a known type and zone in its status".to_owned(),
            );
        }
        if !faults.is_empty() {
            return Err(SetupError {
                name: Name::clone(&simulation.name),
                faults,
            });
        }
        Ok(Self {
            snapshot,
            simulation: simulation.clone(),
            policy: policy.clone(),
            traces,
            seed,
            start,
            end: start.plus(simulation.duration),
        })
    }
}

fn replace<T: Clone, K: PartialEq>(list: &mut Vec<T>, by: &[T], key: impl Fn(&T) -> K) {
    for item in by {
        match list.iter_mut().find(|old| key(old) == key(item)) {
            Some(old) => old.clone_from(item),
            None => list.push(item.clone()),
        }
    }
}

/// The groups of the fake: those that node classes name.
pub(super) fn groups(snapshot: &Snapshot) -> Vec<FakeGroup> {
    let zones = SubnetZones::of(snapshot);
    let mut named: Vec<&Name> = snapshot
        .node_classes
        .iter()
        .flat_map(|class| &class.instance_groups)
        .collect();
    named.sort();
    named.dedup();
    let groups = named
        .into_iter()
        .filter_map(|name| Group::of_cluster(snapshot, name));
    groups
        .map(|group| {
            let own = |names: Vec<&Name>| names.into_iter().cloned().collect::<Vec<Name>>();
            let capacity_type = if group.is_spot() {
                CapacityType::Spot
            } else {
                CapacityType::OnDemand
            };
            FakeGroup::new(
                Name::clone(group.name),
                own(group.zones(&zones)),
                own(group.types()),
                capacity_type,
            )
        })
        .filter(|group| !group.zones.is_empty() && !group.instance_types.is_empty())
        .collect()
}

/// Pods that cannot be told apart but by name: those of a service or of a stream of jobs.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: Name,
    pub(super) namespace: Name,
    pub(super) labels: Arc<Labels>,
    pub(super) owners: Arc<Vec<OwnerReference>>,
    pub(super) spec: Arc<PodSpec>,
    pub(super) requests: ResourceList,
    /// The requests as numbers.
    pub(super) asks: Vec<i64>,
    pub(super) gpus: i64,
    terms: Vec<Term>,
    tolerations: Vec<Toleration>,
    /// Whether there are rules between its pods and others, which a node alone cannot tell.
    pub(super) complex: bool,
}

/// One way to buy a node, and what the node is like.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) pool: Name,
    pub(super) instance_type: Name,
    pub(super) zone: Name,
    pub(super) capacity_type: CapacityType,
    pub(super) group: Name,
    pub(super) price: Price,
    /// A node of it.
    pub(super) node: Node,
    pub(super) node_class: Name,
    /// What pods may use beside DaemonSets.
    pub(super) room: Vec<i64>,
    /// All that is allocatable.
    pub(super) total: Vec<i64>,
    pub(super) gpus: i64,
    pub(super) cpu: i64,
    /// Which kinds suit it by labels and taints.
    pub(super) fits: Vec<bool>,
}

/// What follows from a setup.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) kinds: Vec<Kind>,
    pub(super) shapes: Vec<Shape>,
    /// Resources that are counted, by dimension.
    pub(super) dims: Vec<Name>,
    /// Those that are GPUs.
    pub(super) gpu_dims: Vec<usize>,
    /// The snapshot without what the world makes itself.
    pub(super) base: Snapshot,
    /// Whether any kind is complex.
    pub(super) complex: bool,
}

/// `quantity` of `name` as a whole number: thousandths of CPU, units of all else, rounded up or down.
fn number(name: &str, quantity: Quantity, up: bool) -> i64 {
    let unit: i128 = if name == CPU {
        1_000_000
    } else {
        1_000_000_000
    };
    let nanos = quantity.as_nanos();
    let rounded = if up && nanos.rem_euclid(unit) != 0 {
        nanos.div_euclid(unit) + 1
    } else {
        nanos.div_euclid(unit)
    };
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

impl Derived {
    pub(super) fn new(setup: &Setup) -> Self {
        let snapshot = &setup.snapshot;
        let mut kinds = Vec::new();
        for service in &setup.simulation.services {
            let workload = snapshot.workloads.iter().find(|workload| {
                workload.kind == service.kind
                    && workload.namespace == service.namespace
                    && workload.name == service.name
            });
            let (labels, spec) = workload
                .map(|w| (w.template_labels.clone(), Arc::clone(&w.spec)))
                .unwrap_or_default();
            kinds.push(kind(&service.namespace, &service.name, labels, spec));
        }
        for stream in &setup.simulation.jobs {
            let template = snapshot.pod_templates.iter().find(|template| {
                template.namespace == stream.namespace && template.name == stream.template
            });
            let (labels, spec) = template
                .map(|t| (t.template_labels.clone(), Arc::clone(&t.spec)))
                .unwrap_or_default();
            kinds.push(kind(&stream.namespace, &stream.name, labels, spec));
        }
        let mut dims: Vec<Name> = vec![Name::from(CPU), Name::from(MEMORY), Name::from(PODS)];
        for name in kinds
            .iter()
            .flat_map(|kind| kind.requests.iter().map(|(name, _)| name))
        {
            if !dims.contains(name) {
                dims.push(Name::clone(name));
            }
        }
        for kind in &mut kinds {
            kind.asks = dims
                .iter()
                .map(|name| number(name, kind.requests.amount(name), true))
                .collect();
            kind.gpus = GPUS
                .iter()
                .map(|name| number(name, kind.requests.amount(name), true))
                .sum();
        }
        let mut base = snapshot.clone();
        base.workloads.clear();
        base.pod_templates.clear();
        base.scaled_objects.clear();
        base.scaled_jobs.clear();
        base.horizontal_pod_autoscalers.clear();
        base.metric_samples.clear();
        base.capacity_buffers.clear();
        let shapes = shapes(&base, &kinds, &dims, setup.start);
        Self {
            complex: kinds.iter().any(|kind| kind.complex),
            kinds,
            shapes,
            gpu_dims: (0..dims.len())
                .filter(|at| dims.get(*at).is_some_and(|name| GPUS.contains(&&**name)))
                .collect(),
            dims,
            base,
        }
    }

    /// The shape of a node that `pool` bought so.
    pub(super) fn shape(
        &self,
        pool: &str,
        instance_type: &str,
        zone: &str,
        capacity_type: CapacityType,
        group: &str,
    ) -> Option<usize> {
        self.shapes.iter().position(|shape| {
            *shape.pool == *pool
                && *shape.instance_type == *instance_type
                && *shape.zone == *zone
                && shape.capacity_type == capacity_type
                && *shape.group == *group
        })
    }

    /// `room` as quantities.
    pub(super) fn quantities(&self, room: &[i64]) -> ResourceList {
        let mut list = ResourceList::new();
        for (name, amount) in self.dims.iter().zip(room) {
            let unit: i128 = if **name == *CPU {
                1_000_000
            } else {
                1_000_000_000
            };
            list.set_shared(
                Name::clone(name),
                Quantity::from_nanos(i128::from(*amount) * unit),
            );
        }
        list
    }
}

fn kind(namespace: &Name, name: &Name, labels: Labels, spec: Arc<PodSpec>) -> Kind {
    let affinity = &spec.affinity;
    let complex = !affinity.pod_required.is_empty()
        || !affinity.anti_required.is_empty()
        || !spec.topology_spread.is_empty()
        || !spec.host_ports().is_empty()
        || !spec.volumes.is_empty();
    let owner = OwnerReference {
        api_version: Name::from("apps/v1"),
        kind: Name::from("ReplicaSet"),
        name: Name::clone(name),
        uid: Name::from(""),
        controller: true,
    };
    Kind {
        name: Name::clone(name),
        namespace: Name::clone(namespace),
        labels: Arc::new(labels),
        owners: Arc::new(vec![owner]),
        requests: spec.requests(),
        asks: Vec::new(),
        gpus: 0,
        terms: node_terms(&spec),
        tolerations: spec.tolerations.clone(),
        complex,
        spec,
    }
}

fn shapes(base: &Snapshot, kinds: &[Kind], dims: &[Name], now: Timestamp) -> Vec<Shape> {
    let capacity = Capacity::new(base);
    let sets = daemons(&base.daemon_sets);
    let mut shapes = Vec::new();
    for pool in &base.node_pools {
        let Some(class) = capacity.by_class().get(&pool.node_class_ref.name) else {
            continue;
        };
        let types = class.by_pool.get(&pool.name).unwrap_or(&class.types);
        let all = types.iter().flat_map(|entry| {
            entry
                .offerings
                .iter()
                .map(move |offering| (entry, offering))
        });
        for (entry, offering) in all {
            let Some(group) = &offering.instance_group else {
                continue;
            };
            let planned = planned(&pool.name, &entry.name, offering);
            let Some((node, claim)) =
                launched(base, &capacity, &planned, &Name::from("shape"), now)
            else {
                continue;
            };
            let mut one = Snapshot::default();
            one.nodes.push(node);
            one.node_claims.push(claim);
            let views = existing(&one);
            let Some(view) = views.first() else { continue };
            let total: Vec<i64> = dims
                .iter()
                .map(|name| number(name, view.allocatable.amount(name), false))
                .collect();
            let mut room = total.clone();
            for set in sets.iter().filter(|set| set.runs_on(view)) {
                for (left, name) in room.iter_mut().zip(dims) {
                    *left -= number(name, set.requests.amount(name), true);
                }
            }
            let fits = kinds.iter().map(|kind| {
                untolerated(&view.taints, &kind.tolerations, false).is_none()
                    && kind.terms.iter().any(|term| view.suits(term))
            });
            let node = view.node.cloned().unwrap_or_default();
            shapes.push(Shape {
                fits: fits.collect(),
                pool: Name::clone(&pool.name),
                instance_type: Name::clone(&entry.name),
                zone: Name::clone(&offering.zone),
                capacity_type: offering.capacity_type,
                group: Name::clone(group),
                price: offering.price.unwrap_or(Price::ZERO),
                node_class: Name::clone(&pool.node_class_ref.name),
                gpus: GPUS
                    .iter()
                    .map(|name| number(name, node.allocatable.amount(name), false))
                    .sum(),
                cpu: number(CPU, node.allocatable.amount(CPU), false),
                node,
                room,
                total,
            });
        }
    }
    shapes
}

fn planned(pool: &Name, instance_type: &Name, offering: &Offering) -> PlannedClaim {
    PlannedClaim {
        node_pool: Name::clone(pool),
        pods: Vec::new(),
        buffer_pods: Vec::new(),
        instance_types: Arc::default(),
        zones: Vec::new(),
        capacity_types: Vec::new(),
        cheapest: ChosenOffering {
            instance_type: Name::clone(instance_type),
            zone: Name::clone(&offering.zone),
            capacity_type: offering.capacity_type,
            price: offering.price,
            instance_group: offering.instance_group.clone(),
            reservation_id: None,
        },
        instance_group: offering.instance_group.clone(),
        requests: ResourceList::new(),
        fallbacks: Arc::default(),
        min_values_relaxed: false,
    }
}
