//! The prerequisites as a checklist.

use std::collections::BTreeMap;

use tetrapod::hyperpod::preflight::{Check, Status};

use super::WIDTH;
use crate::table::wrapped;

/// One line per check, failures first, and the sum.
pub(crate) fn render(checks: &[Check]) -> String {
    let mut order: Vec<&Check> = checks.iter().collect();
    order.sort_by_key(|check| std::cmp::Reverse(check.status));
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    let mut out = String::new();
    for check in order {
        *counts.entry(check.status).or_insert(0) += 1;
        let text = format!(
            "{}  {}: {} [{}]",
            word(check.status),
            check.subject,
            check.message,
            check.rule
        );
        out.push_str(&wrapped_after_word(&text));
        out.push('\n');
    }
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    out.push_str(&format!(
        "\n{} passed, {} to look at, {} failed\n",
        count(Status::Pass),
        count(Status::Warn),
        count(Status::Fail)
    ));
    out
}

/// Lines after the first start under the subject.
fn wrapped_after_word(text: &str) -> String {
    let (word, rest) = text.split_at(6);
    format!("{word}{}", wrapped(rest, WIDTH, "      "))
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "PASS",
        Status::Warn => "WARN",
        Status::Fail => "FAIL",
    }
}
