//! Reserved capacity: every reserved claim gets a slot of its own (S-117).

use std::collections::BTreeMap;

use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, Offering};
use crate::model::resources::Name;

use super::catalogue::{self, Catalogue};
use super::claims::Bought;
use super::report::{Kind, Report, Violation};

/// Assigns reserved claims to reservations by augmenting paths and reports the claims left over.
pub(super) fn check(
    snapshot: &Snapshot,
    catalogue: &Catalogue<'_>,
    bought: &[Bought<'_>],
    report: &mut Report,
) {
    let reserved: Vec<&Bought<'_>> = bought
        .iter()
        .filter(|b| b.claim.cheapest.capacity_type == CapacityType::Reserved)
        .collect();
    if reserved.is_empty() || !snapshot.options.feature_gates.reserved_capacity {
        return;
    }
    let mut matching = Matching {
        slots: slots(catalogue),
        wishes: reserved.iter().map(|b| wishes(catalogue, b)).collect(),
        taken: BTreeMap::new(),
    };
    for (at, bought) in reserved.iter().enumerate() {
        if !matching.assign(at, &mut Vec::new()) {
            report.violation(
                Violation::new(Kind::Reservation, "no reservation has capacity left for it")
                    .at(bought.target.as_str()),
            );
        }
    }
}

fn is_open(offering: &&Offering) -> bool {
    offering.available && offering.capacity_type == CapacityType::Reserved
}

/// Capacity by reservation: the smallest count that any offering states (S-117).
fn slots(catalogue: &Catalogue<'_>) -> BTreeMap<Name, usize> {
    let mut slots: BTreeMap<Name, usize> = BTreeMap::new();
    for offering in catalogue.all().flat_map(|t| &t.offerings).filter(is_open) {
        let id = offering.reservation_id.clone().unwrap_or_default();
        let count = usize::try_from(offering.reservation_capacity).unwrap_or(usize::MAX);
        let held = slots.entry(id).or_insert(count);
        *held = count.min(*held);
    }
    slots
}

/// The reservations that a claim's choice can be launched into.
fn wishes(catalogue: &Catalogue<'_>, bought: &Bought<'_>) -> Vec<Name> {
    let chosen = &bought.claim.cheapest;
    let menu = catalogue.menu(bought.pool);
    let meant = menu.offerings(&chosen.instance_type, |offering| {
        is_open(&offering) && catalogue::is_meant(offering, chosen)
    });
    let mut ids: Vec<Name> = meant
        .iter()
        .map(|&(entry, offering)| &menu.types[entry].offerings[offering])
        .map(|offering| offering.reservation_id.clone().unwrap_or_default())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

struct Matching {
    slots: BTreeMap<Name, usize>,
    wishes: Vec<Vec<Name>>,
    taken: BTreeMap<Name, Vec<usize>>,
}

impl Matching {
    /// Finds a slot for `claim`, moving others where that helps.
    fn assign(&mut self, claim: usize, tried: &mut Vec<Name>) -> bool {
        for id in self.wishes[claim].clone() {
            if tried.contains(&id) {
                continue;
            }
            tried.push(Name::clone(&id));
            let room = self.slots.get(&id).copied().unwrap_or(0);
            let holders = self.taken.entry(Name::clone(&id)).or_default().clone();
            if holders.len() < room {
                self.taken.entry(id).or_default().push(claim);
                return true;
            }
            for (at, &holder) in holders.iter().enumerate() {
                if self.assign(holder, tried) {
                    if let Some(slot) = self.taken.get_mut(&id).and_then(|t| t.get_mut(at)) {
                        *slot = claim;
                    }
                    return true;
                }
            }
        }
        false
    }
}
