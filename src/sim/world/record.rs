//! What is written down during a run: series, distributions, integrals, events, packings. Bounded by the world.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::result::{Packing, Series, SimEvent};
use super::trace::real;
use super::{MOST_EVENTS, MOST_POINTS};
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;

/// Of one kind of event so many are listed at most, so that a frequent kind does not hide the others.
const MOST_OF_A_KIND: u64 = 400;

/// What changes stepwise and is summed over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Levels {
    pub(super) nodes: i64,
    /// Billed GPUs and thousandths of CPU.
    pub(super) gpus: i64,
    pub(super) cpu: i64,
    /// Of them requested by bound pods.
    pub(super) gpus_used: i64,
    pub(super) cpu_used: i64,
    /// Free GPUs on ready nodes, and those of them on nodes with others in use.
    pub(super) gpus_free: i64,
    pub(super) gpus_stranded: i64,
}

/// Levels times milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) nodes: i64,
    pub(super) gpus: i64,
    pub(super) cpu: i64,
    pub(super) gpus_used: i64,
    pub(super) cpu_used: i64,
    pub(super) gpus_free: i64,
    pub(super) gpus_stranded: i64,
}

/// Everything that is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) levels: Levels,
    pub(super) sums: Sums,
    summed_until: Timestamp,
    pub(super) delays: Histogram,
    pub(super) pending: Histogram,
    pub(super) capacity: Histogram,
    pub(super) created: u64,
    pub(super) finished: u64,
    pub(super) evictions: u64,
    pub(super) launched: u64,
    pub(super) removed: u64,
    pub(super) launches_failed: u64,
    pub(super) reclaims: u64,
    pub(super) world_events: u64,
    pub(super) series: Series,
    pub(super) step: Span,
    pub(super) packings: Vec<Packing>,
    pub(super) peak_pods: usize,
    events: Vec<SimEvent>,
    by_kind: BTreeMap<Name, u64>,
    left_out: BTreeMap<Name, u64>,
}

impl Record {
    pub(super) fn new(start: Timestamp, duration: Span) -> Self {
        let points = i64::try_from(MOST_POINTS).unwrap_or(1_440);
        let millis = (duration.as_millis() / points).max(1_000);
        // Whole seconds, and five of them at least.
        let step = Span::from_secs((millis + 999) / 1_000).max(Span::from_secs(5));
        Self {
            levels: Levels::default(),
            sums: Sums::default(),
            summed_until: start,
            delays: Histogram::default(),
            pending: Histogram::default(),
            capacity: Histogram::default(),
            created: 0,
            finished: 0,
            evictions: 0,
            launched: 0,
            removed: 0,
            launches_failed: 0,
            reclaims: 0,
            world_events: 0,
            series: Series {
                step_seconds: real(step.as_millis()) / 1000.0,
                ..Series::default()
            },
            step,
            packings: Vec::new(),
            peak_pods: 0,
            events: Vec::new(),
            by_kind: BTreeMap::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Sums the levels up to `now`; to be called before any of them changes.
    pub(super) fn sum(&mut self, now: Timestamp) {
        let millis = now.since(self.summed_until).as_millis();
        if millis <= 0 {
            return;
        }
        self.summed_until = now;
        let (levels, sums) = (self.levels, &mut self.sums);
        for (sum, level) in [
            (&mut sums.nodes, levels.nodes),
            (&mut sums.gpus, levels.gpus),
            (&mut sums.cpu, levels.cpu),
            (&mut sums.gpus_used, levels.gpus_used),
            (&mut sums.cpu_used, levels.cpu_used),
            (&mut sums.gpus_free, levels.gpus_free),
            (&mut sums.gpus_stranded, levels.gpus_stranded),
        ] {
            *sum = sum.saturating_add(level.saturating_mul(millis));
        }
    }

    /// Notes an event.
    pub(super) fn event(
        &mut self,
        now: Timestamp,
        kind: &str,
        object: impl AsRef<str>,
        message: impl AsRef<str>,
    ) {
        let kind = Name::from(kind);
        let seen = self.by_kind.entry(Name::clone(&kind)).or_insert(0);
        *seen += 1;
        if *seen > MOST_OF_A_KIND || self.events.len() >= MOST_EVENTS {
            *self.left_out.entry(kind).or_insert(0) += 1;
            return;
        }
        let shortened: String = message.as_ref().chars().take(300).collect();
        self.events.push(SimEvent {
            time: now,
            kind,
            object: Name::from(object.as_ref()),
            message: shortened.as_str().into(),
        });
    }

    pub(super) fn events(&self) -> &[SimEvent] {
        &self.events
    }

    pub(super) fn left_out(&self) -> &BTreeMap<Name, u64> {
        &self.left_out
    }
}

/// `part` of `whole`, 0 of nothing.
pub(super) fn share(part: i64, whole: i64) -> f64 {
    if whole > 0 {
        real(part) / real(whole)
    } else {
        0.0
    }
}
