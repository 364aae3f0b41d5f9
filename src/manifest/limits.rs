//! How much input is read before it is refused.

/// Bounds on the input, so that a hostile or broken file costs little time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one source, after inflating.
    pub source_bytes: u64,
    /// Bytes of one object: an item of a list, or a document that is not a list.
    pub object_bytes: usize,
    /// Bytes of one YAML document.
    pub yaml_document_bytes: usize,
    /// Values that one YAML document may expand to, aliases included.
    pub yaml_nodes: usize,
    /// How deep arrays and objects may nest in one document; at most 127 has an effect.
    pub depth: usize,
    /// Objects of all sources together.
    pub objects: u64,
    /// Faults that are kept; the others are only counted.
    pub faults: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 4 << 30,
            object_bytes: 16 << 20,
            yaml_document_bytes: 64 << 20,
            yaml_nodes: 4_000_000,
            depth: 128,
            objects: 10_000_000,
            faults: 1_000,
        }
    }
}
