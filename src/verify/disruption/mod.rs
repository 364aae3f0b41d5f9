//! The independent checker of disruption commands: may these nodes go, and does every pod end well?
//!
//! [`verify_commands`] takes the candidates out of the snapshot, lets their pods wait, and has [`verify`](fn@super::verify)
//! judge the commands' placements as a plan for what is left. Beside that it reads for itself what may be disrupted
//! (D-6..D-12), how many nodes the budgets let go (D-21..D-27), what PodDisruptionBudgets allow in each wave (M-20), and
//! whether prices add up and something is saved. It shares no code with the planners.

mod budgets;
mod gangs;
mod health;
mod holds;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Verdict;
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::{Pod, PodPhase};
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::command::{Command, DisruptionReason, Method};
use crate::plan::{ExistingPlacement, Plan, Unschedulable, decode};

/// What is wrong with commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// A candidate does not exist, or occurs twice.
    Candidate,
    /// A candidate may not be disrupted (D-6..D-12), or a pod not be moved alone (W-5).
    Held,
    /// A pool's budget does not let so many nodes go (D-27).
    Budget,
    /// A wave takes down more pods of a PodDisruptionBudget than it allows, or pods are in no wave or in two (M-20).
    Waves,
    /// A pod that loses its node has no place, or the command moves one that does not.
    Pod,
    /// The places are not valid: what `verify` says of them.
    Placement,
    /// A node that takes pods goes itself, is not initialized though managed (D-43), or is sick (H-45).
    Destination,
    /// Part of a running gang is moved and part of it stays, or one that requires a topology domain is moved to save
    /// (W-21, H-55).
    Gang,
    /// Prices do not add up.
    Price,
    /// Nothing is saved by a command whose reason is saving (D-53).
    Saving,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// What kind.
    pub fault: Fault,
    /// In one line.
    pub message: String,
}

/// What [`verify_commands`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a verdict that nobody reads proves nothing"]
#[non_exhaustive]
pub struct CommandVerdict {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// What is.
    pub findings: Vec<Finding>,
    /// The judgement of the places.
    pub placement: Verdict,
}

/// Whether a pod needs another place when its node goes: it runs, or its StatefulSet will make it again, and it belongs to
/// neither a DaemonSet nor the node.
fn needs_place(pod: &Pod) -> bool {
    let owned = |kind: &str| pod.owners.iter().any(|owner| owner.kind.as_ref() == kind);
    let comes_back = !pod.is_terminating() || owned("StatefulSet");
    !pod.is_finished() && comes_back && !owned("DaemonSet") && !owned("Node")
}

/// Judges `commands`, all carried out together, as an answer to `snapshot`.
///
/// ```
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::verify::disruption::verify_commands;
/// assert!(verify_commands(&Snapshot::default(), &[]).valid);
/// ```
pub fn verify_commands(snapshot: &Snapshot, commands: &[Command]) -> CommandVerdict {
    let mut findings = Vec::new();
    let mut found = |fault, message: String| findings.push(Finding { fault, message });
    let mut going: BTreeMap<&str, &Command> = BTreeMap::new();
    for command in commands {
        for candidate in &command.candidates {
            let name = candidate.node.as_ref();
            let node = snapshot.nodes.iter().find(|n| n.name.as_ref() == name);
            let Some(node) = node else {
                found(Fault::Candidate, format!("there is no node {name}"));
                continue;
            };
            if going.insert(name, command).is_some() {
                found(Fault::Candidate, format!("{name} is taken twice"));
            }
            for message in holds::of(snapshot, node, command.reason) {
                found(Fault::Held, message);
            }
        }
        let drifted = |name: &Name| {
            let node = snapshot.nodes.iter().find(|node| node.name == *name);
            let claim = node.and_then(|node| holds::claim_of(snapshot, node));
            claim.is_some_and(|c| Condition::is_true(&c.conditions, "Drifted") == Some(true))
        };
        if command.reason == DisruptionReason::Drifted
            && !command.candidates.iter().any(|c| drifted(&c.node))
        {
            found(Fault::Held, "none of the nodes is drifted".to_owned());
        }
        check_prices(snapshot, command, &mut found);
    }
    for command in commands {
        for message in holds::check_moves(snapshot, command, &going) {
            found(Fault::Held, message);
        }
    }
    for message in budgets::check(snapshot, commands) {
        found(Fault::Budget, message);
    }
    for command in commands {
        for message in holds::check_waves(snapshot, command) {
            found(Fault::Waves, message);
        }
    }
    for message in gangs::check(snapshot, commands) {
        found(Fault::Gang, message);
    }
    let (left, plan) = aftermath(snapshot, commands, &going, &mut found);
    check_destinations(snapshot, &plan, &going, &mut found);
    let placement = super::verify(&left, &plan);
    for violation in &placement.violations {
        let pod = violation.pod.as_deref().unwrap_or("-");
        found(
            Fault::Placement,
            format!("{:?} ({pod}): {}", violation.kind, violation.message),
        );
    }
    CommandVerdict {
        valid: findings.is_empty(),
        findings,
        placement,
    }
}

/// The snapshot once the candidates are gone and their pods wait, and the commands' placements as a plan for it.
fn aftermath(
    snapshot: &Snapshot,
    commands: &[Command],
    going: &BTreeMap<&str, &Command>,
    found: &mut dyn FnMut(Fault, String),
) -> (Snapshot, Plan) {
    let goes = |name: Option<&Name>| name.is_some_and(|name| going.contains_key(name.as_ref()));
    let mut left = snapshot.clone();
    let gone: Vec<&Node> = snapshot
        .nodes
        .iter()
        .filter(|node| goes(Some(&node.name)))
        .collect();
    left.nodes.retain(|node| !goes(Some(&node.name)));
    left.node_claims
        .retain(|claim| !gone.iter().any(|node| belongs(claim, node)));
    left.pods
        .retain(|pod| !goes(pod.node_name.as_ref()) || needs_place(pod));
    // Drifted nodes of static pools are replaced one for one (D-92): no plan for pods may buy there, these commands may.
    let fixed = commands.iter().filter(|c| c.method == Method::StaticDrift);
    for claim in fixed.flat_map(|command| &command.replacements) {
        let named = |pool: &&mut NodePool| pool.name == claim.node_pool;
        if let Some(pool) = left.node_pools.iter_mut().find(named) {
            pool.replicas = None;
        }
    }
    let mut evicted: BTreeSet<Name> = BTreeSet::new();
    let stepping: BTreeMap<&Name, &Name> = commands
        .iter()
        .flat_map(|command| command.moves.iter().map(|m| (&m.pod, &m.from)))
        .collect();
    for pod in &mut left.pods {
        let from = stepping.get(&Name::from(pod.key())).copied();
        let steps = from.is_some() && pod.node_name.as_ref() == from;
        if steps || goes(pod.node_name.as_ref()) {
            evicted.insert(Name::from(pod.key()));
            pod.node_name = None;
            pod.phase = PodPhase::Pending;
            pod.detail = None;
            pod.deleted = None;
        }
    }
    let mut plan = Plan::default();
    let mut existing: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for command in commands {
        plan.new_node_claims
            .extend(command.replacements.iter().cloned());
        for placement in &command.existing_nodes {
            let pods = existing.entry(Name::clone(&placement.node)).or_default();
            pods.extend(placement.pods.iter().cloned());
        }
        for single in &command.moves {
            let pods = existing.entry(Name::clone(&single.to)).or_default();
            pods.push(Name::clone(&single.pod));
        }
    }
    for (node, pods) in existing {
        let moved: Vec<&Name> = pods.iter().filter(|pod| !evicted.contains(*pod)).collect();
        for pod in moved {
            found(
                Fault::Pod,
                format!("{pod} does not lose its node and is moved to {node}"),
            );
        }
        let mut placement = ExistingPlacement::new(node);
        placement.pods = pods;
        plan.existing_nodes.push(placement);
    }
    let named: BTreeSet<&Name> = (plan.existing_nodes.iter().flat_map(|e| &e.pods))
        .chain(plan.new_node_claims.iter().flat_map(|c| &c.pods))
        .collect();
    let waits_for_eviction = |pod: &Pod| {
        // An eventual command leaves pods behind that may not be evicted (D-37).
        let by_force = commands
            .iter()
            .any(|c| c.reason == DisruptionReason::Drifted);
        by_force && holds::is_kept(snapshot, pod)
    };
    for pod in &left.pods {
        let key = Name::from(pod.key());
        if named.contains(&key) {
            continue;
        }
        if evicted.contains(&key) && !waits_for_eviction(pod) {
            found(Fault::Pod, format!("{key} loses its node and has no place"));
        }
        plan.unschedulable.push(Unschedulable {
            pod: key,
            reason: Name::from("no subject of these commands"),
            code: Name::from(""),
            reasons: std::sync::Arc::default(),
        });
    }
    plan.unschedulable.retain(|entry| {
        let pod = left.pods.iter().find(|pod| pod.key() == entry.pod.as_ref());
        pod.is_some_and(|pod| {
            pod.node_name.is_none() && pod.is_pending() || on_deleting(&left, pod)
        })
    });
    plan.totals = decode::totals(&plan);
    (left, plan)
}

fn belongs(claim: &NodeClaim, node: &Node) -> bool {
    claim.node_name.as_ref() == Some(&node.name)
        || (claim.provider_id.is_some() && claim.provider_id == node.provider_id)
}

fn on_deleting(snapshot: &Snapshot, pod: &Pod) -> bool {
    let Some(name) = &pod.node_name else {
        return false;
    };
    let node = snapshot.nodes.iter().find(|node| node.name == *name);
    node.is_some_and(|node| match holds::claim_of(snapshot, node) {
        Some(claim) => claim.deleted.is_some(),
        None => node.deleted.is_some(),
    })
}

fn check_destinations(
    snapshot: &Snapshot,
    plan: &Plan,
    going: &BTreeMap<&str, &Command>,
    found: &mut dyn FnMut(Fault, String),
) {
    for placement in &plan.existing_nodes {
        let name = placement.node.as_ref();
        if going.contains_key(name) {
            found(
                Fault::Destination,
                format!("{name} takes pods and goes itself"),
            );
        }
        let node = snapshot
            .nodes
            .iter()
            .find(|node| node.name == placement.node);
        let managed = node.is_some_and(|node| holds::claim_of(snapshot, node).is_some());
        let ready = node.is_some_and(|n| n.labels.get(label::INITIALIZED) == Some("true"));
        if node.is_some_and(health::is_given_up) {
            found(
                Fault::Destination,
                format!("{name} takes pods and is to be replaced or rebooted"),
            );
        }
        if managed && !ready {
            found(
                Fault::Destination,
                format!("{name} takes pods and is not initialized"),
            );
        }
    }
}

/// Stated prices are sums of what is stated, the candidates' are the catalogue's, and saving commands save.
fn check_prices(snapshot: &Snapshot, command: &Command, found: &mut dyn FnMut(Fault, String)) {
    let after: Price = command
        .replacements
        .iter()
        .filter_map(|c| c.cheapest.price)
        .sum();
    let mut before = Price::ZERO;
    for candidate in &command.candidates {
        let node = snapshot.nodes.iter().find(|n| n.name == candidate.node);
        before += node
            .and_then(|node| price_of(snapshot, node))
            .unwrap_or(Price::ZERO);
    }
    if before != command.price_before || after != command.price_after {
        found(
            Fault::Price,
            format!(
                "stated {} -> {}, but it is {before} -> {after}",
                command.price_before, command.price_after
            ),
        );
    }
    let saves = matches!(
        command.reason,
        DisruptionReason::Underutilized | DisruptionReason::Empty
    );
    if saves && !command.replacements.is_empty() && after >= before {
        found(Fault::Saving, format!("{after} $/h replaces {before} $/h"));
    }
    let unpriced = command
        .replacements
        .iter()
        .any(|c| c.cheapest.price.is_none());
    if saves && unpriced {
        found(
            Fault::Saving,
            "a price that is not known is taken for a saving".to_owned(),
        );
    }
}

/// The least price in the catalogue of the node's type in its zone and capacity type.
fn price_of(snapshot: &Snapshot, node: &Node) -> Option<Price> {
    let pool = node.labels.get(label::NODE_POOL)?;
    let pool = snapshot
        .node_pools
        .iter()
        .find(|p| p.name.as_ref() == pool)?;
    let classes = crate::hyperpod::capacity::resolve(snapshot);
    let class = classes.get(&pool.node_class_ref.name)?;
    let wanted = |key: &str| {
        node.labels
            .iter()
            .find(|(held, _)| label::normalize(held) == key)
            .map(|(_, value)| Name::clone(value))
    };
    let (kind, zone, capacity) = (
        wanted(label::INSTANCE_TYPE)?,
        wanted(label::ZONE)?,
        wanted(label::CAPACITY_TYPE)?,
    );
    let reservation = wanted(label::RESERVATION_ID);
    let mut prices: Vec<Price> = Vec::new();
    for offering in class
        .types
        .iter()
        .filter(|t| t.name == kind)
        .flat_map(|t| &t.offerings)
    {
        let same = offering.zone == zone && offering.capacity_type.as_str() == capacity.as_ref();
        if same && (reservation.is_none() || offering.reservation_id == reservation) {
            prices.extend(offering.price);
        }
    }
    prices.into_iter().min()
}
