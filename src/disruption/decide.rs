//! The whole way from a snapshot to commands in one call.

use super::cluster::Cluster;
use super::policy::Policy;
use crate::model::cluster::Snapshot;
use crate::plan::disruption::Disruption;
use crate::scheduler::Capacity;

/// Decides which nodes of `snapshot` go.
pub fn consolidate(snapshot: &Snapshot, policy: &dyn Policy) -> Disruption {
    let capacity = Capacity::new(snapshot);
    let cluster = Cluster::new(snapshot, &capacity);
    let commands = policy.commands(&cluster);
    let price_before = cluster.price();
    let carried_out = if policy.alternatives() { 1 } else { commands.len() };
    let saved = commands.iter().take(carried_out).map(|c| c.price_before - c.price_after);
    let price_after = price_before - saved.sum();
    let mut result = Disruption::default();
    result.commands = commands;
    result.price_before = price_before;
    result.price_after = price_after;
    result
}
