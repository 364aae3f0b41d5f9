//! Attach limits (S-107, S-108): those of existing nodes, and of new ones what their type's capacity says. That nodes of
//! the same type have a limit is a warning for a new one: Karpenter does not look at it (W-33).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::label;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};
use crate::model::volume::CsiNode;

use super::claims::Bought;
use super::report::{Kind, Report, Violation};
use super::view::{Cluster, NodeIx, PodIx};
use super::volumes;

/// Distinct claims (`namespace/name`) by CSI driver.
type Attached = BTreeMap<Name, BTreeSet<(Name, Name)>>;

/// Reports nodes on which the plan's pods bring a driver over its limit.
pub(super) fn check(cluster: &Cluster<'_>, bought: &[Bought<'_>], report: &mut Report) {
    for new in bought {
        check_new(cluster, new, report);
    }
    for csi in &cluster.snapshot.csi_nodes {
        if let Some(node) = cluster.node_named(&csi.name) {
            check_node(cluster, node, &csi.limits, report);
        }
    }
}

fn check_node(cluster: &Cluster<'_>, node: NodeIx, limits: &[(Name, u32)], report: &mut Report) {
    let view = &cluster.nodes[node];
    let before = attached(cluster, view.bound.iter());
    let after = attached(cluster, view.bound.iter().chain(&view.placed));
    for (driver, limit) in limits {
        let count = |of: &Attached| of.get(driver).map_or(0, BTreeSet::len);
        let (before, after) = (count(&before), count(&after));
        if after > before && u32::try_from(after).map_or(true, |after| after > *limit) {
            report.violation(
                Violation::new(
                    Kind::AttachLimit,
                    format!("{after} volumes of driver {driver}, the node attaches {limit}"),
                )
                .at(view.target.as_str()),
            );
        }
    }
}

fn check_new(cluster: &Cluster<'_>, new: &Bought<'_>, report: &mut Report) {
    let view = &cluster.nodes[new.node];
    for (driver, claims) in attached(cluster, view.placed.iter()) {
        let count = claims.len();
        let finding = |limit: u32, whose: &str| {
            Violation::new(
                Kind::AttachLimit,
                format!("{count} volumes of driver {driver}, {whose} attaches {limit}"),
            )
            .at(new.target.as_str())
        };
        let over = |limit: u32| u32::try_from(count).map_or(true, |count| count > limit);
        if let Some(limit) = stated(&view.capacity, &driver) {
            if over(limit) {
                report.violation(finding(limit, "the type"));
            }
        } else if let Some(limit) = learned(cluster, &new.claim.cheapest.instance_type, &driver)
            && over(limit)
        {
            report.warning(finding(limit, "an existing node of this type"));
        }
    }
}

/// The limit that a type's capacity states for a driver.
fn stated(capacity: &ResourceList, driver: &str) -> Option<u32> {
    let own = capacity.get(&format!("attachable-volumes-csi-{driver}"));
    let of_old = || {
        let in_tree = (driver == "ebs.csi.aws.com").then_some("attachable-volumes-aws-ebs")?;
        capacity.get(in_tree)
    };
    let whole = own.or_else(of_old)?.as_nanos() / Quantity::from_units(1).as_nanos();
    Some(u32::try_from(whole).unwrap_or(0))
}

/// The least limit of a driver on existing nodes of a type.
fn learned(cluster: &Cluster<'_>, instance_type: &str, driver: &str) -> Option<u32> {
    let of_type = |csi: &&CsiNode| {
        let node = cluster.node_named(&csi.name);
        node.is_some_and(|node| {
            cluster.nodes[node].labels.get(label::INSTANCE_TYPE) == Some(instance_type)
        })
    };
    let nodes = cluster.snapshot.csi_nodes.iter().filter(of_type);
    nodes
        .flat_map(|csi| &csi.limits)
        .filter(|(held, _)| held.as_ref() == driver)
        .map(|(_, limit)| *limit)
        .min()
}

fn attached<'p>(cluster: &Cluster<'_>, pods: impl Iterator<Item = &'p PodIx>) -> Attached {
    let mut attached = Attached::new();
    for &pod in pods {
        for name in volumes::claims_of(cluster, pod) {
            let namespace = Name::clone(&cluster.pods[pod].pod.namespace);
            if let Some(driver) = cluster.storage.driver(&namespace, &name) {
                attached
                    .entry(driver)
                    .or_default()
                    .insert((namespace, name));
            }
        }
    }
    attached
}
