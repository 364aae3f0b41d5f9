//! Dealing pods out to domains.
//!
//! Pods are dealt one by one. Each goes to a place (one value per key that its rules use) where its rules hold given what
//! stands there; the cheapest of those, and of equal ones the emptiest. A pod whose affinity has no target yet waits for
//! the next round; rounds end when one places nothing. Kinds of pods that must be bound first are dealt first
//! ([`phases`](super::phases)).

use std::rc::Rc;

use super::domains::{Domains, Standing};
use super::heed::{Heed, Rank, at_values, stands};
use super::phases::Profile;
use super::places::{Keys, Place, Places, wanted};
use super::rules::{Kind, Rules};
use super::tally::Tally;
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::IxVec;
use crate::model::pod::HostPort;
use crate::problem::options::OptionTable;
use crate::problem::sets::Sets;
use crate::problem::{DomainRule, NodeId, OptionId, SetId, Stand};
use crate::view::nodes::ExistingNode;

/// A class of pods before topology.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Base {
    /// Which rules they have and fall under: a position in [`Rules::identities`].
    pub identity: usize,
    /// Options that suit them.
    pub options: SetId,
    /// Nodes that suit them.
    pub nodes: SetId,
    /// What one of them asks for: a position in [`Ground::shapes`].
    pub shape: u32,
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
    pub options: SetId,
    /// Nodes that suit it.
    pub nodes: SetId,
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
    /// What each identity means for the dealing.
    pub profiles: Vec<Profile>,
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
    /// Distinct requests.
    pub shapes: Vec<Vec<i64>>,
    /// Width of vectors.
    pub dims: usize,
    /// Whether pods are dealt one at a time, those who must be together whenever they can.
    pub by_turns: bool,
}

/// The table that pods are dealt out on.
struct Table {
    tallies: Vec<Tally>,
    wishes: Vec<Vec<u32>>,
    /// By key and value: what is dealt there is worth.
    loads: Vec<Vec<f64>>,
    /// By affinity rule over host names and key: the value where its pods are.
    homes: FastMap<(usize, usize), usize>,
}

/// One class while it is being dealt.
struct Subject {
    base: usize,
    places: Rc<Vec<Place>>,
    /// How many pods have been dealt to each place.
    taken: Vec<u64>,
    costs: Vec<f64>,
    /// The place of each pod dealt so far.
    dealt: Vec<u32>,
}

impl Ground<'_> {
    /// The values of a spread rule's key that count for its minimum (S-90): those of nodes that exist and pass its node
    /// filter, and of nodes that pods of this problem may cause and that pass it.
    fn eligible(&self, rule: usize, key: usize, wanted: &BitSet<OptionId>) -> Vec<bool> {
        let key = &self.domains.keys[key];
        let mut eligible = vec![false; key.values];
        if !matches!(self.rules.rules[rule].kind, Kind::Spread { .. }) {
            return eligible;
        }
        // Nodes and options that do not pass the filter have no value of the rule's key.
        for (node, value) in self.view.iter().zip(&key.views) {
            if let Some(value) = value.filter(|_| !node.deleting) {
                eligible[value as usize] = true;
            }
        }
        for option in wanted.iter() {
            if let Some(value) = key.options[option] {
                eligible[value as usize] = true;
            }
        }
        eligible
    }

    /// The tally of every rule before anything is dealt. O(rules x (options + nodes)).
    #[must_use]
    pub fn tallies(&self, sets: &Sets, bases: &[Base], standing: &Standing) -> Vec<Tally> {
        let wanted = wanted(self, sets, bases);
        let rules = self.rules.rules.iter().zip(&standing.by_domain).enumerate();
        rules
            .map(|(at, (rule, counts))| {
                let key = self.domains.key_of[at];
                let eligible = key.map(|key| self.eligible(at, key, &wanted));
                Tally::new(rule, counts, eligible.unwrap_or_default())
            })
            .collect()
    }

    /// Deals the pods of `bases` out and returns the parts, in the order of the classes. Classes without rules over domains
    /// come back whole. O(dealt pods x places x rules of the pod).
    #[must_use]
    pub fn assign(&self, sets: &mut Sets, bases: &[Base], tallies: &[Tally]) -> Vec<Part> {
        let heeds: Vec<Heed> = self.profiles.iter().map(|p| self.heed(p)).collect();
        let tallies = tallies.to_vec();
        let mut places = Places::default();
        let key_lists: Vec<Keys> = heeds.iter().map(|heed| places.keys(&heed.keys)).collect();
        let mut subjects: Vec<Option<Subject>> = Vec::with_capacity(bases.len());
        for (at, base) in bases.iter().enumerate() {
            let heed = &heeds[base.identity];
            subjects.push((!heed.keys.is_empty()).then(|| {
                let list = places.of(self, sets, base, key_lists[base.identity]);
                let cost = |place: &Place| match heed.together {
                    true => place.cost_of(base.pods.len()),
                    false => place.each,
                };
                Subject {
                    base: at,
                    taken: vec![0; list.len()],
                    costs: list.iter().map(cost).collect(),
                    places: list,
                    dealt: Vec::with_capacity(base.pods.len()),
                }
            }));
        }
        let wishes = self.wishes(&subjects, bases, &heeds);
        let keys = self.domains.keys.iter();
        let keys_loads: Vec<Vec<f64>> = keys.map(|key| vec![0.0; key.values]).collect();
        let mut order: Vec<&mut Subject> = subjects.iter_mut().flatten().collect();
        // Within a knot, pods with rules over host names go first: how the others share nodes is then all the same.
        order.sort_by_key(|subject| {
            let profile = &self.profiles[bases[subject.base].identity];
            let over_hosts = |rule: &usize| self.domains.key_of[*rule].is_none();
            (profile.phase, !profile.owned.iter().any(over_hosts))
        });
        let mut table = Table {
            tallies,
            wishes,
            loads: keys_loads,
            homes: FastMap::default(),
        };
        if self.by_turns {
            self.deal_by_turns(&mut order, bases, &heeds, &mut table);
        } else {
            loop {
                let mut progress = false;
                for subject in &mut order {
                    progress |= self.deal(subject, bases, &heeds, &mut table, usize::MAX) > 0;
                }
                if !progress {
                    break;
                }
            }
        }
        let split = (subjects.iter().flatten()).map(|one| one.places.len().min(one.dealt.len()));
        let mut parts = Vec::with_capacity(bases.len() + split.sum::<usize>());
        for (number, (base, subject)) in bases.iter().zip(subjects).enumerate() {
            match subject {
                None => parts.push(Part {
                    base: number,
                    options: base.options,
                    nodes: base.nodes,
                    pods: base.pods.clone(),
                    stands: Vec::new(),
                    held_back: false,
                }),
                Some(subject) => {
                    let heed = (&heeds[base.identity], key_lists[base.identity]);
                    self.parts(sets, &mut places, number, base, heed, subject, &mut parts);
                }
            }
        }
        parts
    }

    /// Deals up to `most` pods of `subject`, and returns how many found a place.
    fn deal(
        &self,
        subject: &mut Subject,
        bases: &[Base],
        heeds: &[Heed],
        table: &mut Table,
        most: usize,
    ) -> usize {
        let base = &bases[subject.base];
        let profile = &self.profiles[base.identity];
        let heed = &heeds[base.identity];
        let mut dealt = 0;
        while dealt < most && subject.dealt.len() < base.pods.len() {
            let waiting = base.pods.len() - subject.dealt.len();
            let Some(place) = self.choose(subject, profile, heed, table, waiting as u64) else {
                break;
            };
            self.record(subject, heed, place, table);
            dealt += 1;
        }
        dealt
    }

    /// Deals one pod at a time, first those that can go to one place only; after each, those who must share a node go as
    /// far as they can. O(pods x subjects x places x rules).
    fn deal_by_turns(
        &self,
        order: &mut [&mut Subject],
        bases: &[Base],
        heeds: &[Heed],
        table: &mut Table,
    ) {
        let bound = |subject: &Subject| !heeds[bases[subject.base].identity].shared.is_empty();
        let fixed = |subject: &Subject| subject.places.len() == 1 && !bound(subject);
        loop {
            for subject in order.iter_mut().filter(|subject| bound(subject)) {
                self.deal(subject, bases, heeds, table, usize::MAX);
            }
            let mut turn = |which: &dyn Fn(&Subject) -> bool| {
                let mut subjects = order.iter_mut().filter(|subject| which(subject));
                subjects.any(|subject| self.deal(subject, bases, heeds, table, 1) > 0)
            };
            if !turn(&fixed) && !turn(&|subject| !fixed(subject) && !bound(subject)) {
                return;
            }
        }
    }

    /// By affinity rule and value: how many classes with the rule could use that value. Targets prefer places where those
    /// who want to be near them can follow (W-19, W-23).
    fn wishes(
        &self,
        subjects: &[Option<Subject>],
        bases: &[Base],
        heeds: &[Heed],
    ) -> Vec<Vec<u32>> {
        let values = |key: &Option<usize>| key.map_or(0, |key| self.domains.keys[key].values);
        let mut wishes: Vec<Vec<u32>> = self
            .domains
            .key_of
            .iter()
            .map(|key| vec![0; values(key)])
            .collect();
        for subject in subjects.iter().flatten() {
            let heed = &heeds[bases[subject.base].identity];
            if !heed.together {
                continue;
            }
            for (rule, at) in &heed.owned {
                if self.rules.rules[*rule].kind != Kind::Affinity {
                    continue;
                }
                let places = subject.places.iter();
                let mut values: Vec<u32> = places.filter_map(|place| place.values[*at]).collect();
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
        subject: &Subject,
        profile: &Profile,
        heed: &Heed,
        table: &Table,
        waiting: u64,
    ) -> Option<usize> {
        let Table {
            tallies,
            wishes,
            loads,
            homes,
        } = table;
        let mut best: Option<(Rank, usize)> = None;
        for (at, place) in subject.places.iter().enumerate() {
            let free = place.free.saturating_sub(subject.taken[at]);
            // Who must share a node with others is where these are.
            let astray = heed.shared.iter().any(|rule| {
                at_values(heed, place)
                    .any(|(key, value)| homes.get(&(*rule, key)).is_some_and(|home| *home != value))
            });
            if astray
                || (free == 0 && !place.buyable)
                || !self.allowed(profile, heed, place, tallies)
            {
                continue;
            }
            // Where a spread does not count the pod it is as good as in the emptiest domain.
            let sum = |rules: &[(usize, usize)]| {
                let seen = rules.iter().map(|(rule, key)| {
                    let tally = &tallies[*rule];
                    match place.values[*key] {
                        Some(value) => tally.members[value as usize],
                        None => tally.least(),
                    }
                });
                seen.sum::<u32>()
            };
            let followers = heed
                .followed
                .iter()
                .filter_map(|(rule, key)| Some(wishes[*rule][place.values[*key]? as usize]));
            let rank = Rank {
                // Pods that must stay together start where all of them fit.
                cramped: heed.together && !place.buyable && free < waiting,
                uneven: sum(&heed.even),
                followers: followers.sum(),
                costs: free == 0,
                weight: if free == 0 { place.weight } else { 0 },
                cost: subject.costs[at],
                crowd: sum(&heed.spreads),
                load: match heed.spreads.is_empty() {
                    true => 0.0,
                    false => at_values(heed, place)
                        .map(|(key, value)| loads[key][value])
                        .sum(),
                },
            };
            if best.as_ref().is_none_or(|(held, _)| rank.better_than(held)) {
                best = Some((rank, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn allowed(&self, profile: &Profile, heed: &Heed, place: &Place, tallies: &[Tally]) -> bool {
        let own = heed.owned.iter().all(|(rule, at)| {
            let tally = &tallies[*rule];
            let value = place.values[*at].map(|value| value as usize);
            match (&self.rules.rules[*rule].kind, value) {
                (Kind::Spread { .. }, Some(value)) => {
                    tally.spread_allows(value, profile.counts(*rule))
                }
                (Kind::Affinity, Some(value)) => {
                    tally.members[value] > 0 || (tally.total == 0 && profile.counts(*rule))
                }
                (Kind::Anti, Some(value)) => tally.members[value] == 0,
                (Kind::Anti, None) => true,
                (Kind::Spread { .. } | Kind::Affinity, None) => false,
            }
        });
        own && heed.against.iter().all(|(rule, at)| {
            place.values[*at].is_none_or(|value| tallies[*rule].owners[value as usize] == 0)
        })
    }

    fn record(&self, subject: &mut Subject, heed: &Heed, at: usize, table: &mut Table) {
        let Table {
            tallies,
            loads,
            homes,
            ..
        } = table;
        let place = &subject.places[at];
        for rule in &heed.shared {
            for (key, value) in at_values(heed, place) {
                homes.entry((*rule, key)).or_insert(value);
            }
        }
        if place.each.is_finite() {
            at_values(heed, place).for_each(|(key, value)| loads[key][value] += place.each);
        }
        subject.dealt.push(u32::try_from(at).unwrap_or(u32::MAX));
        subject.taken[at] += 1;
        for (rule, key) in &heed.counted {
            if let Some(value) = place.values[*key] {
                tallies[*rule].add(value as usize);
            }
        }
        for (rule, key) in &heed.owned {
            if let Some(value) =
                place.values[*key].filter(|_| self.rules.rules[*rule].kind == Kind::Anti)
            {
                tallies[*rule].owners[value as usize] += 1;
            }
        }
    }

    fn parts(
        &self,
        sets: &mut Sets,
        places: &mut Places,
        number: usize,
        base: &Base,
        (heed, keys): (&Heed, Keys),
        subject: Subject,
        parts: &mut Vec<Part>,
    ) {
        let mut by_place: Vec<(u32, u32)> = subject
            .dealt
            .iter()
            .copied()
            .zip(base.pods.iter().copied())
            .collect();
        // Stable: the pods of a part stay in binding order.
        by_place.sort_by_key(|(place, _)| *place);
        for run in by_place.chunk_by(|a, b| a.0 == b.0) {
            let values = &subject.places[run[0].0 as usize].values;
            let (options, nodes) = places.sets_at(self, sets, base, keys, values);
            parts.push(Part {
                base: number,
                options,
                nodes,
                pods: run.iter().map(|(_, pod)| *pod).collect(),
                stands: stands(heed, values),
                held_back: false,
            });
        }
        let dealt = subject.dealt.len();
        if dealt < base.pods.len() {
            parts.push(self.held_back(sets, number, base.pods[dealt..].to_vec()));
        }
    }

    /// Pods for which no rule found a place.
    pub(super) fn held_back(&self, sets: &mut Sets, base: usize, pods: Vec<u32>) -> Part {
        Part {
            base,
            options: sets.options.intern(BitSet::new(self.table.options.len())),
            nodes: sets.nodes.intern(BitSet::new(self.rows.len())),
            pods,
            stands: Vec::new(),
            held_back: true,
        }
    }

    /// The rules over domains as numbers, for the check after packing.
    #[must_use]
    pub fn domain_rules(&self, tallies: &[Tally]) -> Vec<DomainRule> {
        let rules = self.rules.rules.iter().zip(tallies).enumerate();
        rules
            .map(|(at, (rule, tally))| {
                let standing = tally.members.clone();
                match (&rule.kind, self.domains.key_of[at]) {
                    (
                        Kind::Spread {
                            max_skew,
                            min_domains,
                            ..
                        },
                        Some(_),
                    ) => DomainRule::Spread {
                        max_skew: *max_skew,
                        min_domains: *min_domains,
                        eligible: tally.eligible().to_vec(),
                        standing,
                    },
                    (Kind::Affinity, Some(_)) => DomainRule::Affinity { standing },
                    _ => DomainRule::Settled,
                }
            })
            .collect()
    }
}
