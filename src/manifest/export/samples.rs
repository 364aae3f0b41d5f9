//! Metric samples as a document.

use serde_json::Value;

use super::workload::namespaced;
use super::{Object, resources, shown, text};
use crate::model::autoscaling::samples::{
    ContainerSample, JobCounts, MetricKey, MetricSample, MetricSamples, PodSample, Reading, Real,
};

pub(super) fn metric_samples(samples: &MetricSamples) -> Value {
    let autoscaler = Object::default()
        .with("kind", format!("{:?}", samples.autoscaler_kind))
        .with("name", text(&samples.autoscaler));
    let counts = samples.replicas;
    let replicas = Object::default()
        .some("spec", counts.spec)
        .some("status", counts.status)
        .some("ready", counts.ready)
        .some("pods", counts.pods);
    let jobs = if samples.jobs == JobCounts::default() {
        Object::default()
    } else {
        Object::default()
            .with("running", samples.jobs.running)
            .with("pending", samples.jobs.pending)
    };
    let metrics: Value = samples.metrics.iter().map(metric).collect();
    let pods: Value = samples.pods.iter().map(pod).collect();
    let meta = namespaced(&samples.namespace, &samples.name);
    Object::of("tetrapod/v1alpha1", "MetricSamples", meta)
        .with("autoscaler", autoscaler)
        .filled("replicas", replicas)
        .filled("jobs", jobs)
        .filled("metrics", metrics)
        .filled("pods", pods)
        .into()
}

fn real(number: Real) -> Value {
    match number.word() {
        Some(word) => Value::from(word),
        None => Value::from(number.get()),
    }
}

fn metric(sample: &MetricSample) -> Value {
    let object = match &sample.of {
        MetricKey::Index(index) => Object::default().with("index", *index),
        MetricKey::Name(name) => Object::default().with("name", text(name)),
    };
    match &sample.reading {
        Reading::Value(value) => object.with("value", real(*value)),
        Reading::Values(values) => {
            let values: Value = values.iter().map(shown).collect();
            object.with("values", values)
        }
        Reading::Queue {
            visible,
            in_flight,
            delayed,
        } => {
            let queue = Object::default()
                .some("visible", *visible)
                .some("inFlight", *in_flight)
                .some("delayed", *delayed);
            object.with("queue", queue)
        }
        Reading::NoData => object.with("noData", true),
        Reading::Series(series) => {
            let series: Value = series
                .iter()
                .map(|value| value.map_or(Value::Null, real))
                .collect();
            object.with("series", series)
        }
        Reading::Error(error) => object.with("error", text(error)),
    }
    .into()
}

fn pod(pod: &PodSample) -> Value {
    let metrics = pod.metrics.iter();
    let metrics = metrics.map(|(name, value)| (name.to_string(), shown(value)));
    let containers: Value = pod.containers.iter().map(container).collect();
    Object::default()
        .with("name", text(&pod.name))
        .some("phase", pod.phase.map(|phase| format!("{phase:?}")))
        .some("deleting", pod.deleting)
        .some("ready", pod.ready.map(|ready| format!("{ready:?}")))
        .some("readySince", pod.ready_since.map(shown))
        .some("startTime", pod.started.map(shown))
        .filled("requests", resources(&pod.requests))
        .filled("containers", containers)
        .filled("metrics", Value::Object(metrics.collect()))
        .some("time", pod.time.map(shown))
        .some("window", pod.window.map(shown))
        .into()
}

fn container(container: &ContainerSample) -> Value {
    Object::default()
        .with("name", text(&container.name))
        .filled("requests", resources(&container.requests))
        .filled("usage", resources(&container.usage))
        .into()
}
