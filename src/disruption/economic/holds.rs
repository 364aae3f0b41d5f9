//! What this policy holds back beyond what holds for every policy: gangs (W-21, H-55) and demand that is known to come
//! (W-14).

use std::collections::BTreeMap;

use super::forecast;
use super::gangs::{Companies, Company};
use crate::base::index::Ix as _;
use crate::disruption::DisruptionReason;
use crate::disruption::candidate::{Assessor, Class, Hold};
use crate::disruption::cluster::Cluster;
use crate::explain::reason::{Code, Reason};
use crate::model::node_pool::NodePool;
use crate::plan::command::{Command, Method};
use crate::problem::NodeId;
use crate::solver::whatif::Slot;

/// By node of `cluster`: why it stays although nothing stands against disrupting it, once `commands` are carried out.
pub(crate) fn holds(cluster: &Cluster<'_>, commands: &[Command]) -> BTreeMap<NodeId, Hold> {
    let mut held = BTreeMap::new();
    let is_theirs = |command: &Command| matches!(command.method, Method::Single | Method::Multi);
    if commands.iter().any(is_theirs) {
        for (at, node) in cluster.views.nodes.iter().enumerate() {
            let message = "another step goes first because it leads further: this node is looked at again after it";
            let reason = Reason::new(format!("Node {}", node.name), Code::Competition, message);
            held.insert(NodeId::new(at), Hold::new(reason));
        }
    }
    for pool in &cluster.snapshot.node_pools {
        hold_for_forecast(cluster, pool, commands, &mut held);
    }
    let companies = Companies::new(cluster);
    if companies.is_empty() {
        return held;
    }
    let assessor = Assessor::new(cluster);
    for node in (0..cluster.views.nodes.len()).map(NodeId::new) {
        let company = companies.of(Slot::of(node));
        if let Some(hold) = company.and_then(|company| gang_hold(&assessor, cluster, node, company))
        {
            held.insert(node, hold);
        }
    }
    held
}

fn hold_for_forecast(
    cluster: &Cluster<'_>,
    pool: &NodePool,
    commands: &[Command],
    held: &mut BTreeMap<NodeId, Hold>,
) {
    let options = &cluster.snapshot.options;
    let Some(needed) = options.needed_soon(&pool.name, cluster.now) else {
        return;
    };
    let spare = forecast::spare(cluster, pool, DisruptionReason::Underutilized);
    let going = commands.iter().flat_map(|command| &command.candidates);
    let going = going.filter(|c| c.node_pool == pool.name).count();
    if u32::try_from(going).is_ok_and(|going| going < spare) {
        return;
    }
    for (at, node) in cluster.views.nodes.iter().enumerate() {
        if node.pool.as_ref() == Some(&pool.name) {
            let message = format!(
                "the forecast asks for {} nodes of NodePool {} at {}: it would have to come back",
                needed.nodes, pool.name, needed.at
            );
            let reason = Reason::new(format!("Node {}", node.name), Code::Forecast, message);
            let until = Some(needed.at);
            held.insert(NodeId::new(at), Hold { reason, until });
        }
    }
}

/// Why the nodes of `company` stay: one of them may not go, or what the gangs ask for cannot be proven elsewhere.
fn gang_hold(
    assessor: &Assessor<'_, '_>,
    cluster: &Cluster<'_>,
    node: NodeId,
    company: &Company,
) -> Option<Hold> {
    let gangs = company.names.join(", ");
    let subject = format!("Node {}", cluster.node(node).name);
    let hold = |message: String| Hold::new(Reason::new(subject, Code::Gang, message));
    if company.bound {
        return Some(hold(format!(
            "gang {gangs} requires one topology domain, and a new node tells its domain only once it runs"
        )));
    }
    for slot in &company.slots {
        let other = NodeId::new(slot.at());
        let stays = match assessor.assess(other, Class::Graceful) {
            Err(stays) => Some(stays),
            Ok(candidate) => (assessor.not_consolidatable(&candidate))
                .or_else(|| assessor.not_underutilized(&candidate, true)),
        };
        if let Some(stays) = stays.filter(|_| other != node) {
            let message = format!(
                "it holds pods of gang {gangs}, which moves whole or not at all, and Node {} stays",
                cluster.node(other).name
            );
            let mut hold = hold(message);
            hold.until = stays.until;
            hold.reason = hold.reason.with_parts(vec![stays.reason]);
            return Some(hold);
        }
    }
    let along = company.slots.len() - 1;
    let block = match company.block {
        true => ", nodes of one network block that is broken for a large saving only",
        false => "",
    };
    (along > 0).then(|| {
            hold(format!(
                "it goes with {along} other nodes of gang {gangs} or not at all{block}, and all together save nothing"
            ))
        })
}
