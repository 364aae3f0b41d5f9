//! Node affinity, pod affinity and topology spread as pods state them.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::label::LabelSelector;
use super::requirement::RequirementSpec;
use super::resources::Name;

/// One OR-ed term of required node affinity. A term without expressions matches no node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeSelectorTerm {
    /// Requirements on labels, all of which must hold.
    #[serde(skip_serializing_if = "is_default")]
    pub match_expressions: Vec<RequirementSpec>,
    /// Requirements on fields (`metadata.name`), all of which must hold.
    #[serde(skip_serializing_if = "is_default")]
    pub match_fields: Vec<RequirementSpec>,
}

/// A preferred node-affinity term with its weight (1-100).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PreferredNodeTerm {
    /// Weight, 1-100.
    pub weight: u32,
    /// The preference.
    #[serde(skip_serializing_if = "is_default")]
    pub preference: NodeSelectorTerm,
}

/// A pod affinity or anti-affinity term.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodAffinityTerm {
    /// Which pods; `None` selects nothing (S-83).
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
    /// Namespaces listed by name.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Vec<Name>,
    /// Namespaces chosen by label (S-85).
    #[serde(skip_serializing_if = "is_default")]
    pub namespace_selector: Option<LabelSelector>,
    /// The node label whose equal values make a domain.
    pub topology_key: Name,
    /// Keys of the pod whose values are added to the selector as `In` (S-84).
    #[serde(skip_serializing_if = "is_default")]
    pub match_label_keys: Vec<Name>,
    /// Keys of the pod whose values are added to the selector as `NotIn`.
    #[serde(skip_serializing_if = "is_default")]
    pub mismatch_label_keys: Vec<Name>,
}

/// A preferred pod (anti-)affinity term with its weight (1-100).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct WeightedPodAffinityTerm {
    /// Weight, 1-100.
    pub weight: u32,
    /// The term.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_affinity_term: PodAffinityTerm,
}

/// `spec.affinity` of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Affinity {
    /// Required node affinity: any term may hold; `None` when not stated, and an empty list matches no node.
    #[serde(skip_serializing_if = "is_default")]
    pub node_required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred node affinity in manifest order.
    #[serde(skip_serializing_if = "is_default")]
    pub node_preferred: Vec<PreferredNodeTerm>,
    /// Required pod affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_required: Vec<PodAffinityTerm>,
    /// Preferred pod affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_preferred: Vec<WeightedPodAffinityTerm>,
    /// Required pod anti-affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub anti_required: Vec<PodAffinityTerm>,
    /// Preferred pod anti-affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub anti_preferred: Vec<WeightedPodAffinityTerm>,
}

/// What to do with a pod that would break a spread constraint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has exactly these two")]
pub enum WhenUnsatisfiable {
    /// Do not place the pod.
    #[default]
    DoNotSchedule,
    /// Place it anyway: a preference.
    ScheduleAnyway,
}

/// Whether a spread constraint looks at a node inclusion rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has exactly these two")]
pub enum NodeInclusionPolicy {
    /// Nodes the pod could not use are left out of the count.
    Honor,
    /// All nodes count.
    Ignore,
}

/// A topology spread constraint (S-90..S-93).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopologySpreadConstraint {
    /// How far a domain may exceed the emptiest one; at least 1.
    pub max_skew: u32,
    /// The node label whose equal values make a domain.
    pub topology_key: Name,
    /// Hard or soft.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods are counted; `None` selects nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
    /// Keys of the pod whose values are added to the selector (S-84).
    #[serde(default, skip_serializing_if = "is_default")]
    pub match_label_keys: Vec<Name>,
    /// With fewer domains than this the minimum counts as 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_domains: Option<u32>,
    /// Default `Honor`.
    pub node_affinity_policy: NodeInclusionPolicy,
    /// Default `Ignore`.
    pub node_taints_policy: NodeInclusionPolicy,
}

impl TopologySpreadConstraint {
    /// A hard constraint over `topology_key` with Kubernetes' defaults.
    #[must_use]
    pub fn new(
        topology_key: impl Into<Name>,
        max_skew: u32,
        label_selector: LabelSelector,
    ) -> Self {
        Self {
            max_skew,
            topology_key: topology_key.into(),
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
            label_selector: Some(label_selector),
            match_label_keys: Vec::new(),
            min_domains: None,
            node_affinity_policy: NodeInclusionPolicy::Honor,
            node_taints_policy: NodeInclusionPolicy::Ignore,
        }
    }
}
