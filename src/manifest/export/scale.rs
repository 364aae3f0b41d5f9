//! NodeOverlays, CapacityBuffers, pod templates and workloads as manifests.

use serde_json::Value;

use super::workload::namespaced;
use super::{Object, conditions, labels, metadata, pod, requirements, resources, shown, text};
use crate::model::label::Labels;
use crate::model::overlay::{NodeOverlay, PriceChange};
use crate::model::pod::PodSpec;
use crate::model::workload::{CapacityBuffer, PodTemplate, Workload};

pub(super) fn node_overlay(overlay: &NodeOverlay) -> Value {
    let (set, adjust) = match overlay.price {
        Some(change @ PriceChange::Set(_)) => (Some(change), None),
        other => (None, other),
    };
    let spec = Object::default()
        .with("requirements", requirements(&overlay.requirements))
        .some("price", set.map(shown))
        .some("priceAdjustment", adjust.map(shown))
        .filled("capacity", resources(&overlay.capacity))
        .some("weight", (overlay.weight > 0).then_some(overlay.weight));
    Object::of(
        "karpenter.sh/v1alpha1",
        "NodeOverlay",
        metadata(&overlay.name),
    )
    .with("spec", spec)
    .into()
}

fn template(of: &Labels, spec: &PodSpec) -> Object {
    let meta = Object::default().filled("labels", labels(of));
    Object::default()
        .filled("metadata", meta)
        .with("spec", pod::spec(spec))
}

pub(super) fn pod_template(given: &PodTemplate) -> Value {
    let meta = namespaced(&given.namespace, &given.name);
    Object::of("v1", "PodTemplate", meta)
        .with("template", template(&given.template_labels, &given.spec))
        .into()
}

pub(super) fn workload(given: &Workload) -> Value {
    let meta = namespaced(&given.namespace, &given.name);
    let spec = Object::default()
        .with("replicas", given.replicas)
        .with("template", template(&given.template_labels, &given.spec));
    Object::of("apps/v1", given.kind.as_str(), meta)
        .with("spec", spec)
        .into()
}

pub(super) fn capacity_buffer(buffer: &CapacityBuffer) -> Value {
    let meta = namespaced(&buffer.namespace, &buffer.name).filled("uid", text(&buffer.uid));
    let scalable = buffer.scalable.as_ref().map(|of| {
        Object::default()
            .filled("apiGroup", text(&of.api_group))
            .with("kind", text(&of.kind))
            .with("name", text(&of.name))
    });
    let by_name = buffer
        .pod_template
        .as_ref()
        .map(|name| Object::default().with("name", text(name)));
    let spec = Object::default()
        .filled("provisioningStrategy", text(&buffer.provisioning_strategy))
        .some("podTemplateRef", by_name)
        .some("scalableRef", scalable)
        .some("replicas", buffer.replicas)
        .some("percentage", buffer.percentage)
        .filled("limits", resources(&buffer.limits));
    let status = Object::default().filled("conditions", conditions(&buffer.conditions));
    Object::of("autoscaling.x-k8s.io/v1beta1", "CapacityBuffer", meta)
        .with("spec", spec)
        .filled("status", status)
        .into()
}
