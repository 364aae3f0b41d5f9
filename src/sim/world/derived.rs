//! What follows from a setup and is never stored: kinds of pods, shapes of nodes, what fits what.

use std::sync::Arc;

use super::setup::Setup;
use crate::base::time::Timestamp;
use crate::disruption::apply::launched;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, Offering};
use crate::model::label::Labels;
use crate::model::node::Node;
use crate::model::pod::{OwnerReference, PodSpec};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, MEMORY, Name, PODS, ResourceList};
use crate::model::taint::{Toleration, untolerated};
use crate::plan::{ChosenOffering, PlannedClaim};
use crate::scheduler::Capacity;
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
    pub(super) offering: Offering,
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
        for other in &setup.there.others {
            let (labels, spec) = (other.labels.clone(), Arc::clone(&other.spec));
            kinds.push(kind(&other.namespace, &other.name, labels, spec));
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
                offering: offering.clone(),
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

pub(super) fn planned(pool: &Name, instance_type: &Name, offering: &Offering) -> PlannedClaim {
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
