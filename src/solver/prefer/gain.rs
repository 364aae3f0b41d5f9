//! What a change of a plan gains, and the counts by domain that it is told from.

use crate::problem::preferences::PodRuleKind;

/// What a change is worth, compared field by field; larger is better. Sums and differences keep the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Gain {
    /// Weight of preferred terms that hold.
    pub(super) weight: i64,
    /// Pods kept off `PreferNoSchedule` taints (S-63).
    pub(super) taints: i64,
    /// How evenly soft spreads are met: minus the pairs of pods that share a domain.
    pub(super) spread: i64,
}

impl Gain {
    pub(super) const ZERO: Self = Self {
        weight: 0,
        taints: 0,
        spread: 0,
    };

    pub(super) fn is_better(self) -> bool {
        self > Self::ZERO
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            taints: self.taints.saturating_add(other.taints),
            weight: self.weight.saturating_add(other.weight),
            spread: self.spread.saturating_add(other.spread),
        }
    }

    pub(super) fn less(self, other: Self) -> Self {
        self.plus(other.times(-1))
    }

    pub(super) fn times(self, times: i64) -> Self {
        Self {
            taints: self.taints.saturating_mul(times),
            weight: self.weight.saturating_mul(times),
            spread: self.spread.saturating_mul(times),
        }
    }
}

/// What a pod of a kind means for one pod rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) rule: u32,
    pub(super) member: bool,
    /// Weight of the pods' own term; 0 where they do not have the rule.
    pub(super) weight: i64,
}

/// Effects of a kind, over domains and over host names.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) domain: Vec<Effect>,
    pub(super) host: Vec<Effect>,
    /// Whether pods of the kind would rather be apart from each other.
    pub(super) scatters: bool,
}

impl Effects {
    pub(super) fn is_empty(&self) -> bool {
        self.domain.is_empty() && self.host.is_empty()
    }

    /// Whether both kinds take part in some rule, so that what they gain together is not the sum.
    pub(super) fn meet(&self, other: &Self) -> bool {
        let shares =
            |a: &[Effect], b: &[Effect]| a.iter().any(|x| b.iter().any(|y| x.rule == y.rule));
        shares(&self.domain, &other.domain) || shares(&self.host, &other.host)
    }
}

/// The pods in one domain of one rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Pods the rule speaks of.
    members: i64,
    /// Weights of those among them that have the rule.
    own: i64,
    /// Weights of pods that have the rule and that it does not speak of.
    other: i64,
}

impl Count {
    pub(super) fn of_members(members: u32) -> Self {
        Self {
            members: i64::from(members),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, effect: Effect, pods: i64) {
        if effect.member {
            self.members += pods;
            self.own += effect.weight * pods;
        } else {
            self.other += effect.weight * pods;
        }
    }

    pub(super) fn worth(self, kind: PodRuleKind) -> Gain {
        let own_if = |holds: bool| if holds { self.own } else { 0 };
        let other_if = |holds: bool| if holds { self.other } else { 0 };
        match kind {
            PodRuleKind::Affinity => Gain {
                weight: own_if(self.members > 1) + other_if(self.members > 0),
                ..Gain::ZERO
            },
            PodRuleKind::Anti => Gain {
                weight: own_if(self.members == 1) + other_if(self.members == 0),
                ..Gain::ZERO
            },
            PodRuleKind::Spread => Gain {
                spread: self
                    .members
                    .saturating_mul(self.own + self.other)
                    .saturating_neg(),
                ..Gain::ZERO
            },
        }
    }
}

/// What `pods` with `effect` gain where there is no domain: nobody to be apart from.
pub(super) fn nowhere(kind: PodRuleKind, effect: Effect, pods: i64) -> Gain {
    match kind {
        PodRuleKind::Anti => Gain {
            weight: effect.weight * pods,
            ..Gain::ZERO
        },
        PodRuleKind::Affinity | PodRuleKind::Spread => Gain::ZERO,
    }
}
