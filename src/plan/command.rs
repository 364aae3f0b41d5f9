//! Commands: decisions about nodes that leave nothing to decide when they are carried out (M-22).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ExistingPlacement, PlannedClaim};
use crate::explain::reason::Reason;
use crate::model::price::Price;
use crate::model::resources::Name;

/// Why nodes are disrupted: the words of budgets, of the `DisruptionReason` condition and of metrics (D-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DisruptionReason {
    /// No pod that needs another place.
    Empty,
    /// The node no longer is what its pool or class asks for.
    Drifted,
    /// The pods cost less elsewhere.
    Underutilized,
    /// The NodeClaim reached its `expireAfter` (D-99). Not bound by budgets.
    Expired,
    /// The node is to be repaired (D-102, H-43). Not bound by budgets.
    Unhealthy,
}

impl DisruptionReason {
    /// The text that budgets and conditions use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Drifted => "Drifted",
            Self::Underutilized => "Underutilized",
            Self::Expired => "Expired",
            Self::Unhealthy => "Unhealthy",
        }
    }

    /// Whether budgets bind it (D-29): the three that a budget may name.
    #[must_use]
    pub fn is_budgeted(self) -> bool {
        matches!(self, Self::Empty | Self::Drifted | Self::Underutilized)
    }
}

impl fmt::Display for DisruptionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which search found a command (D-3, M-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Nodes without pods.
    Emptiness,
    /// Drifted nodes of static pools.
    StaticDrift,
    /// Drifted nodes.
    Drift,
    /// Several nodes at once.
    Multi,
    /// One node.
    Single,
    /// The whole cluster.
    Plan,
    /// Nodes that expire.
    Expire,
    /// Nodes that are to be repaired.
    Repair,
}

impl Method {
    /// The kebab-case text of the result format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emptiness => "emptiness",
            Self::StaticDrift => "static-drift",
            Self::Drift => "drift",
            Self::Multi => "multi",
            Self::Single => "single",
            Self::Plan => "plan",
            Self::Expire => "expire",
            Self::Repair => "repair",
        }
    }
}

/// A node that a command removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Candidate {
    /// Name of the Node.
    pub node: Name,
    /// Name of its NodeClaim.
    pub node_claim: Name,
    /// NodePool it counts to.
    pub node_pool: Name,
    /// Price per hour; `None` is unknown (M-9).
    #[serde(default)]
    pub price: Option<Price>,
}

impl Candidate {
    /// A candidate whose price is unknown.
    #[must_use]
    pub fn new(
        node: impl Into<Name>,
        node_claim: impl Into<Name>,
        node_pool: impl Into<Name>,
    ) -> Self {
        Self {
            node: node.into(),
            node_claim: node_claim.into(),
            node_pool: node_pool.into(),
            price: None,
        }
    }
}

/// A pod that moves although its node stays (W-5), for embedders that allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Move {
    /// `namespace/name`.
    pub pod: Name,
    /// Node it leaves.
    pub from: Name,
    /// Node that has room for it.
    pub to: Name,
}

impl Move {
    /// The move of `pod` from one node to another.
    #[must_use]
    pub fn new(pod: impl Into<Name>, from: impl Into<Name>, to: impl Into<Name>) -> Self {
        Self {
            pod: pod.into(),
            from: from.into(),
            to: to.into(),
        }
    }
}

/// What to do about some nodes: which go, what is bought first, where every pod goes and in which order they leave.
///
/// It carries out in one order only: taint the candidates, launch the replacements, wait until all are initialised,
/// evict wave by wave, delete the NodeClaims. Its serde form keeps all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
#[must_use = "a command that nobody carries out changes nothing"]
#[non_exhaustive]
pub struct Command {
    /// The search that found it.
    pub method: Method,
    /// Why.
    pub reason: DisruptionReason,
    /// Nodes that go, in the order in which they are deleted.
    pub candidates: Vec<Candidate>,
    /// Nodes that are bought first, each with ordered fall-backs and the pods it is for.
    pub replacements: Vec<PlannedClaim>,
    /// Pods that move to nodes that exist.
    pub existing_nodes: Vec<ExistingPlacement>,
    /// Pods that move although their node stays (W-5).
    pub moves: Vec<Move>,
    /// Pods to be evicted in order: the next wave starts when the pods of the last one run elsewhere (M-20).
    pub waves: Vec<Vec<Name>>,
    /// How many pods are evicted.
    pub evictions: usize,
    /// Sum of the candidates' known prices per hour.
    pub price_before: Price,
    /// Sum of the replacements' known prices per hour.
    pub price_after: Price,
    /// What is saved over the horizon after the cost of moving, in dollars; below 0 where the reason is not money.
    pub net_saving: Price,
    /// Place in the order of a plan's commands: commands of a lower number come first, equal ones may run at once.
    pub order: u32,
    /// Why this command, as a reason tree.
    pub why: Option<Reason>,
}

impl Command {
    /// A command that removes `candidates` and buys nothing.
    pub fn delete(method: Method, reason: DisruptionReason, candidates: Vec<Candidate>) -> Self {
        Self {
            method,
            reason,
            candidates,
            replacements: Vec::new(),
            existing_nodes: Vec::new(),
            moves: Vec::new(),
            waves: Vec::new(),
            evictions: 0,
            price_before: Price::ZERO,
            price_after: Price::ZERO,
            net_saving: Price::ZERO,
            order: 0,
            why: None,
        }
    }

    /// `delete`, or `replace` where something is bought: the word of the result format.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        if self.replacements.is_empty() {
            "delete"
        } else {
            "replace"
        }
    }
}

/// The result format: candidates by name, what is known of them beside, and the decision in a word.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    reason: DisruptionReason,
    method: Method,
    #[serde(default)]
    decision: String,
    candidates: Vec<Name>,
    #[serde(default)]
    replacements: Vec<PlannedClaim>,
    #[serde(default)]
    price_before: Price,
    #[serde(default)]
    price_after: Price,
    #[serde(default)]
    existing_nodes: Vec<ExistingPlacement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moves: Vec<Move>,
    #[serde(default)]
    waves: Vec<Vec<Name>>,
    #[serde(default)]
    evictions: usize,
    #[serde(default)]
    net_saving: Price,
    #[serde(default)]
    order: u32,
    #[serde(default)]
    candidate_details: Vec<Candidate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Reason>,
}

impl From<Command> for Wire {
    fn from(command: Command) -> Self {
        Self {
            decision: command.decision().to_owned(),
            reason: command.reason,
            method: command.method,
            candidates: command
                .candidates
                .iter()
                .map(|candidate| Name::clone(&candidate.node))
                .collect(),
            replacements: command.replacements,
            price_before: command.price_before,
            price_after: command.price_after,
            existing_nodes: command.existing_nodes,
            moves: command.moves,
            waves: command.waves,
            evictions: command.evictions,
            net_saving: command.net_saving,
            order: command.order,
            candidate_details: command.candidates,
            why: command.why,
        }
    }
}

impl From<Wire> for Command {
    /// The names count; what is not told of a candidate beside is unknown.
    fn from(wire: Wire) -> Self {
        let candidate = |node: &Name| {
            let told = wire.candidate_details.iter().find(|c| c.node == *node);
            told.cloned()
                .unwrap_or_else(|| Candidate::new(Name::clone(node), "", ""))
        };
        Self {
            candidates: wire.candidates.iter().map(candidate).collect(),
            reason: wire.reason,
            method: wire.method,
            replacements: wire.replacements,
            price_before: wire.price_before,
            price_after: wire.price_after,
            existing_nodes: wire.existing_nodes,
            moves: wire.moves,
            waves: wire.waves,
            evictions: wire.evictions,
            net_saving: wire.net_saving,
            order: wire.order,
            why: wire.why,
        }
    }
}
