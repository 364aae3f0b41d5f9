//! `tetrapod sweep manifest`: a Kubernetes Indexed Job, each pod of which runs one shard.
//!
//! The Job's own retries and the index that Kubernetes gives each pod do the distribution; a shard that is run twice gives the
//! same bytes twice.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tetrapod::sim::sweep::loads;

use super::sweep::{Loaded, load};
use crate::args::{ManifestArgs, SweepArgs, SweepCommand};
use crate::input;
use crate::output::{Fatal, print};
use crate::scenario::at;

/// What a ConfigMap holds at most, with some room for its own text.
const MOST_BYTES: usize = 1_000_000;
/// Where a pod finds the sweep's folder, and where it writes its slice.
const SWEEP: &str = "/sweep";
const RESULTS: &str = "/results";

/// Writes what was asked for.
pub(crate) fn run(args: &SweepArgs) -> Result<ExitCode, Fatal> {
    let SweepCommand::Manifest(args) = &args.command;
    let loaded = load(&args.sweep, &[], false, true)?;
    // Whatever would stop a pod stops here.
    let runs = loaded.grid()?.runs();
    let files = Files::of(&loaded, args)?;
    let mut out = head(&loaded, args, runs);
    if args.input_claim.is_none() {
        config_map(&mut out, &loaded, args, &files)?;
    }
    job(&mut out, &loaded, args, &files);
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Files of a sweep by their paths below its folder.
struct Files {
    sweep: String,
    inputs: Vec<String>,
    /// All of them, traces too, with where they are.
    all: Vec<(String, PathBuf)>,
}

impl Files {
    fn of(loaded: &Loaded, args: &ManifestArgs) -> Result<Self, Fatal> {
        let inputs = input::sources(&loaded.inputs)?;
        let asked = loads(&loaded.sweep, &loaded.scenario.simulation)
            .map_err(|error| Fatal::Message(error.to_string()))?;
        let traces: BTreeSet<PathBuf> = asked
            .iter()
            .flat_map(|trace| loaded.scenario.files(trace, &loaded.folder))
            .map(|(_, path)| path)
            .collect();
        let root = whole(match loaded.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &loaded.folder,
        })?;
        let below = |path: &Path| -> Result<String, Fatal> {
            let path = whole(path)?;
            let inside = path.strip_prefix(&root).ok().and_then(Path::to_str);
            inside.map(str::to_owned).ok_or_else(|| {
                at(
                    &path,
                    &format!(
                        "not below {}: move what the sweep reads into the folder of {}",
                        root.display(),
                        args.sweep.display()
                    ),
                )
            })
        };
        let sweep = below(&args.sweep)?;
        let mut all = vec![(sweep.clone(), args.sweep.clone())];
        let mut names = Vec::new();
        for path in &inputs {
            let name = below(path)?;
            names.push(name.clone());
            all.push((name, path.clone()));
        }
        for path in traces {
            all.push((below(&path)?, path));
        }
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        Ok(Self {
            sweep,
            inputs: names,
            all,
        })
    }
}

fn whole(path: &Path) -> Result<PathBuf, Fatal> {
    fs::canonicalize(path).map_err(|error| at(path, &error))
}

/// The name of the Job and of its ConfigMap.
fn name(loaded: &Loaded) -> String {
    let plain: String = loaded
        .sweep
        .name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(50)
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() {
        "sweep".to_owned()
    } else {
        format!("sweep-{plain}")
    }
}

/// `text` as a YAML string, of which JSON's are a part.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn metadata(out: &mut String, loaded: &Loaded, args: &ManifestArgs) {
    let _ = writeln!(out, "metadata:\n  name: {}", name(loaded));
    if let Some(namespace) = &args.namespace {
        let _ = writeln!(out, "  namespace: {}", quoted(namespace));
    }
}

fn head(loaded: &Loaded, args: &ManifestArgs, runs: u64) -> String {
    let mut out = format!("# {runs} runs in {} shards.\n", args.shards);
    let job = name(loaded);
    let namespace = args.namespace.as_deref();
    let namespace = namespace.map_or_else(String::new, |n| format!(" -n {n}"));
    if let Some(claim) = &args.results_claim {
        let _ = writeln!(
            out,
            "# When the Job is complete the slices are in the claim {claim}: tetrapod report merge shard-*.json"
        );
    } else {
        let _ = write!(
            out,
            "# When the Job is complete, fetch the slices and join them:\n#   for i in $(seq 0 {}); do kubectl logs{namespace} -l job-name={job},batch.kubernetes.io/job-completion-index=$i --tail=-1 > shard-$i.json; done\n#   tetrapod report merge shard-*.json\n",
            args.shards - 1
        );
    }
    out
}

fn config_map(
    out: &mut String,
    loaded: &Loaded,
    args: &ManifestArgs,
    files: &Files,
) -> Result<(), Fatal> {
    out.push_str("apiVersion: v1\nkind: ConfigMap\n");
    metadata(out, loaded, args);
    out.push_str("data:\n");
    let mut size = 0;
    for (number, (_, path)) in files.all.iter().enumerate() {
        let bytes = fs::read(path).map_err(|error| at(path, &error))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| at(path, &"not a text: unpack it, or give --input-claim"))?;
        size += text.len();
        let _ = writeln!(out, "  file-{number}: {}", quoted(&text));
    }
    if size > MOST_BYTES {
        return Err(Fatal::Message(format!(
            "the files of the sweep have {size} bytes, a ConfigMap holds {MOST_BYTES}: put the folder on a volume and give --input-claim"
        )));
    }
    out.push_str("---\n");
    Ok(())
}

fn job(out: &mut String, loaded: &Loaded, args: &ManifestArgs, files: &Files) {
    let shards = args.shards;
    out.push_str("apiVersion: batch/v1\nkind: Job\n");
    metadata(out, loaded, args);
    let _ = write!(
        out,
        "spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {}
  backoffLimitPerIndex: 3
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: shard
        image: {}
        command: [tetrapod]
        args:
",
        args.parallelism.unwrap_or(shards),
        quoted(&args.image)
    );
    let mut words = vec!["simulate".to_owned()];
    words.extend(files.inputs.iter().map(|file| inside(file)));
    words.extend(["--sweep".to_owned(), inside(&files.sweep)]);
    words.extend([
        "--shard".to_owned(),
        format!("$(JOB_COMPLETION_INDEX)/{shards}"),
    ]);
    words.extend(["--threads".to_owned(), args.cpus.to_string()]);
    words.push("--quiet".to_owned());
    if args.results_claim.is_some() {
        let file = format!("{RESULTS}/shard-$(JOB_COMPLETION_INDEX).json");
        words.extend(["--result".to_owned(), file]);
    }
    for word in words {
        let _ = writeln!(out, "        - {}", quoted(&word));
    }
    let memory = quoted(&args.memory.to_string());
    let _ = write!(
        out,
        "        resources:
          requests: {{cpu: \"{0}\", memory: {memory}}}
          limits: {{memory: {memory}}}
        volumeMounts:
        - {{name: sweep, mountPath: {SWEEP}, readOnly: true}}
",
        args.cpus
    );
    if args.results_claim.is_some() {
        let _ = writeln!(out, "        - {{name: results, mountPath: {RESULTS}}}");
    }
    out.push_str("      volumes:\n      - name: sweep\n");
    match &args.input_claim {
        Some(claim) => {
            let _ = writeln!(
                out,
                "        persistentVolumeClaim: {{claimName: {}, readOnly: true}}",
                quoted(claim)
            );
        }
        None => {
            let _ = writeln!(
                out,
                "        configMap:\n          name: {}\n          items:",
                name(loaded)
            );
            for (number, (path, _)) in files.all.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "          - {{key: file-{number}, path: {}}}",
                    quoted(path)
                );
            }
        }
    }
    if let Some(claim) = &args.results_claim {
        let _ = writeln!(
            out,
            "      - name: results\n        persistentVolumeClaim: {{claimName: {}}}",
            quoted(claim)
        );
    }
}

/// The path of a file in a pod. Kubernetes would expand `$(NAME)`.
fn inside(file: &str) -> String {
    format!("{SWEEP}/{}", file.replace("$(", "$$("))
}
