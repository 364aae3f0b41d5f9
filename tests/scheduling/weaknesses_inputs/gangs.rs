//! Gangs (M-15, H-54, W-9): placed as a whole or not at all.

use serde_json::{Value, json};
use tetrapod::base::rng::Rng;
use tetrapod::manifest;
use tetrapod::plan::Plan;
use tetrapod::verify::{Kind, verify};

use super::notation::{ZONE, node, pending, plan, pod, pool, shape, snapshot, types, with};

const RACK: &str = "topology.k8s.aws/network-node-layer-3";

fn group(name: &str, least: u32) -> Value {
    json!({"apiVersion": "scheduling.x-k8s.io/v1alpha1", "kind": "PodGroup",
           "metadata": {"name": name, "namespace": "default"}, "spec": {"minMember": least}})
}

/// A member of the PodGroup `of`.
fn member(name: &str, of: &str, cpu: &str, more: Value) -> Value {
    let labels = json!({"metadata": {"labels": {"scheduling.x-k8s.io/pod-group": of}}});
    with(with(pod(name, cpu, json!({})), labels), more)
}

fn gang(of: &str, size: usize, cpu: &str, more: &Value) -> Vec<Value> {
    (0..size)
        .map(|at| member(&format!("{of}-{at}"), of, cpu, more.clone()))
        .collect()
}

fn base(limit: &str) -> Vec<Value> {
    vec![
        pool("default", json!({"limits": {"nodes": limit}})),
        types(&[("eight", 8, 1.0)]),
    ]
}

/// W-9: four pods that need a node each, and two nodes at most: nothing is bought, with or without company.
#[test]
fn half_a_gang_buys_nothing() {
    let mut items = base("2");
    items.push(group("job", 4));
    items.extend(gang("job", 4, "8", &json!({})));
    items.push(pod("alone", "8", json!({})));
    let plan = plan(items);
    assert_eq!(shape(&plan), ["eight: alone"]);
    assert_eq!(
        pending(&plan),
        ["job-0 gang", "job-1 gang", "job-2 gang", "job-3 gang"]
    );
    let left = &plan.unschedulable[0];
    assert!(
        left.reason
            .contains("needs 4 pods at once, and of 4 only 2 find a place together"),
        "{}",
        left.reason
    );
    assert_eq!(left.reasons[0].parts[0].code.as_str(), "limit", "{left:?}");
    assert_eq!(
        (plan.pod_groups[0].placed, plan.pod_groups[0].pending),
        (0, 4)
    );
}

/// M-15: of two gangs that do not fit together one is whole, that of higher priority, then the older one.
#[test]
fn gangs_that_compete_are_served_whole_in_order() {
    let two = |a: Value, b: Value| {
        let mut items = base("4");
        items.extend([group("a", 3), group("b", 3)]);
        items.extend(gang("a", 3, "8", &a));
        items.extend(gang("b", 3, "8", &b));
        items
    };
    let high = json!({"spec": {"priority": 10}});
    let plain = plan(two(json!({}), high));
    assert_eq!(shape(&plain), ["eight: b-0", "eight: b-1", "eight: b-2"]);
    let old =
        |year: u32| json!({"metadata": {"creationTimestamp": format!("{year}-01-01T00:00:00Z")}});
    let aged = plan(two(old(2025), old(2024)));
    assert_eq!(shape(&aged), ["eight: b-0", "eight: b-1", "eight: b-2"]);
}

/// M-15: members that run count; pods beyond the minimum are placed if they can be.
#[test]
fn running_members_count_and_extra_ones_are_welcome() {
    let mut items = base("2");
    items.push(group("job", 4));
    items.push(node("n", "16", json!({})));
    for name in ["r0", "r1"] {
        items.push(member(name, "job", "8", json!({"spec": {"nodeName": "n"}})));
    }
    items.extend(gang("job", 3, "8", &json!({})));
    let plan = plan(items);
    assert_eq!(plan.new_node_claims.len(), 2);
    assert_eq!(plan.unschedulable.len(), 1, "the fifth pod is not needed");
    let gang = &plan.pod_groups[0];
    assert_eq!(
        (gang.minimum, gang.running, gang.placed, gang.pending),
        (4, 2, 2, 1)
    );
}

/// M-15: a gang of which pods do not exist yet waits for them; Kueue states the size in an annotation.
#[test]
fn a_gang_waits_for_pods_that_do_not_exist_yet() {
    let mut items = base("9");
    for at in 0..2 {
        items.push(with(
            pod(&format!("k{at}"), "8", json!({})),
            json!({"metadata": {"labels": {"kueue.x-k8s.io/pod-group-name": "train"},
                   "annotations": {"kueue.x-k8s.io/pod-group-total-count": "3"}}}),
        ));
    }
    let plan = plan(items);
    assert_eq!(pending(&plan), ["k0 gang", "k1 gang"]);
    assert!(
        plan.unschedulable[0]
            .reason
            .contains("needs 3 pods and there are 2"),
        "{}",
        plan.unschedulable[0].reason
    );
}

/// M-15: without a number a JobSet needs all of its pods, gated ones too.
#[test]
fn a_job_set_needs_all_of_its_pods() {
    let of = |name: &str, more: Value| {
        let labels = json!({"metadata": {"labels": {"jobset.sigs.k8s.io/jobset-name": "js"}}});
        with(with(pod(name, "8", json!({})), labels), more)
    };
    let mut items = base("2");
    items.extend([of("a", json!({})), of("b", json!({}))]);
    assert_eq!(shape(&plan(items.clone())), ["eight: a", "eight: b"]);
    items.push(of(
        "c",
        json!({"spec": {"schedulingGates": [{"name": "later"}]}}),
    ));
    assert_eq!(pending(&plan(items)), ["a gang", "b gang"]);
}

fn in_one(key: &str) -> Value {
    json!({"metadata": {"annotations": {"kueue.x-k8s.io/podset-required-topology": key}}})
}

/// H-54: a required domain is one zone, the cheapest that holds the whole, and no claim may leave it.
#[test]
fn a_required_zone_is_the_cheapest_that_holds_the_whole() {
    let mut dear = types(&[("eight", 8, 1.0)]);
    dear["instanceTypes"][0]["offerings"][0]["price"] = json!(0.5);
    let mut items = vec![pool("default", json!({})), dear, group("job", 3)];
    items.push(node("free", "16", json!({ZONE: "z2"})));
    items.extend(gang("job", 3, "8", &in_one(ZONE)));
    // Two on the free node in z2 and one new there ($1) beat three new ones in z1 ($1.5).
    let plan = plan(items);
    assert_eq!(shape(&plan), ["eight: job-2", "free: job-0 job-1"]);
    assert_eq!(plan.new_node_claims[0].zones, ["z2".into()]);
    assert_eq!(plan.pod_groups[0].domains[0].value.as_deref(), Some("z2"));
}

/// H-55: network layers are known of existing nodes only; a block that holds the whole is found, and where there is none
/// nothing is placed.
#[test]
fn a_required_network_block_is_found_on_existing_nodes() {
    let mut items = vec![
        pool("default", json!({})),
        types(&[("eight", 8, 1.0)]),
        group("job", 3),
    ];
    for (name, rack) in [
        ("a1", "r1"),
        ("a2", "r1"),
        ("b1", "r2"),
        ("b2", "r2"),
        ("b3", "r2"),
    ] {
        items.push(node(name, "8", json!({RACK: rack})));
    }
    let mut fits = items.clone();
    fits.extend(gang("job", 3, "8", &in_one(RACK)));
    assert_eq!(shape(&plan(fits)), ["b1: job-0", "b2: job-1", "b3: job-2"]);
    items.extend(gang("job", 4, "8", &in_one(RACK)));
    items.push(group("other", 1));
    let mut four = items;
    four[2] = group("job", 4);
    let plan = plan(four);
    assert_eq!(plan.new_node_claims, []);
    assert_eq!(plan.unschedulable.len(), 4);
    assert!(
        plan.unschedulable[0]
            .reason
            .contains("in one domain of topology.k8s.aws/network-node-layer-3"),
        "{}",
        plan.unschedulable[0].reason
    );
}

/// H-54, M-2: a preferred domain is taken where it costs nothing, and given up otherwise.
#[test]
fn a_preferred_block_costs_nothing() {
    let prefer =
        json!({"metadata": {"annotations": {"kueue.x-k8s.io/podset-preferred-topology": RACK}}});
    let cluster = |racks: [&str; 4]| {
        let mut items = vec![
            pool("default", json!({})),
            types(&[("eight", 8, 1.0)]),
            group("job", 2),
        ];
        for (at, rack) in racks.iter().enumerate() {
            items.push(node(&format!("n{at}"), "8", json!({RACK: rack})));
        }
        items.extend(gang("job", 2, "8", &prefer));
        plan(items)
    };
    let together = cluster(["r1", "r2", "r3", "r2"]);
    assert_eq!(shape(&together), ["n1: job-0", "n3: job-1"]);
    assert_eq!(
        together.pod_groups[0].domains[0].value.as_deref(),
        Some("r2")
    );
    let apart = cluster(["r1", "r2", "r3", "r4"]);
    assert_eq!(shape(&apart), ["n0: job-0", "n1: job-1"]);
    assert_eq!(apart.new_node_claims, []);
}

/// The checker reads gangs for itself: half a gang and a gang in two domains are violations.
#[test]
fn the_checker_finds_broken_gangs() {
    let mut items = vec![
        node("n1", "8", json!({})),
        node("n2", "8", json!({ZONE: "z2"})),
        group("job", 2),
    ];
    items.extend(gang("job", 2, "8", &in_one(ZONE)));
    let snapshot = snapshot(items);
    let judge = |existing: Value, left: Value| {
        let plan: Plan = serde_json::from_value(json!({
            "existingNodes": existing, "unschedulable": left,
            "totals": {"scheduled": existing.as_array().unwrap().len(),
                       "unschedulable": left.as_array().unwrap().len()}}))
        .unwrap();
        let verdict = verify(&snapshot, &plan);
        verdict
            .violations
            .iter()
            .map(|v| v.kind)
            .collect::<Vec<_>>()
    };
    let on = |node: &str, pod: &str| json!({"node": node, "pods": [format!("default/{pod}")]});
    let left = json!([{"pod": "default/job-1", "reason": "x"}]);
    assert_eq!(judge(json!([on("n1", "job-0")]), left), [Kind::Gang]);
    let apart = json!([on("n1", "job-0"), on("n2", "job-1")]);
    assert_eq!(judge(apart, json!([])), [Kind::Gang]);
    assert!(manifest::snapshot_from_str(&serde_json::to_string(&snapshot).unwrap()).is_ok());
}

/// M-15, H-54: on random small clusters no gang is ever placed in part or in two domains (the checker sees to it), and the
/// order of the input does not show.
#[test]
fn random_gangs_are_whole_in_any_order() {
    let mut rng = Rng::new(0x6761_6e67);
    let mut placed = 0;
    for case in 0..60 {
        let mut items = vec![
            pool(
                "default",
                json!({"limits": {"nodes": rng.below(5).to_string()}}),
            ),
            types(&[("four", 4, 0.5), ("eight", 8, 0.9)]),
            json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options", "effort": "fast",
                   "now": "2026-01-01T00:00:00Z"}),
        ];
        for at in 0..rng.below(4) {
            let rack = format!("r{}", rng.below(2));
            let zone = format!("z{}", 1 + rng.below(2));
            items.push(node(
                &format!("n{at}"),
                "8",
                json!({RACK: rack, ZONE: zone}),
            ));
        }
        for at in 0..rng.below(4) {
            let name = format!("g{at}");
            let size = 1 + usize::try_from(rng.below(5)).unwrap();
            items.push(group(
                &name,
                1 + u32::try_from(rng.below(size as u64)).unwrap(),
            ));
            let key = *rng.choose(&[ZONE, RACK]).unwrap();
            let annotations = match rng.below(3) {
                0 => json!({"kueue.x-k8s.io/podset-required-topology": key}),
                1 => json!({"kueue.x-k8s.io/podset-preferred-topology": key}),
                _ => json!({}),
            };
            let more = json!({"metadata": {"annotations": annotations},
                              "spec": {"priority": rng.below(3)}});
            items.extend(gang(&name, size, &(1 + rng.below(6)).to_string(), &more));
        }
        for at in 0..rng.below(4) {
            let more = json!({"priority": rng.below(3)});
            items.push(pod(
                &format!("s{at}"),
                &(1 + rng.below(6)).to_string(),
                more,
            ));
        }
        let first = plan(items.clone());
        placed += first.pod_groups.iter().filter(|g| g.placed > 0).count();
        items.reverse();
        assert_eq!(plan(items), first, "case {case}");
    }
    assert!(placed > 30, "{placed}");
}
