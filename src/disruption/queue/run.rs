//! One command on its way: what is known about it and what that asks for.

mod wanted;

use serde::{Deserialize, Serialize};

use super::io::{Action, CommandId, Failure, Outcome, Settings, Waiting};
use super::parts::{Key, Launch, Leaver, Presence, Sent, Source};
use super::view::{Known, View, is_tainted};
use crate::base::time::{Span, Timestamp};
use crate::disruption::command::Command;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::plan::{ChosenOffering, PlannedClaim};

/// How far a command is. From `Deleting` there is no way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Not started.
    Pending,
    /// Candidates get the taint.
    Marking,
    /// Replacements are launched until all are initialised.
    Launching,
    /// Pods of this wave are evicted.
    Draining(usize),
    /// Candidates' claims are deleted.
    Deleting,
    /// Taints come off, unused replacements go.
    RollingBack(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) id: CommandId,
    /// Commands of one submission.
    pub(super) batch: u64,
    pub(super) command: Command,
    pub(super) submitted: Timestamp,
    pub(super) stage: Stage,
    /// When the stage began.
    entered: Timestamp,
    started: Timestamp,
    /// When a pod last left.
    progress: Timestamp,
    draining_began: bool,
    sources: Vec<Source>,
    launches: Vec<Launch>,
    pub(super) waves: Vec<Vec<Leaver>>,
    /// A pod that came before the taint, once the taints are seen.
    arrival: Known<Option<Name>>,
    pub(super) sent: Vec<Sent>,
    /// Names of claims that must not stay, should they turn up.
    pub(super) discarded: Vec<Name>,
}

impl Run {
    pub(super) fn new(id: CommandId, batch: u64, command: Command, now: Timestamp) -> Self {
        Self {
            id,
            batch,
            submitted: now,
            stage: Stage::Pending,
            entered: now,
            started: now,
            progress: now,
            draining_began: false,
            sources: Vec::new(),
            launches: Vec::new(),
            waves: Vec::new(),
            arrival: Known::default(),
            sent: Vec::new(),
            discarded: Vec::new(),
            command,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.stage == Stage::Pending
    }

    pub(super) fn removes(&self, node: &str) -> bool {
        let mut candidates = self.command.candidates.iter();
        candidates.any(|candidate| candidate.node.as_ref() == node)
    }

    pub(super) fn moves_to(&self, node: &str) -> bool {
        let mut places = self.command.existing_nodes.iter();
        places.any(|place| place.node.as_ref() == node)
            || self.command.moves.iter().any(|m| m.to.as_ref() == node)
    }

    /// Begins: remembers the pods as `view` has them. `prefix` makes the names of new claims unique.
    pub(super) fn start(&mut self, view: &View<'_>, prefix: &str, now: Timestamp) {
        let present = |node: &str| view.movable(node).map(identity).collect();
        let sources = self.command.candidates.iter();
        self.sources = sources
            .map(|candidate| Source {
                present: present(&candidate.node),
                ..Source::default()
            })
            .collect();
        let planned = self.command.replacements.iter().enumerate();
        self.launches = planned
            .map(|(at, planned)| Launch {
                name: claim_name(planned, prefix, self.id, at, 0),
                ..Launch::default()
            })
            .collect();
        let command = &self.command;
        // A pod that has moved on since the plan was made is left where it is.
        let leaves = |pod: &Pod, node: &Name| {
            let mut candidates = command.candidates.iter();
            let mut moves = command.moves.iter();
            candidates.any(|candidate| candidate.node == *node)
                || moves.any(|m| m.from == *node && m.pod.as_ref() == pod.key())
        };
        let leaver = |key: &Name| {
            let pod = view.pod(key).filter(|pod| !pod.is_finished());
            let place = pod.and_then(|pod| Some((pod, pod.node_name.as_ref()?)));
            let place = place.filter(|(pod, node)| leaves(pod, node));
            Leaver {
                pod: Name::clone(key),
                uid: place.map_or_else(|| Name::from(""), |(pod, _)| Name::clone(&pod.uid)),
                node: place.map_or_else(|| Name::from(""), |(_, node)| Name::clone(node)),
                gone: place.is_none(),
                charges: Vec::new(),
            }
        };
        let waves = self.command.waves.iter();
        self.waves = waves
            .map(|wave| wave.iter().map(leaver).collect())
            .collect();
        self.started = now;
        self.enter(Stage::Marking, now);
    }

    fn enter(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.entered = now;
        self.progress = now;
    }

    pub(super) fn fail(&mut self, why: Failure, now: Timestamp) {
        self.enter(Stage::RollingBack(why), now);
    }

    /// Whether it may still be given up.
    pub(super) fn can_fail(&self) -> bool {
        !matches!(self.stage, Stage::Deleting | Stage::RollingBack(_))
    }

    /// Takes in what `view` shows. The caller passes over views that are older than the last.
    pub(super) fn observe(&mut self, view: &View<'_>, now: Timestamp) {
        let as_of = view.as_of;
        let mut all_tainted = true;
        for (candidate, source) in self.command.candidates.iter().zip(&mut self.sources) {
            let node = view.node(&candidate.node);
            let claim = view.claim(&candidate.node_claim);
            let presence = match (node, claim) {
                (Some(node), Some(claim)) if !node.deleting && claim.deleted.is_none() => {
                    Presence::Here
                }
                (_, None) => Presence::Gone,
                (_, Some(_)) => Presence::Leaving,
            };
            let tainted = node.is_some_and(is_tainted);
            all_tainted &= tainted;
            source.presence.learn(presence, as_of);
            source.tainted.learn(tainted, as_of);
        }
        if all_tainted && self.stage == Stage::Marking {
            let sources = self.command.candidates.iter().zip(&self.sources);
            let arrival = sources
                .flat_map(|(candidate, source)| {
                    view.movable(&candidate.node)
                        .filter(|pod| !source.present.contains(&identity(pod)))
                })
                .map(|pod| Name::from(pod.key()))
                .min();
            self.arrival.learn(arrival, as_of);
        }
        for launch in &mut self.launches {
            let presence = match view.claim(&launch.name) {
                None => Presence::Gone,
                Some(claim) if claim.deleted.is_some() => Presence::Leaving,
                Some(_) => Presence::Here,
            };
            if presence != Presence::Gone && launch.sent {
                launch.confirmed = launch.confirmed.or(Some(as_of));
            }
            launch.presence.learn(presence, as_of);
            launch
                .initialized
                .learn(view.is_initialized(&launch.name), as_of);
            launch.used.learn(view.is_used(&launch.name), as_of);
        }
        for leaver in self.waves.iter_mut().flatten().filter(|l| !l.gone) {
            match view.pod_on(&leaver.pod, &leaver.uid, &leaver.node) {
                None => {
                    leaver.gone = true;
                    self.progress = now;
                }
                Some(pod) => {
                    let charges = view.charges(pod);
                    leaver.charges = charges.into_iter().map(|(pdb, _)| pdb).collect();
                }
            }
        }
    }

    /// Takes in that a step was carried out.
    pub(super) fn done(&mut self, key: Key, now: Timestamp) {
        if let Key::Launch {
            replacement,
            attempt,
        } = key
            && let Some(launch) = self.launches.get_mut(replacement)
            && launch.attempt == attempt
        {
            launch.confirmed = launch.confirmed.or(Some(now));
        }
    }

    /// Takes in that a step was refused for good.
    pub(super) fn refused(&mut self, key: Key, prefix: &str, now: Timestamp) {
        match key {
            Key::Taint(at) if self.can_fail() => {
                let node = self
                    .command
                    .candidates
                    .get(at)
                    .map(|c| Name::clone(&c.node));
                self.fail(
                    Failure::Refused(node.unwrap_or_else(|| Name::from(""))),
                    now,
                );
            }
            Key::Evict { wave, pod } if self.can_fail() => {
                let leaver = self.waves.get(wave).and_then(|wave| wave.get(pod));
                let pod = leaver.map_or_else(|| Name::from(""), |l| Name::clone(&l.pod));
                self.fail(Failure::Refused(pod), now);
            }
            Key::Launch {
                replacement,
                attempt,
            } => {
                let current = self.launches.get(replacement);
                if current.is_some_and(|launch| launch.attempt == attempt) {
                    self.next_offering(replacement, prefix, now);
                }
            }
            Key::Taint(_)
            | Key::Evict { .. }
            | Key::Untaint(_)
            | Key::Delete(_)
            | Key::Remove(_) => {}
        }
    }

    /// Tries the next fall-back of a replacement, or fails.
    fn next_offering(&mut self, at: usize, prefix: &str, now: Timestamp) {
        if self.stage != Stage::Launching {
            return;
        }
        let Some((launch, planned)) = self
            .launches
            .get_mut(at)
            .zip(self.command.replacements.get(at))
        else {
            return;
        };
        self.discarded.push(Name::clone(&launch.name));
        let attempt = launch.attempt + 1;
        if attempt > planned.fallbacks.len() {
            let tried: Vec<ChosenOffering> = offerings(planned).cloned().collect();
            self.fail(Failure::LaunchFailed(tried), now);
            return;
        }
        *launch = Launch {
            attempt,
            name: claim_name(planned, prefix, self.id, at, attempt),
            ..Launch::default()
        };
    }

    /// Goes on as far as what is known allows; the outcome once the command has ended.
    pub(super) fn step(
        &mut self,
        prefix: &str,
        launch_limit: Span,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Outcome> {
        loop {
            let before = self.stage.clone();
            match &self.stage {
                Stage::Pending => return None,
                Stage::Marking => self.step_marking(now),
                Stage::Launching => self.step_launching(prefix, launch_limit, now),
                Stage::Draining(wave) => self.step_draining(*wave, settings, now),
                Stage::Deleting => {
                    let left = |source: &Source| source.presence.value != Presence::Here;
                    return self.sources.iter().all(left).then_some(Outcome::Succeeded);
                }
                Stage::RollingBack(why) => return self.rolled_back(why),
            }
            if self.stage == before {
                return None;
            }
        }
    }

    fn candidate_gone(&self) -> Option<Name> {
        let mut sources = self.command.candidates.iter().zip(&self.sources);
        let gone = sources.find(|(_, source)| source.presence.value != Presence::Here)?;
        Some(Name::clone(&gone.0.node))
    }

    fn step_marking(&mut self, now: Timestamp) {
        if let Some(node) = self.candidate_gone() {
            self.fail(Failure::CandidateGone(node), now);
        } else if let Some(pod) = &self.arrival.value {
            let pod = Name::clone(pod);
            self.fail(Failure::PodArrived(pod), now);
        } else if self.arrival.since(self.entered) {
            self.enter(Stage::Launching, now);
        }
    }

    fn step_launching(&mut self, prefix: &str, limit: Span, now: Timestamp) {
        if let Some(node) = self.candidate_gone() {
            self.fail(Failure::CandidateGone(node), now);
            return;
        }
        let lost = |launch: &Launch| {
            let since = launch
                .confirmed
                .filter(|_| launch.presence.value != Presence::Here);
            since.is_some_and(|since| launch.presence.since(since))
                || (launch.presence.value == Presence::Leaving && launch.confirmed.is_some())
        };
        for at in 0..self.launches.len() {
            if self.launches.get(at).is_some_and(lost) {
                self.next_offering(at, prefix, now);
            }
        }
        if self.stage != Stage::Launching {
            return;
        }
        // All at one moment: one that was initialised and went away does not count.
        if self.launches.iter().all(|launch| launch.initialized.value) {
            self.draining_began = true;
            self.enter(Stage::Draining(0), now);
        } else if now >= self.started.plus(limit) {
            self.fail(Failure::LaunchTimeout, now);
        }
    }

    fn step_draining(&mut self, wave: usize, settings: &Settings, now: Timestamp) {
        let lost = |launch: &&Launch| launch.presence.value != Presence::Here;
        if let Some(launch) = self.launches.iter().find(lost) {
            let name = Name::clone(&launch.name);
            self.fail(Failure::ReplacementLost(name), now);
            return;
        }
        match self.waves.get(wave) {
            None => self.enter(Stage::Deleting, now),
            Some(pods) if pods.iter().all(|pod| pod.gone) => {
                self.enter(Stage::Draining(wave + 1), now);
            }
            Some(_) if now >= self.progress.plus(settings.drain_timeout) => {
                self.fail(Failure::DrainTimeout, now);
            }
            Some(_) => {}
        }
    }

    /// A replacement that holds pods is no burden: it stays as an ordinary node.
    fn is_kept(&self, launch: &Launch) -> bool {
        let here = launch.presence.value == Presence::Here && launch.presence.since(self.entered);
        here && launch.used.value && !launch.removing
    }

    fn is_absent(&self, launch: &Launch) -> bool {
        launch.presence.value != Presence::Here && launch.presence.since(self.entered)
    }

    fn rolled_back(&self, why: &Failure) -> Option<Outcome> {
        let clean = |source: &Source| {
            let free = !source.tainted.value && source.tainted.since(self.entered);
            free || source.presence.value != Presence::Here
        };
        let settled =
            |launch: &Launch| !launch.sent || self.is_kept(launch) || self.is_absent(launch);
        if !self.sources.iter().all(clean) || !self.launches.iter().all(settled) {
            return None;
        }
        let kept = self.launches.iter().filter(|l| l.sent && self.is_kept(l));
        Some(Outcome::RolledBack {
            why: why.clone(),
            kept: kept.map(|launch| Name::clone(&launch.name)).collect(),
        })
    }

    /// The claims that must not stay, once the command has ended.
    pub(super) fn leftovers(&self, outcome: &Outcome) -> Vec<Name> {
        let mut names = self.discarded.clone();
        if let Outcome::RolledBack { kept, .. } = outcome {
            let sent = self.launches.iter().filter(|launch| launch.sent);
            let gone = sent.filter(|launch| !kept.contains(&launch.name));
            names.extend(gone.map(|launch| Name::clone(&launch.name)));
        }
        names
    }

    /// The pod that a step evicts.
    pub(super) fn leaver(&self, key: Key) -> Option<&Leaver> {
        match key {
            Key::Evict { wave, pod } => self.waves.get(wave)?.get(pod),
            Key::Taint(_)
            | Key::Untaint(_)
            | Key::Launch { .. }
            | Key::Delete(_)
            | Key::Remove(_) => None,
        }
    }

    /// Notes that a step is given out.
    pub(super) fn given_out(&mut self, key: Key) {
        match key {
            Key::Launch { replacement, .. } => {
                if let Some(launch) = self.launches.get_mut(replacement) {
                    launch.sent = true;
                }
            }
            Key::Remove(at) => {
                if let Some(launch) = self.launches.get_mut(at) {
                    launch.removing = true;
                }
            }
            Key::Taint(_) | Key::Untaint(_) | Key::Evict { .. } | Key::Delete(_) => {}
        }
    }

    /// When this stage must be over.
    pub(super) fn deadline(
        &self,
        launch_limit: Span,
        settings: &Settings,
    ) -> Option<(Timestamp, Waiting)> {
        match self.stage {
            Stage::Launching => Some((self.started.plus(launch_limit), Waiting::Launch)),
            Stage::Draining(_) => {
                Some((self.progress.plus(settings.drain_timeout), Waiting::Drain))
            }
            Stage::Pending => Some((self.submitted.plus(settings.patience), Waiting::Patience)),
            Stage::Marking | Stage::Deleting | Stage::RollingBack(_) => None,
        }
    }
}

fn offerings(planned: &PlannedClaim) -> impl Iterator<Item = &ChosenOffering> {
    std::iter::once(&planned.cheapest).chain(planned.fallbacks.iter())
}

fn identity(pod: &Pod) -> Name {
    Name::from(format!("{}/{}", pod.key(), pod.uid))
}

fn claim_name(
    planned: &PlannedClaim,
    prefix: &str,
    command: CommandId,
    at: usize,
    attempt: usize,
) -> Name {
    let CommandId(command) = command;
    let pool = &planned.node_pool;
    Name::from(format!("{pool}-{prefix}-{command}-{at}-{attempt}"))
}
