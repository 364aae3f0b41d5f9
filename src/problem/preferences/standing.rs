//! What pods that run already mean for preferences between pods.

use super::stated::address;
use super::{Numbered, OnNodes, PodRule, PodRuleKind, Source};
use crate::base::hash::FastMap;
use crate::model::label::{HOSTNAME, Labels, SelectorOperator};
use crate::model::resources::Name;
use crate::problem::topology::domains::node_counts;
use crate::problem::topology::rules::{Kind as RuleKind, Rule};

/// A rule while pods are counted.
struct Counted {
    /// Whether it is a spread, for which pods that leave do not count.
    spread: bool,
    /// Where it counts.
    place: Place,
    /// Which nodes count (S-90): a position among the distinct filters.
    filter: usize,
}

/// Where a rule counts pods.
#[derive(Clone, Copy)]
enum Place {
    /// By value of a key, given by its position.
    Key(usize),
    /// On each node.
    Host,
    /// Nowhere: no node has its key.
    Nowhere,
}

/// The rules with what stands already. Pods count where kube-scheduler counts them: on every node that stays, for
/// spreads only where the node counts and the pod is not leaving (S-90).
/// O(pods x rules that speak of each + nodes x (keys + distinct node filters)).
pub(super) fn read(
    source: &Source<'_>,
    rules: &[&Rule],
    index: &Index<'_>,
    keys: &[&Name],
    numbered: &[Numbered<'_>],
) -> (Vec<PodRule>, OnNodes) {
    let key_of = |rule: &Rule| keys.iter().position(|key| **key == rule.key);
    let mut list: Vec<PodRule> = rules
        .iter()
        .map(|rule| {
            let key = key_of(rule);
            PodRule {
                kind: match rule.kind {
                    RuleKind::Spread { .. } => PodRuleKind::Spread,
                    RuleKind::Affinity => PodRuleKind::Affinity,
                    RuleKind::Anti => PodRuleKind::Anti,
                },
                key: key.and_then(|at| u32::try_from(at).ok()),
                max_skew: match rule.kind {
                    RuleKind::Spread { max_skew, .. } => max_skew,
                    RuleKind::Affinity | RuleKind::Anti => 0,
                },
                standing: vec![0; key.map_or(0, |at| numbered[at].names.len())],
            }
        })
        .collect();
    let mut on_nodes = OnNodes::new();
    if rules.is_empty() {
        return (list, on_nodes);
    }
    let view = source.view;
    // By key and node of the view: the value.
    let values: Vec<Vec<Option<u32>>> = keys
        .iter()
        .zip(numbered)
        .map(|(key, numbered)| {
            let value = |labels: &Labels| numbered.names.get(labels.get(key)?).copied();
            view.iter().map(|node| value(&node.labels)).collect()
        })
        .collect();
    let mut filters: FastMap<&RuleKind, usize> = FastMap::default();
    let mut passes: Vec<Vec<bool>> = Vec::new();
    let counted: Vec<Counted> = rules
        .iter()
        .map(|rule| Counted {
            spread: matches!(rule.kind, RuleKind::Spread { .. }),
            place: match key_of(rule) {
                Some(key) => Place::Key(key),
                None if rule.key.as_ref() == HOSTNAME => Place::Host,
                None => Place::Nowhere,
            },
            filter: *filters.entry(&rule.kind).or_insert_with(|| {
                passes.push(view.iter().map(|node| node_counts(rule, node)).collect());
                passes.len() - 1
            }),
        })
        .collect();
    let mut hosts: Vec<Vec<(u32, u32)>> = vec![Vec::new(); view.len()];
    let mut seen: FastMap<[usize; 2], Vec<u32>> = FastMap::default();
    for (position, pod) in source.snapshot.pods.iter().enumerate() {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let Some(at) = source.node_use.node_of.get(position) else {
            continue;
        };
        let at = at as usize;
        if pod.is_finished() || view[at].deleting {
            continue;
        }
        let [_, labels, namespace] = address(pod);
        let members = seen
            .entry([labels, namespace])
            .or_insert_with(|| index.members(rules, &pod.namespace, &pod.labels));
        for number in members.iter().copied() {
            let rule = &counted[number as usize];
            if rule.spread && (pod.is_terminating() || !passes[rule.filter][at]) {
                continue;
            }
            match rule.place {
                Place::Key(key) => {
                    if let Some(value) = values[key][at] {
                        list[number as usize].standing[value as usize] += 1;
                    }
                }
                Place::Host => match hosts[at].iter_mut().find(|(held, _)| *held == number) {
                    Some((_, count)) => *count += 1,
                    None => hosts[at].push((number, 1)),
                },
                Place::Nowhere => {}
            }
        }
    }
    for (id, at) in source.rows.enumerate() {
        let mut held = std::mem::take(&mut hosts[*at as usize]);
        if !held.is_empty() {
            held.sort_unstable();
            on_nodes.insert(id, held);
        }
    }
    (list, on_nodes)
}

/// Rules by a label that the pods they speak of must have, so that a pod meets few of them.
pub(super) struct Index<'r> {
    by_label: FastMap<(&'r str, &'r str), Vec<u32>>,
    others: Vec<u32>,
}

impl<'r> Index<'r> {
    pub(super) fn new(rules: &[&'r Rule]) -> Self {
        let mut index = Self {
            by_label: FastMap::default(),
            others: Vec::new(),
        };
        for (rule, number) in rules.iter().zip(0..) {
            let expressions = rule
                .scope
                .iter()
                .filter_map(|scope| scope.selector.as_ref())
                .flat_map(|selector| &selector.expressions);
            let mut exact = expressions
                .filter(|e| e.operator == SelectorOperator::In)
                .map(|e| (e.key.as_ref(), e.values.as_slice()))
                .filter_map(|(key, values)| match values {
                    [value] => Some((key, value.as_ref())),
                    _ => None,
                });
            match exact.next() {
                Some(pair) => index.by_label.entry(pair).or_default().push(number),
                None => index.others.push(number),
            }
        }
        index
    }

    /// The rules that speak of pods in `namespace` with `labels`, in order.
    pub(super) fn members(&self, rules: &[&Rule], namespace: &str, labels: &Labels) -> Vec<u32> {
        let by_label = labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(&(key.as_ref(), value.as_ref())))
            .flatten();
        let mut members: Vec<u32> = by_label
            .chain(&self.others)
            .copied()
            .filter(|rule| rules[*rule as usize].selects(namespace, labels))
            .collect();
        members.sort_unstable();
        members
    }
}
