//! NodeClaims: capacity that Karpenter asked for.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::Labels;
use super::node::Condition;
use super::requirement::RequirementSpec;
use super::resources::{Name, ResourceList};
use super::taint::Taint;
use crate::base::time::{Span, Timestamp};

/// A `karpenter.sh/v1` NodeClaim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeClaim {
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Creation time.
    #[serde(skip_serializing_if = "is_default")]
    pub created: Option<Timestamp>,
    /// Deletion time.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: Option<Timestamp>,
    /// Labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Labels,
    /// Annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Labels,
    /// Name of the node class.
    pub node_class: Name,
    /// `spec.requirements`.
    #[serde(skip_serializing_if = "is_default")]
    pub requirements: Vec<RequirementSpec>,
    /// `spec.resources.requests`.
    #[serde(skip_serializing_if = "is_default")]
    pub requests: ResourceList,
    /// `spec.taints`.
    #[serde(skip_serializing_if = "is_default")]
    pub taints: Vec<Taint>,
    /// `spec.startupTaints`.
    #[serde(skip_serializing_if = "is_default")]
    pub startup_taints: Vec<Taint>,
    /// `spec.expireAfter`; `None` is `Never`.
    #[serde(skip_serializing_if = "is_default")]
    pub expire_after: Option<Span>,
    /// `spec.terminationGracePeriod`.
    #[serde(skip_serializing_if = "is_default")]
    pub termination_grace_period: Option<Span>,
    /// `status.nodeName`.
    #[serde(skip_serializing_if = "is_default")]
    pub node_name: Option<Name>,
    /// `status.providerID`.
    #[serde(skip_serializing_if = "is_default")]
    pub provider_id: Option<Name>,
    /// `status.capacity`.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity: ResourceList,
    /// `status.allocatable`.
    #[serde(skip_serializing_if = "is_default")]
    pub allocatable: ResourceList,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// `status.lastPodEventTime`.
    #[serde(skip_serializing_if = "is_default")]
    pub last_pod_event: Option<Timestamp>,
}
