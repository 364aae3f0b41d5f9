//! A small cluster for tests of the provisioning machine: groups named by letters, a pilot, and what to read off it.

#![allow(dead_code, reason = "not every test binary needs all of it")]

use serde_json::{Value, json};
use tetrapod::Snapshot;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::resources::Name;
use tetrapod::plan::PlannedClaim;
use tetrapod::provisioning::config::{ClassConfig, Config, GroupConfig, PoolConfig};
use tetrapod::provisioning::node::Phase;
use tetrapod::provisioning::output::Notice;
use tetrapod::provisioning::{Machine, Output};
use tetrapod::sim::hyperpod::{Fake, FakeGroup, Weather};
use tetrapod::sim::pilot::Pilot;

pub(crate) const TYPE: &str = "ml.c5.4xlarge";
pub(crate) const PRICE: &str = "0.816";

pub(crate) fn name(text: &str) -> Name {
    Name::from(text)
}

pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn minutes(count: i64) -> Span {
    Span::from_secs(count * 60)
}

/// A group for each letter: one zone of that letter; capital letters buy spot.
pub(crate) fn groups(letters: &str) -> Vec<FakeGroup> {
    let group = |letter: char| {
        let capacity_type = if letter.is_uppercase() {
            CapacityType::Spot
        } else {
            CapacityType::OnDemand
        };
        FakeGroup::new(
            format!("group-{letter}"),
            vec![zone(letter)],
            vec![name(TYPE)],
            capacity_type,
        )
    };
    letters.chars().map(group).collect()
}

pub(crate) fn zone(letter: char) -> Name {
    Name::from(format!("us-east-1{}", letter.to_lowercase()))
}

pub(crate) fn config(letters: &str) -> Config {
    let mut config = Config::default();
    config.cluster_name = name("fake");
    config.groups = groups(letters)
        .into_iter()
        .map(|g| GroupConfig::new(g.name, g.zones, g.instance_types))
        .collect();
    let all = config.groups.iter().map(|g| Name::clone(&g.name)).collect();
    config.classes = vec![ClassConfig::new("class", all)];
    config.pools = vec![PoolConfig::new("pool", "class")];
    config.types.insert(
        name(TYPE),
        [("cpu", "16".parse().unwrap())].into_iter().collect(),
    );
    config
}

pub(crate) fn pilot(letters: &str) -> Pilot {
    pilot_with(letters, config(letters), Weather::default())
}

pub(crate) fn pilot_with(letters: &str, config: Config, weather: Weather) -> Pilot {
    let mut fake = Fake::new(1, groups(letters), weather, start());
    for capacity_type in [CapacityType::OnDemand, CapacityType::Spot] {
        fake.set_price(&name(TYPE), capacity_type, PRICE.parse().unwrap());
    }
    Pilot::new(Machine::new(1, config, start()), fake)
}

/// A claim for `pods` that tries the groups of `letters` in order.
pub(crate) fn claim(letters: &str, pods: &[&str]) -> PlannedClaim {
    let offering = |letter: char| {
        let spot = letter.is_uppercase();
        json!({"instanceType": TYPE, "zone": zone(letter), "price": PRICE.parse::<f64>().unwrap(),
            "capacityType": if spot { "spot" } else { "on-demand" }, "instanceGroup": format!("group-{letter}")})
    };
    let offerings: Vec<_> = letters.chars().map(offering).collect();
    serde_json::from_value(
        json!({"nodePool": "pool", "pods": pods, "instanceTypes": [TYPE], "zones": [],
        "capacityTypes": [], "cheapest": offerings[0], "fallbacks": offerings[1..]}),
    )
    .unwrap()
}

/// A cluster of two groups without nodes, and a pod that waits.
pub(crate) fn sample() -> Snapshot {
    let groups = [("cpu-a", TYPE, "a", ""), ("cpu-b", TYPE, "b", "")];
    cluster_of(&groups, &json!({"cpu": "10"}), &json!({}))
}

/// A cluster of `groups` (name, type, letter of the zone, MIG profile if any) without nodes, and a pod that waits with
/// `requests` and `selector`.
pub(crate) fn cluster_of(
    groups: &[(&str, &str, &str, &str)],
    requests: &Value,
    selector: &Value,
) -> Snapshot {
    let names: Vec<&str> = groups.iter().map(|(name, ..)| *name).collect();
    let records: Vec<_> = groups
        .iter()
        .map(|(name, instance_type, ..)| {
            json!({"InstanceGroupName": name, "Status": "InService", "InstanceType": instance_type,
                "CurrentCount": 0, "TargetCount": 0})
        })
        .collect();
    let statuses: Vec<_> = groups
        .iter()
        .map(|(name, instance_type, zone, mig)| {
            let labels = if mig.is_empty() {
                json!({})
            } else {
                json!({"nvidia.com/mig.config": mig})
            };
            json!({"name": name, "instanceTypes": [instance_type], "desiredLabels": labels,
                "subnets": [{"id": format!("subnet-{zone}"), "zone": format!("us-east-1{zone}")}]})
        })
        .collect();
    let objects = [
        json!({"ClusterName": "ml", "ClusterStatus": "InService", "ClusterArn": "arn:aws:sagemaker:us-east-1:1:cluster/ml",
            "AutoScaling": {"Mode": "Enable", "AutoScalerType": "Karpenter", "Status": "InService"},
            "NodeProvisioningMode": "Continuous", "NodeRecovery": "Automatic", "ClusterRole": "arn:aws:iam::1:role/r",
            "Orchestrator": {"Eks": {"ClusterArn": "arn:aws:eks:us-east-1:1:cluster/ml"}}, "InstanceGroups": records}),
        json!({"apiVersion": "karpenter.sagemaker.amazonaws.com/v1", "kind": "HyperpodNodeClass",
            "metadata": {"name": "class"}, "spec": {"instanceGroups": names},
            "status": {"instanceGroups": statuses}}),
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "pool"}, "spec": {"template":
            {"spec": {"nodeClassRef": {"group": "karpenter.sagemaker.amazonaws.com", "kind": "HyperpodNodeClass",
            "name": "class"}}}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec":
            {"nodeSelector": selector, "containers": [{"name": "c", "resources": {"requests": requests,
            "limits": requests}}]}}),
    ];
    read(&objects)
}

fn read(objects: &[Value]) -> Snapshot {
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    tetrapod::manifest::snapshot_from_str(&text.join("\n")).unwrap()
}

/// The sample, its pod with a volume in the zone of `letter`.
pub(crate) fn with_volume_in(sample: &Snapshot, letter: char) -> Snapshot {
    let more = read(&[
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": {
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}, "claimRef": {"namespace": "shop", "name": "data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone(letter)]}]}]}}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": "shop", "name": "data",
            "annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "disk", "storageClassName": "gp3"}, "status": {"phase": "Bound"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"containers":
            [{"name": "c", "resources": {"requests": {"cpu": "10"}}}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}),
    ]);
    let mut snapshot = sample.clone();
    snapshot.pods = more.pods;
    snapshot.volumes = more.volumes;
    snapshot.volume_claims = more.volume_claims;
    snapshot
}

/// The sample with `count` pods that must spread over zones.
pub(crate) fn spread_over_zones(sample: &Snapshot, count: usize) -> Snapshot {
    let pods: Vec<Value> = (0..count)
        .map(|n| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("web-{n}"), "namespace": "shop",
                "labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}],
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}]}})
        })
        .collect();
    let mut with = sample.clone();
    with.pods = read(&pods).pods;
    with
}

/// The sample with running nodes instead of pods that wait: two in zone a, each with a pod of a DaemonSet and one of `owner`
/// if any, each asking for one core.
pub(crate) fn running(owner: Option<&str>) -> Snapshot {
    let mut snapshot = sample();
    snapshot.pods.clear();
    let now = "2026-01-01T12:00:00Z";
    let mut objects = Vec::new();
    for n in 0..2 {
        let (node, id) = (
            format!("hyperpod-i-{n}"),
            format!("aws:///use1-az1/sagemaker/i-{n}"),
        );
        let labels = json!({"karpenter.sh/nodepool": "pool", "node.kubernetes.io/instance-type": TYPE,
            "topology.kubernetes.io/zone": "us-east-1a", "karpenter.sh/capacity-type": "on-demand",
            "karpenter.sh/registered": "true", "karpenter.sh/initialized": "true",
            "sagemaker.amazonaws.com/instance-group-name": "cpu-a"});
        let size = json!({"cpu": "16", "memory": "32Gi", "pods": "58"});
        let condition =
            |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        objects.push(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels},
            "spec": {"providerID": id}, "status": {"capacity": size, "allocatable": size,
            "conditions": [condition("Ready")]}}),
        );
        objects.push(json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": format!("pool-{n}"), "labels": labels},
            "spec": {"nodeClassRef": {"group": "karpenter.sagemaker.amazonaws.com", "kind": "HyperpodNodeClass",
            "name": "class"}}, "status": {"nodeName": node, "providerID": id,
            "conditions": [condition("Initialized"), condition("Consolidatable")]}}));
        for kind in ["DaemonSet"].into_iter().chain(owner) {
            objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop",
                "name": format!("{kind}-{n}").to_lowercase(), "ownerReferences": [{"apiVersion": "apps/v1",
                "kind": kind, "name": "o", "uid": "u", "controller": true}]}, "spec": {"nodeName": node, "containers":
                [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}, "status": {"phase": "Running"}}));
        }
    }
    let more = read(&objects);
    snapshot.nodes = more.nodes;
    snapshot.node_claims = more.node_claims;
    snapshot.pods = more.pods;
    snapshot.options.now = Some(now.parse().unwrap());
    snapshot
}

pub(crate) fn dry(pilot: &mut Pilot, letter: char, from: Timestamp, until: Timestamp) {
    let capacity_type = if letter.is_uppercase() {
        CapacityType::Spot
    } else {
        CapacityType::OnDemand
    };
    // Before the first step there is no limit.
    let steps = vec![(from, 0), (until, u32::MAX)];
    pilot
        .fake
        .set_capacity(&name(TYPE), &zone(letter), capacity_type, steps);
}

pub(crate) fn ready(pilot: &Pilot) -> usize {
    pilot
        .machine
        .nodes()
        .filter(|n| n.phase == Phase::Initialized)
        .count()
}

pub(crate) fn adds(pilot: &Pilot) -> Vec<(Timestamp, String, Name)> {
    let add = |(at, output): &(Timestamp, Output)| match output {
        Output::Add { request, .. } => Some((
            *at,
            request.body.nodes_to_add[0].instance_group_name.to_string(),
            Name::clone(&request.client_token),
        )),
        _ => None,
    };
    pilot.trace.iter().filter_map(add).collect()
}

pub(crate) fn deletes(pilot: &Pilot) -> usize {
    let is_delete = |(_, output): &&(Timestamp, Output)| matches!(output, Output::Delete { .. });
    pilot.trace.iter().filter(is_delete).count()
}

pub(crate) fn notices<'a>(pilot: &'a Pilot, reason: &'a str) -> impl Iterator<Item = &'a Notice> {
    pilot
        .trace
        .iter()
        .filter_map(move |(_, output)| match output {
            Output::Notice(notice) if notice.reason == reason => Some(notice),
            _ => None,
        })
}
