//! Taking up changes: the snapshot first, then what the numbers can follow; what they cannot makes them stale.

use super::change::{Change, ChangeError, OfferingRef, Target};
use super::state::is_simple;
use super::{Planner, Row, Stand};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::Offering;
use crate::model::node::Node;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::problem::ClassId;
use crate::view::gangs;

impl Planner {
    /// Takes up a change; the next [`replan`](Self::replan) acts on it.
    ///
    /// O(log) for pods of kinds that are known; what concerns nodes and offerings is noted here and costs a compilation at
    /// the next replan.
    ///
    /// # Errors
    /// [`ChangeError`] where the change speaks of an offering or an open claim that is not there.
    pub fn apply(&mut self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Pod(pod) => self.take_pod(*pod),
            Change::PodRemoved(key) => self.remove_pod(&key),
            Change::PodBound { pod, node } => {
                if let Some(at) = self.position(&pod) {
                    let mut bound = self.snapshot.pods[at].clone();
                    bound.node_name = Some(node);
                    self.take_pod(bound);
                }
            }
            Change::Node(node) => self.take_node(*node),
            Change::NodeRemoved(name) => {
                let before = self.snapshot.nodes.len();
                self.snapshot.nodes.retain(|node| node.name != name);
                if self.snapshot.nodes.len() != before {
                    self.outdate("a node has gone");
                }
            }
            Change::NodeClaim(claim) => {
                let held = &mut self.snapshot.node_claims;
                match held.iter_mut().find(|held| held.name == claim.name) {
                    Some(held) if *held == *claim => return Ok(()),
                    Some(held) => *held = *claim,
                    None => held.push(*claim),
                }
                self.outdate("a NodeClaim is new or has changed");
            }
            Change::NodeClaimRemoved(name) => {
                let before = self.snapshot.node_claims.len();
                self.snapshot.node_claims.retain(|claim| claim.name != name);
                if self.snapshot.node_claims.len() != before {
                    self.outdate("a NodeClaim has gone");
                }
            }
            Change::Launched { claim, node_claim } => {
                let Some(open) = self.claims.remove(&claim) else {
                    return Err(ChangeError::NoSuchClaim(claim));
                };
                let name = Name::clone(&node_claim.name);
                for pod in &open.pods {
                    let target = Target::Node(Name::clone(&name));
                    self.decided.insert(Name::clone(pod), target);
                }
                self.existing.entry(name).or_default().extend(open.pods);
                self.delta.closed.push(claim);
                self.facts.exact = None;
                return self.apply(Change::NodeClaim(node_claim));
            }
            Change::Available {
                offering,
                available,
            } => {
                self.edit_offerings(&offering, |held| {
                    std::mem::replace(&mut held.available, available) != available
                })?;
            }
            Change::Price { offering, price } => {
                self.edit_offerings(&offering, |held| {
                    std::mem::replace(&mut held.price, price) != price
                })?;
            }
            Change::Snapshot(snapshot) => self.replace(*snapshot),
        }
        Ok(())
    }

    /// The cluster as a whole is another one. What was decided about pods is judged when it is compiled.
    pub(super) fn replace(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        self.positions.clear();
        self.gangs.clear();
        self.rows.clear();
        let mut at = 0;
        while at < self.snapshot.pods.len() {
            let key = Name::from(self.snapshot.pods[at].key());
            // Of two pods of one name the first counts, as it could be no other.
            if self.positions.contains_key(&key) {
                self.snapshot.pods.remove(at);
                continue;
            }
            if let Some(gang) = gangs::key_of(&self.snapshot.pods[at]) {
                self.gangs
                    .entry(gang)
                    .or_default()
                    .insert(Name::clone(&key));
            }
            self.positions.insert(key, number(at));
            self.rows.push(Row {
                class: None,
                stand: Stand::Fixed,
            });
            at += 1;
        }
        self.outdate("the cluster is a new one");
    }

    /// The numbers do not describe the cluster any more.
    fn outdate(&mut self, why: &'static str) {
        self.stale.get_or_insert(why);
        self.grown = true;
        self.facts.exact = None;
    }

    fn take_node(&mut self, node: Node) {
        let held = &mut self.snapshot.nodes;
        match held.iter_mut().find(|held| held.name == node.name) {
            Some(held) => {
                let same = alike(held, &node);
                *held = node;
                if !same {
                    self.outdate("a node has changed");
                }
            }
            None => {
                held.push(node);
                self.outdate("a node is new");
            }
        }
    }

    fn edit_offerings(
        &mut self,
        wanted: &OfferingRef,
        mut edit: impl FnMut(&mut Offering) -> bool,
    ) -> Result<(), ChangeError> {
        let mut found = false;
        let mut changed = false;
        for class in &mut self.snapshot.instance_types {
            if class.node_class != wanted.node_class {
                continue;
            }
            for entry in &mut class.instance_types {
                if entry.name != wanted.instance_type {
                    continue;
                }
                for offering in &mut entry.offerings {
                    if offering.zone == wanted.zone
                        && offering.capacity_type == wanted.capacity_type
                    {
                        found = true;
                        changed |= edit(offering);
                    }
                }
            }
        }
        if !found {
            return Err(ChangeError::NoSuchOffering(wanted.clone()));
        }
        if changed {
            self.outdate("an offering has changed");
        }
        Ok(())
    }

    fn take_pod(&mut self, pod: Pod) {
        let key = Name::from(pod.key());
        match self.position(&key) {
            None => self.add_pod(key, pod),
            Some(at) if same_to_scheduler(&self.snapshot.pods[at], &pod) => {
                self.snapshot.pods[at] = pod;
            }
            Some(at) if self.is_binding(at, &pod) => self.bind(&key, at, pod),
            Some(_) => {
                self.remove_pod(&key);
                self.add_pod(key, pod);
            }
        }
    }

    fn add_pod(&mut self, key: Name, pod: Pod) {
        self.facts.exact = None;
        let at = self.snapshot.pods.len();
        self.positions.insert(Name::clone(&key), number(at));
        let class = self.state.as_ref().and_then(|state| state.class_of(&pod));
        let mut row = Row {
            class,
            stand: Stand::Nowhere,
        };
        let gang = gangs::key_of(&pod);
        if pod.is_pending() {
            self.queue.insert(Name::clone(&key));
            if class.is_none() {
                self.stale.get_or_insert("a pod of a kind not seen before");
            }
        } else if pod.node_name.is_some() && !pod.is_finished() {
            row.stand = self.count_bound(&pod, class);
        }
        self.snapshot.pods.push(pod);
        self.rows.push(row);
        if let Some(gang) = gang {
            self.gangs.entry(gang.clone()).or_default().insert(key);
            self.break_gang(&gang);
        }
    }

    /// Counts a bound pod where it stands.
    fn count_bound(&mut self, pod: &Pod, class: Option<ClassId>) -> Stand {
        let Some(state) = &mut self.state else {
            return Stand::Fixed;
        };
        let node = pod.node_name.as_deref().unwrap_or_default();
        let Some(slot) = state.slot_named(node) else {
            // It counts once its node is there, which is news of its own.
            return Stand::Nowhere;
        };
        match class.filter(|_| !pod.is_terminating() && !pod.is_daemon()) {
            Some(class) if state.is_open(slot) => {
                state.place(slot, class);
                self.grown |= !state.is_plain(class);
                Stand::Placed(slot)
            }
            _ => {
                self.outdate("a bound pod of a kind not seen before");
                Stand::Fixed
            }
        }
    }

    fn remove_pod(&mut self, key: &str) {
        let Some(at) = self.position(key) else {
            return;
        };
        self.facts.exact = None;
        self.undecide(key);
        self.queue.remove(key);
        self.left.remove(key);
        let row = self.rows[at];
        match (row.stand, row.class, &mut self.state) {
            (Stand::Nowhere, ..) => {}
            (Stand::Placed(slot), Some(class), Some(state)) => {
                state.unplace(slot, class);
                self.gone.insert(class);
                self.grown = true;
            }
            (Stand::Bound(slot), Some(class), Some(state)) if !state.has_ports(class) => {
                state.count(slot, class, false);
                self.gone.insert(class);
                self.grown = true;
            }
            _ => self.outdate("a pod has gone that only compiling can take out"),
        }
        self.positions.remove(key);
        let gang = gangs::key_of(&self.snapshot.pods[at]);
        self.snapshot.pods.swap_remove(at);
        self.rows.swap_remove(at);
        if let Some(moved) = self.snapshot.pods.get(at) {
            self.positions.insert(Name::from(moved.key()), number(at));
        }
        if let Some(gang) = gang {
            if let Some(members) = self.gangs.get_mut(&gang) {
                members.remove(key);
            }
            self.break_gang(&gang);
        }
    }

    /// A gang is decided on as a whole, so its pods lose their places when it changes.
    fn break_gang(&mut self, gang: &gangs::Key) {
        let members: Vec<Name> = self
            .gangs
            .get(gang)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for key in members {
            if self.undecide(&key) || self.left.remove(&key).is_some() {
                self.queue.insert(Name::clone(&key));
                self.delta.withdrawn.push(key);
            }
        }
        self.outdate("a pod of a gang came or went");
    }

    /// Whether `pod` is the pod at `at`, which waited, bound to a node.
    fn is_binding(&self, at: usize, pod: &Pod) -> bool {
        let held = &self.snapshot.pods[at];
        held.is_pending()
            && pod.node_name.is_some()
            && !pod.is_finished()
            && !pod.is_terminating()
            && held.spec == pod.spec
            && held.labels == pod.labels
            && is_simple(pod)
    }

    /// A pod that waited is bound: as decided most often, and then nothing moves.
    fn bind(&mut self, key: &str, at: usize, pod: Pod) {
        self.facts.exact = None;
        let node = pod.node_name.clone().unwrap_or_default();
        let slot = self
            .state
            .as_ref()
            .and_then(|state| state.slot_named(&node));
        let row = self.rows[at];
        let as_decided = slot.is_some_and(|slot| row.stand == Stand::Placed(slot));
        if as_decided {
            self.forget(key);
        } else {
            self.undecide(key);
            self.rows[at].stand = self.count_bound(&pod, row.class);
        }
        self.queue.remove(key);
        self.left.remove(key);
        self.snapshot.pods[at] = pod;
    }

    /// Takes the decision about a pod back, if there is one: it stands nowhere then.
    pub(super) fn undecide(&mut self, key: &str) -> bool {
        let (Some(_), Some(at)) = (self.forget(key), self.position(key)) else {
            return false;
        };
        let row = &mut self.rows[at];
        if let (Stand::Placed(slot), Some(class), Some(state)) =
            (row.stand, row.class, &mut self.state)
        {
            state.unplace(slot, class);
            row.stand = Stand::Nowhere;
        }
        self.gone.extend(row.class);
        self.grown = true;
        true
    }

    /// Strikes a pod off the plan without touching the numbers. Where it was.
    fn forget(&mut self, key: &str) -> Option<Target> {
        let target = self.decided.remove(key)?;
        if let Some(class) = self.position(key).and_then(|at| self.rows[at].class)
            && let Some(held) = self.ruled.get_mut(&class)
        {
            held.remove(key);
        }
        match &target {
            Target::Node(node) => {
                if let Some(pods) = self.existing.get_mut(node) {
                    pods.retain(|pod| pod.as_ref() != key);
                    if pods.is_empty() {
                        self.existing.remove(node);
                    }
                }
            }
            Target::Claim(id) => {
                if let Some(open) = self.claims.get_mut(id) {
                    open.pods.retain(|pod| pod.as_ref() != key);
                    open.touched = true;
                    self.delta.changed.push(*id);
                }
            }
        }
        Some(target)
    }
}

/// Whether both are the same to a scheduler: most news of a pod are of its containers.
fn same_to_scheduler(a: &Pod, b: &Pod) -> bool {
    let reports = |pod: &Pod| {
        let detail = pod.detail.as_deref();
        detail.is_some_and(|detail| !detail.actuated.is_empty())
    };
    a.node_name == b.node_name
        && a.spec == b.spec
        && a.labels == b.labels
        && a.annotations == b.annotations
        && a.owners == b.owners
        && (a.uid == b.uid && a.created == b.created && a.deleted == b.deleted)
        && a.is_finished() == b.is_finished()
        && (a.phase == b.phase || !a.is_finished())
        && !reports(a)
        && !reports(b)
}

/// Whether both are the same to a scheduler: a heartbeat changes nothing.
fn alike(a: &Node, b: &Node) -> bool {
    a.name == b.name
        && a.labels == b.labels
        && a.taints == b.taints
        && a.unschedulable == b.unschedulable
        && a.allocatable == b.allocatable
        && a.capacity == b.capacity
        && a.provider_id == b.provider_id
        && a.deleted == b.deleted
}

pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
