//! What must hold at every step and in the end.

use super::*;

/// Whether the claim is there and not on its way out.
fn stands(snapshot: &Snapshot, claim: &str) -> bool {
    let mut claims = snapshot.node_claims.iter();
    claims.any(|held| held.name.as_ref() == claim && held.deleted.is_none())
}

fn is_tainted(snapshot: &Snapshot, node: &str) -> bool {
    let mut nodes = snapshot.nodes.iter().filter(|n| n.name.as_ref() == node);
    nodes.any(|node| node.taints.contains(&disrupted_taint()))
}

impl World<'_> {
    /// Takes in what the queue is told about the moment `as_of`.
    pub(super) fn tell(&mut self, as_of: i64, snapshot: &Snapshot) {
        if as_of < self.told.as_of {
            return;
        }
        let launched = self
            .records
            .values()
            .flat_map(|record| record.launched.keys());
        for claim in launched {
            // One that is first seen on its way out has failed as well.
            if snapshot
                .node_claims
                .iter()
                .any(|c| &*c.name == claim.as_str())
            {
                self.told.confirmed.insert(claim.clone());
            }
            if self.told.confirmed.contains(claim) && !stands(snapshot, claim) {
                self.told.failed.insert(claim.clone());
            }
        }
        self.told.as_of = as_of;
        self.told.snapshot = snapshot.clone();
    }

    /// A command that is taken back has left nothing behind, as far as the queue could know.
    fn judge_roll_back(&self, id: CommandId, kept: &[tetrapod::model::resources::Name]) {
        let record = &self.records[&id];
        let told = &self.told;
        for candidate in &record.command.candidates {
            let node = candidate.node.as_ref();
            let looked = record.marked.get(node).is_none_or(|at| told.as_of > *at);
            let free = looked && !is_tainted(&told.snapshot, node);
            assert!(
                free || !stands(&told.snapshot, &candidate.node_claim),
                "{id:?} ends while {node} may bear its taint"
            );
        }
        for (claim, asked) in &record.launched {
            let kept = kept.iter().any(|name| name.as_ref() == claim);
            let stands = stands(&told.snapshot, claim);
            let gone = told.as_of > *asked && !stands;
            assert!(
                kept || gone || told.failed.contains(claim),
                "{id:?} ends while {claim} may be there for nothing"
            );
            assert!(stands || !kept, "{id:?} keeps {claim}, which is gone");
        }
    }

    pub(super) fn replacements_ready(&self, record: &Record) -> bool {
        let ready = record
            .claims
            .iter()
            .filter(|name| self.ever_ready.contains(*name));
        ready.count() >= record.command.replacements.len()
    }

    /// What must hold when a task is given out.
    pub(super) fn judge(&mut self, task: &Task) {
        let Some(id) = task.command else {
            return;
        };
        let now = self.now;
        let record = self.records.get_mut(&id).expect("it was submitted");
        assert!(
            record.outcome.is_none(),
            "{id:?} asks for more after its end: {task:?}"
        );
        match &task.action {
            Action::Taint { node, .. } => record.marked.insert(node.to_string(), now),
            Action::Launch { node_claim, .. } => {
                record.launched.insert(node_claim.to_string(), now)
            }
            Action::Untaint { .. } | Action::Evict { .. } | Action::Delete { .. } | _ => None,
        };
        let record = &self.records[&id];
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
    pub(super) fn judge_start(&mut self, id: CommandId) {
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

    pub(super) fn ended(&mut self, id: CommandId, outcome: Outcome) {
        let now = self.now;
        if let Outcome::RolledBack { kept, .. } = &outcome {
            self.judge_roll_back(id, kept);
        }
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
    pub(super) fn leaked(&self) -> Vec<String> {
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

    pub(super) fn judge_the_end(&self) {
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

    pub(super) fn at_rest(&self) -> bool {
        let going = |m: &Machine| m.deleting_at.is_some() || m.dies.is_some() || m.ready > self.now;
        let moving = |p: &Unit| p.node.is_none() || p.ends.is_some();
        let stuck = self.nodes.values().any(|m| m.tainted);
        !self.nodes.values().any(going)
            && !self.pods.values().any(moving)
            && !stuck
            && self.leaked().is_empty()
    }
}
