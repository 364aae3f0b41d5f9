//! Workloads and what refers to them: pod templates, owners with a scale, capacity buffers (S-129..S-134).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::Labels;
use super::node::Condition;
use super::pod::PodSpec;
use super::resources::{Name, ResourceList};

/// A `v1` PodTemplate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodTemplate {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Labels of its pods.
    #[serde(skip_serializing_if = "is_default")]
    pub template_labels: Labels,
    /// What its pods ask for.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: Arc<PodSpec>,
}

/// What owns pods and has a scale.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[non_exhaustive]
pub enum WorkloadKind {
    /// An `apps/v1` Deployment.
    #[default]
    Deployment,
    /// An `apps/v1` ReplicaSet.
    ReplicaSet,
    /// An `apps/v1` StatefulSet.
    StatefulSet,
}

impl WorkloadKind {
    /// The kind in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// A Deployment, ReplicaSet or StatefulSet as far as scheduling looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Workload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// `spec.replicas`, 1 when absent.
    pub replicas: u32,
    /// Labels of its pods.
    #[serde(skip_serializing_if = "is_default")]
    pub template_labels: Labels,
    /// What its pods ask for.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: Arc<PodSpec>,
}

/// `spec.scalableRef` of a buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScalableRef {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub api_group: Name,
    /// Kind.
    pub kind: Name,
    /// Name, in the buffer's namespace.
    pub name: Name,
}

/// An `autoscaling.x-k8s.io/v1beta1` CapacityBuffer: room kept free for pods that do not exist yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct CapacityBuffer {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// `spec.provisioningStrategy`.
    #[serde(skip_serializing_if = "is_default")]
    pub provisioning_strategy: Name,
    /// `spec.podTemplateRef.name`: a PodTemplate of the same namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_template: Option<Name>,
    /// `spec.scalableRef`: a workload whose pods the buffer is for.
    #[serde(skip_serializing_if = "is_default")]
    pub scalable: Option<ScalableRef>,
    /// `spec.replicas`.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u32>,
    /// `spec.percentage` of the workload's replicas.
    #[serde(skip_serializing_if = "is_default")]
    pub percentage: Option<u32>,
    /// `spec.limits`: the most that all its pods together ask for.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: ResourceList,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
}
