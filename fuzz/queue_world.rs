//! A small cluster that carries out what a queue asks for, badly: requests and observations are late, lost or out of
//! order, launches fail, nodes vanish, and the queue's process dies and comes back with what it stored. It shares no
//! code with the queue, and judges it.

use std::collections::{BTreeMap, BTreeSet};

use tetrapod::Snapshot;
use tetrapod::base::rng::Rng;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::disruption::command::{Candidate, Command, DisruptionReason, Method};
use tetrapod::disruption::disrupted_taint;
use tetrapod::disruption::pdb::Pdbs;
use tetrapod::disruption::queue::{
    Action, CommandId, Input, NotStarted, Outcome, Output, Queue, Refusal, Settings, Task, Waiting,
};
use tetrapod::model::label::LabelSelector;
use tetrapod::model::node::Node;
use tetrapod::model::node_claim::NodeClaim;
use tetrapod::model::node_pool::{Budget, NodePool};
use tetrapod::model::pod::{Pod, PodPhase};
use tetrapod::model::policy::PodDisruptionBudget;
use tetrapod::plan::PlannedClaim;

/// Chaos lasts so many seconds; after `PATIENCE` more the queue must have come to rest.
const CHAOS: i64 = 900;
const PATIENCE: i64 = 20_000;
const POOLS: [(&str, u64); 2] = [("big", 3), ("small", 1)];
const APPS: [(&str, usize); 3] = [("free", 100), ("two", 2), ("one", 1)];

/// Random choices: the given bytes first, then a generator.
#[derive(Debug)]
struct Dice<'a> {
    bytes: &'a [u8],
    rng: Rng,
}

impl Dice<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                u64::from(*byte) % bound.max(1)
            }
            None => self.rng.below(bound),
        }
    }

    fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    fn seconds(&mut self, most: u64) -> i64 {
        i64::try_from(self.below(most + 1)).expect("small")
    }
}

#[derive(Debug, Clone)]
struct Machine {
    claim: String,
    pool: Option<&'static str>,
    tainted: bool,
    deleting_at: Option<i64>,
    joins: i64,
    ready: i64,
    /// Vanishes then, as after a failed launch.
    dies: Option<i64>,
}

#[derive(Debug, Clone)]
struct Unit {
    app: usize,
    uid: u64,
    node: Option<String>,
    /// Serving since; a pod that was just placed is not healthy yet.
    healthy: i64,
    ends: Option<i64>,
}

/// What is known of a command.
#[derive(Debug)]
struct Record {
    command: Command,
    batch: usize,
    started: bool,
    /// Pods that were on its candidates when it started.
    pods: BTreeSet<u64>,
    outcome: Option<Outcome>,
    claims: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct World<'a> {
    dice: Dice<'a>,
    now: i64,
    /// No lost or late messages, no interference: every request must go through.
    calm: bool,
    nodes: BTreeMap<String, Machine>,
    pods: BTreeMap<String, Unit>,
    next_uid: u64,
    requests: Vec<(i64, Task)>,
    answers: Vec<(i64, Task, Option<Refusal>)>,
    observations: Vec<(i64, i64, Snapshot)>,
    records: BTreeMap<CommandId, Record>,
    batches: usize,
    ever_ready: BTreeSet<String>,
    ever_used: BTreeSet<String>,
    /// Where each pod was put.
    places: BTreeMap<u64, String>,
    failed_at: BTreeMap<String, i64>,
    pub(crate) stored: String,
    pub(crate) succeeded: usize,
    pub(crate) rolled_back: usize,
    pub(crate) crashes: usize,
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).plus(Span::from_secs(second))
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.launch_timeout = Some(Span::from_secs(200));
    settings.drain_timeout = Span::from_secs(240);
    settings
}

impl<'a> World<'a> {
    pub(crate) fn new(bytes: &'a [u8], seed: u64) -> Self {
        let mut dice = Dice {
            bytes,
            rng: Rng::new(seed),
        };
        let calm = dice.one_in(4);
        let mut world = Self {
            dice,
            now: 0,
            calm,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            next_uid: 0,
            requests: Vec::new(),
            answers: Vec::new(),
            observations: Vec::new(),
            records: BTreeMap::new(),
            batches: 0,
            ever_ready: BTreeSet::new(),
            ever_used: BTreeSet::new(),
            places: BTreeMap::new(),
            failed_at: BTreeMap::new(),
            stored: String::new(),
            succeeded: 0,
            rolled_back: 0,
            crashes: 0,
        };
        let count = 3 + world.dice.below(4);
        for at in 0..count {
            let pool = POOLS[usize::from(world.dice.one_in(3))].0;
            world.add_node(&format!("n{at}"), Some(pool), 0, 0, None);
        }
        // One that nobody manages has room for everything.
        world.add_node("anchor", None, 0, 0, None);
        let pods = world.dice.below(12);
        for at in 0..pods {
            let app = usize::try_from(world.dice.below(3)).expect("small");
            let node = format!("n{}", world.dice.below(count));
            world.next_uid += 1;
            world.places.insert(world.next_uid, node.clone());
            let unit = Unit {
                app,
                uid: world.next_uid,
                node: Some(node),
                healthy: 0,
                ends: None,
            };
            world.pods.insert(format!("{}-{at}", APPS[app].0), unit);
        }
        world
    }

    fn add_node(
        &mut self,
        name: &str,
        pool: Option<&'static str>,
        joins: i64,
        ready: i64,
        dies: Option<i64>,
    ) {
        let machine = Machine {
            claim: format!("{name}-claim"),
            pool,
            tainted: false,
            deleting_at: None,
            joins,
            ready,
            dies,
        };
        self.nodes.insert(name.to_owned(), machine);
    }

    /// How many more pods of the app may go down (as the PDB's controller would say).
    fn allowed(&self, app: usize) -> usize {
        let of = self.pods.values().filter(|pod| pod.app == app);
        let down =
            of.filter(|pod| pod.node.is_none() || pod.ends.is_some() || pod.healthy > self.now);
        APPS[app].1.saturating_sub(down.count())
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, limit) in POOLS {
            let mut pool = NodePool::new(name, "main");
            let mut budget = Budget::default();
            budget.nodes = limit.to_string().into();
            pool.budgets = vec![budget];
            snapshot.node_pools.push(pool);
        }
        for (name, machine) in &self.nodes {
            let joined = machine.joins <= self.now;
            if let Some(pool) = machine.pool {
                let mut claim = NodeClaim::default();
                claim.name = machine.claim.as_str().into();
                claim.provider_id = Some(name.as_str().into());
                claim.node_name = joined.then(|| name.as_str().into());
                claim.deleted = machine.deleting_at.map(time);
                claim.labels.set("karpenter.sh/nodepool", pool);
                snapshot.node_claims.push(claim);
            }
            if joined {
                let mut node = Node::new(name.as_str());
                node.provider_id = Some(name.as_str().into());
                if let Some(pool) = machine.pool {
                    node.labels.set("karpenter.sh/nodepool", pool);
                    node.labels.set("karpenter.sh/registered", "true");
                    if machine.ready <= self.now {
                        node.labels.set("karpenter.sh/initialized", "true");
                    }
                }
                if machine.tainted {
                    node.taints.push(disrupted_taint());
                }
                snapshot.nodes.push(node);
            }
        }
        for (name, unit) in &self.pods {
            let mut pod = Pod::new("default", name.as_str());
            pod.uid = unit.uid.to_string().into();
            pod.node_name = unit.node.as_deref().map(Into::into);
            pod.deleted = unit.ends.map(time);
            pod.phase = if unit.node.is_some() {
                PodPhase::Running
            } else {
                PodPhase::Pending
            };
            let mut labels = tetrapod::model::label::Labels::new();
            labels.set("app", APPS[unit.app].0);
            pod.labels = labels.into();
            snapshot.pods.push(pod);
        }
        for (app, (name, _)) in APPS.iter().enumerate().skip(1) {
            let mut pdb = PodDisruptionBudget::default();
            pdb.namespace = "default".into();
            pdb.name = (*name).into();
            let selector = serde_json::json!({"expressions": [{"key": "app", "operator": "In", "values": [name]}]});
            pdb.selector = serde_json::from_value::<LabelSelector>(selector).ok();
            assert!(pdb.selector.is_some(), "the selector reads");
            pdb.disruptions_allowed = i32::try_from(self.allowed(app)).ok();
            snapshot.pod_disruption_budgets.push(pdb);
        }
        snapshot
    }

    /// A plan over what stands now.
    fn plan(&mut self) -> Vec<Command> {
        let snapshot = self.snapshot();
        let pdbs = Pdbs::new(&snapshot);
        let mut commands = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let managed: Vec<(String, Machine)> = self
                .nodes
                .iter()
                .filter(|(_, m)| m.pool.is_some() && m.ready <= self.now)
                .map(|(name, m)| (name.clone(), m.clone()))
                .collect();
            let mut chosen = BTreeMap::new();
            for _ in 0..1 + self.dice.below(2) {
                let at = usize::try_from(self.dice.below(managed.len() as u64)).expect("small");
                if let Some((name, machine)) = managed.get(at) {
                    chosen.insert(name.clone(), machine.clone());
                }
            }
            let candidates: Vec<Candidate> = chosen
                .iter()
                .map(|(name, m)| {
                    Candidate::new(name.as_str(), m.claim.as_str(), m.pool.expect("managed"))
                })
                .collect();
            if candidates.is_empty() {
                continue;
            }
            let reason = [DisruptionReason::Underutilized, DisruptionReason::Drifted]
                [usize::from(self.dice.one_in(3))];
            let mut command = Command::delete(Method::Plan, reason, candidates);
            let leaving = snapshot.pods.iter().filter(|pod| {
                pod.node_name
                    .as_deref()
                    .is_some_and(|node| chosen.contains_key(node))
            });
            command.waves = pdbs.waves(leaving).names();
            command.order = u32::try_from(self.dice.below(2)).expect("small");
            for _ in 0..self.dice.below(3) {
                let fallbacks = self.dice.below(3);
                command.replacements.push(planned(fallbacks));
            }
            commands.push(command);
        }
        commands
    }
}

fn planned(fallbacks: u64) -> PlannedClaim {
    let offering = |at: u64| serde_json::json!({"instanceType": format!("type-{at}"), "zone": "a", "capacityType": "on-demand", "price": 1.0});
    let claim = serde_json::json!({"nodePool": "big", "pods": [], "instanceTypes": [], "zones": ["a"],
        "capacityTypes": ["on-demand"], "cheapest": offering(0),
        "fallbacks": (1..=fallbacks).map(offering).collect::<Vec<_>>()});
    serde_json::from_value(claim).expect("a claim in its serde form")
}

impl World<'_> {
    /// Lets the cluster and the queue run until both are at rest, judging all the way.
    pub(crate) fn run(&mut self) {
        let mut queue = Queue::new(time(0), settings());
        self.store(&queue);
        loop {
            let chaos = self.now < CHAOS && !self.calm;
            self.live(chaos);
            if self.now < CHAOS && (self.now == 0 || self.dice.one_in(25)) {
                let commands = self.plan();
                self.submit(&mut queue, commands);
                self.settle(&mut queue, chaos);
            }
            self.observe(chaos);
            self.deliver(&mut queue, chaos);
            self.serve(chaos);
            self.answer(&mut queue, chaos);
            queue.handle(Input::Tick, time(self.now));
            self.settle(&mut queue, chaos);
            let quiet = self.requests.is_empty() && self.answers.is_empty();
            if self.now > CHAOS + 120
                && queue.is_idle()
                && quiet
                && self.observations.is_empty()
                && self.at_rest()
            {
                break;
            }
            assert!(
                self.now < CHAOS + PATIENCE,
                "no rest: {queue:?}\nnodes {:?}\npods {:?}\nleaked {:?}\nrecords {:?}",
                self.nodes,
                self.pods,
                self.leaked(),
                self.records
            );
            self.now += if self.now < CHAOS { 5 } else { 10 };
        }
        self.judge_the_end();
    }

    fn at_rest(&self) -> bool {
        let going = |m: &Machine| m.deleting_at.is_some() || m.dies.is_some() || m.ready > self.now;
        let moving = |p: &Unit| p.node.is_none() || p.ends.is_some();
        let stuck = self.nodes.values().any(|m| m.tainted);
        !self.nodes.values().any(going)
            && !self.pods.values().any(moving)
            && !stuck
            && self.leaked().is_empty()
    }

    fn submit(&mut self, queue: &mut Queue, commands: Vec<Command>) {
        let known: BTreeSet<CommandId> = queue.commands().map(|(id, _)| id).collect();
        queue.handle(Input::Submit(commands.clone()), time(self.now));
        self.batches += 1;
        let new = queue.commands().filter(|(id, _)| !known.contains(id));
        let new: Vec<(CommandId, Command)> = new.map(|(id, c)| (id, c.clone())).collect();
        assert_eq!(
            new.iter().map(|(_, c)| c.clone()).collect::<Vec<_>>(),
            commands
        );
        for (id, command) in new {
            let record = Record {
                command,
                batch: self.batches,
                started: false,
                pods: BTreeSet::new(),
                outcome: None,
                claims: BTreeSet::new(),
            };
            self.records.insert(id, record);
        }
    }

    /// Takes what the queue says, stores it, and sometimes dies before or after carrying it out.
    fn settle(&mut self, queue: &mut Queue, chaos: bool) {
        let mut tasks = Vec::new();
        loop {
            match queue.poll() {
                Output::Do(task) => tasks.push(task),
                Output::Ended { command, outcome } => self.ended(command, outcome),
                Output::Wait(wake) => {
                    assert!(
                        wake.why != Waiting::Idle || queue.is_idle(),
                        "something is due while commands are there"
                    );
                    assert!(matches!(queue.poll(), Output::Wait(again) if again == wake));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        for task in &tasks {
            self.judge(task);
        }
        // Nothing else happened since the last poll, so what is stored includes these tasks.
        if chaos && self.dice.one_in(6) {
            self.store(queue);
            *queue = self.restored(queue);
            self.crashes += 1;
            if self.dice.one_in(2) {
                return;
            }
        }
        for task in tasks {
            let lost = chaos && self.dice.one_in(8);
            let delay = if chaos {
                self.dice.seconds(12) * self.dice.seconds(6)
            } else {
                0
            };
            if !lost {
                self.requests.push((self.now + delay, task));
            }
        }
    }

    fn store(&mut self, queue: &Queue) {
        self.stored = serde_json::to_string(queue).expect("a queue has a serde form");
    }

    fn restored(&self, queue: &Queue) -> Queue {
        let restored: Queue = serde_json::from_str(&self.stored).expect("what was written reads");
        assert_eq!(&restored, queue, "a queue survives its serde form");
        restored
    }

    /// The cluster's own life: nodes join, pods are placed, end and come back, things break.
    fn live(&mut self, chaos: bool) {
        let now = self.now;
        let gone: Vec<String> = self
            .nodes
            .iter()
            .filter(|(name, m)| {
                let drained = !self.pods.values().any(|p| p.node.as_ref() == Some(name));
                m.dies.is_some_and(|at| at <= now)
                    || m.deleting_at.is_some_and(|at| drained && at + 20 <= now)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            for pod in self
                .pods
                .values_mut()
                .filter(|p| p.node.as_ref() == Some(&name))
            {
                pod.ends = Some(now);
            }
            self.nodes.remove(&name);
        }
        for (name, machine) in &self.nodes {
            if machine.ready <= now {
                self.ever_ready.insert(name.clone());
            }
        }
        // A deleted node is drained by its own controller, PDBs heeded.
        let draining: Vec<(String, usize)> = self
            .pods
            .iter()
            .filter(|(_, p)| p.ends.is_none())
            .filter(|(_, p)| {
                let node = p.node.as_ref().and_then(|node| self.nodes.get(node));
                node.is_some_and(|m| m.deleting_at.is_some())
            })
            .map(|(name, p)| (name.clone(), p.app))
            .collect();
        for (name, app) in draining {
            if self.allowed(app) > 0 {
                self.end_pod(&name);
            }
        }
        for unit in self.pods.values_mut() {
            if unit.ends.is_some_and(|at| at <= now) {
                self.next_uid += 1;
                *unit = Unit {
                    app: unit.app,
                    uid: self.next_uid,
                    node: None,
                    healthy: i64::MAX,
                    ends: None,
                };
            }
        }
        let open: Vec<String> = self
            .nodes
            .iter()
            .filter(|(_, m)| {
                !m.tainted && m.deleting_at.is_none() && m.dies.is_none() && m.ready <= now
            })
            .map(|(name, _)| name.clone())
            .collect();
        for unit in self.pods.values_mut().filter(|p| p.node.is_none()) {
            let at = usize::try_from(self.dice.below(open.len() as u64)).expect("small");
            unit.node = open.get(at).cloned();
            unit.healthy = now + 10;
            self.ever_used.extend(unit.node.clone());
            self.places
                .extend(unit.node.clone().map(|node| (unit.uid, node)));
        }
        if chaos && self.dice.one_in(60) {
            let names: Vec<String> = self
                .nodes
                .keys()
                .filter(|n| *n != "anchor")
                .cloned()
                .collect();
            let at = usize::try_from(self.dice.below(names.len() as u64)).expect("small");
            let somebody_deletes = self.dice.one_in(2);
            if let Some(machine) = names.get(at).and_then(|name| self.nodes.get_mut(name)) {
                if somebody_deletes {
                    machine.deleting_at = machine.deleting_at.or(Some(now));
                } else {
                    machine.dies = machine.dies.or(Some(now + 5));
                }
            }
        }
    }

    fn end_pod(&mut self, name: &str) {
        let wait = if self.calm { 10 } else { self.dice.seconds(40) };
        if let Some(pod) = self.pods.get_mut(name) {
            pod.ends = Some(self.now + wait);
        }
    }

    fn observe(&mut self, chaos: bool) {
        if chaos && self.dice.one_in(3) {
            return;
        }
        let delay = if chaos {
            self.dice.seconds(8) * self.dice.seconds(5)
        } else {
            0
        };
        self.observations
            .push((self.now + delay, self.now, self.snapshot()));
    }

    fn deliver(&mut self, queue: &mut Queue, chaos: bool) {
        let due = |(at, ..): &(i64, i64, Snapshot)| *at <= self.now;
        let (due, later) = std::mem::take(&mut self.observations)
            .into_iter()
            .partition(due);
        self.observations = later;
        for (_, as_of, snapshot) in due {
            queue.handle(
                Input::Observed {
                    snapshot: &snapshot,
                    as_of: time(as_of),
                },
                time(self.now),
            );
            self.settle(queue, chaos);
        }
    }

    fn serve(&mut self, chaos: bool) {
        let due = |(at, _): &(i64, Task)| *at <= self.now;
        let (due, later) = std::mem::take(&mut self.requests)
            .into_iter()
            .partition(due);
        self.requests = later;
        for (_, task) in due {
            let refusal = if chaos && self.dice.one_in(15) {
                Some(Refusal::Transient)
            } else {
                self.carry_out(&task)
            };
            let lost = chaos && self.dice.one_in(6);
            let delay = if chaos { self.dice.seconds(20) } else { 0 };
            if !lost {
                self.answers.push((self.now + delay, task, refusal));
            }
        }
    }

    fn answer(&mut self, queue: &mut Queue, chaos: bool) {
        let due = |(at, ..): &(i64, Task, Option<Refusal>)| *at <= self.now;
        let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(due);
        self.answers = later;
        for (_, task, refusal) in due {
            let input = match refusal {
                None => Input::Done(task.id),
                Some(refusal) => Input::Failed(task.id, refusal),
            };
            queue.handle(input, time(self.now));
            self.settle(queue, chaos);
        }
        if chaos && self.dice.one_in(120) {
            let ids: Vec<CommandId> = queue.commands().map(|(id, _)| id).collect();
            let at = usize::try_from(self.dice.below(ids.len() as u64)).expect("small");
            if let Some(id) = ids.get(at) {
                queue.handle(Input::Cancel(*id), time(self.now));
                self.settle(queue, chaos);
            }
        }
    }

    fn carry_out(&mut self, task: &Task) -> Option<Refusal> {
        match &task.action {
            Action::Taint { node, .. } => self.nodes.get_mut(node.as_ref())?.tainted = true,
            Action::Untaint { node, .. } => self.nodes.get_mut(node.as_ref())?.tainted = false,
            Action::Launch { node_claim, .. } => {
                let name = node_claim.replace("-claim", "");
                let record = task.command.and_then(|id| self.records.get_mut(&id));
                record
                    .expect("a launch has a command")
                    .claims
                    .insert(name.clone());
                if self.nodes.contains_key(&name) || self.ever_ready.contains(&name) {
                    return None;
                }
                let fate = if self.calm { 9 } else { self.dice.below(10) };
                match fate {
                    0 => return Some(Refusal::Final),
                    1 => self.add_node(&name, Some("big"), i64::MAX, i64::MAX, Some(self.now + 30)),
                    2 => self.add_node(&name, Some("big"), self.now + 20, i64::MAX, None),
                    _ => {
                        let ready = self.now + 20 + self.dice.seconds(100);
                        self.add_node(&name, Some("big"), self.now + 15, ready, None);
                    }
                }
                // The queue has chosen the claim's name.
                if let Some(machine) = self.nodes.get_mut(&name) {
                    machine.claim = node_claim.to_string();
                }
            }
            Action::Evict { pod, uid, node } => {
                let name = pod.strip_prefix("default/").expect("the namespace");
                let unit = self.pods.get(name)?.clone();
                let gone = unit.uid.to_string() != uid.as_ref() || unit.ends.is_some();
                if gone {
                    return None;
                }
                assert_eq!(
                    unit.node.as_deref(),
                    Some(node.as_ref()),
                    "{pod} is where it was planned to leave"
                );
                if self.allowed(unit.app) == 0 {
                    assert!(
                        !self.calm,
                        "more pods of {} down than allowed: {pod}",
                        APPS[unit.app].0
                    );
                    return Some(Refusal::Transient);
                }
                self.end_pod(name);
            }
            Action::Delete { node_claim } => {
                let now = self.now;
                let machine = self
                    .nodes
                    .values_mut()
                    .find(|m| m.claim == node_claim.as_ref())?;
                machine.deleting_at = machine.deleting_at.or(Some(now));
            }
            other => panic!("{other:?}"),
        }
        None
    }

    fn replacements_ready(&self, record: &Record) -> bool {
        let ready = record
            .claims
            .iter()
            .filter(|name| self.ever_ready.contains(*name));
        ready.count() >= record.command.replacements.len()
    }

    /// What must hold when a task is given out.
    fn judge(&mut self, task: &Task) {
        let Some(id) = task.command else {
            return;
        };
        let record = &self.records[&id];
        assert!(
            record.outcome.is_none(),
            "{id:?} asks for more after its end: {task:?}"
        );
        let candidates = &record.command.candidates;
        match &task.action {
            Action::Taint { node, .. } => {
                assert!(candidates.iter().any(|c| c.node == *node));
                if !record.started {
                    self.judge_start(id);
                }
            }
            Action::Evict { pod, uid, .. } => {
                assert!(
                    self.replacements_ready(record),
                    "{pod} leaves before the replacements are initialised"
                );
                let uid: u64 = uid.parse().expect("a number");
                assert!(
                    record.pods.contains(&uid),
                    "{pod} was not there when {id:?} started"
                );
                let wave = record
                    .command
                    .waves
                    .iter()
                    .position(|wave| wave.contains(pod));
                let wave = wave.expect("only planned pods leave");
                for earlier in record.command.waves.iter().take(wave).flatten() {
                    let unit = &self.pods[earlier.strip_prefix("default/").expect("the namespace")];
                    assert!(
                        !record.pods.contains(&unit.uid),
                        "{pod} leaves before {earlier} of an earlier wave"
                    );
                }
            }
            Action::Delete { node_claim } => {
                if candidates.iter().any(|c| c.node_claim == *node_claim) {
                    assert!(
                        self.replacements_ready(record),
                        "{node_claim} goes before the replacements are initialised"
                    );
                    let stays = record.command.waves.iter().flatten().any(|pod| {
                        let unit = &self.pods[pod.strip_prefix("default/").expect("the namespace")];
                        record.pods.contains(&unit.uid)
                    });
                    assert!(!stays, "{node_claim} goes before its pods");
                } else {
                    assert!(
                        node_claim.contains('-'),
                        "only its own launches are removed"
                    );
                }
            }
            Action::Untaint { .. } | Action::Launch { .. } | _ => {}
        }
    }

    /// Budgets, order and back-off when a command starts.
    fn judge_start(&mut self, id: CommandId) {
        let record = &self.records[&id];
        let mut going: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let under_way = self
            .records
            .iter()
            .filter(|(other, r)| **other == id || (r.started && r.outcome.is_none()));
        for (other, running) in under_way {
            for candidate in &running.command.candidates {
                let shared = record
                    .command
                    .candidates
                    .iter()
                    .any(|c| c.node == candidate.node);
                assert!(
                    *other == id || !shared,
                    "{} is in two commands",
                    candidate.node
                );
                if self.nodes.contains_key(candidate.node.as_ref()) {
                    going
                        .entry(&candidate.node_pool)
                        .or_default()
                        .insert(&candidate.node);
                }
            }
        }
        for (name, machine) in &self.nodes {
            // Nodes that the queue has deleted count until they are gone.
            let done = self.records.values().any(|r| {
                r.outcome == Some(Outcome::Succeeded)
                    && r.command.candidates.iter().any(|c| c.node.as_ref() == name)
            });
            if let Some(pool) = machine.pool.filter(|_| done && machine.ready <= self.now) {
                going.entry(pool).or_default().insert(name);
            }
        }
        for (pool, limit) in POOLS {
            let own = record
                .command
                .candidates
                .iter()
                .any(|c| c.node_pool.as_ref() == pool);
            let count = going.get(pool).map_or(0, BTreeSet::len) as u64;
            assert!(
                !own || count <= limit,
                "the budget of {pool} is {limit}, going: {:?}",
                going[pool]
            );
        }
        for candidate in &record.command.candidates {
            let failed = self.failed_at.get(candidate.node.as_ref());
            assert!(
                failed.is_none_or(|at| self.now >= at + 60),
                "{} failed a moment ago",
                candidate.node
            );
        }
        let earlier = self
            .records
            .values()
            .filter(|r| r.batch == record.batch && r.command.order < record.command.order);
        for other in earlier {
            assert_eq!(
                other.outcome,
                Some(Outcome::Succeeded),
                "{id:?} comes after {other:?}"
            );
        }
        let nodes: BTreeSet<String> = record
            .command
            .candidates
            .iter()
            .map(|c| c.node.to_string())
            .collect();
        // Observations lag, so the queue may have seen pods that have left since.
        let was_there = self.places.iter().filter(|(_, node)| nodes.contains(*node));
        let pods: BTreeSet<u64> = was_there.map(|(uid, _)| *uid).collect();
        let record = self.records.get_mut(&id).expect("it is there");
        record.pods = pods;
        record.started = true;
    }

    fn ended(&mut self, id: CommandId, outcome: Outcome) {
        let now = self.now;
        let record = self.records.get_mut(&id).expect("it was submitted");
        assert!(record.outcome.is_none(), "{id:?} ends twice");
        match &outcome {
            Outcome::Succeeded => {
                self.succeeded += 1;
                for candidate in &record.command.candidates {
                    let node = self.nodes.get(candidate.node.as_ref());
                    assert!(
                        node.is_none_or(|m| m.deleting_at.is_some() || m.dies.is_some()),
                        "{candidate:?} stays"
                    );
                }
            }
            Outcome::RolledBack { why, .. } => {
                self.rolled_back += 1;
                if *why != tetrapod::disruption::queue::Failure::Cancelled {
                    for candidate in &record.command.candidates {
                        self.failed_at.insert(candidate.node.to_string(), now);
                    }
                }
            }
            Outcome::NotStarted(why) => {
                assert!(!record.started, "{id:?} had started");
                assert!(*why != NotStarted::Superseded || record.command.order > 0);
            }
            other => panic!("{other:?}"),
        }
        record.outcome = Some(outcome);
    }

    /// Launched nodes that belong to no success and never held a pod. One that has got pods is an ordinary node.
    fn leaked(&self) -> Vec<String> {
        let mut leaked = Vec::new();
        for record in self.records.values() {
            let mut wanted: BTreeMap<&str, &String> = BTreeMap::new();
            if record.outcome == Some(Outcome::Succeeded) {
                // The last attempt for each replacement; attempts are single digits.
                for name in &record.claims {
                    let replacement = name.rsplit_once('-').expect("the queue's names").0;
                    wanted.insert(replacement, name);
                }
            }
            let kept = match &record.outcome {
                Some(Outcome::RolledBack { kept, .. }) => kept.as_slice(),
                _ => &[],
            };
            let stray = record.claims.iter().filter(|name| {
                self.nodes
                    .get(*name)
                    .is_some_and(|m| m.deleting_at.is_none())
                    && !wanted.values().any(|want| want == name)
                    && !kept.iter().any(|kept| kept.as_ref() == name.as_str())
                    && !self.ever_used.contains(*name)
            });
            leaked.extend(stray.cloned());
        }
        leaked
    }

    fn judge_the_end(&self) {
        for (name, pod) in &self.pods {
            let node = pod.node.as_ref().and_then(|node| self.nodes.get(node));
            assert!(node.is_some(), "{name} has lost its place");
        }
        for (name, machine) in &self.nodes {
            assert!(!machine.tainted, "{name} keeps its taint");
        }
        assert_eq!(self.leaked(), Vec::<String>::new(), "nodes nobody wants");
        for (id, record) in &self.records {
            assert!(record.outcome.is_some(), "{id:?} never ended");
        }
    }
}
