//! From views to a problem: the one big translation.
//!
//! Pods are grouped into classes, pools and types multiplied to options, units fixed, terms tested against options and
//! nodes, rules between pods dealt out, and the parts that result become the classes of the [`Problem`]. Names stay in
//! [`Symbols`].

use std::collections::BTreeMap;

use super::classes::{ClassKey, Grouping, canonical_order, clash};
use super::options::OptionTable;
use super::preferences::{Source, Words};
use super::sets::Sets;
use super::tables::ClassTables;
use super::topology::assign::{Base, Ground};
use super::topology::domains::{Domains, Standing};
use super::topology::phases::{level, profiles};
use super::topology::places::shapes;
use super::topology::rules::Rules;
use super::units::{Survey, Units};
use super::{
    MinValues, NodeId, NodeRow, OptionId, Pair, PairId, Problem, SetId, SignatureId, StateId,
    Symbols, TermId, gangs, nodes,
};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix, IxVec};
use crate::explain::reason::Reason;
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::InstanceType;
use crate::model::label;
use crate::model::requirement::{Operator, Requirements};
use crate::model::resources::Name;
use crate::view::attach::Attach;
use crate::view::daemons::{Daemon, daemons};
use crate::view::gangs::Gangs;
use crate::view::nodes::{ExistingNode, existing};
use crate::view::pods::waits;
use crate::view::pools::{Pools, Template};
use crate::view::protection::Protection;
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
    /// Attach limits of volumes.
    pub attach: Attach,
    /// Gangs of pods.
    pub gangs: Gangs,
    /// Pods that may not be moved from nodes that are being deleted (S-6): positions in the snapshot, in order.
    pub held: Vec<(u32, Reason)>,
    /// Labels (key and value) that no new node may have: domains that are kept empty, so that they are none
    /// ([`crate::scheduler::Compiled::without_empty_domains`]).
    pub closed: Vec<(Name, Name)>,
    /// Whether pods are dealt out by turns, everyone counting everyone ([`crate::scheduler::Compiled::by_turns`]).
    pub by_turns: bool,
}

impl<'a> Views<'a> {
    /// Reads the views of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a BTreeMap<Name, ClassCapacity>) -> Self {
        Self::with_moving(snapshot, capacity, |_| false)
    }

    /// Reads the views of `snapshot` for questions in which bound pods move too: the volumes of those that `moves` speaks
    /// of are attached where they run, and need places where they go.
    #[must_use]
    pub fn with_moving(
        snapshot: &'a Snapshot,
        capacity: &'a BTreeMap<Name, ClassCapacity>,
        moves: impl Fn(&crate::model::pod::Pod) -> bool,
    ) -> Self {
        let nodes = existing(snapshot);
        let daemons = daemons(&snapshot.daemon_sets);
        let node_use = nodes::node_use(snapshot, &nodes, &daemons);
        let mut views = Self {
            snapshot,
            pools: Pools::new(snapshot, capacity),
            held: held(snapshot, &nodes, &node_use),
            nodes,
            daemons,
            node_use,
            attach: Attach::default(),
            gangs: Gangs::default(),
            closed: Vec::new(),
            by_turns: false,
        };
        views.gangs = Gangs::new(
            snapshot,
            |position| views.waits(position),
            |position| {
                let at = views.node_use.node_of.get(position)?;
                Some(&views.nodes[at as usize].labels)
            },
        );
        views.attach = Attach::new(
            snapshot,
            &views.nodes,
            views.pools.templates.iter().flat_map(|t| t.types),
            &views.node_use.node_of,
            |position| views.waits(position),
            |position| snapshot.pods.get(position as usize).is_some_and(&moves),
        );
        if !views.attach.is_empty() {
            let rows = views.nodes.iter_mut().zip(&mut views.node_use.used);
            for (at, (node, used)) in rows.enumerate() {
                views.attach.set_node(at, &mut node.allocatable, used);
            }
        }
        views
    }

    /// Whether the pod at `position` waits for a place.
    #[must_use]
    pub fn waits(&self, position: u32) -> bool {
        self.snapshot
            .pods
            .get(position as usize)
            .is_some_and(|pod| {
                let node = self.node_use.node_of.get(position);
                waits(pod, node.is_some_and(|at| self.nodes[at as usize].deleting))
            })
            && self
                .held
                .binary_search_by_key(&position, |(held, _)| *held)
                .is_err()
    }
}

/// The pods that would have to move from nodes that are being deleted, and may not (S-6).
fn held(
    snapshot: &Snapshot,
    nodes: &[ExistingNode<'_>],
    node_use: &nodes::NodeUse,
) -> Vec<(u32, Reason)> {
    if nodes.iter().all(|node| !node.deleting) {
        return Vec::new();
    }
    let protection = Protection::new(snapshot);
    let mut held = Vec::new();
    for (position, pod) in snapshot.pods.iter().enumerate() {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let node = node_use.node_of.get(position);
        let leaving = node.is_some_and(|at| nodes[at as usize].deleting);
        if leaving && waits(pod, true) {
            held.extend(protection.reason(pod).map(|why| (position, why)));
        }
    }
    held
}

/// Compiles the pending pods of `views`. O(pods + signatures x options + nodes x kinds).
#[must_use]
#[expect(clippy::too_many_lines, reason = "one translation, table by table")]
pub fn compile(views: &Views<'_>) -> (Problem, Symbols) {
    let snapshot = views.snapshot;
    let mut rules = Rules::new(snapshot, |position, _| views.waits(position));
    let mut grouping = Grouping::new(
        snapshot,
        &Volumes::new(snapshot),
        &views.attach,
        &views.gangs,
        &mut rules,
        |position, _| views.waits(position),
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
    grouping.refused.extend(views.held.iter().cloned());

    let units = units(views, &grouping, &table);

    let rows = nodes::destinations(&views.nodes);
    let (states, initial) = grouping.selectors.states(&table.labels);

    let room_vectors = table.room_vectors(&units);
    let node_rooms = nodes::room_vectors(&rows, &views.nodes, &views.node_use, &units);
    let term_options = grouping.selectors.term_options(&table);
    let mut sets = Sets::default();
    let (shape_of, shapes) = shapes(&grouping, &order, &units);
    let mut bases = bases(
        views,
        &mut grouping,
        &order,
        &shape_of,
        &table,
        &term_options,
        &rows,
        &mut sets,
    );
    let domains = Domains::new(&rules, &table, &views.nodes);
    let standing = Standing::new(snapshot, &rules, &domains, &views.nodes, &views.node_use);
    let ground = Ground {
        rules: &rules,
        profiles: if views.by_turns {
            level(&rules)
        } else {
            profiles(&rules)
        },
        by_turns: views.by_turns,
        domains: &domains,
        table: &table,
        rooms: &room_vectors,
        view: &views.nodes,
        rows: &rows,
        node_rooms: &node_rooms,
        shapes,
        dims: units.len(),
    };
    ground.narrow(&mut sets, &mut bases, &standing);
    let tallies = ground.tallies(&sets, &bases, &standing);
    let mut parts = ground.assign(&mut sets, &bases, &tallies);
    let domain_rules = ground.domain_rules(&tallies);
    let mut hosts = ground.host_rules(&mut sets, &bases, &mut parts, &standing);
    let keys: Vec<&ClassKey> = order.iter().map(|class| &grouping.keys[*class]).collect();
    let tables = ClassTables::new(
        &keys,
        &grouping.requests,
        &bases,
        &ground.shapes,
        &ground.profiles,
        parts,
        &mut hosts,
        &mut sets,
    );

    let source = Source {
        snapshot,
        table: &table,
        view: &views.nodes,
        rows: &rows,
        node_use: &views.node_use,
    };
    let (preferences, words) = match source.read(&tables.pods) {
        Some((preferences, words)) => (Some(preferences), words),
        None => (None, Words::default()),
    };

    let gangs = gangs::gangs(views, &table, &rows, &tables.members);
    let pools = table.pools();
    let pairs = in_states(table.pairs, &initial);
    let problem = Problem {
        dims: units.len(),
        classes: tables.classes,
        demand: tables.demand,
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
        nodes: rows
            .iter()
            .map(|at| NodeRow { view: *at })
            .collect::<IxVec<NodeId, NodeRow>>(),
        node_rooms,
        domain_rules,
        standing: hosts.standing,
        gangs,
        node_penalty: snapshot.options.node_penalty,
        min_values_policy: snapshot.options.min_values_policy,
        preferences,
    };
    let symbols = Symbols {
        requests: tables.requests,
        daemons: table.rooms.into_iter().map(|room| room.daemons).collect(),
        pods: tables.pods,
        rules_of: tables.identities,
        rule_texts: rules.texts(),
        refused: grouping.refused,
        likings: words.likings,
        soft_rules: words.rules,
        resources: units.names().to_vec(),
        shelf: std::sync::OnceLock::new(),
    };
    (problem, symbols)
}

/// The pairs with the label states that their nodes start in.
pub(super) fn in_states(
    mut pairs: IxVec<PairId, Pair>,
    initial: &IxVec<PairId, StateId>,
) -> IxVec<PairId, Pair> {
    for (pair, state) in pairs.iter_mut().zip(initial.iter()) {
        pair.state = *state;
    }
    pairs
}

/// The resources that pods ask for, with units in which all quantities are whole.
pub(super) fn units(views: &Views<'_>, grouping: &Grouping, table: &OptionTable<'_>) -> Units {
    let mut survey = Survey::default();
    let asked = grouping.requests.iter();
    asked.for_each(|list| survey.requests(list));
    table
        .rooms
        .iter()
        .for_each(|room| survey.requests(&room.daemons));
    table.survey(&mut survey);
    nodes::survey(&mut survey, &views.nodes, &views.node_use);
    survey.finish()
}

/// The classes before rules between pods: what suits them by their selectors, tolerations and host ports.
pub(super) fn bases(
    views: &Views<'_>,
    grouping: &mut Grouping,
    order: &[usize],
    shape_of: &[u32],
    table: &OptionTable<'_>,
    term_options: &IxVec<TermId, BitSet<OptionId>>,
    rows: &IxVec<NodeId, u32>,
    sets: &mut Sets,
) -> Vec<Base> {
    let by_signature: IxVec<SignatureId, (SetId, SetId)> = grouping
        .selectors
        .signature_options(table, term_options)
        .iter()
        .zip(nodes::signature_nodes(&grouping.selectors, rows, &views.nodes).iter())
        .map(|(options, nodes)| {
            let options = sets.options.intern(options.clone());
            (options, sets.nodes.intern(nodes.clone()))
        })
        .collect();
    let mut bases = Vec::with_capacity(order.len());
    for (class, shape) in order.iter().zip(shape_of) {
        let key = &grouping.keys[*class];
        let (mut option_set, mut node_set) = by_signature[key.signature];
        if !key.ports.is_empty() {
            let mut options = sets.options.get(option_set).clone();
            for (id, option) in table.options.enumerate() {
                if clash(&key.ports, &table.rooms[option.room.at()].ports) {
                    options.remove(id);
                }
            }
            let mut nodes = sets.nodes.get(node_set).clone();
            for (id, at) in rows.enumerate() {
                if clash(&key.ports, &views.node_use.ports[*at as usize]) {
                    nodes.remove(id);
                }
            }
            option_set = sets.options.intern(options);
            node_set = sets.nodes.intern(nodes);
        }
        for claim in &key.claims {
            let mut options = sets.options.get(option_set).clone();
            for (id, option) in table.options.enumerate() {
                if views
                    .attach
                    .bars_type(claim, table.instance_type(option.pair))
                {
                    options.remove(id);
                }
            }
            let mut nodes = sets.nodes.get(node_set).clone();
            for (id, at) in rows.enumerate() {
                if views.attach.bars_node(claim, *at as usize) {
                    nodes.remove(id);
                }
            }
            option_set = sets.options.intern(options);
            node_set = sets.nodes.intern(nodes);
        }
        let pods = std::mem::take(&mut grouping.pods[*class]);
        bases.push(Base {
            identity: key.identity,
            options: option_set,
            nodes: node_set,
            shape: *shape,
            ports: key.ports.clone(),
            pods: binding_order(pods, views.snapshot),
        });
    }
    bases
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
        let mut values: IxVec<PairId, Vec<u32>> = IxVec::filled(table.pairs.len(), Vec::new());
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
