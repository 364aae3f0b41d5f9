//! What a pod is worth: the price that its place on a node costs at least.

use super::holds::apart;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::{
    ClassId, OptionId, Problem, RoomId, SetId, StockKind, fit_count, fits, largest_share,
};

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
    // Sets that differ in zones alone are often the same rooms at the same prices.
    let mut lists: Vec<Vec<(RoomId, f64)>> = Vec::new();
    let mut list_of: FastMap<SetId, usize> = FastMap::default();
    let mut priced: FastMap<(&[i64], usize, u32), f64> = FastMap::default();
    let mut known: FastMap<(&[i64], SetId, u32), f64> = FastMap::default();
    let mut result = vec![f64::INFINITY; problem.classes.len()];
    for (class, value) in result.iter_mut().enumerate() {
        let class = ClassId::new(class);
        let demand = problem.demand_of(class);
        let suited = problem.classes[class].options;
        let most = most_per_node(problem, class);
        *value = *known.entry((demand, suited, most)).or_insert_with(|| {
            let distinct = |options: &mut dyn Iterator<Item = (OptionId, f64)>| {
                let set = &problem.option_sets[suited];
                let mut list: Vec<(RoomId, f64)> = options
                    .filter(|(option, _)| set.contains(*option))
                    .map(|(option, cost)| (problem.options[option].room, cost))
                    .collect();
                list.dedup();
                list
            };
            let list = *list_of.entry(suited).or_insert_with(|| {
                let list = distinct(&mut plain.iter().copied());
                let held = lists.iter().position(|held| *held == list);
                held.unwrap_or_else(|| {
                    lists.push(list);
                    lists.len() - 1
                })
            });
            let best = *priced
                .entry((demand, list, most))
                .or_insert_with(|| least(problem, demand, &lists[list], measure, most));
            if best.is_finite() {
                return best;
            }
            let free = distinct(&mut options.iter().map(|(option, _)| (*option, 1e-6)));
            least(problem, demand, &free, measure, most)
        });
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

/// The least of the price of a node of `nodes` times what one pod takes of it.
fn least(
    problem: &Problem,
    demand: &[i64],
    nodes: &[(RoomId, f64)],
    measure: Measure,
    most_per_node: u32,
) -> f64 {
    let mut best = f64::INFINITY;
    let least_share = 1.0 / f64::from(most_per_node);
    for (room, cost) in nodes {
        let room = problem.room_of(*room);
        if cost * least_share >= best || !fits(demand, room) {
            continue;
        }
        let share = largest_share(demand, room).max(least_share);
        // No pod takes less of a node than its share.
        if cost * share >= best {
            continue;
        }
        let share = match measure {
            Measure::Fair => share,
            Measure::Alone => 1.0 / f64::from(fit_count(demand, room).min(most_per_node)),
        };
        best = best.min(cost * share);
    }
    best
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
