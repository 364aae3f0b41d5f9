//! Tenth floor (feature `sim`): worlds with a clock of their own, to drive the floors below through their public API.
//!
//! [`hyperpod`] is a fake of HyperPod's node operations, [`pilot`] a controller that drives the provisioning machine
//! against it, and [`rehearse`] runs the machine through seeded schedules of faults and checks what must hold after every
//! step. [`world`] runs both tiers over a load, [`sweep`] grids of such runs. They stand above `provisioning` because they use its vocabulary of requests, answers and events; the fake uses
//! nothing else of it.

mod exact;
pub mod hyperpod;
pub mod pilot;
pub mod rehearse;
pub mod sweep;
pub mod world;
