//! The answer to "which nodes should go?", and what repeating it leads to. Its serde form is the result of `tetrapod
//! consolidate` (M-22).

use serde::{Deserialize, Serialize};

use super::command::Command;
use crate::base::time::Timestamp;
use crate::explain::reason::Reason;
use crate::model::price::Price;

/// What carrying out commands until there are none leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Converged {
    /// Rounds of commands carried out.
    pub steps: usize,
    /// Price per hour of all nodes at the start.
    pub price_start: Price,
    /// And at the end.
    pub price_end: Price,
    /// Nodes at the start.
    pub nodes_start: usize,
    /// And at the end.
    pub nodes_end: usize,
    /// Pods that moved, counted each time.
    pub pod_moves: usize,
    /// Nodes that went.
    pub nodes_disrupted: usize,
    /// Whether it stopped because there was no command left, and not because of the bound on steps.
    pub settled: bool,
}

/// The answer to "which nodes should go?".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[must_use = "an answer that nobody reads changes nothing"]
#[non_exhaustive]
pub struct Disruption {
    /// Commands.
    pub commands: Vec<Command>,
    /// Per node that stays: why, as a reason tree.
    pub stays: Vec<Reason>,
    /// Price per hour of all nodes now; unknown prices count 0.
    pub price_before: Price,
    /// And after the commands.
    pub price_after: Price,
    /// When to look again: the next moment at which something that held a node back may end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_look: Option<Timestamp>,
    /// What repeating leads to, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge: Option<Converged>,
}
