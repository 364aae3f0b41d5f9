//! Pods, read with every fault named.

use super::affinity::{affinity, spread, toleration};
use super::cursor::Cursor;
use super::meta::{labels, meta};
use crate::model::pod::{
    Container, HostPort, OwnerReference, Pod, PodPhase, PodSpec, PodStatusDetail, PreemptionPolicy,
    Protocol,
};
use crate::model::resources::{Name, ResourceList};
use crate::model::volume::PodVolume;

/// The fields of a pod's `spec` that [`pod_spec`] reads.
pub(super) const SPEC_FIELDS: [&str; 17] = [
    "affinity",
    "containers",
    "hostNetwork",
    "initContainers",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "resourceClaims",
    "resources",
    "schedulerName",
    "schedulingGates",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];

const PHASES: [(&str, PodPhase); 5] = [
    ("Pending", PodPhase::Pending),
    ("Running", PodPhase::Running),
    ("Succeeded", PodPhase::Succeeded),
    ("Failed", PodPhase::Failed),
    ("Unknown", PodPhase::Unknown),
];

/// Reads a `v1` Pod.
pub(super) fn pod(root: &Cursor<'_, '_>) -> Pod {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec_at = root.object("spec");
    spec_at.fault_if_absent("a pod specification");
    let spec = pod_spec(&spec_at);
    let status = root.object("status");
    let detail = detail(&status, &spec);
    let context = root.context();
    let labels_read = labels(&metadata.field("labels"));
    let annotations = labels(&metadata.field("annotations"));
    let owners = owners(&metadata.field("ownerReferences"));
    let node_name = spec_at.field("nodeName").filled();
    let phase = phase(&status.field("phase"));
    let mut pools = context.pools.borrow_mut();
    Pod {
        namespace: read.namespace,
        name: read.name,
        uid: read.uid,
        created: read.created,
        deleted: read.deleted,
        labels: pools.labels.share(labels_read),
        annotations: pools.labels.share(annotations),
        owners: pools.owners.share(owners),
        spec: pools.specs.share(spec),
        node_name,
        phase,
        detail,
    }
}

/// Reads `status.phase`; pending when absent.
pub(super) fn phase(at: &Cursor<'_, '_>) -> PodPhase {
    if at.value() == "" {
        return PodPhase::Pending;
    }
    at.choice(&PHASES).unwrap_or_default()
}

/// Reads `metadata.ownerReferences`.
pub(super) fn owners(list: &Cursor<'_, '_>) -> Vec<OwnerReference> {
    list.list(|item| {
        if !item.is_object() {
            item.fault_if_absent("an owner reference");
            return None;
        }
        Some(OwnerReference {
            api_version: item.field("apiVersion").name_or_empty(),
            kind: item.field("kind").required("the kind of the owner")?,
            name: item.field("name").required("the name of the owner")?,
            uid: item.field("uid").name_or_empty(),
            controller: item.field("controller").flag(),
        })
    })
}

/// Reads a pod's `spec`, less `nodeName`.
pub(super) fn pod_spec(at: &Cursor<'_, '_>) -> PodSpec {
    let host_network = at.field("hostNetwork").flag();
    let resources = at.object("resources");
    PodSpec {
        containers: at
            .field("containers")
            .list(|item| container(item, host_network)),
        init_containers: at
            .field("initContainers")
            .list(|item| container(item, host_network)),
        overhead: at.field("overhead").resources(),
        pod_requests: resources.field("requests").resources(),
        pod_limits: resources.field("limits").resources(),
        node_selector: labels(&at.field("nodeSelector")),
        affinity: affinity(&at.field("affinity")),
        tolerations: at.field("tolerations").list(toleration),
        topology_spread: at.field("topologySpreadConstraints").list(spread),
        volumes: at.field("volumes").list(volume),
        scheduling_gates: named(&at.field("schedulingGates"), "the name of the gate"),
        priority: at.field("priority").int32().unwrap_or(0),
        priority_class_name: at.field("priorityClassName").filled(),
        preemption_policy: at
            .field("preemptionPolicy")
            .choice(&[
                (
                    "PreemptLowerPriority",
                    PreemptionPolicy::PreemptLowerPriority,
                ),
                ("Never", PreemptionPolicy::Never),
            ])
            .unwrap_or_default(),
        scheduler_name: at.field("schedulerName").filled(),
        termination_grace_period_seconds: at
            .field("terminationGracePeriodSeconds")
            .integer(0..=i64::MAX),
        resource_claims: named(&at.field("resourceClaims"), "the name of the claim"),
    }
}

fn named(list: &Cursor<'_, '_>, what: &str) -> Vec<Name> {
    list.list(|item| {
        if !item.is_object() {
            item.fault_if_absent("an object with a name");
            return None;
        }
        item.field("name").required(what)
    })
}

fn container(item: &Cursor<'_, '_>, host_network: bool) -> Option<Container> {
    if !item.is_object() {
        item.fault_if_absent("a container");
        return None;
    }
    let resources = item.object("resources");
    let claims = resources.field("claims");
    Some(Container {
        name: item.field("name").name_or_empty(),
        requests: resources.field("requests").resources(),
        limits: resources.field("limits").resources(),
        host_ports: item
            .field("ports")
            .list(|port| host_port(port, host_network)),
        restart_always: item.field("restartPolicy").text() == Some("Always"),
        uses_claims: claims.items().next().is_some(),
    })
}

/// The host port of a container port, if it has one: with `hostNetwork` every container port is one.
fn host_port(item: &Cursor<'_, '_>, host_network: bool) -> Option<HostPort> {
    if !item.is_object() {
        item.fault_if_absent("a container port");
        return None;
    }
    let port = |field: &str| {
        item.field(field)
            .integer(0..=i64::from(u16::MAX))
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
    };
    let (host, own) = (port("hostPort"), port("containerPort"));
    let protocol = item.field("protocol").choice(&[
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("SCTP", Protocol::Sctp),
    ]);
    let ip = item.field("hostIP").filled();
    let port = host.or_else(|| own.filter(|_| host_network))?;
    Some(HostPort::new(
        ip.unwrap_or_else(|| item.context().name("0.0.0.0")),
        port,
        protocol.unwrap_or_default(),
    ))
}

fn volume(item: &Cursor<'_, '_>) -> Option<PodVolume> {
    if !item.is_object() {
        item.fault_if_absent("a volume");
        return None;
    }
    let claim = item.object("persistentVolumeClaim");
    if !claim.is_absent() {
        let name = claim.field("claimName").required("the name of a claim")?;
        return Some(PodVolume::Claim(name));
    }
    if item.object("ephemeral").is_absent() {
        return None;
    }
    let name = item.field("name").required("the name of the volume")?;
    Some(PodVolume::Ephemeral(name))
}

/// Reads what is rare in `status`; `None` when there is nothing of it.
pub(super) fn detail(status: &Cursor<'_, '_>, spec: &PodSpec) -> Option<Box<PodStatusDetail>> {
    let mut detail = PodStatusDetail {
        nominated_node: status.field("nominatedNodeName").filled(),
        start_time: status.field("startTime").time(),
        ..PodStatusDetail::default()
    };
    for condition in status.field("conditions").items() {
        if !condition.is_object() {
            continue;
        }
        let kind = condition.field("type").text();
        let value = condition.field("status").text();
        let since = condition.field("lastTransitionTime").time();
        if kind == Some("Ready") && value == Some("True") {
            detail.ready = true;
            detail.ready_since = since;
        }
        if kind == Some("Ready") && value == Some("False") {
            detail.unready = true;
        }
        // The reason alone tells (S-12): the condition exists only while a resize is pending.
        if kind == Some("PodResizePending")
            && condition.field("reason").text() == Some("Infeasible")
        {
            detail.resize_infeasible = true;
        }
    }
    for (field, containers) in [
        ("containerStatuses", &spec.containers),
        ("initContainerStatuses", &spec.init_containers),
    ] {
        for item in status.field(field).items() {
            actuated(&item, containers, &mut detail.actuated);
        }
    }
    (detail != PodStatusDetail::default()).then(|| Box::new(detail))
}

/// Notes the requests that a kubelet reports for a container, where they differ from what is asked for (S-12).
fn actuated(
    item: &Cursor<'_, '_>,
    containers: &[Container],
    found: &mut Vec<(Name, ResourceList)>,
) {
    if !item.is_object() {
        return;
    }
    let mut reported = item.object("resources").field("requests").resources();
    reported.raise_to(&item.field("allocatedResources").resources());
    let name = item.field("name").name_or_empty();
    let asked = containers.iter().find(|container| container.name == name);
    if !reported.is_empty() && asked.is_some_and(|own| own.effective_requests() != reported) {
        found.push((name, reported));
    }
}
