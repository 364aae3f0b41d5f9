//! What goes into a queue and what comes out.

use serde::{Deserialize, Serialize};

use crate::base::time::{Span, Timestamp};
use crate::disruption::command::{Command, DisruptionReason};
use crate::model::cluster::Snapshot;
use crate::model::resources::Name;
use crate::plan::{ChosenOffering, PlannedClaim};

/// Number of a command in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct CommandId(pub u64);

/// Number of a task in its queue. A task that is given again keeps its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct TaskId(pub u64);

/// What a queue is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Commands of one plan. Those of a lower `order` come first; a failure drops the later ones.
    Submit(Vec<Command>),
    /// The cluster as it was no earlier than `as_of`. Observations may come late, rarely, or out of order; older ones
    /// than the newest are passed over.
    Observed {
        /// The cluster.
        snapshot: &'a Snapshot,
        /// A moment before which nothing of it was read.
        as_of: Timestamp,
    },
    /// A task was carried out, or what it asks for was so already.
    Done(TaskId),
    /// A task was not carried out.
    Failed(TaskId, Refusal),
    /// The command shall not go on, unless its nodes are being deleted already.
    Cancel(CommandId),
    /// Time has passed.
    Tick,
}

/// Why a task was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// It may go through later: a conflict, a PDB that allows nothing now, a server that does not answer.
    Transient,
    /// It will not: no capacity, a limit, a request that is refused for what it says. A launch goes on with the next
    /// fall-back; any other step fails its command, deletions excepted.
    Final,
}

/// What a queue asks for. Each may be given again and must then change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// Put the taint `karpenter.sh/disrupted:NoSchedule` on the Node and the condition `DisruptionReason` on the
    /// NodeClaim (D-93).
    Taint {
        /// Node.
        node: Name,
        /// Its NodeClaim.
        node_claim: Name,
        /// For the condition.
        reason: DisruptionReason,
    },
    /// Take both off again (D-97).
    Untaint {
        /// Node.
        node: Name,
        /// Its NodeClaim.
        node_claim: Name,
    },
    /// Create a NodeClaim of this name; if there is one of this name already, that is success.
    Launch {
        /// Name of the NodeClaim, never used before by this queue.
        node_claim: Name,
        /// What the claim is for; its types and zones hold all its pods.
        planned: Box<PlannedClaim>,
        /// The offering to buy.
        offering: ChosenOffering,
    },
    /// Evict the pod of this uid through the eviction API; if it is gone, that is success.
    Evict {
        /// `namespace/name`.
        pod: Name,
        /// Its uid, empty where the snapshot had none.
        uid: Name,
        /// Node it leaves.
        node: Name,
    },
    /// Delete the NodeClaim; if it is gone, that is success.
    Delete {
        /// NodeClaim.
        node_claim: Name,
    },
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Task {
    /// To be named in [`Input::Done`] or [`Input::Failed`].
    pub id: TaskId,
    /// The command it belongs to; `None` where leftovers are cleared away (D-2).
    pub command: Option<CommandId>,
    /// What to do.
    pub action: Action,
}

/// Why a command was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Failure {
    /// A candidate vanished or is being deleted by somebody else.
    CandidateGone(Name),
    /// A step was refused for good.
    Refused(Name),
    /// A pod came to a candidate before the taint; the plan has no place for it.
    PodArrived(Name),
    /// No offering of a replacement could be launched; those tried.
    LaunchFailed(Vec<ChosenOffering>),
    /// The replacements were not initialised in time (D-96).
    LaunchTimeout,
    /// A replacement vanished while pods were moving to it.
    ReplacementLost(Name),
    /// For too long no pod could be evicted.
    DrainTimeout,
    /// It was cancelled.
    Cancelled,
}

/// Why a command was not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NotStarted {
    /// It waited too long for a budget or for another command; the cluster has moved on.
    Stale,
    /// A node it needs does not exist, is not initialised or is being deleted.
    NodeGone(Name),
    /// The NodePool of a candidate does not exist.
    PoolGone(Name),
    /// A candidate failed before and is left alone until then (W-24).
    BackOff(Timestamp),
    /// A command of the same plan that comes before it failed.
    Superseded,
    /// It was cancelled.
    Cancelled,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// All its nodes are being deleted or gone.
    Succeeded,
    /// It was undone: taints are off, unused replacements on their way out. `kept` are replacements that hold pods.
    RolledBack {
        /// Why.
        why: Failure,
        /// NodeClaims that stay as ordinary nodes.
        kept: Vec<Name>,
    },
    /// Nothing was done.
    NotStarted(NotStarted),
}

/// What a queue says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
#[non_exhaustive]
pub enum Output {
    /// Carry this out.
    Do(Task),
    /// A command has ended and is forgotten.
    Ended {
        /// Which.
        command: CommandId,
        /// How.
        outcome: Outcome,
    },
    /// Nothing more now.
    Wait(Wake),
}

/// When to call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Wake {
    /// At the latest then, with a fresh observation or [`Input::Tick`]; `None` when nothing is due.
    pub at: Option<Timestamp>,
    /// What is due then.
    pub why: Waiting,
}

/// What a queue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Waiting {
    /// A task that nobody confirmed is given again.
    Retry,
    /// Replacements must be initialised by then.
    Launch,
    /// A pod must leave by then.
    Drain,
    /// A budget changes, which may let a command start; an observation is needed.
    Budget,
    /// A command that waits is given up.
    Patience,
    /// Nothing is timed, but commands go on only when a newer observation comes.
    Observation,
    /// Nothing.
    Idle,
}

/// The times of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Settings {
    /// A task that nobody confirmed is given again after this.
    pub retry: Span,
    /// A task that was confirmed but does not show is given again after this.
    pub recheck: Span,
    /// How long a command may wait to be started.
    pub patience: Span,
    /// How long replacements may take; `None` is Karpenter's: 80 ms per node in the queue, between 10 min and 1 h (D-96).
    pub launch_timeout: Option<Span>,
    /// How long a drain may go on without a pod leaving.
    pub drain_timeout: Span,
    /// First pause for the nodes of a failed command, doubled each time (W-24).
    pub backoff: Span,
    /// Longest pause.
    pub backoff_limit: Span,
    /// How long failures and names of discarded claims are remembered.
    pub memory: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: Span::from_secs(10),
            recheck: Span::from_secs(60),
            patience: Span::from_secs(300),
            launch_timeout: None,
            drain_timeout: Span::from_secs(900),
            backoff: Span::from_secs(60),
            backoff_limit: Span::from_secs(600),
            memory: Span::from_secs(3_600),
        }
    }
}

impl Settings {
    /// The time that replacements get while `nodes` nodes are in the queue (D-96).
    #[must_use]
    pub fn launch_limit(&self, nodes: usize) -> Span {
        self.launch_timeout.unwrap_or_else(|| {
            let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
            Span::from_millis(nodes.saturating_mul(80).clamp(600_000, 3_600_000))
        })
    }

    /// The pause after so many failures in a row.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Span {
        let doubled = 1i64 << failures.saturating_sub(1).min(30);
        let pause = self.backoff.as_millis().saturating_mul(doubled);
        Span::from_millis(pause.min(self.backoff_limit.as_millis()))
    }
}
