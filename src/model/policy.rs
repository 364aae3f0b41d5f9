//! PodDisruptionBudgets, DaemonSets, namespaces and pod groups.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::label::{LabelSelector, Labels};
use super::pod::PodSpec;
use super::resources::Name;

/// A number or a percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes' IntOrString has exactly these two meanings"
)]
pub enum IntOrPercent {
    /// A count.
    Count(i32),
    /// Percent of the matching pods.
    Percent(i32),
}

/// A `policy/v1` PodDisruptionBudget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodDisruptionBudget {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Which pods; `None` selects nothing.
    pub selector: Option<LabelSelector>,
    /// `minAvailable`.
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable`.
    pub max_unavailable: Option<IntOrPercent>,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: Option<i32>,
}

/// An `apps/v1` DaemonSet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct DaemonSet {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    pub uid: Name,
    /// Labels of its pods.
    pub template_labels: Labels,
    /// What its pods ask for.
    pub spec: Arc<PodSpec>,
}

/// A `v1` Namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Namespace {
    /// Name.
    pub name: Name,
    /// Labels.
    pub labels: Labels,
}

/// A `scheduling.x-k8s.io/v1alpha1` PodGroup (M-15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodGroup {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// `spec.minMember`.
    pub min_member: u32,
}
