//! Failed checks as text, with the figures of the types or nodes that fail them.

use std::collections::BTreeSet;

use super::check::{Check, CheckId, Lacking};
use super::facts::Facts;
use super::hint::{did_you_mean, nearest};
use super::pool::EXAMPLES;
use super::{Explainer, PodView};
use crate::model::label::{CAPACITY_TYPE, WELL_KNOWN, ZONE};
use crate::model::pod::HostPort;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::Requirement;
use crate::model::resources::{CPU, Name};
use crate::problem::{StockId, StockKind};
use crate::view::attach;
use crate::view::pools::{OFFERING_KEYS, offering_meets};

/// Who fails: figures are taken from these members.
#[derive(Debug)]
pub(super) enum Among<'m, 'a> {
    /// Types of a pool.
    Types(&'m Facts<'a>, usize, &'m [usize]),
    /// Nodes of the view.
    Nodes(&'m Facts<'a>, &'m [usize]),
}

/// CPU requests from here on look like a mistaken suffix (S-138 row 7).
const ABSURD_CPU: i64 = 1_000_000;

impl Explainer<'_, '_> {
    /// All failed checks in one line.
    pub(super) fn fails_text(
        &self,
        fails: &[CheckId],
        pod: &PodView<'_>,
        among: &Among<'_, '_>,
    ) -> String {
        let mut shorts = Vec::new();
        let mut texts = Vec::new();
        for check in fails.iter().map(|id| self.book.get(*id)) {
            match check {
                Check::Short(resource) | Check::Attach(resource) => {
                    shorts.push(self.short_text(*resource, pod, among));
                }
                Check::Label(asked) => texts.push(self.label_text(asked, among)),
                Check::Volume(asked) => {
                    texts.push(format!("its volumes: {}", self.label_text(asked, among)));
                }
                Check::Offering(asked, why) => texts.push(self.offering_text(asked, *why, among)),
                Check::Overfull => texts.push(self.overfull_text(among)),
                Check::Stock(stock) => texts.push(self.stock_text(*stock, among)),
                Check::Taken => texts.push(self.taken_text(among)),
                Check::Undefined(asked) => texts.push(self.undefined_text(asked)),
                Check::Unavailable(_)
                | Check::Taint(_)
                | Check::NoTerm
                | Check::Named
                | Check::Negative
                | Check::Port(..) => texts.push(self.plain_text(check)),
            }
        }
        if !shorts.is_empty() {
            texts.push(shorts.join(", "));
        }
        texts.join("; ")
    }

    /// A check whose text needs no figures.
    pub(super) fn plain_text(&self, check: &Check) -> String {
        match check {
            Check::Unavailable(state) => (*state).to_owned(),
            Check::Taint(taint) if check.code() == super::Code::NodeUnavailable => {
                format!("cordoned (taint {taint})")
            }
            Check::Taint(taint) => format!("taint {taint} is not tolerated"),
            Check::NoTerm => "the required node affinity has no usable term, so it matches no node".to_owned(),
            Check::Named => {
                "the required node affinity (matchFields) names other nodes, and a new node has no name yet".to_owned()
            }
            Check::Negative => "its system overhead exceeds its capacity".to_owned(),
            Check::Port(port, holder) => format!("host port {} is taken by {holder}", port_text(port)),
            Check::Undefined(asked) => self.undefined_text(asked),
            Check::Label(asked) | Check::Volume(asked) => format!("the pod asks {asked}"),
            Check::Offering(..) => "no offering".to_owned(),
            Check::Overfull => "DaemonSet pods alone overfill it".to_owned(),
            Check::Short(at) | Check::Attach(at) => self.symbols.resources[*at].to_string(),
            Check::Stock(stock) => self.stock_name(*stock),
            Check::Taken => "taken by other pods of this plan".to_owned(),
        }
    }

    /// `nvidia.com/gpu 4 < 8`, or `cpu 3920m - 700m for DaemonSets < 4`; the largest amount among the members.
    fn short_text(&self, resource: usize, pod: &PodView<'_>, among: &Among<'_, '_>) -> String {
        let name = &self.symbols.resources[resource];
        let need = pod.requests.amount(name);
        let have = match among {
            Among::Types(facts, pool, members) => {
                let rooms = members.iter().flat_map(|at| {
                    let shape = &facts.shapes[*pool][*at];
                    shape.rooms.iter().map(move |room| (shape, room))
                });
                let best = rooms.max_by_key(|(_, room)| room.net[resource]);
                best.map_or_else(String::new, |(shape, room)| {
                    let taken = room.daemons.amount(name);
                    let gross = shape.allocatable.amount(name);
                    if taken.is_zero() {
                        like(gross, need).to_string()
                    } else {
                        format!(
                            "{} - {} for DaemonSets",
                            like(gross, need),
                            like(taken, need)
                        )
                    }
                })
            }
            Among::Nodes(facts, members) => {
                let most = members.iter().map(|at| facts.free[*at][resource]).max();
                let free = Quantity::from_nanos(most.unwrap_or(0).max(0));
                format!("{} free", like(free, need))
            }
        };
        let absurd = name.as_ref() == CPU && need >= Quantity::from_units(ABSURD_CPU);
        let hint = if absurd {
            " (is the suffix M, millions, meant to be m, thousandths?)"
        } else {
            ""
        };
        match name.strip_prefix(attach::PREFIX) {
            Some(driver) => format!("volumes that driver {driver} can attach: {have} < {need}"),
            None => format!("{name} {have} < {need}{hint}"),
        }
    }

    /// The check that fails where `resource` does not suffice.
    pub(super) fn short_check(&self, resource: usize) -> Check {
        if self.symbols.resources[resource].starts_with(attach::PREFIX) {
            Check::Attach(resource)
        } else {
            Check::Short(resource)
        }
    }

    fn label_text(&self, asked: &Requirement, among: &Among<'_, '_>) -> String {
        let key = asked.key();
        let mut offered: BTreeSet<String> = BTreeSet::new();
        let mut unset = false;
        match among {
            Among::Types(facts, pool, members) if OFFERING_KEYS.contains(&key.as_ref()) => {
                let places = members
                    .iter()
                    .flat_map(|at| &facts.shapes[*pool][*at].places);
                for place in places.filter(|place| place.option.is_ok()) {
                    match key.as_ref() {
                        ZONE => offered.extend([place.offering.zone.to_string()]),
                        CAPACITY_TYPE => offered.extend([place.offering.capacity_type.to_string()]),
                        _ => offered.extend(
                            place
                                .offering
                                .reservation_id
                                .iter()
                                .map(ToString::to_string),
                        ),
                    }
                }
            }
            Among::Types(facts, pool, members) => {
                for labels in members
                    .iter()
                    .filter_map(|at| facts.shapes[*pool][*at].labels.as_ref().ok())
                {
                    match (labels.fixed(key), labels.open.get(key)) {
                        (Some(value), _) if value.as_ref() == crate::view::pools::NEW_HOST => {
                            offered.insert("a new name".to_owned());
                        }
                        (Some(value), _) => {
                            offered.insert(value.to_string());
                        }
                        (None, Some(open)) => {
                            offered.extend(open.values().iter().map(ToString::to_string))
                        }
                        (None, None) => unset = true,
                    }
                }
            }
            Among::Nodes(_, members) => {
                for node in members.iter().map(|at| &self.views.nodes[*at]) {
                    match node.labels.get(key) {
                        Some(value) => {
                            offered.insert(value.to_owned());
                        }
                        None => unset = true,
                    }
                }
            }
        }
        let hint = self.value_hint(asked, offered.iter().map(String::as_str));
        let held = if offered.is_empty() && unset {
            "the label is not set".to_owned()
        } else {
            format!("offered: {}", list(offered.iter().map(String::as_str)))
        };
        format!("the pod asks {asked}, {held}{hint}")
    }

    /// A value on offer that is nearly one of those asked for.
    pub(super) fn value_hint<'v>(
        &self,
        asked: &Requirement,
        offered: impl Iterator<Item = &'v str> + Clone,
    ) -> String {
        if asked.is_complement() {
            return String::new();
        }
        let mut hints = asked.values().iter();
        did_you_mean(hints.find_map(|value| nearest(value, offered.clone())))
    }

    pub(super) fn undefined_text(&self, asked: &Requirement) -> String {
        let key = asked.key();
        let template_keys = self.views.pools.templates.iter().flat_map(|t| {
            let own = t.requirements.iter().map(|r| r.key());
            own.chain(t.pool.template_labels.iter().map(|(key, _)| key))
        });
        let type_keys = self
            .views
            .pools
            .templates
            .iter()
            .flat_map(|t| t.types)
            .flat_map(|t| t.requirements.iter().map(|spec| &spec.key));
        let node_keys = self
            .views
            .nodes
            .iter()
            .flat_map(|n| n.labels.iter().map(|(key, _)| key));
        let known: BTreeSet<&str> = template_keys
            .chain(type_keys)
            .chain(node_keys)
            .map(AsRef::as_ref)
            .chain(WELL_KNOWN)
            .collect();
        let hint = did_you_mean(nearest(key, known));
        format!("the pod asks {asked}, and nothing here sets the label {key}{hint}")
    }

    fn offering_text(&self, asked: &[Requirement], why: Lacking, among: &Among<'_, '_>) -> String {
        let wanted = if asked.is_empty() {
            String::new()
        } else {
            let texts: Vec<String> = asked.iter().map(ToString::to_string).collect();
            format!(" with {}", texts.join(" and "))
        };
        let Among::Types(facts, pool, members) = among else {
            return format!("no offering{wanted}");
        };
        let places = || {
            members
                .iter()
                .flat_map(|at| &facts.shapes[*pool][*at].places)
        };
        let text = |offering: &crate::model::instance_type::Offering| match asked {
            [one] if one.key().as_ref() == ZONE => offering.zone.to_string(),
            [one] if one.key().as_ref() == CAPACITY_TYPE => offering.capacity_type.to_string(),
            _ => format!("{} {}", offering.zone, offering.capacity_type),
        };
        let meets = |offering| asked.iter().all(|asked| offering_meets(asked, offering));
        match why {
            Lacking::Unavailable | Lacking::Reservation => {
                let named: BTreeSet<String> = places()
                    .map(|place| place.offering)
                    .filter(|offering| meets(offering))
                    .map(|o| format!("{} {}", o.zone, o.capacity_type))
                    .collect();
                let state = if why == Lacking::Reservation {
                    "no instance of the reservation is left"
                } else {
                    "not available at present"
                };
                format!(
                    "no available offering{wanted}: {} {state}",
                    list(named.iter().map(String::as_str))
                )
            }
            Lacking::ByPool => format!("the NodePool's requirements leave no offering{wanted}"),
            Lacking::Elsewhere => {
                let offered: BTreeSet<String> = places()
                    .filter(|place| place.option.is_ok())
                    .map(|place| text(place.offering))
                    .collect();
                if offered.is_empty() {
                    return format!("no offering{wanted}");
                }
                let values = offered.iter().map(String::as_str);
                let hint = asked
                    .first()
                    .map(|asked| self.value_hint(asked, values.clone()))
                    .unwrap_or_default();
                format!("no offering{wanted}, offered: {}{hint}", list(values))
            }
        }
    }

    fn overfull_text(&self, among: &Among<'_, '_>) -> String {
        let Among::Types(facts, pool, members) = among else {
            return "DaemonSet pods alone overfill it".to_owned();
        };
        let found = members.iter().find_map(|at| {
            let shape = &facts.shapes[*pool][*at];
            let room = shape.rooms.iter().find(|room| room.overfull)?;
            let resource = room.net.iter().position(|left| *left < 0)?;
            let name = &self.symbols.resources[resource];
            let need = room.daemons.amount(name);
            Some(format!(
                "{name} {} < {need}",
                like(shape.allocatable.amount(name), need)
            ))
        });
        let figures = found.map(|text| format!(": {text}")).unwrap_or_default();
        format!("DaemonSet pods alone overfill it{figures}")
    }

    /// `limit cpu of NodePool default`.
    pub(super) fn stock_name(&self, stock: StockId) -> String {
        match &self.problem.stocks[stock].kind {
            StockKind::PoolLimit(pool, resource) => format!("limit {resource} of NodePool {pool}"),
            StockKind::GroupLimit(group, resource) => {
                format!("limit {resource} of the limit group {group}")
            }
            StockKind::TypeQuota(name) => format!("quota of {name}"),
            StockKind::InstanceQuota => "quota of instances".to_owned(),
            StockKind::Reservation(id) => format!("reservation {id}"),
            StockKind::PoolPrice(pool) => format!("price limit of NodePool {pool}"),
            StockKind::PlanPrice => "price limit of the plan".to_owned(),
        }
    }

    /// An amount of a stock in its own unit.
    pub(super) fn stock_amount(&self, stock: StockId, amount: i128) -> String {
        match &self.problem.stocks[stock].kind {
            StockKind::PoolLimit(_, resource) | StockKind::GroupLimit(_, resource) => {
                let limits = self
                    .views
                    .snapshot
                    .node_pools
                    .iter()
                    .map(|pool| &pool.limits);
                let groups = self
                    .views
                    .snapshot
                    .options
                    .limit_groups
                    .iter()
                    .map(|g| &g.limits);
                let like_this = limits.chain(groups).find_map(|list| list.get(resource));
                like(
                    Quantity::from_nanos(amount),
                    like_this.unwrap_or(Quantity::ZERO),
                )
                .to_string()
            }
            StockKind::TypeQuota(_) | StockKind::InstanceQuota | StockKind::Reservation(_) => {
                amount.to_string()
            }
            StockKind::PoolPrice(_) | StockKind::PlanPrice => {
                format!("${}", Price::from_femto(amount))
            }
        }
    }

    fn stock_text(&self, stock: StockId, among: &Among<'_, '_>) -> String {
        let name = self.stock_name(stock);
        let left = self.stock_left(stock);
        let least = match among {
            Among::Types(facts, pool, members) => members
                .iter()
                .flat_map(|at| &facts.shapes[*pool][*at].places)
                .filter_map(|place| place.option.ok())
                .flat_map(|option| &self.problem.options[option].uses)
                .filter(|(used, _)| *used == stock)
                .map(|(_, amount)| *amount)
                .min(),
            Among::Nodes(..) => None,
        };
        let needed = least.map(|amount| format!(", {} needed", self.stock_amount(stock, amount)));
        let bought = self.decided.bought[stock];
        let spent = self.problem.stocks[stock].left.saturating_sub(left);
        let used = if bought > 0 {
            let nodes = if bought == 1 {
                "node takes"
            } else {
                "nodes take"
            };
            format!(
                " ({bought} {nodes} {} in this plan)",
                self.stock_amount(stock, spent)
            )
        } else {
            String::new()
        };
        let have = if left < 0 {
            format!(
                "exceeded by {}",
                self.stock_amount(stock, left.saturating_neg())
            )
        } else {
            format!(
                "{} left{}",
                self.stock_amount(stock, left),
                needed.unwrap_or_default()
            )
        };
        format!("{name}: {have}{used}")
    }

    fn taken_text(&self, among: &Among<'_, '_>) -> String {
        let count = match among {
            Among::Nodes(_, members) => members
                .iter()
                .filter_map(|at| self.decided.content.get(at))
                .flatten()
                .map(|(_, count)| u64::from(*count))
                .sum(),
            Among::Types(..) => 0,
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("there was room, but this plan gives it to {count} other pod{plural}")
    }
}

/// `amount` printed the way `pattern` is.
pub(super) fn like(amount: Quantity, pattern: Quantity) -> Quantity {
    amount.with_format(pattern.format())
}

/// At most [`EXAMPLES`] items and how many more there are.
pub(super) fn list<'i>(items: impl Iterator<Item = &'i str>) -> String {
    let all: Vec<&str> = items.collect();
    let shown = all
        .iter()
        .take(EXAMPLES)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match all.len().saturating_sub(EXAMPLES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

pub(super) fn port_text(port: &HostPort) -> String {
    let protocol = format!("{:?}", port.protocol).to_uppercase();
    if port.ip.as_ref() == "0.0.0.0" {
        format!("{protocol} {}", port.port)
    } else {
        format!("{protocol} {}:{}", port.ip, port.port)
    }
}

/// The names of some objects for a subject: `Node n1` or `12 Nodes`.
pub(super) fn counted(kind: &str, names: &[&Name]) -> String {
    match names {
        [one] => format!("{kind} {one}"),
        many => format!("{} {kind}s", many.len()),
    }
}
