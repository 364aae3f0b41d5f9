//! HyperpodNodeClasses and the HyperPod cluster record.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::Labels;
use super::node::Condition;
use super::resources::Name;
use super::taint::Taint;
use crate::base::time::Timestamp;

/// A subnet with its zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Subnet {
    /// Subnet id.
    pub id: Name,
    /// Zone name.
    #[serde(skip_serializing_if = "is_default")]
    pub zone: Name,
    /// Zone id.
    #[serde(skip_serializing_if = "is_default")]
    pub zone_id: Name,
}

/// `status.instanceGroups[]` of a HyperpodNodeClass (H-11).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceGroupStatus {
    /// Group name.
    pub name: Name,
    /// Instance types of the group.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_types: Vec<Name>,
    /// Its subnets with zones.
    #[serde(skip_serializing_if = "is_default")]
    pub subnets: Vec<Subnet>,
    /// Whether the group's capacity is spot (H-11: `capacities` has the key `Spot`).
    #[serde(skip_serializing_if = "is_default")]
    pub spot: bool,
    /// Labels that its nodes get (H-51).
    #[serde(skip_serializing_if = "is_default")]
    pub desired_labels: Labels,
    /// Taints that its nodes get (H-49).
    #[serde(skip_serializing_if = "is_default")]
    pub desired_taints: Vec<Taint>,
}

/// A `karpenter.sagemaker.amazonaws.com/v1` HyperpodNodeClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HyperpodNodeClass {
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Deletion time.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: Option<Timestamp>,
    /// Names of instance groups, at most 10 (H-8).
    #[serde(skip_serializing_if = "is_default")]
    pub instance_groups: Vec<Name>,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// `status.instanceGroups`; `None` when there is no status yet.
    #[serde(skip_serializing_if = "is_default")]
    pub status_groups: Option<Vec<InstanceGroupStatus>>,
}

/// A group of the DescribeCluster record (H-27).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceGroup {
    /// Group name.
    pub name: Name,
    /// Group status, such as `InService`.
    pub status: Name,
    /// Nodes there are.
    #[serde(skip_serializing_if = "is_default")]
    pub current_count: u32,
    /// Nodes wanted.
    #[serde(skip_serializing_if = "is_default")]
    pub target_count: u32,
    /// `MinCount` (H-34).
    #[serde(skip_serializing_if = "is_default")]
    pub min_count: u32,
    /// Instance types: one, or the list of a flexible group.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_types: Vec<Name>,
    /// Whether the group has `InstanceRequirements` (H-35).
    #[serde(skip_serializing_if = "is_default")]
    pub flexible: bool,
    /// Whether the group's capacity is spot (H-37).
    #[serde(skip_serializing_if = "is_default")]
    pub spot: bool,
    /// `ThreadsPerCore`, 1 or 2; `None` is the type's default.
    #[serde(skip_serializing_if = "is_default")]
    pub threads_per_core: Option<u32>,
    /// Subnet ids: the group's own, else the cluster's.
    #[serde(skip_serializing_if = "is_default")]
    pub subnet_ids: Vec<Name>,
    /// Labels that its nodes get.
    #[serde(skip_serializing_if = "is_default")]
    pub desired_labels: Labels,
    /// Taints that its nodes get.
    #[serde(skip_serializing_if = "is_default")]
    pub desired_taints: Vec<Taint>,
    /// `TrainingPlanArn` (H-14).
    #[serde(skip_serializing_if = "is_default")]
    pub training_plan: Option<Name>,
    /// `OnStartDeepHealthChecks` (H-47).
    #[serde(skip_serializing_if = "is_default")]
    pub deep_health_checks: Vec<Name>,
}

/// The record that `aws sagemaker describe-cluster` prints, as far as planning looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HyperpodCluster {
    /// Cluster name.
    pub name: Name,
    /// Cluster ARN.
    #[serde(skip_serializing_if = "is_default")]
    pub arn: Name,
    /// Cluster status, such as `InService`.
    pub status: Name,
    /// `AutoScaling.Mode`: `Enable` or `Disable`.
    #[serde(skip_serializing_if = "is_default")]
    pub autoscaling_mode: Option<Name>,
    /// `AutoScaling.AutoScalerType`: `Karpenter`.
    #[serde(skip_serializing_if = "is_default")]
    pub autoscaler_type: Option<Name>,
    /// `AutoScaling.Status` (H-5).
    #[serde(skip_serializing_if = "is_default")]
    pub autoscaling_status: Option<Name>,
    /// `AutoScaling.FailureMessage`.
    #[serde(skip_serializing_if = "is_default")]
    pub autoscaling_failure: Option<Name>,
    /// `NodeProvisioningMode`: `Continuous`.
    #[serde(skip_serializing_if = "is_default")]
    pub node_provisioning_mode: Option<Name>,
    /// `NodeRecovery`: `Automatic` or `None`.
    #[serde(skip_serializing_if = "is_default")]
    pub node_recovery: Option<Name>,
    /// `ClusterRole`.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_role: Option<Name>,
    /// `Orchestrator.Eks.ClusterArn`.
    #[serde(skip_serializing_if = "is_default")]
    pub eks_cluster_arn: Option<Name>,
    /// Instance groups.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_groups: Vec<InstanceGroup>,
}
