//! Why: reason trees first, text second.

pub mod reason;
