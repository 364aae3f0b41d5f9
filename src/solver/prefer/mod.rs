//! Preferences (M-2): among plans of equal price and nodes, the one in which more weight is met.
//!
//! The plan is made without looking at preferences and improved here, so it is the same under Respect and Ignore: as
//! many nodes, at the same price, with the same pods placed.
//!
//! 1. `deal`: the pods of a class that differ only in what they prefer are given to the nodes that hold the class.
//! 2. `choose`: a new node may be bought in another zone, capacity type, type or pool of its weight, at its price.
//! 3. `moves`: pods move to free room, or change places, where rules and room allow it.
//! 4. `shake`: a few pods are taken off and placed again, unless effort is `fast`.
//!
//! With a `preferenceBudget`, nodes are then exchanged for dearer ones where that meets most weight for the money.
//! Gains are compared by weight, then pods kept off `PreferNoSchedule` taints (S-63), then how even soft spreads are. Giving up one preference does not give up others: each counts by itself (W-17, W-18).

mod choose;
mod deal;
mod fit;
mod gain;
mod moves;
mod shake;
mod state;

use super::score::Ranks;
use super::{Group, Met, Outcome, Share, Target};
use crate::base::index::Ix as _;
use crate::model::options::Effort;
use crate::problem::Problem;

use choose::Choices;
use state::{Bin, State};

/// How much work preferences may take, in steps of counting one pod in or out.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// For dealing pods to nodes.
    deal: u64,
    /// For moving them.
    moves: u64,
    /// For shaking.
    shake: u64,
    /// How many shakes in a row may be in vain.
    patience: u64,
}

impl Budget {
    fn of(effort: Effort, pods: u64, nodes: u64) -> Self {
        let size = pods.saturating_add(nodes);
        match effort {
            Effort::Fast => Self {
                deal: size.saturating_mul(16),
                moves: size.saturating_mul(4).saturating_add(1_000),
                shake: 0,
                patience: 0,
            },
            Effort::Balanced => Self {
                deal: size.saturating_mul(100),
                moves: size.saturating_mul(30).saturating_add(25_000),
                shake: size.saturating_mul(20).saturating_add(200_000),
                patience: (100_000 / size.max(1)).clamp(600, 3_000),
            },
            Effort::Thorough => Self {
                deal: size.saturating_mul(500),
                moves: size.saturating_mul(300).saturating_add(500_000),
                shake: size.saturating_mul(400).saturating_add(4_000_000),
                patience: 40_000,
            },
        }
    }
}

/// How often moving and buying otherwise take turns at most.
const MAX_ROUNDS: u32 = 8;

/// Meets as many preferences of `problem` as `outcome` allows without costing more, and says how many that are.
///
/// Nothing happens where nothing is preferred. The cost is linear in pods and nodes plus the budget of `effort`.
pub fn prefer(problem: &Problem, effort: Effort, outcome: &mut Outcome) {
    let Some(prefs) = &problem.preferences else {
        return;
    };
    let (mut pods, mut nodes) = (0, 0);
    for group in &outcome.groups {
        let times = u64::from(group.times);
        nodes += times;
        pods += group
            .content
            .iter()
            .map(|(_, n)| u64::from(*n))
            .sum::<u64>()
            * times;
    }
    let budget = Budget::of(effort, pods, nodes);
    let mut choices = Choices::new(problem, &outcome.groups);
    let mut state = State::new(problem, prefs);
    deal::deal(&mut state, &mut choices, &outcome.groups, budget.deal);
    choices.improve(&mut state);
    deal::open_free_nodes(&mut state);
    let mut work = budget.moves;
    settle(&mut state, &mut choices, &mut work);
    if budget.shake > 0 {
        let mut left = budget.shake;
        shake::shake(&mut state, &mut choices, &mut left, budget.patience);
        settle(&mut state, &mut choices, &mut work);
    }
    if choices.spend(&mut state) {
        moves::improve(&mut state, &mut work);
    }
    outcome.work += state.work;
    let (weight_total, weight_met) = state.weights();
    let (groups, shares) = collect(state.bins);
    outcome.groups = groups;
    outcome.met = Some(Met {
        shares,
        weight_total,
        weight_met,
    });
    let mut remaining = vec![0; problem.classes.len()];
    for (class, count) in &outcome.unplaced {
        remaining[class.at()] = *count;
    }
    outcome.score = Ranks::new(problem).score(problem, &outcome.groups, &remaining);
}

/// Moves pods and buys nodes otherwise, in turns, until neither gains.
fn settle(state: &mut State<'_>, choices: &mut Choices, work: &mut u64) {
    for _ in 0..MAX_ROUNDS {
        if !(moves::improve(state, work) && choices.improve(state)) {
            return;
        }
    }
}

/// Groups of equal nodes again, in the order of outcomes, each with its nodes by the kinds of their pods.
fn collect(mut bins: Vec<Bin>) -> (Vec<Group>, Vec<Vec<Share>>) {
    bins.retain(|bin| !bin.content.is_empty());
    // Equal ones are joined, so their order is all the same.
    bins.sort_unstable_by(|a, b| {
        (a.target, &a.content, &a.lots).cmp(&(b.target, &b.content, &b.lots))
    });
    let mut groups: Vec<Group> = Vec::new();
    let mut shares: Vec<Vec<Share>> = Vec::new();
    for bin in bins {
        let share = Share {
            times: bin.times,
            lots: bin.lots,
        };
        match (groups.last_mut(), shares.last_mut()) {
            (Some(group), Some(held))
                if group.target == bin.target
                    && group.content == bin.content
                    && matches!(bin.target, Target::Option(_)) =>
            {
                group.times += bin.times;
                match held.last_mut() {
                    Some(last) if last.lots == share.lots => last.times += share.times,
                    _ => held.push(share),
                }
            }
            _ => {
                groups.push(Group {
                    target: bin.target,
                    content: bin.content,
                    times: bin.times,
                });
                shares.push(vec![share]);
            }
        }
    }
    (groups, shares)
}
