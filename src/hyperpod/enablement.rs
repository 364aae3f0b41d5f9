//! The state of HyperPod's autoscaling (H-5; blog-table row 14): decisions are carried out only in `InService`.

use crate::model::hyperpod::HyperpodCluster;

/// What the DescribeCluster record says of `AutoScaling`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enablement {
    /// The record does not state a status.
    Unstated,
    /// Switched off.
    Disabled,
    /// Being set up.
    Creating,
    /// Working.
    InService,
    /// The set-up failed; the text is the record's `FailureMessage`.
    Failed(String),
    /// Being taken down.
    Deleting,
    /// A status that the API model does not list.
    Other(String),
}

impl Enablement {
    /// Reads `AutoScaling` of the record. `Deleting` and `Failed` tell more than the mode, which decides otherwise.
    #[must_use]
    pub fn of(cluster: &HyperpodCluster) -> Self {
        let mode = cluster.autoscaling_mode.as_deref();
        match (mode, cluster.autoscaling_status.as_deref()) {
            (_, Some("Deleting")) => Self::Deleting,
            (_, Some("Failed")) => Self::Failed(
                cluster
                    .autoscaling_failure
                    .as_deref()
                    .unwrap_or("no failure message")
                    .to_owned(),
            ),
            (Some("Disable"), _) => Self::Disabled,
            (_, Some("InService")) => Self::InService,
            (_, Some("Creating")) => Self::Creating,
            (_, Some(other)) => Self::Other(other.to_owned()),
            (_, None) => Self::Unstated,
        }
    }

    /// Why no node may be added or removed now; `None` when decisions are carried out, or when the record does not say.
    #[must_use]
    pub fn blocker(&self) -> Option<String> {
        Some(match self {
            Self::Unstated | Self::InService => return None,
            Self::Disabled => {
                "autoscaling is disabled; enable it by UpdateCluster with AutoScaling Mode Enable"
                    .to_owned()
            }
            Self::Creating => {
                "autoscaling is being created; nothing is scaled before it is InService".to_owned()
            }
            Self::Failed(message) => format!("autoscaling failed: {message}"),
            Self::Deleting => "autoscaling is being deleted".to_owned(),
            Self::Other(status) => format!("autoscaling has the status {status}, not InService"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resources::Name;

    fn verdict(mode: Option<&str>, status: Option<&str>) -> Enablement {
        Enablement::of(&HyperpodCluster {
            autoscaling_mode: mode.map(Name::from),
            autoscaling_status: status.map(Name::from),
            autoscaling_failure: Some(Name::from("role cannot be assumed")),
            ..HyperpodCluster::default()
        })
    }

    #[test]
    fn every_state_is_told_apart_h5() {
        use Enablement::{Creating, Deleting, Disabled, Failed, InService, Other, Unstated};
        for (mode, status, expected) in [
            (None, None, Unstated),
            (Some("Enable"), None, Unstated),
            (Some("Disable"), None, Disabled),
            (Some("Disable"), Some("InService"), Disabled),
            (Some("Enable"), Some("InService"), InService),
            (Some("Enable"), Some("Creating"), Creating),
            (Some("Disable"), Some("Deleting"), Deleting),
            (Some("Enable"), Some("Paused"), Other("Paused".into())),
            (
                Some("Enable"),
                Some("Failed"),
                Failed("role cannot be assumed".into()),
            ),
        ] {
            assert_eq!(verdict(mode, status), expected);
        }
    }

    #[test]
    fn only_in_service_and_unstated_permit_decisions_row14() {
        assert_eq!(Enablement::InService.blocker(), None);
        assert_eq!(Enablement::Unstated.blocker(), None);
        for state in [
            Enablement::Disabled,
            Enablement::Creating,
            Enablement::Deleting,
        ] {
            assert!(state.blocker().is_some());
        }
        let failed = verdict(Some("Enable"), Some("Failed")).blocker().unwrap();
        assert!(failed.contains("role cannot be assumed"));
    }
}
