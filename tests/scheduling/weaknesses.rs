//! The known weaknesses of Karpenter's scheduler (W-n), each with its own case in which a better plan exists, and the
//! better plan found. Where a case needs pods that exclude each other, they share a host port.

use crate::toy::{World, any_of, host_port, is, pending, resources, shape};
use tetrapod::model::instance_type::{CapacityType, Offering};
use tetrapod::model::label;
use tetrapod::model::options::MinValuesPolicy;
use tetrapod::model::requirement::{Operator, RequirementSpec};
use tetrapod::plan::Plan;

/// A case: the cluster, and what the better plan looks like.
struct Case {
    /// The weakness.
    number: &'static str,
    build: fn(&mut World),
    /// Price per hour.
    price: &'static str,
    /// `type: pods` or `node: pods`, sorted.
    shape: &'static [&'static str],
    /// Pods that stay pending because they must.
    pending: &'static [&'static str],
}

/// Cases on a cluster with one pool `default`, types sold in three zones, no overhead.
const CASES: &[Case] = &[
    Case {
        number: "W-1: one large node for pods that small nodes hold for less ($20, best $3)",
        build: |w| {
            w.instance_type("small", "4", "1");
            w.instance_type("big", "16", "20");
            for name in ["a", "b", "c"] {
                w.pod(name, "3");
            }
        },
        price: "3",
        shape: &["small: a", "small: b", "small: c"],
        pending: &[],
    },
    Case {
        number: "W-2: sorted by CPU where memory decides (3 nodes, best 2)",
        build: |w| {
            w.instance_type("only", "cpu=8 memory=32Gi", "1");
            w.pod("a", "cpu=4 memory=12Gi");
            w.pod("b", "cpu=3 memory=16Gi");
            w.pod("c", "cpu=2 memory=16Gi");
            w.pod("d", "cpu=1 memory=20Gi");
        },
        price: "2",
        shape: &["only: a d", "only: b c"],
        pending: &[],
    },
    Case {
        number: "W-3: CPU pods placed first strand accelerators ($20, best $11)",
        build: |w| {
            w.instance_type("c32", "cpu=32", "1");
            w.instance_type("g32", "cpu=32 nvidia.com/gpu=8", "10");
            for name in ["c0", "c1", "c2"] {
                w.pod(name, "8");
            }
            for name in ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"] {
                w.pod(name, "cpu=4 nvidia.com/gpu=1");
            }
        },
        price: "11",
        shape: &["c32: c0 c1 c2", "g32: g0 g1 g2 g3 g4 g5 g6 g7"],
        pending: &[],
    },
    Case {
        number: "W-4: existing nodes taken by name, a GPU node for a CPU pod ($10, best nothing)",
        build: |w| {
            w.node("n1-gpu", "cpu=4 nvidia.com/gpu=1");
            w.node("n2-cpu", "cpu=4");
            w.instance_type("g4", "cpu=4 nvidia.com/gpu=1", "10");
            w.pod("cpu", "4");
            w.pod("gpu", "cpu=1 nvidia.com/gpu=1");
        },
        price: "0",
        shape: &["n1-gpu: gpu", "n2-cpu: cpu"],
        pending: &[],
    },
    Case {
        number: "W-5: filler spread over open nodes instead of filling one ($2.8, best $2.4)",
        build: |w| {
            w.instance_type("t12", "12", "1");
            w.instance_type("t16", "16", "1.4");
            for name in ["a", "b"] {
                host_port(w.pod(name, "10"), 80);
            }
            for name in ["f0", "f1", "f2", "f3"] {
                w.pod(name, "2");
            }
        },
        price: "2.4",
        shape: &["t12: a f0", "t16: b f1 f2 f3"],
        pending: &[],
    },
    Case {
        number: "W-6: no repair of a greedy packing (3 nodes, best 2)",
        build: |w| {
            w.instance_type("t10", "10", "1");
            for (name, cpu) in [
                ("a5", "5"),
                ("b4", "4"),
                ("c3", "3"),
                ("d3", "3"),
                ("e3", "3"),
            ] {
                w.pod(name, cpu);
            }
            w.pod("f2", "2");
        },
        price: "2",
        shape: &["t10: a5 c3 f2", "t10: b4 d3 e3"],
        pending: &[],
    },
    Case {
        number: "W-7: a flexible pod narrowed by the first that joins it ($2.6, best $1.8)",
        build: |w| {
            for (name, arch, price) in [("amd", "amd64", "1"), ("arm", "arm64", "0.8")] {
                w.instance_type(name, "8", price).requirements = vec![is(label::ARCH, arch)];
            }
            w.pod("any6", "6");
            w.pod("arm5", "5").node_selector.set(label::ARCH, "arm64");
            w.pod("arm2", "2").node_selector.set(label::ARCH, "arm64");
            w.pod("amd2", "2").node_selector.set(label::ARCH, "amd64");
        },
        price: "1.8",
        shape: &["amd: amd2 any6", "arm: arm2 arm5"],
        pending: &[],
    },
    Case {
        number: "W-10: a limit spent on the larger pod of lower priority",
        build: |w| {
            w.instance_type("t8", "8", "1");
            w.snapshot.node_pools[0].limits = resources("8");
            w.pod("a7", "7");
            w.pod("b6", "6").priority = 1_000_000;
        },
        price: "1",
        shape: &["t8: b6"],
        pending: &["a7"],
    },
    Case {
        number: "W-11: each claim booked at its largest type, so that the limit runs out (2 placed, best 3)",
        build: |w| {
            for (name, cpu, price) in [("t4", "4", "4"), ("t8", "8", "8"), ("t32", "32", "32")] {
                w.instance_type(name, cpu, price);
            }
            w.snapshot.node_pools[0].limits = resources("40");
            for name in ["a", "b", "c"] {
                host_port(w.pod(name, "3"), 80);
            }
        },
        price: "12",
        shape: &["t4: a", "t4: b", "t4: c"],
        pending: &[],
    },
    Case {
        number: "W-12: a limit of one node broken three times",
        build: |w| {
            w.instance_type("t4", "4", "1");
            w.snapshot.node_pools[0].limits = resources("nodes=1");
            for name in ["a", "b", "c"] {
                host_port(w.pod(name, "3"), 80);
            }
        },
        price: "1",
        shape: &["t4: a"],
        pending: &["b", "c"],
    },
    Case {
        number: "W-31: minValues refuses a pod that a type holds (pending, best placed)",
        build: |w| {
            w.instance_type("t8", "8", "1");
            w.instance_type("t16", "16", "2");
            two_types_at_least(w);
            w.snapshot.options.min_values_policy = MinValuesPolicy::AsFlexibleAsPossible;
            w.pod("a", "10");
        },
        price: "2",
        shape: &["t16: a"],
        pending: &[],
    },
    Case {
        number: "W-32: alternatives of a DaemonSet used up while smaller types are tested (too small, best large)",
        build: |w| {
            for (name, cpu, size, price) in [("s4", "4", "small", "1"), ("l8", "8", "large", "2")] {
                w.instance_type(name, cpu, price).requirements = vec![is("size", size)];
            }
            w.instance_type("l9", "9", "3").requirements = vec![is("size", "large")];
            any_of(
                w.daemon_set("agent", "1"),
                [is("size", "large"), is("size", "small")],
            );
            // With the agent on it, l8 has 7 left.
            w.pod("a", "7500m");
        },
        price: "3",
        shape: &["l9: a"],
        pending: &[],
    },
];

fn two_types_at_least(w: &mut World) {
    let mut flexible = RequirementSpec::new(label::INSTANCE_TYPE, Operator::Exists, [""; 0]);
    flexible.min_values = Some(2);
    w.snapshot.node_pools[0].requirements.push(flexible);
}

#[test]
fn every_case_has_the_better_plan() {
    for case in CASES {
        let mut world = World::new();
        (case.build)(&mut world);
        let plan = world.plan();
        let number = case.number;
        let price = case.price.parse().unwrap();
        assert_eq!(
            plan.totals.hourly_price,
            price,
            "{number}: {:?}",
            shape(&plan)
        );
        assert_eq!(shape(&plan), case.shape, "{number}");
        assert_eq!(pending(&plan), case.pending, "{number}");
        assert!(plan.lower_bound <= price, "{number}: {}", plan.lower_bound);
    }
}

/// W-8: pools of equal weight are told apart by price, not by name; a greater weight still comes first (M-1 (2)).
#[test]
fn pools_of_equal_weight_are_chosen_by_price_w8() {
    let world = |weight_of_z| {
        let mut world = World::bare();
        for (pool, only) in [("z", "dear"), ("a", "cheap")] {
            let pool = world.pool(pool);
            pool.requirements = vec![is(label::INSTANCE_TYPE, only)];
        }
        world.snapshot.node_pools[0].weight = weight_of_z;
        world.instance_type("dear", "4", "10");
        world.instance_type("cheap", "4", "1");
        world.pod("p", "1");
        world.plan()
    };
    let pool_and_price = |plan: &Plan| {
        let claim = &plan.new_node_claims[0];
        (
            claim.node_pool.to_string(),
            plan.totals.hourly_price.to_string(),
        )
    };
    assert_eq!(pool_and_price(&world(0)), ("a".into(), "1".into()));
    assert_eq!(pool_and_price(&world(1)), ("z".into(), "10".into()));
}

/// The policies beside that of W-31: `Strict` refuses, `BestEffort` lowers and says so (S-56, M-6).
#[test]
fn strict_min_values_leave_the_pod_pending_with_that_reason_w31() {
    let world = |policy| {
        let mut world = World::new();
        world.instance_type("t8", "8", "1");
        world.instance_type("t16", "16", "2");
        two_types_at_least(&mut world);
        world.snapshot.options.min_values_policy = policy;
        world.pod("a", "10");
        world.plan()
    };
    assert_eq!(pending(&world(MinValuesPolicy::Strict)), ["a"]);
    let lowered = world(MinValuesPolicy::BestEffort);
    assert_eq!(shape(&lowered), ["t16: a"]);
    assert!(lowered.new_node_claims[0].min_values_relaxed);
}

/// A type with one reserved unit, free while it lasts, and nothing else to buy unless `on_demand` has a price.
fn with_one_reserved_unit(world: &mut World, name: &str, cpu: &str, on_demand: Option<&str>) {
    let entry = world.instance_type(name, cpu, on_demand.unwrap_or("1"));
    if on_demand.is_none() {
        entry.offerings.clear();
    }
    let mut reserved = Offering::new("z1", CapacityType::Reserved, Some("0".parse().unwrap()));
    reserved.reservation_id = Some(format!("cr-{name}").as_str().into());
    reserved.reservation_capacity = 1;
    entry.offerings.push(reserved);
}

/// W-13: each node takes one unit of one reservation, so two pods get the two units in the same plan.
#[test]
fn one_reserved_unit_is_held_per_node_w13() {
    let mut world = World::new();
    with_one_reserved_unit(&mut world, "small", "4", None);
    with_one_reserved_unit(&mut world, "medium", "8", None);
    for name in ["a", "b", "c"] {
        host_port(world.pod(name, "3"), 80);
    }
    let plan = world.plan();
    assert_eq!(shape(&plan), ["medium: a", "small: b"].as_slice());
    let units: Vec<&str> = plan
        .new_node_claims
        .iter()
        .filter_map(|claim| claim.cheapest.reservation_id.as_deref())
        .collect();
    assert_eq!(units.len(), 2, "{units:?}");
    assert_ne!(units[0], units[1]);
    assert_eq!(pending(&plan), ["c"]);
}

/// W-14: what reservations cannot hold is bought on demand in the same plan.
#[test]
fn on_demand_is_bought_once_reservations_run_out_w14() {
    let mut world = World::new();
    with_one_reserved_unit(&mut world, "small", "4", Some("1"));
    for name in ["a", "b", "c"] {
        host_port(world.pod(name, "3"), 80);
    }
    let plan = world.plan();
    assert_eq!(pending(&plan), [""; 0]);
    assert_eq!(plan.totals.hourly_price, "2".parse().unwrap());
    let reserved = plan
        .new_node_claims
        .iter()
        .filter(|claim| claim.cheapest.capacity_type == CapacityType::Reserved);
    assert_eq!(reserved.count(), 1);
    assert_eq!(plan.totals.new_nodes, 3);
}
