//! The requirements algebra: what a label's value may be (S-23..S-36).
//!
//! A [`Requirement`] is a set of label values, listed or excluded, with optional integer bounds. [`Requirements`] maps
//! keys to them. Keys are normalised when a requirement is built (S-33).

mod compatible;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::compatible::{Conflict, Requirements, Undefined};
use super::label;
use super::resources::Name;

/// Operator of a node selector requirement, all eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes and Karpenter have exactly these eight"
)]
pub enum Operator {
    /// The value is listed.
    In,
    /// The value is absent or not listed.
    NotIn,
    /// There is a value.
    Exists,
    /// There is no value.
    DoesNotExist,
    /// An integer above the bound.
    Gt,
    /// An integer below the bound.
    Lt,
    /// An integer at or above the bound.
    Gte,
    /// An integer at or below the bound.
    Lte,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A requirement as it is written in a manifest. Build a [`Requirement`] from it to reason with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RequirementSpec {
    /// Label key as written.
    pub key: Name,
    /// Operator.
    pub operator: Operator,
    /// Values as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Name>,
    /// How many distinct values a claim must keep (NodePools only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_values: Option<u32>,
}

impl RequirementSpec {
    /// A written requirement.
    #[must_use]
    pub fn new(
        key: impl Into<Name>,
        operator: Operator,
        values: impl IntoIterator<Item = impl Into<Name>>,
    ) -> Self {
        Self {
            key: key.into(),
            operator,
            values: values.into_iter().map(Into::into).collect(),
            min_values: None,
        }
    }
}

/// The set of values that one label may take (S-23): listed values, or all but the excluded ones (`complement`), within
/// integer bounds. Only a complement set has bounds.
///
/// Asking for a value is O(log values); combining two requirements is linear in their values.
///
/// ```
/// use tetrapod::model::requirement::{Operator, Requirement};
/// let large = Requirement::new("cpu-cores", Operator::Gt, ["5"]);
/// let listed = Requirement::new("cpu-cores", Operator::In, ["7", "abc", "3"]);
/// assert_eq!(large.intersection(&listed).to_string(), "cpu-cores In [7]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirement {
    key: Name,
    complement: bool,
    /// Whether the label may be missing altogether. An intersection allows that only if both sides do, so that
    /// `In [a]` with `In [b]` is not mistaken for `DoesNotExist`.
    absent: bool,
    values: BTreeSet<Name>,
    gte: Option<i64>,
    lte: Option<i64>,
    min_values: Option<u32>,
}

impl Requirement {
    /// Builds the requirement that `operator` and `values` mean on `key`; the key is normalised (S-33).
    ///
    /// A bound operator without exactly one integer value gives the empty set; manifests refuse such input earlier.
    #[must_use]
    pub fn new(
        key: &str,
        operator: Operator,
        values: impl IntoIterator<Item = impl Into<Name>>,
    ) -> Self {
        let key = Name::from(label::normalize(key));
        let values: BTreeSet<Name> = values.into_iter().map(Into::into).collect();
        let bound = || {
            values
                .first()
                .filter(|_| values.len() == 1)
                .and_then(|v| v.parse::<i64>().ok())
        };
        let (gte, lte) = match operator {
            Operator::In => {
                return Self {
                    complement: false,
                    absent: values.is_empty(),
                    ..Self::any(key).with_values(values)
                };
            }
            Operator::NotIn => {
                return Self {
                    absent: true,
                    ..Self::any(key).with_values(values)
                };
            }
            Operator::Exists => return Self::any(key),
            Operator::DoesNotExist => return Self::none(key),
            Operator::Gt => (bound().and_then(|n| n.checked_add(1)), None),
            Operator::Gte => (bound(), None),
            Operator::Lt => (None, bound().and_then(|n| n.checked_sub(1))),
            Operator::Lte => (None, bound()),
        };
        if gte.is_none() && lte.is_none() {
            return Self::none(key);
        }
        Self {
            gte,
            lte,
            ..Self::any(key)
        }
    }

    /// The requirement that a manifest's text means.
    #[must_use]
    pub fn from_spec(spec: &RequirementSpec) -> Self {
        let mut requirement = Self::new(
            &spec.key,
            spec.operator,
            spec.values.iter().map(Name::clone),
        );
        requirement.min_values = spec.min_values;
        requirement
    }

    fn any(key: Name) -> Self {
        Self {
            key,
            complement: true,
            absent: false,
            values: BTreeSet::new(),
            gte: None,
            lte: None,
            min_values: None,
        }
    }

    fn none(key: Name) -> Self {
        Self {
            complement: false,
            absent: true,
            ..Self::any(key)
        }
    }

    fn with_values(self, values: BTreeSet<Name>) -> Self {
        Self { values, ..self }
    }

    /// The normalised key.
    #[must_use]
    pub fn key(&self) -> &Name {
        &self.key
    }

    /// Whether the values are excluded rather than listed.
    #[must_use]
    pub fn is_complement(&self) -> bool {
        self.complement
    }

    /// The listed or excluded values.
    #[must_use]
    pub fn values(&self) -> &BTreeSet<Name> {
        &self.values
    }

    /// The integer bounds, inclusive.
    #[must_use]
    pub fn bounds(&self) -> (Option<i64>, Option<i64>) {
        (self.gte, self.lte)
    }

    /// How many distinct values a claim must keep.
    #[must_use]
    pub fn min_values(&self) -> Option<u32> {
        self.min_values
    }

    /// Sets how many distinct values a claim must keep.
    pub fn set_min_values(&mut self, min_values: Option<u32>) {
        self.min_values = min_values;
    }

    /// The derived operator (S-24), which ignores bounds.
    #[must_use]
    pub fn operator(&self) -> Operator {
        match (self.complement, self.values.is_empty()) {
            (true, true) => Operator::Exists,
            (true, false) => Operator::NotIn,
            (false, false) => Operator::In,
            (false, true) => Operator::DoesNotExist,
        }
    }

    /// Whether the label may have `value` (S-25).
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.values.contains(value) != self.complement && self.in_bounds(value)
    }

    /// Whether the label may be missing: every requirement that went in is content with that (S-30).
    #[must_use]
    pub fn allows_absent(&self) -> bool {
        self.absent
    }

    /// Whether no value at all is allowed.
    #[must_use]
    pub fn is_empty_set(&self) -> bool {
        !self.complement && self.values.is_empty()
    }

    /// The only listed value, if there is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<&Name> {
        (!self.complement && self.values.len() == 1)
            .then(|| self.values.first())
            .flatten()
    }

    fn in_bounds(&self, value: &str) -> bool {
        if self.gte.is_none() && self.lte.is_none() {
            return true;
        }
        value.parse::<i64>().is_ok_and(|n| {
            self.gte.is_none_or(|low| n >= low) && self.lte.is_none_or(|high| n <= high)
        })
    }

    /// What both requirements allow (S-26). Keeps this requirement's key.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (gte, lte) = merged_bounds(self, other);
        let min_values = self.min_values.max(other.min_values);
        let base = Self {
            min_values,
            absent: self.absent && other.absent,
            ..Self::any(Name::clone(&self.key))
        };
        if gte.zip(lte).is_some_and(|(low, high)| low > high) {
            return Self {
                complement: false,
                ..base
            };
        }
        let bounded = Self { gte, lte, ..base };
        let keep = |values: &mut dyn Iterator<Item = &Name>| -> BTreeSet<Name> {
            values
                .filter(|v| bounded.in_bounds(v))
                .map(Name::clone)
                .collect()
        };
        let (complement, values) = match (self.complement, other.complement) {
            (true, true) => (true, keep(&mut self.values.union(&other.values))),
            (true, false) => (false, keep(&mut other.values.difference(&self.values))),
            (false, true) => (false, keep(&mut self.values.difference(&other.values))),
            (false, false) => (false, keep(&mut self.values.intersection(&other.values))),
        };
        let (gte, lte) = if complement { (gte, lte) } else { (None, None) };
        Self {
            complement,
            values,
            gte,
            lte,
            ..bounded
        }
    }

    /// Whether some value is allowed by both, without building a set (S-27).
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (gte, lte) = merged_bounds(self, other);
        if gte.zip(lte).is_some_and(|(low, high)| low > high) {
            return false;
        }
        match (self.complement, other.complement) {
            (true, true) => true,
            (false, _) => self.values.iter().any(|v| other.has(v)),
            (true, false) => other.values.iter().any(|v| self.has(v)),
        }
    }

    /// The pair rule of S-29: sets that meet, or both sides content with an absent label.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        self.intersects(other) || (self.absent && other.absent)
    }

    /// The manifest form (S-35): both bounds give two entries; exclusions are lost where a bound exists.
    #[must_use]
    pub fn to_specs(&self) -> Vec<RequirementSpec> {
        let spec = |operator, values: Vec<Name>| RequirementSpec {
            key: Name::clone(&self.key),
            operator,
            values,
            min_values: self.min_values,
        };
        let number = |n: i64| vec![Name::from(n.to_string())];
        let mut specs = Vec::new();
        if let Some(low) = self.gte {
            specs.push(spec(Operator::Gte, number(low)));
        }
        if let Some(high) = self.lte {
            specs.push(spec(Operator::Lte, number(high)));
        }
        if specs.is_empty() {
            specs.push(spec(
                self.operator(),
                self.values.iter().map(Name::clone).collect(),
            ));
        }
        specs
    }
}

fn merged_bounds(a: &Requirement, b: &Requirement) -> (Option<i64>, Option<i64>) {
    let lte = match (a.lte, b.lte) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    (a.gte.max(b.gte), lte)
}

impl fmt::Display for Requirement {
    /// `key In [a, b]`, `key Exists`, `key in 6..=9 NotIn [7]`; at most eight values are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match (self.gte, self.lte) {
            (Some(low), Some(high)) => write!(f, " in {low}..={high}")?,
            (Some(low), None) => write!(f, " >= {low}")?,
            (None, Some(high)) => write!(f, " <= {high}")?,
            (None, None) => write!(f, " {}", self.operator())?,
        }
        if self.values.is_empty() {
            return Ok(());
        }
        if self.gte.is_some() || self.lte.is_some() {
            write!(f, " {}", self.operator())?;
        }
        let shown: Vec<&str> = self.values.iter().take(8).map(AsRef::as_ref).collect();
        let more = if self.values.len() > shown.len() {
            ", ..."
        } else {
            ""
        };
        write!(f, " [{}{more}]", shown.join(", "))
    }
}

impl Serialize for Requirement {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
