//! Slices of a grid, and how they become one result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spread::{FIGURES, Spread, front};
use crate::model::resources::Name;
use crate::sim::world::result::Totals;

/// Numbers of missing runs that a message lists at most.
const MOST_LISTED: usize = 10;

/// One run of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SweepRun {
    /// Its number in the grid.
    pub number: u64,
    /// The trace; empty for the Simulation's own.
    pub trace: Name,
    /// The policy.
    pub policy: Name,
    /// The seed.
    pub seed: u64,
    /// What it came to.
    pub totals: Totals,
}

/// What came of one shard of a sweep. The serde form is what `simulate --sweep --shard` prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[must_use = "a slice is of use only when it is merged"]
#[non_exhaustive]
pub struct Slice {
    /// Name of the sweep.
    pub sweep: Name,
    /// Name of the Simulation.
    pub simulation: Name,
    /// Differs between sweeps that are not the same.
    pub fingerprint: Name,
    /// Which shard, such as `0/4`.
    pub shard: String,
    /// Runs of all shards.
    pub total_runs: u64,
    /// Policies in order.
    pub policies: Vec<Name>,
    /// Traces in order; one empty name for the Simulation's own.
    pub traces: Vec<Name>,
    /// How many seeds.
    pub seeds: u64,
    /// The target delay in seconds.
    pub slo_seconds: f64,
    /// Runs of this shard.
    pub runs: Vec<SweepRun>,
}

/// What the runs of a policy on a trace came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cell {
    /// The trace; empty for the Simulation's own, and where all traces are taken together.
    pub trace: Name,
    /// The policy.
    pub policy: Name,
    /// How many runs.
    pub runs: u64,
    /// Whether no other policy of the same trace is at least as good in the means of cost and SLO attainment, and better in
    /// one.
    pub front: bool,
    /// Mean and spread by the name of the figure: those of [`FIGURES`](super::FIGURES).
    pub figures: BTreeMap<Name, Spread>,
}

impl Cell {
    /// The spread of a figure, zeros for one that is not known.
    #[must_use]
    pub fn figure(&self, name: &str) -> Spread {
        self.figures.get(name).copied().unwrap_or_default()
    }
}

/// What came of a sweep. The serde form is the JSON result of `simulate --sweep` and of `report merge`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[must_use = "a sweep that nobody reads was for nothing"]
#[non_exhaustive]
pub struct SweepResult {
    /// Name of the sweep.
    pub sweep: Name,
    /// Name of the Simulation.
    pub simulation: Name,
    /// Differs between sweeps that are not the same.
    pub fingerprint: Name,
    /// Policies in order.
    pub policies: Vec<Name>,
    /// Traces in order; one empty name for the Simulation's own.
    pub traces: Vec<Name>,
    /// How many seeds.
    pub seeds: u64,
    /// The target delay in seconds.
    pub slo_seconds: f64,
    /// Per policy the runs of all traces, where there are several traces.
    pub overall: Vec<Cell>,
    /// Per trace and policy the runs of all seeds.
    pub cells: Vec<Cell>,
    /// All runs by number.
    pub runs: Vec<SweepRun>,
}

/// Why slices cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.join("\n"))]
#[non_exhaustive]
pub struct MergeError {
    /// One sentence each: what is wrong and what would help.
    pub faults: Vec<String>,
}

/// Joins the slices of all shards. The order of `slices` does not show; a run that is in two slices counts once.
/// O(runs log runs).
///
/// # Errors
/// If slices are of different sweeps, contradict each other, or runs are missing; with everything that is wrong.
pub fn merge(slices: Vec<Slice>) -> Result<SweepResult, MergeError> {
    let mut faults = Vec::new();
    let mut all: BTreeMap<u64, SweepRun> = BTreeMap::new();
    let mut slices = slices.into_iter();
    let Some(first) = slices.next() else {
        return Err(MergeError {
            faults: vec!["there is no slice: give what --shard wrote".to_owned()],
        });
    };
    let head = Slice {
        runs: Vec::new(),
        shard: String::new(),
        ..first.clone()
    };
    for slice in std::iter::once(first).chain(slices) {
        let shard = slice.shard;
        if slice.fingerprint != head.fingerprint || slice.total_runs != head.total_runs {
            faults.push(format!(
                "shard {shard} of sweep {} is of another sweep than the first (fingerprint {}, not {}): run all shards with the same input and version",
                slice.sweep, slice.fingerprint, head.fingerprint
            ));
            continue;
        }
        for run in slice.runs {
            let number = run.number;
            if number >= head.total_runs {
                faults.push(format!(
                    "shard {shard}: run {number} is beyond the {} runs of the sweep",
                    head.total_runs
                ));
            } else if all.get(&number).is_some_and(|known| *known != run) {
                faults.push(format!(
                    "shard {shard}: run {number} came to something else in another slice: run all shards with the same version"
                ));
            } else {
                all.insert(number, run);
            }
        }
    }
    if faults.is_empty() && (all.len() as u64) < head.total_runs {
        let missing: Vec<String> = (0..head.total_runs)
            .filter(|number| !all.contains_key(number))
            .take(MOST_LISTED)
            .map(|number| number.to_string())
            .collect();
        faults.push(format!(
            "{} of {} runs are missing, such as {}: give the slices of all shards",
            head.total_runs - all.len() as u64,
            head.total_runs,
            missing.join(", ")
        ));
    }
    if !faults.is_empty() {
        return Err(MergeError { faults });
    }
    Ok(summed(head, all.into_values().collect()))
}

fn summed(head: Slice, runs: Vec<SweepRun>) -> SweepResult {
    let mut cells = Vec::new();
    for trace in &head.traces {
        let of_trace = head
            .policies
            .iter()
            .map(|policy| cell(trace, policy, &runs, |run| run.trace == *trace));
        cells.extend(with_front(of_trace.collect()));
    }
    let overall = if head.traces.len() > 1 {
        let all = head
            .policies
            .iter()
            .map(|policy| cell(&Name::default(), policy, &runs, |_| true));
        with_front(all.collect())
    } else {
        Vec::new()
    };
    SweepResult {
        sweep: head.sweep,
        simulation: head.simulation,
        fingerprint: head.fingerprint,
        policies: head.policies,
        traces: head.traces,
        seeds: head.seeds,
        slo_seconds: head.slo_seconds,
        overall,
        cells,
        runs,
    }
}

fn cell(
    trace: &Name,
    policy: &Name,
    runs: &[SweepRun],
    belongs: impl Fn(&SweepRun) -> bool,
) -> Cell {
    let mine: Vec<&SweepRun> = runs
        .iter()
        .filter(|run| run.policy == *policy && belongs(run))
        .collect();
    let figures = FIGURES.iter().map(|(name, value)| {
        let values: Vec<f64> = mine.iter().map(|run| value(&run.totals)).collect();
        (Name::from(*name), Spread::of(&values))
    });
    Cell {
        trace: Name::clone(trace),
        policy: Name::clone(policy),
        runs: mine.len() as u64,
        front: false,
        figures: figures.collect(),
    }
}

fn with_front(mut cells: Vec<Cell>) -> Vec<Cell> {
    let points: Vec<(f64, f64)> = cells
        .iter()
        .map(|cell| (cell.figure("cost").mean, cell.figure("sloAttainment").mean))
        .collect();
    for (cell, best) in cells.iter_mut().zip(front(&points)) {
        cell.front = best;
    }
    cells
}
