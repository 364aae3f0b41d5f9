//! From a whole problem to a finished plan: what is alike packed as one, handed out again, and settled.

use super::alike::hand_out;
use super::bound;
use super::budget::Budget;
use super::candidates::Tiers;
use super::construct::{Built, Workshop};
use super::dual;
use super::prefer;
use super::reduce;
use super::score::{Ranks, Score};
use super::search::{NEARER, search};
use super::settle::settle;
use super::{Group, Outcome};
use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::{ClassId, Problem};

/// Plans all pods of `problem`.
///
/// Deterministic: the same problem and effort give the same outcome. The cost is bounded by the effort's budget after
/// the first constructions, each of which takes O(distinct nodes x candidates x classes).
pub fn solve(problem: &Problem, effort: Effort) -> Outcome {
    let mut outcome = pack(problem, effort, true);
    prefer::prefer(problem, effort, &mut outcome);
    outcome
}

/// As [`solve`], without preferences and without the lower bound, which is left at 0: for questions asked many times.
pub fn solve_roughly(problem: &Problem, effort: Effort) -> Outcome {
    pack(problem, effort, false)
}

/// A lower bound that is this share of the price is not looked for with other values.
const CLOSE: f64 = 0.97;

/// The plan before preferences.
fn pack(problem: &Problem, effort: Effort, bounded: bool) -> Outcome {
    let reduced = reduce::reduce(problem);
    let small = reduced.as_ref().map_or(problem, |reduced| &reduced.problem);
    let tiers = Tiers::new(small);
    let mut shop = Workshop::new(small, &tiers);
    let found = search(&mut shop, effort);
    let mut packed = found.built;
    let mut built = match &reduced {
        Some(reduced) => hand_out(problem, &reduced.classes, &packed),
        None => packed.clone(),
    };
    if let Some(reduced) = &reduced {
        let mut kept = BitSet::new(problem.classes.len());
        let all = reduced.classes.iter().flatten();
        all.for_each(|class| kept.insert(*class));
        for (class, row) in problem.classes.enumerate() {
            if !kept.contains(class) {
                built.remaining[class.at()] = row.count;
            }
        }
    }
    if settle(problem, &mut built.groups, &mut built.remaining) {
        // The nodes that lost pods may be too large now.
        if let Some(reduced) = &reduced {
            packed.groups = take_together(problem, reduced, &built.groups);
            let left = |class: &ClassId| built.remaining[class.at()];
            let sums = reduced.classes.iter().map(|c| c.iter().map(left).sum());
            packed.remaining = sums.collect();
        } else {
            packed.groups.clone_from(&built.groups);
            packed.remaining.clone_from(&built.remaining);
        }
        shop.downsize(&mut packed);
        for (group, smaller) in built.groups.iter_mut().zip(&packed.groups) {
            group.target = smaller.target;
        }
    }
    let score = Ranks::new(problem).score(problem, &built.groups, &built.remaining);
    if !bounded {
        return finish(score, built, shop.node.work, Price::ZERO);
    }
    let mut work = shop.node.work;
    let mut lower_bound = match found.proven {
        Some((left, bound)) if left == packed.remaining => bound,
        _ => bound::lower_bound(small, &packed.remaining),
    };
    let budget = Budget::of(effort).mix;
    // A bound that is near enough to end the search is near enough to report.
    let near = effort < Effort::Thorough
        && score.unplaced.iter().all(|left| *left == 0)
        && score.cost.as_f64() <= lower_bound.as_f64() * NEARER;
    let asked = found
        .bounding
        .iter()
        .filter(|values| !values.is_empty() && budget.bound_work > 0 && !near);
    for (turn, values) in asked.enumerate() {
        if turn > 0 && lower_bound.as_f64() >= score.cost.as_f64() * CLOSE {
            break;
        }
        let (widths, most) = (budget.bound_widths, budget.bound_work);
        let (bound, steps) = dual::dual_bound(small, &packed.remaining, values, widths, most);
        lower_bound = lower_bound.max(bound::rounded(bound));
        work += steps;
    }
    finish(score, built, work, lower_bound)
}

/// `groups` in the classes of the smaller problem, in the same order.
fn take_together(problem: &Problem, reduced: &reduce::Reduced, groups: &[Group]) -> Vec<Group> {
    let mut number: Vec<Option<ClassId>> = vec![None; problem.classes.len()];
    for (at, classes) in reduced.classes.iter().enumerate() {
        for class in classes {
            number[class.at()] = Some(ClassId::new(at));
        }
    }
    let together = |group: &Group| {
        let mut content: Vec<(ClassId, u32)> = Vec::new();
        for (class, n) in &group.content {
            let Some(class) = number[class.at()] else {
                continue;
            };
            match content.iter_mut().find(|(held, _)| *held == class) {
                Some((_, held)) => *held += n,
                None => content.push((class, *n)),
            }
        }
        Group {
            content,
            ..group.clone()
        }
    };
    groups.iter().map(together).collect()
}

fn finish(score: Score, mut built: Built, work: u64, lower_bound: Price) -> Outcome {
    for group in &mut built.groups {
        group.content.sort_unstable();
    }
    built
        .groups
        .sort_by(|a, b| (a.target, &a.content).cmp(&(b.target, &b.content)));
    let mut groups: Vec<Group> = Vec::new();
    for group in built.groups {
        match groups.last_mut() {
            Some(last) if last.target == group.target && last.content == group.content => {
                last.times += group.times
            }
            _ => groups.push(group),
        }
    }
    let left = built.remaining.iter().enumerate().filter(|(_, n)| **n > 0);
    let unplaced = left.map(|(at, n)| (ClassId::new(at), *n)).collect();
    Outcome {
        groups,
        unplaced,
        lower_bound,
        score,
        work,
        met: None,
        gangs: Vec::new(),
        pinned: Vec::new(),
    }
}
