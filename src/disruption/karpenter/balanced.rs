//! The policy `Balanced`: a move must save at least half the share of a pool's cost that it disrupts of the pool (D-72..D-78).

use std::collections::BTreeMap;

use super::price::{Found, cheapest};
use crate::base::index::Ix as _;
use crate::disruption::candidate::{Candidate, eviction_cost};
use crate::disruption::cluster::Cluster;
use crate::model::node_pool::ConsolidationPolicy;
use crate::model::price::Price;
use crate::model::resources::Name;

/// The least score: 1/k with k = 2.
const LEAST_SCORE: f64 = 0.5;

/// Cost and disruption of each balanced pool (D-73).
#[derive(Debug)]
pub struct Totals {
    pools: BTreeMap<Name, (f64, f64)>,
}

impl Totals {
    /// The totals of the pools that `candidates` (before eligibility) belong to.
    #[must_use]
    pub fn new(cluster: &Cluster<'_>, candidates: &[Candidate<'_>]) -> Self {
        let mut pools: BTreeMap<Name, (f64, f64)> = BTreeMap::new();
        let balanced =
            |c: &&Candidate<'_>| c.pool.consolidation_policy == ConsolidationPolicy::Balanced;
        for candidate in candidates.iter().filter(balanced) {
            pools
                .entry(Name::clone(&candidate.pool.name))
                .or_insert((0.0, 0.0));
        }
        if pools.is_empty() {
            return Self { pools };
        }
        for (at, view) in cluster.views.nodes.iter().enumerate() {
            let totals = view.pool.as_ref().and_then(|pool| pools.get_mut(pool));
            let Some((cost, disruption)) = totals.filter(|_| view.claim.is_some()) else {
                continue;
            };
            *cost += cluster.prices[at].map_or(0.0, Price::as_f64);
            let known = candidates.iter().find(|c| c.node.at() == at);
            *disruption += known.map_or_else(
                || {
                    let pods = cluster.pods_on[at].iter().map(|at| cluster.pod(*at));
                    let hurt = pods
                        .filter(|pod| !pod.is_daemon())
                        .map(|pod| eviction_cost(pod).max(0.0));
                    1.0 + hurt.sum::<f64>()
                },
                |c| c.reschedule_cost,
            );
        }
        Self { pools }
    }

    fn score(&self, pool: &Name, saving: f64, disruption: f64) -> Option<f64> {
        let (cost, whole) = self.pools.get(pool)?;
        if *cost <= 0.0 || *whole <= 0.0 || saving <= 0.0 {
            return Some(0.0);
        }
        let share = disruption / whole;
        Some(if share <= 0.0 {
            f64::INFINITY
        } else {
            saving / cost / share
        })
    }

    /// Whether deleting the candidate outright would pass: a replacement can only score less (D-78).
    #[must_use]
    pub fn worth_a_look(&self, candidate: &Candidate<'_>) -> bool {
        let price = candidate.price.map_or(0.0, Price::as_f64);
        self.score(&candidate.pool.name, price, candidate.reschedule_cost)
            .is_none_or(|score| score >= LEAST_SCORE)
    }

    /// Whether every balanced pool approves of the move (D-74, D-75).
    #[must_use]
    pub fn approve(
        &self,
        cluster: &Cluster<'_>,
        candidates: &[&Candidate<'_>],
        found: &Found,
    ) -> bool {
        if self.pools.is_empty() {
            return true;
        }
        let problem = &cluster.what.problem;
        let price = |c: &&Candidate<'_>| c.price.map_or(0.0, Price::as_f64);
        let before: f64 = candidates.iter().map(price).sum();
        let after: f64 = found
            .claims
            .iter()
            .filter_map(|claim| cheapest(problem, &claim.options))
            .filter_map(|option| problem.options[option].price)
            .map(Price::as_f64)
            .sum();
        self.approve_prices(candidates, before, after)
    }

    /// As [`approve`](Self::approve), by what the candidates cost together and what comes instead.
    #[must_use]
    pub fn approve_prices(&self, candidates: &[&Candidate<'_>], before: f64, after: f64) -> bool {
        let price = |c: &&Candidate<'_>| c.price.map_or(0.0, Price::as_f64);
        self.pools.keys().all(|pool| {
            let mut own = 0.0;
            let mut disruption = 0.0;
            for candidate in candidates.iter().filter(|c| c.pool.name == *pool) {
                own += price(candidate);
                disruption += candidate.reschedule_cost;
            }
            if disruption <= 0.0 {
                return true;
            }
            let share = if before > 0.0 { own / before } else { 0.0 };
            self.score(pool, (before - after) * share, disruption)
                .is_none_or(|score| score >= LEAST_SCORE)
        })
    }
}
