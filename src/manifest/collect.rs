//! From the objects of all sources to one snapshot: kinds, duplicates and faults.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use serde_json::Value;

use super::cursor::{Context, Cursor};
use super::fault::{Fault, InputError, shortened};
use super::framing::Broken;
use super::limits::Limits;
use super::{
    Input, Skipped, hpa, hyperpod, karpenter, keda, node, pod, pod_text, policy, samples, scale,
    simulation, storage, sweep, tetrapod,
};
use crate::base::hash::{FastMap, FxBuildHasher};
use crate::model::cluster::Snapshot;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::model::simulation::Simulation;
use crate::model::sweep::Sweep;
use crate::model::workload::WorkloadKind;

/// The kind of the items of a list whose items do not state it.
#[derive(Debug, Clone, Default)]
pub(super) struct ListOf {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// What a reader has gathered so far.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) limits: Limits,
    pub(super) skip_invalid: bool,
    pub(super) snapshot: Snapshot,
    simulations: Vec<Simulation>,
    sweeps: Vec<Sweep>,
    pub(super) context: Context,
    skipped: Skipped,
    faults: Vec<Fault>,
    more: usize,
    objects: u64,
    source: String,
    document: usize,
    scratch: Vec<u8>,
    pods_by_hash: FastMap<u64, u32>,
    collided: BTreeSet<(Name, Name)>,
    seen: BTreeSet<(Name, Name, Name)>,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::default(),
            skip_invalid: false,
            snapshot: Snapshot::default(),
            simulations: Vec::new(),
            sweeps: Vec::new(),
            context: Context::default(),
            skipped: Skipped::default(),
            faults: Vec::new(),
            more: 0,
            objects: 0,
            source: String::new(),
            document: 0,
            scratch: Vec::new(),
            pods_by_hash: FastMap::default(),
            collided: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn start_source(&mut self, name: &str) {
        name.clone_into(&mut self.source);
        self.document = 0;
    }

    pub(super) fn start_document(&mut self) {
        self.document += 1;
    }

    /// Notes a fault of the source itself.
    pub(super) fn broken(&mut self, broken: Broken) {
        self.fault("", String::new(), broken.found, broken.accepted);
    }

    pub(super) fn fault(&mut self, object: &str, path: String, found: String, accepted: String) {
        if self.faults.len() >= self.limits.faults {
            self.more += 1;
            return;
        }
        self.faults.push(Fault {
            source: self.source.clone(),
            document: self.document,
            object: object.to_owned(),
            path,
            found,
            accepted,
        });
    }

    /// Counts one more object.
    pub(super) fn admit(&mut self) -> Result<(), Broken> {
        self.objects += 1;
        if self.objects > self.limits.objects {
            return Err(Broken::new(
                "more objects",
                format!("up to {} objects in all sources", self.limits.objects),
            ));
        }
        Ok(())
    }

    /// Takes the object whose JSON text is `text`; `place` is its number in the list it stands in.
    pub(super) fn object_text(
        &mut self,
        text: &[u8],
        place: Option<usize>,
        list: Option<&ListOf>,
    ) -> Result<(), Broken> {
        let pods = list.is_some_and(|list| list.kind == "Pod" && list.api_version == "v1");
        if let Some(pod) = pod_text::pod(text, pods, &self.context, &mut self.scratch) {
            self.admit()?;
            self.add_pod(pod);
            return Ok(());
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(value) => self.object(&value, place, list),
            Err(error) => {
                let object = place.map(|at| format!("items[{at}]")).unwrap_or_default();
                self.fault(&object, String::new(), error.to_string(), "JSON".to_owned());
                Ok(())
            }
        }
    }

    /// Takes one object, or all the objects of a list.
    pub(super) fn object(
        &mut self,
        value: &Value,
        place: Option<usize>,
        list: Option<&ListOf>,
    ) -> Result<(), Broken> {
        self.admit()?;
        let text_of = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("");
        let (mut api_version, mut kind) = (text_of("apiVersion"), text_of("kind"));
        if let Some(list) = list.filter(|_| kind.is_empty()) {
            (api_version, kind) = (&list.api_version, &list.kind);
        }
        if hyperpod::is_cluster(value) {
            self.cluster(value);
            return Ok(());
        }
        if kind.is_empty() {
            let object = place.map(|at| format!("items[{at}]")).unwrap_or_default();
            let found = if value.is_object() {
                "an object without kind".to_owned()
            } else {
                shortened(&value.to_string())
            };
            let accepted = "a Kubernetes object with apiVersion and kind, a list of them, or what `aws sagemaker describe-cluster` prints";
            self.fault(&object, String::new(), found, accepted.to_owned());
            return Ok(());
        }
        if let Some(items) = value.get("items").and_then(Value::as_array)
            && kind.ends_with("List")
        {
            let of = ListOf::new(api_version, kind);
            for (at, item) in items.iter().enumerate() {
                self.object(item, Some(at), Some(&of))?;
            }
            return Ok(());
        }
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        self.known(value, &api_version, &kind, place);
        Ok(())
    }

    fn known(&mut self, value: &Value, api_version: &str, kind: &str, place: Option<usize>) {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match (group, kind) {
            ("", "Pod") => {
                if let Some(pod) = self.read(value, kind, place, true, pod::pod) {
                    self.add_pod(pod);
                }
            }
            ("", "Node") => {
                let read = self.read(value, kind, place, false, node::node);
                self.snapshot.nodes.extend(read);
            }
            ("", "Namespace") => {
                let read = self.read(value, kind, place, false, node::namespace);
                self.snapshot.namespaces.extend(read);
            }
            ("", "PersistentVolumeClaim") => {
                let read = self.read(value, kind, place, true, storage::claim);
                self.snapshot.volume_claims.extend(read);
            }
            ("", "PersistentVolume") => {
                let read = self.read(value, kind, place, false, storage::volume);
                self.snapshot.volumes.extend(read);
            }
            ("storage.k8s.io", "StorageClass") => {
                let read = self.read(value, kind, place, false, storage::storage_class);
                self.snapshot.storage_classes.extend(read);
            }
            ("storage.k8s.io", "CSINode") => {
                let read = self.read(value, kind, place, false, storage::csi_node);
                self.snapshot.csi_nodes.extend(read);
            }
            ("apps", "DaemonSet") => {
                let read = self.read(value, kind, place, true, policy::daemon_set);
                self.snapshot.daemon_sets.extend(read);
            }
            ("policy", "PodDisruptionBudget") => {
                let read = self.read(value, kind, place, true, policy::disruption_budget);
                self.snapshot.pod_disruption_budgets.extend(read);
            }
            ("scheduling.x-k8s.io", "PodGroup") => {
                let read = self.read(value, kind, place, true, policy::pod_group);
                self.snapshot.pod_groups.extend(read);
            }
            ("", "PodTemplate") => {
                let read = self.read(value, kind, place, true, scale::pod_template);
                self.snapshot.pod_templates.extend(read);
            }
            ("apps", "Deployment") => self.workload(value, WorkloadKind::Deployment, place),
            ("apps", "ReplicaSet") => self.workload(value, WorkloadKind::ReplicaSet, place),
            ("apps", "StatefulSet") => self.workload(value, WorkloadKind::StatefulSet, place),
            ("autoscaling.x-k8s.io", "CapacityBuffer") => {
                let read = self.read(value, kind, place, true, scale::capacity_buffer);
                self.snapshot.capacity_buffers.extend(read);
            }
            ("karpenter.sh", "NodeOverlay") => {
                let read = self.read(value, kind, place, false, scale::node_overlay);
                self.snapshot.node_overlays.extend(read);
            }
            ("karpenter.sh", "NodePool") if version == "v1" => {
                let read = self.read(value, kind, place, false, karpenter::node_pool);
                self.snapshot.node_pools.extend(read);
            }
            ("karpenter.sh", "NodeClaim") if version == "v1" => {
                let read = self.read(value, kind, place, false, karpenter::node_claim);
                self.snapshot.node_claims.extend(read);
            }
            ("karpenter.sagemaker.amazonaws.com", "HyperpodNodeClass") => {
                let read = self.read(value, kind, place, false, hyperpod::node_class);
                self.snapshot.node_classes.extend(read);
            }
            ("autoscaling", "HorizontalPodAutoscaler") if version == "v2" => {
                let read = self.read(value, kind, place, true, hpa::horizontal_pod_autoscaler);
                self.snapshot.horizontal_pod_autoscalers.extend(read);
            }
            ("keda.sh", "ScaledObject") => {
                let read = self.read(value, kind, place, true, keda::scaled_object);
                self.snapshot.scaled_objects.extend(read);
            }
            ("keda.sh", "ScaledJob") => {
                let read = self.read(value, kind, place, true, keda::scaled_job);
                self.snapshot.scaled_jobs.extend(read);
            }
            ("tetrapod", _) => self.own(value, api_version, kind, place),
            _ => self.skipped.count_kind(api_version, kind),
        }
    }

    /// The documents of `tetrapod/v1alpha1`.
    fn own(&mut self, value: &Value, api_version: &str, kind: &str, place: Option<usize>) {
        match kind {
            "MetricSamples" => {
                let read = self.read(value, kind, place, true, samples::metric_samples);
                self.snapshot.metric_samples.extend(read);
            }
            "InstanceTypes" => {
                let read = self.read(value, kind, place, false, tetrapod::instance_types);
                self.snapshot.instance_types.extend(read);
            }
            "Simulation" => {
                let read = self.read(value, kind, place, false, simulation::simulation);
                let source = Name::from(self.source.as_str());
                self.simulations
                    .extend(read.map(|read| Simulation { source, ..read }));
            }
            "Sweep" => {
                let read = self.read(value, kind, place, false, sweep::sweep);
                let source = Name::from(self.source.as_str());
                self.sweeps
                    .extend(read.map(|read| Sweep { source, ..read }));
            }
            "Options" => self.options(value),
            _ => self.skipped.count_kind(api_version, kind),
        }
    }

    fn workload(&mut self, value: &Value, kind: WorkloadKind, place: Option<usize>) {
        let read = self.read(value, kind.as_str(), place, true, |root| {
            scale::workload(root, kind)
        });
        self.snapshot.workloads.extend(read);
    }

    /// Reads an object of a kind whose names must differ, and gives it if nothing is wrong with it.
    fn read<T>(
        &mut self,
        value: &Value,
        kind: &str,
        place: Option<usize>,
        namespaced: bool,
        read: impl FnOnce(&Cursor<'_, '_>) -> T,
    ) -> Option<T> {
        let object = read(&Cursor::new(value, "", &self.context));
        let name = object_name(value, kind, place, namespaced);
        let sound = self.settle(&name);
        // Pods have their own, smaller table.
        let first = kind == "Pod" || self.first_of_name(value, kind, namespaced, &name);
        (sound && first).then_some(object)
    }

    /// Makes faults of what was noted about the object at hand; `true` if there was nothing.
    fn settle(&mut self, object: &str) -> bool {
        let drafts = self.context.take_drafts();
        let sound = drafts.is_empty();
        for draft in drafts {
            self.fault(object, draft.path, draft.found, draft.accepted);
        }
        sound
    }

    fn first_of_name(&mut self, value: &Value, kind: &str, namespaced: bool, object: &str) -> bool {
        let meta = |key: &str| {
            value
                .get("metadata")
                .and_then(|meta| meta.get(key))
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let name = meta("name");
        if name.is_empty() {
            return true;
        }
        let namespace = match meta("namespace") {
            _ if !namespaced => "",
            "" => super::meta::DEFAULT_NAMESPACE,
            given => given,
        };
        let key = (
            self.context.name(kind),
            self.context.name(namespace),
            Name::from(name),
        );
        let first = self.seen.insert(key);
        if !first {
            self.duplicate(object);
        }
        first
    }

    fn duplicate(&mut self, object: &str) {
        self.fault(
            object,
            "metadata.name".to_owned(),
            "a second object of this kind and name".to_owned(),
            "each object once in all sources".to_owned(),
        );
    }

    pub(super) fn add_pod(&mut self, pod: Pod) {
        let hash = FxBuildHasher.hash_one((&pod.namespace, &pod.name));
        let number = u32::try_from(self.snapshot.pods.len()).unwrap_or(u32::MAX);
        let same = |held: &Pod| held.name == pod.name && held.namespace == pod.namespace;
        match self.pods_by_hash.get(&hash) {
            None => {
                self.pods_by_hash.insert(hash, number);
            }
            Some(first) => {
                let first = usize::try_from(*first)
                    .ok()
                    .and_then(|first| self.snapshot.pods.get(first));
                let key = (Name::clone(&pod.namespace), Name::clone(&pod.name));
                if first.is_some_and(same) || !self.collided.insert(key) {
                    self.duplicate(&format!("Pod {}", pod.key()));
                    return;
                }
            }
        }
        self.snapshot.pods.push(pod);
    }

    fn options(&mut self, value: &Value) {
        let mut options = self.snapshot.options.clone();
        let root = Cursor::new(value, "", &self.context);
        tetrapod::options(&root, &mut options);
        if self.settle("Options") {
            self.snapshot.options = options;
        }
    }

    fn cluster(&mut self, value: &Value) {
        let root = Cursor::new(value, "", &self.context);
        let read = hyperpod::cluster(&root);
        let object = format!("cluster {}", read.name);
        if self.snapshot.cluster.is_some() {
            self.fault(
                &object,
                String::new(),
                "a second DescribeCluster record".to_owned(),
                "one cluster".to_owned(),
            );
        }
        if self.settle(&object) && self.snapshot.cluster.is_none() {
            self.snapshot.cluster = Some(read);
        }
    }

    /// Everything gathered, or everything that is wrong.
    pub(super) fn finish(self) -> Result<Input, InputError> {
        if !self.faults.is_empty() && !self.skip_invalid {
            return Err(InputError {
                faults: self.faults,
                more: self.more,
            });
        }
        let mut snapshot = self.snapshot;
        let newest = self.context.newest.get();
        snapshot.options.now = snapshot.options.now.or(newest);
        snapshot.pods.shrink_to_fit();
        let mut skipped = self.skipped;
        skipped.fields = self.context.unknown.into_inner();
        Ok(Input {
            snapshot,
            simulations: self.simulations,
            sweeps: self.sweeps,
            skipped,
            left_out: self.faults,
            left_out_more: self.more,
        })
    }
}

impl ListOf {
    /// What `kind`, such as `PodList`, says about items that do not state their kind.
    pub(super) fn new(api_version: &str, kind: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.strip_suffix("List").unwrap_or("").to_owned(),
        }
    }
}

/// `Pod default/web-0`, or the place in the list where there is no name.
fn object_name(value: &Value, kind: &str, place: Option<usize>, namespaced: bool) -> String {
    let meta = |key: &str| {
        value
            .get("metadata")
            .and_then(|meta| meta.get(key))
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    match (meta("name"), place) {
        (Some(name), _) if namespaced => {
            let namespace = meta("namespace").unwrap_or(super::meta::DEFAULT_NAMESPACE);
            format!("{kind} {}", shortened(&format!("{namespace}/{name}")))
        }
        (Some(name), _) => format!("{kind} {}", shortened(name)),
        (None, Some(place)) => format!("{kind} items[{place}]"),
        (None, None) => kind.to_owned(),
    }
}
