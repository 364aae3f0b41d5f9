//! `tetrapod scale`.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tetrapod::base::time::Timestamp;
use tetrapod::model::autoscaling::samples::AutoscalerKind;
use tetrapod::model::resources::Name;
use tetrapod::scaling::survey::{States, Surveyed};
use tetrapod::scaling::{Settings, State, survey};

use crate::args::{Format, ScaleArgs};
use crate::input;
use crate::output::{Fatal, print, print_json};
use crate::text::scale::render;

/// The JSON result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    now: Timestamp,
    autoscalers: &'a [Surveyed],
}

/// What `--state` reads of an earlier result.
#[derive(Debug, Deserialize)]
struct Earlier {
    autoscalers: Vec<EarlierOne>,
}

#[derive(Debug, Deserialize)]
struct EarlierOne {
    kind: AutoscalerKind,
    namespace: Name,
    name: Name,
    state: State,
}

/// Says what every autoscaler of the input would set. One whose count is not known is part of the result.
pub(crate) fn run(args: &ScaleArgs) -> Result<ExitCode, Fatal> {
    let states = match &args.state {
        Some(path) => earlier(path)?,
        None => States::new(),
    };
    let loaded = input::load(&args.input)?;
    let snapshot = loaded.input.snapshot;
    let Some(now) = snapshot.options.now else {
        return Err(Fatal::Message(
            "the time is not known: give --now, Options.now or an object with a time".to_owned(),
        ));
    };
    let autoscalers = survey(&snapshot, Settings::default(), &states, now);
    match args.output.output {
        Format::Json => print_json(&Report {
            now,
            autoscalers: &autoscalers,
        })?,
        Format::Text => print(&render(&autoscalers, now))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The states in an earlier JSON result.
fn earlier(path: &Path) -> Result<States, Fatal> {
    let bad = |error: &dyn std::fmt::Display| {
        Fatal::Message(format!(
            "{}: {error}; accepted: what `tetrapod scale --output json` printed",
            path.display()
        ))
    };
    let file = File::open(path).map_err(|error| bad(&error))?;
    let read: Earlier =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| bad(&error))?;
    Ok(read
        .autoscalers
        .into_iter()
        .map(|one| ((one.kind, one.namespace, one.name), one.state))
        .collect())
}
