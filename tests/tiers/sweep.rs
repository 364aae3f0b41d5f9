//! Sweeps: the same bytes however the work is divided, and what is wrong is said.

#![cfg(all(feature = "sim", feature = "yaml"))]

use std::collections::BTreeMap;
use std::sync::Arc;

use tetrapod::manifest::Reader;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::simulation::Simulation;
use tetrapod::model::sweep::{Sweep, SweepTrace};
use tetrapod::sim::sweep::{Grid, Load, Shard, Slice, SweepResult, loads, merge};
use tetrapod::sim::world::conserve::run_checked;
use tetrapod::sim::world::trace::Trace;

use crate::sweep_world::{LOAD, OTHER, WORLD};

fn sweep(text: &str) -> Sweep {
    let mut reader = Reader::new();
    let head = "apiVersion: tetrapod/v1alpha1\nkind: Sweep\nmetadata: {name: test}\n";
    reader.read("sweep.yaml", format!("{head}{text}").as_bytes());
    reader.finish().unwrap().sweeps.remove(0)
}

fn simulation() -> (Snapshot, Simulation) {
    let mut reader = Reader::new();
    reader.read("world.yaml", WORLD.as_bytes());
    let mut input = reader.finish().unwrap();
    (input.snapshot, input.simulations.remove(0))
}

fn read(trace: &SweepTrace, simulation: &Simulation) -> Load {
    let text = if trace.files.is_empty() { LOAD } else { OTHER };
    let parsed = Trace::parse(&"load.csv".into(), text).unwrap();
    let traces = BTreeMap::from([("load.csv".into(), Arc::new(parsed))]);
    Load::new(trace, simulation, traces)
}

fn grid(text: &str) -> Grid {
    let sweep = sweep(text);
    let (snapshot, simulation) = simulation();
    let asked = loads(&sweep, &simulation).unwrap();
    let read = asked.iter().map(|trace| read(trace, &simulation)).collect();
    Grid::new(&sweep, &snapshot, read).unwrap()
}

/// The slice of a shard, its runs done in the order of their numbers or the other way round, the books kept.
fn slice(grid: &Grid, shard: Shard, backwards: bool) -> Slice {
    let mut numbers: Vec<u64> = grid.numbers(shard).collect();
    if backwards {
        numbers.reverse();
    }
    let runs = numbers.into_iter().map(|number| {
        let result = run_checked(grid.world(number).unwrap());
        grid.ran(
            number,
            result.unwrap_or_else(|broken| panic!("run {number}: {broken}")),
        )
        .unwrap()
    });
    grid.slice(shard, runs.collect())
}

fn bytes(result: &SweepResult) -> String {
    serde_json::to_string(result).unwrap()
}

const GRID: &str = "seeds: 4\ntraces: [{name: own}, {name: other, files: {load.csv: other.csv}}, {name: double, scale: 2}]\n";

#[test]
fn shards_in_any_order_merge_to_what_one_run_gives() {
    let grid = grid(GRID);
    assert_eq!(grid.runs(), 3 * 2 * 4);
    let whole = merge(vec![slice(&grid, Shard::WHOLE, false)]).unwrap();
    let shards = [2, 0, 3, 1].map(|at| slice(&grid, Shard::new(at, 4).unwrap(), at % 2 == 0));
    // A slice goes through its JSON form, as between machines.
    let shards = shards.map(|slice| {
        let text = serde_json::to_vec(&slice).unwrap();
        serde_json::from_slice::<Slice>(&text).unwrap()
    });
    let merged = merge(shards.to_vec()).unwrap();
    assert_eq!(bytes(&merged), bytes(&whole));
    // A shard that was run twice counts once.
    let mut twice = shards.to_vec();
    twice.push(slice(&grid, Shard::new(1, 4).unwrap(), false));
    assert_eq!(bytes(&merge(twice).unwrap()), bytes(&whole));

    assert_eq!((whole.cells.len(), whole.overall.len()), (6, 2));
    let cell = |trace: &str, policy: &str| {
        let found = whole
            .cells
            .iter()
            .find(|c| *c.trace == *trace && *c.policy == *policy);
        found.unwrap()
    };
    let (own, double) = (cell("own", "economic"), cell("double", "economic"));
    assert!(double.figure("requestsServed").mean > own.figure("requestsServed").mean * 1.9);
    assert_ne!(own.figures, cell("other", "economic").figures);
    let kept = cell("own", "kept");
    assert!(
        kept.figure("cost").mean > own.figure("cost").mean,
        "what is kept costs"
    );
    assert!(own.front, "nothing is cheaper");
    assert!(own.figure("cost").deviation > 0.0, "seeds differ");
    let of_own: Vec<f64> = whole
        .runs
        .iter()
        .filter(|run| &*run.trace == "own" && &*run.policy == "economic")
        .map(|run| run.totals.cost.as_f64())
        .collect();
    let most = of_own.iter().copied().fold(0.0, f64::max);
    assert_eq!((of_own.len(), own.figure("cost").most), (4, most));
}

#[test]
fn slices_that_do_not_belong_together_are_refused_with_all_reasons() {
    let first = grid(GRID);
    let half = slice(&first, Shard::new(0, 2).unwrap(), false);
    let error = merge(vec![half.clone()]).unwrap_err().to_string();
    assert!(
        error.contains("12 of 24 runs are missing, such as 1, 3, 5"),
        "{error}"
    );
    let other = grid(
        "seeds: [0, 1, 2, 4]\ntraces: [{name: own}, {name: other, files: {load.csv: o}}, {name: double, scale: 2}]\n",
    );
    let foreign = slice(&other, Shard::new(1, 2).unwrap(), false);
    let error = merge(vec![half.clone(), foreign]).unwrap_err().to_string();
    assert!(
        error.contains("shard 1/2 of sweep test is of another sweep"),
        "{error}"
    );
    let mut altered = half.clone();
    altered.runs[0].totals.evictions += 1;
    let error = merge(vec![half, altered]).unwrap_err().to_string();
    assert!(error.contains("run 0 came to something else"), "{error}");
    assert!(merge(Vec::new()).is_err());
}

#[test]
fn a_shard_is_written_as_index_and_count() {
    let shard: Shard = "3/4".parse().unwrap();
    assert_eq!(shard.to_string(), "3/4");
    for wrong in ["4/4", "0/0", "1", "-1/4", "a/b", "1/2/3"] {
        let error = wrong.parse::<Shard>().unwrap_err().to_string();
        assert!(error.contains("accepted: I/N"), "{error}");
    }
}

#[test]
fn seeds_are_a_count_a_list_or_a_range() {
    assert_eq!(sweep("").seeds, [0]);
    assert_eq!(sweep("seeds: 3").seeds, [0, 1, 2]);
    assert_eq!(sweep("seeds: [7, 3]").seeds, [7, 3]);
    assert_eq!(sweep("seeds: {from: 5, count: 2}").seeds, [5, 6]);
}

#[test]
fn what_is_wrong_with_a_sweep_is_said_all_at_once() {
    let mut reader = Reader::new();
    let text = "apiVersion: tetrapod/v1alpha1\nkind: Sweep\nmetadata: {name: test}\nseeds: [1, 1]\nnonsense: 1\npolicies: [a, a]\ntraces: [{name: x, scale: -1, files: {a: ''}}, {name: x}, {files: 3}]\n";
    reader.read("sweep.yaml", text.as_bytes());
    reader.read(
        "more.yaml",
        text.replace("[1, 1]", "0")
            .replace("test", "more")
            .as_bytes(),
    );
    let error = reader.finish().unwrap_err().to_string();
    for part in [
        "seeds[1]: found 1",
        "seeds: found 0",
        "nonsense: found an unknown field",
        "policies[1]: found",
        "traces[0].scale: found -1",
        "traces[0].files.a: found",
        "traces[1].name: found",
        "traces[2].name: found nothing",
        "traces[2].files: found 3",
    ] {
        assert!(error.contains(part), "{part} is missing from\n{error}");
    }

    let (snapshot, simulation) = simulation();
    let lost = sweep("traces: [{name: x, files: {lost.csv: other.csv}}]");
    let error = loads(&lost, &simulation).unwrap_err().to_string();
    assert!(
        error.contains(
            "traces[0].files: Simulation small reads no trace lost.csv; it reads: load.csv"
        ),
        "{error}"
    );
    let lost = sweep(
        "policies: [economic, absent]\nseeds: 100000\ntraces: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}, {name: g}, {name: h}, {name: i}, {name: j}, {name: k}]",
    );
    let all = loads(&lost, &simulation).unwrap();
    let read = all.iter().map(|trace| read(trace, &simulation)).collect();
    let error = Grid::new(&lost, &snapshot, read).unwrap_err().to_string();
    assert!(
        error
            .contains("policies[1]: Simulation small has no policy absent; it has: economic, kept"),
        "{error}"
    );
    assert!(
        error.contains("are 1100000 runs; accepted: up to 1000000"),
        "{error}"
    );
}
