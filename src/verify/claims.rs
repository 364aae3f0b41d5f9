//! New claims: the pool may be used, the offering exists, and the node holds its pods.

use std::rc::Rc;

use crate::model::label;
use crate::model::node::Condition;
use crate::model::node_pool::NodePool;
use crate::model::resources::Name;
use crate::plan::{Plan, PlannedClaim};

use super::catalogue::{self, Catalogue};
use super::form::{self, Form, Forms};
use super::listing;
use super::report::{Kind, Report, Violation};
use super::trial::{Load, judge};
use super::view::{Cluster, NodeIx, NodeView, PodIx};

/// A claim whose node could be built.
#[derive(Debug)]
pub(super) struct Bought<'a> {
    pub(super) claim: &'a PlannedClaim,
    /// `claim[3]`.
    pub(super) target: String,
    pub(super) pool: &'a NodePool,
    pub(super) node: NodeIx,
}

/// Judges every claim and adds its node to the cluster.
pub(super) fn check_all<'a>(
    cluster: &mut Cluster<'a>,
    catalogue: &Catalogue<'_>,
    plan: &'a Plan,
    pods: &[Vec<PodIx>],
    report: &mut Report,
) -> Vec<Bought<'a>> {
    let mut forms = Forms::default();
    let mut bought = Vec::new();
    for (at, (claim, pods)) in plan.new_node_claims.iter().zip(pods).enumerate() {
        let target = format!("claim[{at}]");
        let mut found = Report::default();
        if let Some((pool, mut node)) =
            check(cluster, catalogue, &mut forms, claim, pods, &mut found)
        {
            node.target.clone_from(&target);
            node.name = Name::from(format!("new-{at:04}"));
            node.labels.set(label::HOSTNAME, Name::clone(&node.name));
            let node = cluster.nodes.push(node);
            bought.push(Bought {
                claim,
                target: target.clone(),
                pool,
                node,
            });
        }
        let name = |v: Violation| v.at(target.as_str());
        report
            .violations
            .extend(found.violations.into_iter().map(name));
        report.warnings.extend(found.warnings.into_iter().map(name));
    }
    bought
}

fn check<'a>(
    cluster: &Cluster<'a>,
    catalogue: &Catalogue<'_>,
    forms: &mut Forms,
    claim: &PlannedClaim,
    pods: &[PodIx],
    report: &mut Report,
) -> Option<(&'a NodePool, NodeView)> {
    let Some(&pool) = cluster.pools.get(claim.node_pool.as_ref()) else {
        report.violation(Violation::new(
            Kind::Claim,
            format!("there is no NodePool {}", claim.node_pool),
        ));
        return None;
    };
    if let Some(why) = why_unusable(catalogue, pool) {
        report.violation(Violation::new(Kind::PoolNotUsable, why));
    }
    let menu = catalogue.menu(pool);
    let chosen = &claim.cheapest;
    let Some(first) = menu.named(&chosen.instance_type).first().copied() else {
        report.violation(Violation::new(
            Kind::Claim,
            format!("there is no instance type {}", chosen.instance_type),
        ));
        return None;
    };
    listing::check_lists(claim, menu, report);
    if let Err(why) = listing::find_offering(cluster, catalogue, menu, chosen) {
        report.violation(Violation::new(Kind::Offering, why));
    }

    let load = Load::new(cluster, pods);
    let meant = menu.offerings(&chosen.instance_type, |o| catalogue::is_meant(o, chosen));
    let mut trials: Vec<(usize, Rc<Form>)> = meant
        .iter()
        .filter_map(|&at| Some((at.0, forms.get(pool, menu.types, at)?)))
        .collect();
    if trials.is_empty() {
        let form = form::imagined(pool, &menu.types[first], &chosen.zone, chosen.capacity_type);
        trials.push((first, form));
    }
    // Entries of one name differ in labels or taints: the plan means the one that suits its pods.
    let best = trials
        .iter()
        .map(|(entry, form)| (*entry, form, judge(cluster, form, &load)))
        .min_by_key(|(_, _, judgement)| judgement.problems.len())?;
    let (entry, form, judgement) = best;
    report.violations.extend(judgement.problems);

    let holding = listing::check_types(cluster, forms, pool, menu, claim, &load, report);
    listing::check_cheapest(catalogue, menu, claim, &holding, report);
    listing::check_min_values(cluster, pool, menu, claim, &holding, report);
    listing::check_fallbacks(cluster, catalogue, forms, pool, claim, &load, report);
    if claim.pods.is_empty() {
        report.warning(Violation::new(Kind::EmptyClaim, "the claim has no pods"));
    }
    Some((
        pool,
        NodeView {
            labels: judgement.labels.into_owned(),
            undecided: form.undecided(),
            taints: form.taints.clone(),
            capacity: menu.types[entry].capacity.clone(),
            allocatable: form.allocatable.clone(),
            pool: Some(Name::clone(&pool.name)),
            placed: pods.to_vec(),
            ..NodeView::default()
        },
    ))
}

/// Why nothing may be bought from `pool` (S-40).
fn why_unusable(catalogue: &Catalogue<'_>, pool: &NodePool) -> Option<String> {
    let not_ready = |conditions| Condition::is_true(conditions, "Ready") == Some(false);
    let name = &pool.name;
    if pool.deleted.is_some() {
        return Some(format!("NodePool {name} is being deleted"));
    }
    if pool.replicas.is_some() {
        return Some(format!("NodePool {name} is static"));
    }
    if not_ready(&pool.conditions) {
        return Some(format!("NodePool {name} is not Ready"));
    }
    let class = &pool.node_class_ref.name;
    let why = catalogue.why_not_ready(pool)?;
    Some(format!("node class {class} is not ready: {why}"))
}
