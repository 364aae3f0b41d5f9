//! The Sweep document of `tetrapod/v1alpha1`. As in a Simulation, a field that is not known is a fault.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cursor::Cursor;
use super::meta::meta;
use super::simulation::{bounded, number, only};
use crate::model::resources::Name;
use crate::model::sweep::{Sweep, SweepTrace};

/// Most seeds of a sweep.
const MOST_SEEDS: i64 = 100_000;
const SEEDS: &str =
    "a number of seeds from 1 to 100000, a list of different seeds, or {from: N, count: N}";

/// Reads a Sweep document.
pub(super) fn sweep(root: &Cursor<'_, '_>) -> Sweep {
    only(
        root,
        &[
            "apiVersion",
            "kind",
            "metadata",
            "inputs",
            "policies",
            "seeds",
            "traces",
        ],
    );
    let read = Sweep {
        name: meta(root).name,
        source: Name::from(""),
        inputs: root.field("inputs").names(),
        policies: root.field("policies").names(),
        seeds: seeds(&root.field("seeds")),
        traces: bounded(&root.field("traces"), trace),
    };
    let mut names = BTreeSet::new();
    for (at, name) in root.field("policies").items().zip(&read.policies) {
        if !names.insert(name) {
            at.fault("a policy that is not listed yet");
        }
    }
    names.clear();
    for (at, trace) in root.field("traces").items().zip(&read.traces) {
        if !names.insert(&trace.name) {
            at.field("name").fault("a name that no other trace has");
        }
    }
    read
}

fn seeds(at: &Cursor<'_, '_>) -> Vec<u64> {
    let range = |from: u64, count: i64| (0..count.unsigned_abs()).map(|n| from + n).collect();
    match at.value() {
        Value::Null => vec![0],
        Value::Number(_) => range(0, at.integer(1..=MOST_SEEDS).unwrap_or(1)),
        Value::Object(_) => {
            only(at, &["from", "count"]);
            let count_at = at.field("count");
            count_at.fault_if_absent("a number of seeds from 1 to 100000");
            let from = at.field("from").integer(0..=i64::MAX - MOST_SEEDS);
            let count = count_at.integer(1..=MOST_SEEDS).unwrap_or(1);
            range(from.unwrap_or(0).unsigned_abs(), count)
        }
        Value::Array(items) => {
            if items.is_empty() || i64::try_from(items.len()).is_ok_and(|n| n > MOST_SEEDS) {
                at.fault(SEEDS);
                return vec![0];
            }
            let mut seen = BTreeSet::new();
            at.list(|item| {
                item.fault_if_absent("a whole number of 0 or more");
                let seed = item.integer(0..=i64::MAX)?.unsigned_abs();
                if !seen.insert(seed) {
                    item.fault("a seed that is not listed yet");
                }
                Some(seed)
            })
        }
        Value::Bool(_) | Value::String(_) => {
            at.fault(SEEDS);
            vec![0]
        }
    }
}

fn trace(item: &Cursor<'_, '_>) -> Option<SweepTrace> {
    only(item, &["name", "files", "scale"]);
    let mut read = SweepTrace::new(item.field("name").required("a name").unwrap_or_default());
    read.scale = number(&item.field("scale")).unwrap_or(1.0);
    for (name, file) in item.field("files").entries() {
        if let Some(file) = file.required("a file to be read in its place") {
            read.files.insert(item.context().name(name), file);
        }
    }
    Some(read)
}
