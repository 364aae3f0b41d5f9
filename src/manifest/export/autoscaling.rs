//! Autoscalers as manifests.

use serde_json::Value;

use super::workload::namespaced;
use super::{Object, labels, maybe, shown, text};
use crate::base::time::Span;
use crate::model::autoscaling::ObjectRef;
use crate::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget, PolicyKind,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use crate::model::autoscaling::keda::{
    Fallback, FallbackBehavior, JobStrategy, MultipleScalers, ScaledJob, ScaledObject,
    ScalingModifiers,
};
use crate::model::autoscaling::trigger::{MetricType, Scaler, Trigger};

pub(super) fn horizontal_pod_autoscaler(autoscaler: &HorizontalPodAutoscaler) -> Value {
    let metrics: Value = autoscaler.metrics.iter().map(metric).collect();
    let spec = Object::default()
        .with("scaleTargetRef", reference(&autoscaler.target))
        .with("minReplicas", autoscaler.min_replicas)
        .with("maxReplicas", autoscaler.max_replicas)
        .filled("metrics", metrics)
        .some("behavior", autoscaler.behavior.as_ref().map(behavior));
    let zero = autoscaler.scaled_to_zero.then(|| {
        let condition = Object::default()
            .with("type", "ScaledToZero")
            .with("status", "True");
        vec![Value::from(condition)]
    });
    let status = Object::default()
        .some("currentReplicas", autoscaler.current_replicas)
        .some("desiredReplicas", autoscaler.desired_replicas)
        .some("conditions", zero);
    let meta = namespaced(&autoscaler.namespace, &autoscaler.name);
    Object::of("autoscaling/v2", "HorizontalPodAutoscaler", meta)
        .with("spec", spec)
        .filled("status", status)
        .into()
}

fn reference(to: &ObjectRef) -> Object {
    Object::default()
        .filled("apiVersion", text(&to.api_version))
        .filled("kind", text(&to.kind))
        .with("name", text(&to.name))
}

fn metric(spec: &MetricSpec) -> Value {
    let held = |object: Object| object.with("target", target(spec.target));
    let named = |name| Object::default().with("metric", Object::default().with("name", text(name)));
    let (kind, field, body) = match &spec.source {
        MetricSource::Resource { name } => {
            let body = Object::default().with("name", text(name));
            ("Resource", "resource", held(body))
        }
        MetricSource::ContainerResource { name, container } => {
            let body = Object::default()
                .with("name", text(name))
                .with("container", text(container));
            ("ContainerResource", "containerResource", held(body))
        }
        MetricSource::Pods { name } => ("Pods", "pods", held(named(name))),
        MetricSource::Object {
            name,
            described_object,
        } => {
            let body = named(name).with("describedObject", reference(described_object));
            ("Object", "object", held(body))
        }
        MetricSource::External { name } => ("External", "external", held(named(name))),
    };
    Object::default()
        .with("type", kind)
        .with(field, body)
        .into()
}

fn target(target: MetricTarget) -> Object {
    let (kind, field, value) = match target {
        MetricTarget::Value(value) => ("Value", "value", shown(value)),
        MetricTarget::AverageValue(value) => ("AverageValue", "averageValue", shown(value)),
        MetricTarget::Utilization(percent) => {
            ("Utilization", "averageUtilization", Value::from(percent))
        }
    };
    Object::default().with("type", kind).with(field, value)
}

fn behavior(behavior: &Behavior) -> Object {
    Object::default()
        .some("scaleUp", behavior.scale_up.as_ref().map(rules))
        .some("scaleDown", behavior.scale_down.as_ref().map(rules))
}

fn rules(rules: &ScalingRules) -> Object {
    let select = rules.select_policy.map(|select| match select {
        SelectPolicy::Max => "Max",
        SelectPolicy::Min => "Min",
        SelectPolicy::Disabled => "Disabled",
    });
    let policies = rules.policies.as_deref().map(|policies| {
        let policies: Value = policies.iter().map(policy).collect();
        policies
    });
    Object::default()
        .some(
            "stabilizationWindowSeconds",
            rules.stabilization_window_seconds,
        )
        .some("selectPolicy", select)
        .some("policies", policies)
        .some("tolerance", rules.tolerance.map(shown))
}

fn policy(policy: &ScalingPolicy) -> Value {
    let kind = match policy.kind {
        PolicyKind::Pods => "Pods",
        PolicyKind::Percent => "Percent",
    };
    Object::default()
        .with("type", kind)
        .with("value", policy.value)
        .with("periodSeconds", policy.period_seconds)
        .into()
}

fn seconds(span: Span) -> i64 {
    span.as_millis() / 1_000
}

pub(super) fn scaled_object(object: &ScaledObject) -> Value {
    let config = Object::default()
        .some("behavior", object.behavior.as_ref().map(behavior))
        .some("name", maybe(object.hpa_name.as_ref()));
    let advanced = Object::default()
        .filled("horizontalPodAutoscalerConfig", config)
        .filled(
            "restoreToOriginalReplicaCount",
            object.restore_to_original_replica_count,
        )
        .some("scalingModifiers", object.modifiers.as_ref().map(modifiers));
    let spec = Object::default()
        .with("scaleTargetRef", reference(&object.target))
        .with("pollingInterval", seconds(object.polling_interval))
        .with("cooldownPeriod", seconds(object.cooldown_period))
        .with(
            "initialCooldownPeriod",
            seconds(object.initial_cooldown_period),
        )
        .some("minReplicaCount", object.min_replica_count)
        .some("maxReplicaCount", object.max_replica_count)
        .some("idleReplicaCount", object.idle_replica_count)
        .filled("advanced", advanced)
        .with("triggers", triggers(&object.triggers))
        .some("fallback", object.fallback.map(fallback));
    let health = object.failures.iter().map(|(metric, failures)| {
        let health = Object::default().with("numberOfFailures", *failures);
        (metric.to_string(), Value::from(health))
    });
    let status = Object::default()
        .some("lastActiveTime", object.last_active_time.map(shown))
        .some("originalReplicaCount", object.original_replica_count)
        .filled("health", Value::Object(health.collect()));
    let meta = namespaced(&object.namespace, &object.name)
        .some("creationTimestamp", object.created.map(shown))
        .filled("annotations", labels(&object.annotations));
    Object::of("keda.sh/v1alpha1", "ScaledObject", meta)
        .with("spec", spec)
        .filled("status", status)
        .into()
}

fn fallback(fallback: Fallback) -> Object {
    let behavior = match fallback.behavior {
        FallbackBehavior::Static => "static",
        FallbackBehavior::CurrentReplicas => "currentReplicas",
        FallbackBehavior::CurrentReplicasIfHigher => "currentReplicasIfHigher",
        FallbackBehavior::CurrentReplicasIfLower => "currentReplicasIfLower",
        FallbackBehavior::ScalingModifiers => "scalingModifiers",
    };
    Object::default()
        .with("failureThreshold", fallback.failure_threshold)
        .with("replicas", fallback.replicas)
        .with("behavior", behavior)
}

fn modifiers(modifiers: &ScalingModifiers) -> Object {
    // A whole number without a point is one for KEDA's fallback too; a point or an exponent says that it is none (K-71).
    let target = if modifiers.target_is_whole {
        format!("{}", modifiers.target)
    } else {
        format!("{:?}", modifiers.target)
    };
    Object::default()
        .with("formula", modifiers.formula.text())
        .with("target", target)
        .with("activationTarget", real(modifiers.activation_target))
        .with("metricType", metric_type(modifiers.metric_type))
}

const fn metric_type(kind: MetricType) -> &'static str {
    match kind {
        MetricType::AverageValue => "AverageValue",
        MetricType::Value => "Value",
    }
}

/// A number as KEDA's settings hold it: in quotes, the shortest that reads back as the same.
fn real(number: f64) -> Value {
    shown(format!("{number:?}"))
}

fn triggers(all: &[Trigger]) -> Value {
    all.iter().map(trigger).collect()
}

fn trigger(trigger: &Trigger) -> Value {
    let object = Object::default()
        .with("type", trigger.scaler.kind())
        .some("name", maybe(trigger.name.as_ref()))
        .filled("useCachedMetrics", trigger.use_cached_metrics);
    let kind = metric_type(trigger.metric_type);
    let (kind, metadata) = match &trigger.scaler {
        Scaler::SqsQueue {
            queue_url,
            queue_length,
            activation_queue_length,
            scale_on_in_flight,
            scale_on_delayed,
        } => {
            let metadata = Object::default()
                .with("queueURL", text(queue_url))
                .with("queueLength", shown(queue_length))
                .with("activationQueueLength", shown(activation_queue_length))
                .with("scaleOnInFlight", shown(scale_on_in_flight))
                .with("scaleOnDelayed", shown(scale_on_delayed));
            (kind, metadata)
        }
        Scaler::CloudWatch {
            target_metric_value,
            activation_target_metric_value,
            min_metric_value,
            ignore_null_values,
        } => {
            let metadata = Object::default()
                .with("targetMetricValue", real(*target_metric_value))
                .with(
                    "activationTargetMetricValue",
                    real(*activation_target_metric_value),
                )
                .with("minMetricValue", real(*min_metric_value))
                .with("ignoreNullValues", shown(ignore_null_values));
            (kind, metadata)
        }
        Scaler::Prometheus {
            threshold,
            activation_threshold,
            ignore_null_values,
        } => {
            let metadata = Object::default()
                .with("threshold", real(*threshold))
                .with("activationThreshold", real(*activation_threshold))
                .with("ignoreNullValues", shown(ignore_null_values));
            (kind, metadata)
        }
        Scaler::Cron {
            start,
            end,
            timezone,
            desired_replicas,
        } => {
            let metadata = Object::default()
                .with("start", start.text())
                .with("end", end.text())
                .with("timezone", timezone.name())
                .with("desiredReplicas", shown(desired_replicas));
            (kind, metadata)
        }
        Scaler::Resource {
            container, target, ..
        } => {
            let (kind, value) = match target {
                MetricTarget::Utilization(percent) => ("Utilization", shown(percent)),
                MetricTarget::AverageValue(value) | MetricTarget::Value(value) => {
                    ("AverageValue", shown(value))
                }
            };
            let metadata = Object::default()
                .with("value", value)
                .some("containerName", maybe(container.as_ref()));
            (kind, metadata)
        }
        Scaler::Other { .. } => (kind, Object::default()),
    };
    object
        .with("metricType", kind)
        .with("metadata", metadata)
        .into()
}

pub(super) fn scaled_job(job: &ScaledJob) -> Value {
    let calculation = match job.calculation {
        MultipleScalers::Max => "max",
        MultipleScalers::Min => "min",
        MultipleScalers::Avg => "avg",
        MultipleScalers::Sum => "sum",
    };
    let strategy = match job.strategy {
        JobStrategy::Default => Object::default(),
        JobStrategy::Accurate => Object::default().with("strategy", "accurate"),
        JobStrategy::Eager => Object::default().with("strategy", "eager"),
        JobStrategy::Custom {
            queue_length_deduction,
            running_job_percentage,
        } => Object::default()
            .with("strategy", "custom")
            .with("customScalingQueueLengthDeduction", queue_length_deduction)
            .with(
                "customScalingRunningJobPercentage",
                real(running_job_percentage),
            ),
    };
    let spec = Object::default()
        .with("pollingInterval", seconds(job.polling_interval))
        .some("minReplicaCount", job.min_replica_count)
        .some("maxReplicaCount", job.max_replica_count)
        .with(
            "scalingStrategy",
            strategy.with("multipleScalersCalculation", calculation),
        )
        .with("triggers", triggers(&job.triggers));
    let meta =
        namespaced(&job.namespace, &job.name).filled("annotations", labels(&job.annotations));
    Object::of("keda.sh/v1alpha1", "ScaledJob", meta)
        .with("spec", spec)
        .into()
}
