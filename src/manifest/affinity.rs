//! Affinity, spread and tolerations of pods.

use super::cursor::Cursor;
use super::meta::{EFFECTS, selector};
use super::requirement::term;
use crate::model::affinity::{
    Affinity, NodeInclusionPolicy, PodAffinityTerm, PreferredNodeTerm, TopologySpreadConstraint,
    WeightedPodAffinityTerm, WhenUnsatisfiable,
};
use crate::model::label::LabelSelector;
use crate::model::taint::{Toleration, TolerationOperator};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Reads `spec.affinity`.
pub(super) fn affinity(at: &Cursor<'_, '_>) -> Affinity {
    let mut read = Affinity::default();
    if !at.is_object() {
        return read;
    }
    let node = at.object("nodeAffinity");
    let required = node.object(REQUIRED);
    if !required.is_absent() {
        let terms = required.field("nodeSelectorTerms");
        terms.fault_if_absent("a list of node selector terms");
        read.node_required = Some(terms.list(term));
    }
    read.node_preferred = node.field(PREFERRED).list(|item| {
        let (weight, preference) = (weight(item), term(&item.field("preference")));
        Some(PreferredNodeTerm {
            weight: weight?,
            preference: preference?,
        })
    });
    let pods = at.object("podAffinity");
    read.pod_required = pods.field(REQUIRED).list(pod_term);
    read.pod_preferred = pods.field(PREFERRED).list(weighted);
    let anti = at.object("podAntiAffinity");
    read.anti_required = anti.field(REQUIRED).list(pod_term);
    read.anti_preferred = anti.field(PREFERRED).list(weighted);
    read
}

fn weight(item: &Cursor<'_, '_>) -> Option<u32> {
    if !item.is_object() {
        item.fault_if_absent("a weighted term");
        return None;
    }
    let at = item.field("weight");
    at.fault_if_absent("a whole number from 1 to 100");
    at.integer(1..=100).and_then(|w| u32::try_from(w).ok())
}

fn weighted(item: &Cursor<'_, '_>) -> Option<WeightedPodAffinityTerm> {
    let (weight, term) = (weight(item), pod_term(&item.field("podAffinityTerm")));
    Some(WeightedPodAffinityTerm {
        weight: weight?,
        pod_affinity_term: term?,
    })
}

fn pod_term(item: &Cursor<'_, '_>) -> Option<PodAffinityTerm> {
    if !item.is_object() {
        item.fault_if_absent("a pod affinity term");
        return None;
    }
    let term = PodAffinityTerm {
        label_selector: selector(&item.field("labelSelector")),
        namespaces: item.field("namespaces").names(),
        namespace_selector: selector(&item.field("namespaceSelector")),
        topology_key: item.field("topologyKey").required("a node label key")?,
        match_label_keys: item.field("matchLabelKeys").names(),
        mismatch_label_keys: item.field("mismatchLabelKeys").names(),
    };
    Some(term)
}

const POLICIES: [(&str, NodeInclusionPolicy); 2] = [
    ("Honor", NodeInclusionPolicy::Honor),
    ("Ignore", NodeInclusionPolicy::Ignore),
];

/// Reads one of `spec.topologySpreadConstraints`.
pub(super) fn spread(item: &Cursor<'_, '_>) -> Option<TopologySpreadConstraint> {
    if !item.is_object() {
        item.fault_if_absent("a topology spread constraint");
        return None;
    }
    let skew_at = item.field("maxSkew");
    skew_at.fault_if_absent("a whole number of 1 or more");
    let max_skew = skew_at.count(1);
    let key = item.field("topologyKey").required("a node label key");
    let when_at = item.field("whenUnsatisfiable");
    when_at.fault_if_absent("DoNotSchedule or ScheduleAnyway");
    let when = when_at.choice(&[
        ("DoNotSchedule", WhenUnsatisfiable::DoNotSchedule),
        ("ScheduleAnyway", WhenUnsatisfiable::ScheduleAnyway),
    ]);
    let label_selector = selector(&item.field("labelSelector"));
    let match_label_keys = item.field("matchLabelKeys").names();
    let min_domains = item.field("minDomains").count(1);
    let affinity_policy = item.field("nodeAffinityPolicy").choice(&POLICIES);
    let taints_policy = item.field("nodeTaintsPolicy").choice(&POLICIES);
    let mut read = TopologySpreadConstraint::new(key?, max_skew?, LabelSelector::default());
    read.when_unsatisfiable = when?;
    read.label_selector = label_selector;
    read.match_label_keys = match_label_keys;
    read.min_domains = min_domains;
    read.node_affinity_policy = affinity_policy.unwrap_or(NodeInclusionPolicy::Honor);
    read.node_taints_policy = taints_policy.unwrap_or(NodeInclusionPolicy::Ignore);
    Some(read)
}

/// Reads one of `spec.tolerations`.
pub(super) fn toleration(item: &Cursor<'_, '_>) -> Option<Toleration> {
    if !item.is_object() {
        item.fault_if_absent("a toleration");
        return None;
    }
    let operator_at = item.field("operator");
    let operator = if operator_at.value() == "" {
        Some(TolerationOperator::Equal)
    } else {
        operator_at.choice(&[
            ("Equal", TolerationOperator::Equal),
            ("Exists", TolerationOperator::Exists),
            ("Gt", TolerationOperator::Gt),
            ("Lt", TolerationOperator::Lt),
        ])
    };
    let operator = operator.unwrap_or_default();
    let key = item.field("key").filled();
    if key.is_none() && operator != TolerationOperator::Exists {
        operator_at.fault("Exists, as the toleration has no key");
    }
    let value_at = item.field("value");
    let value = value_at.name_or_empty();
    if operator == TolerationOperator::Exists && !value.is_empty() {
        value_at.fault("no value with the operator Exists");
    }
    let effect_at = item.field("effect");
    Some(Toleration {
        key,
        operator,
        value,
        effect: if effect_at.value() == "" {
            None
        } else {
            effect_at.choice(&EFFECTS)
        },
        toleration_seconds: item.field("tolerationSeconds").integer(i64::MIN..=i64::MAX),
    })
}
