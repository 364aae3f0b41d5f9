//! The facade: from a snapshot to a plan.

use crate::model::cluster::Snapshot;
use crate::plan::Plan;

/// A snapshot compiled for solving. `Compiled::new`, `solve` and `plan` are the three steps, apart so that they can be
/// timed; [`schedule`] does them all.
#[derive(Debug)]
pub struct Compiled<'a> {
    snapshot: &'a Snapshot,
}

/// What the solver decided, in dense ids.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {}

impl<'a> Compiled<'a> {
    /// Compiles `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot }
    }

    /// Decides.
    #[must_use]
    pub fn solve(&self) -> Outcome {
        Outcome {}
    }

    /// Puts names to the decisions and reasons to what stays pending.
    pub fn plan(&self, _outcome: &Outcome) -> Plan {
        let _ = self.snapshot;
        Plan::default()
    }
}

/// Plans the pending pods of `snapshot`.
pub fn schedule(snapshot: &Snapshot) -> Plan {
    let compiled = Compiled::new(snapshot);
    let outcome = compiled.solve();
    compiled.plan(&outcome)
}
