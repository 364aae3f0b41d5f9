//! `tetrapod explain`.

use std::process::ExitCode;

use serde::Serialize;
use tetrapod::disruption::consolidate;
use tetrapod::disruption::policy::EconomicPolicy;
use tetrapod::explain::reason::{Code, Reason};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::pod::Pod;
use tetrapod::plan::{ExistingPlacement, NodesToAdd, Plan, PlannedClaim};

use super::Planned;
use crate::args::{ExplainArgs, Format, Target};
use crate::output::{Fatal, print, print_json};
use crate::table::counted;
use crate::text::explain::render;
use crate::text::money::hourly;

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
    super::with_plan(&args.input, &args.work, |planned| {
        let explanation = explain(planned, &args.target)?;
        match args.output.output {
            Format::Json => print_json(&explanation)?,
            Format::Text => print(&render(&explanation))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn explain(planned: &Planned<'_>, target: &Target) -> Result<Explanation, Fatal> {
    let Planned {
        snapshot,
        compiled,
        outcome,
        plan,
    } = planned;
    let (mut explanation, why) = if let Some(key) = &target.pod {
        // A bare name is taken to be in the default namespace, as kubectl does.
        let key = if key.contains('/') {
            key.clone()
        } else {
            format!("default/{key}")
        };
        let found = explain_pod(snapshot, plan, &key)?;
        (found, compiled.explain_pod(outcome, plan, &key))
    } else if let Some(name) = &target.node {
        let found = explain_node(snapshot, plan, name)?;
        (found, compiled.explain_node(outcome, plan, name))
    } else if let Some(name) = &target.node_pool {
        let found = explain_pool(snapshot, plan, name)?;
        (found, compiled.explain_node_pool(outcome, plan, name))
    } else if let Some(name) = &target.instance_group {
        let found = explain_group(snapshot, plan, name)?;
        (found, compiled.explain_instance_group(plan, name))
    } else {
        return Err(Fatal::Message("name an object to explain".to_owned()));
    };
    // A pending pod's tree repeats the decision at its root.
    let pending =
        |why: &Reason| target.pod.is_some() && explanation.decision.contains(&why.message);
    explanation.reasons = match why {
        Some(why) if pending(&why) && !why.parts.is_empty() => why.parts,
        why => why.into_iter().collect(),
    };
    if let Some(name) = &target.node {
        explanation.reasons.extend(fate(snapshot, name));
    }
    Ok(explanation)
}

/// Why `tetrapod consolidate` takes the node away or leaves it; nothing for nodes that Karpenter does not manage.
fn fate(snapshot: &Snapshot, name: &str) -> Option<Reason> {
    let answer = consolidate(snapshot, &EconomicPolicy);
    let going = answer
        .commands
        .iter()
        .find(|command| command.candidates.iter().any(|c| c.node.as_ref() == name));
    if let Some(command) = going {
        let message = format!(
            "it goes: {} of {} ({} -> {} $/h for them together)",
            command.decision(),
            counted(command.candidates.len(), "node", "nodes"),
            hourly(command.price_before),
            hourly(command.price_after),
        );
        return Some(Reason::new("consolidation", Code::Disrupted, message));
    }
    let subject = format!("Node {name}");
    let mut stay = answer
        .stays
        .into_iter()
        .find(|stay| stay.subject == subject && stay.code != Code::Unmanaged)?;
    stay.subject = "consolidation".to_owned();
    stay.message = format!("it stays: {}", stay.message);
    Some(stay)
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
    let (namespace, name) = key.split_once('/').unwrap_or_default();
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
        let decision = format!("stays pending: {} [{}]", entry.reason, entry.code);
        return Ok(Explanation::new(object, decision));
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
    Ok(match placement {
        Some(placement) => {
            let mut found = Explanation::new(object, "takes pending pods");
            found.existing_nodes.push(placement.clone());
            found
        }
        None => Explanation::new(object, "takes no pending pod"),
    })
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
    let mut found = Explanation::new(object, bought(claims.len()));
    found.new_node_claims = claims;
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
    let mut found = Explanation::new(object, bought(claims.len()));
    found.new_node_claims = claims;
    found.scaling = plan
        .scaling
        .iter()
        .flat_map(|request| &request.nodes_to_add)
        .filter(|entry| entry.instance_group_name.as_ref() == name)
        .cloned()
        .collect();
    Ok(found)
}

fn bought(count: usize) -> String {
    match count {
        0 => "gets no new node".to_owned(),
        1 => "gets 1 new node".to_owned(),
        _ => format!("gets {count} new nodes"),
    }
}
