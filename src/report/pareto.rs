//! Cost against SLO attainment: which policies no other one beats.

use std::fmt::Write as _;

use super::scale::ticks;
use super::text::{escape, money, percent, plain};
use crate::sim::sweep::front;

/// How far from the height of its dot a name may stand, the best first.
const BESIDE: [f64; 7] = [0.0, -14.0, 14.0, -28.0, 28.0, 42.0, 56.0];

const ABOVE: f64 = 20.0;
const HEIGHT: f64 = 300.0;
const BELOW: f64 = 40.0;
/// Room at both sides, in percent of the width, so that dots and names stay inside.
const MARGIN: f64 = 4.0;

/// A policy in the picture.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) name: String,
    /// Dollars.
    pub(super) cost: f64,
    /// Share of one.
    pub(super) slo: f64,
    /// How far runs are from cost and SLO either way; drawn as a cross.
    pub(super) spread: Option<(f64, f64)>,
    /// Number in the palette.
    pub(super) colour: usize,
}

impl Point {
    fn spread(&self) -> (f64, f64) {
        self.spread
            .filter(|(cost, slo)| cost.is_finite() && slo.is_finite())
            .unwrap_or_default()
    }

    /// What the picture says of it.
    fn told(&self, best: bool) -> String {
        let mark = if best { " (not beaten)" } else { "" };
        let about = |spread: String| match self.spread {
            Some(_) => format!(" \u{b1} {spread}"),
            None => String::new(),
        };
        let (cost, slo) = self.spread();
        format!(
            "{}: {}{}, {}{}{mark}",
            self.name,
            money(self.cost),
            about(money(cost)),
            percent(self.slo),
            about(percent(slo))
        )
    }
}

/// The lines and labels of both axes.
fn grid(
    out: &mut String,
    floor: f64,
    costs: &[f64],
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    for number in 0..=5_u32 {
        let slo = floor + (1.0 - floor) * f64::from(number) / 5.0;
        let (at, class) = (y(slo), if number == 0 { "base" } else { "grid" });
        let _ = write!(
            out,
            "<line class=\"{class}\" x2=\"100%\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick\" y=\"{:.1}\">{}</text>",
            at - 4.0,
            percent(slo)
        );
    }
    for value in costs {
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.2}%\" y=\"{}\" text-anchor=\"middle\">${}</text>",
            x(*value),
            ABOVE + HEIGHT + 17.0,
            plain(*value)
        );
    }
    let _ = write!(
        out,
        "<text class=\"tick\" x=\"100%\" y=\"{}\" text-anchor=\"end\">cost of the run</text>",
        ABOVE + HEIGHT + 34.0
    );
}

/// The figure. The axis of the SLO starts below the least of the points, as few policies are near 0.
pub(super) fn render(id: &str, points: &[Point]) -> String {
    let points: Vec<Point> = points
        .iter()
        .filter(|p| p.cost.is_finite() && p.slo.is_finite())
        .cloned()
        .collect();
    let mut out = String::new();
    let most = points
        .iter()
        .map(|p| p.cost + p.spread().0)
        .fold(0.0, f64::max);
    let axis = ticks(most, false);
    let worst = points
        .iter()
        .map(|p| p.slo - p.spread().1)
        .fold(1.0, f64::min)
        .clamp(0.0, 1.0);
    let floors = [0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.6, 0.0];
    let floor = floors
        .into_iter()
        .find(|floor| *floor <= worst - (1.0 - worst) * 0.2)
        .unwrap_or(0.0);
    let x = |cost: f64| MARGIN + (100.0 - 2.0 * MARGIN) * cost / axis.top;
    let y = |slo: f64| ABOVE + HEIGHT * (1.0 - (slo - floor) / (1.0 - floor));
    let best = front(&points.iter().map(|p| (p.cost, p.slo)).collect::<Vec<_>>());
    let told: Vec<String> = points
        .iter()
        .zip(&best)
        .map(|(point, best)| point.told(*best))
        .collect();
    let crosses = points.iter().any(|point| point.spread.is_some());
    let (spread, names) = if crosses {
        // Names beside dots would lie on crosses.
        (
            " Each cross is a standard deviation either way.",
            legend(&points),
        )
    } else {
        ("", String::new())
    };
    let _ = write!(
        out,
        "<figure class=\"chart\" id=\"{id}\"><figcaption><h4>Cost against SLO attainment</h4><p>Further left is cheaper, further up is quicker. The dashed line joins the policies that no other one beats in both.{spread}</p></figcaption>{names}<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" width=\"100%\" height=\"{}\"><title id=\"{id}-t\">Cost against SLO attainment</title><desc id=\"{id}-d\">{}</desc>",
        ABOVE + HEIGHT + BELOW,
        escape(&told.join("; "))
    );
    grid(&mut out, floor, &axis.at, &x, &y);
    let mut frontier: Vec<&Point> = points
        .iter()
        .zip(&best)
        .filter_map(|(point, best)| best.then_some(point))
        .collect();
    frontier.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.slo.total_cmp(&b.slo)));
    for pair in frontier.windows(2) {
        let _ = write!(
            out,
            "<line class=\"front\" x1=\"{:.2}%\" y1=\"{:.1}\" x2=\"{:.2}%\" y2=\"{:.1}\"/>",
            x(pair[0].cost),
            y(pair[0].slo),
            x(pair[1].cost),
            y(pair[1].slo)
        );
    }
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    for (point, told) in points.iter().zip(&told) {
        let (left, top) = (x(point.cost), y(point.slo));
        if point.spread.is_some() {
            cross(&mut out, point, floor, &x, &y);
        }
        let _ = write!(
            out,
            "<circle class=\"dot c{}\" cx=\"{left:.2}%\" cy=\"{top:.1}\" r=\"7\"><title>{}</title></circle>",
            point.colour,
            escape(told)
        );
        if crosses {
            continue;
        }
        // Names to the side with more room, and above or below those that stand there already.
        let (anchor, dx) = if left > 55.0 {
            ("end", -12.0)
        } else {
            ("start", 12.0)
        };
        let name = shortened(&point.name);
        let (from, to) = reach(left, &name, anchor == "end");
        let is_free = |line: &f64| {
            let mut others = taken.iter();
            others.all(|(a, b, t)| *a >= to || from >= *b || (t - line).abs() >= 14.0)
        };
        let mut lines = BESIDE.iter().map(|beside| top + 4.0 + beside);
        let line = lines.find(is_free).unwrap_or(top + 4.0);
        taken.push((from, to, line));
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{left:.2}%\" dx=\"{dx}\" y=\"{line:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(&name)
        );
    }
    out.push_str("</svg></figure>\n");
    out
}

/// From where to where a name goes beside a dot at `left`, in hundredths of a picture as narrow as a phone's.
fn reach(left: f64, name: &str, to_the_left: bool) -> (f64, f64) {
    let wide = 4.0 + name.chars().map(|_| 2.3).sum::<f64>();
    if to_the_left {
        (left - wide, left)
    } else {
        (left, left + wide)
    }
}

/// The spread of a point, either way.
fn cross(
    out: &mut String,
    point: &Point,
    floor: f64,
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    let (wide, high) = point.spread();
    let _ = write!(
        out,
        "<line class=\"cross c{0}\" x1=\"{2:.2}%\" x2=\"{3:.2}%\" y1=\"{4:.1}\" y2=\"{4:.1}\"/><line class=\"cross c{0}\" x1=\"{1:.2}%\" x2=\"{1:.2}%\" y1=\"{5:.1}\" y2=\"{6:.1}\"/>",
        point.colour,
        x(point.cost),
        x((point.cost - wide).max(0.0)),
        x(point.cost + wide),
        y(point.slo),
        y((point.slo - high).max(floor)),
        y((point.slo + high).min(1.0))
    );
}

/// The colours of the points.
fn legend(points: &[Point]) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for point in points {
        let _ = write!(
            out,
            "<li><i class=\"c{}\"></i>{}</li>",
            point.colour,
            escape(&point.name)
        );
    }
    out.push_str("</ul>");
    out
}

/// A name that fits beside its dot on a phone.
fn shortened(name: &str) -> String {
    const MOST: usize = 22;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(MOST - 1).collect();
    short.push('\u{2026}');
    short
}
