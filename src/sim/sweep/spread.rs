//! Figures of many runs: mean and spread of each, and what is not beaten.

use serde::{Deserialize, Serialize};

use crate::sim::world::result::Totals;

/// A figure of a run, by its name in JSON.
pub type Figure = (&'static str, fn(&Totals) -> f64);

/// The figures that are summed up, the most important first.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub const FIGURES: [Figure; 14] = [
    ("cost", |t| t.cost.as_f64()),
    ("sloAttainment", |t| t.slo_attainment),
    ("queueDelayP50Seconds", |t| t.queue_delay_seconds.p50),
    ("queueDelayP99Seconds", |t| t.queue_delay_seconds.p99),
    ("pendingP99Seconds", |t| t.pending_seconds.p99),
    ("timeToCapacityP90Seconds", |t| {
        t.time_to_capacity_seconds.p90
    }),
    ("gpuUtilisation", |t| t.gpu_utilisation),
    ("cpuUtilisation", |t| t.cpu_utilisation),
    ("gpuFragmentation", |t| t.gpu_fragmentation),
    ("nodeHours", |t| t.node_hours),
    ("nodesLaunched", |t| t.nodes_launched as f64),
    ("launchesFailed", |t| t.launches_failed as f64),
    ("evictions", |t| t.evictions as f64),
    ("requestsServed", |t| t.requests_served as f64),
];

/// How a figure is spread over runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the runs about it (n - 1), 0 of a single run.
    pub deviation: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// The spread of `values`, in this order; zeros of none. Only `+ - * /` and the square root, so that it is the same
    /// everywhere.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let Some(first) = values.first() else {
            return Self::default();
        };
        let (mut sum, mut count) = (0.0, 0.0);
        let (mut least, mut most) = (*first, *first);
        for value in values {
            sum += value;
            count += 1.0;
            least = least.min(*value);
            most = most.max(*value);
        }
        let mean: f64 = sum / count;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let deviation = if count > 1.0 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        Self {
            mean,
            deviation,
            least,
            most,
        }
    }
}

/// Of points of cost and SLO attainment, per point whether no other one is at least as good in both and better in one.
/// O(points^2).
#[must_use]
pub fn front(points: &[(f64, f64)]) -> Vec<bool> {
    let beaten = |(cost, slo): &(f64, f64)| {
        points.iter().any(|(other_cost, other_slo)| {
            other_cost <= cost && other_slo >= slo && (other_cost < cost || other_slo > slo)
        })
    };
    points.iter().map(|point| !beaten(point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_what_statistics_says() {
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((spread.mean - 5.0).abs() < 1e-12);
        assert!((spread.deviation - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!((spread.least - 2.0).abs() < 1e-12 && (spread.most - 9.0).abs() < 1e-12);
        assert!(Spread::of(&[3.0]).deviation.abs() < 1e-12);
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn only_what_is_beaten_in_both_leaves_the_front() {
        let points = [(1.0, 0.9), (2.0, 0.99), (2.5, 0.95), (3.0, 1.0), (1.0, 0.8)];
        assert_eq!(front(&points), [true, true, false, true, false]);
        assert_eq!(front(&[(1.0, 0.5), (1.0, 0.5)]), [true, true]);
        assert_eq!(front(&[]), Vec::<bool>::new());
    }
}
