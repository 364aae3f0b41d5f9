//! What must hold after every step, judged by what was asked for and by the fake's own state.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::{Span, Timestamp};
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{NODES, Name, ResourceList};
use crate::provisioning::Machine;
use crate::provisioning::api::{AddAnswer, AddRequest, DeleteRequest, InstanceStatus};
use crate::provisioning::config::Config;
use crate::provisioning::ids::{CallId, NodeId, OrderId};
use crate::provisioning::input::KubeChange;
use crate::provisioning::ledger::{Amount, Totals};
use crate::provisioning::node::Node;
use crate::provisioning::output::Launch;
use crate::sim::hyperpod::Fake;

/// What did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The API's limits on a request (H-25, H-26).
    #[error("a request breaks the API's limits: {0}")]
    Request(String),
    /// A pool limit, a shared limit, a price cap or a quota.
    #[error("asked for more than {0} allows")]
    Limit(String),
    /// More than one node for an order or a pod.
    #[error("a second launch for {0} while {1} is on its way")]
    Twice(String, NodeId),
    /// A call while autoscaling is not in service (row 14).
    #[error("a call while autoscaling is not in service")]
    NotInService,
    /// An offering tried again at once after it failed (row 4).
    #[error("{0} is tried again within its back-off")]
    NoBackoff(String),
    /// A deletion before the drain.
    #[error("{0} is deleted and was not drained")]
    NotDrained(Name),
    /// A deletion of something that is not the machine's.
    #[error("{0} is deleted and is not a node of the machine")]
    NotOurs(Name),
    /// Pods without a node although there is capacity for them.
    #[error("{0} has no node {1} after the trouble ended: {2}")]
    Unfulfilled(Name, Span, String),
    /// A logical id that nobody knows any more.
    #[error("the logical id {0} is leaked")]
    Leaked(Name),
    /// Something is left after everything was deleted.
    #[error("left after the clean-up: {0}")]
    Left(String),
    /// The books and the bill differ.
    #[error("the ledger says {ledger} for {of}, the bill {bill}")]
    Ledger {
        /// Instance group, pool or `all`.
        of: Name,
        /// By the machine.
        ledger: i128,
        /// By the fake.
        bill: i128,
    },
    /// The machine asks to be woken now, which never ends.
    #[error("the machine asks to be woken at {0}, which is not later than now")]
    Wake(Timestamp),
    /// It does not come to an end.
    #[error("no end after {0} steps")]
    Endless(u64),
    /// It does not come back from its stored form.
    #[error("stored and read again: {0}")]
    Stored(String),
}

#[derive(Debug)]
struct Asked {
    pool: Name,
    instance_type: Name,
    price: Price,
    logical: Option<Name>,
}

impl Asked {
    fn of(launch: &Launch) -> Self {
        Self {
            pool: Name::clone(&launch.node_pool),
            instance_type: Name::clone(&launch.offering.instance_type),
            price: launch.offering.price.unwrap_or(Price::ZERO),
            logical: None,
        }
    }
}

type Market = (Name, Name, CapacityType);

/// The books of the checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Nodes asked for that may exist by the fake's state.
    asked: BTreeMap<NodeId, Asked>,
    by_logical: BTreeMap<Name, NodeId>,
    /// All logical ids that answer to the machine's requests, with the pool they were asked for.
    pub(super) ours: BTreeMap<Name, Name>,
    last_of_order: BTreeMap<OrderId, NodeId>,
    last_of_pod: BTreeMap<Name, NodeId>,
    placed_calls: BTreeSet<CallId>,
    joined: BTreeSet<Name>,
    drained: BTreeSet<Name>,
    cut_short: BTreeMap<Name, Timestamp>,
    failed_at: BTreeMap<Market, Timestamp>,
    /// When each logical id was last told to have an instance.
    instance_at: BTreeMap<Name, Timestamp>,
    pub(super) in_service: bool,
}

impl Checks {
    /// The machine has asked for nodes.
    pub(super) fn add(
        &mut self,
        machine: &Machine,
        config: &Config,
        call: CallId,
        request: &AddRequest,
        launches: &[Launch],
        now: Timestamp,
    ) -> Result<(), Violation> {
        let entries = &request.body.nodes_to_add;
        let nodes: u32 = entries.iter().map(|e| e.increment_target_count_by).sum();
        if entries.is_empty() || entries.len() > 5 || nodes > 50 {
            let text = format!("{} entries, {nodes} nodes", entries.len());
            return Err(Violation::Request(text));
        }
        if usize::try_from(nodes).ok() != Some(launches.len()) {
            return Err(Violation::Request("nodes and launches differ".to_owned()));
        }
        if !self.in_service {
            return Err(Violation::NotInService);
        }
        // A repetition asks for nothing more.
        if !self.placed_calls.insert(call) {
            return Ok(());
        }
        for launch in launches {
            self.launch(machine, config, launch, now)?;
        }
        self.limits(config, launches)
    }

    fn launch(
        &mut self,
        machine: &Machine,
        config: &Config,
        launch: &Launch,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let offering = &launch.offering;
        let market = (
            Name::clone(&offering.instance_type),
            Name::clone(&offering.zone),
            offering.capacity_type,
        );
        if let Some(failed) = self.failed_at.get(&market) {
            let least = config.capacity_backoff.first.as_millis() * 8 / 10;
            if now.since(*failed).as_millis() < least {
                let text = format!("{} in {}", offering.instance_type, offering.zone);
                return Err(Violation::NoBackoff(text));
            }
        }
        let pods = machine.node(launch.node).map(|n| n.pods.clone());
        let pods = pods.unwrap_or_default();
        let of_order = self.last_of_order.insert(launch.order, launch.node);
        let what = launch.order.to_string();
        self.still_coming(machine, of_order, launch.node, &what, |node| {
            node.order == Some(launch.order)
        })?;
        for pod in pods {
            let before = self.last_of_pod.insert(Name::clone(&pod), launch.node);
            self.still_coming(machine, before, launch.node, &pod, |node| {
                (node.is_in_flight() || node.order.is_some()) && node.pods.contains(&pod)
            })?;
        }
        self.asked.insert(launch.node, Asked::of(launch));
        Ok(())
    }

    /// Whether `before` is still on its way for `what`, by `is_for`: it may have been given up, turned up late and been
    /// taken by others meanwhile.
    fn still_coming(
        &self,
        machine: &Machine,
        before: Option<NodeId>,
        node: NodeId,
        what: &str,
        is_for: impl Fn(&Node) -> bool,
    ) -> Result<(), Violation> {
        let Some(before) = before.filter(|before| *before != node) else {
            return Ok(());
        };
        // One that the fake has and the machine does not know of any more counts as coming, too.
        let coming = match machine.node(before) {
            Some(before) => !before.is_leaving() && is_for(before),
            None => self
                .asked
                .get(&before)
                .is_some_and(|asked| asked.logical.is_some()),
        };
        if coming {
            return Err(Violation::Twice(what.to_owned(), before));
        }
        Ok(())
    }

    /// Limits of what was asked for just now. A limit may have been lowered below what there is; then nothing that counts
    /// towards it may be asked for.
    fn limits(&self, config: &Config, launches: &[Launch]) -> Result<(), Violation> {
        let now = |pool: &Name| launches.iter().any(|launch| launch.node_pool == *pool);
        let mut usage: BTreeMap<&Name, ResourceList> = BTreeMap::new();
        let mut prices: BTreeMap<&Name, Price> = BTreeMap::new();
        let mut types: BTreeMap<&Name, u32> = BTreeMap::new();
        for asked in self.asked.values() {
            let of = usage.entry(&asked.pool).or_default();
            if let Some(capacity) = config.types.get(&asked.instance_type) {
                of.add(capacity);
            }
            of.set(NODES, of.amount(NODES) + Quantity::from_units(1));
            let price = prices.entry(&asked.pool).or_default();
            *price += asked.price;
            *types.entry(&asked.instance_type).or_default() += 1;
        }
        let over = |usage: &ResourceList, limits: &ResourceList| {
            limits
                .iter()
                .any(|(name, limit)| usage.amount(name) > limit)
        };
        let none = ResourceList::new();
        for pool in config.pools.iter().filter(|pool| now(&pool.name)) {
            let used = usage.get(&pool.name).unwrap_or(&none);
            if over(used, &pool.limits) {
                return Err(Violation::Limit(format!("the limit of {}", pool.name)));
            }
            let price = prices.get(&pool.name).copied().unwrap_or(Price::ZERO);
            if pool.price_cap.is_some_and(|cap| price > cap) {
                return Err(Violation::Limit(format!("the price cap of {}", pool.name)));
            }
        }
        let shared = config.shared_limits.iter();
        for shared in shared.filter(|shared| shared.pools.iter().any(now)) {
            let mut used = ResourceList::new();
            for pool in &shared.pools {
                used.add(usage.get(pool).unwrap_or(&none));
            }
            if over(&used, &shared.limits) {
                return Err(Violation::Limit(format!("the limit of {}", shared.name)));
            }
        }
        let all: Price = prices.values().copied().sum();
        if config.price_cap.is_some_and(|cap| all > cap) {
            return Err(Violation::Limit("the price cap".to_owned()));
        }
        let count: u32 = types.values().sum();
        if config.quotas.any_type().is_some_and(|quota| count > quota) {
            return Err(Violation::Limit("the quota of all types".to_owned()));
        }
        for (name, quota) in &config.quotas.per_type {
            if types.get(name).is_some_and(|count| count > quota) {
                return Err(Violation::Limit(format!("the quota of {name}")));
            }
        }
        Ok(())
    }

    /// An add has taken effect, or was refused as a whole (`None`). An accepted node belongs to the entry that asked for its
    /// group, zones and types; the launches stand in the order of the entries.
    pub(super) fn added(
        &mut self,
        request: &AddRequest,
        launches: &[Launch],
        answer: Option<&AddAnswer>,
    ) {
        let mut answered: Vec<_> = answer.iter().flat_map(|a| &a.successful).collect();
        let mut launches = launches.iter();
        for entry in &request.body.nodes_to_add {
            for _ in 0..entry.increment_target_count_by {
                let Some(launch) = launches.next() else {
                    return;
                };
                let found = answered.iter().position(|added| {
                    added.instance_group_name == entry.instance_group_name
                        && added.availability_zones == entry.availability_zones
                        && added.instance_types == entry.instance_types
                });
                let Some(added) = found.map(|at| answered.remove(at)) else {
                    self.asked.remove(&launch.node);
                    continue;
                };
                let logical = &added.node_logical_id;
                self.ours
                    .insert(Name::clone(logical), Name::clone(&launch.node_pool));
                // What a repetition asked for may have come and gone meanwhile.
                if added.status == InstanceStatus::NotFound {
                    continue;
                }
                // A request that was refused after silence is repeated and may take effect after all.
                let asked = self.asked.entry(launch.node);
                asked.or_insert_with(|| Asked::of(launch)).logical = Some(Name::clone(logical));
                self.by_logical.insert(Name::clone(logical), launch.node);
            }
        }
    }

    /// An add was refused before it took effect this time.
    pub(super) fn refused(&mut self, launches: &[Launch]) {
        for launch in launches {
            let asked = self.asked.get(&launch.node);
            if asked.is_some_and(|asked| asked.logical.is_none()) {
                self.asked.remove(&launch.node);
            }
        }
    }

    /// The fake no longer has these.
    pub(super) fn removed(&mut self, logical_ids: Vec<Name>) {
        for logical in logical_ids {
            if let Some(node) = self.by_logical.remove(&logical) {
                self.asked.remove(&node);
            }
        }
    }

    /// The machine has asked to delete nodes.
    pub(super) fn delete(
        &self,
        machine: &Machine,
        request: &DeleteRequest,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let ids = &request.node_logical_ids;
        if ids.is_empty() || ids.len() > 50 {
            return Err(Violation::Request(format!("{} ids", ids.len())));
        }
        if !self.in_service {
            return Err(Violation::NotInService);
        }
        for logical in ids {
            if !self.ours.contains_key(logical) {
                return Err(Violation::NotOurs(Name::clone(logical)));
            }
            let node = machine.by_logical_id(logical);
            let Some(instance) = node.and_then(|node| node.instance_id.as_ref()) else {
                continue;
            };
            let cut = self.cut_short.get(instance).is_some_and(|at| *at <= now);
            if self.joined.contains(instance) && !self.drained.contains(instance) && !cut {
                return Err(Violation::NotDrained(Name::clone(logical)));
            }
        }
        Ok(())
    }

    /// The machine has asked for a drain that is cut short at `until`.
    pub(super) fn drain(&mut self, instance: &Name, until: Option<Timestamp>) {
        if let Some(until) = until {
            self.cut_short.insert(Name::clone(instance), until);
        }
    }

    /// The machine has been told about a Node.
    pub(super) fn told(&mut self, instance: &Name, change: KubeChange) {
        match change {
            KubeChange::Joined => {
                self.joined.insert(Name::clone(instance));
            }
            KubeChange::Drained => {
                self.drained.insert(Name::clone(instance));
            }
            KubeChange::Gone => {
                self.joined.remove(instance);
            }
            KubeChange::Registered
            | KubeChange::Ready(_)
            | KubeChange::Initialized
            | KubeChange::Health(_)
            | KubeChange::Interrupted => {}
        }
    }

    /// The machine has been told at `now` that the node found no capacity in its market at `then`. That means nothing if
    /// it is known to have had an instance since.
    pub(super) fn market_failed(
        &mut self,
        logical: &Name,
        market: Market,
        then: Timestamp,
        now: Timestamp,
    ) {
        if self.instance_at.get(logical).is_none_or(|at| *at <= then) {
            self.failed_at.insert(market, now);
        }
    }

    /// The machine has been told that the node had an instance of its market at `then`.
    pub(super) fn market_works(&mut self, logical: &Name, market: &Market, then: Timestamp) {
        self.failed_at.remove(market);
        self.instance_ended(logical, then);
    }

    /// The machine has been told that the node's instance ended at `then`.
    pub(super) fn instance_ended(&mut self, logical: &Name, then: Timestamp) {
        let at = self.instance_at.entry(Name::clone(logical)).or_insert(then);
        *at = (*at).max(then);
    }

    /// Nobody needs a node for the pod any more; a plan that is on its way may still name it.
    pub(super) fn withdrawn(&mut self, pod: &Name) {
        self.last_of_pod.remove(pod);
    }

    /// Every logical id of ours in the fake is a node of the machine: by its logical id, or as one whose request is still
    /// repeated because no answer has told its logical id yet. That those go too shows at the end, when nothing may be left.
    pub(super) fn leaks(&self, machine: &Machine, fake: &Fake) -> Result<(), Violation> {
        let asked_for = |logical: &Name| {
            let node = self.by_logical.get(logical);
            let node = node.and_then(|node| machine.node(*node));
            node.is_some_and(|node| node.logical_id.is_none())
        };
        let leaked = fake.logical_ids().find(|logical| {
            self.ours.contains_key(*logical)
                && fake.is_wanted(logical)
                && machine.by_logical_id(logical).is_none()
                && !asked_for(logical)
        });
        leaked.map_or(Ok(()), |logical| {
            Err(Violation::Leaked(Name::clone(logical)))
        })
    }

    /// The ledger, told of all events there were, equals the fake's bill of the nodes that it knows, in the midst of things.
    pub(super) fn audit(
        &self,
        machine: &Machine,
        fake: &Fake,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let mut books = machine.ledger().clone();
        for event in fake.event_log() {
            books.hear(event, now);
        }
        let known = |logical: &Name| books.knows(logical);
        self.balance(&books.totals(now), fake, known).map(|_| ())
    }

    /// The machine's ledger equals the fake's bill; what it all came to.
    pub(super) fn ledger(
        &self,
        machine: &Machine,
        fake: &Fake,
        now: Timestamp,
    ) -> Result<i128, Violation> {
        self.balance(&machine.ledger().totals(now), fake, |_| true)
    }

    /// Compares group by group and pool by pool. The fake counts by its own clock and its own prices.
    fn balance(
        &self,
        totals: &Totals,
        fake: &Fake,
        known: impl Fn(&Name) -> bool,
    ) -> Result<i128, Violation> {
        let (mut groups, mut pools) = (BTreeMap::new(), BTreeMap::new());
        let mut all = 0;
        for (logical, group, amount) in fake.bill() {
            if let Some(pool) = self
                .ours
                .get(logical)
                .filter(|_| amount != 0 && known(logical))
            {
                *groups.entry(Name::clone(group)).or_default() += amount;
                *pools.entry(Name::clone(pool)).or_default() += amount;
                all += amount;
            }
        }
        equal(&groups, &totals.groups)?;
        equal(&pools, &totals.pools)?;
        let whole = [(Name::from("all"), totals.total)].into_iter().collect();
        equal(&[(Name::from("all"), all)].into_iter().collect(), &whole)?;
        Ok(all)
    }
}

/// Whether the bill and the ledger have the same sums.
fn equal(bill: &BTreeMap<Name, i128>, ledger: &BTreeMap<Name, Amount>) -> Result<(), Violation> {
    for of in bill.keys().chain(ledger.keys()) {
        let billed = bill.get(of).copied().unwrap_or(0);
        let booked = ledger.get(of).map_or(0, |amount| amount.exact());
        if billed != booked {
            return Err(Violation::Ledger {
                of: Name::clone(of),
                ledger: booked,
                bill: billed,
            });
        }
    }
    Ok(())
}
