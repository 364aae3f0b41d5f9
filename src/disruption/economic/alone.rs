//! What must hold of one part of a plan when it is carried out alone: limits, and rules between pods.
//!
//! The search decides about the whole cluster, and each of its steps may count on those before. Commands are carried out
//! one by one or all together, so each has to hold either way.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Economic;
use super::pack::Allowed;
use super::parts::{Joined, Part};
use super::places::Places;
use crate::base::index::Ix as _;
use crate::disruption::build::Dealer;
use crate::disruption::candidate::Candidate;
use crate::model::price::Price;
use crate::problem::whatif::CountedKind;
use crate::problem::{ClassId, NodeId, Stock, StockId};
use crate::solver::holds::asks_for_values;
use crate::solver::whatif::{Slot, World};

impl<'c, 'a> Economic<'c, 'a> {
    /// What limits leave with nothing but `candidates` gone and `slots` bought.
    fn balance(
        &self,
        world: &World<'_>,
        candidates: &[&Candidate<'a>],
        slots: &[Slot],
    ) -> Vec<i128> {
        let problem = world.problem();
        let mut left: Vec<i128> = problem.stocks.iter().map(|stock| stock.left).collect();
        for candidate in candidates {
            for (stock, amount) in &self.cluster.what.uses[candidate.node] {
                left[stock.at()] += amount;
            }
        }
        for bought in slots.iter().filter_map(|slot| world.bought(*slot)) {
            for (stock, amount) in &problem.options[bought.option].uses {
                left[stock.at()] -= amount;
            }
        }
        left
    }

    /// What parts that use more of limits than they give back use of them together, given what each leaves: they may all
    /// come before those that give.
    fn used_first(world: &World<'_>, balances: &[Vec<i128>]) -> Vec<i128> {
        let stocks = world.problem().stocks.iter().enumerate();
        let used = |(at, stock): (usize, &Stock)| {
            let nets = balances.iter().map(|left| left[at] - stock.left);
            nets.map(|net| net.min(0)).sum()
        };
        stocks.map(used).collect()
    }

    /// What a part that leaves `left` alone leaves at worst, after all others that use of limits.
    fn at_worst(world: &World<'_>, left: &[i128], used: &[i128]) -> Vec<i128> {
        let stocks = world.problem().stocks.iter();
        let worst = |((left, used), stock): ((&i128, &i128), &Stock)| {
            left + used - (left - stock.left).min(0)
        };
        left.iter().zip(used).zip(stocks).map(worst).collect()
    }

    /// The limits that `slots` would break by themselves, as positions.
    fn short(world: &World<'_>, slots: &[Slot], left: &[i128]) -> Vec<usize> {
        let bought = slots.iter().filter_map(|slot| world.bought(*slot));
        let used = bought.flat_map(|b| &world.problem().options[b.option].uses);
        let mut short: Vec<usize> = used
            .map(|(stock, _)| stock.at())
            .filter(|at| left[*at] < 0)
            .collect();
        short.sort_unstable();
        short.dedup();
        short
    }

    /// Parts that would break a limit by themselves, or after others that use of it, are joined with those that give it
    /// back.
    pub(super) fn join_by_limits(
        &self,
        world: &World<'_>,
        leaving: &[&Candidate<'a>],
        bought: &[Slot],
        sets: &mut Joined,
    ) {
        if world.problem().stocks.is_empty() || bought.is_empty() {
            return;
        }
        loop {
            let mut parts: BTreeMap<usize, (Vec<&Candidate<'a>>, Vec<Slot>)> = BTreeMap::new();
            for (at, candidate) in leaving.iter().enumerate() {
                parts.entry(sets.root(at)).or_default().0.push(*candidate);
            }
            for (at, slot) in bought.iter().enumerate() {
                let root = sets.root(leaving.len() + at);
                parts.entry(root).or_default().1.push(*slot);
            }
            let balances: Vec<Vec<i128>> = (parts.values())
                .map(|(candidates, slots)| self.balance(world, candidates, slots))
                .collect();
            let used = Self::used_first(world, &balances);
            let held = || parts.iter().zip(&balances);
            let needy = held().find_map(|((root, (_, slots)), left)| {
                let worst = Self::at_worst(world, left, &used);
                let stock = *Self::short(world, slots, &worst).first()?;
                Some((*root, stock))
            });
            let Some((needy, stock)) = needy else {
                return;
            };
            let whole = &world.problem().stocks[StockId::new(stock)];
            let giver =
                held().find(|((root, _), left)| **root != needy && left[stock] > whole.left);
            let Some(((giver, _), _)) = giver else {
                return;
            };
            sets.join(needy, *giver);
        }
    }

    /// Parts whose nodes could not be of as many types as their pools ask for without losing what they save (D-55) are
    /// joined with the part that saves most.
    pub(super) fn join_by_choice(
        &self,
        world: &World<'_>,
        leaving: &[&Candidate<'a>],
        bought: &[Slot],
        sets: &mut Joined,
    ) {
        let problem = world.problem();
        if !problem
            .pools
            .ids()
            .any(|pool| asks_for_values(problem, pool))
        {
            return;
        }
        let price = |slot: Slot| problem.options[world.bought(slot)?.option].price;
        loop {
            let mut saved: BTreeMap<usize, Price> = BTreeMap::new();
            for (at, candidate) in leaving.iter().enumerate() {
                let sum = saved.entry(sets.root(at)).or_default();
                *sum += candidate.price.unwrap_or(Price::ZERO);
            }
            for (at, slot) in bought.iter().enumerate() {
                let sum = saved.entry(sets.root(leaving.len() + at)).or_default();
                *sum = *sum - price(*slot).unwrap_or(Price::ZERO);
            }
            let needy = bought.iter().enumerate().find_map(|(at, slot)| {
                let root = sets.root(leaving.len() + at);
                let most = price(*slot)? + *saved.get(&root)? - Price::from_femto(1);
                let spot = self.packer.is_spot(world.bought(*slot)?.option);
                let enough = self.packer.leaves_a_choice(world, *slot, spot, Some(most));
                (!enough).then_some(root)
            });
            let Some(needy) = needy else {
                return;
            };
            let others = saved.iter().filter(|(root, _)| **root != needy);
            let Some((giver, _)) = others.max_by_key(|(root, sum)| (**sum, **root)) else {
                return;
            };
            sets.join(needy, *giver);
        }
    }

    /// What limits leave of a part whether it is carried out alone or with everything else, which leaves `all`; `None`
    /// where it breaks one.
    pub(super) fn stocks_alone(
        &self,
        world: &World<'_>,
        candidates: &[&Candidate<'a>],
        slots: &[Slot],
        all: &[i128],
    ) -> Option<Vec<i128>> {
        let mut left = self.balance(world, candidates, slots);
        for (alone, all) in left.iter_mut().zip(all) {
            *alone = (*alone).min(*all);
        }
        Self::short(world, slots, &left).is_empty().then_some(left)
    }

    /// A part as it stands with only its own nodes gone and its pods arriving one after the other, and the world in which
    /// it does: a domain that others leave is there still, a pod that follows another needs that one first, and those
    /// that wait already are not there yet. Pods that do not find their planned places then get others, on what the part
    /// has to itself or on nodes bought for less than it saves; `None` if there are none.
    pub(super) fn standing_alone<'w, 'd>(
        &self,
        world: &'w World<'c>,
        part: Part<'d, 'a>,
    ) -> Option<(Cow<'w, World<'c>>, Part<'d, 'a>)> {
        let between = &self.cluster.what.between;
        let mut contents = part.candidates.iter().filter_map(|c| c.content.as_ref());
        let departing = between.departing.iter().any(|held| !held.is_empty());
        let concerned = |class: ClassId| {
            let bound = |rule: &u32| between.rules[*rule as usize].demand != CountedKind::Anti;
            !between.steady[class] && (departing || between.owned[class].iter().any(bound))
        };
        if between.is_idle() || !contents.any(|held| held.iter().any(|(one, _)| concerned(*one))) {
            return Some((Cow::Borrowed(world), part));
        }
        let (mut alone, stranded) = self.arrived(world, &part);
        if stranded.is_empty() {
            return Some((Cow::Borrowed(world), part));
        }
        if !self.place_again(&mut alone, &stranded, world, &part) {
            return None;
        }
        let part = self.dealt(&alone, part.candidates);
        let (_, stranded) = self.arrived(&alone, &part);
        stranded.is_empty().then_some((Cow::Owned(alone), part))
    }

    /// The cluster with only the nodes of `part` gone and those of its pods where it has them, in `world`, that get there in
    /// the order in which a command names them; and those that do not.
    fn arrived(&self, world: &World<'_>, part: &Part<'_, 'a>) -> (World<'c>, Vec<(ClassId, u32)>) {
        let mut alone = World::beside_departing(&self.cluster.what);
        for candidate in &part.candidates {
            alone.remove(Slot::of(candidate.node));
        }
        let class_of = &self.cluster.what.class_of;
        let mut waiting: Vec<(Slot, ClassId)> = Vec::new();
        let mut wait = |slot: Slot, pods: &[u32]| {
            let known = pods.iter().filter_map(|pod| class_of[*pod as usize]);
            waiting.extend(known.map(|class| (slot, class)));
        };
        for (node, pods) in &part.existing {
            wait(Slot::of(*node), pods);
        }
        for (slot, pods) in &part.bought {
            if let Some(bought) = world.bought(*slot) {
                wait(alone.buy(bought.option), pods);
            }
        }
        alone.place_all(&mut waiting, |pod| *pod);
        let stranded = waiting.iter().map(|(_, class)| (*class, 1)).collect();
        (alone, stranded)
    }

    /// Finds places for the `stranded` pods of `part` in `alone`, where the rest of it stands already.
    fn place_again(
        &self,
        alone: &mut World<'c>,
        stranded: &[(ClassId, u32)],
        world: &World<'_>,
        part: &Part<'_, 'a>,
    ) -> bool {
        let bought = part
            .bought
            .iter()
            .filter_map(|(slot, _)| world.bought(*slot));
        let options = &world.problem().options;
        let after: Price = bought.filter_map(|b| options[b.option].price).sum();
        let before: Price = part.candidates.iter().filter_map(|c| c.price).sum();
        // Room that others take, whether they come before or after, is not there.
        let mut own = vec![0; world.existing()];
        for (node, pods) in &part.existing {
            own[node.at()] = pods.len();
        }
        let mut open = self.destinations(&[]);
        open.retain(|slot| {
            let pods = world.content(*slot).iter().map(|(_, n)| *n as usize);
            !world.is_gone(*slot) && pods.sum::<usize>() == own[slot.at()]
        });
        open.extend(alone.slots().skip(alone.existing()));
        let allowed = Allowed {
            new: true,
            spot: false,
            solver: None,
            limit: Some(before - after),
        };
        let mut places = Places::new(&self.packer, alone, &open);
        self.packer.pack(alone, stranded, &mut places, allowed)
    }

    /// What `alone` holds as a part of which `candidates` are the nodes that go.
    fn dealt<'d>(&self, alone: &World<'_>, candidates: Vec<&'d Candidate<'a>>) -> Part<'d, 'a> {
        let mut dealer = Dealer::new(self.cluster, &candidates, false);
        let mut part = Part::default();
        let held = |slot: &Slot| !alone.is_gone(*slot) && !alone.content(*slot).is_empty();
        for slot in alone.slots().filter(held) {
            let pods = dealer.deal(alone.content(slot));
            if alone.bought(slot).is_some() {
                part.bought.push((slot, pods));
            } else {
                part.existing.push((NodeId::new(slot.at()), pods));
            }
        }
        part.candidates = candidates;
        part
    }
}
