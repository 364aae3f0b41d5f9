//! Overlays (S-58..S-60), capacity buffers (S-129..S-134) and static pools (S-126..S-128).

use serde_json::{Value, json};
use tetrapod::manifest::{self, export};
use tetrapod::plan::buffers::BufferState;
use tetrapod::verify::{Kind, verify};

use super::notation::{node, pending, plan, plan_of, pod, pool, shape, snapshot, types, with};

fn overlay(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "karpenter.sh/v1alpha1", "kind": "NodeOverlay",
           "metadata": {"name": name}, "spec": spec})
}

fn of_type(name: &str) -> Value {
    json!([{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [name]}])
}

fn two_types() -> Vec<Value> {
    vec![
        pool("default", json!({})),
        types(&[("a", 8, 1.0), ("b", 8, 1.2)]),
        pod("p", "4", json!({})),
    ]
}

/// S-58, S-59: adjusted prices decide what is bought and what the bill says; the gate turns overlays off.
#[test]
fn overlays_change_prices() {
    for (change, price) in [
        (json!({"priceAdjustment": "-50%"}), "0.6"),
        (json!({"priceAdjustment": "-0.9"}), "0.3"),
        (json!({"priceAdjustment": "-7"}), "0"),
        (json!({"price": "0.25"}), "0.25"),
    ] {
        let mut items = two_types();
        let mut spec = change;
        spec["requirements"] = of_type("b");
        items.push(overlay("cheap-b", spec));
        let plan = plan(items.clone());
        assert_eq!(shape(&plan), ["b: p"]);
        assert_eq!(plan.totals.hourly_price.to_string(), price);
        items.push(json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options",
                          "featureGates": {"NodeOverlay": false}}));
        assert_eq!(shape(&super::notation::plan(items)), ["a: p"]);
    }
}

/// S-58: an overlay may speak of one pool, one zone or one label, and of nothing that is not defined.
#[test]
fn overlays_apply_where_all_they_ask_is_defined() {
    let priced = |key: &str, value: &str| {
        let mut items = two_types();
        items[0]["spec"]["template"]["metadata"] = json!({"labels": {"team": "x"}});
        let spec = json!({"price": "0.5", "requirements": [
            {"key": key, "operator": "In", "values": [value]}]});
        items.push(overlay("o", spec));
        plan(items).totals.hourly_price.to_string()
    };
    assert_eq!(priced("karpenter.sh/nodepool", "default"), "0.5");
    assert_eq!(priced("karpenter.sh/nodepool", "other"), "1");
    assert_eq!(priced("topology.kubernetes.io/zone", "z2"), "0.5");
    assert_eq!(priced("team", "x"), "0.5");
    assert_eq!(priced("squad", "x"), "1", "an undefined label is not met");
}

/// S-59: capacity adds resources that the provider does not know.
#[test]
fn overlays_add_capacity() {
    let gpu = json!({"containers": [{"name": "c", "image": "i",
                     "resources": {"requests": {"cpu": "1", "example.com/dongle": "2"}}}]});
    let mut items = two_types();
    items[2] = pod("p", "1", gpu);
    assert_eq!(plan(items.clone()).unschedulable.len(), 1);
    items.push(overlay(
        "dongles",
        json!({"requirements": of_type("b"), "capacity": {"example.com/dongle": "2"}}),
    ));
    assert_eq!(shape(&plan(items)), ["b: p"]);
}

/// S-59, S-60: the heaviest wins without stacking; equal weights on one price are a conflict, told, and the earlier by
/// name is left out everywhere.
#[test]
fn the_heaviest_overlay_wins_and_equal_ones_conflict() {
    let mut items = two_types();
    items.push(overlay(
        "light",
        json!({"price": "0.1", "requirements": of_type("b")}),
    ));
    items.push(overlay(
        "heavy",
        json!({"price": "0.7", "weight": 5, "requirements": of_type("b")}),
    ));
    let heavy = plan(items);
    assert_eq!(heavy.totals.hourly_price.to_string(), "0.7");

    let mut items = two_types();
    items.push(overlay(
        "one",
        json!({"price": "0.1", "requirements": of_type("b")}),
    ));
    items.push(overlay(
        "two",
        json!({"price": "0.7", "requirements": of_type("b")}),
    ));
    items.push(overlay(
        "three",
        json!({"price": "0.9", "requirements": of_type("a")}),
    ));
    let plan = plan(items);
    assert_eq!(
        plan.totals.hourly_price.to_string(),
        "0.7",
        "z before a, as pools"
    );
    let note = plan
        .notes
        .iter()
        .find(|n| n.subject == "NodeOverlay one")
        .unwrap();
    assert!(
        note.message.contains("NodeOverlay two has the same weight"),
        "{note:?}"
    );
}

fn template(name: &str, cpu: &str) -> Value {
    let spec = pod(
        "x",
        cpu,
        json!({"volumes": [
        {"name": "v", "persistentVolumeClaim": {"claimName": "none"}}]}),
    );
    json!({"apiVersion": "v1", "kind": "PodTemplate",
           "metadata": {"name": name, "namespace": "default"},
           "template": {"metadata": {"labels": {"app": "spare"}}, "spec": spec["spec"]}})
}

fn buffer(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
           "metadata": {"name": name, "namespace": "default", "uid": "u"}, "spec": spec})
}

/// S-129, S-130, S-133, S-134: a buffer keeps room, on existing nodes first; its pods are told apart and count nowhere.
#[test]
fn buffers_keep_room() {
    let items = vec![
        pool("default", json!({})),
        types(&[("eight", 8, 1.0)]),
        node("n", "4", json!({})),
        pod("real", "4", json!({})),
        template("t", "4"),
        buffer(
            "spare",
            json!({"podTemplateRef": {"name": "t"}, "replicas": 3}),
        ),
    ];
    let plan = plan(items);
    assert_eq!(
        (plan.totals.scheduled, plan.totals.new_nodes),
        (1, 2 - usize::from(plan.totals.new_nodes == 1))
    );
    let row = &plan.buffers[0];
    assert_eq!(
        (row.replicas, row.on_existing + row.on_new, row.pending),
        (3, 3, 0)
    );
    assert_eq!(row.state, BufferState::RequiresNewCapacity);
    let virtual_pods: usize = plan
        .new_node_claims
        .iter()
        .map(|c| c.buffer_pods.len())
        .sum();
    assert_eq!(virtual_pods, row.on_new);
    let names = plan.new_node_claims.iter().flat_map(|c| &c.buffer_pods);
    assert!(
        names
            .into_iter()
            .all(|n| n.starts_with("default/capacity-buffer-spare-"))
    );
}

/// S-131, W-10: other than in Karpenter, a large buffer pod takes no real pod's place under a limit.
#[test]
fn real_pods_come_before_buffers() {
    let items = vec![
        pool("default", json!({"limits": {"nodes": "1"}})),
        types(&[("eight", 8, 1.0)]),
        pod("small", "2", json!({})),
        template("t", "8"),
        buffer(
            "spare",
            json!({"podTemplateRef": {"name": "t"}, "replicas": 1}),
        ),
    ];
    let plan = plan(items);
    assert_eq!(shape(&plan), ["eight: small"]);
    assert_eq!(plan.unschedulable, []);
    assert_eq!((plan.buffers[0].pending, plan.buffers[0].on_new), (1, 0));
    assert!(!plan.buffers[0].reasons.is_empty());
}

/// S-132: replicas, a share of a workload's scale, and limits.
#[test]
fn the_size_of_a_buffer() {
    let size = |spec: Value| {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": 15, "selector": {"matchLabels": {"app": "w"}},
                     "template": {"metadata": {"labels": {"app": "w"}},
                                  "spec": pod("x", "2", json!({}))["spec"]}}});
        let mut spec = spec;
        spec["scalableRef"] = json!({"apiGroup": "apps", "kind": "Deployment", "name": "web"});
        let plan = plan(vec![deployment, buffer("b", spec)]);
        (plan.buffers[0].replicas, plan.buffers[0].state)
    };
    let need = BufferState::RequiresNewCapacity;
    assert_eq!(size(json!({"replicas": 4})), (4, need));
    assert_eq!(size(json!({"percentage": 10})), (2, need), "ceil(1.5)");
    assert_eq!(
        size(json!({"replicas": 1, "percentage": 20})),
        (3, need),
        "the larger"
    );
    assert_eq!(
        size(json!({"replicas": 9, "limits": {"cpu": "5"}})),
        (2, need)
    );
    assert_eq!(
        size(json!({"limits": {"cpu": "7"}})),
        (3, need),
        "limits alone"
    );
    assert_eq!(size(json!({"replicas": 0})), (0, BufferState::BufferEmpty));
    assert_eq!(size(json!({})), (0, BufferState::NotReadyForProvisioning));
}

/// S-133: what a buffer refers to may be missing; it says so and disturbs nobody.
#[test]
fn a_buffer_without_template_says_so() {
    let items = vec![buffer(
        "b",
        json!({"podTemplateRef": {"name": "t"}, "replicas": 1}),
    )];
    let plan = plan(items);
    assert_eq!(plan.buffers[0].state, BufferState::NotReadyForProvisioning);
    assert!(
        plan.buffers[0].reasons[0]
            .message
            .contains("no PodTemplate default/t")
    );
    assert_eq!(pending(&plan), Vec::<String>::new());
}

fn static_cluster(replicas: u32, claims: &[(&str, Value)], limit: Option<u32>) -> Vec<Value> {
    let limits = limit.map_or_else(
        || json!({}),
        |n| json!({"limits": {"nodes": n.to_string()}}),
    );
    let mut items = vec![
        pool("fixed", with(json!({"replicas": replicas}), limits)),
        types(&[("a", 8, 1.0), ("b", 4, 0.4)]),
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options",
               "featureGates": {"StaticCapacity": true}}),
    ];
    for (name, more) in claims {
        let claim = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": name, "labels": {"karpenter.sh/nodepool": "fixed"}},
            "spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "default"}, "requirements": []},
            "status": {"providerID": format!("id-{name}"), "nodeName": format!("n-{name}")}});
        items.push(with(claim, more.clone()));
    }
    items
}

/// S-126, S-127: what is missing is made from the template within the limit of nodes, pods or no pods, and pods never
/// cause more; with the gate off nothing is made.
#[test]
fn static_pools_are_filled_up() {
    let plan = plan(static_cluster(3, &[("c1", json!({}))], None));
    let pool = &plan.static_pools[0];
    assert_eq!((pool.running, pool.create, pool.over_limit), (1, 2, 0));
    assert_eq!(pool.cheapest.as_ref().unwrap().instance_type.as_ref(), "b");
    assert_eq!(plan.new_node_claims, []);

    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let claims = [("c1", json!({})), ("c2", leaving)];
    let capped = super::notation::plan(static_cluster(4, &claims, Some(4)));
    let pool = &capped.static_pools[0];
    assert_eq!((pool.running, pool.create, pool.over_limit), (1, 2, 1));

    let mut off = static_cluster(3, &[], None);
    off.remove(2);
    off.push(pod("p", "1", json!({})));
    let off = super::notation::plan(off);
    assert_eq!((off.static_pools.len(), off.new_node_claims.len()), (0, 0));
}

/// S-128: what is too many goes in order: not launched, empty, without pods that forbid it, cheapest to disrupt.
#[test]
fn static_pools_are_cut_down_in_order() {
    let unlaunched = json!({"status": {"providerID": "", "nodeName": ""}});
    let claims = [
        ("held", json!({})),
        ("two-pods", json!({})),
        ("one-pod", json!({})),
        ("empty", json!({})),
        ("unlaunched", unlaunched),
    ];
    let cluster = |replicas: u32| {
        let mut items = static_cluster(replicas, &claims, None);
        for (name, pods) in [("held", 1), ("two-pods", 2), ("one-pod", 1), ("empty", 0)] {
            items.push(node(
                &format!("n-{name}"),
                "8",
                json!({"karpenter.sh/nodepool": "fixed"}),
            ));
            for at in 0..pods {
                let mut bound = pod(
                    &format!("{name}-{at}"),
                    "1",
                    json!({"nodeName": format!("n-{name}")}),
                );
                if name == "held" {
                    bound["metadata"]["annotations"] =
                        json!({"karpenter.sh/do-not-disrupt": "true"});
                }
                items.push(bound);
            }
        }
        plan(items).static_pools
    };
    let gone = |replicas: u32| {
        let pools = cluster(replicas);
        pools[0]
            .remove
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        gone(0),
        ["unlaunched", "empty", "one-pod", "two-pods", "held"]
    );
    assert_eq!(gone(3), ["unlaunched", "empty"]);
    assert_eq!(cluster(5), []);
}

/// The checker counts static nodes for itself.
#[test]
fn the_checker_counts_static_nodes() {
    let snapshot = snapshot(static_cluster(2, &[("c1", json!({}))], None));
    let mut plan = plan_of(&snapshot);
    plan.static_pools[0].create = 2;
    let verdict = verify(&snapshot, &plan);
    assert_eq!(verdict.violations[0].kind, Kind::StaticPool);
}

/// What is exported is read back: overlays, buffers, templates and workloads.
#[test]
fn manifests_of_these_kinds_come_back() {
    let mut items = two_types();
    items.push(overlay(
        "a",
        json!({"priceAdjustment": "+10%", "weight": 3, "requirements": of_type("b"),
        "capacity": {"example.com/dongle": "2"}}),
    ));
    items.push(overlay("b", json!({"price": "0.3", "requirements": []})));
    items.push(template("t", "4"));
    items.push(with(
        buffer(
            "b",
            json!({"podTemplateRef": {"name": "t"}, "replicas": 3, "limits": {"cpu": "9"},
            "provisioningStrategy": "buffer.x-k8s.io/active-capacity"}),
        ),
        json!({"status": {"conditions": [{"type": "ReadyForProvisioning", "status": "True"}]}}),
    ));
    for kind in ["Deployment", "StatefulSet", "ReplicaSet"] {
        items.push(json!({"apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": 2, "template": {"spec": pod("x", "2", json!({}))["spec"]}}}));
    }
    let mut first = snapshot(items);
    first.options.now = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!((first.node_overlays.len(), first.workloads.len()), (2, 3));
    let mut text = Vec::new();
    export::write(&first, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(manifest::snapshot_from_str(&text).unwrap(), first);
    let own = serde_json::to_string(&first).unwrap();
    assert_eq!(manifest::snapshot_from_str(&own).unwrap(), first);
}

/// S-59: what no overlay may say is refused with its place.
#[test]
fn wrong_overlays_are_refused() {
    for (spec, field) in [
        (
            json!({"requirements": [], "priceAdjustment": "10%"}),
            "priceAdjustment",
        ),
        (
            json!({"requirements": [], "priceAdjustment": "-101%"}),
            "priceAdjustment",
        ),
        (
            json!({"requirements": [], "price": "1", "priceAdjustment": "+1"}),
            "priceAdjustment",
        ),
        (
            json!({"requirements": [], "capacity": {"cpu": "1"}}),
            "capacity",
        ),
        (json!({"requirements": [], "weight": 0}), "weight"),
    ] {
        let error =
            manifest::snapshot_from_str(&overlay("o", spec.clone()).to_string()).unwrap_err();
        assert!(error.faults[0].path.contains(field), "{spec} {error:?}");
    }
}
