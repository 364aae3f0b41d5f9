//! From what was written down to the result.

use std::collections::BTreeMap;

use super::histogram::float;
use super::plan::gpus_of;
use super::record::share;
use super::result::{PackedNode, PackedPod, Packing, SimResult, Totals};
use super::state::Node;
use super::trace::real;
use super::{MOST_PACKED_NODES, MOST_POINTS, World};
use crate::base::time::Timestamp;
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::provisioning::ledger::Amount;

const HOUR: f64 = 3_600_000.0;

impl World {
    /// Notes a point of the series, and a packing if this is a moment to remember.
    pub(super) fn sample(&mut self) {
        let now = self.state.now;
        let time = real(now.since(self.state.setup.start).as_millis()) / 1000.0;
        let levels = self.state.record.levels;
        let mut nodes: BTreeMap<Name, u32> = BTreeMap::new();
        for shape in &self.derived.shapes {
            nodes.entry(Name::clone(&shape.group)).or_insert(0);
        }
        let mut rate = Price::ZERO;
        for billed in self.state.billed.values() {
            if let Some(shape) = self.derived.shapes.get(billed.shape) {
                *nodes.entry(Name::clone(&shape.group)).or_insert(0) += 1;
                rate += shape.price;
            }
        }
        let pending: usize = self.state.kinds.iter().map(|kind| kind.pending.len()).sum();
        let step = real(self.state.record.step.as_millis()) / 1000.0;
        let series = &mut self.state.record.series;
        series.time.push(time);
        for (group, count) in nodes {
            series.nodes.entry(group).or_default().push(count);
        }
        for (at, kind) in self.derived.kinds.iter().enumerate() {
            let Some(members) = self.state.kinds.get(at) else {
                continue;
            };
            let live = u32::try_from(members.live.len()).unwrap_or(u32::MAX);
            let wanted = self
                .state
                .services
                .get(at)
                .map_or(live, |service| service.desired);
            series
                .replicas
                .entry(Name::clone(&kind.name))
                .or_default()
                .push(wanted);
            series
                .ready
                .entry(Name::clone(&kind.name))
                .or_default()
                .push(members.ready);
            let Some(service) = self.state.services.get_mut(at) else {
                continue;
            };
            if let Some(queue) = &service.queue {
                series
                    .queue
                    .entry(Name::clone(&kind.name))
                    .or_default()
                    .push(queue.waiting());
                let came = float(queue.arrived - service.sampled) / step;
                series
                    .arrivals
                    .entry(Name::clone(&kind.name))
                    .or_default()
                    .push(came);
                service.sampled = queue.arrived;
            }
        }
        series.cost_rate.push(rate.as_f64());
        series
            .pending
            .push(u32::try_from(pending).unwrap_or(u32::MAX));
        series
            .gpu_utilisation
            .push(share(levels.gpus_used, levels.gpus));
        series
            .cpu_utilisation
            .push(share(levels.cpu_used, levels.cpu));
        series
            .fragmentation
            .push(share(levels.gpus_stranded, levels.gpus_free));
        if series.time.len() >= MOST_POINTS {
            self.thin();
        }
        self.remember();
    }

    /// Leaves every other point out.
    fn thin(&mut self) {
        fn halve<T>(list: &mut Vec<T>) {
            let mut odd = false;
            list.retain(|_| {
                odd = !odd;
                !odd
            });
        }
        let record = &mut self.state.record;
        record.step =
            crate::base::time::Span::from_millis(record.step.as_millis().saturating_mul(2));
        let series = &mut record.series;
        series.step_seconds *= 2.0;
        halve(&mut series.time);
        series
            .replicas
            .values_mut()
            .chain(series.ready.values_mut())
            .chain(series.nodes.values_mut())
            .for_each(halve);
        series.queue.values_mut().for_each(halve);
        for list in series.arrivals.values_mut() {
            for at in 1..list.len() {
                let before = list.get(at - 1).copied().unwrap_or(0.0);
                if let Some(now) = list.get_mut(at).filter(|_| at % 2 == 1) {
                    *now = (*now + before) / 2.0;
                }
            }
            halve(list);
        }
        halve(&mut series.pending);
        for list in [
            &mut series.cost_rate,
            &mut series.gpu_utilisation,
            &mut series.cpu_utilisation,
            &mut series.fragmentation,
        ] {
            halve(list);
        }
    }

    /// Keeps a picture of the nodes: the first with pods on them and none waiting, the one with the most pods, the one half-way.
    fn remember(&mut self) {
        let bound: usize = self.state.nodes.values().map(|node| node.pods.len()).sum();
        let pending = self.state.kinds.iter().any(|kind| !kind.pending.is_empty());
        let has = |why: &str| {
            self.state
                .record
                .packings
                .iter()
                .position(|packing| &*packing.why == why)
        };
        if bound > 0 && !pending && has("first-full").is_none() {
            let packing = self.packing("first-full");
            self.state.record.packings.push(packing);
        }
        if bound > self.state.record.peak_pods {
            self.state.record.peak_pods = bound;
            let before = self
                .state
                .record
                .packings
                .iter()
                .position(|packing| &*packing.why == "peak");
            let packing = self.packing("peak");
            match before.and_then(|at| self.state.record.packings.get_mut(at)) {
                Some(slot) => *slot = packing,
                None => self.state.record.packings.push(packing),
            }
        }
        let setup = &self.state.setup;
        let half = setup.end.since(setup.start).as_millis() / 2;
        let reached = self.state.now.since(setup.start).as_millis() >= half;
        if reached
            && self
                .state
                .record
                .packings
                .iter()
                .all(|packing| &*packing.why != "half-way")
        {
            let packing = self.packing("half-way");
            self.state.record.packings.push(packing);
        }
    }

    fn packing(&self, why: &str) -> Packing {
        let packed = self
            .state
            .nodes
            .values()
            .filter(|node| node.ready)
            .take(MOST_PACKED_NODES);
        let ready = self.state.nodes.values().filter(|node| node.ready).count();
        Packing {
            time: real(self.state.now.since(self.state.setup.start).as_millis()) / 1000.0,
            why: Name::from(why),
            nodes: packed.filter_map(|node| self.packed(node)).collect(),
            nodes_left_out: (ready.saturating_sub(MOST_PACKED_NODES)) as u64,
        }
    }

    fn packed(&self, node: &Node) -> Option<PackedNode> {
        let shape = self.derived.shapes.get(node.shape)?;
        let pods = node
            .pods
            .iter()
            .filter_map(|id| self.derived.kinds.get(self.state.pods.get(id)?.kind));
        Some(PackedNode {
            name: Name::clone(&node.name),
            group: Name::clone(&shape.group),
            instance_type: Name::clone(&shape.instance_type),
            gpus: real(shape.gpus),
            pods: pods
                .map(|kind| {
                    let shares = kind
                        .asks
                        .iter()
                        .zip(&shape.total)
                        .map(|(asks, total)| share(*asks, *total));
                    PackedPod {
                        workload: Name::clone(&kind.name),
                        share: shares.fold(0.0, f64::max),
                        gpus: gpus_of(&kind.requests),
                    }
                })
                .collect(),
        })
    }

    /// Ends the run.
    pub(super) fn finish(&mut self) {
        if self.state.ended {
            return;
        }
        let end = self.state.setup.end;
        self.state.now = end;
        self.state.record.sum(end);
        for service in &mut self.state.services {
            if let Some(queue) = &mut service.queue {
                queue.advance(end, &mut self.state.record.delays);
            }
        }
        for at in 0..self.state.services.len() {
            self.tell_queue(at);
        }
        let packing = self.packing("end");
        self.state.record.packings.push(packing);
        self.state.ended = true;
    }

    /// What has come of the run up to now.
    pub fn result(&self) -> SimResult {
        let state = &self.state;
        SimResult {
            policy: Name::clone(&state.setup.policy.name),
            simulation: Name::clone(&state.setup.simulation.name),
            seed: state.setup.seed,
            start: state.setup.start,
            end: state.now,
            totals: self.totals(),
            series: state.record.series.clone(),
            packings: state.record.packings.clone(),
            events: state.record.events().to_vec(),
            events_left_out: state.record.left_out().clone(),
        }
    }

    fn totals(&self) -> Totals {
        let (state, record) = (&self.state, &self.state.record);
        let ledger = state.machine.ledger().totals(state.now);
        let before = &state.before;
        let dollars = |amounts: &BTreeMap<Name, Amount>, before: &BTreeMap<Name, Amount>| {
            let since = |(name, amount): (&Name, &Amount)| {
                let before = before.get(name).copied().unwrap_or_default();
                (Name::clone(name), amount.less(before).dollars())
            };
            amounts.iter().map(since).collect::<BTreeMap<Name, Price>>()
        };
        let queues = || {
            state
                .services
                .iter()
                .filter_map(|service| service.queue.as_ref())
        };
        let sum = |of: fn(&super::queue::Queue) -> u64| queues().map(of).sum::<u64>();
        let (served, dropped) = (sum(|queue| queue.served), sum(|queue| queue.dropped));
        let judged = served + dropped + sum(super::queue::Queue::late);
        let in_time = sum(|queue| queue.in_time);
        let sums = &record.sums;
        Totals {
            cost: ledger.total.less(before.total).dollars(),
            cost_by_group: dollars(&ledger.groups, &before.groups),
            cost_by_workload: dollars(&ledger.workloads, &before.workloads),
            node_hours: real(sums.nodes) / HOUR,
            gpu_hours: real(sums.gpus) / HOUR,
            pods_created: record.created,
            pods_finished: record.finished,
            evictions: record.evictions,
            nodes_launched: record.launched,
            nodes_removed: record.removed,
            launches_failed: record.launches_failed,
            spot_reclaims: record.reclaims,
            requests_arrived: sum(|queue| queue.arrived),
            requests_served: served,
            requests_waiting: sum(super::queue::Queue::waiting),
            requests_dropped: dropped,
            slo_attainment: if judged == 0 {
                1.0
            } else {
                float(in_time) / float(judged)
            },
            slo_seconds: real(state.setup.simulation.slo.as_millis()) / 1000.0,
            queue_delay_seconds: record.delays.distribution(),
            pending_seconds: record.pending.distribution(),
            time_to_capacity_seconds: record.capacity.distribution(),
            gpu_utilisation: share(sums.gpus_used, sums.gpus),
            cpu_utilisation: share(sums.cpu_used, sums.cpu),
            gpu_fragmentation: share(sums.gpus_stranded, sums.gpus_free),
            world_events: record.world_events,
        }
    }

    /// The first moment of the run.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.state.setup.start
    }

    /// The last moment of the run.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.state.setup.end
    }
}
