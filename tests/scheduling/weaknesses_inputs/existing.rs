//! Existing nodes in every state (S-112..S-116) and pods on deleting nodes (S-6, S-7).

use serde_json::{Value, json};

use super::notation::{node, pending, plan, pod, pool, shape, snapshot, types, with};

const NOW: &str = "2026-01-01T01:00:00Z";

fn deleting(name: &str) -> Value {
    with(
        node(name, "8", json!({})),
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    )
}

fn options() -> Value {
    json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "now": NOW})
}

fn bound(name: &str, annotations: Value, status: Value) -> Value {
    with(
        pod(name, "1", json!({"nodeName": "old"})),
        json!({"metadata": {"annotations": annotations, "labels": {"app": name}}, "status": status}),
    )
}

fn budget(name: &str, app: &str, spec: Value) -> Value {
    with(
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
               "metadata": {"name": name, "namespace": "default"},
               "spec": {"selector": {"matchLabels": {"app": app}}}}),
        json!({"spec": spec}),
    )
}

/// S-6, S-7: a pod that may not be evicted stays on the deleting node, and the plan says so.
#[test]
fn protected_pods_stay_on_deleting_nodes() {
    let never = json!({"karpenter.sh/do-not-disrupt": "true"});
    let started = json!({"startTime": "2026-01-01T00:00:00Z"});
    let items = vec![
        options(),
        pool("default", json!({})),
        types(&[("small", 8, 1.0)]),
        deleting("old"),
        budget("zero", "by-budget", json!({"maxUnavailable": 0})),
        budget("all", "by-percent", json!({"minAvailable": "100%"})),
        budget("some", "moves", json!({"maxUnavailable": 1})),
        budget("two-1", "by-two", json!({"maxUnavailable": 1})),
        budget("two-2", "by-two", json!({"maxUnavailable": 1})),
        budget(
            "waived",
            "waived",
            json!({"maxUnavailable": "0%",
               "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
        ),
        bound("moves", json!({}), json!({})),
        bound("waived", json!({}), json!({})),
        bound("ever", never, json!({})),
        bound(
            "two-hours",
            json!({"karpenter.sh/do-not-disrupt": "2h"}),
            started.clone(),
        ),
        bound(
            "half-hour",
            json!({"karpenter.sh/do-not-disrupt": "30m"}),
            started,
        ),
        bound(
            "unreadable",
            json!({"karpenter.sh/do-not-disrupt": "soon"}),
            json!({}),
        ),
        bound("by-budget", json!({}), json!({})),
        bound("by-percent", json!({}), json!({})),
        bound("by-two", json!({}), json!({})),
    ];
    let plan = plan(items);
    assert_eq!(shape(&plan), ["small: half-hour moves unreadable waived"]);
    assert_eq!(
        pending(&plan),
        [
            "by-budget not-pending",
            "by-percent not-pending",
            "by-two not-pending",
            "ever not-pending",
            "two-hours not-pending"
        ]
    );
    assert!(
        plan.unschedulable[0]
            .reason
            .contains("PodDisruptionBudget zero")
    );
}

/// S-6: a terminating pod of a StatefulSet will be made again and needs a place; one of a ReplicaSet does not.
#[test]
fn terminating_pods_of_stateful_sets_need_a_place() {
    let of = |name: &str, kind: &str| {
        with(
            pod(name, "1", json!({"nodeName": "old"})),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "u", "controller": true}]}}),
        )
    };
    let items = vec![
        options(),
        pool("default", json!({})),
        types(&[("small", 8, 1.0)]),
        deleting("old"),
        of("db-0", "StatefulSet"),
        of("web-0", "ReplicaSet"),
    ];
    assert_eq!(shape(&plan(items)), ["small: db-0"]);
}

/// S-112, S-113: what counts as taints, labels and room at each stage of a node's life.
#[test]
fn nodes_count_by_their_stage_of_life() {
    let claim = |name: &str, node: &str| {
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": name, "labels": {"karpenter.sh/nodepool": "default", "stage": "claim"}},
            "spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "default"}, "requirements": [],
                     "startupTaints": [{"key": "starting", "effect": "NoSchedule"}]},
            "status": {"providerID": format!("aws:///{name}"), "nodeName": node,
                       "capacity": {"cpu": "4", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "1"},
                       "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "1"}}})
    };
    let staged = |name: &str, labels: Value, taints: Value| {
        with(
            node(name, "4", labels),
            json!({"spec": {"taints": taints}, "status": {
                "capacity": {"nvidia.com/gpu": "0"}, "allocatable": {"nvidia.com/gpu": "0"}}}),
        )
    };
    let starting = json!([{"key": "starting", "effect": "NoSchedule"},
                          {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
    let registered = json!({"karpenter.sh/registered": "true"});
    let ready = json!({"karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"});
    let gpu = json!({"containers": [{"name": "c", "image": "i",
                     "resources": {"requests": {"cpu": "1", "nvidia.com/gpu": "1"}}}]});
    let cluster = |name: &str, labels: Value, with_node: bool| {
        let mut items = vec![
            claim("c", if with_node { "n" } else { "" }),
            pod(name, "1", gpu.clone()),
        ];
        if with_node {
            items.push(staged("n", labels, starting.clone()));
        }
        items
    };
    // In flight: the NodeClaim alone counts.
    assert_eq!(shape(&plan(cluster("p", json!({}), false))), ["c: p"]);
    // Unregistered and registered: ephemeral and start-up taints do not count, a zeroed GPU still does.
    assert_eq!(shape(&plan(cluster("p", json!({}), true))), ["n: p"]);
    assert_eq!(shape(&plan(cluster("p", registered, true))), ["n: p"]);
    // Initialized: the Node alone counts, its taints included.
    let plan = plan(cluster("p", ready, true));
    assert_eq!(shape(&plan), Vec::<String>::new());
    assert_eq!(plan.unschedulable.len(), 1);
}

/// S-114: an unmanaged node and one of a static pool are ordinary destinations; what is bound and what DaemonSets will
/// bring is taken off.
#[test]
fn room_is_what_bound_and_daemon_pods_leave() {
    let daemon = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}}}});
    let items = |cpu: &str| {
        vec![
            pool("static", json!({"replicas": 1})),
            node("n", "4", json!({"karpenter.sh/nodepool": "static"})),
            daemon.clone(),
            pod("bound", "1", json!({"nodeName": "n"})),
            pod("p", cpu, json!({})),
        ]
    };
    assert_eq!(shape(&plan(items("2"))), ["n: p"]);
    assert_eq!(plan(items("2001m")).unschedulable.len(), 1);
    assert_eq!(snapshot(items("2")).nodes.len(), 1);
}
