//! Results as text for people.

mod apart;
pub(crate) mod consolidate;
pub(crate) mod explain;
pub(crate) mod money;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod reason;
pub(crate) mod scale;
pub(crate) mod simulate;
pub(crate) mod sweep;
pub(crate) mod verdict;

/// How wide prose may run. Tables are as wide as their cells.
pub(crate) const WIDTH: usize = 100;
