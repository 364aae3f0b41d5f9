//! The controller of a rehearsal: carries messages between the machine and the fake, badly.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::{Checks, Violation};
use super::world::{Blow, Market, START, World, edit};
use super::{Broken, Figures, Options, stored_and_read};
use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::plan::PlannedClaim;
use crate::provisioning::api::{AddRequest, DeleteRequest};
use crate::provisioning::config::Config;
use crate::provisioning::ids::{CallId, NodeId};
use crate::provisioning::input::{AcceptedPlan, Listing, Removal};
use crate::provisioning::output::Launch;
use crate::provisioning::{Input, Machine, Output};
use crate::sim::hyperpod::Weather;

/// A run with more steps than this does not end.
const MAX_STEPS: u64 = 50_000;

/// What will happen on the way between the machine and the fake.
pub(super) enum Task {
    Give(Box<Input>),
    Add(CallId, AddRequest, Vec<Launch>),
    Delete(CallId, DeleteRequest),
    Register(Name),
    Drain(Name),
    Plan(Vec<PlannedClaim>),
    PlanAgain(Vec<Name>),
    Blow(Blow),
    Describe,
    List,
    Calm,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Storm,
    Calm(Timestamp),
    CleanUp(Timestamp),
}

pub(super) struct Driver {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) world: World,
    pub(super) machine: Machine,
    pub(super) checks: Checks,
    pub(super) figures: Figures,
    pub(super) now: Timestamp,
    pub(super) agenda: BTreeMap<(Timestamp, u64), Task>,
    pub(super) sequence: u64,
    pub(super) act: Act,
    /// The watch gives what happens to Nodes in order.
    pub(super) watched_until: Timestamp,
    pub(super) wake: Option<Timestamp>,
    /// Pool of each pod, and all pods in order.
    pub(super) pods: BTreeMap<Name, usize>,
    pub(super) withdrawn: BTreeSet<Name>,
    /// Nodes on their way, and the pods on those that are ready.
    pub(super) starting: Vec<NodeId>,
    pub(super) bound: BTreeMap<NodeId, Vec<Name>>,
    /// Markets that pods could not have when they were handed back last, and whether a limit was the reason.
    pub(super) refused: BTreeMap<Name, BTreeMap<Market, bool>>,
    pub(super) released: BTreeSet<Name>,
    /// Every output as JSON, for tests.
    pub(super) trace: Option<Vec<u8>>,
}

impl Driver {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut world = World::new(seed);
        let start = Timestamp::from_millis(START);
        let machine = Machine::new(seed, world.config.clone(), start);
        let plans = std::mem::take(&mut world.plans);
        let blows = std::mem::take(&mut world.blows);
        let calm_at = world.calm_at;
        let mut driver = Self {
            seed,
            options,
            rng: Rng::new(seed).split(2),
            world,
            machine,
            checks: Checks::default(),
            figures: Figures::default(),
            now: start,
            agenda: BTreeMap::new(),
            sequence: 0,
            act: Act::Storm,
            watched_until: start,
            wake: None,
            pods: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            starting: Vec::new(),
            bound: BTreeMap::new(),
            refused: BTreeMap::new(),
            released: BTreeSet::new(),
            trace: None,
        };
        driver.at(start, Task::Describe);
        driver.at(start, Task::List);
        driver.at(calm_at, Task::Calm);
        for (when, claims) in plans {
            for claim in &claims {
                let pools = &driver.world.pools;
                let pool = pools.iter().position(|pool| pool.name == claim.node_pool);
                for pod in &claim.pods {
                    driver.pods.insert(Name::clone(pod), pool.unwrap_or(0));
                }
            }
            driver.at(when, Task::Plan(claims));
        }
        for (when, blow) in blows {
            driver.at(when, Task::Blow(blow));
        }
        driver
    }

    pub(super) fn run(mut self) -> Result<Figures, Box<Broken>> {
        match self.play() {
            Ok(()) => Ok(self.figures),
            Err(violation) => Err(Box::new(Broken {
                seed: self.seed,
                step: self.figures.steps,
                at: self.now,
                crash: self.options.crash,
                violation,
            })),
        }
    }

    pub(super) fn play(&mut self) -> Result<(), Violation> {
        self.figures.runs = 1;
        loop {
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let fake = self.world.fake.next_at();
            let times = [next, fake, self.wake];
            let Some(now) = times.into_iter().flatten().min() else {
                return Err(Violation::Left("nothing happens any more".to_owned()));
            };
            self.now = self.now.max(now);
            self.world.fake.advance(self.now);
            self.hear();
            self.checks.removed(self.world.fake.take_removed());
            if next.is_some_and(|at| at <= self.now)
                && let Some((_, task)) = self.agenda.pop_first()
            {
                if self.perform(task)? {
                    return Ok(());
                }
            } else if self.wake.is_some_and(|at| at <= self.now) {
                self.give(Input::Tick)?;
            }
            if self.figures.steps > MAX_STEPS {
                return Err(Violation::Endless(self.figures.steps));
            }
        }
    }

    pub(super) fn at(&mut self, when: Timestamp, task: Task) {
        self.sequence += 1;
        self.agenda.insert((when, self.sequence), task);
    }

    /// A time from now, up to `longest` milliseconds away.
    pub(super) fn within(&mut self, longest: u64) -> Timestamp {
        let wait = i64::try_from(self.rng.below(longest) + 1).unwrap_or(1);
        self.now.plus(Span::from_millis(wait))
    }

    pub(super) fn chance(&mut self, in_thousand: u32) -> bool {
        self.act == Act::Storm && in_thousand > 0 && self.rng.below(1000) < u64::from(in_thousand)
    }

    /// Whether the run is over.
    pub(super) fn perform(&mut self, task: Task) -> Result<bool, Violation> {
        match task {
            Task::Give(input) => self.give(*input)?,
            Task::Add(call, request, launches) => self.add_arrives(call, &request, &launches),
            Task::Delete(call, request) => self.delete_arrives(call, &request),
            Task::Register(instance) => self.world.fake.register(&instance),
            Task::Drain(instance) => self.world.fake.drain(&instance, Span::from_secs(60)),
            Task::Plan(mut claims) => {
                // A restarted controller may have planned them already.
                let placed = self.placed();
                for claim in &mut claims {
                    claim
                        .pods
                        .retain(|pod| !self.withdrawn.contains(pod) && !placed.contains(pod));
                }
                claims.retain(|claim| !claim.pods.is_empty());
                let plan = AcceptedPlan::of(claims, self.now);
                let at = self.within(10_000);
                self.at(at, Task::Give(Box::new(Input::Plan(plan))));
            }
            Task::PlanAgain(pods) => self.plan_again(&pods),
            Task::Blow(blow) => self.blow(blow)?,
            Task::Describe => {
                let record = self.world.fake.describe();
                let at = self.within(2_000);
                self.at(at, Task::Give(Box::new(Input::Cluster(Box::new(record)))));
                let next = self.now.plus(Span::from_secs(60)).max(self.within(180_000));
                self.at(next, Task::Describe);
            }
            Task::List => {
                if !self.chance(self.world.trouble.listing_lost) {
                    self.list();
                }
                let next = self
                    .now
                    .plus(Span::from_secs(100))
                    .max(self.within(240_000));
                self.at(next, Task::List);
                self.checks
                    .audit(&self.machine, &self.world.fake, self.now)?;
                return self.look_around();
            }
            Task::Calm => {
                self.act = Act::Calm(self.now);
                self.world.fake.set_weather(Weather::default());
                self.world.fake.lift_quotas();
                self.reconfigure(self.world.lasting.clone())?;
            }
        }
        Ok(false)
    }

    /// The nodes come on one page, or on two.
    fn list(&mut self) {
        let mut records = self.world.fake.list();
        let mut at = self.within(10_000);
        if self.rng.below(4) == 0 {
            let first = self.rng.below(records.len() as u64 + 1);
            let rest = records.split_off(usize::try_from(first).unwrap_or(0));
            let page = Listing::new(self.now, records, false);
            self.at(at, Task::Give(Box::new(Input::Listing(page))));
            records = rest;
            at = at.max(self.within(20_000));
        }
        let listing = Listing::new(self.now, records, true);
        self.at(at, Task::Give(Box::new(Input::Listing(listing))));
    }

    fn reconfigure(&mut self, config: Config) -> Result<(), Violation> {
        if config == self.world.config {
            return Ok(());
        }
        self.world.config = config.clone();
        self.give(Input::Config(Box::new(config)))
    }

    fn blow(&mut self, blow: Blow) -> Result<(), Violation> {
        match blow {
            Blow::GroupStatus(group, status) => self.world.fake.set_group_status(&group, status),
            Blow::MinCount(group, count) => self.world.fake.set_min_count(&group, count),
            Blow::Autoscaling(status) => self.world.fake.set_autoscaling(status),
            Blow::Withdraw(at) => {
                if let Some(pod) = self.pods.keys().nth(at).cloned() {
                    self.withdrawn.insert(Name::clone(&pod));
                    self.checks.withdrawn(&pod);
                    self.give(Input::Withdraw(vec![pod]))?;
                }
            }
            Blow::Remove(which) => {
                let count = self.machine.nodes().count() as u64;
                let at = usize::try_from(Rng::new(which).below(count)).unwrap_or(0);
                let chosen = self.machine.nodes().nth(at).map(|node| node.id);
                if let Some(id) = chosen {
                    self.give(Input::Remove(Removal::new(vec![id], "drifted")))?;
                    let pods = self.bound.get(&id).cloned().unwrap_or_default();
                    self.later_plan_again(pods);
                }
            }
            Blow::Edit(seed) => {
                let mut config = self.world.config.clone();
                edit(&mut config, seed);
                self.reconfigure(config)?;
            }
        }
        Ok(())
    }

    /// Gives the machine an input, carries out what it asks for, and checks it all.
    pub(super) fn give(&mut self, input: Input) -> Result<(), Violation> {
        self.note(&input);
        self.figures.steps += 1;
        self.machine.handle(input, self.now);
        if self.options.crash && self.rng.below(24) == 0 {
            self.figures.crashes += 1;
            self.machine = stored_and_read(&self.machine).map_err(Violation::Stored)?;
        }
        let mut outputs = self.drain()?;
        if self.options.crash && self.rng.below(60) == 0 {
            outputs = self.restart(outputs)?;
        }
        for output in outputs {
            self.carry_out(output)?;
        }
        self.observe_ready();
        self.checks.leaks(&self.machine, &self.world.fake)?;
        match self.world.fake.violations().first() {
            Some(text) => Err(Violation::Request(text.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn drain(&mut self) -> Result<Vec<Output>, Violation> {
        let mut outputs = Vec::new();
        loop {
            match self.machine.poll() {
                Output::Wake { at, .. } if at <= self.now => return Err(Violation::Wake(at)),
                Output::Wake { at, .. } => {
                    self.wake = Some(at);
                    return Ok(outputs);
                }
                Output::Idle => {
                    self.wake = None;
                    return Ok(outputs);
                }
                output @ (Output::Add { .. }
                | Output::Delete { .. }
                | Output::Register { .. }
                | Output::Drain { .. }
                | Output::Replan(_)
                | Output::Notice(_)
                | Output::Status(_)
                | Output::Release { .. }) => outputs.push(output),
            }
        }
    }

    /// The controller stops after storing the machine: some of what it was to do is done, some is not, answers on their
    /// way find nobody; then it starts again and plans all pods that have no node.
    fn restart(&mut self, outputs: Vec<Output>) -> Result<Vec<Output>, Violation> {
        self.figures.crashes += 1;
        let done = usize::try_from(self.rng.below(outputs.len() as u64 + 1)).unwrap_or(0);
        for (at, output) in outputs.into_iter().enumerate() {
            if at < done {
                self.carry_out(output)?;
            } else if let Output::Add {
                call,
                request,
                launches,
            } = output
            {
                // Decided now, whenever it is sent.
                self.asked(call, &request, &launches)?;
            }
        }
        self.agenda.retain(
            |_, task| !matches!(task, Task::Give(input) if matches!(**input, Input::Answer(..))),
        );
        self.machine = stored_and_read(&self.machine).map_err(Violation::Stored)?;
        self.machine.handle(Input::Restarted, self.now);
        let outputs = self.drain()?;
        self.observe_ready();
        let placed = self.placed();
        let pending: Vec<Name> = self
            .pods
            .keys()
            .filter(|pod| !placed.contains(pod))
            .cloned()
            .collect();
        self.later_plan_again(pending);
        Ok(outputs)
    }

    #[cfg(test)]
    pub(super) fn figures(&self) -> Figures {
        self.figures
    }
}
