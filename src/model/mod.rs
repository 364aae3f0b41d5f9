//! First floor: validated nouns in the vocabulary of Kubernetes, Karpenter and HyperPod.
//!
//! A [`Snapshot`](cluster::Snapshot) holds everything one decision reads: pods, nodes, pools, classes, volumes, policies,
//! and the [`Options`](options::Options) with the time. The types are plain data: they parse their own text forms
//! (quantities, durations, prices) but know nothing of files or JSON shapes, which are
//! [`manifest`](crate::manifest)'s subject. Past this floor there is no text that still has to be understood.
//!
//! Two of them carry an algebra: [`quantity::Quantity`] is exact to the nano-unit and [`price::Price`] to 10^-15 dollars,
//! both without floats; [`requirement::Requirements`] is the set algebra of label requirements (S-23..S-36) in which
//! selectors, pools and instance types meet.
//!
//! What many objects share is behind an [`Arc`](std::sync::Arc), so that a million replicas cost their identities only.

pub mod affinity;
pub mod autoscaling;
pub mod cluster;
pub mod cron;
mod decimal;
pub mod formula;
pub mod hyperpod;
pub mod instance_type;
pub mod label;
pub mod node;
pub mod node_claim;
pub mod node_pool;
pub mod options;
pub mod overlay;
pub mod pod;
pub mod policy;
pub mod price;
pub mod quantity;
pub mod requirement;
pub mod resources;
#[cfg(test)]
mod round_trip;
pub mod simulation;
pub mod sweep;
pub mod taint;
pub mod volume;
pub mod workload;

/// Whether a field has its default value and so can be left out of JSON.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
