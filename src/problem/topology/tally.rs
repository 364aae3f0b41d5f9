//! Running counts while pods are dealt out: what each rule sees in each domain.

use super::domains::Counts;
use super::rules::{Kind, Rule};

/// What one rule sees.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tally {
    /// Pods that it has to count, by value of its key.
    pub members: Vec<u32>,
    /// Pods that have it, by value of its key (anti-affinity).
    pub owners: Vec<u32>,
    /// Pods that it speaks of, anywhere.
    pub total: u32,
    /// Values that count for a spread's minimum.
    eligible: Vec<bool>,
    /// Whether there are fewer such values than `minDomains` asks for: the least counts as 0 then.
    few: bool,
    max_skew: u32,
    least: u32,
    at_least: u32,
}

impl Tally {
    /// The tally of `rule` before anything is dealt.
    #[must_use]
    pub fn new(rule: &Rule, counts: &Counts, eligible: Vec<bool>) -> Self {
        let domains = eligible.iter().filter(|counts| **counts).count();
        let (max_skew, few) = match &rule.kind {
            Kind::Spread {
                max_skew,
                min_domains,
                ..
            } => (*max_skew, domains < *min_domains as usize),
            Kind::Affinity | Kind::Anti => (0, false),
        };
        let mut tally = Self {
            members: counts.members.clone(),
            owners: counts.owners.clone(),
            total: counts.total,
            eligible,
            few,
            max_skew,
            least: 0,
            at_least: 0,
        };
        tally.find_least();
        tally
    }

    fn find_least(&mut self) {
        let counted = || {
            let all = self.members.iter().zip(&self.eligible);
            all.filter(|(_, counts)| **counts).map(|(n, _)| *n)
        };
        let least = counted().min().unwrap_or(0);
        let at_least = counted().filter(|n| *n == least).count();
        self.least = least;
        self.at_least = u32::try_from(at_least).unwrap_or(u32::MAX);
    }

    /// Values that count for a spread's minimum.
    #[must_use]
    pub fn eligible(&self) -> &[bool] {
        &self.eligible
    }

    /// The fewest pods in a value that counts for the minimum.
    #[must_use]
    pub fn least(&self) -> u32 {
        self.least
    }

    /// Whether a spread lets one more pod, which it counts itself if `counts`, be where `value` is.
    #[must_use]
    pub fn spread_allows(&self, value: usize, counts: bool) -> bool {
        let least = if self.few { 0 } else { self.least };
        self.members[value] + u32::from(counts) <= self.max_skew.saturating_add(least)
    }

    /// One more pod that the rule speaks of is where `value` is. O(1) amortised over rounds through the domains.
    pub fn add(&mut self, value: usize) {
        let before = self.members[value];
        self.members[value] += 1;
        self.total += 1;
        if before == self.least && self.eligible.get(value).copied().unwrap_or(false) {
            self.at_least = self.at_least.saturating_sub(1);
            if self.at_least == 0 {
                self.find_least();
            }
        }
    }
}
