//! Column generation: the best mix of node contents, and plans made from it.

use super::candidates::Tier;
use super::columns::{FLOPS_PER_STEP, Master, Pricing};
use super::construct::{Built, Recipe};
use super::dual::Widths;
use super::lp::End;
use super::pricing::Knapsack;
use super::search::Search;

/// How much work the mix may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct MixBudget {
    /// Rounds of looking for new contents.
    rounds: u32,
    /// Partial contents kept at first, and at most once nothing new is found with fewer.
    width: [usize; 2],
    /// Inner steps for all rounds together.
    work: u64,
    /// More classes than this make the programme too large to be worth its time.
    pub(super) rows: usize,
    /// Rounding steps per plan.
    dives: u32,
    /// Multiplications for all solves together, and per plan that is rounded.
    flops: u64,
    /// Partial contents kept while an option is bounded for the lower bound.
    pub(super) bound_widths: Widths,
    /// Contents that are remembered.
    pub(super) patterns: usize,
    /// Inner steps for one lower bound.
    pub(super) bound_work: u64,
}

impl MixBudget {
    pub(super) const FAST: Self = Self {
        rounds: 3,
        width: [8, 8],
        work: 60_000,
        rows: 256,
        dives: 16,
        flops: 6_000_000,
        patterns: 2_000,
        bound_widths: [8, 8],
        bound_work: 0,
    };
    pub(super) const BALANCED: Self = Self {
        rounds: 60,
        width: [20, 60],
        work: 3_000_000,
        rows: 600,
        dives: 60,
        flops: 200_000_000,
        patterns: 8_000,
        bound_widths: [20, 80],
        bound_work: 400_000,
    };
    pub(super) const THOROUGH: Self = Self {
        rounds: 400,
        width: [20, 1_000],
        work: 24_000_000,
        rows: 1_200,
        dives: 200,
        flops: 700_000_000,
        patterns: 20_000,
        bound_widths: [100, 6_400],
        bound_work: 20_000_000,
    };

    /// No more than `work` for looking for contents and for the lower bound, and as long for solving.
    pub(super) fn within(self, work: u64) -> Self {
        Self {
            work: self.work.min(work),
            flops: self.flops.min(work.saturating_mul(FLOPS_PER_STEP)),
            bound_work: self.bound_work.min(work),
            ..self
        }
    }

    /// The same where no programme is to be solved.
    pub(super) const fn without_programme(self) -> Self {
        Self { rows: 0, ..self }
    }
}

/// New contents per option and round.
const MANY: usize = 8;
/// A content is new if its pods are worth this many times its cost.
const LEAST_GAIN: f64 = 1.000_01;
/// With few options and many classes each option is searched several times a round: once per so many classes.
const CLASSES_PER_SEARCH: usize = 8;
/// Searches per option and round at most.
const MOST_SEARCHES: usize = 40;
/// The work is enough for this many rounds at least.
const LEAST_ROUNDS: u64 = 6;
/// By how much the width grows when nothing new is found.
const WIDEN: usize = 3;

/// Solves the programme of each tier over all contents seen so far, looks for better ones, and makes plans from the
/// solution. `values` are the fair and the lone values of pods.
pub(super) fn mix(
    search: &mut Search<'_, '_>,
    values: [&[f64]; 2],
    recipe: &Recipe<'_>,
    budget: MixBudget,
) {
    let tiers = search.shop.tiers;
    // An earlier programme knew fewer contents.
    search.bounding = Default::default();
    for tier in &tiers.tiers {
        let Some((_, plan)) = search.best.clone() else {
            return;
        };
        mix_tier(search, tier, &plan, values, recipe, budget);
    }
}

fn mix_tier(
    search: &mut Search<'_, '_>,
    tier: &Tier,
    plan: &Built,
    [fair, alone]: [&[f64]; 2],
    recipe: &Recipe<'_>,
    budget: MixBudget,
) {
    let problem = search.shop.problem;
    let Some(mut master) = Master::new(search.shop, tier, plan, budget.rows) else {
        return;
    };
    master.take_up(problem, &search.pool);
    // A solution that is not optimal still is one.
    if solve(search, &mut master, budget) {
        generate(search, tier, &mut master, budget);
    }
    for (held, new) in search.bounding.iter_mut().zip(master.bounding_values()) {
        if held.is_empty() {
            *held = new;
        } else {
            // A pod with nodes in several tiers is worth what the cheapest asks.
            let both = held.iter_mut().zip(new).filter(|(_, new)| *new > 0.0);
            both.for_each(|(held, new)| *held = if *held > 0.0 { held.min(new) } else { new });
        }
    }
    let duals = master.values(alone);
    let mut best: Option<(super::score::Score, Built)> = None;
    for (values, dives) in [
        (duals.as_slice(), 0),
        (&duals, budget.dives),
        (fair, 0),
        (alone, 0),
    ] {
        let mut built = master.round(search.shop, values, alone, recipe, dives, budget.flops);
        search.shop.downsize(&mut built);
        let score = search.ranks.score(problem, &built.groups, &built.remaining);
        if best.as_ref().is_none_or(|(held, _)| score < *held) {
            best = Some((score, built));
        }
    }
    if let Some((_, built)) = best {
        search.offer(built);
    }
}

/// Solves the programme; `false` if the budget did not suffice.
fn solve(search: &mut Search<'_, '_>, master: &mut Master, budget: MixBudget) -> bool {
    let before = master.lp.flops;
    let end = master.lp.minimise(budget.flops.saturating_sub(before));
    search.shop.node.work += (master.lp.flops - before) / FLOPS_PER_STEP;
    end == End::Optimal
}

fn generate(search: &mut Search<'_, '_>, tier: &Tier, master: &mut Master, budget: MixBudget) {
    let mut knapsack = Knapsack::default();
    let [mut width, widest] = budget.width;
    let start = search.shop.node.work;
    for _ in 0..budget.rounds {
        if search.shop.node.work - start > budget.work {
            return;
        }
        let pricing = Pricing {
            least_gain: LEAST_GAIN,
            width,
            many: MANY,
            work: budget.work / LEAST_ROUNDS,
            searches: (master.classes.len() / tier.priced.len().max(1) / CLASSES_PER_SEARCH)
                .clamp(1, MOST_SEARCHES),
        };
        let found = master.generate(search.shop, tier, &mut knapsack, pricing);
        if found == 0 {
            if width >= widest {
                return;
            }
            width = (width * WIDEN).min(widest);
        } else if !solve(search, master, budget) {
            return;
        }
    }
}
