//! An autoscaler ready to be stepped: with the HPA that it is or that KEDA makes of it (K-46..K-50, K-77).

use std::borrow::Cow;

use super::fallback::COMPOSITE_METRIC;
use super::hpa::Settings;
use super::number::cut;
use super::scaler::{metric_name, target};
use crate::model::autoscaling::hpa::{
    Behavior, HorizontalPodAutoscaler, MetricSource, MetricSpec, MetricTarget, SelectPolicy,
};
use crate::model::autoscaling::keda::{
    PAUSED_SCALE_IN, PAUSED_SCALE_OUT, ScaledJob, ScaledObject, ScalingModifiers,
};
use crate::model::autoscaling::trigger::{MetricType, Scaler, Trigger};
use crate::model::quantity::Quantity;
use crate::model::resources::Name;

/// What scales.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Autoscaler<'a> {
    /// An HPA of its own.
    Hpa(&'a HorizontalPodAutoscaler),
    /// KEDA with the HPA that it makes.
    ScaledObject(&'a ScaledObject),
    /// KEDA starting jobs.
    ScaledJob(&'a ScaledJob),
}

/// Where a metric of an HPA is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From the samples of the metric itself.
    Metric,
    /// From the trigger at this place.
    Trigger(usize),
    /// From all triggers by the formula.
    Composite,
}

/// An autoscaler with the flags of its controllers, ready to be stepped. Making one is O(triggers).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy<'a> {
    /// What scales.
    pub autoscaler: Autoscaler<'a>,
    /// Flags of the kube-controller-manager.
    pub settings: Settings,
    pub(super) hpa: Cow<'a, HorizontalPodAutoscaler>,
    /// One per metric of `hpa`.
    pub(super) sources: Vec<Source>,
    /// One per trigger.
    pub(super) metric_names: Vec<Name>,
}

impl<'a> Policy<'a> {
    /// `autoscaler` under the default [`Settings`].
    #[must_use]
    pub fn new(autoscaler: Autoscaler<'a>) -> Self {
        let (hpa, sources) = match autoscaler {
            Autoscaler::Hpa(hpa) => (Cow::Borrowed(hpa), vec![Source::Metric; hpa.metrics.len()]),
            Autoscaler::ScaledObject(object) => {
                let (hpa, sources) = keda_hpa(object);
                (Cow::Owned(hpa), sources)
            }
            Autoscaler::ScaledJob(_) => (Cow::default(), Vec::new()),
        };
        let triggers: &[Trigger] = match autoscaler {
            Autoscaler::Hpa(_) => &[],
            Autoscaler::ScaledObject(object) => &object.triggers,
            Autoscaler::ScaledJob(job) => &job.triggers,
        };
        Self {
            autoscaler,
            settings: Settings::default(),
            hpa,
            sources,
            metric_names: triggers
                .iter()
                .enumerate()
                .map(|(index, trigger)| metric_name(index, trigger))
                .collect(),
        }
    }

    /// The same under other flags.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The HPA: the autoscaler itself, or what KEDA makes of a ScaledObject. A ScaledJob has none.
    #[must_use]
    pub fn hpa(&self) -> Option<&HorizontalPodAutoscaler> {
        match self.autoscaler {
            Autoscaler::Hpa(_) | Autoscaler::ScaledObject(_) => Some(&self.hpa),
            Autoscaler::ScaledJob(_) => None,
        }
    }
}

/// The HPA that KEDA makes of `object`, with where each metric is read.
fn keda_hpa(object: &ScaledObject) -> (HorizontalPodAutoscaler, Vec<Source>) {
    let mut metrics: Vec<(u8, MetricSpec, Source)> = Vec::new();
    for (index, trigger) in object.triggers.iter().enumerate() {
        let (rank, source) = match &trigger.scaler {
            Scaler::Resource {
                resource,
                container: Some(container),
                ..
            } => {
                let source = MetricSource::ContainerResource {
                    name: Name::clone(resource),
                    container: Name::clone(container),
                };
                (0, source)
            }
            Scaler::Resource { resource, .. } => {
                let source = MetricSource::Resource {
                    name: Name::clone(resource),
                };
                (2, source)
            }
            Scaler::SqsQueue { .. }
            | Scaler::CloudWatch { .. }
            | Scaler::Prometheus { .. }
            | Scaler::Cron { .. }
            | Scaler::Other { .. } => {
                let name = metric_name(index, trigger);
                (1, MetricSource::External { name })
            }
        };
        let read = if trigger.is_resource() {
            Source::Metric
        } else {
            Source::Trigger(index)
        };
        metrics.push((rank, MetricSpec::new(source, target(trigger)), read));
    }
    match &object.modifiers {
        // By type, as KEDA sorts them.
        None => metrics.sort_by_key(|(rank, _, _)| *rank),
        Some(modifiers) => {
            // KEDA keeps the Resource metrics beside the composite one, and drops those of single containers.
            metrics.retain(|(rank, _, _)| *rank == 2);
            let spec = MetricSpec::external(COMPOSITE_METRIC, composite_target(modifiers));
            metrics.push((1, spec, Source::Composite));
        }
    }
    let mut hpa = HorizontalPodAutoscaler::new(
        Name::clone(&object.namespace),
        object.hpa_name(),
        object.hpa_min_replicas(),
        object.hpa_max_replicas(),
    );
    hpa.target = object.target.clone();
    hpa.behavior = behavior(object);
    let (metrics, sources) = metrics
        .into_iter()
        .map(|(_, metric, read)| (metric, read))
        .unzip();
    hpa.metrics = metrics;
    (hpa, sources)
}

/// K-77
fn composite_target(modifiers: &ScalingModifiers) -> MetricTarget {
    let quantity = Quantity::from_milli(cut(modifiers.target * 1_000.0));
    match modifiers.metric_type {
        MetricType::AverageValue => MetricTarget::AverageValue(quantity),
        MetricType::Value => MetricTarget::Value(quantity),
    }
}

/// The behavior of the object, with a direction disabled where its pause is on (K-48, K-49).
fn behavior(object: &ScaledObject) -> Option<Behavior> {
    let mut behavior = object.behavior.clone();
    let disabled = Some(SelectPolicy::Disabled);
    if object.is_on(PAUSED_SCALE_IN) {
        let rules = behavior
            .get_or_insert_default()
            .scale_down
            .get_or_insert_default();
        rules.select_policy = disabled;
    }
    if object.is_on(PAUSED_SCALE_OUT) {
        let rules = behavior
            .get_or_insert_default()
            .scale_up
            .get_or_insert_default();
        rules.select_policy = disabled;
    }
    behavior
}
