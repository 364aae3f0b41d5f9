//! How long the provisioning machine takes with 50,000 nodes over 1,000 offerings: `cargo bench --bench provisioning`.
//! Times are kept here and never asserted.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark picks out what it answers"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::json;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::hyperpod::{HyperpodCluster, InstanceGroup};
use tetrapod::model::resources::Name;
use tetrapod::plan::PlannedClaim;
use tetrapod::provisioning::api::{AddAnswer, AddedNode, InstanceStatus, NodeRecord, Outcome};
use tetrapod::provisioning::config::{ClassConfig, Config, GroupConfig, PoolConfig};
use tetrapod::provisioning::events::ClusterEvent;
use tetrapod::provisioning::input::{AcceptedPlan, KubeChange, KubeEvent, Listing};
use tetrapod::provisioning::{Input, Machine, Output};

const GROUPS: usize = 1000;
const POOLS: usize = 50;
const NODES: usize = 50_000;

fn start() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

fn name(text: String) -> Name {
    Name::from(text)
}

/// 1,000 groups, each of one type in one zone: ten types, three zones, and groups that share them.
fn offering(group: usize) -> serde_json::Value {
    json!({"instanceType": format!("ml.type-{}", group % 331), "zone": format!("zone-{}", group % 3),
        "capacityType": "on-demand", "price": 1.5, "instanceGroup": format!("group-{group:04}")})
}

/// A claim whose chosen group is `group`, with ten fall-backs.
fn claim(number: usize, group: usize) -> PlannedClaim {
    let fallbacks: Vec<_> = (1..=10)
        .map(|n| offering((group + n * 7) % GROUPS))
        .collect();
    serde_json::from_value(json!({"nodePool": format!("pool-{:02}", number % POOLS),
        "pods": [format!("ns/pod-{number}-0"), format!("ns/pod-{number}-1")], "instanceTypes": [], "zones": [],
        "capacityTypes": [], "cheapest": offering(group), "fallbacks": fallbacks}))
    .expect("a claim")
}

fn config() -> Config {
    let mut config = Config::default();
    for group in 0..GROUPS {
        config.groups.push(GroupConfig::new(
            name(format!("group-{group:04}")),
            vec![name(format!("zone-{}", group % 3))],
            vec![name(format!("ml.type-{}", group % 331))],
        ));
        let capacity = [("cpu", "16".parse().expect("a quantity"))]
            .into_iter()
            .collect();
        config
            .types
            .insert(name(format!("ml.type-{}", group % 331)), capacity);
    }
    let groups = config.groups.iter().map(|g| Name::clone(&g.name)).collect();
    config.classes.push(ClassConfig::new("class", groups));
    for pool in 0..POOLS {
        let mut pool = PoolConfig::new(format!("pool-{pool:02}"), "class");
        pool.max_in_flight = 100_000;
        pool.limits = [("cpu", "10000000".parse().expect("a quantity"))]
            .into_iter()
            .collect();
        config.pools.push(pool);
    }
    config
}

/// The cluster, one of its groups being updated now and then.
fn cluster(updating: Option<usize>) -> Input {
    let mut cluster = HyperpodCluster::default();
    cluster.autoscaling_mode = Some(Name::from("Enable"));
    cluster.autoscaling_status = Some(Name::from("InService"));
    for group in 0..GROUPS {
        let mut record = InstanceGroup::default();
        record.name = name(format!("group-{group:04}"));
        let updates = updating == Some(group);
        record.status = Name::from(if updates { "Updating" } else { "InService" });
        cluster.instance_groups.push(record);
    }
    Input::Cluster(Box::new(cluster))
}

/// A machine with 50,000 nodes: nine in ten are ready, the rest have an instance.
fn machine() -> Machine {
    let mut machine = Machine::new(1, config(), start());
    machine.handle(cluster(None), start());
    let claims = (0..NODES).map(|n| claim(n, n % GROUPS)).collect();
    machine.handle(Input::Plan(AcceptedPlan::of(claims, start())), start());
    let mut number = 0;
    let mut records = Vec::new();
    loop {
        match machine.poll() {
            Output::Add { call, request, .. } => {
                let mut answer = AddAnswer::default();
                for entry in &request.body.nodes_to_add {
                    for _ in 0..entry.increment_target_count_by {
                        number += 1;
                        let logical = name(format!("logical-{number:06}"));
                        let mut added = AddedNode::default();
                        added.node_logical_id = Name::clone(&logical);
                        added.instance_group_name = Name::clone(&entry.instance_group_name);
                        answer.successful.push(added);
                        let mut record = NodeRecord::new(
                            Name::clone(&entry.instance_group_name),
                            logical,
                            InstanceStatus::Running,
                        );
                        record.instance_id = Some(name(format!("i-{number:06}")));
                        record.launch_time = Some(start());
                        records.push(record);
                    }
                }
                machine.handle(Input::Answer(call, Outcome::Added(answer)), start());
            }
            Output::Wake { .. } | Output::Idle => break,
            _ => {}
        }
    }
    assert_eq!(number, NODES);
    let later = start().plus(Span::from_secs(100));
    machine.handle(Input::Listing(Listing::new(later, records, true)), later);
    for number in 1..=NODES {
        if number % 10 != 0 {
            let event = KubeEvent::new(name(format!("i-{number:06}")), KubeChange::Initialized);
            machine.handle(Input::Kube(event), later);
        }
    }
    drain(&mut machine);
    machine
}

fn drain(machine: &mut Machine) -> usize {
    let mut count = 0;
    while !matches!(machine.poll(), Output::Wake { .. } | Output::Idle) {
        count += 1;
    }
    count
}

fn steps(c: &mut Criterion) {
    let base = machine();
    let now = start().plus(Span::from_secs(200));
    let mut group = c.benchmark_group("handle and drain, 50,000 nodes");
    group.sample_size(20);
    let event = |number: usize, change| {
        Input::Kube(KubeEvent::new(
            name(format!("i-{:06}", 1 + number % NODES)),
            change,
        ))
    };
    let failure = |number: usize| {
        let logical = name(format!("logical-{:06}", 1 + number * 10 % NODES));
        let mut event = ClusterEvent::instance("e", "Error", now, logical);
        event.failure_message = Some(Name::from("Insufficient capacity"));
        Input::Event(event)
    };
    let page = |first: usize| {
        let records = (0..100).map(|n| {
            let number = 1 + (first * 100 + n) % NODES;
            let group = format!("group-{:04}", number % GROUPS);
            let logical = format!("logical-{number:06}");
            let mut record = NodeRecord::new(group, logical, InstanceStatus::Running);
            record.instance_id = Some(name(format!("i-{number:06}")));
            record
        });
        Input::Listing(Listing::new(now, records.collect(), false))
    };
    let plan = |number: usize| {
        let claims = vec![claim(70_000 + number, number % GROUPS)];
        Input::Plan(AcceptedPlan::of(claims, now))
    };
    // A spot price has changed.
    let repriced = |number: usize| {
        let mut claim = claim(80_000 + number, number % GROUPS);
        claim.cheapest.price = format!("1.{}", 1 + number % 8).parse().ok();
        Input::Plan(AcceptedPlan::of(vec![claim], now))
    };
    let limits = config();
    let limit = |number: usize| {
        let mut config = limits.clone();
        let cpus = format!("{}", 10_000_000 + number);
        config.pools[number % POOLS].limits = [("cpu", cpus.parse().expect("a quantity"))]
            .into_iter()
            .collect();
        Input::Config(Box::new(config))
    };
    // Every iteration is about another node.
    type Make<'a> = &'a dyn Fn(usize) -> Input;
    let inputs: [(&str, Make<'_>); 10] = [
        ("tick", &|_| Input::Tick),
        ("a Node joins", &|n| event(9 + n * 10, KubeChange::Joined)),
        ("a node is ready", &|n| {
            event(9 + n * 10, KubeChange::Initialized)
        }),
        ("a node is interrupted", &|n| {
            event(n, KubeChange::Interrupted)
        }),
        ("no capacity for a node", &failure),
        ("a page of 100 records", &page),
        ("a plan of one claim", &plan),
        ("a plan with a new price", &repriced),
        ("the record of 1,000 groups, one changed", &|n| {
            cluster(Some(n % GROUPS))
        }),
        ("a pool's limit is changed", &limit),
    ];
    for (what, make) in inputs {
        // One machine takes all of them: a copy for each would measure the copy's caches.
        let mut machine = base.clone();
        let mut number = 0;
        group.bench_function(what, |b| {
            b.iter_batched(
                || {
                    number += 1;
                    make(number)
                },
                |input| {
                    machine.handle(input, now);
                    black_box(drain(&mut machine))
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    let mut group = c.benchmark_group("state of 50,000 nodes");
    group.sample_size(10);
    let stored = serde_json::to_vec(&base).expect("a machine can be stored");
    group.bench_function(format!("store, {} MiB", stored.len() >> 20), |b| {
        b.iter(|| black_box(serde_json::to_vec(&base).expect("a machine can be stored")))
    });
    // A controller does not take its machine down before it begins.
    group.bench_function("resume", |b| {
        b.iter_with_large_drop(|| {
            let machine: Machine = serde_json::from_slice(&stored).expect("it was stored by us");
            machine
        })
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
