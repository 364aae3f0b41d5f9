//! Nodes and namespaces.

use super::cursor::Cursor;
use super::meta::{conditions, labels, meta, taints};
use crate::model::node::Node;
use crate::model::policy::Namespace;

/// Reads a `v1` Node.
pub(super) fn node(root: &Cursor<'_, '_>) -> Node {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec = root.object("spec");
    let status = root.object("status");
    Node {
        name: read.name,
        uid: read.uid,
        created: read.created,
        deleted: read.deleted,
        labels: labels(&metadata.field("labels")),
        annotations: labels(&metadata.field("annotations")),
        provider_id: spec.field("providerID").filled(),
        taints: taints(&spec.field("taints")),
        unschedulable: spec.field("unschedulable").flag(),
        capacity: status.field("capacity").resources(),
        allocatable: status.field("allocatable").resources(),
        conditions: conditions(&status.field("conditions")),
    }
}

/// Reads a `v1` Namespace.
pub(super) fn namespace(root: &Cursor<'_, '_>) -> Namespace {
    Namespace {
        name: meta(root).name,
        labels: labels(&root.field("metadata").field("labels")),
    }
}
