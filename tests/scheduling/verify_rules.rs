//! Single rules of the checker, each on a cluster of a few objects.

use serde_json::{Value, json};
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::verify::{Kind, Verdict, verify};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// A snapshot with the pool `default` over the type `small` (4 CPU, 0.1 $) and `large` (16 CPU, 0.4 $) in zones a, b, c.
fn snapshot(items: Vec<Value>) -> Snapshot {
    let offerings = |price: f64| -> Vec<Value> {
        let zone =
            |z| json!({"zone": z, "capacityType": "on-demand", "price": price, "available": true});
        ["a", "b", "c"].map(zone).to_vec()
    };
    let kind = |name: &str, cpu: &str, price: f64| {
        json!({"name": name, "capacity": {"cpu": cpu, "memory": "16Gi", "pods": "50"},
               "offerings": offerings(price)})
    };
    let mut all = vec![
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes",
               "metadata": {"name": "default"},
               "instanceTypes": [kind("small", "4", 0.1), kind("large", "16", 0.4)]}),
        pool(json!([])),
    ];
    all.extend(items);
    // A later pool of the same name replaces the first.
    let pools = all.iter().filter(|item| item["kind"] == "NodePool").count();
    if pools > 1 {
        all.remove(1);
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
    manifest::snapshot_from_str(&list.to_string()).unwrap()
}

fn pool(requirements: Value) -> Value {
    json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
           "spec": {"template": {"spec": {
               "nodeClassRef": {"group": "karpenter.sagemaker.amazonaws.com",
                                "kind": "HyperpodNodeClass", "name": "default"},
               "requirements": requirements}}}})
}

/// A pod labelled `app` that asks for one CPU, with `more` in its specification.
fn pod(name: &str, app: &str, more: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}});
    for (key, value) in more.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    pod
}

fn node(name: &str, zone: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {ZONE: zone}},
           "spec": {}, "status": {"allocatable": {"cpu": "8", "memory": "16Gi", "pods": "50"},
                                  "capacity": {"cpu": "8", "memory": "16Gi", "pods": "50"}}})
}

fn spread(app: &str, more: Value) -> Value {
    let mut constraint = json!({"maxSkew": 1, "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": app}}});
    for (key, value) in more.as_object().unwrap() {
        constraint[key] = value.clone();
    }
    json!({"topologySpreadConstraints": [constraint]})
}

fn near(kind: &str, app: &[&str], key: &str) -> Value {
    let term =
        |app: &&str| json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key});
    let terms: Vec<Value> = app.iter().map(term).collect();
    json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
}

/// A plan of small nodes in the given zones, and pods on existing nodes.
fn plan(claims: &[(&str, &[&str])], existing: &[(&str, &[&str])]) -> Plan {
    let keys =
        |pods: &[&str]| -> Vec<String> { pods.iter().map(|p| format!("default/{p}")).collect() };
    let claim = |(zone, pods): &(&str, &[&str])| {
        json!({"nodePool": "default", "pods": keys(pods), "instanceTypes": ["small"],
               "zones": [zone], "capacityTypes": ["on-demand"],
               "cheapest": {"instanceType": "small", "zone": zone, "capacityType": "on-demand",
                            "price": 0.1}})
    };
    let placement = |(node, pods): &(&str, &[&str])| json!({"node": node, "pods": keys(pods)});
    let scheduled: usize = claims
        .iter()
        .chain(existing)
        .map(|(_, pods)| pods.len())
        .sum();
    let tenths = u32::try_from(claims.len()).unwrap();
    let value = json!({
        "newNodeClaims": claims.iter().map(claim).collect::<Vec<_>>(),
        "existingNodes": existing.iter().map(placement).collect::<Vec<_>>(),
        "totals": {"newNodes": claims.len(), "scheduled": scheduled,
                   "hourlyPrice": f64::from(tenths) / 10.0}});
    serde_json::from_value(value).unwrap()
}

fn kinds(verdict: &Verdict) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = verdict.violations.iter().map(|v| v.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[track_caller]
fn assert_kinds(snapshot: &Snapshot, plan: &Plan, expected: &[Kind]) {
    let verdict = verify(snapshot, plan);
    assert_eq!(kinds(&verdict), expected, "{:#?}", verdict.violations);
    assert_eq!(verdict.valid, expected.is_empty());
}

#[test]
fn spread_needs_an_order_not_the_listed_one() {
    // M-3: claim by claim the second pod in zone a would exceed the skew, by turns it does not.
    let pods = ["w0", "w1", "w2", "w3"].map(|n| pod(n, "web", spread("web", json!({}))));
    let snapshot = snapshot(pods.to_vec());
    let even = plan(&[("a", &["w0", "w1"]), ("b", &["w2", "w3"])], &[]);
    assert_kinds(&snapshot, &even, &[]);
    let skewed = plan(&[("a", &["w0", "w1", "w2"]), ("b", &["w3"])], &[]);
    assert_kinds(&snapshot, &skewed, &[Kind::TopologySpread]);
}

#[test]
fn fewer_domains_than_min_domains_make_the_least_count_zero() {
    // S-93
    let rule = spread("web", json!({"minDomains": 3}));
    let pods = ["w0", "w1", "w2", "w3"].map(|n| pod(n, "web", rule.clone()));
    let snapshot = snapshot(pods.to_vec());
    let two_zones = plan(&[("a", &["w0", "w1"]), ("b", &["w2", "w3"])], &[]);
    assert_kinds(&snapshot, &two_zones, &[Kind::TopologySpread]);
    let three_zones = plan(&[("a", &["w0", "w1"]), ("b", &["w2"]), ("c", &["w3"])], &[]);
    assert_kinds(&snapshot, &three_zones, &[]);
}

#[test]
fn spread_counts_the_nodes_that_its_policies_let_in() {
    // W-28: pods held to zone a; the empty node in zone b counts only where node affinity is ignored.
    let build = |policy: &str| {
        let mut rule = spread("web", json!({"nodeAffinityPolicy": policy}));
        rule["nodeSelector"] = json!({ZONE: "a"});
        let mut items = vec![node("far", "b")];
        items.extend(["w0", "w1"].map(|n| pod(n, "web", rule.clone())));
        snapshot(items)
    };
    let both = plan(&[("a", &["w0", "w1"])], &[]);
    assert_kinds(&build("Honor"), &both, &[]);
    assert_kinds(&build("Ignore"), &both, &[Kind::TopologySpread]);
}

#[test]
fn terminating_pods_do_not_count_for_spread() {
    let mut leaving = pod("old", "web", json!({"nodeName": "n1"}));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let staying = pod("old", "web", json!({"nodeName": "n1"}));
    let build = |old: Value| {
        let new = pod("w0", "web", spread("web", json!({})));
        snapshot(vec![node("n1", "a"), node("n2", "b"), old, new])
    };
    let beside = plan(&[], &[("n1", &["w0"])]);
    assert_kinds(&build(leaving), &beside, &[]);
    assert_kinds(&build(staying), &beside, &[Kind::TopologySpread]);
}

#[test]
fn one_pod_must_match_all_affinity_terms() {
    // Two terms that two different pods match are not enough for kube-scheduler.
    let follower = pod("f", "f", near("podAffinity", &["x", "y"], ZONE));
    let snapshot = snapshot(vec![
        pod("x", "x", json!({})),
        pod("y", "y", json!({})),
        follower,
    ]);
    let together = plan(&[("a", &["x", "y", "f"])], &[]);
    assert_kinds(&snapshot, &together, &[Kind::PodAffinity]);
}

#[test]
fn self_affinity_starts_in_one_domain_only() {
    // W-23
    let pods = ["s0", "s1"].map(|n| pod(n, "s", near("podAffinity", &["s"], ZONE)));
    let snapshot = snapshot(pods.to_vec());
    assert_kinds(&snapshot, &plan(&[("a", &["s0", "s1"])], &[]), &[]);
    let split = plan(&[("a", &["s0"]), ("b", &["s1"])], &[]);
    assert_kinds(&snapshot, &split, &[Kind::PodAffinity]);
}

#[test]
fn pods_that_wait_for_each_other_have_no_order() {
    let x = pod("x", "x", near("podAffinity", &["y"], ZONE));
    let y = pod("y", "y", near("podAffinity", &["x"], ZONE));
    let together = plan(&[("a", &["x", "y"])], &[]);
    assert_kinds(&snapshot(vec![x, y]), &together, &[Kind::PodAffinityOrder]);
}

#[test]
fn affinity_may_follow_a_pod_of_the_same_plan() {
    // W-19: listed after the follower, placed before it.
    let follower = pod("f", "f", near("podAffinity", &["db"], ZONE));
    let snapshot = snapshot(vec![follower, pod("db", "db", json!({}))]);
    let apart = plan(&[("a", &["f"]), ("a", &["db"])], &[]);
    assert_kinds(&snapshot, &apart, &[]);
}

#[test]
fn anti_affinity_binds_both_sides_and_only_where_the_key_is_defined() {
    // S-96; W-25: a key that no node bears separates nobody.
    let build = |key: &str| {
        let owner = pod("o", "o", near("podAntiAffinity", &["q"], key));
        snapshot(vec![owner, pod("q", "q", json!({}))])
    };
    let together = plan(&[("a", &["o", "q"])], &[]);
    let same_zone = plan(&[("a", &["o"]), ("a", &["q"])], &[]);
    assert_kinds(&build(HOST), &together, &[Kind::PodAntiAffinity]);
    assert_kinds(&build(HOST), &same_zone, &[]);
    assert_kinds(&build(ZONE), &same_zone, &[Kind::PodAntiAffinity]);
    assert_kinds(&build("example.com/rack"), &together, &[]);
}

#[test]
fn a_node_that_starts_is_judged_without_its_startup_taints() {
    // S-112, S-115: an in-flight claim goes by its own name.
    let startup = json!([{"key": "agent", "effect": "NoSchedule"}]);
    let claim = |more: Value| {
        let mut claim = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": "nc", "labels": {"karpenter.sh/nodepool": "default", ZONE: "a"}},
            "spec": {"nodeClassRef": {"group": "karpenter.sagemaker.amazonaws.com",
                                      "kind": "HyperpodNodeClass", "name": "default"},
                     "requirements": [], "startupTaints": startup},
            "status": {"providerID": "p1",
                       "capacity": {"cpu": "4", "memory": "16Gi", "pods": "50"},
                       "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "50"}}});
        for (key, value) in more.as_object().unwrap() {
            claim["status"][key] = value.clone();
        }
        claim
    };
    let in_flight = snapshot(vec![claim(json!({})), pod("p", "p", json!({}))]);
    assert_kinds(&in_flight, &plan(&[], &[("nc", &["p"])]), &[]);

    let with_node = |initialized: &str| {
        let mut node = node("n1", "a");
        node["metadata"]["labels"]["karpenter.sh/registered"] = json!("true");
        node["metadata"]["labels"]["karpenter.sh/initialized"] = json!(initialized);
        node["spec"] = json!({"providerID": "p1", "taints": startup});
        snapshot(vec![
            claim(json!({"nodeName": "n1"})),
            node,
            pod("p", "p", json!({})),
        ])
    };
    let on_node = plan(&[], &[("n1", &["p"])]);
    assert_kinds(&with_node("false"), &on_node, &[]);
    assert_kinds(&with_node("true"), &on_node, &[Kind::Taint]);
}

#[test]
fn pods_of_a_deleting_node_are_to_be_placed() {
    // S-3
    let mut leaving = node("n1", "a");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let snapshot = snapshot(vec![leaving, pod("p", "p", json!({"nodeName": "n1"}))]);
    assert_kinds(&snapshot, &plan(&[("a", &["p"])], &[]), &[]);
    assert_kinds(&snapshot, &plan(&[], &[]), &[Kind::MissingPod]);
}

#[test]
fn min_values_counts_types_that_hold_the_pods() {
    // M-6: five CPUs do not fit the small type.
    let requirement = json!([{"key": "node.kubernetes.io/instance-type", "operator": "Exists",
                              "minValues": 2}]);
    let five = json!({"containers": [{"name": "c", "image": "i",
                                      "resources": {"requests": {"cpu": "5"}}}]});
    let build = |policy: &str| {
        let options = json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options",
                             "minValuesPolicy": policy});
        snapshot(vec![
            options,
            pool(requirement.clone()),
            pod("p", "p", five.clone()),
        ])
    };
    let mut both = plan(&[("a", &["p"])], &[]);
    let claim = both.new_node_claims.first_mut().unwrap();
    claim.instance_types = vec!["large".into(), "small".into()].into();
    claim.cheapest.instance_type = "large".into();
    claim.cheapest.price = Some("0.4".parse().unwrap());
    both.totals.hourly_price = "0.4".parse().unwrap();

    let strict = verify(&build("Strict"), &both);
    // The small type is cheaper and listed, which is a fault of its own.
    assert_eq!(kinds(&strict), [Kind::Cheapest, Kind::MinValues]);
    assert!(strict.warnings.iter().any(|w| w.kind == Kind::ListedType));
    let relaxed = verify(&build("BestEffort"), &both);
    assert_eq!(kinds(&relaxed), [Kind::Cheapest]);
    assert!(relaxed.warnings.iter().any(|w| w.kind == Kind::MinValues));
}

#[test]
fn an_open_label_of_the_pool_takes_the_value_the_pods_ask_for() {
    // S-51
    let requirement = json!([{"key": "team", "operator": "In", "values": ["x", "y"]}]);
    let build = |other: &str| {
        let ask = |team: &str| json!({"nodeSelector": {"team": team}});
        let pods = [pod("p", "p", ask("y")), pod("q", "q", ask(other))];
        let mut items = vec![pool(requirement.clone())];
        items.extend(pods);
        snapshot(items)
    };
    let together = plan(&[("a", &["p", "q"])], &[]);
    assert_kinds(&build("y"), &together, &[]);
    assert_kinds(&build("x"), &together, &[Kind::NodeAffinity]);
    assert_kinds(&build("z"), &together, &[Kind::NodeAffinity]);
}

#[test]
fn an_unknown_price_is_counted_apart() {
    // M-9
    let mut snapshot = snapshot(vec![pod("p", "p", json!({}))]);
    for kind in &mut snapshot.instance_types[0].instance_types {
        for offering in &mut kind.offerings {
            offering.price = None;
        }
    }
    let mut unpriced = plan(&[("a", &["p"])], &[]);
    unpriced.new_node_claims[0].cheapest.price = None;
    unpriced.totals.hourly_price = "0".parse().unwrap();
    unpriced.totals.unknown_price_nodes = 1;
    unpriced.lower_bound = "5".parse().unwrap();
    assert_kinds(&snapshot, &unpriced, &[]);
    unpriced.totals.unknown_price_nodes = 0;
    assert_kinds(&snapshot, &unpriced, &[Kind::Totals]);
}

#[test]
fn entries_of_one_name_are_told_apart() {
    // H-49: two groups offer the type, one of them tainted.
    let mut snapshot = snapshot(vec![pod("p", "p", json!({}))]);
    let types = &mut snapshot.instance_types[0].instance_types;
    types.truncate(1);
    let mut tainted = types[0].clone();
    tainted.taints = serde_json::from_value(json!([{"key": "g", "effect": "NoSchedule"}])).unwrap();
    for (entry, group) in [(&mut types[0], "plain"), (&mut tainted, "tainted")] {
        for offering in &mut entry.offerings {
            offering.instance_group = Some(group.into());
        }
    }
    types.push(tainted);
    let mut choice = plan(&[("a", &["p"])], &[]);
    assert_kinds(&snapshot, &choice, &[]);
    choice.new_node_claims[0].cheapest.instance_group = Some("plain".into());
    assert_kinds(&snapshot, &choice, &[]);
    choice.new_node_claims[0].cheapest.instance_group = Some("tainted".into());
    assert_kinds(&snapshot, &choice, &[Kind::Taint]);
}

#[test]
fn a_verdict_is_written_in_camel_case_with_kebab_case_kinds() {
    let verdict = verify(&snapshot(vec![pod("p", "p", json!({}))]), &Plan::default());
    let value = serde_json::to_value(&verdict).unwrap();
    assert_eq!(value["valid"], json!(false));
    assert_eq!(value["violations"][0]["kind"], json!("missing-pod"));
    assert_eq!(value["violations"][0]["pod"], json!("default/p"));
    assert_eq!(value["newNodes"], json!(0));
    assert_eq!(value["hourlyPrice"], json!(0.0));
}
