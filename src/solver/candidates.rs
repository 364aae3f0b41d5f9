//! Which options are worth trying: those that no other option beats in everything.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::problem::{ClassId, LaunchOption, OptionId, Problem, RoomId, SetId, fits};

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
    /// Positions in `priced` of candidates that stand for those of nearly their size and rate: all of them where there
    /// are few.
    pub rungs: Vec<usize>,
    /// Without any.
    pub unpriced: Vec<Candidate>,
    /// The largest room of each resource among `priced` up to each position, one row after the other.
    reach: Vec<i64>,
}

impl Tier {
    fn new(
        problem: &Problem,
        weight: u32,
        priced: Vec<Candidate>,
        unpriced: Vec<Candidate>,
    ) -> Self {
        let mut reach: Vec<i64> = Vec::with_capacity(priced.len() * problem.dims);
        let mut most = vec![i64::MIN; problem.dims];
        for candidate in &priced {
            let room = problem.room_of(problem.options[candidate.option].room);
            most.iter_mut()
                .zip(room)
                .for_each(|(most, amount)| *most = (*most).max(*amount));
            reach.extend_from_slice(&most);
        }
        Self {
            weight,
            rungs: rungs(problem, &priced),
            priced,
            unpriced,
            reach,
        }
    }

    /// The candidates of `priced` without the cheapest ones of which none holds `total`. O(log candidates).
    #[must_use]
    pub fn that_may_hold(&self, total: &[i64]) -> &[Candidate] {
        let dims = total.len();
        let (mut low, mut high) = (0, self.priced.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if fits(total, &self.reach[middle * dims..][..dims]) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        &self.priced[low..]
    }
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
    /// O(options x sets + options^2 x resources) over options that suit any pod.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        let mut by_weight: Vec<(u32, Tier)> = Vec::new();
        let (columns, column_of) = suited_classes(problem);
        for (option, column) in problem.options.ids().zip(column_of) {
            let Some(column) = column else { continue };
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
            let priced = undominated(problem, &tiers.columns, tier.priced);
            let unpriced = undominated(problem, &tiers.columns, tier.unpriced);
            tiers.tiers[at] = Tier::new(problem, tier.weight, priced, unpriced);
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

/// The distinct non-empty sets of classes that options suit and have room for, and by option which of them it is. Found
/// once for all options that the same sets hold and that have room for the same requests.
/// O(rooms x distinct requests + options x sets + distinct results x classes / 64).
fn suited_classes(problem: &Problem) -> (Vec<BitSet<ClassId>>, Vec<Option<usize>>) {
    let bound = problem.classes.len();
    let mut shapes: Vec<(&[i64], BitSet<ClassId>)> = Vec::new();
    let mut shape_ids: FastMap<&[i64], usize> = FastMap::default();
    let mut sets: Vec<(SetId, BitSet<ClassId>)> = Vec::new();
    let mut set_ids: FastMap<SetId, usize> = FastMap::default();
    for (class, row) in problem.classes.enumerate() {
        let demand = problem.demand_of(class);
        let shape = *shape_ids.entry(demand).or_insert_with(|| {
            shapes.push((demand, BitSet::new(bound)));
            shapes.len() - 1
        });
        shapes[shape].1.insert(class);
        let set = *set_ids.entry(row.options).or_insert_with(|| {
            sets.push((row.options, BitSet::new(bound)));
            sets.len() - 1
        });
        sets[set].1.insert(class);
    }
    let mut columns: Vec<BitSet<ClassId>> = Vec::new();
    let mut column_ids: FastMap<BitSet<ClassId>, usize> = FastMap::default();
    let mut holding: Vec<u32> = Vec::new();
    let mut holding_ids: FastMap<Vec<u32>, usize> = FastMap::default();
    let mut fitting: Vec<u32> = Vec::new();
    let mut fitting_ids: FastMap<Vec<u32>, usize> = FastMap::default();
    let mut fitting_of: FastMap<RoomId, usize> = FastMap::default();
    let mut known: FastMap<(usize, usize), Option<usize>> = FastMap::default();
    let column_of = |(option, row): (OptionId, &LaunchOption)| {
        holding.clear();
        let held = (0..).zip(&sets);
        let held = held.filter(|(_, (set, _))| problem.option_sets[*set].contains(option));
        holding.extend(held.map(|(at, _)| at));
        let by_sets = number(&mut holding_ids, &holding);
        let by_room = *fitting_of.entry(row.room).or_insert_with(|| {
            let room = problem.room_of(row.room);
            fitting.clear();
            let fit = (0..).zip(&shapes).filter(|(_, (need, _))| fits(need, room));
            fitting.extend(fit.map(|(at, _)| at));
            number(&mut fitting_ids, &fitting)
        });
        *known.entry((by_sets, by_room)).or_insert_with(|| {
            let room = problem.room_of(row.room);
            let mut suited = BitSet::new(bound);
            let mut fit = BitSet::new(bound);
            for at in &holding {
                suited.union_with(&sets[*at as usize].1);
            }
            for (_, classes) in shapes.iter().filter(|(need, _)| fits(need, room)) {
                fit.union_with(classes);
            }
            suited.intersect_with(&fit);
            (!suited.is_empty()).then(|| {
                *column_ids.entry(suited).or_insert_with_key(|suited| {
                    columns.push(suited.clone());
                    columns.len() - 1
                })
            })
        })
    };
    let of_options = problem.options.enumerate().map(column_of).collect();
    (columns, of_options)
}

/// The number of `list` among those seen so far.
fn number(ids: &mut FastMap<Vec<u32>, usize>, list: &[u32]) -> usize {
    match ids.get(list) {
        Some(id) => *id,
        None => {
            let id = ids.len();
            ids.insert(list.to_vec(), id);
            id
        }
    }
}

/// Drops what another candidate beats in everything. What suits the same classes stands together, with the largest room of
/// each resource, so that most candidates are told at once that nothing of a group beats them.
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
    all.sort_by_cached_key(|c| {
        // Costs are not negative, so their bits order them.
        (c.cost.max(0.0).to_bits(), Reverse(size(c)), c.option)
    });
    let mut kept: Vec<Candidate> = Vec::new();
    let mut families: Vec<Family> = Vec::new();
    let mut wider: FastMap<usize, Vec<usize>> = FastMap::default();
    for candidate in all {
        let room = problem.room_of(problem.options[candidate.option].room);
        let own = match families.iter().position(|f| f.column == candidate.column) {
            Some(at) => at,
            None => {
                families.push(Family::new(candidate.column, problem.dims));
                let last = families.len() - 1;
                let column = &columns[candidate.column];
                for at in 0..families.len() {
                    let other = &columns[families[at].column];
                    if column.is_subset(other) {
                        wider.entry(last).or_default().push(at);
                    }
                    if at != last && other.is_subset(column) {
                        wider.entry(at).or_default().push(last);
                    }
                }
                last
            }
        };
        let beaten = wider[&own].iter().any(|family| {
            let family = &families[*family];
            fits(room, &family.most)
                && family
                    .members
                    .iter()
                    .rev()
                    .any(|at| dominates(problem, &kept[*at], &candidate))
        });
        if !beaten {
            let family = &mut families[own];
            family.members.push(kept.len());
            for (most, amount) in family.most.iter_mut().zip(room) {
                *most = (*most).max(*amount);
            }
            kept.push(candidate);
        }
    }
    kept
}

/// Up to this many candidates are all tried for each node.
pub const FEW: usize = 64;

/// How much dearer the next rung is at least.
const STEP: f64 = 1.25;

/// How much more of a resource for its money a candidate must give than a cheaper rung to be one itself.
const BETTER: f64 = 1.1;

/// Leaves out candidates that are little larger than another of the same classes and give no more for their money. What
/// is filled on a rung is moved to the cheapest candidate that holds it afterwards. O(candidates x rungs).
fn rungs(problem: &Problem, candidates: &[Candidate]) -> Vec<usize> {
    if candidates.len() <= FEW {
        return (0..candidates.len()).collect();
    }
    let room = |at: usize| problem.room_of(problem.options[candidates[at].option].room);
    let mut rungs: Vec<usize> = Vec::new();
    let mut by_column: FastMap<usize, Vec<usize>> = FastMap::default();
    let mut largest: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let own = by_column.entry(candidate.column).or_default();
        // Rungs stand cheapest first, so those near in price are the last ones.
        let near = own
            .iter()
            .rev()
            .take_while(|rung| candidate.cost < candidates[**rung].cost * STEP);
        let covered = near.into_iter().any(|rung| {
            let growth = candidate.cost / candidates[*rung].cost.max(1e-9) * BETTER;
            room(at).iter().zip(room(*rung)).all(|(more, less)| {
                #[expect(clippy::cast_precision_loss, reason = "a ratio")]
                let (more, less) = (*more as f64, *less as f64);
                more <= less * growth
            })
        });
        if !covered {
            own.push(at);
            rungs.push(at);
        }
        largest.insert(candidate.column, at);
    }
    // The largest of each column stands for nothing but itself.
    rungs.extend(largest.values());
    rungs.sort_unstable();
    rungs.dedup();
    rungs
}

/// Candidates that suit the same classes.
struct Family {
    column: usize,
    members: Vec<usize>,
    most: Vec<i64>,
}

impl Family {
    fn new(column: usize, dims: usize) -> Self {
        Self {
            column,
            members: Vec::new(),
            most: vec![i64::MIN; dims],
        }
    }
}

/// Whether `a`, which suits all classes that `b` suits and costs no more, beats `b` in everything.
fn dominates(problem: &Problem, a: &Candidate, b: &Candidate) -> bool {
    let (x, y) = (&problem.options[a.option], &problem.options[b.option]);
    let plain = |pool| problem.pools[pool].min_values.is_empty();
    let state = |o: &LaunchOption| problem.pairs[o.pair].state;
    fits(problem.room_of(y.room), problem.room_of(x.room))
        && (x.pool == y.pool || (plain(x.pool) && plain(y.pool)))
        && (!problem.states.is_open(state(x)) || (state(x) == state(y) && x.pool == y.pool))
        && x.uses.iter().all(|(stock, amount)| {
            y.uses
                .iter()
                .any(|(held, more)| held == stock && amount <= more)
        })
}
