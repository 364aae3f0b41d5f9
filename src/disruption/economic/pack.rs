//! Finding places for pods in a world: free room first, then new nodes.

use crate::base::index::Ix as _;
use crate::model::instance_type::CapacityType;
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::{ClassId, OptionId, Problem, fit_count, fits};
use crate::solver::candidates::Tiers;
use crate::solver::holds::{asks_for_values, keeps_min_values};
use crate::solver::values::{Measure, values};
use crate::solver::whatif::{Slot, World};

use super::places::Places;
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
    pub(super) tiers: Vec<Vec<OptionId>>,
    /// What one unit of each resource is worth.
    rates: Vec<f64>,
    pub(super) spot: Vec<bool>,
    /// Whether plain arithmetic says what a new node holds: no labels are undecided, no host ports and no `minValues` are
    /// asked for.
    pub(super) simple: bool,
    /// Whether rules between pods matter at all.
    pub(super) rules: bool,
    /// The least price of a node that holds a pod of the class.
    least_price: Vec<Option<Price>>,
}

/// How many fitting slots a pod chooses among.
pub(super) const WINDOW: usize = 12;

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
        for (option, _) in &costs {
            let row = &problem.options[*option];
            if let Some(price) = row.price.filter(|price| *price > Price::ZERO) {
                lower(&mut rates, price.as_f64(), problem.room_of(row.room));
            }
        }
        rates
            .iter_mut()
            .filter(|rate| !rate.is_finite())
            .for_each(|rate| *rate = 0.0);
        let open = |pair: &crate::problem::Pair| problem.states.is_open(pair.state);
        let priced_all = tiers.all().map(|c| c.option);
        let mut by_price: Vec<(Price, OptionId)> = priced_all
            .filter_map(|option| Some((problem.options[option].price?, option)))
            .collect();
        by_price.sort_unstable();
        let least_price = |class: ClassId| {
            let mut options = by_price.iter();
            let least = options.find(|(_, option)| problem.holds_one(*option, class));
            least.map(|(price, _)| *price)
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
                && problem.classes.iter().all(|class| class.excludes.is_none())
                && !problem
                    .pools
                    .ids()
                    .any(|pool| asks_for_values(problem, pool)),
            rules,
            least_price,
        }
    }

    /// Whether new nodes for `items` may cost no more than `limit`, as far as bounds tell.
    pub(super) fn may_pay(
        &self,
        problem: &Problem,
        items: &[(ClassId, u32)],
        limit: Option<Price>,
    ) -> bool {
        let mut floor = Floor::new(self, limit);
        let mut left = items.iter().filter(|(_, count)| *count > 0);
        left.all(|(class, count)| floor.add(problem, *class, *count))
    }

    /// What `content` costs at least on new nodes: each resource at its least price per unit.
    pub(super) fn floor_of(&self, problem: &Problem, content: &[(ClassId, u32)]) -> f64 {
        let needs = needs(problem, content);
        let amounts = needs.iter().zip(&self.rates);
        amounts.fold(0.0, |most, (need, rate)| most.max(need * rate))
    }

    /// What the pods of nodes cost at least, wherever they go: on these nodes, given by price, content and free room, on
    /// new ones, or for nothing in `free` room elsewhere.
    pub(super) fn floor_beside<'w>(
        &self,
        problem: &Problem,
        nodes: impl Iterator<Item = (f64, Vec<(ClassId, u32)>, &'w [i64])>,
        free: impl Iterator<Item = &'w [i64]>,
    ) -> f64 {
        let mut rates = self.rates.clone();
        let mut sums = vec![0.0; problem.dims];
        for (price, content, room) in nodes {
            let needs = needs(problem, &content);
            for (at, (need, left)) in needs.iter().zip(room).enumerate() {
                sums[at] += need;
                let whole = need + as_float((*left).max(0));
                if whole > 0.0 {
                    rates[at] = rates[at].min(price / whole);
                }
            }
        }
        for room in free {
            for (sum, left) in sums.iter_mut().zip(room) {
                *sum -= as_float((*left).max(0));
            }
        }
        let amounts = sums.iter().zip(&rates);
        amounts.fold(0.0, |most, (sum, rate)| most.max(sum * rate))
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
        // Pods without any open place need new nodes: often that alone costs too much.
        let mut floor = Floor::new(self, allowed.limit);
        let problem = world.problem();
        for (class, count) in &items {
            if open.is_none(*class) && !(allowed.new && floor.add(problem, *class, *count)) {
                return false;
            }
        }
        self.sort(problem, &mut items);
        for (class, count) in &mut items {
            if open.is_none(*class) {
                continue;
            }
            *count = self.onto_open(world, *class, *count, open);
            if *count > 0 && !(allowed.new && floor.add(problem, *class, *count)) {
                return false;
            }
        }
        items.retain(|(_, count)| *count > 0);
        items.is_empty() || self.onto_new(world, items, allowed)
    }

    /// Places pods of `class` on `slot` until it is full or `most` are placed; how many that are.
    pub(super) fn fill(world: &mut World<'_>, slot: Slot, class: ClassId, most: u32) -> u32 {
        let problem = world.problem();
        let pool = world.bought(slot).map(|b| problem.options[b.option].pool);
        let guarded = pool.filter(|pool| asks_for_values(problem, *pool));
        let plain = world.counts().is_plain(class) && problem.classes[class].excludes.is_none();
        if plain && guarded.is_none() {
            if !world.fits(slot, class) {
                return 0;
            }
            let count = fit_count(problem.demand_of(class), world.room(slot)).min(most);
            world.place_many(slot, class, count);
            return count;
        }
        let keeps = |world: &World<'_>, pool| {
            let mut content = world.content(slot).to_vec();
            content.push((class, 1));
            keeps_min_values(problem, pool, &content, None)
        };
        let mut placed = 0;
        while placed < most
            && world.fits(slot, class)
            && guarded.is_none_or(|pool| keeps(world, pool))
        {
            world.place(slot, class);
            placed += 1;
        }
        placed
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
        self.worth_of_room(world.room(slot))
    }

    /// What so much of each resource is worth.
    #[must_use]
    pub fn worth_of_room(&self, room: &[i64]) -> f64 {
        let amounts = room.iter().zip(&self.rates);
        amounts.map(|(amount, rate)| as_float(*amount) * rate).sum()
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
                let Some(slot) = open.found(class, at) else {
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
            let placed = Self::fill(world, slot, class, left);
            if placed == 0 {
                break;
            }
            left -= placed;
        }
        left
    }
}

/// Lowers each rate to what a unit costs in a node of this `price` and `room`.
fn lower(rates: &mut [f64], price: f64, room: &[i64]) {
    for (rate, amount) in rates.iter_mut().zip(room) {
        if *amount > 0 {
            *rate = rate.min(price / as_float(*amount));
        }
    }
}

/// What `content` asks for, resource by resource.
fn needs(problem: &Problem, content: &[(ClassId, u32)]) -> Vec<f64> {
    let mut sums = vec![0.0; problem.dims];
    for (class, count) in content {
        for (sum, need) in sums.iter_mut().zip(problem.demand_of(*class)) {
            *sum += as_float(*need) * f64::from(*count);
        }
    }
    sums
}

/// Below what new nodes for the pods added so far cannot cost: each resource at its least price per unit, and the least
/// node that holds the most demanding pod.
struct Floor<'p> {
    packer: &'p Packer,
    sums: Vec<f64>,
    /// Exactly, and as a float.
    limit: Option<(Price, f64)>,
}

impl<'p> Floor<'p> {
    fn new(packer: &'p Packer, limit: Option<Price>) -> Self {
        Self {
            packer,
            sums: vec![0.0; packer.rates.len()],
            limit: limit.map(|limit| (limit, limit.as_f64())),
        }
    }

    /// Adds pods; whether what is there may still cost no more than the limit.
    fn add(&mut self, problem: &Problem, class: ClassId, count: u32) -> bool {
        let Some((limit, most)) = self.limit else {
            return true;
        };
        let needs = problem.demand_of(class).iter().zip(&self.packer.rates);
        for (sum, (need, rate)) in self.sums.iter_mut().zip(needs) {
            *sum += as_float(*need) * rate * f64::from(count);
        }
        let floor = self.sums.iter().copied().fold(0.0, f64::max) * (1.0 - 1e-9);
        let least = self.packer.least_price[class.at()];
        least.is_some_and(|least| least <= limit) && floor <= most
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
