//! Options as a document.

use serde_json::Value;

use super::{Object, price, resources, selector, shown, text};
use crate::model::options::{Effort, MinValuesPolicy, Options, PreferencePolicy};

pub(super) fn options(options: &Options) -> Value {
    let preferences = match options.preference_policy {
        PreferencePolicy::Respect => "Respect",
        PreferencePolicy::Ignore => "Ignore",
    };
    let min_values = match options.min_values_policy {
        MinValuesPolicy::Strict => "Strict",
        MinValuesPolicy::BestEffort => "BestEffort",
        MinValuesPolicy::AsFlexibleAsPossible => "AsFlexibleAsPossible",
    };
    let effort = match options.effort {
        Effort::Fast => "fast",
        Effort::Balanced => "balanced",
        Effort::Thorough => "thorough",
    };
    let gates = &options.feature_gates;
    let gates = Object::default()
        .with("SpotToSpotConsolidation", gates.spot_to_spot_consolidation)
        .with("ReservedCapacity", gates.reserved_capacity)
        .with("StaticCapacity", gates.static_capacity)
        .with("NodeOverlay", gates.node_overlay)
        .with("CapacityBuffer", gates.capacity_buffer)
        .with("NodeRepair", gates.node_repair);
    let object = Object::default()
        .with("apiVersion", "tetrapod/v1alpha1")
        .with("kind", "Options")
        .some("now", options.now.map(shown))
        .with("preferencePolicy", preferences)
        .with("minValuesPolicy", min_values)
        .with("featureGates", gates)
        .with("effort", effort)
        .with("nodePenalty", price(options.node_penalty))
        .with("preferenceBudget", price(options.preference_budget))
        .some("priceLimit", options.price_limit.map(price))
        .with("truncateInstanceTypes", options.truncate_instance_types)
        .with("spotToSpotMinTypes", options.spot_to_spot_min_types)
        .with("horizon", shown(options.horizon))
        .with("evictionCost", price(options.eviction_cost))
        .with("nodeStartTime", shown(options.node_start_time))
        .with("gangRestartCost", price(options.gang_restart_cost))
        .with("repairAfter", shown(options.repair_after))
        .with("repairDeadline", shown(options.repair_deadline))
        .with("podMoves", options.pod_moves)
        .with("forecast", forecast(options))
        .with("allowSpot", options.allow_spot)
        .with("allowArm64", options.allow_arm64);
    bounds(object, options).into()
}

fn forecast(options: &Options) -> Value {
    let entry = |f: &crate::model::options::Forecast| -> Value {
        Object::default()
            .with("nodePool", f.node_pool.to_string())
            .with("at", shown(f.at))
            .with("nodes", f.nodes)
            .into()
    };
    Value::Array(options.forecast.iter().map(entry).collect())
}

/// The bounds: limits over pools, quotas and prices.
fn bounds(object: Object, options: &Options) -> Object {
    let pools = options.pool_price_limits.iter();
    let pools: Value = Value::Object(
        pools
            .map(|(pool, limit)| (pool.to_string(), price(*limit)))
            .collect(),
    );
    let prices = options.prices.iter().map(|(name, by_capacity)| {
        let entries = by_capacity
            .iter()
            .map(|(capacity, amount)| (capacity.to_string(), price(*amount)));
        (name.to_string(), Value::Object(entries.collect()))
    });
    let per_type = options.quotas.per_type.iter();
    let per_type = per_type.map(|(name, count)| (name.to_string(), Value::from(*count)));
    let quotas = Object::default()
        .filled("perType", Value::Object(per_type.collect()))
        .some("cluster", options.quotas.cluster)
        .some("total", options.quotas.total);
    let groups: Value = options
        .limit_groups
        .iter()
        .map(|group| {
            Value::from(
                Object::default()
                    .with("name", text(&group.name))
                    .with("selector", selector(&group.selector))
                    .with("limits", resources(&group.limits)),
            )
        })
        .collect();
    object
        .filled("poolPriceLimits", pools)
        .filled("limitGroups", groups)
        .filled("quotas", quotas)
        .filled("prices", Value::Object(prices.collect()))
}
