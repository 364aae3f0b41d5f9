//! What goes wrong with a node: what that says about its offering, and what becomes of its order.

use std::borrow::Cow;

use super::ids::NodeId;
use super::machine::Machine;
use super::node::{Deletion, Node, Phase};
use super::offers::Scope;
use super::output::{Output, Replan};

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
    /// A start that went wrong for another reason than capacity.
    pub(super) fn start_failed(&mut self, id: NodeId, failure: Failure) {
        let pool = self.state.nodes.get(&id).map(|node| node.pool);
        self.fail_node(id, failure);
        if let Some(pool) = pool {
            self.count_failure(pool);
        }
    }

    pub(super) fn fail_offering(&mut self, id: NodeId, scope: Scope) {
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

    /// The node is not waited for any longer, though a request for it is still open: it goes once that is answered.
    pub(super) fn give_up(&mut self, id: NodeId, failure: Failure) {
        let (reason, message) = (failure.reason, failure.message.into_owned());
        self.notice(true, reason, failure.rule, id.to_string(), message);
        self.fail_offering(id, failure.scope);
        if let Some(order) = self.detach(id) {
            self.try_next(order);
        }
        self.leave(id, reason, None);
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
        let pool = node.pool;
        let order = node.order.and_then(|order| self.state.orders.get(&order));
        let options = order.map_or_else(Vec::new, |order| {
            let left = order.options.iter().filter(|o| !order.tried.contains(o));
            left.copied().collect()
        });
        self.fail_offering(id, Scope::Market);
        let other = options
            .into_iter()
            .any(|option| self.refusal(pool, option).is_none());
        if other {
            if let Some(order) = self.detach(id) {
                self.try_next(order);
            }
            self.leave(id, "InsufficientCapacity", None);
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
}
