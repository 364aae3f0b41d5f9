//! Ninth floor: the pods tier. What KEDA and the HPA would set, and why, as a pure function of samples and time.
//!
//! ```text
//!  samples ──▶ scaler ──▶ fallback ──▶ formula ──▶ executor: 0 <-> 1, idle <-> least      (KEDA's poll, 30 s)
//!                            │            │
//!                            └────────────┴──▶ proposal ──▶ join ──▶ stabilise ──▶ limit  (HPA's reconcile, 15 s)
//!  pods ─────────────────────────────────────▶    │
//! ```
//!
//! [`step`] runs what is due at a moment: an [`Autoscaler`] (an HPA, a ScaledObject with the HPA that KEDA makes of it, or
//! a ScaledJob) as a [`Policy`], its [`State`] and what is [`Observed`] give a [`Decision`] that holds every number on the
//! way. Nothing is fetched: metric samples are input. The state is plain data that round-trips through serde.
//!
//! | | |
//! |---|---|
//! | [`scaler`] | a trigger's answer: value, activity, target (K-48..K-56) |
//! | [`fallback`], [`poll`] | failing triggers and the formula (K-57..K-60, K-71..K-81) |
//! | [`executor`] | KEDA's own writes (K-61..K-70) |
//! | [`proposal`], [`pods`] | a count from External and Object metrics, and from metrics of pods (K-6..K-22) |
//! | [`hpa`] | several metrics and the order of one reconcile (K-23, K-24) |
//! | [`behavior`] | stabilisation, rate limits, bounds (K-25..K-35) |
//! | [`job`] | jobs to start (K-82, K-83) |
//! | [`survey`](mod@survey), [`text`] | every autoscaler of a snapshot; a decision in words |
//!
//! Arithmetic is Kubernetes': thousandths as 64-bit integers, ratios as doubles in the order of K-9..K-21. What Go leaves
//! to the machine (a double that does not fit an integer) saturates here.

pub mod behavior;
pub mod executor;
pub mod fallback;
pub mod hpa;
pub mod job;
mod number;
pub mod observe;
pub mod pods;
pub mod policy;
pub mod poll;
pub mod proposal;
pub mod scaler;
mod step;
pub mod survey;
pub mod text;

pub use hpa::Settings;
pub use policy::{Autoscaler, Policy};
pub use proposal::Counts;
pub use step::{Decision, JobPoll, Observed, Poll, State, step};
pub use survey::survey;
