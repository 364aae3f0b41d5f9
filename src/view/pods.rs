//! Pods as the scheduler sees them: which wait for a place, and what they ask of a node.

use crate::model::affinity::NodeSelectorTerm;
use crate::model::label::{self, Labels};
use crate::model::pod::{Pod, PodSpec};
use crate::model::requirement::{Operator, Requirement, RequirementSpec, Requirements};
use crate::model::resources::Name;

/// One alternative of what a pod asks of a node: label requirements, and requirements on the node's name that only
/// existing nodes can meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub struct Term {
    /// Requirements on labels.
    pub requirements: Requirements,
    /// Requirements on `metadata.name` (`matchFields`).
    pub names: Vec<RequirementSpec>,
    /// Keys that must be there although their joined requirement is content without: `Exists` with `NotIn` joins to
    /// `NotIn`.
    pub present: Vec<Name>,
}

/// The alternatives of a pod: its `nodeSelector` joined with each required node-affinity term (any of them may hold). No
/// alternative at all means that no node can suit (an affinity without usable terms, or terms that contradict the
/// selector or themselves).
#[must_use]
pub fn node_terms(spec: &PodSpec) -> Vec<Term> {
    let Some(terms) = &spec.affinity.node_required else {
        return term(&spec.node_selector, &NodeSelectorTerm::default())
            .into_iter()
            .collect();
    };
    terms
        .iter()
        .filter(|term| !term.match_expressions.is_empty() || !term.match_fields.is_empty())
        .filter_map(|asked| term(&spec.node_selector, asked))
        .collect()
}

/// `selector` joined with `asked`; `None` if no label value meets both. An empty intersection reads as `DoesNotExist`
/// (S-23), which is not what was asked for where a label must be there.
fn term(selector: &Labels, asked: &NodeSelectorTerm) -> Option<Term> {
    let mut requirements = Requirements::from_labels(selector);
    requirements.add_all(&Requirements::from_specs(&asked.match_expressions));
    let by_expression = asked
        .match_expressions
        .iter()
        .filter(|spec| !matches!(spec.operator, Operator::NotIn | Operator::DoesNotExist))
        .map(|spec| &spec.key);
    let needed = selector.iter().map(|(key, _)| key).chain(by_expression);
    let mut present = Vec::new();
    for key in needed.map(|key| label::normalize(key)) {
        match requirements.get(key).map(Requirement::operator) {
            Some(Operator::DoesNotExist) => return None,
            Some(Operator::NotIn) => present.push(Name::from(key)),
            _ => {}
        }
    }
    present.sort();
    present.dedup();
    Some(Term {
        requirements,
        names: asked.match_fields.clone(),
        present,
    })
}

impl Term {
    /// Whether a node called `name` meets the requirements on names. Fields other than `metadata.name` never match.
    #[must_use]
    pub fn name_meets(&self, name: &str) -> bool {
        self.names.iter().all(|spec| {
            spec.key.as_ref() == "metadata.name"
                && matches!(spec.operator, Operator::In | Operator::NotIn)
                && Requirement::from_spec(spec).has(name)
        })
    }
}

/// Whether a pod waits for a place: pending (M-4), or bound to a node that is being deleted and neither ended, leaving,
/// nor owned by a DaemonSet or the node itself (S-3, S-6).
#[must_use]
pub fn waits(pod: &Pod, node_is_deleting: bool) -> bool {
    if pod.node_name.is_none() {
        return pod.is_pending();
    }
    node_is_deleting
        && !pod.is_finished()
        && !pod.is_terminating()
        && !pod.is_daemon()
        && !pod.is_owned_by("", "Node")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(selector: &[(&str, &str)], terms: &[&[RequirementSpec]]) -> PodSpec {
        let mut spec = PodSpec::default();
        for (key, value) in selector {
            spec.node_selector.set(*key, *value);
        }
        if !terms.is_empty() {
            let terms = terms.iter().map(|expressions| NodeSelectorTerm {
                match_expressions: expressions.to_vec(),
                ..NodeSelectorTerm::default()
            });
            spec.affinity.node_required = Some(terms.collect());
        }
        spec
    }

    #[test]
    fn a_contradiction_is_no_wish_for_an_absent_label_s23() {
        let red = RequirementSpec::new("team", Operator::In, ["red"]);
        let none = RequirementSpec::new("team", Operator::DoesNotExist, [""; 0]);
        let not_red = RequirementSpec::new("team", Operator::NotIn, ["red"]);
        let above = RequirementSpec::new("team", Operator::Gt, ["5"]);
        let below = RequirementSpec::new("team", Operator::Lt, ["3"]);
        let blue: &[(&str, &str)] = &[("team", "blue")];
        let count = |selector, terms| node_terms(&spec(selector, terms)).len();
        assert_eq!(count(blue, &[&[red.clone()], &[not_red.clone()]]), 1);
        assert_eq!(count(blue, &[&[none.clone()]]), 0);
        assert_eq!(count(&[], &[&[red, none.clone()]]), 0);
        assert_eq!(count(&[], &[&[above, below]]), 0);
        assert_eq!(count(&[], &[&[none, not_red]]), 1);
    }

    #[test]
    fn exists_with_not_in_still_needs_the_label_s24() {
        let exists = RequirementSpec::new("team", Operator::Exists, [""; 0]);
        let not_red = RequirementSpec::new("team", Operator::NotIn, ["red"]);
        let both = node_terms(&spec(&[], &[&[exists, not_red.clone()]]));
        assert_eq!(both[0].present, [Name::from("team")]);
        let one = node_terms(&spec(&[], &[&[not_red]]));
        assert!(one[0].present.is_empty());
    }
}
