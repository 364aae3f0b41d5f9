//! What is allowed: the solver's own tests, for exchanging options and moving pods.

use super::state::{Bin, State};
use crate::problem::{ClassId, OptionId, Problem, fits};
use crate::solver::Target;
use crate::solver::fill::Node;
use crate::solver::holds::{joint_state, total_demand};

/// The options with the price, the estimate and the pool weight of `option`, itself among them. Those of which not even
/// an estimate is known are alike to none.
pub(super) fn options_alike(problem: &Problem, option: OptionId) -> Vec<OptionId> {
    let own = &problem.options[option];
    if own.estimate.is_none() {
        return vec![option];
    }
    let weight = problem.pools[own.pool].weight;
    let pools = problem.pools.iter().filter(|pool| pool.weight == weight);
    let alike = |other: &OptionId| {
        let other = &problem.options[*other];
        other.estimate == own.estimate && other.price == own.price
    };
    // Options stand pool by pool.
    pools
        .flat_map(|pool| pool.options.iter())
        .filter(alike)
        .collect()
}

/// Whether a node of `option` may hold `content` instead of one of `own`: suits, room, label states. Rules over host
/// names do not depend on the option. Pools with `minValues` are left only for options of themselves, since what they
/// keep is counted per pool.
pub(super) fn holds(
    problem: &Problem,
    option: OptionId,
    own: OptionId,
    content: &[(ClassId, u32)],
) -> bool {
    let (new, old) = (problem.options[option].pool, problem.options[own].pool);
    if new != old && is_guarded(problem, option) {
        return false;
    }
    let mut total = Vec::new();
    total_demand(problem, content, &mut total);
    fits(&total, problem.room_of(problem.options[option].room))
        && joint_state(problem, option, content).is_some()
}

fn is_guarded(problem: &Problem, option: OptionId) -> bool {
    let pool = &problem.pools[problem.options[option].pool];
    !pool.min_values.is_empty()
}

/// Tests moves of pods between nodes.
pub(super) struct Mover {
    node: Node,
    content: Vec<(ClassId, u32)>,
    room: Vec<i64>,
    /// Whether pools differ in weight.
    several_weights: bool,
}

impl Mover {
    pub(super) fn new(problem: &Problem) -> Self {
        let mut weights: Vec<u32> = problem.pools.iter().map(|pool| pool.weight).collect();
        weights.dedup();
        Self {
            node: Node::new(problem),
            content: Vec::new(),
            room: Vec::new(),
            several_weights: weights.len() > 1,
        }
    }

    /// Whether a unit of `class` may go from a node of `from` to one of `to`, in exchange for one of `back` if given.
    pub(super) fn may_go(
        &mut self,
        state: &State<'_>,
        class: ClassId,
        (from, to): (usize, usize),
        back: Option<ClassId>,
    ) -> bool {
        let problem = state.problem;
        let (source, target) = (&state.bins[from], &state.bins[to]);
        if source.count_of(class) == 0 || back.is_some_and(|back| target.count_of(back) == 0) {
            return false;
        }
        let pods: u32 = source.content.iter().map(|(_, n)| *n).sum();
        if back.is_none() {
            // A node without pods is not bought, which would change the price.
            let empties = pods == 1 && matches!(source.target, Target::Option(_));
            if empties || !self.weight_allows(problem, class, source, target) {
                return false;
            }
        }
        if back == Some(class) {
            return true;
        }
        self.takes(problem, target, class, back)
            && match back {
                Some(back) => self.takes(problem, source, back, Some(class)),
                None => leaves(problem, source, class),
            }
    }

    /// Whether a unit of `class` may be taken off a node of `bin`, whatever comes there.
    pub(super) fn may_leave(&self, state: &State<'_>, class: ClassId, bin: usize) -> bool {
        let bin = &state.bins[bin];
        bin.count_of(class) > 0 && leaves(state.problem, bin, class)
    }

    /// Whether a unit of `class` that was on a node of `from` may join one of `to`.
    pub(super) fn may_join(
        &mut self,
        state: &State<'_>,
        class: ClassId,
        (from, to): (usize, usize),
    ) -> bool {
        let (source, target) = (&state.bins[from], &state.bins[to]);
        (from == to || self.weight_allows(state.problem, class, source, target))
            && self.takes(state.problem, target, class, None)
    }

    /// M-1 (2): no pod goes to a lighter pool that a heavier one could take.
    fn weight_allows(&self, problem: &Problem, class: ClassId, from: &Bin, to: &Bin) -> bool {
        let Target::Option(new) = to.target else {
            return true;
        };
        if !self.several_weights {
            return true;
        }
        let weight = |option: OptionId| problem.pools[problem.options[option].pool].weight;
        match from.target {
            Target::Option(old) => weight(new) >= weight(old),
            Target::Node(_) => problem
                .options_of(class)
                .iter()
                .all(|other| weight(other) <= weight(new)),
        }
    }

    /// Whether a node of `bin` takes a unit of `class`, once one of `without` has gone.
    fn takes(
        &mut self,
        problem: &Problem,
        bin: &Bin,
        class: ClassId,
        without: Option<ClassId>,
    ) -> bool {
        let suits = match bin.target {
            Target::Option(option) => {
                problem.options_of(class).contains(option) && !is_guarded(problem, option)
            }
            Target::Node(node) => problem.nodes_of(class).contains(node),
        };
        if !suits {
            return false;
        }
        self.room.clear();
        self.room.extend_from_slice(&bin.room);
        self.content.clear();
        self.content.extend_from_slice(&bin.content);
        if let Some(without) = without {
            for (room, need) in self.room.iter_mut().zip(problem.demand_of(without)) {
                *room += need;
            }
            if let Some(at) = self.content.iter().position(|(held, _)| *held == without) {
                self.content[at].1 -= 1;
                if self.content[at].1 == 0 {
                    self.content.remove(at);
                }
            }
        }
        if !fits(problem.demand_of(class), &self.room) {
            return false;
        }
        self.node
            .resume(problem, bin.target, &self.room, &self.content);
        if self.node.add(problem, class, 1, 0.0) == 0 {
            return false;
        }
        // The walk through label states depends on the order of the pods: it must work in the order they end up in.
        match bin.target {
            Target::Option(option) => {
                match self.content.binary_search_by_key(&class, |(held, _)| *held) {
                    Ok(at) => self.content[at].1 += 1,
                    Err(at) => self.content.insert(at, (class, 1)),
                }
                joint_state(problem, option, &self.content).is_some()
            }
            Target::Node(_) => true,
        }
    }
}

/// Whether what stays on a node of `bin` may stay when a unit of `class` goes.
fn leaves(problem: &Problem, bin: &Bin, class: ClassId) -> bool {
    let Target::Option(option) = bin.target else {
        return true;
    };
    if is_guarded(problem, option) {
        return false;
    }
    let rest: Vec<(ClassId, u32)> = bin
        .content
        .iter()
        .copied()
        .filter(|(held, count)| *held != class || *count > 1)
        .collect();
    joint_state(problem, option, &rest).is_some()
}
