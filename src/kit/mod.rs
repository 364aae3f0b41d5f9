//! Eleventh floor (feature `proptest`): a kit to test scheduling and consolidation policies by properties.
//!
//! It makes clusters that shrink ([`snapshots`], [`workloads`], sized by [`Knobs`]) and says what must
//! hold of any policy ([`Invariant`], and [`invariants`] one by one). A [`Policy`] is a function from a snapshot to a plan;
//! who decides only which pod goes where writes the plan with a [`Draft`]. [`find_fault`] puts them together: the smallest
//! cluster on which a policy is wrong.
//!
//! # A fault is found
//!
//! A first fit that looks at CPU and memory and nowhere else:
//!
//! ```
//! use tetrapod::Snapshot;
//! use tetrapod::kit::{Draft, Invariant, Knobs, find_fault, purchases};
//! use tetrapod::plan::Plan;
//!
//! fn naive(snapshot: &Snapshot) -> Plan {
//!     let mut draft = Draft::new(snapshot);
//!     for pod in snapshot.pods.iter().filter(|pod| pod.is_pending()) {
//!         let fits = purchases(snapshot)
//!             .into_iter()
//!             .find(|way| pod.requests().fits(&way.instance_type.allocatable()));
//!         if let Some(way) = fits {
//!             let node = draft.buy(way);
//!             draft.put(pod, node);
//!         }
//!     }
//!     draft.finish()
//! }
//!
//! let mut knobs = Knobs::plain().with_nodes(0);
//! knobs.taints = true;
//! knobs.daemon_sets = 0;
//! let fault = find_fault(&naive, &Invariant::SAFETY, knobs, 500).expect("taints are ignored");
//!
//! // One pod and one tainted pool are left of the cluster in which it was found.
//! assert_eq!(fault.broken.invariant, Invariant::PlacementAllowed);
//! assert_eq!((fault.snapshot.pods.len(), fault.snapshot.node_pools.len()), (1, 1));
//! println!("{}", fault.broken);
//! ```

pub mod invariants;

mod assemble;
mod draft;
mod find;
mod knobs;
mod policy;
mod recipe;
mod strategies;

pub use draft::{Bought, Draft, Purchase, purchases};
pub use find::{Fault, find_fault};
pub use invariants::{Broken, Invariant};
pub use knobs::Knobs;
pub use policy::{Policy, Tetrapod};
pub use strategies::{snapshots, workloads};
