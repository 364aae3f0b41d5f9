//! Column generation: the best mix of node contents, and plans made from it.

use super::candidates::Tier;
use super::columns::{FLOPS_PER_STEP, Master, Pricing};
use super::construct::{Built, Recipe};
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
    rows: usize,
    /// Rounding steps per plan.
    dives: u32,
    /// Multiplications per solve, and per plan that is rounded.
    flops: u64,
}

impl MixBudget {
    pub(super) const FAST: Self = Self {
        rounds: 0,
        width: [0, 0],
        work: 0,
        rows: 0,
        dives: 0,
        flops: 0,
    };
    pub(super) const BALANCED: Self = Self {
        rounds: 60,
        width: [20, 60],
        work: 3_000_000,
        rows: 600,
        dives: 60,
        flops: 40_000_000,
    };
    pub(super) const THOROUGH: Self = Self {
        rounds: 400,
        width: [20, 1_000],
        work: 40_000_000,
        rows: 1_200,
        dives: 200,
        flops: 1_000_000_000,
    };
}

/// New contents per option and round.
const MANY: usize = 8;
/// A content is new if its pods are worth this many times its cost.
const LEAST_GAIN: f64 = 1.000_01;
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
    if !solve(search, &mut master, budget) {
        return;
    }
    generate(search, tier, &mut master, budget);
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
    let end = master.lp.minimise(budget.flops);
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
