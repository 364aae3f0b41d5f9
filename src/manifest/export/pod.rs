//! Pods as manifests.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::Value;

use super::{Object, labels, maybe, requirements, resources, selector, shown, text, texts, times};
use crate::base::hash::FastMap;
use crate::model::affinity::{
    Affinity, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use crate::model::pod::{
    Container, OwnerReference, Pod, PodPhase, PodSpec, PodStatusDetail, PreemptionPolicy, Protocol,
};
use crate::model::resources::Name;
use crate::model::taint::{Toleration, TolerationOperator};
use crate::model::volume::PodVolume;

/// Texts of specifications that many pods share.
#[derive(Default)]
pub(super) struct Specs {
    /// By address: every specification stays alive while its snapshot is written.
    by_address: FastMap<usize, String>,
}

impl Specs {
    const MOST: usize = 4_096;

    /// Writes the fields of `spec` without the braces.
    fn write(&mut self, spec: &Arc<PodSpec>, out: &mut Vec<u8>) -> io::Result<()> {
        let address = Arc::as_ptr(spec).addr();
        if let Some(known) = self.by_address.get(&address) {
            return out.write_all(known.as_bytes());
        }
        let whole = self::spec(spec).to_string();
        let fields = whole
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or_default();
        out.write_all(fields.as_bytes())?;
        if Arc::strong_count(spec) > 1 && self.by_address.len() < Self::MOST {
            self.by_address.insert(address, fields.to_owned());
        }
        Ok(())
    }
}

/// Writes a `v1` Pod.
pub(super) fn write(pod: &Pod, specs: &mut Specs, out: &mut Vec<u8>) -> io::Result<()> {
    let metadata = Object::default()
        .with("name", text(&pod.name))
        .with("namespace", text(&pod.namespace))
        .filled("uid", text(&pod.uid))
        .filled("labels", labels(&pod.labels))
        .filled("annotations", labels(&pod.annotations))
        .filled("ownerReferences", owners(&pod.owners));
    let metadata = Value::from(times(metadata, pod.created, pod.deleted));
    out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":")?;
    serde_json::to_writer(&mut *out, &metadata)?;
    out.write_all(b",\"spec\":{")?;
    if let Some(node) = &pod.node_name {
        out.write_all(b"\"nodeName\":")?;
        serde_json::to_writer(&mut *out, node.as_ref())?;
        out.write_all(b",")?;
    }
    specs.write(&pod.spec, out)?;
    out.write_all(b"},\"status\":")?;
    serde_json::to_writer(&mut *out, &status(pod))?;
    out.write_all(b"}")
}

fn owners(owners: &[OwnerReference]) -> Value {
    owners
        .iter()
        .map(|owner| {
            Value::from(
                Object::default()
                    .filled("apiVersion", text(&owner.api_version))
                    .with("kind", text(&owner.kind))
                    .with("name", text(&owner.name))
                    .filled("uid", text(&owner.uid))
                    .filled("controller", owner.controller),
            )
        })
        .collect()
}

fn status(pod: &Pod) -> Value {
    let phase = match pod.phase {
        PodPhase::Pending => "Pending",
        PodPhase::Running => "Running",
        PodPhase::Succeeded => "Succeeded",
        PodPhase::Failed => "Failed",
        PodPhase::Unknown => "Unknown",
    };
    let status = Object::default().with("phase", phase);
    match &pod.detail {
        Some(detail) => detailed(status, detail, &pod.spec),
        None => status,
    }
    .into()
}

fn detailed(status: Object, detail: &PodStatusDetail, spec: &PodSpec) -> Object {
    let mut conditions = Vec::new();
    if detail.ready || detail.unready {
        let ready = Object::default()
            .with("type", "Ready")
            .with("status", if detail.ready { "True" } else { "False" })
            .some("lastTransitionTime", detail.ready_since.map(shown));
        conditions.push(Value::from(ready));
    }
    if detail.resize_infeasible {
        let infeasible = Object::default()
            .with("type", "PodResizePending")
            .with("status", "True")
            .with("reason", "Infeasible");
        conditions.push(Value::from(infeasible));
    }
    let reported = |own: bool| -> Value {
        let all = detail.actuated.iter();
        all.filter(|(name, _)| spec.containers.iter().any(|c| c.name == *name) == own)
            .map(|(name, requests)| {
                let held = Object::default().with("requests", resources(requests));
                Value::from(
                    Object::default()
                        .with("name", text(name))
                        .with("resources", held),
                )
            })
            .collect()
    };
    status
        .some("nominatedNodeName", maybe(detail.nominated_node.as_ref()))
        .some("startTime", detail.start_time.map(shown))
        .filled("conditions", Value::from(conditions))
        .filled("containerStatuses", reported(true))
        .filled("initContainerStatuses", reported(false))
}

/// The `spec` of a pod or of a pod template.
pub(super) fn spec(spec: &PodSpec) -> Value {
    let pod_level = Object::default()
        .filled("requests", resources(&spec.pod_requests))
        .filled("limits", resources(&spec.pod_limits));
    let never = spec.preemption_policy == PreemptionPolicy::Never;
    Object::default()
        .with("containers", containers(&spec.containers))
        .filled("initContainers", containers(&spec.init_containers))
        .filled("overhead", resources(&spec.overhead))
        .filled("resources", pod_level)
        .filled("nodeSelector", labels(&spec.node_selector))
        .filled("affinity", affinity(&spec.affinity))
        .filled("tolerations", each(&spec.tolerations, toleration))
        .filled(
            "topologySpreadConstraints",
            each(&spec.topology_spread, spread),
        )
        .filled("volumes", volumes(&spec.volumes))
        .filled("schedulingGates", named(&spec.scheduling_gates))
        .some("priority", (spec.priority != 0).then_some(spec.priority))
        .some(
            "priorityClassName",
            maybe(spec.priority_class_name.as_ref()),
        )
        .some("preemptionPolicy", never.then_some("Never"))
        .some("schedulerName", maybe(spec.scheduler_name.as_ref()))
        .some(
            "terminationGracePeriodSeconds",
            spec.termination_grace_period_seconds,
        )
        .filled("resourceClaims", named(&spec.resource_claims))
        .into()
}

fn each<T>(all: &[T], form: impl Fn(&T) -> Value) -> Value {
    all.iter().map(form).collect()
}

fn named(names: &[Name]) -> Value {
    each(names, |name| {
        Object::default().with("name", text(name)).into()
    })
}

fn containers(all: &[Container]) -> Value {
    each(all, |container| {
        let claims = if container.uses_claims {
            named(&[Name::from("claim")])
        } else {
            Value::Null
        };
        let held = Object::default()
            .filled("requests", resources(&container.requests))
            .filled("limits", resources(&container.limits))
            .filled("claims", claims);
        let ports = each(&container.host_ports, |port| {
            let protocol = match port.protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            };
            let ip = (port.ip.as_ref() != "0.0.0.0").then(|| text(&port.ip));
            Object::default()
                .with("containerPort", port.port)
                .with("hostPort", port.port)
                .some("hostIP", ip)
                .with("protocol", protocol)
                .into()
        });
        Object::default()
            .filled("name", text(&container.name))
            .filled("resources", held)
            .filled("ports", ports)
            .some(
                "restartPolicy",
                container.restart_always.then_some("Always"),
            )
            .into()
    })
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Node selector terms.
pub(super) fn terms(all: &[NodeSelectorTerm]) -> Value {
    each(all, term)
}

fn term(term: &NodeSelectorTerm) -> Value {
    Object::default()
        .filled("matchExpressions", requirements(&term.match_expressions))
        .filled("matchFields", requirements(&term.match_fields))
        .into()
}

fn affinity(affinity: &Affinity) -> Value {
    let required = affinity.node_required.as_deref().map(terms);
    let node = Object::default()
        .some(
            REQUIRED,
            required.map(|terms| Object::default().with("nodeSelectorTerms", terms)),
        )
        .filled(
            PREFERRED,
            each(&affinity.node_preferred, |preferred| {
                Object::default()
                    .with("weight", preferred.weight)
                    .with("preference", term(&preferred.preference))
                    .into()
            }),
        );
    let pods = |required: &[PodAffinityTerm], preferred: &[WeightedPodAffinityTerm]| {
        Object::default()
            .filled(REQUIRED, each(required, pod_term))
            .filled(
                PREFERRED,
                each(preferred, |weighted| {
                    Object::default()
                        .with("weight", weighted.weight)
                        .with("podAffinityTerm", pod_term(&weighted.pod_affinity_term))
                        .into()
                }),
            )
    };
    Object::default()
        .filled("nodeAffinity", node)
        .filled(
            "podAffinity",
            pods(&affinity.pod_required, &affinity.pod_preferred),
        )
        .filled(
            "podAntiAffinity",
            pods(&affinity.anti_required, &affinity.anti_preferred),
        )
        .into()
}

fn pod_term(term: &PodAffinityTerm) -> Value {
    Object::default()
        .some("labelSelector", term.label_selector.as_ref().map(selector))
        .filled("namespaces", texts(&term.namespaces))
        .some(
            "namespaceSelector",
            term.namespace_selector.as_ref().map(selector),
        )
        .with("topologyKey", text(&term.topology_key))
        .filled("matchLabelKeys", texts(&term.match_label_keys))
        .filled("mismatchLabelKeys", texts(&term.mismatch_label_keys))
        .into()
}

fn spread(constraint: &TopologySpreadConstraint) -> Value {
    Object::default()
        .with("maxSkew", constraint.max_skew)
        .with("topologyKey", text(&constraint.topology_key))
        .with(
            "whenUnsatisfiable",
            format!("{:?}", constraint.when_unsatisfiable),
        )
        .some(
            "labelSelector",
            constraint.label_selector.as_ref().map(selector),
        )
        .filled("matchLabelKeys", texts(&constraint.match_label_keys))
        .some("minDomains", constraint.min_domains)
        .with(
            "nodeAffinityPolicy",
            format!("{:?}", constraint.node_affinity_policy),
        )
        .with(
            "nodeTaintsPolicy",
            format!("{:?}", constraint.node_taints_policy),
        )
        .into()
}

fn toleration(toleration: &Toleration) -> Value {
    let operator = match toleration.operator {
        TolerationOperator::Equal => "Equal",
        TolerationOperator::Exists => "Exists",
        TolerationOperator::Gt => "Gt",
        TolerationOperator::Lt => "Lt",
    };
    let effect = toleration.effect.map(|effect| format!("{effect:?}"));
    Object::default()
        .some("key", maybe(toleration.key.as_ref()))
        .with("operator", operator)
        .filled("value", text(&toleration.value))
        .some("effect", effect)
        .some("tolerationSeconds", toleration.toleration_seconds)
        .into()
}

fn volumes(all: &[PodVolume]) -> Value {
    let form = |(at, volume): (usize, &PodVolume)| match volume {
        PodVolume::Claim(claim) => {
            Value::from(Object::default().with("name", format!("volume-{at}")).with(
                "persistentVolumeClaim",
                Object::default().with("claimName", text(claim)),
            ))
        }
        PodVolume::Ephemeral(name) => Value::from(
            Object::default()
                .with("name", text(name))
                .with("ephemeral", Object::default()),
        ),
    };
    all.iter().enumerate().map(form).collect()
}
