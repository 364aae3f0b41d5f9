//! Whether a command that was made some time ago still holds (D-81..D-85).

use std::collections::BTreeMap;

use super::DisruptionReason;
use super::budget;
use super::candidate::{Assessor, Candidate, Class, do_not_disrupt};
use super::cluster::Cluster;
use crate::base::index::Ix as _;
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::command::{Command, Method, Move};
use crate::problem::{ClassId, NodeId};
use crate::scheduler::Capacity;
use crate::solver::whatif::{Slot, World};

/// Whether `command`, made from an earlier snapshot, may still be carried out on `snapshot`: its candidates may still be
/// disrupted within their budgets, their pods are still those it speaks of and fit where it puts them, its
/// replacements can still be bought, and a command that is there to save still saves at today's prices.
///
/// # Errors
/// Everything that no longer holds, as reasons.
pub fn recheck(command: &Command, snapshot: &Snapshot) -> Result<(), Vec<Reason>> {
    let capacity = Capacity::new(snapshot);
    let faults = faults(command, &Cluster::new(snapshot, &capacity));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// What stands against carrying out `command` on `cluster`.
pub(super) fn faults(command: &Command, cluster: &Cluster<'_>) -> Vec<Reason> {
    let mut faults = Vec::new();
    let candidates = candidates(cluster, command, &mut faults);
    check_budgets(cluster, command, &candidates, &mut faults);
    check_moves(cluster, command, &mut faults);
    if faults.is_empty() {
        check_places(cluster, command, &candidates, &mut faults);
    }
    check_price(cluster, command, &candidates, &mut faults);
    faults
}

fn candidates<'a>(
    cluster: &Cluster<'a>,
    command: &Command,
    faults: &mut Vec<Reason>,
) -> Vec<Candidate<'a>> {
    let class = match command.reason {
        DisruptionReason::Empty | DisruptionReason::Underutilized => Class::Graceful,
        DisruptionReason::Drifted | DisruptionReason::Expired => Class::Eventual,
        DisruptionReason::Unhealthy => Class::Forced,
    };
    let assessor = Assessor::new(cluster);
    let mut found = Vec::new();
    for candidate in &command.candidates {
        let node = cluster
            .views
            .nodes
            .iter()
            .position(|n| n.name == candidate.node);
        let Some(node) = node.map(NodeId::new) else {
            faults.push(Reason::new(
                format!("Node {}", candidate.node),
                Code::NodeUnavailable,
                "it does not exist any more",
            ));
            continue;
        };
        match assessor.assess(node, class) {
            Err(hold) => faults.push(hold.reason),
            Ok(_) if class == Class::Forced && !assessor.infirmary().is_due(node) => {
                faults.push(Reason::new(
                    format!("Node {}", candidate.node),
                    Code::Usable,
                    "it is not to be repaired any more",
                ));
            }
            Ok(held) if command.reason == DisruptionReason::Empty && !held.pods.is_empty() => {
                faults.push(Reason::new(
                    format!("Node {}", candidate.node),
                    Code::Competition,
                    "it is not empty any more",
                ));
            }
            Ok(held) => {
                let graceful = class == Class::Graceful;
                faults.extend(
                    assessor
                        .not_consolidatable(&held)
                        .filter(|_| graceful)
                        .map(|hold| hold.reason),
                );
                found.push(held);
            }
        }
    }
    found
}

fn check_budgets(
    cluster: &Cluster<'_>,
    command: &Command,
    candidates: &[Candidate<'_>],
    faults: &mut Vec<Reason>,
) {
    let counts = budget::counts(&cluster.views.nodes, |_| false);
    let mut wanted: BTreeMap<&Name, u32> = BTreeMap::new();
    for candidate in candidates {
        *wanted.entry(&candidate.pool.name).or_insert(0) += 1;
    }
    for pool in &cluster.snapshot.node_pools {
        let held = counts.get(&pool.name).copied().unwrap_or_default();
        let allowed = budget::allowed(pool, command.reason, cluster.now, held).nodes;
        if let Some(count) = wanted.get(&pool.name).filter(|count| **count > allowed) {
            let message = format!("{count} of its nodes would go, its budgets allow {allowed} now");
            faults.push(Reason::new(
                format!("NodePool {}", pool.name),
                Code::Budget,
                message,
            ));
        }
    }
}

/// Single pods that step aside (W-5) still stand where they did, and may be moved.
fn check_moves(cluster: &Cluster<'_>, command: &Command, faults: &mut Vec<Reason>) {
    if command.moves.is_empty() {
        return;
    }
    let assessor = Assessor::new(cluster);
    for single in &command.moves {
        let fault = |code, message: &str| Reason::new(format!("Pod {}", single.pod), code, message);
        let pod = find(cluster, single).map(|position| cluster.pod(position));
        match pod {
            None => faults.push(fault(Code::Competition, "it runs elsewhere by now")),
            Some(pod) if do_not_disrupt(pod, cluster.now).is_some() => faults.push(fault(
                Code::DoNotDisrupt,
                "its annotation karpenter.sh/do-not-disrupt holds",
            )),
            Some(pod) if assessor.pdbs().blocks(pod).is_some() => {
                faults.push(fault(Code::Pdb, "its PodDisruptionBudget holds it"));
            }
            Some(_) => {}
        }
    }
}

/// The position of a pod that is to step aside, while it is where it was.
fn find(cluster: &Cluster<'_>, single: &Move) -> Option<u32> {
    let mut nodes = cluster.views.nodes.iter();
    let node = nodes.position(|node| node.name == single.from)?;
    let pods = cluster.pods_on.get(node)?;
    let named = |at: &&u32| cluster.pod(**at).key() == single.pod.as_ref();
    pods.iter().find(named).copied()
}

/// Every pod of the candidates has its place in the command, and the places still take them all in some order.
fn check_places<'k>(
    cluster: &Cluster<'_>,
    command: &'k Command,
    candidates: &[Candidate<'_>],
    faults: &mut Vec<Reason>,
) {
    let mut world = World::beside_departing(&cluster.what);
    let mut homeless: BTreeMap<String, u32> = BTreeMap::new();
    for candidate in candidates {
        world.remove(Slot::of(candidate.node));
        for position in &candidate.placed {
            homeless.insert(cluster.pod(*position).key(), *position);
        }
    }
    let mut waiting: Vec<(Slot, ClassId, &Name, &Name)> = Vec::new();
    let mut place = |slot: Slot, pod: &'k Name, target: &'k Name| {
        let position = homeless.remove(pod.as_ref());
        // A pod that has gone meanwhile needs no place.
        if let Some(class) = position.and_then(|at| cluster.what.class_of[at as usize]) {
            waiting.push((slot, class, pod, target));
        }
    };
    let slot_of = |name: &Name| {
        let node = cluster.views.nodes.iter().position(|n| n.name == *name);
        node.map(|at| Slot::of(NodeId::new(at)))
    };
    for single in &command.moves {
        let class = find(cluster, single).and_then(|at| cluster.what.class_of[at as usize]);
        let ends = slot_of(&single.from).zip(slot_of(&single.to)).zip(class);
        let fits = ends
            .filter(|((_, to), class)| world.counts().is_plain(*class) && world.fits(*to, *class));
        match fits {
            Some(((from, to), class)) => {
                world.lift(from, class);
                world.place(to, class);
            }
            None => faults.push(Reason::new(
                format!("Pod {}", single.pod),
                Code::InsufficientResources,
                format!("{} does not take it any more", single.to),
            )),
        }
    }
    for placement in &command.existing_nodes {
        let node = slot_of(&placement.node);
        for pod in &placement.pods {
            match node {
                Some(slot) => place(slot, pod, &placement.node),
                None => faults.push(Reason::new(
                    format!("Node {}", placement.node),
                    Code::NodeUnavailable,
                    "it does not exist any more",
                )),
            }
        }
    }
    // What static pools buy (D-92) is no option of a plan.
    let fixed = command.method == Method::StaticDrift;
    for claim in command.replacements.iter().filter(|_| !fixed) {
        let chosen = &claim.cheapest;
        let option = cluster.what.problem.options.ids().find(|option| {
            let (kind, offering) = cluster.offering(*option);
            let pool = cluster.what.problem.options[*option].pool;
            cluster.views.pools.templates[pool.at()].pool.name == claim.node_pool
                && kind.name == chosen.instance_type
                && offering.zone == chosen.zone
                && offering.capacity_type == chosen.capacity_type
                && offering.reservation_id == chosen.reservation_id
        });
        match option.filter(|option| world.allows(*option)) {
            None => faults.push(Reason::new(
                format!("instance type {} in {}", chosen.instance_type, chosen.zone),
                Code::NoOffering,
                "it cannot be bought any more",
            )),
            Some(option) => {
                let slot = world.buy(option);
                for pod in &claim.pods {
                    place(slot, pod, &chosen.instance_type);
                }
            }
        }
    }
    world.place_all(&mut waiting, |(slot, class, ..)| (*slot, *class));
    for (.., pod, target) in waiting {
        faults.push(Reason::new(
            format!("Pod {pod}"),
            Code::InsufficientResources,
            format!("{target} does not take it any more"),
        ));
    }
    for pod in homeless.keys().filter(|_| !fixed) {
        faults.push(Reason::new(
            format!("Pod {pod}"),
            Code::Competition,
            "it came to a node that goes after the command was made",
        ));
    }
}

fn check_price(
    cluster: &Cluster<'_>,
    command: &Command,
    candidates: &[Candidate<'_>],
    faults: &mut Vec<Reason>,
) {
    if command.reason != DisruptionReason::Underutilized || command.replacements.is_empty() {
        return;
    }
    let before: Price = candidates.iter().filter_map(|c| c.price).sum();
    let today = |claim: &crate::plan::PlannedClaim| {
        let chosen = &claim.cheapest;
        let offerings = cluster
            .what
            .problem
            .options
            .ids()
            .map(|o| cluster.offering(o));
        let mut same = offerings.filter(|(kind, offering)| {
            kind.name == chosen.instance_type
                && offering.zone == chosen.zone
                && offering.capacity_type == chosen.capacity_type
        });
        same.next().and_then(|(_, offering)| offering.price)
    };
    let after: Price = command.replacements.iter().filter_map(today).sum();
    if after >= before {
        faults.push(Reason::new(
            "prices",
            Code::NoSaving,
            format!("{before} $/h would be replaced by {after} $/h"),
        ));
    }
}
