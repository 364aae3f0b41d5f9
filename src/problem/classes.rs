//! Pods collapsed into classes.
//!
//! Replicas share their specification, so most pods find their class by one look-up of the specification's address;
//! what is compared structurally is done once per distinct specification. Classes are ordered by priority and requests,
//! largest first: the order in which pods are dealt out to domains, and the last tie-break while packing. It is made from
//! what the pods are, so that the order of the input does not show.

use std::sync::Arc;

use super::SignatureId;
use super::selectors::Selectors;
use super::topology::rules::Rules;
use crate::base::hash::{FastIndexSet, FastMap};
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::pod::{HostPort, Pod, PodSpec};
use crate::model::resources::{Name, ResourceList};
use crate::view::attach::Attach;
use crate::view::gangs::{Gangs, Membership};
use crate::view::pods::{Term, node_terms};
use crate::view::volumes::Volumes;

/// For how many classes there is room from the start.
const FEW_CLASSES: usize = 4096;

/// What makes pods equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClassKey {
    /// Requests: a position in [`Grouping::requests`].
    pub requests: usize,
    /// Selectors and tolerations.
    pub signature: SignatureId,
    /// Host ports.
    pub ports: Vec<HostPort>,
    /// Priority.
    pub priority: i32,
    /// Rules between pods: a position in [`Rules::identities`].
    pub identity: usize,
    /// Claims of volumes for which a place is kept on every node (see [`Attach`]).
    pub claims: Vec<(Name, u32)>,
    /// The gang its pods belong to, and which part of it (M-15).
    pub gang: Option<Membership>,
}

/// The pods to place, by class.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Grouping {
    /// Keys of the classes in first-seen order.
    pub keys: Vec<ClassKey>,
    /// Of each class a number that is the same for classes whose keys differ in rules between pods and gang only.
    pub kinds: Vec<usize>,
    /// Positions of each class's pods in the snapshot.
    pub pods: Vec<Vec<u32>>,
    /// Pods that cannot be placed whatever happens.
    pub refused: Vec<(u32, Reason)>,
    /// Selectors of all classes.
    pub selectors: Selectors,
    /// What pods ask for, each list once: what depends on it alone is found once.
    pub requests: Vec<Arc<ResourceList>>,
}

impl Grouping {
    /// Groups the pods for which `waits(position, pod)` holds. O(pods + distinct specifications).
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        volumes: &Volumes<'_>,
        attach: &Attach,
        gangs: &Gangs,
        rules: &mut Rules,
        waits: impl Fn(u32, &Pod) -> bool,
    ) -> Self {
        // Tables that grow touch new memory at every step.
        let few = snapshot.pods.len().min(FEW_CLASSES);
        let mut grouping = Self {
            keys: Vec::with_capacity(few),
            kinds: Vec::with_capacity(few),
            pods: Vec::with_capacity(few),
            ..Self::default()
        };
        let mut kinds: FastIndexSet<ClassKey> = FastIndexSet::default();
        let mut lists: FastMap<Arc<ResourceList>, usize> = FastMap::default();
        let mut by_spec: FastMap<*const PodSpec, usize> = FastMap::default();
        let mut by_kind: FastMap<(usize, usize, Option<Membership>), usize> = FastMap::default();
        by_kind.reserve(few);
        for (position, pod) in snapshot.pods.iter().enumerate() {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            if !waits(position, pod) {
                continue;
            }
            // What depends on the pod itself and not on its specification alone cannot be looked up by address.
            let own = !pod.spec.volumes.is_empty()
                || pod
                    .detail
                    .as_deref()
                    .is_some_and(|d| !d.actuated.is_empty());
            let address = Arc::as_ptr(&pod.spec);
            let known = by_spec.get(&address).copied().filter(|_| !own);
            let kind = match known {
                Some(kind) => kind,
                None => match key_of(pod, volumes, attach, &mut grouping.selectors) {
                    Err(reason) => {
                        grouping.refused.push((position, reason));
                        continue;
                    }
                    Ok((mut key, requests)) => {
                        key.requests = *lists.entry(requests).or_insert_with_key(|list| {
                            grouping.requests.push(Arc::clone(list));
                            grouping.requests.len() - 1
                        });
                        let (kind, _) = kinds.insert_full(key);
                        if !own {
                            by_spec.insert(address, kind);
                        }
                        kind
                    }
                },
            };
            let identity = rules.identity(pod);
            let gang = gangs.of(position);
            let class = *by_kind.entry((kind, identity, gang)).or_insert_with(|| {
                grouping.keys.push(ClassKey {
                    identity,
                    gang,
                    ..kinds[kind].clone()
                });
                grouping.kinds.push(kind);
                grouping.pods.push(Vec::new());
                grouping.keys.len() - 1
            });
            grouping.pods[class].push(position);
        }
        grouping
    }
}

/// What makes pods equal but for the rules between pods and their gang, and what they ask for.
fn key_of(
    pod: &Pod,
    volumes: &Volumes<'_>,
    attach: &Attach,
    selectors: &mut Selectors,
) -> Result<(ClassKey, Arc<ResourceList>), Reason> {
    if pod.spec.uses_resource_claims() {
        let message =
            "the pod uses resource claims (dynamic resource allocation), which are not supported";
        return Err(Reason::new(
            format!("Pod {}", pod.key()),
            Code::Dra,
            message,
        ));
    }
    let signature = signature_of(pod, volumes, selectors)?;
    let mut requests = pod.requests();
    attach.add_requests(volumes, pod, &mut requests);
    if let Some((name, quantity)) = requests.iter().find(|(_, quantity)| quantity.is_negative()) {
        let message = format!("it requests {quantity} of {name}; a request cannot be negative");
        return Err(Reason::new(
            format!("Pod {}", pod.key()),
            Code::InvalidPod,
            message,
        ));
    }
    let key = ClassKey {
        requests: 0,
        signature,
        ports: pod.spec.host_ports(),
        priority: pod.spec.priority,
        identity: 0,
        claims: attach.kept_claims(volumes, pod),
        gang: None,
    };
    Ok((key, Arc::new(requests)))
}

/// The signature of `pod`: what it asks of nodes by itself, with each of the places where its volumes can be.
fn signature_of(
    pod: &Pod,
    volumes: &Volumes<'_>,
    selectors: &mut Selectors,
) -> Result<SignatureId, Reason> {
    let spec = &pod.spec;
    // Most pods ask for nothing of the kind.
    let is_plain = spec.volumes.is_empty()
        && spec.node_selector.is_empty()
        && spec.affinity.node_required.is_none();
    if is_plain {
        return Ok(selectors.plain(&spec.tolerations));
    }
    let alternatives = volumes.alternatives(pod)?;
    let mut terms: Vec<Term> = Vec::new();
    for term in node_terms(spec) {
        for volume in &alternatives {
            let mut joined = term.clone();
            joined.requirements.add_all(volume);
            terms.push(joined);
        }
    }
    Ok(selectors.signature(terms, &spec.tolerations))
}

/// A fixed order of classes that does not depend on the order of the input: by content only. Signatures are compared by
/// the first pod's name when everything else is equal.
#[must_use]
pub fn canonical_order(grouping: &Grouping, snapshot: &Snapshot) -> Vec<usize> {
    let name = |at: u32| {
        let pod = &snapshot.pods[at as usize];
        (&pod.namespace, &pod.name)
    };
    // Pods often come in the order of their names; positions are then compared as well.
    let is_sorted = snapshot
        .pods
        .is_sorted_by(|a, b| (&a.namespace, &a.name) <= (&b.namespace, &b.name));
    let ranks = kind_ranks(grouping);
    let mut order: Vec<(usize, u32, usize)> = (0..grouping.keys.len())
        .map(|class| {
            let pods = grouping.pods[class].iter().copied();
            let first = if is_sorted {
                pods.min()
            } else {
                pods.min_by_key(|at| name(*at))
            };
            (ranks[grouping.kinds[class]], first.unwrap_or(0), class)
        })
        .collect();
    if is_sorted {
        order.sort_unstable();
    } else {
        order.sort_unstable_by(|a, b| (a.0, name(a.1), a.2).cmp(&(b.0, name(b.1), b.2)));
    }
    order.into_iter().map(|(.., class)| class).collect()
}

/// Where each kind stands by priority, requests and ports; the same where these are equal.
fn kind_ranks(grouping: &Grouping) -> Vec<usize> {
    let kinds = grouping.kinds.iter().max().map_or(0, |most| most + 1);
    let mut example = vec![0; kinds];
    for (class, kind) in grouping.kinds.iter().enumerate() {
        example[*kind] = class;
    }
    let key = |kind: usize| &grouping.keys[example[kind]];
    let compare = |a: usize, b: usize| {
        let (ka, kb) = (key(a), key(b));
        let requests = |key: &ClassKey| &grouping.requests[key.requests];
        (kb.priority, requests(kb))
            .cmp(&(ka.priority, requests(ka)))
            .then_with(|| ka.ports.cmp(&kb.ports))
    };
    let mut order: Vec<usize> = (0..kinds).collect();
    order.sort_by(|a, b| compare(*a, *b));
    let mut ranks = vec![0; kinds];
    for (before, at) in order.iter().zip(order.iter().skip(1)) {
        ranks[*at] = ranks[*before] + usize::from(compare(*before, *at).is_ne());
    }
    ranks
}

/// Whether any of `a` clashes with any of `b`.
#[must_use]
pub fn clash(a: &[HostPort], b: &[HostPort]) -> bool {
    a.iter().any(|x| b.iter().any(|y| x.clashes_with(y)))
}
