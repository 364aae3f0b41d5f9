//! The command queue as a state machine without I/O (D-2, D-93..D-98, W-24).
//!
//! Contract: call [`Queue::handle`] with whatever is learnt and no later than the [`Wake`] says, then [`Queue::poll`]
//! until it says [`Output::Wait`], carrying out every task; everything else (what was lost, came late, came twice, or
//! was cut off by a crash) sorts itself out.
//!
//! ```text
//! pending ─▶ marking ─▶ launching ─▶ draining wave by wave ─▶ deleting ─▶ succeeded
//!    │          │            │              │
//!    ▼          └────────────┴──────────────┴─▶ rolling back ─▶ rolled back, nodes left alone for a while
//! not started
//! ```
//!
//! * **Levels, not edges.** Stages end by what an observation shows, not by an answer: an answer only says when to ask
//!   again. Tasks may be repeated and must then change nothing; NodeClaims are launched under names that the queue has
//!   chosen, so that launching twice is launching once.
//! * **No source is drained or deleted before every replacement is initialised** (D-95); once one is being deleted there
//!   is no way back.
//! * **Budgets** are asked when a command starts, against what goes already, the queue's own nodes included (W-16).
//! * **PDBs**: no more evictions of a PDB's pods are under way than it allows, over all commands together (M-20).
//! * **Leftovers** are cleared away: a taint without a command (D-2), and a discarded NodeClaim that turns up late.
//! * **Crashes.** The serde form is the whole state. Store it after `poll` and before the tasks are carried out.

mod io;
mod parts;
mod run;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

pub use self::io::{
    Action, CommandId, Failure, Input, NotStarted, Outcome, Output, Refusal, Settings, Task,
    TaskId, Waiting, Wake,
};
use self::parts::{Key, Sent};
use self::run::Run;
use self::view::{View, is_tainted};
use crate::base::time::{Span, Timestamp};
use crate::disruption::budget::{self, Counts};
use crate::disruption::command::Command;
use crate::model::resources::Name;

/// Commands that wait or are under way, and what is remembered of those that failed.
///
/// ```
/// use tetrapod::Snapshot;
/// use tetrapod::disruption::command::{Candidate, Command, DisruptionReason, Method};
/// use tetrapod::disruption::queue::{Action, Input, Output, Queue, Settings};
/// let snapshot: Snapshot = tetrapod::manifest::snapshot_from_str(r#"
/// {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
///  "spec": {"template": {"spec": {"nodeClassRef": {"name": "main"}}}}}
/// {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": "default-1"},
///  "spec": {"nodeClassRef": {"name": "main"}}, "status": {"nodeName": "n1", "providerID": "i-1"}}
/// {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"karpenter.sh/nodepool": "default",
///   "karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"}}, "spec": {"providerID": "i-1"}}"#)?;
/// let now = "2026-01-01T00:00:00Z".parse()?;
///
/// let mut queue = Queue::new(now, Settings::default());
/// let empty = Candidate::new("n1", "default-1", "default");
/// let command = Command::delete(Method::Emptiness, DisruptionReason::Empty, vec![empty]);
/// queue.handle(Input::Submit(vec![command]), now);
/// queue.handle(Input::Observed { snapshot: &snapshot, as_of: now }, now);
/// let Output::Do(task) = queue.poll() else { panic!("a pool of one node and 10 % allows one") };
/// assert!(matches!(task.action, Action::Taint { node, .. } if &*node == "n1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    settings: Settings,
    /// Makes the names of claims unique among queues.
    prefix: String,
    next_id: u64,
    runs: BTreeMap<CommandId, Run>,
    /// As of when the cluster is known.
    seen: Option<Timestamp>,
    /// What PDBs allowed then, for pods that are to leave.
    allowances: BTreeMap<Name, usize>,
    /// When a budget that holds a command back changes.
    budget_changes: Option<Timestamp>,
    /// Nodes of failed commands (W-24).
    failures: BTreeMap<Name, Pause>,
    /// Claims that must not stay, with the time until which that is remembered.
    discarded: BTreeMap<Name, Timestamp>,
    /// Clearing away that was asked for, with the time at which it may be asked for again.
    clearing: BTreeMap<Name, Timestamp>,
    outputs: VecDeque<Output>,
}

/// How often a node's commands failed in a row, and until when it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Pause {
    failures: u32,
    until: Timestamp,
}

impl Queue {
    /// An empty queue. `epoch` tells queues of one cluster apart: the time at which this one is made.
    #[must_use]
    pub fn new(epoch: Timestamp, settings: Settings) -> Self {
        Self {
            settings,
            prefix: format!("{:x}", epoch.as_millis()),
            next_id: 0,
            runs: BTreeMap::new(),
            seen: None,
            allowances: BTreeMap::new(),
            budget_changes: None,
            failures: BTreeMap::new(),
            discarded: BTreeMap::new(),
            clearing: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what is learnt at `now`. O(objects) for an observation, O(pods of running commands) otherwise.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        match input {
            Input::Submit(commands) => self.submit(commands, now),
            Input::Observed { snapshot, as_of } => {
                if self.seen.is_none_or(|seen| as_of > seen) {
                    self.seen = Some(as_of);
                    self.observe(&View::new(snapshot, as_of), now);
                }
            }
            Input::Done(task) => {
                // A stage ends by what is observed: most answers change nothing but when to ask again.
                if !self.answered(task, None, now) {
                    return;
                }
            }
            Input::Failed(task, refusal) => {
                self.answered(task, Some(refusal), now);
            }
            Input::Cancel(command) => self.cancel(command, now),
            Input::Tick => {}
        }
        self.advance(now);
    }

    /// The next thing to do or to know. After [`Output::Wait`] the answer changes with [`handle`](Self::handle) only.
    pub fn poll(&mut self) -> Output {
        let next = self.outputs.pop_front();
        next.unwrap_or_else(|| Output::Wait(self.wake()))
    }

    /// Commands that wait or are under way, oldest first.
    pub fn commands(&self) -> impl Iterator<Item = (CommandId, &Command)> {
        self.runs.iter().map(|(id, run)| (*id, &run.command))
    }

    /// Whether a command under way removes `node`: its pods wait for another place, and it counts as disrupted.
    #[must_use]
    pub fn is_disrupting(&self, node: &str) -> bool {
        let mut runs = self.runs.values();
        runs.any(|run| !run.is_pending() && run.removes(node))
    }

    /// Whether a command removes `node` or sends pods to it, so that no other command should touch it.
    #[must_use]
    pub fn is_involved(&self, node: &str) -> bool {
        let mut runs = self.runs.values();
        runs.any(|run| run.removes(node) || run.moves_to(node))
    }

    /// Until when `node` is left alone because commands with it failed (W-24).
    #[must_use]
    pub fn paused_until(&self, node: &str) -> Option<Timestamp> {
        self.failures.get(node).map(|pause| pause.until)
    }

    /// Whether nothing waits, nothing is under way and nothing is left to say.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.outputs.is_empty()
    }

    /// Whether a command waits to be started: budgets are counted then, so that an observation must show all nodes. Otherwise
    /// the nodes that commands are about, and tainted ones, are enough.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.runs.values().any(Run::is_pending)
    }

    fn number(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    fn submit(&mut self, commands: Vec<Command>, now: Timestamp) {
        let batch = self.number();
        for command in commands {
            let id = CommandId(self.number());
            self.runs.insert(id, Run::new(id, batch, command, now));
        }
    }

    fn cancel(&mut self, id: CommandId, now: Timestamp) {
        match self.runs.get_mut(&id) {
            Some(run) if run.is_pending() => {
                self.end(id, Outcome::NotStarted(NotStarted::Cancelled), now);
            }
            Some(run) if run.can_fail() => run.fail(Failure::Cancelled, now),
            _ => {}
        }
    }

    /// Takes in what became of a task. Returns whether its command may want something else now.
    fn answered(&mut self, task: TaskId, refusal: Option<Refusal>, now: Timestamp) -> bool {
        for run in self.runs.values_mut() {
            // Tasks are numbered in the order in which they are first given out.
            let at = run.sent.binary_search_by_key(&task, |sent| sent.id);
            let Some(sent) = at.ok().and_then(|at| run.sent.get_mut(at)) else {
                continue;
            };
            let key = sent.key;
            match refusal {
                None => {
                    sent.due = now.plus(self.settings.recheck);
                    run.done(key, now);
                    return matches!(key, Key::Launch { .. });
                }
                Some(Refusal::Transient) => {
                    let wait = 1_000i64 << sent.failures.min(20);
                    let wait = wait.min(self.settings.retry.as_millis());
                    sent.failures = sent.failures.saturating_add(1);
                    sent.due = now.plus(Span::from_millis(wait));
                }
                Some(Refusal::Final) => {
                    sent.due = now.plus(self.settings.retry);
                    run.refused(key, &self.prefix, now);
                }
            }
            return true;
        }
        false
    }

    fn observe(&mut self, view: &View<'_>, now: Timestamp) {
        for run in self.runs.values_mut().filter(|run| !run.is_pending()) {
            run.observe(view, now);
        }
        self.step(now);
        self.start(view, now);
        self.read_allowances(view);
        self.clear_away(view, now);
    }

    /// Starts what may start, in the order of submission.
    fn start(&mut self, view: &View<'_>, now: Timestamp) {
        self.budget_changes = None;
        let pending: Vec<CommandId> = self
            .runs
            .values()
            .filter(|run| run.is_pending())
            .map(|run| run.id)
            .collect();
        if pending.is_empty() {
            return;
        }
        let counts = view.all_counts();
        for id in pending {
            match self.readiness(id, view, &counts, now) {
                Ok(false) => {}
                Err(why) => self.end(id, Outcome::NotStarted(why), now),
                Ok(true) => {
                    if let Some(run) = self.runs.get_mut(&id) {
                        run.start(view, &self.prefix, now);
                        run.observe(view, now);
                    }
                }
            }
        }
    }

    /// Whether a command may start now, must wait, or never will.
    fn readiness(
        &mut self,
        id: CommandId,
        view: &View<'_>,
        all: &BTreeMap<Name, Counts>,
        now: Timestamp,
    ) -> Result<bool, NotStarted> {
        let Some(run) = self.runs.get(&id) else {
            return Ok(false);
        };
        let command = &run.command;
        let gone = |node: &Name| NotStarted::NodeGone(Name::clone(node));
        let mut free = true;
        let mut per_pool: BTreeMap<&str, u32> = BTreeMap::new();
        for candidate in &command.candidates {
            if let Some(until) = self
                .paused_until(&candidate.node)
                .filter(|until| *until > now)
            {
                return Err(NotStarted::BackOff(until));
            }
            let node = view.node(&candidate.node);
            let node = node.filter(|node| node.initialized && !node.deleting);
            let node = node.ok_or_else(|| gone(&candidate.node))?;
            if node
                .claim
                .is_none_or(|claim| claim.name != candidate.node_claim)
            {
                return Err(gone(&candidate.node));
            }
            free &= !is_tainted(node);
            *per_pool.entry(&candidate.node_pool).or_default() += 1;
        }
        let places = command.existing_nodes.iter().map(|place| &place.node);
        for place in places.chain(command.moves.iter().map(|m| &m.to)) {
            let node = view.node(place);
            node.filter(|node| !node.deleting)
                .ok_or_else(|| gone(place))?;
        }
        for other in self.runs.values().filter(|other| other.id != id) {
            let earlier = other.batch == run.batch && other.command.order < command.order;
            free &= !earlier && (other.is_pending() || !touch(&other.command, command, other));
        }
        if !free {
            return Ok(false);
        }
        let under_way = self.runs.values().filter(|run| !run.is_pending());
        let leaving: BTreeSet<&str> = under_way
            .flat_map(|run| run.command.candidates.iter().map(|c| &*c.node))
            .collect();
        let counts = view.counts(all, &leaving);
        let mut changes = None;
        let mut allowed = true;
        for (name, wanted) in per_pool {
            let pool = view
                .pool(name)
                .ok_or_else(|| NotStarted::PoolGone(Name::from(name)))?;
            let counts = counts.get(name).copied().unwrap_or_default();
            let allowance = budget::allowed(pool, command.reason, now, counts);
            if wanted > allowance.nodes {
                allowed = false;
                changes = [changes, allowance.until].into_iter().flatten().min();
            }
        }
        self.budget_changes = [self.budget_changes, changes].into_iter().flatten().min();
        Ok(allowed)
    }

    fn read_allowances(&mut self, view: &View<'_>) {
        let pods = self
            .runs
            .values()
            .flat_map(|run| run.waves.iter().flatten());
        let charged = pods.filter(|pod| !pod.gone && !pod.charges.is_empty());
        self.allowances = charged.flat_map(|pod| pod.allowances(view)).collect();
    }

    /// Undoes what nobody answers for (D-2).
    fn clear_away(&mut self, view: &View<'_>, now: Timestamp) {
        self.clearing.retain(|_, again| *again > now);
        self.discarded.retain(|_, until| *until > now);
        self.failures
            .retain(|_, pause| pause.until.plus(self.settings.memory) > now);
        let mut actions: Vec<(Name, Action)> = Vec::new();
        for node in &view.nodes {
            let Some(claim) = node.claim.filter(|_| !node.deleting && is_tainted(node)) else {
                continue;
            };
            if !self.is_disrupting(&node.name) {
                let action = Action::Untaint {
                    node: Name::clone(&node.name),
                    node_claim: Name::clone(&claim.name),
                };
                actions.push((Name::clone(&node.name), action));
            }
        }
        // One that has got pods is of use.
        self.discarded.retain(|claim, _| !view.is_used(claim));
        for name in self.discarded.keys() {
            if view
                .claim(name)
                .is_some_and(|claim| claim.deleted.is_none())
            {
                let node_claim = Name::clone(name);
                actions.push((Name::clone(name), Action::Delete { node_claim }));
            }
        }
        for (name, action) in actions {
            if !self.clearing.contains_key(&name) {
                self.clearing.insert(name, now.plus(self.settings.retry));
                let id = TaskId(self.number());
                self.outputs.push_back(Output::Do(Task {
                    id,
                    command: None,
                    action,
                }));
            }
        }
    }

    fn launch_limit(&self) -> Span {
        let runs = self.runs.values().filter(|run| !run.is_pending());
        let nodes = runs.map(|run| run.command.candidates.len()).sum();
        self.settings.launch_limit(nodes)
    }

    /// Brings every run as far as it goes, and gives out what is due.
    fn advance(&mut self, now: Timestamp) {
        self.step(now);
        let patience = self.settings.patience;
        let stale: Vec<CommandId> = self
            .runs
            .values()
            .filter(|run| run.is_pending() && now >= run.submitted.plus(patience))
            .map(|run| run.id)
            .collect();
        for id in stale {
            self.end(id, Outcome::NotStarted(NotStarted::Stale), now);
        }
        let ids: Vec<CommandId> = self.runs.keys().copied().collect();
        for id in ids {
            self.give_out(id, now);
        }
    }

    fn step(&mut self, now: Timestamp) {
        let limit = self.launch_limit();
        let mut ended = Vec::new();
        for (id, run) in &mut self.runs {
            if let Some(outcome) = run.step(&self.prefix, limit, &self.settings, now) {
                ended.push((*id, outcome));
            }
        }
        for (id, outcome) in ended {
            self.end(id, outcome, now);
        }
    }

    fn give_out(&mut self, id: CommandId, now: Timestamp) {
        let Some(run) = self.runs.get_mut(&id) else {
            return;
        };
        let wanted = run.wanted();
        let keys: BTreeSet<Key> = wanted.iter().map(|(key, _)| *key).collect();
        run.sent.retain(|sent| keys.contains(&sent.key));
        let sent = run.sent.iter().enumerate();
        let places: BTreeMap<Key, usize> = sent.map(|(at, sent)| (sent.key, at)).collect();
        for (key, action) in wanted {
            let Some(run) = self.runs.get(&id) else {
                return;
            };
            let before = places.get(&key).copied();
            let due = before.and_then(|at| run.sent.get(at)).map(|sent| sent.due);
            if due.is_some_and(|due| due > now) || (due.is_none() && !self.may_leave(run, key)) {
                continue;
            }
            let task = match before.and_then(|at| run.sent.get(at)) {
                Some(sent) => sent.id,
                None => TaskId(self.number()),
            };
            let retry = now.plus(self.settings.retry);
            let Some(run) = self.runs.get_mut(&id) else {
                return;
            };
            match before.and_then(|at| run.sent.get_mut(at)) {
                Some(sent) => sent.due = retry,
                None => run.sent.push(Sent {
                    key,
                    id: task,
                    due: retry,
                    failures: 0,
                }),
            }
            run.given_out(key);
            self.outputs.push_back(Output::Do(Task {
                id: task,
                command: Some(id),
                action,
            }));
        }
    }

    /// Whether the PDBs of a pod leave room for one more eviction beside those under way (M-20).
    fn may_leave(&self, run: &Run, key: Key) -> bool {
        let Some(pod) = run.leaver(key) else {
            return true;
        };
        let room = |pdb: &Name| {
            let under_way = self
                .runs
                .values()
                .flat_map(|run| run.sent.iter().filter_map(|sent| run.leaver(sent.key)))
                .filter(|other| !other.gone && other.charges.contains(pdb))
                .count();
            under_way < self.allowances.get(pdb).copied().unwrap_or(0)
        };
        pod.charges.iter().all(room)
    }

    fn end(&mut self, id: CommandId, outcome: Outcome, now: Timestamp) {
        let Some(run) = self.runs.remove(&id) else {
            return;
        };
        let until = now.plus(self.settings.memory);
        for name in run.leftovers(&outcome) {
            self.discarded.insert(name, until);
        }
        if let Outcome::RolledBack { why, .. } = &outcome
            && *why != Failure::Cancelled
        {
            for candidate in &run.command.candidates {
                let node = Name::clone(&candidate.node);
                let before = self.failures.get(&node).map_or(0, |pause| pause.failures);
                let failures = before.saturating_add(1);
                let until = now.plus(self.settings.pause(failures));
                self.failures.insert(node, Pause { failures, until });
            }
        }
        let failed = outcome != Outcome::Succeeded;
        self.outputs.push_back(Output::Ended {
            command: id,
            outcome,
        });
        if failed {
            let later: Vec<CommandId> = self
                .runs
                .values()
                .filter(|other| {
                    let follows = other.command.order > run.command.order;
                    other.batch == run.batch && follows && other.is_pending()
                })
                .map(|other| other.id)
                .collect();
            for later in later {
                self.end(later, Outcome::NotStarted(NotStarted::Superseded), now);
            }
        }
    }

    fn wake(&self) -> Wake {
        let limit = self.launch_limit();
        let runs = self.runs.values().flat_map(|run| {
            let retries = run.sent.iter().map(|sent| (sent.due, Waiting::Retry));
            retries.chain(run.deadline(limit, &self.settings))
        });
        let budget = self.budget_changes.map(|at| (at, Waiting::Budget));
        let first = runs.chain(budget).min();
        let otherwise = || {
            if self.runs.is_empty() {
                Waiting::Idle
            } else {
                Waiting::Observation
            }
        };
        Wake {
            at: first.map(|(at, _)| at),
            why: first.map_or_else(otherwise, |(_, why)| why),
        }
    }
}

/// Whether two commands get into each other's way: one removes what the other needs.
fn touch(a: &Command, b: &Command, run: &Run) -> bool {
    let removes = |command: &Command, node: &str| {
        let mut candidates = command.candidates.iter();
        candidates.any(|candidate| candidate.node.as_ref() == node)
    };
    let places = b.existing_nodes.iter().map(|place| &place.node);
    let mut places = places.chain(b.moves.iter().map(|m| &m.to));
    let mut candidates = b.candidates.iter().map(|candidate| &candidate.node);
    candidates.any(|node| removes(a, node) || run.moves_to(node))
        || places.any(|place| removes(a, place))
}
