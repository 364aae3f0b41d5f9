//! The weaknesses W-1..W-30 of Karpenter's disruption, each as the small case that shows it: what it misses, and what the
//! default policy does instead. Every plan is judged by the independent checker.

mod rest;

use std::sync::Arc;

use crate::world::{World, world};
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::disruption::cluster::Cluster;
use tetrapod::disruption::karpenter::Version;
use tetrapod::disruption::policy::{EconomicPolicy, KarpenterPolicy, Policy};
use tetrapod::disruption::{consolidate, converge};
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::{
    CAPACITY_TYPE, INITIALIZED, LabelSelector, Labels, NODE_POOL, REGISTERED, ZONE,
};
use tetrapod::model::node::Condition;
use tetrapod::model::node_claim::NodeClaim;
use tetrapod::model::pod::PodPhase;
use tetrapod::model::policy::PodDisruptionBudget;
use tetrapod::model::resources::Name;
use tetrapod::plan::command::{Command, DisruptionReason, Method};
use tetrapod::scheduler::Capacity;
use tetrapod::verify::disruption::verify_commands;

pub(crate) fn condition(kind: &str, at: Timestamp) -> Condition {
    let mut condition = Condition::default();
    condition.kind = Name::from(kind);
    condition.status = Name::from("True");
    condition.last_transition = Some(at);
    condition
}

/// Gives every node of a pool its NodeClaim, ready and consolidatable; missing labels get the usual values.
pub(crate) fn managed(snapshot: &mut Snapshot) {
    let now: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
    snapshot.options.now = Some(now);
    for node in &mut snapshot.nodes {
        if node.labels.get(NODE_POOL).is_none() {
            continue;
        }
        for (key, value) in [(ZONE, "z1"), (CAPACITY_TYPE, "on-demand")] {
            if node.labels.get(key).is_none() {
                node.labels.set(key, value);
            }
        }
        node.labels.set(REGISTERED, "true");
        node.labels.set(INITIALIZED, "true");
        node.provider_id = Some(Name::from(format!("id://{}", node.name)));
        let mut claim = NodeClaim::default();
        claim.name = Name::from(format!("claim-{}", node.name));
        claim.node_name = Some(Name::clone(&node.name));
        claim.provider_id = node.provider_id.clone();
        claim.conditions = vec![
            condition("Initialized", now),
            condition("Consolidatable", now),
        ];
        snapshot.node_claims.push(claim);
    }
    for pod in &mut snapshot.pods {
        if pod.node_name.is_some() {
            pod.phase = PodPhase::Running;
        }
    }
}

/// Marks `nodes` drifted.
pub(crate) fn drift(snapshot: &mut Snapshot, nodes: &[&str]) {
    let since = condition("Drifted", snapshot.options.now.unwrap());
    for claim in &mut snapshot.node_claims {
        if nodes.contains(&claim.node_name.as_deref().unwrap()) {
            claim.conditions.push(since.clone());
        }
    }
}

pub(crate) fn cluster(world: World) -> Snapshot {
    world.with(managed).snapshot
}

pub(crate) fn commands(snapshot: &Snapshot, policy: &dyn Policy) -> Vec<Command> {
    let capacity = Capacity::new(snapshot);
    policy.commands(&Cluster::new(snapshot, &capacity))
}

/// Ours, valid as a whole; and what it saves per hour in thousandths of a dollar.
pub(crate) fn ours(snapshot: &Snapshot) -> (Vec<Command>, i64) {
    let commands = commands(snapshot, &EconomicPolicy);
    let verdict = verify_commands(snapshot, &commands);
    assert!(verdict.valid, "{:#?}", verdict.findings);
    let saved = saved(&commands);
    (commands, saved)
}

pub(crate) fn karpenter(snapshot: &Snapshot) -> Vec<Command> {
    commands(snapshot, &KarpenterPolicy::new(Version::V113))
}

#[allow(clippy::cast_possible_truncation, reason = "small figures")]
pub(crate) fn saved(commands: &[Command]) -> i64 {
    let saved: f64 = commands
        .iter()
        .map(|c| (c.price_before - c.price_after).as_f64())
        .sum();
    (saved * 1000.0).round() as i64
}

pub(crate) fn methods(commands: &[Command]) -> Vec<Method> {
    commands.iter().map(|c| c.method).collect()
}

#[test]
fn w1_a_set_that_is_no_prefix() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t4 4cpu $4; t8 8cpu $7; t16 16cpu $16")
            .node("a 16cpu type=t16 pool=p")
            .node("b 4cpu type=t4 pool=p")
            .node("c 4cpu type=t4 pool=p")
            .node("d 4cpu type=t4 pool=p")
            .pod("cpu=15 on=a")
            .pod("cpu=2500m on=b")
            .pod("cpu=2500m on=c")
            .pod("cpu=2500m on=d"),
    );
    assert_eq!(ours(&snapshot).1, 5_000);
}

#[test]
fn w2_a_prefix_that_works_although_shorter_ones_do_not() {
    let mut world = world().pool("p").types("t4 4cpu $3; t16 16cpu $10");
    for node in ["a", "b", "c", "d"] {
        world = world
            .node(&format!("{node} 4cpu type=t4 pool=p"))
            .pod(&format!("cpu=3 on={node}"));
    }
    assert_eq!(ours(&cluster(world)).1, 2_000);
}

#[test]
fn w3_a_node_is_split() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("g4 8cpu 4gpu $7.09; g1 4cpu 1gpu $1.41")
            .node("big 8cpu 4gpu type=g4 pool=p")
            .pod("2x cpu=1 gpu=1 on=big"),
    );
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 4_270);
    assert_eq!(commands[0].replacements.len(), 2);
    assert!(karpenter(&snapshot).is_empty());
}

#[test]
fn w4_three_nodes_become_two() {
    let mut world = world().pool("p").types("t12 12cpu $6; t16 16cpu $7.50");
    for node in ["a", "b", "c"] {
        world = world
            .node(&format!("{node} 12cpu type=t12 pool=p"))
            .pod(&format!("cpu=6 on={node}"))
            .pod(&format!("cpu=4 on={node}"));
    }
    assert_eq!(ours(&cluster(world)).1, 3_000);
}

/// P keeps a pod that may not move and one that may; Q goes if that one makes room.
fn one_steps_aside() -> Snapshot {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("t 8cpu $8")
            .node("p 8cpu type=t pool=p")
            .node("q 8cpu type=t pool=p")
            .node("r 8cpu type=t pool=p")
            .pod("name=stays cpu=1 on=p")
            .pod("name=m cpu=4 on=p")
            .pod("name=of-q cpu=7 on=q")
            .pod("name=of-r cpu=4 on=r"),
    );
    for pod in &mut snapshot.pods {
        if ["stays", "of-r"].contains(&pod.name.as_ref()) {
            Arc::make_mut(&mut pod.annotations).set("karpenter.sh/do-not-disrupt", "true");
        }
    }
    snapshot
}

#[test]
fn w5_a_pod_of_a_node_that_stays_makes_room_where_that_is_allowed() {
    let mut snapshot = one_steps_aside();
    assert_eq!(karpenter(&snapshot), []);
    assert_eq!(ours(&snapshot).1, 0, "not without being asked to");

    snapshot.options.pod_moves = true;
    let (plan, saved) = ours(&snapshot);
    assert_eq!(saved, 8_000, "$24 to $16");
    let [command] = plan.as_slice() else {
        panic!("{plan:?}")
    };
    let moved: Vec<&str> = command.moves.iter().map(|m| m.pod.as_ref()).collect();
    assert_eq!(moved, ["default/m"]);
    assert_eq!(
        (command.evictions, command.waves.len()),
        (2, 2),
        "m goes first"
    );
    assert_eq!(command.waves[0], [Name::from("default/m")]);
    let (end, after) = converge(&snapshot, &EconomicPolicy);
    assert_eq!((end.nodes_end, end.pod_moves, end.settled), (2, 2, true));
    let of_q = after
        .pods
        .iter()
        .find(|p| p.name.as_ref() == "of-q")
        .unwrap();
    assert_eq!(of_q.node_name.as_deref(), Some("p"));

    // A second thought before it is carried out.
    assert_eq!(tetrapod::disruption::recheck(command, &snapshot), Ok(()));
    let mut full = snapshot.clone();
    let mut late = full.pods[3].clone();
    late.name = Name::from("late");
    full.pods.push(late);
    assert!(
        tetrapod::disruption::recheck(command, &full).is_err(),
        "r is full now"
    );

    // An eviction that costs more than the node saves over the horizon.
    snapshot.options.eviction_cost = "100".parse().unwrap();
    assert_eq!(ours(&snapshot).1, 0);
}

#[test]
fn w5_the_checker_finds_moves_that_may_not_be() {
    use crate::mutations::faults;
    use tetrapod::verify::disruption::Fault;
    let mut snapshot = one_steps_aside();
    snapshot.options.pod_moves = true;
    let plan = ours(&snapshot).0;

    let mut forbidden = snapshot.clone();
    forbidden.options.pod_moves = false;
    assert!(faults(&forbidden, &plan).contains(&Fault::Held));
    let mut held = snapshot.clone();
    Arc::make_mut(&mut held.pods[1].annotations).set("karpenter.sh/do-not-disrupt", "true");
    assert!(faults(&held, &plan).contains(&Fault::Held));
    let mut elsewhere = plan.clone();
    elsewhere[0].moves[0].from = Name::from("r");
    assert!(faults(&snapshot, &elsewhere).contains(&Fault::Held));
    let mut crowded = plan.clone();
    crowded[0].moves[0].to = Name::from("p");
    assert!(faults(&snapshot, &crowded).contains(&Fault::Placement));
    let mut unasked = plan.clone();
    unasked[0].waves.remove(0);
    assert!(faults(&snapshot, &unasked).contains(&Fault::Waves));
    let mut goes = plan;
    goes[0].moves[0].to = Name::from("q");
    assert!(faults(&snapshot, &goes).contains(&Fault::Destination));
}

#[test]
fn w6_budget_slots_go_where_they_are_of_use() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t4 4cpu $4; t8 8cpu $7; t16 16cpu $16")
            .node("a 16cpu type=t16 pool=p")
            .node("b 16cpu type=t16 pool=p")
            .node("c 4cpu type=t4 pool=p")
            .node("d 4cpu type=t4 pool=p")
            .pod("cpu=16 on=a")
            .pod("cpu=16 on=b")
            .pod("cpu=2500m on=c")
            .pod("cpu=2500m on=d")
            .with(|snapshot| {
                let mut budget = tetrapod::model::node_pool::Budget::default();
                budget.nodes = Name::from("2");
                snapshot.node_pools[0].budgets = vec![budget];
            }),
    );
    assert_eq!(ours(&snapshot).1, 1_000);
}

#[test]
fn w7_pools_do_not_stand_in_each_others_way() {
    let mut world = world()
        .pool("cpu")
        .types("t1 1cpu $0.40; t8 8cpu $2")
        .pool("gpu")
        .types("g8 8cpu 8gpu $30");
    for node in 0..10 {
        world = world
            .node(&format!("c{node} 1cpu type=t1 pool=cpu"))
            .pod(&format!("cpu=600m on=c{node}"));
    }
    for node in ["ga", "gb"] {
        world = world
            .node(&format!("{node} 8cpu 8gpu type=g8 pool=gpu"))
            .pod(&format!("cpu=8 gpu=8 on={node}"));
    }
    let snapshot = cluster(world);
    // Ten pods of 0.6 fit one node of 8: 4.00 -> 2.00.
    assert_eq!(ours(&snapshot).1, 2_000);
    assert!(
        karpenter(&snapshot)
            .iter()
            .all(|c| c.method != Method::Multi)
    );
}

#[test]
fn w8_a_type_is_judged_by_the_zone_it_is_bought_in() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("old 4cpu $0.40; t 4cpu za spot$0.05; t2 4cpu zb spot$0.50")
            .node("a 4cpu type=old pool=p zone=z1")
            .pod("cpu=2 on=a"),
    );
    // One type with a cheap zone and a dear one.
    let types = &mut snapshot.instance_types[0].instance_types;
    let dear = types.remove(2).offerings.remove(0);
    types[1].offerings.push(dear);
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 350);
    assert_eq!(commands[0].replacements[0].cheapest.zone.as_ref(), "za");
    assert!(karpenter(&snapshot).is_empty());
}

#[test]
fn w11_a_node_with_pods_is_not_empty_whatever_they_weigh() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t 4cpu $1")
            .node("a 4cpu type=t pool=p")
            .pod("3x cpu=1 prio=-33554432 on=a"),
    );
    assert!(ours(&snapshot).0.is_empty());
    let head = commands(&snapshot, &KarpenterPolicy::new(Version::Head));
    assert_eq!(methods(&head), [Method::Emptiness]);
}

#[test]
fn w12_moving_has_a_price() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("old 4cpu $40; new 4cpu $39.99")
            .node("a 4cpu type=old pool=p")
            .pod("cpu=3 on=a"),
    );
    assert!(
        ours(&snapshot).0.is_empty(),
        "0.24 $ a day against 4 $ once"
    );
    assert_eq!(karpenter(&snapshot).len(), 1);
}

#[test]
fn w12_evictions_have_a_price() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("t 4cpu $0.01")
            .node("a 4cpu type=t pool=p")
            .node("b 4cpu type=t pool=p")
            .pod("cpu=1 on=a")
            .pod("2x cpu=1 on=b"),
    );
    assert_eq!(ours(&snapshot).1, 10);
    snapshot.options.eviction_cost = "1".parse().unwrap();
    assert!(ours(&snapshot).0.is_empty());
}

#[test]
fn w16_independent_commands_come_together() {
    let mut world = world().pool("p").types("big 8cpu $2; small 4cpu $1");
    for node in 0..20 {
        world = world
            .node(&format!("n{node} 8cpu type=big pool=p"))
            .pod(&format!("cpu=4 on=n{node}"));
    }
    let (commands, saved) = ours(&cluster(world));
    assert_eq!(saved, 20_000);
    assert!(commands.len() > 1);
}

#[test]
fn w18_packing_is_not_first_fit_by_name() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t10 10cpu $1; t14 14cpu $1.40")
            .node("a 10cpu type=t10 pool=p")
            .node("n1 14cpu type=t14 pool=p")
            .node("n2 14cpu type=t14 pool=p")
            .pod("cpu=4 on=a")
            .pod("2x cpu=3 on=a")
            .pod("cpu=8 on=n1")
            .pod("cpu=10 on=n2"),
    );
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 1_000);
    assert!(commands.iter().all(|c| c.replacements.is_empty()));
}

#[test]
fn w19_a_pending_pod_is_not_mixed_in() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("t4 4cpu $1; g 8cpu 8gpu $30")
            .node("a 4cpu type=t4 pool=p")
            .node("b 4cpu type=t4 pool=p")
            .pod("cpu=1 on=a")
            .pod("2x cpu=1 on=b")
            .pod("cpu=1 gpu=8"),
    );
    let (commands, saved) = ours(&snapshot);
    assert_eq!((saved, commands[0].decision()), (1_000, "delete"));
    assert!(karpenter(&snapshot).is_empty());
}

#[test]
fn w20_pdbs_are_summed_and_drained_in_waves() {
    let mut world = world().pool("p").types("t4 4cpu $1; t8 8cpu $1.50");
    for node in ["a", "b", "c"] {
        world = world
            .node(&format!("{node} 4cpu type=t4 pool=p"))
            .pod(&format!("name=web-{node} cpu=2 on={node}"));
    }
    let snapshot = cluster(world.with(|snapshot| {
        let labels: Labels = [("app", "web")].into_iter().collect();
        let labels = Arc::new(labels);
        for pod in &mut snapshot.pods {
            pod.labels = Arc::clone(&labels);
        }
        let mut pdb = PodDisruptionBudget::default();
        pdb.namespace = Name::from("default");
        pdb.name = Name::from("web");
        pdb.selector = Some(LabelSelector::default());
        pdb.disruptions_allowed = Some(1);
        snapshot.pod_disruption_budgets.push(pdb);
    }));
    let (commands, saved) = ours(&snapshot);
    assert!(saved >= 1_000);
    for command in &commands {
        assert!(command.waves.iter().all(|wave| wave.len() == 1));
        assert_eq!(command.waves.len(), command.evictions);
    }
}

#[test]
fn w23_drifted_nodes_merge_and_avoid_each_other() {
    let mut world = world().pool("p").types("t 4cpu $4");
    for node in ["a", "b", "c", "d"] {
        world = world
            .node(&format!("{node} 4cpu type=t pool=p"))
            .pod(&format!("cpu=1 on={node}"));
    }
    let mut snapshot = cluster(world);
    drift(&mut snapshot, &["a", "b", "c", "d"]);
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 12_000);
    assert_eq!(commands.iter().map(|c| c.evictions).sum::<usize>(), 4);
    assert!(
        commands
            .iter()
            .all(|c| c.reason == DisruptionReason::Drifted)
    );
}

#[test]
fn w27_an_unknown_price_is_no_saving() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("known 4cpu $1; unknown 4cpu $?")
            .node("a 4cpu type=unknown pool=p")
            .node("b 4cpu type=known pool=p")
            .pod("cpu=3 on=a")
            .pod("cpu=3 on=b"),
    );
    assert!(ours(&snapshot).0.is_empty());
    let stays = consolidate(&snapshot, &EconomicPolicy).stays;
    assert_eq!(stays[0].code.as_str(), "unknown-price");
}

#[test]
fn w28_the_order_of_the_input_does_not_show() {
    let mut world = world().pool("p").types("t4 4cpu $1; t8 8cpu $1.50");
    for node in 0..8 {
        world = world
            .node(&format!("n{node} 4cpu type=t4 pool=p"))
            .pod(&format!("name=w{node} cpu=2 on=n{node}"));
    }
    let snapshot = cluster(world);
    let mut turned = snapshot.clone();
    turned.pods.reverse();
    turned.nodes.reverse();
    turned.node_claims.reverse();
    assert_eq!(ours(&snapshot).0, ours(&turned).0);
    assert_eq!(karpenter(&snapshot), karpenter(&turned));
}

#[test]
fn w30_an_uninitialized_node_is_no_place() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("big 8cpu $8; small 4cpu $1")
            .node("a 8cpu type=big pool=p")
            .node("new 4cpu type=small pool=p")
            .pod("cpu=3 on=a"),
    );
    let new = snapshot
        .nodes
        .iter_mut()
        .find(|n| n.name.as_ref() == "new")
        .unwrap();
    new.labels.set(INITIALIZED, "false");
    assert!(karpenter(&snapshot).is_empty());
    let (commands, saved) = ours(&snapshot);
    assert_eq!((saved, commands[0].replacements.len()), (7_000, 1));
}

#[test]
fn without_pods_every_path_of_budgets_ends_at_no_managed_node() {
    for budget in ["100%", "1", "10%", "2"] {
        let mut world = world().pool("p").types("t 4cpu $1").node("own 4cpu");
        for node in 0..12 {
            world = world.node(&format!("n{node} 4cpu type=t pool=p"));
        }
        let snapshot = cluster(world.with(|snapshot| {
            let mut held = tetrapod::model::node_pool::Budget::default();
            held.nodes = Name::from(budget);
            snapshot.node_pools[0].budgets = vec![held];
            snapshot.node_pools[0].consolidate_after = Some(Span::ZERO);
        }));
        for policy in [
            Box::new(EconomicPolicy) as Box<dyn Policy>,
            Box::new(KarpenterPolicy::new(Version::V113)),
        ] {
            let (figures, end) = converge(&snapshot, policy.as_ref());
            assert!(figures.settled);
            assert_eq!((end.node_claims.len(), end.nodes.len()), (0, 1), "{budget}");
        }
    }
}
