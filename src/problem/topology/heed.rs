//! What pods of one kind have to heed when they are dealt out, and how good a place is for them.

use std::cmp::Reverse;

use super::assign::Ground;
use super::domains::Value;
use super::phases::Profile;
use super::places::Place;
use super::rules::Kind;
use crate::problem::Stand;

/// What pods of one identity have to heed: rules with the position of their key among `keys`.
#[derive(Debug, Default)]
pub(super) struct Heed {
    pub(super) keys: Vec<usize>,
    /// Rules that the pods have.
    pub(super) owned: Vec<(usize, usize)>,
    /// Rules that count the pods.
    pub(super) counted: Vec<(usize, usize)>,
    /// Anti-affinity rules that speak of the pods.
    pub(super) against: Vec<(usize, usize)>,
    /// Spreads that count the pods without being theirs: nothing tests where they go, so they go where it is emptiest.
    pub(super) even: Vec<(usize, usize)>,
    /// Affinity rules that speak of the pods: those who follow.
    pub(super) followed: Vec<(usize, usize)>,
    /// Spreads among `owned`.
    pub(super) spreads: Vec<(usize, usize)>,
    /// Whether the pods must be near others.
    pub(super) together: bool,
    /// Affinity rules over host names by which they must share a node with each other.
    pub(super) shared: Vec<usize>,
}

impl Ground<'_> {
    pub(super) fn heed(&self, profile: &Profile) -> Heed {
        let keyed = |rule: &usize| self.domains.key_of[*rule].map(|key| (*rule, key));
        let kind = |rule: usize| &self.rules.rules[rule].kind;
        let owned: Vec<(usize, usize)> = profile.owned.iter().filter_map(keyed).collect();
        let counted: Vec<(usize, usize)> = profile.counted.iter().filter_map(keyed).collect();
        let mut keys: Vec<usize> = owned.iter().chain(&counted).map(|(_, key)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        let place_of = |(rule, key): &(usize, usize)| (*rule, keys.binary_search(key).unwrap_or(0));
        let owned: Vec<(usize, usize)> = owned.iter().map(place_of).collect();
        let counted: Vec<(usize, usize)> = counted.iter().map(place_of).collect();
        let chosen = |from: &[(usize, usize)], which: &dyn Fn(usize) -> bool| {
            let all = from.iter().copied();
            all.filter(|(rule, _)| which(*rule)).collect::<Vec<_>>()
        };
        let is_spread = |rule: usize| matches!(kind(rule), Kind::Spread { .. });
        Heed {
            against: chosen(&counted, &|rule| *kind(rule) == Kind::Anti),
            even: chosen(&counted, &|rule| is_spread(rule) && !profile.owns(rule)),
            followed: chosen(&counted, &|rule| *kind(rule) == Kind::Affinity),
            spreads: chosen(&owned, &is_spread),
            together: owned.iter().any(|(rule, _)| *kind(*rule) == Kind::Affinity),
            shared: profile
                .owned
                .iter()
                .copied()
                .filter(|rule| {
                    self.domains.key_of[*rule].is_none()
                        && *kind(*rule) == Kind::Affinity
                        && profile.counts(*rule)
                })
                .collect(),
            keys,
            owned,
            counted,
        }
    }
}

/// The keys and values of `place`.
pub(super) fn at_values<'h>(
    heed: &'h Heed,
    place: &'h Place,
) -> impl Iterator<Item = (usize, usize)> + 'h {
    let pairs = heed.keys.iter().zip(&place.values);
    pairs.filter_map(|(key, value)| Some((*key, (*value)? as usize)))
}

/// What pods with `heed` mean for rules over domains when they stand at `values`, by rule.
pub(super) fn stands(heed: &Heed, values: &[Value]) -> Vec<Stand> {
    let mut stands: Vec<Stand> = Vec::new();
    for (member, (rule, key)) in heed
        .counted
        .iter()
        .map(|at| (true, at))
        .chain(heed.owned.iter().map(|at| (false, at)))
    {
        let rule = u32::try_from(*rule).unwrap_or(u32::MAX);
        let Some(value) = values[*key] else { continue };
        match stands.iter_mut().find(|stand| stand.rule == rule) {
            Some(held) => held.owner = true,
            None => stands.push(Stand {
                rule,
                value,
                owner: !member,
                member,
            }),
        }
    }
    stands.sort_unstable_by_key(|stand| stand.rule);
    stands
}

/// How good a place is; compared field by field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rank {
    pub(super) cramped: bool,
    pub(super) uneven: u32,
    pub(super) followers: u32,
    pub(super) costs: bool,
    pub(super) weight: u32,
    pub(super) cost: f64,
    pub(super) crowd: u32,
    /// For pods that spread: what is dealt there is worth. Equal numbers of pods are not equal sizes.
    pub(super) load: f64,
}

impl Rank {
    pub(super) fn better_than(&self, other: &Self) -> bool {
        let key = |r: &Self| {
            let (followers, weight) = (Reverse(r.followers), Reverse(r.weight));
            (r.cramped, r.uneven, followers, r.costs, weight)
        };
        key(self)
            .cmp(&key(other))
            .then_with(|| self.cost.total_cmp(&other.cost))
            .then_with(|| self.crowd.cmp(&other.crowd))
            .then_with(|| self.load.total_cmp(&other.load))
            .is_lt()
    }
}
