//! Rehearsals: the provisioning machine against the fake HyperPod, through seeded schedules of faults.
//!
//! A seed makes a cluster, pods, limits, and trouble: markets that run dry, groups that leave service, calls that are
//! throttled, refused or never answered, events that are lost, doubled and reordered, instances that fail, are replaced,
//! reclaimed or fall ill, autoscaling that is switched off for a while, controllers that stop and come back. After a time
//! the trouble ends; some time later everything must have come right; then the pools are deleted and everything must go.
//!
//! What must hold is judged by what was asked for and by the fake's own state, not by the machine's books (`checks`).

mod carry;
mod checks;
mod driver;
mod planner;
mod verdict;
mod world;

use crate::base::time::Span;
use crate::provisioning::Machine;

pub use self::checks::Violation;

/// What a rehearsal does besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whether the machine is stopped and resumed at random points.
    pub crash: bool,
}

impl Options {
    /// With or without crashes.
    #[must_use]
    pub const fn new(crash: bool) -> Self {
        Self { crash }
    }
}

/// Figures of a run, or sums over runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Runs.
    pub runs: u64,
    /// Inputs given to the machine, after each of which the checks were made.
    pub steps: u64,
    /// Nodes asked for.
    pub launches: u64,
    /// Nodes that became ready.
    pub ready: u64,
    /// Times that pods went back to the planner.
    pub handed_back: u64,
    /// Times the machine was stored and read again.
    pub crashes: u64,
    /// What the fake billed for the machine's nodes, which the ledger equals, in 10^-15 $ ms / h.
    pub billed: i128,
    /// How long after the trouble all had come right at the latest.
    pub slowest: Span,
    /// What went out, as one number: equal for equal seeds.
    pub digest: u64,
}

impl Figures {
    /// [`billed`](Self::billed) in whole dollars.
    #[must_use]
    pub fn dollars(&self) -> i128 {
        self.billed / (3_600_000 * 1_000_000_000_000_000)
    }

    /// Adds the figures of another run.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.launches += other.launches;
        self.ready += other.ready;
        self.handed_back += other.handed_back;
        self.crashes += other.crashes;
        self.billed = self.billed.saturating_add(other.billed);
        self.slowest = self.slowest.max(other.slowest);
        self.digest = self.digest.rotate_left(5) ^ other.digest;
    }
}

/// A run in which something that must hold did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, step {step}, {at}: {violation}\nreplay: tetrapod rehearse --runs 1 --seed {seed}{}", if *.crash { " --crash" } else { "" })]
#[non_exhaustive]
pub struct Broken {
    /// The seed that leads there.
    pub seed: u64,
    /// After how many inputs.
    pub step: u64,
    /// At what virtual time.
    pub at: crate::base::time::Timestamp,
    /// Whether with crashes.
    pub crash: bool,
    /// What was broken.
    pub violation: Violation,
}

/// Runs the schedule of `seed`.
///
/// ```
/// use tetrapod::sim::rehearse::{Options, rehearse};
/// let figures = rehearse(7, Options::new(true)).unwrap();
/// assert_eq!(figures, rehearse(7, Options::new(true)).unwrap());
/// ```
///
/// # Errors
/// The first thing that did not hold.
pub fn rehearse(seed: u64, options: Options) -> Result<Figures, Box<Broken>> {
    driver::Driver::new(seed, options).run()
}

/// Whether `machine` comes back from its serialised form as it was, look-up tables included.
fn stored_and_read(machine: &Machine) -> Result<Machine, String> {
    let text = serde_json::to_vec(machine).map_err(|error| error.to_string())?;
    let again: Machine = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if again == *machine {
        Ok(again)
    } else {
        Err("it differs from what was stored".to_owned())
    }
}

#[cfg(test)]
mod tests;
