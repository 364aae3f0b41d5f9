//! Ninth floor: HyperPod capacity that keeps coming, as a state machine that does no I/O.

pub mod api;
mod backoff;
mod calls;
pub mod conditions;
pub mod config;
pub mod events;
mod exact;
mod guards;
pub mod ids;
pub mod input;
pub mod ledger;
mod life;
mod machine;
pub mod node;
mod offers;
mod orders;
pub mod output;
mod records;
mod removal;
mod view;

pub use backoff::BackoffPolicy;
pub use input::Input;
pub use machine::Machine;
pub use output::Output;
