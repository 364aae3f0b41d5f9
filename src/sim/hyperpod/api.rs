//! The operations of the fake: add, delete, describe, list.

use super::{Fake, Token};
use crate::base::time::{Span, Timestamp};
use crate::model::hyperpod::{HyperpodCluster, InstanceGroup};
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;
use crate::plan::NodesToAdd;
use crate::provisioning::api::{
    AddAnswer, AddRequest, AddedNode, CallError, DeleteAnswer, DeleteRequest, FailedAdd,
    FailedDelete, InstanceStatus, NodeRecord,
};

const TOKEN_LIFE: Span = Span::from_secs(8 * 3600);

impl Fake {
    /// `BatchAddClusterNodes` (H-25).
    ///
    /// # Errors
    /// As the API: limits of the request, throttling, quotas.
    pub fn add(&mut self, request: &AddRequest) -> Result<AddAnswer, CallError> {
        let entries = &request.body.nodes_to_add;
        self.check_add(request)?;
        if self.chance(self.weather.throttled) {
            return Err(CallError::Throttled);
        }
        let now = self.now;
        if let Some(token) = self.tokens.get(&request.client_token)
            && now.since(token.at) < TOKEN_LIFE
        {
            if token.body != request.body {
                return Err(self.violation("a client token was used for another request"));
            }
            let mut answer = token.answer.clone();
            for added in &mut answer.successful {
                added.status = self.status(&added.node_logical_id);
            }
            return Ok(answer);
        }
        for (name, quota) in &self.quotas {
            let of_type = self.nodes.values().filter(|n| n.market.0 == *name).count();
            let asked: u32 = entries
                .iter()
                .filter(|entry| self.type_of(entry).is_some_and(|t| t == *name))
                .map(|entry| entry.increment_target_count_by)
                .sum();
            if asked > 0
                && u32::try_from(of_type)
                    .unwrap_or(u32::MAX)
                    .saturating_add(asked)
                    > *quota
            {
                return Err(CallError::LimitExceeded(Name::from(format!(
                    "the quota of {quota} {name} would be exceeded"
                ))));
            }
        }
        if self.forgets {
            self.tokens
                .retain(|_, token| now.since(token.at) < TOKEN_LIFE);
        }
        let mut answer = AddAnswer::default();
        for entry in entries {
            self.add_entry(entry, &mut answer);
        }
        self.tokens.insert(
            Name::clone(&request.client_token),
            Token {
                at: now,
                body: request.body.clone(),
                answer: answer.clone(),
            },
        );
        Ok(answer)
    }

    fn violation(&mut self, text: &str) -> CallError {
        self.violations.push(text.to_owned());
        CallError::Refused(Name::from(text))
    }

    fn check_add(&mut self, request: &AddRequest) -> Result<(), CallError> {
        let entries = &request.body.nodes_to_add;
        let nodes: u64 = entries
            .iter()
            .map(|e| u64::from(e.increment_target_count_by))
            .sum();
        if entries.is_empty() || entries.len() > 5 {
            return Err(self.violation("an add has 1 to 5 entries"));
        }
        if nodes > 50 || entries.iter().any(|e| e.increment_target_count_by == 0) {
            return Err(self.violation("an add asks for 1 to 50 nodes"));
        }
        if request.client_token.is_empty() || request.client_token.chars().count() > 64 {
            return Err(self.violation("a client token has 1 to 64 characters"));
        }
        if entries
            .iter()
            .any(|e| e.availability_zones.len() > 10 || e.instance_types.len() > 20)
        {
            return Err(self.violation("an entry names at most 10 zones and 20 types"));
        }
        Ok(())
    }

    fn type_of(&self, entry: &NodesToAdd) -> Option<Name> {
        let group = self.groups.get(&entry.instance_group_name)?;
        let asked = entry.instance_types.first();
        asked.or_else(|| group.instance_types.first()).cloned()
    }

    fn add_entry(&mut self, entry: &NodesToAdd, answer: &mut AddAnswer) {
        let failed = |code: &str| FailedAdd {
            instance_group_name: Name::clone(&entry.instance_group_name),
            error_code: Name::from(code),
            failed_count: entry.increment_target_count_by,
            message: Name::from(code),
            availability_zones: entry.availability_zones.clone(),
            instance_types: entry.instance_types.clone(),
        };
        let Some(group) = self.groups.get(&entry.instance_group_name).cloned() else {
            return answer.failed.push(failed("InstanceGroupNotFound"));
        };
        if &*group.status != "InService" {
            return answer.failed.push(failed("InvalidInstanceGroupStatus"));
        }
        let outside = |asked: &[Name], of: &[Name]| asked.iter().any(|a| !of.contains(a));
        if outside(&entry.availability_zones, &group.zones) {
            return answer.failed.push(failed("IncompatibleAvailabilityZones"));
        }
        if outside(&entry.instance_types, &group.instance_types) {
            return answer.failed.push(failed("IncompatibleInstanceTypes"));
        }
        let first = |asked: &[Name], of: &[Name]| asked.first().or_else(|| of.first()).cloned();
        let (Some(instance_type), Some(zone)) = (
            first(&entry.instance_types, &group.instance_types),
            first(&entry.availability_zones, &group.zones),
        ) else {
            return answer.failed.push(failed("IncompatibleInstanceTypes"));
        };
        for _ in 0..entry.increment_target_count_by {
            let market = (
                Name::clone(&instance_type),
                Name::clone(&zone),
                group.capacity_type,
            );
            let logical = self.want(&group.name, market);
            answer.successful.push(AddedNode {
                node_logical_id: logical,
                instance_group_name: Name::clone(&group.name),
                status: InstanceStatus::Pending,
                availability_zones: entry.availability_zones.clone(),
                instance_types: entry.instance_types.clone(),
            });
        }
    }

    fn status(&self, logical: &str) -> InstanceStatus {
        match self.nodes.get(logical) {
            None => InstanceStatus::NotFound,
            Some(node) if node.ending.is_some() => InstanceStatus::ShuttingDown,
            Some(node) if node.instance.as_ref().is_some_and(|i| i.running) => {
                InstanceStatus::Running
            }
            Some(node) if node.failed => InstanceStatus::Failure,
            Some(_) => InstanceStatus::Pending,
        }
    }

    /// `BatchDeleteClusterNodes` (H-26).
    ///
    /// # Errors
    /// As the API: limits of the request, throttling.
    pub fn delete(&mut self, request: &DeleteRequest) -> Result<DeleteAnswer, CallError> {
        let ids = &request.node_logical_ids;
        if ids.is_empty() || ids.len() > 50 {
            return Err(self.violation("a delete names 1 to 50 ids"));
        }
        if self.chance(self.weather.throttled) {
            return Err(CallError::Throttled);
        }
        let mut answer = DeleteAnswer::default();
        for logical in ids {
            match self.delete_one(logical) {
                Ok(()) => answer
                    .successful_node_logical_ids
                    .push(Name::clone(logical)),
                Err(code) => answer.failed_node_logical_ids.push(FailedDelete {
                    code: Name::from(code),
                    message: Name::from(code),
                    node_logical_id: Name::clone(logical),
                }),
            }
        }
        Ok(answer)
    }

    fn delete_one(&mut self, logical: &Name) -> Result<(), &'static str> {
        let in_use = self.weather.in_use;
        let Some(node) = self.nodes.get(logical) else {
            return Err("NodeLogicalIdNotFound");
        };
        if node.ending.is_some() {
            return Ok(());
        }
        let status = self.groups.get(&node.group).map(|g| &*g.status);
        if matches!(status, Some("Creating" | "Updating")) {
            return Err("InvalidNodeStatus");
        }
        if self.chance(in_use) {
            return Err("NodeIdInUse");
        }
        self.terminate(logical);
        Ok(())
    }

    /// `DescribeCluster` (H-27).
    #[must_use]
    pub fn describe(&self) -> HyperpodCluster {
        let on = &*self.autoscaling != "Disabled";
        HyperpodCluster {
            name: Name::from("fake"),
            status: Name::from("InService"),
            autoscaling_mode: Some(Name::from(if on { "Enable" } else { "Disable" })),
            autoscaling_status: on.then(|| Name::clone(&self.autoscaling)),
            autoscaling_failure: (&*self.autoscaling == "Failed")
                .then(|| Name::from("the role cannot be assumed")),
            instance_groups: self
                .groups
                .values()
                .map(|group| InstanceGroup {
                    name: Name::clone(&group.name),
                    status: Name::clone(&group.status),
                    instance_types: group.instance_types.clone(),
                    spot: group.capacity_type == CapacityType::Spot,
                    min_count: group.min_count,
                    ..InstanceGroup::default()
                })
                .collect(),
            ..HyperpodCluster::default()
        }
    }

    /// `ListClusterNodes` (H-29), as of now.
    #[must_use]
    pub fn list(&self) -> Vec<NodeRecord> {
        self.nodes
            .iter()
            .map(|(logical, node)| {
                let status = self.status(logical);
                let mut record =
                    NodeRecord::new(Name::clone(&node.group), Name::clone(logical), status);
                record.instance_type = Name::clone(&node.market.0);
                record.availability_zone = Name::clone(&node.market.1);
                if let Some(instance) = &node.instance {
                    record.instance_id = Some(Name::clone(&instance.id));
                    record.launch_time = instance.scripted.then_some(instance.launched);
                }
                record
            })
            .collect()
    }

    /// The clock of the fake.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }
}
