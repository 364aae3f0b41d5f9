use super::*;
use crate::hyperpod::sample::{condition, record, record_mut, snapshot, status, status_mut};
use crate::model::instance_type::InstanceTypes;
use crate::model::label::Labels;
use crate::model::quantity::Quantity;
use crate::model::requirement::Requirements;
use crate::model::taint::{Taint, TaintEffect};

/// `type/group/zone/capacity type/price` of every offering of `class`.
fn offered(snapshot: &Snapshot, class: &str) -> Vec<String> {
    let all = resolve(snapshot);
    let types = all[class].types.iter();
    types
        .flat_map(|t| {
            t.offerings.iter().map(|o| {
                let group = o.instance_group.as_deref().unwrap_or("-");
                let price = o.price.map_or_else(|| "?".to_owned(), |p| p.to_string());
                format!("{}/{group}/{}/{}/{price}", t.name, o.zone, o.capacity_type)
            })
        })
        .collect()
}

/// The messages of the notes on `subject`.
fn notes(snapshot: &Snapshot, class: &str, subject: &str) -> Vec<String> {
    let all = resolve(snapshot);
    let notes = all[class].notes.iter();
    notes
        .filter(|note| note.subject == subject && note.code == Code::GroupRefused)
        .map(|note| note.message.clone())
        .collect()
}

fn why_not_ready(snapshot: &Snapshot, class: &str) -> String {
    let reason = resolve(snapshot)[class].ready.clone().unwrap_err();
    assert_eq!(reason.code, Code::NodeClassNotReady);
    reason.message
}

#[test]
fn groups_become_offerings_by_type_zone_and_capacity_type_h10_h35_h37() {
    let snapshot = snapshot();
    assert_eq!(
        offered(&snapshot, "general"),
        [
            "ml.c5.4xlarge/cpu-a/us-east-1a/on-demand/0.816",
            "ml.c5.4xlarge/cpu-b/us-east-1b/on-demand/0.816",
            "ml.m5.2xlarge/flex/us-east-1a/on-demand/0.461",
            "ml.m5.2xlarge/flex/us-east-1b/on-demand/0.461",
            "ml.m5.4xlarge/flex/us-east-1a/on-demand/0.922",
            "ml.m5.4xlarge/flex/us-east-1b/on-demand/0.922",
            "ml.m5.4xlarge/spot-c/us-east-1c/spot/?",
        ]
    );
    assert_eq!(
        offered(&snapshot, "gpu"),
        [
            "ml.g5.12xlarge/g5-a/us-east-1a/on-demand/7.09",
            "ml.p5.48xlarge/p5-b/us-east-1b/on-demand/66.048",
        ]
    );
    assert_eq!(resolve(&snapshot)["gpu"].ready, Ok(()));
}

#[test]
fn an_unknown_price_stays_unknown_and_is_noted_m9() {
    let mut snapshot = snapshot();
    status_mut(&mut snapshot, "p5-b").instance_types = vec![Name::from("ml.p5en.48xlarge")];
    assert!(offered(&snapshot, "gpu")[1].ends_with("/on-demand/?"));
    let unpriced = |snapshot: &Snapshot, class: &str| -> Vec<String> {
        let notes = resolve(snapshot)[class].notes.clone();
        let unknown = notes.into_iter().filter(|n| n.code == Code::UnknownPrice);
        unknown.map(|note| note.subject).collect()
    };
    assert_eq!(unpriced(&snapshot, "gpu"), ["instance group p5-b"]);
    assert_eq!(unpriced(&snapshot, "general"), ["instance group spot-c"]);
    let prices = [(CapacityType::OnDemand, "80.5".parse().unwrap())];
    let overrides = &mut snapshot.options.prices;
    overrides.insert(Name::from("ml.p5en.48xlarge"), prices.into());
    assert!(offered(&snapshot, "gpu")[1].ends_with("/on-demand/80.5"));
    assert!(unpriced(&snapshot, "gpu").is_empty());
}

#[test]
fn list_prices_of_another_region_are_noted_m9() {
    let mut snapshot = snapshot();
    for group in ["g5-a", "p5-b"] {
        for subnet in &mut status_mut(&mut snapshot, group).subnets {
            subnet.zone = Name::from("us-west-2a");
        }
    }
    let all = resolve(&snapshot);
    assert_eq!(all["gpu"].notes.len(), 1);
    assert_eq!(all["gpu"].notes[0].subject, "region us-west-2");
    assert_eq!(all["gpu"].notes[0].code, Code::UnknownPrice);
}

#[test]
fn unusable_groups_are_refused_with_the_reason_h14_h34_h36_h47() {
    let mut snapshot = snapshot();
    record_mut(&mut snapshot, "cpu-a").status = Name::from("Updating");
    record_mut(&mut snapshot, "cpu-b").min_count = 2;
    record_mut(&mut snapshot, "flex").deep_health_checks = vec![Name::from("InstanceStress")];
    record_mut(&mut snapshot, "g5-a").training_plan = Some(Name::from("arn:plan"));
    snapshot.options.allow_spot = false;
    for (class, group, text) in [
        ("general", "cpu-a", "Updating"),
        ("general", "cpu-b", "MinCount is 2"),
        ("general", "flex", "InstanceStress"),
        ("general", "spot-c", "allowSpot"),
        ("gpu", "g5-a", "arn:plan"),
    ] {
        let messages = notes(&snapshot, class, &format!("instance group {group}"));
        assert_eq!(messages.len(), 1, "{group}");
        assert!(messages[0].contains(text), "{messages:?}");
    }
    assert!(offered(&snapshot, "general").is_empty());
    assert_eq!(offered(&snapshot, "gpu").len(), 1);
    let reason = resolve(&snapshot)["general"].ready.clone().unwrap_err();
    assert_eq!(reason.parts.len(), 4, "what to do stands in the parts");
}

#[test]
fn more_than_ten_groups_make_a_class_unusable_h8() {
    let mut snapshot = snapshot();
    let class = &mut snapshot.node_classes[1];
    class.instance_groups = (0..11).map(|n| Name::from(format!("g{n}"))).collect();
    assert!(why_not_ready(&snapshot, "gpu").contains("11 instance groups; at most 10"));
}

#[test]
fn a_group_that_the_cluster_lacks_makes_a_class_not_ready_h11_h12() {
    let mut snapshot = snapshot();
    let groups = &mut snapshot.cluster.as_mut().unwrap().instance_groups;
    groups.retain(|group| &*group.name != "g5-a");
    assert!(why_not_ready(&snapshot, "gpu").contains("no instance group g5-a"));
    assert_eq!(resolve(&snapshot)["general"].ready, Ok(()));
}

#[test]
fn groups_that_the_class_no_longer_names_offer_nothing_h13() {
    let mut snapshot = snapshot();
    snapshot.node_classes[1].instance_groups = vec![Name::from("p5-b")];
    assert_eq!(
        offered(&snapshot, "gpu"),
        ["ml.p5.48xlarge/p5-b/us-east-1b/on-demand/66.048"]
    );
}

#[test]
fn conditions_and_deletion_decide_readiness_h11_s40() {
    for kind in ["InstanceGroupReady", "SubnetsReady", "Ready"] {
        let mut snapshot = snapshot();
        snapshot.node_classes[1].conditions = vec![condition(kind, "False")];
        assert!(why_not_ready(&snapshot, "gpu").contains(kind));
    }
    let mut absent = snapshot();
    absent.node_classes[1].conditions.clear();
    assert_eq!(resolve(&absent)["gpu"].ready, Ok(()));
    let mut deleted = snapshot();
    deleted.node_classes[1].deleted = Some(crate::base::time::Timestamp::from_millis(1));
    assert!(why_not_ready(&deleted, "gpu").contains("deleted"));
}

#[test]
fn nothing_is_offered_while_autoscaling_is_not_in_service_h5() {
    let mut snapshot = snapshot();
    let cluster = snapshot.cluster.as_mut().unwrap();
    cluster.autoscaling_status = Some(Name::from("Creating"));
    assert!(why_not_ready(&snapshot, "gpu").contains("being created"));
}

#[test]
fn the_status_alone_suffices_h11() {
    let mut snapshot = snapshot();
    let with_record = offered(&snapshot, "general");
    snapshot.cluster = None;
    assert_eq!(offered(&snapshot, "general"), with_record);
}

#[test]
fn the_record_alone_lacks_zones_unless_a_subnet_tells_h10() {
    let mut snapshot = snapshot();
    snapshot.node_classes[1].status_groups = None;
    // us-east-1a and us-east-1b are known from the subnets of the other class.
    assert_eq!(offered(&snapshot, "gpu").len(), 2);
    snapshot.node_classes[0].status_groups = None;
    assert!(offered(&snapshot, "gpu").is_empty());
    let messages = notes(&snapshot, "gpu", "instance group g5-a");
    assert!(messages[0].contains("supply the HyperpodNodeClass with its status"));
    snapshot.cluster = None;
    let messages = notes(&snapshot, "gpu", "instance group g5-a");
    assert!(messages[0].contains("supply the describe-cluster output"));
}

#[test]
fn a_class_without_object_or_document_is_not_ready_m12() {
    let mut snapshot = snapshot();
    snapshot.node_classes.remove(1);
    assert!(why_not_ready(&snapshot, "gpu").contains("neither"));
}

#[test]
fn more_than_twenty_types_are_refused_h35() {
    let mut snapshot = snapshot();
    let types: Vec<Name> = catalog::all()
        .take(21)
        .map(|t| Name::from(t.name))
        .collect();
    status_mut(&mut snapshot, "g5-a").instance_types = types;
    let messages = notes(&snapshot, "gpu", "instance group g5-a");
    assert!(messages[0].contains("21 instance types"));
}

#[test]
fn arm64_needs_the_switch_and_unknown_types_a_document_h17() {
    let mut snapshot = snapshot();
    status_mut(&mut snapshot, "g5-a").instance_types =
        vec![Name::from("ml.m7g.large"), Name::from("ml.q9.large")];
    let arm = "instance type ml.m7g.large of instance group g5-a";
    let unknown = "instance type ml.q9.large of instance group g5-a";
    assert!(notes(&snapshot, "gpu", arm)[0].contains("allowArm64"));
    assert!(notes(&snapshot, "gpu", unknown)[0].contains("InstanceTypes document"));
    snapshot.options.allow_arm64 = true;
    assert!(notes(&snapshot, "gpu", arm).is_empty());
    assert!(offered(&snapshot, "gpu")[0].starts_with("ml.m7g.large"));
}

#[test]
fn labels_and_taints_of_the_group_are_the_nodes_h48_h49() {
    let mut snapshot = snapshot();
    status_mut(&mut snapshot, "g5-a").desired_labels =
        Labels::from_iter([("team", "vision"), (ZONE, "mars-1a")]);
    let taint = Taint::new("team", "vision", TaintEffect::NoSchedule);
    record_mut(&mut snapshot, "g5-a").desired_taints = vec![taint.clone()];
    status_mut(&mut snapshot, "g5-a").desired_taints = vec![taint.clone()];
    let all = resolve(&snapshot);
    let g5 = &all["gpu"].types[0];
    assert_eq!(g5.taints, [taint]);
    let labels = Requirements::from_specs(&g5.requirements);
    let value = |key: &str| labels.get(key).and_then(|r| r.single()).map(AsRef::as_ref);
    assert_eq!(value("team"), Some("vision"));
    assert_eq!(value(INSTANCE_GROUP), Some("g5-a"));
    assert_eq!(value(NODE_HEALTH), Some("Schedulable"));
    assert_eq!(value(REGION), Some("us-east-1"));
    assert_eq!(value(ZONE), None, "the offering says the zone");
}

#[test]
fn threads_and_partitions_shape_the_node_h50_h51() {
    let mut snapshot = snapshot();
    record_mut(&mut snapshot, "p5-b").threads_per_core = Some(1);
    status_mut(&mut snapshot, "p5-b").desired_labels =
        Labels::from_iter([(mig::CONFIG_LABEL, "all-1g.10gb")]);
    let all = resolve(&snapshot);
    let p5 = &all["gpu"].types[1];
    let units = |name: &str| p5.capacity.get(name).map(Quantity::units_ceil);
    assert_eq!(units("cpu"), Some(96));
    assert_eq!(units("nvidia.com/mig-1g.10gb"), Some(56));
    assert_eq!(units("nvidia.com/gpu"), None);
    status_mut(&mut snapshot, "g5-a").desired_labels =
        Labels::from_iter([(mig::CONFIG_LABEL, "all-1g.10gb")]);
    let subject = "instance type ml.g5.12xlarge of instance group g5-a";
    assert!(notes(&snapshot, "gpu", subject)[0].contains("partitions"));
}

fn document(class: &str) -> InstanceTypes {
    let mut instance_type = InstanceType::new("custom.large");
    let price = Some("0.5".parse().unwrap());
    instance_type.offerings = vec![
        Offering::new("zone-1", CapacityType::OnDemand, price),
        Offering::new("zone-1", CapacityType::Reserved, Some(Price::ZERO)),
        Offering::new("zone-2", CapacityType::Spot, None),
    ];
    InstanceTypes::new(class, vec![instance_type])
}

#[test]
fn a_document_alone_gives_the_offerings_m12() {
    let mut snapshot = Snapshot::default();
    snapshot.instance_types.push(document("default"));
    let expected = [
        "custom.large/-/zone-1/on-demand/0.5",
        "custom.large/-/zone-1/reserved/0",
        "custom.large/-/zone-2/spot/?",
    ];
    assert_eq!(offered(&snapshot, "default"), expected);
    assert_eq!(resolve(&snapshot)["default"].ready, Ok(()));

    let class = HyperpodNodeClass {
        name: Name::from("default"),
        instance_groups: vec![Name::from("ig-default")],
        ..HyperpodNodeClass::default()
    };
    snapshot.node_classes.push(class);
    assert!(offered(&snapshot, "default")[0].contains("/ig-default/"));
    let class = &mut snapshot.node_classes[0];
    class.instance_groups = (0..11).map(|n| Name::from(format!("g{n}"))).collect();
    assert_eq!(offered(&snapshot, "default"), expected, "no group limits");
    assert_eq!(resolve(&snapshot)["default"].ready, Ok(()));
    snapshot.node_classes[0].conditions = vec![condition("Ready", "False")];
    assert!(why_not_ready(&snapshot, "default").contains("Ready is False"));
}

#[test]
fn prices_override_a_documents_m9() {
    let mut snapshot = Snapshot::default();
    snapshot.instance_types.push(document("default"));
    let prices = [(CapacityType::Spot, "0.2".parse().unwrap())];
    let overrides = &mut snapshot.options.prices;
    overrides.insert(Name::from("custom.large"), prices.into());
    assert!(offered(&snapshot, "default")[2].ends_with("/spot/0.2"));
    assert!(offered(&snapshot, "default")[0].ends_with("/on-demand/0.5"));
}

#[test]
fn the_order_of_groups_and_classes_changes_nothing() {
    let straight = snapshot();
    let mut turned = snapshot();
    turned.node_classes.reverse();
    for class in &mut turned.node_classes {
        class.instance_groups.reverse();
        class.status_groups.as_mut().unwrap().reverse();
    }
    turned.cluster.as_mut().unwrap().instance_groups.reverse();
    assert_eq!(resolve(&straight), resolve(&turned));
}

#[test]
fn groups_of_one_type_stay_apart_so_that_pods_can_select_one_h48() {
    let mut snapshot = snapshot();
    let class = &mut snapshot.node_classes[1];
    class.instance_groups.push(Name::from("g5-b"));
    let statuses = class.status_groups.as_mut().unwrap();
    statuses.push(status("g5-b", &["ml.g5.12xlarge"], &["us-east-1a"]));
    let groups = &mut snapshot.cluster.as_mut().unwrap().instance_groups;
    groups.push(record("g5-b", &["ml.g5.12xlarge"], &["us-east-1a"]));
    assert_eq!(offered(&snapshot, "gpu").len(), 3);
    assert_eq!(resolve(&snapshot)["gpu"].types.len(), 3);
}

#[test]
fn regions_are_read_from_zone_names() {
    for (zone, expected) in [
        ("us-west-2a", Some("us-west-2")),
        ("us-gov-west-1b", Some("us-gov-west-1")),
        ("us-west-2-lax-1a", Some("us-west-2")),
        ("eu-south-12c", Some("eu-south-12")),
        ("", None),
        ("1a", None),
        ("zone", None),
        ("é-3", Some("é-3")),
    ] {
        assert_eq!(region(zone), expected, "{zone}");
    }
}
