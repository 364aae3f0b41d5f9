//! Volumes: the claim can be used, and the node is where the volume is (S-103, S-104, S-109).

use std::collections::BTreeMap;

use crate::model::affinity::NodeSelectorTerm;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, Labels};
use crate::model::resources::Name;
use crate::model::volume::{
    ClaimPhase, PersistentVolume, PersistentVolumeClaim, PodVolume, StorageClass,
};

use super::report::{Kind, Report, Violation};
use super::selection;
use super::view::{Cluster, PodIx};

/// Objects that volumes are made of, by name.
#[derive(Debug)]
pub(super) struct Storage<'a> {
    claims: BTreeMap<(&'a str, &'a str), &'a PersistentVolumeClaim>,
    volumes: BTreeMap<&'a str, &'a PersistentVolume>,
    classes: BTreeMap<&'a str, &'a StorageClass>,
}

impl<'a> Storage<'a> {
    /// The storage objects of `snapshot`.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let claims = snapshot.volume_claims.iter();
        let volumes = snapshot.volumes.iter();
        let classes = snapshot.storage_classes.iter();
        Self {
            claims: claims
                .map(|c| ((c.namespace.as_ref(), c.name.as_ref()), c))
                .collect(),
            volumes: volumes.map(|v| (v.name.as_ref(), v)).collect(),
            classes: classes.map(|c| (c.name.as_ref(), c)).collect(),
        }
    }

    fn claim(&self, namespace: &str, name: &str) -> Option<&'a PersistentVolumeClaim> {
        self.claims.get(&(namespace, name)).copied()
    }

    fn volume_of(&self, claim: &PersistentVolumeClaim) -> Option<&'a PersistentVolume> {
        self.volumes.get(bound_to(claim)?).copied()
    }

    fn class_of(&self, claim: &PersistentVolumeClaim) -> Option<&'a StorageClass> {
        let name = claim.storage_class_name.as_deref()?;
        self.classes.get(name).copied()
    }

    /// The driver that attaches a claim (S-108): its volume's, or its class's provisioner while it is unbound.
    pub(super) fn driver(&self, namespace: &str, claim: &str) -> Option<Name> {
        let claim = self.claim(namespace, claim)?;
        if bound_to(claim).is_some() {
            self.volume_of(claim)?.driver.clone()
        } else {
            Some(Name::clone(&self.class_of(claim)?.provisioner))
        }
    }
}

/// The volume that a claim names.
fn bound_to(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.volume_name.as_deref().filter(|name| !name.is_empty())
}

/// What a volume says about a node.
enum Answer {
    Fine,
    /// Only the host name is wrong, which Karpenter does not look at for local volumes.
    OtherHost,
    Wrong(String),
}

/// Judges the volumes of every placed pod on its node.
pub(super) fn check(cluster: &Cluster<'_>, report: &mut Report) {
    for node in cluster.nodes.iter() {
        for &pod in &node.placed {
            for claim in claims_of(cluster, pod) {
                let finding = |kind, message| {
                    Violation::new(kind, message)
                        .pod(&cluster.pods[pod].key)
                        .at(node.target.as_str())
                };
                match answer(cluster, pod, &claim, &node.labels, &node.name) {
                    Answer::Fine => {}
                    Answer::OtherHost => report.warning(finding(
                        Kind::LocalVolumeHostname,
                        format!("the local volume of claim {claim} lives on another host"),
                    )),
                    Answer::Wrong(why) => {
                        report.violation(finding(Kind::Volume, format!("claim {claim}: {why}")));
                    }
                }
            }
        }
    }
}

/// Why a volume keeps `pod` off a node with these labels.
pub(super) fn problem(
    cluster: &Cluster<'_>,
    pod: PodIx,
    labels: &Labels,
    node: &str,
) -> Option<String> {
    claims_of(cluster, pod).into_iter().find_map(|claim| {
        match answer(cluster, pod, &claim, labels, node) {
            Answer::Wrong(why) => Some(format!("claim {claim}: {why}")),
            Answer::Fine | Answer::OtherHost => None,
        }
    })
}

/// Names of the PersistentVolumeClaims that `pod` uses, in its own namespace.
pub(super) fn claims_of(cluster: &Cluster<'_>, pod: PodIx) -> Vec<Name> {
    let pod = cluster.pods[pod].pod;
    let names = pod.spec.volumes.iter().map(|volume| match volume {
        PodVolume::Claim(name) => Name::clone(name),
        PodVolume::Ephemeral(name) => Name::from(format!("{}-{name}", pod.name)),
    });
    names.collect()
}

fn answer(cluster: &Cluster<'_>, pod: PodIx, name: &str, labels: &Labels, node: &str) -> Answer {
    let wrong = |why: &str| Answer::Wrong(why.to_owned());
    let namespace = &cluster.pods[pod].pod.namespace;
    let Some(claim) = cluster.storage.claim(namespace, name) else {
        return wrong("there is no such claim");
    };
    if claim.deleting {
        return wrong("the claim is being deleted");
    }
    if claim.phase == ClaimPhase::Lost {
        return wrong("the claim has lost its volume");
    }
    if bound_to(claim).is_none() {
        return unbound(cluster, claim, labels);
    }
    if claim
        .annotations
        .get("pv.kubernetes.io/bind-completed")
        .is_none()
    {
        return wrong("the claim is not bound yet");
    }
    match cluster.storage.volume_of(claim) {
        None => wrong("the volume does not exist"),
        Some(volume) if volume.deleting => wrong("the volume is being deleted"),
        Some(volume) => bound(volume, labels, node),
    }
}

fn bound(volume: &PersistentVolume, labels: &Labels, node: &str) -> Answer {
    let Some(terms) = &volume.node_affinity else {
        return Answer::Fine;
    };
    let matches = |term: &NodeSelectorTerm| selection::term_matches(term, labels, node);
    if terms.iter().any(matches) {
        return Answer::Fine;
    }
    let without_host = |term: &NodeSelectorTerm| {
        let mut term = term.clone();
        term.match_expressions
            .retain(|e| e.key.as_ref() != label::HOSTNAME);
        term.match_expressions.is_empty() || matches(&term)
    };
    if volume.host_bound && terms.iter().any(without_host) {
        return Answer::OtherHost;
    }
    Answer::Wrong("the node does not match the volume's node affinity".to_owned())
}

fn unbound(cluster: &Cluster<'_>, claim: &PersistentVolumeClaim, labels: &Labels) -> Answer {
    let wrong = |why: &str| Answer::Wrong(why.to_owned());
    let Some(class) = cluster.storage.class_of(claim) else {
        return wrong("the claim has no storage class");
    };
    if !class.wait_for_first_consumer {
        return wrong("the claim is not bound, and its class binds immediately");
    }
    let topologies = &class.allowed_topologies;
    let allowed = topologies.iter().any(|term| {
        term.iter()
            .all(|e| selection::value_passes(labels.get(&e.key), e))
    });
    if topologies.is_empty() || allowed {
        Answer::Fine
    } else {
        wrong("the node is outside the class's allowedTopologies")
    }
}
