//! One module per command.

pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod preflight;

use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::scheduler::{Capacity, Compiled};

use crate::args::{InputArgs, WorkArgs};
use crate::input::{self, Loaded};
use crate::output::{Fatal, complain};
use crate::timing::{Timings, millis, peak_mib, resident_mib, timed};

/// Reads the input and plans its pending pods; prints timings where they are asked for.
fn read_and_plan(input: &InputArgs, work: &WorkArgs) -> Result<(Snapshot, Plan), Fatal> {
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
    let (plan, timings) = {
        let (capacity, resolve) = timed(|| Capacity::new(&snapshot));
        let (compiled, compile) = timed(|| Compiled::new(&snapshot, &capacity));
        let (outcome, solve) = timed(|| compiled.solve());
        let (plan, decode) = timed(|| compiled.plan(&outcome));
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
        (plan, timings)
    };
    if work.timings {
        complain(&serde_json::to_string(&timings)?);
    }
    Ok((snapshot, plan))
}
