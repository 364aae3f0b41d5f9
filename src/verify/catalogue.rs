//! What each NodePool can buy.

use std::collections::BTreeMap;

use crate::hyperpod::capacity::{self, ClassCapacity};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::node_pool::NodePool;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::ChosenOffering;

use super::overlay;

/// Instance types by node class.
#[derive(Debug)]
pub(super) struct Catalogue<'a> {
    documents: BTreeMap<&'a str, &'a [InstanceType]>,
    /// What HyperPod's groups give, for classes without a document, and whether each class may be used.
    classes: BTreeMap<Name, ClassCapacity>,
    /// Positions of entries by class and name.
    positions: BTreeMap<Name, BTreeMap<Name, Vec<usize>>>,
    prices: &'a BTreeMap<Name, BTreeMap<CapacityType, Price>>,
    /// By pool: the entries as overlays make them, with the prices that the options give (S-58).
    overlaid: BTreeMap<Name, Vec<InstanceType>>,
}

impl<'a> Catalogue<'a> {
    /// The catalogue of `snapshot`.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let documents = snapshot
            .instance_types
            .iter()
            .map(|list| (list.node_class.as_ref(), list.instance_types.as_slice()))
            .collect();
        let mut catalogue = Self {
            documents,
            classes: capacity::resolve(snapshot),
            positions: BTreeMap::new(),
            prices: &snapshot.options.prices,
            overlaid: BTreeMap::new(),
        };
        let mut positions: BTreeMap<Name, BTreeMap<Name, Vec<usize>>> = BTreeMap::new();
        for pool in &snapshot.node_pools {
            let by_name = positions
                .entry(Name::clone(&pool.node_class_ref.name))
                .or_default();
            if by_name.is_empty() {
                for (at, entry) in catalogue.types_of(pool).iter().enumerate() {
                    by_name
                        .entry(Name::clone(&entry.name))
                        .or_default()
                        .push(at);
                }
            }
        }
        catalogue.positions = positions;
        catalogue.overlaid = overlay::overlaid(
            snapshot,
            |pool| catalogue.types_of(pool),
            |entry, offering| catalogue.price(entry, offering),
        );
        catalogue
    }

    /// The entries that `pool` draws from, with their positions by name.
    pub(super) fn menu(&self, pool: &NodePool) -> Menu<'_> {
        Menu {
            types: self.types_of(pool),
            by_name: self.positions.get(&pool.node_class_ref.name),
        }
    }

    /// The entries that `pool` draws from: those of its class's document, else of the class's groups (M-12).
    pub(super) fn types_of(&self, pool: &NodePool) -> &[InstanceType] {
        if let Some(overlaid) = self.overlaid.get(&pool.name) {
            return overlaid;
        }
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
        let is_overlaid =
            |types: &Vec<InstanceType>| types.as_ptr_range().contains(&std::ptr::from_ref(entry));
        if self.overlaid.values().any(is_overlaid) {
            return offering.price;
        }
        let given = self
            .prices
            .get(&entry.name)
            .and_then(|by_type| by_type.get(&offering.capacity_type));
        given.copied().or(offering.price)
    }
}

/// The entries of one node class. Several may share a name (groups that differ in labels, taints or threads).
#[derive(Debug, Clone, Copy)]
pub(super) struct Menu<'c> {
    pub(super) types: &'c [InstanceType],
    by_name: Option<&'c BTreeMap<Name, Vec<usize>>>,
}

impl<'c> Menu<'c> {
    /// Positions of the entries called `name`.
    pub(super) fn named(&self, name: &str) -> &'c [usize] {
        let positions = self.by_name.and_then(|by_name| by_name.get(name));
        positions.map(Vec::as_slice).unwrap_or_default()
    }

    /// Positions (entry, offering) of the offerings of the type `name` that pass `test`.
    pub(super) fn offerings(
        &self,
        name: &str,
        test: impl Fn(&Offering) -> bool,
    ) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for &entry in self.named(name) {
            let offerings = self.types[entry].offerings.iter().enumerate();
            let passing = offerings.filter(|(_, offering)| test(offering));
            found.extend(passing.map(|(offering, _)| (entry, offering)));
        }
        found
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
