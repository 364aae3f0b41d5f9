//! HyperPod's cluster events (H-40..H-42), typed by resource type, level and metadata; the text is kept (M-19).

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;
use crate::model::resources::Name;

/// A cluster event. Fields that an event does not carry are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ClusterEvent {
    /// Names the event over repetitions.
    pub event_id: Name,
    /// `Cluster`, `InstanceGroup` or `Instance`.
    pub resource_type: Name,
    /// `Info`, `Warn` or `Error`.
    pub event_level: Name,
    /// When it happened.
    pub event_time: Timestamp,
    /// Group.
    pub instance_group_name: Option<Name>,
    /// Instance.
    pub instance_id: Option<Name>,
    /// Metadata `NodeLogicalId`.
    pub node_logical_id: Option<Name>,
    /// Metadata `FailureMessage`.
    pub failure_message: Option<Name>,
    /// Metadata `LcsExecutionState`: how far the lifecycle script is.
    pub lcs_execution_state: Option<Name>,
    /// Text for people.
    pub description: Name,
}

/// What an event means to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// There is no capacity for a node; HyperPod keeps trying (H-32).
    InsufficientCapacity,
    /// The lifecycle script has begun: from here the instance is billed (H-33).
    LifecycleStarted,
    /// The lifecycle script has succeeded.
    LifecycleSucceeded,
    /// The lifecycle script has failed; HyperPod replaces the instance (H-33).
    LifecycleFailed,
    /// The instance is going: from here it is not billed (H-33).
    Terminating,
    /// Another failure of an instance, such as one of its basic checks (H-46).
    InstanceFailed,
    /// Something about a group.
    Group,
    /// Something about the cluster.
    Cluster,
    /// None of these; counted.
    Unknown,
}

impl ClusterEvent {
    /// An event of an instance.
    #[must_use]
    pub fn instance(
        event_id: impl Into<Name>,
        level: &str,
        time: Timestamp,
        logical_id: impl Into<Name>,
    ) -> Self {
        Self {
            event_id: event_id.into(),
            resource_type: Name::from("Instance"),
            event_level: Name::from(level),
            event_time: time,
            node_logical_id: Some(logical_id.into()),
            ..Self::default()
        }
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match &*self.resource_type {
            "Cluster" => return EventKind::Cluster,
            "InstanceGroup" => return EventKind::Group,
            "Instance" => {}
            _ => return EventKind::Unknown,
        }
        let failure = self.failure_message.as_deref().unwrap_or("");
        if &*self.event_level == "Error" && speaks_of_capacity(failure) {
            return EventKind::InsufficientCapacity;
        }
        match self.lcs_execution_state.as_deref() {
            Some("Started" | "InProgress" | "Running") => return EventKind::LifecycleStarted,
            Some("Succeeded" | "Completed") => return EventKind::LifecycleSucceeded,
            Some("Failed") => return EventKind::LifecycleFailed,
            _ => {}
        }
        if contains(&self.description, "terminat") || contains(&self.description, "shutting down") {
            EventKind::Terminating
        } else if &*self.event_level == "Error" {
            EventKind::InstanceFailed
        } else {
            EventKind::Unknown
        }
    }
}

/// Whether a failure message is about capacity that there is not (M-19).
fn speaks_of_capacity(message: &str) -> bool {
    let too_little = contains(message, "insufficient")
        || contains(message, "not sufficient")
        || contains(message, "not have sufficient");
    (contains(message, "capacity") && too_little)
        || contains(message, "insufficientinstancecapacity")
}

/// Whether `text` contains `word` in any case; `word` is lower case.
fn contains(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, level: &str) -> ClusterEvent {
        ClusterEvent {
            resource_type: Name::from(kind),
            event_level: Name::from(level),
            ..ClusterEvent::default()
        }
    }

    #[test]
    fn capacity_failures_are_errors_of_instances_that_say_so_m19() {
        for (level, message, expected) in [
            (
                "Error",
                "Insufficient capacity for ml.p5.48xlarge",
                EventKind::InsufficientCapacity,
            ),
            (
                "Error",
                "we do NOT have: not sufficient capacity",
                EventKind::InsufficientCapacity,
            ),
            (
                "Error",
                "InsufficientInstanceCapacity",
                EventKind::InsufficientCapacity,
            ),
            (
                "Error",
                "We currently do not have sufficient capacity to launch new instances",
                EventKind::InsufficientCapacity,
            ),
            ("Warn", "Insufficient capacity", EventKind::Unknown),
            (
                "Error",
                "insufficient permissions",
                EventKind::InstanceFailed,
            ),
            (
                "Error",
                "the capacity block has ended",
                EventKind::InstanceFailed,
            ),
        ] {
            let mut event = event("Instance", level);
            event.failure_message = Some(Name::from(message));
            assert_eq!(event.kind(), expected, "{level} {message}");
        }
    }

    #[test]
    fn metadata_comes_before_text_and_unknown_things_are_unknown_h40() {
        let mut started = event("Instance", "Info");
        started.lcs_execution_state = Some(Name::from("Started"));
        started.description = Name::from("was terminated once");
        assert_eq!(started.kind(), EventKind::LifecycleStarted);
        let mut going = event("Instance", "Info");
        going.description = Name::from("Instance is Terminating");
        assert_eq!(going.kind(), EventKind::Terminating);
        assert_eq!(event("InstanceGroup", "Error").kind(), EventKind::Group);
        assert_eq!(event("Cluster", "Info").kind(), EventKind::Cluster);
        assert_eq!(event("Volume", "Info").kind(), EventKind::Unknown);
        assert_eq!(event("", "").kind(), EventKind::Unknown);
    }
}
