//! Eleventh floor (feature `report`): pages that tell of simulated runs.
//!
//! [`page`] turns the results of one or several runs, [`sweep_page`] those of a sweep, into one HTML document that needs nothing but itself: no network, no
//! script, charts as inline SVG. It adapts to the width of the screen and to light and dark, tells in words what each picture
//! shows, and escapes every name it is given. It is bounded: long series are thinned, and of many events the rare kinds are
//! kept and the frequent ones sampled.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "pictures: a pixel is wider than what a float loses"
)]

mod chart;
mod events;
mod figures;
mod packing;
mod palette;
mod pareto;
mod run;
mod scale;
mod sweep;
mod text;

use std::fmt::Write as _;

use crate::sim::world::result::SimResult;
use palette::Palettes;
use pareto::Point;
pub use sweep::sweep_page;
use text::escape;

const STYLE: &str = include_str!("style.css");
/// Runs that are told in full at most; all of them are compared.
const MOST_RUNS: usize = 12;

/// The page that tells of `results`: each run in full, and several compared. Equal results give equal bytes.
/// O(points + pods of packings + events).
///
/// ```
/// use tetrapod::report::page;
/// use tetrapod::sim::world::result::SimResult;
/// let html = page(&[SimResult::default()]);
/// assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
/// ```
#[must_use]
pub fn page(results: &[SimResult]) -> String {
    let title = results
        .iter()
        .map(|result| &*result.simulation)
        .find(|name| !name.is_empty())
        .unwrap_or("Simulation");
    let mut out = head(title);
    header(&mut out, title, results);
    out.push_str("<main>");
    let palettes = Palettes::new(results);
    if results.is_empty() {
        out.push_str("<p class=\"none\">There is no run to tell of.</p>");
    }
    if results.len() > 1 {
        compared(&mut out, results);
    }
    for at in 0..results.len().min(MOST_RUNS) {
        out.push_str(&run::section(at, results, &palettes));
    }
    if results.len() > MOST_RUNS {
        let _ = write!(
            out,
            "<p class=\"none\">{} more runs are compared above and not told in full.</p>",
            results.len() - MOST_RUNS
        );
    }
    out.push_str("</main>");
    foot(&mut out);
    out
}

fn head(title: &str) -> String {
    // An empty icon keeps browsers from asking for one.
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{} \u{b7} tetrapod</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n<body>",
        escape(title)
    )
}

fn foot(out: &mut String) {
    let _ = writeln!(
        out,
        "<footer>Written by tetrapod {}. Times are UTC; point at a chart to read its values.</footer></body></html>",
        env!("CARGO_PKG_VERSION")
    );
}

fn header(out: &mut String, title: &str, results: &[SimResult]) {
    let _ = write!(out, "<header><h1>{}</h1>", escape(title));
    if let Some(first) = results.first() {
        let minutes = |text: String| text.get(..16).unwrap_or(&text).replace('T', " ");
        let _ = write!(
            out,
            "<p>{} to {} UTC, {}; seed {}</p>",
            escape(&minutes(first.start.to_string())),
            escape(&minutes(first.end.to_string())),
            text::duration(first.end.since(first.start).as_millis() as f64 / 1_000.0),
            first.seed
        );
    }
    if results.len() > 1 {
        out.push_str("<nav aria-label=\"Runs\"><ul><li><a href=\"#compared\">Compared</a></li>");
        for (at, result) in results.iter().enumerate().take(MOST_RUNS) {
            let name = escape(&figures::label(result, results));
            let _ = write!(out, "<li><a href=\"#run-{at}\">{name}</a></li>");
        }
        out.push_str("</ul></nav>");
    }
    out.push_str("</header>\n");
}

fn compared(out: &mut String, results: &[SimResult]) {
    out.push_str("<section class=\"compared\" id=\"compared\"><h2>Policies compared</h2><div class=\"panels\"><div class=\"card\">");
    out.push_str(&figures::comparison(results));
    out.push_str("</div>");
    let points: Vec<Point> = results
        .iter()
        .enumerate()
        .map(|(at, result)| Point {
            name: figures::label(result, results),
            cost: result.totals.cost.as_f64(),
            slo: result.totals.slo_attainment,
            spread: None,
            colour: at.min(palette::REST),
        })
        .collect();
    out.push_str(&pareto::render("compared-pareto", &points));
    for chart in run::compared(results) {
        out.push_str(&chart.render());
    }
    out.push_str("</div></section>\n");
}
