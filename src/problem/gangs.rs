//! Gangs as sets of classes (M-15), and the domains that their parts may be kept in.

use std::collections::BTreeMap;

use super::compile::Views;
use super::options::OptionTable;
use super::{ClassId, GangId, NodeId, OptionId};
use crate::base::bitset::BitSet;
use crate::base::index::IxVec;
use crate::model::label::{CAPACITY_TYPE, HOSTNAME, ZONE};
use crate::model::resources::Name;
use crate::view::gangs::Membership;

/// Pods that are placed as a whole or not at all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Gang {
    /// How many pods it still needs, running ones counted already.
    pub need: u32,
    /// The highest priority among its pods.
    pub priority: i32,
    /// Classes of its pods.
    pub classes: Vec<ClassId>,
    /// Parts of it that belong in one domain.
    pub units: Vec<Unit>,
}

/// Pods of a gang that belong in one topology domain (H-54).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unit {
    /// Whether one domain is required; preferred otherwise.
    pub required: bool,
    /// Classes of its pods.
    pub classes: Vec<ClassId>,
    /// The domains there are, by value.
    pub domains: Vec<Domain>,
}

/// A topology domain.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Domain {
    /// The label's value.
    pub value: Name,
    /// Options whose nodes will be in it.
    pub options: BitSet<OptionId>,
    /// Nodes in it.
    pub nodes: BitSet<NodeId>,
}

/// More domains than this are not tried: those with the most nodes and options count.
const MAX_DOMAINS: usize = 64;

/// The gangs of the problem: `member_of` says for each class whose pods it has.
pub(super) fn gangs(
    views: &Views<'_>,
    table: &OptionTable<'_>,
    rows: &IxVec<NodeId, u32>,
    member_of: &[(ClassId, Membership)],
) -> IxVec<GangId, Gang> {
    let mut domains: BTreeMap<&Name, Vec<Domain>> = BTreeMap::new();
    let mut all = IxVec::new();
    for (number, view) in views.gangs.gangs.iter().enumerate() {
        let of_gang = |(at, _): &Membership| *at as usize == number;
        let own = || member_of.iter().filter(|(_, member)| of_gang(member));
        let units = view
            .units
            .iter()
            .zip(&view.standing)
            .enumerate()
            .map(|(unit, (asked, standing))| {
                let known = domains
                    .entry(&asked.key)
                    .or_insert_with(|| domains_of(&asked.key, views, table, rows));
                let inside =
                    |domain: &&Domain| standing.is_empty() || standing.contains(&domain.value);
                let in_unit = |(_, of): &&(ClassId, Option<u32>)| *of == u32::try_from(unit).ok();
                Unit {
                    required: asked.required,
                    classes: own()
                        .map(|(class, (_, of))| (*class, *of))
                        .collect::<Vec<_>>()
                        .iter()
                        .filter(in_unit)
                        .map(|(class, _)| *class)
                        .collect(),
                    domains: known.iter().filter(inside).cloned().collect(),
                }
            })
            .collect();
        all.push(Gang {
            need: view.need(),
            priority: view.priority,
            classes: own().map(|(class, _)| *class).collect(),
            units,
        });
    }
    all
}

/// The domains of `key`: values of existing nodes, and of nodes that can be bought where the value is known before
/// launch. A host name is known of existing nodes only.
fn domains_of(
    key: &str,
    views: &Views<'_>,
    table: &OptionTable<'_>,
    rows: &IxVec<NodeId, u32>,
) -> Vec<Domain> {
    let mut found: BTreeMap<Name, Domain> = BTreeMap::new();
    let blank = |value: &Name| Domain {
        value: Name::clone(value),
        options: BitSet::new(table.options.len()),
        nodes: BitSet::new(rows.len()),
    };
    for (id, at) in rows.enumerate() {
        if let Some(value) = views.nodes[*at as usize].labels.shared(key) {
            let domain = found.entry(Name::clone(value)).or_insert_with_key(blank);
            domain.nodes.insert(id);
        }
    }
    for (id, option) in table.options.enumerate().filter(|_| key != HOSTNAME) {
        let place = table.places[table.option_places[id] as usize];
        let value = match key {
            ZONE => Some(Name::clone(&place.zone)),
            CAPACITY_TYPE => Some(Name::from(place.capacity_type.as_str())),
            _ => table.labels[option.pair].fixed(key).map(Name::clone),
        };
        if let Some(value) = value {
            let domain = found.entry(value).or_insert_with_key(blank);
            domain.options.insert(id);
        }
    }
    let mut all: Vec<Domain> = found.into_values().collect();
    if all.len() > MAX_DOMAINS {
        // Stable: equally large domains stay in name order.
        all.sort_by_key(|domain| std::cmp::Reverse((domain.nodes.len(), domain.options.len())));
        all.truncate(MAX_DOMAINS);
        all.sort_by(|a, b| a.value.cmp(&b.value));
    }
    all
}
