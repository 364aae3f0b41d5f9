//! Gangs: pods that are of use only together (M-15).
//!
//! A gang is a PodGroup of the scheduler plugins, a Kueue pod group or a JobSet. Parts of it may have to be, or prefer to
//! be, in one topology domain (H-53, H-54).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::hash::FastMap;
use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, Labels};
use crate::model::pod::{Pod, PodPhase};
use crate::model::resources::Name;

/// The label that names a pod's PodGroup.
const POD_GROUP: &str = "scheduling.x-k8s.io/pod-group";
/// The label that names a pod's Kueue group, and the annotation with its size.
const KUEUE_GROUP: &str = "kueue.x-k8s.io/pod-group-name";
const KUEUE_COUNT: &str = "kueue.x-k8s.io/pod-group-total-count";
/// The label that names a pod's JobSet.
const JOB_SET: &str = "jobset.sigs.k8s.io/jobset-name";
/// The label that tells the pod sets of one gang apart.
const POD_SET: &str = "kueue.x-k8s.io/podset";
/// The annotations that ask for one topology domain (H-54).
const REQUIRED: &str = "kueue.x-k8s.io/podset-required-topology";
const PREFERRED: &str = "kueue.x-k8s.io/podset-preferred-topology";

/// Where the name of a gang comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A `scheduling.x-k8s.io` PodGroup.
    PodGroup,
    /// A Kueue pod group.
    Kueue,
    /// A JobSet.
    JobSet,
}

impl Source {
    /// What people call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodGroup => "PodGroup",
            Self::Kueue => "Kueue pod group",
            Self::JobSet => "JobSet",
        }
    }
}

/// Pods of a gang that belong in one topology domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Unit {
    /// The pod set.
    pub pod_set: Name,
    /// The node label whose equal values make a domain.
    pub key: Name,
    /// Whether one domain is required; preferred otherwise.
    pub required: bool,
}

/// A gang.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Gang {
    /// Where its name comes from.
    pub source: Source,
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// How many pods it needs at least.
    pub minimum: u32,
    /// How many of them run or have ended well.
    pub running: u32,
    /// How many pods of it there are.
    pub seen: u32,
    /// The highest priority among its pods.
    pub priority: i32,
    /// When its oldest pod was created.
    pub created: Option<Timestamp>,
    /// Its parts that belong in one domain.
    pub units: Vec<Unit>,
    /// By unit: the domains in which pods of it run.
    pub standing: Vec<BTreeSet<Name>>,
}

impl Gang {
    /// How many pods more it needs.
    #[must_use]
    pub fn need(&self) -> u32 {
        self.minimum.saturating_sub(self.running)
    }
}

/// A pod's place in a gang: positions of the gang and of the unit in it.
pub type Membership = (u32, Option<u32>);

/// The gangs of a snapshot, in the order in which they are served: priority, age, name.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Gangs {
    /// The gangs.
    pub gangs: Vec<Gang>,
    /// By position of the pod in the snapshot.
    members: FastMap<u32, Membership>,
}

/// What names a gang: where its name comes from, namespace, name.
pub type Key = (Source, Name, Name);

/// Pods that wait in a gang, each with its unit.
type Waiting = Vec<(u32, Option<u32>)>;

impl Gangs {
    /// Reads the gangs of `snapshot`: `waits` tells which pods wait for a place, `labels_of` the labels of the node a pod
    /// is bound to. O(pods).
    #[must_use]
    pub fn new<'l>(
        snapshot: &Snapshot,
        waits: impl Fn(u32) -> bool,
        labels_of: impl Fn(u32) -> Option<&'l Labels>,
    ) -> Self {
        let mut found: BTreeMap<Key, (Gang, Waiting)> = BTreeMap::new();
        for (position, pod) in snapshot.pods.iter().enumerate() {
            let Some(key) = key_of(pod) else { continue };
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            let (gang, members) = found
                .entry(key.clone())
                .or_insert_with(|| (blank(&key), Vec::new()));
            if pod.phase == PodPhase::Failed || (pod.is_terminating() && !waits(position)) {
                continue;
            }
            gang.seen += 1;
            gang.priority = gang.priority.max(pod.spec.priority);
            gang.created = match (gang.created, pod.created) {
                (Some(held), Some(own)) => Some(held.min(own)),
                (held, own) => held.or(own),
            };
            if let Some(count) = pod
                .annotations
                .get(KUEUE_COUNT)
                .filter(|_| key.0 == Source::Kueue)
                && let Ok(count) = count.parse()
            {
                gang.minimum = gang.minimum.max(count);
            }
            let unit = unit_of(pod).map(|unit| {
                let at = gang.units.iter().position(|held| *held == unit);
                let at = at.unwrap_or_else(|| {
                    gang.units.push(unit);
                    gang.standing.push(BTreeSet::new());
                    gang.units.len() - 1
                });
                u32::try_from(at).unwrap_or(u32::MAX)
            });
            if waits(position) {
                members.push((position, unit));
            } else if pod.is_finished() || pod.node_name.is_some() {
                gang.running += 1;
                if let (Some(unit), Some(labels)) = (unit, labels_of(position))
                    && let Some(value) = labels.shared(&gang.units[unit as usize].key)
                {
                    gang.standing[unit as usize].insert(Name::clone(value));
                }
            }
        }
        let of_group = |key: &Key| {
            let group = snapshot
                .pod_groups
                .iter()
                .find(|group| group.namespace == key.1 && group.name == key.2);
            group.map(|group| group.min_member)
        };
        let mut all: Vec<(Gang, Waiting)> = Vec::new();
        for (key, (mut gang, members)) in found {
            if key.0 == Source::PodGroup {
                gang.minimum = of_group(&key).unwrap_or(0);
            }
            if gang.minimum == 0 {
                gang.minimum = gang.seen;
            }
            // A gang that lacks at most one pod and asks for no domain is like any pods.
            if !members.is_empty() && (gang.need() > 1 || !gang.units.is_empty()) {
                all.push((gang, members));
            }
        }
        all.sort_by(|(a, _), (b, _)| {
            let key = |g: &Gang| {
                (
                    g.created,
                    Name::clone(&g.namespace),
                    Name::clone(&g.name),
                    g.source,
                )
            };
            b.priority
                .cmp(&a.priority)
                .then_with(|| key(a).cmp(&key(b)))
        });
        let mut result = Self::default();
        for (at, (mut gang, mut members)) in all.into_iter().enumerate() {
            sort_units(&mut gang, &mut members);
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            for (position, unit) in members {
                result.members.insert(position, (at, unit));
            }
            result.gangs.push(gang);
        }
        result
    }

    /// The gang and unit of the pod at `position`, if it waits in one.
    #[must_use]
    pub fn of(&self, position: u32) -> Option<Membership> {
        if self.gangs.is_empty() {
            return None;
        }
        self.members.get(&position).copied()
    }
}

/// Units in an order that the order of the input does not show in.
fn sort_units(gang: &mut Gang, members: &mut [(u32, Option<u32>)]) {
    let mut order: Vec<usize> = (0..gang.units.len()).collect();
    order.sort_by(|a, b| gang.units[*a].cmp(&gang.units[*b]));
    for (_, unit) in members {
        let moved = unit.and_then(|unit| order.iter().position(|at| *at == unit as usize));
        *unit = moved.and_then(|at| u32::try_from(at).ok());
    }
    gang.units = order.iter().map(|at| gang.units[*at].clone()).collect();
    gang.standing = order.iter().map(|at| gang.standing[*at].clone()).collect();
}

fn blank((source, namespace, name): &Key) -> Gang {
    Gang {
        source: *source,
        namespace: Name::clone(namespace),
        name: Name::clone(name),
        minimum: 0,
        running: 0,
        seen: 0,
        priority: i32::MIN,
        created: None,
        units: Vec::new(),
        standing: Vec::new(),
    }
}

/// The gang that a pod belongs to: the first of the labels that it has (M-15).
#[must_use]
pub fn key_of(pod: &Pod) -> Option<Key> {
    if pod.labels.is_empty() {
        return None;
    }
    let sources = [
        (POD_GROUP, Source::PodGroup),
        (KUEUE_GROUP, Source::Kueue),
        (JOB_SET, Source::JobSet),
    ];
    sources.iter().find_map(|(label, source)| {
        let name = pod.labels.shared(label)?;
        Some((*source, Name::clone(&pod.namespace), Name::clone(name)))
    })
}

/// The topology domain that `pod` and others of its gang belong in (H-54).
#[must_use]
pub fn unit_of(pod: &Pod) -> Option<Unit> {
    let required = pod.annotations.get(REQUIRED);
    let key = required.or_else(|| pod.annotations.get(PREFERRED))?;
    let pod_set = pod.labels.shared(POD_SET).map(Name::clone);
    Some(Unit {
        pod_set: pod_set.unwrap_or_default(),
        key: Name::from(label::normalize(key)),
        required: required.is_some(),
    })
}
