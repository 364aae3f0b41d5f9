//! From a MetricSamples document and a snapshot to what a step sees.

use super::policy::{Autoscaler, Policy};
use super::proposal::Counts;
use super::step::Observed;
use crate::model::autoscaling::hpa::{HorizontalPodAutoscaler, MetricSpec};
use crate::model::autoscaling::samples::{
    AutoscalerKind, ContainerSample, MetricKey, MetricSamples, PodSample, Reading, ReadyStatus,
};
use crate::model::cluster::Snapshot;
use crate::model::pod::{Pod, PodPhase};
use crate::model::resources::Name;

/// Why an autoscaler cannot be stepped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// Neither samples nor the status of an HPA tell the count.
    #[error(
        "the present replica count is not known: state replicas.spec in a MetricSamples document for it, or give its HPA with its status"
    )]
    NoCount,
    /// A sample is for something that the autoscaler does not have.
    #[error(
        "MetricSamples {document}: metrics[{place}] is for {key}, which the autoscaler does not have; it has {known}"
    )]
    UnknownMetric {
        /// Namespace and name of the document.
        document: String,
        /// The place of the sample.
        place: usize,
        /// What it is for.
        key: String,
        /// What there is.
        known: String,
    },
}

/// The kind, namespace and name of an autoscaler.
#[must_use]
pub fn identity<'a>(autoscaler: Autoscaler<'a>) -> (AutoscalerKind, &'a Name, &'a Name) {
    match autoscaler {
        Autoscaler::Hpa(hpa) => (
            AutoscalerKind::HorizontalPodAutoscaler,
            &hpa.namespace,
            &hpa.name,
        ),
        Autoscaler::ScaledObject(object) => (
            AutoscalerKind::ScaledObject,
            &object.namespace,
            &object.name,
        ),
        Autoscaler::ScaledJob(job) => (AutoscalerKind::ScaledJob, &job.namespace, &job.name),
    }
}

/// What a step of `policy` sees of `snapshot`: the samples that are for it (the last of several documents), counts from
/// these or from the status of its HPA, and pods completed from the snapshot's pods.
///
/// # Errors
/// If the count is not known, or a sample is for a trigger or metric that there is not.
pub fn observe(policy: &Policy<'_>, snapshot: &Snapshot) -> Result<Observed, ObserveError> {
    let (kind, namespace, name) = identity(policy.autoscaler);
    let is_ours = |samples: &&MetricSamples| {
        samples.autoscaler_kind == kind
            && samples.namespace == *namespace
            && samples.autoscaler == *name
    };
    let samples = snapshot.metric_samples.iter().rev().find(is_ours);
    let none = MetricSamples::default();
    let samples = samples.unwrap_or(&none);
    let pods: Vec<PodSample> = samples
        .pods
        .iter()
        .map(|sample| completed(sample, namespace, snapshot))
        .collect();
    let counts = match policy.autoscaler {
        Autoscaler::ScaledJob(_) => Counts::default(),
        Autoscaler::Hpa(_) | Autoscaler::ScaledObject(_) => {
            counts(policy, samples, &pods, snapshot)?
        }
    };
    let mut observed = Observed::new(counts, readings(policy, samples)?);
    observed.jobs = samples.jobs;
    observed.pods = pods;
    Ok(observed)
}

fn counts(
    policy: &Policy<'_>,
    samples: &MetricSamples,
    pods: &[PodSample],
    snapshot: &Snapshot,
) -> Result<Counts, ObserveError> {
    let stated = samples.replicas;
    let own = policy.hpa().and_then(|hpa| {
        let same = |other: &&HorizontalPodAutoscaler| {
            other.namespace == hpa.namespace && other.name == hpa.name
        };
        snapshot.horizontal_pod_autoscalers.iter().find(same)
    });
    let spec = stated.spec.or_else(|| own?.desired_replicas);
    let spec = spec.ok_or(ObserveError::NoCount)?;
    let status = stated.status.or_else(|| own?.current_replicas);
    let status = status.unwrap_or(spec);
    let listed = |counts: &dyn Fn(&PodSample) -> bool| {
        let count = pods.iter().filter(|pod| counts(pod)).count();
        (!pods.is_empty()).then(|| i32::try_from(count).unwrap_or(i32::MAX))
    };
    let ready =
        listed(&|pod| pod.phase == Some(PodPhase::Running) && pod.ready == Some(ReadyStatus::True));
    Ok(Counts::new(
        spec,
        status,
        stated.pods.or_else(|| listed(&|_| true)).unwrap_or(status),
        stated.ready.or(ready).unwrap_or(status),
    ))
}

/// Readings by the place of the trigger or metric.
fn readings(
    policy: &Policy<'_>,
    samples: &MetricSamples,
) -> Result<Vec<Option<Reading>>, ObserveError> {
    let keys = keys(policy);
    let mut readings = vec![None; keys.len()];
    for (place, sample) in samples.metrics.iter().enumerate() {
        let at = match &sample.of {
            MetricKey::Index(index) => usize::try_from(*index).ok(),
            MetricKey::Name(name) => keys.iter().position(|names| names.contains(name)),
        };
        let slot = at.and_then(|at| readings.get_mut(at));
        let Some(slot) = slot else {
            let known: Vec<&str> = keys
                .iter()
                .map(|names| names.first().map_or("", |name| &**name))
                .collect();
            return Err(ObserveError::UnknownMetric {
                document: format!("{}/{}", samples.namespace, samples.name),
                place,
                key: match &sample.of {
                    MetricKey::Index(index) => format!("index {index}"),
                    MetricKey::Name(name) => name.to_string(),
                },
                known: known.join(", "),
            });
        };
        *slot = Some(sample.reading.clone());
    }
    Ok(readings)
}

/// The names by which the trigger or metric at each place is known.
fn keys(policy: &Policy<'_>) -> Vec<Vec<Name>> {
    let triggers = match policy.autoscaler {
        Autoscaler::Hpa(hpa) => {
            let named = |metric: &MetricSpec| vec![Name::clone(metric.source.name())];
            return hpa.metrics.iter().map(named).collect();
        }
        Autoscaler::ScaledObject(object) => &object.triggers,
        Autoscaler::ScaledJob(job) => &job.triggers,
    };
    let both = triggers.iter().zip(&policy.metric_names);
    both.map(|(trigger, metric)| {
        let own = trigger.name.iter().map(Name::clone);
        own.chain([Name::clone(metric)]).collect()
    })
    .collect()
}

/// `sample` with what it does not state taken from the snapshot's pod of that name.
fn completed(sample: &PodSample, namespace: &Name, snapshot: &Snapshot) -> PodSample {
    let mut sample = sample.clone();
    let same = |pod: &&Pod| pod.name == sample.name && pod.namespace == *namespace;
    let Some(pod) = snapshot.pods.iter().find(same) else {
        return sample;
    };
    sample.phase.get_or_insert(pod.phase);
    sample.deleting.get_or_insert_with(|| pod.is_terminating());
    if let Some(detail) = pod.detail.as_deref() {
        if sample.ready.is_none() && detail.ready {
            sample.ready = Some(ReadyStatus::True);
            sample.ready_since = sample.ready_since.or(detail.ready_since);
        }
        sample.started = sample.started.or(detail.start_time);
    }
    if sample.requests.is_empty() {
        sample.requests = pod.spec.pod_requests.clone();
    }
    let sidecars = pod.spec.init_containers.iter();
    let running = pod
        .spec
        .containers
        .iter()
        .chain(sidecars.filter(|container| container.restart_always));
    for container in running {
        let own = container.effective_requests();
        let there = sample
            .containers
            .iter_mut()
            .find(|there| there.name == container.name);
        match there {
            Some(there) if there.requests.is_empty() => there.requests = own,
            Some(_) => {}
            None => {
                sample.containers.push(ContainerSample {
                    name: Name::clone(&container.name),
                    requests: own,
                    ..ContainerSample::default()
                });
            }
        }
    }
    sample
}
