//! Which workload a pod belongs to, in the words people use.

use tetrapod::base::hash::FastMap;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::Pod;

const TEMPLATE_HASH: &str = "pod-template-hash";

/// The workloads of a snapshot's pods.
pub(crate) struct Workloads<'a> {
    pods: FastMap<(&'a str, &'a str), &'a Pod>,
    /// How many ownerless pods share a namespace and a name up to its number.
    stems: FastMap<(&'a str, &'a str), usize>,
}

impl<'a> Workloads<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        let mut pods = FastMap::default();
        let mut stems = FastMap::default();
        for pod in &snapshot.pods {
            pods.insert((pod.namespace.as_ref(), pod.name.as_ref()), pod);
            if pod.owners.is_empty() {
                *stems
                    .entry((pod.namespace.as_ref(), stem(&pod.name)))
                    .or_insert(0) += 1;
            }
        }
        Self { pods, stems }
    }

    /// The workload of the pod `key` (`namespace/name`): its controller, a ReplicaSet's Deployment where the template
    /// hash tells, `namespace/stem*` for pods without an owner that are numbered alike, else the pod itself.
    pub(crate) fn name(&self, key: &str) -> String {
        let Some(pod) = key.split_once('/').and_then(|parts| self.pods.get(&parts)) else {
            return key.to_owned();
        };
        let namespace = &pod.namespace;
        let owner = pod
            .owners
            .iter()
            .find(|o| o.controller)
            .or_else(|| pod.owners.first());
        let Some(owner) = owner else {
            let stem = stem(&pod.name);
            return match self.stems.get(&(namespace.as_ref(), stem)) {
                Some(&count) if count > 1 => format!("{namespace}/{stem}*"),
                _ => key.to_owned(),
            };
        };
        let deployment = (owner.kind.as_ref() == "ReplicaSet")
            .then(|| pod.labels.get(TEMPLATE_HASH))
            .flatten()
            .and_then(|hash| owner.name.strip_suffix(hash))
            .and_then(|name| name.strip_suffix('-'));
        format!("{namespace}/{}", deployment.unwrap_or(&owner.name))
    }
}

/// `name` without the digits at its end.
fn stem(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.is_empty() { name } else { stem }
}
