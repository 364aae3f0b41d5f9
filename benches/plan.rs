//! How long planning takes, step by step, on shapes that grow: `cargo bench`. Times are kept here and never asserted.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tetrapod::Snapshot;
use tetrapod::model::options::Effort;
use tetrapod::scheduler::{Capacity, Compiled};
use tetrapod::shapes::{Params, Shape, generate};

/// As the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn snapshot(shape: Shape, pods: usize, nodes: usize, effort: Effort) -> Snapshot {
    let mut snapshot = generate(shape, Params::new(pods, 1).with_nodes(nodes));
    snapshot.options.effort = effort;
    snapshot
}

/// Compile and solve, from the snapshot to the outcome.
fn solved(c: &mut Criterion, group: &str, effort: Effort, shapes: &[(Shape, usize, usize)]) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    for (shape, pods, nodes) in shapes.iter().copied() {
        let snapshot = snapshot(shape, pods, nodes, effort);
        let capacity = Capacity::new(&snapshot);
        group.throughput(Throughput::Elements(pods as u64));
        group.bench_with_input(
            BenchmarkId::new(format!("{shape:?}"), pods),
            &snapshot,
            |b, s| {
                b.iter(|| black_box(Compiled::new(s, &capacity).solve()));
            },
        );
    }
    group.finish();
}

/// The shapes of Karpenter's and Cluster Autoscaler's own benchmarks, and what grows with the input.
const SHAPES: [(Shape, usize, usize); 12] = [
    (Shape::Diverse, 500, 0),
    (Shape::Diverse, 1_000, 0),
    (Shape::Diverse, 5_000, 0),
    (Shape::Diverse, 10_000, 0),
    (Shape::Diverse, 100_000, 0),
    (Shape::Preferences, 4_000, 0),
    (Shape::IgnorePreferences, 4_000, 0),
    (Shape::Estimator, 51_000, 0),
    (Shape::Packed, 1_000, 300),
    (Shape::Gpu, 2_000, 0),
    (Shape::Identical, 10_000, 0),
    (Shape::Identical, 1_000_000, 0),
];

fn fast(c: &mut Criterion) {
    solved(c, "compile+solve fast", Effort::Fast, &SHAPES);
}

fn balanced(c: &mut Criterion) {
    solved(c, "compile+solve balanced", Effort::Balanced, &SHAPES[..10]);
}

fn thorough(c: &mut Criterion) {
    let gpu = [(Shape::Gpu, 2_000, 0)];
    solved(c, "compile+solve thorough", Effort::Thorough, &gpu);
}

/// The steps apart, at the default effort.
fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("steps, gpu 2000");
    group.sample_size(10);
    let snapshot = snapshot(Shape::Gpu, 2_000, 0, Effort::Balanced);
    let capacity = Capacity::new(&snapshot);
    group.bench_function("compile", |b| {
        b.iter(|| black_box(Compiled::new(&snapshot, &capacity)))
    });
    let compiled = Compiled::new(&snapshot, &capacity);
    group.bench_function("solve", |b| b.iter(|| black_box(compiled.solve())));
    let outcome = compiled.solve();
    group.bench_function("plan", |b| b.iter(|| black_box(compiled.plan(&outcome))));
    group.finish();
}

criterion_group!(benches, fast, balanced, thorough, steps);
criterion_main!(benches);
