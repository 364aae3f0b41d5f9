//! Random changes for an incremental planner, each step judged. Shared by `tests/scheduling/planner.rs` and the fuzz target.

use tetrapod::base::rng::Rng;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label;
use tetrapod::model::pod::{Pod, PodPhase};
use tetrapod::model::price::Price;
use tetrapod::model::resources::Name;
use tetrapod::planner::{Change, OfferingRef, Planner, Replanned};
use tetrapod::scheduler::schedule;
use tetrapod::shapes::random::{Size, random};
use tetrapod::verify::verify;

/// How far replans went.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) incremental: u32,
    pub(crate) compiled: u32,
    pub(crate) full: u32,
    pub(crate) anew: u32,
    /// Short replans after which planning what stood from nothing would have placed more.
    pub(crate) fewer: u32,
}

impl Walk {
    /// A random cluster and `steps` changes; asserts after each.
    pub(crate) fn run(&mut self, rng: &mut Rng, size: Size, steps: u32, what: &str) {
        let snapshot = random(rng, size);
        let other = random(rng, size);
        let mut planner = Planner::new(snapshot);
        let _ = planner.replan();
        for step in 0..steps {
            // Now and then several changes come at once.
            for _ in 0..=rng.below(5) / 4 {
                let change = change(rng, &planner, &other, step);
                planner
                    .apply(change)
                    .expect("the change is about what is there");
            }
            let standing = planner.standing();
            let (nodes, price) = bought(&planner);
            let delta = planner.replan();
            let plan = planner.plan();
            let verdict = verify(planner.snapshot(), &plan);
            assert!(
                verdict.valid,
                "{what}, step {step}, {delta:#?}: {:#?}",
                verdict.violations
            );
            match delta.replanned {
                Replanned::Incremental => {
                    self.incremental += 1;
                    // What stood before still stands, so planning it from nothing must not do better.
                    if delta.withdrawn.is_empty() && delta.closed.is_empty() {
                        let from_nothing = schedule(&standing);
                        let fewer = plan.totals.unschedulable > from_nothing.totals.unschedulable;
                        if fewer && self.fewer == 0 {
                            println!(
                                "{what}, step {step}: fewer placed than from nothing: {delta:?}"
                            );
                        }
                        self.fewer += u32::from(fewer);
                        let (nodes_now, price_now) = bought(&planner);
                        if plan.totals.unschedulable == from_nothing.totals.unschedulable
                            && plan.totals.unknown_price_nodes == 0
                        {
                            assert!(
                                price_now - price <= from_nothing.totals.hourly_price,
                                "{what}, step {step}: {price_now} after {price}, {nodes_now} nodes after {nodes}; from nothing {}",
                                from_nothing.totals.hourly_price
                            );
                        }
                    }
                }
                Replanned::Compiled { .. } => self.compiled += 1,
                Replanned::Full { .. } => self.full += 1,
                Replanned::Anew { .. } => self.anew += 1,
            }
        }
    }
}

fn bought(planner: &Planner) -> (usize, Price) {
    let totals = planner.plan().totals;
    (totals.new_nodes, totals.hourly_price)
}

/// A change about what is there: mostly pods like others.
fn change(rng: &mut Rng, planner: &Planner, other: &Snapshot, step: u32) -> Change {
    let snapshot = planner.snapshot();
    let pick =
        |rng: &mut Rng, len: usize| usize::try_from(rng.below(len.max(1) as u64)).unwrap_or(0);
    for _ in 0..8 {
        match rng.below(20) {
            0..=7 => {
                let from = pick(rng, snapshot.pods.len());
                if let Some(pod) = snapshot.pods.get(from) {
                    return Change::Pod(Box::new(like(pod, step)));
                }
            }
            8 => {
                let from = pick(rng, other.pods.len());
                if let Some(pod) = other.pods.get(from) {
                    return Change::Pod(Box::new(like(pod, step)));
                }
            }
            9..=12 => {
                let from = pick(rng, snapshot.pods.len());
                if let Some(pod) = snapshot.pods.get(from) {
                    return Change::PodRemoved(Name::from(pod.key()));
                }
            }
            13..=15 => {
                let plan = planner.plan();
                let at = pick(rng, plan.existing_nodes.len());
                if let Some(placement) = plan.existing_nodes.get(at) {
                    return Change::PodBound {
                        pod: Name::clone(&placement.pods[0]),
                        node: Name::clone(&placement.node),
                    };
                }
            }
            16 => {
                let standing = planner.standing();
                let claims = planner.open_claims().collect::<Vec<_>>();
                let at = pick(rng, claims.len());
                let name = claims.get(at).map(|id| format!("open-{}", id.0));
                let node_claim = standing
                    .node_claims
                    .iter()
                    .find(|claim| Some(claim.name.as_ref()) == name.as_deref());
                if let Some(node_claim) = node_claim {
                    let mut launched = node_claim.clone();
                    launched.name = Name::from(format!("launched-{step}"));
                    return Change::Launched {
                        claim: claims[at],
                        node_claim: Box::new(launched),
                    };
                }
            }
            17 => {
                let at = pick(rng, snapshot.nodes.len());
                if let Some(node) = snapshot.nodes.get(at) {
                    if rng.below(2) == 0 {
                        return Change::NodeRemoved(Name::clone(&node.name));
                    }
                    let mut changed = node.clone();
                    changed.unschedulable = !changed.unschedulable;
                    return Change::Node(Box::new(changed));
                }
            }
            18 => {
                let at = pick(rng, other.nodes.len());
                if let Some(node) = other.nodes.get(at) {
                    let mut joined = node.clone();
                    joined.name = Name::from(format!("joined-{step}"));
                    // A host name stands for one node.
                    joined.labels.set(label::HOSTNAME, joined.name.as_ref());
                    joined.provider_id = Some(Name::from(format!("aws:///joined-{step}")));
                    return Change::Node(Box::new(joined));
                }
            }
            _ => {
                let class = &snapshot.instance_types[pick(rng, snapshot.instance_types.len())];
                let entry = &class.instance_types[pick(rng, class.instance_types.len())];
                let at = pick(rng, entry.offerings.len());
                if let Some(held) = entry.offerings.get(at) {
                    let offering = OfferingRef::new(
                        Name::clone(&class.node_class),
                        Name::clone(&entry.name),
                        Name::clone(&held.zone),
                        held.capacity_type,
                    );
                    return if rng.below(2) == 0 {
                        Change::Available {
                            offering,
                            available: !held.available,
                        }
                    } else {
                        let price = held.price.map(|price| price.times(2));
                        Change::Price { offering, price }
                    };
                }
            }
        }
    }
    Change::PodRemoved("no/pod".into())
}

/// Another pod of the same kind, which waits.
fn like(pod: &Pod, step: u32) -> Pod {
    let mut pod = pod.clone();
    pod.name = Name::from(format!("{}-{step}", pod.name));
    pod.node_name = None;
    pod.phase = PodPhase::Pending;
    pod.deleted = None;
    pod
}
