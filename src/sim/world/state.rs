//! The things of a world: pods, nodes, jobs, services, and what is due. All of it is stored when a run is saved.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::queue::Queue;
use super::trace::Stream;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::scaling;

/// Number of a pod.
pub(super) type PodId = u64;
/// Number of a node: the machine's.
pub(super) type NodeId = u64;

/// What is due at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Due {
    /// Load of a service for the tick that ends now.
    Load(usize),
    /// A step of an autoscaler.
    Scale(usize),
    /// The containers of a pod are ready.
    Ready(PodId),
    /// A pod that was deleted has ended.
    Ended(PodId),
    /// A job comes: number of its stream and place in it.
    Arrives(usize, usize),
    /// A job that was taken back is queued again.
    Requeue(u64),
    /// A job is done, if nothing came in between.
    Done(u64, u32),
    /// A gang should be ready by now, if nothing came in between.
    Timeout(u64, u32),
    /// The cluster is described and listed.
    Look,
    /// Consolidation is thought about.
    Consolidate,
    /// The queue of commands looks at the cluster.
    Observe,
    /// Spot instances are taken back.
    Storm(usize),
    /// A point of the series.
    Sample,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Waits for a node.
    Pending,
    /// Bound; images are pulled and containers start.
    Starting,
    /// Ready.
    Ready,
    /// Deleted; still on its node.
    Ending,
}

/// What a waiting pod has coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cover {
    /// Nothing: it is to be planned.
    None,
    /// Nothing, and the last plan found nothing for it.
    Stuck,
    /// An order of the machine.
    Ordered(Timestamp),
    /// Room on a node that is there or on its way.
    Nominated(NodeId, Timestamp),
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pod {
    pub(super) kind: usize,
    pub(super) job: Option<u64>,
    pub(super) created: Timestamp,
    pub(super) stage: Stage,
    pub(super) node: Option<NodeId>,
    pub(super) cover: Cover,
    pub(super) since: Timestamp,
}

/// A Node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) name: Name,
    pub(super) instance: Name,
    pub(super) logical: Name,
    pub(super) shape: usize,
    pub(super) free: Vec<i64>,
    pub(super) pods: BTreeSet<PodId>,
    /// Whether pods may be bound to it: initialized, healthy.
    pub(super) ready: bool,
    pub(super) healthy: bool,
    /// Whether it is being drained, by the machine or by a command.
    pub(super) draining: bool,
    pub(super) tainted: bool,
    pub(super) created: Timestamp,
    pub(super) initialized: Timestamp,
    pub(super) last_pod_event: Timestamp,
    /// Kinds whose image it has.
    pub(super) images: BTreeSet<usize>,
}

impl Node {
    pub(super) fn is_open(&self) -> bool {
        self.ready && self.healthy && !self.draining && !self.tainted
    }
}

/// A billed instance, by logical id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Billed {
    pub(super) shape: usize,
    pub(super) since: Timestamp,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) stream: usize,
    pub(super) pods: u32,
    /// What is left to run.
    pub(super) left: Span,
    pub(super) members: BTreeSet<PodId>,
    pub(super) running_since: Option<Timestamp>,
    /// How often it was started or taken back.
    pub(super) epoch: u32,
    pub(super) requeues: u32,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ServiceState {
    pub(super) desired: u32,
    pub(super) queue: Option<Queue>,
    pub(super) stream: Stream,
    /// Requests at the last point of the series.
    pub(super) sampled: u64,
}

/// Pods of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members {
    /// Those that are not ending.
    pub(super) live: BTreeSet<PodId>,
    /// Those that wait for a node.
    pub(super) pending: BTreeSet<PodId>,
    pub(super) ready: u32,
    /// Whether the binder should look at them again.
    pub(super) dirty: bool,
}

/// An autoscaler of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scaler {
    pub(super) of: ScalerOf,
    pub(super) service: usize,
    pub(super) state: scaling::State,
}

/// Which object of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ScalerOf {
    Object(usize),
    Hpa(usize),
}

/// A replacement that a command launched: its NodeClaim's name in the queue, and the machine's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alias {
    pub(super) pods: Vec<Name>,
    pub(super) node: Option<NodeId>,
}

/// Things by number.
pub(super) type Table<T> = BTreeMap<u64, T>;
