//! What can be read off the machine between inputs.

use super::conditions::StatusDocument;
use super::events::ClusterEvent;
use super::ids::NodeId;
use super::ledger::Ledger;
use super::machine::Machine;
use super::node::{Node, Phase};
use super::output::{Offering, Unavailability};
use crate::model::label::{
    CAPACITY_TYPE, INITIALIZED, INSTANCE_GROUP, INSTANCE_TYPE, NODE_POOL, REGISTERED, ZONE,
};
use crate::model::node::Condition;
use crate::model::node_claim::NodeClaim;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;

impl Machine {
    /// All nodes that are not known to be gone, in the order in which they were asked for.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.state.nodes.values()
    }

    /// A node. O(log nodes).
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.state.nodes.get(&id)
    }

    /// The node that HyperPod calls `logical_id`. O(log nodes).
    #[must_use]
    pub fn by_logical_id(&self, logical_id: &str) -> Option<&Node> {
        self.node(*self.index.by_logical.get(logical_id)?)
    }

    /// The node behind which `instance_id` stands. O(log nodes).
    #[must_use]
    pub fn by_instance_id(&self, instance_id: &str) -> Option<&Node> {
        self.node(*self.index.by_instance.get(instance_id)?)
    }

    /// How a node is bought; `None` for a node of another machine.
    #[must_use]
    pub fn offering(&self, node: &Node) -> Option<&Offering> {
        self.state.offers.get(node.offering)
    }

    /// The pool of a node.
    #[must_use]
    pub fn node_pool(&self, node: &Node) -> Option<&Name> {
        Some(&self.pool(node.pool)?.config.name)
    }

    /// Offerings of plans so far that are not to be planned with now: they have failed lately, or their group cannot be
    /// added to. O(offerings).
    #[must_use]
    pub fn unavailable(&self) -> Vec<(Offering, Unavailability)> {
        let now = self.state.now;
        self.state
            .offers
            .all()
            .filter_map(|(id, offering)| {
                let group = self.group_refusal(&offering.instance_group);
                let reason = group
                    .map(Unavailability::Group)
                    .or_else(|| self.state.offers.blocked(id, now))?;
                Some((offering.clone(), reason))
            })
            .collect()
    }

    /// What nodes have cost.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// Conditions of node classes and pools.
    #[must_use]
    pub fn statuses(&self) -> &[StatusDocument] {
        &self.state.statuses
    }

    /// How many orders wait for a node.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.state.orders.len()
    }

    /// How many inputs meant nothing: events of unknown kinds (H-41) and answers to calls that are over.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.state.ignored
    }

    /// The last 64 events of unknown kinds, oldest first (M-19).
    pub fn unknown_events(&self) -> impl Iterator<Item = &ClusterEvent> {
        self.state.unknown.iter()
    }

    /// Logical ids in managed groups that are not the machine's (H-9).
    pub fn foreign(&self) -> impl Iterator<Item = &Name> {
        let foreign = self.state.foreign.iter();
        foreign.filter_map(|(logical, of)| of.reported.then_some(logical))
    }

    /// The nodes that are not leaving as NodeClaims, for the snapshot that the next plan is made from: what is on its way
    /// is not bought again (M-11). O(nodes).
    #[must_use]
    pub fn node_claims(&self) -> Vec<NodeClaim> {
        self.state
            .nodes
            .values()
            .filter(|node| !node.is_leaving())
            .filter_map(|node| self.node_claim(node))
            .collect()
    }

    /// The NodeClaim of `node`, named by its pool and number.
    #[must_use]
    pub fn node_claim(&self, node: &Node) -> Option<NodeClaim> {
        let pool = &self.pool(node.pool)?.config;
        let offering = self.offering(node)?;
        let mut claim = NodeClaim {
            name: Name::from(format!("{}-{:05}", pool.name, node.id.number())),
            node_class: Name::clone(&pool.node_class),
            provider_id: node.instance_id.clone(),
            ..NodeClaim::default()
        };
        let capacity_type = Name::from(offering.capacity_type.as_str());
        for (key, value) in [
            (NODE_POOL, &pool.name),
            (INSTANCE_GROUP, &offering.instance_group),
            (INSTANCE_TYPE, &offering.instance_type),
            (ZONE, &offering.zone),
            (CAPACITY_TYPE, &capacity_type),
        ] {
            claim.labels.set(key, Name::clone(value));
            let spec = RequirementSpec::new(key, Operator::In, [Name::clone(value)]);
            claim.requirements.push(spec);
        }
        if let Some(capacity) = self.state.config.types.get(&offering.instance_type) {
            claim.capacity.clone_from(capacity);
        }
        if node.joined {
            let instance = node.instance_id.as_deref().unwrap_or("");
            claim.node_name = Some(Name::from(format!("hyperpod-{instance}")));
        }
        for (kind, phase, label) in [
            ("Launched", Phase::Pending, None),
            ("Registered", Phase::Registered, Some(REGISTERED)),
            ("Initialized", Phase::Initialized, Some(INITIALIZED)),
        ] {
            let reached = node.phase >= phase;
            claim.conditions.push(Condition {
                kind: Name::from(kind),
                status: Name::from(if reached { "True" } else { "Unknown" }),
                ..Condition::default()
            });
            if let Some(label) = label.filter(|_| reached) {
                claim.labels.set(label, Name::from("true"));
            }
        }
        Some(claim)
    }
}
