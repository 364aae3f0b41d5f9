//! `tetrapod simulate --sweep`, `tetrapod report merge` and what they share with `tetrapod sweep manifest`.

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serialize;
use tetrapod::manifest::Reader;
use tetrapod::model::sweep::Sweep;
use tetrapod::report::sweep_page;
use tetrapod::sim::sweep::{Grid, Shard, Slice, SweepRun, loads, merge};
use tetrapod::sim::world::World;
use tetrapod::sim::world::conserve::run_checked;

use crate::args::{Format, MergeArgs, SimulateArgs};
use crate::output::{Fatal, print, print_json};
use crate::scenario::{self, Scenario, at};
use crate::text::sweep::render;

/// A sweep with the folder to which its paths are relative, and what it simulates.
pub(crate) struct Loaded {
    pub(crate) sweep: Sweep,
    pub(crate) folder: PathBuf,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) scenario: Scenario,
}

/// Reads the sweep of `file` and its inputs; those that are `given` take the place of the sweep's own.
pub(crate) fn load(
    file: &Path,
    given: &[PathBuf],
    skip_invalid: bool,
    quiet: bool,
) -> Result<Loaded, Fatal> {
    let text = fs::read(file).map_err(|error| at(file, &error))?;
    let mut reader = Reader::new();
    reader.read(&file.display().to_string(), text.as_slice());
    let mut sweeps = reader
        .finish()
        .map_err(|error| Fatal::Message(error.to_string()))?
        .sweeps;
    let count = sweeps.len();
    let Some(sweep) = sweeps.pop().filter(|_| count == 1) else {
        return Err(at(
            file,
            &format!("{count} Sweep documents (tetrapod/v1alpha1); accepted: one"),
        ));
    };
    let folder = scenario::folder(&sweep.source);
    let inputs = if !given.is_empty() {
        given.to_vec()
    } else if sweep.inputs.is_empty() {
        // An empty path means the folder that one stands in, and is none for the system.
        vec![if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder.clone()
        }]
    } else {
        sweep.inputs.iter().map(|i| folder.join(&**i)).collect()
    };
    let scenario = scenario::load(&inputs, skip_invalid, quiet)?;
    Ok(Loaded {
        sweep,
        folder,
        inputs,
        scenario,
    })
}

impl Loaded {
    /// The grid, with all traces read.
    pub(crate) fn grid(&self) -> Result<Grid, Fatal> {
        let wrong = |error: &dyn std::fmt::Display| Fatal::Message(error.to_string());
        let asked = loads(&self.sweep, &self.scenario.simulation).map_err(|e| wrong(&e))?;
        let mut read = Vec::new();
        for trace in &asked {
            read.push(self.scenario.read(trace, &self.folder)?);
        }
        Grid::new(&self.sweep, &self.scenario.snapshot, read).map_err(|e| wrong(&e))
    }
}

/// Runs a sweep, or one shard of it.
pub(crate) fn run(file: &Path, args: &SimulateArgs) -> Result<ExitCode, Fatal> {
    let grid = load(file, &args.inputs, args.skip_invalid, args.quiet)?.grid()?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let runs = all(&grid, shard, args)?;
    let slice = grid.slice(shard, runs);
    let (result, report) = (args.result.as_deref(), args.report.as_deref());
    if args.shard.is_some() {
        write_or_print(result, &slice)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell(vec![slice], result, report, args.output.output)
}

/// Runs the runs of a shard on as many threads as were asked for, else on all cores. Which thread runs what does not show.
fn all(grid: &Grid, shard: Shard, args: &SimulateArgs) -> Result<Vec<SweepRun>, Fatal> {
    let numbers: Vec<u64> = grid.numbers(shard).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.map_or(0, usize::from))
        .build()
        .map_err(|error| Fatal::Message(format!("--threads: {error}")))?;
    let bar = progress(numbers.len(), args.quiet);
    let done = pool.install(|| {
        numbers
            .into_par_iter()
            .map(|number| {
                let run = grid.world(number).map(|world| one(world, args.check));
                bar.inc(1);
                match run {
                    Some(Ok(result)) => Ok(grid.ran(number, result)),
                    Some(Err(broken)) => Err(Fatal::Message(format!(
                        "run {number}: the books do not balance {broken}"
                    ))),
                    None => Ok(None),
                }
            })
            .collect::<Result<Vec<_>, _>>()
    });
    bar.finish_and_clear();
    Ok(done?.into_iter().flatten().collect())
}

fn one(
    world: World,
    check: bool,
) -> Result<tetrapod::sim::world::result::SimResult, tetrapod::sim::world::conserve::Broken> {
    if check {
        run_checked(world)
    } else {
        Ok(world.run())
    }
}

/// A bar on standard error, where that is a terminal.
fn progress(runs: usize, quiet: bool) -> ProgressBar {
    let target = if quiet || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} runs, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Joins the slices of shards.
pub(crate) fn merged(args: &MergeArgs) -> Result<ExitCode, Fatal> {
    let mut slices = Vec::new();
    for path in &args.shards {
        let fault = |error: &dyn std::fmt::Display| {
            at(
                path,
                &format!(
                    "{error}; accepted: what `tetrapod simulate --sweep FILE --shard I/N` wrote"
                ),
            )
        };
        let text = fs::read(path).map_err(|error| fault(&error))?;
        let slice: Slice = serde_json::from_slice(&text).map_err(|error| fault(&error))?;
        slices.push(slice);
    }
    let (result, report) = (args.result.as_deref(), args.report.as_deref());
    tell(slices, result, report, args.output.output)
}

/// Joins slices to a whole sweep and tells of it in the ways that were asked for.
fn tell(
    slices: Vec<Slice>,
    json: Option<&Path>,
    page: Option<&Path>,
    format: Format,
) -> Result<ExitCode, Fatal> {
    let result = merge(slices).map_err(|error| Fatal::Message(error.to_string()))?;
    if json.is_some() {
        write_or_print(json, &result)?;
    }
    if let Some(path) = page {
        fs::write(path, sweep_page(&result)).map_err(|error| at(path, &error))?;
    }
    match format {
        Format::Json => print_json(&result)?,
        Format::Text => print(&render(&result))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes JSON into a file: whole or not at all, so that nobody finds half a slice. To standard output without one.
fn write_or_print<T: Serialize>(path: Option<&Path>, value: &T) -> Result<(), Fatal> {
    let Some(path) = path else {
        return print_json(value);
    };
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, text).map_err(|error| at(&part, &error))?;
    fs::rename(&part, path).map_err(|error| at(path, &error))
}
