//! Limits, quotas, reservations and price caps as stocks.

use std::collections::BTreeMap;

use super::options::is_usable;
use super::{Stock, StockId, StockKind};
use crate::base::hash::FastMap;
use crate::base::index::IxVec;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, Offering};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{NODES, Name, ResourceList};
use crate::view::nodes::ExistingNode;
use crate::view::pools::Template;

/// Limits, quotas and reservations as stocks, and what each option uses of them.
pub(super) struct Ledger<'a> {
    pool_limits: Vec<Vec<(StockId, Name)>>,
    type_quotas: FastMap<&'a str, StockId>,
    instances: Option<StockId>,
    reservations: FastMap<&'a str, StockId>,
    pool_prices: Vec<Option<StockId>>,
    plan_price: Option<StockId>,
}

impl<'a> Ledger<'a> {
    /// Adds the stocks of `snapshot` to `stocks`.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        templates: &'a [Template<'a>],
        nodes: &[ExistingNode<'_>],
        stocks: &mut IxVec<StockId, Stock>,
    ) -> Self {
        let options = &snapshot.options;
        let mut add = |kind, left| stocks.push(Stock { kind, left });
        let pool_limits = limits(snapshot, templates, nodes, &mut add);
        let type_quotas = options
            .quotas
            .per_type
            .iter()
            .map(|(name, quota)| {
                (
                    name.as_ref(),
                    add(StockKind::TypeQuota(name.to_string()), i128::from(*quota)),
                )
            })
            .collect();
        let instances = options
            .quotas
            .any_type()
            .map(|quota| add(StockKind::InstanceQuota, i128::from(quota)));
        // S-117: the smallest count seen over all pools' offerings with that id.
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for offering in templates
            .iter()
            .flat_map(|t| t.types)
            .flat_map(|t| &t.offerings)
        {
            if let Some(id) = offering
                .reservation_id
                .as_deref()
                .filter(|_| is_usable(offering, options))
            {
                let held = counts.entry(id).or_insert(u32::MAX);
                *held = (*held).min(offering.reservation_capacity);
            }
        }
        let reservations = counts
            .into_iter()
            .map(|(id, count)| {
                (
                    id,
                    add(StockKind::Reservation(id.to_owned()), i128::from(count)),
                )
            })
            .collect();
        let pool_prices = templates
            .iter()
            .map(|t| {
                let limit = options.pool_price_limits.get(&t.pool.name)?;
                Some(add(
                    StockKind::PoolPrice(t.pool.name.to_string()),
                    limit.as_femto(),
                ))
            })
            .collect();
        let plan_price = options
            .price_limit
            .map(|limit| add(StockKind::PlanPrice, limit.as_femto()));
        Self {
            pool_limits,
            type_quotas,
            instances,
            reservations,
            pool_prices,
            plan_price,
        }
    }

    /// What one node of `offering` uses of each stock.
    pub(super) fn uses(
        &self,
        pool: usize,
        instance_type: &InstanceType,
        offering: &Offering,
        reserved: bool,
    ) -> Vec<(StockId, i128)> {
        let mut uses = Vec::new();
        for (stock, name) in self.pool_limits.get(pool).into_iter().flatten() {
            let amount = if name.as_ref() == NODES {
                Quantity::from_units(1)
            } else {
                instance_type.capacity.amount(name)
            };
            // An amount of 0 still matters: a pool over its limit launches nothing (S-47).
            uses.push((*stock, amount.as_nanos()));
        }
        if let Some(stock) = self.type_quotas.get(instance_type.name.as_ref()) {
            uses.push((*stock, 1));
        }
        uses.extend(self.instances.map(|stock| (stock, 1)));
        if let Some(id) = offering.reservation_id.as_deref().filter(|_| reserved) {
            uses.extend(self.reservations.get(id).map(|stock| (*stock, 1)));
        }
        let price = offering.price.map_or(0, Price::as_femto);
        uses.extend(
            self.pool_prices
                .get(pool)
                .copied()
                .flatten()
                .map(|stock| (stock, price)),
        );
        uses.extend(self.plan_price.map(|stock| (stock, price)));
        uses
    }
}

/// Limits of pools and of groups of pools, by pool: the stock and the resource it counts (S-46).
fn limits(
    snapshot: &Snapshot,
    templates: &[Template<'_>],
    nodes: &[ExistingNode<'_>],
    add: &mut dyn FnMut(StockKind, i128) -> StockId,
) -> Vec<Vec<(StockId, Name)>> {
    let mut usage: BTreeMap<&str, ResourceList> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.deleting) {
        if let Some(pool) = &node.pool {
            let held = usage.entry(pool).or_default();
            held.add(&node.capacity);
            held.set(NODES, held.amount(NODES) + Quantity::from_units(1));
        }
    }
    let none = ResourceList::new();
    let left = |limit: Quantity, name: &str, pools: &mut dyn Iterator<Item = &str>| {
        let used = pools.fold(Quantity::ZERO, |sum, pool| {
            sum + usage.get(pool).unwrap_or(&none).amount(name)
        });
        (limit - used).as_nanos()
    };
    let mut pool_limits: Vec<Vec<(StockId, Name)>> = Vec::new();
    for template in templates {
        let pool = template.pool.name.as_ref();
        let own = template.pool.limits.iter().map(|(name, limit)| {
            let kind = StockKind::PoolLimit(pool.to_owned(), name.to_string());
            (
                add(kind, left(limit, name, &mut std::iter::once(pool))),
                Name::clone(name),
            )
        });
        pool_limits.push(own.collect());
    }
    for group in &snapshot.options.limit_groups {
        let member =
            |pool: &&crate::model::node_pool::NodePool| group.selector.matches(&pool.labels);
        for (name, limit) in group.limits.iter() {
            let mut pools = snapshot
                .node_pools
                .iter()
                .filter(member)
                .map(|pool| pool.name.as_ref());
            let kind = StockKind::GroupLimit(group.name.to_string(), name.to_string());
            let stock = add(kind, left(limit, name, &mut pools));
            for (at, _) in templates
                .iter()
                .enumerate()
                .filter(|(_, t)| member(&t.pool))
            {
                pool_limits[at].push((stock, Name::clone(name)));
            }
        }
    }
    pool_limits
}
