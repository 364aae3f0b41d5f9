//! What a plan does for gangs (M-15).

use serde::{Deserialize, Serialize};

use crate::model::resources::Name;
use crate::problem::Problem;
use crate::problem::compile::Views;
use crate::solver::Outcome;

/// A topology domain in which a part of a gang is kept (H-54).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedDomain {
    /// Node label.
    pub key: Name,
    /// Its value; `None` where the preference for one domain is not met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Name>,
    /// Whether one domain is required.
    pub required: bool,
}

/// A gang of which pods wait: placed as a whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedGang {
    /// `PodGroup`, `Kueue pod group` or `JobSet`.
    pub kind: Name,
    /// `namespace/name`.
    pub name: Name,
    /// How many pods it needs at least.
    pub minimum: u32,
    /// How many of them run or have ended well.
    pub running: u32,
    /// How many the plan places.
    pub placed: u32,
    /// How many stay pending.
    pub pending: u32,
    /// Domains of its parts that ask for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<PlannedDomain>,
}

/// The gangs of a plan, in the order in which they are served.
#[must_use]
pub fn gangs(views: &Views<'_>, problem: &Problem, outcome: &Outcome) -> Vec<PlannedGang> {
    let rows = views.gangs.gangs.iter().zip(problem.gangs.iter());
    rows.zip(&outcome.gangs)
        .map(|((view, gang), verdict)| {
            let chosen = |at: usize| verdict.domains.get(at).copied().flatten();
            let domains = view.units.iter().zip(&gang.units).enumerate();
            let domains = domains
                .filter(|_| verdict.refusal.is_none())
                .map(|(at, (unit, row))| PlannedDomain {
                    key: Name::clone(&unit.key),
                    value: chosen(at)
                        .and_then(|domain| row.domains.get(domain))
                        .map(|domain| Name::clone(&domain.value)),
                    required: unit.required,
                })
                .collect();
            PlannedGang {
                kind: Name::from(view.source.as_str()),
                name: Name::from(format!("{}/{}", view.namespace, view.name)),
                minimum: view.minimum,
                running: view.running,
                placed: verdict.placed,
                pending: view
                    .seen
                    .saturating_sub(view.running)
                    .saturating_sub(verdict.placed),
                domains,
            }
        })
        .collect()
}
