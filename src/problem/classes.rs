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
use crate::base::hash::FastMap;
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::pod::{HostPort, Pod, PodSpec};
use crate::model::resources::{Name, ResourceList};
use crate::view::attach::Attach;
use crate::view::gangs::{Gangs, Membership};
use crate::view::pods::{Term, node_terms};
use crate::view::volumes::Volumes;

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
        let mut grouping = Self::default();
        let mut kinds: FastMap<ClassKey, usize> = FastMap::default();
        let mut kind_keys: Vec<ClassKey> = Vec::new();
        let mut lists: FastMap<Arc<ResourceList>, usize> = FastMap::default();
        let mut by_spec: FastMap<*const PodSpec, usize> = FastMap::default();
        let mut by_kind: FastMap<(usize, usize, Option<Membership>), usize> = FastMap::default();
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
                        let kind = *kinds.entry(key).or_insert_with_key(|key| {
                            kind_keys.push(key.clone());
                            kind_keys.len() - 1
                        });
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
                    ..kind_keys[kind].clone()
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
    let alternatives = volumes.alternatives(pod)?;
    let mut terms: Vec<Term> = Vec::new();
    for term in node_terms(&pod.spec) {
        for volume in &alternatives {
            let mut joined = term.clone();
            joined.requirements.add_all(volume);
            terms.push(joined);
        }
    }
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
        signature: selectors.signature(terms, &pod.spec.tolerations),
        ports: pod.spec.host_ports(),
        priority: pod.spec.priority,
        identity: 0,
        claims: attach.kept_claims(volumes, pod),
        gang: None,
    };
    Ok((key, Arc::new(requests)))
}

/// A fixed order of classes that does not depend on the order of the input: by content only. Signatures are compared by
/// the first pod's name when everything else is equal.
#[must_use]
pub fn canonical_order(grouping: &Grouping, snapshot: &Snapshot) -> Vec<usize> {
    let first_pod = |class: &usize| {
        let least = grouping.pods[*class]
            .iter()
            .map(|at| &snapshot.pods[*at as usize])
            .map(|p| (&p.namespace, &p.name));
        least.min()
    };
    let ranks = kind_ranks(grouping);
    let mut order: Vec<(usize, _, usize)> = (0..grouping.keys.len())
        .map(|class| (ranks[grouping.kinds[class]], first_pod(&class), class))
        .collect();
    order.sort_unstable();
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
