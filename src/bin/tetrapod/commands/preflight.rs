//! `tetrapod preflight`.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;
use tetrapod::hyperpod::preflight::{Check, Status, preflight};

use crate::args::{Format, PreflightArgs};
use crate::input;
use crate::output::{Fatal, print, print_json};
use crate::text::preflight::render;

/// The JSON result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    passed: bool,
    checks: &'a [Check],
}

/// Checks HyperPod's prerequisites; exit code 1 when one fails.
pub(crate) fn run(args: &PreflightArgs) -> Result<ExitCode, Fatal> {
    let loaded = input::load(&args.input)?;
    let actions = args
        .role_policy
        .as_deref()
        .map(allowed_actions)
        .transpose()?;
    let checks = preflight(&loaded.input.snapshot, actions.as_deref());
    let passed = checks.iter().all(|check| check.status != Status::Fail);
    match args.output.output {
        Format::Json => print_json(&Report {
            passed,
            checks: &checks,
        })?,
        Format::Text => print(&render(&checks))?,
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The actions that the `Allow` statements of an IAM policy document name.
fn allowed_actions(path: &Path) -> Result<Vec<String>, Fatal> {
    let bad = |error: &dyn std::fmt::Display| {
        Fatal::Message(format!(
            "{}: {error}; accepted: an IAM policy document in JSON",
            path.display()
        ))
    };
    let file = File::open(path).map_err(|error| bad(&error))?;
    let policy: Value =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| bad(&error))?;
    // `aws iam get-role-policy` wraps the document.
    let document = policy.get("PolicyDocument").unwrap_or(&policy);
    let statements = document
        .get("Statement")
        .ok_or_else(|| bad(&"there is no Statement"))?;
    Ok(one_or_many(statements)
        .filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow"))
        .filter_map(|statement| statement.get("Action"))
        .flat_map(one_or_many)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

/// IAM writes a list of one without brackets.
fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .map_or_else(|| std::slice::from_ref(value).iter(), |list| list.iter())
}
