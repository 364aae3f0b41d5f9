//! NodeClaims: capacity that Karpenter asked for.

use serde::{Deserialize, Serialize};

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
    pub uid: Name,
    /// Creation time.
    pub created: Option<Timestamp>,
    /// Deletion time.
    pub deleted: Option<Timestamp>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Name of the node class.
    pub node_class: Name,
    /// `spec.requirements`.
    pub requirements: Vec<RequirementSpec>,
    /// `spec.resources.requests`.
    pub requests: ResourceList,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.startupTaints`.
    pub startup_taints: Vec<Taint>,
    /// `spec.expireAfter`; `None` is `Never`.
    pub expire_after: Option<Span>,
    /// `spec.terminationGracePeriod`.
    pub termination_grace_period: Option<Span>,
    /// `status.nodeName`.
    pub node_name: Option<Name>,
    /// `status.providerID`.
    pub provider_id: Option<Name>,
    /// `status.capacity`.
    pub capacity: ResourceList,
    /// `status.allocatable`.
    pub allocatable: ResourceList,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
    /// `status.lastPodEventTime`.
    pub last_pod_event: Option<Timestamp>,
}
