//! The long ways: compiling the cluster, and asking the scheduler.

use std::collections::BTreeSet;

use super::change::{ClaimId, Replanned, Target};
use super::state::{State, option_key};
use super::take::number;
use super::{OpenClaim, Planner, Row, Stand};
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node_claim::NodeClaim;
use crate::model::pod::{Pod, PodPhase};
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::model::taint::TaintEffect;
use crate::plan::{ChosenOffering, Plan};
use crate::problem::ClassId;
use crate::problem::compile::Views;
use crate::problem::whatif;
use crate::scheduler::{Capacity, schedule};
use crate::solver::whatif::Slot;
use crate::view::pods::node_terms;
use crate::view::pools::Pools;

impl Planner {
    /// Compiles the snapshot and puts the decisions back that still hold; the pods of the others are queued. O(cluster).
    pub(super) fn compile(&mut self) {
        self.stale = None;
        self.catalogue = self.snapshot_without_objects();
        let capacity = Capacity::new(&self.snapshot);
        let (state, rows, waiting, names, soft_taints) = compiled(&self.snapshot, &capacity);
        self.state = Some(state);
        self.rows = rows;
        self.names = names;
        self.soft_taints = soft_taints;
        self.capacity = Some(capacity);
        self.claim_at.clear();
        self.ruled.clear();
        self.gone.clear();
        self.put_back(&waiting);
        self.queue.retain(|key| waiting.contains(key));
        self.left.retain(|key, _| waiting.contains(key));
        for key in waiting {
            if !self.decided.contains_key(&key) && !self.left.contains_key(&key) {
                self.queue.insert(key);
            }
        }
    }

    /// The decisions of before in the new numbers.
    fn put_back(&mut self, waiting: &BTreeSet<Name>) {
        let mut lost: Vec<Name> = Vec::new();
        let mut standing: Vec<Name> = Vec::new();
        let Some(state) = &mut self.state else { return };
        let put = |state: &mut State, rows: &mut [Row], at: Option<u32>, slot: Slot| {
            let row = at.and_then(|at| rows.get_mut(at as usize));
            let Some((row, class)) = row.and_then(|row| row.class.map(|class| (row, class))) else {
                return false;
            };
            row.stand = Stand::Placed(slot);
            state.place(slot, class)
        };
        let keep = |key: &Name| waiting.contains(key);
        for (node, pods) in &self.existing {
            let slot = state.slot_named(node).filter(|slot| state.is_open(*slot));
            for key in pods {
                let at = self.positions.get(key).copied();
                match slot.filter(|_| keep(key)) {
                    Some(slot) if put(state, &mut self.rows, at, slot) => {
                        standing.push(Name::clone(key));
                    }
                    _ => lost.push(Name::clone(key)),
                }
            }
        }
        for (id, open) in &mut self.claims {
            let option = open.key.clone();
            let mut content: Vec<(ClassId, u32)> = Vec::new();
            for key in open.pods.iter().filter(|key| keep(key)) {
                let row = self
                    .positions
                    .get(key)
                    .and_then(|at| self.rows.get(*at as usize));
                let Some(class) = row.and_then(|row| row.class) else {
                    continue;
                };
                match content.iter_mut().find(|(held, _)| *held == class) {
                    Some((_, count)) => *count += 1,
                    None => content.push((class, 1)),
                }
            }
            let option = state
                .option_named(&option)
                .filter(|option| state.allows(*option) && state.keeps(*option, &content));
            let Some(option) = option else {
                open.slot = CLOSED;
                lost.extend(open.pods.iter().cloned());
                continue;
            };
            open.slot = state.buy(option);
            // Its price may be another now.
            open.chosen = state.chosen(option);
            open.touched = true;
            self.claim_at.insert(open.slot, *id);
            for key in &open.pods {
                let at = self.positions.get(key).copied();
                if keep(key) && put(state, &mut self.rows, at, open.slot) {
                    standing.push(Name::clone(key));
                } else {
                    lost.push(Name::clone(key));
                }
            }
        }
        for key in &standing {
            if let Some(class) = self.class_at(key)
                && self
                    .state
                    .as_ref()
                    .is_some_and(|state| !state.is_plain(class))
            {
                self.ruled
                    .entry(class)
                    .or_default()
                    .insert(Name::clone(key));
            }
        }
        for key in lost {
            self.undecide(&key);
            if waiting.contains(&key) {
                self.queue.insert(Name::clone(&key));
                self.delta.withdrawn.push(key);
            }
        }
        let ids: Vec<ClaimId> = self.claims.keys().copied().collect();
        for id in ids {
            let gone = self.claims.get(&id).is_some_and(|open| open.slot == CLOSED);
            if gone {
                self.claims.remove(&id);
                self.delta.closed.push(id);
            } else {
                self.delta.changed.push(id);
            }
        }
        self.test_again(&standing);
        self.gone.clear();
        self.close_empty();
    }

    fn snapshot_without_objects(&self) -> Snapshot {
        let from = &self.snapshot;
        Snapshot {
            options: from.options.clone(),
            node_pools: from.node_pools.clone(),
            node_classes: from.node_classes.clone(),
            instance_types: from.instance_types.clone(),
            cluster: from.cluster.clone(),
            node_overlays: from.node_overlays.clone(),
            ..Snapshot::default()
        }
    }

    /// The cluster with the plan as far as it is decided: open claims are in-flight NodeClaims (`open-<n>`), decided pods
    /// are bound where they go, and what the claims use of quotas, reservations and price limits is gone. M-11 compares a
    /// replan with planning this from nothing. O(cluster).
    #[must_use]
    pub fn standing(&self) -> Snapshot {
        let mut after = self.snapshot.clone();
        if self.decided.is_empty() && self.claims.is_empty() {
            return after;
        }
        let built;
        let capacity = match &self.capacity {
            Some(capacity) => capacity,
            None => {
                built = Capacity::new(&self.snapshot);
                &built
            }
        };
        let pools = Pools::new(&self.catalogue, capacity.by_class());
        for (id, open) in &self.claims {
            after.node_claims.extend(self.in_flight(*id, open, &pools));
            spend(&mut after, &open.key.0, &open.chosen);
        }
        for (node, pods) in &self.existing {
            self.bind_all(&mut after, pods, node);
        }
        for (id, open) in &self.claims {
            self.bind_all(&mut after, &open.pods, &in_flight_name(*id));
        }
        after
    }

    fn bind_all(&self, after: &mut Snapshot, pods: &[Name], node: &Name) {
        // A NodeClaim whose Node has joined is known by the Node's name.
        let slot = self.state.as_ref().and_then(|state| state.slot_named(node));
        let name = slot
            .and_then(|slot| self.names.get(slot.at()))
            .unwrap_or(node);
        for key in pods {
            if let Some(pod) = self.position(key).and_then(|at| after.pods.get_mut(at)) {
                pod.node_name = Some(Name::clone(name));
                pod.phase = PodPhase::Running;
            }
        }
    }

    /// The NodeClaim that an open claim is in the eyes of a scheduler.
    fn in_flight(&self, id: ClaimId, open: &OpenClaim, pools: &Pools<'_>) -> Option<NodeClaim> {
        let chosen = &open.chosen;
        let template = pools.templates.iter().find(|t| t.pool.name == open.key.0)?;
        let problem = &self.state.as_ref()?.what.problem;
        let option = self.state.as_ref()?.bought(open.slot)?;
        let entry =
            &template.types[problem.pairs[problem.options[option].pair].instance_type as usize];
        let guarded = !problem.pools[problem.options[option].pool]
            .min_values
            .is_empty();
        let name = in_flight_name(id);
        let labels = template.labels(entry).ok()?;
        let undecided = &labels.open;
        let mut claim = NodeClaim {
            provider_id: Some(Name::from(format!("tetrapod:///{name}"))),
            node_class: Name::clone(&template.pool.node_class_ref.name),
            taints: template.taints(entry),
            capacity: entry.capacity.clone(),
            allocatable: entry.allocatable(),
            ..NodeClaim::default()
        };
        // Who joins a claim whose pool asks for many types is decided when the claim is: nobody does here.
        if guarded {
            claim.allocatable = crate::model::resources::ResourceList::new();
        }
        for (key, value) in labels.all_fixed().iter() {
            claim.labels.set(Name::clone(key), Name::clone(value));
        }
        let pods: Vec<&Pod> = open
            .pods
            .iter()
            .filter_map(|key| self.snapshot.pods.get(self.position(key)?))
            .collect();
        for asked in undecided.iter().filter(|asked| !asked.is_complement()) {
            let suits = |value: &&Name| {
                pods.iter().all(|pod| {
                    let terms = node_terms(&pod.spec);
                    terms.iter().any(|term| {
                        let wanted = term.requirements.get(asked.key());
                        wanted.is_none_or(|wanted| wanted.has(value))
                    })
                })
            };
            let values = asked.values();
            if let Some(value) = values.iter().find(suits).or_else(|| values.first()) {
                claim
                    .labels
                    .set(Name::clone(asked.key()), Name::clone(value));
            }
        }
        claim.labels.set(label::ZONE, Name::clone(&chosen.zone));
        claim
            .labels
            .set(label::CAPACITY_TYPE, chosen.capacity_type.as_str());
        claim.labels.set(label::HOSTNAME, Name::clone(&name));
        if let Some(id) = &chosen.reservation_id {
            claim.labels.set(label::RESERVATION_ID, Name::clone(id));
        }
        if let Some(group) = &chosen.instance_group {
            claim.labels.set(label::INSTANCE_GROUP, Name::clone(group));
        }
        claim.name = name;
        Some(claim)
    }

    /// Lets the scheduler decide about all pods without a place, the others standing where they are.
    pub(super) fn full(&mut self, why: &'static str) -> Replanned {
        let first = self.decided.is_empty() && self.claims.is_empty();
        self.facts.claims.start = self.next_claim;
        let plan = if first {
            schedule(&self.snapshot)
        } else {
            schedule(&self.standing())
        };
        if self.merge(&plan) {
            self.note(plan, first);
            Replanned::Full { why }
        } else {
            self.anew("what was decided and what is do not go together")
        }
    }

    /// Forgets all decisions and plans from nothing.
    pub(super) fn anew(&mut self, why: &'static str) -> Replanned {
        let ids: Vec<ClaimId> = self.claims.keys().copied().collect();
        self.delta.closed.extend(ids);
        let before: Vec<Name> = (self.existing.values().flatten())
            .chain(self.claims.values().flat_map(|open| &open.pods))
            .cloned()
            .collect();
        self.claims.clear();
        self.existing.clear();
        self.decided.clear();
        self.left.clear();
        self.delta.withdrawn.extend(before);
        self.compile();
        self.facts.claims.start = self.next_claim;
        let plan = schedule(&self.snapshot);
        self.merge(&plan);
        self.grown = false;
        self.note(plan, true);
        Replanned::Anew { why }
    }

    /// Keeps what a plan states beside its decisions.
    fn note(&mut self, plan: Plan, from_nothing: bool) {
        self.facts.exact = from_nothing.then_some((plan.lower_bound, plan.preferences));
        self.facts.claims.end = self.next_claim;
        // Of places on nodes only those of buffers, whose pods are no objects.
        let mut existing_nodes = plan.existing_nodes;
        existing_nodes.retain_mut(|placement| {
            placement.pods.clear();
            !placement.buffer_pods.is_empty()
        });
        self.facts.plan = Plan {
            new_node_claims: Vec::new(),
            existing_nodes,
            unschedulable: Vec::new(),
            ..plan
        };
    }

    /// Takes up the decisions of `plan`. False where they do not go together with those of before.
    fn merge(&mut self, plan: &Plan) -> bool {
        let mut agrees = true;
        for placement in &plan.existing_nodes {
            let number = placement.node.strip_prefix(IN_FLIGHT);
            let id = number.and_then(|number| number.parse().ok()).map(ClaimId);
            let open = id.filter(|id| self.claims.contains_key(id));
            let target = match open {
                Some(id) => Target::Claim(id),
                None => Target::Node(Name::clone(&placement.node)),
            };
            let slot = match (&target, &self.state) {
                (Target::Claim(id), _) => self.claims.get(id).map(|open| open.slot),
                (Target::Node(name), Some(state)) => state.slot_named(name),
                (Target::Node(_), None) => None,
            };
            match slot {
                Some(slot) => agrees &= self.take_over(&placement.pods, slot, &target),
                None => agrees = false,
            }
        }
        for claim in &plan.new_node_claims {
            let key = option_key(&claim.node_pool, &claim.cheapest);
            let option = self
                .state
                .as_ref()
                .and_then(|state| state.option_named(&key));
            let Some(option) = option else {
                agrees = false;
                continue;
            };
            let id = self.open(option, Some(claim.clone()));
            let Some(slot) = self.claims.get(&id).map(|open| open.slot) else {
                continue;
            };
            agrees &= self.take_over(&claim.pods, slot, &Target::Claim(id));
            if let Some(open) = self.claims.get_mut(&id) {
                open.touched = false;
            }
        }
        for pod in &plan.unschedulable {
            self.queue.remove(&pod.pod);
            self.delta.pending.push(Name::clone(&pod.pod));
            self.left.insert(Name::clone(&pod.pod), pod.clone());
        }
        agrees
    }

    fn take_over(&mut self, pods: &[Name], slot: Slot, target: &Target) -> bool {
        let mut agrees = true;
        for key in pods {
            let class = self.class_at(key);
            let Some((class, state)) = class.zip(self.state.as_mut()) else {
                agrees = false;
                continue;
            };
            agrees &= state.place(slot, class);
            self.decide(Name::clone(key), class, slot, target.clone());
        }
        agrees
    }
}

/// What every in-flight claim's name begins with.
const IN_FLIGHT: &str = "open-";

/// The slot of a claim that could not be put back.
const CLOSED: Slot = Slot(u32::MAX);

fn in_flight_name(id: ClaimId) -> Name {
    Name::from(format!("{IN_FLIGHT}{}", id.0))
}

/// State, rows, waiting pods, names of the slots, and whether some node or pool has a taint that is only preferred.
type Compiled = (State, Vec<Row>, BTreeSet<Name>, Vec<Name>, bool);

/// Compiles `snapshot`: every pod that waits or is bound becomes one of a class, where only its specification counts.
fn compiled(snapshot: &Snapshot, capacity: &Capacity) -> Compiled {
    let counts = |pod: &Pod| {
        pod.node_name.is_some() && !pod.is_finished() && !pod.is_terminating() && !pod.is_daemon()
    };
    let views = Views::with_moving(snapshot, capacity.by_class(), counts);
    let node_of = |at: usize| views.node_use.node_of.get(number(at));
    let mut movable = vec![false; snapshot.pods.len()];
    let mut waiting = BTreeSet::new();
    for (at, pod) in snapshot.pods.iter().enumerate() {
        if views.waits(number(at)) {
            waiting.insert(Name::from(pod.key()));
            movable[at] = true;
        } else {
            movable[at] = counts(pod) && node_of(at).is_some();
        }
    }
    let what = whatif::compile(&views, &movable);
    let rows = snapshot.pods.iter().enumerate().map(|(at, pod)| {
        let class = what.class_of[at];
        let stand = match node_of(at) {
            None => Stand::Nowhere,
            Some(_) if views.waits(number(at)) || pod.is_finished() => Stand::Nowhere,
            Some(node)
                if class.is_some()
                    && super::state::is_simple(pod)
                    && views.nodes[node as usize].is_destination() =>
            {
                Stand::Bound(Slot(node))
            }
            Some(_) => Stand::Fixed,
        };
        Row { class, stand }
    });
    let rows = rows.collect();
    let soft = |taints: &[crate::model::taint::Taint]| {
        taints
            .iter()
            .any(|taint| taint.effect == TaintEffect::PreferNoSchedule)
    };
    let soft_taints = views.nodes.iter().any(|node| soft(&node.taints))
        || views.pools.templates.iter().any(|t| soft(&t.pool.taints));
    let names = views
        .nodes
        .iter()
        .map(|node| Name::clone(&node.name))
        .collect();
    (State::new(&views, what), rows, waiting, names, soft_taints)
}

/// Takes what a claim uses out of everything that is counted and not seen on nodes.
fn spend(after: &mut Snapshot, pool: &Name, chosen: &ChosenOffering) {
    if let Some(id) = &chosen.reservation_id {
        let types = after
            .instance_types
            .iter_mut()
            .flat_map(|class| &mut class.instance_types);
        let held = types
            .flat_map(|entry| &mut entry.offerings)
            .filter(|offering| offering.reservation_id.as_ref() == Some(id));
        held.for_each(|held| {
            held.reservation_capacity = held.reservation_capacity.saturating_sub(1)
        });
    }
    let options = &mut after.options;
    if let Some(left) = options.quotas.per_type.get_mut(&chosen.instance_type) {
        *left = left.saturating_sub(1);
    }
    for quota in [&mut options.quotas.cluster, &mut options.quotas.total] {
        *quota = quota.map(|left| left.saturating_sub(1));
    }
    let price = chosen.price.unwrap_or(Price::ZERO);
    options.price_limit = options.price_limit.map(|limit| limit - price);
    if let Some(limit) = options.pool_price_limits.get_mut(pool) {
        *limit = *limit - price;
    }
}
