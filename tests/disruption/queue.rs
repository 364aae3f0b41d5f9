//! The command queue against a cluster that misbehaves (D-2, D-93..D-98, W-16, W-24, M-20).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "../../fuzz/queue_world/mod.rs"]
mod queue_world;

use queue_world::World;

/// Which seeds; the environment in which this is compiled may ask for more or others: `TETRAPOD_QUEUE_RUNS=100000`,
/// `TETRAPOD_QUEUE_FROM=9853`.
fn seeds() -> std::ops::Range<u64> {
    let asked = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let first = asked(option_env!("TETRAPOD_QUEUE_FROM")).unwrap_or(0);
    first..first + asked(option_env!("TETRAPOD_QUEUE_RUNS")).unwrap_or(2_000)
}

#[test]
fn no_pod_budget_node_or_taint_is_lost_whatever_happens() {
    let (mut succeeded, mut rolled_back, mut crashes) = (0, 0, 0);
    for seed in seeds() {
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
