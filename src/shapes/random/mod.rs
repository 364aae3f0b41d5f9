//! Arbitrary small snapshots, for property tests and fuzzing.
//!
//! Every feature that changes a decision occurs often enough that a hundred snapshots meet most pairs of features:
//! weighted pools with taints, limits and `minValues`; types that tie in price, lack a price or are sold out;
//! reservations; nodes in every state; DaemonSets, host ports, OR-ed affinity, priorities, pods that cannot run at all.
//! What the Scheduling rules add (spread, affinity, volumes) is behind [`Size`]'s flags.

mod demand;
mod edit;
mod nodes;
mod supply;

pub use edit::from_bytes;

use crate::base::rng::Rng;
use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::model::options::{
    Effort, LimitGroup, MinValuesPolicy, Options, PreferencePolicy, Quotas,
};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, Name};

use super::parts::{epoch, selects};

/// How large a random snapshot may be, and what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Size {
    /// Most pods, bound ones included.
    pub pods: usize,
    /// Most nodes and claims in flight.
    pub nodes: usize,
    /// Most NodePools.
    pub pools: usize,
    /// Most instance types per node class.
    pub types: usize,
    /// Whether pods may have spread constraints and pod (anti-)affinity.
    pub topology: bool,
    /// Whether pods may have volumes.
    pub volumes: bool,
}

impl Size {
    /// A size without topology and volumes.
    #[must_use]
    pub fn new(pods: usize, nodes: usize) -> Self {
        Self {
            pods,
            nodes,
            pools: 4,
            types: 8,
            topology: false,
            volumes: false,
        }
    }

    /// The same with topology rules.
    #[must_use]
    pub fn with_topology(self) -> Self {
        Self {
            topology: true,
            ..self
        }
    }

    /// The same with volumes.
    #[must_use]
    pub fn with_volumes(self) -> Self {
        Self {
            volumes: true,
            ..self
        }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self::new(40, 6)
    }
}

pub(super) const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// A label that some types define by their requirements, which makes it well known.
pub(super) const TIER: &str = "example.com/tier";
/// A label that some pools put on their nodes.
pub(super) const TEAM: &str = "example.com/team";
/// The key of the taints.
pub(super) const DEDICATED: &str = "example.com/dedicated";

/// True once in `n` on average.
pub(super) fn one_in(rng: &mut Rng, n: u64) -> bool {
    rng.below(n) == 0
}

/// A number in `low..=high`.
pub(super) fn up_to(rng: &mut Rng, low: usize, high: usize) -> usize {
    let width = u64::try_from(high.saturating_sub(low)).unwrap_or(0) + 1;
    low + usize::try_from(rng.below(width)).unwrap_or(0)
}

/// One of `items`; the first when `items` has one only.
pub(super) fn pick<T: Copy>(rng: &mut Rng, items: &[T], otherwise: T) -> T {
    rng.choose(items).copied().unwrap_or(otherwise)
}

/// A snapshot drawn from `rng`: a valid cluster in which bound pods fit their nodes. O(pods x nodes).
///
/// ```
/// use tetrapod::base::rng::Rng;
/// use tetrapod::shapes::random::{Size, random};
/// let a = random(&mut Rng::new(1), Size::default());
/// assert_eq!(a, random(&mut Rng::new(1), Size::default()));
/// assert_ne!(a, random(&mut Rng::new(2), Size::default()));
/// ```
#[must_use]
pub fn random(rng: &mut Rng, size: Size) -> Snapshot {
    let mut snapshot = Snapshot {
        instance_types: supply::classes(&mut rng.split(1), size),
        ..Snapshot::default()
    };
    snapshot.node_pools = supply::pools(&mut rng.split(2), size, &snapshot.instance_types);
    let mut workloads = demand::workloads(&mut rng.split(3), size, &mut snapshot);
    snapshot.daemon_sets = demand::daemon_sets(&mut rng.split(4));
    let mut node_rng = rng.split(5);
    nodes::nodes(&mut node_rng, size, &mut snapshot, &mut workloads);
    let room = size.pods.saturating_sub(snapshot.pods.len());
    demand::pending(&mut rng.split(6), room, &mut snapshot, &mut workloads);
    snapshot.options = options(&mut rng.split(7), &snapshot);
    // The next snapshot of the same stream differs.
    rng.next_u64();
    snapshot
}

fn options(rng: &mut Rng, snapshot: &Snapshot) -> Options {
    let mut options = Options {
        now: Some(now()),
        effort: pick(rng, &[Effort::Fast, Effort::Balanced], Effort::Fast),
        ..Options::default()
    };
    if one_in(rng, 4) {
        options.preference_policy = PreferencePolicy::Ignore;
    }
    options.min_values_policy = pick(
        rng,
        &[
            MinValuesPolicy::Strict,
            MinValuesPolicy::BestEffort,
            MinValuesPolicy::AsFlexibleAsPossible,
        ],
        MinValuesPolicy::Strict,
    );
    options.feature_gates.reserved_capacity = !one_in(rng, 6);
    if one_in(rng, 6) {
        options.node_penalty = cents(rng, 50);
    }
    if one_in(rng, 10) {
        options.price_limit = Some(cents(rng, 2_000));
    }
    if one_in(rng, 8) {
        let mut quotas = Quotas {
            total: one_in(rng, 2).then_some(3),
            ..Quotas::default()
        };
        for entry in snapshot
            .instance_types
            .iter()
            .flat_map(|c| &c.instance_types)
        {
            if one_in(rng, 2) {
                quotas
                    .per_type
                    .insert(Name::clone(&entry.name), pick(rng, &[0, 1, 2], 1));
            }
        }
        options.quotas = quotas;
    }
    for pool in &snapshot.node_pools {
        if one_in(rng, 12) {
            options
                .pool_price_limits
                .insert(Name::clone(&pool.name), cents(rng, 1_000));
        }
    }
    if one_in(rng, 12) {
        options.limit_groups.push(LimitGroup {
            name: Name::from("together"),
            selector: selects(TEAM, "red"),
            limits: [(CPU, Quantity::from_units(pick(rng, &[4, 16, 64], 4)))]
                .into_iter()
                .collect(),
        });
    }
    options
}

pub(super) fn now() -> Timestamp {
    epoch()
}

/// At most `most` cents, at least one.
pub(super) fn cents(rng: &mut Rng, most: u64) -> Price {
    Price::from_femto(10_000_000_000_000 * i128::from(1 + rng.below(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resources::ResourceList;

    #[test]
    fn bound_pods_fit_their_nodes() {
        for seed in 0..200 {
            let snapshot = random(&mut Rng::new(seed), Size::new(60, 8).with_topology());
            for node in &snapshot.nodes {
                let mut used = ResourceList::new();
                for pod in snapshot
                    .pods
                    .iter()
                    .filter(|p| p.node_name.as_ref() == Some(&node.name) && !p.is_finished())
                {
                    used.add(&pod.requests());
                }
                for (name, used) in used.iter() {
                    assert!(
                        used <= node.allocatable.amount(name),
                        "seed {seed}, {}: {name} {used}",
                        node.name
                    );
                }
            }
        }
    }

    /// A generator that never makes the interesting cases proves nothing.
    #[test]
    fn the_interesting_cases_occur() {
        let all: Vec<Snapshot> = (0..300)
            .map(|seed| {
                let size = Size::default().with_topology().with_volumes();
                random(&mut Rng::new(seed), size)
            })
            .collect();
        let share = |what: &str, found: &dyn Fn(&Snapshot) -> bool| {
            let count = all.iter().filter(|s| found(s)).count();
            assert!(count >= 10, "{what}: only {count} of {}", all.len());
        };
        let types = |s: &Snapshot| -> Vec<crate::model::instance_type::InstanceType> {
            s.instance_types
                .iter()
                .flat_map(|c| c.instance_types.clone())
                .collect()
        };
        let offers =
            |s: &Snapshot, found: &dyn Fn(&crate::model::instance_type::Offering) -> bool| {
                types(s).iter().any(|t| t.offerings.iter().any(found))
            };
        let pending = |s: &Snapshot, found: &dyn Fn(&crate::model::pod::PodSpec) -> bool| {
            s.pods.iter().any(|p| p.is_pending() && found(&p.spec))
        };
        share("several weights", &|s| {
            s.node_pools
                .iter()
                .any(|p| p.weight != s.node_pools[0].weight)
        });
        share("pool taints", &|s| {
            s.node_pools.iter().any(|p| !p.taints.is_empty())
        });
        share("pool limits", &|s| {
            s.node_pools.iter().any(|p| !p.limits.is_empty())
        });
        share("minValues", &|s| {
            s.node_pools
                .iter()
                .any(|p| p.requirements.iter().any(|r| r.min_values.is_some()))
        });
        share("sold out", &|s| offers(s, &|o| !o.available));
        share("unpriced", &|s| offers(s, &|o| o.price.is_none()));
        share("reserved", &|s| offers(s, &|o| o.reservation_capacity > 0));
        share("bound pods", &|s| {
            s.pods.iter().any(|p| p.node_name.is_some())
        });
        share("cordoned", &|s| s.nodes.iter().any(|n| n.unschedulable));
        share("in flight", &|s| {
            s.node_claims.iter().any(|c| c.node_name.is_none())
        });
        share("daemons", &|s| !s.daemon_sets.is_empty());
        share("host ports", &|s| {
            pending(s, &|p| !p.containers[0].host_ports.is_empty())
        });
        share("or-ed affinity", &|s| {
            pending(s, &|p| {
                p.affinity
                    .node_required
                    .as_ref()
                    .is_some_and(|t| t.len() > 1)
            })
        });
        share("priorities", &|s| pending(s, &|p| p.priority > 0));
        share("sidecars", &|s| {
            pending(s, &|p| p.init_containers.iter().any(|c| c.restart_always))
        });
        share("gated", &|s| {
            s.pods.iter().any(|p| !p.spec.scheduling_gates.is_empty())
        });
        share("spread", &|s| {
            pending(s, &|p| !p.topology_spread.is_empty())
        });
        share("affinity", &|s| {
            pending(s, &|p| !p.affinity.pod_required.is_empty())
        });
        share("anti-affinity", &|s| {
            pending(s, &|p| !p.affinity.anti_required.is_empty())
        });
        share("volumes", &|s| pending(s, &|p| !p.volumes.is_empty()));
    }
}
