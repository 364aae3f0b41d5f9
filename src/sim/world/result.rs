//! What a run comes to. The serde form (camelCase JSON) is the result of `tetrapod simulate`.
//!
//! Everything here is bounded by the world and not by the length of the run: series are thinned out as they grow, distributions
//! are counted in bins, and of the events the ones beyond a bound are only counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;
use crate::model::price::Price;
use crate::model::resources::Name;

/// One run of one policy with one seed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[must_use = "a run that nobody reads was for nothing"]
#[non_exhaustive]
pub struct SimResult {
    /// Name of the policy.
    pub policy: Name,
    /// Name of the simulation.
    pub simulation: Name,
    /// The seed.
    pub seed: u64,
    /// First moment.
    pub start: Timestamp,
    /// Last moment: the run's end, or the time up to which it has got.
    pub end: Timestamp,
    /// Sums and distributions over the run.
    pub totals: Totals,
    /// How things went over time.
    pub series: Series,
    /// What was on which node, at a few moments.
    pub packings: Vec<Packing>,
    /// What happened and why, oldest first; at most [`MOST_EVENTS`](super::MOST_EVENTS).
    pub events: Vec<SimEvent>,
    /// Events that are not listed, by kind.
    pub events_left_out: BTreeMap<Name, u64>,
}

/// Sums and distributions over a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// What all instances cost, in dollars: from the first moment that HyperPod bills (H-33) to their end.
    pub cost: Price,
    /// The same by instance group.
    pub cost_by_group: BTreeMap<Name, Price>,
    /// The same by workload: a node's cost is shared by the pods it was bought for; nodes bought for none are left out.
    pub cost_by_workload: BTreeMap<Name, Price>,
    /// Hours of billed nodes.
    pub node_hours: f64,
    /// Hours of billed GPUs.
    pub gpu_hours: f64,
    /// Pods created, DaemonSet pods apart.
    pub pods_created: u64,
    /// Pods that ended well: jobs done, replicas scaled away.
    pub pods_finished: u64,
    /// Pods that lost their place: drained for consolidation, reclaimed, failed nodes.
    pub evictions: u64,
    /// Instances that began to be billed.
    pub nodes_launched: u64,
    /// Instances that ended, those still there at the end apart.
    pub nodes_removed: u64,
    /// Attempts to get an instance that failed: no capacity, failed lifecycle scripts.
    pub launches_failed: u64,
    /// Spot instances taken back.
    pub spot_reclaims: u64,
    /// Requests that came.
    pub requests_arrived: u64,
    /// Requests that were taken up by a replica.
    pub requests_served: u64,
    /// Requests in queues at the end.
    pub requests_waiting: u64,
    /// Requests turned away because a queue was full.
    pub requests_dropped: u64,
    /// Share of the requests that were taken up within the target delay, of all that were taken up, turned away or still
    /// wait beyond the target; 1 when there was none.
    pub slo_attainment: f64,
    /// The target delay in seconds.
    pub slo_seconds: f64,
    /// From a request's arrival until a replica takes it up, in seconds.
    pub queue_delay_seconds: Distribution,
    /// From a pod's creation until it is bound, in seconds; pods that still wait at the end are not in it.
    pub pending_seconds: Distribution,
    /// From when a plan asked for a node until pods could run on it, in seconds.
    pub time_to_capacity_seconds: Distribution,
    /// Mean share of the billed GPUs that bound pods requested; 0 without GPUs.
    pub gpu_utilisation: f64,
    /// Mean share of the billed CPU that bound pods requested.
    pub cpu_utilisation: f64,
    /// Mean share of the free GPUs on ready nodes that are on nodes with others in use: nodes that cannot be given back
    /// whole nor take a pod for a whole node.
    pub gpu_fragmentation: f64,
    /// How many events the world went through.
    pub world_events: u64,
}

/// A distribution, from counts in bins that are 1/16 of an octave wide: percentiles are within 5 %.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Their mean, exact.
    pub mean: f64,
    /// Half are at most this.
    pub p50: f64,
    /// Nine in ten are at most this.
    pub p90: f64,
    /// Ninety-nine in a hundred are at most this.
    pub p99: f64,
    /// The largest, exact.
    pub max: f64,
}

/// How things went over time: all vectors are as long as `time`. Between [`MOST_POINTS`](super::MOST_POINTS)/2 and
/// [`MOST_POINTS`](super::MOST_POINTS) points for a long run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Series {
    /// Seconds between two points.
    pub step_seconds: f64,
    /// Seconds since the start.
    pub time: Vec<f64>,
    /// `spec.replicas` by workload.
    pub replicas: BTreeMap<Name, Vec<u32>>,
    /// Ready replicas by workload.
    pub ready: BTreeMap<Name, Vec<u32>>,
    /// Billed nodes by instance group.
    pub nodes: BTreeMap<Name, Vec<u32>>,
    /// Dollars per hour of all billed nodes.
    pub cost_rate: Vec<f64>,
    /// Requests that wait, by workload.
    pub queue: BTreeMap<Name, Vec<u64>>,
    /// Requests that arrived per second since the last point, by workload.
    pub arrivals: BTreeMap<Name, Vec<f64>>,
    /// Pods that wait for a node.
    pub pending: Vec<u32>,
    /// Share of the billed GPUs that bound pods request.
    pub gpu_utilisation: Vec<f64>,
    /// Share of the billed CPU that bound pods request.
    pub cpu_utilisation: Vec<f64>,
    /// Share of the free GPUs that are on partly used nodes.
    pub fragmentation: Vec<f64>,
}

/// What was on which node at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Packing {
    /// Seconds since the start.
    pub time: f64,
    /// Why this moment: `first-full`, `peak`, `half-way`, `end`.
    pub why: Name,
    /// Nodes by name, at most [`MOST_PACKED_NODES`](super::MOST_PACKED_NODES).
    pub nodes: Vec<PackedNode>,
    /// Nodes that are not listed.
    pub nodes_left_out: u64,
}

/// A node of a packing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackedNode {
    /// Name of the Node.
    pub name: Name,
    /// Instance group.
    pub group: Name,
    /// Instance type.
    #[serde(rename = "type")]
    pub instance_type: Name,
    /// GPUs it has.
    pub gpus: f64,
    /// Pods on it, by workload.
    pub pods: Vec<PackedPod>,
}

/// A pod of a packing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackedPod {
    /// Workload.
    pub workload: Name,
    /// The largest share of a resource of the node that it requests, 0 to 1.
    pub share: f64,
    /// GPUs it requests.
    pub gpus: f64,
}

/// Something that happened, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SimEvent {
    /// When.
    pub time: Timestamp,
    /// Category in CamelCase: `Scaled`, `NodeRequested`, `NodeReady`, `NodeRemoved`, `LaunchFailed`, `Interrupted`,
    /// `Consolidation`, `Evicted`, `Unschedulable`, `JobStarted`, `JobFinished` and the machine's own notices.
    pub kind: Name,
    /// What it is about: `Deployment/default/chat`, `node-7`.
    pub object: Name,
    /// One sentence with the reason.
    pub message: String,
}
