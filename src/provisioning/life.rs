//! The life of a node: phases, deadlines, failures, the instance behind it.

use std::borrow::Cow;

use super::ids::{NodeId, OrderId};
use super::input::{Health, KubeChange, KubeEvent};
use super::ledger::Purpose;
use super::machine::{Machine, Timer};
use super::node::{Deletion, Node, Phase};
use super::offers::Scope;
use super::output::{Output, Replan, WakeReason};
use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;

/// How long a spot instance lives after its notice (H-39).
const SPOT_NOTICE: Span = Span::from_secs(120);

/// What went wrong with a node, and what that says about its offering.
#[derive(Debug)]
pub(super) struct Failure {
    scope: Scope,
    reason: &'static str,
    rule: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(scope: Scope, reason: &'static str, rule: &'static str) -> Self {
        Self {
            scope,
            reason,
            rule,
            message: Cow::Borrowed(""),
        }
    }

    pub(super) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Cow::Owned(message.into());
        self
    }

    /// Whether the node may exist although nothing is known of it.
    fn leaves_doubt(&self) -> bool {
        matches!(self.reason, "AnswerLost" | "AnswerIncomplete")
    }
}

impl Machine {
    /// The node's timer: what it waits for in its phase.
    fn deadline(&self, node: &Node) -> Option<(Timestamp, WakeReason)> {
        let pool = &self.pool(node.pool)?.config;
        let registration = (
            node.started.plus(pool.deadlines.registration),
            WakeReason::RegistrationDeadline,
        );
        let phase = match node.phase {
            Phase::Requested => None,
            Phase::Accepted => {
                let launch = node.since.plus(pool.deadlines.launch);
                Some((launch, WakeReason::LaunchDeadline).min(registration))
            }
            Phase::Pending | Phase::Running | Phase::Joined => Some(registration),
            Phase::Registered => Some((
                node.since.plus(pool.deadlines.initialization),
                WakeReason::InitializationDeadline,
            )),
            Phase::Initialized => {
                node.unhealthy_since
                    .zip(pool.repair_after)
                    .map(|(since, after)| {
                        let at = since.plus(after);
                        (node.repair_at.unwrap_or(at).max(at), WakeReason::Repair)
                    })
            }
            Phase::Draining => node.grace_until.map(|at| (at, WakeReason::GraceOver)),
            Phase::Deleting => match node.deletion {
                Deletion::Waiting => {
                    let policy = &self.state.config.call_backoff;
                    let pause = policy.first.as_millis().max(1);
                    let doublings = node.refusals.saturating_sub(1).min(20);
                    let pause = pause.saturating_mul(1 << doublings);
                    let pause = Span::from_millis(pause.min(policy.cap.as_millis()));
                    Some((node.since.plus(pause), WakeReason::DeleteAgain))
                }
                Deletion::Accepted => {
                    let grace = self.state.config.missing_grace;
                    Some((node.since.plus(grace), WakeReason::DeleteAgain))
                }
                Deletion::None | Deletion::Queued | Deletion::Asked(_) | Deletion::Lost => None,
            },
        };
        let hold = node
            .hold_until
            .filter(|_| !node.is_leaving())
            .map(|at| (at, WakeReason::HoldOver));
        phase.into_iter().chain(hold).min()
    }

    /// Sets the node's timer by its phase.
    pub(super) fn rearm(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let old = node.due;
        let new = self.deadline(node).map(|(at, why)| (self.after(at), why));
        if let Some((at, _)) = old {
            self.index.timers.remove(&(at, Timer::Node(id)));
        }
        if let Some((at, _)) = new {
            self.index.timers.insert((at, Timer::Node(id)));
        }
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.due = new;
        }
    }

    pub(super) fn node_due(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        let Some((_, why)) = node.due.take() else {
            return;
        };
        match why {
            WakeReason::LaunchDeadline => self.fail_node(
                id,
                Failure::new(Scope::Market, "LaunchTimeout", "H-32")
                    .saying("no instance within the launch deadline"),
            ),
            WakeReason::RegistrationDeadline => self.start_failed(
                id,
                Failure::new(Scope::Offering, "RegistrationTimeout", "D-107")
                    .saying("no registered Node within the registration deadline"),
            ),
            WakeReason::InitializationDeadline => self.start_failed(
                id,
                Failure::new(Scope::Offering, "InitializationTimeout", "D-107")
                    .saying("not initialized within the initialization deadline"),
            ),
            WakeReason::HoldOver => self.leave(id, "nobody waits for it (H-67)", None),
            WakeReason::Repair => self.repair(id),
            WakeReason::GraceOver => self.grace_over(id),
            WakeReason::DeleteAgain => self.queue_deletion(id),
            WakeReason::CallAgain | WakeReason::OrderAgain | WakeReason::BreakerCloses => {}
        }
    }

    /// Moves the node on; its clock starts anew.
    pub(super) fn set_phase(&mut self, id: NodeId, phase: Phase) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        let was = node.is_in_flight();
        node.phase = phase;
        node.since = now;
        let is = node.is_in_flight();
        let pool = node.pool;
        if was != is
            && let Some(pool) = self.pool_mut(pool)
        {
            pool.in_flight = if is {
                pool.in_flight.saturating_add(1)
            } else {
                pool.in_flight.saturating_sub(1)
            };
        }
        self.rearm(id);
    }

    fn advance(&mut self, id: NodeId, phase: Phase) {
        if self
            .state
            .nodes
            .get(&id)
            .is_some_and(|node| node.phase < phase)
        {
            self.set_phase(id, phase);
        }
    }

    /// HyperPod has accepted the node as `logical`.
    pub(super) fn accepted(&mut self, id: NodeId, logical: &Name) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        node.logical_id = Some(Name::clone(logical));
        node.started = now;
        node.seen = now;
        let (offering, order, leaving) = (node.offering, node.order, node.is_leaving());
        self.index.by_logical.insert(Name::clone(logical), id);
        self.index.by_seen.insert((now, id));
        self.state.foreign.remove(logical);
        self.state.offers.succeed(offering, Scope::Group);
        let workloads = order
            .and_then(|order| self.state.orders.get(&order))
            .map(|order| order.workloads.clone());
        self.open_account(id, workloads.unwrap_or_default());
        if leaving {
            self.queue_deletion(id);
        } else {
            self.advance(id, Phase::Accepted);
        }
    }

    pub(super) fn open_account(&mut self, id: NodeId, workloads: Vec<(Name, u32)>) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let (Some(logical), Some(offering), Some(pool)) = (
            node.logical_id.clone(),
            self.state.offers.get(node.offering),
            self.pool(node.pool),
        ) else {
            return;
        };
        let purpose = Purpose {
            pool: Name::clone(&pool.config.name),
            group: Name::clone(&offering.instance_group),
            price: offering.price,
            workloads,
        };
        self.state.ledger.open(&logical, purpose);
    }

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
    fn left_kubernetes(&mut self, id: NodeId) {
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

    fn kube_of(&mut self, id: NodeId, change: KubeChange) {
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

    /// The node is ready: its order is fulfilled.
    pub(super) fn settle_order(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.phase != Phase::Initialized {
            return;
        }
        let offering = node.offering;
        let order = node.order.take();
        self.state.offers.succeed(offering, Scope::Offering);
        if let Some(order) = order {
            self.fulfil(order);
            self.notice(
                false,
                "NodeReady",
                "D-106",
                id.to_string(),
                format!("{order} is fulfilled"),
            );
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
    fn repair(&mut self, id: NodeId) {
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

    /// Asks for a plan for the pods on a node that goes.
    pub(super) fn replan_node(&mut self, id: NodeId) {
        self.emit(Output::Replan(Replan {
            order: None,
            pods: Vec::new(),
            node: Some(id),
            without: Vec::new(),
            retry_at: None,
        }));
    }

    /// Takes the node from its order.
    pub(super) fn detach(&mut self, id: NodeId) -> Option<OrderId> {
        let node = self.state.nodes.get_mut(&id)?;
        self.index.spares.remove(&(node.pool, node.offering, id));
        node.hold_until = None;
        node.order.take()
    }

    /// A start that went wrong for another reason than capacity.
    fn start_failed(&mut self, id: NodeId, failure: Failure) {
        let pool = self.state.nodes.get(&id).map(|node| node.pool);
        self.fail_node(id, failure);
        if let Some(pool) = pool {
            self.count_failure(pool);
        }
    }

    fn fail_offering(&mut self, id: NodeId, scope: Scope) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let offering = node.offering;
        let now = self.state.now;
        let policy = self.state.config.capacity_backoff;
        let (until, failures) =
            self.state
                .offers
                .fail(offering, scope, &policy, now, &mut self.state.rng);
        if let Some(offering) = self.state.offers.get(offering) {
            let text = format!(
                "{} {} in {} of {}: failure {failures} in a row, not tried before {until}",
                offering.capacity_type,
                offering.instance_type,
                offering.zone,
                offering.instance_group
            );
            self.notice(true, "OfferingUnavailable", "H-32", id.to_string(), text);
        }
    }

    /// The node will not become what its order needs: the offering waits, the order goes on, the node goes.
    pub(super) fn fail_node(&mut self, id: NodeId, failure: Failure) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let requested = node.phase == Phase::Requested || node.logical_id.is_none();
        let doubt = failure.leaves_doubt();
        let Failure {
            scope,
            reason,
            rule,
            message,
        } = failure;
        self.notice(true, reason, rule, id.to_string(), message.into_owned());
        self.fail_offering(id, scope);
        let spare = self.state.nodes.get(&id).is_some_and(Node::is_spare);
        match self.detach(id) {
            Some(order) => self.try_next(order),
            // A node whose instance HyperPod could not replace: its pods counted on it.
            None if !spare && !requested => self.replan_node(id),
            None => {}
        }
        if !requested {
            self.leave(id, reason, None);
        } else if doubt {
            self.set_phase(id, Phase::Deleting);
            if let Some(node) = self.state.nodes.get_mut(&id) {
                node.deletion = Deletion::Lost;
            }
            self.index.lost.insert(id);
        } else {
            self.gone(id);
        }
    }

    /// HyperPod reports that there is no capacity for a node that still waits. If its order has another way, that is
    /// tried at once; else HyperPod's own retries go on until the launch deadline (H-32).
    pub(super) fn no_capacity(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        if node.phase > Phase::Accepted {
            return;
        }
        let (own, pool) = (node.offering, node.pool);
        let order = node.order.and_then(|order| self.state.orders.get(&order));
        let options = order.map(|order| order.options.clone()).unwrap_or_default();
        self.fail_offering(id, Scope::Market);
        let other = options
            .into_iter()
            .any(|option| option != own && self.refusal(pool, option).is_none());
        if other {
            if let Some(order) = self.detach(id) {
                self.try_next(order);
            }
            self.leave(id, "InsufficientCapacity", None);
        }
    }

    /// The node has no order any more and is kept for the next one for a while (H-56, H-67).
    pub(super) fn make_spare(&mut self, id: NodeId) {
        let now = self.state.now;
        self.detach(id);
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let hold = self
            .pool(node.pool)
            .map_or(Span::ZERO, |pool| pool.config.hold);
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        node.pods.clear();
        if !node.is_leaving() {
            node.hold_until = Some(now.plus(hold));
            self.index.spares.insert((node.pool, node.offering, id));
            self.rearm(id);
        }
    }

    /// The logical id is not there any more, and not by our doing.
    pub(super) fn vanished(&mut self, id: NodeId, how: &'static str) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        if node.phase == Phase::Deleting {
            self.gone(id);
            return;
        }
        let pool = node.pool;
        self.notice(
            true,
            "NodeVanished",
            "D-109",
            id.to_string(),
            how.to_owned(),
        );
        match self.detach(id) {
            Some(order) => {
                self.count_failure(pool);
                self.try_next(order);
            }
            None => self.replan_node(id),
        }
        self.gone(id);
    }
}
