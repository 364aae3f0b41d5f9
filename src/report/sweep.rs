//! The page of a sweep: per trace a table of the policies with mean and spread, and cost against SLO attainment.

use std::fmt::Write as _;

use super::figures::{Better, COMPARED};
use super::palette::REST;
use super::pareto::{self, Point};
use super::text::{count, escape};
use crate::sim::sweep::{Cell, Spread, SweepResult};

/// Traces that are told in full at most.
const MOST_TRACES: usize = 12;

/// The page that tells of a sweep. Equal results give equal bytes. O(cells).
///
/// ```
/// use tetrapod::report::sweep_page;
/// use tetrapod::sim::sweep::SweepResult;
/// let html = sweep_page(&SweepResult::default());
/// assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
/// ```
#[must_use]
pub fn sweep_page(result: &SweepResult) -> String {
    let title = if result.sweep.is_empty() {
        "Sweep"
    } else {
        &result.sweep
    };
    let mut out = super::head(title);
    let parts = parts(result);
    header(&mut out, title, result, &parts);
    out.push_str("<main>");
    if result.runs.is_empty() {
        out.push_str("<p class=\"none\">There is no run to tell of.</p>");
    }
    for (at, (name, cells)) in parts.iter().enumerate().take(MOST_TRACES) {
        section(&mut out, &format!("trace-{at}"), name, cells);
    }
    if parts.len() > MOST_TRACES {
        let _ = write!(
            out,
            "<p class=\"none\">{} more traces are in the JSON result and not told here.</p>",
            parts.len() - MOST_TRACES
        );
    }
    out.push_str("</main>");
    super::foot(&mut out);
    out
}

/// What is told: all traces together, where there are several, and each by itself.
fn parts(result: &SweepResult) -> Vec<(String, Vec<&Cell>)> {
    let mut parts = Vec::new();
    if !result.overall.is_empty() {
        parts.push(("All traces".to_owned(), result.overall.iter().collect()));
    }
    for trace in &result.traces {
        let name = if trace.is_empty() {
            "Policies compared".to_owned()
        } else {
            format!("Trace {trace}")
        };
        let cells: Vec<&Cell> = result.cells.iter().filter(|c| c.trace == *trace).collect();
        if !cells.is_empty() {
            parts.push((name, cells));
        }
    }
    parts
}

fn header(out: &mut String, title: &str, result: &SweepResult, parts: &[(String, Vec<&Cell>)]) {
    let _ = write!(out, "<header><h1>{}</h1><p>", escape(title));
    let several = |number: u64, one: &str, more: &str| {
        format!("{} {}", count(number), if number == 1 { one } else { more })
    };
    let _ = write!(
        out,
        "{}: {} \u{d7} {} \u{d7} {} of Simulation {}",
        several(result.runs.len() as u64, "run", "runs"),
        several(result.policies.len() as u64, "policy", "policies"),
        several(result.traces.len() as u64, "trace", "traces"),
        several(result.seeds, "seed", "seeds"),
        escape(&result.simulation)
    );
    out.push_str("</p>");
    if parts.len() > 1 {
        out.push_str("<nav aria-label=\"Traces\"><ul>");
        for (at, (name, _)) in parts.iter().enumerate().take(MOST_TRACES) {
            let _ = write!(out, "<li><a href=\"#trace-{at}\">{}</a></li>", escape(name));
        }
        out.push_str("</ul></nav>");
    }
    out.push_str("</header>\n");
}

fn section(out: &mut String, id: &str, name: &str, cells: &[&Cell]) {
    let _ = write!(
        out,
        "<section class=\"sweep\" id=\"{id}\"><h2>{}</h2><div class=\"card\">",
        escape(name)
    );
    table(out, name, cells);
    out.push_str("</div>");
    let points: Vec<Point> = cells
        .iter()
        .enumerate()
        .map(|(at, cell)| {
            let (cost, slo) = (cell.figure("cost"), cell.figure("sloAttainment"));
            Point {
                name: cell.policy.to_string(),
                cost: cost.mean,
                slo: slo.mean,
                spread: Some((cost.deviation, slo.deviation)),
                colour: at.min(REST),
            }
        })
        .collect();
    out.push_str(&pareto::render(&format!("{id}-pareto"), &points));
    out.push_str("</section>\n");
}

/// A row per policy, a column per figure; figures that are 0 everywhere are left out.
fn table(out: &mut String, name: &str, cells: &[&Cell]) {
    let shown: Vec<_> = COMPARED
        .iter()
        .filter(|figure| cells.iter().any(|cell| cell.figure(figure.key).most != 0.0))
        .collect();
    let _ = write!(
        out,
        "<p class=\"note\">Mean \u{b1} standard deviation over the runs of each policy. The best mean of each column is marked; a dot stands before the policies that no other one beats in both cost and SLO attainment.</p><div class=\"scroll\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\"><table class=\"compare\"><caption class=\"sr\">{0}</caption><thead><tr><th scope=\"col\">Policy</th><th scope=\"col\">Runs</th>",
        escape(name)
    );
    for figure in &shown {
        let _ = write!(out, "<th scope=\"col\">{}</th>", figure.name);
    }
    out.push_str("</tr></thead><tbody>");
    for (at, cell) in cells.iter().enumerate() {
        let (class, said) = if cell.front {
            ("front-row ", "<span class=\"sr\"> (not beaten)</span>")
        } else {
            ("", "")
        };
        let _ = write!(
            out,
            "<tr class=\"{class}c{}\"><th scope=\"row\">{}{said}</th><td>{}</td>",
            at.min(REST),
            escape(&cell.policy),
            count(cell.runs)
        );
        for figure in &shown {
            let spread = cell.figure(figure.key);
            let means = cells.iter().map(|cell| cell.figure(figure.key).mean);
            let best = best(figure.better, means) == Some(spread.mean);
            let (class, said) = if best {
                (" class=\"best\"", "<span class=\"sr\"> (best)</span>")
            } else {
                ("", "")
            };
            let _ = write!(out, "<td{class}>{}{said}</td>", told(&spread, figure.text));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
}

/// A mean with its spread below it.
fn told(spread: &Spread, text: fn(f64) -> String) -> String {
    format!(
        "{}<small class=\"spread\">\u{b1} {}</small>",
        text(spread.mean),
        text(spread.deviation)
    )
}

/// The best of `means`; nothing where all are the same.
fn best(better: Better, means: impl Iterator<Item = f64>) -> Option<f64> {
    super::figures::best(better, &means.collect::<Vec<_>>())
}
