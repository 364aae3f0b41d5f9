//! What becomes of calls: answers with partial successes, refusals, errors, silence (H-25, H-26).

use super::api::{AddAnswer, CallError, DeleteAnswer, FailedAdd, InstanceStatus, Outcome};
use super::calls::{Call, Entry, What};
use super::failure::Failure;
use super::ids::{CallId, NodeId};
use super::machine::{Machine, Timer};
use super::node::{Deletion, Node, Phase};
use super::offers::Scope;
use super::output::Unavailability;
use crate::model::resources::Name;

impl Machine {
    /// Takes in what became of a call. What comes after the first answer means nothing.
    pub(super) fn answer(&mut self, id: CallId, outcome: Outcome) {
        let Some(call) = self.state.calls.get(&id) else {
            self.state.ignored = self.state.ignored.saturating_add(1);
            return;
        };
        let adds = matches!(call.what, What::Add(_));
        match outcome {
            Outcome::Added(answer) if adds => {
                self.state.throttles = 0;
                if let Some(call) = self.take_call(id) {
                    self.added(call, answer);
                }
            }
            Outcome::Deleted(answer) if !adds => {
                self.state.throttles = 0;
                if let Some(call) = self.take_call(id) {
                    self.deleted(&call, answer);
                }
            }
            Outcome::Failed(error) => self.call_failed(id, error),
            Outcome::Added(_) | Outcome::Deleted(_) => {
                self.state.ignored = self.state.ignored.saturating_add(1);
            }
        }
    }

    fn added(&mut self, call: Call, answer: AddAnswer) {
        let What::Add(mut entries) = call.what else {
            return;
        };
        for added in answer.successful {
            if self.index.by_logical.contains_key(&added.node_logical_id) {
                continue;
            }
            let fits = matching(
                &entries,
                &added.instance_group_name,
                &added.availability_zones,
                &added.instance_types,
            );
            let node = fits
                .and_then(|at| entries.get_mut(at))
                .and_then(|entry| (!entry.nodes.is_empty()).then(|| entry.nodes.remove(0)));
            match node {
                Some(node) => {
                    self.accepted(node, &added.node_logical_id);
                    if added.status == InstanceStatus::NotFound {
                        self.vanished(node, "it was deleted before its request was answered");
                    }
                }
                None => self.notice(
                    true,
                    "UnexpectedNode",
                    "H-25",
                    format!("instance group {}", added.instance_group_name),
                    format!("{} was answered and not asked for", added.node_logical_id),
                ),
            }
        }
        for failed in answer.failed {
            self.add_refused(&mut entries, &failed);
        }
        for node in entries.into_iter().flat_map(|entry| entry.nodes) {
            self.fail_node(
                node,
                Failure::new(Scope::Offering, "AnswerIncomplete", "H-25")
                    .saying("the answer neither accepts nor refuses it"),
            );
        }
    }

    fn add_refused(&mut self, entries: &mut [Entry], failed: &FailedAdd) {
        let (scope, rule) = match &*failed.error_code {
            "InstanceGroupNotFound" | "InvalidInstanceGroupStatus" => (Scope::Group, "H-36"),
            _ if failed.message.to_ascii_lowercase().contains("capacity") => {
                (Scope::Market, "H-32")
            }
            _ => (Scope::Offering, "H-25"),
        };
        for _ in 0..failed.failed_count {
            let fits = matching(
                entries,
                &failed.instance_group_name,
                &failed.availability_zones,
                &failed.instance_types,
            );
            let Some(entry) = fits.and_then(|at| entries.get_mut(at)) else {
                break;
            };
            if entry.nodes.is_empty() {
                break;
            }
            let node = entry.nodes.remove(0);
            self.fail_node(
                node,
                Failure::new(scope, "AddRefused", rule)
                    .saying(format!("{}: {}", failed.error_code, failed.message)),
            );
        }
    }

    fn call_failed(&mut self, id: CallId, error: CallError) {
        match error {
            CallError::Throttled => {
                self.state.throttles = self.state.throttles.saturating_add(1);
                let policy = self.state.config.call_backoff;
                let wait = policy.wait(self.state.throttles, &mut self.state.rng);
                let gate = self.after(self.state.now.plus(wait));
                if let Some(old) = self.state.gate.replace(gate) {
                    self.index.timers.remove(&(old, Timer::Gate));
                }
                self.index.timers.insert((gate, Timer::Gate));
                self.again(id);
            }
            CallError::Internal(_) | CallError::NoAnswer => {
                if let Some(call) = self.state.calls.get_mut(&id) {
                    call.doubt = true;
                }
                self.again(id);
            }
            CallError::LimitExceeded(message) => self.refused(id, Scope::Type, "H-58", &message),
            CallError::Refused(message) if self.in_doubt(id) => self.abandon(id, &message),
            CallError::Refused(message) => self.refused(id, Scope::Offering, "H-25", &message),
            CallError::NotFound(message) => self.refused(id, Scope::Group, "H-25", &message),
        }
    }

    /// The call may be repeated. An add keeps its token, so that it cannot buy twice; nodes of a delete are asked for
    /// again one by one, since each may have changed.
    fn again(&mut self, id: CallId) {
        let policy = self.state.config.call_backoff;
        let Some(call) = self.state.calls.get_mut(&id) else {
            return;
        };
        match call.what {
            What::Add(_) => {
                call.sent = false;
                let wait = policy.wait(call.tries, &mut self.state.rng);
                let at = self.state.now.plus(wait);
                let at = self.state.gate.map_or(at, |gate| at.max(gate));
                self.arm_call(id, at);
            }
            What::Delete(_) => {
                if let Some(Call {
                    what: What::Delete(nodes),
                    ..
                }) = self.take_call(id)
                {
                    nodes.into_iter().for_each(|node| self.delete_later(node));
                }
            }
        }
    }

    /// Whether a call for nodes may have taken effect although no answer says so.
    fn in_doubt(&self, id: CallId) -> bool {
        let call = self.state.calls.get(&id);
        call.is_some_and(|call| call.doubt && matches!(call.what, What::Add(_)))
    }

    /// The call is refused now, by its form or for want of a permission, and may have taken effect before. Its orders go
    /// on; it is repeated under its token until an answer says what there is to delete.
    fn abandon(&mut self, id: CallId, message: &Name) {
        let nodes = self.state.calls.get(&id).map(|call| match &call.what {
            What::Add(entries) => entries.iter().flat_map(|e| e.nodes.clone()).collect(),
            What::Delete(_) => Vec::new(),
        });
        for node in nodes.unwrap_or_default() {
            let wanted = self.state.nodes.get(&node);
            if wanted.is_some_and(|node| !node.is_leaving()) {
                let failure = Failure::new(Scope::Offering, "AddRefused", "H-25");
                self.give_up(node, failure.saying(message.as_ref()));
            }
        }
        self.again(id);
    }

    /// The call as a whole was refused. Whose fault that is shows when each entry is asked for by itself.
    fn refused(&mut self, id: CallId, scope: Scope, rule: &'static str, message: &Name) {
        let Some(call) = self.take_call(id) else {
            return;
        };
        match call.what {
            What::Add(entries) if entries.len() > 1 && !matches!(scope, Scope::Group) => {
                let held = self.state.gate.is_some() || self.blocker().is_some();
                for mut entry in entries {
                    self.drop_leaving(&mut entry);
                    // What has failed elsewhere meanwhile, or is too much by now, or may not be asked for at all at
                    // present: those orders choose again.
                    let nodes = std::mem::take(&mut entry.nodes);
                    for node in nodes {
                        if !held && self.may_be_asked_again(node) {
                            entry.nodes.push(node);
                            continue;
                        }
                        if let Some(order) = self.detach(node) {
                            self.try_again(order, entry.offering);
                        }
                        self.gone(node);
                    }
                    let count = u32::try_from(entry.nodes.len()).unwrap_or(u32::MAX);
                    entry.add.increment_target_count_by = count;
                    if count > 0 {
                        self.send_add(vec![entry]);
                    }
                }
            }
            What::Add(entries) => {
                for node in entries.into_iter().flat_map(|entry| entry.nodes) {
                    self.fail_node(
                        node,
                        Failure::new(scope, "AddRefused", rule).saying(message.as_ref()),
                    );
                }
            }
            What::Delete(nodes) => {
                self.notice(
                    true,
                    "DeleteRefused",
                    "H-26",
                    id.to_string(),
                    message.as_ref().to_owned(),
                );
                nodes.into_iter().for_each(|node| self.delete_later(node));
            }
        }
    }

    /// Nodes that nobody wants any more are not asked for again.
    fn drop_leaving(&mut self, entry: &mut Entry) {
        let nodes = std::mem::take(&mut entry.nodes);
        let (gone, nodes): (Vec<_>, Vec<_>) = nodes
            .into_iter()
            .partition(|id| self.state.nodes.get(id).is_none_or(Node::is_leaving));
        gone.into_iter().for_each(|id| self.gone(id));
        entry.nodes = nodes;
    }

    /// Whether the node, which counts already, may still be asked for: limits, the class and the group may have changed.
    fn may_be_asked_again(&mut self, id: NodeId) -> bool {
        let Some(node) = self.state.nodes.get(&id) else {
            return false;
        };
        let (pool, offering) = (node.pool, node.offering);
        self.count(pool, offering, false);
        let refusal = match self.refusal(pool, offering) {
            // It is the probe itself.
            Some(Unavailability::Probing) => self.guard(pool, offering),
            refusal => refusal,
        };
        self.count(pool, offering, true);
        refusal.is_none()
    }

    /// An add that was never answered can no longer be repeated: its nodes may exist or not.
    pub(super) fn lose(&mut self, id: CallId) {
        let Some(call) = self.take_call(id) else {
            return;
        };
        let What::Add(entries) = call.what else {
            return;
        };
        for id in entries.into_iter().flat_map(|entry| entry.nodes) {
            self.fail_node(
                id,
                Failure::new(Scope::Offering, "AnswerLost", "H-25")
                    .saying("its request was not answered while it could be repeated"),
            );
        }
    }

    fn deleted(&mut self, call: &Call, answer: DeleteAnswer) {
        let What::Delete(nodes) = &call.what else {
            return;
        };
        for logical in &answer.successful_node_logical_ids {
            if let Some(id) = self.index.by_logical.get(logical).copied() {
                self.deletion_accepted(id);
            }
        }
        for failed in &answer.failed_node_logical_ids {
            let Some(id) = self.index.by_logical.get(&failed.node_logical_id).copied() else {
                continue;
            };
            if matches!(&*failed.code, "NodeLogicalIdNotFound" | "NodeIdNotFound") {
                self.gone(id);
            } else {
                self.delete_later(id);
            }
        }
        // Neither accepted nor refused.
        for id in nodes {
            if let Some(node) = self.state.nodes.get(id)
                && matches!(node.deletion, Deletion::Asked(_))
                && node.phase == Phase::Deleting
            {
                self.delete_later(*id);
            }
        }
    }
}

/// The entry with nodes left that an answer for `group`, `zones` and `types` is about: one that asked for just these, else
/// the first that may have. Lists that an answer leaves out match anything.
fn matching(entries: &[Entry], group: &Name, zones: &[Name], types: &[Name]) -> Option<usize> {
    let fits = |asked: &[Name], answered: &[Name]| {
        asked.is_empty() || answered.is_empty() || asked.iter().any(|a| answered.contains(a))
    };
    let of_group = || {
        let entries = entries.iter().enumerate();
        entries
            .filter(|(_, entry)| !entry.nodes.is_empty() && entry.add.instance_group_name == *group)
    };
    let exact = of_group().find(|(_, entry)| {
        entry.add.availability_zones == zones && entry.add.instance_types == types
    });
    let may_be = || {
        of_group().find(|(_, entry)| {
            fits(&entry.add.availability_zones, zones) && fits(&entry.add.instance_types, types)
        })
    };
    exact.or_else(may_be).map(|(at, _)| at)
}
