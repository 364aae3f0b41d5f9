//! The provisioning machine and the fake HyperPod: messages between them, and what they mean for nodes and pods.

use super::World;
use super::conserve::Fact;
use super::state::{Billed, Cover, Node, NodeId, PodId, Stage};
use super::trace::real;
use crate::base::time::Span;
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;
use crate::provisioning::api::Outcome;
use crate::provisioning::events::{ClusterEvent, EventKind};
use crate::provisioning::input::{Health, KubeChange, KubeEvent, Listing};
use crate::provisioning::output::Replan;
use crate::provisioning::{Input, Output};
use crate::sim::hyperpod::Signal;

impl World {
    /// Describes the cluster and lists its nodes.
    pub(super) fn look(&mut self) {
        let record = self.state.fake.describe();
        self.give(Input::Cluster(Box::new(record)));
        let records = self.state.fake.list();
        self.give(Input::Listing(Listing::new(self.state.now, records, true)));
    }

    pub(super) fn tick_machine(&mut self) {
        self.give(Input::Tick);
    }

    /// Tells the machine something and carries out what it asks for.
    pub(super) fn give(&mut self, input: Input) {
        self.give_one(input);
        // Pods that came back and are no more.
        while !self.state.unwanted.is_empty() {
            let pods = std::mem::take(&mut self.state.unwanted);
            self.give_one(Input::Withdraw(pods));
        }
    }

    fn give_one(&mut self, input: Input) {
        let now = self.state.now;
        self.state.machine.handle(input, now);
        loop {
            match self.state.machine.poll() {
                Output::Wake { at, .. } => {
                    self.state.machine_wake = Some(at);
                    return;
                }
                Output::Idle => {
                    self.state.machine_wake = None;
                    return;
                }
                Output::Add {
                    call,
                    request,
                    launches,
                } => {
                    for launch in &launches {
                        self.asked_for(launch.node.number());
                    }
                    let answer = self.state.fake.add(&request);
                    let outcome = answer.map_or_else(Outcome::Failed, Outcome::Added);
                    self.state.machine.handle(Input::Answer(call, outcome), now);
                }
                Output::Delete { call, request } => {
                    let answer = self.state.fake.delete(&request);
                    let outcome = answer.map_or_else(Outcome::Failed, Outcome::Deleted);
                    self.state.machine.handle(Input::Answer(call, outcome), now);
                }
                Output::Register { instance_id, .. } => self.state.fake.register(&instance_id),
                Output::Drain {
                    node,
                    instance_id,
                    why,
                    ..
                } => self.drain(node.number(), &instance_id, &why),
                Output::Replan(replan) => self.replan(&replan),
                Output::Notice(notice) => {
                    self.state
                        .record
                        .event(now, &notice.reason, &notice.subject, &notice.message);
                }
                Output::Status(_) | Output::Release { .. } => {}
            }
        }
    }

    /// A node has been asked for: its pods have it coming.
    fn asked_for(&mut self, id: NodeId) {
        let now = self.state.now;
        self.state.asked.insert(id, now);
        let node = self
            .state
            .machine
            .node(crate::provisioning::ids::NodeId(id));
        let pods: Vec<PodId> = node
            .iter()
            .flat_map(|node| &node.pods)
            .filter_map(|key| Self::pod_of_key(key))
            .collect();
        for pod in pods {
            if let Some(pod) = self
                .state
                .pods
                .get_mut(&pod)
                .filter(|pod| pod.node.is_none())
            {
                pod.cover = Cover::Ordered(now);
            }
        }
    }

    /// Pods come back: they have nothing coming any more.
    fn replan(&mut self, replan: &Replan) {
        for key in &replan.pods {
            let Some(id) = Self::pod_of_key(key) else {
                continue;
            };
            let waits = self
                .state
                .pods
                .get(&id)
                .is_some_and(|pod| pod.stage == Stage::Pending);
            if !waits {
                self.state.unwanted.push(Name::clone(key));
            } else if matches!(
                self.state.pods.get(&id).map(|pod| pod.cover),
                Some(Cover::Ordered(_))
            ) {
                self.uncover(id);
            }
        }
        if let Some((offering, why)) = replan.without.first() {
            let message = format!(
                "{} pods go back to the planner: {} in {} cannot be had ({why:?})",
                replan.pods.len(),
                offering.instance_type,
                offering.zone
            );
            let object = format!("instance group {}", offering.instance_group);
            self.state
                .record
                .event(self.state.now, "Replanned", object, message);
        }
        self.launch_failed(&replan.pods);
    }

    /// Takes in what the fake lets be known.
    pub(super) fn hear(&mut self) {
        while let Some(signal) = self.state.fake.signal() {
            match signal {
                Signal::Event(event) => {
                    self.cluster_event(&event);
                    self.give(Input::Event(event));
                }
                Signal::Kube(event) => {
                    // A node is known to the machine first, and leaves it last.
                    let (instance, change) = (Name::clone(&event.instance_id), event.change);
                    if change == KubeChange::Gone {
                        self.kube(&instance, change);
                    }
                    self.give(Input::Kube(KubeEvent::new(Name::clone(&instance), change)));
                    if change != KubeChange::Gone {
                        self.kube(&instance, change);
                    }
                }
            }
        }
    }

    fn cluster_event(&mut self, event: &ClusterEvent) {
        let now = self.state.now;
        let Some(logical) = &event.node_logical_id else {
            return;
        };
        let record = &mut self.state.record;
        match event.kind() {
            EventKind::LifecycleStarted => self.bill(logical),
            EventKind::Terminating => self.end_bill(logical),
            EventKind::InsufficientCapacity | EventKind::LifecycleFailed => {
                record.launches_failed += 1;
                let why = event.failure_message.as_deref().unwrap_or("");
                record.event(now, "LaunchFailed", format!("node {logical}"), why);
            }
            EventKind::InstanceFailed => {
                let why = event.failure_message.as_deref().unwrap_or("");
                record.event(now, "InstanceFailed", format!("node {logical}"), why);
            }
            EventKind::LifecycleSucceeded
            | EventKind::Group
            | EventKind::Cluster
            | EventKind::Unknown => {}
        }
    }

    fn bill(&mut self, logical: &Name) {
        let now = self.state.now;
        let id = self
            .state
            .machine
            .by_logical_id(logical)
            .map(|node| node.id.number());
        let Some(at) = id.and_then(|id| self.shape_of(id)) else {
            return;
        };
        let Some(shape) = self.derived.shapes.get(at) else {
            return;
        };
        let levels = &mut self.state.record.levels;
        levels.nodes += 1;
        levels.gpus += shape.gpus;
        levels.cpu += shape.cpu;
        self.state.record.launched += 1;
        let (price, group) = (shape.price, Name::clone(&shape.group));
        self.state.billed.insert(
            Name::clone(logical),
            Billed {
                shape: at,
                since: now,
            },
        );
        self.say(|| Fact::BillStarts {
            logical: Name::clone(logical),
            group,
            price,
        });
    }

    fn end_bill(&mut self, logical: &Name) {
        let Some(billed) = self.state.billed.remove(logical) else {
            return;
        };
        if let Some(shape) = self.derived.shapes.get(billed.shape) {
            let levels = &mut self.state.record.levels;
            levels.nodes -= 1;
            levels.gpus -= shape.gpus;
            levels.cpu -= shape.cpu;
        }
        self.state.record.removed += 1;
        self.say(|| Fact::BillEnds {
            logical: Name::clone(logical),
        });
    }

    fn kube(&mut self, instance: &Name, change: KubeChange) {
        let now = self.state.now;
        if change == KubeChange::Joined {
            self.joined(instance);
            return;
        }
        let Some(id) = self.state.by_instance.get(instance).copied() else {
            return;
        };
        match change {
            KubeChange::Initialized => self.node_ready(id),
            KubeChange::Gone => self.node_gone(id),
            KubeChange::Health(health) => {
                if let Some(node) = self.state.nodes.get_mut(&id) {
                    node.healthy = health == Health::Schedulable;
                    self.state.record.event(
                        now,
                        "Health",
                        format!("Node {}", node.name),
                        format!("{health:?}"),
                    );
                }
                self.shown.forget(id);
                self.freed(id);
            }
            KubeChange::Interrupted => {
                self.state.record.reclaims += 1;
                let name = self
                    .state
                    .nodes
                    .get(&id)
                    .map(|node| Name::clone(&node.name))
                    .unwrap_or_default();
                self.state.record.event(
                    now,
                    "Interrupted",
                    format!("Node {name}"),
                    "the spot instance goes in two minutes",
                );
            }
            KubeChange::Joined
            | KubeChange::Registered
            | KubeChange::Ready(_)
            | KubeChange::Drained => {}
        }
    }

    fn joined(&mut self, instance: &Name) {
        let now = self.state.now;
        let Some(node) = self.state.machine.by_instance_id(instance) else {
            return;
        };
        let id = node.id.number();
        let logical = node.logical_id.clone().unwrap_or_default();
        let Some(at) = self.shape_of(id) else { return };
        let Some(shape) = self.derived.shapes.get(at) else {
            return;
        };
        let name = Name::from(format!("hyperpod-{instance}"));
        self.state.by_instance.insert(Name::clone(instance), id);
        self.state.nodes.insert(
            id,
            Node {
                name,
                instance: Name::clone(instance),
                logical,
                shape: at,
                free: shape.room.clone(),
                pods: std::collections::BTreeSet::new(),
                ready: false,
                healthy: true,
                draining: false,
                tainted: false,
                created: now,
                initialized: now,
                last_pod_event: now,
                images: std::collections::BTreeSet::new(),
            },
        );
        let room = shape.room.clone();
        self.shown.forget(id);
        self.say(|| Fact::NodeJoined { node: id, room });
    }

    fn node_ready(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id).filter(|node| !node.ready) else {
            return;
        };
        node.ready = true;
        node.initialized = now;
        node.last_pod_event = now;
        let name = Name::clone(&node.name);
        let shape = node.shape;
        self.say(|| Fact::NodeReady { node: id });
        self.count_free(id, 1);
        let mut message = String::new();
        if let Some(shape) = self.derived.shapes.get(shape) {
            message = format!(
                "{} in {} of {}",
                shape.instance_type, shape.zone, shape.group
            );
        }
        if let Some(asked) = self.state.asked.remove(&id) {
            let took = now.since(asked);
            self.state
                .record
                .capacity
                .add(real(took.as_millis()) / 1000.0, 1);
            message = format!("{message}, {took} after it was asked for");
        }
        self.state
            .record
            .event(now, "NodeReady", format!("Node {name}"), message);
        self.shown.forget(id);
        self.freed(id);
        self.bind();
        // What it was bought for and does not run on it is planned anew.
        let node = self
            .state
            .machine
            .node(crate::provisioning::ids::NodeId(id));
        let pods: Vec<PodId> = node
            .iter()
            .flat_map(|node| &node.pods)
            .filter_map(|key| Self::pod_of_key(key))
            .collect();
        for pod in pods {
            self.uncover(pod);
        }
        let promised = |cover: Cover| matches!(cover, Cover::Nominated(node, _) if node == id);
        self.uncover_where(promised);
    }

    fn uncover_where(&mut self, holds: impl Fn(Cover) -> bool) {
        let pending = self.state.kinds.iter().flat_map(|kind| &kind.pending);
        let pods: Vec<PodId> = pending
            .copied()
            .filter(|id| self.state.pods.get(id).is_some_and(|pod| holds(pod.cover)))
            .collect();
        for pod in pods {
            self.uncover(pod);
        }
    }

    /// A Node is gone with everything on it.
    fn node_gone(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let (name, instance, ready) = (
            Name::clone(&node.name),
            Name::clone(&node.instance),
            node.ready,
        );
        let pods: Vec<PodId> = node.pods.iter().copied().collect();
        if ready {
            self.count_free(id, -1);
        }
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.ready = false;
        }
        self.say(|| Fact::NodeNotReady { node: id });
        for pod in pods {
            self.evict(pod, true, "its node is gone");
        }
        self.state.nodes.remove(&id);
        self.shown.forget(id);
        self.state.by_instance.remove(&instance);
        self.say(|| Fact::NodeGone { node: id });
        self.uncover_where(|cover| matches!(cover, Cover::Nominated(node, _) if node == id));
        self.state.changed = true;
        self.state.record.event(
            now,
            "NodeRemoved",
            format!("Node {name}"),
            "its instance has ended",
        );
    }

    /// The machine wants the pods off a node.
    fn drain(&mut self, id: NodeId, instance: &Name, why: &str) {
        let now = self.state.now;
        self.state.asked.remove(&id);
        let Some(node) = self
            .state
            .nodes
            .get_mut(&id)
            .filter(|node| node.instance == *instance)
        else {
            self.state.fake.drain(instance, Span::from_secs(1));
            return;
        };
        let first = !std::mem::replace(&mut node.draining, true);
        self.shown.forget(id);
        let name = Name::clone(&node.name);
        let pods: Vec<PodId> = node.pods.iter().copied().collect();
        if first {
            self.state
                .record
                .event(now, "Draining", format!("Node {name}"), why);
        }
        for pod in pods {
            self.evict(pod, false, why);
        }
        self.uncover_where(|cover| matches!(cover, Cover::Nominated(node, _) if node == id));
        self.drained_if_empty(id);
    }

    /// Says that a draining node is drained once nothing is left on it.
    pub(super) fn drained_if_empty(&mut self, id: NodeId) {
        if let Some(node) = self
            .state
            .nodes
            .get(&id)
            .filter(|node| node.draining && node.pods.is_empty())
        {
            let instance = Name::clone(&node.instance);
            self.state.fake.drain(&instance, Span::from_secs(1));
        }
    }

    /// Many spot instances are taken back.
    pub(super) fn storm(&mut self, at: usize) {
        let Some(storm) = self.state.setup.simulation.spot_storms.get(at).copied() else {
            return;
        };
        let spot = |node: &&Node| {
            let shape = self.derived.shapes.get(node.shape);
            shape.is_some_and(|shape| shape.capacity_type == CapacityType::Spot)
        };
        let nodes: Vec<Name> = self
            .state
            .nodes
            .values()
            .filter(spot)
            .map(|node| Name::clone(&node.logical))
            .collect();
        let mut count = 0;
        for logical in nodes {
            if self.state.storm_rng.below(1000) < u64::from(storm.per_thousand)
                && self.state.fake.interrupt(&logical)
            {
                count += 1;
            }
        }
        let message = format!("{count} instances get their notice");
        self.state
            .record
            .event(self.state.now, "SpotStorm", "spot capacity", message);
    }
}
