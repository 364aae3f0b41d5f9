//! A small cluster that carries out what a queue asks for, badly: requests and observations are late, lost or out of
//! order, launches fail, nodes vanish, and the queue's process dies and comes back with what it stored. It shares no
//! code with the queue, and judges it.

mod cluster;
mod judge;

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
    /// Nodes that it asked to taint, and when last.
    marked: BTreeMap<String, i64>,
    /// Claims that it asked for, and when last.
    launched: BTreeMap<String, i64>,
}

/// What the queue has been told so far: it may not go by anything else.
#[derive(Debug, Default)]
struct Told {
    as_of: i64,
    snapshot: Snapshot,
    /// Launched claims that it knows to exist, or to have existed.
    confirmed: BTreeSet<String>,
    /// Launched claims that it knows to have failed.
    failed: BTreeSet<String>,
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
    told: Told,
    /// The queue's process dies once in so many steps.
    crash_rate: u64,
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
        let crash_rate = if dice.one_in(3) { 1 } else { 6 };
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
            told: Told::default(),
            crash_rate,
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
                marked: BTreeMap::new(),
                launched: BTreeMap::new(),
            };
            self.records.insert(id, record);
        }
    }

    /// Takes what the queue says, stores it, and sometimes dies before or after carrying it out.
    fn settle(&mut self, queue: &mut Queue, chaos: bool) {
        let mut tasks = Vec::new();
        loop {
            match queue.poll() {
                Output::Do(task) => {
                    self.judge(&task);
                    tasks.push(task);
                }
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
        // Nothing else happened since the last poll, so what is stored includes these tasks.
        if self.crash_rate == 1 || chaos && self.dice.one_in(self.crash_rate) {
            self.store(queue);
            *queue = self.restored(queue);
            self.crashes += 1;
            if chaos && self.dice.one_in(2) {
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

    fn deliver(&mut self, queue: &mut Queue, chaos: bool) {
        let due = |(at, ..): &(i64, i64, Snapshot)| *at <= self.now;
        let (due, later) = std::mem::take(&mut self.observations)
            .into_iter()
            .partition(due);
        self.observations = later;
        for (_, as_of, snapshot) in due {
            self.tell(as_of, &snapshot);
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

    fn answer(&mut self, queue: &mut Queue, chaos: bool) {
        let due = |(at, ..): &(i64, Task, Option<Refusal>)| *at <= self.now;
        let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(due);
        self.answers = later;
        for (_, task, refusal) in due {
            if let Action::Launch { node_claim, .. } = &task.action {
                match refusal {
                    None => self.told.confirmed.insert(node_claim.to_string()),
                    Some(Refusal::Final) => self.told.failed.insert(node_claim.to_string()),
                    Some(_) => false,
                };
            }
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
}
