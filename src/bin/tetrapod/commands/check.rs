//! `tetrapod check`.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use tetrapod::plan::Plan;
use tetrapod::verify::verify;

use crate::args::{CheckArgs, Format};
use crate::input;
use crate::output::{Fatal, print, print_json};
use crate::text::verdict::render;

/// Judges the plan; exit code 1 when it is invalid.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Fatal> {
    let loaded = input::load(&args.input)?;
    let plan = read_plan(args)?;
    let verdict = verify(&loaded.input.snapshot, &plan);
    match args.output.output {
        Format::Json => print_json(&verdict)?,
        Format::Text => print(&render(&verdict))?,
    }
    Ok(if verdict.valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn read_plan(args: &CheckArgs) -> Result<Plan, Fatal> {
    let name = args.plan.display();
    let file =
        File::open(&args.plan).map_err(|error| Fatal::Message(format!("{name}: {error}")))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        Fatal::Message(format!(
            "{name}: {error}; accepted: the JSON that `tetrapod plan --output json` prints"
        ))
    })
}
