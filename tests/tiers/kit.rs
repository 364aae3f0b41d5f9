//! The property-testing kit: what it makes is sound, our own policy holds, and planted faults are found and made small.

#![cfg(feature = "proptest")]
use proptest::prelude::*;
use tetrapod::kit::invariants::{carried_out, shuffled};
use tetrapod::kit::{
    Draft, Fault, Invariant, Knobs, Policy, Purchase, Tetrapod, find_fault, purchases, snapshots,
    workloads,
};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::Pod;
use tetrapod::model::resources::ResourceList;
use tetrapod::model::taint::untolerated;
use tetrapod::plan::Plan;
use tetrapod::plan::command::Command;
use tetrapod::{schedule, verify};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn our_plans_keep_every_invariant(snapshot in snapshots(Knobs::default())) {
        for invariant in Invariant::SAFETY.iter().chain(&Invariant::QUALITY) {
            invariant.check(&Tetrapod, &snapshot)?;
        }
    }

    #[test]
    fn our_consolidation_keeps_every_invariant(
        snapshot in snapshots(Knobs::default().with_nodes(6)),
    ) {
        for invariant in Invariant::CONSOLIDATION {
            invariant.check(&Tetrapod, &snapshot)?;
        }
    }

    #[test]
    fn made_clusters_are_sound(snapshot in snapshots(Knobs::default())) {
        for node in &snapshot.nodes {
            let mut used = ResourceList::new();
            let on = |pod: &&Pod| pod.node_name.as_ref() == Some(&node.name);
            for pod in snapshot.pods.iter().filter(on) {
                used.add(&pod.requests());
            }
            prop_assert!(used.fits(&node.allocatable), "{}", node.name);
        }
        let text = serde_json::to_string(&snapshot).unwrap();
        prop_assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
    }

    #[test]
    fn deployments_stay_within_their_knobs(list in workloads(Knobs::plain().with_workloads(3, 2))) {
        prop_assert!(list.len() <= 3);
        prop_assert!(list.iter().all(|one| (1..=2).contains(&one.replicas)));
        prop_assert!(list.iter().all(|one| one.spec.tolerations.is_empty()));
    }
}

/// What a policy of the tests looks at; each is wrong by what it leaves out.
#[derive(Clone, Copy, Default)]
struct Sees {
    taints: bool,
    daemon_sets: bool,
    limits: bool,
}

/// First fit: each pod on the first open node, else on the cheapest new one that `sees` lets pass.
fn first_fit(snapshot: &Snapshot, sees: Sees) -> Plan {
    let mut draft = Draft::new(snapshot);
    let ways = purchases(snapshot);
    let mut open: Vec<(Purchase<'_>, tetrapod::kit::Bought, ResourceList)> = Vec::new();
    let overhead = |way: &Purchase<'_>| {
        let mut sum = ResourceList::new();
        for set in &snapshot.daemon_sets {
            let runs = untolerated(&way.pool.taints, &set.spec.tolerations, false).is_none();
            if sees.daemon_sets && runs {
                sum.add(&set.spec.requests());
            }
        }
        sum
    };
    let tolerated = |pod: &Pod, way: &Purchase<'_>| {
        !sees.taints || untolerated(&way.pool.taints, &pod.spec.tolerations, false).is_none()
    };
    'pods: for pod in snapshot.pods.iter().filter(|pod| pod.is_pending()) {
        for (way, node, used) in &mut open {
            let mut sum = used.clone();
            sum.add(&pod.requests());
            if tolerated(pod, way) && sum.fits(&way.instance_type.allocatable()) {
                draft.put(pod, *node);
                *used = sum;
                continue 'pods;
            }
        }
        for way in &ways {
            let mut sum = overhead(way);
            sum.add(&pod.requests());
            let limited = sees.limits && !way.pool.limits.is_empty();
            if !limited && tolerated(pod, way) && sum.fits(&way.instance_type.allocatable()) {
                let node = draft.buy(*way);
                draft.put(pod, node);
                open.push((*way, node, sum));
                break;
            }
        }
    }
    draft.finish()
}

/// The knobs under which first fit has only the faults that [`Sees`] plants.
fn knobs() -> Knobs {
    let mut knobs = Knobs::plain().with_nodes(0);
    knobs.taints = true;
    knobs.limits = true;
    knobs
}

fn fault_of(sees: Sees) -> Box<Fault> {
    let naive = move |snapshot: &Snapshot| first_fit(snapshot, sees);
    let fault = find_fault(&naive, &Invariant::SAFETY, knobs(), 1_000).unwrap();
    // What is reported is what the policy does on the cluster that is reported.
    let again = fault.broken.invariant.check(&naive, &fault.snapshot);
    assert_eq!(again.unwrap_err(), fault.broken);
    fault
}

/// Pods, pools, types, DaemonSets and nodes of the smallest cluster.
fn size(snapshot: &Snapshot) -> [usize; 5] {
    [
        snapshot.pods.len(),
        snapshot.node_pools.len(),
        snapshot.instance_types[0].instance_types.len(),
        snapshot.daemon_sets.len(),
        snapshot.nodes.len(),
    ]
}

#[test]
fn a_policy_that_ignores_taints_is_found_and_made_small() {
    let fault = fault_of(Sees {
        daemon_sets: true,
        limits: true,
        ..Sees::default()
    });
    assert_eq!(fault.broken.invariant, Invariant::PlacementAllowed);
    assert_eq!(
        size(&fault.snapshot),
        [1, 1, 1, 0, 0],
        "{:#?}",
        fault.snapshot
    );
    let [pool] = &*fault.snapshot.node_pools else {
        panic!("one pool");
    };
    assert_eq!(pool.taints.len(), 1);
    assert!(pool.limits.is_empty() && pool.weight == 0);
    assert!(fault.snapshot.pods[0].spec.tolerations.is_empty());
    assert!(
        fault.broken.to_string().contains("taint"),
        "{}",
        fault.broken
    );
}

#[test]
fn a_policy_that_ignores_daemon_sets_is_found_and_made_small() {
    let fault = fault_of(Sees {
        taints: true,
        limits: true,
        ..Sees::default()
    });
    assert_eq!(fault.broken.invariant, Invariant::PlacementAllowed);
    let [pods, pools, types, daemon_sets, nodes] = size(&fault.snapshot);
    assert_eq!((pods, pools, types, nodes), (1, 1, 1, 0));
    assert_eq!(daemon_sets, 1);
    assert!(fault.snapshot.node_pools[0].taints.is_empty());
}

#[test]
fn a_policy_that_ignores_limits_is_found_and_made_small() {
    let fault = fault_of(Sees {
        taints: true,
        daemon_sets: true,
        ..Sees::default()
    });
    assert_eq!(fault.broken.invariant, Invariant::LimitsKept);
    assert_eq!(size(&fault.snapshot), [1, 1, 1, 0, 0]);
}

#[test]
fn a_policy_that_sees_all_three_passes() {
    let all = Sees {
        taints: true,
        daemon_sets: true,
        limits: true,
    };
    let naive = move |snapshot: &Snapshot| first_fit(snapshot, all);
    let fault = find_fault(&naive, &Invariant::SAFETY, knobs(), 300);
    assert!(fault.is_none(), "{fault:#?}");
}

/// A policy that places pods as we do, and takes every node that is not empty.
struct Careless;

impl Policy for Careless {
    fn plan(&self, snapshot: &Snapshot) -> Plan {
        schedule(snapshot)
    }

    fn consolidate(&self, snapshot: &Snapshot) -> Vec<Command> {
        let mut commands = Tetrapod.consolidate(snapshot);
        for command in &mut commands {
            // The places of the pods are forgotten.
            command.existing_nodes.clear();
            command.replacements.clear();
        }
        commands
    }
}

#[test]
fn consolidation_that_loses_pods_is_found_and_made_small() {
    let knobs = Knobs::plain().with_nodes(4);
    let fault = find_fault(&Careless, &Invariant::CONSOLIDATION, knobs, 1_000).unwrap();
    assert_eq!(fault.broken.invariant, Invariant::ConsolidationValid);
    let [pods, _, _, daemon_sets, nodes] = size(&fault.snapshot);
    assert!(
        pods <= 3 && nodes <= 2 && daemon_sets == 0,
        "{:?}",
        size(&fault.snapshot)
    );
}

/// `snapshot` planned without the pending pods that `leaves` picks by their place among the pending ones.
fn leaving(snapshot: &Snapshot, leaves: impl Fn(usize) -> bool) -> Plan {
    let pending: Vec<usize> = (0..snapshot.pods.len())
        .filter(|at| snapshot.pods[*at].is_pending())
        .collect();
    let left = |at: &usize| pending.iter().position(|p| p == at).is_some_and(&leaves);
    let mut fewer = snapshot.clone();
    let mut only = Snapshot::default();
    fewer.pods.clear();
    for (at, pod) in snapshot.pods.iter().enumerate() {
        if left(&at) {
            only.pods.push(pod.clone());
        } else {
            fewer.pods.push(pod.clone());
        }
    }
    let mut plan = schedule(&fewer);
    // Nothing can be bought in an empty cluster, so that every pod is left there.
    plan.unschedulable.extend(schedule(&only).unschedulable);
    plan.totals.unschedulable = plan.unschedulable.len();
    plan
}

#[test]
fn weak_policies_are_told_from_wrong_ones() {
    let knobs = Knobs::plain().with_nodes(0);
    let first_left = |snapshot: &Snapshot| leaving(snapshot, |number| number == 0);
    assert!(find_fault(&first_left, &Invariant::SAFETY, knobs, 100).is_none());
    let fault = find_fault(&first_left, &[Invariant::NoneLeft], knobs, 100).unwrap();
    assert_eq!(fault.snapshot.pods.len(), 1);
    let fault = find_fault(&first_left, &[Invariant::OrderHidden], knobs, 100).unwrap();
    assert_eq!(fault.snapshot.pods.len(), 2);
    let one_at_a_time = |snapshot: &Snapshot| leaving(snapshot, |number| number > 0);
    let fault = find_fault(&one_at_a_time, &[Invariant::PlanSettles], knobs, 100).unwrap();
    assert_eq!(fault.snapshot.pods.len(), 2);
    let never = |snapshot: &Snapshot| schedule(snapshot);
    let fault = find_fault(&never, &[Invariant::ScalesToZero], Knobs::plain(), 100).unwrap();
    assert_eq!(size(&fault.snapshot), [0, 1, 1, 0, 1]);
}

/// The invariants say something only if the made clusters meet the cases that are hard to get right.
#[test]
fn the_cases_that_matter_occur() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config(1), rng);
    let strategy = snapshots(Knobs::default());
    let made: Vec<(Snapshot, Plan)> = (0..200)
        .map(|_| {
            let snapshot = strategy.new_tree(&mut runner).unwrap().current();
            let plan = schedule(&snapshot);
            assert!(verify(&snapshot, &plan).valid);
            assert_eq!(plan, schedule(&shuffled(&snapshot, 3)));
            (snapshot, plan)
        })
        .collect();
    let share = |what: &str, least: usize, found: &dyn Fn(&Snapshot, &Plan) -> bool| {
        let count = made.iter().filter(|(s, p)| found(s, p)).count();
        assert!(count >= least, "{what}: only {count} of {}", made.len());
    };
    share("nodes bought", 60, &|_, plan| {
        !plan.new_node_claims.is_empty()
    });
    share("existing nodes used", 30, &|_, plan| {
        !plan.existing_nodes.is_empty()
    });
    share("pods left", 40, &|_, plan| !plan.unschedulable.is_empty());
    share("everything placed", 30, &|_, plan| {
        plan.unschedulable.is_empty() && plan.totals.scheduled > 0
    });
    share("bound pods", 40, &|snapshot, _| {
        snapshot.pods.iter().any(|pod| pod.node_name.is_some())
    });
    share("pods that spread", 30, &|snapshot, _| {
        snapshot
            .pods
            .iter()
            .any(|pod| !pod.spec.topology_spread.is_empty())
    });
    share("volumes", 30, &|snapshot, _| !snapshot.volumes.is_empty());
    share("nodes consolidated", 30, &|snapshot, plan| {
        !Tetrapod
            .consolidate(&carried_out(snapshot, plan))
            .is_empty()
    });
}
