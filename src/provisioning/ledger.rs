//! What nodes cost (H-33; blog-table row 16): per logical id from the start of the lifecycle script to the start of its
//! termination, for each instance that stood behind it. Instances that never began cost nothing.
//!
//! Times come from events and from launch times in records; where the end of an instance was only noticed, the time of
//! noticing stands until the event arrives. So events may be late, doubled or in any order: once all have been given
//! (`ListClusterEvents` has them), the ledger is exact. An account is closed for corrections a day after its node went.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::events::{ClusterEvent, EventKind};
use super::exact;
use crate::base::time::{Span, Timestamp};
use crate::model::price::Price;
use crate::model::resources::Name;

/// How long a closed account still takes corrections.
const OPEN_TO_CORRECTIONS: Span = Span::from_secs(24 * 3600);
const MILLIS_PER_HOUR: i128 = 3_600_000;

/// An exact amount: price per hour times milliseconds, in 10^-15 $ ms / h.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Amount(#[serde(with = "exact::integer")] i128);

impl Amount {
    /// `price` per hour for `span`; 0 for a negative span.
    #[must_use]
    pub fn of(price: Price, span: Span) -> Self {
        let millis = i128::from(span.as_millis().max(0));
        Self(price.as_femto().saturating_mul(millis))
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left when `other` is taken off.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// In 10^-15 $ ms / h.
    #[must_use]
    pub fn exact(self) -> i128 {
        self.0
    }

    /// In dollars, rounded down to 10^-15.
    #[must_use]
    pub fn dollars(self) -> Price {
        Price::from_femto(self.0 / MILLIS_PER_HOUR)
    }
}

/// Sums of money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// In all.
    pub total: Amount,
    /// By NodePool.
    pub pools: BTreeMap<Name, Amount>,
    /// By instance group.
    pub groups: BTreeMap<Name, Amount>,
    /// By workload: a node's cost is shared by the pods it was bought for. Nodes bought for none are not in here.
    pub workloads: BTreeMap<Name, Amount>,
    /// Time of nodes whose price is unknown, in milliseconds; it is in no sum.
    pub unpriced_millis: i64,
}

/// A time, and whether it was told or only noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at: Timestamp,
    told: bool,
}

/// One instance behind a logical id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stay {
    instance: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Mark>,
}

impl Stay {
    fn span(&self, now: Timestamp) -> Span {
        let end = self.end.map_or(now, |end| end.at);
        self.start.map_or(Span::ZERO, |start| end.since(start.at))
    }
}

/// For whom a node was bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Purpose {
    pub(super) pool: Name,
    pub(super) group: Name,
    #[serde(with = "exact::price")]
    pub(super) price: Option<Price>,
    /// Workloads with how many pods of each.
    pub(super) workloads: Vec<(Name, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    purpose: Purpose,
    stays: Vec<Stay>,
}

/// The accounts of all nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ledger {
    accounts: BTreeMap<Name, Account>,
    /// Accounts of nodes that went, by when.
    closed: BTreeSet<(Timestamp, Name)>,
    settled: Totals,
}

impl Ledger {
    /// What has been spent up to `now`. O(accounts that are open or were closed within a day).
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> Totals {
        let mut totals = self.settled.clone();
        for account in self.accounts.values() {
            add(&mut totals, account, now);
        }
        totals
    }

    /// What the node `logical_id` has cost up to `now`; `None` if there is no open account of it.
    #[must_use]
    pub fn cost(&self, logical_id: &str, now: Timestamp) -> Option<Amount> {
        let account = self.accounts.get(logical_id)?;
        let price = account.purpose.price.unwrap_or(Price::ZERO);
        let stays = account.stays.iter();
        Some(stays.fold(Amount::default(), |sum, stay| {
            sum.plus(Amount::of(price, stay.span(now)))
        }))
    }

    /// Opens the account of a node, or changes for whom it is.
    pub(super) fn open(&mut self, logical_id: &Name, purpose: Purpose) {
        match self.accounts.get_mut(logical_id) {
            Some(account) => account.purpose = purpose,
            None => {
                let stays = Vec::new();
                self.accounts
                    .insert(Name::clone(logical_id), Account { purpose, stays });
            }
        }
    }

    /// Whether there is an open account of the node `logical_id`, or one that still takes corrections.
    #[must_use]
    pub fn knows(&self, logical_id: &str) -> bool {
        self.accounts.contains_key(logical_id)
    }

    /// Takes in what an event says of an instance's time. Events may come late, twice and in any order. An event that is
    /// later than `now` counts as of now.
    pub(crate) fn hear(&mut self, event: &ClusterEvent, now: Timestamp) {
        let at = event.event_time.min(now);
        if let (Some(logical), Some(instance)) = (&event.node_logical_id, &event.instance_id) {
            match event.kind() {
                EventKind::LifecycleStarted => self.started(logical, instance, at),
                EventKind::Terminating => self.ended(logical, instance, at),
                EventKind::InsufficientCapacity
                | EventKind::LifecycleSucceeded
                | EventKind::LifecycleFailed
                | EventKind::InstanceFailed
                | EventKind::Group
                | EventKind::Cluster
                | EventKind::Unknown => {}
            }
        }
    }

    /// The lifecycle script of `instance` began at `at`.
    pub(super) fn started(&mut self, logical_id: &str, instance: &Name, at: Timestamp) {
        if let Some(stay) = self.stay(logical_id, instance) {
            let at = stay.start.map_or(at, |known| known.at.min(at));
            stay.start = Some(Mark { at, told: true });
        }
    }

    /// `instance` began to terminate at `at`.
    pub(super) fn ended(&mut self, logical_id: &str, instance: &Name, at: Timestamp) {
        if let Some(stay) = self.stay(logical_id, instance) {
            let told = stay.end.filter(|known| known.told);
            let at = told.map_or(at, |known| known.at.min(at));
            stay.end = Some(Mark { at, told: true });
        }
    }

    /// At `now` none but `instance` stands behind the node.
    pub(super) fn only(&mut self, logical_id: &str, instance: Option<&Name>, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(logical_id) else {
            return;
        };
        for stay in &mut account.stays {
            if Some(&stay.instance) != instance && stay.end.is_none() {
                stay.end = Some(Mark {
                    at: now,
                    told: false,
                });
            }
        }
    }

    /// The node is gone.
    pub(super) fn close(&mut self, logical_id: &Name, now: Timestamp) {
        self.only(logical_id, None, now);
        self.closed.insert((now, Name::clone(logical_id)));
    }

    /// Adds accounts to the sums that are past correction.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some((closed, logical_id)) = self.closed.first() {
            if now.since(*closed) < OPEN_TO_CORRECTIONS {
                break;
            }
            if let Some(account) = self.accounts.remove(logical_id) {
                add(&mut self.settled, &account, now);
            }
            self.closed.pop_first();
        }
    }

    fn stay(&mut self, logical_id: &str, instance: &Name) -> Option<&mut Stay> {
        let stays = &mut self.accounts.get_mut(logical_id)?.stays;
        let at = match stays.iter().position(|stay| stay.instance == *instance) {
            Some(at) => at,
            None => {
                stays.push(Stay {
                    instance: Name::clone(instance),
                    start: None,
                    end: None,
                });
                stays.len() - 1
            }
        };
        stays.get_mut(at)
    }
}

fn add(totals: &mut Totals, account: &Account, now: Timestamp) {
    let purpose = &account.purpose;
    let Some(price) = purpose.price else {
        for stay in &account.stays {
            let millis = stay.span(now).as_millis().max(0);
            totals.unpriced_millis = totals.unpriced_millis.saturating_add(millis);
        }
        return;
    };
    let stays = account.stays.iter();
    let amount = stays.fold(Amount::default(), |sum, stay| {
        sum.plus(Amount::of(price, stay.span(now)))
    });
    if amount == Amount::default() {
        return;
    }
    totals.total = totals.total.plus(amount);
    credit(&mut totals.pools, &purpose.pool, amount);
    credit(&mut totals.groups, &purpose.group, amount);
    // Shares are rounded down; the last workload takes what is left, so that shares add up to the node.
    let pods: i128 = purpose.workloads.iter().map(|(_, n)| i128::from(*n)).sum();
    let mut left = amount.0;
    for (at, (workload, count)) in purpose.workloads.iter().enumerate() {
        let last = at + 1 == purpose.workloads.len();
        let share = if last || pods == 0 {
            left
        } else {
            amount.0 / pods * i128::from(*count)
        };
        left -= share;
        credit(&mut totals.workloads, workload, Amount(share));
    }
}

fn credit(sums: &mut BTreeMap<Name, Amount>, name: &Name, amount: Amount) {
    match sums.get_mut(name) {
        Some(sum) => *sum = sum.plus(amount),
        None => {
            sums.insert(Name::clone(name), amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn name(text: &str) -> Name {
        Name::from(text)
    }

    fn ledger(price: &str) -> Ledger {
        let mut ledger = Ledger::default();
        let purpose = Purpose {
            pool: name("pool"),
            group: name("group"),
            price: price.parse().ok(),
            workloads: vec![(name("a"), 1), (name("b"), 2)],
        };
        ledger.open(&name("l-1"), purpose);
        ledger
    }

    #[test]
    fn a_node_costs_from_lifecycle_start_to_termination_h33() {
        let mut ledger = ledger("3.6");
        assert_eq!(
            ledger.totals(at(999)).total,
            Amount::default(),
            "no instance yet"
        );
        ledger.started("l-1", &name("i-1"), at(100));
        assert_eq!(
            ledger.totals(at(200)).total.dollars(),
            "0.1".parse().unwrap()
        );
        ledger.ended("l-1", &name("i-1"), at(300));
        ledger.started("l-1", &name("i-2"), at(400));
        let totals = ledger.totals(at(500));
        assert_eq!(totals.total.dollars(), "0.3".parse().unwrap());
        assert_eq!(totals.pools["pool"], totals.total);
        assert_eq!(totals.groups["group"], totals.total);
        assert_eq!(totals.workloads["a"].dollars(), "0.1".parse().unwrap());
        let shares = totals.workloads["a"].plus(totals.workloads["b"]);
        assert_eq!(shares, totals.total);
    }

    #[test]
    fn late_and_doubled_events_correct_what_was_only_noticed_h33() {
        let mut ledger = ledger("1");
        ledger.ended("l-1", &name("i-1"), at(300));
        assert_eq!(
            ledger.totals(at(900)).total,
            Amount::default(),
            "no start known"
        );
        for _ in 0..2 {
            ledger.started("l-1", &name("i-1"), at(100));
            ledger.only("l-1", Some(&name("i-2")), at(700));
            ledger.started("l-1", &name("i-2"), at(400));
        }
        ledger.close(&name("l-1"), at(800));
        let price: Price = "1".parse().unwrap();
        let noticed = Amount::of(price, Span::from_secs(200 + 400));
        assert_eq!(ledger.totals(at(9000)).total, noticed);
        ledger.ended("l-1", &name("i-2"), at(500));
        let told = Amount::of(price, Span::from_secs(200 + 100));
        assert_eq!(ledger.totals(at(9000)).total, told);
        ledger.settle(at(800 + 24 * 3600));
        assert!(ledger.accounts.is_empty());
        ledger.ended("l-1", &name("i-2"), at(400));
        assert_eq!(ledger.totals(at(99_999_999)).total, told);
    }

    #[test]
    fn unknown_prices_are_time_and_not_money_m9() {
        let mut ledger = ledger("not known");
        ledger.started("l-1", &name("i-1"), at(1));
        let totals = ledger.totals(at(3));
        assert_eq!(
            (totals.total, totals.unpriced_millis),
            (Amount::default(), 2000)
        );
        assert!(totals.pools.is_empty());
    }
}
