//! The pod scheduler: binds waiting pods to ready nodes, oldest first, each kind by itself.
//!
//! Kinds without rules between pods are bound here: labels and taints are looked up by shape, resources by number, and nodes are
//! ranked by how full they are in CPU and memory. The others are placed by the solver over the nodes that there are.
//! Gangs are bound together or not at all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::World;
use super::state::{Node, NodeId, PodId};
use crate::model::simulation::Ranking;

/// A node with its score: the best first, among equals the oldest.
type Place = (i64, Reverse<NodeId>);

impl World {
    /// Binds what can be bound. O(waiting pods log nodes), and O(nodes) for each kind that has got new pods; for the others only
    /// nodes that have got room are looked at.
    pub(super) fn bind(&mut self) {
        let freed = std::mem::take(&mut self.freed);
        for kind in 0..self.state.kinds.len() {
            let Some(members) = self.state.kinds.get_mut(kind) else {
                return;
            };
            let dirty = std::mem::take(&mut members.dirty);
            if members.pending.is_empty() || (!dirty && freed.is_empty()) {
                continue;
            }
            let services = self.state.setup.simulation.services.len();
            let gang = kind
                .checked_sub(services)
                .and_then(|stream| self.state.setup.simulation.jobs.get(stream))
                .is_some_and(|stream| stream.gang);
            if self
                .derived
                .kinds
                .get(kind)
                .is_some_and(|kind| kind.complex)
            {
                self.bind_by_solver(kind);
            } else if gang {
                self.bind_gangs(kind);
            } else if dirty {
                let ranked = self.ranked(kind, self.state.nodes.iter());
                self.bind_singly(kind, ranked);
            } else {
                let nodes = freed
                    .iter()
                    .filter_map(|id| self.state.nodes.get_key_value(id));
                let ranked = self.ranked(kind, nodes);
                self.bind_singly(kind, ranked);
            }
        }
    }

    /// Binds pods of a kind, the oldest first, each to the best of `ranked`.
    fn bind_singly(&mut self, kind: usize, mut ranked: BinaryHeap<Place>) {
        while let Some((_, Reverse(best))) = ranked.pop() {
            let pending = self.state.kinds.get(kind).map(|m| &m.pending);
            let Some(pod) = pending.and_then(|pending| pending.first().copied()) else {
                return;
            };
            self.bind_pod(pod, best);
            let node = self.state.nodes.get(&best);
            if let Some(score) = node.and_then(|node| self.score(kind, node)) {
                ranked.push((score, Reverse(best)));
            }
        }
    }

    /// Those of `nodes` that a pod of a kind fits. Pods of a kind ask for the same: what does not fit one fits none.
    fn ranked<'n>(
        &self,
        kind: usize,
        nodes: impl Iterator<Item = (&'n NodeId, &'n Node)>,
    ) -> BinaryHeap<Place> {
        nodes
            .filter_map(|(id, node)| Some((self.score(kind, node)?, Reverse(*id))))
            .collect()
    }

    fn bind_gangs(&mut self, kind: usize) {
        let pending: Vec<PodId> = self
            .state
            .kinds
            .get(kind)
            .map(|m| m.pending.iter().copied().collect())
            .unwrap_or_default();
        let mut by_job: std::collections::BTreeMap<u64, Vec<PodId>> =
            std::collections::BTreeMap::new();
        for pod in pending {
            if let Some(job) = self.state.pods.get(&pod).and_then(|pod| pod.job) {
                by_job.entry(job).or_default().push(pod);
            }
        }
        for pods in by_job.into_values() {
            if let Some(nodes) = self.places(kind, pods.len()) {
                for (pod, node) in pods.into_iter().zip(nodes) {
                    self.bind_pod(pod, node);
                }
            }
        }
    }

    /// Nodes for `count` pods of a kind, or `None`.
    fn places(&self, kind: usize, count: usize) -> Option<Vec<NodeId>> {
        let asks = &self.derived.kinds.get(kind)?.asks;
        let mut found = Vec::with_capacity(count);
        for (id, node) in &self.state.nodes {
            if !node.is_open() || !self.suits(node.shape, kind) {
                continue;
            }
            let mut free = node.free.clone();
            while found.len() < count && free.iter().zip(asks).all(|(free, asks)| asks <= free) {
                for (free, asks) in free.iter_mut().zip(asks) {
                    *free -= asks;
                }
                found.push(*id);
            }
        }
        (found.len() == count).then_some(found)
    }

    fn suits(&self, shape: usize, kind: usize) -> bool {
        let shape = self.derived.shapes.get(shape);
        shape
            .and_then(|shape| shape.fits.get(kind))
            .copied()
            .unwrap_or(false)
    }

    /// How well a node suits a pod of a kind; `None` if it does not fit.
    fn score(&self, kind: usize, node: &Node) -> Option<i64> {
        let asks = &self.derived.kinds.get(kind)?.asks;
        let fits = node.is_open()
            && node.free.iter().zip(asks).all(|(free, asks)| asks <= free)
            && self.suits(node.shape, kind);
        if !fits {
            return None;
        }
        let ranking = self
            .state
            .setup
            .policy
            .binder
            .unwrap_or(self.state.setup.simulation.binder);
        let shape = self.derived.shapes.get(node.shape)?;
        // CPU and memory stand first; in 10,000ths, as kube-scheduler's 100 points but finer.
        let left = |at: usize| {
            let total = shape.total.get(at).copied().unwrap_or(0).max(1);
            let free = node.free.get(at).copied().unwrap_or(0) - asks.get(at).copied().unwrap_or(0);
            match free.checked_mul(10_000) {
                Some(parts) => parts / total,
                None => free / (total / 10_000).max(1),
            }
        };
        let free = left(0) + left(1);
        Some(match ranking {
            Ranking::LeastAllocated => free,
            Ranking::MostAllocated => -free,
        })
    }
}
