//! One module per command.

pub(crate) mod check;
pub(crate) mod consolidate;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod rehearse;
pub(crate) mod report;
pub(crate) mod scale;
pub(crate) mod simulate;
pub(crate) mod sweep;
pub(crate) mod sweep_manifest;

use std::process::ExitCode;

use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::scheduler::{Capacity, Compiled, solved};
use tetrapod::solver::Outcome;

use crate::args::{InputArgs, WorkArgs};
use crate::input::{self, Loaded};
use crate::output::{Fatal, complain};
use crate::timing::{Timings, millis, peak_mib, resident_mib, timed};

/// Everything that a finished plan was made from.
struct Planned<'a> {
    snapshot: &'a Snapshot,
    compiled: Compiled<'a>,
    outcome: Outcome,
    plan: Plan,
}

/// Reads the input, plans its pending pods, prints timings where they are asked for, and hands it all to `then`.
fn with_plan(
    input: &InputArgs,
    work: &WorkArgs,
    then: impl FnOnce(&Planned<'_>) -> Result<ExitCode, Fatal>,
) -> Result<ExitCode, Fatal> {
    let Loaded {
        mut input,
        read,
        parse,
    } = input::load(input)?;
    if let Some(effort) = work.effort {
        input.snapshot.options.effort = effort;
    }
    let snapshot = input.snapshot;
    let parsed_rss_mib = resident_mib();
    let (capacity, resolve) = timed(|| Capacity::new(&snapshot));
    let (compiled, compile) = timed(|| Compiled::new(&snapshot, &capacity));
    let ((compiled, outcome), solve) = timed(|| solved(compiled));
    let (plan, decode) = timed(|| compiled.plan(&outcome));
    if work.timings {
        let timings = Timings {
            read_millis: millis(read),
            parse_millis: millis(parse),
            compile_millis: millis(resolve + compile),
            solve_millis: millis(solve),
            decode_millis: millis(decode),
            pods: snapshot.pods.len(),
            parsed_rss_mib,
            peak_rss_mib: peak_mib(),
        };
        complain(&serde_json::to_string(&timings)?);
    }
    then(&Planned {
        snapshot: &snapshot,
        compiled,
        outcome,
        plan,
    })
}
