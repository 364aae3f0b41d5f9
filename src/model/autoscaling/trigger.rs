//! KEDA's triggers: the scalers whose rules are known, and the names of others.

use serde::{Deserialize, Serialize};

use super::hpa::MetricTarget;
use crate::model::cron::{Schedule, Zone};
use crate::model::is_default;
use crate::model::resources::Name;

/// One entry of `spec.triggers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Trigger {
    /// `name`, which a formula refers to (K-78).
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<Name>,
    /// `type` and `metadata`.
    pub scaler: Scaler,
    /// `metricType` of a trigger that is not cpu or memory (K-50).
    #[serde(default, skip_serializing_if = "is_default")]
    pub metric_type: MetricType,
    /// `useCachedMetrics` (K-58).
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_cached_metrics: bool,
}

impl Trigger {
    /// A trigger without a name that is held against its average per pod.
    #[must_use]
    pub const fn new(scaler: Scaler) -> Self {
        Self {
            name: None,
            scaler,
            metric_type: MetricType::AverageValue,
            use_cached_metrics: false,
        }
    }

    /// Whether KEDA leaves this trigger to the HPA: cpu and memory (K-50).
    #[must_use]
    pub const fn is_resource(&self) -> bool {
        matches!(self.scaler, Scaler::Resource { .. })
    }
}

/// How the value of a trigger is held against its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "KEDA has exactly these two")]
pub enum MetricType {
    /// Per pod.
    #[default]
    AverageValue,
    /// As such.
    Value,
}

/// What a trigger asks, as far as its rules are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Scaler {
    /// `aws-sqs-queue` (K-54).
    #[serde(rename = "aws-sqs-queue")]
    SqsQueue {
        /// `queueURL`, or the queue's name.
        queue_url: Name,
        /// `queueLength`: messages per pod.
        queue_length: i64,
        /// `activationQueueLength`.
        activation_queue_length: i64,
        /// `scaleOnInFlight`: whether messages in flight count.
        scale_on_in_flight: bool,
        /// `scaleOnDelayed`: whether delayed messages count.
        scale_on_delayed: bool,
    },
    /// `aws-cloudwatch` (K-55).
    #[serde(rename = "aws-cloudwatch")]
    CloudWatch {
        /// `targetMetricValue`.
        target_metric_value: f64,
        /// `activationTargetMetricValue`.
        activation_target_metric_value: f64,
        /// `minMetricValue`: what counts when there is no datapoint.
        min_metric_value: f64,
        /// `ignoreNullValues`: whether no datapoint is no error.
        ignore_null_values: bool,
    },
    /// `prometheus` (K-56).
    #[serde(rename = "prometheus")]
    Prometheus {
        /// `threshold`.
        threshold: f64,
        /// `activationThreshold`.
        activation_threshold: f64,
        /// `ignoreNullValues`: whether no value counts as 0 instead of an error.
        ignore_null_values: bool,
    },
    /// `cron`: a count of its own between two times.
    #[serde(rename = "cron")]
    Cron {
        /// `start`.
        start: Schedule,
        /// `end`.
        end: Schedule,
        /// `timezone`.
        timezone: Zone,
        /// `desiredReplicas`.
        desired_replicas: i64,
    },
    /// `cpu` or `memory`, which the HPA measures itself (K-50).
    #[serde(rename = "resource")]
    Resource {
        /// `cpu` or `memory`.
        resource: Name,
        /// `containerName`.
        container: Option<Name>,
        /// `metricType` with `value`: Utilization or AverageValue.
        target: MetricTarget,
    },
    /// A scaler whose rules are not known here; asking it is an error.
    #[serde(rename = "other")]
    Other {
        /// `type`.
        scaler: Name,
    },
}

impl Scaler {
    /// KEDA's `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::SqsQueue { .. } => "aws-sqs-queue",
            Self::CloudWatch { .. } => "aws-cloudwatch",
            Self::Prometheus { .. } => "prometheus",
            Self::Cron { .. } => "cron",
            Self::Resource { resource, .. } => resource,
            Self::Other { scaler } => scaler,
        }
    }
}
