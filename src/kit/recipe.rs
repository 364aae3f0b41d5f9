//! What a made cluster is made of: small values that proptest shrinks one by one. Every value shrinks towards the one
//! that stands first, which is the simplest.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::Knobs;

/// An instance type with its offerings.
#[derive(Debug, Clone)]
pub(super) struct TypeRecipe {
    pub(super) cpu: i64,
    pub(super) gib_per_cpu: i64,
    pub(super) gpus: i64,
    /// On top of the price that follows from the size.
    pub(super) extra_cents: i64,
    pub(super) zones: usize,
    pub(super) spot: bool,
}

/// What a NodePool asks and allows.
#[derive(Debug, Clone)]
pub(super) struct PoolRecipe {
    pub(super) taint: Option<bool>,
    pub(super) limit: Option<PoolLimit>,
    pub(super) weight: u32,
}

/// A limit of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) enum PoolLimit {
    /// CPUs in all.
    Cpu(i64),
    /// Nodes in all.
    Nodes(i64),
}

/// A toleration.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tolerates {
    /// The taint with this value.
    Value(bool),
    /// The taint whatever its value.
    Key,
    /// Everything.
    Everything,
}

/// A rule between pods of one Deployment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Together {
    /// Spread over zones or hosts with a skew.
    Spread { hosts: bool, skew: u32 },
    /// Never two of them in one domain.
    Apart { hosts: bool },
    /// All of them in one zone.
    SameZone,
}

/// Where pods may run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where {
    /// In the zone of this number.
    Zone(usize),
    /// On what is bought on demand.
    OnDemand,
}

/// A Deployment.
#[derive(Debug, Clone)]
pub(super) struct WorkloadRecipe {
    pub(super) replicas: u32,
    pub(super) milli: i64,
    pub(super) mib: i64,
    pub(super) gpus: i64,
    pub(super) tolerates: Option<Tolerates>,
    pub(super) place: Option<Where>,
    pub(super) together: Option<Together>,
    /// The zone of its volume.
    pub(super) volume: Option<usize>,
    pub(super) host_port: bool,
    pub(super) priority: i32,
    /// `maxUnavailable` of its PodDisruptionBudget.
    pub(super) budget: Option<i32>,
}

/// A DaemonSet.
#[derive(Debug, Clone)]
pub(super) struct DaemonRecipe {
    pub(super) milli: i64,
    pub(super) mib: i64,
    pub(super) everywhere: bool,
}

/// A node that exists; numbers are taken modulo how many there are.
#[derive(Debug, Clone)]
pub(super) struct NodeRecipe {
    pub(super) pool: usize,
    pub(super) instance_type: usize,
    pub(super) offering: usize,
    pub(super) cordoned: bool,
    /// Deployments of which a pod runs here, where it fits.
    pub(super) pods: Vec<usize>,
}

/// `strategy` where `on`, else always nothing.
fn when<T: std::fmt::Debug + Clone + 'static>(
    on: bool,
    chance: f64,
    strategy: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    if on {
        weighted(chance, strategy).boxed()
    } else {
        Just(None).boxed()
    }
}

/// True with a chance of one in `n` where `on`; shrinks to false.
fn rarely(on: bool, n: u32) -> BoxedStrategy<bool> {
    if on {
        proptest::bool::weighted(1.0 / f64::from(n)).boxed()
    } else {
        Just(false).boxed()
    }
}

/// A number of GPUs where there are any; shrinks to 0.
fn gpus(on: bool) -> BoxedStrategy<i64> {
    if on {
        select(vec![0, 0, 0, 1, 2, 4, 8]).boxed()
    } else {
        Just(0).boxed()
    }
}

pub(super) fn instance_type(knobs: Knobs) -> impl Strategy<Value = TypeRecipe> {
    (
        select(vec![1, 2, 4, 8, 16, 48]),
        select(vec![4, 2, 8]),
        gpus(knobs.gpus),
        0..10_i64,
        1..=3_usize,
        rarely(knobs.spot, 3),
    )
        .prop_map(
            |(cpu, gib_per_cpu, gpus, extra_cents, zones, spot)| TypeRecipe {
                cpu,
                gib_per_cpu,
                gpus,
                extra_cents,
                zones,
                spot,
            },
        )
}

pub(super) fn pool(knobs: Knobs) -> impl Strategy<Value = PoolRecipe> {
    let limit = prop_oneof![
        select(vec![64, 16, 4, 0]).prop_map(PoolLimit::Cpu),
        (0..4_i64).prop_map(PoolLimit::Nodes),
    ];
    (
        when(knobs.taints, 0.3, any::<bool>()),
        when(knobs.limits, 0.25, limit),
        select(vec![0, 0, 0, 10, 50]),
    )
        .prop_map(|(taint, limit, weight)| PoolRecipe {
            taint,
            limit,
            weight,
        })
}

pub(super) fn workload(knobs: Knobs) -> impl Strategy<Value = WorkloadRecipe> {
    let tolerates = prop_oneof![
        any::<bool>().prop_map(Tolerates::Value),
        Just(Tolerates::Key),
        Just(Tolerates::Everything),
    ];
    let place = prop_oneof![(0..3_usize).prop_map(Where::Zone), Just(Where::OnDemand)];
    let together = prop_oneof![
        (any::<bool>(), 1..3_u32).prop_map(|(hosts, skew)| Together::Spread { hosts, skew }),
        any::<bool>().prop_map(|hosts| Together::Apart { hosts }),
        Just(Together::SameZone),
    ];
    let priority = if knobs.priorities {
        select(vec![0, 0, 0, 100, 1_000]).boxed()
    } else {
        Just(0).boxed()
    };
    let size = (
        1..=knobs.replicas.max(1),
        select(vec![100, 250, 500, 1_000, 1_900, 3_000, 7_000]),
        select(vec![64, 256, 1_024, 3_000, 8_192]),
        gpus(knobs.gpus),
    );
    let rules = (
        when(knobs.taints, 0.3, tolerates),
        when(knobs.selectors, 0.2, place),
        when(knobs.topology, 0.3, together),
        when(knobs.volumes, 0.15, 0..3_usize),
        rarely(knobs.host_ports, 10),
        priority,
        when(knobs.disruption_budgets, 0.3, 0..3_i32),
    );
    (size, rules).prop_map(
        |(
            (replicas, milli, mib, gpus),
            (tolerates, place, together, volume, host_port, priority, budget),
        )| WorkloadRecipe {
            replicas,
            milli,
            mib,
            gpus,
            tolerates,
            place,
            together,
            volume,
            host_port,
            priority,
            budget,
        },
    )
}

pub(super) fn daemon_set(knobs: Knobs) -> impl Strategy<Value = DaemonRecipe> {
    (
        select(vec![50, 100, 300, 1_000]),
        select(vec![0, 128, 1_024]),
        rarely(knobs.taints, 2),
    )
        .prop_map(|(milli, mib, everywhere)| DaemonRecipe {
            milli,
            mib,
            everywhere,
        })
}

pub(super) fn node() -> impl Strategy<Value = NodeRecipe> {
    (
        0..12_usize,
        0..12_usize,
        0..6_usize,
        rarely(true, 8),
        vec(0..12_usize, 0..6),
    )
        .prop_map(
            |(pool, instance_type, offering, cordoned, pods)| NodeRecipe {
                pool,
                instance_type,
                offering,
                cordoned,
                pods,
            },
        )
}
