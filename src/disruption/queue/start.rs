//! Which submitted commands start: when their nodes are free and the budgets let them go.

use std::collections::{BTreeMap, BTreeSet};

use super::Queue;
use super::io::{CommandId, NotStarted, Outcome};
use super::run::Run;
use super::view::{View, is_tainted};
use crate::base::time::Timestamp;
use crate::disruption::budget::{self, Counts};
use crate::disruption::command::Command;
use crate::model::resources::Name;

impl Queue {
    /// Starts what may start, in the order of submission.
    pub(super) fn start(&mut self, view: &View<'_>, now: Timestamp) {
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
