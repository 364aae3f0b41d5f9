//! What can be wrong, and the list of it.

use serde::{Deserialize, Serialize};

use crate::model::resources::Name;

/// Which rule is broken. Kebab-case in JSON; the names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A pod is on two targets, or twice on one.
    PlacedTwice,
    /// The plan names a pod that the snapshot lacks.
    UnknownPod,
    /// The plan places a pod that does not wait to be placed (M-4).
    NotPending,
    /// A pod is both placed and listed as unschedulable.
    PlacedAndUnschedulable,
    /// A pending pod occurs nowhere in the plan.
    MissingPod,
    /// Warning: the plan explains a pod that does not wait to be placed.
    UnschedulableNotPending,
    /// A claim contradicts itself or names what does not exist.
    Claim,
    /// Warning: a claim without pods.
    EmptyClaim,
    /// The NodePool or its node class may not be used (S-40).
    PoolNotUsable,
    /// The chosen offering does not exist, is not available or has another price (S-52).
    Offering,
    /// A cheaper offering is listed than the chosen one.
    Cheapest,
    /// The chosen offering breaks a requirement of the NodePool.
    NodepoolRequirement,
    /// A node selector or required node affinity does not match.
    NodeAffinity,
    /// A taint is not tolerated (S-37).
    Taint,
    /// The pods of a claim do not fit its type (S-14).
    Fit,
    /// They fit, but not together with the DaemonSet pods that will run there.
    FitDaemonset,
    /// A host port is taken (S-110).
    HostPort,
    /// Fewer values than `minValues` asks for (S-55, M-6).
    MinValues,
    /// The plan uses a node that is not there or is being deleted.
    Existing,
    /// The pods do not fit an existing node.
    ExistingFit,
    /// They fit, but take the room of DaemonSet pods that are still to come (S-21).
    ExistingDaemonsetRoom,
    /// Required anti-affinity, in either direction (S-95, S-96).
    PodAntiAffinity,
    /// `DoNotSchedule` topology spread (S-93).
    TopologySpread,
    /// Required pod affinity: no matching pod in the domain (S-94).
    PodAffinity,
    /// Required pod affinity that would hold if other pods came first, which they cannot.
    PodAffinityOrder,
    /// The order that the plan states is none in which its pods can be bound (M-3). As a warning: spread holds in the final
    /// state, but no binding order was found that passes at every step.
    BindingOrder,
    /// A volume keeps the pod off the node (S-103, S-109).
    Volume,
    /// Warning: a local volume lives on another host (S-104).
    LocalVolumeHostname,
    /// More volumes than the node can attach (S-107).
    AttachLimit,
    /// A pod with resource claims is placed (S-135).
    Dra,
    /// A gang is placed in part, or not in the one domain that it asks for (M-15, H-54).
    Gang,
    /// A static pool would have too many or too few nodes (S-127, S-128).
    StaticPool,
    /// A limit of a pool or of a group of pools is exceeded (S-46, M-5).
    Limit,
    /// A service quota is exceeded (H-58).
    Quota,
    /// A price limit is exceeded.
    PriceLimit,
    /// More reserved instances than reservations hold (S-117).
    Reservation,
    /// A fallback offering cannot take the claim's pods or breaks a limit (M-5).
    Fallback,
    /// Warning: a listed type would not hold the claim's pods.
    ListedType,
    /// The totals are wrong.
    Totals,
    /// The figures on preferences are wrong (M-2).
    Preferences,
    /// The lower bound exceeds the plan's price (M-7).
    LowerBound,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub kind: Kind,
    /// The pod, `namespace/name`, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Name>,
    /// `claim[3]` or the name of a node, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What is wrong, with figures.
    pub message: String,
}

impl Violation {
    /// A finding about the plan as a whole.
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            pod: None,
            target: None,
            message: message.into(),
        }
    }

    /// The same about `pod`.
    pub(super) fn pod(mut self, pod: &Name) -> Self {
        self.pod = Some(Name::clone(pod));
        self
    }

    /// The same about a claim or node.
    pub(super) fn at(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) violations: Vec<Violation>,
    pub(super) warnings: Vec<Violation>,
}

impl Report {
    pub(super) fn violation(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    pub(super) fn warning(&mut self, warning: Violation) {
        self.warnings.push(warning);
    }
}
