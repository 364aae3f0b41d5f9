//! Our own policy: the whole cluster at once, by what is saved over a horizon after the cost of moving (M-21).
//!
//! One pass: empty nodes go (after their room has been offered to nobody: they have no pods to place); drifted nodes go,
//! oldest first, their pods to nodes that are not drifted (W-23); sick ones that nobody else repairs are replaced; then the [search]. Pods that wait already get
//! the free room they need first and are not mixed in (W-19). The result is cut into commands that do not depend on each
//! other (W-16).

mod alone;
mod bulk;
mod buy;
mod forced;
mod forecast;
pub mod gangs;
pub(crate) mod holds;
mod moves;
pub mod pack;
mod parts;
pub mod places;
mod rebind;
pub mod search;
mod straight;
pub(in crate::disruption) mod wear;

use std::collections::BTreeSet;

use crate::base::index::Ix as _;
use crate::model::resources::Name;
use crate::problem::{ClassId, NodeId};
use crate::solver::whatif::{Slot, World};

use super::DisruptionReason;
use super::budget;
use super::candidate::{Assessor, Candidate, Class};
use super::cluster::Cluster;
use crate::plan::command::{Command, Method};
use gangs::Companies;
use pack::{Allowed, Packer};
use places::Places;
use search::Search;

/// Plans one cluster.
#[derive(Debug)]
pub struct Economic<'c, 'a> {
    cluster: &'c Cluster<'a>,
    assessor: Assessor<'c, 'a>,
    packer: Packer,
    companies: Companies,
}

/// Room that pods which wait already will take.
type Reserved = Vec<Vec<(ClassId, u32)>>;

/// What the search is given.
struct Task<'t, 'a> {
    destinations: &'t [Slot],
    movable: &'t [Candidate<'a>],
    /// Disruptions that pools still allow.
    left: &'t [u32],
    /// What goes whatever it costs.
    gone: &'t [&'t Candidate<'a>],
    /// Slots from here on were bought for what is gone.
    own: usize,
    reserved: &'t Reserved,
}

impl<'c, 'a> Economic<'c, 'a> {
    /// A planner for `cluster`.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>) -> Self {
        Self {
            assessor: Assessor::new(cluster),
            packer: Packer::new(cluster),
            companies: Companies::new(cluster),
            cluster,
        }
    }

    /// Whether no gang runs and no node is sick: Karpenter knows of neither.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.companies.is_empty() && self.assessor.infirmary().is_idle()
    }

    /// Nodes whose free room pods that wait already will take (W-19).
    pub(super) fn reserved_nodes(&self) -> BTreeSet<Name> {
        let mut world = World::new(&self.cluster.what);
        let open = self.destinations(&[]);
        let reserved = self.reserve(&mut world, &open, &self.candidates(Class::Graceful));
        let nodes = self.cluster.views.nodes.iter().zip(reserved);
        nodes
            .filter(|(_, content)| !content.is_empty())
            .map(|(node, _)| Name::clone(&node.name))
            .collect()
    }

    /// Existing nodes that take pods, those of `but` apart.
    fn destinations(&self, but: &[Candidate<'a>]) -> Vec<Slot> {
        let usable = |node: &NodeId| {
            let view = self.cluster.node(*node);
            view.is_destination()
                && (view.claim.is_none() || view.initialized)
                && !but.iter().any(|c| c.node == *node)
                && !self.assessor.infirmary().is_due(*node)
        };
        let nodes = self.cluster.what.problem.nodes.ids();
        nodes.filter(usable).map(Slot::of).collect()
    }

    fn budgets(&self, reason: DisruptionReason, taken: &[u32]) -> Vec<u32> {
        let counts = budget::counts(&self.cluster.views.nodes, |_| false);
        let pools = self.cluster.snapshot.node_pools.iter().zip(taken);
        pools
            .map(|(pool, taken)| {
                let held = counts.get(&pool.name).copied().unwrap_or_default();
                let allowed = budget::allowed(pool, reason, self.cluster.now, held);
                let spare = forecast::spare(self.cluster, pool, reason);
                allowed.nodes.min(spare).saturating_sub(*taken)
            })
            .collect()
    }

    fn pool_at(&self, candidate: &Candidate<'a>) -> usize {
        let pools = &self.cluster.snapshot.node_pools;
        pools
            .iter()
            .position(|pool| std::ptr::eq(&raw const *pool, candidate.pool))
            .unwrap_or(0)
    }

    fn candidates(&self, class: Class) -> Vec<Candidate<'a>> {
        (0..self.cluster.views.nodes.len())
            .map(NodeId::new)
            .filter_map(|node| self.assessor.assess(node, class).ok())
            .collect()
    }

    /// The commands of one pass.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut taken = vec![0u32; self.cluster.snapshot.node_pools.len()];
        let mut world = World::new(&self.cluster.what);
        let drifted = self.all_forced();
        let mut destinations = self.destinations(&drifted.nodes);
        let graceful = self.candidates(Class::Graceful);
        let reserved = self.reserve(&mut world, &destinations, &graceful);

        let empty = self.empty(&graceful, &mut taken, &reserved);
        for candidate in &empty {
            world.remove(Slot::of(candidate.node));
        }
        if !empty.is_empty() {
            commands.push(self.delete_empty(&empty, &world));
        }
        commands.extend(self.repairs(&mut world, &destinations));
        // What was bought so far belongs to commands of its own.
        let own = world.slots().count();
        let reserved: Reserved = world
            .slots()
            .map(|slot| world.content(slot).to_vec())
            .collect();
        let mark = world.mark();
        let before = taken.clone();
        let (mut gone, stuck) = self.drift(&mut world, &drifted, &destinations, own, &mut taken);
        if !stuck.is_empty() {
            // Drifted nodes that have to stay may take pods after all.
            world.undo(mark);
            taken = before;
            destinations.extend(stuck);
            gone = self
                .drift(&mut world, &drifted, &destinations, own, &mut taken)
                .0;
        }

        let movable: Vec<Candidate<'a>> = graceful
            .iter()
            .filter(|c| !world.is_gone(Slot::of(c.node)))
            .filter(|c| {
                !c.pods.is_empty()
                    && c.price.is_some()
                    && self.assessor.not_consolidatable(c).is_none()
                    && self.assessor.not_underutilized(c, true).is_none()
            })
            .cloned()
            .collect();
        let left = self.budgets(DisruptionReason::Underutilized, &taken);
        let pod_moves = self.cluster.snapshot.options.pod_moves;
        let places = if pod_moves {
            destinations.clone()
        } else {
            Vec::new()
        };
        let task = Task {
            destinations: &destinations,
            movable: &movable,
            left: &left,
            gone: &gone,
            own,
            reserved: &reserved,
        };
        // Nodes that are consolidated may share what drifted ones buy, and go under their reason then: if that is more
        // than its budget lets go, they buy for themselves, or stay for now.
        let shared = self.search(&world, &task, own, &movable);
        let (mut state, found) = if self.is_within_drift(&shared.1) {
            shared
        } else {
            let apart = self.search(&world, &task, world.slots().count(), &movable);
            if self.is_within_drift(&apart.1) {
                apart
            } else {
                self.search(&world, &task, own, &[])
            }
        };
        commands.extend(found);
        if pod_moves {
            let mut left = std::mem::take(&mut state.budgets);
            commands.extend(self.single_moves(&mut state.world, &movable, &places, &mut left));
        }
        for (order, command) in commands.iter_mut().enumerate() {
            command.order = u32::from(order > 0 && command.method == Method::Emptiness);
        }
        commands
    }

    /// The best state of the cluster when `movable` may go, and the commands that lead there. Slots from `free` on are
    /// filled and changed.
    fn search(
        &self,
        world: &World<'c>,
        task: &Task<'_, 'a>,
        free: usize,
        movable: &[Candidate<'a>],
    ) -> (search::State<'c>, Vec<Command>) {
        let search = Search::new(
            self.cluster,
            &self.packer,
            &self.companies,
            movable,
            task.destinations.to_vec(),
            free,
        );
        let state = search.run(world, task.left);
        let mut leaving: Vec<&Candidate<'a>> = task.gone.to_vec();
        leaving.extend((task.movable.iter()).filter(|c| state.world.is_gone(Slot::of(c.node))));
        let commands = self.parts(&state.world, &leaving, task.own, task.reserved);
        (state, commands)
    }

    /// Whether each command that drift asks for takes no more nodes than the budgets let go for it.
    fn is_within_drift(&self, commands: &[Command]) -> bool {
        let drift = |command: &&Command| command.reason == DisruptionReason::Drifted;
        if !commands.iter().any(|command| drift(&command)) {
            return true;
        }
        let pools = &self.cluster.snapshot.node_pools;
        let allowed = self.budgets(DisruptionReason::Drifted, &vec![0; pools.len()]);
        pools.iter().zip(allowed).all(|(pool, allowed)| {
            let going = commands.iter().filter(drift).flat_map(|c| &c.candidates);
            let going = going.filter(|c| c.node_pool == pool.name).count();
            going <= allowed as usize
        })
    }

    /// Gives pods that wait already the free room they fit into, so that nobody else plans with it (W-19): on nodes that
    /// hold pods, and only then on `empty` ones.
    fn reserve(
        &self,
        world: &mut World<'c>,
        destinations: &[Slot],
        empty: &[Candidate<'a>],
    ) -> Reserved {
        let node_of = &self.cluster.views.node_use.node_of;
        let mut vacant = vec![false; world.existing()];
        for candidate in empty.iter().filter(|c| c.pods.is_empty()) {
            vacant[candidate.node.at()] = true;
        }
        let (vacant, busy): (Vec<Slot>, Vec<Slot>) =
            destinations.iter().partition(|slot| vacant[slot.at()]);
        let mut busy = Places::new(&self.packer, world, &busy);
        let mut vacant = Places::new(&self.packer, world, &vacant);
        for (position, class) in self.cluster.what.class_of.iter().enumerate() {
            let number = u32::try_from(position).unwrap_or(u32::MAX);
            let waits = node_of
                .get(number)
                .is_none_or(|node| self.cluster.views.nodes[node as usize].deleting);
            if let Some(class) = class.filter(|_| waits) {
                let allowed = Allowed {
                    new: false,
                    spot: false,
                    solver: None,
                    limit: None,
                };
                let mark = world.mark();
                for places in [&mut busy, &mut vacant] {
                    if self.packer.pack(world, &[(class, 1)], places, allowed) {
                        break;
                    }
                    world.undo(mark);
                }
            }
        }
        world
            .slots()
            .map(|slot| world.content(slot).to_vec())
            .collect()
    }

    /// Nodes without pods that move, as far as budgets go, the dearest first (D-31, D-32).
    fn empty<'d>(
        &self,
        candidates: &'d [Candidate<'a>],
        taken: &mut [u32],
        reserved: &Reserved,
    ) -> Vec<&'d Candidate<'a>> {
        let mut left = self.budgets(DisruptionReason::Empty, taken);
        let mut empty: Vec<&Candidate<'a>> = candidates
            .iter()
            .filter(|c| c.pods.is_empty() && reserved[c.node.at()].is_empty())
            .filter(|c| self.assessor.not_consolidatable(c).is_none())
            .collect();
        empty.sort_by(|a, b| b.price.cmp(&a.price).then_with(|| a.node.cmp(&b.node)));
        empty.retain(|candidate| {
            let at = self.pool_at(candidate);
            let some = left[at] > 0;
            if some {
                left[at] -= 1;
                taken[at] += 1;
            }
            some
        });
        empty
    }
}
