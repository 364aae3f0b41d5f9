//! The figures of runs as tables: one run, or several beside each other.

use std::fmt::Write as _;

use super::text::{count, duration, escape, fixed, money, percent};
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::sim::world::result::{Distribution, SimResult, Totals};

/// What is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    /// Less of it.
    Less,
    /// More of it.
    More,
    /// It is no matter of better or worse.
    Neither,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// Its name in the results of sweeps.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) better: Better,
    pub(super) value: fn(&Totals) -> f64,
    pub(super) text: fn(f64) -> String,
}

const fn figure(
    key: &'static str,
    name: &'static str,
    better: Better,
    value: fn(&Totals) -> f64,
    text: fn(f64) -> String,
) -> Figure {
    Figure {
        key,
        name,
        better,
        value,
        text,
    }
}

fn whole(value: f64) -> String {
    fixed(value, 0)
}

fn hours(value: f64) -> String {
    format!("{}\u{202f}h", fixed(value, 1))
}

/// The figures by which policies are compared, the most important first.
pub(super) const COMPARED: [Figure; 14] = [
    figure("cost", "Cost", Better::Less, |t| t.cost.as_f64(), money),
    figure(
        "sloAttainment",
        "SLO attainment",
        Better::More,
        |t| t.slo_attainment,
        percent,
    ),
    figure(
        "queueDelayP50Seconds",
        "Queueing delay, p50",
        Better::Less,
        |t| t.queue_delay_seconds.p50,
        duration,
    ),
    figure(
        "queueDelayP99Seconds",
        "Queueing delay, p99",
        Better::Less,
        |t| t.queue_delay_seconds.p99,
        duration,
    ),
    figure(
        "pendingP99Seconds",
        "Pods pending, p99",
        Better::Less,
        |t| t.pending_seconds.p99,
        duration,
    ),
    figure(
        "timeToCapacityP90Seconds",
        "Time to capacity, p90",
        Better::Less,
        |t| t.time_to_capacity_seconds.p90,
        duration,
    ),
    figure(
        "gpuUtilisation",
        "GPU utilisation",
        Better::More,
        |t| t.gpu_utilisation,
        percent,
    ),
    figure(
        "cpuUtilisation",
        "CPU utilisation",
        Better::More,
        |t| t.cpu_utilisation,
        percent,
    ),
    figure(
        "gpuFragmentation",
        "GPU fragmentation",
        Better::Less,
        |t| t.gpu_fragmentation,
        percent,
    ),
    figure(
        "nodeHours",
        "Node hours",
        Better::Less,
        |t| t.node_hours,
        hours,
    ),
    figure(
        "nodesLaunched",
        "Nodes launched",
        Better::Less,
        |t| t.nodes_launched as f64,
        whole,
    ),
    figure(
        "launchesFailed",
        "Launches failed",
        Better::Less,
        |t| t.launches_failed as f64,
        whole,
    ),
    figure(
        "evictions",
        "Evictions",
        Better::Less,
        |t| t.evictions as f64,
        whole,
    ),
    figure(
        "requestsServed",
        "Requests served",
        Better::Neither,
        |t| t.requests_served as f64,
        whole,
    ),
];

/// How a result is called among `all`: by its policy, with the seed where policies repeat.
pub(super) fn label(result: &SimResult, all: &[SimResult]) -> String {
    let policy = if result.policy.is_empty() {
        "policy"
    } else {
        &result.policy
    };
    let twice = all.iter().filter(|other| other.policy == result.policy);
    if twice.count() > 1 {
        format!("{policy}, seed {}", result.seed)
    } else {
        policy.to_owned()
    }
}

/// Several runs beside each other: a row per figure, the best of each marked.
pub(super) fn comparison(results: &[SimResult]) -> String {
    let mut out = String::from(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Policies compared\" tabindex=\"0\"><table class=\"compare\"><caption>Policies compared; the best of each row is marked</caption><thead><tr><th scope=\"col\">Figure</th>",
    );
    for (at, result) in results.iter().enumerate() {
        let name = escape(&label(result, results));
        let _ = write!(
            out,
            "<th scope=\"col\"><a href=\"#run-{at}\">{name}</a></th>"
        );
    }
    out.push_str("</tr></thead><tbody>");
    for figure in &COMPARED {
        let values: Vec<f64> = results.iter().map(|r| (figure.value)(&r.totals)).collect();
        if values.iter().all(|value| *value == 0.0) {
            continue;
        }
        let best = best(figure.better, &values);
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", figure.name);
        for value in values {
            let text = (figure.text)(value);
            if best == Some(value) {
                let _ = write!(
                    out,
                    "<td class=\"best\">{text}<span class=\"sr\"> (best)</span></td>"
                );
            } else {
                let _ = write!(out, "<td>{text}</td>");
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// The best of `values`; nothing where all are the same.
pub(super) fn best(better: Better, values: &[f64]) -> Option<f64> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least >= most {
        return None;
    }
    match better {
        Better::Less => Some(least),
        Better::More => Some(most),
        Better::Neither => None,
    }
}

/// The figures that say how a run went, large.
pub(super) fn tiles(totals: &Totals) -> String {
    let mut out = String::from("<dl class=\"tiles\">");
    let mut tile = |name: &str, value: String, beside: String| {
        let _ = write!(
            out,
            "<div><dt>{name}</dt><dd>{value}<small>{beside}</small></dd></div>"
        );
    };
    tile(
        "Cost",
        money(totals.cost.as_f64()),
        format!("{} node hours", fixed(totals.node_hours, 1)),
    );
    if totals.requests_arrived > 0 {
        tile(
            "SLO attainment",
            percent(totals.slo_attainment),
            format!("taken up within {}", duration(totals.slo_seconds)),
        );
        tile(
            "Queueing delay, p99",
            duration(totals.queue_delay_seconds.p99),
            format!("half within {}", duration(totals.queue_delay_seconds.p50)),
        );
    }
    tile(
        "Time to capacity, p90",
        duration(totals.time_to_capacity_seconds.p90),
        format!("pods pending: p99 {}", duration(totals.pending_seconds.p99)),
    );
    if totals.gpu_hours > 0.0 {
        tile(
            "GPU utilisation",
            percent(totals.gpu_utilisation),
            format!("{} GPU hours", fixed(totals.gpu_hours, 1)),
        );
    } else {
        tile(
            "CPU utilisation",
            percent(totals.cpu_utilisation),
            "of billed CPU".to_owned(),
        );
    }
    tile(
        "Nodes launched",
        count(totals.nodes_launched),
        format!(
            "{} failed, {} evictions",
            count(totals.launches_failed),
            count(totals.evictions)
        ),
    );
    out.push_str("</dl>\n");
    out
}

/// Everything a run counted.
pub(super) fn totals(totals: &Totals) -> String {
    let mut out = String::from("<div class=\"tables\">");
    rows(
        &mut out,
        "Requests",
        &[
            ("Arrived", count(totals.requests_arrived)),
            ("Served", count(totals.requests_served)),
            ("Waiting at the end", count(totals.requests_waiting)),
            ("Turned away", count(totals.requests_dropped)),
            ("Within the SLO", percent(totals.slo_attainment)),
        ],
    );
    rows(
        &mut out,
        "Pods and nodes",
        &[
            ("Pods created", count(totals.pods_created)),
            ("Pods finished", count(totals.pods_finished)),
            ("Evictions", count(totals.evictions)),
            ("Nodes launched", count(totals.nodes_launched)),
            ("Nodes removed", count(totals.nodes_removed)),
            ("Launches failed", count(totals.launches_failed)),
            ("Spot reclaims", count(totals.spot_reclaims)),
        ],
    );
    distributions(
        &mut out,
        &[
            ("Queueing delay", &totals.queue_delay_seconds),
            ("Pod pending", &totals.pending_seconds),
            ("Time to capacity", &totals.time_to_capacity_seconds),
        ],
    );
    costs(
        &mut out,
        "Cost by instance group",
        totals.cost,
        totals.cost_by_group.iter(),
    );
    costs(
        &mut out,
        "Cost by workload",
        totals.cost,
        totals.cost_by_workload.iter(),
    );
    out.push_str("</div>\n");
    out
}

fn rows(out: &mut String, caption: &str, rows: &[(&str, String)]) {
    let _ = write!(out, "<table><caption>{caption}</caption><tbody>");
    for (name, value) in rows {
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    }
    out.push_str("</tbody></table>");
}

fn distributions(out: &mut String, all: &[(&str, &Distribution)]) {
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Waiting times\" tabindex=\"0\"><table><caption>Waiting times</caption><thead><tr><th scope=\"col\"></th><th scope=\"col\">mean</th><th scope=\"col\">p50</th><th scope=\"col\">p90</th><th scope=\"col\">p99</th><th scope=\"col\">most</th></tr></thead><tbody>");
    for (name, of) in all {
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th>");
        for value in [of.mean, of.p50, of.p90, of.p99, of.max] {
            let text = if of.count == 0 {
                "\u{2013}".to_owned()
            } else {
                duration(value)
            };
            let _ = write!(out, "<td>{text}</td>");
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

/// Rows of a table of costs at most; the others are added up.
const MOST_COSTS: usize = 12;

/// What things cost, the dearest first, each with a bar of its share.
fn costs<'a>(
    out: &mut String,
    caption: &str,
    total: Price,
    all: impl Iterator<Item = (&'a Name, &'a Price)>,
) {
    let mut all: Vec<(&Name, Price)> = all.map(|(name, price)| (name, *price)).collect();
    if all.is_empty() {
        return;
    }
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let _ = write!(
        out,
        "<table class=\"costs\"><caption>{caption}</caption><tbody>"
    );
    let mut row = |name: &str, price: Price| {
        let share = if total > Price::ZERO {
            (price.as_f64() / total.as_f64()).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}<i style=\"width:{:.1}%\"></i></th><td>{}</td><td>{}</td></tr>",
            escape(name),
            share * 100.0,
            money(price.as_f64()),
            percent(share)
        );
    };
    for (name, price) in all.iter().take(MOST_COSTS) {
        row(name, *price);
    }
    if all.len() > MOST_COSTS {
        let rest = all[MOST_COSTS..].iter().map(|(_, price)| *price).sum();
        row(&format!("{} others", all.len() - MOST_COSTS), rest);
    }
    out.push_str("</tbody></table>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::sweep::FIGURES;

    #[test]
    fn every_figure_is_one_that_sweeps_sum_up() {
        let totals = Totals {
            evictions: 3,
            nodes_launched: 5,
            node_hours: 7.5,
            ..Totals::default()
        };
        assert_eq!(COMPARED.len(), FIGURES.len());
        for (figure, (key, value)) in COMPARED.iter().zip(FIGURES) {
            assert_eq!(figure.key, key);
            assert_eq!((figure.value)(&totals), value(&totals), "{key}");
        }
    }
}
