//! What holds for every policy, load and history.

use proptest::prelude::*;
use tetrapod::base::time::Span;
use tetrapod::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSpec, MetricTarget, PolicyKind, ScalingPolicy,
    ScalingRules, SelectPolicy,
};
use tetrapod::model::autoscaling::samples::{Reading, Real};
use tetrapod::model::quantity::Quantity;
use tetrapod::scaling::behavior::{Bounds, History, normalize};
use tetrapod::scaling::proposal::{Tolerance, external};
use tetrapod::scaling::{Autoscaler, Counts, Observed, Policy, State, step};

use super::at;

fn policy() -> impl Strategy<Value = ScalingPolicy> {
    (any::<bool>(), 1..200_i32, 1..1_800_i32).prop_map(|(pods, value, period)| {
        let kind = if pods {
            PolicyKind::Pods
        } else {
            PolicyKind::Percent
        };
        ScalingPolicy::new(kind, value, period)
    })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let select = prop_oneof![
        Just(SelectPolicy::Max),
        Just(SelectPolicy::Min),
        Just(SelectPolicy::Disabled)
    ];
    (
        prop::option::of(0..600_i32),
        prop::option::of(select),
        prop::option::of(prop::collection::vec(policy(), 1..4)),
        prop::option::of(0..500_i64),
    )
        .prop_map(|(window, select, policies, tolerance)| {
            let mut rules = ScalingRules::default();
            rules.stabilization_window_seconds = window;
            rules.select_policy = select;
            rules.policies = policies;
            rules.tolerance = tolerance.map(Quantity::from_milli);
            rules
        })
}

fn behavior() -> impl Strategy<Value = Option<Behavior>> {
    prop::option::of(
        (prop::option::of(rules()), prop::option::of(rules())).prop_map(|(up, down)| {
            let mut behavior = Behavior::default();
            behavior.scale_up = up;
            behavior.scale_down = down;
            behavior
        }),
    )
}

fn hpa(min: i32, max: i32, targets: &[i64], behavior: Option<Behavior>) -> HorizontalPodAutoscaler {
    let mut hpa = HorizontalPodAutoscaler::new("default", "web", min, max);
    hpa.behavior = behavior;
    let metric = |(place, target): (usize, &i64)| {
        let target = MetricTarget::AverageValue(Quantity::from_milli(*target));
        MetricSpec::external(format!("m{place}"), target)
    };
    hpa.metrics = targets.iter().enumerate().map(metric).collect();
    hpa
}

fn value(number: f64) -> Option<Reading> {
    Some(Reading::Value(Real::new(number)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_count_within_bounds_stays_within_them_k40(
        min in 1..20_i32, more in 0..200_i32, start in 0..200_i32, behavior in behavior(),
        loads in prop::collection::vec(0.0..2_000.0_f64, 1..40),
    ) {
        let max = min + more;
        let hpa = hpa(min, max, &[10_000], behavior);
        let policy = Policy::new(Autoscaler::Hpa(&hpa));
        let mut state = State::new(&policy);
        let mut replicas = min + start.min(more);
        for (round, load) in loads.iter().enumerate() {
            let now = at(15 * i64::try_from(round).unwrap());
            let seen = Observed::new(Counts::settled(replicas), vec![value(*load)]);
            replicas = step(&policy, &mut state, &seen, now).replicas;
            prop_assert!((min..=max).contains(&replicas));
        }
    }

    #[test]
    fn nothing_scales_down_before_the_window_is_over_k43(
        window in 15..600_i32, high in 5..50_i32, loads in prop::collection::vec(0.0..40.0_f64, 1..80),
    ) {
        let mut down = ScalingRules::default();
        down.stabilization_window_seconds = Some(window);
        let mut behavior = Behavior::default();
        behavior.scale_down = Some(down);
        let hpa = hpa(1, 100, &[10_000], Some(behavior));
        let policy = Policy::new(Autoscaler::Hpa(&hpa));
        let mut state = State::new(&policy);
        let seen = Observed::new(Counts::settled(high), vec![value(f64::from(high) * 10.0)]);
        prop_assert_eq!(step(&policy, &mut state, &seen, at(0)).replicas, high);
        for (round, load) in loads.iter().enumerate() {
            let seconds = 15 * (i64::try_from(round).unwrap() + 1);
            if seconds >= i64::from(window) {
                break;
            }
            let seen = Observed::new(Counts::settled(high), vec![value(*load)]);
            prop_assert_eq!(step(&policy, &mut state, &seen, at(seconds)).replicas, high);
        }
    }

    #[test]
    fn the_order_of_metrics_does_not_show_k23(
        metrics in prop::collection::vec((1..100_000_i64, prop::option::of(0.0..5_000.0_f64)), 1..6),
        replicas in 1..100_i32, turn in 0..6_usize, behavior in behavior(),
    ) {
        let decide = |metrics: &[(i64, Option<f64>)]| {
            let targets: Vec<i64> = metrics.iter().map(|(target, _)| *target).collect();
            let hpa = hpa(1, 1_000, &targets, behavior.clone());
            let policy = Policy::new(Autoscaler::Hpa(&hpa));
            let readings = metrics.iter().map(|(_, load)| load.and_then(value)).collect();
            let seen = Observed::new(Counts::settled(replicas), readings);
            step(&policy, &mut State::new(&policy), &seen, at(0)).replicas
        };
        let mut turned = metrics.clone();
        turned.rotate_left(turn % metrics.len());
        prop_assert_eq!(decide(&metrics), decide(&turned));
        turned.reverse();
        prop_assert_eq!(decide(&metrics), decide(&turned));
    }

    #[test]
    fn more_load_never_proposes_fewer_at_an_average_k38(
        low in 0..i64::MAX, more in 0..i64::MAX, target in 1..1_000_000_000_i64,
        status in 0..100_000_i32, down in 0.0..1.0_f64, up in 0.0..1.0_f64,
    ) {
        let target = MetricTarget::AverageValue(Quantity::from_milli(target));
        let counts = Counts::settled(status);
        let propose = |milli| {
            external(&[milli], target, Tolerance::new(down, up), counts).unwrap().replicas
        };
        prop_assert!(propose(low) <= propose(low.saturating_add(more)));
    }

    #[test]
    fn any_number_gives_some_count(
        value in any::<f64>(), milli in any::<i64>(), target in 1..i64::MAX, spec in 0..i32::MAX,
        ready in 0..i32::MAX, behavior in behavior(),
    ) {
        let counts = Counts::new(spec, spec, ready, ready);
        for target in [MetricTarget::Value(Quantity::from_milli(target)), MetricTarget::AverageValue(Quantity::from_milli(target))] {
            let _ = external(&[milli, milli, i64::MAX], target, Tolerance::new(0.1, 0.1), counts);
        }
        let hpa = hpa(1, i32::MAX, &[target], behavior.clone());
        let policy = Policy::new(Autoscaler::Hpa(&hpa));
        let seen = Observed::new(counts, vec![self::value(value)]);
        let mut state = State::new(&policy);
        let decision = step(&policy, &mut state, &seen, at(0));
        prop_assert!(spec == 0 || decision.replicas >= 1);
        let bounds = Bounds::new(1, i32::MAX, Span::from_secs(300));
        let desired = i32::try_from(milli >> 32).unwrap();
        let made = normalize(behavior.as_ref(), &mut History::default(), bounds, spec.max(1), desired, at(0));
        prop_assert!(made.replicas >= 1);
    }

    #[test]
    fn a_saved_state_goes_on_as_if_it_had_not_been_saved(
        loads in prop::collection::vec(0.0..500.0_f64, 2..40), cut in 0..40_usize, behavior in behavior(),
    ) {
        let hpa = hpa(1, 60, &[10_000], behavior);
        let policy = Policy::new(Autoscaler::Hpa(&hpa));
        let run = |cut: Option<usize>| {
            let mut state = State::new(&policy);
            let mut replicas = 3;
            let mut seen = Vec::new();
            for (round, load) in loads.iter().enumerate() {
                if cut == Some(round) {
                    let text = serde_json::to_string(&state).unwrap();
                    state = serde_json::from_str(&text).unwrap();
                }
                let now = at(15 * i64::try_from(round).unwrap());
                let sight = Observed::new(Counts::settled(replicas), vec![value(*load)]);
                replicas = step(&policy, &mut state, &sight, now).replicas;
                seen.push(replicas);
            }
            seen
        };
        prop_assert_eq!(run(None), run(Some(cut)));
    }
}
