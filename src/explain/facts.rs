//! What pools and nodes offer, laid out once for all questions.

use std::collections::BTreeSet;

use crate::base::index::Ix as _;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label;
use crate::model::pod::HostPort;
use crate::model::requirement::Requirement;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::Taint;
use crate::problem::compile::Views;
use crate::problem::{OptionId, Problem, Symbols};
use crate::view::daemons::{depend_on_offerings, overhead};
use crate::view::pools::{NodeLabels, Template};

/// Why an offering is not among the options of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barred {
    /// The pool's requirements on zone, capacity type or reservation.
    ByPool,
    /// It is listed as unavailable.
    Unavailable,
    /// Its reservation holds no more instances, or reserved capacity is switched off.
    Reservation,
}

/// An offering of a type in a pool.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) offering: &'a Offering,
    /// The option behind it, or why there is none.
    pub(super) option: Result<OptionId, Barred>,
    /// Position among the shape's rooms.
    pub(super) room: usize,
}

/// What a fresh node has for pods.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) daemons: ResourceList,
    pub(super) ports: Vec<HostPort>,
    /// Nano-units left by resource, in the order of the problem's resources.
    pub(super) net: Vec<i128>,
    pub(super) overfull: bool,
}

/// An instance type in a pool.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) instance_type: &'a InstanceType,
    /// Labels of its nodes, or the requirement of the pool that leaves the type out.
    pub(super) labels: Result<NodeLabels, Requirement>,
    pub(super) allocatable: ResourceList,
    pub(super) negative: bool,
    pub(super) places: Vec<Place<'a>>,
    pub(super) rooms: Vec<Room>,
}

impl Shape<'_> {
    /// Taints that the type adds to the pool's.
    pub(super) fn taints(&self) -> &[Taint] {
        &self.instance_type.taints
    }

    /// The one group behind all its offerings, if there is one.
    pub(super) fn group(&self) -> Option<&Name> {
        let first = self.places.first()?.offering.instance_group.as_ref()?;
        let same = |place: &Place<'_>| place.offering.instance_group.as_ref() == Some(first);
        self.places.iter().all(same).then_some(first)
    }
}

/// The types of every usable pool.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// By pool, then by position of the type in its class.
    pub(super) shapes: Vec<Vec<Shape<'a>>>,
    /// By pool: the label keys that the pool or one of its types says anything about.
    pub(super) defined: Vec<BTreeSet<Name>>,
    /// Free nano-units by node of the view before this plan, in the order of the problem's resources.
    pub(super) free: Vec<Vec<i128>>,
}

impl<'a> Facts<'a> {
    /// O(pools x types x (offerings + DaemonSets)).
    pub(super) fn new(views: &Views<'a>, problem: &Problem, symbols: &Symbols) -> Self {
        let mut shapes: Vec<Vec<Shape<'a>>> = Vec::with_capacity(views.pools.templates.len());
        for template in &views.pools.templates {
            let of_pool = template.types.iter();
            shapes.push(
                of_pool
                    .map(|t| shape(views, symbols, template, t))
                    .collect(),
            );
        }
        for (id, option) in problem.options.enumerate() {
            let at = problem.pairs[option.pair].instance_type as usize;
            let place = shapes
                .get_mut(option.pool.at())
                .and_then(|of_pool| of_pool.get_mut(at))
                .and_then(|shape| shape.places.get_mut(option.offering as usize));
            if let Some(place) = place {
                place.option = Ok(id);
            }
        }
        let free = views
            .nodes
            .iter()
            .zip(&views.node_use.used)
            .map(|(node, used)| {
                symbols
                    .resources
                    .iter()
                    .map(|name| (node.allocatable.amount(name) - used.amount(name)).as_nanos())
                    .collect()
            })
            .collect();
        let defined = views
            .pools
            .templates
            .iter()
            .map(|template| defined(template))
            .collect();
        Self {
            shapes,
            defined,
            free,
        }
    }
}

fn defined(template: &Template<'_>) -> BTreeSet<Name> {
    let own = template.requirements.iter().map(|r| Name::clone(r.key()));
    let labels = template.pool.template_labels.iter();
    let of_types = template.types.iter().flat_map(|t| &t.requirements);
    own.chain(labels.map(|(key, _)| Name::from(label::normalize(key))))
        .chain(of_types.map(|spec| Name::from(label::normalize(&spec.key))))
        .chain([Name::from(template.pool.node_class_ref.label_key())])
        .collect()
}

fn shape<'a>(
    views: &Views<'a>,
    symbols: &Symbols,
    template: &Template<'a>,
    instance_type: &'a InstanceType,
) -> Shape<'a> {
    let labels = template.labels(instance_type);
    let mut allocatable = instance_type.allocatable();
    views.attach.set_fresh(instance_type, &mut allocatable);
    let taints = template.taints(instance_type);
    let per_offering = depend_on_offerings(&views.daemons);
    let mut rooms: Vec<Room> = Vec::new();
    let mut places = Vec::with_capacity(instance_type.offerings.len());
    for offering in &instance_type.offerings {
        if per_offering || rooms.is_empty() {
            let (daemons, ports) = match &labels {
                Ok(labels) => overhead(&views.daemons, labels, &taints, offering),
                Err(_) => (ResourceList::new(), Vec::new()),
            };
            rooms.push(room(symbols, &allocatable, daemons, ports));
        }
        places.push(Place {
            offering,
            option: Err(barred(views, template, instance_type, offering)),
            room: rooms.len() - 1,
        });
    }
    if rooms.is_empty() {
        rooms.push(room(symbols, &allocatable, ResourceList::new(), Vec::new()));
    }
    let negative = allocatable.iter().any(|(_, amount)| amount.is_negative());
    Shape {
        instance_type,
        labels,
        negative,
        allocatable,
        places,
        rooms,
    }
}

fn room(
    symbols: &Symbols,
    allocatable: &ResourceList,
    daemons: ResourceList,
    ports: Vec<HostPort>,
) -> Room {
    let net: Vec<i128> = symbols
        .resources
        .iter()
        .map(|name| (allocatable.amount(name) - daemons.amount(name)).as_nanos())
        .collect();
    let overfull = net.iter().any(|left| *left < 0);
    Room {
        daemons,
        ports,
        net,
        overfull,
    }
}

fn barred(
    views: &Views<'_>,
    template: &Template<'_>,
    instance_type: &InstanceType,
    offering: &Offering,
) -> Barred {
    if !template.allows_offering(instance_type, offering) {
        return Barred::ByPool;
    }
    let gate = views.snapshot.options.feature_gates.reserved_capacity;
    let reserved = offering.capacity_type == CapacityType::Reserved;
    if reserved && offering.available && (!gate || offering.reservation_capacity == 0) {
        Barred::Reservation
    } else {
        Barred::Unavailable
    }
}
