//! How long disruption decisions take: `cargo bench --bench consolidate`. Times are kept here and never asserted.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tetrapod::disruption::cluster::Cluster;
use tetrapod::disruption::karpenter::Version;
use tetrapod::disruption::policy::{EconomicPolicy, KarpenterPolicy, Policy};
use tetrapod::scheduler::Capacity;
use tetrapod::shapes::{Params, Shape, generate};

/// Compiling and deciding, by policy, on clusters that grow.
fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("consolidate");
    group.sample_size(10);
    let policies: [Box<dyn Policy>; 2] = [
        Box::new(EconomicPolicy),
        Box::new(KarpenterPolicy::new(Version::V113)),
    ];
    for nodes in [50, 200, 500] {
        let snapshot = generate(Shape::Packed, Params::new(1, 1).with_nodes(nodes));
        let capacity = Capacity::new(&snapshot);
        group.throughput(Throughput::Elements(nodes as u64));
        group.bench_function(BenchmarkId::new("compile", nodes), |b| {
            b.iter(|| black_box(Cluster::new(&snapshot, &capacity)));
        });
        let cluster = Cluster::new(&snapshot, &capacity);
        for policy in &policies {
            group.bench_function(BenchmarkId::new(policy.name(), nodes), |b| {
                b.iter(|| black_box(policy.commands(&cluster)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
