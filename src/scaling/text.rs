//! A decision in words: sum, target, ratio, band, stabiliser, limiter, one line each.

use super::behavior::{AbleToScale, Normalized, RateBound, ScalingLimited};
use super::executor::{Action, ScaleRequest};
use super::hpa::{MetricOutcome, Path, Sync};
use super::job::JobTrigger;
use super::poll::{Activity, Composite, TriggerOutcome};
use super::proposal::{Basis, Proposal};
use super::step::{Decision, JobPoll, Poll};
use crate::base::time::Timestamp;
use crate::model::autoscaling::hpa::{MetricSource, MetricTarget, PolicyKind};
use crate::model::quantity::Quantity;

/// The lines that explain `decision`, made at `now`; each level is indented by two spaces.
///
/// ```
/// use tetrapod::model::autoscaling::hpa::{HorizontalPodAutoscaler, MetricSpec, MetricTarget};
/// use tetrapod::model::autoscaling::samples::{Reading, Real};
/// use tetrapod::scaling::{Autoscaler, Counts, Observed, Policy, State, step, text};
/// let mut hpa = HorizontalPodAutoscaler::new("web", "shop", 2, 5);
/// let target = MetricTarget::AverageValue("10".parse().unwrap());
/// hpa.metrics = vec![MetricSpec::external("requests", target)];
/// let policy = Policy::new(Autoscaler::Hpa(&hpa));
/// let seen = Observed::new(Counts::settled(3), vec![Some(Reading::Value(Real::new(90.0)))]);
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// let decision = step(&policy, &mut State::new(&policy), &seen, now);
/// let lines = text::lines(&decision, now);
/// assert_eq!(lines, [
///     "HPA: 3 -> 5",
///     "  requests: 90, target 10 a pod, ratio 3, outside 0.9 to 1.1: proposes 9",
///     "  maxReplicas limits 9 to 5",
/// ]);
/// ```
#[must_use]
pub fn lines(decision: &Decision, now: Timestamp) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(poll) = &decision.poll {
        poll_lines(poll, decision.current, &mut out);
    }
    if let Some(jobs) = &decision.jobs {
        job_lines(jobs, &mut out);
    }
    if let Some(sync) = &decision.sync {
        sync_lines(sync, now, &mut out);
    }
    if out.is_empty() {
        out.push(format!("nothing is due before {}", decision.next));
    }
    out
}

/// A value in thousandths as it is written.
fn thousandths(milli: i64) -> String {
    if milli == i64::MAX {
        return "2^63-1 thousandths (the most)".to_owned();
    }
    let (whole, rest) = (milli.unsigned_abs() / 1_000, milli.unsigned_abs() % 1_000);
    let sign = if milli < 0 { "-" } else { "" };
    let fraction = format!("{rest:03}");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{digits}"),
    }
}

fn quantity(value: Quantity) -> String {
    value.to_string()
}

/// A ratio with at most four decimals.
fn ratio(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn change(from: i32, to: i32) -> String {
    if from == to {
        format!("stays at {from}")
    } else {
        format!("{from} -> {to}")
    }
}

fn poll_lines(poll: &Poll, current: i32, out: &mut Vec<String>) {
    let to = poll.request.replicas.unwrap_or(current);
    out.push(format!(
        "KEDA: {}; {}",
        change(current, to),
        request(&poll.request)
    ));
    if let Some(activity) = &poll.activity {
        activity_lines(activity, out);
    }
}

fn request(request: &ScaleRequest) -> String {
    match (request.action, request.cooldown_until) {
        (Action::Paused, _) => "paused by annotation (K-61)".to_owned(),
        (Action::Activate, _) => "active, from 0 or idle (K-63)".to_owned(),
        (Action::ScaleOutPaused, _) => "active, but scaling out is paused (K-63)".to_owned(),
        (Action::StayActive, _) => "active, the HPA decides".to_owned(),
        (Action::StayActiveDespiteErrors, _) => {
            "active, the HPA decides; some triggers fail (K-63)".to_owned()
        }
        (Action::AwaitFallback, _) => "failing, waits for the fallback (K-64)".to_owned(),
        (Action::Failed, _) => {
            "failing, and there is no fallback: nothing is done (K-64)".to_owned()
        }
        (Action::Deactivate, _) => "inactive, the cooldown is over (K-65)".to_owned(),
        (Action::CoolDown, Some(until)) => format!("inactive, cooling down until {until} (K-65)"),
        (Action::CoolDown, None) => "inactive, cooling down (K-65)".to_owned(),
        (Action::ScaleInPaused, _) => "inactive, but scaling in is paused (K-65)".to_owned(),
        (Action::RaiseToMin, _) => "inactive and below minReplicaCount (K-64)".to_owned(),
        (Action::StayInactive, _) => "inactive".to_owned(),
    }
}

fn activity_lines(activity: &Activity, out: &mut Vec<String>) {
    for trigger in &activity.triggers {
        out.push(format!("  {}", trigger_line(trigger)));
    }
    if let Some(composite) = &activity.composite {
        out.push(format!("  {}", composite_line(composite)));
    }
    if activity.forced {
        out.push("  every trigger is cpu or memory, which counts as active (K-60)".to_owned());
    }
}

fn trigger_line(trigger: &TriggerOutcome) -> String {
    let state = if trigger.active { "active" } else { "inactive" };
    let value = match (&trigger.answer, trigger.value_milli, &trigger.error) {
        (Some(answer), _, _) => format!("{}, {state}", ratio(answer.value)),
        (None, Some(milli), Some(error)) if trigger.fallback => format!(
            "falls back to {}, {state}, as it fails: {error}",
            thousandths(milli)
        ),
        (None, Some(_), Some(error)) if trigger.nil => format!("nil in the formula: {error}"),
        (None, Some(milli), _) => format!("{} from the last poll, {state}", thousandths(milli)),
        (None, None, error) => format!("fails: {}", error.as_deref().unwrap_or("no reason")),
    };
    let failures = match trigger.failures {
        Some(count) if count > 0 => format!(" ({count} failures in a row)"),
        _ => String::new(),
    };
    format!("{}: {value}{failures}", trigger.metric)
}

fn composite_line(composite: &Composite) -> String {
    match (composite.value_milli, &composite.error) {
        (Some(milli), _) => {
            let how = if composite.fallback {
                "a fallback, the formula is skipped (K-80)"
            } else if composite.nil {
                "the fallback's replicas, as the formula gives nil (K-78)"
            } else {
                "by the formula"
            };
            format!("composite-metric: {}, {how}", thousandths(milli))
        }
        (None, error) => format!(
            "composite-metric: fails: {}",
            error.as_deref().unwrap_or("no reason")
        ),
    }
}

fn sync_lines(sync: &Sync, now: Timestamp, out: &mut Vec<String>) {
    let how = match sync.path {
        Path::Disabled => "; at 0 it is off (K-24)",
        Path::AboveMax => "; above maxReplicas (K-24)",
        Path::BelowMin => "; below minReplicas (K-24)",
        Path::Metrics => "",
        Path::MetricsFailed => "; metrics fail (K-23)",
    };
    out.push(format!("HPA: {}{how}", change(sync.current, sync.replicas)));
    for (place, outcome) in sync.metrics.iter().enumerate() {
        let decides = sync.metrics.len() > 1 && sync.decided_by == Some(place);
        let mark = if decides { " (the largest)" } else { "" };
        out.push(format!("  {}{mark}", metric_line(outcome)));
    }
    if let Some(normalized) = &sync.normalized {
        normalized_lines(normalized, sync.current, now, out);
    }
}

fn metric_line(outcome: &MetricOutcome) -> String {
    let name = match &outcome.metric.source {
        MetricSource::ContainerResource { name, container } => format!("{name} of {container}"),
        source @ (MetricSource::Resource { .. }
        | MetricSource::Pods { .. }
        | MetricSource::Object { .. }
        | MetricSource::External { .. }) => source.name().to_string(),
    };
    match (&outcome.proposal, &outcome.error) {
        (Some(proposal), _) => {
            format!("{name}: {}", proposal_text(proposal, outcome.metric.target))
        }
        (None, error) => format!("{name}: fails: {}", error.as_deref().unwrap_or("no reason")),
    }
}

fn proposal_text(proposal: &Proposal, target: MetricTarget) -> String {
    let held = match (target, proposal.utilization, proposal.pods) {
        (MetricTarget::Utilization(percent), Some(used), _) => {
            format!("{used} % of requests, target {percent} %")
        }
        (MetricTarget::AverageValue(value), _, Some(_)) => format!(
            "{} a pod, target {} a pod",
            thousandths(proposal.current_milli),
            quantity(value)
        ),
        (MetricTarget::AverageValue(value), _, None) => format!(
            "{}, target {} a pod",
            thousandths(proposal.sum_milli),
            quantity(value)
        ),
        (MetricTarget::Value(value), _, _) => format!(
            "{}, target {}",
            thousandths(proposal.sum_milli),
            quantity(value)
        ),
        (MetricTarget::Utilization(percent), None, _) => format!("target {percent} %"),
    };
    let band = format!(
        "{} to {}",
        ratio(1.0 - proposal.tolerance.down),
        ratio(1.0 + proposal.tolerance.up)
    );
    let filled = proposal.filled_ratio.map(ratio).unwrap_or_default();
    let basis = match proposal.basis {
        Basis::WithinTolerance => format!("within {band}"),
        Basis::Ratio => format!("outside {band}"),
        Basis::FromZero => "from 0 (K-11)".to_owned(),
        Basis::FilledRatio => format!("{filled} with the other pods filled in (K-20)"),
        Basis::FilledWithinTolerance => {
            format!("{filled} with the other pods filled in, within {band} (K-21)")
        }
        Basis::FilledTurned => {
            format!("{filled} with the other pods filled in, the other way: no change (K-21)")
        }
        Basis::FilledReversed => format!(
            "{filled} with the other pods filled in, which would turn the change: no change (K-21)"
        ),
    };
    let pods = match proposal.pods {
        Some(pods) if pods.unready + pods.missing + pods.ignored > 0 => format!(
            " ({} pods measured, {} not ready, {} without a sample, {} ignored)",
            pods.ready, pods.unready, pods.missing, pods.ignored
        ),
        _ => String::new(),
    };
    format!(
        "{held}, ratio {}, {basis}: proposes {}{pods}",
        ratio(proposal.ratio),
        proposal.replicas
    )
}

fn normalized_lines(normalized: &Normalized, current: i32, now: Timestamp, out: &mut Vec<String>) {
    if normalized.able_to_scale != AbleToScale::ReadyForNewScale {
        let why = match normalized.held_by {
            Some(held) => format!(
                "the recommendation of {} {} ago",
                held.replicas,
                now.since(held.time)
            ),
            None => "earlier recommendations".to_owned(),
        };
        out.push(format!(
            "  stabilised from {} to {}: {why} still counts",
            normalized.desired, normalized.stable
        ));
    }
    let (from, to) = (normalized.stable, normalized.replicas);
    match normalized.scaling_limited {
        ScalingLimited::DesiredWithinRange => {}
        ScalingLimited::TooFewReplicas => {
            out.push(format!("  minReplicas raises {from} to {to}"));
        }
        ScalingLimited::TooManyReplicas => {
            out.push(format!("  maxReplicas limits {from} to {to}"));
        }
        ScalingLimited::ScaleUpLimit | ScalingLimited::ScaleDownLimit => {
            out.push(format!(
                "  {} limits {from} to {to}",
                rate(normalized.bound, current)
            ));
        }
    }
}

fn rate(bound: Option<RateBound>, current: i32) -> String {
    let Some(bound) = bound else {
        return "the rate".to_owned();
    };
    match bound.policy {
        Some(policy) => {
            let unit = match policy.kind {
                PolicyKind::Pods => "pods",
                PolicyKind::Percent => "percent",
            };
            format!(
                "the policy of {} {unit} in {} s",
                policy.value, policy.period_seconds
            )
        }
        None if bound.replicas == current => "the disabled direction".to_owned(),
        None => "the rate of twice the count, at least 4 (K-25),".to_owned(),
    }
}

fn job_lines(jobs: &JobPoll, out: &mut Vec<String>) {
    match jobs.decision {
        None => out.push("KEDA: paused by annotation (K-61)".to_owned()),
        Some(decision) => {
            let state = if decision.active {
                "active"
            } else {
                "inactive"
            };
            out.push(format!(
                "KEDA: starts {} jobs; {state}, queue of {}, {} jobs asked for, {} after what runs (K-83)",
                decision.start,
                decision.queue_length,
                decision.max_scale,
                decision.effective_max_scale
            ));
        }
    }
    for (metric, said) in &jobs.triggers {
        out.push(format!("  {metric}: {}", job_trigger(said)));
    }
}

fn job_trigger(said: &Result<JobTrigger, String>) -> String {
    match said {
        Ok(trigger) => {
            let state = if trigger.active { "active" } else { "inactive" };
            format!(
                "{}, {state}, asks for {} jobs",
                ratio(trigger.queue_length),
                ratio(trigger.max_value)
            )
        }
        Err(error) => format!("fails: {error}"),
    }
}
