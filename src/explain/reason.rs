//! Typed reasons.

use serde::{Deserialize, Serialize};

use crate::model::resources::Name;

/// A stable code for a reason, kebab-case in text and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// No pool can be used at all (S-139).
    NoNodePools,
    /// The pool is not usable: not ready, being deleted, static (S-40).
    PoolNotReady,
    /// The node class is missing or not usable.
    NodeClassNotReady,
    /// The pool's requirements leave no instance type (S-45).
    NoInstanceTypes,
    /// A taint is not tolerated.
    Taint,
    /// A requirement conflicts with what is offered.
    RequirementConflict,
    /// A label is asked for that nothing defines.
    UndefinedLabel,
    /// A resource does not suffice.
    InsufficientResources,
    /// No available offering in the zones and capacity types asked for.
    NoOffering,
    /// A host port is taken.
    HostPort,
    /// `minValues` cannot be met.
    MinValues,
    /// A pool limit is reached.
    Limit,
    /// A service quota is reached.
    Quota,
    /// A price limit is reached.
    PriceLimit,
    /// Reserved capacity is used up.
    Reservation,
    /// A topology rule cannot be met.
    Topology,
    /// A volume keeps the pod away.
    Volume,
    /// Dynamic resource allocation is not supported (S-135).
    Dra,
    /// The pod's own specification cannot be scheduled (S-8).
    InvalidPod,
    /// The node is being deleted, cordoned or unhealthy.
    NodeUnavailable,
    /// An instance group cannot be used (H-14, H-34, H-36).
    GroupRefused,
    /// A gang cannot be placed as a whole (M-15).
    Gang,
    /// The price is not publicly known (M-9).
    UnknownPrice,
    /// DaemonSet pods alone need more than the machine has.
    DaemonOverhead,
    /// There was room, and this plan gave it to other pods.
    Competition,
    /// Several of these at once, see the parts.
    Several,
    /// Karpenter does not manage the node (D-6).
    Unmanaged,
    /// The node has not been initialized yet (D-6).
    NotInitialized,
    /// The annotation `karpenter.sh/do-not-disrupt` holds (D-8).
    DoNotDisrupt,
    /// A PodDisruptionBudget does not let the pods be evicted (D-10, M-20).
    Pdb,
    /// The NodePool's disruption budget is used up (D-27).
    Budget,
    /// `consolidateAfter` has not passed, or is `Never` (D-34).
    ConsolidateAfter,
    /// The NodePool's consolidation policy does not allow it (D-30).
    ConsolidationPolicy,
    /// Demand that is known to come will need the node (W-14).
    Forecast,
    /// Nothing would be saved.
    NoSaving,
    /// The node goes: a command takes it away.
    Disrupted,
    /// No refusal: the pod has a place in this plan.
    Placed,
    /// No refusal: the pod is bound to a node.
    Bound,
    /// The pod does not wait for a node: it is gated, ending, or a DaemonSet's.
    NotPending,
    /// No refusal: the node, pool or group can be used.
    Usable,
}

impl Code {
    /// The kebab-case text of the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoNodePools => "no-node-pools",
            Self::PoolNotReady => "pool-not-ready",
            Self::NodeClassNotReady => "node-class-not-ready",
            Self::NoInstanceTypes => "no-instance-types",
            Self::Taint => "taint",
            Self::RequirementConflict => "requirement-conflict",
            Self::UndefinedLabel => "undefined-label",
            Self::InsufficientResources => "insufficient-resources",
            Self::NoOffering => "no-offering",
            Self::HostPort => "host-port",
            Self::MinValues => "min-values",
            Self::Limit => "limit",
            Self::Quota => "quota",
            Self::PriceLimit => "price-limit",
            Self::Reservation => "reservation",
            Self::Topology => "topology",
            Self::Volume => "volume",
            Self::Dra => "dra",
            Self::InvalidPod => "invalid-pod",
            Self::NodeUnavailable => "node-unavailable",
            Self::GroupRefused => "group-refused",
            Self::Gang => "gang",
            Self::UnknownPrice => "unknown-price",
            Self::DaemonOverhead => "daemon-overhead",
            Self::Competition => "competition",
            Self::Several => "several",
            Self::Unmanaged => "unmanaged",
            Self::NotInitialized => "not-initialized",
            Self::DoNotDisrupt => "do-not-disrupt",
            Self::Pdb => "pdb",
            Self::Budget => "budget",
            Self::ConsolidateAfter => "consolidate-after",
            Self::ConsolidationPolicy => "consolidation-policy",
            Self::Forecast => "forecast",
            Self::NoSaving => "no-saving",
            Self::Disrupted => "disrupted",
            Self::Placed => "placed",
            Self::Bound => "bound",
            Self::NotPending => "not-pending",
            Self::Usable => "usable",
        }
    }
}

/// A node of a reason tree: what was looked at, which check failed, and what that consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Reason {
    /// What was looked at: `NodePool default`, `instance type ml.g5.xlarge`, `37 instance types`, `Node n1`.
    pub subject: String,
    /// Which check failed.
    pub code: Code,
    /// The failure in one line, with figures.
    pub message: String,
    /// The objects that failed the same way, at most a handful of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Name>,
    /// How many objects failed the same way.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: usize,
    /// Reasons this one consists of, nearest miss first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
}

fn one() -> usize {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(count: &usize) -> bool {
    *count == 1
}

impl Reason {
    /// A leaf.
    #[must_use]
    pub fn new(subject: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            code,
            message: message.into(),
            examples: Vec::new(),
            count: 1,
            parts: Vec::new(),
        }
    }

    /// The same with parts.
    #[must_use]
    pub fn with_parts(mut self, parts: Vec<Self>) -> Self {
        self.parts = parts;
        self
    }
}
