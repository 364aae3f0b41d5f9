//! Counts at one moment of a binding order, and kube-scheduler's test at that moment.

use std::collections::BTreeMap;

use super::Placed;
use super::rules::{Rule, Rules};

/// Counts of one spread constraint.
#[derive(Debug, Clone)]
struct Tally {
    /// Matching pods per domain.
    counts: Vec<i64>,
    /// How many of the domains that count hold so many pods: the least count is its first key.
    by_count: BTreeMap<i64, usize>,
}

/// Counts of one affinity.
#[derive(Debug, Clone)]
struct Presence {
    /// Matching pods per term and domain.
    counts: Vec<Vec<i64>>,
    /// Sum over terms: 0 when no matching pod is in any domain.
    total: i64,
}

/// What is placed so far, as the rules see it.
#[derive(Debug, Clone)]
pub(super) struct State {
    spreads: Vec<Tally>,
    affinities: Vec<Presence>,
}

impl State {
    /// Nothing is placed.
    pub(super) fn new(rules: &Rules) -> Self {
        let tally = |present: &[bool]| {
            let domains = present.iter().filter(|p| **p).count();
            Tally {
                counts: vec![0; present.len()],
                by_count: (domains > 0).then_some((0, domains)).into_iter().collect(),
            }
        };
        let presence = |terms: &[(_, std::rc::Rc<super::terms::Domains>)]| Presence {
            counts: terms.iter().map(|(_, d)| vec![0; d.count()]).collect(),
            total: 0,
        };
        Self {
            spreads: rules.spreads.iter().map(|s| tally(&s.present)).collect(),
            affinities: rules
                .affinities
                .iter()
                .map(|a| presence(&a.terms))
                .collect(),
        }
    }

    /// Adds `p`.
    pub(super) fn put(&mut self, rules: &Rules, p: &Placed) {
        self.change(rules, p, 1);
    }

    /// Takes `p` away.
    pub(super) fn take(&mut self, rules: &Rules, p: &Placed) {
        self.change(rules, p, -1);
    }

    fn change(&mut self, rules: &Rules, p: &Placed, by: i64) {
        for &rule in rules.counted(p.class) {
            match rule {
                Rule::Spread(at) => {
                    if let Some(domain) = rules.spreads[at].counts(p) {
                        self.spreads[at].change(domain, by);
                    }
                }
                Rule::Affinity(at) => {
                    let presence = &mut self.affinities[at];
                    for ((_, domains), counts) in
                        rules.affinities[at].terms.iter().zip(&mut presence.counts)
                    {
                        if let Some(domain) = domains.of(p.node) {
                            counts[domain] += by;
                            presence.total += by;
                        }
                    }
                }
            }
        }
    }

    /// Matching pods of spread `at` in `domain`.
    pub(super) fn spread_count(&self, at: usize, domain: usize) -> i64 {
        self.spreads[at].counts[domain]
    }

    /// What spread `at` compares with: the least count, 0 with fewer domains than `minDomains`.
    pub(super) fn spread_least(&self, rules: &Rules, at: usize) -> i64 {
        let least = self.spreads[at].by_count.keys().next();
        least
            .copied()
            .filter(|_| rules.spreads[at].enough_domains)
            .unwrap_or(0)
    }

    /// Whether spread `at` lets `p` be on its node; `arriving` says that `p` is not counted yet.
    pub(super) fn spread_allows(
        &self,
        rules: &Rules,
        at: usize,
        p: &Placed,
        arriving: bool,
    ) -> bool {
        let spread = &rules.spreads[at];
        let own = i64::from(arriving && spread.selects(p.class));
        spread.domains.of(p.node).is_some_and(|domain| {
            self.spread_count(at, domain) + own - self.spread_least(rules, at) <= spread.max_skew
        })
    }

    /// Matching pods of term `term` of affinity `at` in `domain`.
    pub(super) fn affinity_count(&self, at: usize, term: usize, domain: usize) -> i64 {
        self.affinities[at].counts[term][domain]
    }

    /// Whether affinity `at` lets `p` onto its node: a matching pod in every term's domain, or with `first` no matching
    /// pod anywhere and `p` matching itself.
    pub(super) fn affinity_allows(
        &self,
        rules: &Rules,
        at: usize,
        p: &Placed,
        first: bool,
    ) -> bool {
        let affinity = &rules.affinities[at];
        let domains: Option<Vec<usize>> =
            affinity.terms.iter().map(|(_, d)| d.of(p.node)).collect();
        let Some(domains) = domains else {
            return false;
        };
        let mut held = domains.iter().enumerate();
        held.all(|(term, &domain)| self.affinity_count(at, term, domain) > 0)
            || (first && self.affinities[at].total == 0 && affinity.selects(p.class))
    }

    /// Whether every rule of `p` lets it onto its node now.
    pub(super) fn allows(&self, rules: &Rules, p: &Placed, first: bool) -> bool {
        rules.owned(p.class).iter().all(|&rule| match rule {
            Rule::Spread(at) => self.spread_allows(rules, at, p, true),
            Rule::Affinity(at) => self.affinity_allows(rules, at, p, first),
        })
    }

    /// The least count that the spreads of `p` see in its domains.
    pub(super) fn load(&self, rules: &Rules, p: &Placed) -> i64 {
        let counts = rules.owned(p.class).iter().filter_map(|&rule| match rule {
            Rule::Spread(at) => {
                let domain = rules.spreads[at].domains.of(p.node);
                Some(domain.map_or(0, |domain| self.spread_count(at, domain)))
            }
            Rule::Affinity(_) => None,
        });
        counts.min().unwrap_or(0)
    }

    /// How far the fullest spread that counts `p` is above its least domain; `None` when no spread counts `p`.
    pub(super) fn pressure(&self, rules: &Rules, p: &Placed) -> Option<i64> {
        let counted = rules
            .counted(p.class)
            .iter()
            .filter_map(|&rule| match rule {
                Rule::Spread(at) => {
                    let domain = rules.spreads[at].counts(p)?;
                    Some(self.spread_count(at, domain) - self.spread_least(rules, at))
                }
                Rule::Affinity(_) => None,
            });
        counted.max()
    }
}

impl Tally {
    fn change(&mut self, domain: usize, by: i64) {
        let before = self.counts[domain];
        let after = before + by;
        self.counts[domain] = after;
        if let Some(domains) = self.by_count.get_mut(&before) {
            *domains -= 1;
            if *domains == 0 {
                self.by_count.remove(&before);
            }
        }
        *self.by_count.entry(after).or_insert(0) += 1;
    }
}
