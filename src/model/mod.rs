//! First floor: validated nouns in the vocabulary of Kubernetes, Karpenter and HyperPod.
//!
//! A [`Snapshot`](cluster::Snapshot) holds everything one decision reads. The types are plain data: they parse their
//! own text forms (quantities, durations, prices) but know nothing of files or JSON shapes, which are
//! [`manifest`](crate::manifest)'s subject.

pub mod affinity;
pub mod cluster;
mod decimal;
pub mod hyperpod;
pub mod instance_type;
pub mod label;
pub mod node;
pub mod node_claim;
pub mod node_pool;
pub mod options;
pub mod pod;
pub mod policy;
pub mod price;
pub mod quantity;
pub mod requirement;
pub mod resources;
#[cfg(test)]
mod round_trip;
pub mod taint;
pub mod volume;

/// Whether a field has its default value and so can be left out of JSON.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
