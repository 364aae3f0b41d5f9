//! Random demand: workloads, their pods, and DaemonSets.

use std::sync::Arc;

use super::supply::taint;
use super::{DEDICATED, Size, TEAM, TIER, ZONES, now, one_in, pick, up_to};
use crate::base::rng::Rng;
use crate::model::affinity::{
    Affinity, NodeSelectorTerm, PodAffinityTerm, PreferredNodeTerm, TopologySpreadConstraint,
    WeightedPodAffinityTerm, WhenUnsatisfiable,
};
use crate::model::cluster::Snapshot;
use crate::model::label::{self, Labels};
use crate::model::pod::{Container, HostPort, OwnerReference, Pod, PodPhase, PodSpec, Protocol};
use crate::model::policy::DaemonSet;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{CPU, MEMORY, NVIDIA_GPU, Name, ResourceList};
use crate::model::taint::{Taint, TaintEffect, Toleration, TolerationOperator};
use crate::model::volume::{
    ClaimPhase, PersistentVolume, PersistentVolumeClaim, PodVolume, StorageClass,
};
use crate::shapes::parts::{GIB, MIB, pod, selects};

/// Replicas of one specification.
pub(super) struct Workload {
    name: String,
    namespace: Name,
    labels: Arc<Labels>,
    owners: Arc<Vec<OwnerReference>>,
    pub(super) spec: Arc<PodSpec>,
    made: usize,
}

impl Workload {
    /// The next replica, pending.
    pub(super) fn next_pod(&mut self, number: usize) -> Pod {
        let name = format!("{}-{}", self.name, self.made);
        self.made += 1;
        let mut pod = pod(&self.namespace, name, number, &self.labels, &self.spec);
        pod.owners = Arc::clone(&self.owners);
        pod
    }
}

/// Some workloads, and into `snapshot` the volumes they mention.
pub(super) fn workloads(rng: &mut Rng, size: Size, snapshot: &mut Snapshot) -> Vec<Workload> {
    (0..up_to(rng, 1, 1 + size.pods / 4))
        .map(|at| {
            let name = format!("w{at:02}");
            let namespace = Name::from(pick(rng, &["default", "default", "ml"], "default"));
            let app = pick(rng, &["web", "db", "train"], "web");
            let mut spec = pod_spec(rng);
            if size.topology {
                topology(rng, &mut spec, app);
            }
            if size.volumes && one_in(rng, 5) {
                volume(rng, &mut spec, snapshot, &namespace, &name);
            }
            let owner = OwnerReference {
                api_version: Name::from("apps/v1"),
                kind: Name::from("ReplicaSet"),
                name: Name::from(name.as_str()),
                uid: Name::from(format!("rs-{at}")),
                controller: true,
            };
            Workload {
                labels: Arc::new(
                    [("app", app), ("workload", name.as_str())]
                        .into_iter()
                        .collect(),
                ),
                owners: Arc::new(if one_in(rng, 4) {
                    Vec::new()
                } else {
                    vec![owner]
                }),
                spec: Arc::new(spec),
                name,
                namespace,
                made: 0,
            }
        })
        .collect()
}

/// Pending pods of `workloads`, with a few among them that are not to be placed.
pub(super) fn pending(
    rng: &mut Rng,
    room: usize,
    snapshot: &mut Snapshot,
    workloads: &mut [Workload],
) {
    for _ in 0..up_to(rng, room / 2, room) {
        let at = up_to(rng, 0, workloads.len().saturating_sub(1));
        let Some(workload) = workloads.get_mut(at) else {
            return;
        };
        let mut pod = workload.next_pod(snapshot.pods.len());
        match rng.below(40) {
            0 => pod.deleted = Some(now()),
            1 => pod.phase = PodPhase::Succeeded,
            2 => {
                let mut gated = PodSpec::clone(&pod.spec);
                gated.scheduling_gates = vec![Name::from("example.com/wait")];
                pod.spec = Arc::new(gated);
            }
            3 => {
                pod.owners = Arc::new(vec![OwnerReference {
                    api_version: Name::from("apps/v1"),
                    kind: Name::from("DaemonSet"),
                    name: Name::from("agent"),
                    uid: Name::from("agent"),
                    controller: true,
                }]);
            }
            _ => {}
        }
        snapshot.pods.push(pod);
    }
}

fn requests(rng: &mut Rng) -> ResourceList {
    let mut list = ResourceList::new();
    let milli = pick(
        rng,
        &[0, 50, 100, 250, 500, 1_000, 1_900, 3_000, 7_000],
        100,
    );
    if milli > 0 {
        list.set(CPU, Quantity::from_milli(milli));
    }
    let mib = pick(rng, &[0, 64, 256, 512, 1_024, 3_000, 8_192], 256);
    if mib > 0 {
        list.set(MEMORY, Quantity::from_bytes(mib * MIB));
    }
    if one_in(rng, 6) {
        list.set(
            NVIDIA_GPU,
            Quantity::from_units(pick(rng, &[1, 1, 2, 4, 8], 1)),
        );
    }
    if one_in(rng, 60) {
        list.set("example.com/unheard-of", Quantity::from_units(1));
    }
    list
}

fn container(name: &str, requests: ResourceList) -> Container {
    Container {
        name: Name::from(name),
        requests,
        ..Container::default()
    }
}

fn pod_spec(rng: &mut Rng) -> PodSpec {
    let mut main = container("main", requests(rng));
    if one_in(rng, 8) {
        // A limit without a request counts as the request (M-4).
        main.limits.set(MEMORY, Quantity::from_bytes(512 * MIB));
        main.requests.remove(MEMORY);
    }
    if one_in(rng, 10) {
        main.host_ports = vec![host_port(rng)];
    }
    let mut spec = PodSpec {
        containers: vec![main],
        ..PodSpec::default()
    };
    if one_in(rng, 8) {
        spec.containers.push(container("side", requests(rng)));
    }
    if one_in(rng, 8) {
        let mut first = container("init", requests(rng));
        first.requests.remove(NVIDIA_GPU);
        spec.init_containers.push(first);
    }
    if one_in(rng, 8) {
        let mut sidecar = container("sidecar", ResourceList::new());
        sidecar.requests.set(CPU, Quantity::from_milli(100));
        sidecar.restart_always = true;
        spec.init_containers.push(sidecar);
    }
    if one_in(rng, 12) {
        spec.pod_requests.set(CPU, Quantity::from_milli(700));
    }
    if one_in(rng, 12) {
        spec.overhead.set(MEMORY, Quantity::from_bytes(64 * MIB));
    }
    spec.priority = pick(rng, &[0, 0, 0, 0, 100, 1_000, -10], 0);
    tolerations(rng, &mut spec);
    selectors(rng, &mut spec);
    spec
}

fn host_port(rng: &mut Rng) -> HostPort {
    let ip = pick(
        rng,
        &["0.0.0.0", "0.0.0.0", "10.0.0.1", "10.0.0.2"],
        "0.0.0.0",
    );
    let protocol = pick(
        rng,
        &[Protocol::Tcp, Protocol::Tcp, Protocol::Udp],
        Protocol::Tcp,
    );
    HostPort::new(ip, pick(rng, &[80, 80, 443], 80), protocol)
}

fn tolerations(rng: &mut Rng, spec: &mut PodSpec) {
    match rng.below(8) {
        0 => spec.tolerations.push(Toleration::everything()),
        1 => spec.tolerations.push(Toleration::exists(DEDICATED)),
        2 | 3 => {
            let Taint { key, value, .. } = taint(rng);
            spec.tolerations.push(Toleration {
                key: Some(key),
                operator: TolerationOperator::Equal,
                value,
                effect: one_in(rng, 2).then_some(TaintEffect::NoSchedule),
                toleration_seconds: None,
            });
        }
        _ => {}
    }
}

/// One requirement on a label that types, pools or nodes may define, and rarely on one that nothing defines.
fn expression(rng: &mut Rng) -> RequirementSpec {
    let spec = |key: &str, operator, values: &[&str]| {
        RequirementSpec::new(key, operator, values.iter().copied())
    };
    let zone = pick(rng, &ZONES, ZONES[0]);
    match rng.below(12) {
        0 | 1 => spec(label::ZONE, Operator::In, &[zone]),
        2 => spec(label::ZONE, Operator::In, &ZONES[1..]),
        3 => spec(label::ZONE, Operator::NotIn, &[zone]),
        4 => spec(label::CAPACITY_TYPE, Operator::In, &["spot"]),
        5 => spec(label::CAPACITY_TYPE, Operator::NotIn, &["spot"]),
        6 => spec(label::ARCH, Operator::In, &["amd64"]),
        7 => spec(TIER, Operator::In, &["gold", "silver"]),
        8 => spec(TIER, Operator::DoesNotExist, &[]),
        9 => spec(TEAM, Operator::In, &["red"]),
        10 => spec(label::INSTANCE_TYPE, Operator::In, &["type-00", "type-01"]),
        _ => spec("example.com/undefined", Operator::Exists, &[]),
    }
}

fn term(rng: &mut Rng) -> NodeSelectorTerm {
    let count = if one_in(rng, 3) { 2 } else { 1 };
    NodeSelectorTerm {
        match_expressions: (0..count).map(|_| expression(rng)).collect(),
        ..NodeSelectorTerm::default()
    }
}

fn selectors(rng: &mut Rng, spec: &mut PodSpec) {
    match rng.below(12) {
        0 => spec
            .node_selector
            .set(label::ZONE, pick(rng, &ZONES, ZONES[0])),
        1 => spec
            .node_selector
            .set(TEAM, pick(rng, &["red", "blue"], "red")),
        2 => spec.node_selector.set(label::CAPACITY_TYPE, "on-demand"),
        _ => {}
    }
    let terms = match rng.below(10) {
        0 => 1,
        1 => 2,
        2 => 3,
        _ => 0,
    };
    if terms > 0 {
        spec.affinity.node_required = Some((0..terms).map(|_| term(rng)).collect());
    }
    if one_in(rng, 8) {
        spec.affinity.node_preferred = vec![PreferredNodeTerm {
            weight: pick(rng, &[1, 10, 100], 1),
            preference: term(rng),
        }];
    }
}

fn affinity_term(rng: &mut Rng, own: &str) -> PodAffinityTerm {
    let app = if one_in(rng, 3) { "db" } else { own };
    let key = pick(
        rng,
        &[label::ZONE, label::HOSTNAME, label::CAPACITY_TYPE],
        label::ZONE,
    );
    PodAffinityTerm {
        label_selector: Some(selects("app", app)),
        topology_key: Name::from(key),
        ..PodAffinityTerm::default()
    }
}

fn topology(rng: &mut Rng, spec: &mut PodSpec, own: &str) {
    let Affinity {
        pod_required,
        anti_required,
        anti_preferred,
        ..
    } = &mut spec.affinity;
    match rng.below(10) {
        0 => pod_required.push(affinity_term(rng, own)),
        1 => anti_required.push(affinity_term(rng, own)),
        2 => anti_preferred.push(WeightedPodAffinityTerm {
            weight: pick(rng, &[1, 50], 1),
            pod_affinity_term: affinity_term(rng, own),
        }),
        3..6 => {
            let key = pick(
                rng,
                &[label::ZONE, label::ZONE, label::HOSTNAME],
                label::ZONE,
            );
            let skew = pick(rng, &[1, 1, 2, 5], 1);
            let mut spread = TopologySpreadConstraint::new(key, skew, selects("app", own));
            if one_in(rng, 4) {
                spread.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
            } else if one_in(rng, 5) {
                spread.min_domains = Some(2);
            }
            spec.topology_spread.push(spread);
        }
        _ => {}
    }
}

/// A claim of its own for the workload: bound to a zone, waiting for its first consumer, or missing.
fn volume(
    rng: &mut Rng,
    spec: &mut PodSpec,
    snapshot: &mut Snapshot,
    namespace: &Name,
    name: &str,
) {
    let claim = Name::from(format!("{name}-data"));
    spec.volumes.push(PodVolume::Claim(Name::clone(&claim)));
    let driver = Name::from("ebs.csi.aws.com");
    let mut entry = PersistentVolumeClaim {
        namespace: Name::clone(namespace),
        name: claim,
        storage_class_name: Some(Name::from("gp3")),
        access_modes: vec![Name::from("ReadWriteOnce")],
        ..PersistentVolumeClaim::default()
    };
    if snapshot.storage_classes.is_empty() {
        snapshot.storage_classes.push(StorageClass {
            name: Name::from("gp3"),
            provisioner: Name::clone(&driver),
            wait_for_first_consumer: true,
            allowed_topologies: Vec::new(),
        });
    }
    match rng.below(6) {
        0 => return,
        1..4 => {
            let zone = pick(rng, &ZONES, ZONES[0]);
            let volume = Name::from(format!("pv-{name}"));
            entry.phase = ClaimPhase::Bound;
            entry.volume_name = Some(Name::clone(&volume));
            snapshot.volumes.push(PersistentVolume {
                name: volume,
                node_affinity: Some(vec![NodeSelectorTerm {
                    match_expressions: vec![RequirementSpec::new(
                        label::ZONE,
                        Operator::In,
                        [zone],
                    )],
                    ..NodeSelectorTerm::default()
                }]),
                driver: Some(driver),
                ..PersistentVolume::default()
            });
        }
        _ => {}
    }
    snapshot.volume_claims.push(entry);
}

/// Up to three DaemonSets: everywhere, on tainted nodes too, or on some nodes only.
pub(super) fn daemon_sets(rng: &mut Rng) -> Vec<DaemonSet> {
    (0..up_to(rng, 0, 3))
        .map(|at| {
            let mut main = container("main", ResourceList::new());
            main.requests.set(
                CPU,
                Quantity::from_milli(pick(rng, &[0, 50, 200, 1_000], 50)),
            );
            main.requests.set(
                MEMORY,
                Quantity::from_bytes(pick(rng, &[0, GIB / 8, GIB], 0)),
            );
            if one_in(rng, 6) {
                main.host_ports = vec![host_port(rng)];
            }
            let mut spec = PodSpec {
                containers: vec![main],
                ..PodSpec::default()
            };
            match rng.below(5) {
                0 | 1 => spec.tolerations.push(Toleration::everything()),
                2 => spec.node_selector.set(label::ARCH, "amd64"),
                3 => spec.affinity.node_required = Some(vec![term(rng)]),
                _ => {}
            }
            DaemonSet {
                namespace: Name::from("kube-system"),
                name: Name::from(format!("daemon-{at}")),
                uid: Name::from(format!("ds-{at}")),
                template_labels: [("daemon", format!("daemon-{at}"))].into_iter().collect(),
                spec: Arc::new(spec),
            }
        })
        .collect()
}
