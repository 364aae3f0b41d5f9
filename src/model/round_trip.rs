//! A snapshot with every field of every object set reads back from JSON as itself. The struct literals name all fields,
//! so that a new field does not compile until it is covered here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::affinity::{
    Affinity, NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, PreferredNodeTerm,
    TopologySpreadConstraint, WeightedPodAffinityTerm, WhenUnsatisfiable,
};
use super::autoscaling::full;
use super::autoscaling::keda::{JobStrategy, ScaledJob, ScaledObject};
use super::cluster::Snapshot;
use super::hyperpod::{
    HyperpodCluster, HyperpodNodeClass, InstanceGroup, InstanceGroupStatus, Subnet,
};
use super::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use super::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator};
use super::node::{Condition, Node};
use super::node_claim::NodeClaim;
use super::node_pool::{Budget, ConsolidationPolicy, NodeClassRef, NodePool};
use super::options::{
    Effort, FeatureGates, Forecast, LimitGroup, MinValuesPolicy, Options, PreferencePolicy, Quotas,
};
use super::overlay::{NodeOverlay, PriceChange};
use super::pod::{
    Container, HostPort, OwnerReference, Pod, PodPhase, PodSpec, PodStatusDetail, PreemptionPolicy,
    Protocol,
};
use super::policy::{DaemonSet, IntOrPercent, Namespace, PodDisruptionBudget, PodGroup};
use super::requirement::{Operator, RequirementSpec};
use super::resources::{Name, ResourceList};
use super::taint::{Taint, TaintEffect, Toleration, TolerationOperator};
use super::volume::{
    ClaimPhase, CsiNode, PersistentVolume, PersistentVolumeClaim, PodVolume, StorageClass,
};
use super::workload::{CapacityBuffer, PodTemplate, ScalableRef, Workload, WorkloadKind};
use crate::base::time::{Span, Timestamp};

fn name(text: &str) -> Name {
    Name::from(text)
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn time(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(seconds * 1_000 + 7))
}

fn labels(value: &str) -> Labels {
    [("example.com/a", value), ("b", "")].into_iter().collect()
}

fn resources(cpu: &str) -> ResourceList {
    [("cpu", cpu), ("memory", "1.5Gi"), ("example.com/x", "-3")]
        .into_iter()
        .map(|(name, text)| (name, text.parse().unwrap()))
        .collect()
}

fn requirements(key: &str) -> Vec<RequirementSpec> {
    vec![
        RequirementSpec {
            key: name(key),
            operator: Operator::In,
            values: names(&["b", "a"]),
            min_values: Some(2),
        },
        RequirementSpec::new("z", Operator::DoesNotExist, [""; 0]),
    ]
}

fn taints(key: &str) -> Vec<Taint> {
    vec![
        Taint::new(key, "v", TaintEffect::PreferNoSchedule),
        Taint::new(key, "", TaintEffect::NoExecute),
    ]
}

fn conditions() -> Vec<Condition> {
    vec![Condition {
        kind: name("Ready"),
        status: name("True"),
        reason: name("KubeletReady"),
        message: name("says \"fine\""),
        last_transition: time(5),
    }]
}

fn selector(value: &str) -> LabelSelector {
    LabelSelector::new(vec![
        SelectorExpression::new("app", SelectorOperator::NotIn, names(&[value])),
        SelectorExpression::new("tier", SelectorOperator::Exists, Vec::new()),
    ])
}

fn node_term(key: &str) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_expressions: requirements(key),
        match_fields: vec![RequirementSpec::new("metadata.name", Operator::In, ["n1"])],
    }
}

fn pod_term(key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: Some(selector("x")),
        namespaces: names(&["ns"]),
        namespace_selector: Some(LabelSelector::default()),
        topology_key: name(key),
        match_label_keys: names(&["hash"]),
        mismatch_label_keys: names(&["tenant"]),
    }
}

fn weighted(weight: u32) -> Vec<WeightedPodAffinityTerm> {
    vec![WeightedPodAffinityTerm {
        weight,
        pod_affinity_term: pod_term("zone"),
    }]
}

fn container(called: &str) -> Container {
    Container {
        name: name(called),
        requests: resources("250m"),
        limits: resources("1"),
        host_ports: vec![HostPort {
            ip: name("10.0.0.1"),
            port: 8080,
            protocol: Protocol::Sctp,
        }],
        restart_always: true,
        uses_claims: true,
    }
}

fn pod_spec() -> PodSpec {
    PodSpec {
        containers: vec![container("app"), Container::default()],
        init_containers: vec![container("init")],
        overhead: resources("10m"),
        pod_requests: resources("3"),
        pod_limits: resources("4"),
        node_selector: labels("selected"),
        affinity: Affinity {
            node_required: Some(vec![node_term("one"), NodeSelectorTerm::default()]),
            node_preferred: vec![PreferredNodeTerm {
                weight: 7,
                preference: node_term("two"),
            }],
            pod_required: vec![pod_term("host")],
            pod_preferred: weighted(1),
            anti_required: vec![pod_term("rack")],
            anti_preferred: weighted(100),
        },
        tolerations: vec![
            Toleration {
                key: Some(name("k")),
                operator: TolerationOperator::Gt,
                value: name("5"),
                effect: Some(TaintEffect::NoExecute),
                toleration_seconds: Some(300),
            },
            Toleration::everything(),
        ],
        topology_spread: vec![TopologySpreadConstraint {
            max_skew: 2,
            topology_key: name("zone"),
            when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
            label_selector: Some(selector("y")),
            match_label_keys: names(&["hash"]),
            min_domains: Some(3),
            node_affinity_policy: NodeInclusionPolicy::Ignore,
            node_taints_policy: NodeInclusionPolicy::Honor,
        }],
        volumes: vec![
            PodVolume::Claim(name("data")),
            PodVolume::Ephemeral(name("scratch")),
        ],
        scheduling_gates: names(&["wait"]),
        priority: -5,
        priority_class_name: Some(name("low")),
        preemption_policy: PreemptionPolicy::Never,
        scheduler_name: Some(name("other")),
        termination_grace_period_seconds: Some(0),
        resource_claims: names(&["gpu"]),
    }
}

fn pod() -> Pod {
    Pod {
        namespace: name("ns"),
        name: name("p"),
        uid: name("u1"),
        created: time(1),
        deleted: time(2),
        node_name: Some(name("n1")),
        phase: PodPhase::Unknown,
        labels: Arc::new(labels("l")),
        annotations: Arc::new(labels("a")),
        owners: Arc::new(vec![OwnerReference {
            api_version: name("apps/v1"),
            kind: name("ReplicaSet"),
            name: name("rs"),
            uid: name("u2"),
            controller: true,
        }]),
        spec: Arc::new(pod_spec()),
        detail: Some(Box::new(PodStatusDetail {
            nominated_node: Some(name("n2")),
            start_time: time(3),
            ready_since: time(4),
            ready: true,
            unready: true,
            actuated: vec![(name("app"), resources("2"))],
            resize_infeasible: true,
        })),
    }
}

fn node() -> Node {
    Node {
        name: name("n1"),
        uid: name("u3"),
        created: time(1),
        deleted: time(2),
        labels: labels("node"),
        annotations: labels("noted"),
        provider_id: Some(name("aws:///x")),
        taints: taints("t"),
        unschedulable: true,
        capacity: resources("8"),
        allocatable: resources("7"),
        conditions: conditions(),
    }
}

fn node_claim() -> NodeClaim {
    NodeClaim {
        name: name("c1"),
        uid: name("u4"),
        created: time(1),
        deleted: time(2),
        labels: labels("claim"),
        annotations: labels("noted"),
        node_class: name("class"),
        requirements: requirements("zone"),
        requests: resources("3"),
        taints: taints("t"),
        startup_taints: taints("s"),
        expire_after: Some(Span::from_secs(720 * 3600)),
        termination_grace_period: Some(Span::ZERO),
        node_name: Some(name("n1")),
        provider_id: Some(name("aws:///x")),
        capacity: resources("8"),
        allocatable: resources("7"),
        conditions: conditions(),
        last_pod_event: time(9),
    }
}

fn node_pool(policy: ConsolidationPolicy) -> NodePool {
    NodePool {
        name: name("pool"),
        uid: name("u5"),
        deleted: time(2),
        labels: labels("pool"),
        annotations: labels("noted"),
        template_labels: labels("template"),
        template_annotations: labels("template-noted"),
        node_class_ref: NodeClassRef {
            group: name("g"),
            kind: name("K"),
            name: name("class"),
        },
        requirements: requirements("zone"),
        taints: taints("t"),
        startup_taints: taints("s"),
        expire_after: Some(Span::from_secs(60)),
        termination_grace_period: Some(Span::from_millis(1_500)),
        limits: resources("100"),
        weight: 50,
        replicas: Some(0),
        consolidation_policy: policy,
        consolidate_after: Some(Span::from_secs(30)),
        budgets: vec![Budget {
            nodes: name("10%"),
            reasons: Some(names(&["Empty"])),
            schedule: Some(name("0 9 * * 1-5")),
            duration: Some(Span::from_secs(8 * 3600)),
        }],
        conditions: conditions(),
    }
}

fn node_class() -> HyperpodNodeClass {
    HyperpodNodeClass {
        name: name("class"),
        uid: name("u6"),
        deleted: time(2),
        instance_groups: names(&["group"]),
        conditions: conditions(),
        status_groups: Some(vec![InstanceGroupStatus {
            name: name("group"),
            instance_types: names(&["ml.g5.xlarge"]),
            subnets: vec![Subnet {
                id: name("subnet-1"),
                zone: name("us-east-1a"),
                zone_id: name("use1-az1"),
            }],
            spot: true,
            desired_labels: labels("desired"),
            desired_taints: taints("d"),
        }]),
    }
}

fn cluster() -> HyperpodCluster {
    HyperpodCluster {
        name: name("cluster"),
        arn: name("arn:1"),
        status: name("InService"),
        autoscaling_mode: Some(name("Enable")),
        autoscaler_type: Some(name("Karpenter")),
        autoscaling_status: Some(name("Failed")),
        autoscaling_failure: Some(name("why")),
        node_provisioning_mode: Some(name("Continuous")),
        node_recovery: Some(name("Automatic")),
        cluster_role: Some(name("arn:2")),
        eks_cluster_arn: Some(name("arn:3")),
        instance_groups: vec![InstanceGroup {
            name: name("group"),
            status: name("InService"),
            current_count: 1,
            target_count: 2,
            min_count: 3,
            instance_types: names(&["ml.g5.xlarge", "ml.g5.2xlarge"]),
            flexible: true,
            spot: true,
            threads_per_core: Some(1),
            subnet_ids: names(&["subnet-1"]),
            desired_labels: labels("desired"),
            desired_taints: taints("d"),
            training_plan: Some(name("arn:4")),
            deep_health_checks: names(&["InstanceStress"]),
        }],
    }
}

fn instance_types() -> InstanceTypes {
    let reserved = Offering {
        zone: name("z1"),
        capacity_type: CapacityType::Reserved,
        price: Some("0.3147483648".parse().unwrap()),
        available: false,
        reservation_id: Some(name("cr-1")),
        reservation_capacity: 4,
        instance_group: Some(name("group")),
    };
    InstanceTypes {
        node_class: name("class"),
        instance_types: vec![InstanceType {
            name: name("ml.g5.xlarge"),
            capacity: resources("4"),
            overhead: resources("80m"),
            requirements: requirements("gpu"),
            taints: taints("g"),
            offerings: vec![reserved, Offering::new("z2", CapacityType::OnDemand, None)],
        }],
    }
}

fn options() -> Options {
    let price = |text: &str| text.parse().unwrap();
    Options {
        now: time(100),
        preference_policy: PreferencePolicy::Ignore,
        min_values_policy: MinValuesPolicy::AsFlexibleAsPossible,
        feature_gates: FeatureGates {
            spot_to_spot_consolidation: true,
            reserved_capacity: false,
            static_capacity: true,
            node_overlay: false,
            capacity_buffer: false,
            node_repair: true,
        },
        effort: Effort::Thorough,
        node_penalty: price("0.1"),
        preference_budget: price("0.2"),
        price_limit: Some(price("100")),
        pool_price_limits: BTreeMap::from([(name("pool"), price("50.5"))]),
        limit_groups: vec![LimitGroup {
            name: name("team"),
            selector: selector("z"),
            limits: resources("64"),
        }],
        quotas: Quotas {
            per_type: BTreeMap::from([(name("ml.g5.xlarge"), 3)]),
            cluster: Some(10),
            total: Some(20),
        },
        prices: BTreeMap::from([(
            name("ml.g5.xlarge"),
            BTreeMap::from([
                (CapacityType::Spot, price("0.5")),
                (CapacityType::OnDemand, price("32.38752195")),
            ]),
        )]),
        truncate_instance_types: 60,
        spot_to_spot_min_types: 5,
        horizon: Span::from_secs(3600),
        eviction_cost: price("0.01"),
        node_start_time: Span::from_secs(90),
        gang_restart_cost: price("7"),
        repair_after: Span::from_secs(60),
        repair_deadline: Span::from_secs(120),
        pod_moves: true,
        forecast: vec![Forecast::new("pool", time(200).unwrap(), 3)],
        allow_spot: false,
        allow_arm64: true,
    }
}

fn scale_snapshot() -> Snapshot {
    Snapshot {
        node_overlays: vec![
            NodeOverlay {
                name: name("cheap"),
                requirements: requirements("zone"),
                price: Some("-15%".parse().unwrap()),
                capacity: resources("3"),
                weight: 7,
            },
            NodeOverlay {
                name: name("set"),
                price: Some(PriceChange::Set("0.3".parse().unwrap())),
                ..NodeOverlay::default()
            },
        ],
        capacity_buffers: vec![CapacityBuffer {
            namespace: name("ns"),
            name: name("spare"),
            uid: name("u8"),
            provisioning_strategy: name("buffer.x-k8s.io/active-capacity"),
            pod_template: Some(name("small")),
            scalable: Some(ScalableRef {
                api_group: name("apps"),
                kind: name("Deployment"),
                name: name("web"),
            }),
            replicas: Some(2),
            percentage: Some(10),
            limits: resources("9"),
            conditions: conditions(),
        }],
        pod_templates: vec![PodTemplate {
            namespace: name("ns"),
            name: name("small"),
            template_labels: labels("t"),
            spec: Arc::new(pod_spec()),
        }],
        workloads: vec![Workload {
            kind: WorkloadKind::StatefulSet,
            namespace: name("ns"),
            name: name("db"),
            replicas: 3,
            template_labels: labels("w"),
            spec: Arc::new(pod_spec()),
        }],
        ..Snapshot::default()
    }
}

fn full_snapshot() -> Snapshot {
    Snapshot {
        options: options(),
        pods: vec![pod(), Pod::new("ns", "plain")],
        nodes: vec![node(), Node::new("plain")],
        node_claims: vec![node_claim(), NodeClaim::default()],
        node_pools: vec![
            node_pool(ConsolidationPolicy::WhenEmpty),
            node_pool(ConsolidationPolicy::Balanced),
            node_pool(ConsolidationPolicy::Other(name("Sometimes"))),
            NodePool::new("plain", "class"),
        ],
        node_classes: vec![node_class(), HyperpodNodeClass::default()],
        instance_types: vec![instance_types()],
        cluster: Some(cluster()),
        daemon_sets: vec![DaemonSet {
            namespace: name("ns"),
            name: name("ds"),
            uid: name("u7"),
            template_labels: labels("ds"),
            spec: Arc::new(pod_spec()),
        }],
        pod_disruption_budgets: vec![PodDisruptionBudget {
            namespace: name("ns"),
            name: name("pdb"),
            selector: Some(selector("w")),
            min_available: Some(IntOrPercent::Percent(50)),
            max_unavailable: Some(IntOrPercent::Count(0)),
            always_allow_unhealthy: true,
            disruptions_allowed: Some(-1),
        }],
        namespaces: vec![Namespace {
            name: name("ns"),
            labels: labels("ns"),
        }],
        volume_claims: vec![PersistentVolumeClaim {
            namespace: name("ns"),
            name: name("data"),
            annotations: labels("bound"),
            deleting: true,
            volume_name: Some(name("pv")),
            storage_class_name: Some(name("")),
            access_modes: names(&["ReadWriteOncePod"]),
            phase: ClaimPhase::Lost,
        }],
        volumes: vec![PersistentVolume {
            name: name("pv"),
            deleting: true,
            node_affinity: Some(vec![node_term("zone")]),
            host_bound: true,
            driver: Some(name("ebs.csi.aws.com")),
        }],
        storage_classes: vec![StorageClass {
            name: name("gp3"),
            provisioner: name("ebs.csi.aws.com"),
            wait_for_first_consumer: true,
            allowed_topologies: vec![requirements("zone"), Vec::new()],
        }],
        csi_nodes: vec![CsiNode {
            name: name("n1"),
            limits: vec![(name("ebs.csi.aws.com"), 25)],
        }],
        pod_groups: vec![PodGroup {
            namespace: name("ns"),
            name: name("gang"),
            min_member: 4,
        }],
        horizontal_pod_autoscalers: vec![full::hpa()],
        scaled_objects: vec![full::scaled_object(), ScaledObject::default()],
        scaled_jobs: vec![
            full::scaled_job(JobStrategy::Custom {
                queue_length_deduction: -2,
                running_job_percentage: 0.5,
            }),
            full::scaled_job(JobStrategy::Eager),
            ScaledJob::default(),
        ],
        metric_samples: vec![full::samples()],
        ..scale_snapshot()
    }
}

#[test]
fn every_field_survives_json() {
    let snapshot = full_snapshot();
    for text in [
        serde_json::to_string(&snapshot).unwrap(),
        serde_json::to_string_pretty(&snapshot).unwrap(),
    ] {
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(read, snapshot);
    }
}

#[test]
fn states_that_look_alike_stay_apart() {
    let mut snapshot = Snapshot::default();
    let mut pod = Pod::new("ns", "p");
    // A required list without terms matches no node, no list matches all.
    Arc::make_mut(&mut pod.spec).affinity.node_required = Some(Vec::new());
    pod.detail = Some(Box::default());
    pod.node_name = Some(name(""));
    snapshot.pods.push(pod);
    snapshot.node_classes.push(HyperpodNodeClass {
        status_groups: Some(Vec::new()),
        ..HyperpodNodeClass::default()
    });
    let mut pool = NodePool::new("p", "c");
    pool.consolidate_after = None;
    snapshot.node_pools.push(pool);
    snapshot.pod_disruption_budgets.push(PodDisruptionBudget {
        selector: Some(LabelSelector::default()),
        ..PodDisruptionBudget::default()
    });
    snapshot.cluster = Some(HyperpodCluster::default());
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
}

#[test]
fn defaults_are_not_written() {
    let mut pod = Pod::new("ns", "web-0");
    let mut app = Container {
        name: name("app"),
        ..Container::default()
    };
    app.requests.set("cpu", "500m".parse().unwrap());
    Arc::make_mut(&mut pod.spec).containers.push(app);
    Arc::make_mut(&mut pod.spec).tolerations = vec![Toleration::exists("gpu")];
    assert_eq!(
        serde_json::to_string(&pod).unwrap(),
        r#"{"namespace":"ns","name":"web-0","spec":{"containers":[{"name":"app","requests":{"cpu":"500m"}}],"tolerations":[{"key":"gpu","operator":"Exists"}]}}"#
    );
    let empty = serde_json::to_value(Snapshot::default()).unwrap();
    assert_eq!(empty, serde_json::json!({}));
    assert_eq!(
        serde_json::from_str::<Snapshot>("{}").unwrap(),
        Snapshot::default()
    );
}
