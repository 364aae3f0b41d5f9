//! Karpenter's scheduling simulation (D-36..D-46): pods largest first, nodes that exist by name, then claims opened in this
//! simulation, then a new claim of the heaviest pool.
//!
//! A claim keeps all options that hold its pods; where a rule over domains decides, it is pinned to the domain that
//! Karpenter would choose.

use std::collections::BTreeMap;

use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::instance_type::CapacityType;
use crate::model::options::MinValuesPolicy;
use crate::problem::{ClassId, NodeId, OptionId, PoolId, Problem, fits};
use crate::solver::holds::{enough_values, joint_state};
use crate::solver::whatif::topology::Spot;
use crate::solver::whatif::{Slot, World};

use crate::disruption::cluster::Cluster;

/// Where a pod of a simulation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "D-37 names these three")]
pub enum Source {
    /// A candidate.
    Candidate,
    /// A node that is being deleted.
    Deleting,
    /// It waits already.
    Pending,
}

/// A node that the simulation would buy.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenClaim {
    /// Its slot in the world, which holds its pods.
    pub slot: Slot,
    /// Its pool.
    pub pool: PoolId,
    /// The options that hold all of its pods.
    pub options: BitSet<OptionId>,
    /// How many pods it has.
    pub pods: u32,
}

/// Runs simulations on one cluster.
#[derive(Debug)]
pub struct Simulator<'c, 'a> {
    cluster: &'c Cluster<'a>,
    /// The cluster as it stands; between simulations unchanged.
    pub world: World<'c>,
    order: Vec<Slot>,
    /// Pods that are placed whatever goes: of deleting nodes, and pending ones.
    waiting: Vec<(u32, Source, ClassId)>,
    cursors: IxVec<ClassId, Option<u32>>,
    touched: Vec<ClassId>,
    moved: IxVec<ClassId, u32>,
    steady: IxVec<ClassId, bool>,
    pools: Vec<PoolId>,
}

impl<'c, 'a> Simulator<'c, 'a> {
    /// A simulator; `waiting` says which pods wait already, `shut` which nodes take no moved pods (D-46).
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>, shut: &dyn Fn(NodeId) -> bool) -> Self {
        let problem = &cluster.what.problem;
        let world = World::new(&cluster.what);
        let mut order: Vec<NodeId> = problem
            .nodes
            .ids()
            .filter(|node| cluster.node(*node).is_destination() && !shut(*node))
            .collect();
        order.sort_by_key(|node| (!cluster.node(*node).initialized, *node));
        let mut pools: Vec<PoolId> = problem.pools.ids().collect();
        let templates = &cluster.views.pools.templates;
        pools.sort_by(|a, b| {
            let of = |pool: &PoolId| templates[pool.at()].pool;
            (of(b).weight.cmp(&of(a).weight)).then_with(|| of(b).name.cmp(&of(a).name))
        });
        let classes = problem.classes.len();
        let steady = problem
            .classes
            .ids()
            .map(|class| world.counts().is_steady(class));
        Self {
            waiting: waiting(cluster),
            order: order.into_iter().map(Slot::of).collect(),
            cursors: IxVec::filled(classes, None),
            touched: Vec::new(),
            moved: IxVec::filled(classes, 0),
            steady: steady.collect(),
            pools,
            cluster,
            world,
        }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster<'a> {
        self.cluster
    }

    fn problem(&self) -> &'c Problem {
        &self.cluster.what.problem
    }

    /// Takes `nodes` away and places their pods, given by rank and class, with what waits already. At most `limit` claims are opened.
    /// `None` if a pod of the candidates finds no place that counts (D-43, D-44) or more claims were needed. The world
    /// keeps what was placed until the caller takes it back.
    pub fn run(
        &mut self,
        nodes: &[NodeId],
        pods: &[(u32, ClassId)],
        limit: usize,
    ) -> Option<Vec<OpenClaim>> {
        let mut items: Vec<(u32, Source, ClassId)> = pods
            .iter()
            .map(|(rank, class)| (*rank, Source::Candidate, *class))
            .chain(self.waiting.iter().copied())
            .collect();
        items.sort_unstable();
        for (_, _, class) in &items {
            if self.cursors[*class].is_none() {
                self.cursors[*class] = Some(self.first_at_rest(*class));
            }
        }
        for node in nodes {
            self.world.remove(Slot::of(*node));
        }
        let mut claims: Vec<OpenClaim> = Vec::new();
        let mut result = Some(());
        for (_, source, class) in items {
            let done = self.place(class, source, &mut claims, limit);
            if !done && source != Source::Pending {
                result = None;
                break;
            }
        }
        for class in self.touched.drain(..) {
            self.moved[class] = 0;
        }
        result.map(|()| claims)
    }

    fn place(
        &mut self,
        class: ClassId,
        source: Source,
        claims: &mut Vec<OpenClaim>,
        limit: usize,
    ) -> bool {
        if let Some(slot) = self.existing_for(class) {
            let view = self.cluster.node(NodeId::new(slot.at()));
            if source != Source::Deleting && view.claim.is_some() && !view.initialized {
                // D-43: the pod is taken for placed and makes the move fail.
                return false;
            }
            self.world.place(slot, class);
            return true;
        }
        let mut order: Vec<usize> = (0..claims.len()).collect();
        order.sort_by_key(|at| (claims[*at].pods, *at));
        for at in order {
            if self.join(class, &mut claims[at]) {
                return true;
            }
        }
        claims.len() < limit && self.open(class).map(|claim| claims.push(claim)).is_some()
    }

    /// The first node that exists and takes a pod of `class`. Room only shrinks during a simulation, so what was too small
    /// once is not looked at again; nor is what a rule over host names refused.
    fn existing_for(&mut self, class: ClassId) -> Option<Slot> {
        let first = self.cursors[class].unwrap_or(0);
        let moved = self.moved[class];
        if moved == 0 {
            self.touched.push(class);
        }
        let mut at = first.max(moved);
        let steady = self.steady[class];
        let mut held = false;
        while let Some(slot) = self.order.get(at as usize).copied() {
            let roomy = !self.world.is_gone(slot)
                && fits(self.problem().demand_of(class), self.world.room(slot));
            if roomy && self.world.suits(slot, class) {
                if !held {
                    self.moved[class] = at;
                }
                return Some(slot);
            }
            held |= roomy && !steady;
            at += 1;
            if !held {
                self.moved[class] = at;
            }
        }
        None
    }

    /// The first position in the order at which the cluster as it stands takes a pod of `class`, as far as that can only
    /// get worse.
    fn first_at_rest(&self, class: ClassId) -> u32 {
        let problem = self.problem();
        let demand = problem.demand_of(class);
        let nodes = problem.nodes_of(class);
        let steady = self.steady[class];
        let at_rest = |slot: &Slot| {
            let node = NodeId::new(slot.at());
            nodes.contains(node)
                && fits(demand, problem.node_room_of(node))
                && (!steady || self.world.suits(*slot, class))
        };
        let at = self.order.iter().position(at_rest);
        u32::try_from(at.unwrap_or(self.order.len())).unwrap_or(u32::MAX)
    }

    /// What an open claim could still be with one more pod of `class`.
    fn narrowed(&self, class: ClassId, claim: &OpenClaim) -> BitSet<OptionId> {
        let problem = self.problem();
        let mut options = claim.options.clone();
        options.intersect_with(problem.options_of(class));
        let Some(bought) = self.world.bought(claim.slot) else {
            return BitSet::new(options.bound());
        };
        let whole = problem.room_of(problem.options[bought.option].room);
        let needed: Vec<i64> = whole
            .iter()
            .zip(self.world.room(claim.slot))
            .zip(problem.demand_of(class))
            .map(|((whole, left), demand)| whole - left + demand)
            .collect();
        let mut content = self.world.content(claim.slot).to_vec();
        content.push((class, 1));
        self.kept(class, Some(claim.slot), &options, &needed, &content)
    }

    fn kept(
        &self,
        class: ClassId,
        slot: Option<Slot>,
        options: &BitSet<OptionId>,
        needed: &[i64],
        content: &[(ClassId, u32)],
    ) -> BitSet<OptionId> {
        let problem = self.problem();
        let counts = self.world.counts();
        let domains = counts.over_domains(class);
        let mut kept = BitSet::new(options.bound());
        let mut best: Option<(u32, OptionId)> = None;
        let mut known: BTreeMap<u32, bool> = BTreeMap::new();
        for option in options.iter() {
            let row = &problem.options[option];
            let room = u32::try_from(row.room.at()).unwrap_or(u32::MAX);
            let roomy = *known
                .entry(room)
                .or_insert_with(|| fits(needed, problem.room_of(row.room)));
            if !roomy || joint_state(problem, option, content).is_none() {
                continue;
            }
            let spot = Spot {
                slot: slot.map_or(u32::MAX, |slot| slot.0),
                option: Some(option),
            };
            if (domains || kept.is_empty()) && !counts.allows(class, spot) {
                if domains {
                    continue;
                }
                return BitSet::new(options.bound());
            }
            kept.insert(option);
            if domains {
                let key = (counts.crowd(class, option), option);
                if best.is_none_or(|held| key < held) {
                    best = Some(key);
                }
            }
        }
        if let Some((_, chosen)) = best {
            kept.retain(|option| counts.same_domains(class, chosen, option));
        }
        kept
    }

    fn join(&mut self, class: ClassId, claim: &mut OpenClaim) -> bool {
        let shares_ports = self.problem().classes[class].excludes.as_ref();
        let held = self.world.content(claim.slot);
        if shares_ports.is_some_and(|set| held.iter().any(|(other, _)| set.contains(*other))) {
            return false;
        }
        let options = self.narrowed(class, claim);
        if options.is_empty() || !self.keeps_min_values(claim.pool, &options) {
            return false;
        }
        let Some(bought) = self.world.bought(claim.slot) else {
            return false;
        };
        if !options.contains(bought.option)
            || !fits(self.problem().demand_of(class), self.world.room(claim.slot))
        {
            let Some(largest) = self.largest(&options) else {
                return false;
            };
            self.world.swap(claim.slot, largest);
        }
        self.world.place(claim.slot, class);
        claim.options = options;
        claim.pods += 1;
        true
    }

    fn open(&mut self, class: ClassId) -> Option<OpenClaim> {
        let problem = self.problem();
        for pool in self.pools.clone() {
            let mut options = problem.pools[pool].options.clone();
            options.intersect_with(problem.options_of(class));
            options.retain(|option| self.world.allows(option));
            let options = self.kept(
                class,
                None,
                &options,
                problem.demand_of(class),
                &[(class, 1)],
            );
            if options.is_empty() || !self.keeps_min_values(pool, &options) {
                continue;
            }
            let largest = self.largest(&options)?;
            let slot = self.world.buy(largest);
            self.world.place(slot, class);
            return Some(OpenClaim {
                slot,
                pool,
                options,
                pods: 1,
            });
        }
        None
    }

    /// The roomiest option stands for the claim while it is open.
    fn largest(&self, options: &BitSet<OptionId>) -> Option<OptionId> {
        let problem = self.problem();
        options.iter().max_by(|a, b| {
            let room = |option: &OptionId| problem.room_of(problem.options[*option].room);
            room(a).cmp(room(b)).then_with(|| b.cmp(a))
        })
    }

    fn keeps_min_values(&self, pool: PoolId, options: &BitSet<OptionId>) -> bool {
        let problem = self.problem();
        problem.min_values_policy != MinValuesPolicy::Strict
            || enough_values(problem, pool, options)
    }

    /// The capacity type of `option`.
    #[must_use]
    pub fn capacity_type(&self, option: OptionId) -> CapacityType {
        self.cluster.offering(option).1.capacity_type
    }
}

/// Pods that every simulation places: those of deleting nodes, and those that wait.
fn waiting(cluster: &Cluster<'_>) -> Vec<(u32, Source, ClassId)> {
    let mut all = Vec::new();
    let ranks = cluster.what.queue_ranks(cluster.snapshot);
    for (position, class) in cluster.what.class_of.iter().enumerate() {
        let Some(class) = class else { continue };
        let number = u32::try_from(position).unwrap_or(u32::MAX);
        let source = match cluster.views.node_use.node_of.get(number) {
            None => Source::Pending,
            Some(node) if cluster.views.nodes[node as usize].deleting => Source::Deleting,
            Some(_) => continue,
        };
        all.push((ranks[position], source, *class));
    }
    all
}
