//! Rules between pods: required anti-affinity, required affinity and hard topology spread.
//!
//! kube-scheduler tests these when it places a pod. Anti-affinity can only get worse as pods arrive, so the final state
//! decides it. Spread and affinity hold if *some* order of binding passes at every step (M-3): the plan's own listing
//! order is tried first, then [`search`] looks for another. The search is a heuristic with fixed seeds, so:
//!
//! - spread that holds in the final state is accepted with a warning where no order was found;
//! - affinity is judged apart from spread, so that a violation is named after its own cause.
//!
//! Preferences break no rule, but [the plan's figures](preferences) on them must be right.

mod anti;
mod preferences;
mod rules;
mod search;
mod state;
mod terms;

use std::collections::BTreeMap;

use crate::model::resources::Name;
use crate::plan::Plan;

use super::bookkeeping::Assignment;
use super::report::{Kind, Report, Violation};
use super::view::{ClassIx, Cluster, NodeIx, PodIx};

use rules::{Rule, Rules};
use search::Search;
use state::State;

/// A live pod on its node.
#[derive(Debug, Clone, Copy)]
struct Placed {
    pod: PodIx,
    class: ClassIx,
    node: NodeIx,
    /// Whether the plan put it there.
    new: bool,
    /// Terminating pods do not count for spread.
    terminating: bool,
}

/// Judges all rules between pods.
pub(super) fn check(
    cluster: &Cluster<'_>,
    assignment: &Assignment,
    plan: &Plan,
    report: &mut Report,
) {
    let mut placed = placed_pods(cluster, assignment);
    if !plan.binding_order.is_empty() && !follow(cluster, &mut placed, &plan.binding_order) {
        report.violation(Violation::new(
            Kind::BindingOrder,
            "bindingOrder does not name each pod that is placed once",
        ));
    }
    anti::check(cluster, &placed, report);
    preferences::check(cluster, &placed, plan, report);
    let rules = Rules::new(cluster, &placed);
    if rules.is_empty() {
        return;
    }
    let search = Search::new(&rules, &placed);
    if !plan.binding_order.is_empty() && !search.listing_order_holds() {
        report.violation(Violation::new(
            Kind::BindingOrder,
            "bindingOrder breaks a rule between pods at some step",
        ));
    }
    let stuck = search.find().stuck;
    if stuck.is_empty() {
        return;
    }
    let without_affinity = search.stuck_on_affinity();
    let mut end = State::new(&rules);
    for p in &placed {
        end.put(&rules, p);
    }
    let mut unexplained = 0;
    for &at in &stuck {
        let broken = report_spread(cluster, &rules, &end, &placed[at], report);
        if !broken && !without_affinity.contains(&at) {
            unexplained += 1;
        }
    }
    for &at in &without_affinity {
        report_affinity(cluster, &rules, &end, &placed[at], report);
    }
    if unexplained > 0 {
        report.warning(Violation::new(
            Kind::BindingOrder,
            format!("found no binding order for {unexplained} pods, whose spread holds in the end"),
        ));
    }
}

/// An order in which the plan's pods can be bound (M-3); `None` where none was found.
pub(super) fn binding_order(cluster: &Cluster<'_>, assignment: &Assignment) -> Option<Vec<PodIx>> {
    let placed = placed_pods(cluster, assignment);
    let rules = Rules::new(cluster, &placed);
    let found = Search::new(&rules, &placed).find();
    if !found.stuck.is_empty() {
        return None;
    }
    let mut listed = vec![false; placed.len()];
    found.order.iter().for_each(|at| listed[*at] = true);
    // Nobody counts the others.
    let others = (0..placed.len()).filter(|at| placed[*at].new && !listed[*at]);
    let all = found.order.iter().copied().chain(others);
    Some(all.map(|at| placed[at].pod).collect())
}

/// Sorts the new pods of `placed` as `order` names them; whether it names each of them once.
fn follow(cluster: &Cluster<'_>, placed: &mut [Placed], order: &[Name]) -> bool {
    let start = placed.iter().position(|p| p.new).unwrap_or(placed.len());
    let new = &mut placed[start..];
    let ranks: BTreeMap<PodIx, usize> = order
        .iter()
        .enumerate()
        .filter_map(|(rank, pod)| Some((cluster.pod_named(pod)?, rank)))
        .collect();
    if order.len() != new.len() || new.iter().any(|p| !ranks.contains_key(&p.pod)) {
        return false;
    }
    new.sort_by_key(|p| ranks.get(&p.pod).copied());
    true
}

/// Bound pods, then the plan's pods in listing order: existing nodes first, then claims.
fn placed_pods(cluster: &Cluster<'_>, assignment: &Assignment) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut target: Vec<Option<NodeIx>> = vec![None; cluster.pods.len()];
    let entry = |pod: PodIx, node: NodeIx, new: bool| {
        let view = &cluster.pods[pod];
        Placed {
            pod,
            class: view.class,
            node,
            new,
            terminating: view.pod.is_terminating(),
        }
    };
    for (ix, node) in cluster.nodes.enumerate() {
        placed.extend(node.bound.iter().map(|&pod| entry(pod, ix, false)));
        for &pod in &node.placed {
            target[crate::base::index::Ix::at(pod)] = Some(ix);
        }
    }
    for &pod in assignment
        .existing
        .iter()
        .chain(&assignment.claims)
        .flatten()
    {
        if let Some(node) = target[crate::base::index::Ix::at(pod)] {
            placed.push(entry(pod, node, true));
        }
    }
    placed
}

/// Reports the spread constraints of `p` that the final state breaks; says whether there is one.
fn report_spread(
    cluster: &Cluster<'_>,
    rules: &Rules,
    end: &State,
    p: &Placed,
    report: &mut Report,
) -> bool {
    let mut broken = false;
    for &rule in rules.owned(p.class) {
        let Rule::Spread(at) = rule else {
            continue;
        };
        let spread = &rules.spreads[at];
        if end.spread_allows(rules, at, p, false) {
            continue;
        }
        broken = true;
        let message = match spread.domains.of(p.node) {
            None => format!("the node has no label {}", spread.key),
            Some(domain) => format!(
                "{} in {} {}, {} in the emptiest domain, maxSkew {}",
                end.spread_count(at, domain),
                spread.key,
                spread.domains.name(domain),
                end.spread_least(rules, at),
                spread.max_skew
            ),
        };
        report.violation(finding(cluster, p, Kind::TopologySpread, message));
    }
    broken
}

fn report_affinity(
    cluster: &Cluster<'_>,
    rules: &Rules,
    end: &State,
    p: &Placed,
    report: &mut Report,
) {
    for &rule in rules.owned(p.class) {
        let Rule::Affinity(at) = rule else {
            continue;
        };
        let affinity = &rules.affinities[at];
        let own = i64::from(affinity.selects(p.class));
        let lonely = affinity
            .terms
            .iter()
            .enumerate()
            .find_map(|(term, (key, domains))| {
                let Some(domain) = domains.of(p.node) else {
                    return Some(format!("the node has no label {key}"));
                };
                let others = end.affinity_count(at, term, domain) - own;
                (others <= 0).then(|| format!("no matching pod in {key} {}", domains.name(domain)))
            });
        let (kind, message) = match lonely {
            Some(message) => (Kind::PodAffinity, message),
            None => (
                Kind::PodAffinityOrder,
                "the pods it needs would have to be placed before it, which they cannot".to_owned(),
            ),
        };
        report.violation(finding(cluster, p, kind, message));
    }
}

fn finding(cluster: &Cluster<'_>, p: &Placed, kind: Kind, message: String) -> Violation {
    Violation::new(kind, message)
        .pod(&cluster.pods[p.pod].key)
        .at(cluster.nodes[p.node].target.as_str())
}
