//! What a run starts from, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::derived::Derived;
use super::there::There;
use super::trace::Trace;
use crate::base::time::Timestamp;
use crate::hyperpod::group::{Group, SubnetZones};
use crate::model::cluster::Snapshot;
use crate::model::instance_type::CapacityType;
use crate::model::resources::Name;
use crate::model::simulation::{LoadSource, SimPolicy, Simulation};
use crate::sim::hyperpod::FakeGroup;

/// What is wrong with a simulation, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Simulation {name}: {}", .faults.join("\nSimulation: "))]
#[non_exhaustive]
pub struct SetupError {
    /// The simulation.
    pub name: Name,
    /// One sentence each: the field, what is wrong, what would help.
    pub faults: Vec<String>,
}

/// A run before its first event: cluster, simulation, policy, load and seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Setup {
    pub(super) snapshot: Snapshot,
    pub(super) simulation: Simulation,
    pub(super) policy: SimPolicy,
    pub(super) traces: BTreeMap<Name, Arc<Trace>>,
    #[serde(default)]
    pub(super) there: There,
    pub(super) seed: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Setup {
    /// A run of `simulation` on the cluster of `snapshot` under `policy`. `traces` are those of requests that the simulation
    /// names; the arrivals of jobs must stand in the simulation already. Nodes and pods of the snapshot are there when the run
    /// begins: nodes that are initialized and not leaving, replicas of the services on them, and the pods of others.
    ///
    /// # Errors
    /// If the simulation names what is not there, with everything that is wrong.
    pub fn new(
        snapshot: &Snapshot,
        simulation: &Simulation,
        policy: &SimPolicy,
        traces: BTreeMap<Name, Arc<Trace>>,
        seed: u64,
    ) -> Result<Self, SetupError> {
        let mut faults = Vec::new();
        let there = There::of(snapshot, simulation);
        let mut snapshot = snapshot.clone();
        snapshot.nodes.clear();
        snapshot.node_claims.clear();
        snapshot.pods.clear();
        for name in &policy.without {
            if !snapshot.node_pools.iter().any(|pool| pool.name == *name) {
                faults.push(format!(
                    "policies: {}: without: there is no NodePool {name}",
                    policy.name
                ));
            }
        }
        snapshot
            .node_pools
            .retain(|pool| !policy.without.contains(&pool.name));
        replace(&mut snapshot.node_pools, &policy.node_pools, |pool| {
            (Name::default(), Name::clone(&pool.name))
        });
        replace(
            &mut snapshot.scaled_objects,
            &policy.scaled_objects,
            |object| (Name::clone(&object.namespace), Name::clone(&object.name)),
        );
        replace(
            &mut snapshot.horizontal_pod_autoscalers,
            &policy.horizontal_pod_autoscalers,
            |hpa| (Name::clone(&hpa.namespace), Name::clone(&hpa.name)),
        );
        if let Some(effort) = policy.effort {
            snapshot.options.effort = effort;
        }
        let start = simulation.start.or(snapshot.options.now);
        if start.is_none() {
            faults.push(
                "start is absent, and nothing else in the input tells a time: give start"
                    .to_owned(),
            );
        }
        let start = start.unwrap_or_default();
        snapshot.options.now = Some(start);
        named(&snapshot, simulation, &traces, &mut faults);
        if groups(&snapshot).is_empty() {
            faults.push(
                "no HyperpodNodeClass of the input has an instance group with a known type and zone in its status".to_owned(),
            );
        }
        let wrong = |faults| SetupError {
            name: Name::clone(&simulation.name),
            faults,
        };
        if !faults.is_empty() {
            return Err(wrong(faults));
        }
        let setup = Self {
            snapshot,
            simulation: simulation.clone(),
            policy: policy.clone(),
            traces,
            there,
            seed,
            start,
            end: start.plus(simulation.duration),
        };
        if !setup.there.is_empty() {
            let faults = setup.there.faults(&Derived::new(&setup));
            if !faults.is_empty() {
                return Err(wrong(faults));
            }
        }
        Ok(setup)
    }
}

/// Adds what the simulation names and what is not there.
fn named(
    snapshot: &Snapshot,
    simulation: &Simulation,
    traces: &BTreeMap<Name, Arc<Trace>>,
    faults: &mut Vec<String>,
) {
    for (at, service) in simulation.services.iter().enumerate() {
        let same = |workload: &&crate::model::workload::Workload| {
            workload.kind == service.kind
                && workload.namespace == service.namespace
                && workload.name == service.name
        };
        if !snapshot.workloads.iter().any(|workload| same(&workload)) {
            faults.push(format!(
                "services[{at}].workload: there is no {} {}/{} in the input",
                service.kind.as_str(),
                service.namespace,
                service.name
            ));
        }
        if let Some(LoadSource::Trace(name)) = service.load.as_ref().map(|load| &load.source)
            && !traces.contains_key(name)
        {
            faults.push(format!("services[{at}].load.trace: {name} was not read"));
        }
    }
    for (at, stream) in simulation.jobs.iter().enumerate() {
        let there = snapshot.pod_templates.iter().any(|template| {
            template.namespace == stream.namespace && template.name == stream.template
        });
        if !there {
            faults.push(format!(
                "jobs[{at}].template: there is no PodTemplate {}/{} in the input",
                stream.namespace, stream.template
            ));
        }
    }
}

fn replace<T: Clone, K: PartialEq>(list: &mut Vec<T>, by: &[T], key: impl Fn(&T) -> K) {
    for item in by {
        match list.iter_mut().find(|old| key(old) == key(item)) {
            Some(old) => old.clone_from(item),
            None => list.push(item.clone()),
        }
    }
}

/// The groups of the fake: those that node classes name.
pub(super) fn groups(snapshot: &Snapshot) -> Vec<FakeGroup> {
    let zones = SubnetZones::of(snapshot);
    let mut named: Vec<&Name> = snapshot
        .node_classes
        .iter()
        .flat_map(|class| &class.instance_groups)
        .collect();
    named.sort();
    named.dedup();
    let groups = named
        .into_iter()
        .filter_map(|name| Group::of_cluster(snapshot, name));
    groups
        .map(|group| {
            let own = |names: Vec<&Name>| names.into_iter().cloned().collect::<Vec<Name>>();
            let capacity_type = if group.is_spot() {
                CapacityType::Spot
            } else {
                CapacityType::OnDemand
            };
            FakeGroup::new(
                Name::clone(group.name),
                own(group.zones(&zones)),
                own(group.types()),
                capacity_type,
            )
        })
        .filter(|group| !group.zones.is_empty() && !group.instance_types.is_empty())
        .collect()
}
