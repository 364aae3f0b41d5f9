//! What HyperPod can offer: the catalogue of its instance types, the offerings that a cluster's instance groups give,
//! and the prerequisites of autoscaling.
//!
//! [`capacity::resolve`] turns a snapshot into instance types with offerings per node class; [`preflight::preflight`]
//! checks what HyperPod asks for before it scales anything.

pub mod capacity;
pub mod catalog;
pub mod enablement;
pub(crate) mod group;
pub mod mig;
pub mod preflight;
pub mod role;
#[cfg(test)]
pub(crate) mod sample;
