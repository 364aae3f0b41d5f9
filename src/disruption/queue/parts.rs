//! What a command on its way is made of.

use serde::{Deserialize, Serialize};

use super::io::TaskId;
use super::view::{Known, View};
use crate::base::time::Timestamp;
use crate::model::resources::Name;

/// What became of a node and its NodeClaim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Presence {
    #[default]
    Here,
    Leaving,
    Gone,
}

/// A candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) presence: Known<Presence>,
    pub(super) tainted: Known<bool>,
    /// Pods on it when the command started, `namespace/name/uid`.
    pub(super) present: Vec<Name>,
}

/// A replacement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    /// Which offering is tried: 0 is the chosen one, then the fall-backs.
    pub(super) attempt: usize,
    pub(super) name: Name,
    /// Whether anybody was asked to create it.
    pub(super) sent: bool,
    /// Whether anybody was asked to delete it.
    pub(super) removing: bool,
    /// Since when it is known to have existed.
    pub(super) confirmed: Option<Timestamp>,
    pub(super) presence: Known<Presence>,
    pub(super) initialized: Known<bool>,
    pub(super) used: Known<bool>,
}

/// A pod to be evicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaver {
    pub(super) pod: Name,
    pub(super) uid: Name,
    pub(super) node: Name,
    pub(super) gone: bool,
    /// PDBs that the eviction counts against, `namespace/name`.
    pub(super) charges: Vec<Name>,
}

impl Leaver {
    /// What the PDBs of the pod allow in `view`.
    pub(super) fn allowances(&self, view: &View<'_>) -> Vec<(Name, usize)> {
        let pod = view.pod_on(&self.pod, &self.uid, &self.node);
        pod.map(|pod| view.charges(pod)).unwrap_or_default()
    }
}

/// Names a step of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Key {
    Taint(usize),
    Untaint(usize),
    Launch { replacement: usize, attempt: usize },
    Evict { wave: usize, pod: usize },
    Delete(usize),
    Remove(usize),
}

/// A step that was given out and still is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) key: Key,
    pub(super) id: TaskId,
    pub(super) due: Timestamp,
    pub(super) failures: u32,
}
