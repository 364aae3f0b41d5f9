//! Attach limits and places of volumes (S-102..S-109, W-33, W-34).

use serde_json::{Value, json};

use super::notation::{TYPE, node, pending, plan, pod, pool, shape, types};

const EBS: &str = "ebs.csi.aws.com";

fn storage_class(more: Value) -> Value {
    let mut class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "ebs"},
        "provisioner": EBS, "volumeBindingMode": "WaitForFirstConsumer"});
    super::notation::merge(&mut class, more);
    class
}

fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
           "metadata": {"name": name, "namespace": "default"},
           "spec": {"storageClassName": "ebs", "accessModes": ["ReadWriteOnce"]}})
}

fn csi_node(name: &str, count: u32) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
           "spec": {"drivers": [{"name": EBS, "nodeID": "i", "allocatable": {"count": count}}]}})
}

fn mounts(claims: &[&str]) -> Value {
    let volumes: Vec<Value> = claims
        .iter()
        .map(|c| json!({"name": c, "persistentVolumeClaim": {"claimName": c}}))
        .collect();
    json!({"volumes": volumes})
}

fn on(node: &str, claims: &[&str]) -> Value {
    let mut spec = mounts(claims);
    spec["nodeName"] = json!(node);
    spec
}

/// S-107: what is attached counts against the limit of an existing node, and the message names the driver.
#[test]
fn attach_limits_of_existing_nodes_are_heeded() {
    let items = vec![
        storage_class(json!({})),
        node("n1", "8", json!({})),
        csi_node("n1", 2),
        claim("a"),
        claim("b"),
        claim("c"),
        pod("running", "1", on("n1", &["a"])),
        pod("p-b", "1", mounts(&["b"])),
        pod("p-c", "1", mounts(&["c"])),
        pod("plain", "1", json!({})),
    ];
    let plan = plan(items);
    assert_eq!(shape(&plan).len(), 1);
    assert_eq!(plan.existing_nodes[0].pods.len(), 2);
    assert_eq!(plan.unschedulable.len(), 1);
    let left = &plan.unschedulable[0];
    let nodes = left
        .reasons
        .iter()
        .find(|r| r.subject.starts_with("Node n1"))
        .unwrap();
    assert!(left.pod.starts_with("default/p-"), "{left:?}");
    assert_eq!(nodes.code.as_str(), "competition", "{nodes:?}");
}

/// S-107, S-138: a pod with more volumes than any node attaches is told so.
#[test]
fn too_many_volumes_for_any_node_is_a_volume_reason() {
    let items = vec![
        pool("default", json!({})),
        types(&[("small", 4, 1.0)]),
        storage_class(json!({})),
        node("n1", "8", json!({TYPE: "small"})),
        csi_node("n1", 1),
        claim("a"),
        claim("b"),
        pod("two", "1", mounts(&["a", "b"])),
    ];
    let plan = plan(items);
    assert_eq!(pending(&plan), ["two volume"]);
    let reason = &plan.unschedulable[0].reason;
    assert!(
        reason.contains("volumes that driver ebs.csi.aws.com can attach: 1 < 2"),
        "{reason}"
    );
}

/// S-107: a claim that several pods share counts once per node, also where it is attached already.
#[test]
fn a_shared_claim_counts_once_per_node() {
    let items = vec![
        storage_class(json!({})),
        node("n1", "8", json!({})),
        csi_node("n1", 1),
        claim("shared"),
        pod("a", "1", mounts(&["shared"])),
        pod("b", "2", mounts(&["shared"])),
    ];
    assert_eq!(shape(&plan(items)), ["n1: a b"]);

    let items = vec![
        storage_class(json!({})),
        node("n1", "8", json!({})),
        node("n2", "8", json!({})),
        csi_node("n1", 1),
        csi_node("n2", 1),
        claim("shared"),
        claim("other"),
        pod("running", "1", on("n1", &["shared"])),
        pod("blocker", "1", on("n2", &["other"])),
        pod("a", "1", mounts(&["shared"])),
    ];
    assert_eq!(shape(&plan(items)), ["n1: a"], "n2 has no place left");
}

/// W-33: 40 pods with one volume each fit one node by CPU, and nodes of that type attach 25: two nodes, not one.
#[test]
fn attach_limits_hold_for_new_nodes() {
    let mut items = vec![
        pool("default", json!({})),
        types(&[("big", 64, 1.0)]),
        storage_class(json!({})),
        node("full", "1", json!({TYPE: "big"})),
        csi_node("full", 25),
    ];
    for at in 0..40 {
        let name = format!("c{at}");
        items.push(claim(&name));
        items.push(pod(&format!("p{at}"), "1", mounts(&[name.as_str()])));
    }
    items.push(pod("filler", "1", json!({"nodeName": "full"})));
    let plan = plan(items);
    assert_eq!(plan.unschedulable, []);
    assert_eq!(plan.new_node_claims.len(), 2);
    assert!(plan.new_node_claims.iter().all(|c| c.pods.len() <= 25));
    assert!(
        plan.new_node_claims[0].requests.get("pods").is_some()
            && plan.new_node_claims[0].requests.len() == 2,
        "volumes are no resource of Kubernetes: {:?}",
        plan.new_node_claims[0].requests
    );
}

/// W-33: the limit may stand in the type's capacity, under either name.
#[test]
fn attach_limits_may_stand_in_the_capacity_of_a_type() {
    for name in [
        "attachable-volumes-csi-ebs.csi.aws.com",
        "attachable-volumes-aws-ebs",
    ] {
        let mut small = types(&[("small", 8, 1.0)]);
        small["instanceTypes"][0]["capacity"][name] = json!("2");
        let mut items = vec![pool("default", json!({})), small, storage_class(json!({}))];
        for at in 0..4 {
            let name = format!("c{at}");
            items.push(claim(&name));
            items.push(pod(&format!("p{at}"), "1", mounts(&[name.as_str()])));
        }
        let plan = plan(items);
        assert_eq!(plan.new_node_claims.len(), 2, "{name}");
    }
}

/// W-34: of a class that allows z1 or z2 the cheaper zone is taken, not the first.
#[test]
fn every_alternative_of_a_volume_is_looked_at() {
    let mut small = types(&[("small", 4, 2.0)]);
    small["instanceTypes"][0]["offerings"][1]["price"] = json!(1.0);
    let zones = |zone: &str| {
        json!({"matchLabelExpressions": [
            {"key": super::notation::ZONE, "values": [zone]}]})
    };
    let items = vec![
        pool("default", json!({})),
        small,
        storage_class(json!({"allowedTopologies": [zones("z1"), zones("z2")]})),
        claim("a"),
        pod("a", "1", mounts(&["a"])),
    ];
    let plan = plan(items);
    assert_eq!(plan.new_node_claims[0].cheapest.zone.as_ref(), "z2");
    assert_eq!(plan.totals.hourly_price.to_string(), "1");
}
