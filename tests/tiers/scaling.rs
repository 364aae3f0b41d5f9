//! The pods tier: rules K-1..K-86 one by one, properties over random policies and loads, and manifests in and out.

mod formula;
mod hpa;
mod keda;
mod manifest;
mod properties;

use tetrapod::base::time::{Span, Timestamp};

/// The moment `seconds` after the start of a test.
fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start.plus(Span::from_secs(seconds))
}
