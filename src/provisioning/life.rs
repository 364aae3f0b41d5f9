//! The life of a node: its phases, their deadlines, the order that waits for it.

use super::calls::BLOCKED_PAUSE;
use super::failure::Failure;
use super::ids::{NodeId, OrderId};
use super::ledger::Purpose;
use super::machine::{Machine, Timer};
use super::node::{Deletion, Node, Phase};
use super::offers::Scope;
use super::output::WakeReason;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;

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
        match new {
            Some((at, why)) => self.due_at(id, at, why),
            None => {
                if let Some(node) = self.state.nodes.get_mut(&id) {
                    node.due = None;
                }
            }
        }
    }

    fn due_at(&mut self, id: NodeId, at: Timestamp, why: WakeReason) {
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.due = Some((at, why));
            self.index.timers.insert((at, Timer::Node(id)));
        }
    }

    pub(super) fn node_due(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        let Some((_, why)) = node.due.take() else {
            return;
        };
        if self.blocker().is_some() && takes_out(why) {
            self.due_at(id, self.state.now.plus(BLOCKED_PAUSE), why);
            return;
        }
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

    pub(super) fn advance(&mut self, id: NodeId, phase: Phase) {
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

    /// Takes the node from its order.
    pub(super) fn detach(&mut self, id: NodeId) -> Option<OrderId> {
        let node = self.state.nodes.get_mut(&id)?;
        self.index.spares.remove(&(node.pool, node.offering, id));
        node.hold_until = None;
        node.order.take()
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
}

/// Whether a node that is due for `why` may be drained. Not while autoscaling is off: then nodes are left as they are (row
/// 17).
fn takes_out(why: WakeReason) -> bool {
    match why {
        WakeReason::RegistrationDeadline
        | WakeReason::InitializationDeadline
        | WakeReason::HoldOver
        | WakeReason::Repair => true,
        WakeReason::LaunchDeadline
        | WakeReason::GraceOver
        | WakeReason::DeleteAgain
        | WakeReason::CallAgain
        | WakeReason::OrderAgain
        | WakeReason::BreakerCloses => false,
    }
}
