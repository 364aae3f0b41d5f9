//! KEDA's fallback: what stands in for a trigger that keeps failing (K-71..K-76).

use std::collections::BTreeMap;

use super::number::{approximate, cut};
use super::proposal::{Counts, MetricError};
use crate::model::autoscaling::hpa::MetricTarget;
use crate::model::autoscaling::keda::{Fallback, FallbackBehavior, ScaledObject};
use crate::model::autoscaling::trigger::MetricType;
use crate::model::resources::Name;

/// The name of the metric that a formula makes (K-77).
pub const COMPOSITE_METRIC: &str = "composite-metric";

/// What a trigger gives after its fallback was considered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Covered {
    /// The value in thousandths, or the error that is passed on.
    pub value: Result<i64, MetricError>,
    /// Whether the value is a fallback: the trigger then counts as active (K-72).
    pub active: bool,
    /// Whether the trigger reads as nil in the formula (K-75).
    pub nil: bool,
}

/// The fallback of `object`, if it can be used (K-71).
#[must_use]
pub fn usable(object: &ScaledObject) -> Option<Fallback> {
    let whole = object
        .modifiers
        .as_ref()
        .is_none_or(|modifiers| modifiers.target_is_whole && modifiers.target > 0.0);
    object
        .fallback
        .filter(|fallback| fallback.failure_threshold >= 0 && fallback.replicas >= 0 && whole)
}

/// The count that a fallback means (K-73).
#[must_use]
pub fn replicas(fallback: Fallback, current: i32) -> i32 {
    match fallback.behavior {
        FallbackBehavior::Static | FallbackBehavior::ScalingModifiers => fallback.replicas,
        FallbackBehavior::CurrentReplicas => current,
        FallbackBehavior::CurrentReplicasIfHigher => current.max(fallback.replicas),
        FallbackBehavior::CurrentReplicasIfLower => current.min(fallback.replicas),
    }
}

/// Counts the failure or success of `metric` in `failures` and replaces the error by a fallback where it is due
/// (K-71..K-75). `target` is that of the trigger. Both of KEDA's loops come through here (K-76).
pub fn cover(
    object: &ScaledObject,
    failures: &mut BTreeMap<Name, i32>,
    metric: &Name,
    target: MetricTarget,
    answer: Result<i64, MetricError>,
    counts: Counts,
) -> Covered {
    let passed = |value| Covered {
        value,
        active: false,
        nil: false,
    };
    let Some(fallback) = usable(object) else {
        return passed(answer);
    };
    let counter = failures.entry(Name::clone(metric)).or_insert(0);
    if answer.is_ok() {
        *counter = 0;
        return passed(answer);
    }
    *counter = counter.saturating_add(1);
    if *counter <= fallback.failure_threshold {
        return passed(answer);
    }
    if fallback.behavior == FallbackBehavior::ScalingModifiers {
        return Covered {
            value: Ok(-1_000),
            active: false,
            nil: true,
        };
    }
    match substitute(object, fallback, target, counts) {
        Some(milli) => Covered {
            value: Ok(milli),
            active: true,
            nil: false,
        },
        None => passed(Err(MetricError::Source(
            "the fallback of a Value target needs ready pods, and none is ready (K-74)".to_owned(),
        ))),
    }
}

/// The value for which the HPA computes the fallback's count, in thousandths; `None` where it would take ready pods and
/// there are none (K-74).
fn substitute(
    object: &ScaledObject,
    fallback: Fallback,
    target: MetricTarget,
    counts: Counts,
) -> Option<i64> {
    let mut count = f64::from(replicas(fallback, counts.spec));
    let (target, as_such) = match (&object.modifiers, target) {
        (Some(modifiers), _) => (modifiers.target, modifiers.metric_type == MetricType::Value),
        (None, MetricTarget::Value(value)) => (approximate(value), true),
        (None, MetricTarget::AverageValue(value)) => (approximate(value), false),
        (None, MetricTarget::Utilization(_)) => return None,
    };
    if as_such {
        if counts.ready == 0 {
            return None;
        }
        count /= f64::from(counts.ready);
    }
    Some(cut(target * 1_000.0 * count))
}
