//! Nodes of the cluster.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::Labels;
use super::resources::{Name, ResourceList};
use super::taint::Taint;
use crate::base::time::Timestamp;

/// A condition of an object's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Condition {
    /// Type, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: Name,
    /// `True`, `False` or `Unknown`.
    pub status: Name,
    /// Reason in CamelCase.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: Name,
    /// Text for people.
    #[serde(skip_serializing_if = "is_default")]
    pub message: Name,
    /// When the status last changed.
    #[serde(skip_serializing_if = "is_default")]
    pub last_transition: Option<Timestamp>,
}

impl Condition {
    /// Whether the condition `kind` of `conditions` is `True`; `None` when it is absent.
    #[must_use]
    pub fn is_true(conditions: &[Self], kind: &str) -> Option<bool> {
        conditions
            .iter()
            .find(|c| c.kind.as_ref() == kind)
            .map(|c| c.status.as_ref() == "True")
    }
}

/// A `v1` Node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Node {
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
    /// `spec.providerID`.
    #[serde(skip_serializing_if = "is_default")]
    pub provider_id: Option<Name>,
    /// `spec.taints`.
    #[serde(skip_serializing_if = "is_default")]
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`: cordoned.
    #[serde(skip_serializing_if = "is_default")]
    pub unschedulable: bool,
    /// `status.capacity`.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity: ResourceList,
    /// `status.allocatable`.
    #[serde(skip_serializing_if = "is_default")]
    pub allocatable: ResourceList,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
}

impl Node {
    /// A node without capacity.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}
