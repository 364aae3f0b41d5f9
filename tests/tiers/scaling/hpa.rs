//! The HPA's rules (K-1..K-44).

use tetrapod::base::time::Span;
use tetrapod::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget, PolicyKind,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use tetrapod::model::autoscaling::samples::{
    ContainerSample, PodSample, Reading, ReadyStatus, Real,
};
use tetrapod::model::pod::PodPhase;
use tetrapod::model::quantity::Quantity;
use tetrapod::scaling::behavior::{
    AbleToScale, Bounds, History, Recommendation, ScaleEvent, ScalingLimited, normalize,
    record_write,
};
use tetrapod::scaling::hpa::{Path, tolerance};
use tetrapod::scaling::pods::{Readiness, propose};
use tetrapod::scaling::proposal::{Basis, MetricError, Tolerance, external};
use tetrapod::scaling::{Autoscaler, Counts, Observed, Policy, Settings, State, step};

use super::at;

const TENTH: Tolerance = Tolerance::new(0.1, 0.1);

trait New {
    fn average(text: &str) -> Self;
    fn value(text: &str) -> Self;
}

impl New for MetricTarget {
    fn average(text: &str) -> Self {
        Self::AverageValue(text.parse().unwrap())
    }
    fn value(text: &str) -> Self {
        Self::Value(text.parse().unwrap())
    }
}

#[test]
fn a_ratio_is_close_at_both_ends_and_never_when_it_is_no_number_k6() {
    assert!(TENTH.is_close(0.9) && TENTH.is_close(1.1));
    assert!(!TENTH.is_close(1.100_000_1) && !TENTH.is_close(0.899_999));
    assert!(!TENTH.is_close(f64::NAN) && !TENTH.is_close(f64::INFINITY));
}

#[test]
fn each_direction_may_have_a_tolerance_of_its_own_k6() {
    let mut behavior = Behavior::default();
    let mut up = ScalingRules::default();
    up.tolerance = Some("50m".parse().unwrap());
    behavior.scale_up = Some(up);
    let own = tolerance(Some(&behavior), 0.1);
    assert!((own.up - 0.05).abs() < 1e-12 && (own.down - 0.1).abs() < 1e-12);
    assert_eq!(tolerance(None, 0.2), Tolerance::new(0.2, 0.2));
}

#[test]
fn values_are_summed_and_pinned_k8() {
    let counts = Counts::settled(4);
    let made = external(
        &[1_000, 2_000, 500],
        MetricTarget::value("1"),
        TENTH,
        counts,
    )
    .unwrap();
    assert_eq!((made.sum_milli, made.replicas), (3_500, 14));
    let most = [i64::MAX, i64::MAX];
    let made = external(&most, MetricTarget::average("1m"), TENTH, counts).unwrap();
    assert_eq!((made.sum_milli, made.current_milli), (i64::MAX, i64::MAX));
    assert_eq!(made.replicas, i32::MAX);
}

#[test]
fn an_average_looks_at_status_only_k9_k39() {
    // Close: status, though spec is larger and nothing is ready.
    let counts = Counts::new(10, 4, 0, 0);
    let made = external(&[20_000], MetricTarget::average("5"), TENTH, counts).unwrap();
    assert_eq!((made.replicas, made.basis), (4, Basis::WithinTolerance));
    // K-9: nothing runs yet.
    let counts = Counts::new(0, 0, 0, 0);
    let made = external(&[20_001], MetricTarget::average("5"), TENTH, counts).unwrap();
    assert_eq!((made.replicas, made.basis), (5, Basis::Ratio));
    assert!(made.ratio.is_infinite());
}

#[test]
fn a_value_multiplies_ready_pods_k11_k12() {
    let target = MetricTarget::value("10");
    let counts = |spec, pods, ready| Counts::new(spec, spec, pods, ready);
    let of = |milli, counts| external(&[milli], target, TENTH, counts);
    assert_eq!(of(20_000, counts(4, 4, 3)).unwrap().replicas, 6);
    assert_eq!(of(10_500, counts(4, 4, 3)).unwrap().replicas, 4);
    assert_eq!(of(20_000, counts(4, 4, 0)).unwrap().replicas, 0);
    assert_eq!(of(20_000, counts(4, 0, 0)), Err(MetricError::NoPods));
    // Close needs no pods, and from 0 neither tolerance nor pods count.
    assert_eq!(of(10_000, counts(4, 0, 0)).unwrap().replicas, 4);
    let zero = of(10_500, counts(0, 0, 0)).unwrap();
    assert_eq!((zero.replicas, zero.basis), (2, Basis::FromZero));
}

#[test]
fn leaving_the_band_upward_may_propose_fewer_at_a_value_k38() {
    let counts = Counts::new(10, 10, 10, 5);
    let target = MetricTarget::value("10");
    let of = |milli| external(&[milli], target, TENTH, counts).unwrap().replicas;
    assert_eq!((of(11_000), of(11_100)), (10, 6));
}

/// A running, ready pod of one container with a request of 1 CPU, started long ago, that uses `usage`.
fn pod(name: &str, usage: Option<&str>) -> PodSample {
    let mut pod = PodSample::default();
    pod.name = name.into();
    pod.phase = Some(PodPhase::Running);
    pod.ready = Some(ReadyStatus::True);
    pod.ready_since = Some(at(-3_590));
    pod.started = Some(at(-3_600));
    pod.time = Some(at(-10));
    pod.window = Some(Span::from_secs(30));
    let mut container = ContainerSample::default();
    container.name = "app".into();
    container.requests.set("cpu", Quantity::from_units(1));
    if let Some(usage) = usage {
        container.usage.set("cpu", usage.parse().unwrap());
    }
    pod.containers = vec![container];
    pod
}

fn cpu() -> MetricSource {
    MetricSource::Resource { name: "cpu".into() }
}

fn utilization(
    pods: &[PodSample],
    percent: i32,
    present: i32,
) -> Result<(i32, Basis), MetricError> {
    let target = MetricTarget::Utilization(percent);
    let readiness = Readiness::default();
    let made = propose(&cpu(), target, pods, present, TENTH, readiness, at(0))?;
    Ok((made.replicas, made.basis))
}

#[test]
fn pods_are_sorted_first_match_first_k14() {
    let mut deleting = pod("a", Some("9"));
    deleting.deleting = Some(true);
    deleting.phase = Some(PodPhase::Pending);
    let mut failed = pod("b", Some("9"));
    failed.phase = Some(PodPhase::Failed);
    let mut pending = pod("c", Some("9"));
    pending.phase = Some(PodPhase::Pending);
    let missing = pod("d", None);
    let mut succeeded = pod("e", Some("500m"));
    succeeded.phase = Some(PodPhase::Succeeded);
    let pods = [
        deleting,
        failed,
        pending,
        missing,
        succeeded,
        pod("f", Some("500m")),
    ];
    let target = MetricTarget::Utilization(50);
    let made = propose(&cpu(), target, &pods, 6, TENTH, Readiness::default(), at(0)).unwrap();
    let tally = made.pods.unwrap();
    assert_eq!((tally.ready, tally.unready), (2, 1));
    assert_eq!((tally.missing, tally.ignored), (1, 2));
}

#[test]
fn new_pods_cpu_is_not_trusted_k15() {
    let ready = |pod: PodSample| utilization(&[pod], 50, 1).is_ok();
    let with = |edit: &dyn Fn(&mut PodSample)| {
        let mut pod = pod("a", Some("500m"));
        edit(&mut pod);
        ready(pod)
    };
    assert!(with(&|_| {}));
    assert!(!with(&|pod| pod.ready = None));
    assert!(!with(&|pod| pod.started = None));
    // Ready for 30 s of samples of 30 s.
    let young = |since: i64, sampled: i64| {
        with(&move |pod| {
            pod.started = Some(at(-100));
            pod.ready_since = Some(at(since));
            pod.time = Some(at(sampled));
        })
    };
    assert!(young(-50, -20));
    assert!(!young(-50, -21));
    // Later only a pod that was never ready is left out; Unknown is not False.
    let old = |status, since| {
        with(&move |pod| {
            pod.ready = Some(status);
            pod.ready_since = Some(at(since));
        })
    };
    assert!(!old(ReadyStatus::False, -3_580));
    assert!(old(ReadyStatus::False, -3_570));
    assert!(old(ReadyStatus::Unknown, -3_580));
}

#[test]
fn nothing_left_is_an_error_k16() {
    assert_eq!(utilization(&[], 50, 1), Err(MetricError::NoSamples));
    let missing = [pod("a", None)];
    assert_eq!(utilization(&missing, 50, 1), Err(MetricError::NoSamples));
}

#[test]
fn utilisation_needs_requests_and_truncates_k17() {
    let mut without = pod("a", Some("500m"));
    without.containers[0].requests = tetrapod::model::resources::ResourceList::new();
    assert!(matches!(
        utilization(&[pod("b", Some("500m")), without], 50, 2),
        Err(MetricError::NoRequest { .. })
    ));
    let mut zero = pod("a", Some("500m"));
    zero.containers[0].requests.set("cpu", Quantity::ZERO);
    assert_eq!(utilization(&[zero], 50, 1), Err(MetricError::ZeroRequest));
    // 555m of 1 is 55 %.
    let target = MetricTarget::Utilization(50);
    let pods = [pod("a", Some("555m"))];
    let made = propose(&cpu(), target, &pods, 1, TENTH, Readiness::default(), at(0)).unwrap();
    assert_eq!(made.utilization, Some(55));
    // Pod-level requests stand for those of the containers.
    let mut whole = pod("a", Some("500m"));
    whole.requests.set("cpu", Quantity::from_units(2));
    assert_eq!(
        utilization(&[whole], 25, 1),
        Ok((1, Basis::WithinTolerance))
    );
}

#[test]
fn a_container_metric_reads_that_container_k17() {
    let mut two = pod("a", Some("100m"));
    let mut other = two.containers[0].clone();
    other.name = "sidecar".into();
    other.usage.set("cpu", "2".parse().unwrap());
    two.containers.push(other);
    let of = |container: &str| {
        let source = MetricSource::ContainerResource {
            name: "cpu".into(),
            container: container.into(),
        };
        let target = MetricTarget::Utilization(100);
        propose(
            &source,
            target,
            std::slice::from_ref(&two),
            1,
            TENTH,
            Readiness::default(),
            at(0),
        )
        .map(|made| made.replicas)
    };
    assert_eq!((of("app"), of("sidecar")), (Ok(1), Ok(2)));
    assert!(matches!(of("none"), Err(MetricError::NoContainer { .. })));
}

#[test]
fn missing_and_unready_pods_damp_the_change_k20_k21_k42() {
    let busy = |name| pod(name, Some("2"));
    // Two pods at 200 % of a target of 100 % would be four.
    assert_eq!(
        utilization(&[busy("a"), busy("b")], 100, 2),
        Ok((4, Basis::Ratio))
    );
    // With a third that has no sample yet, taken as idle: 133 % of three is four.
    assert_eq!(
        utilization(&[busy("a"), busy("b"), pod("c", None)], 100, 3),
        Ok((4, Basis::FilledRatio))
    );
    // With two pending ones the ratio is 1: held (K-42).
    let mut pending = pod("c", None);
    pending.phase = Some(PodPhase::Pending);
    let mut also = pending.clone();
    also.name = "d".into();
    let pods = [busy("a"), busy("b"), pending.clone(), also];
    assert_eq!(
        utilization(&pods, 100, 4),
        Ok((4, Basis::FilledWithinTolerance))
    );
    // Five pending ones turn the direction: held as well.
    let mut many = vec![busy("a")];
    many.extend((0..4).map(|_| pending.clone()));
    assert_eq!(utilization(&many, 100, 5), Ok((5, Basis::FilledTurned)));
    // On the way down pending pods are left out, and missing ones count at the target.
    let idle = [pod("a", Some("100m")), pod("b", Some("100m")), pending];
    assert_eq!(utilization(&idle, 100, 3), Ok((1, Basis::Ratio)));
    let idle = [pod("a", Some("400m")), pod("b", None)];
    assert_eq!(utilization(&idle, 100, 2), Ok((2, Basis::FilledRatio)));
    // The count would rise though the ratio is below 1: held.
    let idle = [pod("a", Some("800m")), pod("b", Some("800m"))];
    assert_eq!(utilization(&idle, 100, 1), Ok((2, Basis::Ratio)));
    let idle = [
        pod("a", Some("700m")),
        pod("b", None),
        pod("c", Some("700m")),
    ];
    assert_eq!(utilization(&idle, 100, 2), Ok((2, Basis::FilledReversed)));
}

fn rules(window: Option<i32>, policies: &[(PolicyKind, i32, i32)]) -> ScalingRules {
    let mut rules = ScalingRules::default();
    rules.stabilization_window_seconds = window;
    if !policies.is_empty() {
        let policies = policies
            .iter()
            .map(|(kind, value, period)| ScalingPolicy::new(*kind, *value, *period));
        rules.policies = Some(policies.collect());
    }
    rules
}

fn behavior(up: Option<ScalingRules>, down: Option<ScalingRules>) -> Behavior {
    let mut behavior = Behavior::default();
    behavior.scale_up = up;
    behavior.scale_down = down;
    behavior
}

fn history(recommendations: &[(i64, i32)]) -> History {
    let mut history = History::default();
    history.recommendations = recommendations
        .iter()
        .map(|(ago, replicas)| Recommendation::new(at(-ago), *replicas))
        .collect();
    history
}

const FIVE_MINUTES: Bounds = Bounds::new(1, 100, Span::from_secs(300));

#[test]
fn without_behavior_the_largest_recent_recommendation_holds_k25_k43() {
    let decide = |ago| {
        let mut history = history(&[(ago, 9)]);
        normalize(None, &mut history, FIVE_MINUTES, 9, 3, at(0))
    };
    // Exactly at the cutoff still counts.
    let held = decide(300);
    assert_eq!(
        (held.replicas, held.able_to_scale),
        (9, AbleToScale::ScaleDownStabilized)
    );
    assert_eq!(held.held_by, Some(Recommendation::new(at(-300), 9)));
    let free = decide(301);
    assert_eq!(
        (free.replicas, free.able_to_scale),
        (3, AbleToScale::ReadyForNewScale)
    );
}

#[test]
fn without_behavior_the_count_at_most_doubles_k25() {
    let decide = |current, desired, max| {
        let bounds = Bounds::new(2, max, Span::from_secs(300));
        let made = normalize(
            None,
            &mut History::default(),
            bounds,
            current,
            desired,
            at(0),
        );
        (made.replicas, made.scaling_limited)
    };
    assert_eq!(decide(1, 50, 100), (4, ScalingLimited::ScaleUpLimit));
    assert_eq!(decide(10, 50, 100), (20, ScalingLimited::ScaleUpLimit));
    assert_eq!(decide(10, 50, 20), (20, ScalingLimited::TooManyReplicas));
    assert_eq!(decide(10, 0, 20), (2, ScalingLimited::TooFewReplicas));
    assert_eq!(decide(10, 3, 20), (3, ScalingLimited::DesiredWithinRange));
    assert_eq!(decide(i32::MAX, i32::MAX, i32::MAX).0, i32::MAX);
}

#[test]
fn an_old_place_is_taken_again_k26_k30() {
    let mut kept = history(&[(400, 1), (350, 2), (10, 3)]);
    normalize(None, &mut kept, FIVE_MINUTES, 3, 7, at(0));
    let times: Vec<(i64, i32)> = kept
        .recommendations
        .iter()
        .map(|each| (at(0).since(each.time).as_millis() / 1_000, each.replicas))
        .collect();
    // What is stored is the count before stabilising, in the last of the old places.
    assert_eq!(times, [(400, 1), (0, 7), (10, 3)]);
    // With behavior a place must be older than both windows.
    let both = behavior(Some(rules(Some(600), &[])), Some(rules(Some(60), &[])));
    let mut kept = history(&[(400, 1)]);
    normalize(Some(&both), &mut kept, FIVE_MINUTES, 3, 7, at(0));
    assert_eq!(kept.recommendations.len(), 2);
}

#[test]
fn with_behavior_the_count_is_clamped_between_both_windows_k29() {
    let both = behavior(Some(rules(Some(60), &[])), Some(rules(Some(60), &[])));
    let decide = |recommendations: &[(i64, i32)], current, desired| {
        let mut history = history(recommendations);
        normalize(
            Some(&both),
            &mut history,
            FIVE_MINUTES,
            current,
            desired,
            at(0),
        )
    };
    // Up: the lowest of the window holds. Strictly newer than the cutoff counts.
    let up = decide(&[(59, 6)], 5, 8);
    assert_eq!(
        (up.stable, up.able_to_scale),
        (6, AbleToScale::ScaleUpStabilized)
    );
    assert_eq!(decide(&[(60, 6)], 5, 8).stable, 8);
    // Down: the highest holds.
    let down = decide(&[(59, 6)], 9, 3);
    assert_eq!(
        (down.stable, down.able_to_scale),
        (6, AbleToScale::ScaleDownStabilized)
    );
    // Between both nothing moves.
    let still = decide(&[(10, 3), (20, 9)], 5, 7);
    assert_eq!((still.stable, still.replicas), (5, 5));
    assert_eq!(still.held_by, Some(Recommendation::new(at(-10), 3)));
}

#[test]
fn an_unset_window_down_is_the_controllers_k3() {
    let bare = Behavior::default();
    let mut kept = history(&[(299, 9)]);
    assert_eq!(
        normalize(Some(&bare), &mut kept, FIVE_MINUTES, 9, 3, at(0)).replicas,
        9
    );
    let mut kept = history(&[(300, 9)]);
    assert_eq!(
        normalize(Some(&bare), &mut kept, FIVE_MINUTES, 9, 3, at(0)).replicas,
        3
    );
}

#[test]
fn policies_limit_each_period_k31_k32_k33() {
    let pods = |value, period| (PolicyKind::Pods, value, period);
    let percent = |value, period| (PolicyKind::Percent, value, period);
    let up = |policies: &[_], select, current, desired, added: &[(i64, i32)]| {
        let mut up = rules(Some(0), policies);
        up.select_policy = select;
        let mut history = History::default();
        history.scale_ups = added
            .iter()
            .map(|(ago, change)| ScaleEvent::new(at(-ago), *change))
            .collect();
        let own = behavior(Some(up), None);
        let made = normalize(
            Some(&own),
            &mut history,
            FIVE_MINUTES,
            current,
            desired,
            at(0),
        );
        (made.replicas, made.scaling_limited)
    };
    let limit = ScalingLimited::ScaleUpLimit;
    assert_eq!(up(&[pods(2, 60)], None, 5, 20, &[]), (7, limit));
    assert_eq!(up(&[percent(10, 60)], None, 5, 20, &[]), (6, limit));
    assert_eq!(
        up(&[pods(2, 60), percent(100, 60)], None, 5, 20, &[]),
        (10, limit)
    );
    let min = Some(SelectPolicy::Min);
    assert_eq!(
        up(&[pods(2, 60), percent(100, 60)], min, 5, 20, &[]),
        (7, limit)
    );
    let disabled = Some(SelectPolicy::Disabled);
    assert_eq!(up(&[pods(2, 60)], disabled, 5, 20, &[]), (5, limit));
    // What was added in the period counts, strictly newer than its start; the bound is never below the count.
    assert_eq!(up(&[pods(2, 60)], None, 5, 20, &[(59, 1)]), (6, limit));
    assert_eq!(up(&[pods(2, 60)], None, 5, 20, &[(60, 1)]), (7, limit));
    assert_eq!(up(&[pods(2, 60)], None, 5, 20, &[(1, 4)]), (5, limit));

    let down = |policies: &[_], select, current, desired| {
        let mut down = rules(Some(0), policies);
        down.select_policy = select;
        let own = behavior(None, Some(down));
        let mut history = History::default();
        let made = normalize(
            Some(&own),
            &mut history,
            FIVE_MINUTES,
            current,
            desired,
            at(0),
        );
        (made.replicas, made.scaling_limited)
    };
    let limit = ScalingLimited::ScaleDownLimit;
    assert_eq!(down(&[pods(2, 60)], None, 10, 1), (8, limit));
    // Cut off: 75 % of 10 less 25 % is 7.5.
    assert_eq!(down(&[percent(25, 60)], None, 10, 1), (7, limit));
    assert_eq!(
        down(&[pods(1, 60), percent(50, 60)], None, 10, 1),
        (5, limit)
    );
    assert_eq!(
        down(&[pods(1, 60), percent(50, 60)], min, 10, 1),
        (9, limit)
    );
    assert_eq!(down(&[pods(1, 60)], disabled, 10, 1), (10, limit));
    assert_eq!(
        down(&[percent(100, 60)], None, 10, -5),
        (1, ScalingLimited::TooFewReplicas)
    );
}

#[test]
fn both_directions_events_count_for_a_period_k31() {
    // Three were removed half a minute ago, so the period started at eight: two more than that are ten.
    let own = behavior(Some(rules(Some(0), &[(PolicyKind::Pods, 2, 60)])), None);
    let mut history = History::default();
    history.scale_downs = vec![ScaleEvent::new(at(-30), 3)];
    let made = normalize(Some(&own), &mut history, FIVE_MINUTES, 5, 20, at(0));
    assert_eq!(made.replicas, 10);
}

#[test]
fn events_are_kept_for_the_longest_period_k35() {
    let own = behavior(
        Some(rules(
            None,
            &[(PolicyKind::Pods, 1, 60), (PolicyKind::Pods, 1, 30)],
        )),
        None,
    );
    let mut history = History::default();
    for seconds in [0, 60, 61, 90] {
        record_write(Some(&own), &mut history, 1, 3, at(seconds));
    }
    let kept: Vec<(i64, bool)> = history
        .scale_ups
        .iter()
        .map(|event| (event.time.since(at(0)).as_millis() / 1_000, event.reusable))
        .collect();
    // At 61 s the first is strictly older than 60 s and its place is taken.
    assert_eq!(kept, [(61, false), (60, false), (90, false)]);
    record_write(Some(&own), &mut history, 3, 1, at(95));
    assert_eq!(history.scale_downs[0].change, 2);
    let mut none = History::default();
    record_write(None, &mut none, 1, 3, at(0));
    assert_eq!(none, History::default());
}

fn autoscaler(min: i32, max: i32) -> HorizontalPodAutoscaler {
    let mut hpa = HorizontalPodAutoscaler::new("default", "web", min, max);
    hpa.metrics = vec![
        MetricSpec::external("a", MetricTarget::average("10")),
        MetricSpec::external("b", MetricTarget::average("10")),
    ];
    hpa
}

fn value(number: f64) -> Option<Reading> {
    Some(Reading::Value(Real::new(number)))
}

/// The count after one step from `replicas`, and the way it went.
fn first_step(
    hpa: &HorizontalPodAutoscaler,
    replicas: i32,
    readings: Vec<Option<Reading>>,
) -> (i32, Path) {
    let policy = Policy::new(Autoscaler::Hpa(hpa));
    let seen = Observed::new(Counts::settled(replicas), readings);
    let decision = step(&policy, &mut State::new(&policy), &seen, at(0));
    (decision.replicas, decision.sync.unwrap().path)
}

#[test]
fn metrics_are_joined_by_maximum_and_errors_stop_scaling_down_k23() {
    let hpa = autoscaler(1, 50);
    let failing = || Some(Reading::Error("timeout".into()));
    let of = |a, b| first_step(&hpa, 5, vec![a, b]);
    assert_eq!(of(value(70.0), value(90.0)), (9, Path::Metrics));
    assert_eq!(of(value(90.0), failing()), (9, Path::Metrics));
    assert_eq!(of(value(10.0), failing()), (5, Path::MetricsFailed));
    assert_eq!(of(failing(), None), (5, Path::MetricsFailed));
}

#[test]
fn bounds_are_applied_at_once_and_zero_is_off_k24_k37() {
    let of = |min, max, replicas| {
        first_step(
            &autoscaler(min, max),
            replicas,
            vec![value(50.0), value(50.0)],
        )
    };
    assert_eq!(of(3, 10, 1), (3, Path::BelowMin));
    assert_eq!(of(3, 10, 40), (10, Path::AboveMax));
    assert_eq!(of(3, 10, 0), (0, Path::Disabled));
    assert_eq!(of(3, 10, 4), (5, Path::Metrics));
}

#[test]
fn an_hpa_leaves_a_zero_of_its_own_k24() {
    let mut hpa = autoscaler(0, 10);
    // Of its own: by the condition in its status.
    hpa.scaled_to_zero = true;
    assert_eq!(first_step(&hpa, 0, vec![value(30.0), None]).0, 3);
    hpa.min_replicas = 5;
    assert_eq!(first_step(&hpa, 0, vec![value(30.0), None]).0, 5);
    // Of somebody else: off.
    hpa.min_replicas = 0;
    hpa.scaled_to_zero = false;
    assert_eq!(
        first_step(&hpa, 0, vec![value(30.0), None]),
        (0, Path::Disabled)
    );
    // It goes there by itself once its window is over, and comes back.
    let mut settings = Settings::default();
    settings.downscale_stabilization = Span::ZERO;
    let policy = Policy::new(Autoscaler::Hpa(&hpa)).with_settings(settings);
    let mut state = State::new(&policy);
    let mut replicas = 2;
    let mut counts = Vec::new();
    for (round, load) in [0.0, 0.0, 0.0, 25.0].into_iter().enumerate() {
        let seen = Observed::new(Counts::settled(replicas), vec![value(load), value(load)]);
        let now = at(15 * i64::try_from(round).unwrap());
        replicas = step(&policy, &mut state, &seen, now).replicas;
        counts.push(replicas);
    }
    assert_eq!(counts, [2, 0, 0, 3]);
    assert!(!state.hpa.scaled_to_zero);
}

#[test]
fn the_fall_starts_one_window_after_the_last_high_sample_k43() {
    let hpa = autoscaler(1, 50);
    let policy = Policy::new(Autoscaler::Hpa(&hpa));
    let mut state = State::new(&policy);
    let mut replicas = 1;
    let mut first_fall = None;
    for round in 0..60 {
        let now = 15 * round;
        let load = if now <= 60 { 80.0 } else { 10.0 };
        let seen = Observed::new(Counts::settled(replicas), vec![value(load), value(load)]);
        let decision = step(&policy, &mut state, &seen, at(now));
        if decision.replicas < replicas && first_fall.is_none() {
            first_fall = Some(now);
        }
        replicas = decision.replicas;
    }
    // The last high recommendation is of 60 s; at 360 s it still counts.
    assert_eq!((first_fall, replicas), (Some(375), 1));
}

#[test]
fn a_step_before_its_time_changes_nothing_k85() {
    let hpa = autoscaler(1, 50);
    let policy = Policy::new(Autoscaler::Hpa(&hpa));
    let mut state = State::new(&policy);
    let seen = Observed::new(Counts::settled(5), vec![value(90.0), value(90.0)]);
    let decision = step(&policy, &mut state, &seen, at(0));
    assert_eq!((decision.replicas, decision.next), (9, at(15)));
    let before = state.clone();
    let early = step(&policy, &mut state, &seen, at(14));
    assert_eq!((early.replicas, early.sync, early.next), (5, None, at(15)));
    assert_eq!(state, before);
}
