//! The snapshot: everything one decision reads.

use serde::{Deserialize, Serialize};

use super::autoscaling::hpa::HorizontalPodAutoscaler;
use super::autoscaling::keda::{ScaledJob, ScaledObject};
use super::autoscaling::samples::MetricSamples;
use super::hyperpod::{HyperpodCluster, HyperpodNodeClass};
use super::instance_type::InstanceTypes;
use super::is_default;
use super::node::Node;
use super::node_claim::NodeClaim;
use super::node_pool::NodePool;
use super::options::Options;
use super::overlay::NodeOverlay;
use super::pod::Pod;
use super::policy::{DaemonSet, Namespace, PodDisruptionBudget, PodGroup};
use super::volume::{CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass};
use super::workload::{CapacityBuffer, PodTemplate, Workload};

/// A cluster at one moment with the options of the decision. It round-trips through serde, so that a bug report is one
/// file.
///
/// ```
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::model::pod::Pod;
/// let mut snapshot = Snapshot::default();
/// snapshot.pods.push(Pod::new("default", "web-0"));
/// let text = serde_json::to_string(&snapshot).unwrap();
/// assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Snapshot {
    /// Options, the time included.
    #[serde(skip_serializing_if = "is_default")]
    pub options: Options,
    /// Pods.
    #[serde(skip_serializing_if = "is_default")]
    pub pods: Vec<Pod>,
    /// Nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub nodes: Vec<Node>,
    /// NodeClaims.
    #[serde(skip_serializing_if = "is_default")]
    pub node_claims: Vec<NodeClaim>,
    /// NodePools.
    #[serde(skip_serializing_if = "is_default")]
    pub node_pools: Vec<NodePool>,
    /// HyperpodNodeClasses.
    #[serde(skip_serializing_if = "is_default")]
    pub node_classes: Vec<HyperpodNodeClass>,
    /// Instance types by node class.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_types: Vec<InstanceTypes>,
    /// DescribeCluster record.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster: Option<HyperpodCluster>,
    /// DaemonSets.
    #[serde(skip_serializing_if = "is_default")]
    pub daemon_sets: Vec<DaemonSet>,
    /// PodDisruptionBudgets.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_disruption_budgets: Vec<PodDisruptionBudget>,
    /// Namespaces.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Vec<Namespace>,
    /// PersistentVolumeClaims.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// PersistentVolumes.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<PersistentVolume>,
    /// StorageClasses.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_classes: Vec<StorageClass>,
    /// CSINodes.
    #[serde(skip_serializing_if = "is_default")]
    pub csi_nodes: Vec<CsiNode>,
    /// PodGroups.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_groups: Vec<PodGroup>,
    /// NodeOverlays.
    #[serde(skip_serializing_if = "is_default")]
    pub node_overlays: Vec<NodeOverlay>,
    /// CapacityBuffers.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity_buffers: Vec<CapacityBuffer>,
    /// PodTemplates that buffers refer to.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_templates: Vec<PodTemplate>,
    /// Deployments, ReplicaSets and StatefulSets that buffers refer to.
    #[serde(skip_serializing_if = "is_default")]
    pub workloads: Vec<Workload>,
    /// HorizontalPodAutoscalers.
    #[serde(skip_serializing_if = "is_default")]
    pub horizontal_pod_autoscalers: Vec<HorizontalPodAutoscaler>,
    /// ScaledObjects.
    #[serde(skip_serializing_if = "is_default")]
    pub scaled_objects: Vec<ScaledObject>,
    /// ScaledJobs.
    #[serde(skip_serializing_if = "is_default")]
    pub scaled_jobs: Vec<ScaledJob>,
    /// What autoscalers measure.
    #[serde(skip_serializing_if = "is_default")]
    pub metric_samples: Vec<MetricSamples>,
}
