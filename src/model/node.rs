//! Nodes of the cluster.

use serde::{Deserialize, Serialize};

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
    pub reason: Name,
    /// Text for people.
    pub message: Name,
    /// When the status last changed.
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
    pub uid: Name,
    /// Creation time.
    pub created: Option<Timestamp>,
    /// Deletion time.
    pub deleted: Option<Timestamp>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// `spec.providerID`.
    pub provider_id: Option<Name>,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `status.capacity`.
    pub capacity: ResourceList,
    /// `status.allocatable`.
    pub allocatable: ResourceList,
    /// `status.conditions`.
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
