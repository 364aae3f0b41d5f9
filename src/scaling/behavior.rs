//! From the count that metrics propose to the count that is set: stabilisation, rate limits, bounds (K-3, K-25..K-35).

use serde::{Deserialize, Serialize};

use super::number::{count, cut};
use crate::base::time::{Span, Timestamp};
use crate::model::autoscaling::hpa::{
    Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy,
};

/// A count that metrics once proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// When.
    pub time: Timestamp,
    /// How many replicas, before stabilising (K-26).
    pub replicas: i32,
}

/// A change of the count that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScaleEvent {
    /// When.
    pub time: Timestamp,
    /// By how many replicas, above 0.
    pub change: i32,
    /// Whether its place may be taken by a later one. It still counts (K-35).
    pub reusable: bool,
}

/// What an HPA remembers. Kubernetes keeps it in memory only and loses it on a restart (K-36); here it is plain data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct History {
    /// Proposals, in places that are taken again (K-26, K-30).
    pub recommendations: Vec<Recommendation>,
    /// Additions.
    pub scale_ups: Vec<ScaleEvent>,
    /// Removals.
    pub scale_downs: Vec<ScaleEvent>,
}

impl Recommendation {
    /// `replicas` at `time`.
    #[must_use]
    pub const fn new(time: Timestamp, replicas: i32) -> Self {
        Self { time, replicas }
    }
}

impl ScaleEvent {
    /// A change by `change` at `time`.
    #[must_use]
    pub const fn new(time: Timestamp, change: i32) -> Self {
        Self {
            time,
            change,
            reusable: false,
        }
    }
}

/// `behavior` with both directions filled in field by field (K-3). The window of scaling down stays open: it is the
/// controller's.
///
/// ```
/// use tetrapod::model::autoscaling::hpa::Behavior;
/// use tetrapod::scaling::behavior::with_defaults;
/// let full = with_defaults(&Behavior::default());
/// assert_eq!(full.scale_up.unwrap().policies.unwrap().len(), 2);
/// ```
#[must_use]
pub fn with_defaults(behavior: &Behavior) -> Behavior {
    let all_in_15_s = ScalingPolicy::new(PolicyKind::Percent, 100, 15);
    let mut up = behavior.scale_up.clone().unwrap_or_default();
    let mut down = behavior.scale_down.clone().unwrap_or_default();
    up.stabilization_window_seconds.get_or_insert(0);
    up.policies
        .get_or_insert_with(|| vec![ScalingPolicy::new(PolicyKind::Pods, 4, 15), all_in_15_s]);
    down.policies.get_or_insert_with(|| vec![all_in_15_s]);
    up.select_policy.get_or_insert(SelectPolicy::Max);
    down.select_policy.get_or_insert(SelectPolicy::Max);
    Behavior {
        scale_up: Some(up),
        scale_down: Some(down),
    }
}

/// Bounds and the controller's window: what limits a count besides `behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// `minReplicas`.
    pub min: i32,
    /// `maxReplicas`.
    pub max: i32,
    /// `--horizontal-pod-autoscaler-downscale-stabilization` (K-1).
    pub downscale_window: Span,
}

impl Bounds {
    /// From `min` to `max` with the controller's window for scaling down.
    #[must_use]
    pub const fn new(min: i32, max: i32, downscale_window: Span) -> Self {
        Self {
            min,
            max,
            downscale_window,
        }
    }
}

/// What became of a proposed count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Normalized {
    /// What the metrics proposed.
    pub desired: i32,
    /// After stabilising.
    pub stable: i32,
    /// The recommendation that held `stable` away from `desired`, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Recommendation>,
    /// After the limits: what is set.
    pub replicas: i32,
    /// The bound that applied in the direction of the change, before `min` and `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<RateBound>,
    /// Reason of the condition `AbleToScale`, which is True (K-27, K-34).
    pub able_to_scale: AbleToScale,
    /// Reason of the condition `ScalingLimited`, which is True unless the reason is `DesiredWithinRange`.
    pub scaling_limited: ScalingLimited,
}

/// How far a count may go at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RateBound {
    /// The count.
    pub replicas: i32,
    /// The policy that sets it; `None` where there are none, or the direction is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<ScalingPolicy>,
}

/// Reasons of the condition `AbleToScale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum AbleToScale {
    /// What was proposed is what counts.
    ReadyForNewScale,
    /// A lower recommendation holds the count down.
    ScaleUpStabilized,
    /// A higher recommendation holds the count up.
    ScaleDownStabilized,
}

/// Reasons of the condition `ScalingLimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum ScalingLimited {
    /// Nothing limits the count: the condition is False.
    DesiredWithinRange,
    /// `minReplicas`.
    TooFewReplicas,
    /// `maxReplicas`.
    TooManyReplicas,
    /// The rate of scaling up.
    ScaleUpLimit,
    /// The rate of scaling down.
    ScaleDownLimit,
}

/// Normalises `desired` on the way from `current` and records the recommendation: with `behavior` (its defaults are
/// filled in here) by K-28..K-34, without by K-25..K-27. O(history x policies).
pub fn normalize(
    behavior: Option<&Behavior>,
    history: &mut History,
    bounds: Bounds,
    current: i32,
    desired: i32,
    now: Timestamp,
) -> Normalized {
    match behavior {
        None => without_behavior(history, bounds, current, desired, now),
        Some(behavior) => with_behavior(
            &with_defaults(behavior),
            history,
            bounds,
            current,
            desired,
            now,
        ),
    }
}

/// The largest of `desired` and the recommendations that `counts`; ties go to `desired`, then to the first.
fn extreme(
    history: &History,
    desired: i32,
    counts: impl Fn(&Recommendation) -> bool,
    beats: impl Fn(i32, i32) -> bool,
) -> (i32, Option<Recommendation>) {
    let mut best = (desired, None);
    for each in history.recommendations.iter().filter(|each| counts(each)) {
        if beats(each.replicas, best.0) {
            best = (each.replicas, Some(*each));
        }
    }
    best
}

/// Writes a recommendation to the last place that is old, or to a new one (K-26, K-30).
fn record(history: &mut History, made: Recommendation, old: impl Fn(&Recommendation) -> bool) {
    let place = history
        .recommendations
        .iter_mut()
        .rev()
        .find(|each| old(each));
    match place {
        Some(place) => *place = made,
        None => history.recommendations.push(made),
    }
}

fn without_behavior(
    history: &mut History,
    bounds: Bounds,
    current: i32,
    desired: i32,
    now: Timestamp,
) -> Normalized {
    let cutoff = before(now, bounds.downscale_window);
    let (stable, held_by) = extreme(history, desired, |each| each.time >= cutoff, |a, b| a > b);
    record(history, Recommendation::new(now, desired), |each| {
        each.time < cutoff
    });
    // The factor and the floor are fixed in Kubernetes (K-25).
    let limit = current.saturating_mul(2).max(4);
    let upper = bounds.max.min(limit);
    let (replicas, scaling_limited) = if stable < bounds.min {
        (bounds.min, ScalingLimited::TooFewReplicas)
    } else if stable > upper && limit < bounds.max {
        (upper, ScalingLimited::ScaleUpLimit)
    } else if stable > upper {
        (upper, ScalingLimited::TooManyReplicas)
    } else {
        (stable, ScalingLimited::DesiredWithinRange)
    };
    Normalized {
        desired,
        stable,
        held_by,
        replicas,
        bound: (stable > current).then_some(RateBound {
            replicas: limit,
            policy: None,
        }),
        able_to_scale: if stable == desired {
            AbleToScale::ReadyForNewScale
        } else {
            AbleToScale::ScaleDownStabilized
        },
        scaling_limited,
    }
}

fn with_behavior(
    full: &Behavior,
    history: &mut History,
    bounds: Bounds,
    current: i32,
    desired: i32,
    now: Timestamp,
) -> Normalized {
    let none = ScalingRules::default();
    let up = full.scale_up.as_ref().unwrap_or(&none);
    let down = full.scale_down.as_ref().unwrap_or(&none);
    let window = |rules: &ScalingRules, default: Span| {
        let seconds = rules.stabilization_window_seconds;
        seconds.map_or(default, |seconds| Span::from_secs(i64::from(seconds)))
    };
    // K-29
    let up_cutoff = before(now, window(up, Span::ZERO));
    let down_cutoff = before(now, window(down, bounds.downscale_window));
    let newer = |cutoff: Timestamp| move |each: &Recommendation| each.time > cutoff;
    let (low, low_by) = extreme(history, desired, newer(up_cutoff), |a, b| a < b);
    let (high, high_by) = extreme(history, desired, newer(down_cutoff), |a, b| a > b);
    let mut stable = current;
    let mut held_by = None;
    if stable < low {
        (stable, held_by) = (low, low_by);
    }
    if stable > high {
        (stable, held_by) = (high, high_by);
    }
    if stable != desired && held_by.is_none() {
        // The count stays between the two: what keeps it from `desired` is the recommendation on that side.
        held_by = if desired > stable { low_by } else { high_by };
    }
    record(history, Recommendation::new(now, desired), |each| {
        each.time < up_cutoff && each.time < down_cutoff
    });
    let able_to_scale = if stable == desired {
        AbleToScale::ReadyForNewScale
    } else if desired >= current {
        AbleToScale::ScaleUpStabilized
    } else {
        AbleToScale::ScaleDownStabilized
    };
    // K-34
    let (bound, replicas, scaling_limited) = if stable > current {
        let mut bound = up_bound(up, history, current, now);
        bound.replicas = bound.replicas.max(current);
        let (most, reason) = if bound.replicas < bounds.max {
            (bound.replicas, ScalingLimited::ScaleUpLimit)
        } else {
            (bounds.max, ScalingLimited::TooManyReplicas)
        };
        let reason = if stable > most {
            reason
        } else {
            ScalingLimited::DesiredWithinRange
        };
        (Some(bound), stable.min(most), reason)
    } else if stable < current {
        let mut bound = down_bound(down, history, current, now);
        bound.replicas = bound.replicas.min(current);
        let (least, reason) = if bound.replicas > bounds.min {
            (bound.replicas, ScalingLimited::ScaleDownLimit)
        } else {
            (bounds.min, ScalingLimited::TooFewReplicas)
        };
        let reason = if stable < least {
            reason
        } else {
            ScalingLimited::DesiredWithinRange
        };
        (Some(bound), stable.max(least), reason)
    } else {
        (None, stable, ScalingLimited::DesiredWithinRange)
    };
    Normalized {
        desired,
        stable,
        held_by,
        replicas,
        bound,
        able_to_scale,
        scaling_limited,
    }
}

/// `span` before `now`.
fn before(now: Timestamp, span: Span) -> Timestamp {
    now.plus(Span::from_millis(span.as_millis().saturating_neg()))
}

/// The count at the start of a policy's period (K-31).
fn start_of_period(policy: ScalingPolicy, history: &History, current: i32, now: Timestamp) -> i64 {
    let cutoff = before(now, Span::from_secs(i64::from(policy.period_seconds)));
    let sum = |events: &[ScaleEvent]| {
        let newer = events.iter().filter(|event| event.time > cutoff);
        newer.fold(0_i64, |sum, event| {
            sum.saturating_add(i64::from(event.change))
        })
    };
    i64::from(current)
        .saturating_sub(sum(&history.scale_ups))
        .saturating_add(sum(&history.scale_downs))
}

/// How far the policies of `rules` let the count go; `larger` says whether Max means the larger count.
fn bound(
    rules: &ScalingRules,
    current: i32,
    larger_is_more: bool,
    reach: impl Fn(ScalingPolicy) -> i32,
) -> RateBound {
    let select = rules.select_policy.unwrap_or_default();
    let stay = RateBound {
        replicas: current,
        policy: None,
    };
    if select == SelectPolicy::Disabled {
        return stay;
    }
    let larger = larger_is_more == (select == SelectPolicy::Max);
    let policies = rules.policies.as_deref().unwrap_or_default();
    let reached = policies.iter().map(|policy| RateBound {
        replicas: reach(*policy),
        policy: Some(*policy),
    });
    let best = reached.reduce(|best, next| {
        let better = if larger {
            next.replicas > best.replicas
        } else {
            next.replicas < best.replicas
        };
        if better { next } else { best }
    });
    best.unwrap_or(stay)
}

/// K-32
fn up_bound(rules: &ScalingRules, history: &History, current: i32, now: Timestamp) -> RateBound {
    bound(rules, current, true, |policy| {
        let start = start_of_period(policy, history, current, now);
        match policy.kind {
            PolicyKind::Pods => count(start.saturating_add(i64::from(policy.value))),
            PolicyKind::Percent => {
                let factor = 1.0 + f64::from(policy.value) / 100.0;
                count(cut((f64::from(count(start)) * factor).ceil()))
            }
        }
    })
}

/// K-33
fn down_bound(rules: &ScalingRules, history: &History, current: i32, now: Timestamp) -> RateBound {
    bound(rules, current, false, |policy| {
        let start = start_of_period(policy, history, current, now);
        match policy.kind {
            PolicyKind::Pods => count(start.saturating_sub(i64::from(policy.value))),
            PolicyKind::Percent => {
                let factor = 1.0 - f64::from(policy.value) / 100.0;
                count(cut(f64::from(count(start)) * factor))
            }
        }
    })
}

/// Notes that the count was written (K-35); without `behavior` nothing is kept.
pub fn record_write(
    behavior: Option<&Behavior>,
    history: &mut History,
    from: i32,
    to: i32,
    now: Timestamp,
) {
    let Some(behavior) = behavior else { return };
    let full = with_defaults(behavior);
    let (rules, events) = if to > from {
        (full.scale_up, &mut history.scale_ups)
    } else {
        (full.scale_down, &mut history.scale_downs)
    };
    let policies = rules.and_then(|rules| rules.policies).unwrap_or_default();
    let longest = policies.iter().map(|policy| policy.period_seconds).max();
    let cutoff = before(now, Span::from_secs(i64::from(longest.unwrap_or(0))));
    for event in events.iter_mut() {
        event.reusable |= event.time < cutoff;
    }
    let made = ScaleEvent::new(now, to.saturating_sub(from).saturating_abs());
    match events.iter_mut().rev().find(|event| event.reusable) {
        Some(place) => *place = made,
        None => events.push(made),
    }
}
