//! Hash maps for look-up only.
//!
//! The aliases hide the fast hasher; `clippy.toml` forbids iterating them, so hash order can never reach a result.

#![expect(
    clippy::disallowed_types,
    reason = "the one place that names the std maps; iteration stays forbidden by disallowed-methods"
)]

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

/// A map for look-ups by key; never iterated.
pub type FastMap<K, V> = HashMap<K, V, FxBuildHasher>;
/// A set for membership tests; never iterated.
pub type FastSet<K> = HashSet<K, FxBuildHasher>;
