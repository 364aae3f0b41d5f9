//! `tetrapod explain`.

use std::process::ExitCode;

use serde::Serialize;
use tetrapod::explain::reason::Reason;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::Pod;
use tetrapod::plan::{ExistingPlacement, NodesToAdd, Plan, PlannedClaim};

use crate::args::{ExplainArgs, Format, Target};
use crate::output::{Fatal, print, print_json};
use crate::text::explain::render;

/// Why one object is treated as it is: what the plan does with it, and the reason trees that concern it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// `Pod ml/trainer-0`.
    pub(crate) object: String,
    /// One sentence.
    pub(crate) decision: String,
    /// The claims concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) new_node_claims: Vec<PlannedClaim>,
    /// The placements on existing nodes concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) existing_nodes: Vec<ExistingPlacement>,
    /// The scaling entries concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) scaling: Vec<NodesToAdd>,
    /// Why not, nearest miss first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<Reason>,
}

impl Explanation {
    fn new(object: String, decision: impl Into<String>) -> Self {
        Self {
            object,
            decision: decision.into(),
            new_node_claims: Vec::new(),
            existing_nodes: Vec::new(),
            scaling: Vec::new(),
            reasons: Vec::new(),
        }
    }
}

/// Plans the input and explains one object of it.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Fatal> {
    let (snapshot, plan) = super::read_and_plan(&args.input, &args.work)?;
    let explanation = explain(&snapshot, &plan, &args.target)?;
    match args.output.output {
        Format::Json => print_json(&explanation)?,
        Format::Text => print(&render(&explanation))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(snapshot: &Snapshot, plan: &Plan, target: &Target) -> Result<Explanation, Fatal> {
    if let Some(key) = &target.pod {
        explain_pod(snapshot, plan, key)
    } else if let Some(name) = &target.node {
        explain_node(snapshot, plan, name)
    } else if let Some(name) = &target.node_pool {
        explain_pool(snapshot, plan, name)
    } else if let Some(name) = &target.instance_group {
        explain_group(snapshot, plan, name)
    } else {
        Err(Fatal::Message("name an object to explain".to_owned()))
    }
}

fn missing(object: &str) -> Fatal {
    Fatal::Message(format!("{object} is not in the input"))
}

/// Pods have generated names; those that start like the asked one are the likely ones.
fn missing_pod(snapshot: &Snapshot, namespace: &str, name: &str) -> Fatal {
    let alike: Vec<String> = snapshot
        .pods
        .iter()
        .filter(|pod| pod.namespace.as_ref() == namespace && pod.name.starts_with(name))
        .take(3)
        .map(Pod::key)
        .collect();
    let hint = if alike.is_empty() {
        String::new()
    } else {
        format!("; there is {}", alike.join(", "))
    };
    Fatal::Message(format!("Pod {namespace}/{name} is not in the input{hint}"))
}

fn explain_pod(snapshot: &Snapshot, plan: &Plan, key: &str) -> Result<Explanation, Fatal> {
    // A bare name is taken to be in the default namespace, as kubectl does.
    let (namespace, name) = key.split_once('/').unwrap_or(("default", key));
    let key = format!("{namespace}/{name}");
    let object = format!("Pod {key}");
    let pod = snapshot
        .pods
        .iter()
        .find(|pod| pod.namespace.as_ref() == namespace && pod.name.as_ref() == name)
        .ok_or_else(|| missing_pod(snapshot, namespace, name))?;
    let holds = |pods: &[tetrapod::model::resources::Name]| pods.iter().any(|p| p.as_ref() == key);
    if let Some(entry) = plan
        .unschedulable
        .iter()
        .find(|entry| entry.pod.as_ref() == key)
    {
        let mut found = Explanation::new(
            object,
            format!("stays pending: {} [{}]", entry.reason, entry.code),
        );
        found.reasons = entry.reasons.to_vec();
        return Ok(found);
    }
    if let Some(claim) = plan.new_node_claims.iter().find(|claim| holds(&claim.pods)) {
        let mut found = Explanation::new(object, "goes on a new node");
        found.new_node_claims.push(claim.clone());
        return Ok(found);
    }
    if let Some(placement) = plan.existing_nodes.iter().find(|p| holds(&p.pods)) {
        let mut found =
            Explanation::new(object, format!("goes on {}, which exists", placement.node));
        found.existing_nodes.push(placement.clone());
        return Ok(found);
    }
    let decision = if let Some(node) = &pod.node_name {
        format!("is bound to node {node} already")
    } else if pod.is_terminating() {
        "is being deleted, so it is not placed".to_owned()
    } else if pod.is_finished() {
        "has ended, so it is not placed".to_owned()
    } else if let Some(gate) = pod.spec.scheduling_gates.first() {
        format!("is held back by the scheduling gate {gate}, so it is not placed")
    } else if pod.is_daemon() {
        "belongs to a DaemonSet: it comes with its node and buys none".to_owned()
    } else if !pod.is_pending() {
        "belongs to a Node (a static pod), so it is not placed".to_owned()
    } else {
        "is not mentioned by the plan".to_owned()
    };
    Ok(Explanation::new(object, decision))
}

fn explain_node(snapshot: &Snapshot, plan: &Plan, name: &str) -> Result<Explanation, Fatal> {
    let object = format!("Node {name}");
    let exists = snapshot.nodes.iter().any(|node| node.name.as_ref() == name)
        || snapshot
            .node_claims
            .iter()
            .any(|claim| claim.name.as_ref() == name);
    if !exists {
        return Err(missing(&object));
    }
    let placement = plan.existing_nodes.iter().find(|p| p.node.as_ref() == name);
    let mut found = match placement {
        Some(placement) => {
            let mut found = Explanation::new(object.clone(), "takes pending pods");
            found.existing_nodes.push(placement.clone());
            found
        }
        None => Explanation::new(object.clone(), "takes no pending pod"),
    };
    found.reasons = about(plan, &object);
    Ok(found)
}

fn explain_pool(snapshot: &Snapshot, plan: &Plan, name: &str) -> Result<Explanation, Fatal> {
    let object = format!("NodePool {name}");
    if !snapshot
        .node_pools
        .iter()
        .any(|pool| pool.name.as_ref() == name)
    {
        return Err(missing(&object));
    }
    let claims: Vec<PlannedClaim> = plan
        .new_node_claims
        .iter()
        .filter(|claim| claim.node_pool.as_ref() == name)
        .cloned()
        .collect();
    let mut found = Explanation::new(object.clone(), bought(claims.len()));
    found.new_node_claims = claims;
    found.reasons = about(plan, &object);
    Ok(found)
}

fn explain_group(snapshot: &Snapshot, plan: &Plan, name: &str) -> Result<Explanation, Fatal> {
    let object = format!("instance group {name}");
    let in_classes = snapshot.node_classes.iter().any(|class| {
        class
            .instance_groups
            .iter()
            .any(|group| group.as_ref() == name)
            || class
                .status_groups
                .iter()
                .flatten()
                .any(|group| group.name.as_ref() == name)
    });
    let in_cluster = snapshot
        .cluster
        .iter()
        .flat_map(|cluster| &cluster.instance_groups)
        .any(|group| group.name.as_ref() == name);
    if !in_classes && !in_cluster {
        return Err(missing(&object));
    }
    let claims: Vec<PlannedClaim> = plan
        .new_node_claims
        .iter()
        .filter(|claim| {
            let group = claim
                .instance_group
                .as_ref()
                .or(claim.cheapest.instance_group.as_ref());
            group.is_some_and(|group| group.as_ref() == name)
        })
        .cloned()
        .collect();
    let mut found = Explanation::new(object.clone(), bought(claims.len()));
    found.new_node_claims = claims;
    found.scaling = plan
        .scaling
        .iter()
        .flat_map(|request| &request.nodes_to_add)
        .filter(|entry| entry.instance_group_name.as_ref() == name)
        .cloned()
        .collect();
    found.reasons = about(plan, &object);
    Ok(found)
}

fn bought(count: usize) -> String {
    match count {
        0 => "gets no new node".to_owned(),
        1 => "gets 1 new node".to_owned(),
        _ => format!("gets {count} new nodes"),
    }
}

/// The reasons of the plan whose subject is `object`: its notes first, then what kept pending pods away from it.
fn about(plan: &Plan, object: &str) -> Vec<Reason> {
    let mut found: Vec<Reason> = Vec::new();
    let mut queue: Vec<&Reason> = plan.notes.iter().collect();
    queue.extend(
        plan.unschedulable
            .iter()
            .flat_map(|entry| entry.reasons.iter()),
    );
    queue.reverse();
    while let Some(reason) = queue.pop() {
        if reason.subject.eq_ignore_ascii_case(object) {
            if !found.contains(reason) {
                found.push(reason.clone());
            }
        } else {
            queue.extend(reason.parts.iter().rev());
        }
    }
    found
}
