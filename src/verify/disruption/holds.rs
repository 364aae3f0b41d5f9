//! What may not be disrupted, read from the rules (D-6..D-12), and drains wave by wave (M-20).

use std::collections::{BTreeMap, BTreeSet};

use super::needs_place;
use crate::base::time::{Span, Timestamp};
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::pod::Pod;
use crate::model::policy::{IntOrPercent, PodDisruptionBudget};
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect};
use crate::plan::command::{Command, DisruptionReason, Move};

const ANNOTATION: &str = "karpenter.sh/do-not-disrupt";

/// The NodeClaim of `node`.
pub(super) fn claim_of<'s>(snapshot: &'s Snapshot, node: &Node) -> Option<&'s NodeClaim> {
    let named = |c: &&NodeClaim| c.node_name.as_ref() == Some(&node.name);
    let same_machine =
        |c: &&NodeClaim| c.provider_id.is_some() && c.provider_id == node.provider_id;
    let claims = &snapshot.node_claims;
    claims
        .iter()
        .find(named)
        .or_else(|| claims.iter().find(same_machine))
}

/// Everything that stands against disrupting `node` for `reason`.
pub(super) fn of(snapshot: &Snapshot, node: &Node, reason: DisruptionReason) -> Vec<String> {
    let mut all = Vec::new();
    let name = &node.name;
    let Some(claim) = claim_of(snapshot, node) else {
        return vec![format!("{name} is not managed")];
    };
    if node.labels.get(label::INITIALIZED) != Some("true") {
        all.push(format!("{name} is not initialized"));
    }
    let terminating = Condition::is_true(&claim.conditions, "InstanceTerminating") == Some(true);
    if claim.deleted.is_some() || terminating {
        all.push(format!("{name} is being deleted"));
    }
    all.extend(super::health::of(snapshot, node, reason));
    let repair = reason == DisruptionReason::Unhealthy;
    if !repair && node.annotations.get(ANNOTATION) == Some("true") {
        all.push(format!("{name} is annotated do-not-disrupt"));
    }
    let eventual = reason == DisruptionReason::Drifted && claim.termination_grace_period.is_some();
    let forced = matches!(
        reason,
        DisruptionReason::Expired | DisruptionReason::Unhealthy
    );
    if eventual || forced {
        return all;
    }
    for pod in pods_on(snapshot, name) {
        if pod.is_finished() || pod.is_terminating() {
            continue;
        }
        if is_annotated(snapshot, pod) {
            all.push(format!(
                "{} on {name} is annotated do-not-disrupt",
                pod.key()
            ));
        }
        if let Some(message) = held_by_pdb(snapshot, pod) {
            all.push(message);
        }
    }
    if reason == DisruptionReason::Empty && pods_on(snapshot, name).any(needs_place) {
        all.push(format!("{name} is not empty"));
    }
    all
}

fn pods_on<'s>(snapshot: &'s Snapshot, node: &'s Name) -> impl Iterator<Item = &'s Pod> {
    let here = move |pod: &&Pod| pod.node_name.as_ref() == Some(node);
    snapshot.pods.iter().filter(here)
}

fn is_annotated(snapshot: &Snapshot, pod: &Pod) -> bool {
    let Some(value) = pod.annotations.get(ANNOTATION) else {
        return false;
    };
    if value == "true" {
        return true;
    }
    let Ok(span) = value.parse::<Span>() else {
        return false;
    };
    let now: Timestamp = snapshot.options.now.unwrap_or_default();
    let started = pod.detail.as_ref().and_then(|detail| detail.start_time);
    span > Span::ZERO && started.is_none_or(|start| now.since(start) < span)
}

/// Whether an eventual command leaves this pod where it is, without a place (D-37).
pub(super) fn is_kept(snapshot: &Snapshot, pod: &Pod) -> bool {
    // The pod may have been taken off its node already; the original tells.
    let original = snapshot.pods.iter().find(|p| p.key() == pod.key());
    original.is_some_and(|pod| {
        let pdbs = selecting(snapshot, pod);
        let never = |pdb: &&PodDisruptionBudget| {
            pdb.max_unavailable == Some(IntOrPercent::Count(0))
                || pdb.max_unavailable == Some(IntOrPercent::Percent(0))
                || pdb.min_available == Some(IntOrPercent::Percent(100))
        };
        is_annotated(snapshot, pod) || pdbs.len() > 1 || pdbs.iter().any(never)
    })
}

fn selecting<'s>(snapshot: &'s Snapshot, pod: &Pod) -> Vec<&'s PodDisruptionBudget> {
    let selects = |pdb: &&PodDisruptionBudget| {
        pdb.namespace == pod.namespace
            && pdb
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&pod.labels))
    };
    snapshot
        .pod_disruption_budgets
        .iter()
        .filter(selects)
        .collect()
}

/// Whether a drain evicts the pod: not a mirror pod, and the disruption taint is not tolerated.
fn is_evicted(pod: &Pod) -> bool {
    let taint = Taint::new("karpenter.sh/disrupted", "", TaintEffect::NoSchedule);
    !pod.is_terminating()
        && !pod.owners.iter().any(|owner| owner.kind.as_ref() == "Node")
        && !pod.spec.tolerations.iter().any(|t| t.tolerates(&taint))
}

fn is_exempt(pdb: &PodDisruptionBudget, pod: &Pod) -> bool {
    pdb.always_allow_unhealthy && pod.detail.as_ref().is_some_and(|detail| detail.unready)
}

fn held_by_pdb(snapshot: &Snapshot, pod: &Pod) -> Option<String> {
    if !is_evicted(pod) {
        return None;
    }
    let pdbs = selecting(snapshot, pod);
    match pdbs.as_slice() {
        [] => None,
        [pdb] => (pdb.disruptions_allowed.unwrap_or(0) <= 0 && !is_exempt(pdb, pod))
            .then(|| format!("PodDisruptionBudget {} holds {}", pdb.name, pod.key())),
        _ => Some(format!(
            "{} PodDisruptionBudgets hold {}",
            pdbs.len(),
            pod.key()
        )),
    }
}

/// What stands against moving single pods of nodes that stay (W-5).
pub(super) fn check_moves(
    snapshot: &Snapshot,
    command: &Command,
    going: &BTreeMap<&str, &Command>,
) -> Vec<String> {
    let mut all = Vec::new();
    if !command.moves.is_empty() && !snapshot.options.pod_moves {
        all.push("moving single pods is not allowed".to_owned());
    }
    for single in &command.moves {
        let named = |pod: &&Pod| pod.key() == single.pod.as_ref();
        let pod = snapshot.pods.iter().find(named);
        let Some(pod) = pod.filter(|pod| pod.node_name.as_ref() == Some(&single.from)) else {
            all.push(format!("{} is not on {}", single.pod, single.from));
            continue;
        };
        if going.contains_key(single.from.as_ref()) {
            all.push(format!("{} goes with its node anyway", single.pod));
        }
        if !needs_place(pod) || is_annotated(snapshot, pod) {
            all.push(format!("{} may not be moved", single.pod));
        }
        all.extend(held_by_pdb(snapshot, pod));
    }
    all
}

/// Each pod that a drain evicts is in one wave, and no wave has more pods of a PodDisruptionBudget than it allows.
pub(super) fn check_waves(snapshot: &Snapshot, command: &Command) -> Vec<String> {
    let mut all = Vec::new();
    let going: BTreeSet<&Name> = command.candidates.iter().map(|c| &c.node).collect();
    let moved: BTreeMap<String, &Pod> = snapshot
        .pods
        .iter()
        .filter(|pod| {
            let steps = |single: &Move| pod.key() == single.pod.as_ref();
            let goes = |node: &Name| going.contains(node);
            pod.node_name.as_ref().is_some_and(goes) || command.moves.iter().any(steps)
        })
        .filter(|pod| needs_place(pod))
        .map(|pod| (pod.key(), pod))
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (number, wave) in command.waves.iter().enumerate() {
        let mut down: BTreeMap<&Name, (i64, i64)> = BTreeMap::new();
        for name in wave {
            if !seen.insert(name) {
                all.push(format!("{name} is evicted twice"));
            }
            let Some(pod) = moved.get(name.as_ref()) else {
                all.push(format!("{name} is evicted and is on no candidate"));
                continue;
            };
            for pdb in selecting(snapshot, pod) {
                if !is_exempt(pdb, pod) {
                    let allowed = i64::from(pdb.disruptions_allowed.unwrap_or(0));
                    down.entry(&pdb.name).or_insert((0, allowed)).0 += 1;
                }
            }
        }
        for (pdb, (down, allowed)) in down {
            if down > allowed {
                all.push(format!(
                    "wave {number} takes {down} pods of {pdb} down, {allowed} are allowed"
                ));
            }
        }
    }
    // Repair drains by force (D-102): nobody is asked, and nobody has to stand in line.
    if command.reason == DisruptionReason::Unhealthy && command.waves.is_empty() {
        return all;
    }
    let forced = command.reason == DisruptionReason::Drifted;
    for (name, pod) in &moved {
        if is_evicted(pod) && !seen.contains(name.as_str()) && !(forced && held(snapshot, pod)) {
            all.push(format!("{name} is in no wave"));
        }
    }
    if moved.len() < command.evictions {
        all.push(format!(
            "{} evictions are stated, {} pods move",
            command.evictions,
            moved.len()
        ));
    }
    all
}

fn held(snapshot: &Snapshot, pod: &Pod) -> bool {
    is_kept(snapshot, pod) || held_by_pdb(snapshot, pod).is_some()
}
