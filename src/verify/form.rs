//! The node that an offering would become in a NodePool: labels, taints, room.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::{self, Labels};
use crate::model::node_pool::NodePool;
use crate::model::pod::PodSpec;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::Taint;

use super::selection;

/// How many combinations of undetermined labels are tried at most.
const MOST_COMBINATIONS: usize = 5_000;
/// The name of a node that has none yet. No pod can select it.
pub(super) const NAMELESS: &str = "node-to-be";

/// A node as it would be.
#[derive(Debug)]
pub(super) struct Form {
    /// Labels that are determined, with older names added.
    labels: Labels,
    /// Labels of which several values are possible.
    open: Vec<OpenLabel>,
    /// Requirements of the pool that this offering breaks.
    pub(super) broken: Vec<RequirementSpec>,
    pub(super) taints: Vec<Taint>,
    pub(super) allocatable: ResourceList,
}

/// A label that the provider or Karpenter will pick a value for (S-51).
#[derive(Debug)]
struct OpenLabel {
    key: Name,
    /// The values there are, where the instance type lists them.
    listed: Option<Vec<Name>>,
    requirements: Vec<RequirementSpec>,
}

impl OpenLabel {
    fn allows(&self, value: Option<&str>) -> bool {
        self.requirements
            .iter()
            .all(|r| selection::value_passes(value, r))
    }

    /// Whether requirements leave it one value.
    fn is_decided(&self) -> bool {
        let listed = self.listed.as_ref().or_else(|| {
            let ins = self
                .requirements
                .iter()
                .find(|r| r.operator == Operator::In);
            ins.map(|r| &r.values)
        });
        listed.is_some_and(|values| {
            let mut allowed: Vec<&Name> = values.iter().filter(|v| self.allows(Some(v))).collect();
            allowed.sort();
            allowed.dedup();
            allowed.len() == 1
        })
    }

    /// Values to try, those the pods speak of among them; `None` is to leave the label out.
    fn candidates(&self, specs: &[&PodSpec]) -> Vec<Option<Name>> {
        let mut values = match &self.listed {
            Some(values) => values.clone(),
            None => {
                let mut values: Vec<Name> = self
                    .requirements
                    .iter()
                    .flat_map(selection::boundary_values)
                    .chain(
                        specs
                            .iter()
                            .flat_map(|spec| selection::values_of_interest(spec, &self.key)),
                    )
                    .chain([Name::from("zz-another-value")])
                    .collect();
                values.sort();
                values.dedup();
                values
            }
        };
        values.retain(|value| self.allows(Some(value)));
        let mut candidates: Vec<Option<Name>> = values.into_iter().map(Some).collect();
        if self.listed.is_none() && self.allows(None) {
            candidates.push(None);
        }
        candidates
    }
}

impl Form {
    /// The node that `entry` becomes when `pool` buys it by `offering`.
    fn new(pool: &NodePool, entry: &InstanceType, offering: &Offering) -> Self {
        let mut labels = pool.template_labels.clone();
        labels.set(label::NODE_POOL, Name::clone(&pool.name));
        labels.set(
            pool.node_class_ref.label_key(),
            Name::clone(&pool.node_class_ref.name),
        );
        let mut several: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        let mut absent: Vec<Name> = Vec::new();
        for requirement in &entry.requirements {
            let key = Name::from(label::normalize(&requirement.key));
            match (requirement.operator, requirement.values.as_slice()) {
                (Operator::In, [value]) => labels.set(key, Name::clone(value)),
                (Operator::In, values) => {
                    several.insert(key, values.to_vec());
                }
                _ => absent.push(key),
            }
        }
        let fixed = [
            (label::INSTANCE_TYPE, Some(&entry.name)),
            (label::ZONE, Some(&offering.zone)),
            (label::RESERVATION_ID, offering.reservation_id.as_ref()),
            (label::INSTANCE_GROUP, offering.instance_group.as_ref()),
        ];
        for (key, value) in fixed {
            if let Some(value) = value {
                labels.set(key, Name::clone(value));
            }
        }
        labels.set(label::CAPACITY_TYPE, offering.capacity_type.as_str());
        labels.set(label::HOSTNAME, NAMELESS);
        labels.set(label::REGISTERED, "true");
        labels.set(label::INITIALIZED, "true");
        several.retain(|key, _| labels.get(key).is_none());

        let mut form = Self {
            labels,
            open: several
                .into_iter()
                .map(|(key, values)| OpenLabel {
                    key,
                    listed: Some(values),
                    requirements: Vec::new(),
                })
                .collect(),
            broken: Vec::new(),
            taints: pool.taints.iter().chain(&entry.taints).cloned().collect(),
            allocatable: entry.allocatable(),
        };
        for requirement in &pool.requirements {
            form.require(requirement, &absent);
        }
        let broken = form
            .open
            .iter()
            .filter(|open| open.candidates(&[]).is_empty());
        form.broken
            .extend(broken.filter_map(|open| open.requirements.first().cloned()));
        form.open.sort_by(|a, b| a.key.cmp(&b.key));
        selection::add_aliases(&mut form.labels);
        form
    }

    /// Applies one requirement of the pool.
    fn require(&mut self, requirement: &RequirementSpec, absent: &[Name]) {
        let key = label::normalize(&requirement.key);
        let value = self.labels.get(key);
        if value.is_some() || absent.iter().any(|k| k.as_ref() == key) {
            if !selection::value_passes(value, requirement) {
                self.broken.push(requirement.clone());
            }
            return;
        }
        match self.open.iter_mut().find(|open| open.key.as_ref() == key) {
            Some(open) => open.requirements.push(requirement.clone()),
            None => self.open.push(OpenLabel {
                key: Name::from(key),
                listed: None,
                requirements: vec![requirement.clone()],
            }),
        }
    }

    /// Keys of the labels whose value is not determined.
    pub(super) fn undecided(&self) -> Vec<Name> {
        let open = self.open.iter().filter(|open| !open.is_decided());
        open.map(|open| Name::clone(&open.key)).collect()
    }

    /// Picks values for the open labels so that as many of `specs` as possible are admitted. Returns the labels and the
    /// positions of the specs that are not.
    pub(super) fn settle(&self, specs: &[&PodSpec]) -> (Cow<'_, Labels>, Vec<usize>) {
        let refused = |labels: &Labels| -> Vec<usize> {
            let all = specs.iter().enumerate();
            all.filter(|(_, spec)| !selection::admits(spec, labels, NAMELESS))
                .map(|(at, _)| at)
                .collect()
        };
        if self.open.is_empty() {
            let failing = refused(&self.labels);
            return (Cow::Borrowed(&self.labels), failing);
        }
        // Values of a label that no pod speaks of change no answer: the first one stands for all.
        let choices: Vec<(&Name, Vec<Option<Name>>)> = self
            .open
            .iter()
            .map(|open| {
                let mut candidates = open.candidates(specs);
                if !specs
                    .iter()
                    .any(|spec| selection::mentions(spec, &open.key))
                {
                    candidates.truncate(1);
                }
                (&open.key, candidates)
            })
            .collect();
        let mut best: Option<(Labels, Vec<usize>)> = None;
        for number in 0..MOST_COMBINATIONS {
            let Some(labels) = self.combination(&choices, number) else {
                break;
            };
            let failing = refused(&labels);
            let done = failing.is_empty();
            if best.as_ref().is_none_or(|(_, b)| failing.len() < b.len()) {
                best = Some((labels, failing));
            }
            if done {
                break;
            }
        }
        match best {
            Some((labels, failing)) => (Cow::Owned(labels), failing),
            None => (Cow::Borrowed(&self.labels), refused(&self.labels)),
        }
    }

    /// The `number`-th combination of `choices`, the last label varying fastest; `None` past the last one.
    fn combination(&self, choices: &[(&Name, Vec<Option<Name>>)], number: usize) -> Option<Labels> {
        let mut labels = self.labels.clone();
        let mut rest = number;
        for (key, candidates) in choices.iter().rev() {
            let Some(count) = std::num::NonZeroUsize::new(candidates.len()) else {
                continue;
            };
            if let Some(Some(value)) = candidates.get(rest % count) {
                labels.set(Name::clone(key), Name::clone(value));
            }
            rest /= count;
        }
        (rest == 0).then_some(labels)
    }
}

/// Forms made so far: claims that buy alike share them.
#[derive(Debug, Default)]
pub(super) struct Forms(BTreeMap<(Name, usize, usize), Rc<Form>>);

impl Forms {
    /// The form of offering `at.1` of entry `at.0` of the pool's types; an offering that does not exist is not kept.
    pub(super) fn get(
        &mut self,
        pool: &NodePool,
        types: &[InstanceType],
        at: (usize, usize),
    ) -> Option<Rc<Form>> {
        let entry = types.get(at.0)?;
        let offering = entry.offerings.get(at.1)?;
        let key = (Name::clone(&pool.name), at.0, at.1);
        let form = self
            .0
            .entry(key)
            .or_insert_with(|| Rc::new(Form::new(pool, entry, offering)));
        Some(Rc::clone(form))
    }
}

/// The form of an offering that the catalogue lacks, so that the claim's pods can be judged all the same.
pub(super) fn imagined(
    pool: &NodePool,
    entry: &InstanceType,
    zone: &Name,
    capacity_type: CapacityType,
) -> Rc<Form> {
    let offering = Offering::new(Name::clone(zone), capacity_type, None);
    Rc::new(Form::new(pool, entry, &offering))
}
