//! Static pools: a fixed number of nodes, whatever pods wait (S-126..S-128).

use serde::{Deserialize, Serialize};

use super::ChosenOffering;
use crate::base::hash::FastMap;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::NODE_POOL;
use crate::model::node_claim::NodeClaim;
use crate::model::pod::Pod;
use crate::model::resources::{NODES, Name};
use crate::problem::compile::Views;
use crate::view::pools::Template;
use crate::view::protection::Protection;

/// A static pool that does not have the nodes it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StaticPool {
    /// NodePool.
    pub node_pool: Name,
    /// `spec.replicas`.
    pub replicas: u32,
    /// NodeClaims it has, those that are being deleted left out.
    pub running: u32,
    /// How many NodeClaims to make from its template, within its limit of nodes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub create: u32,
    /// How many more it should have and may not, for its limit of nodes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub over_limit: u32,
    /// The cheapest way to buy one of them; the choice is the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheapest: Option<ChosenOffering>,
    /// NodeClaims to remove, in order (S-128).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Name>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What the static pools of `views` need, by name; nothing while the gate `StaticCapacity` is off.
/// O(pools x (claims + offerings) + pods).
#[must_use]
pub fn static_pools(views: &Views<'_>) -> Vec<StaticPool> {
    if !views.snapshot.options.feature_gates.static_capacity {
        return Vec::new();
    }
    let of = |template: &Template<'_>| static_pool(views, template);
    views.pools.statics.iter().filter_map(of).collect()
}

fn static_pool(views: &Views<'_>, template: &Template<'_>) -> Option<StaticPool> {
    let pool = template.pool;
    let replicas = pool.replicas?;
    let claims = views.snapshot.node_claims.iter();
    let own = claims.filter(|claim| claim.labels.get(NODE_POOL) == Some(pool.name.as_ref()));
    let (live, leaving): (Vec<&NodeClaim>, Vec<&NodeClaim>) =
        own.partition(|claim| claim.deleted.is_none());
    let count = |claims: &[&NodeClaim]| u32::try_from(claims.len()).unwrap_or(u32::MAX);
    let running = count(&live);
    let wanted = replicas.saturating_sub(running);
    let room = pool.limits.get(NODES).map_or(u32::MAX, |limit| {
        let limit = u32::try_from(limit.units_ceil().max(0)).unwrap_or(u32::MAX);
        limit
            .saturating_sub(running)
            .saturating_sub(count(&leaving))
    });
    let create = wanted.min(room);
    let excess = running.saturating_sub(replicas) as usize;
    if wanted == 0 && excess == 0 {
        return None;
    }
    let mut remove = if excess > 0 {
        removal_order(views, live)
    } else {
        Vec::new()
    };
    remove.truncate(excess);
    Some(StaticPool {
        node_pool: Name::clone(&pool.name),
        replicas,
        running,
        create,
        over_limit: wanted - create,
        cheapest: (create > 0).then(|| cheapest(views, template)).flatten(),
        remove,
    })
}

/// The cheapest offering that the template allows; unpriced ones last.
pub(crate) fn cheapest(views: &Views<'_>, template: &Template<'_>) -> Option<ChosenOffering> {
    let reserved = views.snapshot.options.feature_gates.reserved_capacity;
    let usable = |offering: &Offering| {
        offering.available
            && (offering.capacity_type != CapacityType::Reserved
                || (reserved && offering.reservation_capacity > 0))
    };
    let fits = template.types.iter().filter(|t| template.labels(t).is_ok());
    let offered = fits.flat_map(|t| t.offerings.iter().map(move |offering| (t, offering)));
    let mut allowed =
        offered.filter(|(t, offering)| usable(offering) && template.allows_offering(t, offering));
    let key = |(t, o): &(&InstanceType, &Offering)| {
        let names = (Name::clone(&t.name), Name::clone(&o.zone));
        (o.price.is_none(), o.price, names, o.capacity_type)
    };
    let first = allowed.next()?;
    let best = allowed.fold(
        first,
        |held, next| if key(&next) < key(&held) { next } else { held },
    );
    let (instance_type, offering) = best;
    Some(ChosenOffering {
        instance_type: Name::clone(&instance_type.name),
        zone: Name::clone(&offering.zone),
        capacity_type: offering.capacity_type,
        price: offering.price,
        instance_group: offering.instance_group.clone(),
        reservation_id: offering.reservation_id.clone(),
    })
}

/// Which NodeClaims go first (S-128): not launched, then empty, then without pods that forbid it, each cheapest to
/// disrupt first, by name at last.
fn removal_order(views: &Views<'_>, live: Vec<&NodeClaim>) -> Vec<Name> {
    let protection = Protection::new(views.snapshot);
    let mut at_claim: FastMap<&str, usize> = FastMap::default();
    for (at, node) in views.nodes.iter().enumerate() {
        if let Some(claim) = node.claim {
            at_claim.insert(&claim.name, at);
        }
    }
    let mut on_node: FastMap<usize, Vec<&Pod>> = FastMap::default();
    for (position, pod) in views.snapshot.pods.iter().enumerate() {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let Some(at) = views.node_use.node_of.get(position) else {
            continue;
        };
        if !pod.is_finished() && !pod.is_terminating() {
            on_node.entry(at as usize).or_default().push(pod);
        }
    }
    let none = Vec::new();
    let mut ranked: Vec<(u8, f64, Name)> = live
        .into_iter()
        .map(|claim| {
            let at = at_claim.get(claim.name.as_ref());
            let pods = at.and_then(|at| on_node.get(at)).unwrap_or(&none);
            let held = pods
                .iter()
                .any(|pod| protection.is_disruption_forbidden(pod));
            let empty = pods.iter().all(|pod| pod.is_daemon()) && !held;
            let rank = match (claim.provider_id.is_none(), empty, held) {
                (true, _, _) => 0,
                (_, true, _) => 1,
                (_, _, false) => 2,
                (_, _, true) => 3,
            };
            let movable = pods.iter().filter(|pod| !pod.is_daemon());
            let cost: f64 = movable.map(|pod| eviction_cost(pod)).sum();
            (
                rank,
                cost * lifetime_left(views, claim),
                Name::clone(&claim.name),
            )
        })
        .collect();
    ranked.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then_with(|| a.2.cmp(&b.2))
    });
    ranked.into_iter().map(|(_, _, name)| name).collect()
}

/// What evicting a pod costs: 1, more with its deletion cost and priority, between -10 and 10.
fn eviction_cost(pod: &Pod) -> f64 {
    const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let stated = pod.annotations.get(DELETION_COST);
    let stated: i32 = stated.and_then(|text| text.parse().ok()).unwrap_or(0);
    let of_deletion = f64::from(stated) / f64::from(1 << 27);
    let of_priority = f64::from(pod.spec.priority) / f64::from(1 << 25);
    (1.0 + of_deletion + of_priority).clamp(-10.0, 10.0)
}

/// The part of its life that a NodeClaim still has before it expires; 1 where it never does.
#[expect(clippy::cast_precision_loss, reason = "a ratio of times")]
fn lifetime_left(views: &Views<'_>, claim: &NodeClaim) -> f64 {
    let now = views.snapshot.options.now;
    match (now, claim.created, claim.expire_after) {
        (Some(now), Some(created), Some(span)) if span.as_millis() > 0 => {
            let whole = span.as_millis() as f64;
            let age = now.since(created).as_millis() as f64;
            ((whole - age) / whole).clamp(0.0, 1.0)
        }
        _ => 1.0,
    }
}
