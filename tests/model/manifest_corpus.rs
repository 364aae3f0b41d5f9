//! Replays an external folder of scenarios, named by `TETRAPOD_CORPUS`: every file must be accepted.
#![cfg(feature = "yaml")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test reads its environment and files"
)]

use std::io::Read;
use std::path::{Path, PathBuf};

use tetrapod::manifest::{Limits, Reader, export};
use tetrapod::model::cluster::Snapshot;

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            scenarios(&path, found);
        } else if (name.ends_with(".json") || name.ends_with(".json.gz"))
            && !name.contains(".expected.")
        {
            found.push(path);
        }
    }
}

/// Reads a scenario as a list within a list, so that its pods do not take the short way.
fn the_long_way(file: &Path) -> Snapshot {
    let mut inner = Vec::new();
    let mut input = std::fs::File::open(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(input)
            .read_to_end(&mut inner)
            .unwrap();
    } else {
        input.read_to_end(&mut inner).unwrap();
    }
    let mut limits = Limits::default();
    limits.object_bytes = 1 << 30;
    let mut reader = Reader::new().limits(limits);
    let outer = br#"{"apiVersion":"v1","kind":"List","items":["#.chain(inner.as_slice());
    reader.read("nested", outer.chain(&b"]}"[..]));
    reader.finish().unwrap().snapshot
}

#[test]
fn every_scenario_of_the_corpus_is_accepted_and_round_trips() {
    let Ok(folder) = std::env::var("TETRAPOD_CORPUS") else {
        println!("skipped: TETRAPOD_CORPUS names no folder");
        return;
    };
    let mut files = Vec::new();
    scenarios(Path::new(&folder), &mut files);
    assert!(!files.is_empty(), "{folder} holds no scenarios");
    let mut pods = 0;
    for file in &files {
        let name = file.display().to_string();
        let mut reader = Reader::new();
        reader.read(&name, std::fs::File::open(file).unwrap());
        let input = match reader.finish() {
            Ok(input) => input,
            Err(error) => panic!("{error}"),
        };
        pods += input.snapshot.pods.len();
        assert!(
            input.skipped.kinds.is_empty(),
            "{name}: {:?}",
            input.skipped
        );
        assert!(
            the_long_way(file) == input.snapshot,
            "{name}: the short way for pods differs"
        );
        let mut text = Vec::new();
        export::write(&input.snapshot, &mut text).unwrap();
        let mut reader = Reader::new();
        reader.read(&name, text.as_slice());
        let again = reader.finish().unwrap().snapshot;
        assert!(
            again == input.snapshot,
            "{name} changes on its way out and in"
        );
    }
    println!("{} scenarios, {pods} pods", files.len());
}
