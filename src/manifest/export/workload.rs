//! Namespaces, DaemonSets, budgets, pod groups and storage as manifests.

use serde_json::Value;

use super::{Object, deleting, labels, maybe, metadata, pod, selector, text, texts};
use crate::model::policy::{DaemonSet, IntOrPercent, Namespace, PodDisruptionBudget, PodGroup};
use crate::model::resources::Name;
use crate::model::volume::{
    ClaimPhase, CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass,
};

pub(super) fn namespaced(namespace: &Name, name: &Name) -> Object {
    metadata(name).with("namespace", text(namespace))
}

pub(super) fn namespace(namespace: &Namespace) -> Value {
    let meta = metadata(&namespace.name).filled("labels", labels(&namespace.labels));
    Object::of("v1", "Namespace", meta).into()
}

pub(super) fn daemon_set(set: &DaemonSet) -> Value {
    let template_meta = Object::default().filled("labels", labels(&set.template_labels));
    let template = Object::default()
        .filled("metadata", template_meta)
        .with("spec", pod::spec(&set.spec));
    let meta = namespaced(&set.namespace, &set.name).filled("uid", text(&set.uid));
    Object::of("apps/v1", "DaemonSet", meta)
        .with("spec", Object::default().with("template", template))
        .into()
}

fn int_or_percent(value: IntOrPercent) -> Value {
    match value {
        IntOrPercent::Count(count) => Value::from(count),
        IntOrPercent::Percent(percent) => Value::from(format!("{percent}%")),
    }
}

pub(super) fn disruption_budget(budget: &PodDisruptionBudget) -> Value {
    let always = budget.always_allow_unhealthy;
    let spec = Object::default()
        .some("selector", budget.selector.as_ref().map(selector))
        .some("minAvailable", budget.min_available.map(int_or_percent))
        .some("maxUnavailable", budget.max_unavailable.map(int_or_percent))
        .some(
            "unhealthyPodEvictionPolicy",
            always.then_some("AlwaysAllow"),
        );
    let status = Object::default().some("disruptionsAllowed", budget.disruptions_allowed);
    let meta = namespaced(&budget.namespace, &budget.name);
    Object::of("policy/v1", "PodDisruptionBudget", meta)
        .with("spec", spec)
        .filled("status", status)
        .into()
}

pub(super) fn pod_group(group: &PodGroup) -> Value {
    let meta = namespaced(&group.namespace, &group.name);
    Object::of("scheduling.x-k8s.io/v1alpha1", "PodGroup", meta)
        .with(
            "spec",
            Object::default().with("minMember", group.min_member),
        )
        .into()
}

pub(super) fn storage_class(class: &StorageClass) -> Value {
    let topologies: Value = class
        .allowed_topologies
        .iter()
        .map(|term| {
            let expressions: Value = term
                .iter()
                .map(|spec| {
                    Value::from(
                        Object::default()
                            .with("key", text(&spec.key))
                            .with("values", texts(&spec.values)),
                    )
                })
                .collect();
            Value::from(Object::default().with("matchLabelExpressions", expressions))
        })
        .collect();
    let mode = if class.wait_for_first_consumer {
        "WaitForFirstConsumer"
    } else {
        "Immediate"
    };
    Object::of("storage.k8s.io/v1", "StorageClass", metadata(&class.name))
        .with("provisioner", text(&class.provisioner))
        .with("volumeBindingMode", mode)
        .filled("allowedTopologies", topologies)
        .into()
}

pub(super) fn volume(volume: &PersistentVolume) -> Value {
    let affinity = volume.node_affinity.as_deref().map(|all| {
        let required = Object::default().with("nodeSelectorTerms", pod::terms(all));
        Object::default().with("required", required)
    });
    let host = volume
        .host_bound
        .then(|| Object::default().with("path", "/"));
    let csi = volume
        .driver
        .as_ref()
        .map(|driver| Object::default().with("driver", text(driver)));
    let spec = Object::default()
        .some("nodeAffinity", affinity)
        .some("hostPath", host)
        .some("csi", csi);
    let meta = deleting(metadata(&volume.name), volume.deleting);
    Object::of("v1", "PersistentVolume", meta)
        .with("spec", spec)
        .into()
}

pub(super) fn claim(claim: &PersistentVolumeClaim) -> Value {
    let phase = match claim.phase {
        ClaimPhase::Pending => "Pending",
        ClaimPhase::Bound => "Bound",
        ClaimPhase::Lost => "Lost",
    };
    let meta =
        namespaced(&claim.namespace, &claim.name).filled("annotations", labels(&claim.annotations));
    let spec = Object::default()
        .some("volumeName", maybe(claim.volume_name.as_ref()))
        .some("storageClassName", maybe(claim.storage_class_name.as_ref()))
        .filled("accessModes", texts(&claim.access_modes));
    Object::of(
        "v1",
        "PersistentVolumeClaim",
        deleting(meta, claim.deleting),
    )
    .with("spec", spec)
    .with("status", Object::default().with("phase", phase))
    .into()
}

pub(super) fn csi_node(node: &CsiNode) -> Value {
    let drivers: Value = node
        .limits
        .iter()
        .map(|(driver, count)| {
            Value::from(
                Object::default()
                    .with("name", text(driver))
                    .with("allocatable", Object::default().with("count", *count)),
            )
        })
        .collect();
    Object::of("storage.k8s.io/v1", "CSINode", metadata(&node.name))
        .with("spec", Object::default().with("drivers", drivers))
        .into()
}
