//! NodeOverlays, CapacityBuffers and what buffers refer to (S-58, S-129..S-132).

use super::cursor::Cursor;
use super::meta::{conditions, labels, meta};
use super::pod::pod_spec;
use super::requirement::requirements;
use crate::model::label::Labels;
use crate::model::overlay::{NodeOverlay, PriceChange};
use crate::model::pod::PodSpec;
use crate::model::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, PODS};
use crate::model::workload::{CapacityBuffer, PodTemplate, ScalableRef, Workload, WorkloadKind};
use std::sync::Arc;

/// Resources that only the provider may state (S-59).
const OF_PROVIDER: [&str; 4] = [CPU, MEMORY, EPHEMERAL_STORAGE, PODS];

/// Reads a `karpenter.sh/v1alpha1` NodeOverlay.
pub(super) fn node_overlay(root: &Cursor<'_, '_>) -> NodeOverlay {
    let name = meta(root).name;
    let spec = root.object("spec");
    let price_at = spec.field("price");
    let set = price_at.price().map(PriceChange::Set);
    let adjust_at = spec.field("priceAdjustment");
    let adjust = adjust_at.text().filter(|text| !text.is_empty());
    let adjust = adjust.and_then(|text| {
        let read = text.parse();
        if read.is_err() {
            adjust_at.fault("an adjustment such as +1.2, -0.5, +10% or -15%");
        }
        read.ok()
    });
    if set.is_some() && adjust.is_some() {
        adjust_at.fault("either price or priceAdjustment");
    }
    let capacity_at = spec.field("capacity");
    for (key, value) in capacity_at.entries() {
        if OF_PROVIDER.contains(&key) {
            value.fault("a resource other than cpu, memory, ephemeral-storage and pods");
        }
    }
    let weight = spec.field("weight").integer(1..=10_000);
    NodeOverlay {
        name,
        requirements: requirements(&spec.field("requirements")),
        price: set.or(adjust),
        capacity: capacity_at.resources(),
        weight: weight.and_then(|w| u32::try_from(w).ok()).unwrap_or(0),
    }
}

/// Reads labels and specification of the pod template at `at`.
fn template(at: &Cursor<'_, '_>) -> (Labels, Arc<PodSpec>) {
    let pod = at.object("spec");
    pod.fault_if_absent("a pod specification");
    let spec = pod_spec(&pod);
    let spec = at.context().pools.borrow_mut().specs.share(spec);
    let metadata = at.object("metadata");
    (labels(&metadata.field("labels")), spec)
}

/// Reads a `v1` PodTemplate.
pub(super) fn pod_template(root: &Cursor<'_, '_>) -> PodTemplate {
    let read = meta(root);
    let (template_labels, spec) = template(&root.object("template"));
    PodTemplate {
        namespace: read.namespace,
        name: read.name,
        template_labels,
        spec,
    }
}

/// Reads a Deployment, ReplicaSet or StatefulSet.
pub(super) fn workload(root: &Cursor<'_, '_>, kind: WorkloadKind) -> Workload {
    let read = meta(root);
    let spec = root.object("spec");
    let (template_labels, pod) = template(&spec.object("template"));
    Workload {
        kind,
        namespace: read.namespace,
        name: read.name,
        replicas: spec.field("replicas").count(0).unwrap_or(1),
        template_labels,
        spec: pod,
    }
}

/// Reads an `autoscaling.x-k8s.io` CapacityBuffer.
pub(super) fn capacity_buffer(root: &Cursor<'_, '_>) -> CapacityBuffer {
    let read = meta(root);
    let spec = root.object("spec");
    let scalable_at = spec.object("scalableRef");
    let template_at = spec.object("podTemplateRef");
    let scalable = (!scalable_at.is_absent()).then(|| ScalableRef {
        api_group: scalable_at.field("apiGroup").name_or_empty(),
        kind: scalable_at
            .field("kind")
            .required("a kind")
            .unwrap_or_default(),
        name: scalable_at
            .field("name")
            .required("a name")
            .unwrap_or_default(),
    });
    let pod_template = match template_at.is_absent() {
        true => None,
        false => template_at
            .field("name")
            .required("the name of a PodTemplate"),
    };
    if scalable.is_some() == pod_template.is_some() {
        spec.fault("either podTemplateRef or scalableRef");
    }
    CapacityBuffer {
        namespace: read.namespace,
        name: read.name,
        uid: read.uid,
        provisioning_strategy: spec.field("provisioningStrategy").name_or_empty(),
        pod_template,
        scalable,
        replicas: spec.field("replicas").count(0),
        percentage: spec.field("percentage").count(0),
        limits: spec.field("limits").resources(),
        conditions: conditions(&root.object("status").field("conditions")),
    }
}
