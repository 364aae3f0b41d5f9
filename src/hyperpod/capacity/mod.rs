//! From node classes and instance groups to instance types with offerings (H-8..H-22, H-35, H-48..H-52; M-12).

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{self, Arch, NodeSettings, TypeFacts};
use super::enablement::Enablement;
use super::group::{Group, SubnetZones};
use super::mig;
use crate::explain::reason::{Code, Reason};
use crate::model::cluster::Snapshot;
use crate::model::hyperpod::HyperpodNodeClass;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::{
    ARCH, CAPACITY_TYPE, HOSTNAME, INSTANCE_GROUP, INSTANCE_TYPE, NODE_POOL, OS, REGION, ZONE,
};
use crate::model::node::Condition;
use crate::model::options::Options;
use crate::model::price::Price;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;

/// Most groups that one node class may name (H-8).
pub const MAX_GROUPS: usize = 10;

/// Label that HyperPod's health agent puts on its nodes; a new node that pods may use has
/// [`NODE_HEALTH_SCHEDULABLE`] (H-43).
pub const NODE_HEALTH: &str = "sagemaker.amazonaws.com/node-health-status";
/// The value of [`NODE_HEALTH`] on a node that pods may use.
pub const NODE_HEALTH_SCHEDULABLE: &str = "Schedulable";

/// Keys that a group's own labels cannot set, because the offering does.
const DERIVED: [&str; 8] = [
    ARCH,
    CAPACITY_TYPE,
    HOSTNAME,
    INSTANCE_TYPE,
    INSTANCE_GROUP,
    NODE_POOL,
    OS,
    ZONE,
];

/// What one node class offers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassCapacity {
    /// Instance types with their offerings. From groups: one entry per group and type, by type and group, so that the
    /// group's name is a single-valued label of each.
    pub types: Vec<InstanceType>,
    /// The same types as overlays make them look to a pool (S-58); pools that no overlay speaks of are not listed.
    pub by_pool: BTreeMap<Name, Vec<InstanceType>>,
    /// Whether pools may buy from the class, or why not.
    pub ready: Result<(), Reason>,
    /// Groups and types left out, and prices that are not known.
    pub notes: Vec<Reason>,
}

/// What each node class offers: every class that the snapshot has an object or an `InstanceTypes` document of, or that a
/// NodePool refers to.
///
/// Where a document bears the class's name it alone gives the offerings (M-12). Otherwise the class's groups do, each as
/// the class's status and the DescribeCluster record tell of it. `Options.prices` override all other prices, the
/// catalogue's list prices stand for on-demand capacity, and everything else is unpriced (M-9).
///
/// Cost: linear in the offerings, and in the catalogue for each type.
///
/// ```
/// use tetrapod::hyperpod::capacity::resolve;
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::model::hyperpod::{HyperpodNodeClass, InstanceGroupStatus, Subnet};
///
/// let mut subnet = Subnet::default();
/// subnet.zone = "us-east-1a".into();
/// let mut group = InstanceGroupStatus::default();
/// group.name = "gpu-a".into();
/// group.instance_types = vec!["ml.g5.12xlarge".into()];
/// group.subnets = vec![subnet];
/// let mut class = HyperpodNodeClass::default();
/// class.name = "gpu".into();
/// class.instance_groups = vec!["gpu-a".into()];
/// class.status_groups = Some(vec![group]);
/// let mut snapshot = Snapshot::default();
/// snapshot.node_classes = vec![class];
///
/// let capacity = &resolve(&snapshot)["gpu"];
/// assert!(capacity.ready.is_ok());
/// let offering = &capacity.types[0].offerings[0];
/// assert_eq!(offering.instance_group.as_deref(), Some("gpu-a"));
/// assert_eq!(offering.price, "7.09".parse().ok());
/// ```
#[must_use]
pub fn resolve(snapshot: &Snapshot) -> BTreeMap<Name, ClassCapacity> {
    let zones = SubnetZones::of(snapshot);
    let documents = snapshot.instance_types.iter().map(|d| &d.node_class);
    let classes = snapshot.node_classes.iter().map(|class| &class.name);
    let pools = snapshot
        .node_pools
        .iter()
        .map(|pool| &pool.node_class_ref.name);
    let names: BTreeSet<&Name> = documents.chain(classes).chain(pools).collect();
    names
        .into_iter()
        .map(|name| (Name::clone(name), of_class(snapshot, &zones, name)))
        .collect()
}

/// Why `class` is not ready by its own object; conditions that are absent count as true (M-12).
pub(super) fn not_ready(class: &HyperpodNodeClass) -> Option<String> {
    if class.deleted.is_some() {
        return Some("it is being deleted".to_owned());
    }
    let failed = ["InstanceGroupReady", "SubnetsReady", "Ready"]
        .into_iter()
        .find(|kind| Condition::is_true(&class.conditions, kind) == Some(false))?;
    let condition = class.conditions.iter().find(|c| &*c.kind == failed)?;
    let colon = if condition.message.is_empty() {
        ""
    } else {
        ": "
    };
    Some(format!(
        "its condition {failed} is {}{colon}{}",
        condition.status, condition.message
    ))
}

fn of_class<'a>(snapshot: &'a Snapshot, zones: &SubnetZones<'a>, name: &'a Name) -> ClassCapacity {
    let class = snapshot
        .node_classes
        .iter()
        .find(|class| class.name == *name);
    let mut capacity = match (from_documents(snapshot, class, name), class) {
        (Some(types), _) => ClassCapacity {
            types,
            by_pool: BTreeMap::new(),
            ready: Ok(()),
            notes: Vec::new(),
        },
        (None, Some(class)) => from_groups(snapshot, class, zones),
        (None, None) => unusable(
            name,
            "the input has neither a HyperpodNodeClass nor an InstanceTypes document of this name",
        ),
    };
    let enablement = snapshot.cluster.as_ref().map(Enablement::of);
    let blocker = enablement.and_then(|state| state.blocker());
    if let Some(message) = blocker.or_else(|| not_ready(class?)) {
        capacity.ready = Err(class_reason(name, message));
    }
    capacity
}

fn class_reason(name: &str, message: impl Into<String>) -> Reason {
    Reason::new(
        format!("HyperpodNodeClass {name}"),
        Code::NodeClassNotReady,
        message,
    )
}

fn unusable(name: &str, message: impl Into<String>) -> ClassCapacity {
    ClassCapacity {
        types: Vec::new(),
        by_pool: BTreeMap::new(),
        ready: Err(class_reason(name, message)),
        notes: Vec::new(),
    }
}

fn overriding_price(options: &Options, name: &str, capacity: CapacityType) -> Option<Price> {
    options.prices.get(name)?.get(&capacity).copied()
}

fn from_documents(
    snapshot: &Snapshot,
    class: Option<&HyperpodNodeClass>,
    name: &Name,
) -> Option<Vec<InstanceType>> {
    let mut documents = snapshot
        .instance_types
        .iter()
        .filter(|document| document.node_class == *name)
        .peekable();
    documents.peek()?;
    let groups: BTreeSet<&Name> = class
        .iter()
        .flat_map(|class| &class.instance_groups)
        .collect();
    let only_group = groups.first().filter(|_| groups.len() == 1);
    let mut types: Vec<InstanceType> = documents
        .flat_map(|document| document.instance_types.iter().cloned())
        .collect();
    for instance_type in &mut types {
        let name = &instance_type.name;
        for offering in &mut instance_type.offerings {
            if let Some(price) = overriding_price(&snapshot.options, name, offering.capacity_type) {
                offering.price = Some(price);
            }
            if offering.instance_group.is_none() {
                offering.instance_group = only_group.map(|group| Name::clone(group));
            }
        }
    }
    Some(types)
}

fn from_groups<'a>(
    snapshot: &'a Snapshot,
    class: &'a HyperpodNodeClass,
    zones: &SubnetZones<'a>,
) -> ClassCapacity {
    let names: BTreeSet<&Name> = class.instance_groups.iter().collect();
    if names.is_empty() {
        return unusable(&class.name, "it names no instance group");
    }
    if names.len() > MAX_GROUPS {
        let message = format!(
            "it names {} instance groups; at most {MAX_GROUPS} are allowed, so split it",
            names.len()
        );
        return unusable(&class.name, message);
    }
    let missing = missing_groups(snapshot, class);
    if !missing.is_empty() {
        let message = format!(
            "InstanceGroupReady is False: the cluster has no instance group {}",
            missing.join(", ")
        );
        return unusable(&class.name, message);
    }
    let mut build = Build {
        options: &snapshot.options,
        types: Vec::new(),
        notes: Vec::new(),
    };
    for name in names {
        match Group::of_class(snapshot, class, name) {
            Some(group) => build.add(&group, &group.zones(zones)),
            None => build.refuse(
                name,
                "nothing is known of it: supply the describe-cluster output, or the HyperpodNodeClass with its status"
                    .to_owned(),
            ),
        }
    }
    build.note_region();
    let Build {
        mut types, notes, ..
    } = build;
    types.sort_by(|a, b| {
        let group = |t: &InstanceType| t.offerings.first().map(|o| o.instance_group.clone());
        (&a.name, group(a)).cmp(&(&b.name, group(b)))
    });
    let ready = if types.is_empty() {
        Err(
            class_reason(&class.name, "none of its instance groups can be used")
                .with_parts(notes.clone()),
        )
    } else {
        Ok(())
    };
    ClassCapacity {
        types,
        by_pool: BTreeMap::new(),
        ready,
        notes,
    }
}

/// The groups of `class` that the cluster record lacks (H-11, H-12); empty without a record.
pub(super) fn missing_groups<'a>(
    snapshot: &Snapshot,
    class: &'a HyperpodNodeClass,
) -> Vec<&'a str> {
    let Some(cluster) = &snapshot.cluster else {
        return Vec::new();
    };
    let there: BTreeSet<&Name> = cluster.instance_groups.iter().map(|g| &g.name).collect();
    let named: BTreeSet<&Name> = class.instance_groups.iter().collect();
    named
        .into_iter()
        .filter(|name| !there.contains(name))
        .map(AsRef::as_ref)
        .collect()
}

struct Build<'a> {
    options: &'a Options,
    types: Vec<InstanceType>,
    notes: Vec<Reason>,
}

impl Build<'_> {
    fn refuse(&mut self, group: &str, message: String) {
        self.notes.push(Reason::new(
            format!("instance group {group}"),
            Code::GroupRefused,
            message,
        ));
    }

    fn add(&mut self, group: &Group<'_>, zones: &[&Name]) {
        let refusals = group.refusals(self.options);
        if !refusals.is_empty() {
            let messages: Vec<String> = refusals.into_iter().map(|r| r.message).collect();
            return self.refuse(group.name, messages.join("; "));
        }
        if zones.is_empty() {
            return self.refuse(
                group.name,
                "the zone of its subnets is not known: supply the HyperpodNodeClass with its status, or an InstanceTypes document"
                    .to_owned(),
            );
        }
        let mut unpriced = Vec::new();
        for name in group.types() {
            match self.entry(group, zones, name) {
                Ok(entry) => {
                    if entry
                        .offerings
                        .iter()
                        .any(|offering| offering.price.is_none())
                    {
                        unpriced.push(Name::clone(name));
                    }
                    self.types.push(entry);
                }
                Err(message) => self.notes.push(Reason::new(
                    format!("instance type {name} of instance group {}", group.name),
                    Code::GroupRefused,
                    message,
                )),
            }
        }
        self.note_unpriced(group, unpriced);
    }

    fn note_unpriced(&mut self, group: &Group<'_>, unpriced: Vec<Name>) {
        if unpriced.is_empty() {
            return;
        }
        let use_of_it = if group.is_spot() {
            "spot prices of its types are not known; each counts as just below the type's on-demand price"
        } else {
            "prices of its types are not known; they are used only for pods that nothing priced holds"
        };
        let mut note = Reason::new(
            format!("instance group {}", group.name),
            Code::UnknownPrice,
            format!("{use_of_it} (Options.prices can set them)"),
        );
        note.count = unpriced.len();
        note.examples = unpriced.into_iter().take(5).collect();
        self.notes.push(note);
    }

    fn entry(
        &self,
        group: &Group<'_>,
        zones: &[&Name],
        name: &Name,
    ) -> Result<InstanceType, String> {
        let facts = catalog::find(name).ok_or_else(|| {
            "the catalogue has no such HyperPod instance type; an InstanceTypes document for the node class would admit it"
                .to_owned()
        })?;
        if facts.arch == Arch::Arm64 && !self.options.allow_arm64 {
            return Err("it is an arm64 type and allowArm64 is off".to_owned());
        }
        let labels = group.labels();
        let settings = NodeSettings {
            threads_per_core: group.record.and_then(|record| record.threads_per_core),
            mig: mig::asked(&labels)
                .map(|profile| mig::slices(facts, profile))
                .transpose()?,
            ..NodeSettings::default()
        };
        let mut entry = facts.instance_type(&settings);
        let mut set = |key: &str, value: &str| {
            entry.requirements.retain(|spec| &*spec.key != key);
            let spec = RequirementSpec::new(key, Operator::In, [Name::from(value)]);
            entry.requirements.push(spec);
        };
        set(INSTANCE_GROUP, group.name);
        set(NODE_HEALTH, NODE_HEALTH_SCHEDULABLE);
        if let Some(region) = common_region(zones) {
            set(REGION, region);
        }
        for (key, value) in labels.iter() {
            if !DERIVED.contains(&key.as_ref()) {
                set(key, value);
            }
        }
        entry.taints = group.taints();
        entry.offerings = self.offerings(group, zones, facts);
        Ok(entry)
    }

    fn offerings(&self, group: &Group<'_>, zones: &[&Name], facts: &TypeFacts) -> Vec<Offering> {
        let (capacity_type, listed) = if group.is_spot() {
            (CapacityType::Spot, None)
        } else {
            (CapacityType::OnDemand, facts.price())
        };
        let price = overriding_price(self.options, facts.name, capacity_type).or(listed);
        zones
            .iter()
            .map(|zone| Offering {
                instance_group: Some(Name::clone(group.name)),
                ..Offering::new(Name::clone(zone), capacity_type, price)
            })
            .collect()
    }

    /// The catalogue knows the prices of one region only; elsewhere they are an estimate, which is said.
    fn note_region(&mut self) {
        let elsewhere: BTreeSet<&str> = self
            .types
            .iter()
            .filter(|t| overriding_price(self.options, &t.name, CapacityType::OnDemand).is_none())
            .flat_map(|t| &t.offerings)
            .filter(|o| o.capacity_type == CapacityType::OnDemand && o.price.is_some())
            .filter_map(|o| region(&o.zone))
            .filter(|region| *region != catalog::PRICE_REGION)
            .collect();
        let notes: Vec<Reason> = elsewhere
            .into_iter()
            .map(|region| {
                let message = format!(
                    "prices are the list prices of {}; Options.prices can set this region's",
                    catalog::PRICE_REGION
                );
                Reason::new(format!("region {region}"), Code::UnknownPrice, message)
            })
            .collect();
        self.notes.extend(notes);
    }
}

fn common_region<'a>(zones: &[&'a Name]) -> Option<&'a str> {
    let regions: BTreeSet<Option<&str>> = zones.iter().map(|zone| region(zone)).collect();
    if regions.len() == 1 {
        regions.first().copied().flatten()
    } else {
        None
    }
}

/// The region of a zone's name: up to its number, as in `us-west-2a`, `us-gov-west-1b` and `us-west-2-lax-1a`.
fn region(zone: &str) -> Option<&str> {
    let number = zone
        .char_indices()
        .find(|(at, c)| c.is_ascii_digit() && *at > 0 && zone[..*at].ends_with('-'))?
        .0;
    let length = zone[number..]
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(zone.len() - number);
    Some(&zone[..number + length])
}

#[cfg(test)]
mod tests;
