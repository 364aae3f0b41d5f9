//! Cases of KEDA's functions.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::autoscaling::hpa::MetricTarget;
use tetrapod::model::autoscaling::keda::{
    Fallback, FallbackBehavior, ScaledObject, ScalingModifiers,
};
use tetrapod::model::autoscaling::trigger::MetricType;
use tetrapod::model::quantity::Quantity;
use tetrapod::model::resources::Name;
use tetrapod::scaling::executor::request_scale;
use tetrapod::scaling::fallback::{COMPOSITE_METRIC, cover};
use tetrapod::scaling::proposal::{Counts, MetricError};
use tetrapod::scaling::scaler::quantity_milli;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn int(value: &Value) -> Option<i32> {
    value.as_i64().map(|number| number.try_into().unwrap())
}

fn ago(seconds: &Value) -> Option<Timestamp> {
    seconds
        .as_i64()
        .map(|seconds| now().plus(Span::from_secs(-seconds)))
}

/// The parts of the input that are fields of a ScaledObject.
fn object(input: &Value) -> ScaledObject {
    let mut object = ScaledObject::new("default", "case", Vec::new());
    object.min_replica_count = int(&input["minReplicaCount"]);
    object.max_replica_count = int(&input["maxReplicaCount"]);
    object.idle_replica_count = int(&input["idleReplicaCount"]);
    object.created = ago(&input["createdSecondsAgo"]);
    let set = |place: &mut Span, seconds: &Value| {
        if let Some(seconds) = seconds.as_i64() {
            *place = Span::from_secs(seconds);
        }
    };
    set(&mut object.cooldown_period, &input["cooldownPeriod"]);
    set(
        &mut object.initial_cooldown_period,
        &input["initialCooldownPeriod"],
    );
    for (key, value) in input["annotations"].as_object().into_iter().flatten() {
        object
            .annotations
            .set(key.as_str(), value.as_str().unwrap());
    }
    let fallback = &input["fallback"];
    if fallback.is_object() {
        let behavior = match fallback["behavior"].as_str().unwrap_or("") {
            "" | "static" => FallbackBehavior::Static,
            "currentReplicas" => FallbackBehavior::CurrentReplicas,
            "currentReplicasIfHigher" => FallbackBehavior::CurrentReplicasIfHigher,
            "currentReplicasIfLower" => FallbackBehavior::CurrentReplicasIfLower,
            "scalingModifiers" => FallbackBehavior::ScalingModifiers,
            other => panic!("{other}"),
        };
        let (threshold, replicas) = (&fallback["failureThreshold"], &fallback["replicas"]);
        object.fallback = Some(Fallback::new(
            int(threshold).unwrap_or(0),
            int(replicas).unwrap_or(0),
            behavior,
        ));
    }
    let modifiers = &input["scalingModifiers"];
    if modifiers.is_object() {
        let text = modifiers["target"].as_str().unwrap_or("");
        let kind = metric_type(modifiers["metricType"].as_str().unwrap_or("AverageValue"));
        let formula = "1".parse().unwrap();
        // A target that is no number cannot be used for a fallback either.
        let mut read = ScalingModifiers::new(formula, text.parse().unwrap_or(0.0), kind);
        read.target_is_whole = text.parse::<i64>().is_ok();
        object.modifiers = Some(read);
    }
    object
}

fn metric_type(text: &str) -> MetricType {
    match text {
        "" | "AverageValue" => MetricType::AverageValue,
        "Value" => MetricType::Value,
        other => panic!("{other}"),
    }
}

/// K-46
pub(crate) fn bounds(input: &Value) -> Value {
    let object = object(input);
    json!({
        "hpaMinReplicas": object.hpa_min_replicas(),
        "hpaMaxReplicas": object.hpa_max_replicas(),
        "valid": object.bounds_are_valid(),
    })
}

/// K-52
pub(crate) fn metric_quantity(input: &Value) -> Value {
    let value = &input["value"];
    // What JSON cannot hold may be a word.
    let word = value.as_str().map(|word| word.parse().unwrap());
    let value = word.or(value.as_f64()).unwrap_or(f64::NAN);
    let milli = quantity_milli(value);
    json!({"milli": milli.to_string(), "quantity": Quantity::from_milli(milli).to_string()})
}

/// Whether two texts are the same quantity: Go prints one as it was written, `1.5` or `1500m`.
pub(crate) fn same_quantity(one: &Value, other: &Value) -> bool {
    let read = |text: &Value| text.as_str()?.parse::<Quantity>().ok();
    read(one).is_some() && read(one) == read(other)
}

/// K-61..K-65
pub(crate) fn request(input: &Value) -> Value {
    let object = object(input);
    let current = int(&input["currentReplicas"]).unwrap();
    let made = request_scale(
        &object,
        ago(&input["lastActiveSecondsAgo"]),
        input["isActive"].as_bool().unwrap(),
        input["isError"].as_bool().unwrap(),
        current,
        now(),
    );
    let conditions = made.conditions();
    json!({
        "active": conditions.active.unwrap_or(""),
        "ready": conditions.ready,
        "paused": conditions.paused.unwrap_or(""),
        "lastActiveTimeSet": made.sets_last_active_time,
        "replicas": made.replicas.unwrap_or(current),
        "scaleWritten": made.replicas.is_some(),
    })
}

/// K-71..K-75
pub(crate) fn fallback(input: &Value) -> Value {
    let object = object(input);
    let metric: Name = "m".into();
    let mut failures = BTreeMap::new();
    let prior = int(&input["priorConsecutiveFailures"]).unwrap();
    if prior > 0 {
        failures.insert(metric.clone(), prior);
    }
    let quantity = Quantity::from_milli(input["targetMilli"].as_i64().unwrap());
    let target = match metric_type(input["targetType"].as_str().unwrap()) {
        MetricType::AverageValue => MetricTarget::AverageValue(quantity),
        MetricType::Value => MetricTarget::Value(quantity),
    };
    let answer = if input["scalerError"].as_bool().unwrap() {
        Err(MetricError::Source("no".to_owned()))
    } else {
        Ok(input["scalerValueMilli"].as_i64().unwrap())
    };
    let current = int(&input["currentReplicas"]).unwrap();
    let ready = int(&input["readyReplicas"]).unwrap();
    let counts = Counts::new(current, current, ready, ready);
    let covered = cover(&object, &mut failures, &metric, target, answer, counts);
    let mut output = json!({
        "error": covered.value.is_err(),
        "fallbackActive": covered.active,
    });
    if let Some(failures) = failures.get(&metric) {
        output["failuresAfter"] = (*failures).into();
    }
    if let Ok(milli) = covered.value {
        let composite = covered.active && object.modifiers.is_some();
        let name = if composite { COMPOSITE_METRIC } else { "m" };
        output["metricName"] = name.into();
        output["valueMilli"] = milli.into();
    }
    output
}
