//! Node autoscaling decided, verified and explained: the decision core of SageMaker HyperPod's managed Karpenter as a
//! pure library.
//!
//! Give it a cluster at one moment and it says which nodes to buy (on HyperPod: which instance groups to scale, in which
//! zones), for which pods, at what price, and why a pod stays pending. It calls nothing and changes nothing; what it
//! says is plain data that something else carries out.
//!
//! ```text
//!  manifests ──▶ Snapshot ──▶ views ──▶ Problem ──▶ Outcome ──▶ Plan
//!  (manifest)    (model)      (view)    (problem)   (solver)    (plan)
//!                   │            │                     │           │
//!                   │            └──────▶ reasons ◀────┘           │
//!                   │                     (explain)                │
//!                   └───────────────▶ verdict ◀────────────────────┘
//!                                     (verify)
//! ```
//!
//! Names live on the left and on the right; the solver in the middle sees numbers only. `explain` reads what the solver
//! read, `verify` reads only the snapshot and the plan.
//!
//! # Five minutes
//!
//! ```
//! use tetrapod::{Snapshot, schedule, verify};
//!
//! // What `kubectl get nodepools,pods -o json` prints, and what may be bought. Off HyperPod the latter is an
//! // InstanceTypes document; on HyperPod it follows from the HyperpodNodeClasses and `describe-cluster`.
//! let manifests = r#"
//! {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
//!  "spec": {"template": {"spec": {"nodeClassRef": {"name": "main"}}}}}
//! {"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes", "metadata": {"name": "main"}, "instanceTypes": [
//!   {"name": "small", "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
//!    "offerings": [{"zone": "a", "capacityType": "on-demand", "price": 0.2}]},
//!   {"name": "large", "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
//!    "offerings": [{"zone": "a", "capacityType": "on-demand", "price": 0.7}]}]}
//! {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"}, "spec": {"containers": [
//!   {"name": "web", "resources": {"requests": {"cpu": "3"}}}]}}
//! {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}, "spec": {"containers": [
//!   {"name": "web", "resources": {"requests": {"cpu": "3"}}}]}}
//! {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "giant"}, "spec": {"containers": [
//!   {"name": "all", "resources": {"requests": {"cpu": "64"}}}]}}"#;
//! let snapshot: Snapshot = tetrapod::manifest::snapshot_from_str(manifests)?;
//!
//! let plan = schedule(&snapshot);
//!
//! // Two small nodes (0.4 $/h) are cheaper than one large one.
//! for claim in &plan.new_node_claims {
//!     let chosen = &claim.cheapest;
//!     println!("{} in {} for {:?}", chosen.instance_type, chosen.zone, claim.pods);
//! }
//! assert_eq!(plan.totals.new_nodes, 2);
//! assert_eq!(plan.totals.hourly_price, "0.4".parse()?);
//!
//! // A pod that cannot be placed is an answer, not an error.
//! let pending = &plan.unschedulable[0];
//! assert_eq!(&*pending.pod, "default/giant");
//! assert_eq!(&*pending.code, "insufficient-resources");
//! println!("{}", tetrapod::explain::render::texts(pending.reasons.iter()));
//!
//! // The independent checker agrees.
//! assert!(verify(&snapshot, &plan).valid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! A module imports from lower floors only (`tests/house/layering.rs`).
//!
//! | floor | module | subject |
//! |---|---|---|
//! | 0 | [`base`] | indexed vectors, bit sets, hashing, time, randomness |
//! | 1 | [`model`] | the nouns of Kubernetes, Karpenter and HyperPod; [`Snapshot`] |
//! | 2 | [`manifest`] | manifests in and out |
//! | 2 | [`hyperpod`] | instance types, instance groups as capacity, prerequisites |
//! | 3 | [`view`] | what a scheduler sees of a snapshot |
//! | 4 | [`problem`] | the compiled problem: dense ids, integer vectors, bit sets |
//! | 5 | [`solver`] | decides |
//! | 6 | [`plan`] | decisions with names; their serde form is the result format |
//! | 7 | [`verify`](mod@verify) | the independent checker |
//! | 7 | [`explain`] | reason trees and their text |
//! | 8 | [`scheduler`] | the facade: [`schedule`], and its steps one by one |
//! | 9 | [`planner`] | plans again after every change, at a cost in proportion to it |
//! | 9 | [`scaling`] | the pods tier: what KEDA and the HPA would set, and why |
//! | 9 | [`disruption`] | which nodes may go, when, and in what order |
//! | 9 | [`provisioning`] | keeps HyperPod's capacity coming: a state machine without I/O |
//! | 10 | `sim` (feature) | worlds in virtual time |
//! | 11 | `kit` (feature `proptest`) | strategies and invariants: test your own policy by properties |
//! | 11 | `report` (feature) | pages that tell of simulated runs |
//! | 11 | [`shapes`] | scenarios of known shapes and random ones |
//!
//! [`schedule`] and [`verify`](fn@verify) are what most callers need. The modules between are public so that their steps
//! can be timed, inspected and reused; the design is told in `docs/DESIGN.md`.
//!
//! # Contract
//!
//! * **No I/O.** No file, no network, no environment, no thread. [`manifest::Reader`] reads from what it is given.
//! * **No clock.** Time is part of the snapshot ([`Options::now`](model::options::Options::now)); budgets of work are
//!   counts of steps.
//! * **Deterministic.** Equal snapshots give equal plans, on every machine, and the order of objects in a snapshot does
//!   not matter.
//! * **Total.** No input makes it panic. Input that is wrong is refused with every fault at once
//!   ([`manifest::InputError`]); a pod that has no place is part of the plan, with reasons.
//! * **Exact.** Quantities and prices are exact decimals; floats steer the search, they do not judge plans.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `yaml`: [`manifest::Reader`] also takes YAML and gzip.
//! * `sim`: a fake HyperPod in virtual time, rehearsals of [`provisioning`] against it, simulations of both tiers, sweeps.
//! * `proptest`: `kit`, with which others test their policies; turns `sim` on.
//! * `report`: `report`, HTML pages of simulated runs and of sweeps; turns `sim` on.
//! * `cli`: the command `tetrapod`; turns `yaml`, `sim` and `report` on. Threads (of sweeps) are the command's alone.

#![forbid(unsafe_code)]

pub mod base;
pub mod disruption;
pub mod explain;
pub mod hyperpod;
#[cfg(feature = "proptest")]
pub mod kit;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod planner;
pub mod problem;
pub mod provisioning;
#[cfg(feature = "report")]
pub mod report;
pub mod scaling;
pub mod scheduler;
pub mod shapes;
#[cfg(feature = "sim")]
pub mod sim;
pub mod solver;
pub mod verify;
pub mod view;

pub use model::cluster::Snapshot;
pub use plan::Plan;
pub use scheduler::schedule;
pub use verify::verify;
