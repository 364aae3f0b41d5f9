//! The cluster as a whole: quotas (row 11), role (row 12), provisioning (row 13), enablement (row 14), gangs (row 7).

use std::collections::{BTreeMap, BTreeSet};

use super::Checks;
use crate::base::time::Span;
use crate::hyperpod::capacity::{self, ClassCapacity};
use crate::hyperpod::enablement::Enablement;
use crate::hyperpod::role;
use crate::model::cluster::Snapshot;
use crate::model::hyperpod::HyperpodCluster;
use crate::model::instance_type::CapacityType;
use crate::model::pod::Pod;
use crate::model::resources::Name;

/// Most instance groups of one cluster (H-57).
const MAX_CLUSTER_GROUPS: usize = 100;
/// Oldest health-monitoring agent that autoscaling works with (H-4).
const OLDEST_AGENT: &str = "1.0.742.0_1.0.241.0";
/// How long Kueue waits for a gang's pods by default (H-56).
const KUEUE_READY_TIMEOUT: Span = Span::from_secs(5 * 60);
/// Labels that make pods a gang (M-15).
const GANG_LABELS: [&str; 3] = [
    "scheduling.x-k8s.io/pod-group",
    "kueue.x-k8s.io/pod-group-name",
    "jobset.sigs.k8s.io/jobset-name",
];

pub(super) fn check(snapshot: &Snapshot, role_actions: Option<&[String]>, checks: &mut Checks) {
    match &snapshot.cluster {
        Some(cluster) => {
            let subject = format!("cluster {}", cluster.name);
            group_count(cluster, &subject, checks);
            has_role(cluster, &subject, checks);
            provisioning(cluster, &subject, checks);
            enablement(cluster, &subject, checks);
        }
        None => {
            let lacks =
                |what: &str| format!("{what} not checked: supply the describe-cluster output");
            for (row, rule, what) in [
                (12, "H-6", "the autoscaling role is"),
                (
                    13,
                    "H-4",
                    "orchestrator, provisioning mode and node recovery are",
                ),
                (14, "H-5", "whether autoscaling is enabled is"),
            ] {
                checks.of(row, rule, "cluster").warn(lacks(what));
            }
        }
    }
    role_allows(role_actions, checks);
    quotas(snapshot, checks);
    gangs(snapshot, checks);
}

fn group_count(cluster: &HyperpodCluster, subject: &str, checks: &mut Checks) {
    let count = cluster.instance_groups.len();
    let one = checks.of(11, "H-57", subject);
    if count > MAX_CLUSTER_GROUPS {
        one.fail(format!(
            "it has {count} instance groups; {MAX_CLUSTER_GROUPS} are allowed"
        ));
    } else {
        one.pass(format!(
            "{count} of {MAX_CLUSTER_GROUPS} instance groups are used"
        ));
    }
}

fn has_role(cluster: &HyperpodCluster, subject: &str, checks: &mut Checks) {
    let one = checks.of(12, "H-4", subject);
    match &cluster.cluster_role {
        Some(role) => one.pass(format!("its ClusterRole is {role}")),
        None => one.fail("it has no ClusterRole; autoscaling acts with that role"),
    }
}

fn role_allows(actions: Option<&[String]>, checks: &mut Checks) {
    let one = checks.of(12, "H-6", "autoscaling role");
    let Some(actions) = actions else {
        return one.warn("the actions of its policy are not supplied, so they are not checked");
    };
    let missing = role::missing_actions(actions, false);
    if missing.is_empty() {
        one.pass("its policy allows adding and deleting cluster nodes");
    } else {
        one.fail(format!("its policy lacks {}", missing.join(", ")));
    }
    let keys = role::missing_actions(actions, true);
    if keys.len() > missing.len() {
        checks.of(12, "H-6", "autoscaling role").warn(format!(
            "its policy lacks {}, needed where volumes are encrypted with customer keys",
            keys.get(missing.len()..).unwrap_or_default().join(", ")
        ));
    }
}

fn provisioning(cluster: &HyperpodCluster, subject: &str, checks: &mut Checks) {
    let one = checks.of(13, "H-28", subject);
    match cluster.status.as_ref() {
        "InService" => one.pass("its status is InService"),
        "" => one.warn("its status is not stated"),
        busy @ ("Updating" | "SystemUpdating") => {
            one.warn(format!("its status is {busy}; wait until it is InService"));
        }
        other => one.fail(format!("its status is {other}, not InService")),
    }
    let one = checks.of(13, "H-4", subject);
    match &cluster.eks_cluster_arn {
        Some(arn) => one.pass(format!("it is orchestrated by EKS ({arn})")),
        None => one.fail("it is not orchestrated by EKS; autoscaling needs an EKS cluster"),
    }
    let one = checks.of(13, "H-4", subject);
    match cluster.node_provisioning_mode.as_deref() {
        Some("Continuous") => one.pass("NodeProvisioningMode is Continuous"),
        mode => one.fail(format!(
            "NodeProvisioningMode is {}, not Continuous; it is chosen when the cluster is created",
            mode.unwrap_or("not set")
        )),
    }
    let one = checks.of(13, "H-4", subject);
    match cluster.node_recovery.as_deref() {
        Some("Automatic") => one.pass("NodeRecovery is Automatic"),
        None => one.warn("NodeRecovery is not stated; it must be Automatic"),
        Some(other) => one.fail(format!("NodeRecovery is {other}, not Automatic")),
    }
    checks.of(13, "H-4", subject).warn(format!(
        "the record does not tell the version of the health-monitoring agent; it must be {OLDEST_AGENT} or newer"
    ));
}

fn enablement(cluster: &HyperpodCluster, subject: &str, checks: &mut Checks) {
    let state = Enablement::of(cluster);
    let one = checks.of(14, "H-5", subject);
    match (&state, state.blocker()) {
        (_, Some(blocker)) => one.fail(blocker),
        (Enablement::Unstated, None) if cluster.autoscaling_mode.is_none() => one.fail(
            "autoscaling is not configured; enable it by UpdateCluster with AutoScaling Mode Enable and ClusterRole",
        ),
        (Enablement::Unstated, None) => {
            one.warn("AutoScaling has no status; it must become InService");
        }
        (_, None) => one.pass("autoscaling is InService"),
    }
    let one = checks.of(14, "H-5", subject);
    match cluster.autoscaler_type.as_deref() {
        Some("Karpenter") => one.pass("AutoScalerType is Karpenter"),
        Some(other) => one.fail(format!("AutoScalerType is {other}, not Karpenter")),
        None => one.warn("AutoScalerType is not stated; it must be Karpenter"),
    }
}

fn quotas(snapshot: &Snapshot, checks: &mut Checks) {
    let quotas = &snapshot.options.quotas;
    for (rule, name, left) in [
        ("H-58", "instances per cluster", quotas.cluster),
        ("H-58", "instances over all HyperPod clusters", quotas.total),
    ] {
        let subject = format!("quota of {name}");
        let one = checks.of(11, rule, &subject);
        match left {
            None => one.warn("not supplied (Options.quotas), so plans are not held to it"),
            Some(0) => one.fail("it is used up: no node can be added"),
            Some(left) => one.pass(format!("{left} more can be added")),
        }
    }
    let classes = capacity::resolve(snapshot);
    per_type(&classes, &quotas.per_type, checks);
    if offers(&classes, Some(CapacityType::Spot)).next().is_some() {
        checks.of(11, "H-60", "spot quotas").warn(
            "spot instances have quotas of their own, per type and in total; Options.quotas counts them with on-demand ones",
        );
    }
}

fn per_type(
    classes: &BTreeMap<Name, ClassCapacity>,
    per_type: &BTreeMap<Name, u32>,
    checks: &mut Checks,
) {
    let types: BTreeSet<&Name> = offers(classes, None).collect();
    let mut unknown = Vec::new();
    for name in types {
        let subject = format!("quota of {name} for cluster usage");
        match per_type.get(name) {
            None => unknown.push(name.as_ref()),
            Some(0) => checks.of(11, "H-59", &subject).warn(
                "it is used up: none can be added, nor replaced, as the new node comes before the old one goes",
            ),
            Some(left) => checks
                .of(11, "H-58", &subject)
                .pass(format!("{left} more can be added")),
        }
    }
    if !unknown.is_empty() {
        let shown = unknown.iter().take(5).copied().collect::<Vec<_>>();
        let more = if unknown.len() > shown.len() {
            ", ..."
        } else {
            ""
        };
        checks.of(11, "H-58", "quotas per instance type").warn(format!(
            "not supplied (Options.quotas) for {} types ({}{more}), so plans are not held to them",
            unknown.len(),
            shown.join(", "),
        ));
    }
}

/// Names of the types that have an offering, of `capacity_type` if that is given.
fn offers(
    classes: &BTreeMap<Name, ClassCapacity>,
    capacity_type: Option<CapacityType>,
) -> impl Iterator<Item = &Name> {
    classes
        .values()
        .flat_map(|class| &class.types)
        .filter(move |t| {
            t.offerings
                .iter()
                .any(|o| capacity_type.is_none_or(|asked| o.capacity_type == asked))
        })
        .map(|t| &t.name)
}

fn gangs(snapshot: &Snapshot, checks: &mut Checks) {
    let in_gang = |pod: &&Pod| GANG_LABELS.iter().any(|key| pod.labels.get(key).is_some());
    let pods = snapshot.pods.iter().filter(in_gang).count();
    let start = snapshot.options.node_start_time;
    if pods > 0 && start > KUEUE_READY_TIMEOUT {
        checks.of(7, "H-56", "gangs").warn(format!(
            "{pods} pods belong to gangs; Kueue's waitForPodsReady gives up after 5 min by default, and a new node takes about {} min: raise its timeout",
            start.as_millis() / 60_000
        ));
    }
}
