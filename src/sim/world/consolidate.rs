//! Consolidation: what the disruption floor decides about the world's nodes, carried out through its queue.

use std::sync::Arc;

use super::World;
use super::plan::number_in;
use super::state::{Alias, NodeId, Stage};
use crate::base::time::Span;
use crate::disruption::consolidate;
use crate::disruption::policy::{Policy, policy};
use crate::disruption::queue::{Action, Input as QueueInput, Output as QueueOutput, Refusal, Task};
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::Condition;
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect};
use crate::provisioning::Input;
use crate::provisioning::ids::NodeId as MachineNode;
use crate::provisioning::input::{AcceptedPlan, Removal};
use crate::provisioning::node::Phase;
use crate::provisioning::output::DISRUPTED_TAINT;

/// How often the queue looks at the cluster while a command is under way.
const OBSERVE_EVERY: Span = Span::from_secs(10);

impl World {
    /// The policy of consolidation; `None` if there is none.
    pub(super) fn consolidation(&self) -> Option<Box<dyn Policy>> {
        let name = self
            .state
            .setup
            .policy
            .consolidation
            .as_deref()
            .unwrap_or("economic");
        policy(name)
    }

    /// Decides which nodes go, if anything has changed or a time has come.
    pub(super) fn consolidate(&mut self) {
        let now = self.state.now;
        let due = self.state.next_consolidation.is_some_and(|at| at <= now);
        if !(self.state.changed || due)
            || !self.state.commands.is_idle()
            || self.state.nodes.is_empty()
        {
            return;
        }
        let Some(policy) = self.consolidation() else {
            return;
        };
        self.state.changed = false;
        let snapshot = self.cluster_snapshot(|_| true);
        let answer = consolidate(&snapshot, &*policy);
        self.state.next_consolidation = answer.next_look;
        if answer.commands.is_empty() {
            return;
        }
        let mut commands = answer.commands;
        if policy.alternatives() {
            commands.truncate(1);
        }
        for command in &commands {
            let nodes: Vec<Name> = command
                .candidates
                .iter()
                .map(|c| self.node_name(&c.node))
                .collect();
            let message = format!(
                "{} ({}): {} evictions, {} new nodes, {} $ saved",
                command.reason,
                command.decision(),
                command.evictions,
                command.replacements.len(),
                command.net_saving
            );
            self.state.record.event(
                now,
                "Consolidation",
                format!("Node {}", nodes.join(", ")),
                message,
            );
        }
        self.state
            .commands
            .handle(QueueInput::Submit(commands), now);
        self.observe_commands();
    }

    /// The name of a node that a snapshot calls `node-<number>`.
    fn node_name(&self, name: &str) -> Name {
        let node = number_in(name).and_then(|id| self.state.nodes.get(&id));
        node.map_or_else(|| Name::from(name), |node| Name::clone(&node.name))
    }

    /// Lets the queue look at the cluster, and carries out what it asks for.
    pub(super) fn observe_commands(&mut self) {
        let now = self.state.now;
        self.state.observing = false;
        self.find_aliases();
        let involved = |id: NodeId| self.state.commands.is_involved(&format!("node-{id}"));
        let snapshot = self.cluster_snapshot(involved);
        let input = QueueInput::Observed {
            snapshot: &snapshot,
            as_of: now,
        };
        self.state.commands.handle(input, now);
        loop {
            match self.state.commands.poll() {
                QueueOutput::Do(task) => self.carry_out(task),
                QueueOutput::Ended { outcome, .. } => {
                    self.state.record.event(
                        now,
                        "CommandEnded",
                        "consolidation",
                        format!("{outcome:?}"),
                    );
                    self.state.changed = true;
                }
                QueueOutput::Wait(_) => break,
            }
        }
        if self.state.commands.is_idle() {
            self.state.aliases.clear();
        } else if !std::mem::replace(&mut self.state.observing, true) {
            self.at(now.plus(OBSERVE_EVERY), super::state::Due::Observe);
        }
    }

    fn carry_out(&mut self, task: Task) {
        let now = self.state.now;
        let mut done = true;
        match task.action {
            Action::Taint { node, .. } => self.set_taint(&node, true),
            Action::Untaint { node, .. } => self.set_taint(&node, false),
            Action::Launch {
                node_claim,
                planned,
                offering,
            } => {
                if !self.state.aliases.contains_key(&node_claim) {
                    let mut claim = *planned;
                    claim.instance_group.clone_from(&offering.instance_group);
                    claim.cheapest = offering;
                    claim.fallbacks = Arc::default();
                    let alias = Alias {
                        pods: claim.pods.clone(),
                        node: None,
                    };
                    self.state.aliases.insert(Name::clone(&node_claim), alias);
                    self.give(Input::Plan(AcceptedPlan::of(vec![claim], now)));
                    done = self.state.aliases.contains_key(&node_claim);
                }
            }
            Action::Evict { pod, .. } => {
                if let Some(id) = Self::pod_of_key(&pod) {
                    self.evict(id, false, "consolidation moves it");
                }
            }
            Action::Delete { node_claim } => {
                let node = match self.state.aliases.get(&node_claim) {
                    Some(alias) => alias.node,
                    None => number_in(&node_claim),
                };
                if let Some(node) = node {
                    self.give(Input::Remove(Removal::new(
                        vec![MachineNode(node)],
                        "consolidation",
                    )));
                }
            }
        }
        let input = if done {
            QueueInput::Done(task.id)
        } else {
            QueueInput::Failed(task.id, Refusal::Final)
        };
        self.state.commands.handle(input, now);
    }

    fn set_taint(&mut self, node: &str, tainted: bool) {
        if let Some(node) = number_in(node).and_then(|id| self.state.nodes.get_mut(&id)) {
            node.tainted = tainted;
        }
        if !tainted {
            self.freed();
        }
    }

    /// The machine could not buy a replacement: its name is forgotten, and the queue sees that there is no such claim.
    pub(super) fn launch_failed(&mut self, pods: &[Name]) {
        self.state.aliases.retain(|_, alias| {
            alias.node.is_some() || alias.pods.first().is_none_or(|pod| !pods.contains(pod))
        });
    }

    /// Finds out which nodes of the machine the replacements are.
    fn find_aliases(&mut self) {
        let machine = &self.state.machine;
        for alias in self
            .state
            .aliases
            .values_mut()
            .filter(|alias| alias.node.is_none())
        {
            let Some(first) = alias.pods.first() else {
                continue;
            };
            let node = machine
                .nodes()
                .find(|node| !node.is_leaving() && node.pods.contains(first));
            alias.node = node.map(|node| node.id.number());
        }
    }

    /// The cluster as the disruption floor sees it: all nodes of the machine, and the pods on those that `with_pods` names.
    pub(super) fn cluster_snapshot(&self, with_pods: impl Fn(NodeId) -> bool) -> Snapshot {
        let mut snapshot = self.derived.base.clone();
        snapshot.options.now = Some(self.state.now);
        let names: std::collections::BTreeMap<NodeId, &Name> = self
            .state
            .aliases
            .iter()
            .filter_map(|(name, alias)| Some((alias.node?, name)))
            .collect();
        for node in self.state.machine.nodes() {
            let id = node.id.number();
            let Some(shape) = self.shape_of(id).and_then(|at| self.derived.shapes.get(at)) else {
                continue;
            };
            let (mut model, mut claim) = self.model_node(id, shape);
            if let Some(name) = names.get(&id) {
                claim.name = Name::clone(name);
            }
            if node.is_leaving() {
                claim.deleted = Some(self.state.now);
            }
            let there = self.state.nodes.get(&id);
            let ready = there.is_some_and(|there| there.ready) && node.phase >= Phase::Initialized;
            if let Some(there) = there {
                claim.created = Some(there.created);
                model.created = Some(there.created);
                claim.last_pod_event = Some(there.last_pod_event);
                claim
                    .conditions
                    .retain(|condition| &*condition.kind != "Consolidatable");
                for condition in &mut claim.conditions {
                    condition.last_transition = Some(there.initialized);
                }
                if there.tainted || there.draining {
                    let taint = Taint::new(DISRUPTED_TAINT, "", TaintEffect::NoSchedule);
                    model.taints.push(taint);
                    let disrupted = Condition {
                        kind: Name::from("DisruptionReason"),
                        status: Name::from("True"),
                        ..Condition::default()
                    };
                    claim.conditions.push(disrupted);
                }
                if !there.healthy {
                    model.labels.set(
                        crate::view::nodes::HEALTH_STATUS,
                        "UnschedulablePendingReplacement",
                    );
                }
            }
            if !ready {
                for labels in [&mut model.labels, &mut claim.labels] {
                    labels.set(label::INITIALIZED, "false");
                    labels.set(label::REGISTERED, "false");
                }
                claim
                    .conditions
                    .retain(|condition| &*condition.kind == "Launched");
            }
            match there {
                Some(there) => {
                    snapshot.nodes.push(model);
                    if with_pods(id) {
                        let pods = there.pods.iter().filter_map(|pod| self.model_pod(*pod));
                        snapshot.pods.extend(pods);
                    }
                }
                None => {
                    claim.node_name = None;
                    // What is on its way has its pods coming: nothing else may be planned there.
                    if !node.pods.is_empty() {
                        let free = self.left_on_its_way(id, shape);
                        claim.allocatable = self.derived.quantities(&free);
                    }
                }
            }
            snapshot.node_claims.push(claim);
        }
        snapshot
    }

    /// What a node on its way has left beside the pods that it was bought for, DaemonSets not yet taken off.
    fn left_on_its_way(&self, id: NodeId, shape: &super::setup::Shape) -> Vec<i64> {
        let mut free = shape.total.clone();
        let node = self.state.machine.node(MachineNode(id));
        for pod in node
            .iter()
            .flat_map(|node| &node.pods)
            .filter_map(|key| Self::pod_of_key(key))
        {
            let Some(pod) = self
                .state
                .pods
                .get(&pod)
                .filter(|pod| pod.stage == Stage::Pending)
            else {
                continue;
            };
            let asks = self
                .derived
                .kinds
                .get(pod.kind)
                .map(|kind| kind.asks.as_slice())
                .unwrap_or_default();
            for (free, asks) in free.iter_mut().zip(asks) {
                *free -= asks;
            }
        }
        free
    }
}
