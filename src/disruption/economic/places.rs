//! Where pods of each class may go: lists of slots that are made once and only get shorter.

use super::pack::{Packer, WINDOW};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, NodeId, fits};
use crate::solver::whatif::{Slot, World};

/// Up to how many slots all of them are looked at for every class.
const FEW_SLOTS: usize = 256;

/// What lies below this part of a float is below it whatever rounding did.
const CLEARLY: f64 = 1.0 - 1e-9;

/// Where pods of each class may go, the slots whose free room is worth least first. Lists grow as they are asked for, and
/// are never shorter than what fits: room on a slot only shrinks while they live.
#[derive(Debug, Clone)]
pub struct Places {
    order: Vec<Slot>,
    /// What the room of the first of these was worth when they were sorted, in their order.
    worths: Vec<f64>,
    /// By class: what its requests are worth by the same measure. Less room than that is too little.
    needs: Vec<f64>,
    lists: Vec<List>,
    /// How often slots were added, and so how often something changed for good.
    changes: u32,
}

#[derive(Debug, Clone, Default)]
struct List {
    slots: Vec<Slot>,
    /// How far the order has been looked at.
    next: usize,
    /// The count of changes when the list was last tidied.
    tidied: u32,
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
        let problem = world.problem();
        let need = |class| packer.worth_of_room(problem.demand_of(class)) * CLEARLY;
        Self {
            worths: order.iter().map(|(worth, _)| *worth).collect(),
            needs: problem.classes.ids().map(need).collect(),
            order: order.into_iter().map(|(_, slot)| slot).collect(),
            lists: vec![List::default(); problem.classes.len()],
            changes: 0,
        }
    }

    /// Adds slots that were bought by a step that is kept.
    pub fn extend(&mut self, slots: impl Iterator<Item = Slot>) {
        self.order.extend(slots);
        self.changes += 1;
    }

    /// The slot at position `at` of the list of `class`, as far as it has grown.
    #[must_use]
    pub fn found(&self, class: ClassId, at: usize) -> Option<Slot> {
        self.lists[class.at()].slots.get(at).copied()
    }

    /// Whether there is no place for `class` at all.
    #[must_use]
    pub fn is_none(&self, class: ClassId) -> bool {
        let list = &self.lists[class.at()];
        list.slots.is_empty() && list.next >= self.order.len()
    }

    /// Whether another slot was found for `class`.
    pub fn grow(&mut self, world: &World<'_>, class: ClassId) -> bool {
        let problem = world.problem();
        let demand = problem.demand_of(class);
        let steady = world.counts().is_steady(class);
        let list = &mut self.lists[class.at()];
        if list.next == 0 {
            let need = self.needs[class.at()];
            list.next = self.worths.partition_point(|worth| *worth < need);
        }
        while let Some(slot) = self.order.get(list.next).copied() {
            list.next += 1;
            // A slot that is gone for this trial only counts with the room it had.
            let suits = |slot: Slot| {
                if steady {
                    return world.suits(slot, class);
                }
                match world.bought(slot) {
                    None => problem.nodes_of(class).contains(NodeId::new(slot.at())),
                    Some(bought) => problem.options_of(class).contains(bought.option),
                }
            };
            if fits(demand, world.room(slot)) && suits(slot) {
                list.slots.push(slot);
                return true;
            }
        }
        false
    }

    /// Makes the lists of `content` ready while nothing is on trial: forgets what is gone or full for good, and looks for
    /// enough places.
    pub fn prepare(&mut self, world: &World<'_>, content: &[(ClassId, u32)]) {
        let enough = if self.order.len() <= FEW_SLOTS {
            usize::MAX
        } else {
            2 * WINDOW
        };
        let problem = world.problem();
        for (class, _) in content {
            let list = &mut self.lists[class.at()];
            if list.tidied != self.changes {
                list.tidied = self.changes;
                let demand = problem.demand_of(*class);
                list.slots
                    .retain(|slot| !world.is_gone(*slot) && fits(demand, world.room(*slot)));
            }
            while self.lists[class.at()].slots.len() < enough && self.grow(world, *class) {}
        }
    }
}
