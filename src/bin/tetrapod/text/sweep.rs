//! What a sweep came to: per trace a row for each policy, with mean and spread.

use tetrapod::sim::sweep::{Cell, Spread, SweepResult};

use crate::table::{Align, Table, counted, thousands};

/// A column: its heading, the figure, and how it is written.
type Column = (&'static str, &'static str, fn(f64) -> String);

const COLUMNS: [Column; 9] = [
    ("COST $", "cost", |v| fixed(v, 2)),
    ("IN TIME %", "sloAttainment", |v| fixed(v * 100.0, 2)),
    ("WAIT P99 S", "queueDelayP99Seconds", |v| fixed(v, 1)),
    ("NODE IN S", "timeToCapacityP90Seconds", |v| fixed(v, 0)),
    ("GPU USE %", "gpuUtilisation", |v| fixed(v * 100.0, 1)),
    ("NODE H", "nodeHours", |v| fixed(v, 1)),
    ("EVICTED", "evictions", |v| fixed(v, 1)),
    ("NODES", "nodesLaunched", |v| fixed(v, 1)),
    ("FAILED", "launchesFailed", |v| fixed(v, 1)),
];

/// The sweep for people.
pub(crate) fn render(result: &SweepResult) -> String {
    let mut out = format!(
        "{} of {}: {} x {} x {} = {}; mean \u{b1} standard deviation\n",
        result.sweep,
        result.simulation,
        counted(result.policies.len(), "policy", "policies"),
        counted(result.traces.len(), "trace", "traces"),
        counted(
            usize::try_from(result.seeds).unwrap_or(usize::MAX),
            "seed",
            "seeds"
        ),
        counted(result.runs.len(), "run", "runs"),
    );
    for trace in &result.traces {
        let cells: Vec<&Cell> = result.cells.iter().filter(|c| c.trace == *trace).collect();
        if trace.is_empty() {
            out.push('\n');
        } else {
            out.push_str(&format!("\nTrace {trace}\n"));
        }
        out.push_str(&table(&cells));
    }
    if !result.overall.is_empty() {
        out.push_str("\nAll traces\n");
        out.push_str(&table(&result.overall.iter().collect::<Vec<_>>()));
    }
    out.push_str("\n  * not beaten: no other policy is at least as good in cost and in time, and better in one\n");
    out
}

fn table(cells: &[&Cell]) -> String {
    let mut columns = vec![("", Align::Left), ("POLICY", Align::Left)];
    columns.push(("RUNS", Align::Right));
    let shown: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, figure, _)| cells.iter().any(|cell| cell.figure(figure).most > 0.0))
        .collect();
    columns.extend(shown.iter().map(|(heading, _, _)| (*heading, Align::Right)));
    let mut table = Table::new(&columns);
    for cell in cells {
        let mark = if cell.front { "*" } else { "" };
        let head = [
            mark.to_owned(),
            cell.policy.to_string(),
            thousands(&cell.runs.to_string()),
        ];
        let figures = shown
            .iter()
            .map(|(_, figure, text)| told(&cell.figure(figure), *text));
        table.row(head.into_iter().chain(figures));
    }
    table.render()
}

fn told(spread: &Spread, text: fn(f64) -> String) -> String {
    format!("{} \u{b1} {}", text(spread.mean), text(spread.deviation))
}

fn fixed(value: f64, places: usize) -> String {
    thousands(&format!("{value:.places$}"))
}
