//! The pods tier, both tiers in virtual time, what comes out, and the kit to test policies with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "report")]
#[path = "../runs/mod.rs"]
mod runs;

mod kit;
mod report;
mod scaling;
mod start;
mod sweep;
#[cfg(all(feature = "sim", feature = "yaml"))]
mod sweep_world;
mod world_sim;
