//! Proven lower bounds on the price of a plan (M-7).
//!
//! Give every resource a weight, the weights adding up to 1. A pod's value is the least, over the options that suit it,
//! of the option's price times the weighted sum of the shares of a node that the pod takes. The pods on one node take at
//! most all of each resource, so their values together are at most the price of the node, whatever its option. Hence the
//! values of all pods together are at most the price of any plan. The bound is the best over several weightings, and over
//! what the pods of one class cost alone.

use super::construct::per_unit;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::model::price::Price;
use crate::problem::{ClassId, Problem, RoomId, SetId, fit_count, fits};

/// How often the weights are improved.
const STEPS: usize = 24;

/// A lower bound on the price per hour of every valid plan that places all pods but `unplaced` of each class.
///
/// Pods that could be on existing nodes count only beyond what those nodes could hold of their class at most. Options of
/// unknown price count as free. O(steps x classes x options x resources).
#[must_use]
pub fn lower_bound(problem: &Problem, unplaced: &[u32]) -> Price {
    let dims = problem.dims;
    let waiting = waiting(problem, unplaced);
    if waiting.is_empty() || dims == 0 {
        return Price::ZERO;
    }
    let offers = Offers::new(problem, &waiting);
    let suited: Vec<Vec<f64>> = waiting
        .iter()
        .map(|(class, _)| rates(problem, &offers, *class))
        .collect();
    let mut best = 0.0f64;
    let mut weigh = |weights: &[f64]| {
        let mut total = 0.0;
        let mut pull = vec![0.0; dims];
        for ((_, count), options) in waiting.iter().zip(&suited) {
            let value = |rates: &[f64]| rates.iter().zip(weights).map(|(r, w)| r * w).sum::<f64>();
            let least = options
                .chunks(dims)
                .map(|rates| (value(rates), rates))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((value, rates)) = least {
                total += count * value;
                for (pull, rate) in pull.iter_mut().zip(rates) {
                    *pull += count * rate;
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
        best = best.max(alone(problem, &offers, *class, *count));
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

/// Classes with the pods that need a node to be bought, one class for all that ask for the same and would suit the same:
/// together they can use the free room of existing nodes only once.
fn waiting(problem: &Problem, unplaced: &[u32]) -> Vec<(ClassId, f64)> {
    let mut kinds: Vec<(ClassId, u64)> = Vec::new();
    let mut by_kind: FastMap<(&[i64], SetId, SetId), usize> = FastMap::default();
    for (class, placed) in placed_alone(problem, unplaced) {
        let row = &problem.classes[class];
        let key = (problem.demand_of(class), row.anywhere, row.any_node);
        let at = *by_kind.entry(key).or_insert_with(|| {
            kinds.push((class, 0));
            kinds.len() - 1
        });
        kinds[at].1 += placed;
    }
    let mut waiting = Vec::new();
    for (class, placed) in kinds {
        let elsewhere: u64 = problem.node_sets[problem.classes[class].any_node]
            .iter()
            .map(|node| {
                let room = problem.node_room_of(node);
                u64::from(fit_count(problem.demand_of(class), room))
            })
            .sum();
        let count = u32::try_from(placed.saturating_sub(elsewhere)).unwrap_or(u32::MAX);
        if count > 0 {
            waiting.push((class, f64::from(count)));
        }
    }
    waiting
}

/// What one pod of `class` costs by each resource alone, its share of a node times the price, for each option that suits
/// it and that no other beats in all resources; one row after the other.
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn rates(problem: &Problem, offers: &Offers, class: ClassId) -> Vec<f64> {
    let demand = problem.demand_of(class);
    let dims = problem.dims;
    let mut kept: Vec<f64> = Vec::new();
    let mut own = vec![0.0; dims];
    let (offers, unit_prices) = offers.of(problem, class);
    for ((room, _), prices) in offers.iter().zip(unit_prices.chunks(dims)) {
        if !fits(demand, problem.room_of(*room)) {
            continue;
        }
        for ((rate, need), price) in own.iter_mut().zip(demand).zip(prices) {
            *rate = if *need > 0 { *need as f64 * price } else { 0.0 };
        }
        let beats = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
        if kept.chunks(dims).any(|held| beats(held, &own)) {
            continue;
        }
        let mut at = 0;
        while at < kept.len() {
            if beats(&own, &kept[at..at + dims]) {
                kept.drain(at..at + dims);
            } else {
                at += dims;
            }
        }
        kept.extend_from_slice(&own);
    }
    kept
}

/// What `count` pods of one class cost if every other pod were free: a node that holds at most n of them costs at least
/// 1/n of its price for each, and some node that holds one must be bought.
fn alone(problem: &Problem, offers: &Offers, class: ClassId, count: f64) -> f64 {
    let demand = problem.demand_of(class);
    let (mut each, mut one) = (f64::INFINITY, f64::INFINITY);
    for (room, price) in offers.of(problem, class).0 {
        let fit = fit_count(demand, problem.room_of(*room));
        if fit > 0 {
            each = each.min(price / f64::from(fit));
            one = one.min(*price);
        }
    }
    if one.is_finite() {
        one.max(each * count)
    } else {
        0.0
    }
}

/// Rooms with what they cost at least.
type Rooms = Vec<(RoomId, f64)>;

/// By set of options its rooms, and what one unit of each of their resources costs if it pays for the whole node, one row
/// after the other.
struct Offers {
    by_set: FastMap<SetId, (Rooms, Vec<f64>)>,
}

impl Offers {
    /// Of the sets that suit `waiting`. O(sets x options).
    fn new(problem: &Problem, waiting: &[(ClassId, f64)]) -> Self {
        let mut by_set: FastMap<SetId, (Rooms, Vec<f64>)> = FastMap::default();
        for (class, _) in waiting {
            let set = problem.classes[*class].anywhere;
            by_set.entry(set).or_insert_with(|| {
                let mut offers: Rooms = Vec::new();
                for option in problem.option_sets[set].iter() {
                    let row = &problem.options[option];
                    // Offerings of one type stand together.
                    match offers.last_mut() {
                        Some((room, price)) if *room == row.room => {
                            *price = price.min(row.known_price);
                        }
                        _ => offers.push((row.room, row.known_price)),
                    }
                }
                let mut unit_prices = Vec::with_capacity(offers.len() * problem.dims);
                for (room, price) in &offers {
                    let room = problem.room_of(*room);
                    unit_prices.extend(room.iter().map(|have| per_unit(*price, *have)));
                }
                (offers, unit_prices)
            });
        }
        Self { by_set }
    }

    fn of(&self, problem: &Problem, class: ClassId) -> (&[(RoomId, f64)], &[f64]) {
        let set = problem.classes[class].anywhere;
        let known = self.by_set.get(&set);
        known.map_or((&[], &[]), |(rooms, prices)| (rooms, prices))
    }
}
