//! Required anti-affinity, in both directions (S-95, S-96): it binds the pods that state it and those it speaks of.

use crate::base::hash::FastMap;
use crate::base::index::IxVec;
use crate::model::resources::Name;

use super::Placed;
use super::terms::{Keys, Matcher};
use crate::verify::report::{Kind, Report};
use crate::verify::view::{ClassIx, Cluster};

/// Matching pods of one domain: how many, and the first two to name.
#[derive(Debug, Clone, Default)]
struct Crowd {
    count: usize,
    first: Vec<usize>,
}

impl Crowd {
    fn add(&mut self, at: usize) {
        self.count += 1;
        if self.first.len() < 2 {
            self.first.push(at);
        }
    }

    /// A member other than `at`.
    fn other(&self, at: usize) -> Option<usize> {
        self.first.iter().copied().find(|&member| member != at)
    }
}

/// Reports every pod whose anti-affinity is broken by or for a pod that the plan placed.
pub(super) fn check(cluster: &Cluster<'_>, placed: &[Placed], report: &mut Report) {
    let mut known: FastMap<(Matcher, Name), usize> = FastMap::default();
    let mut groups: Vec<(Matcher, Name)> = Vec::new();
    let of_class: IxVec<ClassIx, Vec<usize>> = cluster
        .classes
        .iter()
        .map(|class| {
            let terms = class.spec.affinity.anti_required.iter();
            let keyed = terms.map(|term| {
                (
                    Matcher::of_term(cluster, class, term),
                    Name::clone(&term.topology_key),
                )
            });
            keyed
                .map(|group| {
                    *known.entry(group.clone()).or_insert_with(|| {
                        groups.push(group);
                        groups.len() - 1
                    })
                })
                .collect()
        })
        .collect();
    let mut owners: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
    for (at, p) in placed.iter().enumerate() {
        for &group in &of_class[p.class] {
            owners[group].push(at);
        }
    }
    let mut keys = Keys::default();
    for ((matcher, key), owners) in groups.iter().zip(&owners) {
        if owners.is_empty() {
            continue;
        }
        let domains = keys.domains(cluster, key);
        let selected = matcher.selected(cluster);
        let mut all = vec![Crowd::default(); domains.count()];
        let mut new = all.clone();
        for (at, p) in placed.iter().enumerate().filter(|(_, p)| selected[p.class]) {
            if let Some(domain) = domains.of(p.node) {
                all[domain].add(at);
                if p.new {
                    new[domain].add(at);
                }
            }
        }
        for &at in owners {
            let p = &placed[at];
            let Some(domain) = domains.of(p.node) else {
                continue;
            };
            // Between two pods that were there before, the plan is not to blame.
            let crowd = if p.new { &all } else { &new };
            if let Some(other) = crowd[domain].other(at) {
                let message = format!(
                    "it keeps away from {} in {key} {}",
                    cluster.pods[placed[other].pod].key,
                    domains.name(domain)
                );
                report.violation(super::finding(cluster, p, Kind::PodAntiAffinity, message));
            }
        }
    }
}
