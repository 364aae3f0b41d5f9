//! What a person should know about a plan besides: what could not be bought from, and what a price does not cover.

use std::collections::BTreeMap;

use super::reason::{Code, Reason};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;
use crate::plan::PlannedClaim;

/// The notes of a plan: pools and groups left out, prices that are not known, and nodes bought without one (M-9).
/// O(pools + groups + claims).
#[must_use]
pub fn notes(
    refused: &[Reason],
    capacity: &BTreeMap<Name, ClassCapacity>,
    claims: &[PlannedClaim],
) -> Vec<Reason> {
    let mut all: Vec<Reason> = refused.to_vec();
    for note in capacity.values().flat_map(|class| &class.notes) {
        let told = |held: &Reason| held == note || held.parts.contains(note);
        // Two classes may name one group, and a refused pool tells of its class's groups already.
        if !all.iter().any(told) {
            all.push(note.clone());
        }
    }
    let mut unpriced: BTreeMap<(&Name, CapacityType), usize> = BTreeMap::new();
    for chosen in claims.iter().map(|claim| &claim.cheapest) {
        if chosen.price.is_none() {
            *unpriced
                .entry((&chosen.instance_type, chosen.capacity_type))
                .or_default() += 1;
        }
    }
    for ((name, capacity_type), count) in unpriced {
        let nodes = if count == 1 { "node" } else { "nodes" };
        let why = if capacity_type == CapacityType::Spot {
            "the hourly price leaves them out"
        } else {
            "nothing priced holds their pods"
        };
        let message = format!(
            "bought {count} {capacity_type} {nodes} of {name} whose price is not publicly known: {why}"
        );
        let mut note = Reason::new(format!("instance type {name}"), Code::UnknownPrice, message);
        note.count = count;
        all.push(note);
    }
    all
}
