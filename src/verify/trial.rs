//! A claim's pods on one form of node: what would be wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::label::Labels;
use crate::model::pod::PodSpec;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint;

use super::form::{self, Form};
use super::ports::PortTable;
use super::report::{Kind, Violation};
use super::resources;
use super::view::{ClassIx, Cluster, PodIx};

/// The pods of a claim with what they have in common.
pub(super) struct Load<'c> {
    pub(super) pods: &'c [PodIx],
    classes: Vec<(ClassIx, Vec<PodIx>)>,
    specs: Vec<&'c PodSpec>,
    requests: ResourceList,
}

impl<'c> Load<'c> {
    pub(super) fn new(cluster: &'c Cluster<'_>, pods: &'c [PodIx]) -> Self {
        let mut classes: BTreeMap<ClassIx, Vec<PodIx>> = BTreeMap::new();
        let mut requests = ResourceList::new();
        for &pod in pods {
            let view = &cluster.pods[pod];
            classes.entry(view.class).or_default().push(pod);
            requests.add(&view.requests);
        }
        Self {
            pods,
            specs: classes.keys().map(|&c| cluster.classes[c].spec).collect(),
            classes: classes.into_iter().collect(),
            requests,
        }
    }
}

/// What is wrong with putting a claim's pods on one form of node.
pub(super) struct Judgement<'f> {
    pub(super) labels: Cow<'f, Labels>,
    pub(super) problems: Vec<Violation>,
}

pub(super) fn judge<'f>(cluster: &Cluster<'_>, form: &'f Form, load: &Load<'_>) -> Judgement<'f> {
    let mut problems = Vec::new();
    let (labels, refusing) = form.settle(&load.specs);
    for broken in &form.broken {
        problems.push(Violation::new(
            Kind::NodepoolRequirement,
            format!(
                "the pool's requirement {} {} {:?} is broken",
                broken.key, broken.operator, broken.values
            ),
        ));
    }
    for (at, (class, pods)) in load.classes.iter().enumerate() {
        let refused = refusing.contains(&at);
        let tolerations = &cluster.classes[*class].spec.tolerations;
        let taint = taint::untolerated(&form.taints, tolerations, false);
        for &pod in pods {
            let key = &cluster.pods[pod].key;
            if refused {
                let what = "the node selector or affinity does not match the node";
                problems.push(Violation::new(Kind::NodeAffinity, what).pod(key));
            }
            if let Some(taint) = taint {
                let what = format!("taint {} is not tolerated", taint.key);
                problems.push(Violation::new(Kind::Taint, what).pod(key));
            }
        }
    }
    let mut total = load.requests.clone();
    let mut ports = PortTable::default();
    let owner = Name::from("a DaemonSet");
    for daemon in cluster
        .daemons
        .running_on(&labels, &form.taints, form::NAMELESS)
    {
        total.add(&daemon.requests);
        ports.hold(&daemon.ports, &owner);
    }
    let short = resources::shortfalls(&total, &form.allocatable);
    if !short.is_empty() {
        let alone = resources::shortfalls(&load.requests, &form.allocatable).is_empty();
        let kind = if alone { Kind::FitDaemonset } else { Kind::Fit };
        let what = resources::describe(&short, &total, &form.allocatable);
        problems.push(Violation::new(kind, what));
    }
    for &pod in load.pods {
        for clash in ports.place(cluster, pod) {
            problems.push(Violation::new(Kind::HostPort, clash).pod(&cluster.pods[pod].key));
        }
    }
    Judgement { labels, problems }
}
