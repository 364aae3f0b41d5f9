//! The search for a binding order.
//!
//! First the plan's own order. Then, with fixed seeds, greedy orders that place whatever may be placed next by varying
//! priorities, and orders found backwards, by taking pods away from the finished cluster.

use std::cell::Cell;
use std::cmp::Reverse;

use super::Placed;
use super::rules::{Rule, Rules};
use super::state::State;
use crate::base::rng::Rng;
use crate::model::label::HOSTNAME;

/// How many orders of each kind are tried.
const ATTEMPTS: u64 = 30;
/// How many orders the search for affinity alone tries.
const AFFINITY_ATTEMPTS: u64 = 12;
/// Below this many pods the greedy search ranks anew after every placement.
const FEW: usize = 150;
/// Most tests of one pod in all attempts together, so that a plan without an order cannot take for ever.
const MOST_TESTS: u64 = 5_000_000;

/// How a greedy order ranks the pods that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ranking {
    /// Domains take turns, as far as can be told beforehand.
    Turns,
    /// Pods with rules over host names first, then the emptiest domain.
    HostsFirst,
    /// Emptiest domain first.
    Load,
    /// Pods with several rules over different keys first.
    MostRules,
    /// One rule after the other in random order.
    RuleByRule,
    /// Emptiest domain first, blurred.
    Blurred,
    /// Random.
    Random,
}

impl Ranking {
    fn of(attempt: u64) -> Self {
        match attempt {
            0 => Self::Turns,
            1 => Self::HostsFirst,
            _ => match attempt / 2 % 5 {
                0 => Self::Load,
                1 => Self::MostRules,
                2 => Self::RuleByRule,
                3 => Self::Blurred,
                _ => Self::Random,
            },
        }
    }
}

/// How far an attempt came.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// New pods with rules, or that rules count, in the order in which they can be bound.
    pub(super) order: Vec<usize>,
    /// Pods that found no place in it.
    pub(super) stuck: Vec<usize>,
}

/// The search over one finished cluster. Positions are those in `placed`.
#[derive(Debug)]
pub(super) struct Search<'r> {
    rules: &'r Rules,
    placed: &'r [Placed],
    /// The cluster before the plan.
    before: State,
    /// New pods that state rules, in listing order.
    owners: Vec<usize>,
    /// New pods that state none but are counted by some.
    counted: Vec<usize>,
    tests: Cell<u64>,
}

impl<'r> Search<'r> {
    /// Prepares the search.
    pub(super) fn new(rules: &'r Rules, placed: &'r [Placed]) -> Self {
        let mut before = State::new(rules);
        let mut owners = Vec::new();
        let mut counted = Vec::new();
        for (at, p) in placed.iter().enumerate() {
            if !p.new {
                before.put(rules, p);
            } else if !rules.owned(p.class).is_empty() {
                owners.push(at);
            } else if !rules.counted(p.class).is_empty() {
                counted.push(at);
            }
        }
        Self {
            rules,
            placed,
            before,
            owners,
            counted,
            tests: Cell::new(0),
        }
    }

    /// The best order found; nobody is stuck when it is one.
    pub(super) fn find(&self) -> Found {
        if self.listing_order_holds() {
            let new = (0..self.placed.len()).filter(|at| self.placed[*at].new);
            return Found {
                order: new.collect(),
                stuck: Vec::new(),
            };
        }
        let mut best = self.forwards(0);
        for attempt in 1..ATTEMPTS {
            for backwards in [false, true] {
                if best.stuck.is_empty() || self.tests.get() > MOST_TESTS {
                    return best;
                }
                let found = if backwards {
                    self.backwards(attempt)
                } else {
                    self.forwards(attempt)
                };
                if found.stuck.len() < best.stuck.len() {
                    best = found;
                }
            }
        }
        best
    }

    fn allows(&self, state: &State, at: usize, first: bool) -> bool {
        self.tests.set(self.tests.get() + 1);
        state.allows(self.rules, &self.placed[at], first)
    }

    /// Whether the order in which the plan lists its pods passes at every step.
    pub(super) fn listing_order_holds(&self) -> bool {
        let mut state = self.before.clone();
        let mut new = self.placed.iter().enumerate().filter(|(_, p)| p.new);
        new.all(|(at, p)| {
            let allowed = self.allows(&state, at, true);
            state.put(self.rules, p);
            allowed
        })
    }

    /// Places greedily. Pods without rules come first or only when nothing else moves, by turns.
    fn forwards(&self, attempt: u64) -> Found {
        let ranking = Ranking::of(attempt);
        let mut rng = Rng::new(attempt);
        let mut state = self.before.clone();
        let mut order = Vec::new();
        let mut late = Vec::new();
        for &at in &self.counted {
            let rules = self.rules.counted(self.placed[at].class);
            let only_affinity = rules.iter().all(|rule| matches!(rule, Rule::Affinity(_)));
            if attempt.is_multiple_of(2) && only_affinity {
                state.put(self.rules, &self.placed[at]);
                order.push(at);
            } else {
                late.push(at);
            }
        }
        let batch = late.len() / 100 + 1;
        let ranks = self.fixed_ranks(ranking, &mut rng);
        let rank_anew = !matches!(
            ranking,
            Ranking::Turns | Ranking::HostsFirst | Ranking::Load
        );
        let mut waiting = self.owners.clone();
        while !waiting.is_empty() && self.tests.get() <= MOST_TESTS {
            let one_at_a_time = rank_anew && waiting.len() < FEW;
            waiting.sort_by_cached_key(|&at| self.rank(&state, ranking, &ranks, at));
            let before = waiting.len();
            let mut left = Vec::with_capacity(before);
            let mut rest = waiting.into_iter();
            for at in rest.by_ref() {
                if self.allows(&state, at, false) {
                    state.put(self.rules, &self.placed[at]);
                    order.push(at);
                    if one_at_a_time {
                        break;
                    }
                } else {
                    left.push(at);
                }
            }
            left.extend(rest);
            waiting = left;
            if waiting.len() < before {
                continue;
            }
            let first = waiting.iter().position(|&at| self.allows(&state, at, true));
            if let Some(position) = first {
                let at = waiting.remove(position);
                state.put(self.rules, &self.placed[at]);
                order.push(at);
            } else if late.is_empty() {
                break;
            } else {
                late.sort_by_cached_key(|&at| Reverse(self.least_count(&state, at).unwrap_or(-1)));
                for at in late.split_off(late.len().saturating_sub(batch)) {
                    state.put(self.rules, &self.placed[at]);
                    order.push(at);
                }
            }
        }
        order.append(&mut late);
        Found {
            order,
            stuck: waiting,
        }
    }

    /// The part of a rank that does not change while pods are placed, by position in `placed`.
    fn fixed_ranks(&self, ranking: Ranking, rng: &mut Rng) -> Vec<i64> {
        let mut noise = |bound: u64| i64::try_from(rng.below(bound)).unwrap_or(0);
        let mut ranks = vec![0; self.placed.len()];
        match ranking {
            Ranking::Turns => {
                let mut state = self.before.clone();
                for &at in &self.owners {
                    let p = &self.placed[at];
                    state.put(self.rules, p);
                    ranks[at] = self.most_count(&state, at).unwrap_or(0);
                }
            }
            Ranking::RuleByRule => {
                let rules = self.rules.spreads.len() + self.rules.affinities.len();
                let turns: Vec<i64> = (0..rules).map(|_| noise(1 << 20)).collect();
                for &at in &self.owners {
                    let own = self.rules.owned(self.placed[at].class).iter();
                    let own = own.filter_map(|rule| match *rule {
                        Rule::Spread(rule) => turns.get(rule),
                        Rule::Affinity(rule) => turns.get(self.rules.spreads.len() + rule),
                    });
                    ranks[at] = own.min().copied().unwrap_or(0);
                }
            }
            Ranking::Blurred | Ranking::Random => {
                let bound = if ranking == Ranking::Random {
                    1 << 20
                } else {
                    2_000
                };
                for &at in &self.owners {
                    ranks[at] = noise(bound);
                }
            }
            Ranking::HostsFirst | Ranking::Load | Ranking::MostRules => {}
        }
        ranks
    }

    fn rank(&self, state: &State, ranking: Ranking, fixed: &[i64], at: usize) -> (i64, i64, usize) {
        let p = &self.placed[at];
        let load = || state.load(self.rules, p);
        match ranking {
            Ranking::Turns | Ranking::Random => (fixed[at], 0, at),
            Ranking::HostsFirst => {
                let over_hosts = |rule: &Rule| match *rule {
                    Rule::Spread(rule) => self.rules.spreads[rule].key.as_ref() == HOSTNAME,
                    Rule::Affinity(_) => false,
                };
                let others = !self.rules.owned(p.class).iter().any(over_hosts);
                (i64::from(others), load(), at)
            }
            Ranking::Load => (load(), 0, at),
            Ranking::MostRules => {
                let rules = i64::try_from(self.rules.owned(p.class).len()).unwrap_or(0);
                (-rules, load(), at)
            }
            Ranking::RuleByRule => (fixed[at], load(), at),
            Ranking::Blurred => (load() * 1_000 + fixed[at], 0, at),
        }
    }

    /// The counts that the spreads which count the pod see in its domains.
    fn counts<'s>(&'s self, state: &'s State, at: usize) -> impl Iterator<Item = i64> + 's {
        let p = &self.placed[at];
        self.rules
            .counted(p.class)
            .iter()
            .filter_map(move |&rule| match rule {
                Rule::Spread(rule) => {
                    let domain = self.rules.spreads[rule].counts(p)?;
                    Some(state.spread_count(rule, domain))
                }
                Rule::Affinity(_) => None,
            })
    }

    fn least_count(&self, state: &State, at: usize) -> Option<i64> {
        self.counts(state, at).min()
    }

    fn most_count(&self, state: &State, at: usize) -> Option<i64> {
        self.counts(state, at).max()
    }

    /// Takes pods away from the finished cluster while each one's rules hold at the moment it leaves, which is the moment
    /// it was placed. Returns the pods with rules that could never leave.
    fn backwards(&self, attempt: u64) -> Found {
        let mut rng = Rng::new(1_000 + attempt);
        let mut state = self.before.clone();
        let mut left: Vec<usize> = self.owners.iter().chain(&self.counted).copied().collect();
        for &at in &left {
            state.put(self.rules, &self.placed[at]);
        }
        let mut taken = Vec::new();
        let mut followers = Followers::new(self.rules);
        for &at in &left {
            followers.change(self.rules, &self.placed[at], 1);
        }
        let owns = |at: usize| !self.rules.owned(self.placed[at].class).is_empty();
        let pressure =
            |state: &State, at: usize| state.pressure(self.rules, &self.placed[at]).unwrap_or(99);
        let one_at_a_time = left.len() < FEW;
        let mut careful = true;
        while !left.is_empty() && self.tests.get() <= MOST_TESTS {
            left.sort_by_cached_key(|&at| {
                let noise = i64::try_from(rng.below(1 << 20)).unwrap_or(0);
                let blur = if attempt % 3 == 2 { noise % 2_000 } else { 0 };
                let kind = match (owns(at), attempt.is_multiple_of(2)) {
                    (true, _) => 0,
                    (false, true) => -1,
                    (false, false) => 1,
                };
                (blur - pressure(&state, at) * 1_000, kind, noise)
            });
            let before = left.len();
            let mut stay = Vec::with_capacity(before);
            let mut rest = left.into_iter();
            for at in rest.by_ref() {
                let p = &self.placed[at];
                let idle = !owns(at) && !one_at_a_time && pressure(&state, at) <= 0;
                if careful && (idle || followers.would_strand(self.rules, &state, p)) {
                    stay.push(at);
                    continue;
                }
                state.take(self.rules, p);
                if self.allows(&state, at, true) {
                    followers.change(self.rules, p, -1);
                    taken.push(at);
                    if one_at_a_time {
                        break;
                    }
                } else {
                    state.put(self.rules, p);
                    stay.push(at);
                }
            }
            stay.extend(rest);
            left = stay;
            if left.len() < before {
                careful = true;
            } else if careful {
                careful = false;
            } else {
                break;
            }
        }
        // Who has no rules could have come before all others.
        let (stuck, mut order): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|&at| owns(at));
        order.extend(taken.into_iter().rev());
        Found { order, stuck }
    }

    /// The same question with spread left out: pods whose affinity no order can satisfy.
    pub(super) fn stuck_on_affinity(&self) -> Vec<usize> {
        let follows = |at: &&usize| {
            let mut owned = self.rules.owned(self.placed[**at].class).iter();
            owned.any(|rule| matches!(rule, Rule::Affinity(_)))
        };
        let followers: Vec<usize> = self.owners.iter().filter(follows).copied().collect();
        let others = self.owners.iter().filter(|at| !follows(at));
        let others: Vec<usize> = others.chain(&self.counted).copied().collect();
        let mut best = followers.clone();
        for attempt in 0..AFFINITY_ATTEMPTS {
            if best.is_empty() {
                break;
            }
            let stuck = self.affinity_order(attempt, followers.clone(), others.clone());
            if stuck.len() < best.len() {
                best = stuck;
            }
        }
        best
    }

    fn affinity_order(
        &self,
        attempt: u64,
        mut waiting: Vec<usize>,
        mut others: Vec<usize>,
    ) -> Vec<usize> {
        let mut rng = Rng::new(2_000 + attempt);
        waiting.sort_by_cached_key(|_| rng.next_u64());
        let mut state = self.before.clone();
        let put_all = |state: &mut State, pods: &mut Vec<usize>| {
            for at in pods.drain(..) {
                state.put(self.rules, &self.placed[at]);
            }
        };
        if attempt.is_multiple_of(2) {
            put_all(&mut state, &mut others);
        }
        let allows = |state: &State, at: usize, first: bool| {
            let p = &self.placed[at];
            self.rules.owned(p.class).iter().all(|&rule| match rule {
                Rule::Affinity(rule) => state.affinity_allows(self.rules, rule, p, first),
                Rule::Spread(_) => true,
            })
        };
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|&at| {
                let placeable = allows(&state, at, false);
                if placeable {
                    state.put(self.rules, &self.placed[at]);
                }
                !placeable
            });
            if waiting.len() < before {
                continue;
            }
            match waiting.iter().position(|&at| allows(&state, at, true)) {
                Some(position) => {
                    let at = waiting.remove(position);
                    state.put(self.rules, &self.placed[at]);
                }
                None if others.is_empty() => break,
                None => put_all(&mut state, &mut others),
            }
        }
        waiting
    }
}

/// How many pods with each affinity are still in each domain of its terms.
struct Followers(Vec<Vec<Vec<i64>>>);

impl Followers {
    fn new(rules: &Rules) -> Self {
        let affinities = rules.affinities.iter();
        Self(
            affinities
                .map(|a| a.terms.iter().map(|(_, d)| vec![0; d.count()]).collect())
                .collect(),
        )
    }

    fn change(&mut self, rules: &Rules, p: &Placed, by: i64) {
        for &rule in rules.owned(p.class) {
            if let Rule::Affinity(at) = rule {
                for ((_, domains), counts) in rules.affinities[at].terms.iter().zip(&mut self.0[at])
                {
                    if let Some(domain) = domains.of(p.node) {
                        counts[domain] += by;
                    }
                }
            }
        }
    }

    /// Whether `p` is the last pod that others in its domain need.
    fn would_strand(&self, rules: &Rules, state: &State, p: &Placed) -> bool {
        rules.counted(p.class).iter().any(|&rule| {
            let Rule::Affinity(at) = rule else {
                return false;
            };
            let own = i64::from(rules.owned(p.class).contains(&rule));
            let mut terms = rules.affinities[at].terms.iter().enumerate();
            terms.any(|(term, (_, domains))| {
                domains.of(p.node).is_some_and(|domain| {
                    self.0[at][term][domain] > own && state.affinity_count(at, term, domain) <= 1
                })
            })
        })
    }
}
