//! Kubernetes quantities, exact.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::decimal::Decimal;

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
/// As in Kubernetes, digits finer than a nano-unit round up in magnitude, and a binary suffix reaches up to 2^63 - 1
/// units. Equality and order look at the value only. Everything else saturates at about 1.7e29 units, far above what any
/// object can hold. Copying, comparing and arithmetic are O(1) and allocate nothing.
///
/// ```
/// use tetrapod::model::quantity::Quantity;
/// let a: Quantity = "1500m".parse().unwrap();
/// let b: Quantity = "1.5".parse().unwrap();
/// assert_eq!(a, b);
/// assert_eq!((a + b).to_string(), "3");
/// assert_eq!("1Gi".parse::<Quantity>().unwrap(), "1073741824".parse().unwrap());
/// assert_eq!("0.5Gi".parse::<Quantity>().unwrap().to_string(), "512Mi");
/// ```
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

const NANO: i128 = 1_000_000_000;
/// Where Kubernetes caps a quantity written with a binary suffix: 2^63 - 1 units.
const BINARY_CAP: u128 = i64::MAX.unsigned_abs() as u128 * NANO.unsigned_abs();

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

    /// The same value printed as `format` says.
    #[must_use]
    pub const fn with_format(self, format: Format) -> Self {
        Self {
            nanos: self.nanos,
            format,
        }
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
        if self.nanos % NANO == 0 {
            return (self.nanos / NANO) as f64;
        }
        self.nanos as f64 / NANO as f64
    }
}

/// What a suffix multiplies by: a power of ten, a power of two, and the format it stands for.
fn suffix(text: &str) -> Option<(i32, u32, Format)> {
    let decimal = |power| Some((power, 0, Format::DecimalSi));
    let binary = |bits| Some((0, bits, Format::BinarySi));
    match text {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let power = text.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((power, 0, Format::DecimalExponent))
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    /// `[+-]digits[.digits]` with a suffix or a decimal exponent. O(length).
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let parts = Decimal::split(text).and_then(|(negative, number, rest)| {
            let (power, bits, format) = suffix(rest)?;
            Some((negative, number.shifted(9 + i64::from(power)), bits, format))
        });
        let Some((negative, number, bits, mut format)) = parts else {
            return Err(QuantityError {
                found: text.chars().take(60).collect(),
            });
        };
        let mut magnitude = ceil_of_scaled(&number, bits);
        if format == Format::BinarySi {
            magnitude = magnitude.min(BINARY_CAP);
            if magnitude < NANO.unsigned_abs() && magnitude > 0 {
                format = Format::DecimalSi;
            }
        }
        let nanos = if negative {
            0i128.checked_sub_unsigned(magnitude).unwrap_or(i128::MIN)
        } else {
            i128::try_from(magnitude).unwrap_or(i128::MAX)
        };
        Ok(Self { nanos, format })
    }
}

/// `number x 2^bits`, rounded up to a whole number, saturating.
fn ceil_of_scaled(number: &Decimal<'_>, bits: u32) -> u128 {
    // Doubled at most 60 times, 60 places decide whether something is left over; what stands behind them only tells
    // that the result is not whole.
    const PLACES: u16 = 60;
    let mut value = number.floor();
    if !number.has_more_from(0) {
        return value.saturating_mul(1 << bits);
    }
    let mut places: Vec<u8> = (0..PLACES).map(|at| number.decimal_place(at)).collect();
    for _ in 0..bits {
        let mut carry = 0;
        for digit in places.iter_mut().rev() {
            let twice = *digit * 2 + carry;
            *digit = twice % 10;
            carry = twice / 10;
        }
        value = value.saturating_mul(2).saturating_add(u128::from(carry));
    }
    let left = places.iter().any(|digit| *digit != 0) || number.has_more_from(PLACES);
    value.saturating_add(u128::from(left))
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest suffix that leaves a whole number. As in Kubernetes, binary quantities below
    /// 1024 or with a fraction are printed with decimal suffixes, and what exceeds `E` with an exponent; so are binary
    /// sums too large to be read back with a binary suffix.
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
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let mut number = self.nanos.unsigned_abs();
        if number == 0 {
            return f.pad_integral(true, "", "0");
        }
        let positive = self.nanos > 0;
        let nano = NANO.unsigned_abs();
        if self.format == Format::BinarySi
            && number.is_multiple_of(nano)
            && (1024 * nano..=BINARY_CAP).contains(&number)
        {
            let units = number / nano;
            let (name, bits) = BINARY
                .into_iter()
                .find(|(_, bits)| units.trailing_zeros() >= *bits)
                .unwrap_or(("", 0));
            return f.pad_integral(positive, "", &format!("{}{name}", units >> bits));
        }
        let mut power = -9i32;
        while number.is_multiple_of(1000) {
            number /= 1000;
            power += 3;
        }
        let name = usize::try_from((power + 9) / 3)
            .ok()
            .and_then(|at| DECIMAL.get(at));
        let text = match (self.format, name) {
            (Format::DecimalSi | Format::BinarySi, Some(name)) => format!("{number}{name}"),
            _ if power == 0 => number.to_string(),
            _ => format!("{number}e{power}"),
        };
        f.pad_integral(positive, "", &text)
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
                // An API server ignores blanks around a quantity in JSON, though not elsewhere.
                v.trim().parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}
