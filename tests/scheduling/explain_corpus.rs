//! Replays the recorded scenarios, or an external folder of them named by `TETRAPOD_CORPUS`: for each pod that the recorded reference and we
//! both leave pending, our code must be of the category that the reference's text names (S-138, S-139).
#![cfg(feature = "yaml")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test reads its environment and files"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tetrapod::explain::reason::{Code, Reason};
use tetrapod::manifest::Reader;
use tetrapod::scheduler::schedule;

/// The category of one pool's text, and the codes that agree with it. Where the reference's text is weak (W-38), the true
/// check may be another: types that a limit leaves out read as missing resources, an offering that does not suit reads as a
/// requirement, volumes that exclude each other read as a type error (W-22), and a port that a DaemonSet holds reads as
/// "nothing matched" (S-111).
const CATEGORIES: [(&str, &[&str]); 28] = [
    ("all available instance types exceed limits", &["limit"]),
    ("node limits have been exhausted", &["limit"]),
    (
        "compatible reserved offerings are available",
        &["reservation", "limit"],
    ),
    ("unsatisfiable topology constraint", &["topology"]),
    ("did not tolerate taint", &["taint"]),
    ("incompatible volume requirements", &["volume"]),
    ("does not have known values", &["undefined-label"]),
    ("incompatible requirements, key", &["requirement-conflict"]),
    (
        "nodepool requirements filtered out all",
        &["no-instance-types"],
    ),
    (
        "no dynamic nodepools found",
        &[
            "no-node-pools",
            "pool-not-ready",
            "node-class-not-ready",
            "no-instance-types",
        ],
    ),
    ("minValues requirement is not met", &["min-values"]),
    ("checking host port usage", &["host-port"]),
    ("Dynamic Resource Allocation", &["dra"]),
    (
        "configured to not run on a Karpenter provisioned node",
        &["requirement-conflict", "invalid-pod"],
    ),
    ("no valid values found in", &["no-offering", "invalid-pod"]),
    (
        "is not allowed as it might interfere",
        &["requirement-conflict", "undefined-label", "invalid-pod"],
    ),
    (
        "matchFields is not supported",
        &["requirement-conflict", "invalid-pod"],
    ),
    (
        "had enough resources, or had a required offering",
        &["several", "host-port"],
    ),
    (
        "no instance type met the scheduling requirements or had enough resources",
        &["several"],
    ),
    ("topology.kubernetes.io/zone DoesNotExist", &["volume"]),
    // The reference's types list their zones and capacity types as requirements too, so an offering that does not suit
    // fails both checks there.
    (
        "no instance type met the scheduling requirements or had a required offering",
        &["no-offering", "several", "requirement-conflict"],
    ),
    (
        "no instance type had enough resources or had a required offering",
        &["several"],
    ),
    (
        "no instance type met all requirements",
        &["requirement-conflict"],
    ),
    (
        "no instance type has enough resources",
        &["insufficient-resources", "daemon-overhead", "limit"],
    ),
    (
        "no instance type has the required offering",
        &["no-offering"],
    ),
    ("but did not have the required offering", &["no-offering"]),
    (
        "but did not meet the scheduling requirements",
        &["requirement-conflict"],
    ),
    (
        "but did not have enough resources",
        &["insufficient-resources"],
    ),
];

/// The codes that agree with any pool's part of `text`; `None` for a text without a known category.
fn allowed(text: &str) -> Option<Vec<&'static str>> {
    let known = CATEGORIES
        .iter()
        .filter(|(says, _)| text.contains(says))
        .flat_map(|(_, codes)| codes.iter().copied());
    let mut codes: Vec<&str> = known.collect();
    // Two rules without a common domain leave a zone requirement empty, which the reference only notices when it looks
    // for types (W-22, W-38).
    if text.contains("topology.kubernetes.io/zone DoesNotExist") {
        codes.push("topology");
    }
    (!codes.is_empty()).then_some(codes)
}

/// Whether a pool whose code this is never takes the pod, whatever its limits.
fn never_in_any_pool(code: &str) -> bool {
    ["undefined-label", "requirement-conflict", "taint"].contains(&code)
}

fn tells_of_a_limit(reasons: &[Reason]) -> bool {
    reasons
        .iter()
        .any(|reason| reason.code == Code::Limit || tells_of_a_limit(&reason.parts))
}

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.to_string_lossy().ends_with(".expected.json") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn codes_agree_with_the_reference_where_both_leave_a_pod() {
    let folder = std::env::var("TETRAPOD_CORPUS").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/scenarios").to_owned()
    });
    let mut files = Vec::new();
    scenarios(Path::new(&folder), &mut files);
    let (mut agreed, mut hidden, mut unknown) = (0_usize, 0_usize, 0_usize);
    let mut differ: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in &files {
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let left = match expected["unschedulable"].as_array() {
            Some(left) if !left.is_empty() => left,
            _ => continue,
        };
        let input = path.to_string_lossy().replace(".expected.json", ".json");
        let mut reader = Reader::new();
        reader.read(&input, std::fs::File::open(&input).unwrap());
        let Ok(read) = reader.finish() else { continue };
        let plan = schedule(&read.snapshot);
        for pod in &plan.unschedulable {
            assert!(
                !pod.reason.is_empty() && !pod.reasons.is_empty(),
                "{input}: {pod:?}"
            );
            assert_ne!(pod.code.as_ref(), "competition", "{input}: {pod:?}");
        }
        for entry in left {
            let name = entry["pod"].as_str().unwrap();
            let text = entry["reason"].as_str().unwrap();
            let Some(ours) = plan.unschedulable.iter().find(|u| u.pod.as_ref() == name) else {
                continue;
            };
            match allowed(text) {
                None => unknown += 1,
                Some(codes) if codes.contains(&ours.code.as_ref()) => agreed += 1,
                // The reference tests limits first, counting earlier nodes as their largest type. Where raising a limit
                // would not help we lead with what would, and name the limit besides if it is really used up.
                Some(codes)
                    if codes.iter().all(|code| *code == "limit")
                        && (tells_of_a_limit(&ours.reasons) || never_in_any_pool(&ours.code)) =>
                {
                    hidden += 1;
                }
                Some(codes) => {
                    let file = path.file_name().unwrap().to_string_lossy().into_owned();
                    let cut = |text: &str| text.chars().take(330).collect::<String>();
                    differ
                        .entry(format!(
                            "{file} ours {} allowed {codes:?}\n   ours: {}\n   theirs: {}",
                            ours.code,
                            ours.reason,
                            cut(text)
                        ))
                        .or_default()
                        .push(name.to_owned());
                }
            }
        }
    }
    let differing: usize = differ.values().map(Vec::len).sum();
    println!(
        "{agreed} agree, {hidden} have another check before the limit, {differing} differ, {unknown} without a category"
    );
    for (what, pods) in &differ {
        println!("{} pods: {what}", pods.len());
    }
    assert!(agreed > 0 && unknown == 0);
    assert_eq!(differing, 0, "see the list above");
}
