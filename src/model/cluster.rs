//! The snapshot: everything one decision reads.

use serde::{Deserialize, Serialize};

use super::hyperpod::{HyperpodCluster, HyperpodNodeClass};
use super::instance_type::InstanceTypes;
use super::node::Node;
use super::node_claim::NodeClaim;
use super::node_pool::NodePool;
use super::options::Options;
use super::pod::Pod;
use super::policy::{DaemonSet, Namespace, PodDisruptionBudget, PodGroup};
use super::volume::{CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass};

/// A cluster at one moment with the options of the decision. It round-trips through serde, so that a bug report is one
/// file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Snapshot {
    /// Options, the time included.
    pub options: Options,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// NodeClaims.
    pub node_claims: Vec<NodeClaim>,
    /// NodePools.
    pub node_pools: Vec<NodePool>,
    /// HyperpodNodeClasses.
    pub node_classes: Vec<HyperpodNodeClass>,
    /// Instance types by node class.
    pub instance_types: Vec<InstanceTypes>,
    /// DescribeCluster record.
    pub cluster: Option<HyperpodCluster>,
    /// DaemonSets.
    pub daemon_sets: Vec<DaemonSet>,
    /// PodDisruptionBudgets.
    pub pod_disruption_budgets: Vec<PodDisruptionBudget>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// PersistentVolumeClaims.
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// PersistentVolumes.
    pub volumes: Vec<PersistentVolume>,
    /// StorageClasses.
    pub storage_classes: Vec<StorageClass>,
    /// CSINodes.
    pub csi_nodes: Vec<CsiNode>,
    /// PodGroups.
    pub pod_groups: Vec<PodGroup>,
}
