//! The part of a page that tells of one run.

use std::fmt::Write as _;

use super::chart::{Chart, Form, Line, Unit};
use super::palette::{Palettes, grouped};
use super::text::escape;
use super::{events, figures, packing};
use crate::sim::world::result::{Packing, SimResult};

/// Pictures of packings at most.
const MOST_PACKINGS: usize = 6;

/// The charts of `result`, each with an id that starts with `prefix`.
pub(super) fn charts(result: &SimResult, prefix: &str, palettes: &Palettes) -> Vec<Chart> {
    let series = &result.series;
    let chart = |id: &str, title: &str, about: &str, form, unit, lines: Vec<Line>| Chart {
        id: format!("{prefix}-{id}"),
        title: title.to_owned(),
        about: about.to_owned(),
        form,
        unit,
        start: result.start,
        time: series.time.clone(),
        lines,
    };
    let line = |(name, colour, values): (String, usize, Vec<f64>)| Line {
        name,
        colour,
        faint: false,
        values,
    };
    let single =
        |name: &str, colour, values: Vec<f64>| vec![line((name.to_owned(), colour, values))];
    let ready = grouped(&series.ready, &palettes.workloads);
    let mut replicas: Vec<Line> = ready.into_iter().map(line).collect();
    let wanted = grouped(&series.replicas, &palettes.workloads);
    replicas.extend(wanted.into_iter().map(|(name, colour, values)| Line {
        name: format!("{name}, wanted"),
        colour,
        faint: true,
        values,
    }));
    let nodes = of_groups(result, palettes);
    // What counts as u64 becomes a picture; beyond 2^53 a pixel is wider than the error.
    let queue = series
        .queue
        .iter()
        .map(|(name, values)| (name.clone(), values.iter().map(|v| *v as f64).collect()))
        .collect();
    let queue = grouped::<f64>(&queue, &palettes.workloads);
    let arrivals = grouped(&series.arrivals, &palettes.workloads);
    let pending = series.pending.iter().map(|pods| f64::from(*pods));
    let mut all = vec![
        chart(
            "arrivals",
            "Load",
            "Requests that arrive per second, by workload.",
            Form::Stacked,
            Unit::PerSecond,
            arrivals.into_iter().map(line).collect(),
        ),
        chart(
            "queue",
            "Queue",
            "Requests that wait for a replica, by workload.",
            Form::Stacked,
            Unit::Count,
            queue.into_iter().map(line).collect(),
        ),
        chart(
            "replicas",
            "Replicas",
            "Pods that are ready, and dashed how many the autoscalers want.",
            Form::Lines,
            Unit::Count,
            replicas,
        ),
        chart(
            "nodes",
            "Nodes",
            "Nodes that are billed, by instance group.",
            Form::Stacked,
            Unit::Count,
            nodes.into_iter().map(line).collect(),
        ),
        chart(
            "cost",
            "Cost rate",
            "Dollars per hour of all billed nodes.",
            Form::Lines,
            Unit::DollarsPerHour,
            single("cost rate", 0, series.cost_rate.clone()),
        ),
        chart(
            "utilisation",
            "Utilisation",
            "Share of what is billed that bound pods request.",
            Form::Lines,
            Unit::Share,
            in_use(result),
        ),
        chart(
            "pending",
            "Pending pods",
            "Pods that wait for a node.",
            Form::Lines,
            Unit::Count,
            single("pending pods", 5, pending.collect()),
        ),
    ];
    // A run of batch jobs has no requests.
    all.retain(|chart| !(chart.lines.is_empty() && ["Load", "Queue"].contains(&&*chart.title)));
    all
}

/// Nodes by instance group. A group without nodes would lie as a line on top of the others.
fn of_groups(result: &SimResult, palettes: &Palettes) -> Vec<(String, usize, Vec<f64>)> {
    let mut nodes = grouped(&result.series.nodes, &palettes.groups);
    let used = |values: &[f64]| values.iter().any(|value| *value > 0.0);
    if nodes.iter().any(|(_, _, values)| used(values)) {
        nodes.retain(|(_, _, values)| used(values));
    }
    nodes
}

/// The lines of utilisation; what is 0 all along is left out.
fn in_use(result: &SimResult) -> Vec<Line> {
    let series = &result.series;
    let lines = [
        ("GPU in use", 0, false, &series.gpu_utilisation),
        ("CPU in use", 2, false, &series.cpu_utilisation),
        (
            "free GPUs on partly used nodes",
            1,
            true,
            &series.fragmentation,
        ),
    ];
    lines
        .into_iter()
        .filter(|(name, _, _, values)| *name == "CPU in use" || values.iter().any(|v| *v > 0.0))
        .map(|(name, colour, faint, values)| Line {
            name: name.to_owned(),
            colour,
            faint,
            values: values.clone(),
        })
        .collect()
}

/// Whether `result` spans more than a day, so that times need their dates.
fn is_long(result: &SimResult) -> bool {
    result.end.since(result.start).as_millis() > 86_400_000
}

/// The section of run number `at`.
pub(super) fn section(at: usize, results: &[SimResult], palettes: &Palettes) -> String {
    let Some(result) = results.get(at) else {
        return String::new();
    };
    let mut out = String::new();
    let prefix = format!("run-{at}");
    let long = is_long(result);
    let name = escape(&figures::label(result, results));
    let _ = write!(
        out,
        "<section class=\"run\" id=\"{prefix}\"><h2>{name}</h2>"
    );
    out.push_str(&figures::tiles(&result.totals));
    out.push_str("<div class=\"panels\">");
    for chart in charts(result, &prefix, palettes) {
        out.push_str(&chart.render());
    }
    out.push_str("</div>");
    if !result.packings.is_empty() {
        out.push_str("<h3>What is on which node</h3><p class=\"note\">Each bar is a node, each block a pod; a block is as high as the share of the node that it takes of its scarcest resource. What is grey is free.</p>");
        legend(&mut out, result, palettes);
        out.push_str("<div class=\"panels\">");
        for (number, (moment, why)) in moments(result).into_iter().enumerate() {
            let id = format!("{prefix}-packing-{number}");
            out.push_str(&packing::render(
                moment,
                &why,
                &id,
                result.start,
                long,
                &palettes.workloads,
            ));
        }
        out.push_str("</div>");
    }
    out.push_str("<h3>Totals</h3>");
    out.push_str(&figures::totals(&result.totals));
    out.push_str(&events::render(result, long));
    out.push_str("</section>\n");
    out
}

/// The packings with what they are; those of one moment are one.
fn moments(result: &SimResult) -> Vec<(&Packing, String)> {
    let mut moments: Vec<(&Packing, String)> = Vec::new();
    for packing in result.packings.iter().take(MOST_PACKINGS) {
        let why = packing.why.replace('-', " ");
        let same = |(held, _): &&mut (&Packing, String)| {
            held.time.total_cmp(&packing.time).is_eq() && held.nodes == packing.nodes
        };
        match moments.iter_mut().find(same) {
            Some((_, held)) => {
                held.push_str(" and ");
                held.push_str(&why);
            }
            None => moments.push((packing, why)),
        }
    }
    moments
}

/// The colours of the workloads that occur in packings.
fn legend(out: &mut String, result: &SimResult, palettes: &Palettes) {
    let pods = || {
        let nodes = result.packings.iter().flat_map(|packing| &packing.nodes);
        nodes.flat_map(|node| &node.pods)
    };
    out.push_str("<ul class=\"legend\">");
    for (name, colour) in palettes.workloads.names() {
        if pods().any(|pod| pod.workload == *name) {
            let _ = write!(out, "<li><i class=\"c{colour}\"></i>{}</li>", escape(name));
        }
    }
    let rest = super::palette::REST;
    if pods().any(|pod| palettes.workloads.of(&pod.workload) == rest) {
        let _ = write!(out, "<li><i class=\"c{rest}\"></i>others</li>");
    }
    out.push_str("</ul>");
}

/// Charts in which every run is a line.
pub(super) fn compared(results: &[SimResult]) -> Vec<Chart> {
    // The runs of one simulation have the same points; the longest tells the time.
    let Some(longest) = results.iter().max_by_key(|result| result.series.time.len()) else {
        return Vec::new();
    };
    let chart =
        |id: &str, title: &str, about: &str, unit, values: &dyn Fn(&SimResult) -> Vec<f64>| Chart {
            id: format!("compared-{id}"),
            title: title.to_owned(),
            about: about.to_owned(),
            form: Form::Lines,
            unit,
            start: longest.start,
            time: longest.series.time.clone(),
            lines: results
                .iter()
                .enumerate()
                .take(super::palette::COLOURS)
                .map(|(at, result)| Line {
                    name: figures::label(result, results),
                    colour: at,
                    faint: false,
                    values: held(result, &values(result), &longest.series.time),
                })
                .collect(),
        };
    vec![
        chart(
            "cost",
            "Cost rate",
            "Dollars per hour of all billed nodes, by policy.",
            Unit::DollarsPerHour,
            &|result| result.series.cost_rate.clone(),
        ),
        chart(
            "nodes",
            "Nodes",
            "Nodes that are billed, by policy.",
            Unit::Count,
            &|result| {
                summed(
                    result
                        .series
                        .nodes
                        .values()
                        .map(|v| v.iter().map(|n| f64::from(*n))),
                )
            },
        ),
        chart(
            "queue",
            "Queue",
            "Requests that wait, by policy.",
            Unit::Count,
            &|result| {
                summed(
                    result
                        .series
                        .queue
                        .values()
                        .map(|v| v.iter().map(|n| *n as f64)),
                )
            },
        ),
        chart(
            "ready",
            "Ready replicas",
            "Pods that are ready, by policy.",
            Unit::Count,
            &|result| {
                summed(
                    result
                        .series
                        .ready
                        .values()
                        .map(|v| v.iter().map(|n| f64::from(*n))),
                )
            },
        ),
    ]
}

fn summed(rows: impl Iterator<Item = impl Iterator<Item = f64>>) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for row in rows {
        for (at, value) in row.enumerate() {
            match sums.get_mut(at) {
                Some(sum) => *sum += value,
                None => sums.push(value),
            }
        }
    }
    sums
}

/// `values` of `result` at the points `time`: each holds until the run's next point.
fn held(result: &SimResult, values: &[f64], time: &[f64]) -> Vec<f64> {
    let own = &result.series.time;
    let mut at = 0;
    time.iter()
        .map(|now| {
            while own.get(at + 1).is_some_and(|next| next <= now) {
                at += 1;
            }
            values.get(at).copied().unwrap_or(0.0)
        })
        .collect()
}
