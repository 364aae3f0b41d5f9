//! The checker of disruption commands finds what is wrong: valid commands are damaged one way at a time.

use std::path::Path;

use tetrapod::disruption::cluster::Cluster;
use tetrapod::disruption::policy::{EconomicPolicy, Policy as _};
use tetrapod::disruption::recheck;
use tetrapod::manifest;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::label::{INITIALIZED, LabelSelector};
use tetrapod::model::node_pool::Budget;
use tetrapod::model::policy::PodDisruptionBudget;
use tetrapod::model::price::Price;
use tetrapod::model::resources::Name;
use tetrapod::plan::command::{Candidate, Command};
use tetrapod::scheduler::Capacity;
use tetrapod::verify::disruption::{Fault, verify_commands};

fn snapshot(name: &str) -> Snapshot {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/disruption");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    manifest::snapshot_from_str(&text).unwrap()
}

fn commands(snapshot: &Snapshot) -> Vec<Command> {
    let capacity = Capacity::new(snapshot);
    EconomicPolicy.commands(&Cluster::new(snapshot, &capacity))
}

pub(crate) fn faults(snapshot: &Snapshot, commands: &[Command]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = verify_commands(snapshot, commands)
        .findings
        .iter()
        .map(|finding| finding.fault)
        .collect();
    faults.sort();
    faults.dedup();
    faults
}

type Damage = fn(&mut Snapshot, &mut Vec<Command>);

/// The first command that buys something.
fn buying(commands: &mut [Command]) -> &mut Command {
    commands
        .iter_mut()
        .find(|c| !c.replacements.is_empty())
        .unwrap()
}

fn first_pod(commands: &[Command]) -> String {
    commands
        .iter()
        .flat_map(|c| c.waves.iter().flatten())
        .next()
        .unwrap()
        .to_string()
}

const DAMAGES: &[(&str, Fault, Damage)] = &[
    (
        "a node that does not exist",
        Fault::Candidate,
        |_, commands| {
            commands[0]
                .candidates
                .push(Candidate::new("nobody", "nobody", "default"));
        },
    ),
    ("a node twice", Fault::Candidate, |_, commands| {
        let again = commands[0].candidates[0].clone();
        commands[0].candidates.push(again);
    }),
    ("a pod without a place", Fault::Pod, |_, commands| {
        buying(commands).replacements[0].pods.pop();
    }),
    (
        "a pod that keeps its node",
        Fault::Pod,
        |snapshot, commands| {
            let going: Vec<Name> = commands
                .iter()
                .flat_map(|c| c.candidates.iter().map(|k| Name::clone(&k.node)))
                .collect();
            let pod = snapshot
                .pods
                .iter_mut()
                .find(|p| p.node_name.is_some())
                .unwrap();
            let mut other = pod.clone();
            other.name = Name::from("bystander");
            let node = snapshot.nodes.iter().find(|n| !going.contains(&n.name));
            let mut new = snapshot.nodes[0].clone();
            new.name = Name::from("elsewhere");
            let node = node.map_or_else(|| Name::clone(&new.name), |n| Name::clone(&n.name));
            other.node_name = Some(Name::clone(&node));
            snapshot.nodes.push(new);
            snapshot.pods.push(other);
            let mut placement = tetrapod::plan::ExistingPlacement::new(node);
            placement.pods.push(Name::from("default/bystander"));
            commands[0].existing_nodes.push(placement);
        },
    ),
    (
        "a replacement that is too small",
        Fault::Placement,
        |snapshot, _| {
            for pod in &mut snapshot.pods {
                let mut spec = (*pod.spec).clone();
                for container in &mut spec.containers {
                    container.requests.set("cpu", "400".parse().unwrap());
                }
                pod.spec = std::sync::Arc::new(spec);
            }
        },
    ),
    ("a price that is not so", Fault::Price, |_, commands| {
        commands[0].price_before = "99".parse().unwrap();
    }),
    ("no saving", Fault::Saving, |_, commands| {
        let command = buying(commands);
        let price: Price = "99".parse().unwrap();
        command.replacements[0].cheapest.price = Some(price);
        command.price_after = price;
    }),
    ("an unknown price", Fault::Saving, |_, commands| {
        buying(commands).replacements[0].cheapest.price = None;
    }),
    ("an annotated pod", Fault::Held, |snapshot, commands| {
        let name = first_pod(commands);
        let pod = snapshot.pods.iter_mut().find(|p| p.key() == name).unwrap();
        let mut annotations = (*pod.annotations).clone();
        annotations.set("karpenter.sh/do-not-disrupt", "true");
        pod.annotations = std::sync::Arc::new(annotations);
    }),
    ("an annotated node", Fault::Held, |snapshot, commands| {
        let name = Name::clone(&commands[0].candidates[0].node);
        let node = snapshot.nodes.iter_mut().find(|n| n.name == name).unwrap();
        node.annotations.set("karpenter.sh/do-not-disrupt", "true");
    }),
    (
        "a node that is not initialized",
        Fault::Held,
        |snapshot, commands| {
            let name = Name::clone(&commands[0].candidates[0].node);
            let node = snapshot.nodes.iter_mut().find(|n| n.name == name).unwrap();
            node.labels.set(INITIALIZED, "false");
        },
    ),
    ("a node without a NodeClaim", Fault::Held, |snapshot, _| {
        snapshot.node_claims.clear();
    }),
    ("a PDB that allows nothing", Fault::Held, |snapshot, _| {
        snapshot.pod_disruption_budgets = vec![pdb(0)];
    }),
    (
        "a wave that is too large",
        Fault::Waves,
        |snapshot, commands| {
            snapshot.pod_disruption_budgets = vec![pdb(1)];
            assert!(commands.iter().any(|c| c.waves[0].len() > 1));
        },
    ),
    ("a pod in no wave", Fault::Waves, |_, commands| {
        buying(commands).waves[0].pop();
    }),
    ("a pod in two waves", Fault::Waves, |_, commands| {
        let command = buying(commands);
        let again = command.waves[0].clone();
        command.waves.push(again);
    }),
    ("a budget of 0", Fault::Budget, |snapshot, _| {
        budget(snapshot, "0", None)
    }),
    (
        "a budget that cannot be read",
        Fault::Budget,
        |snapshot, _| budget(snapshot, "many", None),
    ),
    ("a window that is open", Fault::Budget, |snapshot, _| {
        budget(snapshot, "0", Some("* * * * *"))
    }),
];

fn budget(snapshot: &mut Snapshot, nodes: &str, schedule: Option<&str>) {
    let mut budget = Budget::default();
    budget.nodes = Name::from(nodes);
    budget.schedule = schedule.map(Name::from);
    budget.duration = schedule.map(|_| "1h".parse().unwrap());
    for pool in &mut snapshot.node_pools {
        pool.budgets = vec![budget.clone()];
    }
}

fn pdb(allowed: i32) -> PodDisruptionBudget {
    let mut pdb = PodDisruptionBudget::default();
    pdb.namespace = Name::from("default");
    pdb.name = Name::from("all");
    pdb.selector = Some(LabelSelector::default());
    pdb.disruptions_allowed = Some(allowed);
    pdb
}

#[test]
fn every_damage_is_found() {
    for name in ["multi-merge-03", "gpu-under-2"] {
        let whole = snapshot(name);
        let plan = commands(&whole);
        assert!(verify_commands(&whole, &plan).valid, "{name}");
        for (what, fault, damage) in DAMAGES {
            let (mut snapshot, mut plan) = (whole.clone(), plan.clone());
            damage(&mut snapshot, &mut plan);
            let found = faults(&snapshot, &plan);
            assert!(found.contains(fault), "{name}: {what}: only {found:?}");
        }
    }
}

#[test]
fn a_closed_window_is_no_fault() {
    let mut whole = snapshot("multi-merge-03");
    let plan = commands(&whole);
    // The snapshot's time is in March.
    budget(&mut whole, "0", Some("0 0 1 1 *"));
    assert_eq!(faults(&whole, &plan), []);
}

#[test]
fn a_command_is_rechecked_against_what_has_changed_since() {
    let whole = snapshot("multi-merge-03");
    let plan = commands(&whole);
    for command in &plan {
        assert_eq!(recheck(command, &whole), Ok(()));
    }
    let codes = |snapshot: &Snapshot| -> Vec<&'static str> {
        let faults = plan
            .iter()
            .filter_map(|c| recheck(c, snapshot).err())
            .flatten();
        faults.map(|fault| fault.code.as_str()).collect()
    };
    let mut closed = whole.clone();
    budget(&mut closed, "0", None);
    assert!(codes(&closed).contains(&"budget"));
    let mut gone = whole.clone();
    gone.nodes.clear();
    assert!(codes(&gone).contains(&"node-unavailable"));
    let mut held = whole.clone();
    held.pod_disruption_budgets = vec![pdb(0)];
    assert!(codes(&held).contains(&"pdb"));
    let mut sold_out = whole.clone();
    for offering in sold_out
        .instance_types
        .iter_mut()
        .flat_map(|list| &mut list.instance_types)
        .flat_map(|entry| &mut entry.offerings)
    {
        offering.available = false;
    }
    assert!(codes(&sold_out).contains(&"no-offering"));
    let mut arrived = whole.clone();
    let mut pod = whole.pods[0].clone();
    pod.name = Name::from("late");
    arrived.pods.push(pod);
    assert!(codes(&arrived).contains(&"competition"));
}
