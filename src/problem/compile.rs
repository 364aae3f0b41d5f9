//! From views to a problem: the one big translation.
//!
//! Pods are grouped into classes, pools and types multiplied to options, units fixed, terms tested against options and
//! nodes, rules between pods dealt out, and the parts that result become the classes of the [`Problem`]. Names stay in
//! [`Symbols`].

use std::collections::BTreeMap;

use super::classes::{ClassKey, Grouping, canonical_order, clash};
use super::options::OptionTable;
use super::topology::assign::{Base, Ground, Part};
use super::topology::domains::{Domains, Standing};
use super::topology::host::HostRules;
use super::topology::rules::Rules;
use super::units::Survey;
use super::{
    Class, ClassId, HostShare, MinValues, NodeId, NodeRow, OptionId, Problem, SetId, Symbols, nodes,
};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix, IxVec};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::InstanceType;
use crate::model::label;
use crate::model::requirement::{Operator, Requirements};
use crate::model::resources::{Name, ResourceList};
use crate::view::daemons::{Daemon, daemons};
use crate::view::nodes::{ExistingNode, existing};
use crate::view::pods::waits;
use crate::view::pools::{Pools, Template};
use crate::view::volumes::Volumes;

/// The views that a problem is compiled from; plans and explanations read names from them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Views<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// Pools.
    pub pools: Pools<'a>,
    /// Existing nodes.
    pub nodes: Vec<ExistingNode<'a>>,
    /// DaemonSets.
    pub daemons: Vec<Daemon<'a>>,
    /// What existing nodes hold.
    pub node_use: nodes::NodeUse,
}

impl<'a> Views<'a> {
    /// Reads the views of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a BTreeMap<Name, ClassCapacity>) -> Self {
        let nodes = existing(snapshot);
        let daemons = daemons(&snapshot.daemon_sets);
        let node_use = nodes::node_use(snapshot, &nodes, &daemons);
        Self {
            snapshot,
            pools: Pools::new(snapshot, capacity),
            nodes,
            daemons,
            node_use,
        }
    }

    /// Whether the pod at `position` waits for a place.
    #[must_use]
    pub fn waits(&self, position: u32) -> bool {
        self.snapshot
            .pods
            .get(position as usize)
            .is_some_and(|pod| {
                let node = self.node_use.node_of.get(&position);
                waits(
                    pod,
                    node.is_some_and(|at| self.nodes[*at as usize].deleting),
                )
            })
    }
}

/// Sets interned by content, so that classes that suit the same places share them.
struct SetTable<I> {
    sets: IxVec<SetId, BitSet<I>>,
    ids: FastMap<BitSet<I>, SetId>,
}

impl<I: Ix> SetTable<I> {
    fn new() -> Self {
        Self {
            sets: IxVec::new(),
            ids: FastMap::default(),
        }
    }

    fn intern(&mut self, set: BitSet<I>) -> SetId {
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let id = self.sets.push(set.clone());
        self.ids.insert(set, id);
        id
    }
}

/// Compiles the pending pods of `views`. O(pods + signatures x options + nodes x kinds).
#[must_use]
pub fn compile(views: &Views<'_>) -> (Problem, Symbols) {
    let snapshot = views.snapshot;
    let mut rules = Rules::new(snapshot, |position, _| views.waits(position));
    let grouping = Grouping::new(
        snapshot,
        &Volumes::new(snapshot),
        &mut rules,
        |position, _| views.waits(position),
    );
    let order = canonical_order(&grouping, snapshot);
    let table = OptionTable::new(
        snapshot,
        &views.pools.templates,
        &views.daemons,
        &views.nodes,
    );

    let mut survey = Survey::default();
    grouping
        .keys
        .iter()
        .for_each(|key| survey.requests(&key.requests));
    table
        .rooms
        .iter()
        .for_each(|room| survey.requests(&room.daemons));
    table.survey(&mut survey);
    nodes::survey(&mut survey, &views.nodes, &views.node_use);
    let units = survey.finish();

    let rows = nodes::destinations(&views.nodes);
    let term_options = grouping.selectors.term_options(&table);
    let by_signature = grouping.selectors.signature_options(&table, &term_options);
    let nodes_by_signature = nodes::signature_nodes(&grouping.selectors, &rows, &views.nodes);
    let (states, initial) = grouping.selectors.states(&table.labels);

    let room_vectors = table.room_vectors(&units);
    let node_rooms = nodes::room_vectors(&rows, &views.nodes, &views.node_use, &units);
    let mut pods = grouping.pods;
    let bases: Vec<Base> = order
        .iter()
        .map(|class| {
            let key = &grouping.keys[*class];
            let mut options = by_signature[key.signature].clone();
            let mut nodes = nodes_by_signature[key.signature].clone();
            if !key.ports.is_empty() {
                for (id, option) in table.options.enumerate() {
                    if clash(&key.ports, &table.rooms[option.room.at()].ports) {
                        options.remove(id);
                    }
                }
                for (id, at) in rows.enumerate() {
                    if clash(&key.ports, &views.node_use.ports[*at as usize]) {
                        nodes.remove(id);
                    }
                }
            }
            Base {
                identity: key.identity,
                options,
                nodes,
                demand: units.demand(&key.requests).collect(),
                ports: key.ports.clone(),
                pods: binding_order(std::mem::take(&mut pods[*class]), snapshot),
            }
        })
        .collect();
    let domains = Domains::new(&rules, &table, &views.nodes);
    let standing = Standing::new(snapshot, &rules, &domains, &views.nodes, &views.node_use);
    let ground = Ground {
        rules: &rules,
        domains: &domains,
        table: &table,
        rooms: &room_vectors,
        view: &views.nodes,
        rows: &rows,
        node_rooms: &node_rooms,
        dims: units.len(),
    };
    let mut parts = ground.assign(&bases, &standing);
    let domain_rules = ground.domain_rules(&bases, &standing);
    let mut hosts = ground.host_rules(&bases, &mut parts, &standing);
    let keys: Vec<&ClassKey> = order.iter().map(|class| &grouping.keys[*class]).collect();
    exclude_ports(&keys, &parts, &mut hosts);
    let mut tables = ClassTables::default();
    for (at, part) in parts.iter_mut().enumerate() {
        let key = keys[part.base];
        let count = part.pods.len() - hosts.bundled[at] as usize;
        tables.demand.extend_from_slice(&bases[part.base].demand);
        tables.requests.push(key.requests.clone());
        tables.pods.push(std::mem::take(&mut part.pods));
        tables.classes.push(Class {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            priority: key.priority,
            signature: key.signature,
            options: tables.option_sets.intern(part.options.clone()),
            nodes: tables.node_sets.intern(part.nodes.clone()),
            excludes: hosts.excludes[at].take(),
            shares: std::mem::take(&mut hosts.shares[at]),
            stands: std::mem::take(&mut part.stands),
            bundle: Vec::new(),
            held_back: part.held_back,
        });
    }
    for bundle in &hosts.bundles {
        tables.push_bundle(bundle, &parts, units.len());
    }
    let ClassTables {
        classes,
        demand,
        option_sets,
        node_sets,
        requests,
        pods,
    } = tables;

    let pools = table.pools();
    let mut pairs = table.pairs;
    for (pair, state) in pairs.iter_mut().zip(initial.iter()) {
        pair.state = *state;
    }
    let problem = Problem {
        dims: units.len(),
        classes,
        demand,
        signatures: grouping.selectors.terms_by_signature(),
        term_options,
        option_sets: option_sets.sets,
        node_sets: node_sets.sets,
        pools,
        pairs,
        options: table.options,
        rooms: room_vectors,
        stocks: table.stocks,
        states,
        nodes: rows
            .iter()
            .map(|at| NodeRow { view: *at })
            .collect::<IxVec<NodeId, NodeRow>>(),
        node_rooms,
        domain_rules,
        standing: hosts.standing,
        node_penalty: snapshot.options.node_penalty,
        min_values_policy: snapshot.options.min_values_policy,
    };
    let symbols = Symbols {
        requests,
        daemons: table.rooms.into_iter().map(|room| room.daemons).collect(),
        pods,
        refused: grouping.refused,
        resources: units.names().to_vec(),
    };
    (problem, symbols)
}

/// The tables of a problem that have a row per class.
struct ClassTables {
    classes: IxVec<ClassId, Class>,
    demand: Vec<i64>,
    option_sets: SetTable<OptionId>,
    node_sets: SetTable<NodeId>,
    requests: IxVec<ClassId, ResourceList>,
    pods: IxVec<ClassId, Vec<u32>>,
}

impl Default for ClassTables {
    fn default() -> Self {
        Self {
            classes: IxVec::new(),
            demand: Vec::new(),
            option_sets: SetTable::new(),
            node_sets: SetTable::new(),
            requests: IxVec::new(),
            pods: IxVec::new(),
        }
    }
}

impl ClassTables {
    /// Adds pods that must share a node as one class: what they ask for together, where all of them suit.
    fn push_bundle(&mut self, bundle: &[(usize, u32)], parts: &[Part], dims: usize) {
        let Some((first, _)) = bundle.first() else {
            return;
        };
        let mut options = parts[*first].options.clone();
        let mut nodes = parts[*first].nodes.clone();
        let mut demand = vec![0i64; dims];
        let mut requests = ResourceList::new();
        let mut excludes: Option<BitSet<ClassId>> = None;
        let mut shares: Vec<HostShare> = Vec::new();
        let mut priority = i32::MIN;
        for (part, count) in bundle {
            let id = ClassId::new(*part);
            options.intersect_with(&parts[*part].options);
            nodes.intersect_with(&parts[*part].nodes);
            for (sum, need) in demand.iter_mut().zip(&self.demand[part * dims..][..dims]) {
                *sum = sum.saturating_add(need.saturating_mul(i64::from(*count)));
            }
            let mut own = self.requests[id].clone();
            for (name, quantity) in self.requests[id].iter() {
                own.set_shared(Name::clone(name), quantity.times(i64::from(*count)));
            }
            requests.add(&own);
            let row = &self.classes[id];
            if let Some(set) = &row.excludes {
                excludes
                    .get_or_insert_with(|| BitSet::new(set.bound()))
                    .union_with(set);
            }
            for share in &row.shares {
                let weight = share.weight.saturating_mul(*count);
                match shares.iter_mut().find(|held| held.group == share.group) {
                    Some(held) => {
                        held.weight = held.weight.saturating_add(weight);
                        held.limit = [held.limit, share.limit].into_iter().flatten().min();
                    }
                    None => shares.push(HostShare { weight, ..*share }),
                }
            }
            priority = priority.max(row.priority);
        }
        self.demand.extend(demand);
        self.requests.push(requests);
        self.pods.push(Vec::new());
        let signature = self.classes[ClassId::new(*first)].signature;
        self.classes.push(Class {
            count: 1,
            priority,
            signature,
            options: self.option_sets.intern(options),
            nodes: self.node_sets.intern(nodes),
            excludes,
            shares,
            stands: Vec::new(),
            bundle: bundle
                .iter()
                .map(|(part, count)| (ClassId::new(*part), *count))
                .collect(),
            held_back: false,
        });
    }
}

/// Classes whose host ports clash cannot share a node (S-110).
fn exclude_ports(keys: &[&ClassKey], parts: &[Part], hosts: &mut HostRules) {
    let with_ports: Vec<usize> = (0..parts.len())
        .filter(|at| !keys[parts[*at].base].ports.is_empty())
        .collect();
    for a in &with_ports {
        for b in &with_ports {
            if clash(&keys[parts[*a].base].ports, &keys[parts[*b].base].ports) {
                let bound = parts.len();
                let set = hosts.excludes[*a].get_or_insert_with(|| BitSet::new(bound));
                set.insert(ClassId::new(*b));
            }
        }
    }
}

/// Equal pods oldest first, as Karpenter's queue has them (S-61), then by uid and name: who waits longest is placed first,
/// and the order of the input does not show.
fn binding_order(mut pods: Vec<u32>, snapshot: &Snapshot) -> Vec<u32> {
    let key = |at: &u32| {
        let pod = &snapshot.pods[*at as usize];
        (
            pod.created,
            pod.uid.as_ref(),
            pod.namespace.as_ref(),
            pod.name.as_ref(),
        )
    };
    if !pods.is_sorted_by(|a, b| key(a) <= key(b)) {
        pods.sort_by(|a, b| key(a).cmp(&key(b)));
    }
    pods
}

/// The `minValues` of a pool over the options there are (S-55): values are what a type's own requirements list, zones and
/// capacity types those of its available offerings.
#[must_use]
pub fn min_values(template: &Template<'_>, table: &OptionTable<'_>) -> Vec<MinValues> {
    let mut all = Vec::new();
    for asked in template.requirements.iter() {
        let Some(at_least) = asked.min_values().filter(|n| *n > 0) else {
            continue;
        };
        let mut numbers: BTreeMap<Name, u32> = BTreeMap::new();
        let mut values: IxVec<super::PairId, Vec<u32>> =
            IxVec::filled(table.pairs.len(), Vec::new());
        for (pair, row) in table.pairs.enumerate() {
            if !std::ptr::eq(
                &raw const *template.pool,
                table.templates[row.pool.at()].pool,
            ) {
                continue;
            }
            for value in type_values(
                table.instance_type(pair),
                asked.key(),
                row.options.clone(),
                table,
            ) {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                values[pair].push(*numbers.entry(value).or_insert(next));
            }
        }
        let distinct = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        all.push(MinValues {
            at_least,
            values,
            distinct,
        });
    }
    all
}

fn type_values(
    instance_type: &InstanceType,
    key: &str,
    options: std::ops::Range<u32>,
    table: &OptionTable<'_>,
) -> Vec<Name> {
    let offered = || {
        options
            .clone()
            .map(|at| table.places[table.option_places[OptionId::new(at as usize)] as usize])
    };
    let mut values: Vec<Name> = match key {
        label::INSTANCE_TYPE => vec![Name::clone(&instance_type.name)],
        label::ZONE => offered()
            .map(|offering| Name::clone(&offering.zone))
            .collect(),
        label::CAPACITY_TYPE => offered()
            .map(|offering| Name::from(offering.capacity_type.as_str()))
            .collect(),
        key => Requirements::from_specs(&instance_type.requirements)
            .get(key)
            .filter(|held| held.operator() == Operator::In)
            .map(|held| held.values().iter().map(Name::clone).collect())
            .unwrap_or_default(),
    };
    values.sort();
    values.dedup();
    values
}
