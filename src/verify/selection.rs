//! Node selection as kube-scheduler does it: operators applied to label values.

use crate::model::affinity::NodeSelectorTerm;
use crate::model::label::{self, Labels};
use crate::model::pod::PodSpec;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;

/// Older names of labels, which nodes bear besides today's (S-33, M-13).
const ALIASES: [(&str, &str); 6] = [
    ("failure-domain.beta.kubernetes.io/zone", label::ZONE),
    ("failure-domain.beta.kubernetes.io/region", label::REGION),
    ("beta.kubernetes.io/arch", label::ARCH),
    ("beta.kubernetes.io/os", label::OS),
    ("beta.kubernetes.io/instance-type", label::INSTANCE_TYPE),
    (
        "karpenter.k8s.aws/capacity-reservation-id",
        label::RESERVATION_ID,
    ),
];

/// Adds the older name of each label that has one and is not there under it.
pub(super) fn add_aliases(labels: &mut Labels) {
    for (alias, key) in ALIASES {
        if labels.get(alias).is_none()
            && let Some(value) = labels.shared(key).map(Name::clone)
        {
            labels.set(alias, value);
        }
    }
}

/// Whether a label with `value` (or none) passes `requirement`.
pub(super) fn value_passes(value: Option<&str>, requirement: &RequirementSpec) -> bool {
    let listed = |value: &str| requirement.values.iter().any(|v| v.as_ref() == value);
    let numbers = || {
        let held: i64 = value?.parse().ok()?;
        let bound: i64 = requirement.values.first()?.parse().ok()?;
        Some((held, bound))
    };
    match requirement.operator {
        Operator::In => value.is_some_and(listed),
        Operator::NotIn => !value.is_some_and(listed),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        Operator::Gt => numbers().is_some_and(|(held, bound)| held > bound),
        Operator::Lt => numbers().is_some_and(|(held, bound)| held < bound),
        Operator::Gte => numbers().is_some_and(|(held, bound)| held >= bound),
        Operator::Lte => numbers().is_some_and(|(held, bound)| held <= bound),
    }
}

/// Whether a node passes one OR-ed term; a term that states nothing matches nothing.
pub(super) fn term_matches(term: &NodeSelectorTerm, labels: &Labels, node: &str) -> bool {
    let states_something = !term.match_expressions.is_empty() || !term.match_fields.is_empty();
    states_something
        && term
            .match_expressions
            .iter()
            .all(|e| value_passes(labels.get(&e.key), e))
        && term
            .match_fields
            .iter()
            .all(|f| value_passes((f.key.as_ref() == "metadata.name").then_some(node), f))
}

/// Whether the node selector and the required node affinity of `spec` let it run on a node.
pub(super) fn admits(spec: &PodSpec, labels: &Labels, node: &str) -> bool {
    let selected = spec
        .node_selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value.as_ref()));
    let affine = spec
        .affinity
        .node_required
        .as_ref()
        .is_none_or(|terms| terms.iter().any(|term| term_matches(term, labels, node)));
    selected && affine
}

/// Whether `spec` says anything about label `key`.
pub(super) fn mentions(spec: &PodSpec, key: &str) -> bool {
    spec.node_selector.get(key).is_some() || expressions_on(spec, key).next().is_some()
}

/// The values of label `key` at which the answer of `spec` can change.
pub(super) fn values_of_interest(spec: &PodSpec, key: &str) -> Vec<Name> {
    let mut values: Vec<Name> = spec
        .node_selector
        .shared(key)
        .cloned()
        .into_iter()
        .collect();
    for expression in expressions_on(spec, key) {
        values.extend(boundary_values(expression));
    }
    values
}

/// The listed values, and for a bound the numbers on either side of it.
pub(super) fn boundary_values(requirement: &RequirementSpec) -> Vec<Name> {
    let mut values = requirement.values.clone();
    if matches!(
        requirement.operator,
        Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte
    ) {
        let bounds = requirement.values.iter().filter_map(|v| v.parse().ok());
        let around = bounds.flat_map(|n: i64| [n.saturating_sub(1), n.saturating_add(1)]);
        values.extend(around.map(|n| Name::from(n.to_string())));
    }
    values
}

fn expressions_on<'a>(
    spec: &'a PodSpec,
    key: &'a str,
) -> impl Iterator<Item = &'a RequirementSpec> {
    spec.affinity
        .node_required
        .iter()
        .flatten()
        .flat_map(|term| &term.match_expressions)
        .filter(move |e| e.key.as_ref() == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn operators_are_applied_to_label_values() {
        // S-23
        let passes = |value, operator, values: &[&str]| {
            value_passes(
                value,
                &RequirementSpec::new("k", operator, values.iter().copied()),
            )
        };
        assert!(passes(Some("a"), Operator::In, &["a", "b"]));
        assert!(!passes(None, Operator::In, &["a"]));
        assert!(passes(None, Operator::NotIn, &["a"]));
        assert!(!passes(Some("a"), Operator::NotIn, &["a"]));
        assert!(passes(Some("6"), Operator::Gt, &["5"]));
        assert!(!passes(Some("5"), Operator::Gt, &["5"]));
        assert!(passes(Some("5"), Operator::Gte, &["5"]));
        assert!(!passes(Some("x"), Operator::Lt, &["5"]));
        assert!(!passes(None, Operator::Lte, &["5"]));
        assert!(passes(None, Operator::DoesNotExist, &[]));
    }

    #[test]
    fn an_empty_term_matches_nothing_and_fields_look_at_the_name() {
        let mut term = NodeSelectorTerm::default();
        assert!(!term_matches(&term, &Labels::new(), "n1"));
        term.match_fields
            .push(RequirementSpec::new("metadata.name", Operator::In, ["n1"]));
        assert!(term_matches(&term, &Labels::new(), "n1"));
        assert!(!term_matches(&term, &Labels::new(), "n2"));
    }

    #[test]
    fn an_empty_list_of_terms_admits_no_node() {
        let mut spec = PodSpec::default();
        assert!(admits(&spec, &Labels::new(), "n1"));
        spec.affinity.node_required = Some(Vec::new());
        assert!(!admits(&spec, &Labels::new(), "n1"));
    }

    #[test]
    fn nodes_bear_the_older_names_too() {
        // S-33
        let mut held = labels(&[(label::ZONE, "z1")]);
        add_aliases(&mut held);
        assert_eq!(
            held.get("failure-domain.beta.kubernetes.io/zone"),
            Some("z1")
        );
    }
}
