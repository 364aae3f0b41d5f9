//! Objects with every field set, for the round trip of a snapshot. The struct literals name all fields, so that a new one
//! does not compile until it is covered here.

use std::collections::BTreeMap;

use super::ObjectRef;
use super::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget, PolicyKind,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use super::keda::{
    Fallback, FallbackBehavior, JobStrategy, MultipleScalers, ScaledJob, ScaledObject,
    ScalingModifiers,
};
use super::samples::{
    AutoscalerKind, ContainerSample, JobCounts, MetricKey, MetricSample, MetricSamples, PodSample,
    Reading, ReadyStatus, Real, ReplicaCounts,
};
use super::trigger::{MetricType, Scaler, Trigger};
use crate::base::time::{Span, Timestamp};
use crate::model::pod::PodPhase;
use crate::model::resources::{Name, ResourceList};

fn resources(cpu: &str) -> ResourceList {
    [("cpu", cpu.parse().unwrap())].into_iter().collect()
}

fn reference() -> ObjectRef {
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "web".into(),
    }
}

fn rules(select: SelectPolicy) -> ScalingRules {
    ScalingRules {
        stabilization_window_seconds: Some(0),
        select_policy: Some(select),
        policies: Some(vec![
            ScalingPolicy {
                kind: PolicyKind::Pods,
                value: 4,
                period_seconds: 15,
            },
            ScalingPolicy::new(PolicyKind::Percent, 100, 60),
        ]),
        tolerance: Some("50m".parse().unwrap()),
    }
}

fn behavior() -> Behavior {
    Behavior {
        scale_up: Some(rules(SelectPolicy::Min)),
        scale_down: Some(rules(SelectPolicy::Disabled)),
    }
}

pub(in crate::model) fn hpa() -> HorizontalPodAutoscaler {
    let average = MetricTarget::AverageValue("1500m".parse().unwrap());
    let name: Name = "cpu".into();
    let metric = |source, target| MetricSpec { source, target };
    HorizontalPodAutoscaler {
        namespace: "ns".into(),
        name: "web".into(),
        target: reference(),
        min_replicas: 0,
        max_replicas: 9,
        metrics: vec![
            metric(
                MetricSource::Resource { name: name.clone() },
                MetricTarget::Utilization(60),
            ),
            metric(
                MetricSource::ContainerResource {
                    name: name.clone(),
                    container: "app".into(),
                },
                average,
            ),
            metric(MetricSource::Pods { name: name.clone() }, average),
            metric(
                MetricSource::Object {
                    name: name.clone(),
                    described_object: reference(),
                },
                MetricTarget::Value("2".parse().unwrap()),
            ),
            metric(MetricSource::External { name }, average),
        ],
        behavior: Some(behavior()),
        current_replicas: Some(3),
        desired_replicas: Some(0),
        scaled_to_zero: true,
    }
}

fn triggers() -> Vec<Trigger> {
    let scalers = [
        Scaler::SqsQueue {
            queue_url: "q".into(),
            queue_length: 5,
            activation_queue_length: -1,
            scale_on_in_flight: false,
            scale_on_delayed: true,
        },
        Scaler::CloudWatch {
            target_metric_value: 2.5,
            activation_target_metric_value: 0.1,
            min_metric_value: -3.0,
            ignore_null_values: false,
        },
        Scaler::Prometheus {
            threshold: 0.001,
            activation_threshold: 1e300,
            ignore_null_values: true,
        },
        Scaler::Cron {
            start: "0 8 * * mon".parse().unwrap(),
            end: "*/5 9 1,2 * *".parse().unwrap(),
            timezone: "Asia/Kolkata".parse().unwrap(),
            desired_replicas: 3,
        },
        Scaler::Resource {
            resource: "memory".into(),
            container: Some("app".into()),
            target: MetricTarget::AverageValue("2Gi".parse().unwrap()),
        },
        Scaler::Other {
            scaler: "kafka".into(),
        },
    ];
    let numbered = scalers.into_iter().enumerate();
    numbered
        .map(|(place, scaler)| Trigger {
            name: Some(format!("t{place}").into()),
            scaler,
            metric_type: MetricType::Value,
            use_cached_metrics: true,
        })
        .collect()
}

pub(in crate::model) fn scaled_object() -> ScaledObject {
    ScaledObject {
        namespace: "ns".into(),
        name: "chat".into(),
        created: Some(Timestamp::from_millis(1_000)),
        annotations: [("autoscaling.keda.sh/paused", "true")]
            .into_iter()
            .collect(),
        target: reference(),
        polling_interval: Span::from_secs(10),
        cooldown_period: Span::from_secs(20),
        initial_cooldown_period: Span::from_secs(40),
        min_replica_count: Some(0),
        max_replica_count: Some(50),
        idle_replica_count: Some(0),
        triggers: triggers(),
        fallback: Some(Fallback {
            failure_threshold: 3,
            replicas: 0,
            behavior: FallbackBehavior::CurrentReplicasIfLower,
        }),
        modifiers: Some(ScalingModifiers {
            formula: "t0 ?? t1".parse().unwrap(),
            target: 5.0,
            target_is_whole: false,
            activation_target: -1.5,
            metric_type: MetricType::Value,
        }),
        behavior: Some(behavior()),
        hpa_name: Some("own".into()),
        restore_to_original_replica_count: true,
        last_active_time: Some(Timestamp::from_millis(2_000)),
        original_replica_count: Some(0),
        failures: BTreeMap::from([("s0-aws-sqs-q".into(), 2)]),
    }
}

pub(in crate::model) fn scaled_job(strategy: JobStrategy) -> ScaledJob {
    ScaledJob {
        namespace: "ns".into(),
        name: "batch".into(),
        annotations: [("a", "b")].into_iter().collect(),
        polling_interval: Span::from_secs(5),
        min_replica_count: Some(1),
        max_replica_count: Some(20),
        triggers: triggers(),
        strategy,
        calculation: MultipleScalers::Avg,
    }
}

pub(in crate::model) fn samples() -> MetricSamples {
    let readings = [
        Reading::Value(Real::new(f64::NEG_INFINITY)),
        Reading::Values(vec!["500m".parse().unwrap()]),
        Reading::Queue {
            visible: Some(1),
            in_flight: None,
            delayed: Some(0),
        },
        Reading::NoData,
        Reading::Series(vec![None, Some(Real::new(0.1))]),
        Reading::Error("timeout".into()),
    ];
    let mut metrics: Vec<MetricSample> = (0..)
        .zip(readings)
        .map(|(place, reading)| MetricSample {
            of: MetricKey::Index(place),
            reading,
        })
        .collect();
    metrics.push(MetricSample::new(
        MetricKey::Name("a".into()),
        Reading::NoData,
    ));
    MetricSamples {
        namespace: "ns".into(),
        name: "now".into(),
        autoscaler_kind: AutoscalerKind::HorizontalPodAutoscaler,
        autoscaler: "web".into(),
        replicas: ReplicaCounts {
            spec: Some(4),
            status: Some(3),
            ready: Some(0),
            pods: Some(5),
        },
        jobs: JobCounts {
            running: 3,
            pending: 1,
        },
        metrics,
        pods: vec![PodSample {
            name: "web-0".into(),
            phase: Some(PodPhase::Failed),
            deleting: Some(false),
            ready: Some(ReadyStatus::Unknown),
            ready_since: Some(Timestamp::from_millis(3_000)),
            started: Some(Timestamp::from_millis(4_000)),
            requests: resources("1"),
            containers: vec![ContainerSample {
                name: "app".into(),
                requests: resources("2"),
                usage: resources("300m"),
            }],
            metrics: BTreeMap::from([("queries".into(), "7".parse().unwrap())]),
            time: Some(Timestamp::from_millis(5_000)),
            window: Some(Span::from_secs(30)),
        }],
    }
}
