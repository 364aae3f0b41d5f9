//! ScaledJobs: how many jobs to start (K-82, K-83).

use serde::Serialize;

use super::number::{cut, double};
use crate::model::autoscaling::keda::{JobStrategy, MultipleScalers, ScaledJob};
use crate::model::autoscaling::samples::JobCounts;

/// What one trigger of a ScaledJob says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobTrigger {
    /// The length of its queue.
    pub queue_length: f64,
    /// Jobs that it asks for, at most `maxReplicaCount`.
    pub max_value: f64,
    /// Whether it is active.
    pub active: bool,
}

impl JobTrigger {
    /// A queue of `value` of which a job takes `target` (K-82). A target of 0 asks for nothing.
    #[must_use]
    pub fn new(value: f64, target: f64, active: bool, most: i64) -> Self {
        let asked = if target.abs() > 0.0 {
            value / target
        } else {
            0.0
        };
        Self {
            queue_length: value,
            max_value: least(asked, most),
            active,
        }
    }
}

fn least(value: f64, most: i64) -> f64 {
    if value < double(most) {
        value
    } else {
        double(most)
    }
}

/// How many jobs a poll starts, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobDecision {
    /// Whether some trigger is active, or jobs always run.
    pub active: bool,
    /// The joined queue length, rounded up.
    pub queue_length: i64,
    /// Jobs that the joined triggers ask for, rounded up.
    pub max_scale: i64,
    /// Jobs that the strategy makes of it.
    pub effective_max_scale: i64,
    /// Jobs to start now.
    pub start: i64,
}

/// Decides how many jobs to start for what the triggers say (K-82, K-83). O(triggers).
#[must_use]
pub fn decide(job: &ScaledJob, triggers: &[JobTrigger], jobs: JobCounts) -> JobDecision {
    let (min, most) = (job.least_jobs(), job.most_jobs());
    let (any, queue_length, max_value) = joined(job.calculation, triggers);
    let active = any || min > 0;
    let queue_length = cut(queue_length.ceil());
    let max_scale = cut(least(max_value, most).ceil());
    let (effective, wanted) = if jobs.running < min {
        let missing = min.saturating_sub(jobs.running);
        (missing, missing)
    } else {
        let running = jobs.running.saturating_sub(min);
        strategy(
            job.strategy,
            max_scale,
            running,
            jobs.pending,
            most,
            queue_length,
        )
    };
    let effective = effective.max(0);
    JobDecision {
        active,
        queue_length,
        max_scale,
        effective_max_scale: effective,
        start: if active {
            wanted.min(effective).max(0)
        } else {
            0
        },
    }
}

/// Whether any is active, the queue length and the jobs asked for, joined (K-82).
fn joined(calculation: MultipleScalers, triggers: &[JobTrigger]) -> (bool, f64, f64) {
    let active = || triggers.iter().filter(|trigger| trigger.active);
    let (mut any, mut length, mut value) = (false, 0.0, 0.0);
    match calculation {
        MultipleScalers::Max | MultipleScalers::Min => {
            for trigger in active() {
                let better = if calculation == MultipleScalers::Max {
                    trigger.queue_length > length
                } else {
                    // A length of 0 counts as none yet.
                    length.abs() <= 0.0 || trigger.queue_length < length
                };
                if better {
                    (any, length, value) = (true, trigger.queue_length, trigger.max_value);
                }
            }
        }
        MultipleScalers::Sum | MultipleScalers::Avg => {
            let mut count = 0.0;
            for trigger in active() {
                any = true;
                length += trigger.queue_length;
                value += trigger.max_value;
                count += 1.0;
            }
            if calculation == MultipleScalers::Avg && any {
                length /= count;
                value /= count;
            }
        }
    }
    (any, length, value)
}

/// The jobs that a strategy allows, and the jobs it wants (K-83).
fn strategy(
    strategy: JobStrategy,
    max_scale: i64,
    running: i64,
    pending: i64,
    most: i64,
    queue_length: i64,
) -> (i64, i64) {
    let allowed = match strategy {
        JobStrategy::Default => max_scale.saturating_sub(running),
        JobStrategy::Custom {
            queue_length_deduction,
            running_job_percentage,
        } => {
            let share = cut(double(running) * running_job_percentage);
            max_scale
                .saturating_sub(i64::from(queue_length_deduction))
                .saturating_sub(share)
                .min(most)
        }
        JobStrategy::Accurate => {
            let all = max_scale.saturating_add(running).saturating_sub(pending);
            if all > most {
                most.saturating_sub(running)
            } else {
                max_scale.saturating_sub(pending)
            }
        }
        JobStrategy::Eager => most
            .saturating_sub(running)
            .saturating_sub(pending)
            .min(max_scale),
    };
    let wanted = if strategy == JobStrategy::Eager {
        most
    } else {
        queue_length
    };
    (allowed, wanted)
}
