//! The facade: from a snapshot to a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::resources::Name;
use crate::plan::decode::{decode, totals};
use crate::plan::{Plan, Unschedulable, scaling};
use crate::problem::compile::{Views, compile};
use crate::problem::{Problem, Symbols};
use crate::solver::Outcome;
use crate::solver::search::solve;

/// The capacity that a snapshot's node classes offer; resolved first because everything else refers to it.
#[derive(Debug)]
pub struct Capacity(BTreeMap<Name, ClassCapacity>);

impl Capacity {
    /// Resolves the node classes of `snapshot` (M-12).
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        Self(crate::hyperpod::capacity::resolve(snapshot))
    }

    /// The capacity by node class.
    #[must_use]
    pub fn by_class(&self) -> &BTreeMap<Name, ClassCapacity> {
        &self.0
    }
}

/// A snapshot compiled for solving. `Capacity::new`, `Compiled::new`, `solve` and `plan` are apart so that they can be
/// timed and inspected; [`schedule`] does them all.
#[derive(Debug)]
pub struct Compiled<'a> {
    views: Views<'a>,
    problem: Problem,
    symbols: Symbols,
}

impl<'a> Compiled<'a> {
    /// Compiles `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a Capacity) -> Self {
        let views = Views::new(snapshot, capacity.by_class());
        let (problem, symbols) = compile(&views);
        Self {
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

    /// Decides, with the effort that the snapshot's options ask for.
    pub fn solve(&self) -> Outcome {
        solve(&self.problem, self.views.snapshot.options.effort)
    }

    /// Puts names to the decisions and reasons to what stays pending.
    pub fn plan(&self, outcome: &Outcome) -> Plan {
        let (mut plan, left) = decode(&self.views, &self.problem, &self.symbols, outcome);
        for (_, pods) in left.pods {
            for position in pods {
                plan.unschedulable.push(Unschedulable {
                    pod: Name::from(self.views.snapshot.pods[position as usize].key()),
                    reason: Name::from(""),
                    code: Name::from(""),
                    reasons: Arc::default(),
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
        plan.scaling = scaling::requests(self.views.snapshot, &plan.new_node_claims);
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
