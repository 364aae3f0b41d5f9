//! The strategies: clusters and Deployments that shrink part by part.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Knobs;
use super::assemble::{self, Ingredients};
use super::recipe;
use crate::model::cluster::Snapshot;
use crate::model::workload::Workload;

/// Clusters within `knobs`: consistent, with bound pods that fit their nodes, and everything else pending.
///
/// They are built of combinators, so that proptest shrinks a failure part by part: nodes, DaemonSets, Deployments, pools
/// and types disappear, replicas and sizes fall, and rules vanish, as long as the failure stays.
///
/// ```
/// use proptest::prelude::*;
/// use tetrapod::kit::{Knobs, snapshots};
/// use tetrapod::{schedule, verify};
///
/// proptest!(|(snapshot in snapshots(Knobs::default()))| {
///     prop_assert!(verify(&snapshot, &schedule(&snapshot)).valid);
/// });
/// ```
pub fn snapshots(knobs: Knobs) -> impl Strategy<Value = Snapshot> {
    (
        vec(
            recipe::instance_type(knobs),
            1..=knobs.instance_types.max(1),
        ),
        vec(recipe::pool(knobs), 1..=knobs.node_pools.max(1)),
        vec(recipe::workload(knobs), 0..=knobs.workloads),
        vec(recipe::daemon_set(knobs), 0..=knobs.daemon_sets),
        vec(recipe::node(), 0..=knobs.nodes),
    )
        .prop_map(|(types, pools, workloads, daemon_sets, nodes)| {
            assemble::snapshot(&Ingredients {
                types,
                pools,
                workloads,
                daemon_sets,
                nodes,
            })
        })
}

/// Deployments within `knobs`, named `app-0` and so on. A Deployment with a volume names a claim `<name>-data` that whoever
/// uses it has to provide.
pub fn workloads(knobs: Knobs) -> impl Strategy<Value = Vec<Workload>> {
    vec(recipe::workload(knobs), 0..=knobs.workloads).prop_map(|recipes| {
        let numbered = recipes.iter().enumerate();
        numbered
            .map(|(at, recipe)| assemble::workload(at, recipe))
            .collect()
    })
}
