//! How long a simulated day takes: `cargo bench --features sim --bench world`. Times are kept here and never asserted.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tetrapod::manifest::Reader;
use tetrapod::sim::world::trace::Trace;
use tetrapod::sim::world::{Setup, World};

const FILES: [&str; 3] = [
    include_str!("../examples/llm-day/cluster.yaml"),
    include_str!("../examples/llm-day/workload.yaml"),
    include_str!("../examples/llm-day/simulation.yaml"),
];

/// The example's day under its first policy.
fn day(c: &mut Criterion) {
    let mut reader = Reader::new();
    for file in FILES {
        reader.read("example", file.as_bytes());
    }
    let input = reader.finish().expect("the example is sound");
    let simulation = &input.simulations[0];
    let name = "requests.csv".into();
    let trace = Trace::parse(&name, include_str!("../examples/llm-day/requests.csv"))
        .expect("the trace is sound");
    let traces = BTreeMap::from([(name, trace.into())]);
    let policy = &simulation.policies[0];
    let setup = Setup::new(&input.snapshot, simulation, policy, traces, 0)
        .expect("the simulation is sound");
    let mut group = c.benchmark_group("simulate");
    group.sample_size(10);
    group.bench_function("llm-day", |b| {
        b.iter(|| black_box(World::new(setup.clone()).run()))
    });
    group.finish();
}

criterion_group!(benches, day);
criterion_main!(benches);
