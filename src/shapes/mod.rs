//! Snapshots of known shapes, for benchmarks, tests and `tetrapod generate`.
