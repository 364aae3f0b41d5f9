//! One pod: where it goes and why there, or why it stays.

use super::preferences::unmet;
use super::{bought, number};
use crate::explain::Explainer;
use crate::explain::reason::{Code, Reason};
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::plan::{Plan, PlannedClaim};
use crate::problem::ClassId;
use crate::solver::Outcome;

/// Why the pod `key` (`namespace/name`) goes where it goes, or stays pending; `None` if there is no such pod.
/// O(pods + one class).
pub fn explain(
    explainer: &mut Explainer<'_, '_>,
    outcome: &Outcome,
    plan: &Plan,
    key: &str,
) -> Option<Reason> {
    let (namespace, name) = key.split_once('/')?;
    let snapshot = explainer.views.snapshot;
    let position = snapshot
        .pods
        .iter()
        .position(|pod| pod.name.as_ref() == name && pod.namespace.as_ref() == namespace)?;
    let at = u32::try_from(position).ok()?;
    let subject = format!("Pod {key}");
    if let Ok(held) = explainer
        .views
        .held
        .binary_search_by_key(&at, |(held, _)| *held)
    {
        return Some(explainer.views.held[held].1.clone());
    }
    if !explainer.views.waits(at) {
        let (code, message) = settled(&snapshot.pods[position]);
        return Some(Reason::new(subject, code, message));
    }
    if let Some(left) = plan.unschedulable.iter().find(|u| u.pod.as_ref() == key) {
        let code = left
            .reasons
            .first()
            .map_or(Code::Several, |first| first.code);
        let reason = Reason::new(subject, code, left.reason.as_ref());
        return Some(reason.with_parts(left.reasons.to_vec()));
    }
    let names = |pods: &[Name]| pods.iter().any(|pod| pod.as_ref() == key);
    if let Some((nth, held)) = plan
        .existing_nodes
        .iter()
        .enumerate()
        .find(|(_, held)| names(&held.pods))
    {
        let message = format!(
            "goes on Node {}: it has room, which costs nothing",
            held.node
        );
        let parts = unmet(explainer, outcome, at, nth).into_iter().collect();
        return Some(Reason::new(subject, Code::Placed, message).with_parts(parts));
    }
    let (nth, claim) = plan
        .new_node_claims
        .iter()
        .enumerate()
        .find(|(_, claim)| names(&claim.pods))?;
    let message = format!(
        "goes on a new node of NodePool {}: {}{}",
        claim.node_pool,
        bought(&claim.cheapest),
        company(claim)
    );
    let mut parts = vec![choice(claim)];
    parts.extend(unmet(
        explainer,
        outcome,
        at,
        plan.existing_nodes.len() + nth,
    ));
    if let Some(class) = explainer.class_of(at) {
        parts.extend(explainer.why_not_elsewhere(class, &claim.node_pool));
    }
    Some(Reason::new(subject, Code::Placed, message).with_parts(parts))
}

fn settled(pod: &Pod) -> (Code, String) {
    if let Some(node) = &pod.node_name {
        return (Code::Bound, format!("is bound to Node {node}"));
    }
    let message = if pod.is_finished() {
        "has ended".to_owned()
    } else if pod.is_terminating() {
        "is being deleted".to_owned()
    } else if !pod.spec.scheduling_gates.is_empty() {
        let gates: Vec<&str> = pod
            .spec
            .scheduling_gates
            .iter()
            .map(AsRef::as_ref)
            .collect();
        format!("is held back by scheduling gates: {}", gates.join(", "))
    } else if pod.is_daemon() {
        "belongs to a DaemonSet: every node keeps room for such pods, none is bought for them"
            .to_owned()
    } else {
        "is a static pod of its node".to_owned()
    };
    (Code::NotPending, message)
}

fn company(claim: &PlannedClaim) -> String {
    match claim.pods.len().saturating_sub(1) {
        0 => ", alone".to_owned(),
        others => format!(", with {}", number(others, "other pod")),
    }
}

fn choice(claim: &PlannedClaim) -> Reason {
    let message = match claim.fallbacks.first() {
        None => "the only one that holds all its pods within the limits".to_owned(),
        Some(next) => format!(
            "the cheapest that holds all its pods; {}, next {}",
            number(claim.fallbacks.len(), "fall-back"),
            bought(next)
        ),
    };
    Reason::new("offering", Code::Placed, message)
}

impl Explainer<'_, '_> {
    /// The class of the pod at `position` of the snapshot.
    pub(in crate::explain) fn class_of(&self, position: u32) -> Option<ClassId> {
        let mut classes = self.symbols.pods.enumerate();
        classes
            .find(|(_, pods)| pods.contains(&position))
            .map(|(class, _)| class)
    }

    /// Why a placed pod is neither on an existing node nor in a pool tried before its own.
    fn why_not_elsewhere(&mut self, class: ClassId, pool: &str) -> Vec<Reason> {
        let suits = self.suits_of(class);
        let pod = self.pod_view(class);
        let earlier = self
            .views
            .pools
            .templates
            .iter()
            .position(|template| template.pool.name.as_ref() == pool)
            .unwrap_or(0);
        let mut reasons: Vec<Reason> = self.nodes_reason(&pod, &suits).into_iter().collect();
        let own = self
            .views
            .pools
            .templates
            .get(earlier)
            .map_or(0, |t| t.pool.weight);
        for at in 0..earlier {
            if self.views.pools.templates[at].pool.weight > own {
                reasons.push(self.pool_reason(at, &pod, &suits).reason);
            }
        }
        reasons
    }
}
