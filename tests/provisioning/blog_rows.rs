//! One test for each statement of the launch blog's table, named after its row: what the library does to make it true.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that picks out what it is about"
)]

use crate::provisioning_world::*;
use serde_json::json;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::disruption::policy::EconomicPolicy;
use tetrapod::disruption::{consolidate, converge};
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::price::Price;
use tetrapod::model::resources::Name;
use tetrapod::provisioning::config::Config;
use tetrapod::provisioning::input::{KubeChange, KubeEvent, Removal};
use tetrapod::provisioning::node::Phase;
use tetrapod::provisioning::output::Unavailability;
use tetrapod::provisioning::{Input, Machine, Output};
use tetrapod::sim::hyperpod::{Fake, FakeGroup, Weather};
use tetrapod::sim::pilot::Pilot;
use tetrapod::{Snapshot, schedule};

#[test]
fn row_01_nothing_to_run_a_restart_at_any_point_changes_nothing() {
    let (mut kept, mut stopped) = (pilot("ab"), pilot("ab"));
    for pilot in [&mut kept, &mut stopped] {
        dry(pilot, 'a', start(), start().plus(minutes(20)));
        pilot.plan(vec![claim("ab", &["ns/p"]), claim("b", &["ns/q"])]);
    }
    for step in 1..120 {
        let until = start().plus(Span::from_secs(step * 15));
        kept.run(until, |_| false);
        stopped.run(until, |_| false);
        let stored = serde_json::to_string(&stopped.machine).unwrap();
        stopped.machine = serde_json::from_str(&stored).unwrap();
    }
    assert_eq!(ready(&kept), 2);
    assert_eq!(kept.trace, stopped.trace);
    assert_eq!(kept.machine, stopped.machine);
}

#[test]
fn row_02_scale_to_zero_and_from_zero() {
    let mut pilot = pilot("a");
    assert_eq!(pilot.fake.list().len(), 0);
    pilot.plan(vec![claim("a", &["ns/p"])]);
    pilot.run(start().plus(minutes(10)), |_| false);
    assert_eq!(
        (ready(&pilot), pilot.fake.list().len()),
        (1, 1),
        "from zero"
    );
    let all: Vec<_> = pilot.machine.nodes().map(|n| n.id).collect();
    pilot.give(Input::Remove(Removal::new(all, "Empty")));
    pilot.run(start().plus(minutes(20)), |_| false);
    assert_eq!(pilot.fake.list().len(), 0, "to zero");
    assert_eq!(pilot.machine.nodes().count(), 0);
    // The decisions: pods of DaemonSets hold no node, and a group without nodes has its capacity from the catalogue.
    let (figures, end) = converge(&running(None), &EconomicPolicy);
    assert!(figures.settled && end.nodes.is_empty(), "{figures:?}");
    let plan = schedule(&sample());
    let add = &plan.scaling[0].nodes_to_add[0];
    assert_eq!(add.increment_target_count_by, 1);
    assert!(add.instance_group_name.starts_with("cpu-"));
}

#[test]
fn row_03_each_logical_id_has_its_own_life_and_one_failing_group_blocks_no_other() {
    let mut pilot = pilot("abc");
    dry(&mut pilot, 'a', start(), start().plus(minutes(60)));
    // The machine has not heard of it yet: so the request names all three groups, and HyperPod accepts two of its entries.
    pilot.fake.set_group_status("group-c", "Failed");
    pilot.plan(vec![
        claim("a", &["ns/p"]),
        claim("b", &["ns/q"]),
        claim("b", &["ns/r"]),
        claim("c", &["ns/s"]),
    ]);
    let entries = |(_, output): &(Timestamp, Output)| match output {
        Output::Add { request, .. } => Some(request.body.nodes_to_add.len()),
        _ => None,
    };
    let asked: Vec<_> = pilot.trace.iter().filter_map(entries).collect();
    assert_eq!(asked, [3], "one request with three entries");
    let phases = |pilot: &Pilot| -> Vec<Phase> { pilot.machine.nodes().map(|n| n.phase).collect() };
    assert_eq!(
        phases(&pilot),
        [Phase::Accepted; 3],
        "what was accepted counts at once"
    );
    assert_eq!(&*pilot.replans[0].pods, [name("ns/s")]);
    assert!(matches!(
        pilot.replans[0].without[0].1,
        Unavailability::BackingOff(_)
    ));
    pilot.run(start().plus(minutes(8)), |p| ready(p) == 2);
    assert_eq!(ready(&pilot), 2, "b's nodes are there");
    assert!(pilot.now().since(start()) < minutes(8));
    let waiting = phases(&pilot).into_iter().filter(|p| *p < Phase::Pending);
    assert!(waiting.count() <= 1, "only a's is not");
}

#[test]
fn row_04_capacity_failures_are_retried_with_growing_back_off_and_a_new_token() {
    let mut pilot = pilot("ab");
    let wet = start().plus(minutes(50));
    dry(&mut pilot, 'a', start(), wet);
    pilot.plan(vec![claim("ab", &["ns/p"])]);
    // A second order can only use the dry one.
    pilot.plan(vec![claim("a", &["ns/q"])]);
    pilot.run(start().plus(minutes(8)), |_| false);
    assert_eq!(ready(&pilot), 1, "the fall-back runs");
    assert!(notices(&pilot, "FallBack").count() >= 1);
    let without = &pilot.replans[0].without;
    assert!(
        matches!(without[0].1, Unavailability::BackingOff(_)),
        "{without:?}"
    );
    assert_eq!(&*pilot.replans[0].pods, [name("ns/q")], "no pod is lost");
    pilot.run(start().plus(minutes(100)), |p| ready(p) == 2);
    assert_eq!(
        ready(&pilot),
        2,
        "the other one too, once there is capacity"
    );
    let tries: Vec<_> = adds(&pilot)
        .into_iter()
        .filter(|(_, g, _)| g == "group-a")
        .collect();
    assert!(tries.len() >= 3 && tries.len() < 12, "{tries:?}");
    let tokens: std::collections::BTreeSet<_> = tries.iter().map(|(_, _, t)| t).collect();
    assert_eq!(tokens.len(), tries.len(), "each try has a token of its own");
    let gaps: Vec<_> = tries[1..]
        .windows(2)
        .map(|w| w[1].0.since(w[0].0))
        .collect();
    assert!(gaps.last() > gaps.first(), "{gaps:?}");
    pilot.run(pilot.now().plus(minutes(5)), |_| false);
    assert_eq!(
        pilot.fake.list().len(),
        2,
        "the logical ids of failed launches are cancelled"
    );
}

#[test]
fn row_05_node_classes_are_validated_with_conditions_and_reasons() {
    let mut snapshot = sample();
    let machine = Machine::new(1, Config::of(&snapshot), start());
    let mut pilot = Pilot::new(
        machine,
        Fake::new(1, Vec::new(), Weather::default(), start()),
    );
    let of_class = |pilot: &Pilot| pilot.machine.statuses()[0].clone();
    let status = of_class(&pilot);
    assert_eq!(&*status.kind, "HyperpodNodeClass");
    assert!(
        !status.is_true("InstanceGroupReady"),
        "the fake has none of its groups"
    );
    assert!(status.conditions[0].message.contains("cpu-a, cpu-b"));
    pilot.give(Input::Cluster(Box::new(snapshot.cluster.clone().unwrap())));
    let status = of_class(&pilot);
    for kind in ["InstanceGroupReady", "SubnetsReady", "Ready"] {
        assert!(status.is_true(kind), "{status:?}");
    }
    snapshot.node_classes[0].instance_groups =
        (0..11).map(|n| Name::from(format!("g-{n}"))).collect();
    pilot.give(Input::Config(Box::new(Config::of(&snapshot))));
    let ready = of_class(&pilot).conditions[2].clone();
    assert_eq!(
        (&*ready.status, &*ready.reason),
        ("False", "ValidationFailed")
    );
    assert!(
        ready.message.contains("11 instance groups"),
        "{}",
        ready.message
    );
    // A group with a training plan gives nothing, the others do.
    let mut snapshot = sample();
    let cluster = snapshot.cluster.as_mut().unwrap();
    cluster.instance_groups[0].training_plan = Some(name("arn:plan"));
    let config = Config::of(&snapshot);
    assert!(config.groups[0].faults[0].contains("training plan"));
    assert!(config.groups[1].faults.is_empty());
}

#[test]
fn row_06_unsupported_keys_of_a_pool_are_a_condition_and_not_silence() {
    let mut snapshot = sample();
    let requirement =
        json!({"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["c5"]});
    snapshot.node_pools[0]
        .requirements
        .push(serde_json::from_value(requirement).unwrap());
    let machine = Machine::new(1, Config::of(&snapshot), start());
    let pool = machine
        .statuses()
        .iter()
        .find(|d| d.kind == "NodePool")
        .unwrap();
    let condition = &pool.conditions[0];
    assert_eq!(
        (&*condition.kind, &*condition.status),
        ("ValidationSucceeded", "False")
    );
    assert!(
        condition
            .message
            .contains("karpenter.k8s.aws/instance-family")
    );
    assert!(!pool.is_true("Ready"));
}

#[test]
fn row_07_the_choice_lists_alternatives_in_order_and_they_are_tried_in_it() {
    let plan = schedule(&sample());
    let claim = &plan.new_node_claims[0];
    let chosen = claim.cheapest.instance_group.clone().unwrap();
    let other = claim.fallbacks[0].instance_group.clone().unwrap();
    assert_ne!(chosen, other);
    let group = |name: &Name, letter: &str| {
        let zones = vec![Name::from(format!("us-east-1{letter}"))];
        FakeGroup::new(
            Name::clone(name),
            zones,
            vec![Name::from(TYPE)],
            CapacityType::OnDemand,
        )
    };
    let fakes = vec![group(&name("cpu-a"), "a"), group(&name("cpu-b"), "b")];
    let mut fake = Fake::new(1, fakes, Weather::default(), start());
    fake.set_capacity(
        &name(TYPE),
        &claim.cheapest.zone,
        CapacityType::OnDemand,
        vec![(start(), 0)],
    );
    let mut pilot = Pilot::new(Machine::new(1, Config::of(&sample()), start()), fake);
    pilot.plan(plan.new_node_claims.clone());
    pilot.run(start().plus(minutes(15)), |p| ready(p) == 1);
    let tried: Vec<String> = adds(&pilot)
        .into_iter()
        .map(|(_, group, _)| group)
        .collect();
    assert_eq!(tried, [chosen.to_string(), other.to_string()]);
    assert_eq!(ready(&pilot), 1);
    // What the workload needs decides: its GPUs, slices of them, its zone.
    let groups = [
        ("cpu", "ml.c5.4xlarge", "a", ""),
        ("gpu-1", "ml.g5.2xlarge", "a", ""),
        ("gpu-4", "ml.g5.12xlarge", "a", ""),
        ("gpu-4-b", "ml.g5.12xlarge", "b", ""),
        ("slices", "ml.p4d.24xlarge", "a", "all-1g.5gb"),
    ];
    let zone_b = json!({"topology.kubernetes.io/zone": "us-east-1b"});
    for (requests, selector, group) in [
        (json!({"cpu": "1"}), json!({}), "cpu"),
        (json!({"nvidia.com/gpu": "1"}), json!({}), "gpu-1"),
        (json!({"nvidia.com/gpu": "3"}), json!({}), "gpu-4"),
        (json!({"nvidia.com/gpu": "3"}), zone_b, "gpu-4-b"),
        (json!({"nvidia.com/mig-1g.5gb": "2"}), json!({}), "slices"),
    ] {
        let plan = schedule(&cluster_of(&groups, &requests, &selector));
        let chosen = plan.new_node_claims[0].cheapest.instance_group.clone();
        assert_eq!(chosen.as_deref(), Some(group), "{requests}");
    }
}

#[test]
fn row_08_idle_and_underused_nodes_are_removed_drain_first_and_the_saving_is_told() {
    let mut pilot = pilot("a");
    pilot.plan(vec![claim("a", &["ns/p"])]);
    pilot.run(start().plus(minutes(10)), |_| false);
    let id = pilot.machine.nodes().next().unwrap().id;
    pilot.give(Input::Remove(Removal::new(vec![id], "Underutilized")));
    assert_eq!(deletes(&pilot), 0, "not before it is drained");
    let drained = pilot
        .trace
        .iter()
        .any(|(_, o)| matches!(o, Output::Drain { why, .. } if &**why == "Underutilized"));
    assert!(drained);
    pilot.run(start().plus(minutes(15)), |_| false);
    assert_eq!((deletes(&pilot), pilot.fake.list().len()), (1, 0));
    // The decisions: of two nodes with little on them one goes, and the command says what that saves.
    let decided = consolidate(&running(Some("ReplicaSet")), &EconomicPolicy);
    let [command] = &decided.commands[..] else {
        panic!("{decided:?}");
    };
    assert_eq!(command.candidates.len(), 1);
    assert!(command.net_saving > Price::ZERO && command.price_before > command.price_after);
    assert!(decided.price_before > decided.price_after);
}

#[test]
fn row_09_a_replaced_instance_keeps_its_logical_id_and_is_not_launched_again() {
    let mut weather = Weather::default();
    weather.breaks = 1000;
    weather.trouble_within = minutes(8);
    let mut pilot = pilot_with("a", config("a"), weather);
    pilot.plan(vec![claim("a", &["ns/p"])]);
    pilot.run(start().plus(minutes(10)), |p| ready(p) == 1);
    let before = pilot.machine.nodes().next().unwrap().clone();
    pilot.fake.set_weather(Weather::default());
    pilot.run(start().plus(minutes(40)), |_| false);
    let after = pilot.machine.nodes().next().unwrap();
    assert_eq!(before.logical_id, after.logical_id);
    assert_ne!(before.instance_id, after.instance_id, "it was replaced");
    assert_eq!(after.phase, Phase::Initialized);
    assert_eq!(adds(&pilot).len(), 1);
    // An unhealthy node is left to HyperPod unless the pool says otherwise.
    let instance = after.instance_id.clone().unwrap();
    pilot.give(Input::Kube(KubeEvent::new(
        instance,
        KubeChange::Ready(false),
    )));
    pilot.run(start().plus(minutes(140)), |_| false);
    assert_eq!(deletes(&pilot), 0);
    // Nor is it a place for pods or a thing to consolidate: of two nodes with little on them one would go.
    let mut snapshot = running(Some("ReplicaSet"));
    let commands = |snapshot: &Snapshot| consolidate(snapshot, &EconomicPolicy).commands.len();
    assert_eq!(commands(&snapshot), 1);
    for status in [
        "UnschedulablePendingReplacement",
        "UnschedulablePendingReboot",
    ] {
        let labels = &mut snapshot.nodes[0].labels;
        labels.set("sagemaker.amazonaws.com/node-health-status", name(status));
        assert_eq!(commands(&snapshot), 0, "{status}");
        let mut waiting = snapshot.clone();
        waiting.pods.extend(sample().pods);
        let plan = schedule(&waiting);
        let used: Vec<_> = plan.existing_nodes.iter().map(|node| &*node.node).collect();
        assert_eq!(used, ["hyperpod-i-1"], "{status}");
    }
}
