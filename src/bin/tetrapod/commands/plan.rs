//! `tetrapod plan`.

use std::process::ExitCode;

use crate::args::{Format, PlanArgs};
use crate::output::{Fatal, print, print_json};
use crate::text::plan::{Detail, render};

/// Plans the pending pods of the input. Pods that stay pending are a result, not an error.
pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Fatal> {
    super::with_plan(&args.input, &args.work, |planned| {
        match args.output.output {
            Format::Json => print_json(&planned.plan)?,
            Format::Text => {
                let detail = Detail {
                    all: args.all,
                    requests: args.show_requests,
                };
                print(&render(planned.snapshot, &planned.plan, detail))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
