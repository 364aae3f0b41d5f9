//! Distributions counted in bins: memory does not grow with what is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::result::Distribution;

/// Counts of values in bins that are 1/16 of an octave wide at most; values below a millisecond are one bin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Histogram {
    /// Bin by number, counts.
    bins: BTreeMap<u32, u64>,
    count: u64,
    sum: f64,
    max: f64,
}

/// The bin of `seconds`: 16 equal parts of each octave of milliseconds.
fn bin(seconds: f64) -> u32 {
    let millis = super::trace::whole((seconds * 1000.0).max(0.0));
    let millis = u64::try_from(millis).unwrap_or(0);
    if millis < 16 {
        return u32::try_from(millis).unwrap_or(0);
    }
    let octave = 63 - millis.leading_zeros();
    let within = (millis >> (octave - 4)) & 15;
    (octave - 3) * 16 + u32::try_from(within).unwrap_or(0)
}

/// The largest value of a bin in seconds.
fn upper(bin: u32) -> f64 {
    if bin < 16 {
        return f64::from(bin) / 1000.0;
    }
    let octave = bin / 16 + 3;
    let within = u64::from(bin % 16);
    let least = (16 + within) << (octave - 4);
    let width = 1u64 << (octave - 4);
    super::trace::real(i64::try_from(least + width - 1).unwrap_or(i64::MAX)) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

impl Histogram {
    /// Counts `seconds` `times` times.
    pub(super) fn add(&mut self, seconds: f64, times: u64) {
        if times == 0 {
            return;
        }
        *self.bins.entry(bin(seconds)).or_insert(0) += times;
        self.count += times;
        self.sum += seconds * float(times);
        self.max = self.max.max(seconds);
    }

    /// The figures. A percentile is the largest value of the bin in which it lies, and never above the largest counted.
    pub(super) fn distribution(&self) -> Distribution {
        let at = |share: f64| {
            let mut left = (float(self.count) * share).ceil();
            for (bin, count) in &self.bins {
                left -= float(*count);
                if left <= 0.0 {
                    return upper(*bin).min(self.max);
                }
            }
            self.max
        };
        if self.count == 0 {
            return Distribution::default();
        }
        Distribution {
            count: self.count,
            mean: self.sum / float(self.count),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_seven_percent_and_the_mean_is_exact() {
        let mut histogram = Histogram::default();
        for value in 1..=1000u32 {
            histogram.add(f64::from(value), 1);
        }
        let figures = histogram.distribution();
        assert!((figures.mean - 500.5).abs() < 1e-9);
        for (found, exact) in [
            (figures.p50, 500.0),
            (figures.p90, 900.0),
            (figures.p99, 990.0),
        ] {
            assert!(
                found >= exact && found <= exact * 1.0667,
                "{found} for {exact}"
            );
        }
        assert!((figures.max - 1000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_value_is_not_above_the_end_of_its_bin() {
        for millis in [0u32, 1, 15, 16, 17, 31, 32, 33, 1000, 123_456] {
            let seconds = f64::from(millis) / 1000.0;
            assert!(upper(bin(seconds)) >= seconds, "{millis}");
            assert!(upper(bin(seconds)) <= seconds * 1.0667 + 1e-9, "{millis}");
        }
    }
}
