//! Volumes, claims, storage classes and attach limits (S-102..S-109).

use super::cursor::Cursor;
use super::meta::{labels, meta};
use super::requirement::term;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;
use crate::model::volume::{
    ClaimPhase, CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass,
};

const EBS: &str = "ebs.csi.aws.com";

/// The CSI name of an in-tree provisioner (S-108); CSI names stay.
fn csi_name(provisioner: &str) -> &str {
    match provisioner {
        "kubernetes.io/aws-ebs" => EBS,
        "kubernetes.io/gce-pd" => "pd.csi.storage.gke.io",
        "kubernetes.io/azure-disk" => "disk.csi.azure.com",
        "kubernetes.io/azure-file" => "file.csi.azure.com",
        "kubernetes.io/cinder" => "cinder.csi.openstack.org",
        "kubernetes.io/vsphere-volume" => "csi.vsphere.vmware.com",
        "kubernetes.io/portworx-volume" => "pxd.portworx.com",
        other => other,
    }
}

/// Reads a `v1` PersistentVolumeClaim.
pub(super) fn claim(root: &Cursor<'_, '_>) -> PersistentVolumeClaim {
    let read = meta(root);
    let spec = root.object("spec");
    let phase_at = root.object("status");
    let phase_at = phase_at.field("phase");
    let phase = if phase_at.value() == "" {
        None
    } else {
        phase_at.choice(&[
            ("Pending", ClaimPhase::Pending),
            ("Bound", ClaimPhase::Bound),
            ("Lost", ClaimPhase::Lost),
        ])
    };
    PersistentVolumeClaim {
        namespace: read.namespace,
        name: read.name,
        annotations: labels(&root.field("metadata").field("annotations")),
        deleting: read.deleted.is_some(),
        volume_name: spec.field("volumeName").filled(),
        storage_class_name: spec.field("storageClassName").filled(),
        access_modes: spec.field("accessModes").names(),
        phase: phase.unwrap_or_default(),
    }
}

/// Reads a `v1` PersistentVolume.
pub(super) fn volume(root: &Cursor<'_, '_>) -> PersistentVolume {
    let read = meta(root);
    let spec = root.object("spec");
    let affinity = spec.object("nodeAffinity");
    let required = affinity.object("required");
    let terms = required.field("nodeSelectorTerms").list(term);
    let csi = spec.object("csi");
    let driver = csi.field("driver").filled();
    let in_tree_ebs = !spec.object("awsElasticBlockStore").is_absent();
    PersistentVolume {
        name: read.name,
        deleting: read.deleted.is_some(),
        node_affinity: (!required.is_absent()).then_some(terms),
        host_bound: !spec.object("local").is_absent() || !spec.object("hostPath").is_absent(),
        driver: driver.or_else(|| in_tree_ebs.then(|| root.context().name(EBS))),
    }
}

/// Reads a `storage.k8s.io` StorageClass.
pub(super) fn storage_class(root: &Cursor<'_, '_>) -> StorageClass {
    let read = meta(root);
    let provisioner = root
        .field("provisioner")
        .required("the name of a provisioner");
    let waits = root.field("volumeBindingMode").choice(&[
        ("Immediate", false),
        ("WaitForFirstConsumer", true),
        ("", false),
    ]);
    StorageClass {
        name: read.name,
        provisioner: root
            .context()
            .name(csi_name(provisioner.as_deref().unwrap_or(""))),
        wait_for_first_consumer: waits.unwrap_or(false),
        allowed_topologies: root.field("allowedTopologies").list(|item| {
            if !item.is_object() {
                item.fault_if_absent("a topology selector term");
                return None;
            }
            Some(item.field("matchLabelExpressions").list(topology))
        }),
    }
}

fn topology(item: &Cursor<'_, '_>) -> Option<RequirementSpec> {
    if !item.is_object() {
        item.fault_if_absent("a topology expression");
        return None;
    }
    let values_at = item.field("values");
    let values = values_at.names();
    if super::meta::no_items(&values_at) {
        values_at.fault("at least one value");
    }
    let key = item.field("key").required("a label key")?;
    Some(RequirementSpec::new(key, Operator::In, values))
}

/// Reads a `storage.k8s.io` CSINode. A stated `allocatable` without a count means 0 (S-107).
pub(super) fn csi_node(root: &Cursor<'_, '_>) -> CsiNode {
    let name = meta(root).name;
    let spec = root.object("spec");
    let limits = spec.field("drivers").list(|item| {
        if !item.is_object() {
            item.fault_if_absent("a driver");
            return None;
        }
        let driver: Option<Name> = item.field("name").required("the name of the driver");
        let allocatable = item.object("allocatable");
        let count = allocatable.field("count").count(0).unwrap_or(0);
        (!allocatable.is_absent()).then_some((driver?, count))
    });
    CsiNode { name, limits }
}
