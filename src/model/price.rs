//! Money as exact decimals.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in US dollars (per hour where it is a price), exact to 10^-15 dollars (M-8). Arithmetic saturates.
///
/// ```
/// use tetrapod::model::price::Price;
/// let a: Price = "0.3147483648".parse().unwrap();
/// let b: Price = "32.38752195".parse().unwrap();
/// assert_eq!((a + b).to_string(), "32.7022703148");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(i128);

const SCALE: i128 = 1_000_000_000_000_000;
const PLACES: usize = 15;

/// Why a price could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a price: a decimal number of dollars such as 7.09")]
#[non_exhaustive]
pub struct PriceError {
    /// What stood there.
    pub found: String,
}

impl Price {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// More than any sum: an upper bound for comparisons.
    pub const MAX: Self = Self(i128::MAX);

    /// The amount of `femto` x 10^-15 dollars.
    #[must_use]
    pub const fn from_femto(femto: i128) -> Self {
        Self(femto)
    }

    /// The amount in 10^-15 dollars.
    #[must_use]
    pub const fn as_femto(self) -> i128 {
        self.0
    }

    /// The decimal that prints as `value` does (the shortest one that reads back as the same float), so that a price
    /// written in JSON means what its author wrote.
    ///
    /// # Errors
    /// If `value` is not finite or beyond 10^20 dollars.
    pub fn from_f64(value: f64) -> Result<Self, PriceError> {
        if !value.is_finite() || value.abs() > 1e20 {
            return Err(PriceError {
                found: value.to_string(),
            });
        }
        // Display of f64 never uses an exponent and is the shortest decimal that round-trips.
        value.to_string().parse()
    }

    /// The nearest float, for ratios and for JSON.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
    pub fn as_f64(self) -> f64 {
        // Through the decimal text, so that 0.204 comes back as 0.204 and not as a neighbour.
        self.to_string()
            .parse()
            .unwrap_or(self.0 as f64 / SCALE as f64)
    }

    /// `times` of this amount, saturating.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(times)))
    }
}

impl FromStr for Price {
    type Err = PriceError;
    /// Reads `[+-]digits[.digits][e[+-]digits]`; places beyond the fifteenth are rounded half away from zero.
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let bad = || PriceError {
            found: text.chars().take(80).collect(),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
            None => (text, 0),
        };
        if exponent.abs() > 40 || text.len() > 80 {
            return Err(bad());
        }
        let (negative, digits) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return Err(bad());
        }
        let point = i32::try_from(whole.len()).map_err(|_| bad())? + exponent;
        let all = format!("{whole}{fraction}");
        let wanted = point + i32::try_from(PLACES).map_err(|_| bad())?;
        let mut value: i128 = 0;
        for at in 0..wanted.max(0) {
            let digit = usize::try_from(at)
                .ok()
                .and_then(|at| all.as_bytes().get(at))
                .map_or(0, |b| b - b'0');
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i128::from(digit)))
                .ok_or_else(bad)?;
        }
        if let Some(next) = usize::try_from(wanted)
            .ok()
            .and_then(|at| all.as_bytes().get(at))
            && *next >= b'5'
        {
            value += 1;
        }
        Ok(Self(if negative { -value } else { value }))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let scale = SCALE.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let mut places = format!("{:015}", magnitude % scale);
        while places.ends_with('0') {
            places.pop();
        }
        if let Some(precision) = f.precision() {
            let step = 10u128.pow(u32::try_from(PLACES.saturating_sub(precision)).unwrap_or(0));
            let rounded = (magnitude + step / 2) / step * step;
            let fixed = format!("{:015}", rounded % scale);
            let shown = fixed.get(..precision.min(PLACES)).unwrap_or("");
            let dot = if shown.is_empty() { "" } else { "." };
            return f.pad_integral(true, "", &format!("{sign}{}{dot}{shown}", rounded / scale));
        }
        let dot = if places.is_empty() { "" } else { "." };
        f.pad_integral(
            true,
            "",
            &format!("{sign}{}{dot}{places}", magnitude / scale),
        )
    }
}

impl Add for Price {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Price {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Price {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Price {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Price;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price in dollars")
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Price, E> {
                Price::from_f64(v).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Price, E> {
                Ok(Price(i128::from(v).saturating_mul(SCALE)))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Price, E> {
                Ok(Price(i128::from(v).saturating_mul(SCALE)))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Price, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}
