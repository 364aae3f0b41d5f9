//! Pods: identity, state and a shared specification.
//!
//! Everything that many pods have in common is behind an [`Arc`], so that a million replicas cost their identities only.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::affinity::{Affinity, TopologySpreadConstraint};
use super::label::Labels;
use super::quantity::Quantity;
use super::resources::{self, Name, ResourceList};
use super::taint::Toleration;
use super::volume::PodVolume;
use crate::base::time::Timestamp;

/// Protocol of a port.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes has exactly these three"
)]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A host port of a container (S-110).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HostPort {
    /// Host address, `0.0.0.0` when absent.
    pub ip: Name,
    /// Port number.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl HostPort {
    /// A host port on `ip`.
    #[must_use]
    pub fn new(ip: impl Into<Name>, port: u16, protocol: Protocol) -> Self {
        Self {
            ip: ip.into(),
            port,
            protocol,
        }
    }

    /// Whether both cannot be held on one node (S-110): same port and protocol, and equal or unspecified addresses.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let unspecified = |ip: &str| ip == "0.0.0.0" || ip == "::";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || unspecified(&self.ip) || unspecified(&other.ip))
    }
}

/// A container or init container as far as scheduling looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Container {
    /// Name.
    pub name: Name,
    /// `resources.requests`.
    pub requests: ResourceList,
    /// `resources.limits`; a limit without a request counts as the request (M-4).
    pub limits: ResourceList,
    /// Ports with a `hostPort`.
    pub host_ports: Vec<HostPort>,
    /// For init containers: `restartPolicy: Always`, a sidecar (S-10).
    pub restart_always: bool,
    /// Whether `resources.claims` is used (DRA, S-135).
    pub uses_claims: bool,
}

impl Container {
    /// Requests with limits filling what is missing (M-4).
    #[must_use]
    pub fn effective_requests(&self) -> ResourceList {
        let mut list = self.requests.clone();
        list.fill_from(&self.limits);
        list
    }
}

/// `preemptionPolicy` of a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has exactly these two")]
pub enum PreemptionPolicy {
    /// May preempt.
    #[default]
    PreemptLowerPriority,
    /// Never preempts.
    Never,
}

/// What a pod asks for: shared by all replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodSpec {
    /// App containers.
    pub containers: Vec<Container>,
    /// Init containers and sidecars in order.
    pub init_containers: Vec<Container>,
    /// `spec.overhead`.
    pub overhead: ResourceList,
    /// Pod-level `resources.requests` (S-11).
    pub pod_requests: ResourceList,
    /// Pod-level `resources.limits`.
    pub pod_limits: ResourceList,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// `affinity`.
    pub affinity: Affinity,
    /// `tolerations`.
    pub tolerations: Vec<Toleration>,
    /// `topologySpreadConstraints`.
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// Volumes that scheduling looks at.
    pub volumes: Vec<PodVolume>,
    /// Names of scheduling gates.
    pub scheduling_gates: Vec<Name>,
    /// `priority` (0 when absent).
    pub priority: i32,
    /// `priorityClassName`.
    pub priority_class_name: Option<Name>,
    /// `preemptionPolicy`.
    pub preemption_policy: PreemptionPolicy,
    /// `schedulerName`.
    pub scheduler_name: Option<Name>,
    /// `terminationGracePeriodSeconds`.
    pub termination_grace_period_seconds: Option<i64>,
    /// Names of `spec.resourceClaims` (DRA, S-135).
    pub resource_claims: Vec<Name>,
}

impl PodSpec {
    /// The effective request (S-10, S-11, S-13): containers and sidecars, or the largest init step, then pod-level
    /// values for CPU, memory and huge pages, then overhead; `pods` is 1. O(containers x resources).
    #[must_use]
    pub fn requests(&self) -> ResourceList {
        self.requests_with(&|_, container| container.effective_requests())
    }

    /// As [`requests`](Self::requests), with `request_of(is_sidecar_or_app, container)` deciding each container's own
    /// request, for pods that are being resized (S-12).
    #[must_use]
    pub fn requests_with(
        &self,
        request_of: &dyn Fn(bool, &Container) -> ResourceList,
    ) -> ResourceList {
        let mut running = ResourceList::new();
        let mut sidecars = ResourceList::new();
        let mut peak = ResourceList::new();
        for container in &self.containers {
            running.add(&request_of(true, container));
        }
        for container in &self.init_containers {
            let own = request_of(container.restart_always, container);
            if container.restart_always {
                running.add(&own);
                sidecars.add(&own);
                peak.raise_to(&sidecars);
            } else {
                let mut step = sidecars.clone();
                step.add(&own);
                peak.raise_to(&step);
            }
        }
        running.raise_to(&peak);
        let mut pod_level = self.pod_requests.clone();
        pod_level.fill_from(&self.pod_limits);
        for (name, quantity) in pod_level.iter() {
            if matches!(name.as_ref(), resources::CPU | resources::MEMORY)
                || name.starts_with(resources::HUGEPAGES_PREFIX)
            {
                running.set_shared(Name::clone(name), quantity);
            }
        }
        running.add(&self.overhead);
        running.set(resources::PODS, Quantity::from_units(1));
        running
    }

    /// Host ports of the app containers, sorted (S-110).
    #[must_use]
    pub fn host_ports(&self) -> Vec<HostPort> {
        let mut ports: Vec<HostPort> = self
            .containers
            .iter()
            .flat_map(|c| c.host_ports.iter().cloned())
            .collect();
        ports.sort();
        ports.dedup();
        ports
    }

    /// Whether the pod uses dynamic resource allocation (S-135).
    #[must_use]
    pub fn uses_resource_claims(&self) -> bool {
        !self.resource_claims.is_empty()
            || self
                .containers
                .iter()
                .chain(&self.init_containers)
                .any(|container| container.uses_claims)
    }
}

/// Phase of a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PodPhase {
    /// Accepted, not all containers run.
    #[default]
    Pending,
    /// Bound and started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// State could not be read.
    Unknown,
}

/// An owner reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct OwnerReference {
    /// Group and version, such as `apps/v1`.
    pub api_version: Name,
    /// Kind, such as `ReplicaSet`.
    pub kind: Name,
    /// Name.
    pub name: Name,
    /// UID.
    pub uid: Name,
    /// Whether this owner is the managing controller.
    pub controller: bool,
}

/// State of a pod that few pods have, kept apart so that the others stay small.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodStatusDetail {
    /// `status.nominatedNodeName`.
    pub nominated_node: Option<Name>,
    /// `status.startTime`.
    pub start_time: Option<Timestamp>,
    /// When the `Ready` condition became true, if it is.
    pub ready_since: Option<Timestamp>,
    /// Whether the `Ready` condition is true.
    pub ready: bool,
    /// Requests that a kubelet reports per container, for pods resized in place (S-12).
    pub actuated: Vec<(Name, ResourceList)>,
    /// Whether a resize is reported as infeasible (S-12).
    pub resize_infeasible: bool,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Pod {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    pub uid: Name,
    /// Creation time.
    pub created: Option<Timestamp>,
    /// Deletion time: the pod is terminating.
    pub deleted: Option<Timestamp>,
    /// Node the pod is bound to.
    pub node_name: Option<Name>,
    /// Phase.
    pub phase: PodPhase,
    /// Labels.
    pub labels: Arc<Labels>,
    /// Annotations.
    pub annotations: Arc<Labels>,
    /// Owner references.
    pub owners: Arc<Vec<OwnerReference>>,
    /// What the pod asks for.
    pub spec: Arc<PodSpec>,
    /// Rare state.
    pub detail: Option<Box<PodStatusDetail>>,
}

impl Pod {
    /// A pending pod without requests.
    #[must_use]
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            ..Self::default()
        }
    }

    /// `namespace/name`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the pod has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether a deletion time is set.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.deleted.is_some()
    }

    /// Whether an owner is of `kind` in the API group `group` (`""` is core).
    #[must_use]
    pub fn is_owned_by(&self, group: &str, kind: &str) -> bool {
        self.owners.iter().any(|owner| {
            let owner_group = owner
                .api_version
                .split_once('/')
                .map_or("", |(group, _)| group);
            owner.kind.as_ref() == kind && owner_group == group
        })
    }

    /// Whether a DaemonSet owns the pod.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.is_owned_by("apps", "DaemonSet")
    }

    /// Whether the pod waits to be placed (M-4): not bound, not terminating, not finished, not gated, and owned by
    /// neither a DaemonSet nor a Node.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.node_name.is_none()
            && !self.is_terminating()
            && !self.is_finished()
            && self.spec.scheduling_gates.is_empty()
            && !self.is_daemon()
            && !self.is_owned_by("", "Node")
    }

    /// The effective request, what a kubelet reports included (S-10..S-13).
    #[must_use]
    pub fn requests(&self) -> ResourceList {
        let Some(detail) = self
            .detail
            .as_deref()
            .filter(|detail| !detail.actuated.is_empty())
        else {
            return self.spec.requests();
        };
        self.spec.requests_with(&|long_running, container| {
            let mut own = container.effective_requests();
            let reported = detail
                .actuated
                .iter()
                .find(|(name, _)| *name == container.name);
            if let Some((_, reported)) = reported.filter(|_| long_running) {
                if detail.resize_infeasible {
                    own = reported.clone();
                } else {
                    own.raise_to(reported);
                }
            }
            own
        })
    }
}
