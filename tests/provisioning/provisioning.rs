//! The provisioning machine from outside: what the rows of the blog's table do not say.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that picks out what it is about"
)]

use crate::provisioning_world::*;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::provisioning::api::{
    AddAnswer, AddedNode, CallError, InstanceStatus, NodeRecord, Outcome,
};
use tetrapod::provisioning::config::{Config, PoolConfig};
use tetrapod::provisioning::events::ClusterEvent;
use tetrapod::provisioning::ids::CallId;
use tetrapod::provisioning::input::{AcceptedPlan, Listing, Removal};
use tetrapod::provisioning::output::Unavailability;
use tetrapod::provisioning::{BackoffPolicy, Input, Machine, Output};
use tetrapod::sim::hyperpod::Weather;
use tetrapod::sim::pilot::Pilot;

#[test]
fn a_replacement_that_only_a_listing_shows_is_followed_h29() {
    let mut pilot = pilot("a");
    pilot.plan(vec![claim("a", &["ns/p"])]);
    pilot.run(start().plus(minutes(10)), |p| ready(p) == 1);
    let mut record = pilot.fake.list()[0].clone();
    record.instance_id = Some(name("i-new"));
    let now = pilot.now().plus(Span::from_secs(1));
    let listing = Listing::new(now, vec![record], true);
    pilot.machine.handle(Input::Listing(listing), now);
    let node = pilot.machine.nodes().next().unwrap();
    assert_eq!(node.instance_id.as_deref(), Some("i-new"));
    assert!(node.is_in_flight() && !node.joined, "it starts anew");
    assert!(pilot.machine.by_instance_id("i-new").is_some());
}

#[test]
fn an_order_that_has_tried_all_its_ways_once_goes_back_to_the_planner_h32() {
    // By the time the last way has failed the first one may be tried again: without an end that would go round for ever,
    // and no planner would hear that group-g is free.
    let mut pilot = pilot("abcdefg");
    let never = start().plus(minutes(100_000));
    for letter in "abcdef".chars() {
        dry(&mut pilot, letter, start(), never);
    }
    pilot.plan(vec![claim("abcdef", &["ns/p"])]);
    pilot.run(start().plus(minutes(45)), |p| !p.replans.is_empty());
    let tried: Vec<String> = adds(&pilot).into_iter().map(|(_, g, _)| g).collect();
    let all: Vec<String> = "abcdef".chars().map(|l| format!("group-{l}")).collect();
    assert_eq!(tried, all, "each once, in order");
    assert_eq!(pilot.replans[0].without.len(), 6);
    pilot.plan(vec![claim("g", &["ns/p"])]);
    pilot.run(pilot.now().plus(minutes(10)), |p| ready(p) == 1);
    assert_eq!(ready(&pilot), 1);
}

/// Takes what the machine asks for without carrying it out.
fn outputs(machine: &mut Machine) -> Vec<Output> {
    let mut all = Vec::new();
    loop {
        match machine.poll() {
            Output::Wake { .. } | Output::Idle => return all,
            output => all.push(output),
        }
    }
}

/// A machine that has asked for a node in `a` and one in `b` in one call, and has no answer.
fn asked_for_two() -> (Machine, CallId) {
    let pilot = pilot("abc");
    let mut machine = pilot.machine;
    let claims = vec![claim("ac", &["ns/p"]), claim("bc", &["ns/q"])];
    machine.handle(Input::Plan(AcceptedPlan::of(claims, start())), start());
    let calls: Vec<CallId> = outputs(&mut machine)
        .iter()
        .filter_map(|output| match output {
            Output::Add { call, .. } => Some(*call),
            _ => None,
        })
        .collect();
    assert_eq!(calls.len(), 1);
    (machine, calls[0])
}

fn asked_nodes(outputs: &[Output]) -> Vec<(u64, String)> {
    let of = |output: &Output| match output {
        Output::Add { launches, .. } => launches
            .iter()
            .map(|l| (l.node.number(), l.offering.instance_group.to_string()))
            .collect(),
        _ => Vec::new(),
    };
    outputs.iter().flat_map(of).collect()
}

#[test]
fn a_node_removed_before_its_request_is_answered_is_not_asked_for_again_h25() {
    let (mut machine, call) = asked_for_two();
    let removed = machine.nodes().next().unwrap().id;
    machine.handle(
        Input::Remove(Removal::new(vec![removed], "drifted")),
        start(),
    );
    // Its order has a new node at once.
    assert_eq!(
        asked_nodes(&outputs(&mut machine)),
        [(3, "group-a".to_owned())]
    );
    let refused = Outcome::Failed(CallError::LimitExceeded(name("quota")));
    machine.handle(Input::Answer(call, refused), start());
    assert_eq!(
        asked_nodes(&outputs(&mut machine)),
        [(2, "group-b".to_owned())],
        "each entry by itself, without the removed node"
    );
    assert!(machine.node(removed).is_none());
}

#[test]
fn a_refused_request_is_split_into_what_the_limits_still_allow_m5() {
    let (mut machine, call) = asked_for_two();
    let mut lowered = config("abc");
    lowered.price_cap = Some("1".parse().unwrap());
    machine.handle(Input::Config(Box::new(lowered)), start());
    outputs(&mut machine);
    let refused = Outcome::Failed(CallError::LimitExceeded(name("quota")));
    machine.handle(Input::Answer(call, refused), start());
    let told = outputs(&mut machine);
    assert_eq!(asked_nodes(&told), [(2, "group-b".to_owned())]);
    let replans = told.iter().filter_map(|output| match output {
        Output::Replan(replan) => Some((&*replan.pods, &replan.without)),
        _ => None,
    });
    let back: Vec<_> = replans.collect();
    let [(pods, without)] = &back[..] else {
        panic!("{told:?}");
    };
    assert_eq!(pods, &[name("ns/p")]);
    let capped = |reason: &Unavailability| matches!(reason, Unavailability::Guard(text) if text.contains("price cap"));
    assert!(
        without.iter().all(|(_, reason)| capped(reason)),
        "{without:?}"
    );
}

#[test]
fn a_node_that_somebody_else_deletes_is_asked_for_anew_d109() {
    let mut pilot = pilot("ab");
    pilot.plan(vec![claim("ab", &["ns/p"])]);
    let mut machine = pilot.machine;
    let mut told = Vec::new();
    for minute in [1, 2, 4] {
        assert!(asked_nodes(&told).is_empty(), "a listing may be behind");
        let now = start().plus(minutes(minute));
        machine.handle(Input::Listing(Listing::new(now, Vec::new(), true)), now);
        told = outputs(&mut machine);
    }
    assert_eq!(asked_nodes(&told), [(2, "group-b".to_owned())]);
    assert_eq!(machine.nodes().count(), 1);
}

#[test]
fn a_pool_whose_nodes_fail_to_start_is_paused_d101() {
    let mut weather = Weather::default();
    weather.never_joins = 1000;
    let mut pilot = pilot_with("abc", config("abc"), weather);
    let pods = ["ns/p", "ns/q", "ns/r", "ns/s"];
    pilot.plan(pods.map(|pod| claim("abc", &[pod])).to_vec());
    pilot.run(start().plus(minutes(16)), |_| false);
    let paused = notices(&pilot, "LaunchesPaused").count();
    assert_eq!(paused, 1);
    let at = |reason: &str| notices_of(&pilot.trace, reason)[0].0;
    let (opened, last) = (at("LaunchesPaused"), pilot.now());
    let launched = adds(&pilot).into_iter().filter(|(when, ..)| *when > opened);
    assert_eq!(launched.count(), 0, "nothing between {opened} and {last}");
    pilot.run(start().plus(minutes(25)), |_| false);
    assert!(
        adds(&pilot).iter().any(|(when, ..)| *when > opened),
        "then it goes on"
    );
}

#[test]
fn a_refusal_after_silence_leaves_the_call_open_and_lets_the_orders_go_on_h25() {
    let (mut machine, call) = asked_for_two();
    machine.handle(
        Input::Answer(call, Outcome::Failed(CallError::NoAnswer)),
        start(),
    );
    let later = start().plus(minutes(2));
    machine.handle(Input::Tick, later);
    assert_eq!(asked_nodes(&outputs(&mut machine)).len(), 2, "repeated");
    let refused = Outcome::Failed(CallError::Refused(name("the role may not")));
    machine.handle(Input::Answer(call, refused), later);
    let orders_go_on = asked_nodes(&outputs(&mut machine));
    assert!(orders_go_on.iter().all(|(_, group)| group == "group-c"));
    assert_eq!(orders_go_on.len(), 2);
    // The repetition tells that the first request had taken effect after all: its nodes go.
    let later = later.plus(minutes(2));
    machine.handle(Input::Tick, later);
    let mut answer = AddAnswer::default();
    for letter in ["a", "b"] {
        let mut added = AddedNode::default();
        added.node_logical_id = name(&format!("late-{letter}"));
        added.instance_group_name = name(&format!("group-{letter}"));
        answer.successful.push(added);
    }
    machine.handle(Input::Answer(call, Outcome::Added(answer)), later);
    let deleted = outputs(&mut machine)
        .into_iter()
        .find_map(|output| match output {
            Output::Delete { request, .. } => Some(request.node_logical_ids),
            _ => None,
        });
    assert_eq!(deleted.unwrap(), [name("late-a"), name("late-b")]);
}

#[test]
fn an_answer_is_matched_to_the_entry_that_asked_for_just_that_h25() {
    let mut pilot = pilot("a");
    let mut wrong = claim("aa", &["ns/p"]);
    wrong.cheapest.zone = name("us-east-1x");
    // Both in one request: the zone that the group does not have comes after the one that is implied.
    pilot.plan(vec![wrong, claim("a", &["ns/q"])]);
    let node = |pilot: &Pilot, pod: &str| {
        let mut nodes = pilot.machine.nodes();
        let node = nodes.find(|n| n.pods == [name(pod)]).unwrap();
        let zone = pilot.machine.offering(node).unwrap().zone.to_string();
        (zone, node.logical_id.is_some())
    };
    assert_eq!(node(&pilot, "ns/q"), ("us-east-1a".to_owned(), true));
    assert_eq!(
        node(&pilot, "ns/p"),
        ("us-east-1a".to_owned(), true),
        "its fall-back"
    );
}

#[test]
fn finalizers_of_pools_without_nodes_go_while_autoscaling_is_off() {
    let mut pilot = pilot("a");
    pilot.fake.set_autoscaling("Failed");
    pilot.look();
    let mut config = config("a");
    config.pools[0].deleted = true;
    pilot.give(Input::Config(Box::new(config)));
    let released = |(_, output): &(Timestamp, Output)| matches!(output, Output::Release { kind, .. } if kind == "NodePool");
    assert!(pilot.trace.iter().any(released));
}

#[test]
fn events_of_unknown_kinds_are_kept_and_counted_m19() {
    let mut machine = pilot("a").machine;
    for number in 0..70 {
        let mut event = ClusterEvent::instance(format!("e-{number}"), "Info", start(), "l-1");
        event.description = name("something new");
        machine.handle(Input::Event(event), start());
    }
    assert_eq!(machine.ignored(), 70);
    let kept: Vec<&str> = machine.unknown_events().map(|e| &*e.event_id).collect();
    assert_eq!((kept.len(), kept[0], kept[63]), (64, "e-6", "e-69"));
    let stored = serde_json::to_string(&machine).unwrap();
    assert_eq!(serde_json::from_str::<Machine>(&stored).unwrap(), machine);
}

#[test]
fn a_new_price_counts_for_the_nodes_there_are_and_a_cap_holds() {
    let mut config = config("a");
    config.price_cap = Some("2".parse().unwrap());
    let mut pilot = pilot_with("a", config, Weather::default());
    pilot.plan(vec![claim("a", &["ns/p"])]);
    let mut dearer = claim("a", &["ns/q"]);
    dearer.cheapest.price = Some("1.5".parse().unwrap());
    pilot.plan(vec![dearer]);
    assert_eq!(pilot.fake.list().len(), 1, "two at 1.50 are beyond the cap");
    let mut cheaper = claim("a", &["ns/q"]);
    cheaper.cheapest.price = Some("1".parse().unwrap());
    pilot.plan(vec![cheaper]);
    assert_eq!(pilot.fake.list().len(), 2, "two at 1 are not");
}

#[test]
fn requests_keep_to_five_entries_and_fifty_nodes_h25() {
    let letters = "abcdefgh";
    let mut pilot = pilot(letters);
    let many = |letter: char, count: usize| {
        let pods: Vec<String> = (0..count).map(|n| format!("ns/{letter}-{n}")).collect();
        let claims = pods.iter().map(|pod| claim(&letter.to_string(), &[pod]));
        claims.collect::<Vec<_>>()
    };
    let mut claims: Vec<_> = letters.chars().flat_map(|letter| many(letter, 3)).collect();
    claims.extend((0..120).map(|n| claim("a", &[&format!("big/{n}")])));
    pilot.plan(claims);
    let mut nodes = 0;
    for (_, output) in &pilot.trace {
        if let Output::Add { request, .. } = output {
            let entries = &request.body.nodes_to_add;
            let count: u32 = entries.iter().map(|e| e.increment_target_count_by).sum();
            assert!(entries.len() <= 5 && count <= 50, "{entries:?}");
            nodes += count;
        }
    }
    assert_eq!(nodes, 8 * 3 + 120);
    assert!(pilot.fake.violations().is_empty());
}

#[test]
fn deletions_keep_to_fifty_ids_h26() {
    let mut pilot = pilot("a");
    let claims: Vec<_> = (0..120)
        .map(|n| claim("a", &[&format!("big/{n}")]))
        .collect();
    pilot.plan(claims);
    // None has joined, so none has to be drained: all are due for deletion at once.
    let accepted = |p: &Pilot| p.machine.nodes().all(|node| node.logical_id.is_some());
    pilot.run(start().plus(minutes(1)), accepted);
    let all: Vec<_> = pilot.machine.nodes().map(|node| node.id).collect();
    let first: Vec<_> = (pilot.fake.list().into_iter())
        .map(|record| record.node_logical_id)
        .collect();
    assert_eq!((all.len(), first.len(), ready(&pilot)), (120, 120, 0));
    pilot.give(Input::Remove(Removal::new(all, "Drifted")));
    pilot.run(start().plus(minutes(30)), |p| ready(p) == 120);
    let mut ids = Vec::new();
    for (_, output) in &pilot.trace {
        if let Output::Delete { request, .. } = output {
            assert!(request.node_logical_ids.len() <= 50, "{request:?}");
            ids.extend(request.node_logical_ids.iter().cloned());
        }
    }
    assert_eq!(ids, first);
    // Their pods got other nodes.
    let left = pilot.fake.list();
    let mut left = left.iter().map(|record| &record.node_logical_id);
    assert!(left.len() == 120 && left.all(|id| !first.contains(id)));
    assert!(pilot.fake.violations().is_empty());
}

#[test]
fn the_fall_back_is_asked_for_within_one_launch_deadline_whether_events_come_or_not() {
    for lost in [0, 1000] {
        let mut weather = Weather::default();
        weather.event_lost = lost;
        let mut pilot = pilot_with("ab", config("ab"), weather);
        dry(&mut pilot, 'a', start(), start().plus(minutes(600)));
        pilot.plan(vec![claim("ab", &["ns/p"])]);
        pilot.run(start().plus(minutes(20)), |p| ready(p) == 1);
        let (asked, group, _) = adds(&pilot).pop().unwrap();
        assert_eq!(group, "group-b");
        let launch = PoolConfig::default().deadlines.launch;
        assert!(asked.since(start()) <= launch, "{asked}");
        assert_eq!(ready(&pilot), 1);
        // A node of the fake takes six and a half minutes at most.
        assert!(pilot.now().since(asked) <= Span::from_secs(390));
    }
}

/// A planner that knows the groups a and b and takes `PLANNING` to plan pods that came back, until one runs: when a node was
/// asked for last, where, and when the pod runs.
fn planned_again(mut pilot: Pilot) -> (Timestamp, String, Timestamp) {
    pilot.plan(vec![claim("a", &["ns/p"])]);
    let end = start().plus(minutes(180));
    while ready(&pilot) == 0 && pilot.now() < end {
        pilot.run(end, |p| ready(p) == 1 || !p.replans.is_empty());
        if pilot.replans.is_empty() {
            continue;
        }
        pilot.replans.clear();
        let unavailable = pilot.machine.unavailable();
        let known = |letter: &char| {
            let group = format!("group-{letter}");
            !unavailable.iter().any(|(o, _)| *o.instance_group == *group)
        };
        let planned: String = "ab".chars().filter(known).take(1).collect();
        pilot.run(pilot.now().plus(PLANNING), |_| false);
        pilot.plan(vec![claim(&planned, &["ns/p"])]);
    }
    let (asked, group, _) = adds(&pilot).pop().unwrap();
    (asked, group, pilot.now())
}

const PLANNING: Span = Span::from_secs(10);

#[test]
fn pods_run_on_another_group_within_one_launch_deadline_plus_one_planning_h32() {
    let (dry_for, launch) = (minutes(60), PoolConfig::default().deadlines.launch);
    let world = |config: Config, lost: u32| {
        let mut weather = Weather::default();
        weather.event_lost = lost;
        let mut pilot = pilot_with("ab", config, weather);
        dry(&mut pilot, 'a', start(), start().plus(dry_for));
        pilot
    };
    for lost in [0, 1000] {
        // The plan has no fall-back, so the planner is asked again.
        let (asked, group, runs) = planned_again(world(config("ab"), lost));
        assert_eq!(group, "group-b");
        assert!(asked <= start().plus(launch).plus(PLANNING), "{asked}");
        assert!(runs.since(asked) <= Span::from_secs(390), "a node's start");
        // The same world and planner without back-off: the cheapest is planned again and again while it is dry.
        let mut forgetful = config("ab");
        let never = Span::from_millis(1);
        forgetful.capacity_backoff = BackoffPolicy::new(never, never);
        let (_, group, runs) = planned_again(world(forgetful, lost));
        assert_eq!(group, "group-a");
        assert!(runs.since(start()) > dry_for, "{runs}");
    }
}

/// The times at which a machine that is told nothing wants to be woken, up to `until`, and what it asks for then.
fn left_alone(machine: &mut Machine, until: Timestamp) -> Vec<(Timestamp, Output)> {
    let mut done = Vec::new();
    let mut now = until;
    loop {
        match machine.poll() {
            Output::Wake { at, .. } if at <= until => {
                now = at;
                machine.handle(Input::Tick, now);
            }
            Output::Wake { .. } | Output::Idle => return done,
            output => done.push((now, output)),
        }
    }
}

fn notices_of<'a>(outputs: &'a [(Timestamp, Output)], reason: &str) -> Vec<(Timestamp, &'a str)> {
    let of = |(at, output): &'a (Timestamp, Output)| match output {
        Output::Notice(notice) if notice.reason == reason => Some((*at, &*notice.message)),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

/// A request for a node in `a` gets no answer for as long as it may be repeated; then a listing shows a node of `a`.
/// `before` happens before all that. Returns what is said of the node and whether it is deleted.
fn shown_late(before: impl FnOnce(&mut Pilot, &NodeRecord)) -> (Vec<&'static str>, bool) {
    let mut pilot = pilot("a");
    let mut record = NodeRecord::new("group-a", "late", InstanceStatus::Pending);
    record.instance_type = name(TYPE);
    record.availability_zone = zone('a');
    before(&mut pilot, &record);
    let mut machine = pilot.machine;
    let asked = start().plus(minutes(1));
    let plan = AcceptedPlan::of(vec![claim("a", &["ns/p"])], asked);
    machine.handle(Input::Plan(plan), asked);
    let told = left_alone(&mut machine, asked.plus(minutes(7 * 60 + 47)));
    let (lost, _) = notices_of(&told, "AnswerLost")[0];
    assert!(lost.since(asked) >= minutes(7 * 60 + 45), "{lost}");
    machine.handle(Input::Withdraw(vec![name("ns/p")]), lost);
    machine.handle(Input::Listing(Listing::new(lost, vec![record], true)), lost);
    let told = left_alone(&mut machine, lost.plus(minutes(30)));
    let said = ["LateArrival", "ForeignNode"];
    let said = said
        .into_iter()
        .filter(|of| !notices_of(&told, of).is_empty());
    let deleted = |(_, output): &(Timestamp, Output)| matches!(output, Output::Delete { .. });
    (said.collect(), told.iter().any(deleted))
}

#[test]
fn a_node_that_comes_after_its_request_was_given_up_is_held_and_then_removed_h67() {
    assert_eq!(shown_late(|_, _| {}), (vec!["LateArrival"], true));
}

#[test]
fn a_node_that_was_there_before_is_no_late_arrival_h9() {
    let (said, deleted) = shown_late(|pilot, record| {
        let listing = Listing::new(start(), vec![record.clone()], true);
        pilot.give(Input::Listing(listing));
        assert_eq!(pilot.machine.foreign().count(), 1);
        assert_eq!(notices(pilot, "ForeignNode").count(), 1);
    });
    assert_eq!((said, deleted), (vec![], false), "it was reported before");
}

#[test]
fn a_node_that_hyperpod_launched_for_a_min_count_is_no_late_arrival_h34() {
    let (said, deleted) = shown_late(|pilot, _| {
        let mut record = pilot.fake.describe();
        record.instance_groups[0].min_count = 1;
        pilot.give(Input::Cluster(Box::new(record)));
    });
    assert_eq!((said, deleted), (vec!["ForeignNode"], false));
}

#[test]
fn each_pool_has_deadlines_of_its_own_h68() {
    let mut config = config("ab");
    config.pools[0].deadlines.launch = minutes(2);
    let mut patient = PoolConfig::new("patient", "class");
    patient.deadlines.launch = minutes(40);
    patient.deadlines.registration = minutes(60);
    config.pools.push(patient);
    let mut weather = Weather::default();
    weather.event_lost = 1000;
    let mut pilot = pilot_with("ab", config, weather);
    for letter in ['a', 'b'] {
        dry(&mut pilot, letter, start(), start().plus(minutes(30)));
    }
    let mut slow = claim("b", &["ns/q"]);
    slow.node_pool = name("patient");
    pilot.plan(vec![claim("a", &["ns/p"]), slow]);
    pilot.run(start().plus(minutes(29)), |_| false);
    let timeouts: Vec<&str> = notices(&pilot, "LaunchTimeout")
        .map(|n| &*n.subject)
        .collect();
    let first = pilot
        .machine
        .nodes()
        .find(|node| node.pods == [name("ns/q")]);
    let waits = first.map(|node| node.id.to_string()).unwrap();
    assert!(
        !timeouts.is_empty() && !timeouts.contains(&&*waits),
        "{timeouts:?}"
    );
    pilot.run(start().plus(minutes(45)), |_| false);
    let node = pilot
        .machine
        .nodes()
        .find(|node| node.pods == [name("ns/q")]);
    assert_eq!(
        node.map(|node| node.id.to_string()),
        Some(waits),
        "the first one came"
    );
}

#[test]
fn a_class_that_names_a_group_which_is_not_there_launches_nothing_until_the_name_goes_h12() {
    let mut pilot = pilot("ab");
    let mut record = pilot.fake.describe();
    record.instance_groups.pop();
    pilot.give(Input::Cluster(Box::new(record.clone())));
    pilot.plan(vec![claim("a", &["ns/p"])]);
    assert!(adds(&pilot).is_empty());
    let Unavailability::Pool(text) = &pilot.replans[0].without[0].1 else {
        panic!("{:?}", pilot.replans);
    };
    assert!(text.contains("no instance group group-b"), "{text}");
    let stored = serde_json::to_string(&pilot.machine).unwrap();
    let read: Machine = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, pilot.machine);
    let mut config = config("ab");
    config.classes[0].instance_groups.pop();
    pilot.give(Input::Config(Box::new(config)));
    pilot.plan(vec![claim("a", &["ns/p"])]);
    assert_eq!(adds(&pilot).len(), 1);
}
