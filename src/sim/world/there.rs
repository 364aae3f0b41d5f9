//! What is there at the first moment: nodes and pods of the snapshot, taken over into the world.
//!
//! Nodes that are initialized and not leaving are bought anew before the run begins, through the same machine and from the same
//! fake but in no time, and what they cost until the run begins is not counted. So they are the machine's own from the first
//! event on. Pods of a service are its replicas; pods of others stay as they are, and come back when they are evicted if
//! somebody owns them. Pods of DaemonSets and of nodes are part of the room that nodes have; jobs that run are pods of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::World;
use super::derived::{Derived, planned};
use super::record::Record;
use super::state::{Cover, NodeId, Pod, PodId, Stage};
use crate::base::time::{Span, Timestamp};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::CapacityType;
use crate::model::label::{self, Labels};
use crate::model::node::Condition;
use crate::model::options::Quotas;
use crate::model::pod::{OwnerReference, Pod as ModelPod, PodSpec};
use crate::model::resources::{Name, ResourceList};
use crate::model::simulation::{Service, Simulation};
use crate::plan::PlannedClaim;
use crate::provisioning::Input;
use crate::provisioning::config::Config;
use crate::provisioning::input::AcceptedPlan;
use crate::sim::hyperpod::Weather;
use crate::view::nodes::{ExistingNode, existing};

/// How long before the run nodes are taken over.
const BEFORE: Span = Span::from_secs(3600);
/// How often the cluster is described and listed meanwhile.
const LOOK_EVERY: Span = Span::from_secs(60);

/// What is there at the first moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct There {
    /// Kinds of pods that are of no service, after those of services and jobs.
    pub(super) others: Vec<Other>,
    nodes: Vec<ThereNode>,
    pods: Vec<TherePod>,
}

/// Equal pods of one owner, or a pod of none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Other {
    pub(super) namespace: Name,
    pub(super) name: Name,
    pub(super) labels: Labels,
    pub(super) spec: Arc<PodSpec>,
    /// Whether somebody makes another one when it goes.
    pub(super) owned: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThereNode {
    name: Name,
    pool: Name,
    instance_type: Name,
    zone: Name,
    capacity_type: CapacityType,
    group: Name,
    created: Option<Timestamp>,
    initialized: Option<Timestamp>,
    last_pod_event: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TherePod {
    kind: usize,
    /// Number of its node among those that are taken over.
    node: Option<usize>,
    created: Option<Timestamp>,
    ready: Option<Timestamp>,
}

impl There {
    /// What of `snapshot` is taken over. O(nodes log nodes + pods x services).
    pub(super) fn of(snapshot: &Snapshot, simulation: &Simulation) -> Self {
        let mut there = Self::default();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let views = existing(snapshot);
        for view in &views {
            if let Some(node) = of_node(view) {
                numbers.insert(&view.name, there.nodes.len());
                there.nodes.push(node);
            }
        }
        let mut kinds: BTreeMap<(Name, Name), Vec<usize>> = BTreeMap::new();
        let mut pods: Vec<&ModelPod> = snapshot.pods.iter().filter(|pod| counts(pod)).collect();
        pods.sort_by(|a, b| {
            (a.created, &a.namespace, &a.name).cmp(&(b.created, &b.namespace, &b.name))
        });
        for pod in pods {
            let services = &simulation.services;
            let service = services.iter().position(|service| is_of(pod, service));
            let kind = service.unwrap_or_else(|| {
                services.len() + simulation.jobs.len() + there.other(pod, &mut kinds)
            });
            let detail = pod.detail.as_deref();
            there.pods.push(TherePod {
                kind,
                node: pod
                    .node_name
                    .as_deref()
                    .and_then(|n| numbers.get(n).copied()),
                created: pod.created,
                ready: detail
                    .filter(|detail| detail.ready)
                    .and_then(|detail| detail.ready_since)
                    .or(pod.created),
            });
        }
        there
    }

    /// The number of the kind of a pod that is of no service.
    fn other(&mut self, pod: &ModelPod, kinds: &mut BTreeMap<(Name, Name), Vec<usize>>) -> usize {
        let owner = pod.owners.iter().find(|owner| owner.controller);
        let name = owner.map_or(&pod.name, |owner| &owner.name);
        let same = kinds
            .entry((Name::clone(&pod.namespace), Name::clone(name)))
            .or_default();
        let known = same.iter().copied().find(|at| {
            self.others
                .get(*at)
                .is_some_and(|kind| kind.spec == pod.spec && kind.labels == *pod.labels)
        });
        known.unwrap_or_else(|| {
            let at = self.others.len();
            self.others.push(Other {
                namespace: Name::clone(&pod.namespace),
                name: Name::clone(name),
                labels: (*pod.labels).clone(),
                spec: Arc::clone(&pod.spec),
                owned: owner.is_some(),
            });
            same.push(at);
            at
        })
    }

    /// Nodes that cannot be taken over, one sentence each.
    pub(super) fn faults(&self, derived: &Derived) -> Vec<String> {
        let unknown = self
            .nodes
            .iter()
            .filter(|node| node.shape(derived).is_none());
        unknown
            .map(|node| {
                format!(
                    "Node {}: {} ({}) in {:?} of instance group {:?} is nothing that NodePool {:?} of the input can buy: correct its labels or leave it out",
                    node.name,
                    node.instance_type,
                    node.capacity_type.as_str(),
                    node.zone,
                    node.group,
                    node.pool
                )
            })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.pods.is_empty()
    }
}

impl ThereNode {
    fn shape(&self, derived: &Derived) -> Option<usize> {
        derived.shape(
            &self.pool,
            &self.instance_type,
            &self.zone,
            self.capacity_type,
            &self.group,
        )
    }
}

/// Whether a pod is taken over.
fn counts(pod: &ModelPod) -> bool {
    !pod.is_finished()
        && !pod.is_terminating()
        && !pod.is_daemon()
        && !pod.owners.iter().any(|owner| &*owner.kind == "Node")
}

/// Whether a pod is a replica of `service`.
fn is_of(pod: &ModelPod, service: &Service) -> bool {
    let owned = |owner: &OwnerReference| {
        let own = *owner.kind == *service.kind.as_str() && owner.name == service.name;
        // A Deployment's ReplicaSets bear its name and a hash.
        let through = &*owner.kind == "ReplicaSet"
            && owner
                .name
                .rsplit_once('-')
                .is_some_and(|(name, _)| *name == *service.name);
        own || through
    };
    pod.namespace == service.namespace && pod.owners.iter().any(owned)
}

/// A node as it is taken over; `None` for one that is leaving or has not started yet.
fn of_node(view: &ExistingNode<'_>) -> Option<ThereNode> {
    let node = view.node?;
    if !view.initialized || view.deleting {
        return None;
    }
    let label = |key: &str| view.labels.get(key).map(Name::from);
    let conditions = view.claim.map(|claim| claim.conditions.as_slice());
    let initialized = conditions
        .into_iter()
        .flatten()
        .find(|condition: &&Condition| &*condition.kind == "Initialized")
        .and_then(|condition| condition.last_transition);
    Some(ThereNode {
        name: Name::clone(&view.name),
        pool: view.pool.clone().unwrap_or_default(),
        instance_type: label(label::INSTANCE_TYPE).unwrap_or_default(),
        zone: label(label::ZONE).unwrap_or_default(),
        capacity_type: match view.labels.get(label::CAPACITY_TYPE) {
            Some("spot") => CapacityType::Spot,
            Some(_) | None => CapacityType::OnDemand,
        },
        group: label(label::INSTANCE_GROUP).unwrap_or_default(),
        created: node.created,
        initialized: initialized.or(node.created),
        last_pod_event: view.claim.and_then(|claim| claim.last_pod_event),
    })
}

impl World {
    /// The first moment of anything: that of the run, or some time before it where nodes are taken over.
    pub(super) fn origin(there: &There, start: Timestamp) -> Timestamp {
        if there.nodes.is_empty() {
            start
        } else {
            Timestamp::from_millis(start.as_millis() - BEFORE.as_millis())
        }
    }

    /// Takes over what is there, and goes to the first moment of the run.
    pub(super) fn take_over(&mut self, weather: Weather) {
        let setup = &self.state.setup;
        let (there, start) = (setup.there.clone(), setup.start);
        let duration = setup.simulation.duration;
        if there.is_empty() {
            return;
        }
        let config = Config::of(&setup.snapshot);
        let nodes = self.buy_again(&there, &config);
        self.state.fake.set_weather(weather);
        self.state.now = start;
        self.give(Input::Config(Box::new(config)));
        self.state.before = self.state.machine.ledger().totals(start);
        for (number, node) in &nodes {
            let (Some(was), Some(is)) = (there.nodes.get(*number), self.state.nodes.get_mut(node))
            else {
                continue;
            };
            is.name = Name::clone(&was.name);
            is.created = was.created.unwrap_or(start).min(start);
            is.initialized = was.initialized.unwrap_or(is.created).min(start);
            is.last_pod_event = was.last_pod_event.unwrap_or(is.initialized).min(start);
        }
        let levels = self.state.record.levels;
        self.state.record = Record::new(start, duration);
        self.state.record.levels = levels;
        for billed in self.state.billed.values_mut() {
            billed.since = start;
        }
        for pod in &there.pods {
            let node = pod.node.and_then(|number| nodes.get(&number).copied());
            self.put(pod, node);
        }
        self.freed.clear();
        self.state.changed = true;
    }

    /// Buys the nodes that are there, in no time. Gives the machine's number of each.
    fn buy_again(&mut self, there: &There, config: &Config) -> BTreeMap<usize, NodeId> {
        let start = self.state.setup.start;
        let mut free = config.clone();
        for pool in &mut free.pools {
            pool.limits = ResourceList::new();
            pool.price_cap = None;
            pool.max_in_flight = u32::MAX;
        }
        free.shared_limits.clear();
        free.quotas = Quotas::default();
        free.price_cap = None;
        self.give(Input::Config(Box::new(free)));
        self.look();
        let claims: Vec<_> = self.claims(there);
        let wanted = claims.len();
        let mut accepted = AcceptedPlan::of(
            claims.iter().map(|(_, c)| c.clone()).collect(),
            self.state.now,
        );
        accepted.workloads = self.workloads(there);
        self.give(Input::Plan(accepted));
        let mut look_at = self.state.now.plus(LOOK_EVERY);
        loop {
            let ready = self.state.nodes.values().filter(|node| node.ready).count();
            let times = [self.state.fake.next_at(), self.state.machine_wake];
            let next = times.into_iter().flatten().fold(look_at, Timestamp::min);
            if ready >= wanted || next >= start {
                break;
            }
            self.state.now = next.max(self.state.now);
            self.state.fake.advance(self.state.now);
            self.hear();
            if self.state.now >= look_at {
                look_at = self.state.now.plus(LOOK_EVERY);
                self.look();
            }
            self.tick_machine();
        }
        let mut by_key: BTreeMap<Name, usize> = BTreeMap::new();
        for (number, claim) in &claims {
            by_key.extend(claim.pods.iter().map(|key| (Name::clone(key), *number)));
        }
        let mut found = BTreeMap::new();
        for node in self.state.machine.nodes() {
            let id = node.id.number();
            let number = node.pods.iter().find_map(|key| by_key.get(key).copied());
            if let Some(number) = number.filter(|_| self.state.nodes.contains_key(&id)) {
                found.insert(number, id);
            }
        }
        found
    }

    /// What is bought, by number of the node: each for the pods that are on it.
    fn claims(&self, there: &There) -> Vec<(usize, PlannedClaim)> {
        let mut pods: Vec<Vec<Name>> = vec![Vec::new(); there.nodes.len()];
        for (id, pod) in there.pods.iter().enumerate() {
            if let Some(on) = pod.node.and_then(|number| pods.get_mut(number)) {
                on.push(self.key_of(id as PodId, pod.kind));
            }
        }
        let claim = |(number, node): (usize, &ThereNode)| {
            let shape = self.derived.shapes.get(node.shape(&self.derived)?)?;
            let mut claim = planned(&shape.pool, &shape.instance_type, &shape.offering);
            claim.pods = pods.get_mut(number).map(std::mem::take).unwrap_or_default();
            if claim.pods.is_empty() {
                // The machine buys nothing for nobody. No pod has such a name.
                claim
                    .pods
                    .push(Name::from(format!("start/empty-{number}-")));
            }
            Some((number, claim))
        };
        there.nodes.iter().enumerate().filter_map(claim).collect()
    }

    fn key_of(&self, id: PodId, kind: usize) -> Name {
        match self.derived.kinds.get(kind) {
            Some(kind) => Name::from(format!("{}/{}-{id}", kind.namespace, kind.name)),
            None => Name::from(format!("gone/{id}")),
        }
    }

    fn workloads(&self, there: &There) -> BTreeMap<Name, Name> {
        let named = there.pods.iter().enumerate().filter_map(|(id, pod)| {
            let kind = self.derived.kinds.get(pod.kind)?;
            Some((self.key_of(id as PodId, pod.kind), Name::clone(&kind.name)))
        });
        named.collect()
    }

    /// A pod of no service has lost its place: who owns it makes another one.
    pub(super) fn come_back(&mut self, kind: usize) {
        let simulation = &self.state.setup.simulation;
        let first = simulation.services.len() + simulation.jobs.len();
        let others = &self.state.setup.there.others;
        let other = kind.checked_sub(first).and_then(|at| others.get(at));
        if other.is_some_and(|other| other.owned) {
            self.create_pod(kind, None);
        }
    }

    /// Puts a pod where it is.
    fn put(&mut self, pod: &TherePod, node: Option<NodeId>) {
        let start = self.state.now;
        let id = self.state.next_pod;
        self.state.next_pod += 1;
        let since = pod.ready.unwrap_or(start).min(start);
        let stage = if node.is_some() {
            Stage::Ready
        } else {
            Stage::Pending
        };
        self.state.pods.insert(
            id,
            Pod {
                kind: pod.kind,
                job: None,
                created: pod.created.unwrap_or(start).min(start),
                stage,
                node,
                cover: Cover::None,
                since,
            },
        );
        if let Some(members) = self.state.kinds.get_mut(pod.kind) {
            members.live.insert(id);
            if node.is_some() {
                members.ready += 1;
            } else {
                members.pending.insert(id);
                members.dirty = true;
            }
        }
        match node {
            Some(on) => {
                if let Some(node) = self.state.nodes.get_mut(&on) {
                    node.pods.insert(id);
                    node.images.insert(pod.kind);
                }
                self.occupy(on, pod.kind, 1);
            }
            None => self.state.fresh = true,
        }
    }
}
