//! Which pods on deleting nodes may not be evicted (S-6, S-7): they stay, and no plan moves them.

use crate::base::time::Span;
use crate::model::cluster::Snapshot;
use crate::model::pod::Pod;
use crate::model::policy::{IntOrPercent, PodDisruptionBudget};
use crate::model::taint::{Taint, TaintEffect};

/// Whether the pod's own annotation or its budgets forbid every eviction.
pub(super) fn is_protected(snapshot: &Snapshot, pod: &Pod) -> bool {
    opted_out(snapshot, pod) || (evictable(pod) && blocked_by_budgets(snapshot, pod))
}

/// `karpenter.sh/do-not-disrupt`: `true`, or a positive duration that has not passed since the pod started.
fn opted_out(snapshot: &Snapshot, pod: &Pod) -> bool {
    match pod.annotations.get("karpenter.sh/do-not-disrupt") {
        None => false,
        Some("true") => true,
        Some(text) => text.parse::<Span>().is_ok_and(|span| {
            let start = pod.detail.as_ref().and_then(|detail| detail.start_time);
            let over = start
                .zip(snapshot.options.now)
                .is_some_and(|(start, now)| now.since(start) >= span);
            span > Span::ZERO && !over
        }),
    }
}

fn evictable(pod: &Pod) -> bool {
    let disrupted = Taint::new("karpenter.sh/disrupted", "", TaintEffect::NoSchedule);
    !pod.is_terminating()
        && !pod
            .spec
            .tolerations
            .iter()
            .any(|toleration| toleration.tolerates(&disrupted))
}

fn blocked_by_budgets(snapshot: &Snapshot, pod: &Pod) -> bool {
    let selects = |budget: &&PodDisruptionBudget| {
        budget.namespace == pod.namespace
            && budget
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&pod.labels))
    };
    let all: Vec<&PodDisruptionBudget> = snapshot
        .pod_disruption_budgets
        .iter()
        .filter(selects)
        .collect();
    match all.as_slice() {
        [] => false,
        [one] => {
            let none_down = [IntOrPercent::Count(0), IntOrPercent::Percent(0)];
            let all_up = Some(IntOrPercent::Percent(100));
            let ready = pod.detail.as_ref().is_some_and(|detail| detail.ready);
            let never = one.max_unavailable.is_some_and(|n| none_down.contains(&n))
                || one.min_available == all_up;
            never && (ready || !one.always_allow_unhealthy)
        }
        _ => true,
    }
}
