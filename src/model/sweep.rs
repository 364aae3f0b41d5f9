//! A sweep as its author writes it (`tetrapod/v1alpha1` Sweep): policies x traces x seeds over one Simulation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;
use super::resources::Name;

/// A `tetrapod/v1alpha1` Sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sweep {
    /// Name.
    pub name: Name,
    /// The source it stands in, to which its paths are relative.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Name,
    /// `inputs`: files and folders of the cluster and its Simulation; none means the folder that the sweep stands in, in which
    /// there should be no results then.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: Vec<Name>,
    /// `policies`: names of policies of the Simulation; none means all.
    #[serde(skip_serializing_if = "is_default")]
    pub policies: Vec<Name>,
    /// `seeds`: every policy runs every trace with each of them.
    pub seeds: Vec<u64>,
    /// `traces`: loads in place of the Simulation's own; none means that one.
    #[serde(skip_serializing_if = "is_default")]
    pub traces: Vec<SweepTrace>,
}

impl Default for Sweep {
    /// Every policy once.
    fn default() -> Self {
        Self {
            name: Name::default(),
            source: Name::default(),
            inputs: Vec::new(),
            policies: Vec::new(),
            seeds: vec![0],
            traces: Vec::new(),
        }
    }
}

/// A load in place of the Simulation's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SweepTrace {
    /// Name.
    pub name: Name,
    /// `files`: by the name of a trace file of the Simulation the file that is read in its place, relative to the sweep.
    #[serde(skip_serializing_if = "is_default")]
    pub files: BTreeMap<Name, Name>,
    /// `scale`: every count of requests is multiplied by it.
    pub scale: f64,
}

impl Default for SweepTrace {
    /// The Simulation's own load.
    fn default() -> Self {
        Self {
            name: Name::default(),
            files: BTreeMap::new(),
            scale: 1.0,
        }
    }
}

impl SweepTrace {
    /// The Simulation's own load, called `name`.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}
