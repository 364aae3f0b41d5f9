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
    /// Nodes to buy.
    pub purchases: Vec<Purchase>,
    /// Existing nodes that get pods, with how many of each class.
    pub existing: Vec<(NodeId, Vec<(ClassId, u32)>)>,
}

impl<'d, 'a> Draft<'d, 'a> {
    /// A draft of everything that `world` placed.
    #[must_use]
    pub fn of_world(
        reason: DisruptionReason,
        method: Method,
        candidates: Vec<&'d Candidate<'a>>,
        purchases: Vec<Purchase>,
        world: &World<'_>,
    ) -> Self {
        let existing = world
            .slots()
            .take(world.existing())
            .filter(|slot| !world.is_gone(*slot) && !world.content(*slot).is_empty())
            .map(|slot| (NodeId::new(slot.at()), world.content(slot).to_vec()))
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
    waiting: FastMap<ClassId, Vec<u32>>,
}

impl<'c, 'a> Builder<'c, 'a> {
    /// A builder.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>, pdbs: &'c Pdbs<'a>) -> Self {
        let mut waiting: FastMap<ClassId, Vec<u32>> = FastMap::default();
        let node_of = &cluster.views.node_use.node_of;
        // Pods of deleting nodes before pods that wait: they stand before them in the simulation.
        for pass in [true, false] {
            for (position, class) in cluster.what.class_of.iter().enumerate() {
                let number = u32::try_from(position).unwrap_or(u32::MAX);
                let deleting = node_of
                    .get(&number)
                    .map(|node| cluster.views.nodes[*node as usize].deleting);
                if let Some(class) = class
                    && (deleting == Some(true)) == pass
                    && deleting != Some(false)
                {
                    waiting.entry(*class).or_default().push(number);
                }
            }
        }
        Self {
            cluster,
            pdbs,
            waiting,
        }
    }

    /// Names `draft`; `stocks` is what is left once everything is bought.
    pub fn command(&self, draft: &Draft<'_, '_>, world: &World<'_>) -> Command {
        let mut queues: FastMap<ClassId, Vec<u32>> = FastMap::default();
        let leaving: Vec<u32> = draft
            .candidates
            .iter()
            .flat_map(|c| c.placed.iter().copied())
            .collect();
        for position in &leaving {
            if let Some(class) = self.cluster.what.class_of[*position as usize] {
                queues.entry(class).or_default().push(*position);
            }
        }
        let moving: Vec<(ClassId, usize)> = {
            let mut lengths: Vec<(ClassId, usize)> = Vec::new();
            for position in &leaving {
                if let Some(class) = self.cluster.what.class_of[*position as usize]
                    && !lengths.iter().any(|(held, _)| *held == class)
                {
                    lengths.push((class, queues.get(&class).map_or(0, Vec::len)));
                }
            }
            lengths
        };
        let mut given: FastMap<ClassId, usize> = FastMap::default();
        let mut next = |class: ClassId, count: u32, moved_only: bool| -> Vec<u32> {
            let at = given.entry(class).or_insert(0);
            let from = *at;
            *at += count as usize;
            let moved = queues.get(&class).map_or(&[][..], Vec::as_slice);
            let waits = self.waiting.get(&class).map_or(&[][..], Vec::as_slice);
            let waits = if moved_only { &[][..] } else { waits };
            let all = moved.iter().chain(waits).copied();
            all.skip(from).take(count as usize).collect()
        };
        debug_assert!(moving.iter().all(|(_, n)| *n > 0));
        let name = |position: &u32| Name::from(self.cluster.pod(*position).key());
        let mut existing_nodes = Vec::new();
        for (node, content) in &draft.existing {
            let pods: Vec<Name> = content
                .iter()
                .flat_map(|(class, count)| next(*class, *count, true))
                .map(|position| name(&position))
                .collect();
            if !pods.is_empty() {
                let node = Name::clone(&self.cluster.node(*node).name);
                existing_nodes.push(ExistingPlacement { node, pods });
            }
        }
        let mut replacements = self.claims(draft, world);
        for (claim, purchase) in replacements.iter_mut().zip(&draft.purchases) {
            let content = world.content(purchase.slot);
            claim.pods = content
                .iter()
                .flat_map(|(class, count)| next(*class, *count, false))
                .map(|position| name(&position))
                .collect();
        }
        let pods = leaving.iter().map(|at| self.cluster.pod(*at));
        self.finish(draft, existing_nodes, replacements, pods)
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

    fn claims(&self, draft: &Draft<'_, '_>, world: &World<'_>) -> Vec<PlannedClaim> {
        let cluster = self.cluster;
        let groups: Vec<Group> = draft
            .purchases
            .iter()
            .map(|purchase| Group {
                target: Target::Option(purchase.chosen),
                content: world.content(purchase.slot).to_vec(),
                times: 1,
            })
            .collect();
        let mut claims = decode::claims(
            &cluster.views,
            &cluster.what.problem,
            &cluster.what.symbols,
            world.stocks(),
            &groups,
        );
        for (claim, purchase) in claims.iter_mut().zip(&draft.purchases) {
            let allowed: Vec<_> = purchase
                .allowed
                .iter()
                .map(|option| cluster.offering(option))
                .collect();
            claim
                .instance_types
                .retain(|name| allowed.iter().any(|(kind, _)| kind.name == *name));
            claim
                .zones
                .retain(|zone| allowed.iter().any(|(_, o)| o.zone == *zone));
            claim
                .capacity_types
                .retain(|kind| allowed.iter().any(|(_, o)| o.capacity_type == *kind));
            claim.fallbacks.retain(|fallback| {
                allowed.iter().any(|(kind, o)| {
                    kind.name == fallback.instance_type
                        && o.zone == fallback.zone
                        && o.capacity_type == fallback.capacity_type
                        && o.reservation_id == fallback.reservation_id
                })
            });
        }
        claims
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
