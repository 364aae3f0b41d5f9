//! Looking for the best plan within a budget of work.

use std::cmp::Ordering;

use super::Target;
use super::bound;
use super::budget::{Budget, Size};
use super::construct::{Built, Recipe, Workshop};
use super::improve::{Lessons, improve};
use super::pool::Pool;
use super::score::{Ranks, Score};
use super::values::{self, Measure};
use crate::base::index::Ix as _;
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::{OptionId, Problem};
use crate::solver::Group;

/// A fast search that took more inner steps than this for its first constructions ends with them.
const FAST_WORK: u64 = 1_000_000;

/// A fast search ends once its plan costs at most this many times the lower bound.
const NEAR: f64 = 1.01;

/// A balanced one, likewise. A thorough search goes on whatever its plan costs.
pub(super) const NEARER: f64 = 1.0025;

/// How much dearer than the best a plan may be before its nodes are joined for the comparison.
const JOIN_MARGIN: f64 = 1.003;

/// A search in progress.
#[derive(Debug)]
pub(super) struct Search<'w, 'p> {
    pub(super) shop: &'w mut Workshop<'p>,
    pub(super) ranks: Ranks,
    pub(super) best: Option<(Score, Built)>,
    /// Node contents of all plans so far.
    pub(super) pool: Pool,
    /// Values of pods from which lower bounds are made: none, or those of the programme.
    pub(super) bounding: [Vec<f64>; 2],
    /// The simple lower bound, where it was asked for, and which pods it leaves out.
    proven: Option<(Vec<u32>, Price)>,
}

/// What a search found.
#[derive(Debug)]
pub(super) struct Found {
    /// The best plan.
    pub(super) built: Built,
    /// Values of classes from which a bound may be proven.
    pub(super) bounding: [Vec<f64>; 2],
    /// A lower bound that is known already, and the pods of each class that it leaves out.
    pub(super) proven: Option<(Vec<u32>, Price)>,
}

impl Search<'_, '_> {
    /// Finishes `built` and keeps it if it is the best so far. Nodes are joined only in plans that have a chance.
    pub(super) fn offer(&mut self, mut built: Built) -> Score {
        let problem = self.shop.problem;
        self.shop.downsize(&mut built);
        self.pool.gather(problem, &built.groups);
        let mut score = self.ranks.score(problem, &built.groups, &built.remaining);
        // What was mixed or mended counts only within the stocks, whatever made it.
        if !within_stocks(problem, &built.groups) {
            return score;
        }
        let has_chance = self.best.as_ref().is_none_or(|(held, _)| {
            let margin = held.cost.as_f64() * JOIN_MARGIN;
            match score.unplaced.cmp(&held.unplaced) {
                Ordering::Less => true,
                Ordering::Equal => score.cost.as_f64() <= margin,
                Ordering::Greater => false,
            }
        });
        if has_chance {
            self.shop.merge(&mut built);
            self.pool.gather(problem, &built.groups);
            score = self.ranks.score(problem, &built.groups, &built.remaining);
            if self.best.as_ref().is_none_or(|(held, _)| score < *held) {
                self.best = Some((score.clone(), built));
            }
        }
        score
    }

    /// Whether looking further may pay: pods are left over, pools of less weight might be spared, or the price is more than
    /// `near` times its lower bound. Then even the best plan would be little better.
    pub(super) fn may_gain(&mut self, near: f64) -> bool {
        let Some((score, built)) = &self.best else {
            return false;
        };
        if near < 1.0 || !self.all_placed() || self.shop.tiers.tiers.len() > 1 {
            return true;
        }
        let bound = match &self.proven {
            Some((left, bound)) if *left == built.remaining => *bound,
            _ => {
                let bound = bound::lower_bound(self.shop.problem, &built.remaining);
                self.proven = Some((built.remaining.clone(), bound));
                bound
            }
        };
        score.cost.as_f64() > bound.as_f64() * near
    }

    pub(super) fn all_placed(&self) -> bool {
        self.best
            .as_ref()
            .is_some_and(|(score, _)| score.unplaced.iter().all(|n| *n == 0))
    }

    /// Plans from `values`; where they leave pods over, also plans that mind priorities and spare what is scarce.
    fn first(&mut self, values: &[&[f64]], alone: &[f64], plain: &Recipe<'_>) {
        for values in values {
            let built = self.shop.build(values, alone, plain);
            self.offer(built);
        }
        if self.all_placed() {
            return;
        }
        for (thrifty, by_priority) in [(false, true), (true, false), (true, true)] {
            let recipe = Recipe {
                thrifty,
                by_priority,
                ..*plain
            };
            let built = self.shop.build(alone, alone, &recipe);
            self.offer(built);
        }
    }
}

/// The best plan found within the budget of `effort`. Greater efforts go on where lesser ones end, so that none gives a
/// worse plan than a lesser one.
pub(super) fn search(shop: &mut Workshop<'_>, effort: Effort) -> Found {
    let problem = shop.problem;
    let costs: Vec<(OptionId, f64)> = shop.tiers.all().map(|c| (c.option, c.cost)).collect();
    let size = Size::of(problem, costs.len());
    let alone = values::values(problem, &costs, Measure::Alone);
    let lone = effort == Effort::Fast && size.is_huge();
    let fair = (!lone).then(|| values::values(problem, &costs, Measure::Fair));
    let mix = Budget::of(effort).mix;
    let remembers = (effort > Effort::Fast || size.is_small()) && problem.classes.len() <= mix.rows;
    let mut search = Search {
        shop,
        ranks: Ranks::new(problem),
        best: None,
        pool: Pool::new(if remembers { mix.patterns } else { 0 }),
        bounding: [Vec::new(), Vec::new()],
        proven: None,
    };

    let plain = Recipe::new(size.orders(Effort::Fast, 0));
    match &fair {
        Some(fair) => search.first(&[fair, &alone], &alone, &plain),
        None => search.first(&[&alone], &alone, &plain),
    }
    if let Some(fair) = &fair {
        let mut lessons = Lessons::new(fair, &alone);
        let measures: [&[f64]; 2] = [fair, &alone];
        if size.is_small() && search.shop.node.work <= FAST_WORK {
            let budget = Budget::of(Effort::Fast);
            improve(&mut search, &mut lessons, measures, &plain, NEAR, budget);
        }
        let near = if effort == Effort::Thorough {
            0.0
        } else {
            NEARER
        };
        if effort > Effort::Fast && search.may_gain(near) {
            let mut budget = Budget::of(effort);
            if effort == Effort::Balanced {
                budget = budget.in_proportion(search.shop.node.work, size);
            }
            let nodes = search.best.as_ref().map_or(0, |(score, _)| score.nodes);
            let recipe = Recipe::new(size.orders(effort, nodes));
            if recipe != plain {
                let tried = if size.ruled {
                    &measures[1..]
                } else {
                    &measures
                };
                search.first(tried, &alone, &recipe);
            }
            improve(&mut search, &mut lessons, measures, &recipe, near, budget);
        }
    }

    let (bounding, proven) = (search.bounding, search.proven);
    let (_, mut built) = search.best.unwrap_or_default();
    if built.remaining.iter().any(|left| *left > 0) {
        shop.complete(&mut built, &alone, &plain);
        shop.make_room(&mut built);
    }
    Found {
        built,
        bounding,
        proven,
    }
}

/// Whether the new nodes of `groups` use no more of any stock than there is.
fn within_stocks(problem: &Problem, groups: &[Group]) -> bool {
    let mut left: Vec<i128> = problem.stocks.iter().map(|stock| stock.left).collect();
    let mut touched = vec![false; left.len()];
    for group in groups {
        let Target::Option(option) = group.target else {
            continue;
        };
        for (stock, amount) in &problem.options[option].uses {
            left[stock.at()] -= amount * i128::from(group.times);
            touched[stock.at()] = true;
        }
    }
    left.iter()
        .zip(touched)
        .all(|(left, used)| !used || *left >= 0)
}
