//! New nodes for pods that found no free room: one node for all, or a greedy choice node by node.

use super::pack::{Allowed, Packer};
use std::cmp::Ordering;

use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::model::price::Price;
use crate::problem::{ClassId, OptionId, Problem, fit_count, fits};
use crate::solver::holds::{asks_for_values, enough_values};
use crate::solver::whatif::topology::Spot;
use crate::solver::whatif::{Slot, World};

/// How many options are filled exactly where rules between pods matter.
const EXACT: usize = 3;

impl Packer {
    /// Buys nodes for `items`: the cheaper of one node for all, and a greedy choice node by node.
    pub(super) fn onto_new(
        &self,
        world: &mut World<'_>,
        items: Vec<(ClassId, u32)>,
        allowed: Allowed,
    ) -> bool {
        let one = self.one_for_all(world, &items, allowed);
        let mark = world.mark();
        // A greedy choice has to beat one node for all.
        let beat = one.map(|(price, _)| price - Price::from_femto(1));
        let limit = [beat, allowed.limit].into_iter().flatten().min();
        let greedy = self.greedily(world, items.clone(), allowed, limit);
        match (one, greedy) {
            (_, Some(_)) => true,
            (None, None) => false,
            (Some((_, option)), None) => {
                world.undo(mark);
                let slot = world.buy(option);
                for (class, count) in items {
                    Self::fill(world, slot, class, count);
                }
                true
            }
        }
    }

    fn usable<'s>(
        &'s self,
        world: &'s World<'_>,
        tier: &'s [OptionId],
        allowed: Allowed,
    ) -> impl Iterator<Item = OptionId> + 's {
        tier.iter()
            .copied()
            .filter(move |o| (allowed.spot || !self.spot[o.at()]) && world.allows(*o))
    }

    /// The cheapest option of the heaviest tier that holds all of `items`.
    fn one_for_all(
        &self,
        world: &mut World<'_>,
        items: &[(ClassId, u32)],
        allowed: Allowed,
    ) -> Option<(Price, OptionId)> {
        let problem = world.problem();
        let mut total = vec![0i64; problem.dims];
        for (class, count) in items {
            for (sum, need) in total.iter_mut().zip(problem.demand_of(*class)) {
                *sum = sum.saturating_add(need.saturating_mul(i64::from(*count)));
            }
        }
        for tier in &self.tiers {
            let mut holding: Vec<(Price, OptionId)> = self
                .usable(world, tier, allowed)
                .filter(|option| fits(&total, problem.room_of(problem.options[*option].room)))
                .filter(|option| {
                    items
                        .iter()
                        .all(|(class, _)| problem.options_of(*class).contains(*option))
                })
                .filter_map(|option| Some((problem.options[option].price?, option)))
                .filter(|(price, _)| allowed.limit.is_none_or(|limit| *price <= limit))
                .collect();
            holding.sort_unstable();
            for (price, option) in holding {
                if self.simple && !self.rules || self.holds(world, option, items) {
                    return Some((price, option));
                }
            }
            let suited = |(class, _): &(ClassId, u32)| {
                self.usable(world, tier, allowed)
                    .any(|option| problem.holds_one(option, *class))
            };
            if items.iter().any(suited) {
                // M-1 (2): a lighter pool gets nothing that this one takes.
                return None;
            }
        }
        None
    }

    /// Whether the bought node of `slot` could be of as many types as its pool asks for, none of them dearer than `most`.
    pub(super) fn leaves_a_choice(
        &self,
        world: &World<'_>,
        slot: Slot,
        spot: bool,
        most: Option<Price>,
    ) -> bool {
        let problem = world.problem();
        let Some(bought) = world.bought(slot) else {
            return true;
        };
        let pool = problem.options[bought.option].pool;
        if !asks_for_values(problem, pool) {
            return true;
        }
        let mut choice = world.alternatives(slot, world.stocks());
        choice.retain(|option| {
            let price = problem.options[option].price;
            (spot || !self.spot[option.at()])
                && most.is_none_or(|most| price.is_some_and(|price| price <= most))
        });
        enough_values(problem, pool, &choice)
    }

    fn holds(&self, world: &mut World<'_>, option: OptionId, items: &[(ClassId, u32)]) -> bool {
        let mark = world.mark();
        let slot = world.buy(option);
        let all = items
            .iter()
            .all(|(class, count)| Self::fill(world, slot, *class, *count) == *count);
        world.undo(mark);
        all
    }

    /// Node by node, each seeded with the most valuable pod that waits and bought as the option with the least price per
    /// value of what it then holds. Gives up where that would cost more than `limit`.
    fn greedily(
        &self,
        world: &mut World<'_>,
        items: Vec<(ClassId, u32)>,
        allowed: Allowed,
        limit: Option<Price>,
    ) -> Option<Price> {
        let problem = world.problem();
        let mut spent = Price::ZERO;
        let mut room = Vec::new();
        let mut known = vec![0.0; problem.pairs.len()];
        let mut items = Items::new(problem, items);
        while let Some(seed) = items.first() {
            let left = limit.map(|limit| limit - spent);
            if !self.may_pay(problem, &items.list, left) {
                return None;
            }
            let mut ranked: Vec<Ranked> = Vec::new();
            for tier in &self.tiers {
                let options = self.seeded(world, tier, seed, allowed, left);
                ranked = self.ranked(problem, options, &items, &mut known, &mut room);
                if !ranked.is_empty() {
                    break;
                }
            }
            let option = self.buy_best(world, ranked, &mut items)?;
            spent += problem.options[option].price?;
            items.tidy(problem);
        }
        Some(spent)
    }

    /// Options of `tier` that hold `seed` within the price: of each type one, in the emptiest domain where that matters.
    fn seeded(
        &self,
        world: &World<'_>,
        tier: &[OptionId],
        seed: ClassId,
        allowed: Allowed,
        left: Option<Price>,
    ) -> Vec<OptionId> {
        let problem = world.problem();
        let counts = world.counts();
        let plain = counts.is_plain(seed);
        let mut options: Vec<OptionId> = self
            .usable(world, tier, allowed)
            .filter(|option| problem.holds_one(*option, seed))
            .filter(|option| {
                let price = problem.options[*option].price;
                left.is_none_or(|left| price.is_some_and(|price| price <= left))
            })
            .filter(|option| {
                let spot = Spot {
                    slot: u32::MAX,
                    option: Some(*option),
                };
                plain || counts.allows(seed, spot)
            })
            .collect();
        if self.rules {
            let key = |option: OptionId| {
                let row = &problem.options[option];
                (row.pair, row.price, counts.crowd(seed, option), option)
            };
            options.sort_by_key(|option| key(*option));
            options.dedup_by_key(|option| problem.options[*option].pair);
        }
        options
    }

    /// The best of `options` by price per value of what they would hold, best first: as many as are asked for, those that
    /// are as good as the last of them too. `known` is the last such ratio of each pair, which gets no better as items go:
    /// options that were worse than what is found are not filled again.
    fn ranked(
        &self,
        problem: &Problem,
        mut options: Vec<OptionId>,
        items: &Items<'_>,
        known: &mut [f64],
        room: &mut Vec<i64>,
    ) -> Vec<Ranked> {
        let wanted = if self.simple && !self.rules { 1 } else { EXACT };
        let pair = |option: OptionId| problem.options[option].pair.at();
        options
            .sort_by(|a, b| (known[pair(*a)].total_cmp(&known[pair(*b)])).then_with(|| a.cmp(b)));
        let mut ranked: Vec<Ranked> = Vec::new();
        for option in options {
            let last = ranked.get(wanted - 1);
            if last.is_some_and(|last| last.ratio < known[pair(option)]) {
                break;
            }
            let value = self.filled(problem, option, items, room);
            if value > 0.0 {
                let ratio = problem.options[option].cost / value;
                known[pair(option)] = ratio;
                ranked.push(Ranked {
                    ratio,
                    value,
                    option,
                });
                ranked.sort_by(Ranked::order);
            }
        }
        ranked
    }

    /// Buys the best of `ranked` as they really are, filled, and takes what it holds off `items`. `None` if nothing holds
    /// anything; the caller takes back what was done.
    fn buy_best(
        &self,
        world: &mut World<'_>,
        ranked: Vec<Ranked>,
        items: &mut Items<'_>,
    ) -> Option<OptionId> {
        let mark = world.mark();
        let mut taken = Vec::new();
        let mut best: Option<(f64, OptionId)> = None;
        let mut held = None;
        for Ranked { ratio, option, .. } in ranked.into_iter().take(EXACT) {
            // Rules between pods hardly ever make more of a node than its room does.
            if best.is_some_and(|(found, _)| found <= ratio) {
                break;
            }
            world.undo(mark);
            let value = self.fill_new(world, option, items, &mut taken);
            held = Some(option);
            let real = world.problem().options[option].cost / value;
            if value > 0.0 && best.is_none_or(|(found, _)| real < found) {
                best = Some((real, option));
            }
        }
        let (_, option) = best?;
        if held != Some(option) {
            world.undo(mark);
            self.fill_new(world, option, items, &mut taken);
        }
        for ((_, count), taken) in items.list.iter_mut().zip(taken) {
            *count -= taken;
        }
        Some(option)
    }

    /// The value of what a new node of `option` would hold of `items`, filled in their order, rules between pods apart.
    /// `room` is a buffer.
    fn filled(
        &self,
        problem: &Problem,
        option: OptionId,
        items: &Items<'_>,
        room: &mut Vec<i64>,
    ) -> f64 {
        let dims = problem.dims;
        let mut value = 0.0;
        room.clear();
        room.extend_from_slice(problem.room_of(problem.options[option].room));
        let rows = items
            .demands
            .chunks_exact(dims)
            .zip(items.after.chunks_exact(dims));
        for (((class, count), suits), (demand, least)) in
            items.list.iter().zip(&items.suits).zip(rows)
        {
            if !fits(least, room) {
                break;
            }
            if *count == 0 || !fits(demand, room) || !suits.contains(option) {
                continue;
            }
            let n = match *count {
                1 => 1,
                most => fit_count(demand, room).min(most),
            };
            for (left, need) in room.iter_mut().zip(demand) {
                *left -= need * i64::from(n);
            }
            value += self.value[class.at()] * f64::from(n);
        }
        value
    }

    /// Buys a node of `option` and fills it with `items`: the value of what it holds, and how much of each item that is.
    fn fill_new(
        &self,
        world: &mut World<'_>,
        option: OptionId,
        items: &Items<'_>,
        taken: &mut Vec<u32>,
    ) -> f64 {
        let dims = world.problem().dims;
        let mut value = 0.0;
        taken.clear();
        let slot = world.buy(option);
        let rows = items
            .demands
            .chunks_exact(dims)
            .zip(items.after.chunks_exact(dims));
        for ((class, count), (demand, least)) in items.list.iter().zip(rows) {
            if !fits(least, world.room(slot)) {
                break;
            }
            let placed = match *count > 0 && fits(demand, world.room(slot)) {
                true => Self::fill(world, slot, *class, *count),
                false => 0,
            };
            taken.push(placed);
            value += self.value[class.at()] * f64::from(placed);
        }
        value
    }
}

/// An option with the price per value, and the value, of what it would hold.
struct Ranked {
    ratio: f64,
    value: f64,
    option: OptionId,
}

impl Ranked {
    /// The least ratio first, then the greatest value, then ids.
    fn order(a: &Self, b: &Self) -> Ordering {
        (a.ratio.total_cmp(&b.ratio))
            .then_with(|| b.value.total_cmp(&a.value))
            .then_with(|| a.option.cmp(&b.option))
    }
}

/// Items with what they ask for side by side, because many options are tried with them. Those of which none is left stay
/// until they are many.
struct Items<'p> {
    list: Vec<(ClassId, u32)>,
    /// Requests, item by item.
    demands: Vec<i64>,
    /// Options that suit each.
    suits: Vec<&'p BitSet<OptionId>>,
    /// The [`suffix_minima`].
    after: Vec<i64>,
}

impl<'p> Items<'p> {
    fn new(problem: &'p Problem, list: Vec<(ClassId, u32)>) -> Self {
        let demands = list.iter().map(|(class, _)| problem.demand_of(*class));
        Self {
            demands: demands.flatten().copied().collect(),
            suits: list
                .iter()
                .map(|(class, _)| problem.options_of(*class))
                .collect(),
            after: suffix_minima(problem, &list),
            list,
        }
    }

    /// The first class of which some are left.
    fn first(&self) -> Option<ClassId> {
        let first = self.list.iter().find(|(_, count)| *count > 0);
        first.map(|(class, _)| *class)
    }

    /// Forgets what is not left once that is a good part of the list.
    fn tidy(&mut self, problem: &'p Problem) {
        let left = self.list.iter().filter(|(_, count)| *count > 0).count();
        if left * 8 <= self.list.len() * 7 {
            let mut list = std::mem::take(&mut self.list);
            list.retain(|(_, count)| *count > 0);
            *self = Self::new(problem, list);
        }
    }
}

/// By item: the least that it or any later one asks for, resource by resource. Room below that ends a filling.
fn suffix_minima(problem: &Problem, items: &[(ClassId, u32)]) -> Vec<i64> {
    let dims = problem.dims;
    let mut minima = vec![i64::MAX; items.len() * dims];
    let mut least = vec![i64::MAX; dims];
    for (at, (class, _)) in items.iter().enumerate().rev() {
        for (least, need) in least.iter_mut().zip(problem.demand_of(*class)) {
            *least = (*least).min(*need);
        }
        minima[at * dims..][..dims].copy_from_slice(&least);
    }
    minima
}
