//! Where a plan leads when it is carried on: in a small cluster the way that Karpenter would go is followed to its end too.
//!
//! The best step is not always the first of the best way: budgets cut a plan into steps, spot nodes that were bought are
//! not replaced by spot again (D-57), and a search ends where it finds nothing better nearby. So the plan of the whole
//! cluster is compared with what Karpenter's methods lead to, one after the other, as far as each of their commands is one
//! that this policy could give. Where they end at less, the first of those commands is taken, and the next pass looks
//! again: the end is never dearer than theirs, and at the same price never takes more evictions.

use super::DisruptionReason;
use super::apply::apply;
use super::cluster::Cluster;
use super::economic::Economic;
use super::economic::wear::{dollars, is_young, wear};
use super::karpenter::{Karpenter, Version};
use super::recheck;
use crate::model::cluster::Snapshot;
use crate::model::node_claim::NodeClaim;
use crate::model::options::{Effort, Options};
use crate::model::price::Price;
use crate::plan::command::{Candidate, Command, Method};
use crate::scheduler::Capacity;

/// Up to how many nodes a cluster is small.
const SMALL: usize = 64;

/// Up to how many pods, finished ones too.
const FEW_PODS: usize = 1_500;

/// Up to how many pods all is tried again at every step of a way.
const QUICK_PODS: usize = 400;

/// How many commands of a way are followed.
const STEPS: usize = 48;

/// What a way costs over the horizon, in 10^-15 dollar-milliseconds, and how many pods it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    money: i128,
    evictions: usize,
}

/// What was paid on the way so far.
#[derive(Debug, Clone, Copy, Default)]
struct Paid {
    money: i128,
    evictions: usize,
}

impl Paid {
    /// Adds what carrying out `command` in `cluster` costs beside the nodes' prices: both while new nodes start, evictions, and
    /// what the nodes that go had not earned yet (M-21).
    fn add(&mut self, cluster: &Cluster<'_>, command: &Command) {
        let options = &cluster.snapshot.options;
        let start = i128::from(options.node_start_time.as_millis().max(0));
        let new = command.price_after.as_femto().saturating_mul(start);
        let evictions = i128::try_from(command.evictions).unwrap_or(i128::MAX);
        let each = options.eviction_cost.as_femto().saturating_mul(3_600_000);
        self.money = (self.money)
            .saturating_add(new)
            .saturating_add(each.saturating_mul(evictions))
            .saturating_add(worn_by(cluster, command));
        self.evictions += command.evictions;
    }

    /// What the way costs if the cluster then stays at `price`.
    fn ending_at(self, options: &Options, price: Price) -> Cost {
        let horizon = i128::from(options.horizon.as_millis().max(0));
        let kept = price.as_femto().saturating_mul(horizon);
        Cost {
            money: kept.saturating_add(self.money),
            evictions: self.evictions,
        }
    }
}

/// The commands for `cluster`: those of the plan for the whole of it, or what leads further.
#[must_use]
pub(super) fn commands(cluster: &Cluster<'_>) -> Vec<Command> {
    let economic = Economic::new(cluster);
    let plan = economic.commands();
    if !is_small(cluster) {
        return plan;
    }
    if economic.is_unbound() {
        return at_once(cluster, &economic, plan);
    }
    let Some((first, theirs, _)) = their_way(cluster) else {
        return plan;
    };
    if our_way(cluster, &plan, theirs) <= theirs {
        plan
    } else {
        vec![first]
    }
}

/// Where no budget cuts a plan into steps, the end is reached at once, and is one from which neither way goes on.
fn at_once(cluster: &Cluster<'_>, economic: &Economic<'_, '_>, plan: Vec<Command>) -> Vec<Command> {
    let options = &cluster.snapshot.options;
    let cost = |commands: &[Command]| {
        let mut paid = Paid::default();
        commands
            .iter()
            .for_each(|command| paid.add(cluster, command));
        paid.ending_at(options, price(&apply(cluster.snapshot, commands)))
    };
    let after = apply(cluster.snapshot, &plan);
    let at_rest = to_rest(after.clone());
    let goes_on = at_rest.nodes.len() != after.nodes.len() || price(&at_rest) < price(&after);
    let further = economic.straight_to(&at_rest).filter(|_| goes_on);
    let ours = further.unwrap_or(plan);
    let reached = price(&apply(cluster.snapshot, &ours));
    let Some((first, _, end)) = their_way(cluster) else {
        return ours;
    };
    let end = to_rest(end);
    if price(&end) > reached {
        return ours;
    }
    match economic.straight_to(&end) {
        Some(theirs) if cost(&theirs) < cost(&ours) => theirs,
        // Where their end cannot be reached at once, it is reached step by step.
        None if price(&end) < reached => vec![first],
        _ => ours,
    }
}

/// Where `snapshot` is led by both ways, in turn, until neither goes on. With many pods that is found out with less
/// effort: what comes of it is a way, which the next pass looks at again.
fn to_rest(snapshot: Snapshot) -> Snapshot {
    let mut current = snapshot;
    if current.pods.len() > QUICK_PODS {
        current.options.effort = Effort::Fast;
    }
    for _ in 0..STEPS {
        let capacity = Capacity::new(&current);
        let cluster = Cluster::new(&current, &capacity);
        let mut step = Economic::new(&cluster).commands();
        if step.is_empty() {
            step.extend(their_step(&cluster));
        }
        if step.is_empty() {
            break;
        }
        let next = apply(&current, &step);
        current = next;
    }
    current
}

/// Whether both ways can be followed in little time, and Karpenter's commands are of a kind that this policy gives: it
/// knows nothing of gangs, forecasts and sick nodes. Where most nodes come and go no way is followed to its end.
fn is_small(cluster: &Cluster<'_>) -> bool {
    let snapshot = cluster.snapshot;
    let claims = cluster.views.nodes.iter().filter_map(|view| view.claim);
    let young = |claim: &&NodeClaim| is_young(&snapshot.options, claim, cluster.now);
    if claims.filter(young).count() * 2 > cluster.views.nodes.len() {
        return false;
    }
    cluster.views.nodes.len() <= SMALL
        && snapshot.pods.len() <= FEW_PODS
        && snapshot.options.effort != Effort::Fast
        && snapshot.options.forecast.is_empty()
        && Economic::new(cluster).is_plain()
}

/// The first command of Karpenter's way, what the way costs and where it ends; `None` if it starts with nothing.
fn their_way(cluster: &Cluster<'_>) -> Option<(Command, Cost, Snapshot)> {
    let options = &cluster.snapshot.options;
    let first = their_step(cluster)?;
    let mut paid = Paid::default();
    paid.add(cluster, &first);
    let mut after = apply(cluster.snapshot, std::slice::from_ref(&first));
    for _ in 1..STEPS {
        let capacity = Capacity::new(&after);
        let there = Cluster::new(&after, &capacity);
        let Some(step) = their_step(&there) else {
            break;
        };
        paid.add(&there, &step);
        let next = apply(&after, &[step]);
        after = next;
    }
    let cost = paid.ending_at(options, price(&after));
    Some((first, cost, after))
}

/// The first of Karpenter's commands that this policy could give.
fn their_step(cluster: &Cluster<'_>) -> Option<Command> {
    let reserved = Economic::new(cluster).reserved_nodes();
    let commands = Karpenter::new(cluster, Version::V113).commands();
    commands.into_iter().find(|command| {
        // A node that is bought for pods that wait as well is no replacement (W-19).
        let bought = command.replacements.iter().map(|claim| claim.pods.len());
        let moved = command.existing_nodes.iter().map(|place| place.pods.len());
        if bought.chain(moved).sum::<usize>() > command.evictions {
            return false;
        }
        let known = command.candidates.iter().all(|c| c.price.is_some());
        let sound = match command.reason {
            DisruptionReason::Empty => {
                let kept = |node| reserved.contains(node);
                !command.candidates.iter().any(|c| kept(&c.node))
            }
            DisruptionReason::Underutilized => {
                let wear = dollars(worn_by(cluster, command));
                known && command.net_saving > wear
            }
            DisruptionReason::Drifted | DisruptionReason::Expired | DisruptionReason::Unhealthy => {
                command.method == Method::Drift
            }
        };
        sound && recheck::faults(command, cluster).is_empty()
    })
}

/// What `plan` and the plans after it cost, or as soon as that is no more than `enough`, what they cost so far.
fn our_way(cluster: &Cluster<'_>, plan: &[Command], enough: Cost) -> Cost {
    let options = &cluster.snapshot.options;
    let mut paid = Paid::default();
    plan.iter().for_each(|command| paid.add(cluster, command));
    let mut current: Option<Snapshot> = None;
    let mut next = plan.to_vec();
    for _ in 0..STEPS {
        let before = current.as_ref().unwrap_or(cluster.snapshot);
        let after = apply(before, &next);
        let capacity = Capacity::new(&after);
        let there = Cluster::new(&after, &capacity);
        let so_far = paid.ending_at(options, there.price());
        if next.is_empty() || so_far <= enough {
            return so_far;
        }
        next = Economic::new(&there).commands();
        next.iter().for_each(|command| paid.add(&there, command));
        current = Some(after);
    }
    paid.ending_at(options, price(current.as_ref().unwrap_or(cluster.snapshot)))
}

/// What the nodes that `command` takes away had not earned yet; nothing where it does not go to save.
fn worn_by(cluster: &Cluster<'_>, command: &Command) -> i128 {
    if command.reason != DisruptionReason::Underutilized {
        return 0;
    }
    let options = &cluster.snapshot.options;
    let worn = |candidate: &Candidate| {
        let mut views = cluster.views.nodes.iter();
        let claim = views.find(|view| view.name == candidate.node)?.claim?;
        Some(wear(options, claim, candidate.price?, cluster.now))
    };
    command.candidates.iter().filter_map(worn).sum()
}

fn price(snapshot: &Snapshot) -> Price {
    let capacity = Capacity::new(snapshot);
    Cluster::new(snapshot, &capacity).price()
}
