//! Tenth floor (feature `sim`): worlds with a clock of their own, to drive the floors below through their public API.
//!
//! [`hyperpod`] is a fake of HyperPod's node operations, [`rehearse`] runs the provisioning machine against it through
//! seeded schedules of faults and checks what must hold after every step.

pub mod hyperpod;
pub mod rehearse;
