//! Ninth floor: planning again after every change (M-11).
//!
//! A controller does not ask once. Pods come and go, nodes join, offerings run out, and each time it wants to know what to
//! do now. A [`Planner`] keeps the compiled cluster and the plan, takes up [changes](Change), and [replans](Planner::replan)
//! at a cost in proportion to what changed. What it decided stays decided as long as it can.
//!
//! ```
//! use tetrapod::manifest::snapshot_from_str;
//! use tetrapod::planner::{Change, Planner, Replanned, Target};
//!
//! let cluster = snapshot_from_str(r#"
//! {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
//!  "spec": {"template": {"spec": {"nodeClassRef": {"name": "main"}}}}}
//! {"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes", "metadata": {"name": "main"}, "instanceTypes": [
//!   {"name": "small", "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
//!    "offerings": [{"zone": "a", "capacityType": "on-demand", "price": 0.2}]}]}
//! {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"}, "spec": {"containers": [
//!   {"name": "web", "resources": {"requests": {"cpu": "1"}}}]}}"#)?;
//! let mut planner = Planner::new(cluster);
//! let first = planner.replan();
//! let [claim] = first.opened[..] else { panic!("one node is enough") };
//!
//! // A second replica fits the node that is bought anyway: nothing but that is looked at.
//! let mut replica = planner.snapshot().pods[0].clone();
//! replica.name = "web-1".into();
//! planner.apply(Change::Pod(Box::new(replica)))?;
//! let delta = planner.replan();
//! assert_eq!(delta.replanned, Replanned::Incremental);
//! assert_eq!(delta.placed, [("default/web-1".into(), Target::Claim(claim))]);
//!
//! // The whole plan is there when it is wanted.
//! let plan = planner.plan();
//! assert_eq!(plan.totals.new_nodes, 1);
//! assert!(tetrapod::verify(planner.snapshot(), &plan).valid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds (M-11)
//!
//! `tests/scheduling/planner.rs` walks through random changes and checks each of these after every step.
//!
//! * **Valid.** After any changes [`Planner::plan`] is a valid plan for [`Planner::snapshot`].
//! * **Sticky.** A pod keeps its place, and a claim its offering, until a change breaks them: the pod or its node goes, the
//!   offering cannot be had, a limit shrinks, or a pod leaves on whom a spread or an affinity relied.
//! * **As from nothing.** [`Planner::standing`] is the cluster with the open claims as in-flight NodeClaims and the decided
//!   pods on them. Planning *that* from nothing places as many of the pods without a decision as a replan does, for no
//!   less: a full replan does just that, and the shorter ways are taken only where no plan could do better. These are
//!   pods that all fit free room (nothing is cheaper than that), and one pod alone that fits none (one node, the
//!   cheapest that holds it). Which of several nodes with room a pod takes may differ.
//!
//! # How
//!
//! The compiled form is that of [`problem::whatif`](crate::problem::whatif): pods of a class that is known join it by a
//! look-up, free room stands in a tree, and rules between pods are counted per domain. [`Replanned`] says how far a replan
//! went:
//!
//! * `Incremental`: pods that came fit free room of nodes and open claims, each where room is worth least (W-4); or one
//!   pod, for which a node is bought. Pods that leave only give back what they took, and pods that relied on them are
//!   tested again where they are.
//! * `Compiled`: what the change speaks of is not in the numbers: a pod of a new kind, a node that is new or has changed,
//!   another price. The cluster is compiled again, decisions are put back, and the rest is as above.
//! * `Full`: pods that do not fit free room compete for it and for new nodes, so the scheduler decides; also for pods with
//!   volumes, gangs and, where they are respected, preferences; and to tell why a pod has no place.
//! * `Anew`: with capacity buffers, whose pods are no objects that could keep a place.

mod change;
mod decide;
mod full;
mod index;
mod name;
mod state;
mod take;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::hash::FastMap;
use crate::model::cluster::Snapshot;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::{ChosenOffering, Plan, PlannedClaim, PreferenceTotals, Unschedulable};
use crate::problem::ClassId;
use crate::scheduler::Capacity;
use crate::solver::whatif::Slot;
use crate::view::gangs;
use state::{OptionKey, State};

pub use change::{Change, ChangeError, ClaimId, Delta, OfferingRef, Replanned, Target};

/// What a pod of the snapshot is to the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It is in none of them: it waits, has ended, is gated, or its node is unknown.
    Nowhere,
    /// It was counted when the state was compiled.
    Bound(Slot),
    /// It was counted since: bound, or decided.
    Placed(Slot),
    /// Only compiling knows what it means.
    Fixed,
}

/// A pod of the snapshot as the planner sees it.
#[derive(Debug, Clone, Copy)]
struct Row {
    class: Option<ClassId>,
    stand: Stand,
}

/// A node that is to be bought.
#[derive(Debug)]
struct OpenClaim {
    slot: Slot,
    /// What it is bought by.
    key: OptionKey,
    chosen: ChosenOffering,
    /// As a full replan decided it; its pods are in `pods`.
    planned: Option<PlannedClaim>,
    pods: Vec<Name>,
    /// Whether pods came or went since `planned` was made.
    touched: bool,
}

/// Facts of the last full replan that a plan states.
#[derive(Debug, Default)]
struct Facts {
    plan: Plan,
    /// Claims opened by it: their fall-backs fit the limits (M-5) as long as no claim has been opened since.
    claims: std::ops::Range<u64>,
    /// Bound and preferences hold for the plan as it is.
    exact: Option<(Price, Option<PreferenceTotals>)>,
}

/// Keeps a plan as the cluster changes. See the [module](self).
///
/// Memory: the snapshot, the compiled cluster, and about 100 bytes for each pod.
#[derive(Debug)]
pub struct Planner {
    snapshot: Snapshot,
    /// The snapshot without pods and nodes: what claims are named by.
    catalogue: Snapshot,
    capacity: Option<Capacity>,
    state: Option<State>,
    /// Names of the nodes, by slot.
    names: Vec<Name>,
    claim_at: BTreeMap<Slot, ClaimId>,
    /// Whether some node would rather not have pods (`PreferNoSchedule`).
    soft_taints: bool,
    /// Why the state must be compiled again, if it must.
    stale: Option<&'static str>,
    rows: Vec<Row>,
    positions: FastMap<Name, u32>,
    decided: FastMap<Name, Target>,
    existing: BTreeMap<Name, Vec<Name>>,
    claims: BTreeMap<ClaimId, OpenClaim>,
    next_claim: u64,
    /// Pods to decide on.
    queue: BTreeSet<Name>,
    /// Pods without a place, with the reasons of the last full replan.
    left: BTreeMap<Name, Unschedulable>,
    /// Decided pods that have rules or fall under some, by class.
    ruled: BTreeMap<ClassId, BTreeSet<Name>>,
    /// Classes of which pods have left.
    gone: BTreeSet<ClassId>,
    /// Whether there may be room for pods that are left.
    grown: bool,
    gangs: BTreeMap<gangs::Key, BTreeSet<Name>>,
    facts: Facts,
    /// What happened to decisions since the last replan.
    delta: Delta,
}

impl Planner {
    /// A planner for the cluster as it is; nothing is decided before the first [`replan`](Self::replan). O(pods).
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        let mut planner = Self {
            snapshot: Snapshot::default(),
            catalogue: Snapshot::default(),
            capacity: None,
            state: None,
            names: Vec::new(),
            claim_at: BTreeMap::new(),
            soft_taints: false,
            stale: None,
            rows: Vec::new(),
            positions: FastMap::default(),
            decided: FastMap::default(),
            existing: BTreeMap::new(),
            claims: BTreeMap::new(),
            next_claim: 0,
            queue: BTreeSet::new(),
            left: BTreeMap::new(),
            ruled: BTreeMap::new(),
            gone: BTreeSet::new(),
            grown: false,
            gangs: BTreeMap::new(),
            facts: Facts::default(),
            delta: Delta::default(),
        };
        planner.replace(snapshot);
        planner
    }

    /// The cluster with all changes taken up: what the plan answers.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Where the pod `namespace/name` goes; `None` if it is bound, without a place, or not there. O(1).
    #[must_use]
    pub fn target(&self, pod: &str) -> Option<&Target> {
        self.decided.get(pod)
    }

    /// The open claims, oldest first.
    pub fn open_claims(&self) -> impl Iterator<Item = ClaimId> + '_ {
        self.claims.keys().copied()
    }

    fn position(&self, pod: &str) -> Option<usize> {
        self.positions.get(pod).map(|at| *at as usize)
    }
}
