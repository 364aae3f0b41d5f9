//! Gangs: whole or not at all (M-15), and parts that must be in one topology domain (H-54).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::hash::FastMap;
use crate::model::label::normalize;
use crate::model::pod::{Pod, PodPhase};
use crate::model::resources::Name;

use super::report::{Kind, Report, Violation};
use super::view::{Cluster, NodeIx, PodIx};

/// Labels that make a pod a member, the one that decides first.
const LABELS: [&str; 3] = [
    "scheduling.x-k8s.io/pod-group",
    "kueue.x-k8s.io/pod-group-name",
    "jobset.sigs.k8s.io/jobset-name",
];

/// What the plan does to one gang.
#[derive(Debug, Default)]
struct Count {
    /// Members there are that have not failed and are not leaving.
    all: u32,
    /// Members that run or have ended well.
    live: u32,
    placed: u32,
    stated: u32,
    /// By pod set and label key.
    domains: BTreeMap<(Name, Name), Domains>,
}

/// The values of one label on the nodes of members.
#[derive(Debug, Default)]
struct Domains {
    values: BTreeSet<Option<Name>>,
    /// Whether the plan placed one of them.
    moved: bool,
}

/// Reports gangs of which the plan places too few pods, or puts them in several domains.
pub(super) fn check(cluster: &Cluster<'_>, report: &mut Report) {
    let mut placed_on: FastMap<PodIx, NodeIx> = FastMap::default();
    let mut bound_to: FastMap<PodIx, NodeIx> = FastMap::default();
    for (ix, node) in cluster.nodes.enumerate() {
        placed_on.extend(node.placed.iter().map(|pod| (*pod, ix)));
        bound_to.extend(node.bound.iter().map(|pod| (*pod, ix)));
    }
    let mut gangs: BTreeMap<(usize, Name, Name), Count> = BTreeMap::new();
    for (ix, view) in cluster.pods.enumerate() {
        let Some(key) = member_of(view.pod) else {
            continue;
        };
        if view.pod.phase == PodPhase::Failed || (view.pod.is_terminating() && !view.pending) {
            continue;
        }
        let count = gangs.entry(key).or_default();
        count.all += 1;
        let size = view
            .pod
            .annotations
            .get("kueue.x-k8s.io/pod-group-total-count");
        let size = size.and_then(|text| text.parse().ok()).unwrap_or(0);
        count.stated = count.stated.max(size);
        let placed = placed_on.get(&ix).copied();
        let runs = !view.pending && (view.pod.is_finished() || view.pod.node_name.is_some());
        count.live += u32::from(runs);
        count.placed += u32::from(placed.is_some());
        let required = view
            .pod
            .annotations
            .get("kueue.x-k8s.io/podset-required-topology");
        let node = placed.or_else(|| bound_to.get(&ix).copied());
        if let (Some(required), Some(node)) = (required, node) {
            let set = view.pod.labels.shared("kueue.x-k8s.io/podset");
            let set = (
                set.map(Name::clone).unwrap_or_default(),
                Name::from(normalize(required)),
            );
            let value = cluster.nodes[node].labels.shared(&set.1).map(Name::clone);
            let held = count.domains.entry(set).or_default();
            held.values.insert(value);
            held.moved |= placed.is_some();
        }
    }
    for ((source, namespace, name), count) in gangs {
        let group = cluster.snapshot.pod_groups.iter();
        let minimum = match source {
            0 => group
                .filter(|group| group.namespace == namespace && group.name == name)
                .map(|group| group.min_member)
                .max()
                .unwrap_or(0),
            1 => count.stated,
            _ => 0,
        };
        let minimum = if minimum == 0 { count.all } else { minimum };
        let there = count.live + count.placed;
        if count.placed > 0 && there < minimum {
            report.violation(Violation::new(
                Kind::Gang,
                format!("of gang {namespace}/{name} {there} pods would run, it needs {minimum}"),
            ));
        }
        for ((_, key), Domains { values, moved }) in &count.domains {
            if *moved && (values.len() > 1 || values.contains(&None)) {
                let all: Vec<&str> = values
                    .iter()
                    .map(|v| v.as_deref().unwrap_or("none"))
                    .collect();
                report.violation(Violation::new(
                    Kind::Gang,
                    format!(
                        "gang {namespace}/{name} must be in one domain of {key}, it would be in {}",
                        all.join(", ")
                    ),
                ));
            }
        }
    }
}

fn member_of(pod: &Pod) -> Option<(usize, Name, Name)> {
    LABELS.iter().enumerate().find_map(|(source, label)| {
        let name = pod.labels.shared(label)?;
        Some((source, Name::clone(&pod.namespace), Name::clone(name)))
    })
}
