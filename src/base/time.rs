//! Points in time and spans as values. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rfc3339;

/// A point in time: milliseconds since the Unix epoch, UTC. Read and written as RFC 3339; finer digits are cut off.
/// Every operation stays within what that form can express, about the years -9999 to 9999.
///
/// ```
/// use tetrapod::base::time::{Span, Timestamp};
/// let t: Timestamp = "2026-01-01T01:00:00+01:00".parse().unwrap();
/// assert_eq!(t.plus(Span::from_secs(90)).to_string(), "2026-01-01T00:01:30Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after the Unix epoch, saturating.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let first = jiff::Timestamp::MIN.as_millisecond();
        let last = jiff::Timestamp::MAX.as_millisecond();
        Self(millis.clamp(first, last))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This point moved by `span`, saturating.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this point, saturating.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Why a time or a duration could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
#[non_exhaustive]
pub struct TimeError {
    /// What stood there.
    pub found: String,
    /// What is accepted.
    pub expected: &'static str,
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Some(millis) = rfc3339::read(text.as_bytes()) {
            return Ok(Self(millis));
        }
        text.parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|_| TimeError {
                found: text.to_owned(),
                expected: "an RFC 3339 time such as 2026-01-01T00:00:00Z",
            })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((text, length)) = rfc3339::write(self.0)
            && let Some(Ok(text)) = text.get(..length).map(std::str::from_utf8)
        {
            return f.write_str(text);
        }
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

/// A length of time in milliseconds. Read and written as a Go duration (`1h30m`, `90s`, `250ms`); finer parts are cut
/// off. As in Go no span exceeds 2^63 nanoseconds, about 292 years: what is read is refused beyond that, and arithmetic
/// saturates.
///
/// ```
/// use tetrapod::base::time::Span;
/// let span: Span = "1.5h".parse().unwrap();
/// assert_eq!(span.as_millis(), 5_400_000);
/// assert_eq!(span.to_string(), "1h30m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest span in milliseconds.
const LONGEST: i64 = i64::MAX / 1_000_000;

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span of `millis` milliseconds, saturating.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis > LONGEST {
            LONGEST
        } else if millis < -LONGEST {
            -LONGEST
        } else {
            millis
        })
    }

    /// A span of `seconds` seconds, saturating.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1_000))
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let bad = || TimeError {
            found: text.to_owned(),
            expected: "a Go duration such as 30s, 5m or 1h30m",
        };
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut nanos: i128 = 0;
        while !rest.is_empty() {
            let number_len = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(bad)?;
            let (number, tail) = rest.split_at(number_len);
            let unit_len = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_len);
            let scale = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, scale)| *scale)
                .ok_or_else(bad)?;
            nanos = nanos.saturating_add(scaled(number, scale).ok_or_else(bad)?);
            rest = next;
        }
        let nanos = i64::try_from(nanos).map_err(|_| bad())?;
        let millis = nanos / 1_000_000;
        Ok(Self(if negative { -millis } else { millis }))
    }
}

/// `number` (digits with at most one point) times `scale`, cut off to whole nanoseconds.
fn scaled(number: &str, scale: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| -> Option<i128> {
        text.bytes().try_fold(0i128, |value, byte| {
            value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))
        })
    };
    // Eighteen places of an hour are far below a nanosecond.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let places = u32::try_from(fraction.len()).ok()?;
    let scale = i128::from(scale);
    digits(whole)?
        .checked_mul(scale)?
        .checked_add(digits(fraction)? * scale / 10i128.pow(places))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let total = self.0.unsigned_abs();
        let (hours, minutes, seconds, millis) = (
            total / 3_600_000,
            total / 60_000 % 60,
            total / 1_000 % 60,
            total % 1_000,
        );
        for (value, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (millis, "ms")] {
            if value > 0 {
                write!(f, "{value}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
