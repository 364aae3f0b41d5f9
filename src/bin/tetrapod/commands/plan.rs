//! `tetrapod plan`.

use std::process::ExitCode;

use tetrapod::verify::binding_order;

use crate::args::{Format, PlanArgs};
use crate::output::{Fatal, complain, print, print_json};
use crate::text::plan::{Detail, render};

/// Plans the pending pods of the input. Pods that stay pending are a result, not an error.
pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Fatal> {
    super::with_plan(&args.input, &args.work, |planned| {
        match args.output.output {
            Format::Json if args.binding_order => {
                let mut plan = planned.plan.clone();
                match binding_order(planned.snapshot, &plan) {
                    Some(order) => plan.binding_order = order,
                    None => complain("no order was found in which all pods can be bound"),
                }
                print_json(&plan)?;
            }
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
