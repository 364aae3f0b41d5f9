//! Attach limits of volumes as resources (S-107, S-108, W-33).
//!
//! A CSI driver attaches a limited number of volumes to a node. Each such driver becomes a resource, named as Kubernetes
//! named it, of which a pod asks for as many as it has claims of the driver. Existing nodes have what their CSINode says,
//! less what is attached. New nodes have what their type's capacity says, else the least that a CSINode of a node of that
//! type says; where nothing is known there is no limit, as in Karpenter.
//!
//! Kubernetes counts a claim once per node, however many pods there use it. A sum cannot, so a few claims that several
//! pods share get a place kept on every node, and their pods ask for none; those of further shared claims are counted
//! pod by pod, which is never too little.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::hash::FastMap;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::InstanceType;
use crate::model::label::INSTANCE_TYPE;
use crate::model::pod::Pod;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};
use crate::model::volume::CsiNode;
use crate::view::nodes::{ExistingNode, NodeOf};
use crate::view::volumes::Volumes;

/// What the resource of a driver is called, followed by the driver's name.
pub const PREFIX: &str = "attachable-volumes-csi-";

/// The driver of EBS volumes, and the name that kubelets gave its limit before CSI.
const EBS: (&str, &str) = ("ebs.csi.aws.com", "attachable-volumes-aws-ebs");

/// What stands for "no limit": more than any node attaches.
const UNLIMITED: u32 = 1_000_000;

/// Claims with a kept place take at most this part of the largest limit, and at least one place may be kept.
const KEPT_PART: u32 = 4;

/// A PersistentVolumeClaim by namespace and name.
type Claim = (Name, Name);

/// A driver that limits volumes, and what a snapshot's pods and nodes have to do with it.
#[derive(Debug, Default)]
struct Driver {
    resource: Name,
    by_type: BTreeMap<Name, u32>,
    /// Claims with a kept place.
    kept: Vec<Claim>,
}

/// What one driver means on one node.
#[derive(Debug, Default)]
struct OnNode {
    limit: Option<u32>,
    /// By pods that stay.
    attached: BTreeSet<Claim>,
    /// By pods that could move.
    moving: BTreeSet<Claim>,
}

impl OnNode {
    fn has(&self, claim: &Claim) -> bool {
        self.attached.contains(claim) || self.moving.contains(claim)
    }

    fn volumes(&self) -> u32 {
        count(self.attached.union(&self.moving).count())
    }
}

/// The attach limits that matter for the pods that wait. Empty, and free of cost, where no driver has a limit.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Attach {
    drivers: BTreeMap<Name, Driver>,
    /// By driver, by position in the node view.
    nodes: BTreeMap<Name, Vec<OnNode>>,
}

impl Attach {
    /// Reads the limits of `snapshot`: `nodes` is the node view, `node_of` where pods are bound, `waits` which pods wait,
    /// `moves` which bound ones could move: their volumes are attached where they run and have to be elsewhere then.
    /// O(pods with volumes + nodes x drivers).
    #[must_use]
    pub fn new<'t>(
        snapshot: &Snapshot,
        nodes: &[ExistingNode<'_>],
        types: impl Iterator<Item = &'t InstanceType>,
        node_of: &NodeOf,
        waits: impl Fn(u32) -> bool,
        moves: impl Fn(u32) -> bool,
    ) -> Self {
        let mut limits = limits_by_type(snapshot, nodes);
        for known in types {
            for (name, amount) in known.capacity.iter() {
                if let Some(driver) = driver_of(name) {
                    let of_type = limits.entry(Name::from(driver)).or_default();
                    of_type.insert(Name::clone(&known.name), units(amount));
                }
            }
        }
        if limits.is_empty() {
            return Self::default();
        }
        let volumes = Volumes::new(snapshot);
        let mut users: BTreeMap<Name, BTreeMap<Claim, u32>> = BTreeMap::new();
        let mut attached: BTreeMap<Name, BTreeMap<u32, OnNode>> = BTreeMap::new();
        for (position, pod) in snapshot.pods.iter().enumerate() {
            if pod.spec.volumes.is_empty() || pod.is_finished() {
                continue;
            }
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            let waiting = waits(position);
            let moving = !waiting && moves(position);
            let node = node_of.get(position).filter(|_| !waiting);
            for (driver, claim) in claims(&volumes, pod) {
                if !limits.contains_key(&driver) {
                    continue;
                }
                if let Some(at) = node {
                    let held = attached.entry(Name::clone(&driver)).or_default();
                    let row = held.entry(at).or_default();
                    let claims = match moving {
                        true => &mut row.moving,
                        false => &mut row.attached,
                    };
                    claims.insert(claim.clone());
                }
                if waiting || moving {
                    *users.entry(driver).or_default().entry(claim).or_default() += 1;
                }
            }
        }
        let csi_nodes: FastMap<&str, &CsiNode> = snapshot
            .csi_nodes
            .iter()
            .map(|csi| (csi.name.as_ref(), csi))
            .collect();
        let mut result = Self::default();
        for (driver, users) in users {
            let by_type = limits.remove(&driver).unwrap_or_default();
            let mut held = attached.remove(&driver).unwrap_or_default();
            let rows: Vec<OnNode> = nodes
                .iter()
                .enumerate()
                .map(|(at, node)| {
                    let row = u32::try_from(at).ok().and_then(|at| held.remove(&at));
                    OnNode {
                        limit: node_limit(&csi_nodes, node, &driver, &by_type),
                        ..row.unwrap_or_default()
                    }
                })
                .collect();
            let kept = kept(&users, &rows, nodes, &by_type);
            let resource = Name::from(format!("{PREFIX}{driver}"));
            result.nodes.insert(Name::clone(&driver), rows);
            let entry = Driver {
                resource,
                by_type,
                kept,
            };
            result.drivers.insert(driver, entry);
        }
        result
    }

    /// Whether no limit matters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drivers.is_empty()
    }

    /// Adds what the volumes of `pod` ask for to its requests.
    pub fn add_requests(&self, volumes: &Volumes<'_>, pod: &Pod, requests: &mut ResourceList) {
        if self.is_empty() || pod.spec.volumes.is_empty() {
            return;
        }
        for (driver, claim) in claims(volumes, pod) {
            if let Some(known) = self.drivers.get(&driver)
                && !known.kept.contains(&claim)
            {
                let more = requests.amount(&known.resource) + Quantity::from_units(1);
                requests.set_shared(Name::clone(&known.resource), more);
            }
        }
    }

    /// The claims of `pod` that have a kept place, as driver and position.
    #[must_use]
    pub fn kept_claims(&self, volumes: &Volumes<'_>, pod: &Pod) -> Vec<(Name, u32)> {
        if self.is_empty() || pod.spec.volumes.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(Name, u32)> = claims(volumes, pod)
            .into_iter()
            .filter_map(|(driver, claim)| {
                let kept = &self.drivers.get(&driver)?.kept;
                let at = kept.iter().position(|held| *held == claim)?;
                Some((driver, u32::try_from(at).ok()?))
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Whether no place is left to keep for the claim (a driver and a position, see
    /// [`kept_claims`](Self::kept_claims)) on the node at `at` of the view.
    #[must_use]
    pub fn bars_node(&self, (driver, number): &(Name, u32), at: usize) -> bool {
        let (Some(known), Some(rows)) = (self.drivers.get(driver), self.nodes.get(driver)) else {
            return false;
        };
        let Some((limit, row)) = rows.get(at).and_then(|row| Some((row.limit?, row))) else {
            return false;
        };
        let number = *number as usize;
        let missing = |claim: &&Claim| !row.has(claim);
        if known.kept.get(number).is_some_and(|claim| !missing(&claim)) {
            return false;
        }
        let before = known.kept.iter().take(number).filter(missing).count();
        row.volumes().saturating_add(count(before)) >= limit
    }

    /// Whether no place is left to keep for the claim on a new node of `instance_type`.
    #[must_use]
    pub fn bars_type(&self, (driver, number): &(Name, u32), instance_type: &InstanceType) -> bool {
        let limit = self
            .drivers
            .get(driver)
            .and_then(|known| known.by_type.get(&instance_type.name));
        limit.is_some_and(|limit| number >= limit)
    }

    /// Sets the room for volumes of a new node of `instance_type` in `allocatable`, places kept taken off.
    pub fn set_fresh(&self, instance_type: &InstanceType, allocatable: &mut ResourceList) {
        for driver in self.drivers.values() {
            let limit = driver.by_type.get(&instance_type.name).copied();
            let room = limit.map_or(UNLIMITED, |limit| {
                limit.saturating_sub(count(driver.kept.len()))
            });
            allocatable.set_shared(
                Name::clone(&driver.resource),
                Quantity::from_units(i64::from(room)),
            );
        }
    }

    /// Sets the room for volumes of the node at `at` of the view, and what of it is attached or kept, for each driver.
    pub fn set_node(&self, at: usize, allocatable: &mut ResourceList, used: &mut ResourceList) {
        for (name, driver) in &self.drivers {
            let row = self.nodes.get(name).and_then(|rows| rows.get(at));
            let limit = row.and_then(|row| row.limit);
            let taken = match (limit, row) {
                (Some(_), Some(row)) => {
                    let kept = driver.kept.iter();
                    let missing = kept.filter(|claim| !row.has(claim)).count();
                    row.volumes().saturating_add(count(missing))
                }
                _ => 0,
            };
            let set = |list: &mut ResourceList, amount: u32| {
                list.set_shared(
                    Name::clone(&driver.resource),
                    Quantity::from_units(i64::from(amount)),
                );
            };
            set(allocatable, limit.unwrap_or(UNLIMITED));
            set(used, taken);
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whole units of a capacity, rounded down.
fn units(amount: Quantity) -> u32 {
    let whole = amount.as_nanos().max(0) / Quantity::from_units(1).as_nanos();
    u32::try_from(whole).unwrap_or(u32::MAX).min(UNLIMITED)
}

/// The driver whose limit a resource of an instance type states.
fn driver_of(resource: &str) -> Option<&str> {
    if resource == EBS.1 {
        return Some(EBS.0);
    }
    resource.strip_prefix(PREFIX)
}

/// By driver and instance type: the least limit that the CSINodes of such nodes state. Drivers with a limit on some node
/// of no known type are listed too.
fn limits_by_type(
    snapshot: &Snapshot,
    nodes: &[ExistingNode<'_>],
) -> BTreeMap<Name, BTreeMap<Name, u32>> {
    let mut types: FastMap<&str, &Name> = FastMap::default();
    for node in nodes.iter().filter(|_| !snapshot.csi_nodes.is_empty()) {
        if let Some(of_node) = node.labels.shared(INSTANCE_TYPE) {
            types.insert(&node.name, of_node);
        }
    }
    let mut limits: BTreeMap<Name, BTreeMap<Name, u32>> = BTreeMap::new();
    for csi in &snapshot.csi_nodes {
        for (driver, limit) in &csi.limits {
            let by_type = limits.entry(Name::clone(driver)).or_default();
            if let Some(of_node) = types.get(csi.name.as_ref()) {
                let held = by_type.entry(Name::clone(of_node)).or_insert(*limit);
                *held = (*held).min(*limit);
            }
        }
    }
    limits
}

/// The limit of a driver on an existing node. A node that has not come up yet will have that of its type.
fn node_limit(
    csi_nodes: &FastMap<&str, &CsiNode>,
    node: &ExistingNode<'_>,
    driver: &Name,
    by_type: &BTreeMap<Name, u32>,
) -> Option<u32> {
    match csi_nodes.get(node.name.as_ref()) {
        Some(csi) => csi
            .limits
            .iter()
            .find(|(held, _)| held == driver)
            .map(|(_, limit)| *limit),
        None if node.initialized => None,
        None => by_type.get(node.labels.get(INSTANCE_TYPE)?).copied(),
    }
}

/// The claims that get a place on every node: those of several pods that wait, or of one where it is attached to a
/// node already; the most shared first.
fn kept(
    users: &BTreeMap<Claim, u32>,
    rows: &[OnNode],
    nodes: &[ExistingNode<'_>],
    by_type: &BTreeMap<Name, u32>,
) -> Vec<Claim> {
    let attached: BTreeSet<&Claim> = rows
        .iter()
        .zip(nodes)
        .filter(|(row, node)| row.limit.is_some() && node.is_destination())
        .flat_map(|(row, _)| &row.attached)
        .collect();
    let mut shared: Vec<(u32, &Claim)> = users
        .iter()
        .filter(|(claim, users)| **users > 1 || attached.contains(claim))
        .map(|(claim, users)| (*users, claim))
        .collect();
    shared.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let largest = rows.iter().filter_map(|row| row.limit);
    let largest = largest.chain(by_type.values().copied()).max().unwrap_or(0);
    let most = (largest / KEPT_PART).max(1) as usize;
    shared
        .into_iter()
        .take(most)
        .map(|(_, claim)| claim.clone())
        .collect()
}

/// The distinct claims of `pod` that a driver attaches, with the driver.
fn claims(volumes: &Volumes<'_>, pod: &Pod) -> Vec<(Name, Claim)> {
    let mut found: Vec<(Name, Claim)> = pod
        .spec
        .volumes
        .iter()
        .filter_map(|volume| {
            let name = Volumes::claim_name(pod, volume);
            let driver = volumes.driver(&pod.namespace, &name)?;
            Some((driver, (Name::clone(&pod.namespace), name)))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
