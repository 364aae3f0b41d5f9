//! Where pods of each class may go: lists of slots that are made once and only get shorter.

use super::pack::Packer;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, NodeId, fits};
use crate::solver::whatif::{Slot, World};

/// Up to how many slots all of them are looked at for every class.
const FEW_SLOTS: usize = 256;

/// Where pods of each class may go, the slots whose free room is worth least first. Lists grow as they are asked for, and
/// are never shorter than what fits: room on a slot only shrinks while they live.
#[derive(Debug, Clone)]
pub struct Places {
    order: Vec<Slot>,
    lists: Vec<(Vec<Slot>, usize)>,
}

impl Places {
    /// All of `open`.
    #[must_use]
    pub fn new(packer: &Packer, world: &World<'_>, open: &[Slot]) -> Self {
        let mut order: Vec<(f64, Slot)> = open
            .iter()
            .map(|slot| (packer.free_worth(world, *slot), *slot))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        Self {
            order: order.into_iter().map(|(_, slot)| slot).collect(),
            lists: vec![(Vec::new(), 0); world.problem().classes.len()],
        }
    }

    /// Adds slots that were bought since.
    pub fn extend(&mut self, slots: impl Iterator<Item = Slot>) {
        self.order.extend(slots);
    }

    /// Forgets what is gone or too full for good; `world` must be as planned, not in the middle of a trial.
    pub fn compact(&mut self, world: &World<'_>) {
        let problem = world.problem();
        for (class, (list, _)) in self.lists.iter_mut().enumerate() {
            let demand = problem.demand_of(ClassId::new(class));
            list.retain(|slot| !world.is_gone(*slot) && fits(demand, world.room(*slot)));
        }
    }

    /// The slot at position `at` of the list of `class`, as far as it has grown.
    #[must_use]
    pub fn found(&self, class: ClassId, at: usize) -> Option<Slot> {
        self.lists[class.at()].0.get(at).copied()
    }

    /// Whether another slot was found for `class`.
    pub fn grow(&mut self, world: &World<'_>, class: ClassId) -> bool {
        let problem = world.problem();
        let demand = problem.demand_of(class);
        let steady = world.counts().is_steady(class);
        let (list, next) = &mut self.lists[class.at()];
        while let Some(slot) = self.order.get(*next).copied() {
            *next += 1;
            // A slot that is gone for this trial only counts with the room it had.
            let suits = if steady {
                world.suits(slot, class)
            } else {
                match world.bought(slot) {
                    None => problem.nodes_of(class).contains(NodeId::new(slot.at())),
                    Some(bought) => problem.options_of(class).contains(bought.option),
                }
            };
            if fits(demand, world.room(slot)) && suits {
                list.push(slot);
                return true;
            }
        }
        false
    }

    /// Fills the lists of `content` while nothing is on trial, where that is cheap enough to do for all slots.
    pub fn prepare(&mut self, world: &World<'_>, content: &[(ClassId, u32)]) {
        if self.order.len() <= FEW_SLOTS {
            for (class, _) in content {
                while self.grow(world, *class) {}
            }
        }
    }
}
