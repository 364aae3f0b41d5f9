//! Finding places for pods in a world: free room first, then new nodes.

use crate::base::index::Ix as _;
use crate::model::instance_type::CapacityType;
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::{ClassId, NodeId, OptionId, Problem, fit_count, fits};
use crate::solver::candidates::Tiers;
use crate::solver::pack::solve_roughly;
use crate::solver::values::{Measure, values};
use crate::solver::whatif::topology::Spot;
use crate::solver::whatif::{Slot, World};
use crate::solver::{Group, Target};

use crate::disruption::cluster::Cluster;

/// From how many pods on the solver packs instead of the greedy rule here.
const MANY_PODS: u32 = 120;

/// What a class is worth at most: one that no option holds.
const PRICELESS: f64 = 1e6;

/// How pods are packed; made once per cluster.
#[derive(Debug)]
pub struct Packer {
    /// Price that the place of one pod of each class costs at least.
    pub value: Vec<f64>,
    /// Options worth trying by weight of their pools, heaviest first.
    tiers: Vec<Vec<OptionId>>,
    /// What one unit of each resource is worth.
    rates: Vec<f64>,
    spot: Vec<bool>,
    /// Whether plain arithmetic says what a new node holds: no labels are undecided and no host ports are asked for.
    simple: bool,
    /// Whether rules between pods matter at all.
    rules: bool,
    /// The least price of a node that holds a pod of the class.
    least_price: Vec<Option<Price>>,
}

/// How many fitting slots a pod chooses among.
const WINDOW: usize = 12;

/// Up to how many slots all of them are looked at for every class.
const FEW_SLOTS: usize = 256;

/// How many options are filled exactly where rules between pods matter.
const EXACT: usize = 3;

/// What a packing may use.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "settings of one call")]
pub struct Allowed {
    /// New nodes at all.
    pub new: bool,
    /// New spot nodes.
    pub spot: bool,
    /// The solver for many pods.
    pub solver: Option<Effort>,
    /// The most that new nodes may cost per hour together.
    pub limit: Option<Price>,
}

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

    /// Whether another slot was found for `class`.
    fn grow(&mut self, world: &World<'_>, class: ClassId) -> bool {
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

#[expect(clippy::cast_precision_loss, reason = "worth is a weighing")]
fn as_float(amount: i64) -> f64 {
    amount as f64
}

impl Packer {
    /// Reads prices and values. O(classes x options + options^2).
    #[must_use]
    pub fn new(cluster: &Cluster<'_>) -> Self {
        let problem = &cluster.what.problem;
        let tiers = Tiers::new(problem);
        let costs: Vec<(OptionId, f64)> = tiers.all().map(|c| (c.option, c.cost)).collect();
        let mut value = values(problem, &costs, Measure::Fair);
        value.iter_mut().for_each(|v| *v = v.min(PRICELESS));
        let rules = !cluster.what.between.rules.is_empty();
        let priced = |tier: &crate::solver::candidates::Tier| {
            let mut options: Vec<OptionId> = tier.priced.iter().map(|c| c.option).collect();
            if rules {
                // Where domains matter, every zone is an option of its own.
                let pairs: Vec<_> = options.iter().map(|o| problem.options[*o].pair).collect();
                for pair in pairs {
                    let range = problem.pairs[pair].options.clone();
                    options.extend(range.map(|at| OptionId::new(at as usize)));
                }
                options.sort_unstable();
                options.dedup();
            }
            options.retain(|option| problem.options[*option].price.is_some());
            options
        };
        let mut rates = vec![f64::INFINITY; problem.dims];
        for (option, cost) in &costs {
            let room = problem.room_of(problem.options[*option].room);
            for (rate, amount) in rates.iter_mut().zip(room) {
                if *amount > 0 && *cost > 0.0 {
                    *rate = rate.min(cost / as_float(*amount));
                }
            }
        }
        rates
            .iter_mut()
            .filter(|rate| !rate.is_finite())
            .for_each(|rate| *rate = 0.0);
        let open = |pair: &crate::problem::Pair| problem.states.is_open(pair.state);
        let least_price = |class: ClassId| {
            let holding = tiers.all().map(|c| c.option);
            holding
                .filter(|option| problem.holds_one(*option, class))
                .filter_map(|option| problem.options[option].price)
                .min()
        };
        let least_price = problem.classes.ids().map(least_price).collect();
        Self {
            value,
            tiers: tiers.tiers.iter().map(priced).collect(),
            rates,
            spot: problem
                .options
                .ids()
                .map(|o| cluster.offering(o).1.capacity_type == CapacityType::Spot)
                .collect(),
            simple: !problem.pairs.iter().any(open)
                && problem.classes.iter().all(|class| class.excludes.is_none()),
            rules,
            least_price,
        }
    }

    /// Below what new nodes for `items` cannot cost: each resource at its least price per unit.
    fn floor_price(&self, problem: &Problem, items: &[(ClassId, u32)]) -> f64 {
        let mut sums = vec![0.0; problem.dims];
        for (class, count) in items {
            for ((sum, need), rate) in sums
                .iter_mut()
                .zip(problem.demand_of(*class))
                .zip(&self.rates)
            {
                *sum += as_float(*need) * rate * f64::from(*count);
            }
        }
        sums.into_iter().fold(0.0, f64::max) * (1.0 - 1e-9)
    }

    /// Whether new nodes for `items` may cost no more than `limit`, as far as bounds tell.
    fn may_pay(&self, problem: &Problem, items: &[(ClassId, u32)], limit: Option<Price>) -> bool {
        let Some(limit) = limit else { return true };
        let dearest = items
            .iter()
            .map(|(class, _)| self.least_price[class.at()])
            .try_fold(Price::ZERO, |most, price| price.map(|p| most.max(p)));
        dearest.is_some_and(|least| least <= limit)
            && self.floor_price(problem, items) <= limit.as_f64()
    }

    /// Whether `option` is spot.
    #[must_use]
    pub fn is_spot(&self, option: OptionId) -> bool {
        self.spot[option.at()]
    }

    /// What `content` is worth.
    #[must_use]
    pub fn worth_of(&self, content: &[(ClassId, u32)]) -> f64 {
        let worth = |(class, count): &(ClassId, u32)| self.value[class.at()] * f64::from(*count);
        content.iter().map(worth).sum()
    }

    /// Places `content` somewhere; `false` if some pod finds no place, and the caller takes back what was done. `open` are
    /// the slots that may have room.
    pub fn pack(
        &self,
        world: &mut World<'_>,
        content: &[(ClassId, u32)],
        open: &mut Places,
        allowed: Allowed,
    ) -> bool {
        let mut items = merged(content);
        let pods: u32 = items.iter().map(|(_, count)| count).sum();
        let plain = |(class, _): &(ClassId, u32)| world.counts().is_plain(*class);
        if let Some(effort) = allowed.solver
            && allowed.new
            && pods >= MANY_PODS
            && items.iter().all(plain)
        {
            return self.solve(world, &items, allowed, effort);
        }
        self.sort(world.problem(), &mut items);
        for (class, count) in &mut items {
            *count = self.onto_open(world, *class, *count, open);
            if *count > 0 && !allowed.new {
                return false;
            }
        }
        items.retain(|(_, count)| *count > 0);
        items.is_empty()
            || (allowed.new
                && self.may_pay(world.problem(), &items, allowed.limit)
                && self.onto_new(world, items, allowed))
    }

    /// Most valuable first; requests, then ids break ties.
    fn sort(&self, problem: &Problem, items: &mut [(ClassId, u32)]) {
        items.sort_by(|(a, _), (b, _)| {
            (self.value[b.at()].total_cmp(&self.value[a.at()]))
                .then_with(|| problem.demand_of(*b).cmp(problem.demand_of(*a)))
                .then_with(|| a.cmp(b))
        });
    }

    /// What the free room of `slot` is worth.
    #[must_use]
    pub fn free_worth(&self, world: &World<'_>, slot: Slot) -> f64 {
        world
            .room(slot)
            .iter()
            .zip(&self.rates)
            .map(|(amount, rate)| as_float(*amount) * rate)
            .sum()
    }

    /// Puts pods of `class` on open slots, the one whose room is worth least of the first few that fit; what is left comes
    /// back.
    fn onto_open(
        &self,
        world: &mut World<'_>,
        class: ClassId,
        count: u32,
        open: &mut Places,
    ) -> u32 {
        let demand = world.problem().demand_of(class);
        let mut left = count;
        while left > 0 {
            let mut best: Option<(f64, Slot)> = None;
            let mut seen = 0;
            let mut at = 0;
            while seen < WINDOW {
                let Some(slot) = open.lists[class.at()].0.get(at).copied() else {
                    if open.grow(world, class) {
                        continue;
                    }
                    break;
                };
                at += 1;
                if world.is_gone(slot)
                    || !fits(demand, world.room(slot))
                    || !world.suits(slot, class)
                {
                    continue;
                }
                seen += 1;
                let worth = self.free_worth(world, slot);
                if best.is_none_or(|(held, _)| worth < held) {
                    best = Some((worth, slot));
                }
            }
            let Some((_, slot)) = best else { break };
            while left > 0 && world.fits(slot, class) {
                world.place(slot, class);
                left -= 1;
            }
        }
        left
    }

    /// Buys nodes for `items`: the cheaper of one node for all, and a greedy choice node by node.
    fn onto_new(
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
                    for _ in 0..count {
                        world.place(slot, class);
                    }
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

    fn holds(&self, world: &mut World<'_>, option: OptionId, items: &[(ClassId, u32)]) -> bool {
        let mark = world.mark();
        let slot = world.buy(option);
        let mut all = true;
        'items: for (class, count) in items {
            for _ in 0..*count {
                if !world.fits(slot, *class) {
                    all = false;
                    break 'items;
                }
                world.place(slot, *class);
            }
        }
        world.undo(mark);
        all
    }

    /// Node by node, each seeded with the most valuable pod that waits and bought as the option with the least price per
    /// value of what it then holds. Gives up where that would cost more than `limit`.
    fn greedily(
        &self,
        world: &mut World<'_>,
        mut items: Vec<(ClassId, u32)>,
        allowed: Allowed,
        limit: Option<Price>,
    ) -> Option<Price> {
        let problem = world.problem();
        let mut spent = Price::ZERO;
        while let Some((seed, _)) = items.first().copied() {
            let left = limit.map(|limit| limit - spent);
            if !self.may_pay(problem, &items, left) {
                return None;
            }
            let after = suffix_minima(problem, &items);
            let mut ranked: Vec<(f64, f64, OptionId)> = Vec::new();
            for tier in &self.tiers {
                for option in self.seeded(world, tier, seed, allowed, left) {
                    let value = self.filled(problem, option, &items, &after);
                    let cost = problem.options[option].cost;
                    if value > 0.0 {
                        ranked.push((cost / value, value, option));
                    }
                }
                if !ranked.is_empty() {
                    break;
                }
            }
            let option = self.best_of(world, ranked, &items, &after)?;
            spent += problem.options[option].price?;
            let slot = world.buy(option);
            for (at, (class, count)) in items.iter_mut().enumerate() {
                if !fits(
                    &after[at * problem.dims..][..problem.dims],
                    world.room(slot),
                ) {
                    break;
                }
                while *count > 0 && world.fits(slot, *class) {
                    world.place(slot, *class);
                    *count -= 1;
                }
            }
            if world.content(slot).is_empty() {
                return None;
            }
            items.retain(|(_, count)| *count > 0);
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

    /// The least ratio; where rules between pods matter, of the few best as they really are.
    fn best_of(
        &self,
        world: &mut World<'_>,
        mut ranked: Vec<(f64, f64, OptionId)>,
        items: &[(ClassId, u32)],
        after: &[i64],
    ) -> Option<OptionId> {
        ranked.sort_by(|a, b| {
            (a.0.total_cmp(&b.0))
                .then_with(|| b.1.total_cmp(&a.1))
                .then_with(|| a.2.cmp(&b.2))
        });
        if self.simple && !self.rules {
            return ranked.first().map(|(_, _, option)| *option);
        }
        let mut best: Option<(f64, OptionId)> = None;
        for (_, _, option) in ranked.into_iter().take(EXACT) {
            let value = self.filled_exactly(world, option, items, after);
            let ratio = world.problem().options[option].cost / value;
            if value > 0.0 && best.is_none_or(|(held, _)| ratio < held) {
                best = Some((ratio, option));
            }
        }
        best.map(|(_, option)| option)
    }

    /// The value of what a new node of `option` would hold of `items`, filled in their order, rules between pods apart.
    fn filled(
        &self,
        problem: &Problem,
        option: OptionId,
        items: &[(ClassId, u32)],
        after: &[i64],
    ) -> f64 {
        let mut value = 0.0;
        let mut room = problem.room_of(problem.options[option].room).to_vec();
        for (at, (class, count)) in items.iter().enumerate() {
            if !fits(&after[at * problem.dims..][..problem.dims], &room) {
                break;
            }
            if !problem.options_of(*class).contains(option) {
                continue;
            }
            let demand = problem.demand_of(*class);
            let n = fit_count(demand, &room).min(*count);
            for (left, need) in room.iter_mut().zip(demand) {
                *left -= need * i64::from(n);
            }
            value += self.value[class.at()] * f64::from(n);
        }
        value
    }

    fn filled_exactly(
        &self,
        world: &mut World<'_>,
        option: OptionId,
        items: &[(ClassId, u32)],
        after: &[i64],
    ) -> f64 {
        let dims = world.problem().dims;
        let mut value = 0.0;
        let mark = world.mark();
        let slot = world.buy(option);
        for (at, (class, count)) in items.iter().enumerate() {
            if !fits(&after[at * dims..][..dims], world.room(slot)) {
                break;
            }
            for _ in 0..*count {
                if !world.fits(slot, *class) {
                    break;
                }
                world.place(slot, *class);
                value += self.value[class.at()];
            }
        }
        world.undo(mark);
        value
    }

    /// The solver packs many plain pods, on free room and new nodes.
    fn solve(
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
                    for _ in 0..*count {
                        world.place(slot, *class);
                    }
                }
            }
        }
        true
    }
}

/// `content` with equal classes added up.
fn merged(content: &[(ClassId, u32)]) -> Vec<(ClassId, u32)> {
    let mut items = content.to_vec();
    items.sort_unstable();
    items.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
    items
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
