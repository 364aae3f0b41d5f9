//! What Karpenter's scheduler loses on rules between pods and on taints (W-19..W-30, W-35), and on work (W-36): each case of
//! the specification with the better outcome. Every plan is judged by `verify`. Last comes the table of all weaknesses.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::toy::{World, any_of, is, pending, shape};
use tetrapod::model::affinity::{NodeInclusionPolicy, PodAffinityTerm, TopologySpreadConstraint};
use tetrapod::model::label::{self, LabelSelector, Labels, SelectorExpression, SelectorOperator};
use tetrapod::model::pod::PodPhase;
use tetrapod::model::taint::{Taint, TaintEffect, Toleration};
use tetrapod::plan::Plan;
use tetrapod::scheduler::{Capacity, Compiled};

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

/// The pod made last runs on `node`.
fn runs_on(world: &mut World, node: &str) {
    let pod = world.snapshot.pods.last_mut().unwrap();
    pod.node_name = Some(node.into());
    pod.phase = PodPhase::Running;
}

fn term(key: &str, name: &str) -> PodAffinityTerm {
    let mut term = PodAffinityTerm::default();
    term.topology_key = key.into();
    term.label_selector = Some(app(name));
    term
}

fn zones(plan: &Plan) -> BTreeSet<&str> {
    let claims = plan.new_node_claims.iter();
    claims.map(|claim| claim.cheapest.zone.as_ref()).collect()
}

#[test]
fn a_pod_shares_the_zone_of_one_that_waits_too_w19() {
    let mut world = World::new();
    world.instance_type("only", "8", "1");
    world.pod("db", "4");
    of_app(&mut world, "db");
    let big = world.pod("big", "5");
    big.affinity.pod_required.push(term(label::ZONE, "db"));
    let plan = world.plan();
    assert_eq!(shape(&plan), ["only: big", "only: db"]);
    assert_eq!(zones(&plan).len(), 1);
}

#[test]
fn pods_that_exclude_each_other_take_one_zone_each_w20() {
    let mut world = World::new();
    world.instance_type("only", "8", "1");
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, "1");
        pod.affinity.anti_required.push(term(label::ZONE, "x"));
        of_app(&mut world, "x");
    }
    assert_eq!(zones(&world.plan()), BTreeSet::from(["z1", "z2", "z3"]));
}

#[test]
fn a_spread_uses_the_zones_that_can_launch_w21() {
    let mut world = World::new();
    let arm = world.instance_type("arm", "4", "1");
    arm.requirements.push(is(ARCH, "arm64"));
    arm.offerings
        .retain(|offering| offering.zone.as_ref() != "z3");
    let amd = world.instance_type("amd", "4", "1");
    amd.requirements.push(is(ARCH, "amd64"));
    for name in ["a", "b", "c", "d", "e", "f"] {
        let pod = world.pod(name, "3");
        pod.node_selector.set(ARCH, "arm64");
        let spread = TopologySpreadConstraint::new(label::ZONE, 5, app("x"));
        pod.topology_spread.push(spread);
        of_app(&mut world, "x");
    }
    assert_eq!(pending(&world.plan()), [""; 0]);
}

#[test]
fn spread_and_affinity_find_the_zone_that_meets_both_w22() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    world.node("n2", "1").labels.set(label::ZONE, "z2");
    world.pod("there", "1");
    of_app(&mut world, "x");
    runs_on(&mut world, "n2");
    let pod = world.pod("a", "1");
    let spread = TopologySpreadConstraint::new(label::ZONE, 5, app("x"));
    pod.topology_spread.push(spread);
    pod.affinity.pod_required.push(term(label::ZONE, "x"));
    of_app(&mut world, "x");
    let plan = world.plan();
    assert_eq!(zones(&plan), BTreeSet::from(["z2"]));
}

#[test]
fn a_group_that_stays_together_is_in_one_zone_w23() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, "3");
        pod.affinity.pod_required.push(term(label::ZONE, "x"));
        of_app(&mut world, "x");
    }
    let plan = world.plan();
    assert_eq!(plan.new_node_claims.len(), 3);
    for claim in &plan.new_node_claims {
        assert_eq!(claim.zones, plan.new_node_claims[0].zones);
        assert_eq!(claim.zones.len(), 1);
    }
}

#[test]
fn spreads_of_different_nodes_are_judged_apart_w24() {
    let mut world = World::bare();
    world.instance_type("only", "4", "1");
    for team in ["a", "b"] {
        world.pool(team).template_labels.set("team", team);
        for number in 0..3 {
            let pod = world.pod(&format!("{team}{number}"), "3");
            pod.node_selector.set("team", team);
            let spread = TopologySpreadConstraint::new(label::ZONE, 1, app("x"));
            pod.topology_spread.push(spread);
            of_app(&mut world, "x");
        }
    }
    let plan = world.plan();
    for team in ["a", "b"] {
        let of_team = plan.new_node_claims.iter();
        let of_team = of_team.filter(|claim| claim.node_pool.as_ref() == team);
        let zones: BTreeSet<&str> = of_team.map(|claim| claim.cheapest.zone.as_ref()).collect();
        assert_eq!(zones.len(), 3, "team {team}");
    }
}

#[test]
fn a_key_that_no_node_has_separates_nobody_w25() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    let pod = world.pod("a", "1");
    pod.affinity.anti_required.push(term("rack", "x"));
    world.pod("b", "1");
    of_app(&mut world, "x");
    // A node in a zone that no pool offers refuses nobody elsewhere either.
    world.node("far", "1").labels.set(label::ZONE, "z9");
    assert_eq!(pending(&world.plan()), [""; 0]);
}

#[test]
fn a_group_on_one_host_goes_where_all_have_room_w26() {
    let mut world = World::new();
    world.instance_type("big", "16", "1");
    world.node("near", "4");
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, "3");
        pod.affinity.pod_required.push(term(label::HOSTNAME, "x"));
        of_app(&mut world, "x");
    }
    assert_eq!(shape(&world.plan()), ["big: a b c"]);
}

#[test]
fn who_tolerates_more_may_use_more_zones_w27() {
    let mut world = World::bare();
    world.instance_type("only", "4", "1");
    let mut near = is(label::ZONE, "z1");
    near.values.push("z2".into());
    world.pool("plain").requirements.push(near);
    let far = world.pool("gpu");
    far.requirements.push(is(label::ZONE, "z3"));
    far.taints
        .push(Taint::new("gpu", "", TaintEffect::NoSchedule));
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, "1");
        pod.affinity.anti_required.push(term(label::ZONE, "x"));
        if name == "c" {
            // An empty toleration with the operator Exists tolerates everything.
            let all: Toleration = serde_json::from_str(r#"{"operator": "Exists"}"#).unwrap();
            pod.tolerations.push(all);
        }
        of_app(&mut world, "x");
    }
    assert_eq!(zones(&world.plan()), BTreeSet::from(["z1", "z2", "z3"]));
}

#[test]
fn zones_that_the_pod_may_not_use_count_where_affinity_is_ignored_w28() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    world.node("other", "1").labels.set(label::ZONE, "z2");
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, "1");
        pod.node_selector.set(label::ZONE, "z1");
        let mut spread = TopologySpreadConstraint::new(label::ZONE, 1, app("x"));
        spread.node_affinity_policy = NodeInclusionPolicy::Ignore;
        pod.topology_spread.push(spread);
        of_app(&mut world, "x");
    }
    // kube-scheduler binds the first and no other.
    assert_eq!(pending(&world.plan()).len(), 2);
}

#[test]
fn alternatives_count_what_stands_already_w29() {
    let mut world = World::bare();
    world.instance_type("only", "4", "1");
    world.pool("b").template_labels.set("team", "b");
    for number in 0..3 {
        let name = format!("n{number}");
        let node = world.node(&name, "1");
        node.labels.set("team", "b");
        world.pod(&format!("there{number}"), "1");
        of_app(&mut world, "x");
        runs_on(&mut world, &name);
    }
    let pod = world.pod("a", "1");
    any_of(pod, [is("team", "a"), is("team", "b")]);
    let spread = TopologySpreadConstraint::new(label::ZONE, 1, app("x"));
    pod.topology_spread.push(spread);
    of_app(&mut world, "x");
    let plan = world.plan();
    assert_eq!(plan.new_node_claims.len(), 1);
    assert!(!zones(&plan).contains("z1"), "{:?}", zones(&plan));
}

/// Left as it is: M-6 counts the types that hold the pods with all values that they offer, as Karpenter does, also those that
/// the claim cannot use any more. The better outcome would leave the pod pending with that reason.
#[test]
fn min_values_count_what_types_offer_w30() {
    let mut world = World::bare();
    world.instance_type("only", "4", "1");
    let mut both = is(label::ZONE, "z1");
    both.values.push("z2".into());
    both.min_values = Some(2);
    world.pool("default").requirements.push(both);
    world.pod("a", "1").node_selector.set(label::ZONE, "z1");
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
}

#[test]
fn free_nodes_that_would_rather_not_are_used_w35() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    let node = world.node("free", "4");
    node.taints
        .push(Taint::new("soft", "", TaintEffect::PreferNoSchedule));
    world.pod("a", "1");
    assert_eq!(shape(&world.plan()), ["free: a"]);
}

#[test]
fn equal_pods_are_looked_at_once_w36() {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    for number in 0..500 {
        world.pod(&format!("p{number}"), "1");
    }
    let capacity = Capacity::new(&world.snapshot);
    let compiled = Compiled::new(&world.snapshot, &capacity);
    assert_eq!(compiled.problem().classes.len(), 1);
}

/// Every weakness of the specification with the test, or the case of a table, that shows the better outcome.
const TABLE: [(u32, &str, &str); 38] = [
    (1, WEAKNESSES, "\"W-1: "),
    (2, WEAKNESSES, "\"W-2: "),
    (3, WEAKNESSES, "\"W-3: "),
    (4, WEAKNESSES, "\"W-4: "),
    (5, WEAKNESSES, "\"W-5: "),
    (6, WEAKNESSES, "\"W-6: "),
    (7, WEAKNESSES, "\"W-7: "),
    (
        8,
        WEAKNESSES,
        "fn pools_of_equal_weight_are_chosen_by_price_w8(",
    ),
    (9, GANGS, "fn half_a_gang_buys_nothing("),
    (10, WEAKNESSES, "\"W-10: "),
    (11, WEAKNESSES, "\"W-11: "),
    (12, WEAKNESSES, "\"W-12: "),
    (13, WEAKNESSES, "fn one_reserved_unit_is_held_per_node_w13("),
    (
        14,
        WEAKNESSES,
        "fn on_demand_is_bought_once_reservations_run_out_w14(",
    ),
    (15, PREFERENCES, "fn a_preference_launches_no_node_w15("),
    (
        16,
        PREFERENCES,
        "fn required_alternatives_launch_no_node_w16(",
    ),
    (
        17,
        PREFERENCES,
        "fn a_preference_that_cannot_hold_costs_no_heavier_one_w17(",
    ),
    (
        18,
        PREFERENCES,
        "fn a_preference_that_cannot_hold_costs_no_lighter_one_w18(",
    ),
    (
        19,
        RULES,
        "fn a_pod_shares_the_zone_of_one_that_waits_too_w19(",
    ),
    (
        20,
        RULES,
        "fn pods_that_exclude_each_other_take_one_zone_each_w20(",
    ),
    (21, RULES, "fn a_spread_uses_the_zones_that_can_launch_w21("),
    (
        22,
        RULES,
        "fn spread_and_affinity_find_the_zone_that_meets_both_w22(",
    ),
    (
        23,
        RULES,
        "fn a_group_that_stays_together_is_in_one_zone_w23(",
    ),
    (
        24,
        RULES,
        "fn spreads_of_different_nodes_are_judged_apart_w24(",
    ),
    (25, RULES, "fn a_key_that_no_node_has_separates_nobody_w25("),
    (
        26,
        RULES,
        "fn a_group_on_one_host_goes_where_all_have_room_w26(",
    ),
    (27, RULES, "fn who_tolerates_more_may_use_more_zones_w27("),
    (
        28,
        RULES,
        "fn zones_that_the_pod_may_not_use_count_where_affinity_is_ignored_w28(",
    ),
    (29, RULES, "fn alternatives_count_what_stands_already_w29("),
    (30, RULES, "fn min_values_count_what_types_offer_w30("),
    (31, WEAKNESSES, "\"W-31: "),
    (32, WEAKNESSES, "\"W-32: "),
    (33, VOLUMES, "/// W-33: "),
    (34, VOLUMES, "/// W-34: "),
    (
        35,
        RULES,
        "fn free_nodes_that_would_rather_not_are_used_w35(",
    ),
    (36, RULES, "fn equal_pods_are_looked_at_once_w36("),
    (
        37,
        PROPERTIES,
        "fn plans_are_valid_and_the_order_of_the_input_does_not_show(",
    ),
    (
        38,
        EXPLAIN,
        "fn s139_limits_name_the_resource_what_is_left_and_what_took_it(",
    ),
];

const WEAKNESSES: &str = include_str!("weaknesses.rs");
const PREFERENCES: &str = include_str!("weaknesses_preferences.rs");
const RULES: &str = include_str!("weaknesses_rules.rs");
const GANGS: &str = include_str!("weaknesses_inputs/gangs.rs");
const VOLUMES: &str = include_str!("weaknesses_inputs/volumes.rs");
const PROPERTIES: &str = include_str!("properties.rs");
const EXPLAIN: &str = include_str!("explain.rs");

#[test]
fn every_weakness_has_its_test() {
    for (at, (number, text, test)) in TABLE.iter().enumerate() {
        assert_eq!(*number as usize, at + 1, "the table has them all, in order");
        // In this file the table names the test too.
        let times = if std::ptr::eq(*text, RULES) { 2 } else { 1 };
        assert!(text.matches(test).count() >= times, "W-{number}: no {test}");
    }
}
