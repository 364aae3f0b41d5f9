//! One NodePool: what it can launch, what is left of its limits, what the plan buys from it.

use std::collections::BTreeMap;

use super::number;
use crate::base::index::Ix as _;
use crate::explain::Explainer;
use crate::explain::facts::Shape;
use crate::explain::pool::{excluded_parts, named_types, stock_code};
use crate::explain::reason::{Code, Reason};
use crate::model::price::Price;
use crate::model::resources::Name;
use crate::plan::{Plan, PlannedClaim};
use crate::problem::PoolId;

/// What the NodePool `name` can launch and what the plan buys from it; `None` if there is no such pool.
/// O(types x offerings + claims).
pub fn explain(explainer: &mut Explainer<'_, '_>, plan: &Plan, name: &str) -> Option<Reason> {
    let views = explainer.views;
    let subject = format!("NodePool {name}");
    if let Some(refused) = views.pools.refused.iter().find(|r| r.subject == subject) {
        return Some(refused.clone());
    }
    let pool = views
        .pools
        .templates
        .iter()
        .position(|template| template.pool.name.as_ref() == name)?;
    let facts = explainer.facts();
    let shapes = &facts.shapes[pool];
    let sells = |shape: &&Shape<'_>| {
        let open = |place: &crate::explain::facts::Place<'_>| {
            place.option.is_ok() && !shape.rooms[place.room].overfull
        };
        shape.places.iter().any(open)
    };
    let usable = shapes.iter().filter(sells).count();
    let mut parts = bought_parts(plan, name);
    parts.extend(explainer.limit_parts(PoolId::new(pool)));
    parts.extend(excluded_parts(shapes.iter()));
    let no_offering = |shape: &&Shape<'_>| {
        shape.labels.is_ok() && !shape.negative && shape.places.iter().all(|p| p.option.is_err())
    };
    let overfull = |shape: &&Shape<'_>| {
        let open = || shape.places.iter().filter(|place| place.option.is_ok());
        open().next().is_some() && open().all(|place| shape.rooms[place.room].overfull)
    };
    let negative = |shape: &&Shape<'_>| shape.labels.is_ok() && shape.negative;
    let mut note = |which: Vec<&Shape<'_>>, code, message: &str| {
        if !which.is_empty() {
            parts.push(named_types(which.into_iter(), code, message.to_owned()));
        }
    };
    note(
        shapes.iter().filter(no_offering).collect(),
        Code::NoOffering,
        "no offering that is available and that the NodePool's requirements allow",
    );
    note(
        shapes.iter().filter(overfull).collect(),
        Code::DaemonOverhead,
        "DaemonSet pods alone overfill it",
    );
    note(
        shapes.iter().filter(negative).collect(),
        Code::InsufficientResources,
        "its system overhead exceeds its capacity",
    );
    let code = if usable == 0 {
        Code::NoInstanceTypes
    } else {
        Code::Usable
    };
    let message = format!(
        "{usable} of {} can be launched; weight {}",
        number(shapes.len(), "instance type"),
        views.pools.templates[pool].pool.weight
    );
    Some(Reason::new(subject, code, message).with_parts(parts))
}

fn bought_parts(plan: &Plan, pool: &str) -> Vec<Reason> {
    let mut by_type: BTreeMap<&Name, Vec<&PlannedClaim>> = BTreeMap::new();
    for claim in plan
        .new_node_claims
        .iter()
        .filter(|c| c.node_pool.as_ref() == pool)
    {
        by_type
            .entry(&claim.cheapest.instance_type)
            .or_default()
            .push(claim);
    }
    if by_type.is_empty() {
        return vec![Reason::new(
            "this plan",
            Code::Usable,
            "buys nothing from it",
        )];
    }
    by_type
        .into_iter()
        .map(|(name, claims)| {
            let price: Price = claims.iter().filter_map(|claim| claim.cheapest.price).sum();
            let unknown = claims
                .iter()
                .filter(|claim| claim.cheapest.price.is_none())
                .count();
            let beside = match unknown {
                0 => String::new(),
                unknown => format!(" besides {} of unknown price", number(unknown, "node")),
            };
            let pods = claims.iter().map(|claim| claim.pods.len()).sum();
            let message = format!(
                "buys {} of {name} for {}, ${price}/h{beside}",
                number(claims.len(), "node"),
                number(pods, "pod"),
            );
            let mut reason = Reason::new("this plan", Code::Placed, message);
            reason.count = claims.len();
            reason
        })
        .collect()
}

impl Explainer<'_, '_> {
    /// What is left of every stock that the pool's options use.
    fn limit_parts(&self, pool: PoolId) -> Vec<Reason> {
        let mut stocks: Vec<_> = self.problem.pools[pool]
            .options
            .iter()
            .flat_map(|option| &self.problem.options[option].uses)
            .map(|(stock, _)| *stock)
            .collect();
        stocks.sort_unstable();
        stocks.dedup();
        stocks
            .into_iter()
            .map(|stock| {
                let before = self.problem.stocks[stock].left;
                let after = self.stock_left(stock);
                let amount = |left| self.stock_amount(stock, left);
                let message = if before < 0 {
                    format!(
                        "exceeded by {}: nothing can be launched",
                        amount(before.saturating_neg())
                    )
                } else {
                    format!("{} left, {} after this plan", amount(before), amount(after))
                };
                let code = if after <= 0 {
                    stock_code(&self.problem.stocks[stock].kind)
                } else {
                    Code::Usable
                };
                Reason::new(self.stock_name(stock), code, message)
            })
            .collect()
    }
}
