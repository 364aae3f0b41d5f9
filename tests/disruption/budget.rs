//! Budgets of NodePools (D-21..D-29) and PodDisruptionBudgets (D-10, M-20, W-20).

use serde_json::{Value, json};
use tetrapod::Snapshot;
use tetrapod::base::rng::Rng;
use tetrapod::base::time::{Span, Timestamp};
use tetrapod::disruption::budget::{self, Allowance, Counts, UNLIMITED, allowed};
use tetrapod::disruption::command::DisruptionReason;
use tetrapod::disruption::pdb::{Block, Pdbs};
use tetrapod::manifest::snapshot_from_str;
use tetrapod::model::node_pool::{Budget, NodePool};
use tetrapod::view::nodes::existing;

use DisruptionReason::{Drifted, Empty, Expired, Underutilized};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn budget(nodes: &str, reasons: Option<&[&str]>, window: Option<(&str, &str)>) -> Budget {
    let mut budget = Budget::default();
    budget.nodes = nodes.into();
    budget.reasons = reasons.map(|list| list.iter().map(|&r| r.into()).collect());
    budget.schedule = window.map(|(schedule, _)| schedule.into());
    budget.duration = window.map(|(_, duration)| duration.parse().unwrap());
    budget
}

fn pool(budgets: Vec<Budget>) -> NodePool {
    let mut pool = NodePool::new("default", "main");
    pool.budgets = budgets;
    pool
}

fn at_noon(pool: &NodePool, reason: DisruptionReason, counts: Counts) -> Allowance {
    allowed(pool, reason, time("2026-01-01T12:00:00Z"), counts)
}

#[test]
fn the_smallest_budget_of_a_reason_binds_d23() {
    let pool = pool(vec![
        budget("10", None, None),
        budget("100", None, None),
        budget("100%", None, None),
        budget("15", Some(&["Drifted", "Underutilized"]), None),
        budget("5", Some(&["Drifted"]), None),
        budget("4", Some(&["Empty"]), None),
        budget("0", Some(&[]), None),
    ]);
    let limit = |reason| at_noon(&pool, reason, Counts::new(1_000, 0)).limit;
    assert_eq!([Empty, Drifted, Underutilized].map(limit), [4, 5, 10]);
    // Expiry and repair are not bound (D-29).
    assert_eq!(limit(Expired), UNLIMITED);
    let unbound = at_noon(&NodePool::new("x", "main"), Empty, Counts::new(3, 1));
    assert_eq!((unbound.limit, unbound.until), (UNLIMITED, None));
}

#[test]
fn percentages_round_up_and_what_goes_already_counts_d27() {
    let tenth = pool(vec![budget("10%", None, None)]);
    for (nodes, disrupting, left) in [
        (12, 0, 2),
        (12, 1, 1),
        (12, 3, 0),
        (3, 0, 1),
        (0, 0, 0),
        (20, 0, 2),
    ] {
        let found = at_noon(&tenth, Drifted, Counts::new(nodes, disrupting));
        assert_eq!(found.nodes, left, "10% of {nodes} less {disrupting}");
    }
    let most = pool(vec![budget("100%", None, None)]);
    assert_eq!(
        at_noon(&most, Empty, Counts::new(u32::MAX, 0)).limit,
        UNLIMITED
    );
}

#[test]
fn what_cannot_be_read_allows_nothing_for_any_reason_d24() {
    let bad = [
        budget("5", Some(&["Empty"]), Some(("0 9 * * sat-mon", "1h"))),
        budget("5", Some(&["Empty"]), Some(("TZ=UTC 0 9 * * *", "1h"))),
        budget("many", Some(&["Empty"]), None),
        budget("101%", Some(&["Empty"]), None),
        budget("-1", Some(&["Empty"]), None),
        budget("4294967296", Some(&["Empty"]), None),
    ];
    for bad in bad {
        let pool = pool(vec![bad.clone(), budget("3", None, None)]);
        let found = at_noon(&pool, Drifted, Counts::new(10, 0));
        assert_eq!((found.nodes, found.until), (0, None), "{bad:?}");
        assert_eq!(budget::faults(&pool).len(), 1, "{bad:?}");
        assert!(budget::faults(&pool)[0].starts_with("budgets[0]: "));
    }
    // A bad number counts only while its budget is active.
    let pool = pool(vec![
        budget("many", None, Some(("0 13 * * *", "1h"))),
        budget("3", None, None),
    ]);
    let found = at_noon(&pool, Drifted, Counts::new(10, 0));
    assert_eq!(
        (found.nodes, found.until),
        (3, Some(time("2026-01-01T13:00:00Z")))
    );
}

#[test]
fn the_allowance_names_the_next_moment_at_which_it_changes_d25() {
    let pool = pool(vec![
        budget("0", None, Some(("0 9 * * *", "8h"))),
        // Changes nothing, as the other one is tighter.
        budget("50%", None, Some(("0 14 * * *", "1h"))),
        budget("2", None, None),
    ]);
    let noon = at_noon(&pool, Empty, Counts::new(10, 0));
    assert_eq!(
        (noon.nodes, noon.until),
        (0, Some(time("2026-01-01T17:00:00Z")))
    );
    let evening = allowed(&pool, Empty, noon.until.unwrap(), Counts::new(10, 0));
    assert_eq!(
        (evening.nodes, evening.until),
        (2, Some(time("2026-01-02T09:00:00Z")))
    );
}

/// Between now and `until` the limit is the same; at `until` it is another one.
#[test]
fn limits_hold_until_the_moment_that_is_named() {
    const SCHEDULES: [&str; 6] = [
        "0 9 * * mon-fri",
        "*/15 * * * *",
        "@daily",
        "30 2 1,15 * *",
        "0 */6 * * *",
        "10-20 8-10 * 1-6 sun",
    ];
    let mut rng = Rng::new(25);
    let mut pick = |bound: u64| usize::try_from(rng.below(bound)).unwrap();
    let mut changes = 0;
    for _ in 0..400 {
        let budgets = (0..1 + pick(4)).map(|_| {
            let window = (pick(3) > 0).then(|| {
                let duration = ["7m", "1h", "8h", "26h", "100h"][pick(5)];
                (SCHEDULES[pick(6)], duration)
            });
            let nodes = ["0", "1", "3", "10%", "34%", "100%"][pick(6)];
            budget(nodes, (pick(3) == 0).then_some(&["Empty"]), window)
        });
        let pool = pool(budgets.collect());
        let now = time("2026-01-01T00:00:00Z")
            .plus(Span::from_secs(i64::try_from(pick(400 * 86_400)).unwrap()));
        let counts = Counts::new(u32::try_from(pick(40)).unwrap(), 0);
        let found = allowed(&pool, Empty, now, counts);
        let end = found
            .until
            .unwrap_or_else(|| now.plus(Span::from_secs(20 * 86_400)));
        let width = end.since(now).as_millis();
        for part in 0..60 {
            let at = now.plus(Span::from_millis(part * (width - 1) / 59));
            assert_eq!(
                allowed(&pool, Empty, at, counts).limit,
                found.limit,
                "{pool:?} at {at}"
            );
        }
        if let Some(until) = found.until {
            changes += 1;
            let then = allowed(&pool, Empty, until, counts).limit;
            // Windows that cover each other for ever are followed for so many changes only.
            let far = until.since(now) > Span::from_secs(60 * 86_400);
            assert!(
                far || then != found.limit,
                "{pool:?} at {now} until {until}"
            );
        }
    }
    assert!(changes > 100, "{changes}");
}

fn snapshot(items: &[Value]) -> Snapshot {
    snapshot_from_str(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
        .unwrap()
}

#[test]
fn nodes_are_counted_as_budgets_count_them_d27() {
    let node = |name: &str, initialized: bool, ready: &str| {
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"karpenter.sh/nodepool": "default",
                "karpenter.sh/registered": "true", "karpenter.sh/initialized": initialized.to_string()}},
            "spec": {"providerID": name},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    };
    let claim = |name: &str, deleted: bool, terminating: bool| {
        let mut meta = json!({"name": format!("{name}-claim")});
        if deleted {
            meta["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": meta,
            "spec": {"nodeClassRef": {"name": "main"}},
            "status": {"nodeName": name, "providerID": name, "conditions": [
                {"type": "InstanceTerminating", "status": if terminating { "True" } else { "False" }}]}})
    };
    let mut items = vec![node("unmanaged", true, "True")];
    for (name, initialized, ready, deleted, terminating) in [
        ("good", true, "True", false, false),
        ("marked", true, "True", false, false),
        ("not-ready", true, "False", false, false),
        ("deleted", true, "True", true, false),
        ("starting", false, "True", false, false),
        ("gone", true, "True", true, true),
    ] {
        items.push(node(name, initialized, ready));
        items.push(claim(name, deleted, terminating));
    }
    let snapshot = snapshot(&items);
    let nodes = existing(&snapshot);
    let counts = budget::counts(&nodes, |name| name == "marked");
    assert_eq!(counts.len(), 1);
    assert_eq!(counts["default"], Counts::new(4, 3));
    let unmarked = budget::counts(&nodes, |_| false);
    assert_eq!(unmarked["default"], Counts::new(4, 2));
}

#[test]
fn an_empty_list_of_reasons_is_not_an_absent_one_d22() {
    let pool = |budget: Value| {
        let text = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
            "spec": {"template": {"spec": {"nodeClassRef": {"name": "main"}}}, "disruption": {"budgets": [budget]}}});
        snapshot_from_str(&text.to_string())
            .unwrap()
            .node_pools
            .remove(0)
    };
    let limit = |budget: Value| at_noon(&pool(budget), Empty, Counts::new(10, 0)).limit;
    assert_eq!(limit(json!({"nodes": "3"})), 3);
    assert_eq!(limit(json!({"nodes": "3", "reasons": []})), UNLIMITED);
    assert_eq!(
        limit(json!({"nodes": "3", "reasons": ["Drifted"]})),
        UNLIMITED
    );
}

fn pdb(name: &str, app: &str, spec: Value, allowed: i64) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": app}});
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        "status": {"disruptionsAllowed": allowed}})
}

fn pod(name: &str, app: &str, spec: Value, status: Value) -> Value {
    let mut spec = spec;
    spec["nodeName"] = json!("n");
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app, "all": "yes"}},
        "spec": spec, "status": status})
}

fn running(ready: bool) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]})
}

#[test]
fn a_pdb_blocks_the_pods_that_it_selects_d10() {
    let tolerant =
        json!({"tolerations": [{"key": "karpenter.sh/disrupted", "operator": "Exists"}]});
    let snapshot = snapshot(&[
        pdb("open", "open", json!({"maxUnavailable": 1}), 2),
        pdb("shut", "shut", json!({"minAvailable": 2}), 0),
        pdb("never", "never", json!({"maxUnavailable": "0%"}), 0),
        pdb(
            "kind",
            "kind",
            json!({"minAvailable": "100%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
            0,
        ),
        pdb("two-a", "two", json!({"maxUnavailable": 1}), 1),
        pdb(
            "two-b",
            "two",
            json!({"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
            1,
        ),
        pod("free", "free", json!({}), running(true)),
        pod("open", "open", json!({}), running(true)),
        pod("shut", "shut", json!({}), running(true)),
        pod("sick", "shut", json!({}), running(false)),
        pod("never", "never", json!({}), running(true)),
        pod("kind", "kind", json!({}), running(true)),
        pod("kind-sick", "kind", json!({}), running(false)),
        pod(
            "kind-unknown",
            "kind",
            json!({}),
            json!({"phase": "Running"}),
        ),
        pod("two", "two", json!({}), running(false)),
        pod("done", "shut", json!({}), json!({"phase": "Succeeded"})),
        pod("tolerant", "shut", tolerant, running(true)),
    ]);
    let pdbs = Pdbs::new(&snapshot);
    let block = |name: &str| {
        let pod = snapshot
            .pods
            .iter()
            .find(|pod| pod.name.as_ref() == name)
            .unwrap();
        pdbs.blocks(pod)
    };
    for name in ["free", "open", "kind-sick", "done", "tolerant"] {
        assert_eq!(block(name), None, "{name}");
    }
    for name in ["shut", "sick"] {
        let found = block(name).unwrap();
        assert!(matches!(&found, Block::Exhausted(pdb) if pdb.name.as_ref() == "shut"));
        assert!(found.may_pass());
    }
    for name in ["never", "kind", "kind-unknown"] {
        assert!(matches!(block(name), Some(Block::Never(_))), "{name}");
    }
    // Two PDBs block even a pod that one of them lets go.
    let several = block("two").unwrap();
    let names: Vec<&str> = several.pdbs().iter().map(|pdb| pdb.name.as_ref()).collect();
    assert_eq!(names, ["two-a", "two-b"]);
    assert!(!several.may_pass());
}

/// W-20: the demand of a whole plan is summed, and its waves never take more of a PDB than it allows.
#[test]
fn waves_take_no_more_of_a_pdb_than_it_allows_m20() {
    let mut items = vec![
        pdb("a", "a", json!({"maxUnavailable": 1}), 1),
        pdb("b", "b", json!({"maxUnavailable": 3}), 3),
        pdb("c", "c", json!({"maxUnavailable": 1}), 0),
    ];
    for at in 0..30 {
        let app = ["a", "b", "c", "d", "b"][at % 5];
        items.push(pod(
            &format!("{app}-{at:02}"),
            app,
            json!({}),
            running(true),
        ));
    }
    let snapshot = snapshot(&items);
    let pdbs = Pdbs::new(&snapshot);
    let demand: Vec<_> = pdbs
        .demand(&snapshot.pods)
        .iter()
        .map(|d| (d.pdb.name.to_string(), d.wanted, d.allowed))
        .collect();
    assert_eq!(
        demand,
        [
            ("a".to_owned(), 6, 1),
            ("b".to_owned(), 12, 3),
            ("c".to_owned(), 6, 0)
        ]
    );
    let drain = pdbs.waves(&snapshot.pods);
    assert_eq!(drain.blocked.len(), 6);
    assert_eq!(drain.waves.len(), 6, "as many as the tightest PDB needs");
    for wave in &drain.waves {
        let of = |app: &str| wave.iter().filter(|pod| pod.name.starts_with(app)).count();
        assert!(of("a") <= 1 && of("b") <= 3 && of("c") == 0, "{wave:?}");
    }
    assert_eq!(
        drain.waves[0]
            .iter()
            .filter(|pod| pod.name.starts_with('d'))
            .count(),
        6
    );
    let drained: usize = drain.waves.iter().map(Vec::len).sum();
    assert_eq!(drained + drain.blocked.len(), 30, "no pod is lost");
}
