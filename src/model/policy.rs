//! PodDisruptionBudgets, DaemonSets, namespaces and pod groups.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::is_default;
use super::label::{LabelSelector, Labels};
use super::pod::PodSpec;
use super::resources::Name;

/// A number or a percentage, written as `3` or `"50%"`.
///
/// ```
/// use tetrapod::model::policy::IntOrPercent;
/// assert_eq!("50%".parse(), Ok(IntOrPercent::Percent(50)));
/// assert_eq!(serde_json::from_str::<IntOrPercent>("3").unwrap(), IntOrPercent::Count(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes' IntOrString has exactly these two meanings"
)]
pub enum IntOrPercent {
    /// A count.
    Count(i32),
    /// Percent of the matching pods.
    Percent(i32),
}

/// Why a number or percentage could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is neither a whole number nor a percentage such as 50%")]
#[non_exhaustive]
pub struct IntOrPercentError {
    /// What stood there (shortened).
    pub found: String,
}

impl FromStr for IntOrPercent {
    type Err = IntOrPercentError;
    fn from_str(text: &str) -> Result<Self, IntOrPercentError> {
        let read = match text.strip_suffix('%') {
            Some(number) => number.parse().map(Self::Percent),
            None => text.parse().map(Self::Count),
        };
        read.map_err(|_| IntOrPercentError {
            found: text.chars().take(60).collect(),
        })
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for IntOrPercent {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => s.serialize_i32(*count),
            Self::Percent(_) => s.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrPercent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = IntOrPercent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a percentage such as 50%")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<IntOrPercent, E> {
                i32::try_from(v).map(IntOrPercent::Count).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<IntOrPercent, E> {
                i32::try_from(v).map(IntOrPercent::Count).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<IntOrPercent, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// A `policy/v1` PodDisruptionBudget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodDisruptionBudget {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// Which pods; `None` selects nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub selector: Option<LabelSelector>,
    /// `minAvailable`.
    #[serde(skip_serializing_if = "is_default")]
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_unavailable: Option<IntOrPercent>,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    #[serde(skip_serializing_if = "is_default")]
    pub always_allow_unhealthy: bool,
    /// `status.disruptionsAllowed`.
    #[serde(skip_serializing_if = "is_default")]
    pub disruptions_allowed: Option<i32>,
}

/// An `apps/v1` DaemonSet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct DaemonSet {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// UID.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Name,
    /// Labels of its pods.
    #[serde(skip_serializing_if = "is_default")]
    pub template_labels: Labels,
    /// What its pods ask for.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: Arc<PodSpec>,
}

/// A `v1` Namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Namespace {
    /// Name.
    pub name: Name,
    /// Labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Labels,
}

/// A `scheduling.x-k8s.io/v1alpha1` PodGroup (M-15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodGroup {
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// `spec.minMember`.
    #[serde(skip_serializing_if = "is_default")]
    pub min_member: u32,
}
