//! The pods tier against what the real functions of Kubernetes and KEDA gave (K-1..K-74): every `*.json` of the folder
//! that `TETRAPOD_GOLDEN` names, by default the selection in `tests/data/golden`.
//!
//! A file is an object in which some field, whatever its name, is a list of cases `{kind, name, input, output}`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a case that cannot be read has failed; the counts are worth reading"
)]

#[path = "golden/hpa.rs"]
mod hpa;
#[path = "golden/keda.rs"]
mod keda;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a kind of case computes: the fields of the output that it stands for.
type Runner = fn(&Value) -> Value;

const RUNNERS: [(&str, Runner); 12] = [
    ("behavior_defaults", hpa::behavior_defaults),
    ("external", hpa::external),
    ("multi_metric", hpa::multi_metric),
    ("normalize", hpa::normalized),
    ("pods_average_value", hpa::pods_average_value),
    ("resource_average_value", hpa::resource_average_value),
    ("resource_utilization", hpa::resource_utilization),
    ("sequence", hpa::sequence),
    ("bounds", keda::bounds),
    ("fallback", keda::fallback),
    ("metric_quantity", keda::metric_quantity),
    ("request_scale", keda::request),
];

fn folder() -> PathBuf {
    match std::env::var_os("TETRAPOD_GOLDEN") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden"),
    }
}

/// The cases of a file: every list of objects with a kind.
fn cases(file: &Value) -> Vec<Value> {
    let fields = file.as_object().into_iter().flat_map(|map| map.values());
    fields
        .chain([file])
        .filter_map(Value::as_array)
        .flatten()
        .filter(|case| case["kind"].is_string())
        .cloned()
        .collect()
}

/// What differs between an expected and a computed output. Errors are compared by presence, notes not at all, and an
/// absent field is like `null`.
fn differences(expected: &Value, computed: &Value) -> Vec<String> {
    let failed = |value: &Value| {
        value
            .get("error")
            .is_some_and(|error| error != &Value::Bool(false))
    };
    if failed(expected) || failed(computed) {
        let both = failed(expected) == failed(computed);
        let text = format!("expected {expected}, computed {computed}");
        // Apart from the error, what else was said of a failure still counts.
        if !both {
            return vec![text];
        }
    }
    let mut wrong = Vec::new();
    let Some(fields) = expected.as_object() else {
        return vec!["the output is no object".to_owned()];
    };
    for (field, value) in fields {
        if matches!(field.as_str(), "error" | "note") {
            continue;
        }
        let own = computed.get(field).unwrap_or(&Value::Null);
        let same = field == "quantity" && keda::same_quantity(own, value);
        if own != value && !same {
            wrong.push(format!("{field}: expected {value}, computed {own}"));
        }
    }
    for field in computed
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, _)| field)
    {
        if field != "error" && !fields.contains_key(field) {
            wrong.push(format!("{field}: computed and not expected"));
        }
    }
    wrong
}

/// How many cases of each kind a folder holds, and what is wrong with them.
fn run(folder: &Path) -> (BTreeMap<String, usize>, Vec<String>) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in files {
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let cases = cases(&file);
        if cases.is_empty() {
            wrong.push(format!("{}: there is no case in it", path.display()));
        }
        for case in cases {
            let kind = case["kind"].as_str().unwrap().to_owned();
            let Some((_, runner)) = RUNNERS.iter().find(|(known, _)| *known == kind) else {
                wrong.push(format!("{}: the kind {kind} is not known", case["name"]));
                continue;
            };
            for line in differences(&case["output"], &runner(&case["input"])) {
                wrong.push(format!("{}: {line}", case["name"]));
            }
            *counts.entry(kind).or_insert(0) += 1;
        }
    }
    (counts, wrong)
}

#[test]
fn every_case_gives_what_the_real_functions_gave() {
    let folder = folder();
    let (counts, wrong) = run(&folder);
    let total: usize = counts.values().sum();
    println!("{total} cases: {counts:?}");
    assert!(
        wrong.is_empty(),
        "{} of {total} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(total > 0, "{} holds no case", folder.display());
}

#[test]
fn the_selection_has_cases_of_every_kind() {
    let (counts, _) = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden"));
    for (kind, _) in RUNNERS {
        assert!(counts.contains_key(kind), "no case of {kind}");
    }
}

#[test]
fn a_changed_output_and_an_unknown_kind_are_found() {
    let case = serde_json::json!({"replicas": 3, "usageMilli": "5"});
    assert!(differences(&case, &case).is_empty());
    for other in [
        serde_json::json!({"replicas": 4, "usageMilli": "5"}),
        serde_json::json!({"replicas": 3}),
        serde_json::json!({"replicas": 3, "usageMilli": "5", "more": 1}),
        serde_json::json!({"error": "no"}),
    ] {
        assert!(!differences(&case, &other).is_empty(), "{other}");
    }
    let named = serde_json::json!({"meta": {}, "whatever": [{"kind": "external"}], "other": [1]});
    assert_eq!(cases(&named).len(), 1);
}
