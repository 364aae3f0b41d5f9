//! The cluster as numbers, kept while it changes: free room, labels that are still undecided, counts of the rules between
//! pods, what limits leave.
//!
//! **Invariant.** Rooms, counts and stocks are at every moment those of the snapshot the state was compiled from with every
//! pod that came, went or was decided since then counted where it stands. A slot is a node of the snapshot (NodeClaims
//! that have no Node yet among them), or an open claim of the plan (after all of those).

use std::sync::Arc;

use super::index::RoomTree;
use crate::base::hash::{FastMap, FastSet};
use crate::base::index::{Ix as _, IxVec};
use crate::model::instance_type::CapacityType;
use crate::model::label::Labels;
use crate::model::pod::{Pod, PodSpec};
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::ChosenOffering;
use crate::problem::compile::Views;
use crate::problem::whatif::{CountedKind, WhatIf};
use crate::problem::{ClassId, NodeId, OptionId};
use crate::solver::construct::{give_back, take};
use crate::solver::holds::{apart, holds_alone, join, joint_state, keeps_min_values, stock_allows};
use crate::solver::whatif::topology::{Spot, Tally};
use crate::solver::whatif::{Bought, Slot};

/// What an option is called: pool and offering, the price apart.
pub(super) type OptionKey = (Name, Name, Name, CapacityType, Option<Name>, Option<Name>);

/// The key of the option that a claim of `pool` is priced with.
pub(super) fn option_key(pool: &Name, chosen: &ChosenOffering) -> OptionKey {
    (
        Name::clone(pool),
        Name::clone(&chosen.instance_type),
        Name::clone(&chosen.zone),
        chosen.capacity_type,
        chosen.instance_group.clone(),
        chosen.reservation_id.clone(),
    )
}

/// What makes a pod of a class that is known: its specification, its namespace, the rules that speak of it, and its labels
/// where some rule of its own takes values over from them (S-84).
type KnownKey = (Arc<PodSpec>, Name, Vec<usize>, Option<Arc<Labels>>);

#[derive(Debug)]
struct Row {
    closed: bool,
    bought: Option<Bought>,
    /// Pods placed since the state was compiled.
    content: Vec<(ClassId, u32)>,
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) what: WhatIf,
    rows: Vec<Row>,
    rooms: Vec<i64>,
    pub(super) stocks: Vec<i128>,
    tally: Tally,
    index: RoomTree,
    rates: Vec<(f64, i64)>,
    by_name: FastMap<Name, Slot>,
    known: FastMap<KnownKey, ClassId>,
    options: FastMap<OptionKey, OptionId>,
    keys: IxVec<OptionId, OptionKey>,
}

impl State {
    /// The state of the snapshot behind `views`, of which `what` was compiled. O(pods + nodes log nodes + options).
    pub(super) fn new(views: &Views<'_>, what: WhatIf) -> Self {
        let problem = &what.problem;
        let mut rooms = Vec::with_capacity(views.nodes.len() * problem.dims);
        let mut by_name = FastMap::default();
        for (at, (node, used)) in views.nodes.iter().zip(&views.node_use.used).enumerate() {
            let slot = Slot::of(NodeId::new(at));
            if let Some(claim) = node.claim {
                by_name.insert(Name::clone(&claim.name), slot);
            }
            let free = what.units.room(&node.allocatable);
            rooms.extend(
                free.zip(what.units.demand(used))
                    .map(|(have, taken)| have - taken),
            );
        }
        // A Node's own name counts before that of another node's claim.
        for (at, node) in views.nodes.iter().enumerate() {
            by_name.insert(Name::clone(&node.name), Slot::of(NodeId::new(at)));
        }
        let rows = views.nodes.iter().map(|node| Row {
            closed: !node.is_destination(),
            bought: None,
            content: Vec::new(),
        });
        let mut options = FastMap::default();
        let mut keys = IxVec::new();
        for (id, option) in problem.options.enumerate() {
            let template = &views.pools.templates[option.pool.at()];
            let entry = &template.types[problem.pairs[option.pair].instance_type as usize];
            let offering = &entry.offerings[option.offering as usize];
            let key = (
                Name::clone(&template.pool.name),
                Name::clone(&entry.name),
                Name::clone(&offering.zone),
                offering.capacity_type,
                offering.instance_group.clone(),
                offering.reservation_id.clone(),
            );
            options.entry(key.clone()).or_insert(id);
            keys.push(key);
        }
        let mut state = Self {
            rows: rows.collect(),
            rooms,
            stocks: problem.stocks.iter().map(|stock| stock.left).collect(),
            tally: Tally::new(&what.between, views.nodes.len()),
            index: RoomTree::default(),
            rates: rates(&what),
            by_name,
            known: FastMap::default(),
            options,
            keys,
            what,
        };
        let mut seen: FastSet<(usize, usize, usize)> = FastSet::default();
        for (position, class) in state.what.class_of.iter().enumerate() {
            let pod = &views.snapshot.pods[position];
            let Some(class) = class.filter(|_| is_simple(pod)) else {
                continue;
            };
            // Replicas share their parts, so most are known by address.
            let namespace = Name::as_ptr(&pod.namespace).cast::<u8>().addr();
            let parts = (
                Arc::as_ptr(&pod.spec).addr(),
                Arc::as_ptr(&pod.labels).addr(),
                namespace,
            );
            if seen.insert(parts) {
                state.known.insert(known_key(&state.what, pod), class);
            }
        }
        state.make_index();
        state
    }

    fn make_index(&mut self) {
        let slots = 0..self.rows.len();
        let worths: Vec<Option<f64>> = slots.map(|at| self.worth(at)).collect();
        self.index = RoomTree::new(self.what.problem.dims, &self.rooms, &worths);
    }

    /// What the free room of a slot is worth by resource rates; `None` if it is closed.
    #[expect(clippy::cast_precision_loss, reason = "worth is a weighing")]
    fn worth(&self, at: usize) -> Option<f64> {
        let dims = self.what.problem.dims;
        let room = &self.rooms[at * dims..][..dims];
        let of = |(have, (cost, whole)): (&i64, &(f64, i64))| {
            (*have).max(0) as f64 / *whole as f64 * cost
        };
        (!self.rows[at].closed).then(|| room.iter().zip(&self.rates).map(of).sum())
    }

    fn note(&mut self, slot: Slot) {
        if self.index.is_due(self.rows.len()) {
            self.make_index();
            return;
        }
        let dims = self.what.problem.dims;
        let worth = self.worth(slot.at());
        self.index
            .set(slot.0, &self.rooms[slot.at() * dims..][..dims], worth);
    }

    /// What one pod of `class` is worth by resource rates: who goes first.
    #[expect(clippy::cast_precision_loss, reason = "worth is a weighing")]
    pub(super) fn value(&self, class: ClassId) -> f64 {
        let of = |(need, (cost, whole)): (&i64, &(f64, i64))| *need as f64 / *whole as f64 * cost;
        self.what
            .problem
            .demand_of(class)
            .iter()
            .zip(&self.rates)
            .map(of)
            .sum()
    }

    /// The class of `pod`, if pods like it were there when the state was compiled.
    pub(super) fn class_of(&self, pod: &Pod) -> Option<ClassId> {
        if !is_simple(pod) {
            return None;
        }
        self.known.get(&known_key(&self.what, pod)).copied()
    }

    /// The slot of the node, or the NodeClaim, called `name`.
    pub(super) fn slot_named(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// The option called `key`.
    pub(super) fn option_named(&self, key: &OptionKey) -> Option<OptionId> {
        self.options.get(key).copied()
    }

    /// What the option is called.
    pub(super) fn key_of(&self, option: OptionId) -> OptionKey {
        self.keys[option].clone()
    }

    /// The option as a plan names it.
    pub(super) fn chosen(&self, option: OptionId) -> ChosenOffering {
        let (_, instance_type, zone, capacity_type, instance_group, reservation_id) =
            self.keys[option].clone();
        ChosenOffering {
            instance_type,
            zone,
            capacity_type,
            price: self.what.problem.options[option].price,
            instance_group,
            reservation_id,
        }
    }

    /// Whether pods may be placed on the slot at all.
    pub(super) fn is_open(&self, slot: Slot) -> bool {
        !self.rows[slot.at()].closed
    }

    /// How the slot was bought; `None` for nodes of the snapshot.
    pub(super) fn bought(&self, slot: Slot) -> Option<OptionId> {
        self.rows[slot.at()].bought.map(|bought| bought.option)
    }

    /// What was placed on the slot since the state was compiled.
    pub(super) fn content(&self, slot: Slot) -> &[(ClassId, u32)] {
        &self.rows[slot.at()].content
    }

    fn spot(&self, slot: Slot) -> Spot {
        Spot {
            slot: slot.0,
            option: self.bought(slot),
        }
    }

    /// Whether one more pod of `class` may join `slot`: room, selectors, host ports, undecided labels, `minValues`, rules
    /// between pods.
    pub(super) fn fits(&self, slot: Slot, class: ClassId) -> bool {
        let problem = &self.what.problem;
        let room = &self.rooms[slot.at() * problem.dims..][..problem.dims];
        let need = problem.demand_of(class);
        !self.rows[slot.at()].closed
            && need
                .iter()
                .zip(room)
                .all(|(need, have)| *need <= (*have).max(0))
            && self.suits(slot, class)
    }

    /// As [`fits`](Self::fits), room apart.
    fn suits(&self, slot: Slot, class: ClassId) -> bool {
        let problem = &self.what.problem;
        let row = &self.rows[slot.at()];
        let suited = match row.bought {
            None => problem.nodes_of(class).contains(NodeId::new(slot.at())),
            Some(bought) => {
                problem.options_of(class).contains(bought.option)
                    && join(problem, bought.option, bought.state, class).is_some()
                    && self.keeps_min_values(bought.option, &row.content, class)
            }
        };
        let clashes = |excludes| {
            row.content
                .iter()
                .any(|(held, _)| apart(problem, excludes, *held))
        };
        suited
            && !problem.classes[class]
                .excludes
                .as_ref()
                .is_some_and(clashes)
            && self
                .tally
                .allows(&self.what.between, class, self.spot(slot))
    }

    fn keeps_min_values(
        &self,
        option: OptionId,
        content: &[(ClassId, u32)],
        class: ClassId,
    ) -> bool {
        let problem = &self.what.problem;
        let pool = problem.options[option].pool;
        if problem.pools[pool].min_values.is_empty() {
            return true;
        }
        let mut all = content.to_vec();
        match all.iter_mut().find(|(held, _)| *held == class) {
            Some((_, count)) => *count += 1,
            None => all.push((class, 1)),
        }
        keeps_min_values(problem, pool, &all, None)
    }

    /// The slot that a pod of `class` takes: among those it [may join](Self::fits) the one whose free room is worth least
    /// (W-4), as the solver fills existing nodes. O(log slots) where few fit that rules then refuse.
    pub(super) fn find(&mut self, class: ClassId) -> Option<Slot> {
        let mut index = std::mem::take(&mut self.index);
        let demand = self.what.problem.demand_of(class);
        let found = index.find(demand, |slot| self.suits(Slot(slot), class));
        self.index = index;
        found.map(Slot)
    }

    /// The option that one pod of `class` alone is best bought by (M-1): the heaviest pool, a known price, the least cost,
    /// the first. O(options).
    pub(super) fn cheapest(&self, class: ClassId) -> Option<OptionId> {
        let problem = &self.what.problem;
        let fresh = |option| Spot {
            slot: u32::MAX,
            option: Some(option),
        };
        let usable = |option: &OptionId| {
            holds_alone(problem, *option, class)
                && stock_allows(problem, &self.stocks, *option) > 0
                && keeps_min_values(problem, problem.options[*option].pool, &[(class, 1)], None)
                && self.tally.allows(&self.what.between, class, fresh(*option))
        };
        let key = |option: &OptionId| {
            let row = &problem.options[*option];
            let weight = problem.pools[row.pool].weight;
            let estimate = row.estimate.unwrap_or(Price::ZERO);
            (
                row.estimate.is_none(),
                std::cmp::Reverse(weight),
                estimate,
                *option,
            )
        };
        problem
            .options_of(class)
            .iter()
            .filter(usable)
            .min_by_key(key)
    }

    /// Whether limits allow one more node of `option`.
    pub(super) fn allows(&self, option: OptionId) -> bool {
        stock_allows(&self.what.problem, &self.stocks, option) > 0
    }

    /// Whether a node of `option` with `content` has the `minValues` of its pool (M-6).
    pub(super) fn keeps(&self, option: OptionId, content: &[(ClassId, u32)]) -> bool {
        let problem = &self.what.problem;
        keeps_min_values(problem, problem.options[option].pool, content, None)
    }

    /// Opens a slot for a node of `option`.
    pub(super) fn buy(&mut self, option: OptionId) -> Slot {
        let slot = Slot(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
        let problem = &self.what.problem;
        let row = &problem.options[option];
        take(problem, &mut self.stocks, option, 1);
        self.rows.push(Row {
            closed: false,
            bought: Some(Bought::new(option, problem.pairs[row.pair].state)),
            content: Vec::new(),
        });
        self.rooms.extend_from_slice(problem.room_of(row.room));
        self.note(slot);
        slot
    }

    /// Closes the slot of a node that is not bought after all; nothing stands on it.
    pub(super) fn close(&mut self, slot: Slot) {
        if let Some(option) = self.bought(slot) {
            give_back(&self.what.problem, &mut self.stocks, option, 1);
        }
        self.rows[slot.at()].closed = true;
        self.note(slot);
    }

    /// Counts a pod of `class` on `slot`. False where the labels of a bought node do not go together with it.
    pub(super) fn place(&mut self, slot: Slot, class: ClassId) -> bool {
        let mut agrees = true;
        let row = &mut self.rows[slot.at()];
        if let Some(bought) = &mut row.bought {
            match join(&self.what.problem, bought.option, bought.state, class) {
                Some(state) => bought.state = state,
                None => agrees = false,
            }
        }
        match row.content.iter_mut().find(|(held, _)| *held == class) {
            Some((_, count)) => *count += 1,
            None => row.content.push((class, 1)),
        }
        self.count(slot, class, true);
        agrees
    }

    /// Takes a pod that was placed since the state was compiled off again.
    pub(super) fn unplace(&mut self, slot: Slot, class: ClassId) {
        let row = &mut self.rows[slot.at()];
        if let Some(at) = row.content.iter().position(|(held, _)| *held == class) {
            row.content[at].1 -= 1;
            if row.content[at].1 == 0 {
                row.content.remove(at);
            }
        }
        if let Some(bought) = &mut row.bought
            && let Some(state) = joint_state(&self.what.problem, bought.option, &row.content)
        {
            bought.state = state;
        }
        self.count(slot, class, false);
    }

    /// Counts a pod of `class` that enters or leaves `slot`, whatever the slot's content says: rooms and rules.
    pub(super) fn count(&mut self, slot: Slot, class: ClassId, enter: bool) {
        let dims = self.what.problem.dims;
        let room = &mut self.rooms[slot.at() * dims..][..dims];
        for (left, need) in room.iter_mut().zip(self.what.problem.demand_of(class)) {
            *left += if enter { -need } else { *need };
        }
        if !self.what.between.is_idle() {
            let spot = self.spot(slot);
            self.tally.count(&self.what.between, class, spot, enter);
        }
        self.note(slot);
    }

    /// Whether pods of `class` have rules or fall under some.
    pub(super) fn is_plain(&self, class: ClassId) -> bool {
        self.what.between.is_plain(class)
    }

    /// Whether pods of `class` hold host ports.
    pub(super) fn has_ports(&self, class: ClassId) -> bool {
        self.what.problem.classes[class].excludes.is_some()
    }

    /// Whether a pod of `owner` could stand against the rules once a pod of `gone` has left: some spread or affinity of
    /// `owner` speaks of `gone`.
    pub(super) fn relies_on(&self, owner: ClassId, gone: ClassId) -> bool {
        let between = &self.what.between;
        between.owned[owner].iter().any(|rule| {
            between.rules[*rule as usize].demand != CountedKind::Anti
                && between.member[gone].contains(rule)
        })
    }
}

/// What each resource is worth: the least price of a node per resource with what that node has of it; what nobody sells is
/// worth what is rare.
#[expect(clippy::cast_precision_loss, reason = "rates are ratios")]
fn rates(what: &WhatIf) -> Vec<(f64, i64)> {
    let problem = &what.problem;
    let mut rates: Vec<(f64, i64)> = vec![(0.0, 0); problem.dims];
    for option in problem.options.iter() {
        for (rate, amount) in rates.iter_mut().zip(problem.room_of(option.room)) {
            let cost = option.cost.max(1e-9);
            if *amount > 0 && (rate.1 == 0 || cost / (*amount as f64) < rate.0 / rate.1 as f64) {
                *rate = (cost, *amount);
            }
        }
    }
    for (dim, rate) in rates.iter_mut().enumerate().filter(|(_, rate)| rate.1 == 0) {
        let there = problem
            .node_rooms
            .iter()
            .skip(dim)
            .step_by(problem.dims.max(1));
        *rate = (1.0, there.copied().max().unwrap_or(0).max(1));
    }
    rates
}

/// Whether all that counts of a pod is in its specification, its namespace and its labels.
pub(super) fn is_simple(pod: &Pod) -> bool {
    let reports = |detail: &crate::model::pod::PodStatusDetail| !detail.actuated.is_empty();
    pod.spec.volumes.is_empty()
        && !pod.spec.uses_resource_claims()
        && !pod.detail.as_deref().is_some_and(reports)
        && crate::view::gangs::key_of(pod).is_none()
}

fn known_key(what: &WhatIf, pod: &Pod) -> KnownKey {
    let members = what.rules.members(&pod.namespace, &pod.labels);
    let takes = crate::problem::topology::rules::takes_labels(&pod.spec);
    (
        Arc::clone(&pod.spec),
        Name::clone(&pod.namespace),
        members,
        takes.then(|| Arc::clone(&pod.labels)),
    )
}
