//! Rules over domains after packing.
//!
//! Pods were dealt out to domains before packing, in an order in which every rule holds. Where limits or full nodes then
//! left some of them without room, what remains may be out of balance, or near nobody. Such pods are taken off again, so
//! that a plan is valid whatever was left out.

use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, DomainRule, Problem, Stand};

/// Takes pods off `groups` until every rule over domains holds for those that stay; what is taken off is added to
/// `remaining`. Returns whether anything was. O(rounds x rules x classes); each round takes off at least one pod.
pub fn settle(problem: &Problem, groups: &mut Vec<Group>, remaining: &mut [u32]) -> bool {
    if problem
        .domain_rules
        .iter()
        .all(|rule| matches!(rule, DomainRule::Settled))
    {
        return false;
    }
    let mut placed = vec![0u64; problem.classes.len()];
    for group in groups.iter() {
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
    let mut taken = false;
    while let Some(class) = offender(problem, &placed) {
        if !take_off(problem, groups, class, &mut placed, remaining) {
            break;
        }
        taken = true;
    }
    taken
}

fn stands(problem: &Problem, rule: usize) -> impl Iterator<Item = (ClassId, Stand)> + '_ {
    problem.classes.enumerate().flat_map(move |(class, row)| {
        let here = row
            .stands
            .iter()
            .filter(move |stand| stand.rule as usize == rule);
        here.map(move |stand| (class, *stand))
    })
}

/// A class with a pod that breaks a rule where it stands.
fn offender(problem: &Problem, placed: &[u64]) -> Option<ClassId> {
    for (number, rule) in problem.domain_rules.iter().enumerate() {
        let (standing, spread) = match rule {
            DomainRule::Spread {
                standing,
                max_skew,
                min_domains,
                eligible,
            } => (standing, Some((*max_skew, *min_domains, eligible))),
            DomainRule::Affinity { standing } => (standing, None),
            DomainRule::Settled => continue,
        };
        let mut counts: Vec<u64> = standing.iter().map(|n| u64::from(*n)).collect();
        for (class, stand) in stands(problem, number) {
            if stand.member {
                counts[stand.value as usize] += placed[class.at()];
            }
        }
        let least = spread.map(|(_, min_domains, eligible)| {
            let counted = || {
                counts
                    .iter()
                    .zip(eligible)
                    .filter(|(_, counts)| **counts)
                    .map(|(n, _)| *n)
            };
            if counted().count() < min_domains as usize {
                0
            } else {
                counted().min().unwrap_or(0)
            }
        });
        let breaks = |(class, stand): &(ClassId, Stand)| {
            let here = counts[stand.value as usize];
            stand.owner
                && placed[class.at()] > 0
                && match (spread, least) {
                    (Some((max_skew, _, _)), Some(least)) => {
                        stand.member && here > least + u64::from(max_skew)
                    }
                    _ => here == 0,
                }
        };
        let worst = stands(problem, number)
            .filter(breaks)
            .max_by_key(|(class, stand)| {
                // The lowest priority in the fullest domain, the last class of those.
                (
                    std::cmp::Reverse(problem.classes[*class].priority),
                    counts[stand.value as usize],
                    *class,
                )
            });
        if let Some((class, _)) = worst {
            return Some(class);
        }
    }
    None
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
