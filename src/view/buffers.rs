//! Capacity buffers as pods that nobody created (S-129..S-132).
//!
//! A buffer keeps room for so many pods of a template. They are planned like pods of the lowest priority that exists: other
//! than in Karpenter (S-131) no real pod waits for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::label::Labels;
use crate::model::node::Condition;
use crate::model::pod::{Pod, PodSpec};
use crate::model::resources::Name;
use crate::model::workload::{CapacityBuffer, WorkloadKind};

/// The annotation that marks a pod that nobody created (S-130).
pub const FAKE_POD: &str = "karpenter.sh/capacity-buffer-fake-pod";

/// The strategy that Karpenter serves; also meant where none is stated.
const STRATEGY: &str = "buffer.x-k8s.io/active-capacity";

/// More pods than this no buffer keeps room for.
pub const MOST_PODS: u32 = 100_000;

/// What is said of a buffer without pods.
pub const EMPTY: &str = "it keeps room for no pod";

/// A buffer with its pods, or why it has none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Buffer {
    /// `namespace/name`.
    pub key: Name,
    /// The names of its pods (`namespace/name`), or why it keeps no room.
    pub pods: Result<Vec<Name>, Reason>,
}

/// The buffers of a snapshot, and the snapshot with their pods.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Buffers {
    /// By name.
    pub buffers: Vec<Buffer>,
    /// The snapshot with the buffers' pods after its own; `None` where there are none.
    pub expanded: Option<Box<Snapshot>>,
}

impl Buffers {
    /// Makes the pods of the buffers of `snapshot`. The snapshot is copied if there are any. O(buffers + pods).
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut result = Self::default();
        if snapshot.capacity_buffers.is_empty() || !snapshot.options.feature_gates.capacity_buffer {
            return result;
        }
        let mut pods = Vec::new();
        let mut order: Vec<&CapacityBuffer> = snapshot.capacity_buffers.iter().collect();
        order.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        for buffer in order {
            let own = pods_of(snapshot, buffer);
            let names = own.as_ref().map(|own| {
                let names = own.iter().map(|pod| Name::from(pod.key()));
                names.collect()
            });
            result.buffers.push(Buffer {
                key: Name::from(format!("{}/{}", buffer.namespace, buffer.name)),
                pods: names.map_err(Clone::clone),
            });
            pods.extend(own.unwrap_or_default());
        }
        if !pods.is_empty() {
            let mut expanded = snapshot.clone();
            expanded.pods.extend(pods);
            result.expanded = Some(Box::new(expanded));
        }
        result
    }

    /// By name of a pod: which buffer it is of.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<&Name, usize> {
        let mut owners = BTreeMap::new();
        for (at, buffer) in self.buffers.iter().enumerate() {
            let pods = buffer.pods.iter().flatten();
            owners.extend(pods.map(|pod| (pod, at)));
        }
        owners
    }
}

/// The pods of a buffer (S-130), or why there are none.
fn pods_of(snapshot: &Snapshot, buffer: &CapacityBuffer) -> Result<Vec<Pod>, Reason> {
    let no = |code, message: String| {
        let subject = format!("CapacityBuffer {}/{}", buffer.namespace, buffer.name);
        Err(Reason::new(subject, code, message))
    };
    let strategy = buffer.provisioning_strategy.as_ref();
    if !strategy.is_empty() && strategy != STRATEGY {
        return no(
            Code::NotPending,
            format!("its provisioning strategy {strategy} is not {STRATEGY}"),
        );
    }
    if Condition::is_true(&buffer.conditions, "ReadyForProvisioning") == Some(false) {
        return no(
            Code::NotPending,
            "its condition ReadyForProvisioning is not True".to_owned(),
        );
    }
    let (labels, spec, scale) = match template(snapshot, buffer) {
        Ok(found) => found,
        Err(message) => return no(Code::InvalidPod, message),
    };
    let mut spec = PodSpec::clone(spec);
    spec.volumes.clear();
    spec.priority = i32::MIN;
    let Some(count) = replicas(buffer, &spec, scale) else {
        return no(
            Code::InvalidPod,
            "it states neither replicas nor percentage nor a limit on what its pods ask for"
                .to_owned(),
        );
    };
    if count == 0 {
        return no(Code::NotPending, EMPTY.to_owned());
    }
    let (labels, spec) = (Arc::new(labels.clone()), Arc::new(spec));
    let mut annotations = Labels::new();
    annotations.set(FAKE_POD, "true");
    let annotations = Arc::new(annotations);
    let pod = |number: u32| {
        let name = format!("capacity-buffer-{}-{number}", buffer.name);
        let mut pod = Pod::new(Name::clone(&buffer.namespace), name);
        pod.uid = Name::from(format!("{}-{number}", buffer.uid));
        pod.labels = Arc::clone(&labels);
        pod.annotations = Arc::clone(&annotations);
        pod.spec = Arc::clone(&spec);
        pod
    };
    Ok((0..count.min(MOST_PODS)).map(pod).collect())
}

/// Labels, specification and scale of what a buffer keeps room for.
fn template<'s>(
    snapshot: &'s Snapshot,
    buffer: &CapacityBuffer,
) -> Result<(&'s Labels, &'s PodSpec, u32), String> {
    if let Some(name) = &buffer.pod_template {
        let found = snapshot
            .pod_templates
            .iter()
            .find(|t| t.namespace == buffer.namespace && t.name == *name);
        return found
            .map(|t| (&t.template_labels, t.spec.as_ref(), 0))
            .ok_or_else(|| format!("there is no PodTemplate {}/{name}", buffer.namespace));
    }
    let Some(of) = &buffer.scalable else {
        return Err("it names neither a PodTemplate nor a workload".to_owned());
    };
    let kinds = [
        WorkloadKind::Deployment,
        WorkloadKind::ReplicaSet,
        WorkloadKind::StatefulSet,
    ];
    let kind = kinds.iter().find(|kind| kind.as_str() == of.kind.as_ref());
    let apps = matches!(of.api_group.as_ref(), "" | "apps");
    let Some(kind) = kind.filter(|_| apps) else {
        return Err(format!(
            "{} {} is not a Deployment, StatefulSet or ReplicaSet of the group apps",
            of.kind, of.name
        ));
    };
    let found = snapshot
        .workloads
        .iter()
        .find(|w| w.kind == *kind && w.namespace == buffer.namespace && w.name == of.name);
    found
        .map(|w| (&w.template_labels, w.spec.as_ref(), w.replicas))
        .ok_or_else(|| format!("there is no {} {}/{}", of.kind, buffer.namespace, of.name))
}

/// How many pods (S-132): the larger of the number and the share of the scale, within the limits; the limits alone where
/// neither is stated. `None` where nothing says how many.
fn replicas(buffer: &CapacityBuffer, spec: &PodSpec, scale: u32) -> Option<u32> {
    let share = buffer.percentage.map(|percent| {
        let product = u64::from(scale).saturating_mul(u64::from(percent));
        let up = product.div_ceil(100);
        u32::try_from(up).unwrap_or(u32::MAX)
    });
    let asked = buffer.replicas.max(share);
    let requests = spec.requests();
    let within = buffer.limits.iter().filter_map(|(name, limit)| {
        let each = requests.amount(name).as_nanos();
        let most = limit.as_nanos().max(0).checked_div(each)?;
        (each > 0).then(|| u32::try_from(most).unwrap_or(u32::MAX))
    });
    match (asked, within.min()) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    }
}
