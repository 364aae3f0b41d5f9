//! What a claim lists: types, zones, capacity types, and offerings to fall back to.

use std::collections::BTreeSet;

use crate::model::instance_type::{CapacityType, InstanceType};
use crate::model::label;
use crate::model::node_pool::NodePool;
use crate::model::options::MinValuesPolicy;
use crate::model::price::Price;
use crate::model::requirement::Operator;
use crate::plan::{ChosenOffering, PlannedClaim};

use super::catalogue::{self, Catalogue, Menu};
use super::form::{self, Forms};
use super::pricing;
use super::report::{Kind, Report, Violation};
use super::trial::{Load, judge};
use super::view::Cluster;
use super::volumes;

/// Whether the claim's lists hold its own choice and only types there are.
pub(super) fn check_lists(claim: &PlannedClaim, menu: Menu<'_>, report: &mut Report) {
    let chosen = &claim.cheapest;
    for (listed, what) in [
        (
            claim.instance_types.contains(&chosen.instance_type),
            "instanceTypes",
        ),
        (claim.zones.contains(&chosen.zone), "zones"),
        (
            claim.capacity_types.contains(&chosen.capacity_type),
            "capacityTypes",
        ),
    ] {
        if !listed {
            report.violation(Violation::new(
                Kind::Claim,
                format!("{what} lacks the chosen offering's"),
            ));
        }
    }
    for name in claim.instance_types.iter() {
        if menu.named(name).is_empty() {
            report.violation(Violation::new(
                Kind::Claim,
                format!("there is no instance type {name}, which is listed"),
            ));
        }
    }
}

/// Whether `chosen` can be had at the stated price (S-52); the error says why not.
pub(super) fn find_offering(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    menu: Menu<'_>,
    chosen: &ChosenOffering,
) -> Result<(), String> {
    let gates = &cluster.snapshot.options.feature_gates;
    if chosen.capacity_type == CapacityType::Reserved && !gates.reserved_capacity {
        return Err("reserved capacity is switched off".to_owned());
    }
    let available = menu.offerings(&chosen.instance_type, |o| {
        o.available && catalogue::is_meant(o, chosen)
    });
    if available.is_empty() {
        return Err(format!(
            "{} in {} is not available as {}",
            chosen.instance_type, chosen.zone, chosen.capacity_type
        ));
    }
    let price = |(entry, offering): (usize, usize)| {
        let entry: &InstanceType = &menu.types[entry];
        catalogue.price(entry, &entry.offerings[offering])
    };
    if available
        .iter()
        .any(|&at| pricing::equal(price(at), chosen.price))
    {
        return Ok(());
    }
    Err(format!(
        "{} in {} as {} has another price than stated",
        chosen.instance_type, chosen.zone, chosen.capacity_type
    ))
}

/// Available offerings of the type `name` in the claim's zones and capacity types; all of them for a claim on reserved
/// capacity, which is pinned to it after its types were found (S-80, S-124).
fn offerings_of(menu: Menu<'_>, claim: &PlannedClaim, name: &str) -> Vec<(usize, usize)> {
    let pinned = claim.capacity_types == [CapacityType::Reserved];
    menu.offerings(name, |o| {
        let within =
            claim.zones.contains(&o.zone) && claim.capacity_types.contains(&o.capacity_type);
        o.available && (pinned || within)
    })
}

/// The entries that hold the pods in the claim's zones and capacity types; warns of listed types that do not.
pub(super) fn check_types(
    cluster: &Cluster<'_>,
    forms: &mut Forms,
    pool: &NodePool,
    menu: Menu<'_>,
    claim: &PlannedClaim,
    load: &Load<'_>,
    report: &mut Report,
) -> BTreeSet<usize> {
    let mut holding = BTreeSet::new();
    for name in claim.instance_types.iter() {
        let usable = offerings_of(menu, claim, name);
        let mut why = "no offering in the claim's zones and capacity types".to_owned();
        let before = holding.len();
        for at in usable {
            if holding.contains(&at.0) {
                continue;
            }
            let Some(form) = forms.get(pool, menu.types, at) else {
                continue;
            };
            match judge(cluster, &form, load).problems.into_iter().next() {
                None => {
                    holding.insert(at.0);
                }
                Some(problem) => why = problem.message,
            }
        }
        if holding.len() == before {
            report.warning(Violation::new(
                Kind::ListedType,
                format!("{name} would not hold the pods: {why}"),
            ));
        }
    }
    holding
}

/// Whether the chosen offering is the cheapest listed one; a claim on reserved capacity is not asked (S-122).
pub(super) fn check_cheapest(
    catalogue: &Catalogue<'_>,
    menu: Menu<'_>,
    claim: &PlannedClaim,
    holding: &BTreeSet<usize>,
    report: &mut Report,
) {
    if claim.capacity_types.contains(&CapacityType::Reserved) {
        return;
    }
    let chosen = &claim.cheapest;
    let priced = |(entry, offering): (usize, usize)| {
        let entry: &InstanceType = &menu.types[entry];
        Some((catalogue.price(entry, &entry.offerings[offering])?, entry))
    };
    let mut best: Option<(Price, &InstanceType)> = None;
    for name in claim.instance_types.iter() {
        // Entries that share a name count only if they hold the pods: the name alone does not say which is listed.
        let shared = menu.named(name).len() > 1;
        let listed = offerings_of(menu, claim, name).into_iter();
        let listed = listed.filter(|(entry, _)| !shared || holding.contains(entry));
        for (price, entry) in listed.filter_map(priced) {
            if best.is_none_or(|(least, _)| price < least) {
                best = Some((price, entry));
            }
        }
    }
    let Some((least, entry)) = best else {
        return;
    };
    // A spot offering without a price ranks as the type's on-demand offering does (M-9).
    let on_demand = || {
        let offered = menu.offerings(&chosen.instance_type, |o| {
            o.capacity_type == CapacityType::OnDemand
        });
        offered
            .into_iter()
            .filter_map(priced)
            .map(|(price, _)| price)
            .min()
    };
    let paid = match chosen.price {
        None if chosen.capacity_type == CapacityType::Spot => on_demand(),
        price => price,
    };
    if paid.is_none_or(|paid| least + pricing::EQUAL < paid) {
        report.violation(Violation::new(
            Kind::Cheapest,
            format!("{} at {least} is listed and cheaper", entry.name),
        ));
    }
}

/// Whether enough values are left (S-55), counted over types that hold the pods (M-6).
pub(super) fn check_min_values(
    cluster: &Cluster<'_>,
    pool: &NodePool,
    menu: Menu<'_>,
    claim: &PlannedClaim,
    holding: &BTreeSet<usize>,
    report: &mut Report,
) {
    for requirement in &pool.requirements {
        let Some(wanted) = requirement.min_values else {
            continue;
        };
        let key = label::normalize(&requirement.key);
        let mut values: BTreeSet<&str> = BTreeSet::new();
        for &at in holding {
            let entry = &menu.types[at];
            let offered = entry.offerings.iter().filter(|o| o.available);
            match key {
                label::INSTANCE_TYPE => {
                    values.insert(&entry.name);
                }
                label::ZONE => values.extend(offered.map(|o| o.zone.as_ref())),
                label::CAPACITY_TYPE => values.extend(offered.map(|o| o.capacity_type.as_str())),
                _ => {
                    let own = entry
                        .requirements
                        .iter()
                        .filter(|r| label::normalize(&r.key) == key && r.operator == Operator::In);
                    values.extend(own.flat_map(|r| &r.values).map(AsRef::as_ref));
                }
            }
        }
        let have = values.len();
        if u32::try_from(have).is_ok_and(|have| have < wanted) {
            let finding = Violation::new(
                Kind::MinValues,
                format!("{have} values of {key}, minValues is {wanted}"),
            );
            let strict = cluster.snapshot.options.min_values_policy == MinValuesPolicy::Strict;
            if strict && !claim.min_values_relaxed {
                report.violation(finding);
            } else {
                report.warning(finding);
            }
        }
    }
}

/// Whether each fallback can be had and holds the pods (M-5).
pub(super) fn check_fallbacks(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    forms: &mut Forms,
    pool: &NodePool,
    claim: &PlannedClaim,
    load: &Load<'_>,
    report: &mut Report,
) {
    for fallback in claim.fallbacks.iter() {
        let why = why_not_fallback(cluster, catalogue, forms, pool, fallback, load);
        if let Some(why) = why {
            report.violation(Violation::new(
                Kind::Fallback,
                format!(
                    "fallback {} in {} as {}: {why}",
                    fallback.instance_type, fallback.zone, fallback.capacity_type
                ),
            ));
        }
    }
}

fn why_not_fallback(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    forms: &mut Forms,
    pool: &NodePool,
    fallback: &ChosenOffering,
    load: &Load<'_>,
) -> Option<String> {
    let menu = catalogue.menu(pool);
    if let Err(why) = find_offering(cluster, catalogue, menu, fallback) {
        return Some(why);
    }
    let meant = menu.offerings(&fallback.instance_type, |o| {
        o.available && catalogue::is_meant(o, fallback)
    });
    let mut why = None;
    for at in meant {
        let form = forms.get(pool, menu.types, at)?;
        let judgement = judge(cluster, &form, load);
        let volume = || {
            load.pods
                .iter()
                .find_map(|&pod| volumes::problem(cluster, pod, &judgement.labels, form::NAMELESS))
        };
        let problem = match judgement.problems.first() {
            Some(problem) => Some(problem.message.clone()),
            None => volume(),
        };
        match problem {
            None => return None,
            Some(problem) => why = why.or(Some(problem)),
        }
    }
    why
}
