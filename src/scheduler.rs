//! Eighth floor, the facade: from a snapshot to a plan.
//!
//! [`schedule`] is the whole way in one call. [`Capacity`] and [`Compiled`] are its steps, for callers that time them, look
//! at the compiled problem, or ask why: resolve the node classes, compile the views, solve, and put names and reasons to the
//! outcome.
//!
//! ```
//! use tetrapod::model::cluster::Snapshot;
//! use tetrapod::scheduler::{Capacity, Compiled, schedule};
//!
//! let snapshot = Snapshot::default();
//! let capacity = Capacity::new(&snapshot);
//! let compiled = Compiled::new(&snapshot, &capacity);
//! let outcome = compiled.solve();
//! assert_eq!(compiled.plan(&outcome), schedule(&snapshot));
//! ```

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::index::Ix as _;
use crate::explain::Explainer;
use crate::explain::notes::notes;
use crate::explain::objects;
use crate::explain::reason::Reason;
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::affinity::WhenUnsatisfiable;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, Offering};
use crate::model::label::HOSTNAME;
use crate::model::resources::Name;
use crate::plan::buffers::set_apart;
use crate::plan::decode::{decode, totals};
use crate::plan::gangs::gangs;
use crate::plan::statics::static_pools;
use crate::plan::{Plan, Unschedulable, scaling};
use crate::problem::compile::{Views, compile};
use crate::problem::options::label_of;
use crate::problem::{ClassId, OptionId, Problem, Symbols};
use crate::solver::gangs::solve;
use crate::solver::{Outcome, Target};
use crate::view::buffers::Buffers;

/// Most pods that are dealt out by turns.
const MOST_BY_TURNS: usize = 2_000;

/// Most rounds that go round empty domains.
const MOST_ROUNDS: usize = 4;

/// The capacity that a snapshot's node classes offer; resolved first because everything else refers to it.
#[derive(Debug)]
pub struct Capacity {
    classes: BTreeMap<Name, ClassCapacity>,
    buffers: Buffers,
}

impl Capacity {
    /// Resolves the node classes of `snapshot` (M-12), with what NodeOverlays say of them (S-58), and makes the pods of
    /// its capacity buffers (S-129).
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut classes = crate::hyperpod::capacity::resolve(snapshot);
        // The order of the input shows nowhere, not even in the examples that a reason names.
        for class in classes.values_mut() {
            class
                .types
                .sort_by(|a, b| (&a.name, &a.capacity).cmp(&(&b.name, &b.capacity)));
            for entry in &mut class.types {
                entry.offerings.sort_by(|a, b| {
                    let place = (&a.zone, a.capacity_type, &a.instance_group);
                    place.cmp(&(&b.zone, b.capacity_type, &b.instance_group))
                });
            }
        }
        crate::view::overlay::apply(snapshot, &mut classes);
        Self {
            classes,
            buffers: Buffers::new(snapshot),
        }
    }

    /// Takes out the offerings for which `closed` holds, such as those that cannot be had at the moment
    /// ([`Machine::unavailable`](crate::provisioning::Machine::unavailable)): plans then go round them.
    pub fn close(&mut self, closed: impl Fn(&Name, &Offering) -> bool) {
        for class in self.classes.values_mut() {
            for entry in class
                .types
                .iter_mut()
                .chain(class.by_pool.values_mut().flatten())
            {
                let InstanceType {
                    name, offerings, ..
                } = entry;
                for offering in offerings {
                    offering.available &= !closed(name, offering);
                }
            }
        }
    }

    /// The capacity by node class.
    #[must_use]
    pub fn by_class(&self) -> &BTreeMap<Name, ClassCapacity> {
        &self.classes
    }
}

/// A snapshot compiled for solving. `Capacity::new`, `Compiled::new`, `solve` and `plan` are apart so that they can be
/// timed and inspected; [`schedule`] does them all.
#[derive(Debug)]
pub struct Compiled<'a> {
    capacity: &'a Capacity,
    views: Views<'a>,
    problem: Problem,
    symbols: Symbols,
}

impl<'a> Compiled<'a> {
    /// Compiles `snapshot`, of which `capacity` was made.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a Capacity) -> Self {
        Self::dealing(snapshot, capacity, Vec::new(), false)
    }

    /// The same without new nodes that have one of the labels `closed`, with pods dealt out `by_turns` or not.
    fn dealing(
        snapshot: &'a Snapshot,
        capacity: &'a Capacity,
        closed: Vec<(Name, Name)>,
        by_turns: bool,
    ) -> Self {
        // Pods of buffers stand after the snapshot's own.
        let snapshot = capacity.buffers.expanded.as_deref().unwrap_or(snapshot);
        let mut views = Views::new(snapshot, capacity.by_class());
        views.closed = closed;
        views.by_turns = by_turns;
        let (problem, symbols) = compile(&views);
        Self {
            capacity,
            views,
            problem,
            symbols,
        }
    }

    /// The compiled problem.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Explains what `outcome` leaves pending.
    #[must_use]
    pub fn explainer(&self, outcome: &Outcome) -> Explainer<'_, 'a> {
        Explainer::new(&self.views, &self.problem, &self.symbols, outcome)
    }

    /// Why the pod `key` (`namespace/name`) goes where it goes, or stays pending; `None` if there is no such pod.
    #[must_use]
    pub fn explain_pod(&self, outcome: &Outcome, plan: &Plan, key: &str) -> Option<Reason> {
        objects::pod::explain(&mut self.explainer(outcome), outcome, plan, key)
    }

    /// The state of a node (or of a NodeClaim without one) and what the plan puts there; `None` if there is none.
    #[must_use]
    pub fn explain_node(&self, outcome: &Outcome, plan: &Plan, name: &str) -> Option<Reason> {
        objects::node::explain(&mut self.explainer(outcome), plan, name)
    }

    /// What a NodePool can launch and what the plan buys from it; `None` if there is no such pool.
    #[must_use]
    pub fn explain_node_pool(&self, outcome: &Outcome, plan: &Plan, name: &str) -> Option<Reason> {
        objects::pool::explain(&mut self.explainer(outcome), plan, name)
    }

    /// What an instance group offers and what the plan adds to it; `None` if nothing tells of such a group.
    #[must_use]
    pub fn explain_instance_group(&self, plan: &Plan, name: &str) -> Option<Reason> {
        objects::group::explain(self.views.snapshot, self.capacity.by_class(), plan, name)
    }

    /// Decides, with the effort that the snapshot's options ask for.
    ///
    /// Pods that spread are dealt to every domain in which a node could be; where some of them then find no room,
    /// [`Compiled::without_empty_domains`] may do better.
    pub fn solve(&self) -> Outcome {
        solve(&self.problem, self.views.snapshot.options.effort)
    }

    /// Compiles and solves once more if `outcome` leaves pods whose spread constraints or affinities were dealt domains
    /// in which no node is or will be. kube-scheduler counts the domains of nodes only (S-81): what stays empty is no
    /// domain, and holds nobody back; and who could not follow others into a domain may be with them in one that has
    /// nodes. `None` if there is nothing of the kind, or it does not place more pods, those of high priority first.
    #[must_use]
    pub fn without_empty_domains(&self, outcome: &Outcome) -> Option<(Self, Outcome)> {
        let mut closed = self.views.closed.clone();
        closed.extend(self.empty_domains(outcome));
        if closed.len() == self.views.closed.len() {
            return None;
        }
        let by_turns = self.views.by_turns;
        let again = Self::dealing(self.views.snapshot, self.capacity, closed, by_turns);
        self.improved(outcome, again)
    }

    /// Compiles and solves once more if `outcome` leaves pods with rules between pods: with everyone counting everyone, and
    /// pods dealt one at a time, those who must share a node whenever they can. That is further from what packs well, and
    /// finds places where pods with rules have to wait for others to come into balance. `None` if nobody is left of whom
    /// that may be true, there are more than 2,000 pods, or it does not place more pods, those of high priority
    /// first.
    #[must_use]
    pub fn by_turns(&self, outcome: &Outcome) -> Option<(Self, Outcome)> {
        let pods: usize = self.symbols.pods.iter().map(Vec::len).sum();
        let has_rules = |class: ClassId| {
            let row = &self.problem.classes[class];
            row.held_back || !row.stands.is_empty() || !row.bundle.is_empty()
        };
        let left = outcome.unplaced.iter().any(|(class, _)| has_rules(*class));
        if self.views.by_turns || !left || pods > MOST_BY_TURNS {
            return None;
        }
        let closed = self.views.closed.clone();
        let again = Self::dealing(self.views.snapshot, self.capacity, closed, true);
        self.improved(outcome, again)
    }

    /// `again` solved, if that places more pods than `outcome`, those of high priority first.
    fn improved(&self, outcome: &Outcome, again: Self) -> Option<(Self, Outcome)> {
        let other = again.solve();
        let (before, after) = (self.left(outcome), again.left(&other));
        let priorities: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let count = |left: &BTreeMap<_, usize>, priority| left.get(priority).copied().unwrap_or(0);
        let better = priorities
            .into_iter()
            .map(|priority| count(&after, priority).cmp(&count(&before, priority)))
            .find(|order| order.is_ne())
            .is_some_and(Ordering::is_lt);
        better.then_some((again, other))
    }

    /// How many pods `outcome` leaves, by priority from the highest.
    fn left(&self, outcome: &Outcome) -> BTreeMap<Reverse<i32>, usize> {
        let mut left = BTreeMap::new();
        for (class, count) in &outcome.unplaced {
            let row = &self.problem.classes[*class];
            let pods: u32 = row.bundle.iter().map(|(_, n)| *n).sum();
            let key = Reverse(row.priority);
            *left.entry(key).or_default() += *count as usize * pods.max(1) as usize;
        }
        left
    }

    /// Domains of the rules of pods that `outcome` leaves, in which a node could be and none is.
    fn empty_domains(&self, outcome: &Outcome) -> BTreeSet<(Name, Name)> {
        let mut keys: BTreeSet<&Name> = BTreeSet::new();
        for (class, _) in &outcome.unplaced {
            let parts = self.problem.classes[*class].bundle.iter();
            for class in parts.map(|(part, _)| *part).chain([*class]) {
                let Some(first) = self.symbols.pods[class].first() else {
                    continue;
                };
                let spec = &self.views.snapshot.pods[*first as usize].spec;
                let spreads = spec.topology_spread.iter();
                let hard =
                    spreads.filter(|s| s.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule);
                keys.extend(hard.map(|spread| &spread.topology_key));
                keys.extend(
                    spec.affinity
                        .pod_required
                        .iter()
                        .map(|term| &term.topology_key),
                );
            }
        }
        keys.retain(|key| key.as_ref() != HOSTNAME);
        if keys.is_empty() {
            return BTreeSet::new();
        }
        let mut used: BTreeSet<OptionId> = BTreeSet::new();
        used.extend(
            outcome
                .groups
                .iter()
                .filter_map(|group| match group.target {
                    Target::Option(option) => Some(option),
                    Target::Node(_) => None,
                }),
        );
        let mut empty: BTreeSet<(Name, Name)> = BTreeSet::new();
        let mut reached: BTreeSet<(Name, Name)> = BTreeSet::new();
        for pair in self.problem.pairs.iter() {
            let template = &self.views.pools.templates[pair.pool.at()];
            let instance_type = &template.types[pair.instance_type as usize];
            let Ok(labels) = template.labels(instance_type) else {
                continue;
            };
            for option in
                (pair.options.start..pair.options.end).map(|at| OptionId::new(at as usize))
            {
                let at = self.problem.options[option].offering as usize;
                for key in &keys {
                    let value = label_of(&labels, &instance_type.offerings[at], key);
                    let Some(value) = value else { continue };
                    let domain = (Name::clone(key), Name::from(value));
                    if used.contains(&option) {
                        reached.insert(domain);
                    } else {
                        empty.insert(domain);
                    }
                }
            }
        }
        for node in self.views.nodes.iter().filter(|node| !node.deleting) {
            for key in &keys {
                let value = node.labels.get(key);
                reached.extend(value.map(|value| (Name::clone(key), Name::from(value))));
            }
        }
        // Where nothing is reached, nothing is known of what could be.
        empty.retain(|(key, value)| {
            reached.iter().any(|(of, _)| of == key)
                && !reached.contains(&(Name::clone(key), Name::clone(value)))
        });
        empty
    }

    /// Puts names to the decisions and reasons to what stays pending.
    pub fn plan(&self, outcome: &Outcome) -> Plan {
        let (mut plan, left) = decode(&self.views, &self.problem, &self.symbols, outcome);
        let mut explainer = self.explainer(outcome);
        for (class, pods) in left.pods {
            if pods.is_empty() {
                continue;
            }
            let of_gang = explainer.of_gang(class, &outcome.gangs);
            let explained = match &of_gang {
                Some(explained) => explained,
                None => explainer.class(class),
            };
            let code = Name::from(explained.code.as_str());
            for position in pods {
                plan.unschedulable.push(Unschedulable {
                    pod: Name::from(self.views.snapshot.pods[position as usize].key()),
                    reason: Name::clone(&explained.summary),
                    code: Name::clone(&code),
                    reasons: Arc::clone(&explained.reasons),
                });
            }
        }
        for (position, reason) in &self.symbols.refused {
            plan.unschedulable.push(Unschedulable {
                pod: Name::from(self.views.snapshot.pods[*position as usize].key()),
                reason: Name::from(format!("{}: {}", reason.subject, reason.message)),
                code: Name::from(reason.code.as_str()),
                reasons: Arc::new(vec![reason.clone()]),
            });
        }
        plan.unschedulable.sort_by(|a, b| a.pod.cmp(&b.pod));
        plan.notes = notes(
            &self.views.pools.refused,
            self.capacity.by_class(),
            &plan.new_node_claims,
        );
        plan.pod_groups = gangs(&self.views, &self.problem, outcome);
        plan.scaling = scaling::requests(self.views.snapshot, &plan.new_node_claims);
        plan.static_pools = static_pools(&self.views);
        set_apart(&mut plan, &self.capacity.buffers);
        plan.totals = totals(&plan);
        plan
    }
}

/// Plans the pending pods of `snapshot`.
///
/// An unschedulable pod is never an error: it is in the plan with its reasons.
pub fn schedule(snapshot: &Snapshot) -> Plan {
    let capacity = Capacity::new(snapshot);
    let (compiled, outcome) = solved(Compiled::new(snapshot, &capacity));
    compiled.plan(&outcome)
}

/// Solves `compiled`, and again without the domains that stay empty as long as that places more pods
/// ([`Compiled::without_empty_domains`]); a round leaves out a domain at least, and there are at most four. What is left
/// then is tried [by turns](Compiled::by_turns).
pub fn solved(mut compiled: Compiled<'_>) -> (Compiled<'_>, Outcome) {
    let mut outcome = compiled.solve();
    for _ in 0..MOST_ROUNDS {
        match compiled.without_empty_domains(&outcome) {
            Some((again, other)) => (compiled, outcome) = (again, other),
            None => break,
        }
    }
    compiled.by_turns(&outcome).unwrap_or((compiled, outcome))
}
