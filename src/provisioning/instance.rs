//! The instance behind a node and its Node in Kubernetes: binding, replacement, health, interruption.

use super::ids::NodeId;
use super::input::{Health, KubeChange, KubeEvent};
use super::machine::Machine;
use super::node::{Deletion, Phase};
use super::offers::Scope;
use super::output::Output;
use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;

/// How long a spot instance lives after its notice (H-39).
const SPOT_NOTICE: Span = Span::from_secs(120);

impl Machine {
    /// `instance` stands behind the node, as of `at`. Another one than before is a replacement by HyperPod: the node
    /// starts anew under its logical id (H-29).
    pub(super) fn bind(&mut self, id: NodeId, instance: &Name, at: Timestamp) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.bound_at > at {
            return;
        }
        node.instance_at = node.instance_at.max(at);
        if node.instance_id.as_ref() == Some(instance) {
            return;
        }
        node.bound_at = at;
        let offering = node.offering;
        // An instance stands behind one node: the one that was heard of last.
        if let Some(other) = self.index.by_instance.get(instance).copied() {
            self.unbind(other);
        }
        self.unbind(id);
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        node.instance_id = Some(Name::clone(instance));
        if let Some(logical) = node.logical_id.clone() {
            self.state.ledger.only(&logical, Some(instance), now);
        }
        self.index.by_instance.insert(Name::clone(instance), id);
        self.state.offers.succeed(offering, Scope::Market);
        self.advance(id, Phase::Pending);
        if let Some(stranger) = self.state.strangers.remove(instance) {
            for change in stranger.changes {
                self.kube_of(id, change);
            }
        }
    }

    /// No instance stands behind the node now: HyperPod looks for another.
    pub(super) fn unbind(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        let Some(old) = node.instance_id.take() else {
            return;
        };
        self.index.by_instance.remove(&old);
        node.started = now;
        node.grace_until = None;
        let phase = node.phase;
        self.set_health(id, true);
        self.left_kubernetes(id);
        if phase < Phase::Draining {
            self.set_phase(id, Phase::Accepted);
        }
    }

    /// There is no Node any more: nothing is left to drain.
    pub(super) fn left_kubernetes(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        node.joined = false;
        node.drained = false;
        match node.phase {
            Phase::Draining => self.delete_now(id),
            Phase::Joined | Phase::Registered | Phase::Initialized => {
                node.started = self.state.now;
                self.set_phase(id, Phase::Running);
            }
            Phase::Requested
            | Phase::Accepted
            | Phase::Pending
            | Phase::Running
            | Phase::Deleting => {}
        }
    }

    pub(super) fn kube(&mut self, event: &KubeEvent) {
        match self.index.by_instance.get(&event.instance_id).copied() {
            Some(id) => self.kube_of(id, event.change),
            None => self.remember_stranger(event),
        }
    }

    pub(super) fn kube_of(&mut self, id: NodeId, change: KubeChange) {
        match change {
            KubeChange::Joined => self.joined(id),
            KubeChange::Registered => {
                self.joined(id);
                self.advance(id, Phase::Registered);
            }
            KubeChange::Initialized => {
                self.joined(id);
                self.advance(id, Phase::Initialized);
                self.settle_order(id);
            }
            KubeChange::Ready(ready) => self.set_health(id, ready),
            KubeChange::Health(health) => self.set_health(id, health == Health::Schedulable),
            KubeChange::Interrupted => self.interrupted(id),
            KubeChange::Drained => self.drained(id),
            KubeChange::Gone => self.left_kubernetes(id),
        }
    }

    fn joined(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.joined {
            return;
        }
        node.joined = true;
        node.drained = false;
        if !node.is_leaving() {
            self.advance(id, Phase::Joined);
            self.emit_register(id);
        } else if matches!(node.deletion, Deletion::Queued | Deletion::Waiting) {
            // It came after all, and may have pods by now.
            self.drain(id, None);
        }
    }

    pub(super) fn emit_register(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        if let (Some(instance), Some(pool)) = (node.instance_id.clone(), self.pool(node.pool)) {
            let node_pool = Name::clone(&pool.config.name);
            self.emit(Output::Register {
                node: id,
                instance_id: instance,
                node_pool,
            });
        }
    }

    fn set_health(&mut self, id: NodeId, healthy: bool) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.unhealthy_since.is_none() == healthy {
            return;
        }
        node.unhealthy_since = (!healthy).then_some(now);
        node.repair_at = None;
        let pool = node.pool;
        if let Some(pool) = self.pool_mut(pool) {
            pool.unhealthy = if healthy {
                pool.unhealthy.saturating_sub(1)
            } else {
                pool.unhealthy.saturating_add(1)
            };
        }
        self.rearm(id);
    }

    /// H-45: HyperPod has not healed the node in time. Not when too many are ill at once (D-101).
    pub(super) fn repair(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let Some(pool) = self.pool(node.pool) else {
            return;
        };
        if pool.unhealthy > super::guards::tolerated(pool.live) {
            let text = format!(
                "{} of {} nodes of NodePool {} are unhealthy",
                pool.unhealthy, pool.live, pool.config.name
            );
            let again = self.state.now.plus(self.state.config.breaker_pause);
            if let Some(node) = self.state.nodes.get_mut(&id) {
                node.repair_at = Some(again);
            }
            self.rearm(id);
            self.notice(true, "NodeRepairBlocked", "D-101", id.to_string(), text);
        } else {
            self.replan_node(id);
            self.leave(id, "unhealthy for too long (H-45)", None);
        }
    }

    /// H-39: the spot instance goes in two minutes. Its pods need another place, and the logical id goes too, or HyperPod
    /// would buy the same again.
    fn interrupted(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        if node.is_leaving() {
            return;
        }
        let offering = node.offering;
        let order = node.order;
        let spot = self
            .state
            .offers
            .get(offering)
            .is_some_and(|o| o.capacity_type == CapacityType::Spot);
        if spot {
            self.fail_offering(id, Scope::Market);
        }
        self.detach(id);
        match order {
            Some(order) => self.try_next(order),
            None => self.replan_node(id),
        }
        self.leave(id, "spot interruption (H-39)", Some(now.plus(SPOT_NOTICE)));
    }
}
