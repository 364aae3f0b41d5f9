//! `--timings`: where time and memory go.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the command measures itself; the library reads no clock and no file"
)]

use std::cell::Cell;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What `--timings` prints as one JSON object. Times are wall-clock milliseconds; memory is the whole process's, in MiB,
/// `null` where the system does not tell.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timings {
    /// Time inside the operating system's reads. Input is read as a stream, so reading and parsing alternate.
    pub(crate) read_millis: f64,
    /// The rest of reading: decompression, parsing, validation.
    pub(crate) parse_millis: f64,
    /// Snapshot to compiled problem.
    pub(crate) compile_millis: f64,
    /// Solving.
    pub(crate) solve_millis: f64,
    /// Outcome to plan: names and reasons.
    pub(crate) decode_millis: f64,
    /// Pods of the snapshot, bound ones included.
    pub(crate) pods: usize,
    /// Resident memory after parsing.
    #[serde(rename = "parsedRssMiB")]
    pub(crate) parsed_rss_mib: Option<f64>,
    /// Most resident memory at any time.
    #[serde(rename = "peakRssMiB")]
    pub(crate) peak_rss_mib: Option<f64>,
}

/// Milliseconds with microseconds as fraction.
pub(crate) fn millis(span: Duration) -> f64 {
    let micros = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1_000.0
}

/// The result of `work` and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// A reader that adds the time its reads take to a total.
pub(crate) struct TimedReader<'a, R> {
    inner: R,
    total: &'a Cell<Duration>,
}

impl<'a, R> TimedReader<'a, R> {
    pub(crate) fn new(inner: R, total: &'a Cell<Duration>) -> Self {
        Self { inner, total }
    }
}

impl<R: Read> Read for TimedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (result, span) = timed(|| self.inner.read(buffer));
        self.total.set(self.total.get().saturating_add(span));
        result
    }
}

/// Resident memory now, in MiB.
pub(crate) fn resident_mib() -> Option<f64> {
    status_field("VmRSS:")
}

/// Most resident memory so far, in MiB.
pub(crate) fn peak_mib() -> Option<f64> {
    status_field("VmHWM:")
}

fn status_field(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some((f64::from(kib) / 1_024.0 * 10.0).round() / 10.0)
}
