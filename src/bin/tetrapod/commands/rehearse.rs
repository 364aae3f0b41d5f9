//! `tetrapod rehearse`.

use std::process::ExitCode;
use std::time::Instant;

use tetrapod::sim::rehearse::{Figures, Options, rehearse};

use crate::args::RehearseArgs;
use crate::output::{Fatal, complain, print};

/// Runs the seeds from `--seed` on; exit code 1 at the first that fails.
#[expect(
    clippy::disallowed_methods,
    reason = "the command tells how long its runs took"
)]
pub(crate) fn run(args: &RehearseArgs) -> Result<ExitCode, Fatal> {
    let options = Options::new(args.crash);
    let started = Instant::now();
    let mut sums = Figures::default();
    for number in 0..args.runs {
        match rehearse(args.seed.wrapping_add(number), options) {
            Ok(figures) => sums.add(&figures),
            Err(broken) => {
                complain(&broken.to_string());
                return Ok(ExitCode::from(1));
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    print(&format!(
        "{} runs held: {} steps, {} nodes asked for, {} ready, pods handed back {} times, {} crashes, $ {} billed, all right within {}; digest {:016x}; {seconds:.1} s\n",
        sums.runs,
        sums.steps,
        sums.launches,
        sums.ready,
        sums.handed_back,
        sums.crashes,
        sums.dollars(),
        sums.slowest,
        sums.digest
    ))?;
    Ok(ExitCode::SUCCESS)
}
