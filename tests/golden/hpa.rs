//! Cases of the HPA's functions.

use serde_json::{Value, json};
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget,
};
use tetrapod::model::autoscaling::samples::{ContainerSample, PodSample, ReadyStatus};
use tetrapod::model::pod::PodPhase;
use tetrapod::model::quantity::Quantity;
use tetrapod::scaling::behavior::{
    Bounds, History, Recommendation, ScaleEvent, ScalingLimited, normalize, with_defaults,
};
use tetrapod::scaling::hpa::{
    HpaState, MetricOutcome, MetricValue, Path, Reads, Settings, join, sync, tolerance,
};
use tetrapod::scaling::pods::{Readiness, propose};
use tetrapod::scaling::proposal::{Counts, MetricError, Proposal, Tolerance};
use tetrapod::scaling::{hpa, proposal};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn ago(seconds: &Value) -> Timestamp {
    now().plus(Span::from_secs(-seconds.as_i64().unwrap()))
}

fn int(value: &Value) -> i32 {
    value.as_i64().unwrap().try_into().unwrap()
}

fn span(value: &Value) -> Span {
    Span::from_secs(value.as_i64().unwrap())
}

fn target(input: &Value) -> MetricTarget {
    let quantity = Quantity::from_milli(input["targetMilli"].as_i64().unwrap());
    match input["targetType"].as_str().unwrap() {
        "AverageValue" => MetricTarget::AverageValue(quantity),
        "Value" => MetricTarget::Value(quantity),
        other => panic!("{other}"),
    }
}

fn tolerances(input: &Value) -> Tolerance {
    Tolerance::new(
        input["toleranceDown"].as_f64().unwrap(),
        input["toleranceUp"].as_f64().unwrap(),
    )
}

fn behavior(input: &Value) -> Option<Behavior> {
    serde_json::from_value(input["behavior"].clone()).unwrap()
}

/// K-3
pub(crate) fn behavior_defaults(input: &Value) -> Value {
    let full = behavior(input).map(|behavior| with_defaults(&behavior));
    json!({"behavior": full})
}

/// K-6..K-12
pub(crate) fn external(input: &Value) -> Value {
    let values: Vec<i64> = input["valuesMilli"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_str().unwrap().parse().unwrap())
        .collect();
    let counts = Counts::new(
        int(&input["specReplicas"]),
        int(&input["statusReplicas"]),
        int(&input["pods"]),
        int(&input["readyPods"]),
    );
    match proposal::external(&values, target(input), tolerances(input), counts) {
        // With nothing there the real function reports no current value.
        Ok(made) if counts.status == 0 => json!({"replicas": made.replicas}),
        Ok(made) => {
            json!({"replicas": made.replicas, "usageMilli": made.current_milli.to_string()})
        }
        Err(error) => json!({"error": error.to_string()}),
    }
}

/// The input's pods: one container each.
fn pods(input: &Value, source: &MetricSource) -> Vec<PodSample> {
    let list = input["pods"].as_array().unwrap();
    list.iter().map(|pod| self::pod(pod, source)).collect()
}

fn pod(input: &Value, source: &MetricSource) -> PodSample {
    let mut pod = PodSample::default();
    pod.name = input["name"].as_str().unwrap().into();
    pod.phase = Some(match input["phase"].as_str().unwrap() {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        _ => PodPhase::Unknown,
    });
    pod.deleting = input["deleting"].as_bool();
    pod.ready = match input["ready"].as_str() {
        Some("True") => Some(ReadyStatus::True),
        Some("False") => Some(ReadyStatus::False),
        Some("Unknown") => Some(ReadyStatus::Unknown),
        _ => None,
    };
    let time = |field: &str| input.get(field).filter(|at| !at.is_null()).map(ago);
    pod.ready_since = time("readyTransitionSecondsAgo");
    pod.started = time("startedSecondsAgo");
    let mut container = ContainerSample::default();
    container.name = "main".into();
    let amount = |milli: &Value| Quantity::from_milli(milli.as_i64().unwrap());
    if let Some(request) = input
        .get("requestMilli")
        .filter(|request| !request.is_null())
    {
        container.requests.set(source.name(), amount(request));
    }
    let metric = &input["metric"];
    if !metric.is_null() {
        pod.time = Some(ago(&metric["secondsAgo"]));
        pod.window = Some(span(&metric["windowSeconds"]));
        let value = amount(&metric["valueMilli"]);
        container.usage.set(source.name(), value);
        pod.metrics.insert(source.name().clone(), value);
    }
    pod.containers.push(container);
    pod
}

fn of_pods(
    input: &Value,
    source: &MetricSource,
    target: MetricTarget,
) -> Result<Proposal, MetricError> {
    let readiness = Readiness::new(
        span(&input["cpuInitializationPeriodSeconds"]),
        span(&input["initialReadinessDelaySeconds"]),
    );
    propose(
        source,
        target,
        &pods(input, source),
        int(&input["currentReplicas"]),
        tolerances(input),
        readiness,
        now(),
    )
}

fn resource(input: &Value) -> MetricSource {
    MetricSource::Resource {
        name: input["resource"].as_str().unwrap().into(),
    }
}

fn average(input: &Value) -> MetricTarget {
    let milli = input["targetAverageMilli"].as_i64().unwrap();
    MetricTarget::AverageValue(Quantity::from_milli(milli))
}

fn average_output(made: Result<Proposal, MetricError>) -> Value {
    match made {
        Ok(made) => json!({"replicas": made.replicas, "usageMilli": made.current_milli}),
        Err(error) => json!({"error": error.to_string()}),
    }
}

/// K-14..K-22
pub(crate) fn resource_utilization(input: &Value) -> Value {
    let target = MetricTarget::Utilization(int(&input["targetUtilizationPercent"]));
    match of_pods(input, &resource(input), target) {
        Ok(made) => json!({
            "replicas": made.replicas,
            "rawMilli": made.current_milli,
            "utilizationPercent": made.utilization,
        }),
        Err(error) => json!({"error": error.to_string()}),
    }
}

/// K-14..K-22
pub(crate) fn resource_average_value(input: &Value) -> Value {
    average_output(of_pods(input, &resource(input), average(input)))
}

/// K-14..K-22
pub(crate) fn pods_average_value(input: &Value) -> Value {
    let source = MetricSource::Pods {
        name: "queries".into(),
    };
    average_output(of_pods(input, &source, average(input)))
}

/// K-23
pub(crate) fn multi_metric(input: &Value) -> Value {
    let counts = Counts::new(
        int(&input["specReplicas"]),
        int(&input["statusReplicas"]),
        int(&input["readyPods"]),
        int(&input["readyPods"]),
    );
    let controller = input["controllerTolerance"].as_f64().unwrap();
    let tolerance = tolerance(behavior(input).as_ref(), controller);
    let metrics = input["metrics"].as_array().unwrap();
    let outcomes: Vec<MetricOutcome> = metrics
        .iter()
        .map(|metric| {
            let target = target(metric);
            let spec = MetricSpec::external(metric["name"].as_str().unwrap(), target);
            let made = match metric["valueMilli"].as_i64() {
                Some(value) => proposal::external(&[value], target, tolerance, counts),
                None => Err(MetricError::Source("no".to_owned())),
            };
            MetricOutcome::new(spec, made)
        })
        .collect();
    let joined = join(&outcomes, counts.spec);
    json!({
        "failed": joined.desired.is_none(),
        "partialError": joined.desired.is_some() && joined.some_failed,
        "replicas": joined.desired.unwrap_or(-1),
    })
}

/// K-25..K-34
pub(crate) fn normalized(input: &Value) -> Value {
    let mut history = History::default();
    let list = |field: &str| input[field].as_array().cloned().unwrap_or_default();
    for each in list("recommendations") {
        let made = Recommendation::new(ago(&each["secondsAgo"]), int(&each["recommendation"]));
        history.recommendations.push(made);
    }
    let event =
        |each: &Value| ScaleEvent::new(ago(&each["secondsAgo"]), int(&each["replicaChange"]));
    history.scale_ups = list("scaleUpEvents").iter().map(event).collect();
    history.scale_downs = list("scaleDownEvents").iter().map(event).collect();
    let bounds = Bounds::new(
        int(&input["minReplicas"]),
        int(&input["maxReplicas"]),
        span(&input["controllerDownscaleWindowSeconds"]),
    );
    let made = normalize(
        behavior(input).as_ref(),
        &mut history,
        bounds,
        int(&input["currentReplicas"]),
        int(&input["metricDesiredReplicas"]),
        now(),
    );
    let limited = made.scaling_limited != ScalingLimited::DesiredWithinRange;
    let status = if limited { "True" } else { "False" };
    json!({
        "replicas": made.replicas,
        "ableToScale": format!("True:{:?}", made.able_to_scale),
        "scalingLimited": format!("{status}:{:?}", made.scaling_limited),
    })
}

/// K-24..K-35
pub(crate) fn sequence(input: &Value) -> Value {
    let mut autoscaler = HorizontalPodAutoscaler::new(
        "default",
        "case",
        int(&input["minReplicas"]),
        int(&input["maxReplicas"]),
    );
    autoscaler.behavior = behavior(input);
    autoscaler.metrics = vec![MetricSpec::external("m", target(input))];
    let mut settings = Settings::default();
    settings.sync_period = span(&input["syncPeriodSeconds"]);
    settings.downscale_stabilization = span(&input["controllerDownscaleWindowSeconds"]);
    settings.tolerance = input["controllerTolerance"].as_f64().unwrap();
    let mut state = HpaState::default();
    let mut replicas = int(&input["startReplicas"]);
    let mut steps = Vec::new();
    let mut at = now();
    for value in input["valuesMilli"].as_array().unwrap() {
        let mut read = |_: usize, _: &MetricSpec| match value.as_i64() {
            Some(value) => Ok(MetricValue::Values(vec![value])),
            None => Err(MetricError::Source("no".to_owned())),
        };
        let mut reads = Reads {
            counts: Counts::settled(replicas),
            pods: &[],
            metric: &mut read,
        };
        let made: hpa::Sync = sync(&autoscaler, &settings, &mut state, &mut reads, at);
        replicas = made.replicas;
        let mut step = json!({"t": at.since(now()).as_millis() / 1_000, "replicas": replicas});
        if let Some(normalized) = &made.normalized {
            step["metricDesired"] = normalized.desired.into();
        }
        if made.path == Path::MetricsFailed {
            step["error"] = true.into();
        }
        steps.push(step);
        at = at.plus(settings.sync_period);
    }
    json!({"steps": steps})
}
