//! An explanation as text.

use tetrapod::plan::{ChosenOffering, PlannedClaim};

use super::WIDTH;
use super::money::hourly_or_unknown;
use super::reason::tree;
use crate::commands::explain::Explanation;
use crate::table::{counted, wrapped};

/// How many kinds of claims of a pool or group are shown.
const CLAIMS: usize = 10;

/// The decision, what it consists of, and the reason trees.
pub(crate) fn render(explanation: &Explanation) -> String {
    let head = format!("{} {}", explanation.object, explanation.decision);
    let mut out = wrapped(&head, WIDTH, "  ");
    out.push('\n');
    let alike = alike(&explanation.new_node_claims);
    for claims in alike.iter().take(CLAIMS) {
        out.push_str(&claim_text(claims));
    }
    if alike.len() > CLAIMS {
        out.push_str(&format!("  and {} more\n", alike.len() - CLAIMS));
    }
    for placement in &explanation.existing_nodes {
        let pods = names(&placement.pods);
        out.push_str(&paragraph(&format!("on {}: {pods}", placement.node)));
    }
    for entry in &explanation.scaling {
        out.push_str(&paragraph(&format!(
            "BatchAddClusterNodes: {} +{}",
            entry.instance_group_name, entry.increment_target_count_by
        )));
    }
    if !explanation.reasons.is_empty() {
        out.push_str("Why, nearest miss first:\n");
        out.push_str(&tree(&explanation.reasons, 1, usize::MAX));
    }
    out
}

fn paragraph(text: &str) -> String {
    format!("  {}\n", wrapped(text, WIDTH - 2, "    "))
}

fn names(pods: &[tetrapod::model::resources::Name]) -> String {
    let shown: Vec<&str> = pods.iter().take(6).map(AsRef::as_ref).collect();
    let more = if pods.len() > shown.len() {
        ", ..."
    } else {
        ""
    };
    format!(
        "{} ({}{more})",
        counted(pods.len(), "pod", "pods"),
        shown.join(", ")
    )
}

/// Claims that differ in their pods only, together; in the order of the first of each.
fn alike(claims: &[PlannedClaim]) -> Vec<Vec<&PlannedClaim>> {
    let mut groups: Vec<Vec<&PlannedClaim>> = Vec::new();
    for claim in claims {
        let equal = |group: &&mut Vec<&PlannedClaim>| {
            group.first().is_some_and(|held| {
                held.node_pool == claim.node_pool
                    && held.cheapest == claim.cheapest
                    && held.requests == claim.requests
                    && held.fallbacks == claim.fallbacks
            })
        };
        match groups.iter_mut().find(equal) {
            Some(group) => group.push(claim),
            None => groups.push(vec![claim]),
        }
    }
    groups
}

fn claim_text(claims: &[&PlannedClaim]) -> String {
    let Some(claim) = claims.first() else {
        return String::new();
    };
    let pods: Vec<_> = claims
        .iter()
        .flat_map(|claim| claim.pods.iter().cloned())
        .collect();
    let mut out = paragraph(&format!(
        "{} of pool {}: {}; {}",
        counted(claims.len(), "new node", "new nodes"),
        claim.node_pool,
        offering(&claim.cheapest),
        names(&pods)
    ));
    let requests: Vec<String> = claim
        .requests
        .iter()
        .map(|(name, quantity)| format!("{name} {quantity}"))
        .collect();
    if !requests.is_empty() {
        out.push_str(&paragraph(&format!(
            "  asked of each, DaemonSets included: {}",
            requests.join(", ")
        )));
    }
    for (at, fallback) in claim.fallbacks.iter().take(5).enumerate() {
        out.push_str(&paragraph(&format!(
            "  else ({}): {}",
            at + 1,
            offering(fallback)
        )));
    }
    if claim.fallbacks.len() > 5 {
        out.push_str(&paragraph(&format!(
            "  and {} more",
            claim.fallbacks.len() - 5
        )));
    }
    out
}

fn offering(offering: &ChosenOffering) -> String {
    let group = offering
        .instance_group
        .as_ref()
        .map_or(String::new(), |group| format!(" of group {group}"));
    format!(
        "{}{group} in {}, {}, {} $/h",
        offering.instance_type,
        offering.zone,
        offering.capacity_type,
        hourly_or_unknown(offering.price)
    )
}
