//! Nodes that exist, each in the state that counts for placing pods (S-112..S-115).

use crate::base::hash::FastMap;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, Labels};
use crate::model::node::Node;
use crate::model::node_claim::NodeClaim;
use crate::model::requirement::Requirements;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::{Taint, TaintEffect};
use crate::view::pods::Term;
use crate::view::pools::absent_is_fine;

/// The label by which HyperPod says that a node may take pods (H-43).
pub const HEALTH_STATUS: &str = "sagemaker.amazonaws.com/node-health-status";

/// A node that exists, or a NodeClaim on its way to one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExistingNode<'a> {
    /// The Node's name, or the NodeClaim's while there is no Node.
    pub name: Name,
    /// Its NodeClaim, if Karpenter manages it.
    pub claim: Option<&'a NodeClaim>,
    /// Its Node, if it has joined.
    pub node: Option<&'a Node>,
    /// Labels that count, keys normalised, host name included.
    pub labels: Labels,
    /// Taints that count.
    pub taints: Vec<Taint>,
    /// Allocatable resources.
    pub allocatable: ResourceList,
    /// Capacity, for pool limits.
    pub capacity: ResourceList,
    /// NodePool by label.
    pub pool: Option<Name>,
    /// Whether it counts as initialized (unmanaged nodes do).
    pub initialized: bool,
    /// Whether it is being deleted: no destination, and its pods need another place.
    pub deleting: bool,
    /// Whether HyperPod is about to replace or reboot it (H-45).
    pub unhealthy: bool,
}

/// Where pods are bound: positions in the node view by position in the snapshot's pods.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NodeOf(Vec<u32>);

/// Stands for "nowhere" in [`NodeOf`].
const NOWHERE: u32 = u32::MAX;

impl NodeOf {
    /// For `pods` pods, none of them bound.
    #[must_use]
    pub fn new(pods: usize) -> Self {
        Self(vec![NOWHERE; pods])
    }

    /// Binds the pod at `position` to the node at `node`.
    pub fn bind(&mut self, position: u32, node: u32) {
        if let Some(held) = self.0.get_mut(position as usize) {
            *held = node;
        }
    }

    /// The node that the pod at `position` is bound to, if there is such a node.
    #[inline]
    #[must_use]
    pub fn get(&self, position: u32) -> Option<u32> {
        self.0
            .get(position as usize)
            .copied()
            .filter(|node| *node != NOWHERE)
    }
}

/// The existing nodes of a snapshot, Nodes first in name order, then NodeClaims without a Node in name order.
/// O((nodes + claims) log n).
#[must_use]
pub fn existing(snapshot: &Snapshot) -> Vec<ExistingNode<'_>> {
    let mut by_node: FastMap<&str, &NodeClaim> = FastMap::default();
    let mut by_provider: FastMap<&str, &NodeClaim> = FastMap::default();
    for claim in &snapshot.node_claims {
        if let Some(name) = &claim.node_name {
            by_node.insert(name, claim);
        }
        if let Some(id) = &claim.provider_id {
            by_provider.insert(id, claim);
        }
    }
    let mut joined: FastMap<&str, ()> = FastMap::default();
    let mut all = Vec::with_capacity(snapshot.nodes.len());
    for node in &snapshot.nodes {
        let by_id = || {
            node.provider_id
                .as_deref()
                .and_then(|id| by_provider.get(id).copied())
        };
        let claim = by_node.get(node.name.as_ref()).copied().or_else(by_id);
        if let Some(claim) = claim {
            joined.insert(&claim.name, ());
        }
        all.push(view(Some(node), claim));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let nodes = all.len();
    for claim in &snapshot.node_claims {
        if !joined.contains_key(claim.name.as_ref()) && claim.provider_id.is_some() {
            all.push(view(None, Some(claim)));
        }
    }
    all[nodes..].sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// `labels` with the keys that count.
fn normalized(labels: &Labels) -> Labels {
    let is_normal = |(key, _): (&Name, _)| label::normalize(key) == key.as_ref();
    if labels.iter().all(is_normal) {
        return labels.clone();
    }
    let mut normal = Labels::new();
    for (key, value) in labels.iter() {
        normal.set(label::normalize(key), Name::clone(value));
    }
    normal
}

fn view<'a>(node: Option<&'a Node>, claim: Option<&'a NodeClaim>) -> ExistingNode<'a> {
    let says = |key| node.is_some_and(|n| n.labels.get(key) == Some("true"));
    let registered = node.is_some() && (claim.is_none() || says(label::REGISTERED));
    let initialized = node.is_some() && (claim.is_none() || says(label::INITIALIZED));
    let name = node.map_or_else(
        || claim.map_or_else(|| Name::from(""), |c| Name::clone(&c.name)),
        |n| Name::clone(&n.name),
    );

    let unregistered_claim = claim.filter(|_| !registered);
    let mut labels = match (unregistered_claim, node) {
        (None, Some(node)) => normalized(&node.labels),
        (claim, node) => {
            let of_claim = claim.map(|c| normalized(&c.labels));
            let mut labels = of_claim.unwrap_or_default();
            for (key, value) in node
                .map(|n| normalized(&n.labels))
                .iter()
                .flat_map(Labels::iter)
            {
                labels.set(Name::clone(key), Name::clone(value));
            }
            labels
        }
    };
    if labels.get(label::HOSTNAME).is_none() {
        labels.set(label::HOSTNAME, Name::clone(&name));
    }

    let mut taints: Vec<Taint> = match (node, claim) {
        (Some(node), _) if registered => node.taints.clone(),
        (_, Some(claim)) => claim.taints.clone(),
        (node, None) => node.map(|n| n.taints.clone()).unwrap_or_default(),
    };
    if node.is_some_and(|n| n.unschedulable) {
        taints.push(Taint::new(
            "node.kubernetes.io/unschedulable",
            "",
            TaintEffect::NoSchedule,
        ));
    }
    if !initialized {
        let startup = claim
            .map(|c| c.startup_taints.as_slice())
            .unwrap_or_default();
        taints.retain(|taint| {
            !taint.is_ephemeral()
                && !startup
                    .iter()
                    .any(|s| s.key == taint.key && s.effect == taint.effect)
        });
    }

    let resources = |of_node: fn(&Node) -> &ResourceList,
                     of_claim: fn(&NodeClaim) -> &ResourceList| {
        let mut list = node.map(|n| of_node(n).clone()).unwrap_or_default();
        if let Some(claim) = claim.filter(|_| !initialized) {
            for (name, quantity) in of_claim(claim).iter() {
                if list.amount(name).is_zero() {
                    list.set_shared(Name::clone(name), quantity);
                }
            }
        }
        list
    };
    let deleting = match claim {
        Some(claim) => claim.deleted.is_some(),
        None => node.is_some_and(|n| n.deleted.is_some()),
    };
    let unhealthy = labels.get(HEALTH_STATUS).is_some_and(|s| {
        matches!(
            s,
            "UnschedulablePendingReplacement" | "UnschedulablePendingReboot"
        )
    });
    ExistingNode {
        name,
        claim,
        node,
        pool: labels.shared(label::NODE_POOL).map(Name::clone),
        allocatable: resources(|n| &n.allocatable, |c| &c.allocatable),
        capacity: resources(|n| &n.capacity, |c| &c.capacity),
        labels,
        taints,
        initialized,
        deleting,
        unhealthy,
    }
}

impl ExistingNode<'_> {
    /// Whether pods may be placed here at all.
    #[must_use]
    pub fn is_destination(&self) -> bool {
        !self.deleting && !self.unhealthy
    }

    /// Whether the node's labels meet `asked`; an absent label is absent (S-31).
    #[must_use]
    pub fn meets(&self, asked: &Requirements) -> bool {
        asked.iter().all(|want| match self.labels.get(want.key()) {
            Some(value) => want.has(value),
            None => absent_is_fine(want),
        })
    }

    /// Whether the node suits one alternative of a pod.
    #[must_use]
    pub fn suits(&self, term: &Term) -> bool {
        self.meets(&term.requirements) && term.name_meets(&self.name)
    }
}
