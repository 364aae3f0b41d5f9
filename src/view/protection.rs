//! Pods that may not be moved off a node that is being deleted (S-6, S-7).
//!
//! Karpenter plans no new place for a pod that it may not evict: the node waits for it. Such a pod is neither pending nor
//! forgotten; the plan lists it with this reason.

use std::str::FromStr as _;

use crate::base::time::{Span, Timestamp};
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::pod::Pod;
use crate::model::policy::{IntOrPercent, PodDisruptionBudget};
use crate::model::taint::{Taint, TaintEffect};

/// The annotation that protects a pod from eviction: `"true"`, or a duration from its start on (S-7).
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// The taint of nodes that Karpenter is about to remove; a pod that tolerates it is never evicted (S-7).
const DISRUPTED: &str = "karpenter.sh/disrupted";

/// What protects pods of a snapshot.
#[derive(Debug)]
pub struct Protection<'a> {
    budgets: &'a [PodDisruptionBudget],
    now: Option<Timestamp>,
    disrupted: Taint,
}

impl<'a> Protection<'a> {
    /// Reads the budgets and the time of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            budgets: &snapshot.pod_disruption_budgets,
            now: snapshot.options.now,
            disrupted: Taint::new(DISRUPTED, "", TaintEffect::NoSchedule),
        }
    }

    /// Why `pod` may not be moved from a node that is being deleted; `None` if it may. O(budgets).
    #[must_use]
    pub fn reason(&self, pod: &Pod) -> Option<Reason> {
        let why = if self.is_disruption_forbidden(pod) {
            format!("its annotation {DO_NOT_DISRUPT} forbids to evict it")
        } else {
            self.budget_reason(pod)?
        };
        let message = format!(
            "it runs on a node that is being deleted and stays there until it may be evicted: {why}"
        );
        Some(Reason::new(
            format!("Pod {}", pod.key()),
            Code::NotPending,
            message,
        ))
    }

    /// Whether `karpenter.sh/do-not-disrupt` is in force: `"true"` for good, a positive duration from the pod's start on
    /// (S-7). A start or a time of decision that is not known does not end it; a value that cannot be read counts as
    /// absent.
    #[must_use]
    pub fn is_disruption_forbidden(&self, pod: &Pod) -> bool {
        let Some(value) = pod.annotations.get(DO_NOT_DISRUPT) else {
            return false;
        };
        if value == "true" {
            return true;
        }
        let Some(span) = Span::from_str(value).ok().filter(|span| *span > Span::ZERO) else {
            return false;
        };
        let started = pod.detail.as_deref().and_then(|detail| detail.start_time);
        match (started, self.now) {
            (Some(started), Some(now)) => now < started.plus(span),
            _ => true,
        }
    }

    /// The budgets that block every eviction of `pod` (S-6). Pods that are never evicted are not held by budgets.
    fn budget_reason(&self, pod: &Pod) -> Option<String> {
        let evictable = !pod.is_terminating()
            && !pod
                .spec
                .tolerations
                .iter()
                .any(|toleration| toleration.tolerates(&self.disrupted));
        if !evictable {
            return None;
        }
        let mut matching = self.budgets.iter().filter(|budget| {
            budget.namespace == pod.namespace
                && budget
                    .selector
                    .as_ref()
                    .is_some_and(|selector| selector.matches(&pod.labels))
        });
        let first = matching.next()?;
        if let Some(second) = matching.next() {
            return Some(format!(
                "the PodDisruptionBudgets {} and {} both select it, and Kubernetes evicts no pod with more than one",
                first.name, second.name
            ));
        }
        let ready = pod.detail.as_deref().is_some_and(|detail| detail.ready);
        let waived = first.always_allow_unhealthy && !ready;
        (blocks_all(first) && !waived).then(|| {
            format!(
                "the PodDisruptionBudget {} allows no disruption at all",
                first.name
            )
        })
    }
}

/// Whether a budget is written so that it never allows anything.
fn blocks_all(budget: &PodDisruptionBudget) -> bool {
    matches!(
        budget.max_unavailable,
        Some(IntOrPercent::Count(0) | IntOrPercent::Percent(0))
    ) || budget.min_available == Some(IntOrPercent::Percent(100))
}
