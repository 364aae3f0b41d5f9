//! Cron schedules against an independent implementation (D-25, D-26).
//!
//! The crate `cronexpr` reads another dialect in five points, none of which is about which times a set of days, hours
//! and minutes names: it takes 7 for Sunday and refuses steps beyond the field; it wants a time zone; it writes no `?`,
//! no `n/step` and has `@` only with a time zone; it gives up after four years where Karpenter's library looks to the
//! end of the fifth year; and where that library asks whether a list contains `*`, it asks whether the list *begins*
//! with an asterisk, `*/2` included (Vixie's rule). So each random schedule is written twice, once per dialect, with
//! the same meaning; which texts are refused, and which day fields are open, is fixed by the tables below.

use tetrapod::base::rng::Rng;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::disruption::cron::Schedule;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// One field, in our dialect and in that of the other implementation.
fn field(rng: &mut Rng, low: u64, high: u64, names: &[&str]) -> (String, String) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut open = false;
    let items = 1 + rng.below(3) * rng.below(2);
    for _ in 0..items {
        let a = low + rng.below(high - low + 1);
        let b = a + rng.below(high - a + 1);
        let step = 1 + rng.below(high);
        let named = |rng: &mut Rng, value: u64| {
            let name = usize::try_from(value - low)
                .ok()
                .and_then(|at| names.get(at));
            match name {
                Some(name) if rng.below(2) == 0 => match rng.below(2) {
                    0 => name.to_uppercase(),
                    _ => (*name).to_owned(),
                },
                _ => value.to_string(),
            }
        };
        let (first, last) = (named(rng, a), named(rng, b));
        match rng.below(7) {
            0 => {
                open = true;
                ours.push(if rng.below(4) == 0 { "?" } else { "*" }.to_owned());
            }
            1 => {
                open |= step == 1;
                ours.push(format!("*/{step}"));
                theirs.push(format!("{low}-{high}/{step}"));
            }
            2 => {
                ours.push(format!("{first}/{step}"));
                theirs.push(format!("{a}-{high}/{step}"));
            }
            3 => {
                ours.push(format!("{first}-{last}"));
                theirs.push(format!("{a}-{b}"));
            }
            4 => {
                ours.push(format!("{first}-{last}/{step}"));
                theirs.push(format!("{a}-{b}/{step}"));
            }
            _ => {
                ours.push(first);
                theirs.push(a.to_string());
            }
        }
    }
    if open {
        theirs.insert(0, "*".to_owned());
    }
    (ours.join(","), theirs.join(","))
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn random_schedule(rng: &mut Rng) -> (String, String) {
    let open = || ("*".to_owned(), "*".to_owned());
    let mut maybe = |low, high, names: &[&str], closed: u64| {
        if rng.below(4) < closed {
            field(rng, low, high, names)
        } else {
            open()
        }
    };
    let fields = [
        maybe(0, 59, &[], 3),
        maybe(0, 23, &[], 3),
        maybe(1, 31, &[], 2),
        maybe(1, 12, &MONTHS, 1),
        maybe(0, 6, &DAYS, 2),
    ];
    let [ours, theirs] = [0, 1].map(|side| {
        let parts = fields.iter().map(|f| if side == 0 { &f.0 } else { &f.1 });
        parts.cloned().collect::<Vec<_>>().join(" ")
    });
    (ours, format!("{theirs} UTC"))
}

fn random_time(rng: &mut Rng) -> Timestamp {
    let first = time("1996-01-01T00:00:00Z").as_millis();
    let last = time("2090-01-01T00:00:00Z").as_millis();
    let at = first + i64::try_from(rng.below(u64::try_from(last - first).unwrap())).unwrap();
    // Also times on the minute and on the second, where "strictly after" matters.
    let unit = [1, 1_000, 60_000, 3_600_000, 86_400_000][usize::try_from(rng.below(5)).unwrap()];
    Timestamp::from_millis(at - at.rem_euclid(unit))
}

/// The next hit by the other implementation; `None` when it gives up after four years.
fn their_next(theirs: &cronexpr::Crontab, after: Timestamp) -> Option<Timestamp> {
    let found = theirs.find_next(after.to_string().as_str()).ok()?;
    Some(Timestamp::from_millis(found.timestamp().as_millisecond()))
}

fn compare(seeds: std::ops::Range<u64>) {
    let four_years = Span::from_secs(4 * 365 * 86_400);
    let (mut unions, mut none) = (0, 0);
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let (ours, theirs) = random_schedule(&mut rng);
        let parsed = schedule(&ours);
        let reference = cronexpr::parse_crontab(&theirs)
            .unwrap_or_else(|error| panic!("{theirs:?} of {ours:?}: {error}"));
        let mut at = random_time(&mut rng);
        for _ in 0..3 {
            let expected = their_next(&reference, at);
            let found = parsed.next(at);
            match expected {
                Some(_) => assert_eq!(found, expected, "{ours:?} after {at}"),
                None => assert!(
                    found.is_none_or(|hit| hit > at.plus(four_years)),
                    "{ours:?} after {at}: {found:?}"
                ),
            }
            none += usize::from(found.is_none());
            at = found.unwrap_or_else(|| random_time(&mut rng));
        }
        let days: Vec<&str> = theirs.split(' ').collect();
        unions += usize::from(!days[2].starts_with('*') && !days[4].starts_with('*'));
    }
    assert!(unions > 1_000, "days of month or of week: {unions}");
    assert!(none > 0, "schedules that never hit: {none}");
}

#[test]
fn ten_thousand_schedules_hit_when_another_implementation_says_d26() {
    compare(0..10_000);
}

/// A hit lies in (t - d, t] exactly when the window is open, and it stays as it is until the moment that is named.
#[test]
fn windows_are_open_when_a_hit_lies_in_them_and_change_when_they_say_d25() {
    let mut changes = 0;
    for seed in 0..1_500_u64 {
        let mut rng = Rng::new(seed ^ 0xD25);
        let (ours, theirs) = random_schedule(&mut rng);
        let parsed = schedule(&ours);
        let reference = cronexpr::parse_crontab(&theirs).unwrap();
        let minutes = [5, 60, 480, 1_440, 3_000, 20_000][usize::try_from(rng.below(6)).unwrap()];
        let span = Span::from_secs(60 * i64::try_from(1 + rng.below(minutes)).unwrap());
        let now = random_time(&mut rng);
        let back = |at: Timestamp| at.plus(Span::from_millis(-span.as_millis()));
        let expected = |at: Timestamp| their_next(&reference, back(at)).map(|hit| hit <= at);
        let Some(open) = expected(now) else { continue };
        assert_eq!(
            parsed.is_open(span, now),
            open,
            "{ours:?} for {span} at {now}"
        );
        let change = parsed.next_change(span, now);
        let last = change.unwrap_or_else(|| now.plus(Span::from_secs(40 * 86_400)));
        assert!(last > now);
        for part in 0..20 {
            let width = last.since(now).as_millis() - 1;
            let between = now.plus(Span::from_millis(
                i64::try_from(rng.below(u64::try_from(width).unwrap() + 1)).unwrap(),
            ));
            let at = if part == 0 {
                now.plus(Span::from_millis(width))
            } else {
                between
            };
            assert_eq!(
                expected(at).unwrap_or(open),
                open,
                "{ours:?} for {span} at {at}, said to hold from {now} to {last}"
            );
        }
        if let Some(change) = change {
            changes += 1;
            assert_eq!(
                expected(change),
                Some(!open),
                "{ours:?} for {span} changes at {change}"
            );
        }
    }
    assert!(changes > 800, "{changes}");
}

#[test]
fn the_grammar_is_that_of_karpenters_library_d26() {
    for good in [
        "* * * * *",
        "*/5 0-23/2 1,15 jan-MAR,Dec Mon-fri",
        "0 0 ? * ?",
        "10-30/5 5/6 * * *",
        "  0\t9 *  * 1 ",
        "1,,2 * * * *",
        ", * * * *",
        "+5 * * * *",
        "*-9 * * * *",
        "0 0 31 2 *",
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
        "5/100 * * * *",
    ] {
        schedule(good);
    }
    for bad in [
        "",
        "* * * *",
        "* * * * * *",
        "TZ=UTC * * * * *",
        "CRON_TZ=Europe/Berlin 0 9 * * *",
        "@every 1h",
        "@Hourly",
        "@hourly x",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 7",
        "* * * * sat-mon",
        "30-10 * * * *",
        "*/0 * * * *",
        "*/-1 * * * *",
        "*/x * * * *",
        "1/2/3 * * * *",
        "1-2-3 * * * *",
        "1- * * * *",
        "-1 * * * *",
        "monday * * * *",
        "* * * * monday",
        "jan * * * *",
        "L * * * *",
        "* * 15W * *",
        "99999999999999999999 * * * *",
    ] {
        assert!(bad.parse::<Schedule>().is_err(), "{bad:?}");
    }
    let error = "0 9 * * 7".parse::<Schedule>().unwrap_err();
    assert_eq!(error.field, "day of week");
    assert!(
        error.to_string().contains("0-6 (0 is Sunday)"),
        "the error tells what is accepted: {error}"
    );
}

#[test]
fn a_day_suits_either_day_field_unless_one_is_open_d26() {
    let next = |text: &str| schedule(text).next(time("2026-01-01T00:00:00Z")).unwrap();
    // The first Friday is the 2nd, the first 13th is a Tuesday, the first Friday the 13th is in February.
    assert_eq!(next("0 0 13 * fri"), time("2026-01-02T00:00:00Z"));
    for both in ["0 0 */1 * 0", "0 0 1,* * 0", "0 0 ?,5 * 0"] {
        assert_eq!(next(both), time("2026-01-04T00:00:00Z"), "{both}");
    }
    // `*/2` is not open: odd days, or Sundays.
    assert_eq!(next("0 0 */2 * 0"), time("2026-01-03T00:00:00Z"));
    let third = time("2026-01-03T00:00:00Z");
    assert_eq!(
        schedule("0 0 */2 * 0").next(third),
        Some(time("2026-01-04T00:00:00Z"))
    );
    assert_eq!(next("0 0 13 * */1"), time("2026-01-13T00:00:00Z"));
    assert_eq!(next("0 0 13 * */2"), time("2026-01-03T00:00:00Z"));
}

#[test]
fn a_search_gives_up_after_the_fifth_year_and_the_window_is_open_then_d26() {
    let never = schedule("0 0 31 2 *");
    let span = Span::from_secs(3_600);
    let now = time("2026-06-01T12:00:00Z");
    assert_eq!(never.next(now), None);
    assert!(never.is_open(span, now));
    assert_eq!(never.next_change(span, now), None);
    assert!(schedule(", * * * *").is_open(span, now));

    // 2100 is no leap year: from 2096 the next 29 February is eight years away.
    let leap = schedule("0 0 29 2 *");
    let after = time("2096-03-01T00:00:00Z");
    assert_eq!(leap.next(after), None);
    assert!(leap.is_open(span, after));
    let closes = leap.next_change(span, after).unwrap();
    assert_eq!(closes, time("2099-01-01T00:59:59Z"));
    let before = Timestamp::from_millis(closes.as_millis() - 1);
    assert!(leap.is_open(span, before) && !leap.is_open(span, closes));
    assert_eq!(
        leap.next_change(span, closes),
        Some(time("2104-02-29T00:00:00Z"))
    );
}

#[test]
fn a_window_ends_exactly_its_duration_after_the_hit_d25() {
    let office = schedule("0 9 * * mon-fri");
    let eight = Span::from_secs(8 * 3_600);
    let open = |text: &str| office.is_open(eight, time(text));
    assert!(!open("2026-01-05T08:59:59.999Z"));
    assert!(open("2026-01-05T09:00:00Z"));
    assert!(open("2026-01-05T16:59:59.999Z"));
    assert!(!open("2026-01-05T17:00:00Z"));
    // Without length it never opens, and overlapping windows are one.
    assert!(!office.is_open(Span::ZERO, time("2026-01-05T09:00:00Z")));
    assert_eq!(
        office.next_change(Span::ZERO, time("2026-01-05T09:00:00Z")),
        None
    );
    let long = Span::from_secs(24 * 3_600);
    assert_eq!(
        office.next_change(long, time("2026-01-05T10:00:00Z")),
        Some(time("2026-01-10T09:00:00Z"))
    );
    let always = schedule("*/10 * * * *");
    assert_eq!(
        always.next_change(Span::from_secs(600), time("2026-01-05T10:00:00Z")),
        None
    );
}

#[test]
fn extreme_times_are_survived() {
    for text in ["* * * * *", "0 0 31 2 *", "0 0 29 2 *", "59 23 31 12 sat"] {
        let parsed = schedule(text);
        for millis in [
            i64::MIN,
            -62_200_000_000_000,
            0,
            250_000_000_000_000,
            i64::MAX,
        ] {
            let at = Timestamp::from_millis(millis);
            for span in [i64::MIN, -1, 0, 1, 86_400_000, i64::MAX] {
                let span = Span::from_millis(span);
                let _ = (parsed.next(at), parsed.is_open(span, at));
                let change = parsed.next_change(span, at);
                assert!(
                    change.is_none_or(|change| change > at),
                    "{text} {at} {span}"
                );
            }
        }
    }
}
