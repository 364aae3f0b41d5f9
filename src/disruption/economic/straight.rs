//! Straight to where a way of several steps ends: one plan in which every pod moves once.

use std::collections::BTreeMap;

use super::Economic;
use crate::base::index::Ix as _;
use crate::disruption::DisruptionReason;
use crate::disruption::build::{Builder, Draft};
use crate::disruption::candidate::{Candidate, Class};
use crate::disruption::cluster::pool_named;
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::Node;
use crate::model::resources::Name;
use crate::plan::command::{Command, Method};
use crate::problem::{ClassId, NodeId, OptionId};
use crate::solver::whatif::{Slot, World};

impl<'c, 'a> Economic<'c, 'a> {
    /// Whether the budgets would let every node that may go do so now.
    pub(in crate::disruption) fn is_unbound(&self) -> bool {
        let pools = self.cluster.snapshot.node_pools.iter();
        let none = vec![0; pools.len()];
        let left = |reason| self.budgets(reason, &none);
        let empty = left(DisruptionReason::Empty);
        let under = left(DisruptionReason::Underutilized);
        pools
            .zip(empty.iter().zip(under))
            .all(|(pool, (empty, under))| {
                let nodes = self.cluster.views.nodes.iter();
                let own = nodes.filter(|node| node.pool.as_ref() == Some(&pool.name));
                own.count() <= (*empty).min(under) as usize
            })
    }

    /// The commands that make this cluster what `end` is; `None` if that is more than one plan may do.
    pub(in crate::disruption) fn straight_to(&self, end: &Snapshot) -> Option<Vec<Command>> {
        let nodes = &self.cluster.views.nodes;
        let stays: BTreeMap<&Name, &Node> = end.nodes.iter().map(|n| (&n.name, n)).collect();
        let known: BTreeMap<&Name, Slot> = (nodes.iter().enumerate())
            .map(|(at, node)| (&node.name, Slot::of(NodeId::new(at))))
            .collect();
        let graceful = self.candidates(Class::Graceful);
        let mut world = World::new(&self.cluster.what);
        let reserved = self.reserve(&mut world, &self.destinations(&[]), &graceful);
        let gone = |name: &Name| !stays.contains_key(name);
        let leaving: Vec<&Candidate<'a>> = graceful
            .iter()
            .filter(|c| gone(&self.cluster.node(c.node).name))
            .collect();
        let all = nodes
            .iter()
            .filter(|node| node.node.is_some() && gone(&node.name));
        if all.count() != leaving.len() {
            return None;
        }
        let (empty, busy): (Vec<_>, Vec<_>) = leaving.into_iter().partition(|c| c.pods.is_empty());
        for candidate in empty.iter().chain(&busy) {
            let slot = Slot::of(candidate.node);
            let kept = !reserved[candidate.node.at()].is_empty();
            if kept || self.forced(candidate).is_some() {
                return None;
            }
            world.remove(slot);
        }
        let own = world.slots().count();
        let mut slots = known.clone();
        for node in end.nodes.iter().filter(|n| !known.contains_key(&n.name)) {
            let option = self.option_of(node)?;
            if !world.allows(option) {
                return None;
            }
            slots.insert(&node.name, world.buy(option));
        }
        self.arrive(&mut world, &busy, end, &slots)?;
        let mut commands = Vec::new();
        if !empty.is_empty() {
            commands.push(self.delete_empty(&empty, &world));
        }
        commands.extend(self.parts(&world, &busy, own, &reserved));
        let covered: usize = commands.iter().map(|c| c.candidates.len()).sum();
        (covered == empty.len() + busy.len()).then_some(commands)
    }

    /// Puts the pods of `busy` where `end` has them.
    fn arrive(
        &self,
        world: &mut World<'c>,
        busy: &[&Candidate<'a>],
        end: &Snapshot,
        slots: &BTreeMap<&Name, Slot>,
    ) -> Option<()> {
        let target: BTreeMap<String, &Name> = (end.pods.iter())
            .filter_map(|pod| Some((pod.key(), pod.node_name.as_ref()?)))
            .collect();
        let mut waiting: Vec<(Slot, ClassId)> = Vec::new();
        for position in busy.iter().flat_map(|c| &c.placed) {
            let slot = slots.get(target.get(&self.cluster.pod(*position).key())?)?;
            waiting.push((*slot, self.cluster.what.class_of[*position as usize]?));
        }
        world.place_all(&mut waiting, |pod| *pod);
        waiting.is_empty().then_some(())
    }

    /// The option that `node`, launched on the way, was bought by.
    fn option_of(&self, node: &Node) -> Option<OptionId> {
        let labels = &node.labels;
        let pool = pool_named(self.cluster.snapshot, labels.get(label::NODE_POOL)?)?;
        let problem = &self.cluster.what.problem;
        problem.options.ids().find(|option| {
            let (kind, offering) = self.cluster.offering(*option);
            let of = problem.options[*option].pool;
            let template = &self.cluster.views.pools.templates[of.at()];
            template.pool.name == pool.name
                && labels.get(label::INSTANCE_TYPE) == Some(kind.name.as_ref())
                && labels.get(label::ZONE) == Some(offering.zone.as_ref())
                && labels.get(label::CAPACITY_TYPE) == Some(offering.capacity_type.as_str())
                && labels.get(label::RESERVATION_ID) == offering.reservation_id.as_deref()
                && labels.get(label::INSTANCE_GROUP) == offering.instance_group.as_deref()
        })
    }

    /// The command that deletes nodes without pods.
    pub(super) fn delete_empty(&self, empty: &[&Candidate<'a>], world: &World<'_>) -> Command {
        let draft = Draft {
            reason: DisruptionReason::Empty,
            method: Method::Emptiness,
            candidates: empty.to_vec(),
            purchases: Vec::new(),
            existing: Vec::new(),
        };
        let builder = Builder::new(self.cluster, self.assessor.pdbs());
        builder.command(&draft, world)
    }
}
