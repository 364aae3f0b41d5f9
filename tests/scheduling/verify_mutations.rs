//! Mutation test of the checker: valid plans are damaged in ways that must be wrong, and each damage has to be reported
//! with an expected kind.
//!
//! The small clusters under `data/verify` are always used, and every damage must apply to one of them. With
//! `TETRAPOD_CORPUS` set, the plans of that folder (`NAME.json`, `NAME.expected.json`) are damaged too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::verify::damage::{DAMAGES, Damage};
use crate::verify::damage_state::STATE_DAMAGES;
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::plan::Plan;
use tetrapod::verify::{Kind, verify};

fn read(folder: &Path, name: &str, plan: &str) -> (Snapshot, Plan) {
    let text = |name: String| std::fs::read_to_string(folder.join(name)).unwrap();
    let snapshot = manifest::snapshot_from_str(&text(format!("{name}.json"))).unwrap();
    let plan = serde_json::from_str(&text(format!("{name}.{plan}.json"))).unwrap();
    (snapshot, plan)
}

fn small(name: &str) -> (Snapshot, Plan) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/verify");
    read(&folder, name, "plan")
}

fn kinds(snapshot: &Snapshot, plan: &Plan) -> BTreeSet<Kind> {
    let verdict = verify(snapshot, plan);
    assert_eq!(verdict.valid, verdict.violations.is_empty());
    verdict.violations.iter().map(|v| v.kind).collect()
}

/// Totals that are right, so that only the damage itself is found.
fn settle(plan: &mut Plan) {
    let totals = &mut plan.totals;
    totals.new_nodes = plan.new_node_claims.len();
    totals.hourly_price = plan
        .new_node_claims
        .iter()
        .filter_map(|claim| claim.cheapest.price)
        .sum();
    let claimed = plan.new_node_claims.iter().map(|claim| claim.pods.len());
    let placed = plan.existing_nodes.iter().map(|node| node.pods.len());
    totals.scheduled = claimed.chain(placed).sum();
    totals.unschedulable = plan.unschedulable.len();
}

/// What became of one damage on one plan.
enum Outcome {
    NotApplicable,
    Caught,
    Missed(BTreeSet<Kind>),
}

fn inflict(damage: &Damage, snapshot: &Snapshot, plan: &Plan) -> Outcome {
    let expected = |found: &BTreeSet<Kind>| damage.kinds.iter().any(|kind| found.contains(kind));
    if expected(&kinds(snapshot, plan)) {
        return Outcome::NotApplicable;
    }
    let (mut snapshot, mut plan) = (snapshot.clone(), plan.clone());
    if (damage.inflict)(&mut snapshot, &mut plan).is_none() {
        return Outcome::NotApplicable;
    }
    if !damage.kinds.contains(&Kind::Totals) {
        settle(&mut plan);
    }
    let found = kinds(&snapshot, &plan);
    if expected(&found) {
        Outcome::Caught
    } else {
        Outcome::Missed(found)
    }
}

#[test]
fn hand_made_plans_are_valid() {
    for name in ["pods", "limits", "state"] {
        let (snapshot, plan) = small(name);
        let verdict = verify(&snapshot, &plan);
        assert!(verdict.valid, "{name}: {:#?}", verdict.violations);
        assert!(
            verdict.warnings.is_empty(),
            "{name}: {:#?}",
            verdict.warnings
        );
    }
}

#[test]
fn every_damage_to_a_small_plan_is_reported() {
    let worlds = ["pods", "limits", "state"].map(small);
    for damage in DAMAGES.iter().chain(STATE_DAMAGES) {
        let mut applied = 0;
        for (snapshot, plan) in &worlds {
            match inflict(damage, snapshot, plan) {
                Outcome::NotApplicable => {}
                Outcome::Caught => applied += 1,
                Outcome::Missed(found) => panic!("{}: found only {found:?}", damage.name),
            }
        }
        assert!(applied > 0, "{} applies to no small plan", damage.name);
    }
}

#[test]
fn every_damage_to_a_corpus_plan_is_reported() {
    let Some(folder) = std::env::var_os("TETRAPOD_CORPUS") else {
        return;
    };
    let folder = Path::new(&folder);
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".expected.json")?.to_owned())
        })
        .filter(|name| !name.contains("large"))
        .collect();
    names.sort();
    let mut caught: BTreeMap<&str, usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for name in &names {
        let (snapshot, plan) = read(folder, name, "expected");
        for damage in DAMAGES {
            match inflict(damage, &snapshot, &plan) {
                Outcome::NotApplicable => {}
                Outcome::Caught => *caught.entry(damage.name).or_default() += 1,
                Outcome::Missed(found) => {
                    missed.push(format!("{name} {}: found only {found:?}", damage.name));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(caught.len() >= 23, "{caught:?}");
}
