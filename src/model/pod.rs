//! Pods: identity, state and a shared specification.
//!
//! Everything that many pods have in common is behind an [`Arc`], so that a million replicas cost their identities only.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::affinity::{Affinity, TopologySpreadConstraint};
use super::is_default;
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
        let address = |ip: &str| ip.parse().ok().map(|ip: IpAddr| ip.to_canonical());
        let meet = || {
            let (ours, theirs) = (address(&self.ip), address(&other.ip));
            ours == theirs && ours.is_some()
                || [ours, theirs].iter().flatten().any(IpAddr::is_unspecified)
        };
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || meet())
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
    #[serde(skip_serializing_if = "is_default")]
    pub requests: ResourceList,
    /// `resources.limits`; a limit without a request counts as the request (M-4).
    #[serde(skip_serializing_if = "is_default")]
    pub limits: ResourceList,
    /// Ports with a `hostPort`.
    #[serde(skip_serializing_if = "is_default")]
    pub host_ports: Vec<HostPort>,
    /// For init containers: `restartPolicy: Always`, a sidecar (S-10).
    #[serde(skip_serializing_if = "is_default")]
    pub restart_always: bool,
    /// Whether `resources.claims` is used (DRA, S-135).
    #[serde(skip_serializing_if = "is_default")]
    pub uses_claims: bool,
}

impl Container {
    /// Requests with limits filling what is missing (M-4).
    #[must_use]
    pub fn effective_requests(&self) -> ResourceList {
        self.defaulted_requests().into_owned()
    }

    fn defaulted_requests(&self) -> Cow<'_, ResourceList> {
        let complete = |(name, _): (&Name, _)| self.requests.get(name).is_some();
        if self.limits.iter().all(complete) {
            return Cow::Borrowed(&self.requests);
        }
        let mut list = self.requests.clone();
        list.fill_from(&self.limits);
        Cow::Owned(list)
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

/// What a pod asks for: shared by all replicas. Equality and hash are structural.
///
/// ```
/// use tetrapod::model::pod::{Container, PodSpec};
/// use tetrapod::model::resources::CPU;
/// let mut app = Container::default();
/// app.requests.set(CPU, "500m".parse().unwrap());
/// let mut spec = PodSpec::default();
/// spec.containers = vec![app.clone(), app];
/// assert_eq!(spec.requests().amount(CPU), "1".parse().unwrap());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodSpec {
    /// App containers.
    #[serde(skip_serializing_if = "is_default")]
    pub containers: Vec<Container>,
    /// Init containers and sidecars in order.
    #[serde(skip_serializing_if = "is_default")]
    pub init_containers: Vec<Container>,
    /// `spec.overhead`.
    #[serde(skip_serializing_if = "is_default")]
    pub overhead: ResourceList,
    /// Pod-level `resources.requests` (S-11).
    #[serde(skip_serializing_if = "is_default")]
    pub pod_requests: ResourceList,
    /// Pod-level `resources.limits`.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_limits: ResourceList,
    /// `nodeSelector`.
    #[serde(skip_serializing_if = "is_default")]
    pub node_selector: Labels,
    /// `affinity`.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity: Affinity,
    /// `tolerations`.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerations: Vec<Toleration>,
    /// `topologySpreadConstraints`.
    #[serde(skip_serializing_if = "is_default")]
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// Volumes that scheduling looks at.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<PodVolume>,
    /// Names of scheduling gates.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduling_gates: Vec<Name>,
    /// `priority` (0 when absent).
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// `priorityClassName`.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: Option<Name>,
    /// `preemptionPolicy`.
    #[serde(skip_serializing_if = "is_default")]
    pub preemption_policy: PreemptionPolicy,
    /// `schedulerName`.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_name: Option<Name>,
    /// `terminationGracePeriodSeconds`.
    #[serde(skip_serializing_if = "is_default")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Names of `spec.resourceClaims` (DRA, S-135).
    #[serde(skip_serializing_if = "is_default")]
    pub resource_claims: Vec<Name>,
}

impl PodSpec {
    /// The effective request (S-10, S-11, S-13): containers and sidecars, or the largest init step, then pod-level
    /// values for CPU, memory and huge pages, then overhead; `pods` is 1. O(containers x resources).
    ///
    /// Limits stand in for missing requests as an API server fills them in (M-4): a container's for its own; a pod-level
    /// limit only where no container asks for that resource, and always for huge pages.
    #[must_use]
    pub fn requests(&self) -> ResourceList {
        self.requests_reported(None)
    }

    /// As [`requests`](Self::requests), with what a kubelet reports of app containers and sidecars (S-12).
    fn requests_reported(&self, reported: Option<&PodStatusDetail>) -> ResourceList {
        let long_running = |container| match reported {
            Some(detail) => detail.request_of(container),
            None => container.defaulted_requests(),
        };
        let mut running = ResourceList::new();
        let mut sidecars = ResourceList::new();
        let mut peak = ResourceList::new();
        for container in &self.containers {
            running.add(&long_running(container));
        }
        for container in &self.init_containers {
            if container.restart_always {
                let own = long_running(container);
                running.add(&own);
                sidecars.add(&own);
                peak.raise_to(&sidecars);
            } else {
                let mut step = sidecars.clone();
                step.add(&container.defaulted_requests());
                peak.raise_to(&step);
            }
        }
        running.raise_to(&peak);
        self.apply_pod_level(&mut running);
        running.add(&self.overhead);
        running.set(resources::PODS, Quantity::from_units(1));
        running
    }

    /// Pod-level requests replace what containers ask for; pod-level limits default what is missing (S-11).
    fn apply_pod_level(&self, aggregate: &mut ResourceList) {
        let huge = |name: &str| name.starts_with(resources::HUGEPAGES_PREFIX);
        let supported =
            |name: &str| matches!(name, resources::CPU | resources::MEMORY) || huge(name);
        for (name, limit) in self.pod_limits.iter().filter(|(name, _)| supported(name)) {
            if huge(name) || aggregate.get(name).is_none() {
                aggregate.set_shared(Name::clone(name), limit);
            }
        }
        for (name, request) in self.pod_requests.iter().filter(|(name, _)| supported(name)) {
            aggregate.set_shared(Name::clone(name), request);
        }
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
    #[serde(skip_serializing_if = "is_default")]
    pub api_version: Name,
    /// Kind, such as `ReplicaSet`.
    pub kind: Name,
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Whether this owner is the managing controller.
    #[serde(skip_serializing_if = "is_default")]
    pub controller: bool,
}

/// State of a pod that few pods have, kept apart so that the others stay small.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodStatusDetail {
    /// `status.nominatedNodeName`.
    #[serde(skip_serializing_if = "is_default")]
    pub nominated_node: Option<Name>,
    /// `status.startTime`.
    #[serde(skip_serializing_if = "is_default")]
    pub start_time: Option<Timestamp>,
    /// When the `Ready` condition became true, if it is.
    #[serde(skip_serializing_if = "is_default")]
    pub ready_since: Option<Timestamp>,
    /// Whether the `Ready` condition is true.
    #[serde(skip_serializing_if = "is_default")]
    pub ready: bool,
    /// Whether the `Ready` condition is false, which is more than absent (D-10).
    #[serde(skip_serializing_if = "is_default")]
    pub unready: bool,
    /// What a kubelet reports per app container and sidecar of a pod resized in place: the larger of the actuated and
    /// the allocated requests (S-12).
    #[serde(skip_serializing_if = "is_default")]
    pub actuated: Vec<(Name, ResourceList)>,
    /// Whether a resize is reported as infeasible (S-12).
    #[serde(skip_serializing_if = "is_default")]
    pub resize_infeasible: bool,
}

impl PodStatusDetail {
    /// The request of a long-running container: the larger of specification and report, or the report alone while the
    /// resize is infeasible (S-12).
    fn request_of<'a>(&'a self, container: &'a Container) -> Cow<'a, ResourceList> {
        let report = self
            .actuated
            .iter()
            .find(|(name, _)| *name == container.name);
        match report {
            None => container.defaulted_requests(),
            Some((_, reported)) if self.resize_infeasible => Cow::Borrowed(reported),
            Some((_, reported)) => {
                let mut own = container.effective_requests();
                own.raise_to(reported);
                Cow::Owned(own)
            }
        }
    }
}

/// A pod.
///
/// ```
/// use tetrapod::model::pod::Pod;
/// let pod = Pod::new("default", "web-0");
/// assert_eq!(pod.key(), "default/web-0");
/// assert!(pod.is_pending());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Pod {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Creation time.
    #[serde(skip_serializing_if = "is_default")]
    pub created: Option<Timestamp>,
    /// Deletion time: the pod is terminating.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: Option<Timestamp>,
    /// Node the pod is bound to.
    #[serde(skip_serializing_if = "is_default")]
    pub node_name: Option<Name>,
    /// Phase.
    #[serde(skip_serializing_if = "is_default")]
    pub phase: PodPhase,
    /// Labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Arc<Labels>,
    /// Annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Arc<Labels>,
    /// Owner references.
    #[serde(skip_serializing_if = "is_default")]
    pub owners: Arc<Vec<OwnerReference>>,
    /// What the pod asks for.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: Arc<PodSpec>,
    /// Rare state.
    #[serde(skip_serializing_if = "is_default")]
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
        let mut key = String::with_capacity(self.namespace.len() + 1 + self.name.len());
        key.push_str(&self.namespace);
        key.push('/');
        key.push_str(&self.name);
        key
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
        let reported = self.detail.as_deref();
        self.spec
            .requests_reported(reported.filter(|detail| !detail.actuated.is_empty()))
    }
}
