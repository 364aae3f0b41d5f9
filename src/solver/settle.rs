//! Rules over domains after packing.
//!
//! Pods were dealt out to domains before packing, in an order in which every rule holds. Where limits or full nodes then
//! left some of them without room, that order has gaps, and who comes after a gap may find the domains out of balance, or
//! be near nobody. So the pods that found room are bound once more, one by one; those that no longer can be are taken off
//! again, so that a plan is valid whatever was left out.

use std::cmp::Reverse;

use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, DomainRule, Problem};

/// Takes pods off `groups` until those that stay can be bound in some order that every rule over domains allows; what is
/// taken off is added to `remaining`. Returns whether anything was. Nothing is looked at where every pod that was dealt
/// to a domain found room: the order of dealing is that order. O(pods x their rules) for each round, of which there is
/// more than one only where pods share bundles.
pub fn settle(problem: &Problem, groups: &mut Vec<Group>, remaining: &mut [u32]) -> bool {
    let dealt = |class: ClassId| !problem.classes[class].stands.is_empty();
    let gap = problem.classes.enumerate().any(|(class, row)| {
        remaining[class.at()] > 0
            && (dealt(class) || row.bundle.iter().any(|(part, _)| dealt(*part)))
    });
    if !gap {
        return false;
    }
    let mut taken = false;
    loop {
        let mut placed = placed(problem, groups);
        let mut stuck = Binding::stuck(problem, &placed);
        if stuck.is_empty() {
            stuck.extend(Binding::new(problem, &placed).out_of_balance());
        }
        if stuck.is_empty() {
            return taken;
        }
        for (class, count) in stuck {
            for _ in 0..count {
                if placed[class.at()] == 0
                    || !take_off(problem, groups, class, &mut placed, remaining)
                {
                    break;
                }
                taken = true;
            }
        }
    }
}

/// How many pods of each class stand on nodes, those in bundles included.
fn placed(problem: &Problem, groups: &[Group]) -> Vec<u64> {
    let mut placed = vec![0u64; problem.classes.len()];
    for group in groups {
        for (class, count) in &group.content {
            let row = &problem.classes[*class];
            let units = u64::from(*count) * u64::from(group.times);
            if row.bundle.is_empty() {
                placed[class.at()] += units;
            }
            for (part, n) in &row.bundle {
                placed[part.at()] += units * u64::from(*n);
            }
        }
    }
    placed
}

/// The domains while pods are bound one by one, phase by phase: rules count nobody who is bound in a later phase.
struct Binding<'p> {
    problem: &'p Problem,
    /// By rule and domain: pods that the rule counts.
    counts: Vec<Vec<u64>>,
    /// By phase: classes with pods that wait, and how many.
    phases: Vec<Vec<(ClassId, u64)>>,
}

impl<'p> Binding<'p> {
    fn new(problem: &'p Problem, placed: &[u64]) -> Self {
        let standing = |rule: &DomainRule| match rule {
            DomainRule::Spread { standing, .. } | DomainRule::Affinity { standing } => {
                standing.iter().map(|n| u64::from(*n)).collect()
            }
            DomainRule::Settled => Vec::new(),
        };
        let mut waiting: Vec<(ClassId, u64)> = problem
            .classes
            .enumerate()
            .filter(|(class, row)| !row.stands.is_empty() && placed[class.at()] > 0)
            .map(|(class, _)| (class, placed[class.at()]))
            .collect();
        // Who is not counted by a rule of its own needs low counts and makes none: it goes first. Of the others the
        // lowest priority is left over.
        waiting.sort_by_key(|(class, _)| {
            let row = &problem.classes[*class];
            let counted = row.stands.iter().all(|stand| stand.member || !stand.owner);
            (row.phase, counted, Reverse(row.priority), *class)
        });
        let phase = |class: ClassId| problem.classes[class].phase;
        let phases = waiting.chunk_by(|(a, _), (b, _)| phase(*a) == phase(*b));
        Self {
            problem,
            counts: problem.domain_rules.iter().map(standing).collect(),
            phases: phases.map(<[_]>::to_vec).collect(),
        }
    }

    /// The pods that cannot be bound, by class, in the better of two orders: classes by turns, and one after the other.
    fn stuck(problem: &'p Problem, placed: &[u64]) -> Vec<(ClassId, u64)> {
        let by_turns = Self::new(problem, placed).bind(1);
        if by_turns.is_empty() {
            return by_turns;
        }
        let in_turn = Self::new(problem, placed).bind(u64::MAX);
        let pods = |stuck: &[(ClassId, u64)]| stuck.iter().map(|(_, n)| *n).sum::<u64>();
        if pods(&in_turn) < pods(&by_turns) {
            in_turn
        } else {
            by_turns
        }
    }

    /// Binds what can be bound, up to `stride` pods of a class at a time, and returns the rest.
    fn bind(mut self, stride: u64) -> Vec<(ClassId, u64)> {
        let mut stuck = Vec::new();
        for waiting in std::mem::take(&mut self.phases) {
            stuck.extend(self.bind_phase(waiting, stride));
        }
        stuck
    }

    fn bind_phase(&mut self, mut waiting: Vec<(ClassId, u64)>, stride: u64) -> Vec<(ClassId, u64)> {
        loop {
            let mut progress = false;
            for (class, left) in &mut waiting {
                // Pods without rules of their own are bound when nobody else can be: they only add to the counts.
                let row = &self.problem.classes[*class];
                if !row.stands.iter().any(|stand| stand.owner) {
                    continue;
                }
                let mut bound = 0;
                while bound < stride && *left > 0 && self.allows(*class) {
                    self.put(*class);
                    *left -= 1;
                    bound += 1;
                }
                progress |= bound > 0;
            }
            waiting.retain(|(_, left)| *left > 0);
            if !progress {
                let free = waiting
                    .iter()
                    .enumerate()
                    .filter(|(_, (class, _))| self.allows(*class))
                    .min_by_key(|(_, (class, _))| self.crowd(*class));
                let Some((at, (class, _))) = free else {
                    return waiting;
                };
                self.put(*class);
                waiting[at].1 -= 1;
                waiting.retain(|(_, left)| *left > 0);
            }
        }
    }

    /// One pod whose spread does not hold once all are bound, if there is one. Where a spread counts pods that do not have
    /// it, there is an order in which it held when the pod was bound, but nobody may find it: of such pods the lowest
    /// priority goes.
    fn out_of_balance(mut self) -> Option<(ClassId, u64)> {
        let bound: Vec<(ClassId, u64)> = self.phases.concat();
        for (class, count) in &bound {
            (0..*count).for_each(|_| self.put(*class));
        }
        bound
            .into_iter()
            .map(|(class, _)| class)
            .filter(|class| !self.keeps_balance(*class))
            .min_by_key(|class| (self.problem.classes[*class].priority, Reverse(*class)))
            .map(|class| (class, 1))
    }

    /// Whether the spreads of a pod of `class`, which is bound, hold as things stand.
    fn keeps_balance(&self, class: ClassId) -> bool {
        let stands = self.problem.classes[class].stands.iter();
        let mut spreads = stands.filter(|stand| {
            let rule = &self.problem.domain_rules[stand.rule as usize];
            stand.owner && stand.member && matches!(rule, DomainRule::Spread { .. })
        });
        spreads.all(|stand| {
            let here = self.counts[stand.rule as usize][stand.value as usize];
            here <= self.most(stand.rule).unwrap_or(u64::MAX)
        })
    }

    /// How many pods a spread lets a domain have; `None` for other rules.
    fn most(&self, rule: u32) -> Option<u64> {
        let DomainRule::Spread {
            max_skew,
            min_domains,
            eligible,
            ..
        } = &self.problem.domain_rules[rule as usize]
        else {
            return None;
        };
        let counted = || {
            let all = self.counts[rule as usize].iter().zip(eligible);
            all.filter(|(_, counts)| **counts).map(|(n, _)| *n)
        };
        let few = counted().count() < *min_domains as usize;
        let least = if few { 0 } else { counted().min().unwrap_or(0) };
        Some(least + u64::from(*max_skew))
    }

    /// Whether every rule of a pod of `class` lets it be bound now.
    fn allows(&self, class: ClassId) -> bool {
        let mut own = self.problem.classes[class]
            .stands
            .iter()
            .filter(|s| s.owner);
        own.all(|stand| {
            let counts = &self.counts[stand.rule as usize];
            let here = counts.get(stand.value as usize).copied().unwrap_or(0);
            match &self.problem.domain_rules[stand.rule as usize] {
                DomainRule::Spread { .. } => {
                    let most = self.most(stand.rule).unwrap_or(u64::MAX);
                    here + u64::from(stand.member) <= most
                }
                DomainRule::Affinity { .. } => {
                    here > 0 || (stand.member && counts.iter().all(|n| *n == 0))
                }
                DomainRule::Settled => true,
            }
        })
    }

    fn put(&mut self, class: ClassId) {
        for stand in &self.problem.classes[class].stands {
            let counts = &mut self.counts[stand.rule as usize];
            if let Some(count) = counts
                .get_mut(stand.value as usize)
                .filter(|_| stand.member)
            {
                *count += 1;
            }
        }
    }

    /// How many pods the rules that count `class` see where it stands.
    fn crowd(&self, class: ClassId) -> u64 {
        let stands = self.problem.classes[class].stands.iter();
        let counts = stands.filter_map(|stand| {
            let counts = &self.counts[stand.rule as usize];
            counts.get(stand.value as usize)
        });
        counts.sum()
    }
}

/// Takes one pod of `class` (its whole bundle, where it is in one) off the last node that has it.
fn take_off(
    problem: &Problem,
    groups: &mut Vec<Group>,
    class: ClassId,
    placed: &mut [u64],
    remaining: &mut [u32],
) -> bool {
    let has = |held: ClassId| {
        held == class
            || problem.classes[held]
                .bundle
                .iter()
                .any(|(part, _)| *part == class)
    };
    let Some(at) = groups
        .iter()
        .rposition(|group| group.content.iter().any(|(held, _)| has(*held)))
    else {
        return false;
    };
    let mut group = Group {
        times: 1,
        ..groups[at].clone()
    };
    groups[at].times -= 1;
    if groups[at].times == 0 {
        groups.remove(at);
    }
    let Some(held) = group.content.iter().position(|(held, _)| has(*held)) else {
        return false;
    };
    let (unit, count) = &mut group.content[held];
    let unit = *unit;
    *count -= 1;
    remaining[unit.at()] += 1;
    if problem.classes[unit].bundle.is_empty() {
        placed[unit.at()] -= 1;
    }
    for (part, n) in &problem.classes[unit].bundle {
        placed[part.at()] = placed[part.at()].saturating_sub(u64::from(*n));
    }
    group.content.retain(|(_, count)| *count > 0);
    let is_new = matches!(group.target, Target::Option(_));
    if !(is_new && group.content.is_empty()) {
        groups.push(group);
    }
    true
}
