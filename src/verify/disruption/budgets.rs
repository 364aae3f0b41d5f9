//! Disruption budgets by their definition (D-22..D-27): schedules are tested minute by minute, in the plainest way.

use std::collections::BTreeMap;

use super::holds::claim_of;
use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::model::label;
use crate::model::node::Condition;
use crate::model::node_pool::{Budget, NodePool};
use crate::plan::command::{Command, DisruptionReason};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The most minutes that a window is searched back.
const LOOK_BACK: i64 = 60 * 24 * 366;

/// Pools of which more nodes go than their budgets allow.
pub(super) fn check(snapshot: &Snapshot, commands: &[Command]) -> Vec<String> {
    let mut taken: BTreeMap<(&str, DisruptionReason), i64> = BTreeMap::new();
    for command in commands {
        for candidate in &command.candidates {
            let node = snapshot.nodes.iter().find(|n| n.name == candidate.node);
            if let Some(pool) = node.and_then(|node| node.labels.get(label::NODE_POOL)) {
                *taken.entry((pool, command.reason)).or_insert(0) += 1;
            }
        }
    }
    let mut all = Vec::new();
    for ((name, reason), count) in taken {
        let budgeted = matches!(
            reason,
            DisruptionReason::Empty | DisruptionReason::Drifted | DisruptionReason::Underutilized
        );
        let pool = snapshot.node_pools.iter().find(|p| p.name.as_ref() == name);
        if let Some(pool) = pool.filter(|_| budgeted) {
            let (nodes, down) = census(snapshot, pool);
            let allowed = allowed(snapshot, pool, reason, nodes).map(|most| (most - down).max(0));
            if let Some(most) = allowed.filter(|most| count > *most) {
                all.push(format!(
                    "{count} nodes of {name} go for {reason}, {most} may"
                ));
            }
        }
    }
    all
}

/// Initialized nodes of the pool, and those of them that are not ready or on their way out.
fn census(snapshot: &Snapshot, pool: &NodePool) -> (i64, i64) {
    let (mut nodes, mut down) = (0, 0);
    for node in &snapshot.nodes {
        let Some(claim) = claim_of(snapshot, node) else {
            continue;
        };
        let counts = node.labels.get(label::NODE_POOL) == Some(pool.name.as_ref())
            && node.labels.get(label::INITIALIZED) == Some("true")
            && Condition::is_true(&claim.conditions, "InstanceTerminating") != Some(true);
        if counts {
            nodes += 1;
            let ready = Condition::is_true(&node.conditions, "Ready") != Some(false);
            let sick = super::health::is_given_up(node);
            down += i64::from(!ready || sick || claim.deleted.is_some());
        }
    }
    (nodes, down)
}

/// The least of the budgets that speak of `reason` now; `None` without one.
fn allowed(
    snapshot: &Snapshot,
    pool: &NodePool,
    reason: DisruptionReason,
    nodes: i64,
) -> Option<i64> {
    let now = snapshot.options.now.unwrap_or_default();
    let mut least: Option<i64> = None;
    for budget in &pool.budgets {
        let Some(active) = is_active(budget, now) else {
            return Some(0);
        };
        let speaks = budget
            .reasons
            .as_ref()
            .is_none_or(|reasons| reasons.iter().any(|r| r.as_ref() == reason.as_str()));
        if active {
            let Some(value) = value(&budget.nodes, nodes) else {
                return Some(0);
            };
            if speaks {
                least = Some(least.map_or(value, |held| held.min(value)));
            }
        }
    }
    least
}

fn value(text: &str, nodes: i64) -> Option<i64> {
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: i64 = percent.parse().ok().filter(|p| (0..=100).contains(p))?;
            Some((nodes * percent + 99) / 100)
        }
        None => text.parse().ok().filter(|n| *n >= 0),
    }
}

/// Whether a hit of the schedule lies within the last `duration` (D-25); `None` if the schedule cannot be read.
fn is_active(budget: &Budget, now: Timestamp) -> Option<bool> {
    let Some(schedule) = &budget.schedule else {
        return Some(true);
    };
    let text = match schedule.as_ref() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        other => other,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    let sets = [
        field(minute, 0, 59)?,
        field(hour, 0, 23)?,
        field(day, 1, 31)?,
        field(month, 1, 12)?,
        field(weekday, 0, 6)?,
    ];
    let free =
        |text: &str| matches!(text.split('/').next(), Some("*" | "?")) && !text.contains('/');
    let both = free(day) || free(weekday);
    let duration = budget.duration.unwrap_or_default().as_millis();
    let mut at = now.as_millis().div_euclid(MINUTE) * MINUTE;
    let mut steps = 0;
    while now.as_millis() - at < duration && steps < LOOK_BACK {
        let days = at.div_euclid(DAY);
        let (month, day) = civil(days);
        let weekday = (days + 4).rem_euclid(7);
        let rest = at.rem_euclid(DAY) / MINUTE;
        let (by_day, by_weekday) = (sets[2].contains(&day), sets[4].contains(&weekday));
        let on_day = if both {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        };
        if on_day
            && sets[3].contains(&month)
            && sets[1].contains(&(rest / 60))
            && sets[0].contains(&(rest % 60))
        {
            return Some(true);
        }
        at -= MINUTE;
        steps += 1;
    }
    Some(false)
}

/// The values that one field of a schedule lists.
fn field(text: &str, low: i64, high: i64) -> Option<Vec<i64>> {
    const NAMES: [&str; 19] = [
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", "jan", "feb", "mar", "apr", "may", "jun",
        "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let number = |text: &str| -> Option<i64> {
        let lower = text.to_lowercase();
        let named = NAMES.iter().position(|name| *name == lower).and_then(|at| {
            let at = i64::try_from(at).ok()?;
            match (at, high) {
                (0..=6, 6) => Some(at),
                (7.., 12) => Some(at - 6),
                _ => None,
            }
        });
        named
            .or_else(|| text.parse().ok())
            .filter(|n| (low..=high).contains(n))
    };
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<i64>().ok().filter(|s| *s > 0)?)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (low, high),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (single, None) => {
                let from = number(single)?;
                (from, if step.is_some() { high } else { from })
            }
        };
        if from > to {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        values.extend((from..=to).step_by(step));
    }
    Some(values)
}

/// Month and day of a number of days since 1970, counted month by month.
fn civil(days: i64) -> (i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let before = |y: i64| {
        let y = y - 1;
        y * 365 + y / 4 - y / 100 + y / 400 - 719_162
    };
    while before(year + 1) <= days {
        year += 1;
    }
    let mut left = days - before(year);
    let lengths = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    for (month, length) in (1..).zip(lengths) {
        if left < length {
            return (month, left + 1);
        }
        left -= length;
    }
    (12, 31)
}
