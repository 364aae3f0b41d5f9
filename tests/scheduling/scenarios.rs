//! Recorded decisions of Karpenter v1.13, replayed.
//!
//! `tests/data/scenarios` holds `NAME.json` and what Karpenter decided, `NAME.expected.json`, over the families that need
//! no topology rules and no volumes. With `TETRAPOD_CORPUS` a whole folder of the same form is replayed; scenarios whose
//! pods carry spread, pod affinity or volumes are left out there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::PodSpec;
use tetrapod::plan::Plan;
use tetrapod::scheduler::schedule;
use tetrapod::verify::verify;

/// Scenarios whose plan is dearer than Karpenter's on purpose (M-1 (2)): a pod that needs the lighter pool opens a node
/// there, and Karpenter lets pods join it that the heavier pool could take. Here they stay in the heavier pool.
const HEAVIER_POOL_FIRST: &[&str] = &["weights-001", "weights-003"];

struct Recorded {
    name: String,
    snapshot: Snapshot,
    plan: Plan,
    /// Pods that Karpenter placed in some of its runs only, or put off because a reservation was booked (W-14).
    free: BTreeSet<String>,
    /// The least price of its runs.
    price: f64,
}

fn read(folder: &Path, name: &str) -> Recorded {
    let text =
        |suffix: &str| std::fs::read_to_string(folder.join(format!("{name}{suffix}"))).unwrap();
    let expected = text(".expected.json");
    let raw: Value = serde_json::from_str(&expected).unwrap();
    let sometimes = raw["runs"]["sometimesUnschedulable"].as_array();
    let mut free: BTreeSet<String> = sometimes
        .into_iter()
        .flatten()
        .map(|pod| pod.as_str().unwrap().to_owned())
        .collect();
    for entry in raw["unschedulable"].as_array().unwrap() {
        if entry["reason"]
            .as_str()
            .unwrap()
            .contains("compatible reserved offering")
        {
            free.insert(entry["pod"].as_str().unwrap().to_owned());
        }
    }
    let total = raw["totals"]["hourlyPrice"].as_f64().unwrap();
    Recorded {
        name: name.to_owned(),
        snapshot: manifest::snapshot_from_str(&text(".json")).unwrap(),
        plan: serde_json::from_str(&expected).unwrap(),
        free,
        price: raw["runs"]["hourlyPrice"][0].as_f64().unwrap_or(total),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".expected.json")?.to_owned())
        })
        .collect();
    names.sort();
    names
}

fn placed(plan: &Plan) -> BTreeSet<&str> {
    let new = plan.new_node_claims.iter().flat_map(|claim| &claim.pods);
    let old = plan.existing_nodes.iter().flat_map(|node| &node.pods);
    new.chain(old).map(AsRef::as_ref).collect()
}

/// How many pods a plan places by priority, highest first: what M-1 (1) compares.
fn by_priority(snapshot: &Snapshot, plan: &Plan) -> Vec<usize> {
    let placed = placed(plan);
    let mut counts: BTreeMap<Reverse<i32>, usize> = BTreeMap::new();
    for pod in &snapshot.pods {
        let count = counts.entry(Reverse(pod.spec.priority)).or_default();
        *count += usize::from(placed.contains(pod.key().as_str()));
    }
    counts.into_values().collect()
}

/// How many pods go to new nodes by weight of the pool, heaviest first: what M-1 (2) compares.
fn by_weight(snapshot: &Snapshot, plan: &Plan) -> Vec<usize> {
    let mut counts: BTreeMap<Reverse<u32>, usize> = BTreeMap::new();
    for pool in &snapshot.node_pools {
        let mine = plan
            .new_node_claims
            .iter()
            .filter(|claim| claim.node_pool == pool.name);
        *counts.entry(Reverse(pool.weight)).or_default() +=
            mine.map(|claim| claim.pods.len()).sum::<usize>();
    }
    counts.into_values().collect()
}

/// Where a plan is worse than Karpenter's. Plans of Karpenter's that break a rule are nothing to compare with.
fn faults(recorded: &Recorded) -> Vec<String> {
    let Recorded {
        name,
        snapshot,
        plan: theirs,
        free,
        price,
    } = recorded;
    let ours = schedule(snapshot);
    let verdict = verify(snapshot, &ours);
    let mut faults: Vec<String> = verdict
        .violations
        .iter()
        .map(|violation| format!("{name}: {violation:?}"))
        .collect();
    if !verify(snapshot, theirs).valid {
        return faults;
    }
    let without_free = |plan: &Plan| -> BTreeSet<String> {
        let placed = placed(plan).into_iter().map(str::to_owned);
        placed.filter(|pod| !free.contains(pod)).collect()
    };
    let (mine, recorded_set) = (without_free(&ours), without_free(theirs));
    if !recorded_set.is_subset(&mine)
        && by_priority(snapshot, &ours) <= by_priority(snapshot, theirs)
    {
        faults.push(format!(
            "{name}: {:?} stay pending, and no more are placed instead",
            recorded_set.difference(&mine).collect::<Vec<_>>()
        ));
    }
    let comparable = placed(&ours) == placed(theirs) && ours.totals.unknown_price_nodes == 0;
    let excess = ours.totals.hourly_price.as_f64() - price;
    let dearer = comparable && excess > 1e-9;
    let in_heavier = by_weight(snapshot, &ours) > by_weight(snapshot, theirs);
    if dearer && !in_heavier {
        faults.push(format!("{name}: {} > {price}", ours.totals.hourly_price));
    }
    if HEAVIER_POOL_FIRST.contains(&name.as_str()) != (dearer && in_heavier) {
        faults.push(format!(
            "{name}: listed as dearer for a heavier pool, or the other way round"
        ));
    }
    faults
}

fn needs_more(spec: &PodSpec) -> bool {
    let affinity = &spec.affinity;
    !spec.topology_spread.is_empty()
        || !spec.volumes.is_empty()
        || !affinity.pod_required.is_empty()
        || !affinity.pod_preferred.is_empty()
        || !affinity.anti_required.is_empty()
        || !affinity.anti_preferred.is_empty()
}

#[test]
fn no_recorded_decision_is_better_m1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scenarios");
    let names = names(&folder);
    let mut faults_found = Vec::new();
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        let recorded = read(&folder, name);
        assert!(
            recorded
                .snapshot
                .pods
                .iter()
                .all(|pod| !needs_more(&pod.spec)),
            "{name}"
        );
        faults_found.extend(faults(&recorded));
        *families
            .entry(name.rsplit_once('-').unwrap().0)
            .or_default() += 1;
    }
    assert!(faults_found.is_empty(), "{}", faults_found.join("\n"));
    assert_eq!(families.len(), 15, "{families:?}");
    assert!(names.len() >= 60, "{}", names.len());
}

#[test]
fn no_decision_of_an_external_corpus_is_better_m1() {
    let Some(folder) = std::env::var_os("TETRAPOD_CORPUS") else {
        return;
    };
    let folder = Path::new(&folder);
    let mut faults_found = Vec::new();
    let mut replayed = 0;
    for name in names(folder) {
        let recorded = read(folder, &name);
        if recorded
            .snapshot
            .pods
            .iter()
            .any(|pod| needs_more(&pod.spec))
        {
            continue;
        }
        replayed += 1;
        let found = faults(&recorded);
        // The list of exceptions is of the committed scenarios.
        faults_found.extend(
            found
                .into_iter()
                .filter(|fault| !fault.contains("listed as dearer")),
        );
    }
    assert!(replayed > 0);
    assert!(
        faults_found.is_empty(),
        "{replayed} replayed:\n{}",
        faults_found.join("\n")
    );
}
