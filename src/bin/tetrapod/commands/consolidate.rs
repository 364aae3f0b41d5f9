//! `tetrapod consolidate`.

use std::process::ExitCode;

use tetrapod::disruption::{consolidate, converge, policy};

use crate::args::{ConsolidateArgs, Format};
use crate::input;
use crate::output::{Fatal, complain, print, print_json};
use crate::text::consolidate::render;
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
    let (mut result, decide) = timed(|| consolidate(&snapshot, policy.as_ref()));
    let ((converged, _), again) = timed(|| match args.converge {
        true => {
            let (figures, end) = converge(&snapshot, policy.as_ref());
            (Some(figures), Some(end))
        }
        false => (None, None),
    });
    result.converge = converged;
    if args.timings {
        let (decide, again) = (millis(decide), millis(again));
        complain(&format!(
            "{{\"decideMillis\":{decide},\"convergeMillis\":{again}}}"
        ));
    }
    match args.output.output {
        Format::Json => print_json(&result)?,
        Format::Text => print(&render(&result, policy.alternatives(), args.all))?,
    }
    Ok(ExitCode::SUCCESS)
}
