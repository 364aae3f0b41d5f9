//! "What if these nodes were gone?" asked thousands of times: a cluster as numbers that changes and is changed back.
//!
//! A [`World`] starts as the snapshot stands. Nodes [go](World::remove), pods are [placed](World::place) on slots (existing
//! nodes, then nodes [bought](World::buy) in the world), and [`undo`](World::undo) takes everything back to a mark. Nothing
//! is compiled again. Rules between pods are counted as pods come and go ([`topology`]).
//!
//! Tests are at least as strict as kube-scheduler's: a domain that could be bought counts as an empty one (S-88), and over
//! host names the least is always 0.

pub mod topology;

use super::holds::{apart, holders, join, joint_state, stock_allows};
use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::problem::whatif::WhatIf;
use crate::problem::{ClassId, NodeId, OptionId, Problem, StateId, fits};
use topology::{Counts, Spot};

/// A place for pods: an existing node (its position in the view), or one bought in the world (after all of those).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a position and nothing else")]
pub struct Slot(pub u32);

impl Slot {
    /// The slot of an existing node.
    #[must_use]
    pub fn of(node: NodeId) -> Self {
        Self(u32::try_from(node.at()).unwrap_or(u32::MAX))
    }

    /// The position.
    #[inline]
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A node bought in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bought {
    /// How.
    pub option: OptionId,
    /// What its undecided labels may still be.
    pub state: StateId,
}

impl Bought {
    /// A node of `option` in `state`.
    #[must_use]
    pub fn new(option: OptionId, state: StateId) -> Self {
        Self { option, state }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Place(Slot, ClassId, u32, StateId),
    Remove(Slot),
    Lift(Slot, ClassId),
    Buy,
    Swap(Slot, Bought),
}

/// A point to come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Mark(usize);

/// A cluster in which nodes go and pods are placed.
#[derive(Debug, Clone)]
pub struct World<'p> {
    what: &'p WhatIf,
    problem: &'p Problem,
    existing: usize,
    rooms: Vec<i64>,
    gone: Vec<bool>,
    bought: Vec<Bought>,
    content: Vec<Vec<(ClassId, u32)>>,
    stocks: Vec<i128>,
    counts: Counts<'p>,
    log: Vec<Step>,
}

impl<'p> World<'p> {
    /// The cluster as the snapshot has it.
    #[must_use]
    pub fn new(what: &'p WhatIf) -> Self {
        let problem = &what.problem;
        let existing = problem.nodes.len();
        Self {
            what,
            problem,
            existing,
            rooms: problem.node_rooms.clone(),
            gone: vec![false; existing],
            bought: Vec::new(),
            content: vec![Vec::new(); existing],
            stocks: problem.stocks.iter().map(|stock| stock.left).collect(),
            counts: Counts::new(&what.between, existing),
            log: Vec::new(),
        }
    }

    /// The same with the pods on nodes that are being deleted counted where they still are: what is to hold at once must
    /// hold beside them.
    #[must_use]
    pub fn beside_departing(what: &'p WhatIf) -> Self {
        let mut world = Self::new(what);
        world.counts = world.counts.with_departing();
        world
    }

    /// The problem behind it.
    #[must_use]
    pub fn problem(&self) -> &'p Problem {
        self.problem
    }

    /// The compiled snapshot behind it.
    #[must_use]
    pub fn what(&self) -> &'p WhatIf {
        self.what
    }

    /// How many nodes exist; slots from here on are bought.
    #[must_use]
    pub fn existing(&self) -> usize {
        self.existing
    }

    /// All slots, gone ones too.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..u32::try_from(self.gone.len()).unwrap_or(u32::MAX)).map(Slot)
    }

    /// Whether the node of `slot` is gone.
    #[inline]
    #[must_use]
    pub fn is_gone(&self, slot: Slot) -> bool {
        self.gone[slot.at()]
    }

    /// How `slot` was bought; `None` for existing nodes.
    #[must_use]
    pub fn bought(&self, slot: Slot) -> Option<Bought> {
        let at = slot.at().checked_sub(self.existing)?;
        self.bought.get(at).copied()
    }

    /// What the world placed on `slot`.
    #[must_use]
    pub fn content(&self, slot: Slot) -> &[(ClassId, u32)] {
        &self.content[slot.at()]
    }

    /// Free room of `slot`.
    #[inline]
    #[must_use]
    pub fn room(&self, slot: Slot) -> &[i64] {
        let dims = self.problem.dims;
        &self.rooms[slot.at() * dims..][..dims]
    }

    /// What the stocks still hold.
    #[must_use]
    pub fn stocks(&self) -> &[i128] {
        &self.stocks
    }

    /// Counts of the rules between pods.
    #[must_use]
    pub fn counts(&self) -> &Counts<'p> {
        &self.counts
    }

    /// A point to come back to.
    pub fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// How many steps have been taken since `mark`.
    #[must_use]
    pub fn steps_since(&self, mark: Mark) -> usize {
        self.log.len().saturating_sub(mark.0)
    }

    /// Takes back everything done since `mark`.
    pub fn undo(&mut self, mark: Mark) {
        while self.log.len() > mark.0 {
            match self.log.pop() {
                None => return,
                Some(Step::Place(slot, class, count, state)) => {
                    self.unplace(slot, class, count, state);
                }
                Some(Step::Remove(slot)) => self.bring_back(slot),
                Some(Step::Lift(slot, class)) => self.give_room(slot, class, -1),
                Some(Step::Buy) => {
                    if let Some(bought) = self.bought.pop() {
                        self.give(bought.option, 1);
                    }
                    self.gone.pop();
                    self.content.pop();
                    let slots = self.gone.len();
                    self.rooms.truncate(slots * self.problem.dims);
                }
                Some(Step::Swap(slot, before)) => self.put_option(slot, before),
            }
        }
    }

    /// Takes the node of `slot` away with all that stands on it. What it used of limits is free again. What the world
    /// placed on it stays listed as its [content](Self::content): the caller finds other places for it.
    pub fn remove(&mut self, slot: Slot) {
        debug_assert!(!self.gone[slot.at()], "a node goes once");
        self.gone[slot.at()] = true;
        if let Some(bought) = self.bought(slot) {
            self.give(bought.option, 1);
        } else {
            let node = NodeId::new(slot.at());
            for (stock, amount) in &self.what.uses[node] {
                self.stocks[stock.at()] += amount;
            }
            self.counts.node_leaves(node);
        }
        self.count_content(slot, false);
        self.log.push(Step::Remove(slot));
    }

    fn bring_back(&mut self, slot: Slot) {
        self.gone[slot.at()] = false;
        if let Some(bought) = self.bought(slot) {
            self.give(bought.option, -1);
        } else {
            let node = NodeId::new(slot.at());
            for (stock, amount) in &self.what.uses[node] {
                self.stocks[stock.at()] -= amount;
            }
            self.counts.node_returns(node);
        }
        self.count_content(slot, true);
    }

    fn count_content(&mut self, slot: Slot, enter: bool) {
        if self.counts.is_idle() {
            return;
        }
        let spot = self.spot(slot);
        for (class, count) in &self.content[slot.at()] {
            for _ in 0..*count {
                self.counts.count(*class, spot, enter);
            }
        }
    }

    fn give(&mut self, option: OptionId, times: i128) {
        for (stock, amount) in &self.problem.options[option].uses {
            self.stocks[stock.at()] += amount * times;
        }
    }

    /// Where `slot` stands, as the rules between pods see it.
    #[must_use]
    pub fn spot(&self, slot: Slot) -> Spot {
        Spot {
            slot: slot.0,
            option: self.bought(slot).map(|bought| bought.option),
        }
    }

    /// Whether one more pod of `class` fits `slot`: room, selectors, host ports, rules between pods.
    #[must_use]
    pub fn fits(&self, slot: Slot, class: ClassId) -> bool {
        !self.gone[slot.at()]
            && fits(self.problem.demand_of(class), self.room(slot))
            && self.suits(slot, class)
    }

    /// As [`fits`](Self::fits), room and going apart.
    #[must_use]
    pub fn suits(&self, slot: Slot, class: ClassId) -> bool {
        let suited = match self.bought(slot) {
            None => self
                .problem
                .nodes_of(class)
                .contains(NodeId::new(slot.at())),
            Some(bought) => {
                self.problem.options_of(class).contains(bought.option)
                    && join(self.problem, bought.option, bought.state, class).is_some()
            }
        };
        suited && self.ports_free(slot, class) && self.counts.allows(class, self.spot(slot))
    }

    fn ports_free(&self, slot: Slot, class: ClassId) -> bool {
        let Some(excluded) = &self.problem.classes[class].excludes else {
            return true;
        };
        self.content[slot.at()]
            .iter()
            .all(|(held, _)| !apart(self.problem, excluded, *held))
    }

    /// Places one pod of `class` on `slot`, which must [fit](Self::fits).
    pub fn place(&mut self, slot: Slot, class: ClassId) {
        self.place_many(slot, class, 1);
    }

    /// Places what [fits](Self::fits) of `waiting`, whose places `place` tells, again and again until nothing more does:
    /// rules between pods may let them arrive in some orders only. Pods with rules of their own go first, as far as they
    /// can: where they go, others may not have gone before. What is left has no place.
    pub fn place_all<T>(&mut self, waiting: &mut Vec<T>, place: impl Fn(&T) -> (Slot, ClassId)) {
        let what = self.what;
        for bound in [true, false] {
            loop {
                let before = waiting.len();
                waiting.retain(|pod| {
                    let (slot, class) = place(pod);
                    let turn = !bound || !what.between.owned[class].is_empty();
                    let fits = turn && self.fits(slot, class);
                    if fits {
                        self.place(slot, class);
                    }
                    !fits
                });
                if waiting.len() == before {
                    break;
                }
            }
        }
    }

    /// Places `pods` pods of `class` on `slot`, which must hold them all.
    pub fn place_many(&mut self, slot: Slot, class: ClassId, pods: u32) {
        let dims = self.problem.dims;
        let room = &mut self.rooms[slot.at() * dims..][..dims];
        for (left, need) in room.iter_mut().zip(self.problem.demand_of(class)) {
            *left -= need * i64::from(pods);
        }
        let content = &mut self.content[slot.at()];
        match content.iter_mut().find(|(held, _)| *held == class) {
            Some((_, count)) => *count += pods,
            None => content.push((class, pods)),
        }
        let before = self
            .bought(slot)
            .map_or_else(|| StateId::new(0), |b| b.state);
        if let Some(at) = slot.at().checked_sub(self.existing) {
            let bought = &mut self.bought[at];
            if let Some(state) = join(self.problem, bought.option, bought.state, class) {
                bought.state = state;
            }
        }
        self.count(slot, class, pods, true);
        self.log.push(Step::Place(slot, class, pods, before));
    }

    /// Takes one pod of `class` that ran on `slot` before off its node, which stays. For pods without rules between pods
    /// only: what is counted of the others stands on the node as a whole.
    pub fn lift(&mut self, slot: Slot, class: ClassId) {
        debug_assert!(
            self.counts.is_plain(class),
            "rules count the node as a whole"
        );
        self.give_room(slot, class, 1);
        self.log.push(Step::Lift(slot, class));
    }

    fn give_room(&mut self, slot: Slot, class: ClassId, times: i64) {
        let dims = self.problem.dims;
        let room = &mut self.rooms[slot.at() * dims..][..dims];
        for (left, need) in room.iter_mut().zip(self.problem.demand_of(class)) {
            *left += need * times;
        }
    }

    fn count(&mut self, slot: Slot, class: ClassId, pods: u32, enter: bool) {
        if !self.counts.is_plain(class) {
            let spot = self.spot(slot);
            for _ in 0..pods {
                self.counts.count(class, spot, enter);
            }
        }
    }

    fn unplace(&mut self, slot: Slot, class: ClassId, pods: u32, state: StateId) {
        let dims = self.problem.dims;
        let room = &mut self.rooms[slot.at() * dims..][..dims];
        for (left, need) in room.iter_mut().zip(self.problem.demand_of(class)) {
            *left += need * i64::from(pods);
        }
        let content = &mut self.content[slot.at()];
        // What comes off came last.
        if let Some(at) = content.iter().rposition(|(held, _)| *held == class) {
            content[at].1 = content[at].1.saturating_sub(pods);
            if content[at].1 == 0 {
                content.remove(at);
            }
        }
        if let Some(at) = slot.at().checked_sub(self.existing) {
            self.bought[at].state = state;
        }
        self.count(slot, class, pods, false);
    }

    /// Whether limits, quotas and reservations allow one more node of `option`.
    #[must_use]
    pub fn allows(&self, option: OptionId) -> bool {
        stock_allows(self.problem, &self.stocks, option) > 0
    }

    /// Buys an empty node by `option`.
    pub fn buy(&mut self, option: OptionId) -> Slot {
        let slot = Slot(u32::try_from(self.gone.len()).unwrap_or(u32::MAX));
        self.give(option, -1);
        self.bought.push(Bought {
            option,
            state: self.problem.pairs[self.problem.options[option].pair].state,
        });
        self.gone.push(false);
        self.content.push(Vec::new());
        let room = self.problem.room_of(self.problem.options[option].room);
        self.rooms.extend_from_slice(room);
        self.log.push(Step::Buy);
        slot
    }

    /// Whether the bought node of `slot` could be one of `option` instead: room, selectors, labels and limits. The domains
    /// that rules between its pods look at must be the same, or there is no rule over domains.
    #[must_use]
    pub fn could_be(&self, slot: Slot, option: OptionId) -> bool {
        let Some(bought) = self.bought(slot) else {
            return false;
        };
        let content = &self.content[slot.at()];
        let old = self
            .problem
            .room_of(self.problem.options[bought.option].room);
        let new = self.problem.room_of(self.problem.options[option].room);
        let left = self.room(slot);
        let roomy = left
            .iter()
            .zip(old)
            .zip(new)
            .all(|((left, old), new)| old - left <= *new);
        roomy
            && joint_state(self.problem, option, content).is_some()
            && content
                .iter()
                .all(|(class, _)| self.counts.same_domains(*class, bought.option, option))
            && (option == bought.option || self.allows_instead(bought.option, option, &self.stocks))
    }

    /// The options of its pool that the bought node of `slot` [could be](Self::could_be) of, where `stocks` are what
    /// limits still allow with the node as it is.
    #[must_use]
    pub fn alternatives(&self, slot: Slot, stocks: &[i128]) -> BitSet<OptionId> {
        let Some(Bought { option: chosen, .. }) = self.bought(slot) else {
            return BitSet::new(self.problem.options.len());
        };
        let content = &self.content[slot.at()];
        let between = &self.what.between;
        let rules = between.over_domains_of(content.iter().map(|(class, _)| *class));
        let mut options = holders(self.problem, self.problem.options[chosen].pool, content);
        options.retain(|option| {
            option == chosen
                || (rules.iter()).all(|rule| between.same_domain(*rule, chosen, option))
                    && self.allows_instead(chosen, option, stocks)
        });
        options
    }

    fn allows_instead(&self, old: OptionId, new: OptionId, stocks: &[i128]) -> bool {
        let uses = |option: OptionId| &self.problem.options[option].uses;
        if uses(new).is_empty() {
            return true;
        }
        let mut left = stocks.to_vec();
        for (stock, amount) in uses(old) {
            left[stock.at()] += amount;
        }
        stock_allows(self.problem, &left, new) > 0
    }

    /// Makes the bought node of `slot` one of `option`, which it [could be](Self::could_be).
    pub fn swap(&mut self, slot: Slot, option: OptionId) {
        let Some(before) = self.bought(slot) else {
            return;
        };
        let Some(state) = joint_state(self.problem, option, &self.content[slot.at()]) else {
            return;
        };
        self.log.push(Step::Swap(slot, before));
        self.put_option(slot, Bought { option, state });
    }

    fn put_option(&mut self, slot: Slot, bought: Bought) {
        let Some(at) = slot.at().checked_sub(self.existing) else {
            return;
        };
        let before = std::mem::replace(&mut self.bought[at], bought);
        self.give(before.option, 1);
        self.give(bought.option, -1);
        let dims = self.problem.dims;
        let old = self
            .problem
            .room_of(self.problem.options[before.option].room);
        let new = self
            .problem
            .room_of(self.problem.options[bought.option].room);
        let room = &mut self.rooms[slot.at() * dims..][..dims];
        for (left, (old, new)) in room.iter_mut().zip(old.iter().zip(new)) {
            *left += new - old;
        }
    }
}
