//! The command as people and programs use it: exit codes, faults, forms of output.

#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a test of a command starts it and reads its files"
)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const EXAMPLE: &str = "examples/hyperpod-cluster";

fn tetrapod(args: &[&str]) -> Output {
    tetrapod_with(args, "")
}

fn tetrapod_with(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tetrapod"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feed = std::thread::Builder::new()
        .spawn(move || {
            // A command that does not read its input closes the pipe.
            let _ = stdin.write_all(input.as_bytes());
        })
        .unwrap();
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    output
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A file of this test alone.
fn scratch(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_example_is_planned_for_people() {
    let output = tetrapod(&["plan", EXAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    for part in [
        "62 pods pending",
        "$ a month (730 h)",
        "p5-train  ml.p5.48xlarge",
        "g5-spot",
        "Where pods go",
        "ml/llama-pretrain",
        "Stays pending",
        "research/h200-eval",
        "etl/giant-join",
    ] {
        assert!(text.contains(part), "{part:?} is missing from\n{text}");
    }
    assert_eq!(text, out(&tetrapod(&["plan", EXAMPLE])), "the same again");
}

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let output = out(&tetrapod(&["plan", EXAMPLE]));
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert!(
        shown == output,
        "paste this into the first text block of README.md:\n{output}"
    );
}

#[test]
fn the_readme_shows_the_simulated_day_and_its_json_has_every_policy() {
    let output = tetrapod(&["simulate", "examples/llm-day"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = out(&output);
    let readme = include_str!("../../README.md");
    let section = readme.split("## Simulate a day").nth(1).unwrap();
    let shown = section.split("```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert!(
        shown == output,
        "paste this into the text block of that section:\n{output}"
    );
    let one = tetrapod(&[
        "simulate",
        "examples/llm-day",
        "--policy",
        "spot",
        "-o",
        "json",
        "--check",
    ]);
    let runs = json(&one)["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    assert_eq!(runs[0]["policy"], "spot");
    let totals = &runs[0]["totals"];
    assert_eq!(totals["requestsArrived"], totals["requestsServed"]);
    let unknown = tetrapod(&["simulate", "examples/llm-day", "--policy", "none"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("on-demand, spot, headroom"));
}

#[test]
fn the_json_of_a_plan_passes_check_and_an_altered_one_fails_with_1() {
    let output = tetrapod(&["plan", EXAMPLE, "--output", "json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0));
    let mut plan = json(&output);
    assert_eq!(plan["totals"]["scheduled"], 60);
    assert_eq!(plan["totals"]["unschedulable"], 2);
    let path = scratch("plan.json", &plan.to_string());
    let verdict = tetrapod(&["check", EXAMPLE, "--plan", path.to_str().unwrap()]);
    assert_eq!(verdict.status.code(), Some(0), "{}", out(&verdict));
    assert!(out(&verdict).starts_with("valid"));

    plan["newNodeClaims"].as_array_mut().unwrap().pop().unwrap();
    let path = scratch("short-plan.json", &plan.to_string());
    let arguments = [
        "check",
        EXAMPLE,
        "--plan",
        path.to_str().unwrap(),
        "--output",
        "json",
    ];
    let verdict = tetrapod(&arguments);
    assert_eq!(verdict.status.code(), Some(1));
    let verdict = json(&verdict);
    assert_eq!(verdict["valid"], false);
    assert!(!verdict["violations"].as_array().unwrap().is_empty());

    let verdict = tetrapod(&["check", EXAMPLE, "--plan", "README.md"]);
    assert_eq!(verdict.status.code(), Some(2), "no plan at all");
}

#[test]
fn every_pod_that_stays_pending_has_a_reason() {
    let plan = json(&tetrapod(&["plan", EXAMPLE, "-o", "json"]));
    for entry in plan["unschedulable"].as_array().unwrap() {
        assert_ne!(entry["reason"], "", "{entry}");
        assert_ne!(entry["code"], "", "{entry}");
        let pod = entry["pod"].as_str().unwrap();
        let output = tetrapod(&["explain", EXAMPLE, "--pod", pod]);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("stays pending"), "{}", out(&output));
        assert!(
            out(&output).contains("nearest miss first"),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn explain_knows_pods_nodes_pools_and_groups() {
    let plan = json(&tetrapod(&["plan", EXAMPLE, "-o", "json"]));
    let placed = plan["newNodeClaims"][0]["pods"][0].as_str().unwrap();
    let output = json(&tetrapod(&[
        "explain", EXAMPLE, "--pod", placed, "-o", "json",
    ]));
    assert_eq!(output["newNodeClaims"][0], plan["newNodeClaims"][0]);
    let node = plan["existingNodes"][0]["node"].as_str().unwrap();
    let output = tetrapod(&["explain", EXAMPLE, "--node", node]);
    assert!(out(&output).contains("takes pending pods"));
    let output = tetrapod(&["explain", EXAMPLE, "--node-pool", "training"]);
    assert!(
        out(&output).contains("gets 2 new nodes"),
        "{}",
        out(&output)
    );
    let output = tetrapod(&["explain", EXAMPLE, "--instance-group", "g5-spot"]);
    assert!(out(&output).contains("ml.g5.2xlarge of group g5-spot"));
    let output = tetrapod(&["explain", EXAMPLE, "--pod", "etl/giant-join"]);
    assert_eq!(output.status.code(), Some(2), "pods have longer names");
    assert!(
        err(&output).contains("etl/giant-join-0-"),
        "{}",
        err(&output)
    );
    let output = tetrapod(&["explain", EXAMPLE]);
    assert_eq!(output.status.code(), Some(2), "nothing to explain");
}

#[test]
fn preflight_fails_on_the_group_with_a_training_plan_h14() {
    let output = tetrapod(&["preflight", EXAMPLE]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(text.starts_with("FAIL  instance group p5-plan"), "{text}");
    assert!(
        text.contains("PASS  cluster ml-prod: autoscaling is InService"),
        "{text}"
    );
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"sagemaker:BatchAddClusterNodes"}]}"#;
    let path = scratch("policy.json", policy);
    let arguments = [
        "preflight",
        EXAMPLE,
        "--role-policy",
        path.to_str().unwrap(),
        "-o",
        "json",
    ];
    let report = json(&tetrapod(&arguments));
    assert_eq!(report["passed"], false);
    let checks = report["checks"].as_array().unwrap();
    let missing = |check: &&Value| {
        check["status"] == "fail"
            && check["message"]
                .as_str()
                .unwrap()
                .contains("BatchDeleteClusterNodes")
    };
    assert!(
        checks.iter().any(|check| missing(&check)),
        "H-6: {report:#}"
    );
}

#[test]
fn every_fault_is_listed_and_the_exit_code_is_2_m16() {
    let bad = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"good"},"spec":{"containers":[{"name":"c"}]}},
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},
         "spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"much"}}}]}},
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},
         "spec":{"containers":[{"name":"c","resources":{"requests":{"memory":"1Zi"}}}]}}]}"#;
    let path = scratch("bad.json", bad);
    let path = path.to_str().unwrap();
    let output = tetrapod(&["plan", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(out(&output).is_empty());
    let faults = err(&output);
    for part in [
        "bad.json",
        "Pod default/a",
        "resources.requests.cpu",
        "much",
        "Pod default/b",
        "1Zi",
    ] {
        assert!(faults.contains(part), "{part:?} is missing from\n{faults}");
    }
    let output = tetrapod(&["plan", path, "--skip-invalid", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        json(&output)["totals"]["unschedulable"],
        1,
        "only the good pod is left"
    );
    assert_eq!(
        err(&output).matches("left out:").count(),
        2,
        "{}",
        err(&output)
    );
}

#[test]
fn usage_and_unreadable_input_give_2() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    for arguments in [
        &["plan"][..],
        &["plan", "no-such-file.yaml"],
        &["plan", empty.to_str().unwrap()],
        &["plan", EXAMPLE, "--now", "yesterday"],
        &["plan", EXAMPLE, "--effort", "heroic"],
        &["frobnicate"],
        &["generate", "spherical"],
    ] {
        let output = tetrapod(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!err(&output).is_empty(), "{arguments:?}");
    }
    assert_eq!(tetrapod(&["--help"]).status.code(), Some(0));
    assert_eq!(tetrapod(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_generated_scenario_is_planned_from_standard_input_with_timings() {
    let scenario = tetrapod(&["generate", "identical", "--pods", "500", "--seed", "3"]);
    assert_eq!(scenario.status.code(), Some(0), "{}", err(&scenario));
    let arguments = ["plan", "-", "-o", "json", "--timings", "--quiet"];
    let output = tetrapod_with(&arguments, &out(&scenario));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(json(&output)["totals"]["scheduled"], 500);
    let timings: Value = serde_json::from_str(&err(&output)).unwrap();
    assert_eq!(timings["pods"], 500);
    for field in [
        "readMillis",
        "parseMillis",
        "compileMillis",
        "solveMillis",
        "decodeMillis",
    ] {
        assert!(timings[field].as_f64().is_some(), "{field}: {timings}");
    }
    assert!(timings.get("parsedRssMiB").is_some() && timings.get("peakRssMiB").is_some());

    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scenario.json.gz");
    let name = path.to_str().unwrap();
    let written = tetrapod(&[
        "generate",
        "identical",
        "--pods",
        "500",
        "--seed",
        "3",
        "-o",
        name,
    ]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    let zipped = tetrapod(&["plan", name, "-o", "json"]);
    assert_eq!(json(&zipped), json(&output), "compressed or not");
}

#[test]
fn every_shape_reads_back_as_it_was_generated() {
    use tetrapod::manifest::Reader;
    use tetrapod::shapes::{Params, Shape, generate};
    for shape in Shape::ALL {
        let name = shape.as_str();
        let arguments = [
            "generate", name, "--pods", "120", "--nodes", "7", "--seed", "9",
        ];
        let output = tetrapod(&arguments);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", err(&output));
        let mut reader = Reader::new();
        reader.read(name, output.stdout.as_slice());
        let snapshot = reader.finish().unwrap().snapshot;
        let mut params = Params::new(120, 9);
        if shape == Shape::Packed {
            params = params.with_nodes(7);
        }
        let made = generate(shape, params);
        assert_eq!(snapshot.pods, made.pods, "{name}");
        assert_eq!(snapshot.nodes, made.nodes, "{name}");
        assert_eq!(snapshot.instance_types, made.instance_types, "{name}");
        assert_eq!(snapshot.options, made.options, "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tetrapod"))
        .args(["generate", "identical", "--pods", "50000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).is_empty(), "{}", err(&output));
}

#[test]
fn scale_says_what_autoscalers_would_set_and_goes_on_from_its_own_result() {
    let example = "examples/autoscalers";
    let output = tetrapod(&["scale", example]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    for part in [
        "3 autoscalers at 2026-03-02T09:00:00Z",
        "ml/chat",
        "s0-aws-sqs-requests",
        "HPA: 4 -> 8",
        "KEDA: starts 5 jobs",
        "2.2167",
    ] {
        assert!(text.contains(part), "{part:?} is missing from\n{text}");
    }
    assert_eq!(text, out(&tetrapod(&["scale", example])), "the same again");

    let first = tetrapod(&["scale", example, "-o", "json"]);
    let result = json(&first);
    let chat = &result["autoscalers"][0];
    assert_eq!(chat["decision"]["sync"]["normalized"]["desired"], 12);
    assert_eq!(chat["decision"]["replicas"], 8);
    let path = scratch("scale.json", &out(&first));
    let state = path.to_str().unwrap();
    // Five seconds later nothing is due; a minute later both clocks are.
    let later = |now: &str| {
        let arguments = [
            "scale", example, "--state", state, "--now", now, "-o", "json",
        ];
        let output = tetrapod(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        json(&output)["autoscalers"][0]["decision"].clone()
    };
    assert!(later("2026-03-02T09:00:05Z").get("sync").is_none());
    assert!(later("2026-03-02T09:01:00Z").get("sync").is_some());
}

#[test]
fn scale_refuses_a_state_that_is_none_and_input_without_a_time() {
    let path = scratch("no-state.json", "{}");
    let state = path.to_str().unwrap();
    let output = tetrapod(&["scale", "examples/autoscalers", "--state", state]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("scale --output json"),
        "{}",
        err(&output)
    );
    let output = tetrapod_with(&["scale", "-"], "{\"kind\": \"List\", \"items\": []}");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--now"), "{}", err(&output));
}

#[test]
fn rehearsals_tell_what_they_did_and_repeat_themselves() {
    let run = || {
        let output = tetrapod(&["rehearse", "--runs", "20", "--seed", "3", "--crash"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    let first = run();
    assert!(first.starts_with("20 runs held: "), "{first}");
    // All but the time is the same.
    let figures = |text: &str| text.rsplit_once(';').map(|(figures, _)| figures.to_owned());
    assert_eq!(figures(&first), figures(&run()));
}
