//! How nodes go: drained first, then deleted, then forgotten.

use super::covers::Cover;
use super::ids::NodeId;
use super::input::Removal;
use super::machine::{Machine, Timer};
use super::node::{Deletion, Phase};
use super::output::Output;
use crate::base::time::Timestamp;
use crate::model::resources::Name;

impl Machine {
    /// Carries out a decision to delete nodes.
    pub(super) fn remove(&mut self, removal: &Removal) {
        if let Some(blocker) = self.blocker() {
            self.notice(
                true,
                "RemovalRefused",
                "H-5",
                "removal".to_owned(),
                blocker.as_ref().to_owned(),
            );
            return;
        }
        for id in &removal.nodes {
            let offering = self.state.nodes.get(id).map(|node| node.offering);
            if let Some((order, offering)) = self.detach(*id).zip(offering) {
                self.try_again(order, offering);
            }
            self.leave(*id, &removal.why, None);
        }
    }

    /// Takes the node out: drains it if it has a Node, and deletes it. `until` cuts a drain short.
    pub(super) fn leave(&mut self, id: NodeId, why: &str, until: Option<Timestamp>) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.is_leaving() {
            return;
        }
        self.index.spares.remove(&(node.pool, node.offering, id));
        node.hold_until = None;
        node.why = Some(Name::from(why));
        let (joined, offering) = (node.joined, node.offering);
        self.state.offers.give_up(offering, id);
        self.notice(false, "NodeGoes", "H-26", id.to_string(), why.to_owned());
        if joined {
            self.drain(id, until);
        } else {
            self.delete_now(id);
        }
    }

    pub(super) fn drain(&mut self, id: NodeId, until: Option<Timestamp>) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let grace = self
            .pool(node.pool)
            .and_then(|pool| pool.config.grace)
            .map(|grace| now.plus(grace));
        let until = [until, grace].into_iter().flatten().min();
        self.index.queued.remove(&id);
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.deletion = Deletion::None;
            node.grace_until = until.map(|at| at.max(now));
        }
        self.set_phase(id, Phase::Draining);
        self.emit_drain(id);
    }

    fn emit_drain(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        if let Some(instance_id) = node.instance_id.clone() {
            let (until, why) = (node.grace_until, node.why.clone());
            self.emit(Output::Drain {
                node: id,
                instance_id,
                until,
                why: why.unwrap_or_else(|| Name::from("")),
            });
        }
    }

    pub(super) fn drained(&mut self, id: NodeId) {
        if let Some(node) = self.state.nodes.get_mut(&id)
            && node.phase == Phase::Draining
        {
            node.drained = true;
            self.delete_now(id);
        }
    }

    /// The drain has lasted as long as it may: the node goes with what is left on it (D-111).
    pub(super) fn grace_over(&mut self, id: NodeId) {
        if self
            .state
            .nodes
            .get(&id)
            .is_some_and(|node| node.phase == Phase::Draining)
        {
            self.notice(
                true,
                "DrainCutShort",
                "D-111",
                id.to_string(),
                "its grace period is over".to_owned(),
            );
            if let Some(node) = self.state.nodes.get_mut(&id) {
                node.drained = true;
            }
            self.delete_now(id);
        }
    }

    /// Nothing is in the way of deleting the node.
    pub(super) fn delete_now(&mut self, id: NodeId) {
        let known = self
            .state
            .nodes
            .get(&id)
            .is_some_and(|node| node.logical_id.is_some());
        self.set_phase(id, Phase::Deleting);
        // Without a logical id it is deleted once the answer names it.
        if known {
            self.queue_deletion(id);
        }
    }

    pub(super) fn queue_deletion(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.joined && !node.drained {
            self.drain(id, None);
            return;
        }
        node.deletion = Deletion::Queued;
        self.index.queued.insert(id);
        self.rearm(id);
    }

    /// The deletion was refused or got no answer.
    pub(super) fn delete_later(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.phase != Phase::Deleting {
            return;
        }
        node.deletion = Deletion::Waiting;
        node.refusals = node.refusals.saturating_add(1);
        node.since = now;
        self.rearm(id);
    }

    pub(super) fn deletion_accepted(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        if node.phase == Phase::Deleting {
            node.deletion = Deletion::Accepted;
            node.since = now;
            self.index.queued.remove(&id);
            self.rearm(id);
        }
    }

    /// There is no such node any more.
    pub(super) fn gone(&mut self, id: NodeId) {
        let now = self.state.now;
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        let (in_flight, ill) = (node.is_in_flight(), node.unhealthy_since.is_some());
        let pool = node.pool;
        if let Some(pool) = self.pool_mut(pool) {
            pool.in_flight = pool.in_flight.saturating_sub(u32::from(in_flight));
            pool.unhealthy = pool.unhealthy.saturating_sub(u32::from(ill));
        }
        let Some(node) = self.state.nodes.remove(&id) else {
            return;
        };
        if let Some((at, _)) = node.due {
            self.index.timers.remove(&(at, Timer::Node(id)));
        }
        self.index.spares.remove(&(node.pool, node.offering, id));
        self.index.queued.remove(&id);
        self.index.lost.remove(&id);
        if let Some(instance) = &node.instance_id {
            self.index.by_instance.remove(instance);
        }
        if let Some(logical) = &node.logical_id {
            self.index.by_logical.remove(logical);
            self.index.by_seen.remove(&(node.seen, id));
            self.state.ledger.close(logical, now);
        }
        self.state.offers.give_up(node.offering, id);
        self.count(node.pool, node.offering, false);
        for pod in &node.pods {
            if let Some(Cover::Ready(_)) = self.state.covers.get(pod) {
                self.uncover(pod);
            }
        }
        self.release();
    }

    /// Asks again for what was asked of a node, after a restart.
    pub(super) fn repeat_node(&mut self, id: NodeId) {
        let Some(node) = self.state.nodes.get(&id) else {
            return;
        };
        match node.phase {
            Phase::Joined => self.emit_register(id),
            Phase::Draining => self.emit_drain(id),
            Phase::Requested
            | Phase::Accepted
            | Phase::Pending
            | Phase::Running
            | Phase::Registered
            | Phase::Initialized
            | Phase::Deleting => {}
        }
    }
}
