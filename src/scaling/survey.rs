//! Every autoscaler of a snapshot, stepped once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::hpa::Settings;
use super::observe::{identity, observe};
use super::policy::{Autoscaler, Policy};
use super::step::{Decision, State, step};
use crate::base::time::Timestamp;
use crate::model::autoscaling::keda::ScaledObject;
use crate::model::autoscaling::samples::AutoscalerKind;
use crate::model::cluster::Snapshot;
use crate::model::resources::Name;

/// One autoscaler and what it would set.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Surveyed {
    /// Kind.
    pub kind: AutoscalerKind,
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
    /// What it scales, as `Deployment/chat`.
    pub target: String,
    /// What it would set; `None` where that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Why it cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it remembers, for a later survey.
    pub state: State,
}

/// States by kind, namespace and name.
pub type States = BTreeMap<(AutoscalerKind, Name, Name), State>;

/// Steps every autoscaler of `snapshot` at `now`: ScaledObjects, ScaledJobs, then the HPAs that KEDA did not make, each by
/// namespace and name. `states` are those of an earlier survey; what is not in them starts from the objects' status.
/// O(autoscalers x (samples + pods)).
#[must_use]
pub fn survey(
    snapshot: &Snapshot,
    settings: Settings,
    states: &States,
    now: Timestamp,
) -> Vec<Surveyed> {
    let by_keda = |autoscaler: &Autoscaler<'_>| {
        let (_, namespace, name) = identity(*autoscaler);
        let made =
            |object: &ScaledObject| object.namespace == *namespace && object.hpa_name() == *name;
        snapshot.scaled_objects.iter().any(made)
    };
    let objects = snapshot.scaled_objects.iter().map(Autoscaler::ScaledObject);
    let jobs = snapshot.scaled_jobs.iter().map(Autoscaler::ScaledJob);
    let hpas = snapshot.horizontal_pod_autoscalers.iter();
    let hpas = hpas.map(Autoscaler::Hpa).filter(|hpa| !by_keda(hpa));
    let mut all: Vec<Autoscaler<'_>> = objects.chain(jobs).chain(hpas).collect();
    all.sort_by_key(|autoscaler| identity(*autoscaler));
    all.into_iter()
        .map(|autoscaler| one(autoscaler, snapshot, settings, states, now))
        .collect()
}

fn one(
    autoscaler: Autoscaler<'_>,
    snapshot: &Snapshot,
    settings: Settings,
    states: &States,
    now: Timestamp,
) -> Surveyed {
    let policy = Policy::new(autoscaler).with_settings(settings);
    let (kind, namespace, name) = identity(autoscaler);
    let key = (kind, Name::clone(namespace), Name::clone(name));
    let known = states.get(&key).cloned();
    let mut state = known.unwrap_or_else(|| State::new(&policy));
    let target = match policy.hpa() {
        Some(hpa) => {
            // KEDA's default.
            let kind = if hpa.target.kind.is_empty() {
                "Deployment"
            } else {
                &hpa.target.kind
            };
            format!("{kind}/{}", hpa.target.name)
        }
        None => "Jobs".to_owned(),
    };
    let (decision, error) = match observe(&policy, snapshot) {
        Ok(observed) => (Some(step(&policy, &mut state, &observed, now)), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Surveyed {
        kind,
        namespace: key.1,
        name: key.2,
        target,
        decision,
        error,
        state,
    }
}
