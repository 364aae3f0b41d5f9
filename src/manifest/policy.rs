//! PodDisruptionBudgets, DaemonSets and PodGroups.

use serde_json::Value;

use super::cursor::Cursor;
use super::meta::{labels, meta, selector};
use super::pod::pod_spec;
use crate::model::policy::{DaemonSet, IntOrPercent, PodDisruptionBudget, PodGroup};

const COUNT_OR_PERCENT: &str = "a whole number of 0 or more, or a percentage such as 50%";

fn int_or_percent(at: &Cursor<'_, '_>) -> Option<IntOrPercent> {
    let read = match at.value() {
        Value::Null => return None,
        Value::Number(number) => number
            .as_i64()
            .and_then(|count| i32::try_from(count).ok())
            .filter(|count| *count >= 0)
            .map(IntOrPercent::Count),
        Value::String(text) => text
            .strip_suffix('%')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<i32>().ok())
            .filter(|percent| *percent <= 100)
            .map(IntOrPercent::Percent),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if read.is_none() {
        at.fault(COUNT_OR_PERCENT);
    }
    read
}

/// Reads a `policy` PodDisruptionBudget.
pub(super) fn disruption_budget(root: &Cursor<'_, '_>) -> PodDisruptionBudget {
    let read = meta(root);
    let spec = root.object("spec");
    let status = root.object("status");
    let max_at = spec.field("maxUnavailable");
    let min_available = int_or_percent(&spec.field("minAvailable"));
    let max_unavailable = int_or_percent(&max_at);
    if min_available.is_some() && max_unavailable.is_some() {
        max_at.fault("either minAvailable or maxUnavailable");
    }
    let always = spec
        .field("unhealthyPodEvictionPolicy")
        .choice(&[("AlwaysAllow", true), ("IfHealthyBudget", false)]);
    PodDisruptionBudget {
        namespace: read.namespace,
        name: read.name,
        selector: selector(&spec.field("selector")),
        min_available,
        max_unavailable,
        always_allow_unhealthy: always.unwrap_or(false),
        disruptions_allowed: status.field("disruptionsAllowed").int32(),
    }
}

/// Reads an `apps` DaemonSet.
pub(super) fn daemon_set(root: &Cursor<'_, '_>) -> DaemonSet {
    let read = meta(root);
    let spec = root.object("spec");
    let template = spec.object("template");
    let metadata = template.object("metadata");
    let pod = template.object("spec");
    pod.fault_if_absent("a pod specification");
    let spec = pod_spec(&pod);
    let template_labels = labels(&metadata.field("labels"));
    let spec = root.context().pools.borrow_mut().specs.share(spec);
    DaemonSet {
        namespace: read.namespace,
        name: read.name,
        uid: read.uid,
        template_labels,
        spec,
    }
}

/// Reads a `scheduling.x-k8s.io` PodGroup.
pub(super) fn pod_group(root: &Cursor<'_, '_>) -> PodGroup {
    let read = meta(root);
    let spec = root.object("spec");
    PodGroup {
        namespace: read.namespace,
        name: read.name,
        min_member: spec.field("minMember").count(0).unwrap_or(0),
    }
}
