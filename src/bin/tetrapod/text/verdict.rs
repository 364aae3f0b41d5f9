//! A verdict of the checker as text.

use tetrapod::verify::{Verdict, Violation};

use super::WIDTH;
use super::money::hourly;
use crate::table::{counted, wrapped};

/// The verdict with every violation and warning.
pub(crate) fn render(verdict: &Verdict) -> String {
    let mut out = format!(
        "{}: {} placed, {} pending, {}, {} $/h; {}, {}\n",
        if verdict.valid { "valid" } else { "INVALID" },
        counted(verdict.scheduled, "pod", "pods"),
        verdict.unschedulable,
        counted(verdict.new_nodes, "new node", "new nodes"),
        hourly(verdict.hourly_price),
        counted(verdict.violations.len(), "violation", "violations"),
        counted(verdict.warnings.len(), "warning", "warnings"),
    );
    for (title, list) in [
        ("Violations", &verdict.violations),
        ("Warnings", &verdict.warnings),
    ] {
        if !list.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            for violation in list {
                out.push_str(&line(violation));
            }
        }
    }
    out
}

fn line(violation: &Violation) -> String {
    let about: Vec<&str> = [violation.target.as_deref(), violation.pod.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let about = if about.is_empty() {
        String::new()
    } else {
        format!("{}: ", about.join(", "))
    };
    let text = format!("- {about}{} [{}]", violation.message, kind(violation));
    format!("  {}\n", wrapped(&text, WIDTH - 2, "    "))
}

/// The kebab-case name of the rule, as in JSON.
fn kind(violation: &Violation) -> String {
    serde_json::to_value(violation.kind)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
