//! The cluster as it will be: nodes in the view of S-112, pods where they are and where the plan puts them.

use std::collections::BTreeMap;

use crate::base::hash::FastMap;
use crate::base::index::IxVec;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, LabelSelector, Labels};
use crate::model::node::Node;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::{Pod, PodSpec};
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::{Taint, TaintEffect};

use super::daemons::Daemons;
use super::eviction;
use super::selection;
use super::volumes::Storage;

crate::ix! {
    /// A pod of the snapshot.
    #[expect(unreachable_pub, reason = "the macro declares public types")]
    PodIx;
    /// An existing or planned node.
    #[expect(unreachable_pub, reason = "the macro declares public types")]
    NodeIx;
    /// Pods that are alike: same namespace, labels and specification.
    #[expect(unreachable_pub, reason = "the macro declares public types")]
    ClassIx;
}

/// A pod with what is computed once.
#[derive(Debug)]
pub(super) struct PodView<'a> {
    pub(super) pod: &'a Pod,
    /// `namespace/name`.
    pub(super) key: Name,
    pub(super) class: ClassIx,
    pub(super) requests: ResourceList,
    /// Whether the pod waits to be placed (M-4), on account of a deleting node too.
    pub(super) pending: bool,
}

/// What pods of a class have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class<'a> {
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) spec: &'a PodSpec,
}

/// A node, existing or planned.
#[derive(Debug, Default)]
pub(super) struct NodeView {
    pub(super) name: Name,
    /// Labels with their older names added.
    pub(super) labels: Labels,
    /// Labels of a planned node whose value is still to be picked, today's names.
    pub(super) undecided: Vec<Name>,
    pub(super) taints: Vec<Taint>,
    pub(super) capacity: ResourceList,
    pub(super) allocatable: ResourceList,
    pub(super) pool: Option<Name>,
    pub(super) deleting: bool,
    /// Live pods that are bound here.
    pub(super) bound: Vec<PodIx>,
    /// Pods that the plan puts here.
    pub(super) placed: Vec<PodIx>,
    /// How findings name it: the node's name, or `claim[3]`.
    pub(super) target: String,
}

/// The snapshot prepared for judging.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) pods: IxVec<PodIx, PodView<'a>>,
    pub(super) classes: IxVec<ClassIx, Class<'a>>,
    pub(super) nodes: IxVec<NodeIx, NodeView>,
    pub(super) pools: BTreeMap<&'a str, &'a NodePool>,
    pub(super) daemons: Daemons<'a>,
    pub(super) storage: Storage<'a>,
    by_key: FastMap<Name, PodIx>,
    by_node_name: BTreeMap<Name, NodeIx>,
    /// Labels of every namespace that an object is in, the name label included.
    namespaces: BTreeMap<Name, Labels>,
}

impl<'a> Cluster<'a> {
    /// The cluster before the plan. O(objects x log objects).
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let (nodes, by_node_name) = nodes_of(snapshot);
        let mut cluster = Self {
            snapshot,
            pods: IxVec::new(),
            classes: IxVec::new(),
            nodes,
            pools: snapshot
                .node_pools
                .iter()
                .map(|pool| (pool.name.as_ref(), pool))
                .collect(),
            daemons: Daemons::new(snapshot),
            storage: Storage::new(snapshot),
            by_key: FastMap::default(),
            by_node_name,
            namespaces: namespaces_of(snapshot),
        };
        cluster.add_pods();
        cluster
    }

    /// The pod named `namespace/name`.
    pub(super) fn pod_named(&self, key: &str) -> Option<PodIx> {
        self.by_key.get(key).copied()
    }

    /// The existing node of that name; while a claim has no registered node, its own name serves too (S-115).
    pub(super) fn node_named(&self, name: &str) -> Option<NodeIx> {
        self.by_node_name.get(name).copied()
    }

    /// The specification of `pod`.
    pub(super) fn spec(&self, pod: PodIx) -> &'a PodSpec {
        &self.pods[pod].pod.spec
    }

    /// Namespaces whose labels `selector` matches.
    pub(super) fn namespaces_matching(&self, selector: &LabelSelector) -> Vec<Name> {
        self.namespaces
            .iter()
            .filter(|(_, labels)| selector.matches(labels))
            .map(|(name, _)| Name::clone(name))
            .collect()
    }

    fn add_pods(&mut self) {
        let mut known: FastMap<Class<'a>, ClassIx> = FastMap::default();
        for pod in &self.snapshot.pods {
            let class = Class {
                namespace: &pod.namespace,
                labels: &pod.labels,
                spec: &pod.spec,
            };
            let class = match known.get(&class) {
                Some(&ix) => ix,
                None => {
                    let ix = self.classes.push(class);
                    known.insert(class, ix);
                    ix
                }
            };
            let node = pod
                .node_name
                .as_ref()
                .and_then(|name| self.node_named(name));
            let leaving = node.is_some_and(|node| self.nodes[node].deleting);
            let key = Name::from(pod.key());
            let ix = self.pods.push(PodView {
                pod,
                key: Name::clone(&key),
                class,
                requests: pod.requests(),
                pending: pod.is_pending()
                    || (leaving && must_move(pod) && !eviction::is_protected(self.snapshot, pod)),
            });
            self.by_key.insert(key, ix);
            if let Some(node) = node.filter(|_| !leaving && !pod.is_finished()) {
                self.nodes[node].bound.push(ix);
            }
        }
    }
}

/// Whether a pod on a node that is being deleted needs another place.
fn must_move(pod: &Pod) -> bool {
    let made_again = pod.is_owned_by("apps", "StatefulSet");
    !pod.is_finished()
        && (!pod.is_terminating() || made_again)
        && !pod.is_daemon()
        && !pod.is_owned_by("", "Node")
}

fn namespaces_of(snapshot: &Snapshot) -> BTreeMap<Name, Labels> {
    const NAME_LABEL: &str = "kubernetes.io/metadata.name";
    let mut namespaces = BTreeMap::new();
    for pod in &snapshot.pods {
        if !namespaces.contains_key(&pod.namespace) {
            namespaces.insert(Name::clone(&pod.namespace), Labels::new());
        }
    }
    for namespace in &snapshot.namespaces {
        namespaces.insert(Name::clone(&namespace.name), namespace.labels.clone());
    }
    for (name, labels) in &mut namespaces {
        if labels.get(NAME_LABEL).is_none() {
            labels.set(NAME_LABEL, Name::clone(name));
        }
    }
    namespaces
}

/// Every Node, and every launched NodeClaim without one.
fn nodes_of(snapshot: &Snapshot) -> (IxVec<NodeIx, NodeView>, BTreeMap<Name, NodeIx>) {
    let mut by_node: BTreeMap<&str, &NodeClaim> = BTreeMap::new();
    let mut by_provider: BTreeMap<&str, &NodeClaim> = BTreeMap::new();
    for claim in &snapshot.node_claims {
        if let Some(node) = &claim.node_name {
            by_node.insert(node, claim);
        }
        if let Some(provider) = &claim.provider_id {
            by_provider.insert(provider, claim);
        }
    }
    let mut nodes = IxVec::new();
    let mut names = BTreeMap::new();
    let mut with_node: BTreeMap<&str, NodeIx> = BTreeMap::new();
    for node in &snapshot.nodes {
        let claim = by_node.get(node.name.as_ref()).copied().or_else(|| {
            let provider = node.provider_id.as_deref()?;
            by_provider.get(provider).copied()
        });
        let ix = nodes.push(view(Some(node), claim));
        names.insert(Name::clone(&node.name), ix);
        if let Some(claim) = claim {
            with_node.insert(&claim.name, ix);
        }
    }
    for claim in &snapshot.node_claims {
        let ix = match with_node.get(claim.name.as_ref()) {
            Some(&ix) => ix,
            None if claim.provider_id.is_some() => nodes.push(view(None, Some(claim))),
            None => continue,
        };
        names.entry(Name::clone(&claim.name)).or_insert(ix);
    }
    (nodes, names)
}

/// The view of a node that scheduling has (S-112, S-113).
fn view(node: Option<&Node>, claim: Option<&NodeClaim>) -> NodeView {
    let says = |key: &str| {
        node.is_some_and(|node| claim.is_none() || node.labels.get(key) == Some("true"))
    };
    let registered = says(label::REGISTERED);
    let initialized = says(label::INITIALIZED);

    let mut labels = Labels::new();
    if !registered && let Some(claim) = claim {
        labels = claim.labels.clone();
    }
    for (key, value) in node.iter().flat_map(|node| node.labels.iter()) {
        labels.set(Name::clone(key), Name::clone(value));
    }
    let name = node
        .map(|node| &node.name)
        .or_else(|| claim.map(|claim| &claim.name))
        .map(Name::clone)
        .unwrap_or_default();
    let pool = labels.shared(label::NODE_POOL).map(Name::clone);
    if labels.get(label::HOSTNAME).is_none() {
        labels.set(label::HOSTNAME, Name::clone(&name));
    }
    selection::add_aliases(&mut labels);

    NodeView {
        target: name.to_string(),
        name,
        labels,
        taints: taints_of(node, claim, registered, initialized),
        capacity: filled(
            node.map(|node| &node.capacity),
            claim.map(|claim| &claim.capacity),
            initialized,
        ),
        allocatable: filled(
            node.map(|node| &node.allocatable),
            claim.map(|claim| &claim.allocatable),
            initialized,
        ),
        pool,
        deleting: match (node, claim) {
            (_, Some(claim)) => claim.deleted.is_some(),
            (Some(node), None) => node.deleted.is_some(),
            (None, None) => false,
        },
        ..NodeView::default()
    }
}

/// Taints that count: before initialization those that will vanish by themselves do not (S-39, S-112).
fn taints_of(
    node: Option<&Node>,
    claim: Option<&NodeClaim>,
    registered: bool,
    initialized: bool,
) -> Vec<Taint> {
    let mut taints = match (node, claim) {
        (Some(node), _) if registered => node.taints.clone(),
        (_, Some(claim)) => claim.taints.clone(),
        (Some(node), None) => node.taints.clone(),
        (None, None) => Vec::new(),
    };
    if node.is_some_and(|node| node.unschedulable) {
        taints.push(Taint::new(
            "node.kubernetes.io/unschedulable",
            "",
            TaintEffect::NoSchedule,
        ));
    }
    if !initialized && let Some(claim) = claim {
        let starts_with = |taint: &Taint| {
            claim
                .startup_taints
                .iter()
                .any(|s| s.key == taint.key && s.effect == taint.effect)
        };
        taints.retain(|taint| !taint.is_ephemeral() && !starts_with(taint));
    }
    taints
}

/// The node's figures; before initialization what is missing or zero there is taken from the claim (S-113).
fn filled(
    node: Option<&ResourceList>,
    claim: Option<&ResourceList>,
    initialized: bool,
) -> ResourceList {
    let mut list = node.cloned().unwrap_or_default();
    if !initialized {
        for (name, quantity) in claim.into_iter().flat_map(ResourceList::iter) {
            if list.amount(name).is_zero() {
                list.set_shared(Name::clone(name), quantity);
            }
        }
    }
    list
}
