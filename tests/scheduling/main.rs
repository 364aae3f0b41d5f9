//! Which pod goes where, at what price, and why not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../world/mod.rs"]
mod world;

mod between_pods;
mod binder;
mod binding_order;
mod exact;
mod explain;
mod explain_corpus;
mod oracle;
mod planner;
mod preferences;
mod properties;
mod scenarios;
mod toy;
mod verify;
mod verify_corpus;
mod verify_mutations;
mod verify_rules;
mod weaknesses;
mod weaknesses_inputs;
mod weaknesses_preferences;
mod weaknesses_rules;
