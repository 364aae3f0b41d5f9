//! Second floor: what HyperPod can offer. Catalogue of instance types, instance groups as offerings, preflight checks.
