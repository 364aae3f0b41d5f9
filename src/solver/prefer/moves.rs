//! Moving pods: to free room, or in exchange for others.

use super::fit::Mover;
use super::gain::Gain;
use super::state::{Bin, State};
use crate::problem::ClassId;

/// At least so many nodes are looked at for each kind on a node.
const WINDOW: u64 = 8;

/// How many of the best moves of a kind are tested for what is allowed.
const MAX_TESTS: usize = 16;

/// A move: pods of one kind go to another node, in exchange for one of another kind or into free room.
#[derive(Debug, Clone, Copy)]
struct Step {
    gain: Gain,
    to: usize,
    back: Option<u32>,
}

/// Moves pods while that gains something and `work` lasts; returns whether anything moved.
///
/// For each kind on each node the nodes it likes most and those that follow in order are looked at, at least
/// [`WINDOW`] of them; the best move that is allowed is made. Every move gains, so it ends.
pub(super) fn improve(state: &mut State<'_>, work: &mut u64) -> bool {
    if state.bins.len() < 2 {
        return false;
    }
    let mut mover = Mover::new(state.problem);
    let mut changed = false;
    loop {
        let kinds: u64 = state.bins.iter().map(|bin| bin.lots.len() as u64).sum();
        let window = (*work / 2 / kinds.max(1)).max(WINDOW);
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        let favourites = favourites(state, window, *work);
        let mut improved = false;
        let mut from = 0;
        while from < state.bins.len() {
            for kind in state.bins[from].kinds() {
                while *work > 0 && step(state, &mut mover, (from, kind), &favourites, window, work)
                {
                    improved = true;
                }
            }
            from += 1;
        }
        changed |= improved;
        if !improved || *work == 0 {
            return changed;
        }
    }
}

/// By kind: the nodes where its pods like to be, best first, at most `window`. Empty where looking would take too long.
fn favourites(state: &State<'_>, window: usize, work: u64) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); state.prefs.kinds.len()];
    if window >= state.bins.len() {
        return lists;
    }
    let mut kinds: Vec<u32> = state.bins.iter().flat_map(Bin::kinds).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.retain(|kind| !state.prefs.kinds[*kind as usize].likings.is_empty());
    if (kinds.len() as u64).saturating_mul(state.bins.len() as u64) > work {
        return lists;
    }
    for kind in kinds {
        let list = &mut lists[kind as usize];
        let mut liked: Vec<(Gain, usize)> = state
            .bins
            .iter()
            .enumerate()
            .map(|(at, bin)| (state.liked(kind, bin.target), at))
            .filter(|(gain, _)| gain.is_better())
            .collect();
        liked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        liked.truncate(window);
        list.extend(liked.into_iter().map(|(_, at)| at));
    }
    lists
}

/// Makes the best move of one pod of `kind` off a node of `from`, if one is allowed.
fn step(
    state: &mut State<'_>,
    mover: &mut Mover,
    (from, kind): (usize, u32),
    favourites: &[Vec<usize>],
    window: usize,
    work: &mut u64,
) -> bool {
    if !state.bins[from].lots.iter().any(|lot| lot.kind == kind) {
        return false;
    }
    let start = state.work;
    let bins = state.bins.len();
    let near = (1..bins.min(window + 1)).map(|offset| (from + offset) % bins);
    let favourites = favourites[kind as usize].iter().copied();
    let off = state.count(from, kind, -1, 1);
    let mut better: Vec<(usize, Gain)> = Vec::new();
    for to in favourites.chain(near).filter(|to| *to != from) {
        state.work += 1;
        let gain = off.plus(state.joining(to, kind));
        if gain.is_better() {
            better.push((to, gain));
        }
    }
    state.count(from, kind, 1, 1);
    let mut steps: Vec<Step> = Vec::new();
    for (to, gain) in better {
        steps.push(Step {
            gain,
            to,
            back: None,
        });
        for other in state.bins[to].kinds() {
            if other == kind {
                continue;
            }
            let apart = gain.plus(state.peek(other, to, from));
            let together = if state.effects[kind as usize].meet(&state.effects[other as usize]) {
                state.peek_swap(kind, from, other, to)
            } else {
                apart
            };
            if together.is_better() {
                steps.push(Step {
                    gain: together,
                    to,
                    back: Some(other),
                });
            }
        }
    }
    *work = work.saturating_sub(state.work - start + 1);
    steps.sort_by(|a, b| {
        b.gain
            .cmp(&a.gain)
            .then_with(|| (a.back, a.to).cmp(&(b.back, b.to)))
    });
    steps.truncate(MAX_TESTS);
    for step in steps {
        if let Some((class, back)) = allowed(state, mover, (from, kind), step, work) {
            carry_out(state, (from, class, kind), (step.to, back, step.back));
            return true;
        }
    }
    false
}

/// The classes with which `step` is allowed: of what goes, and of what comes back.
fn allowed(
    state: &State<'_>,
    mover: &mut Mover,
    (from, kind): (usize, u32),
    step: Step,
    work: &mut u64,
) -> Option<(ClassId, Option<ClassId>)> {
    let classes = |bin: usize, kind: u32| -> Vec<ClassId> {
        let lots = state.bins[bin].lots.iter().filter(|lot| lot.kind == kind);
        lots.map(|lot| lot.class).collect()
    };
    let going = classes(from, kind);
    let Some(back) = step.back else {
        return going.into_iter().find_map(|class| {
            *work = work.saturating_sub(1);
            let may = mover.may_go(state, class, (from, step.to), None);
            may.then_some((class, None))
        });
    };
    let coming = classes(step.to, back);
    // Pods of one class change places whatever rules there are.
    if let Some(class) = going.iter().find(|class| coming.contains(class)) {
        return Some((*class, Some(*class)));
    }
    for class in going {
        for other in &coming {
            *work = work.saturating_sub(1);
            if mover.may_go(state, class, (from, step.to), Some(*other)) {
                return Some((class, Some(*other)));
            }
        }
    }
    None
}

fn carry_out(
    state: &mut State<'_>,
    (from, class, kind): (usize, ClassId, u32),
    (to, back, other): (usize, Option<ClassId>, Option<u32>),
) {
    let (from, to) = (state.single(from), state.single(to));
    let unit = back != Some(class);
    state.shift(from, class, kind, -1, unit);
    if let (Some(back), Some(other)) = (back, other) {
        state.shift(to, back, other, -1, unit);
        state.shift(from, back, other, 1, unit);
    }
    state.shift(to, class, kind, 1, unit);
    state.log.clear();
}
