//! Standard output and standard error.

#![expect(
    clippy::print_stderr,
    reason = "a command reports faults on standard error"
)]

use std::io::{self, Write};

use serde::Serialize;

/// Why a command stops.
#[derive(Debug)]
pub(crate) enum Fatal {
    /// Whoever read our output has gone; nothing to complain about.
    ClosedPipe,
    /// Usage, input or output that cannot be used: exit code 2.
    Message(String),
}

impl From<io::Error> for Fatal {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Message(format!("cannot write: {error}"))
        }
    }
}

impl From<serde_json::Error> for Fatal {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Self::Message(format!("cannot write JSON: {error}")),
        }
    }
}

/// Writes `text` to standard output.
pub(crate) fn print(text: &str) -> Result<(), Fatal> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes `value` to standard output as indented JSON, without building the text in memory.
pub(crate) fn print_json<T: Serialize>(value: &T) -> Result<(), Fatal> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}
