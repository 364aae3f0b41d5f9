//! Requirements on several keys, and when two sides go together (S-28..S-31).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Operator, Requirement, RequirementSpec};
use crate::model::label::Labels;
use crate::model::resources::Name;

/// Which undefined keys a side may leave open (S-30, S-31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: a claim or a node")]
pub enum Undefined<'a> {
    /// Existing nodes: an absent label is absent.
    Denied,
    /// New claims: these well-known keys may still take any value.
    Allowed(&'a BTreeSet<Name>),
}

/// Why two sets of requirements do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Conflict {
    /// The asked key is defined on neither the pool, the type nor the node.
    UndefinedLabel {
        /// What is asked.
        asked: Box<Requirement>,
    },
    /// Both sides define the key and no value suits both.
    Disjoint {
        /// What is asked.
        asked: Box<Requirement>,
        /// What is offered.
        offered: Box<Requirement>,
    },
}

/// Requirements by key; reading an undefined key means "any value" (S-28). Look-ups are O(log keys).
///
/// ```
/// use tetrapod::model::requirement::{Operator, Requirement, Requirements, Undefined};
/// let offered: Requirements = [Requirement::new("zone", Operator::In, ["a", "b"])].into_iter().collect();
/// let asked: Requirements = [Requirement::new("zone", Operator::NotIn, ["a"])].into_iter().collect();
/// assert!(offered.compatible(&asked, Undefined::Denied).is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirements {
    by_key: BTreeMap<Name, Requirement>,
}

impl Requirements {
    /// No requirements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `labels` say: one single-valued requirement per label.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        let mut all = Self::new();
        for (key, value) in labels.iter() {
            all.add(Requirement::new(key, Operator::In, [Name::clone(value)]));
        }
        all
    }

    /// What a manifest's list means: the intersection per key.
    #[must_use]
    pub fn from_specs<'a>(specs: impl IntoIterator<Item = &'a RequirementSpec>) -> Self {
        let mut all = Self::new();
        for spec in specs {
            all.add(Requirement::from_spec(spec));
        }
        all
    }

    /// Intersects `requirement` with what is there (S-28).
    pub fn add(&mut self, requirement: Requirement) {
        match self.by_key.get_mut(requirement.key()) {
            Some(held) => *held = held.intersection(&requirement),
            None => {
                self.by_key
                    .insert(Name::clone(requirement.key()), requirement);
            }
        }
    }

    /// Intersects every requirement of `other` with what is there.
    pub fn add_all(&mut self, other: &Self) {
        for requirement in other.iter() {
            self.add(requirement.clone());
        }
    }

    /// The requirement on `key`, if the key is defined.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Requirement> {
        self.by_key.get(key)
    }

    /// Removes `key` and returns what was required of it.
    pub fn remove(&mut self, key: &str) -> Option<Requirement> {
        self.by_key.remove(key)
    }

    /// Requirements in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> + '_ {
        self.by_key.values()
    }

    /// How many keys are defined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no key is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether every key that both define has a common value (S-29).
    ///
    /// # Errors
    /// The first conflict in key order.
    pub fn intersects(&self, asked: &Self) -> Result<(), Conflict> {
        for want in asked.iter() {
            if let Some(have) = self.get(want.key())
                && !have.accepts(want)
            {
                return Err(Conflict::Disjoint {
                    asked: Box::new(want.clone()),
                    offered: Box::new(have.clone()),
                });
            }
        }
        Ok(())
    }

    /// Whether what this side offers can meet what is `asked` (S-30).
    ///
    /// # Errors
    /// The first conflict in key order, undefined labels first.
    pub fn compatible(&self, asked: &Self, undefined: Undefined<'_>) -> Result<(), Conflict> {
        for want in asked.iter() {
            let open = matches!(undefined, Undefined::Allowed(keys) if keys.contains(want.key()));
            let absent_ok = want.allows_absent();
            if !open && !absent_ok && self.get(want.key()).is_none() {
                return Err(Conflict::UndefinedLabel {
                    asked: Box::new(want.clone()),
                });
            }
        }
        self.intersects(asked)
    }
}

impl FromIterator<Requirement> for Requirements {
    fn from_iter<I: IntoIterator<Item = Requirement>>(iter: I) -> Self {
        let mut all = Self::new();
        for requirement in iter {
            all.add(requirement);
        }
        all
    }
}
