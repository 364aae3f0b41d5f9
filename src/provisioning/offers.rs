//! Offerings, markets and groups: names to numbers, and what has failed lately.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backoff::{Backoff, BackoffPolicy, Gate};
use super::ids::{GroupId, MarketId, NodeId, OfferingId};
use super::output::{Offering, Unavailability};
use crate::base::rng::Rng;
use crate::base::time::Timestamp;
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::Name;

/// Instance type, capacity type, zone. Markets of one type stand together in this order, because a quota holds for all
/// of them.
type MarketKey = (Name, CapacityType, Name);

/// What a failure says about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Capacity of the offering's market.
    Market,
    /// All markets of its type and capacity type: a quota.
    Type,
    /// Its group.
    Group,
    /// The offering alone.
    Offering,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    offering: Offering,
    market: MarketId,
    group: GroupId,
    #[serde(default)]
    backoff: Backoff,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Market {
    key: MarketKey,
    #[serde(default)]
    backoff: Backoff,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GroupMemory {
    name: Name,
    #[serde(default)]
    backoff: Backoff,
}

/// The tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Offers {
    entries: Vec<Entry>,
    markets: Vec<Market>,
    groups: Vec<GroupMemory>,
    #[serde(skip)]
    by_offering: BTreeMap<(GroupId, MarketId), OfferingId>,
    #[serde(skip)]
    by_market: BTreeMap<MarketKey, MarketId>,
    #[serde(skip)]
    by_group: BTreeMap<Name, GroupId>,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn at<T>(list: &[T], number: u32) -> Option<&T> {
    list.get(usize::try_from(number).ok()?)
}

fn at_mut<T>(list: &mut [T], number: u32) -> Option<&mut T> {
    list.get_mut(usize::try_from(number).ok()?)
}

impl Offers {
    /// Makes the look-up tables again after reading a stored state.
    pub(super) fn rebuild(&mut self) {
        self.by_offering = (0..)
            .zip(&self.entries)
            .map(|(id, entry)| ((entry.group, entry.market), OfferingId(id)))
            .collect();
        self.by_market = (0..)
            .zip(&self.markets)
            .map(|(id, market)| (market.key.clone(), MarketId(id)))
            .collect();
        self.by_group = (0..)
            .zip(&self.groups)
            .map(|(id, group)| (Name::clone(&group.name), GroupId(id)))
            .collect();
    }

    /// The number of `offering`, and the price that a newer one has replaced.
    pub(super) fn intern(&mut self, offering: &Offering) -> (OfferingId, Option<Option<Price>>) {
        let group = match self.by_group.get(&offering.instance_group) {
            Some(id) => *id,
            None => {
                let id = GroupId(number(self.groups.len()));
                let name = Name::clone(&offering.instance_group);
                self.groups.push(GroupMemory {
                    name: Name::clone(&name),
                    backoff: Backoff::default(),
                });
                self.by_group.insert(name, id);
                id
            }
        };
        let key = (
            Name::clone(&offering.instance_type),
            offering.capacity_type,
            Name::clone(&offering.zone),
        );
        let market = match self.by_market.get(&key) {
            Some(id) => *id,
            None => {
                let id = MarketId(number(self.markets.len()));
                self.markets.push(Market {
                    key: key.clone(),
                    backoff: Backoff::default(),
                });
                self.by_market.insert(key, id);
                id
            }
        };
        if let Some(id) = self.by_offering.get(&(group, market)) {
            let entry = at_mut(&mut self.entries, id.0);
            let changed = entry.filter(|entry| entry.offering.price != offering.price);
            let old = changed.map(|e| std::mem::replace(&mut e.offering.price, offering.price));
            return (*id, old);
        }
        let id = OfferingId(number(self.entries.len()));
        self.entries.push(Entry {
            offering: offering.clone(),
            market,
            group,
            backoff: Backoff::default(),
        });
        self.by_offering.insert((group, market), id);
        (id, None)
    }

    pub(super) fn get(&self, id: OfferingId) -> Option<&Offering> {
        at(&self.entries, id.0).map(|entry| &entry.offering)
    }

    fn entry(&self, id: OfferingId) -> Option<(&Entry, &Market, &GroupMemory)> {
        let entry = at(&self.entries, id.0)?;
        Some((
            entry,
            at(&self.markets, entry.market.0)?,
            at(&self.groups, entry.group.0)?,
        ))
    }

    /// Whether anything keeps `id` from being tried, by what failed lately.
    pub(super) fn blocked(&self, id: OfferingId, now: Timestamp) -> Option<Unavailability> {
        let (entry, market, group) = self.entry(id)?;
        let gates = [&market.backoff, &group.backoff, &entry.backoff].map(|b| b.gate(now));
        let waits = gates.iter().filter_map(|gate| match gate {
            Gate::Wait(until) => Some(*until),
            Gate::Open | Gate::Probe | Gate::Probing => None,
        });
        waits.max().map(Unavailability::BackingOff).or_else(|| {
            gates
                .contains(&Gate::Probing)
                .then_some(Unavailability::Probing)
        })
    }

    fn backoffs(&mut self, id: OfferingId) -> impl Iterator<Item = &mut Backoff> {
        let entry = at_mut(&mut self.entries, id.0);
        let (market, group) = entry
            .as_ref()
            .map_or((MarketId(u32::MAX), GroupId(u32::MAX)), |e| {
                (e.market, e.group)
            });
        let market = at_mut(&mut self.markets, market.0).map(|m| &mut m.backoff);
        let group = at_mut(&mut self.groups, group.0).map(|g| &mut g.backoff);
        let own = entry.map(|e| &mut e.backoff);
        market.into_iter().chain(group).chain(own)
    }

    /// `node` is going to try `id`.
    pub(super) fn try_by(&mut self, id: OfferingId, node: NodeId, now: Timestamp) {
        self.backoffs(id).for_each(|b| b.try_by(node, now));
    }

    /// `node` does not try `id` any longer.
    pub(super) fn give_up(&mut self, id: OfferingId, node: NodeId) {
        self.backoffs(id).for_each(|b| b.give_up(node));
    }

    /// `id` has failed. Returns until when it waits and how often that has happened in a row.
    pub(super) fn fail(
        &mut self,
        id: OfferingId,
        scope: Scope,
        policy: &BackoffPolicy,
        now: Timestamp,
        rng: &mut Rng,
    ) -> (Timestamp, u32) {
        let Some(entry) = at_mut(&mut self.entries, id.0) else {
            return (now, 0);
        };
        let (market, group) = (entry.market, entry.group);
        let mut fail = |backoff: &mut Backoff| {
            let until = backoff.fail(policy, now, rng);
            (until, backoff.failures())
        };
        match scope {
            Scope::Offering => fail(&mut entry.backoff),
            Scope::Group => {
                at_mut(&mut self.groups, group.0).map_or((now, 0), |g| fail(&mut g.backoff))
            }
            Scope::Market => {
                at_mut(&mut self.markets, market.0).map_or((now, 0), |m| fail(&mut m.backoff))
            }
            Scope::Type => {
                let Some(key) = at(&self.markets, market.0).map(|m| m.key.clone()) else {
                    return (now, 0);
                };
                let first = (Name::clone(&key.0), key.1, Name::from(""));
                let alike: Vec<MarketId> = self
                    .by_market
                    .range(first..)
                    .take_while(|((name, capacity, _), _)| *name == key.0 && *capacity == key.1)
                    .map(|(_, id)| *id)
                    .collect();
                let mut latest = (now, 0);
                for id in alike {
                    if let Some(market) = at_mut(&mut self.markets, id.0) {
                        latest = latest.max(fail(&mut market.backoff));
                    }
                }
                latest
            }
        }
    }

    /// `id` has given an instance, a group's consent, or a working node.
    pub(super) fn succeed(&mut self, id: OfferingId, scope: Scope) {
        let Some(entry) = at_mut(&mut self.entries, id.0) else {
            return;
        };
        let (market, group) = (entry.market, entry.group);
        let found = match scope {
            Scope::Offering => Some(&mut entry.backoff),
            Scope::Group => at_mut(&mut self.groups, group.0).map(|g| &mut g.backoff),
            Scope::Market | Scope::Type => {
                at_mut(&mut self.markets, market.0).map(|m| &mut m.backoff)
            }
        };
        if let Some(backoff) = found
            && backoff.until().is_some()
        {
            backoff.succeed();
        }
    }

    /// All offerings.
    pub(super) fn all(&self) -> impl Iterator<Item = (OfferingId, &Offering)> {
        (0..)
            .zip(&self.entries)
            .map(|(id, entry)| (OfferingId(id), &entry.offering))
    }
}
