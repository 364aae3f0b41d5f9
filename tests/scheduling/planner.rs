//! Planning again after every change (M-11).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; what it saw is told"
)]

#[path = "../../fuzz/planner_walk.rs"]
mod planner_walk;

use planner_walk::Walk;
use tetrapod::base::rng::Rng;
use tetrapod::manifest::snapshot_from_str;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::Pod;
use tetrapod::model::resources::Name;
use tetrapod::planner::{Change, ChangeError, ClaimId, OfferingRef, Planner, Replanned, Target};
use tetrapod::scheduler::schedule;
use tetrapod::shapes::random::{Size, random};
use tetrapod::verify::verify;

fn pool(types: &str) -> String {
    format!(
        r#"{{"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {{"name": "default"}},
  "spec": {{"template": {{"spec": {{"nodeClassRef": {{"name": "main"}}}}}}}}}}
{{"apiVersion": "tetrapod/v1alpha1", "kind": "InstanceTypes", "metadata": {{"name": "main"}}, "instanceTypes": [{types}]}}
"#
    )
}

fn small() -> String {
    let zones = ["a", "b"]
        .map(|zone| format!(r#"{{"zone": "{zone}", "capacityType": "on-demand", "price": 0.2}}"#));
    pool(&format!(
        r#"{{"name": "small", "capacity": {{"cpu": "4", "memory": "16Gi", "pods": "110"}}, "offerings": [{}]}}"#,
        zones.join(", ")
    ))
}

fn pods(prefix: &str, count: usize, cpu: &str, more: &str) -> String {
    (0..count)
        .map(|at| {
            format!(
                r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{prefix}-{at}", "labels": {{"app": "{prefix}"}}}},
 "spec": {{"containers": [{{"name": "c", "resources": {{"requests": {{"cpu": "{cpu}"}}}}}}]{more}}}}}
"#
            )
        })
        .collect()
}

const SPREAD: &str = r#", "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
  "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "s"}}}]"#;

fn cluster(text: &str) -> Snapshot {
    snapshot_from_str(text).unwrap()
}

fn another(planner: &Planner, like: &str, name: &str) -> Pod {
    let mut pods = planner.snapshot().pods.iter();
    let mut pod = pods.find(|pod| pod.key() == like).unwrap().clone();
    pod.name = name.into();
    pod
}

#[track_caller]
fn assert_valid(planner: &Planner) {
    let verdict = verify(planner.snapshot(), &planner.plan());
    assert!(verdict.valid, "{:#?}", verdict.violations);
}

#[test]
fn the_first_plan_is_that_of_the_scheduler() {
    for seed in 0..60 {
        let snapshot = random(&mut Rng::new(seed), Size::new(40, 6));
        let mut planner = Planner::new(snapshot.clone());
        let _ = planner.replan();
        let mut plan = planner.plan();
        let mut expected = schedule(&snapshot);
        for plan in [&mut plan, &mut expected] {
            plan.existing_nodes.sort_by(|a, b| a.node.cmp(&b.node));
        }
        assert_eq!(plan, expected, "seed {seed}");
    }
}

#[test]
fn nothing_to_do_changes_nothing() {
    let mut planner = Planner::new(cluster(&(small() + &pods("w", 5, "1", ""))));
    let first = planner.replan();
    assert_eq!(first.placed.len(), 5);
    let before = planner.plan();
    let again = planner.replan();
    assert_eq!(again.replanned, Replanned::Incremental);
    assert!(again.placed.is_empty() && again.opened.is_empty() && again.changed.is_empty());
    assert_eq!(planner.plan(), before);
}

#[test]
fn a_pod_too_many_buys_one_node_and_leaves_the_others_alone_m11() {
    let mut planner = Planner::new(cluster(&(small() + &pods("w", 4, "1", ""))));
    let _ = planner.replan();
    let held: Vec<Target> = (0..4)
        .map(|at| planner.target(&format!("default/w-{at}")).unwrap().clone())
        .collect();
    let pod = another(&planner, "default/w-0", "w-4");
    planner.apply(Change::Pod(Box::new(pod))).unwrap();
    let delta = planner.replan();
    assert_eq!(delta.replanned, Replanned::Incremental);
    assert_eq!(delta.opened.len(), 1);
    assert_eq!(planner.plan().totals.new_nodes, 2);
    for (at, target) in held.iter().enumerate() {
        assert_eq!(planner.target(&format!("default/w-{at}")), Some(target));
    }
    assert_valid(&planner);
}

#[test]
fn a_claim_without_pods_is_given_up() {
    let mut planner = Planner::new(cluster(&(small() + &pods("w", 1, "3", ""))));
    let opened = planner.replan().opened;
    planner
        .apply(Change::PodRemoved("default/w-0".into()))
        .unwrap();
    let delta = planner.replan();
    assert_eq!(
        (delta.closed, delta.replanned),
        (opened, Replanned::Incremental)
    );
    assert_eq!(planner.plan().totals.new_nodes, 0);
}

#[test]
fn spreads_are_counted_as_pods_come() {
    let mut planner = Planner::new(cluster(&(small() + &pods("s", 2, "1", SPREAD))));
    let _ = planner.replan();
    for at in 2..8 {
        let pod = another(&planner, "default/s-0", &format!("s-{at}"));
        planner.apply(Change::Pod(Box::new(pod))).unwrap();
        let delta = planner.replan();
        assert_eq!(delta.replanned, Replanned::Incremental, "pod {at}");
        assert_valid(&planner);
    }
    // Four fit a node, and the zones hold four each.
    assert_eq!(planner.plan().totals.new_nodes, 2);
}

#[test]
fn who_relied_on_a_pod_that_left_is_decided_again() {
    let mut planner = Planner::new(cluster(&(small() + &pods("s", 3, "1", SPREAD))));
    let _ = planner.replan();
    // One zone has two pods and the other one: without the latter, one of the two would stand against the rule.
    let zone = |key: &str| match planner.target(key) {
        Some(Target::Claim(id)) => planner.claim(*id).unwrap().zones,
        other => panic!("{key} is on {other:?}"),
    };
    let keys = ["default/s-0", "default/s-1", "default/s-2"];
    let alone = keys
        .iter()
        .find(|key| keys.iter().filter(|k| zone(k) == zone(key)).count() == 1);
    let alone = Name::from(*alone.unwrap());
    planner.apply(Change::PodRemoved(alone)).unwrap();
    let _ = planner.replan();
    assert_valid(&planner);
    assert_eq!(planner.plan().totals.scheduled, 2);
}

#[test]
fn an_offering_that_cannot_be_had_breaks_its_claims_only() {
    let mut planner = Planner::new(cluster(&(small() + &pods("s", 2, "1", SPREAD))));
    let opened = planner.replan().opened;
    assert_eq!(opened.len(), 2);
    let zone_a = OfferingRef::new(
        "main",
        "small",
        "a",
        tetrapod::model::instance_type::CapacityType::OnDemand,
    );
    let gone = Change::Available {
        offering: zone_a.clone(),
        available: false,
    };
    planner.apply(gone).unwrap();
    let delta = planner.replan();
    assert_eq!(delta.closed.len(), 1);
    assert_valid(&planner);
    // A zone that is not there any more needs no pods, so both may share the other.
    assert_eq!(planner.plan().totals.scheduled, 2);
    let mut nowhere = zone_a;
    nowhere.zone = "z".into();
    let missing = planner.apply(Change::Price {
        offering: nowhere.clone(),
        price: None,
    });
    assert_eq!(missing, Err(ChangeError::NoSuchOffering(nowhere)));
    let missing = planner.apply(Change::Launched {
        claim: ClaimId(99),
        node_claim: Box::default(),
    });
    assert_eq!(missing, Err(ChangeError::NoSuchClaim(ClaimId(99))));
}

#[test]
fn a_launched_claim_keeps_its_pods() {
    let mut planner = Planner::new(cluster(&(small() + &pods("w", 3, "1", ""))));
    let opened = planner.replan().opened;
    let mut launched = planner.standing().node_claims[0].clone();
    launched.name = "default-xyz".into();
    let launch = Change::Launched {
        claim: opened[0],
        node_claim: Box::new(launched),
    };
    planner.apply(launch).unwrap();
    let delta = planner.replan();
    assert_eq!(delta.closed, opened);
    let plan = planner.plan();
    assert_eq!((plan.totals.new_nodes, plan.totals.scheduled), (0, 3));
    assert_valid(&planner);
    // The claim is a node now, and has room for one more.
    let pod = another(&planner, "default/w-0", "w-9");
    planner.apply(Change::Pod(Box::new(pod))).unwrap();
    let delta = planner.replan();
    assert_eq!(delta.replanned, Replanned::Incremental);
    assert_eq!(
        delta.placed,
        [("default/w-9".into(), Target::Node("default-xyz".into()))]
    );
    // Bound as decided: nothing moves.
    planner
        .apply(Change::PodBound {
            pod: "default/w-9".into(),
            node: "default-xyz".into(),
        })
        .unwrap();
    let delta = planner.replan();
    assert_eq!(delta.replanned, Replanned::Incremental);
    assert_eq!(planner.plan().totals.scheduled, 3);
    assert_valid(&planner);
}

#[test]
fn a_pod_without_a_place_gets_one_when_there_is_room() {
    let nodes = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
 "status": {"capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"}, "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}}}
"#;
    let mut planner = Planner::new(cluster(&(nodes.to_owned() + &pods("w", 2, "3", ""))));
    let first = planner.replan();
    assert_eq!((first.placed.len(), first.pending.len()), (1, 1));
    let (placed, waiting) = (
        Name::clone(&first.placed[0].0),
        Name::clone(&first.pending[0]),
    );
    planner.apply(Change::PodRemoved(placed)).unwrap();
    let delta = planner.replan();
    assert_eq!(delta.replanned, Replanned::Incremental);
    assert_eq!(delta.placed, [(waiting, Target::Node("n".into()))]);
    assert_valid(&planner);
}

/// Random changes over random clusters; after each step the plan is valid, and compared with planning what stands from
/// nothing (M-11).
#[test]
fn plans_stay_valid_and_as_good_as_from_nothing_m11() {
    let mut walk = Walk::default();
    for seed in 0..40 {
        let size = match seed % 3 {
            0 => Size::new(15, 4),
            1 => Size::new(30, 8),
            _ => Size::new(30, 8).with_topology(),
        };
        walk.run(&mut Rng::new(seed), size, 50, &format!("seed {seed}"));
    }
    // The walk takes each way, and the short one most often.
    println!("{walk:?}");
    assert!(walk.incremental > walk.full, "{walk:?}");
    // A second look of the scheduler at the same pods may place more than its first did.
    assert!(walk.fewer * 20 <= walk.incremental, "{walk:?}");
    assert!(walk.full > 0 && walk.compiled > 0, "{walk:?}");
}
