//! Every kind of fault: where it is, what was found and what is accepted.

use serde_json::{Value, json};
use tetrapod::manifest::{Fault, InputError, Limits, Reader, snapshot_from_str};

fn faults_of(items: &Value) -> Vec<Fault> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    snapshot_from_str(&list.to_string()).unwrap_err().faults
}

/// `object: path: found; accepted` of every fault of one object.
fn lines(item: Value) -> Vec<String> {
    faults_of(&json!([item]))
        .iter()
        .map(|fault| {
            let text = fault.to_string();
            text.strip_prefix("input: document 1: ").unwrap().to_owned()
        })
        .collect()
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ns"}, "spec": spec})
}

fn container(container: Value) -> Value {
    pod(json!({"containers": [container]}))
}

fn pool(spec: Value) -> Value {
    let mut whole =
        json!({"template": {"spec": {"nodeClassRef": {"name": "c"}, "requirements": []}}});
    merge(&mut whole, spec);
    json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "p"}, "spec": whole})
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn named(api: &str, kind: &str, rest: Value) -> Value {
    let mut whole = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
    merge(&mut whole, rest);
    whole
}

fn requirement(requirement: Value) -> Value {
    pool(json!({"template": {"spec": {"requirements": [requirement]}}}))
}

/// The only fault of `item` is at `path`, was found to be `found`, and what is accepted speaks of `accepted`.
#[track_caller]
fn one(item: Value, path: &str, found: &str, accepted: &str) {
    let faults = faults_of(&json!([item]));
    let [fault] = faults.as_slice() else {
        panic!("one fault expected: {faults:#?}");
    };
    assert_eq!(fault.path, path);
    assert_eq!(fault.found, found);
    assert!(fault.accepted.contains(accepted), "{}", fault.accepted);
}

#[test]
fn a_fault_is_one_line_with_everything_in_it() {
    assert_eq!(
        lines(container(
            json!({"resources": {"requests": {"cpu": "12 cores"}}})
        )),
        [
            "Pod ns/a: spec.containers[0].resources.requests.cpu: found \"12 cores\"; accepted: a quantity such as 500m, 2 or 1Gi"
        ]
    );
}

#[test]
fn all_faults_of_several_objects_are_reported_at_once() {
    let items = json!([
        container(json!({"resources": {"requests": {"cpu": "x", "memory": "-1", "nvidia.com/gpu": true}}})),
        pool(json!({"weight": 101, "limits": {"cpu": "many"}})),
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": [{"key": "k", "effect": "Never"}]}},
    ]);
    let found: Vec<(String, String)> = faults_of(&items)
        .into_iter()
        .map(|fault| (fault.object, fault.path))
        .collect();
    let expected = [
        ("Pod ns/a", "spec.containers[0].resources.requests.cpu"),
        ("Pod ns/a", "spec.containers[0].resources.requests.memory"),
        (
            "Pod ns/a",
            "spec.containers[0].resources.requests[nvidia.com/gpu]",
        ),
        ("NodePool p", "spec.limits.cpu"),
        ("NodePool p", "spec.weight"),
        ("Node n", "spec.taints[0].effect"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(object, path)| ((*object).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn faults_of_pods() {
    one(
        container(json!({"resources": {"requests": {"cpu": "-1"}}})),
        "spec.containers[0].resources.requests.cpu",
        "\"-1\"",
        "0 or more",
    );
    one(
        container(json!({"ports": [{"containerPort": 80, "hostPort": 65536}]})),
        "spec.containers[0].ports[0].hostPort",
        "65536",
        "from 0 to 65535",
    );
    one(
        container(json!({"ports": [{"hostPort": 1, "protocol": "tcp"}]})),
        "spec.containers[0].ports[0].protocol",
        "\"tcp\"",
        "TCP, UDP or SCTP",
    );
    one(
        pod(json!({"containers": {}})),
        "spec.containers",
        "an object",
        "an array",
    );
    one(pod(json!("x")), "spec", "\"x\"", "an object");
    one(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}),
        "spec",
        "nothing",
        "a pod specification",
    );
    one(
        pod(json!({"priority": 3_000_000_000_u32})),
        "spec.priority",
        "3000000000",
        "whole number",
    );
    one(
        pod(json!({"tolerations": [{"key": "k", "operator": "Is"}]})),
        "spec.tolerations[0].operator",
        "\"Is\"",
        "Equal, Exists, Gt or Lt",
    );
    one(
        pod(json!({"tolerations": [{"value": "v"}]})),
        "spec.tolerations[0].operator",
        "nothing",
        "Exists",
    );
    one(
        pod(json!({"tolerations": [{"key": "k", "effect": "NoRun"}]})),
        "spec.tolerations[0].effect",
        "\"NoRun\"",
        "NoSchedule, PreferNoSchedule or NoExecute",
    );
    one(
        pod(json!({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]})),
        "spec.volumes[0].persistentVolumeClaim.claimName",
        "nothing",
        "name of a claim",
    );
}

#[test]
fn faults_of_metadata_and_status() {
    let with =
        |meta: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}});
    let long = "x".repeat(254);
    one(
        with(json!({"name": long})),
        "metadata.name",
        &format!("\"{}...", "x".repeat(79)),
        "253",
    );
    one(
        with(json!({"name": "a", "labels": {"k": true}})),
        "metadata.labels.k",
        "true",
        "quote it",
    );
    one(
        with(json!({"name": "a", "labels": {"example.com/k": 1000.0}})),
        "metadata.labels[example.com/k]",
        "1000.0",
        "quote it",
    );
    one(
        with(json!({"name": "a", "creationTimestamp": "yesterday"})),
        "metadata.creationTimestamp",
        "\"yesterday\"",
        "RFC 3339",
    );
    one(
        with(json!({"name": "a", "ownerReferences": [{"name": "o"}]})),
        "metadata.ownerReferences[0].kind",
        "nothing",
        "kind of the owner",
    );
    let mut item = with(json!({"name": "a"}));
    item["status"] = json!({"phase": "Done"});
    one(item, "status.phase", "\"Done\"", "Pending, Running");
    let faults = faults_of(&json!([with(json!({}))]));
    assert_eq!(faults[0].object, "Pod items[0]");
    assert_eq!(faults[0].path, "metadata.name");
}

#[test]
fn faults_of_affinity_and_spread() {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let term = |requirement: Value| {
        pod(
            json!({"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}}),
        )
    };
    let at =
        format!("spec.affinity.nodeAffinity.{required}.nodeSelectorTerms[0].matchExpressions[0]");
    one(
        term(json!({"key": "k", "operator": "In"})),
        &format!("{at}.values"),
        "nothing",
        "at least one value for In",
    );
    one(
        term(json!({"key": "k", "operator": "Gt", "values": ["1", "2"]})),
        &format!("{at}.values"),
        "an array of 2",
        "exactly one integer for Gt",
    );
    one(
        term(json!({"key": "k", "operator": "Like", "values": ["1"]})),
        &format!("{at}.operator"),
        "\"Like\"",
        "In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte or Lte",
    );
    one(
        pod(json!({"affinity": {"podAffinity": {required: [{"labelSelector": {}}]}}})),
        &format!("spec.affinity.podAffinity.{required}[0].topologyKey"),
        "nothing",
        "a node label key",
    );
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    one(
        pod(
            json!({"affinity": {"podAntiAffinity": {preferred: [{"weight": 0, "podAffinityTerm": {"topologyKey": "k"}}]}}}),
        ),
        &format!("spec.affinity.podAntiAffinity.{preferred}[0].weight"),
        "0",
        "from 1 to 100",
    );
    let spread = |spread: Value| {
        let mut whole =
            json!({"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"});
        merge(&mut whole, spread);
        pod(json!({"topologySpreadConstraints": [whole]}))
    };
    let at = "spec.topologySpreadConstraints[0]";
    one(
        spread(json!({"maxSkew": 0})),
        &format!("{at}.maxSkew"),
        "0",
        "1 or more",
    );
    one(
        spread(json!({"nodeTaintsPolicy": "honor"})),
        &format!("{at}.nodeTaintsPolicy"),
        "\"honor\"",
        "Honor or Ignore",
    );
    one(
        spread(
            json!({"labelSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": []}]}}),
        ),
        &format!("{at}.labelSelector.matchExpressions[0].values"),
        "an array of 0",
        "at least one value for In",
    );
}

#[test]
fn faults_of_node_pools() {
    // S-50
    let at = "spec.template.spec.requirements[0]";
    one(
        requirement(json!({"key": "karpenter.sh/nodepool", "operator": "Exists"})),
        &format!("{at}.key"),
        "\"karpenter.sh/nodepool\"",
        "no karpenter.sh/nodepool",
    );
    one(
        requirement(json!({"key": "kubernetes.io/hostname", "operator": "Exists"})),
        &format!("{at}.key"),
        "\"kubernetes.io/hostname\"",
        "not restricted",
    );
    one(
        requirement(json!({"key": "a b", "operator": "Exists"})),
        &format!("{at}.key"),
        "\"a b\"",
        "a label key",
    );
    one(
        requirement(json!({"key": "k", "operator": "Gt", "values": ["x"]})),
        &format!("{at}.values"),
        "\"x\"",
        "exactly one integer",
    );
    one(
        requirement(json!({"key": "k", "operator": "In", "values": ["a"], "minValues": 2})),
        &format!("{at}.minValues"),
        "2",
        "at most the 1 listed values",
    );
    for wrong in [0, 51] {
        one(
            requirement(json!({"key": "k", "operator": "Exists", "minValues": wrong})),
            &format!("{at}.minValues"),
            &wrong.to_string(),
            "from 1 to 50",
        );
    }
    for wrong in [0, 101] {
        one(
            pool(json!({"weight": wrong})),
            "spec.weight",
            &wrong.to_string(),
            "from 1 to 100",
        );
    }
    one(
        pool(json!({"template": {"metadata": {"labels": {"karpenter.sh/x": "y"}}}})),
        "spec.template.metadata.labels[karpenter.sh/x]",
        "\"karpenter.sh/x\"",
        "not restricted",
    );
}

#[test]
fn faults_of_node_pool_taints_and_disruption() {
    let taint = json!({"key": "k", "effect": "NoSchedule"});
    one(
        pool(json!({"template": {"spec": {"taints": [taint], "startupTaints": [taint]}}})),
        "spec.template.spec.startupTaints[0]",
        "a second taint k:NoSchedule",
        "once",
    );
    one(
        pool(json!({"template": {"spec": {"taints": [{"key": "k", "effect": "Nope"}]}}})),
        "spec.template.spec.taints[0].effect",
        "\"Nope\"",
        "NoSchedule",
    );
    one(
        pool(json!({"template": {"spec": {"expireAfter": "30d"}}})),
        "spec.template.spec.expireAfter",
        "\"30d\"",
        "Never",
    );
    one(
        pool(json!({"disruption": {"consolidateAfter": "soon"}})),
        "spec.disruption.consolidateAfter",
        "\"soon\"",
        "a Go duration",
    );
    for wrong in ["101%", "-1", "ten", "5.5", "%"] {
        one(
            pool(json!({"disruption": {"budgets": [{"nodes": wrong}]}})),
            "spec.disruption.budgets[0].nodes",
            &format!("{wrong:?}"),
            "a number of nodes",
        );
    }
    one(
        pool(json!({"disruption": {"budgets": [{"nodes": "1", "schedule": "@daily"}]}})),
        "spec.disruption.budgets[0].duration",
        "nothing",
        "as the budget has a schedule",
    );
    one(
        pool(json!({"disruption": {"budgets": [{"nodes": "1", "reasons": ["Bored"]}]}})),
        "spec.disruption.budgets[0].reasons[0]",
        "\"Bored\"",
        "Underutilized, Empty or Drifted",
    );
    one(
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "p"}, "spec": {"template": {"spec": {}}}}),
        "spec.template.spec.nodeClassRef",
        "nothing",
        "node class",
    );
}

#[test]
fn faults_of_the_other_kinds() {
    one(
        named(
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": "half"}}),
        ),
        "spec.minAvailable",
        "\"half\"",
        "percentage",
    );
    one(
        named(
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": 1, "maxUnavailable": 1}}),
        ),
        "spec.maxUnavailable",
        "1",
        "either",
    );
    one(
        named("storage.k8s.io/v1", "StorageClass", json!({})),
        "provisioner",
        "nothing",
        "provisioner",
    );
    one(
        named(
            "storage.k8s.io/v1",
            "CSINode",
            json!({"spec": {"drivers": [{"name": "d", "allocatable": {"count": -1}}]}}),
        ),
        "spec.drivers[0].allocatable.count",
        "-1",
        "0 or more",
    );
    one(
        named(
            "v1",
            "PersistentVolumeClaim",
            json!({"status": {"phase": "Gone"}}),
        ),
        "status.phase",
        "\"Gone\"",
        "Pending, Bound or Lost",
    );
    one(
        named(
            "scheduling.x-k8s.io/v1alpha1",
            "PodGroup",
            json!({"spec": {"minMember": -2}}),
        ),
        "spec.minMember",
        "-2",
        "0 or more",
    );
    one(
        named(
            "apps/v1",
            "DaemonSet",
            json!({"spec": {"template": {"spec": {"containers": [{"resources": {"limits": {"cpu": []}}}]}}}}),
        ),
        "spec.template.spec.containers[0].resources.limits.cpu",
        "an array of 0",
        "a quantity",
    );
    one(
        named(
            "karpenter.sagemaker.amazonaws.com/v1",
            "HyperpodNodeClass",
            json!({"spec": {"instanceGroups": [1]}}),
        ),
        "spec.instanceGroups[0]",
        "1",
        "a string",
    );
}

#[test]
fn faults_of_capacity_and_options() {
    let types = |offering: Value| {
        named(
            "tetrapod/v1alpha1",
            "InstanceTypes",
            json!({"instanceTypes": [{"name": "t", "offerings": [offering]}]}),
        )
    };
    one(
        types(json!({"zone": "z", "capacityType": "cheap"})),
        "instanceTypes[0].offerings[0].capacityType",
        "\"cheap\"",
        "on-demand, spot or reserved",
    );
    one(
        types(json!({"zone": "z", "capacityType": "spot", "price": -1})),
        "instanceTypes[0].offerings[0].price",
        "-1",
        "0 or more",
    );
    one(
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "effort": "max"}),
        "effort",
        "\"max\"",
        "fast, balanced or thorough",
    );
    one(
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "prices": {"t": {"free": 1}}}),
        "prices.t.free",
        "\"free\"",
        "on-demand",
    );
    one(
        json!({"ClusterName": "c", "InstanceGroups": [{"CurrentCount": 1}]}),
        "InstanceGroups[0].InstanceGroupName",
        "nothing",
        "instance group",
    );
}

#[test]
fn a_second_object_of_a_name_is_a_fault_even_when_equal() {
    let twice = pod(json!({}));
    let faults = faults_of(&json!([twice, twice]));
    assert_eq!(faults.len(), 1);
    assert_eq!(
        (faults[0].object.as_str(), faults[0].path.as_str()),
        ("Pod ns/a", "metadata.name")
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    assert_eq!(faults_of(&json!([node, node])).len(), 1);
    // The same name in another namespace, or of another kind, is another object.
    let other = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}});
    let claim =
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}});
    let list = json!([pod(json!({})), other, claim]);
    assert_eq!(snapshot_from_str(&list.to_string()).unwrap().pods.len(), 2);
}

#[test]
fn what_an_api_server_accepts_is_no_fault() {
    // S-8: the planner gives the reason for each of these.
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let odd = pod(json!({
        "nodeSelector": {"karpenter.sh/nodepool": "x", "kubernetes.io/hostname": "h", "karpenter.sh/capacity-type": "cheap"},
        "affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]},
            {"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["x"]}]}, {}]}}},
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}],
        "resourceClaims": [{"name": "g", "resourceClaimName": "gpu"}],
        "containers": [{"resources": {"claims": [{"name": "g"}]}}],
    }));
    let snapshot = snapshot_from_str(&odd.to_string()).unwrap();
    let spec = &snapshot.pods[0].spec;
    assert_eq!(spec.node_selector.len(), 3);
    assert_eq!(spec.affinity.node_required.as_ref().unwrap().len(), 3);
    assert!(spec.uses_resource_claims());
}

#[test]
fn owners_may_form_a_circle() {
    let owned = |name: &str, owner: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {}, "metadata": {"name": name, "uid": name,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": owner}]}})
    };
    let list = json!([owned("a", "a"), owned("b", "c"), owned("c", "b")]);
    assert_eq!(snapshot_from_str(&list.to_string()).unwrap().pods.len(), 3);
}

fn read(
    text: &str,
    skip_invalid: bool,
    limits: Limits,
) -> Result<tetrapod::manifest::Input, InputError> {
    let mut reader = Reader::new().skip_invalid(skip_invalid).limits(limits);
    reader.read("file.json", text.as_bytes());
    reader.finish()
}

#[test]
fn invalid_objects_can_be_left_out() {
    // M-16
    let bad = container(json!({"resources": {"requests": {"cpu": "x"}}}));
    let good = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}, "spec": {}});
    let text = json!([bad, good]).to_string();
    assert!(read(&text, false, Limits::default()).is_err());
    let input = read(&text, true, Limits::default()).unwrap();
    assert_eq!(input.snapshot.pods.len(), 1);
    assert_eq!(input.left_out.len(), 1);
    assert_eq!(input.left_out[0].object, "Pod ns/a");
}

#[test]
fn faults_beyond_the_limit_are_counted() {
    let mut limits = Limits::default();
    limits.faults = 3;
    let bad: Vec<Value> = (0..10)
        .map(|at| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": at.to_string()}, "spec": {"unschedulable": "no"}}))
        .collect();
    let error = read(&json!(bad).to_string(), false, limits).unwrap_err();
    assert_eq!((error.faults.len(), error.more), (3, 7));
    assert!(error.to_string().ends_with("and 7 more"));
}
