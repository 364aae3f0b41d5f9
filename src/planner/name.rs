//! The plan as others read it, put together when it is asked for.

use super::change::ClaimId;
use super::{OpenClaim, Planner};
use crate::model::resources::Name;
use crate::plan::decode::{claims, totals};
use crate::plan::statics::static_pools;
use crate::plan::{ExistingPlacement, Plan, PlannedClaim, scaling};
use crate::problem::OptionId;
use crate::problem::compile::Views;
use crate::scheduler::Capacity;
use crate::solver::{Group, Target};

impl Planner {
    /// The whole plan for [`snapshot`](Self::snapshot) as it was decided at the last [`replan`](Self::replan).
    ///
    /// The lower bound is 0 and the figures on preferences are absent unless the plan was made from nothing and has not
    /// changed since. O(pods + claims x options).
    pub fn plan(&self) -> Plan {
        let mut plan = self.facts.plan.clone();
        let (bound, preferences) = self.facts.exact.unwrap_or_default();
        plan.lower_bound = bound;
        plan.preferences = preferences;
        let buffers = plan.existing_nodes.len();
        for (node, pods) in &self.existing {
            // A NodeClaim whose Node has joined is known by the Node's name.
            let slot = self.state.as_ref().and_then(|state| state.slot_named(node));
            let name = slot
                .and_then(|slot| self.names.get(slot.at()))
                .unwrap_or(node);
            let held = plan.existing_nodes[..buffers]
                .iter()
                .position(|held| held.node == *name);
            match held {
                Some(at) => plan.existing_nodes[at].pods.clone_from(pods),
                None => {
                    let mut placement = ExistingPlacement::new(Name::clone(name));
                    placement.pods.clone_from(pods);
                    plan.existing_nodes.push(placement);
                }
            }
        }
        plan.existing_nodes.sort_by(|a, b| a.node.cmp(&b.node));
        let views = self.capacity.as_ref().map(|capacity| self.views(capacity));
        for (id, open) in &self.claims {
            plan.new_node_claims.extend(
                views
                    .as_ref()
                    .and_then(|views| self.named(*id, open, views)),
            );
        }
        plan.unschedulable = self.left.values().cloned().collect();
        plan.scaling = scaling::requests(&self.snapshot, &plan.new_node_claims);
        if let Some(capacity) = &self.capacity
            && self
                .snapshot
                .node_pools
                .iter()
                .any(|pool| pool.replicas.is_some())
        {
            plan.static_pools = static_pools(&Views::new(&self.snapshot, capacity.by_class()));
        }
        plan.totals = totals(&plan);
        plan
    }

    /// An open claim as it stands, with its types, zones and fall-backs; `None` if it is not open. O(pools + options).
    #[must_use]
    pub fn claim(&self, id: ClaimId) -> Option<PlannedClaim> {
        let open = self.claims.get(&id)?;
        self.named(id, open, &self.views(self.capacity.as_ref()?))
    }

    fn views<'v>(&'v self, capacity: &'v Capacity) -> Views<'v> {
        Views::new(&self.catalogue, capacity.by_class())
    }

    fn named(&self, id: ClaimId, open: &OpenClaim, views: &Views<'_>) -> Option<PlannedClaim> {
        let facts = &self.facts.claims;
        let unlimited = self
            .state
            .as_ref()
            .is_some_and(|state| state.stocks.is_empty());
        let fits = unlimited || (facts.contains(&id.0) && facts.end == self.next_claim);
        let mut claim = match open.planned.as_ref().filter(|_| fits && !open.touched) {
            Some(planned) => planned.clone(),
            None => self.narrowed(open, views)?,
        };
        claim.pods.clone_from(&open.pods);
        Some(claim)
    }

    /// What an open claim with other pods than at first may become: the options that hold its pods, in the domains that
    /// rules between pods were counted for.
    fn narrowed(&self, open: &OpenClaim, views: &Views<'_>) -> Option<PlannedClaim> {
        let state = self.state.as_ref()?;
        let problem = &state.what.problem;
        let chosen = state.bought(open.slot)?;
        let content = state.content(open.slot).to_vec();
        let group = Group {
            target: Target::Option(chosen),
            content,
            times: 1,
        };
        let same = |option: OptionId| {
            let plain = !self.holds_gang(open);
            (plain || option == chosen)
                && group
                    .content
                    .iter()
                    .all(|(class, _)| state.what.between.same_domains(*class, chosen, option))
        };
        let mut allowed = problem.pools[problem.options[chosen].pool].options.clone();
        allowed.retain(same);
        let groups = [(group, &allowed)];
        claims(views, problem, &state.what.symbols, &state.stocks, &groups).pop()
    }

    fn holds_gang(&self, open: &OpenClaim) -> bool {
        let of_gang = |key: &Name| {
            let at = self.position(key)?;
            crate::view::gangs::key_of(&self.snapshot.pods[at])
        };
        !self.gangs.is_empty() && open.pods.iter().any(|key| of_gang(key).is_some())
    }
}
