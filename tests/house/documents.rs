//! What the documents name exists: files, links, tests.

use std::fs;
use std::path::Path;

const DOCUMENTS: [&str; 4] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/DESIGN.md",
    "docs/STYLE.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between `open` and `close`, line by line, fenced blocks left out.
fn between<'t>(text: &'t str, open: &str, close: char) -> Vec<&'t str> {
    let mut inside = false;
    let prose = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    let mut found = Vec::new();
    for mut line in prose {
        while let Some((_, rest)) = line.split_once(open) {
            let Some((inner, rest)) = rest.split_once(close) else {
                break;
            };
            found.push(inner);
            line = rest;
        }
    }
    found
}

#[test]
fn links_and_files_exist() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in between(&text, "](", ')') {
            let file = link.split('#').next().unwrap();
            if !link.starts_with("http") && !folder.join(file).exists() {
                missing.push(format!("{document}: {link}"));
            }
        }
        let words = between(&text, "`", '`');
        assert!(words.len() > 5, "{document}: the scan found {words:?}");
        for word in words {
            let file = word.split("::").next().unwrap();
            let is_file = ["tests/", "src/", "fuzz/", "docs/", ".ci/"]
                .iter()
                .any(|start| file.starts_with(start));
            let plain = !file.contains(['<', '*', ' ']);
            if is_file && plain && !root().join(file).exists() {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn tests_that_the_design_names_exist() {
    let text = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    let suites = fs::read_dir(root().join("tests")).unwrap();
    let tests: String = suites
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|suite| fs::read_dir(suite).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let named: Vec<&str> = between(&text, "(`", '`')
        .into_iter()
        .filter(|word| word.matches('_').count() >= 3)
        .collect();
    assert!(named.len() >= 3, "the scan found {named:?}");
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "no test {name}");
    }
}

#[test]
fn anchors_of_the_design_exist() {
    let text = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    let anchor = |heading: &str| -> String {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let anchors: Vec<String> = text
        .lines()
        .filter_map(|line| {
            Some(anchor(
                line.strip_prefix('#')?.trim_start_matches('#').trim(),
            ))
        })
        .collect();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for link in between(&text, "](", ')') {
            if let Some((file, wanted)) = link.split_once('#')
                && (file.is_empty() || file.ends_with("DESIGN.md"))
            {
                assert!(anchors.iter().any(|a| a == wanted), "{document}: {link}");
            }
        }
    }
}
