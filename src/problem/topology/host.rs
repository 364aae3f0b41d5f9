//! Rules over host names: what may share one node.
//!
//! A new node is always empty, so the least count over hosts is 0 and a spread of `maxSkew` n lets n selected pods on one
//! node (S-93); pods that it speaks of but that can be bound later are not counted ([`phases`](super::phases)). Anti-affinity makes classes exclude each other. Among pods that
//! all wait, those that must share a node are bundled and placed as one (W-26); pods that run narrow the
//! nodes before.

use std::collections::BTreeMap;

use super::assign::{Base, Ground, Part};
use super::domains::Standing;
use super::phases::Profile;
use super::rules::Kind;
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::classes::clash;
use crate::problem::sets::Sets;
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
    /// Settles the rules over host names among pods that wait: says what the parts are to each other. Pods that no bundle
    /// can take are held back.
    #[must_use]
    pub fn host_rules(
        &self,
        sets: &mut Sets,
        bases: &[Base],
        parts: &mut Vec<Part>,
        standing: &Standing,
    ) -> HostRules {
        let hosts: Vec<usize> = (0..self.rules.rules.len())
            .filter(|rule| self.domains.key_of[*rule].is_none())
            .collect();
        let mut result = HostRules::default();
        for rule in &hosts {
            if self.rules.rules[*rule].kind == Kind::Affinity && !Self::runs(*rule, standing) {
                self.keep_together(*rule, sets, bases, parts, &mut result);
            }
        }
        result.bundled.resize(parts.len(), 0);
        result.excludes.resize(parts.len(), None);
        for rule in &hosts {
            if self.rules.rules[*rule].kind == Kind::Anti {
                let owners = self.parts_with(bases, parts, |profile| profile.owns(*rule));
                let members = self.parts_with(bases, parts, |profile| profile.counts(*rule));
                result.set_apart(&owners, &members);
            }
        }
        let shares = self.host_shares(&hosts);
        result.shares = parts
            .iter()
            .map(|part| shares.of[bases[part.base].identity].clone())
            .collect();
        for (group, rules) in shares.groups.iter().enumerate() {
            let group = u32::try_from(group).unwrap_or(u32::MAX);
            for (node, view) in self.rows.enumerate() {
                let there = rules.iter().map(|rule| &standing.host_members[*rule]);
                let most = there.filter_map(|hosts| hosts.get(view)).max();
                if let Some(count) = most {
                    result.standing.insert((node, group), *count);
                }
            }
        }
        result
    }

    fn parts_with(
        &self,
        bases: &[Base],
        parts: &[Part],
        has: impl Fn(&Profile) -> bool,
    ) -> Vec<usize> {
        let by_identity: Vec<bool> = self.profiles.iter().map(has).collect();
        (0..parts.len())
            .filter(|at| by_identity[bases[parts[*at].base].identity])
            .collect()
    }

    /// How pods of each identity share a node as spreads over host names have it.
    ///
    /// Those who have such a rule and are counted by it are limited to `maxSkew`. Those who have one that does not count
    /// them see only pods of their own knot, because the others are bound later; where a knot has many such kinds, they are
    /// limited together, so that pods which ask for the same stay alike.
    fn host_shares(&self, hosts: &[usize]) -> Shares {
        let spread = |rule: &usize| match self.rules.rules[*rule].kind {
            Kind::Spread { max_skew, .. } if self.domains.key_of[*rule].is_none() => Some(max_skew),
            Kind::Spread { .. } | Kind::Affinity | Kind::Anti => None,
        };
        let owned = |profile: &Profile| -> Vec<(usize, u32)> {
            let all = profile.owned.iter();
            all.filter_map(|rule| Some((*rule, spread(rule)?)))
                .collect()
        };
        let loose = |profile: &Profile| owned(profile).iter().any(|(r, _)| !profile.counts(*r));
        let mut knots: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
        for profile in self.profiles.iter().filter(|p| !owned(p).is_empty()) {
            let held = knots.entry(profile.knot).or_insert((0, false));
            held.0 += 1;
            held.1 |= loose(profile);
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut group_of: FastMap<(Option<u32>, usize), u32> = FastMap::default();
        let mut group = |knot: Option<u32>, rule: usize, groups: &mut Vec<Vec<usize>>| {
            *group_of.entry((knot, rule)).or_insert_with(|| {
                groups.push(Vec::new());
                u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let mut of: Vec<Vec<HostShare>> = vec![Vec::new(); self.profiles.len()];
        // Rules first, so that groups are numbered by them and not by the order of the pods.
        for rule in hosts.iter().filter(|rule| spread(rule).is_some()) {
            for (profile, shares) in self.profiles.iter().zip(&mut of) {
                let own = owned(profile);
                let many = knots
                    .get(&profile.knot)
                    .is_some_and(|(n, l)| *l && *n > FEW_KINDS);
                // Pods without such a rule could be bound after those that have one, but rules of their own may make that
                // order hard to see: where few kinds are in question they are counted all the same.
                if own.is_empty() && many {
                    continue;
                }
                let limit = own.iter().find(|(r, _)| r == rule).map(|(_, skew)| *skew);
                let weight = u32::from(profile.counts(*rule));
                let mut add = |group: u32, weight: u32, limit: Option<u32>| match shares
                    .iter_mut()
                    .find(|share| share.group == group)
                {
                    Some(held) => {
                        held.limit = [held.limit, limit].into_iter().flatten().min();
                    }
                    None => shares.push(HostShare {
                        group,
                        weight,
                        limit,
                    }),
                };
                if weight > 0 || (!many && limit.is_some()) {
                    let at = group(None, *rule, &mut groups);
                    groups[at as usize] = vec![*rule];
                    add(at, weight, limit);
                }
                if many && (limit.is_some() || weight > 0) {
                    let at = group(Some(profile.knot), usize::MAX, &mut groups);
                    if !groups[at as usize].contains(rule) {
                        groups[at as usize].push(*rule);
                    }
                    // One of them is the pod itself.
                    let alone = limit.filter(|_| weight == 0);
                    add(at, 1, alone.map(|skew| skew.saturating_add(1)));
                }
            }
        }
        Shares { of, groups }
    }

    /// Affinity over host names among pods that all wait: bundles.
    fn keep_together(
        &self,
        rule: usize,
        sets: &mut Sets,
        bases: &[Base],
        parts: &mut Vec<Part>,
        result: &mut HostRules,
    ) {
        let owners = self.parts_with(bases, parts, |profile| profile.owns(rule));
        if owners.is_empty() {
            return;
        }
        result.bundled.resize(parts.len(), 0);
        let members = self.parts_with(bases, parts, |profile| profile.counts(rule));
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
            let mut bundle = Bundle::new(self, sets, bases, parts);
            if !own_target {
                let Some(target) = targets.pop() else { break };
                if bundle.add(target, result.bundled[target]) == 0 {
                    continue;
                }
            }
            // Pods that are targets themselves go first; without one of them the others have nobody to be near.
            let (near, far): (Vec<usize>, Vec<usize>) = owners
                .iter()
                .partition(|owner| members.binary_search(owner).is_ok());
            for (at, owner) in near.iter().chain(&far).enumerate() {
                if own_target && at >= near.len() && bundle.content.is_empty() {
                    break;
                }
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
            // Others were dealt out as if these stood where they were dealt to.
            let stands = part.stands.clone();
            let held = self.held_back(sets, part.base, rest);
            parts.push(Part { stands, ..held });
        }
        result.bundled.resize(parts.len(), 0);
    }
}

impl HostRules {
    /// Keeps every part of `owners` apart from every part of `members`.
    pub(in crate::problem) fn set_apart(&mut self, owners: &[usize], members: &[usize]) {
        let bound = self.excludes.len();
        for (from, to) in [(owners, members), (members, owners)] {
            let mut set = BitSet::new(bound);
            to.iter().for_each(|part| set.insert(ClassId::new(*part)));
            for part in from {
                self.excludes[*part]
                    .get_or_insert_with(|| BitSet::new(bound))
                    .union_with(&set);
            }
        }
    }
}

/// How many kinds of pods with spreads over host names that speak of each other are told apart on one node.
const FEW_KINDS: usize = 8;

/// What identities mean for groups whose number on one node is limited.
struct Shares {
    /// By identity.
    of: Vec<Vec<HostShare>>,
    /// By group: the rules it stands for.
    groups: Vec<Vec<usize>>,
}

/// Pods gathered for one node.
struct Bundle<'b> {
    ground: &'b Ground<'b>,
    sets: &'b Sets,
    bases: &'b [Base],
    parts: &'b [Part],
    content: Vec<(usize, u32)>,
    total: Vec<i64>,
}

impl<'b> Bundle<'b> {
    fn new(ground: &'b Ground<'b>, sets: &'b Sets, bases: &'b [Base], parts: &'b [Part]) -> Self {
        Self {
            ground,
            sets,
            bases,
            parts,
            content: Vec::new(),
            total: vec![0; ground.dims],
        }
    }

    /// Whether pods of the two parts can never share a node: their ports clash, or anti-affinity keeps them apart.
    fn clash(&self, a: usize, b: usize) -> bool {
        let base = |part: usize| &self.bases[self.parts[part].base];
        let profile = |part: usize| &self.ground.profiles[base(part).identity];
        let repels = |x: usize, y: usize| {
            profile(x).owned.iter().any(|rule| {
                self.ground.domains.key_of[*rule].is_none()
                    && self.ground.rules.rules[*rule].kind == Kind::Anti
                    && profile(y).counts(*rule)
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
        let demand = &self.ground.shapes[self.bases[self.parts[part].base].shape as usize];
        let mut total = self.total.clone();
        total
            .iter_mut()
            .zip(demand)
            .for_each(|(sum, need)| *sum = sum.saturating_add(*need));
        let mut options = self.sets.options.get(self.parts[part].options).clone();
        let mut nodes = self.sets.nodes.get(self.parts[part].nodes).clone();
        for (other, _) in &self.content {
            options.intersect_with(self.sets.options.get(self.parts[*other].options));
            nodes.intersect_with(self.sets.nodes.get(self.parts[*other].nodes));
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
