//! A HyperPod cluster as tests need it: two node classes over six groups of three zones, autoscaling in service.

use crate::model::cluster::Snapshot;
use crate::model::hyperpod::{
    HyperpodCluster, HyperpodNodeClass, InstanceGroup, InstanceGroupStatus, Subnet,
};
use crate::model::node::Condition;
use crate::model::node_pool::NodePool;
use crate::model::resources::Name;

fn names(list: &[&str]) -> Vec<Name> {
    list.iter().map(|name| Name::from(*name)).collect()
}

fn subnet(zone: &str) -> Subnet {
    Subnet {
        id: Name::from(format!("subnet-{zone}")),
        zone: Name::from(zone),
        ..Subnet::default()
    }
}

pub(crate) fn condition(kind: &str, status: &str) -> Condition {
    Condition {
        kind: Name::from(kind),
        status: Name::from(status),
        reason: Name::from(kind),
        ..Condition::default()
    }
}

/// A group of the class's status.
pub(crate) fn status(name: &str, types: &[&str], zones: &[&str]) -> InstanceGroupStatus {
    InstanceGroupStatus {
        name: Name::from(name),
        instance_types: names(types),
        subnets: zones.iter().map(|zone| subnet(zone)).collect(),
        ..InstanceGroupStatus::default()
    }
}

/// A group of the DescribeCluster record.
pub(crate) fn record(name: &str, types: &[&str], zones: &[&str]) -> InstanceGroup {
    InstanceGroup {
        name: Name::from(name),
        status: Name::from("InService"),
        instance_types: names(types),
        flexible: types.len() > 1,
        subnet_ids: zones.iter().map(|zone| subnet(zone).id).collect(),
        ..InstanceGroup::default()
    }
}

/// The cluster: `general` draws from CPU groups, one of them flexible, one spot; `gpu` from GPU groups.
pub(crate) fn snapshot() -> Snapshot {
    let groups: [(&str, &str, &[&str], &[&str]); 6] = [
        ("general", "cpu-a", &["ml.c5.4xlarge"], &["us-east-1a"]),
        ("general", "cpu-b", &["ml.c5.4xlarge"], &["us-east-1b"]),
        (
            "general",
            "flex",
            &["ml.m5.2xlarge", "ml.m5.4xlarge"],
            &["us-east-1a", "us-east-1b"],
        ),
        ("general", "spot-c", &["ml.m5.4xlarge"], &["us-east-1c"]),
        ("gpu", "g5-a", &["ml.g5.12xlarge"], &["us-east-1a"]),
        ("gpu", "p5-b", &["ml.p5.48xlarge"], &["us-east-1b"]),
    ];
    let mut snapshot = Snapshot::default();
    let mut cluster = HyperpodCluster {
        name: Name::from("ml-research"),
        status: Name::from("InService"),
        autoscaling_mode: Some(Name::from("Enable")),
        autoscaler_type: Some(Name::from("Karpenter")),
        autoscaling_status: Some(Name::from("InService")),
        node_provisioning_mode: Some(Name::from("Continuous")),
        node_recovery: Some(Name::from("Automatic")),
        cluster_role: Some(Name::from("arn:aws:iam::111122223333:role/autoscaling")),
        eks_cluster_arn: Some(Name::from(
            "arn:aws:eks:us-east-1:111122223333:cluster/ml-research",
        )),
        ..HyperpodCluster::default()
    };
    for class in ["general", "gpu"] {
        let mut object = HyperpodNodeClass {
            name: Name::from(class),
            conditions: ["InstanceGroupReady", "SubnetsReady", "Ready"]
                .map(|kind| condition(kind, "True"))
                .to_vec(),
            ..HyperpodNodeClass::default()
        };
        let mut statuses = Vec::new();
        for (_, group, types, zones) in groups.iter().filter(|(of, ..)| *of == class) {
            let spot = group.starts_with("spot");
            object.instance_groups.push(Name::from(*group));
            let mut status = status(group, types, zones);
            status.spot = spot;
            statuses.push(status);
            let mut record = record(group, types, zones);
            record.spot = spot;
            cluster.instance_groups.push(record);
        }
        object.status_groups = Some(statuses);
        snapshot.node_classes.push(object);
        snapshot.node_pools.push(NodePool::new(class, class));
    }
    snapshot.cluster = Some(cluster);
    snapshot
}

/// The record of the group `name`, to change it.
pub(crate) fn record_mut<'a>(snapshot: &'a mut Snapshot, name: &str) -> &'a mut InstanceGroup {
    let groups = &mut snapshot.cluster.as_mut().unwrap().instance_groups;
    groups.iter_mut().find(|g| &*g.name == name).unwrap()
}

/// The status of the group `name`, to change it.
pub(crate) fn status_mut<'a>(
    snapshot: &'a mut Snapshot,
    name: &str,
) -> &'a mut InstanceGroupStatus {
    let classes = snapshot.node_classes.iter_mut();
    let mut statuses = classes.flat_map(|class| class.status_groups.iter_mut().flatten());
    statuses.find(|g| &*g.name == name).unwrap()
}
