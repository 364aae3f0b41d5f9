//! What happens between the machine and the fake: requests, answers and news on their way, and what the checks have to know
//! of them.

use super::checks::Violation;
use super::driver::{Driver, Task};
use crate::base::time::Timestamp;
use crate::model::resources::Name;
use crate::provisioning::api::{AddRequest, CallError, DeleteRequest, Outcome};
use crate::provisioning::events::EventKind;
use crate::provisioning::ids::CallId;
use crate::provisioning::node::Phase;
use crate::provisioning::output::Launch;
use crate::provisioning::{Input, Output};
use crate::sim::hyperpod::Signal;

impl Driver {
    /// Puts what the fake lets be known on its way.
    pub(super) fn hear(&mut self) {
        while let Some(signal) = self.world.fake.signal() {
            match signal {
                Signal::Kube(event) => {
                    let at = self.within(3_000).max(self.watched_until);
                    self.watched_until = at;
                    self.at(at, Task::Give(Box::new(Input::Kube(event))));
                }
                Signal::Event(event) => {
                    let at = self.within(20_000);
                    self.at(at, Task::Give(Box::new(Input::Event(event))));
                }
            }
        }
    }

    pub(super) fn add_arrives(&mut self, call: CallId, request: &AddRequest, launches: &[Launch]) {
        let answer = self.world.fake.add(request);
        // A throttled call is repeated as it is: it still asks for its nodes.
        if !matches!(answer, Err(CallError::Throttled)) {
            self.checks.added(request, launches, answer.as_ref().ok());
        }
        let outcome = answer.map_or_else(Outcome::Failed, Outcome::Added);
        self.answer(call, outcome);
    }

    pub(super) fn delete_arrives(&mut self, call: CallId, request: &DeleteRequest) {
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
    fn send(&mut self, call: CallId, launches: &[Launch]) -> Option<Timestamp> {
        let trouble = self.world.trouble;
        let error = if self.chance(trouble.refused) {
            self.checks.refused(launches);
            CallError::Refused(Name::from("the role may not do that"))
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

    /// What the checks have to know of what the machine is told.
    pub(super) fn note(&mut self, input: &Input) {
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

    pub(super) fn carry_out(&mut self, output: Output) -> Result<(), Violation> {
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
                if let Some(at) = self.send(call, &launches) {
                    self.at(at, Task::Add(call, request, launches));
                }
                mark
            }
            Output::Delete { call, request } => {
                self.checks.delete(&self.machine, &request, self.now)?;
                if let Some(at) = self.send(call, &[]) {
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
    pub(super) fn asked(
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
}
