//! What a plan does for capacity buffers (S-133, S-134).

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::explain::reason::Reason;
use crate::model::resources::Name;
use crate::view::buffers::Buffers;

/// The `Provisioning` condition that a buffer would get (S-133).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BufferState {
    /// All its pods have room on existing nodes.
    FitsExistingCapacity,
    /// Some need a new node, or have no place.
    RequiresNewCapacity,
    /// It is not ready, or what it refers to is missing.
    NotReadyForProvisioning,
    /// It keeps room for no pod.
    BufferEmpty,
}

/// A capacity buffer: how much of it the plan keeps free. Its pods stand under `bufferPods` of nodes and claims; they do
/// not exist and count in no total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedBuffer {
    /// `namespace/name`.
    pub name: Name,
    /// How many pods it keeps room for.
    pub replicas: usize,
    /// How many of them have room on existing nodes.
    pub on_existing: usize,
    /// How many have room on new nodes.
    pub on_new: usize,
    /// How many have no place.
    pub pending: usize,
    /// The condition that follows.
    pub state: BufferState,
    /// Why it is not ready, or why some have no place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// Sets the pods of buffers in `plan` apart from those that exist.
pub fn set_apart(plan: &mut Plan, buffers: &Buffers) {
    if buffers.buffers.is_empty() {
        return;
    }
    let owners = buffers.owners();
    let mut rows: Vec<PlannedBuffer> = buffers
        .buffers
        .iter()
        .map(|buffer| PlannedBuffer {
            name: Name::clone(&buffer.key),
            replicas: buffer.pods.as_ref().map_or(0, Vec::len),
            on_existing: 0,
            on_new: 0,
            pending: 0,
            state: BufferState::FitsExistingCapacity,
            reasons: buffer.pods.as_ref().err().cloned().into_iter().collect(),
        })
        .collect();
    let part = |pods: &mut Vec<Name>| -> Vec<Name> {
        let (own, real) = std::mem::take(pods)
            .into_iter()
            .partition(|pod| owners.contains_key(pod));
        *pods = real;
        own
    };
    for node in &mut plan.existing_nodes {
        node.buffer_pods = part(&mut node.pods);
        for row in node.buffer_pods.iter().filter_map(|pod| owners.get(pod)) {
            rows[*row].on_existing += 1;
        }
    }
    for claim in &mut plan.new_node_claims {
        claim.buffer_pods = part(&mut claim.pods);
        for row in claim.buffer_pods.iter().filter_map(|pod| owners.get(pod)) {
            rows[*row].on_new += 1;
        }
    }
    plan.unschedulable.retain(|left| {
        let Some(row) = owners.get(&left.pod).and_then(|at| rows.get_mut(*at)) else {
            return true;
        };
        if row.pending == 0 {
            row.reasons.extend(left.reasons.iter().cloned());
        }
        row.pending += 1;
        false
    });
    for (row, buffer) in rows.iter_mut().zip(&buffers.buffers) {
        row.state = match &buffer.pods {
            Err(why) if why.message.ends_with(crate::view::buffers::EMPTY) => {
                BufferState::BufferEmpty
            }
            Err(_) => BufferState::NotReadyForProvisioning,
            Ok(_) if row.on_new + row.pending > 0 => BufferState::RequiresNewCapacity,
            Ok(_) => BufferState::FitsExistingCapacity,
        };
    }
    plan.buffers = rows;
}
