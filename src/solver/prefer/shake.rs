//! Getting out of dead ends: a few pods are taken off and placed again, which can do what no single move does.

use super::choose::Choices;
use super::fit::Mover;
use super::gain::Gain;
use super::state::State;
use crate::base::rng::Rng;
use crate::problem::ClassId;
use crate::solver::Target;

/// How many nodes are looked at for a pod at most.
const WINDOW: usize = 64;

/// How often a pod whose preferences are not met is looked for.
const LOOKS: u32 = 6;

/// A pod that was taken off, and the node it was on.
struct Taken {
    class: ClassId,
    kind: u32,
    from: usize,
}

/// Tries again and again to place a few pods better, some of them pods whose preferences are not met, until `work` is
/// used up or so many tries in a row gained nothing that more are not worth it. What gains nothing and loses nothing is
/// kept. The generator is seeded with a constant.
pub(super) fn shake(state: &mut State<'_>, choices: &mut Choices, work: &mut u64, patience: u64) {
    if state.bins.len() < 2 || state.is_content() {
        return;
    }
    let mut rng = Rng::new(0x7072_6566_6572_6564);
    let mut mover = Mover::new(state.problem);
    let mut stale = 0;
    while *work > 0 && stale < patience {
        let start = state.work;
        stale += 1;
        let gain = attempt(state, choices, &mut mover, &mut rng);
        if gain.is_better() {
            stale = 0;
        }
        *work = work.saturating_sub(state.work - start + 1);
    }
}

/// One try; returns what it gained. Nothing has changed if that is nothing.
fn attempt(state: &mut State<'_>, choices: &mut Choices, mover: &mut Mover, rng: &mut Rng) -> Gain {
    state.log.clear();
    let Some(first) = pick(state, rng) else {
        return Gain::ZERO;
    };
    let mut gain = Gain::ZERO;
    let mut taken: Vec<Taken> = Vec::new();
    let wanted = match rng.below(8) {
        0 => 8 + rng.below(24),
        _ => 1 + rng.below(6),
    };
    // The others come from anywhere, from the pod's node and one more, or are pods like it.
    let manner = rng.below(3);
    let other = usize::try_from(rng.below(state.bins.len() as u64)).unwrap_or(0);
    let mut next = Some(first);
    for _ in 0..wanted * 2 {
        let found = match next.take() {
            Some(found) => Some(found),
            None => match manner {
                0 => any(state, rng),
                1 => {
                    let bin = if rng.below(2) == 0 { first.0 } else { other };
                    on(state, rng, bin)
                }
                _ => any(state, rng).filter(|(_, _, kind)| *kind == first.2 || rng.below(4) == 0),
            },
        };
        let Some((bin, class, kind)) = found else {
            continue;
        };
        if !mover.may_leave(state, class, bin) {
            continue;
        }
        let from = state.single(bin);
        gain = gain.plus(state.shift(from, class, kind, -1, true));
        taken.push(Taken { class, kind, from });
        if taken.len() as u64 >= wanted {
            break;
        }
    }
    let turned = match taken.first() {
        Some(first) if rng.below(3) == 0 => choices.turn(state, first.from, rng),
        _ => None,
    };
    if let Some((_, _, turned)) = turned {
        gain = gain.plus(turned);
    }
    let mut complete = !taken.is_empty();
    while complete && !taken.is_empty() {
        let at = usize::try_from(rng.below(taken.len() as u64)).unwrap_or(0);
        let pod = taken.swap_remove(at);
        match place(state, mover, rng, &pod) {
            Some(placed) => gain = gain.plus(placed),
            None => complete = false,
        }
    }
    complete &= state.log.iter().all(|op| {
        let bin = &state.bins[op.bin];
        !bin.content.is_empty() || matches!(bin.target, Target::Node(_))
    });
    if complete && gain >= Gain::ZERO {
        return gain;
    }
    if let Some((bin, old, _)) = turned {
        // The pods are put back where they were once the node is what it was.
        let mut log = std::mem::take(&mut state.log);
        state.undo(&mut log);
        choices.turn_back(state, bin, old);
    } else {
        let mut log = std::mem::take(&mut state.log);
        state.undo(&mut log);
    }
    Gain::ZERO
}

/// A pod on some node; of a few that are looked at, one whose preferences are not met.
fn pick(state: &mut State<'_>, rng: &mut Rng) -> Option<(usize, ClassId, u32)> {
    let mut found = None;
    for _ in 0..LOOKS {
        let Some((bin, class, kind)) = any(state, rng) else {
            continue;
        };
        found = Some((bin, class, kind));
        let worth = state.count(bin, kind, -1, 1).times(-1);
        state.count(bin, kind, 1, 1);
        let wished = i64::try_from(state.prefs.weight_of(kind)).unwrap_or(i64::MAX);
        if worth.weight < wished {
            break;
        }
    }
    found
}

fn any(state: &State<'_>, rng: &mut Rng) -> Option<(usize, ClassId, u32)> {
    for _ in 0..LOOKS {
        let bin = usize::try_from(rng.below(state.bins.len() as u64)).unwrap_or(0);
        if let Some(found) = on(state, rng, bin) {
            return Some(found);
        }
    }
    None
}

/// A pod on a node of `bin`.
fn on(state: &State<'_>, rng: &mut Rng, bin: usize) -> Option<(usize, ClassId, u32)> {
    let lot = rng.choose(&state.bins[bin].lots)?;
    Some((bin, lot.class, lot.kind))
}

/// Puts `pod` on the node where it gains most and that takes it; returns the gain.
fn place(state: &mut State<'_>, mover: &mut Mover, rng: &mut Rng, pod: &Taken) -> Option<Gain> {
    let bins = state.bins.len();
    let start = usize::try_from(rng.below(bins as u64)).unwrap_or(0);
    let mut found: Vec<(Gain, usize)> = Vec::new();
    let near = (0..bins.min(WINDOW)).map(|offset| (start + offset) % bins);
    for bin in near.chain([pod.from]) {
        if state.has_room(bin, pod.class) {
            let gain = state.count(bin, pod.kind, 1, 1);
            state.count(bin, pod.kind, -1, 1);
            found.push((gain, bin));
        }
    }
    found.sort_by_key(|(gain, _)| std::cmp::Reverse(*gain));
    for (_, bin) in found {
        if mover.may_join(state, pod.class, (pod.from, bin)) {
            let bin = state.single(bin);
            return Some(state.shift(bin, pod.class, pod.kind, 1, true));
        }
    }
    None
}
