//! What is tested.

use crate::disruption::consolidate;
use crate::disruption::policy::EconomicPolicy;
use crate::model::cluster::Snapshot;
use crate::plan::Plan;
use crate::plan::command::Command;
use crate::scheduler::schedule;

/// A policy to test: where pending pods go and what is bought, and which nodes go.
///
/// A function from a snapshot to a plan is one; [`Draft`](super::Draft) writes the plan when all that the policy knows is
/// which pod goes where.
pub trait Policy {
    /// What to do for the pending pods of `snapshot`.
    fn plan(&self, snapshot: &Snapshot) -> Plan;

    /// Which nodes of `snapshot` go; the commands are carried out together. A policy that only places pods has none.
    fn consolidate(&self, snapshot: &Snapshot) -> Vec<Command> {
        let _ = snapshot;
        Vec::new()
    }
}

impl<F: Fn(&Snapshot) -> Plan> Policy for F {
    fn plan(&self, snapshot: &Snapshot) -> Plan {
        self(snapshot)
    }
}

/// The policy of this crate: [`schedule`] and [`EconomicPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "its settings are the snapshot's options"
)]
pub struct Tetrapod;

impl Policy for Tetrapod {
    fn plan(&self, snapshot: &Snapshot) -> Plan {
        schedule(snapshot)
    }

    fn consolidate(&self, snapshot: &Snapshot) -> Vec<Command> {
        consolidate(snapshot, &EconomicPolicy).commands
    }
}
