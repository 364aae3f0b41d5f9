//! What HyperPod's autoscaling needs before it can work: rows 5, 6, 7 and 11 to 15 of the table of the launch blog's
//! statements.
//!
//! Each check tells what was looked at, how it stands, and what to do. What the input does not contain gives a warning
//! that says so: nothing passes unseen.

mod classes;
mod cluster;
mod pools;

use serde::Serialize;

use crate::model::cluster::Snapshot;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed: callers map it to exit codes"
)]
pub enum Status {
    /// As it must be.
    Pass,
    /// Worth a look, or not checked because the input lacks it.
    Warn,
    /// Autoscaling, or the part of it that the subject names, does not work like this.
    Fail,
}

/// One prerequisite and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// Row of the blog table that it belongs to.
    pub row: u8,
    /// What was looked at: `cluster ml-research`, `instance group gpu-a`, `NodePool default`.
    pub subject: String,
    /// How it stands.
    pub status: Status,
    /// One sentence: what was found, and what to do where it did not pass.
    pub message: String,
    /// Number of the rule behind it, such as `H-34`.
    pub rule: &'static str,
}

/// Checks the prerequisites, by row. `role_actions` holds the `Action` entries of the policy of the cluster's
/// autoscaling role, `None` where they are not known.
///
/// The check has failed as a whole if any status is [`Status::Fail`].
///
/// ```
/// use tetrapod::hyperpod::preflight::{Status, preflight};
/// use tetrapod::model::cluster::Snapshot;
/// // Nothing is supplied, so nothing passes.
/// let checks = preflight(&Snapshot::default(), None);
/// assert!(checks.iter().all(|check| check.status == Status::Warn));
/// ```
#[must_use]
pub fn preflight(snapshot: &Snapshot, role_actions: Option<&[String]>) -> Vec<Check> {
    let mut checks = Checks::default();
    classes::check(snapshot, &mut checks);
    pools::check(snapshot, &mut checks);
    cluster::check(snapshot, role_actions, &mut checks);
    checks.0.sort_by_key(|check| check.row);
    checks.0
}

#[derive(Debug, Default)]
struct Checks(Vec<Check>);

impl Checks {
    /// A checker of one rule on one subject.
    fn of<'a>(&'a mut self, row: u8, rule: &'static str, subject: &'a str) -> One<'a> {
        One {
            checks: self,
            row,
            rule,
            subject,
        }
    }
}

#[must_use = "say how it stands"]
#[derive(Debug)]
struct One<'a> {
    checks: &'a mut Checks,
    row: u8,
    rule: &'static str,
    subject: &'a str,
}

impl One<'_> {
    fn pass(self, message: impl Into<String>) {
        self.push(Status::Pass, message.into());
    }

    fn warn(self, message: impl Into<String>) {
        self.push(Status::Warn, message.into());
    }

    fn fail(self, message: impl Into<String>) {
        self.push(Status::Fail, message.into());
    }

    fn push(self, status: Status, message: String) {
        self.checks.0.push(Check {
            row: self.row,
            subject: self.subject.to_owned(),
            status,
            message,
            rule: self.rule,
        });
    }
}

#[cfg(test)]
mod tests;
