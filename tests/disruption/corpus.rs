//! Recorded disruption decisions of Karpenter v1.13 (and of the Balanced policy), replayed.
//!
//! `tests/data/disruption` holds `NAME.json` and what Karpenter decided, `NAME.expected.json`. With
//! `TETRAPOD_DISRUPTION_CORPUS` a whole folder of the same form is replayed instead.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tetrapod::disruption::policy::{EconomicPolicy, KarpenterPolicy, Policy as _};
use tetrapod::disruption::{apply, cluster::Cluster, converge, karpenter::Version};
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::command::Command;
use tetrapod::scheduler::Capacity;
use tetrapod::verify::disruption::verify_commands;

/// Karpenter's own faults that `--policy karpenter` reproduces: v1.14 takes a node with pods of negative cost for empty and
/// deletes it with its pods running (D-20, W-11).
const RUNNING_PODS_DELETED: &[&str] = &[
    "balanced-negative-cost-pods-are-empty",
    "balanced-priority-weights",
];

/// An eventual command leaves pods that may not be evicted to the node's `terminationGracePeriod` (D-37).
const PODS_LEFT_BEHIND: &[&str] = &["dnd-drift-with-tgp"];

pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) snapshot: Snapshot,
    expected: Value,
}

fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/disruption");
    std::env::var_os("TETRAPOD_DISRUPTION_CORPUS").map_or(own, PathBuf::from)
}

pub(crate) fn recorded() -> Vec<Recorded> {
    let folder = folder();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".expected.json").map(str::to_owned)
        })
        .collect();
    names.sort();
    let text = |name: &str, suffix: &str| {
        std::fs::read_to_string(folder.join(format!("{name}{suffix}"))).unwrap()
    };
    let read = |name: String| Recorded {
        snapshot: manifest::snapshot_from_str(&text(&name, ".json")).unwrap(),
        expected: serde_json::from_str(&text(&name, ".expected.json")).unwrap(),
        name,
    };
    names.into_iter().map(read).collect()
}

fn karpenter(snapshot: &Snapshot) -> Vec<Command> {
    let capacity = Capacity::new(snapshot);
    let policy = KarpenterPolicy::new(Version::V113);
    policy.commands(&Cluster::new(snapshot, &capacity))
}

fn economic(snapshot: &Snapshot) -> Vec<Command> {
    let capacity = Capacity::new(snapshot);
    EconomicPolicy.commands(&Cluster::new(snapshot, &capacity))
}

fn saving(command: &Value) -> f64 {
    command["priceBefore"].as_f64().unwrap_or(0.0) - command["priceAfter"].as_f64().unwrap_or(0.0)
}

/// The decision, and what it saves.
fn outcome(command: Option<&Value>) -> Option<(String, f64)> {
    command
        .filter(|c| c.is_object())
        .map(|c| (c["decision"].as_str().unwrap().to_owned(), saving(c)))
}

/// What Karpenter may do for a method: what it did, or what it did in other runs.
fn allowed(expected: &Value, method: &Value) -> Vec<Option<(String, f64)>> {
    let commands = expected["commands"].as_array().unwrap();
    let own = commands.iter().find(|c| c["method"] == method["method"]);
    let others = method["alternatives"].as_array().into_iter().flatten();
    std::iter::once(outcome(own))
        .chain(others.map(|other| outcome(other.get(0).or(Some(other)))))
        .collect()
}

#[test]
fn the_karpenter_policy_decides_as_karpenter_or_saves_more() {
    let mut same = 0;
    for case in recorded() {
        let ours = karpenter(&case.snapshot);
        for method in case.expected["methods"].as_array().unwrap() {
            let name = method["method"].as_str().unwrap();
            let found = ours.iter().find(|c| c.method.as_str() == name);
            let found = found.map(|c| {
                let saved = (c.price_before - c.price_after).as_f64();
                (c.decision().to_owned(), saved)
            });
            let allowed = allowed(&case.expected, method);
            let alike = |other: &Option<(String, f64)>| match (&found, other) {
                (None, None) => true,
                (Some((ours, a)), Some((theirs, b))) => ours == theirs && (a - b).abs() < 1e-6,
                _ => false,
            };
            let least = allowed[0].as_ref().map_or(f64::MIN, |(_, saved)| *saved);
            let more = found
                .as_ref()
                .is_some_and(|(_, saved)| *saved > least + 1e-9);
            same += usize::from(allowed.iter().any(alike));
            assert!(
                allowed.iter().any(alike) || more,
                "{}: {name}: {found:?} is not among {allowed:?}",
                case.name
            );
        }
    }
    assert!(same > 100, "only {same} decisions are Karpenter's own");
}

#[test]
fn every_command_is_valid() {
    for case in recorded() {
        let faulty = RUNNING_PODS_DELETED.contains(&case.name.as_str());
        for command in karpenter(&case.snapshot).into_iter().filter(|_| !faulty) {
            let verdict = verify_commands(&case.snapshot, std::slice::from_ref(&command));
            let found = &verdict.findings;
            assert!(
                verdict.valid,
                "{}: {:?}: {found:#?}",
                case.name, command.method
            );
        }
        let plan = economic(&case.snapshot);
        let verdict = verify_commands(&case.snapshot, &plan);
        assert!(verdict.valid, "{}: {:#?}", case.name, verdict.findings);
        for command in &plan {
            let verdict = verify_commands(&case.snapshot, std::slice::from_ref(command));
            assert!(
                verdict.valid,
                "{} alone: {:#?}",
                case.name, verdict.findings
            );
        }
    }
}

#[test]
fn the_default_policy_ends_no_dearer_than_karpenter() {
    let (mut ours, mut theirs) = (0.0, 0.0);
    for case in recorded() {
        let Some(end) = case.expected["converge"]["priceEnd"].as_f64() else {
            continue;
        };
        let (figures, last) = converge(&case.snapshot, &EconomicPolicy);
        assert!(figures.settled, "{}: no end", case.name);
        assert!(economic(&last).is_empty(), "{}: not at rest", case.name);
        let price = figures.price_end.as_f64();
        assert!(
            price <= end * 1.001 + 1e-9,
            "{}: {price} against {end}",
            case.name
        );
        ours += price;
        theirs += end;
    }
    assert!(ours < theirs, "{ours} against {theirs}");
}

#[test]
fn applying_a_plan_leaves_the_pods_running() {
    let left_behind = |name: &str| PODS_LEFT_BEHIND.contains(&name);
    for case in recorded().into_iter().filter(|c| !left_behind(&c.name)) {
        let plan = economic(&case.snapshot);
        let after = apply(&case.snapshot, &plan);
        let running = |snapshot: &Snapshot| {
            let bound = snapshot
                .pods
                .iter()
                .filter(|pod| pod.node_name.is_some() && !pod.is_finished() && !pod.is_daemon());
            bound.count()
        };
        assert_eq!(running(&after), running(&case.snapshot), "{}", case.name);
    }
}
