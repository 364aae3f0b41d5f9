//! Instance types and their offerings: what can be bought.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::price::Price;
use super::quantity::Quantity;
use super::requirement::RequirementSpec;
use super::resources::{HUGEPAGES_PREFIX, MEMORY, Name, ResourceList};
use super::taint::Taint;

/// How capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CapacityType {
    /// A reservation that is already paid for.
    Reserved,
    /// Spare capacity that may be taken back.
    Spot,
    /// The list price.
    OnDemand,
}

impl CapacityType {
    /// The label value: `reserved`, `spot` or `on-demand`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Spot => "spot",
            Self::OnDemand => "on-demand",
        }
    }
}

impl std::fmt::Display for CapacityType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for CapacityType {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "reserved" => Self::Reserved,
            "spot" => Self::Spot,
            "on-demand" => Self::OnDemand,
            _ => return Err(()),
        })
    }
}

/// One way to buy an instance type (S-52).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Offering {
    /// Zone.
    pub zone: Name,
    /// Capacity type.
    pub capacity_type: CapacityType,
    /// Price per hour; `None` is unknown, never 0 (M-9).
    #[serde(default)]
    pub price: Option<Price>,
    /// Whether capacity can be had; unavailable offerings are invisible.
    pub available: bool,
    /// Reservation id of a reserved offering.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reservation_id: Option<Name>,
    /// How many instances the reservation still holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reservation_capacity: u32,
    /// The HyperPod instance group behind this offering, where there is one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub instance_group: Option<Name>,
}

impl Offering {
    /// An available offering.
    #[must_use]
    pub fn new(zone: impl Into<Name>, capacity_type: CapacityType, price: Option<Price>) -> Self {
        Self {
            zone: zone.into(),
            capacity_type,
            price,
            available: true,
            reservation_id: None,
            reservation_capacity: 0,
            instance_group: None,
        }
    }
}

/// An instance type as a node class offers it. Groups of a HyperPod cluster that differ in labels, taints, threads per
/// core or MIG profile give separate entries of the same name.
///
/// ```
/// use tetrapod::model::instance_type::InstanceType;
/// use tetrapod::model::resources::{CPU, ResourceList};
/// let mut large = InstanceType::new("ml.c5.large");
/// large.capacity = [(CPU, "2".parse().unwrap())].into_iter().collect();
/// large.overhead = [(CPU, "70m".parse().unwrap())].into_iter().collect();
/// assert_eq!(large.allocatable().amount(CPU), "1930m".parse().unwrap());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceType {
    /// Name, such as `ml.g5.12xlarge`.
    pub name: Name,
    /// What the machine has.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity: ResourceList,
    /// What the system keeps: allocatable = capacity - overhead (S-16).
    #[serde(skip_serializing_if = "is_default")]
    pub overhead: ResourceList,
    /// Labels beyond type, zone and capacity type; every key here counts as well known.
    #[serde(skip_serializing_if = "is_default")]
    pub requirements: Vec<RequirementSpec>,
    /// Taints that nodes of this entry carry besides the pool's (H-49).
    #[serde(skip_serializing_if = "is_default")]
    pub taints: Vec<Taint>,
    /// Ways to buy it.
    #[serde(skip_serializing_if = "is_default")]
    pub offerings: Vec<Offering>,
}

impl InstanceType {
    /// An instance type without capacity or offerings.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Capacity less overhead over the names of capacity, huge pages taken out of memory (S-16).
    #[must_use]
    pub fn allocatable(&self) -> ResourceList {
        let mut left = self.capacity.clone();
        left.subtract(&self.overhead);
        for (name, pages) in self.capacity.iter() {
            if name.starts_with(HUGEPAGES_PREFIX) {
                let memory = (left.amount(MEMORY) - pages).max(Quantity::ZERO);
                left.set(MEMORY, memory);
            }
        }
        left
    }
}

/// All instance types of one node class: a `tetrapod/v1alpha1` InstanceTypes document, or what HyperPod's groups give.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InstanceTypes {
    /// Name of the node class.
    pub node_class: Name,
    /// Its types.
    #[serde(skip_serializing_if = "is_default")]
    pub instance_types: Vec<InstanceType>,
}

impl InstanceTypes {
    /// The types of `node_class`.
    #[must_use]
    pub fn new(node_class: impl Into<Name>, instance_types: Vec<InstanceType>) -> Self {
        Self {
            node_class: node_class.into(),
            instance_types,
        }
    }
}
