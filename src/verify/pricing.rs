//! Prices: equality, and limits on what a plan may cost.

use crate::model::cluster::Snapshot;
use crate::model::price::Price;
use crate::plan::{ChosenOffering, Plan};

use super::claims::Bought;
use super::report::{Kind, Report, Violation};

/// Prices this close are the same price: what a float in a file can hide.
pub(super) const EQUAL: Price = Price::from_femto(1_000_000);

/// Whether both prices are unknown, or both known and the same.
pub(super) fn equal(a: Option<Price>, b: Option<Price>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a <= b + EQUAL && b <= a + EQUAL,
        _ => false,
    }
}

/// Whether the plan and each pool stay within their price limits, and would with any one fallback (M-5).
pub(super) fn check(snapshot: &Snapshot, plan: &Plan, bought: &[Bought<'_>], report: &mut Report) {
    let options = &snapshot.options;
    let price = |offering: &ChosenOffering| offering.price.unwrap_or_default();
    if let Some(limit) = options.price_limit {
        let sum: Price = plan
            .new_node_claims
            .iter()
            .map(|c| price(&c.cheapest))
            .sum();
        over(sum, limit, "the plan", bought.iter().collect(), report);
    }
    for (pool, &limit) in &options.pool_price_limits {
        let mine: Vec<&Bought<'_>> = bought.iter().filter(|b| b.pool.name == *pool).collect();
        let sum: Price = mine.iter().map(|b| price(&b.claim.cheapest)).sum();
        over(sum, limit, &format!("NodePool {pool}"), mine, report);
    }
}

fn over(sum: Price, limit: Price, what: &str, claims: Vec<&Bought<'_>>, report: &mut Report) {
    let price = |offering: &ChosenOffering| offering.price.unwrap_or_default();
    if sum > limit + EQUAL && sum > Price::ZERO {
        report.violation(Violation::new(
            Kind::PriceLimit,
            format!("{what} costs {sum} per hour, the limit is {limit}"),
        ));
        return;
    }
    for bought in claims {
        let rest = sum - price(&bought.claim.cheapest);
        let dear =
            bought.claim.fallbacks.iter().find(|f| {
                price(f) > price(&bought.claim.cheapest) && rest + price(f) > limit + EQUAL
            });
        if let Some(fallback) = dear {
            report.violation(
                Violation::new(
                    Kind::Fallback,
                    format!(
                        "with fallback {} {what} would exceed its price limit {limit}",
                        fallback.instance_type
                    ),
                )
                .at(bought.target.as_str()),
            );
        }
    }
}
