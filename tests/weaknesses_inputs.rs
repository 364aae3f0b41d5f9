//! What comes into a decision besides pods and pools: volumes with attach limits, nodes in every state, overlays,
//! buffers, static pools, gangs, caps. Each test builds a small cluster of manifests and states the plan it must give.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "weaknesses_inputs/notation.rs"]
mod notation;

#[path = "weaknesses_inputs/caps.rs"]
mod caps;
#[path = "weaknesses_inputs/existing.rs"]
mod existing;
#[path = "weaknesses_inputs/gangs.rs"]
mod gangs;
#[path = "weaknesses_inputs/scale.rs"]
mod scale;
#[path = "weaknesses_inputs/volumes.rs"]
mod volumes;
