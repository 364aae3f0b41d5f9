//! What the machine asks for.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::api::{AddRequest, DeleteRequest};
use super::conditions::StatusDocument;
use super::exact;
use super::ids::{CallId, NodeId, OrderId};
use crate::base::time::Timestamp;
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::Name;

/// The taint of a node that is being drained.
pub const DISRUPTED_TAINT: &str = "karpenter.sh/disrupted";

/// One thing to do. Carry them out in order; everything but [`Output::Wake`] and [`Output::Idle`] is handed out once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Output {
    /// Call `BatchAddClusterNodes` and answer with [`Input::Answer`](super::Input::Answer).
    Add {
        /// Name of the call.
        call: CallId,
        /// What to send.
        request: AddRequest,
        /// The nodes it asks for, in the order of the entries.
        launches: Vec<Launch>,
    },
    /// Call `BatchDeleteClusterNodes` and answer with [`Input::Answer`](super::Input::Answer).
    Delete {
        /// Name of the call.
        call: CallId,
        /// What to send.
        request: DeleteRequest,
    },
    /// A Node has joined: put the pool's labels, taints and startup taints on it (D-105).
    Register {
        /// Which.
        node: NodeId,
        /// The instance behind it.
        instance_id: Name,
        /// Its pool.
        node_pool: Name,
    },
    /// Put the taint [`DISRUPTED_TAINT`]`:NoSchedule` on the Node and evict its pods; answer `Drained`.
    Drain {
        /// Which.
        node: NodeId,
        /// The instance behind it.
        instance_id: Name,
        /// When the node is deleted whatever is left on it.
        until: Option<Timestamp>,
        /// Why.
        why: Name,
    },
    /// These pods need another plan.
    Replan(Replan),
    /// Something for people.
    Notice(Notice),
    /// Conditions of a pool or class have changed.
    Status(StatusDocument),
    /// Nothing of a deleted pool or class is left: its finalizer can go.
    Release {
        /// `NodePool` or `HyperpodNodeClass`.
        kind: Cow<'static, str>,
        /// Which.
        name: Name,
    },
    /// Nothing more now: call `handle` with [`Input::Tick`](super::Input::Tick) no later than `at`.
    Wake {
        /// When.
        at: Timestamp,
        /// What is due then.
        why: WakeReason,
    },
    /// Nothing more, and nothing is due at any time.
    Idle,
}

/// A node that an add asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Launch {
    /// The node.
    pub node: NodeId,
    /// What it is for.
    pub order: OrderId,
    /// Its pool.
    pub node_pool: Name,
    /// How it is bought.
    pub offering: Offering,
}

/// A way to buy a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Offering {
    /// Instance group.
    pub instance_group: Name,
    /// Type.
    pub instance_type: Name,
    /// Zone.
    pub zone: Name,
    /// Capacity type.
    pub capacity_type: CapacityType,
    /// Price per hour; `None` is unknown.
    #[serde(with = "exact::price")]
    pub price: Option<Price>,
}

impl Offering {
    /// An offering.
    #[must_use]
    pub fn new(
        instance_group: impl Into<Name>,
        instance_type: impl Into<Name>,
        zone: impl Into<Name>,
        capacity_type: CapacityType,
        price: Option<Price>,
    ) -> Self {
        Self {
            instance_group: instance_group.into(),
            instance_type: instance_type.into(),
            zone: zone.into(),
            capacity_type,
            price,
        }
    }
}

/// Pods that go back to the planner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Replan {
    /// The order they come from; none for the pods of a node that goes.
    pub order: Option<OrderId>,
    /// Pods of the order.
    pub pods: Vec<Name>,
    /// A node that goes: plan its pods as well.
    pub node: Option<NodeId>,
    /// Offerings of the order that cannot be had now, with the reason; plan without them. What else cannot be had is in
    /// [`Machine::unavailable`](super::Machine::unavailable).
    pub without: Vec<(Offering, Unavailability)>,
    /// When the machine tries the order again by itself, if no plan has taken its pods by then.
    pub retry_at: Option<Timestamp>,
}

/// Why an offering cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unavailability {
    /// It failed, and waits until then (H-32).
    BackingOff(Timestamp),
    /// It failed, and one node is trying it.
    Probing,
    /// The group cannot be added to; the text says why (H-36).
    Group(Name),
    /// A limit, quota or price cap, named (row 11).
    Guard(Name),
    /// The pool or its class is not to be launched from.
    Pool(Name),
}

/// Something for people (row 18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Notice {
    /// Whether something is wrong.
    pub warning: bool,
    /// Category in CamelCase, as in a Kubernetes event.
    pub reason: Cow<'static, str>,
    /// What it is about: `node-7`, `NodePool default`, `instance group gpu-a`.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// The rule behind it.
    pub rule: Cow<'static, str>,
}

/// What is due at a wake-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WakeReason {
    /// A node got no instance in time.
    LaunchDeadline,
    /// A node did not register in time.
    RegistrationDeadline,
    /// A node did not initialize in time.
    InitializationDeadline,
    /// Nobody has used a spare node.
    HoldOver,
    /// A node has been unhealthy for too long.
    Repair,
    /// A drain is cut short.
    GraceOver,
    /// A deletion is asked for again.
    DeleteAgain,
    /// A call is repeated.
    CallAgain,
    /// An order is tried again.
    OrderAgain,
    /// A breaker closes.
    BreakerCloses,
}
