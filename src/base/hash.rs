//! Hash maps for look-up only, and sets that keep their order.
//!
//! The aliases hide the fast hasher; `clippy.toml` forbids iterating the std ones, so hash order can never reach a result.

#![expect(
    clippy::disallowed_types,
    reason = "the one place that names the std maps; iteration stays forbidden by disallowed-methods"
)]

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
pub use rustc_hash::FxBuildHasher;

/// A map for look-ups by key; never iterated.
pub type FastMap<K, V> = HashMap<K, V, FxBuildHasher>;
/// A set for membership tests; never iterated.
pub type FastSet<K> = HashSet<K, FxBuildHasher>;
/// A set that numbers its members as they come.
pub type FastIndexSet<K> = IndexSet<K, FxBuildHasher>;
