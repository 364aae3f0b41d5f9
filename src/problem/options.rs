//! Ways to buy a node: pools x types x offerings, with rooms, prices and stocks.

use std::rc::Rc;
use std::sync::Arc;

use super::stocks::Ledger;
use super::units::{Survey, Units};
use super::{LaunchOption, OptionId, Pair, PairId, Pool, PoolId, RoomId, StateId, Stock, StockId};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix, IxVec};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label;
use crate::model::options::Options;
use crate::model::pod::HostPort;
use crate::model::price::Price;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::Taint;
use crate::view::attach::Attach;
use crate::view::daemons::{self, Daemon};
use crate::view::nodes::ExistingNode;
use crate::view::pools::{NodeLabels, Template, TypeLabels};

/// The options of a problem before rooms are integers.
#[derive(Debug)]
#[non_exhaustive]
pub struct OptionTable<'a> {
    /// Usable pools in weight order.
    pub templates: &'a [Template<'a>],
    /// Pools with types that suit them.
    pub pairs: IxVec<PairId, Pair>,
    /// Labels of a node of each pair.
    pub labels: IxVec<PairId, NodeLabels>,
    /// Taints of a node of each pair.
    pub taints: IxVec<PairId, Vec<Taint>>,
    /// The options.
    pub options: IxVec<OptionId, LaunchOption>,
    /// Distinct places (zone, capacity type, reservation) of options.
    pub places: Vec<&'a Offering>,
    /// Place of each option.
    pub option_places: IxVec<OptionId, u32>,
    /// Rooms: allocatable and what DaemonSet pods take of it.
    pub rooms: Vec<Room>,
    /// Stocks.
    pub stocks: IxVec<StockId, Stock>,
}

/// The room of a fresh node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Room {
    /// Allocatable resources.
    pub allocatable: Rc<ResourceList>,
    /// Requests of DaemonSet pods.
    pub daemons: ResourceList,
    /// Host ports of DaemonSet pods.
    pub ports: Vec<HostPort>,
}

impl<'a> OptionTable<'a> {
    /// The type behind `pair`.
    #[must_use]
    pub fn instance_type(&self, pair: PairId) -> &'a InstanceType {
        let row = &self.pairs[pair];
        &self.templates[row.pool.at()].types[row.instance_type as usize]
    }

    /// Builds the table, without options whose nodes would have one of the labels `closed`.
    /// O(pools x types x offerings x labels closed + DaemonSets x pairs).
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        templates: &'a [Template<'a>],
        daemons: &[Daemon<'_>],
        nodes: &[ExistingNode<'_>],
        attach: &Attach,
        closed: &[(Name, Name)],
    ) -> Self {
        let types = || templates.iter().flat_map(|template| template.types);
        let most = types().map(|held| held.offerings.len()).sum();
        let pairs = types().count();
        let mut table = Self {
            templates,
            pairs: IxVec::with_capacity(pairs),
            labels: IxVec::with_capacity(pairs),
            taints: IxVec::with_capacity(pairs),
            options: IxVec::with_capacity(most),
            places: Vec::new(),
            option_places: IxVec::with_capacity(most),
            rooms: Vec::with_capacity(pairs),
            stocks: IxVec::new(),
        };
        let ledger = Ledger::new(snapshot, templates, nodes, &mut table.stocks);
        let penalty = snapshot.options.node_penalty.as_f64();
        let per_offering = daemons::depend_on_offerings(daemons);
        let mut known: FastMap<*const InstanceType, Rc<[Kind]>> = FastMap::default();
        for (at, template) in templates.iter().enumerate() {
            // Pools of one node class have the same types.
            let kinds = known
                .entry(template.types.as_ptr())
                .or_insert_with(|| kinds(template.types, attach));
            for kind in kinds.iter() {
                let position = kind.position;
                let instance_type = &template.types[position];
                let Ok(labels) = template.labels_of(&kind.labels) else {
                    continue;
                };
                let first = table.options.len();
                let pair = PairId::new(table.pairs.len());
                let taints = template.taints(instance_type);
                let mut room: Option<RoomId> = None;
                for number in kind.offerings.iter().copied() {
                    let offering = &instance_type.offerings[number];
                    if !is_usable(offering, &snapshot.options)
                        || !template.allows_offering(instance_type, offering)
                        || closed.iter().any(|(key, value)| {
                            label_of(&labels, offering, key) == Some(value.as_ref())
                        })
                    {
                        continue;
                    }
                    if per_offering || room.is_none() {
                        let (taken, ports) = daemons::overhead(daemons, &labels, &taints, offering);
                        table.rooms.push(Room {
                            allocatable: Rc::clone(&kind.allocatable),
                            daemons: taken,
                            ports,
                        });
                        room = Some(RoomId::new(table.rooms.len() - 1));
                    }
                    let estimate = estimate(instance_type, offering);
                    let known_price = offering.price.map_or(0.0, Price::as_f64);
                    let cost = if estimate == offering.price && estimate.is_some() {
                        known_price
                    } else {
                        estimate.map_or(1.0, Price::as_f64)
                    };
                    let place = table.place(offering);
                    let uses = ledger.uses(
                        at,
                        instance_type,
                        offering,
                        snapshot.options.feature_gates.reserved_capacity,
                    );
                    table.option_places.push(place);
                    table.options.push(LaunchOption {
                        pair,
                        pool: PoolId::new(at),
                        offering: u32::try_from(number).unwrap_or(u32::MAX),
                        room: room.unwrap_or_else(|| RoomId::new(0)),
                        price: offering.price,
                        known_price,
                        estimate,
                        cost: cost + penalty,
                        uses,
                    });
                }
                if table.options.len() > first {
                    let range = first..table.options.len();
                    let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                    table.pairs.push(Pair {
                        pool: PoolId::new(at),
                        instance_type: bound(position),
                        state: StateId::new(0),
                        options: bound(range.start)..bound(range.end),
                    });
                    table.labels.push(labels);
                    table.taints.push(taints);
                }
            }
        }
        table
    }

    fn place(&mut self, offering: &'a Offering) -> u32 {
        let same = |held: &Offering| {
            held.zone == offering.zone
                && held.capacity_type == offering.capacity_type
                && held.reservation_id == offering.reservation_id
        };
        let at = self
            .places
            .iter()
            .position(|held| same(held))
            .unwrap_or_else(|| {
                self.places.push(offering);
                self.places.len() - 1
            });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Takes the rooms' quantities into account for the units.
    pub fn survey(&self, survey: &mut Survey) {
        let mut seen: FastMap<*const ResourceList, ()> = FastMap::default();
        for room in &self.rooms {
            if seen.insert(Rc::as_ptr(&room.allocatable), ()).is_none() {
                survey.room(&room.allocatable);
            }
        }
    }

    /// The rooms as vectors; a room that its DaemonSet pods overfill holds nothing.
    #[must_use]
    pub fn room_vectors(&self, units: &Units) -> Vec<i64> {
        let mut vectors = Vec::with_capacity(self.rooms.len() * units.len());
        let mut whole: FastMap<*const ResourceList, Vec<i64>> = FastMap::default();
        for room in &self.rooms {
            let start = vectors.len();
            let all = whole
                .entry(Rc::as_ptr(&room.allocatable))
                .or_insert_with(|| units.room(&room.allocatable).collect());
            vectors.extend_from_slice(all);
            let free = &mut vectors[start..];
            if !room.daemons.is_empty() {
                let taken = units.demand(&room.daemons);
                free.iter_mut()
                    .zip(taken)
                    .for_each(|(have, taken)| *have -= taken);
            }
            if free.iter().any(|amount| *amount < 0) {
                free.fill(-1);
            }
        }
        vectors
    }

    /// The usable pools with their options and `minValues`.
    #[must_use]
    pub fn pools(&self) -> IxVec<PoolId, Pool> {
        let mut pools: IxVec<PoolId, Pool> = self
            .templates
            .iter()
            .map(|template| Pool {
                weight: template.pool.weight,
                options: BitSet::new(self.options.len()),
                min_values: super::compile::min_values(template, self),
            })
            .collect();
        for (id, option) in self.options.enumerate() {
            pools[option.pool].options.insert(id);
        }
        pools
    }
}

/// A type that may be launched, whichever pool it is for.
struct Kind {
    /// Its position in the node class.
    position: usize,
    labels: Arc<TypeLabels>,
    allocatable: Rc<ResourceList>,
    /// Positions of its offerings in their order.
    offerings: Vec<usize>,
}

/// The types in an order that does not depend on that of the input.
fn kinds(types: &[InstanceType], attach: &Attach) -> Rc<[Kind]> {
    let kind = |position: usize| {
        let instance_type = &types[position];
        let mut allocatable = instance_type.allocatable();
        attach.set_fresh(instance_type, &mut allocatable);
        // S-14: a negative allocatable fits nothing, not even pods that do not ask for it.
        let holds = allocatable.iter().all(|(_, held)| !held.is_negative());
        holds.then(|| Kind {
            position,
            labels: Arc::new(TypeLabels::new(instance_type)),
            allocatable: Rc::new(allocatable),
            offerings: canonical_offerings(&instance_type.offerings),
        })
    };
    canonical_types(types)
        .into_iter()
        .filter_map(kind)
        .collect()
}

/// Positions of the types in an order that does not depend on the order of the input.
fn canonical_types(types: &[InstanceType]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..types.len()).collect();
    let key = |at: &usize| {
        let t = &types[*at];
        (
            &t.name,
            &t.capacity,
            &t.overhead,
            &t.requirements,
            &t.taints,
        )
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    order
}

/// Positions of the offerings: by zone, capacity type, price and reservation.
fn canonical_offerings(offerings: &[Offering]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..offerings.len()).collect();
    let key = |at: &usize| {
        let o = &offerings[*at];
        (
            &o.zone,
            o.capacity_type,
            o.price,
            &o.reservation_id,
            &o.instance_group,
        )
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    order
}

/// Whether an offering can be bought at all.
pub(super) fn is_usable(offering: &Offering, options: &Options) -> bool {
    let reserved = offering.capacity_type == CapacityType::Reserved;
    offering.available
        && (!reserved
            || (options.feature_gates.reserved_capacity && offering.reservation_capacity > 0))
}

/// The value that a node with `labels` at `offering` has of the label `key`.
#[must_use]
pub fn label_of<'l>(labels: &'l NodeLabels, offering: &'l Offering, key: &str) -> Option<&'l str> {
    match key {
        label::ZONE => Some(&offering.zone),
        label::CAPACITY_TYPE => Some(offering.capacity_type.as_str()),
        _ => labels.fixed(key).map(AsRef::as_ref),
    }
}

/// What plans are compared by: the price, or for spot without a price the on-demand price of the same type (M-9).
fn estimate(instance_type: &InstanceType, offering: &Offering) -> Option<Price> {
    offering.price.or_else(|| {
        let on_demand = |same_zone: bool| {
            instance_type
                .offerings
                .iter()
                .filter(|o| {
                    o.capacity_type == CapacityType::OnDemand
                        && (!same_zone || o.zone == offering.zone)
                })
                .filter_map(|o| o.price)
                .min()
        };
        let price = (offering.capacity_type == CapacityType::Spot)
            .then(|| on_demand(true).or_else(|| on_demand(false)));
        // Just below, so that spot is tried first.
        price.flatten().map(|price| price - Price::from_femto(1))
    })
}
