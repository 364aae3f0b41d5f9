//! Results of runs as a simulator would give them: a day of traffic, made from formulas.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each test file uses a part, and figures are small"
)]

use tetrapod::base::rng::Rng;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::resources::Name;
use tetrapod::sim::sweep::{SweepResult, merge};
use tetrapod::sim::world::result::{
    Distribution, PackedNode, PackedPod, Packing, SimEvent, SimResult,
};

const POINTS: usize = 1_440;

/// 0 at night, 1 at the peak in the afternoon, with a spike in the morning.
fn traffic(minute: usize) -> f64 {
    let hour = minute as f64 / 60.0;
    let bump = |centre: f64, width: f64| {
        let away = (hour - centre) / width;
        1.0 / (1.0 + away * away * away * away)
    };
    (bump(14.5, 5.0) + 0.5 * bump(9.2, 0.4) - 0.04).clamp(0.0, 1.4)
}

fn distribution(p50: f64) -> Distribution {
    let mut made = Distribution::default();
    made.count = 1_000;
    made.mean = p50 * 1.3;
    made.p50 = p50;
    made.p90 = p50 * 3.0;
    made.p99 = p50 * 11.0;
    made.max = p50 * 40.0;
    made
}

/// A day of a policy: three workloads over three groups, from zero and back to zero. A higher seed has more room to spare.
#[expect(clippy::too_many_lines, reason = "one made-up day, told in order")]
pub fn busy_day(policy: &str, seed: u64) -> SimResult {
    let mut rng = Rng::new(seed);
    let room = 1.0 + 0.15 * seed as f64;
    let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let mut run = SimResult::default();
    run.policy = Name::from(policy);
    run.simulation = Name::from("A day of chat over a HyperPod cluster");
    run.seed = 7;
    run.start = start;
    run.end = start.plus(Span::from_secs(86_400));
    let series = &mut run.series;
    series.step_seconds = 60.0;
    let workloads = [
        ("chat", 24.0, 2.0),
        ("embed", 9.0, 1.0),
        ("rerank", 4.0, 1.0),
    ];
    for minute in 0..POINTS {
        series.time.push(minute as f64 * 60.0);
        let now = traffic(minute);
        let late = traffic(minute.saturating_sub(9));
        let mut gpus = 0.0;
        for (name, most, of_gpu) in workloads {
            let key = Name::from(name);
            let wanted = (now * most * room).ceil();
            let ready = (late.min(now * 1.2) * most * room).ceil();
            gpus += ready * of_gpu;
            series
                .replicas
                .entry(key.clone())
                .or_default()
                .push(wanted as u32);
            series
                .ready
                .entry(key.clone())
                .or_default()
                .push(ready as u32);
            let noise = rng.below(20) as f64 / 10.0;
            series
                .arrivals
                .entry(key.clone())
                .or_default()
                .push(now * most * 1.5 + noise * now);
            let short = (now - late * room).max(0.0) * most * 30.0;
            series.queue.entry(key).or_default().push(short as u64);
        }
        let large = (gpus / 10.0).floor();
        let small = ((gpus - large * 8.0) / 4.0).ceil().max(0.0);
        let spot = (large / 3.0).floor();
        for (name, count) in [
            ("gpu-8x", large - spot),
            ("gpu-8x-spot", spot),
            ("gpu-4x", small),
        ] {
            series
                .nodes
                .entry(Name::from(name))
                .or_default()
                .push(count as u32);
        }
        series
            .cost_rate
            .push((large - spot) * 16.3 + spot * 6.1 + small * 7.1);
        let billed = large * 8.0 + small * 4.0;
        let used = if billed > 0.0 {
            (gpus / billed).min(1.0)
        } else {
            0.0
        };
        series.gpu_utilisation.push(used);
        series.cpu_utilisation.push(used * 0.45);
        series.fragmentation.push(if billed > 0.0 {
            0.3 * (1.0 - used) + 0.1
        } else {
            0.0
        });
        series.pending.push(((now - late).max(0.0) * 20.0) as u32);
    }
    let totals = &mut run.totals;
    totals.cost = format!("{:.2}", 1_180.0 * room).parse().unwrap();
    for (name, share) in [("gpu-8x", 0.71), ("gpu-8x-spot", 0.11), ("gpu-4x", 0.18)] {
        let cost = format!("{:.2}", 1_180.0 * room * share).parse().unwrap();
        totals.cost_by_group.insert(Name::from(name), cost);
    }
    for (name, share) in [
        ("chat", 0.62),
        ("embed", 0.14),
        ("rerank", 0.06),
        ("(idle)", 0.18),
    ] {
        let cost = format!("{:.2}", 1_180.0 * room * share).parse().unwrap();
        totals.cost_by_workload.insert(Name::from(name), cost);
    }
    totals.node_hours = 96.5 * room;
    totals.gpu_hours = 610.0 * room;
    totals.pods_created = 214;
    totals.pods_finished = 201;
    totals.evictions = 13 + seed;
    totals.nodes_launched = 31;
    totals.nodes_removed = 31;
    totals.launches_failed = 4;
    totals.spot_reclaims = 2;
    totals.requests_arrived = 1_204_118;
    totals.requests_served = 1_204_003;
    totals.requests_waiting = 0;
    totals.requests_dropped = 115;
    totals.slo_seconds = 5.0;
    totals.slo_attainment = 1.0 - 0.06 / (room * room * room);
    totals.queue_delay_seconds = distribution(0.4 / room);
    totals.pending_seconds = distribution(65.0);
    totals.time_to_capacity_seconds = distribution(290.0);
    totals.gpu_utilisation = 0.74 / room.min(1.3);
    totals.cpu_utilisation = 0.31;
    totals.gpu_fragmentation = 0.18;
    run.packings = [
        (9.3, "first-full"),
        (14.5, "peak"),
        (19.0, "half-way"),
        (24.0, "end"),
    ]
    .map(|(hour, why)| packing(hour, why, room, &mut rng))
    .to_vec();
    run.events = events(start, &mut rng);
    run.events_left_out.insert(Name::from("Scaled"), 811);
    run
}

fn packing(hour: f64, why: &str, room: f64, rng: &mut Rng) -> Packing {
    let mut made = Packing::default();
    made.time = hour * 3_600.0;
    made.why = Name::from(why);
    let minute = ((hour * 60.0) as usize).min(POINTS - 1);
    let nodes = if hour >= 24.0 {
        0
    } else {
        (traffic(minute) * 22.0 * room) as usize
    };
    for number in 0..nodes {
        let mut node = PackedNode::default();
        node.name = Name::from(format!("hyperpod-i-{number:04x}"));
        let (group, kind, gpus) = match number % 7 {
            0 | 1 => ("gpu-4x", "ml.g5.12xlarge", 4.0),
            2 => ("gpu-8x-spot", "ml.g5.48xlarge", 8.0),
            _ => ("gpu-8x", "ml.g5.48xlarge", 8.0),
        };
        (node.group, node.instance_type, node.gpus) = (Name::from(group), Name::from(kind), gpus);
        let mut free = gpus;
        while free >= 1.0 && rng.below(12) > 0 {
            let (name, wants) = match rng.below(10) {
                0..6 if free >= 2.0 => ("chat", 2.0),
                0..9 => ("embed", 1.0),
                _ => ("rerank", 1.0),
            };
            let mut pod = PackedPod::default();
            (pod.workload, pod.share, pod.gpus) = (Name::from(name), wants / gpus, wants);
            node.pods.push(pod);
            free -= wants;
        }
        node.pods.sort_by(|a, b| a.workload.cmp(&b.workload));
        made.nodes.push(node);
    }
    made
}

fn events(start: Timestamp, rng: &mut Rng) -> Vec<SimEvent> {
    let kinds = [
        (
            "Scaled",
            "Deployment/default/chat",
            "from 11 to 14 replicas: aws-sqs-queue asks for 13.4 (402 messages at 30 each), tolerance 0.1 is exceeded, the scale-up limit of 4 pods per minute allows 15",
        ),
        (
            "NodeRequested",
            "group/gpu-8x",
            "one ml.g5.48xlarge in use1-az4 for 4 pods of Deployment/default/chat at $16.29/h: the cheapest way that holds them all",
        ),
        (
            "NodeReady",
            "hyperpod-i-0a1f",
            "after 5m12s: 1m28s to find an instance, 2m40s of lifecycle script, 1m4s to join",
        ),
        (
            "Consolidation",
            "hyperpod-i-0031",
            "Underutilized: its 2 pods fit hyperpod-i-0a1f, which saves $7.09/h",
        ),
        (
            "LaunchFailed",
            "group/gpu-8x-spot",
            "no capacity for ml.g5.48xlarge in use1-az6; the next way is on-demand in use1-az4",
        ),
        (
            "Evicted",
            "Pod/default/embed-7c9d-x2x4q",
            "drained with hyperpod-i-0031",
        ),
        (
            "Unschedulable",
            "Pod/default/chat-5f7b-9k2lm",
            "every option lacks nvidia.com/gpu: asks for 2, the freest node has 1; group gpu-8x is at its limit of 12 nodes",
        ),
    ];
    let mut all: Vec<SimEvent> = (0..600)
        .map(|_| {
            let kind = match rng.below(30) {
                0..16 => 0,
                16..21 => 1,
                21..26 => 2,
                26 => 3,
                27 => 4,
                28 => 5,
                _ => 6,
            };
            let mut event = SimEvent::default();
            event.time = start.plus(Span::from_secs(i64::try_from(rng.below(86_400)).unwrap()));
            event.kind = Name::from(kinds[kind].0);
            event.object = Name::from(kinds[kind].1);
            event.message = kinds[kind].2.to_owned();
            event
        })
        .collect();
    all.sort_by_key(|event| event.time);
    all
}

/// The same day under three policies.
pub fn three_policies() -> Vec<SimResult> {
    vec![
        busy_day("karpenter-default", 3),
        busy_day("economic", 0),
        busy_day("headroom-20-percent", 1),
    ]
}

/// A sweep of five policies over two traces with eight seeds.
pub fn sweep() -> SweepResult {
    let mut rng = Rng::new(5);
    let policies = [
        "karpenter-default",
        "economic",
        "headroom-20-percent",
        "spot",
        "spot-and-headroom",
    ];
    let mut runs = Vec::new();
    for trace in ["weekday", "black-friday"] {
        for (at, policy) in policies.iter().enumerate() {
            for seed in 0..8_u64 {
                let mut totals = busy_day(policy, at as u64).totals;
                let noise = 1.0 + (rng.below(1_000) as f64 - 500.0) / 10_000.0;
                let peak = if trace == "weekday" { 1.0 } else { 1.7 };
                totals.cost = format!("{:.2}", totals.cost.as_f64() * noise * peak)
                    .parse()
                    .unwrap();
                totals.slo_attainment = 1.0 - (1.0 - totals.slo_attainment) * noise * noise * peak;
                runs.push(serde_json::json!({
                    "number": runs.len(), "trace": trace, "policy": policy, "seed": seed, "totals": totals,
                }));
            }
        }
    }
    let slice = serde_json::json!({
        "sweep": "Headroom or spot?", "simulation": "A day of chat over a HyperPod cluster", "fingerprint": "0",
        "shard": "0/1", "totalRuns": runs.len(), "policies": policies, "traces": ["weekday", "black-friday"],
        "seeds": 8, "sloSeconds": 5.0, "runs": runs,
    });
    merge(vec![serde_json::from_value(slice).unwrap()]).unwrap()
}
