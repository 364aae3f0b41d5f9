//! Which pods a rule speaks of: rules interned, pods told apart by the rules they have and fall under.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::base::hash::FastMap;
use crate::model::affinity::{
    NodeInclusionPolicy, PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::model::cluster::Snapshot;
use crate::model::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator, normalize};
use crate::model::pod::{Pod, PodSpec};
use crate::model::resources::Name;
use crate::model::taint::Toleration;
use crate::view::pods::{Term, node_terms};

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Domains may differ by at most `max_skew` pods; with fewer domains than `min_domains` the least counts as 0.
    Spread {
        /// Largest difference.
        max_skew: u32,
        /// Fewest domains.
        min_domains: u32,
        /// Which nodes count: alternatives of the pod's own node selection, `None` for all.
        nodes: Option<Vec<Term>>,
        /// Taints that nodes which count must tolerate: the pod's tolerations, `None` when taints do not matter.
        tolerations: Option<Vec<Toleration>>,
    },
    /// Some selected pod is in the domain.
    Affinity,
    /// No selected pod is in the domain.
    Anti,
}

/// A required rule between pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Rule {
    /// What it demands.
    pub kind: Kind,
    /// The node label whose equal values make a domain.
    pub key: Name,
    /// Which pods it speaks of: all of these must hold.
    pub scope: Vec<Scope>,
}

/// Namespaces and labels of the pods a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Scope {
    /// Namespaces.
    pub namespaces: BTreeSet<Name>,
    /// Labels; `None` selects nothing.
    pub selector: Option<LabelSelector>,
}

impl Rule {
    /// The rule that `constraint` of `pod` states, whether it is required or preferred.
    #[must_use]
    pub fn spread(pod: &Pod, constraint: &TopologySpreadConstraint) -> Self {
        let more = [(&constraint.match_label_keys, SelectorOperator::In)];
        let honours = |policy| policy == NodeInclusionPolicy::Honor;
        Self {
            kind: Kind::Spread {
                max_skew: constraint.max_skew,
                min_domains: constraint.min_domains.unwrap_or(1),
                nodes: honours(constraint.node_affinity_policy).then(|| node_terms(&pod.spec)),
                tolerations: honours(constraint.node_taints_policy)
                    .then(|| pod.spec.tolerations.clone()),
            },
            key: Name::from(normalize(&constraint.topology_key)),
            scope: vec![Scope {
                namespaces: BTreeSet::from([Name::clone(&pod.namespace)]),
                selector: extended(constraint.label_selector.as_ref(), &pod.labels, more),
            }],
        }
    }

    /// Whether the rule speaks of pods in `namespace` with `labels`.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: &Labels) -> bool {
        self.scope.iter().all(|scope| {
            scope.namespaces.contains(namespace)
                && scope
                    .selector
                    .as_ref()
                    .is_some_and(|selector| selector.matches(labels))
        })
    }
}

impl fmt::Display for Rule {
    /// `spread over topology.kubernetes.io/zone (maxSkew 1)`, `affinity over kubernetes.io/hostname to app in [db]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Spread {
                max_skew,
                min_domains,
                ..
            } => {
                write!(f, "spread over {} (maxSkew {max_skew}", self.key)?;
                if *min_domains > 1 {
                    write!(f, ", minDomains {min_domains}")?;
                }
                write!(f, ")")?;
            }
            Kind::Affinity => write!(f, "affinity over {}", self.key)?,
            Kind::Anti => write!(f, "anti-affinity over {}", self.key)?,
        }
        let mut word = if matches!(self.kind, Kind::Spread { .. }) {
            " among pods with"
        } else {
            " to pods with"
        };
        for scope in &self.scope {
            let Some(selector) = &scope.selector else {
                write!(f, "{word} no label selector, so to none")?;
                continue;
            };
            for expression in &selector.expressions {
                write!(f, "{word} {} {:?}", expression.key, expression.operator)?;
                if !expression.values.is_empty() {
                    write!(f, " [{}]", expression.values.join(", "))?;
                }
                word = " and";
            }
        }
        Ok(())
    }
}

/// The rules a kind of pod has and falls under: positions in [`Rules::rules`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub struct Identity {
    /// Rules of the pod itself.
    pub owned: Vec<usize>,
    /// Rules that speak of the pod.
    pub member: Vec<usize>,
}

/// All required rules of a snapshot.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Distinct identities; the first is "no rule".
    pub identities: Vec<Identity>,
    ids: BTreeMap<Rule, usize>,
    identity_ids: FastMap<Identity, usize>,
    namespaces: Namespaces,
    owned: FastMap<Key, usize>,
    /// Distinct lists of rules that pods have.
    owned_lists: Vec<Vec<usize>>,
    owned_ids: FastMap<Vec<usize>, usize>,
    /// Distinct lists of rules that speak of pods, and by addresses of labels and namespace which one it is.
    member_lists: Vec<Vec<usize>>,
    member_ids: FastMap<Vec<usize>, usize>,
    members: FastMap<(usize, usize), usize>,
    /// Identities by what pods own and which list speaks of them.
    pairs: FastMap<(Option<usize>, usize), usize>,
    known: FastMap<(usize, usize, usize), usize>,
}

/// Addresses of a specification and a namespace, and of labels where rules take over some of them (S-84).
type Key = (usize, usize, Option<usize>);

fn address<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).cast::<u8>().addr()
}

fn namespace(pod: &Pod) -> usize {
    Name::as_ptr(&pod.namespace).cast::<u8>().addr()
}

/// Whether some rule takes values over from the pod's own labels (S-84).
#[must_use]
pub fn takes_labels(spec: &PodSpec) -> bool {
    let takes = |term: &PodAffinityTerm| {
        !term.match_label_keys.is_empty() || !term.mismatch_label_keys.is_empty()
    };
    spec.topology_spread
        .iter()
        .any(|c| !c.match_label_keys.is_empty())
        || spec.affinity.pod_required.iter().any(takes)
        || spec.affinity.anti_required.iter().any(takes)
}

fn has_rules(spec: &PodSpec) -> bool {
    !spec.affinity.pod_required.is_empty()
        || !spec.affinity.anti_required.is_empty()
        || spec
            .topology_spread
            .iter()
            .any(|c| c.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
}

impl Rules {
    /// Collects the rules of the pods that wait, and the anti-affinity of those that run (S-96).
    #[must_use]
    pub fn new(snapshot: &Snapshot, waits: impl Fn(u32, &Pod) -> bool) -> Self {
        let mut rules = Self {
            identities: vec![Identity::default()],
            ..Self::default()
        };
        rules.identity_ids.insert(Identity::default(), 0);
        if !snapshot.pods.iter().any(|pod| has_rules(&pod.spec)) {
            return rules;
        }
        rules.namespaces = Namespaces::new(snapshot);
        let mut known = FastMap::default();
        for (position, pod) in snapshot.pods.iter().enumerate() {
            if has_rules(&pod.spec) && !pod.is_finished() {
                let waiting = waits(u32::try_from(position).unwrap_or(u32::MAX), pod);
                rules.collect(pod, waiting, &mut known);
            }
        }
        rules.ids = rules.rules.iter().cloned().zip(0..).collect();
        rules.sort();
        rules
    }

    /// Puts the rules in an order that does not depend on the order of the pods.
    fn sort(&mut self) {
        let new: Vec<usize> = {
            let sorted: BTreeMap<&Rule, usize> = self
                .ids
                .keys()
                .enumerate()
                .map(|(at, rule)| (rule, at))
                .collect();
            self.rules.iter().map(|rule| sorted[rule]).collect()
        };
        for (id, at) in self.ids.values_mut().zip(0..) {
            *id = at;
        }
        self.rules = self.ids.keys().cloned().collect();
        self.owned_ids.clear();
        for owned in &mut self.owned_lists {
            owned.iter_mut().for_each(|rule| *rule = new[*rule]);
        }
    }

    /// Whether no rule is there at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules that a pod has depend on.
    fn key(pod: &Pod) -> Key {
        let own_labels = takes_labels(&pod.spec).then(|| address(&pod.labels));
        (address(&pod.spec), namespace(pod), own_labels)
    }

    fn collect(&mut self, pod: &Pod, waiting: bool, known: &mut FastMap<Rule, usize>) {
        let key = Self::key(pod);
        if self.owned.contains_key(&key) {
            return;
        }
        let mut owned = Vec::new();
        for rule in self.rules_of(pod) {
            if waiting || rule.kind == Kind::Anti {
                let id = match known.get(&rule) {
                    Some(id) => *id,
                    None => {
                        known.insert(rule.clone(), self.rules.len());
                        self.rules.push(rule);
                        self.rules.len() - 1
                    }
                };
                if !owned.contains(&id) {
                    owned.push(id);
                }
            }
        }
        if waiting {
            let next = self.owned_lists.len();
            let at = *self.owned_ids.entry(owned).or_insert_with_key(|owned| {
                self.owned_lists.push(owned.clone());
                next
            });
            self.owned.insert(key, at);
        }
    }

    fn rules_of(&self, pod: &Pod) -> Vec<Rule> {
        let spec = &pod.spec;
        let mut all = Vec::new();
        for constraint in &spec.topology_spread {
            if constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule {
                all.push(Rule::spread(pod, constraint));
            }
        }
        let together: Vec<Scope> = spec
            .affinity
            .pod_required
            .iter()
            .map(|term| self.namespaces.scope(pod, term))
            .collect();
        for term in &spec.affinity.pod_required {
            let key = Name::from(normalize(&term.topology_key));
            all.push(Rule {
                kind: Kind::Affinity,
                key,
                scope: together.clone(),
            });
        }
        for term in &spec.affinity.anti_required {
            all.push(self.namespaces.rule(Kind::Anti, pod, term));
        }
        all
    }

    /// The identity of `pod`: which rules it has and which speak of it. O(1) for pods like one seen before, else
    /// O(rules).
    pub fn identity(&mut self, pod: &Pod) -> usize {
        if self.rules.is_empty() {
            return 0;
        }
        let address = (address(&pod.spec), address(&pod.labels), namespace(pod));
        if let Some(id) = self.known.get(&address) {
            return *id;
        }
        let owned = has_rules(&pod.spec).then(|| self.owned.get(&Self::key(pod)).copied());
        let owned = owned.flatten();
        let members = match self.members.get(&(address.1, address.2)) {
            Some(known) => *known,
            None => {
                let found = self.members(&pod.namespace, &pod.labels);
                let next = self.member_lists.len();
                let at = *self.member_ids.entry(found).or_insert_with_key(|found| {
                    self.member_lists.push(found.clone());
                    next
                });
                self.members.insert((address.1, address.2), at);
                at
            }
        };
        let id = match self.pairs.get(&(owned, members)) {
            Some(id) => *id,
            None => {
                let mut identity = Identity {
                    owned: owned.map_or_else(Vec::new, |at| self.owned_lists[at].clone()),
                    member: self.member_lists[members].clone(),
                };
                identity.owned.sort_unstable();
                let next = self.identities.len();
                let id = *self.identity_ids.entry(identity).or_insert_with_key(|new| {
                    self.identities.push(new.clone());
                    next
                });
                self.pairs.insert((owned, members), id);
                id
            }
        };
        self.known.insert(address, id);
        id
    }

    /// The rules that speak of pods in `namespace` with `labels`.
    #[must_use]
    pub fn members(&self, namespace: &str, labels: &Labels) -> Vec<usize> {
        (0..self.rules.len())
            .filter(|rule| self.rules[*rule].selects(namespace, labels))
            .collect()
    }

    /// The rules of each identity in words.
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<String>> {
        let of = |identity: &Identity| {
            identity
                .owned
                .iter()
                .map(|rule| self.rules[*rule].to_string())
                .collect()
        };
        self.identities.iter().map(of).collect()
    }

    /// The anti-affinity rules of a pod that runs, as positions.
    #[must_use]
    pub fn anti_of(&self, pod: &Pod) -> Vec<usize> {
        if pod.spec.affinity.anti_required.is_empty() {
            return Vec::new();
        }
        let own = self
            .rules_of(pod)
            .into_iter()
            .filter(|rule| rule.kind == Kind::Anti);
        own.filter_map(|rule| self.ids.get(&rule).copied())
            .collect()
    }
}

/// The labels of every namespace, the name label included.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Namespaces(BTreeMap<Name, Labels>);

impl Namespaces {
    /// The namespaces of `snapshot`, those that only pods name among them.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut all = BTreeMap::new();
        for namespace in &snapshot.namespaces {
            all.insert(Name::clone(&namespace.name), namespace.labels.clone());
        }
        // Pods of one namespace share its name.
        let mut seen: FastMap<*const u8, ()> = FastMap::default();
        for pod in &snapshot.pods {
            if seen.insert(pod.namespace.as_ptr(), ()).is_none()
                && !all.contains_key(&pod.namespace)
            {
                all.insert(Name::clone(&pod.namespace), Labels::new());
            }
        }
        for (name, labels) in &mut all {
            if labels.get("kubernetes.io/metadata.name").is_none() {
                labels.set("kubernetes.io/metadata.name", Name::clone(name));
            }
        }
        Self(all)
    }

    /// The rule of one (anti-)affinity term of `pod`.
    #[must_use]
    pub fn rule(&self, kind: Kind, pod: &Pod, term: &PodAffinityTerm) -> Rule {
        Rule {
            kind,
            key: Name::from(normalize(&term.topology_key)),
            scope: vec![self.scope(pod, term)],
        }
    }

    /// S-85: the pod's own namespace, or those listed and those selected.
    fn scope(&self, pod: &Pod, term: &PodAffinityTerm) -> Scope {
        let mut namespaces: BTreeSet<Name> = term.namespaces.iter().map(Name::clone).collect();
        match &term.namespace_selector {
            Some(selector) => {
                let chosen = self.0.iter().filter(|(_, labels)| selector.matches(labels));
                namespaces.extend(chosen.map(|(name, _)| Name::clone(name)));
            }
            None if namespaces.is_empty() => {
                namespaces.insert(Name::clone(&pod.namespace));
            }
            None => {}
        }
        let more = [
            (&term.match_label_keys, SelectorOperator::In),
            (&term.mismatch_label_keys, SelectorOperator::NotIn),
        ];
        Scope {
            namespaces,
            selector: extended(term.label_selector.as_ref(), &pod.labels, more),
        }
    }
}

/// S-84: for each listed key that the pod has, the selector also asks for the pod's own value (or for another one).
fn extended<'a>(
    selector: Option<&LabelSelector>,
    labels: &Labels,
    more: impl IntoIterator<Item = (&'a Vec<Name>, SelectorOperator)>,
) -> Option<LabelSelector> {
    let mut expressions = selector?.expressions.clone();
    for (keys, operator) in more {
        for key in keys {
            if let Some(value) = labels.shared(key) {
                let values = vec![Name::clone(value)];
                expressions.push(SelectorExpression::new(Name::clone(key), operator, values));
            }
        }
    }
    Some(LabelSelector::new(expressions))
}
