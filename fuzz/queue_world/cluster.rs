//! The cluster: what stands, what it does by itself, and how it carries out what it is asked.

use super::*;

impl World<'_> {
    /// How many more pods of the app may go down (as the PDB's controller would say).
    pub(super) fn allowed(&self, app: usize) -> usize {
        let of = self.pods.values().filter(|pod| pod.app == app);
        let down =
            of.filter(|pod| pod.node.is_none() || pod.ends.is_some() || pod.healthy > self.now);
        APPS[app].1.saturating_sub(down.count())
    }

    pub(super) fn snapshot(&self) -> Snapshot {
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
    pub(super) fn plan(&mut self) -> Vec<Command> {
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

    /// The cluster's own life: nodes join, pods are placed, end and come back, things break.
    pub(super) fn live(&mut self, chaos: bool) {
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

    pub(super) fn end_pod(&mut self, name: &str) {
        let wait = if self.calm { 10 } else { self.dice.seconds(40) };
        if let Some(pod) = self.pods.get_mut(name) {
            pod.ends = Some(self.now + wait);
        }
    }

    pub(super) fn observe(&mut self, chaos: bool) {
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

    pub(super) fn serve(&mut self, chaos: bool) {
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

    pub(super) fn carry_out(&mut self, task: &Task) -> Option<Refusal> {
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

    pub(super) fn add_node(
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
}

fn planned(fallbacks: u64) -> PlannedClaim {
    let offering = |at: u64| serde_json::json!({"instanceType": format!("type-{at}"), "zone": "a", "capacityType": "on-demand", "price": 1.0});
    let claim = serde_json::json!({"nodePool": "big", "pods": [], "instanceTypes": [], "zones": ["a"],
        "capacityTypes": ["on-demand"], "cheapest": offering(0),
        "fallbacks": (1..=fallbacks).map(offering).collect::<Vec<_>>()});
    serde_json::from_value(claim).expect("a claim in its serde form")
}
