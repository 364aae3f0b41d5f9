//! Policies: who decides which nodes go (M-21).

use std::collections::BTreeMap;

use super::candidate::Hold;
use super::cluster::Cluster;
use super::economic;
use super::karpenter::{Karpenter, Version};
use super::lookahead;
use crate::plan::command::Command;
use crate::problem::NodeId;

/// A way to decide which nodes of a cluster go.
///
/// The commands of one answer are alternatives or parts, as [`alternatives`](Policy::alternatives) says.
pub trait Policy: std::fmt::Debug {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Whether the commands are alternatives from the same start, of which the first is carried out, and not parts of one
    /// plan.
    fn alternatives(&self) -> bool;

    /// Whether drift that Karpenter does not look for counts although nobody has marked it (H-13). Karpenter's methods read
    /// the condition only.
    fn sees_drift(&self) -> bool {
        true
    }

    /// The commands for `cluster`.
    fn commands(&self, cluster: &Cluster<'_>) -> Vec<Command>;

    /// Those of its commands that are carried out before the next decision: all parts of a plan, the first of alternatives.
    fn carried_out(&self, cluster: &Cluster<'_>) -> Vec<Command> {
        let mut commands = self.commands(cluster);
        if self.alternatives() {
            commands.truncate(1);
        }
        commands
    }

    /// What it holds back by itself, beyond what holds for every policy, once `commands` are carried out: by node.
    fn holds(&self, cluster: &Cluster<'_>, commands: &[Command]) -> BTreeMap<NodeId, Hold> {
        let _ = (cluster, commands);
        BTreeMap::new()
    }
}

/// Karpenter's methods, one command each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KarpenterPolicy {
    /// Which version.
    pub version: Version,
}

impl KarpenterPolicy {
    /// The policy of `version`.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self { version }
    }
}

impl Policy for KarpenterPolicy {
    fn name(&self) -> &'static str {
        match self.version {
            Version::V113 => "karpenter",
            Version::Head => "karpenter-head",
        }
    }

    fn alternatives(&self) -> bool {
        true
    }

    fn sees_drift(&self) -> bool {
        false
    }

    fn commands(&self, cluster: &Cluster<'_>) -> Vec<Command> {
        Karpenter::new(cluster, self.version).commands()
    }

    fn carried_out(&self, cluster: &Cluster<'_>) -> Vec<Command> {
        let first = Karpenter::new(cluster, self.version).first();
        first.into_iter().collect()
    }
}

/// The whole cluster at once, by what is saved over the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "its settings are the snapshot's options"
)]
pub struct EconomicPolicy;

impl Policy for EconomicPolicy {
    fn name(&self) -> &'static str {
        "economic"
    }

    fn alternatives(&self) -> bool {
        false
    }

    fn commands(&self, cluster: &Cluster<'_>) -> Vec<Command> {
        lookahead::commands(cluster)
    }

    fn holds(&self, cluster: &Cluster<'_>, commands: &[Command]) -> BTreeMap<NodeId, Hold> {
        economic::holds::holds(cluster, commands)
    }
}

/// The policy called `name`: `karpenter`, `karpenter-head` or `economic`.
#[must_use]
pub fn policy(name: &str) -> Option<Box<dyn Policy>> {
    match name {
        "karpenter" => Some(Box::new(KarpenterPolicy::new(Version::V113))),
        "karpenter-head" => Some(Box::new(KarpenterPolicy::new(Version::Head))),
        "economic" => Some(Box::new(EconomicPolicy)),
        _ => None,
    }
}
