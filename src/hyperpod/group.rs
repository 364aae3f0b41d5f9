//! An instance group as a node class's status and the DescribeCluster record together tell of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cluster::Snapshot;
use crate::model::hyperpod::{HyperpodNodeClass, InstanceGroup, InstanceGroupStatus};
use crate::model::label::Labels;
use crate::model::options::Options;
use crate::model::resources::Name;
use crate::model::taint::Taint;

/// Most types of one group (H-35).
pub(crate) const MAX_TYPES: usize = 20;

/// Zones by subnet id, from the status of every node class.
#[derive(Debug, Default)]
pub(crate) struct SubnetZones<'a>(BTreeMap<&'a str, &'a Name>);

impl<'a> SubnetZones<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let groups = snapshot
            .node_classes
            .iter()
            .flat_map(|class| class.status_groups.iter().flatten());
        Self(
            groups
                .flat_map(|group| &group.subnets)
                .filter(|subnet| !subnet.zone.is_empty())
                .map(|subnet| (subnet.id.as_ref(), &subnet.zone))
                .collect(),
        )
    }
}

/// Why a group gives no offering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The rule's number.
    pub(crate) rule: &'static str,
    /// What is wrong and what would help.
    pub(crate) message: String,
}

/// A group; at least one of its two sources is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a Name,
    pub(crate) status: Option<&'a InstanceGroupStatus>,
    pub(crate) record: Option<&'a InstanceGroup>,
}

impl<'a> Group<'a> {
    /// The group `name` as `class` sees it; `None` if nothing tells of it.
    pub(crate) fn of_class(
        snapshot: &'a Snapshot,
        class: &'a HyperpodNodeClass,
        name: &'a Name,
    ) -> Option<Self> {
        Self::joined(
            name,
            class.status_groups.iter().flatten(),
            record(snapshot, name),
        )
    }

    /// The group `name` as any node class sees it; `None` if nothing tells of it.
    pub(crate) fn of_cluster(snapshot: &'a Snapshot, name: &'a Name) -> Option<Self> {
        let statuses = snapshot
            .node_classes
            .iter()
            .flat_map(|class| class.status_groups.iter().flatten());
        Self::joined(name, statuses, record(snapshot, name))
    }

    fn joined(
        name: &'a Name,
        mut statuses: impl Iterator<Item = &'a InstanceGroupStatus>,
        record: Option<&'a InstanceGroup>,
    ) -> Option<Self> {
        let status = statuses.find(|status| status.name == *name);
        (status.is_some() || record.is_some()).then_some(Self {
            name,
            status,
            record,
        })
    }

    /// Its types: what the autoscaler sees (the class's status), else the record; sorted, each once.
    pub(crate) fn types(&self) -> Vec<&'a Name> {
        let of_status = self.status.map(|status| &status.instance_types);
        let of_record = self.record.map(|record| &record.instance_types);
        let types: BTreeSet<&Name> = of_status
            .filter(|types| !types.is_empty())
            .or(of_record)
            .into_iter()
            .flatten()
            .collect();
        types.into_iter().collect()
    }

    /// Whether it buys spot capacity (H-37).
    pub(crate) fn is_spot(&self) -> bool {
        self.status.is_some_and(|status| status.spot)
            || self.record.is_some_and(|record| record.spot)
    }

    /// The zones of its subnets in name order, as far as they are known: from its status, else by subnet id from the
    /// other groups' (H-10, H-11).
    pub(crate) fn zones(&self, known: &SubnetZones<'a>) -> Vec<&'a Name> {
        let own: BTreeSet<&Name> = self
            .status
            .iter()
            .flat_map(|status| &status.subnets)
            .map(|subnet| &subnet.zone)
            .filter(|zone| !zone.is_empty())
            .collect();
        let zones = if own.is_empty() {
            self.record
                .iter()
                .flat_map(|record| &record.subnet_ids)
                .filter_map(|id| known.0.get(id.as_ref()).copied())
                .collect()
        } else {
            own
        };
        zones.into_iter().collect()
    }

    /// Labels its nodes get; where the sources differ the record, which is what the group was last set to, wins.
    pub(crate) fn labels(&self) -> Labels {
        let mut labels = self
            .status
            .map(|status| status.desired_labels.clone())
            .unwrap_or_default();
        for (key, value) in self.record.iter().flat_map(|r| r.desired_labels.iter()) {
            labels.set(Name::clone(key), Name::clone(value));
        }
        labels
    }

    /// Taints its nodes get, from both sources, in order.
    pub(crate) fn taints(&self) -> Vec<Taint> {
        let status = self.status.iter().flat_map(|status| &status.desired_taints);
        let record = self.record.iter().flat_map(|record| &record.desired_taints);
        let taints: BTreeSet<&Taint> = status.chain(record).collect();
        taints.into_iter().cloned().collect()
    }

    /// Why the autoscaler cannot buy from it at all; empty if it can.
    pub(crate) fn refusals(&self, options: &Options) -> Vec<Refusal> {
        let mut found = Vec::new();
        let mut refuse = |rule, message| found.push(Refusal { rule, message });
        if let Some(record) = self.record {
            if !record.status.is_empty() && record.status.as_ref() != "InService" {
                refuse(
                    "H-36",
                    format!(
                        "its status is {}; nodes can be added only while it is InService",
                        record.status
                    ),
                );
            }
            if record.min_count > 0 {
                refuse(
                    "H-34",
                    format!(
                        "its MinCount is {}; an autoscaled group needs 0",
                        record.min_count
                    ),
                );
            }
            if let Some(plan) = &record.training_plan {
                refuse(
                    "H-14",
                    format!(
                        "it buys from the training plan {plan}, which autoscaling does not support"
                    ),
                );
            }
            if !record.deep_health_checks.is_empty() {
                refuse(
                    "H-47",
                    format!(
                        "its nodes start with deep health checks ({}), which take longer than a launch may",
                        record.deep_health_checks.join(", ")
                    ),
                );
            }
        }
        if self.is_spot() && !options.allow_spot {
            refuse(
                "H-14",
                "it buys spot capacity and allowSpot is off".to_owned(),
            );
        }
        let types = self.types();
        if types.is_empty() {
            refuse("H-27", "no instance type of it is known".to_owned());
        } else if types.len() > MAX_TYPES {
            refuse(
                "H-35",
                format!(
                    "it has {} instance types; a group has at most {MAX_TYPES}",
                    types.len()
                ),
            );
        }
        found
    }
}

fn record<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a InstanceGroup> {
    snapshot
        .cluster
        .iter()
        .flat_map(|cluster| &cluster.instance_groups)
        .find(|group| group.name.as_ref() == name)
}
