//! Edge: scenarios of known shapes for benchmarks, examples and tests. Every shape is a function of its parameters and
//! its seed alone.
//!
//! ```
//! use tetrapod::shapes::{Params, Shape, generate};
//! let snapshot = generate(Shape::Diverse, Params::new(100, 7));
//! assert_eq!(snapshot.pods.len(), 100);
//! assert_eq!(snapshot, generate(Shape::Diverse, Params::new(100, 7)));
//! ```

pub mod random;

mod benchmark;
mod fleet;
mod parts;

use std::fmt;
use std::str::FromStr;

use crate::model::cluster::Snapshot;
use crate::model::options::PreferencePolicy;

/// A shape that [`generate`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Shape {
    /// Karpenter's benchmark: a fifth each of generic pods, zonal spread, hostname spread, zonal affinity to
    /// themselves and hostname anti-affinity, over 400 types.
    Diverse,
    /// Karpenter's benchmark of preferences: one app that prefers a zone and prefers to be apart.
    Preferences,
    /// As [`Shape::Preferences`] with preferences ignored.
    IgnorePreferences,
    /// Equal pods without constraints over the ml.m5 and ml.c5 families in three zones.
    Identical,
    /// Pods of 1, 2, 4 and 8 GPUs and as many CPU-only pods.
    Gpu,
    /// A cluster whose nodes are partly used, with pending pods besides.
    Packed,
    /// Cluster Autoscaler's estimator benchmark: one type, two sizes of pods.
    Estimator,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 7] = [
        Self::Diverse,
        Self::Preferences,
        Self::IgnorePreferences,
        Self::Identical,
        Self::Gpu,
        Self::Packed,
        Self::Estimator,
    ];

    /// The name on the command line, kebab-case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Diverse => "diverse",
            Self::Preferences => "preferences",
            Self::IgnorePreferences => "ignore-preferences",
            Self::Identical => "identical",
            Self::Gpu => "gpu",
            Self::Packed => "packed",
            Self::Estimator => "estimator",
        }
    }

    /// How many pods the shape has when nobody says.
    #[must_use]
    pub fn default_pods(self) -> usize {
        match self {
            Self::Estimator => 51_000,
            Self::Diverse
            | Self::Preferences
            | Self::IgnorePreferences
            | Self::Identical
            | Self::Gpu
            | Self::Packed => 1_000,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no shape's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a shape: diverse, preferences, ignore-preferences, identical, gpu, packed or estimator"
)]
#[non_exhaustive]
pub struct ShapeError {
    /// What stood there.
    pub found: String,
}

impl FromStr for Shape {
    type Err = ShapeError;
    fn from_str(text: &str) -> Result<Self, ShapeError> {
        Self::ALL
            .into_iter()
            .find(|shape| shape.as_str() == text)
            .ok_or_else(|| ShapeError {
                found: text.to_owned(),
            })
    }
}

/// How large a scenario is and which one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Params {
    /// Pending pods.
    pub pods: usize,
    /// Existing nodes; only [`Shape::Packed`] has any.
    pub nodes: usize,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Params {
    /// `pods` pending pods and no nodes.
    #[must_use]
    pub fn new(pods: usize, seed: u64) -> Self {
        Self {
            pods,
            nodes: 0,
            seed,
        }
    }

    /// The same with `nodes` existing nodes.
    #[must_use]
    pub fn with_nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }
}

/// The scenario of `shape` and `params`. O(pods + nodes) time and memory; equal specifications are shared.
#[must_use]
pub fn generate(shape: Shape, params: Params) -> Snapshot {
    match shape {
        Shape::Diverse => benchmark::diverse(params),
        Shape::Preferences => benchmark::preferences(params, PreferencePolicy::Respect),
        Shape::IgnorePreferences => benchmark::preferences(params, PreferencePolicy::Ignore),
        Shape::Estimator => benchmark::estimator(params),
        Shape::Identical => fleet::identical(params),
        Shape::Gpu => fleet::gpu(params),
        Shape::Packed => fleet::packed(params),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resources::{CPU, NVIDIA_GPU};

    #[test]
    fn every_shape_has_its_pods_and_depends_on_its_seed_only() {
        for shape in Shape::ALL {
            let params = Params::new(203, 5).with_nodes(12);
            let snapshot = generate(shape, params);
            let pending = snapshot.pods.iter().filter(|p| p.is_pending()).count();
            assert_eq!(pending, 203, "{shape}");
            assert_eq!(snapshot, generate(shape, params), "{shape}");
            assert_eq!(shape.as_str().parse::<Shape>().unwrap(), shape);
        }
        assert_ne!(
            generate(Shape::Diverse, Params::new(50, 1)).pods,
            generate(Shape::Diverse, Params::new(50, 2)).pods
        );
        assert!("diverser".parse::<Shape>().is_err());
    }

    #[test]
    fn names_are_unique() {
        for shape in Shape::ALL {
            let snapshot = generate(shape, Params::new(150, 3).with_nodes(9));
            let mut keys: Vec<String> = snapshot.pods.iter().map(|p| p.key()).collect();
            let before = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), before, "{shape}");
        }
    }

    #[test]
    fn packed_nodes_are_35_to_75_percent_used() {
        let snapshot = generate(Shape::Packed, Params::new(10, 11).with_nodes(60));
        assert_eq!(snapshot.nodes.len(), 60);
        for node in &snapshot.nodes {
            let mut used = crate::model::resources::ResourceList::new();
            for pod in &snapshot.pods {
                if pod.node_name.as_ref() == Some(&node.name) {
                    used.add(&pod.requests());
                }
            }
            let share = node
                .allocatable
                .iter()
                .map(|(name, have)| used.amount(name).as_f64() / have.as_f64().max(1e-9))
                .fold(0.0, f64::max);
            assert!(
                (0.35..=0.75).contains(&share),
                "{} {share} {used:?}",
                node.name
            );
        }
    }

    #[test]
    fn gpu_pods_come_in_four_sizes_and_as_many_cpu_pods() {
        let snapshot = generate(Shape::Gpu, Params::new(4_000, 2));
        let gpus = |n: i64| {
            snapshot
                .pods
                .iter()
                .filter(|p| p.requests().amount(NVIDIA_GPU).units_ceil() == n)
                .count()
        };
        assert_eq!(gpus(0), 2_000);
        for (size, percent) in [(1, 50), (2, 20), (4, 15), (8, 15)] {
            let share = gpus(size) * 100 / 2_000;
            assert!(share.abs_diff(percent) <= 4, "{size}: {share} %");
        }
        for pod in &snapshot.pods {
            let cpu = pod.requests().amount(CPU).units_ceil();
            let gpu = pod.requests().amount(NVIDIA_GPU).units_ceil();
            let (low, high) = if gpu == 0 {
                (1, 8)
            } else {
                (4 * gpu, 12 * gpu)
            };
            assert!((low..=high).contains(&cpu), "{gpu} GPUs, {cpu} CPUs");
        }
    }

    #[test]
    fn the_estimator_shape_scales_both_sizes() {
        let snapshot = generate(Shape::Estimator, Params::new(51_000, 0));
        let large = snapshot
            .pods
            .iter()
            .filter(|p| p.requests().amount(CPU).as_nanos() == 95_000_000)
            .count();
        assert_eq!(large, 1_000);
    }
}
