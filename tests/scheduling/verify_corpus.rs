//! The checker against an optional external corpus: the folder named by `TETRAPOD_CORPUS` holds `NAME.json`,
//! `NAME.expected.json` (a plan) and `INDEX.tsv` (the kinds of violations that the plan is known to have).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::verify::{Verdict, verify};

/// Names of violations as they stand in JSON.
fn kinds(verdict: &Verdict) -> BTreeSet<String> {
    let name = |kind| {
        serde_json::to_value(kind)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    verdict.violations.iter().map(|v| name(v.kind)).collect()
}

fn corpus() -> Option<PathBuf> {
    std::env::var_os("TETRAPOD_CORPUS").map(PathBuf::from)
}

fn read(folder: &Path, name: &str) -> (Snapshot, Plan) {
    let text =
        |suffix: &str| std::fs::read_to_string(folder.join(format!("{name}{suffix}"))).unwrap();
    let snapshot = manifest::snapshot_from_str(&text(".json")).unwrap();
    let plan = serde_json::from_str(&text(".expected.json")).unwrap();
    (snapshot, plan)
}

/// Known kinds by scenario, from the columns `name` and `karpenterViolations`.
fn index(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let mut lines = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = head
        .iter()
        .position(|h| *h == "karpenterViolations")
        .unwrap();
    lines
        .map(|line| {
            let kinds = line[column].split(',').map(str::trim);
            let kinds = kinds.filter(|kind| *kind != "-" && !kind.is_empty());
            (line[0].to_owned(), kinds.map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn karpenters_plans_are_judged_as_recorded() {
    let Some(folder) = corpus() else {
        return;
    };
    let mut differences = Vec::new();
    for (name, known) in index(&folder) {
        let (snapshot, plan) = read(&folder, &name);
        let verdict = verify(&snapshot, &plan);
        if kinds(&verdict) != known {
            differences.push(format!(
                "{name}: {known:?} recorded, {:#?}",
                verdict.violations
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
