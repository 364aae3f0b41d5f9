//! What must hold of every policy, one function each.

use std::collections::BTreeMap;
use std::fmt;

use super::Policy;
use super::draft::{Draft, purchases};
use crate::base::rng::Rng;
use crate::disruption::apply;
use crate::model::affinity::TopologySpreadConstraint;
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::plan::command::{Command, DisruptionReason, Method};
use crate::plan::{ExistingPlacement, Plan};
use crate::verify::disruption::verify_commands;
use crate::verify::{Kind, verify};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// Every pending pod is in the plan exactly once, and nothing else is: [`accounted`].
    Accounted,
    /// Limits, quotas, price limits and reservations are kept: [`limits_kept`].
    LimitsKept,
    /// No pod is where Kubernetes would not bind it: [`placement_allowed`].
    PlacementAllowed,
    /// The independent checker finds nothing wrong at all: [`valid`].
    Valid,
    /// No pod is left that one more step could place: [`none_left`].
    NoneLeft,
    /// Equal input gives equal plans, and the order of objects does not show: [`order_hidden`].
    OrderHidden,
    /// Planning again from the planned state buys and places nothing: [`plan_settles`].
    PlanSettles,
    /// Consolidation's commands may be carried out: [`consolidation_valid`].
    ConsolidationValid,
    /// Consolidation comes to an end, and never makes the cluster dearer: [`consolidation_settles`].
    ConsolidationSettles,
    /// A cluster that no pod needs loses all its nodes: [`scales_to_zero`].
    ScalesToZero,
}

impl Invariant {
    /// What any planner must keep, a simple one too.
    pub const SAFETY: [Self; 4] = [
        Self::Accounted,
        Self::LimitsKept,
        Self::PlacementAllowed,
        Self::Valid,
    ];
    /// What a good planner keeps besides.
    pub const QUALITY: [Self; 3] = [Self::NoneLeft, Self::OrderHidden, Self::PlanSettles];
    /// What consolidation must keep.
    pub const CONSOLIDATION: [Self; 3] = [
        Self::ConsolidationValid,
        Self::ConsolidationSettles,
        Self::ScalesToZero,
    ];

    /// Tests it for `policy` on `snapshot`.
    ///
    /// # Errors
    /// What was broken, with what was found.
    pub fn check(self, policy: &dyn Policy, snapshot: &Snapshot) -> Result<(), Broken> {
        match self {
            Self::Accounted => accounted(snapshot, &policy.plan(snapshot)),
            Self::LimitsKept => limits_kept(snapshot, &policy.plan(snapshot)),
            Self::PlacementAllowed => placement_allowed(snapshot, &policy.plan(snapshot)),
            Self::Valid => valid(snapshot, &policy.plan(snapshot)),
            Self::NoneLeft => none_left(snapshot, &policy.plan(snapshot)),
            Self::OrderHidden => order_hidden(policy, snapshot, 1),
            Self::PlanSettles => plan_settles(policy, snapshot),
            Self::ConsolidationValid => {
                consolidation_valid(snapshot, &policy.consolidate(snapshot))
            }
            Self::ConsolidationSettles => consolidation_settles(policy, snapshot),
            Self::ScalesToZero => scales_to_zero(policy, snapshot),
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accounted => "every pending pod is in the plan exactly once",
            Self::LimitsKept => "limits are kept",
            Self::PlacementAllowed => "every pod may run where it is placed",
            Self::Valid => "the plan is valid",
            Self::NoneLeft => "no pod is left that could be placed",
            Self::OrderHidden => "equal input gives equal plans in any order",
            Self::PlanSettles => "planning again changes nothing",
            Self::ConsolidationValid => "consolidation is valid",
            Self::ConsolidationSettles => "consolidation comes to an end",
            Self::ScalesToZero => "an idle cluster scales to zero",
        })
    }
}

/// An invariant that does not hold, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant} is not true: {message}")]
#[non_exhaustive]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub message: String,
}

fn broken<T>(invariant: Invariant, message: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        invariant,
        message: message.into(),
    })
}

/// Every pending pod is placed once or left once, and nothing else is placed. O(pods log pods).
///
/// # Errors
/// The first pod that is not.
pub fn accounted(snapshot: &Snapshot, plan: &Plan) -> Result<(), Broken> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let placed = placed(plan).map(AsRef::as_ref);
    for pod in placed.chain(plan.unschedulable.iter().map(|entry| &*entry.pod)) {
        *times.entry(pod).or_default() += 1;
    }
    for pod in snapshot.pods.iter().filter(|pod| pod.is_pending()) {
        let key = pod.key();
        match times.remove(key.as_str()) {
            Some(1) => {}
            Some(times) => {
                let message = format!("{key} is in the plan {times} times");
                return broken(Invariant::Accounted, message);
            }
            None => {
                let message = format!("the plan says nothing about {key}");
                return broken(Invariant::Accounted, message);
            }
        }
    }
    // A pod on a node that is being deleted may be planned for as well.
    let waits = |key: &str| snapshot.pods.iter().any(|pod| pod.key() == key);
    match times.keys().find(|key| !waits(key)) {
        Some(key) => broken(Invariant::Accounted, format!("there is no pod {key}")),
        None => Ok(()),
    }
}

/// All pods that `plan` places.
fn placed(plan: &Plan) -> impl Iterator<Item = &Name> {
    let bought = plan.new_node_claims.iter().flat_map(|claim| &claim.pods);
    bought.chain(plan.existing_nodes.iter().flat_map(|node| &node.pods))
}

/// The first violation whose kind is one of `kinds`, by the [independent checker](fn@verify).
fn first_of(snapshot: &Snapshot, plan: &Plan, kinds: &[Kind]) -> Option<String> {
    let verdict = verify(snapshot, plan);
    let found = verdict
        .violations
        .iter()
        .find(|violation| kinds.contains(&violation.kind))?;
    let pod = found.pod.as_deref().unwrap_or("the plan");
    let target = found.target.as_deref().unwrap_or("-");
    Some(format!("{pod} at {target}: {}", found.message))
}

/// Limits of pools and groups of pools, quotas, price limits and reservations (S-46, H-58, S-117).
const LIMITS: [Kind; 5] = [
    Kind::Limit,
    Kind::Quota,
    Kind::PriceLimit,
    Kind::Reservation,
    Kind::StaticPool,
];

/// What keeps a pod off a node.
const PLACEMENT: [Kind; 16] = [
    Kind::NodeAffinity,
    Kind::Taint,
    Kind::Fit,
    Kind::FitDaemonset,
    Kind::HostPort,
    Kind::Existing,
    Kind::ExistingFit,
    Kind::ExistingDaemonsetRoom,
    Kind::PodAntiAffinity,
    Kind::TopologySpread,
    Kind::PodAffinity,
    Kind::PodAffinityOrder,
    Kind::Volume,
    Kind::AttachLimit,
    Kind::Dra,
    Kind::Gang,
];

/// Whether `plan` keeps the limits of pools, quotas, price limits and reservations.
///
/// # Errors
/// The first limit that it exceeds.
pub fn limits_kept(snapshot: &Snapshot, plan: &Plan) -> Result<(), Broken> {
    match first_of(snapshot, plan, &LIMITS) {
        Some(message) => broken(Invariant::LimitsKept, message),
        None => Ok(()),
    }
}

/// Whether kube-scheduler would bind every pod where `plan` puts it: selectors, taints, room beside the DaemonSets, ports,
/// spread, affinity, volumes.
///
/// # Errors
/// The first pod that may not run where it is.
pub fn placement_allowed(snapshot: &Snapshot, plan: &Plan) -> Result<(), Broken> {
    match first_of(snapshot, plan, &PLACEMENT) {
        Some(message) => broken(Invariant::PlacementAllowed, message),
        None => Ok(()),
    }
}

/// Whether the [independent checker](fn@verify) finds nothing wrong: all of the above, offerings, prices, sums.
///
/// # Errors
/// The first violation.
pub fn valid(snapshot: &Snapshot, plan: &Plan) -> Result<(), Broken> {
    match verify(snapshot, plan).violations.first() {
        Some(found) => {
            let pod = found.pod.as_deref().unwrap_or("the plan");
            let message = format!("{pod}: {:?}: {}", found.kind, found.message);
            broken(Invariant::Valid, message)
        }
        None => Ok(()),
    }
}

/// Whether no pod that `plan` leaves could be added to it: to a node that exists, to one that it buys, or to one more.
/// Costs one run of the checker per pod and place, so it is for small clusters.
///
/// Pods that spread over host names are passed over. kube-scheduler compares the hosts that there are, so that with one host
/// everything may run there; Karpenter and this crate count the hosts that there could be, and keep to `maxSkew` per host.
///
/// # Errors
/// The first pod that could be placed, and where.
pub fn none_left(snapshot: &Snapshot, plan: &Plan) -> Result<(), Broken> {
    let fits = |plan: &Plan| {
        first_of(snapshot, plan, &LIMITS).is_none()
            && first_of(snapshot, plan, &PLACEMENT).is_none()
    };
    if !fits(plan) {
        // Nothing can be said about a plan that is wrong as it is.
        return Ok(());
    }
    for (at, left) in plan.unschedulable.iter().enumerate() {
        let key = &left.pod;
        let Some(pod) = snapshot.pods.iter().find(|pod| pod.key() == **key) else {
            continue;
        };
        let by_host = |spread: &TopologySpreadConstraint| &*spread.topology_key == label::HOSTNAME;
        if pod.spec.topology_spread.iter().any(by_host) {
            continue;
        }
        let mut base = plan.clone();
        base.unschedulable.remove(at);
        let found = |place: &str| {
            let message = format!("{key} could be placed on {place}");
            broken(Invariant::NoneLeft, message)
        };
        for node in &snapshot.nodes {
            let mut more = base.clone();
            let mut placement = ExistingPlacement::new(Name::clone(&node.name));
            let known = more.existing_nodes.iter_mut().find(|p| p.node == node.name);
            match known {
                Some(known) => known.pods.push(Name::clone(key)),
                None => {
                    placement.pods.push(Name::clone(key));
                    more.existing_nodes.push(placement);
                }
            }
            if fits(&more) {
                return found(&node.name);
            }
        }
        for claim in 0..base.new_node_claims.len() {
            let mut more = base.clone();
            more.new_node_claims[claim].pods.push(Name::clone(key));
            if fits(&more) {
                return found(&format!("the new node {claim}"));
            }
        }
        for purchase in purchases(snapshot) {
            let mut draft = Draft::new(snapshot);
            let node = draft.buy(purchase);
            draft.put(pod, node);
            let mut more = base.clone();
            more.new_node_claims.extend(draft.finish().new_node_claims);
            if fits(&more) {
                let name = &purchase.instance_type.name;
                return found(&format!("one more {name} of {}", purchase.pool.name));
            }
        }
    }
    Ok(())
}

/// `snapshot` with its pods, nodes, claims, pools, types, offerings and DaemonSets in another order.
#[must_use]
pub fn shuffled(snapshot: &Snapshot, seed: u64) -> Snapshot {
    let mut rng = Rng::new(seed);
    let mut other = snapshot.clone();
    reorder(&mut other, &mut |count| {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            let with = usize::try_from(rng.below(at as u64 + 1)).unwrap_or(0);
            order.swap(at, with);
        }
        order
    });
    other
}

/// Puts the lists of `snapshot` into the orders that `order` gives for their lengths.
fn reorder(snapshot: &mut Snapshot, order: &mut dyn FnMut(usize) -> Vec<usize>) {
    permute(&mut snapshot.pods, order);
    permute(&mut snapshot.nodes, order);
    permute(&mut snapshot.node_claims, order);
    permute(&mut snapshot.node_pools, order);
    permute(&mut snapshot.daemon_sets, order);
    for class in &mut snapshot.instance_types {
        permute(&mut class.instance_types, order);
        for entry in &mut class.instance_types {
            permute(&mut entry.offerings, order);
        }
    }
}

fn permute<T: Clone>(items: &mut Vec<T>, order: &mut dyn FnMut(usize) -> Vec<usize>) {
    *items = order(items.len())
        .into_iter()
        .filter_map(|at| items.get(at).cloned())
        .collect();
}

/// Whether planning twice, and planning from a [shuffled] snapshot, gives the same plan.
///
/// # Errors
/// Which of the two does not.
pub fn order_hidden(policy: &dyn Policy, snapshot: &Snapshot, seed: u64) -> Result<(), Broken> {
    let plan = policy.plan(snapshot);
    if plan != policy.plan(snapshot) {
        return broken(Invariant::OrderHidden, "the same input gave another plan");
    }
    // The reverse is the one order in which two objects always change places.
    let mut reversed = snapshot.clone();
    reorder(&mut reversed, &mut |count| (0..count).rev().collect());
    if plan != policy.plan(&reversed) {
        let message = "the reverse order of the objects gave another plan";
        return broken(Invariant::OrderHidden, message);
    }
    if plan != policy.plan(&shuffled(snapshot, seed)) {
        let message = format!("another order of the objects (seed {seed}) gave another plan");
        return broken(Invariant::OrderHidden, message);
    }
    Ok(())
}

/// `snapshot` once `plan` is carried out: its nodes there and initialized, its pods bound.
#[must_use]
pub fn carried_out(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
    let mut command = Command::delete(Method::Plan, DisruptionReason::Underutilized, Vec::new());
    command.replacements.clone_from(&plan.new_node_claims);
    command.existing_nodes.clone_from(&plan.existing_nodes);
    apply(snapshot, &[command])
}

/// Whether planning from the planned state buys and places nothing.
///
/// # Errors
/// What it buys or places.
pub fn plan_settles(policy: &dyn Policy, snapshot: &Snapshot) -> Result<(), Broken> {
    let plan = policy.plan(snapshot);
    let again = policy.plan(&carried_out(snapshot, &plan));
    match placed(&again).next() {
        Some(pod) => broken(
            Invariant::PlanSettles,
            format!("{pod} is placed afterwards"),
        ),
        None if again.new_node_claims.is_empty() => Ok(()),
        None => broken(Invariant::PlanSettles, "a node is bought afterwards"),
    }
}

/// Whether `commands` may be carried out together: candidates, budgets, PodDisruptionBudgets, a place for every pod, and a
/// saving, by the [independent checker](verify_commands).
///
/// # Errors
/// The first finding.
pub fn consolidation_valid(snapshot: &Snapshot, commands: &[Command]) -> Result<(), Broken> {
    match verify_commands(snapshot, commands).findings.first() {
        Some(finding) => {
            let message = format!("{:?}: {}", finding.fault, finding.message);
            broken(Invariant::ConsolidationValid, message)
        }
        None => Ok(()),
    }
}

/// Carries out what `policy` says until it says nothing. Gives up after so many rounds that every node could have been
/// replaced several times.
fn consolidated(policy: &dyn Policy, snapshot: &Snapshot) -> Result<Snapshot, Broken> {
    let rounds = 10 + 10 * snapshot.nodes.len();
    let mut current = snapshot.clone();
    for _ in 0..rounds {
        let commands = policy.consolidate(&current);
        if commands.is_empty() {
            return Ok(current);
        }
        consolidation_valid(&current, &commands)?;
        current = apply(&current, &commands);
    }
    let message = format!("there are still commands after {rounds} rounds");
    broken(Invariant::ConsolidationSettles, message)
}

/// Whether consolidation ends when it is carried out again and again, each round [valid](consolidation_valid).
///
/// # Errors
/// That it does not, or the first finding on the way.
pub fn consolidation_settles(policy: &dyn Policy, snapshot: &Snapshot) -> Result<(), Broken> {
    consolidated(policy, snapshot).map(|_| ())
}

/// Whether consolidation takes away every managed node that may be disrupted once no pods but those of DaemonSets are left.
/// Pools whose `consolidateAfter` is `Never`, and nodes that are held for other reasons, are the caller's to leave out; made
/// clusters have none.
///
/// # Errors
/// The first node that stays.
pub fn scales_to_zero(policy: &dyn Policy, snapshot: &Snapshot) -> Result<(), Broken> {
    let mut idle = snapshot.clone();
    idle.pods.retain(Pod::is_daemon);
    let end = consolidated(policy, &idle)?;
    let managed = |name: &Name| {
        end.node_claims
            .iter()
            .any(|claim| claim.node_name.as_ref() == Some(name))
    };
    match end.nodes.iter().find(|node| managed(&node.name)) {
        Some(node) => {
            let message = format!("{} stays although nothing runs on it", node.name);
            broken(Invariant::ScalesToZero, message)
        }
        None => Ok(()),
    }
}
