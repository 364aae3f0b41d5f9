//! Load: traces in CSV, made days, and how either becomes requests per tick.
//!
//! A trace is known by its header:
//!
//! | header | one row is |
//! |---|---|
//! | `timestamp_ms,input_length,output_length` (Mooncake) | a request |
//! | `TIMESTAMP,ContextTokens,GeneratedTokens` (Azure LLM 2023) | a request |
//! | `minute,requests` or `minute_start_epoch,api_requests,generative_requests` (World Cup 98, Alibaba GenAI: requests per second) | a minute |
//! | `seconds,requests[,input_tokens,output_tokens]` (ours) | what came from then on until the next row; tokens are means per request |
//! | `arrival_seconds,pods,duration_seconds` (ours) | a job |

use serde::{Deserialize, Serialize};

use crate::base::rng::Rng;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::model::simulation::{Diurnal, JobArrival, Load, LoadSource};

/// Rows of a trace at most.
const MOST_ROWS: usize = 2_000_000;
/// Into what pieces single requests are gathered.
const PIECE: i64 = 5_000;

/// Why a trace cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: line {line}: found {found:?}; accepted: {accepted}")]
#[non_exhaustive]
pub struct TraceError {
    /// The file.
    pub file: Name,
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
    /// What is accepted.
    pub accepted: &'static str,
}

/// Requests from a moment on, evenly until the next piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Piece {
    /// Milliseconds since the start of the trace.
    pub at: i64,
    /// Requests.
    pub requests: f64,
    /// Input tokens of all of them.
    pub input: f64,
    /// Output tokens of all of them.
    pub output: f64,
}

/// A trace of requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trace {
    /// Pieces in order.
    pub pieces: Vec<Piece>,
    /// Milliseconds from the first moment to the end of the last piece.
    pub length: i64,
    /// Whether it tells tokens.
    pub has_tokens: bool,
}

const HEADERS: &str = "one of the headers that the documentation of sim::world::trace lists";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Mooncake,
    Azure,
    PerMinute,
    RatePerMinute,
    Own,
}

impl Trace {
    /// Reads a trace of requests from the text of a CSV file. O(rows log rows).
    ///
    /// # Errors
    /// At the first line that is wrong.
    pub fn parse(file: &Name, text: &str) -> Result<Self, TraceError> {
        let mut lines = text.lines().enumerate();
        let header = lines.next().map_or("", |(_, line)| line.trim());
        let form = match header {
            "timestamp_ms,input_length,output_length" => Form::Mooncake,
            "TIMESTAMP,ContextTokens,GeneratedTokens" => Form::Azure,
            "minute,requests" => Form::PerMinute,
            "minute_start_epoch,api_requests,generative_requests" => Form::RatePerMinute,
            "seconds,requests" | "seconds,requests,input_tokens,output_tokens" => Form::Own,
            _ => return Err(bad(file, 0, header, HEADERS)),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut first = None;
        for (number, line) in lines {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if number > MOST_ROWS {
                return Err(bad(file, number, line, "at most 2,000,000 rows"));
            }
            let piece = row(form, line)
                .ok_or_else(|| bad(file, number, line, "a row as the header says"))?;
            let start = *first.get_or_insert(piece.at);
            let at = piece.at.saturating_sub(start);
            if at < 0 || pieces.last().is_some_and(|last| last.at > at) {
                return Err(bad(file, number, line, "rows in the order of time"));
            }
            match pieces.last_mut() {
                Some(last) if last.at / PIECE == at / PIECE && form.is_single() => {
                    last.requests += piece.requests;
                    last.input += piece.input;
                    last.output += piece.output;
                }
                _ => pieces.push(Piece {
                    at: if form.is_single() {
                        at / PIECE * PIECE
                    } else {
                        at
                    },
                    ..piece
                }),
            }
        }
        let last = pieces.last().map_or(0, |piece| piece.at);
        let step = match form {
            Form::Mooncake | Form::Azure => PIECE,
            Form::PerMinute | Form::RatePerMinute => 60_000,
            Form::Own => pieces
                .len()
                .checked_sub(2)
                .and_then(|at| pieces.get(at))
                .map_or(60_000, |before| last - before.at),
        };
        Ok(Self {
            length: last.saturating_add(step.max(1)),
            has_tokens: form.is_single() || (form == Form::Own && header.contains("input_tokens")),
            pieces,
        })
    }

    /// What comes between `from` and `to` milliseconds after the start: requests, input and output tokens. Every piece is spread
    /// evenly until the next one.
    fn between(&self, from: i64, to: i64) -> Piece {
        let mut sum = Piece {
            at: from,
            ..Piece::default()
        };
        let after = self
            .pieces
            .partition_point(|piece| piece.at <= from)
            .saturating_sub(1);
        for (at, piece) in self.pieces.iter().enumerate().skip(after) {
            if piece.at >= to {
                break;
            }
            let end = self.pieces.get(at + 1).map_or(self.length, |next| next.at);
            // Single requests came within their own five seconds, whatever comes after.
            let end = if self.has_tokens && end - piece.at > 600_000 {
                piece.at + PIECE
            } else {
                end
            };
            let whole = (end - piece.at).max(1);
            let part = (to.min(end) - from.max(piece.at)).max(0);
            let share = real(part) / real(whole);
            sum.requests += piece.requests * share;
            sum.input += piece.input * share;
            sum.output += piece.output * share;
        }
        sum
    }
}

impl Form {
    fn is_single(self) -> bool {
        matches!(self, Self::Mooncake | Self::Azure)
    }
}

/// Reads a trace of jobs, with the header `arrival_seconds,pods,duration_seconds`.
///
/// # Errors
/// At the first line that is wrong.
pub fn parse_jobs(file: &Name, text: &str) -> Result<Vec<JobArrival>, TraceError> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, line)| line.trim());
    if header != "arrival_seconds,pods,duration_seconds" {
        return Err(bad(
            file,
            0,
            header,
            "arrival_seconds,pods,duration_seconds",
        ));
    }
    let mut jobs = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let read = || {
            let mut parts = line.trim().split(',');
            let at = seconds(parts.next()?)?;
            let pods: u32 = parts.next()?.parse().ok()?;
            let runs = seconds(parts.next()?)?;
            (parts.next().is_none() && (1..=10_000).contains(&pods))
                .then(|| JobArrival::new(Span::from_millis(at), pods, Span::from_millis(runs)))
        };
        match read().filter(|_| number <= MOST_ROWS) {
            Some(job) => jobs.push(job),
            None => return Err(bad(file, number, line, "seconds, 1 to 10000 pods, seconds")),
        }
    }
    Ok(jobs)
}

fn bad(file: &Name, line: usize, found: &str, accepted: &'static str) -> TraceError {
    TraceError {
        file: Name::clone(file),
        line: line + 1,
        found: found.chars().take(80).collect(),
        accepted,
    }
}

fn row(form: Form, line: &str) -> Option<Piece> {
    let mut parts = line.split(',').map(str::trim);
    let first = parts.next()?;
    let mut number = || {
        let number: f64 = parts.next()?.parse().ok()?;
        (number.is_finite() && (0.0..=1e12).contains(&number)).then_some(number)
    };
    Some(match form {
        Form::Mooncake | Form::Azure => {
            let at = if form == Form::Azure {
                moment(first)?
            } else {
                first.parse().ok()?
            };
            let (input, output) = (number()?, number()?);
            Piece {
                at,
                requests: 1.0,
                input,
                output,
            }
        }
        Form::PerMinute => Piece {
            at: moment(first)?,
            requests: number()?,
            ..Piece::default()
        },
        Form::RatePerMinute => Piece {
            at: first.parse::<i64>().ok()?.checked_mul(1000)?,
            requests: number()? * 60.0,
            ..Piece::default()
        },
        Form::Own => {
            let requests = number()?;
            let mut piece = Piece {
                at: seconds(first)?,
                requests,
                ..Piece::default()
            };
            if let Some(input) = number() {
                piece.input = input * requests;
                piece.output = number()? * requests;
            }
            piece
        }
    })
}

/// Milliseconds of a number of seconds.
fn seconds(text: &str) -> Option<i64> {
    let number: f64 = text.trim().parse().ok()?;
    (0.0..=1e9)
        .contains(&number)
        .then(|| whole(number * 1000.0))
}

/// Milliseconds of `2023-11-16 18:17:03.97` or `1998-04-30 21:30`, in UTC.
fn moment(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(' ')?;
    let seconds = if time.matches(':').count() == 1 {
        ":00"
    } else {
        ""
    };
    let time: Timestamp = format!("{day}T{time}{seconds}Z").parse().ok()?;
    Some(time.as_millis())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a simulation are far below 2^53"
)]
pub(in crate::sim) fn real(number: i64) -> f64 {
    number as f64
}

/// The whole number below `number`, which is 0 or more.
#[expect(
    clippy::cast_possible_truncation,
    reason = "casts of floats saturate, and fractions are to be cut"
)]
pub(super) fn whole(number: f64) -> i64 {
    number as i64
}

/// Requests that arrive in a tick: how many, and how much each asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Arrivals {
    /// Requests.
    pub count: u64,
    /// Mean input tokens.
    pub input: f64,
    /// Mean output tokens.
    pub output: f64,
}

/// A load on its way: makes whole requests of rates, carrying fractions over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Fractions of requests that have not come yet.
    carry: f64,
    rng: Rng,
    /// The present burst's end and the next one's start, in milliseconds since the start.
    burst_until: i64,
    next_burst: Option<i64>,
}

impl Stream {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            carry: 0.0,
            rng,
            burst_until: 0,
            next_burst: None,
        }
    }

    /// What arrives between `from` and `to` milliseconds after the start.
    pub(super) fn arrivals(
        &mut self,
        load: &Load,
        trace: Option<&Trace>,
        from: i64,
        to: i64,
    ) -> Arrivals {
        let piece = match &load.source {
            LoadSource::Trace(_) => trace.map_or_else(Piece::default, |trace| {
                let shift = if load.repeat && trace.length > 0 {
                    from / trace.length * trace.length
                } else {
                    0
                };
                trace.between(from - shift, to - shift)
            }),
            LoadSource::Points(points) => {
                let at = points.partition_point(|(at, _)| at.as_millis() <= from);
                let rate = at
                    .checked_sub(1)
                    .and_then(|at| points.get(at))
                    .map_or(0.0, |(_, rate)| *rate);
                Piece {
                    requests: rate * real(to - from) / 1000.0,
                    ..Piece::default()
                }
            }
            LoadSource::Generate(day) => {
                let rate = self.rate(day, from, to);
                Piece {
                    requests: rate * real(to - from) / 1000.0,
                    ..Piece::default()
                }
            }
        };
        let exact = piece.requests * load.scale + self.carry;
        let count = whole(exact.max(0.0));
        self.carry = exact - real(count);
        let mean = |tokens: f64, otherwise: f64| {
            if trace.is_some_and(|trace| trace.has_tokens) && piece.requests > 0.0 {
                tokens / piece.requests
            } else {
                otherwise
            }
        };
        Arrivals {
            count: u64::try_from(count).unwrap_or(0),
            input: mean(piece.input, load.input_tokens),
            output: mean(piece.output, load.output_tokens),
        }
    }

    /// Requests per second of a made day: between `low` and `high` along a smooth hump, times a burst, with noise as wide as
    /// a Poisson count's.
    fn rate(&mut self, day: &Diurnal, from: i64, to: i64) -> f64 {
        const DAY: i64 = 24 * 3_600_000;
        let away = (from - day.peak_at.as_millis()).rem_euclid(DAY);
        let near = real(away.min(DAY - away)) / real(DAY / 2);
        // 1 at the peak, 0 half a day from it, flat at both ends.
        let hump = 1.0 - near * near * (3.0 - 2.0 * near);
        let mut rate = day.low + (day.high - day.low) * hump;
        if day.bursts_per_day > 0.0 {
            let mean = real(DAY) / day.bursts_per_day;
            let next = match self.next_burst {
                Some(at) => at,
                None => from + self.wait(mean),
            };
            if next <= from {
                self.burst_until = from + day.burst_length.as_millis();
                self.next_burst = Some(self.burst_until + self.wait(mean));
            } else {
                self.next_burst = Some(next);
            }
            if from < self.burst_until {
                rate *= day.burst_factor;
            }
        }
        let expected = rate * real(to - from) / 1000.0;
        // The sum of four even draws has variance 1/3: scaled to that of a Poisson count.
        let even = |rng: &mut Rng| real(i64::try_from(rng.below(1_000_001)).unwrap_or(0)) / 1e6;
        let draw =
            even(&mut self.rng) + even(&mut self.rng) + even(&mut self.rng) + even(&mut self.rng)
                - 2.0;
        let noisy = expected + draw * (3.0 * expected).sqrt();
        noisy.max(0.0) * 1000.0 / real((to - from).max(1))
    }

    /// A wait between a tenth of the mean and 1.9 of it.
    fn wait(&mut self, mean: f64) -> i64 {
        let draw = real(i64::try_from(self.rng.below(1_000_001)).unwrap_or(0)) / 1e6;
        whole(mean * (0.1 + 1.8 * draw))
    }
}
