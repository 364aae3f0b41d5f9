//! The cluster, the pods and the trouble of a seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, NODES, Name, ResourceList};
use crate::plan::{ChosenOffering, PlannedClaim};
use crate::provisioning::BackoffPolicy;
use crate::provisioning::config::{ClassConfig, Config, GroupConfig, PoolConfig, SharedLimit};
use crate::sim::hyperpod::{Fake, FakeGroup, Weather};

/// Types with CPUs and on-demand price; spot costs a third.
const TYPES: [(&str, i64, &str); 3] = [
    ("ml.c5.4xlarge", 16, "0.816"),
    ("ml.m5.4xlarge", 16, "0.922"),
    ("ml.g5.12xlarge", 48, "7.09"),
];
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// When runs begin.
pub(super) const START: i64 = 1_767_225_600_000;

/// How often each kind of trouble comes, in 1,000.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    /// Calls that are refused as a whole before they take effect.
    pub(super) refused: u32,
    /// Calls that take effect and whose answer is lost.
    pub(super) answer_lost: u32,
    /// Calls that are lost before they take effect.
    pub(super) call_lost: u32,
    /// Calls that fail on the other side.
    pub(super) internal: u32,
    /// Listings that are lost.
    pub(super) listing_lost: u32,
}

/// Something that happens to the cluster at a time.
#[derive(Debug, Clone)]
pub(super) enum Blow {
    GroupStatus(Name, &'static str),
    MinCount(Name, u32),
    Autoscaling(&'static str),
    Withdraw(usize),
    Remove(u64),
    /// Somebody edits a pool or a class; when the trouble ends it is as it was.
    Edit(u64),
}

/// Instance type, zone, capacity type.
pub(super) type Market = (Name, Name, CapacityType);

/// A pool of the world with what it may buy.
#[derive(Debug, Clone)]
pub(super) struct WorldPool {
    pub(super) name: Name,
    /// All ways to buy, cheapest first.
    pub(super) offerings: Vec<ChosenOffering>,
}

pub(super) struct World {
    pub(super) fake: Fake,
    pub(super) config: Config,
    /// The configuration without edits.
    pub(super) lasting: Config,
    pub(super) pools: Vec<WorldPool>,
    pub(super) trouble: Trouble,
    /// Markets that have capacity once the trouble is over: at least one for each pool. The others may stay dry for ever.
    pub(super) wet: BTreeSet<Market>,
    /// When the trouble ends.
    pub(super) calm_at: Timestamp,
    pub(super) blows: Vec<(Timestamp, Blow)>,
    /// How often a pool's claims fill the places that it has for nodes on their way.
    pub(super) rounds: u64,
    /// Whether a group is to wait for its MinCount (H-34).
    pub(super) has_min_count: bool,
    /// Claims with the time at which they are planned.
    pub(super) plans: Vec<(Timestamp, Vec<PlannedClaim>)>,
}

fn name(text: &str) -> Name {
    Name::from(text)
}

fn minutes(count: u64) -> Span {
    Span::from_secs(i64::try_from(count).unwrap_or(0) * 60)
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed).split(1);
        let start = Timestamp::from_millis(START);
        let calm_at = start.plus(minutes(20 + rng.below(40)));
        let groups = groups(&mut rng);
        let weather = weather(&mut rng);
        let mut fake = Fake::new(seed, groups.clone(), weather, start);
        let mut config = config(&groups, &mut rng);
        for (instance_type, cpus, price) in TYPES {
            let capacity = [(CPU, Quantity::from_units(cpus))].into_iter().collect();
            config.types.insert(name(instance_type), capacity);
            let price: Price = price.parse().unwrap_or(Price::ZERO);
            let spot = Price::from_femto(price.as_femto() / 3);
            fake.set_price(&name(instance_type), CapacityType::OnDemand, price);
            fake.set_price(&name(instance_type), CapacityType::Spot, spot);
        }
        let pools = pools(&config, &groups);
        let wet = dry_spells(&mut fake, &groups, &pools, calm_at, &mut rng);
        if rng.below(5) == 0 {
            let instance_type = name(TYPES[0].0);
            let quota = 2 + u32::try_from(rng.below(6)).unwrap_or(0);
            fake.set_quota(&instance_type, quota);
            // The machine's figure may be out of date: then the API refuses.
            let known = quota + u32::from(rng.below(2) == 0) * 2;
            config.quotas.per_type.insert(instance_type, known);
        }
        if rng.below(8) == 0 {
            config.quotas.total = Some(3 + u32::try_from(rng.below(12)).unwrap_or(0));
        }
        let blows = blows(&groups, calm_at, &mut rng);
        let plans = plans(&pools, calm_at, &mut rng);
        let of = |pool: &PoolConfig| {
            let claims = plans.iter().flat_map(|(_, claims)| claims);
            let claims = claims.filter(|claim| claim.node_pool == pool.name).count();
            claims as u64 / u64::from(pool.max_in_flight.max(1))
        };
        let rounds = config.pools.iter().map(of).max().unwrap_or(0);
        let has_min_count = blows
            .iter()
            .any(|(_, blow)| matches!(blow, Blow::MinCount(..)));
        Self {
            fake,
            lasting: config.clone(),
            config,
            pools,
            trouble: trouble(&mut rng),
            wet,
            calm_at,
            blows,
            rounds,
            has_min_count,
            plans,
        }
    }
}

fn groups(rng: &mut Rng) -> Vec<FakeGroup> {
    let count = 1 + rng.below(4);
    (0..count)
        .map(|at| {
            let flexible = rng.below(4) == 0;
            let (first, zone) = (rng.below(3), rng.below(3));
            let pick = |list: &[&str], from: u64, many: bool| -> Vec<Name> {
                let count = if many { 2 } else { 1 };
                (0..count)
                    .filter_map(|n| list.get(usize::try_from((from + n) % 3).unwrap_or(0)))
                    .map(|text| name(text))
                    .collect()
            };
            let types: Vec<&str> = TYPES.iter().map(|(name, ..)| *name).collect();
            let capacity_type = if rng.below(3) == 0 {
                CapacityType::Spot
            } else {
                CapacityType::OnDemand
            };
            FakeGroup::new(
                format!("group-{at}"),
                pick(&ZONES, zone, flexible),
                pick(&types, first, flexible),
                capacity_type,
            )
        })
        .collect()
}

fn config(groups: &[FakeGroup], rng: &mut Rng) -> Config {
    let groups_of = groups
        .iter()
        .map(|g| {
            GroupConfig::new(
                Name::clone(&g.name),
                g.zones.clone(),
                g.instance_types.clone(),
            )
        })
        .collect();
    let mut config = Config {
        cluster_name: name("fake"),
        groups: groups_of,
        ..Config::default()
    };
    let all: Vec<Name> = groups.iter().map(|g| Name::clone(&g.name)).collect();
    let pools = 1 + rng.below(2);
    for at in 0..pools {
        let class = format!("class-{at}");
        // The second class may see fewer groups than the first.
        let skip = usize::from(at > 0 && all.len() > 1 && rng.below(2) == 0);
        config
            .classes
            .push(ClassConfig::new(class.as_str(), all[skip..].to_vec()));
        let mut pool = PoolConfig::new(format!("pool-{at}"), class.as_str());
        if rng.below(3) == 0 {
            let nodes = Quantity::from_units(2 + i64::try_from(rng.below(6)).unwrap_or(0));
            pool.limits = [(NODES, nodes)].into_iter().collect();
        }
        if rng.below(4) == 0 {
            let cpus = Quantity::from_units(32 + i64::try_from(rng.below(160)).unwrap_or(0));
            pool.limits.set(CPU, cpus);
        }
        if rng.below(5) == 0 {
            pool.price_cap = Some(Price::from_femto(
                i128::from(1 + rng.below(12)) * 1_000_000_000_000_000,
            ));
        }
        pool.max_in_flight = 2 + u32::try_from(rng.below(20)).unwrap_or(0);
        pool.hold = minutes(1 + rng.below(6));
        if rng.below(3) == 0 {
            pool.grace = Some(minutes(1 + rng.below(5)));
        }
        if rng.below(2) == 0 {
            pool.repair_after = Some(minutes(5 + rng.below(20)));
        }
        config.pools.push(pool);
    }
    if rng.below(4) == 0 {
        let cpus = Quantity::from_units(48 + i64::try_from(rng.below(200)).unwrap_or(0));
        let shared = SharedLimit {
            name: name("both"),
            pools: config.pools.iter().map(|p| Name::clone(&p.name)).collect(),
            limits: [(CPU, cpus)].into_iter().collect(),
        };
        config.shared_limits.push(shared);
    }
    if rng.below(6) == 0 {
        config.price_cap = Some(Price::from_femto(
            i128::from(2 + rng.below(20)) * 1_000_000_000_000_000,
        ));
    }
    config.capacity_backoff = BackoffPolicy::new(
        Span::from_secs(30 + i64::try_from(rng.below(150)).unwrap_or(0)),
        minutes(10),
    );
    config
}

fn weather(rng: &mut Rng) -> Weather {
    let mut weather = Weather::default();
    let mut level = |most: u64| u32::try_from(rng.below(2) * rng.below(most)).unwrap_or(0);
    weather.script_fails = level(300);
    weather.never_joins = level(200);
    weather.never_initializes = level(150);
    weather.breaks = level(300);
    weather.reclaimed = level(500);
    weather.without_notice = level(600);
    weather.falls_ill = level(200);
    weather.in_use = level(400);
    weather.throttled = level(300);
    weather.event_lost = level(500);
    weather.event_doubled = level(300);
    weather.event_late = minutes(rng.below(2) * rng.below(4));
    weather
}

fn trouble(rng: &mut Rng) -> Trouble {
    let mut level = |most: u64| u32::try_from(rng.below(2) * rng.below(most)).unwrap_or(0);
    Trouble {
        refused: level(60),
        answer_lost: level(300),
        call_lost: level(200),
        internal: level(150),
        listing_lost: level(400),
    }
}

/// Markets without capacity: from the start, for a while, or with little of it. From the calm on there is plenty in those
/// that are returned: one for each pool, and two in three of the rest.
fn dry_spells(
    fake: &mut Fake,
    groups: &[FakeGroup],
    pools: &[WorldPool],
    calm_at: Timestamp,
    rng: &mut Rng,
) -> BTreeSet<Market> {
    let start = Timestamp::from_millis(START);
    let sure = pools.iter().filter_map(|pool| rng.choose(&pool.offerings));
    let mut wet: BTreeSet<Market> = sure.map(market).collect();
    for group in groups {
        for zone in &group.zones {
            for instance_type in &group.instance_types {
                let market = (
                    Name::clone(instance_type),
                    Name::clone(zone),
                    group.capacity_type,
                );
                if rng.below(3) > 0 {
                    wet.insert(market.clone());
                }
                let after = if wet.contains(&market) { u32::MAX } else { 0 };
                let mut steps = vec![(calm_at, after)];
                match rng.below(4) {
                    0 => steps.push((start, 0)),
                    1 => {
                        let few = u32::try_from(rng.below(4)).unwrap_or(0);
                        steps.push((start, few));
                    }
                    2 => {
                        let from = start.plus(minutes(rng.below(10)));
                        steps.push((start, u32::MAX));
                        steps.push((from, 0));
                        steps.push((from.plus(minutes(rng.below(15))), u32::MAX));
                    }
                    _ => steps.push((start, u32::MAX)),
                }
                fake.set_capacity(instance_type, zone, group.capacity_type, steps);
            }
        }
    }
    wet
}

/// Where an offering is bought.
pub(super) fn market(offering: &ChosenOffering) -> Market {
    (
        Name::clone(&offering.instance_type),
        Name::clone(&offering.zone),
        offering.capacity_type,
    )
}

fn blows(groups: &[FakeGroup], calm_at: Timestamp, rng: &mut Rng) -> Vec<(Timestamp, Blow)> {
    let start = Timestamp::from_millis(START);
    let span = u64::try_from(calm_at.since(start).as_millis()).unwrap_or(1);
    let mut blows = Vec::new();
    let at = |rng: &mut Rng| {
        start.plus(Span::from_millis(
            i64::try_from(rng.below(span)).unwrap_or(0),
        ))
    };
    for _ in 0..rng.below(4) {
        let when = at(rng);
        let group = rng
            .choose(groups)
            .map_or_else(|| name(""), |g| Name::clone(&g.name));
        match rng.below(8) {
            0 | 1 => {
                let status = rng
                    .choose(&["Updating", "Failed", "Degraded", "SystemUpdating"])
                    .copied()
                    .unwrap_or("Failed");
                blows.push((when, Blow::GroupStatus(Name::clone(&group), status)));
                let back = when.plus(minutes(1 + rng.below(10))).min(calm_at);
                blows.push((back, Blow::GroupStatus(group, "InService")));
            }
            2 => {
                let count = 1 + u32::try_from(rng.below(2)).unwrap_or(0);
                blows.push((when, Blow::MinCount(group, count)));
            }
            3 => {
                let status = rng.choose(&["Creating", "Failed", "Deleting"]).copied();
                blows.push((when, Blow::Autoscaling(status.unwrap_or("Failed"))));
                let back = when.plus(minutes(1 + rng.below(8))).min(calm_at);
                blows.push((back, Blow::Autoscaling("InService")));
            }
            4 => {
                let pod = usize::try_from(rng.below(12)).unwrap_or(0);
                blows.push((when, Blow::Withdraw(pod)));
            }
            5 => blows.push((when, Blow::Remove(rng.next_u64()))),
            _ => blows.push((when, Blow::Edit(rng.next_u64()))),
        }
    }
    blows
}

/// Changes a limit, a cap, a deadline or the groups of a class.
pub(super) fn edit(config: &mut Config, seed: u64) {
    let mut rng = Rng::new(seed);
    let pools = config.pools.len().max(1) as u64;
    let at = usize::try_from(rng.below(pools)).unwrap_or(0);
    let Some(pool) = config.pools.get_mut(at) else {
        return;
    };
    match rng.below(4) {
        0 => {
            let nodes = Quantity::from_units(i64::try_from(rng.below(6)).unwrap_or(0));
            pool.limits.set(NODES, nodes);
        }
        1 => {
            let dollars = i128::from(rng.below(9));
            pool.price_cap = Some(Price::from_femto(dollars * 1_000_000_000_000_000));
        }
        2 => {
            pool.deadlines.launch = minutes(1 + rng.below(8));
            pool.deadlines.registration = minutes(6 + rng.below(15));
            pool.deadlines.initialization = minutes(1 + rng.below(15));
        }
        _ => {
            if let Some(class) = config.classes.get_mut(at) {
                let last = class.instance_groups.len().saturating_sub(1);
                class.instance_groups.truncate(last);
            }
        }
    }
}

fn pools(config: &Config, groups: &[FakeGroup]) -> Vec<WorldPool> {
    let price = |instance_type: &str, capacity_type: CapacityType| {
        let (_, _, price) = TYPES.iter().find(|(name, ..)| *name == instance_type)?;
        let price: Price = price.parse().ok()?;
        Some(match capacity_type {
            CapacityType::Spot => Price::from_femto(price.as_femto() / 3),
            CapacityType::OnDemand | CapacityType::Reserved => price,
        })
    };
    config
        .pools
        .iter()
        .zip(&config.classes)
        .map(|(pool, class)| {
            let mut offerings = Vec::new();
            for group in groups
                .iter()
                .filter(|g| class.instance_groups.contains(&g.name))
            {
                for zone in &group.zones {
                    for instance_type in &group.instance_types {
                        offerings.push(ChosenOffering {
                            instance_type: Name::clone(instance_type),
                            zone: Name::clone(zone),
                            capacity_type: group.capacity_type,
                            price: price(instance_type, group.capacity_type),
                            instance_group: Some(Name::clone(&group.name)),
                            reservation_id: None,
                        });
                    }
                }
            }
            offerings.sort_by_key(|o| (o.price, Name::clone(&o.zone)));
            WorldPool {
                name: Name::clone(&pool.name),
                offerings,
            }
        })
        .collect()
}

fn plans(
    pools: &[WorldPool],
    calm_at: Timestamp,
    rng: &mut Rng,
) -> Vec<(Timestamp, Vec<PlannedClaim>)> {
    let start = Timestamp::from_millis(START);
    let span = u64::try_from(calm_at.since(start).as_millis()).unwrap_or(1);
    let mut number = 0;
    let mut plans = Vec::new();
    for at in 0..1 + rng.below(3) {
        let when = if at == 0 { 0 } else { rng.below(span) };
        let when = start.plus(Span::from_millis(i64::try_from(when).unwrap_or(0)));
        let mut claims = Vec::new();
        // Now and then more than one request may hold.
        let many = if rng.below(20) == 0 { 60 } else { 5 };
        for _ in 0..1 + rng.below(many) {
            let Some(pool) = rng.choose(pools) else {
                continue;
            };
            let pods: Vec<Name> = (0..1 + rng.below(3))
                .map(|_| {
                    number += 1;
                    Name::from(format!("ns-{}/pod-{number}", number % 2))
                })
                .collect();
            let from = usize::try_from(rng.below(pool.offerings.len() as u64)).unwrap_or(0);
            let mut offerings = pool.offerings[from..].to_vec();
            // Now and then the planner's first choice is a zone that the group does not have.
            if rng.below(12) == 0
                && let (Some(first), Some(zone)) = (offerings.first(), rng.choose(&ZONES))
            {
                let zone = name(zone);
                offerings.insert(
                    0,
                    ChosenOffering {
                        zone,
                        ..first.clone()
                    },
                );
            }
            claims.extend(claim(pool, &offerings, pods));
        }
        plans.push((when, claims));
    }
    plans
}

/// A claim that tries `offerings` in order; `None` without any.
pub(super) fn claim(
    pool: &WorldPool,
    offerings: &[ChosenOffering],
    pods: Vec<Name>,
) -> Option<PlannedClaim> {
    let (cheapest, fallbacks) = offerings.split_first()?;
    Some(PlannedClaim {
        node_pool: Name::clone(&pool.name),
        pods,
        buffer_pods: Vec::new(),
        instance_types: Arc::new(vec![Name::clone(&cheapest.instance_type)]),
        zones: vec![Name::clone(&cheapest.zone)],
        capacity_types: vec![cheapest.capacity_type],
        cheapest: cheapest.clone(),
        instance_group: cheapest.instance_group.clone(),
        requests: ResourceList::new(),
        fallbacks: Arc::new(fallbacks.to_vec()),
        min_values_relaxed: false,
    })
}
