//! Static pools: drifted nodes are replaced one for one, each by a command of its own (D-92).

use crate::disruption::DisruptionReason;
use crate::disruption::budget;
use crate::disruption::build::{Builder, Draft, net_saving};
use crate::disruption::candidate::Candidate;
use crate::disruption::cluster::Cluster;
use crate::model::label::NODE_POOL;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::NodePool;
use crate::model::price::Price;
use crate::model::resources::{NODES, Name, ResourceList};
use crate::plan::PlannedClaim;
use crate::plan::command::{Command, Method};
use crate::plan::statics;
use crate::solver::whatif::World;
use crate::view::pools::Template;

/// One command for each of `drifted` that budgets and `limits.nodes` let go now. Its replacement comes from the pool's
/// template without a simulation; the pods of the node are said to follow it there.
pub(super) fn replace(
    cluster: &Cluster<'_>,
    builder: &Builder<'_, '_>,
    drifted: &[&Candidate<'_>],
) -> Vec<Command> {
    if !cluster.snapshot.options.feature_gates.static_capacity {
        return Vec::new();
    }
    let counts = budget::counts(&cluster.views.nodes, |_| false);
    let mut commands = Vec::new();
    for template in &cluster.views.pools.statics {
        let pool = template.pool;
        let held = counts.get(&pool.name).copied().unwrap_or_default();
        let reason = DisruptionReason::Drifted;
        let allowed = budget::allowed(pool, reason, cluster.now, held).nodes;
        let most = allowed.min(spare(cluster, pool)) as usize;
        let own = drifted.iter().filter(|c| c.pool.name == pool.name);
        for candidate in own.take(most) {
            let Some(claim) = claim(cluster, template, candidate) else {
                continue;
            };
            let draft = Draft {
                reason,
                method: Method::StaticDrift,
                candidates: vec![*candidate],
                purchases: Vec::new(),
                existing: Vec::new(),
            };
            let mut command = builder.command(&draft, &World::new(&cluster.what));
            command.price_after = claim.cheapest.price.unwrap_or(Price::ZERO);
            command.net_saving = net_saving(
                &cluster.snapshot.options,
                command.price_before - command.price_after,
                command.price_after,
                command.evictions,
            );
            command.replacements = vec![claim];
            commands.push(command);
        }
    }
    commands
}

/// How many nodes more than it has `pool` may have for a while; none while it has more than it should (D-92).
fn spare(cluster: &Cluster<'_>, pool: &NodePool) -> u32 {
    let claims = cluster.snapshot.node_claims.iter();
    let of_node = |claim: &NodeClaim| {
        let nodes = &cluster.views.nodes;
        let view = nodes
            .iter()
            .find(|view| view.claim.is_some_and(|held| held.name == claim.name));
        view.and_then(|view| view.pool.clone())
    };
    let own = claims.filter(|claim| {
        let told = claim.labels.shared(NODE_POOL).cloned();
        told.or_else(|| of_node(claim)).as_ref() == Some(&pool.name)
    });
    let (live, leaving): (Vec<_>, Vec<_>) = own.partition(|claim| claim.deleted.is_none());
    let count = |list: &[_]| u32::try_from(list.len()).unwrap_or(u32::MAX);
    if pool.replicas.is_none_or(|replicas| count(&live) > replicas) {
        return 0;
    }
    pool.limits.get(NODES).map_or(u32::MAX, |limit| {
        let limit = u32::try_from(limit.units_ceil().max(0)).unwrap_or(u32::MAX);
        limit.saturating_sub(count(&live) + count(&leaving))
    })
}

fn claim(
    cluster: &Cluster<'_>,
    template: &Template<'_>,
    candidate: &Candidate<'_>,
) -> Option<PlannedClaim> {
    let cheapest = statics::cheapest(&cluster.views, template)?;
    let pods = candidate.placed.iter();
    Some(PlannedClaim {
        node_pool: Name::clone(&template.pool.name),
        pods: pods.map(|at| Name::from(cluster.pod(*at).key())).collect(),
        buffer_pods: Vec::new(),
        instance_types: vec![Name::clone(&cheapest.instance_type)].into(),
        zones: vec![Name::clone(&cheapest.zone)],
        capacity_types: vec![cheapest.capacity_type],
        instance_group: cheapest.instance_group.clone(),
        requests: candidate
            .placed
            .iter()
            .filter_map(|at| cluster.what.class_of[*at as usize])
            .fold(ResourceList::default(), |mut sum, class| {
                sum.add(&cluster.what.symbols.requests[class]);
                sum
            }),
        fallbacks: std::sync::Arc::default(),
        min_values_relaxed: false,
        cheapest,
    })
}
