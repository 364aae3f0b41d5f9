//! M-3: the order in which the pods of a plan can be bound.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::toy::World;
use tetrapod::Snapshot;
use tetrapod::base::rng::Rng;
use tetrapod::model::affinity::TopologySpreadConstraint;
use tetrapod::model::label::{self, LabelSelector, Labels, SelectorExpression, SelectorOperator};
use tetrapod::model::resources::Name;
use tetrapod::plan::Plan;
use tetrapod::scheduler::schedule;
use tetrapod::shapes::random::{Size, random};
use tetrapod::verify::{Kind, binding_order, verify};

/// Six pods spread over three zones, two to a node.
fn spread_over_zones() -> (Snapshot, Plan) {
    let mut world = World::new();
    world.instance_type("only", "2", "1");
    let labels: Arc<Labels> = Arc::new([("app", "web")].into_iter().collect());
    for at in 0..6 {
        let pod = world.pod(&format!("web-{at}"), "1");
        let app = SelectorExpression::new("app", SelectorOperator::In, vec!["web".into()]);
        let selector = LabelSelector::new(vec![app]);
        let constraint = TopologySpreadConstraint::new(label::ZONE, 1, selector);
        pod.topology_spread.push(constraint);
        world.snapshot.pods.last_mut().unwrap().labels = Arc::clone(&labels);
    }
    let plan = world.plan();
    (world.snapshot, plan)
}

fn listed(plan: &Plan) -> Vec<Name> {
    let existing = plan.existing_nodes.iter().map(|node| &node.pods);
    let claims = plan.new_node_claims.iter().map(|claim| &claim.pods);
    existing.chain(claims).flatten().cloned().collect()
}

#[test]
fn pods_of_a_spread_are_bound_by_turns_m3() {
    let (snapshot, mut plan) = spread_over_zones();
    assert_eq!(plan.totals.new_nodes, 3);
    let order = binding_order(&snapshot, &plan).unwrap();
    let claim_of = |pod: &Name| {
        let mut claims = plan.new_node_claims.iter();
        claims.position(|claim| claim.pods.contains(pod)).unwrap()
    };
    for turn in order.chunks(3) {
        let nodes: BTreeSet<usize> = turn.iter().map(claim_of).collect();
        assert_eq!(nodes.len(), 3, "{order:?}");
    }
    plan.binding_order = order;
    assert!(verify(&snapshot, &plan).valid);
}

#[test]
fn a_stated_order_that_breaks_a_spread_is_a_violation_m3() {
    let (snapshot, mut plan) = spread_over_zones();
    plan.binding_order = listed(&plan);
    let verdict = verify(&snapshot, &plan);
    let kinds: Vec<Kind> = verdict.violations.iter().map(|v| v.kind).collect();
    assert_eq!(kinds, [Kind::BindingOrder]);
}

#[test]
fn a_stated_order_names_every_placed_pod_once_m3() {
    let (snapshot, plan) = spread_over_zones();
    let order = binding_order(&snapshot, &plan).unwrap();
    for damage in [
        |order: &mut Vec<Name>| drop(order.pop()),
        |order: &mut Vec<Name>| order[1] = Name::clone(&order[0]),
        |order: &mut Vec<Name>| order.push(Name::from("default/nobody")),
    ] {
        let mut plan = plan.clone();
        plan.binding_order.clone_from(&order);
        damage(&mut plan.binding_order);
        assert!(!verify(&snapshot, &plan).valid, "{:?}", plan.binding_order);
    }
}

#[test]
fn plans_for_arbitrary_clusters_can_state_their_order_m3() {
    let mut with_rules = 0;
    for seed in 0..150 {
        let size = Size::new(40, 6).with_topology();
        let snapshot = random(&mut Rng::new(seed), size);
        let mut plan = schedule(&snapshot);
        if !verify(&snapshot, &plan).warnings.is_empty() {
            continue;
        }
        let order = binding_order(&snapshot, &plan).unwrap_or_else(|| panic!("seed {seed}"));
        let named: BTreeSet<&Name> = order.iter().collect();
        let placed = listed(&plan);
        assert_eq!(named, placed.iter().collect(), "seed {seed}");
        assert_eq!(order.len(), placed.len(), "seed {seed}");
        with_rules += usize::from(order != placed);
        plan.binding_order = order;
        let verdict = verify(&snapshot, &plan);
        assert!(verdict.valid, "seed {seed}: {:#?}", verdict.violations);
    }
    assert!(
        with_rules > 10,
        "only {with_rules} orders differ from the listing"
    );
}
