//! Which NodeClaims are drifted (D-86): what the condition `Drifted` says, found from the snapshot.
//!
//! Planners read the condition only, as Karpenter's do. Whoever keeps NodeClaims sets it from [`detect`] or [`mark`]s the
//! snapshot; where Karpenter does, [`consolidate`](super::consolidate) and [`converge`](super::converge) add what it does
//! not look for by [`complete`].

use std::borrow::Cow;

use crate::base::hash::FastMap;
use crate::base::time::{Span, Timestamp};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType};
use crate::model::label::{self, Labels};
use crate::model::node::{Condition, Node};
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::requirement::{Requirement, Requirements, Undefined};
use crate::model::resources::Name;
use crate::scheduler::Capacity;

const HASH: &str = "karpenter.sh/nodepool-hash";
const HASH_VERSION: &str = "karpenter.sh/nodepool-hash-version";
/// The condition that drift sets.
const DRIFTED: &str = "Drifted";
/// How old a claim is before a type that is not listed any more counts.
const SETTLED: Span = Span::from_secs(3_600);

/// Why a NodeClaim is drifted, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Drift {
    /// The template of its pool has changed (D-87).
    NodePool,
    /// The requirements of its pool no longer suit its labels.
    Requirements,
    /// Its type is not listed any more, or has no offering with its labels.
    InstanceType,
    /// Its instance group is not in the node class any more (H-13).
    InstanceGroup,
}

impl Drift {
    /// The reason of the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodePool => "NodePoolDrifted",
            Self::Requirements => "RequirementsDrifted",
            Self::InstanceType => "InstanceTypeNotFound",
            Self::InstanceGroup => "InstanceGroupDrifted",
        }
    }
}

/// The NodeClaims of `snapshot` that are drifted, by name, in the order of the snapshot. Claims that are being deleted, were
/// not launched or have no pool are passed over (D-86). O(claims x types).
#[must_use]
pub fn detect(snapshot: &Snapshot) -> Vec<(Name, Drift)> {
    let capacity = Capacity::new(snapshot);
    let now = snapshot.options.now.unwrap_or_default();
    let nodes: FastMap<&Name, &Node> = snapshot.nodes.iter().map(|n| (&n.name, n)).collect();
    let asked: Vec<Requirements> = snapshot
        .node_pools
        .iter()
        .map(|pool| Requirements::from_specs(&pool.requirements))
        .collect();
    let known = label::WELL_KNOWN
        .iter()
        .map(|key| Name::from(*key))
        .collect();
    let drifted = |claim: &NodeClaim| {
        let pool = claim.labels.get(label::NODE_POOL);
        let node = claim.node_name.as_ref().and_then(|name| nodes.get(name));
        let pool = pool.or_else(|| node?.labels.get(label::NODE_POOL))?;
        let mut pools = snapshot.node_pools.iter().zip(&asked);
        let (pool, asked) = pools.find(|(held, _)| held.name.as_ref() == pool)?;
        let launched = Condition::is_true(&claim.conditions, "Launched") != Some(false);
        if claim.deleted.is_some() || !launched || claim.provider_id.is_none() {
            return None;
        }
        // What a claim was not told, its node knows.
        let mut labels = Labels::new();
        let sources = node.map(|n| &n.labels).into_iter().chain([&claim.labels]);
        for (key, value) in sources.flat_map(Labels::iter) {
            labels.set(label::normalize(key), Name::clone(value));
        }
        let class = capacity.by_class().get(&pool.node_class_ref.name);
        let fits = || {
            // What the pool does not ask about cannot disagree with it.
            let mut asked_of = Labels::new();
            for key in asked.iter().map(Requirement::key) {
                if let Some(value) = labels.shared(key) {
                    asked_of.set(Name::clone(key), Name::clone(value));
                }
            }
            Requirements::from_labels(&asked_of)
                .compatible(asked, Undefined::Allowed(&known))
                .is_ok()
        };
        let found = of(snapshot, claim, &labels, pool, class, now, fits)?;
        Some((Name::clone(&claim.name), found))
    };
    snapshot.node_claims.iter().filter_map(drifted).collect()
}

/// Sets the condition `Drifted` on what [`detect`] finds and takes it off the rest, as the controller would (D-86). A
/// condition that is set already keeps its time.
pub fn mark(snapshot: &mut Snapshot) {
    let found = detect(snapshot);
    let now = snapshot.options.now;
    for claim in &mut snapshot.node_claims {
        let drift = found.iter().find(|(name, _)| *name == claim.name);
        let held = claim
            .conditions
            .iter()
            .position(|c| c.kind.as_ref() == DRIFTED);
        match (drift, held) {
            (None, None) => {}
            (None, Some(at)) => {
                claim.conditions.remove(at);
            }
            (Some((_, drift)), at) => {
                let before = at.map(|at| claim.conditions.remove(at)).unwrap_or_default();
                let since = match before.status.as_ref() {
                    "True" => before.last_transition,
                    _ => now,
                };
                claim.conditions.push(condition(*drift, since));
            }
        }
    }
}

/// `snapshot` with the condition `Drifted` on every NodeClaim whose instance group has left its node class (H-13). What
/// else [`detect`] finds is Karpenter's to mark: it looks every five minutes (D-86), so where it runs, a claim without the
/// condition is not drifted by those rules, and a type that is not listed may only be missing from the input.
#[must_use]
pub fn complete(snapshot: &Snapshot) -> Cow<'_, Snapshot> {
    if snapshot
        .node_claims
        .iter()
        .all(|claim| is_listed(snapshot, claim))
    {
        return Cow::Borrowed(snapshot);
    }
    let found: FastMap<Name, Drift> = detect(snapshot)
        .into_iter()
        .filter(|(_, drift)| *drift == Drift::InstanceGroup)
        .collect();
    let is_new = |claim: &NodeClaim| {
        found.contains_key(&claim.name)
            && Condition::is_true(&claim.conditions, DRIFTED) != Some(true)
    };
    if !snapshot.node_claims.iter().any(is_new) {
        return Cow::Borrowed(snapshot);
    }
    let mut marked = snapshot.clone();
    for claim in marked.node_claims.iter_mut().filter(|claim| is_new(claim)) {
        if let Some(drift) = found.get(&claim.name) {
            claim.conditions.retain(|c| c.kind.as_ref() != DRIFTED);
            let since = snapshot.options.now;
            claim.conditions.push(condition(*drift, since));
        }
    }
    Cow::Owned(marked)
}

/// Whether the claim's own labels say that its instance group is in its node class.
fn is_listed(snapshot: &Snapshot, claim: &NodeClaim) -> bool {
    let listed = || {
        let name = claim.labels.get(label::NODE_POOL)?;
        let mut pools = snapshot.node_pools.iter();
        let pool = pools.find(|pool| pool.name.as_ref() == name)?;
        let group = claim.labels.get(label::INSTANCE_GROUP)?;
        let mut classes = snapshot.node_classes.iter();
        let class = classes.find(|class| class.name == pool.node_class_ref.name)?;
        Some(
            class
                .instance_groups
                .iter()
                .any(|listed| listed.as_ref() == group),
        )
    };
    listed().unwrap_or(false)
}

fn condition(drift: Drift, since: Option<Timestamp>) -> Condition {
    Condition {
        kind: Name::from(DRIFTED),
        status: Name::from("True"),
        reason: Name::from(drift.as_str()),
        last_transition: since,
        ..Condition::default()
    }
}

fn of(
    snapshot: &Snapshot,
    claim: &NodeClaim,
    labels: &Labels,
    pool: &NodePool,
    class: Option<&ClassCapacity>,
    now: Timestamp,
    fits: impl Fn() -> bool,
) -> Option<Drift> {
    let said = |key: &str| pool.annotations.get(key).zip(claim.annotations.get(key));
    let same_version = said(HASH_VERSION).is_some_and(|(pool, claim)| pool == claim);
    if same_version && said(HASH).is_some_and(|(pool, claim)| pool != claim) {
        return Some(Drift::NodePool);
    }
    if !fits() {
        return Some(Drift::Requirements);
    }
    // A claim whose node has not told its type yet is not judged by it.
    let told = labels.get(label::INSTANCE_TYPE).is_some();
    let old = told && claim.created.is_some_and(|at| now.since(at) > SETTLED);
    if let Some(class) = class.filter(|class| old && !class.types.is_empty())
        && !class.types.iter().any(|kind| offers(kind, labels))
    {
        return Some(Drift::InstanceType);
    }
    let group = labels.get(label::INSTANCE_GROUP)?;
    let mut classes = snapshot.node_classes.iter();
    let class = classes.find(|class| class.name == pool.node_class_ref.name)?;
    let listed = class.instance_groups.iter().any(|g| g.as_ref() == group);
    (!listed && !class.instance_groups.is_empty()).then_some(Drift::InstanceGroup)
}

/// Whether `kind` is the type that `labels` name and has an offering in their zone and of their capacity type, available or
/// not; a reserved node may be an on-demand one as well.
fn offers(kind: &InstanceType, labels: &Labels) -> bool {
    let capacity_type = labels
        .get(label::CAPACITY_TYPE)
        .and_then(|text| text.parse::<CapacityType>().ok());
    let zone = labels.get(label::ZONE);
    labels.get(label::INSTANCE_TYPE) == Some(kind.name.as_ref())
        && kind.offerings.iter().any(|offering| {
            let same = |held: CapacityType| {
                offering.capacity_type == held
                    || (held == CapacityType::Reserved
                        && offering.capacity_type == CapacityType::OnDemand)
            };
            zone.is_none_or(|zone| offering.zone.as_ref() == zone) && capacity_type.is_none_or(same)
        })
}
