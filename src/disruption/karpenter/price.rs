//! Whether a simulated move is worth it to Karpenter (D-48..D-60, D-64).

use std::collections::BTreeMap;

use super::simulate::{OpenClaim, Simulator};
use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::disruption::candidate::Candidate;
use crate::model::instance_type::CapacityType;
use crate::model::options::MinValuesPolicy;
use crate::model::price::Price;
use crate::problem::{NodeId, OptionId, PairId, Problem};
use crate::solver::holds::enough_values;

/// A move that Karpenter would make: the world still holds it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// What is bought.
    pub claims: Vec<OpenClaim>,
}

/// The number of types that a spot node must have below it before it is replaced by spot (D-57), and to which the list is
/// cut.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "two settings of one rule")]
pub struct SpotRule {
    /// Whether spot may replace spot.
    pub allowed: bool,
    /// How many types.
    pub types: u32,
}

/// The price of `candidates` together: an unknown one makes the whole sum worthless (D-18).
#[must_use]
pub fn price_of(candidates: &[&Candidate<'_>]) -> Price {
    candidates
        .iter()
        .map(|candidate| candidate.price)
        .sum::<Option<Price>>()
        .unwrap_or(Price::ZERO)
}

/// Simulates the move of `candidates` and tells whether it is valid (D-48..D-57, and D-64 for several). The world keeps
/// what was placed either way.
pub fn consolidation(
    simulator: &mut Simulator<'_, '_>,
    candidates: &[&Candidate<'_>],
    spot: SpotRule,
) -> Option<Found> {
    let mut claims = simulate(simulator, candidates, 1)?;
    let Some(claim) = claims.first_mut() else {
        return Some(Found { claims });
    };
    let problem = simulator.world.problem();
    let budget = price_of(candidates);
    keep_reserved(simulator, claim);
    let kinds = |options: &BitSet<OptionId>, kind| {
        options
            .iter()
            .any(|option| simulator.capacity_type(option) == kind)
    };
    let all_spot = candidates
        .iter()
        .all(|c| c.capacity_type == Some(CapacityType::Spot));
    let several = candidates.len() > 1;
    if all_spot && kinds(&claim.options, CapacityType::Spot) {
        if !spot.allowed {
            return None;
        }
        keep_kind(simulator, &mut claim.options, CapacityType::Spot);
        keep_cheaper(simulator, &mut claim.options, budget);
        if !enough(problem, claim) {
            return None;
        }
        if !several {
            cut_to(simulator, claim, spot.types)?;
        }
    } else {
        keep_cheaper(simulator, &mut claim.options, budget);
        if claim.options.is_empty() || !enough(problem, claim) {
            return None;
        }
        if kinds(&claim.options, CapacityType::Spot)
            && kinds(&claim.options, CapacityType::OnDemand)
        {
            keep_kind(simulator, &mut claim.options, CapacityType::Spot);
        }
    }
    if several {
        drop_same_types(simulator, candidates, claim);
    }
    (!claim.options.is_empty() && enough(problem, claim)).then_some(Found { claims })
}

/// Simulates the move of `candidates`, whatever it costs; `None` if some pod finds no place.
pub fn simulate(
    simulator: &mut Simulator<'_, '_>,
    candidates: &[&Candidate<'_>],
    limit: usize,
) -> Option<Vec<OpenClaim>> {
    let nodes: Vec<NodeId> = candidates.iter().map(|c| c.node).collect();
    let cluster = simulator.cluster();
    let ranks = cluster.what.queue_ranks(cluster.snapshot);
    let mut queue = Vec::new();
    for candidate in candidates {
        candidate.content.as_ref()?;
        let placed = candidate.placed.iter().map(|at| *at as usize);
        queue.extend(placed.filter_map(|at| Some((ranks[at], cluster.what.class_of[at]?))));
    }
    simulator.run(&nodes, &queue, limit)
}

/// Strict and `BestEffort` alike: the price filter does not know the difference.
fn enough(problem: &Problem, claim: &OpenClaim) -> bool {
    problem.min_values_policy == MinValuesPolicy::AsFlexibleAsPossible
        || enough_values(problem, claim.pool, &claim.options)
}

/// A claim that could have a reserved offering is bound to it (D-41, D-56).
pub fn keep_reserved(simulator: &Simulator<'_, '_>, claim: &mut OpenClaim) {
    let reserved = |option: &OptionId| simulator.capacity_type(*option) == CapacityType::Reserved;
    if claim.options.iter().any(|option| reserved(&option)) {
        keep_kind(simulator, &mut claim.options, CapacityType::Reserved);
    }
}

fn keep_kind(simulator: &Simulator<'_, '_>, options: &mut BitSet<OptionId>, kind: CapacityType) {
    options.retain(|option| simulator.capacity_type(option) == kind);
}

/// The most that a launch of each type could cost (D-54): its dearest offering of the first capacity type there is.
fn worst_prices(
    simulator: &Simulator<'_, '_>,
    options: &BitSet<OptionId>,
) -> BTreeMap<PairId, Option<Price>> {
    let problem = simulator.world.problem();
    let mut worst: BTreeMap<PairId, (CapacityType, Option<Price>)> = BTreeMap::new();
    for option in options.iter() {
        let row = &problem.options[option];
        let kind = simulator.capacity_type(option);
        match worst.get_mut(&row.pair) {
            Some((held, price)) if *held == kind => {
                *price = price.zip(row.price).map(|(a, b)| a.max(b));
            }
            Some((held, _)) if *held < kind => {}
            _ => {
                worst.insert(row.pair, (kind, row.price));
            }
        }
    }
    worst
        .into_iter()
        .map(|(p, (_, price))| (p, price))
        .collect()
}

/// Keeps the types whose worst launch is cheaper than `limit` (D-53).
fn keep_cheaper(simulator: &Simulator<'_, '_>, options: &mut BitSet<OptionId>, limit: Price) {
    let worst = worst_prices(simulator, options);
    let problem = simulator.world.problem();
    options.retain(|option| {
        let price = worst.get(&problem.options[option].pair).copied().flatten();
        price.is_some_and(|price| price < limit)
    });
}

/// D-57 4 and 5: enough cheaper types, and no more than those.
fn cut_to(simulator: &Simulator<'_, '_>, claim: &mut OpenClaim, types: u32) -> Option<()> {
    let problem = simulator.world.problem();
    let mut cheapest: BTreeMap<PairId, Price> = BTreeMap::new();
    for option in claim.options.iter() {
        let row = &problem.options[option];
        if let Some(price) = row.price {
            let held = cheapest.entry(row.pair).or_insert(price);
            *held = (*held).min(price);
        }
    }
    let wanted = types as usize;
    if cheapest.len() < wanted {
        return None;
    }
    let mut order: Vec<(Price, PairId)> =
        cheapest.into_iter().map(|(p, price)| (price, p)).collect();
    order.sort_unstable();
    let mut keep = wanted;
    loop {
        let kept: Vec<PairId> = order.iter().take(keep).map(|(_, pair)| *pair).collect();
        let mut options = claim.options.clone();
        for option in claim.options.iter() {
            if !kept.contains(&problem.options[option].pair) {
                options.remove(option);
            }
        }
        if keep >= order.len() || enough_values(problem, claim.pool, &options) {
            claim.options = options;
            return Some(());
        }
        keep += 1;
    }
}

/// D-64: what could be had by keeping one of the candidates is no saving.
fn drop_same_types(
    simulator: &Simulator<'_, '_>,
    candidates: &[&Candidate<'_>],
    claim: &mut OpenClaim,
) {
    let problem = simulator.world.problem();
    let cluster = simulator.cluster();
    let mut by_type: BTreeMap<&str, Price> = BTreeMap::new();
    for candidate in candidates {
        let Some(kind) = candidate.instance_type else {
            continue;
        };
        let price = candidate.price.unwrap_or(Price::ZERO);
        let held = by_type.entry(&kind.name).or_insert(price);
        *held = (*held).min(price);
    }
    let limit = claim
        .options
        .iter()
        .filter_map(|option| by_type.get(cluster.offering(option).0.name.as_ref()))
        .min()
        .copied();
    if let Some(limit) = limit {
        keep_cheaper(simulator, &mut claim.options, limit);
    }
    debug_assert!(claim.options.bound() == problem.options.len());
}

/// The cheapest option of a claim; unknown prices last, ids break ties.
#[must_use]
pub fn cheapest(problem: &Problem, options: &BitSet<OptionId>) -> Option<OptionId> {
    options.iter().min_by_key(|option| {
        let estimate = problem.options[*option].estimate;
        (
            estimate.is_none(),
            estimate.unwrap_or(Price::ZERO),
            option.at(),
        )
    })
}
