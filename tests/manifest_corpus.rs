//! Replays an external folder of scenarios, named by `TETRAPOD_CORPUS`: every file must be accepted.
#![cfg(feature = "yaml")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test reads its environment and files"
)]

use std::path::{Path, PathBuf};

use tetrapod::manifest::{Reader, export};

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
