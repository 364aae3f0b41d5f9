//! `tetrapod report`.

use std::fs;
use std::process::ExitCode;

use serde::Deserialize;
use tetrapod::report::page;
use tetrapod::sim::world::result::SimResult;

use crate::args::{ReportArgs, ReportCommand};
use crate::output::{Fatal, print};

/// What `simulate --output json` prints.
#[derive(Debug, Deserialize)]
struct Results {
    runs: Vec<SimResult>,
}

/// Reads results and writes the page that tells of all their runs.
pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, Fatal> {
    if let Some(ReportCommand::Merge(args)) = &args.command {
        return super::sweep::merged(args);
    }
    let mut runs = Vec::new();
    for path in &args.results {
        let fault = |error: &dyn std::fmt::Display| {
            Fatal::Message(format!(
                "{}: {error}; accepted: what `tetrapod simulate --output json` prints",
                path.display()
            ))
        };
        let text = fs::read(path).map_err(|error| fault(&error))?;
        let results: Results = serde_json::from_slice(&text).map_err(|error| fault(&error))?;
        runs.extend(results.runs);
    }
    let html = page(&runs);
    match &args.output_file {
        Some(path) => fs::write(path, html)
            .map_err(|error| Fatal::Message(format!("{}: {error}", path.display())))?,
        None => print(&html)?,
    }
    Ok(ExitCode::SUCCESS)
}
