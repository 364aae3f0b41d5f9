//! Ground floor: containers, identifiers, time and randomness. Imports nothing of ours.
//!
//! Everything here is deterministic: no container iterates in hash order, no function reads a clock.

pub mod bitset;
pub mod hash;
pub mod index;
pub mod rng;
pub mod time;
