//! Node selector requirements of pods, pools, claims and volumes.

use super::cursor::Cursor;
use super::meta::no_items;
use crate::model::affinity::NodeSelectorTerm;
use crate::model::requirement::{Operator, RequirementSpec};

const OPERATORS: [(&str, Operator); 8] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
    ("Gt", Operator::Gt),
    ("Lt", Operator::Lt),
    ("Gte", Operator::Gte),
    ("Lte", Operator::Lte),
];

/// Reads a requirement. The number of values must suit the operator, as an API server demands; whether a single bound
/// is an integer is not its business (S-8).
pub(super) fn requirement(item: &Cursor<'_, '_>) -> Option<RequirementSpec> {
    if !item.is_object() {
        item.fault_if_absent("a requirement with key and operator");
        return None;
    }
    let key = item.field("key").required("a label key");
    let operator_at = item.field("operator");
    operator_at.fault_if_absent("In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte or Lte");
    let operator = operator_at.choice(&OPERATORS);
    let values_at = item.field("values");
    let values = values_at.names();
    let (key, operator) = (key?, operator?);
    match operator {
        Operator::In | Operator::NotIn if no_items(&values_at) => {
            values_at.fault(format!("at least one value for {operator}"));
        }
        Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte if values.len() != 1 => {
            values_at.fault(format!("exactly one integer for {operator}"));
        }
        Operator::In
        | Operator::NotIn
        | Operator::Exists
        | Operator::DoesNotExist
        | Operator::Gt
        | Operator::Lt
        | Operator::Gte
        | Operator::Lte => {}
    }
    Some(RequirementSpec::new(key, operator, values))
}

/// Reads a requirement of a pool or a claim, which may have `minValues`.
pub(super) fn flexible_requirement(item: &Cursor<'_, '_>) -> Option<RequirementSpec> {
    let mut spec = requirement(item)?;
    spec.min_values = item
        .field("minValues")
        .integer(1..=50)
        .and_then(|least| u32::try_from(least).ok());
    Some(spec)
}

/// Reads a list of requirements.
pub(super) fn requirements(list: &Cursor<'_, '_>) -> Vec<RequirementSpec> {
    list.list(requirement)
}

/// Reads a node selector term.
pub(super) fn term(item: &Cursor<'_, '_>) -> Option<NodeSelectorTerm> {
    if !item.is_object() {
        item.fault_if_absent("a node selector term");
        return None;
    }
    Some(NodeSelectorTerm {
        match_expressions: requirements(&item.field("matchExpressions")),
        match_fields: requirements(&item.field("matchFields")),
    })
}
