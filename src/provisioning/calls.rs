//! Calls of the API: requests within its limits, client tokens, repetitions (H-25, H-26).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::api::{AddRequest, CallError, DeleteRequest, MAX_DELETES, Outcome, TOKEN_HOURS};
use super::ids::{CallId, NodeId, OfferingId};
use super::machine::{Machine, Timer};
use super::node::Deletion;
use super::output::{Launch, Output};
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;
use crate::plan::scaling::{MAX_ENTRIES, MAX_NODES};
use crate::plan::{BatchAddClusterNodes, NodesToAdd};

/// How long a request may be repeated: the tokens' life less room for a last call on its way.
const TOKEN_LIFE: Span = Span::from_secs(TOKEN_HOURS * 3600 - 900);
/// How often calls are looked at that autoscaling does not permit now.
pub(super) const BLOCKED_PAUSE: Span = Span::from_secs(60);

/// A call without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) what: What,
    /// When it was first sent.
    pub(super) first: Timestamp,
    pub(super) tries: u32,
    /// Whether it is out; else it waits to be sent.
    pub(super) sent: bool,
    /// Whether it may have taken effect although no answer says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubt: bool,
    /// When it is sent again.
    pub(super) due: Timestamp,
}

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// Nodes by entry. The entries never change, because the token stands for them.
    Add(Vec<Entry>),
    /// Nodes to delete.
    Delete(Vec<NodeId>),
}

/// An entry of an add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) add: NodesToAdd,
    pub(super) offering: OfferingId,
    pub(super) nodes: Vec<NodeId>,
}

impl Machine {
    /// Asks for `nodes`: entries by offering, in the order of group, zone and type, cut to what one request may hold.
    pub(super) fn call_add(&mut self, nodes: Vec<NodeId>) {
        let mut wanted: BTreeMap<[Name; 3], (OfferingId, Vec<NodeId>)> = BTreeMap::new();
        for id in nodes {
            let Some(offering_id) = self.state.nodes.get(&id).map(|node| node.offering) else {
                continue;
            };
            let Some(offering) = self.state.offers.get(offering_id) else {
                continue;
            };
            let key = [
                &offering.instance_group,
                &offering.zone,
                &offering.instance_type,
            ]
            .map(Name::clone);
            let entry = wanted.entry(key).or_insert((offering_id, Vec::new()));
            entry.1.push(id);
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut room = MAX_NODES;
        for ([group, zone, instance_type], (offering, nodes)) in wanted {
            let mut rest = nodes.as_slice();
            while !rest.is_empty() {
                if room == 0 || entries.len() == MAX_ENTRIES {
                    self.send_add(std::mem::take(&mut entries));
                    room = MAX_NODES;
                }
                let count = u32::try_from(rest.len()).unwrap_or(u32::MAX).min(room);
                let (now, later) = rest.split_at(usize::try_from(count).unwrap_or(rest.len()));
                let config = self.group_config(&group);
                let one_zone = config.is_some_and(|g| g.zones.as_slice() == [Name::clone(&zone)]);
                let one_type = config
                    .is_some_and(|g| g.instance_types.as_slice() == [Name::clone(&instance_type)]);
                let named = |name: &Name, implied: bool| -> Vec<Name> {
                    (!implied).then(|| Name::clone(name)).into_iter().collect()
                };
                entries.push(Entry {
                    add: NodesToAdd {
                        instance_group_name: Name::clone(&group),
                        increment_target_count_by: count,
                        availability_zones: named(&zone, one_zone),
                        instance_types: named(&instance_type, one_type),
                    },
                    offering,
                    nodes: now.to_vec(),
                });
                room -= count;
                rest = later;
            }
        }
        if !entries.is_empty() {
            self.send_add(entries);
        }
    }

    pub(super) fn send_add(&mut self, entries: Vec<Entry>) {
        let id = CallId(self.state.next_call.next());
        let now = self.state.now;
        self.state.calls.insert(
            id,
            Call {
                what: What::Add(entries),
                first: now,
                tries: 0,
                sent: false,
                doubt: false,
                due: now,
            },
        );
        self.send(id);
    }

    pub(super) fn arm_call(&mut self, id: CallId, at: Timestamp) {
        let at = self.after(at);
        if let Some(call) = self.state.calls.get_mut(&id) {
            self.index.timers.remove(&(call.due, Timer::Call(id)));
            call.due = at;
            self.index.timers.insert((at, Timer::Call(id)));
        }
    }

    /// Sends a call, for the first time or again.
    fn send(&mut self, id: CallId) {
        let now = self.state.now;
        let Some(call) = self.state.calls.get_mut(&id) else {
            return;
        };
        call.tries = call.tries.saturating_add(1);
        call.sent = true;
        let output = self
            .state
            .calls
            .get(&id)
            .and_then(|call| self.body(id, call));
        if let Some(output) = output {
            self.emit(output);
        }
        self.arm_call(id, now.plus(self.state.config.answer_deadline));
    }

    fn body(&self, id: CallId, call: &Call) -> Option<Output> {
        match &call.what {
            What::Add(entries) => {
                let mut launches = Vec::new();
                for node in entries.iter().flat_map(|entry| &entry.nodes) {
                    let node = self.state.nodes.get(node)?;
                    launches.push(Launch {
                        node: node.id,
                        order: node.order.unwrap_or_default(),
                        node_pool: Name::clone(&self.pool(node.pool)?.config.name),
                        offering: self.state.offers.get(node.offering)?.clone(),
                    });
                }
                Some(Output::Add {
                    call: id,
                    request: AddRequest {
                        client_token: self.token(id),
                        body: BatchAddClusterNodes {
                            cluster_name: Name::clone(&self.state.config.cluster_name),
                            nodes_to_add: entries.iter().map(|entry| entry.add.clone()).collect(),
                        },
                    },
                    launches,
                })
            }
            What::Delete(nodes) => Some(Output::Delete {
                call: id,
                request: DeleteRequest {
                    cluster_name: Name::clone(&self.state.config.cluster_name),
                    node_logical_ids: nodes
                        .iter()
                        .filter_map(|id| self.state.nodes.get(id)?.logical_id.clone())
                        .collect(),
                },
            }),
        }
    }

    /// The same for every repetition of a call, another for every other call (row 4).
    fn token(&self, id: CallId) -> Name {
        Name::from(format!("tetrapod-{:016x}-{:016x}", self.state.seed, id.0))
    }

    /// Asks to delete the nodes that are due for it.
    pub(super) fn call_delete(&mut self) {
        while !self.index.queued.is_empty() {
            let mut nodes = Vec::new();
            while nodes.len() < MAX_DELETES
                && let Some(id) = self.index.queued.pop_first()
            {
                if self.group_refuses_deletion(id) {
                    self.delete_later(id);
                } else {
                    nodes.push(id);
                }
            }
            if nodes.is_empty() {
                return;
            }
            let call = CallId(self.state.next_call.next());
            for id in &nodes {
                if let Some(node) = self.state.nodes.get_mut(id) {
                    node.deletion = Deletion::Asked(call);
                }
            }
            let now = self.state.now;
            self.state.calls.insert(
                call,
                Call {
                    what: What::Delete(nodes),
                    first: now,
                    tries: 0,
                    sent: false,
                    doubt: false,
                    due: now,
                },
            );
            self.send(call);
        }
    }

    /// H-34: a group that waits for its MinCount refuses deletions too. One that is not there refuses nothing.
    fn group_refuses_deletion(&self, id: NodeId) -> bool {
        let offering = self.state.nodes.get(&id).map(|node| node.offering);
        let Some(offering) = offering.and_then(|o| self.state.offers.get(o)) else {
            return false;
        };
        let cluster = self.state.cluster.as_ref();
        let status = cluster.and_then(|c| c.groups.get(&offering.instance_group));
        status.is_some_and(|status| matches!(&**status, "Creating" | "Updating"))
    }

    pub(super) fn call_due(&mut self, id: CallId) {
        let now = self.state.now;
        let Some(call) = self.state.calls.get(&id) else {
            return;
        };
        if call.sent {
            self.answer(id, Outcome::Failed(CallError::NoAnswer));
            return;
        }
        if now.since(call.first) > TOKEN_LIFE {
            self.lose(id);
        } else if self.blocker().is_some() {
            self.arm_call(id, now.plus(BLOCKED_PAUSE));
        } else if let Some(gate) = self.state.gate {
            self.arm_call(id, gate);
        } else {
            self.send(id);
        }
    }

    /// Hands out again whatever was handed out and has shown no effect yet.
    pub(super) fn repeat_all(&mut self) {
        let out: Vec<CallId> = self
            .state
            .calls
            .iter()
            .filter(|(_, call)| call.sent)
            .map(|(id, _)| *id)
            .collect();
        for id in out {
            self.answer(id, Outcome::Failed(CallError::NoAnswer));
        }
        let nodes: Vec<NodeId> = self.state.nodes.keys().copied().collect();
        for id in nodes {
            self.repeat_node(id);
        }
        let orders: Vec<_> = self
            .state
            .orders
            .iter()
            .filter_map(|(id, order)| Some((*id, order.retry_at()?)))
            .collect();
        for (id, at) in orders {
            self.index.timers.remove(&(at, Timer::Order(id)));
            self.order_due(id);
        }
        for document in self.state.statuses.clone() {
            self.emit(Output::Status(document));
        }
        self.state.released.clear();
        self.release();
    }

    pub(super) fn take_call(&mut self, id: CallId) -> Option<Call> {
        let call = self.state.calls.remove(&id)?;
        self.index.timers.remove(&(call.due, Timer::Call(id)));
        Some(call)
    }
}
