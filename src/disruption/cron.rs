//! Cron schedules as disruption budgets write them (D-25, D-26): the grammar of the library that Karpenter uses, in UTC.
//!
//! Five fields: minute, hour, day of month, month, day of week (0 is Sunday, 7 is an error); or `@yearly`, `@annually`,
//! `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`. A field is a list of `*`, `?`, `n` and `lo-hi`, each with an
//! optional `/step`; months and days have three-letter names. Where neither day field is open (`*` or `?`, also with
//! step 1) a day that suits either will do; otherwise it must suit both. `*/2` is not open.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::base::time::{Span, Timestamp};

/// A search for the next hit gives up after the year so many years on (D-26).
const YEARS_AHEAD: i16 = 5;
/// How far ahead a change of a window is looked for, in years. Schedules repeat within this time but for leap days
/// around a century.
const HORIZON_YEARS: i16 = 10;
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// Why a schedule could not be read. Such a schedule lets no node be disrupted (D-24).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron schedule: the {field} is {found:?}, not {expected}")]
#[non_exhaustive]
pub struct ScheduleError {
    /// Which field.
    pub field: &'static str,
    /// What stood there (shortened).
    pub found: String,
    /// What is accepted.
    pub expected: &'static str,
}

/// A parsed schedule. Hits are whole minutes in UTC.
///
/// ```
/// use tetrapod::disruption::cron::Schedule;
/// let nine: Schedule = "0 9 * * mon-fri".parse()?;
/// let friday = "2026-01-02T09:00:00Z".parse()?;
/// assert_eq!(nine.next(friday), Some("2026-01-05T09:00:00Z".parse()?)); // after the week-end
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    month_days: u64,
    months: u64,
    week_days: u64,
    /// Whether one of the day fields is open, so that a day must suit both.
    both_days: bool,
}

/// What one field may hold.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// Names of the values from `low` on.
    names: &'static [&'static str],
    expected: &'static str,
}

const MINUTES: Field = Field {
    name: "minute",
    low: 0,
    high: 59,
    names: &[],
    expected: "numbers 0-59, ranges, steps or *",
};
const HOURS: Field = Field {
    name: "hour",
    low: 0,
    high: 23,
    names: &[],
    expected: "numbers 0-23, ranges, steps or *",
};
const MONTH_DAYS: Field = Field {
    name: "day of month",
    low: 1,
    high: 31,
    names: &[],
    expected: "numbers 1-31, ranges, steps, * or ?",
};
const MONTHS: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
    expected: "numbers 1-12, jan-dec, ranges, steps or *",
};
const WEEK_DAYS: Field = Field {
    name: "day of week",
    low: 0,
    high: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    expected: "numbers 0-6 (0 is Sunday), sun-sat, ranges that do not pass Saturday, steps, * or ?",
};

/// The bits of a field, and whether it is open.
struct Bits {
    set: u64,
    open: bool,
}

impl Field {
    fn parse(&self, text: &str) -> Result<Bits, ScheduleError> {
        let mut bits = Bits {
            set: 0,
            open: false,
        };
        // Empty items are passed over, as Karpenter's library does: `1,,2` is `1,2`.
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let part = self.item(item).ok_or_else(|| ScheduleError {
                field: self.name,
                found: item.chars().take(60).collect(),
                expected: self.expected,
            })?;
            bits.set |= part.set;
            bits.open |= part.open;
        }
        Ok(bits)
    }

    fn item(&self, item: &str) -> Option<Bits> {
        let mut halves = item.split('/');
        let range = halves.next()?;
        let step = halves.next();
        if halves.next().is_some() {
            return None;
        }
        let mut ends = range.split('-');
        let first = ends.next()?;
        let last = ends.next();
        let star = matches!(first, "*" | "?");
        let (low, mut high) = if star {
            // Whatever follows a star and a hyphen is not looked at.
            (self.low, self.high)
        } else {
            if ends.next().is_some() {
                return None;
            }
            let low = self.value(first)?;
            (low, last.map_or(Some(low), |text| self.value(text))?)
        };
        let step = match step {
            None => 1,
            Some(text) => {
                if last.is_none() {
                    high = self.high;
                }
                number(text).filter(|step| *step > 0)?
            }
        };
        if low < self.low || high > self.high || low > high {
            return None;
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let set = (low..=high)
            .step_by(step)
            .fold(0, |set, value| set | 1u64 << value);
        Some(Bits {
            set,
            open: star && step == 1,
        })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = (self.low..)
            .zip(self.names)
            .find(|(_, name)| name.eq_ignore_ascii_case(text));
        match named {
            Some((value, _)) => Some(value),
            None => number(text).and_then(|value| u32::try_from(value).ok()),
        }
    }
}

/// A decimal number as Go's `Atoi` reads it, a sign included, unless it is negative.
fn number(text: &str) -> Option<u64> {
    let value: i64 = text.parse().ok()?;
    u64::try_from(value).ok()
}

impl FromStr for Schedule {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if text.starts_with('@') {
            return described(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, month_day, month, week_day] = fields.as_slice() else {
            return Err(ScheduleError {
                field: "whole",
                found: text.chars().take(60).collect(),
                expected: "five fields (minute, hour, day of month, month, day of week) without a time zone",
            });
        };
        let (month_days, week_days) = (MONTH_DAYS.parse(month_day)?, WEEK_DAYS.parse(week_day)?);
        Ok(Self {
            minutes: MINUTES.parse(minute)?.set,
            hours: HOURS.parse(hour)?.set,
            month_days: month_days.set,
            months: MONTHS.parse(month)?.set,
            week_days: week_days.set,
            both_days: month_days.open || week_days.open,
        })
    }
}

fn described(text: &str) -> Result<Schedule, ScheduleError> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return Err(ScheduleError {
                field: "descriptor",
                found: text.chars().take(60).collect(),
                expected: "@yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly",
            });
        }
    };
    fields.parse()
}

fn holds(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|bit| set & (1u64 << (bit & 63)) != 0)
}

/// The lowest bit of `set` at or after `from`.
fn next_bit(set: u64, from: i64) -> Option<i64> {
    let from = u32::try_from(from).ok().filter(|bit| *bit < 64)?;
    let rest = set & (u64::MAX << from);
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}

/// The day at `time` and the milliseconds since its midnight.
fn day_of(time: Timestamp) -> (Date, i64) {
    let millis = time.as_millis();
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let date = TimeZone::UTC.to_datetime(at).date();
    (date, millis.rem_euclid(DAY))
}

/// Midnight at the start of `date`.
fn midnight(date: Date) -> Timestamp {
    let start = TimeZone::UTC.to_timestamp(DateTime::from(date));
    Timestamp::from_millis(start.map_or(i64::MAX, |t| t.as_millisecond()))
}

impl Schedule {
    /// The first hit strictly after `time`, in the year of the second after `time` or the five years that follow;
    /// `None` beyond, as for 31 February. O(days in between), months that do not match being skipped.
    #[must_use]
    pub fn next(&self, time: Timestamp) -> Option<Timestamp> {
        let coming = time.plus(Span::from_millis(
            1_000 - time.as_millis().rem_euclid(1_000),
        ));
        self.next_until(time, day_of(coming).0.year().saturating_add(YEARS_AHEAD))
    }

    /// As [`next`](Self::next), up to the end of `last_year`.
    fn next_until(&self, time: Timestamp, last_year: i16) -> Option<Timestamp> {
        let (today, since_midnight) = day_of(time);
        let first_minute = since_midnight / MINUTE + 1;
        if self.matches(today)
            && let Some(minute) = self.minute_from(first_minute)
        {
            return Some(midnight(today).plus(Span::from_millis(minute * MINUTE)));
        }
        let minute = self.minute_from(0)?;
        let day = self.next_day(today, last_year)?;
        Some(midnight(day).plus(Span::from_millis(minute * MINUTE)))
    }

    /// The first day after `day` that matches, up to the end of `last_year`.
    fn next_day(&self, day: Date, last_year: i16) -> Option<Date> {
        let mut day = day.tomorrow().ok()?;
        while day.year() <= last_year {
            if !holds(self.months, day.month()) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.matches(day) {
                return Some(day);
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    fn matches(&self, day: Date) -> bool {
        let in_month = holds(self.month_days, day.day());
        let in_week = holds(self.week_days, day.weekday().to_sunday_zero_offset());
        holds(self.months, day.month())
            && if self.both_days {
                in_month && in_week
            } else {
                in_month || in_week
            }
    }

    /// The first hit of a matching day at or after its minute `from`.
    fn minute_from(&self, from: i64) -> Option<i64> {
        let (mut hour, mut minute) = (from.max(0) / 60, from.max(0) % 60);
        loop {
            let next = next_bit(self.hours, hour)?;
            if next > hour {
                (hour, minute) = (next, 0);
            }
            if let Some(found) = next_bit(self.minutes, minute) {
                return Some(hour * 60 + found);
            }
            (hour, minute) = (hour + 1, 0);
        }
    }

    /// The last hit of a matching day.
    fn last_minute(&self) -> Option<i64> {
        let last = |set: u64| set.checked_ilog2().map(i64::from);
        Some(last(self.hours)? * 60 + last(self.minutes)?)
    }

    /// The longest time between two hits that follow each other on one day, in minutes.
    fn longest_gap(&self) -> i64 {
        let mut longest = 0;
        let mut last = self.minute_from(0);
        while let Some(at) = last {
            last = self.minute_from(at + 1);
            longest = longest.max(last.map_or(0, |next| next - at));
        }
        longest
    }

    /// The last hit that follows `hit` on the same day with no gap longer than `window`.
    fn joined_within_day(&self, hit: Timestamp, window: i64, longest_gap: i64) -> Timestamp {
        let (day, since_midnight) = day_of(hit);
        let mut last = since_midnight / MINUTE;
        if longest_gap * MINUTE <= window {
            last = self.last_minute().unwrap_or(last);
        }
        while let Some(next) = self.minute_from(last + 1)
            && (next - last) * MINUTE <= window
        {
            last = next;
        }
        midnight(day).plus(Span::from_millis(last * MINUTE))
    }

    /// Whether a window of length `duration` that a hit opens is open at `now` (D-25): a hit lies in
    /// (`now - duration`, `now`]. A window is also open when the search for a hit after `now - duration` gives up
    /// (D-26).
    #[must_use]
    pub fn is_open(&self, duration: Span, now: Timestamp) -> bool {
        let start = now.plus(Span::from_millis(-duration.as_millis()));
        self.next(start).is_none_or(|hit| hit <= now)
    }

    /// The next moment after `now` at which [`is_open`](Self::is_open) changes; `None` when it does not within ten
    /// years. O(days in between).
    #[must_use]
    pub fn next_change(&self, duration: Span, now: Timestamp) -> Option<Timestamp> {
        if self.never_closes(duration) {
            return None;
        }
        // At the end of time sums saturate, and nothing comes after.
        self.change_from(duration, now).filter(|at| *at > now)
    }

    fn change_from(&self, duration: Span, now: Timestamp) -> Option<Timestamp> {
        let horizon = day_of(now).0.year().saturating_add(HORIZON_YEARS);
        let longest_gap = self.longest_gap();
        // The window is open up to `seen + duration`.
        let mut seen = now.plus(Span::from_millis(-duration.as_millis()));
        loop {
            let end = seen.plus(duration);
            let hit = match self.next(seen) {
                Some(hit) if hit > end && end > now => return Some(end),
                // Closed. A window without length never opens.
                Some(hit) if hit > end => return (duration > Span::ZERO).then_some(hit),
                Some(hit) => hit,
                None => {
                    let hit = self.next_until(seen, horizon)?;
                    // Open because the search gave up, until the hit comes within its reach.
                    let year = day_of(hit).0.year().saturating_sub(YEARS_AHEAD);
                    let reach = midnight(Date::new(year, 1, 1).ok()?).plus(Span::from_secs(-1));
                    if hit > reach.plus(duration) {
                        return Some(reach.plus(duration));
                    }
                    hit
                }
            };
            // At the end of time hits saturate.
            if hit <= seen || day_of(hit).0.year() > horizon {
                return None;
            }
            seen = self.joined_within_day(hit, duration.as_millis(), longest_gap);
        }
    }

    /// Whether every day has hits and no two hits in a row are further apart than `duration`.
    fn never_closes(&self, duration: Span) -> bool {
        let every =
            |set: u64, field: &Field| (field.low..=field.high).all(|bit| set & 1 << bit != 0);
        let (in_month, in_week) = (
            every(self.month_days, &MONTH_DAYS),
            every(self.week_days, &WEEK_DAYS),
        );
        let days = if self.both_days {
            in_month && in_week
        } else {
            in_month || in_week
        };
        if !days || !every(self.months, &MONTHS) {
            return false;
        }
        let (Some(first), Some(last)) = (self.minute_from(0), self.last_minute()) else {
            return false;
        };
        let longest = self.longest_gap().max(24 * 60 - last + first);
        longest * MINUTE <= duration.as_millis()
    }
}
