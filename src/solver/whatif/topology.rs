//! Rules between pods, counted.
//!
//! For each rule: how many pods it speaks of, and how many have it, stand in each domain. Over host names the domains are
//! the slots themselves. Asked whether a pod may join a place, the counts answer as kube-scheduler would, or more strictly.

use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::whatif::{Between, CountedKind, CountedRule};
use crate::problem::{ClassId, NodeId, OptionId};

/// Where a slot stands: an existing node by itself, a bought one by its option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a position and nothing else")]
pub struct Spot {
    /// The slot.
    pub slot: u32,
    /// How it was bought, for nodes that do not exist yet.
    pub option: Option<OptionId>,
}

/// Pods by rule and domain, by the rules that every method is given again. [`Counts`] holds both.
#[derive(Debug, Clone)]
pub struct Tally {
    /// By rule and value: pods that the rule speaks of, pods that have it.
    domains: Vec<Vec<(u32, u32)>>,
    /// The same over host names, by rule and slot.
    hosts: FastMap<(u32, u32), (u32, u32)>,
    /// By rule: pods it speaks of anywhere.
    total: Vec<u32>,
    /// By rule and value: how many nodes that count are there.
    supports: Vec<Vec<u32>>,
    /// By rule and value: the same as `domains` for pods on nodes that are being deleted; nothing where these do not count.
    departing: Vec<Vec<(u32, u32)>>,
}

impl Tally {
    /// What stands on the `existing` nodes.
    #[must_use]
    pub fn new(between: &Between, existing: usize) -> Self {
        let values = |rule: &CountedRule| rule.key.map_or(0, |key| between.keys[key].values);
        let mut counts = Self {
            domains: between
                .rules
                .iter()
                .map(|rule| vec![(0, 0); values(rule)])
                .collect(),
            hosts: FastMap::default(),
            total: vec![0; between.rules.len()],
            supports: between
                .rules
                .iter()
                .map(|rule| vec![0; values(rule)])
                .collect(),
            departing: Vec::new(),
        };
        for node in (0..existing).map(NodeId::new) {
            counts.node_returns(between, node);
        }
        counts
    }

    /// Pods on nodes that are being deleted, where they still are: they are in the way of others, and nobody can rely on
    /// them.
    fn count_departing(&mut self, between: &Between) {
        self.departing = (self.domains.iter())
            .map(|cells| vec![(0, 0); cells.len()])
            .collect();
        for (node, list) in between.departing.enumerate() {
            let spot = Spot {
                slot: u32::try_from(node.at()).unwrap_or(u32::MAX),
                option: None,
            };
            for held in list {
                let at = held.rule as usize;
                // Over host names there is nobody to be in the way of.
                if let Some(value) = Self::value(between, &between.rules[at], spot) {
                    let cell = &mut self.departing[at][value as usize];
                    *cell = (cell.0 + held.members, cell.1 + held.owners);
                    self.total[at] += held.members;
                }
            }
        }
    }

    fn departing_at(
        &self,
        between: &Between,
        number: u32,
        rule: &CountedRule,
        spot: Spot,
    ) -> (u32, u32) {
        let Some(cells) = self.departing.get(number as usize) else {
            return (0, 0);
        };
        let value = Self::value(between, rule, spot);
        value.map_or((0, 0), |value| cells[value as usize])
    }

    fn value(between: &Between, rule: &CountedRule, spot: Spot) -> Option<u32> {
        let key = &between.keys[rule.key?];
        match spot.option {
            None => key.views.get(spot.slot as usize).copied().flatten(),
            Some(option) => key.options[option],
        }
    }

    fn counts_at(rule: &CountedRule, spot: Spot) -> bool {
        match spot.option {
            None => rule
                .counts_on
                .get(spot.slot as usize)
                .copied()
                .unwrap_or(false),
            Some(option) => rule.counts_for.contains(option),
        }
    }

    fn change(
        &mut self,
        between: &Between,
        number: u32,
        spot: Spot,
        members: u32,
        owners: u32,
        enter: bool,
    ) {
        let rule = &between.rules[number as usize];
        let cell = if rule.key.is_none() {
            self.hosts.entry((number, spot.slot)).or_insert((0, 0))
        } else {
            let Some(value) = Self::value(between, rule, spot) else {
                return;
            };
            &mut self.domains[number as usize][value as usize]
        };
        let total = &mut self.total[number as usize];
        if enter {
            *cell = (cell.0 + members, cell.1 + owners);
            *total += members;
        } else {
            *cell = (
                cell.0.saturating_sub(members),
                cell.1.saturating_sub(owners),
            );
            *total = total.saturating_sub(members);
        }
    }

    /// A pod of `class` enters or leaves `spot`.
    pub fn count(&mut self, between: &Between, class: ClassId, spot: Spot, enter: bool) {
        for number in &between.member[class] {
            if Self::counts_at(&between.rules[*number as usize], spot) {
                self.change(between, *number, spot, 1, 0, enter);
            }
        }
        for number in &between.owned[class] {
            if between.rules[*number as usize].demand == CountedKind::Anti {
                self.change(between, *number, spot, 0, 1, enter);
            }
        }
    }

    /// An existing node goes with its pods.
    pub fn node_leaves(&mut self, between: &Between, node: NodeId) {
        self.node(between, node, false);
    }

    /// It comes back.
    pub fn node_returns(&mut self, between: &Between, node: NodeId) {
        self.node(between, node, true);
    }

    fn node(&mut self, between: &Between, node: NodeId, enter: bool) {
        let spot = Spot {
            slot: u32::try_from(node.at()).unwrap_or(u32::MAX),
            option: None,
        };
        for held in &between.standing[node] {
            self.change(between, held.rule, spot, held.members, held.owners, enter);
        }
        for (at, rule) in between.rules.iter().enumerate() {
            if rule.counts_on[node.at()]
                && let Some(value) = Self::value(between, rule, spot)
            {
                let support = &mut self.supports[at][value as usize];
                *support = if enter {
                    *support + 1
                } else {
                    support.saturating_sub(1)
                };
            }
        }
    }

    fn at(
        &self,
        between: &Between,
        number: u32,
        rule: &CountedRule,
        spot: Spot,
    ) -> Option<(u32, u32)> {
        if rule.key.is_none() {
            let held = self.hosts.get(&(number, spot.slot));
            return Some(held.copied().unwrap_or((0, 0)));
        }
        let value = Self::value(between, rule, spot)?;
        Some(self.domains[number as usize][value as usize])
    }

    /// The fewest members in a domain that exists or could be bought, and 0 below `min_domains` domains.
    fn least(&self, number: u32, rule: &CountedRule, min_domains: u32) -> u32 {
        let mut least = u32::MAX;
        let mut domains = 0;
        let cells = &self.domains[number as usize];
        for (value, (members, _)) in cells.iter().enumerate() {
            if rule.on_offer[value] || self.supports[number as usize][value] > 0 {
                least = least.min(*members);
                domains += 1;
            }
        }
        if domains < min_domains || domains == 0 {
            0
        } else {
            least
        }
    }

    /// Whether a pod of `class` may join `spot` as things stand.
    #[must_use]
    pub fn allows(&self, between: &Between, class: ClassId, spot: Spot) -> bool {
        if between.is_idle() {
            return true;
        }
        let owned = &between.owned[class];
        let member = &between.member[class];
        for number in owned {
            let rule = &between.rules[*number as usize];
            let held = self.at(between, *number, rule, spot);
            let own = u32::from(member.contains(number));
            let departing = self.departing_at(between, *number, rule, spot).0;
            let met = match (rule.demand, held) {
                (CountedKind::Spread { max_skew, .. }, Some((members, _)))
                    if rule.key.is_none() =>
                {
                    members + own <= max_skew
                }
                (
                    CountedKind::Spread {
                        max_skew,
                        min_domains,
                    },
                    Some((members, _)),
                ) => {
                    let least = self.least(*number, rule, min_domains);
                    members + departing + own <= max_skew.saturating_add(least)
                }
                (CountedKind::Affinity, Some((members, _))) => {
                    members > 0 || (own > 0 && self.total[*number as usize] == 0)
                }
                (CountedKind::Anti, Some((members, _))) => members + departing == 0,
                (CountedKind::Anti, None) => true,
                (CountedKind::Spread { .. } | CountedKind::Affinity, None) => false,
            };
            if !met {
                return false;
            }
        }
        member.iter().all(|number| {
            let rule = &between.rules[*number as usize];
            rule.demand != CountedKind::Anti
                || self
                    .at(between, *number, rule, spot)
                    .is_none_or(|(_, owners)| {
                        owners + self.departing_at(between, *number, rule, spot).1 == 0
                    })
        })
    }

    /// How crowded `option`'s domain is for the spreads of `class`: Karpenter's claims choose the emptiest.
    #[must_use]
    pub fn crowd(&self, between: &Between, class: ClassId, option: OptionId) -> u32 {
        if between.is_idle() {
            return 0;
        }
        let spot = Spot {
            slot: u32::MAX,
            option: Some(option),
        };
        let crowd = |number: &u32| {
            let rule = &between.rules[*number as usize];
            let spread = matches!(rule.demand, CountedKind::Spread { .. }) && rule.key.is_some();
            let held = self.at(between, *number, rule, spot).filter(|_| spread);
            held.map_or(0, |(members, _)| members)
        };
        between.owned[class].iter().map(crowd).sum()
    }
}

/// A [`Tally`] with its rules.
#[derive(Debug, Clone)]
pub struct Counts<'p> {
    between: &'p Between,
    tally: Tally,
}

impl<'p> Counts<'p> {
    /// What stands on the `existing` nodes.
    #[must_use]
    pub fn new(between: &'p Between, existing: usize) -> Self {
        Self {
            between,
            tally: Tally::new(between, existing),
        }
    }

    /// Counts pods on nodes that are being deleted too, where they still are.
    #[must_use]
    pub fn with_departing(mut self) -> Self {
        self.tally.count_departing(self.between);
        self
    }

    /// Whether there is no rule at all.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.between.is_idle()
    }

    /// Whether pods of `class` have or fall under no rule.
    #[inline]
    #[must_use]
    pub fn is_plain(&self, class: ClassId) -> bool {
        self.between.is_plain(class)
    }

    /// Whether pods of `class` have or fall under a rule over domains, so that a node's zone and the like matter to others.
    #[inline]
    #[must_use]
    pub fn over_domains(&self, class: ClassId) -> bool {
        self.between.over_domains[class]
    }

    /// Whether what refuses a pod of `class` now refuses it still when other nodes go or other pods arrive.
    #[inline]
    #[must_use]
    pub fn is_steady(&self, class: ClassId) -> bool {
        self.between.steady[class]
    }

    /// A pod of `class` enters or leaves `spot`.
    pub fn count(&mut self, class: ClassId, spot: Spot, enter: bool) {
        self.tally.count(self.between, class, spot, enter);
    }

    /// An existing node goes with its pods.
    pub fn node_leaves(&mut self, node: NodeId) {
        self.tally.node_leaves(self.between, node);
    }

    /// It comes back.
    pub fn node_returns(&mut self, node: NodeId) {
        self.tally.node_returns(self.between, node);
    }

    /// Whether a pod of `class` may join `spot` as things stand.
    #[must_use]
    pub fn allows(&self, class: ClassId, spot: Spot) -> bool {
        self.tally.allows(self.between, class, spot)
    }

    /// How crowded `option`'s domain is for the spreads of `class`: Karpenter's claims choose the emptiest.
    #[must_use]
    pub fn crowd(&self, class: ClassId, option: OptionId) -> u32 {
        self.tally.crowd(self.between, class, option)
    }

    /// Whether a node of `new` stands in the same domains as one of `old`, as far as rules of and about `class` look.
    #[must_use]
    pub fn same_domains(&self, class: ClassId, old: OptionId, new: OptionId) -> bool {
        self.between.same_domains(class, old, new)
    }
}
