//! A controller in a few lines: the machine and the fake, with nothing going wrong in between.
//!
//! Read it to see what a controller has to do; replace the fake's calls by the real ones and it is one.

use crate::base::time::{Span, Timestamp};
use crate::plan::PlannedClaim;
use crate::provisioning::api::Outcome;
use crate::provisioning::input::{AcceptedPlan, Listing};
use crate::provisioning::output::Replan;
use crate::provisioning::{Input, Machine, Output};
use crate::sim::hyperpod::{Fake, Signal};

/// How often the cluster is described and listed.
const LOOK_EVERY: Span = Span::from_secs(60);
/// How long evictions take at most.
const EVICTION: Span = Span::from_secs(30);

/// Drives a machine against the fake in virtual time.
#[derive(Debug)]
pub struct Pilot {
    /// The machine.
    pub machine: Machine,
    /// The fake.
    pub fake: Fake,
    /// Everything that the machine asked for, with the time.
    pub trace: Vec<(Timestamp, Output)>,
    /// Pods that came back and have not been planned again.
    pub replans: Vec<Replan>,
    now: Timestamp,
    next_look: Timestamp,
    wake: Option<Timestamp>,
}

impl Pilot {
    /// Starts at the fake's time.
    #[must_use]
    pub fn new(machine: Machine, fake: Fake) -> Self {
        let now = fake.now();
        let mut pilot = Self {
            machine,
            fake,
            trace: Vec::new(),
            replans: Vec::new(),
            now,
            next_look: now,
            wake: None,
        };
        pilot.look();
        pilot
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Accepts a plan that was made just now.
    pub fn plan(&mut self, claims: Vec<PlannedClaim>) {
        self.give(Input::Plan(AcceptedPlan::of(claims, self.now)));
    }

    /// Describes the cluster and lists its nodes.
    pub fn look(&mut self) {
        self.next_look = self.now.plus(LOOK_EVERY);
        self.give(Input::Cluster(Box::new(self.fake.describe())));
        let records = self.fake.list();
        self.give(Input::Listing(Listing::new(self.now, records, true)));
    }

    /// Tells the machine something and carries out what it asks for.
    pub fn give(&mut self, input: Input) {
        self.machine.handle(input, self.now);
        loop {
            let output = self.machine.poll();
            match &output {
                Output::Wake { at, .. } => {
                    self.wake = Some(*at);
                    return;
                }
                Output::Idle => {
                    self.wake = None;
                    return;
                }
                Output::Add { call, request, .. } => {
                    let answer = self.fake.add(request);
                    let outcome = answer.map_or_else(Outcome::Failed, Outcome::Added);
                    self.machine.handle(Input::Answer(*call, outcome), self.now);
                }
                Output::Delete { call, request } => {
                    let answer = self.fake.delete(request);
                    let outcome = answer.map_or_else(Outcome::Failed, Outcome::Deleted);
                    self.machine.handle(Input::Answer(*call, outcome), self.now);
                }
                Output::Register { instance_id, .. } => self.fake.register(instance_id),
                Output::Drain { instance_id, .. } => self.fake.drain(instance_id, EVICTION),
                Output::Replan(replan) => self.replans.push(replan.clone()),
                Output::Notice(_) | Output::Status(_) | Output::Release { .. } => {}
            }
            self.trace.push((self.now, output));
        }
    }

    /// Lets time pass until `until`, or until `done` says so after some step.
    pub fn run(&mut self, until: Timestamp, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            while let Some(signal) = self.fake.signal() {
                self.give(match signal {
                    Signal::Event(event) => Input::Event(event),
                    Signal::Kube(event) => Input::Kube(event),
                });
            }
            let next = [self.fake.next_at(), self.wake, Some(self.next_look)];
            let next = next.into_iter().flatten().min().unwrap_or(until);
            if next > until {
                self.now = self.now.max(until);
                self.fake.advance(self.now);
                return;
            }
            self.now = self.now.max(next);
            self.fake.advance(self.now);
            if self.now >= self.next_look {
                self.look();
            }
            self.give(Input::Tick);
        }
    }
}
