//! Ground floor: containers, identifiers, time and randomness. Imports nothing of ours.
//!
//! * [`index`]: `u32` identifiers of different tables that cannot be mixed up, and vectors indexed by them;
//! * [`bitset`]: sets of such identifiers as bits;
//! * [`hash`]: hash maps for look-up, which nothing iterates;
//! * [`time`]: points in time and spans as values, in Kubernetes' text forms;
//! * [`rng`]: a small seeded generator, the same on every machine.
//!
//! Everything here is deterministic: no container iterates in hash order, no function reads a clock.

pub mod bitset;
pub mod hash;
pub mod index;
mod rfc3339;
pub mod rng;
pub mod time;
