//! Ninth floor: disruption. What may be taken away, when, and how it is carried out.
//!
//! [`budget`] says how many nodes of a pool may be disrupted now and when that changes, with the windows of [`cron`]
//! schedules. [`pdb`] says which PodDisruptionBudget holds which pod, and in which waves pods can be drained. A
//! [`command::Command`] is one decision that leaves nothing to decide, and [`queue`] carries commands out.
//!
//! Everything here is a function of a snapshot and of a time in its arguments.

pub mod apply;
pub mod budget;
pub mod build;
pub mod candidate;
pub mod cluster;
pub mod cron;
pub mod decide;
pub mod drift;
pub mod economic;
pub mod karpenter;
mod lookahead;
pub mod pdb;
pub mod policy;
pub mod queue;
pub mod recheck;
pub mod repair;
pub mod stays;

pub use crate::plan::command;
pub use crate::plan::command::DisruptionReason;
pub use apply::apply;
pub use decide::{consolidate, converge, look};
pub use recheck::recheck;

use crate::model::taint::{Taint, TaintEffect};

/// Key of the taint on nodes that are being disrupted (D-93).
pub const DISRUPTED: &str = "karpenter.sh/disrupted";
/// Annotation that keeps a Node or a Pod from being disrupted (D-8).
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// The taint on nodes that are being disrupted (D-93).
#[must_use]
pub fn disrupted_taint() -> Taint {
    Taint::new(DISRUPTED, "", TaintEffect::NoSchedule)
}
