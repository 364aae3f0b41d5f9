//! The snapshot as commands would leave it: candidates gone, replacements ready, every pod where the command says. Time
//! stands still.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::InstanceType;
use crate::model::label::{self, Labels};
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::pod::PodPhase;
use crate::model::requirement::{Operator, Requirement};
use crate::model::resources::Name;
use crate::plan::PlannedClaim;
use crate::plan::command::Command;
use crate::scheduler::Capacity;
use crate::view::pools::OFFERING_KEYS;

/// Carries `commands` out on a copy of `snapshot`. New nodes are called `planned-<n>`, with the next free numbers. Pods of
/// DaemonSets, mirror pods and finished pods of a candidate vanish with it. Names that do not exist are passed over.
/// O(pods + nodes) log.
#[must_use]
pub fn apply(snapshot: &Snapshot, commands: &[Command]) -> Snapshot {
    let capacity = Capacity::new(snapshot);
    let mut after = snapshot.clone();
    let gone: BTreeSet<&Name> = commands
        .iter()
        .flat_map(|command| command.candidates.iter().map(|c| &c.node))
        .collect();
    let gone_claims: BTreeSet<&Name> = commands
        .iter()
        .flat_map(|command| command.candidates.iter().map(|c| &c.node_claim))
        .collect();
    after.nodes.retain(|node| !gone.contains(&node.name));
    after
        .node_claims
        .retain(|claim| !gone_claims.contains(&claim.name));
    let now = snapshot.options.now.unwrap_or_default();
    let mut target: BTreeMap<Name, Name> = BTreeMap::new();
    let mut number = first_free(snapshot);
    for command in commands {
        for placement in &command.existing_nodes {
            for pod in &placement.pods {
                target.insert(Name::clone(pod), Name::clone(&placement.node));
            }
        }
        for moved in &command.moves {
            target.insert(Name::clone(&moved.pod), Name::clone(&moved.to));
        }
        for replacement in &command.replacements {
            let name = Name::from(format!("planned-{number:04}"));
            number += 1;
            if let Some((node, claim)) = launched(snapshot, &capacity, replacement, &name, now) {
                after.nodes.push(node);
                after.node_claims.push(claim);
            }
            use_reservation(&mut after, replacement);
            for pod in &replacement.pods {
                target.insert(Name::clone(pod), Name::clone(&name));
            }
        }
    }
    let singles = commands.iter().any(|command| !command.moves.is_empty());
    for pod in &mut after.pods {
        let from_gone = pod
            .node_name
            .as_ref()
            .is_some_and(|node| gone.contains(node));
        if !from_gone && pod.node_name.is_some() && !singles {
            continue;
        }
        if let Some(node) = target.get(pod.key().as_str()) {
            pod.node_name = Some(Name::clone(node));
            pod.phase = PodPhase::Running;
            // A StatefulSet made it again.
            pod.deleted = None;
        }
    }
    after.pods.retain(|pod| {
        pod.node_name
            .as_ref()
            .is_none_or(|node| !gone.contains(node))
    });
    after
}

fn first_free(snapshot: &Snapshot) -> u64 {
    let number = |name: &Name| name.strip_prefix("planned-")?.parse::<u64>().ok();
    let used = snapshot.nodes.iter().filter_map(|node| number(&node.name));
    used.max().map_or(1, |most| most.saturating_add(1))
}

fn use_reservation(after: &mut Snapshot, replacement: &PlannedClaim) {
    let Some(id) = &replacement.cheapest.reservation_id else {
        return;
    };
    for entry in after
        .instance_types
        .iter_mut()
        .flat_map(|list| &mut list.instance_types)
    {
        for offering in &mut entry.offerings {
            if offering.reservation_id.as_ref() == Some(id) {
                offering.reservation_capacity = offering.reservation_capacity.saturating_sub(1);
            }
        }
    }
}

/// The node and the NodeClaim that a planned claim becomes, initialized; `None` if its pool or type does not exist.
pub(crate) fn launched(
    snapshot: &Snapshot,
    capacity: &Capacity,
    planned: &PlannedClaim,
    name: &Name,
    now: Timestamp,
) -> Option<(Node, NodeClaim)> {
    let pool = super::cluster::pool_named(snapshot, &planned.node_pool)?;
    let class = capacity.by_class().get(&pool.node_class_ref.name)?;
    let chosen = &planned.cheapest;
    let offers = |entry: &&InstanceType| {
        entry.name == chosen.instance_type
            && entry.offerings.iter().any(|o| {
                o.zone == chosen.zone
                    && o.capacity_type == chosen.capacity_type
                    && o.instance_group == chosen.instance_group
            })
    };
    let kind = class.types.iter().find(offers)?;
    let labels = node_labels(snapshot, pool, kind, planned, name);
    let condition = |kind: &str| Condition {
        kind: Name::from(kind),
        status: Name::from("True"),
        last_transition: Some(now),
        ..Condition::default()
    };
    let node = Node {
        name: Name::clone(name),
        created: Some(now),
        labels: labels.clone(),
        provider_id: Some(Name::from(format!("planned:///{name}"))),
        taints: pool.taints.iter().chain(&kind.taints).cloned().collect(),
        capacity: kind.capacity.clone(),
        allocatable: kind.allocatable(),
        conditions: vec![condition("Ready")],
        ..Node::default()
    };
    let stages = ["Launched", "Registered", "Initialized", "Consolidatable"];
    let claim = NodeClaim {
        name: Name::from(format!("claim-{name}")),
        created: Some(now),
        labels,
        node_class: Name::clone(&pool.node_class_ref.name),
        requirements: pool.requirements.clone(),
        taints: node.taints.clone(),
        expire_after: pool.expire_after,
        termination_grace_period: pool.termination_grace_period,
        node_name: Some(Name::clone(name)),
        provider_id: node.provider_id.clone(),
        capacity: node.capacity.clone(),
        allocatable: node.allocatable.clone(),
        conditions: stages.into_iter().map(condition).collect(),
        ..NodeClaim::default()
    };
    Some((node, claim))
}

fn node_labels(
    snapshot: &Snapshot,
    pool: &NodePool,
    kind: &InstanceType,
    planned: &PlannedClaim,
    name: &Name,
) -> Labels {
    let mut labels = Labels::new();
    for spec in &pool.requirements {
        let asked = Requirement::from_spec(spec);
        // A key that only has to exist gets some value, as Karpenter makes one up.
        if asked.operator() == Operator::Exists && !label::WELL_KNOWN.contains(&&**asked.key()) {
            let value = match asked.bounds() {
                (Some(low), _) => low.saturating_add(1).to_string(),
                (None, Some(high)) => high.saturating_sub(1).to_string(),
                (None, None) => "planned".to_owned(),
            };
            labels.set(Name::clone(asked.key()), value);
        }
        if asked.operator() == Operator::In {
            // A key that the claim decides: what a pod on it selects, else the first value. Keys that the offering decides
            // are set below.
            let open = asked.single().is_none() && !OFFERING_KEYS.contains(&asked.key().as_ref());
            let selects = |pod: &&crate::model::pod::Pod| {
                pod.spec.node_selector.get(asked.key()).is_some()
                    && planned.pods.iter().any(|key| pod.key() == key.as_ref())
            };
            let selected = open
                .then(|| snapshot.pods.iter().find(selects))
                .flatten()
                .and_then(|pod| pod.spec.node_selector.shared(asked.key()));
            if let Some(value) = selected.or_else(|| asked.values().iter().next()) {
                labels.set(Name::clone(asked.key()), Name::clone(value));
            }
        }
    }
    for spec in &kind.requirements {
        let held = Requirement::from_spec(spec);
        if let Some(value) = held.single() {
            labels.set(Name::clone(held.key()), Name::clone(value));
        }
    }
    for (key, value) in pool.template_labels.iter() {
        labels.set(Name::clone(key), Name::clone(value));
    }
    let chosen = &planned.cheapest;
    labels.set(label::NODE_POOL, Name::clone(&pool.name));
    labels.set(
        pool.node_class_ref.label_key(),
        Name::clone(&pool.node_class_ref.name),
    );
    labels.set(label::INSTANCE_TYPE, Name::clone(&kind.name));
    labels.set(label::ZONE, Name::clone(&chosen.zone));
    labels.set(label::CAPACITY_TYPE, chosen.capacity_type.as_str());
    labels.set(label::HOSTNAME, Name::clone(name));
    labels.set(label::REGISTERED, "true");
    labels.set(label::INITIALIZED, "true");
    if let Some(id) = &chosen.reservation_id {
        labels.set(label::RESERVATION_ID, Name::clone(id));
    }
    if let Some(group) = &chosen.instance_group {
        labels.set(label::INSTANCE_GROUP, Name::clone(group));
    }
    labels
}
