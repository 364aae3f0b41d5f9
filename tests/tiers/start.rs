//! A run that starts from a cluster with nodes and pods.

#![cfg(all(feature = "sim", feature = "yaml"))]

use std::collections::BTreeMap;

use tetrapod::manifest::Reader;
use tetrapod::sim::world::conserve::{Fact, run_checked};
use tetrapod::sim::world::{Setup, SetupError, World};

use crate::sweep_world::WORLD;

/// A node of the pool with the time it was created at.
fn node(name: &str, created: &str) -> String {
    format!(
        r#"
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {{name: gpu-{name}, creationTimestamp: "{created}", labels: {{karpenter.sh/nodepool: gpu}}}}
spec: {{nodeClassRef: {{group: karpenter.sagemaker.amazonaws.com, kind: HyperpodNodeClass, name: main}}}}
status:
  nodeName: {name}
  providerID: aws:///{name}
  capacity: {{cpu: "8", memory: 32Gi, pods: "58", nvidia.com/gpu: "1"}}
  allocatable: {{cpu: "7", memory: 28Gi, pods: "58", nvidia.com/gpu: "1"}}
  conditions:
  - {{type: Launched, status: "True", lastTransitionTime: "{created}"}}
  - {{type: Registered, status: "True", lastTransitionTime: "{created}"}}
  - {{type: Initialized, status: "True", lastTransitionTime: "{created}"}}
---
apiVersion: v1
kind: Node
metadata:
  name: {name}
  creationTimestamp: "{created}"
  labels:
    karpenter.sh/nodepool: gpu
    karpenter.sh/registered: "true"
    karpenter.sh/initialized: "true"
    karpenter.sh/capacity-type: on-demand
    node.kubernetes.io/instance-type: ml.g5.2xlarge
    topology.kubernetes.io/zone: us-west-2a
    sagemaker.amazonaws.com/instance-group-name: one
spec: {{providerID: "aws:///{name}"}}
status:
  capacity: {{cpu: "8", memory: 32Gi, pods: "58", nvidia.com/gpu: "1"}}
  allocatable: {{cpu: "7", memory: 28Gi, pods: "58", nvidia.com/gpu: "1"}}
  conditions: [{{type: Ready, status: "True"}}]
"#
    )
}

/// A pod of `owner`, on a node or waiting.
fn pod(name: &str, owner: &str, on: &str, cpu: &str) -> String {
    let (bound, phase) = if on.is_empty() {
        (String::new(), "Pending")
    } else {
        (format!("nodeName: {on}, "), "Running")
    };
    let owners = if owner.is_empty() {
        String::new()
    } else {
        format!(
            ", ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {owner}, uid: u, controller: true}}]"
        )
    };
    let gpu = if owner.starts_with("chat") {
        ", nvidia.com/gpu: \"1\""
    } else {
        ""
    };
    format!(
        r#"
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default, creationTimestamp: "2026-01-04T12:00:00Z"{owners}}}
spec: {{{bound}containers: [{{name: server, resources: {{requests: {{cpu: "{cpu}", memory: 1Gi{gpu}}}}}}}]}}
status: {{phase: {phase}}}
"#
    )
}

fn setup(documents: &str, seed: u64) -> Result<Setup, SetupError> {
    let mut reader = Reader::new();
    reader.read("test", documents.as_bytes());
    let input = reader.finish().unwrap();
    let policy = input.simulations[0].policies[0].clone();
    Setup::new(
        &input.snapshot,
        &input.simulations[0],
        &policy,
        BTreeMap::new(),
        seed,
    )
}

fn quiet() -> String {
    let world = WORLD.replace("load: {trace: load.csv}", "load: {points: []}");
    world.replace(
        "nodes: {scriptFails: 200, breaks: 300, troubleWithin: 10m}\n",
        "",
    )
}

const OLD: &str = "2026-01-04T12:00:00Z";

#[test]
fn nodes_and_pods_of_the_snapshot_are_there_from_the_first_moment_and_cost_from_then_on() {
    let world = quiet()
        .replace("replicas: 0", "replicas: 2")
        .replace("minReplicaCount: 0", "minReplicaCount: 2");
    let documents = [
        world,
        node("a", OLD),
        node("b", OLD),
        pod("chat-5d-1", "chat-5d", "a", "4"),
        pod("chat-5d-2", "chat-5d", "b", "4"),
    ]
    .concat();
    let mut world = World::new(setup(&documents, 0).unwrap());
    world.tell_facts();
    let facts = world.take_facts();
    let count = |is: fn(&Fact) -> bool| facts.iter().filter(|fact| is(fact)).count();
    assert_eq!(count(|f| matches!(f, Fact::BillStarts { .. })), 2);
    assert_eq!(count(|f| matches!(f, Fact::NodeReady { .. })), 2);
    assert_eq!(count(|f| matches!(f, Fact::PodReady { .. })), 2);
    let result = run_checked(World::new(setup(&documents, 0).unwrap()))
        .unwrap_or_else(|broken| panic!("{broken}"));
    let totals = &result.totals;
    assert_eq!((totals.nodes_launched, totals.nodes_removed), (0, 0));
    assert_eq!((totals.pods_created, totals.evictions), (0, 0));
    // Half an hour of two ml.g5.2xlarge at their list price, to the last digit.
    assert!(
        (totals.node_hours - 1.0).abs() < 1e-9,
        "{}",
        totals.node_hours
    );
    let price = tetrapod::hyperpod::catalog::find("ml.g5.2xlarge")
        .and_then(|facts| facts.price())
        .unwrap();
    assert_eq!(totals.cost, price);
    assert_eq!(
        totals.cost_by_workload.len(),
        1,
        "{:?}",
        totals.cost_by_workload
    );
    assert_eq!(result.series.ready["chat"][0], 2);
    assert!(
        result
            .packings
            .iter()
            .any(|p| p.nodes.iter().any(|n| &*n.name == "a"))
    );
}

#[test]
fn what_nobody_needs_goes_and_what_waits_is_bought_for() {
    let documents = [
        quiet(),
        node("a", OLD),
        node("b", OLD),
        // A service that wants no replicas, a pod of another ReplicaSet, and one of a third that waits.
        pod("chat-5d-1", "chat-5d", "a", "4"),
        pod("web-1", "web-7c", "b", "3"),
        pod("solo-1", "solo-9d", "", "4"),
    ]
    .concat();
    let result = run_checked(World::new(setup(&documents, 1).unwrap()))
        .unwrap_or_else(|broken| panic!("{broken}"));
    let totals = &result.totals;
    assert_eq!(totals.pods_finished, 1, "the replica that nobody wants");
    assert_eq!(
        totals.pending_seconds.count - totals.evictions,
        1,
        "the pod that waited"
    );
    // Both pods that are left fit one node.
    assert_eq!(totals.nodes_removed, 1, "{:?}", result.events);
}

#[test]
fn an_evicted_pod_comes_back_if_somebody_owns_it() {
    let storm = quiet()
        .replace("values: [on-demand]", "values: [on-demand, spot]")
        .replace("- {name: economic}\n", "");
    let spot = node("a", OLD)
        .replace("capacity-type: on-demand", "capacity-type: spot")
        .replace("instance-group-name: one", "instance-group-name: spare");
    let world = storm
        .replace("instanceGroups: [one]", "instanceGroups: [one, spare]")
        .replace(
            "  - {name: one,",
            "  - {name: spare, instanceTypes: [ml.g5.2xlarge], capacities: {Spot: {}}, subnets: [{id: subnet-a, zone: us-west-2a}]}\n  - {name: one,",
        )
        .replace("policies:", "faults: {spotStorms: [{at: 5m, perThousand: 1000}]}\npolicies:");
    let prices = "\n---\napiVersion: tetrapod/v1alpha1\nkind: Options\nprices: {ml.g5.2xlarge: {spot: 0.6}}\n";
    let documents = [
        world,
        prices.to_owned(),
        spot,
        pod("web-1", "web-7c", "a", "2"),
        pod("alone", "", "a", "1"),
    ]
    .concat();
    let result = run_checked(World::new(setup(&documents, 2).unwrap()))
        .unwrap_or_else(|broken| panic!("{broken}"));
    let totals = &result.totals;
    assert_eq!(totals.spot_reclaims, 1);
    assert_eq!(totals.evictions, 2, "both lose their place");
    assert_eq!(totals.pods_created, 1, "one comes back");
    assert_eq!(totals.nodes_launched, 1, "and gets a node");
}

#[test]
fn a_run_from_a_cluster_is_stored_and_goes_on() {
    let documents = [
        quiet().replace(
            "load: {points: []}",
            "load: {points: [{at: 1m, requestsPerSecond: 4}]}",
        ),
        node("a", OLD),
        pod("chat-5d-1", "chat-5d", "a", "4"),
    ]
    .concat();
    let fresh = || World::new(setup(&documents, 3).unwrap());
    let whole = serde_json::to_string(&fresh().run()).unwrap();
    for steps in [0, 1, 40, 200] {
        let mut world = fresh();
        for _ in 0..steps {
            world.step();
        }
        let saved = world.save();
        let again = World::resume(&saved).unwrap();
        assert_eq!(again.save(), saved);
        assert_eq!(serde_json::to_string(&again.run()).unwrap(), whole);
    }
}

#[test]
fn a_node_that_the_pools_cannot_buy_is_a_fault() {
    let foreign = node("a", OLD).replace("ml.g5.2xlarge", "ml.p5.48xlarge");
    let error = setup(&[quiet(), foreign].concat(), 0)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Node a: ml.p5.48xlarge (on-demand) in \"us-west-2a\" of instance group \"one\" is nothing that NodePool \"gpu\""),
        "{error}"
    );
}
