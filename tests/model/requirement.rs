//! The requirements algebra (S-23..S-36).

use std::collections::BTreeSet;

use proptest::prelude::*;
use tetrapod::model::label::{self, Labels};
use tetrapod::model::requirement::{
    Conflict, Operator, Requirement, RequirementSpec, Requirements, Undefined,
};
use tetrapod::model::resources::Name;

fn r(operator: Operator, values: &[&str]) -> Requirement {
    Requirement::new("k", operator, values.iter().copied())
}

fn all(requirements: impl IntoIterator<Item = Requirement>) -> Requirements {
    requirements.into_iter().collect()
}

/// Whether what is offered can meet what is asked on the one key `k`.
fn met(offered: Option<Requirement>, asked: Requirement, allowed: bool) -> bool {
    let open = BTreeSet::from([Name::from("k")]);
    let undefined = if allowed {
        Undefined::Allowed(&open)
    } else {
        Undefined::Denied
    };
    all(offered).compatible(&all([asked]), undefined).is_ok()
}

use Operator::{DoesNotExist, Exists, Gt, Gte, In, Lt, Lte, NotIn};

#[test]
fn s23_operators_as_sets() {
    let table = [
        // operator, values, complement, bounds
        (r(In, &["a", "b"]), false, (None, None)),
        (r(NotIn, &["a"]), true, (None, None)),
        (r(Exists, &[]), true, (None, None)),
        (r(DoesNotExist, &[]), false, (None, None)),
        (r(Gt, &["5"]), true, (Some(6), None)),
        (r(Gte, &["5"]), true, (Some(5), None)),
        (r(Lt, &["5"]), true, (None, Some(4))),
        (r(Lte, &["5"]), true, (None, Some(5))),
    ];
    for (requirement, complement, bounds) in table {
        assert_eq!(requirement.is_complement(), complement, "{requirement}");
        assert_eq!(requirement.bounds(), bounds, "{requirement}");
    }
    assert_eq!(r(In, &[]), r(DoesNotExist, &[]));
    assert_eq!(same_set(&r(NotIn, &[])), same_set(&r(Exists, &[])));
    // Values of Exists and DoesNotExist mean nothing.
    assert_eq!(r(Exists, &["a"]), r(Exists, &[]));
    assert_eq!(r(DoesNotExist, &["a"]), r(DoesNotExist, &[]));
}

#[test]
fn s23_bounds_beyond_integers_are_the_empty_set() {
    let (max, min) = (i64::MAX.to_string(), i64::MIN.to_string());
    assert_eq!(r(Gt, &[&max]), r(DoesNotExist, &[]));
    assert_eq!(r(Lt, &[&min]), r(DoesNotExist, &[]));
    assert_eq!(r(Gte, &[&max]).bounds(), (Some(i64::MAX), None));
    assert_eq!(r(Lte, &[&min]).bounds(), (None, Some(i64::MIN)));
    for bad in [
        &["x"][..],
        &[],
        &["1", "2"],
        &["1.5"],
        &["99999999999999999999"],
    ] {
        for operator in [Gt, Gte, Lt, Lte] {
            assert!(r(operator, bad).is_empty_set(), "{operator} {bad:?}");
        }
    }
}

#[test]
fn s24_derived_operator_ignores_bounds() {
    assert_eq!(r(In, &["a"]).operator(), In);
    assert_eq!(r(NotIn, &["a"]).operator(), NotIn);
    assert_eq!(r(DoesNotExist, &[]).operator(), DoesNotExist);
    for operator in [Gt, Gte, Lt, Lte] {
        assert_eq!(r(operator, &["5"]).operator(), Exists);
    }
    let excluded = r(Gt, &["5"]).intersection(&r(NotIn, &["7"]));
    assert_eq!(excluded.operator(), NotIn);
}

#[test]
fn s25_has() {
    assert!(r(In, &["a"]).has("a") && !r(In, &["a"]).has("b"));
    assert!(!r(NotIn, &["a"]).has("a") && r(NotIn, &["a"]).has("b"));
    assert!(r(Exists, &[]).has("") && !r(DoesNotExist, &[]).has(""));
    let middle = r(Gt, &["5"]).intersection(&r(Lte, &["9"]));
    for (value, expected) in [
        ("5", false),
        ("6", true),
        ("9", true),
        ("10", false),
        ("abc", false),
        ("", false),
        ("7.0", false),
        ("07", true),
    ] {
        assert_eq!(middle.has(value), expected, "{value}");
    }
}

/// A requirement as the set of values it allows, whether or not the label may be missing.
fn same_set(requirement: &Requirement) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        requirement.is_complement(),
        requirement.values().clone(),
        requirement.bounds(),
        requirement.min_values(),
    )
}

/// kube-scheduler tests every expression against the label by itself, so a contradiction is met by no node, while
/// `DoesNotExist` and `NotIn` are met by nodes without the label (S-30; where S-26's set alone cannot tell).
#[test]
fn a_contradiction_is_not_an_absent_label_s30() {
    for (absent, requirement) in [
        (true, r(DoesNotExist, &[])),
        (true, r(NotIn, &["a"])),
        (true, r(NotIn, &["a"]).intersection(&r(DoesNotExist, &[]))),
        (false, r(In, &["a"])),
        (false, r(Exists, &[])),
        (false, r(Gt, &["5"])),
        (false, r(In, &["a"]).intersection(&r(In, &["b"]))),
        (false, r(NotIn, &["a"]).intersection(&r(Exists, &[]))),
        (false, r(Gt, &["5"]).intersection(&r(Lt, &["6"]))),
        (false, r(In, &["a"]).intersection(&r(DoesNotExist, &[]))),
    ] {
        assert_eq!(requirement.allows_absent(), absent, "{requirement}");
    }
}

#[test]
fn s26_intersection_examples() {
    let listed = r(Gt, &["5"]).intersection(&r(In, &["7", "abc", "3"]));
    assert_eq!(listed, r(In, &["7"]));
    assert_eq!(listed.bounds(), (None, None));
    assert_eq!(
        same_set(&r(Gt, &["5"]).intersection(&r(Lt, &["6"]))),
        same_set(&r(DoesNotExist, &[]))
    );
    // Excluded values outside the bounds are dropped, those inside kept.
    let kept = r(NotIn, &["3", "7", "x"]).intersection(&r(Gt, &["5"]));
    assert_eq!(
        kept.values().iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["7"]
    );
    assert_eq!(kept.bounds(), (Some(6), None));
    assert_eq!(kept.to_string(), "k >= 6 NotIn [7]");
}

#[test]
fn s26_min_values_is_the_larger_and_survives_an_empty_result() {
    let with = |mut requirement: Requirement, min| {
        requirement.set_min_values(min);
        requirement
    };
    let (two, three) = (with(r(Gt, &["5"]), Some(2)), with(r(Lt, &["6"]), Some(3)));
    let none = two.intersection(&three);
    assert!(none.is_empty_set());
    assert_eq!(none.min_values(), Some(3));
    assert_eq!(two.intersection(&r(Exists, &[])).min_values(), Some(2));
}

#[test]
fn s27_two_complements_meet_unless_bounds_cross() {
    let five = r(Gte, &["5"]).intersection(&r(Lte, &["5"]));
    assert!(five.intersects(&r(NotIn, &["5"])));
    assert!(!r(Gt, &["5"]).intersects(&r(Lt, &["6"])));
    assert!(r(Gt, &["5"]).intersects(&r(Lt, &["7"])));
    assert!(r(NotIn, &["a"]).intersects(&r(NotIn, &["b"])));
}

#[test]
fn s28_requirements_intersect_per_key() {
    let mut zone = all([r(In, &["a", "b"]), r(NotIn, &["a"])]);
    assert_eq!(zone.get("k"), Some(&r(In, &["b"])));
    assert_eq!(zone.get("other"), None);
    zone.add_all(&all([r(Exists, &[]), Requirement::new("other", In, ["x"])]));
    assert_eq!((zone.len(), zone.is_empty()), (2, false));
    assert_eq!(
        zone.remove("other"),
        Some(Requirement::new("other", In, ["x"]))
    );
    let from_specs = Requirements::from_specs(&[
        RequirementSpec::new("k", In, ["a", "b"]),
        RequirementSpec::new("k", NotIn, ["a"]),
    ]);
    assert_eq!(zone, from_specs);
    let labels: Labels = [("k", "b")].into_iter().collect();
    assert_eq!(zone, Requirements::from_labels(&labels));
}

#[test]
fn s29_keys_on_one_side_never_conflict() {
    let a = all([Requirement::new("a", In, ["1"])]);
    let b = all([Requirement::new("b", DoesNotExist, [""; 0])]);
    assert_eq!(a.intersects(&b), Ok(()));
    assert_eq!(b.intersects(&a), Ok(()));
    let other = all([Requirement::new("a", In, ["2"])]);
    assert!(matches!(
        a.intersects(&other),
        Err(Conflict::Disjoint { .. })
    ));
}

#[test]
fn s29_absent_labels_satisfy_both_negative_operators() {
    assert!(r(NotIn, &["a"]).accepts(&r(DoesNotExist, &[])));
    assert!(r(DoesNotExist, &[]).accepts(&r(NotIn, &["a"])));
    assert!(r(DoesNotExist, &[]).accepts(&r(DoesNotExist, &[])));
    assert!(!r(DoesNotExist, &[]).accepts(&r(Exists, &[])));
    assert!(!r(In, &["a"]).accepts(&r(DoesNotExist, &[])));
}

#[test]
fn s30_matrix() {
    let asked = [
        r(In, &["7"]),
        r(NotIn, &["7"]),
        r(Exists, &[]),
        r(Gt, &["5"]),
        r(DoesNotExist, &[]),
    ];
    // In [7], NotIn [7], Exists, Gt 5, DoesNotExist
    let rows = [
        (None, false, [false, true, false, false, true]),
        (None, true, [true, true, true, true, true]),
        (
            Some(r(In, &["7", "8"])),
            false,
            [true, true, true, true, false],
        ),
        (Some(r(In, &["7"])), false, [true, false, true, true, false]),
        (
            Some(r(In, &["3"])),
            false,
            [false, true, true, false, false],
        ),
        (
            Some(r(NotIn, &["7"])),
            false,
            [false, true, true, true, true],
        ),
        (
            Some(r(NotIn, &["8"])),
            false,
            [true, true, true, true, true],
        ),
        (Some(r(Exists, &[])), false, [true, true, true, true, false]),
        (Some(r(Gte, &["7"])), false, [true, true, true, true, false]),
        (Some(r(Gt, &["7"])), false, [false, true, true, true, false]),
        (
            Some(r(Lt, &["6"])),
            false,
            [false, true, true, false, false],
        ),
        (
            Some(r(DoesNotExist, &[])),
            false,
            [false, true, false, false, true],
        ),
    ];
    for (offered, allowed, expected) in rows {
        for (want, expected) in asked.iter().zip(expected) {
            let shown = offered
                .as_ref()
                .map_or_else(String::new, ToString::to_string);
            assert_eq!(
                met(offered.clone(), want.clone(), allowed),
                expected,
                "[{shown}] / [{want}]"
            );
            // A defined key means the same on claims and on nodes.
            if offered.is_some() {
                assert_eq!(
                    met(offered.clone(), want.clone(), true),
                    expected,
                    "[{shown}] / [{want}]"
                );
            }
        }
    }
}

#[test]
fn s30_undefined_labels_are_reported_before_conflicts() {
    let offered = all([Requirement::new("a", In, ["1"])]);
    let asked = all([
        Requirement::new("a", In, ["2"]),
        Requirement::new("b", In, ["1"]),
    ]);
    let conflict = offered.compatible(&asked, Undefined::Denied);
    assert!(
        matches!(conflict, Err(Conflict::UndefinedLabel { asked }) if asked.key().as_ref() == "b")
    );
}

#[test]
fn s31_only_claims_leave_well_known_labels_open() {
    let open: BTreeSet<Name> = label::WELL_KNOWN
        .iter()
        .map(|key| Name::from(*key))
        .collect();
    assert_eq!(open.len(), 8);
    let zone = all([Requirement::new(label::ZONE, In, ["z1"])]);
    let none = Requirements::new();
    assert_eq!(none.compatible(&zone, Undefined::Allowed(&open)), Ok(()));
    assert!(none.compatible(&zone, Undefined::Denied).is_err());
    let custom = all([Requirement::new("team", In, ["a"])]);
    assert!(none.compatible(&custom, Undefined::Allowed(&open)).is_err());
}

#[test]
fn s32_restricted_keys() {
    for key in [
        label::HOSTNAME,
        "karpenter.sh/registered",
        "karpenter.sh/initialized",
        "karpenter.sh/anything",
        "sub.karpenter.sh/x",
        "karpenter.sh/x/y",
    ] {
        assert!(label::is_restricted(key), "{key}");
    }
    for key in label::WELL_KNOWN.into_iter().chain([
        "team",
        "karpenter.sh",
        "notkarpenter.sh/x",
        "karpenter.sh.example.com/x",
        label::INSTANCE_GROUP,
        label::HYPERPOD_NODE_CLASS,
        "kubernetes.io/role",
        "node-role.kubernetes.io/control-plane",
        "",
    ]) {
        assert!(!label::is_restricted(key), "{key}");
    }
}

#[test]
fn s33_keys_are_normalised() {
    for (old, new) in [
        ("failure-domain.beta.kubernetes.io/zone", label::ZONE),
        ("failure-domain.beta.kubernetes.io/region", label::REGION),
        ("beta.kubernetes.io/arch", label::ARCH),
        ("beta.kubernetes.io/os", label::OS),
        ("beta.kubernetes.io/instance-type", label::INSTANCE_TYPE),
        (
            "karpenter.k8s.aws/capacity-reservation-id",
            label::RESERVATION_ID,
        ),
        ("team", "team"),
    ] {
        assert_eq!(label::normalize(old), new);
        assert_eq!(label::normalize(new), new);
        assert_eq!(Requirement::new(old, Exists, [""; 0]).key().as_ref(), new);
    }
    // Both names of a zone are one key.
    let labels: Labels = [
        ("failure-domain.beta.kubernetes.io/zone", "z1"),
        (label::ZONE, "z1"),
    ]
    .into_iter()
    .collect();
    assert_eq!(Requirements::from_labels(&labels).len(), 1);
}

#[test]
fn s34_node_selector_and_terms_narrow_each_other() {
    let selector: Labels = [("k", "a")].into_iter().collect();
    let mut pod = Requirements::from_labels(&selector);
    pod.add(r(NotIn, &["b"]));
    assert_eq!(
        pod.get("k")
            .and_then(Requirement::single)
            .map(AsRef::as_ref),
        Some("a")
    );
    pod.add(r(NotIn, &["a"]));
    assert!(pod.get("k").is_some_and(Requirement::is_empty_set));
}

#[test]
fn s35_manifest_form() {
    let form = |requirement: &Requirement| {
        requirement
            .to_specs()
            .iter()
            .map(|spec| format!("{} {}", spec.operator, spec.values.join(",")))
            .collect::<Vec<_>>()
    };
    assert_eq!(form(&r(In, &["b", "a"])), ["In a,b"]);
    assert_eq!(form(&r(Exists, &[])), ["Exists "]);
    assert_eq!(form(&r(DoesNotExist, &[])), ["DoesNotExist "]);
    assert_eq!(form(&r(Lt, &["5"])), ["Lte 4"]);
    let excluded = r(Gt, &["5"]).intersection(&r(NotIn, &["7"]));
    assert_eq!(form(&excluded), ["Gte 6"]);
    let mut both = r(Gt, &["5"]).intersection(&r(Lt, &["9"]));
    assert_eq!(form(&both), ["Gte 6", "Lte 8"]);
    both.set_min_values(Some(2));
    assert!(
        both.to_specs()
            .iter()
            .all(|spec| spec.min_values == Some(2))
    );
}

#[test]
fn requirements_as_text() {
    let many: Vec<String> = (10..20).map(|n| n.to_string()).collect();
    let many = Requirement::new("k", In, many.iter().map(String::as_str));
    for (requirement, text) in [
        (r(In, &["b", "a"]), "k In [a, b]"),
        (r(Exists, &[]), "k Exists"),
        (r(DoesNotExist, &[]), "k DoesNotExist"),
        (r(Gt, &["5"]), "k >= 6"),
        (r(Lte, &["5"]), "k <= 5"),
        (r(Gte, &["3"]).intersection(&r(Lte, &["5"])), "k in 3..=5"),
        (many, "k In [10, 11, 12, 13, 14, 15, 16, 17, ...]"),
    ] {
        assert_eq!(requirement.to_string(), text);
    }
}

/// Values that tell every generated requirement apart: those listed, and one of each kind that none lists.
const WITNESSES: [&str; 16] = [
    "a",
    "b",
    "c",
    "never-listed",
    "",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "-9",
];

fn any_requirement() -> impl Strategy<Value = Requirement> {
    let values = prop::collection::btree_set(prop::sample::select(&WITNESSES[..14]), 0..5);
    let listed = (
        prop::sample::select(&[In, NotIn, Exists, DoesNotExist][..]),
        values,
    )
        .prop_map(|(operator, values)| {
            let values: Vec<&str> = values
                .into_iter()
                .filter(|v| *v != "never-listed")
                .collect();
            r(operator, &values)
        });
    let bounded = (prop::sample::select(&[Gt, Gte, Lt, Lte][..]), 0..9i64)
        .prop_map(|(operator, n)| r(operator, &[&n.to_string()]));
    let simple = prop_oneof![listed, bounded];
    (
        simple.clone(),
        prop::option::of(simple.clone()),
        prop::option::of(simple),
        prop::option::of(0..4u32),
    )
        .prop_map(|(first, second, third, min_values)| {
            let mut requirement = [second, third]
                .iter()
                .flatten()
                .fold(first, |held, next| held.intersection(next));
            requirement.set_min_values(min_values);
            requirement
        })
}

/// The rule of S-30 for one key, straight from the sets.
fn by_rule(offered: Option<&Requirement>, asked: &Requirement, allowed: bool) -> bool {
    let absent_ok = Requirement::allows_absent;
    let Some(offered) = offered else {
        return allowed || absent_ok(asked);
    };
    let crossing = {
        let ((low, high), (other_low, other_high)) = (offered.bounds(), asked.bounds());
        let low = low.max(other_low).unwrap_or(i64::MIN);
        let high = high.unwrap_or(i64::MAX).min(other_high.unwrap_or(i64::MAX));
        low > high
    };
    let meet = if offered.is_complement() && asked.is_complement() {
        !crossing
    } else {
        WITNESSES.iter().any(|v| offered.has(v) && asked.has(v))
    };
    meet || (absent_ok(offered) && absent_ok(asked))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn s26_intersection_allows_what_both_allow(a in any_requirement(), b in any_requirement()) {
        let both = a.intersection(&b);
        for value in WITNESSES {
            prop_assert_eq!(both.has(value), a.has(value) && b.has(value), "{} in [{}] and [{}]", value, a, b);
        }
        prop_assert_eq!(both.min_values(), a.min_values().max(b.min_values()));
        prop_assert!(both.is_complement() || both.bounds() == (None, None));
    }

    #[test]
    fn s26_intersection_is_commutative_associative_idempotent(
        a in any_requirement(), b in any_requirement(), c in any_requirement(),
    ) {
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        let (left, right) = (a.intersection(&b).intersection(&c), a.intersection(&b.intersection(&c)));
        for value in WITNESSES {
            prop_assert_eq!(left.has(value), right.has(value));
        }
        prop_assert_eq!(&a.intersection(&a), &a);
        let mut any = r(Exists, &[]);
        any.set_min_values(a.min_values());
        prop_assert_eq!(same_set(&a.intersection(&any)), same_set(&a));
    }

    #[test]
    fn s27_intersects_is_a_nonempty_intersection(a in any_requirement(), b in any_requirement()) {
        prop_assert_eq!(a.intersects(&b), b.intersects(&a));
        prop_assert_eq!(a.intersects(&b), !a.intersection(&b).is_empty_set());
        let shared = WITNESSES.iter().any(|v| a.has(v) && b.has(v));
        // Only two complement sets may claim a value that is not there (bounds that leave excluded values only).
        prop_assert!(a.intersects(&b) || !shared);
        if !(a.is_complement() && b.is_complement()) {
            prop_assert_eq!(a.intersects(&b), shared);
        }
    }

    #[test]
    fn s30_compatible_follows_the_rule(
        offered in prop::option::of(any_requirement()), asked in any_requirement(), allowed: bool,
    ) {
        let expected = by_rule(offered.as_ref(), &asked, allowed);
        prop_assert_eq!(met(offered, asked, allowed), expected);
    }

    #[test]
    fn s35_manifest_form_keeps_the_meaning_but_exclusions_within_bounds(a in any_requirement()) {
        let again = Requirements::from_specs(&a.to_specs());
        let again = again.get("k").expect("the key");
        prop_assert_eq!(again.min_values(), a.min_values());
        let bounded = a.bounds() != (None, None);
        for value in WITNESSES {
            let lost = bounded && a.values().contains(value);
            prop_assert_eq!(again.has(value), a.has(value) || lost, "{} of {}", value, a);
        }
    }
}
