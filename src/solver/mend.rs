//! Mending a plan without moving pods apart: cheaper options for what nodes hold, and fewer, larger nodes.

use super::construct::{Built, Workshop, give_back, take};
use super::holds::{bars, joint_state, keeps_min_values, may_share, total_demand};
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem, fits};

impl Workshop<'_> {
    /// Replaces each node's option by the cheapest of the same weight that holds its content.
    pub fn downsize(&mut self, built: &mut Built) {
        for at in 0..built.groups.len() {
            let group = &built.groups[at];
            let Target::Option(option) = group.target else {
                continue;
            };
            let times = group.times;
            if let Some(better) = self.cheaper(&group.content, option, times, &built.stocks) {
                give_back(self.problem, &mut built.stocks, option, times);
                take(self.problem, &mut built.stocks, better, times);
                built.groups[at].target = Target::Option(better);
            }
        }
    }

    /// The cheapest option of the same weight as `old` that holds `content` and costs less than `old`, if there is one.
    fn cheaper(
        &mut self,
        content: &[(ClassId, u32)],
        old: OptionId,
        times: u32,
        stocks: &[i128],
    ) -> Option<OptionId> {
        let problem = self.problem;
        let tiers = self.tiers;
        let weight = problem.pools[problem.options[old].pool].weight;
        let limit = problem.options[old].cost;
        total_demand(problem, content, &mut self.total);
        let tier = tiers.tiers.iter().find(|tier| tier.weight == weight)?;
        // Candidates stand cheapest first.
        for candidate in tier.that_may_hold(&self.total) {
            if candidate.cost >= limit {
                return None;
            }
            self.node.work += 1;
            let row = &problem.options[candidate.option];
            if fits(&self.total, problem.room_of(row.room))
                && joint_state(problem, candidate.option, content).is_some()
                && keeps_min_values(problem, row.pool, content, None)
                && exchange_allowed(problem, stocks, &[(old, times)], candidate.option, times)
            {
                return Some(candidate.option);
            }
        }
        None
    }

    /// Joins nodes whose pods one larger node of the same weight holds at no higher cost: fewer nodes for the same money
    /// (M-1 (5)), and less money where the larger node is cheaper. O(distinct nodes^2 x candidates) at most, bounded.
    pub fn merge(&mut self, built: &mut Built) {
        let dims = self.problem.dims;
        let mut totals: Vec<i64> = Vec::with_capacity(built.groups.len() * dims);
        for group in &built.groups {
            total_demand(self.problem, &group.content, &mut self.total);
            totals.extend_from_slice(&self.total);
        }
        let mut tries = MERGE_TRIES;
        let mut at = 0;
        while at < built.groups.len() {
            let mut other = at;
            let mut joined = false;
            while other < built.groups.len() && tries > 0 {
                if self.join_pair(built, at, other, &totals, &mut tries) {
                    total_demand(
                        self.problem,
                        &built.groups[built.groups.len() - 1].content,
                        &mut self.total,
                    );
                    totals.extend_from_slice(&self.total);
                    joined = true;
                    break;
                }
                other += 1;
            }
            // What was joined may be joined again; what stands at `at` now has not been tried.
            if !joined {
                at += 1;
            }
        }
        built.groups.retain(|group| group.times > 0);
    }

    /// Joins the nodes at `a` and `b`, whose `totals` are known, on a node that is added at the end.
    /// Each look is counted off `tries`, the more the longer it takes.
    fn join_pair(
        &mut self,
        built: &mut Built,
        a: usize,
        b: usize,
        totals: &[i64],
        tries: &mut u32,
    ) -> bool {
        let problem = self.problem;
        *tries = tries.saturating_sub(1);
        let dims = problem.dims;
        let (x, y) = (&built.groups[a], &built.groups[b]);
        let (Target::Option(old_x), Target::Option(old_y)) = (x.target, y.target) else {
            return false;
        };
        let times = if a == b {
            x.times / 2
        } else {
            x.times.min(y.times)
        };
        let weight = problem.pools[problem.options[old_x].pool].weight;
        if times == 0 || problem.pools[problem.options[old_y].pool].weight != weight {
            return false;
        }
        let Some(tier) = self.tiers.tiers.iter().find(|tier| tier.weight == weight) else {
            return false;
        };
        let limit = problem.options[old_x].cost + problem.options[old_y].cost;
        self.total.clear();
        let sums = totals[a * dims..][..dims]
            .iter()
            .zip(&totals[b * dims..][..dims]);
        self.total.extend(sums.map(|(x, y)| x.saturating_add(*y)));
        let mut content: Option<Vec<(ClassId, u32)>> = None;
        for candidate in tier.that_may_hold(&self.total) {
            if candidate.cost > limit {
                return false;
            }
            self.node.work += 1;
            let row = &problem.options[candidate.option];
            if !fits(&self.total, problem.room_of(row.room))
                || !no_dearer(problem, candidate.option, old_x, old_y)
            {
                continue;
            }
            if content.is_none() {
                *tries = tries.saturating_sub(LONG_LOOK);
                let (x, y) = (&built.groups[a].content, &built.groups[b].content);
                if bars(problem, x, y) || bars(problem, y, x) {
                    return false;
                }
            }
            let content =
                content.get_or_insert_with(|| together(&built.groups[a], &built.groups[b]));
            if !may_share(problem, content) {
                return false;
            }
            if joint_state(problem, candidate.option, content).is_some()
                && keeps_min_values(problem, row.pool, content, None)
                && exchange_allowed(
                    problem,
                    &built.stocks,
                    &[(old_x, times), (old_y, times)],
                    candidate.option,
                    times,
                )
            {
                give_back(problem, &mut built.stocks, old_x, times);
                give_back(problem, &mut built.stocks, old_y, times);
                take(problem, &mut built.stocks, candidate.option, times);
                built.groups[a].times -= times;
                built.groups[b].times -= times;
                built.groups.push(Group {
                    target: Target::Option(candidate.option),
                    content: std::mem::take(content),
                    times,
                });
                return true;
            }
        }
        false
    }
}

/// What one node holds that takes a node of each group's pods.
fn together(a: &Group, b: &Group) -> Vec<(ClassId, u32)> {
    let mut content = a.content.clone();
    for (class, count) in &b.content {
        match content.iter_mut().find(|(held, _)| held == class) {
            Some((_, held)) => *held += count,
            None => content.push((*class, *count)),
        }
    }
    content
}

/// How many pairs of distinct nodes one merge looks at: all of them in plans of up to some hundred distinct nodes.
const MERGE_TRIES: u32 = 40_000;

/// How many pairs that are told apart by their totals take as long as one whose contents have to be compared.
const LONG_LOOK: u32 = 8;

/// Whether `new` costs no more than `a` and `b` together, exactly.
fn no_dearer(problem: &Problem, new: OptionId, a: OptionId, b: OptionId) -> bool {
    let estimate = |option: OptionId| problem.options[option].estimate;
    match (estimate(new), estimate(a), estimate(b)) {
        (Some(new), Some(a), Some(b)) => new <= a + b + problem.node_penalty,
        (Some(_), _, _) => true,
        (None, _, _) => false,
    }
}

/// Whether `times` nodes of `new` fit the stocks once the `old` ones are given back.
fn exchange_allowed(
    problem: &Problem,
    stocks: &[i128],
    old: &[(OptionId, u32)],
    new: OptionId,
    times: u32,
) -> bool {
    problem.options[new].uses.iter().all(|(stock, amount)| {
        let freed: i128 = old
            .iter()
            .flat_map(|(option, times)| {
                let uses = problem.options[*option].uses.iter();
                uses.filter(|(held, _)| held == stock)
                    .map(move |(_, held)| held * i128::from(*times))
            })
            .sum();
        amount * i128::from(times) <= stocks[stock.at()] + freed
    })
}
