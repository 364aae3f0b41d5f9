//! NodePools: keys, policies and references that HyperPod supports (row 6).

use std::collections::BTreeSet;

use super::Checks;
use crate::hyperpod::capacity;
use crate::hyperpod::catalog;
use crate::model::cluster::Snapshot;
use crate::model::label::{
    self, ARCH, CAPACITY_TYPE, INSTANCE_TYPE, OS, REGION, ZONE, is_restricted,
};
use crate::model::node::Condition;
use crate::model::node_pool::{ConsolidationPolicy, NodePool};
use crate::model::options::Options;
use crate::model::requirement::{Requirement, Requirements};

const CLASS_GROUP: &str = "karpenter.sagemaker.amazonaws.com";
const CLASS_KIND: &str = "HyperpodNodeClass";

/// Keys that HyperPod documents for NodePools (H-16).
const DOCUMENTED: [&str; 4] = [INSTANCE_TYPE, ZONE, ARCH, CAPACITY_TYPE];

pub(super) fn check(snapshot: &Snapshot, checks: &mut Checks) {
    if snapshot.node_pools.is_empty() {
        checks
            .of(6, "H-16", "node pools")
            .warn("the input has no NodePool, so nothing can be provisioned");
    }
    let classes = capacity::resolve(snapshot);
    for pool in &snapshot.node_pools {
        let subject = format!("NodePool {}", pool.name);
        reference(snapshot, pool, &subject, checks);
        let of_types: BTreeSet<&str> = classes
            .get(&pool.node_class_ref.name)
            .iter()
            .flat_map(|class| &class.types)
            .flat_map(|t| &t.requirements)
            .map(|spec| label::normalize(&spec.key))
            .collect();
        keys(pool, &of_types, &subject, checks);
        values(pool, &snapshot.options, &subject, checks);
        policy(pool, &subject, checks);
        conditions(pool, &subject, checks);
    }
}

fn reference(snapshot: &Snapshot, pool: &NodePool, subject: &str, checks: &mut Checks) {
    let class = &pool.node_class_ref;
    let one = checks.of(6, "H-2", subject);
    let known = snapshot.node_classes.iter().any(|c| c.name == class.name)
        || snapshot
            .instance_types
            .iter()
            .any(|d| d.node_class == class.name);
    // Text of AWS spells the kind with a capital P too.
    if &*class.group != CLASS_GROUP || !class.kind.eq_ignore_ascii_case(CLASS_KIND) {
        one.fail(format!(
            "its nodeClassRef is of {}/{}, not {CLASS_GROUP}/{CLASS_KIND}",
            class.group, class.kind
        ));
    } else if known {
        one.pass(format!("its HyperpodNodeClass is {}", class.name));
    } else {
        one.fail(format!(
            "its HyperpodNodeClass {} is not in the input",
            class.name
        ));
    }
}

fn keys(pool: &NodePool, of_types: &BTreeSet<&str>, subject: &str, checks: &mut Checks) {
    let keys: BTreeSet<&str> = pool
        .requirements
        .iter()
        .map(|spec| label::normalize(&spec.key))
        .collect();
    let mut fine = true;
    for key in keys {
        let one = checks.of(6, "H-16", subject);
        if is_restricted(key) {
            fine = false;
            one.fail(format!("requirement key {key} is restricted"));
        } else if !of_types.contains(key) && key.starts_with("karpenter.k8s.aws/") {
            fine = false;
            one.fail(format!(
                "requirement key {key} is of the EC2 provider; HyperPod's nodes do not have it"
            ));
        } else if !DOCUMENTED.contains(&key) && ![OS, REGION].contains(&key) {
            fine = false;
            let source = if of_types.contains(key) {
                "its instance types have it, but it is not among the keys that HyperPod documents"
            } else {
                "nothing but this pool sets it, and it is not among the keys that HyperPod documents"
            };
            one.warn(format!("requirement key {key}: {source}"));
        }
    }
    if fine {
        checks
            .of(6, "H-16", subject)
            .pass("its requirement keys are supported");
    }
}

fn values(pool: &NodePool, options: &Options, subject: &str, checks: &mut Checks) {
    let requirements = Requirements::from_specs(&pool.requirements);
    let allows = |key: &str, values: &[&str]| {
        requirements
            .get(key)
            .is_none_or(|r| values.iter().any(|value| r.has(value)))
    };
    if !allows(ARCH, &["amd64"]) && !options.allow_arm64 {
        checks.of(6, "H-17", subject).fail(
            "its requirements exclude amd64, the only architecture documented to work (allowArm64 admits arm64)",
        );
    }
    if !allows(CAPACITY_TYPE, &["on-demand", "spot"]) {
        checks.of(6, "H-16", subject).fail(
            "its requirements allow neither on-demand nor spot; reserved capacity is not supported",
        );
    }
    let listed = requirements
        .get(INSTANCE_TYPE)
        .filter(|r| !r.is_complement())
        .map(Requirement::values);
    for name in listed.into_iter().flatten() {
        if !name.starts_with("ml.") {
            checks.of(6, "H-16", subject).fail(format!(
                "instance type {name} lacks the prefix ml. of HyperPod's types"
            ));
        } else if catalog::find(name).is_none() {
            checks
                .of(6, "H-64", subject)
                .warn(format!("instance type {name} is not in the catalogue"));
        }
    }
}

fn policy(pool: &NodePool, subject: &str, checks: &mut Checks) {
    let name = match &pool.consolidation_policy {
        ConsolidationPolicy::WhenEmpty | ConsolidationPolicy::WhenEmptyOrUnderutilized => {
            return checks
                .of(6, "H-19", subject)
                .pass("its consolidation policy is supported");
        }
        ConsolidationPolicy::Balanced => "Balanced",
        ConsolidationPolicy::Other(name) => name,
    };
    checks.of(6, "H-3", subject).fail(format!(
        "consolidation policy {name} is not documented for HyperPod: use WhenEmpty or WhenEmptyOrUnderutilized"
    ));
}

fn conditions(pool: &NodePool, subject: &str, checks: &mut Checks) {
    let one = checks.of(6, "H-21", subject);
    if pool.conditions.is_empty() {
        return one.warn("it has no status yet, so its conditions are not checked");
    }
    let failed: Vec<&str> = ["ValidationSucceeded", "NodeClassReady", "Ready"]
        .into_iter()
        .filter(|kind| Condition::is_true(&pool.conditions, kind) == Some(false))
        .collect();
    if failed.is_empty() {
        one.pass("none of its conditions is False");
    } else {
        one.fail(format!("its condition {} is not True", failed.join(", ")));
    }
}
