//! A snapshot made ready for questions about its nodes.

use std::collections::BTreeMap;

use crate::base::index::Ix as _;
use crate::base::time::Timestamp;
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label;
use crate::model::node_pool::NodePool;
use crate::model::pod::Pod;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::problem::compile::Views;
use crate::problem::whatif::{self, WhatIf};
use crate::problem::{NodeId, OptionId};
use crate::scheduler::Capacity;
use crate::view::nodes::ExistingNode;

/// The cluster of a snapshot: views, compiled numbers and what each node costs. O(pods + nodes) beside compiling.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cluster<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// What its node classes offer.
    pub capacity: &'a Capacity,
    /// Its views.
    pub views: Views<'a>,
    /// Pods and nodes as numbers.
    pub what: WhatIf,
    /// Positions of the pods bound to each node of the view.
    pub pods_on: Vec<Vec<u32>>,
    /// Price per hour of each node of the view; `None` is unknown or not ours to pay for.
    pub prices: Vec<Option<Price>>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// Whether the pod would need another place if its node went (D-12): it is active, or its StatefulSet is about to make it
/// again, and belongs to neither a DaemonSet nor the node itself.
#[must_use]
pub fn is_reschedulable(pod: &Pod) -> bool {
    !pod.is_finished()
        && (!pod.is_terminating() || pod.is_owned_by("apps", "StatefulSet"))
        && !pod.is_daemon()
        && !pod.is_owned_by("", "Node")
}

impl<'a> Cluster<'a> {
    /// Reads and compiles `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a Capacity) -> Self {
        let bound = |pod: &Pod| pod.node_name.is_some() && is_reschedulable(pod);
        let views = Views::with_moving(snapshot, capacity.by_class(), bound);
        let mut pods_on: Vec<Vec<u32>> = vec![Vec::new(); views.nodes.len()];
        let mut movable = vec![false; snapshot.pods.len()];
        for (position, pod) in snapshot.pods.iter().enumerate() {
            let number = u32::try_from(position).unwrap_or(u32::MAX);
            if let Some(node) = views.node_use.node_of.get(number) {
                pods_on[node as usize].push(number);
                movable[position] = is_reschedulable(pod);
            } else {
                movable[position] = views.waits(number);
            }
        }
        let what = whatif::compile(&views, &movable);
        let prices = views
            .nodes
            .iter()
            .map(|node| node_price(snapshot, capacity.by_class(), node))
            .collect();
        Self {
            now: snapshot.options.now.unwrap_or_default(),
            snapshot,
            capacity,
            views,
            what,
            pods_on,
            prices,
        }
    }

    /// The pod at `position`.
    #[must_use]
    pub fn pod(&self, position: u32) -> &'a Pod {
        &self.snapshot.pods[position as usize]
    }

    /// The node view at `node`.
    #[must_use]
    pub fn node(&self, node: NodeId) -> &ExistingNode<'a> {
        &self.views.nodes[node.at()]
    }

    /// The pool that `node` belongs to, if that exists.
    #[must_use]
    pub fn pool_of(&self, node: NodeId) -> Option<&'a NodePool> {
        let name = self.node(node).pool.as_deref()?;
        pool_named(self.snapshot, name)
    }

    /// The type and offering behind `option`.
    #[must_use]
    pub fn offering(&self, option: OptionId) -> (&'a InstanceType, &'a Offering) {
        let row = &self.what.problem.options[option];
        let types = self.views.pools.templates[row.pool.at()].types;
        let instance_type = &types[self.what.problem.pairs[row.pair].instance_type as usize];
        (
            instance_type,
            &instance_type.offerings[row.offering as usize],
        )
    }

    /// What the nodes cost per hour together, those that are being deleted apart; unknown prices count 0.
    #[must_use]
    pub fn price(&self) -> Price {
        let nodes = self.views.nodes.iter().zip(&self.prices);
        nodes
            .filter(|(node, _)| !node.deleting)
            .filter_map(|(_, price)| *price)
            .sum()
    }

    /// How many nodes there are, those that are being deleted apart.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.views
            .nodes
            .iter()
            .filter(|node| !node.deleting)
            .count()
    }
}

/// The pool called `name`.
#[must_use]
pub fn pool_named<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a NodePool> {
    snapshot
        .node_pools
        .iter()
        .find(|pool| pool.name.as_ref() == name)
}

/// The types that `pool` may launch, and the one that `node` is of (D-13).
#[must_use]
pub fn type_of<'c>(
    classes: &'c BTreeMap<Name, ClassCapacity>,
    pool: &NodePool,
    node: &ExistingNode<'_>,
) -> Option<&'c InstanceType> {
    let class = classes.get(&pool.node_class_ref.name)?;
    let name = node.labels.get(label::INSTANCE_TYPE)?;
    class.types.iter().find(|entry| entry.name.as_ref() == name)
}

/// The capacity type of a node by its label.
#[must_use]
pub fn capacity_type_of(node: &ExistingNode<'_>) -> Option<CapacityType> {
    node.labels.get(label::CAPACITY_TYPE)?.parse().ok()
}

/// The cheapest offering of the node's type that has the node's zone, capacity type and reservation (D-18), whether it can
/// still be had or not. `None` where the pool, the type, a label or the price is not known.
fn node_price(
    snapshot: &Snapshot,
    classes: &BTreeMap<Name, ClassCapacity>,
    node: &ExistingNode<'_>,
) -> Option<Price> {
    let pool = pool_named(snapshot, node.pool.as_deref()?)?;
    let zone = node.labels.get(label::ZONE)?;
    let kind = capacity_type_of(node)?;
    let reservation = node.labels.get(label::RESERVATION_ID);
    let class = classes.get(&pool.node_class_ref.name)?;
    let name = node.labels.get(label::INSTANCE_TYPE)?;
    class
        .types
        .iter()
        .filter(|entry| entry.name.as_ref() == name)
        .flat_map(|entry| &entry.offerings)
        .filter(|offering| {
            offering.zone.as_ref() == zone
                && offering.capacity_type == kind
                && (reservation.is_none() || offering.reservation_id.as_deref() == reservation)
        })
        .filter_map(|offering| offering.price)
        .min()
}
