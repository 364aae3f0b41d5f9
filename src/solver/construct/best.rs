//! The best node to buy next.

use super::{Built, Recipe, Workshop};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem};
use crate::solver::candidates::Candidate;
use crate::solver::fill::Order;
use crate::solver::holds::stock_allows;

/// The best node found: how to buy it, and how often.
pub(super) struct Best {
    ratio: f64,
    value: f64,
    pub(super) option: OptionId,
    pub(super) times: u32,
}

/// How many candidates are kept in order in the time of one inner step.
const SORTED_PER_STEP: u64 = 4;

/// Bounds of candidates come from nodes with such a seed; rounding must not tell equal ones apart.
pub(super) const ALIKE: f64 = 1.0 + 1e-12;

/// The same where the last seed asked for something else: with another seed a node may be so much cheaper.
pub(super) const STRANGE: f64 = 1.5;

impl Workshop<'_> {
    /// The option and content with the least cost per value among the candidates, and how many such nodes to buy; the
    /// content is left in `self.best`. A node gets dearer per value as pods run out, so what a candidate came to when it
    /// was last filled is a bound: candidates are filled in the order of their bounds until the next one is more than
    /// `margin` times what the best node costs (lazy greedy search).
    pub(super) fn best_node(
        &mut self,
        candidates: &[Candidate],
        seed: Option<ClassId>,
        margin: f64,
        values: &[f64],
        recipe: &Recipe<'_>,
        built: &Built,
    ) -> Option<Best> {
        let problem = self.problem;
        let mut best: Option<Best> = None;
        let mut filled = false;
        for turn in 0..self.queue.len() {
            let at = self.queue[turn];
            if best
                .as_ref()
                .is_some_and(|best| self.least[at] > best.ratio * margin)
            {
                break;
            }
            self.node.work += 1;
            let candidate = &candidates[at];
            let option = candidate.option;
            if seed.is_some_and(|seed| !self.tiers.columns[candidate.column].contains(seed)) {
                continue;
            }
            let times = stock_allows(problem, &built.stocks, option);
            if times == 0 {
                continue;
            }
            let cost = if recipe.thrifty {
                scarcity(problem, &built.stocks, option)
            } else {
                candidate.cost
            };
            let mut least = f64::INFINITY;
            for order in recipe.orders {
                self.node.open(problem, option);
                if let Some(seed) = seed
                    && self.node.add(problem, seed, 1, values[seed.at()]) == 0
                {
                    break;
                }
                let left = &built.remaining;
                match order {
                    Order::Value => {
                        let (ranking, column) = (&mut self.ranking, candidate.column);
                        self.node
                            .fill_ranked(problem, ranking, column, left, values);
                    }
                    Order::Density => {
                        let list = &mut self.density_lists[at];
                        list.compact(problem, left, self.gone);
                        self.node.fill(problem, list, left, values);
                    }
                    Order::Shape => {
                        let list = &mut self.column_lists[candidate.column];
                        list.compact(problem, left, self.gone);
                        let full = problem.room_of(problem.options[option].room);
                        self.node.fill_by_shape(problem, list, left, values, full);
                    }
                }
                if self.node.content.is_empty() {
                    continue;
                }
                let (ratio, value) = (cost / self.node.value, self.node.value);
                least = least.min(ratio);
                let better = best.as_ref().is_none_or(|held| {
                    ratio < held.ratio - held.ratio.abs() * 1e-12
                        || (ratio <= held.ratio + held.ratio.abs() * 1e-12 && value > held.value)
                });
                if better {
                    best = Some(Best {
                        ratio,
                        value,
                        option,
                        times,
                    });
                    self.best.clone_from(&self.node.content);
                }
            }
            if least.is_finite() {
                self.least[at] = least;
                filled = true;
            }
        }
        if filled {
            // Keeping the order takes its time, too.
            self.node.work += self.queue.len() as u64 / SORTED_PER_STEP;
            let least = &self.least;
            self.queue
                .sort_by(|a, b| least[*a].total_cmp(&least[*b]).then_with(|| a.cmp(b)));
        }
        let mut best = best?;
        let whole = self
            .best
            .iter()
            .map(|(class, count)| built.remaining[class.at()] / count)
            .min()
            .unwrap_or(0);
        best.times = whole.min(best.times);
        Some(best)
    }
}

/// What a node uses of the stocks that are left, as a sum of shares; a little of its price breaks ties.
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn scarcity(problem: &Problem, left: &[i128], option: OptionId) -> f64 {
    let shares: f64 = problem.options[option]
        .uses
        .iter()
        .map(|(stock, amount)| *amount as f64 / (left[stock.at()].max(1) as f64))
        .sum();
    shares + problem.options[option].cost * 1e-6 + 1e-9
}
