//! Existing nodes as rows: free room and which pods they suit.

use std::collections::BTreeMap;

use super::selectors::Selectors;
use super::units::{Survey, Units};
use super::{NodeId, SignatureId};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix as _, IxVec};
use crate::model::cluster::Snapshot;
use crate::model::label::HOSTNAME;
use crate::model::pod::{HostPort, PodSpec};
use crate::model::resources::ResourceList;
use crate::model::taint::Taint;
use crate::view::daemons::Daemon;
use crate::view::nodes::{ExistingNode, NodeOf};

/// What existing nodes hold.
#[derive(Debug)]
#[non_exhaustive]
pub struct NodeUse {
    /// By position in the view: requests of bound pods and of DaemonSet pods still to come.
    pub used: Vec<ResourceList>,
    /// By position in the view: host ports in use or kept for DaemonSet pods.
    pub ports: Vec<Vec<HostPort>>,
    /// By position in the snapshot's pods: the view position of the node a pod is bound to, if that node exists.
    pub node_of: NodeOf,
}

/// Sums what bound pods and missing DaemonSet pods take. O(bound pods + nodes x DaemonSets).
#[must_use]
pub fn node_use(snapshot: &Snapshot, view: &[ExistingNode<'_>], daemons: &[Daemon<'_>]) -> NodeUse {
    let mut by_name: FastMap<&str, u32> = FastMap::default();
    for (at, node) in view.iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        by_name.insert(&node.name, at);
    }
    let mut result = NodeUse {
        used: vec![ResourceList::new(); view.len()],
        ports: vec![Vec::new(); view.len()],
        node_of: NodeOf::new(snapshot.pods.len()),
    };
    // Names, like specifications, are mostly shared.
    let mut by_address: FastMap<*const u8, Option<u32>> = FastMap::default();
    let mut known: FastMap<*const PodSpec, (ResourceList, Vec<HostPort>)> = FastMap::default();
    let mut present: Vec<Vec<bool>> = vec![Vec::new(); view.len()];
    for (position, pod) in snapshot.pods.iter().enumerate() {
        let Some(name) = &pod.node_name else {
            continue;
        };
        let found = by_address
            .entry(name.as_ptr())
            .or_insert_with(|| by_name.get(name.as_ref()).copied());
        let Some(at) = *found else {
            continue;
        };
        result
            .node_of
            .bind(u32::try_from(position).unwrap_or(u32::MAX), at);
        if pod.is_finished() {
            continue;
        }
        let at = at as usize;
        // Replicas share their specification, so each is read once.
        let (requests, ports) = known
            .entry(std::sync::Arc::as_ptr(&pod.spec))
            .or_insert_with(|| (pod.spec.requests(), pod.spec.host_ports()));
        if pod
            .detail
            .as_deref()
            .is_some_and(|detail| !detail.actuated.is_empty())
        {
            result.used[at].add(&pod.requests());
        } else {
            result.used[at].add(requests);
        }
        result.ports[at].extend_from_slice(ports);
        if pod.is_daemon() {
            let held = &mut present[at];
            held.resize(daemons.len(), false);
            for (flag, daemon) in held.iter_mut().zip(daemons) {
                *flag |= daemon.owns(pod);
            }
        }
    }
    for (at, node) in view
        .iter()
        .enumerate()
        .filter(|(_, node)| node.is_destination())
    {
        for (number, daemon) in daemons.iter().enumerate() {
            if !present[at].get(number).copied().unwrap_or(false) && daemon.runs_on(node) {
                result.used[at].add(&daemon.requests);
                result.ports[at].extend(daemon.host_ports.iter().cloned());
            }
        }
    }
    result
}

/// The nodes that can take pods: positions in the view.
#[must_use]
pub fn destinations(view: &[ExistingNode<'_>]) -> IxVec<NodeId, u32> {
    let open = view
        .iter()
        .enumerate()
        .filter(|(_, node)| node.is_destination());
    open.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
        .collect()
}

/// Takes the nodes' quantities into account for the units.
pub fn survey(survey: &mut Survey, view: &[ExistingNode<'_>], used: &NodeUse) {
    for (node, used) in view.iter().zip(&used.used) {
        survey.room(&node.allocatable);
        survey.room(used);
    }
}

/// Free room by node; what is overcommitted counts as 0.
#[must_use]
pub fn room_vectors(
    rows: &IxVec<NodeId, u32>,
    view: &[ExistingNode<'_>],
    used: &NodeUse,
    units: &Units,
) -> Vec<i64> {
    let mut vectors = Vec::with_capacity(rows.len() * units.len());
    for at in rows.iter().map(|at| *at as usize) {
        let free = units
            .room(&view[at].allocatable)
            .zip(units.demand(&used.used[at]));
        vectors.extend(free.map(|(have, taken)| (have - taken).max(0)));
    }
    vectors
}

/// What tells nodes apart: the values of the asked labels, and the taints.
type NodeKind<'n> = (Vec<Option<&'n str>>, &'n [Taint]);

/// The nodes that each signature suits. Nodes whose asked labels and taints are equal are tested once.
/// O(nodes x asked keys + kinds x signatures).
#[must_use]
pub fn signature_nodes(
    selectors: &Selectors,
    rows: &IxVec<NodeId, u32>,
    view: &[ExistingNode<'_>],
) -> IxVec<SignatureId, BitSet<NodeId>> {
    let (asked, names) = selectors.asked_keys();
    let by_host = names || asked.contains(HOSTNAME);
    let mut sets: IxVec<SignatureId, BitSet<NodeId>> =
        IxVec::filled(selectors.len(), BitSet::new(rows.len()));
    let mut kinds: BTreeMap<NodeKind<'_>, Vec<bool>> = BTreeMap::new();
    for (id, at) in rows.enumerate() {
        let node = &view[*at as usize];
        let mut key: Vec<Option<&str>> = asked.iter().map(|key| node.labels.get(key)).collect();
        if by_host {
            key.push(Some(&node.name));
        }
        let suits = kinds
            .entry((key, &node.taints))
            .or_insert_with(|| selectors.suits_node(node));
        for (signature, suits) in suits.iter().enumerate() {
            if *suits {
                sets[SignatureId::new(signature)].insert(id);
            }
        }
    }
    sets
}
