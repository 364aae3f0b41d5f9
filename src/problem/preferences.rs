//! What pods prefer (S-34, S-75..S-79), as numbers: nodes that a pod likes, and rules between pods that should hold.
//!
//! Preferences do not tell classes apart: packing does not look at them, so that it finds the same plan under Respect and
//! Ignore (M-2). They are kept beside the classes as **kinds**: pods with the same preferences that the same preferences
//! speak of. The pods of a class may be of several kinds, and the solver decides last which kind goes where.
//!
//! * a **liking** is a preferred node-affinity term with the options and nodes that it suits, or a pod's wish to keep off
//!   `PreferNoSchedule` taints (S-63);
//! * a **pod rule** is a preferred (anti-)affinity term or a `ScheduleAnyway` spread: a number of pods in each domain.
//!
//! A label whose value a new node leaves open suits no liking and makes no domain: nobody knows its value yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::nodes::NodeUse;
use super::options::OptionTable;
use super::topology::domains::node_counts;
use super::topology::rules::{Kind as RuleKind, Namespaces, Rule};
use super::{ClassId, NodeId, OptionId};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix as _, IxVec};
use crate::model::affinity::WhenUnsatisfiable;
use crate::model::cluster::Snapshot;
use crate::model::label::{self, HOSTNAME, Labels, SelectorOperator};
use crate::model::options::PreferencePolicy;
use crate::model::pod::{Pod, PodSpec};
use crate::model::price::Price;
use crate::model::requirement::{Requirement, Requirements};
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect, Toleration, untolerated};
use crate::view::nodes::ExistingNode;
use crate::view::pods::Term;
use crate::view::pools::{NEW_HOST, NodeLabels, OFFERING_KEYS, absent_is_fine, offering_meets};

/// Where pods of some kind would rather be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Liking {
    /// Weight of the term; 0 for keeping off `PreferNoSchedule` taints, which has none.
    pub weight: u32,
    /// Options that suit it.
    pub options: BitSet<OptionId>,
    /// Existing nodes that suit it.
    pub nodes: BitSet<NodeId>,
}

/// What a preference between pods asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: the three there are")]
pub enum PodRuleKind {
    /// Some other selected pod in the domain.
    Affinity,
    /// No other selected pod in the domain.
    Anti,
    /// Selected pods evenly over the domains; has no weight.
    Spread,
}

/// A preference between pods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PodRule {
    /// What it asks for.
    pub kind: PodRuleKind,
    /// Its topology key: a position in [`Preferences::keys`]; `None` for the host name, where each node is a domain.
    pub key: Option<u32>,
    /// How far a spread lets domains differ; 0 for affinity.
    pub max_skew: u32,
    /// Selected pods that run already, by value of the key.
    pub standing: Vec<u32>,
}

/// Likings and pod rules in words.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Words {
    /// By liking.
    pub likings: Vec<String>,
    /// By pod rule.
    pub rules: Vec<String>,
}

/// The values of a topology key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyValues {
    /// By option.
    pub options: IxVec<OptionId, Option<u32>>,
    /// By existing node.
    pub nodes: IxVec<NodeId, Option<u32>>,
}

/// Pods that no preference tells apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub struct Kind {
    /// Their likings.
    pub likings: Vec<u32>,
    /// Pod rules that they have, with the weight.
    pub owned: Vec<(u32, u32)>,
    /// Pod rules that speak of them.
    pub member: Vec<u32>,
}

/// All preferences of a problem.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Preferences {
    /// Likings.
    pub likings: Vec<Liking>,
    /// Preferences between pods.
    pub rules: Vec<PodRule>,
    /// Topology keys other than the host name.
    pub keys: Vec<KeyValues>,
    /// Kinds of pods, in an order by content.
    pub kinds: Vec<Kind>,
    /// The kind of each pod, in the order of [`Symbols::pods`](super::Symbols::pods).
    pub of_pods: IxVec<ClassId, Vec<u32>>,
    /// Pods of rules over host names that run already: by node, (rule, count).
    pub standing: BTreeMap<NodeId, Vec<(u32, u32)>>,
    /// What preferences may cost per hour (M-2).
    pub budget: Price,
}

impl Preferences {
    /// The weight of all preferred terms of one pod of `kind`.
    #[must_use]
    pub fn weight_of(&self, kind: u32) -> u64 {
        let kind = &self.kinds[kind as usize];
        let liked = kind
            .likings
            .iter()
            .map(|at| u64::from(self.likings[*at as usize].weight));
        let owned = kind
            .owned
            .iter()
            .filter(|(rule, _)| self.rules[*rule as usize].kind != PodRuleKind::Spread);
        liked.sum::<u64>() + owned.map(|(_, weight)| u64::from(*weight)).sum::<u64>()
    }
}

/// What preferences are read from.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the compiler only")]
pub struct Source<'s> {
    /// The snapshot.
    pub snapshot: &'s Snapshot,
    /// Options.
    pub table: &'s OptionTable<'s>,
    /// Existing nodes.
    pub view: &'s [ExistingNode<'s>],
    /// Destinations among them.
    pub rows: &'s IxVec<NodeId, u32>,
    /// What existing nodes hold.
    pub node_use: &'s NodeUse,
}

/// What makes likings equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Keep(Vec<Toleration>),
    Near(Term, u32),
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(_) => write!(f, "no PreferNoSchedule taint that is not tolerated"),
            Self::Near(term, _) => {
                write!(f, "preferred node affinity")?;
                let mut word = " to";
                for asked in term.requirements.iter() {
                    write!(f, "{word} {asked}")?;
                    word = " and";
                }
                for field in &term.names {
                    let values = field.values.join(", ");
                    write!(f, "{word} {} {} [{values}]", field.key, field.operator)?;
                    word = " and";
                }
                Ok(())
            }
        }
    }
}

/// Whether `spec` states a preference.
fn prefers(spec: &PodSpec) -> bool {
    let affinity = &spec.affinity;
    !affinity.node_preferred.is_empty()
        || !affinity.pod_preferred.is_empty()
        || !affinity.anti_preferred.is_empty()
        || spec
            .topology_spread
            .iter()
            .any(|c| c.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway)
}

fn is_soft(taint: &Taint) -> bool {
    taint.effect == TaintEffect::PreferNoSchedule
}

impl Source<'_> {
    /// The preferences of `pods` (by class, positions in the snapshot); `None` where there are none, or they are ignored
    /// (S-75). O(pods + kinds x rules they could meet + likings x (options + nodes)).
    #[must_use]
    pub fn read(&self, pods: &IxVec<ClassId, Vec<u32>>) -> Option<(Preferences, Words)> {
        if self.snapshot.options.preference_policy == PreferencePolicy::Ignore {
            return None;
        }
        let table_taints = self.table.taints.iter().flatten();
        let node_taints = self.view.iter().flat_map(|node| &node.taints);
        let soft_taints = table_taints.chain(node_taints).any(is_soft);
        let pod_at = |position: &u32| &self.snapshot.pods[*position as usize];
        let stated = || pods.iter().flatten().any(|at| prefers(&pod_at(at).spec));
        if !soft_taints && !stated() {
            return None;
        }

        // Faces: pods that share specification, labels and namespace.
        let mut ids: FastMap<[usize; 3], u32> = FastMap::default();
        let mut faces: Vec<&Pod> = Vec::new();
        let of_pods: IxVec<ClassId, Vec<u32>> = pods
            .iter()
            .map(|positions| {
                let face = |position: &u32| {
                    let pod = pod_at(position);
                    *ids.entry(address(pod)).or_insert_with(|| {
                        faces.push(pod);
                        u32::try_from(faces.len() - 1).unwrap_or(u32::MAX)
                    })
                };
                positions.iter().map(face).collect()
            })
            .collect();

        let namespaces = Namespaces::new(self.snapshot);
        let stated: Vec<Stated> = faces
            .iter()
            .map(|pod| Stated::of(pod, &namespaces, soft_taints))
            .collect();
        let wishes: BTreeSet<&Wish> = stated.iter().flat_map(|s| &s.wishes).collect();
        let rules: BTreeSet<&Rule> = stated.iter().flat_map(|s| s.rules.keys()).collect();
        let wish_ids: BTreeMap<&Wish, u32> = wishes.iter().copied().zip(0..).collect();
        let rule_ids: BTreeMap<&Rule, u32> = rules.iter().copied().zip(0..).collect();
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let index = Index::new(&rules);

        let kind_of = |(pod, stated): (&&Pod, &Stated)| Kind {
            likings: stated.wishes.iter().map(|wish| wish_ids[wish]).collect(),
            owned: stated
                .rules
                .iter()
                .map(|(rule, weight)| (rule_ids[rule], *weight))
                .collect(),
            member: index.members(&rules, &pod.namespace, &pod.labels),
        };
        let by_face: Vec<Kind> = faces.iter().zip(&stated).map(kind_of).collect();
        let kinds: BTreeSet<&Kind> = by_face.iter().collect();
        let kind_ids: BTreeMap<&Kind, u32> = kinds.iter().copied().zip(0..).collect();
        let number: Vec<u32> = by_face.iter().map(|kind| kind_ids[kind]).collect();
        let of_pods = of_pods
            .iter()
            .map(|faces| faces.iter().map(|face| number[*face as usize]).collect())
            .collect();

        let mut keys: Vec<&Name> = rules.iter().map(|rule| &rule.key).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| key.as_ref() != HOSTNAME);
        let numbered: Vec<Numbered<'_>> = keys.iter().map(|key| self.values(key)).collect();
        let words = Words {
            likings: wishes.iter().map(|wish| wish.to_string()).collect(),
            rules: rules
                .iter()
                .map(|rule| format!("preferred {rule}"))
                .collect(),
        };
        let (rules, standing) = self.standing(&rules, &index, &keys, &numbered);
        let preferences = Preferences {
            likings: wishes.iter().map(|wish| self.liking(wish)).collect(),
            rules,
            keys: numbered.into_iter().map(|n| n.values).collect(),
            kinds: kinds.into_iter().cloned().collect(),
            of_pods,
            standing,
            budget: self.snapshot.options.preference_budget,
        };
        Some((preferences, words))
    }

    fn liking(&self, wish: &Wish) -> Liking {
        let mut liking = Liking {
            weight: 0,
            options: BitSet::new(self.table.options.len()),
            nodes: BitSet::new(self.rows.len()),
        };
        match wish {
            Wish::Keep(tolerations) => {
                let suits = |taints: &[Taint]| {
                    let soft: Vec<Taint> = taints.iter().filter(|t| is_soft(t)).cloned().collect();
                    untolerated(&soft, tolerations, true).is_none()
                };
                for (pair, row) in self.table.pairs.enumerate() {
                    if suits(&self.table.taints[pair]) {
                        let options = row.options.clone();
                        options.for_each(|at| liking.options.insert(OptionId::new(at as usize)));
                    }
                }
                for (node, at) in self.rows.enumerate() {
                    if suits(&self.view[*at as usize].taints) {
                        liking.nodes.insert(node);
                    }
                }
            }
            Wish::Near(term, weight) => {
                liking.weight = *weight;
                if term.name_meets(NEW_HOST) {
                    self.liked_options(&term.requirements, &mut liking.options);
                }
                for (node, at) in self.rows.enumerate() {
                    if self.view[*at as usize].suits(term) {
                        liking.nodes.insert(node);
                    }
                }
            }
        }
        liking
    }

    fn liked_options(&self, asked: &Requirements, liked: &mut BitSet<OptionId>) {
        let (of_offering, of_type): (Vec<&Requirement>, Vec<&Requirement>) =
            asked.iter().partition(|asked| {
                let key = asked.key().as_ref();
                OFFERING_KEYS.contains(&key) || key == label::INSTANCE_GROUP
            });
        for (pair, row) in self.table.pairs.enumerate() {
            let labels = &self.table.labels[pair];
            if !of_type.iter().all(|asked| surely_meets(labels, asked)) {
                continue;
            }
            let offerings = &self.table.instance_type(pair).offerings;
            for at in row.options.clone() {
                let option = OptionId::new(at as usize);
                let offering = &offerings[self.table.options[option].offering as usize];
                let meets = |asked: &&Requirement| {
                    if asked.key().as_ref() != label::INSTANCE_GROUP {
                        return offering_meets(asked, offering);
                    }
                    match &offering.instance_group {
                        Some(group) => asked.has(group),
                        None => surely_meets(labels, asked),
                    }
                };
                if of_offering.iter().all(meets) {
                    liked.insert(option);
                }
            }
        }
    }

    fn values(&self, key: &str) -> Numbered<'_> {
        let of_option = |option: OptionId| -> Option<&str> {
            let row = &self.table.options[option];
            let offering = &self.table.instance_type(row.pair).offerings[row.offering as usize];
            match key {
                label::ZONE => Some(&offering.zone),
                label::CAPACITY_TYPE => Some(offering.capacity_type.as_str()),
                label::RESERVATION_ID => offering.reservation_id.as_deref(),
                label::INSTANCE_GROUP if offering.instance_group.is_some() => {
                    offering.instance_group.as_deref()
                }
                key => known(&self.table.labels[row.pair], key),
            }
        };
        let names: BTreeSet<&str> = self
            .table
            .options
            .ids()
            .filter_map(of_option)
            .chain(self.view.iter().filter_map(|node| node.labels.get(key)))
            .collect();
        let names: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
        let number = |value: Option<&str>| value.and_then(|value| names.get(value).copied());
        let options = self.table.options.ids();
        let nodes = self.rows.iter();
        Numbered {
            values: KeyValues {
                options: options.map(|option| number(of_option(option))).collect(),
                nodes: nodes
                    .map(|at| number(self.view[*at as usize].labels.get(key)))
                    .collect(),
            },
            names,
        }
    }

    /// The rules with what stands already. Pods count where kube-scheduler counts them: on every node that stays, for
    /// spreads only where the node counts and the pod is not leaving (S-90).
    fn standing(
        &self,
        rules: &[&Rule],
        index: &Index<'_>,
        keys: &[&Name],
        numbered: &[Numbered<'_>],
    ) -> (Vec<PodRule>, BTreeMap<NodeId, Vec<(u32, u32)>>) {
        let mut list: Vec<PodRule> = rules
            .iter()
            .map(|rule| {
                let key = keys.iter().position(|key| **key == rule.key);
                PodRule {
                    kind: match rule.kind {
                        RuleKind::Spread { .. } => PodRuleKind::Spread,
                        RuleKind::Affinity => PodRuleKind::Affinity,
                        RuleKind::Anti => PodRuleKind::Anti,
                    },
                    key: key.and_then(|at| u32::try_from(at).ok()),
                    max_skew: match rule.kind {
                        RuleKind::Spread { max_skew, .. } => max_skew,
                        _ => 0,
                    },
                    standing: vec![0; key.map_or(0, |at| numbered[at].names.len())],
                }
            })
            .collect();
        let mut on_nodes: BTreeMap<NodeId, Vec<(u32, u32)>> = BTreeMap::new();
        if rules.is_empty() {
            return (list, on_nodes);
        }
        let row_of: FastMap<u32, NodeId> =
            self.rows.enumerate().map(|(id, at)| (*at, id)).collect();
        let mut seen: FastMap<[usize; 2], Vec<u32>> = FastMap::default();
        for (position, pod) in self.snapshot.pods.iter().enumerate() {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            let Some(at) = self.node_use.node_of.get(&position).copied() else {
                continue;
            };
            let node = &self.view[at as usize];
            if pod.is_finished() || node.deleting {
                continue;
            }
            let [_, labels, namespace] = address(pod);
            let members = seen
                .entry([labels, namespace])
                .or_insert_with(|| index.members(rules, &pod.namespace, &pod.labels));
            for number in members.iter().copied() {
                let rule = rules[number as usize];
                let spread = matches!(rule.kind, RuleKind::Spread { .. });
                if spread && (pod.is_terminating() || !node_counts(rule, node)) {
                    continue;
                }
                let row = &mut list[number as usize];
                if let Some(key) = row.key {
                    let names = &numbered[key as usize].names;
                    let value = node.labels.get(&rule.key).and_then(|v| names.get(v));
                    if let Some(value) = value {
                        row.standing[*value as usize] += 1;
                    }
                } else if rule.key.as_ref() == HOSTNAME
                    && let Some(id) = row_of.get(&at)
                {
                    let held = on_nodes.entry(*id).or_default();
                    match held.iter_mut().find(|(held, _)| *held == number) {
                        Some((_, count)) => *count += 1,
                        None => held.push((number, 1)),
                    }
                }
            }
        }
        on_nodes.values_mut().for_each(|held| held.sort_unstable());
        (list, on_nodes)
    }
}

/// The values of a key with their names.
struct Numbered<'n> {
    values: KeyValues,
    names: BTreeMap<&'n str, u32>,
}

fn address(pod: &Pod) -> [usize; 3] {
    [
        std::sync::Arc::as_ptr(&pod.spec).addr(),
        std::sync::Arc::as_ptr(&pod.labels).addr(),
        Name::as_ptr(&pod.namespace).cast::<u8>().addr(),
    ]
}

/// The value of `key` on a node with `labels`, if it is decided.
fn known<'l>(labels: &'l NodeLabels, key: &str) -> Option<&'l str> {
    match key {
        label::REGISTERED | label::INITIALIZED => Some("true"),
        key => labels
            .fixed
            .get(key)
            .or_else(|| labels.open.get(key).and_then(Requirement::single))
            .map(AsRef::as_ref),
    }
}

/// Whether a node with `labels` meets `asked` whatever its open labels become.
fn surely_meets(labels: &NodeLabels, asked: &Requirement) -> bool {
    let key = asked.key();
    match known(labels, key) {
        Some(value) => asked.has(value),
        None if labels.open.get(key).is_some() => false,
        None => absent_is_fine(asked),
    }
}

/// What the pods of one face state.
struct Stated {
    wishes: BTreeSet<Wish>,
    rules: BTreeMap<Rule, u32>,
}

impl Stated {
    fn of(pod: &Pod, namespaces: &Namespaces, soft_taints: bool) -> Self {
        let affinity = &pod.spec.affinity;
        let mut weights: BTreeMap<Term, u32> = BTreeMap::new();
        for term in &affinity.node_preferred {
            let asked = &term.preference;
            // An empty term is not a preference.
            if asked.match_expressions.is_empty() && asked.match_fields.is_empty() {
                continue;
            }
            let key = Term {
                requirements: Requirements::from_specs(&asked.match_expressions),
                names: asked.match_fields.clone(),
            };
            let held = weights.entry(key).or_default();
            *held = held.saturating_add(term.weight);
        }
        let mut wishes: BTreeSet<Wish> = weights
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(term, weight)| Wish::Near(term, weight))
            .collect();
        if soft_taints {
            let mut tolerations = pod.spec.tolerations.clone();
            tolerations.sort();
            tolerations.dedup();
            wishes.insert(Wish::Keep(tolerations));
        }
        let mut rules: BTreeMap<Rule, u32> = BTreeMap::new();
        let mut add = |rule: Rule, weight: u32| {
            let held = rules.entry(rule).or_default();
            *held = held.saturating_add(weight);
        };
        for (terms, kind) in [
            (&affinity.pod_preferred, RuleKind::Affinity),
            (&affinity.anti_preferred, RuleKind::Anti),
        ] {
            for term in terms.iter().filter(|term| term.weight > 0) {
                let rule = namespaces.rule(kind.clone(), pod, &term.pod_affinity_term);
                add(rule, term.weight);
            }
        }
        for constraint in &pod.spec.topology_spread {
            if constraint.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway {
                add(Rule::spread(pod, constraint), 1);
            }
        }
        Self { wishes, rules }
    }
}

/// Rules by a label that the pods they speak of must have, so that a pod meets few of them.
struct Index<'r> {
    by_label: FastMap<(&'r str, &'r str), Vec<u32>>,
    others: Vec<u32>,
}

impl<'r> Index<'r> {
    fn new(rules: &[&'r Rule]) -> Self {
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
                .filter_map(|e| Some((e.key.as_ref(), e.values.as_slice())))
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
    fn members(&self, rules: &[&Rule], namespace: &str, labels: &Labels) -> Vec<u32> {
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
