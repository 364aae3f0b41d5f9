//! Leaving out the pods that nothing can hold, so that they disturb no decision about the others, and taking classes
//! together that are alike.

use super::alike::alike;
use super::holds::{holds_alone, keeps_min_values, stock_allows};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix, IxVec};
use crate::problem::{Class, ClassId, NodeId, OptionId, Problem, StateId, fits};

/// A problem without hopeless classes and with those that are [`alike`] as one, and what its classes stand for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reduced {
    /// The smaller problem.
    pub problem: Problem,
    /// By class of the smaller problem: the classes of the whole one that it stands for.
    pub classes: Vec<Vec<ClassId>>,
}

/// Whether some existing node, or some node that can be bought, holds one pod of `class`.
#[must_use]
pub fn has_place(problem: &Problem, stocks: &[i128], class: ClassId) -> bool {
    let demand = problem.demand_of(class);
    let on_node = |node: NodeId| fits(demand, problem.node_room_of(node));
    let on_new = |option: OptionId| {
        stock_allows(problem, stocks, option) > 0
            && holds_alone(problem, option, class)
            && keeps_min_values(problem, problem.options[option].pool, &[(class, 1)], None)
    };
    problem.nodes_of(class).iter().any(on_node) || problem.options_of(class).iter().any(on_new)
}

/// The resources that count, and in which units.
struct Resources<'r> {
    dims: &'r [usize],
    units: &'r [i64],
}

impl Resources<'_> {
    /// What `count` rows have of them.
    fn narrowed<'v>(&self, count: usize, rows: impl Iterator<Item = &'v [i64]>) -> Vec<i64> {
        let mut amounts = Vec::with_capacity(count * self.dims.len());
        for row in rows {
            let own = self.dims.iter().zip(self.units);
            amounts.extend(own.map(|(dim, unit)| match row[*dim] {
                // Below 0 means "holds nothing" and is no amount.
                amount if amount < 0 => amount,
                amount => amount / unit,
            }));
        }
        amounts
    }
}

/// Leaves out the classes without any place, and the resources that only they ask for; amounts are then in the largest
/// unit in which the rest is whole, so that what is left out had no say in the unit either. Classes that are alike become
/// one. `None` when nothing changes.
/// O(classes x options x resources).
#[must_use]
pub fn reduce(problem: &Problem) -> Option<Reduced> {
    let stocks: Vec<i128> = problem.stocks.iter().map(|stock| stock.left).collect();
    let mut placed = BitSet::new(problem.classes.len());
    for class in problem.classes.ids() {
        if has_place(problem, &stocks, class) {
            placed.insert(class);
            // A bundle keeps the classes of its pods, by which others know whom to avoid.
            problem.classes[class]
                .bundle
                .iter()
                .for_each(|(part, _)| placed.insert(*part));
        }
    }
    let kept: Vec<ClassId> = placed.iter().collect();
    let asked = |dim: &usize| kept.iter().any(|class| problem.demand_of(*class)[*dim] > 0);
    let dims: Vec<usize> = (0..problem.dims).filter(asked).collect();
    let units: Vec<i64> = dims.iter().map(|dim| unit(problem, &kept, *dim)).collect();
    let same_unit = units.iter().all(|unit| *unit == 1);
    let groups = alike(problem, &kept);
    if groups.len() == problem.classes.len() && dims.len() == problem.dims && same_unit {
        return None;
    }
    let resources = Resources {
        dims: &dims,
        units: &units,
    };
    let narrowed = |vectors: &[i64]| {
        let rows = vectors.chunks(problem.dims.max(1));
        resources.narrowed(vectors.len() / problem.dims.max(1), rows)
    };
    let mut number: IxVec<ClassId, Option<ClassId>> = IxVec::filled(problem.classes.len(), None);
    for (at, group) in groups.iter().enumerate() {
        for class in group {
            number[*class] = Some(ClassId::new(at));
        }
    }
    let first = |group: &Vec<ClassId>| group.first().copied().unwrap_or_else(|| ClassId::new(0));
    let classes: IxVec<ClassId, Class> = groups
        .iter()
        .map(|group| {
            let row = &problem.classes[first(group)];
            let pods = group.iter().map(|class| problem.classes[*class].count);
            Class {
                count: pods.fold(0, u32::saturating_add),
                excludes: row.excludes.as_ref().map(|set| {
                    let mut renumbered = BitSet::new(groups.len());
                    let all = set.iter().filter_map(|class| number[class]);
                    all.for_each(|class| renumbered.insert(class));
                    renumbered
                }),
                bundle: row
                    .bundle
                    .iter()
                    .filter_map(|(part, n)| Some((number[*part]?, *n)))
                    .collect(),
                shares: row.shares.clone(),
                // Judged on the whole problem.
                stands: Vec::new(),
                ..*row
            }
        })
        .collect();
    let demands = groups.iter().map(|group| problem.demand_of(first(group)));
    let demand = resources.narrowed(groups.len(), demands);
    let mut pairs = problem.pairs.clone();
    for pair in pairs.iter_mut() {
        if is_settled(problem, &kept, pair.state) {
            pair.state = StateId::new(0);
        }
    }
    let reduced = Problem {
        dims: dims.len(),
        classes,
        demand,
        signatures: problem.signatures.clone(),
        term_options: problem.term_options.clone(),
        option_sets: problem.option_sets.clone(),
        node_sets: problem.node_sets.clone(),
        pools: problem.pools.clone(),
        pairs,
        options: problem.options.clone(),
        rooms: narrowed(&problem.rooms),
        stocks: problem.stocks.clone(),
        states: problem.states.clone(),
        nodes: problem.nodes.clone(),
        node_rooms: narrowed(&problem.node_rooms),
        domain_rules: Vec::new(),
        standing: problem.standing.clone(),
        // Gangs are settled around the search.
        gangs: IxVec::new(),
        node_penalty: problem.node_penalty,
        min_values_policy: problem.min_values_policy,
        // Preferences are looked at once pods have their places, in the whole problem.
        preferences: None,
    };
    Some(Reduced {
        problem: reduced,
        classes: groups,
    })
}

/// The greatest common divisor of what `kept` ask for and what rooms have of resource `dim`.
fn unit(problem: &Problem, kept: &[ClassId], dim: usize) -> i64 {
    let rooms = problem.rooms.iter().chain(&problem.node_rooms);
    let has = rooms.skip(dim).step_by(problem.dims.max(1)).copied();
    let asked = kept.iter().map(|class| problem.demand_of(*class)[dim]);
    has.filter(|amount| *amount > 0)
        .chain(asked)
        .fold(0, gcd)
        .max(1)
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Whether no pod of `kept` changes what the undecided labels of `state` may be.
fn is_settled(problem: &Problem, kept: &[ClassId], state: StateId) -> bool {
    if !problem.states.is_open(state) {
        return true;
    }
    let mut terms = kept
        .iter()
        .flat_map(|class| &problem.signatures[problem.classes[*class].signature]);
    terms.all(|term| problem.states.after(state, *term) == Some(state))
}
