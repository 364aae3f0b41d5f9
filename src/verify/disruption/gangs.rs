//! Running gangs are moved whole or not at all (M-15, W-21), read from the pods.

use std::collections::{BTreeMap, BTreeSet};

use super::needs_place;
use crate::model::cluster::Snapshot;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::plan::command::{Command, DisruptionReason};

/// Labels that make a pod a member, the one that decides first.
const LABELS: [&str; 3] = [
    "scheduling.x-k8s.io/pod-group",
    "kueue.x-k8s.io/pod-group-name",
    "jobset.sigs.k8s.io/jobset-name",
];

/// A gang: which label, namespace, value.
type Gang<'s> = (usize, &'s str, &'s str);

fn gang_of(pod: &Pod) -> Option<Gang<'_>> {
    let mut labels = LABELS.iter().enumerate();
    labels.find_map(|(rank, label)| Some((rank, pod.namespace.as_ref(), pod.labels.get(label)?)))
}

/// Gangs of which some pods lose their node by a command, and others by another one or not at all. A sick node has stopped
/// its gangs already, so repair is free of this.
pub(super) fn check(snapshot: &Snapshot, commands: &[Command]) -> Vec<String> {
    let mut by_node: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut by_pod: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, command) in commands.iter().enumerate() {
        for candidate in &command.candidates {
            by_node.insert(&candidate.node, at);
        }
        for moved in &command.moves {
            by_pod.insert(&moved.pod, at);
        }
    }
    let forced = |at: usize| commands[at].reason == DisruptionReason::Unhealthy;
    let mut moved: BTreeMap<Gang<'_>, BTreeSet<Option<usize>>> = BTreeMap::new();
    let mut bound: BTreeSet<Gang<'_>> = BTreeSet::new();
    for pod in snapshot.pods.iter().filter(|pod| needs_place(pod)) {
        let (Some(gang), Some(node)) = (gang_of(pod), pod.node_name.as_ref()) else {
            continue;
        };
        let by = by_node.get(node).copied();
        let by = by.or_else(|| by_pod.get(pod.key().as_str()).copied());
        if by.is_none_or(|at| !forced(at)) {
            moved.entry(gang).or_default().insert(by);
        }
        let required = "kueue.x-k8s.io/podset-required-topology";
        if pod.annotations.get(required).is_some() {
            bound.insert(gang);
        }
    }
    let mut all = Vec::new();
    for (gang, by) in moved {
        let (_, namespace, name) = gang;
        if by.len() > 1 {
            all.push(format!("gang {namespace}/{name} is not moved as a whole"));
        }
        let saves = |at: &usize| commands[*at].reason == DisruptionReason::Underutilized;
        if bound.contains(&gang) && by.iter().flatten().any(saves) {
            all.push(format!(
                "gang {namespace}/{name} requires one topology domain and is moved to save"
            ));
        }
    }
    all
}
