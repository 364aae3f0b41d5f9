//! Growing, jittered, capped waiting times, and who may try next.

use serde::{Deserialize, Serialize};

use super::ids::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};

/// How waiting times grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackoffPolicy {
    /// The first wait.
    pub first: Span,
    /// No wait is longer, jitter included.
    pub cap: Span,
    /// A wait is longer or shorter by up to this many percent (at most 100).
    pub jitter_percent: u32,
}

impl Default for BackoffPolicy {
    /// Three minutes (as long as Karpenter's AWS provider remembers a failed offering), doubling up to half an hour.
    fn default() -> Self {
        Self::new(Span::from_secs(180), Span::from_secs(1800))
    }
}

impl BackoffPolicy {
    /// From `first` doubling up to `cap`, with 20 % jitter.
    #[must_use]
    pub const fn new(first: Span, cap: Span) -> Self {
        Self {
            first,
            cap,
            jitter_percent: 20,
        }
    }

    /// The wait after `failures` failures in a row: first x 2^(failures-1), capped, jittered. Never below a
    /// millisecond, so that a wait always makes time pass.
    pub(super) fn wait(&self, failures: u32, rng: &mut Rng) -> Span {
        let doublings = failures.saturating_sub(1).min(30);
        let cap = self.cap.as_millis().max(1);
        let plain = self
            .first
            .as_millis()
            .clamp(1, cap)
            .saturating_mul(1 << doublings)
            .min(cap);
        let percent = i64::from(self.jitter_percent.min(100));
        let swing = plain / 100 * percent + plain % 100 * percent / 100;
        let width = u64::try_from(swing.saturating_mul(2).saturating_add(1)).unwrap_or(1);
        let offset = i64::try_from(rng.below(width)).unwrap_or(0);
        Span::from_millis((plain - swing).saturating_add(offset).clamp(1, cap))
    }
}

/// The memory of one thing that can fail: a market, a group, an offering.
///
/// After a failure nobody tries before `until`. Then one node may probe; until that is settled the others still wait.
/// Success forgets everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Backoff {
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<NodeId>,
}

/// Whether a thing may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// One node may, as a probe.
    Probe,
    /// Not before this time.
    Wait(Timestamp),
    /// A probe is under way.
    Probing,
}

impl Backoff {
    pub(super) fn gate(&self, now: Timestamp) -> Gate {
        match (self.until, self.probe) {
            (None, _) => Gate::Open,
            (Some(until), _) if now < until => Gate::Wait(until),
            (Some(_), Some(_)) => Gate::Probing,
            (Some(_), None) => Gate::Probe,
        }
    }

    /// Records that `node` tries now.
    pub(super) fn try_by(&mut self, node: NodeId, now: Timestamp) {
        if self.gate(now) == Gate::Probe {
            self.probe = Some(node);
        }
    }

    /// Records a failure. Nodes that fail while it waits already tell nothing new: the wait does not grow, but it lasts
    /// for at least the first wait from the last of them. Returns until when nobody tries.
    pub(super) fn fail(
        &mut self,
        policy: &BackoffPolicy,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Timestamp {
        if let Some(until) = self.until.filter(|until| now < *until) {
            let until = until.max(now.plus(policy.wait(1, rng)));
            self.until = Some(until);
            return until;
        }
        self.failures = self.failures.saturating_add(1);
        self.probe = None;
        let until = now.plus(policy.wait(self.failures, rng));
        self.until = Some(until);
        until
    }

    /// Records that `node` got what it asked for.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// Records that `node` no longer tries, with nothing learned.
    pub(super) fn give_up(&mut self, node: NodeId) {
        if self.probe == Some(node) {
            self.probe = None;
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn waits_grow_are_jittered_and_stay_below_the_cap_h32() {
        let policy = BackoffPolicy::default();
        let mut rng = Rng::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for failures in 1..=12 {
            for _ in 0..50 {
                let wait = policy.wait(failures, &mut rng).as_millis();
                let plain = (180_000_i64 << (failures - 1).min(20)).min(1_800_000);
                assert!(wait >= plain * 8 / 10 && wait <= (plain * 12 / 10).min(1_800_000));
                seen.insert(wait);
            }
        }
        assert!(seen.len() > 300, "jitter spreads the waits");
    }

    #[test]
    fn one_probe_at_a_time_and_failures_together_count_once_h32() {
        let policy = BackoffPolicy::default();
        let mut rng = Rng::new(2);
        let mut market = Backoff::default();
        assert_eq!(market.gate(at(0)), Gate::Open);
        let until = market.fail(&policy, at(0), &mut rng);
        let until = until.max(market.fail(&policy, at(1), &mut rng));
        assert_eq!(market.failures(), 1);
        assert!(until < at(1 + 216 + 1), "it has not grown");
        assert_eq!(market.gate(at(10)), Gate::Wait(until));
        assert_eq!(market.gate(until), Gate::Probe);
        market.try_by(NodeId(3), until);
        assert_eq!(market.gate(until), Gate::Probing);
        market.give_up(NodeId(4));
        assert_eq!(market.gate(until), Gate::Probing, "not its probe");
        let later = market.fail(&policy, until, &mut rng);
        assert!(
            later.since(until) > until.since(at(0)),
            "the wait has grown"
        );
        market.try_by(NodeId(5), later);
        market.succeed();
        assert_eq!(market.gate(later), Gate::Open);
    }

    #[test]
    fn odd_policies_still_make_time_pass() {
        let mut rng = Rng::new(3);
        for policy in [
            BackoffPolicy::new(Span::ZERO, Span::ZERO),
            BackoffPolicy::new(Span::from_millis(-5), Span::from_millis(i64::MAX)),
            BackoffPolicy {
                jitter_percent: 100,
                ..BackoffPolicy::default()
            },
        ] {
            for failures in [0, 1, u32::MAX] {
                assert!(policy.wait(failures, &mut rng) > Span::ZERO);
            }
        }
    }
}
