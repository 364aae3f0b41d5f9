//! Which of a pod's preferences the plan does not meet.

use std::collections::BTreeMap;

use crate::explain::Explainer;
use crate::explain::reason::{Code, Reason};
use crate::problem::preferences::{PodRuleKind, Preferences};
use crate::problem::{ClassId, Problem, Symbols};
use crate::solver::{Met, Outcome, Share, Target};

/// What became of a pod's preferences; `None` if it has none or has no place. The pod is the one at `position` of the
/// snapshot, on the `nth` node of the plan: existing nodes first, then claims. O(pods).
pub(super) fn unmet(
    explainer: &Explainer<'_, '_>,
    outcome: &Outcome,
    position: u32,
    nth: usize,
) -> Option<Reason> {
    let (problem, symbols) = (explainer.problem, explainer.symbols);
    let (prefs, met) = (problem.preferences.as_ref()?, outcome.met.as_ref()?);
    let kind = kind_of(prefs, symbols, position)?;
    let place = Place {
        problem,
        prefs,
        outcome,
        met,
    };
    let (target, share) = place.node(nth)?;
    let row = &prefs.kinds[kind as usize];
    if row.likings.is_empty() && row.owned.is_empty() {
        return None;
    }
    let mut missed: Vec<(u32, String)> = Vec::new();
    for liking in &row.likings {
        let table = &prefs.likings[*liking as usize];
        let holds = match target {
            Target::Option(option) => table.options.contains(option),
            Target::Node(node) => table.nodes.contains(node),
        };
        if !holds {
            missed.push((table.weight, symbols.likings[*liking as usize].clone()));
        }
    }
    for (rule, weight) in &row.owned {
        let member = row.member.binary_search(rule).is_ok();
        if !place.holds(*rule, member, target, share) {
            let weight = match prefs.rules[*rule as usize].kind {
                PodRuleKind::Spread => 0,
                _ => *weight,
            };
            missed.push((weight, symbols.soft_rules[*rule as usize].clone()));
        }
    }
    let all = row.likings.len() + row.owned.len();
    let message = match missed.len() {
        0 => format!("all {all} are met"),
        some => format!(
            "{some} of {all} are not met; meeting them would cost more (M-2), or is not possible"
        ),
    };
    let parts = missed.into_iter().map(|(weight, text)| {
        let weight = match weight {
            0 => String::new(),
            weight => format!(" (weight {weight})"),
        };
        Reason::new("not met", Code::Placed, format!("{text}{weight}"))
    });
    Some(Reason::new("preferences", Code::Placed, message).with_parts(parts.collect()))
}

fn kind_of(prefs: &Preferences, symbols: &Symbols, position: u32) -> Option<u32> {
    let found = symbols.pods.enumerate().find_map(|(class, pods)| {
        let at = pods.iter().position(|pod| *pod == position)?;
        Some((class, at))
    });
    let (class, at): (ClassId, usize) = found?;
    prefs.of_pods[class].get(at).copied()
}

/// A plan to look at.
struct Place<'p> {
    problem: &'p Problem,
    prefs: &'p Preferences,
    outcome: &'p Outcome,
    met: &'p Met,
}

impl<'p> Place<'p> {
    /// The nodes of the plan with how often they occur, existing ones first.
    fn shares(&self) -> impl Iterator<Item = (Target, &'p Share)> + use<'p> {
        let groups = self.outcome.groups.iter().zip(&self.met.shares);
        groups.flat_map(|(group, shares)| shares.iter().map(|share| (group.target, share)))
    }

    fn node(&self, nth: usize) -> Option<(Target, &'p Share)> {
        let mut passed = 0;
        self.shares().find(|(_, share)| {
            passed += share.times as usize;
            passed > nth
        })
    }

    fn value(&self, rule: u32, target: Target) -> Option<u32> {
        let key = self.prefs.rules[rule as usize].key?;
        let values = &self.prefs.keys[key as usize];
        match target {
            Target::Option(option) => values.options[option],
            Target::Node(node) => values.nodes[node],
        }
    }

    fn members(&self, rule: u32, share: &Share) -> u64 {
        let spoken = |kind: u32| {
            let member = &self.prefs.kinds[kind as usize].member;
            member.binary_search(&rule).is_ok()
        };
        let lots = share.lots.iter().filter(|lot| spoken(lot.kind));
        lots.map(|lot| u64::from(lot.count)).sum()
    }

    /// Whether `rule` holds for a pod on a node of `target` like `share`.
    fn holds(&self, rule: u32, member: bool, target: Target, share: &Share) -> bool {
        let row = &self.prefs.rules[rule as usize];
        let standing = |target: Target| {
            let Target::Node(node) = target else { return 0 };
            let held = self.prefs.standing.get(&node).into_iter().flatten();
            held.filter(|(held, _)| *held == rule)
                .map(|(_, count)| u64::from(*count))
                .sum::<u64>()
        };
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let here = if row.key.is_none() {
            self.members(rule, share) + standing(target)
        } else {
            for (value, count) in (0..).zip(&row.standing) {
                counts.insert(value, u64::from(*count));
            }
            for (target, share) in self.shares() {
                if let Some(value) = self.value(rule, target) {
                    *counts.entry(value).or_default() +=
                        self.members(rule, share) * u64::from(share.times);
                }
            }
            let Some(value) = self.value(rule, target) else {
                return row.kind == PodRuleKind::Anti;
            };
            counts.get(&value).copied().unwrap_or(0)
        };
        let others = here.saturating_sub(u64::from(member));
        match row.kind {
            PodRuleKind::Affinity => others > 0,
            PodRuleKind::Anti => others == 0,
            PodRuleKind::Spread => {
                let least = match row.key {
                    None => {
                        let used = self
                            .shares()
                            .map(|(t, s)| self.members(rule, s) + standing(t));
                        used.min().unwrap_or(0)
                    }
                    Some(key) => self
                        .domains(key)
                        .into_iter()
                        .map(|value| counts.get(&value).copied().unwrap_or(0))
                        .min()
                        .unwrap_or(0),
                };
                here <= least + u64::from(row.max_skew)
            }
        }
    }

    /// The domains of a key in which a node is, once the plan is carried out.
    fn domains(&self, key: u32) -> Vec<u32> {
        let values = &self.prefs.keys[key as usize];
        let existing = self
            .problem
            .nodes
            .ids()
            .filter_map(|node| values.nodes[node]);
        let bought = self.shares().filter_map(|(target, _)| match target {
            Target::Option(option) => values.options[option],
            Target::Node(_) => None,
        });
        let mut all: Vec<u32> = existing.chain(bought).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
