//! Which pods a term speaks of, and the domains of a topology key.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::index::{Ix, IxVec};
use crate::model::affinity::PodAffinityTerm;
use crate::model::label::{LabelSelector, SelectorExpression, SelectorOperator};
use crate::model::resources::Name;

use crate::verify::view::{Class, ClassIx, Cluster, NodeIx};

/// Pods by namespace and labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Matcher {
    namespaces: Vec<Name>,
    /// `None` selects nothing (S-83).
    selector: Option<LabelSelector>,
}

impl Matcher {
    /// What an affinity term of a pod of `class` speaks of (S-84, S-85).
    pub(super) fn of_term(
        cluster: &Cluster<'_>,
        class: &Class<'_>,
        term: &PodAffinityTerm,
    ) -> Self {
        let mut namespaces = term.namespaces.clone();
        match &term.namespace_selector {
            Some(selector) => namespaces.extend(cluster.namespaces_matching(selector)),
            None if namespaces.is_empty() => namespaces.push(Name::from(class.namespace)),
            None => {}
        }
        namespaces.sort();
        namespaces.dedup();
        Self {
            namespaces,
            selector: term.label_selector.as_ref().map(|selector| {
                let same = with_own_values(class, &term.match_label_keys, SelectorOperator::In);
                let other =
                    with_own_values(class, &term.mismatch_label_keys, SelectorOperator::NotIn);
                extended(selector, same.into_iter().chain(other))
            }),
        }
    }

    /// What a spread constraint of a pod of `class` counts: pods of its own namespace.
    pub(super) fn of_spread(
        class: &Class<'_>,
        selector: Option<&LabelSelector>,
        match_label_keys: &[Name],
    ) -> Self {
        Self {
            namespaces: vec![Name::from(class.namespace)],
            selector: selector.map(|selector| {
                extended(
                    selector,
                    with_own_values(class, match_label_keys, SelectorOperator::In),
                )
            }),
        }
    }

    /// Whether pods of `class` are meant.
    pub(super) fn selects(&self, class: &Class<'_>) -> bool {
        self.namespaces
            .iter()
            .any(|n| n.as_ref() == class.namespace)
            && self
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(class.labels))
    }

    /// The answer for every class.
    pub(super) fn selected(&self, cluster: &Cluster<'_>) -> IxVec<ClassIx, bool> {
        cluster.classes.iter().map(|c| self.selects(c)).collect()
    }
}

fn with_own_values(
    class: &Class<'_>,
    keys: &[Name],
    operator: SelectorOperator,
) -> Vec<SelectorExpression> {
    let held = keys
        .iter()
        .filter_map(|key| Some((key, class.labels.shared(key)?)));
    held.map(|(key, value)| {
        SelectorExpression::new(Name::clone(key), operator, vec![Name::clone(value)])
    })
    .collect()
}

fn extended(
    selector: &LabelSelector,
    more: impl IntoIterator<Item = SelectorExpression>,
) -> LabelSelector {
    LabelSelector::new(selector.expressions.iter().cloned().chain(more).collect())
}

/// The values of one topology key over all nodes.
#[derive(Debug)]
pub(super) struct Domains {
    of_node: Vec<Option<usize>>,
    names: Vec<Name>,
}

impl Domains {
    fn new(cluster: &Cluster<'_>, key: &str) -> Self {
        let values = || cluster.nodes.iter().map(|node| node.labels.shared(key));
        let mut names: Vec<Name> = values().flatten().cloned().collect();
        names.sort();
        names.dedup();
        Self {
            of_node: values()
                .map(|value| value.and_then(|value| names.binary_search(value).ok()))
                .collect(),
            names,
        }
    }

    /// The domain of `node`, if it has the label.
    pub(super) fn of(&self, node: NodeIx) -> Option<usize> {
        self.of_node.get(node.at()).copied().flatten()
    }

    /// How many domains there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The label value of `domain`.
    pub(super) fn name(&self, domain: usize) -> &str {
        self.names.get(domain).map_or("", AsRef::as_ref)
    }
}

/// The domains of every key asked for so far.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<Name, Rc<Domains>>);

impl Keys {
    /// The domains of `key`.
    pub(super) fn domains(&mut self, cluster: &Cluster<'_>, key: &Name) -> Rc<Domains> {
        let made = self
            .0
            .entry(Name::clone(key))
            .or_insert_with(|| Rc::new(Domains::new(cluster, key)));
        Rc::clone(made)
    }
}
