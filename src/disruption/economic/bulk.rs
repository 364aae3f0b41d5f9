//! Many plain pods at once: the solver packs them.

use super::pack::{Allowed, Packer};
use crate::base::index::Ix as _;
use crate::model::options::Effort;
use crate::problem::{ClassId, NodeId, OptionId};
use crate::solver::pack::solve_roughly;
use crate::solver::whatif::{Slot, World};
use crate::solver::{Group, Target};

impl Packer {
    /// The solver packs many plain pods, on free room and new nodes.
    pub(super) fn solve(
        &self,
        world: &mut World<'_>,
        items: &[(ClassId, u32)],
        allowed: Allowed,
        effort: Effort,
    ) -> bool {
        let mut problem = world.problem().clone();
        for (class, count) in items {
            problem.classes[*class].count = *count;
        }
        let dims = problem.dims;
        for slot in world.slots().take(world.existing()) {
            let room = &mut problem.node_rooms[slot.at() * dims..][..dims];
            if world.is_gone(slot) {
                room.fill(-1);
            } else {
                room.copy_from_slice(world.room(slot));
            }
        }
        for (stock, left) in problem.stocks.iter_mut().zip(world.stocks()) {
            stock.left = *left;
        }
        if !allowed.spot && self.spot.iter().any(|spot| *spot) {
            let spot: Vec<OptionId> = problem
                .options
                .ids()
                .filter(|option| self.spot[option.at()])
                .collect();
            for set in problem.option_sets.iter_mut() {
                spot.iter().for_each(|option| set.remove(*option));
            }
        }
        let outcome = solve_roughly(&problem, effort);
        if !outcome.unplaced.is_empty() || outcome.score.unknown > 0 {
            return false;
        }
        for Group {
            target,
            content,
            times,
        } in &outcome.groups
        {
            for _ in 0..*times {
                let slot = match target {
                    Target::Node(node) => Slot::of(NodeId::new(node.at())),
                    Target::Option(option) => world.buy(*option),
                };
                for (class, count) in content {
                    world.place_many(slot, *class, *count);
                }
            }
        }
        true
    }
}
