//! HyperPod's capacity, asked for, failed and recovered.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets something else has failed"
)]

mod blog_rows;
mod blog_rows_10_to_18;
mod provisioning;
mod provisioning_world;
