//! Proven lower bounds on the price of a plan (M-7).
//!
//! Give every resource a weight, the weights adding up to 1. A pod's value is the least, over the options that suit it,
//! of the option's price times the weighted sum of the shares of a node that the pod takes. The pods on one node take at
//! most all of each resource, so their values together are at most the price of the node, whatever its option. Hence the
//! values of all pods together are at most the price of any plan. The bound is the best over several weightings, and over
//! what the pods of one class cost alone.

use crate::base::index::Ix as _;
use crate::model::price::Price;
use crate::problem::{ClassId, OptionId, Problem, fit_count};

/// How often the weights are improved.
const STEPS: usize = 24;

/// A lower bound on the price per hour of every valid plan that places all pods but `unplaced` of each class.
///
/// Pods that could be on existing nodes count only beyond what those nodes could hold of their class at most. Options of
/// unknown price count as free. O(steps x classes x options x resources).
#[must_use]
pub fn lower_bound(problem: &Problem, unplaced: &[u32]) -> Price {
    let dims = problem.dims;
    let waiting: Vec<(ClassId, f64)> = placed_alone(problem, unplaced)
        .into_iter()
        .filter_map(|(class, placed)| {
            let row = &problem.classes[class];
            let elsewhere: u64 = problem.node_sets[row.any_node]
                .iter()
                .map(|node| {
                    let room = problem.node_room_of(node);
                    u64::from(fit_count(problem.demand_of(class), room))
                })
                .sum();
            let count = placed.saturating_sub(elsewhere);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            (count > 0).then(|| (class, f64::from(count)))
        })
        .collect();
    if waiting.is_empty() || dims == 0 {
        return Price::ZERO;
    }
    let suited: Vec<Vec<(f64, Vec<f64>)>> = waiting
        .iter()
        .map(|(class, _)| shares(problem, *class))
        .collect();
    let mut best = 0.0f64;
    let mut weigh = |weights: &[f64]| {
        let mut total = 0.0;
        let mut pull = vec![0.0; dims];
        for ((_, count), options) in waiting.iter().zip(&suited) {
            let value = |(price, share): &(f64, Vec<f64>)| {
                price * share.iter().zip(weights).map(|(s, w)| s * w).sum::<f64>()
            };
            let least = options.iter().min_by(|a, b| value(a).total_cmp(&value(b)));
            if let Some(option) = least {
                total += count * value(option);
                for (pull, share) in pull.iter_mut().zip(&option.1) {
                    *pull += count * option.0 * share;
                }
            }
        }
        best = best.max(total);
        (total, pull)
    };
    let mut start = vec![0.0; dims];
    for (dim, start) in start.iter_mut().enumerate() {
        let mut only = vec![0.0; dims];
        only[dim] = 1.0;
        *start = weigh(&only).0;
    }
    // Weights move towards the resources that would earn more: a multiplicative step on the supergradient.
    let sum: f64 = start.iter().sum();
    let mut weights: Vec<f64> = start
        .iter()
        .map(|s| if sum > 0.0 { s / sum } else { 1.0 })
        .collect();
    for _ in 0..STEPS {
        normalise(&mut weights);
        let (total, pull) = weigh(&weights);
        if total <= 0.0 {
            break;
        }
        for (weight, pull) in weights.iter_mut().zip(&pull) {
            *weight *= (pull / total).max(1e-3).sqrt();
        }
    }
    for (class, count) in &waiting {
        best = best.max(alone(problem, *class, *count));
    }
    rounded(best)
}

/// A bound as a price. Sums of floats may be off by a few units in the last place; the bound must not be.
pub(super) fn rounded(bound: f64) -> Price {
    Price::from_f64(bound.max(0.0) * (1.0 - 1e-9)).unwrap_or(Price::ZERO)
}

/// The pods that are placed, by class, those in bundles counted with their own class: a bound must hold for plans that
/// part them or send them elsewhere, too.
pub(super) fn placed_alone(problem: &Problem, unplaced: &[u32]) -> Vec<(ClassId, u64)> {
    let mut placed = vec![0u64; problem.classes.len()];
    for (class, row) in problem.classes.enumerate() {
        let left = unplaced.get(class.at()).copied().unwrap_or(0);
        let there = u64::from(row.count.saturating_sub(left));
        if row.bundle.is_empty() {
            placed[class.at()] += there;
        }
        for (part, n) in &row.bundle {
            placed[part.at()] += there * u64::from(*n);
        }
    }
    problem
        .classes
        .ids()
        .zip(placed)
        .filter(|(_, n)| *n > 0)
        .collect()
}

fn normalise(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        // Rounded so that the sum is never above 1.
        weights
            .iter_mut()
            .for_each(|w| *w = *w / sum * (1.0 - 1e-12));
    }
}

/// Price and shares of a node for one pod of `class`, for each option that suits it.
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn shares(problem: &Problem, class: ClassId) -> Vec<(f64, Vec<f64>)> {
    let demand = problem.demand_of(class);
    let mut all: Vec<(f64, Vec<f64>)> = Vec::new();
    for option in problem.option_sets[problem.classes[class].anywhere].iter() {
        let room = problem.room_of(problem.options[option].room);
        if fit_count(demand, room) == 0 {
            continue;
        }
        let share = demand
            .iter()
            .zip(room)
            .map(|(n, h)| if *n > 0 { *n as f64 / *h as f64 } else { 0.0 })
            .collect();
        let entry = (known_price(problem, option), share);
        if all.last() != Some(&entry) {
            all.push(entry);
        }
    }
    all
}

/// What `count` pods of one class cost if every other pod were free: a node that holds at most n of them costs at least
/// 1/n of its price for each, and some node that holds one must be bought.
fn alone(problem: &Problem, class: ClassId, count: f64) -> f64 {
    let demand = problem.demand_of(class);
    let (mut each, mut one) = (f64::INFINITY, f64::INFINITY);
    for option in problem.option_sets[problem.classes[class].anywhere].iter() {
        let room = problem.room_of(problem.options[option].room);
        let fit = fit_count(demand, room);
        if fit > 0 {
            let price = known_price(problem, option);
            each = each.min(price / f64::from(fit));
            one = one.min(price);
        }
    }
    if one.is_finite() {
        one.max(each * count)
    } else {
        0.0
    }
}

fn known_price(problem: &Problem, option: OptionId) -> f64 {
    problem.options[option].price.map_or(0.0, Price::as_f64)
}
