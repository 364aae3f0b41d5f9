//! Why each node stays, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::DisruptionReason;
use super::budget::{self, Allowance};
use super::candidate::{Assessor, Class, Hold};
use super::cluster::Cluster;
use super::economic::wear::wear_of;
use crate::base::index::Ix as _;
use crate::base::time::Timestamp;
use crate::explain::reason::{Code, Reason};
use crate::model::resources::Name;
use crate::plan::command::Command;
use crate::problem::NodeId;

/// One reason per node that no command takes away, in name order, and when to look again: the next end of something that
/// holds a node back (a do-not-disrupt, `consolidateAfter`), or the next change of a budget. `held` is what the policy
/// holds back by itself.
#[must_use]
pub fn stays(
    cluster: &Cluster<'_>,
    commands: &[Command],
    held: &BTreeMap<NodeId, Hold>,
) -> (Vec<Reason>, Option<Timestamp>) {
    let gone: BTreeSet<&Name> = commands
        .iter()
        .flat_map(|command| command.candidates.iter().map(|c| &c.node))
        .collect();
    let assessor = Assessor::new(cluster);
    let used = |pool: &Name| {
        let here = commands.iter().flat_map(|c| &c.candidates);
        here.filter(|c| c.node_pool == *pool).count()
    };
    let counts = budget::counts(&cluster.views.nodes, |_| false);
    let mut left: BTreeMap<(Name, DisruptionReason), (usize, Allowance)> = BTreeMap::new();
    for pool in &cluster.snapshot.node_pools {
        let held = counts.get(&pool.name).copied().unwrap_or_default();
        for reason in [DisruptionReason::Empty, DisruptionReason::Underutilized] {
            let allowance = budget::allowed(pool, reason, cluster.now, held);
            let key = (Name::clone(&pool.name), reason);
            left.insert(key, (used(&pool.name), allowance));
        }
    }
    let holds: Vec<Hold> = (0..cluster.views.nodes.len())
        .map(NodeId::new)
        .filter(|node| !gone.contains(&cluster.node(*node).name))
        .map(|node| stay(cluster, &assessor, node, &left, held))
        .collect();
    let next = holds
        .iter()
        .filter_map(|hold| hold.until)
        .chain(left.values().filter_map(|(_, allowance)| allowance.until))
        .chain(assessor.infirmary().next())
        .filter(|at| *at > cluster.now)
        .min();
    (holds.into_iter().map(|hold| hold.reason).collect(), next)
}

fn stay(
    cluster: &Cluster<'_>,
    assessor: &Assessor<'_, '_>,
    node: NodeId,
    left: &BTreeMap<(Name, DisruptionReason), (usize, Allowance)>,
    held: &BTreeMap<NodeId, Hold>,
) -> Hold {
    let candidate = match assessor.assess(node, Class::Graceful) {
        Ok(candidate) => candidate,
        Err(hold) => return hold,
    };
    if let Some(hold) = assessor.not_consolidatable(&candidate) {
        return hold;
    }
    if !candidate.pods.is_empty()
        && let Some(hold) = assessor.not_underutilized(&candidate, true)
    {
        return hold;
    }
    if let Some(hold) = held.get(&node) {
        return hold.clone();
    }
    let subject = format!("Node {}", cluster.node(node).name);
    let reason = if candidate.pods.is_empty() {
        DisruptionReason::Empty
    } else {
        DisruptionReason::Underutilized
    };
    let key = (Name::clone(&candidate.pool.name), reason);
    if let Some((used, allowed)) = left.get(&key)
        && *used >= allowed.nodes as usize
    {
        let message = format!(
            "the budgets of NodePool {} let {} nodes go for reason {} now",
            candidate.pool.name, allowed.nodes, reason
        );
        return Hold {
            reason: Reason::new(subject, Code::Budget, message),
            until: allowed.until,
        };
    }
    let pods = candidate.pods.len();
    let young = wear_of(cluster, &candidate) > 0;
    let age = candidate
        .claim
        .created
        .map(|since| cluster.now.since(since));
    let age = age.filter(|_| young && pods > 0);
    let mut message = match (candidate.price, pods) {
        (_, 0) => "it is empty, and pods that wait fit on it".to_owned(),
        (None, _) => "its price is not known, so nothing can be said to be saved".to_owned(),
        (Some(price), n) => format!(
            "no places were found for its {n} pods that cost less than its {price} $/h after the cost of moving"
        ),
    };
    if let Some(age) = age {
        let _ = write!(
            message,
            "; it has been there for {age}, and a saving is not expected to last longer"
        );
    }
    let code = if candidate.price.is_none() {
        Code::UnknownPrice
    } else {
        Code::NoSaving
    };
    Hold {
        reason: Reason::new(subject, code, message),
        // What has lasted twice as long is worth another look.
        until: age.map(|age| cluster.now.plus(age)),
    }
}
