//! Why pods stay pending: every category of S-138 and S-139 with its figures.

use crate::world::{World, world};
use tetrapod::explain::reason::{Code, Reason};
use tetrapod::explain::render;
use tetrapod::model::affinity::NodeSelectorTerm;
use tetrapod::model::label::{INSTANCE_TYPE, ZONE};
use tetrapod::model::options::MinValuesPolicy;
use tetrapod::model::requirement::{Operator, RequirementSpec};
use tetrapod::plan::Unschedulable;

#[track_caller]
fn check(why: &Unschedulable, code: &str, figures: &[&str]) {
    assert_eq!(why.code.as_ref(), code, "{}", shown(why));
    assert!(!why.reasons.is_empty());
    for figure in figures {
        assert!(shown(why).contains(figure), "{figure} in\n{}", shown(why));
    }
}

fn shown(why: &Unschedulable) -> String {
    format!("{}\n{}", why.reason, render::texts(why.reasons.iter()))
}

fn one_pool() -> World {
    world()
        .pool("default")
        .types("small 4cpu 16Gi $1; big 16cpu 64Gi $4 z1,z2")
}

#[test]
fn s138_7_resources_that_no_type_has_name_the_nearest_and_the_figures() {
    let why = one_pool().pod("cpu=20 mem=1Gi").why("p0");
    check(
        &why,
        "insufficient-resources",
        &["cpu 16 < 20", "NodePool default"],
    );
    assert_eq!(
        why.reason.as_ref(),
        "no instance type has enough: cpu 16 < 20 (NodePool default, nearest big)"
    );
}

#[test]
fn equal_rejections_are_merged_with_count_and_examples() {
    let types: Vec<String> = (0..37).map(|n| format!("t{n:02} 4cpu 16Gi $1")).collect();
    let why = world()
        .pool("default")
        .types(&types.join(";"))
        .pod("cpu=1 gpu=8")
        .why("p0");
    check(
        &why,
        "insufficient-resources",
        &["37 instance types: nvidia.com/gpu 0 < 8"],
    );
    let part = &why.reasons[0].parts[0];
    assert_eq!((part.count, part.examples.len()), (37, 5));
}

#[test]
fn the_nearest_miss_comes_first() {
    let why = world()
        .pool("default")
        .types("none 64cpu 64Gi $1; four 64cpu 64Gi 4gpu $2; two 64cpu 64Gi 2gpu $2; tiny 1cpu 1Gi 4gpu $1")
        .pod("cpu=8 mem=8Gi gpu=8")
        .why("p0");
    let parts = &why.reasons[0].parts;
    assert_eq!(parts[0].message, "nvidia.com/gpu 4 < 8", "{}", shown(&why));
    assert_eq!(parts[0].examples[0].as_ref(), "four");
    check(&why, "insufficient-resources", &["nearest four"]);
}

#[test]
fn s138_7_a_cpu_request_in_millions_hints_at_the_suffix() {
    let why = one_pool().pod("cpu=2M").why("p0");
    check(
        &why,
        "insufficient-resources",
        &["cpu 16 < 2M", "meant to be m"],
    );
}

#[test]
fn daemonset_overhead_is_shown_apart() {
    let why = one_pool()
        .daemon("agent cpu=700m tol=*")
        .pod("cpu=15500m")
        .why("p0");
    check(
        &why,
        "insufficient-resources",
        &["cpu 16 - 700m for DaemonSets < 15500m"],
    );
}

#[test]
fn daemonset_pods_that_alone_overfill_a_type_are_named() {
    let why = world()
        .pool("default")
        .types("small 1cpu 16Gi $1")
        .daemon("agent cpu=2")
        .pod("cpu=100m")
        .why("p0");
    check(
        &why,
        "daemon-overhead",
        &["DaemonSet pods alone overfill it: cpu 1 < 2"],
    );
}

#[test]
fn s139_taints_are_all_named() {
    let why = world()
        .pool("gpu taint=a=b:NoSchedule taint=dedicated=ml:NoExecute taint=soft=1:PreferNoSchedule")
        .types("small 4cpu 16Gi $1")
        .pod("cpu=1")
        .why("p0");
    check(
        &why,
        "taint",
        &["taints a=b:NoSchedule, dedicated=ml:NoExecute are not tolerated (NodePool gpu)"],
    );
    assert!(!shown(&why).contains("soft"));
}

#[test]
fn taints_of_a_group_count_per_type() {
    let why = world()
        .pool("default")
        .types("small 4cpu 16Gi $1 taint=maint=yes:NoSchedule group=ig-1")
        .pod("cpu=1")
        .why("p0");
    check(
        &why,
        "taint",
        &["maint=yes:NoSchedule", "of instance group ig-1"],
    );
}

#[test]
fn s139_a_conflict_with_the_pools_own_requirement_names_both_sides() {
    let why = one_pool()
        .with(|s| s.node_pools[0].template_labels.set("team", "a"))
        .pod("cpu=1 sel=team=b")
        .why("p0");
    check(
        &why,
        "requirement-conflict",
        &["the pod asks team In [b], the NodePool offers team In [a]"],
    );
}

#[test]
fn s139_an_undefined_label_comes_with_a_near_miss() {
    let why = one_pool()
        .pod("cpu=1 sel=topology.k8s.io/zone=z1")
        .why("p0");
    check(
        &why,
        "undefined-label",
        &[
            "nothing here sets the label topology.k8s.io/zone",
            "did you mean topology.kubernetes.io/zone?",
        ],
    );
    let why = one_pool().pod("cpu=1 sel=rack=r1").why("p0");
    check(&why, "undefined-label", &["sets the label rack"]);
    assert!(!shown(&why).contains("did you mean"));
}

#[test]
fn s138_6_a_type_that_does_not_exist_comes_with_the_nearest_name() {
    let why = one_pool().pod("cpu=1 type=smal").why("p0");
    check(
        &why,
        "requirement-conflict",
        &[
            "node.kubernetes.io/instance-type In [smal]",
            "did you mean small?",
        ],
    );
}

#[test]
fn s138_8_no_offering_names_what_is_offered() {
    let why = one_pool().pod("cpu=1 zone=z9").why("p0");
    check(
        &why,
        "no-offering",
        &[
            "no offering with topology.kubernetes.io/zone In [z9]",
            "offered: z1, z2",
        ],
    );
    let why = one_pool().pod("cpu=1 ct=spot").why("p0");
    check(&why, "no-offering", &["In [spot]", "offered: on-demand"]);
}

#[test]
fn s138_9_types_with_room_lack_the_offering() {
    let why = one_pool().pod("cpu=2 zone=z2 type=small").why("p0");
    check(
        &why,
        "no-offering",
        &["instance type small: no offering", "zone In [z2]"],
    );
}

#[test]
fn s138_10_types_with_room_and_offering_lack_the_label() {
    let why = world()
        .pool("default")
        .types("one 2cpu 4Gi $1 family=a; two 32cpu 64Gi $1 family=b")
        .pod("cpu=8 sel=family=a")
        .why("p0");
    // Both `a` without room and `b` without the label are one check away; the category is S-138's tenth.
    check(
        &why,
        "requirement-conflict",
        &["cpu 2 < 8", "family In [a]"],
    );
}

#[test]
fn s138_11_types_with_label_and_offering_lack_room() {
    let why = world()
        .pool("default")
        .types("one 2cpu 4Gi $1 family=a; two 32cpu 64Gi $1 z2 family=b; three 1cpu 2Gi $1 z2 family=b")
        .pod("cpu=8 zone=z1 sel=family=a")
        .why("p0");
    check(
        &why,
        "insufficient-resources",
        &["no instance type has enough: cpu 2 < 8"],
    );
}

#[test]
fn s138_3_two_checks_that_are_never_met_are_both_named() {
    let why = one_pool().pod("cpu=99 zone=z9").why("p0");
    check(&why, "several", &["zone In [z9]", "cpu 16 < 99"]);
}

#[test]
fn unavailable_offerings_are_told_from_absent_ones() {
    let why = world()
        .pool("default")
        .types("small 4cpu 16Gi $1 z1,z2 !z2")
        .pod("cpu=1 zone=z2")
        .why("p0");
    check(
        &why,
        "no-offering",
        &["z2 on-demand not available at present"],
    );
}

#[test]
fn s138_1_min_values_name_the_key_and_both_counts() {
    let mut world = world()
        .pool(&format!("default min={INSTANCE_TYPE}:Exists:3"))
        .types("small 4cpu 16Gi $1; big 16cpu 64Gi $4")
        .pod("cpu=1");
    check(
        &world.why("p0"),
        "min-values",
        &[
            "minValues of node.kubernetes.io/instance-type is 3",
            "have 2",
        ],
    );
    world.snapshot.options.min_values_policy = MinValuesPolicy::BestEffort;
    assert!(world.plan().unschedulable.is_empty());
}

#[test]
fn s139_limits_name_the_resource_what_is_left_and_what_took_it() {
    let world = world()
        .pool("default limit=cpu:6")
        .types("small 4cpu 16Gi $1")
        .pod("3x cpu=3");
    let plan = world.plan();
    assert_eq!(plan.unschedulable.len(), 2);
    check(
        &plan.unschedulable[0],
        "limit",
        &["limit cpu of NodePool default: 2 left, 4 needed (1 node takes 4 in this plan)"],
    );
    // Equal pods share one tree.
    assert!(std::sync::Arc::ptr_eq(
        &plan.unschedulable[0].reasons,
        &plan.unschedulable[1].reasons
    ));
}

#[test]
fn s47_a_pool_over_its_limit_says_by_how_much() {
    let why = world()
        .pool("default limit=cpu:6")
        .types("small 4cpu 16Gi $1")
        .node("n1 8cpu 1Gi pool=default cordoned")
        .pod("cpu=3")
        .why("p0");
    check(
        &why,
        "limit",
        &["limit cpu of NodePool default: exceeded by 2", "cordoned"],
    );
}

#[test]
fn quotas_price_limits_and_reservations_are_told_apart() {
    let why = one_pool()
        .with(|s| {
            s.options.quotas.per_type.insert("small".into(), 0);
            s.options.quotas.per_type.insert("big".into(), 0);
        })
        .pod("cpu=1")
        .why("p0");
    check(&why, "quota", &["quota of small: 0 left, 1 needed"]);
    let why = one_pool()
        .with(|s| s.options.price_limit = Some("0.5".parse().unwrap()))
        .pod("cpu=1")
        .why("p0");
    check(
        &why,
        "price-limit",
        &["price limit of the plan: $0.5 left, $1 needed"],
    );
    let plan = world()
        .pool("default")
        .types("small 4cpu 16Gi reserved$0:1@cr-1")
        .pod("2x cpu=3")
        .plan();
    check(
        &plan.unschedulable[0],
        "reservation",
        &["reservation cr-1: 0 left, 1 needed"],
    );
    let why = world()
        .pool("default")
        .types("small 4cpu 16Gi reserved$0:0@cr-1")
        .pod("cpu=3")
        .why("p0");
    check(
        &why,
        "reservation",
        &["no instance of the reservation is left"],
    );
}

#[test]
fn s111_a_port_that_a_daemonset_holds_is_named_as_such() {
    let why = one_pool()
        .daemon("exporter cpu=100m port=9100")
        .pod("cpu=1 port=9100")
        .why("p0");
    check(
        &why,
        "host-port",
        &["host port TCP 9100 is taken by DaemonSet kube-system/exporter"],
    );
}

#[test]
fn s139_volumes_that_tie_a_pod_to_a_zone_are_named_as_such() {
    use tetrapod::model::volume::{ClaimPhase, PersistentVolume, PersistentVolumeClaim, PodVolume};
    let why = one_pool()
        .pod("cpu=1")
        .with(|s| {
            let mut claim = PersistentVolumeClaim::default();
            claim.namespace = "default".into();
            claim.name = "data".into();
            claim
                .annotations
                .set("pv.kubernetes.io/bind-completed", "yes");
            claim.volume_name = Some("pv-1".into());
            claim.phase = ClaimPhase::Bound;
            s.volume_claims.push(claim);
            let mut term = NodeSelectorTerm::default();
            term.match_expressions = vec![RequirementSpec::new(ZONE, Operator::In, ["z9"])];
            let mut volume = PersistentVolume::default();
            volume.name = "pv-1".into();
            volume.node_affinity = Some(vec![term]);
            s.volumes.push(volume);
            let spec = std::sync::Arc::make_mut(&mut s.pods[0].spec);
            spec.volumes.push(PodVolume::Claim("data".into()));
        })
        .why("p0");
    check(
        &why,
        "volume",
        &["its volumes: the pod asks topology.kubernetes.io/zone In [z9], offered: z1, z2"],
    );
}

#[test]
fn s139_without_pools_the_existing_nodes_are_still_explained() {
    let why = world().pod("cpu=1").why("p0");
    check(&why, "no-node-pools", &["there is no NodePool"]);
    let why = world()
        .node("n1 4cpu 8Gi")
        .node("n2 2cpu 8Gi")
        .node("n3 64cpu 8Gi taint=a=b:NoSchedule")
        .node("n4 64cpu 8Gi deleting")
        .pod("cpu=5")
        .why("p0");
    check(
        &why,
        "no-node-pools",
        &[
            "4 Nodes: nearest n1: cpu 4 free < 5",
            "2 Nodes: cpu 4 free < 5 [insufficient-resources] (n1, n2)",
            "Node n3: taint a=b:NoSchedule is not tolerated",
            "Node n4: being deleted",
        ],
    );
}

#[test]
fn s40_pools_that_cannot_be_used_say_why() {
    let why = world()
        .pool("a static")
        .types("small 4cpu 1Gi $1")
        .pod("cpu=1")
        .why("p0");
    check(
        &why,
        "pool-not-ready",
        &["NodePool a: the NodePool is static"],
    );
    let why = world()
        .pool("a unready")
        .types("small 4cpu 1Gi $1")
        .pod("cpu=1")
        .why("p0");
    check(&why, "pool-not-ready", &["Ready condition is False"]);
}

#[test]
fn s45_a_pool_that_leaves_no_type_says_so_and_names_the_requirement() {
    let why = world()
        .pool("default req=family:In:z")
        .types("small 4cpu 16Gi $1 family=a; big 8cpu 16Gi $1 family=b")
        .pod("cpu=1")
        .why("p0");
    check(
        &why,
        "no-instance-types",
        &[
            "leave none of the 2 instance types",
            "2 instance types: left out by the NodePool's requirement family In [z]",
        ],
    );
}

#[test]
fn s45_a_pool_whose_zones_leave_no_offering_says_so_and_does_not_lead() {
    let why = world()
        .pool(&format!("a weight=10 req={ZONE}:In:z9"))
        .types("small 4cpu 16Gi $1")
        .pool("b")
        .types("small 4cpu 16Gi $1")
        .pod("cpu=8")
        .why("p0");
    check(
        &why,
        "insufficient-resources",
        &[
            "NodePool a: its own requirements leave none of the 1 instance types of its node class an offering",
        ],
    );
}

#[test]
fn a_limit_behind_another_check_is_named_too() {
    let why = world()
        .pool("default limit=cpu:2")
        .types("small 4cpu 16Gi $1")
        .pod("cpu=1 sel=rack=r1")
        .why("p0");
    check(
        &why,
        "undefined-label",
        &["limit cpu of NodePool default: 2 left, so no node can be added either [limit]"],
    );
}

#[test]
fn types_with_room_that_the_pool_leaves_out_are_shown() {
    let why = world()
        .pool("default req=family:In:a")
        .types("small 4cpu 16Gi $1 family=a; big 32cpu 64Gi $1 family=b")
        .pod("cpu=16")
        .why("p0");
    check(
        &why,
        "insufficient-resources",
        &[
            "cpu 4 < 16",
            "instance type big: left out by the NodePool's requirement family In [a]",
        ],
    );
}

#[test]
fn room_that_went_to_other_pods_is_named() {
    let why = world()
        .pool("default limit=cpu:1")
        .types("small 4cpu 16Gi $1")
        .node("n1 4cpu 8Gi")
        .pod("name=first cpu=3 prio=10")
        .pod("name=second cpu=3")
        .why("second");
    check(
        &why,
        "limit",
        &["Node n1: there was room, but this plan gives it to 1 other pod [competition]"],
    );
}

#[test]
fn the_nearest_of_several_pools_leads() {
    let why = world()
        .pool("a weight=10")
        .types("tiny 1cpu 1Gi $1")
        .pool("b taint=gpu=yes:NoSchedule")
        .types("gpu 8cpu 64Gi 8gpu $9")
        .pod("cpu=4 mem=4Gi gpu=8")
        .why("p0");
    check(
        &why,
        "taint",
        &[
            "taint gpu=yes:NoSchedule is not tolerated (NodePool b); 1 other NodePool cannot take it either",
        ],
    );
    assert_eq!(why.reasons[0].subject, "NodePool b");
}

#[test]
fn s135_pods_with_resource_claims_keep_their_reason() {
    let why = one_pool()
        .pod("cpu=1")
        .with(|s| {
            std::sync::Arc::make_mut(&mut s.pods[0].spec)
                .resource_claims
                .push("gpu".into())
        })
        .why("p0");
    check(&why, "dra", &["resource claims"]);
}

#[test]
fn an_affinity_without_usable_terms_matches_nothing() {
    let why = one_pool()
        .pod("cpu=1")
        .with(|s| {
            std::sync::Arc::make_mut(&mut s.pods[0].spec)
                .affinity
                .node_required = Some(Vec::new());
        })
        .why("p0");
    check(&why, "requirement-conflict", &["no usable term"]);
}

fn tree(world: &World, name: &str) -> Reason {
    world
        .ask(|compiled, outcome, plan| compiled.explain_pod(outcome, plan, name))
        .expect("the test has put the pod there")
}

#[test]
fn pods_with_a_place_say_where_and_at_what_price() {
    let world = one_pool()
        .node("n1 2cpu 8Gi")
        .pod("name=fits cpu=2")
        .pod("name=bought cpu=4")
        .pod("name=bound cpu=1 on=n9")
        .pod("name=stuck cpu=99");
    let fits = tree(&world, "default/fits");
    assert_eq!(
        (fits.code, fits.message.contains("Node n1")),
        (Code::Placed, true)
    );
    let bought = tree(&world, "default/bought");
    assert_eq!(bought.code, Code::Placed);
    assert!(
        bought
            .message
            .contains("small in z1, on-demand, $1/h, alone"),
        "{}",
        bought.message
    );
    let text = render::text(&bought);
    assert!(text.contains("next big in z1, on-demand, $4/h"), "{text}");
    assert!(text.contains("Node n1: cpu 2 free < 4"), "{text}");
    assert_eq!(tree(&world, "default/bound").code, Code::Bound);
    let stuck = tree(&world, "default/stuck");
    assert_eq!(stuck.code, Code::InsufficientResources);
    assert_eq!(stuck.parts.len(), 2);
    world.ask(|compiled, outcome, plan| {
        assert_eq!(compiled.explain_pod(outcome, plan, "default/nobody"), None);
        assert_eq!(compiled.explain_pod(outcome, plan, "nobody"), None);
    });
}

#[test]
fn nodes_tell_their_room_and_why_they_take_nothing() {
    let world = world()
        .pool("default")
        .types("small 4cpu 16Gi $1")
        .node("n1 4cpu 8Gi pool=default zone=z1 taint=a=b:PreferNoSchedule")
        .node("n2 4cpu 8Gi cordoned")
        .pod("cpu=3");
    world.ask(|compiled, outcome, plan| {
        let node = compiled.explain_node(outcome, plan, "n1").unwrap();
        let text = render::text(&node);
        assert_eq!(node.code, Code::Usable);
        for figure in ["cpu 4 of 4", "puts 1 pod here", "cpu 1", "zone=z1"] {
            assert!(text.contains(figure), "{text}");
        }
        let closed = compiled.explain_node(outcome, plan, "n2").unwrap();
        assert_eq!(closed.code, Code::NodeUnavailable);
        assert!(closed.message.contains("cordoned"));
        assert_eq!(compiled.explain_node(outcome, plan, "n9"), None);
    });
}

#[test]
fn pools_tell_what_they_can_launch_and_what_the_plan_buys() {
    let world = world()
        .pool(&format!(
            "default limit=cpu:10 req=family:In:a req={ZONE}:In:z1"
        ))
        .types(
            "small 4cpu 16Gi $1 family=a; big 32cpu 64Gi $1 family=b; far 4cpu 4Gi $1 z2 family=a",
        )
        .pool("still static")
        .types("small 4cpu 16Gi $1")
        .pod("2x cpu=3");
    world.ask(|compiled, outcome, plan| {
        let pool = compiled
            .explain_node_pool(outcome, plan, "default")
            .unwrap();
        let text = render::text(&pool);
        for figure in [
            "1 of 3 instance types can be launched",
            "buys 2 nodes of small for 2 pods, $2/h",
            "limit cpu of NodePool default: 10 left, 2 after this plan",
            "instance type big: left out by the NodePool's requirement family In [a]",
            "instance type far: no offering",
        ] {
            assert!(text.contains(figure), "{figure} in\n{text}");
        }
        let still = compiled.explain_node_pool(outcome, plan, "still").unwrap();
        assert_eq!(still.code, Code::PoolNotReady);
        assert_eq!(compiled.explain_node_pool(outcome, plan, "none"), None);
        assert!(plan.notes.contains(&still), "{:?}", plan.notes);
    });
}

#[test]
fn m9_nodes_of_unknown_price_are_noted_and_groups_explained() {
    let world = world()
        .pool("default")
        .types("small 4cpu 16Gi $? group=ig-1")
        .pod("2x cpu=3");
    world.ask(|compiled, _, plan| {
        let text = render::texts(&plan.notes);
        assert!(
            text.contains("bought 2 on-demand nodes of small whose price is not publicly known: nothing priced holds their pods"),
            "{text}"
        );
        let group = compiled.explain_instance_group(plan, "ig-1").unwrap();
        let text = render::text(&group);
        assert!(text.contains("small: z1 on-demand price not publicly known"), "{text}");
        assert!(text.contains("adds 2 nodes"), "{text}");
        assert_eq!(compiled.explain_instance_group(plan, "ig-2"), None);
    });
}

/// A pod of app `web` that repels its like over `key` (required anti-affinity).
fn repelling(snapshot: &mut tetrapod::model::cluster::Snapshot, key: &str) {
    use tetrapod::model::affinity::PodAffinityTerm;
    use tetrapod::model::label::{LabelSelector, Labels, SelectorExpression, SelectorOperator};
    for pod in &mut snapshot.pods {
        let expression = SelectorExpression::new("app", SelectorOperator::In, vec!["web".into()]);
        let mut term = PodAffinityTerm::default();
        term.topology_key = key.into();
        term.label_selector = Some(LabelSelector::new(vec![expression]));
        pod.labels = std::sync::Arc::new(Labels::from_iter([("app", "web")]));
        let mut spec = (*pod.spec).clone();
        spec.affinity.anti_required = vec![term];
        pod.spec = std::sync::Arc::new(spec);
    }
}

/// S-139: a rule between pods that leaves no domain is named as such.
#[test]
fn a_rule_between_pods_that_finds_no_domain_is_the_reason_s139() {
    let plan = world()
        .pool("default")
        .types("small 4cpu 16Gi $1 z1,z2")
        .pod("3x cpu=1")
        .with(|snapshot| repelling(snapshot, ZONE))
        .plan();
    assert_eq!(
        plan.totals.scheduled, 2,
        "one pod for each of the two zones"
    );
    let left = &plan.unschedulable[0];
    assert_eq!(left.code.as_ref(), "topology");
    assert!(
        left.reason
            .contains("anti-affinity over topology.kubernetes.io/zone"),
        "{}",
        left.reason
    );
}
