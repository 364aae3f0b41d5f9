//! A simulation as its author writes it (`tetrapod/v1alpha1` Simulation): what runs, what load comes, what goes wrong, and
//! the policies to be compared.

use serde::{Deserialize, Serialize};

use super::autoscaling::hpa::HorizontalPodAutoscaler;
use super::autoscaling::keda::ScaledObject;
use super::instance_type::CapacityType;
use super::is_default;
use super::node_pool::NodePool;
use super::options::Effort;
use super::resources::Name;
use super::workload::WorkloadKind;
use crate::base::time::{Span, Timestamp};

/// A `tetrapod/v1alpha1` Simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Simulation {
    /// Name.
    pub name: Name,
    /// The source it stands in, to which paths of traces are relative.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Name,
    /// `start`: the first moment; the snapshot's time when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub start: Option<Timestamp>,
    /// `duration`.
    pub duration: Span,
    /// `slo`: how long a request may wait for a replica.
    pub slo: Span,
    /// `tick`: how often load arrives and queues are looked at.
    pub tick: Span,
    /// `batchIdle`: the planner runs once no pod has been added for so long (Karpenter's batch idle duration).
    pub batch_idle: Span,
    /// `batchMax`: and at the latest so long after the first (Karpenter's batch max duration).
    pub batch_max: Span,
    /// `consolidateEvery`: how often consolidation is thought about, if anything has changed and no command is under way; in a
    /// large cluster more seldom, because deciding takes time.
    pub consolidate_every: Span,
    /// `binder`: how the pod scheduler ranks nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub binder: Ranking,
    /// `services`: workloads with their load.
    #[serde(skip_serializing_if = "is_default")]
    pub services: Vec<Service>,
    /// `jobs`: training jobs that arrive.
    #[serde(skip_serializing_if = "is_default")]
    pub jobs: Vec<JobStream>,
    /// `nodes`: how HyperPod's nodes start and fail.
    #[serde(skip_serializing_if = "is_default")]
    pub nodes: NodeLife,
    /// `faults.capacity`: markets with little capacity.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity: Vec<CapacityWindow>,
    /// `faults.spotStorms`: moments at which many spot instances are taken back.
    #[serde(skip_serializing_if = "is_default")]
    pub spot_storms: Vec<SpotStorm>,
    /// `policies`; none means the snapshot as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub policies: Vec<SimPolicy>,
}

impl Default for Simulation {
    /// A day with nothing in it.
    fn default() -> Self {
        Self {
            name: Name::default(),
            source: Name::default(),
            start: None,
            duration: Span::from_secs(24 * 3600),
            slo: Span::from_secs(10),
            tick: Span::from_secs(5),
            batch_idle: Span::from_secs(1),
            batch_max: Span::from_secs(10),
            consolidate_every: Span::from_secs(60),
            binder: Ranking::default(),
            services: Vec::new(),
            jobs: Vec::new(),
            nodes: NodeLife::default(),
            capacity: Vec::new(),
            spot_storms: Vec::new(),
            policies: Vec::new(),
        }
    }
}

/// How the pod scheduler ranks the nodes that a pod fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Ranking {
    /// The emptiest first: kube-scheduler's default.
    #[default]
    LeastAllocated,
    /// The fullest first.
    MostAllocated,
}

/// A workload of the snapshot that runs in the simulation, and the load on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Service {
    /// `workload.kind`.
    pub kind: WorkloadKind,
    /// `workload.namespace`.
    pub namespace: Name,
    /// `workload.name`.
    pub name: Name,
    /// `imagePull`: from binding to the start of the containers, on a node that does not have the image yet.
    pub image_pull: Span,
    /// `startup`: from the start of the containers to readiness.
    pub startup: Span,
    /// `shutdown`: from the deletion of a pod to its end.
    pub shutdown: Span,
    /// `replica`: how fast a replica works; `None` for a workload without load.
    #[serde(skip_serializing_if = "is_default")]
    pub replica: Option<ReplicaModel>,
    /// `queueLimit`: requests that may wait; more are turned away.
    pub queue_limit: u64,
    /// `load`.
    #[serde(skip_serializing_if = "is_default")]
    pub load: Option<Load>,
    /// `metrics`: what the autoscaler's triggers read, by the name of the trigger or metric. Queues read the waiting requests,
    /// everything else the requests per second of the last minute, unless this says otherwise.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: Vec<MetricSource>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            kind: WorkloadKind::Deployment,
            namespace: Name::from("default"),
            name: Name::default(),
            image_pull: Span::from_secs(30),
            startup: Span::from_secs(30),
            shutdown: Span::from_secs(5),
            replica: None,
            queue_limit: 1_000_000_000,
            load: None,
            metrics: Vec::new(),
        }
    }
}

/// How a ready replica works: it has `concurrency` slots, and a request holds one for
/// `baseSeconds + input tokens / prefillTokensPerSecond + output tokens / decodeTokensPerSecond`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplicaModel {
    /// Requests at once.
    pub concurrency: u32,
    /// Seconds that every request takes.
    pub base_seconds: f64,
    /// Input tokens per second of one slot; 0 leaves input tokens out.
    pub prefill_tokens_per_second: f64,
    /// Output tokens per second of one slot; 0 leaves output tokens out.
    pub decode_tokens_per_second: f64,
}

impl Default for ReplicaModel {
    fn default() -> Self {
        Self {
            concurrency: 1,
            base_seconds: 0.0,
            prefill_tokens_per_second: 0.0,
            decode_tokens_per_second: 0.0,
        }
    }
}

/// Where requests come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Load {
    /// `trace`, `generate` or `points`.
    pub source: LoadSource,
    /// `scale`: every count is multiplied by it.
    pub scale: f64,
    /// `repeat`: whether the trace starts again at its end.
    #[serde(skip_serializing_if = "is_default")]
    pub repeat: bool,
    /// `inputTokens`: per request, where the trace has none.
    #[serde(skip_serializing_if = "is_default")]
    pub input_tokens: f64,
    /// `outputTokens`: per request, where the trace has none.
    #[serde(skip_serializing_if = "is_default")]
    pub output_tokens: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            source: LoadSource::default(),
            scale: 1.0,
            repeat: false,
            input_tokens: 0.0,
            output_tokens: 0.0,
        }
    }
}

/// Where counts of requests come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum LoadSource {
    /// A CSV file beside the simulation.
    Trace(Name),
    /// A made day.
    Generate(Diurnal),
    /// Requests per second from points in time on.
    Points(Vec<(Span, f64)>),
}

impl Default for LoadSource {
    fn default() -> Self {
        Self::Points(Vec::new())
    }
}

/// A day of requests: a floor, a broad peak, random bursts, and Poisson-like noise, all from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Diurnal {
    /// Requests per second at night.
    pub low: f64,
    /// Requests per second at the peak.
    pub high: f64,
    /// `peakAt`: when the peak is, from the start of a day.
    pub peak_at: Span,
    /// `burstsPerDay`: how many bursts to expect.
    pub bursts_per_day: f64,
    /// `burstFactor`: how much a burst multiplies the rate by.
    pub burst_factor: f64,
    /// `burstLength`.
    pub burst_length: Span,
}

impl Default for Diurnal {
    fn default() -> Self {
        Self {
            low: 0.0,
            high: 1.0,
            peak_at: Span::from_secs(14 * 3600),
            bursts_per_day: 0.0,
            burst_factor: 2.0,
            burst_length: Span::from_secs(300),
        }
    }
}

/// What a trigger or metric reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSource {
    /// Name of the trigger or metric.
    pub name: Name,
    /// What it reads.
    pub reads: Reads,
}

impl MetricSource {
    /// The trigger `name` reads `reads`.
    #[must_use]
    pub const fn new(name: Name, reads: Reads) -> Self {
        Self { name, reads }
    }
}

/// A figure of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reads {
    /// Requests that wait.
    Waiting,
    /// Requests that are worked on.
    InFlight,
    /// Both.
    Outstanding,
    /// Requests per second over the last minute.
    RequestsPerSecond,
}

/// Jobs that arrive: each is `pods` pods of a PodTemplate for some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobStream {
    /// Name.
    pub name: Name,
    /// Namespace of the template and of the pods.
    pub namespace: Name,
    /// `template`: name of the PodTemplate.
    pub template: Name,
    /// `gang`: whether the pods start together or not at all (M-15).
    #[serde(skip_serializing_if = "is_default")]
    pub gang: bool,
    /// `readyTimeout`: a gang whose pods are not all ready by then is taken back and queued again (H-56).
    #[serde(skip_serializing_if = "is_default")]
    pub ready_timeout: Option<Span>,
    /// `requeueAfter`: how long it is queued then, doubling each time.
    pub requeue_after: Span,
    /// `checkpointEvery`: what an interrupted job keeps of its work; `None` keeps nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub checkpoint_every: Option<Span>,
    /// `imagePull`, as of a service.
    pub image_pull: Span,
    /// `startup`, as of a service.
    pub startup: Span,
    /// `arrivals`: since the start, with pods and duration.
    #[serde(skip_serializing_if = "is_default")]
    pub arrivals: Vec<JobArrival>,
    /// `trace`: a CSV file of arrivals.
    #[serde(skip_serializing_if = "is_default")]
    pub trace: Option<Name>,
}

impl Default for JobStream {
    fn default() -> Self {
        Self {
            name: Name::default(),
            namespace: Name::from("default"),
            template: Name::default(),
            gang: false,
            ready_timeout: None,
            requeue_after: Span::from_secs(60),
            checkpoint_every: None,
            image_pull: Span::from_secs(60),
            startup: Span::from_secs(30),
            arrivals: Vec::new(),
            trace: None,
        }
    }
}

/// The arrival of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobArrival {
    /// Since the start.
    pub at: Span,
    /// Pods.
    pub pods: u32,
    /// How long it runs once all pods are ready.
    pub runs: Span,
}

impl JobArrival {
    /// `pods` pods that come at `at` and run for `runs`.
    #[must_use]
    pub const fn new(at: Span, pods: u32, runs: Span) -> Self {
        Self { at, pods, runs }
    }
}

/// How nodes start and fail: spans are the longest, chances are in 1,000 instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeLife {
    /// `launch`: from a found instance to its lifecycle script.
    pub launch: Span,
    /// `lifecycleScript`.
    pub lifecycle_script: Span,
    /// `join`: from there to a Node.
    pub join: Span,
    /// `initialize`: from a registered Node to an initialized one.
    pub initialize: Span,
    /// `scriptFails`: lifecycle scripts that fail (H-33).
    pub script_fails: u32,
    /// `neverJoins`.
    pub never_joins: u32,
    /// `breaks`: instances that break within `troubleWithin` after they joined.
    pub breaks: u32,
    /// `reclaimed`: spot instances taken back within `troubleWithin` after they joined (H-39).
    pub reclaimed: u32,
    /// `withoutNotice`: of these.
    pub without_notice: u32,
    /// `troubleWithin`.
    pub trouble_within: Span,
}

impl Default for NodeLife {
    /// Nothing goes wrong; a node takes up to six and a half minutes (H-24).
    fn default() -> Self {
        Self {
            launch: Span::from_secs(90),
            lifecycle_script: Span::from_secs(180),
            join: Span::from_secs(60),
            initialize: Span::from_secs(60),
            script_fails: 0,
            never_joins: 0,
            breaks: 0,
            reclaimed: 0,
            without_notice: 0,
            trouble_within: Span::from_secs(12 * 3600),
        }
    }
}

/// A market that has so many instances for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CapacityWindow {
    /// Instance type; all when absent.
    pub instance_type: Option<Name>,
    /// Zone; all when absent.
    pub zone: Option<Name>,
    /// Capacity type; all when absent.
    pub capacity_type: Option<CapacityType>,
    /// From, since the start.
    pub from: Span,
    /// To, since the start.
    pub to: Span,
    /// Instances there are at most in each market meanwhile. Running ones stay.
    pub available: u32,
}

impl CapacityWindow {
    /// No more than `available` instances of any kind between `from` and `to`.
    #[must_use]
    pub const fn new(from: Span, to: Span, available: u32) -> Self {
        Self {
            instance_type: None,
            zone: None,
            capacity_type: None,
            from,
            to,
            available,
        }
    }
}

/// A moment at which spot instances are taken back, with two minutes' notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SpotStorm {
    /// Since the start.
    pub at: Span,
    /// Of 1,000 running spot instances.
    pub per_thousand: u32,
}

impl SpotStorm {
    /// A storm at `at`.
    #[must_use]
    pub const fn new(at: Span, per_thousand: u32) -> Self {
        Self { at, per_thousand }
    }
}

/// A policy: what differs from the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SimPolicy {
    /// Name.
    pub name: Name,
    /// `consolidation`: `economic` (the default), `karpenter`, `karpenter-head` or `none`.
    #[serde(skip_serializing_if = "is_default")]
    pub consolidation: Option<Name>,
    /// `effort` of the planner.
    #[serde(skip_serializing_if = "is_default")]
    pub effort: Option<Effort>,
    /// `binder`.
    #[serde(skip_serializing_if = "is_default")]
    pub binder: Option<Ranking>,
    /// `without`: names of NodePools of the snapshot that this policy does not have.
    #[serde(skip_serializing_if = "is_default")]
    pub without: Vec<Name>,
    /// NodePools among `objects`, in place of those of the same name.
    #[serde(skip_serializing_if = "is_default")]
    pub node_pools: Vec<NodePool>,
    /// ScaledObjects among `objects`.
    #[serde(skip_serializing_if = "is_default")]
    pub scaled_objects: Vec<ScaledObject>,
    /// HorizontalPodAutoscalers among `objects`.
    #[serde(skip_serializing_if = "is_default")]
    pub horizontal_pod_autoscalers: Vec<HorizontalPodAutoscaler>,
}

impl SimPolicy {
    /// The snapshot as it is.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}
