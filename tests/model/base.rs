//! Time, identifiers, bit sets and the generator.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tetrapod::base::bitset::BitSet;
use tetrapod::base::index::{Ix, IxVec};
use tetrapod::base::rng::Rng;
use tetrapod::base::time::{Span, Timestamp};

tetrapod::ix! {
    /// An identifier.
    TestIx;
}

fn span(text: &str) -> Span {
    text.parse().expect("a duration")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn durations_are_read_as_go_does() {
    let table = [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("0s", 0),
        ("5s", 5_000),
        ("1.5h", 5_400_000),
        ("-1.5h", -5_400_000),
        ("+5s", 5_000),
        ("1h30m", 5_400_000),
        ("1m0.5s", 60_500),
        (".5s", 500),
        ("1.s", 1_000),
        ("250ms", 250),
        ("1500us", 1),
        ("1500\u{b5}s", 1),
        ("1500\u{3bc}s", 1),
        ("2000000ns", 2),
        ("999999ns", 0),
        ("-999999ns", 0),
        ("720h", 2_592_000_000),
        ("0.0000025h", 9),
        ("0.3333333333333333333333333333h", 1_199_999),
        ("00000000000000000000000000000001s", 1_000),
        ("3m3m", 360_000),
        ("2562047h47m16.854775807s", 9_223_372_036_854),
        ("-2562047h47m16.854s", -9_223_372_036_854),
    ];
    for (text, millis) in table {
        assert_eq!(span(text).as_millis(), millis, "{text}");
    }
}

#[test]
fn what_is_not_a_duration_is_refused() {
    for text in [
        "",
        "-",
        "+",
        "1",
        "1h-5m",
        "h",
        ".h",
        "-.s",
        "1.2.3s",
        "1d",
        "1 s",
        " 1s",
        "1s ",
        "Never",
        "--1s",
        "1H",
        "1e3s",
        "2562047h47m17s",
        "99999999999999999999999999999999999999999h",
        "\u{661}s",
        "1\u{b5}",
    ] {
        assert!(text.parse::<Span>().is_err(), "{text:?}");
    }
}

#[test]
fn durations_print_as_go_reads() {
    assert_eq!(Span::ZERO.to_string(), "0s");
    assert_eq!(Span::from_millis(5_400_250).to_string(), "1h30m250ms");
    assert_eq!(Span::from_secs(-90).to_string(), "-1m30s");
    assert_eq!(Span::from_millis(i64::MAX), span("2562047h47m16.854s"));
    assert_eq!(Span::from_secs(i64::MIN), span("-2562047h47m16.854s"));
}

#[test]
fn times_are_rfc_3339() {
    assert_eq!(time("1970-01-01T00:00:01Z").as_millis(), 1_000);
    assert_eq!(
        time("2026-01-01T02:00:00+02:00"),
        time("2026-01-01T00:00:00Z")
    );
    assert_eq!(
        time("2025-12-31T19:00:00.123456-05:00"),
        time("2026-01-01T00:00:00.123Z")
    );
    assert_eq!(
        time("2026-01-01T00:00:00.5Z").to_string(),
        "2026-01-01T00:00:00.5Z"
    );
    for text in [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "now",
        "1767225600",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
    }
}

#[test]
fn times_saturate_at_what_can_be_written() {
    let last = Timestamp::from_millis(i64::MAX);
    let first = Timestamp::from_millis(i64::MIN);
    assert_eq!(time(&last.to_string()), last);
    assert_eq!(time(&first.to_string()), first);
    assert_eq!(last.plus(Span::from_secs(1)), last);
    assert_eq!(last.since(first), Span::from_millis(i64::MAX));
    assert_eq!(
        time("2026-01-01T00:01:00Z").since(time("2026-01-01T00:00:00Z")),
        span("1m")
    );
}

proptest! {
    #[test]
    fn spans_and_times_read_back(millis: i64) {
        let length = Span::from_millis(millis);
        prop_assert_eq!(span(&length.to_string()), length);
        let json = serde_json::to_string(&length).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Span>(&json).expect("a span"), length);
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(time(&at.to_string()), at);
        let json = serde_json::to_string(&at).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("a time"), at);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+.0-9hmsnu\u{b5}]{0,30}") {
        if let Ok(length) = text.parse::<Span>() {
            prop_assert_eq!(span(&length.to_string()), length);
        }
    }

    #[test]
    fn bit_sets_are_sets(a in prop::collection::btree_set(0usize..200, 0..60), b in prop::collection::btree_set(0usize..200, 0..60)) {
        let bits = |members: &BTreeSet<usize>| {
            let mut set: BitSet<TestIx> = BitSet::new(200);
            members.iter().for_each(|at| set.insert(TestIx::new(*at)));
            set
        };
        let plain = |set: &BitSet<TestIx>| set.iter().map(Ix::at).collect::<BTreeSet<_>>();
        let (x, y) = (bits(&a), bits(&b));
        prop_assert_eq!(&plain(&x), &a);
        prop_assert_eq!(x.len(), a.len());
        prop_assert_eq!(x.is_empty(), a.is_empty());
        prop_assert_eq!(x.intersects(&y), !a.is_disjoint(&b));
        prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
        let mut both = x.clone();
        both.intersect_with(&y);
        prop_assert_eq!(plain(&both), &a & &b);
        let mut either = x.clone();
        either.union_with(&y);
        prop_assert_eq!(plain(&either), &a | &b);
        let mut only = x;
        only.difference_with(&y);
        prop_assert_eq!(plain(&only), &a - &b);
        only.copy_from(&y);
        prop_assert_eq!(&only, &y);
        only.clear();
        prop_assert!(only.is_empty() && only.bound() == 200);
        either.remove(TestIx::new(7));
        prop_assert!(!either.contains(TestIx::new(7)));
    }

    #[test]
    fn random_numbers_stay_below_their_bound(seed: u64, bound in 1u64..) {
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            prop_assert!(rng.below(bound) < bound);
        }
    }
}

#[test]
fn bits_beyond_the_bound_are_ignored() {
    let mut set: BitSet<TestIx> = BitSet::full(3);
    set.insert(TestIx::new(3));
    set.remove(TestIx::new(9));
    assert_eq!((set.len(), set.bound()), (3, 3));
    assert!(!set.contains(TestIx::new(3)));
    assert!(BitSet::<TestIx>::full(0).is_empty());
    set.copy_from(&BitSet::full(70));
    assert_eq!((set.len(), set.bound()), (70, 70));
    set.copy_from(&BitSet::new(2));
    assert_eq!(set, BitSet::new(2));
}

#[test]
fn indexed_vectors_hand_out_their_identifiers() {
    let mut names: IxVec<TestIx, &str> = IxVec::new();
    assert!(names.is_empty());
    let (a, b) = (names.push("a"), names.push("b"));
    assert_eq!((names[a], names[b], names.len()), ("a", "b", 2));
    assert_eq!(names.get(TestIx::new(2)), None);
    names[b] = "c";
    assert_eq!(
        names.enumerate().collect::<Vec<_>>(),
        [(a, &"a"), (b, &"c")]
    );
    assert_eq!(names.ids().rev().collect::<Vec<_>>(), [b, a]);
    assert_eq!(names.as_slice(), ["a", "c"]);
    let zeros: IxVec<TestIx, u8> = IxVec::filled(3, 0);
    assert_eq!(zeros, [0, 0, 0].into_iter().collect());
}

#[test]
fn streams_of_one_seed_agree_and_splits_do_not_overlap() {
    // The published first outputs of SplitMix64 for the seed 1234567.
    let mut rng = Rng::new(1_234_567);
    let published = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
    ];
    assert_eq!([(); 3].map(|()| rng.next_u64()), published);
    let take = |mut rng: Rng| (0..50).map(|_| rng.next_u64()).collect::<BTreeSet<_>>();
    let root = Rng::new(7);
    let streams = [
        take(root.clone()),
        take(root.split(0)),
        take(root.split(1)),
        take(root.split(u64::MAX)),
    ];
    let all: BTreeSet<u64> = streams.iter().flatten().copied().collect();
    assert_eq!(all.len(), 200);
    assert_eq!(take(root.split(3)), take(Rng::new(7).split(3)));
}

#[test]
fn choices_are_fair_enough() {
    let mut rng = Rng::new(1);
    assert_eq!(rng.below(0), 0);
    assert_eq!(rng.choose::<u8>(&[]), None);
    let mut counts = [0u32; 5];
    for _ in 0..5_000 {
        counts[*rng.choose(&[0usize, 1, 2, 3, 4]).expect("one of five")] += 1;
    }
    assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
}
