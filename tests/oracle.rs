//! The planner against an exact solver on tiny problems.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "oracle/mod.rs"]
mod exact;
mod toy;

use exact::{Cost, Tiny};
use tetrapod::base::rng::Rng;
use tetrapod::model::options::Effort;
use tetrapod::model::price::Price;

/// How plans compare with the optimum over many problems.
#[derive(Debug, Default)]
struct Figures {
    cases: usize,
    optimal: usize,
    fewer_placed: usize,
    worst_ratio: f64,
}

fn cents(amount: u64) -> Price {
    format!("{}.{:02}", amount / 100, amount % 100)
        .parse()
        .unwrap()
}

fn compare(effort: Effort, seeds: std::ops::Range<u64>) -> Figures {
    let mut figures = Figures {
        worst_ratio: 1.0,
        ..Figures::default()
    };
    for seed in seeds {
        let tiny = Tiny::random(&mut Rng::new(seed));
        let mut world = tiny.world();
        world.snapshot.options.effort = effort;
        let plan = world.plan();
        let (left, price): Cost = tiny.optimum();
        let ours = &plan.totals;
        let optimum = cents(price);
        assert!(
            (ours.unschedulable, ours.hourly_price) >= (left, optimum),
            "seed {seed}: better than the optimum {left} {optimum}: {ours:?} {tiny:?}"
        );
        figures.cases += 1;
        if ours.unschedulable > left {
            figures.fewer_placed += 1;
            continue;
        }
        if left == 0 {
            assert!(
                plan.lower_bound <= optimum,
                "seed {seed}: {} > {optimum}",
                plan.lower_bound
            );
        }
        if ours.hourly_price == optimum {
            figures.optimal += 1;
        } else {
            let ratio = ours.hourly_price.as_f64() / optimum.as_f64();
            figures.worst_ratio = figures.worst_ratio.max(ratio);
        }
    }
    figures
}

#[test]
fn balanced_effort_is_optimal_in_19_of_20_tiny_problems() {
    let figures = compare(Effort::Balanced, 0..1_500);
    println!("balanced: {figures:?}");
    assert!(figures.optimal * 100 >= figures.cases * 95, "{figures:?}");
    assert!(figures.worst_ratio <= 1.5, "{figures:?}");
}

#[test]
fn thorough_effort_is_optimal_in_99_of_100_tiny_problems() {
    let figures = compare(Effort::Thorough, 10_000..10_300);
    println!("thorough: {figures:?}");
    assert!(figures.optimal * 100 >= figures.cases * 99, "{figures:?}");
    assert!(figures.worst_ratio <= 1.5, "{figures:?}");
}

/// The exact solver itself, on a case worked out by hand (W-6): 20 CPU on two nodes of 10.
#[test]
fn the_exact_solver_knows_small_answers() {
    let mut costs: Vec<Cost> = (0..200)
        .map(|seed| Tiny::random(&mut Rng::new(seed)).optimum())
        .collect();
    costs.sort_unstable();
    assert!(
        costs.iter().filter(|(left, _)| *left == 0).count() > 80,
        "most are placed"
    );
    assert!(
        costs.iter().any(|(left, _)| *left > 0),
        "and some cannot be"
    );
    assert!(
        costs.iter().any(|cost| *cost == (0, 0)),
        "some need no new node"
    );
}
