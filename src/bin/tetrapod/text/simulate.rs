//! What simulated runs came to: a table of the policies, and the figures of each.

use tetrapod::sim::world::result::{Distribution, SimResult};

use super::money::dollars;
use crate::table::{Align, Table, thousands};

/// Events that are shown of a run.
const SHOWN: usize = 6;

/// The runs for people.
pub(crate) fn render(runs: &[SimResult]) -> String {
    let Some(first) = runs.first() else {
        return "no runs\n".to_owned();
    };
    let mut out = format!(
        "{} from {} to {}, seed {}\n\n",
        first.simulation, first.start, first.end, first.seed
    );
    out.push_str(&comparison(runs));
    if let [run] = runs {
        out.push('\n');
        out.push_str(&figures(run));
    }
    out
}

fn comparison(runs: &[SimResult]) -> String {
    let right = Align::Right;
    let mut table = Table::new(&[
        ("POLICY", Align::Left),
        ("COST $", right),
        ("NODE H", right),
        ("GPU USE", right),
        ("IN TIME", right),
        ("WAIT P50", right),
        ("P99", right),
        ("NODE IN", right),
        ("EVICTED", right),
        ("NODES", right),
        ("FAILED", right),
    ]);
    for run in runs {
        let totals = &run.totals;
        table.row([
            run.policy.to_string(),
            dollars(totals.cost),
            format!("{:.1}", totals.node_hours),
            percent(totals.gpu_utilisation),
            percent(totals.slo_attainment),
            seconds(totals.queue_delay_seconds.p50),
            seconds(totals.queue_delay_seconds.p99),
            seconds(totals.time_to_capacity_seconds.p50),
            count(totals.evictions),
            count(totals.nodes_launched),
            count(totals.launches_failed),
        ]);
    }
    table.render()
}

fn figures(run: &SimResult) -> String {
    let totals = &run.totals;
    let mut table = Table::new(&[
        ("", Align::Left),
        ("COUNT", Align::Right),
        ("MEAN", Align::Right),
        ("P50", Align::Right),
        ("P90", Align::Right),
        ("P99", Align::Right),
        ("MOST", Align::Right),
    ]);
    let mut row = |name: &str, of: &Distribution| {
        let figures = [of.mean, of.p50, of.p90, of.p99, of.max].map(seconds);
        table.row(
            [name.to_owned(), count(of.count)]
                .into_iter()
                .chain(figures),
        );
    };
    row("requests wait for a replica", &totals.queue_delay_seconds);
    row("pods wait for a node", &totals.pending_seconds);
    row("nodes from plan to ready", &totals.time_to_capacity_seconds);
    let mut out = table.render();
    out.push_str(&format!(
        "\n  requests  {} came, {} served, {} wait, {} turned away; {} within {}\n",
        count(totals.requests_arrived),
        count(totals.requests_served),
        count(totals.requests_waiting),
        count(totals.requests_dropped),
        percent(totals.slo_attainment),
        seconds(totals.slo_seconds)
    ));
    out.push_str(&format!(
        "  pods      {} created, {} finished, {} evicted\n",
        count(totals.pods_created),
        count(totals.pods_finished),
        count(totals.evictions)
    ));
    out.push_str(&format!(
        "  nodes     {} launched, {} removed, {} launches failed, {} reclaimed\n",
        count(totals.nodes_launched),
        count(totals.nodes_removed),
        count(totals.launches_failed),
        count(totals.spot_reclaims)
    ));
    out.push_str(&format!(
        "  use       GPUs {}, CPU {}; {} of free GPUs are on partly used nodes\n",
        percent(totals.gpu_utilisation),
        percent(totals.cpu_utilisation),
        percent(totals.gpu_fragmentation)
    ));
    for (group, cost) in &totals.cost_by_group {
        out.push_str(&format!(
            "  cost      {} $ in group {group}\n",
            dollars(*cost)
        ));
    }
    let left =
        run.events.len().saturating_sub(SHOWN) as u64 + run.events_left_out.values().sum::<u64>();
    out.push_str("\nFirst events\n");
    for event in run.events.iter().take(SHOWN) {
        let text: String = event.message.chars().take(90).collect();
        out.push_str(&format!(
            "  {}  {}  {}: {text}\n",
            event.time, event.kind, event.object
        ));
    }
    if left > 0 {
        out.push_str(&format!(
            "  and {} more: --events FILE.csv, or --output json\n",
            count(left)
        ));
    }
    out
}

fn count(number: u64) -> String {
    thousands(&number.to_string())
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Seconds below two minutes, else minutes, else hours.
fn seconds(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
