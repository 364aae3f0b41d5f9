//! `tetrapod check`.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::plan::command::Command;
use tetrapod::plan::disruption::Disruption;
use tetrapod::verify::disruption::{CommandVerdict, verify_commands};
use tetrapod::verify::verify;

use crate::args::{CheckArgs, Format};
use crate::input;
use crate::output::{Fatal, print, print_json};
use crate::table::counted;
use crate::text::verdict::render;

/// Judges the plan; exit code 1 when it is invalid.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Fatal> {
    let loaded = input::load(&args.input)?;
    let answer = match read(args)? {
        Answer::Plan(plan) => plan,
        Answer::Disruption(answer) => return disruption(args, &loaded.input.snapshot, &answer),
    };
    let verdict = verify(&loaded.input.snapshot, &answer);
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

/// What `plan` or `consolidate` printed.
enum Answer {
    Plan(Plan),
    Disruption(Disruption),
}

/// Judges disruption commands: all together, or with `--each` one by one.
fn disruption(
    args: &CheckArgs,
    snapshot: &Snapshot,
    answer: &Disruption,
) -> Result<ExitCode, Fatal> {
    let groups: Vec<&[Command]> = if args.each {
        answer.commands.chunks(1).collect()
    } else {
        vec![answer.commands.as_slice()]
    };
    let verdicts: Vec<CommandVerdict> = groups
        .into_iter()
        .map(|commands| verify_commands(snapshot, commands))
        .collect();
    let valid = verdicts.iter().all(|verdict| verdict.valid);
    match args.output.output {
        Format::Json => print_json(&verdicts)?,
        Format::Text => {
            let mut text = format!(
                "{}: {}\n",
                if valid { "valid" } else { "INVALID" },
                counted(answer.commands.len(), "command", "commands")
            );
            for finding in verdicts.iter().flat_map(|verdict| &verdict.findings) {
                text.push_str(&format!("  - {:?}: {}\n", finding.fault, finding.message));
            }
            print(&text)?;
        }
    }
    Ok(if valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn read(args: &CheckArgs) -> Result<Answer, Fatal> {
    let name = args.plan.display();
    let fault = |error: &dyn std::fmt::Display| {
        Fatal::Message(format!(
            "{name}: {error}; accepted: the JSON that `tetrapod plan` or `tetrapod consolidate` prints with --output json"
        ))
    };
    let file = File::open(&args.plan).map_err(|error| fault(&error))?;
    let value: serde_json::Value =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| fault(&error))?;
    let answer = if value.get("commands").is_some() {
        serde_json::from_value(value).map(Answer::Disruption)
    } else {
        serde_json::from_value(value).map(Answer::Plan)
    };
    answer.map_err(|error| fault(&error))
}
