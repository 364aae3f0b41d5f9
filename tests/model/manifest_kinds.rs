//! Every kind is read into the model with an API server's defaults, and comes back from an export unchanged.

use serde_json::{Value, json};
use tetrapod::base::time::Span;
use tetrapod::manifest::{Reader, export, snapshot_from_str};
use tetrapod::model::affinity::NodeInclusionPolicy;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::node_pool::ConsolidationPolicy;
use tetrapod::model::options::Effort;
use tetrapod::model::pod::Protocol;
use tetrapod::model::policy::IntOrPercent;
use tetrapod::model::price::Price;
use tetrapod::model::taint::TolerationOperator;
use tetrapod::model::volume::PodVolume;

fn snapshot(items: &[Value]) -> Snapshot {
    let text = json!({"apiVersion": "v1", "items": items, "kind": "List"}).to_string();
    let read = snapshot_from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    // In a list within a list everything is read the long way, pods included.
    let nested = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{text}]}}"#);
    assert_eq!(snapshot_from_str(&nested), Ok(read.clone()));
    let mut out = Vec::new();
    export::write(&read, &mut out).unwrap();
    let again = snapshot_from_str(std::str::from_utf8(&out).unwrap())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, read);
    // The serde form is an input too.
    let serde = serde_json::to_string(&read).unwrap();
    let again = snapshot_from_str(&serde).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, read);
    read
}

#[test]
fn pods() {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let full = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "full", "namespace": "ns", "uid": "u", "labels": {"app": "a"}, "annotations": {"x": "y"},
            "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": null,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "ru", "controller": true}]},
        "spec": {
            "nodeName": "n1", "hostNetwork": true, "priority": -5, "priorityClassName": "low", "preemptionPolicy": "Never",
            "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30,
            "overhead": {"cpu": "10m"}, "resources": {"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}},
            "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}, {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}],
                "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}}],
            "initContainers": [{"name": "s", "restartPolicy": "Always", "resources": {"claims": [{"name": "g"}]}}],
            "nodeSelector": {"k": "v"},
            "tolerations": [{"key": "a"}, {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2,
                "labelSelector": {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["2", "1"]}]},
                "matchLabelKeys": ["h"]}, {"maxSkew": 2, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
            "affinity": {
                "nodeAffinity": {required: {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}, {}]},
                    preferred: [{"weight": 1, "preference": {"matchExpressions": [{"key": "k", "operator": "Gte", "values": ["4"]}]}}]},
                "podAffinity": {required: [{"topologyKey": "z", "labelSelector": {}, "namespaces": ["b"], "namespaceSelector": {}, "matchLabelKeys": ["h"], "mismatchLabelKeys": ["i"]}]},
                "podAntiAffinity": {preferred: [{"weight": 100, "podAffinityTerm": {"topologyKey": "z"}}]}},
            "volumes": [{"name": "kube-api-access", "projected": {}}, {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "e", "ephemeral": {"volumeClaimTemplate": {}}}],
            "schedulingGates": [{"name": "wait"}], "resourceClaims": [{"name": "g"}]},
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:05Z", "nominatedNodeName": "n2",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"},
                {"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
            "containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "2"}}]}});
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {"containers": [{"name": "c"}]}});
    let read = snapshot(&[full, plain]);
    let [full, plain] = read.pods.as_slice() else {
        panic!("two pods");
    };
    assert_eq!(full.key(), "ns/full");
    assert_eq!(plain.key(), "default/plain");
    assert_eq!(plain.detail, None);
    let spec = &full.spec;
    let ports: Vec<(&str, u16, Protocol)> = spec.containers[0]
        .host_ports
        .iter()
        .map(|port| (port.ip.as_ref(), port.port, port.protocol))
        .collect();
    assert_eq!(
        ports,
        [
            ("0.0.0.0", 80, Protocol::Tcp),
            ("10.0.0.1", 53, Protocol::Udp)
        ]
    );
    assert_eq!(spec.tolerations[0].operator, TolerationOperator::Equal);
    assert_eq!(
        spec.topology_spread[0].node_affinity_policy,
        NodeInclusionPolicy::Honor
    );
    assert_eq!(
        spec.topology_spread[0].node_taints_policy,
        NodeInclusionPolicy::Ignore
    );
    assert_eq!(spec.topology_spread[1].label_selector, None);
    assert_eq!(
        spec.volumes,
        [
            PodVolume::Claim("data".into()),
            PodVolume::Ephemeral("e".into())
        ]
    );
    assert!(spec.init_containers[0].restart_always && spec.init_containers[0].uses_claims);
    let detail = full.detail.as_deref().unwrap();
    assert!(detail.ready && detail.resize_infeasible);
    // S-12: the larger of what runs and what is allocated.
    assert_eq!(detail.actuated[0].1.amount("cpu"), "2".parse().unwrap());
    // M-17: the newest time of the input.
    assert_eq!(
        read.options.now.unwrap().to_string(),
        "2026-01-01T00:01:00Z"
    );
}

#[test]
fn equal_parts_of_pods_are_held_once() {
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"a": "b"}}, "spec": {"nodeName": name, "priority": 3}});
    let read = snapshot(&[pod("a"), pod("b")]);
    assert!(std::sync::Arc::ptr_eq(
        &read.pods[0].spec,
        &read.pods[1].spec
    ));
    assert!(std::sync::Arc::ptr_eq(
        &read.pods[0].labels,
        &read.pods[1].labels
    ));
    let serde = snapshot_from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &serde.pods[0].spec,
        &serde.pods[1].spec
    ));
}

#[test]
fn nodes_namespaces_and_claims() {
    let read = snapshot(&[
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u", "labels": {"a": "b"}, "annotations": {"c": "d"}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"providerID": "p", "unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]},
            "status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3920m"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m", "lastHeartbeatTime": "2026-02-01T00:00:00Z", "lastTransitionTime": "2026-01-02T00:00:00Z"}]}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": {"team": "x"}}}),
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": "nc", "labels": {"karpenter.sh/nodepool": "p"}},
            "spec": {"nodeClassRef": {"group": "g", "kind": "HyperpodNodeClass", "name": "c"}, "expireAfter": "Never", "terminationGracePeriod": "30m",
                "requirements": [{"key": "karpenter.sh/nodepool", "operator": "In", "values": ["p"]}, {"key": "t", "operator": "Exists", "minValues": 2}],
                "resources": {"requests": {"cpu": "1"}}, "startupTaints": [{"key": "s", "value": "t", "effect": "NoSchedule"}]},
            "status": {"nodeName": "n", "providerID": "p", "capacity": {"cpu": "4"}, "lastPodEventTime": "2026-01-03T00:00:00Z"}}),
    ]);
    assert!(read.nodes[0].unschedulable);
    assert_eq!(read.node_claims[0].expire_after, None);
    assert_eq!(read.node_claims[0].requirements[1].min_values, Some(2));
    // A heartbeat is the newest time here (M-17).
    assert_eq!(
        read.options.now.unwrap().to_string(),
        "2026-02-01T00:00:00Z"
    );
}

#[test]
fn node_pools() {
    let bare = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "bare"},
        "spec": {"template": {"spec": {"nodeClassRef": {"name": "c"}}}}});
    let full = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "full", "labels": {"team": "x"}},
        "spec": {"weight": 100, "replicas": 0, "limits": {"cpu": 1000, "nodes": "5"}, "colour": "red",
            "disruption": {"consolidationPolicy": "WhenIdle", "consolidateAfter": "Never",
                "budgets": [{"nodes": 5}, {"nodes": "20%", "reasons": ["Empty"], "schedule": "0 9 * * *", "duration": "8h"}]},
            "template": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
                "spec": {"nodeClassRef": {"group": "karpenter.sagemaker.amazonaws.com", "kind": "HyperpodNodeClass", "name": "c"}, "expireAfter": "Never",
                    "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists", "minValues": 50}],
                    "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}}}});
    let none = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "none"},
        "spec": {"disruption": {"budgets": []}, "template": {"spec": {"nodeClassRef": {"name": "c"}}}}});
    let read = snapshot(&[bare, full, none]);
    let [bare, full, none] = read.node_pools.as_slice() else {
        panic!("three pools");
    };
    assert_eq!(bare.expire_after, Some(Span::from_secs(720 * 3600)));
    assert_eq!(bare.consolidate_after, Some(Span::ZERO));
    assert_eq!(
        bare.consolidation_policy,
        ConsolidationPolicy::WhenEmptyOrUnderutilized
    );
    assert_eq!((bare.weight, bare.replicas), (0, None));
    assert_eq!(bare.budgets[0].nodes.as_ref(), "10%");
    assert_eq!((full.expire_after, full.consolidate_after), (None, None));
    assert_eq!(
        full.consolidation_policy,
        ConsolidationPolicy::Other("WhenIdle".into())
    );
    assert_eq!((full.weight, full.replicas), (100, Some(0)));
    assert_eq!(full.budgets[0].nodes.as_ref(), "5");
    assert!(none.budgets.is_empty());
}

#[test]
fn storage() {
    // S-103, S-107, S-108
    let read = snapshot(&[
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"volumeName": "v", "storageClassName": "s", "accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Bound"}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "ebs"}, "spec": {"awsElasticBlockStore": {"volumeID": "x"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "z", "operator": "In", "values": ["a"]}]}]}}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "local"}, "spec": {"local": {"path": "/d"}}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}, "provisioner": "kubernetes.io/aws-ebs", "volumeBindingMode": "WaitForFirstConsumer",
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "z", "values": ["a", "b"]}]}]}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "now"}, "provisioner": "x"}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n"}, "spec": {"drivers": [
            {"name": "a", "allocatable": {"count": 25}}, {"name": "b", "allocatable": {}}, {"name": "c"}]}}),
    ]);
    assert!(read.volume_claims[0].deleting);
    assert_eq!(read.volumes[0].driver.as_deref(), Some("ebs.csi.aws.com"));
    assert!(read.volumes[1].host_bound && read.volumes[1].driver.is_none());
    assert_eq!(
        read.storage_classes[0].provisioner.as_ref(),
        "ebs.csi.aws.com"
    );
    assert!(!read.storage_classes[1].wait_for_first_consumer);
    let limits: Vec<(&str, u32)> = read.csi_nodes[0]
        .limits
        .iter()
        .map(|(driver, n)| (driver.as_ref(), *n))
        .collect();
    assert_eq!(limits, [("a", 25), ("b", 0)]);
}

#[test]
fn policies() {
    let read = snapshot(&[
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a", "namespace": "ns"},
            "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}, "status": {"disruptionsAllowed": 2}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": "ns"}, "spec": {"maxUnavailable": 0}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "namespace": "kube-system"},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "100m"}}}]}}}}),
        json!({"apiVersion": "scheduling.x-k8s.io/v1alpha1", "kind": "PodGroup", "metadata": {"name": "g", "namespace": "ns"}, "spec": {"minMember": 4}}),
    ]);
    assert_eq!(
        read.pod_disruption_budgets[0].min_available,
        Some(IntOrPercent::Percent(50))
    );
    assert_eq!(
        read.pod_disruption_budgets[1].max_unavailable,
        Some(IntOrPercent::Count(0))
    );
    assert_eq!(
        read.daemon_sets[0].spec.requests().amount("cpu"),
        "100m".parse().unwrap()
    );
    assert_eq!(read.pod_groups[0].min_member, 4);
}

#[test]
fn hyperpod() {
    let read = snapshot(&[
        json!({"apiVersion": "karpenter.sagemaker.amazonaws.com/v1", "kind": "HyperpodNodeClass", "metadata": {"name": "c"}, "spec": {"instanceGroups": ["a", "b"]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "instanceGroups": [{"name": "a", "instanceTypes": ["ml.g5.xlarge"],
                "subnets": [{"id": "s", "zone": "us-west-2a", "zoneId": "usw2-az1"}], "capacities": {"Spot": {}}, "desiredLabels": {"nvidia.com/mig.config": "all-1g.10gb"},
                "desiredTaints": [{"key": "k", "effect": "NoSchedule"}]}]}}),
        json!({"apiVersion": "karpenter.sagemaker.amazonaws.com/v1", "kind": "HyperpodNodeClass", "metadata": {"name": "new"}, "spec": {"instanceGroups": []}}),
        json!({"ClusterArn": "arn", "ClusterName": "hp", "ClusterStatus": "InService", "CreationTime": 1.5, "NodeRecovery": "Automatic", "NodeProvisioningMode": "Continuous",
            "ClusterRole": "role", "AutoScaling": {"Mode": "Enable", "AutoScalerType": "Karpenter", "Status": "InService"},
            "Orchestrator": {"Eks": {"ClusterArn": "eks"}}, "VpcConfig": {"Subnets": ["s0"], "SecurityGroupIds": []},
            "InstanceGroups": [
                {"InstanceGroupName": "a", "Status": "InService", "CurrentCount": 1, "TargetCount": 2, "MinInstanceCount": 1, "InstanceType": "ml.g5.xlarge", "ThreadsPerCore": 2,
                 "CapacityRequirements": {"Spot": {}}, "KubernetesConfig": {"DesiredLabels": {"x": "y"}, "CurrentLabels": {}, "DesiredTaints": [{"Key": "k", "Value": "v", "Effect": "NoSchedule"}]}},
                {"InstanceGroupName": "b", "CurrentCount": 0, "TargetCount": 0, "OverrideVpcConfig": {"Subnets": ["s1"]}, "TrainingPlanArn": "tp", "OnStartDeepHealthChecks": ["InstanceStress"],
                 "InstanceRequirements": {"CurrentInstanceTypes": ["ml.a"], "DesiredInstanceTypes": ["ml.a", "ml.b"]}, "InstanceTypeDetails": [{"InstanceType": "ml.a", "ThreadsPerCore": 1}]}]}),
    ]);
    let status = read.node_classes[0].status_groups.as_ref().unwrap();
    assert!(status[0].spot && status[0].desired_taints.len() == 1);
    assert_eq!(read.node_classes[1].status_groups, None);
    let cluster = read.cluster.unwrap();
    assert_eq!(cluster.eks_cluster_arn.as_deref(), Some("eks"));
    let [a, b] = cluster.instance_groups.as_slice() else {
        panic!("two groups");
    };
    assert_eq!(
        (a.min_count, a.spot, a.flexible, a.threads_per_core),
        (1, true, false, Some(2))
    );
    assert_eq!(a.subnet_ids, ["s0".into()]);
    assert_eq!(
        (b.flexible, b.threads_per_core, b.instance_types.len()),
        (true, Some(1), 2)
    );
    assert_eq!(b.subnet_ids, ["s1".into()]);
}

#[test]
fn instance_types_and_options() {
    let read = snapshot(&[
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes", "metadata": {"name": "c"}, "instanceTypes": [{"name": "t", "capacity": {"cpu": "4"}, "overhead": {"cpu": "80m"},
            "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}], "taints": [{"key": "k", "effect": "NoSchedule"}],
            "offerings": [{"zone": "a", "capacityType": "on-demand", "price": 0.314_748_364_8, "available": true}, {"zone": "a", "capacityType": "spot", "price": null, "available": false},
                {"zone": "b", "capacityType": "reserved", "price": 32, "reservationId": "cr", "reservationCapacity": 3, "instanceGroup": "g"}]}]}),
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "now": "2026-01-01T00:00:00Z", "effort": "thorough", "nodePenalty": 0.1, "preferenceBudget": "0.000000000000001", "priceLimit": 5,
            "poolPriceLimits": {"p": 1.5}, "limitGroups": [{"name": "g", "selector": {"matchLabels": {"team": "x"}}, "limits": {"cpu": "10"}}], "quotas": {"perType": {"t": 2}, "cluster": 3, "total": 4},
            "prices": {"t": {"spot": 0.5}}, "truncateInstanceTypes": 60, "spotToSpotMinTypes": 1, "horizon": "1h", "evictionCost": 0.01, "nodeStartTime": "90s", "gangRestartCost": 2, "repairAfter": "5m", "repairDeadline": "4h", "podMoves": true,
            "allowSpot": false, "allowArm64": true, "preferencePolicy": "Ignore", "minValuesPolicy": "AsFlexibleAsPossible", "featureGates": {"StaticCapacity": true, "NodeRepair": true}}),
        // A later document overrides only what it states.
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "effort": "fast"}),
    ]);
    let offerings = &read.instance_types[0].instance_types[0].offerings;
    assert_eq!(offerings[0].price.unwrap().to_string(), "0.3147483648");
    assert_eq!(offerings[1].price, None);
    assert_eq!(offerings[2].price, Some("32".parse().unwrap()));
    assert!(offerings[2].available);
    let options = &read.options;
    assert_eq!(options.effort, Effort::Fast);
    assert_eq!(options.horizon, Span::from_secs(3600));
    assert_eq!(options.preference_budget, Price::from_femto(1));
    assert!(options.feature_gates.static_capacity && options.feature_gates.reserved_capacity);
    assert!(options.feature_gates.node_repair && options.pod_moves);
    assert_eq!(options.repair_after, Span::from_secs(300));
    assert_eq!(options.repair_deadline, Span::from_secs(4 * 3600));
    assert_eq!(options.now.unwrap().to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn lists_arrays_and_streams_of_documents() {
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {}});
    let nested = json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": [pod("e")]}]});
    // A typed list states its kind before its items, as an API server writes it.
    let typed_text = r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"c"},"spec":{}},{"metadata":{"name":"d"},"spec":{}}]}"#;
    let text = format!(
        "\u{feff}{}\n{} [{},{}] {typed_text} {nested}",
        pod("a"),
        pod("b"),
        pod("f"),
        pod("g")
    );
    let names: Vec<String> = snapshot_from_str(&text)
        .unwrap()
        .pods
        .iter()
        .map(|pod| pod.name.to_string())
        .collect();
    assert_eq!(names, ["a", "b", "f", "g", "c", "d", "e"]);
}

#[test]
fn unknown_kinds_and_fields_are_counted() {
    let mut reader = Reader::new();
    let list = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
        {"apiVersion": "batch/v1", "kind": "Job"}, {"apiVersion": "batch/v1", "kind": "Job"},
        {"apiVersion": "karpenter.sh/v1beta1", "kind": "NodePool"},
        {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "p"}, "spec": {"colour": 1, "template": {"spec": {"nodeClassRef": {"name": "c"}}}}},
    ]);
    reader.read("a", list.to_string().as_bytes());
    let skipped = reader.finish().unwrap().skipped;
    let kinds: Vec<(&str, u64)> = skipped
        .kinds
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    assert_eq!(
        kinds,
        [
            ("batch/v1/Job", 2),
            ("karpenter.sh/v1beta1/NodePool", 1),
            ("v1/ConfigMap", 1)
        ]
    );
    assert_eq!(skipped.fields.get("NodePool spec.colour"), Some(&1));
}

#[cfg(feature = "yaml")]
#[test]
fn yaml_reads_as_json_does() {
    let text = "# two documents\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {on: \"on\", n: \"1e3\", t: 'true'}\nspec:\n  containers:\n  - name: c\n    resources:\n      requests: {cpu: 1, memory: 1Gi}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: x}\n...\n";
    let read = snapshot_from_str(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.pods[0].labels.get("n"), Some("1e3"));
    assert_eq!(read.pods[0].requests().amount("cpu"), "1".parse().unwrap());
    assert_eq!(read.namespaces.len(), 1);
    for unquoted in ["true", "on", "1e3", "1"] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    k: {unquoted}\nspec: {{}}\n"
        );
        let error = snapshot_from_str(&text).unwrap_err();
        assert_eq!(error.faults[0].path, "metadata.labels.k", "{unquoted}");
        assert!(error.faults[0].accepted.contains("quote it"), "{error}");
    }
}
