//! The five fields of a cron schedule, as the library reads them that Karpenter and KEDA share.
//!
//! Minute, hour, day of month, month, day of week (0 is Sunday, 7 is an error). A field is a list of `*`, `?`, `n` and
//! `lo-hi`, each with an optional `/step`; months and days have three-letter names. Where one of the two day fields is open
//! (`*` or `?`, also with step 1) a day must suit both; else either will do. `*/2` is not open.

use jiff::civil::Date;

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

/// The values of each field as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) minutes: u64,
    pub(crate) hours: u64,
    pub(crate) month_days: u64,
    pub(crate) months: u64,
    pub(crate) week_days: u64,
    /// Whether one of the day fields is open, so that a day must suit both.
    pub(crate) both_days: bool,
}

impl Fields {
    /// Reads five fields.
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
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

    /// Whether the schedule names hours of `day`.
    pub(crate) fn matches(&self, day: Date) -> bool {
        let in_month = holds(self.month_days, day.day());
        let in_week = holds(self.week_days, day.weekday().to_sunday_zero_offset());
        holds(self.months, day.month())
            && if self.both_days {
                in_month && in_week
            } else {
                in_month || in_week
            }
    }

    /// Whether it names every day there is.
    pub(crate) fn is_daily(&self) -> bool {
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
        days && every(self.months, &MONTHS)
    }
}

/// Whether `value` is among the bits of `set`.
pub(crate) fn holds(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|bit| set & (1u64 << (bit & 63)) != 0)
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
