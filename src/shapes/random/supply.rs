//! Random supply: instance types, offerings and NodePools.

use super::{DEDICATED, Size, TEAM, TIER, ZONES, cents, now, one_in, pick, up_to};
use crate::base::rng::Rng;
use crate::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use crate::model::label;
use crate::model::node::Condition;
use crate::model::node_pool::NodePool;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{CPU, MEMORY, NODES, NVIDIA_GPU, Name, PODS};
use crate::model::taint::{Taint, TaintEffect};
use crate::shapes::parts::{GIB, MIB, cpu_memory};

/// One or two node classes with their types.
pub(super) fn classes(rng: &mut Rng, size: Size) -> Vec<InstanceTypes> {
    let count = if one_in(rng, 3) { 2 } else { 1 };
    (0..count)
        .map(|class| {
            let types = (0..up_to(rng, 1, size.types.max(1)))
                .map(|at| instance_type(rng, class, at))
                .collect();
            InstanceTypes::new(format!("class-{class}"), types)
        })
        .collect()
}

fn instance_type(rng: &mut Rng, class: usize, at: usize) -> InstanceType {
    let cpu = pick(rng, &[1, 2, 2, 4, 4, 8, 16, 48], 2);
    let ratio = pick(rng, &[1, 2, 4, 4, 8], 4);
    let gpu = if one_in(rng, 3) {
        pick(rng, &[1, 1, 2, 4, 8], 1)
    } else {
        0
    };
    let mut entry = InstanceType::new(format!("type-{class}{at}"));
    entry.capacity = cpu_memory(cpu * 1_000, cpu * ratio * GIB);
    let most = pick(rng, &[3, 8, 14, 29, 110], 14);
    entry.capacity.set(PODS, Quantity::from_units(most));
    if gpu > 0 {
        entry.capacity.set(NVIDIA_GPU, Quantity::from_units(gpu));
    }
    if !one_in(rng, 3) {
        entry.overhead = cpu_memory(100, 256 * MIB);
    }
    let arch = if one_in(rng, 6) { "arm64" } else { "amd64" };
    entry.requirements = vec![
        RequirementSpec::new(label::ARCH, Operator::In, [arch]),
        RequirementSpec::new(label::OS, Operator::In, ["linux"]),
    ];
    if one_in(rng, 3) {
        let tier = pick(rng, &["gold", "silver"], "gold");
        entry
            .requirements
            .push(RequirementSpec::new(TIER, Operator::In, [tier]));
    }
    // Whole cents from a coarse table, so that different types often tie.
    let per_hour = 10_000_000_000_000 * i128::from(5 * cpu + cpu * ratio + 60 * gpu);
    offerings(rng, &mut entry, Price::from_femto(per_hour));
    entry
}

fn offerings(rng: &mut Rng, entry: &mut InstanceType, base: Price) {
    for zone in ZONES {
        if one_in(rng, 4) {
            continue;
        }
        let noise = if one_in(rng, 3) {
            cents(rng, 9)
        } else {
            Price::ZERO
        };
        let mut offering = Offering::new(zone, CapacityType::OnDemand, Some(base + noise));
        offering.available = !one_in(rng, 8);
        if one_in(rng, 10) {
            offering.price = None;
        }
        entry.offerings.push(offering);
        if one_in(rng, 3) {
            let price = Price::from_femto(base.as_femto() / pick(rng, &[2, 3, 4], 3));
            let mut spot = Offering::new(zone, CapacityType::Spot, Some(price));
            spot.available = !one_in(rng, 6);
            if one_in(rng, 5) {
                spot.price = None;
            }
            entry.offerings.push(spot);
        }
        if one_in(rng, 8) {
            let mut reserved = Offering::new(zone, CapacityType::Reserved, Some(Price::ZERO));
            reserved.reservation_id = Some(Name::from(format!("cr-{}-{zone}", entry.name)));
            reserved.reservation_capacity = pick(rng, &[0, 1, 1, 2, 3], 1);
            entry.offerings.push(reserved);
        }
    }
    if entry.offerings.is_empty() {
        let only = Offering::new(ZONES[0], CapacityType::OnDemand, Some(base));
        entry.offerings.push(only);
    }
}

/// The taints that pools and nodes carry.
pub(super) fn taint(rng: &mut Rng) -> Taint {
    let value = pick(rng, &["gpu", "batch"], "gpu");
    let effect = pick(
        rng,
        &[
            TaintEffect::NoSchedule,
            TaintEffect::NoSchedule,
            TaintEffect::NoExecute,
            TaintEffect::PreferNoSchedule,
        ],
        TaintEffect::NoSchedule,
    );
    Taint::new(DEDICATED, value, effect)
}

/// The NodePools, at least one.
pub(super) fn pools(rng: &mut Rng, size: Size, classes: &[InstanceTypes]) -> Vec<NodePool> {
    (0..up_to(rng, 1, size.pools.max(1)))
        .map(|at| {
            let class = rng
                .choose(classes)
                .map_or("none", |c| c.node_class.as_ref());
            let mut pool = NodePool::new(format!("pool-{at}"), class);
            pool.uid = Name::from(format!("pool-uid-{at}"));
            pool.weight = pick(rng, &[0, 0, 0, 10, 10, 50], 0);
            if one_in(rng, 4) {
                pool.taints.push(taint(rng));
            }
            if one_in(rng, 8) {
                let startup = Taint::new("example.com/starting", "", TaintEffect::NoSchedule);
                pool.startup_taints.push(startup);
            }
            if one_in(rng, 3) {
                let team = pick(rng, &["red", "blue"], "red");
                pool.template_labels.set(TEAM, team);
                pool.labels.set(TEAM, team);
            }
            requirements(rng, &mut pool);
            limits(rng, &mut pool);
            if one_in(rng, 15) {
                pool.conditions.push(Condition {
                    kind: Name::from("Ready"),
                    status: Name::from("False"),
                    reason: Name::from("NodeClassNotReady"),
                    ..Condition::default()
                });
            }
            if one_in(rng, 20) {
                pool.deleted = Some(now());
            }
            if one_in(rng, 20) {
                pool.replicas = Some(1);
            }
            pool
        })
        .collect()
}

fn requirements(rng: &mut Rng, pool: &mut NodePool) {
    let mut add = |key: &str, operator, values: &[&str]| {
        pool.requirements
            .push(RequirementSpec::new(key, operator, values.iter().copied()));
    };
    match rng.below(8) {
        0 => add(label::ZONE, Operator::In, &ZONES[..2]),
        1 => add(label::ZONE, Operator::NotIn, &ZONES[..1]),
        _ => {}
    }
    match rng.below(6) {
        0 => add(label::CAPACITY_TYPE, Operator::In, &["on-demand"]),
        1 => add(label::CAPACITY_TYPE, Operator::In, &["spot", "on-demand"]),
        2 => add(label::CAPACITY_TYPE, Operator::NotIn, &["spot"]),
        _ => {}
    }
    match rng.below(8) {
        0 => add(TIER, Operator::In, &["gold"]),
        1 => add(TIER, Operator::DoesNotExist, &[]),
        2 => add(TIER, Operator::Exists, &[]),
        _ => {}
    }
    if one_in(rng, 10) {
        add(label::INSTANCE_TYPE, Operator::NotIn, &["type-00"]);
    }
    if one_in(rng, 6) {
        let mut flexible = RequirementSpec::new(label::INSTANCE_TYPE, Operator::Exists, [""; 0]);
        flexible.min_values = Some(pick(rng, &[1, 2, 3], 2));
        pool.requirements.push(flexible);
    }
}

fn limits(rng: &mut Rng, pool: &mut NodePool) {
    if one_in(rng, 4) {
        pool.limits
            .set(CPU, Quantity::from_units(pick(rng, &[0, 2, 8, 32, 100], 8)));
    }
    if one_in(rng, 8) {
        pool.limits.set(
            MEMORY,
            Quantity::from_bytes(pick(rng, &[4, 32, 128], 32) * GIB),
        );
    }
    if one_in(rng, 8) {
        pool.limits
            .set(NODES, Quantity::from_units(pick(rng, &[0, 1, 2, 5], 2)));
    }
    if one_in(rng, 10) {
        pool.limits
            .set(NVIDIA_GPU, Quantity::from_units(pick(rng, &[0, 1, 8], 1)));
    }
}
