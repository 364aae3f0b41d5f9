//! Which nodes go: looked for over the whole cluster at once.
//!
//! A step takes some nodes away, bought ones too, finds places for all their pods, and is kept if it pays. Steps are tried
//! in three ways: nodes one by one, whose pods fit elsewhere or on something cheaper (W-3, W-18); small groups (W-1, W-2,
//! W-4, W-7); and the wasteful part of the cluster in one go, packed by the solver. What the horizon is worth, what an
//! eviction costs and what starting a node costs is in the objective (M-21), so the same search serves all of them.

mod anew;
mod measure;
mod spot;

use measure::{Objective, Rates, Work};

use super::gangs::Companies;
use super::pack::{Allowed, Packer};
use super::places::Places;
use super::wear::{is_young, wear_of};
use crate::base::index::Ix as _;
use crate::base::rng::Rng;
use crate::disruption::candidate::Candidate;
use crate::disruption::cluster::Cluster;
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::problem::{ClassId, OptionId, fits};
use crate::solver::holds::total_demand;
use crate::solver::whatif::{Slot, World};

/// Seed of the choice of groups.
const SEED: u64 = 0x7e7a;

/// Up to how many nodes a cluster is small.
const SMALL: usize = 64;

/// A block of nodes is broken only where that saves more than this part of what it costs (H-55).
const BLOCK_PART: i128 = 4;

/// The state of a search.
#[derive(Debug, Clone)]
pub struct State<'c> {
    /// The cluster as planned.
    pub world: World<'c>,
    /// Disruptions that each pool still allows, by position in the snapshot's pools.
    pub budgets: Vec<u32>,
    total: Objective,
}

impl State<'_> {
    /// The one that is worth more; `self` of equals.
    fn better(self, other: Self) -> Self {
        if other.total < self.total {
            other
        } else {
            self
        }
    }
}

/// Searches one cluster.
#[derive(Debug)]
pub struct Search<'s, 'c, 'a> {
    cluster: &'c Cluster<'a>,
    packer: &'s Packer,
    companies: &'s Companies,
    candidates: &'s [Candidate<'a>],
    /// Position of the candidate at each node.
    at_node: Vec<Option<usize>>,
    /// Position of each candidate's pool.
    pools: Vec<usize>,
    /// What taking each candidate away costs beside what is bought: it has not been there for the horizon.
    wear: Vec<i128>,
    /// Candidates that are of a cluster in which nodes come and go.
    young: Vec<bool>,
    /// Existing nodes that take pods.
    destinations: Vec<Slot>,
    /// How many slots there are that were not bought for what is searched here.
    own: usize,
    rates: Rates,
    work: Work,
}

impl<'s, 'c, 'a> Search<'s, 'c, 'a> {
    /// A search among `candidates`; `destinations` are the existing nodes that may take pods. Slots from `own` on may be
    /// filled and changed.
    #[must_use]
    pub fn new(
        cluster: &'c Cluster<'a>,
        packer: &'s Packer,
        companies: &'s Companies,
        candidates: &'s [Candidate<'a>],
        destinations: Vec<Slot>,
        own: usize,
    ) -> Self {
        let mut at_node = vec![None; cluster.views.nodes.len()];
        for (at, candidate) in candidates.iter().enumerate() {
            at_node[candidate.node.at()] = Some(at);
        }
        let pool_at = |candidate: &Candidate<'a>| {
            let pools = &cluster.snapshot.node_pools;
            pools
                .iter()
                .position(|pool| std::ptr::eq(&raw const *pool, candidate.pool))
                .unwrap_or(0)
        };
        let pods = candidates.iter().map(|c| c.placed.len()).sum();
        let options = &cluster.snapshot.options;
        let young = |candidate: &Candidate<'a>| is_young(options, candidate.claim, cluster.now);
        Self {
            young: candidates.iter().map(young).collect(),
            wear: (candidates.iter())
                .map(|one| wear_of(cluster, one))
                .collect(),
            pools: candidates.iter().map(pool_at).collect(),
            at_node,
            destinations,
            own,
            rates: Rates::of(options),
            work: Work::of(options.effort, pods),
            cluster,
            packer,
            companies,
            candidates,
        }
    }

    /// The best state found from `world`. `budgets` are what pools still allow.
    #[must_use]
    pub fn run(&self, world: &World<'c>, budgets: &[u32]) -> State<'c> {
        let start = State {
            world: world.clone(),
            budgets: budgets.to_vec(),
            total: Objective::default(),
        };
        let units = self.units(&start);
        // In a small cluster every start is searched to the end, in a large one the best of them.
        let small = units.len() <= SMALL && self.work.few_pods;
        if !small && self.is_close(&start) {
            return start;
        }
        let anew = self.packed_anew(&start, &units, small);
        let enough = anew
            .as_ref()
            .filter(|state| !small && self.is_enough(&start, state, &units));
        let mut best = match enough {
            Some(state) => state.clone(),
            None => {
                let mut best = start.clone();
                self.improve(&mut best, small);
                anew.into_iter().fold(best, State::better)
            }
        };
        if !small && self.is_close(&best) {
            return best;
        }
        let mut sizes = Vec::new();
        if units.len() > 4 && (small || self.rates.eviction > 0) {
            sizes.push(units.len() / 2);
        }
        if small && units.len() > 4 {
            sizes.push(units.len() * 3 / 4);
        }
        for size in sizes {
            let other = self.packed_anew(&start, &units[..size], small);
            best = other.into_iter().fold(best, State::better);
        }
        if !small {
            let mut places = self.places(&best);
            self.groups(&mut best, &mut places);
        }
        best
    }

    fn improve(&self, state: &mut State<'c>, thoroughly: bool) {
        let mut places = self.places(state);
        for new in [false, true] {
            // Room is sorted anew where it changed.
            if self.one_by_one(state, &mut places, new) {
                places = self.places(state);
            }
        }
        if thoroughly {
            self.groups(state, &mut places);
        }
    }

    fn places(&self, state: &State<'c>) -> Places {
        Places::new(self.packer, &state.world, &self.open(state))
    }

    fn candidate(&self, slot: Slot) -> Option<&'s Candidate<'a>> {
        let at = self.at_node.get(slot.at()).copied().flatten()?;
        self.candidates.get(at)
    }

    fn price(&self, state: &State<'c>, slot: Slot) -> Price {
        let price = match state.world.bought(slot) {
            Some(bought) => state.world.problem().options[bought.option].price,
            None => self.cluster.prices[slot.at()],
        };
        price.unwrap_or(Price::ZERO)
    }

    /// What taking `slot` away is worth per hour over the horizon.
    pub(super) fn gain(&self, state: &State<'c>, slot: Slot) -> Price {
        let price = self.price(state, slot);
        match self.at_node.get(slot.at()).copied().flatten() {
            Some(at) => price - Price::from_femto(self.wear[at] / self.rates.horizon.max(1)),
            None => price,
        }
    }

    /// All pods that would have to move if `slot` went.
    fn content(&self, state: &State<'c>, slot: Slot, content: &mut Vec<(ClassId, u32)>) -> bool {
        content.extend_from_slice(state.world.content(slot));
        if state.world.bought(slot).is_some() {
            return true;
        }
        let Some(own) = self.candidate(slot).and_then(|c| c.content.as_ref()) else {
            return false;
        };
        content.extend_from_slice(own);
        true
    }

    /// Nodes that may go, those that waste most of their price first.
    fn units(&self, state: &State<'c>) -> Vec<Slot> {
        let mut units: Vec<(f64, Slot)> = Vec::new();
        for slot in state
            .world
            .slots()
            .filter(|slot| !state.world.is_gone(*slot))
        {
            let mut content = Vec::new();
            let movable = slot.at() >= self.own || self.candidate(slot).is_some();
            if !movable || !self.content(state, slot, &mut content) {
                continue;
            }
            let price = self.gain(state, slot).as_f64();
            if price > 0.0 {
                units.push((self.packer.worth_of(&content) / price, slot));
            }
        }
        units.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        units.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The first of `units` that the budgets let go together.
    fn within_budgets(&self, state: &State<'c>, units: &[Slot]) -> Vec<Slot> {
        let mut left = state.budgets.clone();
        let spend = |slot: &Slot| match self.at_node.get(slot.at()).copied().flatten() {
            None => true,
            Some(at) => {
                let held = &mut left[self.pools[at]];
                let some = *held > 0;
                *held = held.saturating_sub(1);
                some
            }
        };
        let mut spend = spend;
        units.iter().copied().filter(|slot| spend(slot)).collect()
    }

    /// Takes out what may not go because part of a gang would stay.
    fn leave_parts_of_gangs(&self, group: &mut Vec<Slot>) {
        if self.companies.is_empty() {
            return;
        }
        let all = group.clone();
        let goes = |company: &super::gangs::Company| {
            !company.bound && company.slots.iter().all(|other| all.contains(other))
        };
        group.retain(|slot| self.companies.of(*slot).is_none_or(goes));
    }

    /// Slots with room for anything at all.
    fn open(&self, state: &State<'c>) -> Vec<Slot> {
        let bought = state.world.slots().skip(self.own);
        self.destinations
            .iter()
            .copied()
            .chain(bought)
            .filter(|slot| {
                !state.world.is_gone(*slot) && state.world.room(*slot).iter().any(|left| *left > 0)
            })
            .collect()
    }

    /// Takes `group` away and finds places for its pods; kept if it pays, or in any case when `forced`.
    fn attempt(
        &self,
        state: &mut State<'c>,
        group: &[Slot],
        places: &mut Places,
        mut allowed: Allowed,
        forced: bool,
    ) -> bool {
        let Some(moved) = self.companies.moved(group) else {
            return false;
        };
        let mut content = Vec::new();
        let mut change = Objective::default();
        for company in moved {
            let restart = self.rates.restart.saturating_mul(i128::from(company.gangs));
            change.cost = change.cost.saturating_add(restart);
            if company.block {
                let price: Price = company.slots.iter().map(|s| self.price(state, *s)).sum();
                change.cost += self.rates.keep(price) / BLOCK_PART;
            }
        }
        let mut budgets: Option<Vec<u32>> = None;
        let mut evictions = 0usize;
        for slot in group {
            if !self.content(state, *slot, &mut content) {
                return false;
            }
            let price = self.price(state, *slot);
            if state.world.bought(*slot).is_some() {
                change.cost -= self.rates.buy(price);
                continue;
            }
            change.cost -= self.rates.keep(price);
            let Some(at) = self.at_node[slot.at()] else {
                return false;
            };
            evictions += self.candidates[at].placed.len();
            change.cost += self.wear[at];
            let left = budgets.get_or_insert_with(|| state.budgets.clone());
            let held = &mut left[self.pools[at]];
            if *held == 0 {
                return false;
            }
            *held -= 1;
        }
        let moved = i128::try_from(evictions).unwrap_or(i128::MAX);
        change.cost += self.rates.eviction.saturating_mul(moved);
        if !forced {
            if change.cost >= 0 {
                return false;
            }
            let hours = (self.rates.horizon + self.rates.start).max(1);
            let limit = Price::from_femto((-change.cost - 1).div_euclid(hours));
            allowed.limit = Some(limit);
        }
        places.prepare(&state.world, &content);
        let mark = state.world.mark();
        let before = state.world.slots().count();
        for slot in group {
            state.world.remove(*slot);
        }
        if !self
            .packer
            .pack(&mut state.world, &content, places, allowed)
        {
            state.world.undo(mark);
            return false;
        }
        for slot in state.world.slots().skip(before) {
            self.downsize(&mut state.world, slot, allowed);
            change.cost += self.rates.buy(self.price(state, slot));
        }
        let pays = forced || change.cost < 0;
        if pays && self.leaves_a_choice(state, before, change.cost, allowed) {
            state.total.cost += change.cost;
            state.total.evictions += evictions;
            if let Some(left) = budgets {
                state.budgets = left;
            }
            places.extend(state.world.slots().skip(before));
            return true;
        }
        state.world.undo(mark);
        false
    }

    /// Whether the nodes from position `from` on could be of as many types as their pools ask for, all cheap enough for
    /// what the step saves (D-55).
    fn leaves_a_choice(
        &self,
        state: &State<'c>,
        from: usize,
        cost: i128,
        allowed: Allowed,
    ) -> bool {
        let world = &state.world;
        let hours = (self.rates.horizon + self.rates.start).max(1);
        let slack = Price::from_femto((-cost).max(0) / hours);
        world.slots().skip(from).all(|slot| {
            let most = (cost < 0).then(|| self.price(state, slot) + slack);
            self.packer.leaves_a_choice(world, slot, allowed.spot, most)
        })
    }

    /// The cheapest option of the same pool that holds what the node holds.
    fn downsize(&self, world: &mut World<'c>, slot: Slot, allowed: Allowed) {
        let Some(bought) = world.bought(slot) else {
            return;
        };
        let problem = world.problem();
        let row = &problem.options[bought.option];
        let mut cheaper: Vec<(Price, OptionId)> = problem.pools[row.pool]
            .options
            .iter()
            .filter(|option| allowed.spot || !self.packer.is_spot(*option))
            .filter_map(|option| Some((problem.options[option].price?, option)))
            .filter(|(price, _)| row.price.is_some_and(|held| *price < held))
            .collect();
        cheaper.sort_unstable();
        if let Some((_, option)) = cheaper
            .into_iter()
            .find(|(_, option)| world.could_be(slot, *option))
        {
            world.swap(slot, option);
        }
    }

    /// Nodes one by one, the most wasteful first. Whether something changed.
    fn one_by_one(&self, state: &mut State<'c>, places: &mut Places, new: bool) -> bool {
        let mut changed = false;
        let mut free = self.free(state);
        for slot in self.units(state) {
            if state.world.is_gone(slot) {
                continue;
            }
            let group = self.companies.whole(&[slot]);
            if group.iter().any(|slot| state.world.is_gone(*slot)) {
                continue;
            }
            let allowed = Allowed {
                new,
                spot: new && self.spot_fits(state, &group),
                solver: None,
                limit: None,
            };
            if !new && !self.could_fit(state, &group, &free) {
                continue;
            }
            if self.attempt(state, &group, places, allowed, false) {
                changed = true;
                free = self.free(state);
            }
        }
        changed
    }

    /// Free room of all slots together.
    fn free(&self, state: &State<'c>) -> Vec<i64> {
        let mut free = vec![0i64; state.world.problem().dims];
        for slot in self.open(state) {
            for (sum, left) in free.iter_mut().zip(state.world.room(slot)) {
                *sum = sum.saturating_add((*left).max(0));
            }
        }
        free
    }

    /// Whether the pods of `group` ask for no more than is `free` in all.
    fn could_fit(&self, state: &State<'c>, group: &[Slot], free: &[i64]) -> bool {
        let mut content = Vec::new();
        let movable = group
            .iter()
            .all(|slot| self.content(state, *slot, &mut content));
        let mut total = Vec::new();
        total_demand(state.world.problem(), &content, &mut total);
        movable && fits(&total, free)
    }

    /// Groups of a few nodes each, chosen by chance among the wasteful.
    fn groups(&self, state: &mut State<'c>, places: &mut Places) {
        let mut rng = Rng::new(SEED);
        let mut units = self.units(state);
        let mut placements = 0;
        let mut idle = 0usize;
        for _ in 0..self.work.groups {
            if units.len() < 2 || placements > self.work.placements || idle > units.len() * 24 + 48
            {
                break;
            }
            let size = 2 + usize::try_from(rng.below(4)).unwrap_or(0);
            let mut group: Vec<Slot> = Vec::with_capacity(size);
            for _ in 0..size {
                // The smaller of two draws: wasteful nodes stand first.
                let bound = u64::try_from(units.len()).unwrap_or(u64::MAX);
                let at = rng.below(bound).min(rng.below(bound));
                let slot = units[usize::try_from(at).unwrap_or(0)];
                if !group.contains(&slot) {
                    group.push(slot);
                }
            }
            let group = self.companies.whole(&group);
            if group.len() < 2 || group.iter().any(|slot| state.world.is_gone(*slot)) {
                continue;
            }
            let mut content = Vec::new();
            for slot in &group {
                self.content(state, *slot, &mut content);
            }
            placements += content
                .iter()
                .map(|(_, n)| *n as usize)
                .sum::<usize>()
                .max(1);
            let allowed = Allowed {
                new: true,
                spot: self.spot_fits(state, &group),
                solver: None,
                limit: None,
            };
            if self.attempt(state, &group, places, allowed, false) {
                units = self.units(state);
                idle = 0;
            } else {
                idle += 1;
            }
        }
    }
}
