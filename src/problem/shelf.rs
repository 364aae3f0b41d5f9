//! What stands on the shelf of a pool: its options with types and places as numbers, so that what a claim may list is found
//! by bitsets instead of names.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::compile::Views;
use super::{OptionId, PoolId, Problem};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::Name;

crate::ix! {
    /// A name of an instance type, numbered in name order.
    TypeIx;
    /// A zone with a capacity type.
    PlaceIx;
}

/// The numbers of one option.
#[derive(Debug, Clone, Copy)]
struct Row {
    name: TypeIx,
    place: PlaceIx,
}

/// A zone with a capacity type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    capacity_type: CapacityType,
    zone: Name,
}

/// Zones and capacity types that a claim lists, and what is listed there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listed {
    /// Zones.
    pub zones: Vec<Name>,
    /// Capacity types.
    pub capacity_types: Vec<CapacityType>,
    /// Types that may be listed with them.
    pub types: BitSet<TypeIx>,
}

/// The options of a problem as numbers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shelf {
    rows: IxVec<OptionId, Row>,
    names: IxVec<TypeIx, Name>,
    /// In order of capacity type and zone.
    places: IxVec<PlaceIx, Place>,
    /// By pool: its options, cheapest first, then by name of the type and in order.
    by_price: IxVec<PoolId, Vec<OptionId>>,
}

impl Shelf {
    /// Numbers the options of `problem`. O(options log options).
    #[must_use]
    pub fn new(views: &Views<'_>, problem: &Problem) -> Self {
        let parts = |option: OptionId| {
            let row = &problem.options[option];
            let types = views.pools.templates[row.pool.at()].types;
            let instance_type = &types[problem.pairs[row.pair].instance_type as usize];
            let offering = &instance_type.offerings[row.offering as usize];
            let place = Place {
                capacity_type: offering.capacity_type,
                zone: Name::clone(&offering.zone),
            };
            (Name::clone(&instance_type.name), place)
        };
        let mut names: BTreeMap<Name, usize> = BTreeMap::new();
        let mut places: BTreeMap<Place, usize> = BTreeMap::new();
        for option in problem.options.ids() {
            let (name, place) = parts(option);
            names.insert(name, 0);
            places.insert(place, 0);
        }
        names.values_mut().enumerate().for_each(|(at, n)| *n = at);
        places.values_mut().enumerate().for_each(|(at, n)| *n = at);
        let rows: IxVec<OptionId, Row> = problem
            .options
            .ids()
            .map(|option| {
                let (name, place) = parts(option);
                Row {
                    name: TypeIx::new(names[&name]),
                    place: PlaceIx::new(places[&place]),
                }
            })
            .collect();
        let ordered = |pool: PoolId| {
            let mut options: Vec<OptionId> = problem.pools[pool].options.iter().collect();
            options.sort_by(|a, b| {
                by_price(problem, *a, *b)
                    .then_with(|| (rows[*a].name, *a).cmp(&(rows[*b].name, *b)))
            });
            options
        };
        Self {
            by_price: problem.pools.ids().map(ordered).collect(),
            rows,
            names: names.into_keys().collect(),
            places: places.into_keys().collect(),
        }
    }

    /// The options of `pool`, cheapest first, then by name of the type.
    #[must_use]
    pub fn by_price(&self, pool: PoolId) -> &[OptionId] {
        &self.by_price[pool]
    }

    /// The number of the name of `option`'s type.
    #[must_use]
    pub fn type_of(&self, option: OptionId) -> TypeIx {
        self.rows[option].name
    }

    /// Whether `option` is in a zone and of a capacity type of `listed`.
    #[must_use]
    pub fn inside(&self, listed: &Listed, option: OptionId) -> bool {
        let place = &self.places[self.rows[option].place];
        listed.zones.contains(&place.zone) && listed.capacity_types.contains(&place.capacity_type)
    }

    /// Zones and capacity types as wide as every combination with a listed type stays `allowed`, beginning with those of
    /// `chosen`. Reserved capacity is pinned (S-124). O(options + places^2 x types / 64).
    #[must_use]
    pub fn widest(&self, pool: PoolId, chosen: OptionId, allowed: &BitSet<OptionId>) -> Listed {
        let none = || IxVec::filled(self.places.len(), BitSet::new(self.names.len()));
        let (mut sound, mut spoilt): (IxVec<PlaceIx, BitSet<TypeIx>>, IxVec<PlaceIx, _>) =
            (none(), none());
        for option in &self.by_price[pool] {
            let Row { name, place } = self.rows[*option];
            let list = if allowed.contains(*option) {
                &mut sound
            } else {
                &mut spoilt
            };
            list[place].insert(name);
        }
        // The types that may be listed with these zones and capacity types.
        let within = |zones: &[Name], kinds: &[CapacityType]| {
            let mut kept = BitSet::new(self.names.len());
            let inside = || {
                let places = self.places.enumerate();
                places.filter(|(_, p)| zones.contains(&p.zone) && kinds.contains(&p.capacity_type))
            };
            inside().for_each(|(place, _)| kept.union_with(&sound[place]));
            inside().for_each(|(place, _)| kept.difference_with(&spoilt[place]));
            kept
        };
        let start = &self.places[self.rows[chosen].place];
        let mut zones = vec![Name::clone(&start.zone)];
        let mut capacity_types = vec![start.capacity_type];
        let mut types = within(&zones, &capacity_types);
        if start.capacity_type != CapacityType::Reserved {
            for (place, further) in self.places.enumerate() {
                if further.capacity_type == CapacityType::Reserved || sound[place].is_empty() {
                    continue;
                }
                let mut more_zones = zones.clone();
                let mut more_kinds = capacity_types.clone();
                if !more_zones.contains(&further.zone) {
                    more_zones.push(Name::clone(&further.zone));
                }
                if !more_kinds.contains(&further.capacity_type) {
                    more_kinds.push(further.capacity_type);
                }
                let wider = within(&more_zones, &more_kinds);
                if types.is_subset(&wider) {
                    (zones, capacity_types, types) = (more_zones, more_kinds, wider);
                }
            }
        }
        zones.sort();
        capacity_types.sort_unstable();
        Listed {
            zones,
            capacity_types,
            types,
        }
    }

    /// Names of the types of `options`, up to `most`, cheapest first, that of `chosen` before all of its price.
    #[must_use]
    pub fn type_names(
        &self,
        problem: &Problem,
        chosen: OptionId,
        options: &BitSet<OptionId>,
        most: usize,
    ) -> Vec<Name> {
        let mut taken = BitSet::new(self.names.len());
        let mut names = Vec::new();
        let mut take = |option: OptionId| {
            let name = self.rows[option].name;
            if !taken.contains(name) && names.len() < most {
                taken.insert(name);
                names.push(Name::clone(&self.names[name]));
            }
        };
        let mut waits = true;
        for option in &self.by_price[problem.options[chosen].pool] {
            if waits && by_price(problem, *option, chosen).is_ge() {
                take(chosen);
                waits = false;
            }
            if options.contains(*option) {
                take(*option);
            }
        }
        names
    }
}

/// Cheaper first, unknown prices last; a spot offering without a price stands just before on-demand (M-9).
#[must_use]
pub fn by_price(problem: &Problem, a: OptionId, b: OptionId) -> Ordering {
    let key = |option: OptionId| {
        let estimate = problem.options[option].estimate;
        (estimate.is_none(), estimate.unwrap_or(Price::ZERO))
    };
    key(a).cmp(&key(b))
}
