use super::*;
use crate::provisioning::api::{AddRequest, CallError, DeleteRequest, InstanceStatus};
use crate::provisioning::events::EventKind;
use crate::provisioning::input::{Health, KubeChange};

const TYPE: &str = "ml.c5.4xlarge";

fn name(text: &str) -> Name {
    Name::from(text)
}

fn start() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

fn minutes(count: i64) -> Timestamp {
    start().plus(Span::from_secs(count * 60))
}

/// One group of one type in one zone.
fn fake(capacity_type: CapacityType, weather: Weather) -> Fake {
    let group = FakeGroup::new("g", vec![name("a")], vec![name(TYPE)], capacity_type);
    let mut fake = Fake::new(1, vec![group], weather, start());
    fake.set_price(&name(TYPE), capacity_type, "3.6".parse().unwrap());
    fake
}

fn request(token: &str, counts: &[u32]) -> AddRequest {
    let entries: Vec<_> = counts
        .iter()
        .map(|n| serde_json::json!({"InstanceGroupName": "g", "IncrementTargetCountBy": n}))
        .collect();
    let request =
        serde_json::json!({"ClientToken": token, "ClusterName": "fake", "NodesToAdd": entries});
    serde_json::from_value(request).unwrap()
}

/// Registers what joins until `until`; everything that was let be known.
fn live(fake: &mut Fake, until: Timestamp) -> Vec<Signal> {
    let mut heard = Vec::new();
    while let Some(at) = fake.next_at().filter(|at| *at <= until) {
        fake.advance(at);
        while let Some(signal) = fake.signal() {
            if let Signal::Kube(event) = &signal
                && event.change == KubeChange::Joined
            {
                fake.register(&event.instance_id.clone());
            }
            heard.push(signal);
        }
    }
    fake.advance(until);
    heard
}

fn changes(heard: &[Signal]) -> Vec<KubeChange> {
    let of = |signal: &Signal| match signal {
        Signal::Kube(event) => Some(event.change),
        Signal::Event(_) => None,
    };
    heard.iter().filter_map(of).collect()
}

fn kinds(heard: &[Signal]) -> Vec<EventKind> {
    let of = |signal: &Signal| match signal {
        Signal::Event(event) => Some(event.kind()),
        Signal::Kube(_) => None,
    };
    heard.iter().filter_map(of).collect()
}

#[test]
fn requests_beyond_the_limits_are_refused_and_remembered_h25_h26() {
    for (counts, held) in [
        (vec![50], true),
        (vec![51], false),
        (vec![10; 5], true),
        (vec![1; 6], false),
        (vec![], false),
        (vec![0], false),
    ] {
        let mut fake = fake(CapacityType::OnDemand, Weather::default());
        let answer = fake.add(&request("t", &counts));
        assert_eq!(answer.is_ok(), held, "{counts:?}");
        assert_eq!(fake.violations().is_empty(), held);
    }
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    assert!(fake.add(&request(&"t".repeat(65), &[1])).is_err());
    let ids = |count: usize| DeleteRequest {
        cluster_name: name("fake"),
        node_logical_ids: vec![name("x"); count],
    };
    assert!(fake.delete(&ids(50)).is_ok());
    assert!(fake.delete(&ids(51)).is_err());
}

#[test]
fn a_token_buys_once_for_eight_hours_and_only_the_same_h25() {
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    let first = fake.add(&request("t", &[2])).unwrap();
    assert_eq!(fake.add(&request("t", &[2])).unwrap(), first);
    assert_eq!(fake.list().len(), 2);
    assert!(fake.add(&request("t", &[3])).is_err());
    live(&mut fake, minutes(8 * 60 + 1));
    fake.add(&request("t", &[2])).unwrap();
    assert_eq!(fake.list().len(), 4);
}

#[test]
fn a_node_comes_up_is_billed_from_its_script_and_goes_h31_h33() {
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    let added = fake.add(&request("t", &[1])).unwrap();
    assert_eq!(added.successful[0].status, InstanceStatus::Pending);
    let heard = live(&mut fake, minutes(10));
    let expected = [
        KubeChange::Joined,
        KubeChange::Ready(true),
        KubeChange::Registered,
        KubeChange::Initialized,
    ];
    assert_eq!(changes(&heard), expected);
    assert_eq!(
        kinds(&heard),
        [EventKind::LifecycleStarted, EventKind::LifecycleSucceeded]
    );
    let record = fake.list().remove(0);
    let launched = record.launch_time.unwrap();
    let delete = DeleteRequest {
        cluster_name: name("fake"),
        node_logical_ids: vec![record.node_logical_id],
    };
    fake.delete(&delete).unwrap();
    live(&mut fake, minutes(30));
    assert!(fake.list().is_empty());
    // 3.6 $/h for ten minutes less the start: to the millisecond.
    let billed: i128 = fake.bill().map(|(_, _, amount)| amount).sum();
    let millis = minutes(10).since(launched).as_millis();
    assert_eq!(billed, i128::from(millis) * 3_600_000_000_000_000);
}

#[test]
fn what_there_is_no_capacity_for_is_looked_for_again_h31_h40() {
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    let steps = vec![(start(), 0), (minutes(20), 1)];
    fake.set_capacity(&name(TYPE), &name("a"), CapacityType::OnDemand, steps);
    fake.add(&request("t", &[2])).unwrap();
    let heard = live(&mut fake, minutes(19));
    assert!(kinds(&heard).len() > 15);
    assert!(
        kinds(&heard)
            .iter()
            .all(|k| *k == EventKind::InsufficientCapacity)
    );
    assert_eq!(fake.bill().count(), 0, "failed launches cost nothing");
    live(&mut fake, minutes(40));
    let running = |s: &InstanceStatus| *s == InstanceStatus::Running;
    let records = fake.list();
    let count = records
        .iter()
        .filter(|r| running(&r.instance_status))
        .count();
    assert_eq!(count, 1, "there is one instance");
}

#[test]
fn a_min_count_that_is_not_reached_is_rolled_back_after_three_hours_h34() {
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    let steps = vec![(start(), 1)];
    fake.set_capacity(&name(TYPE), &name("a"), CapacityType::OnDemand, steps);
    fake.set_min_count(&name("g"), 2);
    live(&mut fake, minutes(179));
    let answer = fake.add(&request("t", &[1])).unwrap();
    assert_eq!(&*answer.failed[0].error_code, "InvalidInstanceGroupStatus");
    assert_eq!(fake.list().len(), 2);
    live(&mut fake, minutes(185));
    assert!(fake.list().is_empty(), "both are taken back");
    let answer = fake.add(&request("u", &[1])).unwrap();
    assert_eq!(answer.successful.len(), 1);
}

#[test]
fn a_min_count_that_is_reached_puts_the_group_back_in_service_h34() {
    let mut fake = fake(CapacityType::OnDemand, Weather::default());
    fake.set_min_count(&name("g"), 2);
    assert_eq!(&*fake.describe().instance_groups[0].status, "Updating");
    live(&mut fake, minutes(15));
    assert_eq!(&*fake.describe().instance_groups[0].status, "InService");
    assert_eq!(fake.list().len(), 2);
}

#[test]
fn a_broken_instance_is_replaced_behind_its_logical_id_h29() {
    let weather = Weather {
        breaks: 1000,
        ..Weather::default()
    };
    let mut fake = fake(CapacityType::OnDemand, weather);
    fake.add(&request("t", &[1])).unwrap();
    live(&mut fake, minutes(7));
    let before = fake.list().remove(0);
    fake.set_weather(Weather::default());
    live(&mut fake, minutes(60));
    let after = fake.list().remove(0);
    assert_eq!(before.node_logical_id, after.node_logical_id);
    assert_ne!(before.instance_id, after.instance_id);
    assert_eq!(after.instance_status, InstanceStatus::Running);
    assert_eq!(fake.bill().count(), 2);
}

#[test]
fn spot_is_reclaimed_two_minutes_after_its_notice_or_without_one_h39() {
    for silent in [0, 1000] {
        let weather = Weather {
            reclaimed: 1000,
            without_notice: silent,
            ..Weather::default()
        };
        let mut spot = fake(CapacityType::Spot, weather.clone());
        spot.add(&request("t", &[1])).unwrap();
        let heard = changes(&live(&mut spot, minutes(60)));
        let noticed = heard.contains(&KubeChange::Interrupted);
        assert_eq!(noticed, silent == 0);
        assert!(heard.contains(&KubeChange::Gone));
        let mut other = fake(CapacityType::OnDemand, weather);
        other.add(&request("t", &[1])).unwrap();
        assert!(!changes(&live(&mut other, minutes(60))).contains(&KubeChange::Gone));
    }
}

#[test]
fn nodes_fall_ill_and_heal_or_are_replaced_h43() {
    let weather = Weather {
        falls_ill: 1000,
        ..Weather::default()
    };
    let mut fake = fake(CapacityType::OnDemand, weather);
    fake.add(&request("t", &[20])).unwrap();
    let heard = changes(&live(&mut fake, minutes(45)));
    let count = |health| {
        heard
            .iter()
            .filter(|c| **c == KubeChange::Health(health))
            .count()
    };
    let rebooted = count(Health::UnschedulablePendingReboot);
    assert!(rebooted > 0 && count(Health::UnschedulablePendingReplacement) > 0);
    assert_eq!(count(Health::Schedulable), rebooted);
}

#[test]
fn a_failed_script_is_followed_by_another_instance_h33() {
    let weather = Weather {
        script_fails: 1000,
        ..Weather::default()
    };
    let mut fake = fake(CapacityType::OnDemand, weather);
    fake.add(&request("t", &[1])).unwrap();
    let heard = live(&mut fake, minutes(20));
    let failed = kinds(&heard)
        .iter()
        .filter(|k| **k == EventKind::LifecycleFailed)
        .count();
    assert!(failed >= 2);
    assert_eq!(
        fake.bill().count(),
        fake.log
            .iter()
            .filter(|e| e.kind() == EventKind::LifecycleStarted)
            .count()
    );
}

#[test]
fn calls_are_throttled_and_quotas_hold_h58() {
    let weather = Weather {
        throttled: 1000,
        ..Weather::default()
    };
    let mut fake = fake(CapacityType::OnDemand, weather);
    assert_eq!(fake.add(&request("t", &[1])), Err(CallError::Throttled));
    assert!(fake.list().is_empty() && fake.violations().is_empty());
    fake.set_weather(Weather::default());
    fake.set_quota(&name(TYPE), 2);
    assert!(fake.add(&request("t", &[2])).is_ok());
    let over = fake.add(&request("u", &[1]));
    assert!(matches!(over, Err(CallError::LimitExceeded(_))), "{over:?}");
}

#[test]
fn events_are_lost_doubled_and_overtake_each_other_h41() {
    let told = |lost: u32, doubled: u32, late: i64| {
        let weather = Weather {
            event_lost: lost,
            event_doubled: doubled,
            event_late: Span::from_secs(late),
            ..Weather::default()
        };
        let mut fake = fake(CapacityType::OnDemand, weather);
        fake.add(&request("t", &[10])).unwrap();
        let heard = live(&mut fake, minutes(30));
        assert_eq!(fake.event_log().len(), 20, "the log has all");
        heard
            .into_iter()
            .filter_map(|signal| match signal {
                Signal::Event(event) => Some(event.event_time),
                Signal::Kube(_) => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(told(0, 0, 0).len(), 20);
    assert!(told(0, 0, 0).is_sorted());
    assert_eq!(told(1000, 0, 0).len(), 0);
    assert_eq!(told(0, 1000, 0).len(), 40);
    assert!(!told(0, 0, 300).is_sorted());
}
