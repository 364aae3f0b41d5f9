//! `autoscaling/v2` HorizontalPodAutoscalers.

use serde::{Deserialize, Serialize};

use super::ObjectRef;
use crate::model::is_default;
use crate::model::quantity::Quantity;
use crate::model::resources::Name;

/// An `autoscaling/v2` HorizontalPodAutoscaler as an API server holds it (K-2: metrics and `minReplicas` filled in).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HorizontalPodAutoscaler {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// `spec.scaleTargetRef`.
    #[serde(skip_serializing_if = "is_default")]
    pub target: ObjectRef,
    /// `spec.minReplicas`, 1 when absent.
    pub min_replicas: i32,
    /// `spec.maxReplicas`.
    pub max_replicas: i32,
    /// `spec.metrics`.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: Vec<MetricSpec>,
    /// `spec.behavior`; `None` takes the path without behavior (K-3, K-25).
    #[serde(skip_serializing_if = "is_default")]
    pub behavior: Option<Behavior>,
    /// `status.currentReplicas`: replicas of the target's status.
    #[serde(skip_serializing_if = "is_default")]
    pub current_replicas: Option<i32>,
    /// `status.desiredReplicas`: what the autoscaler last set.
    #[serde(skip_serializing_if = "is_default")]
    pub desired_replicas: Option<i32>,
    /// Whether the condition `ScaledToZero` is True (K-24).
    #[serde(skip_serializing_if = "is_default")]
    pub scaled_to_zero: bool,
}

impl Default for HorizontalPodAutoscaler {
    fn default() -> Self {
        Self {
            namespace: Name::default(),
            name: Name::default(),
            target: ObjectRef::default(),
            min_replicas: 1,
            max_replicas: 1,
            metrics: Vec::new(),
            behavior: None,
            current_replicas: None,
            desired_replicas: None,
            scaled_to_zero: false,
        }
    }
}

impl HorizontalPodAutoscaler {
    /// An autoscaler between `min_replicas` and `max_replicas` without metrics.
    #[must_use]
    pub fn new(
        namespace: impl Into<Name>,
        name: impl Into<Name>,
        min_replicas: i32,
        max_replicas: i32,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            min_replicas,
            max_replicas,
            ..Self::default()
        }
    }

    /// Whether an Object or External metric is present, with which an autoscaler may scale to and from 0 (K-4, K-24).
    #[must_use]
    pub fn may_scale_to_zero(&self) -> bool {
        self.metrics.iter().any(|metric| {
            matches!(
                metric.source,
                MetricSource::Object { .. } | MetricSource::External { .. }
            )
        })
    }
}

/// One entry of `spec.metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSpec {
    /// What is measured.
    pub source: MetricSource,
    /// What it is held against.
    pub target: MetricTarget,
}

impl MetricSpec {
    /// `source` held against `target`.
    #[must_use]
    pub const fn new(source: MetricSource, target: MetricTarget) -> Self {
        Self { source, target }
    }

    /// The External metric `name` held against `target`.
    #[must_use]
    pub fn external(name: impl Into<Name>, target: MetricTarget) -> Self {
        Self::new(MetricSource::External { name: name.into() }, target)
    }
}

/// What a metric measures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type")]
#[expect(
    clippy::exhaustive_enums,
    reason = "autoscaling/v2 has exactly these five"
)]
pub enum MetricSource {
    /// A resource of all containers of a pod.
    Resource {
        /// `cpu` or `memory`.
        name: Name,
    },
    /// A resource of one container of each pod.
    ContainerResource {
        /// `cpu` or `memory`.
        name: Name,
        /// The container.
        container: Name,
    },
    /// A custom metric of each pod.
    Pods {
        /// Name of the metric.
        name: Name,
    },
    /// A custom metric of one object.
    Object {
        /// Name of the metric.
        name: Name,
        /// The object it describes.
        #[serde(rename = "describedObject")]
        described_object: ObjectRef,
    },
    /// A metric from outside the cluster.
    External {
        /// Name of the metric.
        name: Name,
    },
}

impl MetricSource {
    /// Name of the metric or resource.
    #[must_use]
    pub const fn name(&self) -> &Name {
        match self {
            Self::Resource { name }
            | Self::ContainerResource { name, .. }
            | Self::Pods { name }
            | Self::Object { name, .. }
            | Self::External { name } => name,
        }
    }
}

/// What a metric is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "autoscaling/v2 has exactly these three"
)]
pub enum MetricTarget {
    /// A value as such.
    Value(Quantity),
    /// A value per pod.
    AverageValue(Quantity),
    /// Percent of what the pods request.
    Utilization(i32),
}

/// `spec.behavior`. What is absent is filled in when it is used (K-3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Behavior {
    /// Upwards.
    #[serde(skip_serializing_if = "is_default")]
    pub scale_up: Option<ScalingRules>,
    /// Downwards.
    #[serde(skip_serializing_if = "is_default")]
    pub scale_down: Option<ScalingRules>,
}

/// Rules of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`, 0 to 3600.
    #[serde(skip_serializing_if = "is_default")]
    pub stabilization_window_seconds: Option<i32>,
    /// `selectPolicy`.
    #[serde(skip_serializing_if = "is_default")]
    pub select_policy: Option<SelectPolicy>,
    /// `policies`; `None` takes the defaults.
    #[serde(skip_serializing_if = "is_default")]
    pub policies: Option<Vec<ScalingPolicy>>,
    /// `tolerance`; `None` takes the controller's.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerance: Option<Quantity>,
}

/// Which policy counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "autoscaling/v2 has exactly these three"
)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much may change within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScalingPolicy {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: PolicyKind,
    /// Pods or percent, 1 or more.
    pub value: i32,
    /// The period, 1 to 1800 seconds.
    pub period_seconds: i32,
}

impl ScalingPolicy {
    /// `value` pods or percent in `period_seconds`.
    #[must_use]
    pub const fn new(kind: PolicyKind, value: i32, period_seconds: i32) -> Self {
        Self {
            kind,
            value,
            period_seconds,
        }
    }
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "autoscaling/v2 has exactly these two"
)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}
