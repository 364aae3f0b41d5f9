//! A simulation with the files that it refers to.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tetrapod::model::cluster::Snapshot;
use tetrapod::model::resources::Name;
use tetrapod::model::simulation::{LoadSource, Simulation};
use tetrapod::model::sweep::SweepTrace;
use tetrapod::sim::sweep::Load;
use tetrapod::sim::world::trace::{Trace, parse_jobs};

use crate::args::InputArgs;
use crate::input;
use crate::output::Fatal;

/// A trace of this size is refused.
const MOST_BYTES: u64 = 512 << 20;

/// What there is to simulate.
pub(crate) struct Scenario {
    pub(crate) snapshot: Snapshot,
    /// Its traces are not read yet.
    pub(crate) simulation: Simulation,
}

/// Reads the input, which must have one Simulation.
pub(crate) fn load(inputs: &[PathBuf], skip_invalid: bool, quiet: bool) -> Result<Scenario, Fatal> {
    let loaded = input::load(&InputArgs {
        inputs: inputs.to_vec(),
        now: None,
        skip_invalid,
        quiet,
    })?;
    let mut simulations = loaded.input.simulations;
    let count = simulations.len();
    match simulations.pop().filter(|_| count == 1) {
        Some(simulation) => Ok(Scenario {
            snapshot: loaded.input.snapshot,
            simulation,
        }),
        None => Err(Fatal::Message(format!(
            "the input has {count} Simulation documents (tetrapod/v1alpha1); accepted: one"
        ))),
    }
}

/// The folder of `file`, to which its paths are relative.
pub(crate) fn folder(file: &str) -> PathBuf {
    let parent = Path::new(file).parent();
    parent.unwrap_or_else(|| Path::new("")).to_path_buf()
}

impl Scenario {
    /// By the name of each trace of requests and of jobs the file that is read for it: the Simulation's own, or the one that
    /// `trace` puts in its place, relative to `sweep`.
    pub(crate) fn files(&self, trace: &SweepTrace, sweep: &Path) -> BTreeMap<Name, PathBuf> {
        let own = folder(&self.simulation.source);
        let of_service = self.simulation.services.iter().filter_map(|service| {
            match service.load.as_ref().map(|load| &load.source) {
                Some(LoadSource::Trace(name)) => Some(name),
                Some(_) | None => None,
            }
        });
        let of_jobs = self.simulation.jobs.iter().filter_map(|s| s.trace.as_ref());
        let file = |name: &Name| match trace.files.get(name) {
            Some(other) => sweep.join(&**other),
            None => own.join(&**name),
        };
        of_service
            .chain(of_jobs)
            .map(|name| (Name::clone(name), file(name)))
            .collect()
    }

    /// Reads the traces of the load `trace`.
    pub(crate) fn read(&self, trace: &SweepTrace, sweep: &Path) -> Result<Load, Fatal> {
        let files = self.files(trace, sweep);
        let mut simulation = self.simulation.clone();
        let mut traces = BTreeMap::new();
        for service in &simulation.services {
            if let Some(LoadSource::Trace(name)) = service.load.as_ref().map(|load| &load.source)
                && let Some(path) = files.get(name)
                && !traces.contains_key(name)
            {
                let shown = Name::from(path.display().to_string());
                let read = Trace::parse(&shown, &text(path)?)
                    .map_err(|e| Fatal::Message(e.to_string()))?;
                traces.insert(Name::clone(name), Arc::new(read));
            }
        }
        for stream in &mut simulation.jobs {
            if let Some(path) = stream.trace.take().and_then(|name| files.get(&name)) {
                let shown = Name::from(path.display().to_string());
                let jobs =
                    parse_jobs(&shown, &text(path)?).map_err(|e| Fatal::Message(e.to_string()))?;
                stream.arrivals.extend(jobs);
            }
        }
        Ok(Load::new(trace, &simulation, traces))
    }
}

fn text(path: &Path) -> Result<String, Fatal> {
    let size = fs::metadata(path).map_err(|error| at(path, &error))?.len();
    if size > MOST_BYTES {
        return Err(at(
            path,
            &format!("{size} bytes; accepted: up to {MOST_BYTES}"),
        ));
    }
    fs::read_to_string(path).map_err(|error| at(path, &error))
}

/// What is wrong with a file.
pub(crate) fn at(path: &Path, error: &dyn Display) -> Fatal {
    Fatal::Message(format!("{}: {error}", path.display()))
}
