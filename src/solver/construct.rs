//! Building a whole plan from values.

mod best;

use best::{ALIKE, Best, STRANGE};

use super::candidates::{Candidate, Tiers};
use super::existing::Existing;
use super::fill::{FillList, Node, Order, Ranking};
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

/// What one of `amount` units costs; what there is none of, nobody who fits asks for.
#[expect(clippy::cast_precision_loss, reason = "rates are ratios")]
pub(super) fn per_unit(cost: f64, amount: i64) -> f64 {
    if amount > 0 {
        cost / amount as f64
    } else {
        0.0
    }
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
