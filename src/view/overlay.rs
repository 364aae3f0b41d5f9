//! NodeOverlays applied to instance types (S-58..S-60).
//!
//! An overlay speaks of pool, template labels, type and offering, so one type may look different to each pool: the types
//! that overlays change are kept by pool beside those of the node class.

use std::collections::{BTreeMap, BTreeSet};

use crate::explain::reason::{Code, Reason};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::InstanceType;
use crate::model::label::{self, INSTANCE_TYPE, NODE_POOL};
use crate::model::node_pool::NodePool;
use crate::model::overlay::{NodeOverlay, PriceChange};
use crate::model::requirement::{Operator, Requirement, Requirements, Undefined};
use crate::model::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, Name, PODS};
use crate::view::pools::{OFFERING_KEYS, offering_meets};

/// Resources that overlays leave to the provider (S-59).
const OF_PROVIDER: [&str; 4] = [CPU, MEMORY, EPHEMERAL_STORAGE, PODS];

/// A place where overlays may meet: pool, type, and the offering whose price or the resource whose amount they set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Price(Name, usize, usize),
    Capacity(Name, usize, Name),
}

/// Applies the overlays of `snapshot` to what its node classes offer. The heaviest overlay decides, nothing stacks; of
/// two of equal weight on one price or resource the later one by name counts and the other is left out everywhere, with
/// a note (S-60). O(overlays x pools x offerings).
pub fn apply(snapshot: &Snapshot, classes: &mut BTreeMap<Name, ClassCapacity>) {
    if snapshot.node_overlays.is_empty() || !snapshot.options.feature_gates.node_overlay {
        return;
    }
    let mut overlays: Vec<&NodeOverlay> = snapshot.node_overlays.iter().collect();
    overlays.sort_by(|a, b| (b.weight, &b.name).cmp(&(a.weight, &a.name)));
    let mut decided: BTreeMap<Touched, (u32, &NodeOverlay)> = BTreeMap::new();
    let mut notes: Vec<(BTreeSet<Name>, Reason)> = Vec::new();
    for overlay in overlays {
        let touched = touched(snapshot, classes, overlay);
        let rival = touched.iter().find_map(|place| {
            let (weight, held) = decided.get(place)?;
            (*weight == overlay.weight).then_some(held)
        });
        if let Some(rival) = rival {
            let message = format!(
                "is left out: NodeOverlay {} has the same weight and sets the same; give one of them another weight",
                rival.name
            );
            let subject = format!("NodeOverlay {}", overlay.name);
            let of = classes_of(snapshot, &touched);
            notes.push((of, Reason::new(subject, Code::NoInstanceTypes, message)));
            continue;
        }
        for place in touched {
            decided.entry(place).or_insert((overlay.weight, overlay));
        }
    }
    for (class, note) in notes {
        // Said once, with the first class that is concerned.
        if let Some(capacity) = class.first().and_then(|class| classes.get_mut(class)) {
            capacity.notes.push(note);
        }
    }
    for (place, (_, overlay)) in &decided {
        let (Touched::Price(pool, at, _) | Touched::Capacity(pool, at, _)) = place;
        let Some(capacity) =
            pool_named(snapshot, pool).and_then(|pool| classes.get_mut(&pool.node_class_ref.name))
        else {
            continue;
        };
        let own = capacity
            .by_pool
            .entry(Name::clone(pool))
            .or_insert_with(|| capacity.types.clone());
        let Some(entry) = own.get_mut(*at) else {
            continue;
        };
        match place {
            Touched::Price(_, _, offering) => {
                if let (Some(offering), Some(change)) =
                    (entry.offerings.get_mut(*offering), overlay.price)
                {
                    // A change of a price that nobody knows stays unknown; one that is set is known.
                    offering.price = match (offering.price, change) {
                        (_, PriceChange::Set(price)) => Some(price),
                        (known, change) => known.map(|price| change.apply(price)),
                    };
                }
            }
            Touched::Capacity(_, _, resource) => {
                let amount = overlay.capacity.amount(resource);
                entry.capacity.set_shared(Name::clone(resource), amount);
            }
        }
    }
}

fn pool_named<'s>(snapshot: &'s Snapshot, name: &Name) -> Option<&'s NodePool> {
    snapshot.node_pools.iter().find(|pool| pool.name == *name)
}

fn classes_of(snapshot: &Snapshot, touched: &[Touched]) -> BTreeSet<Name> {
    let pool = |place: &Touched| {
        let (Touched::Price(pool, ..) | Touched::Capacity(pool, ..)) = place;
        Some(Name::clone(
            &pool_named(snapshot, pool)?.node_class_ref.name,
        ))
    };
    touched.iter().filter_map(pool).collect()
}

/// What `overlay` sets, wherever it applies.
fn touched(
    snapshot: &Snapshot,
    classes: &BTreeMap<Name, ClassCapacity>,
    overlay: &NodeOverlay,
) -> Vec<Touched> {
    let asked = Requirements::from_specs(&overlay.requirements);
    let mut of_node = Requirements::new();
    let mut of_offering: Vec<Requirement> = Vec::new();
    for requirement in asked.iter() {
        if OFFERING_KEYS.contains(&requirement.key().as_ref()) {
            of_offering.push(requirement.clone());
        } else {
            of_node.add(requirement.clone());
        }
    }
    let mut all = Vec::new();
    for pool in &snapshot.node_pools {
        let Some(capacity) = classes.get(&pool.node_class_ref.name) else {
            continue;
        };
        for (at, entry) in capacity.types.iter().enumerate() {
            if labels_of(pool, entry)
                .compatible(&of_node, Undefined::Denied)
                .is_err()
            {
                continue;
            }
            let matching: Vec<usize> = (0..entry.offerings.len())
                .filter(|offering| {
                    let offering = &entry.offerings[*offering];
                    of_offering
                        .iter()
                        .all(|asked| offering_meets(asked, offering))
                })
                .collect();
            if matching.is_empty() {
                continue;
            }
            let pool = || Name::clone(&pool.name);
            if overlay.price.is_some() {
                all.extend(
                    matching
                        .iter()
                        .map(|offering| Touched::Price(pool(), at, *offering)),
                );
            }
            let added = overlay.capacity.iter();
            let added = added.filter(|(name, _)| !OF_PROVIDER.contains(&name.as_ref()));
            all.extend(added.map(|(name, _)| Touched::Capacity(pool(), at, Name::clone(name))));
        }
    }
    all
}

/// What an overlay may ask of a pool and a type besides their offerings (S-58).
fn labels_of(pool: &NodePool, entry: &InstanceType) -> Requirements {
    let mut known = Requirements::from_specs(
        entry
            .requirements
            .iter()
            .filter(|spec| !OFFERING_KEYS.contains(&label::normalize(&spec.key))),
    );
    known.add_all(&Requirements::from_labels(&pool.template_labels));
    let own = [
        (Name::from(NODE_POOL), &pool.name),
        (
            Name::from(pool.node_class_ref.label_key()),
            &pool.node_class_ref.name,
        ),
        (Name::from(INSTANCE_TYPE), &entry.name),
    ];
    for (key, value) in own {
        known.add(Requirement::new(&key, Operator::In, [Name::clone(value)]));
    }
    known
}
