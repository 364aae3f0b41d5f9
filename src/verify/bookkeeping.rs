//! Every pending pod exactly once, and sums that add up.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::Plan;

use super::report::{Kind, Report, Violation};
use super::view::{Cluster, PodIx};

/// The most by which a stated price may differ from the sum: a float's worth, and the rounding of hand-written plans.
const TOLERANCE: Price = Price::from_femto(1_000_000_000_000);

/// The plan's pods by target, each pod on its first target only, so that one fault is reported once.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Per entry of `plan.existing_nodes`.
    pub(super) existing: Vec<Vec<PodIx>>,
    /// Per entry of `plan.new_node_claims`.
    pub(super) claims: Vec<Vec<PodIx>>,
    /// Distinct pods on some target.
    pub(super) scheduled: usize,
    /// Distinct pods listed as unschedulable.
    pub(super) unschedulable: usize,
}

/// Reads who goes where. O(pods x log pods).
pub(super) fn assign(cluster: &Cluster<'_>, plan: &Plan, report: &mut Report) -> Assignment {
    let mut targets: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
    let existing = plan
        .existing_nodes
        .iter()
        .map(|e| (e.node.to_string(), &e.pods));
    let claims = plan
        .new_node_claims
        .iter()
        .enumerate()
        .map(|(at, c)| (format!("claim[{at}]"), &c.pods));
    let mut lists: Vec<Vec<PodIx>> = Vec::new();
    for (target, pods) in existing.chain(claims) {
        let mut list = Vec::new();
        for pod in pods {
            let places = targets.entry(pod).or_default();
            places.push(target.clone());
            if places.len() == 1
                && let Some(ix) = cluster.pod_named(pod)
                && cluster.pods[ix].pending
            {
                list.push(ix);
            }
        }
        lists.push(list);
    }
    let unschedulable: BTreeSet<&Name> = plan.unschedulable.iter().map(|u| &u.pod).collect();
    check_named(cluster, &targets, &unschedulable, report);
    let claims = lists.split_off(plan.existing_nodes.len());
    Assignment {
        existing: lists,
        claims,
        scheduled: targets.len(),
        unschedulable: unschedulable.len(),
    }
}

fn check_named(
    cluster: &Cluster<'_>,
    targets: &BTreeMap<&Name, Vec<String>>,
    unschedulable: &BTreeSet<&Name>,
    report: &mut Report,
) {
    for (pod, places) in targets {
        let mut found = |kind, message: &str| {
            report.violation(
                Violation::new(kind, message)
                    .pod(pod)
                    .at(places.first().cloned().unwrap_or_default()),
            );
        };
        if places.len() > 1 {
            found(
                Kind::PlacedTwice,
                &format!("the pod is placed on {}", places.join(" and ")),
            );
        }
        match cluster.pod_named(pod) {
            None => found(Kind::UnknownPod, "there is no such pod"),
            Some(ix) if !cluster.pods[ix].pending => {
                found(Kind::NotPending, "the pod does not wait to be placed");
            }
            Some(ix) if cluster.spec(ix).uses_resource_claims() => found(
                Kind::Dra,
                "the pod uses resource claims, which no plan can honour",
            ),
            Some(_) => {}
        }
        if unschedulable.contains(pod) {
            found(
                Kind::PlacedAndUnschedulable,
                "the pod is listed as unschedulable too",
            );
        }
    }
    for view in cluster.pods.iter().filter(|view| view.pending) {
        if !targets.contains_key(&view.key) && !unschedulable.contains(&view.key) {
            report.violation(
                Violation::new(Kind::MissingPod, "the plan says nothing about this pod")
                    .pod(&view.key),
            );
        }
    }
    for pod in unschedulable {
        let pending = cluster
            .pod_named(pod)
            .is_some_and(|ix| cluster.pods[ix].pending);
        if !pending {
            report.warning(
                Violation::new(
                    Kind::UnschedulableNotPending,
                    "the pod does not wait to be placed",
                )
                .pod(pod),
            );
        }
    }
}

/// Sum of the known prices of the chosen offerings (M-9).
pub(super) fn hourly_price(plan: &Plan) -> Price {
    plan.new_node_claims
        .iter()
        .filter_map(|claim| claim.cheapest.price)
        .sum()
}

/// Whether the totals are the sums of what the plan lists, and the lower bound is one (M-7, M-9).
pub(super) fn check_totals(plan: &Plan, assignment: &Assignment, report: &mut Report) {
    let unknown = plan
        .new_node_claims
        .iter()
        .filter(|claim| claim.cheapest.price.is_none())
        .count();
    let totals = &plan.totals;
    for (field, stated, actual) in [
        ("newNodes", totals.new_nodes, plan.new_node_claims.len()),
        ("scheduled", totals.scheduled, assignment.scheduled),
        (
            "unschedulable",
            totals.unschedulable,
            assignment.unschedulable,
        ),
        ("unknownPriceNodes", totals.unknown_price_nodes, unknown),
    ] {
        if stated != actual {
            report.violation(Violation::new(
                Kind::Totals,
                format!("{field} is {actual}, not {stated}"),
            ));
        }
    }
    let price = hourly_price(plan);
    if totals.hourly_price > price + TOLERANCE || price > totals.hourly_price + TOLERANCE {
        report.violation(Violation::new(
            Kind::Totals,
            format!("hourlyPrice is {price}, not {}", totals.hourly_price),
        ));
    }
    if unknown == 0 && plan.lower_bound > price + super::pricing::EQUAL {
        report.violation(Violation::new(
            Kind::LowerBound,
            format!(
                "the lower bound {} exceeds the price {price}",
                plan.lower_bound
            ),
        ));
    }
}
