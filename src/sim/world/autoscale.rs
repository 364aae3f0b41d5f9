//! The pods tier: ScaledObjects and HPAs of the services, each stepped when it is due on what the world measures.

use super::World;
use super::histogram::float;
use super::queue::Queue;
use super::state::{Due, Scaler, ScalerOf, Stage};
use crate::model::autoscaling::ObjectRef;
use crate::model::autoscaling::hpa::MetricSource;
use crate::model::autoscaling::samples::{ContainerSample, PodSample, Reading, ReadyStatus, Real};
use crate::model::autoscaling::trigger::Scaler as TriggerScaler;
use crate::model::pod::PodPhase;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};
use crate::model::simulation::{Reads, Service};
use crate::scaling::{Autoscaler, Counts, Observed, Policy, State, step, text};

impl World {
    pub(super) fn begin_scalers(&mut self) {
        let snapshot = &self.state.setup.snapshot;
        let services = &self.state.setup.simulation.services;
        let find = |namespace: &Name, target: &ObjectRef| {
            services.iter().position(|service| {
                service.namespace == *namespace
                    && service.name == target.name
                    && (target.kind.is_empty() || *target.kind == *service.kind.as_str())
            })
        };
        let mut scalers = Vec::new();
        for (at, object) in snapshot.scaled_objects.iter().enumerate() {
            if let Some(service) = find(&object.namespace, &object.target) {
                let state = State::new(&Policy::new(Autoscaler::ScaledObject(object)));
                scalers.push(Scaler {
                    of: ScalerOf::Object(at),
                    service,
                    state,
                });
            }
        }
        for (at, hpa) in snapshot.horizontal_pod_autoscalers.iter().enumerate() {
            let by_keda = snapshot
                .scaled_objects
                .iter()
                .any(|object| object.namespace == hpa.namespace && object.hpa_name() == hpa.name);
            if let Some(service) = find(&hpa.namespace, &hpa.target).filter(|_| !by_keda) {
                let state = State::new(&Policy::new(Autoscaler::Hpa(hpa)));
                scalers.push(Scaler {
                    of: ScalerOf::Hpa(at),
                    service,
                    state,
                });
            }
        }
        self.state.scalers = scalers;
        for at in 0..self.state.scalers.len() {
            self.at(self.state.now, Due::Scale(at));
        }
    }

    /// Steps an autoscaler and carries out what it says.
    pub(super) fn scale(&mut self, at: usize) {
        let now = self.state.now;
        let Some(mut scaler) = self.state.scalers.get(at).cloned() else {
            return;
        };
        let snapshot = &self.state.setup.snapshot;
        let autoscaler = match scaler.of {
            ScalerOf::Object(at) => snapshot
                .scaled_objects
                .get(at)
                .map(Autoscaler::ScaledObject),
            ScalerOf::Hpa(at) => snapshot
                .horizontal_pod_autoscalers
                .get(at)
                .map(Autoscaler::Hpa),
        };
        let Some(autoscaler) = autoscaler else { return };
        let policy = Policy::new(autoscaler);
        let observed = self.observed(&policy, scaler.service);
        let decision = step(&policy, &mut scaler.state, &observed, now);
        let next = decision
            .next
            .max(now.plus(crate::base::time::Span::from_millis(1)));
        let replicas = u32::try_from(decision.replicas.max(0)).unwrap_or(0);
        let changed = decision.replicas != decision.current;
        let why = changed.then(|| text::lines(&decision, now).join("; "));
        let service = scaler.service;
        if let Some(slot) = self.state.scalers.get_mut(at) {
            *slot = scaler;
        }
        self.at(next, Due::Scale(at));
        if let Some(why) = why {
            let object = self.service(service).map_or_else(String::new, |service| {
                format!(
                    "{} {}/{}",
                    service.kind.as_str(),
                    service.namespace,
                    service.name
                )
            });
            let message = format!("{} -> {replicas}: {why}", decision.current);
            self.state.record.event(now, "Scaled", object, message);
            if let Some(state) = self.state.services.get_mut(service) {
                state.desired = replicas;
            }
            self.fill(service);
        }
    }

    fn observed(&self, policy: &Policy<'_>, at: usize) -> Observed {
        let int = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let members = self.state.kinds.get(at);
        let live = int(members.map_or(0, |members| members.live.len()));
        let ready = i32::try_from(members.map_or(0, |members| members.ready)).unwrap_or(i32::MAX);
        let state = self.state.services.get(at);
        let desired = i32::try_from(state.map_or(0, |state| state.desired)).unwrap_or(i32::MAX);
        let service = self.service(at);
        let queue = state.and_then(|state| state.queue.as_ref());
        let readings = match policy.autoscaler {
            Autoscaler::ScaledObject(object) => object
                .triggers
                .iter()
                .zip(0..)
                .map(|(trigger, index)| {
                    trigger_reading(
                        service,
                        queue,
                        trigger.name.as_ref(),
                        index,
                        &trigger.scaler,
                    )
                })
                .collect(),
            Autoscaler::Hpa(hpa) => hpa
                .metrics
                .iter()
                .map(|metric| metric_reading(service, queue, &metric.source))
                .collect(),
            Autoscaler::ScaledJob(_) => Vec::new(),
        };
        let mut observed = Observed::new(Counts::new(desired, live, live, ready), readings);
        let of_pods = policy.hpa().is_some_and(|hpa| {
            hpa.metrics.iter().any(|metric| {
                matches!(
                    metric.source,
                    MetricSource::Resource { .. }
                        | MetricSource::ContainerResource { .. }
                        | MetricSource::Pods { .. }
                )
            })
        });
        if of_pods {
            observed.pods = self.pod_samples(at, queue.map_or(0.0, Queue::utilisation));
        }
        observed
    }

    /// The pods of a service with what they use: each ready one its share of the load, of every resource alike.
    fn pod_samples(&self, at: usize, utilisation: f64) -> Vec<PodSample> {
        let now = self.state.now;
        let (Some(members), Some(kind)) = (self.state.kinds.get(at), self.derived.kinds.get(at))
        else {
            return Vec::new();
        };
        // In millionths, so that no float decides what is written down.
        let millionths = i128::from(super::trace::whole(utilisation * 1e6));
        let containers = |ready: bool| -> Vec<ContainerSample> {
            let containers = kind.spec.containers.iter();
            containers
                .map(|container| {
                    let requests = container.effective_requests();
                    let mut usage = ResourceList::new();
                    for (name, amount) in requests.iter().filter(|_| ready) {
                        let used = Quantity::from_nanos(amount.as_nanos() / 1_000_000 * millionths);
                        usage.set_shared(Name::clone(name), used);
                    }
                    ContainerSample {
                        name: Name::clone(&container.name),
                        requests,
                        usage,
                    }
                })
                .collect()
        };
        let pods = members
            .live
            .iter()
            .filter_map(|id| Some((id, self.state.pods.get(id)?)));
        pods.map(|(id, pod)| {
            let ready = pod.stage == Stage::Ready;
            PodSample {
                name: Name::from(format!("{}-{id}", kind.name)),
                phase: Some(if pod.node.is_some() {
                    PodPhase::Running
                } else {
                    PodPhase::Pending
                }),
                ready: Some(if ready {
                    ReadyStatus::True
                } else {
                    ReadyStatus::False
                }),
                ready_since: Some(pod.since),
                started: pod.node.map(|_| if ready { pod.since } else { now }),
                containers: containers(ready),
                time: ready.then_some(now),
                ..PodSample::default()
            }
        })
        .collect()
    }
}

/// What a figure reads now.
fn figure(queue: Option<&Queue>, reads: Reads) -> f64 {
    let Some(queue) = queue else { return 0.0 };
    let waiting = float(queue.waiting());
    match reads {
        Reads::Waiting => waiting,
        Reads::InFlight => queue.in_flight(),
        Reads::Outstanding => waiting + queue.in_flight(),
        Reads::RequestsPerSecond => queue.rate,
    }
}

fn stated(service: Option<&Service>, name: &str) -> Option<Reads> {
    let metrics = service
        .map(|service| service.metrics.as_slice())
        .unwrap_or_default();
    metrics
        .iter()
        .find(|metric| *metric.name == *name)
        .map(|metric| metric.reads)
}

fn trigger_reading(
    service: Option<&Service>,
    queue: Option<&Queue>,
    name: Option<&Name>,
    index: usize,
    scaler: &TriggerScaler,
) -> Option<Reading> {
    let stated = name
        .and_then(|name| stated(service, name))
        .or_else(|| stated(service, &format!("s{index}")));
    match scaler {
        TriggerScaler::SqsQueue { .. } => {
            let waiting = figure(queue, stated.unwrap_or(Reads::Waiting));
            Some(Reading::Queue {
                visible: Some(super::trace::whole(waiting)),
                in_flight: Some(super::trace::whole(figure(queue, Reads::InFlight))),
                delayed: Some(0),
            })
        }
        TriggerScaler::CloudWatch { .. } | TriggerScaler::Prometheus { .. } => {
            let value = figure(queue, stated.unwrap_or(Reads::RequestsPerSecond));
            Some(Reading::Value(Real::new(value)))
        }
        TriggerScaler::Cron { .. }
        | TriggerScaler::Resource { .. }
        | TriggerScaler::Other { .. } => None,
    }
}

fn metric_reading(
    service: Option<&Service>,
    queue: Option<&Queue>,
    source: &MetricSource,
) -> Option<Reading> {
    match source {
        MetricSource::External { name } | MetricSource::Object { name, .. } => {
            let value = figure(
                queue,
                stated(service, name).unwrap_or(Reads::RequestsPerSecond),
            );
            let milli = i128::from(super::trace::whole(value * 1000.0));
            Some(Reading::Values(vec![Quantity::from_nanos(
                milli * 1_000_000,
            )]))
        }
        MetricSource::Resource { .. }
        | MetricSource::ContainerResource { .. }
        | MetricSource::Pods { .. } => None,
    }
}
