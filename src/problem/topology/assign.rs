//! Dealing pods out to domains.
//!
//! Pods are dealt one by one. Each goes to the place (one value per key that its rules use) where its rules hold given what
//! stands there; spread prefers the emptiest place. A pod whose affinity has no target yet waits for the next round; rounds
//! end when one places nothing.

use std::collections::BTreeMap;

use super::domains::{Counts, Domains, Standing, Value, node_counts};
use super::rules::{Identity, Kind, Rules};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::pod::HostPort;
use crate::model::taint::untolerated;
use crate::problem::options::OptionTable;
use crate::problem::selectors::suited;
use crate::problem::{DomainRule, NodeId, OptionId, Stand, fit_count, fits};
use crate::view::nodes::ExistingNode;

/// A class of pods before topology.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Base {
    /// Which rules they have and fall under: a position in [`Rules::identities`].
    pub identity: usize,
    /// Options that suit them.
    pub options: BitSet<OptionId>,
    /// Nodes that suit them.
    pub nodes: BitSet<NodeId>,
    /// What one of them asks for.
    pub demand: Vec<i64>,
    /// Host ports of one of them.
    pub ports: Vec<HostPort>,
    /// Positions in the snapshot, in binding order.
    pub pods: Vec<u32>,
}

/// A part of a class, pinned to its place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Part {
    /// The class it belongs to.
    pub base: usize,
    /// Options that suit it.
    pub options: BitSet<OptionId>,
    /// Nodes that suit it.
    pub nodes: BitSet<NodeId>,
    /// Its pods.
    pub pods: Vec<u32>,
    /// What its place means for rules over domains.
    pub stands: Vec<Stand>,
    /// Whether its rules found no place: nothing suits it then.
    pub held_back: bool,
}

/// What assignment reads.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the compiler only")]
pub struct Ground<'g> {
    /// Rules.
    pub rules: &'g Rules,
    /// Domains.
    pub domains: &'g Domains,
    /// Options.
    pub table: &'g OptionTable<'g>,
    /// Rooms of options, `dims` wide.
    pub rooms: &'g [i64],
    /// Existing nodes.
    pub view: &'g [ExistingNode<'g>],
    /// Destinations among them.
    pub rows: &'g IxVec<NodeId, u32>,
    /// Free room of destinations, `dims` wide.
    pub node_rooms: &'g [i64],
    /// Width of vectors.
    pub dims: usize,
}

/// A place for pods of one class.
#[derive(Debug, Clone)]
struct Place {
    values: Vec<Value>,
    /// How many pods fit; `None` where nodes can be bought.
    capacity: Option<u64>,
    has_free_room: bool,
    cost: f64,
}

/// What one class has to heed.
struct Subject<'g> {
    identity: &'g Identity,
    /// Keys that matter, and the place of each rule's key among them.
    keys: Vec<usize>,
    /// Rules that its pods have, with the position of their key.
    owned: Vec<(usize, usize)>,
    /// Anti-affinity rules that speak of it, with the position of their key.
    against: Vec<(usize, usize)>,
    /// By owned rule: the values that count for a spread's minimum.
    eligible: Vec<Vec<bool>>,
    places: Vec<Place>,
    dealt: BTreeMap<usize, Vec<u32>>,
    next: usize,
}

impl Ground<'_> {
    fn holds(&self, base: &Base, option: OptionId) -> bool {
        let room = self.table.options[option].room.at();
        base.options.contains(option)
            && fits(&base.demand, &self.rooms[room * self.dims..][..self.dims])
    }

    /// The places of a class over `keys`: those where some node can be bought or has room.
    fn places(&self, base: &Base, keys: &[usize]) -> Vec<Place> {
        let mut places: BTreeMap<Vec<Value>, Place> = BTreeMap::new();
        let blank = |values: &Vec<Value>| Place {
            values: values.clone(),
            capacity: Some(0),
            has_free_room: false,
            cost: f64::INFINITY,
        };
        for option in base
            .options
            .iter()
            .filter(|option| self.holds(base, *option))
        {
            let values: Vec<Value> = keys
                .iter()
                .map(|key| self.domains.keys[*key].options[option])
                .collect();
            let place = places.entry(values).or_insert_with_key(blank);
            place.capacity = None;
            place.cost = place.cost.min(self.table.options[option].cost);
        }
        for node in base.nodes.iter() {
            let count = fit_count(
                &base.demand,
                &self.node_rooms[node.at() * self.dims..][..self.dims],
            );
            if count > 0 {
                let values: Vec<Value> = keys
                    .iter()
                    .map(|key| self.domains.keys[*key].node(self.rows, node))
                    .collect();
                let place = places.entry(values).or_insert_with_key(blank);
                place.has_free_room = true;
                place.capacity = place.capacity.map(|held| held + u64::from(count));
            }
        }
        places.into_values().collect()
    }

    /// The values of a spread rule's key that count for its minimum (S-90): those of nodes that exist and pass its node
    /// filter, and of nodes that pods of this problem may cause and that pass it.
    fn eligible(&self, rule: usize, key: usize, wanted: &BitSet<OptionId>) -> Vec<bool> {
        let key = &self.domains.keys[key];
        let mut eligible = vec![false; key.values];
        let rule = &self.rules.rules[rule];
        let Kind::Spread {
            nodes, tolerations, ..
        } = &rule.kind
        else {
            return eligible;
        };
        for (node, value) in self.view.iter().zip(&key.views) {
            if let Some(value) = value.filter(|_| !node.deleting && node_counts(rule, node)) {
                eligible[value as usize] = true;
            }
        }
        let mut passing = BitSet::new(self.table.options.len());
        match nodes {
            Some(terms) => terms
                .iter()
                .for_each(|term| passing.union_with(&suited(term, self.table))),
            None => passing = BitSet::full(self.table.options.len()),
        }
        passing.intersect_with(wanted);
        for option in passing.iter() {
            let taints = &self.table.taints[self.table.options[option].pair];
            let tolerated = tolerations
                .as_ref()
                .is_none_or(|held| untolerated(taints, held, false).is_none());
            if let Some(value) = key.options[option].filter(|_| tolerated) {
                eligible[value as usize] = true;
            }
        }
        eligible
    }

    fn subject<'s>(&'s self, base: &Base, wanted: &BitSet<OptionId>) -> Option<Subject<'s>> {
        let identity = &self.rules.identities[base.identity];
        let keyed = |rule: &usize| self.domains.key_of[*rule].map(|key| (*rule, key));
        let owned: Vec<(usize, usize)> = identity.owned.iter().filter_map(keyed).collect();
        let spoken: Vec<(usize, usize)> = identity
            .member
            .iter()
            .filter(|rule| matches!(self.rules.rules[**rule].kind, Kind::Affinity | Kind::Anti))
            .filter_map(keyed)
            .collect();
        let mut keys: Vec<usize> = owned.iter().chain(&spoken).map(|(_, key)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return None;
        }
        let place_of = |(rule, key): &(usize, usize)| (*rule, keys.binary_search(key).unwrap_or(0));
        let is_anti = |rule: usize| self.rules.rules[rule].kind == Kind::Anti;
        Some(Subject {
            identity,
            eligible: owned
                .iter()
                .map(|(rule, key)| self.eligible(*rule, *key, wanted))
                .collect(),
            owned: owned.iter().map(place_of).collect(),
            against: spoken
                .iter()
                .filter(|(rule, _)| is_anti(*rule))
                .map(place_of)
                .collect(),
            places: self.places(base, &keys),
            keys,
            dealt: BTreeMap::new(),
            next: 0,
        })
    }

    /// Deals the pods of `bases` out and returns the parts, in the order of the classes. Classes without rules over domains
    /// come back whole.
    #[must_use]
    pub fn assign(&self, bases: &[Base], standing: &Standing) -> Vec<Part> {
        let mut counts: Vec<Counts> = standing.by_domain.clone();
        let wanted = self.wanted(bases);
        let mut subjects: Vec<Option<Subject<'_>>> = bases
            .iter()
            .map(|base| self.subject(base, &wanted))
            .collect();
        let wishes = self.wishes(&subjects);
        loop {
            let mut progress = false;
            for (base, subject) in bases.iter().zip(&mut subjects) {
                let Some(subject) = subject else { continue };
                while subject.next < base.pods.len() {
                    let waiting = base.pods.len() - subject.next;
                    let Some(place) = self.choose(subject, &counts, &wishes, waiting as u64) else {
                        break;
                    };
                    self.record(subject, place, &mut counts);
                    let pod = base.pods[subject.next];
                    subject.dealt.entry(place).or_default().push(pod);
                    subject.next += 1;
                    progress = true;
                }
            }
            if !progress {
                break;
            }
        }
        let mut parts = Vec::new();
        for (number, (base, subject)) in bases.iter().zip(subjects).enumerate() {
            match subject {
                None => parts.push(Part {
                    base: number,
                    options: base.options.clone(),
                    nodes: base.nodes.clone(),
                    pods: base.pods.clone(),
                    stands: Vec::new(),
                    held_back: false,
                }),
                Some(subject) => self.parts(number, base, subject, &mut parts),
            }
        }
        parts
    }

    /// By affinity rule and value: how many classes with the rule could use that value. Targets prefer places where those
    /// who want to be near them can follow (W-19, W-23).
    fn wishes(&self, subjects: &[Option<Subject<'_>>]) -> Vec<Vec<u32>> {
        let mut wishes: Vec<Vec<u32>> = self
            .domains
            .key_of
            .iter()
            .map(|key| vec![0; key.map_or(0, |key| self.domains.keys[key].values)])
            .collect();
        for subject in subjects.iter().flatten() {
            for (rule, at) in &subject.owned {
                if self.rules.rules[*rule].kind != Kind::Affinity {
                    continue;
                }
                let mut values: Vec<u32> = subject
                    .places
                    .iter()
                    .filter_map(|place| place.values[*at])
                    .collect();
                values.sort_unstable();
                values.dedup();
                values
                    .iter()
                    .for_each(|value| wishes[*rule][*value as usize] += 1);
            }
        }
        wishes
    }

    /// The best place for the next pod of `subject`, if its rules allow any.
    fn choose(
        &self,
        subject: &Subject<'_>,
        counts: &[Counts],
        wishes: &[Vec<u32>],
        waiting: u64,
    ) -> Option<usize> {
        let mut best: Option<(Rank, usize)> = None;
        for (at, place) in subject.places.iter().enumerate() {
            if place.capacity == Some(0) || !self.allowed(subject, place, counts) {
                continue;
            }
            let rank = self.rank(subject, place, counts, wishes, waiting);
            if best.as_ref().is_none_or(|(held, _)| rank.better_than(held)) {
                best = Some((rank, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn allowed(&self, subject: &Subject<'_>, place: &Place, counts: &[Counts]) -> bool {
        let member = |rule: usize| subject.identity.member.binary_search(&rule).is_ok();
        let own = subject
            .owned
            .iter()
            .zip(&subject.eligible)
            .all(|((rule, at), eligible)| {
                let held = &counts[*rule];
                let value = place.values[*at].map(|value| value as usize);
                match (&self.rules.rules[*rule].kind, value) {
                    (
                        Kind::Spread {
                            max_skew,
                            min_domains,
                            ..
                        },
                        Some(value),
                    ) => {
                        let counted = held
                            .members
                            .iter()
                            .zip(eligible)
                            .filter(|(_, counts)| **counts);
                        let domains = counted.clone().count();
                        let least = if domains < *min_domains as usize {
                            0
                        } else {
                            counted.map(|(n, _)| *n).min().unwrap_or(0)
                        };
                        held.members[value] + u32::from(member(*rule))
                            <= max_skew.saturating_add(least)
                    }
                    (Kind::Affinity, Some(value)) => {
                        held.members[value] > 0 || (held.total == 0 && member(*rule))
                    }
                    (Kind::Anti, Some(value)) => held.members[value] == 0,
                    (Kind::Anti, None) => true,
                    (Kind::Spread { .. } | Kind::Affinity, None) => false,
                }
            });
        own && subject.against.iter().all(|(rule, at)| {
            place.values[*at].is_none_or(|value| counts[*rule].owners[value as usize] == 0)
        })
    }

    fn rank(
        &self,
        subject: &Subject<'_>,
        place: &Place,
        counts: &[Counts],
        wishes: &[Vec<u32>],
        waiting: u64,
    ) -> Rank {
        let mut crowd = 0;
        let mut together = false;
        for (rule, at) in &subject.owned {
            match self.rules.rules[*rule].kind {
                Kind::Spread { .. } => {
                    crowd +=
                        place.values[*at].map_or(0, |value| counts[*rule].members[value as usize]);
                }
                Kind::Affinity => together = true,
                Kind::Anti => {}
            }
        }
        let mut followers = 0;
        for rule in &subject.identity.member {
            if self.rules.rules[*rule].kind == Kind::Affinity
                && let Some(key) = self.domains.key_of[*rule]
                && let Ok(at) = subject.keys.binary_search(&key)
                && let Some(value) = place.values[at]
            {
                followers += wishes[*rule][value as usize];
            }
        }
        Rank {
            crowd,
            followers,
            // Pods that must stay together start where all of them fit.
            cramped: together && place.capacity.is_some_and(|capacity| capacity < waiting),
            costs: !place.has_free_room,
            cost: place.cost,
        }
    }

    fn record(&self, subject: &mut Subject<'_>, place: usize, counts: &mut [Counts]) {
        let place = &mut subject.places[place];
        place.capacity = place.capacity.map(|left| left.saturating_sub(1));
        for rule in &subject.identity.member {
            let value = self.domains.key_of[*rule]
                .and_then(|key| subject.keys.binary_search(&key).ok())
                .and_then(|at| place.values[at]);
            if let Some(value) = value {
                counts[*rule].members[value as usize] += 1;
                counts[*rule].total += 1;
            }
        }
        for (rule, at) in &subject.owned {
            if let Some(value) =
                place.values[*at].filter(|_| self.rules.rules[*rule].kind == Kind::Anti)
            {
                counts[*rule].owners[value as usize] += 1;
            }
        }
    }

    fn parts(&self, number: usize, base: &Base, subject: Subject<'_>, parts: &mut Vec<Part>) {
        for (place, pods) in subject.dealt {
            let values = &subject.places[place].values;
            let mut options = base.options.clone();
            for option in base.options.iter() {
                let here = subject
                    .keys
                    .iter()
                    .zip(values)
                    .all(|(key, v)| self.domains.keys[*key].options[option] == *v);
                if !here {
                    options.remove(option);
                }
            }
            let mut nodes = base.nodes.clone();
            for node in base.nodes.iter() {
                let here = subject
                    .keys
                    .iter()
                    .zip(values)
                    .all(|(key, v)| self.domains.keys[*key].node(self.rows, node) == *v);
                if !here {
                    nodes.remove(node);
                }
            }
            let stands = self.stands(subject.identity, &subject.keys, values);
            parts.push(Part {
                base: number,
                options,
                nodes,
                pods,
                stands,
                held_back: false,
            });
        }
        if subject.next < base.pods.len() {
            parts.push(Part {
                base: number,
                options: BitSet::new(base.options.bound()),
                nodes: BitSet::new(base.nodes.bound()),
                pods: base.pods[subject.next..].to_vec(),
                stands: Vec::new(),
                held_back: true,
            });
        }
    }
}

impl Ground<'_> {
    /// What pods with `identity` mean for rules over domains when they stand at `values` of `keys`.
    fn stands(&self, identity: &Identity, keys: &[usize], values: &[Value]) -> Vec<Stand> {
        let mut stands = Vec::new();
        for (rule, key) in self.domains.key_of.iter().enumerate() {
            let owner = identity.owned.binary_search(&rule).is_ok();
            let member = identity.member.binary_search(&rule).is_ok();
            let at = key.and_then(|key| keys.binary_search(&key).ok());
            if let (true, Some(value)) = (owner || member, at.and_then(|at| values[at])) {
                let rule = u32::try_from(rule).unwrap_or(u32::MAX);
                stands.push(Stand {
                    rule,
                    value,
                    owner,
                    member,
                });
            }
        }
        stands
    }

    /// The rules over domains as numbers, for the check after packing.
    #[must_use]
    pub fn domain_rules(&self, bases: &[Base], standing: &Standing) -> Vec<DomainRule> {
        let wanted = self.wanted(bases);
        let rules = self.rules.rules.iter().zip(&standing.by_domain).enumerate();
        rules
            .map(|(at, (rule, counts))| {
                let standing = counts.members.clone();
                match (&rule.kind, self.domains.key_of[at]) {
                    (
                        Kind::Spread {
                            max_skew,
                            min_domains,
                            ..
                        },
                        Some(key),
                    ) => DomainRule::Spread {
                        max_skew: *max_skew,
                        min_domains: *min_domains,
                        eligible: self.eligible(at, key, &wanted),
                        standing,
                    },
                    (Kind::Affinity, Some(_)) => DomainRule::Affinity { standing },
                    _ => DomainRule::Settled,
                }
            })
            .collect()
    }

    /// The options that some class can use.
    fn wanted(&self, bases: &[Base]) -> BitSet<OptionId> {
        let mut wanted = BitSet::new(self.table.options.len());
        if !self.domains.keys.is_empty() {
            for base in bases {
                for option in base
                    .options
                    .iter()
                    .filter(|option| self.holds(base, *option))
                {
                    wanted.insert(option);
                }
            }
        }
        wanted
    }
}

/// How good a place is; compared field by field.
#[derive(Debug, Clone, Copy)]
struct Rank {
    crowd: u32,
    followers: u32,
    cramped: bool,
    costs: bool,
    cost: f64,
}

impl Rank {
    fn better_than(&self, other: &Self) -> bool {
        let key = |r: &Self| (r.cramped, r.crowd, std::cmp::Reverse(r.followers), r.costs);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.cost.total_cmp(&other.cost))
            .is_lt()
    }
}
