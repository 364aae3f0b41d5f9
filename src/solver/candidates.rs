//! Which options are worth trying: those that no other option beats in everything.

use std::cmp::Reverse;

use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem, fits};

/// An option worth trying.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// The option.
    pub option: OptionId,
    /// What one node costs, for comparisons.
    pub cost: f64,
    /// Which list of suited classes applies ([`Tiers::columns`]).
    pub column: usize,
}

/// Candidates of pools of one weight.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Tier {
    /// Weight of the pools.
    pub weight: u32,
    /// With a price, or at least an estimate.
    pub priced: Vec<Candidate>,
    /// Without any.
    pub unpriced: Vec<Candidate>,
}

/// All candidates: tiers by pool weight, heaviest first.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Tiers {
    /// The tiers.
    pub tiers: Vec<Tier>,
    /// Distinct sets of classes that candidates suit.
    pub columns: Vec<BitSet<ClassId>>,
}

impl Tiers {
    /// Finds the candidates. Exact: an option is left out only if another of the same weight suits at least the same
    /// pods, has at least the room, costs no more, uses no stock more, and leaves no label undecided.
    /// O(options x classes / 64 + options^2 x resources) over options that suit any pod.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        let mut columns: Vec<BitSet<ClassId>> = Vec::new();
        let mut column_ids: FastMap<BitSet<ClassId>, usize> = FastMap::default();
        let mut by_weight: Vec<(u32, Tier)> = Vec::new();
        let suits = suited_classes(problem);
        for option in problem.options.ids() {
            let set = &suits[option.at()];
            if set.is_empty() {
                continue;
            }
            let column = match column_ids.get(set) {
                Some(column) => *column,
                None => {
                    columns.push(set.clone());
                    column_ids.insert(set.clone(), columns.len() - 1);
                    columns.len() - 1
                }
            };
            let row = &problem.options[option];
            let weight = problem.pools[row.pool].weight;
            let tier = match by_weight.iter().position(|(held, _)| *held == weight) {
                Some(at) => &mut by_weight[at].1,
                None => {
                    by_weight.push((
                        weight,
                        Tier {
                            weight,
                            ..Tier::default()
                        },
                    ));
                    let last = by_weight.len() - 1;
                    &mut by_weight[last].1
                }
            };
            let candidate = Candidate {
                option,
                cost: row.cost,
                column,
            };
            if row.estimate.is_some() {
                tier.priced.push(candidate)
            } else {
                tier.unpriced.push(candidate)
            }
        }
        by_weight.sort_by_key(|(weight, _)| Reverse(*weight));
        let mut tiers = Self {
            tiers: by_weight.into_iter().map(|(_, tier)| tier).collect(),
            columns,
        };
        for at in 0..tiers.tiers.len() {
            let tier = std::mem::take(&mut tiers.tiers[at]);
            tiers.tiers[at] = Tier {
                weight: tier.weight,
                priced: undominated(problem, &tiers.columns, tier.priced),
                unpriced: undominated(problem, &tiers.columns, tier.unpriced),
            };
        }
        tiers
    }

    /// Every candidate with its cost.
    pub fn all(&self) -> impl Iterator<Item = &Candidate> + '_ {
        self.tiers
            .iter()
            .flat_map(|tier| tier.priced.iter().chain(&tier.unpriced))
    }
}

/// By option: the classes it suits and has room for.
fn suited_classes(problem: &Problem) -> Vec<BitSet<ClassId>> {
    let mut suits = vec![BitSet::new(problem.classes.len()); problem.options.len()];
    for class in problem.classes.ids() {
        let demand = problem.demand_of(class);
        for option in problem.options_of(class).iter() {
            if fits(demand, problem.room_of(problem.options[option].room)) {
                suits[option.at()].insert(class);
            }
        }
    }
    suits
}

fn undominated(
    problem: &Problem,
    columns: &[BitSet<ClassId>],
    mut all: Vec<Candidate>,
) -> Vec<Candidate> {
    // Cheapest and roomiest first, so that what dominates comes before what it dominates.
    let size = |c: &Candidate| {
        let room = problem.room_of(problem.options[c.option].room);
        room.iter().map(|amount| i128::from(*amount)).sum::<i128>()
    };
    all.sort_by(|a, b| {
        a.cost
            .total_cmp(&b.cost)
            .then_with(|| size(b).cmp(&size(a)))
            .then_with(|| a.option.cmp(&b.option))
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in all {
        if !kept
            .iter()
            .any(|better| dominates(problem, columns, better, &candidate))
        {
            kept.push(candidate);
        }
    }
    kept
}

fn dominates(problem: &Problem, columns: &[BitSet<ClassId>], a: &Candidate, b: &Candidate) -> bool {
    let (x, y) = (&problem.options[a.option], &problem.options[b.option]);
    let plain = |pool| problem.pools[pool].min_values.is_empty();
    let state = |o: &crate::problem::LaunchOption| problem.pairs[o.pair].state;
    fits(problem.room_of(y.room), problem.room_of(x.room))
        && (a.column == b.column || columns[b.column].is_subset(&columns[a.column]))
        && (x.pool == y.pool || (plain(x.pool) && plain(y.pool)))
        && (!problem.states.is_open(state(x)) || (state(x) == state(y) && x.pool == y.pool))
        && x.uses.iter().all(|(stock, amount)| {
            y.uses
                .iter()
                .any(|(held, more)| held == stock && amount <= more)
        })
}
