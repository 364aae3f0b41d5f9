//! The objective (M-1): what makes one plan better than another.

use std::cmp::{Ordering, Reverse};

use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::model::price::Price;
use crate::problem::{ClassId, Problem};

/// A plan's place in the order of aims. Smaller is better.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Score {
    /// Pods that stay pending, by priority, highest first.
    pub unplaced: Vec<u64>,
    /// Pods on new nodes by pool weight, heaviest first (more is better).
    pub by_weight: Vec<u64>,
    /// New nodes for which not even an estimate of the price is known (M-9).
    pub unknown: u64,
    /// Price per hour and node penalties.
    pub cost: Price,
    /// New nodes.
    pub nodes: u64,
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |s: &'_ Self| (s.unknown, s.cost, s.nodes);
        self.unplaced
            .cmp(&other.unplaced)
            .then_with(|| Reverse(&self.by_weight).cmp(&Reverse(&other.by_weight)))
            .then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Priorities and weights that occur, highest first: the columns of scores.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ranks {
    /// Priorities, highest first.
    pub priorities: Vec<i32>,
    /// Pool weights, heaviest first.
    pub weights: Vec<u32>,
}

impl Ranks {
    /// The ranks of `problem`.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        let mut priorities: Vec<i32> = problem.classes.iter().map(|class| class.priority).collect();
        priorities.sort_by_key(|p| Reverse(*p));
        priorities.dedup();
        let mut weights: Vec<u32> = problem.pools.iter().map(|pool| pool.weight).collect();
        weights.sort_by_key(|w| Reverse(*w));
        weights.dedup();
        Self {
            priorities,
            weights,
        }
    }

    /// Scores `groups` with `remaining` pods unplaced. O(groups + classes).
    #[must_use]
    pub fn score(&self, problem: &Problem, groups: &[Group], remaining: &[u32]) -> Score {
        let mut score = Score {
            unplaced: vec![0; self.priorities.len()],
            by_weight: vec![0; self.weights.len()],
            ..Score::default()
        };
        for (class, left) in remaining.iter().enumerate().filter(|(_, left)| **left > 0) {
            let row = &problem.classes[ClassId::new(class)];
            let priority = row.priority;
            if let Some(rank) = self.priorities.iter().position(|p| *p == priority) {
                score.unplaced[rank] += u64::from(*left) * row.pods_each();
            }
        }
        for group in groups {
            let Target::Option(option) = group.target else {
                continue;
            };
            let option = &problem.options[option];
            let times = u64::from(group.times);
            score.nodes += times;
            let each = |class: ClassId| problem.classes[class].pods_each();
            let pods: u64 = group
                .content
                .iter()
                .map(|(class, n)| u64::from(*n) * each(*class))
                .sum();
            let weight = problem.pools[option.pool].weight;
            if let Some(rank) = self.weights.iter().position(|w| *w == weight) {
                score.by_weight[rank] += pods * times;
            }
            match option.estimate {
                Some(price) => score.cost += (price + problem.node_penalty).times(times),
                None => {
                    score.unknown += times;
                    score.cost += problem.node_penalty.times(times);
                }
            }
        }
        score
    }
}
