//! Labels, annotations, label selectors and the well-known names.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::resources::Name;

/// Zone of a node.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Region of a node.
pub const REGION: &str = "topology.kubernetes.io/region";
/// Host name of a node.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// Instance type of a node.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// CPU architecture.
pub const ARCH: &str = "kubernetes.io/arch";
/// Operating system.
pub const OS: &str = "kubernetes.io/os";
/// Build of a Windows node.
pub const WINDOWS_BUILD: &str = "node.kubernetes.io/windows-build";
/// `spot`, `on-demand` or `reserved`.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// NodePool that owns a node.
pub const NODE_POOL: &str = "karpenter.sh/nodepool";
/// `true` once the node has registered.
pub const REGISTERED: &str = "karpenter.sh/registered";
/// `true` once the node is initialized.
pub const INITIALIZED: &str = "karpenter.sh/initialized";
/// Name of a HyperpodNodeClass on its nodes.
pub const HYPERPOD_NODE_CLASS: &str = "karpenter.sagemaker.amazonaws.com/hyperpodnodeclass";
/// Reservation id of a reserved offering (M-13).
pub const RESERVATION_ID: &str = "karpenter.sagemaker.amazonaws.com/reservation-id";
/// Instance group of a HyperPod node (H-48).
pub const INSTANCE_GROUP: &str = "sagemaker.amazonaws.com/instance-group-name";

/// Keys that a claim may leave undefined (S-31). Providers add their own through instance types' requirements.
pub const WELL_KNOWN: [&str; 8] = [
    NODE_POOL,
    ZONE,
    REGION,
    INSTANCE_TYPE,
    ARCH,
    OS,
    CAPACITY_TYPE,
    WINDOWS_BUILD,
];

/// The canonical form of a label key (S-33): deprecated beta names become today's.
#[must_use]
pub fn normalize(key: &str) -> &str {
    match key {
        "failure-domain.beta.kubernetes.io/zone" => ZONE,
        "failure-domain.beta.kubernetes.io/region" => REGION,
        "beta.kubernetes.io/arch" => ARCH,
        "beta.kubernetes.io/os" => OS,
        "beta.kubernetes.io/instance-type" => INSTANCE_TYPE,
        "karpenter.k8s.aws/capacity-reservation-id" => RESERVATION_ID,
        other => other,
    }
}

/// Whether users may not select on this key (S-32): the host name, and what belongs to Karpenter's domain without being
/// well known. `key` is normalised (S-33).
#[must_use]
pub fn is_restricted(key: &str) -> bool {
    if WELL_KNOWN.contains(&key) {
        return false;
    }
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    key == HOSTNAME || domain == "karpenter.sh" || domain.ends_with(".karpenter.sh")
}

/// Labels or annotations, sorted by key.
///
/// ```
/// use tetrapod::model::label::Labels;
/// let labels: Labels = [("tier", "web"), ("app", "shop")].into_iter().collect();
/// assert_eq!(labels.get("app"), Some("shop"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Vec<(Name, Name)>);

/// Up to so many labels are looked through one by one.
const FEW: usize = 32;

impl Labels {
    /// No labels.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `key`. O(log n).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.shared(key).map(AsRef::as_ref)
    }

    /// The shared value of `key`. O(log n).
    #[must_use]
    pub fn shared(&self, key: &str) -> Option<&Name> {
        // Lengths stand beside the pointers: most keys are ruled out without being read.
        if self.0.len() <= FEW {
            let mut held = self.0.iter();
            return held
                .find(|(held, _)| held.len() == key.len() && **held == *key)
                .map(|(_, value)| value);
        }
        self.position(key).ok().map(|at| &self.0[at].1)
    }

    /// Sets `key` to `value`.
    pub fn set(&mut self, key: impl Into<Name>, value: impl Into<Name>) {
        let key = key.into();
        match self.position(&key) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) => self.0.insert(at, (key, value.into())),
        }
    }

    /// Keys and values in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> + '_ {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| held.as_ref().cmp(key))
    }
}

impl<K: Into<Name>, V: Into<Name>> FromIterator<(K, V)> for Labels {
    /// Of equal keys the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let map: BTreeMap<Name, Name> = iter
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self(map.into_iter().collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<Name, Name>::deserialize(d)?
            .into_iter()
            .collect())
    }
}

/// Operator of a label selector expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has exactly these four")]
pub enum SelectorOperator {
    /// The label is one of the values.
    In,
    /// The label is absent or none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// One expression of a label selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelectorExpression {
    /// Label key.
    pub key: Name,
    /// How the label is tested.
    pub operator: SelectorOperator,
    /// Values of `In` and `NotIn`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Name>,
}

impl SelectorExpression {
    /// An expression; the values are sorted.
    #[must_use]
    pub fn new(key: impl Into<Name>, operator: SelectorOperator, mut values: Vec<Name>) -> Self {
        values.sort();
        values.dedup();
        Self {
            key: key.into(),
            operator,
            values,
        }
    }

    /// Whether `labels` pass this expression.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.shared(&self.key);
        match self.operator {
            SelectorOperator::In => value.is_some_and(|v| self.values.contains(v)),
            SelectorOperator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// A label selector: every expression must hold. The empty selector matches everything; *no* selector (an `Option`
/// that is `None` where a selector could stand) matches nothing (S-83).
///
/// ```
/// use tetrapod::model::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator};
/// let web = SelectorExpression::new("tier", SelectorOperator::In, vec!["web".into()]);
/// let selector = LabelSelector::new(vec![web]);
/// assert!(selector.matches(&[("tier", "web")].into_iter().collect()));
/// assert!(!selector.matches(&Labels::new()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LabelSelector {
    /// All must hold; `matchLabels` entries are `In` with one value. Sorted by key, operator and values.
    pub expressions: Vec<SelectorExpression>,
}

impl LabelSelector {
    /// The selector of `expressions`, in canonical order.
    #[must_use]
    pub fn new(mut expressions: Vec<SelectorExpression>) -> Self {
        expressions.sort();
        expressions.dedup();
        Self { expressions }
    }

    /// Whether `labels` are selected. O(expressions).
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.expressions
            .iter()
            .all(|expression| expression.matches(labels))
    }
}
