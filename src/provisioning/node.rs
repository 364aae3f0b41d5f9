//! A node of the machine, from the request to its end.

use serde::{Deserialize, Serialize};

use super::ids::{CallId, NodeId, OfferingId, OrderId, PoolId};
use super::output::WakeReason;
use crate::base::time::Timestamp;
use crate::model::resources::Name;

/// Where a node is in its life. A phase is never lost but by the replacement of the instance, which leads back to
/// `Accepted`, and every phase but the last two has a deadline while somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed: the life cycle is the machine's own"
)]
pub enum Phase {
    /// In a request without an answer.
    Requested,
    /// Has a logical id; HyperPod looks for an instance.
    Accepted,
    /// An instance is there and its lifecycle script runs.
    Pending,
    /// HyperPod says it is healthy.
    Running,
    /// Its Node is there.
    Joined,
    /// Labels and taints are on the Node.
    Registered,
    /// Pods can run.
    Initialized,
    /// Its pods are being evicted.
    Draining,
    /// To be deleted, or being deleted.
    Deleting,
}

/// How far the deletion of a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deletion {
    /// It is not to be deleted, or its logical id is not known yet.
    #[default]
    None,
    /// To go with the next call.
    Queued,
    /// Refused; asked for again when due.
    Waiting,
    /// Asked for in a call without an answer.
    Asked(CallId),
    /// Accepted: HyperPod is at it.
    Accepted,
    /// Its request was never answered and can no longer be repeated: whether there is such a node is unknown. If it turns
    /// up, it is a late arrival (H-67).
    Lost,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Node {
    /// Itself.
    pub id: NodeId,
    /// The order that waits for it; `None` once it is initialized, for a spare one and for one that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// Where it is in its life.
    pub phase: Phase,
    /// HyperPod's name of it (H-29).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_id: Option<Name>,
    /// The instance behind it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Name>,
    /// Pods it was bought for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Name>,
    /// Whether there is a Node in Kubernetes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// Since when it has been unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_since: Option<Timestamp>,
    pub(super) pool: PoolId,
    pub(super) offering: OfferingId,
    /// Since when it has been in its phase.
    pub(super) since: Timestamp,
    /// When it was accepted, or its instance was lost: registration is due from here.
    pub(super) started: Timestamp,
    pub(super) deletion: Deletion,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) refusals: u32,
    /// Whether nothing is left on its Node to evict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) drained: bool,
    /// When a spare node goes if nobody wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hold_until: Option<Timestamp>,
    /// When a drain is cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grace_until: Option<Timestamp>,
    /// When repair was put off to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repair_at: Option<Timestamp>,
    /// The newest listing that showed it.
    pub(super) seen: Timestamp,
    /// Since when listings have not shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missing_since: Option<Timestamp>,
    /// How new the knowledge of its instance is.
    pub(super) bound_at: Timestamp,
    /// When an instance was last known to be behind it.
    pub(super) instance_at: Timestamp,
    /// Its timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<(Timestamp, WakeReason)>,
    /// Why it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<Name>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Node {
    pub(super) fn new(
        id: NodeId,
        order: Option<OrderId>,
        pool: PoolId,
        offering: OfferingId,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            order,
            phase: Phase::Requested,
            logical_id: None,
            instance_id: None,
            pods: Vec::new(),
            joined: false,
            unhealthy_since: None,
            pool,
            offering,
            since: now,
            started: now,
            deletion: Deletion::None,
            refusals: 0,
            drained: false,
            hold_until: None,
            grace_until: None,
            repair_at: None,
            seen: now,
            missing_since: None,
            bound_at: Timestamp::from_millis(i64::MIN),
            instance_at: Timestamp::from_millis(i64::MIN),
            due: None,
            why: None,
        }
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.phase >= Phase::Draining
    }

    /// Whether it is on its way in.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.phase < Phase::Initialized
    }

    /// Whether it is alive and nobody's: for the next order that it suits.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.hold_until.is_some() && !self.is_leaving()
    }
}
