//! Grids of runs: every policy on every trace with every seed, and what comes of them.
//!
//! A [`Grid`] numbers its runs: traces outermost, then policies, then seeds. Each run is a [`World`] of its own, so whoever drives
//! the grid may run them in any order, on any number of threads or machines. [`merge`] puts the runs in order before
//! anything is added up: the [`SweepResult`] has the same bytes however the work was divided.
//!
//! ```text
//!  Sweep + Simulation + traces ──▶ Grid ──run 0, 1, 2 ...──▶ Slice (of a shard) ──merge──▶ SweepResult
//! ```

mod slice;
mod spread;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

pub use slice::{Cell, MergeError, Slice, SweepResult, SweepRun, merge};
pub use spread::{FIGURES, Figure, Spread, front};

use crate::model::cluster::Snapshot;
use crate::model::resources::Name;
use crate::model::simulation::{LoadSource, SimPolicy, Simulation};
use crate::model::sweep::{Sweep, SweepTrace};
use crate::sim::world::result::SimResult;
use crate::sim::world::trace::Trace;
use crate::sim::world::{Setup, World};

/// Runs of a grid at most.
pub const MOST_RUNS: u64 = 1_000_000;

/// What is wrong with a sweep, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Sweep {name}: {}", .faults.join("\nSweep: "))]
#[non_exhaustive]
pub struct SweepError {
    /// The sweep.
    pub name: Name,
    /// One sentence each: the field, what is wrong, what would help.
    pub faults: Vec<String>,
}

/// One load of a grid: the Simulation with this load, and the traces that it names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Load {
    /// Name of the trace of the sweep; empty for the Simulation's own.
    pub name: Name,
    /// The Simulation, the arrivals of its jobs in it.
    pub simulation: Simulation,
    /// Its traces of requests.
    pub traces: BTreeMap<Name, Arc<Trace>>,
}

impl Load {
    /// The load `trace` of a sweep: `simulation` with its scale, and `traces` as read.
    #[must_use]
    pub fn new(
        trace: &SweepTrace,
        simulation: &Simulation,
        traces: BTreeMap<Name, Arc<Trace>>,
    ) -> Self {
        let mut simulation = simulation.clone();
        for load in simulation.services.iter_mut().flat_map(|s| &mut s.load) {
            load.scale *= trace.scale;
        }
        Self {
            name: Name::clone(&trace.name),
            simulation,
            traces,
        }
    }
}

/// The loads that `sweep` asks for, one at least.
///
/// # Errors
/// If one replaces a file that `simulation` does not read.
pub fn loads(sweep: &Sweep, simulation: &Simulation) -> Result<Vec<SweepTrace>, SweepError> {
    let of_service = simulation.services.iter().filter_map(|service| {
        match service.load.as_ref().map(|load| &load.source) {
            Some(LoadSource::Trace(name)) => Some(name),
            Some(LoadSource::Generate(_) | LoadSource::Points(_)) | None => None,
        }
    });
    let of_jobs = simulation
        .jobs
        .iter()
        .filter_map(|jobs| jobs.trace.as_ref());
    let known: BTreeSet<&Name> = of_service.chain(of_jobs).collect();
    let mut faults = Vec::new();
    for (at, trace) in sweep.traces.iter().enumerate() {
        for file in trace.files.keys().filter(|file| !known.contains(file)) {
            faults.push(format!(
                "traces[{at}].files: Simulation {} reads no trace {file}; it reads: {}",
                simulation.name,
                listed(known.iter().copied())
            ));
        }
    }
    if !faults.is_empty() {
        return Err(wrong(sweep, faults));
    }
    if sweep.traces.is_empty() {
        return Ok(vec![SweepTrace::default()]);
    }
    Ok(sweep.traces.clone())
}

fn listed<'n>(names: impl Iterator<Item = &'n Name>) -> String {
    let names: Vec<&str> = names.map(|name| &**name).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn wrong(sweep: &Sweep, faults: Vec<String>) -> SweepError {
    SweepError {
        name: Name::clone(&sweep.name),
        faults,
    }
}

/// One slice of a grid: the runs whose number leaves `index` when divided by `of`. Written `index/of`, from `0/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u64,
    of: u64,
}

/// Why a text is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no shard; accepted: I/N with I from 0 to N - 1, such as 0/4")]
#[non_exhaustive]
pub struct ShardError {
    /// The text.
    pub found: String,
}

impl Shard {
    /// The whole grid.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Slice number `index` of `of`, if there is such a one.
    #[must_use]
    pub const fn new(index: u64, of: u64) -> Option<Self> {
        if index < of {
            Some(Self { index, of })
        } else {
            None
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let read = || {
            let (index, of) = text.split_once('/')?;
            Self::new(index.parse().ok()?, of.parse().ok()?)
        };
        read().ok_or_else(|| ShardError {
            found: text.chars().take(40).collect(),
        })
    }
}

/// All runs of a sweep.
#[derive(Debug)]
pub struct Grid {
    name: Name,
    simulation: Name,
    snapshot: Snapshot,
    policies: Vec<SimPolicy>,
    seeds: Vec<u64>,
    loads: Vec<Load>,
    fingerprint: Name,
}

impl Grid {
    /// The grid of `sweep` on the cluster of `snapshot` under `loads`, which are those that [`loads`] asked for, read.
    ///
    /// # Errors
    /// If a policy is not there, the grid is too large, or a Simulation names what is not there; with everything that is wrong.
    pub fn new(sweep: &Sweep, snapshot: &Snapshot, loads: Vec<Load>) -> Result<Self, SweepError> {
        let Some(first) = loads.first() else {
            return Err(wrong(sweep, vec!["traces: there is none".to_owned()]));
        };
        let simulation = Name::clone(&first.simulation.name);
        let mut known = first.simulation.policies.clone();
        if known.is_empty() {
            known.push(SimPolicy::new("as-it-is"));
        }
        let mut faults = Vec::new();
        for (at, name) in sweep.policies.iter().enumerate() {
            if !known.iter().any(|policy| policy.name == *name) {
                faults.push(format!(
                    "policies[{at}]: Simulation {simulation} has no policy {name}; it has: {}",
                    listed(known.iter().map(|policy| &policy.name))
                ));
            }
        }
        let asked =
            |policy: &SimPolicy| sweep.policies.is_empty() || sweep.policies.contains(&policy.name);
        let policies: Vec<SimPolicy> = known.into_iter().filter(asked).collect();
        let sizes = [policies.len(), loads.len(), sweep.seeds.len()];
        let runs = sizes
            .iter()
            .fold(1_u64, |runs, size| runs.saturating_mul(*size as u64));
        if runs > MOST_RUNS {
            faults.push(format!(
                "seeds: {} policies x {} traces x {} seeds are {runs} runs; accepted: up to {MOST_RUNS}",
                policies.len(),
                loads.len(),
                sweep.seeds.len()
            ));
        }
        for load in &loads {
            for policy in &policies {
                let traces = load.traces.clone();
                if let Err(error) = Setup::new(snapshot, &load.simulation, policy, traces, 0) {
                    faults.push(error.to_string());
                }
            }
        }
        faults.sort();
        faults.dedup();
        if !faults.is_empty() {
            return Err(wrong(sweep, faults));
        }
        let mut grid = Self {
            name: Name::clone(&sweep.name),
            simulation,
            snapshot: snapshot.clone(),
            policies,
            seeds: sweep.seeds.clone(),
            loads,
            fingerprint: Name::default(),
        };
        grid.fingerprint = grid.digest();
        Ok(grid)
    }

    /// How many runs there are.
    #[must_use]
    pub fn runs(&self) -> u64 {
        (self.policies.len() * self.loads.len() * self.seeds.len()) as u64
    }

    /// The numbers of the runs of `shard`, ascending.
    pub fn numbers(&self, shard: Shard) -> impl Iterator<Item = u64> + use<> {
        let runs = self.runs();
        let step = usize::try_from(shard.of).unwrap_or(usize::MAX);
        (shard.index..runs).step_by(step.max(1))
    }

    fn place(&self, number: u64) -> Option<(&Load, &SimPolicy, u64)> {
        let number = usize::try_from(number).ok()?;
        let (seeds, policies) = (self.seeds.len(), self.policies.len());
        let seed = self.seeds.get(number % seeds)?;
        let policy = self.policies.get(number / seeds % policies)?;
        Some((self.loads.get(number / seeds / policies)?, policy, *seed))
    }

    /// The world of run `number` before its first event; `None` beyond the last run.
    #[must_use]
    pub fn world(&self, number: u64) -> Option<World> {
        let (load, policy, seed) = self.place(number)?;
        let traces = load.traces.clone();
        let setup = Setup::new(&self.snapshot, &load.simulation, policy, traces, seed);
        setup.ok().map(World::new)
    }

    /// What is kept of run `number`, which came to `result`; `None` beyond the last run.
    #[must_use]
    pub fn ran(&self, number: u64, result: SimResult) -> Option<SweepRun> {
        let (load, policy, seed) = self.place(number)?;
        Some(SweepRun {
            number,
            trace: Name::clone(&load.name),
            policy: Name::clone(&policy.name),
            seed,
            totals: result.totals,
        })
    }

    /// The slice of `shard` with what came of its runs.
    pub fn slice(&self, shard: Shard, mut runs: Vec<SweepRun>) -> Slice {
        runs.sort_by_key(|run| run.number);
        let first = self.loads.first();
        Slice {
            sweep: Name::clone(&self.name),
            simulation: Name::clone(&self.simulation),
            fingerprint: Name::clone(&self.fingerprint),
            shard: shard.to_string(),
            total_runs: self.runs(),
            policies: self.policies.iter().map(|p| Name::clone(&p.name)).collect(),
            traces: self.loads.iter().map(|l| Name::clone(&l.name)).collect(),
            seeds: self.seeds.len() as u64,
            slo_seconds: first.map_or(0.0, |load| {
                crate::sim::world::trace::real(load.simulation.slo.as_millis()) / 1000.0
            }),
            runs,
        }
    }

    /// A text that differs where results might: of another cluster, load, policy, seed or version of this crate.
    fn digest(&self) -> Name {
        let mut digest = Digest::default();
        let loads: Vec<_> = self
            .loads
            .iter()
            .map(|load| (&load.name, &load.simulation, &load.traces))
            .collect();
        // Where a document was read from changes no result.
        let mut loads_without_source = Vec::new();
        for (name, simulation, traces) in loads {
            let mut simulation = simulation.clone();
            simulation.source = Name::default();
            loads_without_source.push((name, simulation, traces));
        }
        let all = (
            env!("CARGO_PKG_VERSION"),
            &self.name,
            &self.snapshot,
            &self.policies,
            &self.seeds,
            loads_without_source,
        );
        // Writing to a digest does not fail, and what is digested was read from documents of the same form.
        let written = serde_json::to_writer(&mut digest, &all);
        debug_assert!(written.is_ok(), "{written:?}");
        Name::from(format!("{:016x}", digest.0))
    }
}

/// FNV-1a, to tell sweeps apart that were mixed up, not to withstand anybody.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
