//! HyperpodNodeClasses and the record that `aws sagemaker describe-cluster` prints.

use serde_json::Value;

use super::cursor::Cursor;
use super::meta::{conditions, labels, meta, taint_named, taints};
use crate::model::hyperpod::{
    HyperpodCluster, HyperpodNodeClass, InstanceGroup, InstanceGroupStatus, Subnet,
};
use crate::model::resources::Name;

/// Reads a `karpenter.sagemaker.amazonaws.com` HyperpodNodeClass (H-8, H-11).
pub(super) fn node_class(root: &Cursor<'_, '_>) -> HyperpodNodeClass {
    let read = meta(root);
    let spec = root.object("spec");
    spec.count_unknown("HyperpodNodeClass spec.", &["instanceGroups"]);
    let status = root.object("status");
    let groups = status.field("instanceGroups");
    HyperpodNodeClass {
        name: read.name,
        uid: read.uid,
        deleted: read.deleted,
        instance_groups: spec.field("instanceGroups").names(),
        conditions: conditions(&status.field("conditions")),
        status_groups: (!groups.is_absent()).then(|| groups.list(status_group)),
    }
}

fn status_group(item: &Cursor<'_, '_>) -> Option<InstanceGroupStatus> {
    if !item.is_object() {
        item.fault_if_absent("an instance group");
        return None;
    }
    Some(InstanceGroupStatus {
        name: item
            .field("name")
            .required("the name of an instance group")?,
        instance_types: item.field("instanceTypes").names(),
        subnets: item.field("subnets").list(|subnet| {
            subnet.is_object().then(|| Subnet {
                id: subnet.field("id").name_or_empty(),
                zone: subnet.field("zone").name_or_empty(),
                zone_id: subnet.field("zoneId").name_or_empty(),
            })
        }),
        spot: is_spot(&item.object("capacities")),
        desired_labels: labels(&item.field("desiredLabels")),
        desired_taints: taints(&item.field("desiredTaints")),
    })
}

/// Whether a capacity object has the key `Spot`, even an empty one (H-11, H-37).
fn is_spot(at: &Cursor<'_, '_>) -> bool {
    at.value()
        .as_object()
        .and_then(|fields| fields.get("Spot"))
        .is_some_and(|spot| !spot.is_null())
}

/// Whether `value` looks like the answer of DescribeCluster rather than a Kubernetes object.
pub(super) fn is_cluster(value: &Value) -> bool {
    value.get("kind").is_none()
        && value.get("InstanceGroups").is_some()
        && (value.get("ClusterArn").is_some() || value.get("ClusterName").is_some())
}

/// Reads the DescribeCluster record (H-27).
pub(super) fn cluster(root: &Cursor<'_, '_>) -> HyperpodCluster {
    let scaling = root.object("AutoScaling");
    let orchestrator = root.object("Orchestrator");
    let vpc = root.object("VpcConfig");
    let shared_subnets = vpc.field("Subnets").names();
    HyperpodCluster {
        name: root.field("ClusterName").name_or_empty(),
        arn: root.field("ClusterArn").name_or_empty(),
        status: root.field("ClusterStatus").name_or_empty(),
        autoscaling_mode: scaling.field("Mode").filled(),
        autoscaler_type: scaling.field("AutoScalerType").filled(),
        autoscaling_status: scaling.field("Status").filled(),
        autoscaling_failure: scaling.field("FailureMessage").filled(),
        node_provisioning_mode: root.field("NodeProvisioningMode").filled(),
        node_recovery: root.field("NodeRecovery").filled(),
        cluster_role: root.field("ClusterRole").filled(),
        eks_cluster_arn: orchestrator.object("Eks").field("ClusterArn").filled(),
        instance_groups: root
            .field("InstanceGroups")
            .list(|item| instance_group(item, &shared_subnets)),
    }
}

fn instance_group(item: &Cursor<'_, '_>, shared_subnets: &[Name]) -> Option<InstanceGroup> {
    if !item.is_object() {
        item.fault_if_absent("an instance group");
        return None;
    }
    let count = |fields: [&str; 2]| {
        let [first, second] = fields;
        let read = item.field(first).count(0);
        read.or_else(|| item.field(second).count(0)).unwrap_or(0)
    };
    let flexible = item.object("InstanceRequirements");
    let listed = [
        "DesiredInstanceTypes",
        "InstanceTypes",
        "CurrentInstanceTypes",
    ]
    .into_iter()
    .find(|field| !flexible.field(field).is_absent());
    let instance_types = match listed {
        Some(field) => flexible.field(field).names(),
        None => item.field("InstanceType").filled().into_iter().collect(),
    };
    let details = item.field("InstanceTypeDetails");
    let detail_threads = details.list(|detail| detail.field("ThreadsPerCore").integer(1..=2));
    let threads = item.field("ThreadsPerCore").integer(1..=2);
    let kubernetes = item.object("KubernetesConfig");
    let own_subnets = item.object("OverrideVpcConfig").field("Subnets").names();
    Some(InstanceGroup {
        name: item
            .field("InstanceGroupName")
            .required("the name of an instance group")?,
        status: item.field("Status").name_or_empty(),
        current_count: count(["CurrentCount", "InstanceCount"]),
        target_count: count(["TargetCount", "InstanceCount"]),
        min_count: count(["MinCount", "MinInstanceCount"]),
        instance_types,
        flexible: !flexible.is_absent(),
        spot: is_spot(&item.object("CapacityRequirements")),
        threads_per_core: threads
            .or_else(|| detail_threads.first().copied())
            .and_then(|threads| u32::try_from(threads).ok()),
        subnet_ids: if own_subnets.is_empty() {
            shared_subnets.to_vec()
        } else {
            own_subnets
        },
        desired_labels: labels(&stated(&kubernetes, ["DesiredLabels", "Labels"])),
        desired_taints: stated(&kubernetes, ["DesiredTaints", "Taints"])
            .list(|taint| taint_named(taint, ["Key", "Value", "Effect"])),
        training_plan: item.field("TrainingPlanArn").filled(),
        deep_health_checks: item.field("OnStartDeepHealthChecks").names(),
    })
}

/// The first of two fields, unless only the second is there: `Desired...` in answers, the plain name in requests.
fn stated<'v, 'c>(at: &'c Cursor<'v, '_>, fields: [&'c str; 2]) -> Cursor<'v, 'c> {
    let [first, second] = fields.map(|field| at.field(field));
    if first.is_absent() { second } else { first }
}
