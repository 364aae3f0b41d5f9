//! Sixth floor: plans. Decisions with names again; their serde form is the result format of the command line.
//!
//! [`decode`] turns the solver's outcome into a [`Plan`]. A group of equal nodes becomes as many [`PlannedClaim`]s, each
//! with the offering it is priced with, every type that holds all of its pods, and fall-backs in the order in which to
//! try them; each fall-back by itself fits the limits in place of the chosen offering (M-5). Pods get their places
//! oldest first within their class.
//!
//! [`scaling`] adds up the claims of HyperPod's instance groups to requests within the API's limits (H-25).
//!
//! A plan is specific enough that carrying it out leaves no choice, and it says nothing that was not decided: reasons for
//! pods that stay pending come from [`explain`](crate::explain), the judgement from [`verify`](mod@crate::verify).

pub mod buffers;
pub mod command;
pub mod decode;
pub mod disruption;
pub mod gangs;
pub mod scaling;
pub mod statics;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::explain::reason::Reason;
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::{Name, ResourceList};

/// One way to buy a node, with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChosenOffering {
    /// Instance type.
    pub instance_type: Name,
    /// Zone.
    pub zone: Name,
    /// Capacity type.
    pub capacity_type: CapacityType,
    /// Price per hour; `None` is unknown (M-9).
    pub price: Option<Price>,
    /// HyperPod instance group, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_group: Option<Name>,
    /// Reservation, for reserved capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Name>,
}

/// A node to be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedClaim {
    /// NodePool.
    pub node_pool: Name,
    /// Pods in binding order, `namespace/name`.
    pub pods: Vec<Name>,
    /// Pods of capacity buffers that it keeps room for; nobody created them (S-130).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buffer_pods: Vec<Name>,
    /// Types that hold all the pods, cheapest first. Shared by claims of equal nodes.
    pub instance_types: Arc<Vec<Name>>,
    /// Zones the claim may land in.
    pub zones: Vec<Name>,
    /// Capacity types the claim may use.
    pub capacity_types: Vec<CapacityType>,
    /// The offering the plan is priced with.
    pub cheapest: ChosenOffering,
    /// Instance group of the chosen offering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_group: Option<Name>,
    /// What the pods and DaemonSets on it ask for.
    #[serde(default)]
    pub requests: ResourceList,
    /// Further offerings in the order in which to try them, each able to hold all the pods (M-5). Shared likewise.
    #[serde(default)]
    pub fallbacks: Arc<Vec<ChosenOffering>>,
    /// Set where `minValues` was lowered (S-56).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub min_values_relaxed: bool,
}

/// Pods that go on a node that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExistingPlacement {
    /// Node, or NodeClaim while it has no node (S-115).
    pub node: Name,
    /// Pods in binding order, `namespace/name`.
    pub pods: Vec<Name>,
    /// Pods of capacity buffers that it keeps room for; nobody created them (S-130).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buffer_pods: Vec<Name>,
}

impl ExistingPlacement {
    /// No pods for `node` yet.
    #[must_use]
    pub fn new(node: impl Into<Name>) -> Self {
        Self {
            node: node.into(),
            pods: Vec::new(),
            buffer_pods: Vec::new(),
        }
    }
}

/// A pod that stays pending, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Unschedulable {
    /// `namespace/name`.
    pub pod: Name,
    /// One sentence for people.
    pub reason: Name,
    /// Stable kebab-case code of the main reason.
    #[serde(default)]
    pub code: Name,
    /// The reason tree, shared by pods that cannot be told apart.
    #[serde(default)]
    pub reasons: Arc<Vec<Reason>>,
}

/// Sums over a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// Nodes bought.
    pub new_nodes: usize,
    /// Sum of the known prices of the chosen offerings.
    pub hourly_price: Price,
    /// Nodes whose price is unknown.
    pub unknown_price_nodes: usize,
    /// Pods placed.
    pub scheduled: usize,
    /// Pods that stay pending.
    pub unschedulable: usize,
}

/// How far preferences are met (M-2).
///
/// A preferred term of a pod *holds* if, once every pod is where the plan puts it, the pod's node matches it (node
/// affinity), some other pod that it selects is in the pod's domain (pod affinity), or none is (anti-affinity); a node
/// without the topology key is in no domain. `ScheduleAnyway` spreads and `PreferNoSchedule` taints have no weight and
/// are not in the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PreferenceTotals {
    /// Sum over the placed pods of the weights of their preferred terms.
    pub weight_total: u64,
    /// Sum of the weights of those terms that hold.
    pub weight_met: u64,
}

/// One entry of a BatchAddClusterNodes request (H-25). Field names are the API's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NodesToAdd {
    /// Group to scale.
    pub instance_group_name: Name,
    /// How many nodes to add, 1-50.
    pub increment_target_count_by: u32,
    /// Zones asked for (flexible groups).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub availability_zones: Vec<Name>,
    /// Types asked for (flexible groups).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<Name>,
}

/// A BatchAddClusterNodes request body within the API's limits: at most 5 entries and 50 nodes (H-25).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct BatchAddClusterNodes {
    /// Cluster name, empty where the snapshot has no cluster record.
    pub cluster_name: Name,
    /// Entries.
    pub nodes_to_add: Vec<NodesToAdd>,
}

/// What to do for the pending pods of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[must_use = "a plan that nobody reads changes nothing"]
#[non_exhaustive]
pub struct Plan {
    /// Nodes to buy.
    pub new_node_claims: Vec<PlannedClaim>,
    /// Pods for nodes that exist.
    pub existing_nodes: Vec<ExistingPlacement>,
    /// Pods that stay pending.
    pub unschedulable: Vec<Unschedulable>,
    /// Sums.
    pub totals: Totals,
    /// An order in which kube-scheduler can bind the pods that the plan places, every rule between pods holding at each
    /// step (M-3); empty unless it was asked for ([`binding_order`](crate::verify::binding_order)).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binding_order: Vec<Name>,
    /// A proven lower bound on the hourly price of every valid plan that places the same pods (M-7); 0 when none was
    /// computed.
    pub lower_bound: Price,
    /// How far preferences are met; absent where they are ignored (S-75).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferences: Option<PreferenceTotals>,
    /// Static pools that have too few or too many nodes (S-127, S-128). Their nodes count in no total.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub static_pools: Vec<statics::StaticPool>,
    /// Capacity buffers (S-133).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buffers: Vec<buffers::PlannedBuffer>,
    /// Gangs of which pods wait: placed as a whole or not at all (M-15).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_groups: Vec<gangs::PlannedGang>,
    /// Requests that scale HyperPod's groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scaling: Vec<BatchAddClusterNodes>,
    /// What a person should know besides: pools, groups or classes left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Reason>,
}
