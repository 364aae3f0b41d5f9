//! Static pools: a plan brings them to their number of nodes and not past it (S-127, S-128).

use crate::model::resources::Name;
use crate::plan::Plan;

use super::report::{Kind, Report, Violation};
use super::view::Cluster;

/// Reports plans that make too many nodes of a static pool, or remove too many.
pub(super) fn check(cluster: &Cluster<'_>, plan: &Plan, report: &mut Report) {
    for entry in &plan.static_pools {
        let mut wrong = |message: String| {
            let message = format!("static NodePool {}: {message}", entry.node_pool);
            report.violation(Violation::new(Kind::StaticPool, message));
        };
        let pool = cluster.pools.get(entry.node_pool.as_ref());
        let Some((pool, replicas)) = pool.and_then(|pool| Some((pool, pool.replicas?))) else {
            wrong("there is no such pool".to_owned());
            continue;
        };
        let of_pool = |labels: &crate::model::label::Labels| {
            labels.get("karpenter.sh/nodepool") == Some(pool.name.as_ref())
        };
        let claims = cluster.snapshot.node_claims.iter();
        let own: Vec<_> = claims.filter(|claim| of_pool(&claim.labels)).collect();
        let live: Vec<&Name> = own
            .iter()
            .filter(|claim| claim.deleted.is_none())
            .map(|claim| &claim.name)
            .collect();
        let after = live.len() + entry.create as usize;
        if entry.create > 0 && after > replicas as usize {
            wrong(format!("{after} nodes instead of {replicas}"));
        }
        if let Some(limit) = pool.limits.get("nodes")
            && entry.create > 0
            && i64::try_from(own.len() + entry.create as usize).unwrap_or(i64::MAX)
                > limit.units_ceil()
        {
            wrong(format!("its limit is {limit} nodes"));
        }
        if entry.remove.iter().any(|name| !live.contains(&name)) {
            wrong("a NodeClaim to remove is not one of its own".to_owned());
        }
        if !entry.remove.is_empty() && live.len() < replicas as usize + entry.remove.len() {
            wrong(format!("removing {} leaves too few", entry.remove.len()));
        }
    }
}
