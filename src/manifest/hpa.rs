//! HorizontalPodAutoscalers.

use super::cursor::{Cursor, one_of};
use super::meta::{conditions, meta, no_items};
use crate::model::autoscaling::ObjectRef;
use crate::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget, PolicyKind,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, Name};

/// Reads an `autoscaling/v2` HorizontalPodAutoscaler with an API server's defaults (K-2).
pub(super) fn horizontal_pod_autoscaler(root: &Cursor<'_, '_>) -> HorizontalPodAutoscaler {
    let read = meta(root);
    let spec = root.object("spec");
    let status = root.object("status");
    let metrics_at = spec.field("metrics");
    let metrics = if no_items(&metrics_at) {
        vec![default_metric(root.context().name(CPU))]
    } else {
        metrics_at.list(metric)
    };
    let mut autoscaler = HorizontalPodAutoscaler::new(read.namespace, read.name, 1, 1);
    autoscaler.target = object_ref(&spec.object("scaleTargetRef"));
    autoscaler.metrics = metrics;
    autoscaler.behavior = behavior(&spec.field("behavior"));
    autoscaler.current_replicas = replicas(&status.field("currentReplicas"), 0);
    autoscaler.desired_replicas = replicas(&status.field("desiredReplicas"), 0);
    let conditions = conditions(&status.field("conditions"));
    autoscaler.scaled_to_zero = conditions
        .iter()
        .any(|condition| &*condition.kind == "ScaledToZero" && &*condition.status == "True");
    // K-4
    let least = i64::from(!autoscaler.may_scale_to_zero());
    autoscaler.min_replicas = replicas(&spec.field("minReplicas"), least).unwrap_or(1);
    let max_at = spec.field("maxReplicas");
    max_at.fault_if_absent("the most replicas, 1 or more");
    if let Some(max) = replicas(&max_at, 1) {
        if max < autoscaler.min_replicas {
            max_at.fault(format!("minReplicas ({}) or more", autoscaler.min_replicas));
        }
        autoscaler.max_replicas = max;
    }
    autoscaler
}

fn default_metric(cpu: Name) -> MetricSpec {
    MetricSpec::new(
        MetricSource::Resource { name: cpu },
        MetricTarget::Utilization(80),
    )
}

/// A replica count from `least`.
pub(super) fn replicas(at: &Cursor<'_, '_>, least: i64) -> Option<i32> {
    let count = at.integer(least..=i64::from(i32::MAX))?;
    i32::try_from(count).ok()
}

/// A reference to the object that is scaled or measured.
pub(super) fn object_ref(at: &Cursor<'_, '_>) -> ObjectRef {
    at.fault_if_absent("a reference with kind and name");
    let name = at.field("name").required("the name of the object");
    ObjectRef::new(
        at.field("apiVersion").name_or_empty(),
        at.field("kind").name_or_empty(),
        name.unwrap_or_default(),
    )
}

fn metric(item: &Cursor<'_, '_>) -> Option<MetricSpec> {
    if !item.is_object() {
        item.fault_if_absent("a metric");
        return None;
    }
    let type_at = item.field("type");
    type_at.fault_if_absent("Resource, ContainerResource, Pods, Object or External");
    match type_at.text()? {
        "Resource" => {
            let at = item.object("resource");
            let name = resource_name(&at);
            let target = target(&at, &["Utilization", "AverageValue"]);
            Some(MetricSpec::new(
                MetricSource::Resource { name: name? },
                target?,
            ))
        }
        "ContainerResource" => {
            let at = item.object("containerResource");
            let name = resource_name(&at);
            let container = at.field("container").required("the name of a container");
            let target = target(&at, &["Utilization", "AverageValue"]);
            let source = MetricSource::ContainerResource {
                name: name?,
                container: container?,
            };
            Some(MetricSpec::new(source, target?))
        }
        "Pods" => {
            let at = item.object("pods");
            let name = metric_name(&at);
            let target = target(&at, &["AverageValue"]);
            Some(MetricSpec::new(MetricSource::Pods { name: name? }, target?))
        }
        "Object" => {
            let at = item.object("object");
            let name = metric_name(&at);
            let described_object = object_ref(&at.object("describedObject"));
            let target = target(&at, &["Value", "AverageValue"]);
            let source = MetricSource::Object {
                name: name?,
                described_object,
            };
            Some(MetricSpec::new(source, target?))
        }
        "External" => {
            let at = item.object("external");
            let name = metric_name(&at);
            let target = target(&at, &["Value", "AverageValue"]);
            Some(MetricSpec::external(name?, target?))
        }
        _ => {
            type_at.fault("Resource, ContainerResource, Pods, Object or External");
            None
        }
    }
}

fn resource_name(at: &Cursor<'_, '_>) -> Option<Name> {
    at.field("name")
        .required("a resource such as cpu or memory")
}

fn metric_name(at: &Cursor<'_, '_>) -> Option<Name> {
    let metric = at.object("metric");
    metric.field("name").required("the name of the metric")
}

/// The target of a metric, of one of the types in `accepted`.
fn target(metric: &Cursor<'_, '_>, accepted: &[&str]) -> Option<MetricTarget> {
    let at = metric.object("target");
    let type_at = at.field("type");
    let kind = type_at.required(&one_of(accepted))?;
    if !accepted.contains(&&*kind) {
        type_at.fault(one_of(accepted));
        return None;
    }
    match &*kind {
        "Utilization" => {
            let percent_at = at.field("averageUtilization");
            percent_at.fault_if_absent("percent of what the pods request, 1 or more");
            replicas(&percent_at, 1).map(MetricTarget::Utilization)
        }
        "AverageValue" => positive(&at.field("averageValue")).map(MetricTarget::AverageValue),
        _ => positive(&at.field("value")).map(MetricTarget::Value),
    }
}

/// A quantity above 0.
fn positive(at: &Cursor<'_, '_>) -> Option<Quantity> {
    at.fault_if_absent("a quantity above 0");
    let quantity = at.quantity()?;
    if quantity <= Quantity::ZERO {
        at.fault("a quantity above 0");
        return None;
    }
    Some(quantity)
}

const SELECT_POLICIES: [(&str, SelectPolicy); 3] = [
    ("Max", SelectPolicy::Max),
    ("Min", SelectPolicy::Min),
    ("Disabled", SelectPolicy::Disabled),
];
const POLICY_KINDS: [(&str, PolicyKind); 2] =
    [("Pods", PolicyKind::Pods), ("Percent", PolicyKind::Percent)];

/// Reads a `behavior`; `None` when there is none (K-3).
pub(super) fn behavior(at: &Cursor<'_, '_>) -> Option<Behavior> {
    if !at.is_object() {
        return None;
    }
    Some(Behavior {
        scale_up: rules(&at.field("scaleUp")),
        scale_down: rules(&at.field("scaleDown")),
    })
}

/// The rules of one direction within the bounds of K-4.
fn rules(at: &Cursor<'_, '_>) -> Option<ScalingRules> {
    if !at.is_object() {
        return None;
    }
    let within = |field: &str, low: i64, high: i64| {
        let count = at.field(field).integer(low..=high)?;
        i32::try_from(count).ok()
    };
    let policies_at = at.field("policies");
    if policies_at.value().as_array().is_some_and(Vec::is_empty) {
        policies_at.fault("at least one policy");
    }
    let tolerance_at = at.field("tolerance");
    let tolerance = tolerance_at.quantity();
    if tolerance.is_some_and(Quantity::is_negative) {
        tolerance_at.fault("a quantity of 0 or more");
    }
    Some(ScalingRules {
        stabilization_window_seconds: within("stabilizationWindowSeconds", 0, 3_600),
        select_policy: at.field("selectPolicy").choice(&SELECT_POLICIES),
        policies: (!policies_at.is_absent()).then(|| policies_at.list(policy)),
        tolerance,
    })
}

fn policy(item: &Cursor<'_, '_>) -> Option<ScalingPolicy> {
    if !item.is_object() {
        item.fault_if_absent("a policy");
        return None;
    }
    let fields = ["type", "value", "periodSeconds"];
    let [type_at, value_at, period_at] = fields.map(|field| item.field(field));
    type_at.fault_if_absent("Pods or Percent");
    value_at.fault_if_absent("a whole number of 1 or more");
    period_at.fault_if_absent("seconds, 1 to 1800");
    let kind = type_at.choice(&POLICY_KINDS);
    let value = replicas(&value_at, 1);
    let period = period_at.integer(1..=1_800);
    Some(ScalingPolicy::new(
        kind?,
        value?,
        i32::try_from(period?).ok()?,
    ))
}
