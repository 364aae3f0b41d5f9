//! One HyperPod instance group: what it offers, why it does not, and what the plan adds to it.

use std::collections::{BTreeMap, BTreeSet};

use super::number;
use crate::explain::reason::{Code, Reason};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{InstanceType, Offering};
use crate::model::resources::Name;
use crate::plan::Plan;

/// What the instance group `name` offers and what the plan adds to it; `None` if nothing tells of such a group.
/// O(classes x types x offerings).
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    capacity: &BTreeMap<Name, ClassCapacity>,
    plan: &Plan,
    name: &str,
) -> Option<Reason> {
    let subject = format!("instance group {name}");
    let mut parts = Vec::new();
    let mut refusals: Vec<&Reason> = Vec::new();
    let mut classes = Vec::new();
    let mut offered = 0;
    for (class, held) in capacity {
        let of_group = |offering: &&Offering| offering.instance_group.as_deref() == Some(name);
        let types: Vec<&InstanceType> = held
            .types
            .iter()
            .filter(|t| t.offerings.iter().any(|o| of_group(&o)))
            .collect();
        let named = snapshot.node_classes.iter().any(|c| {
            c.name == *class && c.instance_groups.iter().any(|group| group.as_ref() == name)
        });
        if !named && types.is_empty() {
            continue;
        }
        classes.push(class.as_ref());
        offered += types.len();
        let ours = |note: &&Reason| {
            note.subject == subject || note.subject.ends_with(&format!(" of {subject}"))
        };
        let notes: Vec<&Reason> = held.notes.iter().filter(ours).collect();
        if let Err(reason) = &held.ready {
            refusals.push(reason);
        }
        refusals.extend(
            notes
                .iter()
                .copied()
                .filter(|n| n.code == Code::GroupRefused && n.subject == subject),
        );
        parts.extend(
            notes
                .into_iter()
                .filter(|n| n.subject != subject || n.code != Code::GroupRefused)
                .cloned(),
        );
        parts.extend(types.into_iter().map(|t| type_part(t, &of_group)));
    }
    let record = snapshot
        .cluster
        .iter()
        .flat_map(|cluster| &cluster.instance_groups)
        .find(|group| group.name.as_ref() == name);
    if classes.is_empty() && record.is_none() {
        return None;
    }
    let mut message = match (classes.as_slice(), refusals.first()) {
        ([], _) => "no HyperpodNodeClass names it, so the autoscaler does not use it".to_owned(),
        (_, Some(refused)) => refused.message.clone(),
        ([class], None) => format!(
            "offers {} through node class {class}",
            number(offered, "instance type")
        ),
        (classes, None) => format!(
            "offers {} through node classes {}",
            number(offered, "instance type"),
            classes.join(", ")
        ),
    };
    if let Some(record) = record {
        let counts = format!(
            "; it has {} of {} nodes",
            record.current_count, record.target_count
        );
        message.push_str(&counts);
    }
    let code = match (classes.is_empty(), refusals.first()) {
        (true, _) => Code::GroupRefused,
        (false, Some(refused)) => refused.code,
        (false, None) => Code::Usable,
    };
    parts.extend(refusals.into_iter().cloned());
    parts.extend(added(plan, name));
    Some(Reason::new(subject, code, message).with_parts(parts))
}

fn type_part(instance_type: &InstanceType, of_group: &dyn Fn(&&Offering) -> bool) -> Reason {
    let offerings = || instance_type.offerings.iter().filter(|o| of_group(o));
    let places: BTreeSet<String> = offerings()
        .map(|o| {
            let price = o.price.map_or_else(
                || "price not publicly known".to_owned(),
                |p| format!("${p}/h"),
            );
            let state = if o.available {
                ""
            } else {
                ", not available at present"
            };
            format!("{} {} {price}{state}", o.zone, o.capacity_type)
        })
        .collect();
    let code = if offerings().all(|o| o.price.is_none()) {
        Code::UnknownPrice
    } else {
        Code::Usable
    };
    let places: Vec<String> = places.into_iter().collect();
    Reason::new(
        format!("instance type {}", instance_type.name),
        code,
        places.join("; "),
    )
}

fn added(plan: &Plan, name: &str) -> Vec<Reason> {
    let entries: Vec<_> = plan
        .scaling
        .iter()
        .flat_map(|request| &request.nodes_to_add)
        .filter(|entry| entry.instance_group_name.as_ref() == name)
        .collect();
    if entries.is_empty() {
        return vec![Reason::new("this plan", Code::Usable, "adds no node to it")];
    }
    entries
        .into_iter()
        .map(|entry| {
            let count = entry.increment_target_count_by;
            let only = |what: &str, names: &[Name]| {
                let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                match names.as_slice() {
                    [] => String::new(),
                    names => format!(", {what} {}", names.join(" or ")),
                }
            };
            let message = format!(
                "adds {}{}{}",
                number(count as usize, "node"),
                only("in", &entry.availability_zones),
                only("of", &entry.instance_types)
            );
            Reason::new("this plan", Code::Placed, message)
        })
        .collect()
}
