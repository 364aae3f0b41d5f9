//! Metrics of pods: Resource, ContainerResource and Pods (K-14..K-22).

use super::number::{clamp, count_up, double, milli};
use super::proposal::{Basis, MetricError, PodTally, Proposal, Tolerance};
use crate::base::time::{Span, Timestamp};
use crate::model::autoscaling::hpa::{MetricSource, MetricTarget};
use crate::model::autoscaling::samples::{ContainerSample, PodSample, ReadyStatus};
use crate::model::pod::PodPhase;
use crate::model::resources::CPU;

/// The window of a sample that states none.
const DEFAULT_WINDOW: Span = Span::from_secs(60);

/// How long a new pod's CPU is not trusted (K-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub cpu_initialization_period: Span,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub initial_readiness_delay: Span,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            cpu_initialization_period: Span::from_secs(300),
            initial_readiness_delay: Span::from_secs(30),
        }
    }
}

impl Readiness {
    /// Other periods.
    #[must_use]
    pub const fn new(cpu_initialization_period: Span, initial_readiness_delay: Span) -> Self {
        Self {
            cpu_initialization_period,
            initial_readiness_delay,
        }
    }
}

/// Where a pod stands in the sums (K-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Ready,
    Unready,
    Missing,
    Ignored,
}

/// What stands in for a pod in the sums.
#[derive(Debug, Clone, Copy)]
struct Entry {
    group: Group,
    sample: i64,
    /// Request in thousandths; 0 where none is needed.
    request: i64,
}

/// The proposal of a metric of pods (K-14..K-22). `present` is `spec.replicas` (K-22). O(pods x containers).
///
/// # Errors
/// If no pod that counts has a sample (K-16), or utilisation is asked for and requests are missing or add up to 0 (K-17).
pub fn propose(
    source: &MetricSource,
    target: MetricTarget,
    pods: &[PodSample],
    present: i32,
    tolerance: Tolerance,
    readiness: Readiness,
    now: Timestamp,
) -> Result<Proposal, MetricError> {
    let cpu = matches!(source, MetricSource::Resource { name } | MetricSource::ContainerResource { name, .. } if &**name == CPU);
    let utilization = matches!(target, MetricTarget::Utilization(_));
    let mut entries = Vec::with_capacity(pods.len());
    let mut tally = PodTally::default();
    for pod in pods {
        let sample = sample_of(source, pod)?;
        let group = group(pod, sample.is_some(), cpu, readiness, now);
        let place = match group {
            Group::Ready => &mut tally.ready,
            Group::Unready => &mut tally.unready,
            Group::Missing => &mut tally.missing,
            Group::Ignored => &mut tally.ignored,
        };
        *place += 1;
        entries.push(Entry {
            group,
            sample: sample.unwrap_or(0),
            request: 0,
        });
    }
    if tally.ready == 0 {
        return Err(MetricError::NoSamples);
    }
    if utilization {
        for (entry, pod) in entries.iter_mut().zip(pods) {
            entry.request = request_of(source, pod)?;
        }
    }
    decide(&entries, tally, target, present, tolerance)
}

/// Sums over pods.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    sample: i128,
    request: i128,
    pods: i64,
}

impl Sums {
    fn add(&mut self, sample: i64, request: i64) {
        self.sample += i128::from(sample);
        self.request += i128::from(request);
        self.pods += 1;
    }

    fn average(self) -> i64 {
        clamp(self.sample.checked_div(i128::from(self.pods)).unwrap_or(0))
    }

    /// The ratio to the target, and the utilisation (K-17, K-18).
    fn ratio(self, target: MetricTarget) -> Result<(f64, Option<i64>), MetricError> {
        match target {
            MetricTarget::Utilization(percent) => {
                if self.request == 0 {
                    return Err(MetricError::ZeroRequest);
                }
                let used = clamp(self.sample.saturating_mul(100) / self.request);
                Ok((double(used) / f64::from(percent), Some(used)))
            }
            MetricTarget::AverageValue(value) => {
                Ok((double(self.average()) / double(milli(value)), None))
            }
            MetricTarget::Value(_) => Err(MetricError::Target("value")),
        }
    }
}

fn decide(
    entries: &[Entry],
    tally: PodTally,
    target: MetricTarget,
    present: i32,
    tolerance: Tolerance,
) -> Result<Proposal, MetricError> {
    let mut sums = Sums::default();
    for entry in entries.iter().filter(|entry| entry.group == Group::Ready) {
        sums.add(entry.sample, entry.request);
    }
    let (ratio, utilization) = sums.ratio(target)?;
    let made = |replicas, basis, filled_ratio| Proposal {
        replicas,
        basis,
        sum_milli: clamp(sums.sample),
        current_milli: sums.average(),
        utilization,
        ratio,
        filled_ratio,
        tolerance,
        pods: Some(tally),
    };
    let unready_count = tally.unready > 0 && ratio > 1.0;
    if tally.missing == 0 && !unready_count {
        // K-19
        if tolerance.is_close(ratio) {
            return Ok(made(present, Basis::WithinTolerance, None));
        }
        let replicas = count_up(ratio * f64::from(tally.ready));
        return Ok(made(replicas, Basis::Ratio, None));
    }
    // K-20
    let mut filled = sums;
    for entry in entries {
        match entry.group {
            Group::Missing if ratio < 1.0 => filled.add(stand_in(target, entry), entry.request),
            Group::Missing if ratio > 1.0 => filled.add(0, entry.request),
            Group::Unready if ratio > 1.0 => filled.add(0, entry.request),
            Group::Ready | Group::Unready | Group::Missing | Group::Ignored => {}
        }
    }
    let (new_ratio, _) = filled.ratio(target)?;
    // K-21
    let turned = (ratio < 1.0 && new_ratio > 1.0) || (ratio > 1.0 && new_ratio < 1.0);
    let replicas = count_up(new_ratio * double(filled.pods));
    let reversed =
        (new_ratio < 1.0 && replicas > present) || (new_ratio > 1.0 && replicas < present);
    let (replicas, basis) = if tolerance.is_close(new_ratio) {
        (present, Basis::FilledWithinTolerance)
    } else if turned {
        (present, Basis::FilledTurned)
    } else if reversed {
        (present, Basis::FilledReversed)
    } else {
        (replicas, Basis::FilledRatio)
    };
    Ok(made(replicas, basis, Some(new_ratio)))
}

/// What a pod without a sample is taken to use when the others use little (K-20).
fn stand_in(target: MetricTarget, entry: &Entry) -> i64 {
    match target {
        MetricTarget::Utilization(percent) => {
            clamp(i128::from(entry.request) * i128::from(percent.max(100)) / 100)
        }
        MetricTarget::AverageValue(value) | MetricTarget::Value(value) => milli(value),
    }
}

/// K-14
fn group(
    pod: &PodSample,
    measured: bool,
    cpu: bool,
    readiness: Readiness,
    now: Timestamp,
) -> Group {
    let phase = pod.phase.unwrap_or_default();
    if pod.deleting == Some(true) || phase == PodPhase::Failed {
        Group::Ignored
    } else if phase == PodPhase::Pending {
        Group::Unready
    } else if !measured {
        Group::Missing
    } else if cpu && cpu_is_unready(pod, readiness, now) {
        Group::Unready
    } else {
        Group::Ready
    }
}

/// K-15
fn cpu_is_unready(pod: &PodSample, readiness: Readiness, now: Timestamp) -> bool {
    let (Some(ready), Some(started)) = (pod.ready, pod.started) else {
        return true;
    };
    let changed = pod.ready_since.unwrap_or(started);
    let unready = ready == ReadyStatus::False;
    if started.plus(readiness.cpu_initialization_period) > now {
        let window = pod.window.unwrap_or(DEFAULT_WINDOW);
        unready || pod.time.unwrap_or(now) < changed.plus(window)
    } else {
        unready && started.plus(readiness.initial_readiness_delay) > changed
    }
}

/// What was measured of a pod, in thousandths; `None` when nothing was.
fn sample_of(source: &MetricSource, pod: &PodSample) -> Result<Option<i64>, MetricError> {
    let measured = || {
        pod.containers
            .iter()
            .any(|container| !container.usage.is_empty())
    };
    match source {
        MetricSource::Resource { name } => {
            let mut sum = 0_i128;
            for container in &pod.containers {
                // A pod counts as measured only if each of its containers is.
                let Some(usage) = container.usage.get(name) else {
                    return Ok(None);
                };
                sum += i128::from(milli(usage));
            }
            Ok(measured().then(|| clamp(sum)))
        }
        MetricSource::ContainerResource { name, container } => {
            if !measured() {
                return Ok(None);
            }
            let found = named(pod, container).filter(|found| !found.usage.is_empty());
            let Some(found) = found else {
                return Err(MetricError::NoContainer {
                    pod: pod.name.to_string(),
                    container: container.to_string(),
                });
            };
            Ok(found.usage.get(name).map(milli))
        }
        MetricSource::Pods { name } => Ok(pod.metrics.get(name).copied().map(milli)),
        MetricSource::Object { .. } | MetricSource::External { .. } => Ok(None),
    }
}

fn named<'p>(pod: &'p PodSample, container: &str) -> Option<&'p ContainerSample> {
    pod.containers.iter().find(|each| &*each.name == container)
}

/// What a pod requests, in thousandths (K-17).
fn request_of(source: &MetricSource, pod: &PodSample) -> Result<i64, MetricError> {
    let resource = source.name();
    let request = |container: &ContainerSample| {
        container
            .requests
            .get(resource)
            .map(|request| i128::from(milli(request)))
            .ok_or_else(|| MetricError::NoRequest {
                pod: pod.name.to_string(),
                container: container.name.to_string(),
                resource: resource.to_string(),
            })
    };
    if let MetricSource::ContainerResource { container, .. } = source {
        return match named(pod, container) {
            Some(found) => request(found).map(clamp),
            None => Err(MetricError::NoContainer {
                pod: pod.name.to_string(),
                container: container.to_string(),
            }),
        };
    }
    if let Some(whole) = pod.requests.get(resource) {
        return Ok(milli(whole));
    }
    let sum = pod
        .containers
        .iter()
        .try_fold(0_i128, |sum, container| Ok(sum + request(container)?))?;
    Ok(clamp(sum))
}
