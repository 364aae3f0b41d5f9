//! Manifests in short, and plans in short.

use serde_json::{Value, json};
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::scheduler::schedule;
use tetrapod::verify::verify;

pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
pub(crate) const TYPE: &str = "node.kubernetes.io/instance-type";

/// A pool with the node class of its name.
pub(crate) fn pool(name: &str, more: Value) -> Value {
    let mut pool = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name},
        "spec": {"template": {"spec": {"requirements": [], "nodeClassRef": {
            "group": "karpenter.sagemaker.amazonaws.com", "kind": "HyperpodNodeClass",
            "name": "default"}}}}});
    merge(&mut pool["spec"], more);
    pool
}

/// The types of the node class `default`: name, CPU and price, sold on demand in the zones z1 and z2; 16 Gi and 110 pods.
pub(crate) fn types(all: &[(&str, u32, f64)]) -> Value {
    let types: Vec<Value> = all
        .iter()
        .map(|(name, cpu, price)| {
            json!({"name": name,
                   "capacity": {"cpu": cpu.to_string(), "memory": "64Gi", "pods": "110"},
                   "offerings": [
                {"zone": "z1", "capacityType": "on-demand", "price": price, "available": true},
                {"zone": "z2", "capacityType": "on-demand", "price": price, "available": true}]})
        })
        .collect();
    json!({"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes",
           "metadata": {"name": "default"}, "instanceTypes": types})
}

/// A pod that asks for so much CPU; `more` goes into its specification.
pub(crate) fn pod(name: &str, cpu: &str, more: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i",
                                 "resources": {"requests": {"cpu": cpu}}}]}});
    merge(&mut pod["spec"], more);
    pod
}

/// A node without a NodeClaim, in zone z1.
pub(crate) fn node(name: &str, cpu: &str, labels: Value) -> Value {
    let size = json!({"cpu": cpu, "memory": "64Gi", "pods": "110"});
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {ZONE: "z1"}},
        "spec": {}, "status": {"capacity": size, "allocatable": size}});
    merge(&mut node["metadata"]["labels"], labels);
    node
}

/// Adds `more` to an object, deeply.
pub(crate) fn merge(object: &mut Value, more: Value) {
    match (object, more) {
        (Value::Object(held), Value::Object(more)) => {
            for (key, value) in more {
                merge(held.entry(key).or_insert(Value::Null), value);
            }
        }
        (held, more) => *held = more,
    }
}

/// `object` with `more` in it.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    merge(&mut object, more);
    object
}

pub(crate) fn snapshot(items: Vec<Value>) -> Snapshot {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    manifest::snapshot_from_str(&list.to_string()).unwrap()
}

/// The plan for `items`, which the checker must accept.
pub(crate) fn plan(items: Vec<Value>) -> Plan {
    plan_of(&snapshot(items))
}

pub(crate) fn plan_of(snapshot: &Snapshot) -> Plan {
    let plan = schedule(snapshot);
    let verdict = verify(snapshot, &plan);
    assert!(verdict.valid, "{:#?}\n{plan:#?}", verdict.violations);
    plan
}

/// `type: pods` or `node: pods`, sorted.
pub(crate) fn shape(plan: &Plan) -> Vec<String> {
    let bare = |pods: &[tetrapod::model::resources::Name]| {
        let mut pods: Vec<&str> = pods.iter().map(|p| p.rsplit('/').next().unwrap()).collect();
        pods.sort_unstable();
        pods.join(" ")
    };
    let new = plan
        .new_node_claims
        .iter()
        .map(|c| format!("{}: {}", c.cheapest.instance_type, bare(&c.pods)));
    let old = plan
        .existing_nodes
        .iter()
        .map(|e| format!("{}: {}", e.node, bare(&e.pods)));
    let mut all: Vec<String> = new.chain(old).collect();
    all.sort();
    all
}

/// Pods that stay pending with their code.
pub(crate) fn pending(plan: &Plan) -> Vec<String> {
    plan.unschedulable
        .iter()
        .map(|u| format!("{} {}", u.pod.rsplit('/').next().unwrap(), u.code))
        .collect()
}
