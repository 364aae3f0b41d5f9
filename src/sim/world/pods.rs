//! Pods: created for replicas and jobs, bound, started, deleted; and the load on services.

use super::World;
use super::conserve::Fact;
use super::queue::Queue;
use super::state::{Cover, Due, NodeId, Pod, PodId, ServiceState, Stage};
use super::trace::Stream;
use crate::base::rng::Rng;
use crate::model::resources::Name;
use crate::model::simulation::{LoadSource, Service};
use crate::provisioning::Input;

impl World {
    pub(super) fn begin_services(&mut self) {
        let simulation = self.state.setup.simulation.clone();
        let rng = Rng::new(self.state.setup.seed).split(3);
        let slo = super::trace::real(simulation.slo.as_millis()) / 1000.0;
        for (at, service) in simulation.services.iter().enumerate() {
            let workloads = &self.state.setup.snapshot.workloads;
            let workload = workloads.iter().find(|w| {
                w.kind == service.kind && w.namespace == service.namespace && w.name == service.name
            });
            let desired = workload.map_or(0, |workload| workload.replicas);
            let ready = self.state.kinds.get(at).map_or(0, |kind| kind.ready);
            let queue = service.replica.map(|model| {
                let mut queue = Queue::new(model, service.queue_limit, slo, self.state.now);
                queue.set_ready(ready, self.state.now, &mut self.state.record.delays);
                queue
            });
            self.state.services.push(ServiceState {
                desired,
                queue,
                stream: Stream::new(rng.split(at as u64)),
                sampled: 0,
            });
            if service.load.is_some() {
                self.at(self.state.now.plus(simulation.tick), Due::Load(at));
            }
            self.fill(at);
        }
    }

    pub(super) fn service(&self, service: usize) -> Option<&Service> {
        self.state.setup.simulation.services.get(service)
    }

    /// What came for a service in the tick that ends now.
    pub(super) fn load(&mut self, at: usize) {
        let now = self.state.now;
        let setup = &self.state.setup;
        let (tick, start) = (setup.simulation.tick, setup.start);
        let from = crate::base::time::Timestamp::from_millis(now.as_millis() - tick.as_millis());
        let Some(load) = setup
            .simulation
            .services
            .get(at)
            .and_then(|service| service.load.as_ref())
        else {
            return;
        };
        let trace = match &load.source {
            LoadSource::Trace(name) => setup.traces.get(name).map(AsRef::as_ref),
            LoadSource::Generate(_) | LoadSource::Points(_) => None,
        };
        let Some(service) = self.state.services.get_mut(at) else {
            return;
        };
        let since = |time: crate::base::time::Timestamp| time.since(start).as_millis();
        let arrivals = service
            .stream
            .arrivals(load, trace, since(from), since(now));
        let Some(queue) = &mut service.queue else {
            return;
        };
        queue.arrive(arrivals, from, now, &mut self.state.record.delays);
        self.say(|| Fact::Arrived {
            service: at,
            count: arrivals.count,
        });
        self.tell_queue(at);
        self.at(now.plus(tick), Due::Load(at));
    }

    /// Tells what has become of a service's requests so far.
    pub(super) fn tell_queue(&mut self, at: usize) {
        let Some(queue) = self
            .state
            .services
            .get(at)
            .and_then(|service| service.queue.as_ref())
        else {
            return;
        };
        let fact = Fact::Queue {
            service: at,
            served: queue.served,
            dropped: queue.dropped,
            waiting: queue.waiting(),
        };
        self.say(|| fact);
    }

    /// Makes or deletes pods until a service has as many as it should.
    pub(super) fn fill(&mut self, service: usize) {
        let Some(state) = self.state.services.get(service) else {
            return;
        };
        let desired = state.desired as usize;
        let live = self
            .state
            .kinds
            .get(service)
            .map_or(0, |kind| kind.live.len());
        for _ in live..desired {
            self.create_pod(service, None);
        }
        for _ in desired..live {
            let Some(pod) = self.victim(service) else {
                break;
            };
            self.state.record.finished += 1;
            self.delete_pod(pod, false);
        }
    }

    /// The replica that goes first: without a node, then not ready, then the newest, as a ReplicaSet ranks them.
    fn victim(&self, kind: usize) -> Option<PodId> {
        let members = self.state.kinds.get(kind)?;
        if let Some(pod) = members.pending.last() {
            return Some(*pod);
        }
        let starting = || {
            let mut newest = members.live.iter().rev();
            newest.find(|id| {
                self.state
                    .pods
                    .get(id)
                    .is_some_and(|pod| pod.stage == Stage::Starting)
            })
        };
        let unready = (members.ready as usize) < members.live.len();
        let starting = if unready { starting() } else { None };
        starting.or_else(|| members.live.last()).copied()
    }

    pub(super) fn create_pod(&mut self, kind: usize, job: Option<u64>) -> PodId {
        let now = self.state.now;
        let id = self.state.next_pod;
        self.state.next_pod += 1;
        self.state.pods.insert(
            id,
            Pod {
                kind,
                job,
                created: now,
                stage: Stage::Pending,
                node: None,
                cover: Cover::None,
                since: now,
            },
        );
        if let Some(members) = self.state.kinds.get_mut(kind) {
            members.live.insert(id);
            members.pending.insert(id);
            members.dirty = true;
        }
        self.state.record.created += 1;
        self.state.fresh = true;
        self.say(|| Fact::PodCreated { pod: id, kind });
        id
    }

    /// The name of a pod: `namespace/kind-number`.
    pub(super) fn pod_key(&self, id: PodId) -> Name {
        let kind = self
            .state
            .pods
            .get(&id)
            .and_then(|pod| self.derived.kinds.get(pod.kind));
        match kind {
            Some(kind) => Name::from(format!("{}/{}-{id}", kind.namespace, kind.name)),
            None => Name::from(format!("gone/{id}")),
        }
    }

    /// The number in a pod's name.
    pub(super) fn pod_of_key(key: &str) -> Option<PodId> {
        super::plan::number_in(key)
    }

    /// Binds a waiting pod to a node that has room for it.
    pub(super) fn bind_pod(&mut self, id: PodId, node_id: NodeId) {
        let now = self.state.now;
        let Some(pod) = self.state.pods.get_mut(&id) else {
            return;
        };
        let Some(node) = self.state.nodes.get_mut(&node_id) else {
            return;
        };
        let (at, kind_id) = (pod.kind, pod.kind);
        pod.stage = Stage::Starting;
        pod.node = Some(node_id);
        pod.cover = Cover::None;
        pod.since = now;
        let waited = super::trace::real(now.since(pod.created).as_millis()) / 1000.0;
        self.state.record.pending.add(waited, 1);
        node.pods.insert(id);
        node.last_pod_event = now;
        let has_image = !node.images.insert(kind_id);
        if let Some(members) = self.state.kinds.get_mut(at) {
            members.pending.remove(&id);
        }
        self.occupy(node_id, at, 1);
        let simulation = &self.state.setup.simulation;
        let services = simulation.services.len();
        let (pull, startup) = match simulation.services.get(at) {
            Some(service) => (service.image_pull, service.startup),
            None => simulation
                .jobs
                .get(at - services)
                .map_or_else(Default::default, |stream| {
                    (stream.image_pull, stream.startup)
                }),
        };
        let ready = if has_image { now } else { now.plus(pull) };
        self.at(ready.plus(startup), Due::Ready(id));
        self.shown.forget(node_id);
        self.say(|| Fact::PodBound {
            pod: id,
            node: node_id,
        });
    }

    /// Takes a pod's room on a node, or with `times` -1 gives it back.
    pub(super) fn occupy(&mut self, node_id: NodeId, kind: usize, times: i64) {
        let (Some(node), Some(kind)) = (
            self.state.nodes.get_mut(&node_id),
            self.derived.kinds.get(kind),
        ) else {
            return;
        };
        let Some(shape) = self.derived.shapes.get(node.shape) else {
            return;
        };
        let gpu_dims = &self.derived.gpu_dims;
        let free_gpus =
            |free: &[i64]| -> i64 { gpu_dims.iter().filter_map(|at| free.get(*at)).sum() };
        let stranded = |free: i64| if free < shape.gpus { free } else { 0 };
        let before = free_gpus(&node.free);
        for (free, asks) in node.free.iter_mut().zip(&kind.asks) {
            *free -= asks * times;
        }
        let after = free_gpus(&node.free);
        let levels = &mut self.state.record.levels;
        levels.gpus_used += kind.gpus * times;
        levels.cpu_used += kind.asks.first().copied().unwrap_or(0) * times;
        if node.ready {
            levels.gpus_free += after - before;
            levels.gpus_stranded += stranded(after) - stranded(before);
        }
    }

    /// Adds a node's free GPUs to the levels when it becomes ready, and takes them out with `times` -1.
    pub(super) fn count_free(&mut self, node_id: NodeId, times: i64) {
        let Some(node) = self.state.nodes.get(&node_id) else {
            return;
        };
        let gpus = self
            .derived
            .shapes
            .get(node.shape)
            .map_or(0, |shape| shape.gpus);
        let dims = self.derived.gpu_dims.iter();
        let free: i64 = dims.filter_map(|at| node.free.get(*at)).sum();
        let levels = &mut self.state.record.levels;
        levels.gpus_free += free * times;
        levels.gpus_stranded += if free < gpus { free * times } else { 0 };
    }

    pub(super) fn pod_ready(&mut self, id: PodId) {
        let now = self.state.now;
        let Some(pod) = self
            .state
            .pods
            .get_mut(&id)
            .filter(|pod| pod.stage == Stage::Starting)
        else {
            return;
        };
        pod.stage = Stage::Ready;
        pod.since = now;
        let (kind, job, node) = (pod.kind, pod.job, pod.node);
        self.say(|| Fact::PodReady { pod: id });
        if let Some(node) = node {
            self.shown.forget(node);
        }
        self.change_ready(kind, 1);
        if let Some(job) = job {
            self.job_progresses(job);
        }
    }

    fn change_ready(&mut self, kind: usize, by: i32) {
        let Some(members) = self.state.kinds.get_mut(kind) else {
            return;
        };
        members.ready = members.ready.saturating_add_signed(by);
        let (ready, now) = (members.ready, self.state.now);
        if let Some(queue) = self
            .state
            .services
            .get_mut(kind)
            .and_then(|service| service.queue.as_mut())
        {
            queue.set_ready(ready, now, &mut self.state.record.delays);
            self.tell_queue(kind);
        }
    }

    /// Deletes a pod: at once if it has no node or its node is `lost`, else it takes its time to end.
    pub(super) fn delete_pod(&mut self, id: PodId, lost: bool) {
        let now = self.state.now;
        let Some(pod) = self.state.pods.get_mut(&id) else {
            return;
        };
        let (kind, stage, node) = (pod.kind, pod.stage, pod.node);
        let ordered = matches!(pod.cover, Cover::Ordered(_));
        if stage == Stage::Ending {
            if lost {
                self.pod_ended(id);
            }
            return;
        }
        pod.stage = Stage::Ending;
        pod.since = now;
        self.say(|| Fact::PodDeleted { pod: id });
        if let Some(node) = node {
            self.shown.forget(node);
        }
        if let Some(members) = self.state.kinds.get_mut(kind) {
            members.live.remove(&id);
            members.pending.remove(&id);
        }
        if stage == Stage::Ready {
            self.change_ready(kind, -1);
        }
        if ordered {
            self.withdraw(id);
        }
        if node.is_none() || lost {
            self.pod_ended(id);
        } else {
            let shutdown = self
                .service(kind)
                .map_or_else(Default::default, |service| service.shutdown);
            self.at(now.plus(shutdown), Due::Ended(id));
        }
    }

    /// An order that has no node yet is given up for a pod. A node that is on its way comes, and whoever fits it has it: the
    /// machine would take it away again although others run on it by then.
    pub(super) fn withdraw(&mut self, id: PodId) {
        let key = self.pod_key(id);
        if !self
            .state
            .machine
            .nodes()
            .any(|node| node.pods.contains(&key))
        {
            self.give(Input::Withdraw(vec![key]));
        }
    }

    pub(super) fn pod_ended(&mut self, id: PodId) {
        let Some(pod) = self
            .state
            .pods
            .get(&id)
            .filter(|pod| pod.stage == Stage::Ending)
        else {
            return;
        };
        let (kind, node) = (pod.kind, pod.node);
        if let Some(node_id) = node {
            self.occupy(node_id, kind, -1);
            if let Some(node) = self.state.nodes.get_mut(&node_id) {
                node.pods.remove(&id);
                node.last_pod_event = self.state.now;
            }
            self.shown.forget(node_id);
            self.freed(node_id);
        }
        self.state.pods.remove(&id);
        self.say(|| Fact::PodGone { pod: id });
        if let Some(node) = node {
            self.drained_if_empty(node);
        }
    }

    /// A node may take pods that it could not: waiting pods have a chance there.
    pub(super) fn freed(&mut self, node: NodeId) {
        self.state.changed = true;
        self.freed.insert(node);
    }

    /// A pod loses its place; whoever owns it makes another one.
    pub(super) fn evict(&mut self, id: PodId, lost: bool, why: &str) {
        let Some(pod) = self
            .state
            .pods
            .get(&id)
            .filter(|pod| pod.stage != Stage::Ending || lost)
        else {
            return;
        };
        let (kind, job, ending) = (pod.kind, pod.job, pod.stage == Stage::Ending);
        let key = self.pod_key(id);
        self.delete_pod(id, lost);
        if ending {
            return;
        }
        self.state.record.evictions += 1;
        self.state
            .record
            .event(self.state.now, "Evicted", format!("Pod {key}"), why);
        match job {
            Some(job) => self.job_interrupted(job, id),
            None if self.state.services.len() > kind => self.fill(kind),
            None => self.come_back(kind),
        }
    }
}
