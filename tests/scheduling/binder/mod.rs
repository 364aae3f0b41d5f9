//! kube-scheduler in small: binds the pods of a plan one by one to the plan's nodes, as it scores preferences.
//!
//! Each pod goes to the feasible node with the highest sum of the four scores that speak of preferences, each from 0 to
//! 100 over the feasible nodes: taints x 3, node affinity x 2, spread x 2, affinity between pods x 2; ties go to the node
//! that is listed first. Feasible is decided for resources, taints, node selection, host ports, and required rules
//! between pods; what else kube-scheduler tests does not occur in the cases that use this.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::collections::{BTreeMap, BTreeSet};

use tetrapod::model::affinity::{
    NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable,
};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::{self, LabelSelector, Labels};
use tetrapod::model::pod::Pod;
use tetrapod::model::requirement::{Operator, RequirementSpec};
use tetrapod::model::resources::{PODS, ResourceList};
use tetrapod::model::taint::{Taint, TaintEffect};
use tetrapod::plan::Plan;

/// A node that the plan uses or leaves.
struct Host<'a> {
    name: String,
    labels: Labels,
    taints: Vec<Taint>,
    free: ResourceList,
    pods: Vec<&'a Pod>,
}

/// The weights of the preferred terms of the pods of a plan, and of those that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    pub total: u64,
    pub met: u64,
}

/// What the plan itself meets.
pub fn planned(snapshot: &Snapshot, plan: &Plan) -> Weights {
    let (mut hosts, placed) = hosts(snapshot, plan);
    let mut own = Vec::new();
    for (pod, host) in placed {
        hosts[host].pods.push(pod);
        own.push((pod, host));
    }
    weights(&hosts, &own)
}

/// What one-by-one binding in listing order meets, and how many pods it finds no node for.
pub fn bound(snapshot: &Snapshot, plan: &Plan) -> (Weights, usize) {
    let (mut hosts, placed) = hosts(snapshot, plan);
    let mut own = Vec::new();
    let mut left = 0;
    for (pod, _) in placed {
        let feasible: Vec<usize> = (0..hosts.len())
            .filter(|at| fits(&hosts, *at, pod))
            .collect();
        let Some(at) = best(&hosts, &feasible, pod) else {
            left += 1;
            continue;
        };
        for (name, amount) in requests(pod).iter() {
            let rest = hosts[at].free.amount(name) - amount;
            hosts[at].free.set(name.as_ref(), rest);
        }
        hosts[at].pods.push(pod);
        own.push((pod, at));
    }
    (weights(&hosts, &own), left)
}

fn requests(pod: &Pod) -> ResourceList {
    let mut list = pod.requests();
    list.set(PODS, "1".parse().unwrap());
    list
}

/// The nodes with the pods that run there, and where the plan puts the others, in listing order.
fn hosts<'a>(snapshot: &'a Snapshot, plan: &Plan) -> (Vec<Host<'a>>, Vec<(&'a Pod, usize)>) {
    assert!(snapshot.daemon_sets.is_empty() && snapshot.node_claims.is_empty());
    let by_key: BTreeMap<String, &Pod> = snapshot.pods.iter().map(|p| (p.key(), p)).collect();
    let mut hosts = Vec::new();
    let mut placed = Vec::new();
    let mut nodes: Vec<_> = snapshot.nodes.iter().collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in nodes {
        let mut labels = node.labels.clone();
        labels.set(label::HOSTNAME, node.name.as_ref());
        let mut host = Host {
            name: node.name.to_string(),
            labels,
            taints: node.taints.clone(),
            free: node.allocatable.clone(),
            pods: Vec::new(),
        };
        for pod in snapshot
            .pods
            .iter()
            .filter(|p| p.node_name.as_ref() == Some(&node.name))
        {
            for (name, amount) in requests(pod).iter() {
                let rest = host.free.amount(name) - amount;
                host.free.set(name.as_ref(), rest);
            }
            host.pods.push(pod);
        }
        hosts.push(host);
    }
    for entry in &plan.existing_nodes {
        let at = hosts.iter().position(|h| h.name == *entry.node).unwrap();
        placed.extend(entry.pods.iter().map(|pod| (by_key[pod.as_ref()], at)));
    }
    for (number, claim) in plan.new_node_claims.iter().enumerate() {
        let pool = snapshot
            .node_pools
            .iter()
            .find(|p| p.name == claim.node_pool)
            .unwrap();
        let chosen = &claim.cheapest;
        let entry = snapshot
            .instance_types
            .iter()
            .filter(|class| class.node_class == pool.node_class_ref.name)
            .flat_map(|class| &class.instance_types)
            .find(|entry| entry.name == chosen.instance_type)
            .unwrap();
        let name = format!("new-{number:05}");
        let mut labels = pool.template_labels.clone();
        let single = |r: &&RequirementSpec| r.operator == Operator::In && r.values.len() == 1;
        for requirement in entry
            .requirements
            .iter()
            .chain(&pool.requirements)
            .filter(single)
        {
            labels.set(requirement.key.as_ref(), requirement.values[0].as_ref());
        }
        labels.set(label::NODE_POOL, pool.name.as_ref());
        labels.set(label::INSTANCE_TYPE, entry.name.as_ref());
        labels.set(label::ZONE, chosen.zone.as_ref());
        labels.set(label::CAPACITY_TYPE, chosen.capacity_type.as_str());
        labels.set(label::HOSTNAME, name.as_str());
        placed.extend(
            claim
                .pods
                .iter()
                .map(|pod| (by_key[pod.as_ref()], hosts.len())),
        );
        hosts.push(Host {
            name,
            labels,
            taints: pool.taints.iter().chain(&entry.taints).cloned().collect(),
            free: entry.allocatable(),
            pods: Vec::new(),
        });
    }
    (hosts, placed)
}

fn passes(value: Option<&str>, asked: &RequirementSpec) -> bool {
    let listed = value.is_some_and(|value| asked.values.iter().any(|v| v.as_ref() == value));
    match asked.operator {
        Operator::In => listed,
        Operator::NotIn => !listed,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        other @ (Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte) => {
            panic!("{other} does not occur here")
        }
    }
}

fn matches(term: &NodeSelectorTerm, host: &Host<'_>) -> bool {
    assert!(term.match_fields.is_empty());
    !term.match_expressions.is_empty()
        && term
            .match_expressions
            .iter()
            .all(|asked| passes(host.labels.get(&asked.key), asked))
}

/// Whether `term` of `owner` means `other`.
fn means(term: &PodAffinityTerm, owner: &Pod, other: &Pod) -> bool {
    assert!(term.namespace_selector.is_none() && term.match_label_keys.is_empty());
    let namespace = if term.namespaces.is_empty() {
        owner.namespace == other.namespace
    } else {
        term.namespaces.contains(&other.namespace)
    };
    namespace && selects(term.label_selector.as_ref(), other)
}

fn selects(selector: Option<&LabelSelector>, pod: &Pod) -> bool {
    selector.is_some_and(|selector| selector.matches(&pod.labels))
}

/// The pods in the domain of `host` over `key`.
fn neighbours<'h, 'a>(
    hosts: &'h [Host<'a>],
    host: usize,
    key: &'h str,
) -> impl Iterator<Item = &'a Pod> + 'h {
    let value = hosts[host].labels.get(key);
    hosts
        .iter()
        .filter(move |h| value.is_some() && h.labels.get(key) == value)
        .flat_map(|h| h.pods.iter().copied())
}

fn fits(hosts: &[Host<'_>], at: usize, pod: &Pod) -> bool {
    let host = &hosts[at];
    let spec = &pod.spec;
    let room = requests(pod)
        .iter()
        .all(|(name, amount)| amount <= host.free.amount(name));
    let tolerated = host
        .taints
        .iter()
        .filter(|taint| taint.effect != TaintEffect::PreferNoSchedule)
        .all(|taint| spec.tolerations.iter().any(|t| t.tolerates(taint)));
    let selected = spec
        .node_selector
        .iter()
        .all(|(key, value)| host.labels.get(key) == Some(value.as_ref()));
    let affine = spec
        .affinity
        .node_required
        .as_ref()
        .is_none_or(|terms| terms.iter().any(|term| matches(term, host)));
    let ports = spec.host_ports();
    let free_ports = host.pods.iter().all(|held| {
        let held = held.spec.host_ports();
        ports
            .iter()
            .all(|a| held.iter().all(|b| !a.clashes_with(b)))
    });
    room && tolerated && selected && affine && free_ports && rules_hold(hosts, at, pod)
}

fn rules_hold(hosts: &[Host<'_>], at: usize, pod: &Pod) -> bool {
    let affinity = &pod.spec.affinity;
    let apart = affinity.anti_required.iter().all(|term| {
        neighbours(hosts, at, &term.topology_key).all(|other| !means(term, pod, other))
    });
    let welcome = hosts.iter().all(|host| {
        host.pods.iter().all(|other| {
            other.spec.affinity.anti_required.iter().all(|term| {
                let value = host.labels.get(&term.topology_key);
                let same = value.is_some() && hosts[at].labels.get(&term.topology_key) == value;
                !(same && means(term, other, pod))
            })
        })
    });
    let near = affinity.pod_required.iter().all(|term| {
        let anywhere = || hosts.iter().flat_map(|host| &host.pods);
        neighbours(hosts, at, &term.topology_key).any(|other| means(term, pod, other))
            || (means(term, pod, pod) && !anywhere().any(|other| means(term, pod, other)))
    });
    let hard =
        |c: &&TopologySpreadConstraint| c.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    let even = pod
        .spec
        .topology_spread
        .iter()
        .filter(hard)
        .all(|constraint| {
            let key = constraint.topology_key.as_ref();
            let values: BTreeSet<&str> = hosts.iter().filter_map(|h| h.labels.get(key)).collect();
            let count = |value: &str| {
                let here = hosts.iter().filter(|h| h.labels.get(key) == Some(value));
                here.flat_map(|h| &h.pods)
                    .filter(|other| selects(constraint.label_selector.as_ref(), other))
                    .count()
            };
            let least = values.iter().map(|value| count(value)).min().unwrap_or(0);
            let own = usize::from(selects(constraint.label_selector.as_ref(), pod));
            hosts[at]
                .labels
                .get(key)
                .is_some_and(|value| count(value) + own <= least + constraint.max_skew as usize)
        });
    apart && welcome && near && even
}

/// The feasible node with the best score.
fn best(hosts: &[Host<'_>], feasible: &[usize], pod: &Pod) -> Option<usize> {
    let raw = |score: &dyn Fn(usize) -> f64| -> Vec<f64> {
        feasible.iter().map(|at| score(*at)).collect()
    };
    let taints = raw(&|at| avoided(&hosts[at], pod));
    let affinity = raw(&|at| liked(&hosts[at], pod));
    let between = raw(&|at| company(hosts, at, pod));
    let spread = raw(&|at| crowd(hosts, at, pod));
    let most = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
    let range = |list: &[f64]| {
        let high = list.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = list.iter().copied().fold(f64::INFINITY, f64::min);
        (low, high)
    };
    let ratio = |part: f64, whole: f64| {
        if whole > 0.0 {
            (100.0 * part / whole).floor()
        } else {
            0.0
        }
    };
    let mut best: Option<(f64, usize)> = None;
    for (number, at) in feasible.iter().enumerate() {
        let (low, high) = range(&between);
        let (few, many) = range(&spread);
        let even = if many > 0.0 {
            ratio(many + few - spread[number], many)
        } else {
            100.0
        };
        let score = 3.0 * (100.0 - ratio(taints[number], most(&taints)))
            + 2.0 * ratio(affinity[number], most(&affinity))
            + 2.0 * ratio(between[number] - low, high - low)
            + 2.0 * even;
        if best.is_none_or(|(held, _)| score > held) {
            best = Some((score, *at));
        }
    }
    best.map(|(_, at)| at)
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn avoided(host: &Host<'_>, pod: &Pod) -> f64 {
    let soft = host
        .taints
        .iter()
        .filter(|t| t.effect == TaintEffect::PreferNoSchedule);
    let tolerated = |taint: &&Taint| pod.spec.tolerations.iter().any(|t| t.tolerates(taint));
    soft.filter(|taint| !tolerated(taint)).count() as f64
}

fn liked(host: &Host<'_>, pod: &Pod) -> f64 {
    let terms = pod.spec.affinity.node_preferred.iter();
    let held = terms.filter(|term| matches(&term.preference, host));
    held.map(|term| f64::from(term.weight)).sum()
}

/// The pod's own preferred terms against pods that stand, and theirs against it; each pod counts.
fn company(hosts: &[Host<'_>], at: usize, pod: &Pod) -> f64 {
    let mut score = 0.0;
    let affinity = &pod.spec.affinity;
    for (sign, terms) in [
        (1.0, &affinity.pod_preferred),
        (-1.0, &affinity.anti_preferred),
    ] {
        for term in terms {
            let key = &term.pod_affinity_term.topology_key;
            for other in neighbours(hosts, at, key) {
                if means(&term.pod_affinity_term, pod, other) {
                    score += sign * f64::from(term.weight);
                }
            }
        }
    }
    for host in hosts {
        for other in &host.pods {
            let theirs = &other.spec.affinity;
            for (sign, terms) in [(1.0, &theirs.pod_preferred), (-1.0, &theirs.anti_preferred)] {
                for term in terms {
                    let key = &term.pod_affinity_term.topology_key;
                    let value = host.labels.get(key);
                    let same = value.is_some() && hosts[at].labels.get(key) == value;
                    if same && means(&term.pod_affinity_term, other, pod) {
                        score += sign * f64::from(term.weight);
                    }
                }
            }
        }
    }
    score
}

/// How many pods the pod's soft spreads count around it, rarer domains counting more.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn crowd(hosts: &[Host<'_>], at: usize, pod: &Pod) -> f64 {
    let soft =
        |c: &&TopologySpreadConstraint| c.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway;
    let mut score = 0.0;
    for constraint in pod.spec.topology_spread.iter().filter(soft) {
        let key = constraint.topology_key.as_ref();
        let values: BTreeSet<&str> = hosts.iter().filter_map(|h| h.labels.get(key)).collect();
        let counted = neighbours(hosts, at, key)
            .filter(|other| selects(constraint.label_selector.as_ref(), other))
            .count();
        score +=
            counted as f64 * (values.len() as f64 + 2.0).ln() + f64::from(constraint.max_skew - 1);
    }
    score
}

fn weights(hosts: &[Host<'_>], own: &[(&Pod, usize)]) -> Weights {
    let mut weights = Weights { total: 0, met: 0 };
    let mut add = |weight: u32, holds: bool| {
        weights.total += u64::from(weight);
        weights.met += u64::from(weight) * u64::from(holds);
    };
    for (pod, at) in own {
        let affinity = &pod.spec.affinity;
        for term in &affinity.node_preferred {
            add(term.weight, matches(&term.preference, &hosts[*at]));
        }
        let anyone = |term: &PodAffinityTerm| {
            neighbours(hosts, *at, &term.topology_key)
                .any(|other| !std::ptr::eq(other, *pod) && means(term, pod, other))
        };
        for term in &affinity.pod_preferred {
            add(term.weight, anyone(&term.pod_affinity_term));
        }
        for term in &affinity.anti_preferred {
            add(term.weight, !anyone(&term.pod_affinity_term));
        }
    }
    weights
}
