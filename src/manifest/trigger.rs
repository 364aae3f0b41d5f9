//! KEDA's triggers.

use super::cursor::Cursor;
use crate::model::autoscaling::hpa::MetricTarget;
use crate::model::autoscaling::trigger::{MetricType, Scaler, Trigger};
use crate::model::cron::{Schedule, Zone};
use crate::model::quantity::Quantity;

/// Reads one trigger. A scaler of unknown type is kept by its name, as its settings mean nothing to us.
pub(super) fn trigger(item: &Cursor<'_, '_>) -> Option<Trigger> {
    if !item.is_object() {
        item.fault_if_absent("a trigger");
        return None;
    }
    let kind = item.field("type").required("the type of the trigger");
    let name = item.field("name").filled();
    let cached_at = item.field("useCachedMetrics");
    let type_at = item.field("metricType");
    let metadata = item.object("metadata");
    let kind = kind?;
    let resource = matches!(&*kind, "cpu" | "memory");
    let scaler = match &*kind {
        "aws-sqs-queue" => sqs_queue(&metadata),
        "aws-cloudwatch" => cloud_watch(&metadata),
        "prometheus" => prometheus(&metadata),
        "cron" => cron(&metadata),
        "cpu" | "memory" => resource_scaler(&kind, &metadata, &type_at),
        _ => Some(Scaler::Other {
            scaler: kind.clone(),
        }),
    };
    let mut read = Trigger::new(scaler?);
    read.name = name;
    read.use_cached_metrics = cached_at.flag();
    // K-58
    if read.use_cached_metrics && (resource || &*kind == "cron") {
        cached_at.fault("false, as cpu, memory and cron are not cached");
    }
    if !resource {
        read.metric_type = metric_type(&type_at)?;
    }
    Some(read)
}

/// AverageValue or Value; AverageValue when absent or empty (K-50).
pub(super) fn metric_type(at: &Cursor<'_, '_>) -> Option<MetricType> {
    if at.is_absent() {
        return Some(MetricType::AverageValue);
    }
    at.choice(&[
        ("AverageValue", MetricType::AverageValue),
        ("Value", MetricType::Value),
        ("", MetricType::AverageValue),
    ])
}

/// The least target: a smaller one would be 0 in thousandths, which no API server accepts.
const LEAST_TARGET: f64 = 0.001;

/// The number in the text here; [`LEAST_TARGET`] or more where it is a target.
pub(super) fn real(at: &Cursor<'_, '_>, target: bool) -> Option<f64> {
    let accepted = if target {
        "a number of 0.001 or more in quotes"
    } else {
        "a number in quotes"
    };
    let text = at.text()?;
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| number.is_finite() && (!target || *number >= LEAST_TARGET));
    if number.is_none() {
        at.fault(accepted);
    }
    number
}

fn real_or(at: &Cursor<'_, '_>, default: f64) -> Option<f64> {
    match at.filled() {
        Some(_) => real(at, false),
        None => Some(default),
    }
}

fn required_real(at: &Cursor<'_, '_>, target: bool) -> Option<f64> {
    at.fault_if_absent("a number in quotes");
    real(at, target)
}

fn whole_or(at: &Cursor<'_, '_>, default: i64, least: i64) -> Option<i64> {
    let Some(text) = at.filled() else {
        return Some(default);
    };
    let number: Option<i64> = text.parse().ok().filter(|number| *number >= least);
    if number.is_none() {
        at.fault(format!("a whole number of {least} or more in quotes"));
    }
    number
}

/// A truth value as Go writes it.
fn truth_or(at: &Cursor<'_, '_>, default: bool) -> Option<bool> {
    let Some(text) = at.filled() else {
        return Some(default);
    };
    match &*text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => {
            at.fault("true or false in quotes");
            None
        }
    }
}

/// K-54
fn sqs_queue(metadata: &Cursor<'_, '_>) -> Option<Scaler> {
    let url_at = metadata.field("queueURL");
    let queue_url = match metadata.field("queueURLFromEnv").filled() {
        Some(variable) if url_at.is_absent() => Some(variable),
        _ => url_at.required("the URL or the name of a queue"),
    };
    let queue_length = whole_or(&metadata.field("queueLength"), 5, 1);
    let activation = whole_or(&metadata.field("activationQueueLength"), 0, i64::MIN);
    let scale_on_in_flight = truth_or(&metadata.field("scaleOnInFlight"), true);
    let scale_on_delayed = truth_or(&metadata.field("scaleOnDelayed"), false);
    Some(Scaler::SqsQueue {
        queue_url: queue_url?,
        queue_length: queue_length?,
        activation_queue_length: activation?,
        scale_on_in_flight: scale_on_in_flight?,
        scale_on_delayed: scale_on_delayed?,
    })
}

/// K-55
fn cloud_watch(metadata: &Cursor<'_, '_>) -> Option<Scaler> {
    let target = required_real(&metadata.field("targetMetricValue"), true);
    let min = required_real(&metadata.field("minMetricValue"), false);
    let activation = real_or(&metadata.field("activationTargetMetricValue"), 0.0);
    let ignore = truth_or(&metadata.field("ignoreNullValues"), true);
    Some(Scaler::CloudWatch {
        target_metric_value: target?,
        activation_target_metric_value: activation?,
        min_metric_value: min?,
        ignore_null_values: ignore?,
    })
}

/// K-56
fn prometheus(metadata: &Cursor<'_, '_>) -> Option<Scaler> {
    let threshold = required_real(&metadata.field("threshold"), true);
    let activation = real_or(&metadata.field("activationThreshold"), 0.0);
    let ignore = truth_or(&metadata.field("ignoreNullValues"), true);
    Some(Scaler::Prometheus {
        threshold: threshold?,
        activation_threshold: activation?,
        ignore_null_values: ignore?,
    })
}

fn cron(metadata: &Cursor<'_, '_>) -> Option<Scaler> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        at: &Cursor<'_, '_>,
        what: &str,
    ) -> Option<T> {
        match at.required(what)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                at.fault(error.to_string());
                None
            }
        }
    }
    let end_at = metadata.field("end");
    let start: Option<Schedule> = parsed(&metadata.field("start"), "a cron schedule");
    let end: Option<Schedule> = parsed(&end_at, "a cron schedule");
    let timezone: Option<Zone> = parsed(&metadata.field("timezone"), "a time zone");
    let replicas_at = metadata.field("desiredReplicas");
    let desired = replicas_at.required("a whole number of 1 or more in quotes");
    let desired = desired.and_then(|_| whole_or(&replicas_at, 0, 1));
    let (start, end) = (start?, end?);
    if start.text() == end.text() {
        end_at.fault("another schedule than start");
    }
    Some(Scaler::Cron {
        start,
        end,
        timezone: timezone?,
        desired_replicas: desired?,
    })
}

/// K-50
fn resource_scaler(
    resource: &std::sync::Arc<str>,
    metadata: &Cursor<'_, '_>,
    type_at: &Cursor<'_, '_>,
) -> Option<Scaler> {
    let value_at = metadata.field("value");
    let container = metadata.field("containerName").filled();
    let value = value_at.required("percent or a quantity, in quotes");
    let kind = type_at.required("Utilization or AverageValue")?;
    let target = match &*kind {
        "Utilization" => value?
            .parse()
            .ok()
            .filter(|percent| *percent > 0)
            .map(MetricTarget::Utilization),
        "AverageValue" => value?
            .parse()
            .ok()
            .filter(|quantity| *quantity > Quantity::ZERO)
            .map(MetricTarget::AverageValue),
        _ => {
            type_at.fault("Utilization or AverageValue");
            return None;
        }
    };
    if target.is_none() {
        value_at.fault("percent (Utilization) or a quantity (AverageValue) above 0, in quotes");
    }
    Some(Scaler::Resource {
        resource: resource.clone(),
        container,
        target: target?,
    })
}
