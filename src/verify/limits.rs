//! Limits of pools and groups of pools, and service quotas (S-46, M-5).

use std::collections::BTreeMap;

use crate::model::node_pool::NodePool;
use crate::model::quantity::Quantity;
use crate::model::resources::{NODES, Name, ResourceList};
use crate::plan::ChosenOffering;

use super::catalogue::{self, Catalogue};
use super::claims::Bought;
use super::report::{Kind, Report, Violation};
use super::view::{Cluster, NodeView};

/// Tests every limit on the sum over existing and new nodes, and on that sum with any one fallback instead.
pub(super) fn check(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    bought: &[Bought<'_>],
    report: &mut Report,
) {
    for pool in cluster.pools.values() {
        let scope = |other: &NodePool| other.name == pool.name;
        let what = format!("NodePool {}", pool.name);
        check_limits(
            cluster,
            catalogue,
            bought,
            &what,
            &pool.limits,
            &scope,
            report,
        );
    }
    for group in &cluster.snapshot.options.limit_groups {
        let scope = |other: &NodePool| group.selector.matches(&other.labels);
        let what = format!("limit group {}", group.name);
        check_limits(
            cluster,
            catalogue,
            bought,
            &what,
            &group.limits,
            &scope,
            report,
        );
    }
    check_quotas(cluster, bought, report);
}

/// What a node counts for: its capacity and one node.
fn counted(capacity: &ResourceList) -> ResourceList {
    let mut list = capacity.clone();
    list.set(NODES, Quantity::from_units(1));
    list
}

fn check_limits(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    bought: &[Bought<'_>],
    what: &str,
    limits: &ResourceList,
    scope: &dyn Fn(&NodePool) -> bool,
    report: &mut Report,
) {
    let mine: Vec<&Bought<'_>> = bought.iter().filter(|b| scope(b.pool)).collect();
    if limits.is_empty() || mine.is_empty() {
        return;
    }
    let in_scope = |node: &&NodeView| {
        let pool = node
            .pool
            .as_ref()
            .and_then(|p| cluster.pools.get(p.as_ref()));
        pool.is_some_and(|pool| scope(pool))
    };
    let live = cluster.nodes.iter().filter(|node| !node.deleting);
    let mut used = ResourceList::new();
    for node in live.filter(in_scope) {
        used.add(&counted(&node.capacity));
    }
    let mut added = ResourceList::new();
    for bought in &mine {
        added.add(&counted(&cluster.nodes[bought.node].capacity));
    }
    for (name, limit) in limits.iter() {
        let total = used.amount(name);
        if added.amount(name) > Quantity::ZERO && total > limit {
            report.violation(Violation::new(
                Kind::Limit,
                format!("{what} would use {total} of {name}, its limit is {limit}"),
            ));
            continue;
        }
        for bought in &mine {
            let own = counted(&cluster.nodes[bought.node].capacity).amount(name);
            let excessive = bought.claim.fallbacks.iter().find(|fallback| {
                let other = fallback_capacity(catalogue, bought.pool, fallback).amount(name);
                other > own && total - own + other > limit
            });
            if let Some(fallback) = excessive {
                report.violation(
                    Violation::new(
                        Kind::Fallback,
                        format!(
                            "with fallback {} {what} would exceed its limit of {name}",
                            fallback.instance_type
                        ),
                    )
                    .at(bought.target.as_str()),
                );
            }
        }
    }
}

fn fallback_capacity(
    catalogue: &Catalogue<'_>,
    pool: &NodePool,
    fallback: &ChosenOffering,
) -> ResourceList {
    let menu = catalogue.menu(pool);
    let meant = menu.offerings(&fallback.instance_type, |o| {
        catalogue::is_meant(o, fallback)
    });
    let entry = meant.first().map(|&(entry, _)| &menu.types[entry]);
    entry
        .map(|entry| counted(&entry.capacity))
        .unwrap_or_default()
}

/// Instances that may still be added, by type and in all (H-58).
fn check_quotas(cluster: &Cluster<'_>, bought: &[Bought<'_>], report: &mut Report) {
    let quotas = &cluster.snapshot.options.quotas;
    let mut by_type: BTreeMap<&Name, usize> = BTreeMap::new();
    for bought in bought {
        *by_type
            .entry(&bought.claim.cheapest.instance_type)
            .or_default() += 1;
    }
    let exceeds = |count: usize, quota: u32| u32::try_from(count).map_or(true, |c| c > quota);
    for (name, &quota) in &quotas.per_type {
        let count = by_type.get(name).copied().unwrap_or(0);
        if exceeds(count, quota) {
            report.violation(Violation::new(
                Kind::Quota,
                format!("{count} nodes of type {name}, the quota leaves {quota}"),
            ));
        }
        for bought in bought {
            let another = bought.claim.cheapest.instance_type != *name;
            let falls_back = bought
                .claim
                .fallbacks
                .iter()
                .any(|f| f.instance_type == *name);
            if another && falls_back && !exceeds(count, quota) && exceeds(count + 1, quota) {
                report.violation(
                    Violation::new(
                        Kind::Fallback,
                        format!("with fallback {name} the quota of {quota} would be exceeded"),
                    )
                    .at(bought.target.as_str()),
                );
            }
        }
    }
    if let Some(quota) = quotas
        .any_type()
        .filter(|&quota| exceeds(bought.len(), quota))
    {
        report.violation(Violation::new(
            Kind::Quota,
            format!("{} nodes, the quota leaves {quota}", bought.len()),
        ));
    }
}
