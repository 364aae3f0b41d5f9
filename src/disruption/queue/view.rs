//! What a queue reads from a snapshot.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::hash::FastMap;
use crate::base::time::Timestamp;
use crate::disruption::budget::{self, Counts};
use crate::disruption::pdb::{Pdbs, is_drained};
use crate::disruption::{DISRUPTED, disrupted_taint};
use crate::model::cluster::Snapshot;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::Pod;
use crate::model::policy::PodDisruptionBudget;
use crate::model::resources::Name;
use crate::view::nodes::{ExistingNode, existing};

/// A fact with the moment for which it is known. What is learnt about an earlier moment does not replace it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known<T> {
    pub(super) value: T,
    as_of: Option<Timestamp>,
}

impl<T> Known<T> {
    pub(super) fn learn(&mut self, value: T, as_of: Timestamp) {
        if self.as_of.is_none_or(|known| as_of > known) {
            *self = Self {
                value,
                as_of: Some(as_of),
            };
        }
    }

    /// Whether the fact is about a moment after `time`.
    pub(super) fn since(&self, time: Timestamp) -> bool {
        self.as_of.is_some_and(|known| known > time)
    }
}

/// A snapshot with look-up tables.
pub(super) struct View<'a> {
    pub(super) as_of: Timestamp,
    pub(super) nodes: Vec<ExistingNode<'a>>,
    by_name: FastMap<&'a str, usize>,
    by_claim: FastMap<&'a str, usize>,
    claims: FastMap<&'a str, &'a NodeClaim>,
    pools: FastMap<&'a str, &'a NodePool>,
    pods: FastMap<(&'a str, &'a str), &'a Pod>,
    on_node: FastMap<&'a str, Vec<&'a Pod>>,
    pdbs: Pdbs<'a>,
}

impl<'a> View<'a> {
    /// O(objects).
    pub(super) fn new(snapshot: &'a Snapshot, as_of: Timestamp) -> Self {
        let nodes = existing(snapshot);
        let (mut by_name, mut by_claim) = (FastMap::default(), FastMap::default());
        for (at, node) in nodes.iter().enumerate() {
            if let Some(object) = node.node {
                by_name.insert(object.name.as_ref(), at);
            }
            if let Some(claim) = node.claim {
                by_claim.insert(claim.name.as_ref(), at);
            }
        }
        let mut on_node: FastMap<&str, Vec<&Pod>> = FastMap::default();
        for pod in &snapshot.pods {
            if let Some(node) = &pod.node_name {
                on_node.entry(node).or_default().push(pod);
            }
        }
        let pods = snapshot.pods.iter();
        Self {
            as_of,
            nodes,
            by_name,
            by_claim,
            claims: named(&snapshot.node_claims, |claim| &claim.name),
            pools: named(&snapshot.node_pools, |pool| &pool.name),
            pods: pods
                .map(|pod| ((pod.namespace.as_ref(), pod.name.as_ref()), pod))
                .collect(),
            on_node,
            pdbs: Pdbs::new(snapshot),
        }
    }

    pub(super) fn node(&self, name: &str) -> Option<&ExistingNode<'a>> {
        self.by_name.get(name).and_then(|at| self.nodes.get(*at))
    }

    pub(super) fn claim(&self, name: &str) -> Option<&'a NodeClaim> {
        self.claims.get(name).copied()
    }

    pub(super) fn pool(&self, name: &str) -> Option<&'a NodePool> {
        self.pools.get(name).copied()
    }

    /// The pod of this key and uid, if it is bound to `node` and has not ended.
    pub(super) fn pod_on(&self, key: &str, uid: &str, node: &str) -> Option<&'a Pod> {
        let pod = self.pods.get(&key.split_once('/')?).copied()?;
        let same = pod.uid.as_ref() == uid || uid.is_empty();
        (same && pod.node_name.as_deref() == Some(node) && !pod.is_finished()).then_some(pod)
    }

    /// The pod of this key, if there is one.
    pub(super) fn pod(&self, key: &str) -> Option<&'a Pod> {
        self.pods.get(&key.split_once('/')?).copied()
    }

    /// The pods on `node` that a drain evicts, DaemonSets' left out.
    pub(super) fn movable(&self, node: &str) -> impl Iterator<Item = &'a Pod> {
        let pods = self.on_node.get(node).into_iter().flatten().copied();
        pods.filter(|pod| is_drained(pod) && !pod.is_daemon())
    }

    /// Whether a claim's node holds pods of its own.
    pub(super) fn is_used(&self, claim: &str) -> bool {
        let node = self.by_claim.get(claim).and_then(|at| self.nodes.get(*at));
        node.is_some_and(|node| self.movable(&node.name).next().is_some())
    }

    /// Whether a claim's node is initialised.
    pub(super) fn is_initialized(&self, claim: &str) -> bool {
        let node = self.by_claim.get(claim).and_then(|at| self.nodes.get(*at));
        node.is_some_and(|node| node.initialized && !node.deleting)
    }

    /// The PDBs that an eviction of the pod counts against, each with what it allows now.
    pub(super) fn charges(&self, pod: &'a Pod) -> Vec<(Name, usize)> {
        let demands = self.pdbs.demand([pod]);
        let charge =
            |pdb: &PodDisruptionBudget| Name::from(format!("{}/{}", pdb.namespace, pdb.name));
        demands
            .iter()
            .map(|demand| (charge(demand.pdb), demand.allowed))
            .collect()
    }

    /// The nodes of each pool as budgets count them, those of `leaving` among the disrupted. O(leaving) beside what `all`
    /// costs, which are the counts with none leaving.
    pub(super) fn counts(
        &self,
        all: &BTreeMap<Name, Counts>,
        leaving: &BTreeSet<&str>,
    ) -> BTreeMap<Name, Counts> {
        let mut counts = all.clone();
        let gone = leaving.iter().filter_map(|name| self.node(name));
        for node in gone {
            // One that is counted already is not counted twice.
            for (pool, alone) in budget::counts(std::slice::from_ref(node), |_| false) {
                if let Some(counts) = counts.get_mut(&pool) {
                    let more = alone.nodes.saturating_sub(alone.disrupting);
                    counts.disrupting = counts.disrupting.saturating_add(more);
                }
            }
        }
        counts
    }

    /// The nodes of each pool as budgets count them, with none leaving.
    pub(super) fn all_counts(&self) -> BTreeMap<Name, Counts> {
        budget::counts(&self.nodes, |_| false)
    }
}

fn named<'a, T>(items: &'a [T], name: impl Fn(&'a T) -> &'a Name) -> FastMap<&'a str, &'a T> {
    items
        .iter()
        .map(|item| (name(item).as_ref(), item))
        .collect()
}

/// Whether the node bears the taint of a disruption (D-93).
pub(super) fn is_tainted(node: &ExistingNode<'_>) -> bool {
    let effect = disrupted_taint().effect;
    let taints = node.node.map_or(&[][..], |n| n.taints.as_slice());
    taints
        .iter()
        .any(|taint| taint.key.as_ref() == DISRUPTED && taint.effect == effect)
}
