//! Cron schedules as disruption budgets write them (D-25, D-26): the grammar of the library that Karpenter uses, in UTC.
//!
//! Five fields as [`model::cron`](crate::model::cron) reads them; or `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`,
//! `@midnight`, `@hourly`.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::base::time::{Span, Timestamp};
pub use crate::model::cron::ScheduleError;
use crate::model::cron::fields::{Fields, holds};

/// A search for the next hit gives up after the year so many years on (D-26).
const YEARS_AHEAD: i16 = 5;
/// How far ahead a change of a window is looked for, in years. Schedules repeat within this time but for leap days
/// around a century.
const HORIZON_YEARS: i16 = 10;
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

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
    fields: Fields,
}

impl FromStr for Schedule {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if text.starts_with('@') {
            return described(text);
        }
        Fields::parse(text).map(|fields| Self { fields })
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
        if self.fields.matches(today)
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
            if !holds(self.fields.months, day.month()) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.fields.matches(day) {
                return Some(day);
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    /// The first hit of a matching day at or after its minute `from`.
    fn minute_from(&self, from: i64) -> Option<i64> {
        let (mut hour, mut minute) = (from.max(0) / 60, from.max(0) % 60);
        loop {
            let next = next_bit(self.fields.hours, hour)?;
            if next > hour {
                (hour, minute) = (next, 0);
            }
            if let Some(found) = next_bit(self.fields.minutes, minute) {
                return Some(hour * 60 + found);
            }
            (hour, minute) = (hour + 1, 0);
        }
    }

    /// The last hit of a matching day.
    fn last_minute(&self) -> Option<i64> {
        let last = |set: u64| set.checked_ilog2().map(i64::from);
        Some(last(self.fields.hours)? * 60 + last(self.fields.minutes)?)
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
        if !self.fields.is_daily() {
            return false;
        }
        let (Some(first), Some(last)) = (self.minute_from(0), self.last_minute()) else {
            return false;
        };
        let longest = self.longest_gap().max(24 * 60 - last + first);
        longest * MINUTE <= duration.as_millis()
    }
}
