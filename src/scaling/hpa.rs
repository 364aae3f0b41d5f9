//! One reconcile of a HorizontalPodAutoscaler (K-23, K-24).

use serde::{Deserialize, Serialize};

use super::behavior::{Bounds, History, Normalized, Recommendation, normalize, record_write};
use super::number::approximate;
use super::pods::{Readiness, propose};
use super::proposal::{Counts, MetricError, Proposal, Tolerance, external};
use crate::base::time::{Span, Timestamp};
use crate::model::autoscaling::hpa::{Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec};
use crate::model::autoscaling::samples::PodSample;

/// Flags of the kube-controller-manager (K-1).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `--horizontal-pod-autoscaler-sync-period`.
    pub sync_period: Span,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`.
    pub downscale_stabilization: Span,
    /// `--horizontal-pod-autoscaler-tolerance`.
    pub tolerance: f64,
    /// How long a new pod's CPU is not trusted.
    pub readiness: Readiness,
    /// Whether the feature gate HPAScaleToZero is on: an HPA may then leave 0 again (K-24).
    pub scale_to_zero: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync_period: Span::from_secs(15),
            downscale_stabilization: Span::from_secs(300),
            tolerance: 0.1,
            readiness: Readiness::default(),
            scale_to_zero: true,
        }
    }
}

/// What an HPA remembers between reconciles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HpaState {
    /// Recommendations and scale events (K-36).
    pub history: History,
    /// Whether the autoscaler itself brought the count to 0 (condition `ScaledToZero`, K-24).
    pub scaled_to_zero: bool,
}

/// What is read for one metric of pods or from outside.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// The values of an External or Object metric, in thousandths.
    Values(Vec<i64>),
    /// The metric is one of pods: their samples are read.
    Pods,
}

/// One metric with what it proposes, or why it proposes nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricOutcome {
    /// The metric.
    pub metric: MetricSpec,
    /// What it proposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// Why it proposes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl MetricOutcome {
    /// What `metric` came to.
    #[must_use]
    pub fn new(metric: MetricSpec, made: Result<Proposal, MetricError>) -> Self {
        let (proposal, error) = match made {
            Ok(proposal) => (Some(proposal), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            metric,
            proposal,
            error,
        }
    }
}

/// One reconcile.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sync {
    /// `spec.replicas` before.
    pub current: i32,
    /// `spec.replicas` after.
    pub replicas: i32,
    /// Which way it went (K-24).
    pub path: Path,
    /// The metrics in the order of the autoscaler; empty where they were not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricOutcome>,
    /// The place of the metric with the largest proposal (K-23); the first of equal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<usize>,
    /// From the largest proposal to the count, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalized: Option<Normalized>,
}

/// The way through a reconcile (K-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Path {
    /// The count is 0 and the autoscaler may not leave it: off.
    Disabled,
    /// Above `maxReplicas`: set to it at once.
    AboveMax,
    /// Below `minReplicas`: set to it at once.
    BelowMin,
    /// The metrics decide.
    Metrics,
    /// Metrics failed: nothing is done (K-23).
    MetricsFailed,
}

/// The metrics of an autoscaler joined (K-23).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Joined {
    /// The largest proposal, `None` when too many metrics failed.
    pub desired: Option<i32>,
    /// The place of the first metric with that proposal.
    pub decided_by: Option<usize>,
    /// Whether some metric failed.
    pub some_failed: bool,
}

/// Joins proposals by maximum. Failing ones are skipped, unless all fail or the largest is below `spec` (K-23).
#[must_use]
pub fn join(outcomes: &[MetricOutcome], spec: i32) -> Joined {
    let mut best: Option<(usize, i32)> = None;
    for (place, outcome) in outcomes.iter().enumerate() {
        let Some(proposal) = &outcome.proposal else {
            continue;
        };
        if best.is_none_or(|(_, most)| proposal.replicas > most) {
            best = Some((place, proposal.replicas));
        }
    }
    let some_failed = outcomes.iter().any(|outcome| outcome.proposal.is_none());
    let best = best.filter(|(_, most)| !some_failed || *most >= spec);
    Joined {
        desired: best.map(|(_, most)| most),
        decided_by: best.map(|(place, _)| place),
        some_failed,
    }
}

/// The tolerance each way: that of `behavior` where stated, else the controller's (K-6).
#[must_use]
pub fn tolerance(behavior: Option<&Behavior>, controller: f64) -> Tolerance {
    let stated = |up: bool| {
        let behavior = behavior?;
        let rules = if up {
            behavior.scale_up.as_ref()
        } else {
            behavior.scale_down.as_ref()
        };
        rules?.tolerance.map(approximate)
    };
    Tolerance::new(
        stated(false).unwrap_or(controller),
        stated(true).unwrap_or(controller),
    )
}

/// What one reconcile reads besides the autoscaler.
#[expect(clippy::exhaustive_structs, reason = "the caller makes it")]
pub struct Reads<'a> {
    /// Counts of the target.
    pub counts: Counts,
    /// Its pods.
    pub pods: &'a [PodSample],
    /// What a metric of the given place reads. Asked only where the metrics are looked at, each metric once.
    pub metric: &'a mut dyn FnMut(usize, &MetricSpec) -> Result<MetricValue, MetricError>,
}

impl std::fmt::Debug for Reads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reads")
            .field("counts", &self.counts)
            .field("pods", &self.pods.len())
            .finish_non_exhaustive()
    }
}

/// Reconciles `autoscaler` once (K-24). The caller writes [`Sync::replicas`] to the target when it differs from
/// [`Sync::current`]. O(pods x containers + history).
pub fn sync(
    autoscaler: &HorizontalPodAutoscaler,
    settings: &Settings,
    state: &mut HpaState,
    reads: &mut Reads<'_>,
    now: Timestamp,
) -> Sync {
    let current = reads.counts.spec;
    let (min, max) = (autoscaler.min_replicas, autoscaler.max_replicas);
    let behavior = autoscaler.behavior.as_ref();
    let history = &mut state.history;
    if history.recommendations.is_empty() {
        history
            .recommendations
            .push(Recommendation::new(now, current));
    }
    let mut result = Sync {
        current,
        replicas: current,
        path: Path::Metrics,
        metrics: Vec::new(),
        decided_by: None,
        normalized: None,
    };
    // A count that somebody else raised is no longer a zero of our own.
    state.scaled_to_zero &= current == 0;
    let from_zero = settings.scale_to_zero
        && state.scaled_to_zero
        && (min != 0 || autoscaler.may_scale_to_zero());
    if current == 0 && !from_zero && (min != 0 || settings.scale_to_zero) {
        result.path = Path::Disabled;
        return result;
    }
    if current > max {
        result.path = Path::AboveMax;
        result.replicas = max;
    } else if current < min && current != 0 {
        result.path = Path::BelowMin;
        result.replicas = min;
    } else {
        result.metrics = outcomes(autoscaler, settings, reads, now);
        let joined = join(&result.metrics, current);
        result.decided_by = joined.decided_by;
        let Some(desired) = joined.desired else {
            result.path = Path::MetricsFailed;
            return result;
        };
        let bounds = Bounds::new(min, max, settings.downscale_stabilization);
        let normalized = normalize(behavior, history, bounds, current, desired, now);
        result.replicas = if current == 0 {
            normalized.replicas.max(min)
        } else {
            normalized.replicas
        };
        result.normalized = Some(normalized);
    }
    if result.replicas != current {
        record_write(behavior, history, current, result.replicas, now);
        state.scaled_to_zero = result.replicas == 0;
    }
    result
}

fn outcomes(
    autoscaler: &HorizontalPodAutoscaler,
    settings: &Settings,
    reads: &mut Reads<'_>,
    now: Timestamp,
) -> Vec<MetricOutcome> {
    let tolerance = tolerance(autoscaler.behavior.as_ref(), settings.tolerance);
    let (counts, pods) = (reads.counts, reads.pods);
    let mut outcomes = Vec::with_capacity(autoscaler.metrics.len());
    for (place, metric) in autoscaler.metrics.iter().enumerate() {
        let made = (reads.metric)(place, metric).and_then(|value| match (value, &metric.source) {
            (
                MetricValue::Values(values),
                MetricSource::External { .. } | MetricSource::Object { .. },
            ) => external(&values, metric.target, tolerance, counts),
            (
                MetricValue::Pods,
                MetricSource::Resource { .. }
                | MetricSource::ContainerResource { .. }
                | MetricSource::Pods { .. },
            ) => propose(
                &metric.source,
                metric.target,
                pods,
                counts.spec,
                tolerance,
                settings.readiness,
                now,
            ),
            _ => Err(MetricError::Source(
                "the reading is not of this kind of metric".to_owned(),
            )),
        });
        outcomes.push(MetricOutcome::new(metric.clone(), made));
    }
    outcomes
}
