//! Node classes, the HyperPod cluster record and instance types as documents.

use serde_json::Value;

use super::{
    Object, conditions, labels, maybe, metadata, price, requirements, resources, taints,
    taints_named, text, texts, times,
};
use crate::model::hyperpod::{
    HyperpodCluster, HyperpodNodeClass, InstanceGroup, InstanceGroupStatus,
};
use crate::model::instance_type::{InstanceType, InstanceTypes, Offering};

pub(super) fn node_class(class: &HyperpodNodeClass) -> Value {
    let meta = metadata(&class.name).filled("uid", text(&class.uid));
    let groups = class
        .status_groups
        .as_ref()
        .map(|groups| groups.iter().map(status_group).collect::<Value>());
    let status = Object::default()
        .filled("conditions", conditions(&class.conditions))
        .some("instanceGroups", groups);
    Object::of(
        "karpenter.sagemaker.amazonaws.com/v1",
        "HyperpodNodeClass",
        times(meta, None, class.deleted),
    )
    .with(
        "spec",
        Object::default().with("instanceGroups", texts(&class.instance_groups)),
    )
    .filled("status", status)
    .into()
}

fn spot(yes: bool) -> Option<Object> {
    yes.then(|| Object::default().with("Spot", Object::default()))
}

fn status_group(group: &InstanceGroupStatus) -> Value {
    let subnets: Value = group
        .subnets
        .iter()
        .map(|subnet| {
            Value::from(
                Object::default()
                    .with("id", text(&subnet.id))
                    .with("zone", text(&subnet.zone))
                    .with("zoneId", text(&subnet.zone_id)),
            )
        })
        .collect();
    Object::default()
        .with("name", text(&group.name))
        .with("instanceTypes", texts(&group.instance_types))
        .with("subnets", subnets)
        .some("capacities", spot(group.spot))
        .filled("desiredLabels", labels(&group.desired_labels))
        .filled("desiredTaints", taints(&group.desired_taints))
        .into()
}

pub(super) fn cluster(cluster: &HyperpodCluster) -> Value {
    let scaling = Object::default()
        .some("Mode", maybe(cluster.autoscaling_mode.as_ref()))
        .some("AutoScalerType", maybe(cluster.autoscaler_type.as_ref()))
        .some("Status", maybe(cluster.autoscaling_status.as_ref()))
        .some(
            "FailureMessage",
            maybe(cluster.autoscaling_failure.as_ref()),
        );
    let orchestrator = cluster.eks_cluster_arn.as_ref().map(|arn| {
        let eks = Object::default().with("ClusterArn", text(arn));
        Object::default().with("Eks", eks)
    });
    Object::default()
        .with("ClusterName", text(&cluster.name))
        .with("ClusterArn", text(&cluster.arn))
        .filled("ClusterStatus", text(&cluster.status))
        .filled("AutoScaling", scaling)
        .some(
            "NodeProvisioningMode",
            maybe(cluster.node_provisioning_mode.as_ref()),
        )
        .some("NodeRecovery", maybe(cluster.node_recovery.as_ref()))
        .some("ClusterRole", maybe(cluster.cluster_role.as_ref()))
        .some("Orchestrator", orchestrator)
        .with(
            "InstanceGroups",
            cluster
                .instance_groups
                .iter()
                .map(instance_group)
                .collect::<Value>(),
        )
        .into()
}

fn instance_group(group: &InstanceGroup) -> Value {
    let single = match group.instance_types.as_slice() {
        [one] if !group.flexible => Some(text(one)),
        _ => None,
    };
    let flexible = group
        .flexible
        .then(|| Object::default().with("DesiredInstanceTypes", texts(&group.instance_types)));
    let kubernetes = Object::default()
        .filled("DesiredLabels", labels(&group.desired_labels))
        .filled(
            "DesiredTaints",
            taints_named(&group.desired_taints, ["Key", "Value", "Effect"]),
        );
    let subnets = Object::default().filled("Subnets", texts(&group.subnet_ids));
    Object::default()
        .with("InstanceGroupName", text(&group.name))
        .filled("Status", text(&group.status))
        .with("CurrentCount", group.current_count)
        .with("TargetCount", group.target_count)
        .with("MinCount", group.min_count)
        .some("InstanceType", single)
        .some("InstanceRequirements", flexible)
        .some("CapacityRequirements", spot(group.spot))
        .some("ThreadsPerCore", group.threads_per_core)
        .filled("OverrideVpcConfig", subnets)
        .filled("KubernetesConfig", kubernetes)
        .some("TrainingPlanArn", maybe(group.training_plan.as_ref()))
        .filled("OnStartDeepHealthChecks", texts(&group.deep_health_checks))
        .into()
}

pub(super) fn instance_types(all: &InstanceTypes) -> Value {
    let types: Value = all.instance_types.iter().map(instance_type).collect();
    Object::of(
        "tetrapod/v1alpha1",
        "InstanceTypes",
        metadata(&all.node_class),
    )
    .with("instanceTypes", types)
    .into()
}

fn instance_type(one: &InstanceType) -> Value {
    Object::default()
        .with("name", text(&one.name))
        .with("capacity", resources(&one.capacity))
        .filled("overhead", resources(&one.overhead))
        .filled("requirements", requirements(&one.requirements))
        .filled("taints", taints(&one.taints))
        .with(
            "offerings",
            one.offerings.iter().map(offering).collect::<Value>(),
        )
        .into()
}

fn offering(offering: &Offering) -> Value {
    let capacity = offering.reservation_capacity;
    Object::default()
        .with("zone", text(&offering.zone))
        .with("capacityType", offering.capacity_type.as_str())
        .with("price", offering.price.map(price))
        .with("available", offering.available)
        .some("reservationId", maybe(offering.reservation_id.as_ref()))
        .some("reservationCapacity", (capacity > 0).then_some(capacity))
        .some("instanceGroup", maybe(offering.instance_group.as_ref()))
        .into()
}
