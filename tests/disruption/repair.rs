//! Sick nodes: what is left to HyperPod and what the planner repairs (H-43..H-47, D-100..D-102).

use crate::mutations::faults;
use crate::weaknesses::{cluster, drift, methods, ours};
use crate::world::world;
use tetrapod::base::time::Span;
use tetrapod::disruption::policy::EconomicPolicy;
use tetrapod::disruption::{consolidate, recheck};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::LabelSelector;
use tetrapod::model::node::Condition;
use tetrapod::model::policy::PodDisruptionBudget;
use tetrapod::model::resources::Name;
use tetrapod::model::taint::{Taint, TaintEffect};
use tetrapod::plan::command::{DisruptionReason, Method};
use tetrapod::verify::disruption::Fault;

const STATUS: &str = "sagemaker.amazonaws.com/node-health-status";

/// Six nodes that one node could hold, and so would be merged if they were well.
fn six(size: &str) -> Snapshot {
    let mut world = world().pool("p").types(&format!("t {size} $2"));
    for node in ["a", "b", "c", "d", "e", "f"] {
        world = world
            .node(&format!("{node} {size} type=t pool=p"))
            .pod(&format!("name=on-{node} cpu=1 on={node}"));
    }
    cluster(world)
}

fn label(snapshot: &mut Snapshot, node: &str, status: &str) {
    let named = |n: &&mut tetrapod::model::node::Node| n.name.as_ref() == node;
    let node = snapshot.nodes.iter_mut().find(named).unwrap();
    node.labels.set(STATUS, status);
    // While HyperPod looks at a node, a taint keeps pods off (H-43); what it has given up is no place by its label alone.
    node.taints.retain(|taint| taint.key.as_ref() != STATUS);
    if status == "Unschedulable" {
        let taint = Taint::new(STATUS, status, TaintEffect::NoSchedule);
        node.taints.push(taint);
    }
}

fn unready(snapshot: &mut Snapshot, node: &str, minutes: i64) {
    let now = snapshot.options.now.unwrap();
    let named = |n: &&mut tetrapod::model::node::Node| n.name.as_ref() == node;
    let node = snapshot.nodes.iter_mut().find(named).unwrap();
    let mut ready = Condition::default();
    ready.kind = Name::from("Ready");
    ready.status = Name::from("Unknown");
    ready.last_transition = Some(now.plus(Span::from_secs(-60 * minutes)));
    node.conditions = vec![ready];
}

/// Why `node` stays: code and message.
fn stay(snapshot: &Snapshot, node: &str) -> (&'static str, String) {
    let answer = consolidate(snapshot, &EconomicPolicy);
    let subject = format!("Node {node}");
    let reason = answer.stays.iter().find(|r| r.subject.as_ref() == subject);
    let reason = reason.unwrap();
    (reason.code.as_str(), reason.message.to_string())
}

#[test]
fn h45_nodes_that_hyperpod_takes_care_of_are_neither_candidates_nor_destinations() {
    for status in [
        "UnschedulablePendingReplacement",
        "UnschedulablePendingReboot",
        "Unschedulable",
    ] {
        let mut snapshot = six("8cpu 8gpu");
        assert_eq!(ours(&snapshot).1, 10_000, "all to one");
        label(&mut snapshot, "a", status);
        let (commands, saved) = ours(&snapshot);
        assert_eq!(saved, 8_000, "{status}: a stays, the others merge");
        let touched = commands.iter().any(|command| {
            let destinations = command.existing_nodes.iter().map(|e| &e.node);
            let candidates = command.candidates.iter().map(|c| &c.node);
            let mut all = destinations.chain(candidates);
            all.any(|node| node.as_ref() == "a")
        });
        assert!(!touched);
        let (code, message) = stay(&snapshot, "a");
        assert_eq!(code, "node-unavailable");
        assert!(message.contains("HyperPod"), "{message}");
    }
}

#[test]
fn h45_empty_drifted_and_expiring_nodes_are_left_to_hyperpod_too() {
    let mut snapshot = six("8cpu 8gpu");
    snapshot.pods.clear();
    for node in ["a", "b", "c", "d", "e", "f"] {
        label(&mut snapshot, node, "UnschedulablePendingReplacement");
    }
    drift(&mut snapshot, &["a"]);
    assert!(ours(&snapshot).0.is_empty());
}

#[test]
fn h45_sick_nodes_use_up_budgets_as_unready_ones_do() {
    let mut snapshot = six("8cpu 8gpu");
    let mut budget = tetrapod::model::node_pool::Budget::default();
    budget.nodes = Name::from("2");
    snapshot.node_pools[0].budgets = vec![budget];
    let gone = |snapshot: &Snapshot| ours(snapshot).0.iter().map(|c| c.candidates.len()).sum();
    let well: usize = gone(&snapshot);
    label(&mut snapshot, "a", "UnschedulablePendingReboot");
    let sick: usize = gone(&snapshot);
    assert_eq!((well, sick), (2, 1), "D-27");
    let plan = ours(&snapshot).0;
    label(&mut snapshot, "f", "UnschedulablePendingReboot");
    assert!(faults(&snapshot, &plan).contains(&Fault::Budget));
}

#[test]
fn h44_hyperpod_does_not_replace_cpu_nodes_so_the_gate_decides() {
    let mut snapshot = six("8cpu");
    label(&mut snapshot, "a", "UnschedulablePendingReplacement");
    assert!(stay(&snapshot, "a").1.contains("NodeRepair is off"));

    snapshot.options.feature_gates.node_repair = true;
    let (commands, _) = ours(&snapshot);
    let repair = commands
        .iter()
        .find(|c| c.method == Method::Repair)
        .unwrap();
    assert_eq!(repair.reason, DisruptionReason::Unhealthy);
    assert_eq!(repair.candidates[0].node.as_ref(), "a");
    assert_eq!((repair.evictions, repair.waves.len()), (1, 0), "D-102");
    assert_eq!(recheck(repair, &snapshot), Ok(()));
    label(&mut snapshot, "a", "Schedulable");
    assert!(recheck(repair, &snapshot).is_err(), "it got well meanwhile");
    assert!(faults(&snapshot, &commands).contains(&Fault::Held));
}

#[test]
fn h45_an_accelerated_node_is_repaired_past_the_deadline_only() {
    let mut snapshot = six("8cpu 8gpu");
    snapshot.options.feature_gates.node_repair = true;
    label(&mut snapshot, "a", "UnschedulablePendingReplacement");
    unready(&mut snapshot, "a", 60);
    assert!(!methods(&ours(&snapshot).0).contains(&Method::Repair));
    let now = snapshot.options.now.unwrap();
    let answer = consolidate(&snapshot, &EconomicPolicy);
    assert_eq!(answer.next_look, Some(now.plus(Span::from_secs(3600))));
    unready(&mut snapshot, "a", 121);
    assert!(methods(&ours(&snapshot).0).contains(&Method::Repair));

    let mut manual = six("8cpu 8gpu");
    manual.options.feature_gates.node_repair = true;
    let mut record = tetrapod::model::hyperpod::HyperpodCluster::default();
    record.node_recovery = Some(Name::from("None"));
    manual.cluster = Some(record);
    label(&mut manual, "a", "UnschedulablePendingReplacement");
    assert!(methods(&ours(&manual).0).contains(&Method::Repair), "H-44");
}

#[test]
fn d100_a_cpu_node_that_stays_unready_is_repaired_after_a_while() {
    let mut snapshot = six("8cpu");
    snapshot.options.feature_gates.node_repair = true;
    unready(&mut snapshot, "a", 29);
    assert!(!methods(&ours(&snapshot).0).contains(&Method::Repair));
    unready(&mut snapshot, "a", 31);
    assert!(methods(&ours(&snapshot).0).contains(&Method::Repair));
}

#[test]
fn d101_repair_stops_where_too_many_are_sick() {
    let mut snapshot = six("8cpu");
    snapshot.options.feature_gates.node_repair = true;
    for node in ["a", "b"] {
        label(&mut snapshot, node, "UnschedulablePendingReplacement");
    }
    let repairs = |snapshot: &Snapshot| {
        let commands = ours(snapshot).0;
        let repairs = commands.iter().filter(|c| c.method == Method::Repair);
        repairs.count()
    };
    assert_eq!(repairs(&snapshot), 2, "20 % of 6, rounded up");
    let plan = ours(&snapshot).0;
    label(&mut snapshot, "c", "UnschedulablePendingReplacement");
    assert_eq!(repairs(&snapshot), 0);
    assert!(stay(&snapshot, "a").1.contains("repair stops at 2"));
    assert!(faults(&snapshot, &plan).contains(&Fault::Held));
}

#[test]
fn d102_repair_asks_neither_pods_nor_pdbs_nor_budgets() {
    let mut snapshot = six("8cpu");
    snapshot.options.feature_gates.node_repair = true;
    label(&mut snapshot, "a", "UnschedulablePendingReplacement");
    let mut pdb = PodDisruptionBudget::default();
    pdb.namespace = Name::from("default");
    pdb.name = Name::from("all");
    pdb.selector = Some(LabelSelector::default());
    pdb.disruptions_allowed = Some(0);
    snapshot.pod_disruption_budgets = vec![pdb];
    let mut budget = tetrapod::model::node_pool::Budget::default();
    budget.nodes = Name::from("0");
    snapshot.node_pools[0].budgets = vec![budget];
    let (commands, _) = ours(&snapshot);
    assert_eq!(methods(&commands), [Method::Repair]);
    assert_eq!(commands[0].evictions, 1);
}
