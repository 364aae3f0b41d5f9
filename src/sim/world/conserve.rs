//! The books of a world, kept by somebody else.
//!
//! An [`Observer`] hears every [`Fact`] and keeps its own account of pods, nodes, requests and money; it reads none of the
//! world's counters. After each event it is shown the world's [`Balance`] and says where the two differ. What it holds:
//!
//! * a pod is created once, bound once, ready only when bound, gone only when deleted, and forgotten then;
//! * a pod is bound only to a node that is ready, and the pods of a node never ask for more than it has;
//! * a node is ready only when it has joined, and gone with nothing on it;
//! * requests that arrived are served, turned away or wait, and what was served is never taken back;
//! * the ledger is what each instance's price comes to over the time it was billed, to the last digit.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::World;
use super::state::Stage;
use crate::base::time::Timestamp;
use crate::model::price::Price;
use crate::model::resources::Name;

/// Something that happened in a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fact {
    /// Requests came.
    Arrived {
        /// Number of the service.
        service: usize,
        /// How many.
        count: u64,
    },
    /// What has become of all requests of a service so far.
    Queue {
        /// Number of the service.
        service: usize,
        /// Taken up.
        served: u64,
        /// Turned away.
        dropped: u64,
        /// Waiting.
        waiting: u64,
    },
    /// A pod was made.
    PodCreated {
        /// Number of the pod.
        pod: u64,
        /// Number of its kind.
        kind: usize,
    },
    /// A pod was bound.
    PodBound {
        /// The pod.
        pod: u64,
        /// The node.
        node: u64,
    },
    /// A pod became ready.
    PodReady {
        /// The pod.
        pod: u64,
    },
    /// A pod was deleted, and may take some time to end.
    PodDeleted {
        /// The pod.
        pod: u64,
    },
    /// A pod has ended.
    PodGone {
        /// The pod.
        pod: u64,
    },
    /// A Node joined.
    NodeJoined {
        /// Number of the node.
        node: u64,
        /// What pods may ask for on it.
        room: Vec<i64>,
    },
    /// A Node became ready.
    NodeReady {
        /// The node.
        node: u64,
    },
    /// A Node is no longer ready.
    NodeNotReady {
        /// The node.
        node: u64,
    },
    /// A Node is gone.
    NodeGone {
        /// The node.
        node: u64,
    },
    /// HyperPod begins to bill an instance.
    BillStarts {
        /// Logical id.
        logical: Name,
        /// Instance group.
        group: Name,
        /// Price per hour.
        price: Price,
    },
    /// HyperPod no longer bills it.
    BillEnds {
        /// Logical id.
        logical: Name,
    },
}

/// What a world says of itself after an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Balance {
    /// Pods there are, by stage: waiting, starting, ready, ending.
    pub pods: [usize; 4],
    /// Ready nodes.
    pub ready_nodes: BTreeSet<u64>,
    /// What the ledger says all nodes have cost, in 10^-15 $ ms / h.
    pub cost: i128,
    /// Instances that are billed.
    pub billed: usize,
    /// Requests that wait, by service.
    pub waiting: Vec<u64>,
}

impl World {
    /// What the world says of itself. O(pods + nodes).
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut pods = [0; 4];
        for pod in self.state.pods.values() {
            let at = match pod.stage {
                Stage::Pending => 0,
                Stage::Starting => 1,
                Stage::Ready => 2,
                Stage::Ending => 3,
            };
            pods[at] += 1;
        }
        let ready = self.state.nodes.iter().filter(|(_, node)| node.ready);
        Balance {
            pods,
            ready_nodes: ready.map(|(id, _)| *id).collect(),
            cost: self
                .state
                .machine
                .ledger()
                .totals(self.state.now)
                .total
                .exact()
                - self.state.before.total.exact(),
            billed: self.state.billed.len(),
            waiting: self
                .state
                .services
                .iter()
                .map(|service| {
                    service
                        .queue
                        .as_ref()
                        .map_or(0, super::queue::Queue::waiting)
                })
                .collect(),
        }
    }
}

impl World {
    /// What is there before the first event, as facts.
    pub(super) fn begun(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (logical, billed) in &self.state.billed {
            if let Some(shape) = self.derived.shapes.get(billed.shape) {
                facts.push(Fact::BillStarts {
                    logical: Name::clone(logical),
                    group: Name::clone(&shape.group),
                    price: shape.price,
                });
            }
        }
        for (id, node) in &self.state.nodes {
            let shape = self.derived.shapes.get(node.shape);
            let room = shape.map(|shape| shape.room.clone()).unwrap_or_default();
            facts.push(Fact::NodeJoined { node: *id, room });
            if node.ready {
                facts.push(Fact::NodeReady { node: *id });
            }
        }
        for (id, pod) in &self.state.pods {
            let (id, kind) = (*id, pod.kind);
            facts.push(Fact::PodCreated { pod: id, kind });
            if let Some(node) = pod.node {
                facts.push(Fact::PodBound { pod: id, node });
            }
            if pod.stage == Stage::Ready {
                facts.push(Fact::PodReady { pod: id });
            } else if pod.stage == Stage::Ending {
                facts.push(Fact::PodDeleted { pod: id });
            }
        }
        facts
    }
}

/// What does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {at}: {what}")]
#[non_exhaustive]
pub struct Broken {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Waiting,
    Bound,
    Ready,
    Deleted,
}

#[derive(Debug)]
struct SeenPod {
    kind: usize,
    life: Life,
    node: Option<u64>,
}

#[derive(Debug)]
struct SeenNode {
    ready: bool,
    left: Vec<i64>,
    pods: BTreeSet<u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Requests {
    arrived: u64,
    served: u64,
    dropped: u64,
    waiting: u64,
    told: bool,
}

/// Keeps the books of one world from its first event on.
#[derive(Debug)]
pub struct Observer {
    asks: Vec<Vec<i64>>,
    pods: BTreeMap<u64, SeenPod>,
    /// The highest number of a pod so far: numbers are never used again.
    newest: Option<u64>,
    nodes: BTreeMap<u64, SeenNode>,
    requests: BTreeMap<usize, Requests>,
    billed: BTreeMap<Name, (Price, Timestamp)>,
    spent: i128,
    now: Timestamp,
}

impl Observer {
    /// An observer of `world`, which must not have taken a step; what it has done already is in its facts if it
    /// [told](World::tell_facts) them from the start.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self {
            asks: world
                .derived
                .kinds
                .iter()
                .map(|kind| kind.asks.clone())
                .collect(),
            pods: BTreeMap::new(),
            newest: None,
            nodes: BTreeMap::new(),
            requests: BTreeMap::new(),
            billed: BTreeMap::new(),
            spent: 0,
            now: world.now(),
        }
    }

    fn broken(&self, what: impl Into<String>) -> Broken {
        Broken {
            at: self.now,
            what: what.into(),
        }
    }

    /// Takes in what happened at `now`.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn hear(&mut self, fact: &Fact, now: Timestamp) -> Result<(), Broken> {
        if now < self.now {
            return Err(self.broken(format!("time goes back to {now}")));
        }
        self.now = now;
        match fact {
            Fact::Arrived { service, count } => {
                let of = self.requests.entry(*service).or_default();
                of.arrived += count;
                of.told = false;
                Ok(())
            }
            Fact::Queue {
                service,
                served,
                dropped,
                waiting,
            } => self.queue(*service, *served, *dropped, *waiting),
            Fact::PodCreated { pod, kind } => {
                if self.newest.is_some_and(|newest| *pod <= newest) {
                    return Err(self.broken(format!("pod {pod} is made twice")));
                }
                self.newest = Some(*pod);
                let seen = SeenPod {
                    kind: *kind,
                    life: Life::Waiting,
                    node: None,
                };
                self.pods.insert(*pod, seen);
                Ok(())
            }
            Fact::PodBound { pod, node } => self.bound(*pod, *node),
            Fact::PodReady { pod } => self.goes(*pod, &[Life::Bound], Life::Ready, "becomes ready"),
            Fact::PodDeleted { pod } => self.goes(
                *pod,
                &[Life::Waiting, Life::Bound, Life::Ready],
                Life::Deleted,
                "is deleted",
            ),
            Fact::PodGone { pod } => self.pod_gone(*pod),
            Fact::NodeJoined { node, room } => {
                let seen = SeenNode {
                    ready: false,
                    left: room.clone(),
                    pods: BTreeSet::new(),
                };
                match self.nodes.insert(*node, seen) {
                    None => Ok(()),
                    Some(_) => Err(self.broken(format!("node {node} joins twice"))),
                }
            }
            Fact::NodeReady { node } | Fact::NodeNotReady { node } => {
                let ready = matches!(fact, Fact::NodeReady { .. });
                let known = self.nodes.get_mut(node);
                match known.filter(|known| !ready || !known.ready) {
                    Some(known) => {
                        known.ready = ready;
                        Ok(())
                    }
                    None => Err(self.broken(format!(
                        "node {node} changes to ready: {ready} before it joined, or twice"
                    ))),
                }
            }
            Fact::NodeGone { node } => match self.nodes.remove(node) {
                Some(known) if known.pods.is_empty() && !known.ready => Ok(()),
                Some(known) => Err(self.broken(format!(
                    "node {node} goes with {} pods on it",
                    known.pods.len()
                ))),
                None => Err(self.broken(format!("node {node} goes before it joined"))),
            },
            Fact::BillStarts { logical, price, .. } => {
                match self.billed.insert(Name::clone(logical), (*price, self.now)) {
                    None => Ok(()),
                    Some(_) => Err(self.broken(format!("{logical} is billed twice"))),
                }
            }
            Fact::BillEnds { logical } => match self.billed.remove(logical) {
                Some((price, since)) => {
                    self.spent += cost(price, since, self.now);
                    Ok(())
                }
                None => Err(self.broken(format!("{logical} was not billed"))),
            },
        }
    }

    fn queue(
        &mut self,
        service: usize,
        served: u64,
        dropped: u64,
        waiting: u64,
    ) -> Result<(), Broken> {
        let of = self.requests.entry(service).or_default();
        let (arrived, back) = (of.arrived, served < of.served || dropped < of.dropped);
        (of.served, of.dropped, of.waiting, of.told) = (served, dropped, waiting, true);
        if back {
            return Err(self.broken(format!(
                "service {service} takes back what it served or turned away"
            )));
        }
        if served + dropped + waiting != arrived {
            return Err(self.broken(format!(
                "of service {service} {arrived} requests came, but {served} were served, {dropped} turned away and {waiting} wait"
            )));
        }
        Ok(())
    }

    fn bound(&mut self, pod: u64, node: u64) -> Result<(), Broken> {
        let kind = match self.pods.get_mut(&pod) {
            Some(seen) if seen.life == Life::Waiting => {
                seen.life = Life::Bound;
                seen.node = Some(node);
                seen.kind
            }
            _ => return Err(self.broken(format!("pod {pod} is bound and does not wait"))),
        };
        let asks = self.asks.get(kind).cloned().unwrap_or_default();
        let Some(seen) = self.nodes.get_mut(&node).filter(|seen| seen.ready) else {
            return Err(self.broken(format!(
                "pod {pod} is bound to node {node}, which is not ready"
            )));
        };
        seen.pods.insert(pod);
        for (left, asks) in seen.left.iter_mut().zip(&asks) {
            *left -= asks;
        }
        if seen
            .left
            .iter()
            .zip(&asks)
            .any(|(left, asks)| *left < 0 && *asks > 0)
        {
            return Err(self.broken(format!("pod {pod} does not fit node {node}")));
        }
        Ok(())
    }

    fn goes(&mut self, pod: u64, from: &[Life], to: Life, what: &str) -> Result<(), Broken> {
        match self
            .pods
            .get_mut(&pod)
            .filter(|seen| from.contains(&seen.life))
        {
            Some(seen) => {
                seen.life = to;
                Ok(())
            }
            None => Err(self.broken(format!("pod {pod} {what} before its time or twice"))),
        }
    }

    fn pod_gone(&mut self, pod: u64) -> Result<(), Broken> {
        match self.pods.remove(&pod) {
            Some(seen) if seen.life == Life::Deleted => {
                let asks = self.asks.get(seen.kind).cloned().unwrap_or_default();
                if let Some(node) = seen.node.and_then(|node| self.nodes.get_mut(&node)) {
                    node.pods.remove(&pod);
                    for (left, asks) in node.left.iter_mut().zip(&asks) {
                        *left += asks;
                    }
                }
                Ok(())
            }
            _ => Err(self.broken(format!("pod {pod} ends and was not deleted"))),
        }
    }

    /// Compares the books with what the world says of itself at `now`. O(pods + nodes).
    ///
    /// # Errors
    /// If they differ.
    pub fn settle(&mut self, balance: &Balance, now: Timestamp) -> Result<(), Broken> {
        if now < self.now {
            return Err(self.broken(format!("time goes back to {now}")));
        }
        self.now = now;
        let mut pods = [0; 4];
        for pod in self.pods.values() {
            let at = match pod.life {
                Life::Waiting => 0,
                Life::Bound => 1,
                Life::Ready => 2,
                Life::Deleted => 3,
            };
            pods[at] += 1;
        }
        if pods != balance.pods {
            return Err(self.broken(format!(
                "there should be {pods:?} pods (waiting, starting, ready, ending) and are {:?}",
                balance.pods
            )));
        }
        let ready = self
            .nodes
            .iter()
            .filter(|(_, node)| node.ready)
            .map(|(id, _)| *id);
        if !ready.eq(balance.ready_nodes.iter().copied()) {
            return Err(self.broken("other nodes are ready than were told"));
        }
        if let Some((service, _)) = self.requests.iter().find(|(_, requests)| !requests.told) {
            return Err(self.broken(format!(
                "what came to service {service} was not accounted for"
            )));
        }
        let waits = |(service, requests): (&usize, &Requests)| {
            balance.waiting.get(*service) == Some(&requests.waiting)
        };
        if !self.requests.iter().all(waits) {
            return Err(self.broken("other numbers of requests wait than were told"));
        }
        if self.billed.len() != balance.billed {
            return Err(self.broken(format!(
                "{} instances should be billed, {} are",
                self.billed.len(),
                balance.billed
            )));
        }
        let running: i128 = self
            .billed
            .values()
            .map(|(price, since)| cost(*price, *since, self.now))
            .sum();
        let spent = self.spent + running;
        if spent != balance.cost {
            return Err(self.broken(format!(
                "{spent} has been spent, the ledger says {}",
                balance.cost
            )));
        }
        Ok(())
    }
}

/// 10^-15 $ ms / h.
fn cost(price: Price, since: Timestamp, until: Timestamp) -> i128 {
    price.as_femto() * i128::from(until.since(since).as_millis())
}

/// Runs `world` to its end under an observer.
///
/// # Errors
/// At the first thing that does not add up.
pub fn run_checked(mut world: World) -> Result<super::result::SimResult, Broken> {
    let mut observer = Observer::new(&world);
    world.tell_facts();
    check(&mut observer, &mut world)?;
    while world.step() {
        check(&mut observer, &mut world)?;
    }
    check(&mut observer, &mut world)?;
    Ok(world.result())
}

/// Shows `observer` what has happened in `world` since it was last shown it.
///
/// # Errors
/// If something does not add up.
pub fn check(observer: &mut Observer, world: &mut World) -> Result<(), Broken> {
    let now = world.now();
    for fact in world.take_facts() {
        observer.hear(&fact, now)?;
    }
    observer.settle(&world.balance(), now)
}
