//! In which order kinds of pods can be bound, and whom a spread has to count.
//!
//! A spread is tested when a pod that has it is bound. Pods that it speaks of but that do not have it can wait until
//! everyone who has it is bound, and then they need not be counted at all; unless they, by rules of their own, must come
//! first. Likewise a pod near others comes after them. "Comes before" is a graph over identities; its strongly connected
//! components are the kinds of pods that cannot be put in order, and only within one are pods counted that do not have
//! the rule.

use super::rules::{Identity, Kind, Rules};
use crate::model::label::HOSTNAME;

/// What one identity means for the dealing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Profile {
    /// Rules of the pods, ascending.
    pub owned: Vec<usize>,
    /// Rules that speak of the pods and have to count them, ascending.
    pub counted: Vec<usize>,
    /// Pods of a lower phase are bound first.
    pub phase: u32,
    /// Kinds of pods with the same number cannot be put in order.
    pub knot: u32,
}

impl Profile {
    /// Whether the pods have `rule`.
    #[must_use]
    pub fn owns(&self, rule: usize) -> bool {
        self.owned.binary_search(&rule).is_ok()
    }

    /// Whether `rule` has to count the pods.
    #[must_use]
    pub fn counts(&self, rule: usize) -> bool {
        self.counted.binary_search(&rule).is_ok()
    }
}

/// The profile of each identity of `rules`, which are those of pods that wait. O(rules of all identities).
#[must_use]
pub fn profiles(rules: &Rules) -> Vec<Profile> {
    let graph = Graph::new(rules);
    let knots = graph.knots();
    let phases = graph.phases(&knots);
    let mut owners: Vec<(usize, u32)> = Vec::new();
    for (at, identity) in rules.identities.iter().enumerate() {
        owners.extend(identity.owned.iter().map(|rule| (*rule, knots[at])));
    }
    owners.sort_unstable();
    owners.dedup();
    let owns = |identity: &Identity, rule: usize| identity.owned.binary_search(&rule).is_ok();
    let over_hosts = |rule: usize| {
        let rule = &rules.rules[rule];
        rule.key.as_ref() == HOSTNAME && matches!(rule.kind, Kind::Spread { .. })
    };
    // Pods with spreads over host names count each other, whichever could come first: a node has few of them, the price
    // is small, and they can then be bound in any order, before all others.
    let must = |identity: &Identity, at: usize, rule: usize| {
        owns(identity, rule)
            || owners.binary_search(&(rule, knots[at])).is_ok()
            || over_hosts(rule) && identity.owned.iter().any(|own| over_hosts(*own))
    };
    // Where some are counted that do not have the rule, an order exists but may be hard to see; over domains everyone it
    // speaks of is counted then, so that the finished plan is in balance as well.
    let mut tangled = vec![false; rules.rules.len()];
    for (at, identity) in rules.identities.iter().enumerate() {
        for rule in &identity.member {
            tangled[*rule] |= rules.rules[*rule].key.as_ref() != HOSTNAME
                && !owns(identity, *rule)
                && must(identity, at, *rule);
        }
    }
    let profile = |(at, identity): (usize, &Identity)| {
        let counts = |rule: &usize| match rules.rules[*rule].kind {
            Kind::Affinity | Kind::Anti => true,
            Kind::Spread { .. } => tangled[*rule] || must(identity, at, *rule),
        };
        Profile {
            owned: identity.owned.clone(),
            counted: identity.member.iter().copied().filter(counts).collect(),
            phase: phases[at],
            knot: knots[at],
        }
    };
    rules.identities.iter().enumerate().map(profile).collect()
}

/// Profiles with which everyone counts everyone and all pods are bound in turns: no order is assumed.
#[must_use]
pub fn level(rules: &Rules) -> Vec<Profile> {
    let profile = |identity: &Identity| Profile {
        owned: identity.owned.clone(),
        counted: identity.member.clone(),
        ..Profile::default()
    };
    rules.identities.iter().map(profile).collect()
}

/// "Comes before": identities first, then for each rule three joints through which its pods are connected, so that edges
/// are as many as memberships and not as many as pairs.
struct Graph {
    identities: usize,
    after: Vec<Vec<u32>>,
}

impl Graph {
    fn new(rules: &Rules) -> Self {
        let identities = rules.identities.len();
        let mut after = vec![Vec::new(); identities + 3 * rules.rules.len()];
        let joint = |rule: usize, which: usize| identities + 3 * rule + which;
        let mut edge = |from: usize, to: usize| {
            after[from].push(u32::try_from(to).unwrap_or(u32::MAX));
        };
        for (at, identity) in rules.identities.iter().enumerate() {
            for rule in &identity.owned {
                let member = identity.member.binary_search(rule).is_ok();
                match rules.rules[*rule].kind {
                    Kind::Spread { .. } => {
                        edge(at, joint(*rule, 0));
                        // Who is not counted goes before those who are: the counts are low then.
                        if member {
                            edge(joint(*rule, 1), at);
                        } else {
                            edge(at, joint(*rule, 1));
                        }
                    }
                    Kind::Affinity if !member => edge(joint(*rule, 2), at),
                    Kind::Affinity | Kind::Anti => {}
                }
            }
            for rule in &identity.member {
                match rules.rules[*rule].kind {
                    Kind::Spread { .. } if identity.owned.binary_search(rule).is_err() => {
                        edge(joint(*rule, 0), at);
                    }
                    Kind::Affinity => edge(at, joint(*rule, 2)),
                    Kind::Spread { .. } | Kind::Anti => {}
                }
            }
        }
        Self { identities, after }
    }

    /// The component of each vertex, by Tarjan's algorithm with a stack of its own: numbers fall along edges.
    fn knots(&self) -> Vec<u32> {
        const NEW: u32 = u32::MAX;
        let count = self.after.len();
        let (mut index, mut low) = (vec![NEW; count], vec![0u32; count]);
        let mut knot = vec![NEW; count];
        let (mut next, mut knots) = (0u32, 0u32);
        let mut open: Vec<usize> = Vec::new();
        let mut path: Vec<(usize, usize)> = Vec::new();
        for root in 0..count {
            if index[root] != NEW {
                continue;
            }
            path.push((root, 0));
            while let Some((at, child)) = path.pop() {
                if child == 0 {
                    index[at] = next;
                    low[at] = next;
                    next += 1;
                    open.push(at);
                } else {
                    let done = self.after[at][child - 1] as usize;
                    low[at] = low[at].min(low[done]);
                }
                let mut step = child;
                let mut deeper = None;
                while let Some(to) = self.after[at].get(step).map(|to| *to as usize) {
                    step += 1;
                    if index[to] == NEW {
                        deeper = Some(to);
                        break;
                    }
                    if knot[to] == NEW {
                        low[at] = low[at].min(index[to]);
                    }
                }
                if let Some(to) = deeper {
                    path.push((at, step));
                    path.push((to, 0));
                    continue;
                }
                if low[at] == index[at] {
                    while let Some(member) = open.pop() {
                        knot[member] = knots;
                        if member == at {
                            break;
                        }
                    }
                    knots += 1;
                }
            }
        }
        knot
    }

    /// The phase of each identity: one more than the latest of those that come before it, so that kinds of pods that have
    /// nothing to do with each other share a phase.
    fn phases(&self, knots: &[u32]) -> Vec<u32> {
        let mut by_knot: Vec<usize> = (0..self.after.len()).collect();
        // Tarjan numbers a component after everything it leads to: the highest number comes first.
        by_knot.sort_by_key(|at| std::cmp::Reverse(knots[*at]));
        let mut phase = vec![0u32; knots.len()];
        let components = knots.iter().map(|knot| *knot as usize + 1).max();
        let mut of_knot = vec![0u32; components.unwrap_or(0)];
        for at in by_knot {
            let own = of_knot[knots[at] as usize];
            phase[at] = own;
            let step = u32::from(at < self.identities);
            for to in &self.after[at] {
                let to = knots[*to as usize];
                if to != knots[at] {
                    let held = &mut of_knot[to as usize];
                    *held = (*held).max(own + step);
                }
            }
        }
        phase.truncate(self.identities);
        phase
    }
}
