//! Whether one node of an option holds a given content: the full test, used where a single answer is wanted.

use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::model::options::MinValuesPolicy;
use crate::problem::{ClassId, OptionId, PoolId, Problem, StateId, fits};

/// Whether the classes of `content` may be together on a node of `option`, and the label state they lead to; `None` if
/// not. Room and stocks apart. O(content x alternatives).
#[must_use]
pub fn joint_state(
    problem: &Problem,
    option: OptionId,
    content: &[(ClassId, u32)],
) -> Option<StateId> {
    let suits = |(class, _): &(ClassId, u32)| problem.options_of(*class).contains(option);
    if !content.iter().all(suits) {
        return None;
    }
    joined(problem, option, content)
}

/// As [`joint_state`], for classes that suit `option`.
fn joined(problem: &Problem, option: OptionId, content: &[(ClassId, u32)]) -> Option<StateId> {
    let state = problem.pairs[problem.options[option].pair].state;
    if !problem.states.is_open(state) {
        return Some(state);
    }
    let mut classes = content.iter().map(|(class, _)| *class);
    classes.try_fold(state, |state, class| join(problem, option, state, class))
}

/// The label state after a pod of `class` joins a node of `option` in `state`.
#[must_use]
pub fn join(
    problem: &Problem,
    option: OptionId,
    state: StateId,
    class: ClassId,
) -> Option<StateId> {
    if !problem.states.is_open(state) {
        return Some(state);
    }
    let terms = &problem.signatures[problem.classes[class].signature];
    terms
        .iter()
        .filter(|term| problem.term_options[**term].contains(option))
        .find_map(|term| problem.states.after(state, *term))
}

/// What `content` asks for in all, saturating at more than any node has.
pub fn total_demand(problem: &Problem, content: &[(ClassId, u32)], total: &mut Vec<i64>) {
    total.clear();
    total.resize(problem.dims, 0);
    for (class, count) in content {
        for (sum, need) in total.iter_mut().zip(problem.demand_of(*class)) {
            *sum = sum.saturating_add(need.saturating_mul(i64::from(*count)));
        }
    }
}

/// Whether two classes cannot share a node; for bundles, whether any of their pods' classes cannot.
#[must_use]
pub fn apart(problem: &Problem, excluded: &BitSet<ClassId>, class: ClassId) -> bool {
    excluded.contains(class)
        || problem.classes[class]
            .bundle
            .iter()
            .any(|(part, _)| excluded.contains(*part))
}

/// Whether a class of `a` cannot share a node with one of `b`. Half of [`may_share`], for contents that are not joined yet.
#[must_use]
pub fn bars(problem: &Problem, a: &[(ClassId, u32)], b: &[(ClassId, u32)]) -> bool {
    a.iter().any(|(class, _)| {
        let excludes = problem.classes[*class].excludes.as_ref();
        excludes.is_some_and(|set| b.iter().any(|(other, _)| apart(problem, set, *other)))
    })
}

/// Whether the classes of `content` may share a node as far as host rules go: nobody excludes another, and no limited
/// group is too many.
#[must_use]
pub fn may_share(problem: &Problem, content: &[(ClassId, u32)]) -> bool {
    let plain = |class: ClassId| {
        let row = &problem.classes[class];
        row.excludes.is_none() && row.shares.is_empty()
    };
    if content.iter().all(|(class, _)| plain(*class)) {
        return true;
    }
    for (class, count) in content {
        let Some(excludes) = &problem.classes[*class].excludes else {
            continue;
        };
        let clashes =
            |(other, _): &(ClassId, u32)| other != class && apart(problem, excludes, *other);
        if content.iter().any(clashes) || (*count > 1 && apart(problem, excludes, *class)) {
            return false;
        }
    }
    let shares = || {
        content
            .iter()
            .flat_map(|(class, n)| problem.classes[*class].shares.iter().map(move |s| (s, *n)))
    };
    shares().all(|(share, _)| {
        let Some(limit) = share.limit else {
            return true;
        };
        let held = shares().filter(|(other, _)| other.group == share.group);
        held.map(|(other, n)| u64::from(other.weight) * u64::from(n))
            .sum::<u64>()
            <= u64::from(limit)
    })
}

/// The options of `pool` that hold `content`, stocks and `minValues` apart. O(options x (64 + content) / 64), where labels
/// are undecided O(options x content).
#[must_use]
pub fn holders(problem: &Problem, pool: PoolId, content: &[(ClassId, u32)]) -> BitSet<OptionId> {
    let mut set = problem.pools[pool].options.clone();
    for (class, _) in content {
        set.intersect_with(problem.options_of(*class));
    }
    let mut kept = BitSet::new(set.bound());
    let mut total = Vec::new();
    total_demand(problem, content, &mut total);
    for option in set.iter() {
        let room = problem.room_of(problem.options[option].room);
        if fits(&total, room) && joined(problem, option, content).is_some() {
            kept.insert(option);
        }
    }
    kept
}

/// How many distinct values each `minValues` of `pool` keeps over the types behind `options`.
#[must_use]
pub fn distinct_values(problem: &Problem, pool: PoolId, options: &BitSet<OptionId>) -> Vec<u32> {
    let mut counts = Vec::new();
    for rule in &problem.pools[pool].min_values {
        let mut seen = vec![false; rule.distinct as usize];
        for option in options.iter() {
            for value in &rule.values[problem.options[option].pair] {
                seen[*value as usize] = true;
            }
        }
        counts.push(u32::try_from(seen.iter().filter(|s| **s).count()).unwrap_or(u32::MAX));
    }
    counts
}

/// Whether `options` keep the `minValues` of `pool`.
#[must_use]
pub fn enough_values(problem: &Problem, pool: PoolId, options: &BitSet<OptionId>) -> bool {
    let rules = &problem.pools[pool].min_values;
    rules.is_empty()
        || rules
            .iter()
            .zip(distinct_values(problem, pool, options))
            .all(|(rule, have)| have >= rule.at_least)
}

/// Whether a node of `pool` has to leave a choice of types (M-6).
#[must_use]
pub fn asks_for_values(problem: &Problem, pool: PoolId) -> bool {
    !problem.pools[pool].min_values.is_empty()
        && problem.min_values_policy == MinValuesPolicy::Strict
}

/// Whether a node of `pool` with `content` keeps its `minValues` (M-6). `alone` is what the node's first pod alone keeps:
/// under `BestEffort` no more than that is asked.
#[must_use]
pub fn keeps_min_values(
    problem: &Problem,
    pool: PoolId,
    content: &[(ClassId, u32)],
    alone: Option<&[u32]>,
) -> bool {
    let rules = &problem.pools[pool].min_values;
    if rules.is_empty() || problem.min_values_policy == MinValuesPolicy::AsFlexibleAsPossible {
        return true;
    }
    let have = distinct_values(problem, pool, &holders(problem, pool, content));
    rules
        .iter()
        .zip(&have)
        .enumerate()
        .all(|(at, (rule, have))| {
            let asked = match (problem.min_values_policy, alone) {
                (MinValuesPolicy::BestEffort, Some(alone)) => {
                    rule.at_least.min(alone.get(at).copied().unwrap_or(0))
                }
                (MinValuesPolicy::BestEffort, None) => 0,
                _ => rule.at_least,
            };
            *have >= asked
        })
}

/// Whether one pod of `class` alone could live on a node of `option`, stocks apart.
#[must_use]
pub fn holds_alone(problem: &Problem, option: OptionId, class: ClassId) -> bool {
    problem.holds_one(option, class) && joint_state(problem, option, &[(class, 1)]).is_some()
}

/// How many nodes of `option` the stocks still allow.
#[must_use]
pub fn stock_allows(problem: &Problem, left: &[i128], option: OptionId) -> u32 {
    let mut count = u32::MAX;
    for (stock, amount) in &problem.options[option].uses {
        let left = left[stock.at()];
        if left < 0 || *amount > left {
            return 0;
        }
        if *amount > 0 {
            count = count.min(u32::try_from(left / amount).unwrap_or(u32::MAX));
        }
    }
    count
}
