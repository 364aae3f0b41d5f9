//! The command's sweeps: 200 runs give the same table, JSON and page with one thread, with two, and from four shards; and the
//! Job that runs them elsewhere.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test of a command reads its files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "../tiers/sweep_world.rs"]
mod world;

fn tetrapod(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tetrapod"));
    command.args(args).current_dir(folder).output().unwrap()
}

fn done(folder: &Path, args: &[&str]) -> String {
    let output = tetrapod(folder, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    assert!(said.is_empty(), "no bar where there is no terminal: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, args: &[&str]) -> String {
    let output = tetrapod(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with a small world and a sweep of 200 runs.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(folder.join("loads")).unwrap();
    fs::write(folder.join("world.yaml"), world::WORLD).unwrap();
    fs::write(folder.join("load.csv"), world::LOAD).unwrap();
    fs::write(folder.join("loads/other.csv"), world::OTHER).unwrap();
    let sweep = "apiVersion: tetrapod/v1alpha1\nkind: Sweep\nmetadata: {name: Two hundred}\ninputs: [world.yaml]\nseeds: 50\ntraces: [{name: own}, {name: other, files: {load.csv: loads/other.csv}}]\n";
    fs::write(folder.join("sweep.yaml"), sweep).unwrap();
    folder
}

#[test]
fn two_hundred_runs_come_to_the_same_on_any_threads_and_from_shards() {
    let folder = folder("sweep-threads");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let sweep = ["simulate", "--sweep", "sweep.yaml", "--quiet"];
    let with = |more: &[&str]| done(&folder, &[&sweep[..], more].concat());
    let one = with(&["--threads", "1", "--result", "1.json", "--report", "1.html"]);
    let two = with(&["--threads", "2", "--result", "2.json", "--report", "2.html"]);
    assert!(
        one.contains("2 policies x 2 traces x 50 seeds = 200 runs"),
        "{one}"
    );
    for index in ["0", "1", "2", "3"] {
        let printed = with(&["--shard", &format!("{index}/4")]);
        fs::write(folder.join(format!("s{index}.json")), printed).unwrap();
    }
    let merge = [
        "report", "merge", "s3.json", "s1.json", "s0.json", "s2.json",
    ];
    let with = |more: &[&str]| done(&folder, &[&merge[..], more].concat());
    let joined = with(&["--result", "4.json", "--report", "4.html"]);
    assert_eq!((&two, &joined), (&one, &one));
    for (other, kind) in [("2", "json"), ("4", "json"), ("2", "html"), ("4", "html")] {
        let other = text(&format!("{other}.{kind}"));
        assert!(other == text(&format!("1.{kind}")), "{kind} differs");
    }
    assert_eq!(with(&["-o", "json"]), text("1.json"));
    let said = refused(&folder, &["report", "merge", "s1.json"]);
    assert!(said.contains("150 of 200 runs are missing"), "{said}");
    let said = refused(&folder, &["report", "merge", "world.yaml"]);
    assert!(
        said.contains("accepted: what `tetrapod simulate --sweep"),
        "{said}"
    );
}

#[test]
fn a_sweep_becomes_an_indexed_job_that_has_what_it_needs() {
    let folder = folder("sweep-job");
    let manifest = [
        "sweep",
        "manifest",
        "sweep.yaml",
        "--image",
        "reg/tetrapod:1",
        "--shards",
        "4",
    ];
    let with = |more: &[&str]| done(&folder, &[&manifest[..], more].concat());
    let job = with(&["--namespace", "lab", "--parallelism", "2"]);
    for part in [
        "# 200 runs in 4 shards.",
        "kubectl logs -n lab -l job-name=sweep-two-hundred",
        "kind: ConfigMap",
        "name: sweep-two-hundred",
        "namespace: \"lab\"",
        "completionMode: Indexed",
        "completions: 4",
        "parallelism: 2",
        "image: \"reg/tetrapod:1\"",
        "- \"$(JOB_COMPLETION_INDEX)/4\"",
        "- \"/sweep/world.yaml\"",
        "path: \"loads/other.csv\"}",
    ] {
        assert!(job.contains(part), "{part} is missing from\n{job}");
    }
    // What the pods get is what stands here: the files of the ConfigMap, laid out as the volume does it, run the same.
    let there = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sweep-job-pod");
    drop(fs::remove_dir_all(&there));
    fs::create_dir_all(there.join("loads")).unwrap();
    for line in job.lines().filter(|line| line.contains("{key: file-")) {
        let (key, path) = line
            .split_once("key: ")
            .unwrap()
            .1
            .split_once(", path: ")
            .unwrap();
        let path: String = serde_json::from_str(path.trim_end_matches('}')).unwrap();
        let data = job
            .lines()
            .find_map(|line| line.strip_prefix(&format!("  {key}: ")))
            .unwrap();
        let data: String = serde_json::from_str(data).unwrap();
        assert_eq!(data, fs::read_to_string(folder.join(&path)).unwrap());
        fs::write(there.join(path), data).unwrap();
    }
    let words: Vec<String> = job
        .lines()
        .skip_while(|line| line.trim() != "args:")
        .skip(1)
        .map_while(|line| line.strip_prefix("        - "))
        .map(|word| serde_json::from_str::<String>(word).unwrap())
        .map(|word| {
            word.replace("$(JOB_COMPLETION_INDEX)/4", "7/50")
                .replace("/sweep/", "")
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let slice = done(&there, &words);
    let here = [
        "simulate",
        "--sweep",
        "sweep.yaml",
        "--shard",
        "7/50",
        "--quiet",
    ];
    assert_eq!(slice, done(&folder, &here));

    let claims = with(&["--input-claim", "data", "--results-claim", "out"]);
    assert!(!claims.contains("ConfigMap"), "{claims}");
    assert!(
        claims.contains("- \"/results/shard-$(JOB_COMPLETION_INDEX).json\""),
        "{claims}"
    );
    let outside = "apiVersion: tetrapod/v1alpha1\nkind: Sweep\nmetadata: {name: x}\ninputs: [../world.yaml]\n";
    fs::write(folder.join("loads/outside.yaml"), outside).unwrap();
    fs::write(folder.join("loads/load.csv"), world::LOAD).unwrap();
    let arguments = [
        "sweep",
        "manifest",
        "loads/outside.yaml",
        "--image",
        "i",
        "--shards",
        "1",
    ];
    let said = refused(&folder, &arguments);
    assert!(
        said.contains("move what the sweep reads into the folder of loads/outside.yaml"),
        "{said}"
    );
}
