//! How long a simulated day takes: `cargo bench --features sim,yaml --bench world` for the example, and
//! `cargo bench --features sim,yaml --bench world -- large-day` for a day with 2,000 nodes, 40,000 pods and 1,000,000 requests, whose
//! memory must not grow with the days. Times are kept here and never asserted.

mod large_day;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use tetrapod::manifest::{Input, Reader};
use tetrapod::sim::world::trace::Trace;
use tetrapod::sim::world::{Setup, World};

const FILES: [&str; 3] = [
    include_str!("../examples/llm-day/cluster.yaml"),
    include_str!("../examples/llm-day/workload.yaml"),
    include_str!("../examples/llm-day/simulation.yaml"),
];

fn read(files: &[&str]) -> Input {
    let mut reader = Reader::new();
    for file in files {
        reader.read("bench", file.as_bytes());
    }
    reader.finish().expect("the input is sound")
}

/// The example's day under its first policy.
fn day(c: &mut Criterion) {
    let input = read(&FILES);
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

/// The large day once under each policy, and two of them under the first: too long to be repeated.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and says what it found"
)]
fn large() {
    for (days, at) in [(1, 2), (1, 1), (1, 0), (2, 0)] {
        let input = read(&[&large_day::manifests(days)]);
        let simulation = &input.simulations[0];
        let policy = &simulation.policies[at];
        let setup = Setup::new(&input.snapshot, simulation, policy, BTreeMap::new(), 0)
            .expect("the simulation is sound");
        let began = std::time::Instant::now();
        let result = World::new(setup).run();
        let took = began.elapsed().as_secs_f64();
        let most = |lists: Vec<&Vec<u32>>| {
            let points = 0..result.series.time.len();
            let sum = |at: usize| lists.iter().filter_map(|list| list.get(at)).sum::<u32>();
            points.map(sum).max().unwrap_or(0)
        };
        println!(
            "{days} day(s), {:9}  {took:6.1} s  peak memory of the process {} MiB  {} nodes and {} pods at most, {} requests, {} events, {} $",
            policy.name,
            peak_mib(),
            most(result.series.nodes.values().collect()),
            most(result.series.ready.values().collect()),
            result.totals.requests_served,
            result.totals.world_events,
            result.totals.cost
        );
    }
}

/// Peak memory of this process, 0 where the system does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

criterion_group!(benches, day);

fn main() {
    if std::env::args().any(|argument| argument == "large-day") {
        large();
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
