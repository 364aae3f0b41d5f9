//! The planner's side: which pods are planned, on what snapshot, and what becomes of the plan.
//!
//! Only pods are planned that have nothing coming. What is there or on its way is shown as nodes with the room that is left
//! beside bound pods, pods that wait for that node, and pods that an earlier plan put there: so decisions stand (M-11), and
//! a plan costs by what waits and not by what runs. Nodes without room for any of the waiting pods are left out, and what they use
//! of the limits of their pools is taken off these.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::derived::{GPUS, Kind, Shape};
use super::shown::Involved;
use super::state::{Cover, NodeId, PodId, Stage};
use crate::base::time::Span;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, Labels};
use crate::model::node::Node as ModelNode;
use crate::model::node_claim::NodeClaim;
use crate::model::pod::{Pod as ModelPod, PodPhase, PodStatusDetail};
use crate::model::policy::PodGroup;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, PODS, ResourceList};
use crate::plan::Plan;
use crate::provisioning::Input;
use crate::provisioning::input::AcceptedPlan;
use crate::scheduler::{Capacity, Compiled, solved};

/// How long a pod waits for room that it was promised, and for an order, before it is planned again.
const PATIENCE: Span = Span::from_secs(30 * 60);
/// When pods for which nothing was found are planned again.
const RETRY: Span = Span::from_secs(60);
/// The label of Kueue's and the coscheduling plugin's pod groups (M-15).
const POD_GROUP: &str = "scheduling.x-k8s.io/pod-group";

impl World {
    /// Opens the planner's batch for pods that have nothing coming, or prolongs it.
    pub(super) fn gather(&mut self) {
        if !std::mem::take(&mut self.state.fresh) {
            return;
        }
        let now = self.state.now;
        let simulation = &self.state.setup.simulation;
        let since = *self.state.batch_since.get_or_insert(now);
        let at = now
            .plus(simulation.batch_idle)
            .min(since.plus(simulation.batch_max));
        self.state.plan_at = Some(at.max(now));
    }

    /// A waiting pod has nothing coming any more.
    pub(super) fn uncover(&mut self, id: PodId) {
        if let Some(pod) = self
            .state
            .pods
            .get_mut(&id)
            .filter(|pod| pod.stage == Stage::Pending)
        {
            pod.cover = Cover::None;
            self.state.fresh = true;
        }
    }

    /// Pods for which nothing was found have another chance.
    pub(super) fn retry(&mut self) {
        self.state.retry_at = None;
        let now = self.state.now;
        let pending: Vec<PodId> = self
            .state
            .kinds
            .iter()
            .flat_map(|kind| kind.pending.iter().copied())
            .collect();
        for id in pending {
            let again = match self.state.pods.get(&id).map(|pod| pod.cover) {
                Some(Cover::Stuck) => true,
                Some(Cover::Ordered(since) | Cover::Nominated(_, since)) => {
                    self.state.retry_at = Some(now.plus(RETRY));
                    now.since(since) > PATIENCE
                }
                Some(Cover::None) | None => false,
            };
            if again {
                self.uncover(id);
            }
        }
    }

    /// Plans the pods that have nothing coming, and has the plan carried out.
    pub(super) fn plan(&mut self) {
        self.state.plan_at = None;
        self.state.batch_since = None;
        let now = self.state.now;
        let waiting: Vec<PodId> = self
            .state
            .kinds
            .iter()
            .flat_map(|kind| kind.pending.iter().copied())
            .filter(|id| {
                self.state
                    .pods
                    .get(id)
                    .is_some_and(|pod| pod.cover == Cover::None)
            })
            .collect();
        if waiting.is_empty() {
            return;
        }
        let snapshot = self.snapshot_for(&waiting);
        let plan = self.schedule(&snapshot);
        let mut names = BTreeMap::new();
        for claim in &plan.new_node_claims {
            for key in &claim.pods {
                if let Some(pod) = Self::pod_of_key(key).and_then(|id| self.state.pods.get_mut(&id))
                {
                    pod.cover = Cover::Ordered(now);
                    let kind = self.derived.kinds.get(pod.kind);
                    names.insert(
                        Name::clone(key),
                        kind.map(|kind| Name::clone(&kind.name)).unwrap_or_default(),
                    );
                }
            }
        }
        for place in &plan.existing_nodes {
            let node = number_in(&place.node);
            for id in place.pods.iter().filter_map(|key| Self::pod_of_key(key)) {
                if let (Some(pod), Some(node)) = (self.state.pods.get_mut(&id), node) {
                    pod.cover = Cover::Nominated(node, now);
                }
            }
        }
        let mut told: BTreeMap<usize, u64> = BTreeMap::new();
        for left in &plan.unschedulable {
            let Some(pod) = Self::pod_of_key(&left.pod).and_then(|id| self.state.pods.get_mut(&id))
            else {
                continue;
            };
            pod.cover = Cover::Stuck;
            let kind = pod.kind;
            let count = told.entry(kind).or_insert(0);
            *count += 1;
            if *count == 1 {
                self.state.record.event(
                    now,
                    "Unschedulable",
                    format!("Pod {}", left.pod),
                    &left.reason,
                );
            }
        }
        for claim in &plan.new_node_claims {
            let message = format!(
                "{} in {} for {} pods of NodePool {}",
                claim.cheapest.instance_type,
                claim.cheapest.zone,
                claim.pods.len(),
                claim.node_pool
            );
            let group = claim.instance_group.as_deref().unwrap_or("");
            self.state.record.event(
                now,
                "NodeRequested",
                format!("instance group {group}"),
                message,
            );
        }
        if self.state.retry_at.is_none() {
            self.state.retry_at = Some(now.plus(RETRY));
        }
        if !plan.new_node_claims.is_empty() {
            let mut accepted = AcceptedPlan::new(&plan, now);
            accepted.workloads = names;
            self.give(Input::Plan(accepted));
        }
    }

    /// The plan for a snapshot, without what cannot be had at the moment.
    pub(super) fn schedule(&self, snapshot: &Snapshot) -> Plan {
        let mut capacity = Capacity::new(snapshot);
        let closed = self.state.machine.unavailable();
        if !closed.is_empty() {
            capacity.close(|instance_type, offering| {
                closed.iter().any(|(of, _)| {
                    of.instance_type == *instance_type
                        && of.zone == offering.zone
                        && of.capacity_type == offering.capacity_type
                        && Some(&of.instance_group) == offering.instance_group.as_ref()
                })
            });
        }
        let (compiled, outcome) = solved(Compiled::new(snapshot, &capacity));
        compiled.plan(&outcome)
    }

    /// The snapshot in which `waiting` are planned.
    fn snapshot_for(&self, waiting: &[PodId]) -> Snapshot {
        let mut snapshot = self.derived.base.clone();
        snapshot.options.now = Some(self.state.now);
        let mut kinds: Vec<usize> = waiting
            .iter()
            .filter_map(|id| Some(self.state.pods.get(id)?.kind))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let promised = self.promised();
        let mut left_out: BTreeMap<Name, (ResourceList, i64)> = BTreeMap::new();
        for node in self.state.machine.nodes() {
            let id = node.id.number();
            let Some((shape, open, free)) = self.room_of(id, &promised) else {
                continue;
            };
            let useful = kinds.iter().any(|kind| {
                let suits = shape.fits.get(*kind).copied().unwrap_or(false);
                let asks = self
                    .derived
                    .kinds
                    .get(*kind)
                    .map(|kind| kind.asks.as_slice())
                    .unwrap_or_default();
                suits && free.iter().zip(asks).all(|(free, asks)| asks <= free)
            });
            if !open || (!useful && !self.derived.complex) {
                let (used, count) = left_out.entry(Name::clone(&shape.pool)).or_default();
                used.add(&shape.node.capacity);
                *count += 1;
                continue;
            }
            // DaemonSets are counted again by whoever reads the snapshot.
            let with_daemons: Vec<i64> = free
                .iter()
                .zip(shape.total.iter().zip(&shape.room))
                .map(|(free, (total, room))| free + (total - room))
                .collect();
            let (mut model, claim) = self.model_node(id, shape);
            model.allocatable = self.derived.quantities(&with_daemons);
            snapshot.nodes.push(model);
            snapshot.node_claims.push(claim);
        }
        for pool in &mut snapshot.node_pools {
            if let Some((used, count)) = left_out.get(&pool.name) {
                let mut used = used.clone();
                used.set("nodes", Quantity::from_units(*count));
                pool.limits.subtract(&used);
            }
        }
        for id in waiting {
            snapshot.pods.extend(self.model_pod(*id));
        }
        if self.derived.complex {
            // Rules between pods look at pods that run; what these use is in the nodes' room already.
            let bound = self
                .state
                .pods
                .iter()
                .filter(|(_, pod)| pod.stage != Stage::Ending && pod.node.is_some());
            for (id, _) in bound {
                let pod = self.model_pod(*id).map(|mut pod| {
                    let spec = Arc::make_mut(&mut pod.spec);
                    spec.containers.clear();
                    spec.init_containers.clear();
                    spec.overhead = ResourceList::new();
                    spec.pod_requests = ResourceList::new();
                    spec.pod_limits = ResourceList::new();
                    pod
                });
                snapshot.pods.extend(pod);
            }
            for node in &mut snapshot.nodes {
                let there = number_in(&node.name).and_then(|id| self.state.nodes.get(&id));
                let on_it = i64::try_from(there.map_or(0, |there| there.pods.len())).unwrap_or(0);
                let pods = node.allocatable.amount(PODS);
                node.allocatable.set(
                    PODS,
                    Quantity::from_nanos(pods.as_nanos() + Quantity::from_units(on_it).as_nanos()),
                );
            }
        }
        self.pod_groups(&mut snapshot, waiting);
        snapshot
    }

    fn pod_groups(&self, snapshot: &mut Snapshot, waiting: &[PodId]) {
        let mut jobs: Vec<u64> = waiting
            .iter()
            .filter_map(|id| self.state.pods.get(id)?.job)
            .collect();
        jobs.sort_unstable();
        jobs.dedup();
        for id in jobs {
            let Some(job) = self.state.jobs.get(&id) else {
                continue;
            };
            let Some(stream) = self
                .state
                .setup
                .simulation
                .jobs
                .get(job.stream)
                .filter(|stream| stream.gang)
            else {
                continue;
            };
            let waiting = job.members.iter().filter(|pod| {
                let pod = self.state.pods.get(pod);
                pod.is_some_and(|pod| pod.stage == Stage::Pending && pod.cover == Cover::None)
            });
            snapshot.pod_groups.push(PodGroup {
                namespace: Name::clone(&stream.namespace),
                name: Name::from(self.job_name(id)),
                min_member: u32::try_from(waiting.count()).unwrap_or(u32::MAX),
            });
        }
    }

    /// What pods have been promised on each node by an earlier plan.
    fn promised(&self) -> BTreeMap<NodeId, Vec<PodId>> {
        let mut promised: BTreeMap<NodeId, Vec<PodId>> = BTreeMap::new();
        for id in self.state.kinds.iter().flat_map(|kind| &kind.pending) {
            if let Some(Cover::Nominated(node, _)) = self.state.pods.get(id).map(|pod| pod.cover) {
                promised.entry(node).or_default().push(*id);
            }
        }
        promised
    }

    /// A node of the machine: its shape, whether pods may be planned on it, and what is left of its room.
    fn room_of(
        &self,
        id: NodeId,
        promised: &BTreeMap<NodeId, Vec<PodId>>,
    ) -> Option<(&Shape, bool, Vec<i64>)> {
        let (machine, derived) = (&self.state.machine, &self.derived);
        let node = machine.node(crate::provisioning::ids::NodeId(id))?;
        let there = self.state.nodes.get(&id);
        let shape = match there {
            Some(there) => derived.shapes.get(there.shape)?,
            None => derived.shapes.get(self.shape_of(id)?)?,
        };
        let open = !node.is_leaving()
            && there.is_none_or(|there| !there.draining && !there.tainted && there.healthy);
        let mut free = match there {
            Some(there) => there.free.clone(),
            None => shape.room.clone(),
        };
        let mut take = |pod: PodId| {
            let asks = self
                .state
                .pods
                .get(&pod)
                .and_then(|pod| derived.kinds.get(pod.kind))
                .map(|kind| &kind.asks);
            for (free, asks) in free.iter_mut().zip(asks.into_iter().flatten()) {
                *free -= asks;
            }
        };
        if there.is_none_or(|there| !there.ready) {
            for key in &node.pods {
                if let Some(pod) = Self::pod_of_key(key)
                    && self
                        .state
                        .pods
                        .get(&pod)
                        .is_some_and(|pod| matches!(pod.cover, Cover::Ordered(_)))
                {
                    take(pod);
                }
            }
        }
        promised
            .get(&id)
            .into_iter()
            .flatten()
            .for_each(|pod| take(*pod));
        Some((shape, open, free))
    }

    /// The shape of a machine's node.
    pub(super) fn shape_of(&self, id: NodeId) -> Option<usize> {
        let machine = &self.state.machine;
        let node = machine.node(crate::provisioning::ids::NodeId(id))?;
        let offering = machine.offering(node)?;
        let pool = machine.node_pool(node)?;
        self.derived.shape(
            pool,
            &offering.instance_type,
            &offering.zone,
            offering.capacity_type,
            &offering.instance_group,
        )
    }

    /// A Node with its NodeClaim, called `node-<number>`, without its particulars.
    pub(super) fn model_node(&self, id: NodeId, shape: &Shape) -> (ModelNode, NodeClaim) {
        let name = shown_as(id);
        let mut node = shape.node.clone();
        node.labels.set(label::HOSTNAME, Name::clone(&name));
        node.provider_id = Some(Name::from(format!("sim:///{id}")));
        node.name = Name::clone(&name);
        let claim = NodeClaim {
            name: Name::from(format!("claim-{id}")),
            node_class: Name::clone(&shape.node_class),
            labels: node.labels.clone(),
            node_name: Some(name),
            provider_id: node.provider_id.clone(),
            capacity: node.capacity.clone(),
            allocatable: node.allocatable.clone(),
            taints: node.taints.clone(),
            conditions: node.conditions.clone(),
            ..NodeClaim::default()
        };
        (node, claim)
    }

    /// A pod as others see it.
    pub(super) fn model_pod(&self, id: PodId) -> Option<ModelPod> {
        let pod = self.state.pods.get(&id)?;
        let kind = self.derived.kinds.get(pod.kind)?;
        let ready = pod.stage == Stage::Ready;
        Some(ModelPod {
            namespace: Name::clone(&kind.namespace),
            name: Name::from(format!("{}-{id}", kind.name)),
            uid: Name::from(id.to_string()),
            created: Some(pod.created),
            deleted: (pod.stage == Stage::Ending).then_some(pod.since),
            node_name: pod.node.map(shown_as),
            phase: if pod.node.is_some() {
                PodPhase::Running
            } else {
                PodPhase::Pending
            },
            labels: self.labels_of(pod.job, kind),
            annotations: Arc::default(),
            owners: Arc::clone(&kind.owners),
            spec: Arc::clone(&kind.spec),
            detail: ready.then(|| {
                Box::new(PodStatusDetail {
                    ready: true,
                    ready_since: Some(pod.since),
                    ..PodStatusDetail::default()
                })
            }),
        })
    }

    fn labels_of(&self, job: Option<u64>, kind: &Kind) -> Arc<Labels> {
        let gang = job.and_then(|id| {
            let job = self.state.jobs.get(&id)?;
            let stream = self.state.setup.simulation.jobs.get(job.stream)?;
            stream.gang.then(|| self.job_name(id))
        });
        match gang {
            Some(name) => {
                let mut labels = (*kind.labels).clone();
                labels.set(POD_GROUP, name);
                Arc::new(labels)
            }
            None => Arc::clone(&kind.labels),
        }
    }

    /// Binds pods with rules between them: the solver places them on the nodes that are ready.
    pub(super) fn bind_by_solver(&mut self, kind: usize) {
        let pending: Vec<PodId> = self
            .state
            .kinds
            .get(kind)
            .map(|m| m.pending.iter().copied().collect())
            .unwrap_or_default();
        let mut snapshot = self.part_of_cluster(&Involved {
            with_pods: self.state.nodes.keys().copied().collect(),
            all: true,
            ..Involved::default()
        });
        snapshot.node_pools.clear();
        snapshot.nodes.retain(|node| {
            let id = number_in(&node.name);
            id.and_then(|id| self.state.nodes.get(&id))
                .is_some_and(super::state::Node::is_open)
        });
        for id in pending {
            snapshot.pods.extend(self.model_pod(id));
        }
        let capacity = Capacity::new(&snapshot);
        let (compiled, outcome) = solved(Compiled::new(&snapshot, &capacity));
        let plan = compiled.plan(&outcome);
        for place in &plan.existing_nodes {
            let Some(node) = number_in(&place.node) else {
                continue;
            };
            for pod in place.pods.iter().filter_map(|key| Self::pod_of_key(key)) {
                self.bind_pod(pod, node);
            }
        }
    }
}

/// What a snapshot calls a node.
pub(super) fn shown_as(id: NodeId) -> Name {
    Name::from(format!("node-{id}"))
}

/// The number at the end of a name.
pub(super) fn number_in(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// How many GPUs a list of resources names.
pub(super) fn gpus_of(list: &ResourceList) -> f64 {
    GPUS.iter().map(|name| list.amount(name).as_f64()).sum()
}
