//! The independent checker: is a plan right by Kubernetes' rules?
//!
//! [`verify`] builds the cluster as the plan would leave it (every claim becomes a node of its `cheapest` offering) and
//! tests that cluster against kube-scheduler's rules, rule by rule. It shares no code with the solver on purpose: labels
//! are matched as plain values, resources are summed as quantities, and nothing is compiled to dense masks. What both
//! could get wrong together is only what the model itself says.
//!
//! What a node holds is tested on the final state. Topology spread and pod affinity are tested by kube-scheduler when a
//! pod is placed, so for these some order of binding must pass at every step (M-3).
//!
//! Not judged: how well preferences are met (the plan's figures on it are), pre-emption, volumes shared by nodes, and whether a pod that stays pending could have been
//! placed.

mod attach;
mod bookkeeping;
mod buffers;
mod catalogue;
mod claims;
mod daemons;
pub mod disruption;
mod eviction;
mod existing;
mod form;
mod gangs;
mod limits;
mod listing;
mod overlay;
mod ports;
mod pricing;
mod report;
mod reservations;
mod resources;
mod selection;
mod statics;
mod topology;
mod trial;
mod view;
mod volumes;

pub use report::{Kind, Violation};

use serde::Serialize;

use crate::model::cluster::Snapshot;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::Plan;

use bookkeeping::Assignment;
use catalogue::Catalogue;
use claims::Bought;
use report::Report;
use view::Cluster;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a verdict that nobody reads proves nothing"]
#[non_exhaustive]
pub struct Verdict {
    /// Whether there is no violation.
    pub valid: bool,
    /// Rules that the plan breaks.
    pub violations: Vec<Violation>,
    /// What is odd without breaking a rule.
    pub warnings: Vec<Violation>,
    /// How many pods the plan names on a node.
    pub scheduled: usize,
    /// How many pods the plan leaves pending.
    pub unschedulable: usize,
    /// How many nodes the plan buys.
    pub new_nodes: usize,
    /// Sum of the known prices of the plan's chosen offerings.
    pub hourly_price: Price,
}

/// An order in which kube-scheduler can bind the pods that `plan` places, so that every rule between pods holds at each
/// step (M-3): what [`Plan::binding_order`] states. `None` where none was found. Pods of capacity buffers are among them.
///
/// Deterministic. The plan's own listing order is tried first; the search costs what it costs [`verify`].
///
/// ```
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::plan::Plan;
/// use tetrapod::verify::binding_order;
///
/// assert_eq!(binding_order(&Snapshot::default(), &Plan::default()), Some(vec![]));
/// ```
#[must_use]
pub fn binding_order(snapshot: &Snapshot, plan: &Plan) -> Option<Vec<Name>> {
    let merged = buffers::merge(snapshot, plan);
    let (snapshot, plan) = (merged.snapshot.as_ref(), merged.plan.as_ref());
    let catalogue = Catalogue::new(snapshot);
    let mut cluster = Cluster::new(snapshot);
    // Whatever is wrong with the plan besides is for `verify` to say.
    let mut report = Report::default();
    let (assignment, _) = settle(&mut cluster, &catalogue, plan, &mut report);
    let order = topology::binding_order(&cluster, &assignment)?;
    let keys = order.iter().map(|pod| cluster.pods[*pod].pod.key());
    Some(keys.map(Name::from).collect())
}

/// Judges `plan` as an answer to `snapshot`.
///
/// Deterministic; never fails: whatever is wrong with the plan becomes a [`Violation`]. Roughly O(pods x rules of the pod
/// + claims x listed types), plus the search for a binding order where spread or affinity is in play.
///
/// ```
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::model::pod::Pod;
/// use tetrapod::plan::Plan;
/// use tetrapod::verify::{Kind, verify};
///
/// let mut snapshot = Snapshot::default();
/// assert!(verify(&snapshot, &Plan::default()).valid);
/// snapshot.pods.push(Pod::new("default", "web-0"));
/// let verdict = verify(&snapshot, &Plan::default());
/// assert_eq!(verdict.violations[0].kind, Kind::MissingPod);
/// ```
pub fn verify(snapshot: &Snapshot, plan: &Plan) -> Verdict {
    let merged = buffers::merge(snapshot, plan);
    let (snapshot, plan) = (merged.snapshot.as_ref(), merged.plan.as_ref());
    let mut report = Report::default();
    let catalogue = Catalogue::new(snapshot);
    let mut cluster = Cluster::new(snapshot);
    let (assignment, bought) = settle(&mut cluster, &catalogue, plan, &mut report);
    topology::check(&cluster, &assignment, plan, &mut report);
    volumes::check(&cluster, &mut report);
    attach::check(&cluster, &bought, &mut report);
    gangs::check(&cluster, &mut report);
    statics::check(&cluster, plan, &mut report);
    limits::check(&cluster, &catalogue, &bought, &mut report);
    pricing::check(snapshot, plan, &bought, &mut report);
    reservations::check(snapshot, &catalogue, &bought, &mut report);
    bookkeeping::check_totals(plan, &assignment, &mut report);
    Verdict {
        valid: report.violations.is_empty(),
        violations: report.violations,
        warnings: report.warnings,
        scheduled: assignment.scheduled.saturating_sub(merged.placed),
        unschedulable: assignment.unschedulable.saturating_sub(merged.left),
        new_nodes: plan.new_node_claims.len(),
        hourly_price: bookkeeping::hourly_price(plan),
    }
}

/// Puts the plan's pods and nodes into `cluster`: who goes where, and what was bought.
fn settle<'a>(
    cluster: &mut Cluster<'a>,
    catalogue: &Catalogue<'_>,
    plan: &'a Plan,
    report: &mut Report,
) -> (Assignment, Vec<Bought<'a>>) {
    let assignment = bookkeeping::assign(cluster, plan, report);
    for (placement, pods) in plan.existing_nodes.iter().zip(&assignment.existing) {
        existing::check(cluster, placement, pods, report);
    }
    let bought = claims::check_all(cluster, catalogue, plan, &assignment.claims, report);
    (assignment, bought)
}
