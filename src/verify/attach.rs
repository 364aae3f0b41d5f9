//! Attach limits of existing nodes (S-107, S-108). New nodes have none.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::resources::Name;

use super::report::{Kind, Report, Violation};
use super::view::{Cluster, NodeIx, PodIx};
use super::volumes;

/// Distinct claims (`namespace/name`) by CSI driver.
type Attached = BTreeMap<Name, BTreeSet<(Name, Name)>>;

/// Reports nodes on which the plan's pods bring a driver over its limit.
pub(super) fn check(cluster: &Cluster<'_>, report: &mut Report) {
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
