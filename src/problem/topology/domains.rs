//! Domains: the values of a topology key over options and nodes, and what stands in them already.

use std::collections::BTreeMap;

use super::rules::{Kind, Rule, Rules};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix as _, IxVec};
use crate::model::cluster::Snapshot;
use crate::model::label::HOSTNAME;
use crate::model::resources::Name;
use crate::model::taint::untolerated;
use crate::problem::nodes::NodeUse;
use crate::problem::options::{OptionTable, label_of};
use crate::problem::selectors::suited;
use crate::problem::{NodeId, OptionId};
use crate::view::nodes::ExistingNode;

/// The value that an option or node has of one key, numbered; `None` without one.
pub type Value = Option<u32>;

/// One topology key, or what the node filter of a spread leaves of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// The label key.
    pub name: Name,
    /// How many values occur.
    pub values: usize,
    /// By option.
    pub options: IxVec<OptionId, Value>,
    /// By position in the node view.
    pub views: Vec<Value>,
}

/// The keys that rules use, host names apart.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Domains {
    /// The keys. One label key stands here several times if spreads over it count different nodes (S-90): a node that does
    /// not count has no value of such a key.
    pub keys: Vec<Key>,
    /// The key of each rule; `None` for rules over host names.
    pub key_of: Vec<Option<usize>>,
}

impl Domains {
    /// Numbers the values of every key that a rule uses. O(rules x (options + nodes) log values).
    #[must_use]
    pub fn new(rules: &Rules, table: &OptionTable<'_>, view: &[ExistingNode<'_>]) -> Self {
        let mut domains = Self::default();
        let mut whole: BTreeMap<Name, Key> = BTreeMap::new();
        for rule in &rules.rules {
            if rule.key.as_ref() == HOSTNAME {
                domains.key_of.push(None);
                continue;
            }
            let key = whole
                .entry(Name::clone(&rule.key))
                .or_insert_with(|| Key::new(&rule.key, table, view));
            let key = key.counted(rule, table, view);
            let known = domains.keys.iter().position(|held| *held == key);
            let at = known.unwrap_or_else(|| {
                domains.keys.push(key);
                domains.keys.len() - 1
            });
            domains.key_of.push(Some(at));
        }
        domains
    }
}

impl Key {
    fn new(name: &Name, table: &OptionTable<'_>, view: &[ExistingNode<'_>]) -> Self {
        let of_option = |option: OptionId| -> Option<&str> {
            let place = table.places[table.option_places[option] as usize];
            label_of(&table.labels[table.options[option].pair], place, name)
        };
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for value in table
            .options
            .ids()
            .filter_map(of_option)
            .chain(view.iter().filter_map(|n| n.labels.get(name)))
        {
            numbers.insert(value, 0);
        }
        // Numbered in name order, so that ties between domains do not depend on the order of the input.
        for (at, number) in numbers.values_mut().enumerate() {
            *number = u32::try_from(at).unwrap_or(u32::MAX);
        }
        let number = |value: Option<&str>| value.and_then(|value| numbers.get(value).copied());
        Self {
            name: Name::clone(name),
            values: numbers.len(),
            options: table
                .options
                .ids()
                .map(|option| number(of_option(option)))
                .collect(),
            views: view
                .iter()
                .map(|node| number(node.labels.get(name)))
                .collect(),
        }
    }

    /// The key as `rule` sees it: without the options and nodes that do not count for it.
    fn counted(&self, rule: &Rule, table: &OptionTable<'_>, view: &[ExistingNode<'_>]) -> Self {
        let mut key = self.clone();
        for (value, node) in key.views.iter_mut().zip(view) {
            if !node_counts(rule, node) {
                *value = None;
            }
        }
        if let Some(passing) = passing(rule, table) {
            for (option, value) in key.options.iter_mut().enumerate() {
                if !passing.contains(OptionId::new(option)) {
                    *value = None;
                }
            }
        }
        key
    }

    /// The value of an existing node.
    #[must_use]
    pub fn node(&self, rows: &IxVec<NodeId, u32>, node: NodeId) -> Value {
        self.views[rows[node] as usize]
    }
}

/// How many pods stand where, by rule.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Counts {
    /// Pods the rule speaks of, by value of its key.
    pub members: Vec<u32>,
    /// Pods that have the rule (anti-affinity), by value of its key.
    pub owners: Vec<u32>,
    /// Pods the rule speaks of, anywhere.
    pub total: u32,
}

/// What runs already, by rule: over domains, and over host names by position in the node view.
#[derive(Debug)]
#[non_exhaustive]
pub struct Standing {
    /// By rule; empty vectors for rules over host names.
    pub by_domain: Vec<Counts>,
    /// By rule: pods it speaks of, by position in the node view.
    pub host_members: Vec<BTreeMap<u32, u32>>,
    /// By rule: pods that have it, by position in the node view.
    pub host_owners: Vec<BTreeMap<u32, u32>>,
}

impl Standing {
    /// Counts the pods that run on nodes which stay. O(bound pods + kinds of pods x rules).
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        rules: &Rules,
        domains: &Domains,
        view: &[ExistingNode<'_>],
        node_use: &NodeUse,
    ) -> Self {
        let by_domain = domains
            .key_of
            .iter()
            .map(|key| {
                let values = key.map_or(0, |key| domains.keys[key].values);
                Counts {
                    members: vec![0; values],
                    owners: vec![0; values],
                    total: 0,
                }
            })
            .collect();
        let mut standing = Self {
            by_domain,
            host_members: vec![BTreeMap::new(); rules.rules.len()],
            host_owners: vec![BTreeMap::new(); rules.rules.len()],
        };
        if rules.is_empty() {
            return standing;
        }
        let mut known: FastMap<(usize, usize), Vec<usize>> = FastMap::default();
        for (position, pod) in snapshot.pods.iter().enumerate() {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            let Some(at) = node_use.node_of.get(position) else {
                continue;
            };
            let node = &view[at as usize];
            if pod.is_finished() || node.deleting {
                continue;
            }
            let labels = std::sync::Arc::as_ptr(&pod.labels).addr();
            let key = (labels, Name::as_ptr(&pod.namespace).cast::<u8>().addr());
            let members = known
                .entry(key)
                .or_insert_with(|| rules.members(&pod.namespace, &pod.labels));
            for rule in members.iter().copied() {
                let counted = &rules.rules[rule];
                if pod.is_terminating() && matches!(counted.kind, Kind::Spread { .. }) {
                    continue;
                }
                if !node_counts(counted, node) {
                    continue;
                }
                standing.add(domains, rule, at, false);
            }
            for rule in rules.anti_of(pod) {
                standing.add(domains, rule, at, true);
            }
        }
        standing
    }

    fn add(&mut self, domains: &Domains, rule: usize, at: u32, owner: bool) {
        match domains.key_of[rule] {
            None => {
                let hosts = if owner {
                    &mut self.host_owners
                } else {
                    &mut self.host_members
                };
                *hosts[rule].entry(at).or_insert(0) += 1;
            }
            Some(key) => {
                let Some(value) = domains.keys[key].views[at as usize] else {
                    return;
                };
                let counts = &mut self.by_domain[rule];
                let list = if owner {
                    &mut counts.owners
                } else {
                    &mut counts.members
                };
                list[value as usize] += 1;
                counts.total += u32::from(!owner);
            }
        }
    }
}

/// The options whose nodes count for `rule` (S-90); `None` for all.
#[must_use]
pub fn passing(rule: &Rule, table: &OptionTable<'_>) -> Option<BitSet<OptionId>> {
    let Kind::Spread {
        nodes, tolerations, ..
    } = &rule.kind
    else {
        return None;
    };
    if nodes.is_none() && tolerations.is_none() {
        return None;
    }
    let mut passing = match nodes {
        Some(terms) => {
            let mut set = BitSet::new(table.options.len());
            let suited = terms.iter().map(|term| suited(term, table));
            suited.for_each(|of_term| set.union_with(&of_term));
            set
        }
        None => BitSet::full(table.options.len()),
    };
    if let Some(held) = tolerations {
        let mut tolerated = BitSet::new(table.options.len());
        for option in passing.iter() {
            let taints = &table.taints[table.options[option].pair];
            if untolerated(taints, held, false).is_none() {
                tolerated.insert(option);
            }
        }
        passing = tolerated;
    }
    Some(passing)
}

/// Whether pods on `node` count for `rule` (S-90); always so for affinity.
#[must_use]
pub fn node_counts(rule: &Rule, node: &ExistingNode<'_>) -> bool {
    let Kind::Spread {
        nodes, tolerations, ..
    } = &rule.kind
    else {
        return true;
    };
    nodes
        .as_ref()
        .is_none_or(|terms| terms.iter().any(|term| node.suits(term)))
        && tolerations
            .as_ref()
            .is_none_or(|held| untolerated(&node.taints, held, false).is_none())
}
