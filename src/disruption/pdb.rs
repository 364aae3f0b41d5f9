//! PodDisruptionBudgets summed over everything that is taken down together (D-10, M-20, W-20).
//!
//! Karpenter judges each pod alone, so a command may need more of a PDB than it allows and then drains slowly, all its
//! nodes billed meanwhile. [`Pdbs::waves`] plans the drain instead: in no wave are more pods of a PDB than it allows, and
//! between waves its allowance is restored, because the pods of the last wave run elsewhere by then.

use crate::base::hash::FastMap;
use crate::model::cluster::Snapshot;
use crate::model::pod::{Pod, PodPhase};
use crate::model::policy::{IntOrPercent, PodDisruptionBudget};
use crate::model::resources::Name;

use super::disrupted_taint;

/// The PDBs of a snapshot, ready to be asked about pods.
///
/// ```
/// use tetrapod::disruption::pdb::Pdbs;
/// use tetrapod::manifest::snapshot_from_str;
/// let snapshot = snapshot_from_str(r#"
/// {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"},
///  "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}, "status": {"disruptionsAllowed": 1}}
/// {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "labels": {"app": "web"}}, "spec": {"nodeName": "a"}}
/// {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "labels": {"app": "web"}}, "spec": {"nodeName": "b"}}
/// {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"}, "spec": {"nodeName": "b"}}"#)?;
/// let drain = Pdbs::new(&snapshot).waves(snapshot.pods.iter());
/// assert_eq!(drain.names(), [vec!["default/web-0".into(), "default/job".into()], vec!["default/web-1".into()]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pdbs<'a> {
    /// By namespace, each list in name order.
    by_namespace: FastMap<&'a str, Vec<&'a PodDisruptionBudget>>,
}

/// Why a pod cannot be evicted now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Block<'a> {
    /// Several PDBs select it, which the eviction API refuses; in name order. It lasts until their selectors change.
    Several(Vec<&'a PodDisruptionBudget>),
    /// Its PDB can never allow an eviction (`maxUnavailable: 0`, `minAvailable: 100%`). It lasts until the PDB changes.
    Never(&'a PodDisruptionBudget),
    /// Its PDB allows none at the moment. It lasts until more of its pods are healthy, which nobody knows beforehand.
    Exhausted(&'a PodDisruptionBudget),
}

impl<'a> Block<'a> {
    /// The PDBs that block, in name order.
    #[must_use]
    pub fn pdbs(&self) -> &[&'a PodDisruptionBudget] {
        match self {
            Self::Several(pdbs) => pdbs,
            Self::Never(pdb) | Self::Exhausted(pdb) => std::slice::from_ref(pdb),
        }
    }

    /// Whether waiting can end it; the others need somebody to edit a PDB.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }
}

/// The order in which pods can be evicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Drain<'s, 'p> {
    /// Pods that may be down together, wave by wave, in the order given within each.
    pub waves: Vec<Vec<&'p Pod>>,
    /// Pods that cannot be evicted, with the reason.
    pub blocked: Vec<(&'p Pod, Block<'s>)>,
}

impl Drain<'_, '_> {
    /// The waves as `namespace/name`.
    #[must_use]
    pub fn names(&self) -> Vec<Vec<Name>> {
        let keys = |wave: &Vec<&Pod>| wave.iter().map(|pod| Name::from(pod.key())).collect();
        self.waves.iter().map(keys).collect()
    }
}

/// How much of a PDB several pods need together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand<'a> {
    /// The PDB.
    pub pdb: &'a PodDisruptionBudget,
    /// How many of the pods count against it.
    pub wanted: usize,
    /// How many it allows at once.
    pub allowed: usize,
}

/// `status.disruptionsAllowed`; a PDB without it allows nothing, as a controller has not seen it yet.
fn allowance(pdb: &PodDisruptionBudget) -> usize {
    usize::try_from(pdb.disruptions_allowed.unwrap_or(0)).unwrap_or(0)
}

/// Whether the PDB can never allow an eviction (D-10).
#[must_use]
pub fn is_fully_blocking(pdb: &PodDisruptionBudget) -> bool {
    matches!(
        pdb.max_unavailable,
        Some(IntOrPercent::Count(0) | IntOrPercent::Percent(0))
    ) || pdb.min_available == Some(IntOrPercent::Percent(100))
}

/// Whether draining its node evicts the pod at all (D-12): it runs, is no mirror pod and does not tolerate the taint.
/// do-not-disrupt is not looked at.
#[must_use]
pub fn is_drained(pod: &Pod) -> bool {
    let tolerations = &pod.spec.tolerations;
    let tolerates = || {
        let taint = disrupted_taint();
        tolerations.iter().any(|t| t.tolerates(&taint))
    };
    !pod.is_finished()
        && !pod.is_terminating()
        && !pod.is_owned_by("", "Node")
        && (tolerations.is_empty() || !tolerates())
}

fn is_unhealthy(pod: &Pod) -> bool {
    pod.phase != PodPhase::Pending && pod.detail.as_ref().is_some_and(|detail| detail.unready)
}

impl<'a> Pdbs<'a> {
    /// The PDBs of `snapshot`. O(n log n).
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut pdbs: Vec<&PodDisruptionBudget> = snapshot.pod_disruption_budgets.iter().collect();
        pdbs.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut by_namespace: FastMap<&str, Vec<&PodDisruptionBudget>> = FastMap::default();
        for pdb in pdbs {
            by_namespace.entry(&pdb.namespace).or_default().push(pdb);
        }
        Self { by_namespace }
    }

    /// The PDBs that select `pod`, in name order. O(PDBs of its namespace).
    #[must_use]
    pub fn of(&self, pod: &Pod) -> Vec<&'a PodDisruptionBudget> {
        if self.by_namespace.is_empty() {
            return Vec::new();
        }
        let Some(near) = self.by_namespace.get(pod.namespace.as_ref()) else {
            return Vec::new();
        };
        let selects = |pdb: &PodDisruptionBudget| {
            pdb.selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&pod.labels))
        };
        near.iter().copied().filter(|pdb| selects(pdb)).collect()
    }

    /// Why `pod`, taken alone, cannot be evicted now (D-10); `None` when it can, or when draining leaves it alone
    /// ([`is_drained`]). A pod that is not ready is free of a PDB with `unhealthyPodEvictionPolicy: AlwaysAllow`.
    /// O(PDBs of its namespace).
    #[must_use]
    pub fn blocks(&self, pod: &Pod) -> Option<Block<'a>> {
        if !is_drained(pod) {
            return None;
        }
        let pdbs = self.of(pod);
        match pdbs.as_slice() {
            [] => None,
            [pdb] if pdb.always_allow_unhealthy && is_unhealthy(pod) => None,
            [pdb] if allowance(pdb) > 0 => None,
            [pdb] if is_fully_blocking(pdb) => Some(Block::Never(pdb)),
            [pdb] => Some(Block::Exhausted(pdb)),
            _ => Some(Block::Several(pdbs)),
        }
    }

    /// The PDB that an eviction of `pod` counts against.
    fn charged(&self, pod: &Pod) -> Option<&'a PodDisruptionBudget> {
        if !is_drained(pod) {
            return None;
        }
        match self.of(pod).as_slice() {
            [pdb] if !(pdb.always_allow_unhealthy && is_unhealthy(pod)) => Some(pdb),
            _ => None,
        }
    }

    /// What `pods` need of each PDB if all are down together (W-20), in the order in which the PDBs first occur. A plan
    /// needs no more than one wave if nowhere is more wanted than allowed. O(pods x PDBs of a namespace).
    #[must_use]
    pub fn demand<'p>(&self, pods: impl IntoIterator<Item = &'p Pod>) -> Vec<Demand<'a>> {
        let mut demands: Vec<Demand<'a>> = Vec::new();
        let mut place: FastMap<(&str, &str), usize> = FastMap::default();
        for pdb in pods.into_iter().filter_map(|pod| self.charged(pod)) {
            let at = *place.entry((&pdb.namespace, &pdb.name)).or_insert_with(|| {
                demands.push(Demand {
                    pdb,
                    wanted: 0,
                    allowed: allowance(pdb),
                });
                demands.len() - 1
            });
            demands[at].wanted += 1;
        }
        demands
    }

    /// The order in which `pods` can be evicted: each in the earliest wave in which its PDB has room (M-20). Pods that
    /// draining leaves alone ([`is_drained`]) are left out; blocked ones are listed apart. As many waves as the tightest
    /// PDB makes necessary, no more. O(pods x PDBs of a namespace).
    pub fn waves<'p>(&self, pods: impl IntoIterator<Item = &'p Pod>) -> Drain<'a, 'p> {
        let mut drain = Drain::default();
        let mut evicted: FastMap<(&str, &str), usize> = FastMap::default();
        for pod in pods {
            if !is_drained(pod) {
                continue;
            }
            if let Some(block) = self.blocks(pod) {
                drain.blocked.push((pod, block));
                continue;
            }
            let wave = self.charged(pod).map_or(0, |pdb| {
                let before = evicted.entry((&pdb.namespace, &pdb.name)).or_default();
                // Not blocked, so the allowance is at least 1.
                let wave = *before / allowance(pdb).max(1);
                *before += 1;
                wave
            });
            while drain.waves.len() <= wave {
                drain.waves.push(Vec::new());
            }
            drain.waves[wave].push(pod);
        }
        drain
    }
}
