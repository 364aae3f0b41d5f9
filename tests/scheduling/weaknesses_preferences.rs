//! What Karpenter loses on preferences (W-15..W-18), each with the better outcome (M-2).

use std::sync::Arc;

use crate::toy::{World, any_of, is, shape};
use tetrapod::model::affinity::{
    PreferredNodeTerm, TopologySpreadConstraint, WeightedPodAffinityTerm, WhenUnsatisfiable,
};
use tetrapod::model::label::{self, LabelSelector, Labels, SelectorExpression, SelectorOperator};

fn app(name: &str) -> LabelSelector {
    let values = vec![name.into()];
    LabelSelector::new(vec![SelectorExpression::new(
        "app",
        SelectorOperator::In,
        values,
    )])
}

fn label_last(world: &mut World, name: &str) {
    let labels: Labels = [("app", name)].into_iter().collect();
    world.snapshot.pods.last_mut().unwrap().labels = Arc::new(labels);
}

/// A cluster with a type of 4 CPUs at 1 $ and a node in zone z2 with so much free CPU.
fn with_free_room(cpu: &str) -> World {
    let mut world = World::new();
    world.instance_type("only", "4", "1");
    let node = world.node("free", &format!("cpu={cpu} memory=16Gi"));
    node.labels.set(label::ZONE, "z2");
    world
}

#[test]
fn a_preference_launches_no_node_w15() {
    let mut world = with_free_room("4");
    let mut term = PreferredNodeTerm::default();
    term.weight = 1;
    term.preference.match_expressions = vec![is(label::ZONE, "z1")];
    world.pod("a", "1").affinity.node_preferred.push(term);
    let plan = world.plan();
    assert_eq!(shape(&plan), ["free: a"]);
    let figures = plan.preferences.unwrap();
    assert_eq!((figures.weight_met, figures.weight_total), (0, 1));
}

#[test]
fn a_soft_spread_launches_no_node_w15() {
    let mut world = with_free_room("4");
    for name in ["a", "b", "c"] {
        let mut spread = TopologySpreadConstraint::new(label::ZONE, 1, app("web"));
        spread.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
        world.pod(name, "1").topology_spread.push(spread);
        label_last(&mut world, "web");
    }
    assert_eq!(shape(&world.plan()), ["free: a b c"]);
}

#[test]
fn required_alternatives_launch_no_node_w16() {
    let mut world = with_free_room("4");
    any_of(
        world.pod("a", "1"),
        [is(label::ZONE, "z1"), is(label::ZONE, "z2")],
    );
    assert_eq!(shape(&world.plan()), ["free: a"]);
}

/// The pod prefers to be near `db` (possible, in z2) with one weight, and near an app that is not there with another.
fn two_wishes(db: u32, missing: u32) -> World {
    let mut world = with_free_room("1");
    world.pod("db", "1");
    label_last(&mut world, "db");
    world.snapshot.pods.last_mut().unwrap().node_name = Some("free".into());
    let spec = world.pod("a", "1");
    for (name, weight) in [("db", db), ("missing", missing)] {
        let mut term = WeightedPodAffinityTerm::default();
        term.weight = weight;
        term.pod_affinity_term.label_selector = Some(app(name));
        term.pod_affinity_term.topology_key = label::ZONE.into();
        spec.affinity.pod_preferred.push(term);
    }
    world
}

#[test]
fn a_preference_that_cannot_hold_costs_no_heavier_one_w17() {
    let plan = two_wishes(100, 1).plan();
    assert_eq!(plan.new_node_claims[0].cheapest.zone.as_ref(), "z2");
    let figures = plan.preferences.unwrap();
    assert_eq!((figures.weight_met, figures.weight_total), (100, 101));
}

#[test]
fn a_preference_that_cannot_hold_costs_no_lighter_one_w18() {
    let plan = two_wishes(1, 100).plan();
    assert_eq!(plan.new_node_claims[0].cheapest.zone.as_ref(), "z2");
    let figures = plan.preferences.unwrap();
    assert_eq!((figures.weight_met, figures.weight_total), (1, 101));
}
