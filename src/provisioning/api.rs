//! Requests and answers of the two operations that change a cluster's nodes (H-25, H-26), and the record that
//! `ListClusterNodes` gives of a node (H-29). Field names are the API's.

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;
use crate::model::resources::Name;
use crate::plan::BatchAddClusterNodes;

/// Most ids that one delete names.
pub const MAX_DELETES: usize = 50;
/// Longest client token in characters.
pub const MAX_TOKEN: usize = 64;
/// How long a client token makes a repeated add the same request, in hours.
pub const TOKEN_HOURS: i64 = 8;

/// `BatchAddClusterNodes` with its client token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct AddRequest {
    /// Makes a repetition within [`TOKEN_HOURS`] the same request.
    pub client_token: Name,
    /// Cluster and entries.
    #[serde(flatten)]
    pub body: BatchAddClusterNodes,
}

/// A node that an add has accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct AddedNode {
    /// Names the node for as long as it is wanted, whatever instance is behind it (H-29).
    pub node_logical_id: Name,
    /// Group.
    pub instance_group_name: Name,
    /// Status; in the answer to a repeated request the latest one.
    pub status: InstanceStatus,
    /// Zones asked for.
    pub availability_zones: Vec<Name>,
    /// Types asked for.
    pub instance_types: Vec<Name>,
}

/// Nodes that an add has refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FailedAdd {
    /// Group.
    pub instance_group_name: Name,
    /// `InstanceGroupNotFound`, `InvalidInstanceGroupStatus`, `IncompatibleAvailabilityZones`,
    /// `IncompatibleInstanceTypes` or a newer one.
    pub error_code: Name,
    /// How many nodes.
    pub failed_count: u32,
    /// Text for people.
    pub message: Name,
    /// Zones asked for.
    pub availability_zones: Vec<Name>,
    /// Types asked for.
    pub instance_types: Vec<Name>,
}

/// The answer to an add. Entries succeed and fail separately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct AddAnswer {
    /// Accepted nodes.
    pub successful: Vec<AddedNode>,
    /// Refused nodes.
    pub failed: Vec<FailedAdd>,
}

/// `BatchDeleteClusterNodes`. The machine names nodes by their logical ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct DeleteRequest {
    /// Cluster.
    pub cluster_name: Name,
    /// At most [`MAX_DELETES`].
    pub node_logical_ids: Vec<Name>,
}

/// A node that a delete has refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FailedDelete {
    /// `NodeLogicalIdNotFound`, `NodeIdNotFound`, `InvalidNodeStatus`, `NodeIdInUse`, `InternalError` or a newer one.
    pub code: Name,
    /// Text for people.
    pub message: Name,
    /// The node.
    pub node_logical_id: Name,
}

/// The answer to a delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct DeleteAnswer {
    /// Accepted deletions.
    pub successful_node_logical_ids: Vec<Name>,
    /// Refused ones.
    pub failed_node_logical_ids: Vec<FailedDelete>,
}

/// Why a call gave no answer of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CallError {
    /// Too many calls; the same request may be repeated later.
    Throttled,
    /// `ResourceLimitExceeded`: a service quota.
    LimitExceeded(Name),
    /// `ResourceNotFound`: there is no such cluster.
    NotFound(Name),
    /// Anything else that was refused for good: validation, missing permission.
    Refused(Name),
    /// A failure on the other side: the same request may be repeated.
    Internal(Name),
    /// Nothing came back: whether the request took effect is unknown.
    NoAnswer,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// The answer to an add.
    Added(AddAnswer),
    /// The answer to a delete.
    Deleted(DeleteAnswer),
    /// An error.
    Failed(CallError),
}

/// Status of an instance (H-28).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum InstanceStatus {
    /// Being provisioned or rebooted.
    #[default]
    Pending,
    /// Healthy and registered.
    Running,
    /// Provisioning failed; HyperPod tries again by itself, so this is not final.
    Failure,
    /// On its way out.
    ShuttingDown,
    /// Its image is being patched.
    SystemUpdating,
    /// Its hardware is being tested.
    DeepHealthCheckInProgress,
    /// Deleted meanwhile (only in the answer to a repeated add).
    NotFound,
    /// A status that the API model does not list.
    #[serde(untagged)]
    Other(Name),
}

/// What `ListClusterNodes` says of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NodeRecord {
    /// Group.
    pub instance_group_name: Name,
    /// The node for as long as it is wanted.
    pub node_logical_id: Name,
    /// The instance behind it now; changes when HyperPod replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Name>,
    /// Type.
    pub instance_type: Name,
    /// Status.
    pub instance_status: InstanceStatus,
    /// When the instance came up and its lifecycle script began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_time: Option<Timestamp>,
    /// `Placement.AvailabilityZone`.
    pub availability_zone: Name,
}

impl NodeRecord {
    /// A record of the node `logical_id` of `group`.
    #[must_use]
    pub fn new(
        group: impl Into<Name>,
        logical_id: impl Into<Name>,
        status: InstanceStatus,
    ) -> Self {
        Self {
            instance_group_name: group.into(),
            node_logical_id: logical_id.into(),
            instance_status: status,
            ..Self::default()
        }
    }
}
