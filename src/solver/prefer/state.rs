//! A plan as preferences see it: nodes, the kinds of pods on them, counts by domain.

use super::gain::{Count, Effect, Effects, Gain, nowhere};
use crate::problem::preferences::{PodRuleKind, Preferences};
use crate::problem::{ClassId, Problem};
use crate::solver::{Lot, Target};

/// Equal nodes.
#[derive(Debug, Clone)]
pub(super) struct Bin {
    pub(super) target: Target,
    pub(super) times: u32,
    /// Room left on one.
    pub(super) room: Vec<i64>,
    /// What one holds, as the solver counts it.
    pub(super) content: Vec<(ClassId, u32)>,
    /// What one holds, by class and kind, the pods of bundles singly.
    pub(super) lots: Vec<Lot>,
    values: Vec<Option<u32>>,
    host: Vec<(u32, Count)>,
}

impl Bin {
    /// The distinct kinds on one node, ascending.
    pub(super) fn kinds(&self) -> Vec<u32> {
        let mut kinds: Vec<u32> = self.lots.iter().map(|lot| lot.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    pub(super) fn count_of(&self, class: ClassId) -> u32 {
        let held = self.content.iter().find(|(held, _)| *held == class);
        held.map_or(0, |(_, count)| *count)
    }
}

/// One pod more or less on a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    pub(super) bin: usize,
    class: ClassId,
    kind: u32,
    by: i64,
    unit: bool,
}

/// The nodes with counts by domain.
#[derive(Debug)]
pub(super) struct State<'p> {
    pub(super) problem: &'p Problem,
    pub(super) prefs: &'p Preferences,
    pub(super) effects: Vec<Effects>,
    pub(super) bins: Vec<Bin>,
    domains: Vec<Vec<Count>>,
    pub(super) work: u64,
    /// What [`shift`](Self::shift) changed since somebody last cleared it.
    pub(super) log: Vec<Op>,
}

impl<'p> State<'p> {
    pub(super) fn new(problem: &'p Problem, prefs: &'p Preferences) -> Self {
        let effects = prefs.kinds.iter().map(|kind| {
            let mut effects = Effects::default();
            let mut rules: Vec<u32> = kind.owned.iter().map(|(rule, _)| *rule).collect();
            rules.extend(&kind.member);
            rules.sort_unstable();
            rules.dedup();
            for rule in rules {
                let owned = kind.owned.iter().find(|(held, _)| *held == rule);
                let row = &prefs.rules[rule as usize];
                let effect = Effect {
                    rule,
                    member: kind.member.binary_search(&rule).is_ok(),
                    weight: owned.map_or(0, |(_, weight)| i64::from(*weight)),
                };
                effects.scatters |= row.kind != PodRuleKind::Affinity && owned.is_some();
                match row.key {
                    Some(_) => effects.domain.push(effect),
                    None => effects.host.push(effect),
                }
            }
            effects
        });
        let counts = |rule: &crate::problem::preferences::PodRule| {
            let standing = rule.standing.iter().copied();
            standing.map(Count::of_members).collect()
        };
        Self {
            problem,
            prefs,
            effects: effects.collect(),
            bins: Vec::new(),
            domains: prefs.rules.iter().map(counts).collect(),
            work: 0,
            log: Vec::new(),
        }
    }

    /// Adds nodes without pods; returns their position.
    pub(super) fn open(&mut self, target: Target, times: u32) -> usize {
        let problem = self.problem;
        let (room, host) = match target {
            Target::Option(option) => (problem.room_of(problem.options[option].room), Vec::new()),
            Target::Node(node) => {
                let standing = self.prefs.standing.get(&node).into_iter().flatten();
                let host = standing.map(|(rule, members)| (*rule, Count::of_members(*members)));
                (problem.node_room_of(node), host.collect())
            }
        };
        self.bins.push(Bin {
            target,
            times,
            room: room.to_vec(),
            content: Vec::new(),
            lots: Vec::new(),
            values: self.values(target),
            host,
        });
        self.bins.len() - 1
    }

    /// Puts `content` on each node of `bin`; counts and lots are the caller's.
    pub(super) fn fill(&mut self, bin: usize, content: &[(ClassId, u32)]) {
        self.bins[bin].content = content.to_vec();
        let demand = self.demand(bin);
        for (room, need) in self.bins[bin].room.iter_mut().zip(&demand) {
            *room -= need;
        }
    }

    fn values(&self, target: Target) -> Vec<Option<u32>> {
        let of = |key: &crate::problem::preferences::KeyValues| match target {
            Target::Option(option) => key.options[option],
            Target::Node(node) => key.nodes[node],
        };
        self.prefs.keys.iter().map(of).collect()
    }

    /// What one pod of `kind` gains from its likings on `target`.
    pub(super) fn liked(&self, kind: u32, target: Target) -> Gain {
        let mut gain = Gain::ZERO;
        for liking in &self.prefs.kinds[kind as usize].likings {
            let liking = &self.prefs.likings[*liking as usize];
            let holds = match target {
                Target::Option(option) => liking.options.contains(option),
                Target::Node(node) => liking.nodes.contains(node),
            };
            if holds {
                match liking.weight {
                    0 => gain.taints += 1,
                    weight => gain.weight += i64::from(weight),
                }
            }
        }
        gain
    }

    /// Adds `pods` of `kind` to (or with a negative number takes them off) the counts of each of `times` nodes of `bin`;
    /// returns what that gains over all rules. Lots and content are not touched.
    pub(super) fn count(&mut self, bin: usize, kind: u32, pods: i64, times: i64) -> Gain {
        let target = self.bins[bin].target;
        let gain = self.liked(kind, target).times(pods * times);
        gain.plus(self.count_rules(bin, kind, pods, times))
    }

    /// The part of [`count`](Self::count) that rules between pods have.
    pub(super) fn count_rules(&mut self, bin: usize, kind: u32, pods: i64, times: i64) -> Gain {
        self.work += 1;
        let mut gain = Gain::ZERO;
        let effects = &self.effects[kind as usize];
        let bin = &mut self.bins[bin];
        for effect in &effects.host {
            let rule = self.prefs.rules[effect.rule as usize].kind;
            let held = bin.host.iter().position(|(held, _)| *held == effect.rule);
            let at = held.unwrap_or_else(|| {
                bin.host.push((effect.rule, Count::default()));
                bin.host.len() - 1
            });
            let count = &mut bin.host[at].1;
            let before = count.worth(rule);
            count.add(*effect, pods);
            gain = gain.plus(count.worth(rule).less(before).times(times));
        }
        for effect in &effects.domain {
            let change = put(
                self.prefs,
                &mut self.domains,
                *effect,
                &bin.values,
                pods * times,
            );
            gain = gain.plus(change);
        }
        gain
    }

    /// What [`count_rules`](Self::count_rules) would return for one pod more of `kind` on a node of `bin`.
    pub(super) fn one_more(&self, bin: usize, kind: u32) -> Gain {
        let effects = &self.effects[kind as usize];
        let bin = &self.bins[bin];
        let with = |count: Count, effect: &Effect| {
            let rule = self.prefs.rules[effect.rule as usize].kind;
            let mut more = count;
            more.add(*effect, 1);
            more.worth(rule).less(count.worth(rule))
        };
        let mut gain = Gain::ZERO;
        for effect in &effects.host {
            let held = bin.host.iter().find(|(held, _)| *held == effect.rule);
            let count = held.map_or_else(Count::default, |(_, count)| *count);
            gain = gain.plus(with(count, effect));
        }
        for effect in &effects.domain {
            let rule = &self.prefs.rules[effect.rule as usize];
            let change = match rule.key.and_then(|key| bin.values[key as usize]) {
                Some(value) => with(self.domains[effect.rule as usize][value as usize], effect),
                None => nowhere(rule.kind, *effect, 1),
            };
            gain = gain.plus(change);
        }
        gain
    }

    /// What one pod more of `kind` gains on a node of `bin`.
    pub(super) fn joining(&self, bin: usize, kind: u32) -> Gain {
        let liked = self.liked(kind, self.bins[bin].target);
        liked.plus(self.one_more(bin, kind))
    }

    /// What moving one pod of `kind` from a node of `from` to one of `to` gains, room apart.
    pub(super) fn peek(&mut self, kind: u32, from: usize, to: usize) -> Gain {
        let gain = self
            .count(from, kind, -1, 1)
            .plus(self.count(to, kind, 1, 1));
        self.count(to, kind, -1, 1);
        self.count(from, kind, 1, 1);
        gain
    }

    /// What exchanging one pod of `kind` on a node of `a` for one of `other` on a node of `b` gains.
    pub(super) fn peek_swap(&mut self, kind: u32, a: usize, other: u32, b: usize) -> Gain {
        let gain = self
            .count(a, kind, -1, 1)
            .plus(self.count(b, other, -1, 1))
            .plus(self.count(b, kind, 1, 1))
            .plus(self.count(a, other, 1, 1));
        self.count(a, other, -1, 1);
        self.count(b, kind, -1, 1);
        self.count(b, other, 1, 1);
        self.count(a, kind, 1, 1);
        gain
    }

    /// Counts `times` nodes of `bin` as nodes of `target` instead; returns the gain. The bin itself is not changed.
    pub(super) fn recount(&mut self, bin: usize, from: Target, to: Target, times: i64) -> Gain {
        let (old, new) = (self.values(from), self.values(to));
        let moved = old != new;
        let mut gain = Gain::ZERO;
        for lot in &self.bins[bin].lots {
            self.work += 1;
            let pods = i64::from(lot.count) * times;
            let liked = self.liked(lot.kind, to).less(self.liked(lot.kind, from));
            gain = gain.plus(liked.times(pods));
            if !moved {
                continue;
            }
            for effect in &self.effects[lot.kind as usize].domain {
                let key = self.prefs.rules[effect.rule as usize].key;
                if key.is_some_and(|key| old[key as usize] != new[key as usize]) {
                    let off = put(self.prefs, &mut self.domains, *effect, &old, -pods);
                    let on = put(self.prefs, &mut self.domains, *effect, &new, pods);
                    gain = gain.plus(off).plus(on);
                }
            }
        }
        gain
    }

    /// Makes `bin` nodes of `target`; the counts are those of `target` already.
    pub(super) fn retarget(&mut self, bin: usize, target: Target) {
        let values = self.values(target);
        let demand = self.demand(bin);
        let problem = self.problem;
        let bin = &mut self.bins[bin];
        if let Target::Option(option) = target {
            let room = problem.room_of(problem.options[option].room);
            bin.room = room.iter().zip(&demand).map(|(r, d)| r - d).collect();
        }
        bin.target = target;
        bin.values = values;
    }

    fn demand(&self, bin: usize) -> Vec<i64> {
        let mut total = Vec::new();
        crate::solver::holds::total_demand(self.problem, &self.bins[bin].content, &mut total);
        total
    }

    /// A position at which one node of `bin` stands alone: `bin` itself, or a new bin split off.
    pub(super) fn single(&mut self, bin: usize) -> usize {
        if self.bins[bin].times == 1 {
            return bin;
        }
        self.split(bin, 1)
    }

    /// Splits `times` nodes off `bin`.
    pub(super) fn split(&mut self, bin: usize, times: u32) -> usize {
        self.bins[bin].times -= times;
        let other = Bin {
            times,
            ..self.bins[bin].clone()
        };
        self.bins.push(other);
        self.bins.len() - 1
    }

    /// Adds pods to the lots of `bin` (or takes them off).
    pub(super) fn enlist(&mut self, bin: usize, class: ClassId, kind: u32, pods: i64) {
        let lots = &mut self.bins[bin].lots;
        let at = match lots.binary_search_by_key(&(class, kind), |lot| (lot.class, lot.kind)) {
            Ok(at) => at,
            Err(at) => {
                let count = 0;
                lots.insert(at, Lot { class, kind, count });
                at
            }
        };
        let count = (i64::from(lots[at].count) + pods).max(0);
        lots[at].count = u32::try_from(count).unwrap_or(u32::MAX);
        if count == 0 {
            lots.remove(at);
        }
    }

    /// Adds one pod (or takes one off) on the single node `bin`; with `unit` its content and room change too, else only
    /// what kind of pod is there. Returns the gain, and remembers the change.
    pub(super) fn shift(
        &mut self,
        bin: usize,
        class: ClassId,
        kind: u32,
        by: i64,
        unit: bool,
    ) -> Gain {
        let gain = self.count(bin, kind, by, 1);
        self.enlist(bin, class, kind, by);
        if unit {
            let row = &mut self.bins[bin];
            for (room, need) in row.room.iter_mut().zip(self.problem.demand_of(class)) {
                *room -= need * by;
            }
            match row.content.binary_search_by_key(&class, |(held, _)| *held) {
                Ok(at) if by < 0 && row.content[at].1 <= 1 => {
                    row.content.remove(at);
                }
                Ok(at) if by < 0 => row.content[at].1 -= 1,
                Ok(at) => row.content[at].1 += 1,
                Err(at) => row.content.insert(at, (class, 1)),
            }
        }
        self.log.push(Op {
            bin,
            class,
            kind,
            by,
            unit,
        });
        gain
    }

    /// Takes back the changes of `log`, the last one first.
    pub(super) fn undo(&mut self, log: &mut Vec<Op>) {
        for op in log.drain(..).rev() {
            self.shift(op.bin, op.class, op.kind, -op.by, op.unit);
        }
        self.log.clear();
    }

    /// Whether one more unit of `class` fits the room left on a node of `bin`.
    pub(super) fn has_room(&self, bin: usize, class: ClassId) -> bool {
        crate::problem::fits(self.problem.demand_of(class), &self.bins[bin].room)
    }

    /// Whether nothing is left to gain: all weight is met, and nobody avoids taints or spreads softly.
    pub(super) fn is_content(&self) -> bool {
        let (total, met) = self.weights();
        let has_spread = self
            .prefs
            .rules
            .iter()
            .any(|rule| rule.kind == PodRuleKind::Spread);
        let has_taints = self.prefs.likings.iter().any(|liking| liking.weight == 0);
        total == met && !has_spread && !has_taints
    }

    /// Weight of the preferred terms of the pods placed, and of those that hold.
    pub(super) fn weights(&self) -> (u64, u64) {
        let mut total = 0;
        let mut met = Gain::ZERO;
        for bin in &self.bins {
            for lot in &bin.lots {
                let pods = u64::from(lot.count) * u64::from(bin.times);
                total += self.prefs.weight_of(lot.kind) * pods;
                let pods = i64::try_from(pods).unwrap_or(i64::MAX);
                met = met.plus(self.liked(lot.kind, bin.target).times(pods));
                // Without the label there is no domain, and nobody to be apart from.
                for effect in &self.effects[lot.kind as usize].domain {
                    let rule = &self.prefs.rules[effect.rule as usize];
                    let nowhere = rule.key.is_some_and(|k| bin.values[k as usize].is_none());
                    if nowhere && rule.kind == PodRuleKind::Anti {
                        met.weight += effect.weight * pods;
                    }
                }
            }
            for (rule, count) in &bin.host {
                let worth = count.worth(self.prefs.rules[*rule as usize].kind);
                met = met.plus(worth.times(i64::from(bin.times)));
            }
        }
        for (rule, counts) in self.prefs.rules.iter().zip(&self.domains) {
            for count in counts {
                met = met.plus(count.worth(rule.kind));
            }
        }
        (total, u64::try_from(met.weight).unwrap_or(0))
    }
}

/// Adds `pods` with `effect` to the counts of the domain where `values` are; returns the gain.
fn put(
    prefs: &Preferences,
    domains: &mut [Vec<Count>],
    effect: Effect,
    values: &[Option<u32>],
    pods: i64,
) -> Gain {
    let rule = &prefs.rules[effect.rule as usize];
    let value = rule.key.and_then(|key| values[key as usize]);
    match value {
        Some(value) => {
            let count = &mut domains[effect.rule as usize][value as usize];
            let before = count.worth(rule.kind);
            count.add(effect, pods);
            count.worth(rule.kind).less(before)
        }
        None => nowhere(rule.kind, effect, pods),
    }
}
