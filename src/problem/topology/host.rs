//! Rules over host names: what may share one node.
//!
//! A new node is always empty, so the least count over hosts is 0 and a spread of `maxSkew` n lets n selected pods on one
//! node (S-93). Anti-affinity makes classes exclude each other. Affinity to pods that run restricts to their nodes; among
//! pods that all wait, those that must share a node are bundled and placed as one (W-26).

use std::collections::BTreeMap;

use super::assign::{Base, Ground, Part};
use super::domains::Standing;
use super::rules::Kind;
use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::problem::classes::clash;
use crate::problem::{ClassId, HostShare, NodeId, fits};

/// What the parts are to each other on one node.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct HostRules {
    /// By part: parts that cannot share a node with it.
    pub excludes: Vec<Option<BitSet<ClassId>>>,
    /// By part: groups that it counts for or is limited by.
    pub shares: Vec<Vec<HostShare>>,
    /// Pods of a group that stand on a node already.
    pub standing: BTreeMap<(NodeId, u32), u32>,
    /// Pods that must share a node, as parts and counts; the pods stay listed with their parts.
    pub bundles: Vec<Vec<(usize, u32)>>,
    /// By part: how many of its pods are in bundles.
    pub bundled: Vec<u32>,
}

impl Ground<'_> {
    /// Settles the rules over host names: takes unsuitable nodes out of the parts and says what the parts are to each
    /// other. Pods that no bundle can take are held back.
    #[must_use]
    pub fn host_rules(
        &self,
        bases: &[Base],
        parts: &mut Vec<Part>,
        standing: &Standing,
    ) -> HostRules {
        let hosts: Vec<usize> = (0..self.rules.rules.len())
            .filter(|rule| self.domains.key_of[*rule].is_none())
            .collect();
        let mut result = HostRules::default();
        for rule in &hosts {
            match self.rules.rules[*rule].kind {
                Kind::Anti => self.keep_apart(*rule, bases, parts, standing),
                Kind::Affinity => self.keep_together(*rule, bases, parts, standing, &mut result),
                Kind::Spread { .. } => {}
            }
        }
        result.bundled.resize(parts.len(), 0);
        result.excludes.resize(parts.len(), None);
        result.shares.resize(parts.len(), Vec::new());
        let mut group = 0;
        for rule in hosts {
            let owners = self.parts_with(bases, parts, |identity| {
                identity.owned.binary_search(&rule).is_ok()
            });
            let members = self.parts_with(bases, parts, |identity| {
                identity.member.binary_search(&rule).is_ok()
            });
            match self.rules.rules[rule].kind {
                Kind::Anti => {
                    for (owner, member) in owners
                        .iter()
                        .flat_map(|o| members.iter().map(move |m| (*o, *m)))
                    {
                        exclude(&mut result.excludes, owner, member);
                        exclude(&mut result.excludes, member, owner);
                    }
                }
                Kind::Spread { max_skew, .. } if !owners.is_empty() => {
                    for part in 0..parts.len() {
                        let limit = owners.binary_search(&part).is_ok().then_some(max_skew);
                        let weight = u32::from(members.binary_search(&part).is_ok());
                        if limit.is_some() || weight > 0 {
                            result.shares[part].push(HostShare {
                                group,
                                weight,
                                limit,
                            });
                        }
                    }
                    for (node, view) in self.rows.enumerate() {
                        if let Some(count) = standing.host_members[rule].get(view) {
                            result.standing.insert((node, group), *count);
                        }
                    }
                    group += 1;
                }
                Kind::Spread { .. } | Kind::Affinity => {}
            }
        }
        result
    }

    fn parts_with(
        &self,
        bases: &[Base],
        parts: &[Part],
        has: impl Fn(&super::rules::Identity) -> bool,
    ) -> Vec<usize> {
        let identity = |part: &Part| &self.rules.identities[bases[part.base].identity];
        (0..parts.len())
            .filter(|at| has(identity(&parts[*at])))
            .collect()
    }

    /// Takes the nodes where a pod stands that an anti-affinity rule keeps apart, in either direction (S-95, S-96).
    fn keep_apart(&self, rule: usize, bases: &[Base], parts: &mut [Part], standing: &Standing) {
        for part in parts.iter_mut() {
            let identity = &self.rules.identities[bases[part.base].identity];
            let own = identity.owned.binary_search(&rule).is_ok();
            let spoken_of = identity.member.binary_search(&rule).is_ok();
            for (node, view) in self.rows.enumerate() {
                let stands =
                    |hosts: &BTreeMap<u32, u32>| hosts.get(view).is_some_and(|count| *count > 0);
                if (own && stands(&standing.host_members[rule]))
                    || (spoken_of && stands(&standing.host_owners[rule]))
                {
                    part.nodes.remove(node);
                }
            }
        }
    }

    /// Affinity over host names: to pods that run, their nodes; else bundles.
    fn keep_together(
        &self,
        rule: usize,
        bases: &[Base],
        parts: &mut Vec<Part>,
        standing: &Standing,
        result: &mut HostRules,
    ) {
        let owners = self.parts_with(bases, parts, |identity| {
            identity.owned.binary_search(&rule).is_ok()
        });
        if owners.is_empty() {
            return;
        }
        if standing.host_members[rule].values().any(|count| *count > 0) {
            for owner in owners {
                let part = &mut parts[owner];
                part.options.clear();
                for (node, view) in self.rows.enumerate() {
                    if !standing.host_members[rule].contains_key(view) {
                        part.nodes.remove(node);
                    }
                }
            }
            return;
        }
        result.bundled.resize(parts.len(), 0);
        let members = self.parts_with(bases, parts, |identity| {
            identity.member.binary_search(&rule).is_ok()
        });
        let own_target = owners
            .iter()
            .any(|owner| members.binary_search(owner).is_ok());
        let mut targets: Vec<usize> = if own_target {
            Vec::new()
        } else {
            members
                .iter()
                .flat_map(|m| std::iter::repeat_n(*m, parts[*m].pods.len()))
                .rev()
                .collect()
        };
        loop {
            let mut bundle = Bundle::new(self, bases, parts);
            if !own_target {
                let Some(target) = targets.pop() else { break };
                if bundle.add(target, result.bundled[target]) == 0 {
                    continue;
                }
            }
            for owner in &owners {
                while !parts[*owner].held_back && bundle.add(*owner, result.bundled[*owner]) > 0 {}
            }
            let gathered = bundle.content;
            let followers: u32 = gathered
                .iter()
                .filter(|(part, _)| owners.contains(part))
                .map(|(_, n)| *n)
                .sum();
            if followers == 0 {
                break;
            }
            for (part, count) in &gathered {
                result.bundled[*part] += count;
            }
            result.bundles.push(gathered);
            // Pods that are each other's target share one node and no more.
            if own_target {
                break;
            }
        }
        for owner in owners {
            let kept = result.bundled[owner] as usize;
            let part = &mut parts[owner];
            if part.held_back || kept >= part.pods.len() {
                continue;
            }
            let rest = part.pods.split_off(kept);
            let (options, nodes) = (
                BitSet::new(part.options.bound()),
                BitSet::new(part.nodes.bound()),
            );
            let held = Part {
                base: part.base,
                options,
                nodes,
                pods: rest,
                stands: Vec::new(),
                held_back: true,
            };
            parts.push(held);
        }
        result.bundled.resize(parts.len(), 0);
    }
}

fn exclude(excludes: &mut [Option<BitSet<ClassId>>], a: usize, b: usize) {
    let bound = excludes.len();
    excludes[a]
        .get_or_insert_with(|| BitSet::new(bound))
        .insert(ClassId::new(b));
}

/// Pods gathered for one node.
struct Bundle<'b> {
    ground: &'b Ground<'b>,
    bases: &'b [Base],
    parts: &'b [Part],
    content: Vec<(usize, u32)>,
    total: Vec<i64>,
}

impl<'b> Bundle<'b> {
    fn new(ground: &'b Ground<'b>, bases: &'b [Base], parts: &'b [Part]) -> Self {
        Self {
            ground,
            bases,
            parts,
            content: Vec::new(),
            total: vec![0; ground.dims],
        }
    }

    /// Whether pods of the two parts can never share a node: their ports clash, or anti-affinity keeps them apart.
    fn clash(&self, a: usize, b: usize) -> bool {
        let base = |part: usize| &self.bases[self.parts[part].base];
        let identity = |part: usize| &self.ground.rules.identities[base(part).identity];
        let repels = |x: usize, y: usize| {
            identity(x).owned.iter().any(|rule| {
                self.ground.domains.key_of[*rule].is_none()
                    && self.ground.rules.rules[*rule].kind == Kind::Anti
                    && identity(y).member.binary_search(rule).is_ok()
            })
        };
        clash(&base(a).ports, &base(b).ports) || repels(a, b) || repels(b, a)
    }

    /// Adds one pod of `part`, of which `taken` are in other bundles, if some node then still holds all; returns how many
    /// went in.
    fn add(&mut self, part: usize, taken: u32) -> u32 {
        let held = self
            .content
            .iter()
            .find(|(p, _)| *p == part)
            .map_or(0, |(_, n)| *n);
        if self.parts[part].pods.len() <= (taken + held) as usize {
            return 0;
        }
        if self
            .content
            .iter()
            .any(|(other, _)| self.clash(part, *other))
        {
            return 0;
        }
        let demand = &self.bases[self.parts[part].base].demand;
        let mut total = self.total.clone();
        total
            .iter_mut()
            .zip(demand)
            .for_each(|(sum, need)| *sum = sum.saturating_add(*need));
        let mut options = self.parts[part].options.clone();
        let mut nodes = self.parts[part].nodes.clone();
        for (other, _) in &self.content {
            options.intersect_with(&self.parts[*other].options);
            nodes.intersect_with(&self.parts[*other].nodes);
        }
        let dims = self.ground.dims;
        let on_new = options.iter().any(|option| {
            let room = self.ground.table.options[option].room.at();
            fits(&total, &self.ground.rooms[room * dims..][..dims])
        });
        if !on_new
            && !nodes
                .iter()
                .any(|node| fits(&total, &self.ground.node_rooms[node.at() * dims..][..dims]))
        {
            return 0;
        }
        self.total = total;
        match self.content.iter_mut().find(|(p, _)| *p == part) {
            Some((_, n)) => *n += 1,
            None => self.content.push((part, 1)),
        }
        1
    }
}
