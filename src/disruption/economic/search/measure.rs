//! What a search weighs, and how much of it is done.

use crate::model::options::{Effort, Options};
use crate::model::price::Price;

const CLOSE: f64 = 0.002;

/// Up to how many pods the solver is given more effort.
const PACKED_PODS: usize = 1_000;

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Groups at most.
    pub(super) groups: u32,
    /// Pods placed while trying groups, at most.
    pub(super) placements: usize,
    /// How the solver packs many pods.
    pub(super) solver: Effort,
    /// Whether they are few.
    pub(super) few_pods: bool,
    /// A large cluster whose price is above the least possible by no more than this part of it is left as it is.
    pub(super) close: f64,
}

impl Work {
    pub(super) fn of(effort: Effort, pods: usize) -> Self {
        let few_pods = pods <= 2_000;
        match effort {
            Effort::Fast => Self {
                groups: 0,
                placements: 0,
                solver: Effort::Fast,
                few_pods,
                close: CLOSE,
            },
            Effort::Balanced => Self {
                groups: 2_000,
                placements: if few_pods { 60_000 } else { 20_000 },
                solver: if pods <= PACKED_PODS {
                    Effort::Balanced
                } else {
                    Effort::Fast
                },
                few_pods,
                close: CLOSE,
            },
            Effort::Thorough => Self {
                groups: 50_000,
                placements: 5_000_000,
                solver: Effort::Balanced,
                few_pods,
                close: 0.0,
            },
        }
    }
}

/// What counts: dollars over the horizon, in 10^-15 dollar-milliseconds, then evictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Objective {
    pub(super) cost: i128,
    pub(super) evictions: usize,
}

/// Dollars per hour and per eviction in one currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) horizon: i128,
    pub(super) start: i128,
    pub(super) eviction: i128,
    pub(super) restart: i128,
}

impl Rates {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            horizon: i128::from(options.horizon.as_millis().max(0)),
            start: i128::from(options.node_start_time.as_millis().max(0)),
            eviction: options.eviction_cost.as_femto().saturating_mul(3_600_000),
            restart: options
                .gang_restart_cost
                .as_femto()
                .saturating_mul(3_600_000),
        }
    }

    pub(super) fn keep(self, price: Price) -> i128 {
        price.as_femto().saturating_mul(self.horizon)
    }

    pub(super) fn buy(self, price: Price) -> i128 {
        price.as_femto().saturating_mul(self.horizon + self.start)
    }
}
