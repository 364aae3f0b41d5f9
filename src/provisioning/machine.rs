//! The machine: its state, how it is driven, and how it is stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calls::Call;
use super::conditions::{self, ClusterView, StatusDocument};
use super::config::{Config, GroupConfig};
use super::covers::Cover;
use super::events::ClusterEvent;
use super::guards::Pool;
use super::ids::{CallId, Counter, NodeId, OfferingId, OrderId, PoolId};
use super::input::Input;
use super::ledger::Ledger;
use super::node::{Deletion, Node};
use super::offers::Offers;
use super::orders::Order;
use super::output::{Notice, Output, WakeReason};
use super::records::{Foreign, Stranger};
use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;

/// Keeps HyperPod's capacity coming: carries out plans, goes to fall-backs, heals, cleans up.
///
/// **Contract: after every [`handle`](Self::handle) call [`poll`](Self::poll) until it gives [`Output::Wake`] or
/// [`Output::Idle`], store the machine before carrying the outputs out, and call `handle` with [`Input::Tick`] no later
/// than the wake-up.**
///
/// Equal inputs at equal times give equal outputs. The machine reads no clock: `now` is an argument, and a `now` before
/// an earlier one counts as that one. It can be serialised after any call and goes on from there as if nothing had been;
/// after a restart that may have lost outputs, tell it [`Input::Restarted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub(super) state: State,
    pub(super) index: Index,
}

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) rng: Rng,
    pub(super) next_order: Counter,
    pub(super) next_node: Counter,
    pub(super) next_call: Counter,
    pub(super) config: Config,
    pub(super) cluster: Option<ClusterView>,
    pub(super) offers: Offers,
    pub(super) pools: Vec<Pool>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// Pods with an order or a new node.
    pub(super) covers: BTreeMap<Name, Cover>,
    /// Kubernetes events of instances that no node is known to have yet.
    pub(super) strangers: BTreeMap<Name, Stranger>,
    /// Logical ids in managed groups that are nobody's (H-9), or not yet.
    pub(super) foreign: BTreeMap<Name, Foreign>,
    pub(super) ledger: Ledger,
    pub(super) statuses: Vec<StatusDocument>,
    /// No call is sent before.
    pub(super) gate: Option<Timestamp>,
    pub(super) throttles: u32,
    /// Inputs that meant nothing: unknown events, answers to calls that are over.
    pub(super) ignored: u64,
    /// The last events of unknown kinds, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) unknown: VecDeque<ClusterEvent>,
    pub(super) released: BTreeSet<Name>,
    pub(super) queue: VecDeque<Output>,
}

/// Whose timer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Node(NodeId),
    Call(CallId),
    Order(OrderId),
    Pool(PoolId),
    Gate,
}

/// Look-up tables, made again from the state when it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    pub(super) by_logical: BTreeMap<Name, NodeId>,
    pub(super) by_instance: BTreeMap<Name, NodeId>,
    /// Nodes with a logical id by the newest listing that showed them.
    pub(super) by_seen: BTreeSet<(Timestamp, NodeId)>,
    pub(super) by_pool_name: BTreeMap<Name, PoolId>,
    pub(super) spares: BTreeSet<(PoolId, OfferingId, NodeId)>,
    pub(super) queued: BTreeSet<NodeId>,
    pub(super) lost: BTreeSet<NodeId>,
    /// Pools with waiting orders.
    pub(super) waiting: BTreeSet<PoolId>,
    /// Live nodes by type.
    pub(super) types: BTreeMap<Name, u32>,
    /// Live nodes by offering and pool.
    pub(super) live: BTreeMap<(OfferingId, PoolId), u32>,
    /// Positions of the configured groups.
    pub(super) groups: BTreeMap<Name, usize>,
    /// Node classes that name groups which the cluster does not have, with the first such group.
    pub(super) gaps: BTreeMap<Name, Name>,
    /// Pods with a ready node, by when it became ready.
    pub(super) ready_covers: BTreeSet<(Timestamp, Name)>,
}

impl Serialize for Machine {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.state.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Machine {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        State::deserialize(d).map(Self::resume)
    }
}

impl Machine {
    /// A machine that knows nothing of the cluster yet, at `now`. Its client tokens and its jitter follow from `seed`; two machines of one account
    /// need different seeds.
    #[must_use]
    pub fn new(seed: u64, config: Config, now: Timestamp) -> Self {
        let mut machine = Self::resume(State {
            seed,
            now,
            rng: Rng::new(seed),
            next_order: Counter::default(),
            next_node: Counter::default(),
            next_call: Counter::default(),
            config: Config::default(),
            cluster: None,
            offers: Offers::default(),
            pools: Vec::new(),
            orders: BTreeMap::new(),
            nodes: BTreeMap::new(),
            calls: BTreeMap::new(),
            covers: BTreeMap::new(),
            strangers: BTreeMap::new(),
            foreign: BTreeMap::new(),
            ledger: Ledger::default(),
            statuses: Vec::new(),
            gate: None,
            throttles: 0,
            ignored: 0,
            unknown: VecDeque::new(),
            released: BTreeSet::new(),
            queue: VecDeque::new(),
        });
        machine.configure(config);
        machine
    }

    /// O(n log n) in nodes, orders and calls.
    fn resume(state: State) -> Self {
        let mut machine = Self {
            state,
            index: Index::default(),
        };
        machine.state.offers.rebuild();
        let Self { state, index } = &mut machine;
        for (id, node) in &state.nodes {
            if let Some((at, _)) = node.due {
                index.timers.insert((at, Timer::Node(*id)));
            }
            if let Some(logical) = &node.logical_id {
                index.by_logical.insert(Name::clone(logical), *id);
                index.by_seen.insert((node.seen, *id));
            }
            if let Some(instance) = &node.instance_id {
                index.by_instance.insert(Name::clone(instance), *id);
            }
            if node.is_spare() {
                index.spares.insert((node.pool, node.offering, *id));
            }
            match node.deletion {
                Deletion::Queued => {
                    index.queued.insert(*id);
                }
                Deletion::Lost => {
                    index.lost.insert(*id);
                }
                Deletion::None | Deletion::Waiting | Deletion::Asked(_) | Deletion::Accepted => {}
            }
            if let Some(offering) = state.offers.get(node.offering) {
                let name = Name::clone(&offering.instance_type);
                *index.types.entry(name).or_default() += 1;
                *index.live.entry((node.offering, node.pool)).or_default() += 1;
            }
        }
        let ready = state.covers.iter().filter_map(|(pod, cover)| match cover {
            Cover::Ready(at) => Some((*at, Name::clone(pod))),
            Cover::Order(_) => None,
        });
        index.ready_covers = ready.collect();
        for (id, order) in &state.orders {
            if let Some(at) = order.retry_at() {
                index.timers.insert((at, Timer::Order(*id)));
            }
        }
        for (id, call) in &state.calls {
            index.timers.insert((call.due, Timer::Call(*id)));
        }
        for (number, pool) in (0..).zip(&state.pools) {
            let id = PoolId(number);
            index
                .by_pool_name
                .insert(Name::clone(&pool.config.name), id);
            if let Some(at) = pool.breaker_until {
                index.timers.insert((at, Timer::Pool(id)));
            }
            if !pool.waiting.is_empty() {
                index.waiting.insert(id);
            }
        }
        if let Some(at) = state.gate {
            index.timers.insert((at, Timer::Gate));
        }
        machine.index_groups();
        machine.index_gaps();
        machine
    }

    /// Takes in what happened at `now`, and all that has become due. O(log n) per object that the input names and per
    /// timer that is due.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.state.now = self.state.now.max(now);
        match input {
            Input::Tick => {}
            Input::Config(config) => self.configure(*config),
            Input::Plan(plan) => self.accept(plan),
            Input::Withdraw(pods) => self.withdraw(&pods),
            Input::Remove(removal) => self.remove(&removal),
            Input::Answer(call, outcome) => self.answer(call, outcome),
            Input::Cluster(record) => self.describe(&record),
            Input::Listing(listing) => self.list(listing),
            Input::Event(event) => self.event(&event),
            Input::Kube(event) => self.kube(&event),
            Input::Restarted => self.repeat_all(),
        }
        self.fire();
        self.pump();
        let now = self.state.now;
        self.state.ledger.settle(now);
    }

    /// The next thing to do. The answer changes with `handle` only; once it is [`Output::Wake`] or [`Output::Idle`] it
    /// stays that.
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.state.queue.pop_front() {
            return output;
        }
        match self.index.timers.first() {
            Some((at, timer)) => Output::Wake {
                at: *at,
                why: self.why(*timer),
            },
            None => Output::Idle,
        }
    }

    fn why(&self, timer: Timer) -> WakeReason {
        match timer {
            Timer::Node(id) => self
                .state
                .nodes
                .get(&id)
                .and_then(|node| node.due)
                .map_or(WakeReason::DeleteAgain, |(_, why)| why),
            Timer::Call(_) | Timer::Gate => WakeReason::CallAgain,
            Timer::Order(_) => WakeReason::OrderAgain,
            Timer::Pool(_) => WakeReason::BreakerCloses,
        }
    }

    /// Acts on each timer that is due. Whatever is armed meanwhile is due later than now, so this ends.
    fn fire(&mut self) {
        while let Some((at, timer)) = self.index.timers.first().copied() {
            if at > self.state.now {
                break;
            }
            self.index.timers.pop_first();
            match timer {
                Timer::Node(id) => self.node_due(id),
                Timer::Call(id) => self.call_due(id),
                Timer::Order(id) => self.order_due(id),
                Timer::Pool(id) => self.breaker_due(id),
                Timer::Gate => self.state.gate = None,
            }
        }
    }

    /// The moment from which something may be due: never the present one.
    pub(super) fn after(&self, at: Timestamp) -> Timestamp {
        at.max(self.state.now.plus(Span::from_millis(1)))
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.state.queue.push_back(output);
    }

    pub(super) fn notice(
        &mut self,
        warning: bool,
        reason: &'static str,
        rule: &'static str,
        subject: String,
        message: String,
    ) {
        self.emit(Output::Notice(Notice {
            warning,
            reason: reason.into(),
            subject,
            message,
            rule: rule.into(),
        }));
    }

    pub(super) fn index_groups(&mut self) {
        let groups = self.state.config.groups.iter().enumerate();
        self.index.groups = groups
            .map(|(at, group)| (Name::clone(&group.name), at))
            .collect();
    }

    pub(super) fn index_gaps(&mut self) {
        self.index.gaps = match &self.state.cluster {
            Some(cluster) => conditions::gaps(&self.state.config.classes, cluster),
            None => BTreeMap::new(),
        };
    }

    pub(super) fn group_config(&self, name: &Name) -> Option<&GroupConfig> {
        let at = self.index.groups.get(name)?;
        self.state.config.groups.get(*at)
    }

    pub(super) fn blocker(&self) -> Option<Name> {
        match &self.state.cluster {
            Some(cluster) => cluster.blocker.clone(),
            None => Some(Name::from("the cluster's record is not known yet")),
        }
    }
}
