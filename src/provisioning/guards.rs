//! Guards: pool limits, shared limits, price caps, quotas, nodes in flight, the breaker (D-101).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::config::PoolConfig;
use super::exact;
use super::ids::{OfferingId, OrderId, PoolId};
use super::machine::{Machine, Timer};
use super::output::Unavailability;
use crate::base::time::{Span, Timestamp};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{NODES, Name, ResourceList};

/// How long a failed start counts towards the breaker.
const FAILURE_MEMORY: Span = Span::from_secs(15 * 60);

/// A pool with what it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    pub(super) config: PoolConfig,
    /// Whether the configuration still has it.
    pub(super) configured: bool,
    /// Capacity of all its nodes, from the request until they are known to be gone.
    pub(super) usage: ResourceList,
    /// Their known prices per hour, in 10^-15 $.
    #[serde(with = "exact::integer")]
    pub(super) hourly: i128,
    pub(super) live: u32,
    pub(super) in_flight: u32,
    pub(super) unhealthy: u32,
    /// Orders that wait for a free slot, for the breaker or for autoscaling.
    pub(super) waiting: BTreeSet<OrderId>,
    /// Starts that failed for other reasons than capacity.
    pub(super) failures: VecDeque<Timestamp>,
    pub(super) breaker_until: Option<Timestamp>,
}

impl Pool {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self {
            config,
            configured: true,
            usage: ResourceList::new(),
            hourly: 0,
            live: 0,
            in_flight: 0,
            unhealthy: 0,
            waiting: BTreeSet::new(),
            failures: VecDeque::new(),
            breaker_until: None,
        }
    }

    /// Whether nothing is to be launched from it, ever.
    pub(super) fn is_closed(&self) -> bool {
        self.config.deleted || !self.configured
    }
}

/// Counts one more or one less of `key`; what there is none of has no entry.
fn tally<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, more: bool) {
    let count = counts.get(&key).copied().unwrap_or(0);
    let count = if more {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
    if count == 0 {
        counts.remove(&key);
    } else {
        counts.insert(key, count);
    }
}

/// How many of `nodes` may fail before the breaker opens: 20 %, rounded up (D-101).
pub(super) fn tolerated(nodes: u32) -> u32 {
    nodes.div_ceil(5)
}

impl Machine {
    pub(super) fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.state.pools.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn pool_mut(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.state.pools.get_mut(usize::try_from(id.0).ok()?)
    }

    /// The pool called `name`; one that no configuration has named is closed.
    pub(super) fn intern_pool(&mut self, name: &Name) -> PoolId {
        if let Some(id) = self.index.by_pool_name.get(name) {
            return *id;
        }
        let id = PoolId(u32::try_from(self.state.pools.len()).unwrap_or(u32::MAX));
        let mut pool = Pool::new(PoolConfig::new(Name::clone(name), ""));
        pool.configured = false;
        self.state.pools.push(pool);
        self.index.by_pool_name.insert(Name::clone(name), id);
        id
    }

    /// What one node of `offering` uses of limits; whether the type's capacity is known.
    pub(super) fn size_of(&self, offering: OfferingId) -> (ResourceList, bool) {
        let known = self
            .state
            .offers
            .get(offering)
            .and_then(|offering| self.state.config.types.get(&offering.instance_type));
        let mut size = known.cloned().unwrap_or_default();
        size.set(NODES, Quantity::from_units(1));
        (size, known.is_some())
    }

    /// Counts a node of `offering` in (`sign` 1) or out (-1).
    pub(super) fn count(&mut self, pool: PoolId, offering: OfferingId, add: bool) {
        let (size, _) = self.size_of(offering);
        let found = self.state.offers.get(offering);
        let price = found.and_then(|o| o.price).unwrap_or(Price::ZERO);
        let name = found.map(|o| Name::clone(&o.instance_type));
        if let Some(name) = name {
            tally(&mut self.index.types, name, add);
            tally(&mut self.index.live, (offering, pool), add);
        }
        if let Some(pool) = self.pool_mut(pool) {
            if add {
                pool.usage.add(&size);
                pool.hourly = pool.hourly.saturating_add(price.as_femto());
                pool.live = pool.live.saturating_add(1);
            } else {
                pool.usage.subtract(&size);
                pool.hourly = pool.hourly.saturating_sub(price.as_femto());
                pool.live = pool.live.saturating_sub(1);
            }
        }
    }

    /// The price of `offering` has changed from `old`. O(pools that have nodes of it).
    pub(super) fn reprice(&mut self, offering: OfferingId, old: Option<Price>) {
        let new = self.state.offers.get(offering).and_then(|o| o.price);
        let femto = |price: Option<Price>| price.unwrap_or(Price::ZERO).as_femto();
        let more = femto(new).saturating_sub(femto(old));
        let all = (offering, PoolId(0))..=(offering, PoolId(u32::MAX));
        for ((_, pool), count) in self.index.live.range(all) {
            let pool = usize::try_from(pool.0).ok();
            if let Some(pool) = pool.and_then(|at| self.state.pools.get_mut(at)) {
                let more = more.saturating_mul(i128::from(*count));
                pool.hourly = pool.hourly.saturating_add(more);
            }
        }
    }

    /// Counts all nodes anew: capacities have changed.
    pub(super) fn recount(&mut self) {
        self.index.types.clear();
        self.index.live.clear();
        for pool in &mut self.state.pools {
            pool.usage = ResourceList::new();
            pool.hourly = 0;
            pool.live = 0;
        }
        let nodes: Vec<(PoolId, OfferingId)> = self
            .state
            .nodes
            .values()
            .map(|node| (node.pool, node.offering))
            .collect();
        for (pool, offering) in nodes {
            self.count(pool, offering, true);
        }
    }

    /// Why no node of `offering` may be added to `pool` now. O(pools of shared limits).
    pub(super) fn guard(&self, id: PoolId, offering_id: OfferingId) -> Option<Unavailability> {
        let pool = self.pool(id)?;
        let offering = self.state.offers.get(offering_id)?;
        let guard = |text: String| Some(Unavailability::Guard(Name::from(text)));
        let config = &self.state.config;
        let of_type = self.index.types.get(&offering.instance_type);
        if let Some(quota) = config.quotas.per_type.get(&offering.instance_type)
            && of_type.copied().unwrap_or(0) >= *quota
        {
            return guard(format!("the quota of {quota} {}", offering.instance_type));
        }
        let live = self
            .state
            .pools
            .iter()
            .map(|p| u64::from(p.live))
            .sum::<u64>();
        if let Some(quota) = config.quotas.any_type()
            && live >= u64::from(quota)
        {
            return guard(format!("the quota of {quota} instances in all"));
        }
        if let Some(price) = offering.price {
            let price = price.as_femto();
            let all: i128 = self
                .state
                .pools
                .iter()
                .fold(price, |sum, p| sum.saturating_add(p.hourly));
            if let Some(cap) = config.price_cap
                && all > cap.as_femto()
            {
                return guard(format!("the price cap of {cap} $/h"));
            }
            if let Some(cap) = pool.config.price_cap
                && pool.hourly.saturating_add(price) > cap.as_femto()
            {
                return guard(format!(
                    "NodePool {}'s price cap of {cap} $/h",
                    pool.config.name
                ));
            }
        }
        let (size, known) = self.size_of(offering_id);
        let over = |usage: &ResourceList, limits: &ResourceList| {
            limits
                .iter()
                .find(|(name, limit)| {
                    usage.amount(name) + size.amount(name) > *limit || (!known && &***name != NODES)
                })
                .map(|(name, limit)| format!("limit of {limit} {name}"))
        };
        if let Some(text) = over(&pool.usage, &pool.config.limits) {
            return guard(format!("NodePool {}'s {text}", pool.config.name));
        }
        for shared in &config.shared_limits {
            if !shared.pools.contains(&pool.config.name) {
                continue;
            }
            let mut usage = ResourceList::new();
            for name in &shared.pools {
                let of = self.index.by_pool_name.get(name);
                if let Some(of) = of.and_then(|of| self.pool(*of)) {
                    usage.add(&of.usage);
                }
            }
            if let Some(text) = over(&usage, &shared.limits) {
                return guard(format!("{}'s {text}", shared.name));
            }
        }
        None
    }

    /// A start in `pool` has failed for another reason than capacity. Opens the breaker when too many did.
    pub(super) fn count_failure(&mut self, id: PoolId) {
        let now = self.state.now;
        let pause = self.state.config.breaker_pause;
        let until = self.after(now.plus(pause));
        let Some(pool) = self.pool_mut(id) else {
            return;
        };
        pool.failures.push_back(now);
        while pool
            .failures
            .front()
            .is_some_and(|at| now.since(*at) > FAILURE_MEMORY)
        {
            pool.failures.pop_front();
        }
        let failed = u32::try_from(pool.failures.len()).unwrap_or(u32::MAX);
        let base = pool.live.saturating_add(failed);
        if failed <= tolerated(base) || pool.breaker_until.is_some() {
            return;
        }
        pool.breaker_until = Some(until);
        let name = Name::clone(&pool.config.name);
        self.index.timers.insert((until, Timer::Pool(id)));
        self.notice(
            true,
            "LaunchesPaused",
            "D-101",
            format!("NodePool {name}"),
            format!("{failed} nodes of {base} failed to start; nothing is launched until {until}"),
        );
    }

    pub(super) fn breaker_due(&mut self, id: PoolId) {
        if let Some(pool) = self.pool_mut(id) {
            pool.breaker_until = None;
            pool.failures.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_nodes_may_fail_rounded_up_d101() {
        for (nodes, allowed) in [(0, 0), (1, 1), (5, 1), (6, 2), (10, 2), (11, 3)] {
            assert_eq!(tolerated(nodes), allowed, "{nodes}");
        }
    }
}
