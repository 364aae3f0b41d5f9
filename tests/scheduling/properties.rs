//! What holds for every plan, over random snapshots.
//!
//! Each property is run over a row of seeds, so that every run tests the same cases and a failure names its seed.
//! Proptest walks on from there: its cases are bytes that mean a seed and edits, so that failures shrink.

use crate::toy::edit::{
    carried_out, hopeless, renamed, renamed_plan, scaled, shuffled, unlimited, without_amounts,
    without_min_values, wordless,
};
use crate::toy::naive::{
    cheapest_alone, empty_cluster, first_fit, holds, one_node_each, purchases,
};
use proptest::prelude::*;
use tetrapod::base::rng::Rng;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::pod::Pod;
use tetrapod::model::price::Price;
use tetrapod::plan::Plan;
use tetrapod::scheduler::schedule;
use tetrapod::shapes::random::{Size, from_bytes, random};
use tetrapod::verify::verify;

/// The snapshot of a seed: from a few pods to some dozens.
fn snapshot(seed: u64) -> Snapshot {
    let size = match seed % 3 {
        0 => Size::new(12, 3),
        1 => Size::new(40, 6),
        _ => Size::new(80, 10),
    };
    random(&mut Rng::new(seed), size)
}

fn json(plan: &Plan) -> String {
    serde_json::to_string(plan).unwrap()
}

#[track_caller]
fn check(seed: u64, what: &str, snapshot: &Snapshot, plan: &Plan) {
    let verdict = verify(snapshot, plan);
    assert!(
        verdict.valid,
        "seed {seed}, {what}: {:#?}",
        verdict.violations
    );
    assert!(
        plan.lower_bound <= plan.totals.hourly_price,
        "seed {seed}, {what}: lower bound"
    );
}

#[test]
fn plans_are_valid_and_the_order_of_the_input_does_not_show() {
    for seed in 0..200 {
        let snapshot = snapshot(seed);
        let plan = schedule(&snapshot);
        check(seed, "as it is", &snapshot, &plan);
        assert_eq!(
            json(&plan),
            json(&schedule(&snapshot)),
            "seed {seed}: run again"
        );
        let other = shuffled(&snapshot, &mut Rng::new(seed + 1));
        assert_eq!(
            json(&plan),
            json(&schedule(&other)),
            "seed {seed}: shuffled"
        );
    }
}

#[test]
fn names_in_the_same_order_give_the_same_plan_m10() {
    for seed in 0..150 {
        let snapshot = snapshot(seed);
        let plan = renamed_plan(&schedule(&snapshot));
        let other = wordless(&schedule(&renamed(&snapshot)));
        assert_eq!(json(&plan), json(&other), "seed {seed}");
    }
}

#[test]
fn cpu_and_memory_scaled_together_give_the_same_plan_m10() {
    for seed in 0..150 {
        let snapshot = snapshot(seed);
        let plan = without_amounts(&schedule(&snapshot));
        let factor = [2, 8, 10, 1_024][usize::try_from(seed % 4).unwrap()];
        let other = without_amounts(&schedule(&scaled(&snapshot, factor)));
        assert_eq!(json(&plan), json(&other), "seed {seed}, times {factor}");
    }
}

/// `minValues` are left out: once a node exists they bind no longer, so that a pod they kept pending may join it.
#[test]
fn planning_from_the_planned_state_buys_and_places_nothing() {
    for seed in 0..200 {
        let snapshot = without_min_values(&snapshot(seed));
        let plan = schedule(&snapshot);
        let after = carried_out(&snapshot, &plan);
        let again = schedule(&after);
        let more = |plan: &Plan| (plan.new_node_claims.len(), plan.existing_nodes.len());
        assert_eq!(more(&again), (0, 0), "seed {seed}: {again:#?}");
        let pending = |plan: &Plan| -> Vec<String> {
            plan.unschedulable
                .iter()
                .map(|entry| entry.pod.to_string())
                .collect()
        };
        assert_eq!(pending(&again), pending(&plan), "seed {seed}");
    }
}

#[test]
fn pods_that_nothing_can_hold_change_nothing_else() {
    for seed in 0..150 {
        let snapshot = snapshot(seed);
        let plan = schedule(&snapshot);
        let extra = hopeless();
        let keys: Vec<String> = extra.iter().map(Pod::key).collect();
        let mut other = snapshot.clone();
        other.pods.extend(extra);
        let mut with = schedule(&other);
        let before = with.unschedulable.len();
        with.unschedulable
            .retain(|entry| !keys.contains(&entry.pod.to_string()));
        assert_eq!(before - with.unschedulable.len(), keys.len(), "seed {seed}");
        with.totals.unschedulable -= keys.len();
        assert_eq!(
            json(&wordless(&plan)),
            json(&wordless(&with)),
            "seed {seed}"
        );
    }
}

/// The pods of `plan` that wait, and whether each stays pending.
fn waiting<'a>(snapshot: &'a Snapshot, plan: &Plan) -> Vec<(&'a Pod, bool)> {
    let named = |pod: &Pod| {
        plan.unschedulable
            .iter()
            .any(|entry| entry.pod.as_ref() == pod.key())
    };
    let bought = plan.new_node_claims.iter().flat_map(|claim| &claim.pods);
    let placed: Vec<&str> = bought
        .chain(plan.existing_nodes.iter().flat_map(|node| &node.pods))
        .map(AsRef::as_ref)
        .collect();
    snapshot
        .pods
        .iter()
        .filter_map(|pod| {
            let pending = named(pod);
            (pending || placed.contains(&pod.key().as_str())).then_some((pod, pending))
        })
        .collect()
}

#[test]
fn no_pod_stays_pending_that_fits_alone_on_what_can_be_bought_without_limit() {
    let mut pending = 0;
    for seed in 0..200 {
        let snapshot = unlimited(&snapshot(seed));
        let plan = schedule(&snapshot);
        let purchases = purchases(&snapshot);
        let mut tiny = empty_cluster(&snapshot);
        for (pod, _) in waiting(&snapshot, &plan)
            .into_iter()
            .filter(|(_, left)| *left)
        {
            pending += 1;
            let alone = cheapest_alone(&mut tiny, &purchases, pod);
            assert!(
                alone.is_none(),
                "seed {seed}: {} could be placed",
                pod.key()
            );
        }
    }
    assert!(pending > 100, "only {pending} pods stay pending in all");
}

#[test]
fn no_plan_is_dearer_than_plain_packing() {
    let mut compared = 0;
    let mut cheaper = 0;
    for seed in 0..120 {
        let mut snapshot = without_min_values(&unlimited(&snapshot(seed)));
        snapshot
            .node_pools
            .iter_mut()
            .for_each(|pool| pool.weight = 0);
        snapshot.options.node_penalty = Price::ZERO;
        // Spot without a price stands before on-demand (M-9), so that there would be no price to compare.
        let types = snapshot
            .instance_types
            .iter_mut()
            .flat_map(|class| &mut class.instance_types);
        types.for_each(|entry| entry.offerings.retain(|offering| offering.price.is_some()));
        let plan = schedule(&snapshot);
        let waiting = waiting(&snapshot, &plan);
        if waiting.iter().any(|(_, left)| *left) {
            // What nothing can hold is left out, so that the rest can be compared.
            let hopeless: Vec<String> = waiting
                .iter()
                .filter(|(_, left)| *left)
                .map(|(pod, _)| pod.key())
                .collect();
            snapshot.pods.retain(|pod| !hopeless.contains(&pod.key()));
        }
        let plan = schedule(&snapshot);
        assert_eq!(
            plan.totals.unschedulable, 0,
            "seed {seed}: every pod left can be placed"
        );
        let pods: Vec<&Pod> = self::waiting(&snapshot, &plan)
            .into_iter()
            .map(|(pod, _)| pod)
            .collect();
        let price = plan.totals.hourly_price;
        for (what, baseline) in [
            ("first-fit-decreasing", first_fit(&snapshot, &pods)),
            ("one node each", one_node_each(&snapshot, &pods)),
        ] {
            let Some(baseline) = baseline else { continue };
            assert_eq!(
                plan.totals.unknown_price_nodes, 0,
                "seed {seed}: all prices are known"
            );
            assert!(
                price <= baseline,
                "seed {seed}: {price}, by {what} {baseline}"
            );
            compared += 1;
            cheaper += usize::from(price < baseline);
        }
    }
    assert!(
        compared > 100 && cheaper > compared / 2,
        "{cheaper} cheaper of {compared}"
    );
}

/// The properties above say something only if plans meet the cases that are hard to get right.
#[test]
fn the_cases_that_matter_occur_in_plans() {
    let plans: Vec<(Snapshot, Plan)> = (0..200)
        .map(|seed| {
            let snapshot = snapshot(seed);
            let plan = schedule(&snapshot);
            (snapshot, plan)
        })
        .collect();
    let share = |what: &str, least: usize, found: &dyn Fn(&Snapshot, &Plan) -> bool| {
        let count = plans
            .iter()
            .filter(|(snapshot, plan)| found(snapshot, plan))
            .count();
        assert!(count >= least, "{what}: only {count} of {}", plans.len());
    };
    share("existing nodes used", 60, &|_, plan| {
        !plan.existing_nodes.is_empty()
    });
    share("nodes bought", 120, &|_, plan| {
        !plan.new_node_claims.is_empty()
    });
    share("nodes shared", 60, &|_, plan| {
        plan.new_node_claims.iter().any(|c| c.pods.len() > 1)
    });
    share("several pools bought from", 20, &|_, plan| {
        let first = plan.new_node_claims.first();
        first.is_some_and(|f| {
            plan.new_node_claims
                .iter()
                .any(|c| c.node_pool != f.node_pool)
        })
    });
    share("reservations used", 8, &|_, plan| {
        let claims = &plan.new_node_claims;
        claims
            .iter()
            .any(|c| c.cheapest.capacity_type == CapacityType::Reserved)
    });
    share("spot bought", 20, &|_, plan| {
        let claims = &plan.new_node_claims;
        claims
            .iter()
            .any(|c| c.cheapest.capacity_type == CapacityType::Spot)
    });
    share("unknown prices", 5, &|_, plan| {
        plan.totals.unknown_price_nodes > 0
    });
    share("minValues lowered", 3, &|_, plan| {
        plan.new_node_claims
            .iter()
            .any(|claim| claim.min_values_relaxed)
    });
    share("fall-backs", 60, &|_, plan| {
        plan.new_node_claims
            .iter()
            .any(|claim| !claim.fallbacks.is_empty())
    });
    share("pods left", 60, &|_, plan| !plan.unschedulable.is_empty());
    share("limits that bite", 20, &|snapshot, plan| {
        schedule(&unlimited(snapshot)).totals.scheduled > plan.totals.scheduled
    });
    let waits_with = |found: fn(&Pod) -> bool| {
        move |snapshot: &Snapshot, plan: &Plan| {
            waiting(snapshot, plan)
                .iter()
                .any(|(pod, left)| !left && found(pod))
        }
    };
    share(
        "host ports",
        15,
        &waits_with(|pod| !pod.spec.host_ports().is_empty()),
    );
    share(
        "alternatives",
        15,
        &waits_with(|pod| {
            pod.spec
                .affinity
                .node_required
                .as_ref()
                .is_some_and(|terms| terms.len() > 1)
        }),
    );
    share(
        "tolerations",
        40,
        &waits_with(|pod| !pod.spec.tolerations.is_empty()),
    );
    share("priorities", 40, &waits_with(|pod| pod.spec.priority != 0));
    share(
        "accelerators",
        15,
        &waits_with(|pod| !pod.requests().amount("nvidia.com/gpu").is_zero()),
    );
}

/// The checker behind the plain planners says no where it must.
#[test]
fn the_plain_planners_are_not_too_easily_content() {
    let mut world = crate::toy::World::new();
    world.instance_type("only", "4", "1");
    world.pod("a", "3");
    world.pod("b", "2");
    let snapshot = &world.snapshot;
    let mut tiny = empty_cluster(snapshot);
    let pods: Vec<&Pod> = snapshot.pods.iter().collect();
    let all = purchases(snapshot);
    assert!(holds(&mut tiny, all[0], &pods[..1]));
    assert!(!holds(&mut tiny, all[0], &pods));
    assert_eq!(first_fit(snapshot, &pods), Some("2".parse().unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_snapshots_have_valid_plans(data in proptest::collection::vec(any::<u8>(), 1..80), order: u64) {
        let snapshot = from_bytes(&data, Size::new(30, 5));
        let plan = schedule(&snapshot);
        let verdict = verify(&snapshot, &plan);
        prop_assert!(verdict.valid, "{:#?}", verdict.violations);
        let other = shuffled(&snapshot, &mut Rng::new(order));
        prop_assert_eq!(json(&plan), json(&schedule(&other)));
    }
}
