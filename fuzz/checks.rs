//! What must hold for any input. Shared by the fuzz targets and by `tests/house/fuzz_corpora.rs`, which replays the corpora on a
//! stable toolchain.

#![allow(dead_code, reason = "each target uses one of these")]

#[path = "queue_world/mod.rs"]
mod queue_world;

use tetrapod::base::rng::Rng;
use tetrapod::manifest::{Input, InputError, Limits, Reader, export};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::quantity::Quantity;
use tetrapod::scheduler::schedule;
use tetrapod::shapes::random::{Size, from_bytes};
use tetrapod::verify::verify;

/// A quantity that is read prints as text that reads back as the same value, and arithmetic on it does not overflow.
pub(crate) fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(value) = text.parse::<Quantity>() else {
        return;
    };
    let printed = value.to_string();
    match printed.parse::<Quantity>() {
        Ok(again) => assert_eq!(again, value, "{text:?} printed as {printed:?}"),
        Err(error) => panic!("{text:?} printed as {printed:?}: {error}"),
    }
    let _ = (
        value + value,
        Quantity::ZERO - value,
        -value,
        value.times(i64::MAX),
        value.units_ceil(),
    );
    // Arithmetic saturates, so the sum may equal the value, but never lies below it.
    assert!(value <= value + Quantity::from_units(1), "{text:?}");
}

fn read(data: &[u8], skip_invalid: bool) -> Result<Input, InputError> {
    let mut reader = Reader::new()
        .skip_invalid(skip_invalid)
        .limits(Limits::default());
    reader.read("fuzz", data);
    reader.finish()
}

/// Any bytes are read or refused with a fault; what is read can be written and read again, and then stays as it is.
pub(crate) fn manifest(data: &[u8]) {
    assert!(
        read(data, true).is_ok(),
        "with skip_invalid nothing is refused"
    );
    let first = match read(data, false) {
        Ok(input) => input.snapshot,
        Err(error) => {
            assert!(!error.faults.is_empty(), "a refusal names its faults");
            return;
        }
    };
    let second = rewritten(&first);
    assert_eq!(
        rewritten(&second),
        second,
        "writing and reading settles at once"
    );
}

fn rewritten(snapshot: &Snapshot) -> Snapshot {
    let mut text = Vec::new();
    export::write(snapshot, &mut text).expect("a vector takes every byte");
    match read(&text, false) {
        Ok(input) => input.snapshot,
        Err(error) => panic!("what was read and written is refused: {error}"),
    }
}

/// Every plan is valid, equal input gives an equal plan, and the order of the input does not matter.
pub(crate) fn plan(data: &[u8]) {
    let snapshot = from_bytes(data, Size::default());
    let plan = schedule(&snapshot);
    let verdict = verify(&snapshot, &plan);
    assert!(verdict.valid, "{:#?}", verdict.violations);
    let mut rng = Rng::new(data.len() as u64);
    let shuffled = shuffled(&snapshot, &mut rng);
    assert_eq!(
        schedule(&shuffled),
        plan,
        "the order of the input changed the plan"
    );
}

/// The command queue keeps its promises in a cluster whose every mishap is chosen by `data`.
pub(crate) fn queue(data: &[u8]) {
    queue_world::World::new(data, data.len() as u64).run();
}

/// The same objects in another order.
pub(crate) fn shuffled(snapshot: &Snapshot, rng: &mut Rng) -> Snapshot {
    let mut other = snapshot.clone();
    shuffle(&mut other.pods, rng);
    shuffle(&mut other.nodes, rng);
    shuffle(&mut other.node_claims, rng);
    shuffle(&mut other.node_pools, rng);
    shuffle(&mut other.daemon_sets, rng);
    shuffle(&mut other.instance_types, rng);
    for class in &mut other.instance_types {
        shuffle(&mut class.instance_types, rng);
        for entry in &mut class.instance_types {
            shuffle(&mut entry.offerings, rng);
        }
    }
    shuffle(&mut other.volumes, rng);
    shuffle(&mut other.volume_claims, rng);
    other
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for at in (1..items.len()).rev() {
        let with = usize::try_from(rng.below(at as u64 + 1)).unwrap_or(0);
        items.swap(at, with);
    }
}
