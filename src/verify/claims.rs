//! New claims: the offering exists, the pool may be used, and the node holds its pods.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::model::instance_type::{CapacityType, InstanceType};
use crate::model::label::{self, Labels};
use crate::model::node::Condition;
use crate::model::node_pool::NodePool;
use crate::model::options::MinValuesPolicy;
use crate::model::pod::PodSpec;
use crate::model::price::Price;
use crate::model::requirement::Operator;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint;
use crate::plan::{ChosenOffering, Plan, PlannedClaim};

use super::catalogue::{self, Catalogue};
use super::form::{self, Form, Forms};
use super::ports::PortTable;
use super::pricing;
use super::report::{Kind, Report, Violation};
use super::resources;
use super::view::{ClassIx, Cluster, NodeIx, NodeView, PodIx};
use super::volumes;

/// A claim whose node could be built.
#[derive(Debug)]
pub(super) struct Bought<'a> {
    pub(super) claim: &'a PlannedClaim,
    /// `claim[3]`.
    pub(super) target: String,
    pub(super) pool: &'a NodePool,
    pub(super) node: NodeIx,
}

/// The pods of a claim with what they have in common.
struct Load<'c> {
    pods: &'c [PodIx],
    classes: Vec<(ClassIx, Vec<PodIx>)>,
    specs: Vec<&'c PodSpec>,
    requests: ResourceList,
}

impl<'c> Load<'c> {
    fn new(cluster: &'c Cluster<'_>, pods: &'c [PodIx]) -> Self {
        let mut classes: BTreeMap<ClassIx, Vec<PodIx>> = BTreeMap::new();
        let mut requests = ResourceList::new();
        for &pod in pods {
            let view = &cluster.pods[pod];
            classes.entry(view.class).or_default().push(pod);
            requests.add(&view.requests);
        }
        Self {
            pods,
            specs: classes.keys().map(|&c| cluster.classes[c].spec).collect(),
            classes: classes.into_iter().collect(),
            requests,
        }
    }
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
    let types = catalogue.types_of(pool);
    let chosen = &claim.cheapest;
    let Some(first) = types.iter().position(|t| t.name == chosen.instance_type) else {
        report.violation(Violation::new(
            Kind::Claim,
            format!("there is no instance type {}", chosen.instance_type),
        ));
        return None;
    };
    check_lists(claim, types, report);
    check_offering(cluster, catalogue, types, chosen, report);

    let load = Load::new(cluster, pods);
    let meant = offerings(types, &chosen.instance_type, |_, o| {
        catalogue::is_meant(o, chosen)
    });
    let mut trials: Vec<(usize, Rc<Form>)> = meant
        .iter()
        .filter_map(|&at| Some((at.0, forms.get(pool, types, at)?)))
        .collect();
    if trials.is_empty() {
        let form = form::imagined(pool, &types[first], &chosen.zone, chosen.capacity_type);
        trials.push((first, form));
    }
    // Entries of one name differ in labels or taints: the plan means the one that suits its pods.
    let best = trials
        .iter()
        .map(|(entry, form)| (*entry, form, judge(cluster, form, &load)))
        .min_by_key(|(_, _, judgement)| judgement.problems.len())?;
    let (entry, form, judgement) = best;
    report.violations.extend(judgement.problems);

    let holding = check_listed_types(cluster, forms, pool, types, claim, &load, report);
    check_cheapest(catalogue, types, claim, &holding, report);
    check_min_values(cluster, pool, types, claim, &holding, report);
    check_fallbacks(cluster, catalogue, forms, pool, claim, &load, report);
    if claim.pods.is_empty() {
        report.warning(Violation::new(Kind::EmptyClaim, "the claim has no pods"));
    }
    Some((
        pool,
        NodeView {
            labels: judgement.labels.into_owned(),
            taints: form.taints.clone(),
            capacity: types[entry].capacity.clone(),
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

/// Whether the claim's lists hold its own choice and only types there are.
fn check_lists(claim: &PlannedClaim, types: &[InstanceType], report: &mut Report) {
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
    for name in &claim.instance_types {
        if !types.iter().any(|t| t.name == *name) {
            report.violation(Violation::new(
                Kind::Claim,
                format!("there is no instance type {name}, which is listed"),
            ));
        }
    }
}

/// Whether the chosen offering can be had at the stated price.
fn check_offering(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    types: &[InstanceType],
    chosen: &ChosenOffering,
    report: &mut Report,
) {
    if let Err(why) = find_offering(cluster, catalogue, types, chosen) {
        report.violation(Violation::new(Kind::Offering, why));
    }
}

fn find_offering(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    types: &[InstanceType],
    chosen: &ChosenOffering,
) -> Result<(), String> {
    let gates = &cluster.snapshot.options.feature_gates;
    if chosen.capacity_type == CapacityType::Reserved && !gates.reserved_capacity {
        return Err("reserved capacity is switched off".to_owned());
    }
    let available = offerings(types, &chosen.instance_type, |_, o| {
        o.available && catalogue::is_meant(o, chosen)
    });
    if available.is_empty() {
        return Err(format!(
            "{} in {} is not available as {}",
            chosen.instance_type, chosen.zone, chosen.capacity_type
        ));
    }
    let price = |(entry, offering): (usize, usize)| {
        let entry: &InstanceType = &types[entry];
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

/// Positions (entry, offering) of the offerings of type `name` that pass `test`.
fn offerings(
    types: &[InstanceType],
    name: &str,
    test: impl Fn(&InstanceType, &crate::model::instance_type::Offering) -> bool,
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, entry) in types.iter().enumerate() {
        if entry.name.as_ref() == name {
            let passing = entry.offerings.iter().enumerate();
            let passing = passing.filter(|(_, offering)| test(entry, offering));
            found.extend(passing.map(|(offering, _)| (at, offering)));
        }
    }
    found
}

/// What is wrong with putting a claim's pods on one form of node.
struct Judgement<'f> {
    labels: Cow<'f, Labels>,
    problems: Vec<Violation>,
}

fn judge<'f>(cluster: &Cluster<'_>, form: &'f Form, load: &Load<'_>) -> Judgement<'f> {
    let mut problems = Vec::new();
    let (labels, refusing) = form.settle(&load.specs);
    for broken in &form.broken {
        problems.push(Violation::new(
            Kind::NodepoolRequirement,
            format!(
                "the pool's requirement {} {} {:?} is broken",
                broken.key, broken.operator, broken.values
            ),
        ));
    }
    for (at, (class, pods)) in load.classes.iter().enumerate() {
        let refused = refusing.contains(&at);
        let tolerations = &cluster.classes[*class].spec.tolerations;
        let taint = taint::untolerated(&form.taints, tolerations, false);
        for &pod in pods {
            let key = &cluster.pods[pod].key;
            if refused {
                let what = "the node selector or affinity does not match the node";
                problems.push(Violation::new(Kind::NodeAffinity, what).pod(key));
            }
            if let Some(taint) = taint {
                let what = format!("taint {} is not tolerated", taint.key);
                problems.push(Violation::new(Kind::Taint, what).pod(key));
            }
        }
    }
    let mut total = load.requests.clone();
    let mut ports = PortTable::default();
    let owner = Name::from("a DaemonSet");
    for daemon in cluster
        .daemons
        .running_on(&labels, &form.taints, form::NAMELESS)
    {
        total.add(&daemon.requests);
        ports.hold(&daemon.ports, &owner);
    }
    let short = resources::shortfalls(&total, &form.allocatable);
    if !short.is_empty() {
        let alone = resources::shortfalls(&load.requests, &form.allocatable).is_empty();
        let kind = if alone { Kind::FitDaemonset } else { Kind::Fit };
        let what = resources::describe(&short, &total, &form.allocatable);
        problems.push(Violation::new(kind, what));
    }
    for &pod in load.pods {
        for clash in ports.place(cluster, pod) {
            problems.push(Violation::new(Kind::HostPort, clash).pod(&cluster.pods[pod].key));
        }
    }
    Judgement { labels, problems }
}

/// The entries that hold the pods in the claim's zones and capacity types; warns of listed types that do not.
fn check_listed_types(
    cluster: &Cluster<'_>,
    forms: &mut Forms,
    pool: &NodePool,
    types: &[InstanceType],
    claim: &PlannedClaim,
    load: &Load<'_>,
    report: &mut Report,
) -> BTreeSet<usize> {
    let mut holding = BTreeSet::new();
    for name in &claim.instance_types {
        let usable = offerings(types, name, |_, o| {
            o.available
                && claim.zones.contains(&o.zone)
                && claim.capacity_types.contains(&o.capacity_type)
        });
        let mut why = "no offering in the claim's zones and capacity types".to_owned();
        let before = holding.len();
        for at in usable {
            if holding.contains(&at.0) {
                continue;
            }
            let Some(form) = forms.get(pool, types, at) else {
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
fn check_cheapest(
    catalogue: &Catalogue<'_>,
    types: &[InstanceType],
    claim: &PlannedClaim,
    holding: &BTreeSet<usize>,
    report: &mut Report,
) {
    if claim.capacity_types.contains(&CapacityType::Reserved) {
        return;
    }
    let chosen = &claim.cheapest;
    // Entries that share a name with another count only if they hold the pods: the name alone does not say which is
    // listed.
    let alone = |entry: &InstanceType| types.iter().filter(|t| t.name == entry.name).count() == 1;
    let listed = types.iter().enumerate().filter(|(at, entry)| {
        claim.instance_types.contains(&entry.name) && (holding.contains(at) || alone(entry))
    });
    let mut best: Option<(Price, &InstanceType)> = None;
    for (_, entry) in listed {
        for offering in &entry.offerings {
            let usable = offering.available
                && claim.zones.contains(&offering.zone)
                && claim.capacity_types.contains(&offering.capacity_type);
            if let Some(price) = catalogue.price(entry, offering).filter(|_| usable)
                && best.is_none_or(|(least, _)| price < least)
            {
                best = Some((price, entry));
            }
        }
    }
    let Some((least, entry)) = best else {
        return;
    };
    // A spot offering without a price ranks as the type's on-demand offering does (M-9).
    let on_demand = || {
        let entries = types.iter().filter(|t| t.name == chosen.instance_type);
        let offers = entries.flat_map(|t| t.offerings.iter().map(move |o| (t, o)));
        offers
            .filter(|(_, o)| o.capacity_type == CapacityType::OnDemand)
            .filter_map(|(t, o)| catalogue.price(t, o))
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
fn check_min_values(
    cluster: &Cluster<'_>,
    pool: &NodePool,
    types: &[InstanceType],
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
            let entry = &types[at];
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
fn check_fallbacks(
    cluster: &Cluster<'_>,
    catalogue: &Catalogue<'_>,
    forms: &mut Forms,
    pool: &NodePool,
    claim: &PlannedClaim,
    load: &Load<'_>,
    report: &mut Report,
) {
    let types = catalogue.types_of(pool);
    for fallback in &claim.fallbacks {
        let why = why_not_fallback(
            cluster, catalogue, forms, pool, types, claim, fallback, load,
        );
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
    types: &[InstanceType],
    claim: &PlannedClaim,
    fallback: &ChosenOffering,
    load: &Load<'_>,
) -> Option<String> {
    if !claim.instance_types.contains(&fallback.instance_type)
        || !claim.zones.contains(&fallback.zone)
        || !claim.capacity_types.contains(&fallback.capacity_type)
    {
        return Some("the claim does not list it".to_owned());
    }
    if let Err(why) = find_offering(cluster, catalogue, types, fallback) {
        return Some(why);
    }
    let meant = offerings(types, &fallback.instance_type, |_, o| {
        o.available && catalogue::is_meant(o, fallback)
    });
    let mut why = None;
    for at in meant {
        let form = forms.get(pool, types, at)?;
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
