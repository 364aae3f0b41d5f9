//! The rest of the table: W-9 to W-29, gangs, drift and attach limits.

use super::*;
use tetrapod::disruption::drift;
use tetrapod::disruption::recheck;
use tetrapod::model::instance_type::CapacityType;
use tetrapod::model::node_pool::{Budget, ConsolidationPolicy};
use tetrapod::model::options::Forecast;

/// Rows that no case of this file shows, and where they are settled.
const ELSEWHERE: [(&str, &str); 2] = [
    (
        "W-24",
        "the queue leaves nodes of failed commands alone, longer each time: tests/disruption/queue.rs",
    ),
    (
        "W-29",
        "kept: how budgets round and what counts against them is the contract of D-23 and D-27, and decisions follow \
         tests/disruption/budget.rs",
    ),
];

#[test]
fn every_weakness_has_a_case_or_a_reason() {
    let cases = concat!(include_str!("../weaknesses.rs"), include_str!("rest.rs"));
    for number in 1..=30 {
        let case = cases.contains(&format!("\nfn w{number}_"));
        let row = ELSEWHERE
            .iter()
            .any(|(name, _)| *name == format!("W-{number}"));
        assert!(case != row, "W-{number}");
    }
}

#[test]
fn w9_spot_is_no_all_or_nothing() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("old 4cpu $1; t 4cpu $0.60 spot$0.30")
            .node("a 4cpu type=old pool=p")
            .pod("cpu=3 on=a"),
    );
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 700);
    let fallbacks = &commands[0].replacements[0].fallbacks;
    let certain = |f: &&tetrapod::plan::ChosenOffering| f.capacity_type == CapacityType::OnDemand;
    assert!(fallbacks.iter().any(|f| certain(&f)), "{fallbacks:?}");
}

#[test]
fn w10_a_node_that_left_the_list_is_no_limit_for_others() {
    let snapshot = cluster(
        world()
            .pool("p")
            .types("s 2cpu z2 $1; x 4cpu $4; xx 8cpu $8")
            .node("a 2cpu type=s pool=p zone=z1")
            .node("b 8cpu type=xx pool=p")
            .node("c 8cpu type=xx pool=p")
            .pod("cpu=1 on=a")
            .pod("cpu=2 on=b")
            .pod("cpu=2 on=c"),
    );
    assert!(ours(&snapshot).1 >= 12_000);
}

#[test]
fn w13_what_is_saved_has_an_absolute_scale() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("old 8cpu $40; new 8cpu $22")
            .node("a 8cpu type=old pool=p")
            .pod("cpu=8 on=a"),
    );
    assert_eq!(ours(&snapshot).1, 18_000);
    snapshot.options.eviction_cost = "1000".parse().unwrap();
    assert!(ours(&snapshot).0.is_empty(), "432 $ a day against 1000 $");
}

#[test]
fn w14_nodes_that_are_needed_soon_are_kept() {
    let mut world = world().pool("p").types("t 4cpu $2");
    for node in 0..10 {
        world = world.node(&format!("n{node} 4cpu type=t pool=p"));
        if node < 5 {
            world = world.pod(&format!("cpu=4 on=n{node}"));
        }
    }
    let mut snapshot = cluster(world);
    assert_eq!(ours(&snapshot).1, 10_000);
    let now = snapshot.options.now.unwrap();
    let back = now.plus(Span::from_secs(600));
    snapshot.options.forecast = vec![Forecast::new("p", back, 8)];
    assert_eq!(ours(&snapshot).1, 4_000, "eight nodes stay");
    snapshot.options.forecast = vec![Forecast::new("p", now.plus(Span::from_secs(7200)), 8)];
    assert_eq!(ours(&snapshot).1, 10_000, "two hours are worth it");
}

#[test]
fn w15_no_search_is_cut_off() {
    let mut world = world().pool("p").types("t4 4cpu $1; t16 16cpu $3");
    for node in 0..150 {
        world = world
            .node(&format!("n{node:03} 4cpu type=t4 pool=p"))
            .pod(&format!("cpu=3 on=n{node:03}"));
    }
    let snapshot = cluster(world);
    let (figures, _) = converge(&snapshot, &EconomicPolicy);
    assert!(figures.settled && figures.steps <= 2, "{figures:?}");
    assert!(figures.price_end.as_f64() <= 90.0 + 1e-9, "{figures:?}");
}

#[test]
fn w17_one_command_that_no_longer_holds_does_not_stop_others() {
    let mut world = world().pool("p").types("big 8cpu $2; small 6cpu $1");
    for node in ["a", "b"] {
        world = world
            .node(&format!("{node} 8cpu type=big pool=p"))
            .pod(&format!("cpu=5 on={node}"));
    }
    let mut snapshot = cluster(world);
    let (commands, _) = ours(&snapshot);
    assert_eq!(commands.len(), 2);
    let changed = commands[0].candidates[0].node.clone();
    let pod = snapshot
        .pods
        .iter_mut()
        .find(|pod| pod.node_name.as_ref() == Some(&changed))
        .unwrap();
    let key = "karpenter.sh/do-not-disrupt";
    Arc::make_mut(&mut pod.annotations).set(key, "true");
    assert!(recheck(&commands[0], &snapshot).is_err());
    assert!(recheck(&commands[1], &snapshot).is_ok());
}

fn gang(snapshot: &mut Snapshot) {
    let labels: Labels = [("scheduling.x-k8s.io/pod-group", "train")]
        .into_iter()
        .collect();
    let labels = Arc::new(labels);
    for pod in &mut snapshot.pods {
        if pod.name.starts_with("g-") {
            pod.labels = Arc::clone(&labels);
        }
    }
}

#[test]
fn w21_a_gang_moves_whole_or_not_at_all() {
    let base = || {
        world()
            .pool("p")
            .types("big 8cpu $60; small 4cpu $10")
            .node("a 8cpu type=big pool=p")
            .node("b 8cpu type=big pool=p")
            .pod("name=g-1 cpu=2 on=a")
            .pod("name=g-2 cpu=2 on=b")
    };
    assert_eq!(ours(&cluster(base())).1, 110_000);
    let mut whole = cluster(base().with(gang));
    let (commands, saved) = ours(&whole);
    assert_eq!((saved, commands.len()), (110_000, 1), "both in one command");
    whole.options.gang_restart_cost = "5000".parse().unwrap();
    assert!(
        ours(&whole).0.is_empty(),
        "2640 $ a day against 5000 $ once"
    );
    let mut part = cluster(base().with(gang));
    let pod = part
        .pods
        .iter_mut()
        .find(|pod| pod.name.as_ref() == "g-2")
        .unwrap();
    Arc::make_mut(&mut pod.annotations).set("karpenter.sh/do-not-disrupt", "true");
    assert!(ours(&part).0.is_empty(), "g-2 cannot move");
    assert_eq!(karpenter(&part).len(), 1, "Karpenter stops 64 pods for one");
}

#[test]
fn w21_a_block_of_nodes_is_not_broken_for_little() {
    let cluster_at = |price: &str| {
        let mut snapshot = cluster(
            world()
                .pool("p")
                .types(&format!("old 4cpu $10; new 4cpu {price}"))
                .node("a 4cpu type=old pool=p")
                .node("b 4cpu type=old pool=p")
                .pod("name=g-1 cpu=3 on=a")
                .pod("name=g-2 cpu=3 on=b")
                .with(gang),
        );
        for node in &mut snapshot.nodes {
            node.labels
                .set("topology.k8s.aws/network-node-layer-3", "nn-1");
        }
        snapshot
    };
    assert!(ours(&cluster_at("$9")).0.is_empty(), "H-55");
    assert_eq!(ours(&cluster_at("$5")).1, 10_000);
}

#[test]
fn w22_a_node_that_expires_gets_its_successor_first() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("t 4cpu $1")
            .node("a 4cpu type=t pool=p")
            .pod("cpu=3 on=a"),
    );
    let now = snapshot.options.now.unwrap();
    let claim = &mut snapshot.node_claims[0];
    claim.created = Some(now.plus(Span::from_secs(-3400)));
    claim.expire_after = Some(Span::from_secs(3600));
    let (commands, _) = ours(&snapshot);
    assert_eq!(methods(&commands), [Method::Expire]);
    assert_eq!(commands[0].replacements.len(), 1);
    assert!(karpenter(&snapshot).is_empty());
}

#[test]
fn w25_how_flexible_spot_must_be_is_a_parameter() {
    let mut types = "old 4cpu spot$1".to_owned();
    for number in 0..14 {
        types.push_str(&format!("; t{number} 4cpu spot$0.1"));
    }
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types(&types)
            .node("a 4cpu type=old pool=p")
            .pod("cpu=3 on=a")
            .with(|snapshot| snapshot.nodes[0].labels.set(CAPACITY_TYPE, "spot")),
    );
    snapshot.options.feature_gates.spot_to_spot_consolidation = true;
    assert!(ours(&snapshot).0.is_empty() && karpenter(&snapshot).is_empty());
    snapshot.options.spot_to_spot_min_types = 5;
    assert_eq!(ours(&snapshot).1, 900);
}

#[test]
fn w26_what_is_approved_is_what_is_bought() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("old 4cpu $0.40; t 4cpu $0.20; u 4cpu $0.39; v 4cpu $0.41")
            .node("a 4cpu type=old pool=p")
            .pod("cpu=3 on=a")
            .with(|snapshot| {
                snapshot.node_pools[0].consolidation_policy = ConsolidationPolicy::Balanced;
            }),
    );
    let (commands, saved) = ours(&snapshot);
    assert_eq!(saved, 200);
    let limit = "0.40".parse().unwrap();
    for fallback in commands[0].replacements[0].fallbacks.iter() {
        assert!(fallback.price.unwrap() < limit);
    }
    let types = &mut snapshot.instance_types[0].instance_types;
    types[1].offerings[0].price = Some(limit);
    assert!(
        recheck(&commands[0], &snapshot).is_err(),
        "prices are looked at again"
    );
}

/// D-86, H-13: each reason of drift, and that a plan replaces what is marked.
#[test]
fn drift_is_found_in_the_snapshot() {
    let mut snapshot = cluster(
        world()
            .pool("p")
            .types("t 4cpu $1")
            .node("a 4cpu type=t pool=p")
            .pod("cpu=3 on=a"),
    );
    let found = |snapshot: &Snapshot| drift::detect(snapshot).first().map(|(_, drift)| *drift);
    assert_eq!(found(&snapshot), None);

    let mut hash = snapshot.clone();
    for (key, pool, claim) in [("-version", "v3", "v3"), ("", "1", "2")] {
        let key = format!("karpenter.sh/nodepool-hash{key}");
        hash.node_pools[0].annotations.set(&*key, pool);
        hash.node_claims[0].annotations.set(&*key, claim);
    }
    assert_eq!(found(&hash), Some(drift::Drift::NodePool));
    hash.node_claims[0]
        .annotations
        .set("karpenter.sh/nodepool-hash-version", "v2");
    assert_eq!(found(&hash), None, "another version says nothing");

    let mut gone = snapshot.clone();
    gone.nodes[0]
        .labels
        .set("node.kubernetes.io/instance-type", "old");
    assert_eq!(found(&gone), None, "a young claim");
    let now = gone.options.now.unwrap();
    gone.node_claims[0].created = Some(now.plus(Span::from_secs(-4000)));
    assert_eq!(found(&gone), Some(drift::Drift::InstanceType));

    let mut class = tetrapod::model::hyperpod::HyperpodNodeClass::default();
    class.name = snapshot.node_pools[0].node_class_ref.name.clone();
    class.instance_groups = vec![Name::from("left")];
    snapshot.node_classes.push(class);
    let group = "sagemaker.amazonaws.com/instance-group-name";
    snapshot.nodes[0].labels.set(group, "taken-away");
    assert_eq!(found(&snapshot), Some(drift::Drift::InstanceGroup), "H-13");
    let unmarked = consolidate(&snapshot, &EconomicPolicy);
    assert_eq!(
        methods(&unmarked.commands),
        [Method::Drift],
        "nobody marked it"
    );
    assert!(verify_commands(&drift::complete(&snapshot), &unmarked.commands).valid);
    drift::mark(&mut snapshot);
    let condition = snapshot.node_claims[0].conditions.last().unwrap();
    assert_eq!(condition.reason.as_ref(), "InstanceGroupDrifted");
    let plan = commands(&snapshot, &EconomicPolicy);
    assert_eq!(methods(&plan), [Method::Drift]);
    snapshot.nodes[0].labels.set(group, "left");
    drift::mark(&mut snapshot);
    assert!(commands(&snapshot, &EconomicPolicy).is_empty());
}

/// S-107: the volumes of pods that run where they are take up the limit of a destination.
#[test]
fn volumes_of_pods_that_could_move_count_where_they_are() {
    for (limit, saved) in [(1, 0), (2, 1_000)] {
        let mut snapshot = cluster(
            world()
                .pool("p")
                .types("t 4cpu $1")
                .node("a 4cpu type=t pool=p")
                .node("b 4cpu type=t pool=p")
                .pod("name=v-a cpu=1 on=a")
                .pod("name=v-b cpu=1 on=b"),
        );
        let volumes = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "ebs"},
             "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "v-a", "namespace": "default"},
             "spec": {"storageClassName": "ebs", "accessModes": ["ReadWriteOnce"]}},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "v-b", "namespace": "default"},
             "spec": {"storageClassName": "ebs", "accessModes": ["ReadWriteOnce"]}},
            csi("a", limit), csi("b", limit), mounting("v-a"), mounting("v-b"),
        ]});
        let read = tetrapod::manifest::snapshot_from_str(&volumes.to_string()).unwrap();
        for (pod, with) in snapshot.pods.iter_mut().zip(&read.pods) {
            Arc::make_mut(&mut pod.spec).volumes = with.spec.volumes.clone();
        }
        snapshot.csi_nodes = read.csi_nodes;
        snapshot.storage_classes = read.storage_classes;
        snapshot.volume_claims = read.volume_claims;
        assert_eq!(ours(&snapshot).1, saved, "limit {limit}");
    }
}

fn csi(node: &str, count: u32) -> serde_json::Value {
    serde_json::json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": node},
        "spec": {"drivers": [{"name": "ebs.csi.aws.com", "nodeID": "i", "allocatable": {"count": count}}]}})
}

fn mounting(claim: &str) -> serde_json::Value {
    serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": claim, "namespace": "default"},
        "spec": {"containers": [{"name": "c"}],
                 "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}})
}

/// A small cluster by chance: nodes of three sizes, some tight, with pods of every size.
fn by_chance(seed: u64) -> Snapshot {
    let mut rng = tetrapod::base::rng::Rng::new(seed);
    let mut world = world()
        .pool("p")
        .types("s 4cpu $1; m 8cpu $1.9; l 16cpu $3.5");
    let sizes = [("s", 4), ("m", 8), ("l", 16)];
    for node in 0..3 + rng.below(9) {
        let (kind, cpu) = sizes[usize::try_from(rng.below(3)).unwrap()];
        world = world.node(&format!("n{node:02} {cpu}cpu type={kind} pool=p"));
        let mut left = cpu;
        while left > 0 && rng.below(4) > 0 {
            let asked = 1 + rng.below(left.min(5));
            left -= asked;
            world = world.pod(&format!("cpu={asked} on=n{node:02}"));
        }
    }
    let mut snapshot = cluster(world);
    let mut budget = Budget::default();
    budget.nodes = Name::from(["100%", "1", "3", "20%"][usize::try_from(rng.below(4)).unwrap()]);
    let mut window = Budget::default();
    window.nodes = Name::from("0");
    window.schedule = Some(Name::from(
        ["0 9 * * *", "30 */6 * * mon-fri", "0 0 1 * *"][usize::try_from(rng.below(3)).unwrap()],
    ));
    window.duration = Some(Span::from_secs(3600 * (1 + rng.below(8)).cast_signed()));
    snapshot.node_pools[0].budgets = vec![budget, window];
    snapshot.node_pools[0].consolidate_after =
        Some(Span::from_secs(60 * rng.below(30).cast_signed()));
    snapshot.options.now = Some(
        "2026-01-05T00:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .plus(Span::from_secs(600 * rng.below(1008).cast_signed())),
    );
    snapshot
}

/// Issue 4, point 6: what a plan leads to gives no further command.
#[test]
fn a_plan_that_is_carried_out_leaves_nothing_to_do() {
    let mut planned = 0;
    for seed in 0..200 {
        let mut snapshot = by_chance(seed);
        let mut all = Budget::default();
        all.nodes = Name::from("100%");
        snapshot.node_pools[0].budgets = vec![all];
        let (plan, _) = ours(&snapshot);
        planned += usize::from(!plan.is_empty());
        let after = tetrapod::disruption::apply(&snapshot, &plan);
        let again = commands(&after, &EconomicPolicy);
        assert!(again.is_empty(), "seed {seed}: {again:#?}");
    }
    assert!(planned > 100, "{planned} of 200 had anything to do");
}

/// Once the workloads are gone, looking again whenever an answer says so ends at no managed node, whatever the windows.
#[test]
fn every_path_of_windows_ends_at_no_managed_node() {
    let mut waited = 0;
    for seed in 0..200 {
        let mut snapshot = by_chance(seed);
        snapshot.pods.clear();
        let policies: [Box<dyn Policy>; 2] = [
            Box::new(EconomicPolicy),
            Box::new(KarpenterPolicy::new(Version::V113)),
        ];
        for policy in policies {
            let mut current = snapshot.clone();
            let mut looks = 0;
            while !current.node_claims.is_empty() {
                looks += 1;
                assert!(looks < 200, "seed {seed}: {} nodes", current.nodes.len());
                let answer = consolidate(&current, policy.as_ref());
                if answer.commands.is_empty() {
                    let now = current.options.now.unwrap();
                    let next = answer.next_look.expect("something ends");
                    assert!(next > now);
                    waited += 1;
                    current.options.now = Some(next);
                } else {
                    let verdict = verify_commands(&current, &answer.commands[..1]);
                    assert!(verdict.valid, "{:#?}", verdict.findings);
                    current = tetrapod::disruption::apply(&current, &answer.commands);
                }
            }
        }
    }
    assert!(waited > 20, "{waited}");
}
