//! KEDA's scalers: from what a source answers to a value and its activity (K-48, K-50, K-52..K-56).

use serde::Serialize;

use super::number::{cut, double, rounded_milli};
use crate::base::time::Timestamp;
use crate::model::autoscaling::hpa::MetricTarget;
use crate::model::autoscaling::samples::{Reading, Real};
use crate::model::autoscaling::trigger::{MetricType, Scaler, Trigger};
use crate::model::cron::{Schedule, Zone};
use crate::model::quantity::Quantity;
use crate::model::resources::Name;

/// What a scaler says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Answer {
    /// The value as the source gave it.
    pub value: f64,
    /// The value that the HPA sees, in thousandths (K-52).
    pub value_milli: i64,
    /// Whether the value exceeds the activation threshold, strictly (K-53).
    pub active: bool,
}

/// Why a scaler says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalerError {
    /// The source answered with an error.
    #[error("{0}")]
    Source(Name),
    /// There is no sample for the trigger.
    #[error("there is no sample for it")]
    NoSample,
    /// A queue attribute that counts is missing (K-54).
    #[error("the queue's attribute {0} is missing (K-54)")]
    MissingAttribute(&'static str),
    /// Null or not a number, with `ignoreNullValues: false` (K-55, K-56).
    #[error("there is no value, and ignoreNullValues is false (K-55, K-56)")]
    NoValue,
    /// More than one series (K-56).
    #[error("the query gives {0} series instead of one (K-56)")]
    ManySeries(usize),
    /// The sample is of another kind of source.
    #[error("a sample of this form does not fit {0}")]
    WrongForm(Name),
    /// The rules of this scaler are not known.
    #[error("the scaler {0} is not modelled")]
    Unknown(Name),
}

/// A value as a quantity in thousandths (K-52): rounded; 0 for what is not finite or negative.
///
/// ```
/// use tetrapod::scaling::scaler::quantity_milli;
/// assert_eq!([1.2345, 0.0015, -3.0, f64::NAN].map(quantity_milli), [1234, 2, 0, 0]);
/// ```
#[must_use]
pub fn quantity_milli(value: f64) -> i64 {
    if !value.is_finite() || value < 0.0 {
        return 0;
    }
    rounded_milli(value)
}

/// The name of the HPA's metric for the trigger at `index` (K-48). It is also the key of its failures (K-72).
#[must_use]
pub fn metric_name(index: usize, trigger: &Trigger) -> Name {
    let name = match &trigger.scaler {
        Scaler::SqsQueue { queue_url, .. } => {
            let queue = queue_url.rsplit('/').next().unwrap_or_default();
            normalized(&format!("aws-sqs-{queue}"))
        }
        Scaler::Cron {
            start,
            end,
            timezone,
            ..
        } => {
            let cron = format!(
                "cron-{}-{}-{}",
                timezone.name(),
                schedule_name(start),
                schedule_name(end)
            );
            normalized(&cron)
        }
        Scaler::Resource { resource, .. } => return Name::clone(resource),
        Scaler::CloudWatch { .. } | Scaler::Prometheus { .. } | Scaler::Other { .. } => {
            normalized(trigger.scaler.kind())
        }
    };
    format!("s{index}-{name}").into()
}

fn normalized(name: &str) -> String {
    name.replace(['/', '.', ':', '%', '(', ')'], "-")
}

fn schedule_name(schedule: &Schedule) -> String {
    let signs = [(" ", ""), ("*", "x"), ("/", "Sl"), ("?", "Qm"), (",", "Cm")];
    signs
        .iter()
        .fold(schedule.text().to_owned(), |text, (sign, word)| {
            text.replace(sign, word)
        })
}

/// What the HPA holds the value of a trigger against (K-50, K-52). A scaler that is not modelled has a target of 1, which
/// never matters as it never answers.
#[must_use]
pub fn target(trigger: &Trigger) -> MetricTarget {
    let quantity = match &trigger.scaler {
        Scaler::Resource { target, .. } => return *target,
        Scaler::SqsQueue { queue_length, .. } => Quantity::from_units(*queue_length),
        Scaler::CloudWatch {
            target_metric_value,
            ..
        } => Quantity::from_milli(quantity_milli(*target_metric_value)),
        Scaler::Prometheus { threshold, .. } => Quantity::from_milli(quantity_milli(*threshold)),
        Scaler::Cron { .. } | Scaler::Other { .. } => Quantity::from_units(1),
    };
    match trigger.metric_type {
        MetricType::AverageValue => MetricTarget::AverageValue(quantity),
        MetricType::Value => MetricTarget::Value(quantity),
    }
}

/// Asks the scaler of `trigger`, whose source answered with `reading`, at `now`. A cron trigger needs no reading.
///
/// # Errors
/// If the source failed, or its answer is one that the scaler takes for an error.
pub fn ask(
    trigger: &Trigger,
    reading: Option<&Reading>,
    now: Timestamp,
) -> Result<Answer, ScalerError> {
    if let Some(Reading::Error(error)) = reading {
        return Err(ScalerError::Source(Name::clone(error)));
    }
    let misfit = || Err(ScalerError::WrongForm(trigger.scaler.kind().into()));
    match &trigger.scaler {
        Scaler::Cron {
            start,
            end,
            timezone,
            desired_replicas,
        } => {
            let active = cron_is_active(start, end, timezone, now);
            let value = if active {
                double(*desired_replicas)
            } else {
                0.0
            };
            Ok(answer(value, active))
        }
        Scaler::SqsQueue {
            activation_queue_length,
            scale_on_in_flight,
            scale_on_delayed,
            ..
        } => {
            let length = match reading {
                None => return Err(ScalerError::NoSample),
                Some(Reading::Queue {
                    visible,
                    in_flight,
                    delayed,
                }) => {
                    let parts = [
                        (true, *visible, "visible"),
                        (*scale_on_in_flight, *in_flight, "inFlight"),
                        (*scale_on_delayed, *delayed, "delayed"),
                    ];
                    queue_length(&parts)?
                }
                Some(Reading::Value(value)) if value.get().is_finite() => cut(value.get()),
                Some(_) => return misfit(),
            };
            Ok(answer(double(length), length > *activation_queue_length))
        }
        Scaler::CloudWatch {
            activation_target_metric_value,
            min_metric_value,
            ignore_null_values,
            ..
        } => {
            let value = match reading {
                None => return Err(ScalerError::NoSample),
                Some(Reading::Value(value)) => value.get(),
                Some(Reading::NoData) if *ignore_null_values => *min_metric_value,
                Some(Reading::NoData) => return Err(ScalerError::NoValue),
                Some(_) => return misfit(),
            };
            Ok(answer(value, value > *activation_target_metric_value))
        }
        Scaler::Prometheus {
            activation_threshold,
            ignore_null_values,
            ..
        } => {
            let value = match reading {
                None => return Err(ScalerError::NoSample),
                Some(Reading::Value(value)) => series(&[Some(*value)], *ignore_null_values)?,
                Some(Reading::Series(all)) => series(all, *ignore_null_values)?,
                Some(Reading::NoData) => series(&[], *ignore_null_values)?,
                Some(_) => return misfit(),
            };
            Ok(answer(value, value > *activation_threshold))
        }
        Scaler::Resource { .. } => misfit(),
        Scaler::Other { scaler } => Err(ScalerError::Unknown(Name::clone(scaler))),
    }
}

fn answer(value: f64, active: bool) -> Answer {
    Answer {
        value,
        value_milli: quantity_milli(value),
        active,
    }
}

/// K-54
fn queue_length(parts: &[(bool, Option<i64>, &'static str)]) -> Result<i64, ScalerError> {
    let mut length = 0_i64;
    for (_, count, name) in parts.iter().filter(|(counts, _, _)| *counts) {
        let count = count.ok_or(ScalerError::MissingAttribute(name))?;
        length = length.saturating_add(count);
    }
    Ok(length)
}

/// K-56
fn series(all: &[Option<Real>], ignore_null_values: bool) -> Result<f64, ScalerError> {
    let value = match all {
        [] => f64::NAN,
        // A null sample leaves the scaler at its mark for no value.
        [None] => -1.0,
        [Some(value)] => value.get(),
        many => return Err(ScalerError::ManySeries(many.len())),
    };
    if value.is_finite() {
        Ok(value)
    } else if ignore_null_values {
        Ok(0.0)
    } else {
        Err(ScalerError::NoValue)
    }
}

/// Whether the next end comes before the next start. A start that never comes counts as long past, and so does an end:
/// that is what KEDA's comparison makes of the zero time.
fn cron_is_active(start: &Schedule, end: &Schedule, zone: &Zone, now: Timestamp) -> bool {
    match (start.next(now, zone), end.next(now, zone)) {
        (Some(start), Some(end)) => end <= start,
        (None, _) => true,
        (Some(_), None) => false,
    }
}
