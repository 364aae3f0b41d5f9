//! The figures on preferences, counted again (M-2): a preferred term holds or not once every pod is on its node.

use std::collections::BTreeMap;

use crate::base::hash::FastMap;
use crate::base::index::IxVec;
use crate::model::affinity::{NodeSelectorTerm, WeightedPodAffinityTerm};
use crate::model::label;
use crate::model::options::PreferencePolicy;
use crate::model::resources::Name;
use crate::plan::{Plan, PreferenceTotals};

use super::Placed;
use super::terms::{Keys, Matcher};
use crate::verify::report::{Kind, Report, Violation};
use crate::verify::selection;
use crate::verify::view::{ClassIx, Cluster, NodeIx, NodeView};

/// Whether the plan's figures are right. A plan that states none is not judged, nor is one that ignores preferences.
/// O(pods + distinct terms x classes x domains).
pub(super) fn check(cluster: &Cluster<'_>, placed: &[Placed], plan: &Plan, report: &mut Report) {
    let respected = cluster.snapshot.options.preference_policy == PreferencePolicy::Respect;
    let Some(stated) = plan.preferences.filter(|_| respected) else {
        return;
    };
    let mut count = Count::new(cluster, placed);
    let mut figures = PreferenceTotals::default();
    let mut together: BTreeMap<(ClassIx, NodeIx), u64> = BTreeMap::new();
    for p in placed.iter().filter(|p| p.new) {
        *together.entry((p.class, p.node)).or_default() += 1;
    }
    for ((class, node), pods) in together {
        let (total, met) = count.one(class, node);
        figures.weight_total += total * pods;
        figures.weight_met += met * pods;
    }
    for (field, stated, actual) in [
        ("weightTotal", stated.weight_total, figures.weight_total),
        ("weightMet", stated.weight_met, figures.weight_met),
    ] {
        if stated != actual {
            report.violation(Violation::new(
                Kind::Preferences,
                format!("preferences.{field} is {actual}, not {stated}"),
            ));
        }
    }
}

/// Pods by topology key, domain and class, and by term what of them is meant.
struct Count<'c, 'a> {
    cluster: &'c Cluster<'a>,
    placed: &'c [Placed],
    keys: Keys,
    by_key: BTreeMap<Name, BTreeMap<(usize, ClassIx), u64>>,
    by_term: FastMap<(Matcher, Name), Meant>,
}

/// The pods that one term means: by domain, and whether each class is among them.
struct Meant {
    by_domain: BTreeMap<usize, u64>,
    selected: IxVec<ClassIx, bool>,
}

impl<'c, 'a> Count<'c, 'a> {
    fn new(cluster: &'c Cluster<'a>, placed: &'c [Placed]) -> Self {
        Self {
            cluster,
            placed,
            keys: Keys::default(),
            by_key: BTreeMap::new(),
            by_term: FastMap::default(),
        }
    }

    /// The weights of the preferred terms of one pod of `class`, and of those that hold on `node`.
    fn one(&mut self, class: ClassIx, node: NodeIx) -> (u64, u64) {
        let affinity = &self.cluster.classes[class].spec.affinity;
        let (mut total, mut met) = (0, 0);
        let mut add = |weight: u32, holds: bool| {
            total += u64::from(weight);
            met += u64::from(weight) * u64::from(holds);
        };
        for term in &affinity.node_preferred {
            let asked = &term.preference;
            if !asked.match_expressions.is_empty() || !asked.match_fields.is_empty() {
                add(term.weight, matches(asked, &self.cluster.nodes[node]));
            }
        }
        for term in &affinity.pod_preferred {
            add(term.weight, self.others(class, node, term) > 0);
        }
        for term in &affinity.anti_preferred {
            add(term.weight, self.others(class, node, term) == 0);
        }
        (total, met)
    }

    /// How many pods besides the one of `class` on `node` the term means in that node's domain; none without one.
    fn others(&mut self, class: ClassIx, node: NodeIx, term: &WeightedPodAffinityTerm) -> u64 {
        let cluster = self.cluster;
        let term = &term.pod_affinity_term;
        let key = &term.topology_key;
        let Some(domain) = self.domain(key, node) else {
            return 0;
        };
        let matcher = Matcher::of_term(cluster, &cluster.classes[class], term);
        let id = (matcher, Name::clone(key));
        if !self.by_term.contains_key(&id) {
            let selected = id.0.selected(cluster);
            let mut by_domain: BTreeMap<usize, u64> = BTreeMap::new();
            for ((domain, held), pods) in self.pods_by(key) {
                if selected[*held] {
                    *by_domain.entry(*domain).or_default() += pods;
                }
            }
            let meant = Meant {
                by_domain,
                selected,
            };
            self.by_term.insert(id.clone(), meant);
        }
        let Some(meant) = self.by_term.get(&id) else {
            return 0;
        };
        let all = meant.by_domain.get(&domain).copied().unwrap_or(0);
        all.saturating_sub(u64::from(meant.selected[class]))
    }

    fn pods_by(&mut self, key: &Name) -> &BTreeMap<(usize, ClassIx), u64> {
        if !self.by_key.contains_key(key) {
            let mut counts = BTreeMap::new();
            for p in self.placed {
                if let Some(domain) = self.domain(key, p.node) {
                    *counts.entry((domain, p.class)).or_default() += 1;
                }
            }
            self.by_key.insert(Name::clone(key), counts);
        }
        &self.by_key[key]
    }

    fn domain(&mut self, key: &Name, node: NodeIx) -> Option<usize> {
        let open = is_open(&self.cluster.nodes[node], key);
        let domains = self.keys.domains(self.cluster, key);
        domains.of(node).filter(|_| !open)
    }
}

/// Whether nobody knows yet which value `node` will have of `key`.
fn is_open(node: &NodeView, key: &str) -> bool {
    let key = label::normalize(key);
    node.undecided.iter().any(|open| open.as_ref() == key)
}

/// Whether `node` matches `term`, its undecided labels counting as no match.
fn matches(term: &NodeSelectorTerm, node: &NodeView) -> bool {
    !term.match_expressions.iter().any(|e| is_open(node, &e.key))
        && selection::term_matches(term, &node.labels, &node.name)
}
