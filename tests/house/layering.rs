//! The floors of `src/`: a module imports only from lower floors (docs/DESIGN.md). Enforced here because one crate has
//! no compiler for it.

use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module with its floor. Modules of one floor ignore each other; what two need moves down.
const FLOORS: &[(&str, u32)] = &[
    ("base", 0),
    ("model", 1),
    ("manifest", 2),
    ("hyperpod", 2),
    ("view", 3),
    ("problem", 4),
    ("solver", 5),
    ("plan", 6),
    ("verify", 7),
    ("explain", 7),
    ("scheduler", 8),
    ("planner", 9),
    ("disruption", 9),
    ("provisioning", 9),
    ("scaling", 9),
    ("sim", 10),
    ("kit", 11),
    ("report", 11),
    ("shapes", 11),
];

/// A submodule that stands on a floor of its own: reasons are words that results of every floor are made of, and
/// import nothing but names.
const VOCABULARY: &[(&str, u32)] = &[("explain::reason", 1)];

/// What the crate root re-exports stands where it comes from.
const ROOT: &[(&str, u32)] = &[("Snapshot", 1), ("Plan", 6), ("schedule", 8)];

/// Modules that may read less than their floor allows: the checker shares no code with what it checks, and the solver
/// knows no names.
const NARROW: &[(&str, &[&str])] = &[
    ("verify", &["base", "model", "hyperpod", "plan"]),
    ("solver", &["base", "model", "problem"]),
];

fn floor(module: &str) -> Option<u32> {
    FLOORS
        .iter()
        .chain(VOCABULARY)
        .chain(ROOT)
        .find(|(name, _)| *name == module)
        .map(|(_, floor)| *floor)
}

/// `text` without comments and without the contents of string literals, so that prose is not read as imports.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            ('/', Some('/')) => {
                while at < bytes.len() && bytes[at] != '\n' {
                    at += 1;
                }
            }
            ('/', Some('*')) => {
                while at < bytes.len() && !(bytes[at] == '*' && bytes.get(at + 1) == Some(&'/')) {
                    at += 1;
                }
                at += 2;
            }
            ('\'', Some('"')) => at += 3,
            ('"', _) => {
                at += 1;
                while at < bytes.len() && bytes[at] != '"' {
                    at += if bytes[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                out.push_str("\"\"");
            }
            (c, _) => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// The top-level modules that `text` names through `crate::`, grouped imports included.
fn imported(text: &str) -> Vec<String> {
    let code: String = code_only(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let code = code.replace(":: ", "::").replace(" ::", "::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` is how a macro names its own crate and counts as well.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = code[at + "crate::".len()..].trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.push(head(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    item.push(c);
                }
            }
            found.push(head(&item));
        } else {
            found.push(head(rest));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The first segment of `path`, or the first two where these are on a floor of their own.
fn head(path: &str) -> String {
    let path: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        .collect();
    let mut segments = path.split("::");
    let first = segments.next().unwrap_or_default();
    let two = format!("{first}::{}", segments.next().unwrap_or_default());
    if VOCABULARY.iter().any(|(name, _)| *name == two) {
        two
    } else {
        first.to_owned()
    }
}

/// What is wrong with `text` as a file of `module`.
fn violations(module: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(own) = floor(module) else {
        return vec![format!("module {module} has no floor: add it to the table")];
    };
    for name in imported(text) {
        // Macros and items of the crate root are no modules.
        let Some(theirs) = floor(&name) else { continue };
        if name != module && theirs >= own {
            wrong.push(format!(
                "{module} (floor {own}) imports {name} (floor {theirs})"
            ));
        }
        let narrow = NARROW.iter().find(|(narrow, _)| *narrow == module);
        if narrow.is_some_and(|(_, allowed)| name != module && !allowed.contains(&name.as_str())) {
            wrong.push(format!("{module} imports {name}, which it shall not know"));
        }
    }
    if code_only(text).contains("super::super") {
        wrong.push(format!(
            "{module} uses super::super; name the path from crate::"
        ));
    }
    wrong
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_module_imports_from_lower_floors_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "the scan found the sources");
    let mut wrong = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&src).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first);
        // The crate root declares the modules; the command is the outermost edge.
        if matches!(module, "lib" | "bin") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in violations(module, &text) {
            wrong.push(format!("{}: {line}", inside.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_public_module_of_the_crate_root_has_a_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(root).unwrap();
    for line in text.lines() {
        if let Some(name) = line
            .trim()
            .strip_prefix("pub mod ")
            .and_then(|l| l.strip_suffix(';'))
        {
            assert!(floor(name).is_some(), "module {name} has no floor");
        }
    }
}

#[test]
fn planted_violations_are_found() {
    let cases = [
        ("solver", "use crate::plan::Plan;"),
        (
            "solver",
            "use crate::{\n    base::index::Ix,\n    plan::{Plan, Totals},\n};",
        ),
        ("model", "fn f() -> crate::problem::Problem { todo!() }"),
        ("model", "use crate :: manifest :: Reader;"),
        ("verify", "pub(crate) use crate::scheduler::schedule;"),
        ("manifest", "use crate::hyperpod::catalog;"),
        ("verify", "use crate::problem::Problem;"),
        ("verify", "use crate::view::nodes::existing;"),
        ("solver", "use crate::view::pods::Term;"),
        ("plan", "use crate::schedule;"),
        ("base", "use super::super::model;"),
        ("base", "use crate::model::label;"),
        ("hyperpod", "use crate::explain::reasoning::Reason;"),
        ("hyperpod", "use crate::explain::Explainer;"),
        ("attic", ""),
    ];
    for (module, text) in cases {
        assert!(
            !violations(module, text).is_empty(),
            "missed: {module}: {text}"
        );
    }
}

#[test]
fn prose_and_lower_floors_are_left_alone() {
    let cases = [
        (
            "model",
            "/// See [`Reader`](crate::manifest::Reader).\nuse crate::base::time::Span;",
        ),
        (
            "model",
            "const TEXT: &str = \"use crate::plan::Plan; \\\" crate::sim\";",
        ),
        (
            "model",
            "/* crate::sim::World */ const QUOTE: char = '\"'; use crate::base::rng::Rng;",
        ),
        ("plan", "use crate::explain::reason::Reason;"),
        (
            "problem",
            "ix! { PodId; }\nuse crate::ix;\nuse crate::problem::classes::Class;",
        ),
        (
            "shapes",
            "use crate::{hyperpod::catalog, model::pod::{Pod, PodSpec}};",
        ),
    ];
    for (module, text) in cases {
        assert_eq!(violations(module, text), Vec::<String>::new(), "{text}");
    }
}
