//! From a world in which nodes went and pods were placed to a command with names (M-22).

use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::model::pod::Pod;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::command::{self, Command, DisruptionReason, Method};
use crate::plan::decode;
use crate::plan::{ExistingPlacement, PlannedClaim};
use crate::problem::{ClassId, NodeId, OptionId};
use crate::solver::holds::{asks_for_values, enough_values};
use crate::solver::whatif::{Slot, World};
use crate::solver::{Group, Target};

use super::candidate::Candidate;
use super::cluster::Cluster;
use super::pdb::Pdbs;

/// A node to buy, and what else it could be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Purchase {
    /// Its slot in the world.
    pub slot: Slot,
    /// The option it is priced with.
    pub chosen: OptionId,
    /// Options that may be taken instead, the chosen one among them.
    pub allowed: BitSet<OptionId>,
}

/// What a command consists of before names are put to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Draft<'d, 'a> {
    /// Why.
    pub reason: DisruptionReason,
    /// What found it.
    pub method: Method,
    /// Nodes that go.
    pub candidates: Vec<&'d Candidate<'a>>,
    /// Nodes to buy, with the pods they get (positions in the snapshot).
    pub purchases: Vec<(Purchase, Vec<u32>)>,
    /// Existing nodes that get pods.
    pub existing: Vec<(NodeId, Vec<u32>)>,
}

/// Which pods stand for the numbers of a world: those of candidates first, then those that wait.
#[derive(Debug)]
pub struct Dealer<'c, 'a> {
    cluster: &'c Cluster<'a>,
    queues: FastMap<ClassId, Vec<u32>>,
    next: FastMap<ClassId, usize>,
}

impl<'c, 'a> Dealer<'c, 'a> {
    /// Deals the pods of `candidates`; with `waiting` also those of deleting nodes and pending ones.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>, candidates: &[&Candidate<'_>], waiting: bool) -> Self {
        let mut queues: FastMap<ClassId, Vec<u32>> = FastMap::default();
        let mut push = |position: u32| {
            if let Some(class) = cluster.what.class_of[position as usize] {
                queues.entry(class).or_default().push(position);
            }
        };
        candidates
            .iter()
            .flat_map(|c| c.placed.iter().copied())
            .for_each(&mut push);
        let node_of = &cluster.views.node_use.node_of;
        // Pods of deleting nodes before pods that wait.
        for pass in [true, false].into_iter().filter(|_| waiting) {
            for position in
                (0..cluster.what.class_of.len()).map(|at| u32::try_from(at).unwrap_or(u32::MAX))
            {
                let deleting = node_of
                    .get(position)
                    .map(|node| cluster.views.nodes[node as usize].deleting);
                if deleting != Some(false) && (deleting == Some(true)) == pass {
                    push(position);
                }
            }
        }
        Self {
            cluster,
            queues,
            next: FastMap::default(),
        }
    }

    /// The next pods of each class of `content`.
    pub fn deal(&mut self, content: &[(ClassId, u32)]) -> Vec<u32> {
        let mut pods = Vec::new();
        for (class, count) in content {
            let queue = self.queues.get(class).map_or(&[][..], Vec::as_slice);
            let next = self.next.entry(*class).or_insert(0);
            let from = (*next).min(queue.len());
            let to = (from + *count as usize).min(queue.len());
            *next = to;
            pods.extend_from_slice(&queue[from..to]);
        }
        pods
    }

    /// Whether the pod at `position` waits already, so that no command has to move it.
    #[must_use]
    pub fn waits(&self, position: u32) -> bool {
        let node = self.cluster.views.node_use.node_of.get(position);
        node.is_none_or(|node| self.cluster.views.nodes[node as usize].deleting)
    }
}

impl<'d, 'a> Draft<'d, 'a> {
    /// A draft of everything that `world` placed.
    #[must_use]
    pub fn of_world(
        reason: DisruptionReason,
        method: Method,
        candidates: Vec<&'d Candidate<'a>>,
        purchases: Vec<Purchase>,
        cluster: &Cluster<'a>,
        world: &World<'_>,
    ) -> Self {
        let mut dealer = Dealer::new(cluster, &candidates, true);
        let mut existing = Vec::new();
        for slot in world.slots().take(world.existing()) {
            let view = cluster.node(NodeId::new(slot.at()));
            // Such a node takes pods that wait only (D-43), which are dealt last.
            let waiting = view.claim.is_some() && !view.initialized;
            if !waiting && !world.is_gone(slot) && !world.content(slot).is_empty() {
                let mut pods = dealer.deal(world.content(slot));
                pods.retain(|pod| !dealer.waits(*pod));
                existing.push((NodeId::new(slot.at()), pods));
            }
        }
        let purchases = purchases
            .into_iter()
            .map(|purchase| {
                let pods = dealer.deal(world.content(purchase.slot));
                (purchase, pods)
            })
            .collect();
        Self {
            reason,
            method,
            candidates,
            purchases,
            existing,
        }
    }
}

/// Puts names to drafts of one cluster.
#[derive(Debug)]
pub struct Builder<'c, 'a> {
    cluster: &'c Cluster<'a>,
    pdbs: &'c Pdbs<'a>,
}

impl<'c, 'a> Builder<'c, 'a> {
    /// A builder.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>, pdbs: &'c Pdbs<'a>) -> Self {
        Self { cluster, pdbs }
    }

    /// Names `draft`, which `world` holds.
    pub fn command(&self, draft: &Draft<'_, '_>, world: &World<'_>) -> Command {
        let leaving: Vec<u32> = draft
            .candidates
            .iter()
            .flat_map(|c| c.placed.iter().copied())
            .collect();
        let names = |pods: &[u32]| -> Vec<Name> {
            pods.iter()
                .map(|at| Name::from(self.cluster.pod(*at).key()))
                .collect()
        };
        let mut existing_nodes = Vec::new();
        for (node, pods) in draft.existing.iter().filter(|(_, pods)| !pods.is_empty()) {
            let node = Name::clone(&self.cluster.node(*node).name);
            let mut placement = ExistingPlacement::new(node);
            placement.pods = names(pods);
            existing_nodes.push(placement);
        }
        let mut replacements = self.claims(draft, world);
        for (claim, (_, pods)) in replacements.iter_mut().zip(&draft.purchases) {
            claim.pods = names(pods);
        }
        let pods = leaving.iter().map(|at| self.cluster.pod(*at));
        self.finish(draft, existing_nodes, replacements, pods)
    }

    /// Whether the claims of `command`, made from `draft`, list as many values as their pools ask for (S-55): what was
    /// allowed may be more than can be listed beside the chosen option.
    #[must_use]
    pub fn keeps_min_values(&self, draft: &Draft<'_, '_>, command: &Command) -> bool {
        let problem = &self.cluster.what.problem;
        let claims = draft.purchases.iter().zip(&command.replacements);
        claims.into_iter().all(|((purchase, _), claim)| {
            let pool = problem.options[purchase.chosen].pool;
            if !asks_for_values(problem, pool) {
                return true;
            }
            let mut listed = purchase.allowed.clone();
            listed.retain(|option| {
                let name = &self.cluster.offering(option).0.name;
                claim.instance_types.contains(name)
            });
            enough_values(problem, pool, &listed)
        })
    }

    fn finish<'p>(
        &self,
        draft: &Draft<'_, '_>,
        existing_nodes: Vec<ExistingPlacement>,
        replacements: Vec<PlannedClaim>,
        pods: impl Iterator<Item = &'p Pod> + Clone,
    ) -> Command {
        let detail = |candidate: &&Candidate<'_>| {
            let mut detail = command::Candidate::new(
                Name::clone(&self.cluster.node(candidate.node).name),
                Name::clone(&candidate.claim.name),
                Name::clone(&candidate.pool.name),
            );
            detail.price = candidate.price;
            detail
        };
        let candidates = draft.candidates.iter().map(detail).collect();
        let mut command = Command::delete(draft.method, draft.reason, candidates);
        command.price_before = draft.candidates.iter().filter_map(|c| c.price).sum();
        command.price_after = replacements
            .iter()
            .filter_map(|claim| claim.cheapest.price)
            .sum();
        command.evictions = pods.clone().count();
        command.waves = self.pdbs.waves(pods).names();
        command.existing_nodes = existing_nodes;
        command.replacements = replacements;
        let options = &self.cluster.snapshot.options;
        command.net_saving = net_saving(
            options,
            command.price_before - command.price_after,
            command.price_after,
            command.evictions,
        );
        command
    }

    fn claims<'d>(&self, draft: &'d Draft<'_, '_>, world: &World<'_>) -> Vec<PlannedClaim> {
        let cluster = self.cluster;
        let group = |(purchase, _): &'d (Purchase, Vec<u32>)| {
            let group = Group {
                target: Target::Option(purchase.chosen),
                content: world.content(purchase.slot).to_vec(),
                times: 1,
            };
            (group, &purchase.allowed)
        };
        let groups: Vec<_> = draft.purchases.iter().map(group).collect();
        decode::claims(
            &cluster.views,
            &cluster.what.problem,
            &cluster.what.symbols,
            world.stocks(),
            &groups,
        )
    }
}

/// What is saved over the horizon: the saving per hour from when the new nodes run, less both prices until then, less the
/// evictions (M-21).
#[must_use]
pub fn net_saving(
    options: &crate::model::options::Options,
    saving: Price,
    new: Price,
    evictions: usize,
) -> Price {
    let hours = |price: Price, span: crate::base::time::Span| {
        let millis = i128::from(span.as_millis().max(0));
        Price::from_femto(price.as_femto().saturating_mul(millis) / 3_600_000)
    };
    let gained = hours(saving, options.horizon);
    let start = hours(new, options.node_start_time);
    let moved = options
        .eviction_cost
        .times(u64::try_from(evictions).unwrap_or(u64::MAX));
    gained - start - moved
}
