//! How much work a search may take.

use super::fill::Order;
use super::mix::MixBudget;
use crate::model::options::Effort;
use crate::problem::Problem;

/// How much work each effort may take. Work is counted in inner steps (one pod class looked at for one node), so the
/// budget is the same on every machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) rounds: u32,
    pub(super) learn_work: u64,
    pub(super) repacks: u32,
    pub(super) repack_work: u64,
    pub(super) restarts: u32,
    pub(super) restart_work: u64,
    /// Whether plans are also built without seeds, where any candidate competes for all pods.
    pub(super) unseeded: bool,
    pub(super) mix: MixBudget,
}

impl Budget {
    pub(super) fn of(effort: Effort) -> Self {
        match effort {
            Effort::Fast => Self {
                rounds: 8,
                learn_work: 500_000,
                repacks: 0,
                repack_work: 0,
                restarts: 0,
                restart_work: 0,
                unseeded: true,
                mix: MixBudget::FAST,
            },
            Effort::Balanced => Self {
                rounds: 20,
                learn_work: 3_000_000,
                repacks: 400,
                repack_work: 2_000_000,
                restarts: 60,
                restart_work: 1_000_000,
                unseeded: true,
                mix: MixBudget::BALANCED,
            },
            Effort::Thorough => Self {
                rounds: 100,
                learn_work: 16_000_000,
                repacks: 20_000,
                repack_work: 15_000_000,
                restarts: 3_000,
                restart_work: 30_000_000,
                unseeded: true,
                mix: MixBudget::THOROUGH,
            },
        }
    }

    /// Some times the `work` that a fast search has taken for each kind of improvement at most: a search whose steps are
    /// long takes fewer of them. No programme for a problem that is about rules over host names.
    pub(super) fn in_proportion(self, work: u64, size: Size) -> Self {
        let most = if size.ruled {
            work / RULED_PARTS
        } else if size.pods <= size.classes as u64 * FEW_ALIKE {
            work.saturating_mul(VARIED_TIMES)
        } else {
            work.saturating_mul(TIMES)
        };
        let most = most.max(LEAST_WORK);
        let mix = if size.ruled {
            self.mix.without_programme()
        } else {
            self.mix.within(most)
        };
        Self {
            learn_work: self.learn_work.min(most),
            repack_work: self.repack_work.min(most),
            restart_work: self.restart_work.min(most),
            unseeded: !size.ruled,
            mix,
            ..self
        }
    }
}

/// How many times the work of a fast search each kind of improvement may take.
const TIMES: u64 = 2;
/// The same where hardly any pods are alike, at most this many of each class: there is most to gain by search.
const VARIED_TIMES: u64 = 8;
const FEW_ALIKE: u64 = 4;
/// Which part of it where a problem is about rules over host names.
const RULED_PARTS: u64 = 2;
/// What each may take in any case.
const LEAST_WORK: u64 = 100_000;

const FILLS: [Order; 2] = [Order::Value, Order::Density];
const ALL_FILLS: [Order; 3] = [Order::Value, Order::Density, Order::Shape];

/// Below this many classes, and pods per node unless effort is thorough, the costlier fill order is tried as well: it
/// takes one pod at a time.
const FEW_CLASSES: usize = 64;
const FEW_PODS: u64 = 32;

/// Up to this many candidates, and pods times classes, they are tried at any effort.
const FEW_OPTIONS: usize = 4;
const FEW_STEPS: u64 = 1_000_000;

/// The fast search of a problem with more candidates times classes than this ends with its first constructions.
const FAST_SIZE: usize = 24_000;

/// With more of them it is one construction, in one fill order.
const HUGE_SIZE: usize = 200_000;

/// Where more than one pod in this many has rules over host names, a problem is about these.
const RULED_PART: u64 = 4;

/// What a problem is like, as far as it decides what is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    candidates: usize,
    classes: usize,
    pods: u64,
    /// Whether much of the problem is about rules over host names: the programme knows nothing of them, and what they cost
    /// is not in the bound.
    pub(super) ruled: bool,
}

impl Size {
    pub(super) fn of(problem: &Problem, candidates: usize) -> Self {
        let (mut ruled, mut pods) = (0u64, 0u64);
        for class in problem.classes.iter() {
            let count = u64::from(class.count);
            let limited = class.shares.iter().any(|share| share.limit.is_some());
            if limited || class.excludes.is_some() {
                ruled += count;
            }
            pods += count;
        }
        Self {
            candidates,
            classes: problem.classes.len(),
            pods,
            ruled: ruled * RULED_PART > pods,
        }
    }

    /// Whether even a fast search improves its first constructions.
    pub(super) fn is_small(&self) -> bool {
        self.candidates * self.classes <= FAST_SIZE
    }

    /// Whether a fast search makes do with one construction.
    pub(super) fn is_huge(&self) -> bool {
        self.candidates * self.classes > HUGE_SIZE
    }

    /// In which orders nodes are filled; `nodes` is how many a first plan has.
    pub(super) fn orders(&self, effort: Effort, nodes: u64) -> &'static [Order] {
        let few_options =
            self.candidates <= FEW_OPTIONS && self.pods * self.classes as u64 <= FEW_STEPS;
        let few = effort > Effort::Fast
            && self.classes <= FEW_CLASSES
            && self.pods <= nodes.saturating_mul(FEW_PODS);
        if few_options || few || (effort == Effort::Thorough && self.classes <= FEW_CLASSES) {
            &ALL_FILLS
        } else if effort == Effort::Fast && self.is_huge() {
            &FILLS[..1]
        } else {
            &FILLS
        }
    }
}
