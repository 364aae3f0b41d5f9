//! The cluster as the disruption floor sees it: Nodes, NodeClaims and Pods made of the world's own.
//!
//! What was made for a node is kept until something about the node or its pods changes, so that a look at a large cluster
//! costs by what has changed since the last one. Nothing that is kept decides anything: a world that was stored makes it anew.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use super::derived::Shape;
use super::state::{Node, NodeId, Stage};
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::{Condition, Node as ModelNode};
use crate::model::node_claim::NodeClaim;
use crate::model::pod::Pod as ModelPod;
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect};
use crate::provisioning::ids::NodeId as MachineNode;
use crate::provisioning::node::{Node as Ordered, Phase};
use crate::provisioning::output::DISRUPTED_TAINT;

/// Which nodes a look is about.
#[derive(Debug, Default)]
pub(super) struct Involved {
    /// These, with their pods.
    pub(super) with_pods: BTreeSet<NodeId>,
    /// These without theirs.
    pub(super) without: BTreeSet<NodeId>,
    /// Whether all others are shown too, without theirs.
    pub(super) all: bool,
}

/// What was made for nodes that have not changed since.
#[derive(Debug, Default)]
pub(super) struct Shown {
    nodes: BTreeMap<NodeId, (ModelNode, NodeClaim)>,
    pods: BTreeMap<NodeId, Vec<ModelPod>>,
    /// While the whole cluster is out: its nodes in order, how many pods of each, and whether the node may be kept.
    order: Vec<(NodeId, usize, bool)>,
    /// Nodes that have changed while it is out.
    out: Option<BTreeSet<NodeId>>,
}

impl Shown {
    /// Something about a node or its pods has changed.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
        self.pods.remove(&node);
        if let Some(out) = &mut self.out {
            out.insert(node);
        }
    }
}

impl World {
    /// All nodes of the machine, and the pods on them. [`keep_shown`](Self::keep_shown) takes it back. O(what has changed), and a
    /// move of each object.
    pub(super) fn whole_cluster(&mut self) -> Snapshot {
        let mut shown = std::mem::take(&mut self.shown);
        shown.order.clear();
        let mut snapshot = self.empty_cluster();
        let names = self.alias_names();
        let ids: Vec<NodeId> = self.state.machine.nodes().map(|n| n.id.number()).collect();
        for id in ids {
            let (Some(node), Some(shape)) = (self.ordered(id), self.shape_at(id)) else {
                continue;
            };
            let Some(there) = self.state.nodes.get(&id) else {
                snapshot.node_claims.push(self.coming(node, shape, &names));
                continue;
            };
            // What is leaving, or has a name of the queue's, is shown as of now.
            let lasts = !node.is_leaving() && !names.contains_key(&id);
            let known = shown.nodes.remove(&id).filter(|_| lasts);
            let (model, claim) = known.unwrap_or_else(|| self.show(node, there, shape, &names));
            snapshot.nodes.push(model);
            snapshot.node_claims.push(claim);
            let before = snapshot.pods.len();
            match shown.pods.remove(&id) {
                Some(pods) => snapshot.pods.extend(pods),
                None => snapshot
                    .pods
                    .extend(there.pods.iter().filter_map(|pod| self.model_pod(*pod))),
            }
            shown.order.push((id, snapshot.pods.len() - before, lasts));
        }
        // Nodes that are gone leave nothing behind.
        shown.nodes.clear();
        shown.pods.clear();
        shown.out = Some(BTreeSet::new());
        self.shown = shown;
        snapshot
    }

    /// Takes back what [`whole_cluster`](Self::whole_cluster) gave, but for what has changed meanwhile.
    pub(super) fn keep_shown(&mut self, snapshot: Snapshot) {
        let mut shown = std::mem::take(&mut self.shown);
        let changed = shown.out.take().unwrap_or_default();
        let mut claims = snapshot.node_claims.into_iter();
        let mut pods = snapshot.pods.into_iter();
        for ((id, count, lasts), model) in shown.order.drain(..).zip(snapshot.nodes) {
            let of_node: Vec<ModelPod> = pods.by_ref().take(count).collect();
            // Claims of nodes on their way stand between those of Nodes.
            let claim = claims.find(|claim| claim.node_name.as_ref() == Some(&model.name));
            if changed.contains(&id) {
                continue;
            }
            shown.pods.insert(id, of_node);
            if let Some(claim) = claim.filter(|_| lasts) {
                shown.nodes.insert(id, (model, claim));
            }
        }
        self.shown = shown;
    }

    /// Some nodes of the machine.
    pub(super) fn part_of_cluster(&self, involved: &Involved) -> Snapshot {
        let mut snapshot = self.empty_cluster();
        let names = self.alias_names();
        let mut push = |node: &Ordered, with_pods: bool| {
            let id = node.id.number();
            let Some(shape) = self.shape_at(id) else {
                return;
            };
            let Some(there) = self.state.nodes.get(&id) else {
                snapshot.node_claims.push(self.coming(node, shape, &names));
                return;
            };
            let lasts = !node.is_leaving() && !names.contains_key(&id);
            let known = self.shown.nodes.get(&id).filter(|_| lasts).cloned();
            let (model, claim) = known.unwrap_or_else(|| self.show(node, there, shape, &names));
            snapshot.nodes.push(model);
            snapshot.node_claims.push(claim);
            if with_pods {
                match self.shown.pods.get(&id) {
                    Some(pods) => snapshot.pods.extend_from_slice(pods),
                    None => snapshot
                        .pods
                        .extend(there.pods.iter().filter_map(|pod| self.model_pod(*pod))),
                }
            }
        };
        if involved.all {
            for node in self.state.machine.nodes() {
                push(node, involved.with_pods.contains(&node.id.number()));
            }
        } else {
            for id in involved.with_pods.union(&involved.without) {
                if let Some(node) = self.ordered(*id) {
                    push(node, involved.with_pods.contains(id));
                }
            }
        }
        snapshot
    }

    fn ordered(&self, id: NodeId) -> Option<&Ordered> {
        self.state.machine.node(MachineNode(id))
    }

    fn empty_cluster(&self) -> Snapshot {
        let mut snapshot = self.derived.base.clone();
        snapshot.options.now = Some(self.state.now);
        snapshot
    }

    /// The names that the queue gave to nodes of the machine.
    fn alias_names(&self) -> BTreeMap<NodeId, Name> {
        let aliases = self.state.aliases.iter();
        aliases
            .filter_map(|(name, alias)| Some((alias.node?, Name::clone(name))))
            .collect()
    }

    /// The shape of a node of the machine.
    fn shape_at(&self, id: NodeId) -> Option<&Shape> {
        let at = match self.state.nodes.get(&id) {
            Some(there) => there.shape,
            None => self.shape_of(id)?,
        };
        self.derived.shapes.get(at)
    }

    /// A Node with its NodeClaim.
    fn show(
        &self,
        node: &Ordered,
        there: &Node,
        shape: &Shape,
        names: &BTreeMap<NodeId, Name>,
    ) -> (ModelNode, NodeClaim) {
        let id = node.id.number();
        let (mut model, mut claim) = self.model_node(id, shape);
        if let Some(name) = names.get(&id) {
            claim.name = Name::clone(name);
        }
        if node.is_leaving() {
            claim.deleted = Some(self.state.now);
        }
        claim.created = Some(there.created);
        model.created = Some(there.created);
        claim.last_pod_event = Some(there.last_pod_event);
        claim
            .conditions
            .retain(|condition| &*condition.kind != "Consolidatable");
        for condition in &mut claim.conditions {
            condition.last_transition = Some(there.initialized);
        }
        if there.tainted || there.draining {
            let taint = Taint::new(DISRUPTED_TAINT, "", TaintEffect::NoSchedule);
            model.taints.push(taint);
            let disrupted = Condition {
                kind: Name::from("DisruptionReason"),
                status: Name::from("True"),
                ..Condition::default()
            };
            claim.conditions.push(disrupted);
        }
        if !there.healthy {
            model.labels.set(
                crate::view::nodes::HEALTH_STATUS,
                "UnschedulablePendingReplacement",
            );
        }
        if !there.ready || node.phase < Phase::Initialized {
            starting(&mut claim);
            model.labels.set(label::INITIALIZED, "false");
            model.labels.set(label::REGISTERED, "false");
        }
        (model, claim)
    }

    /// The NodeClaim of a node on its way. Its pods have it coming: nothing else may be planned there.
    fn coming(&self, node: &Ordered, shape: &Shape, names: &BTreeMap<NodeId, Name>) -> NodeClaim {
        let id = node.id.number();
        let (_, mut claim) = self.model_node(id, shape);
        if let Some(name) = names.get(&id) {
            claim.name = Name::clone(name);
        }
        if node.is_leaving() {
            claim.deleted = Some(self.state.now);
        }
        starting(&mut claim);
        claim.node_name = None;
        if !node.pods.is_empty() {
            let free = self.left_on_its_way(node, shape);
            claim.allocatable = self.derived.quantities(&free);
        }
        claim
    }

    /// What a node on its way has left beside the pods that it was bought for, DaemonSets not yet taken off.
    fn left_on_its_way(&self, node: &Ordered, shape: &Shape) -> Vec<i64> {
        let mut free = shape.total.clone();
        for pod in node.pods.iter().filter_map(|key| Self::pod_of_key(key)) {
            let pod = self.state.pods.get(&pod);
            let Some(pod) = pod.filter(|pod| pod.stage == Stage::Pending) else {
                continue;
            };
            let asks = self
                .derived
                .kinds
                .get(pod.kind)
                .map(|kind| kind.asks.as_slice())
                .unwrap_or_default();
            for (free, asks) in free.iter_mut().zip(asks) {
                *free -= asks;
            }
        }
        free
    }
}

/// A NodeClaim whose node does not take pods yet.
fn starting(claim: &mut NodeClaim) {
    claim.labels.set(label::INITIALIZED, "false");
    claim.labels.set(label::REGISTERED, "false");
    claim
        .conditions
        .retain(|condition| &*condition.kind == "Launched");
}
