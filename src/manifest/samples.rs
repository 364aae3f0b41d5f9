//! The third document of `tetrapod/v1alpha1`: MetricSamples.

use serde_json::Value;

use super::cursor::Cursor;
use super::hpa::replicas;
use super::meta::meta;
use crate::model::autoscaling::samples::{
    AutoscalerKind, ContainerSample, JobCounts, MetricKey, MetricSample, MetricSamples, PodSample,
    Reading, ReadyStatus, Real, ReplicaCounts,
};
use crate::model::pod::PodPhase;

const KINDS: [(&str, AutoscalerKind); 3] = [
    ("ScaledObject", AutoscalerKind::ScaledObject),
    ("ScaledJob", AutoscalerKind::ScaledJob),
    (
        "HorizontalPodAutoscaler",
        AutoscalerKind::HorizontalPodAutoscaler,
    ),
];
const PHASES: [(&str, PodPhase); 5] = [
    ("Pending", PodPhase::Pending),
    ("Running", PodPhase::Running),
    ("Succeeded", PodPhase::Succeeded),
    ("Failed", PodPhase::Failed),
    ("Unknown", PodPhase::Unknown),
];
const READY: [(&str, ReadyStatus); 3] = [
    ("True", ReadyStatus::True),
    ("False", ReadyStatus::False),
    ("Unknown", ReadyStatus::Unknown),
];

/// Reads a MetricSamples document.
pub(super) fn metric_samples(root: &Cursor<'_, '_>) -> MetricSamples {
    root.count_unknown(
        "MetricSamples ",
        &[
            "apiVersion",
            "kind",
            "metadata",
            "autoscaler",
            "replicas",
            "jobs",
            "metrics",
            "pods",
        ],
    );
    let read = meta(root);
    let autoscaler = root.object("autoscaler");
    autoscaler.fault_if_absent("the kind and the name of what the samples are for");
    let kind_at = autoscaler.field("kind");
    kind_at.fault_if_absent("ScaledObject, ScaledJob or HorizontalPodAutoscaler");
    let counts = root.object("replicas");
    let jobs = root.object("jobs");
    MetricSamples {
        namespace: read.namespace,
        name: read.name,
        autoscaler_kind: kind_at.choice(&KINDS).unwrap_or_default(),
        autoscaler: autoscaler
            .field("name")
            .required("the name of the autoscaler")
            .unwrap_or_default(),
        replicas: ReplicaCounts {
            spec: replicas(&counts.field("spec"), 0),
            status: replicas(&counts.field("status"), 0),
            ready: replicas(&counts.field("ready"), 0),
            pods: replicas(&counts.field("pods"), 0),
        },
        jobs: job_counts(&jobs),
        metrics: root.field("metrics").list(metric_sample),
        pods: root.field("pods").list(pod_sample),
    }
}

fn job_counts(jobs: &Cursor<'_, '_>) -> JobCounts {
    let count = |field: &str| jobs.field(field).integer(0..=i64::MAX).unwrap_or(0);
    let read = JobCounts {
        running: count("running"),
        pending: count("pending"),
    };
    if read.pending > read.running {
        jobs.field("pending")
            .fault("up to running, which counts the pending jobs too");
    }
    read
}

const READINGS: [&str; 6] = ["value", "values", "queue", "noData", "series", "error"];

fn metric_sample(item: &Cursor<'_, '_>) -> Option<MetricSample> {
    if !item.is_object() {
        item.fault_if_absent("a reading");
        return None;
    }
    let (index_at, name_at) = (item.field("index"), item.field("name"));
    let of = match (index_at.is_absent(), name_at.is_absent()) {
        (false, true) => index_at.count(0).map(MetricKey::Index),
        (true, false) => name_at.required("a name").map(MetricKey::Name),
        _ => {
            item.fault_found(
                "neither or both of index and name",
                "the index of the trigger or metric, or its name",
            );
            None
        }
    };
    let stated: Vec<&str> = READINGS
        .into_iter()
        .filter(|field| !item.field(field).is_absent())
        .collect();
    let [kind] = stated.as_slice() else {
        item.fault_found(
            format!("{} readings", stated.len()),
            "one of value, values, queue, noData, series and error",
        );
        return None;
    };
    let reading = reading(item, kind);
    Some(MetricSample::new(of?, reading?))
}

fn reading(item: &Cursor<'_, '_>, kind: &str) -> Option<Reading> {
    let at = item.field(kind);
    match kind {
        "value" => number(&at).map(Reading::Value),
        "values" => Some(Reading::Values(at.list(|value| {
            value.fault_if_absent("a quantity such as 500m, 2 or 1Gi");
            value.quantity()
        }))),
        "queue" => {
            let _ = at.is_object();
            let count = |field: &str| at.field(field).integer(0..=i64::MAX);
            Some(Reading::Queue {
                visible: count("visible"),
                in_flight: count("inFlight"),
                delayed: count("delayed"),
            })
        }
        "noData" => {
            if !at.bool()? {
                at.fault("true, or another reading");
                return None;
            }
            Some(Reading::NoData)
        }
        "series" => Some(Reading::Series(at.list(|value| {
            if value.is_absent() {
                return Some(None);
            }
            number(value).map(Some)
        }))),
        _ => at.name().map(Reading::Error),
    }
}

fn number(at: &Cursor<'_, '_>) -> Option<Real> {
    let read = match at.value() {
        Value::Number(number) => number.as_f64().map(Real::new),
        Value::String(word) => Real::from_word(word),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if read.is_none() {
        at.fault("a number, \"NaN\", \"+Inf\" or \"-Inf\"");
    }
    read
}

fn pod_sample(item: &Cursor<'_, '_>) -> Option<PodSample> {
    if !item.is_object() {
        item.fault_if_absent("a pod");
        return None;
    }
    let name = item.field("name").required("the name of the pod");
    let metrics_at = item.field("metrics");
    let metrics = metrics_at.entries();
    let metrics =
        metrics.filter_map(|(name, value)| Some((item.context().name(name), value.quantity()?)));
    let pod = PodSample {
        name: name.unwrap_or_default(),
        phase: item.field("phase").choice(&PHASES),
        deleting: item.field("deleting").bool(),
        ready: item.field("ready").choice(&READY),
        ready_since: item.field("readySince").time(),
        started: item.field("startTime").time(),
        requests: item.field("requests").resources(),
        containers: item.field("containers").list(container),
        metrics: metrics.collect(),
        time: item.field("time").time(),
        window: item.field("window").span(),
    };
    Some(pod)
}

fn container(item: &Cursor<'_, '_>) -> Option<ContainerSample> {
    if !item.is_object() {
        item.fault_if_absent("a container");
        return None;
    }
    let name = item.field("name").required("the name of the container");
    Some(ContainerSample {
        name: name.unwrap_or_default(),
        requests: item.field("requests").resources(),
        usage: item.field("usage").resources(),
    })
}
