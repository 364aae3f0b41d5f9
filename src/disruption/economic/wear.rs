//! How long a saving lasts: in a cluster in which nodes come and go, no longer than nodes do.
//!
//! The horizon (M-21) is what a saving lasts at most. Pods that move are placed by a scheduler that knows nothing of the plan,
//! load goes on, and what is saved today is packed anew tomorrow: a node that has been there for an hour says that nodes here
//! last an hour or so. Taken at the whole horizon, replacing a tenth of the nodes for a thousandth of their price would pay,
//! and would pay again every ten minutes. So the cost of a start counts as often as nodes of that age come and go within the
//! horizon: what was bought for a node has to be saved before the node goes, as far as its past tells.

use crate::base::time::Timestamp;
use crate::disruption::candidate::Candidate;
use crate::disruption::cluster::Cluster;
use crate::model::node_claim::NodeClaim;
use crate::model::options::Options;
use crate::model::price::Price;

/// What taking the node of `claim` away costs beside the starts of the command itself, in 10^-15 $ ms / h:
/// its start once more for every time that its age fits into the horizon, beyond the first. Nothing where the age is not known,
/// and nothing for a node of this moment, which a plan has made that is followed in thought.
pub(in crate::disruption) fn wear(
    options: &Options,
    claim: &NodeClaim,
    price: Price,
    now: Timestamp,
) -> i128 {
    let horizon = i128::from(options.horizon.as_millis().max(0));
    let start = i128::from(options.node_start_time.as_millis().max(0));
    let age = i128::from(age(claim, now));
    if age <= 0 || age >= horizon {
        return 0;
    }
    // No node is judged by less than its start: removing one is worth that at least.
    let age = age.max(start).min(horizon).max(1);
    let starts = price.as_femto().saturating_mul(start);
    starts.saturating_mul(horizon - age) / age
}

/// The [`wear`] of a candidate; nothing where its price is not known.
pub(in crate::disruption) fn wear_of(cluster: &Cluster<'_>, candidate: &Candidate<'_>) -> i128 {
    let price = candidate.price.unwrap_or_default();
    wear(
        &cluster.snapshot.options,
        candidate.claim,
        price,
        cluster.now,
    )
}

/// [`wear`] in dollars over the horizon.
pub(in crate::disruption) fn dollars(wear: i128) -> Price {
    Price::from_femto(wear / 3_600_000)
}

/// How many milliseconds the node of `claim` has been there; 0 where that is not known.
fn age(claim: &NodeClaim, now: Timestamp) -> i64 {
    claim
        .created
        .map_or(0, |since| now.since(since).as_millis())
}

/// Whether the node of `claim` is one of those that come and go: it has been there for less than a quarter of the horizon.
pub(in crate::disruption) fn is_young(
    options: &Options,
    claim: &NodeClaim,
    now: Timestamp,
) -> bool {
    let age = age(claim, now);
    age > 0 && age < options.horizon.as_millis() / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;

    fn hours(created: Option<i64>, options: &Options) -> f64 {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let claim = NodeClaim {
            created: created.map(|minutes| now.plus(Span::from_secs(-60 * minutes))),
            ..NodeClaim::default()
        };
        let price = Price::from_femto(1_000_000_000_000_000);
        dollars(wear(options, &claim, price, now)).as_f64()
    }

    #[test]
    fn a_start_counts_as_often_as_nodes_of_that_age_come_and_go() {
        // M-21: 24 hours, and a tenth of one to start.
        let options = Options::default();
        for (age, dollars) in [
            (24 * 60, 0.0),
            (12 * 60, 0.1),
            (60, 2.3),
            (6, 23.9),
            (1, 23.9),
        ] {
            let found = hours(Some(age), &options);
            assert!((found - dollars).abs() < 1e-9, "{age} min: {found}");
        }
        assert!(hours(None, &options) < 1e-9 && hours(Some(0), &options) < 1e-9);
    }

    #[test]
    fn a_horizon_of_nothing_wears_nothing() {
        let options = Options {
            horizon: Span::ZERO,
            ..Options::default()
        };
        assert!(hours(Some(60), &options) < 1e-9);
    }
}
