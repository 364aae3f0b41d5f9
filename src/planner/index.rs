//! Free room in a tree, so that the place that a pod takes is found without looking at every node.
//!
//! **Invariant.** Leaf `leaf_of[slot]` holds the free room and the worth of `slot` (nothing for a slot that is closed); an
//! inner node holds the largest room of its leaves in each resource, their least worth and their least slot. So a subtree
//! whose largest room does not hold the pod, or whose least worth and slot are not better than the best so far, need not
//! be entered. What is found depends on rooms and worths only and never on the shape of the tree. Leaves stand in the order
//! of worth that slots had when the tree was last made, which keeps the full and the empty ones apart; a tree that has
//! seen as many changes as it has leaves is made anew.

use crate::problem::fits;

/// The tree.
#[derive(Debug, Default)]
pub(super) struct RoomTree {
    dims: usize,
    leaves: usize,
    /// By tree node, `dims` wide; the root is 1, the leaves come last.
    most: Vec<i64>,
    worth: Vec<f64>,
    least_slot: Vec<u32>,
    leaf_of: Vec<u32>,
    slot_of: Vec<u32>,
    changes: usize,
    stack: Vec<usize>,
}

impl RoomTree {
    /// A tree over slots of which `rooms` and `worths` are given; a closed slot has no worth. O(n log n).
    pub(super) fn new(dims: usize, rooms: &[i64], worths: &[Option<f64>]) -> Self {
        let mut order: Vec<u32> = (0..worths.len()).map(number).collect();
        let key = |slot: &u32| worths[*slot as usize].unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| key(a).total_cmp(&key(b)).then_with(|| a.cmp(b)));
        // Room to grow: nodes that are bought later.
        let leaves = (worths.len() + worths.len() / 4 + 8).next_power_of_two();
        let mut tree = Self {
            dims,
            leaves,
            most: vec![NOTHING; 2 * leaves * dims],
            worth: vec![f64::INFINITY; 2 * leaves],
            least_slot: vec![u32::MAX; 2 * leaves],
            leaf_of: vec![0; worths.len()],
            slot_of: vec![u32::MAX; leaves],
            changes: 0,
            stack: Vec::new(),
        };
        for (leaf, slot) in order.iter().enumerate() {
            tree.leaf_of[*slot as usize] = number(leaf);
            tree.slot_of[leaf] = *slot;
            let room = &rooms[*slot as usize * dims..][..dims];
            tree.write(leaf, *slot, room, worths[*slot as usize]);
        }
        for at in (1..leaves).rev() {
            tree.gather(at);
        }
        tree
    }

    /// Whether the tree is due to be made anew: full, or much changed.
    pub(super) fn is_due(&self, slots: usize) -> bool {
        slots > self.leaves || self.changes > self.leaves
    }

    /// Notes what `slot` has now; a slot that follows the last one is new. Must not be called when [due](Self::is_due).
    /// O(log n).
    pub(super) fn set(&mut self, slot: u32, room: &[i64], worth: Option<f64>) {
        if slot as usize == self.leaf_of.len() {
            let leaf = self.leaf_of.len();
            self.leaf_of.push(number(leaf));
            self.slot_of[leaf] = slot;
        }
        let leaf = self.leaf_of[slot as usize] as usize;
        self.write(leaf, slot, room, worth);
        self.changes += 1;
        let mut at = (self.leaves + leaf) / 2;
        while at > 0 {
            self.gather(at);
            at /= 2;
        }
    }

    /// The slot of least worth, then least number, that has room for `demand` and that `admits` lets through.
    pub(super) fn find(
        &mut self,
        demand: &[i64],
        mut admits: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut best: Option<(f64, u32)> = None;
        let mut stack = std::mem::take(&mut self.stack);
        stack.clear();
        stack.push(1);
        while let Some(at) = stack.pop() {
            let better = best.is_none_or(|(worth, slot)| {
                let order = self.worth[at].total_cmp(&worth);
                order.then_with(|| self.least_slot[at].cmp(&slot)).is_lt()
            });
            if !better || !fits(demand, &self.most[at * self.dims..][..self.dims]) {
                continue;
            }
            if at < self.leaves {
                let (left, right) = (2 * at, 2 * at + 1);
                let left_first = self.worth[left].total_cmp(&self.worth[right]).is_le();
                let (first, second) = if left_first {
                    (left, right)
                } else {
                    (right, left)
                };
                stack.push(second);
                stack.push(first);
                continue;
            }
            let slot = self.slot_of[at - self.leaves];
            if slot != u32::MAX && self.worth[at].is_finite() && admits(slot) {
                best = Some((self.worth[at], slot));
            }
        }
        self.stack = stack;
        best.map(|(_, slot)| slot)
    }

    fn write(&mut self, leaf: usize, slot: u32, room: &[i64], worth: Option<f64>) {
        let at = self.leaves + leaf;
        let cell = &mut self.most[at * self.dims..][..self.dims];
        match worth {
            Some(_) => {
                for (most, have) in cell.iter_mut().zip(room) {
                    *most = (*have).max(0);
                }
            }
            None => cell.fill(NOTHING),
        }
        self.worth[at] = worth.unwrap_or(f64::INFINITY);
        self.least_slot[at] = slot;
    }

    fn gather(&mut self, at: usize) {
        let dims = self.dims;
        let (left, right) = (2 * at, 2 * at + 1);
        for dim in 0..dims {
            self.most[at * dims + dim] =
                self.most[left * dims + dim].max(self.most[right * dims + dim]);
        }
        self.worth[at] = self.worth[left].min(self.worth[right]);
        self.least_slot[at] = self.least_slot[left].min(self.least_slot[right]);
    }
}

/// Less than any pod asks for.
const NOTHING: i64 = i64::MIN;

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// What a look at every slot finds.
    fn plainly(rooms: &[i64], worths: &[Option<f64>], demand: &[i64]) -> Option<u32> {
        let dims = demand.len();
        let open = (0..worths.len()).filter(|at| {
            let room: Vec<i64> = rooms[at * dims..][..dims]
                .iter()
                .map(|r| (*r).max(0))
                .collect();
            worths[*at].is_some() && fits(demand, &room)
        });
        open.min_by(|a, b| {
            let key = |at: &usize| worths[*at].unwrap_or(f64::INFINITY);
            key(a).total_cmp(&key(b)).then_with(|| a.cmp(b))
        })
        .map(number)
    }

    #[test]
    fn it_finds_what_a_look_at_every_slot_finds() {
        for seed in 0..60 {
            let mut rng = Rng::new(seed);
            let slots = usize::try_from(rng.below(40)).unwrap_or(0);
            let mut draw = |most: u64| i64::try_from(rng.below(most)).unwrap_or(0) - 1;
            let mut rooms: Vec<i64> = (0..slots * 2).map(|_| draw(12)).collect();
            let worth = |room: &[i64]| {
                let sum = i32::try_from(room.iter().sum::<i64>()).unwrap();
                (room[0] % 4 != 3).then(|| f64::from(sum))
            };
            let mut worths: Vec<Option<f64>> = rooms.chunks(2).map(worth).collect();
            let mut tree = RoomTree::new(2, &rooms, &worths);
            for _ in 0..80 {
                let demand = [draw(9).max(0), draw(9).max(0)];
                assert_eq!(
                    tree.find(&demand, |_| true),
                    plainly(&rooms, &worths, &demand),
                    "seed {seed}"
                );
                let slot = usize::try_from(draw(slots as u64 + 1) + 1).unwrap_or(0);
                let room = [draw(12), draw(12)];
                if slot < worths.len() {
                    rooms[slot * 2..][..2].copy_from_slice(&room);
                    worths[slot] = worth(&room);
                } else {
                    rooms.extend(room);
                    worths.push(worth(&room));
                }
                if tree.is_due(worths.len()) {
                    tree = RoomTree::new(2, &rooms, &worths);
                } else {
                    let at = slot.min(worths.len() - 1);
                    tree.set(number(at), &room, worths[at]);
                }
            }
        }
    }
}
