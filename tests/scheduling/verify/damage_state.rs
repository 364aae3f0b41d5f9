//! Changes to the snapshot under which a plan is no longer right. They are made for the small clusters.

use std::sync::Arc;

use tetrapod::base::time::Timestamp;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::label::LabelSelector;
use tetrapod::model::node::Condition;
use tetrapod::model::options::LimitGroup;
use tetrapod::model::price::Price;
use tetrapod::model::quantity::Quantity;
use tetrapod::model::resources::{CPU, NODES, Name};
use tetrapod::plan::Plan;
use tetrapod::verify::Kind;

use super::damage::{Damage, damages};

pub(crate) const STATE_DAMAGES: &[Damage] = damages! {
    plan_too_dear: PriceLimit;
    pool_too_dear: PriceLimit;
    type_quota_used_up: Quota;
    cluster_quota_used_up: Quota;
    type_quota_leaves_no_fallback: Fallback;
    limit_leaves_no_fallback: Fallback;
    group_limit_exceeded: Limit;
    node_limit_exceeded: Limit;
    pool_not_ready: PoolNotUsable;
    pool_being_deleted: PoolNotUsable;
    pool_static: PoolNotUsable;
    node_being_deleted: Existing;
    node_cordoned: Taint;
    pods_with_resource_claims: Dra;
    volumes_over_attach_limit: AttachLimit;
    claim_being_deleted: Volume;
    daemon_grows_on_new_node: FitDaemonset;
    daemon_grows_on_existing_node: ExistingDaemonsetRoom;
    price_overridden: Offering;
    reserved_capacity_off: Offering;
    type_tainted: Taint;
};

fn plan_too_dear(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.options.price_limit = Some(Price::ZERO);
    Some(())
}

fn pool_too_dear(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let pool = plan.new_node_claims.first()?.node_pool.clone();
    snapshot.options.pool_price_limits.insert(pool, Price::ZERO);
    Some(())
}

fn type_quota_used_up(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let name = plan.new_node_claims.first()?.cheapest.instance_type.clone();
    snapshot.options.quotas.per_type.insert(name, 0);
    Some(())
}

fn cluster_quota_used_up(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.options.quotas.cluster = Some(0);
    Some(())
}

fn type_quota_leaves_no_fallback(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let fallbacks = plan.new_node_claims.iter().flat_map(|c| c.fallbacks.iter());
    let name = fallbacks.map(|f| f.instance_type.clone()).next()?;
    snapshot.options.quotas.per_type.insert(name, 0);
    Some(())
}

fn limit_leaves_no_fallback(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut claims = plan.new_node_claims.iter();
    let claim = claims.find(|c| !c.fallbacks.is_empty())?;
    let nodes = plan
        .new_node_claims
        .iter()
        .filter(|c| c.node_pool == claim.node_pool)
        .count();
    let mut pools = snapshot.node_pools.iter_mut();
    let pool = pools.find(|p| p.name == claim.node_pool)?;
    // What the chosen types of 4 CPU come to.
    pool.limits
        .set(CPU, Quantity::from_units(4 * i64::try_from(nodes).ok()?));
    Some(())
}

fn group_limit_exceeded(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    let mut group = LimitGroup::default();
    group.selector = LabelSelector::default();
    group.limits.set(CPU, Quantity::from_units(1));
    snapshot.options.limit_groups.push(group);
    Some(())
}

fn node_limit_exceeded(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let first = &plan.new_node_claims.first()?.node_pool;
    if plan
        .new_node_claims
        .iter()
        .filter(|c| c.node_pool == *first)
        .count()
        < 2
    {
        return None;
    }
    let mut pools = snapshot.node_pools.iter_mut();
    pools
        .find(|p| p.name == *first)?
        .limits
        .set(NODES, Quantity::from_units(1));
    Some(())
}

fn pool_not_ready(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    let mut condition = Condition::default();
    condition.kind = Name::from("Ready");
    condition.status = Name::from("False");
    snapshot.node_pools.first_mut()?.conditions.push(condition);
    Some(())
}

fn pool_being_deleted(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.node_pools.first_mut()?.deleted = Some(Timestamp::from_millis(0));
    Some(())
}

fn pool_static(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.node_pools.first_mut()?.replicas = Some(3);
    Some(())
}

fn node_being_deleted(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let name = &plan.existing_nodes.first()?.node;
    let mut nodes = snapshot.nodes.iter_mut();
    nodes.find(|n| n.name == *name)?.deleted = Some(Timestamp::from_millis(0));
    Some(())
}

fn node_cordoned(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let name = &plan.existing_nodes.first()?.node;
    let mut nodes = snapshot.nodes.iter_mut();
    nodes.find(|n| n.name == *name)?.unschedulable = true;
    Some(())
}

fn pods_with_resource_claims(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    for pod in &mut snapshot.pods {
        Arc::make_mut(&mut pod.spec)
            .resource_claims
            .push(Name::from("gpu"));
    }
    Some(())
}

fn volumes_over_attach_limit(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.csi_nodes.first_mut()?.limits.first_mut()?.1 = 0;
    Some(())
}

fn claim_being_deleted(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    snapshot.volume_claims.first_mut()?.deleting = true;
    Some(())
}

/// Makes the first DaemonSet ask for `milli` thousandths of a CPU.
fn grow_daemon(snapshot: &mut Snapshot, milli: i64) -> Option<()> {
    let spec = Arc::make_mut(&mut snapshot.daemon_sets.first_mut()?.spec);
    let container = spec.containers.first_mut()?;
    container.requests.set(CPU, Quantity::from_milli(milli));
    Some(())
}

fn daemon_grows_on_new_node(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    grow_daemon(snapshot, 3_000)
}

fn daemon_grows_on_existing_node(snapshot: &mut Snapshot, _: &mut Plan) -> Option<()> {
    grow_daemon(snapshot, 1_001)
}

fn price_overridden(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let choice = &plan.new_node_claims.first()?.cheapest;
    let prices = &mut snapshot.options.prices;
    let by_type = prices.entry(choice.instance_type.clone()).or_default();
    by_type.insert(choice.capacity_type, "0.7".parse().ok()?);
    Some(())
}

fn reserved_capacity_off(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut claims = plan.new_node_claims.iter();
    claims.find(|c| c.cheapest.capacity_type == CapacityType::Reserved)?;
    snapshot.options.feature_gates.reserved_capacity = false;
    Some(())
}

fn type_tainted(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let name = &plan.new_node_claims.first()?.cheapest.instance_type;
    let taint = tetrapod::model::taint::Taint::new(
        "group",
        "x",
        tetrapod::model::taint::TaintEffect::NoSchedule,
    );
    let lists = snapshot.instance_types.iter_mut();
    let mut entries = lists.flat_map(|list| &mut list.instance_types);
    entries.find(|t| t.name == *name)?.taints.push(taint);
    Some(())
}
