//! One step of an autoscaler in virtual time: KEDA's poll and the HPA's reconcile, whichever is due (K-84, K-85).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::executor::{Action, ScaleRequest, request_scale};
use super::hpa::{HpaState, MetricValue, Path, Reads, Sync, sync};
use super::job::{JobDecision, JobTrigger, decide};
use super::number::{approximate, double, milli, rounded_milli};
use super::policy::{Autoscaler, Policy, Source};
use super::poll::{
    Activity, Loop, Memory, Record, TriggerOutcome, activity, ask_all, ask_trigger, composite,
};
use super::proposal::{Counts, MetricError};
use super::scaler::{ask, target};
use crate::base::time::{Span, Timestamp};
use crate::model::autoscaling::hpa::{MetricSource, MetricSpec, MetricTarget};
use crate::model::autoscaling::keda::{
    PAUSED, PAUSED_REPLICAS, ScaledJob, ScaledObject, annotation_is_on,
};
use crate::model::autoscaling::samples::{JobCounts, PodSample, Reading};
use crate::model::resources::Name;

/// What an autoscaler remembers between steps. Its serde form lets a controller go on after a restart, which Kubernetes'
/// own cannot (K-36).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct State {
    /// What the HPA remembers.
    pub hpa: HpaState,
    /// When KEDA last saw activity (`status.lastActiveTime`).
    pub last_active: Option<Timestamp>,
    /// Failures in a row by metric name (`status.health`, K-72).
    pub failures: BTreeMap<Name, i32>,
    /// What the last poll noted for cached triggers (K-58).
    pub records: BTreeMap<Name, Record>,
    /// The count of `paused-replicas` that was written (K-61).
    pub paused_at: Option<i32>,
    /// When KEDA polls next; at once when absent.
    pub next_poll: Option<Timestamp>,
    /// When the HPA reconciles next; at once when absent.
    pub next_sync: Option<Timestamp>,
}

impl State {
    /// The state that the autoscaler's own status tells: activity and failures of a ScaledObject, the zero of an HPA. What
    /// an HPA remembers is in no object: it starts anew (K-36).
    #[must_use]
    pub fn new(policy: &Policy<'_>) -> Self {
        let mut state = Self::default();
        match policy.autoscaler {
            Autoscaler::Hpa(hpa) => state.hpa.scaled_to_zero = hpa.scaled_to_zero,
            Autoscaler::ScaledObject(object) => {
                state.last_active = object.last_active_time;
                state.failures.clone_from(&object.failures);
            }
            Autoscaler::ScaledJob(_) => {}
        }
        state
    }
}

/// What is seen of the target and of the sources at a step.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// Replica and pod counts of the target.
    pub counts: Counts,
    /// Jobs of a ScaledJob.
    pub jobs: JobCounts,
    /// Readings by the place of the trigger, or of the metric of an HPA.
    pub readings: Vec<Option<Reading>>,
    /// The target's pods, for metrics of pods.
    pub pods: Vec<PodSample>,
}

impl Observed {
    /// Counts and readings, without pods.
    #[must_use]
    pub const fn new(counts: Counts, readings: Vec<Option<Reading>>) -> Self {
        Self {
            counts,
            jobs: JobCounts {
                running: 0,
                pending: 0,
            },
            readings,
            pods: Vec::new(),
        }
    }
}

/// What a step decides and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Decision {
    /// `spec.replicas` before.
    pub current: i32,
    /// `spec.replicas` after: to be written where it differs.
    pub replicas: i32,
    /// KEDA's poll, if one was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// The HPA's reconcile, if one was due. It sees the count that the poll wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// The jobs to start, for a ScaledJob whose poll was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobPoll>,
    /// When the next step is due.
    pub next: Timestamp,
}

/// A poll of a ScaledObject.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Poll {
    /// What the triggers come to; `None` while the object is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// What follows for the count.
    pub request: ScaleRequest,
}

/// A poll of a ScaledJob.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobPoll {
    /// The jobs to start; `None` while the object is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<JobDecision>,
    /// What each trigger says, by metric name; an error where it failed.
    pub triggers: Vec<(Name, Result<JobTrigger, String>)>,
}

/// Steps an autoscaler to `now`: KEDA's poll first where it is due, then the HPA's reconcile where that is due, each seeing
/// what is `observed`. Nothing is due before [`Decision::next`], and a step before it changes nothing. The two clocks start
/// together at the first step; set [`State::next_poll`] for another phase (K-85). Time should not go back: what was
/// recorded later than `now` counts as new. O(pods x containers + triggers + history).
///
/// ```
/// use tetrapod::manifest::snapshot_from_str;
/// use tetrapod::model::autoscaling::samples::Reading;
/// use tetrapod::scaling::{Autoscaler, Counts, Observed, Policy, State, step};
///
/// let manifest = r#"{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat"},
///     "spec": {"scaleTargetRef": {"name": "chat"}, "maxReplicaCount": 20, "triggers": [
///         {"type": "aws-sqs-queue", "metadata": {"queueURL": "requests", "queueLength": "10"}}]}}"#;
/// let snapshot = snapshot_from_str(manifest)?;
/// let policy = Policy::new(Autoscaler::ScaledObject(&snapshot.scaled_objects[0]));
/// let mut state = State::new(&policy);
/// let queue = |visible| {
///     let in_flight = Some(0);
///     vec![Some(Reading::Queue { visible: Some(visible), in_flight, delayed: None })]
/// };
///
/// // 45 messages wait and nothing runs: KEDA starts one replica, and the HPA, which sees it, asks for four at once (twice
/// // the present count, but at least four) of the five that the queue is worth.
/// let now = "2026-01-01T00:00:00Z".parse()?;
/// let seen = Observed::new(Counts::settled(0), queue(45));
/// let decision = step(&policy, &mut state, &seen, now);
/// assert_eq!(decision.poll.unwrap().request.replicas, Some(1));
/// assert_eq!(decision.replicas, 4);
/// let why = decision.sync.unwrap().normalized.unwrap();
/// assert_eq!((why.desired, why.replicas), (5, 4));
///
/// // At the next step the rest follows. The state may have been saved in between.
/// let saved = serde_json::to_string(&state)?;
/// let mut state: State = serde_json::from_str(&saved)?;
/// let seen = Observed::new(Counts::settled(4), queue(45));
/// let decision = step(&policy, &mut state, &seen, decision.next);
/// assert_eq!(decision.replicas, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn step(
    policy: &Policy<'_>,
    state: &mut State,
    observed: &Observed,
    now: Timestamp,
) -> Decision {
    let current = observed.counts.spec;
    let mut decision = Decision {
        current,
        replicas: current,
        poll: None,
        sync: None,
        jobs: None,
        next: now,
    };
    let paused = match policy.autoscaler {
        Autoscaler::ScaledObject(object) => {
            if due(&mut state.next_poll, object.polling_interval, now) {
                let poll = poll(policy, object, state, observed, now);
                decision.replicas = poll.request.replicas.unwrap_or(current);
                decision.poll = Some(poll);
            }
            object.is_paused()
        }
        Autoscaler::ScaledJob(job) => {
            if due(&mut state.next_poll, job.polling_interval, now) {
                decision.jobs = Some(job_poll(policy, job, observed, now));
            }
            true
        }
        Autoscaler::Hpa(_) => false,
    };
    if paused {
        // A paused object has no HPA, so what that remembered is gone (K-61).
        state.hpa = HpaState::default();
        state.next_sync = None;
    } else if due(&mut state.next_sync, policy.settings.sync_period, now) {
        let mut counts = observed.counts;
        counts.spec = decision.replicas;
        let reconciled = reconcile(policy, state, observed, counts, now);
        decision.replicas = reconciled.replicas;
        decision.sync = Some(reconciled);
    }
    let next = [state.next_poll, state.next_sync];
    decision.next = next.into_iter().flatten().min().unwrap_or(now);
    decision
}

/// Whether a clock is due at `now`, in which case it is set to the next time.
fn due(clock: &mut Option<Timestamp>, period: Span, now: Timestamp) -> bool {
    if clock.is_some_and(|next| next > now) {
        return false;
    }
    // A period of no length would never let time go on.
    *clock = Some(now.plus(period.max(Span::from_millis(1))));
    true
}

fn poll(
    policy: &Policy<'_>,
    object: &ScaledObject,
    state: &mut State,
    observed: &Observed,
    now: Timestamp,
) -> Poll {
    let counts = observed.counts;
    if object.is_paused() {
        let mut request = request_scale(object, state.last_active, false, false, counts.spec, now);
        let stated = object.annotations.get(PAUSED_REPLICAS);
        let stated: Option<i32> = stated.and_then(|text| text.parse().ok());
        // The reconciler writes the count once (K-61).
        if stated.is_some() && stated != state.paused_at {
            request.replicas = stated.map(|count| count.max(0));
        }
        state.paused_at = stated;
        return Poll {
            activity: None,
            request,
        };
    }
    state.paused_at = None;
    let mut memory = Memory {
        failures: &mut state.failures,
        records: &mut state.records,
    };
    let asked = ask_all(
        policy,
        object,
        &observed.readings,
        &mut memory,
        counts,
        Loop::Poll,
        now,
    );
    let activity = activity(object, asked, &policy.metric_names);
    let request = request_scale(
        object,
        state.last_active,
        activity.active,
        activity.error,
        counts.spec,
        now,
    );
    if request.sets_last_active_time {
        state.last_active = Some(now);
    }
    Poll {
        activity: Some(activity),
        request,
    }
}

fn reconcile(
    policy: &Policy<'_>,
    state: &mut State,
    observed: &Observed,
    counts: Counts,
    now: Timestamp,
) -> Sync {
    let State {
        hpa,
        failures,
        records,
        ..
    } = state;
    let mut memory = Memory { failures, records };
    let mut read = |place: usize, metric: &MetricSpec| {
        let source = policy.sources.get(place).copied().unwrap_or(Source::Metric);
        match (policy.autoscaler, source) {
            (Autoscaler::ScaledObject(object), Source::Trigger(index)) => {
                let asked = ask_trigger(
                    policy,
                    object,
                    index,
                    &observed.readings,
                    &mut memory,
                    counts,
                    Loop::Query,
                    now,
                );
                asked.map_or_else(|| Err(no_sample()), answered)
            }
            (Autoscaler::ScaledObject(object), Source::Composite) => {
                let asked = ask_all(
                    policy,
                    object,
                    &observed.readings,
                    &mut memory,
                    counts,
                    Loop::Query,
                    now,
                );
                // Without a trigger to ask, KEDA finds no metric to hand to the formula.
                let Some(modifiers) = object.modifiers.as_ref().filter(|_| !asked.is_empty())
                else {
                    return Err(no_sample());
                };
                let made = composite(object, modifiers, &asked, &policy.metric_names);
                match (made.value_milli, made.error) {
                    (Some(milli), _) => Ok(MetricValue::Values(vec![milli])),
                    (None, error) => Err(MetricError::Source(error.unwrap_or_default())),
                }
            }
            _ => plain(
                metric,
                observed.readings.get(place).and_then(Option::as_ref),
            ),
        }
    };
    let mut reads = Reads {
        counts,
        pods: &observed.pods,
        metric: &mut read,
    };
    sync(&policy.hpa, &policy.settings, hpa, &mut reads, now)
}

fn no_sample() -> MetricError {
    MetricError::Source("there is no sample for it".to_owned())
}

fn answered(outcome: TriggerOutcome) -> Result<MetricValue, MetricError> {
    match outcome.value_milli {
        Some(milli) => Ok(MetricValue::Values(vec![milli])),
        None => Err(MetricError::Source(outcome.error.unwrap_or_default())),
    }
}

/// The reading of a metric that no trigger of KEDA stands behind.
fn plain(metric: &MetricSpec, reading: Option<&Reading>) -> Result<MetricValue, MetricError> {
    let external = matches!(
        metric.source,
        MetricSource::External { .. } | MetricSource::Object { .. }
    );
    match reading {
        Some(Reading::Error(error)) => Err(MetricError::Source(error.to_string())),
        None if external => Err(no_sample()),
        _ if !external => Ok(MetricValue::Pods),
        Some(Reading::Values(values)) => Ok(MetricValue::Values(
            values.iter().map(|value| milli(*value)).collect(),
        )),
        Some(Reading::Value(value)) if value.get().is_finite() => {
            Ok(MetricValue::Values(vec![rounded_milli(value.get())]))
        }
        Some(_) | None => Err(MetricError::Source(
            "a sample of this form does not fit the metric".to_owned(),
        )),
    }
}

fn job_poll(policy: &Policy<'_>, job: &ScaledJob, observed: &Observed, now: Timestamp) -> JobPoll {
    let mut triggers = Vec::new();
    if annotation_is_on(&job.annotations, PAUSED) {
        return JobPoll {
            decision: None,
            triggers,
        };
    }
    for (index, (trigger, metric)) in job.triggers.iter().zip(&policy.metric_names).enumerate() {
        if trigger.is_resource() {
            continue;
        }
        let reading = observed.readings.get(index).and_then(Option::as_ref);
        let said = ask(trigger, reading, now);
        let said = said.map_err(|error| error.to_string()).map(|answer| {
            // A job takes the average value; a Value target asks for nothing (K-82).
            let per_job = match target(trigger) {
                MetricTarget::AverageValue(value) => approximate(value),
                MetricTarget::Value(_) | MetricTarget::Utilization(_) => 0.0,
            };
            let value = double(answer.value_milli) / 1_000.0;
            JobTrigger::new(value, per_job, answer.active, job.most_jobs())
        });
        triggers.push((Name::clone(metric), said));
    }
    let known: Vec<JobTrigger> = triggers
        .iter()
        .filter_map(|(_, said)| said.as_ref().ok().copied())
        .collect();
    JobPoll {
        decision: Some(decide(job, &known, observed.jobs)),
        triggers,
    }
}

impl Decision {
    /// Whether the step wants another count than there is.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.replicas != self.current
    }

    /// Whether the HPA could not decide because metrics failed (K-23).
    #[must_use]
    pub fn metrics_failed(&self) -> bool {
        self.sync
            .as_ref()
            .is_some_and(|sync| sync.path == Path::MetricsFailed)
    }

    /// Whether KEDA waits for its cooldown (K-65).
    #[must_use]
    pub fn cools_down(&self) -> bool {
        self.poll
            .as_ref()
            .is_some_and(|poll| poll.request.action == Action::CoolDown)
    }
}
