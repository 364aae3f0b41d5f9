//! Metric samples: what an autoscaler would have measured. Nothing is fetched; samples are input (`tetrapod/v1alpha1`
//! MetricSamples).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base::time::{Span, Timestamp};
use crate::model::is_default;
use crate::model::pod::PodPhase;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};

/// What one autoscaler measures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSamples {
    /// Namespace of the document and of its autoscaler.
    pub namespace: Name,
    /// Name of the document.
    pub name: Name,
    /// `autoscaler.kind`.
    pub autoscaler_kind: AutoscalerKind,
    /// `autoscaler.name`.
    pub autoscaler: Name,
    /// Replica counts of the target.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: ReplicaCounts,
    /// Jobs of a ScaledJob.
    #[serde(skip_serializing_if = "is_default")]
    pub jobs: JobCounts,
    /// Readings of triggers and metrics.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: Vec<MetricSample>,
    /// The target's pods with what was measured of them.
    #[serde(skip_serializing_if = "is_default")]
    pub pods: Vec<PodSample>,
}

/// What scales.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[non_exhaustive]
pub enum AutoscalerKind {
    /// KEDA's for Deployments and the like.
    #[default]
    ScaledObject,
    /// KEDA's for Jobs.
    ScaledJob,
    /// Kubernetes' own.
    HorizontalPodAutoscaler,
}

/// Replica counts of a scale target; what is absent is taken from the next one that is there (status from spec, ready
/// and pods from the listed pods, else from status).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplicaCounts {
    /// `spec.replicas` of the target's scale.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: Option<i32>,
    /// `status.replicas` of the target's scale.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<i32>,
    /// Pods that run and are ready.
    #[serde(skip_serializing_if = "is_default")]
    pub ready: Option<i32>,
    /// Pods that the target's selector matches.
    #[serde(skip_serializing_if = "is_default")]
    pub pods: Option<i32>,
}

/// Jobs of a ScaledJob.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobCounts {
    /// Jobs that have not finished, the pending ones among them.
    pub running: i64,
    /// Jobs of which no pod runs or has completed.
    pub pending: i64,
}

/// The reading of one trigger or metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSample {
    /// Whose reading it is.
    pub of: MetricKey,
    /// What was read.
    pub reading: Reading,
}

impl MetricSample {
    /// The reading of `of`.
    #[must_use]
    pub const fn new(of: MetricKey, reading: Reading) -> Self {
        Self { of, reading }
    }
}

/// How a sample says what it is a reading of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a metric is known by its place or by a name"
)]
pub enum MetricKey {
    /// The place of the trigger, or of the metric in an HPA, counted from 0.
    Index(u32),
    /// The name of the trigger, or of the metric.
    Name(Name),
}

/// What a source answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Reading {
    /// A scaler's value as such; for `aws-cloudwatch` its newest datapoint.
    Value(Real),
    /// The values of an External or Object metric, which are summed (K-8).
    Values(Vec<Quantity>),
    /// The attributes of a queue (K-54).
    Queue {
        /// Messages that can be received.
        visible: Option<i64>,
        /// Messages being worked on.
        in_flight: Option<i64>,
        /// Messages not yet visible.
        delayed: Option<i64>,
    },
    /// No datapoint (K-55).
    NoData,
    /// The series of an instant query (K-56); `None` is a null sample.
    Series(Vec<Option<Real>>),
    /// The source answered with an error.
    Error(Name),
}

/// A pod of the target and what was measured of it. What is absent is taken from the snapshot's pod of that name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodSample {
    /// Name of the pod.
    pub name: Name,
    /// Phase.
    #[serde(skip_serializing_if = "is_default")]
    pub phase: Option<PodPhase>,
    /// Whether the pod is being deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub deleting: Option<bool>,
    /// Status of the `Ready` condition.
    #[serde(skip_serializing_if = "is_default")]
    pub ready: Option<ReadyStatus>,
    /// When the `Ready` condition last changed.
    #[serde(skip_serializing_if = "is_default")]
    pub ready_since: Option<Timestamp>,
    /// Start time.
    #[serde(skip_serializing_if = "is_default")]
    pub started: Option<Timestamp>,
    /// Pod-level requests, which replace those of the containers (K-17).
    #[serde(skip_serializing_if = "is_default")]
    pub requests: ResourceList,
    /// Containers and sidecars.
    #[serde(skip_serializing_if = "is_default")]
    pub containers: Vec<ContainerSample>,
    /// Custom metrics of the pod by name.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: BTreeMap<Name, Quantity>,
    /// When it was measured.
    #[serde(skip_serializing_if = "is_default")]
    pub time: Option<Timestamp>,
    /// The span over which it was measured.
    #[serde(skip_serializing_if = "is_default")]
    pub window: Option<Span>,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes has exactly these three"
)]
pub enum ReadyStatus {
    /// Ready.
    True,
    /// Not ready.
    False,
    /// Nobody knows.
    Unknown,
}

/// A container of a pod and what it uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContainerSample {
    /// Name.
    pub name: Name,
    /// Requests; those of the snapshot's pod when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub requests: ResourceList,
    /// What it uses; empty when nothing was measured.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: ResourceList,
}

/// A measured number. JSON has no form for what is not finite, so these are the strings `NaN`, `+Inf` and `-Inf`; equal
/// means the same bits, and one NaN is like another.
///
/// ```
/// use tetrapod::model::autoscaling::samples::Real;
/// assert_eq!(serde_json::to_string(&Real::new(2.5)).unwrap(), "2.5");
/// assert_eq!(serde_json::from_str::<Real>("\"NaN\"").unwrap(), Real::new(f64::NAN));
/// ```
#[derive(Clone, Copy)]
pub struct Real(f64);

impl Real {
    /// `value`.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        Self(if value.is_nan() { f64::NAN } else { value })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The number that `text` stands for: the three words only.
    #[must_use]
    pub fn from_word(text: &str) -> Option<Self> {
        match text {
            "NaN" => Some(Self::new(f64::NAN)),
            "+Inf" => Some(Self(f64::INFINITY)),
            "-Inf" => Some(Self(f64::NEG_INFINITY)),
            _ => None,
        }
    }

    /// The word for a number that is not finite.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        if self.0.is_nan() {
            Some("NaN")
        } else if self.0.is_infinite() {
            Some(if self.0 > 0.0 { "+Inf" } else { "-Inf" })
        } else {
            None
        }
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Real {}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word() {
            Some(word) => f.write_str(word),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.word() {
            Some(word) => s.serialize_str(word),
            None => s.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(f64),
            Word(String),
        }
        match Form::deserialize(d)? {
            Form::Number(number) => Ok(Self::new(number)),
            Form::Word(word) => Self::from_word(&word)
                .ok_or_else(|| de::Error::custom("a number, NaN, +Inf or -Inf")),
        }
    }
}
