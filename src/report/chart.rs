//! Charts over time as inline SVG.
//!
//! A chart is as wide as the page lets it be: what is drawn is stretched, what is written is not. So the drawing is a nested
//! SVG that is scaled without keeping its aspect, and every text and line around it is placed by percentages.

use std::fmt::Write as _;

use super::scale::{Ticks, moment, ticks, times};
use super::text::{escape, fixed, money, percent, plain};
use crate::base::time::Timestamp;

/// Height of the drawing in pixels.
const HEIGHT: f64 = 150.0;
/// Room above it, for the label of the topmost line.
const ABOVE: f64 = 18.0;
/// Room below it, for the times.
const BELOW: f64 = 22.0;
/// Points of a line at most.
const MOST_POINTS: usize = 480;
/// Places at which a pointer is told the values.
const BANDS: usize = 48;

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things that are counted.
    Count,
    /// Dollars per hour.
    DollarsPerHour,
    /// Shares of one.
    Share,
    /// Per second.
    PerSecond,
}

impl Unit {
    fn value(self, value: f64) -> String {
        match self {
            Self::Count => plain(value),
            Self::DollarsPerHour => format!("{}/h", money(value)),
            Self::Share => percent(value),
            Self::PerSecond => format!("{}/s", plain(value)),
        }
    }

    fn tick(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond => plain(value),
            Self::DollarsPerHour => format!("${}", plain(value)),
            Self::Share => format!("{}\u{202f}%", fixed(value * 100.0, 0)),
        }
    }
}

/// How lines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Each from 0.
    Lines,
    /// Areas, one on top of the other.
    Stacked,
}

/// One row of values.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: String,
    /// Number in the palette.
    pub(super) colour: usize,
    /// Drawn dashed and thin: what was asked for, beside what is there.
    pub(super) faint: bool,
    pub(super) values: Vec<f64>,
}

/// A chart over time.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Unique in the page.
    pub(super) id: String,
    pub(super) title: String,
    /// What is shown, in one sentence.
    pub(super) about: String,
    pub(super) form: Form,
    pub(super) unit: Unit,
    pub(super) start: Timestamp,
    /// Seconds since the start, increasing.
    pub(super) time: Vec<f64>,
    pub(super) lines: Vec<Line>,
}

impl Chart {
    /// The figure as HTML. O(points x lines).
    pub(super) fn render(&self) -> String {
        let chart = self.thinned();
        let mut out = String::new();
        let Self {
            id, title, about, ..
        } = &chart;
        let _ = write!(
            out,
            "<figure class=\"chart\" id=\"{id}\"><figcaption><h4>{}</h4><p>{}</p></figcaption>",
            escape(title),
            escape(about)
        );
        chart.legend(&mut out);
        chart.svg(&mut out);
        out.push_str("</figure>\n");
        out
    }

    /// The same with few enough points: each stands for several, and shows the largest of them, or the mean for shares.
    fn thinned(&self) -> Self {
        let lengths = self.lines.iter().map(|line| line.values.len());
        let points = lengths.chain([self.time.len()]).min().unwrap_or(0);
        let each = points.div_ceil(MOST_POINTS).max(1);
        let mut other = self.clone();
        other.time = self
            .time
            .iter()
            .take(points)
            .step_by(each)
            .copied()
            .collect();
        for line in &mut other.lines {
            let shown = line.values.get(..points).unwrap_or(&[]);
            let shown = shown.chunks(each).map(|part| match self.unit {
                Unit::Share => part.iter().sum::<f64>() / part.len() as f64,
                Unit::Count | Unit::DollarsPerHour | Unit::PerSecond => {
                    part.iter().copied().fold(0.0, f64::max)
                }
            });
            line.values = shown
                .map(|value| {
                    if value.is_finite() {
                        value.max(0.0)
                    } else {
                        0.0
                    }
                })
                .collect();
        }
        other
    }

    /// How long the run is: the last point lasts as long as the one before.
    fn seconds(&self) -> f64 {
        match *self.time {
            [] => 0.0,
            [only] => only + 1.0,
            [.., before, last] => last + (last - before).max(0.0),
        }
    }

    fn legend(&self, out: &mut String) {
        if self.lines.len() < 2 {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for line in &self.lines {
            let _ = write!(
                out,
                "<li><i class=\"c{}{}\"></i>{}</li>",
                line.colour,
                if line.faint { " faint" } else { "" },
                escape(&line.name)
            );
        }
        out.push_str("</ul>");
    }

    /// What the chart says, for those who do not see it.
    fn description(&self) -> String {
        let mut text = self.about.clone();
        for line in &self.lines {
            let most = line.values.iter().copied().fold(0.0, f64::max);
            let at = line.values.iter().position(|value| *value >= most);
            let when = at.and_then(|at| self.time.get(at)).copied().unwrap_or(0.0);
            let last = line.values.last().copied().unwrap_or(0.0);
            let _ = write!(
                text,
                " {}: at most {} (at {}), {} at the end.",
                line.name,
                self.unit.value(most),
                moment(self.start, when, false),
                self.unit.value(last)
            );
        }
        text
    }

    /// The layers to draw: for each line the value below and above it at every point.
    fn layers(&self) -> Vec<(&Line, Vec<f64>, Vec<f64>)> {
        let mut below = vec![0.0; self.time.len()];
        let mut layers = Vec::new();
        for line in &self.lines {
            let upper: Vec<f64> = match self.form {
                Form::Lines => line.values.clone(),
                Form::Stacked => below.iter().zip(&line.values).map(|(a, b)| a + b).collect(),
            };
            let lower = match self.form {
                Form::Lines => vec![0.0; self.time.len()],
                Form::Stacked => std::mem::replace(&mut below, upper.clone()),
            };
            layers.push((line, lower, upper));
        }
        layers
    }

    fn axis(&self, layers: &[(&Line, Vec<f64>, Vec<f64>)]) -> Ticks {
        let most = layers
            .iter()
            .flat_map(|(_, _, upper)| upper)
            .copied()
            .fold(0.0, f64::max);
        match self.unit {
            Unit::Share => Ticks {
                top: 1.0,
                at: vec![0.0, 0.25, 0.5, 0.75, 1.0],
            },
            Unit::Count => ticks(most, true),
            Unit::DollarsPerHour | Unit::PerSecond => ticks(most, false),
        }
    }

    fn svg(&self, out: &mut String) {
        let layers = self.layers();
        let axis = self.axis(&layers);
        let id = &self.id;
        let _ = write!(
            out,
            "<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" width=\"100%\" height=\"{}\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            ABOVE + HEIGHT + BELOW,
            escape(&self.title),
            escape(&self.description())
        );
        for value in &axis.at {
            let y = ABOVE + HEIGHT * (1.0 - value / axis.top);
            let class = if *value > 0.0 { "grid" } else { "base" };
            let _ = write!(
                out,
                "<line class=\"{class}\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
        }
        let _ = write!(
            out,
            "<svg y=\"{ABOVE}\" width=\"100%\" height=\"{HEIGHT}\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" overflow=\"visible\">"
        );
        for (line, lower, upper) in &layers {
            self.layer(out, line, lower, upper, axis.top);
        }
        out.push_str("</svg>");
        for value in axis.at.iter().filter(|value| **value > 0.0) {
            let y = ABOVE + HEIGHT * (1.0 - value / axis.top) - 4.0;
            let _ = write!(
                out,
                "<text class=\"tick\" y=\"{y:.1}\">{}</text>",
                self.unit.tick(*value)
            );
        }
        for (share, label) in times(self.start, self.seconds()) {
            let anchor = match share {
                ..0.04 => "start",
                0.96.. => "end",
                _ => "middle",
            };
            let _ = write!(
                out,
                "<line class=\"base\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{}\" y2=\"{}\"/><text class=\"tick\" x=\"{x:.2}%\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
                ABOVE + HEIGHT,
                ABOVE + HEIGHT + 4.0,
                ABOVE + HEIGHT + 17.0,
                x = share * 100.0,
            );
        }
        self.bands(out);
        out.push_str("</svg>");
    }

    /// A line of steps and, between it and what is below, an area.
    fn layer(&self, out: &mut String, line: &Line, lower: &[f64], upper: &[f64], top: f64) {
        let seconds = self.seconds().max(1e-9);
        let x = |at: usize| {
            let time = self.time.get(at).copied().unwrap_or(seconds);
            (time / seconds * 1000.0).round()
        };
        let y = |value: f64| (1000.0 - value / top * 1000.0).round();
        let Some(first) = upper.first() else { return };
        let mut path = format!("M0 {}", y(*first));
        steps(&mut path, upper.iter().map(|value| y(*value)), x);
        path.push_str("H1000");
        let area = self.form == Form::Stacked || (self.lines.len() == 1 && !line.faint);
        if area {
            let mut closed = path.clone();
            let last = lower.last().copied().unwrap_or(0.0);
            let _ = write!(closed, "V{}", y(last));
            for at in (1..lower.len()).rev() {
                let (here, before) = (y(lower[at]), y(lower[at - 1]));
                if (here - before).abs() > 0.5 {
                    let _ = write!(closed, "H{}V{before}", x(at));
                }
            }
            closed.push_str("H0Z");
            let _ = write!(
                out,
                "<path class=\"area c{}\" d=\"{closed}\"/>",
                line.colour
            );
        }
        let _ = write!(
            out,
            "<path class=\"line c{}{}\" d=\"{path}\"/>",
            line.colour,
            if line.faint { " faint" } else { "" }
        );
    }

    /// Invisible bars that tell the values at a time to whoever points at them.
    fn bands(&self, out: &mut String) {
        let points = self.time.len();
        if points == 0 {
            return;
        }
        let seconds = self.seconds().max(1e-9);
        let long = seconds > 86_400.0;
        let each = points.div_ceil(BANDS).max(1);
        for from in (0..points).step_by(each) {
            let to = self.time.get(from + each).copied().unwrap_or(seconds);
            let (x, width) = (
                self.time[from] / seconds * 100.0,
                (to - self.time[from]) / seconds * 100.0,
            );
            let _ = write!(
                out,
                "<rect class=\"band\" x=\"{x:.2}%\" y=\"{ABOVE}\" width=\"{width:.2}%\" height=\"{HEIGHT}\"><title>{}",
                moment(self.start, self.time[from], long)
            );
            for line in &self.lines {
                let part = line
                    .values
                    .get(from..(from + each).min(points))
                    .unwrap_or(&[]);
                let most = part.iter().copied().fold(0.0, f64::max);
                let _ = write!(out, "\n{}: {}", escape(&line.name), self.unit.value(most));
            }
            out.push_str("</title></rect>");
        }
    }
}

/// Adds steps to `path`: each value holds until the next point.
fn steps(path: &mut String, values: impl Iterator<Item = f64>, x: impl Fn(usize) -> f64) {
    let mut held: Option<f64> = None;
    for (at, value) in values.enumerate() {
        if held.is_some_and(|held| (held - value).abs() > 0.5) {
            let _ = write!(path, "H{}V{value}", x(at));
            held = Some(value);
        } else if held.is_none() {
            held = Some(value);
        }
    }
}
