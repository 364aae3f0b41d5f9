//! Second floor: manifests in, manifests out; the only place that knows JSON shapes.
