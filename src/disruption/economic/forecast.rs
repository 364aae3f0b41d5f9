//! Demand that is known to come: nodes that would be bought back soon are kept (W-14).

use crate::disruption::DisruptionReason;
use crate::disruption::cluster::Cluster;
use crate::model::node_pool::NodePool;

/// How many nodes of `pool` may go for `reason` although the forecast will ask for nodes again.
///
/// Going and coming back costs a start each way, at both prices (M-21): a node that is needed again within two starts is
/// not worth letting go. What goes whatever it costs is not held.
pub(super) fn spare(cluster: &Cluster<'_>, pool: &NodePool, reason: DisruptionReason) -> u32 {
    let saves = matches!(
        reason,
        DisruptionReason::Empty | DisruptionReason::Underutilized
    );
    let needed = cluster
        .snapshot
        .options
        .needed_soon(&pool.name, cluster.now);
    match needed.filter(|_| saves) {
        None => u32::MAX,
        Some(forecast) => {
            let here = |node: &&crate::view::nodes::ExistingNode<'_>| {
                !node.deleting && node.pool.as_deref() == Some(pool.name.as_ref())
            };
            let held = cluster.views.nodes.iter().filter(here).count();
            u32::try_from(held)
                .unwrap_or(u32::MAX)
                .saturating_sub(forecast.nodes)
        }
    }
}
