//! The second half of the blog's table; `blog_rows` has the first.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that picks out what it is about"
)]

use crate::provisioning_world::*;
use tetrapod::base::time::Timestamp;
use tetrapod::disruption::converge;
use tetrapod::disruption::policy::EconomicPolicy;
use tetrapod::hyperpod::preflight::{Status, preflight};
use tetrapod::hyperpod::role::missing_actions;
use tetrapod::model::options::Forecast;
use tetrapod::model::price::Price;
use tetrapod::provisioning::input::{KubeChange, KubeEvent, Removal};
use tetrapod::provisioning::output::Unavailability;
use tetrapod::provisioning::{Input, Output};
use tetrapod::sim::hyperpod::Weather;
use tetrapod::sim::pilot::Pilot;
use tetrapod::{Snapshot, schedule};

#[test]
fn row_10_without_pods_nothing_is_bought_what_no_pod_wants_goes_and_a_forecast_keeps_nodes() {
    let mut pilot = pilot("a");
    pilot.run(start().plus(minutes(30)), |_| false);
    assert!(adds(&pilot).is_empty(), "exactly reactive");
    pilot.plan(vec![claim("a", &["ns/p", "ns/q"])]);
    // The pod tier scales in while the node starts; its hold is five minutes.
    pilot.give(Input::Withdraw(vec![name("ns/p"), name("ns/q")]));
    pilot.run(start().plus(minutes(32)), |_| false);
    assert_eq!(deletes(&pilot), 0, "it is held for the next pods");
    pilot.plan(vec![claim("a", &["ns/r"])]);
    assert_eq!(adds(&pilot).len(), 1, "and taken by them");
    pilot.give(Input::Withdraw(vec![name("ns/r")]));
    pilot.run(start().plus(minutes(60)), |_| false);
    assert_eq!(pilot.fake.list().len(), 0);
    // A forecast keeps what is needed again before a node could come back; without one the load is taken as it is.
    let mut snapshot = running(None);
    let left = |snapshot: &Snapshot| converge(snapshot, &EconomicPolicy).1.nodes.len();
    assert_eq!(left(&snapshot), 0, "exactly reactive");
    let soon = snapshot.options.now.unwrap().plus(minutes(10));
    snapshot.options.forecast = vec![Forecast::new("pool", soon, 1)];
    assert_eq!(left(&snapshot), 1);
}

#[test]
fn row_11_an_add_beyond_the_quota_is_not_emitted_and_the_reason_names_it() {
    let mut config = config("a");
    config.quotas.per_type.insert(name(TYPE), 2);
    let mut pilot = pilot_with("a", config, Weather::default());
    pilot.plan(
        ["ns/p", "ns/q", "ns/r"]
            .map(|pod| claim("a", &[pod]))
            .to_vec(),
    );
    assert_eq!(pilot.fake.list().len(), 2);
    let Unavailability::Guard(text) = &pilot.replans[0].without[0].1 else {
        panic!("{:?}", pilot.replans);
    };
    assert_eq!(&**text, "the quota of 2 ml.c5.4xlarge");
    assert!(pilot.replans[0].retry_at.is_some());
    for (cluster, total) in [(Some(1), None), (None, Some(1)), (Some(3), Some(1))] {
        let mut of_two = crate::provisioning_world::config("ab");
        (of_two.quotas.cluster, of_two.quotas.total) = (cluster, total);
        let mut pilot = pilot_with("ab", of_two, Weather::default());
        pilot.plan(vec![claim("a", &["ns/p"]), claim("b", &["ns/q"])]);
        assert_eq!(pilot.fake.list().len(), 1);
        let text = format!("{:?}", pilot.replans[0].without[0].1);
        assert!(text.contains("the quota of 1 instances in all"), "{text}");
    }
}

#[test]
fn row_12_only_the_two_batch_actions_are_needed_and_asked_for() {
    let both = [
        "sagemaker:BatchAddClusterNodes",
        "sagemaker:BatchDeleteClusterNodes",
    ];
    assert!(missing_actions(&both, false).is_empty());
    for (left, other) in [(0, 1), (1, 0)] {
        assert_eq!(missing_actions(&both[left..=left], false), [both[other]]);
    }
    // Whatever happens, what goes to HyperPod is one of the two: nothing else has a call to answer.
    let mut weather = Weather::default();
    (weather.breaks, weather.script_fails, weather.falls_ill) = (500, 300, 500);
    let mut pilot = pilot_with("aB", config("aB"), weather);
    dry(&mut pilot, 'a', start(), start().plus(minutes(30)));
    pilot.plan(vec![claim("aB", &["ns/p"]), claim("Ba", &["ns/q"])]);
    pilot.run(start().plus(minutes(120)), |_| false);
    let all: Vec<_> = pilot.machine.nodes().map(|n| n.id).collect();
    pilot.give(Input::Remove(Removal::new(all, "Empty")));
    pilot.run(start().plus(minutes(140)), |_| false);
    let mut calls = std::collections::BTreeSet::new();
    for (_, output) in &pilot.trace {
        let output = serde_json::to_value(output).unwrap();
        let (kind, body) = output.as_object().unwrap().iter().next().unwrap();
        if body.get("call").is_some() || body.get("request").is_some() {
            calls.insert(kind.clone());
        }
    }
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), ["Add", "Delete"]);
}

#[test]
fn row_13_continuous_provisioning_is_checked() {
    let mut snapshot = sample();
    let failed = |snapshot: &Snapshot| {
        let checks = preflight(snapshot, None);
        checks
            .iter()
            .any(|c| c.row == 13 && c.status == Status::Fail)
    };
    assert!(!failed(&snapshot));
    snapshot.cluster.as_mut().unwrap().node_provisioning_mode = None;
    assert!(failed(&snapshot));
}

#[test]
fn row_14_nothing_is_added_or_deleted_unless_autoscaling_is_in_service() {
    let mut pilot = pilot("a");
    pilot.plan(vec![claim("a", &["ns/p"])]);
    pilot.run(start().plus(minutes(10)), |_| false);
    let node = pilot.machine.nodes().next().unwrap().id;
    for status in ["Disabled", "Creating", "Failed", "Deleting"] {
        pilot.fake.set_autoscaling(status);
        pilot.look();
        let before = (adds(&pilot).len(), deletes(&pilot));
        pilot.plan(vec![claim("a", &[&format!("ns/{status}")])]);
        pilot.give(Input::Remove(Removal::new(vec![node], "Empty")));
        pilot.run(pilot.now().plus(minutes(10)), |_| false);
        assert_eq!((adds(&pilot).len(), deletes(&pilot)), before, "{status}");
    }
    assert!(
        notices(&pilot, "Autoscaling").any(|n| n.message.contains("the role cannot be assumed"))
    );
    pilot.fake.set_autoscaling("InService");
    pilot.look();
    pilot.run(pilot.now().plus(minutes(10)), |_| false);
    assert_eq!(ready(&pilot), 5, "what waited is launched");
}

#[test]
fn row_15_a_zone_is_a_group_and_flexible_groups_are_told_zone_and_type() {
    let mut pilot = pilot("ab");
    pilot.plan(vec![claim("b", &["ns/p"])]);
    let entry = |pilot: &Pilot| {
        let last = pilot.trace.iter().rev().find_map(|(_, o)| match o {
            Output::Add { request, .. } => Some(request.body.nodes_to_add[0].clone()),
            _ => None,
        });
        last.unwrap()
    };
    assert_eq!(&*entry(&pilot).instance_group_name, "group-b");
    assert!(entry(&pilot).availability_zones.is_empty());
    assert_eq!(&*pilot.fake.list()[0].availability_zone, "us-east-1b");
    let mut config = config("ab");
    config.groups[1].zones.push(name("us-east-1a"));
    pilot.give(Input::Config(Box::new(config)));
    pilot.plan(vec![claim("b", &["ns/q"])]);
    assert_eq!(entry(&pilot).availability_zones, [name("us-east-1b")]);
    // A pod whose volume is in a zone gets the group of that zone, pods that must spread get one of each.
    let chosen = |snapshot: &Snapshot| -> Vec<String> {
        let plan = schedule(snapshot);
        let groups = plan
            .new_node_claims
            .iter()
            .map(|claim| claim.cheapest.instance_group.clone());
        let mut groups: Vec<String> = groups.map(|group| group.unwrap().to_string()).collect();
        groups.sort_unstable();
        groups
    };
    assert_eq!(chosen(&sample()), ["cpu-a"]);
    assert_eq!(chosen(&with_volume_in(&sample(), 'b')), ["cpu-b"]);
    assert_eq!(chosen(&spread_over_zones(&sample(), 2)), ["cpu-a", "cpu-b"]);
}

#[test]
fn row_16_the_ledger_counts_from_lifecycle_start_to_termination_and_failed_launches_cost_nothing() {
    let mut pilot = pilot("ab");
    dry(&mut pilot, 'a', start(), start().plus(minutes(600)));
    pilot.plan(vec![claim("ab", &["shop/p"])]);
    pilot.run(start().plus(minutes(60)), |_| false);
    let id = pilot.machine.nodes().next().unwrap().id;
    pilot.give(Input::Remove(Removal::new(vec![id], "Empty")));
    pilot.run(start().plus(minutes(90)), |_| false);
    let totals = pilot.machine.ledger().totals(pilot.now());
    let billed: i128 = pilot.fake.bill().map(|(_, _, amount)| amount).sum();
    assert_eq!(totals.total.exact(), billed);
    assert_eq!(
        totals.groups.keys().collect::<Vec<_>>(),
        [&name("group-b")],
        "a's launches failed"
    );
    assert_eq!(totals.pools["pool"], totals.total);
    assert_eq!(totals.workloads["shop"], totals.total);
    let dollars = totals.total.dollars();
    let hour: Price = PRICE.parse().unwrap();
    assert!(dollars > Price::ZERO && dollars < hour, "{dollars}");
    // The script of an instance that fails is on the bill; the instance that never came is not (H-33).
    let mut weather = Weather::default();
    weather.script_fails = 1000;
    let mut pilot = pilot_with("a", config("a"), weather);
    pilot.plan(vec![claim("a", &["shop/p"])]);
    pilot.run(start().plus(minutes(8)), |_| false);
    let totals = pilot.machine.ledger().totals(pilot.now());
    let billed: i128 = pilot.fake.bill().map(|(_, _, amount)| amount).sum();
    assert!(billed > 0 && notices(&pilot, "InstanceFailed").count() > 0);
    assert_eq!(totals.total.exact(), billed);
}

#[test]
fn row_17_deleting_a_pool_drains_and_deletes_its_nodes_and_a_class_in_use_is_not_released() {
    let mut pilot = pilot("a");
    pilot.plan(vec![claim("a", &["ns/p"]), claim("a", &["ns/q"])]);
    pilot.run(start().plus(minutes(10)), |_| false);
    let released = |pilot: &Pilot| -> Vec<String> {
        let of = |(_, output): &(Timestamp, Output)| match output {
            Output::Release { kind, name } => Some(format!("{kind}/{name}")),
            _ => None,
        };
        pilot.trace.iter().filter_map(of).collect()
    };
    let mut config = config("a");
    config.classes[0].deleted = true;
    pilot.give(Input::Config(Box::new(config.clone())));
    assert!(released(&pilot).is_empty(), "the pool still refers to it");
    config.pools[0].deleted = true;
    pilot.give(Input::Config(Box::new(config)));
    assert_eq!(deletes(&pilot), 0, "drain first");
    pilot.run(start().plus(minutes(20)), |_| false);
    assert_eq!(pilot.fake.list().len(), 0);
    assert_eq!(
        released(&pilot),
        ["NodePool/pool", "HyperpodNodeClass/class"]
    );
}

#[test]
fn row_17_disabling_autoscaling_leaves_the_nodes_and_stops_decisions() {
    let mut config = config("a");
    config.pools[0].repair_after = Some(minutes(5));
    let mut pilot = pilot_with("a", config, Weather::default());
    pilot.plan(vec![claim("a", &["ns/p"]), claim("a", &["ns/q"])]);
    pilot.run(start().plus(minutes(10)), |_| false);
    // One has no pods any more, the other is ill: both would go.
    let ill = pilot.machine.nodes().next().unwrap().instance_id.clone();
    pilot.give(Input::Kube(KubeEvent::new(
        ill.unwrap(),
        KubeChange::Ready(false),
    )));
    pilot.plan(vec![claim("a", &["ns/r"])]);
    pilot.run(start().plus(minutes(11)), |_| false);
    pilot.give(Input::Withdraw(vec![name("ns/r")]));
    pilot.fake.set_autoscaling("Disabled");
    pilot.look();
    let before = pilot.trace.len();
    pilot.run(start().plus(minutes(120)), |_| false);
    let decisions = pilot.trace[before..].iter().filter(|(_, output)| {
        let kinds = matches!(
            output,
            Output::Add { .. } | Output::Delete { .. } | Output::Drain { .. }
        );
        kinds || matches!(output, Output::Replan(_))
    });
    assert_eq!(decisions.count(), 0);
    assert_eq!(
        (pilot.fake.list().len(), pilot.machine.nodes().count()),
        (3, 3)
    );
    pilot.fake.set_autoscaling("InService");
    pilot.look();
    pilot.run(start().plus(minutes(150)), |_| false);
    assert_eq!(pilot.fake.list().len(), 1, "then they go");
}

#[test]
fn row_18_decisions_carry_reason_and_rule_and_their_trace_replays() {
    let run = || {
        let mut pilot = pilot("aB");
        dry(&mut pilot, 'B', start(), start().plus(minutes(30)));
        pilot.plan(vec![claim("Ba", &["ns/p"])]);
        pilot.run(start().plus(minutes(30)), |_| false);
        pilot.trace
    };
    let trace = run();
    let notices = trace.iter().filter_map(|(_, output)| match output {
        Output::Notice(notice) => Some(notice),
        _ => None,
    });
    for notice in notices {
        let (letter, number) = notice.rule.split_once('-').unwrap();
        assert!(["H", "D", "M"].contains(&letter) && number.parse::<u32>().is_ok());
        assert!(!notice.reason.is_empty() && !notice.subject.is_empty());
    }
    assert_eq!(
        serde_json::to_string(&trace).unwrap(),
        serde_json::to_string(&run()).unwrap()
    );
}
