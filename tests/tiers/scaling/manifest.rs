//! Autoscalers and samples in manifests: what is read, what is refused, and the way back.

use serde_json::{Value, json};
use tetrapod::manifest::{export, snapshot_from_str};
use tetrapod::model::autoscaling::hpa::{MetricSource, MetricTarget};
use tetrapod::model::autoscaling::keda::{FallbackBehavior, JobStrategy};
use tetrapod::model::autoscaling::samples::{MetricKey, Reading, Real};
use tetrapod::model::autoscaling::trigger::Scaler;
use tetrapod::model::cluster::Snapshot;
use tetrapod::scaling::survey::States;
use tetrapod::scaling::{Settings, survey};

use super::at;

/// Reads `items`, and checks that what was read survives being written, as manifests and as serde's form.
fn snapshot(items: &[Value]) -> Snapshot {
    let text = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let read = snapshot_from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut out = Vec::new();
    export::write(&read, &mut out).unwrap();
    let again = snapshot_from_str(std::str::from_utf8(&out).unwrap());
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")), read);
    let serde = serde_json::to_string(&read).unwrap();
    let again = snapshot_from_str(&serde);
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")), read);
    read
}

fn hpa(spec: Value) -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn scaled_object(spec: Value) -> Value {
    json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "chat", "namespace": "ml", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec})
}

fn queue() -> Value {
    json!({"type": "aws-sqs-queue", "metadata": {"queueURL": "work", "awsRegion": "us-east-1"}})
}

#[test]
fn an_hpa_has_an_api_servers_defaults_k2() {
    let read = snapshot(&[hpa(
        json!({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}),
    )]);
    let hpa = &read.horizontal_pod_autoscalers[0];
    assert_eq!((hpa.min_replicas, hpa.max_replicas), (1, 5));
    assert_eq!(hpa.metrics.len(), 1);
    assert_eq!(&**hpa.metrics[0].source.name(), "cpu");
    assert_eq!(hpa.metrics[0].target, MetricTarget::Utilization(80));
    assert_eq!(hpa.behavior, None);
}

#[test]
fn every_kind_of_metric_and_the_whole_behavior_are_read() {
    let average = json!({"type": "AverageValue", "averageValue": "500m"});
    let read = snapshot(&[hpa(
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 0, "maxReplicas": 5,
        "metrics": [
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "app", "target": average}},
            {"type": "Pods", "pods": {"metric": {"name": "queries"}, "target": average}},
            {"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": {"kind": "Ingress", "name": "main"}, "target": {"type": "Value", "value": "2k"}}},
            {"type": "External", "external": {"metric": {"name": "queue", "selector": {}}, "target": average}}],
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "tolerance": "50m",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
            "scaleDown": {"selectPolicy": "Disabled"}}}),
    )]);
    let hpa = &read.horizontal_pod_autoscalers[0];
    assert!(
        matches!(&hpa.metrics[3].source, MetricSource::Object { described_object, .. } if &*described_object.name == "main")
    );
    assert_eq!(
        hpa.metrics[3].target,
        MetricTarget::Value("2000".parse().unwrap())
    );
    let up = hpa.behavior.as_ref().unwrap().scale_up.as_ref().unwrap();
    assert_eq!(up.policies.as_ref().unwrap()[0].period_seconds, 15);
    // Status tells the count and the zero.
    let mut with_status = self::hpa(json!({"scaleTargetRef": {"name": "web"}, "maxReplicas": 5}));
    with_status["status"] = json!({"currentReplicas": 3, "desiredReplicas": 4,
        "conditions": [{"type": "ScaledToZero", "status": "True"}]});
    let read = snapshot(&[with_status]);
    let hpa = &read.horizontal_pod_autoscalers[0];
    assert_eq!(
        (hpa.current_replicas, hpa.desired_replicas),
        (Some(3), Some(4))
    );
    assert!(hpa.scaled_to_zero);
}

#[test]
fn a_scaled_object_is_read_whole_k45() {
    let bare = scaled_object(json!({"scaleTargetRef": {"name": "chat"}, "triggers": [queue()]}));
    let read = snapshot(&[bare]);
    let object = &read.scaled_objects[0];
    assert_eq!(object.polling_interval.to_string(), "30s");
    assert_eq!(object.cooldown_period.to_string(), "5m");
    assert_eq!((object.min_replica_count, object.fallback), (None, None));
    assert!(matches!(
        object.triggers[0].scaler,
        Scaler::SqsQueue {
            queue_length: 5,
            scale_on_in_flight: true,
            scale_on_delayed: false,
            ..
        }
    ));

    let mut full = scaled_object(
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "chat"},
        "pollingInterval": 10, "cooldownPeriod": 60, "initialCooldownPeriod": 5, "minReplicaCount": 2, "maxReplicaCount": 9, "idleReplicaCount": 0,
        "fallback": {"failureThreshold": 3, "replicas": 4, "behavior": "currentReplicasIfHigher"},
        "advanced": {"restoreToOriginalReplicaCount": true,
            "horizontalPodAutoscalerConfig": {"name": "own", "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
            "scalingModifiers": {"formula": "a > 1 ? a + b : c", "target": "10", "activationTarget": "0.5", "metricType": "Value"}},
        "triggers": [
            {"type": "aws-cloudwatch", "name": "a", "metricType": "Value", "useCachedMetrics": true,
                "metadata": {"targetMetricValue": "2.5", "minMetricValue": "0", "activationTargetMetricValue": "1", "ignoreNullValues": "f"}},
            {"type": "prometheus", "name": "b", "metadata": {"serverAddress": "http://p", "query": "up", "threshold": "1e2", "activationThreshold": "-2"}},
            {"type": "cron", "name": "c", "metadata": {"start": "0 8 * * 1-5", "end": "0 18 * * mon-fri", "timezone": "Europe/Berlin", "desiredReplicas": "3"}},
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "2Gi", "containerName": "app"}},
            {"type": "kafka", "name": "d", "metadata": {"lagThreshold": "5"}}]}),
    );
    full["metadata"]["annotations"] = json!({"autoscaling.keda.sh/paused-scale-in": "true"});
    full["status"] = json!({"lastActiveTime": "2026-01-01T00:00:00Z", "originalReplicaCount": 2,
        "health": {"s0-aws-cloudwatch": {"numberOfFailures": 2, "status": "Failing"}}});
    let read = snapshot(&[full]);
    let object = &read.scaled_objects[0];
    assert_eq!(
        object.fallback.unwrap().behavior,
        FallbackBehavior::CurrentReplicasIfHigher
    );
    let modifiers = object.modifiers.as_ref().unwrap();
    assert_eq!(modifiers.formula.text(), "a > 1 ? a + b : c");
    assert!(modifiers.target_is_whole);
    assert_eq!(object.triggers.len(), 6);
    assert_eq!(object.triggers[5].scaler.kind(), "kafka");
    assert_eq!(object.failures.get("s0-aws-cloudwatch"), Some(&2));
    assert_eq!(&*object.hpa_name(), "own");
}

#[test]
fn a_target_with_a_point_is_kept_apart_from_a_whole_one_k71() {
    let of = |target: &str| {
        let mut trigger = queue();
        trigger["name"] = "a".into();
        let read = snapshot(&[scaled_object(
            json!({"scaleTargetRef": {"name": "chat"}, "triggers": [trigger],
            "advanced": {"scalingModifiers": {"formula": "a", "target": target}}}),
        )]);
        let modifiers = read.scaled_objects[0].modifiers.clone().unwrap();
        (modifiers.target, modifiers.target_is_whole)
    };
    assert_eq!(of("5"), (5.0, true));
    assert_eq!(of("5.0"), (5.0, false));
    assert_eq!(of("2.5"), (2.5, false));
    assert_eq!(of("5e0"), (5.0, false));
}

#[test]
fn a_scaled_job_is_read_whole_k83() {
    let read = snapshot(&[
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "batch"},
        "spec": {"jobTargetRef": {}, "pollingInterval": 10, "minReplicaCount": 1, "maxReplicaCount": 20, "triggers": [queue()],
            "scalingStrategy": {"strategy": "custom", "customScalingQueueLengthDeduction": 2, "customScalingRunningJobPercentage": "0.5", "multipleScalersCalculation": "sum"}}}),
    ]);
    let job = &read.scaled_jobs[0];
    let custom = JobStrategy::Custom {
        queue_length_deduction: 2,
        running_job_percentage: 0.5,
    };
    assert_eq!((job.strategy, job.most_jobs()), (custom, 19));
}

#[test]
fn samples_are_read_whole() {
    let read = snapshot(&[
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "MetricSamples", "metadata": {"name": "now", "namespace": "ml"},
        "autoscaler": {"kind": "ScaledObject", "name": "chat"},
        "replicas": {"spec": 4, "status": 4, "ready": 3, "pods": 5}, "jobs": {"running": 3, "pending": 1},
        "metrics": [
            {"index": 0, "queue": {"visible": 12, "inFlight": 3}},
            {"name": "b", "value": 2.5}, {"name": "c", "value": "NaN"}, {"index": 3, "values": ["500m", 2]},
            {"index": 4, "noData": true}, {"index": 5, "series": [1, null, "+Inf"]}, {"index": 6, "error": "timeout"}],
        "pods": [{"name": "chat-0", "phase": "Running", "deleting": false, "ready": "True", "readySince": "2026-01-01T00:00:00Z",
            "startTime": "2026-01-01T00:00:00Z", "requests": {"cpu": "2"}, "metrics": {"queries": "5"}, "time": "2026-01-01T00:05:00Z", "window": "30s",
            "containers": [{"name": "app", "requests": {"cpu": "1"}, "usage": {"cpu": "700m"}}]}]}),
    ]);
    let samples = &read.metric_samples[0];
    assert_eq!(samples.replicas.ready, Some(3));
    assert_eq!(
        samples.metrics[2].reading,
        Reading::Value(Real::new(f64::NAN))
    );
    assert_eq!(samples.metrics[1].of, MetricKey::Name("b".into()));
    assert_eq!(
        samples.pods[0].containers[0].usage.amount("cpu"),
        "700m".parse().unwrap()
    );
    // M-17: the time of the newest sample.
    assert_eq!(read.options.now.unwrap(), at(300));
}

/// The paths of the faults of one object.
fn faults(item: &Value) -> Vec<String> {
    match snapshot_from_str(&item.to_string()) {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert!(error.faults.iter().all(|fault| !fault.accepted.is_empty()));
            error.faults.into_iter().map(|fault| fault.path).collect()
        }
    }
}

#[test]
fn what_an_api_server_refuses_is_a_fault_with_its_field_k4() {
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut item = hpa(
            json!({"scaleTargetRef": {"name": "web"}, "maxReplicas": 5, "behavior": {"scaleUp": {}},
            "metrics": [{"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": 1}}}]}),
        );
        edit(&mut item["spec"]);
        faults(&item)
    };
    assert_eq!(with(&|_| {}), Vec::<String>::new());
    let cases: [(&str, Edit); 15] = [
        ("spec.maxReplicas", |spec| spec["maxReplicas"] = Value::Null),
        ("spec.maxReplicas", |spec| spec["minReplicas"] = 6.into()),
        ("spec.minReplicas", |spec| spec["minReplicas"] = (-1).into()),
        ("spec.minReplicas", |spec| {
            spec["metrics"] = Value::Null;
            spec["minReplicas"] = 0.into();
        }),
        ("spec.scaleTargetRef.name", |spec| {
            spec["scaleTargetRef"] = json!({})
        }),
        ("spec.metrics[0].type", |spec| {
            spec["metrics"][0]["type"] = "Cloud".into()
        }),
        ("spec.metrics[0].external.target.type", |spec| {
            spec["metrics"][0]["external"]["target"]["type"] = "Utilization".into();
        }),
        ("spec.metrics[0].external.target.value", |spec| {
            spec["metrics"][0]["external"]["target"]["value"] = 0.into();
        }),
        ("spec.metrics[0].external.metric.name", |spec| {
            spec["metrics"][0]["external"]["metric"] = json!({});
        }),
        ("spec.behavior.scaleUp.stabilizationWindowSeconds", |spec| {
            spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"] = 3_601.into();
        }),
        ("spec.behavior.scaleUp.policies", |spec| {
            spec["behavior"]["scaleUp"]["policies"] = json!([]);
        }),
        ("spec.behavior.scaleUp.policies[0].periodSeconds", |spec| {
            spec["behavior"]["scaleUp"]["policies"] =
                json!([{"type": "Pods", "value": 1, "periodSeconds": 1_801}]);
        }),
        ("spec.behavior.scaleUp.policies[0].value", |spec| {
            spec["behavior"]["scaleUp"]["policies"] =
                json!([{"type": "Pods", "value": 0, "periodSeconds": 60}]);
        }),
        ("spec.behavior.scaleUp.selectPolicy", |spec| {
            spec["behavior"]["scaleUp"]["selectPolicy"] = "Most".into();
        }),
        ("spec.behavior.scaleUp.tolerance", |spec| {
            spec["behavior"]["scaleUp"]["tolerance"] = "-100m".into();
        }),
    ];
    for (path, edit) in cases {
        assert_eq!(with(&edit), [path]);
    }
}

/// The faults of a sound ScaledObject after `edit`.
fn edited(edit: &dyn Fn(&mut Value)) -> Vec<String> {
    let mut trigger = queue();
    trigger["name"] = "a".into();
    let spec = json!({"scaleTargetRef": {"name": "chat"}, "triggers": [trigger], "advanced": {}});
    let mut item = scaled_object(spec);
    edit(&mut item["spec"]);
    faults(&item)
}

type Edit = fn(&mut Value);

#[test]
fn what_keda_refuses_is_a_fault_with_its_field_k46_k47_k58_k71() {
    assert_eq!(edited(&|_| {}), Vec::<String>::new());
    let cpu = || json!({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}});
    assert_eq!(
        edited(&|spec| spec["triggers"] = json!([cpu()])),
        ["spec.minReplicaCount"]
    );
    let only_cpu = edited(&|spec| {
        spec["triggers"] = json!([cpu()]);
        spec["minReplicaCount"] = 1.into();
        spec["fallback"] = json!({"failureThreshold": 1, "replicas": 1});
    });
    assert_eq!(only_cpu, ["spec.fallback"]);
    let cases: [(&str, Edit); 20] = [
        ("spec.triggers", |spec| spec["triggers"] = json!([])),
        ("spec.triggers[0].type", |spec| {
            spec["triggers"][0]["type"] = "".into()
        }),
        ("spec.triggers[1].name", |spec| {
            spec["triggers"] = json!([spec["triggers"][0], spec["triggers"][0]])
        }),
        ("spec.minReplicaCount", |spec| {
            spec["minReplicaCount"] = 101.into()
        }),
        ("spec.idleReplicaCount", |spec| {
            spec["idleReplicaCount"] = 0.into()
        }),
        ("spec.pollingInterval", |spec| {
            spec["pollingInterval"] = 0.into()
        }),
        ("spec.fallback.replicas", |spec| {
            spec["fallback"] = json!({"failureThreshold": 1})
        }),
        (
            "spec.fallback.behavior",
            |spec| {
                spec["fallback"] = json!({"failureThreshold": 1, "replicas": 1, "behavior": "best"})
            },
        ),
        ("spec.triggers[0].metadata.queueURL", |spec| {
            spec["triggers"][0]["metadata"] = json!({})
        }),
        ("spec.triggers[0].metadata.queueLength", |spec| {
            spec["triggers"][0]["metadata"]["queueLength"] = "0".into()
        }),
        ("spec.triggers[0].metadata.scaleOnDelayed", |spec| {
            spec["triggers"][0]["metadata"]["scaleOnDelayed"] = "maybe".into()
        }),
        ("spec.triggers[0].metadata.queueLength", |spec| {
            spec["triggers"][0]["metadata"]["queueLength"] = 5.into()
        }),
        ("spec.triggers[0].metricType", |spec| {
            spec["triggers"][0]["metricType"] = "Utilization".into()
        }),
        ("spec.triggers[0].metadata.threshold", |spec| {
            spec["triggers"][0] = json!({"type": "prometheus", "metadata": {"threshold": "0"}})
        }),
        ("spec.triggers[0].metadata.threshold", |spec| {
            spec["triggers"][0] = json!({"type": "prometheus", "metadata": {"threshold": "inf"}})
        }),
        ("spec.triggers[0].metadata.timezone", |spec| {
            spec["triggers"][0] = json!({"type": "cron", "metadata": {"start": "0 8 * * *", "end": "0 9 * * *", "timezone": "Mars", "desiredReplicas": "1"}});
        }),
        ("spec.triggers[0].metadata.end", |spec| {
            spec["triggers"][0] = json!({"type": "cron", "metadata": {"start": "0 8 * * *", "end": "0 8 * * *", "timezone": "UTC", "desiredReplicas": "1"}});
        }),
        ("spec.triggers[0].useCachedMetrics", |spec| {
            spec["triggers"][0] = json!({"type": "cron", "useCachedMetrics": true, "metadata": {"start": "0 8 * * *", "end": "0 9 * * *", "timezone": "UTC", "desiredReplicas": "1"}});
        }),
        ("spec.advanced.scalingModifiers.target", |spec| {
            spec["advanced"] = json!({"scalingModifiers": {"formula": "a", "target": "-1"}})
        }),
        ("spec.advanced.scalingModifiers.target", |spec| {
            spec["advanced"] = json!({"scalingModifiers": {"formula": "a"}})
        }),
    ];
    for (path, edit) in cases {
        assert_eq!(edited(&edit), [path]);
    }
}

#[test]
fn a_formula_that_cannot_be_used_is_a_fault_with_its_column_k77_k78() {
    let modifiers = "spec.advanced.scalingModifiers.formula";
    let formulas: [Edit; 3] = [
        |spec| spec["advanced"] = json!({"scalingModifiers": {"formula": "a +", "target": "1"}}),
        |spec| spec["advanced"] = json!({"scalingModifiers": {"formula": "a + z", "target": "1"}}),
        |spec| {
            spec["triggers"][0]["name"] = Value::Null;
            spec["advanced"] = json!({"scalingModifiers": {"formula": "1", "target": "1"}});
        },
    ];
    for edit in formulas {
        assert_eq!(edited(&edit), [modifiers]);
    }
    let error = snapshot_from_str(
        &scaled_object(
            json!({"scaleTargetRef": {"name": "c"}, "triggers": [{"type": "kafka", "name": "a"}],
        "advanced": {"scalingModifiers": {"formula": "a + * 2", "target": "1"}}}),
        )
        .to_string(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("ScaledObject ml/chat"),
        "{error}"
    );
    assert!(error.to_string().contains("column 5"), "{error}");
}

#[test]
fn samples_that_make_no_sense_are_faults() {
    let with = |field: &str, value: Value| {
        let mut item = json!({"apiVersion": "tetrapod/v1alpha1", "kind": "MetricSamples", "metadata": {"name": "now"},
            "autoscaler": {"kind": "ScaledObject", "name": "chat"}});
        item[field] = value;
        faults(&item)
    };
    assert_eq!(
        with("autoscaler", json!({"kind": "Robot", "name": "x"})),
        ["autoscaler.kind"]
    );
    assert_eq!(with("replicas", json!({"spec": -1})), ["replicas.spec"]);
    assert_eq!(
        with("jobs", json!({"running": 1, "pending": 2})),
        ["jobs.pending"]
    );
    assert_eq!(with("metrics", json!([{"value": 1}])), ["metrics[0]"]);
    assert_eq!(
        with("metrics", json!([{"index": 0, "name": "a", "value": 1}])),
        ["metrics[0]"]
    );
    assert_eq!(
        with("metrics", json!([{"index": 0, "value": 1, "noData": true}])),
        ["metrics[0]"]
    );
    assert_eq!(
        with("metrics", json!([{"index": 0, "value": "much"}])),
        ["metrics[0].value"]
    );
    assert_eq!(
        with("metrics", json!([{"index": 0, "noData": false}])),
        ["metrics[0].noData"]
    );
    assert_eq!(
        with("pods", json!([{"phase": "Running"}])),
        ["pods[0].name"]
    );
    assert_eq!(
        with("pods", json!([{"name": "a", "window": "-1s"}])),
        ["pods[0].window"]
    );
}

#[test]
fn a_survey_joins_objects_samples_pods_and_status() {
    let mut made = hpa(json!({"scaleTargetRef": {"name": "chat"}, "maxReplicas": 100}));
    made["metadata"] = json!({"name": "keda-hpa-chat", "namespace": "ml"});
    made["status"] = json!({"currentReplicas": 3, "desiredReplicas": 4});
    let own =
        hpa(json!({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 10}));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"},
        "spec": {"nodeName": "n", "containers": [{"name": "app", "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": "Running", "startTime": "2025-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:10Z"}]}});
    let samples = json!({"apiVersion": "tetrapod/v1alpha1", "kind": "MetricSamples", "metadata": {"name": "web", "namespace": "shop"},
        "autoscaler": {"kind": "HorizontalPodAutoscaler", "name": "web"}, "replicas": {"spec": 1},
        "pods": [{"name": "web-0", "time": "2026-01-01T00:00:00Z", "containers": [{"name": "app", "usage": {"cpu": "1600m"}}]}]});
    let queue_sample = json!({"apiVersion": "tetrapod/v1alpha1", "kind": "MetricSamples", "metadata": {"name": "chat", "namespace": "ml"},
        "autoscaler": {"kind": "ScaledObject", "name": "chat"}, "metrics": [{"index": 0, "queue": {"visible": 35, "inFlight": 0}}]});
    let unknown = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "lost"},
        "spec": {"scaleTargetRef": {"name": "x"}, "triggers": [queue()]}});
    let read = snapshot(&[
        made,
        own,
        pod,
        samples,
        queue_sample,
        unknown,
        scaled_object(json!({"scaleTargetRef": {"name": "chat"}, "triggers": [queue()]})),
    ]);
    let now = at(0);
    let all = survey(&read, Settings::default(), &States::new(), now);
    let found: Vec<(&str, Option<(i32, i32)>)> = all
        .iter()
        .map(|one| {
            (
                &*one.name,
                one.decision
                    .as_ref()
                    .map(|made| (made.current, made.replicas)),
            )
        })
        .collect();
    // The HPA that KEDA made is not one of its own; its status tells the count.
    assert_eq!(
        found,
        [
            ("lost", None),
            ("chat", Some((4, 7))),
            ("web", Some((1, 2)))
        ]
    );
    assert!(all[0].error.as_ref().unwrap().contains("replicas.spec"));
    assert_eq!(all[1].target, "Deployment/chat");
    // Going on from the states of the survey.
    let states: States = all
        .iter()
        .map(|one| {
            (
                (one.kind, one.namespace.clone(), one.name.clone()),
                one.state.clone(),
            )
        })
        .collect();
    let early = survey(&read, Settings::default(), &states, at(1));
    assert!(early[1].decision.as_ref().unwrap().sync.is_none());
    // A sample for something that is not there.
    let mut wrong = read;
    wrong.metric_samples[1].metrics[0].of = MetricKey::Name("s7-kafka".into());
    let all = survey(&wrong, Settings::default(), &States::new(), now);
    assert!(all[1].error.as_ref().unwrap().contains("s7-kafka"));
    assert!(all[1].error.as_ref().unwrap().contains("s0-aws-sqs-work"));
}
