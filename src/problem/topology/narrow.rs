//! What pods that run already mean for nodes: rules over host names narrow the nodes of classes before their pods are dealt
//! out to domains, so that no pod is dealt to a zone in which none of its nodes are.

use std::collections::BTreeMap;

use super::assign::{Base, Ground};
use super::domains::Standing;
use super::rules::Kind;
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::problem::sets::Sets;
use crate::problem::{NodeId, SetId};

impl Ground<'_> {
    /// Narrows the nodes of `bases` to those that anti-affinity and affinity over host names leave them given the pods that
    /// run. O(rules over host names x (classes + nodes)).
    pub fn narrow(&self, sets: &mut Sets, bases: &mut [Base], standing: &Standing) {
        for rule in 0..self.rules.rules.len() {
            if self.domains.key_of[rule].is_some() {
                continue;
            }
            match self.rules.rules[rule].kind {
                Kind::Anti => self.keep_apart(rule, sets, bases, standing),
                Kind::Affinity => self.keep_near(rule, sets, bases, standing),
                Kind::Spread { .. } => {}
            }
        }
    }

    /// The destinations with one of `hosts`.
    fn nodes_with(&self, hosts: &BTreeMap<u32, u32>) -> BitSet<NodeId> {
        let mut set: BitSet<NodeId> = BitSet::new(self.rows.len());
        for (node, view) in self.rows.enumerate() {
            if hosts.get(view).is_some_and(|count| *count > 0) {
                set.insert(node);
            }
        }
        set
    }

    /// Takes the nodes where a pod stands that an anti-affinity rule keeps apart, in either direction (S-95, S-96).
    fn keep_apart(&self, rule: usize, sets: &mut Sets, bases: &mut [Base], standing: &Standing) {
        let members = self.nodes_with(&standing.host_members[rule]);
        let owners = self.nodes_with(&standing.host_owners[rule]);
        let mut known: FastMap<(SetId, bool, bool), SetId> = FastMap::default();
        for base in bases.iter_mut() {
            let profile = &self.profiles[base.identity];
            let (own, spoken_of) = (profile.owns(rule), profile.counts(rule));
            let concerned = (own && !members.is_empty()) || (spoken_of && !owners.is_empty());
            if !concerned {
                continue;
            }
            base.nodes = *known
                .entry((base.nodes, own, spoken_of))
                .or_insert_with(|| {
                    let mut nodes = sets.nodes.get(base.nodes).clone();
                    if own {
                        nodes.difference_with(&members);
                    }
                    if spoken_of {
                        nodes.difference_with(&owners);
                    }
                    sets.nodes.intern(nodes)
                });
        }
    }

    /// Leaves pods that must be near pods that run only the nodes of those: a new node has none.
    fn keep_near(&self, rule: usize, sets: &mut Sets, bases: &mut [Base], standing: &Standing) {
        let near = self.nodes_with(&standing.host_members[rule]);
        if !Self::runs(rule, standing) {
            return;
        }
        let none = sets.options.intern(BitSet::new(self.table.options.len()));
        for base in bases.iter_mut() {
            if self.profiles[base.identity].owns(rule) {
                let mut nodes = sets.nodes.get(base.nodes).clone();
                nodes.intersect_with(&near);
                base.nodes = sets.nodes.intern(nodes);
                base.options = none;
            }
        }
    }

    /// Whether some pod that `rule` speaks of runs.
    pub(super) fn runs(rule: usize, standing: &Standing) -> bool {
        standing.host_members[rule].values().any(|count| *count > 0)
    }
}
