//! YAML, one document at a time, through the same reading as JSON.

use serde_json::Value;

use super::collect::Collector;
use super::framing::{Broken, Framer};

/// Reads every document of `framer`.
pub(super) fn documents(framer: &mut Framer<'_>, collector: &mut Collector) -> Result<(), Broken> {
    let mut any = false;
    let mut document = Vec::new();
    loop {
        let line = framer.line()?;
        let end = line.is_empty();
        let marker = is_marker(line);
        if end || marker {
            if !is_blank(&document) {
                any = true;
                read(&document, collector)?;
            }
            document.clear();
            if end {
                break;
            }
            // Content may follow the marker on its line; directives before it are not used by Kubernetes.
            if line.starts_with(b"---") {
                document.extend_from_slice(line.get(3..).unwrap_or_default());
            }
            continue;
        }
        if document.len() + line.len() > collector.limits.yaml_document_bytes {
            return Err(Broken::new(
                "a longer YAML document",
                format!(
                    "YAML documents of up to {} bytes",
                    collector.limits.yaml_document_bytes
                ),
            ));
        }
        document.extend_from_slice(line);
    }
    if any {
        Ok(())
    } else {
        Err(Broken::new("nothing", "at least one document"))
    }
}

/// Whether a line ends a document: `---` or `...` alone or before white space.
fn is_marker(line: &[u8]) -> bool {
    (line.starts_with(b"---") || line.starts_with(b"..."))
        && line.get(3).is_none_or(u8::is_ascii_whitespace)
}

/// Whether there is nothing but white space and comments.
fn is_blank(document: &[u8]) -> bool {
    document
        .split(|byte| *byte == b'\n')
        .all(|line| matches!(line.trim_ascii_start().first(), None | Some(b'#')))
}

fn read(document: &[u8], collector: &mut Collector) -> Result<(), Broken> {
    collector.start_document();
    let text = match std::str::from_utf8(document) {
        Ok(text) => text,
        Err(error) => return Err(Broken::new(error.to_string(), "text in UTF-8")),
    };
    let limits = collector.limits;
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = limits.depth;
    budget.flow_nesting_limit = limits.depth;
    budget.max_nodes = limits.yaml_nodes;
    budget.max_events = limits.yaml_nodes.saturating_mul(2);
    budget.max_documents = 1;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = limits.yaml_nodes.min(1_000_000);
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(value) => collector.top_value(&value),
        Err(error) => {
            let message = error.to_string();
            let line = message.lines().next().unwrap_or("unreadable YAML");
            collector.fault(
                "",
                String::new(),
                line.to_owned(),
                "YAML or JSON".to_owned(),
            );
            Ok(())
        }
    }
}
