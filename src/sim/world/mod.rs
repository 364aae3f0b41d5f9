//! Both tiers in virtual time: what pods a load asks for, what nodes these ask for, what that costs, and who waits.
//!
//! ```text
//!  trace ──▶ queue of a service ──▶ scaling ──▶ replicas ──▶ pods ──▶ binder ──▶ nodes
//!                   ▲                                          │                   ▲
//!                   └── ready replicas                         ▼                   │
//!                                                    planner ──▶ provisioning ──▶ fake HyperPod
//!                                                                     ▲
//!                                                    disruption ──────┘
//! ```
//!
//! A [`World`] is a discrete-event simulation: [`World::step`] goes to the next thing that is due and does it. What decides is
//! what would decide in a cluster: [`scaling`](crate::scaling) sets replica counts, [`scheduler`](crate::scheduler) plans
//! nodes, [`disruption`](crate::disruption) takes them away, [`provisioning`](crate::provisioning) drives
//! [`hyperpod`](super::hyperpod). The world itself adds what is between: pods and their start-up, a pod scheduler, requests.
//!
//! Equal setups give equal runs, byte for byte. A world is plain data: [`World::save`] at any moment and [`World::resume`] go on
//! as if nothing had been.
//!
//! How it is simplified, in short: requests are a fluid in front of each service (`queue`); a pod scheduler's cycle takes no time;
//! pods with rules between them are bound by the planner's solver over the nodes there are; a pod is evicted at once when its
//! node drains; clocks of all controllers agree.

mod autoscale;
mod binder;
pub mod conserve;
mod consolidate;
mod derived;
mod histogram;
mod jobs;
mod plan;
mod pods;
mod provision;
mod queue;
mod record;
mod report;
pub mod result;
mod setup;
mod shown;
mod state;
mod there;
pub mod trace;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::conserve::Fact;
use self::derived::Derived;
use self::record::Record;
use self::result::SimResult;
use self::setup::groups;
pub use self::setup::{Setup, SetupError};
use self::shown::Shown;
use self::state::{
    Alias, Billed, Due, Job, Members, Node, NodeId, Pod, Scaler, ServiceState, Table,
};
use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::disruption::queue::{Queue as CommandQueue, Settings};
use crate::model::resources::Name;
use crate::provisioning::Machine;
use crate::provisioning::config::Config;
use crate::provisioning::ledger::Totals as Spent;
use crate::sim::exact::pairs;
use crate::sim::hyperpod::{Fake, Weather};

/// Points in a series at most.
pub const MOST_POINTS: usize = 1_440;
/// Events listed in a result at most.
pub const MOST_EVENTS: usize = 2_000;
/// Nodes in one packing at most.
pub const MOST_PACKED_NODES: usize = 400;

/// How often the cluster is described and its nodes are listed.
const LOOK_EVERY: Span = Span::from_secs(60);

/// A cluster with its load, in virtual time.
#[derive(Debug)]
pub struct World {
    state: State,
    derived: Derived,
    /// What consolidation was shown, as far as it is still so.
    shown: Shown,
    /// Nodes that have got room within this event.
    freed: BTreeSet<NodeId>,
    /// What happened since it was last taken, where somebody wants to know.
    facts: Option<Vec<Fact>>,
}

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    setup: Setup,
    now: Timestamp,
    ended: bool,
    sequence: u64,
    #[serde(with = "pairs")]
    agenda: BTreeMap<(Timestamp, u64), Due>,
    machine: Machine,
    fake: Fake,
    commands: CommandQueue,
    /// When the machine wants to be told the time.
    machine_wake: Option<Timestamp>,
    next_pod: u64,
    pods: Table<Pod>,
    nodes: Table<Node>,
    by_instance: BTreeMap<Name, NodeId>,
    /// Billed instances by logical id.
    billed: BTreeMap<Name, Billed>,
    /// When each node that is not ready yet was asked for.
    asked: BTreeMap<NodeId, Timestamp>,
    kinds: Vec<Members>,
    services: Vec<ServiceState>,
    scalers: Vec<Scaler>,
    next_job: u64,
    jobs: Table<Job>,
    /// When the planner runs, and since when pods have been gathered for it.
    plan_at: Option<Timestamp>,
    batch_since: Option<Timestamp>,
    /// Whether a waiting pod has come to have nothing coming.
    fresh: bool,
    /// When pods for which nothing was found are planned again.
    retry_at: Option<Timestamp>,
    /// Replacements of commands by the names that the queue gave them.
    aliases: BTreeMap<Name, Alias>,
    /// Whether anything has changed that consolidation looks at.
    changed: bool,
    next_consolidation: Option<Timestamp>,
    observing: bool,
    /// Pods that the machine handed back and that are no more.
    unwanted: Vec<Name>,
    storm_rng: Rng,
    /// What nodes had cost before the run began.
    #[serde(default)]
    before: Spent,
    record: Record,
}

impl World {
    /// The world of `setup` before its first event.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let derived = Derived::new(&setup);
        let (start, seed) = (setup.start, setup.seed);
        let rng = Rng::new(seed);
        let origin = Self::origin(&setup.there, start);
        let weather = weather(&setup);
        let now = if origin < start {
            calm()
        } else {
            weather.clone()
        };
        let mut fake = Fake::new(seed, groups(&setup.snapshot), now, origin);
        fake.forget();
        for shape in &derived.shapes {
            fake.set_price(&shape.instance_type, shape.capacity_type, shape.price);
        }
        for (market, steps) in capacity_steps(&setup, &derived) {
            fake.set_capacity(&market.0, &market.1, market.2, steps);
        }
        let simulation = &setup.simulation;
        let kinds = derived.kinds.iter().map(|_| Members::default()).collect();
        let record = Record::new(origin, simulation.duration);
        let machine = Machine::new(rng.split(1).next_u64(), Config::of(&setup.snapshot), origin);
        let mut world = Self {
            state: State {
                now: origin,
                ended: false,
                sequence: 0,
                agenda: BTreeMap::new(),
                machine,
                fake,
                commands: CommandQueue::new(origin, Settings::default()),
                machine_wake: None,
                next_pod: 0,
                pods: BTreeMap::new(),
                nodes: BTreeMap::new(),
                by_instance: BTreeMap::new(),
                billed: BTreeMap::new(),
                asked: BTreeMap::new(),
                kinds,
                services: Vec::new(),
                scalers: Vec::new(),
                next_job: 0,
                jobs: BTreeMap::new(),
                plan_at: None,
                batch_since: None,
                fresh: false,
                retry_at: None,
                aliases: BTreeMap::new(),
                changed: false,
                next_consolidation: None,
                observing: false,
                unwanted: Vec::new(),
                storm_rng: rng.split(2),
                before: Spent::default(),
                record,
                setup,
            },
            derived,
            shown: Shown::default(),
            freed: BTreeSet::new(),
            facts: None,
        };
        world.take_over(weather);
        world.begin();
        world
    }

    /// Puts the first events on the agenda.
    fn begin(&mut self) {
        let start = self.state.now;
        self.begin_services();
        self.begin_scalers();
        let simulation = self.state.setup.simulation.clone();
        for (stream, jobs) in simulation.jobs.iter().enumerate() {
            for (place, arrival) in jobs.arrivals.iter().enumerate() {
                self.at(start.plus(arrival.at), Due::Arrives(stream, place));
            }
        }
        for (at, storm) in simulation.spot_storms.iter().enumerate() {
            self.at(start.plus(storm.at), Due::Storm(at));
        }
        self.at(start, Due::Look);
        self.at(start.plus(self.state.record.step), Due::Sample);
        if self.consolidation().is_some() {
            self.at(start.plus(simulation.consolidate_every), Due::Consolidate);
        }
    }

    fn at(&mut self, when: Timestamp, due: Due) {
        self.state.sequence += 1;
        self.state.agenda.insert((when, self.state.sequence), due);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state.now
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.ended
    }

    /// How many events the world has gone through.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.state.record.world_events
    }

    /// Goes to the next thing that is due and does it. Returns whether there was one before the end of the run.
    pub fn step(&mut self) -> bool {
        let state = &self.state;
        let agenda = state.agenda.keys().next().map(|(at, _)| *at);
        let times = [
            agenda,
            state.fake.next_at(),
            state.machine_wake,
            state.plan_at,
            state.retry_at,
        ];
        let next = times
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(state.now));
        let Some(now) = next.filter(|next| *next <= state.setup.end && !state.ended) else {
            self.finish();
            return false;
        };
        self.state.now = now;
        self.state.record.world_events += 1;
        self.state.record.sum(now);
        self.state.fake.advance(now);
        self.hear();
        if agenda.is_some_and(|at| at <= now)
            && let Some((_, due)) = self.state.agenda.pop_first()
        {
            self.perform(due);
        } else if self.state.machine_wake.is_some_and(|at| at <= now) {
            self.tick_machine();
        } else if self.state.plan_at.is_some_and(|at| at <= now) {
            self.plan();
        } else if self.state.retry_at.is_some_and(|at| at <= now) {
            self.retry();
        }
        self.settle();
        true
    }

    fn perform(&mut self, due: Due) {
        match due {
            Due::Load(service) => self.load(service),
            Due::Scale(scaler) => self.scale(scaler),
            Due::Ready(pod) => self.pod_ready(pod),
            Due::Ended(pod) => self.pod_ended(pod),
            Due::Arrives(stream, place) => self.job_arrives(stream, place),
            Due::Requeue(job) => self.job_starts(job),
            Due::Done(job, epoch) => self.job_done(job, epoch),
            Due::Timeout(job, epoch) => self.job_times_out(job, epoch),
            Due::Look => {
                self.look();
                self.at(self.state.now.plus(LOOK_EVERY), Due::Look);
            }
            Due::Consolidate => {
                self.consolidate();
                self.at(self.state.now.plus(self.pace()), Due::Consolidate);
            }
            Due::Observe => self.observe_commands(),
            Due::Storm(at) => self.storm(at),
            Due::Sample => {
                self.sample();
                self.at(self.state.now.plus(self.state.record.step), Due::Sample);
            }
        }
    }

    /// What follows at once from what has just happened: pods are bound, and the planner's batch is opened or prolonged.
    fn settle(&mut self) {
        self.bind();
        self.gather();
    }

    /// Runs until `until` or the end of the run.
    pub fn run_until(&mut self, until: Timestamp) {
        while self.next_at().is_some_and(|next| next <= until) {
            if !self.step() {
                return;
            }
        }
    }

    /// When something happens next; `None` at the end of the run.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        let state = &self.state;
        let agenda = state.agenda.keys().next().map(|(at, _)| *at);
        let times = [
            agenda,
            state.fake.next_at(),
            state.machine_wake,
            state.plan_at,
            state.retry_at,
        ];
        let next = times
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(state.now));
        next.filter(|next| *next <= state.setup.end && !state.ended)
    }

    /// Runs to the end and tells what came of it.
    pub fn run(mut self) -> SimResult {
        while self.step() {}
        self.result()
    }

    /// Everything as JSON, from which [`resume`](Self::resume) goes on.
    ///
    /// # Panics
    /// Never: a state has no map whose keys are not text.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        serde_json::to_vec(&self.state)
            .expect("a state has no map whose keys are not text, and no number that is not finite")
    }

    /// The world that was saved.
    ///
    /// # Errors
    /// If `saved` is not what [`save`](Self::save) gave.
    pub fn resume(saved: &[u8]) -> Result<Self, serde_json::Error> {
        let state: State = serde_json::from_slice(saved)?;
        let derived = Derived::new(&state.setup);
        Ok(Self {
            state,
            derived,
            shown: Shown::default(),
            freed: BTreeSet::new(),
            facts: None,
        })
    }

    /// From now on everything that happens is written down for [`take_facts`](Self::take_facts), the pods that a world begins with
    /// nodes and pods that a world begins with included if it has not taken a step yet.
    pub fn tell_facts(&mut self) {
        let fresh = self.state.record.world_events == 0;
        self.facts = Some(if fresh { self.begun() } else { Vec::new() });
    }

    /// What happened since the last call, in order; empty without [`tell_facts`](Self::tell_facts).
    pub fn take_facts(&mut self) -> Vec<Fact> {
        self.facts.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn say(&mut self, fact: impl FnOnce() -> Fact) {
        if let Some(facts) = &mut self.facts {
            facts.push(fact());
        }
    }
}

/// Weather in which nodes come at once and nothing happens to them.
fn calm() -> Weather {
    Weather {
        launch: Span::ZERO,
        script: Span::ZERO,
        join: Span::ZERO,
        initialize: Span::ZERO,
        ..Weather::default()
    }
}

fn weather(setup: &Setup) -> Weather {
    let life = setup.simulation.nodes;
    Weather {
        launch: life.launch,
        script: life.lifecycle_script,
        join: life.join,
        initialize: life.initialize,
        script_fails: life.script_fails,
        never_joins: life.never_joins,
        breaks: life.breaks,
        reclaimed: life.reclaimed,
        without_notice: life.without_notice,
        trouble_within: life.trouble_within,
        ..Weather::default()
    }
}

type Market = (Name, Name, crate::model::instance_type::CapacityType);

/// How many instances each market has from when on.
fn capacity_steps(setup: &Setup, derived: &Derived) -> BTreeMap<Market, Vec<(Timestamp, u32)>> {
    let mut markets: BTreeMap<Market, Vec<(Timestamp, u32)>> = BTreeMap::new();
    for shape in &derived.shapes {
        let windows = setup.simulation.capacity.iter().filter(|window| {
            window
                .instance_type
                .as_ref()
                .is_none_or(|name| *name == shape.instance_type)
                && window.zone.as_ref().is_none_or(|zone| *zone == shape.zone)
                && window
                    .capacity_type
                    .is_none_or(|kind| kind == shape.capacity_type)
        });
        let windows: Vec<_> = windows.collect();
        if windows.is_empty() {
            continue;
        }
        let mut moments: Vec<Span> = windows
            .iter()
            .flat_map(|window| [window.from, window.to])
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let least = |at: Span| {
            let open = windows
                .iter()
                .filter(|window| window.from <= at && at < window.to);
            open.map(|window| window.available)
                .min()
                .unwrap_or(u32::MAX)
        };
        let steps = moments
            .into_iter()
            .map(|at| (setup.start.plus(at), least(at)));
        let market = (
            Name::clone(&shape.instance_type),
            Name::clone(&shape.zone),
            shape.capacity_type,
        );
        markets.insert(market, steps.collect());
    }
    markets
}
