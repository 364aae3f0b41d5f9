//! Candidates: nodes that may be disrupted, and for every other node what stands against it (D-6..D-14).

use std::collections::BTreeMap;

use super::DO_NOT_DISRUPT;
use super::cluster::{Cluster, capacity_type_of, is_reschedulable, type_of};
use super::pdb::{self, Block, Pdbs};
use super::repair::Infirmary;
use crate::base::index::Ix as _;
use crate::base::time::{Span, Timestamp};
use crate::explain::reason::{Code, Reason};
use crate::model::instance_type::{CapacityType, InstanceType};
use crate::model::label;
use crate::model::node::Condition;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::{ConsolidationPolicy, NodePool};
use crate::model::pod::Pod;
use crate::model::price::Price;
use crate::problem::{ClassId, NodeId};

/// The annotation that weighs a pod against others (D-15).
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Whether a method waits for PDBs and do-not-disrupt whatever happens, or goes ahead once a grace period ends (D-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Karpenter has exactly these")]
pub enum Class {
    /// Emptiness and consolidation.
    Graceful,
    /// Drift: pods are no block where the NodeClaim has a `terminationGracePeriod`.
    Eventual,
    /// Repair (D-102): neither pods nor annotations are a block, and all pods are placed.
    Forced,
}

/// What keeps a node from being disrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Why, as a tree.
    pub reason: Reason,
    /// When it ends by itself, where that is known.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// A hold without a known end.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            until: None,
        }
    }
}

/// A node that may be disrupted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The node.
    pub node: NodeId,
    /// Its NodeClaim.
    pub claim: &'a NodeClaim,
    /// Its pool.
    pub pool: &'a NodePool,
    /// Its type, if the pool's class knows it.
    pub instance_type: Option<&'a InstanceType>,
    /// Its capacity type.
    pub capacity_type: Option<CapacityType>,
    /// Its price per hour (D-18).
    pub price: Option<Price>,
    /// Pods that need another place, as positions in the snapshot.
    pub pods: Vec<u32>,
    /// Those of them that are placed by the plan: all but what an eventual method leaves behind (D-37).
    pub placed: Vec<u32>,
    /// Classes of `placed` with counts; `None` if one of them cannot be placed whatever happens.
    pub content: Option<Vec<(ClassId, u32)>>,
    /// Karpenter v1.13's sort key: the eviction cost of all pods times the share of life that is left (D-16).
    pub disruption_cost: f64,
    /// What moving its pods costs by v1.14's measure (D-17).
    pub reschedule_cost: f64,
}

/// How much it hurts to evict `pod` (D-15).
#[must_use]
pub fn eviction_cost(pod: &Pod) -> f64 {
    let mut cost = 1.0 + f64::from(pod.spec.priority) / f64::from(1u32 << 25);
    let weight = pod.annotations.get(DELETION_COST);
    if let Some(weight) = weight.and_then(|text| text.parse::<f64>().ok())
        && weight.is_finite()
    {
        cost += weight / f64::from(1u32 << 27);
    }
    cost.clamp(-10.0, 10.0)
}

/// The share of its life that a NodeClaim still has (D-16); 1 without an end.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio for sorting")]
pub fn lifetime_remaining(claim: &NodeClaim, now: Timestamp) -> f64 {
    let (Some(life), Some(created)) = (claim.expire_after, claim.created) else {
        return 1.0;
    };
    let whole = life.as_millis();
    if whole <= 0 {
        return 0.0;
    }
    let left = whole.saturating_sub(now.since(created).as_millis());
    (left as f64 / whole as f64).clamp(0.0, 1.0)
}

/// Until when the annotation on `pod` keeps its node (D-8): `Some(None)` for ever, `Some(Some(t))` until `t`.
#[must_use]
pub fn do_not_disrupt(pod: &Pod, now: Timestamp) -> Option<Option<Timestamp>> {
    let text = pod.annotations.get(DO_NOT_DISRUPT)?;
    if text == "true" {
        return Some(None);
    }
    let span: Span = text.parse().ok().filter(|span| *span > Span::ZERO)?;
    let Some(start) = pod.detail.as_ref().and_then(|detail| detail.start_time) else {
        return Some(None);
    };
    let end = start.plus(span);
    (now < end).then_some(Some(end))
}

/// Tells for every node whether it may be disrupted.
#[derive(Debug)]
pub struct Assessor<'c, 'a> {
    cluster: &'c Cluster<'a>,
    pdbs: Pdbs<'a>,
    nominated: BTreeMap<&'a str, &'a Pod>,
    infirmary: Infirmary,
}

impl<'c, 'a> Assessor<'c, 'a> {
    /// An assessor of the nodes of `cluster`.
    #[must_use]
    pub fn new(cluster: &'c Cluster<'a>) -> Self {
        let pending = cluster.snapshot.pods.iter().filter(|pod| pod.is_pending());
        let nominated = pending.filter_map(|pod| {
            let node = pod.detail.as_ref()?.nominated_node.as_deref()?;
            Some((node, pod))
        });
        Self {
            cluster,
            pdbs: Pdbs::new(cluster.snapshot),
            nominated: nominated.collect(),
            infirmary: Infirmary::new(cluster),
        }
    }

    /// The nodes that are sick.
    #[must_use]
    pub fn infirmary(&self) -> &Infirmary {
        &self.infirmary
    }

    /// The PDBs.
    #[must_use]
    pub fn pdbs(&self) -> &Pdbs<'a> {
        &self.pdbs
    }

    /// The candidate at `node`.
    ///
    /// # Errors
    /// The first check of D-6 that fails.
    #[expect(
        clippy::result_large_err,
        reason = "both sides are kept, and most nodes are candidates"
    )]
    pub fn assess(&self, node: NodeId, class: Class) -> Result<Candidate<'a>, Hold> {
        let view = self.cluster.node(node);
        let hold = |code, message: &str| {
            Hold::new(Reason::new(format!("Node {}", view.name), code, message))
        };
        let Some(claim) = view.claim else {
            return Err(hold(Code::Unmanaged, "Karpenter does not manage it"));
        };
        if view.node.is_none() {
            return Err(hold(Code::NotInitialized, "its machine has not joined yet"));
        }
        let terminating = Condition::is_true(&claim.conditions, "InstanceTerminating");
        if view.deleting || terminating == Some(true) {
            return Err(hold(Code::NodeUnavailable, "it is being deleted already"));
        }
        if !view.initialized {
            return Err(hold(Code::NotInitialized, "it is not initialized yet"));
        }
        let forced = class == Class::Forced;
        if !forced && let Some(held) = self.infirmary.hold(self.cluster, node) {
            return Err(held);
        }
        let nominated = self.nominated.get(view.name.as_ref());
        if let Some(pod) = nominated.filter(|_| !forced) {
            let message = format!("it is meant for the pending pod {}", pod.key());
            return Err(hold(Code::Competition, &message));
        }
        let annotation = view.node.and_then(|n| n.annotations.get(DO_NOT_DISRUPT));
        if !forced && annotation == Some("true") {
            return Err(hold(
                Code::DoNotDisrupt,
                "its own annotation karpenter.sh/do-not-disrupt is true",
            ));
        }
        let Some(pool_name) = view.pool.as_deref() else {
            return Err(hold(
                Code::Unmanaged,
                "it lacks the label karpenter.sh/nodepool",
            ));
        };
        let classes = self.cluster.capacity.by_class();
        let pool = self.cluster.pool_of(node).filter(|pool| {
            let class = classes.get(&pool.node_class_ref.name);
            class.is_some_and(|class| !class.types.is_empty())
        });
        let Some(pool) = pool else {
            let message = format!("its NodePool {pool_name} is missing or has no instance types");
            return Err(hold(Code::PoolNotReady, &message));
        };
        let graceful = match class {
            Class::Graceful => true,
            Class::Eventual => claim.termination_grace_period.is_none(),
            Class::Forced => false,
        };
        if graceful && let Some(held) = self.held_by_pods(node) {
            return Err(held);
        }
        Ok(self.candidate(node, claim, pool, forced))
    }

    fn candidate(
        &self,
        node: NodeId,
        claim: &'a NodeClaim,
        pool: &'a NodePool,
        forced: bool,
    ) -> Candidate<'a> {
        let cluster = self.cluster;
        let bound = &cluster.pods_on[node.at()];
        let every: f64 = bound.iter().map(|at| eviction_cost(cluster.pod(*at))).sum();
        let pods: Vec<u32> = bound
            .iter()
            .copied()
            .filter(|at| is_reschedulable(cluster.pod(*at)))
            .collect();
        let moving = pods
            .iter()
            .map(|at| eviction_cost(cluster.pod(*at)).max(0.0));
        let placed: Vec<u32> = pods
            .iter()
            .copied()
            .filter(|at| forced || self.is_placed(cluster.pod(*at)))
            .collect();
        Candidate {
            node,
            claim,
            pool,
            instance_type: type_of(cluster.capacity.by_class(), pool, cluster.node(node)),
            capacity_type: capacity_type_of(cluster.node(node)),
            price: cluster.prices[node.at()],
            content: content(cluster, &placed),
            disruption_cost: every * lifetime_remaining(claim, cluster.now),
            reschedule_cost: 1.0 + moving.sum::<f64>(),
            pods,
            placed,
        }
    }

    /// Whether a pod that needs another place gets one (D-12, "currently reschedulable").
    fn is_placed(&self, pod: &Pod) -> bool {
        do_not_disrupt(pod, self.cluster.now).is_none()
            && (self.cluster.snapshot.pod_disruption_budgets.is_empty()
                || !matches!(
                    self.pdbs.blocks(pod),
                    Some(Block::Several(_) | Block::Never(_))
                ))
    }

    /// Blocks 10 to 12 of D-6: all pods that hold the node, and the latest time at which they let go.
    fn held_by_pods(&self, node: NodeId) -> Option<Hold> {
        let mut parts = Vec::new();
        let mut until = Some(Timestamp::default());
        let active = |pod: &&Pod| !pod.is_finished() && !pod.is_terminating();
        let bound = &self.cluster.pods_on[node.at()];
        let pods: Vec<&Pod> = bound.iter().map(|at| self.cluster.pod(*at)).collect();
        for pod in pods.iter().copied().filter(active) {
            if let Some(end) = do_not_disrupt(pod, self.cluster.now) {
                let message = match end {
                    None => "its annotation karpenter.sh/do-not-disrupt holds".to_owned(),
                    Some(end) => {
                        format!("its annotation karpenter.sh/do-not-disrupt holds until {end}")
                    }
                };
                until = until.zip(end).map(|(a, b)| a.max(b));
                parts.push(Reason::new(
                    format!("Pod {}", pod.key()),
                    Code::DoNotDisrupt,
                    message,
                ));
            }
        }
        let has_pdbs = !self.cluster.snapshot.pod_disruption_budgets.is_empty();
        for pod in pods.iter().copied().filter(active).filter(|_| has_pdbs) {
            if let Some(block) = self.pdbs.blocks(pod) {
                until = None;
                parts.push(pdb_reason(pod, &block));
            }
        }
        let first = parts.first()?;
        let code = if parts.iter().all(|part| part.code == first.code) {
            first.code
        } else {
            Code::Several
        };
        let message = match parts.len() {
            1 => "a pod on it may not be evicted".to_owned(),
            n => format!("{n} pods on it may not be evicted"),
        };
        Some(Hold {
            reason: Reason::new(
                format!("Node {}", self.cluster.node(node).name),
                code,
                message,
            )
            .with_parts(parts),
            until,
        })
    }

    /// Why an otherwise disruptable node is not up for consolidation (D-30, D-34); `None` if it is. Whether it is empty is
    /// not asked.
    #[must_use]
    pub fn not_consolidatable(&self, candidate: &Candidate<'_>) -> Option<Hold> {
        let subject = || format!("Node {}", self.cluster.node(candidate.node).name);
        let hold = |code, message: &str| Some(Hold::new(Reason::new(subject(), code, message)));
        if candidate.pool.replicas.is_some() {
            return hold(
                Code::ConsolidationPolicy,
                "its NodePool is static: it has a fixed number of replicas",
            );
        }
        let Some(after) = candidate.pool.consolidate_after else {
            return hold(
                Code::ConsolidateAfter,
                "its NodePool has consolidateAfter: Never",
            );
        };
        if Condition::is_true(&candidate.claim.conditions, "Consolidatable") == Some(true) {
            return None;
        }
        let initialized = candidate
            .claim
            .conditions
            .iter()
            .find(|c| c.kind.as_ref() == "Initialized" && c.status.as_ref() == "True")
            .and_then(|c| c.last_transition);
        let since = candidate.claim.last_pod_event.or(initialized);
        let end = since.map(|since| since.plus(after));
        match end {
            Some(end) if end <= self.cluster.now => None,
            Some(end) => Some(Hold {
                reason: Reason::new(
                    subject(),
                    Code::ConsolidateAfter,
                    format!("consolidateAfter has not passed: until {end}"),
                ),
                until: Some(end),
            }),
            None => hold(
                Code::ConsolidateAfter,
                "it is not known since when its pods have not changed",
            ),
        }
    }

    /// Further conditions of replacing or merging a node (D-30): what is known of it, and the policy of its pool.
    #[must_use]
    pub fn not_underutilized(&self, candidate: &Candidate<'_>, balanced: bool) -> Option<Hold> {
        let view = self.cluster.node(candidate.node);
        let subject = || format!("Node {}", view.name);
        let hold = |code, message: &str| Some(Hold::new(Reason::new(subject(), code, message)));
        if candidate.instance_type.is_none() {
            return hold(Code::NoInstanceTypes, "its instance type is not known");
        }
        if candidate.capacity_type.is_none() {
            return hold(
                Code::UndefinedLabel,
                "it lacks the label karpenter.sh/capacity-type",
            );
        }
        if view.labels.get(label::ZONE).is_none() {
            return hold(
                Code::UndefinedLabel,
                "it lacks the label topology.kubernetes.io/zone",
            );
        }
        match &candidate.pool.consolidation_policy {
            ConsolidationPolicy::WhenEmptyOrUnderutilized => None,
            ConsolidationPolicy::Balanced if balanced => None,
            ConsolidationPolicy::WhenEmpty => hold(
                Code::ConsolidationPolicy,
                "its NodePool consolidates empty nodes only, and it is not empty",
            ),
            ConsolidationPolicy::Balanced => hold(
                Code::ConsolidationPolicy,
                "Karpenter v1.13 does not know the policy Balanced",
            ),
            ConsolidationPolicy::Other(name) => {
                hold(Code::ConsolidationPolicy, &format!("unknown policy {name}"))
            }
        }
    }
}

fn pdb_reason(pod: &Pod, block: &Block<'_>) -> Reason {
    let names: Vec<&str> = block.pdbs().iter().map(|pdb| pdb.name.as_ref()).collect();
    let message = match block {
        Block::Several(_) => format!(
            "the PodDisruptionBudgets {} select it, and eviction supports one only",
            names.join(", ")
        ),
        Block::Never(_) => format!(
            "PodDisruptionBudget {} never allows an eviction",
            names.join(", ")
        ),
        Block::Exhausted(_) => format!(
            "PodDisruptionBudget {} allows no disruption now",
            names.join(", ")
        ),
    };
    debug_assert!(pdb::is_drained(pod), "only pods that are drained are held");
    Reason::new(format!("Pod {}", pod.key()), Code::Pdb, message)
}

/// The pods at `positions` by class; `None` if one of them has none.
#[must_use]
pub fn content(cluster: &Cluster<'_>, positions: &[u32]) -> Option<Vec<(ClassId, u32)>> {
    let mut classes: Vec<ClassId> = positions
        .iter()
        .map(|at| cluster.what.class_of[*at as usize])
        .collect::<Option<_>>()?;
    classes.sort_unstable();
    let mut content: Vec<(ClassId, u32)> = Vec::new();
    for class in classes {
        match content.last_mut() {
            Some((held, count)) if *held == class => *count += 1,
            _ => content.push((class, 1)),
        }
    }
    Some(content)
}

/// Since when a NodeClaim is drifted (D-86); `None` if it is not.
#[must_use]
pub fn drifted_since(claim: &NodeClaim) -> Option<Timestamp> {
    claim
        .conditions
        .iter()
        .find(|c| c.kind.as_ref() == "Drifted" && c.status.as_ref() == "True")
        .map(|c| c.last_transition.unwrap_or_default())
}
