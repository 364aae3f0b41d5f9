//! Options of a decision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::instance_type::CapacityType;
use super::label::LabelSelector;
use super::price::Price;
use super::resources::{Name, ResourceList};
use crate::base::time::{Span, Timestamp};

/// What preferences count for (S-75, M-2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Karpenter has exactly these two")]
pub enum PreferencePolicy {
    /// Preferences choose among plans of equal cost.
    #[default]
    Respect,
    /// Preferences are not looked at.
    Ignore,
}

/// What happens when `minValues` cannot be met (S-56, M-6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MinValuesPolicy {
    /// The pod stays pending.
    #[default]
    Strict,
    /// `minValues` is lowered on that claim.
    BestEffort,
    /// As many values as there are, never a refusal, at no extra cost.
    AsFlexibleAsPossible,
}

/// How much work a plan may take: a deterministic budget, never a clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Effort {
    /// One good construction.
    Fast,
    /// Construction and repair.
    #[default]
    Balanced,
    /// Improves until the budget is spent.
    Thorough,
}

/// Karpenter's feature gates that decisions look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FeatureGates {
    /// Spot nodes may be replaced by spot nodes.
    #[serde(rename = "SpotToSpotConsolidation")]
    pub spot_to_spot_consolidation: bool,
    /// Reserved offerings are used.
    #[serde(rename = "ReservedCapacity")]
    pub reserved_capacity: bool,
    /// Static pools are handled.
    #[serde(rename = "StaticCapacity")]
    pub static_capacity: bool,
    /// NodeOverlays are applied. On by default, other than in Karpenter: one that is given is meant.
    #[serde(rename = "NodeOverlay")]
    pub node_overlay: bool,
    /// CapacityBuffers are kept. On by default, other than in Karpenter: one that is given is meant.
    #[serde(rename = "CapacityBuffer")]
    pub capacity_buffer: bool,
    /// Nodes that are sick, and that nobody else repairs, are replaced (D-100, H-45).
    #[serde(rename = "NodeRepair")]
    pub node_repair: bool,
}

impl Default for FeatureGates {
    fn default() -> Self {
        Self {
            spot_to_spot_consolidation: false,
            reserved_capacity: true,
            static_capacity: false,
            node_overlay: true,
            capacity_buffer: true,
            node_repair: false,
        }
    }
}

/// How many instances may still be added (H-58..H-60).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Quotas {
    /// By instance type.
    pub per_type: BTreeMap<Name, u32>,
    /// In this cluster.
    pub cluster: Option<u32>,
    /// Over all HyperPod clusters.
    pub total: Option<u32>,
}

impl Quotas {
    /// How many instances of any type may be added: the smaller of the cluster and the total quota.
    #[must_use]
    pub fn any_type(&self) -> Option<u32> {
        match (self.cluster, self.total) {
            (Some(cluster), Some(total)) => Some(cluster.min(total)),
            (cluster, total) => cluster.or(total),
        }
    }
}

/// Limits over several pools together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct LimitGroup {
    /// Name for messages.
    pub name: Name,
    /// Which pools, by the labels of the pool objects.
    pub selector: LabelSelector,
    /// The limits.
    pub limits: ResourceList,
}

/// Demand that is known to come: from a time on a pool will have to have so many nodes (W-14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forecast {
    /// Which NodePool.
    pub node_pool: Name,
    /// From when on.
    pub at: Timestamp,
    /// How many nodes it needs then.
    pub nodes: u32,
}

impl Forecast {
    /// From `at` on the pool called `node_pool` needs so many nodes.
    #[must_use]
    pub fn new(node_pool: impl Into<Name>, at: Timestamp, nodes: u32) -> Self {
        Self {
            node_pool: node_pool.into(),
            at,
            nodes,
        }
    }
}

/// Everything that shapes a decision besides the cluster itself. Absent fields have Karpenter's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Options {
    /// The time of the decision (M-17).
    pub now: Option<Timestamp>,
    /// Preferences.
    pub preference_policy: PreferencePolicy,
    /// `minValues`.
    pub min_values_policy: MinValuesPolicy,
    /// Feature gates.
    pub feature_gates: FeatureGates,
    /// Work budget.
    pub effort: Effort,
    /// What each node costs per hour beside its bill; counted in the objective, not in prices (M-1).
    pub node_penalty: Price,
    /// What preferences may cost per hour in all (M-2).
    pub preference_budget: Price,
    /// Most that a plan's new nodes may cost per hour.
    pub price_limit: Option<Price>,
    /// Most that a pool's new nodes may cost per hour.
    pub pool_price_limits: BTreeMap<Name, Price>,
    /// Limits over groups of pools.
    pub limit_groups: Vec<LimitGroup>,
    /// Service quotas.
    pub quotas: Quotas,
    /// Prices that override the catalogue's: type to capacity type to price.
    pub prices: BTreeMap<Name, BTreeMap<CapacityType, Price>>,
    /// How many types a claim lists at most (S-57).
    pub truncate_instance_types: usize,
    /// How many cheaper types a spot-to-spot move needs.
    pub spot_to_spot_min_types: u32,
    /// Over what time a consolidation must pay (M-21).
    pub horizon: Span,
    /// What one eviction costs.
    pub eviction_cost: Price,
    /// How long a node takes to start.
    pub node_start_time: Span,
    /// What restarting a gang costs.
    pub gang_restart_cost: Price,
    /// How long a node may be unready before it is repaired, where HyperPod does not repair it (D-100).
    pub repair_after: Span,
    /// The same where HyperPod does: time enough for it to reboot or replace the node first (H-45).
    pub repair_deadline: Span,
    /// Whether single pods may be moved although their node stays (W-5): by eviction without a drain.
    pub pod_moves: bool,
    /// Demand that is known to come; without it the load is taken to stay as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forecast: Vec<Forecast>,
    /// Whether spot groups give offerings (H-14).
    pub allow_spot: bool,
    /// Whether arm64 types give offerings (H-17).
    pub allow_arm64: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            now: None,
            preference_policy: PreferencePolicy::default(),
            min_values_policy: MinValuesPolicy::default(),
            feature_gates: FeatureGates::default(),
            effort: Effort::default(),
            node_penalty: Price::ZERO,
            preference_budget: Price::ZERO,
            price_limit: None,
            pool_price_limits: BTreeMap::new(),
            limit_groups: Vec::new(),
            quotas: Quotas::default(),
            prices: BTreeMap::new(),
            truncate_instance_types: 600,
            spot_to_spot_min_types: 15,
            horizon: Span::from_secs(24 * 3600),
            eviction_cost: Price::ZERO,
            node_start_time: Span::from_secs(6 * 60),
            gang_restart_cost: Price::ZERO,
            repair_after: Span::from_secs(30 * 60),
            repair_deadline: Span::from_secs(2 * 3_600),
            pod_moves: false,
            forecast: Vec::new(),
            allow_spot: true,
            allow_arm64: false,
        }
    }
}

impl Options {
    /// The greatest demand on `pool` that begins so soon that a node which goes at `now` would have to come back: within two
    /// starts of a node (W-14).
    #[must_use]
    pub fn needed_soon(&self, pool: &str, now: Timestamp) -> Option<&Forecast> {
        let soon = now.plus(self.node_start_time).plus(self.node_start_time);
        self.forecast
            .iter()
            .filter(|f| f.node_pool.as_ref() == pool && f.at > now && f.at <= soon)
            .max_by_key(|f| (f.nodes, std::cmp::Reverse(f.at)))
    }
}
