//! The provisioning machine against a fake HyperPod: how fast pods run when the first choice has no capacity, and how long
//! that takes with a controller that remembers nothing.
//!
//! `cargo run --example drive-provisioning --features sim`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "an example prints what it is about, and stops where it is wrong"
)]

use serde_json::json;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::resources::Name;
use tetrapod::plan::PlannedClaim;
use tetrapod::provisioning::config::{ClassConfig, Config, GroupConfig, PoolConfig};
use tetrapod::provisioning::node::Phase;
use tetrapod::provisioning::{BackoffPolicy, Machine, Output};
use tetrapod::sim::hyperpod::{Fake, FakeGroup, Weather};
use tetrapod::sim::pilot::Pilot;

const TYPE: &str = "ml.g5.12xlarge";

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Two groups of one type, in zones a and b.
fn groups() -> Vec<FakeGroup> {
    ["a", "b"]
        .map(|zone| {
            let zones = vec![Name::from(format!("us-east-1{zone}"))];
            let types = vec![Name::from(TYPE)];
            FakeGroup::new(format!("g5-{zone}"), zones, types, CapacityType::OnDemand)
        })
        .to_vec()
}

fn config() -> Config {
    let mut config = Config::default();
    config.groups = groups()
        .into_iter()
        .map(|g| GroupConfig::new(g.name, g.zones, g.instance_types))
        .collect();
    config.classes = vec![ClassConfig::new("gpu", vec!["g5-a".into(), "g5-b".into()])];
    config.pools = vec![PoolConfig::new("gpu", "gpu")];
    config
}

/// A claim for one pod, as a planner would give it: zone a, and with `fall_back` zone b.
fn claim(pod: &str, fall_back: bool) -> PlannedClaim {
    let offering = |zone: &str| {
        json!({"instanceType": TYPE, "zone": format!("us-east-1{zone}"), "capacityType": "on-demand",
            "price": 7.09, "instanceGroup": format!("g5-{zone}")})
    };
    let fallbacks = if fall_back {
        vec![offering("b")]
    } else {
        Vec::new()
    };
    serde_json::from_value(
        json!({"nodePool": "gpu", "pods": [pod], "instanceTypes": [TYPE], "zones": [],
        "capacityTypes": [], "cheapest": offering("a"), "fallbacks": fallbacks}),
    )
    .unwrap()
}

fn pilot(seed: u64, config: Config, dry_for: Span, silent: bool) -> Pilot {
    let mut weather = Weather::default();
    // With no events it is the launch deadline that notices.
    weather.event_lost = if silent { 1000 } else { 0 };
    let mut fake = Fake::new(seed, groups(), weather, start());
    let zone = Name::from("us-east-1a");
    let steps = vec![(start(), 0), (start().plus(dry_for), u32::MAX)];
    fake.set_capacity(&Name::from(TYPE), &zone, CapacityType::OnDemand, steps);
    Pilot::new(Machine::new(seed, config, start()), fake)
}

fn runs(pilot: &Pilot) -> bool {
    pilot
        .machine
        .nodes()
        .any(|node| node.phase == Phase::Initialized)
}

/// The machine as it is, with fall-backs and back-off: when it last asked for a node, and when the pod runs.
fn ours(seed: u64, dry_for: Span, silent: bool) -> (Span, Span) {
    let mut pilot = pilot(seed, config(), dry_for, silent);
    pilot.plan(vec![claim("ml/train", true)]);
    pilot.run(start().plus(Span::from_secs(6 * 3600)), runs);
    let is_add = |(at, o): &(Timestamp, Output)| matches!(o, Output::Add { .. }).then_some(*at);
    let asked = pilot.trace.iter().rev().find_map(is_add).unwrap();
    (asked.since(start()), pilot.now().since(start()))
}

/// A controller without memory: whenever a launch fails, it plans the cheapest offering again, which is the same one.
fn without_memory(seed: u64, dry_for: Span) -> (Span, usize) {
    let mut config = config();
    config.capacity_backoff = BackoffPolicy::new(Span::from_millis(1), Span::from_millis(1));
    let mut pilot = pilot(seed, config, dry_for, false);
    pilot.plan(vec![claim("ml/train", false)]);
    let end = start().plus(Span::from_secs(6 * 3600));
    while !runs(&pilot) && pilot.now() < end {
        pilot.run(end, |p| runs(p) || !p.replans.is_empty());
        if !pilot.replans.is_empty() {
            pilot.replans.clear();
            pilot.plan(vec![claim("ml/train", false)]);
        }
    }
    (pilot.now().since(start()), calls(&pilot))
}

fn calls(pilot: &Pilot) -> usize {
    let is_call =
        |(_, o): &&(Timestamp, Output)| matches!(o, Output::Add { .. } | Output::Delete { .. });
    pilot.trace.iter().filter(is_call).count()
}

/// Median and longest, in seconds.
fn spread(mut values: Vec<Span>) -> String {
    values.sort_unstable();
    let seconds = |span: Span| Span::from_secs(span.as_millis() / 1000);
    let (median, longest) = (values[values.len() / 2], values[values.len() - 1]);
    format!("{}, {}", seconds(median), seconds(longest))
}

fn main() {
    println!("What the machine says, with zone a dry for an hour:\n");
    let mut shown = pilot(1, config(), Span::from_secs(3600), false);
    shown.plan(vec![claim("ml/train", true)]);
    shown.run(start().plus(Span::from_secs(900)), runs);
    for (at, output) in &shown.trace {
        match output {
            Output::Add { request, .. } => {
                println!(
                    "{at} add {:?}",
                    request.body.nodes_to_add[0].instance_group_name
                );
            }
            Output::Delete { request, .. } => {
                println!("{at} delete {:?}", request.node_logical_ids)
            }
            Output::Notice(n) => println!(
                "{at} {} {}: {} [{}]",
                n.reason, n.subject, n.message, n.rule
            ),
            Output::Register { instance_id, .. } => println!("{at} register {instance_id}"),
            _ => {}
        }
    }
    println!("\nOf 200 seeds each, median and longest; calls are those of the last seed.");
    println!(
        "The launch deadline is 5m; a node takes up to 6m30s from the request to a running pod.\n"
    );
    println!(
        "| zone a is dry for | fall-back asked for | pod runs | the same without events: asked for | pod runs | cheapest again: pod runs |"
    );
    println!("|---|---|---|---|---|---|");
    for minutes in [0, 10, 30, 60, 120] {
        let dry_for = Span::from_secs(minutes * 60);
        let (mut told, mut silent, mut without) = (Vec::new(), Vec::new(), Vec::new());
        let mut calls_without = 0;
        for seed in 0..200 {
            told.push(ours(seed, dry_for, false));
            silent.push(ours(seed, dry_for, true));
            let (span, calls) = without_memory(seed, dry_for);
            without.push(span);
            calls_without = calls;
        }
        let asked = |of: &[(Span, Span)]| spread(of.iter().map(|(asked, _)| *asked).collect());
        let runs = |of: &[(Span, Span)]| spread(of.iter().map(|(_, runs)| *runs).collect());
        println!(
            "| {dry_for} | {} | {} | {} | {} | {}, {calls_without} calls |",
            asked(&told),
            runs(&told),
            asked(&silent),
            runs(&silent),
            spread(without),
        );
    }
}
