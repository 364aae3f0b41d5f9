//! Looking for the best plan within a budget of work.

use std::cmp::Ordering;

use super::bound;
use super::construct::{Built, Recipe, Workshop, give_back};
use super::fill::Order;
use super::mix::{self, MixBudget};
use super::pool::Pool;
use super::score::{Ranks, Score};
use super::values::{self, Measure};
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::base::rng::Rng;
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::{OptionId, Problem};

/// How much work each effort may take. Work is counted in inner steps (one pod class looked at for one node), so the
/// budget is the same on every machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    rounds: u32,
    learn_work: u64,
    repacks: u32,
    repack_work: u64,
    restarts: u32,
    restart_work: u64,
    pub(super) mix: MixBudget,
}

impl Budget {
    pub(super) fn of(effort: Effort) -> Self {
        match effort {
            Effort::Fast => Self {
                rounds: 8,
                learn_work: 350_000,
                repacks: 0,
                repack_work: 0,
                restarts: 0,
                restart_work: 0,
                mix: MixBudget::FAST,
            },
            Effort::Balanced => Self {
                rounds: 20,
                learn_work: 3_000_000,
                repacks: 400,
                repack_work: 2_000_000,
                restarts: 60,
                restart_work: 1_000_000,
                mix: MixBudget::BALANCED,
            },
            Effort::Thorough => Self {
                rounds: 100,
                learn_work: 20_000_000,
                repacks: 20_000,
                repack_work: 30_000_000,
                restarts: 3_000,
                restart_work: 30_000_000,
                mix: MixBudget::THOROUGH,
            },
        }
    }
}

const FILLS: [Order; 2] = [Order::Value, Order::Density];
const ALL_FILLS: [Order; 3] = [Order::Value, Order::Density, Order::Shape];

/// Below this many classes the costlier fill orders are tried as well.
const FEW_CLASSES: usize = 64;

/// Up to this many candidates, and pods times classes, they are tried at any effort.
const FEW_OPTIONS: usize = 4;
const FEW_STEPS: u64 = 1_000_000;

/// A fast search that took more inner steps than this for its first constructions, or whose problem has more candidates
/// times classes than this, or whose plan is this near to the bound, ends with them.
const FAST_WORK: u64 = 800_000;
const FAST_SIZE: usize = 24_000;
const NEAR_BOUND: f64 = 1.01;

/// A fast search whose problem has more candidates times classes than this is one construction, in one fill order.
const HUGE_SIZE: usize = 200_000;

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

    /// Whether the best plan is far enough from the bound that looking further may pay.
    fn may_gain(&mut self) -> bool {
        let Some((score, built)) = &self.best else {
            return false;
        };
        let bound = bound::lower_bound(self.shop.problem, &built.remaining);
        self.proven = Some((built.remaining.clone(), bound));
        score.cost.as_f64() > bound.as_f64() * NEAR_BOUND
    }

    fn all_placed(&self) -> bool {
        self.best
            .as_ref()
            .is_some_and(|(score, _)| score.unplaced.iter().all(|n| *n == 0))
    }
}

/// The best plan found within the budget of `effort`.
pub(super) fn search(shop: &mut Workshop<'_>, effort: Effort) -> Found {
    let problem = shop.problem;
    let tiers = shop.tiers;
    let costs: Vec<(OptionId, f64)> = tiers.all().map(|c| (c.option, c.cost)).collect();
    let budget = Budget::of(effort);
    let classes = problem.classes.len();
    let alone = values::values(problem, &costs, Measure::Alone);
    let huge = effort == Effort::Fast && costs.len() * classes > HUGE_SIZE;
    let fair = (!huge).then(|| values::values(problem, &costs, Measure::Fair));
    let small = effort > Effort::Fast || costs.len() * classes <= FAST_SIZE;
    let few = classes <= FEW_CLASSES && effort > Effort::Fast;
    let pods: u64 = problem
        .classes
        .iter()
        .map(|class| u64::from(class.count))
        .sum();
    let few_options = costs.len() <= FEW_OPTIONS && pods * classes as u64 <= FEW_STEPS;
    let orders: &[Order] = if few || few_options {
        &ALL_FILLS
    } else if huge {
        &FILLS[..1]
    } else {
        &FILLS
    };

    let mut search = Search {
        shop,
        ranks: Ranks::new(problem),
        best: None,
        pool: Pool::new(if small && classes <= budget.mix.rows {
            budget.mix.patterns
        } else {
            0
        }),
        bounding: [Vec::new(), Vec::new()],
        proven: None,
    };
    let plain = Recipe::new(orders);
    for values in fair.iter().chain([&alone]) {
        let built = search.shop.build(values, &alone, &plain);
        search.offer(built);
    }
    if !search.all_placed() {
        for recipe in [
            Recipe {
                by_priority: true,
                ..plain
            },
            Recipe {
                thrifty: true,
                ..plain
            },
            Recipe {
                thrifty: true,
                by_priority: true,
                ..plain
            },
        ] {
            let built = search.shop.build(&alone, &alone, &recipe);
            search.offer(built);
        }
    }
    let scarce = !search.all_placed();
    let go_on =
        effort > Effort::Fast || (small && search.shop.node.work <= FAST_WORK && search.may_gain());
    if let (true, Some(fair)) = (go_on, &fair) {
        improve(&mut search, [fair, &alone], &plain, scarce, budget);
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

/// Everything after the first constructions.
fn improve(
    search: &mut Search<'_, '_>,
    [fair, alone]: [&Vec<f64>; 2],
    plain: &Recipe<'_>,
    scarce: bool,
    budget: Budget,
) {
    learn(
        search,
        [fair, alone],
        alone,
        &Recipe {
            by_priority: scarce,
            ..*plain
        },
        budget,
    );
    mix::mix(search, [fair, alone], plain, budget.mix);
    restart(search, fair, alone, plain, budget);
    repair(search, fair, alone, plain, budget);
}

/// Rounds of price learning: pods on nodes that cost more than their pods' values are worth more in the next round.
fn learn(
    search: &mut Search<'_, '_>,
    bases: [&Vec<f64>; 2],
    seeds: &[f64],
    recipe: &Recipe<'_>,
    budget: Budget,
) {
    let problem = search.shop.problem;
    if problem.options.is_empty() {
        return;
    }
    let start = search.shop.node.work;
    let mut values: [Vec<f64>; 2] = bases.map(Clone::clone);
    let mut seeded = true;
    let mut last: Option<Score> = None;
    let mut stale = 0;
    for round in 0..budget.rounds {
        if search.shop.node.work - start > budget.learn_work {
            break;
        }
        let side = (round % 2) as usize;
        if side == 0 {
            seeded = !seeded;
        }
        let built = search
            .shop
            .build(&values[side], seeds, &Recipe { seeded, ..*recipe });
        raise(problem, &mut values[side], &built, f64::from(round / 2));
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
    let Some((_, mut plan)) = search.best.clone() else {
        return;
    };
    let mut rng = Rng::new(0x7465_7472_6170_6f64);
    let start = search.shop.node.work;
    let mut noisy = fair.to_vec();
    let mut improved = false;
    for attempt in 0..budget.repacks {
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
            #[expect(clippy::cast_precision_loss, reason = "a factor between 0.8 and 1.25")]
            let factor = 0.8 + 0.45 * (rng.below(1 << 20) as f64 / f64::from(1 << 20));
            *noisy = base * factor;
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
