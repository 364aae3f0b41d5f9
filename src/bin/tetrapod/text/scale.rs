//! What autoscalers would set, as a table and with reasons.

use tetrapod::base::time::Timestamp;
use tetrapod::scaling::survey::Surveyed;
use tetrapod::scaling::text::lines;

use super::WIDTH;
use crate::table::{Align, Table, counted, wrapped};

/// A table of the autoscalers, and the reasons of each.
pub(crate) fn render(all: &[Surveyed], now: Timestamp) -> String {
    if all.is_empty() {
        return "no HorizontalPodAutoscaler, ScaledObject or ScaledJob in the input\n".to_owned();
    }
    let mut table = Table::new(&[
        ("AUTOSCALER", Align::Left),
        ("KIND", Align::Left),
        ("TARGET", Align::Left),
        ("NOW", Align::Right),
        ("THEN", Align::Right),
        ("STARTS", Align::Right),
    ]);
    for one in all {
        let decision = one.decision.as_ref();
        let starts = decision
            .and_then(|decision| decision.jobs.as_ref()?.decision)
            .map(|jobs| jobs.start.to_string());
        let counts = decision.filter(|decision| decision.jobs.is_none());
        let unknown = || {
            if one.error.is_some() {
                "?".to_owned()
            } else {
                String::new()
            }
        };
        table.row([
            format!("{}/{}", one.namespace, one.name),
            format!("{:?}", one.kind),
            one.target.clone(),
            counts.map_or_else(unknown, |decision| decision.current.to_string()),
            counts.map_or_else(unknown, |decision| decision.replicas.to_string()),
            starts.unwrap_or_default(),
        ]);
    }
    let mut out = format!(
        "{} at {now}\n\n",
        counted(all.len(), "autoscaler", "autoscalers")
    );
    out.push_str(&table.render());
    for one in all {
        out.push_str(&format!("\n{}/{}\n", one.namespace, one.name));
        if let Some(error) = &one.error {
            out.push_str(&format!("  {}\n", wrapped(error, WIDTH - 2, "  ")));
        }
        for line in one
            .decision
            .iter()
            .flat_map(|decision| lines(decision, now))
        {
            let indent = 2 + line.len() - line.trim_start().len();
            let pad = " ".repeat(indent);
            let hanging = " ".repeat(indent + 2);
            let text = wrapped(line.trim_start(), WIDTH - indent - 2, &hanging);
            out.push_str(&format!("{pad}{text}\n"));
        }
    }
    out
}
