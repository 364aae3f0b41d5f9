//! Reason trees of single objects, whether something is wrong with them or not.
//!
//! [`pod`] says where a pod goes and at what price, or why nowhere; [`node`] what room a node has and what keeps pods off
//! it; [`pool`] what a NodePool can launch and what the plan buys; [`group`] what an instance group offers and by how much
//! the plan scales it. They are built from the same parts as the reasons of pending pods.

pub mod group;
pub mod node;
pub mod pod;
pub mod pool;
mod preferences;

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
