//! Improving a plan: values learned from plans, the linear programme, other values by chance, nodes packed again.

use super::budget::Budget;
use super::construct::{Built, Recipe, give_back};
use super::mix;
use super::score::Score;
use super::search::Search;
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::base::rng::Rng;
use crate::problem::Problem;

/// Everything after the first constructions: each kind of improvement in turn, until the plan is `near` enough to the
/// bound.
pub(super) fn improve(
    search: &mut Search<'_, '_>,
    lessons: &mut Lessons,
    [fair, alone]: [&[f64]; 2],
    plain: &Recipe<'_>,
    near: f64,
    budget: Budget,
) {
    let scarce = !search.all_placed();
    learn(
        search,
        lessons,
        alone,
        &Recipe {
            by_priority: scarce,
            ..*plain
        },
        near,
        budget,
    );
    if budget.mix.rows > 0 && search.may_gain(near) {
        mix::mix(search, [fair, alone], plain, budget.mix);
    }
    if search.may_gain(near) {
        restart(search, fair, alone, plain, budget);
        repair(search, fair, alone, plain, budget);
    }
}

/// What rounds of learning have come to.
#[derive(Debug)]
pub(super) struct Lessons {
    values: [Vec<f64>; 2],
    rounds: u32,
}

impl Lessons {
    /// Nothing learned yet.
    pub(super) fn new(fair: &[f64], alone: &[f64]) -> Self {
        Self {
            values: [fair.to_vec(), alone.to_vec()],
            rounds: 0,
        }
    }
}

/// Rounds of price learning: pods on nodes that cost more than their pods' values are worth more in the next round.
fn learn(
    search: &mut Search<'_, '_>,
    lessons: &mut Lessons,
    seeds: &[f64],
    recipe: &Recipe<'_>,
    near: f64,
    budget: Budget,
) {
    let problem = search.shop.problem;
    if problem.options.is_empty() {
        return;
    }
    let start = search.shop.node.work;
    let mut seeded = true;
    let mut last: Option<Score> = None;
    let mut stale = 0;
    for round in 0..budget.rounds {
        if search.shop.node.work - start > budget.learn_work || !search.may_gain(near) {
            break;
        }
        let side = (round % 2) as usize;
        if side == 0 && budget.unseeded {
            seeded = !seeded;
        }
        let values = &mut lessons.values[side];
        let built = search
            .shop
            .build(values, seeds, &Recipe { seeded, ..*recipe });
        raise(problem, values, &built, f64::from(lessons.rounds / 2));
        lessons.rounds += 1;
        let score = search.offer(built);
        stale = if last.as_ref() == Some(&score) {
            stale + 1
        } else {
            0
        };
        if stale > 8 {
            break;
        }
        last = Some(score);
    }
}

/// Multiplies the value of each class by the square root of how dear its nodes were against the plan's average, less and
/// less as rounds go on.
fn raise(problem: &Problem, values: &mut [f64], built: &Built, round: f64) {
    let mut dear = vec![0.0; values.len()];
    let mut pods = vec![0.0; values.len()];
    let (mut total_cost, mut total_value) = (0.0, 0.0);
    for group in &built.groups {
        let Target::Option(option) = group.target else {
            continue;
        };
        let cost = problem.options[option].cost;
        let value: f64 = group
            .content
            .iter()
            .map(|(class, n)| values[class.at()] * f64::from(*n))
            .sum();
        total_cost += cost * f64::from(group.times);
        total_value += value * f64::from(group.times);
        for (class, n) in &group.content {
            let weight = f64::from(*n) * f64::from(group.times);
            dear[class.at()] += weight * cost / value.max(1e-12);
            pods[class.at()] += weight;
        }
    }
    let average = (total_cost / f64::max(total_value, 1e-12)).max(1e-12);
    let strength = 1.0 / (1.0 + round / 8.0);
    for (value, (dear, pods)) in values.iter_mut().zip(dear.iter().zip(&pods)) {
        if *pods > 0.0 {
            let ratio = (dear / pods / average).clamp(0.05, 20.0).sqrt();
            *value *= 1.0 + (ratio - 1.0) * strength;
        }
    }
}

/// Builds again from values that are off by chance, where more is at stake than [`repair`] can mend: which pods get the
/// free room of existing nodes, and which get the last of what is limited.
fn restart(
    search: &mut Search<'_, '_>,
    fair: &[f64],
    alone: &[f64],
    recipe: &Recipe<'_>,
    budget: Budget,
) {
    let problem = search.shop.problem;
    let mut rng = Rng::new(0x7265_7374_6172_7473);
    let start = search.shop.node.work;
    for attempt in 0..budget.restarts {
        let placed = search.all_placed();
        let free = search
            .best
            .as_ref()
            .is_some_and(|(score, _)| placed && score.nodes == 0);
        if free
            || (placed && problem.nodes.is_empty())
            || search.shop.node.work - start > budget.restart_work
        {
            return;
        }
        let base = if attempt % 2 == 0 { fair } else { alone };
        let noisy: Vec<f64> = base
            .iter()
            .map(|value| value * chance(&mut rng, 0.4, 2.1))
            .collect();
        let seeds: Vec<f64> = alone
            .iter()
            .map(|value| value * chance(&mut rng, 0.4, 2.1))
            .collect();
        let built = search.shop.build(
            &noisy,
            &seeds,
            &Recipe {
                seeded: rng.below(3) > 0,
                by_priority: !placed && rng.below(2) == 0,
                thrifty: !placed && rng.below(2) == 0,
                ..*recipe
            },
        );
        search.offer(built);
    }
}

/// A factor between `low` and `low + width`.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn chance(rng: &mut Rng, low: f64, width: f64) -> f64 {
    low + width * (rng.below(1 << 20) as f64 / f64::from(1 << 20))
}

/// Takes a few nodes out of the best plan and packs their pods again, keeping what is better.
fn repair(
    search: &mut Search<'_, '_>,
    fair: &[f64],
    alone: &[f64],
    recipe: &Recipe<'_>,
    budget: Budget,
) {
    let problem = search.shop.problem;
    if budget.repacks == 0 {
        return;
    }
    let Some((_, mut plan)) = search.best.clone() else {
        return;
    };
    let mut rng = Rng::new(0x7465_7472_6170_6f64);
    let start = search.shop.node.work;
    let mut noisy = fair.to_vec();
    let mut improved = false;
    for attempt in 0..budget.repacks {
        // Every attempt goes through the classes, whatever it takes out.
        search.shop.node.work += problem.classes.len() as u64;
        if search.shop.node.work - start > budget.repack_work {
            break;
        }
        let bought: Vec<usize> = (0..plan.groups.len())
            .filter(|at| matches!(plan.groups[*at].target, Target::Option(_)))
            .collect();
        let nodes: u64 = bought
            .iter()
            .map(|at| u64::from(plan.groups[*at].times))
            .sum();
        if nodes < 2 {
            break;
        }
        let picks = pick(&mut rng, &plan.groups, &bought, nodes);
        let base = if attempt % 2 == 0 { fair } else { alone };
        for (noisy, base) in noisy.iter_mut().zip(base) {
            *noisy = base * chance(&mut rng, 0.8, 0.45);
        }
        let mut waiting = vec![0u32; problem.classes.len()];
        let mut stocks = plan.stocks.clone();
        let mut old = Vec::new();
        for at in &picks {
            let group = &plan.groups[*at];
            if let Target::Option(option) = group.target {
                give_back(problem, &mut stocks, option, 1);
            }
            for (class, n) in &group.content {
                waiting[class.at()] += n;
            }
            old.push(Group {
                times: 1,
                ..group.clone()
            });
        }
        let none = vec![0u32; problem.classes.len()];
        let before = search.ranks.score(problem, &old, &none);
        let seeded = rng.below(3) > 0;
        let mut new = search.shop.repack(
            &noisy,
            alone,
            &Recipe { seeded, ..*recipe },
            waiting,
            stocks,
        );
        search.shop.downsize(&mut new);
        search.shop.merge(&mut new);
        let after = search.ranks.score(problem, &new.groups, &new.remaining);
        if after < before {
            improved = true;
            for at in &picks {
                plan.groups[*at].times -= 1;
            }
            plan.groups.retain(|group| group.times > 0);
            plan.groups.append(&mut new.groups);
            plan.stocks = new.stocks;
        }
    }
    if improved {
        search.offer(plan);
    }
}

/// Two to twelve distinct nodes, as positions of groups; a group may occur as often as it has nodes.
fn pick(rng: &mut Rng, groups: &[Group], bought: &[usize], nodes: u64) -> Vec<usize> {
    let wanted = (2 + rng.below(11)).min(nodes);
    let mut taken: Vec<(usize, u32)> = Vec::new();
    let mut picks = Vec::new();
    let mut tries = 0;
    while (picks.len() as u64) < wanted && tries < 64 {
        tries += 1;
        let Some(at) = rng.choose(bought).copied() else {
            break;
        };
        let held = taken.iter_mut().find(|(group, _)| *group == at);
        match held {
            Some((_, n)) if *n >= groups[at].times => {}
            Some((_, n)) => {
                *n += 1;
                picks.push(at);
            }
            None => {
                taken.push((at, 1));
                picks.push(at);
            }
        }
    }
    picks
}
