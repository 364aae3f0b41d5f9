//! Resource lists: names to quantities (S-13..S-15).

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::quantity::Quantity;

/// A shared string: object names, label keys, label values, resource names.
pub type Name = Arc<str>;

/// CPU cores.
pub const CPU: &str = "cpu";
/// Memory bytes.
pub const MEMORY: &str = "memory";
/// Number of pods.
pub const PODS: &str = "pods";
/// Local scratch bytes.
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";
/// NVIDIA GPUs.
pub const NVIDIA_GPU: &str = "nvidia.com/gpu";
/// The pseudo resource that NodePool limits use to bound the number of nodes.
pub const NODES: &str = "nodes";
/// What huge-page resource names start with.
pub const HUGEPAGES_PREFIX: &str = "hugepages-";

/// Quantities by resource name, sorted by name. A missing name counts as 0 (S-14), but 0 and missing are not equal.
///
/// Lists are short: operations on two lists search by name, and allocate only to add a name.
///
/// ```
/// use tetrapod::model::resources::{CPU, MEMORY, ResourceList};
/// let mut sum: ResourceList = [(CPU, "500m".parse().unwrap())].into_iter().collect();
/// let other: ResourceList = [(CPU, "1".parse().unwrap()), (MEMORY, "1Gi".parse().unwrap())].into_iter().collect();
/// sum.add(&other);
/// assert_eq!(sum.amount(CPU), "1500m".parse().unwrap());
/// assert!(other.fits(&sum));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceList(Vec<(Name, Quantity)>);

impl ResourceList {
    /// No resources.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The quantity of `name`, if it is listed. O(log n).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Quantity> {
        self.position(name).ok().map(|at| self.0[at].1)
    }

    /// The quantity of `name`, 0 when it is not listed.
    #[must_use]
    pub fn amount(&self, name: &str) -> Quantity {
        self.get(name).unwrap_or(Quantity::ZERO)
    }

    /// Sets `name` to `quantity`.
    pub fn set(&mut self, name: &str, quantity: Quantity) {
        match self.position(name) {
            Ok(at) => self.0[at].1 = quantity,
            Err(at) => self.0.insert(at, (Name::from(name), quantity)),
        }
    }

    /// Sets `name` to `quantity`, sharing the name.
    pub fn set_shared(&mut self, name: Name, quantity: Quantity) {
        match self.position(&name) {
            Ok(at) => self.0[at].1 = quantity,
            Err(at) => self.0.insert(at, (name, quantity)),
        }
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) {
        if let Ok(at) = self.position(name) {
            self.0.remove(at);
        }
    }

    /// Names and quantities in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Quantity)> + '_ {
        self.0.iter().map(|(name, quantity)| (name, *quantity))
    }

    /// How many names are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no name is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request of this list fits `total` (S-14): nothing in `total` is negative, and every quantity is at most
    /// that of `total`, where a missing one counts as 0.
    #[must_use]
    pub fn fits(&self, total: &Self) -> bool {
        total.0.iter().all(|(_, held)| !held.is_negative())
            && self
                .0
                .iter()
                .all(|(name, asked)| *asked <= total.amount(name))
    }

    /// Adds every quantity of `other`: the merge of S-15.
    pub fn add(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        for (at, (name, quantity)) in other.0.iter().enumerate() {
            // Most lists name the same resources, and share the names.
            if let Some((held, sum)) = self.0.get_mut(at)
                && Name::ptr_eq(held, name)
            {
                *sum += *quantity;
                continue;
            }
            match self.position(name) {
                Ok(at) => self.0[at].1 += *quantity,
                Err(at) => self.0.insert(at, (Name::clone(name), *quantity)),
            }
        }
    }

    /// Subtracts `other` over the names of this list only; may go negative (S-15).
    pub fn subtract(&mut self, other: &Self) {
        for (name, quantity) in &mut self.0 {
            *quantity = *quantity - other.amount(name);
        }
    }

    /// Raises every quantity to at least that of `other` (union of names, S-15).
    pub fn raise_to(&mut self, other: &Self) {
        for (name, quantity) in &other.0 {
            match self.position(name) {
                Ok(at) => self.0[at].1 = self.0[at].1.max(*quantity),
                Err(at) => self.0.insert(at, (Name::clone(name), *quantity)),
            }
        }
    }

    /// Copies every quantity of `other` that is not listed here.
    pub fn fill_from(&mut self, other: &Self) {
        for (name, quantity) in &other.0 {
            if let Err(at) = self.position(name) {
                self.0.insert(at, (Name::clone(name), *quantity));
            }
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| held.as_ref().cmp(name))
    }
}

impl<'a> FromIterator<(&'a str, Quantity)> for ResourceList {
    fn from_iter<I: IntoIterator<Item = (&'a str, Quantity)>>(iter: I) -> Self {
        let mut list = Self::new();
        for (name, quantity) in iter {
            list.set(name, quantity);
        }
        list
    }
}

impl Serialize for ResourceList {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for ResourceList {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<Name, Quantity>::deserialize(d)?;
        Ok(Self(map.into_iter().collect()))
    }
}
