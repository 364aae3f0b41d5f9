//! Places: one value for each topology key that a class of pods has to heed, with what can be had there.

use std::rc::Rc;

use smallvec::SmallVec;

use super::assign::{Base, Ground};
use super::domains::Value;
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::classes::Grouping;
use crate::problem::sets::Sets;
use crate::problem::units::Units;
use crate::problem::{NodeId, OptionId, RoomId, SetId, fit_count, fits, largest_share};

/// A place for pods of one class.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Place {
    /// The value of each key.
    pub values: Vec<Value>,
    /// Whether a node can be bought there.
    pub buyable: bool,
    /// How many pods fit on nodes that exist.
    pub free: u64,
    /// The weight of the heaviest pool that holds a pod there; prices are those of pools of that weight (M-1 (2)).
    pub weight: u32,
    /// What a pod costs there at least by its largest share of a node.
    pub each: f64,
    /// What the cheapest node costs that holds one.
    pub least: f64,
}

impl Place {
    fn new(values: Vec<Value>) -> Self {
        Self {
            values,
            buyable: false,
            free: 0,
            weight: 0,
            each: f64::INFINITY,
            least: f64::INFINITY,
        }
    }

    /// What `count` pods cost at least if they are alone there.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn cost_of(&self, count: usize) -> f64 {
        (self.each * count as f64).max(self.least)
    }
}

/// A list of keys: a position in [`Places::key_lists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Keys(usize);

/// Options, nodes, requests and keys of a class.
type Asked = (SetId, SetId, u32, Keys);

/// Options and nodes, keys, and their values at a place.
type At = (SetId, SetId, Keys, SmallVec<[Value; 4]>);

/// Rooms and prices of nodes, with the weight of their pools.
type Nodes = Vec<(RoomId, f64, u32)>;

/// The places of classes, found once for all classes that ask for the same and suit the same.
#[derive(Debug, Default)]
pub(super) struct Places {
    key_lists: Vec<Rc<[usize]>>,
    lists: FastMap<Asked, Rc<Vec<Place>>>,
    here: FastMap<At, (SetId, SetId)>,
    buyable: FastMap<(SetId, Keys), Rc<Vec<Buyable>>>,
    /// Distinct lists of what can be bought at a place.
    nodes: Vec<Nodes>,
    /// By requests and list of nodes.
    offers: FastMap<(u32, usize), Offer>,
}

/// What can be bought at one place.
#[derive(Debug)]
struct Buyable {
    values: Vec<Value>,
    /// A position in [`Places::nodes`].
    nodes: usize,
}

/// What a pod costs at a place; see [`Place`].
#[derive(Debug, Clone, Copy)]
struct Offer {
    weight: u32,
    each: f64,
    least: f64,
}

impl Offer {
    /// What a pod that asks for `demand` costs on `nodes`. O(nodes x resources).
    fn of(ground: &Ground<'_>, demand: &[i64], nodes: &[(RoomId, f64, u32)]) -> Self {
        let none = Self {
            weight: 0,
            each: f64::INFINITY,
            least: f64::INFINITY,
        };
        let mut offer = none;
        for (room, cost, weight) in nodes {
            let room = &ground.rooms[room.at() * ground.dims..][..ground.dims];
            if *weight < offer.weight || !fits(demand, room) {
                continue;
            }
            if *weight > offer.weight {
                offer = Self {
                    weight: *weight,
                    ..none
                };
            }
            offer.each = offer.each.min(cost * largest_share(demand, room));
            offer.least = offer.least.min(*cost);
        }
        offer
    }
}

/// Whether the stocks allow one node of `option`.
fn affordable(ground: &Ground<'_>, option: OptionId) -> bool {
    let row = &ground.table.options[option];
    row.uses.iter().all(|(stock, amount)| {
        let left = ground.table.stocks[*stock].left;
        left >= 0 && *amount <= left
    })
}

impl Places {
    /// The list `keys`.
    pub(super) fn keys(&mut self, keys: &[usize]) -> Keys {
        let held = self.key_lists.iter().position(|held| **held == *keys);
        Keys(held.unwrap_or_else(|| {
            self.key_lists.push(Rc::from(keys));
            self.key_lists.len() - 1
        }))
    }

    /// The places of `base` over `keys`: those where some node can be bought or has room, by their values.
    /// O(options + nodes) for what was not asked before.
    pub(super) fn of(
        &mut self,
        ground: &Ground<'_>,
        sets: &Sets,
        base: &Base,
        keys: Keys,
    ) -> Rc<Vec<Place>> {
        let key = (base.options, base.nodes, base.shape, keys);
        if let Some(list) = self.lists.get(&key) {
            return Rc::clone(list);
        }
        let key_list = Rc::clone(&self.key_lists[keys.0]);
        let mut places: Vec<Place> = Vec::new();
        let mut by_values: FastMap<Vec<Value>, usize> = FastMap::default();
        let mut at = |values: Vec<Value>, places: &mut Vec<Place>| {
            *by_values.entry(values).or_insert_with_key(|values| {
                places.push(Place::new(values.clone()));
                places.len() - 1
            })
        };
        let demand = &ground.shapes[base.shape as usize];
        let buyable = self.buyable(ground, sets, base.options, keys);
        for buyable in buyable.iter() {
            // Zones often sell the same at the same prices.
            let offer = *self
                .offers
                .entry((base.shape, buyable.nodes))
                .or_insert_with(|| Offer::of(ground, demand, &self.nodes[buyable.nodes]));
            if offer.least.is_finite() {
                let at = at(buyable.values.clone(), &mut places);
                let place = &mut places[at];
                place.buyable = true;
                place.weight = offer.weight;
                (place.each, place.least) = (offer.each, offer.least);
            }
        }
        for node in sets.nodes.get(base.nodes).iter() {
            let count = fit_count(demand, ground.node_room(node));
            if count > 0 {
                let values = key_list
                    .iter()
                    .map(|key| ground.domains.keys[*key].node(ground.rows, node))
                    .collect();
                let at = at(values, &mut places);
                let place = &mut places[at];
                place.free = place.free.saturating_add(u64::from(count));
            }
        }
        places.sort_by(|a, b| a.values.cmp(&b.values));
        let list = Rc::new(places);
        self.lists.insert(key, Rc::clone(&list));
        list
    }

    /// What of a set the stocks allow once, by place.
    fn buyable(
        &mut self,
        ground: &Ground<'_>,
        sets: &Sets,
        set: SetId,
        keys: Keys,
    ) -> Rc<Vec<Buyable>> {
        let key = (set, keys);
        if let Some(list) = self.buyable.get(&key) {
            return Rc::clone(list);
        }
        let keys = &self.key_lists[keys.0];
        let mut found: Vec<(Vec<Value>, Nodes)> = Vec::new();
        let mut by_values: FastMap<Vec<Value>, usize> = FastMap::default();
        let mut values: Vec<Value> = Vec::new();
        for option in sets.options.get(set).iter() {
            if !affordable(ground, option) {
                continue;
            }
            values.clear();
            values.extend(
                keys.iter()
                    .map(|key| ground.domains.keys[*key].options[option]),
            );
            let at = match by_values.get(&values) {
                Some(at) => *at,
                None => {
                    by_values.insert(values.clone(), found.len());
                    found.push((values.clone(), Vec::new()));
                    found.len() - 1
                }
            };
            let row = &ground.table.options[option];
            let weight = ground.table.templates[row.pool.at()].pool.weight;
            let node = (row.room, row.cost, weight);
            // Offerings of one type stand together.
            let nodes = &mut found[at].1;
            if nodes.last() != Some(&node) {
                nodes.push(node);
            }
        }
        let mut list = Vec::with_capacity(found.len());
        for (values, nodes) in found {
            let held = self.nodes.iter().position(|held| *held == nodes);
            let nodes = held.unwrap_or_else(|| {
                self.nodes.push(nodes);
                self.nodes.len() - 1
            });
            list.push(Buyable { values, nodes });
        }
        let list = Rc::new(list);
        self.buyable.insert(key, Rc::clone(&list));
        list
    }

    /// What of the options and nodes of `base` is at `values` of `keys`.
    pub(super) fn sets_at(
        &mut self,
        ground: &Ground<'_>,
        sets: &mut Sets,
        base: &Base,
        keys: Keys,
        values: &[Value],
    ) -> (SetId, SetId) {
        let key = (base.options, base.nodes, keys, SmallVec::from_slice(values));
        if let Some(known) = self.here.get(&key) {
            return *known;
        }
        let keys = &self.key_lists[keys.0];
        let here = || keys.iter().zip(values);
        let mut options = BitSet::new(sets.options.get(base.options).bound());
        for option in sets.options.get(base.options).iter() {
            if here().all(|(key, v)| ground.domains.keys[*key].options[option] == *v) {
                options.insert(option);
            }
        }
        let mut nodes = BitSet::new(sets.nodes.get(base.nodes).bound());
        for node in sets.nodes.get(base.nodes).iter() {
            if here().all(|(key, v)| ground.domains.keys[*key].node(ground.rows, node) == *v) {
                nodes.insert(node);
            }
        }
        let found = (sets.options.intern(options), sets.nodes.intern(nodes));
        self.here.insert(key, found);
        found
    }
}

/// The options that some class can use. O(distinct sets and requests x options).
#[must_use]
pub fn wanted(ground: &Ground<'_>, sets: &Sets, bases: &[Base]) -> BitSet<OptionId> {
    let mut wanted = BitSet::new(ground.table.options.len());
    if ground.domains.keys.is_empty() {
        return wanted;
    }
    let mut asked: Vec<(SetId, u32)> = bases
        .iter()
        .map(|base| (base.options, base.shape))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    for (set, shape) in asked {
        let demand = &ground.shapes[shape as usize];
        for option in sets.options.get(set).iter() {
            if !wanted.contains(option)
                && fits(demand, ground.room(option))
                && affordable(ground, option)
            {
                wanted.insert(option);
            }
        }
    }
    wanted
}

impl Ground<'_> {
    fn room(&self, option: OptionId) -> &[i64] {
        let room = self.table.options[option].room.at();
        &self.rooms[room * self.dims..][..self.dims]
    }

    fn node_room(&self, node: NodeId) -> &[i64] {
        &self.node_rooms[node.at() * self.dims..][..self.dims]
    }
}

/// What the classes of `order` ask for, by number, and the distinct vectors in order of appearance, so that what depends on
/// them alone is found once.
#[must_use]
pub fn shapes(grouping: &Grouping, order: &[usize], units: &Units) -> (Vec<u32>, Vec<Vec<i64>>) {
    let mut ids: FastMap<Vec<i64>, u32> = FastMap::default();
    let mut distinct = Vec::new();
    let mut of_list: Vec<Option<u32>> = vec![None; grouping.requests.len()];
    let mut number = |class: &usize| {
        let list = grouping.keys[*class].requests;
        *of_list[list].get_or_insert_with(|| {
            let demand = units.demand(&grouping.requests[list]).collect();
            *ids.entry(demand).or_insert_with_key(|demand| {
                distinct.push(demand.clone());
                u32::try_from(distinct.len() - 1).unwrap_or(u32::MAX)
            })
        })
    };
    (order.iter().map(&mut number).collect(), distinct)
}
