//! Karpenter's methods: what v1.13 decides, or v1.14 (`karpenter-head`), each from the same start.
//!
//! Order of candidates, budgets, the prefixes of the multi-node search and all price rules are Karpenter's; where it breaks
//! ties by chance, names decide. Preferences are not followed, so a move that Karpenter gives up for one is found here.

pub mod balanced;
mod fixed;
pub mod price;
pub mod simulate;

use std::collections::BTreeMap;

use super::DisruptionReason;
use super::budget;
use super::build::{Builder, Draft, Purchase};
use super::candidate::{Assessor, Candidate, Class, drifted_since};
use super::cluster::Cluster;
use crate::base::index::Ix as _;
use crate::model::node_pool::ConsolidationPolicy;
use crate::model::resources::Name;
use crate::plan::command::{Command, Method};
use crate::problem::NodeId;
use crate::solver::whatif::World;
use balanced::Totals;
use price::{Found, SpotRule, cheapest, consolidation, keep_reserved, simulate};
use simulate::{OpenClaim, Simulator};

/// The longest prefix that the multi-node search tries first, as an index (D-62): 101 nodes in effect (D-66).
const BATCH: usize = 100;

/// Which Karpenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// v1.13.
    V113,
    /// About v1.14.
    Head,
}

/// Karpenter's five methods on one cluster.
#[derive(Debug)]
pub struct Karpenter<'c, 'a> {
    cluster: &'c Cluster<'a>,
    assessor: Assessor<'c, 'a>,
    version: Version,
}

/// Remaining disruptions by pool.
type Budgets = BTreeMap<Name, u32>;

impl<'c, 'a> Karpenter<'c, 'a> {
    /// The methods of `version`. A cluster with a pool of policy `Balanced` is one of v1.14, whatever is asked for: v1.13
    /// does not let such a pool exist.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>, version: Version) -> Self {
        let balanced = |pool: &crate::model::node_pool::NodePool| {
            pool.consolidation_policy == ConsolidationPolicy::Balanced
        };
        let head = cluster.snapshot.node_pools.iter().any(balanced);
        Self {
            cluster,
            assessor: Assessor::new(cluster),
            version: if head { Version::Head } else { version },
        }
    }

    /// The command of each method that has one, in the order in which Karpenter runs them (D-3). It would carry out the
    /// first alone.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.found(usize::MAX)
    }

    /// The first of them, without running the methods behind the one that has it.
    #[must_use]
    pub fn first(&self) -> Option<Command> {
        self.found(1).into_iter().next()
    }

    /// The commands of the methods in their order, until there are `enough`.
    fn found(&self, enough: usize) -> Vec<Command> {
        let mut commands = Vec::new();
        let graceful = self.candidates(Class::Graceful);
        commands.extend(self.emptiness(&graceful));
        if commands.len() < enough {
            let eventual = self.candidates(Class::Eventual);
            let drifted = self.drifted(&eventual, true);
            commands.extend(fixed::replace(self.cluster, &self.builder(), &drifted));
            if commands.len() < enough {
                commands.extend(self.drift(&eventual));
            }
        }
        if commands.len() < enough {
            let eligible = self.underutilized(&graceful);
            commands.extend(self.multi(&eligible, &graceful));
            if commands.len() < enough {
                commands.extend(self.single(&eligible, &graceful));
            }
        }
        commands
    }

    /// The candidates of a class; eventually only drifted nodes go.
    fn candidates(&self, class: Class) -> Vec<Candidate<'a>> {
        let concerned = |node: &NodeId| {
            let claim = self.cluster.node(*node).claim;
            class != Class::Eventual || claim.is_some_and(|claim| drifted_since(claim).is_some())
        };
        let nodes = (0..self.cluster.views.nodes.len()).map(NodeId::new);
        let mut all: Vec<Candidate<'a>> = nodes
            .filter(concerned)
            .filter_map(|node| self.assessor.assess(node, class).ok())
            .collect();
        all.sort_by(|a, b| {
            self.key(a)
                .total_cmp(&self.key(b))
                .then_with(|| a.node.cmp(&b.node))
        });
        all
    }

    /// What candidates are sorted by, ascending (D-16, D-19).
    fn key(&self, candidate: &Candidate<'_>) -> f64 {
        match self.version {
            Version::V113 => candidate.disruption_cost,
            Version::Head => {
                let price = candidate
                    .price
                    .map_or(0.0, crate::model::price::Price::as_f64);
                -(price / candidate.reschedule_cost)
            }
        }
    }

    fn is_empty(&self, candidate: &Candidate<'_>) -> bool {
        match self.version {
            Version::V113 => candidate.pods.is_empty(),
            Version::Head => candidate.reschedule_cost <= 1.0,
        }
    }

    fn budgets(&self, reason: DisruptionReason) -> Budgets {
        let counts = budget::counts(&self.cluster.views.nodes, |_| false);
        self.cluster
            .snapshot
            .node_pools
            .iter()
            .map(|pool| {
                let held = counts.get(&pool.name).copied().unwrap_or_default();
                let allowed = budget::allowed(pool, reason, self.cluster.now, held);
                (Name::clone(&pool.name), allowed.nodes)
            })
            .collect()
    }

    fn emptiness(&self, candidates: &[Candidate<'a>]) -> Option<Command> {
        let mut budgets = self.budgets(DisruptionReason::Empty);
        let taken: Vec<&Candidate<'a>> = candidates
            .iter()
            .filter(|c| self.is_empty(c) && self.assessor.not_consolidatable(c).is_none())
            .filter(|c| spend(&mut budgets, c))
            .collect();
        (!taken.is_empty()).then(|| {
            let world = World::new(&self.cluster.what);
            let draft = Draft::of_world(
                DisruptionReason::Empty,
                Method::Emptiness,
                taken,
                Vec::new(),
                self.cluster,
                &world,
            );
            self.builder().command(&draft, &world)
        })
    }

    fn builder(&self) -> Builder<'_, 'a> {
        Builder::new(self.cluster, self.assessor.pdbs())
    }

    fn drifted<'d>(&self, candidates: &'d [Candidate<'a>], fixed: bool) -> Vec<&'d Candidate<'a>> {
        let mut drifted: Vec<(bool, crate::base::time::Timestamp, &Candidate<'a>)> = candidates
            .iter()
            .filter(|c| c.pool.replicas.is_some() == fixed)
            .filter_map(|c| drifted_since(c.claim).map(|since| (!c.pods.is_empty(), since, c)))
            .collect();
        drifted.sort_by_key(|(busy, since, candidate)| (*busy, *since, candidate.node));
        drifted.into_iter().map(|(_, _, c)| c).collect()
    }

    /// Drifted nodes one by one, empty ones first, then those that drifted first (D-90).
    fn drift(&self, candidates: &[Candidate<'a>]) -> Option<Command> {
        let budgets = self.budgets(DisruptionReason::Drifted);
        let mut simulator = Simulator::new(self.cluster, &|_| false);
        for candidate in self.drifted(candidates, false) {
            if budgets
                .get(&candidate.pool.name)
                .is_none_or(|left| *left == 0)
            {
                continue;
            }
            let mark = simulator.world.mark();
            if let Some(mut claims) = simulate(&mut simulator, &[candidate], usize::MAX) {
                claims
                    .iter_mut()
                    .for_each(|claim| keep_reserved(&simulator, claim));
                return Some(self.command(
                    DisruptionReason::Drifted,
                    Method::Drift,
                    vec![candidate],
                    &Found { claims },
                    &mut simulator,
                ));
            }
            simulator.world.undo(mark);
        }
        None
    }

    /// What multi-node and single-node look at (D-30). Empty nodes are among them for v1.13: they take their turn and are
    /// passed over.
    fn underutilized<'d>(&self, candidates: &'d [Candidate<'a>]) -> Vec<&'d Candidate<'a>> {
        let head = self.version == Version::Head;
        candidates
            .iter()
            .filter(|c| {
                (self.version == Version::V113 || !self.is_empty(c))
                    && self.assessor.not_consolidatable(c).is_none()
                    && self.assessor.not_underutilized(c, head).is_none()
            })
            .collect()
    }

    fn spot_rule(&self) -> SpotRule {
        let options = &self.cluster.snapshot.options;
        SpotRule {
            allowed: options.feature_gates.spot_to_spot_consolidation,
            types: options.spot_to_spot_min_types,
        }
    }

    /// A simulator for consolidation: v1.14 moves no pods to nodes within `consolidateAfter` (D-46).
    fn simulator(&self) -> Simulator<'c, 'a> {
        let shut = |node: NodeId| {
            if self.version == Version::V113 {
                return false;
            }
            let view = self.cluster.node(node);
            let after = self
                .cluster
                .pool_of(node)
                .and_then(|pool| pool.consolidate_after);
            let (Some(claim), Some(after)) = (view.claim, after) else {
                return false;
            };
            let initialized = claim
                .conditions
                .iter()
                .find(|c| c.kind.as_ref() == "Initialized" && c.status.as_ref() == "True")
                .and_then(|c| c.last_transition);
            let since = claim.last_pod_event.or(initialized);
            view.initialized
                && after != crate::base::time::Span::ZERO
                && since.is_some_and(|since| since.plus(after) > self.cluster.now)
        };
        Simulator::new(self.cluster, &shut)
    }

    /// The longest prefix that is valid, by bisection (D-61..D-64).
    fn multi(&self, eligible: &[&Candidate<'a>], all: &[Candidate<'a>]) -> Option<Command> {
        let mut budgets = self.budgets(DisruptionReason::Underutilized);
        let taken: Vec<&Candidate<'a>> = eligible
            .iter()
            .copied()
            .filter(|c| !self.is_empty(c) && spend(&mut budgets, c))
            .collect();
        if taken.len() < 2 {
            return None;
        }
        let totals = Totals::new(self.cluster, all);
        let mut simulator = self.simulator();
        let mut probe = |length: usize, keep: bool| {
            let prefix = &taken[..length];
            let mark = simulator.world.mark();
            let found = consolidation(&mut simulator, prefix, self.spot_rule())
                .filter(|found| totals.approve(self.cluster, prefix, found));
            let command = found.as_ref().filter(|_| keep).map(|found| {
                self.command(
                    DisruptionReason::Underutilized,
                    Method::Multi,
                    prefix.to_vec(),
                    found,
                    &mut simulator,
                )
            });
            simulator.world.undo(mark);
            (found.is_some(), command)
        };
        let (mut low, mut high) = (1, BATCH.min(taken.len() - 1));
        let mut best = None;
        while low <= high {
            let middle = usize::midpoint(low, high);
            if probe(middle + 1, false).0 {
                best = Some(middle + 1);
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        best.and_then(|length| probe(length, true).1)
    }

    /// The first candidate that can be consolidated alone, pools taking turns (D-68..D-70).
    fn single(&self, eligible: &[&Candidate<'a>], all: &[Candidate<'a>]) -> Option<Command> {
        let budgets = self.budgets(DisruptionReason::Underutilized);
        let totals = Totals::new(self.cluster, all);
        let mut simulator = self.simulator();
        for candidate in interleaved(eligible) {
            let left = budgets.get(&candidate.pool.name).copied().unwrap_or(0);
            if left == 0 || self.is_empty(candidate) || !totals.worth_a_look(candidate) {
                continue;
            }
            let mark = simulator.world.mark();
            let found = consolidation(&mut simulator, &[candidate], self.spot_rule());
            if let Some(found) = found
                && totals.approve(self.cluster, &[candidate], &found)
            {
                return Some(self.command(
                    DisruptionReason::Underutilized,
                    Method::Single,
                    vec![candidate],
                    &found,
                    &mut simulator,
                ));
            }
            simulator.world.undo(mark);
        }
        None
    }

    fn command(
        &self,
        reason: DisruptionReason,
        method: Method,
        candidates: Vec<&Candidate<'a>>,
        found: &Found,
        simulator: &mut Simulator<'c, 'a>,
    ) -> Command {
        let problem = &self.cluster.what.problem;
        let mut purchases = Vec::new();
        for OpenClaim { slot, options, .. } in &found.claims {
            let Some(chosen) = cheapest(problem, options) else {
                continue;
            };
            simulator.world.swap(*slot, chosen);
            purchases.push(Purchase {
                slot: *slot,
                chosen,
                allowed: options.clone(),
            });
        }
        let world = &simulator.world;
        let draft = Draft::of_world(reason, method, candidates, purchases, self.cluster, world);
        self.builder().command(&draft, &simulator.world)
    }
}

/// Takes one disruption from the candidate's pool; false if there is none left.
fn spend(budgets: &mut Budgets, candidate: &Candidate<'_>) -> bool {
    match budgets.get_mut(&candidate.pool.name) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

/// The first of each pool, the second of each pool, and so on; pools in the order of their first candidate's name.
fn interleaved<'d, 'a>(eligible: &[&'d Candidate<'a>]) -> Vec<&'d Candidate<'a>> {
    let mut pools: BTreeMap<&Name, Vec<&'d Candidate<'a>>> = BTreeMap::new();
    for candidate in eligible {
        pools
            .entry(&candidate.pool.name)
            .or_default()
            .push(candidate);
    }
    let longest = pools.values().map(Vec::len).max().unwrap_or(0);
    let turn = |at: usize| pools.values().filter_map(move |list| list.get(at).copied());
    (0..longest).flat_map(turn).collect()
}
