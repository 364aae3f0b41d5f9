//! The controller of a rehearsal: carries messages between the machine and the fake, badly.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::{Checks, Violation};
use super::world::{Blow, START, World, claim};
use super::{Broken, Figures, Options, stored_and_read};
use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::plan::PlannedClaim;
use crate::provisioning::api::{AddRequest, CallError, DeleteRequest, Outcome};
use crate::provisioning::events::EventKind;
use crate::provisioning::ids::{CallId, NodeId};
use crate::provisioning::input::{AcceptedPlan, Listing, Removal};
use crate::provisioning::node::Phase;
use crate::provisioning::output::{Launch, Replan, Unavailability};
use crate::provisioning::{Input, Machine, Output};
use crate::sim::hyperpod::{Signal, Weather};

/// A run with more steps than this does not end.
const MAX_STEPS: u64 = 50_000;
/// By when after the trouble all must have come right, and by when after that all must be gone.
const PATIENCE: Span = Span::from_secs(3 * 3600);

/// What will happen on the way between the machine and the fake.
enum Task {
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
enum Act {
    Storm,
    Calm(Timestamp),
    CleanUp(Timestamp),
}

pub(super) struct Driver {
    seed: u64,
    options: Options,
    rng: Rng,
    world: World,
    machine: Machine,
    checks: Checks,
    figures: Figures,
    now: Timestamp,
    agenda: BTreeMap<(Timestamp, u64), Task>,
    sequence: u64,
    act: Act,
    /// The watch gives what happens to Nodes in order.
    watched_until: Timestamp,
    wake: Option<Timestamp>,
    /// Pool of each pod, and all pods in order.
    pods: BTreeMap<Name, usize>,
    withdrawn: BTreeSet<Name>,
    /// Nodes on their way, and the pods on those that are ready.
    starting: Vec<NodeId>,
    bound: BTreeMap<NodeId, Vec<Name>>,
    /// Why pods were handed back last.
    handed_back: BTreeMap<Name, Vec<Unavailability>>,
    released: BTreeSet<Name>,
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
            handed_back: BTreeMap::new(),
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

    fn at(&mut self, when: Timestamp, task: Task) {
        self.sequence += 1;
        self.agenda.insert((when, self.sequence), task);
    }

    /// A time from now, up to `longest` milliseconds away.
    fn within(&mut self, longest: u64) -> Timestamp {
        let wait = i64::try_from(self.rng.below(longest) + 1).unwrap_or(1);
        self.now.plus(Span::from_millis(wait))
    }

    fn chance(&mut self, in_thousand: u32) -> bool {
        self.act == Act::Storm && in_thousand > 0 && self.rng.below(1000) < u64::from(in_thousand)
    }

    /// Puts what the fake lets be known on its way.
    fn hear(&mut self) {
        while let Some(signal) = self.world.fake.signal() {
            match signal {
                Signal::Kube(event) => {
                    let at = self.within(3_000).max(self.watched_until);
                    self.watched_until = at;
                    self.at(at, Task::Give(Box::new(Input::Kube(event))));
                }
                Signal::Event(event) => {
                    if self.chance(self.world.trouble.event_lost) {
                        continue;
                    }
                    if self.chance(self.world.trouble.event_doubled) {
                        let at = self.within(120_000);
                        self.at(at, Task::Give(Box::new(Input::Event(event.clone()))));
                    }
                    let at = self.within(20_000);
                    self.at(at, Task::Give(Box::new(Input::Event(event))));
                }
            }
        }
    }

    /// Whether the run is over.
    fn perform(&mut self, task: Task) -> Result<bool, Violation> {
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
                    let records = self.world.fake.list();
                    let listing = Listing::new(self.now, records, true);
                    let at = self.within(10_000);
                    self.at(at, Task::Give(Box::new(Input::Listing(listing))));
                }
                let next = self
                    .now
                    .plus(Span::from_secs(100))
                    .max(self.within(240_000));
                self.at(next, Task::List);
                return self.look_around();
            }
            Task::Calm => {
                self.act = Act::Calm(self.now);
                self.world.fake.set_weather(Weather::default());
                self.world.fake.lift_quotas();
            }
        }
        Ok(false)
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
        }
        Ok(())
    }

    fn add_arrives(&mut self, call: CallId, request: &AddRequest, launches: &[Launch]) {
        let answer = self.world.fake.add(request);
        self.checks.added(launches, answer.as_ref().ok());
        let outcome = answer.map_or_else(Outcome::Failed, Outcome::Added);
        self.answer(call, outcome);
    }

    fn delete_arrives(&mut self, call: CallId, request: &DeleteRequest) {
        let answer = self.world.fake.delete(request);
        let outcome = answer.map_or_else(Outcome::Failed, Outcome::Deleted);
        self.answer(call, outcome);
    }

    fn answer(&mut self, call: CallId, outcome: Outcome) {
        if self.chance(self.world.trouble.answer_lost) {
            return self.no_answer(call);
        }
        let at = self.within(2_000);
        self.at(at, Task::Give(Box::new(Input::Answer(call, outcome))));
    }

    /// Sometimes the controller notices that nothing came back, sometimes it says nothing.
    fn no_answer(&mut self, call: CallId) {
        if self.rng.below(2) == 0 {
            let at = self.within(30_000);
            let outcome = Outcome::Failed(CallError::NoAnswer);
            self.at(at, Task::Give(Box::new(Input::Answer(call, outcome))));
        }
    }

    /// Puts a call on its way; `None` if it never arrives.
    fn send(&mut self, call: CallId) -> Option<Timestamp> {
        let trouble = self.world.trouble;
        let error = if self.chance(trouble.throttled) {
            CallError::Throttled
        } else if self.chance(trouble.internal) {
            CallError::Internal(Name::from("try again"))
        } else if self.chance(trouble.call_lost) {
            self.no_answer(call);
            return None;
        } else {
            return Some(self.within(2_000));
        };
        let at = self.within(1_000);
        let outcome = Outcome::Failed(error);
        self.at(at, Task::Give(Box::new(Input::Answer(call, outcome))));
        None
    }

    /// Gives the machine an input, carries out what it asks for, and checks it all.
    fn give(&mut self, input: Input) -> Result<(), Violation> {
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
        match self.world.fake.violations().first() {
            Some(text) => Err(Violation::Request(text.clone())),
            None => Ok(()),
        }
    }

    fn drain(&mut self) -> Result<Vec<Output>, Violation> {
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

    /// What the checks have to know of what the machine is told.
    fn note(&mut self, input: &Input) {
        match input {
            Input::Cluster(record) => {
                self.checks.in_service = record.autoscaling_status.as_deref() == Some("InService");
            }
            Input::Kube(event) => self.checks.told(&event.instance_id, event.change),
            Input::Event(event) => {
                let logical = event.node_logical_id.as_ref();
                let node = logical.and_then(|logical| self.machine.by_logical_id(logical));
                let Some(node) = node else { return };
                let Some(offering) = self.machine.offering(node) else {
                    return;
                };
                let market = (
                    Name::clone(&offering.instance_type),
                    Name::clone(&offering.zone),
                    offering.capacity_type,
                );
                let then = event.event_time;
                let logical = &node.logical_id.clone().unwrap_or_else(|| Name::from(""));
                match event.kind() {
                    EventKind::InsufficientCapacity if node.phase == Phase::Accepted => {
                        self.checks.market_failed(logical, market, then, self.now);
                    }
                    EventKind::LifecycleStarted | EventKind::LifecycleSucceeded => {
                        self.checks.market_works(logical, &market, then);
                    }
                    EventKind::LifecycleFailed
                    | EventKind::Terminating
                    | EventKind::InstanceFailed => self.checks.instance_ended(logical, then),
                    EventKind::InsufficientCapacity
                    | EventKind::Group
                    | EventKind::Cluster
                    | EventKind::Unknown => {}
                }
            }
            Input::Listing(listing) => {
                for record in listing.records.iter().filter(|r| r.instance_id.is_some()) {
                    let node = self.machine.by_logical_id(&record.node_logical_id);
                    if let Some(offering) = node.and_then(|n| self.machine.offering(n)) {
                        let market = (
                            Name::clone(&offering.instance_type),
                            Name::clone(&offering.zone),
                            offering.capacity_type,
                        );
                        let logical = &record.node_logical_id;
                        self.checks.market_works(logical, &market, listing.began);
                    }
                }
            }
            Input::Tick
            | Input::Config(_)
            | Input::Plan(_)
            | Input::Withdraw(_)
            | Input::Remove(_)
            | Input::Answer(..)
            | Input::Restarted => {}
        }
    }

    fn carry_out(&mut self, output: Output) -> Result<(), Violation> {
        if let Some(trace) = &mut self.trace {
            serde_json::to_writer(trace, &output).map_err(|e| Violation::Stored(e.to_string()))?;
        }
        let mark = match output {
            Output::Add {
                call,
                request,
                launches,
            } => {
                self.asked(call, &request, &launches)?;
                let mark = call.number() * 64 + launches.len() as u64;
                if let Some(at) = self.send(call) {
                    self.at(at, Task::Add(call, request, launches));
                }
                mark
            }
            Output::Delete { call, request } => {
                self.checks.delete(&self.machine, &request, self.now)?;
                if let Some(at) = self.send(call) {
                    self.at(at, Task::Delete(call, request));
                }
                call.number()
            }
            Output::Register {
                node, instance_id, ..
            } => {
                let at = self.within(3_000);
                self.at(at, Task::Register(instance_id));
                node.number()
            }
            Output::Drain {
                node,
                instance_id,
                until,
                ..
            } => {
                self.checks.drain(&instance_id, until);
                let at = self.within(3_000);
                self.at(at, Task::Drain(instance_id));
                node.number()
            }
            Output::Replan(replan) => self.replan(replan),
            Output::Release { name, .. } => {
                self.released.insert(name);
                1
            }
            Output::Notice(notice) => notice.message.len() as u64,
            Output::Status(status) => status.conditions.len() as u64,
            Output::Wake { .. } | Output::Idle => 0,
        };
        let time = u64::try_from(self.now.as_millis()).unwrap_or(0);
        let digest =
            (self.figures.digest ^ mark ^ time.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.figures.digest = digest ^ (digest >> 29);
        Ok(())
    }

    /// Checks what the machine asks for.
    fn asked(
        &mut self,
        call: CallId,
        request: &AddRequest,
        launches: &[Launch],
    ) -> Result<(), Violation> {
        let (machine, config) = (&self.machine, &self.world.config);
        self.checks
            .add(machine, config, call, request, launches, self.now)?;
        for launch in launches {
            if !self.starting.contains(&launch.node) {
                self.starting.push(launch.node);
                self.figures.launches += 1;
            }
        }
        Ok(())
    }

    fn replan(&mut self, replan: Replan) -> u64 {
        self.figures.handed_back += 1;
        let reasons: Vec<Unavailability> = replan.without.into_iter().map(|(_, r)| r).collect();
        let mut pods = replan.pods;
        for pod in &pods {
            self.handed_back.insert(Name::clone(pod), reasons.clone());
        }
        if let Some(node) = replan.node {
            pods.extend(self.bound.get(&node).cloned().unwrap_or_default());
        }
        let mark = pods.len() as u64;
        self.later_plan_again(pods);
        mark
    }

    fn later_plan_again(&mut self, pods: Vec<Name>) {
        if !pods.is_empty() && !matches!(self.act, Act::CleanUp(_)) {
            let at = self.within(5_000);
            self.at(at, Task::PlanAgain(pods));
        }
    }

    /// The planner: each pool's pods on one node of what is not known to be unavailable.
    fn plan_again(&mut self, pods: &[Name]) {
        if matches!(self.act, Act::CleanUp(_)) {
            return;
        }
        let unavailable = self.machine.unavailable();
        let placed = self.placed();
        let (mut claims, mut nowhere) = (Vec::new(), Vec::new());
        for (at, pool) in self.world.pools.iter().enumerate() {
            let of_pool: Vec<Name> = pods
                .iter()
                .filter(|pod| {
                    self.pods.get(*pod) == Some(&at)
                        && !self.withdrawn.contains(*pod)
                        && !placed.contains(*pod)
                })
                .cloned()
                .collect();
            if of_pool.is_empty() {
                continue;
            }
            let offerings: Vec<_> = pool
                .offerings
                .iter()
                .filter(|o| {
                    !unavailable.iter().any(|(not, _)| {
                        Some(&not.instance_group) == o.instance_group.as_ref()
                            && not.instance_type == o.instance_type
                            && not.zone == o.zone
                    })
                })
                .cloned()
                .collect();
            if offerings.is_empty() {
                nowhere.extend(of_pool);
            } else {
                claims.extend(claim(pool, &offerings, of_pool));
            }
        }
        // Pods that nothing can be planned for are planned again after a while.
        if !nowhere.is_empty() {
            let at = self.now.plus(Span::from_secs(30)).max(self.within(60_000));
            self.at(at, Task::PlanAgain(nowhere));
        }
        if !claims.is_empty() {
            let plan = AcceptedPlan::of(claims, self.now);
            let at = self.within(10_000);
            self.at(at, Task::Give(Box::new(Input::Plan(plan))));
        }
    }

    /// Pods run on nodes that have become ready.
    fn observe_ready(&mut self) {
        let machine = &self.machine;
        let (bound, figures) = (&mut self.bound, &mut self.figures);
        self.starting.retain(|id| match machine.node(*id) {
            Some(node) if node.phase == Phase::Initialized && node.order.is_none() => {
                if !node.pods.is_empty() {
                    figures.ready += 1;
                    bound.insert(*id, node.pods.clone());
                }
                // A spare one may still be taken.
                node.pods.is_empty() && !node.is_leaving()
            }
            Some(_) => true,
            None => false,
        });
    }

    /// From time to time: is anything leaked, and has all come right?
    fn look_around(&mut self) -> Result<bool, Violation> {
        match self.act {
            Act::Storm => Ok(false),
            Act::Calm(since) => {
                let waiting = self.without_node();
                if waiting.is_none() && self.machine.nodes().all(|n| !n.is_in_flight()) {
                    self.checks.leaks(&self.machine, &self.world.fake)?;
                    self.clean_up()?;
                } else if self.now.since(since) > PATIENCE {
                    let (pod, why) = waiting.unwrap_or_else(|| {
                        (
                            Name::from("nobody"),
                            "nodes are still on their way".to_owned(),
                        )
                    });
                    return Err(Violation::Unfulfilled(pod, PATIENCE, why));
                }
                Ok(false)
            }
            Act::CleanUp(since) => {
                let left = self.machine.nodes().count();
                let ours = self.checks.ours.iter();
                let wanted = ours.filter(|id| self.world.fake.is_wanted(id)).count();
                if left == 0 && wanted == 0 {
                    self.settle_up()?;
                    return Ok(true);
                }
                if self.now.since(since) > PATIENCE {
                    return Err(Violation::Left(format!(
                        "{left} nodes in the machine, {wanted} in the fake"
                    )));
                }
                Ok(false)
            }
        }
    }

    /// Pods on nodes that stay.
    fn placed(&self) -> BTreeSet<&Name> {
        self.bound
            .iter()
            .filter(|(id, _)| self.machine.node(**id).is_some_and(|n| !n.is_leaving()))
            .flat_map(|(_, pods)| pods)
            .collect()
    }

    /// A pod that has no node and should: limits do not forbid it.
    fn without_node(&self) -> Option<(Name, String)> {
        let placed = self.placed();
        self.pods
            .keys()
            .find(|pod| {
                let refused = self.handed_back.get(*pod).is_some_and(|reasons| {
                    !reasons.is_empty()
                        && reasons
                            .iter()
                            .all(|r| matches!(r, Unavailability::Guard(_)))
                });
                !placed.contains(pod) && !self.withdrawn.contains(*pod) && !refused
            })
            .map(|pod| {
                let why = self.handed_back.get(pod);
                (Name::clone(pod), format!("{why:?}"))
            })
    }

    fn clean_up(&mut self) -> Result<(), Violation> {
        self.act = Act::CleanUp(self.now);
        let mut config = self.world.config.clone();
        for pool in &mut config.pools {
            pool.deleted = true;
        }
        for class in &mut config.classes {
            class.deleted = true;
        }
        self.world.config = config.clone();
        self.give(Input::Config(Box::new(config)))
    }

    /// Everything is gone: finalizers too, and the books are right once all events are known.
    fn settle_up(&mut self) -> Result<(), Violation> {
        for event in self.world.fake.event_log().to_vec() {
            self.machine.handle(Input::Event(event), self.now);
        }
        self.drain()?;
        if let Some(pool) = self
            .world
            .config
            .pools
            .iter()
            .find(|p| !self.released.contains(&p.name))
        {
            return Err(Violation::Left(format!("the finalizer of {}", pool.name)));
        }
        self.checks
            .ledger(&self.machine, &self.world.fake, self.now)
    }

    #[cfg(test)]
    pub(super) fn figures(&self) -> Figures {
        self.figures
    }
}
