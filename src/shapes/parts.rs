//! What shapes are made of.

use std::sync::Arc;

use crate::base::time::Timestamp;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::{self, LabelSelector, Labels, SelectorExpression, SelectorOperator};
use crate::model::pod::{Container, Pod, PodSpec};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{CPU, MEMORY, Name, ResourceList};

pub(super) const MIB: i64 = 1 << 20;
pub(super) const GIB: i64 = 1 << 30;

/// The time at which every shape stands: 2026-01-01T00:00:00Z.
pub(super) fn epoch() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

/// `amount` times `step`, for figures that are small by construction.
pub(super) fn scaled(amount: usize, step: i64) -> i64 {
    i64::try_from(amount).unwrap_or(0).saturating_mul(step)
}

/// CPU in thousandths and memory in bytes.
pub(super) fn cpu_memory(milli: i64, bytes: i64) -> ResourceList {
    [
        (CPU, Quantity::from_milli(milli)),
        (MEMORY, Quantity::from_bytes(bytes)),
    ]
    .into_iter()
    .collect()
}

/// A specification of one container that asks for `requests`.
pub(super) fn spec(requests: ResourceList) -> PodSpec {
    PodSpec {
        containers: vec![Container {
            name: Name::from("c"),
            requests,
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

/// A pending pod number `number` of a shape.
pub(super) fn pod(
    namespace: &Name,
    name: String,
    number: usize,
    labels: &Arc<Labels>,
    spec: &Arc<PodSpec>,
) -> Pod {
    Pod {
        namespace: Name::clone(namespace),
        name: Name::from(name),
        uid: Name::from(format!("u{number:06}")),
        created: Some(epoch()),
        labels: Arc::clone(labels),
        spec: Arc::clone(spec),
        ..Pod::default()
    }
}

/// The selector of pods whose label `key` is `value`.
pub(super) fn selects(key: &str, value: &str) -> LabelSelector {
    LabelSelector::new(vec![SelectorExpression::new(
        key,
        SelectorOperator::In,
        vec![Name::from(value)],
    )])
}

/// The requirements of an amd64 Linux type.
pub(super) fn linux() -> Vec<RequirementSpec> {
    vec![
        RequirementSpec::new(label::ARCH, Operator::In, ["amd64"]),
        RequirementSpec::new(label::OS, Operator::In, ["linux"]),
    ]
}

/// `base` with on-demand offerings at `price` in `zones`.
pub(super) fn on_demand_in(
    mut base: InstanceType,
    zones: &[&str],
    price: Option<Price>,
) -> InstanceType {
    base.offerings = zones
        .iter()
        .map(|zone| Offering::new(*zone, CapacityType::OnDemand, price))
        .collect();
    base
}
