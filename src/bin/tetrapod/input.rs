//! From the INPUT arguments to a snapshot.

#![allow(
    clippy::disallowed_types,
    reason = "the command opens files; the library reads streams"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tetrapod::manifest::{Input, Reader};

use crate::args::InputArgs;
use crate::output::{Fatal, complain};
use crate::table::counted;
use crate::timing::{TimedReader, timed};

/// What was read, and how long that took.
pub(crate) struct Loaded {
    pub(crate) input: Input,
    pub(crate) read: Duration,
    pub(crate) parse: Duration,
}

const EXTENSIONS: [&str; 6] = [".json", ".yaml", ".yml", ".json.gz", ".yaml.gz", ".yml.gz"];

/// Reads every input into one snapshot. All faults are listed, not only the first.
pub(crate) fn load(args: &InputArgs) -> Result<Loaded, Fatal> {
    let sources = sources(&args.inputs)?;
    let reading = Cell::new(Duration::ZERO);
    let mut unreadable = Vec::new();
    let (result, span) = timed(|| {
        let mut reader = Reader::new().skip_invalid(args.skip_invalid);
        for source in &sources {
            let name = source.display().to_string();
            if source.as_os_str() == "-" {
                reader.read(
                    "standard input",
                    TimedReader::new(io::stdin().lock(), &reading),
                );
                continue;
            }
            match File::open(source) {
                Ok(file) => reader.read(&name, TimedReader::new(file, &reading)),
                Err(error) => unreadable.push(format!("{name}: {error}")),
            }
        }
        reader.finish()
    });
    if !unreadable.is_empty() {
        return Err(Fatal::Message(unreadable.join("\n")));
    }
    let mut input = result.map_err(|error| {
        let count = counted(error.faults.len() + error.more, "fault", "faults");
        Fatal::Message(format!("{error}\n{count} in the input; nothing was done"))
    })?;
    if let Some(now) = args.now {
        input.snapshot.options.now = Some(now);
    }
    report(args, &input);
    Ok(Loaded {
        input,
        read: reading.get(),
        parse: span.saturating_sub(reading.get()),
    })
}

/// Lists what `--skip-invalid` left out, and counts what is of no concern.
fn report(args: &InputArgs, input: &Input) {
    for fault in &input.left_out {
        complain(&format!("left out: {fault}"));
    }
    if input.left_out_more > 0 {
        complain(&format!("left out: {} more", input.left_out_more));
    }
    if args.quiet {
        return;
    }
    let list = |counts: &BTreeMap<String, u64>| {
        let parts: Vec<String> = counts
            .iter()
            .map(|(name, n)| format!("{name} ({n})"))
            .collect();
        parts.join(", ")
    };
    if !input.skipped.kinds.is_empty() {
        complain(&format!(
            "kinds that no decision reads: {}",
            list(&input.skipped.kinds)
        ));
    }
    if !input.skipped.fields.is_empty() {
        complain(&format!(
            "unknown fields, ignored: {}",
            list(&input.skipped.fields)
        ));
    }
}

/// The files that `inputs` mean, folders opened, in order.
pub(crate) fn sources(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Fatal> {
    let mut found = Vec::new();
    for input in inputs {
        if input.as_os_str() != "-" && input.is_dir() {
            let before = found.len();
            walk(input, &mut found)?;
            if found.len() == before {
                return Err(Fatal::Message(format!(
                    "{}: no .json, .yaml or .yml file (or .gz of these) in this folder",
                    input.display()
                )));
            }
        } else {
            found.push(input.clone());
        }
    }
    Ok(found)
}

/// The known files under `folder` by name. Hidden entries are passed over, linked folders not followed, so that the walk
/// ends.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Fatal> {
    let unreadable = |error: io::Error| Fatal::Message(format!("{}: {error}", folder.display()));
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            walk(&entry.path(), found)?;
        } else if EXTENSIONS.iter().any(|extension| name.ends_with(extension)) {
            found.push(entry.path());
        }
    }
    Ok(())
}
