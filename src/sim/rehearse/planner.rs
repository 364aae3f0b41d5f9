//! The planner of a rehearsal: a simple one, that puts all pods of a pool on one node of what is not known to be
//! unavailable; and where pods run.

use std::collections::BTreeSet;

use super::driver::{Act, Driver, Task};
use super::world::claim;
use crate::base::time::Span;
use crate::model::resources::Name;
use crate::provisioning::Input;
use crate::provisioning::input::AcceptedPlan;
use crate::provisioning::node::Phase;
use crate::provisioning::output::{Replan, Unavailability};

impl Driver {
    pub(super) fn replan(&mut self, replan: Replan) -> u64 {
        self.figures.handed_back += 1;
        let mut pods = replan.pods;
        for pod in &pods {
            let refused = self.refused.entry(Name::clone(pod)).or_default();
            for (offering, reason) in &replan.without {
                let market = (
                    Name::clone(&offering.instance_type),
                    Name::clone(&offering.zone),
                    offering.capacity_type,
                );
                refused.insert(market, matches!(reason, Unavailability::Guard(_)));
            }
        }
        if let Some(node) = replan.node {
            pods.extend(self.bound.get(&node).cloned().unwrap_or_default());
        }
        let mark = pods.len() as u64;
        self.later_plan_again(pods);
        mark
    }

    pub(super) fn later_plan_again(&mut self, pods: Vec<Name>) {
        if !pods.is_empty() && !matches!(self.act, Act::CleanUp(_)) {
            let at = self.within(5_000);
            self.at(at, Task::PlanAgain(pods));
        }
    }

    /// The planner: each pool's pods on one node of what is not known to be unavailable.
    pub(super) fn plan_again(&mut self, pods: &[Name]) {
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
    pub(super) fn observe_ready(&mut self) {
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

    /// Pods on nodes that stay.
    pub(super) fn placed(&self) -> BTreeSet<&Name> {
        self.bound
            .iter()
            .filter(|(id, _)| self.machine.node(**id).is_some_and(|n| !n.is_leaving()))
            .flat_map(|(_, pods)| pods)
            .collect()
    }
}
