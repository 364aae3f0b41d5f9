//! Kubernetes quantities, exact.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How a quantity was written, and so how it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes has exactly these three"
)]
pub enum Format {
    /// `1500m`, `2`, `3k`, `1.5G`
    #[default]
    DecimalSi,
    /// `512Mi`, `2Gi`
    BinarySi,
    /// `1e3`, `5E-1`
    DecimalExponent,
}

/// An exact Kubernetes quantity: a whole number of nano-units (S-13).
///
/// As in Kubernetes, digits finer than a nano-unit round up in magnitude. Equality and order look at the value only.
/// Arithmetic saturates at about 1.7e29 units, far above what any object can hold.
///
/// ```
/// use tetrapod::model::quantity::Quantity;
/// let a: Quantity = "1500m".parse().unwrap();
/// let b: Quantity = "1.5".parse().unwrap();
/// assert_eq!(a, b);
/// assert_eq!("1Gi".parse::<Quantity>().unwrap(), "1073741824".parse().unwrap());
/// ```
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

const NANO: i128 = 1_000_000_000;

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a quantity: a decimal number with an optional suffix n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent e3"
)]
#[non_exhaustive]
pub struct QuantityError {
    /// What stood there (shortened).
    pub found: String,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self {
        nanos: 0,
        format: Format::DecimalSi,
    };

    /// A whole number of units.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self {
            nanos: units as i128 * NANO,
            format: Format::DecimalSi,
        }
    }

    /// A whole number of thousandths.
    #[must_use]
    pub const fn from_milli(milli: i64) -> Self {
        Self {
            nanos: milli as i128 * (NANO / 1_000),
            format: Format::DecimalSi,
        }
    }

    /// A whole number of units printed with binary suffixes (bytes).
    #[must_use]
    pub const fn from_bytes(bytes: i64) -> Self {
        Self {
            nanos: bytes as i128 * NANO,
            format: Format::BinarySi,
        }
    }

    /// The value in nano-units.
    #[must_use]
    pub const fn as_nanos(self) -> i128 {
        self.nanos
    }

    /// A quantity of `nanos` nano-units.
    #[must_use]
    pub const fn from_nanos(nanos: i128) -> Self {
        Self {
            nanos,
            format: Format::DecimalSi,
        }
    }

    /// The value in whole units, rounded up, saturating.
    #[must_use]
    pub fn units_ceil(self) -> i64 {
        let up = self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) != 0);
        i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether the value is 0.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether the value is below 0.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// How the quantity is printed.
    #[must_use]
    pub const fn format(self) -> Format {
        self.format
    }

    /// `times` of this quantity, saturating.
    #[must_use]
    pub const fn times(self, times: i64) -> Self {
        Self {
            nanos: self.nanos.saturating_mul(times as i128),
            format: self.format,
        }
    }

    /// The value in units as a float, for ratios in text.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }
}

/// What a suffix multiplies by: nano-units per unit as numerator, or a decimal exponent.
fn suffix(text: &str) -> Option<(i128, Format)> {
    Some(match text {
        "n" => (1, Format::DecimalSi),
        "u" => (1_000, Format::DecimalSi),
        "m" => (1_000_000, Format::DecimalSi),
        "" => (NANO, Format::DecimalSi),
        "k" => (NANO * 1_000, Format::DecimalSi),
        "M" => (NANO * 1_000_000, Format::DecimalSi),
        "G" => (NANO * 1_000_000_000, Format::DecimalSi),
        "T" => (NANO * 1_000_000_000_000, Format::DecimalSi),
        "P" => (NANO * 1_000_000_000_000_000, Format::DecimalSi),
        "E" => (NANO * 1_000_000_000_000_000_000, Format::DecimalSi),
        "Ki" => (NANO << 10, Format::BinarySi),
        "Mi" => (NANO << 20, Format::BinarySi),
        "Gi" => (NANO << 30, Format::BinarySi),
        "Ti" => (NANO << 40, Format::BinarySi),
        "Pi" => (NANO << 50, Format::BinarySi),
        "Ei" => (NANO << 60, Format::BinarySi),
        _ => return None,
    })
}

impl FromStr for Quantity {
    type Err = QuantityError;
    /// `[+-]digits[.digits]` with a suffix or a decimal exponent. O(length).
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError {
            found: text.chars().take(60).collect(),
        };
        let (negative, body) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = body
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(body.len());
        let (number, tail) = body.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(bad());
        }
        let (unit, shift, format) = match suffix(tail) {
            Some((unit, format)) => (unit, 0, format),
            None => match tail.strip_prefix(['e', 'E']).map(str::parse::<i32>) {
                Some(Ok(exponent)) => (NANO, exponent, Format::DecimalExponent),
                _ => return Err(bad()),
            },
        };
        let nanos = decimal(whole, fraction, unit, shift);
        Ok(Self {
            nanos: if negative { -nanos } else { nanos },
            format,
        })
    }
}

/// `whole.fraction x 10^shift x unit`, rounded up to a whole number, saturating.
fn decimal(whole: &str, fraction: &str, unit: i128, shift: i32) -> i128 {
    let digits = || {
        whole
            .bytes()
            .chain(fraction.bytes())
            .map(|b| i128::from(b - b'0'))
    };
    let mut places = i64::try_from(fraction.len())
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::from(shift));
    // Digits are consumed exactly while they fit; what is cut off below only decides the rounding.
    let mut mantissa: i128 = 0;
    let mut cut = false;
    let mut full = false;
    for digit in digits() {
        if !full
            && let Some(next) = mantissa.checked_mul(10).and_then(|m| m.checked_add(digit))
            && next < i128::MAX >> 64
        {
            mantissa = next;
        } else {
            full = true;
            places = places.saturating_sub(1);
            cut |= digit != 0;
        }
    }
    let mut value = match mantissa.checked_mul(unit) {
        Some(value) => value,
        None if places <= 0 => return i128::MAX,
        None => {
            // Too many digits for one product: give up digits below a nano-unit first.
            let mut mantissa = mantissa;
            while places > 0 && mantissa.checked_mul(unit).is_none() {
                cut |= mantissa % 10 != 0;
                mantissa /= 10;
                places -= 1;
            }
            match mantissa.checked_mul(unit) {
                Some(value) => value,
                None => return i128::MAX,
            }
        }
    };
    while places > 0 && value > 0 {
        cut |= value % 10 != 0;
        value /= 10;
        places -= 1;
    }
    while places < 0 && value != 0 {
        match value.checked_mul(10) {
            Some(next) => value = next,
            None => return i128::MAX,
        }
        places += 1;
    }
    value.saturating_add(i128::from(cut))
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest suffix that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(&str, u32); 7] = [
            ("Ei", 60),
            ("Pi", 50),
            ("Ti", 40),
            ("Gi", 30),
            ("Mi", 20),
            ("Ki", 10),
            ("", 0),
        ];
        const DECIMAL: [(&str, u32); 10] = [
            ("E", 27),
            ("P", 24),
            ("T", 21),
            ("G", 18),
            ("M", 15),
            ("k", 12),
            ("", 9),
            ("m", 6),
            ("u", 3),
            ("n", 0),
        ];
        let sign = if self.nanos < 0 { "-" } else { "" };
        let magnitude = self.nanos.unsigned_abs();
        if magnitude == 0 {
            return f.pad("0");
        }
        if self.format == Format::BinarySi && magnitude.is_multiple_of(NANO.unsigned_abs()) {
            let units = magnitude / NANO.unsigned_abs();
            for (name, bits) in BINARY {
                if units.trailing_zeros() >= bits {
                    return f.pad(&format!("{sign}{}{name}", units >> bits));
                }
            }
        }
        for (name, exponent) in DECIMAL {
            let scale = 10u128.pow(exponent);
            if magnitude.is_multiple_of(scale) {
                let name = match (self.format, exponent) {
                    (Format::DecimalExponent, 9) => String::new(),
                    (Format::DecimalExponent, _) => format!("e{}", i64::from(exponent) - 9),
                    _ => name.to_owned(),
                };
                return f.pad(&format!("{sign}{}{name}", magnitude / scale));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let format = if self.nanos == 0 {
            other.format
        } else {
            self.format
        };
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            format,
        }
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        let format = if self.nanos == 0 {
            other.format
        } else {
            self.format
        };
        Self {
            nanos: self.nanos.saturating_sub(other.nanos),
            format,
        }
    }
}

impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            nanos: self.nanos.saturating_neg(),
            format: self.format,
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 1500m or 2Gi")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Quantity, E> {
                Ok(Quantity::from_units(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Quantity, E> {
                Ok(Quantity::from_nanos(i128::from(v).saturating_mul(NANO)))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Quantity, E> {
                v.to_string().parse().map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Quantity, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}
