//! Node classes and their instance groups: row 5, and their zones: row 15.

use std::collections::BTreeSet;

use super::Checks;
use crate::hyperpod::capacity::{MAX_GROUPS, missing_groups, not_ready};
use crate::hyperpod::catalog::{self, Arch};
use crate::hyperpod::group::{Group, SubnetZones};
use crate::hyperpod::mig;
use crate::model::cluster::Snapshot;
use crate::model::hyperpod::HyperpodNodeClass;
use crate::model::label::{INSTANCE_GROUP, NODE_POOL};
use crate::model::node::Node;
use crate::model::resources::Name;

pub(super) fn check(snapshot: &Snapshot, checks: &mut Checks) {
    if snapshot.node_classes.is_empty() {
        checks
            .of(5, "H-8", "node classes")
            .warn("the input has no HyperpodNodeClass, so instance groups are not checked");
    }
    let zones = SubnetZones::of(snapshot);
    for class in &snapshot.node_classes {
        check_class(snapshot, class, &zones, checks);
    }
}

fn check_class<'a>(
    snapshot: &'a Snapshot,
    class: &'a HyperpodNodeClass,
    zones: &SubnetZones<'a>,
    checks: &mut Checks,
) {
    let subject = format!("HyperpodNodeClass {}", class.name);
    let names: BTreeSet<&Name> = class.instance_groups.iter().collect();
    let one = checks.of(5, "H-8", &subject);
    match names.len() {
        0 => one.fail("it names no instance group"),
        count if count > MAX_GROUPS => one.fail(format!(
            "it names {count} instance groups; {MAX_GROUPS} are allowed: split it"
        )),
        count => one.pass(format!("{count} of {MAX_GROUPS} instance groups are named")),
    }
    let one = checks.of(5, "H-11", &subject);
    let missing = missing_groups(snapshot, class);
    if snapshot.cluster.is_none() {
        one.warn(
            "whether its instance groups exist is not checked: supply the describe-cluster output",
        );
    } else if missing.is_empty() {
        one.pass("all its instance groups exist");
    } else {
        one.fail(format!(
            "the cluster has no instance group {}: create it or remove the name",
            missing.join(", ")
        ));
    }
    let one = checks.of(5, "H-11", &subject);
    if let Some(message) = not_ready(class) {
        one.fail(message);
    } else if class.conditions.is_empty() {
        one.warn("it has no status yet, so its conditions are not checked");
    } else {
        one.pass("it is Ready");
    }
    if snapshot
        .instance_types
        .iter()
        .any(|d| d.node_class == class.name)
    {
        checks.of(5, "M-12", &subject).warn(
            "an InstanceTypes document gives its offerings, so the limits of instance groups are not applied to plans",
        );
    }
    let mut of_class = BTreeSet::new();
    for name in names {
        let subject = format!("instance group {name}");
        match Group::of_class(snapshot, class, name) {
            Some(group) => {
                check_group(snapshot, &group, &subject, checks);
                let zones = group.zones(zones);
                check_zones(&group, &zones, &subject, checks);
                of_class.extend(zones);
            }
            None => checks.of(5, "H-11", &subject).warn(
                "nothing is known of it: supply the describe-cluster output, or the HyperpodNodeClass with its status",
            ),
        }
    }
    let one = checks.of(15, "H-15", &subject);
    match of_class.len() {
        0 => one.warn("the zones of its instance groups are not known"),
        1 => one.pass(
            "all its instance groups lie in one zone: pods whose volumes are elsewhere find no node, and there is no fallback zone",
        ),
        count => one.pass(format!("its instance groups offer {count} zones")),
    }
}

fn check_group(snapshot: &Snapshot, group: &Group<'_>, subject: &str, checks: &mut Checks) {
    let refusals = group.refusals(&snapshot.options);
    let refused = !refusals.is_empty();
    for refusal in refusals {
        checks.of(5, refusal.rule, subject).fail(refusal.message);
    }
    let profile_labels = group.labels();
    let profile = mig::asked(&profile_labels);
    for name in group.types() {
        let Some(facts) = catalog::find(name) else {
            checks.of(5, "H-64", subject).fail(format!(
                "{name} is not among HyperPod's instance types that the catalogue knows"
            ));
            continue;
        };
        if facts.arch == Arch::Arm64 && !snapshot.options.allow_arm64 {
            checks.of(5, "H-17", subject).fail(format!(
                "{name} is an arm64 type; only amd64 is documented to work (allowArm64 admits it)"
            ));
        }
        if let Some(Err(message)) = profile.map(|profile| mig::slices(facts, profile)) {
            checks
                .of(5, "H-51", subject)
                .fail(format!("{name}: {message}"));
        }
    }
    let Some(record) = group.record else {
        return checks.of(5, "H-14", subject).warn(
            "its status, MinCount, training plan, deep health checks and node count are not checked: supply the describe-cluster output",
        );
    };
    if !refused {
        checks
            .of(5, "H-14", subject)
            .pass("it is InService, without MinCount, training plan or deep health checks");
    }
    start_count(snapshot, group.name, record.current_count, subject, checks);
}

/// H-9: a group is handed over with no nodes of its own.
fn start_count(snapshot: &Snapshot, name: &str, count: u32, subject: &str, checks: &mut Checks) {
    let nodes: Vec<&Node> = snapshot
        .nodes
        .iter()
        .filter(|node| node.labels.get(INSTANCE_GROUP) == Some(name))
        .collect();
    let unmanaged: Vec<&str> = nodes
        .iter()
        .filter(|node| !is_managed(snapshot, node))
        .map(|node| node.name.as_ref())
        .collect();
    let one = checks.of(5, "H-9", subject);
    if !unmanaged.is_empty() {
        let shown = unmanaged.iter().take(3).copied().collect::<Vec<_>>();
        one.fail(format!(
            "{} of its nodes belong to no NodeClaim ({}{}): the autoscaler does not adopt them and scales the group to 0",
            unmanaged.len(),
            shown.join(", "),
            if unmanaged.len() > shown.len() { ", ..." } else { "" }
        ));
    } else if usize::try_from(count).is_ok_and(|count| count > nodes.len()) {
        one.warn(format!(
            "it has {count} nodes, of which the input shows {}: supply Nodes and NodeClaims to tell whose they are",
            nodes.len()
        ));
    } else {
        one.pass("it has no nodes but the autoscaler's");
    }
}

fn is_managed(snapshot: &Snapshot, node: &Node) -> bool {
    node.labels.get(NODE_POOL).is_some()
        || snapshot.node_claims.iter().any(|claim| {
            claim.node_name.as_ref() == Some(&node.name)
                || (claim.provider_id.is_some() && claim.provider_id == node.provider_id)
        })
}

fn check_zones(group: &Group<'_>, zones: &[&Name], subject: &str, checks: &mut Checks) {
    let one = checks.of(15, "H-10", subject);
    let listed = zones.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
    let flexible = group
        .record
        .map_or_else(|| group.types().len() > 1, |record| record.flexible);
    match zones {
        [] => one.warn(
            "the zone of its subnets is not known: supply the HyperpodNodeClass with its status",
        ),
        [zone] => one.pass(format!("its subnets lie in {zone}")),
        _ if flexible => one.pass(format!(
            "it is flexible over {}; the zone is asked for per request",
            listed.join(", ")
        )),
        _ => one.fail(format!(
            "its subnets lie in {}; all subnets of a group must lie in one zone: make a group for each",
            listed.join(", ")
        )),
    }
}
