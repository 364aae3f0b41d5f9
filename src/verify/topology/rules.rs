//! Spread constraints and affinities of the plan's pods, equal ones merged.

use std::rc::Rc;

use crate::base::hash::FastMap;
use crate::base::index::{Ix, IxVec};
use crate::model::affinity::{
    NodeInclusionPolicy, NodeSelectorTerm, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::model::label::Labels;
use crate::model::resources::Name;
use crate::model::taint::{self, Toleration};

use super::Placed;
use super::terms::{Domains, Keys, Matcher};
use crate::verify::selection;
use crate::verify::view::{Class, ClassIx, Cluster};

/// A rule that a class of pods states, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Spread(usize),
    Affinity(usize),
}

/// What makes two hard spread constraints the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SpreadIdentity<'a> {
    matcher: Matcher,
    key: &'a str,
    max_skew: u32,
    min_domains: Option<u32>,
    /// Keys of all hard constraints of the pod: only nodes that have them all count.
    keys: Vec<&'a str>,
    /// Node selection, where the constraint honours it.
    selection: Option<(&'a Labels, Option<&'a [NodeSelectorTerm]>)>,
    /// Tolerations, where the constraint honours taints.
    tolerations: Option<&'a [Toleration]>,
}

/// A hard spread constraint.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) key: Name,
    pub(super) max_skew: i64,
    /// Whether there are as many domains as `minDomains` asks for; else the least count is 0.
    pub(super) enough_domains: bool,
    pub(super) domains: Rc<Domains>,
    /// Per domain whether a node that counts is in it.
    pub(super) present: Vec<bool>,
    /// Per node whether it counts (S-90).
    eligible: Vec<bool>,
    selected: IxVec<ClassIx, bool>,
}

impl Spread {
    /// Whether pods of `class` are counted.
    pub(super) fn selects(&self, class: ClassIx) -> bool {
        self.selected[class]
    }

    /// The domain in which `p` is counted, if it is.
    pub(super) fn counts(&self, p: &Placed) -> Option<usize> {
        let counted = self.eligible[p.node.at()] && !p.terminating && self.selects(p.class);
        self.domains.of(p.node).filter(|_| counted)
    }
}

/// All required affinity terms of a pod together: one pod must match them all (kube-scheduler).
#[derive(Debug)]
pub(super) struct Affinity {
    /// Topology key and domains of each term.
    pub(super) terms: Vec<(Name, Rc<Domains>)>,
    selected: IxVec<ClassIx, bool>,
}

impl Affinity {
    /// Whether pods of `class` match every term.
    pub(super) fn selects(&self, class: ClassIx) -> bool {
        self.selected[class]
    }
}

/// All rules in play.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) spreads: Vec<Spread>,
    pub(super) affinities: Vec<Affinity>,
    owned: IxVec<ClassIx, Vec<Rule>>,
    counted: IxVec<ClassIx, Vec<Rule>>,
}

impl Rules {
    /// The rules that the plan's pods state.
    pub(super) fn new(cluster: &Cluster<'_>, placed: &[Placed]) -> Self {
        let count = cluster.classes.len();
        let mut rules = Self {
            spreads: Vec::new(),
            affinities: Vec::new(),
            owned: IxVec::filled(count, Vec::new()),
            counted: IxVec::filled(count, Vec::new()),
        };
        let mut seen = vec![false; count];
        let mut keys = Keys::default();
        let mut spreads: FastMap<SpreadIdentity<'_>, usize> = FastMap::default();
        let mut affinities: FastMap<Vec<(Matcher, Name)>, usize> = FastMap::default();
        for p in placed.iter().filter(|p| p.new) {
            if std::mem::replace(&mut seen[p.class.at()], true) {
                continue;
            }
            let class = &cluster.classes[p.class];
            let mut owned = Vec::new();
            for constraint in hard(class) {
                let identity = identity(class, constraint);
                let at = match spreads.get(&identity) {
                    Some(&at) => at,
                    None => {
                        let spread = spread(cluster, &mut keys, class, constraint, &identity);
                        rules.spreads.push(spread);
                        spreads.insert(identity, rules.spreads.len() - 1);
                        rules.spreads.len() - 1
                    }
                };
                owned.push(Rule::Spread(at));
            }
            let terms = class.spec.affinity.pod_required.iter();
            let terms: Vec<(Matcher, Name)> = terms
                .map(|t| (Matcher::of_term(cluster, class, t), t.topology_key.clone()))
                .collect();
            if !terms.is_empty() {
                let at = match affinities.get(&terms) {
                    Some(&at) => at,
                    None => {
                        rules.affinities.push(affinity(cluster, &mut keys, &terms));
                        affinities.insert(terms, rules.affinities.len() - 1);
                        rules.affinities.len() - 1
                    }
                };
                owned.push(Rule::Affinity(at));
            }
            owned.sort();
            owned.dedup();
            rules.owned[p.class] = owned;
        }
        rules.note_counted();
        rules
    }

    /// Whether no pod of the plan states a rule.
    pub(super) fn is_empty(&self) -> bool {
        self.spreads.is_empty() && self.affinities.is_empty()
    }

    /// Rules that pods of `class` state.
    pub(super) fn owned(&self, class: ClassIx) -> &[Rule] {
        &self.owned[class]
    }

    /// Rules that count pods of `class`, on the nodes they look at.
    pub(super) fn counted(&self, class: ClassIx) -> &[Rule] {
        &self.counted[class]
    }

    fn note_counted(&mut self) {
        for class in self.counted.ids() {
            let spreads = self.spreads.iter().enumerate();
            let affinities = self.affinities.iter().enumerate();
            self.counted[class] = spreads
                .filter(|(_, spread)| spread.selects(class))
                .map(|(at, _)| Rule::Spread(at))
                .chain(
                    affinities
                        .filter(|(_, affinity)| affinity.selects(class))
                        .map(|(at, _)| Rule::Affinity(at)),
                )
                .collect();
        }
    }
}

fn hard<'a>(class: &Class<'a>) -> impl Iterator<Item = &'a TopologySpreadConstraint> + use<'a> {
    class
        .spec
        .topology_spread
        .iter()
        .filter(|c| c.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
}

fn identity<'a>(class: &Class<'a>, constraint: &'a TopologySpreadConstraint) -> SpreadIdentity<'a> {
    let mut keys: Vec<&str> = hard(class).map(|c| c.topology_key.as_ref()).collect();
    keys.sort_unstable();
    keys.dedup();
    let honours_selection = constraint.node_affinity_policy == NodeInclusionPolicy::Honor;
    let honours_taints = constraint.node_taints_policy == NodeInclusionPolicy::Honor;
    SpreadIdentity {
        matcher: Matcher::of_spread(
            class,
            constraint.label_selector.as_ref(),
            &constraint.match_label_keys,
        ),
        key: &constraint.topology_key,
        max_skew: constraint.max_skew,
        min_domains: constraint.min_domains,
        keys,
        selection: honours_selection.then_some((
            &class.spec.node_selector,
            class.spec.affinity.node_required.as_deref(),
        )),
        tolerations: honours_taints.then_some(class.spec.tolerations.as_slice()),
    }
}

fn spread(
    cluster: &Cluster<'_>,
    keys: &mut Keys,
    class: &Class<'_>,
    constraint: &TopologySpreadConstraint,
    identity: &SpreadIdentity<'_>,
) -> Spread {
    let domains = keys.domains(cluster, &constraint.topology_key);
    let mut present = vec![false; domains.count()];
    let mut eligible = vec![false; cluster.nodes.len()];
    for (ix, node) in cluster.nodes.enumerate() {
        let has_keys = identity.keys.iter().all(|k| node.labels.get(k).is_some());
        let selected =
            identity.selection.is_none() || selection::admits(class.spec, &node.labels, &node.name);
        let tolerated = identity
            .tolerations
            .is_none_or(|t| taint::untolerated(&node.taints, t, false).is_none());
        if !node.deleting && has_keys && selected && tolerated {
            eligible[ix.at()] = true;
            if let Some(domain) = domains.of(ix) {
                present[domain] = true;
            }
        }
    }
    let count = present.iter().filter(|held| **held).count();
    Spread {
        key: Name::clone(&constraint.topology_key),
        max_skew: i64::from(constraint.max_skew),
        enough_domains: constraint
            .min_domains
            .is_none_or(|least| usize::try_from(least).is_ok_and(|least| count >= least)),
        domains,
        present,
        eligible,
        selected: identity.matcher.selected(cluster),
    }
}

fn affinity(cluster: &Cluster<'_>, keys: &mut Keys, terms: &[(Matcher, Name)]) -> Affinity {
    let selects = |class: &Class<'_>| terms.iter().all(|(matcher, _)| matcher.selects(class));
    Affinity {
        selected: cluster.classes.iter().map(selects).collect(),
        terms: terms
            .iter()
            .map(|(_, key)| (Name::clone(key), keys.domains(cluster, key)))
            .collect(),
    }
}
