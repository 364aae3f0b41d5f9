//! Resources as integers.
//!
//! Each resource gets one unit in which every quantity that occurs is a whole number: the greatest common divisor of all
//! of them. Where that would make numbers too large, the unit grows by powers of two: requests are then rounded up and
//! room is rounded down, so that a plan stays valid.

use std::collections::BTreeMap;

use super::AMOUNT_MAX;
use crate::model::quantity::Quantity;
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
    seen: BTreeMap<Name, (i128, i128)>,
}

impl Survey {
    /// Every resource that `requests` ask for becomes a dimension.
    pub fn requests(&mut self, requests: &ResourceList) {
        for (name, quantity) in requests.iter() {
            if quantity.as_nanos() > 0 {
                let held = self.seen.entry(Name::clone(name)).or_insert((0, 0));
                note(held, quantity);
            }
        }
    }

    /// Takes the quantities of `room` into account for the dimensions there are.
    pub fn room(&mut self, room: &ResourceList) {
        for (name, quantity) in room.iter() {
            if let Some(held) = self.seen.get_mut(name) {
                note(held, quantity);
            }
        }
    }

    /// The resources in name order, each with its unit.
    #[must_use]
    pub fn finish(self) -> Units {
        let mut units = Units::default();
        for (name, (divisor, largest)) in self.seen {
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

fn note(held: &mut (i128, i128), quantity: Quantity) {
    // Sums must not overflow either, so absurd amounts are capped here and treated as "more than anything has".
    let nanos = quantity.as_nanos().saturating_abs().min(ABSURD);
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
