//! Volumes as far as scheduling looks at them (S-102..S-109).

use serde::{Deserialize, Serialize};

use super::affinity::NodeSelectorTerm;
use super::is_default;
use super::label::Labels;
use super::requirement::RequirementSpec;
use super::resources::Name;

/// Phase of a PersistentVolumeClaim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClaimPhase {
    /// Not bound yet.
    #[default]
    Pending,
    /// Bound to a volume.
    Bound,
    /// The volume is gone.
    Lost,
}

/// A `v1` PersistentVolumeClaim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PersistentVolumeClaim {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Annotations (`pv.kubernetes.io/bind-completed` matters).
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Labels,
    /// Whether a deletion timestamp is set.
    #[serde(skip_serializing_if = "is_default")]
    pub deleting: bool,
    /// `spec.volumeName`.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_name: Option<Name>,
    /// `spec.storageClassName`.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_class_name: Option<Name>,
    /// Access modes as written (`ReadWriteOnce`, ...).
    #[serde(skip_serializing_if = "is_default")]
    pub access_modes: Vec<Name>,
    /// `status.phase`.
    #[serde(skip_serializing_if = "is_default")]
    pub phase: ClaimPhase,
}

/// A `v1` PersistentVolume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PersistentVolume {
    /// Name.
    pub name: Name,
    /// Whether a deletion timestamp is set.
    #[serde(skip_serializing_if = "is_default")]
    pub deleting: bool,
    /// `spec.nodeAffinity.required`: any term may hold. `None` when not stated.
    #[serde(skip_serializing_if = "is_default")]
    pub node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// Whether the volume is `local` or `hostPath`, whose hostname expressions Karpenter drops (S-104).
    #[serde(skip_serializing_if = "is_default")]
    pub host_bound: bool,
    /// The CSI driver that counts for attach limits (S-108), in-tree EBS translated.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<Name>,
}

/// A `storage.k8s.io/v1` StorageClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct StorageClass {
    /// Name.
    pub name: Name,
    /// Provisioner, in-tree names translated to CSI (S-108).
    #[serde(skip_serializing_if = "is_default")]
    pub provisioner: Name,
    /// Whether binding waits for the first consumer; `Immediate` otherwise.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_for_first_consumer: bool,
    /// `allowedTopologies`: any term may hold; expressions are `In`.
    #[serde(skip_serializing_if = "is_default")]
    pub allowed_topologies: Vec<Vec<RequirementSpec>>,
}

/// Attach limits of one node: a `storage.k8s.io/v1` CSINode.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct CsiNode {
    /// Node name.
    pub name: Name,
    /// Driver to the number of volumes it can attach; drivers without a limit are not listed.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Vec<(Name, u32)>,
}

/// A volume of a pod as far as scheduling looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PodVolume {
    /// `persistentVolumeClaim.claimName`.
    Claim(Name),
    /// `ephemeral`: the claim is named `<pod>-<volume>`; the name here is the volume's.
    Ephemeral(Name),
}
