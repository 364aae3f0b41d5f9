//! The few conversions between counts and doubles, in Go's way where that is defined and saturating where it is not.

use crate::model::quantity::Quantity;

/// A 64-bit integer as a double, rounded to the nearest.
#[expect(
    clippy::cast_precision_loss,
    reason = "Kubernetes computes with doubles"
)]
pub(super) const fn double(value: i64) -> f64 {
    value as f64
}

/// A double cut to a 64-bit integer; NaN is 0, what is too large saturates.
#[expect(clippy::cast_possible_truncation, reason = "cut on purpose")]
pub(super) const fn cut(value: f64) -> i64 {
    value as i64
}

/// A 64-bit integer as a replica count, saturating.
pub(super) fn count(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// A double rounded up to a replica count, saturating; NaN is 0.
pub(super) fn count_up(value: f64) -> i32 {
    count(cut(value.ceil()))
}

/// A quantity in thousandths, rounded up as Kubernetes does, saturating.
pub(super) fn milli(quantity: Quantity) -> i64 {
    let nanos = quantity.as_nanos();
    let up = nanos.div_euclid(1_000_000) + i128::from(nanos.rem_euclid(1_000_000) != 0);
    clamp(up)
}

/// A wide integer as a 64-bit one, saturating.
pub(super) fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// A quantity as Kubernetes turns it into a double: its digits without the zeros that a suffix stands for, times a power
/// of ten. That is one rounding more than the nearest double has.
pub(super) fn approximate(quantity: Quantity) -> f64 {
    let mut digits = quantity.as_nanos();
    let mut power = -9;
    while digits != 0 && digits % 1_000 == 0 && power < 0 {
        digits /= 1_000;
        power += 3;
    }
    let scale = match power {
        -9 => 1e-9,
        -6 => 1e-6,
        -3 => 1e-3,
        _ => 1.0,
    };
    double(clamp(digits)) * scale
}

/// The decimals of a double rounded to thousandths, from its exact binary value, halves to even; saturating (K-52).
pub(super) fn rounded_milli(value: f64) -> i64 {
    // The standard library prints the exact value, correctly rounded.
    let text = format!("{value:.3}");
    let negative = text.starts_with('-');
    let digits = text.bytes().filter(u8::is_ascii_digit);
    let milli = digits.fold(0_i64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    if negative { -milli } else { milli }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_rounded_from_the_exact_value_k52() {
        let cases = [
            (1.2345, 1_234),
            (0.0015, 2),
            (0.0625, 62),
            (0.1875, 188),
            (0.0005, 1),
            (1e15, 1_000_000_000_000_000_000),
            (1e16, i64::MAX),
            (1e300, i64::MAX),
            (-1.0, -1_000),
        ];
        for (value, milli) in cases {
            assert_eq!(rounded_milli(value), milli, "{value}");
        }
    }

    #[test]
    fn what_does_not_fit_saturates() {
        assert_eq!(count_up(f64::INFINITY), i32::MAX);
        assert_eq!(count_up(f64::NEG_INFINITY), i32::MIN);
        assert_eq!(count_up(f64::NAN), 0);
        assert_eq!(count_up(1.000_000_1), 2);
        assert_eq!(milli("1e30".parse().unwrap()), i64::MAX);
        assert_eq!(milli("1u".parse().unwrap()), 1);
        assert_eq!(milli("-1500u".parse().unwrap()), -1);
    }

    #[test]
    fn a_tolerance_is_the_double_that_kubernetes_uses_k6() {
        for (text, value) in [
            ("100m", 0.1),
            ("0.1", 0.1),
            ("33m", 0.033),
            ("2", 2.0),
            ("0", 0.0),
            ("50m", 0.05),
        ] {
            let quantity: Quantity = text.parse().unwrap();
            assert!((approximate(quantity) - value).abs() < 1e-18, "{text}");
        }
    }
}
