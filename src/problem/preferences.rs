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

mod standing;
mod stated;

use std::collections::{BTreeMap, BTreeSet};

use self::standing::Index;
use self::stated::{Faces, Stated, Wish, prefers};
use super::nodes::NodeUse;
use super::options::OptionTable;
use super::topology::rules::{Namespaces, Rule};
use super::{ClassId, NodeId, OptionId};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::Offering;
use crate::model::label::{self, HOSTNAME};
use crate::model::options::PreferencePolicy;
use crate::model::pod::Pod;
use crate::model::price::Price;
use crate::model::requirement::{Requirement, Requirements};
use crate::model::resources::Name;
use crate::model::taint::{Taint, TaintEffect, untolerated};
use crate::view::nodes::ExistingNode;
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

/// By node: rules with how many pods they see there.
type OnNodes = BTreeMap<NodeId, Vec<(u32, u32)>>;

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

        let mut faces = Faces::default();
        let of_pods: IxVec<ClassId, Vec<u32>> = pods
            .iter()
            .map(|positions| positions.iter().map(|at| faces.of(pod_at(at))).collect())
            .collect();
        let faces = faces.pods;

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
        let (rules, standing) = standing::read(self, &rules, &index, &keys, &numbered);
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

    /// The values of `key`, found once for all options that have it from the same place or pair.
    fn values(&self, key: &str) -> Numbered<'_> {
        let table = self.table;
        let of_group = |option: OptionId| {
            let row = &table.options[option];
            let offering = &table.instance_type(row.pair).offerings[row.offering as usize];
            match &offering.instance_group {
                Some(group) => Some(group.as_ref()),
                None => known(&table.labels[row.pair], key),
            }
        };
        let (held, places): (Vec<Option<&str>>, IxVec<OptionId, usize>) = match key {
            _ if OFFERING_KEYS.contains(&key) => (
                table
                    .places
                    .iter()
                    .map(|place| decided(place, key))
                    .collect(),
                table.option_places.iter().map(|at| *at as usize).collect(),
            ),
            label::INSTANCE_GROUP => (
                table.options.ids().map(of_group).collect(),
                table.options.ids().map(OptionId::at).collect(),
            ),
            _ => (
                table
                    .labels
                    .iter()
                    .map(|labels| known(labels, key))
                    .collect(),
                table
                    .options
                    .iter()
                    .map(|option| option.pair.at())
                    .collect(),
            ),
        };
        let nodes = self.view.iter().map(|node| node.labels.get(key));
        let names: BTreeSet<&str> = held.iter().copied().chain(nodes).flatten().collect();
        let names: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
        let number = |value: Option<&str>| value.and_then(|value| names.get(value).copied());
        let held: Vec<Option<u32>> = held.into_iter().map(number).collect();
        let nodes = self.rows.iter();
        Numbered {
            values: KeyValues {
                options: places.iter().map(|at| held[*at]).collect(),
                nodes: nodes
                    .map(|at| number(self.view[*at as usize].labels.get(key)))
                    .collect(),
            },
            names,
        }
    }
}

/// The values of a key with their names.
struct Numbered<'n> {
    values: KeyValues,
    names: BTreeMap<&'n str, u32>,
}

/// The value of `key`, one of the [`OFFERING_KEYS`], on a node bought by `offering`.
fn decided<'o>(offering: &'o Offering, key: &str) -> Option<&'o str> {
    match key {
        label::ZONE => Some(&offering.zone),
        label::CAPACITY_TYPE => Some(offering.capacity_type.as_str()),
        _ => offering.reservation_id.as_deref(),
    }
}

/// The value of `key` on a node with `labels`, if it is decided.
fn known<'l>(labels: &'l NodeLabels, key: &str) -> Option<&'l str> {
    match key {
        label::REGISTERED | label::INITIALIZED => Some("true"),
        key => labels
            .fixed(key)
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
