//! Metadata, conditions, labels and selectors: what many kinds have.

use super::cursor::Cursor;
use crate::base::time::Timestamp;
use crate::model::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator};
use crate::model::node::Condition;
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect};

/// The longest name of an object that an API server accepts.
pub(super) const LONGEST_NAME: usize = 253;
/// The namespace of an object that states none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// The parts of `metadata` that the model holds.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) name: Name,
    pub(super) namespace: Name,
    pub(super) uid: Name,
    pub(super) created: Option<Timestamp>,
    pub(super) deleted: Option<Timestamp>,
}

/// Reads `metadata` of the object at `root`. Names and UIDs are not pooled, as hardly any two are equal.
pub(super) fn meta(root: &Cursor<'_, '_>) -> Meta {
    let meta = root.object("metadata");
    let own = |field: &str| Name::from(meta.field(field).text().unwrap_or(""));
    let name_at = meta.field("name");
    let name = own("name");
    if name_at.is_absent()
        || name.len() > LONGEST_NAME
        || (name.is_empty() && name_at.value() == "")
    {
        name_at.fault("a name of 1 to 253 characters");
    }
    Meta {
        name,
        namespace: meta
            .field("namespace")
            .filled()
            .unwrap_or_else(|| root.context().name(DEFAULT_NAMESPACE)),
        uid: own("uid"),
        created: meta.field("creationTimestamp").time(),
        deleted: meta.field("deletionTimestamp").time(),
    }
}

/// Reads a map of strings.
pub(super) fn labels(map: &Cursor<'_, '_>) -> Labels {
    map.entries()
        .filter_map(|(key, value)| {
            if value.is_absent() {
                value.fault("a string");
            }
            Some((map.context().name(key), value.name()?))
        })
        .collect()
}

/// Reads `status.conditions`.
pub(super) fn conditions(list: &Cursor<'_, '_>) -> Vec<Condition> {
    list.list(|item| {
        if !item.is_object() {
            return None;
        }
        // Heartbeats tell the time (M-17), nothing else.
        let _ = item.field("lastHeartbeatTime").time();
        Some(Condition {
            kind: item.field("type").required("the type of the condition")?,
            status: item.field("status").name_or_empty(),
            reason: item.field("reason").name_or_empty(),
            message: item.field("message").name_or_empty(),
            last_transition: item.field("lastTransitionTime").time(),
        })
    })
}

const SELECTOR_OPERATORS: [(&str, SelectorOperator); 4] = [
    ("In", SelectorOperator::In),
    ("NotIn", SelectorOperator::NotIn),
    ("Exists", SelectorOperator::Exists),
    ("DoesNotExist", SelectorOperator::DoesNotExist),
];

/// Reads a label selector; `None` when there is none (S-83).
pub(super) fn selector(at: &Cursor<'_, '_>) -> Option<LabelSelector> {
    if !at.is_object() {
        return None;
    }
    let mut expressions: Vec<SelectorExpression> = labels(&at.field("matchLabels"))
        .iter()
        .map(|(key, value)| {
            SelectorExpression::new(
                Name::clone(key),
                SelectorOperator::In,
                vec![Name::clone(value)],
            )
        })
        .collect();
    expressions.extend(at.field("matchExpressions").list(|item| {
        if !item.is_object() {
            item.fault_if_absent("a label selector expression");
            return None;
        }
        let key = item.field("key").required("a label key");
        let operator_at = item.field("operator");
        operator_at.fault_if_absent("In, NotIn, Exists or DoesNotExist");
        let operator = operator_at.choice(&SELECTOR_OPERATORS);
        let values_at = item.field("values");
        let values = values_at.names();
        let (key, operator) = (key?, operator?);
        if matches!(operator, SelectorOperator::In | SelectorOperator::NotIn)
            && no_items(&values_at)
        {
            values_at.fault(format!("at least one value for {operator:?}"));
        }
        Some(SelectorExpression::new(key, operator, values))
    }));
    Some(LabelSelector::new(expressions))
}

/// Whether an array that is absent or empty stands here.
pub(super) fn no_items(at: &Cursor<'_, '_>) -> bool {
    at.is_absent() || at.value().as_array().is_some_and(Vec::is_empty)
}

/// The three effects of a taint.
pub(super) const EFFECTS: [(&str, TaintEffect); 3] = [
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// Reads a taint whose fields have the given names: `key` in Kubernetes, `Key` in the SageMaker API.
pub(super) fn taint_named(item: &Cursor<'_, '_>, fields: [&str; 3]) -> Option<Taint> {
    if !item.is_object() {
        item.fault_if_absent("a taint");
        return None;
    }
    let [key, value, effect] = fields;
    let key = item.field(key).required("a taint key");
    let value = item.field(value).name_or_empty();
    let effect_at = item.field(effect);
    effect_at.fault_if_absent("NoSchedule, PreferNoSchedule or NoExecute");
    Some(Taint::new(key?, value, effect_at.choice(&EFFECTS)?))
}

/// Reads a list of taints.
pub(super) fn taints(list: &Cursor<'_, '_>) -> Vec<Taint> {
    list.list(|item| taint_named(item, ["key", "value", "effect"]))
}
