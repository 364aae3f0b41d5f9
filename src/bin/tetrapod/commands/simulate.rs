//! `tetrapod simulate`.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use tetrapod::base::time::Span;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::simulation::{SimPolicy, Simulation};
use tetrapod::model::sweep::SweepTrace;
use tetrapod::report::page;
use tetrapod::sim::sweep::Load;
use tetrapod::sim::world::conserve::{Observer, check};
use tetrapod::sim::world::result::SimResult;
use tetrapod::sim::world::{Setup, World};

use super::sweep;
use crate::args::{Format, SimulateArgs};
use crate::output::{Fatal, print, print_json};
use crate::scenario::{self, at};
use crate::text::simulate::render;

/// The JSON result.
#[derive(Debug, Serialize)]
struct Report<'a> {
    runs: &'a [SimResult],
}

/// Runs the simulation of the input under each of its policies.
pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode, Fatal> {
    if let Some(file) = &args.sweep {
        return sweep::run(file, args);
    }
    let mut worlds = Vec::new();
    if let Some(path) = &args.resume {
        let saved = fs::read(path).map_err(|error| at(path, &error))?;
        let world = World::resume(&saved)
            .map_err(|error| at(path, &format!("{error}; accepted: what --save wrote")))?;
        worlds.push(world);
    } else {
        let scenario = scenario::load(&args.inputs, args.skip_invalid, args.quiet)?;
        let load = scenario.read(&SweepTrace::default(), Path::new(""))?;
        for policy in policies(&load.simulation, &args.policy)? {
            worlds.push(world(&scenario.snapshot, &load, &policy, args.seed)?);
        }
    }
    let mut runs = Vec::new();
    for world in worlds {
        runs.push(one(world, args)?);
    }
    if let Some(path) = &args.events {
        write(path, |out| events(out, &runs))?;
    }
    if let Some(path) = &args.series {
        write(path, |out| series(out, &runs))?;
    }
    if let Some(path) = &args.report {
        fs::write(path, page(&runs)).map_err(|error| at(path, &error))?;
    }
    if let Some(path) = &args.result {
        let text = serde_json::to_vec_pretty(&Report { runs: &runs })?;
        fs::write(path, text).map_err(|error| at(path, &error))?;
    }
    match args.output.output {
        Format::Json => print_json(&Report { runs: &runs })?,
        Format::Text => print(&render(&runs))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The world of one policy before its first event.
fn world(snapshot: &Snapshot, load: &Load, policy: &SimPolicy, seed: u64) -> Result<World, Fatal> {
    let traces = load.traces.clone();
    let setup = Setup::new(snapshot, &load.simulation, policy, traces, seed)
        .map_err(|error| Fatal::Message(error.to_string()))?;
    Ok(World::new(setup))
}

fn one(mut world: World, args: &SimulateArgs) -> Result<SimResult, Fatal> {
    let mut observer = args.check.then(|| Observer::new(&world));
    if observer.is_some() {
        world.tell_facts();
    }
    let save_at = args.save_at.map(|after| world.start().plus(after));
    let mut saved = false;
    loop {
        let next = world.next_at();
        if let Some(path) = args.save.as_ref().filter(|_| !saved)
            && save_at.is_none_or(|save_at| next.is_none_or(|next| next > save_at))
        {
            fs::write(path, world.save()).map_err(|error| at(path, &error))?;
            saved = true;
        }
        let went = world.step();
        if let Some(observer) = &mut observer {
            check(observer, &mut world)
                .map_err(|broken| Fatal::Message(format!("the books do not balance {broken}")))?;
        }
        if !went {
            return Ok(world.result());
        }
    }
}

/// The policies called `names`, all when none is named.
fn policies(simulation: &Simulation, names: &[String]) -> Result<Vec<SimPolicy>, Fatal> {
    let mut all = simulation.policies.clone();
    if all.is_empty() {
        all.push(SimPolicy::new("as-it-is"));
    }
    let known: Vec<String> = all.iter().map(|policy| policy.name.to_string()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(Fatal::Message(format!(
            "there is no policy {name:?}; accepted: {}",
            known.join(", ")
        )));
    }
    all.retain(|policy| names.is_empty() || names.iter().any(|name| **name == *policy.name));
    Ok(all)
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Fatal> {
    let file = File::create(path).map_err(|error| at(path, &error))?;
    let mut out = BufWriter::new(file);
    let done = fill(&mut out).and_then(|()| out.flush());
    done.map_err(|error| at(path, &error))
}

/// `text` as a CSV field.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn events(out: &mut BufWriter<File>, runs: &[SimResult]) -> std::io::Result<()> {
    writeln!(out, "policy,time,kind,object,message")?;
    for run in runs {
        for event in &run.events {
            let (object, message) = (quoted(&event.object), quoted(&event.message));
            writeln!(
                out,
                "{},{},{},{object},{message}",
                quoted(&run.policy),
                event.time,
                event.kind
            )?;
        }
    }
    Ok(())
}

/// One row per figure and moment, which every tool can pivot.
fn series(out: &mut BufWriter<File>, runs: &[SimResult]) -> std::io::Result<()> {
    writeln!(out, "policy,seconds,figure,of,value")?;
    for run in runs {
        let series = &run.series;
        let policy = quoted(&run.policy);
        for (at, time) in series.time.iter().enumerate() {
            let mut row = |figure: &str, of: &str, value: Option<String>| match value {
                Some(value) => writeln!(out, "{policy},{time},{figure},{},{value}", quoted(of)),
                None => Ok(()),
            };
            for (figure, lists) in [
                ("replicas", &series.replicas),
                ("ready", &series.ready),
                ("nodes", &series.nodes),
            ] {
                for (of, list) in lists {
                    row(figure, of, list.get(at).map(u32::to_string))?;
                }
            }
            for (of, list) in &series.queue {
                row("queue", of, list.get(at).map(u64::to_string))?;
            }
            for (of, list) in &series.arrivals {
                row("arrivals", of, list.get(at).map(f64::to_string))?;
            }
            row("pending", "", series.pending.get(at).map(u32::to_string))?;
            for (figure, list) in [
                ("costRate", &series.cost_rate),
                ("gpuUtilisation", &series.gpu_utilisation),
                ("cpuUtilisation", &series.cpu_utilisation),
                ("fragmentation", &series.fragmentation),
            ] {
                row(figure, "", list.get(at).map(f64::to_string))?;
            }
        }
    }
    Ok(())
}

/// A duration of the command line.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    text.parse()
        .map_err(|error: tetrapod::base::time::TimeError| error.to_string())
}
