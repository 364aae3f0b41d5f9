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

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::explain::Explainer;
use crate::explain::notes::notes;
use crate::explain::objects;
use crate::explain::reason::Reason;
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, Offering};
use crate::model::resources::Name;
use crate::plan::buffers::set_apart;
use crate::plan::decode::{decode, totals};
use crate::plan::gangs::gangs;
use crate::plan::statics::static_pools;
use crate::plan::{Plan, Unschedulable, scaling};
use crate::problem::compile::{Views, compile};
use crate::problem::{Problem, Symbols};
use crate::solver::Outcome;
use crate::solver::gangs::solve;
use crate::view::buffers::Buffers;

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
        // Pods of buffers stand after the snapshot's own.
        let snapshot = capacity.buffers.expanded.as_deref().unwrap_or(snapshot);
        let views = Views::new(snapshot, capacity.by_class());
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
    pub fn solve(&self) -> Outcome {
        solve(&self.problem, self.views.snapshot.options.effort)
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
    let compiled = Compiled::new(snapshot, &capacity);
    let outcome = compiled.solve();
    compiled.plan(&outcome)
}
