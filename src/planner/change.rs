//! What a controller tells the planner, and what it is told.

use crate::model::cluster::Snapshot;
use crate::model::instance_type::CapacityType;
use crate::model::node::Node;
use crate::model::node_claim::NodeClaim;
use crate::model::pod::Pod;
use crate::model::price::Price;
use crate::model::resources::Name;

/// An open claim of a [`Planner`](super::Planner): a node that it decided to buy and that is not launched yet. Numbers are
/// given out in the order in which claims are opened and are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct ClaimId(pub u64);

/// Where the planner has put a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed: a node exists or is bought"
)]
pub enum Target {
    /// A node that exists, or a NodeClaim while it has no node.
    Node(Name),
    /// A node to buy.
    Claim(ClaimId),
}

/// An offering, wherever a document of instance types lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferingRef {
    /// The node class whose document lists it.
    pub node_class: Name,
    /// Instance type.
    pub instance_type: Name,
    /// Zone.
    pub zone: Name,
    /// Capacity type.
    pub capacity_type: CapacityType,
}

impl OfferingRef {
    /// The offerings of `instance_type` of `node_class` in `zone` with `capacity_type`.
    #[must_use]
    pub fn new(
        node_class: impl Into<Name>,
        instance_type: impl Into<Name>,
        zone: impl Into<Name>,
        capacity_type: CapacityType,
    ) -> Self {
        Self {
            node_class: node_class.into(),
            instance_type: instance_type.into(),
            zone: zone.into(),
            capacity_type,
        }
    }
}

/// A change of the cluster. What is said twice is said once: adding what is there replaces it, and removing what is not
/// there changes nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// A pod is new, or has changed.
    Pod(Box<Pod>),
    /// The pod `namespace/name` is gone.
    PodRemoved(Name),
    /// The pod `namespace/name` is bound to a node.
    PodBound {
        /// `namespace/name`.
        pod: Name,
        /// The node.
        node: Name,
    },
    /// A Node is new, or has changed.
    Node(Box<Node>),
    /// The Node of this name is gone.
    NodeRemoved(Name),
    /// A NodeClaim is new, or has changed.
    NodeClaim(Box<NodeClaim>),
    /// The NodeClaim of this name is gone.
    NodeClaimRemoved(Name),
    /// An open claim has been launched as this NodeClaim, which its pods go to from now on.
    Launched {
        /// The open claim.
        claim: ClaimId,
        /// What it has become.
        node_claim: Box<NodeClaim>,
    },
    /// An offering can be had, or cannot.
    Available {
        /// The offering.
        offering: OfferingRef,
        /// Whether it can be had.
        available: bool,
    },
    /// An offering costs something else.
    Price {
        /// The offering.
        offering: OfferingRef,
        /// Its price; `None` is unknown (M-9).
        price: Option<Price>,
    },
    /// Anything else: the whole cluster as it is now. Decisions about pods that wait are kept.
    Snapshot(Box<Snapshot>),
}

/// Why a change was not taken up. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The offering is in no document of instance types.
    #[error(
        "InstanceTypes {node_class}: {instance_type} has no {capacity_type} offering in zone {zone}; offerings that follow \
         from a node class change with it, by Change::Snapshot",
        node_class = .0.node_class,
        instance_type = .0.instance_type,
        capacity_type = .0.capacity_type,
        zone = .0.zone
    )]
    NoSuchOffering(OfferingRef),
    /// The claim is not open.
    #[error("claim {} is not open: it was launched or given up before", .0.0)]
    NoSuchClaim(ClaimId),
}

/// How far a [replan](super::Planner::replan) had to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: the three ways there are")]
pub enum Replanned {
    /// Only what changed was looked at.
    #[default]
    Incremental,
    /// The cluster was compiled anew, and only what changed was decided.
    Compiled {
        /// Why.
        why: &'static str,
    },
    /// The scheduler was asked about all pods without a decision, those decided before standing where they are (M-11).
    Full {
        /// Why.
        why: &'static str,
    },
    /// All decisions were made again, because those of before could not be kept.
    Anew {
        /// Why.
        why: &'static str,
    },
}

/// What a [replan](super::Planner::replan) has changed in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "decisions that nobody reads change nothing"]
#[non_exhaustive]
pub struct Delta {
    /// How far it had to go.
    pub replanned: Replanned,
    /// Pods with a new place, in binding order.
    pub placed: Vec<(Name, Target)>,
    /// Pods that lost the place they had and have no other.
    pub withdrawn: Vec<Name>,
    /// Pods for which no place was found: the plan has their reasons.
    pub pending: Vec<Name>,
    /// Claims opened.
    pub opened: Vec<ClaimId>,
    /// Open claims whose pods have changed.
    pub changed: Vec<ClaimId>,
    /// Claims given up.
    pub closed: Vec<ClaimId>,
}
