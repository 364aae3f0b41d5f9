//! Axes: where ticks stand and what they say. Only `+ - * /`, so that a page is the same on every machine.

use crate::base::time::{Span, Timestamp};

/// Ticks of an axis that starts at 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ticks {
    /// The end of the axis.
    pub(super) top: f64,
    /// Values with a line and a label, 0 among them.
    pub(super) at: Vec<f64>,
}

/// Three to five ticks for values up to `most`; whole numbers where `whole`.
pub(super) fn ticks(most: f64, whole: bool) -> Ticks {
    let most = if most.is_finite() && most > 0.0 {
        most.min(1e15)
    } else {
        1.0
    };
    let mut step = 1e-6;
    'found: loop {
        for factor in [1.0, 2.0, 5.0] {
            let candidate = step * factor;
            if most <= candidate * 4.0 && !(whole && candidate < 1.0) {
                step = candidate;
                break 'found;
            }
        }
        step *= 10.0;
    }
    let mut at = vec![0.0];
    let mut count = 0.0;
    while count * step < most {
        count += 1.0;
        at.push(count * step);
    }
    Ticks {
        top: count * step,
        at,
    }
}

/// Steps between ticks of time, in seconds.
const STEPS: [i64; 17] = [
    1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000, 31_536_000,
];
/// Most ticks of time: so many labels fit on a phone.
const MOST_TIME_TICKS: i64 = 5;

/// Where round times of day lie between `start` and `seconds` later, as shares of that, with what they are called.
pub(super) fn times(start: Timestamp, seconds: f64) -> Vec<(f64, String)> {
    if !seconds.is_finite() || seconds <= 0.0 {
        return Vec::new();
    }
    let whole = seconds.min(1e11) as i64;
    let step = STEPS
        .into_iter()
        .find(|step| whole / step < MOST_TIME_TICKS)
        .unwrap_or_else(|| {
            let years = STEPS[STEPS.len() - 1];
            years * (whole / (years * MOST_TIME_TICKS) + 1)
        });
    let from = start.as_millis().div_euclid(1_000);
    let first = (from + step - 1).div_euclid(step) * step;
    let mut ticks = Vec::new();
    let mut at = first;
    while at <= from + whole && ticks.len() < 12 {
        let share = (at - from) as f64 / seconds;
        ticks.push((share, clock(start.plus(Span::from_secs(at - from)), step)));
        at += step;
    }
    ticks
}

/// `time` as it is written below an axis whose ticks are `step` seconds apart.
fn clock(time: Timestamp, step: i64) -> String {
    let text = time.to_string();
    let part = match step {
        86_400.. => text.get(5..10),
        60.. => text.get(11..16),
        _ => text.get(11..19),
    };
    part.unwrap_or(&text).to_owned()
}

/// `seconds` after `start` as a time of day, with the date where the run is longer than a day.
pub(super) fn moment(start: Timestamp, seconds: f64, long: bool) -> String {
    let text = start
        .plus(Span::from_millis((seconds * 1_000.0) as i64))
        .to_string();
    let (date, clock) = (text.get(5..10), text.get(11..16));
    match (date, clock) {
        (Some(date), Some(clock)) if long => format!("{date} {clock}"),
        (_, Some(clock)) => clock.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_largest_value() {
        assert_eq!(ticks(7.0, true).at, vec![0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(1.0, true).at, vec![0.0, 1.0]);
        assert_eq!(ticks(0.0, true).at, vec![0.0, 1.0]);
        assert_eq!(ticks(f64::NAN, false).top, 1.0);
        for most in [0.003, 0.9, 12.0, 99.0, 12_345.0, 8e9] {
            let made = ticks(most, false);
            assert!(made.top >= most && made.top <= most * 2.0, "{most}");
            assert!((2..=5).contains(&made.at.len()), "{most}: {made:?}");
        }
    }

    #[test]
    fn a_day_has_labels_every_six_hours() {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let made = times(start, 86_399.0);
        let labels: Vec<&str> = made.iter().map(|(_, label)| &**label).collect();
        assert_eq!(labels, ["00:00", "06:00", "12:00", "18:00"]);
        assert!((made[2].0 - 0.5).abs() < 0.001);
        assert_eq!(times(start, 0.0), Vec::new());
        for seconds in [1.0, 30.0, 500.0, 4_000.0, 200_000.0, 3e7, 3e9, 1e300] {
            assert!(times(start, seconds).len() <= 6, "{seconds}");
        }
    }
}
