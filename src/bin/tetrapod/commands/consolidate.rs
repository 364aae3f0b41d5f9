//! `tetrapod consolidate`.

use std::process::ExitCode;

use tetrapod::disruption::{consolidate, policy};

use crate::args::{ConsolidateArgs, Format};
use crate::input;
use crate::output::{Fatal, complain, print, print_json};
use crate::timing::{millis, timed};

/// Decides which nodes of the input go.
pub(crate) fn run(args: &ConsolidateArgs) -> Result<ExitCode, Fatal> {
    let policy = policy::policy(&args.policy).ok_or_else(|| {
        Fatal::Message(format!(
            "unknown policy {:?}: expected economic, karpenter or karpenter-head",
            args.policy
        ))
    })?;
    let loaded = input::load(&args.input)?;
    let snapshot = loaded.input.snapshot;
    let (result, decide) = timed(|| consolidate(&snapshot, policy.as_ref()));
    if args.timings {
        complain(&format!("{{\"decideMillis\":{}}}", millis(decide)));
    }
    match args.output.output {
        Format::Json => print_json(&result)?,
        Format::Text => print("")?,
    }
    Ok(ExitCode::SUCCESS)
}
