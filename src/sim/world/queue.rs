//! Requests in front of a service: a fluid first-in-first-out queue.
//!
//! A ready replica has *c* slots, and a request holds one for its service time *w* (see
//! [`ReplicaModel`]). So *n* ready replicas take up *n c / w* requests per second, first come first served. Within a tick
//! requests come evenly, and as long as they come more slowly than they could be taken up nobody waits. What is told apart
//! is the delay from arrival to being taken up; a request that has been taken up counts as served, and how long it then
//! takes is *w*. What a replica was working on when it was lost is finished elsewhere at no cost.
//!
//! Requests are whole numbers everywhere, so that none is lost to rounding.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::histogram::{Histogram, float};
use super::trace::{Arrivals, real, whole};
use crate::base::time::Timestamp;
use crate::model::simulation::ReplicaModel;

/// Batches kept apart at most; beyond it neighbours are joined, which blurs delays and loses nobody.
const MOST_BATCHES: usize = 4_096;

/// Requests that came evenly over a short time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Batch {
    /// First and last moment of arrival, in milliseconds.
    from: f64,
    to: f64,
    count: u64,
    /// Seconds that each holds a slot.
    work: f64,
}

/// The queue of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Queue {
    model: ReplicaModel,
    limit: u64,
    slo: f64,
    batches: VecDeque<Batch>,
    waiting: u64,
    slots: f64,
    /// Up to when the queue has been worked on.
    now: f64,
    /// When the next request can be taken up, in milliseconds.
    free: f64,
    /// Slot-seconds taken up lately, decaying over about a minute, for in-flight figures.
    busy: f64,
    pub(super) arrived: u64,
    pub(super) served: u64,
    pub(super) dropped: u64,
    pub(super) in_time: u64,
    /// Requests per second over the last minute.
    pub(super) rate: f64,
}

impl Queue {
    pub(super) fn new(model: ReplicaModel, limit: u64, slo: f64, now: Timestamp) -> Self {
        let now = real(now.as_millis());
        Self {
            model,
            limit,
            slo,
            batches: VecDeque::new(),
            waiting: 0,
            slots: 0.0,
            now,
            free: now,
            busy: 0.0,
            arrived: 0,
            served: 0,
            dropped: 0,
            in_time: 0,
            rate: 0.0,
        }
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Requests that are worked on, about: what was taken up within the last service time.
    pub(super) fn in_flight(&self) -> f64 {
        self.busy.min(self.slots)
    }

    /// Requests that wait beyond the target already.
    pub(super) fn late(&self) -> u64 {
        let late = |batch: &&Batch| (self.now - batch.from) / 1000.0 > self.slo;
        self.batches
            .iter()
            .filter(late)
            .map(|batch| batch.count)
            .sum()
    }

    /// How busy the ready replicas are, 0 to 1.
    pub(super) fn utilisation(&self) -> f64 {
        if self.slots > 0.0 {
            (self.in_flight() / self.slots).min(1.0)
        } else {
            0.0
        }
    }

    /// From `now` on there are `replicas` ready ones.
    pub(super) fn set_ready(&mut self, replicas: u32, now: Timestamp, delays: &mut Histogram) {
        self.advance(now, delays);
        let before = self.slots;
        self.slots = f64::from(replicas) * f64::from(self.model.concurrency);
        if before <= 0.0 {
            self.free = self.free.max(self.now);
        }
    }

    /// Requests that came evenly between `from` and `to`. Time goes on to `to` first, so that they find the queue as it is.
    pub(super) fn arrive(
        &mut self,
        arrivals: Arrivals,
        from: Timestamp,
        to: Timestamp,
        delays: &mut Histogram,
    ) {
        let seconds = real(to.since(from).as_millis()) / 1000.0;
        let weight = (seconds / 60.0).min(1.0);
        if seconds > 0.0 {
            self.rate += (float(arrivals.count) / seconds - self.rate) * weight;
        }
        self.arrived += arrivals.count;
        let room = self.limit.saturating_sub(self.waiting);
        let taken = arrivals.count.min(room);
        self.dropped += arrivals.count - taken;
        if taken > 0 {
            let part = |tokens: f64, rate: f64| if rate > 0.0 { tokens / rate } else { 0.0 };
            let work = self.model.base_seconds
                + part(arrivals.input, self.model.prefill_tokens_per_second)
                + part(arrivals.output, self.model.decode_tokens_per_second);
            self.waiting += taken;
            self.batches.push_back(Batch {
                from: real(from.as_millis()),
                to: real(to.as_millis()),
                count: taken,
                work: work.max(0.001),
            });
            if self.batches.len() > MOST_BATCHES {
                self.join();
            }
        }
        self.advance(to, delays);
    }

    fn join(&mut self) {
        let mut joined = VecDeque::with_capacity(MOST_BATCHES);
        while let Some(mut batch) = self.batches.pop_front() {
            if let Some(next) = self.batches.pop_front() {
                let both = batch.count + next.count;
                batch.work =
                    (batch.work * float(batch.count) + next.work * float(next.count)) / float(both);
                batch.to = next.to;
                batch.count = both;
            }
            joined.push_back(batch);
        }
        self.batches = joined;
    }

    /// Takes up requests until `now`.
    pub(super) fn advance(&mut self, now: Timestamp, delays: &mut Histogram) {
        let now = real(now.as_millis());
        if now <= self.now {
            return;
        }
        let mut taken_work = 0.0;
        while self.slots > 0.0 && self.waiting > 0 {
            let Some(batch) = self.batches.front_mut() else {
                break;
            };
            // Milliseconds from one taking up to the next, and from one arrival to the next.
            let gap = batch.work * 1000.0 / self.slots;
            let spread = (batch.to - batch.from) / float(batch.count);
            let first = self.free.max(batch.from);
            if first > now {
                break;
            }
            // The n-th is taken up at the latest of its arrival and n gaps after the first.
            let pace = if gap >= spread { gap } else { spread.max(gap) };
            let possible = if pace > 0.0 {
                (now - first) / pace
            } else {
                float(batch.count)
            };
            let mut count = u64::try_from(whole(possible.min(float(batch.count)))).unwrap_or(0);
            if gap < spread && self.free > batch.from {
                // A backlog is worked off faster than new ones come.
                let quick = u64::try_from(whole(((now - first) / gap).min(float(batch.count))))
                    .unwrap_or(0);
                let come = u64::try_from(whole(
                    ((now - batch.from) / spread).clamp(0.0, float(batch.count)),
                ))
                .unwrap_or(0);
                count = quick.min(come);
            }
            if batch.to <= now && count < batch.count && first + gap * float(batch.count) <= now {
                count = batch.count;
            }
            if count == 0 {
                break;
            }
            let late = (first - batch.from).max(0.0);
            let slope = gap - spread;
            record(late, slope, count, self.slo, delays, &mut self.in_time);
            taken_work += batch.work * float(count);
            let end = (first + gap * float(count)).max(batch.from + spread * float(count));
            self.free = if slope < 0.0 && late + slope * float(count) <= 0.0 {
                (batch.from + spread * float(count)).min(now)
            } else {
                end.min(now.max(first))
            };
            batch.from += spread * float(count);
            batch.count -= count;
            self.waiting -= count;
            self.served += count;
            if batch.count == 0 {
                self.batches.pop_front();
            }
        }
        // Slots in use decay towards what is taken up per second.
        let seconds = (now - self.now) / 1000.0;
        let weight = (seconds / 15.0).min(1.0);
        self.busy += (taken_work / seconds - self.busy) * weight;
        self.now = now;
        self.free = self.free.min(now.max(self.free));
    }
}

/// Counts the delays of `count` requests, the first of which waits `late` milliseconds and each further one `slope` more, none
/// less than 0.
fn record(late: f64, slope: f64, count: u64, slo: f64, delays: &mut Histogram, in_time: &mut u64) {
    if late <= 0.0 && slope <= 0.0 {
        delays.add(0.0, count);
        *in_time += count;
        return;
    }
    // Up to eight groups, each at its middle.
    let groups = count.min(8);
    let mut done = 0;
    for group in 0..groups {
        let upto = count * (group + 1) / groups;
        let middle = (float(done) + float(upto) - 1.0) / 2.0;
        let delay = (late + slope * middle).max(0.0) / 1000.0;
        delays.add(delay, upto - done);
        if delay <= slo {
            *in_time += upto - done;
        }
        done = upto;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn queue(concurrency: u32, work: f64) -> Queue {
        let model = ReplicaModel {
            concurrency,
            base_seconds: work,
            ..ReplicaModel::default()
        };
        Queue::new(model, 1_000_000, 2.0, at(0))
    }

    fn run(queue: &mut Queue, seconds: i64, per_tick: u64) -> Histogram {
        let mut delays = Histogram::default();
        let mut now = 0;
        while now < seconds {
            let arrivals = Arrivals {
                count: per_tick,
                ..Arrivals::default()
            };
            queue.arrive(arrivals, at(now), at(now + 5), &mut delays);
            assert_eq!(
                queue.arrived,
                queue.served + queue.waiting() + queue.dropped
            );
            now += 5;
        }
        delays
    }

    #[test]
    fn with_slots_to_spare_nobody_waits() {
        let mut queue = queue(10, 1.0);
        queue.set_ready(2, at(0), &mut Histogram::default());
        // 10 a second for 20 slots of one second each.
        let delays = run(&mut queue, 600, 50).distribution();
        assert!(queue.waiting() <= 1, "{}", queue.waiting());
        assert!(delays.max < 0.2, "{delays:?}");
        let busy = queue.in_flight();
        assert!((busy - 10.0).abs() < 1.0, "{busy}");
    }

    #[test]
    fn an_overloaded_queue_grows_by_what_is_too_much() {
        let mut queue = queue(5, 1.0);
        queue.set_ready(1, at(0), &mut Histogram::default());
        // 10 a second come, 5 a second go: after 100 s 500 wait, and the last taken up waited 50 s.
        let delays = run(&mut queue, 100, 50).distribution();
        assert!(
            (490..=510).contains(&queue.waiting()),
            "{}",
            queue.waiting()
        );
        assert!((45.0..=52.0).contains(&delays.max), "{delays:?}");
        assert!((22.0..=28.0).contains(&delays.mean), "{delays:?}");
    }

    #[test]
    fn without_replicas_all_wait_and_are_served_later() {
        let mut queue = queue(100, 1.0);
        run(&mut queue, 60, 10);
        assert_eq!((queue.waiting(), queue.served), (120, 0));
        let mut delays = Histogram::default();
        queue.set_ready(1, at(60), &mut delays);
        queue.advance(at(70), &mut delays);
        assert_eq!((queue.waiting(), queue.served), (0, 120));
        let figures = delays.distribution();
        assert!((25.0..=35.0).contains(&figures.mean), "{figures:?}");
    }

    #[test]
    fn a_full_queue_turns_away() {
        let mut queue = queue(1, 1.0);
        queue.limit = 30;
        run(&mut queue, 60, 10);
        assert_eq!((queue.waiting(), queue.dropped), (30, 90));
    }
}
