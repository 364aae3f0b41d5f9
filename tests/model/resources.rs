//! Resource lists, allocatable, taints, labels and selectors (S-13..S-16, S-37..S-39, S-83).

use std::collections::BTreeMap;

use proptest::prelude::*;
use tetrapod::model::instance_type::{CapacityType, InstanceType};
use tetrapod::model::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator};
use tetrapod::model::quantity::Quantity;
use tetrapod::model::resources::{CPU, MEMORY, Name, ResourceList};
use tetrapod::model::taint::{Taint, TaintEffect, Toleration, TolerationOperator, untolerated};

fn list(entries: &[(&str, &str)]) -> ResourceList {
    entries
        .iter()
        .map(|(name, text)| (*name, text.parse().expect("a quantity")))
        .collect()
}

#[test]
fn s14_fits() {
    let total = list(&[(CPU, "2"), (MEMORY, "1Gi")]);
    for (request, expected) in [
        (list(&[]), true),
        (list(&[(CPU, "2"), (MEMORY, "1Gi")]), true),
        (list(&[(CPU, "2001m")]), false),
        (list(&[("gpu", "1")]), false),
        (list(&[("gpu", "0")]), true),
    ] {
        assert_eq!(request.fits(&total), expected, "{request:?}");
    }
    // A negative total fits nothing, not even a request that does not name the resource.
    let overdrawn = list(&[(CPU, "2"), ("gpu", "-1")]);
    assert!(!list(&[(CPU, "1")]).fits(&overdrawn));
    assert!(!list(&[]).fits(&overdrawn));
}

#[test]
fn s15_arithmetic_helpers() {
    let a = list(&[(CPU, "1"), (MEMORY, "1Gi")]);
    let b = list(&[(CPU, "3"), ("gpu", "2")]);
    let change = |change: fn(&mut ResourceList, &ResourceList)| {
        let mut list = a.clone();
        change(&mut list, &b);
        list
    };
    assert_eq!(
        change(ResourceList::add),
        list(&[(CPU, "4"), (MEMORY, "1Gi"), ("gpu", "2")])
    );
    assert_eq!(
        change(ResourceList::subtract),
        list(&[(CPU, "-2"), (MEMORY, "1Gi")])
    );
    assert_eq!(
        change(ResourceList::raise_to),
        list(&[(CPU, "3"), (MEMORY, "1Gi"), ("gpu", "2")])
    );
    assert_eq!(
        change(ResourceList::fill_from),
        list(&[(CPU, "1"), (MEMORY, "1Gi"), ("gpu", "2")])
    );
    // Raising takes over a negative quantity that was not listed.
    let mut none = ResourceList::new();
    none.raise_to(&list(&[(CPU, "-1")]));
    assert_eq!(none, list(&[(CPU, "-1")]));
}

#[test]
fn s16_allocatable() {
    let kind = |capacity: &[(&str, &str)], overhead: &[(&str, &str)]| {
        let mut kind = InstanceType::new("t");
        kind.capacity = list(capacity);
        kind.overhead = list(overhead);
        kind.allocatable()
    };
    assert_eq!(
        kind(
            &[(CPU, "4"), (MEMORY, "16Gi")],
            &[(CPU, "80m"), (MEMORY, "1Gi"), ("gpu", "1")]
        ),
        list(&[(CPU, "3920m"), (MEMORY, "15Gi")])
    );
    assert_eq!(
        kind(
            &[
                (MEMORY, "16Gi"),
                ("hugepages-1Gi", "4Gi"),
                ("hugepages-2Mi", "1Gi")
            ],
            &[(MEMORY, "1Gi"), ("hugepages-1Gi", "1Gi")]
        ),
        // The capacity of huge pages leaves memory, not what is left of it after overhead.
        list(&[
            (MEMORY, "10Gi"),
            ("hugepages-1Gi", "3Gi"),
            ("hugepages-2Mi", "1Gi")
        ])
    );
    assert_eq!(
        kind(&[(MEMORY, "2Gi"), ("hugepages-1Gi", "4Gi")], &[]),
        list(&[(MEMORY, "0"), ("hugepages-1Gi", "4Gi")])
    );
    // Without huge pages nothing floors what overhead overdraws.
    assert_eq!(
        kind(&[(MEMORY, "1Gi")], &[(MEMORY, "2Gi")]),
        list(&[(MEMORY, "-1Gi")])
    );
}

#[test]
fn lists_are_maps_in_json() {
    let text = r#"{"cpu":"1500m","memory":"1Gi"}"#;
    let read: ResourceList = serde_json::from_str(text).expect("a list");
    assert_eq!(read, list(&[(MEMORY, "1Gi"), (CPU, "1.5")]));
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    let text = r#"{"a":"1","b":""}"#;
    let read: Labels = serde_json::from_str(text).expect("labels");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    assert_eq!(
        (read.get("a"), read.get("b"), read.get("c")),
        (Some("1"), Some(""), None)
    );
}

type Amounts = BTreeMap<&'static str, i64>;

fn amounts() -> impl Strategy<Value = Amounts> {
    prop::collection::btree_map(
        prop::sample::select(&["a", "b", "c", "d", "e"][..]),
        -50i64..50,
        0..6,
    )
}

fn of(amounts: &Amounts) -> ResourceList {
    amounts
        .iter()
        .map(|(name, n)| (*name, Quantity::from_units(*n)))
        .collect()
}

proptest! {
    #[test]
    fn s15_lists_behave_as_maps(a in amounts(), b in amounts(), removed in prop::sample::select(&["a", "c", "x"][..])) {
        let change = |change: fn(&mut ResourceList, &ResourceList)| {
            let mut list = of(&a);
            change(&mut list, &of(&b));
            list
        };
        let merged = |merge: fn(i64, i64) -> i64| {
            let mut map = a.clone();
            for (name, n) in &b {
                map.entry(name).and_modify(|held| *held = merge(*held, *n)).or_insert(*n);
            }
            of(&map)
        };
        prop_assert_eq!(change(ResourceList::add), merged(|x, y| x + y));
        prop_assert_eq!(change(ResourceList::raise_to), merged(i64::max));
        prop_assert_eq!(change(ResourceList::fill_from), merged(|x, _| x));
        let left: Amounts = a.iter().map(|(name, n)| (*name, n - b.get(name).unwrap_or(&0))).collect();
        prop_assert_eq!(change(ResourceList::subtract), of(&left));
        let fits = b.values().all(|n| *n >= 0) && a.iter().all(|(name, n)| n <= b.get(name).unwrap_or(&0));
        prop_assert_eq!(of(&a).fits(&of(&b)), fits);

        let mut without = of(&a);
        without.remove(removed);
        prop_assert_eq!(without.get(removed), None);
        prop_assert_eq!(without.len(), a.keys().filter(|name| **name != removed).count());
        let mut shared = without.clone();
        shared.set_shared(Name::from(removed), Quantity::from_units(3));
        without.set(removed, Quantity::from_units(3));
        prop_assert_eq!(&shared, &without);
        let json = serde_json::to_string(&shared).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<ResourceList>(&json).expect("a list"), shared);
    }

    #[test]
    fn labels_behave_as_maps(entries in prop::collection::vec(("[a-d]{1,2}", "[x-z]{0,2}"), 0..20)) {
        let map: BTreeMap<String, String> = entries.iter().cloned().collect();
        let collected: Labels = entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut set = Labels::new();
        for (key, value) in &entries {
            set.set(key.as_str(), value.as_str());
        }
        prop_assert_eq!(&collected, &set);
        prop_assert_eq!(set.len(), map.len());
        prop_assert_eq!(set.is_empty(), map.is_empty());
        let listed: Vec<(&str, &str)> = set.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        let expected: Vec<(&str, &str)> = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        prop_assert_eq!(listed, expected);
        for (key, value) in &map {
            prop_assert_eq!(set.get(key), Some(value.as_str()));
        }
        let json = serde_json::to_string(&set).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Labels>(&json).expect("labels"), set);
    }
}

use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
use TolerationOperator::{Equal, Exists, Gt, Lt};

fn toleration(
    key: Option<&str>,
    operator: TolerationOperator,
    value: &str,
    effect: Option<TaintEffect>,
) -> Toleration {
    let mut toleration = Toleration::default();
    toleration.key = key.map(Name::from);
    toleration.operator = operator;
    toleration.value = Name::from(value);
    toleration.effect = effect;
    toleration
}

#[test]
fn s37_tolerations() {
    let taint = Taint::new("k", "v", NoSchedule);
    for (key, operator, value, effect, expected) in [
        (Some("k"), Equal, "v", None, true),
        (Some("k"), Equal, "v", Some(NoSchedule), true),
        (Some("k"), Equal, "v", Some(NoExecute), false),
        (Some("k"), Equal, "w", None, false),
        (Some("k"), Equal, "", None, false),
        (Some("x"), Equal, "v", None, false),
        (Some("k"), Exists, "", None, true),
        (Some("k"), Exists, "ignored", Some(NoSchedule), true),
        (Some("x"), Exists, "", None, false),
        (None, Exists, "", None, true),
        (None, Exists, "", Some(NoExecute), false),
        (Some(""), Exists, "", None, true),
        // Kubernetes' matching looks at no key where the toleration has none.
        (None, Equal, "v", None, true),
        (None, Equal, "", None, false),
        (Some("k"), Gt, "1", None, false),
    ] {
        let ours = toleration(key, operator, value, effect);
        assert_eq!(ours.tolerates(&taint), expected, "{ours:?}");
    }
    assert!(Toleration::everything().tolerates(&Taint::new("any", "", NoExecute)));
    assert!(!Toleration::exists("k").tolerates(&Taint::new("any", "", NoExecute)));
}

#[test]
fn s37_numeric_operators_take_canonical_integers() {
    for (operator, ours, taints, expected) in [
        (Gt, "100", "200", true),
        (Gt, "200", "100", false),
        (Gt, "100", "100", false),
        (Lt, "100", "50", true),
        (Lt, "100", "100", false),
        (Gt, "-100", "-50", true),
        (Gt, "0", "1", true),
        (Lt, "0", "-9223372036854775808", true),
        (Gt, "9223372036854775806", "9223372036854775807", true),
        (Gt, "0100", "200", false),
        (Gt, "100", "0200", false),
        (Gt, "+100", "200", false),
        (Lt, "0", "-0", false),
        (Gt, "-0", "1", false),
        (Gt, "-01", "1", false),
        (Gt, "1.5", "2", false),
        (Gt, "-", "2", false),
        (Gt, "", "2", false),
        (Gt, "1", "", false),
        (Gt, "1", " 2 ", false),
        (Gt, "1", "9223372036854775808", false),
    ] {
        let taint = Taint::new("k", taints, NoSchedule);
        let ours = toleration(Some("k"), operator, ours, None);
        assert_eq!(ours.tolerates(&taint), expected, "{ours:?} {taint}");
    }
}

#[test]
fn s37_every_taint_must_be_tolerated() {
    let taints = [
        Taint::new("a", "", NoSchedule),
        Taint::new("b", "", PreferNoSchedule),
        Taint::new("c", "1", NoExecute),
    ];
    let first = |keys: &[&str], soft| {
        let tolerations: Vec<Toleration> =
            keys.iter().map(|key| Toleration::exists(*key)).collect();
        untolerated(&taints, &tolerations, soft).map(ToString::to_string)
    };
    assert_eq!(first(&[], true).as_deref(), Some("a:NoSchedule"));
    assert_eq!(first(&["a"], true).as_deref(), Some("b:PreferNoSchedule"));
    assert_eq!(first(&["a"], false).as_deref(), Some("c=1:NoExecute"));
    assert_eq!(first(&["a", "c"], false), None);
    assert_eq!(first(&["c", "b", "a"], true), None);
    // S-38: a toleration for all soft taints softens them and nothing else.
    let soft = [toleration(None, Exists, "", Some(PreferNoSchedule))];
    assert_eq!(untolerated(&taints[1..2], &soft, true), None);
    assert_eq!(untolerated(&taints, &soft, true), Some(&taints[0]));
}

#[test]
fn s39_ephemeral_taints() {
    for (key, effects) in [
        ("node.kubernetes.io/not-ready", &[NoSchedule, NoExecute][..]),
        ("node.kubernetes.io/unreachable", &[NoSchedule]),
        (
            "node.cloudprovider.kubernetes.io/uninitialized",
            &[NoSchedule],
        ),
        ("karpenter.sh/unregistered", &[NoExecute]),
        (
            "readiness.k8s.io/network",
            &[NoSchedule, PreferNoSchedule, NoExecute],
        ),
        ("node.kubernetes.io/unschedulable", &[]),
        ("karpenter.sh/disrupted", &[]),
        ("readiness.k8s.io", &[]),
    ] {
        for effect in [NoSchedule, PreferNoSchedule, NoExecute] {
            let taint = Taint::new(key, "any", effect);
            assert_eq!(taint.is_ephemeral(), effects.contains(&effect), "{taint}");
        }
    }
}

#[test]
fn s83_selectors() {
    let labels: Labels = [("app", "web"), ("tier", "front")].into_iter().collect();
    let expression = |key: &str, operator, values: &[&str]| {
        SelectorExpression::new(
            key,
            operator,
            values.iter().map(|v| Name::from(*v)).collect(),
        )
    };
    use SelectorOperator::{DoesNotExist, Exists, In, NotIn};
    for (key, operator, values, expected) in [
        ("app", In, &["db", "web"][..], true),
        ("app", In, &["db"], false),
        ("app", In, &[], false),
        ("other", In, &["x"], false),
        ("app", NotIn, &["db"], true),
        ("app", NotIn, &["web"], false),
        ("other", NotIn, &["x"], true),
        ("app", Exists, &[], true),
        ("other", Exists, &[], false),
        ("app", DoesNotExist, &[], false),
        ("other", DoesNotExist, &[], true),
    ] {
        let selector = LabelSelector::new(vec![expression(key, operator, values)]);
        assert_eq!(selector.matches(&labels), expected, "{selector:?}");
    }
    assert!(LabelSelector::default().matches(&labels));
    let (a, b) = (
        expression("app", In, &["web", "db", "web"]),
        expression("tier", Exists, &[]),
    );
    let selector = LabelSelector::new(vec![b.clone(), a.clone(), b.clone()]);
    assert_eq!(selector, LabelSelector::new(vec![a.clone(), b]));
    assert!(selector.matches(&labels));
    assert_eq!(a.values.len(), 2);
}

#[test]
fn capacity_types_are_label_values() {
    for kind in [
        CapacityType::Reserved,
        CapacityType::Spot,
        CapacityType::OnDemand,
    ] {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(
            serde_json::to_string(&kind).expect("JSON"),
            format!("\"{kind}\"")
        );
    }
    assert!(
        CapacityType::Reserved < CapacityType::Spot && CapacityType::Spot < CapacityType::OnDemand
    );
    assert_eq!("Spot".parse::<CapacityType>(), Err(()));
}
