//! How long replanning takes after one change (M-11), on 10,000 nodes with 100,000 pods: `cargo bench --bench planner`.
//! Times are kept here and never asserted.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench times single calls and says what it saw"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tetrapod::model::options::{Effort, PreferencePolicy};
use tetrapod::model::pod::{Pod, PodPhase};
use tetrapod::model::resources::Name;
use tetrapod::planner::{Change, Planner, Replanned};
use tetrapod::shapes::{Params, Shape, generate};

/// A planned cluster, and one pod of each of some hundred kinds in it.
fn planned() -> (Planner, Vec<Pod>) {
    let mut snapshot = generate(Shape::Packed, Params::new(10_000, 1).with_nodes(10_000));
    snapshot.options.effort = Effort::Fast;
    snapshot.options.preference_policy = PreferencePolicy::Ignore;
    let count = snapshot.pods.len();
    let kinds = snapshot
        .pods
        .iter()
        .step_by(count / 200 + 1)
        .cloned()
        .collect();
    let start = Instant::now();
    let mut planner = Planner::new(snapshot);
    let delta = planner.replan();
    println!(
        "{count} pods, {} nodes; first plan {:?}: {} placed, {} claims, {} pending",
        planner.snapshot().nodes.len(),
        start.elapsed(),
        delta.placed.len(),
        delta.opened.len(),
        delta.pending.len()
    );
    (planner, kinds)
}

fn one_more(pod: &Pod, number: u64) -> (Name, Change) {
    let mut pod = pod.clone();
    pod.name = Name::from(format!("more-{number}"));
    pod.node_name = None;
    pod.phase = PodPhase::Pending;
    (Name::from(pod.key()), Change::Pod(Box::new(pod)))
}

fn one_pod(c: &mut Criterion) {
    let (mut planner, kinds) = planned();
    let mut short: Vec<Duration> = Vec::new();
    let mut bought: Vec<Duration> = Vec::new();
    let mut other: Vec<Duration> = Vec::new();
    for (number, pod) in kinds.iter().enumerate() {
        let (key, change) = one_more(pod, number as u64);
        let start = Instant::now();
        planner.apply(change).expect("a pod is no mistake");
        let delta = planner.replan();
        let took = start.elapsed();
        match (&delta.replanned, delta.opened.is_empty()) {
            (Replanned::Incremental, true) => short.push(took),
            (Replanned::Incremental, false) => bought.push(took),
            _ => other.push(took),
        }
        planner
            .apply(Change::PodRemoved(key))
            .expect("it was there");
        let _ = planner.replan();
    }
    for (what, mut times) in [
        ("free room", short),
        ("a node", bought),
        ("longer ways", other),
    ] {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied();
        println!(
            "{what}: {} pods, median {:?}, 95 % {:?}",
            times.len(),
            at(50),
            at(95)
        );
    }
    let mut number = 1_000;
    c.bench_function(
        "planner: one pod comes and goes, 100,000 pods, 10,000 nodes",
        |b| {
            b.iter(|| {
                let (key, change) = one_more(&kinds[0], number);
                number += 1;
                planner.apply(change).expect("a pod is no mistake");
                let _ = black_box(planner.replan());
                planner
                    .apply(Change::PodRemoved(key))
                    .expect("it was there");
                let _ = black_box(planner.replan());
            });
        },
    );
}

criterion_group!(benches, one_pod);
criterion_main!(benches);
