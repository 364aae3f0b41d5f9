//! Gangs that run: moved whole or not at all (M-15, W-21), and blocks of nodes that share a network layer (H-55).
//!
//! Evicting one pod of a gang stops all of it, so nodes that hold pods of one gang go together or stay together. New nodes
//! tell their network layers only once they run: a gang that requires one topology domain is not moved to save, and one
//! that stands within one block by luck or preference moves only for a large saving.

use std::collections::BTreeMap;

use crate::base::index::Ix as _;
use crate::disruption::cluster::{Cluster, is_reschedulable};
use crate::problem::NodeId;
use crate::solver::whatif::Slot;
use crate::view::gangs::{Key, key_of, unit_of};

/// Labels whose equal values make nodes a block, nearest first (H-53).
const BLOCKS: [&str; 2] = [
    "topology.k8s.aws/ultraserver-id",
    "topology.k8s.aws/network-node-layer-3",
];

/// Nodes that hold pods of the same gangs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Company {
    /// The nodes.
    pub slots: Vec<Slot>,
    /// How many gangs stop when the nodes go.
    pub gangs: u32,
    /// What they are called: `namespace/name`.
    pub names: Vec<String>,
    /// Whether one of them requires a topology domain.
    pub bound: bool,
    /// Whether several nodes of it are one block.
    pub block: bool,
}

/// Which nodes go together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Companies {
    of_node: Vec<Option<u32>>,
    companies: Vec<Company>,
}

impl Companies {
    /// Reads the pods of `cluster`. O(pods + gangs x nodes).
    #[must_use]
    pub fn new(cluster: &Cluster<'_>) -> Self {
        let mut gangs: BTreeMap<Key, (Vec<usize>, bool)> = BTreeMap::new();
        for (node, pods) in cluster.pods_on.iter().enumerate() {
            let moving = pods.iter().map(|at| cluster.pod(*at));
            for pod in moving.filter(|pod| is_reschedulable(pod)) {
                let Some(key) = key_of(pod) else { continue };
                let (nodes, bound) = gangs.entry(key).or_default();
                if nodes.last() != Some(&node) {
                    nodes.push(node);
                }
                *bound |= unit_of(pod).is_some_and(|unit| unit.required);
            }
        }
        if gangs.is_empty() {
            return Self::default();
        }
        let mut of_node: Vec<Option<u32>> = vec![None; cluster.pods_on.len()];
        let mut companies: Vec<Company> = Vec::new();
        for ((_, namespace, name), (nodes, bound)) in gangs {
            let number = u32::try_from(companies.len()).unwrap_or(u32::MAX);
            let mut joined = Company {
                gangs: 1,
                names: vec![format!("{namespace}/{name}")],
                bound,
                block: in_one_block(cluster, &nodes),
                slots: Vec::new(),
            };
            for node in nodes {
                match of_node[node] {
                    Some(held) if held == number => {}
                    Some(held) => {
                        let other = std::mem::take(&mut companies[held as usize]);
                        for slot in &other.slots {
                            of_node[slot.at()] = Some(number);
                        }
                        joined.gangs += other.gangs;
                        joined.names.extend(other.names);
                        joined.bound |= other.bound;
                        joined.block |= other.block;
                        joined.slots.extend(other.slots);
                    }
                    None => {
                        of_node[node] = Some(number);
                        joined.slots.push(Slot::of(NodeId::new(node)));
                    }
                }
            }
            joined.slots.sort_unstable();
            joined.names.sort_unstable();
            companies.push(joined);
        }
        Self { of_node, companies }
    }

    /// The company of `slot`, if it holds pods of a gang.
    #[must_use]
    pub fn of(&self, slot: Slot) -> Option<&Company> {
        let number = self.of_node.get(slot.at()).copied().flatten()?;
        self.companies.get(number as usize)
    }

    /// `group` with all nodes that go along.
    #[must_use]
    pub fn whole(&self, group: &[Slot]) -> Vec<Slot> {
        if self.companies.is_empty() {
            return group.to_vec();
        }
        let mut all: Vec<Slot> = Vec::with_capacity(group.len());
        for slot in group {
            let along = self.of(*slot).map_or(&[][..], |c| c.slots.as_slice());
            for other in std::iter::once(slot).chain(along) {
                if !all.contains(other) {
                    all.push(*other);
                }
            }
        }
        all
    }

    /// The companies that go with `group`, each once; `None` if part of one would stay, or one may not be moved.
    #[must_use]
    pub fn moved(&self, group: &[Slot]) -> Option<Vec<&Company>> {
        let mut found: Vec<&Company> = Vec::new();
        if self.companies.is_empty() {
            return Some(found);
        }
        for slot in group {
            let Some(company) = self.of(*slot) else {
                continue;
            };
            if found.iter().any(|held| std::ptr::eq(*held, company)) {
                continue;
            }
            if company.bound || !company.slots.iter().all(|other| group.contains(other)) {
                return None;
            }
            found.push(company);
        }
        Some(found)
    }

    /// Whether no gang runs at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.companies.is_empty()
    }
}

/// Whether several nodes have the same value of a label that makes blocks.
fn in_one_block(cluster: &Cluster<'_>, nodes: &[usize]) -> bool {
    nodes.len() > 1
        && BLOCKS.iter().any(|key| {
            let mut values = nodes
                .iter()
                .map(|at| cluster.views.nodes[*at].labels.get(key));
            let first = values.next().flatten();
            first.is_some() && values.all(|value| value == first)
        })
}
