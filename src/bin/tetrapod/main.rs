//! The `tetrapod` command: the library's shop window.
//!
//! Everything that touches files, clocks and the terminal is here; the library does none of it. Exit codes: 0 the work
//! was done, 1 `check`, `preflight` or `rehearse` found a fault, 2 usage or input that cannot be used.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod input;
mod output;
mod scenario;
mod table;
mod text;
mod timing;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use output::Fatal;

/// Plans are made of many small lists: an eighth of a plan's time is saved by an allocator made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors for clap: they print to standard output and exit with 0.
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is the reader's choice, not a fault of ours.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let result = match &cli.command {
        Command::Plan(args) => commands::plan::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Consolidate(args) => commands::consolidate::run(args),
        Command::Preflight(args) => commands::preflight::run(args),
        Command::Scale(args) => commands::scale::run(args),
        Command::Simulate(args) => commands::simulate::run(args),
        Command::Sweep(args) => commands::sweep_manifest::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Generate(args) => commands::generate::run(args),
        Command::Rehearse(args) => commands::rehearse::run(args),
    };
    match result {
        Ok(code) => code,
        Err(Fatal::ClosedPipe) => ExitCode::SUCCESS,
        Err(Fatal::Message(text)) => {
            output::complain(&text);
            ExitCode::from(2)
        }
    }
}
