use super::*;
use crate::base::time::Timestamp;
use crate::hyperpod::sample::{condition, record, record_mut, snapshot, status, status_mut};
use crate::model::instance_type::InstanceTypes;
use crate::model::label::{INSTANCE_GROUP, Labels};
use crate::model::node::Node;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::ConsolidationPolicy;
use crate::model::pod::Pod;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;

fn actions(list: &[&str]) -> Vec<String> {
    list.iter().map(|a| (*a).to_owned()).collect()
}

/// The sample with everything supplied that preflight asks for.
fn complete() -> Snapshot {
    let mut snapshot = snapshot();
    let quotas = &mut snapshot.options.quotas;
    quotas.cluster = Some(20);
    quotas.total = Some(30);
    for name in [
        "ml.c5.4xlarge",
        "ml.m5.2xlarge",
        "ml.m5.4xlarge",
        "ml.g5.12xlarge",
        "ml.p5.48xlarge",
    ] {
        quotas.per_type.insert(Name::from(name), 4);
    }
    for pool in &mut snapshot.node_pools {
        pool.conditions = vec![condition("Ready", "True")];
    }
    snapshot
}

/// What does not pass: `status row rule subject: message`.
fn findings(snapshot: &Snapshot) -> Vec<String> {
    let allowed = actions(&["sagemaker:Batch*ClusterNodes", "kms:*"]);
    preflight(snapshot, Some(&allowed))
        .into_iter()
        .filter(|check| check.status != Status::Pass)
        .map(|c| {
            format!(
                "{:?} {} {} {}: {}",
                c.status, c.row, c.rule, c.subject, c.message
            )
        })
        .collect()
}

/// Asserts that `change` to the complete sample gives a finding that starts with `start` and contains `text`.
fn finds(start: &str, text: &str, change: impl FnOnce(&mut Snapshot)) {
    let mut snapshot = complete();
    change(&mut snapshot);
    let found = findings(&snapshot);
    assert!(
        found
            .iter()
            .any(|f| f.starts_with(start) && f.contains(text)),
        "{start} {text}: {found:#?}"
    );
    assert!(
        !findings(&complete())
            .iter()
            .any(|f| f.starts_with(start) && f.contains(text)),
        "the complete sample has it too: {start} {text}"
    );
}

fn cluster_with(
    start: &str,
    text: &str,
    change: impl FnOnce(&mut crate::model::hyperpod::HyperpodCluster),
) {
    finds(start, text, |s| change(s.cluster.as_mut().unwrap()));
}

#[test]
fn a_complete_cluster_fails_nothing() {
    assert_eq!(
        findings(&complete()),
        [
            "Warn 11 H-60 spot quotas: spot instances have quotas of their own, per type and in total; Options.quotas counts them with on-demand ones",
            "Warn 13 H-4 cluster ml-research: the record does not tell the version of the health-monitoring agent; it must be 1.0.742.0_1.0.241.0 or newer",
        ]
    );
    let rows: Vec<u8> = preflight(&complete(), None).iter().map(|c| c.row).collect();
    assert!(rows.is_sorted());
    for row in [5, 6, 11, 12, 13, 14, 15] {
        assert!(rows.contains(&row), "row {row}");
    }
}

#[test]
fn what_is_not_supplied_never_passes() {
    let checks = preflight(&Snapshot::default(), None);
    assert!(checks.iter().all(|check| check.status == Status::Warn));
    let rows: Vec<u8> = checks.iter().map(|check| check.row).collect();
    for row in [5, 6, 11, 12, 13, 14] {
        assert!(rows.contains(&row), "row {row}");
    }
    finds(
        "Warn 5 H-14 instance group g5-a",
        "supply the describe-cluster",
        |s| s.cluster = None,
    );
    finds(
        "Warn 5 H-11 HyperpodNodeClass gpu",
        "supply the describe-cluster",
        |s| s.cluster = None,
    );
    finds("Warn 5 H-11 instance group g5-a", "nothing is known", |s| {
        s.cluster = None;
        s.node_classes[1].status_groups = None;
    });
    finds("Warn 5 H-11 HyperpodNodeClass gpu", "no status", |s| {
        s.node_classes[1].conditions.clear();
    });
    finds("Warn 6 H-21 NodePool gpu", "no status", |s| {
        s.node_pools[1].conditions.clear()
    });
    finds("Warn 15 H-10 instance group p5-b", "not known", |s| {
        for class in &mut s.node_classes {
            class.status_groups = None;
        }
    });
    finds(
        "Warn 11 H-58 quotas per instance type",
        "1 types (ml.p5.48xlarge)",
        |s| {
            s.options.quotas.per_type.remove("ml.p5.48xlarge");
        },
    );
    finds(
        "Warn 11 H-58 quota of instances per cluster",
        "not supplied",
        |s| {
            s.options.quotas.cluster = None;
        },
    );
}

#[test]
fn row_5_node_classes_h8_h11() {
    finds(
        "Fail 5 H-8 HyperpodNodeClass gpu",
        "11 instance groups",
        |s| {
            s.node_classes[1].instance_groups =
                (0..11).map(|n| Name::from(format!("g{n}"))).collect();
        },
    );
    finds(
        "Fail 5 H-8 HyperpodNodeClass gpu",
        "names no instance group",
        |s| {
            s.node_classes[1].instance_groups.clear();
        },
    );
    finds(
        "Fail 5 H-11 HyperpodNodeClass gpu",
        "no instance group gone",
        |s| {
            s.node_classes[1].instance_groups.push(Name::from("gone"));
        },
    );
    finds(
        "Fail 5 H-11 HyperpodNodeClass gpu",
        "SubnetsReady is False",
        |s| {
            s.node_classes[1].conditions[1] = condition("SubnetsReady", "False");
        },
    );
    finds("Fail 5 H-11 HyperpodNodeClass gpu", "being deleted", |s| {
        s.node_classes[1].deleted = Some(Timestamp::from_millis(1));
    });
    finds(
        "Warn 5 M-12 HyperpodNodeClass gpu",
        "InstanceTypes document",
        |s| {
            s.instance_types.push(InstanceTypes::new("gpu", Vec::new()));
        },
    );
}

#[test]
fn row_5_groups_h14_h34_h36_h47_h64() {
    let group =
        |start: &str, text: &str, change: fn(&mut crate::model::hyperpod::InstanceGroup)| {
            finds(start, text, |s| change(record_mut(s, "g5-a")));
        };
    group(
        "Fail 5 H-14 instance group g5-a",
        "training plan arn:tp",
        |g| {
            g.training_plan = Some(Name::from("arn:tp"));
        },
    );
    group("Fail 5 H-34 instance group g5-a", "MinCount is 1", |g| {
        g.min_count = 1
    });
    group("Fail 5 H-36 instance group g5-a", "Degraded", |g| {
        g.status = Name::from("Degraded")
    });
    group(
        "Fail 5 H-47 instance group g5-a",
        "InstanceConnectivity",
        |g| {
            g.deep_health_checks = vec![Name::from("InstanceConnectivity")];
        },
    );
    finds("Fail 5 H-14 instance group spot-c", "allowSpot", |s| {
        s.options.allow_spot = false
    });
    finds("Fail 5 H-64 instance group g5-a", "ml.x1.large", |s| {
        status_mut(s, "g5-a").instance_types = vec![Name::from("ml.x1.large")];
    });
    finds("Fail 5 H-17 instance group g5-a", "arm64", |s| {
        status_mut(s, "g5-a").instance_types = vec![Name::from("ml.m7g.large")];
    });
    finds("Fail 5 H-51 instance group g5-a", "partitions", |s| {
        record_mut(s, "g5-a").desired_labels =
            Labels::from_iter([("nvidia.com/mig.config", "all-1g.5gb")]);
    });
}

#[test]
fn row_5_groups_start_without_nodes_h9() {
    let node = |s: &mut Snapshot| {
        let mut node = Node::new("hyperpod-i-1");
        node.labels = Labels::from_iter([(INSTANCE_GROUP, "g5-a")]);
        s.nodes.push(node);
        record_mut(s, "g5-a").current_count = 1;
    };
    finds("Fail 5 H-9 instance group g5-a", "hyperpod-i-1", node);
    finds("Warn 5 H-9 instance group g5-a", "has 3 nodes", |s| {
        record_mut(s, "g5-a").current_count = 3;
    });
    let mut managed = complete();
    node(&mut managed);
    let claim = NodeClaim {
        node_name: Some(Name::from("hyperpod-i-1")),
        ..NodeClaim::default()
    };
    managed.node_claims.push(claim);
    assert_eq!(findings(&managed), findings(&complete()));
}

fn require(snapshot: &mut Snapshot, key: &str, operator: Operator, values: &[&str]) {
    let spec = RequirementSpec::new(key, operator, values.iter().copied());
    snapshot.node_pools[1].requirements.push(spec);
}

#[test]
fn row_6_pools_h16_h17() {
    for (start, text, key, value) in [
        ("Fail 6 H-16", "restricted", "karpenter.sh/foo", "x"),
        (
            "Fail 6 H-16",
            "EC2 provider",
            "karpenter.k8s.aws/instance-family",
            "g5",
        ),
        ("Warn 6 H-16", "nothing but this pool", "team", "vision"),
        (
            "Warn 6 H-16",
            "its instance types have it",
            INSTANCE_GROUP,
            "g5-a",
        ),
        (
            "Fail 6 H-17",
            "exclude amd64",
            "kubernetes.io/arch",
            "arm64",
        ),
        (
            "Fail 6 H-16",
            "reserved",
            "karpenter.sh/capacity-type",
            "reserved",
        ),
        (
            "Fail 6 H-16",
            "prefix ml.",
            "node.kubernetes.io/instance-type",
            "g5.xlarge",
        ),
        (
            "Warn 6 H-64",
            "ml.x1.large",
            "node.kubernetes.io/instance-type",
            "ml.x1.large",
        ),
    ] {
        let start = format!("{start} NodePool gpu");
        finds(&start, text, |s| require(s, key, Operator::In, &[value]));
    }
    let mut fine = complete();
    require(
        &mut fine,
        "node.kubernetes.io/instance-type",
        Operator::Exists,
        &[],
    );
    require(
        &mut fine,
        "topology.kubernetes.io/zone",
        Operator::In,
        &["us-east-1a"],
    );
    require(
        &mut fine,
        "karpenter.sh/capacity-type",
        Operator::NotIn,
        &["reserved"],
    );
    assert_eq!(findings(&fine), findings(&complete()));
}

#[test]
fn row_6_references_policies_and_conditions_h3_h21() {
    finds(
        "Fail 6 H-2 NodePool gpu",
        "nowhere is not in the input",
        |s| {
            s.node_pools[1].node_class_ref.name = Name::from("nowhere");
        },
    );
    finds("Fail 6 H-2 NodePool gpu", "EC2NodeClass", |s| {
        s.node_pools[1].node_class_ref.kind = Name::from("EC2NodeClass");
    });
    finds("Fail 6 H-3 NodePool gpu", "Balanced", |s| {
        s.node_pools[1].consolidation_policy = ConsolidationPolicy::Balanced;
    });
    finds("Fail 6 H-3 NodePool gpu", "WhenBored", |s| {
        s.node_pools[1].consolidation_policy = ConsolidationPolicy::Other(Name::from("WhenBored"));
    });
    finds("Fail 6 H-21 NodePool gpu", "ValidationSucceeded", |s| {
        s.node_pools[1].conditions = vec![condition("ValidationSucceeded", "False")];
    });
}

#[test]
fn row_7_gangs_outwait_a_start_h56() {
    finds("Warn 7 H-56", "about 6 min", |s| {
        let mut pod = Pod::default();
        let labels = Labels::from_iter([("kueue.x-k8s.io/pod-group-name", "train")]);
        pod.labels = labels.into();
        s.pods.push(pod);
    });
}

#[test]
fn row_11_quotas_h57_h58_h59() {
    finds("Fail 11 H-57", "101 instance groups", |s| {
        let groups = &mut s.cluster.as_mut().unwrap().instance_groups;
        groups.extend((0..95).map(|n| record(&format!("x{n}"), &["ml.c5.large"], &["us-east-1a"])));
    });
    finds("Fail 11 H-58 quota of instances over all", "used up", |s| {
        s.options.quotas.total = Some(0);
    });
    finds(
        "Warn 11 H-59 quota of ml.p5.48xlarge",
        "nor replaced",
        |s| {
            s.options
                .quotas
                .per_type
                .insert(Name::from("ml.p5.48xlarge"), 0);
        },
    );
}

#[test]
fn row_12_role_h6() {
    cluster_with("Fail 12 H-4", "no ClusterRole", |c| c.cluster_role = None);
    let role = |allowed: Option<&[String]>| -> Vec<(Status, String)> {
        let checks = preflight(&complete(), allowed);
        let of_role = checks
            .into_iter()
            .filter(|c| c.subject == "autoscaling role");
        of_role.map(|c| (c.status, c.message)).collect()
    };
    assert_eq!(role(None)[0].0, Status::Warn);
    let lacking = role(Some(&actions(&["sagemaker:BatchAddClusterNodes"])));
    assert_eq!(lacking[0].0, Status::Fail);
    assert!(
        lacking[0]
            .1
            .ends_with("lacks sagemaker:BatchDeleteClusterNodes")
    );
    assert_eq!(lacking[1].0, Status::Warn, "customer keys");
    assert_eq!(role(Some(&actions(&["*"]))).len(), 1);
}

#[test]
fn row_13_provisioning_h4() {
    cluster_with("Fail 13 H-4", "EKS", |c| c.eks_cluster_arn = None);
    cluster_with("Fail 13 H-4", "NodeProvisioningMode is not set", |c| {
        c.node_provisioning_mode = None
    });
    cluster_with("Fail 13 H-4", "NodeRecovery is None", |c| {
        c.node_recovery = Some(Name::from("None"))
    });
    cluster_with("Warn 13 H-4", "NodeRecovery is not stated", |c| {
        c.node_recovery = None
    });
    cluster_with("Warn 13 H-28", "Updating", |c| {
        c.status = Name::from("Updating")
    });
    cluster_with("Fail 13 H-28", "Failed", |c| {
        c.status = Name::from("Failed")
    });
}

#[test]
fn row_14_enablement_h5() {
    cluster_with("Fail 14 H-5", "disabled", |c| {
        c.autoscaling_mode = Some(Name::from("Disable"))
    });
    cluster_with("Fail 14 H-5", "failed: no such role", |c| {
        c.autoscaling_status = Some(Name::from("Failed"));
        c.autoscaling_failure = Some(Name::from("no such role"));
    });
    cluster_with("Fail 14 H-5", "not configured", |c| {
        c.autoscaling_mode = None;
        c.autoscaling_status = None;
    });
    cluster_with("Warn 14 H-5", "no status", |c| c.autoscaling_status = None);
    cluster_with("Fail 14 H-5", "AutoScalerType is Other", |c| {
        c.autoscaler_type = Some(Name::from("Other"))
    });
    cluster_with("Warn 14 H-5", "AutoScalerType is not stated", |c| {
        c.autoscaler_type = None
    });
}

#[test]
fn row_15_one_zone_per_group_h10() {
    finds(
        "Fail 15 H-10 instance group g5-a",
        "us-east-1a, us-east-1b",
        |s| {
            let zones = status("g5-a", &[], &["us-east-1a", "us-east-1b"]).subnets;
            status_mut(s, "g5-a").subnets = zones;
        },
    );
    let checks = preflight(&complete(), None);
    let of = |subject: &str| {
        let mut of = checks
            .iter()
            .filter(|c| c.row == 15 && c.subject == subject);
        of.next().map(|c| (c.status, c.message.clone())).unwrap()
    };
    assert!(of("instance group flex").1.contains("flexible"));
    assert!(of("HyperpodNodeClass general").1.contains("3 zones"));
}

#[test]
fn checks_are_json() {
    let json = serde_json::to_value(preflight(&complete(), None)).unwrap();
    assert_eq!(json[0]["row"], 5);
    assert_eq!(json[0]["status"], "pass");
}
