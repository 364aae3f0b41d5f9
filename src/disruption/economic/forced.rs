//! Nodes that go whatever it costs: drifted ones, those whose life ends, and sick ones that nobody else repairs.

use super::gangs::Companies;
use super::pack::Allowed;
use super::places::Places;
use super::{Economic, Reserved};
use crate::base::index::Ix as _;
use crate::base::time::Timestamp;
use crate::disruption::DisruptionReason;
use crate::disruption::build::{Builder, Dealer, Draft, Purchase};
use crate::disruption::candidate::{Candidate, Class, drifted_since};
use crate::model::node_claim::NodeClaim;
use crate::plan::command::{Command, Method};
use crate::problem::NodeId;
use crate::solver::whatif::{Slot, World};

/// Any place, at any price.
const ANYWHERE: Allowed = Allowed {
    new: true,
    spot: true,
    solver: None,
    limit: None,
};

/// Forced nodes and, of those that hold pods of a gang, the nodes that go along.
#[derive(Debug, Default)]
pub(super) struct Forced<'a> {
    /// In the order in which they are asked for.
    pub nodes: Vec<Candidate<'a>>,
    /// Nodes that are not forced themselves.
    pub along: Vec<Candidate<'a>>,
}

impl<'a> Forced<'a> {
    fn find(&self, slot: Slot) -> Option<&Candidate<'a>> {
        let here = |c: &&Candidate<'a>| Slot::of(c.node) == slot;
        self.nodes.iter().chain(&self.along).find(here)
    }

    /// The candidates that go with `candidate`; `None` where part of a gang would have to stay.
    fn group<'d>(
        &'d self,
        companies: &Companies,
        candidate: &'d Candidate<'a>,
    ) -> Option<Vec<&'d Candidate<'a>>> {
        let slots = companies.whole(&[Slot::of(candidate.node)]);
        // A gang that requires one domain has no place that could be proven beforehand (H-55).
        companies.moved(&slots)?;
        slots.iter().map(|slot| self.find(*slot)).collect()
    }
}

impl<'c, 'a> Economic<'c, 'a> {
    /// Why `candidate` goes whatever it costs: it is drifted, or its life ends before a new node could start (W-22).
    pub(super) fn forced(&self, candidate: &Candidate<'_>) -> Option<DisruptionReason> {
        let dynamic = candidate.pool.replicas.is_none();
        self.due(candidate.claim).filter(|_| dynamic)
    }

    fn due(&self, claim: &NodeClaim) -> Option<DisruptionReason> {
        if drifted_since(claim).is_some() {
            return Some(DisruptionReason::Drifted);
        }
        let start = self.cluster.snapshot.options.node_start_time;
        let end = claim.created?.plus(claim.expire_after?);
        (self.cluster.now < end && self.cluster.now.plus(start) >= end)
            .then_some(DisruptionReason::Expired)
    }

    /// Nodes that drifted or expire: empty ones first, then those that drifted first.
    pub(super) fn all_forced(&self) -> Forced<'a> {
        let mut drifted: Vec<(Timestamp, Candidate<'a>)> = Vec::new();
        let mut along = Vec::new();
        let nodes = (0..self.cluster.views.nodes.len()).map(NodeId::new);
        let concerned = |node: &NodeId| {
            let due = |claim| self.due(claim).is_some();
            self.cluster.node(*node).claim.is_some_and(due)
                || self.companies.of(Slot::of(*node)).is_some()
        };
        for node in nodes.filter(concerned) {
            let Ok(candidate) = self.assessor.assess(node, Class::Eventual) else {
                continue;
            };
            if self.forced(&candidate).is_some() {
                let since = drifted_since(candidate.claim).unwrap_or(self.cluster.now);
                drifted.push((since, candidate));
            } else if self.companies.of(Slot::of(candidate.node)).is_some() {
                along.push(candidate);
            }
        }
        drifted.sort_by(|a, b| {
            (!a.1.pods.is_empty(), a.0, a.1.node).cmp(&(!b.1.pods.is_empty(), b.0, b.1.node))
        });
        Forced {
            nodes: drifted.into_iter().map(|(_, c)| c).collect(),
            along,
        }
    }

    /// Takes drifted nodes away as far as budgets go and places exist (D-90), with the nodes that gangs bind to them: those
    /// that went, and those whose pods have no other place. Slots from `own` on may be filled.
    pub(super) fn drift<'d>(
        &self,
        world: &mut World<'c>,
        forced: &'d Forced<'a>,
        destinations: &[Slot],
        own: usize,
        taken: &mut [u32],
    ) -> (Vec<&'d Candidate<'a>>, Vec<Slot>) {
        let mut left = self.budgets(DisruptionReason::Drifted, taken);
        let mut gone = Vec::new();
        let mut stuck = Vec::new();
        for candidate in &forced.nodes {
            let slot = Slot::of(candidate.node);
            if world.is_gone(slot) || destinations.contains(&slot) {
                continue;
            }
            let Some(group) = forced.group(&self.companies, candidate) else {
                stuck.push(slot);
                continue;
            };
            let budgeted = self.forced(candidate) == Some(DisruptionReason::Drifted);
            let mut after = left.clone();
            let spent = group.iter().all(|member| {
                let held = &mut after[self.pool_at(member)];
                let some = *held > 0 || !budgeted;
                *held = held.saturating_sub(u32::from(budgeted));
                some
            });
            let blocked = group.iter().any(|c| world.is_gone(Slot::of(c.node)));
            if !spent || blocked {
                continue;
            }
            if self.leave(world, &group, destinations, own) {
                left = after;
                for member in group {
                    taken[self.pool_at(member)] += 1;
                    gone.push(member);
                }
            } else {
                stuck.push(slot);
            }
        }
        (gone, stuck)
    }

    /// Takes `group` out of the world and finds places for its pods, on `destinations` and on slots from `own` on.
    fn leave(
        &self,
        world: &mut World<'c>,
        group: &[&Candidate<'a>],
        destinations: &[Slot],
        own: usize,
    ) -> bool {
        let mut content = Vec::new();
        for candidate in group {
            match candidate.content.as_ref() {
                Some(own) => content.extend_from_slice(own),
                None => return false,
            }
        }
        let mark = world.mark();
        for candidate in group {
            world.remove(Slot::of(candidate.node));
        }
        let open: Vec<Slot> = destinations
            .iter()
            .copied()
            .chain(world.slots().skip(own))
            .filter(|slot| !world.is_gone(*slot))
            .collect();
        let mut places = Places::new(&self.packer, world, &open);
        let before = world.slots().count();
        let placed = self.packer.pack(world, &content, &mut places, ANYWHERE)
            && (world.slots().skip(before))
                .all(|slot| self.packer.leaves_a_choice(world, slot, true, None));
        if !placed {
            world.undo(mark);
        }
        placed
    }

    /// Sick nodes that nobody else repairs, one command each: the successor is bought first, then the NodeClaim is deleted
    /// and drained by force (D-102), so there are no waves. Neither budgets nor PDBs bind it, and a gang on a sick node
    /// has been stopped already.
    pub(super) fn repairs(&self, world: &mut World<'c>, destinations: &[Slot]) -> Vec<Command> {
        let builder = Builder::new(self.cluster, self.assessor.pdbs());
        let mut commands = Vec::new();
        for node in self.assessor.infirmary().due() {
            let Ok(candidate) = self.assessor.assess(node, Class::Forced) else {
                continue;
            };
            let before: Reserved = world
                .slots()
                .map(|slot| world.content(slot).to_vec())
                .collect();
            let slots = world.slots().count();
            if !self.leave(world, &[&candidate], destinations, slots) {
                continue;
            }
            let mut dealer = Dealer::new(self.cluster, &[&candidate], false);
            let mut existing = Vec::new();
            for slot in world.slots().take(world.existing()) {
                let added = super::parts::less(world.content(slot), &before[slot.at()]);
                if !world.is_gone(slot) && !added.is_empty() {
                    existing.push((NodeId::new(slot.at()), dealer.deal(&added)));
                }
            }
            let mut purchases = Vec::new();
            for slot in world.slots().skip(slots) {
                let Some(bought) = world.bought(slot) else {
                    continue;
                };
                let mut allowed = world.alternatives(slot, world.stocks());
                allowed.insert(bought.option);
                let purchase = Purchase {
                    slot,
                    chosen: bought.option,
                    allowed,
                };
                purchases.push((purchase, dealer.deal(world.content(slot))));
            }
            let draft = Draft {
                reason: DisruptionReason::Unhealthy,
                method: Method::Repair,
                candidates: vec![&candidate],
                purchases,
                existing,
            };
            let mut command = builder.command(&draft, world);
            if !builder.keeps_min_values(&draft, &command) {
                continue;
            }
            command.waves.clear();
            commands.push(command);
        }
        commands
    }
}
