//! One class of pods: all pools and nodes, nearest miss first.

use std::rc::Rc;
use std::sync::Arc;

use super::check::{Asked, node_fails, suit, well_known};
use super::reason::{Code, Reason};
use super::{Explained, Explainer, Suits};
use crate::model::resources::Name;
use crate::problem::ClassId;
use crate::view::pods::{Term, node_terms};
use crate::view::volumes::Volumes;

/// A reason with how near a miss it is.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Failing checks and shortage.
    pub(super) rank: (usize, u32),
    pub(super) reason: Reason,
    /// The reason's message with what it is about.
    pub(super) summary: String,
}

impl Explainer<'_, '_> {
    pub(super) fn explain(&mut self, class: ClassId) -> Explained {
        let suits = self.suits_of(class);
        let pod = self.pod_view(class);
        let mut pools: Vec<Ranked> = (0..self.views.pools.templates.len())
            .map(|pool| self.pool_reason(pool, &pod, &suits))
            .collect();
        // Stable: equally near misses stay in weight order.
        pools.sort_by_key(|ranked| ranked.rank);
        let nodes = self.nodes_reason(&pod, &suits);
        let refused = self.views.pools.refused.clone();

        let others = pools.len().saturating_sub(1);
        let rules = self.rules_reason(class);
        let nothing_else = pools.first().is_none_or(|head| head.rank.0 == 0);
        let (code, mut summary) = match (pools.first(), refused.first()) {
            _ if rules.is_some() && nothing_else => (Code::Topology, String::new()),
            (Some(head), _) => (head.reason.code, head.summary.clone()),
            (None, Some(head)) => (
                head.code,
                format!(
                    "no NodePool can be used: {}: {}",
                    head.subject, head.message
                ),
            ),
            (None, None) => (Code::NoNodePools, NO_POOLS.to_owned()),
        };
        if let Some(rules) = rules.as_ref().filter(|_| code == Code::Topology) {
            summary.clone_from(&rules.message);
        } else if others > 0 {
            let plural = if others == 1 { "" } else { "s" };
            summary.push_str(&format!(
                "; {others} other NodePool{plural} cannot take it either"
            ));
        }
        let mut reasons: Vec<Reason> = pools.into_iter().map(|ranked| ranked.reason).collect();
        if reasons.is_empty() && refused.is_empty() {
            reasons.push(Reason::new("NodePools", Code::NoNodePools, NO_POOLS));
        }
        reasons.extend(nodes);
        reasons.extend(refused);
        if let Some(rules) = rules {
            let first = if code == Code::Topology {
                0
            } else {
                reasons.len()
            };
            reasons.insert(first, rules);
        }
        Explained {
            code,
            summary: Name::from(summary),
            reasons: Arc::new(reasons),
        }
    }

    /// The rules between pods that the class has, and how far they went (S-139); `None` without rules.
    fn rules_reason(&self, class: ClassId) -> Option<Reason> {
        let row = &self.problem.classes[class];
        let texts = self.symbols.rule_texts.get(self.symbols.rules_of[class])?;
        if texts.is_empty() {
            return None;
        }
        let fate = if row.held_back {
            "no domain or node is left in which its rules between pods hold"
        } else {
            "its rules between pods leave it places that have no room, offering or limit left"
        };
        let message = format!("{fate}: {}", texts.join("; "));
        Some(Reason::new("rules between pods", Code::Topology, message))
    }

    /// How everything suits the class's signature; shared by classes that differ in amounts only.
    pub(super) fn suits_of(&mut self, class: ClassId) -> Rc<Suits> {
        let signature = self.problem.classes[class].signature;
        if let Some(suits) = self.suits.get(&signature) {
            return Rc::clone(suits);
        }
        let asked = self.asked(class);
        let facts = self.facts();
        let book = &mut self.book;
        let of_pool = |(shapes, defined): (&Vec<_>, &std::collections::BTreeSet<Name>)| {
            let known = |key: &str| well_known(key) || defined.contains(key);
            shapes
                .iter()
                .map(|shape| suit(book, &asked, shape, &known))
                .collect()
        };
        let pools = facts
            .shapes
            .iter()
            .zip(&facts.defined)
            .map(of_pool)
            .collect();
        let nodes = self
            .views
            .nodes
            .iter()
            .map(|node| node_fails(&mut self.book, &asked, node))
            .collect();
        let suits = Rc::new(Suits {
            pools,
            nodes,
            asked,
        });
        self.suits.insert(signature, Rc::clone(&suits));
        suits
    }

    fn asked(&mut self, class: ClassId) -> Asked {
        let Some(pod) = self.first_pod(class) else {
            return Asked {
                terms: Vec::new(),
                without_volumes: None,
                tolerations: Vec::new(),
            };
        };
        let snapshot = self.views.snapshot;
        let own = node_terms(&pod.spec);
        let volumes = self
            .volumes
            .get_or_insert_with(|| Rc::new(Volumes::new(snapshot)));
        // A pod whose volumes cannot be read was refused before it became part of a class.
        let alternatives = volumes.alternatives(pod).unwrap_or_default();
        let constrain = alternatives.iter().any(|volume| !volume.is_empty());
        let terms = if constrain {
            own.iter()
                .flat_map(|term| {
                    alternatives.iter().map(|volume| {
                        let mut joined: Term = term.clone();
                        joined.requirements.add_all(volume);
                        joined
                    })
                })
                .collect()
        } else {
            own.clone()
        };
        Asked {
            terms,
            without_volumes: constrain.then_some(own),
            tolerations: pod.spec.tolerations.clone(),
        }
    }
}

const NO_POOLS: &str = "there is no NodePool, so no node can be added";
