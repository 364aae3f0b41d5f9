//! What scales pods: HorizontalPodAutoscalers, KEDA's ScaledObjects and ScaledJobs, and the samples they read.

#[cfg(test)]
pub(super) mod full;
pub mod hpa;
pub mod keda;
pub mod samples;
pub mod trigger;

use serde::{Deserialize, Serialize};

use super::is_default;
use super::resources::Name;

/// A reference to an object of the same namespace, such as a scale target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectRef {
    /// Group and version, such as `apps/v1`.
    #[serde(skip_serializing_if = "is_default")]
    pub api_version: Name,
    /// Kind, such as `Deployment`.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Name,
    /// Name.
    pub name: Name,
}

impl ObjectRef {
    /// A reference to the object `name` of `kind`.
    #[must_use]
    pub fn new(api_version: impl Into<Name>, kind: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
            name: name.into(),
        }
    }
}
