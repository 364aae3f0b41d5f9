//! Reason trees of single objects, whether something is wrong with them or not.

pub mod group;
pub mod node;
pub mod pod;
pub mod pool;

use crate::plan::ChosenOffering;

/// `ml.c5.large in us-west-2a, on-demand, $0.204/h`.
fn bought(chosen: &ChosenOffering) -> String {
    let price = chosen.price.map_or_else(
        || "price not publicly known".to_owned(),
        |price| format!("${price}/h"),
    );
    let group = chosen
        .instance_group
        .as_ref()
        .map(|group| format!(", instance group {group}"))
        .unwrap_or_default();
    format!(
        "{} in {}, {}, {price}{group}",
        chosen.instance_type, chosen.zone, chosen.capacity_type
    )
}

/// `1 pod`, `5 pods`.
fn number(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
