//! What NodeOverlays make of prices and capacities, read again for the checker (S-58..S-60).

use std::collections::BTreeMap;

use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::{self, Labels};
use crate::model::node_pool::NodePool;
use crate::model::overlay::{NodeOverlay, PriceChange};
use crate::model::price::Price;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;

use super::selection::value_passes;

/// The entries of each pool that overlays change, with the prices that the options give.
pub(super) fn overlaid<'t>(
    snapshot: &Snapshot,
    types_of: impl Fn(&NodePool) -> &'t [InstanceType],
    given: impl Fn(&InstanceType, &Offering) -> Option<Price>,
) -> BTreeMap<Name, Vec<InstanceType>> {
    let mut result: BTreeMap<Name, Vec<InstanceType>> = BTreeMap::new();
    if snapshot.node_overlays.is_empty() || !snapshot.options.feature_gates.node_overlay {
        return result;
    }
    let accepted = accepted(snapshot, &types_of);
    for pool in &snapshot.node_pools {
        let mut types = types_of(pool).to_vec();
        for entry in &mut types {
            let before = entry.clone();
            for (offering, old) in entry.offerings.iter_mut().zip(&before.offerings) {
                offering.price = given(&before, old);
                let first = accepted
                    .iter()
                    .find(|o| o.price.is_some() && applies(o, pool, &before, old));
                match first.and_then(|overlay| overlay.price) {
                    Some(PriceChange::Set(price)) => offering.price = Some(price),
                    Some(change) => offering.price = offering.price.map(|p| change.apply(p)),
                    None => {}
                }
            }
            // The heaviest comes last and has the last word.
            for overlay in accepted.iter().rev() {
                let any = before.offerings.iter();
                if any.clone().any(|old| applies(overlay, pool, &before, old)) {
                    for (name, amount) in overlay.capacity.iter() {
                        if !["cpu", "memory", "ephemeral-storage", "pods"].contains(&name.as_ref())
                        {
                            entry.capacity.set(name, amount);
                        }
                    }
                }
            }
        }
        result.insert(Name::clone(&pool.name), types);
    }
    result
}

/// The overlays in order, heaviest first and later names first, without those that an earlier one of the same weight
/// contradicts.
fn accepted<'s, 't>(
    snapshot: &'s Snapshot,
    types_of: &impl Fn(&NodePool) -> &'t [InstanceType],
) -> Vec<&'s NodeOverlay> {
    let mut order: Vec<&NodeOverlay> = snapshot.node_overlays.iter().collect();
    order.sort_by(|a, b| b.weight.cmp(&a.weight).then(b.name.cmp(&a.name)));
    let mut accepted: Vec<&NodeOverlay> = Vec::new();
    for overlay in order {
        let rivals: Vec<&&NodeOverlay> = accepted
            .iter()
            .filter(|held| held.weight == overlay.weight)
            .collect();
        let meets = |rival: &NodeOverlay| {
            snapshot.node_pools.iter().any(|pool| {
                types_of(pool).iter().any(|entry| {
                    let on = |which: &NodeOverlay, o: &Offering| applies(which, pool, entry, o);
                    let offerings = &entry.offerings;
                    let same_price = overlay.price.is_some()
                        && rival.price.is_some()
                        && offerings.iter().any(|o| on(overlay, o) && on(rival, o));
                    let both = offerings.iter().any(|o| on(overlay, o))
                        && offerings.iter().any(|o| on(rival, o));
                    let mut names = overlay.capacity.iter();
                    same_price
                        || (both && names.any(|(name, _)| rival.capacity.get(name).is_some()))
                })
            })
        };
        if !rivals.iter().any(|rival| meets(rival)) {
            accepted.push(overlay);
        }
    }
    accepted
}

/// Whether an overlay speaks of an offering of a type in a pool: every label it asks for must be defined.
fn applies(
    overlay: &NodeOverlay,
    pool: &NodePool,
    entry: &InstanceType,
    offering: &Offering,
) -> bool {
    let mut labels: Labels = pool.template_labels.clone();
    labels.set(label::NODE_POOL, Name::clone(&pool.name));
    labels.set(
        pool.node_class_ref.label_key(),
        Name::clone(&pool.node_class_ref.name),
    );
    labels.set(label::INSTANCE_TYPE, Name::clone(&entry.name));
    labels.set(label::ZONE, Name::clone(&offering.zone));
    labels.set(label::CAPACITY_TYPE, offering.capacity_type.as_str());
    let reserved = offering.reservation_id.as_ref();
    if let Some(id) = reserved.filter(|_| offering.capacity_type == CapacityType::Reserved) {
        labels.set(label::RESERVATION_ID, Name::clone(id));
    }
    overlay.requirements.iter().all(|asked| {
        let key = label::normalize(&asked.key);
        let own = entry
            .requirements
            .iter()
            .find(|r| label::normalize(&r.key) == key);
        match (labels.get(key), own) {
            (Some(value), _) => value_passes(Some(value), asked),
            (None, Some(own)) if own.operator == Operator::In => own
                .values
                .iter()
                .any(|value| value_passes(Some(value), asked)),
            _ => without(asked),
        }
    })
}

/// Whether a requirement is content with a label that is not there.
fn without(asked: &RequirementSpec) -> bool {
    matches!(asked.operator, Operator::NotIn | Operator::DoesNotExist)
}
