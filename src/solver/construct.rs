//! Building a whole plan from values.

use super::candidates::{Candidate, Tiers};
use super::existing::Existing;
use super::fill::{FillList, Node, Order, Ranking};
use super::holds::stock_allows;
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem};

/// How one construction goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipe<'a> {
    /// Whether each new node must hold the most expensive pod that waits.
    pub seeded: bool,
    /// Fill orders tried on each node.
    pub orders: &'a [Order],
    /// Whether classes are placed one priority at a time, highest first.
    pub by_priority: bool,
    /// Whether small pods go first and options are judged by what they use of scarce stocks: most pods, not least money.
    pub thrifty: bool,
}

impl<'a> Recipe<'a> {
    /// Every node seeded, least money, all priorities together.
    #[must_use]
    pub const fn new(orders: &'a [Order]) -> Self {
        Self {
            seeded: true,
            orders,
            by_priority: false,
            thrifty: false,
        }
    }
}

/// The workshop: everything constructions share and reuse.
#[derive(Debug)]
#[non_exhaustive]
pub struct Workshop<'p> {
    /// The problem.
    pub problem: &'p Problem,
    /// Options worth trying.
    pub tiers: &'p Tiers,
    /// The node being filled; its `work` counts inner steps.
    pub node: Node,
    existing: Existing,
    by_value: Vec<ClassId>,
    ranking: Ranking,
    column_lists: Vec<FillList>,
    density_lists: Vec<FillList>,
    best: Vec<(ClassId, u32)>,
    rates: Vec<(f64, i64)>,
    dead: Vec<bool>,
    /// How many classes have run out since the lists were made.
    gone: usize,
    /// By candidate: what a node of it cost per value when it was last filled. As pods run out it only gets dearer.
    least: Vec<f64>,
    /// The candidates in the order of that.
    queue: Vec<usize>,
    pub(super) total: Vec<i64>,
}

/// What a construction leaves behind.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Built {
    /// Nodes with their content.
    pub groups: Vec<Group>,
    /// Pods that wait, by class.
    pub remaining: Vec<u32>,
    /// What is left of the stocks.
    pub stocks: Vec<i128>,
}

impl<'p> Workshop<'p> {
    /// A workshop for `problem`.
    #[must_use]
    pub fn new(problem: &'p Problem, tiers: &'p Tiers) -> Self {
        Self {
            problem,
            tiers,
            node: Node::new(problem),
            existing: Existing::new(problem),
            by_value: problem.classes.ids().collect(),
            ranking: Ranking::default(),
            column_lists: vec![FillList::default(); tiers.columns.len()],
            density_lists: Vec::new(),
            best: Vec::new(),
            rates: rates(problem, tiers),
            dead: vec![false; problem.classes.len()],
            gone: 0,
            least: Vec::new(),
            queue: Vec::new(),
            total: Vec::new(),
        }
    }

    /// Builds a plan for all pods.
    pub fn build(&mut self, values: &[f64], seeds: &[f64], recipe: &Recipe<'_>) -> Built {
        let mut built = Built {
            groups: Vec::new(),
            remaining: self
                .problem
                .classes
                .iter()
                .map(|class| class.count)
                .collect(),
            stocks: self.problem.stocks.iter().map(|stock| stock.left).collect(),
        };
        self.existing.reset(self.problem);
        sort(self.problem, &mut self.by_value, values, recipe);
        let mut levels: Vec<i32> = Vec::new();
        if recipe.by_priority {
            levels.extend(self.problem.classes.iter().map(|class| class.priority));
            levels.sort_unstable_by(|a, b| b.cmp(a));
            levels.dedup();
        }
        if levels.len() < 2 {
            let order = self.by_value.clone();
            self.place(&order, values, seeds, recipe, &mut built);
        } else {
            for level in levels {
                let order: Vec<ClassId> = self
                    .by_value
                    .iter()
                    .copied()
                    .filter(|c| self.problem.classes[*c].priority == level)
                    .collect();
                self.place(&order, values, seeds, recipe, &mut built);
            }
        }
        built.groups.extend(self.existing.groups());
        built
    }

    /// Tries once more to place what waits in a finished plan: on what its nodes have left, and on new ones.
    pub fn complete(&mut self, built: &mut Built, values: &[f64], recipe: &Recipe<'_>) {
        sort(self.problem, &mut self.by_value, values, recipe);
        self.existing.load(self.problem, &built.groups);
        built
            .groups
            .retain(|group| matches!(group.target, Target::Option(_)));
        let order = self.by_value.clone();
        self.place(&order, values, values, recipe, built);
        built.groups.extend(self.existing.groups());
    }

    /// Packs `remaining` on new nodes only, within `stocks`: what repair uses on a part of a plan.
    pub fn repack(
        &mut self,
        values: &[f64],
        seeds: &[f64],
        recipe: &Recipe<'_>,
        remaining: Vec<u32>,
        stocks: Vec<i128>,
    ) -> Built {
        let mut built = Built {
            groups: Vec::new(),
            remaining,
            stocks,
        };
        let mut order: Vec<ClassId> = self.problem.classes.ids().collect();
        order.retain(|class| built.remaining[class.at()] > 0);
        sort(self.problem, &mut order, values, recipe);
        self.buy(&order, values, seeds, recipe, &mut built);
        built
    }

    fn place(
        &mut self,
        order: &[ClassId],
        values: &[f64],
        seeds: &[f64],
        recipe: &Recipe<'_>,
        built: &mut Built,
    ) {
        self.existing.fill(
            self.problem,
            order,
            &mut built.remaining,
            &self.rates,
            &mut self.node,
        );
        if !built.groups.is_empty() {
            self.top_up(order, values, built);
        }
        self.buy(order, values, seeds, recipe, built);
    }

    /// Puts pods on nodes that are bought already. Equal nodes are treated at once.
    fn top_up(&mut self, order: &[ClassId], values: &[f64], built: &mut Built) {
        let problem = self.problem;
        for class in order {
            let mut at = 0;
            while at < built.groups.len() && built.remaining[class.at()] > 0 {
                let group = &built.groups[at];
                let left = built.remaining[class.at()];
                if let Target::Option(option) = group.target
                    && problem.options_of(*class).contains(option)
                {
                    let room = room_left(problem, option, &group.content);
                    self.node
                        .resume(problem, Target::Option(option), &room, &group.content);
                    let added = self.node.add(problem, *class, left, values[class.at()]);
                    if let Some(nodes) = left.checked_div(added) {
                        // As many of the equal nodes as there are pods for take the same; one may take the rest.
                        let whole = nodes.min(group.times);
                        let content = self.node.content.clone();
                        split(&mut built.groups, at, whole, content);
                        built.remaining[class.at()] -= added * whole;
                    }
                }
                at += 1;
            }
        }
    }

    /// Buys nodes for the classes of `order`, pools of greater weight first, unknown prices last (M-1, M-9).
    fn buy(
        &mut self,
        order: &[ClassId],
        values: &[f64],
        seeds: &[f64],
        recipe: &Recipe<'_>,
        built: &mut Built,
    ) {
        let tiers = self.tiers;
        let mut seed_order: Vec<ClassId> = order.to_vec();
        seed_order.sort_by(|a, b| {
            let (x, y) = (seeds[a.at()], seeds[b.at()]);
            if recipe.thrifty {
                x.total_cmp(&y)
            } else {
                y.total_cmp(&x)
            }
            .then_with(|| a.cmp(b))
        });
        for priced in [true, false] {
            for tier in &tiers.tiers {
                let waits = order.iter().any(|class| built.remaining[class.at()] > 0);
                if priced && waits && !tier.priced.is_empty() {
                    let rungs = (tier.priced.as_slice(), tier.rungs.as_slice());
                    self.buy_tier(rungs, order, &seed_order, values, recipe, built);
                } else if !priced && waits && !tier.unpriced.is_empty() {
                    let all: Vec<usize> = (0..tier.unpriced.len()).collect();
                    self.buy_tier(
                        (&tier.unpriced, &all),
                        order,
                        &seed_order,
                        values,
                        recipe,
                        built,
                    );
                }
            }
        }
    }

    fn buy_tier(
        &mut self,
        (candidates, rungs): (&[Candidate], &[usize]),
        order: &[ClassId],
        seed_order: &[ClassId],
        values: &[f64],
        recipe: &Recipe<'_>,
        built: &mut Built,
    ) {
        let problem = self.problem;
        self.prepare_lists(candidates, rungs, order, values, recipe, &built.remaining);
        self.dead.fill(false);
        self.gone = 0;
        self.least.clear();
        self.least.resize(candidates.len(), f64::NEG_INFINITY);
        self.queue.clear();
        self.queue.extend_from_slice(rungs);
        let mut last_demand = None;
        let mut first = 0;
        loop {
            while first < seed_order.len() {
                let class = seed_order[first];
                if built.remaining[class.at()] > 0 && !self.dead[class.at()] {
                    break;
                }
                first += 1;
            }
            let Some(seed) = seed_order.get(first).copied() else {
                return;
            };
            let wanted = recipe.seeded.then_some(seed);
            let demand = problem.demand_of(seed);
            let strange = last_demand.replace(demand) != Some(demand);
            let margin = if strange { STRANGE } else { ALIKE };
            let found = self.best_node(candidates, wanted, margin, values, recipe, built);
            let Some(Best { option, times, .. }) = found else {
                if !recipe.seeded {
                    return;
                }
                self.dead[seed.at()] = true;
                continue;
            };
            for (class, count) in &self.best {
                let left = &mut built.remaining[class.at()];
                *left -= count * times;
                if *left == 0 {
                    self.gone += 1;
                    self.ranking.gone(*class);
                }
            }
            take(problem, &mut built.stocks, option, times);
            built.groups.push(Group {
                target: Target::Option(option),
                content: self.best.clone(),
                times,
            });
        }
    }

    fn prepare_lists(
        &mut self,
        candidates: &[Candidate],
        rungs: &[usize],
        order: &[ClassId],
        values: &[f64],
        recipe: &Recipe<'_>,
        remaining: &[u32],
    ) {
        let problem = self.problem;
        let mut used = vec![false; self.tiers.columns.len()];
        rungs
            .iter()
            .for_each(|at| used[candidates[*at].column] = true);
        let columns = &self.tiers.columns;
        let waiting = |class: &ClassId| remaining[class.at()] > 0;
        let waiting = order.iter().copied().filter(waiting);
        if recipe.orders.contains(&Order::Value) {
            let ranking = &mut self.ranking;
            self.node
                .rank(problem, ranking, waiting.clone(), columns, &used);
        }
        if recipe.orders.iter().all(|order| *order == Order::Value) {
            return;
        }
        for (list, (column, used)) in self.column_lists.iter_mut().zip(columns.iter().zip(used)) {
            if used {
                let suited = |class: &ClassId| column.contains(*class);
                list.rebuild(problem, waiting.clone().filter(suited));
                self.node.work += list.classes().len() as u64;
            }
        }
        if recipe.orders.contains(&Order::Density) {
            self.density_lists.resize(
                candidates.len().max(self.density_lists.len()),
                FillList::default(),
            );
            let mut keyed: Vec<(f64, ClassId)> = Vec::new();
            for at in rungs {
                let (candidate, list) = (&candidates[*at], &mut self.density_lists[*at]);
                let room = problem.room_of(problem.options[candidate.option].room);
                keyed.clear();
                let classes = self.column_lists[candidate.column].classes();
                keyed.extend(
                    classes
                        .iter()
                        .map(|c| (density(problem.demand_of(*c), room, values[c.at()]), *c)),
                );
                // Stable: equal densities keep the order by value.
                keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
                list.rebuild(problem, keyed.iter().map(|(_, class)| *class));
                self.node.work += keyed.len() as u64;
            }
        }
    }

    /// The option and content with the least cost per value among the candidates, and how many such nodes to buy; the
    /// content is left in `self.best`. A node gets dearer per value as pods run out, so what a candidate came to when it
    /// was last filled is a bound: candidates are filled in the order of their bounds until the next one is more than
    /// `margin` times what the best node costs (lazy greedy search).
    fn best_node(
        &mut self,
        candidates: &[Candidate],
        seed: Option<ClassId>,
        margin: f64,
        values: &[f64],
        recipe: &Recipe<'_>,
        built: &Built,
    ) -> Option<Best> {
        let problem = self.problem;
        let mut best: Option<Best> = None;
        let mut filled = false;
        for turn in 0..self.queue.len() {
            let at = self.queue[turn];
            if best
                .as_ref()
                .is_some_and(|best| self.least[at] > best.ratio * margin)
            {
                break;
            }
            self.node.work += 1;
            let candidate = &candidates[at];
            let option = candidate.option;
            if seed.is_some_and(|seed| !self.tiers.columns[candidate.column].contains(seed)) {
                continue;
            }
            let times = stock_allows(problem, &built.stocks, option);
            if times == 0 {
                continue;
            }
            let cost = if recipe.thrifty {
                scarcity(problem, &built.stocks, option)
            } else {
                candidate.cost
            };
            let mut least = f64::INFINITY;
            for order in recipe.orders {
                self.node.open(problem, option);
                if let Some(seed) = seed
                    && self.node.add(problem, seed, 1, values[seed.at()]) == 0
                {
                    break;
                }
                let left = &built.remaining;
                match order {
                    Order::Value => {
                        let (ranking, column) = (&mut self.ranking, candidate.column);
                        self.node
                            .fill_ranked(problem, ranking, column, left, values);
                    }
                    Order::Density => {
                        let list = &mut self.density_lists[at];
                        list.compact(problem, left, self.gone);
                        self.node.fill(problem, list, left, values);
                    }
                    Order::Shape => {
                        let list = &mut self.column_lists[candidate.column];
                        list.compact(problem, left, self.gone);
                        let full = problem.room_of(problem.options[option].room);
                        self.node.fill_by_shape(problem, list, left, values, full);
                    }
                }
                if self.node.content.is_empty() {
                    continue;
                }
                let (ratio, value) = (cost / self.node.value, self.node.value);
                least = least.min(ratio);
                let better = best.as_ref().is_none_or(|held| {
                    ratio < held.ratio - held.ratio.abs() * 1e-12
                        || (ratio <= held.ratio + held.ratio.abs() * 1e-12 && value > held.value)
                });
                if better {
                    best = Some(Best {
                        ratio,
                        value,
                        option,
                        times,
                    });
                    self.best.clone_from(&self.node.content);
                }
            }
            if least.is_finite() {
                self.least[at] = least;
                filled = true;
            }
        }
        if filled {
            // Keeping the order takes its time, too.
            self.node.work += self.queue.len() as u64 / SORTED_PER_STEP;
            let least = &self.least;
            self.queue
                .sort_by(|a, b| least[*a].total_cmp(&least[*b]).then_with(|| a.cmp(b)));
        }
        let mut best = best?;
        let whole = self
            .best
            .iter()
            .map(|(class, count)| built.remaining[class.at()] / count)
            .min()
            .unwrap_or(0);
        best.times = whole.min(best.times);
        Some(best)
    }
}

/// Sorts classes in the order in which nodes are filled.
fn sort(problem: &Problem, classes: &mut [ClassId], values: &[f64], recipe: &Recipe<'_>) {
    let key = |class: &ClassId| values[class.at()];
    classes.sort_by(|a, b| {
        let by_value = if recipe.thrifty {
            key(a).total_cmp(&key(b))
        } else {
            key(b).total_cmp(&key(a))
        };
        by_value
            .then_with(|| problem.demand_of(*b).cmp(problem.demand_of(*a)))
            .then_with(|| a.cmp(b))
    });
}

/// The best node found: how to buy it, and how often.
struct Best {
    ratio: f64,
    value: f64,
    option: OptionId,
    times: u32,
}

/// How many candidates are kept in order in the time of one inner step.
const SORTED_PER_STEP: u64 = 4;

/// Bounds of candidates come from nodes with such a seed; rounding must not tell equal ones apart.
const ALIKE: f64 = 1.0 + 1e-12;

/// The same where the last seed asked for something else: with another seed a node may be so much cheaper.
const STRANGE: f64 = 1.5;

/// What each resource is worth: the least price of a node per resource with what that node has of it.
fn rates(problem: &Problem, tiers: &Tiers) -> Vec<(f64, i64)> {
    let mut rates: Vec<(f64, i64)> = vec![(0.0, 0); problem.dims];
    for candidate in tiers.all() {
        let room = problem.room_of(problem.options[candidate.option].room);
        for (rate, amount) in rates.iter_mut().zip(room) {
            if *amount > 0
                && (rate.1 == 0 || per_unit(candidate.cost, *amount) < per_unit(rate.0, rate.1))
            {
                *rate = (candidate.cost.max(1e-9), *amount);
            }
        }
    }
    // Without prices, a resource is worth what is rare: each in proportion to how much of it there is.
    for (dim, rate) in rates.iter_mut().enumerate() {
        if rate.1 == 0 {
            let there = problem
                .node_rooms
                .iter()
                .skip(dim)
                .step_by(problem.dims.max(1))
                .copied()
                .max();
            *rate = (1.0, there.unwrap_or(0).max(1));
        }
    }
    rates
}

#[expect(clippy::cast_precision_loss, reason = "rates are ratios")]
fn per_unit(cost: f64, amount: i64) -> f64 {
    cost / amount as f64
}

#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn density(demand: &[i64], room: &[i64], value: f64) -> f64 {
    let share: f64 = demand
        .iter()
        .zip(room)
        .filter(|(need, have)| **need > 0 && **have > 0)
        .map(|(n, h)| *n as f64 / *h as f64)
        .sum();
    if share > 0.0 {
        value / share
    } else {
        f64::INFINITY
    }
}

/// What a node uses of the stocks that are left, as a sum of shares; a little of its price breaks ties.
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn scarcity(problem: &Problem, left: &[i128], option: OptionId) -> f64 {
    let shares: f64 = problem.options[option]
        .uses
        .iter()
        .map(|(stock, amount)| *amount as f64 / (left[stock.at()].max(1) as f64))
        .sum();
    shares + problem.options[option].cost * 1e-6 + 1e-9
}

/// Room left on a node of `option` that holds `content`.
#[must_use]
pub fn room_left(problem: &Problem, option: OptionId, content: &[(ClassId, u32)]) -> Vec<i64> {
    let mut room = problem.room_of(problem.options[option].room).to_vec();
    for (class, count) in content {
        for (left, need) in room.iter_mut().zip(problem.demand_of(*class)) {
            *left -= need * i64::from(*count);
        }
    }
    room
}

/// Takes `times` nodes of `option` out of the stocks.
pub fn take(problem: &Problem, stocks: &mut [i128], option: OptionId, times: u32) {
    for (stock, amount) in &problem.options[option].uses {
        stocks[stock.at()] -= amount * i128::from(times);
    }
}

/// Gives `times` nodes of `option` back to the stocks.
pub fn give_back(problem: &Problem, stocks: &mut [i128], option: OptionId, times: u32) {
    for (stock, amount) in &problem.options[option].uses {
        stocks[stock.at()] += amount * i128::from(times);
    }
}

/// Gives `whole` of the equal nodes at `at` new `content`.
fn split(groups: &mut Vec<Group>, at: usize, whole: u32, content: Vec<(ClassId, u32)>) {
    let rest = groups[at].times - whole;
    if rest == 0 {
        groups[at].content = content;
    } else if whole > 0 {
        let target = groups[at].target;
        groups[at].times = rest;
        groups.push(Group {
            target,
            content,
            times: whole,
        });
    }
}
