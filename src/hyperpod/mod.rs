//! Second floor: what HyperPod can offer. The catalogue of its instance types, the offerings that a cluster's instance
//! groups give, and the prerequisites of autoscaling.
//!
//! [`capacity::resolve`] turns a snapshot into instance types with offerings per node class: an `InstanceTypes` document of
//! the class's name alone where there is one, else the class's instance groups by its status and the DescribeCluster record,
//! with sizes and list prices of the [`catalog`] (M-12). What cannot be used is left out with a reason, and a price that
//! is not public stays unknown (M-9).
//!
//! [`preflight::preflight`] checks what HyperPod asks for before it scales anything; each check says what was looked at,
//! how it stands, and what to do.

pub mod capacity;
pub mod catalog;
pub mod enablement;
pub(crate) mod group;
pub mod mig;
pub mod preflight;
pub mod role;
#[cfg(test)]
pub(crate) mod sample;
