//! What HyperPod says: records of the cluster and its nodes, events.

use serde::{Deserialize, Serialize};

use super::api::{InstanceStatus, NodeRecord};
use super::calls::What;
use super::conditions::ClusterView;
use super::events::{ClusterEvent, EventKind};
use super::ids::NodeId;
use super::input::{KubeChange, KubeEvent, Listing};
use super::machine::Machine;
use super::node::{Deletion, Phase};
use crate::base::time::{Span, Timestamp};
use crate::hyperpod::enablement::Enablement;
use crate::model::hyperpod::HyperpodCluster;
use crate::model::resources::Name;

/// How long Kubernetes events of an unknown instance are remembered.
const STRANGER_MEMORY: Span = Span::from_secs(3600);
/// How many of them.
const STRANGER_CHANGES: usize = 16;
/// How many events of unknown kinds are kept (M-19).
const UNKNOWN_EVENTS: usize = 64;

/// An instance that Kubernetes speaks of and HyperPod has not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stranger {
    pub(super) changes: Vec<KubeChange>,
    at: Timestamp,
}

/// A node in a managed group that no request is known to have asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Foreign {
    /// The start of the first listing that showed it.
    first: Timestamp,
    /// The start of the last one.
    last: Timestamp,
    /// Whether people were told. They are not while it may belong to a request without an answer.
    pub(super) reported: bool,
}

impl Machine {
    /// `DescribeCluster`. O(groups), and O(nodes) where pools are being deleted.
    pub(super) fn describe(&mut self, record: &HyperpodCluster) {
        let state = Enablement::of(record);
        let blocker = match &state {
            Enablement::InService => None,
            Enablement::Unstated => Some("autoscaling was never enabled".to_owned()),
            Enablement::Disabled
            | Enablement::Creating
            | Enablement::Failed(_)
            | Enablement::Deleting
            | Enablement::Other(_) => state.blocker(),
        };
        let view = ClusterView {
            blocker: blocker.map(Name::from),
            groups: record
                .instance_groups
                .iter()
                .map(|group| (Name::clone(&group.name), Name::clone(&group.status)))
                .collect(),
            min_counts: record
                .instance_groups
                .iter()
                .filter(|group| group.min_count > 0)
                .map(|group| Name::clone(&group.name))
                .collect(),
        };
        if self.state.cluster.as_ref() == Some(&view) {
            return;
        }
        let was = self.state.cluster.replace(view);
        let was = was.map(|view| view.blocker);
        let is = self.blocker();
        if was != Some(is.clone()) {
            let (warning, text) = match is {
                None => (false, "autoscaling is InService".to_owned()),
                Some(text) => (true, text.as_ref().to_owned()),
            };
            self.notice(warning, "Autoscaling", "H-5", "cluster".to_owned(), text);
        }
        self.reconcile();
    }

    /// A page of `ListClusterNodes`. O(records x log nodes).
    pub(super) fn list(&mut self, listing: Listing) {
        let now = self.state.now;
        let began = listing.began.min(now);
        for record in &listing.records {
            self.record(record, began);
        }
        if listing.last {
            self.sweep_over(began);
        }
    }

    fn record(&mut self, record: &NodeRecord, began: Timestamp) {
        let Some(id) = self.owner(record, began) else {
            return;
        };
        let now = self.state.now;
        let Some(node) = self.state.nodes.get_mut(&id) else {
            return;
        };
        node.missing_since = None;
        if began > node.seen {
            self.index.by_seen.remove(&(node.seen, id));
            node.seen = began;
            self.index.by_seen.insert((began, id));
        }
        if began < node.bound_at {
            return;
        }
        let logical = &record.node_logical_id;
        if let (Some(instance), Some(launched)) = (&record.instance_id, record.launch_time) {
            self.state.ledger.started(logical, instance, launched);
        }
        match &record.instance_status {
            InstanceStatus::NotFound => self.vanished(id, "HyperPod does not know it any more"),
            InstanceStatus::Failure => {
                if let Some(node) = self.state.nodes.get_mut(&id) {
                    node.bound_at = began;
                }
                self.unbind(id);
                self.state.ledger.only(logical, None, now);
            }
            InstanceStatus::ShuttingDown => {
                if self
                    .state
                    .nodes
                    .get(&id)
                    .is_some_and(|node| matches!(node.deletion, Deletion::Asked(_)))
                {
                    return;
                }
                self.deletion_accepted(id);
            }
            InstanceStatus::Pending
            | InstanceStatus::SystemUpdating
            | InstanceStatus::DeepHealthCheckInProgress
            | InstanceStatus::Other(_) => {
                if let Some(instance) = &record.instance_id {
                    self.bind(id, instance, began);
                }
            }
            InstanceStatus::Running => {
                if let Some(instance) = &record.instance_id {
                    self.bind(id, instance, began);
                }
                self.running(id);
            }
        }
    }

    fn running(&mut self, id: NodeId) {
        if self
            .state
            .nodes
            .get(&id)
            .is_some_and(|node| node.phase < Phase::Running && node.instance_id.is_some())
        {
            self.set_phase(id, Phase::Running);
        }
    }

    /// The node that a record is about. One of a request that was never answered is taken in as a late arrival (H-67); one
    /// of nobody is reported (H-9).
    fn owner(&mut self, record: &NodeRecord, began: Timestamp) -> Option<NodeId> {
        let logical = &record.node_logical_id;
        if let Some(id) = self.index.by_logical.get(logical) {
            return Some(*id);
        }
        if matches!(
            record.instance_status,
            InstanceStatus::ShuttingDown | InstanceStatus::NotFound
        ) {
            return None;
        }
        let group = &record.instance_group_name;
        let first = self.sighted(record, began);
        let of_open_call = self.state.calls.values().any(|call| match &call.what {
            What::Add(entries) => entries.iter().any(|e| e.add.instance_group_name == *group),
            What::Delete(_) => false,
        });
        if of_open_call {
            return None;
        }
        let late = self.late_arrival(record, first);
        if let Some(id) = late {
            self.index.lost.remove(&id);
            if let Some(node) = self.state.nodes.get_mut(&id) {
                node.deletion = Deletion::None;
            }
            self.set_phase(id, Phase::Requested);
            self.make_spare(id);
            self.accepted(id, logical);
            self.notice(
                false,
                "LateArrival",
                "H-67",
                id.to_string(),
                format!("{logical} came although its request was given up"),
            );
            return Some(id);
        }
        if let Some(foreign) = self.state.foreign.get_mut(logical)
            && !foreign.reported
        {
            foreign.reported = true;
            self.notice(
                true,
                "ForeignNode",
                "H-9",
                format!("instance group {group}"),
                format!("{logical} is not a node of the autoscaler; it is left alone"),
            );
        }
        None
    }

    /// Notes that a listing has shown a node of nobody. Returns the start of the first one that did.
    fn sighted(&mut self, record: &NodeRecord, began: Timestamp) -> Timestamp {
        if !self.index.groups.contains_key(&record.instance_group_name) {
            return began;
        }
        let logical = Name::clone(&record.node_logical_id);
        let foreign = self.state.foreign.entry(logical).or_insert(Foreign {
            first: began,
            last: began,
            reported: false,
        });
        foreign.first = foreign.first.min(began);
        foreign.last = foreign.last.max(began);
        foreign.first
    }

    /// The lost node that a record of nobody's node may be about. Not if it was there before that was asked for, and not
    /// where HyperPod launches nodes for a MinCount, which nothing tells from ours (H-34): what is not surely ours is not
    /// deleted (H-9).
    fn late_arrival(&self, record: &NodeRecord, first: Timestamp) -> Option<NodeId> {
        let group = &record.instance_group_name;
        let cluster = self.state.cluster.as_ref();
        if cluster.is_none_or(|cluster| cluster.min_counts.contains(group)) {
            return None;
        }
        self.index.lost.iter().copied().find(|id| {
            let Some(node) = self.state.nodes.get(id) else {
                return false;
            };
            // A node without a logical id has started when it was asked for.
            let Some(offering) = self.state.offers.get(node.offering) else {
                return false;
            };
            node.started <= first
                && offering.instance_group == *group
                && (record.instance_type.is_empty()
                    || offering.instance_type == record.instance_type)
                && (record.availability_zone.is_empty()
                    || offering.zone == record.availability_zone)
        })
    }

    /// The sweep that began at `began` is complete: what it has not shown is missing.
    fn sweep_over(&mut self, began: Timestamp) {
        let now = self.state.now;
        let grace = self.state.config.missing_grace;
        let missing: Vec<NodeId> = self
            .index
            .by_seen
            .iter()
            .take_while(|(seen, _)| *seen < began)
            .map(|(_, id)| *id)
            .collect();
        for id in missing {
            let Some(node) = self.state.nodes.get_mut(&id) else {
                continue;
            };
            let since = *node.missing_since.get_or_insert(now);
            if node.deletion == Deletion::Accepted && node.since < began {
                self.gone(id);
            } else if now.since(since) >= grace {
                self.vanished(id, "HyperPod has not listed it for a while");
            }
        }
        // Requests that were given up before this sweep and have shown nothing in it came to nothing.
        let lost: Vec<NodeId> = self.index.lost.iter().copied().collect();
        for id in lost {
            let since = self.state.nodes.get(&id).map(|node| node.since);
            if since.is_some_and(|since| began.since(since) >= grace) {
                self.gone(id);
            }
        }
        self.state.foreign.retain(|_, node| node.last >= began);
        self.state
            .strangers
            .retain(|_, stranger| now.since(stranger.at) < STRANGER_MEMORY);
    }

    pub(super) fn remember_stranger(&mut self, event: &KubeEvent) {
        if event.change == KubeChange::Gone {
            self.state.strangers.remove(&event.instance_id);
            return;
        }
        let at = self.state.now;
        let stranger = self
            .state
            .strangers
            .entry(Name::clone(&event.instance_id))
            .or_insert(Stranger {
                changes: Vec::new(),
                at,
            });
        if stranger.changes.len() < STRANGER_CHANGES {
            stranger.changes.push(event.change);
        }
    }

    /// An event of the cluster.
    pub(super) fn event(&mut self, event: &ClusterEvent) {
        let at = event.event_time.min(self.state.now);
        let kind = event.kind();
        self.state.ledger.hear(event, self.state.now);
        match kind {
            EventKind::Unknown => {
                self.state.ignored = self.state.ignored.saturating_add(1);
                if self.state.unknown.len() == UNKNOWN_EVENTS {
                    self.state.unknown.pop_front();
                }
                self.state.unknown.push_back(event.clone());
                return;
            }
            EventKind::Group | EventKind::Cluster => {
                if &*event.event_level == "Error" {
                    let subject = match &event.instance_group_name {
                        Some(group) => format!("instance group {group}"),
                        None => "cluster".to_owned(),
                    };
                    let text = event.failure_message.as_ref().unwrap_or(&event.description);
                    self.notice(true, "ClusterEvent", "H-41", subject, text.to_string());
                }
                return;
            }
            EventKind::InsufficientCapacity
            | EventKind::LifecycleStarted
            | EventKind::LifecycleSucceeded
            | EventKind::LifecycleFailed
            | EventKind::Terminating
            | EventKind::InstanceFailed => {}
        }
        let owner = event
            .node_logical_id
            .as_ref()
            .and_then(|logical| self.index.by_logical.get(logical).copied());
        let Some(id) = owner else { return };
        let current = self
            .state
            .nodes
            .get(&id)
            .is_some_and(|n| n.instance_id.is_some() && n.instance_id == event.instance_id);
        match kind {
            EventKind::InsufficientCapacity => {
                // It had an instance since then.
                let over = self
                    .state
                    .nodes
                    .get(&id)
                    .is_some_and(|n| n.instance_at > at);
                if !over {
                    self.no_capacity(id);
                }
            }
            EventKind::LifecycleStarted => {
                if let Some(instance) = &event.instance_id {
                    self.bind(id, instance, at);
                }
            }
            EventKind::LifecycleSucceeded => {
                if let Some(instance) = &event.instance_id {
                    self.bind(id, instance, at);
                }
                self.running(id);
            }
            EventKind::LifecycleFailed | EventKind::InstanceFailed => {
                let text = event.failure_message.as_ref().unwrap_or(&event.description);
                self.notice(
                    true,
                    "InstanceFailed",
                    "H-33",
                    id.to_string(),
                    format!("{text}; HyperPod tries another instance"),
                );
                if current {
                    self.lost_instance(id, at);
                }
            }
            EventKind::Terminating => {
                if current {
                    self.lost_instance(id, at);
                }
            }
            EventKind::Group | EventKind::Cluster | EventKind::Unknown => {}
        }
    }

    fn lost_instance(&mut self, id: NodeId, at: Timestamp) {
        if let Some(node) = self.state.nodes.get_mut(&id) {
            node.bound_at = node.bound_at.max(at);
            node.instance_at = node.instance_at.max(at);
        }
        self.unbind(id);
    }
}
