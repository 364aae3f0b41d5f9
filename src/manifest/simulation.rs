//! The Simulation document of `tetrapod/v1alpha1`. It is read by people who try things out, so unlike elsewhere a field that is
//! not known is a fault.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cursor::Cursor;
use super::meta::{DEFAULT_NAMESPACE, meta};
use super::{hpa, karpenter, keda};
use crate::base::time::Span;
use crate::model::instance_type::CapacityType;
use crate::model::options::Effort;
use crate::model::resources::Name;
use crate::model::simulation::{
    CapacityWindow, Diurnal, JobArrival, JobStream, Load, LoadSource, MetricSource, NodeLife,
    Ranking, Reads, ReplicaModel, Service, SimPolicy, Simulation, SpotStorm,
};
use crate::model::workload::WorkloadKind;

/// The longest simulation: 90 days.
const LONGEST: Span = Span::from_secs(90 * 24 * 3600);
/// Most entries of a list of the document.
const MOST: usize = 1_000;
const CONSOLIDATIONS: [&str; 4] = ["economic", "karpenter", "karpenter-head", "none"];
const RANKINGS: [(&str, Ranking); 2] = [
    ("leastAllocated", Ranking::LeastAllocated),
    ("mostAllocated", Ranking::MostAllocated),
];

/// Reads a Simulation document.
pub(super) fn simulation(root: &Cursor<'_, '_>) -> Simulation {
    only(
        root,
        &[
            "apiVersion",
            "kind",
            "metadata",
            "start",
            "duration",
            "slo",
            "tick",
            "batchIdle",
            "batchMax",
            "consolidateEvery",
            "binder",
            "services",
            "jobs",
            "nodes",
            "faults",
            "policies",
        ],
    );
    let plain = Simulation::default();
    let duration_at = root.field("duration");
    let duration = duration_at.span().unwrap_or(plain.duration);
    if duration > LONGEST || duration < Span::from_secs(1) {
        duration_at.fault("a duration from 1s to 2160h");
    }
    let tick_at = root.field("tick");
    let tick = tick_at.span().unwrap_or(plain.tick);
    if tick < Span::from_secs(1) || tick > Span::from_secs(600) {
        tick_at.fault("a duration from 1s to 10m");
    }
    let every_at = root.field("consolidateEvery");
    let every = every_at.span().unwrap_or(plain.consolidate_every);
    if every < Span::from_secs(1) {
        every_at.fault("a duration of 1s or more");
    }
    let faults = root.object("faults");
    only(&faults, &["capacity", "spotStorms"]);
    let read = Simulation {
        name: meta(root).name,
        source: Name::from(""),
        start: root.field("start").time(),
        duration,
        slo: root.field("slo").span().unwrap_or(plain.slo),
        tick,
        batch_idle: root.field("batchIdle").span().unwrap_or(plain.batch_idle),
        batch_max: root.field("batchMax").span().unwrap_or(plain.batch_max),
        consolidate_every: every,
        binder: root.field("binder").choice(&RANKINGS).unwrap_or_default(),
        services: bounded(&root.field("services"), service),
        jobs: bounded(&root.field("jobs"), jobs),
        nodes: nodes(&root.object("nodes")),
        capacity: bounded(&faults.field("capacity"), window),
        spot_storms: bounded(&faults.field("spotStorms"), storm),
        policies: bounded(&root.field("policies"), policy),
    };
    let mut names = BTreeSet::new();
    for (at, policy) in root.field("policies").items().zip(&read.policies) {
        if !names.insert(&policy.name) {
            at.field("name").fault("a name that no other policy has");
        }
    }
    read
}

/// Faults what is not among `known`.
pub(super) fn only(at: &Cursor<'_, '_>, known: &[&str]) {
    let Value::Object(fields) = at.value() else {
        return;
    };
    for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
        at.field(key)
            .fault_found("an unknown field", format!("one of {}", known.join(", ")));
    }
}

pub(super) fn bounded<T>(
    at: &Cursor<'_, '_>,
    read: impl Fn(&Cursor<'_, '_>) -> Option<T>,
) -> Vec<T> {
    if at.items().count() > MOST {
        at.fault(format!("a list of at most {MOST}"));
        return Vec::new();
    }
    at.list(|item| {
        if !item.is_object() {
            item.fault_if_absent("an object");
            return None;
        }
        read(item)
    })
}

/// A number of 0 or more.
pub(super) fn number(at: &Cursor<'_, '_>) -> Option<f64> {
    if at.is_absent() {
        return None;
    }
    let number = at.value().as_f64();
    let sound = number.filter(|number| *number >= 0.0 && *number <= 1e15);
    if sound.is_none() {
        at.fault("a number of 0 or more");
    }
    sound
}

fn service(item: &Cursor<'_, '_>) -> Option<Service> {
    only(
        item,
        &[
            "workload",
            "imagePull",
            "startup",
            "shutdown",
            "replica",
            "queueLimit",
            "load",
            "metrics",
        ],
    );
    let plain = Service::default();
    let workload = item.object("workload");
    workload.fault_if_absent("the workload: kind, namespace and name");
    only(&workload, &["kind", "namespace", "name"]);
    let kinds = [
        ("Deployment", WorkloadKind::Deployment),
        ("StatefulSet", WorkloadKind::StatefulSet),
        ("ReplicaSet", WorkloadKind::ReplicaSet),
    ];
    let replica_at = item.object("replica");
    let replica = (!replica_at.is_absent()).then(|| replica(&replica_at));
    let load_at = item.object("load");
    let load = (!load_at.is_absent()).then(|| load(&load_at));
    if load.is_some() && replica.is_none() {
        replica_at.fault("how a replica works, where there is load");
    }
    Some(Service {
        kind: workload.field("kind").choice(&kinds).unwrap_or_default(),
        namespace: namespace(&workload.field("namespace")),
        name: workload
            .field("name")
            .required("the name of a workload")
            .unwrap_or_default(),
        image_pull: item.field("imagePull").span().unwrap_or(plain.image_pull),
        startup: item.field("startup").span().unwrap_or(plain.startup),
        shutdown: item.field("shutdown").span().unwrap_or(plain.shutdown),
        replica,
        queue_limit: item
            .field("queueLimit")
            .count(0)
            .map_or(plain.queue_limit, u64::from),
        load,
        metrics: bounded(&item.field("metrics"), metric),
    })
}

fn namespace(at: &Cursor<'_, '_>) -> Name {
    at.filled().unwrap_or_else(|| Name::from(DEFAULT_NAMESPACE))
}

fn replica(at: &Cursor<'_, '_>) -> ReplicaModel {
    only(
        at,
        &[
            "concurrency",
            "baseSeconds",
            "prefillTokensPerSecond",
            "decodeTokensPerSecond",
        ],
    );
    ReplicaModel {
        concurrency: at.field("concurrency").count(1).unwrap_or(1),
        base_seconds: number(&at.field("baseSeconds")).unwrap_or(0.0),
        prefill_tokens_per_second: number(&at.field("prefillTokensPerSecond")).unwrap_or(0.0),
        decode_tokens_per_second: number(&at.field("decodeTokensPerSecond")).unwrap_or(0.0),
    }
}

fn load(at: &Cursor<'_, '_>) -> Load {
    only(
        at,
        &[
            "trace",
            "generate",
            "points",
            "scale",
            "repeat",
            "inputTokens",
            "outputTokens",
        ],
    );
    let generate_at = at.object("generate");
    let points_at = at.field("points");
    let trace = at.field("trace").filled();
    let given = [
        trace.is_some(),
        !generate_at.is_absent(),
        !points_at.is_absent(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        at.fault("exactly one of trace, generate and points");
    }
    let source = if let Some(trace) = trace {
        LoadSource::Trace(trace)
    } else if generate_at.is_absent() {
        LoadSource::Points(points(&points_at))
    } else {
        LoadSource::Generate(diurnal(&generate_at))
    };
    Load {
        source,
        scale: number(&at.field("scale")).unwrap_or(1.0),
        repeat: at.field("repeat").flag(),
        input_tokens: number(&at.field("inputTokens")).unwrap_or(0.0),
        output_tokens: number(&at.field("outputTokens")).unwrap_or(0.0),
    }
}

fn points(at: &Cursor<'_, '_>) -> Vec<(Span, f64)> {
    let mut points = bounded(at, |item| {
        only(item, &["at", "requestsPerSecond"]);
        let rate = item.field("requestsPerSecond");
        rate.fault_if_absent("a number of 0 or more");
        Some((item.field("at").span().unwrap_or_default(), number(&rate)?))
    });
    points.sort_by_key(|(at, _)| *at);
    points
}

fn diurnal(at: &Cursor<'_, '_>) -> Diurnal {
    only(
        at,
        &[
            "low",
            "high",
            "peakAt",
            "burstsPerDay",
            "burstFactor",
            "burstLength",
        ],
    );
    let plain = Diurnal::default();
    Diurnal {
        low: number(&at.field("low")).unwrap_or(plain.low),
        high: number(&at.field("high")).unwrap_or(plain.high),
        peak_at: at.field("peakAt").span().unwrap_or(plain.peak_at),
        bursts_per_day: number(&at.field("burstsPerDay")).unwrap_or(plain.bursts_per_day),
        burst_factor: number(&at.field("burstFactor")).unwrap_or(plain.burst_factor),
        burst_length: at.field("burstLength").span().unwrap_or(plain.burst_length),
    }
}

fn metric(item: &Cursor<'_, '_>) -> Option<MetricSource> {
    only(item, &["name", "reads"]);
    let reads_at = item.field("reads");
    reads_at.fault_if_absent("waiting, inFlight, outstanding or requestsPerSecond");
    let reads = reads_at.choice(&[
        ("waiting", Reads::Waiting),
        ("inFlight", Reads::InFlight),
        ("outstanding", Reads::Outstanding),
        ("requestsPerSecond", Reads::RequestsPerSecond),
    ]);
    let name = item
        .field("name")
        .required("the name of a trigger or metric");
    Some(MetricSource::new(name?, reads?))
}

fn jobs(item: &Cursor<'_, '_>) -> Option<JobStream> {
    only(
        item,
        &[
            "name",
            "namespace",
            "template",
            "gang",
            "readyTimeout",
            "requeueAfter",
            "checkpointEvery",
            "imagePull",
            "startup",
            "arrivals",
            "trace",
        ],
    );
    let plain = JobStream::default();
    let read = JobStream {
        name: item.field("name").required("a name").unwrap_or_default(),
        namespace: namespace(&item.field("namespace")),
        template: item
            .field("template")
            .required("the name of a PodTemplate")
            .unwrap_or_default(),
        gang: item.field("gang").flag(),
        ready_timeout: item.field("readyTimeout").span(),
        requeue_after: item
            .field("requeueAfter")
            .span()
            .unwrap_or(plain.requeue_after),
        checkpoint_every: item.field("checkpointEvery").span(),
        image_pull: item.field("imagePull").span().unwrap_or(plain.image_pull),
        startup: item.field("startup").span().unwrap_or(plain.startup),
        arrivals: bounded(&item.field("arrivals"), arrival),
        trace: item.field("trace").filled(),
    };
    Some(read)
}

fn arrival(item: &Cursor<'_, '_>) -> Option<JobArrival> {
    only(item, &["at", "pods", "runs"]);
    let runs = item.field("runs");
    runs.fault_if_absent("how long the job runs");
    let pods_at = item.field("pods");
    let pods = pods_at.count(1).unwrap_or(1);
    if pods > 10_000 {
        pods_at.fault("a whole number from 1 to 10000");
    }
    Some(JobArrival::new(
        item.field("at").span().unwrap_or_default(),
        pods,
        runs.span()?,
    ))
}

fn nodes(at: &Cursor<'_, '_>) -> NodeLife {
    only(
        at,
        &[
            "launch",
            "lifecycleScript",
            "join",
            "initialize",
            "scriptFails",
            "neverJoins",
            "breaks",
            "reclaimed",
            "withoutNotice",
            "troubleWithin",
        ],
    );
    let plain = NodeLife::default();
    let span = |name: &str, otherwise: Span| at.field(name).span().unwrap_or(otherwise);
    let chance = |name: &str| {
        let chance = at.field(name).integer(0..=1000);
        chance
            .and_then(|chance| u32::try_from(chance).ok())
            .unwrap_or(0)
    };
    NodeLife {
        launch: span("launch", plain.launch),
        lifecycle_script: span("lifecycleScript", plain.lifecycle_script),
        join: span("join", plain.join),
        initialize: span("initialize", plain.initialize),
        script_fails: chance("scriptFails"),
        never_joins: chance("neverJoins"),
        breaks: chance("breaks"),
        reclaimed: chance("reclaimed"),
        without_notice: chance("withoutNotice"),
        trouble_within: span("troubleWithin", plain.trouble_within),
    }
}

fn window(item: &Cursor<'_, '_>) -> Option<CapacityWindow> {
    only(
        item,
        &[
            "instanceType",
            "zone",
            "capacityType",
            "from",
            "to",
            "available",
        ],
    );
    let to_at = item.field("to");
    to_at.fault_if_absent("until when, since the start");
    let from = item.field("from").span().unwrap_or_default();
    let to = to_at.span()?;
    if to <= from {
        to_at.fault("a time after from");
    }
    let mut read = CapacityWindow::new(from, to, item.field("available").count(0).unwrap_or(0));
    read.instance_type = item.field("instanceType").filled();
    read.zone = item.field("zone").filled();
    read.capacity_type = item.field("capacityType").choice(&[
        ("on-demand", CapacityType::OnDemand),
        ("spot", CapacityType::Spot),
    ]);
    Some(read)
}

fn storm(item: &Cursor<'_, '_>) -> Option<SpotStorm> {
    only(item, &["at", "perThousand"]);
    let share_at = item.field("perThousand");
    share_at.fault_if_absent("how many of 1000 running spot instances");
    let share = u32::try_from(share_at.integer(0..=1000)?).ok()?;
    Some(SpotStorm::new(
        item.field("at").span().unwrap_or_default(),
        share,
    ))
}

fn policy(item: &Cursor<'_, '_>) -> Option<SimPolicy> {
    only(
        item,
        &[
            "name",
            "consolidation",
            "effort",
            "binder",
            "without",
            "objects",
        ],
    );
    let mut read = SimPolicy::new(item.field("name").required("a name").unwrap_or_default());
    let consolidation_at = item.field("consolidation");
    read.consolidation = consolidation_at.filled();
    if read
        .consolidation
        .as_deref()
        .is_some_and(|name| !CONSOLIDATIONS.contains(&name))
    {
        consolidation_at.fault("economic, karpenter, karpenter-head or none");
    }
    read.effort = item.field("effort").choice(&[
        ("fast", Effort::Fast),
        ("balanced", Effort::Balanced),
        ("thorough", Effort::Thorough),
    ]);
    read.binder = item.field("binder").choice(&RANKINGS);
    read.without = item.field("without").names();
    let objects = item.field("objects");
    if objects.items().count() > MOST {
        objects.fault(format!("a list of at most {MOST}"));
        return None;
    }
    for object in objects.items() {
        match object.field("kind").text() {
            Some("NodePool") => read.node_pools.push(karpenter::node_pool(&object)),
            Some("ScaledObject") => read.scaled_objects.push(keda::scaled_object(&object)),
            Some("HorizontalPodAutoscaler") => read
                .horizontal_pod_autoscalers
                .push(hpa::horizontal_pod_autoscaler(&object)),
            _ => object
                .field("kind")
                .fault("NodePool, ScaledObject or HorizontalPodAutoscaler"),
        }
    }
    Some(read)
}
