//! Where pods end that move: not where the plan says, but where the pod scheduler puts them.
//!
//! A plan packs nodes to the brim, pods of all kinds side by side. The pods that it evicts are made again and bound one by one,
//! each to the emptiest node that it fits (kube-scheduler's default, `LeastAllocated`), so a little is left over on every node,
//! and some pods find no place. In a cluster that stays as it is that is made up for once. Where nodes come and go it is
//! what every plan ends in, and a saving that is smaller is none: there the pods of each part are bound in thought, and what
//! has to be bought for those left over is taken off what the part saves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pack::{Allowed, Packer};
use super::places::Places;
use super::wear::wear_of;
use super::{Economic, Reserved};
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::disruption::candidate::Candidate;
use crate::model::price::Price;
use crate::model::resources::{CPU, MEMORY};
use crate::problem::{ClassId, OptionId};
use crate::solver::whatif::{Mark, Slot, World};

/// A node with the share of it that is free: the emptiest first, of equals the first.
type Place = (i64, Reverse<Slot>);

/// The cluster as the pod scheduler would leave it.
pub(super) struct Rebinding<'c> {
    world: World<'c>,
    /// Nodes that take pods.
    open: Vec<Slot>,
    /// What a node has in all of CPU and memory, by slot.
    totals: Vec<[i64; 2]>,
    /// Which dimensions these are.
    dims: [Option<usize>; 2],
    /// By class: nodes that fitted when they were last looked at. Room only shrinks until a part is taken back.
    places: FastMap<ClassId, BinaryHeap<Place>>,
}

/// A point to come back to.
pub(super) struct Before {
    mark: Mark,
    open: usize,
    slots: usize,
}

impl<'c> Rebinding<'c> {
    /// The cluster before any of `leaving` goes, with what `world` has taken away otherwise; `None` where all of them have been
    /// there for the horizon.
    pub(super) fn of<'a>(
        economic: &Economic<'c, 'a>,
        world: &World<'c>,
        leaving: &[&Candidate<'a>],
        reserved: &Reserved,
    ) -> Option<Self> {
        let cluster = economic.cluster;
        if leaving.iter().all(|one| wear_of(cluster, one) == 0) {
            return None;
        }
        let mut trial = World::new(&cluster.what);
        let mut stays = vec![true; trial.existing()];
        for candidate in leaving {
            stays[candidate.node.at()] = false;
        }
        for slot in trial.slots() {
            if stays[slot.at()] && world.is_gone(slot) {
                trial.remove(slot);
                continue;
            }
            for (class, count) in reserved.get(slot.at()).into_iter().flatten() {
                trial.place_many(slot, *class, *count);
            }
        }
        let units = &cluster.what.units;
        let at = |name: &str| units.names().iter().position(|held| **held == *name);
        let dims = [at(CPU), at(MEMORY)];
        let total = |node: &crate::view::nodes::ExistingNode<'_>| {
            let all: Vec<i64> = units.room(&node.allocatable).collect();
            of_dims(dims, &all)
        };
        Some(Self {
            open: economic.destinations(&[]),
            totals: cluster.views.nodes.iter().map(total).collect(),
            dims,
            world: trial,
            places: FastMap::default(),
        })
    }

    /// Where to come back to.
    pub(super) fn before(&self) -> Before {
        Before {
            mark: self.world.mark(),
            open: self.open.len(),
            slots: self.totals.len(),
        }
    }

    /// Takes back what was bound since.
    pub(super) fn take_back(&mut self, before: &Before) {
        self.world.undo(before.mark);
        self.open.truncate(before.open);
        self.totals.truncate(before.slots);
        self.places.clear();
    }

    /// Takes `candidates` away, whose pods are not looked at: nobody is bound to them any more.
    pub(super) fn leave(&mut self, candidates: &[&Candidate<'_>]) {
        for candidate in candidates {
            self.world.remove(Slot::of(candidate.node));
        }
    }

    /// Takes `candidates` away, buys `bought`, and binds their pods; the price of what has to be bought for those that fit
    /// nowhere, `None` if nothing holds them. O(pods log nodes), and O(nodes) for each class whose places are not known.
    pub(super) fn rebind(
        &mut self,
        packer: &Packer,
        candidates: &[&Candidate<'_>],
        bought: &[OptionId],
    ) -> Option<Price> {
        self.leave(candidates);
        for option in bought {
            self.world.buy(*option);
        }
        self.open_bought();
        let what = self.world.what();
        let pods = candidates.iter().flat_map(|one| &one.placed);
        let mut left: Vec<(ClassId, u32)> = Vec::new();
        for class in pods.map(|pod| what.class_of[*pod as usize]) {
            let class = class?;
            if !self.bind(class) {
                left.push((class, 1));
            }
        }
        let first = self.totals.len();
        if !left.is_empty() {
            let mut none = Places::new(packer, &self.world, &[]);
            let allowed = Allowed {
                new: true,
                spot: true,
                solver: None,
                limit: None,
            };
            if !packer.pack(&mut self.world, &left, &mut none, allowed) {
                return None;
            }
            self.open_bought();
        }
        let more = self.world.slots().skip(first);
        let price = |slot| {
            let bought = self.world.bought(slot)?;
            self.world.problem().options[bought.option].price
        };
        Some(more.filter_map(price).sum())
    }

    /// Nodes that were bought take pods.
    fn open_bought(&mut self) {
        let problem = self.world.problem();
        for slot in self.world.slots().skip(self.totals.len()) {
            if let Some(bought) = self.world.bought(slot) {
                let room = problem.room_of(problem.options[bought.option].room);
                self.totals.push(of_dims(self.dims, room));
                self.open.push(slot);
                self.places.clear();
            }
        }
    }

    /// Binds a pod to the emptiest node that it fits.
    fn bind(&mut self, class: ClassId) -> bool {
        let (world, totals, dims) = (&mut self.world, &self.totals, self.dims);
        let free = |world: &World<'_>, slot: Slot| -> i64 {
            let room = of_dims(dims, world.room(slot));
            let parts = room.iter().zip(&totals[slot.at()]);
            parts
                .map(|(free, total)| match free.checked_mul(10_000) {
                    Some(parts) => parts / (*total).max(1),
                    None => free / (total / 10_000).max(1),
                })
                .sum()
        };
        let places = self.places.entry(class).or_insert_with(|| {
            let fitting = self.open.iter().filter(|slot| world.fits(**slot, class));
            fitting
                .map(|slot| (free(world, *slot), Reverse(*slot)))
                .collect()
        });
        while let Some((known, Reverse(slot))) = places.pop() {
            if !world.fits(slot, class) {
                continue;
            }
            let now = free(world, slot);
            if now < known {
                places.push((now, Reverse(slot)));
                continue;
            }
            world.place(slot, class);
            places.push((free(world, slot), Reverse(slot)));
            return true;
        }
        false
    }
}

/// Those amounts; 0 for a resource that nobody asks for.
fn of_dims(dims: [Option<usize>; 2], amounts: &[i64]) -> [i64; 2] {
    dims.map(|at| at.and_then(|at| amounts.get(at).copied()).unwrap_or(0))
}
