//! A fake of HyperPod's continuous provisioning, in virtual time and from a seed.
//!
//! It is written from what is documented of HyperPod and knows nothing of the machine that drives it: a group has a number
//! of nodes that are wanted, each with a logical id; HyperPod looks for an instance for each, again and again (H-31);
//! capacity is had or not per type, zone and capacity type; an instance runs its lifecycle script, joins, and may fail,
//! be replaced behind the same logical id (H-29), be reclaimed (H-39) or fall ill (H-43). Requests beyond the API's limits
//! are refused and remembered as [`Fake::violations`].
//!
//! Where the documentation gives no number, [`Weather`] has one.

mod api;
mod life;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::BatchAddClusterNodes;
use crate::provisioning::api::AddAnswer;
use crate::provisioning::events::ClusterEvent;
use crate::provisioning::input::KubeEvent;
use crate::sim::exact::{pairs, price};

/// An instance group of the fake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FakeGroup {
    /// Name.
    pub name: Name,
    /// Zones of its subnets.
    pub zones: Vec<Name>,
    /// Its types, in HyperPod's order of preference (H-35).
    pub instance_types: Vec<Name>,
    /// What it buys.
    pub capacity_type: CapacityType,
    /// Its status.
    pub status: Name,
    /// How many nodes HyperPod launches by itself before the group is in service (H-34).
    #[serde(default)]
    pub min_count: u32,
}

impl FakeGroup {
    /// A group that is in service.
    #[must_use]
    pub fn new(
        name: impl Into<Name>,
        zones: Vec<Name>,
        instance_types: Vec<Name>,
        capacity_type: CapacityType,
    ) -> Self {
        Self {
            name: name.into(),
            zones,
            instance_types,
            capacity_type,
            status: Name::from("InService"),
            min_count: 0,
        }
    }
}

/// How things go. Chances are in 1,000; spans are the longest, and vary down to a quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Weather {
    /// From a found instance to its lifecycle script.
    pub launch: Span,
    /// The lifecycle script.
    pub script: Span,
    /// From there to a Node.
    pub join: Span,
    /// From a registered Node to an initialized one.
    pub initialize: Span,
    /// From a deletion to the end of the instance.
    pub shut_down: Span,
    /// Between two looks for capacity.
    pub look_again: Span,
    /// Lifecycle scripts that fail (H-33).
    pub script_fails: u32,
    /// Instances that never join.
    pub never_joins: u32,
    /// Nodes that never initialize.
    pub never_initializes: u32,
    /// Instances that break some time after they joined, and are replaced (H-29).
    pub breaks: u32,
    /// Spot instances that are reclaimed some time after they joined (H-39).
    pub reclaimed: u32,
    /// Reclaims without notice.
    pub without_notice: u32,
    /// Nodes that fall ill some time after they joined: half of them heal, half are replaced (H-43).
    pub falls_ill: u32,
    /// How long after joining those things happen at the latest.
    pub trouble_within: Span,
    /// Deletions refused because the node is in use.
    pub in_use: u32,
    /// Calls that are throttled.
    pub throttled: u32,
    /// Cluster events that nobody gets; [`Fake::event_log`] has them.
    pub event_lost: u32,
    /// Cluster events that come twice.
    pub event_doubled: u32,
    /// How late cluster events come at most; so they overtake each other. Nothing is late while this is zero.
    pub event_late: Span,
}

impl Default for Weather {
    /// Nothing goes wrong; a node takes five to seven minutes at most (H-24).
    fn default() -> Self {
        Self {
            launch: Span::from_secs(90),
            script: Span::from_secs(180),
            join: Span::from_secs(60),
            initialize: Span::from_secs(60),
            shut_down: Span::from_secs(60),
            look_again: Span::from_secs(120),
            script_fails: 0,
            never_joins: 0,
            never_initializes: 0,
            breaks: 0,
            reclaimed: 0,
            without_notice: 0,
            falls_ill: 0,
            trouble_within: Span::from_secs(1800),
            in_use: 0,
            throttled: 0,
            event_lost: 0,
            event_doubled: 0,
            event_late: Span::ZERO,
        }
    }
}

/// Something the fake lets be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Signal {
    /// A cluster event; the weather may lose, double or delay them.
    Event(ClusterEvent),
    /// Something about a Node; a watch gives these in order and loses none.
    Kube(KubeEvent),
}

/// How many instances of a market there are over time: from each point on, that many.
type Steps = Vec<(Timestamp, u32)>;
/// Instance type, zone, capacity type.
type Market = (Name, Name, CapacityType);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Instance {
    id: Name,
    launched: Timestamp,
    /// Whether its lifecycle script has begun.
    scripted: bool,
    running: bool,
    joined: bool,
    registered: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FakeNode {
    group: Name,
    market: Market,
    instance: Option<Instance>,
    /// Whether HyperPod shows it as failed and tries again.
    failed: bool,
    /// When it is gone, once it is being deleted.
    ending: Option<Timestamp>,
    /// Tells apart what was planned for this instance from what was planned for an earlier one.
    epoch: u32,
}

/// One instance's time on the bill.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BillLine {
    #[serde(with = "price")]
    price: Price,
    logical: Name,
    group: Name,
    start: Timestamp,
    end: Option<Timestamp>,
}

/// A price that is stored exactly.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Exact(#[serde(with = "price")] Price);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    at: Timestamp,
    body: BatchAddClusterNodes,
    answer: AddAnswer,
}

/// What the fake will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Look,
    ScriptStarts,
    ScriptEnds,
    Joins,
    Initializes,
    Breaks,
    FallsIll,
    Heals,
    Notice,
    Reclaim,
    Gone,
    Drained,
    /// A group gives up its MinCount.
    RollsBack,
    /// A late event comes.
    Tells(Box<ClusterEvent>),
}

/// The fake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fake {
    now: Timestamp,
    rng: Rng,
    weather: Weather,
    groups: BTreeMap<Name, FakeGroup>,
    #[serde(with = "pairs")]
    prices: BTreeMap<(Name, CapacityType), Exact>,
    #[serde(with = "pairs")]
    capacity: BTreeMap<Market, (Steps, u32)>,
    quotas: BTreeMap<Name, u32>,
    nodes: BTreeMap<Name, FakeNode>,
    /// Nodes that groups wait for.
    min_counts: BTreeMap<Name, Vec<Name>>,
    by_instance: BTreeMap<Name, Name>,
    tokens: BTreeMap<Name, Token>,
    #[serde(with = "pairs")]
    agenda: BTreeMap<(Timestamp, u64), (Name, u32, Act)>,
    sequence: u64,
    signals: VecDeque<Signal>,
    log: Vec<ClusterEvent>,
    bill: BTreeMap<Name, BillLine>,
    removed: Vec<Name>,
    violations: Vec<String>,
    autoscaling: Name,
    /// Whether history is thrown away: events that were told, instances that ended.
    forgets: bool,
}

impl Fake {
    /// A cluster with these groups and all the capacity in the world.
    #[must_use]
    pub fn new(seed: u64, groups: Vec<FakeGroup>, weather: Weather, now: Timestamp) -> Self {
        Self {
            now,
            rng: Rng::new(seed).split(77),
            weather,
            groups: groups
                .into_iter()
                .map(|group| (Name::clone(&group.name), group))
                .collect(),
            prices: BTreeMap::new(),
            capacity: BTreeMap::new(),
            quotas: BTreeMap::new(),
            nodes: BTreeMap::new(),
            min_counts: BTreeMap::new(),
            by_instance: BTreeMap::new(),
            tokens: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            signals: VecDeque::new(),
            log: Vec::new(),
            bill: BTreeMap::new(),
            removed: Vec::new(),
            violations: Vec::new(),
            autoscaling: Name::from("InService"),
            forgets: false,
        }
    }

    /// From now on the past is thrown away, so that memory does not grow with it: [`event_log`](Self::event_log) stays empty,
    /// and [`bill`](Self::bill) tells of running instances only.
    pub fn forget(&mut self) {
        self.forgets = true;
    }

    /// A spot instance gets its interruption notice now. Returns whether there is such an instance in service.
    pub fn interrupt(&mut self, logical_id: &str) -> bool {
        let Some((logical, node)) = self.nodes.get_key_value(logical_id) else {
            return false;
        };
        let spot = node.market.2 == CapacityType::Spot;
        if !spot || node.ending.is_some() || !node.instance.as_ref().is_some_and(|i| i.joined) {
            return false;
        }
        let (logical, epoch) = (Name::clone(logical), node.epoch);
        self.plan(&logical, epoch, self.now, Act::Notice);
        true
    }

    /// The price of a type per hour; types without one cost nothing.
    pub fn set_price(&mut self, instance_type: &Name, capacity_type: CapacityType, price: Price) {
        self.prices
            .insert((Name::clone(instance_type), capacity_type), Exact(price));
    }

    /// How many instances a market has from each point in time on; without this it never runs dry.
    pub fn set_capacity(
        &mut self,
        instance_type: &Name,
        zone: &Name,
        capacity_type: CapacityType,
        mut steps: Vec<(Timestamp, u32)>,
    ) {
        steps.sort_unstable();
        let market = (Name::clone(instance_type), Name::clone(zone), capacity_type);
        let used = self.capacity.get(&market).map_or(0, |(_, used)| *used);
        self.capacity.insert(market, (steps, used));
    }

    /// The service quota of a type.
    pub fn set_quota(&mut self, instance_type: &Name, quota: u32) {
        self.quotas.insert(Name::clone(instance_type), quota);
    }

    /// All quotas are raised beyond need.
    pub fn lift_quotas(&mut self) {
        self.quotas.clear();
    }

    /// The status of a group.
    pub fn set_group_status(&mut self, group: &str, status: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.status = Name::from(status);
        }
    }

    /// `AutoScaling.Status` in the cluster's record; with `Disabled` its mode is `Disable` and it has no status.
    pub fn set_autoscaling(&mut self, status: &str) {
        self.autoscaling = Name::from(status);
    }

    /// How things go from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// The next thing that is to be known.
    pub fn signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    /// All cluster events so far, as `ListClusterEvents` would give them.
    #[must_use]
    pub fn event_log(&self) -> &[ClusterEvent] {
        &self.log
    }

    /// Requests that broke a limit of the API.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Logical ids that have gone since the last call.
    pub fn take_removed(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.removed)
    }

    /// Logical ids there are, those being deleted included.
    pub fn logical_ids(&self) -> impl Iterator<Item = &Name> {
        self.nodes.keys()
    }

    /// Whether `logical_id` is wanted: it is there and not being deleted.
    #[must_use]
    pub fn is_wanted(&self, logical_id: &str) -> bool {
        self.nodes
            .get(logical_id)
            .is_some_and(|node| node.ending.is_none())
    }

    /// What the instances of each logical id have cost up to now, in 10^-15 $ ms / h, with the group; one entry per instance.
    pub fn bill(&self) -> impl Iterator<Item = (&Name, &Name, i128)> {
        self.bill.values().map(|line| {
            let millis = line.end.unwrap_or(self.now).since(line.start).as_millis();
            let amount = line.price.as_femto().saturating_mul(i128::from(millis));
            (&line.logical, &line.group, amount)
        })
    }

    fn plan(&mut self, logical: &Name, epoch: u32, at: Timestamp, act: Act) {
        self.sequence += 1;
        self.agenda
            .insert((at, self.sequence), (Name::clone(logical), epoch, act));
    }

    /// A time from now: between a quarter of `longest` and all of it.
    fn soon(&mut self, longest: Span) -> Timestamp {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(0).max(4);
        let least = millis / 4;
        let wait = least + self.rng.below(millis - least + 1);
        self.now
            .plus(Span::from_millis(i64::try_from(wait).unwrap_or(0)))
    }

    fn chance(&mut self, in_thousand: u32) -> bool {
        in_thousand > 0 && self.rng.below(1000) < u64::from(in_thousand)
    }
}

#[cfg(test)]
mod tests;
