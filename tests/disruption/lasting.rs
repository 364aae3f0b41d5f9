//! A saving is counted for as long as it is likely to last (M-21): where nodes come and go, no longer than they do.

use std::sync::Arc;

use crate::weaknesses::{cluster, ours};
use crate::world::world;
use tetrapod::base::rng::Rng;
use tetrapod::base::time::Span;
use tetrapod::disruption::policy::{EconomicPolicy, KarpenterPolicy, Policy};
use tetrapod::disruption::{consolidate, karpenter::Version, look};
use tetrapod::model::affinity::TopologySpreadConstraint;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::{LabelSelector, SelectorExpression, SelectorOperator, ZONE};
use tetrapod::model::pod::PodSpec;
use tetrapod::model::price::Price;
use tetrapod::model::resources::Name;
use tetrapod::shapes::{Params, Shape, generate};
use tetrapod::verify::disruption::verify_commands;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// `snapshot` with nodes that have been there for `seconds`.
fn aged(mut snapshot: Snapshot, seconds: i64) -> Snapshot {
    let now = snapshot.options.now.unwrap();
    for claim in &mut snapshot.node_claims {
        claim.created = Some(now.plus(Span::from_secs(-seconds)));
    }
    snapshot
}

/// A node that could be one for nine tenths of its price.
fn a_little_too_dear() -> Snapshot {
    cluster(
        world()
            .pool("p")
            .types("t16 16cpu $10; t8 8cpu $9")
            .node("n 16cpu type=t16 pool=p")
            .pod("cpu=7 on=n"),
    )
}

#[test]
fn a_node_is_replaced_for_little_once_it_has_lasted() {
    // 24 $ in a day less 0.90 $ for the start; an hour of the old node's start counts 23 times more.
    for (age, saved) in [(30 * MINUTE, 0), (12 * HOUR, 1_000), (48 * HOUR, 1_000)] {
        let found = ours(&aged(a_little_too_dear(), age)).1;
        assert_eq!(found, saved, "{age} s");
    }
    assert_eq!(ours(&a_little_too_dear()).1, 1_000, "of unknown age");
}

#[test]
fn a_node_that_has_not_lasted_says_so_and_is_looked_at_again_at_twice_its_age() {
    let snapshot = aged(a_little_too_dear(), 30 * MINUTE);
    let answer = consolidate(&snapshot, &EconomicPolicy);
    let [stay] = &*answer.stays else {
        panic!("one node stays");
    };
    assert!(
        stay.message.contains("it has been there for 30m"),
        "{stay:?}"
    );
    let later = snapshot
        .options
        .now
        .unwrap()
        .plus(Span::from_secs(30 * MINUTE));
    assert_eq!(answer.next_look, Some(later));
    let asked = look(&snapshot, &EconomicPolicy);
    assert_eq!(asked, (Vec::new(), Some(later)));
}

#[test]
fn an_empty_node_goes_however_young() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t8 8cpu $8")
            .node("n 8cpu type=t8 pool=p"),
    );
    assert_eq!(ours(&aged(snapshot, 5 * MINUTE)).1, 8_000);
}

/// The pods of one node fit what two others have free: if the one of 3 cores goes where 3 are free, and not where 4 are.
fn to_the_brim() -> Snapshot {
    cluster(
        world()
            .pool("p")
            .types("t8 8cpu $8")
            .node("n 8cpu type=t8 pool=p")
            .node("x 8cpu type=t8 pool=p")
            .node("y 8cpu type=t8 pool=p")
            .pod("name=a cpu=3 on=n")
            .pod("name=b cpu=4 on=n")
            .pod("name=c cpu=5 on=x")
            .pod("name=d cpu=4 on=y"),
    )
}

#[test]
fn what_the_pod_scheduler_would_undo_is_no_saving_where_nodes_come_and_go() {
    assert_eq!(ours(&aged(to_the_brim(), 48 * HOUR)).1, 8_000);
    // The emptiest node takes the first pod, the second one fits nowhere, and a node is bought for it.
    assert_eq!(ours(&aged(to_the_brim(), HOUR)).1, 0);
    // One core less, and they fit in any order.
    let mut loose = aged(to_the_brim(), HOUR);
    loose.pods.retain(|pod| pod.name.as_ref() != "d");
    assert!(ours(&loose).1 >= 8_000);
}

#[test]
fn a_look_decides_as_consolidate_does() {
    let policies: [&dyn Policy; 2] = [&EconomicPolicy, &KarpenterPolicy::new(Version::V113)];
    for policy in policies {
        for snapshot in [a_little_too_dear(), to_the_brim(), Snapshot::default()] {
            let mut answer = consolidate(&snapshot, policy);
            if policy.alternatives() {
                answer.commands.truncate(1);
            }
            let (commands, next) = look(&snapshot, policy);
            assert_eq!(commands, answer.commands);
            assert_eq!(next, answer.next_look.filter(|_| commands.is_empty()));
        }
    }
}

/// `nodes` half empty nodes of any age up to two days, a third of their workloads spread over zones.
fn large_with_rules(nodes: usize, seed: u64) -> Snapshot {
    let mut snapshot = generate(Shape::Packed, Params::new(1, seed).with_nodes(nodes));
    for pod in &mut snapshot.pods {
        let app = Name::from(pod.labels.get("app").unwrap_or_default());
        if app.bytes().map(usize::from).sum::<usize>() % 3 == 0 {
            let key = Name::from("app");
            let selects = SelectorExpression::new(key, SelectorOperator::In, vec![app]);
            let selects = LabelSelector::new(vec![selects]);
            let mut spec = PodSpec::clone(&pod.spec);
            spec.topology_spread = vec![TopologySpreadConstraint::new(ZONE, 3, selects)];
            pod.spec = Arc::new(spec);
        }
    }
    let now = snapshot.options.now.unwrap_or_default();
    snapshot.options.now = Some(now);
    let mut rng = Rng::new(seed);
    for claim in &mut snapshot.node_claims {
        let age = i64::try_from(rng.below(48 * 60)).unwrap();
        claim.created = Some(now.plus(Span::from_secs(-age * MINUTE)));
    }
    snapshot
}

/// What is found for the nodes of a large cluster one after the other has to hold when all of them go at once. Pods for which
/// it does not get other places: the plan is not lost for them.
#[test]
fn a_large_cluster_with_rules_between_pods_is_not_left_alone() {
    for (nodes, seed) in [(100, 1), (150, 2), (200, 3)] {
        let snapshot = large_with_rules(nodes, seed);
        let answer = consolidate(&snapshot, &EconomicPolicy);
        let (before, after) = (answer.price_before, answer.price_after);
        assert!(
            before - after > Price::from_femto(before.as_femto() / 4),
            "{nodes} nodes: from {before} to {after} $/h"
        );
        let verdict = verify_commands(&snapshot, &answer.commands);
        assert!(verdict.valid, "{nodes} nodes: {:#?}", verdict.findings);
    }
}
