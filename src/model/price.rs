//! Money as exact decimals.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::decimal::Decimal;

/// An amount in US dollars (per hour where it is a price), exact to 10^-15 dollars (M-8). Arithmetic saturates.
///
/// In JSON a price is a number: the nearest float, which reads back exactly up to 15 significant digits. Numbers and
/// strings are read.
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
const PLACES: u8 = 15;

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
    /// If `value` is not finite or beyond 10^20 dollars. Amounts below 10^-15 dollars are rounded.
    pub fn from_f64(value: f64) -> Result<Self, PriceError> {
        if !value.is_finite() || value.abs() > 1e20 {
            return Err(PriceError {
                found: value.to_string(),
            });
        }
        // Display of f64 never uses an exponent and is the shortest decimal that round-trips.
        value.to_string().parse()
    }

    /// The nearest float, for ratios and for JSON: 0.204 comes back as 0.204 and not as a neighbour. O(1) for prices of up
    /// to 18,446 dollars and for those of up to fifteen significant digits; others go through their decimal text.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
    pub fn as_f64(self) -> f64 {
        if let Ok(whole) = u64::try_from(self.0.unsigned_abs()) {
            let (mut digits, mut scale) = (whole, SCALE.unsigned_abs() as f64);
            while digits >= EXACT && digits.is_multiple_of(10) && scale > 1.0 {
                digits /= 10;
                scale /= 10.0;
            }
            let magnitude = if digits < EXACT {
                // Both are exact and division rounds to the nearest.
                digits as f64 / scale
            } else {
                // At least ten bits more than a float has, the last one set if anything is left over: rounds as the whole.
                let (shifted, scale) = (u128::from(whole) << SHIFT, SCALE.unsigned_abs());
                let sticky = u128::from(shifted % scale > 0);
                ((shifted / scale) | sticky) as f64 / (1u64 << SHIFT) as f64
            };
            return if self.0 < 0 { -magnitude } else { magnitude };
        }
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

/// Integers below this are floats exactly: 2^53.
const EXACT: u64 = 1 << 53;

/// By how many bits a 64-bit amount is shifted before it is divided by [`SCALE`].
const SHIFT: u32 = 63;

impl FromStr for Price {
    type Err = PriceError;
    /// Reads `[+-]digits[.digits][e[+-]digits]`; places beyond the fifteenth are rounded half away from zero. O(length).
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let read = || {
            let (negative, number, rest) = Decimal::split(text)?;
            let exponent: i32 = match rest.strip_prefix(['e', 'E']) {
                Some(exponent) => exponent.parse().ok()?,
                None if rest.is_empty() => 0,
                None => return None,
            };
            let number = number.shifted(i64::from(PLACES) + i64::from(exponent));
            let half_up = u128::from(number.decimal_place(0) >= 5);
            let magnitude = i128::try_from(number.floor().checked_add(half_up)?).ok()?;
            Some(Self(if negative { -magnitude } else { magnitude }))
        };
        read().ok_or_else(|| PriceError {
            found: text.chars().take(60).collect(),
        })
    }
}

impl fmt::Display for Price {
    /// All places without trailing zeros, or as many as the precision asks for (at most 15), rounded half away from
    /// zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = SCALE.unsigned_abs();
        let mut magnitude = self.0.unsigned_abs();
        let places = match f.precision() {
            Some(precision) => {
                let dropped = usize::from(PLACES).saturating_sub(precision);
                let step = 10u128.pow(u32::try_from(dropped).unwrap_or(0));
                magnitude = (magnitude + step / 2) / step * step;
                let mut places = format!("{:015}", magnitude % scale);
                places.truncate(precision);
                places
            }
            None => {
                let mut places = format!("{:015}", magnitude % scale);
                places.truncate(places.trim_end_matches('0').len());
                places
            }
        };
        let dot = if places.is_empty() { "" } else { "." };
        let text = format!("{}{dot}{places}", magnitude / scale);
        f.pad_integral(self.0 >= 0 || magnitude == 0, "", &text)
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
