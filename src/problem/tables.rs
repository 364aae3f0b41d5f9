//! The tables of a problem that have a row per class.

use std::sync::Arc;

use super::classes::{ClassKey, clash};
use super::sets::Sets;
use super::topology::assign::{Base, Part};
use super::topology::host::HostRules;
use super::topology::phases::Profile;
use super::{Class, ClassId, GangId, HostShare};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix, IxVec};
use crate::model::resources::{Name, ResourceList};
use crate::view::gangs::Membership;

/// The tables of a problem that have a row per class.
pub(super) struct ClassTables {
    pub(super) classes: IxVec<ClassId, Class>,
    pub(super) demand: Vec<i64>,
    pub(super) requests: IxVec<ClassId, Arc<ResourceList>>,
    pub(super) pods: IxVec<ClassId, Vec<u32>>,
    /// Which rules the pods have: a position in the rules' identities.
    pub(super) identities: IxVec<ClassId, usize>,
    /// The classes whose pods are in gangs, with which part of which.
    pub(super) members: Vec<(ClassId, Membership)>,
}

impl ClassTables {
    /// A row per part, then one per bundle.
    pub(super) fn new(
        keys: &[&ClassKey],
        requests: &[Arc<ResourceList>],
        bases: &[Base],
        shapes: &[Vec<i64>],
        profiles: &[Profile],
        mut parts: Vec<Part>,
        hosts: &mut HostRules,
        sets: &mut Sets,
    ) -> Self {
        exclude_ports(keys, &parts, hosts);
        let rows = parts.len() + hosts.bundles.len();
        let dims = shapes.first().map_or(0, Vec::len);
        let mut tables = Self {
            classes: IxVec::with_capacity(rows),
            demand: Vec::with_capacity(rows * dims),
            requests: IxVec::with_capacity(rows),
            pods: IxVec::with_capacity(rows),
            identities: IxVec::with_capacity(rows),
            members: Vec::new(),
        };
        for (at, part) in parts.iter_mut().enumerate() {
            let key = keys[part.base];
            let base = &bases[part.base];
            let count = part.pods.len() - hosts.bundled[at] as usize;
            let demand = &shapes[base.shape as usize];
            tables.demand.extend_from_slice(demand);
            tables.requests.push(Arc::clone(&requests[key.requests]));
            tables.pods.push(std::mem::take(&mut part.pods));
            tables.identities.push(base.identity);
            tables
                .members
                .extend(key.gang.map(|of| (ClassId::new(at), of)));
            tables.classes.push(Class {
                count: u32::try_from(count).unwrap_or(u32::MAX),
                priority: key.priority,
                signature: key.signature,
                options: part.options,
                nodes: part.nodes,
                anywhere: base.options,
                any_node: base.nodes,
                excludes: hosts.excludes[at].take(),
                shares: std::mem::take(&mut hosts.shares[at]),
                stands: std::mem::take(&mut part.stands),
                phase: profiles[base.identity].phase,
                bundle: Vec::new(),
                held_back: part.held_back,
                gang: key.gang.map(|(gang, _)| GangId::new(gang as usize)),
            });
        }
        for bundle in &hosts.bundles {
            tables.push_bundle(bundle, &parts, sets);
        }
        tables
    }

    /// Adds pods that must share a node as one class: what they ask for together, where all of them suit.
    fn push_bundle(&mut self, bundle: &[(usize, u32)], parts: &[Part], sets: &mut Sets) {
        let Some((first, _)) = bundle.first() else {
            return;
        };
        let mut options = sets.options.get(parts[*first].options).clone();
        let mut nodes = sets.nodes.get(parts[*first].nodes).clone();
        let dims = self.demand.len() / self.classes.len().max(1);
        let mut demand = vec![0i64; dims];
        let mut requests = ResourceList::new();
        let mut excludes: Option<BitSet<ClassId>> = None;
        let mut shares: Vec<HostShare> = Vec::new();
        let mut priority = i32::MIN;
        for (part, count) in bundle {
            let id = ClassId::new(*part);
            options.intersect_with(sets.options.get(parts[*part].options));
            nodes.intersect_with(sets.nodes.get(parts[*part].nodes));
            for (sum, need) in demand.iter_mut().zip(&self.demand[part * dims..][..dims]) {
                *sum = sum.saturating_add(need.saturating_mul(i64::from(*count)));
            }
            let mut own = ResourceList::clone(&self.requests[id]);
            for (name, quantity) in self.requests[id].iter() {
                own.set_shared(Name::clone(name), quantity.times(i64::from(*count)));
            }
            requests.add(&own);
            let row = &self.classes[id];
            if let Some(set) = &row.excludes {
                excludes
                    .get_or_insert_with(|| BitSet::new(set.bound()))
                    .union_with(set);
            }
            for share in &row.shares {
                let weight = share.weight.saturating_mul(*count);
                match shares.iter_mut().find(|held| held.group == share.group) {
                    Some(held) => {
                        held.weight = held.weight.saturating_add(weight);
                        held.limit = [held.limit, share.limit].into_iter().flatten().min();
                    }
                    None => shares.push(HostShare { weight, ..*share }),
                }
            }
            priority = priority.max(row.priority);
        }
        self.demand.extend(demand);
        self.requests.push(Arc::new(requests));
        self.pods.push(Vec::new());
        self.identities.push(0);
        let signature = self.classes[ClassId::new(*first)].signature;
        let (options, nodes) = (sets.options.intern(options), sets.nodes.intern(nodes));
        self.classes.push(Class {
            count: 1,
            priority,
            signature,
            anywhere: options,
            any_node: nodes,
            options,
            nodes,
            excludes,
            shares,
            stands: Vec::new(),
            phase: 0,
            bundle: bundle
                .iter()
                .map(|(part, count)| (ClassId::new(*part), *count))
                .collect(),
            held_back: false,
            gang: None,
        });
    }
}

/// Classes whose host ports clash cannot share a node (S-110).
fn exclude_ports(keys: &[&ClassKey], parts: &[Part], hosts: &mut HostRules) {
    let with_ports: Vec<usize> = (0..parts.len())
        .filter(|at| !keys[parts[*at].base].ports.is_empty())
        .collect();
    for a in &with_ports {
        for b in &with_ports {
            if clash(&keys[parts[*a].base].ports, &keys[parts[*b].base].ports) {
                let bound = parts.len();
                let set = hosts.excludes[*a].get_or_insert_with(|| BitSet::new(bound));
                set.insert(ClassId::new(*b));
            }
        }
    }
}
