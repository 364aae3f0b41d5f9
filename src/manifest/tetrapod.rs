//! Two of the documents of `tetrapod/v1alpha1`: InstanceTypes and Options; the others have modules of their own.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::meta::{meta, selector, taints};
use super::requirement::requirements;
use crate::model::instance_type::{CapacityType, InstanceType, InstanceTypes, Offering};
use crate::model::options::{
    Effort, Forecast, LimitGroup, MinValuesPolicy, Options, PreferencePolicy, Quotas,
};
use crate::model::price::Price;
use crate::model::resources::Name;

const CAPACITY_TYPES: [(&str, CapacityType); 3] = [
    ("on-demand", CapacityType::OnDemand),
    ("spot", CapacityType::Spot),
    ("reserved", CapacityType::Reserved),
];

/// Reads an InstanceTypes document.
pub(super) fn instance_types(root: &Cursor<'_, '_>) -> InstanceTypes {
    root.count_unknown(
        "InstanceTypes ",
        &["apiVersion", "kind", "metadata", "instanceTypes"],
    );
    let list = root.field("instanceTypes");
    list.fault_if_absent("a list of instance types");
    InstanceTypes {
        node_class: meta(root).name,
        instance_types: list.list(instance_type),
    }
}

fn instance_type(item: &Cursor<'_, '_>) -> Option<InstanceType> {
    if !item.is_object() {
        item.fault_if_absent("an instance type");
        return None;
    }
    item.count_unknown(
        "InstanceTypes instanceTypes[].",
        &[
            "name",
            "capacity",
            "overhead",
            "requirements",
            "taints",
            "offerings",
        ],
    );
    let read = InstanceType {
        name: item
            .field("name")
            .required("the name of an instance type")?,
        capacity: item.field("capacity").resources(),
        overhead: item.field("overhead").resources(),
        requirements: requirements(&item.field("requirements")),
        taints: taints(&item.field("taints")),
        offerings: item.field("offerings").list(offering),
    };
    Some(read)
}

fn offering(item: &Cursor<'_, '_>) -> Option<Offering> {
    if !item.is_object() {
        item.fault_if_absent("an offering");
        return None;
    }
    let capacity_at = item.field("capacityType");
    capacity_at.fault_if_absent("on-demand, spot or reserved");
    let zone = item.field("zone").required("a zone");
    let capacity_type = capacity_at.choice(&CAPACITY_TYPES);
    let price = item.field("price").price();
    let available = item.field("available").bool().unwrap_or(true);
    let reservation_id = item.field("reservationId").filled();
    let reservation_capacity = item.field("reservationCapacity").count(0).unwrap_or(0);
    let instance_group = item.field("instanceGroup").filled();
    let mut read = Offering::new(zone?, capacity_type?, price);
    read.available = available;
    read.reservation_id = reservation_id;
    read.reservation_capacity = reservation_capacity;
    read.instance_group = instance_group;
    Some(read)
}

const OPTION_FIELDS: [&str; 27] = [
    "apiVersion",
    "kind",
    "metadata",
    "now",
    "preferencePolicy",
    "minValuesPolicy",
    "featureGates",
    "effort",
    "nodePenalty",
    "preferenceBudget",
    "priceLimit",
    "poolPriceLimits",
    "limitGroups",
    "quotas",
    "prices",
    "truncateInstanceTypes",
    "spotToSpotMinTypes",
    "horizon",
    "evictionCost",
    "nodeStartTime",
    "gangRestartCost",
    "repairAfter",
    "repairDeadline",
    "podMoves",
    "forecast",
    "allowSpot",
    "allowArm64",
];

/// Sets what an Options document states; what it does not state stays.
pub(super) fn options(root: &Cursor<'_, '_>, options: &mut Options) {
    root.count_unknown("Options ", &OPTION_FIELDS);
    let now = root.field("now").time();
    options.now = now.or(options.now);
    set(
        &mut options.preference_policy,
        root.field("preferencePolicy").choice(&[
            ("Respect", PreferencePolicy::Respect),
            ("Ignore", PreferencePolicy::Ignore),
        ]),
    );
    set(
        &mut options.min_values_policy,
        root.field("minValuesPolicy").choice(&[
            ("Strict", MinValuesPolicy::Strict),
            ("BestEffort", MinValuesPolicy::BestEffort),
            (
                "AsFlexibleAsPossible",
                MinValuesPolicy::AsFlexibleAsPossible,
            ),
        ]),
    );
    let gates = root.object("featureGates");
    let state = &mut options.feature_gates;
    set(
        &mut state.spot_to_spot_consolidation,
        gates.field("SpotToSpotConsolidation").bool(),
    );
    set(
        &mut state.reserved_capacity,
        gates.field("ReservedCapacity").bool(),
    );
    set(
        &mut state.static_capacity,
        gates.field("StaticCapacity").bool(),
    );
    set(&mut state.node_overlay, gates.field("NodeOverlay").bool());
    set(
        &mut state.capacity_buffer,
        gates.field("CapacityBuffer").bool(),
    );
    set(&mut state.node_repair, gates.field("NodeRepair").bool());
    set(
        &mut options.effort,
        root.field("effort").choice(&[
            ("fast", Effort::Fast),
            ("balanced", Effort::Balanced),
            ("thorough", Effort::Thorough),
        ]),
    );
    set(&mut options.allow_spot, root.field("allowSpot").bool());
    set(&mut options.allow_arm64, root.field("allowArm64").bool());
    let types = root.field("truncateInstanceTypes").count(1);
    set(
        &mut options.truncate_instance_types,
        types.and_then(|types| usize::try_from(types).ok()),
    );
    set(
        &mut options.spot_to_spot_min_types,
        root.field("spotToSpotMinTypes").count(0),
    );
    set(&mut options.horizon, root.field("horizon").span());
    set(
        &mut options.node_start_time,
        root.field("nodeStartTime").span(),
    );
    set(&mut options.repair_after, root.field("repairAfter").span());
    set(
        &mut options.repair_deadline,
        root.field("repairDeadline").span(),
    );
    set(&mut options.pod_moves, root.field("podMoves").bool());
    money(root, options);
    bounds(root, options);
}

fn set<T>(place: &mut T, stated: Option<T>) {
    if let Some(value) = stated {
        *place = value;
    }
}

fn money(root: &Cursor<'_, '_>, options: &mut Options) {
    set(&mut options.node_penalty, root.field("nodePenalty").price());
    set(
        &mut options.preference_budget,
        root.field("preferenceBudget").price(),
    );
    set(
        &mut options.eviction_cost,
        root.field("evictionCost").price(),
    );
    set(
        &mut options.gang_restart_cost,
        root.field("gangRestartCost").price(),
    );
    let limit = root.field("priceLimit").price();
    options.price_limit = limit.or(options.price_limit);
    let limits = root.field("poolPriceLimits");
    if !limits.is_absent() {
        options.pool_price_limits = limits
            .entries()
            .filter_map(|(pool, price)| Some((root.context().name(pool), price.price()?)))
            .collect();
    }
    let prices = root.field("prices");
    if !prices.is_absent() {
        options.prices = prices
            .entries()
            .map(|(name, by_capacity)| (root.context().name(name), capacity_prices(&by_capacity)))
            .collect();
    }
}

fn capacity_prices(map: &Cursor<'_, '_>) -> BTreeMap<CapacityType, Price> {
    let mut prices = BTreeMap::new();
    for (key, at) in map.entries() {
        match key.parse::<CapacityType>() {
            Ok(capacity_type) => {
                if let Some(price) = at.price() {
                    prices.insert(capacity_type, price);
                }
            }
            Err(()) => at.fault_found(format!("{key:?}"), "on-demand, spot or reserved"),
        }
    }
    prices
}

fn bounds(root: &Cursor<'_, '_>, options: &mut Options) {
    let groups = root.field("limitGroups");
    if !groups.is_absent() {
        options.limit_groups = groups.list(|item| {
            if !item.is_object() {
                item.fault_if_absent("a group of limits");
                return None;
            }
            let selector_at = item.field("selector");
            Some(LimitGroup {
                name: item.field("name").name_or_empty(),
                selector: selector(&selector_at).unwrap_or_default(),
                limits: item.field("limits").resources(),
            })
        });
    }
    let forecast = root.field("forecast");
    if !forecast.is_absent() {
        options.forecast = forecast.list(|item| {
            Some(Forecast::new(
                item.field("nodePool").name()?,
                item.field("at").time()?,
                item.field("nodes").count(0)?,
            ))
        });
    }
    let quotas = root.object("quotas");
    if !quotas.is_absent() {
        let per_type: BTreeMap<Name, u32> = quotas
            .field("perType")
            .entries()
            .filter_map(|(name, count)| Some((root.context().name(name), count.count(0)?)))
            .collect();
        options.quotas = Quotas {
            per_type,
            cluster: quotas.field("cluster").count(0),
            total: quotas.field("total").count(0),
        };
    }
}
