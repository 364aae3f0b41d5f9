//! Pods that go on nodes that exist.

use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint;
use crate::plan::ExistingPlacement;

use super::ports::PortTable;
use super::report::{Kind, Report, Violation};
use super::resources;
use super::selection;
use super::view::{Cluster, NodeIx, PodIx};

/// Judges one placement and puts its pods on the node.
pub(super) fn check(
    cluster: &mut Cluster<'_>,
    placement: &ExistingPlacement,
    pods: &[PodIx],
    report: &mut Report,
) {
    let Some(node) = cluster.node_named(&placement.node) else {
        report.violation(
            Violation::new(Kind::Existing, "there is no such node").at(placement.node.as_ref()),
        );
        return;
    };
    if cluster.nodes[node].deleting {
        report.violation(
            Violation::new(Kind::Existing, "the node is being deleted").at(placement.node.as_ref()),
        );
    }
    check_each(cluster, node, pods, report);
    check_ports(cluster, node, pods, report);
    check_room(cluster, node, pods, report);
    cluster.nodes[node].placed.extend(pods);
}

/// Node selection and taints of every pod.
fn check_each(cluster: &Cluster<'_>, node: NodeIx, pods: &[PodIx], report: &mut Report) {
    let view = &cluster.nodes[node];
    for &pod in pods {
        let spec = cluster.spec(pod);
        let mut found = |kind, message: String| {
            report.violation(
                Violation::new(kind, message)
                    .pod(&cluster.pods[pod].key)
                    .at(view.target.as_str()),
            );
        };
        if !selection::admits(spec, &view.labels, &view.name) {
            found(
                Kind::NodeAffinity,
                "the node selector or affinity does not match the node".to_owned(),
            );
        }
        if let Some(taint) = taint::untolerated(&view.taints, &spec.tolerations, false) {
            found(Kind::Taint, format!("taint {} is not tolerated", taint.key));
        }
    }
}

fn check_ports(cluster: &Cluster<'_>, node: NodeIx, pods: &[PodIx], report: &mut Report) {
    let view = &cluster.nodes[node];
    let mut ports = PortTable::default();
    for &pod in view.bound.iter().chain(&view.placed) {
        ports.hold(&cluster.spec(pod).host_ports(), &cluster.pods[pod].key);
    }
    for &pod in pods {
        for clash in ports.place(cluster, pod) {
            report.violation(
                Violation::new(Kind::HostPort, clash)
                    .pod(&cluster.pods[pod].key)
                    .at(view.target.as_str()),
            );
        }
    }
}

/// Room for the pods in what they ask for, without and with the DaemonSet pods that are still to come.
fn check_room(cluster: &Cluster<'_>, node: NodeIx, pods: &[PodIx], report: &mut Report) {
    let view = &cluster.nodes[node];
    let mut asked = ResourceList::new();
    for &pod in pods {
        asked.add(&cluster.pods[pod].requests);
    }
    let mut total = asked.clone();
    for &pod in view.bound.iter().chain(&view.placed) {
        total.add(&cluster.pods[pod].requests);
    }
    let short = |total: &ResourceList| -> Vec<Name> {
        let mut names = resources::shortfalls(total, &view.allocatable);
        names.retain(|name| asked.amount(name) > Quantity::ZERO);
        names
    };
    let mut kind = Kind::ExistingFit;
    let mut names = short(&total);
    if names.is_empty() {
        kind = Kind::ExistingDaemonsetRoom;
        for daemon in cluster
            .daemons
            .running_on(&view.labels, &view.taints, &view.name)
        {
            let is_there = view.bound.iter().any(|&pod| {
                let pod = cluster.pods[pod].pod;
                pod.owners
                    .iter()
                    .any(|owner| daemon.is(owner, &pod.namespace))
            });
            if !is_there {
                total.add(&daemon.requests);
            }
        }
        names = short(&total);
    }
    if !names.is_empty() {
        let what = resources::describe(&names, &total, &view.allocatable);
        report.violation(Violation::new(kind, what).at(view.target.as_str()));
    }
}
