//! The whole way from a snapshot to commands in one call, and what repeating it leads to.

use std::borrow::Cow;

use super::apply::apply;
use super::cluster::Cluster;
use super::drift;
use super::policy::Policy;
use super::stays::stays;
use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::plan::command::Command;
use crate::plan::disruption::{Converged, Disruption};
use crate::scheduler::Capacity;

/// How many rounds [`converge`] takes at most.
const MAX_STEPS: usize = 1_000;

/// Decides which nodes of `snapshot` go, and why each other node stays. A node whose instance group has left its class is
/// drifted whether it is marked or not ([`drift::complete`]), unless the policy [reads marks only](Policy::sees_drift).
///
/// ```
/// use tetrapod::disruption::consolidate;
/// use tetrapod::disruption::policy::EconomicPolicy;
/// use tetrapod::model::cluster::Snapshot;
///
/// let answer = consolidate(&Snapshot::default(), &EconomicPolicy);
/// assert!(answer.commands.is_empty());
/// ```
pub fn consolidate(snapshot: &Snapshot, policy: &dyn Policy) -> Disruption {
    in_cluster(snapshot, policy, |cluster| {
        let commands = policy.commands(cluster);
        let price_before = cluster.price();
        let carried = carried_out(policy, &commands);
        let saved = carried
            .iter()
            .map(|command| command.price_before - command.price_after);
        let price_after = price_before - saved.sum();
        let held = policy.holds(cluster, carried);
        let (stays, next_look) = stays(cluster, carried, &held);
        Disruption {
            commands,
            stays,
            price_before,
            price_after,
            next_look,
            converge: None,
        }
    })
}

/// The commands of [`consolidate`] that are carried out before the next decision, for whoever does that and does not ask why
/// the other nodes stay; if there is none, also when to look again if nothing changes until then.
///
/// ```
/// use tetrapod::disruption::look;
/// use tetrapod::disruption::policy::EconomicPolicy;
/// use tetrapod::model::cluster::Snapshot;
///
/// assert_eq!(look(&Snapshot::default(), &EconomicPolicy), (Vec::new(), None));
/// ```
pub fn look(snapshot: &Snapshot, policy: &dyn Policy) -> (Vec<Command>, Option<Timestamp>) {
    in_cluster(snapshot, policy, |cluster| {
        let commands = policy.carried_out(cluster);
        let next = commands
            .is_empty()
            .then(|| stays(cluster, &[], &policy.holds(cluster, &[])).1);
        (commands, next.flatten())
    })
}

/// What `decide` says of the cluster of `snapshot` as `policy` sees it.
fn in_cluster<T>(
    snapshot: &Snapshot,
    policy: &dyn Policy,
    decide: impl FnOnce(&Cluster<'_>) -> T,
) -> T {
    let snapshot = if policy.sees_drift() {
        drift::complete(snapshot)
    } else {
        Cow::Borrowed(snapshot)
    };
    let capacity = Capacity::new(&snapshot);
    decide(&Cluster::new(&snapshot, &capacity))
}

/// The commands that are carried out before the next decision.
fn carried_out<'k>(policy: &dyn Policy, commands: &'k [Command]) -> &'k [Command] {
    let count = if policy.alternatives() {
        1
    } else {
        commands.len()
    };
    &commands[..count.min(commands.len())]
}

/// Decides, [applies](apply) and decides again until there is no command. Returns the figures and the snapshot at the end.
#[must_use]
pub fn converge(snapshot: &Snapshot, policy: &dyn Policy) -> (Converged, Snapshot) {
    let mut result = Converged::default();
    let mut current = if policy.sees_drift() {
        drift::complete(snapshot).into_owned()
    } else {
        snapshot.clone()
    };
    for step in 0..=MAX_STEPS {
        let capacity = Capacity::new(&current);
        let cluster = Cluster::new(&current, &capacity);
        if step == 0 {
            result.price_start = cluster.price();
            result.nodes_start = cluster.nodes();
        }
        result.price_end = cluster.price();
        result.nodes_end = cluster.nodes();
        let commands = policy.commands(&cluster);
        if commands.is_empty() || step == MAX_STEPS {
            result.settled = commands.is_empty();
            break;
        }
        let carried_out = carried_out(policy, &commands);
        result.steps += 1;
        for command in carried_out {
            result.pod_moves += command.evictions;
            result.nodes_disrupted += command.candidates.len();
        }
        let next = apply(&current, carried_out);
        current = next;
    }
    (result, current)
}
