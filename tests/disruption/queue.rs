//! The command queue against a cluster that misbehaves (D-2, D-93..D-98, W-16, W-24, M-20).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "../../fuzz/queue_world/mod.rs"]
mod queue_world;

use queue_world::World;

/// Seeds `0..RUNS`; the environment may ask for more: `TETRAPOD_QUEUE_RUNS=100000`.
fn runs() -> u64 {
    let asked = option_env!("TETRAPOD_QUEUE_RUNS").and_then(|text| text.parse().ok());
    asked.unwrap_or(2_000)
}

#[test]
fn no_pod_budget_node_or_taint_is_lost_whatever_happens() {
    let (mut succeeded, mut rolled_back, mut crashes) = (0, 0, 0);
    for seed in 0..runs() {
        let mut world = World::new(&[], seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        assert!(outcome.is_ok(), "seed {seed}");
        succeeded += world.succeeded;
        rolled_back += world.rolled_back;
        crashes += world.crashes;
    }
    assert!(
        succeeded > 500 && rolled_back > 500 && crashes > 1_000,
        "{succeeded} commands succeeded, {rolled_back} were rolled back, {crashes} crashes"
    );
}
