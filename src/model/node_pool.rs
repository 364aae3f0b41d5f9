//! NodePools.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::Labels;
use super::node::Condition;
use super::requirement::RequirementSpec;
use super::resources::{Name, ResourceList};
use super::taint::Taint;
use crate::base::time::{Span, Timestamp};

/// Which node class a pool's nodes come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeClassRef {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: Name,
    /// Kind, such as `HyperpodNodeClass`.
    pub kind: Name,
    /// Name.
    pub name: Name,
}

impl NodeClassRef {
    /// The label that a pool puts on its nodes: `<group>/<lowercase kind>` (S-43).
    #[must_use]
    pub fn label_key(&self) -> String {
        format!("{}/{}", self.group, self.kind.to_lowercase())
    }
}

/// `spec.disruption.consolidationPolicy` as written; unknown policies are kept so that they can be reported (H-3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ConsolidationPolicy {
    /// Only empty nodes.
    WhenEmpty,
    /// Empty and under-used nodes.
    #[default]
    WhenEmptyOrUnderutilized,
    /// The savings-against-disruption score of v1.14.
    Balanced,
    /// Another policy.
    Other(Name),
}

/// A disruption budget as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Budget {
    /// A number or a percentage.
    #[serde(skip_serializing_if = "is_default")]
    pub nodes: Name,
    /// Reasons it applies to; `None` for all, an empty list for none (D-22).
    #[serde(skip_serializing_if = "is_default")]
    pub reasons: Option<Vec<Name>>,
    /// Cron schedule in UTC.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: Option<Name>,
    /// How long each window lasts.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: Option<Span>,
}

/// A `karpenter.sh/v1` NodePool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodePool {
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Deletion time.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: Option<Timestamp>,
    /// Labels of the pool object itself.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Labels,
    /// Annotations of the pool object itself.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Labels,
    /// Labels that its nodes get.
    #[serde(skip_serializing_if = "is_default")]
    pub template_labels: Labels,
    /// Annotations that its NodeClaims get.
    #[serde(skip_serializing_if = "is_default")]
    pub template_annotations: Labels,
    /// Node class.
    #[serde(skip_serializing_if = "is_default")]
    pub node_class_ref: NodeClassRef,
    /// `spec.template.spec.requirements`.
    #[serde(skip_serializing_if = "is_default")]
    pub requirements: Vec<RequirementSpec>,
    /// `spec.template.spec.taints`.
    #[serde(skip_serializing_if = "is_default")]
    pub taints: Vec<Taint>,
    /// `spec.template.spec.startupTaints`.
    #[serde(skip_serializing_if = "is_default")]
    pub startup_taints: Vec<Taint>,
    /// `spec.template.spec.expireAfter`; `None` is `Never`.
    #[serde(skip_serializing_if = "is_default")]
    pub expire_after: Option<Span>,
    /// `spec.template.spec.terminationGracePeriod`.
    #[serde(skip_serializing_if = "is_default")]
    pub termination_grace_period: Option<Span>,
    /// `spec.limits`.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: ResourceList,
    /// `spec.weight`, 0 when absent.
    pub weight: u32,
    /// `spec.replicas`: a static pool (S-126).
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u32>,
    /// Consolidation policy.
    #[serde(skip_serializing_if = "is_default")]
    pub consolidation_policy: ConsolidationPolicy,
    /// `spec.disruption.consolidateAfter`; `None` is `Never`.
    #[serde(skip_serializing_if = "is_default")]
    pub consolidate_after: Option<Span>,
    /// Disruption budgets.
    #[serde(skip_serializing_if = "is_default")]
    pub budgets: Vec<Budget>,
    /// `status.conditions`.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
}

impl NodePool {
    /// A dynamic pool without constraints that draws from the HyperpodNodeClass `node_class`.
    #[must_use]
    pub fn new(name: impl Into<Name>, node_class: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            node_class_ref: NodeClassRef {
                group: Name::from("karpenter.sagemaker.amazonaws.com"),
                kind: Name::from("HyperpodNodeClass"),
                name: node_class.into(),
            },
            consolidate_after: Some(Span::ZERO),
            ..Self::default()
        }
    }
}
