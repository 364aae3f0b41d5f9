//! Replays the corpora of the fuzz targets on a stable toolchain, and runs the plan check over random snapshots.

#![cfg(feature = "yaml")]

#[path = "../../fuzz/checks.rs"]
mod checks;
#[path = "../../fuzz/provisioning.rs"]
mod provisioning;
#[path = "../../fuzz/scaling.rs"]
mod scaling;

use std::fs;
use std::path::Path;

use tetrapod::base::rng::Rng;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is there");
    for file in files {
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn quantities_print_as_they_read_s13() {
    replay("quantity", checks::quantity);
}

#[test]
fn manifests_are_read_or_refused_m16() {
    replay("manifest", checks::manifest);
}

#[test]
fn the_provisioning_machine_takes_what_it_is_told() {
    replay("provisioning", provisioning::machine);
}

#[test]
fn the_provisioning_machine_takes_random_input() {
    for seed in 0_u64..500 {
        let mut rng = Rng::new(seed);
        let length = rng.below(1_500);
        let bytes: Vec<u8> = (0..length)
            .map(|_| rng.next_u64().to_le_bytes()[3])
            .collect();
        provisioning::machine(&bytes);
    }
}

#[test]
fn plans_of_the_corpus_are_valid() {
    replay("plan", checks::plan);
}

#[test]
fn plans_of_random_snapshots_are_valid_and_ignore_the_order_of_the_input() {
    for seed in 0_u64..300 {
        checks::plan(&seed.to_le_bytes());
    }
}

#[test]
fn formulas_are_read_or_refused_k77() {
    replay("formula", scaling::formula);
}

#[test]
fn autoscalers_keep_their_bounds_and_go_on_from_a_saved_state_k40() {
    replay("scaling", scaling::scaling);
    let mut rng = Rng::new(1);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..60).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        scaling::scaling(&bytes);
    }
}

#[test]
fn the_queue_keeps_its_promises_over_the_corpus() {
    replay("queue", checks::queue);
}
