//! Taints and tolerations (S-37..S-39).

use serde::{Deserialize, Serialize};

use super::is_default;
use super::resources::Name;

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Kubernetes has exactly these three"
)]
pub enum TaintEffect {
    /// New pods are kept away.
    NoSchedule,
    /// The scheduler avoids the node, but may use it.
    PreferNoSchedule,
    /// New pods are kept away and running ones evicted.
    NoExecute,
}

/// A taint of a node or a NodePool template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Taint {
    /// Taint key.
    pub key: Name,
    /// Taint value, empty when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub value: Name,
    /// Taint effect.
    pub effect: TaintEffect,
}

impl Taint {
    /// A taint.
    #[must_use]
    pub fn new(key: impl Into<Name>, value: impl Into<Name>, effect: TaintEffect) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            effect,
        }
    }

    /// Whether the taint vanishes by itself while a node starts (S-39); key and effect decide, the value does not.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        use TaintEffect::{NoExecute, NoSchedule};
        match (self.key.as_ref(), self.effect) {
            ("node.kubernetes.io/not-ready", NoSchedule | NoExecute)
            | (
                "node.kubernetes.io/unreachable" | "node.cloudprovider.kubernetes.io/uninitialized",
                NoSchedule,
            )
            | ("karpenter.sh/unregistered", NoExecute) => true,
            (key, _) => key.starts_with("readiness.k8s.io/"),
        }
    }
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.value.is_empty() {
            write!(f, "{}:{:?}", self.key, self.effect)
        } else {
            write!(f, "{}={}:{:?}", self.key, self.value, self.effect)
        }
    }
}

/// How a toleration compares the taint's value.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has exactly these four")]
pub enum TolerationOperator {
    /// Values are equal.
    #[default]
    Equal,
    /// Any value.
    Exists,
    /// The taint's value is an integer greater than the toleration's.
    Gt,
    /// The taint's value is an integer less than the toleration's.
    Lt,
}

/// A toleration of a pod.
///
/// ```
/// use tetrapod::model::taint::{Taint, TaintEffect, Toleration};
/// let taint = Taint::new("nvidia.com/gpu", "true", TaintEffect::NoSchedule);
/// assert!(Toleration::exists("nvidia.com/gpu").tolerates(&taint));
/// assert!(!Toleration::exists("other").tolerates(&taint));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Toleration {
    /// Key of the taint; `None` or the empty key stands for every key (an API server takes it with `Exists` only).
    #[serde(skip_serializing_if = "is_default")]
    pub key: Option<Name>,
    /// How the value is compared.
    #[serde(skip_serializing_if = "is_default")]
    pub operator: TolerationOperator,
    /// Value to compare with, empty when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub value: Name,
    /// Effect of the taint, or `None` for every effect.
    #[serde(skip_serializing_if = "is_default")]
    pub effect: Option<TaintEffect>,
    /// How long a `NoExecute` taint is tolerated, in seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Tolerates the taint `key` whatever its value and effect.
    #[must_use]
    pub fn exists(key: impl Into<Name>) -> Self {
        Self {
            key: Some(key.into()),
            operator: TolerationOperator::Exists,
            ..Self::default()
        }
    }

    /// Tolerates every taint.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            operator: TolerationOperator::Exists,
            ..Self::default()
        }
    }

    /// Whether this toleration matches `taint` (S-37).
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect) {
            return false;
        }
        let any_key = self.key.as_deref().is_none_or(str::is_empty);
        if !any_key && self.key.as_ref() != Some(&taint.key) {
            return false;
        }
        let numbers = || Some((integer(&taint.value)?, integer(&self.value)?));
        match self.operator {
            TolerationOperator::Exists => true,
            TolerationOperator::Equal => self.value == taint.value,
            TolerationOperator::Gt => numbers().is_some_and(|(taint, ours)| taint > ours),
            TolerationOperator::Lt => numbers().is_some_and(|(taint, ours)| taint < ours),
        }
    }
}

/// The integer that `text` is, if it is written in the canonical form that Kubernetes asks for here (no `+`, no leading
/// zeros).
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = text == "0" || !digits.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

/// The first of `taints` that keeps a pod with `tolerations` away; `PreferNoSchedule` counts only when `soft` is set.
/// O(taints x tolerations).
#[must_use]
pub fn untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    soft: bool,
) -> Option<&'a Taint> {
    taints
        .iter()
        .filter(|taint| soft || taint.effect != TaintEffect::PreferNoSchedule)
        .find(|taint| {
            !tolerations
                .iter()
                .any(|toleration| toleration.tolerates(taint))
        })
}
