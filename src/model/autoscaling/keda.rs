//! KEDA's ScaledObjects and ScaledJobs (`keda.sh/v1alpha1`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ObjectRef;
use super::hpa::Behavior;
use super::trigger::{MetricType, Trigger};
use crate::base::time::{Span, Timestamp};
use crate::model::formula::Formula;
use crate::model::is_default;
use crate::model::label::Labels;
use crate::model::resources::Name;

/// Stops KEDA; the count stays.
pub const PAUSED: &str = "autoscaling.keda.sh/paused";
/// Stops KEDA at a stated count.
pub const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";
/// Stops scaling in only.
pub const PAUSED_SCALE_IN: &str = "autoscaling.keda.sh/paused-scale-in";
/// Stops scaling out only.
pub const PAUSED_SCALE_OUT: &str = "autoscaling.keda.sh/paused-scale-out";
/// Counts as an active trigger.
pub const FORCE_ACTIVATION: &str = "autoscaling.keda.sh/force-activation";

/// Whether the annotation `key` is on: present and not parseable as false (K-61).
///
/// ```
/// use tetrapod::model::autoscaling::keda::{PAUSED, annotation_is_on};
/// let of = |value: &str| [(PAUSED, value)].into_iter().collect();
/// assert!(annotation_is_on(&of("yes, please"), PAUSED));
/// assert!(!annotation_is_on(&of("F"), PAUSED));
/// ```
#[must_use]
pub fn annotation_is_on(annotations: &Labels, key: &str) -> bool {
    let off = ["0", "f", "F", "false", "FALSE", "False"];
    annotations
        .get(key)
        .is_some_and(|text| !off.contains(&text))
}

/// A `keda.sh/v1alpha1` ScaledObject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScaledObject {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Creation time, from which `initialCooldownPeriod` runs (K-65).
    #[serde(skip_serializing_if = "is_default")]
    pub created: Option<Timestamp>,
    /// Annotations, of which five steer KEDA.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Labels,
    /// `spec.scaleTargetRef`.
    #[serde(skip_serializing_if = "is_default")]
    pub target: ObjectRef,
    /// `spec.pollingInterval`, 30 s when absent (K-45).
    pub polling_interval: Span,
    /// `spec.cooldownPeriod`, 300 s when absent (K-45).
    pub cooldown_period: Span,
    /// `spec.initialCooldownPeriod`, 0 when absent (K-45).
    pub initial_cooldown_period: Span,
    /// `spec.minReplicaCount`. Absent and 0 differ (K-46).
    #[serde(skip_serializing_if = "is_default")]
    pub min_replica_count: Option<i32>,
    /// `spec.maxReplicaCount`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_replica_count: Option<i32>,
    /// `spec.idleReplicaCount`.
    #[serde(skip_serializing_if = "is_default")]
    pub idle_replica_count: Option<i32>,
    /// `spec.triggers`.
    #[serde(skip_serializing_if = "is_default")]
    pub triggers: Vec<Trigger>,
    /// `spec.fallback`.
    #[serde(skip_serializing_if = "is_default")]
    pub fallback: Option<Fallback>,
    /// `spec.advanced.scalingModifiers`.
    #[serde(skip_serializing_if = "is_default")]
    pub modifiers: Option<ScalingModifiers>,
    /// `spec.advanced.horizontalPodAutoscalerConfig.behavior`.
    #[serde(skip_serializing_if = "is_default")]
    pub behavior: Option<Behavior>,
    /// `spec.advanced.horizontalPodAutoscalerConfig.name`.
    #[serde(skip_serializing_if = "is_default")]
    pub hpa_name: Option<Name>,
    /// `spec.advanced.restoreToOriginalReplicaCount` (K-51).
    #[serde(skip_serializing_if = "is_default")]
    pub restore_to_original_replica_count: bool,
    /// `status.lastActiveTime`.
    #[serde(skip_serializing_if = "is_default")]
    pub last_active_time: Option<Timestamp>,
    /// `status.originalReplicaCount` (K-51).
    #[serde(skip_serializing_if = "is_default")]
    pub original_replica_count: Option<i32>,
    /// `status.health`: failures in a row by metric name (K-72).
    #[serde(skip_serializing_if = "is_default")]
    pub failures: BTreeMap<Name, i32>,
}

impl Default for ScaledObject {
    fn default() -> Self {
        Self {
            namespace: Name::default(),
            name: Name::default(),
            created: None,
            annotations: Labels::new(),
            target: ObjectRef::default(),
            polling_interval: Span::from_secs(30),
            cooldown_period: Span::from_secs(300),
            initial_cooldown_period: Span::ZERO,
            min_replica_count: None,
            max_replica_count: None,
            idle_replica_count: None,
            triggers: Vec::new(),
            fallback: None,
            modifiers: None,
            behavior: None,
            hpa_name: None,
            restore_to_original_replica_count: false,
            last_active_time: None,
            original_replica_count: None,
            failures: BTreeMap::new(),
        }
    }
}

impl ScaledObject {
    /// A ScaledObject with defaults and `triggers`.
    #[must_use]
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>, triggers: Vec<Trigger>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            triggers,
            ..Self::default()
        }
    }

    /// The least replicas of the HPA (K-46): `minReplicaCount` if above 0, else 1.
    #[must_use]
    pub fn hpa_min_replicas(&self) -> i32 {
        self.min_replica_count.filter(|min| *min > 0).unwrap_or(1)
    }

    /// The most replicas of the HPA (K-46): `maxReplicaCount`, 100 when absent.
    #[must_use]
    pub fn hpa_max_replicas(&self) -> i32 {
        self.max_replica_count.unwrap_or(100)
    }

    /// Whether least, most and idle replicas go together (K-46).
    #[must_use]
    pub fn bounds_are_valid(&self) -> bool {
        let min = match self.min_replica_count {
            Some(_) => self.hpa_min_replicas(),
            None => 0,
        };
        min <= self.hpa_max_replicas() && self.idle_replica_count.is_none_or(|idle| idle < min)
    }

    /// Name of the HPA that KEDA makes.
    #[must_use]
    pub fn hpa_name(&self) -> Name {
        match &self.hpa_name {
            Some(name) => Name::clone(name),
            None => format!("keda-hpa-{}", self.name).into(),
        }
    }

    /// Whether the annotation `key` is on (K-61).
    #[must_use]
    pub fn is_on(&self, key: &str) -> bool {
        annotation_is_on(&self.annotations, key)
    }

    /// Whether KEDA leaves the target alone (K-61): `paused` is on, or `paused-replicas` is there in any form.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.annotations.get(PAUSED_REPLICAS).is_some() || self.is_on(PAUSED)
    }

    /// The count that the target is set back to when the object is deleted; `None` leaves it as it is (K-51).
    #[must_use]
    pub fn replicas_after_deletion(&self) -> Option<i32> {
        self.original_replica_count
            .filter(|_| self.restore_to_original_replica_count)
    }

    /// Whether every trigger is cpu or memory (K-47, K-60).
    #[must_use]
    pub fn has_resource_triggers_only(&self) -> bool {
        self.triggers.iter().all(Trigger::is_resource)
    }
}

/// `spec.fallback` (K-71).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fallback {
    /// Failures in a row that are passed on; the next one is replaced (K-72).
    pub failure_threshold: i32,
    /// The count to fall back to.
    pub replicas: i32,
    /// Which count it is.
    #[serde(skip_serializing_if = "is_default")]
    pub behavior: FallbackBehavior,
}

impl Fallback {
    /// Falls back to `replicas` after more than `failure_threshold` failures in a row.
    #[must_use]
    pub const fn new(failure_threshold: i32, replicas: i32, behavior: FallbackBehavior) -> Self {
        Self {
            failure_threshold,
            replicas,
            behavior,
        }
    }
}

/// Which count a fallback means (K-73).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "KEDA has exactly these five")]
pub enum FallbackBehavior {
    /// `replicas`.
    #[default]
    Static,
    /// The present count.
    CurrentReplicas,
    /// The larger of the present count and `replicas`.
    CurrentReplicasIfHigher,
    /// The smaller of the present count and `replicas`.
    CurrentReplicasIfLower,
    /// The formula decides: the failing trigger reads as nil in it (K-75).
    ScalingModifiers,
}

/// `spec.advanced.scalingModifiers` (K-77).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScalingModifiers {
    /// The formula over trigger names.
    pub formula: Formula,
    /// The target, above 0.
    pub target: f64,
    /// Whether the target is written as a whole number of base 10: without that no fallback is used (K-71).
    pub target_is_whole: bool,
    /// What the result must exceed to count as active (K-79).
    #[serde(default, skip_serializing_if = "is_default")]
    pub activation_target: f64,
    /// How the result is held against the target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metric_type: MetricType,
}

impl ScalingModifiers {
    /// The result of `formula` held against `target`, which is taken as written as a whole number if it is one.
    #[must_use]
    pub fn new(formula: Formula, target: f64, metric_type: MetricType) -> Self {
        Self {
            formula,
            target,
            target_is_whole: target.fract().abs() <= 0.0,
            activation_target: 0.0,
            metric_type,
        }
    }
}

/// A `keda.sh/v1alpha1` ScaledJob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScaledJob {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Annotations, of which one steers KEDA.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Labels,
    /// `spec.pollingInterval`, 30 s when absent.
    pub polling_interval: Span,
    /// `spec.minReplicaCount`.
    #[serde(skip_serializing_if = "is_default")]
    pub min_replica_count: Option<i32>,
    /// `spec.maxReplicaCount`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_replica_count: Option<i32>,
    /// `spec.triggers`.
    #[serde(skip_serializing_if = "is_default")]
    pub triggers: Vec<Trigger>,
    /// `spec.scalingStrategy.strategy` and what it needs (K-83).
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: JobStrategy,
    /// `spec.scalingStrategy.multipleScalersCalculation` (K-82).
    #[serde(skip_serializing_if = "is_default")]
    pub calculation: MultipleScalers,
}

impl Default for ScaledJob {
    fn default() -> Self {
        Self {
            namespace: Name::default(),
            name: Name::default(),
            annotations: Labels::new(),
            polling_interval: Span::from_secs(30),
            min_replica_count: None,
            max_replica_count: None,
            triggers: Vec::new(),
            strategy: JobStrategy::Default,
            calculation: MultipleScalers::Max,
        }
    }
}

impl ScaledJob {
    /// A ScaledJob with defaults and `triggers`.
    #[must_use]
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>, triggers: Vec<Trigger>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            triggers,
            ..Self::default()
        }
    }

    /// Jobs that always run: `minReplicaCount`, never above `maxReplicaCount`.
    #[must_use]
    pub fn least_jobs(&self) -> i64 {
        let min = self.min_replica_count.unwrap_or(0);
        i64::from(self.max_replica_count.map_or(min, |max| min.min(max)))
    }

    /// Jobs above those that always run: what of `maxReplicaCount` exceeds `minReplicaCount` (all of it if that does
    /// not fit), 100 when absent (K-82).
    #[must_use]
    pub fn most_jobs(&self) -> i64 {
        let Some(max) = self.max_replica_count else {
            return 100;
        };
        match self.min_replica_count {
            Some(min) if min > max => i64::from(max),
            _ => i64::from(max).saturating_sub(self.least_jobs()),
        }
    }
}

/// How many jobs to start for what waits (K-83).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "KEDA has exactly these four")]
pub enum JobStrategy {
    /// What waits less what runs.
    #[default]
    Default,
    /// What waits less a deduction and a share of what runs.
    Custom {
        /// `customScalingQueueLengthDeduction`.
        queue_length_deduction: i32,
        /// `customScalingRunningJobPercentage`, as a share: 0.5 is half.
        running_job_percentage: f64,
    },
    /// For queues that do not count what is being worked on.
    Accurate,
    /// As many as there is room for.
    Eager,
}

/// How several triggers are joined (K-82).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "KEDA has exactly these four")]
pub enum MultipleScalers {
    /// The longest queue.
    #[default]
    Max,
    /// The shortest queue.
    Min,
    /// The mean of the active ones.
    Avg,
    /// All active ones together.
    Sum,
}
