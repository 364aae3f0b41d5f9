//! What a pod is worth: the price that its place on a node costs at least.

use super::holds::apart;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem, StockKind, fit_count};

/// How the value of a pod is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: the two measures")]
pub enum Measure {
    /// Least over options of the price times the pod's largest share of the node.
    Fair,
    /// Least over options of the price divided by how many such pods one node holds.
    Alone,
}

/// Whether an option draws on a reservation: free while it lasts, so it says nothing about what a pod is worth.
fn is_reserved(problem: &Problem, option: OptionId) -> bool {
    problem.options[option]
        .uses
        .iter()
        .any(|(stock, _)| matches!(problem.stocks[*stock].kind, StockKind::Reservation(_)))
}

/// The value of one pod of each class by `measure` over `options`, given with their costs. A class that fits no option is
/// worth more than all others together, so that free room goes to it first. O(classes x options x resources).
#[must_use]
pub fn values(problem: &Problem, options: &[(OptionId, f64)], measure: Measure) -> Vec<f64> {
    let plain: Vec<(OptionId, f64)> = options
        .iter()
        .filter(|(option, cost)| *cost > 0.0 && !is_reserved(problem, *option))
        .copied()
        .collect();
    let mut result = vec![f64::INFINITY; problem.classes.len()];
    for (class, value) in result.iter_mut().enumerate() {
        let class = ClassId::new(class);
        let demand = problem.demand_of(class);
        let suited = problem.options_of(class);
        let most_per_node = most_per_node(problem, class);
        let least = |options: &mut dyn Iterator<Item = (OptionId, f64)>| {
            let mut best = f64::INFINITY;
            for (option, cost) in options.filter(|(option, _)| suited.contains(*option)) {
                let room = problem.room_of(problem.options[option].room);
                let count = fit_count(demand, room);
                if count > 0 {
                    let share = match measure {
                        Measure::Alone => 1.0 / f64::from(count.min(most_per_node)),
                        Measure::Fair => {
                            largest_share(demand, room).max(1.0 / f64::from(most_per_node))
                        }
                    };
                    best = best.min(cost * share);
                }
            }
            best
        };
        let mut best = least(&mut plain.iter().copied());
        if !best.is_finite() {
            best = least(&mut options.iter().map(|(option, _)| (*option, 1e-6)));
        }
        *value = best;
    }
    let total: f64 = result
        .iter()
        .zip(problem.classes.iter())
        .filter(|(v, _)| v.is_finite())
        .map(|(v, c)| v * f64::from(c.count))
        .sum();
    let beyond = (total + 1.0) * 2.0;
    for value in &mut result {
        if !value.is_finite() {
            *value = beyond;
        }
        // A pod that asks for nothing still has a place in the order.
        *value = value.max(1e-12);
    }
    result
}

#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn largest_share(demand: &[i64], room: &[i64]) -> f64 {
    let shares = demand
        .iter()
        .zip(room)
        .filter(|(need, _)| **need > 0)
        .map(|(need, have)| *need as f64 / *have as f64);
    shares.fold(0.0, f64::max)
}

/// How many pods of `class` host rules let on one node.
#[must_use]
pub fn most_per_node(problem: &Problem, class: ClassId) -> u32 {
    let row = &problem.classes[class];
    if row
        .excludes
        .as_ref()
        .is_some_and(|set| apart(problem, set, class))
    {
        return 1;
    }
    let limits = row
        .shares
        .iter()
        .filter(|share| share.weight > 0)
        .filter_map(|share| Some(share.limit? / share.weight));
    limits.min().unwrap_or(u32::MAX).max(1)
}
