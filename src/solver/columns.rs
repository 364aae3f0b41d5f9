//! Node contents as columns of a linear programme, and plans made from its solution.
//!
//! Every construction finds good contents and uses them in one fixed mix. The programme ([`Cover`]) asks which mix of all
//! contents seen so far holds the waiting pods at the least cost. Its solution buys fractions of nodes: what is whole is
//! taken, the rest rounded step by step or packed again. A plan made so is offered to the search like any other: the
//! programme proposes, the score decides.

use super::candidates::Tier;
use super::construct::{Built, Recipe, Workshop, give_back, take};
use super::holds::{joint_state, stock_allows};
use super::lp::{Cover, End};
use super::pool::{Pattern, Pool, weight_of};
use super::pricing::{Item, Knapsack};
use super::values::most_per_node;
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem};

/// The programme for the pods that a plan puts on new nodes of one tier. Everything else in the plan stays as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Master {
    /// The programme; its rows are [`classes`](Self::classes), its columns [`patterns`](Self::patterns).
    pub lp: Cover,
    /// The class of each row.
    pub classes: Vec<ClassId>,
    /// The content of each column.
    pub patterns: Vec<Pattern>,
    /// The row of each class.
    row_of: Vec<Option<u32>>,
    /// How many pods of each class, not of each row, are to be held.
    need: Vec<u32>,
    /// Nodes that stay: existing ones and those of other tiers.
    fixed: Vec<Group>,
    /// Pods that wait in the plan and keep waiting.
    waiting: Vec<u32>,
    /// Stocks without this tier's nodes.
    stocks: Vec<i128>,
    /// Patterns of the pool taken up so far.
    taken: usize,
    /// Where among the options the next round starts.
    cursor: usize,
    weight: u32,
    /// How many pods of each row one node may hold by host rules.
    most_per_node: Vec<u32>,
    /// The duals that proved most so far, scaled to what was proven.
    proven_duals: Vec<f64>,
    /// What they prove the tier's nodes to cost at least.
    proven: f64,
}

/// How hard new contents are looked for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pricing {
    /// A content is new if its pods are worth this many times its cost.
    pub least_gain: f64,
    /// Partial contents kept.
    pub width: usize,
    /// New contents per search of an option.
    pub many: usize,
    /// Inner steps after which the round ends; the next goes on where it did.
    pub work: u64,
    /// Searches per option: each after the first leaves out the classes that the ones before it have used.
    pub searches: usize,
}

impl Master {
    /// The programme for `tier` in `plan`, with a column per class to start from. `None` where there is nothing to
    /// choose (no nodes of the tier), too much (more than `most_rows` classes), or a class of them that nothing of a known price holds.
    #[must_use]
    pub fn new(
        shop: &mut Workshop<'_>,
        tier: &Tier,
        plan: &Built,
        most_rows: usize,
    ) -> Option<Self> {
        let problem = shop.problem;
        let free_option = |group: &Group| match group.target {
            Target::Option(option) => {
                let priced = problem.options[option].estimate.is_some();
                (priced && weight_of(problem, option) == tier.weight).then_some(option)
            }
            Target::Node(_) => None,
        };
        let mut need = vec![0u32; problem.classes.len()];
        let mut stocks = plan.stocks.clone();
        let mut fixed = Vec::new();
        let mut nodes = 0u64;
        for group in &plan.groups {
            let Some(option) = free_option(group) else {
                fixed.push(group.clone());
                continue;
            };
            nodes += u64::from(group.times);
            give_back(problem, &mut stocks, option, group.times);
            for (class, n) in &group.content {
                need[class.at()] += n * group.times;
            }
        }
        if nodes < 2 {
            return None;
        }
        let classes: Vec<ClassId> = problem
            .classes
            .ids()
            .filter(|class| need[class.at()] > 0)
            .collect();
        if classes.len() > most_rows {
            return None;
        }
        let mut row_of = vec![None; problem.classes.len()];
        let mut patterns = Vec::new();
        let mut singles = Vec::new();
        for (row, class) in classes.iter().enumerate() {
            row_of[class.at()] = u32::try_from(row).ok();
            let (option, count) = single(shop, tier, *class, need[class.at()])?;
            singles.push((problem.options[option].cost.max(1e-9), f64::from(count)));
            patterns.push(Pattern {
                option,
                content: vec![(*class, count)],
            });
        }
        let needs = needs(&classes, &need);
        let most_per_node = classes.iter().map(|class| most_per_node(problem, *class));
        Some(Self {
            proven_duals: vec![0.0; classes.len()],
            proven: 0.0,
            most_per_node: most_per_node.collect(),
            lp: Cover::new(needs, &singles),
            classes,
            patterns,
            row_of,
            need,
            fixed,
            waiting: plan.remaining.clone(),
            stocks,
            taken: 0,
            cursor: 0,
            weight: tier.weight,
        })
    }

    /// Takes up what the pool has seen since the last time.
    pub fn take_up(&mut self, problem: &Problem, pool: &Pool) {
        for pattern in &pool.patterns[self.taken..] {
            if weight_of(problem, pattern.option) == self.weight
                && problem.options[pattern.option].estimate.is_some()
            {
                self.add(problem, pattern.clone());
            }
        }
        self.taken = pool.patterns.len();
    }

    /// Adds a column for what of `pattern` is needed here.
    pub fn add(&mut self, problem: &Problem, mut pattern: Pattern) {
        let need = &self.need;
        pattern.content.retain_mut(|(class, count)| {
            *count = (*count).min(need[class.at()]);
            *count > 0
        });
        let option = pattern.option;
        if pattern.content.is_empty() || joint_state(problem, option, &pattern.content).is_none() {
            return;
        }
        let row_of = &self.row_of;
        let entries = pattern.content.iter().filter_map(|(class, count)| {
            let row = row_of[class.at()]?;
            Some((row as usize, f64::from(*count)))
        });
        let cost = problem.options[option].cost.max(1e-9);
        self.lp.add(cost, entries);
        self.patterns.push(pattern);
    }

    /// Looks for new contents that cost less than their pods do at the duals, option by option, and adds them as columns.
    /// Returns how many there are.
    pub fn generate(
        &mut self,
        shop: &mut Workshop<'_>,
        tier: &Tier,
        knapsack: &mut Knapsack,
        pricing: Pricing,
    ) -> usize {
        let problem = shop.problem;
        let before = self.lp.columns();
        let mut columns: Vec<Pattern> = Vec::new();
        let worth: Vec<f64> = self.lp.duals().iter().map(|dual| dual.max(0.0)).collect();
        let mut scale = vec![1.0f64; worth.len()];
        let mut used = vec![false; worth.len()];
        let mut complete = true;
        for _ in 0..tier.priced.len() {
            if knapsack.work > pricing.work {
                complete = false;
                break;
            }
            let candidate = &tier.priced[self.cursor % tier.priced.len()];
            self.cursor += 1;
            let target = candidate.cost * pricing.least_gain;
            let suited = &shop.tiers.columns[candidate.column];
            used.fill(false);
            for search in 0..pricing.searches {
                knapsack.open(problem.room_of(problem.options[candidate.option].room));
                for (row, (class, worth)) in self.classes.iter().zip(&worth).enumerate() {
                    if suited.contains(*class) && !used[row] {
                        let most = self.need[class.at()].min(self.most_per_node[row]);
                        let key = u32::try_from(row).unwrap_or(u32::MAX);
                        knapsack.add(Item::new(key, *worth, most), problem.demand_of(*class));
                    }
                }
                if knapsack.relax() <= target {
                    break;
                }
                let found = knapsack.search(target, pricing.width, pricing.many);
                if search == 0 {
                    let ratio = candidate.cost / found.bound;
                    for (row, class) in self.classes.iter().enumerate() {
                        if suited.contains(*class) {
                            scale[row] = scale[row].min(ratio);
                        }
                    }
                }
                if found.contents.is_empty() {
                    break;
                }
                for (_, content) in found.contents {
                    shop.node.open(problem, candidate.option);
                    for (row, count) in content {
                        used[row as usize] = true;
                        shop.node
                            .add(problem, self.classes[row as usize], count, 0.0);
                    }
                    let mut content = shop.node.content.clone();
                    content.sort_unstable();
                    columns.push(Pattern {
                        option: candidate.option,
                        content,
                    });
                }
            }
        }
        let proven: f64 = self
            .classes
            .iter()
            .enumerate()
            .map(|(row, class)| f64::from(self.need[class.at()]) * worth[row] * scale[row])
            .sum();
        if complete && proven > self.proven {
            self.proven = proven;
            self.proven_duals.clear();
            self.proven_duals
                .extend(worth.iter().zip(&scale).map(|(worth, scale)| worth * scale));
        }
        shop.node.work += std::mem::take(&mut knapsack.work);
        for pattern in columns {
            self.add(problem, pattern);
        }
        self.lp.columns() - before
    }

    /// The duals by class: what a pod of each costs at the solution. `other` is for classes without a row.
    #[must_use]
    pub fn values(&self, other: &[f64]) -> Vec<f64> {
        let mut values = other.to_vec();
        for (class, dual) in self.classes.iter().zip(self.lp.duals()) {
            values[class.at()] = dual.max(1e-12);
        }
        values
    }

    /// What pods of each class are worth for a lower bound: the duals, and those that proved most while looking for
    /// contents. 0 for classes without a row.
    #[must_use]
    pub fn bounding_values(&self) -> [Vec<f64>; 2] {
        [self.lp.duals(), &self.proven_duals].map(|duals| {
            let mut values = vec![0.0; self.need.len()];
            for (class, dual) in self.classes.iter().zip(duals) {
                values[class.at()] = dual.max(0.0);
            }
            values
        })
    }

    /// A plan from the programme's solution: whole nodes as they are; then, `dive` times at most, the largest fractions
    /// rounded up and the programme solved again for what is left; the rest packed by `values`.
    pub fn round(
        &self,
        shop: &mut Workshop<'_>,
        values: &[f64],
        seeds: &[f64],
        recipe: &Recipe<'_>,
        dives: u32,
        flops: u64,
    ) -> Built {
        let mut draft = Draft {
            left: self.need.clone(),
            stocks: self.stocks.clone(),
            groups: self.fixed.clone(),
        };
        let mut bought: Vec<(usize, f64)> = self.lp.solution().collect();
        let mut lp: Option<Cover> = None;
        let mut spent = 0;
        for dive in 0..=dives {
            // Greatest number first, so that what is certain is not displaced by what is not.
            bought.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (column, x) in &bought {
                let times = whole(*x);
                if times > 0 {
                    self.buy(shop, *column, times, &mut draft);
                }
            }
            if dive == dives || spent > flops || draft.left.iter().all(|n| *n == 0) {
                break;
            }
            let lp = lp.get_or_insert_with(|| {
                let mut lp = self.lp.clone();
                lp.narrow(NEAR);
                lp
            });
            let mut ups = 0;
            let most = bought.len() / UPS_PER_DIVE + 1;
            bought.sort_by(|a, b| fraction(b.1).total_cmp(&fraction(a.1)).then(a.0.cmp(&b.0)));
            for (column, x) in &bought {
                if fraction(*x) <= LEAST_FRACTION || ups >= most {
                    break;
                }
                ups += usize::from(self.buy(shop, *column, 1, &mut draft));
            }
            if ups == 0 {
                break;
            }
            let start = lp.flops;
            lp.set_need(needs(&self.classes, &draft.left));
            let end = lp.repair(flops.saturating_sub(spent));
            spent += lp.flops - start;
            if end == End::OutOfWork {
                break;
            }
            bought = lp.solution().filter(|(_, x)| *x > LEAST_FRACTION).collect();
        }
        shop.node.work += spent / FLOPS_PER_STEP;
        let mut built = shop.repack(values, seeds, recipe, draft.left, draft.stocks);
        for (waits, more) in built.remaining.iter_mut().zip(&self.waiting) {
            *waits += more;
        }
        draft.groups.append(&mut built.groups);
        built.groups = draft.groups;
        built
    }

    /// Buys `times` nodes of `column` for pods that are left, clipping the last where fewer are; returns whether any.
    fn buy(&self, shop: &mut Workshop<'_>, column: usize, times: u32, draft: &mut Draft) -> bool {
        let problem = shop.problem;
        let pattern = &self.patterns[column];
        let allowed = stock_allows(problem, &draft.stocks, pattern.option).min(times);
        let held = pattern.content.iter();
        let most = held.map(|(class, n)| draft.left[class.at()] / n).min();
        let full = most.unwrap_or(0).min(allowed);
        if full > 0 {
            draft.push(problem, pattern.option, pattern.content.clone(), full);
        }
        if full == allowed {
            return full > 0;
        }
        // One more, with what is left of its pods, if that is still most of what it is bought for.
        let mut clipped = pattern.content.clone();
        clipped.retain_mut(|(class, n)| {
            *n = (*n).min(draft.left[class.at()]);
            *n > 0
        });
        let duals = self.lp.duals();
        let worth = clipped.iter().filter_map(|(class, n)| {
            let row = self.row_of[class.at()]?;
            Some(duals[row as usize] * f64::from(*n))
        });
        if worth.sum::<f64>() < CLIPPED_WORTH * problem.options[pattern.option].cost {
            return full > 0;
        }
        shop.node.open(problem, pattern.option);
        for (class, n) in &clipped {
            shop.node.add(problem, *class, *n, 0.0);
        }
        if shop.node.content.is_empty() {
            return full > 0;
        }
        draft.push(problem, pattern.option, shop.node.content.clone(), 1);
        true
    }
}

/// A plan being made.
#[derive(Debug)]
struct Draft {
    /// Pods of the tier that wait, by class.
    left: Vec<u32>,
    stocks: Vec<i128>,
    groups: Vec<Group>,
}

impl Draft {
    fn push(
        &mut self,
        problem: &Problem,
        option: OptionId,
        content: Vec<(ClassId, u32)>,
        times: u32,
    ) {
        for (class, n) in &content {
            self.left[class.at()] -= n * times;
        }
        take(problem, &mut self.stocks, option, times);
        self.groups.push(Group {
            target: Target::Option(option),
            content,
            times,
        });
    }
}

/// Multiplications of the programme that count as one inner step.
pub const FLOPS_PER_STEP: u64 = 16;
/// One in so many of the fractional columns is rounded up at a time.
const UPS_PER_DIVE: usize = 16;
/// While rounding, columns that cost this share more than their pods are worth are not looked at.
const NEAR: f64 = 0.03;
/// Fractions up to here are nothing but rounding, and what [`needs`] adds.
const LEAST_FRACTION: f64 = 1e-3;
/// A little more than is needed, different for each row: without it most pivots of problems with a few equal pods per
/// class would change nothing.
const NUDGE: f64 = 1e-6;

/// What each row needs.
fn needs(classes: &[ClassId], left: &[u32]) -> Vec<f64> {
    let mut phase = 0.0;
    let need = |class: &ClassId| {
        // The golden ratio spreads these evenly between 0 and 1.
        phase += 0.618_033_988_749_895;
        if phase >= 1.0 {
            phase -= 1.0;
        }
        match left[class.at()] {
            0 => 0.0,
            n => f64::from(n) + NUDGE * (1.0 + phase),
        }
    };
    classes.iter().map(need).collect()
}
/// A node is bought for a part of its content if that part is worth this share of its cost.
const CLIPPED_WORTH: f64 = 0.85;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of nodes, clamped"
)]
fn whole(x: f64) -> u32 {
    (x + LEAST_FRACTION).clamp(0.0, f64::from(u32::MAX)) as u32
}

fn fraction(x: f64) -> f64 {
    (x - f64::from(whole(x))).max(0.0)
}

/// The node of one class alone with the least cost per pod.
fn single(
    shop: &mut Workshop<'_>,
    tier: &Tier,
    class: ClassId,
    most: u32,
) -> Option<(OptionId, u32)> {
    let problem = shop.problem;
    let mut best: Option<(f64, OptionId, u32)> = None;
    for candidate in &tier.priced {
        if !shop.tiers.columns[candidate.column].contains(class) {
            continue;
        }
        shop.node.work += 1;
        shop.node.open(problem, candidate.option);
        let count = shop.node.add(problem, class, most, 1.0);
        if count > 0 {
            let each = candidate.cost / f64::from(count);
            if best.is_none_or(|(held, _, _)| each < held) {
                best = Some((each, candidate.option, count));
            }
        }
    }
    best.map(|(_, option, count)| (option, count))
}
