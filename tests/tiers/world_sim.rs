//! Both tiers in virtual time: what users report of their interplay, conservation, and that a run can be stored and repeated.

#![cfg(all(feature = "sim", feature = "yaml"))]
use std::collections::BTreeMap;

use tetrapod::base::rng::Rng;
use tetrapod::base::time::Span;
use tetrapod::manifest::{Input, Reader};
use tetrapod::sim::world::conserve::{Fact, Observer, check, run_checked};
use tetrapod::sim::world::result::SimResult;
use tetrapod::sim::world::{Setup, World};

/// A cluster with an on-demand and a spot group of one-GPU nodes, and a Deployment of one-GPU pods.
fn cluster(pool: &str, replicas: u32) -> String {
    format!(
        r#"
apiVersion: karpenter.sagemaker.amazonaws.com/v1
kind: HyperpodNodeClass
metadata: {{name: inference}}
spec: {{instanceGroups: [one, four, spot]}}
status:
  instanceGroups:
  - {{name: one, instanceTypes: [ml.g5.2xlarge], subnets: [{{id: subnet-a, zone: zone-a}}]}}
  - {{name: four, instanceTypes: [ml.g5.12xlarge], subnets: [{{id: subnet-b, zone: zone-b}}]}}
  - {{name: spot, instanceTypes: [ml.g5.2xlarge], capacities: {{Spot: {{}}}}, subnets: [{{id: subnet-b, zone: zone-b}}]}}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{name: gpu}}
spec:
  disruption: {{consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 1m, budgets: [{{nodes: "100%"}}]}}
  template:
    spec:
      nodeClassRef: {{group: karpenter.sagemaker.amazonaws.com, kind: HyperpodNodeClass, name: inference}}
      requirements: [{pool}]
---
apiVersion: tetrapod/v1alpha1
kind: Options
prices: {{ml.g5.2xlarge: {{spot: 0.6}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: chat, namespace: default}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: chat}}}}
  template:
    metadata: {{labels: {{app: chat}}}}
    spec:
      containers:
      - name: server
        resources: {{requests: {{cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"}}, limits: {{nvidia.com/gpu: "1"}}}}
---
apiVersion: v1
kind: PodTemplate
metadata: {{name: train, namespace: default}}
template:
  metadata: {{labels: {{app: train}}}}
  spec:
    containers:
    - name: main
      resources: {{requests: {{cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"}}, limits: {{nvidia.com/gpu: "1"}}}}
"#
    )
}

const ON_DEMAND: &str = "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}";

fn read(documents: &[&str]) -> Input {
    let mut reader = Reader::new();
    for document in documents {
        reader.read("test", document.as_bytes());
    }
    reader.finish().unwrap()
}

fn world(documents: &[&str], seed: u64) -> World {
    let input = read(documents);
    let simulation = &input.simulations[0];
    let policy = simulation.policies.first().cloned().unwrap_or_default();
    World::new(Setup::new(&input.snapshot, simulation, &policy, BTreeMap::new(), seed).unwrap())
}

fn checked(documents: &[&str], seed: u64) -> SimResult {
    run_checked(world(documents, seed)).unwrap_or_else(|broken| panic!("{broken}"))
}

fn simulation(duration: &str, rest: &str) -> String {
    format!(
        "apiVersion: tetrapod/v1alpha1\nkind: Simulation\nmetadata: {{name: test}}\nstart: \"2026-01-05T00:00:00Z\"\nduration: {duration}\n{rest}"
    )
}

fn scaled(max: u32, cooldown: u32) -> String {
    format!(
        r#"
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: chat, namespace: default}}
spec:
  scaleTargetRef: {{name: chat}}
  minReplicaCount: 0
  maxReplicaCount: {max}
  cooldownPeriod: {cooldown}
  triggers:
  - {{type: aws-sqs-queue, name: queue, metadata: {{queueURL: chat, queueLength: "4", awsRegion: us-west-2}}}}
"#
    )
}

/// Load points for a service that works on four requests of two seconds at once.
fn service(points: &str) -> String {
    format!(
        "services:\n- workload: {{name: chat}}\n  replica: {{concurrency: 4, baseSeconds: 2}}\n  metrics: [{{name: queue, reads: outstanding}}]\n  load: {{points: [{points}]}}\n"
    )
}

fn of_kind<'r>(result: &'r SimResult, kind: &str) -> Vec<&'r str> {
    let events = result.events.iter().filter(|event| &*event.kind == kind);
    events.map(|event| &*event.message).collect()
}

#[test]
fn a_cluster_scales_from_zero_and_back_to_zero() {
    let day = simulation(
        "3h",
        &service("{at: 10m, requestsPerSecond: 8}, {at: 1h, requestsPerSecond: 0}"),
    );
    let result = checked(&[&cluster(ON_DEMAND, 0), &scaled(10, 300), &day], 1);
    let totals = &result.totals;
    assert_eq!(totals.requests_arrived, 8 * 3000);
    assert_eq!(
        totals.requests_served, totals.requests_arrived,
        "all are served in the end"
    );
    assert!(totals.nodes_launched > 0);
    assert_eq!(totals.nodes_launched, totals.nodes_removed, "back to zero");
    let replicas = &result.series.replicas["chat"];
    assert_eq!((replicas[0], *replicas.last().unwrap()), (0, 0));
    assert!(
        *replicas.iter().max().unwrap() >= 4,
        "8 a second need 4 replicas"
    );
    assert!(totals.cost.as_f64() > 0.0);
    // A cold start takes minutes (H-24): the first requests wait for it.
    assert!(totals.queue_delay_seconds.max > 120.0);
}

/// K-42: an HPA on CPU takes pods that no node has for ones that use nothing, so it does not run away while nodes start.
#[test]
fn an_hpa_is_held_by_pods_that_wait_for_nodes() {
    let hpa = r"
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: chat, namespace: default}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}
  minReplicas: 2
  maxReplicas: 50
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
";
    // Two replicas are overloaded from the 20th minute on; four would do, and their nodes take minutes.
    let load = service("{at: 15m, requestsPerSecond: 1}, {at: 20m, requestsPerSecond: 3.9}");
    let result = checked(&[&cluster(ON_DEMAND, 2), hpa, &simulation("50m", &load)], 1);
    let most = *result.series.replicas["chat"].iter().max().unwrap();
    let pending = *result.series.pending.iter().max().unwrap();
    assert!(pending > 0, "pods waited");
    assert!(
        (3..=8).contains(&most),
        "without K-42 it would double again and again: {most}"
    );
}

/// One replica more or less each few minutes must not buy and give back a node each time when consolidation waits longer.
#[test]
fn flapping_replicas_move_nodes_only_when_consolidation_is_quicker() {
    let points: Vec<String> = (0..24)
        .map(|at| {
            format!(
                "{{at: {}m, requestsPerSecond: {}}}",
                30 + at * 8,
                if at % 2 == 0 { 7.0 } else { 5.0 }
            )
        })
        .collect();
    let launches = |after: &str| {
        let pool = cluster(ON_DEMAND, 0).replace(
            "consolidateAfter: 1m",
            &format!("consolidateAfter: {after}"),
        );
        let keda = scaled(10, 60).replace(
            "  triggers:",
            "  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 0}}}}\n  triggers:",
        );
        let day = simulation("4h", &service(&points.join(", ")));
        checked(&[&pool, &keda, &day], 1).totals.nodes_launched
    };
    let (quick, patient) = (launches("0s"), launches("30m"));
    assert!(quick > patient, "{quick} launches at 0s, {patient} at 30m");
}

/// D-95: pods leave a node when what replaces it is initialized, and not before; the pods were bought for once already.
#[test]
fn a_node_is_drained_once_its_replacement_is_there() {
    let cluster = cluster(ON_DEMAND, 0)
        .replace("ml.g5.12xlarge", "ml.m5.4xlarge")
        .replace(
            "ml.g5.2xlarge], subnets: [{id: subnet-a",
            "ml.m5.2xlarge], subnets: [{id: subnet-a",
        )
        .replace(
            r#"cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"}, limits: {nvidia.com/gpu: "1"}"#,
            r#"cpu: "3", memory: 4Gi}"#,
        );
    let load = service("{at: 5m, requestsPerSecond: 10}, {at: 2h, requestsPerSecond: 1}");
    let result = checked(&[&cluster, &scaled(5, 60), &simulation("4h", &load)], 1);
    let ended = of_kind(&result, "CommandEnded");
    assert!(
        !ended.is_empty() && ended.iter().all(|how| *how == "Succeeded"),
        "{ended:?}"
    );
    let first_after = |kind: &str, says: &str, time| {
        let mut events = result.events.iter().filter(|event| event.time >= time);
        let found = events.find(|event| &*event.kind == kind && event.message.contains(says));
        found.map(|event| event.time)
    };
    let decided = first_after("Consolidation", "(replace)", result.start);
    let decided = decided.expect("five replicas need the larger node, one does not");
    let ready = first_after("NodeReady", "", decided).unwrap();
    let evicted = first_after("Evicted", "", decided).unwrap();
    assert!(
        decided < ready && ready <= evicted,
        "{decided} {ready} {evicted}"
    );
}

/// H-66: scaling nodes in before the pods tier has cooled down buys the same nodes twice.
#[test]
fn keda_cooldown_against_consolidate_after() {
    let load = service(
        "{at: 10m, requestsPerSecond: 6}, {at: 40m, requestsPerSecond: 0}, {at: 55m, requestsPerSecond: 6}, {at: 80m, requestsPerSecond: 0}",
    );
    let run = |cooldown, after: &str| {
        let pool = cluster(ON_DEMAND, 0).replace(
            "consolidateAfter: 1m",
            &format!("consolidateAfter: {after}"),
        );
        checked(&[&pool, &scaled(10, cooldown), &simulation("2h", &load)], 1).totals
    };
    let hasty = run(60, "30s");
    let patient = run(60, "20m");
    assert!(
        hasty.nodes_launched > patient.nodes_launched,
        "{} and {}",
        hasty.nodes_launched,
        patient.nodes_launched
    );
    assert!(hasty.queue_delay_seconds.mean > patient.queue_delay_seconds.mean);
    assert!(hasty.cost < patient.cost, "what is kept costs");
}

/// H-56: a gang's timeout below the start of a node takes it back before its nodes are there; they are there for its next try.
#[test]
fn a_gang_that_times_out_before_its_nodes_start_finds_them_later() {
    let jobs = |timeout: &str| {
        simulation(
            "2h",
            &format!(
                "jobs:\n- name: train\n  template: train\n  gang: true\n  readyTimeout: {timeout}\n  requeueAfter: 2m\n  arrivals: [{{at: 5m, pods: 4, runs: 30m}}]\n"
            ),
        )
    };
    let pool = cluster(ON_DEMAND, 0).replace("consolidateAfter: 1m", "consolidateAfter: 10m");
    let short = checked(&[&pool, &jobs("2m")], 1);
    assert!(
        !of_kind(&short, "GangTimedOut").is_empty(),
        "nodes take longer than two minutes (H-24)"
    );
    assert_eq!(
        of_kind(&short, "JobFinished").len(),
        1,
        "but it gets its nodes in the end"
    );
    let long = checked(&[&pool, &jobs("20m")], 1);
    assert!(of_kind(&long, "GangTimedOut").is_empty());
    assert_eq!(of_kind(&long, "JobFinished").len(), 1);
    assert_eq!(long.totals.evictions, 0);
    assert!(short.totals.pods_created > long.totals.pods_created);
}

#[test]
fn a_spot_storm_is_survived() {
    let spot = "{key: karpenter.sh/capacity-type, operator: In, values: [spot]}";
    let load = service("{at: 5m, requestsPerSecond: 10}");
    let day = simulation(
        "2h",
        &format!("{load}faults: {{spotStorms: [{{at: 1h, perThousand: 1000}}]}}\n"),
    );
    let result = checked(&[&cluster(spot, 0), &scaled(20, 300), &day], 1);
    let totals = &result.totals;
    assert!(totals.spot_reclaims >= 5, "{}", totals.spot_reclaims);
    assert!(totals.evictions >= totals.spot_reclaims);
    let ready = &result.series.ready["chat"];
    let step = result.series.step_seconds;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let at = |seconds: f64| ready[(seconds / step) as usize - 1];
    assert!(at(3500.0) >= 5 && at(7100.0) >= 5, "before and long after");
    let low = (3600..4500)
        .step_by(10)
        .map(|s| at(f64::from(s)))
        .min()
        .unwrap();
    assert!(low <= 2, "nearly all were gone for a while: {low}");
}

/// The zone that is bought from runs dry at the peak: another group's nodes take the pods.
#[test]
fn a_zone_out_of_capacity_at_the_peak_is_gone_round() {
    let load = service("{at: 5m, requestsPerSecond: 2}, {at: 1h, requestsPerSecond: 12}");
    let dry = "faults: {capacity: [{zone: zone-a, from: 50m, to: 3h, available: 2}]}\n";
    let result = checked(
        &[
            &cluster(ON_DEMAND, 0),
            &scaled(12, 300),
            &simulation("2h30m", &format!("{load}{dry}")),
        ],
        1,
    );
    assert!(result.totals.launches_failed > 0, "there was no capacity");
    let four = result.series.nodes["four"].iter().max().unwrap();
    assert!(*four >= 1, "the other zone was used");
    assert!(
        *result.series.ready["chat"].last().unwrap() >= 6,
        "and the load is served"
    );
}

/// Everything at once, for the properties.
fn busy() -> [String; 3] {
    let both = "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand, spot]}";
    let rest = "nodes: {scriptFails: 100, breaks: 100, reclaimed: 300, withoutNotice: 300, troubleWithin: 1h}
faults: {spotStorms: [{at: 70m, perThousand: 500}], capacity: [{capacityType: spot, from: 40m, to: 80m, available: 3}]}
jobs:
- {name: train, template: train, gang: true, readyTimeout: 8m, checkpointEvery: 5m, arrivals: [{at: 12m, pods: 3, runs: 25m}, {at: 30m, pods: 2, runs: 10m}]}
services:
- workload: {name: chat}
  replica: {concurrency: 4, baseSeconds: 2}
  queueLimit: 400
  metrics: [{name: queue, reads: outstanding}]
  load: {generate: {low: 1, high: 9, peakAt: 1h, burstsPerDay: 40, burstFactor: 2, burstLength: 3m}}
";
    [cluster(both, 1), scaled(12, 120), simulation("2h30m", rest)]
}

fn busy_world(seed: u64) -> World {
    let documents = busy();
    world(&[&documents[0], &documents[1], &documents[2]], seed)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let run = |seed| serde_json::to_string(&busy_world(seed).run()).unwrap();
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn a_run_that_was_stored_at_any_point_goes_on_as_if_it_had_not() {
    let whole = serde_json::to_string(&busy_world(3).run()).unwrap();
    let steps = {
        let mut world = busy_world(3);
        while world.step() {}
        world.events()
    };
    let mut rng = Rng::new(11);
    for _ in 0..6 {
        let mut world = busy_world(3);
        for _ in 0..rng.below(steps) {
            world.step();
        }
        let saved = world.save();
        let again = World::resume(&saved).unwrap();
        assert_eq!(again.save(), saved, "what is read is what was stored");
        assert_eq!(serde_json::to_string(&again.run()).unwrap(), whole);
    }
}

#[test]
fn the_books_balance_at_every_event_whatever_goes_wrong() {
    for seed in 0..6 {
        let result =
            run_checked(busy_world(seed)).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        assert!(
            result.totals.evictions > 0 && result.totals.requests_arrived > 10_000,
            "seed {seed} was dull"
        );
    }
}

/// The facts of a run with the time of each.
fn facts(seed: u64) -> (World, Vec<(tetrapod::base::time::Timestamp, Fact)>) {
    let fresh = world(
        &[
            &busy()[0].replace("replicas: 1", "replicas: 0"),
            &busy()[1],
            &busy()[2],
        ],
        seed,
    );
    let mut world = world(
        &[
            &busy()[0].replace("replicas: 1", "replicas: 0"),
            &busy()[1],
            &busy()[2],
        ],
        seed,
    );
    world.tell_facts();
    let mut all = Vec::new();
    while world.step() {
        let now = world.now();
        all.extend(world.take_facts().into_iter().map(|fact| (now, fact)));
    }
    (fresh, all)
}

/// What an observer says of a list of facts, with the balance that an honest one comes to at the end.
fn judged(fresh: &World, facts: &[(tetrapod::base::time::Timestamp, Fact)]) -> Result<(), String> {
    let mut observer = Observer::new(fresh);
    for (at, fact) in facts {
        observer
            .hear(fact, *at)
            .map_err(|broken| broken.to_string())?;
    }
    Ok(())
}

/// A fault of every sort is planted in what an honest run told, and each is found by the facts alone.
#[test]
fn the_observer_finds_planted_faults() {
    let (fresh, honest) = facts(5);
    judged(&fresh, &honest).unwrap();
    let place =
        |wanted: &dyn Fn(&Fact) -> bool| honest.iter().position(|(_, fact)| wanted(fact)).unwrap();
    let bound = place(&|fact| matches!(fact, Fact::PodBound { .. }));
    let ready = place(&|fact| matches!(fact, Fact::NodeReady { .. }));
    let served = place(&|fact| matches!(fact, Fact::Queue { served, .. } if *served > 0));
    let gone = place(&|fact| matches!(fact, Fact::PodGone { .. }));
    let ends = place(&|fact| matches!(fact, Fact::BillEnds { .. }));
    let created = place(&|fact| matches!(fact, Fact::PodCreated { .. }));
    let removed = place(&|fact| matches!(fact, Fact::NodeGone { .. }));
    type Edit<'e> = Box<dyn Fn(&mut Vec<(tetrapod::base::time::Timestamp, Fact)>) + 'e>;
    let edits: Vec<(&str, Edit<'_>)> = vec![
        (
            "a node was never ready",
            Box::new(|facts| drop(facts.remove(ready))),
        ),
        (
            "a pod was bound twice",
            Box::new(|facts| facts.insert(bound, facts[bound].clone())),
        ),
        (
            "a pod was never made",
            Box::new(|facts| drop(facts.remove(created))),
        ),
        (
            "a pod was made twice",
            Box::new(|facts| facts.insert(created, facts[created].clone())),
        ),
        (
            "a pod ended twice",
            Box::new(|facts| facts.insert(gone, facts[gone].clone())),
        ),
        (
            "an instance was billed to two ends",
            Box::new(|facts| facts.insert(ends, facts[ends].clone())),
        ),
        (
            "a node went twice",
            Box::new(|facts| facts.insert(removed, facts[removed].clone())),
        ),
        (
            "a request was lost",
            Box::new(|facts| {
                if let (_, Fact::Queue { served, .. }) = &mut facts[served] {
                    *served -= 1;
                }
            }),
        ),
        (
            "an effect came before its cause",
            Box::new(|facts| facts.swap(ready, bound)),
        ),
        (
            "time went back",
            Box::new(|facts| {
                let later = facts.len() - 1;
                facts[later].0 = facts[0].0;
            }),
        ),
    ];
    for (what, edit) in edits {
        let mut facts = honest.clone();
        edit(&mut facts);
        assert!(
            judged(&fresh, &facts).is_err(),
            "nobody noticed that {what}"
        );
    }
}

/// Faults that the facts alone do not show are found when the books are compared with the world's own.
#[test]
fn the_observer_finds_books_that_differ() {
    let mut world = busy_world(2);
    let mut observer = Observer::new(&world);
    world.tell_facts();
    // The pod that the world began with is kept from the observer.
    drop(world.take_facts());
    assert!(check(&mut observer, &mut world).is_err());

    let documents = busy();
    let quiet = [
        documents[0].replace("replicas: 1", "replicas: 0"),
        documents[1].clone(),
        documents[2].clone(),
    ];
    let mut world = self::world(&[&quiet[0], &quiet[1], &quiet[2]], 2);
    let mut observer = Observer::new(&world);
    world.tell_facts();
    world.run_until(world.start().plus(Span::from_secs(3000)));
    check(&mut observer, &mut world).unwrap_err();
    // Facts of many events at once bear the wrong time, so the money is wrong; step by step it is right.
    let mut world = self::world(&[&quiet[0], &quiet[1], &quiet[2]], 2);
    let mut observer = Observer::new(&world);
    world.tell_facts();
    for _ in 0..3000 {
        world.step();
        check(&mut observer, &mut world).unwrap();
    }
    let mut balance = world.balance();
    balance.cost += 1;
    assert!(
        observer.settle(&balance, world.now()).is_err(),
        "a cent of a cent"
    );
    let mut balance = world.balance();
    balance.pods[0] += 1;
    assert!(observer.settle(&balance, world.now()).is_err());
}

#[test]
fn what_is_wrong_with_a_simulation_is_said_all_at_once() {
    let mut reader = Reader::new();
    let text = simulation(
        "1h",
        "nonsense: 1\nslo: soon\nservices: [{workload: {name: chat}, load: {points: [], trace: x}}]\npolicies: [{name: a, consolidation: never}, {name: a}]\n",
    );
    reader.read("sim.yaml", text.as_bytes());
    let error = reader.finish().unwrap_err().to_string();
    for part in [
        "nonsense: found an unknown field",
        "slo: found",
        "exactly one of trace",
        "replica: found",
        "consolidation: found",
        "policies[1].name",
    ] {
        assert!(error.contains(part), "{part} is missing from\n{error}");
    }
    let input = read(&[&simulation(
        "1h",
        "services: [{workload: {name: absent}}]\n",
    )]);
    let policy = tetrapod::model::simulation::SimPolicy::new("p");
    let error = Setup::new(
        &input.snapshot,
        &input.simulations[0],
        &policy,
        BTreeMap::new(),
        0,
    )
    .unwrap_err();
    assert_eq!(error.faults.len(), 2, "{error}");
}
