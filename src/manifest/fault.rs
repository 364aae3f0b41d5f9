//! What is wrong with an input.

use std::fmt;

/// One thing that is wrong: where it stands, what stands there, and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The name of the source, as given to [`Reader::read`](super::Reader::read).
    pub source: String,
    /// The document within the source, counted from 1.
    pub document: usize,
    /// The object, such as `Pod default/web-0`; empty when the fault is not in an object.
    pub object: String,
    /// The field, such as `spec.containers[0].resources.requests.cpu`; empty for the whole object.
    pub path: String,
    /// What stands there, shortened.
    pub found: String,
    /// What is accepted there.
    pub accepted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}", self.source, self.document)?;
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        write!(f, ": found {}; accepted: {}", self.found, self.accepted)
    }
}

/// An input that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputError {
    /// The faults in the order of the input, as many as [`Limits::faults`](super::Limits::faults) allows.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more: usize,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// `text` on one line and at most about 80 characters long.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        short.push_str("...");
    }
    short
}
