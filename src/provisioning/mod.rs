//! Ninth floor: HyperPod capacity that keeps coming, as a state machine that does no I/O.
//!
//! A [`Machine`] is told of accepted plans and of everything that happens to the cluster ([`Input`]), and says what to do
//! ([`Output`]): which nodes to add and delete, what to drain, which pods to plan again and without what, when to wake it.
//! It follows each node from the request to its end ([`node::Phase`]), goes to the next offering when one has no capacity,
//! remembers for how long not to try it again, keeps to limits, quotas and price caps, and writes the bill
//! ([`ledger::Ledger`]). A controller only carries messages; `docs/PROVISIONING.md` shows how.
//!
//! **Contract: after every [`handle`](Machine::handle) call [`poll`](Machine::poll) until it gives [`Output::Wake`] or
//! [`Output::Idle`], store the machine before carrying the outputs out, and call `handle` with [`Input::Tick`] no later
//! than the wake-up.**
//!
//! ```
//! use tetrapod::base::time::Timestamp;
//! use tetrapod::model::hyperpod::HyperpodCluster;
//! use tetrapod::provisioning::config::Config;
//! use tetrapod::provisioning::{Input, Machine, Output};
//!
//! let now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
//! let mut machine = Machine::new(7, Config::default(), now);
//! let mut inputs = vec![Input::Cluster(Box::new(HyperpodCluster::default()))];
//!
//! // The driving loop. A controller waits for the next message or for the wake-up; here the messages run out.
//! while let Some(input) = inputs.pop() {
//!     machine.handle(input, now);
//!     let mut todo = Vec::new();
//!     let wake = loop {
//!         match machine.poll() {
//!             Output::Wake { at, .. } => break Some(at),
//!             Output::Idle => break None,
//!             output => todo.push(output),
//!         }
//!     };
//!     // First store the machine, then act: after a crash it knows what may have been done.
//!     let stored = serde_json::to_vec(&machine)?;
//!     for output in todo {
//!         match output {
//!             Output::Add { call, request, .. } => println!("{call}: {request:?}; the answer is an Input::Answer"),
//!             Output::Delete { call, request } => println!("{call}: {request:?}; so is this one's"),
//!             Output::Drain { instance_id, .. } => println!("taint and evict, then say Drained: {instance_id}"),
//!             Output::Replan(replan) => println!("plan again: {:?}", replan.pods),
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     assert_eq!(wake, None, "nothing is due");
//!     // After a restart: read the machine and tell it.
//!     machine = serde_json::from_slice(&stored)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
pub mod api;
mod backoff;
mod calls;
pub mod conditions;
pub mod config;
mod covers;
pub mod events;
mod exact;
mod failure;
mod guards;
pub mod ids;
pub mod input;
mod instance;
pub mod ledger;
mod life;
mod machine;
pub mod node;
mod offers;
mod orders;
pub mod output;
mod reconcile;
mod records;
mod removal;
mod view;

pub use backoff::BackoffPolicy;
pub use input::Input;
pub use machine::Machine;
pub use output::Output;
