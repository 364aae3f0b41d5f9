//! External and Object metrics: from values to a replica count (K-6..K-13).

use serde::Serialize;

use super::number::{count_up, double};
use crate::model::autoscaling::hpa::MetricTarget;

/// How far a ratio may be off 1 without a change, each way (K-6).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tolerance {
    /// Downwards: ratios from 1 less this are close.
    pub down: f64,
    /// Upwards: ratios up to 1 plus this are close.
    pub up: f64,
}

impl Tolerance {
    /// The tolerance each way.
    #[must_use]
    pub const fn new(down: f64, up: f64) -> Self {
        Self { down, up }
    }

    /// Whether `ratio` is close to 1, both ends included; NaN and infinity never are (K-6).
    ///
    /// ```
    /// use tetrapod::scaling::proposal::Tolerance;
    /// let tolerance = Tolerance::new(0.1, 0.5);
    /// assert!(tolerance.is_close(1.5) && tolerance.is_close(0.9) && !tolerance.is_close(0.89));
    /// ```
    #[must_use]
    pub fn is_close(self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

/// Replica and pod counts of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    /// `spec.replicas` of the target's scale.
    pub spec: i32,
    /// `status.replicas` of the target's scale.
    pub status: i32,
    /// Pods that its selector matches.
    pub pods: i32,
    /// Pods of these that run and are ready.
    pub ready: i32,
}

impl Counts {
    /// A target all of whose `replicas` are there and ready.
    #[must_use]
    pub const fn settled(replicas: i32) -> Self {
        Self::new(replicas, replicas, replicas, replicas)
    }

    /// Counts as they stand.
    #[must_use]
    pub const fn new(spec: i32, status: i32, pods: i32, ready: i32) -> Self {
        Self {
            spec,
            status,
            pods,
            ready,
        }
    }
}

/// What one metric proposes, with everything that led there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Proposal {
    /// Replicas.
    pub replicas: i32,
    /// How it came about.
    pub basis: Basis,
    /// The sum of the values or samples, in thousandths (K-8).
    pub sum_milli: i64,
    /// What is reported as the current value, in thousandths: the sum, or the average per pod (K-10, K-17).
    pub current_milli: i64,
    /// Percent of the requests, for utilisation targets (K-17).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization: Option<i64>,
    /// The current value over the target. JSON has no infinity: it is null there.
    pub ratio: f64,
    /// The ratio after pods without a sample were filled in (K-20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled_ratio: Option<f64>,
    /// The band around 1 that counts as close.
    pub tolerance: Tolerance,
    /// How pods were sorted, for metrics of pods (K-14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodTally>,
}

/// How a proposal came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Basis {
    /// The ratio is close to 1: the present count (K-7).
    WithinTolerance,
    /// The value over the target (K-9, K-11, K-19).
    Ratio,
    /// From 0, where tolerance and readiness play no part (K-11).
    FromZero,
    /// The ratio after pods were filled in (K-20).
    FilledRatio,
    /// After pods were filled in the ratio is close to 1: the present count (K-21).
    FilledWithinTolerance,
    /// Filling in turned the direction: the present count (K-21).
    FilledTurned,
    /// Filling in kept the direction but the count would go the other way: the present count (K-21).
    FilledReversed,
}

/// How the pods of a target were sorted (K-14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PodTally {
    /// With a sample that counts.
    pub ready: u32,
    /// Pending, or not ready for this metric.
    pub unready: u32,
    /// Without a sample.
    pub missing: u32,
    /// Being deleted or failed.
    pub ignored: u32,
}

/// Why a metric proposes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The source answered with an error, or there is no reading.
    #[error("{0}")]
    Source(String),
    /// K-12: a ratio is to be multiplied by ready pods, and no pod matches the selector.
    #[error("no pod matches the target's selector (K-12)")]
    NoPods,
    /// K-16: nothing is left once samples of pods that do not count are dropped.
    #[error("no pod that counts has a sample (K-16)")]
    NoSamples,
    /// K-17: utilisation needs a request of every container.
    #[error(
        "container {container} of pod {pod} requests no {resource}; utilisation needs a request (K-17)"
    )]
    NoRequest {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The resource.
        resource: String,
    },
    /// K-17: the requests of the pods with samples add up to 0.
    #[error("the requests of the pods with samples add up to 0 (K-17)")]
    ZeroRequest,
    /// A ContainerResource metric names a container that a measured pod does not have.
    #[error("pod {pod} has no sample of container {container}")]
    NoContainer {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The target does not fit the metric.
    #[error("a {0} target does not fit this metric")]
    Target(&'static str),
}

/// The proposal of an External or Object metric (K-8..K-13). Values and target are thousandths; `spec`, `status` and
/// readiness play the parts that the target's type gives them. O(values).
///
/// # Errors
/// If no pod matches the selector where the count is a multiple of ready pods (K-12), or the target is a utilisation.
///
/// ```
/// use tetrapod::model::autoscaling::hpa::MetricTarget;
/// use tetrapod::scaling::proposal::{Counts, Tolerance, external};
/// let target = MetricTarget::AverageValue("5".parse().unwrap());
/// let proposal = external(&[30_000], target, Tolerance::new(0.1, 0.1), Counts::settled(4)).unwrap();
/// assert_eq!(proposal.replicas, 6);
/// ```
pub fn external(
    values: &[i64],
    target: MetricTarget,
    tolerance: Tolerance,
    counts: Counts,
) -> Result<Proposal, MetricError> {
    let sum = values
        .iter()
        .fold(0_i64, |sum, value| sum.saturating_add(*value));
    let usage = double(sum);
    match target {
        MetricTarget::AverageValue(target) => {
            let target = double(super::number::milli(target));
            let ratio = usage / (target * f64::from(counts.status));
            let (replicas, basis) = if tolerance.is_close(ratio) {
                (counts.status, Basis::WithinTolerance)
            } else {
                (count_up(usage / target), Basis::Ratio)
            };
            let per_pod = if sum == i64::MAX {
                sum
            } else {
                super::number::cut((usage / f64::from(counts.status)).ceil())
            };
            Ok(Proposal::plain(
                replicas, basis, sum, per_pod, ratio, tolerance,
            ))
        }
        MetricTarget::Value(target) => {
            let ratio = usage / double(super::number::milli(target));
            let (replicas, basis) = if counts.spec == 0 {
                (count_up(ratio), Basis::FromZero)
            } else if tolerance.is_close(ratio) {
                (counts.spec, Basis::WithinTolerance)
            } else if counts.pods == 0 {
                return Err(MetricError::NoPods);
            } else {
                (count_up(ratio * f64::from(counts.ready)), Basis::Ratio)
            };
            Ok(Proposal::plain(replicas, basis, sum, sum, ratio, tolerance))
        }
        MetricTarget::Utilization(_) => Err(MetricError::Target("utilisation")),
    }
}

impl Proposal {
    fn plain(
        replicas: i32,
        basis: Basis,
        sum_milli: i64,
        current_milli: i64,
        ratio: f64,
        tolerance: Tolerance,
    ) -> Self {
        Self {
            replicas,
            basis,
            sum_milli,
            current_milli,
            utilization: None,
            ratio,
            filled_ratio: None,
            tolerance,
            pods: None,
        }
    }
}
