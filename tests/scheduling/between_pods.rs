//! Rules between pods where room is short or domains are not what they seem: whom dealing, packing and settling place.

use std::sync::Arc;

use crate::toy::{World, pending, shape};
use tetrapod::model::affinity::{PodAffinityTerm, TopologySpreadConstraint};
use tetrapod::model::label::{self, LabelSelector, Labels, SelectorExpression, SelectorOperator};
use tetrapod::model::pod::{PodPhase, PodSpec};

const ARCH: &str = "kubernetes.io/arch";

fn app(name: &str) -> LabelSelector {
    let values = vec![name.into()];
    LabelSelector::new(vec![SelectorExpression::new(
        "app",
        SelectorOperator::In,
        values,
    )])
}

/// The pod made last is one of `app`.
fn of_app(world: &mut World, name: &str) {
    let labels: Labels = [("app", name)].into_iter().collect();
    world.snapshot.pods.last_mut().unwrap().labels = Arc::new(labels);
}

fn spread(pod: &mut PodSpec, key: &str, max_skew: u32, of: &str) {
    let constraint = TopologySpreadConstraint::new(key, max_skew, app(of));
    pod.topology_spread.push(constraint);
}

fn near(key: &str, of: &str) -> PodAffinityTerm {
    let mut term = PodAffinityTerm::default();
    term.topology_key = key.into();
    term.label_selector = Some(app(of));
    term
}

#[test]
fn a_limit_on_nodes_buys_larger_ones() {
    let mut world = World::bare();
    world.pool("default").limits = crate::toy::resources("nodes=2");
    world.instance_type("small", "4", "1");
    world.instance_type("large", "16", "5");
    for at in 0..30 {
        world.pod(&format!("p{at:02}"), "1");
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
    assert_eq!(plan.totals.new_nodes, 2);
}

#[test]
fn pods_pinned_to_a_zone_do_not_put_the_others_out_of_balance_s90() {
    // The pinned ones see their own zone only, so all of them may stand there, and the others spread as they can.
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    for at in 0..4 {
        let pod = world.pod(&format!("pinned-{at}"), "1");
        pod.node_selector.set(label::ZONE, "z1");
        spread(pod, label::ZONE, 1, "a");
        of_app(&mut world, "a");
    }
    for at in 0..6 {
        let pod = world.pod(&format!("free-{at}"), "1");
        spread(pod, label::ZONE, 1, "a");
        of_app(&mut world, "a");
    }
    assert_eq!(pending(&world.plan()), [""; 0]);
}

#[test]
fn pods_near_one_that_runs_are_dealt_to_its_zone_s95() {
    let mut world = World::new();
    world.node("n3", "4").labels.set(label::ZONE, "z3");
    world.pod("there", "1");
    of_app(&mut world, "cache");
    let there = world.snapshot.pods.last_mut().unwrap();
    there.node_name = Some("n3".into());
    there.phase = PodPhase::Running;
    world.node("n1", "4");
    let pod = world.pod("near", "1");
    pod.affinity
        .pod_required
        .push(near(label::HOSTNAME, "cache"));
    pod.affinity.anti_required.push(near(label::ZONE, "near"));
    of_app(&mut world, "near");
    assert_eq!(shape(&world.plan()), ["n3: near"]);
}

#[test]
fn a_spread_counts_no_pods_on_nodes_its_own_cannot_use_s90() {
    // What the spread of `owner` says of z1 is what amd64 nodes of z1 hold; pods on arm64 nodes are no reason to keep off.
    let mut world = World::new();
    world.node("full", "1").labels.set(ARCH, "amd64");
    world.pod("filler", "1").tolerations.clear();
    let filler = world.snapshot.pods.last_mut().unwrap();
    filler.node_name = Some("full".into());
    filler.phase = PodPhase::Running;
    for (name, zone, arch) in [
        ("arm-1", "z1", "arm64"),
        ("amd-1", "z1", "amd64"),
        ("amd-2", "z2", "amd64"),
    ] {
        let node = world.node(name, "8");
        node.labels.set(label::ZONE, zone);
        node.labels.set(ARCH, arch);
    }
    for at in 0..3 {
        let pod = world.pod(&format!("member-{at}"), "1");
        pod.node_selector.set(ARCH, "arm64");
        spread(pod, label::HOSTNAME, 5, "x");
        of_app(&mut world, "x");
    }
    for at in 0..4 {
        let pod = world.pod(&format!("owner-{at}"), "1");
        pod.node_selector.set(ARCH, "amd64");
        spread(pod, label::ZONE, 1, "x");
        of_app(&mut world, "x");
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
    let on = |name: &str| {
        let node = plan.existing_nodes.iter().find(|at| &*at.node == name);
        node.map_or(0, |node| node.pods.len())
    };
    assert_eq!((on("arm-1"), on("amd-1"), on("amd-2")), (3, 2, 2));
}

#[test]
fn a_pod_moves_out_of_the_way_of_one_that_can_stand_nowhere_else() {
    let mut world = World::bare();
    world.node("n1", "2").labels.set("disk", "ssd");
    world.node("n2", "2");
    world.node("n3", "2");
    for at in 0..4 {
        world.pod(&format!("any-{at}"), "1");
    }
    for name in ["only-a", "only-b"] {
        let pod = world.pod(name, "1");
        pod.node_selector.set("disk", "ssd");
    }
    assert_eq!(pending(&world.plan()), [""; 0]);
}

#[test]
fn two_deployments_that_spread_share_the_zones_evenly() {
    let mut world = World::new();
    world.instance_type("small", "2", "1");
    world.instance_type("large", "4", "2");
    for (name, sizes) in [
        ("a", ["1", "500m", "500m", "250m", "250m"]),
        ("b", ["500m", "500m", "250m", "200m", "100m"]),
    ] {
        for (at, cpu) in sizes.iter().enumerate() {
            let pod = world.pod(&format!("{name}{at}"), cpu);
            spread(pod, label::ZONE, 1, name);
            of_app(&mut world, name);
        }
    }
    assert_eq!(world.plan().totals.new_nodes, 3);
    assert_eq!(world.plan().totals.hourly_price, "3".parse().unwrap());
}

#[test]
fn pods_that_spread_over_hosts_can_be_bound_in_any_order() {
    // `loose` spreads over pods it is not one of; `tight` must come before the first of them that it counts.
    let mut world = World::new();
    world.instance_type("only", "16", "1");
    for at in 0..12 {
        let (name, own, other) = [
            ("loose-d", "d", "b"),
            ("loose-b", "b", "d"),
            ("tight-d", "d", "d"),
            ("tight-b", "b", "b"),
        ][at % 4];
        let pod = world.pod(&format!("{name}-{at}"), "1");
        spread(pod, label::HOSTNAME, 1, other);
        of_app(&mut world, own);
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
    for claim in &plan.new_node_claims {
        for own in ["d", "b"] {
            let named = |kind: &str| {
                let start = format!("default/{kind}-{own}");
                claim
                    .pods
                    .iter()
                    .filter(|pod| pod.starts_with(&start))
                    .count()
            };
            let (tight, loose) = (named("tight"), named("loose"));
            assert!(tight == 0 || tight + loose == 1, "{:?}", claim.pods);
        }
    }
}

#[test]
fn a_zone_without_nodes_is_no_domain_and_holds_nobody_back_s81() {
    // Two nodes at most for three zones: the third zone stays empty, and its share of the pods stands in the others.
    let mut world = World::bare();
    world.pool("default").limits = crate::toy::resources("nodes=2");
    world.instance_type("only", "8", "1");
    for at in 0..3 {
        let pod = world.pod(&format!("p{at}"), "1");
        spread(pod, label::ZONE, 1, "a");
        of_app(&mut world, "a");
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
    assert_eq!(plan.totals.new_nodes, 2);
}

#[test]
fn a_zone_whose_only_type_is_too_small_is_no_domain_s81() {
    let mut world = World::new();
    world.instance_type("small", "1", "0.1");
    world.instance_type("large", "4", "1").offerings.truncate(1);
    for at in 0..2 {
        let pod = world.pod(&format!("p{at}"), "2");
        spread(pod, label::ZONE, 1, "a");
        of_app(&mut world, "a");
    }
    assert_eq!(shape(&world.plan()), ["large: p0 p1"]);
}

#[test]
fn pods_that_stay_together_go_to_the_zone_that_others_need_s95() {
    // One node is allowed, and one pod may only be in z3.
    let mut world = World::bare();
    world.pool("default").limits = crate::toy::resources("nodes=1");
    world.instance_type("only", "8", "1");
    let pod = world.pod("pinned", "1");
    pod.node_selector.set(label::ZONE, "z3");
    pod.priority = 100;
    let pod = world.pod("together", "1");
    pod.affinity.pod_required.push(near(label::ZONE, "a"));
    of_app(&mut world, "a");
    assert_eq!(shape(&world.plan()), ["only: pinned together"]);
}

#[test]
fn pods_that_must_share_a_node_wait_until_others_have_made_balance_s89() {
    // All of "together" go on one node, so in one zone, and each needs the other zone to be as full: with the free pods
    // that is so when they are bound by turns (fuzz-001 of the corpus).
    let mut world = World::new();
    world.instance_type("only", "16", "1");
    for at in 0..4 {
        let pod = world.pod(&format!("together-{at}"), "2");
        spread(pod, label::ZONE, 1, "a");
        let affinity = &mut pod.affinity.pod_required;
        affinity.push(near(label::HOSTNAME, "t"));
        let labels: Labels = [("app", "t"), ("all", "a")].into_iter().collect();
        pod.topology_spread[0].label_selector =
            Some(LabelSelector::new(vec![SelectorExpression::new(
                "all",
                SelectorOperator::In,
                vec!["a".into()],
            )]));
        world.snapshot.pods.last_mut().unwrap().labels = Arc::new(labels);
    }
    for at in 0..12 {
        world.pod(&format!("free-{at:02}"), "1");
        let labels: Labels = [("app", "f"), ("all", "a")].into_iter().collect();
        world.snapshot.pods.last_mut().unwrap().labels = Arc::new(labels);
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
}
