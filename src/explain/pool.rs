//! Why a NodePool does not take a pod.

use std::collections::BTreeMap;

use super::check::{Check, CheckId};
use super::class::Ranked;
use super::facts::{Barred, Facts, Room, Shape};
use super::miss::{Merged, Miss, WHOLE, flat_shortage, merge, shortage};
use super::reason::{Code, Reason};
use super::text::Among;
use super::{Explainer, PodView, Suits};
use crate::base::index::Ix as _;
use crate::model::requirement::Requirement;
use crate::model::resources::Name;
use crate::problem::classes::clash;
use crate::problem::{OptionId, PoolId, StockKind};
use crate::solver::holds::stock_allows;

/// How many names a reason lists.
pub(super) const EXAMPLES: usize = 5;

impl Explainer<'_, '_> {
    /// Why the usable pool at `pool` does not take the pod.
    pub(super) fn pool_reason(&mut self, pool: usize, pod: &PodView<'_>, suits: &Suits) -> Ranked {
        let facts = self.facts();
        let shapes = &facts.shapes[pool];
        let subject = format!("NodePool {}", self.views.pools.templates[pool].pool.name);
        let mut misses = Vec::with_capacity(shapes.len());
        for (at, shape) in shapes.iter().enumerate() {
            if shape.labels.is_ok() {
                misses.push(self.type_miss(&facts, (pool, at), pod, suits));
            }
        }
        let open = |shape: &&Shape<'_>| {
            let allowed = |place: &super::facts::Place<'_>| place.option != Err(Barred::ByPool);
            shape.labels.is_ok() && shape.places.iter().any(allowed)
        };
        if !shapes.iter().any(|shape| open(&shape)) {
            let what = if misses.is_empty() {
                ""
            } else {
                " an offering"
            };
            let message = format!(
                "its own requirements leave none of the {} instance types of its node class{what}",
                shapes.len()
            );
            let summary = format!("{subject}: {message}");
            let reason = Reason::new(subject, Code::NoInstanceTypes, message)
                .with_parts(excluded_parts(shapes.iter()));
            let rank = (usize::MAX, WHOLE);
            return Ranked {
                rank,
                reason,
                summary,
            };
        }
        let taints: Vec<String> = suits
            .asked
            .untolerated(&self.views.pools.templates[pool].pool.taints)
            .map(ToString::to_string)
            .collect();
        let merged = merge(misses.iter().cloned());
        let (count, short) = merged.first().map_or((0, WHOLE), Merged::rank);
        let rank = match taints.len() {
            0 => (count, short),
            taints => (count + taints, WHOLE.max(short)),
        };
        let (code, message, nearest) = if taints.is_empty() {
            self.verdict(&facts, pool, pod, &misses, &merged)
        } else {
            (Code::Taint, untolerated_text(&taints), None)
        };
        let place = match nearest {
            Some(nearest) if shapes.len() > 1 => format!("{subject}, nearest {nearest}"),
            Some(_) | None => subject.clone(),
        };
        let mut parts: Vec<Reason> = merged
            .iter()
            .filter(|group| taints.is_empty() || !group.fails.is_empty())
            .map(|group| self.types_reason(&facts, pool, pod, group))
            .collect();
        parts.extend(self.used_up(pool, &merged));
        let roomy = shapes
            .iter()
            .filter(|shape| pod.requests.fits(&shape.allocatable));
        parts.extend(excluded_parts(roomy));
        Ranked {
            rank,
            summary: format!("{message} ({place})"),
            reason: Reason::new(subject, code, message).with_parts(parts),
        }
    }

    /// What one type of a pool fails.
    fn type_miss(
        &mut self,
        facts: &Facts<'_>,
        (pool, at): (usize, usize),
        pod: &PodView<'_>,
        suits: &Suits,
    ) -> Miss {
        let shape = &facts.shapes[pool][at];
        let suit = &suits.pools[pool][at];
        let mut fails = suit.fails.clone();
        let mut short = fails
            .iter()
            .map(|id| flat_shortage(self.book.get(*id)))
            .max()
            .unwrap_or(0);
        if shape.negative {
            fails.push(self.book.id(Check::Negative));
            short = WHOLE;
        }
        let open = |places: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
            let mut rooms: Vec<usize> = places.map(|place| shape.places[place].room).collect();
            rooms.sort_unstable();
            rooms.dedup();
            rooms
        };
        let mut rooms = open(&mut suit.places.iter().copied());
        if rooms.is_empty() {
            rooms = (0..shape.rooms.len()).collect();
        }
        let free: Vec<usize> = rooms
            .iter()
            .copied()
            .filter(|room| !clash(&pod.ports, &shape.rooms[*room].ports))
            .collect();
        if free.is_empty() {
            if let Some(check) = self.port_of_daemon(pod, &shape.rooms[rooms[0]]) {
                fails.push(self.book.id(check));
                short = short.max(WHOLE);
            }
        } else {
            rooms = free;
        }
        let tightest = rooms
            .iter()
            .map(|room| short_of(&shape.rooms[*room], pod, |at| self.short_check(at)))
            .min_by_key(|(checks, short)| (checks.len(), *short));
        if let Some((checks, most)) = tightest.filter(|_| !shape.negative) {
            fails.extend(checks.into_iter().map(|check| self.book.id(check)));
            short = short.max(most);
        }
        if fails.is_empty() {
            let options = suit.places.iter().filter_map(|place| {
                let place = &shape.places[*place];
                let room = &shape.rooms[place.room];
                let holds = !clash(&pod.ports, &room.ports)
                    && short_of(room, pod, Check::Short).0.is_empty();
                place.option.ok().filter(|_| holds)
            });
            fails = self.stocks_that_fail(&options.collect::<Vec<_>>());
        }
        Miss {
            member: at,
            fails,
            shortage: short,
        }
    }

    fn port_of_daemon(&self, pod: &PodView<'_>, room: &Room) -> Option<Check> {
        let clashes =
            |port: &&crate::model::pod::HostPort| clash(std::slice::from_ref(*port), &room.ports);
        let port = pod.ports.iter().find(clashes)?;
        let holder = self
            .views
            .daemons
            .iter()
            .find(|daemon| clash(std::slice::from_ref(port), &daemon.host_ports))
            .map_or_else(
                || "a DaemonSet".to_owned(),
                |daemon| format!("DaemonSet {}/{}", daemon.set.namespace, daemon.set.name),
            );
        Some(Check::Port(port.clone(), holder))
    }

    /// The stocks that stand against each of `options`: those of the option with the fewest; none if one is free.
    fn stocks_that_fail(&mut self, options: &[OptionId]) -> Vec<CheckId> {
        let stocks = &self.decided.stocks;
        let of_option = |option: &OptionId| {
            let mut failing = Vec::new();
            for (stock, amount) in &self.problem.options[*option].uses {
                let left = stocks[stock.at()];
                if left < 0 || *amount > left {
                    failing.push(*stock);
                }
            }
            failing
        };
        let least = options.iter().map(of_option).min_by_key(Vec::len);
        let checks = least.into_iter().flatten().map(Check::Stock);
        checks.map(|check| self.book.id(check)).collect()
    }

    /// Where checks before it hide that no option of the pool can be bought any more: the stock that is used up.
    fn used_up(&self, pool: usize, merged: &[Merged]) -> Option<Reason> {
        let by_stock = |id: &CheckId| matches!(self.book.get(*id), Check::Stock(_));
        if merged.iter().any(|group| group.fails.iter().any(by_stock)) {
            return None;
        }
        let options = &self.problem.pools[PoolId::new(pool)].options;
        let stocks = &self.decided.stocks;
        let spent = |option| stock_allows(self.problem, stocks, option) == 0;
        if !options.iter().all(spent) {
            return None;
        }
        let first = &self.problem.options[options.iter().next()?];
        let failing = first.uses.iter().find(|(stock, amount)| {
            let left = stocks[stock.at()];
            left < 0 || *amount > left
        });
        let (stock, _) = failing?;
        let left = self.stock_left(*stock);
        let message = if left < 0 {
            format!(
                "exceeded by {}, so no node can be added either",
                self.stock_amount(*stock, left.saturating_neg())
            )
        } else {
            format!(
                "{} left, so no node can be added either",
                self.stock_amount(*stock, left)
            )
        };
        let code = stock_code(&self.problem.stocks[*stock].kind);
        Some(Reason::new(self.stock_name(*stock), code, message))
    }

    /// One group of types that fail the same way.
    fn types_reason(
        &self,
        facts: &Facts<'_>,
        pool: usize,
        pod: &PodView<'_>,
        group: &Merged,
    ) -> Reason {
        let shapes = &facts.shapes[pool];
        let message = if group.fails.is_empty() {
            self.free_text(pool, pod, group, facts)
        } else {
            self.fails_text(
                &group.fails,
                pod,
                &Among::Types(facts, pool, &group.members),
            )
        };
        let code = match group.fails.first().map(|id| self.book.get(*id)) {
            Some(Check::Stock(stock)) => stock_code(&self.problem.stocks[*stock].kind),
            Some(_) | None => group.code(&self.book),
        };
        let members = group.members.iter().map(|at| &shapes[*at]);
        named_types(members, code, message)
    }

    /// A type holds the pod and nothing is used up: other pods were served first.
    fn free_text(
        &self,
        pool: usize,
        pod: &PodView<'_>,
        group: &Merged,
        facts: &Facts<'_>,
    ) -> String {
        if let Some((_, text, _)) = self.min_values(pool, pod, group) {
            return text;
        }
        let free = group
            .members
            .iter()
            .flat_map(|at| &facts.shapes[pool][*at].places)
            .filter_map(|place| place.option.ok())
            .filter(|option| stock_allows(self.problem, &self.decided.stocks, *option) > 0)
            .count();
        format!(
            "one pod alone would fit ({free} offerings are open), but this plan leaves it: other pods were served first"
        )
    }
}

/// Types left out by the pool's own requirements, merged by requirement.
pub(super) fn excluded_parts<'s, 'a: 's>(
    shapes: impl Iterator<Item = &'s Shape<'a>>,
) -> Vec<Reason> {
    let mut by_requirement: BTreeMap<&Requirement, Vec<&Shape<'_>>> = BTreeMap::new();
    for shape in shapes {
        if let Err(requirement) = &shape.labels {
            by_requirement.entry(requirement).or_default().push(shape);
        }
    }
    by_requirement
        .into_iter()
        .map(|(requirement, shapes)| {
            let message = format!("left out by the NodePool's requirement {requirement}");
            named_types(shapes.into_iter(), Code::NoInstanceTypes, message)
        })
        .collect()
}

/// A reason about some types: the subject says how many, examples which.
pub(super) fn named_types<'s, 'a: 's>(
    shapes: impl Iterator<Item = &'s Shape<'a>>,
    code: Code,
    message: String,
) -> Reason {
    let mut names: Vec<&Name> = Vec::new();
    let mut group = None;
    let mut seen = std::collections::BTreeSet::new();
    for shape in shapes {
        if seen.insert(&shape.instance_type.name) {
            names.push(&shape.instance_type.name);
        }
        group = shape.group();
    }
    let (subject, count) = match (names.as_slice(), group) {
        ([name], Some(group)) => (format!("instance type {name} of instance group {group}"), 1),
        ([name], None) => (format!("instance type {name}"), 1),
        (names, _) => (format!("{} instance types", names.len()), names.len()),
    };
    let mut reason = Reason::new(subject, code, message);
    reason.count = count;
    if count != 1 {
        reason.examples = names.into_iter().take(EXAMPLES).map(Name::clone).collect();
    }
    reason
}

/// The code of a stock that is used up.
pub(super) fn stock_code(kind: &StockKind) -> Code {
    match kind {
        StockKind::PoolLimit(..) | StockKind::GroupLimit(..) => Code::Limit,
        StockKind::TypeQuota(_) | StockKind::InstanceQuota => Code::Quota,
        StockKind::Reservation(_) => Code::Reservation,
        StockKind::PoolPrice(_) | StockKind::PlanPrice => Code::PriceLimit,
    }
}

fn untolerated_text(taints: &[String]) -> String {
    match taints {
        [one] => format!("taint {one} is not tolerated"),
        many => format!("taints {} are not tolerated", many.join(", ")),
    }
}

/// The resources that a fresh node lacks for one pod, with the sum of their shortages.
fn short_of(room: &Room, pod: &PodView<'_>, check: impl Fn(usize) -> Check) -> (Vec<Check>, u32) {
    if room.overfull {
        return (vec![Check::Overfull], WHOLE);
    }
    let mut most: u32 = 0;
    let mut checks = Vec::new();
    for (at, (need, have)) in pod.need.iter().zip(&room.net).enumerate() {
        if need > have {
            most = most.saturating_add(shortage(*need, *have, *have > 0));
            checks.push(check(at));
        }
    }
    (checks, most)
}
