//! Caps that people ask for (issue point 7) and dynamic resource allocation (S-135..S-137).

use serde_json::{Value, json};

use super::notation::{pending, plan, pod, pool, shape, types};

fn options(more: Value) -> Value {
    super::notation::with(
        json!({"apiVersion": "tetrapod/v1alpha1", "kind": "Options"}),
        more,
    )
}

fn four_pods(names: [&str; 2]) -> Vec<Value> {
    let mut items = vec![types(&[("eight", 8, 1.0)])];
    for name in names {
        items.push(pool(
            name,
            json!({"template": {"metadata": {"labels": {"of": name}}}}),
        ));
    }
    for (at, name) in names.iter().cycle().take(4).enumerate() {
        items.push(pod(
            &format!("p{at}"),
            "8",
            json!({"nodeSelector": {"of": name}}),
        ));
    }
    items
}

/// A price limit of the plan: as many nodes as it pays for, and the others say that it is the price.
#[test]
fn a_plan_keeps_its_price_limit() {
    let mut items = four_pods(["a", "b"]);
    items.push(options(json!({"priceLimit": 3})));
    let plan = plan(items);
    assert_eq!(plan.totals.hourly_price.to_string(), "3");
    assert_eq!(plan.unschedulable.len(), 1);
    assert_eq!(plan.unschedulable[0].code.as_ref(), "price-limit");
    assert!(
        plan.unschedulable[0].reason.contains("price limit"),
        "{}",
        plan.unschedulable[0].reason
    );
}

/// A price limit of one pool leaves the other alone.
#[test]
fn a_pool_keeps_its_price_limit() {
    let mut items = four_pods(["a", "b"]);
    items.push(options(json!({"poolPriceLimits": {"a": 1}})));
    let plan = plan(items);
    assert_eq!(pending(&plan), ["p2 price-limit"]);
    assert_eq!(shape(&plan), ["eight: p0", "eight: p1", "eight: p3"]);
}

/// A limit over a group of pools, chosen by the labels of the pool objects.
#[test]
fn a_group_of_pools_keeps_its_limit() {
    let mut items = four_pods(["a", "b"]);
    for at in [1, 2] {
        items[at]["metadata"]["labels"] = json!({"team": "x"});
    }
    items.push(options(json!({"limitGroups": [
        {"name": "team-x", "selector": {"matchLabels": {"team": "x"}}, "limits": {"cpu": "16"}}]})));
    let plan = plan(items);
    assert_eq!(plan.new_node_claims.len(), 2);
    assert_eq!(plan.unschedulable.len(), 2);
    for left in &plan.unschedulable {
        assert_eq!(left.code.as_ref(), "limit");
        assert!(left.reason.contains("team-x"), "{}", left.reason);
    }
}

/// S-135: pods with resource claims are refused with that reason and disturb nobody.
#[test]
fn resource_claims_are_refused_with_a_reason() {
    let items = vec![
        pool("default", json!({})),
        types(&[("eight", 8, 1.0)]),
        pod("plain", "4", json!({})),
        pod(
            "dra",
            "4",
            json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": "g"}]}),
        ),
    ];
    let plan = plan(items);
    assert_eq!(shape(&plan), ["eight: plain"]);
    assert_eq!(pending(&plan), ["dra dra"]);
    assert_eq!((plan.totals.scheduled, plan.totals.unschedulable), (1, 1));
    assert!(
        plan.unschedulable[0]
            .reason
            .contains("dynamic resource allocation")
    );
}
