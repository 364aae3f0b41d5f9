//! The problem behind "what if these nodes were gone?": compiled once per snapshot, asked many times.
//!
//! Here every pod that could move is a pod of a class, wherever it runs now, and every node is a row, whatever its state.
//! Rules between pods are not dealt out to domains, because every question has another answer to what stands where: they
//! stay numbers that a [world](crate::solver::whatif) counts as pods leave and arrive.

use std::sync::{Arc, OnceLock};

use super::classes::{ClassKey, Grouping, canonical_order, clash};
use super::compile::{Views, bases, in_states, units};
use super::options::OptionTable;
use super::sets::Sets;
use super::topology::assign::Base;
use super::topology::domains::{Domains, Key, node_counts};
use super::topology::places::shapes;
use super::topology::rules::{Kind, Rules};
use super::units::Units;
use super::{
    Class, ClassId, NodeId, NodeRow, OptionId, Problem, StockId, StockKind, Symbols, nodes,
    selectors::suited,
};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix, IxVec};
use crate::model::cluster::Snapshot;
use crate::model::label::HOSTNAME;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, MEMORY, NODES, Name, ResourceList};
use crate::view::volumes::Volumes;

/// A rule between pods that is counted, not dealt out.
#[derive(Debug)]
#[non_exhaustive]
pub struct CountedRule {
    /// What it demands.
    pub demand: CountedKind,
    /// Position of its key in [`Between::keys`]; `None` for host names.
    pub key: Option<usize>,
    /// Rows whose pods count (S-90), by node; always true for affinity.
    pub counts_on: Vec<bool>,
    /// Options whose pods count.
    pub counts_for: BitSet<OptionId>,
    /// Values of the key that can be bought: domains that exist though they may be empty.
    pub on_offer: Vec<bool>,
}

/// What a counted rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has these three")]
pub enum CountedKind {
    /// Domains differ by at most `max_skew`; below `min_domains` domains the least counts as 0.
    Spread {
        /// Largest difference.
        max_skew: u32,
        /// Fewest domains.
        min_domains: u32,
    },
    /// Some selected pod is in the domain.
    Affinity,
    /// No selected pod is in the domain.
    Anti,
}

/// What the pods of one node mean for one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The rule.
    pub rule: u32,
    /// Pods that the rule speaks of.
    pub members: u32,
    /// Pods that have the rule (anti-affinity).
    pub owners: u32,
}

/// All rules between pods, and who stands where.
#[derive(Debug)]
#[non_exhaustive]
pub struct Between {
    /// The rules.
    pub rules: Vec<CountedRule>,
    /// The keys of their domains.
    pub keys: Vec<Key>,
    /// Rules that the pods of each class have.
    pub owned: IxVec<ClassId, Vec<u32>>,
    /// Rules that speak of the pods of each class.
    pub member: IxVec<ClassId, Vec<u32>>,
    /// Classes that have or fall under a rule over domains.
    pub over_domains: IxVec<ClassId, bool>,
    /// Classes for which what refuses one of their pods now refuses it still when other nodes go or pods arrive: no rule
    /// over domains, and no affinity that an arriving pod could satisfy.
    pub steady: IxVec<ClassId, bool>,
    /// What stands on each node, DaemonSet pods included; nothing on nodes that are being deleted.
    pub standing: IxVec<NodeId, Vec<Standing>>,
    /// What stands on nodes that are being deleted: it waits for other places and counts here until it has them.
    pub departing: IxVec<NodeId, Vec<Standing>>,
}

impl Between {
    /// Whether there is no rule at all.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether pods of `class` have or fall under no rule.
    #[inline]
    #[must_use]
    pub fn is_plain(&self, class: ClassId) -> bool {
        self.is_idle() || (self.owned[class].is_empty() && self.member[class].is_empty())
    }

    /// Whether a node of `new` stands in the same domains as one of `old`, as far as rules of and about `class` look.
    #[must_use]
    pub fn same_domains(&self, class: ClassId, old: OptionId, new: OptionId) -> bool {
        let mut rules = self.owned[class].iter().chain(&self.member[class]);
        rules.all(|rule| self.same_domain(*rule, old, new))
    }

    /// The same as far as `rule` looks.
    #[must_use]
    pub fn same_domain(&self, rule: u32, old: OptionId, new: OptionId) -> bool {
        let rule = &self.rules[rule as usize];
        rule.key.is_none_or(|key| {
            let options = &self.keys[key].options;
            options[old] == options[new]
                && rule.counts_for.contains(old) == rule.counts_for.contains(new)
        })
    }

    /// The rules over domains that pods of `classes` have or fall under.
    #[must_use]
    pub fn over_domains_of(&self, classes: impl Iterator<Item = ClassId>) -> Vec<u32> {
        let mut seen = vec![false; self.rules.len()];
        for class in classes {
            for rule in self.owned[class].iter().chain(&self.member[class]) {
                seen[*rule as usize] = self.rules[*rule as usize].key.is_some();
            }
        }
        let rules = 0..u32::try_from(seen.len()).unwrap_or(u32::MAX);
        rules.filter(|rule| seen[*rule as usize]).collect()
    }
}

/// A snapshot compiled for questions about its nodes.
#[derive(Debug)]
#[non_exhaustive]
pub struct WhatIf {
    /// The problem: rows are positions in the node view; classes count nothing, because what waits depends on the
    /// question.
    pub problem: Problem,
    /// Names behind it; [`Symbols::pods`] lists all movable pods of a class.
    pub symbols: Symbols,
    /// Class of each pod of the snapshot, `None` for pods that do not move.
    pub class_of: Vec<Option<ClassId>>,
    /// Rules between pods.
    pub between: Between,
    /// The same rules in words: which of them a pod that comes later falls under.
    pub rules: Rules,
    /// What the integers of resources mean.
    pub units: Units,
    /// What each node uses of limits: given back when it goes (D-38).
    pub uses: IxVec<NodeId, Vec<(StockId, i128)>>,
    queue_ranks: OnceLock<Vec<u32>>,
}

impl WhatIf {
    /// Position of each movable pod of `snapshot`, which this was compiled from, in Karpenter's queue (S-61): CPU
    /// descending, memory descending, oldest first. O(pods log) when first asked.
    pub fn queue_ranks(&self, snapshot: &Snapshot) -> &[u32] {
        self.queue_ranks
            .get_or_init(|| queue_ranks(snapshot, &self.symbols))
    }
}

/// Compiles `views` with the pods that `movable` marks (by position in the snapshot) as pods to place.
///
/// O(pods + signatures x options + nodes x kinds), as [`compile`](super::compile::compile).
#[must_use]
#[expect(clippy::too_many_lines, reason = "one translation, table by table")]
pub fn compile(views: &Views<'_>, movable: &[bool]) -> WhatIf {
    let snapshot = views.snapshot;
    let moves = |position: u32| movable.get(position as usize).copied().unwrap_or(false);
    let mut rules = Rules::new(snapshot, |position, _| moves(position));
    let mut grouping = Grouping::new(
        snapshot,
        &Volumes::new(snapshot),
        &views.attach,
        &views.gangs,
        &mut rules,
        |position, _| moves(position),
    );
    let order = canonical_order(&grouping, snapshot);
    let table = OptionTable::new(
        snapshot,
        &views.pools.templates,
        &views.daemons,
        &views.nodes,
        &views.attach,
        &views.closed,
    );
    let units = units(views, &grouping, &table);

    let rows: IxVec<NodeId, u32> = (0..views.nodes.len())
        .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
        .collect();
    let mut node_rooms = nodes::room_vectors(&rows, &views.nodes, &views.node_use, &units);
    for (room, node) in node_rooms
        .chunks_mut(units.len().max(1))
        .zip(&views.nodes)
        .filter(|(_, node)| !node.is_destination())
    {
        debug_assert!(!node.is_destination());
        room.fill(-1);
    }
    let (states, initial) = grouping.selectors.states(&table.labels);
    let room_vectors = table.room_vectors(&units);
    let term_options = grouping.selectors.term_options(&table);
    let mut sets = Sets::default();
    let (shape_of, shapes) = shapes(&grouping, &order, &units);
    let bases = bases(
        views,
        &mut grouping,
        &order,
        &shape_of,
        &table,
        &term_options,
        &rows,
        &mut sets,
    );
    let keys: Vec<&ClassKey> = order.iter().map(|class| &grouping.keys[*class]).collect();
    let between = between(views, &rules, &table, &bases);
    let mut classes: IxVec<ClassId, Class> = IxVec::new();
    for (base, key) in bases.iter().zip(&keys) {
        classes.push(Class {
            count: 0,
            priority: key.priority,
            signature: key.signature,
            options: base.options,
            nodes: base.nodes,
            anywhere: base.options,
            any_node: base.nodes,
            excludes: port_clashes(&bases, base),
            shares: Vec::new(),
            stands: Vec::new(),
            bundle: Vec::new(),
            phase: 0,
            held_back: false,
            gang: None,
        });
    }
    let mut class_of = vec![None; snapshot.pods.len()];
    for (at, base) in bases.iter().enumerate() {
        for pod in &base.pods {
            class_of[*pod as usize] = Some(ClassId::new(at));
        }
    }
    let pools = table.pools();
    let pairs = in_states(table.pairs, &initial);
    let uses = node_uses(views, table.stocks.as_slice());
    let problem = Problem {
        dims: units.len(),
        classes,
        demand: shape_of
            .iter()
            .flat_map(|shape| &shapes[*shape as usize])
            .copied()
            .collect(),
        signatures: grouping.selectors.terms_by_signature(),
        term_options,
        option_sets: sets.options.sets,
        node_sets: sets.nodes.sets,
        pools,
        pairs,
        options: table.options,
        rooms: room_vectors,
        stocks: table.stocks,
        states,
        nodes: rows.iter().map(|at| NodeRow { view: *at }).collect(),
        node_rooms,
        domain_rules: Vec::new(),
        standing: std::collections::BTreeMap::new(),
        gangs: IxVec::new(),
        node_penalty: snapshot.options.node_penalty,
        min_values_policy: snapshot.options.min_values_policy,
        preferences: None,
    };
    let symbols = Symbols {
        requests: order
            .iter()
            .map(|class| Arc::clone(&grouping.requests[grouping.keys[*class].requests]))
            .collect(),
        daemons: table.rooms.into_iter().map(|room| room.daemons).collect(),
        pods: bases.iter().map(|base| base.pods.clone()).collect(),
        rules_of: bases.iter().map(|base| base.identity).collect(),
        rule_texts: rules.texts(),
        refused: grouping.refused,
        likings: Vec::new(),
        soft_rules: Vec::new(),
        resources: units.names().to_vec(),
        shelf: OnceLock::new(),
    };
    WhatIf {
        queue_ranks: OnceLock::new(),
        problem,
        symbols,
        class_of,
        between,
        rules,
        units,
        uses,
    }
}

/// Classes whose host ports clash with those of `base`.
fn port_clashes(bases: &[Base], base: &Base) -> Option<BitSet<ClassId>> {
    if base.ports.is_empty() {
        return None;
    }
    let mut set = BitSet::new(bases.len());
    for (at, other) in bases.iter().enumerate() {
        if clash(&base.ports, &other.ports) {
            set.insert(ClassId::new(at));
        }
    }
    Some(set)
}

/// Positions in Karpenter's queue by position in the snapshot; pods that do not move have none worth asking for.
fn queue_ranks(snapshot: &Snapshot, symbols: &Symbols) -> Vec<u32> {
    let sizes: IxVec<ClassId, (Quantity, Quantity)> = symbols
        .requests
        .iter()
        .map(|list| (list.amount(CPU), list.amount(MEMORY)))
        .collect();
    let mut order: Vec<(ClassId, u32)> = symbols
        .pods
        .enumerate()
        .flat_map(|(class, pods)| pods.iter().map(move |pod| (class, *pod)))
        .collect();
    let pods = &snapshot.pods;
    order.sort_by(|(a, first), (b, second)| {
        let age = |at: &u32| {
            let pod = &pods[*at as usize];
            (pod.created, &pod.uid, &pod.namespace, &pod.name)
        };
        (sizes[*b].cmp(&sizes[*a])).then_with(|| age(first).cmp(&age(second)))
    });
    let mut ranks = vec![0; pods.len()];
    for (rank, (_, pod)) in order.into_iter().enumerate() {
        ranks[pod as usize] = u32::try_from(rank).unwrap_or(u32::MAX);
    }
    ranks
}

/// What each node uses of the limits of its pool and of groups of pools.
fn node_uses(views: &Views<'_>, stocks: &[super::Stock]) -> IxVec<NodeId, Vec<(StockId, i128)>> {
    let amount = |capacity: &ResourceList, name: &str| {
        if name == NODES {
            Quantity::from_units(1).as_nanos()
        } else {
            capacity.amount(name).as_nanos()
        }
    };
    let of = |node: &crate::view::nodes::ExistingNode<'_>| {
        let mut uses = Vec::new();
        let Some(pool) = node.pool.as_deref().filter(|_| !node.deleting) else {
            return uses;
        };
        for (at, stock) in stocks.iter().enumerate() {
            let name = match &stock.kind {
                StockKind::PoolLimit(of, name) if of == pool => name,
                StockKind::GroupLimit(group, name) if in_group(views, group, pool) => name,
                StockKind::PoolLimit(..)
                | StockKind::GroupLimit(..)
                | StockKind::TypeQuota(_)
                | StockKind::InstanceQuota
                | StockKind::Reservation(_)
                | StockKind::PoolPrice(_)
                | StockKind::PlanPrice => continue,
            };
            uses.push((StockId::new(at), amount(&node.capacity, name)));
        }
        uses
    };
    views.nodes.iter().map(of).collect()
}

fn in_group(views: &Views<'_>, group: &str, pool: &str) -> bool {
    let groups = &views.snapshot.options.limit_groups;
    let pools = &views.snapshot.node_pools;
    groups.iter().filter(|g| g.name.as_ref() == group).any(|g| {
        pools
            .iter()
            .any(|p| p.name.as_ref() == pool && g.selector.matches(&p.labels))
    })
}

/// The rules as numbers, and what stands on each node. O(rules x (nodes + options) + bound pods).
fn between(views: &Views<'_>, rules: &Rules, table: &OptionTable<'_>, bases: &[Base]) -> Between {
    let domains = Domains::new(rules, table, &views.nodes);
    let mut counted = Vec::with_capacity(rules.rules.len());
    for (rule, key) in rules.rules.iter().zip(&domains.key_of) {
        let all = BitSet::full(table.options.len());
        let (demand, counts_for) = match &rule.kind {
            Kind::Spread {
                max_skew,
                min_domains,
                nodes,
                ..
            } => {
                let counts_for = nodes.as_ref().map_or(all, |terms| {
                    let mut set = BitSet::new(table.options.len());
                    terms
                        .iter()
                        .for_each(|term| set.union_with(&suited(term, table)));
                    set
                });
                let demand = CountedKind::Spread {
                    max_skew: *max_skew,
                    min_domains: *min_domains,
                };
                (demand, counts_for)
            }
            Kind::Affinity => (CountedKind::Affinity, all),
            Kind::Anti => (CountedKind::Anti, all),
        };
        let mut on_offer = Vec::new();
        if let Some(key) = key.map(|at| &domains.keys[at]) {
            on_offer.resize(key.values, false);
            for option in counts_for.iter() {
                if let Some(value) = key.options[option] {
                    on_offer[value as usize] = true;
                }
            }
        }
        counted.push(CountedRule {
            demand,
            key: *key,
            counts_on: views
                .nodes
                .iter()
                .map(|node| node_counts(rule, node))
                .collect(),
            counts_for,
            on_offer,
        });
    }
    debug_assert!(
        rules
            .rules
            .iter()
            .zip(&counted)
            .all(|(r, c)| (r.key.as_ref() == HOSTNAME) == c.key.is_none())
    );
    let numbers = |list: &[usize]| -> Vec<u32> {
        list.iter()
            .map(|at| u32::try_from(*at).unwrap_or(u32::MAX))
            .collect()
    };
    let identity = |base: &Base| &rules.identities[base.identity];
    let over_domains: IxVec<ClassId, bool> = bases
        .iter()
        .map(|base| {
            let rules = identity(base).owned.iter().chain(&identity(base).member);
            rules.into_iter().any(|rule| counted[*rule].key.is_some())
        })
        .collect();
    let follows = |base: &Base| {
        let owned = &identity(base).owned;
        owned
            .iter()
            .any(|rule| counted[*rule].demand == CountedKind::Affinity)
    };
    let (standing, departing) = standing(views, rules, &counted);
    Between {
        steady: bases
            .iter()
            .zip(over_domains.iter())
            .map(|(base, over)| !over && !follows(base))
            .collect(),
        over_domains,
        owned: bases.iter().map(|b| numbers(&identity(b).owned)).collect(),
        member: bases.iter().map(|b| numbers(&identity(b).member)).collect(),
        standing,
        departing,
        rules: counted,
        keys: domains.keys,
    }
}

type ByNode = IxVec<NodeId, Vec<Standing>>;

/// What stands on nodes that stay, and on those that are being deleted.
fn standing(views: &Views<'_>, rules: &Rules, counted: &[CountedRule]) -> (ByNode, ByNode) {
    let mut by_node: ByNode = IxVec::filled(views.nodes.len(), Vec::new());
    let mut departing = by_node.clone();
    if rules.is_empty() {
        return (by_node, departing);
    }
    let mut known: FastMap<(usize, usize), Vec<usize>> = FastMap::default();
    for (position, pod) in views.snapshot.pods.iter().enumerate() {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let Some(at) = views.node_use.node_of.get(position) else {
            continue;
        };
        if pod.is_finished() {
            continue;
        }
        let table = match views.nodes[at as usize].deleting {
            true => &mut departing,
            false => &mut by_node,
        };
        let list = &mut table[NodeId::new(at as usize)];
        let mut add = |rule: usize, members: u32, owners: u32| {
            let rule = u32::try_from(rule).unwrap_or(u32::MAX);
            match list.iter_mut().find(|held| held.rule == rule) {
                Some(held) => {
                    held.members += members;
                    held.owners += owners;
                }
                None => list.push(Standing {
                    rule,
                    members,
                    owners,
                }),
            }
        };
        let labels = Arc::as_ptr(&pod.labels).addr();
        let key = (labels, Name::as_ptr(&pod.namespace).cast::<u8>().addr());
        let members = known
            .entry(key)
            .or_insert_with(|| rules.members(&pod.namespace, &pod.labels));
        for rule in members.iter().copied() {
            let row = &counted[rule];
            let leaving = pod.is_terminating() && matches!(row.demand, CountedKind::Spread { .. });
            if !leaving && row.counts_on[at as usize] {
                add(rule, 1, 0);
            }
        }
        for rule in rules.anti_of(pod) {
            add(rule, 0, 1);
        }
    }
    (by_node, departing)
}
