//! One poll of KEDA: asking the triggers, the formula, and what follows for the count (K-57..K-60, K-77..K-81).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fallback::cover;
use super::number::{cut, double};
use super::policy::Policy;
use super::proposal::{Counts, MetricError};
use super::scaler::{Answer, ask, target};
use crate::base::time::Timestamp;
use crate::model::autoscaling::keda::{FallbackBehavior, ScaledObject, ScalingModifiers};
use crate::model::autoscaling::samples::Reading;
use crate::model::resources::Name;

/// What the last poll noted for a trigger with `useCachedMetrics` (K-58).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Record {
    /// The value in thousandths, `None` for an error.
    pub value_milli: Option<i64>,
}

/// One trigger as a poll, or an HPA's query, found it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TriggerOutcome {
    /// The name of its metric (K-48).
    pub metric: Name,
    /// KEDA's `type`.
    pub scaler: Name,
    /// What the scaler said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The value that goes on, in thousandths: the scaler's, or a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_milli: Option<i64>,
    /// Why there is none, or what the fallback stands in for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the value is a fallback (K-72).
    pub fallback: bool,
    /// Whether the trigger counts as active.
    pub active: bool,
    /// Failures in a row, where they are counted (K-71).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<i32>,
    /// Whether it reads as nil in the formula (K-75).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nil: bool,
}

impl TriggerOutcome {
    /// Whether an error is passed on.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.value_milli.is_none()
    }
}

/// What of the state the triggers share between polls and queries.
#[derive(Debug)]
pub(super) struct Memory<'s> {
    pub(super) failures: &'s mut BTreeMap<Name, i32>,
    pub(super) records: &'s mut BTreeMap<Name, Record>,
}

/// Which of KEDA's two loops asks (K-76).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    /// The poll, which writes the records of cached triggers.
    Poll,
    /// A query of the HPA, which reads them.
    Query,
}

/// Asks the trigger at `index` and considers its fallback (K-58, K-71..K-76).
pub(super) fn ask_trigger(
    policy: &Policy<'_>,
    object: &ScaledObject,
    index: usize,
    readings: &[Option<Reading>],
    memory: &mut Memory<'_>,
    counts: Counts,
    which: Loop,
    now: Timestamp,
) -> Option<TriggerOutcome> {
    let trigger = object.triggers.get(index)?;
    let metric = policy.metric_names.get(index)?;
    let record = memory
        .records
        .get(metric)
        .filter(|_| trigger.use_cached_metrics && which == Loop::Query);
    let (answer, value, mut error) = match record {
        Some(record) => {
            let failed = || MetricError::Source("the last poll failed".to_owned());
            (None, record.value_milli.ok_or_else(failed), None)
        }
        None => match ask(trigger, readings.get(index).and_then(Option::as_ref), now) {
            Ok(answer) => (Some(answer), Ok(answer.value_milli), None),
            Err(error) => {
                let text = error.to_string();
                (None, Err(MetricError::Source(text.clone())), Some(text))
            }
        },
    };
    let covered = cover(
        object,
        memory.failures,
        metric,
        target(trigger),
        value,
        counts,
    );
    let value_milli = match covered.value {
        Ok(milli) => Some(milli),
        Err(passed) => {
            error = Some(passed.to_string());
            None
        }
    };
    if trigger.use_cached_metrics && which == Loop::Poll {
        memory
            .records
            .insert(Name::clone(metric), Record { value_milli });
    }
    let active = answer.is_some_and(|answer: Answer| answer.active);
    Some(TriggerOutcome {
        metric: Name::clone(metric),
        scaler: trigger.scaler.kind().into(),
        answer,
        value_milli,
        error,
        fallback: covered.active,
        active: value_milli.is_some() && (active || covered.active),
        failures: memory.failures.get(metric).copied(),
        nil: covered.nil,
    })
}

/// Asks every trigger that is not cpu or memory.
pub(super) fn ask_all(
    policy: &Policy<'_>,
    object: &ScaledObject,
    readings: &[Option<Reading>],
    memory: &mut Memory<'_>,
    counts: Counts,
    which: Loop,
    now: Timestamp,
) -> Vec<TriggerOutcome> {
    let external = object.triggers.iter().enumerate();
    let external = external.filter(|(_, trigger)| !trigger.is_resource());
    external
        .filter_map(|(index, _)| {
            ask_trigger(policy, object, index, readings, memory, counts, which, now)
        })
        .collect()
}

/// The composite metric of a formula (K-77..K-81).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Composite {
    /// Its value in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_milli: Option<i64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the formula was skipped for a fallback (K-80).
    pub fallback: bool,
    /// Whether the formula gave nil, and the fallback's replicas times the target count instead (K-78).
    pub nil: bool,
}

impl Composite {
    fn of(value: Result<i64, String>) -> Self {
        let (value_milli, error) = match value {
            Ok(milli) => (Some(milli), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            value_milli,
            error,
            fallback: false,
            nil: false,
        }
    }
}

/// Joins the triggers by the formula, or takes the fallback of one of them (K-78, K-80, K-81).
pub(super) fn composite(
    object: &ScaledObject,
    modifiers: &ScalingModifiers,
    triggers: &[TriggerOutcome],
    names: &[Name],
) -> Composite {
    // All fallback values are equal by K-74.
    let fallen = triggers.iter().find(|trigger| trigger.fallback);
    if let Some(milli) = fallen.and_then(|trigger| trigger.value_milli) {
        return Composite {
            fallback: true,
            ..Composite::of(Ok(milli))
        };
    }
    if let Some(failed) = triggers.iter().find(|trigger| trigger.failed()) {
        return Composite::of(Err(format!("trigger {} failed", failed.metric)));
    }
    let by_formula = object
        .fallback
        .is_some_and(|fallback| fallback.behavior == FallbackBehavior::ScalingModifiers);
    let value_of = |name: &str| {
        let place = object
            .triggers
            .iter()
            .position(|trigger| trigger.name.as_deref() == Some(name))?;
        let metric = names.get(place)?;
        let found = triggers.iter().find(|trigger| trigger.metric == *metric)?;
        let value = double(found.value_milli?) / 1_000.0;
        Some(Some(value).filter(|_| !(by_formula && found.nil)))
    };
    match modifiers.formula.eval(value_of) {
        Err(error) => Composite::of(Err(format!("formula: {error}"))),
        Ok(Some(value)) if value.is_finite() => Composite::of(Ok(cut(value * 1_000.0))),
        Ok(Some(_)) => Composite::of(Err("formula: the result is not a finite number".to_owned())),
        Ok(None) => match object.fallback {
            Some(fallback) => {
                let value = f64::from(fallback.replicas) * modifiers.target;
                Composite {
                    nil: true,
                    ..Composite::of(Ok(cut(value * 1_000.0)))
                }
            }
            None => Composite::of(Err(
                "formula: the result is nil, and there is no fallback (K-78)".to_owned(),
            )),
        },
    }
}

/// What the triggers of a poll come to (K-60, K-79).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Activity {
    /// Whether the object is active.
    pub active: bool,
    /// Whether some trigger failed.
    pub error: bool,
    /// Whether `active` was forced because every trigger is cpu or memory (K-60).
    pub forced: bool,
    /// The triggers that are not cpu or memory.
    pub triggers: Vec<TriggerOutcome>,
    /// The formula's metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composite: Option<Composite>,
}

/// Joins what the triggers of a poll say (K-60, K-79).
pub(super) fn activity(
    object: &ScaledObject,
    triggers: Vec<TriggerOutcome>,
    names: &[Name],
) -> Activity {
    let error = triggers.iter().any(TriggerOutcome::failed);
    let mut active = triggers.iter().any(|trigger| trigger.active);
    let mut joined = None;
    if let Some(modifiers) = &object.modifiers {
        let made = composite(object, modifiers, &triggers, names);
        let value = made.value_milli.map(|milli| double(milli) / 1_000.0);
        active = !error && value.is_some_and(|value| value > modifiers.activation_target);
        joined = Some(made);
    }
    let forced = object.has_resource_triggers_only() && !error;
    Activity {
        active: active || forced,
        error,
        forced,
        triggers,
        composite: joined,
    }
}
