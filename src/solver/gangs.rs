//! Gangs: pods placed as a whole or not at all (M-15, W-9).
//!
//! Most often the plan that the search finds holds every gang whole, and that is that. If not, gangs are admitted one by
//! one, the highest priority and the oldest first: a gang comes in if it and all that came in before fit together, each
//! part that asks for one topology domain tried in every domain, the cheapest that holds the whole kept. The pods of gangs
//! that stay out are taken out of the problem, so half a gang never buys a node, and the rest is planned again.

use super::pack::solve as search;
use super::score::{Ranks, Score};
use super::{Group, Outcome, Target};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::options::Effort;
use crate::model::price::Price;
use crate::problem::gangs::{Domain, Gang};
use crate::problem::{ClassId, GangId, OptionId, Problem};

/// How a gang fared.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// How many of its waiting pods are placed.
    pub placed: u32,
    /// By part that asks for one domain: which of its domains it is kept in.
    pub domains: Vec<Option<usize>>,
    /// Why it is not placed, if it is not.
    pub refusal: Option<Refusal>,
}

/// Why a gang is not placed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The most of its waiting pods that found a place together.
    pub most: u32,
    /// The attempt that placed so many, by which the others' reasons can be told; `None` where pods of the gang are
    /// missing and nothing was tried.
    pub attempt: Option<Box<Outcome>>,
}

/// Attempts at most over all gangs; gangs that come later are held to what the search itself gives them.
const MAX_ATTEMPTS: u32 = 512;
/// Attempts that may take the full effort, after a quick one has failed.
const MAX_FULL_ATTEMPTS: u32 = 32;
/// How often gangs that competing pods have broken are taken out one by one before all are.
const MAX_ROUNDS: u32 = 8;

/// Which domain each part of a gang is kept in.
type Choice = Vec<Option<usize>>;

/// Plans all pods of `problem`, gangs whole or not at all. As [`pack::solve`](super::pack::solve) where there are no
/// gangs; otherwise at most some hundred searches more, most of them at the least effort.
pub fn solve(problem: &Problem, effort: Effort) -> Outcome {
    if problem.gangs.is_empty() {
        return search(problem, effort);
    }
    Admission {
        problem,
        effort,
        attempts: 0,
        full: 0,
        refused: IxVec::filled(problem.gangs.len(), None),
    }
    .run()
}

struct Admission<'p> {
    problem: &'p Problem,
    effort: Effort,
    attempts: u32,
    full: u32,
    refused: IxVec<GangId, Option<Refusal>>,
}

impl Admission<'_> {
    fn run(mut self) -> Outcome {
        let problem = self.problem;
        let unpinned = |gang: &Gang| vec![None; gang.units.len()];
        let mut possible: Vec<(GangId, Choice)> = Vec::new();
        for (id, gang) in problem.gangs.enumerate() {
            if members(problem, gang) >= gang.need {
                possible.push((id, unpinned(gang)));
            } else {
                self.refused[id] = Some(Refusal {
                    most: 0,
                    attempt: None,
                });
            }
        }
        let everything = self.attempt(&possible, None, true, self.effort);
        if let Some(choices) = self.all_whole(&everything, &possible) {
            if everything.unplaced.is_empty() {
                return self.finish(everything, &choices);
            }
            // Gangs went before other pods of their priority; where that serves fewer pods, they do not.
            let level = self.settle(choices.clone(), false);
            return if level.2 < self.score(&everything) {
                self.finish(level.0, &level.1)
            } else {
                self.finish(everything, &choices)
            };
        }
        let admitted = self.admit(possible);
        let outcome = self.settle(admitted.clone(), true);
        // Gangs go before other pods of their priority above; where that serves fewer pods, they do not.
        let level = self.settle(admitted, false);
        let (best, choices, _) = if level.2 < outcome.2 { level } else { outcome };
        self.finish(best, &choices)
    }

    /// The domains in which all `gangs` are whole in `outcome`, if they are and each part that asks for one domain is in
    /// one.
    fn all_whole(
        &self,
        outcome: &Outcome,
        gangs: &[(GangId, Choice)],
    ) -> Option<Vec<(GangId, Choice)>> {
        let placed = placed(self.problem, outcome);
        gangs
            .iter()
            .map(|(id, _)| {
                let gang = &self.problem.gangs[*id];
                if total(&placed, &gang.classes) < gang.need {
                    return None;
                }
                let choice: Option<Choice> = gang
                    .units
                    .iter()
                    .map(|unit| {
                        let inside = |domain: &Domain| {
                            stands_in(self.problem, outcome, &unit.classes, domain)
                        };
                        unit.domains.iter().position(inside).map(Some)
                    })
                    .collect();
                Some((*id, choice?))
            })
            .collect()
    }

    /// Admits what fits beside what has come in before.
    fn admit(&mut self, gangs: Vec<(GangId, Choice)>) -> Vec<(GangId, Choice)> {
        let mut admitted: Vec<(GangId, Choice)> = Vec::new();
        for (id, choice) in gangs {
            let gang = &self.problem.gangs[id];
            let mut choice = choice;
            let mut fits = true;
            let mut most: Option<(u32, Outcome)> = None;
            if gang.units.is_empty() {
                let (whole, _) = self.try_with(&admitted, id, &choice, &mut most);
                fits = whole;
            }
            for unit in 0..gang.units.len() {
                let Some(domain) = self.best_domain(&admitted, id, &choice, unit, &mut most) else {
                    fits = false;
                    break;
                };
                choice[unit] = domain;
            }
            if fits {
                admitted.push((id, choice));
            } else {
                self.refused[id] = most.map(|(most, attempt)| Refusal {
                    most,
                    attempt: Some(Box::new(attempt)),
                });
            }
        }
        admitted
    }

    /// The domain to keep part `unit` of gang `id` in: the cheapest that holds the whole. Where a domain is only preferred,
    /// `None` inside stands for none, unless one costs no more. `None` where the gang does not fit.
    fn best_domain(
        &mut self,
        admitted: &[(GangId, Choice)],
        id: GangId,
        choice: &Choice,
        unit: usize,
        most: &mut Option<(u32, Outcome)>,
    ) -> Option<Option<usize>> {
        let asked = &self.problem.gangs[id].units[unit];
        let mut best: Option<(Score, Option<usize>)> = None;
        if !asked.required {
            let (whole, score) = self.try_with(admitted, id, choice, most);
            if !whole {
                return None;
            }
            best = Some((score, None));
        }
        for domain in 0..asked.domains.len() {
            let mut trial = choice.clone();
            trial[unit] = Some(domain);
            let (whole, score) = self.try_with(admitted, id, &trial, most);
            if !whole {
                continue;
            }
            let better = match &best {
                None => true,
                // A preference may not cost anything (M-2): neither pods nor money.
                Some((held, None)) => aims(&score) <= aims(held),
                Some((held, Some(_))) => (aims(&score), score.nodes) < (aims(held), held.nodes),
            };
            if better {
                best = Some((score, Some(domain)));
            }
        }
        best.map(|(_, domain)| domain)
    }

    /// Whether gang `id` is whole beside the admitted ones; keeps the attempt that placed most of it.
    fn try_with(
        &mut self,
        admitted: &[(GangId, Choice)],
        id: GangId,
        choice: &Choice,
        most: &mut Option<(u32, Outcome)>,
    ) -> (bool, Score) {
        let mut trial = admitted.to_vec();
        trial.push((id, choice.clone()));
        let gang = &self.problem.gangs[id];
        let mut effort = Effort::Fast;
        loop {
            let outcome = self.attempt(&trial, Some(gang.priority), true, effort);
            let there = placed(self.problem, &outcome);
            let whole = trial.iter().all(|(id, _)| {
                let gang = &self.problem.gangs[*id];
                total(&there, &gang.classes) >= gang.need
            });
            let count = total(&there, &gang.classes);
            let score = outcome.score.clone();
            if !whole && most.as_ref().is_none_or(|(held, _)| count > *held) {
                *most = Some((count, outcome));
            }
            if whole || effort == self.effort || self.full >= MAX_FULL_ATTEMPTS {
                return (whole, score);
            }
            self.full += 1;
            effort = self.effort;
        }
    }

    /// The full plan with the admitted gangs; those that other pods break come out again. With it the gangs that stayed
    /// whole, and the plan's score by the priorities of the problem.
    fn settle(
        &mut self,
        mut gangs: Vec<(GangId, Choice)>,
        gangs_first: bool,
    ) -> (Outcome, Vec<(GangId, Choice)>, Score) {
        let problem = self.problem;
        let mut round = 0;
        loop {
            let outcome = self.attempt(&gangs, None, gangs_first, self.effort);
            let there = placed(problem, &outcome);
            let is_whole = |(id, _): &(GangId, Choice)| {
                let gang = &problem.gangs[*id];
                total(&there, &gang.classes) >= gang.need
            };
            let Some(last) = gangs.iter().rposition(|gang| !is_whole(gang)) else {
                let score = self.score(&outcome);
                return (outcome, gangs, score);
            };
            round += 1;
            if round < MAX_ROUNDS {
                gangs.remove(last);
            } else {
                gangs.retain(is_whole);
            }
        }
    }

    /// Solves with these gangs and the pods of no gang, those below `least` left out.
    fn attempt(
        &mut self,
        gangs: &[(GangId, Choice)],
        least: Option<i32>,
        gangs_first: bool,
        effort: Effort,
    ) -> Outcome {
        self.attempts += 1;
        let effort = if self.attempts > MAX_ATTEMPTS {
            Effort::Fast
        } else {
            effort
        };
        search(&restricted(self.problem, gangs, least, gangs_first), effort)
    }

    fn score(&self, outcome: &Outcome) -> Score {
        let left = left(self.problem, outcome);
        Ranks::new(self.problem).score(self.problem, &outcome.groups, &left)
    }

    /// Puts the outcome in terms of the whole problem.
    fn finish(mut self, mut outcome: Outcome, gangs: &[(GangId, Choice)]) -> Outcome {
        let problem = self.problem;
        let left = left(problem, &outcome);
        outcome.score = Ranks::new(problem).score(problem, &outcome.groups, &left);
        outcome.unplaced = problem
            .classes
            .ids()
            .zip(left)
            .filter(|(_, left)| *left > 0)
            .collect();
        let there = placed(problem, &outcome);
        let mut verdicts = Vec::with_capacity(problem.gangs.len());
        for (id, gang) in problem.gangs.enumerate() {
            let choice = gangs.iter().find(|(held, _)| *held == id);
            let refusal = self.refused[id].take();
            verdicts.push(Verdict {
                placed: total(&there, &gang.classes),
                domains: choice.map_or_else(Vec::new, |(_, choice)| choice.clone()),
                refusal: match choice {
                    Some(_) => None,
                    None => Some(refusal.unwrap_or(Refusal {
                        most: 0,
                        attempt: None,
                    })),
                },
            });
        }
        for (id, choice) in gangs {
            pins(problem, *id, choice, &mut outcome.pinned);
        }
        outcome.gangs = verdicts;
        outcome
    }
}

/// The problem with these gangs only, each part kept in its domain, and the other pods from priority `least` on.
/// Priorities are dense then; with `gangs_first` gangs are served before other pods of their priority.
fn restricted(
    problem: &Problem,
    gangs: &[(GangId, Choice)],
    least: Option<i32>,
    gangs_first: bool,
) -> Problem {
    let mut work = problem.clone();
    let mut ranks: Vec<i32> = problem.classes.iter().map(|class| class.priority).collect();
    ranks.sort_unstable();
    ranks.dedup();
    for (id, class) in problem.classes.enumerate() {
        let row = &mut work.classes[id];
        let rank = ranks.partition_point(|rank| *rank < class.priority);
        let first = gangs_first && class.gang.is_some();
        row.priority = i32::try_from(rank * 2 + usize::from(first)).unwrap_or(i32::MAX);
        let inside = |part: &ClassId| match problem.classes[*part].gang {
            Some(gang) => gangs.iter().any(|(id, _)| *id == gang),
            None => least.is_none_or(|least| problem.classes[*part].priority > least),
        };
        let kept = if class.bundle.is_empty() {
            inside(&id)
        } else {
            class.bundle.iter().all(|(part, _)| inside(part))
        };
        if !kept {
            row.count = 0;
        }
    }
    for (id, choice) in gangs {
        for (unit, domain) in problem.gangs[*id].units.iter().zip(choice) {
            let Some(domain) = domain.and_then(|at| unit.domains.get(at)) else {
                continue;
            };
            for class in with_bundles(problem, &unit.classes) {
                let mut options = work.options_of(class).clone();
                options.intersect_with(&domain.options);
                let mut nodes = work.nodes_of(class).clone();
                nodes.intersect_with(&domain.nodes);
                work.classes[class].options = work.option_sets.push(options);
                work.classes[class].nodes = work.node_sets.push(nodes);
            }
        }
    }
    work
}

/// `classes` and the bundles with pods of them.
fn with_bundles(problem: &Problem, classes: &[ClassId]) -> Vec<ClassId> {
    let holds = |(_, class): &(ClassId, &crate::problem::Class)| {
        class.bundle.iter().any(|(part, _)| classes.contains(part))
    };
    let bundles = problem.classes.enumerate().filter(holds);
    classes
        .iter()
        .copied()
        .chain(bundles.map(|(id, _)| id))
        .collect()
}

/// The options that the classes of a gang may use by its choice of domains: what claims are widened to.
fn pins(
    problem: &Problem,
    id: GangId,
    choice: &Choice,
    pinned: &mut Vec<(ClassId, BitSet<OptionId>)>,
) {
    for (unit, domain) in problem.gangs[id].units.iter().zip(choice) {
        if let Some(domain) = domain.and_then(|at| unit.domains.get(at)) {
            let classes = with_bundles(problem, &unit.classes);
            pinned.extend(
                classes
                    .into_iter()
                    .map(|class| (class, domain.options.clone())),
            );
        }
    }
}

/// The aims by which places for the same pods compare (M-1): pods pending, pods on nodes of lighter pools, the lightest
/// first, and money. How many are on the heaviest says nothing here, as existing nodes are used to different extents.
fn aims(score: &Score) -> (Vec<u64>, Vec<u64>, u64, Price) {
    let lighter = score.by_weight.iter().skip(1).rev().copied().collect();
    (score.unplaced.clone(), lighter, score.unknown, score.cost)
}

/// How many pods wait in the classes of a gang, those in bundles included.
fn members(problem: &Problem, gang: &Gang) -> u32 {
    let all: IxVec<ClassId, u32> = counted(
        problem,
        problem
            .classes
            .enumerate()
            .map(|(id, class)| (id, class.count)),
    );
    total(&all, &gang.classes)
}

/// By class, what of it stays pending: what an outcome does not place.
fn left(problem: &Problem, outcome: &Outcome) -> Vec<u32> {
    let mut left: Vec<u32> = problem.classes.iter().map(|class| class.count).collect();
    for group in &outcome.groups {
        for (class, count) in &group.content {
            let placed = count.saturating_mul(group.times);
            left[class.at()] = left[class.at()].saturating_sub(placed);
        }
    }
    left
}

/// By class, how many of its pods an outcome places, those in bundles counted with their own class.
fn placed(problem: &Problem, outcome: &Outcome) -> IxVec<ClassId, u32> {
    let content = |group: &Group| {
        let times = group.times;
        let each = group.content.clone().into_iter();
        each.map(move |(class, count)| (class, count.saturating_mul(times)))
    };
    counted(problem, outcome.groups.iter().flat_map(content))
}

fn counted(
    problem: &Problem,
    content: impl Iterator<Item = (ClassId, u32)>,
) -> IxVec<ClassId, u32> {
    let mut counts = IxVec::filled(problem.classes.len(), 0u32);
    for (class, count) in content {
        let bundle = &problem.classes[class].bundle;
        if bundle.is_empty() {
            counts[class] = counts[class].saturating_add(count);
        }
        for (part, each) in bundle {
            counts[*part] = counts[*part].saturating_add(each.saturating_mul(count));
        }
    }
    counts
}

fn total(counts: &IxVec<ClassId, u32>, classes: &[ClassId]) -> u32 {
    classes
        .iter()
        .fold(0, |sum, class| sum.saturating_add(counts[*class]))
}

/// Whether every pod of `classes` that is placed stands in `domain`.
fn stands_in(problem: &Problem, outcome: &Outcome, classes: &[ClassId], domain: &Domain) -> bool {
    let classes = with_bundles(problem, classes);
    outcome
        .groups
        .iter()
        .filter(|group| {
            group
                .content
                .iter()
                .any(|(class, _)| classes.contains(class))
        })
        .all(|group| match group.target {
            Target::Node(node) => domain.nodes.contains(node),
            Target::Option(option) => domain.options.contains(option),
        })
}
