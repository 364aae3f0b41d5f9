//! Both tiers in virtual time.

mod histogram;
mod queue;
pub mod result;
pub mod trace;

/// Points in a series at most; when it is full every other point goes and the step doubles.
pub const MOST_POINTS: usize = 1_440;
/// Events listed in a result at most.
pub const MOST_EVENTS: usize = 2_000;
/// Nodes in one packing at most.
pub const MOST_PACKED_NODES: usize = 400;
