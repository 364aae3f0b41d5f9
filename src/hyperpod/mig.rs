//! GPU partitions: what the label `nvidia.com/mig.config` makes of a group's GPUs (H-50..H-52).

use super::catalog::TypeFacts;
use crate::model::label::Labels;
use crate::model::resources::Name;

/// Label of a group that partitions all GPUs of its nodes: `all-<profile>`, or `all-disabled`.
pub const CONFIG_LABEL: &str = "nvidia.com/mig.config";

/// How every GPU of a node is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slices {
    /// Profile, such as `1g.5gb`.
    pub profile: Name,
    /// Slices that one GPU gives.
    pub per_gpu: u32,
}

impl Slices {
    /// The extended resource of a slice: `nvidia.com/mig-<profile>`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("nvidia.com/mig-{}", self.profile)
    }
}

type Profiles = &'static [(&'static str, u32)];

const A100_40: Profiles = &[
    ("1g.5gb", 7),
    ("1g.10gb", 4),
    ("2g.10gb", 3),
    ("3g.20gb", 2),
    ("4g.20gb", 1),
    ("7g.40gb", 1),
];
/// Of all 80 GB GPUs, A100 and H100.
const OF_80: Profiles = &[
    ("1g.10gb", 7),
    ("1g.20gb", 4),
    ("2g.20gb", 3),
    ("3g.40gb", 2),
    ("4g.40gb", 1),
    ("7g.80gb", 1),
];
const H200: Profiles = &[
    ("1g.18gb", 7),
    ("1g.35gb", 4),
    ("2g.35gb", 3),
    ("3g.71gb", 2),
    ("4g.71gb", 1),
    ("7g.141gb", 1),
];

/// The profiles of a type's GPUs with the slices one GPU gives; empty where H-52 documents none.
#[must_use]
pub fn profiles(facts: &TypeFacts) -> &'static [(&'static str, u32)] {
    match facts.accelerator.map(|a| (a.name, a.memory_mib / 1024)) {
        Some(("a100", 40)) => A100_40,
        Some(("a100" | "h100", 80)) => OF_80,
        Some(("h200", _)) => H200,
        _ => &[],
    }
}

/// The profile that a group's labels ask for; `None` leaves GPUs whole.
#[must_use]
pub fn asked(labels: &Labels) -> Option<&str> {
    let config = labels.get(CONFIG_LABEL)?;
    (config != "all-disabled").then(|| config.strip_prefix("all-").unwrap_or(config))
}

/// How `profile` cuts the GPUs of a type.
///
/// # Errors
/// What the type has instead, if its GPUs do not have that profile.
pub fn slices(facts: &TypeFacts, profile: &str) -> Result<Slices, String> {
    let known = profiles(facts);
    match known.iter().find(|(name, _)| *name == profile) {
        Some((name, per_gpu)) => Ok(Slices {
            profile: Name::from(*name),
            per_gpu: *per_gpu,
        }),
        None if known.is_empty() => Err(format!(
            "no GPU partitions are documented for it, yet the group asks for {profile}"
        )),
        None => Err(format!(
            "its GPUs cannot be cut into {profile}; profiles: {}",
            known
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperpod::catalog::{self, NodeSettings};
    use crate::model::quantity::Quantity;

    fn node(name: &str, profile: &str) -> crate::model::instance_type::InstanceType {
        let facts = catalog::find(name).unwrap();
        let settings = NodeSettings {
            mig: Some(slices(facts, profile).unwrap()),
            ..NodeSettings::default()
        };
        facts.instance_type(&settings)
    }

    #[test]
    fn partitions_replace_whole_gpus_h51_h52() {
        for (name, profile, count) in [
            ("ml.p4d.24xlarge", "1g.5gb", 56),
            ("ml.p4d.24xlarge", "3g.20gb", 16),
            ("ml.p5.48xlarge", "2g.20gb", 24),
            ("ml.p5en.48xlarge", "1g.35gb", 32),
            ("ml.p5e.48xlarge", "7g.141gb", 8),
        ] {
            let capacity = node(name, profile).capacity;
            let resource = format!("nvidia.com/mig-{profile}");
            assert_eq!(
                capacity.amount(&resource),
                Quantity::from_units(count),
                "{name}"
            );
            assert_eq!(capacity.get("nvidia.com/gpu"), None);
        }
    }

    #[test]
    fn other_profiles_are_refused_h52() {
        let p4d = catalog::find("ml.p4d.24xlarge").unwrap();
        assert!(slices(p4d, "7g.80gb").unwrap_err().contains("1g.5gb"));
        let g5 = catalog::find("ml.g5.xlarge").unwrap();
        assert!(slices(g5, "1g.5gb").unwrap_err().contains("documented"));
    }

    #[test]
    fn the_label_names_the_profile_h50() {
        let labels = |value: &str| Labels::from_iter([(CONFIG_LABEL, value)]);
        assert_eq!(asked(&labels("all-1g.5gb")), Some("1g.5gb"));
        assert_eq!(asked(&labels("all-disabled")), None);
        assert_eq!(asked(&Labels::new()), None);
    }
}
