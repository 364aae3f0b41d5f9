//! What each NodePool can buy.

use std::collections::BTreeMap;

use crate::hyperpod::capacity::{self, ClassCapacity};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::node_pool::NodePool;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::ChosenOffering;

/// Instance types by node class.
#[derive(Debug)]
pub(super) struct Catalogue<'a> {
    documents: BTreeMap<&'a str, &'a [InstanceType]>,
    /// What HyperPod's groups give, for classes without a document, and whether each class may be used.
    classes: BTreeMap<Name, ClassCapacity>,
    prices: &'a BTreeMap<Name, BTreeMap<CapacityType, Price>>,
}

impl<'a> Catalogue<'a> {
    /// The catalogue of `snapshot`.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let documents = snapshot
            .instance_types
            .iter()
            .map(|list| (list.node_class.as_ref(), list.instance_types.as_slice()))
            .collect();
        Self {
            documents,
            classes: capacity::resolve(snapshot),
            prices: &snapshot.options.prices,
        }
    }

    /// The entries that `pool` draws from: those of its class's document, else of the class's groups (M-12).
    pub(super) fn types_of(&self, pool: &NodePool) -> &[InstanceType] {
        let class = pool.node_class_ref.name.as_ref();
        let groups = || self.classes.get(class).map(|c| c.types.as_slice());
        let document = self.documents.get(class).copied();
        document.or_else(groups).unwrap_or_default()
    }

    /// Why nothing may be bought from the node class of `pool`.
    pub(super) fn why_not_ready(&self, pool: &NodePool) -> Option<&str> {
        let class = self.classes.get(&pool.node_class_ref.name)?;
        class.ready.as_ref().err().map(|why| why.message.as_str())
    }

    /// Every entry of every class.
    pub(super) fn all(&self) -> impl Iterator<Item = &InstanceType> {
        let groups = self.classes.iter();
        let groups = groups.filter(|(name, _)| !self.documents.contains_key(name.as_ref()));
        let groups = groups.flat_map(|(_, class)| &class.types);
        self.documents.values().copied().flatten().chain(groups)
    }

    /// What an offering costs: the price of the options if they give one.
    pub(super) fn price(&self, entry: &InstanceType, offering: &Offering) -> Option<Price> {
        let given = self
            .prices
            .get(&entry.name)
            .and_then(|by_type| by_type.get(&offering.capacity_type));
        given.copied().or(offering.price)
    }
}

/// Whether `offering` is one that `chosen` can mean: zone, capacity type, and group and reservation where both say them.
pub(super) fn is_meant(offering: &Offering, chosen: &ChosenOffering) -> bool {
    let agree = |ours: &Option<Name>, theirs: &Option<Name>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    offering.zone == chosen.zone
        && offering.capacity_type == chosen.capacity_type
        && agree(&offering.instance_group, &chosen.instance_group)
        && agree(&offering.reservation_id, &chosen.reservation_id)
}
