//! KEDA's rules (K-45..K-83).

use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::autoscaling::hpa::{MetricSource, MetricTarget, SelectPolicy};
use tetrapod::model::autoscaling::keda::{
    Fallback, FallbackBehavior, JobStrategy, MultipleScalers, PAUSED, PAUSED_REPLICAS,
    PAUSED_SCALE_IN, PAUSED_SCALE_OUT, ScaledJob, ScaledObject, ScalingModifiers,
};
use tetrapod::model::autoscaling::samples::{JobCounts, Reading, Real};
use tetrapod::model::autoscaling::trigger::{MetricType, Scaler, Trigger};
use tetrapod::scaling::executor::Action;
use tetrapod::scaling::hpa::Path;
use tetrapod::scaling::job::{JobTrigger, decide};
use tetrapod::scaling::scaler::{ScalerError, ask, metric_name, quantity_milli, target};
use tetrapod::scaling::{Autoscaler, Counts, Decision, Observed, Policy, State, step};

use super::at;

fn queue(length: i64) -> Trigger {
    Trigger::new(Scaler::SqsQueue {
        queue_url: "https://sqs.us-east-1.amazonaws.com/123456789012/work.fifo".into(),
        queue_length: length,
        activation_queue_length: 0,
        scale_on_in_flight: true,
        scale_on_delayed: false,
    })
}

fn prometheus(threshold: f64, activation_threshold: f64) -> Trigger {
    Trigger::new(Scaler::Prometheus {
        threshold,
        activation_threshold,
        ignore_null_values: true,
    })
}

fn named(name: &str, mut trigger: Trigger) -> Trigger {
    trigger.name = Some(name.into());
    trigger
}

fn object(triggers: Vec<Trigger>) -> ScaledObject {
    ScaledObject::new("ml", "chat", triggers)
}

fn value(number: f64) -> Option<Reading> {
    Some(Reading::Value(Real::new(number)))
}

fn failing() -> Option<Reading> {
    Some(Reading::Error("timeout".into()))
}

/// An object stepped through time with everything ready at once.
struct Run<'a> {
    policy: Policy<'a>,
    state: State,
    replicas: i32,
}

impl<'a> Run<'a> {
    fn new(object: &'a ScaledObject, replicas: i32) -> Self {
        let policy = Policy::new(Autoscaler::ScaledObject(object));
        let state = State::new(&policy);
        Self {
            policy,
            state,
            replicas,
        }
    }

    fn step(&mut self, now: Timestamp, readings: Vec<Option<Reading>>) -> Decision {
        let seen = Observed::new(Counts::settled(self.replicas), readings);
        let decision = step(&self.policy, &mut self.state, &seen, now);
        self.replicas = decision.replicas;
        decision
    }
}

fn action(decision: &Decision) -> Action {
    decision.poll.as_ref().unwrap().request.action
}

#[test]
fn bounds_of_the_hpa_k46() {
    let of = |min, max, idle| {
        let mut object = object(Vec::new());
        object.min_replica_count = min;
        object.max_replica_count = max;
        object.idle_replica_count = idle;
        (
            object.hpa_min_replicas(),
            object.hpa_max_replicas(),
            object.bounds_are_valid(),
        )
    };
    assert_eq!(of(None, None, None), (1, 100, true));
    assert_eq!(of(Some(0), None, Some(0)), (1, 100, true));
    assert_eq!(of(None, None, Some(0)), (1, 100, false));
    assert_eq!(of(Some(5), Some(4), None), (5, 4, false));
    assert_eq!(of(Some(2), Some(4), Some(2)), (2, 4, false));
}

#[test]
fn triggers_become_metrics_of_an_hpa_k48_k50() {
    let mut valued = prometheus(2.5, 0.0);
    valued.metric_type = MetricType::Value;
    let cpu = Trigger::new(Scaler::Resource {
        resource: "cpu".into(),
        container: None,
        target: MetricTarget::Utilization(60),
    });
    let object = object(vec![cpu, queue(5), valued]);
    let policy = Policy::new(Autoscaler::ScaledObject(&object));
    let hpa = policy.hpa().unwrap();
    assert_eq!((&*hpa.name, &hpa.behavior), ("keda-hpa-chat", &None));
    let metrics: Vec<(&str, MetricTarget)> = hpa
        .metrics
        .iter()
        .map(|metric| (&**metric.source.name(), metric.target))
        .collect();
    assert_eq!(
        metrics,
        [
            (
                "s1-aws-sqs-work-fifo",
                MetricTarget::AverageValue("5".parse().unwrap())
            ),
            (
                "s2-prometheus",
                MetricTarget::Value("2500m".parse().unwrap())
            ),
            ("cpu", MetricTarget::Utilization(60)),
        ]
    );
    assert!(matches!(
        hpa.metrics[2].source,
        MetricSource::Resource { .. }
    ));
}

#[test]
fn pausing_one_direction_disables_it_in_the_hpa_k49() {
    let mut object = object(vec![queue(5)]);
    object.annotations.set(PAUSED_SCALE_IN, "true");
    let policy = Policy::new(Autoscaler::ScaledObject(&object));
    let behavior = policy.hpa().unwrap().behavior.clone().unwrap();
    let down = behavior.scale_down.unwrap();
    assert_eq!(down.select_policy, Some(SelectPolicy::Disabled));
    assert_eq!(behavior.scale_up, None);
    let mut run = Run::new(&object, 8);
    for round in 0..60 {
        run.step(at(15 * round), vec![value(1.0)]);
    }
    assert_eq!(run.replicas, 8, "nothing scales in");
    run.step(at(1_000), vec![value(50.0)]);
    assert_eq!(run.replicas, 10, "scaling out goes on");
}

#[test]
fn the_original_count_is_restored_where_that_is_asked_for_k51() {
    let mut object = object(vec![queue(5)]);
    object.original_replica_count = Some(3);
    assert_eq!(object.replicas_after_deletion(), None);
    object.restore_to_original_replica_count = true;
    assert_eq!(object.replicas_after_deletion(), Some(3));
}

#[test]
fn values_become_thousandths_k52() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0];
    assert_eq!(odd.map(quantity_milli), [0; 4]);
    assert_eq!(quantity_milli(1e300), i64::MAX);
}

#[test]
fn activation_decides_between_0_and_1_only_k53() {
    // 40 is eight times the target and below the activation threshold: inactive, and the HPA at 0 is off.
    let object = object(vec![prometheus(5.0, 50.0)]);
    let mut run = Run::new(&object, 0);
    let decision = run.step(at(0), vec![value(40.0)]);
    assert_eq!((run.replicas, action(&decision)), (0, Action::StayInactive));
    assert_eq!(decision.sync.unwrap().path, Path::Disabled);
    // Strictly above.
    run.step(at(30), vec![value(50.0)]);
    assert_eq!(run.replicas, 0);
    run.step(at(60), vec![value(50.001)]);
    assert_eq!(run.replicas, 4);
}

#[test]
fn a_queue_counts_what_it_is_told_to_k54() {
    let reading = |visible, in_flight, delayed| {
        Some(Reading::Queue {
            visible,
            in_flight,
            delayed,
        })
    };
    let of = |trigger: &Trigger, reading: Option<Reading>| {
        ask(trigger, reading.as_ref(), at(0)).map(|answer| (answer.value_milli, answer.active))
    };
    let plain = queue(5);
    assert_eq!(
        of(&plain, reading(Some(3), Some(4), Some(9))),
        Ok((7_000, true))
    );
    assert_eq!(of(&plain, reading(Some(0), Some(0), None)), Ok((0, false)));
    assert_eq!(
        of(&plain, reading(Some(3), None, None)),
        Err(ScalerError::MissingAttribute("inFlight"))
    );
    assert_eq!(of(&plain, None), Err(ScalerError::NoSample));
    assert!(matches!(
        of(&plain, Some(Reading::NoData)),
        Err(ScalerError::WrongForm(_))
    ));
    let most = reading(Some(i64::MAX), Some(i64::MAX), None);
    assert_eq!(of(&plain, most), Ok((i64::MAX, true)));
}

#[test]
fn no_datapoint_counts_as_the_minimum_k55() {
    let of = |ignore_null_values| {
        let trigger = Trigger::new(Scaler::CloudWatch {
            target_metric_value: 2.0,
            activation_target_metric_value: 0.5,
            min_metric_value: 1.0,
            ignore_null_values,
        });
        ask(&trigger, Some(&Reading::NoData), at(0)).map(|answer| answer.value_milli)
    };
    assert_eq!(of(true), Ok(1_000));
    assert_eq!(of(false), Err(ScalerError::NoValue));
}

#[test]
fn a_query_gives_one_series_k56() {
    let of = |ignore_null_values, series: &[Option<f64>]| {
        let trigger = Trigger::new(Scaler::Prometheus {
            threshold: 2.0,
            activation_threshold: -2.0,
            ignore_null_values,
        });
        let series = series.iter().map(|value| value.map(Real::new)).collect();
        ask(&trigger, Some(&Reading::Series(series)), at(0))
            .map(|answer| (answer.value_milli, answer.active))
    };
    assert_eq!(of(true, &[]), Ok((0, true)));
    assert_eq!(of(false, &[]), Err(ScalerError::NoValue));
    assert_eq!(of(true, &[Some(f64::NAN)]), Ok((0, true)));
    assert_eq!(of(false, &[Some(f64::INFINITY)]), Err(ScalerError::NoValue));
    // A null sample is -1: 0 for the HPA, and above an activation threshold of -2.
    assert_eq!(of(false, &[None]), Ok((0, true)));
    assert_eq!(
        of(true, &[Some(1.0), Some(2.0)]),
        Err(ScalerError::ManySeries(2))
    );
}

fn office_hours() -> Trigger {
    Trigger::new(Scaler::Cron {
        start: "0 8 * * 1-5".parse().unwrap(),
        end: "0 18 * * 1-5".parse().unwrap(),
        timezone: "Europe/Berlin".parse().unwrap(),
        desired_replicas: 6,
    })
}

#[test]
fn cron_is_active_inside_its_window_with_its_count_at_target_1() {
    let trigger = office_hours();
    assert_eq!(
        target(&trigger),
        MetricTarget::AverageValue("1".parse().unwrap())
    );
    let name = "s0-cron-Europe-Berlin-08xx1-5-018xx1-5";
    assert_eq!(&*metric_name(0, &trigger), name);
    let of = |time: &str| {
        let answer = ask(&trigger, None, time.parse().unwrap()).unwrap();
        (answer.value_milli, answer.active)
    };
    // A Thursday in winter: 07:00 UTC is 08:00 in Berlin. The window includes its start and not its end.
    assert_eq!(of("2026-01-01T06:59:59Z"), (0, false));
    assert_eq!(of("2026-01-01T07:00:00Z"), (6_000, true));
    assert_eq!(of("2026-01-01T16:59:59Z"), (6_000, true));
    assert_eq!(of("2026-01-01T17:00:00Z"), (0, false));
    assert_eq!(of("2026-01-03T12:00:00Z"), (0, false));
    // In summer an hour earlier.
    assert_eq!(of("2026-07-01T06:00:00Z"), (6_000, true));
    // A window over midnight, and a start that never comes.
    let cron = |start: &str, end: &str| {
        let trigger = Trigger::new(Scaler::Cron {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            timezone: "UTC".parse().unwrap(),
            desired_replicas: 2,
        });
        ask(&trigger, None, "2026-01-01T23:30:00Z".parse().unwrap())
            .unwrap()
            .active
    };
    assert!(cron("0 22 * * *", "0 6 * * *"));
    assert!(!cron("0 6 * * *", "0 22 * * *"));
    assert!(cron("0 0 30 2 *", "0 6 * * *"));
    assert!(!cron("0 6 * * *", "0 0 30 2 *"));
}

#[test]
fn a_cron_window_opens_and_closes_a_target() {
    let object = object(vec![office_hours()]);
    let mut run = Run::new(&object, 0);
    let start: Timestamp = "2026-01-01T06:50:00Z".parse().unwrap();
    let mut seen = Vec::new();
    // Eleven hours in steps of 15 s.
    for round in 0..(11 * 240) {
        let now = start.plus(Span::from_secs(15 * round));
        let before = run.replicas;
        run.step(now, vec![None]);
        if run.replicas != before {
            seen.push((now.to_string(), run.replicas));
        }
    }
    let seen: Vec<(&str, i32)> = seen.iter().map(|(time, count)| (&**time, *count)).collect();
    assert_eq!(
        seen,
        [
            ("2026-01-01T07:00:00Z", 4),
            ("2026-01-01T07:00:15Z", 6),
            // The last poll inside the window is that of 16:59:30, and the cooldown of five minutes is strict. The HPA,
            // which would hold the count as long, comes too late.
            ("2026-01-01T17:05:00Z", 0),
        ]
    );
}

#[test]
fn cached_triggers_show_the_hpa_the_last_poll_k58() {
    let run = |cached| {
        let mut trigger = prometheus(10.0, 0.0);
        trigger.use_cached_metrics = cached;
        let object = object(vec![trigger]);
        let mut run = Run::new(&object, 5);
        run.step(at(0), vec![value(50.0)]);
        // Between two polls only the HPA asks.
        let decision = run.step(at(15), vec![value(80.0)]);
        assert!(decision.poll.is_none());
        run.replicas
    };
    assert_eq!((run(true), run(false)), (5, 8));
}

#[test]
fn triggers_are_joined_by_or_k60() {
    let object = object(vec![prometheus(5.0, 0.0), prometheus(5.0, 0.0)]);
    let of = |a, b| {
        let mut run = Run::new(&object, 0);
        action(&run.step(at(0), vec![a, b]))
    };
    assert_eq!(of(value(0.0), value(1.0)), Action::Activate);
    assert_eq!(of(value(0.0), value(0.0)), Action::StayInactive);
    assert_eq!(of(failing(), value(1.0)), Action::Activate);
    assert_eq!(of(failing(), value(0.0)), Action::Failed);
    let cpu = Trigger::new(Scaler::Resource {
        resource: "cpu".into(),
        container: None,
        target: MetricTarget::Utilization(50),
    });
    let mut resources = super::keda::object(vec![cpu]);
    resources.min_replica_count = Some(2);
    let mut run = Run::new(&resources, 3);
    assert_eq!(action(&run.step(at(0), vec![None])), Action::StayActive);
}

#[test]
fn a_paused_object_is_left_alone_or_set_once_k61() {
    let mut paused = object(vec![queue(5)]);
    paused.annotations.set(PAUSED, "anything");
    let mut run = Run::new(&paused, 4);
    run.state.hpa.scaled_to_zero = true;
    let decision = run.step(at(0), vec![value(500.0)]);
    assert_eq!((run.replicas, action(&decision)), (4, Action::Paused));
    assert!(decision.sync.is_none() && !run.state.hpa.scaled_to_zero);
    paused.annotations.set(PAUSED, "false");
    assert!(!paused.is_paused());

    paused.annotations.set(PAUSED_REPLICAS, "2");
    let mut run = Run::new(&paused, 4);
    run.step(at(0), vec![value(500.0)]);
    assert_eq!(run.replicas, 2);
    // Somebody sets it by hand: it is not set again.
    run.replicas = 7;
    run.step(at(30), vec![value(500.0)]);
    assert_eq!(run.replicas, 7);
    paused.annotations.set(PAUSED_REPLICAS, "many");
    let mut run = Run::new(&paused, 4);
    run.step(at(0), vec![value(500.0)]);
    assert_eq!(run.replicas, 4);
}

#[test]
fn going_to_zero_takes_the_cooldown_strictly_k65_k67() {
    let mut object = object(vec![queue(5)]);
    object.cooldown_period = Span::from_secs(60);
    object.created = Some(at(-1_000));
    let mut run = Run::new(&object, 0);
    run.step(at(0), vec![value(500.0)]);
    assert_eq!(run.replicas, 4);
    let mut first_zero = None;
    for round in 1..20 {
        let decision = run.step(at(30 * round), vec![value(0.0)]);
        if round == 1 {
            let until = decision.poll.as_ref().unwrap().request.cooldown_until;
            assert_eq!((action(&decision), until), (Action::CoolDown, Some(at(60))));
        }
        if run.replicas == 0 && first_zero.is_none() {
            first_zero = Some(30 * round);
        }
    }
    // At 60 s the cooldown is not strictly past; KEDA goes straight to 0, whatever the HPA's window holds.
    assert_eq!(first_zero, Some(90));
}

#[test]
fn without_activity_the_initial_cooldown_counts_k65_k70() {
    let mut object = object(vec![queue(5)]);
    object.created = Some(at(0));
    object.initial_cooldown_period = Span::from_secs(100);
    let of = |seconds| {
        let mut run = Run::new(&object, 3);
        action(&run.step(at(seconds), vec![value(0.0)]))
    };
    assert_eq!((of(100), of(101)), (Action::CoolDown, Action::Deactivate));
}

#[test]
fn idle_mode_jumps_between_idle_and_the_least_k63_k65_k69() {
    let mut object = object(vec![queue(5)]);
    object.min_replica_count = Some(4);
    object.idle_replica_count = Some(0);
    object.created = Some(at(-1_000));
    let mut run = Run::new(&object, 2);
    let decision = run.step(at(0), vec![value(1.0)]);
    assert_eq!((action(&decision), run.replicas), (Action::Activate, 4));
    let mut run = Run::new(&object, 9);
    let decision = run.step(at(0), vec![value(0.0)]);
    assert_eq!((action(&decision), run.replicas), (Action::Deactivate, 0));
    object.annotations.set(PAUSED_SCALE_IN, "true");
    let mut run = Run::new(&object, 9);
    let decision = run.step(at(0), vec![value(0.0)]);
    assert_eq!(
        (action(&decision), run.replicas),
        (Action::ScaleInPaused, 9)
    );
    object.annotations.set(PAUSED_SCALE_OUT, "true");
    let mut run = Run::new(&object, 0);
    let decision = run.step(at(0), vec![value(1.0)]);
    assert_eq!(
        (action(&decision), run.replicas),
        (Action::ScaleOutPaused, 0)
    );
    assert_eq!(run.state.last_active, None);
}

#[test]
fn a_count_below_the_least_is_raised_k64() {
    let mut object = object(vec![queue(5)]);
    object.min_replica_count = Some(3);
    let mut run = Run::new(&object, 1);
    let decision = run.step(at(0), vec![value(0.0)]);
    assert_eq!((action(&decision), run.replicas), (Action::RaiseToMin, 3));
}

#[test]
fn the_fallback_acts_after_more_failures_than_the_threshold_k72_k74_k76() {
    let mut object = object(vec![prometheus(10.0, 0.0)]);
    object.min_replica_count = Some(1);
    object.fallback = Some(Fallback::new(3, 6, FallbackBehavior::Static));
    let mut run = Run::new(&object, 5);
    let mut seen = Vec::new();
    for round in 0..4 {
        let decision = run.step(at(15 * round), vec![failing()]);
        let failures = run.state.failures.values().copied().next();
        seen.push((decision.metrics_failed(), failures, run.replicas));
    }
    // Poll and query both count: 1 and 2, 3, then 4 and 5, which exceed 3.
    assert_eq!(
        seen,
        [
            (true, Some(2), 5),
            (true, Some(3), 5),
            (false, Some(5), 6),
            (false, Some(6), 6)
        ]
    );
    // One success and the count starts anew.
    run.step(at(60), vec![value(60.0)]);
    assert_eq!(run.state.failures.values().copied().next(), Some(0));
}

fn composite(formula: &str, target: f64) -> ScaledObject {
    let mut object = object(vec![
        named("a", prometheus(1.0, 99.0)),
        named("b", prometheus(1.0, 99.0)),
    ]);
    let formula = formula.parse().unwrap();
    let modifiers = ScalingModifiers::new(formula, target, MetricType::AverageValue);
    object.modifiers = Some(modifiers);
    object
}

#[test]
fn a_formula_joins_the_triggers_k77_k79() {
    let mut object = composite("a > 10 ? a + b : 0", 10.0);
    let policy = Policy::new(Autoscaler::ScaledObject(&object));
    let hpa = policy.hpa().unwrap();
    assert_eq!(hpa.metrics.len(), 1);
    assert_eq!(&**hpa.metrics[0].source.name(), "composite-metric");
    // The thresholds of the triggers themselves no longer matter.
    let mut run = Run::new(&object, 0);
    let decision = run.step(at(0), vec![value(12.0), value(18.0)]);
    assert_eq!((action(&decision), run.replicas), (Action::Activate, 3));
    let mut run = Run::new(&object, 0);
    let decision = run.step(at(0), vec![value(9.0), value(18.0)]);
    assert_eq!(action(&decision), Action::StayInactive);
    // Strictly above the activation target.
    object.modifiers.as_mut().unwrap().activation_target = 30.0;
    let mut run = Run::new(&object, 0);
    assert_eq!(
        action(&run.step(at(0), vec![value(12.0), value(18.0)])),
        Action::StayInactive
    );
    // K-81: one failing trigger fails the composite.
    let mut run = Run::new(&object, 3);
    let decision = run.step(at(0), vec![value(12.0), failing()]);
    assert!(decision.metrics_failed());
    assert_eq!(action(&decision), Action::Failed);
}

#[test]
fn resource_metrics_stay_beside_the_composite_and_those_of_containers_do_not_k77() {
    let resource = |container: Option<&str>| {
        Trigger::new(Scaler::Resource {
            resource: "cpu".into(),
            container: container.map(Into::into),
            target: MetricTarget::Utilization(50),
        })
    };
    let mut object = composite("a + b", 10.0);
    object.triggers.push(resource(None));
    object.triggers.push(resource(Some("app")));
    let policy = Policy::new(Autoscaler::ScaledObject(&object));
    let names: Vec<&str> = policy
        .hpa()
        .unwrap()
        .metrics
        .iter()
        .map(|metric| &**metric.source.name())
        .collect();
    assert_eq!(names, ["cpu", "composite-metric"]);
}

#[test]
fn a_failing_trigger_is_nil_in_the_formula_when_that_is_asked_for_k75_k78() {
    let mut object = composite("a ?? b", 10.0);
    object.fallback = Some(Fallback::new(0, 7, FallbackBehavior::ScalingModifiers));
    let mut run = Run::new(&object, 2);
    run.step(at(0), vec![failing(), value(40.0)]);
    assert_eq!(run.replicas, 4);
    // Everything nil: the fallback's replicas.
    let mut run = Run::new(&object, 5);
    let decision = run.step(at(0), vec![failing(), failing()]);
    assert_eq!(run.replicas, 7);
    let activity = decision.poll.unwrap().activity.unwrap();
    assert!(activity.composite.unwrap().nil);
}

#[test]
fn an_ordinary_fallback_skips_the_formula_k80() {
    let mut object = composite("a + b", 10.0);
    object.fallback = Some(Fallback::new(0, 6, FallbackBehavior::Static));
    let mut run = Run::new(&object, 5);
    let decision = run.step(at(0), vec![failing(), value(500.0)]);
    assert_eq!(run.replicas, 6);
    let made = decision.poll.unwrap().activity.unwrap().composite.unwrap();
    assert!(made.fallback);
    assert_eq!(made.value_milli, Some(60_000));
    // K-71: with a target that is not written as a whole number there is none.
    object.modifiers.as_mut().unwrap().target_is_whole = false;
    let mut run = Run::new(&object, 5);
    assert!(
        run.step(at(0), vec![failing(), value(500.0)])
            .metrics_failed()
    );
}

#[test]
fn a_result_that_is_no_finite_number_is_an_error_k78() {
    let mut object = composite("a / b", 10.0);
    object.min_replica_count = Some(1);
    let mut run = Run::new(&object, 5);
    let decision = run.step(at(0), vec![value(1.0), value(0.0)]);
    assert!(decision.metrics_failed());
    assert_eq!(run.replicas, 5);
}

#[test]
fn a_scaler_that_is_not_modelled_fails_and_says_so() {
    let kafka = Trigger::new(Scaler::Other {
        scaler: "kafka".into(),
    });
    let object = object(vec![kafka]);
    let mut run = Run::new(&object, 3);
    let decision = run.step(at(0), vec![value(5.0)]);
    assert_eq!((action(&decision), run.replicas), (Action::Failed, 3));
    let activity = decision.poll.unwrap().activity.unwrap();
    assert_eq!(
        activity.triggers[0].error.as_deref(),
        Some("the scaler kafka is not modelled")
    );
}

fn job(strategy: JobStrategy, calculation: MultipleScalers) -> ScaledJob {
    let mut job = ScaledJob::new("ml", "batch", vec![queue(2)]);
    job.max_replica_count = Some(10);
    job.strategy = strategy;
    job.calculation = calculation;
    job
}

fn counts(running: i64, pending: i64) -> JobCounts {
    let mut jobs = JobCounts::default();
    jobs.running = running;
    jobs.pending = pending;
    jobs
}

#[test]
fn several_triggers_of_a_job_are_joined_k82() {
    let trigger = |value, active| JobTrigger::new(value, 2.0, active, 10);
    let triggers = [trigger(5.0, true), trigger(9.0, true), trigger(40.0, false)];
    let of = |calculation| {
        let job = job(JobStrategy::Default, calculation);
        let made = decide(&job, &triggers, counts(0, 0));
        (made.active, made.queue_length, made.max_scale)
    };
    assert_eq!(of(MultipleScalers::Max), (true, 9, 5));
    assert_eq!(of(MultipleScalers::Min), (true, 5, 3));
    assert_eq!(of(MultipleScalers::Avg), (true, 7, 4));
    assert_eq!(of(MultipleScalers::Sum), (true, 14, 7));
    // At most maxReplicaCount, also together.
    let many = [trigger(100.0, true), trigger(100.0, true)];
    let job = job(JobStrategy::Default, MultipleScalers::Sum);
    assert_eq!(decide(&job, &many, counts(0, 0)).max_scale, 10);
    assert!(!decide(&job, &[trigger(9.0, false)], counts(0, 0)).active);
}

#[test]
fn strategies_start_jobs_k83() {
    let start = |strategy, waiting: f64, running, pending| {
        let job = job(strategy, MultipleScalers::Max);
        let trigger = JobTrigger::new(waiting, 1.0, true, 10);
        decide(&job, &[trigger], counts(running, pending)).start
    };
    assert_eq!(start(JobStrategy::Default, 6.0, 2, 0), 4);
    assert_eq!(start(JobStrategy::Default, 6.0, 9, 0), 0);
    let custom = JobStrategy::Custom {
        queue_length_deduction: 1,
        running_job_percentage: 0.5,
    };
    // 8 - 1 - trunc(3 x 0.5)
    assert_eq!(start(custom, 8.0, 3, 0), 6);
    assert_eq!(start(JobStrategy::Accurate, 6.0, 2, 2), 4);
    assert_eq!(start(JobStrategy::Accurate, 9.0, 4, 1), 6);
    assert_eq!(start(JobStrategy::Eager, 3.0, 2, 1), 3);
    assert_eq!(start(JobStrategy::Eager, 9.0, 5, 2), 3);
}

#[test]
fn jobs_that_always_run_are_started_first_k83() {
    let mut job = job(JobStrategy::Default, MultipleScalers::Max);
    job.min_replica_count = Some(3);
    let idle = JobTrigger::new(0.0, 1.0, false, 7);
    assert_eq!(decide(&job, &[idle], counts(1, 0)).start, 2);
    // Those that always run do not count as running.
    let busy = JobTrigger::new(4.0, 1.0, true, 7);
    assert_eq!(decide(&job, &[busy], counts(3, 0)).start, 4);
    assert_eq!(job.most_jobs(), 7);
}

#[test]
fn a_scaled_job_is_polled_and_paused() {
    let mut job = job(JobStrategy::Default, MultipleScalers::Max);
    let mut seen = Observed::new(Counts::default(), vec![value(9.0)]);
    seen.jobs = counts(1, 0);
    let run = |job: &ScaledJob| {
        let policy = Policy::new(Autoscaler::ScaledJob(job));
        let mut state = State::new(&policy);
        let decision = step(&policy, &mut state, &seen, at(0));
        assert_eq!(decision.next, at(30));
        decision.jobs.unwrap().decision.map(|made| made.start)
    };
    assert_eq!(run(&job), Some(4));
    job.annotations.set(PAUSED, "true");
    assert_eq!(run(&job), None);
}
