//! Conditions of node classes and pools as status documents (H-11, H-12, H-21).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::config::{ClassConfig, Config, GroupConfig, PoolConfig};
use crate::base::time::Timestamp;
use crate::model::node::Condition;
use crate::model::resources::Name;

/// The conditions of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StatusDocument {
    /// `NodePool` or `HyperpodNodeClass`.
    pub kind: Cow<'static, str>,
    /// Name.
    pub name: Name,
    /// Conditions in the order in which HyperPod lists them.
    pub conditions: Vec<Condition>,
}

impl StatusDocument {
    /// Whether the condition `kind` is `True`.
    #[must_use]
    pub fn is_true(&self, kind: &str) -> bool {
        Condition::is_true(&self.conditions, kind) == Some(true)
    }
}

/// What is known of a cluster's groups and of autoscaling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterView {
    /// Why nothing may be added or deleted; `None` when autoscaling is in service (H-5).
    pub(super) blocker: Option<Name>,
    /// Status by group.
    pub(super) groups: BTreeMap<Name, Name>,
    /// Groups with a MinCount: HyperPod launches nodes of its own in them (H-34).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) min_counts: BTreeSet<Name>,
}

/// The first group that `cluster` does not have, by class that names it.
pub(super) fn gaps(classes: &[ClassConfig], cluster: &ClusterView) -> BTreeMap<Name, Name> {
    let gap = |class: &ClassConfig| {
        let mut groups = class.instance_groups.iter();
        let gap = groups.find(|name| !cluster.groups.contains_key(*name))?;
        Some((Name::clone(&class.name), Name::clone(gap)))
    };
    classes.iter().filter_map(gap).collect()
}

/// All documents of a configuration: classes, then pools.
pub(super) fn documents(
    config: &Config,
    cluster: Option<&ClusterView>,
    now: Timestamp,
) -> Vec<StatusDocument> {
    let groups: BTreeMap<&Name, &GroupConfig> =
        config.groups.iter().map(|g| (&g.name, g)).collect();
    let classes: Vec<StatusDocument> = config
        .classes
        .iter()
        .map(|class| of_class(class, &groups, cluster, now))
        .collect();
    let by_name: BTreeMap<&Name, (&ClassConfig, &StatusDocument)> = config
        .classes
        .iter()
        .zip(&classes)
        .map(|(class, document)| (&class.name, (class, document)))
        .collect();
    let pools: Vec<StatusDocument> = config
        .pools
        .iter()
        .map(|pool| of_pool(pool, &by_name, now))
        .collect();
    classes.into_iter().chain(pools).collect()
}

fn of_class(
    class: &ClassConfig,
    groups: &BTreeMap<&Name, &GroupConfig>,
    cluster: Option<&ClusterView>,
    now: Timestamp,
) -> StatusDocument {
    let missing: Vec<&str> = class
        .instance_groups
        .iter()
        .filter(|name| cluster.is_some_and(|c| !c.groups.contains_key(*name)))
        .map(AsRef::as_ref)
        .collect();
    let exist = match cluster {
        None => Finding::unknown(
            "ClusterNotDescribed",
            "the cluster's record is not known yet",
        ),
        Some(_) if missing.is_empty() => Finding::fine("InstanceGroupReady"),
        Some(_) => Finding::wrong(
            "InstanceGroupNotFound",
            format!(
                "the cluster has no instance group {}: create it or remove the name",
                missing.join(", ")
            ),
        ),
    };
    let lost: Vec<&str> = class
        .instance_groups
        .iter()
        .filter(|name| groups.get(name).is_none_or(|group| group.zones.is_empty()))
        .map(AsRef::as_ref)
        .collect();
    let subnets = if lost.is_empty() {
        Finding::fine("SubnetsReady")
    } else {
        Finding::wrong(
            "SubnetsNotFound",
            format!(
                "the zones of the subnets of {} are not known",
                lost.join(", ")
            ),
        )
    };
    let enabled = match cluster.map(|c| &c.blocker) {
        Some(Some(blocker)) => Finding::wrong("AutoscalingNotInService", blocker.as_ref()),
        Some(None) | None => Finding::fine("Ready"),
    };
    let valid = match class.faults.first() {
        Some(_) => Finding::wrong("ValidationFailed", class.faults.join("; ")),
        None => Finding::fine("Ready"),
    };
    let ready = all("Ready", &[&valid, &exist, &subnets, &enabled]);
    StatusDocument {
        kind: Cow::Borrowed("HyperpodNodeClass"),
        name: Name::clone(&class.name),
        conditions: vec![
            exist.condition("InstanceGroupReady", now),
            subnets.condition("SubnetsReady", now),
            ready.condition("Ready", now),
        ],
    }
}

fn of_pool(
    pool: &PoolConfig,
    classes: &BTreeMap<&Name, (&ClassConfig, &StatusDocument)>,
    now: Timestamp,
) -> StatusDocument {
    let valid = match pool.faults.first() {
        Some(_) => Finding::wrong("ValidationFailed", pool.faults.join("; ")),
        None => Finding::fine("ValidationSucceeded"),
    };
    let class = match classes.get(&pool.node_class) {
        None => Finding::wrong(
            "NodeClassNotFound",
            format!("there is no HyperpodNodeClass {}", pool.node_class),
        ),
        Some((class, _)) if class.deleted => Finding::wrong(
            "NodeClassTerminating",
            format!("HyperpodNodeClass {} is being deleted", pool.node_class),
        ),
        Some((_, document)) => match document.conditions.iter().find(|c| &*c.kind == "Ready") {
            Some(ready) if &*ready.status != "True" => Finding {
                status: if &*ready.status == "False" {
                    Some(false)
                } else {
                    None
                },
                reason: Cow::Borrowed("NodeClassNotReady"),
                message: format!("HyperpodNodeClass {}: {}", class_name(pool), ready.message),
            },
            _ => Finding::fine("NodeClassReady"),
        },
    };
    let ready = all("Ready", &[&valid, &class]);
    StatusDocument {
        kind: Cow::Borrowed("NodePool"),
        name: Name::clone(&pool.name),
        conditions: vec![
            valid.condition("ValidationSucceeded", now),
            class.condition("NodeClassReady", now),
            ready.condition("Ready", now),
        ],
    }
}

fn class_name(pool: &PoolConfig) -> &str {
    &pool.node_class
}

/// A condition in the making: `None` is Unknown.
struct Finding {
    status: Option<bool>,
    reason: Cow<'static, str>,
    message: String,
}

impl Finding {
    fn fine(reason: &'static str) -> Self {
        Self {
            status: Some(true),
            reason: Cow::Borrowed(reason),
            message: String::new(),
        }
    }

    fn wrong(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: Some(false),
            reason: Cow::Borrowed(reason),
            message: message.into(),
        }
    }

    fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: None,
            ..Self::wrong(reason, message)
        }
    }

    fn condition(&self, kind: &str, now: Timestamp) -> Condition {
        let status = match self.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        Condition {
            kind: Name::from(kind),
            status: Name::from(status),
            reason: Name::from(&*self.reason),
            message: Name::from(self.message.as_str()),
            last_transition: Some(now),
        }
    }
}

/// True where all are; else the first that is False, else the first that is Unknown.
fn all(reason: &'static str, findings: &[&Finding]) -> Finding {
    let by = |status| findings.iter().find(|finding| finding.status == status);
    match by(Some(false)).or_else(|| by(None)) {
        Some(finding) => Finding {
            status: finding.status,
            reason: finding.reason.clone(),
            message: finding.message.clone(),
        },
        None => Finding::fine(reason),
    }
}

/// Takes over from `before` when each condition last changed; whether anything but that differs.
pub(super) fn carry_over(document: &mut StatusDocument, before: Option<&StatusDocument>) -> bool {
    let Some(before) = before else { return true };
    let mut changed = before.conditions.len() != document.conditions.len();
    for condition in &mut document.conditions {
        let Some(old) = before.conditions.iter().find(|c| c.kind == condition.kind) else {
            changed = true;
            continue;
        };
        changed |= old.status != condition.status
            || old.reason != condition.reason
            || old.message != condition.message;
        if old.status == condition.status {
            condition.last_transition = old.last_transition;
        }
    }
    changed
}
