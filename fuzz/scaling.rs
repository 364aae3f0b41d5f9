//! What must hold of the formula and of a step for any input. Shared by the fuzz targets and by `tests/house/fuzz_corpora.rs`.

#![allow(dead_code, reason = "each target uses one of these")]

use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::autoscaling::hpa::{
    Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy,
};
use tetrapod::model::autoscaling::keda::{
    Fallback, FallbackBehavior, PAUSED, PAUSED_REPLICAS, PAUSED_SCALE_IN, ScaledObject,
    ScalingModifiers,
};
use tetrapod::model::autoscaling::samples::{Reading, Real};
use tetrapod::model::autoscaling::trigger::{MetricType, Scaler, Trigger};
use tetrapod::model::formula::Formula;
use tetrapod::scaling::{Autoscaler, Counts, Observed, Policy, State, step, text};

/// Any text is a formula or is refused at a column within it; a formula reads back as it was written, and computes or
/// fails the same way twice.
pub(crate) fn formula(data: &[u8]) {
    let Ok(written) = std::str::from_utf8(data) else {
        return;
    };
    let formula = match written.parse::<Formula>() {
        Ok(formula) => formula,
        Err(error) => {
            let characters = written.chars().count();
            assert!(
                error.column >= 1 && error.column <= characters + 1,
                "{error}"
            );
            return;
        }
    };
    assert_eq!(formula.text().parse::<Formula>().as_ref(), Ok(&formula));
    for round in 0..4 {
        let value = |name: &str| match (round, name.len() % 3) {
            (0, _) => Some(Some(-1.0)),
            (1, 0) => Some(None),
            (2, 1) => Some(Some(f64::NAN)),
            (3, 2) => None,
            (_, length) => Some(Some(f64::from(u8::try_from(length).unwrap_or(0)) * 1e300)),
        };
        let (one, again) = (formula.eval(value), formula.eval(value));
        match (one, again) {
            (Ok(Some(one)), Ok(Some(again))) => assert_eq!(one.to_bits(), again.to_bits()),
            (one, again) => assert_eq!(one, again),
        }
    }
}

/// Choices made by the bytes of an input; 0 when they are used up.
struct Choices<'d>(&'d [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound.max(1)
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() % 2 == 1).then(|| make(self))
    }

    fn count(&mut self, bound: u8) -> i32 {
        i32::from(self.below(bound))
    }

    /// A number of any size and kind.
    fn number(&mut self) -> f64 {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            f64::MAX,
            1e-300,
            9.3e15,
        ];
        match self.below(40) {
            kind @ 0..7 => odd[usize::from(kind)],
            _ => f64::from(self.byte()) + f64::from(self.byte()) / 256.0,
        }
    }
}

fn rules(choices: &mut Choices<'_>) -> ScalingRules {
    let mut rules = ScalingRules::default();
    rules.stabilization_window_seconds = choices.maybe(|c| c.count(200) * 3);
    let selects = [SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled];
    rules.select_policy = choices.maybe(|c| selects[usize::from(c.below(3))]);
    rules.policies = choices.maybe(|c| {
        let more = c.below(3);
        (0..=more)
            .map(|_| {
                let kind = if c.below(2) == 0 {
                    PolicyKind::Pods
                } else {
                    PolicyKind::Percent
                };
                ScalingPolicy::new(kind, 1 + c.count(250), 1 + c.count(250))
            })
            .collect()
    });
    rules
}

fn trigger(choices: &mut Choices<'_>, place: u8) -> Trigger {
    let scaler = match choices.below(4) {
        0 => Scaler::SqsQueue {
            queue_url: "work".into(),
            queue_length: 1 + i64::from(choices.byte()),
            activation_queue_length: i64::from(choices.below(9)),
            scale_on_in_flight: choices.below(2) == 0,
            scale_on_delayed: choices.below(2) == 0,
        },
        1 => Scaler::CloudWatch {
            target_metric_value: 0.001 + f64::from(choices.byte()),
            activation_target_metric_value: f64::from(choices.below(9)),
            min_metric_value: f64::from(choices.below(3)),
            ignore_null_values: choices.below(2) == 0,
        },
        2 => Scaler::Other {
            scaler: "kafka".into(),
        },
        _ => Scaler::Prometheus {
            threshold: 0.001 + f64::from(choices.byte()),
            activation_threshold: f64::from(choices.below(9)),
            ignore_null_values: choices.below(2) == 0,
        },
    };
    let mut trigger = Trigger::new(scaler);
    trigger.name = Some(format!("t{place}").into());
    trigger.use_cached_metrics = choices.below(4) == 0;
    if choices.below(3) == 0 {
        trigger.metric_type = MetricType::Value;
    }
    trigger
}

/// An object whose bounds are sound (K-46).
fn object(choices: &mut Choices<'_>) -> ScaledObject {
    let count = 1 + choices.below(3);
    let triggers = (0..count).map(|place| trigger(choices, place)).collect();
    let mut object = ScaledObject::new("ns", "name", triggers);
    object.min_replica_count = choices.maybe(|c| c.count(20));
    let least = object.hpa_min_replicas();
    object.max_replica_count = choices.maybe(|c| least + c.count(200));
    object.idle_replica_count = choices.maybe(|_| 0);
    if !object.bounds_are_valid() {
        object.idle_replica_count = None;
    }
    object.cooldown_period = Span::from_secs(i64::from(choices.byte()));
    object.polling_interval = Span::from_secs(1 + i64::from(choices.below(60)));
    object.behavior = choices.maybe(|c| {
        let mut behavior = Behavior::default();
        behavior.scale_up = c.maybe(rules);
        behavior.scale_down = c.maybe(rules);
        behavior
    });
    let behaviors = [
        FallbackBehavior::Static,
        FallbackBehavior::CurrentReplicas,
        FallbackBehavior::CurrentReplicasIfHigher,
        FallbackBehavior::CurrentReplicasIfLower,
        FallbackBehavior::ScalingModifiers,
    ];
    object.fallback = choices.maybe(|c| {
        let behavior = behaviors[usize::from(c.below(5))];
        Fallback::new(c.count(4), c.count(30), behavior)
    });
    let formulas = ["t0", "t0 ?? 3", "t0 * 1e300", "t0 / 0", "max(t0, 1) ** 5"];
    object.modifiers = choices.maybe(|c| {
        let formula = formulas[usize::from(c.below(5))];
        let formula = formula.parse().expect("these are formulas");
        ScalingModifiers::new(formula, 1.0 + f64::from(c.byte()), MetricType::AverageValue)
    });
    match choices.below(12) {
        0 => object.annotations.set(PAUSED, "true"),
        1 => object.annotations.set(PAUSED_REPLICAS, "3"),
        2 => object.annotations.set(PAUSED_SCALE_IN, "true"),
        _ => {}
    }
    object
}

fn reading(choices: &mut Choices<'_>) -> Option<Reading> {
    Some(match choices.below(10) {
        0 => return None,
        1 => Reading::Error("down".into()),
        2 => Reading::NoData,
        3 => Reading::Queue {
            visible: choices.maybe(|_| i64::MAX),
            in_flight: choices.maybe(|c| i64::from(c.byte())),
            delayed: None,
        },
        4 => Reading::Series(vec![choices.maybe(|c| Real::new(c.number()))]),
        _ => Reading::Value(Real::new(choices.number())),
    })
}

/// An object stepped through time never panics, stays within its bounds once it is within them, goes on from a saved state
/// as if it had not been saved, never lets time stand still, and can say what it did.
pub(crate) fn scaling(data: &[u8]) {
    let mut choices = Choices(data);
    let object = object(&mut choices);
    let policy = Policy::new(Autoscaler::ScaledObject(&object));
    let mut state = State::new(&policy);
    let mut replicas = choices.count(60);
    let mut now = Timestamp::from_millis(1_767_225_600_000);
    for _ in 0..40 {
        let lag = choices.count(3);
        let counts = Counts::new(
            replicas,
            (replicas - lag).max(0),
            replicas,
            (replicas - 2 * lag).max(0),
        );
        let readings = object
            .triggers
            .iter()
            .map(|_| reading(&mut choices))
            .collect();
        let seen = Observed::new(counts, readings);
        let saved = serde_json::to_string(&state).expect("a state is plain data");
        let mut twin: State = serde_json::from_str(&saved).expect("what was written is read");
        let decision = step(&policy, &mut state, &seen, now);
        let again = step(&policy, &mut twin, &seen, now);
        // NaN ratios are not equal to themselves; their text is.
        assert_eq!(format!("{decision:?}"), format!("{again:?}"));
        assert_eq!(state, twin);
        assert!(!text::lines(&decision, now).is_empty());
        assert!(decision.next > now, "time goes on");
        assert!(decision.replicas >= 0);
        let (least, most) = (object.hpa_min_replicas(), object.hpa_max_replicas());
        if (least..=most).contains(&replicas) && !object.is_paused() {
            let idle = object.idle_replica_count.unwrap_or(0);
            let zero = decision.replicas == idle;
            assert!(
                zero || (least..=most).contains(&decision.replicas),
                "{decision:?}"
            );
        }
        replicas = decision.replicas;
        now = decision
            .next
            .plus(Span::from_secs(i64::from(choices.below(3))));
    }
}
