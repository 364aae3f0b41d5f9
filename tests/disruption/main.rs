//! Which nodes go, what replaces them, and in what order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../world/mod.rs"]
mod world;

mod alone;
mod budget;
mod corpus;
mod cron;
mod gangs;
mod lasting;
mod mutations;
mod queue;
mod repair;
mod weaknesses;
