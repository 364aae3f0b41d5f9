//! What pods say that they prefer, read once for all pods that say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::hash::FastMap;
use crate::model::affinity::{Affinity, TopologySpreadConstraint, WhenUnsatisfiable};
use crate::model::label::Labels;
use crate::model::pod::{Pod, PodSpec};
use crate::model::requirement::Requirements;
use crate::model::resources::Name;
use crate::model::taint::Toleration;
use crate::problem::topology::rules::{Kind as RuleKind, Namespaces, Rule};
use crate::view::pods::Term;

/// What makes likings equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    Keep(Vec<Toleration>),
    Near(Term, u32),
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(_) => write!(f, "no PreferNoSchedule taint that is not tolerated"),
            Self::Near(term, _) => {
                write!(f, "preferred node affinity")?;
                let mut word = " to";
                for asked in term.requirements.iter() {
                    write!(f, "{word} {asked}")?;
                    word = " and";
                }
                for field in &term.names {
                    let values = field.values.join(", ");
                    write!(f, "{word} {} {} [{values}]", field.key, field.operator)?;
                    word = " and";
                }
                Ok(())
            }
        }
    }
}

/// Whether `spec` states a preference.
pub(super) fn prefers(spec: &PodSpec) -> bool {
    let affinity = &spec.affinity;
    !affinity.node_preferred.is_empty()
        || !affinity.pod_preferred.is_empty()
        || !affinity.anti_preferred.is_empty()
        || spec
            .topology_spread
            .iter()
            .any(|c| c.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway)
}

/// What preferences depend on in a specification; replicas of different workloads often have it in common.
#[derive(PartialEq, Eq, Hash)]
struct Said<'s> {
    affinity: &'s Affinity,
    spread: &'s [TopologySpreadConstraint],
    node_selector: &'s Labels,
    tolerations: &'s [Toleration],
}

/// Pods that say the same and are spoken of alike: with one preference, and the same labels and namespace.
#[derive(Default)]
pub(super) struct Faces<'s> {
    /// One pod of each.
    pub(super) pods: Vec<&'s Pod>,
    said: FastMap<Said<'s>, u32>,
    by_spec: FastMap<usize, u32>,
    known: FastMap<[usize; 3], u32>,
}

impl<'s> Faces<'s> {
    /// The face of `pod`: a position in [`pods`](Self::pods).
    pub(super) fn of(&mut self, pod: &'s Pod) -> u32 {
        let [spec, labels, namespace] = address(pod);
        let said = *self.by_spec.entry(spec).or_insert_with(|| {
            let next = u32::try_from(self.said.len()).unwrap_or(u32::MAX);
            let said = Said {
                affinity: &pod.spec.affinity,
                spread: &pod.spec.topology_spread,
                node_selector: &pod.spec.node_selector,
                tolerations: &pod.spec.tolerations,
            };
            *self.said.entry(said).or_insert(next)
        });
        let key = [said as usize, labels, namespace];
        *self.known.entry(key).or_insert_with(|| {
            self.pods.push(pod);
            u32::try_from(self.pods.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// Where specification, labels and namespace of `pod` stand: what is shared is equal.
pub(super) fn address(pod: &Pod) -> [usize; 3] {
    [
        std::sync::Arc::as_ptr(&pod.spec).addr(),
        std::sync::Arc::as_ptr(&pod.labels).addr(),
        Name::as_ptr(&pod.namespace).cast::<u8>().addr(),
    ]
}

/// What the pods of one face state.
pub(super) struct Stated {
    pub(super) wishes: BTreeSet<Wish>,
    pub(super) rules: BTreeMap<Rule, u32>,
}

impl Stated {
    pub(super) fn of(pod: &Pod, namespaces: &Namespaces, soft_taints: bool) -> Self {
        let affinity = &pod.spec.affinity;
        let mut weights: BTreeMap<Term, u32> = BTreeMap::new();
        for term in &affinity.node_preferred {
            let asked = &term.preference;
            // An empty term is not a preference.
            if asked.match_expressions.is_empty() && asked.match_fields.is_empty() {
                continue;
            }
            let key = Term {
                requirements: Requirements::from_specs(&asked.match_expressions),
                names: asked.match_fields.clone(),
            };
            let held = weights.entry(key).or_default();
            *held = held.saturating_add(term.weight);
        }
        let mut wishes: BTreeSet<Wish> = weights
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(term, weight)| Wish::Near(term, weight))
            .collect();
        if soft_taints {
            let mut tolerations = pod.spec.tolerations.clone();
            tolerations.sort();
            tolerations.dedup();
            wishes.insert(Wish::Keep(tolerations));
        }
        let mut rules: BTreeMap<Rule, u32> = BTreeMap::new();
        let mut add = |rule: Rule, weight: u32| {
            let held = rules.entry(rule).or_default();
            *held = held.saturating_add(weight);
        };
        for (terms, kind) in [
            (&affinity.pod_preferred, RuleKind::Affinity),
            (&affinity.anti_preferred, RuleKind::Anti),
        ] {
            for term in terms.iter().filter(|term| term.weight > 0) {
                let rule = namespaces.rule(kind.clone(), pod, &term.pod_affinity_term);
                add(rule, term.weight);
            }
        }
        for constraint in &pod.spec.topology_spread {
            if constraint.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway {
                add(Rule::spread(pod, constraint), 1);
            }
        }
        Self { wishes, rules }
    }
}
