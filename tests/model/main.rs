//! What a snapshot is made of: the nouns, and the manifests they are read from.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod base;
mod catalog;
mod hostile;
mod manifest_corpus;
mod manifest_faults;
mod manifest_kinds;
mod pod;
mod price;
mod quantity;
mod requirement;
mod resources;
