//! Single pods that make room for others although their own node stays (W-5), where the embedder allows evictions without
//! a drain ([`Options::pod_moves`](crate::model::options::Options::pod_moves)).
//!
//! A node that stays because of one pod that fits nowhere may still go if a pod elsewhere steps aside. Looked for after
//! everything else, node by node: each of its pods gets free room, or the room that one pod of another node leaves for a
//! third one. Pods under rules between pods, pods of gangs and pods with volumes neither step aside nor are made room for.

use std::collections::{BTreeMap, BTreeSet};

use super::Economic;
use crate::base::index::Ix as _;
use crate::disruption::DisruptionReason;
use crate::disruption::build::{Builder, Draft, net_saving};
use crate::disruption::candidate::{Candidate, do_not_disrupt};
use crate::disruption::cluster::is_reschedulable;
use crate::disruption::karpenter::balanced::Totals;
use crate::disruption::pdb::is_drained;
use crate::model::price::Price;
use crate::plan::command::{Command, Method, Move};
use crate::problem::{ClassId, NodeId, fits};
use crate::solver::whatif::{Slot, World};
use crate::view::gangs::key_of;

/// How many pods step aside for one node at most.
const STEPS: usize = 8;

/// How many pods are looked at in all, at most.
const LOOKS: usize = 4_000_000;

/// A pod that steps aside: its position in the snapshot, from where, to where.
type Step = (u32, Slot, Slot);

/// Which pods may be moved alone, and how many may still be looked at.
struct Alone {
    class_of: Vec<Option<ClassId>>,
    looks: usize,
}

/// Where the pods of a node go.
struct Way {
    places: BTreeMap<NodeId, Vec<u32>>,
    steps: Vec<Step>,
}

impl<'c, 'a> Economic<'c, 'a> {
    /// Commands that need single moves. `world` is the cluster with everything else decided, `left` what budgets still
    /// allow per pool.
    pub(super) fn single_moves(
        &self,
        world: &mut World<'c>,
        movable: &[Candidate<'a>],
        destinations: &[Slot],
        left: &mut [u32],
    ) -> Vec<Command> {
        let totals = Totals::new(self.cluster, movable);
        let positions =
            (0..self.cluster.what.class_of.len()).filter_map(|at| u32::try_from(at).ok());
        let mut alone = Alone {
            class_of: positions.map(|at| self.alone(world, at)).collect(),
            looks: LOOKS,
        };
        let mut commands = Vec::new();
        // Nodes that gave or took a pod: what is known of their content no longer holds.
        let mut touched: BTreeSet<Slot> = BTreeSet::new();
        let mut order: Vec<&Candidate<'a>> = movable.iter().collect();
        order.sort_by_key(|c| (c.placed.len(), std::cmp::Reverse(c.price), c.node));
        for candidate in order {
            let slot = Slot::of(candidate.node);
            let pool = self.pool_at(candidate);
            let free = !world.is_gone(slot) && world.content(slot).is_empty();
            if !free || touched.contains(&slot) || left[pool] == 0 {
                continue;
            }
            let mark = world.mark();
            let Some(way) = self.way(world, candidate, destinations, &mut alone) else {
                world.undo(mark);
                continue;
            };
            let command = self.moving(world, candidate, &way);
            let price = candidate.price.unwrap_or(Price::ZERO).as_f64();
            let approved = totals.approve_prices(&[candidate], price, 0.0);
            if way.steps.is_empty() || command.net_saving <= Price::ZERO || !approved {
                world.undo(mark);
                continue;
            }
            left[pool] -= 1;
            touched.extend(way.steps.iter().flat_map(|(_, from, to)| [*from, *to]));
            commands.push(command);
        }
        commands
    }

    /// Takes the node of `candidate` away and finds a place for each of its pods, the most valuable first.
    fn way(
        &self,
        world: &mut World<'c>,
        candidate: &Candidate<'a>,
        destinations: &[Slot],
        alone: &mut Alone,
    ) -> Option<Way> {
        let mut pods: Vec<(u32, ClassId)> = candidate
            .placed
            .iter()
            .map(|at| Some((*at, alone.class_of[*at as usize]?)))
            .collect::<Option<_>>()?;
        pods.sort_by(|a, b| {
            let value = |class: ClassId| self.packer.value[class.at()];
            value(b.1).total_cmp(&value(a.1)).then_with(|| a.cmp(b))
        });
        let own = Slot::of(candidate.node);
        world.remove(own);
        let open: Vec<Slot> = destinations
            .iter()
            .copied()
            .filter(|slot| !world.is_gone(*slot))
            .collect();
        let mut way = Way {
            places: BTreeMap::new(),
            steps: Vec::new(),
        };
        for (pod, class) in pods {
            let free = self.tightest(world, &open, class, None);
            let place = match free {
                Some(place) => place,
                None => self.make_room(world, &open, class, alone, &mut way.steps)?,
            };
            world.place(place, class);
            let at = NodeId::new(place.at());
            way.places.entry(at).or_default().push(pod);
        }
        Some(way)
    }

    /// The class of the pod at `position`, if it may be moved alone: nothing holds it, and no rule, gang or volume binds it
    /// to others or to a place.
    fn alone(&self, world: &World<'_>, position: u32) -> Option<ClassId> {
        let pod = self.cluster.pod(position);
        let class = self.cluster.what.class_of[position as usize]?;
        let alone = world.counts().is_plain(class)
            && world.problem().classes[class].excludes.is_none()
            && key_of(pod).is_none()
            && pod.spec.volumes.is_empty();
        let evictable = is_reschedulable(pod)
            && is_drained(pod)
            && do_not_disrupt(pod, self.cluster.now).is_none()
            && self.assessor.pdbs().blocks(pod).is_none();
        (alone && evictable).then_some(class)
    }

    /// The open slot with the least room that takes a pod of `class`.
    fn tightest(
        &self,
        world: &World<'_>,
        open: &[Slot],
        class: ClassId,
        but: Option<Slot>,
    ) -> Option<Slot> {
        let fitting = open
            .iter()
            .copied()
            .filter(|slot| Some(*slot) != but && world.fits(*slot, class));
        fitting.min_by(|a, b| {
            let worth = |slot: Slot| self.packer.free_worth(world, slot);
            worth(*a).total_cmp(&worth(*b)).then_with(|| a.cmp(b))
        })
    }

    /// Lets the least valuable pod that will do step aside for one of `class`; the slot where it stood.
    fn make_room(
        &self,
        world: &mut World<'c>,
        open: &[Slot],
        class: ClassId,
        alone: &mut Alone,
        steps: &mut Vec<Step>,
    ) -> Option<Slot> {
        if steps.len() >= STEPS {
            return None;
        }
        let demand = world.problem().demand_of(class);
        let mut found: Vec<(f64, Slot, u32, ClassId)> = Vec::new();
        for slot in open.iter().filter(|slot| world.suits(**slot, class)) {
            for pod in &self.cluster.pods_on[slot.at()] {
                alone.looks = alone.looks.checked_sub(1)?;
                let moved = steps.iter().any(|(moved, ..)| moved == pod);
                let Some(other) = alone.class_of[*pod as usize].filter(|_| !moved) else {
                    continue;
                };
                let freed = world.problem().demand_of(other);
                let room = world.room(*slot).iter().zip(freed);
                let room: Vec<i64> = room.map(|(left, more)| left + more).collect();
                if fits(demand, &room) {
                    found.push((self.packer.value[other.at()], *slot, *pod, other));
                }
            }
        }
        found.sort_by(|a, b| {
            a.0.total_cmp(&b.0)
                .then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
        });
        for (_, slot, pod, other) in found {
            if let Some(to) = self.tightest(world, open, other, Some(slot)) {
                world.lift(slot, other);
                world.place(to, other);
                steps.push((pod, slot, to));
                return Some(slot);
            }
        }
        None
    }

    fn moving(&self, world: &World<'_>, candidate: &Candidate<'a>, way: &Way) -> Command {
        let pdbs = self.assessor.pdbs();
        let places = way.places.iter();
        let draft = Draft {
            reason: DisruptionReason::Underutilized,
            method: Method::Plan,
            candidates: vec![candidate],
            purchases: Vec::new(),
            existing: places.map(|(node, pods)| (*node, pods.clone())).collect(),
        };
        let mut command = Builder::new(self.cluster, pdbs).command(&draft, world);
        let name =
            |slot: &Slot| std::sync::Arc::clone(&self.cluster.node(NodeId::new(slot.at())).name);
        command.moves = way
            .steps
            .iter()
            .map(|(pod, from, to)| Move::new(self.cluster.pod(*pod).key(), name(from), name(to)))
            .collect();
        // Who steps aside goes first, one after the other: the next may take the room that the last one left.
        let mut waves: Vec<Vec<_>> = command.moves.iter().map(|m| vec![m.pod.clone()]).collect();
        waves.append(&mut command.waves);
        command.waves = waves;
        command.evictions += command.moves.len();
        command.net_saving = net_saving(
            &self.cluster.snapshot.options,
            command.price_before - command.price_after,
            command.price_after,
            command.evictions,
        );
        command
    }
}
