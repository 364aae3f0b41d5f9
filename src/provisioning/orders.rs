//! Orders: claims of accepted plans on their way to a node. Each tries its offerings in the plan's order; when none can be
//! had its pods go back to the planner, and it is tried again later unless a new plan takes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::ClassConfig;
use super::covers::{Cover, PLAN_AGE_MAX};
use super::ids::{NodeId, OfferingId, OrderId, PoolId};
use super::input::AcceptedPlan;
use super::machine::{Machine, Timer};
use super::node::{Node, Phase};
use super::output::{Offering, Output, Replan, Unavailability};
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::plan::PlannedClaim;

/// How often in a row a planner may try other offerings for the same pods at once.
const RETURNS_AT_ONCE: u32 = 3;
/// The longest an order waits to be tried again.
const RETRY_MAX: Span = Span::from_secs(5 * 60);

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) pool: PoolId,
    pub(super) pods: Vec<Name>,
    pub(super) workloads: Vec<(Name, u32)>,
    /// In the order in which to try them.
    pub(super) options: Vec<OfferingId>,
    /// Those tried since its pods were handed over last. Each is tried once; then the planner has the word again, who may
    /// know others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tried: Vec<OfferingId>,
    pub(super) step: Step,
    /// How often its pods were handed back in a row.
    #[serde(default)]
    pub(super) returns: u32,
    /// Whether it keeps still until it is tried again: its pods have gone to and fro a few times, and nothing has changed.
    #[serde(default)]
    pub(super) quiet: bool,
}

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Something keeps the whole pool from launching.
    Waiting,
    /// A node is on its way.
    Launched(NodeId),
    /// Handed back; tried again then.
    HandedBack(Timestamp),
}

impl Order {
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        match self.step {
            Step::HandedBack(at) => Some(at),
            Step::Waiting | Step::Launched(_) => None,
        }
    }
}

impl Machine {
    /// Makes orders of a plan's claims. Pods that have capacity coming already are left out, and a claim with no other
    /// pods is not bought.
    pub(super) fn accept(&mut self, plan: AcceptedPlan) {
        let now = self.state.now;
        self.forget_old_covers();
        if now.since(plan.made_at) > PLAN_AGE_MAX {
            self.notice(
                true,
                "PlanTooOld",
                "M-11",
                "plan".to_owned(),
                format!(
                    "it was made from a snapshot of {}; make a new one",
                    plan.made_at
                ),
            );
            for claim in plan.claims {
                self.hand_over(claim.pods, Vec::new());
            }
            return;
        }
        for claim in plan.claims {
            let wanted = !claim.pods.is_empty();
            let (pods, returns) = self.uncovered(&claim.pods, plan.made_at);
            if wanted && pods.is_empty() {
                self.notice(
                    false,
                    "CapacityComing",
                    "M-11",
                    format!("NodePool {}", claim.node_pool),
                    format!("no second node for {}", claim.pods.join(", ")),
                );
                continue;
            }
            let offerings = offerings(&claim);
            if offerings.is_empty() {
                self.notice(
                    true,
                    "NoInstanceGroup",
                    "H-25",
                    format!("NodePool {}", claim.node_pool),
                    format!(
                        "{} of no instance group cannot be bought here",
                        claim.cheapest.instance_type
                    ),
                );
                self.hand_over(pods, Vec::new());
                continue;
            }
            let mut options = Vec::with_capacity(offerings.len());
            for offering in &offerings {
                let (id, old_price) = self.state.offers.intern(offering);
                if let Some(old) = old_price {
                    self.reprice(id, old);
                }
                if !options.contains(&id) {
                    options.push(id);
                }
            }
            let pool = self.intern_pool(&claim.node_pool);
            let id = OrderId(self.state.next_order.next());
            for pod in &pods {
                self.cover(pod, Cover::Order(id));
            }
            let workloads = shares(&pods, &plan.workloads);
            self.state.orders.insert(
                id,
                Order {
                    pool,
                    pods,
                    workloads,
                    options,
                    tried: Vec::new(),
                    step: Step::Waiting,
                    returns,
                    quiet: returns > RETURNS_AT_ONCE,
                },
            );
            self.wait(id, pool);
        }
    }

    /// Takes `pod` out of an order; an order without pods ends, and its node becomes a spare one.
    pub(super) fn drop_pod(&mut self, id: OrderId, pod: &Name) {
        self.uncover(pod);
        let Some(order) = self.state.orders.get_mut(&id) else {
            return;
        };
        order.pods.retain(|of| of != pod);
        if let Step::Launched(node) = order.step
            && let Some(node) = self.state.nodes.get_mut(&node)
        {
            node.pods.retain(|of| of != pod);
        }
        if order.pods.is_empty()
            && let Some(order) = self.end_order(id)
            && let Step::Launched(node) = order.step
        {
            self.make_spare(node);
        }
    }

    /// Removes an order with its timer and its place in line. Covers stay.
    pub(super) fn end_order(&mut self, id: OrderId) -> Option<Order> {
        let order = self.state.orders.remove(&id)?;
        match order.step {
            Step::Waiting => self.no_longer_waits(id, order.pool),
            Step::HandedBack(at) => {
                self.index.timers.remove(&(at, Timer::Order(id)));
            }
            Step::Launched(_) => {}
        }
        Some(order)
    }

    fn no_longer_waits(&mut self, id: OrderId, pool_id: PoolId) {
        if let Some(pool) = self.pool_mut(pool_id) {
            pool.waiting.remove(&id);
            if pool.waiting.is_empty() {
                self.index.waiting.remove(&pool_id);
            }
        }
    }

    /// Puts an order in line.
    pub(super) fn wait(&mut self, id: OrderId, pool_id: PoolId) {
        if let Some(order) = self.state.orders.get_mut(&id) {
            order.step = Step::Waiting;
        }
        if let Some(pool) = self.pool_mut(pool_id) {
            pool.waiting.insert(id);
            self.index.waiting.insert(pool_id);
        }
    }

    pub(super) fn order_due(&mut self, id: OrderId) {
        if let Some(order) = self.state.orders.get(&id) {
            let pool = order.pool;
            self.wait(id, pool);
        }
    }

    /// Launches what may be launched, deletes what may be deleted.
    pub(super) fn pump(&mut self) {
        // Nothing is decided that could not be asked for now: it might be decided otherwise later.
        if self.state.gate.is_some() || self.blocker().is_some() {
            return;
        }
        let pools: Vec<PoolId> = self.index.waiting.iter().copied().collect();
        let mut launched = Vec::new();
        for pool in pools {
            self.pump_pool(pool, &mut launched);
        }
        self.call_add(launched);
        self.call_delete();
    }

    fn pump_pool(&mut self, id: PoolId, launched: &mut Vec<NodeId>) {
        loop {
            let Some(pool) = self.pool(id) else { return };
            let paused = pool.breaker_until.is_some();
            let full = pool.in_flight >= pool.config.max_in_flight;
            if (paused || full) && !pool.is_closed() {
                return;
            }
            let Some(order) = pool.waiting.first().copied() else {
                return;
            };
            self.no_longer_waits(order, id);
            self.try_order(order, launched);
        }
    }

    /// Finds a spare node for the order, or launches one, or hands its pods back.
    fn try_order(&mut self, id: OrderId, launched: &mut Vec<NodeId>) {
        let Some(order) = self.state.orders.get(&id) else {
            return;
        };
        if let Some(spare) = self.spare_for(order) {
            self.take_spare(spare, id);
            return;
        }
        let pool = order.pool;
        let mut without = Vec::new();
        let mut chosen = None;
        for option in order.options.iter().copied() {
            match self.refusal(pool, option) {
                None if order.tried.contains(&option) => {
                    let until = self.state.now.plus(RETRY_MAX);
                    without.push((option, Unavailability::BackingOff(until)));
                }
                None => {
                    chosen = Some(option);
                    break;
                }
                Some(reason) => without.push((option, reason)),
            }
        }
        match chosen {
            Some(option) => {
                let node = NodeId(self.state.next_node.next());
                self.launch(id, node, option);
                launched.push(node);
            }
            None => self.hand_back(id, without),
        }
    }

    /// Why `option` cannot be bought for `pool` now.
    pub(super) fn refusal(&self, pool_id: PoolId, option: OfferingId) -> Option<Unavailability> {
        let pool = self.pool(pool_id)?;
        let closed = |text: String| Some(Unavailability::Pool(Name::from(text)));
        if pool.is_closed() {
            return closed(format!("NodePool {} is being deleted", pool.config.name));
        }
        if !pool.config.faults.is_empty() {
            return closed(format!("NodePool {} is not valid", pool.config.name));
        }
        let offering = self.state.offers.get(option)?;
        let group = &offering.instance_group;
        let refused = |text: String| Some(Unavailability::Group(Name::from(text)));
        if let Some(class) = self.class(&pool.config.node_class) {
            if class.deleted || !class.faults.is_empty() {
                return closed(format!("HyperpodNodeClass {} is not ready", class.name));
            }
            // H-12: the class is not ready until the name is removed.
            if let Some(gap) = self.index.gaps.get(&class.name) {
                return closed(format!(
                    "HyperpodNodeClass {} is not ready: the cluster has no instance group {gap}",
                    class.name
                ));
            }
            if !class.instance_groups.contains(group) {
                return refused(format!("HyperpodNodeClass {} does not name it", class.name));
            }
        }
        if let Some(reason) = self.group_refusal(group) {
            return Some(Unavailability::Group(reason));
        }
        let blocked = self.state.offers.blocked(option, self.state.now);
        blocked.or_else(|| self.guard(pool_id, option))
    }

    /// Why nothing can be added to `group` at all.
    pub(super) fn group_refusal(&self, group: &Name) -> Option<Name> {
        let config = self.group_config(group);
        if let Some(fault) = config.and_then(|g| g.faults.first()) {
            return Some(Name::clone(fault));
        }
        match self.state.cluster.as_ref().map(|c| c.groups.get(group)) {
            Some(Some(status)) if &**status == "InService" => None,
            Some(Some(status)) => Some(Name::from(format!("its status is {status}"))),
            Some(None) => Some(Name::from("the cluster has no such group")),
            None => None,
        }
    }

    fn class(&self, name: &Name) -> Option<&ClassConfig> {
        self.state.config.classes.iter().find(|c| c.name == *name)
    }

    fn launch(&mut self, id: OrderId, node_id: NodeId, option: OfferingId) {
        let now = self.state.now;
        let Some(order) = self.state.orders.get_mut(&id) else {
            return;
        };
        let pool = order.pool;
        let fallback = order.options.first() != Some(&option);
        order.step = Step::Launched(node_id);
        order.tried.push(option);
        let mut node = Node::new(node_id, Some(id), pool, option, now);
        node.pods.clone_from(&order.pods);
        self.state.nodes.insert(node_id, node);
        self.state.offers.try_by(option, node_id, now);
        self.count(pool, option, true);
        if let Some(pool) = self.pool_mut(pool) {
            pool.in_flight = pool.in_flight.saturating_add(1);
        }
        if fallback && let Some(offering) = self.state.offers.get(option) {
            let text = format!(
                "falls back to {} in {} ({}, {})",
                offering.instance_type,
                offering.zone,
                offering.capacity_type,
                offering.instance_group
            );
            self.notice(false, "FallBack", "H-15", id.to_string(), text);
        }
    }

    /// Gives an order's pods back to the planner and keeps the order to try it again.
    fn hand_back(&mut self, id: OrderId, without: Vec<(OfferingId, Unavailability)>) {
        let Some(order) = self.state.orders.get(&id) else {
            return;
        };
        let pods = order.pods.clone();
        let pool_id = order.pool;
        let closed = self
            .pool(pool_id)
            .is_none_or(super::guards::Pool::is_closed);
        let now = self.state.now;
        let earliest = without.iter().filter_map(|(_, reason)| match reason {
            Unavailability::BackingOff(until) => Some(*until),
            Unavailability::Probing
            | Unavailability::Group(_)
            | Unavailability::Guard(_)
            | Unavailability::Pool(_) => None,
        });
        // What is not a matter of time is looked at again before long.
        let retry = now.plus(RETRY_MAX);
        let retry = earliest.min().map_or(retry, |at| at.min(retry));
        let jitter = i64::try_from(self.state.rng.below(5_000)).unwrap_or(0);
        let retry = self.after(retry.plus(Span::from_millis(jitter)));
        let without = self.named(without);
        let mut quiet = false;
        let retry_at = if closed {
            self.end_order(id);
            for pod in &pods {
                self.uncover(pod);
            }
            None
        } else {
            if let Some(order) = self.state.orders.get_mut(&id) {
                order.step = Step::HandedBack(retry);
                order.tried.clear();
                order.returns = order.returns.saturating_add(1);
                quiet = std::mem::take(&mut order.quiet);
            }
            self.index.timers.insert((retry, Timer::Order(id)));
            Some(retry)
        };
        if !quiet {
            self.emit(Output::Replan(Replan {
                order: Some(id),
                pods,
                node: None,
                without,
                retry_at,
            }));
        }
    }

    fn named(&self, without: Vec<(OfferingId, Unavailability)>) -> Vec<(Offering, Unavailability)> {
        without
            .into_iter()
            .filter_map(|(id, reason)| Some((self.state.offers.get(id)?.clone(), reason)))
            .collect()
    }

    /// Hands pods back that have no order.
    fn hand_over(&mut self, pods: Vec<Name>, without: Vec<(Offering, Unavailability)>) {
        self.emit(Output::Replan(Replan {
            order: None,
            pods,
            node: None,
            without,
            retry_at: None,
        }));
    }

    /// The order's node is ready.
    pub(super) fn fulfil(&mut self, id: OrderId) {
        let now = self.state.now;
        let Some(order) = self.end_order(id) else {
            return;
        };
        for pod in &order.pods {
            self.cover(pod, Cover::Ready(now));
        }
    }

    /// The order's node went for a reason that is not its offering's: it may have the same again.
    pub(super) fn try_again(&mut self, id: OrderId, offering: OfferingId) {
        if let Some(order) = self.state.orders.get_mut(&id) {
            order.tried.retain(|tried| *tried != offering);
        }
        self.try_next(id);
    }

    /// The order's node has failed: it tries the next offering.
    pub(super) fn try_next(&mut self, id: OrderId) {
        if let Some(order) = self.state.orders.get(&id) {
            let pool = order.pool;
            self.wait(id, pool);
        }
    }

    fn spare_for(&self, order: &Order) -> Option<NodeId> {
        order.options.iter().find_map(|option| {
            let first = (order.pool, *option, NodeId(0));
            let last = (order.pool, *option, NodeId(u64::MAX));
            let mut spares = self.index.spares.range(first..=last);
            spares.next().map(|(_, _, node)| *node)
        })
    }

    fn take_spare(&mut self, node_id: NodeId, id: OrderId) {
        let Some(order) = self.state.orders.get_mut(&id) else {
            return;
        };
        order.step = Step::Launched(node_id);
        let (pods, workloads) = (order.pods.clone(), order.workloads.clone());
        let Some(node) = self.state.nodes.get_mut(&node_id) else {
            return;
        };
        self.index
            .spares
            .remove(&(node.pool, node.offering, node_id));
        node.order = Some(id);
        node.pods = pods;
        node.hold_until = None;
        let ready = node.phase == Phase::Initialized;
        self.open_account(node_id, workloads);
        self.notice(
            false,
            "SpareReused",
            "H-67",
            node_id.to_string(),
            format!("taken by {id} in place of a launch"),
        );
        self.rearm(node_id);
        if ready {
            self.settle_order(node_id);
        }
    }
}

/// The offerings of a claim: the chosen one, then the fall-backs; those of no instance group are left out.
fn offerings(claim: &PlannedClaim) -> Vec<Offering> {
    let mut all: Vec<Offering> = Vec::with_capacity(1 + claim.fallbacks.len());
    for (at, of) in std::iter::once(&claim.cheapest)
        .chain(claim.fallbacks.iter())
        .enumerate()
    {
        let own = claim.instance_group.as_ref().filter(|_| at == 0);
        let Some(group) = of.instance_group.as_ref().or(own) else {
            continue;
        };
        let offering = Offering::new(
            Name::clone(group),
            Name::clone(&of.instance_type),
            Name::clone(&of.zone),
            of.capacity_type,
            of.price,
        );
        all.push(offering);
    }
    all
}

/// How many of `pods` each workload has, by name.
fn shares(pods: &[Name], workloads: &BTreeMap<Name, Name>) -> Vec<(Name, u32)> {
    let mut shares: BTreeMap<Name, u32> = BTreeMap::new();
    for pod in pods {
        let namespace = pod.split_once('/').map_or("", |(namespace, _)| namespace);
        let workload = workloads
            .get(pod)
            .map_or_else(|| Name::from(namespace), Name::clone);
        *shares.entry(workload).or_default() += 1;
    }
    shares.into_iter().collect()
}
