//! How long disruption decisions take: `cargo bench --bench consolidate`. Times are kept here and never asserted.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tetrapod::disruption::cluster::Cluster;
use tetrapod::disruption::karpenter::Version;
use tetrapod::disruption::policy::{EconomicPolicy, KarpenterPolicy, Policy};
use tetrapod::model::affinity::{PodAffinityTerm, TopologySpreadConstraint};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::{HOSTNAME, LabelSelector, SelectorExpression, SelectorOperator, ZONE};
use tetrapod::model::pod::{Pod, PodPhase, PodSpec};
use tetrapod::model::resources::Name;
use tetrapod::scheduler::Capacity;
use tetrapod::shapes::{Params, Shape, generate};

/// As the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn selects(app: &str) -> LabelSelector {
    let key = Name::from("app");
    let values = vec![Name::from(app)];
    let app = SelectorExpression::new(key, SelectorOperator::In, values);
    LabelSelector::new(vec![app])
}

/// No node holds two pods of `app`.
fn apart(app: &str) -> PodAffinityTerm {
    let mut term = PodAffinityTerm::default();
    term.label_selector = Some(selects(app));
    term.topology_key = Name::from(HOSTNAME);
    term
}

/// Of ten workloads three are spread over zones, and one is kept apart.
fn with_rules(mut snapshot: Snapshot) -> Snapshot {
    let mut specs: BTreeMap<String, Arc<PodSpec>> = BTreeMap::new();
    for pod in &mut snapshot.pods {
        let app = pod.labels.get("app").unwrap_or_default().to_owned();
        let at = specs.len();
        let spec = specs.entry(app.clone()).or_insert_with(|| {
            let mut spec = PodSpec::clone(&pod.spec);
            match at % 10 {
                0..3 => {
                    let spread = TopologySpreadConstraint::new(ZONE, 3, selects(&app));
                    spec.topology_spread.push(spread);
                }
                3 => spec.affinity.anti_required.push(apart(&app)),
                _ => {}
            }
            Arc::new(spec)
        });
        pod.spec = Arc::clone(spec);
    }
    snapshot
}

/// A pod on each node that shares no node with its like, and only the dearest type for sale: nothing can move.
fn pinned(mut snapshot: Snapshot) -> Snapshot {
    let mut spec = PodSpec::default();
    spec.affinity.anti_required.push(apart("guard"));
    let (spec, labels) = (
        Arc::new(spec),
        Arc::new([("app", "guard")].into_iter().collect()),
    );
    for node in &snapshot.nodes {
        let mut pod = Pod::default();
        pod.namespace = Name::from("default");
        pod.name = Name::from(format!("guard-{}", node.name));
        pod.labels = Arc::clone(&labels);
        pod.spec = Arc::clone(&spec);
        pod.node_name = Some(Name::clone(&node.name));
        pod.phase = PodPhase::Running;
        snapshot.pods.push(pod);
    }
    let types = || {
        snapshot
            .instance_types
            .iter()
            .flat_map(|list| &list.instance_types)
    };
    let dearest = types()
        .flat_map(|kind| &kind.offerings)
        .filter_map(|o| o.price)
        .max();
    for list in &mut snapshot.instance_types {
        let offerings = list
            .instance_types
            .iter_mut()
            .flat_map(|kind| &mut kind.offerings);
        offerings.for_each(|offering| offering.available = offering.price == dearest);
    }
    snapshot
}

/// Compiling and deciding, by policy, on clusters that grow.
fn decisions(c: &mut Criterion) {
    let policies: [Box<dyn Policy>; 2] = [
        Box::new(EconomicPolicy),
        Box::new(KarpenterPolicy::new(Version::V113)),
    ];
    for nodes in [50, 200, 500] {
        let under = generate(Shape::Packed, Params::new(1, 1).with_nodes(nodes));
        let clusters = [
            ("topo", with_rules(under.clone())),
            ("pinned", pinned(under.clone())),
            ("under", under),
        ];
        for (shape, snapshot) in &clusters {
            let mut group = c.benchmark_group(format!("consolidate/{shape}"));
            group.sample_size(10);
            group.throughput(Throughput::Elements(nodes as u64));
            let capacity = Capacity::new(snapshot);
            group.bench_function(BenchmarkId::new("compile", nodes), |b| {
                b.iter(|| black_box(Cluster::new(snapshot, &capacity)));
            });
            let cluster = Cluster::new(snapshot, &capacity);
            for policy in &policies {
                group.bench_function(BenchmarkId::new(policy.name(), nodes), |b| {
                    b.iter(|| black_box(policy.commands(&cluster)));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
