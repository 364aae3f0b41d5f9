//! KEDA's ScaledObjects and ScaledJobs.

use super::cursor::Cursor;
use super::hpa::{behavior, object_ref, replicas};
use super::meta::{labels, meta, no_items};
use super::trigger::{metric_type, real, trigger};
use crate::base::time::Span;
use crate::model::autoscaling::keda::{
    Fallback, FallbackBehavior, JobStrategy, MultipleScalers, ScaledJob, ScaledObject,
    ScalingModifiers,
};
use crate::model::autoscaling::trigger::Trigger;
use crate::model::formula::Formula;

/// Reads a `keda.sh/v1alpha1` ScaledObject (K-45..K-51).
pub(super) fn scaled_object(root: &Cursor<'_, '_>) -> ScaledObject {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec = root.object("spec");
    let status = root.object("status");
    let mut object = ScaledObject::new(read.namespace, read.name, triggers(&spec));
    object.created = read.created;
    object.annotations = labels(&metadata.field("annotations"));
    object.target = object_ref(&spec.object("scaleTargetRef"));
    set_seconds(
        &mut object.polling_interval,
        &spec.field("pollingInterval"),
        1,
    );
    set_seconds(
        &mut object.cooldown_period,
        &spec.field("cooldownPeriod"),
        0,
    );
    set_seconds(
        &mut object.initial_cooldown_period,
        &spec.field("initialCooldownPeriod"),
        0,
    );
    let (min_at, max_at) = (spec.field("minReplicaCount"), spec.field("maxReplicaCount"));
    let idle_at = spec.field("idleReplicaCount");
    object.min_replica_count = replicas(&min_at, 0);
    object.max_replica_count = replicas(&max_at, 1);
    object.idle_replica_count = replicas(&idle_at, 0);
    bounds(&object, &min_at, &idle_at);
    object.fallback = fallback(&spec.field("fallback"));
    let advanced = spec.object("advanced");
    let config = advanced.object("horizontalPodAutoscalerConfig");
    object.behavior = behavior(&config.field("behavior"));
    object.hpa_name = config.field("name").filled();
    object.restore_to_original_replica_count =
        advanced.field("restoreToOriginalReplicaCount").flag();
    object.modifiers = modifiers(&advanced.field("scalingModifiers"), &object.triggers);
    // K-71
    if object.fallback.is_some()
        && object.modifiers.is_none()
        && object.has_resource_triggers_only()
        && !object.triggers.is_empty()
    {
        spec.field("fallback")
            .fault_found("cpu and memory triggers only", "at least one other trigger");
    }
    object.last_active_time = status.field("lastActiveTime").time();
    object.original_replica_count = replicas(&status.field("originalReplicaCount"), 0);
    for (metric, health) in status.field("health").entries() {
        if let Some(failures) = replicas(&health.field("numberOfFailures"), 0) {
            let metric = root.context().name(metric);
            object.failures.insert(metric, failures);
        }
    }
    object
}

fn set_seconds(place: &mut Span, at: &Cursor<'_, '_>, least: i64) {
    if let Some(seconds) = at.integer(least..=i64::from(i32::MAX)) {
        *place = Span::from_secs(seconds);
    }
}

/// K-46 and K-47.
fn bounds(object: &ScaledObject, min_at: &Cursor<'_, '_>, idle_at: &Cursor<'_, '_>) {
    let least = object.hpa_min_replicas();
    if object.min_replica_count.is_some() && least > object.hpa_max_replicas() {
        min_at.fault(format!(
            "up to maxReplicaCount ({})",
            object.hpa_max_replicas()
        ));
    } else if !object.bounds_are_valid() {
        idle_at.fault("less than minReplicaCount, which must be given");
    }
    let only = object.has_resource_triggers_only() && !object.triggers.is_empty();
    if only && object.min_replica_count.is_none_or(|min| min == 0) {
        min_at.fault("1 or more, as every trigger is cpu or memory");
    }
}

/// The triggers, whose names must differ.
fn triggers(spec: &Cursor<'_, '_>) -> Vec<Trigger> {
    let at = spec.field("triggers");
    if no_items(&at) {
        at.fault("at least one trigger");
    }
    let mut names = Vec::new();
    at.list(|item| {
        let read = trigger(item)?;
        if let Some(name) = &read.name {
            if names.contains(name) {
                item.field("name").fault("a name that no other trigger has");
            }
            names.push(name.clone());
        }
        Some(read)
    })
}

const FALLBACK_BEHAVIORS: [(&str, FallbackBehavior); 6] = [
    ("static", FallbackBehavior::Static),
    ("currentReplicas", FallbackBehavior::CurrentReplicas),
    (
        "currentReplicasIfHigher",
        FallbackBehavior::CurrentReplicasIfHigher,
    ),
    (
        "currentReplicasIfLower",
        FallbackBehavior::CurrentReplicasIfLower,
    ),
    ("scalingModifiers", FallbackBehavior::ScalingModifiers),
    ("", FallbackBehavior::Static),
];

fn fallback(at: &Cursor<'_, '_>) -> Option<Fallback> {
    if !at.is_object() {
        return None;
    }
    let (threshold_at, replicas_at) = (at.field("failureThreshold"), at.field("replicas"));
    threshold_at.fault_if_absent("a whole number of 0 or more");
    replicas_at.fault_if_absent("a whole number of 0 or more");
    let behavior = at.field("behavior").choice(&FALLBACK_BEHAVIORS);
    Some(Fallback::new(
        replicas(&threshold_at, 0)?,
        replicas(&replicas_at, 0)?,
        behavior.unwrap_or_default(),
    ))
}

/// K-77, K-78: formula and target together, over the names of the triggers that are not cpu or memory.
fn modifiers(at: &Cursor<'_, '_>, triggers: &[Trigger]) -> Option<ScalingModifiers> {
    let text_of = |field: &str| at.field(field).text().unwrap_or("");
    let fields = ["formula", "target", "activationTarget", "metricType"];
    if !at.is_object() || fields.iter().all(|field| text_of(field).is_empty()) {
        return None;
    }
    let [formula_at, target_at, activation_at, type_at] = fields.map(|field| at.field(field));
    let formula_text = formula_at.required("a formula over the names of triggers");
    let target_text = target_at.required("a number above 0");
    let formula = formula_text.and_then(|text| match text.parse::<Formula>() {
        Ok(formula) => Some(formula),
        Err(error) => {
            formula_at.fault_found(format!("{error}"), "a formula over the names of triggers");
            None
        }
    });
    let target = target_text.and_then(|_| real(&target_at, true));
    let activation_target = match activation_at.filled() {
        Some(_) => real(&activation_at, false)?,
        None => 0.0,
    };
    let metric_type = metric_type(&type_at)?;
    let formula = formula?;
    for (index, trigger) in triggers.iter().enumerate() {
        if !trigger.is_resource() && trigger.name.is_none() {
            formula_at.fault_found(
                format!("trigger {index} without a name"),
                "a name for every trigger that is not cpu or memory",
            );
        }
    }
    for (name, column) in formula.variables() {
        let known = |trigger: &&Trigger| trigger.name.as_deref() == Some(name);
        if !triggers
            .iter()
            .filter(known)
            .any(|known| !known.is_resource())
        {
            formula_at.fault_found(
                format!("{name} at column {column}"),
                "names of triggers that are not cpu or memory",
            );
        }
    }
    let mut read = ScalingModifiers::new(formula, target?, metric_type);
    // A sign is taken, a point or an exponent is not. Beyond 2^53 a double is no whole number that anyone wrote.
    let whole = text_of("target").parse::<i64>();
    read.target_is_whole = whole.is_ok_and(|target| target < 1 << 53);
    read.activation_target = activation_target;
    Some(read)
}

const CALCULATIONS: [(&str, MultipleScalers); 5] = [
    ("max", MultipleScalers::Max),
    ("min", MultipleScalers::Min),
    ("avg", MultipleScalers::Avg),
    ("sum", MultipleScalers::Sum),
    ("", MultipleScalers::Max),
];

/// Reads a `keda.sh/v1alpha1` ScaledJob (K-82, K-83).
pub(super) fn scaled_job(root: &Cursor<'_, '_>) -> ScaledJob {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec = root.object("spec");
    let strategy_at = spec.object("scalingStrategy");
    let mut job = ScaledJob::new(read.namespace, read.name, triggers(&spec));
    job.annotations = labels(&metadata.field("annotations"));
    set_seconds(&mut job.polling_interval, &spec.field("pollingInterval"), 1);
    job.min_replica_count = replicas(&spec.field("minReplicaCount"), 0);
    job.max_replica_count = replicas(&spec.field("maxReplicaCount"), 1);
    job.calculation = strategy_at
        .field("multipleScalersCalculation")
        .choice(&CALCULATIONS)
        .unwrap_or_default();
    job.strategy = strategy(&strategy_at).unwrap_or_default();
    job
}

fn strategy(at: &Cursor<'_, '_>) -> Option<JobStrategy> {
    let kind_at = at.field("strategy");
    match kind_at.text()? {
        "" | "default" => Some(JobStrategy::Default),
        "accurate" => Some(JobStrategy::Accurate),
        "eager" => Some(JobStrategy::Eager),
        "custom" => {
            let deduction = at.field("customScalingQueueLengthDeduction").int32();
            let share_at = at.field("customScalingRunningJobPercentage");
            // Without a share KEDA falls back to its default strategy.
            share_at.filled()?;
            Some(JobStrategy::Custom {
                queue_length_deduction: deduction.unwrap_or(0),
                running_job_percentage: real(&share_at, false)?,
            })
        }
        _ => {
            kind_at.fault("default, custom, accurate or eager");
            None
        }
    }
}
