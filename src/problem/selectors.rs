//! What pods ask of nodes, compiled: alternatives against pairs, offerings, nodes and label states.

use std::collections::{BTreeMap, BTreeSet};

use super::{OptionId, PairId, SignatureId, StateId, States, TermId};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix as _, IxVec};
use crate::model::requirement::Requirements;
use crate::model::resources::Name;
use crate::model::taint::{Taint, Toleration, untolerated};
use crate::view::nodes::ExistingNode;
use crate::view::pods::Term;
use crate::view::pools::{NodeLabels, OFFERING_KEYS, absent_is_fine, labels_meet, offering_meets};

use super::options::OptionTable;

/// How many label states there may be. Beyond it, pods that would need a further state do not join such a node.
const MAX_STATES: usize = 4096;

/// Alternatives and signatures, interned.
#[derive(Debug, Default)]
pub struct Selectors {
    terms: IxVec<TermId, Term>,
    term_ids: FastMap<Term, TermId>,
    signatures: IxVec<SignatureId, (Vec<TermId>, Vec<Toleration>)>,
    signature_ids: FastMap<(Vec<TermId>, Vec<Toleration>), SignatureId>,
    /// The last signature without requirements, with its tolerations as they were given.
    plain: Option<(Vec<Toleration>, SignatureId)>,
}

impl Selectors {
    /// The signature of pods with these alternatives and tolerations.
    pub fn signature(&mut self, terms: Vec<Term>, tolerations: &[Toleration]) -> SignatureId {
        let mut ids = Vec::with_capacity(terms.len());
        for term in terms {
            let id = match self.term_ids.get(&term) {
                Some(id) => *id,
                None => {
                    let id = self.terms.push(term.clone());
                    self.term_ids.insert(term, id);
                    id
                }
            };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let mut tolerations = tolerations.to_vec();
        tolerations.sort();
        tolerations.dedup();
        let key = (ids, tolerations);
        if let Some(id) = self.signature_ids.get(&key) {
            return *id;
        }
        let id = self.signatures.push(key.clone());
        self.signature_ids.insert(key, id);
        id
    }

    /// The signature of pods that ask for nothing but tolerate this.
    pub fn plain(&mut self, tolerations: &[Toleration]) -> SignatureId {
        match &self.plain {
            Some((held, id)) if held == tolerations => *id,
            _ => {
                let id = self.signature(vec![Term::default()], tolerations);
                self.plain = Some((tolerations.to_vec(), id));
                id
            }
        }
    }

    /// How many signatures there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.signatures.len()
    }

    /// Whether there is no signature.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// The alternatives of each signature.
    #[must_use]
    pub fn terms_by_signature(&self) -> IxVec<SignatureId, Vec<TermId>> {
        self.signatures
            .iter()
            .map(|(terms, _)| terms.clone())
            .collect()
    }

    /// The options that each alternative suits, taints apart. O(terms x (pairs + options)).
    #[must_use]
    pub fn term_options(&self, table: &OptionTable<'_>) -> IxVec<TermId, BitSet<OptionId>> {
        self.terms.iter().map(|term| suited(term, table)).collect()
    }

    /// The options that each signature suits. O(signatures x (pairs + options)).
    #[must_use]
    pub fn signature_options(
        &self,
        table: &OptionTable<'_>,
        by_term: &IxVec<TermId, BitSet<OptionId>>,
    ) -> IxVec<SignatureId, BitSet<OptionId>> {
        self.signatures
            .iter()
            .map(|(terms, tolerations)| {
                let mut set = BitSet::new(table.options.len());
                for term in terms {
                    set.union_with(&by_term[*term]);
                }
                let mut known: Vec<(&[Taint], bool)> = Vec::new();
                for (pair, row) in table.pairs.enumerate() {
                    let taints = table.taints[pair].as_slice();
                    if taints.is_empty() {
                        continue;
                    }
                    let kept_away = match known.iter().find(|(held, _)| *held == taints) {
                        Some((_, kept_away)) => *kept_away,
                        None => {
                            let kept_away = untolerated(taints, tolerations, false).is_some();
                            known.push((taints, kept_away));
                            kept_away
                        }
                    };
                    if kept_away {
                        row.options
                            .clone()
                            .for_each(|at| set.remove(OptionId::new(at as usize)));
                    }
                }
                set
            })
            .collect()
    }

    /// Whether `node` suits each signature. Nodes that look alike are tested once by the caller.
    #[must_use]
    pub fn suits_node(&self, node: &ExistingNode<'_>) -> Vec<bool> {
        let by_term: Vec<bool> = self.terms.iter().map(|term| node.suits(term)).collect();
        self.signatures
            .iter()
            .map(|(terms, tolerations)| {
                terms.iter().any(|term| by_term[term.at()])
                    && untolerated(&node.taints, tolerations, false).is_none()
            })
            .collect()
    }

    /// The label keys that some alternative asks about, and whether some asks about node names.
    #[must_use]
    pub fn asked_keys(&self) -> (BTreeSet<Name>, bool) {
        let keys = self
            .terms
            .iter()
            .flat_map(|term| {
                term.requirements
                    .iter()
                    .map(|asked| Name::clone(asked.key()))
            })
            .collect();
        (keys, self.terms.iter().any(|term| !term.names.is_empty()))
    }

    /// The label states that pods can lead to from the pairs' initial ones, and each pair's initial state.
    #[must_use]
    pub fn states(&self, labels: &IxVec<PairId, NodeLabels>) -> (States, IxVec<PairId, StateId>) {
        let (asked, _) = self.asked_keys();
        let mut known: IxVec<StateId, Requirements> = IxVec::new();
        let mut ids: BTreeMap<Requirements, StateId> = BTreeMap::new();
        let decided = known.push(Requirements::new());
        ids.insert(Requirements::new(), decided);
        let mut initial = IxVec::new();
        for held in labels.iter() {
            // Keys that no pod asks about can take any of their values: they do not tell states apart.
            let open: Requirements = held
                .open
                .iter()
                .filter(|r| asked.contains(r.key()))
                .cloned()
                .collect();
            let state = *ids.entry(open.clone()).or_insert_with(|| known.push(open));
            initial.push(state);
        }
        let mut moves: IxVec<StateId, Vec<Option<StateId>>> = IxVec::new();
        moves.push(Vec::new());
        let mut at = 1;
        while at < known.len() {
            let here = known[StateId::new(at)].clone();
            let mut row = Vec::with_capacity(self.terms.len());
            for term in self.terms.iter() {
                row.push(step(&here, term).and_then(|next| match ids.get(&next) {
                    Some(id) => Some(*id),
                    None if known.len() < MAX_STATES => {
                        let id = known.push(next.clone());
                        ids.insert(next, id);
                        Some(id)
                    }
                    None => None,
                }));
            }
            moves.push(row);
            at += 1;
        }
        (States { moves }, initial)
    }
}

/// The undecided labels after a pod with `term` joins; `None` where it cannot.
fn step(here: &Requirements, term: &Term) -> Option<Requirements> {
    let mut next = here.clone();
    for asked in term.requirements.iter() {
        let Some(held) = here.get(asked.key()) else {
            continue;
        };
        if held.intersects(asked) {
            next.add(asked.clone());
        } else if !(absent_is_fine(held) && absent_is_fine(asked)) {
            return None;
        }
    }
    Some(next)
}

/// The options that `term` suits, taints apart.
#[must_use]
pub fn suited(term: &Term, table: &OptionTable<'_>) -> BitSet<OptionId> {
    let mut set = BitSet::new(table.options.len());
    if !term.names.is_empty() {
        return set;
    }
    let by_offering: Vec<_> = term
        .requirements
        .iter()
        .filter(|r| OFFERING_KEYS.contains(&r.key().as_ref()))
        .collect();
    let places: Vec<bool> = table
        .places
        .iter()
        .map(|place| by_offering.iter().all(|asked| offering_meets(asked, place)))
        .collect();
    for (pair, row) in table.pairs.enumerate() {
        let labels = &table.labels[pair];
        if term
            .requirements
            .iter()
            .all(|asked| labels_meet(labels, asked))
        {
            for at in row.options.clone() {
                let option = OptionId::new(at as usize);
                if places[table.option_places[option] as usize] {
                    set.insert(option);
                }
            }
        }
    }
    set
}
