//! What the machine has to know of a cluster besides what happens in it: pools, classes, groups, limits, patience.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::backoff::BackoffPolicy;
use super::exact;
use crate::base::time::Span;
use crate::hyperpod::capacity::resolve;
use crate::hyperpod::group::{Group, SubnetZones};
use crate::hyperpod::preflight::{Status, preflight};
use crate::model::cluster::Snapshot;
use crate::model::label::INSTANCE_TYPE;
use crate::model::options::Quotas;
use crate::model::price::Price;
use crate::model::resources::{Name, ResourceList};

/// How long each step of a node's start may take (D-107, H-68).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Deadlines {
    /// From the accepted request to an instance.
    pub launch: Span,
    /// From the accepted request (or the replacement of the instance) to a registered Node.
    pub registration: Span,
    /// From there to an initialized one. Karpenter has no such limit; here an order must end.
    pub initialization: Span,
}

impl Default for Deadlines {
    /// 5 and 15 minutes as upstream, and 15 more to initialize.
    fn default() -> Self {
        Self {
            launch: Span::from_secs(5 * 60),
            registration: Span::from_secs(15 * 60),
            initialization: Span::from_secs(15 * 60),
        }
    }
}

/// A NodePool as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PoolConfig {
    /// Name.
    pub name: Name,
    /// Its node class.
    pub node_class: Name,
    /// Whether it is being deleted: its nodes are drained and deleted (row 17).
    pub deleted: bool,
    /// `spec.limits`, `nodes` included.
    pub limits: ResourceList,
    /// Most that its nodes together may cost per hour.
    #[serde(with = "exact::price")]
    pub price_cap: Option<Price>,
    /// Patience.
    pub deadlines: Deadlines,
    /// Most nodes on their way at once.
    pub max_in_flight: u32,
    /// How long a node that nobody waits for any more is kept for the next order. At least as long as a gang waits to be
    /// ready (H-56).
    pub hold: Span,
    /// `terminationGracePeriod`: when a drain is cut short; `None` waits for ever.
    pub grace: Option<Span>,
    /// After what time an unhealthy node is deleted by us; `None` leaves all to HyperPod (H-45).
    pub repair_after: Option<Span>,
    /// What preflight found wrong with it.
    pub faults: Vec<Name>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            name: Name::from(""),
            node_class: Name::from(""),
            deleted: false,
            limits: ResourceList::new(),
            price_cap: None,
            deadlines: Deadlines::default(),
            max_in_flight: 1000,
            hold: Span::from_secs(5 * 60),
            grace: None,
            repair_after: None,
            faults: Vec::new(),
        }
    }
}

impl PoolConfig {
    /// A pool without limits.
    #[must_use]
    pub fn new(name: impl Into<Name>, node_class: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            node_class: node_class.into(),
            ..Self::default()
        }
    }
}

/// A HyperpodNodeClass as the machine sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClassConfig {
    /// Name.
    pub name: Name,
    /// Groups that it names.
    pub instance_groups: Vec<Name>,
    /// Whether it is being deleted.
    pub deleted: bool,
    /// What preflight found wrong with it.
    pub faults: Vec<Name>,
}

impl ClassConfig {
    /// A class over `instance_groups`.
    #[must_use]
    pub fn new(name: impl Into<Name>, instance_groups: Vec<Name>) -> Self {
        Self {
            name: name.into(),
            instance_groups,
            ..Self::default()
        }
    }
}

/// An instance group's choices. One that has several zones or types is told which to take (H-25).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct GroupConfig {
    /// Name.
    pub name: Name,
    /// Zones of its subnets; empty where they cannot be found.
    pub zones: Vec<Name>,
    /// Types.
    pub instance_types: Vec<Name>,
    /// Why nothing may be bought from it: a training plan, deep health checks, several zones (row 5).
    pub faults: Vec<Name>,
}

impl GroupConfig {
    /// A group.
    #[must_use]
    pub fn new(name: impl Into<Name>, zones: Vec<Name>, instance_types: Vec<Name>) -> Self {
        Self {
            name: name.into(),
            zones,
            instance_types,
            faults: Vec::new(),
        }
    }
}

/// Limits over several pools together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SharedLimit {
    /// Name for messages.
    pub name: Name,
    /// Pools.
    pub pools: Vec<Name>,
    /// The limits.
    pub limits: ResourceList,
}

/// What the machine works with. Give it anew whenever it changes.
///
/// ```
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::provisioning::config::Config;
/// let mut config = Config::of(&Snapshot::default());
/// config.quotas.per_type.insert("ml.p5.48xlarge".into(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Config {
    /// The cluster's name in requests.
    pub cluster_name: Name,
    /// Pools.
    pub pools: Vec<PoolConfig>,
    /// Node classes.
    pub classes: Vec<ClassConfig>,
    /// Groups.
    pub groups: Vec<GroupConfig>,
    /// Capacity by instance type, for limits.
    pub types: BTreeMap<Name, ResourceList>,
    /// Limits over several pools.
    pub shared_limits: Vec<SharedLimit>,
    /// Most instances that the machine may have, by type and in all: the account's quota less what others use
    /// (H-58, H-59).
    pub quotas: Quotas,
    /// Most that all nodes together may cost per hour.
    #[serde(with = "exact::price")]
    pub price_cap: Option<Price>,
    /// Waits after capacity failures.
    pub capacity_backoff: BackoffPolicy,
    /// Waits after throttling, internal errors and missing answers.
    pub call_backoff: BackoffPolicy,
    /// How long a call may stay unanswered before it is repeated.
    pub answer_deadline: Span,
    /// How long a node may be missing from listings before it counts as gone (D-109), and how soon an accepted deletion
    /// is asked for again when nothing shows that the node has gone.
    pub missing_grace: Span,
    /// How long a breaker stays open (D-101).
    pub breaker_pause: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster_name: Name::from(""),
            pools: Vec::new(),
            classes: Vec::new(),
            groups: Vec::new(),
            types: BTreeMap::new(),
            shared_limits: Vec::new(),
            quotas: Quotas::default(),
            price_cap: None,
            capacity_backoff: BackoffPolicy::default(),
            call_backoff: BackoffPolicy::new(Span::from_secs(1), Span::from_secs(60)),
            answer_deadline: Span::from_secs(60),
            missing_grace: Span::from_secs(120),
            breaker_pause: Span::from_secs(300),
        }
    }
}

impl Config {
    /// What a snapshot tells: pools and classes with what preflight finds wrong with them, groups, capacities, limits.
    ///
    /// Quotas in `Options` say what may still be added; the nodes of the snapshot are added to them by type, so that they
    /// become the bounds of all. Price limits in `Options` are those of one plan and are not taken over: what all nodes
    /// together may cost is [`Config::price_cap`] and [`PoolConfig::price_cap`].
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let faults = faults(snapshot);
        let of = |subject: String| faults.get(&subject).cloned().unwrap_or_default();
        let pools = snapshot.node_pools.iter().map(|pool| PoolConfig {
            deleted: pool.deleted.is_some(),
            limits: pool.limits.clone(),
            grace: pool.termination_grace_period,
            faults: of(format!("NodePool {}", pool.name)),
            ..PoolConfig::new(
                Name::clone(&pool.name),
                Name::clone(&pool.node_class_ref.name),
            )
        });
        let classes = snapshot.node_classes.iter().map(|class| ClassConfig {
            deleted: class.deleted.is_some(),
            faults: of(format!("HyperpodNodeClass {}", class.name)),
            ..ClassConfig::new(Name::clone(&class.name), class.instance_groups.clone())
        });
        let named: BTreeSet<&Name> = snapshot
            .node_classes
            .iter()
            .flat_map(|class| &class.instance_groups)
            .collect();
        let zones = SubnetZones::of(snapshot);
        let names = |list: Vec<&Name>| list.into_iter().cloned().collect();
        let groups = named
            .into_iter()
            .filter_map(|name| Group::of_cluster(snapshot, name))
            .map(|group| GroupConfig {
                faults: of(format!("instance group {}", group.name)),
                ..GroupConfig::new(
                    Name::clone(group.name),
                    names(group.zones(&zones)),
                    names(group.types()),
                )
            });
        let mut types = BTreeMap::new();
        for capacity in resolve(snapshot).values() {
            for entry in &capacity.types {
                types
                    .entry(Name::clone(&entry.name))
                    .or_insert_with(|| entry.capacity.clone());
            }
        }
        Self {
            cluster_name: snapshot
                .cluster
                .as_ref()
                .map_or_else(|| Name::from(""), |cluster| Name::clone(&cluster.name)),
            pools: pools.collect(),
            classes: classes.collect(),
            groups: groups.collect(),
            types,
            shared_limits: shared_limits(snapshot),
            quotas: total_quotas(snapshot),
            ..Self::default()
        }
    }
}

/// Rules whose breach the machine follows live: existence and status of groups, MinCount, conditions of pools and
/// classes; and nodes of nobody, which are reported and block nothing (H-9).
const LIVE: [&str; 6] = ["H-2", "H-9", "H-11", "H-21", "H-34", "H-36"];

/// What preflight finds wrong, by subject.
fn faults(snapshot: &Snapshot) -> BTreeMap<String, Vec<Name>> {
    let mut faults: BTreeMap<String, Vec<Name>> = BTreeMap::new();
    for check in preflight(snapshot, None) {
        if check.status == Status::Fail && !LIVE.contains(&check.rule) {
            let message = Name::from(format!("{} ({})", check.message, check.rule));
            faults.entry(check.subject).or_default().push(message);
        }
    }
    faults
}

fn shared_limits(snapshot: &Snapshot) -> Vec<SharedLimit> {
    let groups = snapshot.options.limit_groups.iter();
    groups
        .map(|group| SharedLimit {
            name: Name::clone(&group.name),
            pools: snapshot
                .node_pools
                .iter()
                .filter(|pool| group.selector.matches(&pool.labels))
                .map(|pool| Name::clone(&pool.name))
                .collect(),
            limits: group.limits.clone(),
        })
        .collect()
}

fn total_quotas(snapshot: &Snapshot) -> Quotas {
    let mut quotas = snapshot.options.quotas.clone();
    for node in &snapshot.nodes {
        let Some(name) = node.labels.get(INSTANCE_TYPE) else {
            continue;
        };
        for quota in quotas
            .per_type
            .get_mut(name)
            .into_iter()
            .chain(&mut quotas.cluster)
            .chain(&mut quotas.total)
        {
            *quota = quota.saturating_add(1);
        }
    }
    quotas
}
