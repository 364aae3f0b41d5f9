//! Which pods of a class go on which of the nodes that hold the class.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::choose::Choices;
use super::gain::Gain;
use super::state::State;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, fits};
use crate::solver::{Group, Target};

/// At least and at most so many nodes are looked at for a pod.
const WINDOW: std::ops::RangeInclusive<u64> = 8..=512;

/// Places on one node for pods of one class.
struct Slots {
    bin: usize,
    free: u32,
}

/// Makes the nodes of `groups` and gives them their pods. Pods of one kind come together; each batch goes where it gains
/// most. A node that can be bought in several ways counts as the best of them for what it holds so far.
/// O(pods + work).
pub(super) fn deal(state: &mut State<'_>, choices: &mut Choices, groups: &[Group], work: u64) {
    let kinds = placed_kinds(state, groups);
    let nodes = groups.iter().map(|group| group.times as usize).sum();
    let mut slots: BTreeMap<ClassId, Vec<Slots>> = BTreeMap::new();
    let mut hopes = Hopes {
        by_bin: Vec::with_capacity(nodes),
    };
    // Those that stay free come behind.
    state.bins.reserve(nodes + state.problem.nodes.len());
    for group in groups {
        let parts = parts(state, &group.content);
        let mixed = parts.iter().any(|(class, _)| kinds[class.at()].len() > 1);
        let open = if mixed {
            choices.open_at(state, group.target, &group.content)
        } else {
            Vec::new()
        };
        let (copies, times) = if mixed {
            (group.times, 1)
        } else {
            (1, group.times)
        };
        for _ in 0..copies {
            let bin = state.open(group.target, times);
            state.fill(bin, &group.content);
            hopes.open(bin, &open);
            for (class, count) in parts.iter() {
                match kinds[class.at()].as_slice() {
                    [(kind, _)] => {
                        let pods = i64::from(*count);
                        state.count(bin, *kind, pods, i64::from(times));
                        state.enlist(bin, *class, *kind, pods);
                        hopes.add(state, bin, *kind, pods);
                    }
                    _ => slots
                        .entry(*class)
                        .or_default()
                        .push(Slots { bin, free: *count }),
                }
            }
        }
    }
    let pods: u64 = slots.values().flatten().map(|s| u64::from(s.free)).sum();
    let window = (work / pods.max(1)).clamp(*WINDOW.start(), *WINDOW.end());
    let window = usize::try_from(window).unwrap_or(usize::MAX);
    for (class, mut slots) in slots {
        for (kind, count) in &kinds[class.at()] {
            place(
                state,
                &mut hopes,
                &mut slots,
                (class, *kind, *count),
                window,
            );
        }
    }
}

/// Places `count` pods of one class and kind.
fn place(
    state: &mut State<'_>,
    hopes: &mut Hopes,
    slots: &mut Vec<Slots>,
    (class, kind, mut count): (ClassId, u32, u32),
    window: usize,
) {
    let alone = state.effects[kind as usize].is_empty();
    let scatters = state.effects[kind as usize].scatters;
    let mut cursor = 0;
    let mut filled = 0;
    while count > 0 {
        if filled * 2 > slots.len() {
            slots.retain(|slot| slot.free > 0);
            filled = 0;
        }
        if slots.is_empty() {
            return;
        }
        let mut best: Option<(Gain, usize)> = None;
        let mut seen = 0;
        for step in 0..slots.len() {
            let at = (cursor + step) % slots.len();
            if slots[at].free == 0 {
                continue;
            }
            let bin = slots[at].bin;
            let mut gain = hopes.gain(state, bin, kind);
            if !alone {
                state.work += 1;
                gain = gain.plus(state.one_more(bin, kind));
            }
            if best.is_none_or(|(held, _)| gain > held) {
                best = Some((gain, at));
            }
            seen += 1;
            if seen >= window {
                break;
            }
        }
        let Some((_, at)) = best else { return };
        let slot = &mut slots[at];
        let pods = if alone { count.min(slot.free) } else { 1 };
        slot.free -= pods;
        count -= pods;
        filled += usize::from(slot.free == 0);
        let bin = slot.bin;
        if scatters {
            cursor = at + 1;
        }
        state.count(bin, kind, i64::from(pods), 1);
        state.enlist(bin, class, kind, i64::from(pods));
        hopes.add(state, bin, kind, i64::from(pods));
    }
    slots.retain(|slot| slot.free > 0);
}

/// What the pods of a node like about each way to buy it.
struct Hopes {
    by_bin: Vec<Vec<(OptionId, Gain)>>,
}

impl Hopes {
    fn open(&mut self, bin: usize, options: &[OptionId]) {
        self.by_bin.resize(bin + 1, Vec::new());
        self.by_bin[bin].extend(options.iter().map(|option| (*option, Gain::ZERO)));
    }

    /// What one pod of `kind` adds to the best way to buy the node.
    fn gain(&self, state: &State<'_>, bin: usize, kind: u32) -> Gain {
        let sums = &self.by_bin[bin];
        if sums.is_empty() {
            return state.liked(kind, state.bins[bin].target);
        }
        let before = sums.iter().map(|(_, sum)| *sum).max();
        let with =
            |(option, sum): &(OptionId, Gain)| sum.plus(state.liked(kind, Target::Option(*option)));
        let after = sums.iter().map(with).max();
        after
            .unwrap_or(Gain::ZERO)
            .less(before.unwrap_or(Gain::ZERO))
    }

    fn add(&mut self, state: &State<'_>, bin: usize, kind: u32, pods: i64) {
        for (option, sum) in &mut self.by_bin[bin] {
            *sum = sum.plus(state.liked(kind, Target::Option(*option)).times(pods));
        }
    }
}

/// `content`, which names each class once and in order, with the pods of bundles in place of the bundles.
fn parts<'c>(state: &State<'_>, content: &'c [(ClassId, u32)]) -> Cow<'c, [(ClassId, u32)]> {
    let alone = |(class, _): &(ClassId, u32)| state.problem.classes[*class].bundle.is_empty();
    if content.iter().all(alone) {
        return Cow::Borrowed(content);
    }
    let mut parts: BTreeMap<ClassId, u32> = BTreeMap::new();
    for (class, count) in content {
        let bundle = &state.problem.classes[*class].bundle;
        if bundle.is_empty() {
            *parts.entry(*class).or_default() += count;
        }
        for (part, n) in bundle {
            *parts.entry(*part).or_default() += n * count;
        }
    }
    parts.into_iter().collect()
}

/// By class: the kinds of the pods that `groups` place, with their number. Who waits longest is placed first (S-61).
fn placed_kinds(state: &State<'_>, groups: &[Group]) -> Vec<Vec<(u32, u32)>> {
    let mut placed = vec![0usize; state.problem.classes.len()];
    for group in groups {
        for (class, count) in parts(state, &group.content).iter() {
            placed[class.at()] += *count as usize * group.times as usize;
        }
    }
    let of_pods = state.prefs.of_pods.iter();
    placed
        .iter()
        .zip(of_pods)
        .map(|(placed, kinds)| {
            let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
            let mut last: Option<(u32, u32)> = None;
            for kind in kinds.iter().take(*placed) {
                match &mut last {
                    Some((held, count)) if held == kind => *count += 1,
                    _ => {
                        if let Some((kind, count)) = last.replace((*kind, 1)) {
                            *counts.entry(kind).or_default() += count;
                        }
                    }
                }
            }
            if let Some((kind, count)) = last {
                *counts.entry(kind).or_default() += count;
            }
            counts.into_iter().collect()
        })
        .collect()
}

/// Adds the existing nodes that the plan leaves as they are and that have room for some pod of it.
pub(super) fn open_free_nodes(state: &mut State<'_>) {
    let problem = state.problem;
    let mut used = crate::base::bitset::BitSet::new(problem.nodes.len());
    let mut least: Vec<i64> = vec![i64::MAX; problem.dims];
    for bin in &state.bins {
        if let Target::Node(node) = bin.target {
            used.insert(node);
        }
        for (class, _) in &bin.content {
            for (least, need) in least.iter_mut().zip(problem.demand_of(*class)) {
                *least = (*least).min(*need);
            }
        }
    }
    for node in problem.nodes.ids() {
        if !used.contains(node) && fits(&least, problem.node_room_of(node)) {
            state.open(Target::Node(node), 1);
        }
    }
}
