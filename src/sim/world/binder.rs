//! The pod scheduler: binds waiting pods to ready nodes, oldest first, each kind by itself.
//!
//! Kinds without rules between pods are bound here: labels and taints are looked up by shape, resources by number, and nodes are
//! ranked by how full they are in CPU and memory. The others are placed by the solver over the nodes that there are.
//! Gangs are bound together or not at all.

use super::World;
use super::state::{NodeId, PodId};
use crate::model::simulation::Ranking;

impl World {
    /// Binds what can be bound. O(waiting pods of kinds that may have got a chance x nodes).
    pub(super) fn bind(&mut self) {
        for kind in 0..self.state.kinds.len() {
            let Some(members) = self.state.kinds.get_mut(kind) else {
                return;
            };
            if !std::mem::take(&mut members.dirty) || members.pending.is_empty() {
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
            } else {
                self.bind_singly(kind);
            }
        }
    }

    fn bind_singly(&mut self, kind: usize) {
        let pending: Vec<PodId> = self
            .state
            .kinds
            .get(kind)
            .map(|m| m.pending.iter().copied().collect())
            .unwrap_or_default();
        for pod in pending {
            // Pods of a kind ask for the same: where one finds nothing, none does.
            let Some(node) = self.place(kind) else { return };
            self.bind_pod(pod, node);
        }
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

    /// The best node for a pod of a kind.
    fn place(&self, kind: usize) -> Option<NodeId> {
        let asks = &self.derived.kinds.get(kind)?.asks;
        let ranking = self
            .state
            .setup
            .policy
            .binder
            .unwrap_or(self.state.setup.simulation.binder);
        let mut best: Option<(i64, NodeId)> = None;
        for (id, node) in &self.state.nodes {
            let fits = node.is_open()
                && node.free.iter().zip(asks).all(|(free, asks)| asks <= free)
                && self.suits(node.shape, kind);
            if !fits {
                continue;
            }
            let Some(shape) = self.derived.shapes.get(node.shape) else {
                continue;
            };
            // CPU and memory stand first; in 10,000ths, as kube-scheduler's 100 points but finer.
            let left = |at: usize| {
                let total = shape.total.get(at).copied().unwrap_or(0).max(1);
                let free =
                    node.free.get(at).copied().unwrap_or(0) - asks.get(at).copied().unwrap_or(0);
                i64::try_from(i128::from(free) * 10_000 / i128::from(total)).unwrap_or(0)
            };
            let free = left(0) + left(1);
            let score = match ranking {
                Ranking::LeastAllocated => free,
                Ranking::MostAllocated => -free,
            };
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, *id));
            }
        }
        best.map(|(_, id)| id)
    }
}
