//! Resources as integers.
//!
//! Each resource gets one unit in which every quantity that occurs is a whole number: the greatest common divisor of all
//! of them. Where that would make numbers too large, the unit grows by powers of two: requests are then rounded up and
//! room is rounded down, so that a plan stays valid.

use std::collections::{BTreeMap, BTreeSet};

use super::AMOUNT_MAX;
use crate::model::resources::{Name, ResourceList};

/// The resources of a problem with their units.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Units {
    names: Vec<Name>,
    units: Vec<i128>,
}

/// Collects the quantities of a problem; [`Survey::finish`] fixes the units.
#[derive(Debug, Default)]
pub struct Survey {
    seen: BTreeMap<Name, Seen>,
}

/// The quantities of one resource.
#[derive(Debug, Default)]
struct Seen {
    requests: BTreeSet<i128>,
    /// Greatest common divisor and maximum over all rooms.
    room: (i128, i128),
}

impl Survey {
    /// Every resource that `requests` ask for becomes a dimension.
    pub fn requests(&mut self, requests: &ResourceList) {
        for (name, quantity) in requests.iter() {
            if quantity.as_nanos() > 0 {
                let seen = self.seen.entry(Name::clone(name)).or_default();
                seen.requests.insert(quantity.as_nanos());
            }
        }
    }

    /// Takes the quantities of `room` into account for the dimensions there are.
    pub fn room(&mut self, room: &ResourceList) {
        for (name, quantity) in room.iter() {
            if let Some(seen) = self.seen.get_mut(name) {
                note(&mut seen.room, quantity.as_nanos());
            }
        }
    }

    /// The resources in name order, each with its unit. Requests that are larger than all room fit nowhere in any unit,
    /// so they have no say in it.
    #[must_use]
    pub fn finish(self) -> Units {
        let mut units = Units::default();
        for (name, seen) in self.seen {
            let mut held = seen.room;
            for request in seen.requests.range(..=seen.room.1) {
                note(&mut held, *request);
            }
            let (divisor, largest) = held;
            let mut unit = divisor.max(1);
            while largest / unit >= i128::from(AMOUNT_MAX) {
                unit = unit.saturating_mul(2);
            }
            units.names.push(name);
            units.units.push(unit);
        }
        units
    }
}

fn note(held: &mut (i128, i128), nanos: i128) {
    // Sums must not overflow either, so absurd amounts are capped here and treated as "more than anything has".
    let nanos = nanos.saturating_abs().min(ABSURD);
    held.0 = gcd(held.0, nanos);
    held.1 = held.1.max(nanos);
}

/// Amounts from here on (10^27 nano-units, 10^18 units) are all the same to us.
const ABSURD: i128 = 1_000_000_000_000_000_000_000_000_000;

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Units {
    /// Number of resources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The resources' names in order.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// `requests` as a vector, rounded up.
    pub fn demand<'a>(&'a self, requests: &'a ResourceList) -> impl Iterator<Item = i64> + 'a {
        self.names.iter().zip(&self.units).map(move |(name, unit)| {
            let nanos = requests.amount(name).as_nanos().max(0);
            let up = nanos / unit + i128::from(nanos % unit != 0);
            i64::try_from(up).unwrap_or(AMOUNT_MAX).min(AMOUNT_MAX)
        })
    }

    /// `room` as a vector, rounded down; what is below 0 counts as 0.
    pub fn room<'a>(&'a self, room: &'a ResourceList) -> impl Iterator<Item = i64> + 'a {
        self.names.iter().zip(&self.units).map(move |(name, unit)| {
            let down = room.amount(name).as_nanos().max(0) / unit;
            i64::try_from(down)
                .unwrap_or(AMOUNT_MAX)
                .min(AMOUNT_MAX - 1)
        })
    }
}
