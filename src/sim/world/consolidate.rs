//! Consolidation: what the disruption floor decides about the world's nodes, carried out through its queue.

use std::sync::Arc;

use super::World;
use super::plan::{number_in, shown_as};
use super::shown::Involved;
use super::state::{Alias, Due};
use crate::base::time::Span;
use crate::disruption::look;
use crate::disruption::policy::{Policy, policy};
use crate::disruption::queue::{Action, Input as QueueInput, Output as QueueOutput, Refusal, Task};
use crate::model::cluster::Snapshot;
use crate::model::resources::Name;
use crate::provisioning::Input;
use crate::provisioning::ids::NodeId as MachineNode;
use crate::provisioning::input::{AcceptedPlan, Removal};

/// Deciding takes time in a large cluster: so much for each node, up to the deadlines of Karpenter's searches (D-65, D-69).
const DECIDING_PER_NODE: Span = Span::from_millis(200);
const DECIDING_MOST: Span = Span::from_secs(4 * 60);
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

    /// From one thought about consolidation to the next: as the simulation says, but not before the last one has come to its end.
    pub(super) fn pace(&self) -> Span {
        let nodes = i64::try_from(self.state.nodes.len()).unwrap_or(i64::MAX);
        let deciding = DECIDING_PER_NODE.as_millis().saturating_mul(nodes);
        let deciding = Span::from_millis(deciding).min(DECIDING_MOST);
        deciding.max(self.state.setup.simulation.consolidate_every)
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
        let snapshot = self.whole_cluster();
        let (commands, next_look) = look(&snapshot, &*policy);
        self.state.next_consolidation = next_look;
        if commands.is_empty() {
            self.keep_shown(snapshot);
            return;
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
        self.keep_shown(snapshot);
        self.observe_commands();
    }

    /// The name of a node that a snapshot calls `node-<number>`.
    fn node_name(&self, name: &str) -> Name {
        let node = number_in(name).and_then(|id| self.state.nodes.get(&id));
        node.map_or_else(|| Name::from(name), |node| Name::clone(&node.name))
    }

    /// Lets the queue look at what its commands are about.
    pub(super) fn observe_commands(&mut self) {
        self.find_aliases();
        let snapshot = self.part_of_cluster(&self.involved());
        self.show_queue(&snapshot);
    }

    /// What the queue has to see: nodes that commands remove, fill or launch, and tainted ones; all while a command waits to be
    /// started, for budgets count every node. Of the nodes that are filled it needs the pods only where PDBs count them.
    fn involved(&self) -> Involved {
        let commands = &self.state.commands;
        let mut involved = Involved {
            all: commands.is_waiting(),
            ..Involved::default()
        };
        let budgets = !self.derived.base.pod_disruption_budgets.is_empty();
        for (_, command) in commands.commands() {
            let removed = command.candidates.iter().map(|c| &c.node);
            let moves = command.moves.iter().flat_map(|one| [&one.from, &one.to]);
            let with_pods = removed.chain(moves).filter_map(|name| number_in(name));
            involved.with_pods.extend(with_pods);
            let places = command.existing_nodes.iter().map(|place| &place.node);
            let places = places.filter_map(|name| number_in(name));
            if budgets {
                involved.with_pods.extend(places);
            } else {
                involved.without.extend(places);
            }
        }
        let aliases = self.state.aliases.values().filter_map(|alias| alias.node);
        involved.with_pods.extend(aliases);
        let tainted = self.state.nodes.iter().filter(|(_, node)| node.tainted);
        involved.with_pods.extend(tainted.map(|(id, _)| *id));
        involved
    }

    /// Shows the queue the cluster, and carries out what it asks for.
    fn show_queue(&mut self, snapshot: &Snapshot) {
        let now = self.state.now;
        self.state.observing = false;
        let input = QueueInput::Observed {
            snapshot,
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
            self.at(now.plus(OBSERVE_EVERY), Due::Observe);
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
        let Some(id) = number_in(node) else { return };
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.tainted = tainted;
        }
        self.shown.forget(id);
        if !tainted {
            self.freed(id);
        }
    }

    /// The machine could not buy a replacement: its name is forgotten, and the queue sees that there is no such claim.
    pub(super) fn launch_failed(&mut self, pods: &[Name]) {
        self.state.aliases.retain(|_, alias| {
            alias.node.is_some() || !alias.pods.iter().any(|pod| pods.contains(pod))
        });
    }

    /// Finds out which nodes of the machine the replacements are: bought for no pods but those of the claim. A pod that moves
    /// is still on the list of the node that was once bought for it, so one that a command removes is none, and of others the
    /// latest is it.
    fn find_aliases(&mut self) {
        let (machine, commands) = (&self.state.machine, &self.state.commands);
        let open = self.state.aliases.values_mut();
        for alias in open.filter(|alias| alias.node.is_none()) {
            let bought = machine.nodes().filter(|node| {
                !node.is_leaving()
                    && !node.pods.is_empty()
                    && node.pods.iter().all(|pod| alias.pods.contains(pod))
                    && !commands.is_disrupting(&shown_as(node.id.number()))
            });
            alias.node = bought.map(|node| node.id.number()).max();
        }
    }
}
