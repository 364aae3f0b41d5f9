//! Running gangs move whole or not at all (M-15, W-21, H-55), for whatever reason nodes go.

use std::sync::Arc;

use crate::mutations::faults;
use crate::weaknesses::{cluster, commands, drift, methods, ours};
use crate::world::world;
use tetrapod::base::time::Span;
use tetrapod::disruption::consolidate;
use tetrapod::disruption::policy::EconomicPolicy;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::Labels;
use tetrapod::model::options::Forecast;
use tetrapod::model::resources::Name;
use tetrapod::plan::command::Method;
use tetrapod::verify::disruption::Fault;

const LABELS: [&str; 3] = [
    "scheduling.x-k8s.io/pod-group",
    "kueue.x-k8s.io/pod-group-name",
    "jobset.sigs.k8s.io/jobset-name",
];

/// Three nodes that would be cheaper elsewhere; the pods of `a` and `b` are one gang.
fn training(label: &str) -> Snapshot {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("big 8cpu $60; small 4cpu $10")
            .node("a 8cpu type=big pool=p")
            .node("b 8cpu type=big pool=p")
            .node("c 8cpu type=big pool=p")
            .pod("name=g-1 cpu=3 on=a")
            .pod("name=g-2 cpu=3 on=b")
            .pod("name=web cpu=3 on=c"),
    );
    let labels: Labels = [(label, "train")].into_iter().collect();
    let labels = Arc::new(labels);
    for pod in &mut snapshot.pods {
        if pod.name.starts_with("g-") {
            pod.labels = Arc::clone(&labels);
        }
    }
    snapshot
}

fn stay(snapshot: &Snapshot, node: &str) -> (&'static str, String) {
    let answer = consolidate(snapshot, &EconomicPolicy);
    let subject = format!("Node {node}");
    let reason = answer.stays.iter().find(|r| r.subject.as_ref() == subject);
    let reason = reason.unwrap();
    (reason.code.as_str(), reason.message.to_string())
}

fn hold(snapshot: &mut Snapshot, pod: &str, value: &str) {
    let named = |p: &&mut tetrapod::model::pod::Pod| p.name.as_ref() == pod;
    let pod = snapshot.pods.iter_mut().find(named).unwrap();
    Arc::make_mut(&mut pod.annotations).set("karpenter.sh/do-not-disrupt", value);
}

#[test]
fn the_checker_finds_torn_gangs() {
    for label in LABELS {
        let mut whole = training(label);
        let plan = ours(&whole).0;
        let gang = plan.iter().position(|c| c.candidates.len() > 1).unwrap();

        // The same two nodes in two commands.
        let mut split = plan.clone();
        let mut second = split[gang].clone();
        split[gang].candidates.truncate(1);
        second.candidates.remove(0);
        split.push(second);
        assert!(faults(&whole, &split).contains(&Fault::Gang), "{label}");

        // A third member somewhere else.
        let mut third = whole.pods[0].clone();
        third.name = Name::from("g-3");
        third.node_name = Some(Name::from("c"));
        let one = vec![plan[gang].clone()];
        let mut more = whole.clone();
        more.pods.push(third);
        assert!(faults(&more, &one).contains(&Fault::Gang), "{label}");
        assert!(!faults(&whole, &one).contains(&Fault::Gang));

        let required = "kueue.x-k8s.io/podset-required-topology";
        let pod = &mut whole.pods[0];
        Arc::make_mut(&mut pod.annotations).set(required, "topology.kubernetes.io/zone");
        assert!(faults(&whole, &one).contains(&Fault::Gang), "{label}: H-55");
    }
}

#[test]
fn the_checker_finds_drift_commands_without_drift() {
    let snapshot = training(LABELS[0]);
    let mut plan = ours(&snapshot).0;
    plan[0].reason = tetrapod::plan::command::DisruptionReason::Drifted;
    assert!(faults(&snapshot, &plan).contains(&Fault::Held));
}

#[test]
fn a_drifted_node_takes_its_gang_along() {
    let mut snapshot = training(LABELS[0]);
    drift(&mut snapshot, &["a"]);
    let (plan, _) = ours(&snapshot);
    let drift = plan.iter().find(|c| c.method == Method::Drift).unwrap();
    let mut gone: Vec<&str> = drift.candidates.iter().map(|c| c.node.as_ref()).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["a", "b"]);
    assert_eq!(drift.evictions, 2);

    // One may not be evicted: nothing goes, and the reason names it.
    hold(&mut snapshot, "g-2", "true");
    assert!(!methods(&ours(&snapshot).0).contains(&Method::Drift));
    let (code, message) = stay(&snapshot, "a");
    assert_eq!(code, "gang");
    assert!(message.contains("Node b stays"), "{message}");
}

#[test]
fn a_drifted_gang_waits_until_its_budget_holds_all_of_it() {
    let mut snapshot = training(LABELS[0]);
    drift(&mut snapshot, &["a", "b"]);
    let mut budget = tetrapod::model::node_pool::Budget::default();
    budget.nodes = Name::from("1");
    snapshot.node_pools[0].budgets = vec![budget];
    assert!(!methods(&ours(&snapshot).0).contains(&Method::Drift));
    snapshot.node_pools[0].budgets[0].nodes = Name::from("2");
    assert!(methods(&ours(&snapshot).0).contains(&Method::Drift));
}

#[test]
fn a_node_that_expires_takes_its_gang_along() {
    let mut snapshot = training(LABELS[0]);
    let now = snapshot.options.now.unwrap();
    let claim = &mut snapshot.node_claims[0];
    claim.created = Some(now.plus(Span::from_secs(-3400)));
    claim.expire_after = Some(Span::from_secs(3600));
    let (plan, _) = ours(&snapshot);
    let expire = plan.iter().find(|c| c.method == Method::Expire).unwrap();
    assert_eq!(expire.candidates.len(), 2);
}

#[test]
fn h55_a_gang_that_requires_a_domain_stays_and_says_so() {
    let mut snapshot = training(LABELS[1]);
    for pod in &mut snapshot.pods[..2] {
        Arc::make_mut(&mut pod.annotations).set(
            "kueue.x-k8s.io/podset-required-topology",
            "topology.k8s.aws/network-node-layer-3",
        );
    }
    for node in &mut snapshot.nodes {
        node.labels
            .set("topology.k8s.aws/network-node-layer-3", "nn-1");
    }
    drift(&mut snapshot, &["a"]);
    let plan = commands(&snapshot, &EconomicPolicy);
    let touched = plan.iter().flat_map(|c| &c.candidates);
    assert!(touched.clone().all(|c| c.node.as_ref() == "c"));
    assert_eq!(stay(&snapshot, "b").0, "gang");
    assert!(stay(&snapshot, "b").1.contains("default/train"));
}

#[test]
fn the_next_look_is_when_the_last_of_a_gang_may_go() {
    let mut snapshot = training(LABELS[2]);
    let now = snapshot.options.now.unwrap();
    for pod in &mut snapshot.pods {
        let mut detail = pod.detail.as_deref().cloned().unwrap_or_default();
        detail.start_time = Some(now);
        pod.detail = Some(detail.into());
    }
    hold(&mut snapshot, "g-2", "25m");
    let answer = consolidate(&snapshot, &EconomicPolicy);
    assert_eq!(answer.next_look, Some(now.plus(Span::from_secs(25 * 60))));
    assert_eq!(stay(&snapshot, "a").0, "gang");
}

#[test]
fn w14_a_forecast_that_holds_nodes_is_named_and_looked_at_again() {
    let mut snapshot = training(LABELS[0]);
    let now = snapshot.options.now.unwrap();
    let soon = now.plus(Span::from_secs(300));
    snapshot.options.forecast = vec![Forecast::new("p", soon, 3)];
    let answer = consolidate(&snapshot, &EconomicPolicy);
    assert!(answer.commands.is_empty());
    assert_eq!(stay(&snapshot, "c").0, "forecast");
    assert_eq!(answer.next_look, Some(soon));
}
