//! What the machine is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::api::{NodeRecord, Outcome};
use super::config::Config;
use super::events::ClusterEvent;
use super::ids::{CallId, NodeId};
use crate::base::time::Timestamp;
use crate::model::hyperpod::HyperpodCluster;
use crate::model::resources::Name;
use crate::plan::{Plan, PlannedClaim};

/// Something that happened. The order in which inputs arrive need not be the order in which they happened, inputs may
/// come twice, and all but [`Input::Plan`] and [`Input::Answer`] may be lost, provided that listings keep coming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Input {
    /// Only time has passed.
    Tick,
    /// Pools, classes, groups and limits are now these.
    Config(Box<Config>),
    /// A plan to carry out.
    Plan(AcceptedPlan),
    /// These pods no longer need a node: deleted, finished, or bound elsewhere.
    Withdraw(Vec<Name>),
    /// A decision to delete nodes (consolidation, drift, expiry, a person).
    Remove(Removal),
    /// What became of a call.
    Answer(CallId, Outcome),
    /// `DescribeCluster`.
    Cluster(Box<HyperpodCluster>),
    /// A page of `ListClusterNodes`.
    Listing(Listing),
    /// An event of the cluster, from EventBridge or `ListClusterEvents`.
    Event(ClusterEvent),
    /// Something about a Kubernetes Node.
    Kube(KubeEvent),
    /// The controller has been restarted from a stored state: requests that were handed out may or may not have been
    /// carried out, and are handed out again.
    Restarted,
}

/// The claims of a plan, with the time of the snapshot it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct AcceptedPlan {
    /// When the snapshot was taken: pods that got a node since then are not bought for again.
    pub made_at: Timestamp,
    /// Nodes to buy.
    pub claims: Vec<PlannedClaim>,
    /// Workload of each pod, for the ledger; pods that are missing here count as workloads of their own namespace.
    pub workloads: BTreeMap<Name, Name>,
}

impl AcceptedPlan {
    /// The new nodes of `plan`, which was made from a snapshot taken at `made_at`.
    #[must_use]
    pub fn new(plan: &Plan, made_at: Timestamp) -> Self {
        Self::of(plan.new_node_claims.clone(), made_at)
    }

    /// Some claims.
    #[must_use]
    pub fn of(claims: Vec<PlannedClaim>, made_at: Timestamp) -> Self {
        Self {
            made_at,
            claims,
            workloads: BTreeMap::new(),
        }
    }
}

/// Nodes to drain and delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Removal {
    /// Nodes; those that are leaving already are left as they are.
    pub nodes: Vec<NodeId>,
    /// Reason for people.
    pub why: Name,
}

impl Removal {
    /// A removal.
    #[must_use]
    pub fn new(nodes: Vec<NodeId>, why: impl Into<Name>) -> Self {
        Self {
            nodes,
            why: why.into(),
        }
    }
}

/// A page of `ListClusterNodes`. All pages of one sweep carry the time at which the sweep began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Listing {
    /// When the sweep began.
    pub began: Timestamp,
    /// Records of this page.
    pub records: Vec<NodeRecord>,
    /// Whether this is the sweep's last page; only then is a node missing.
    pub last: bool,
}

impl Listing {
    /// A page.
    #[must_use]
    pub fn new(began: Timestamp, records: Vec<NodeRecord>, last: bool) -> Self {
        Self {
            began,
            records,
            last,
        }
    }
}

/// Something about a Kubernetes Node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KubeEvent {
    /// The instance behind the Node, from its provider id; node names follow `hyperpod-<instance id>` (H-48).
    pub instance_id: Name,
    /// What.
    pub change: KubeChange,
}

impl KubeEvent {
    /// An event.
    #[must_use]
    pub fn new(instance_id: impl Into<Name>, change: KubeChange) -> Self {
        Self {
            instance_id: instance_id.into(),
            change,
        }
    }
}

/// What can happen to a Kubernetes Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KubeChange {
    /// The Node object is there.
    Joined,
    /// Labels and taints of the claim are on it (D-105).
    Registered,
    /// It became ready, or not ready.
    Ready(bool),
    /// All that D-106 asks for holds.
    Initialized,
    /// Its health label (H-43).
    Health(Health),
    /// A spot interruption notice: it goes in about two minutes (H-39).
    Interrupted,
    /// Nothing is left on it but DaemonSet pods.
    Drained,
    /// The Node object is gone.
    Gone,
}

/// Values of the label `sagemaker.amazonaws.com/node-health-status` (H-43).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Health {
    /// Pods may use it.
    Schedulable,
    /// A deep check is running.
    Unschedulable,
    /// HyperPod will replace it.
    UnschedulablePendingReplacement,
    /// HyperPod will reboot it.
    UnschedulablePendingReboot,
}
