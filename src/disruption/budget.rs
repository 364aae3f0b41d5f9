//! Disruption budgets of NodePools as a pure function of time (D-21..D-29).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::DisruptionReason;
use super::cron::Schedule;
use crate::base::time::{Span, Timestamp};
use crate::model::node::Condition;
use crate::model::node_pool::{Budget, NodePool};
use crate::model::resources::Name;
use crate::view::nodes::ExistingNode;

/// What a pool allows where no budget binds it (D-23).
pub const UNLIMITED: u32 = 0x7FFF_FFFF;
/// How many changes of single budgets are followed in search of a change of their minimum.
const CHANGES: usize = 512;

/// The nodes of a pool as budgets count them (D-27).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    /// Managed, initialised nodes whose instance is not yet terminating.
    pub nodes: u32,
    /// Those of them that are not ready, to be rebooted or replaced by HyperPod (H-45), or on their way out, for whatever
    /// reason.
    pub disrupting: u32,
}

impl Counts {
    /// So many nodes, of which so many are disrupted already.
    #[must_use]
    pub fn new(nodes: u32, disrupting: u32) -> Self {
        Self { nodes, disrupting }
    }
}

/// What the budgets of a pool allow for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
#[non_exhaustive]
pub struct Allowance {
    /// How many more nodes may be disrupted now: `limit` less what is disrupted already (D-27).
    pub nodes: u32,
    /// How many nodes may be disrupted at once (D-23); [`UNLIMITED`] where no budget binds.
    pub limit: u32,
    /// When `limit` changes although the cluster does not: until then it is as it is now. `None` when no window opens
    /// or closes within ten years.
    pub until: Option<Timestamp>,
}

/// What `pool` allows at `now` for `reason` when its nodes are as `counts` says. Reasons that budgets do not know are
/// not bound (D-29).
///
/// A schedule that cannot be read, or an active budget whose `nodes` cannot, allows nothing for any reason (D-24).
/// O(budgets x days until the next window).
///
/// ```
/// use tetrapod::disruption::budget::{Counts, allowed};
/// use tetrapod::disruption::command::DisruptionReason;
/// use tetrapod::model::node_pool::{Budget, NodePool};
/// let mut pool = NodePool::new("default", "main");
/// let mut night = Budget::default();
/// night.nodes = "0".into();
/// night.schedule = Some("0 9 * * mon-fri".into());
/// night.duration = Some("8h".parse()?);
/// let mut always = Budget::default();
/// always.nodes = "10%".into();
/// pool.budgets = vec![night, always];
///
/// let friday_evening = "2026-01-02T18:00:00Z".parse()?;
/// let now = allowed(&pool, DisruptionReason::Empty, friday_evening, Counts::new(12, 1));
/// assert_eq!(now.nodes, 1); // 10 % of 12, rounded up, less the one that is going
/// assert_eq!(now.until, Some("2026-01-05T09:00:00Z".parse()?)); // Monday morning
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn allowed(
    pool: &NodePool,
    reason: DisruptionReason,
    now: Timestamp,
    counts: Counts,
) -> Allowance {
    if !reason.is_budgeted() {
        return Allowance {
            nodes: UNLIMITED,
            limit: UNLIMITED,
            until: None,
        };
    }
    let rules: Vec<Rule<'_>> = pool.budgets.iter().map(Rule::new).collect();
    let limit_at = |at| limit(&rules, reason, at, counts.nodes);
    let limit = limit_at(now);
    let windows = windows(&rules, reason, now, counts.nodes);
    Allowance {
        nodes: limit.saturating_sub(counts.disrupting),
        limit,
        until: next_change(&windows, now, |at| limit_at(at) != limit),
    }
}

/// The faults for which `pool` allows nothing (D-24), for people.
#[must_use]
pub fn faults(pool: &NodePool) -> Vec<String> {
    let rules = pool.budgets.iter().map(Rule::new).enumerate();
    rules
        .filter_map(|(at, rule)| {
            let what = match (&rule.window, rule.value) {
                (Window::Unreadable(why), _) => why.clone(),
                (_, Value::Unreadable) => format!(
                    "nodes is {:?}, neither a number nor a percentage up to 100%",
                    rule.budget.nodes
                ),
                _ => return None,
            };
            Some(format!("budgets[{at}]: {what}"))
        })
        .collect()
}

/// A budget that has been read.
struct Rule<'a> {
    budget: &'a Budget,
    window: Window,
    value: Value,
}

enum Window {
    Always,
    Scheduled(Schedule),
    Unreadable(String),
}

#[derive(Clone, Copy)]
enum Value {
    Count(u32),
    Percent(u32),
    Unreadable,
}

impl<'a> Rule<'a> {
    fn new(budget: &'a Budget) -> Self {
        let window = match (&budget.schedule, budget.duration) {
            (None, None) => Window::Always,
            (None, Some(_)) => Window::Unreadable("a duration without a schedule".to_owned()),
            (Some(text), _) => match text.parse() {
                Ok(schedule) => Window::Scheduled(schedule),
                Err(error) => Window::Unreadable(format!("{error}")),
            },
        };
        Self {
            budget,
            window,
            value: value(&budget.nodes),
        }
    }

    fn binds(&self, reason: DisruptionReason) -> bool {
        let named = |list: &Vec<Name>| list.iter().any(|name| name.as_ref() == reason.as_str());
        self.budget.reasons.as_ref().is_none_or(named)
    }

    /// How many nodes it allows; `None` when that cannot be read. Percentages round up (D-23).
    fn value(&self, nodes: u32) -> Option<u32> {
        match self.value {
            Value::Count(count) => Some(count),
            Value::Percent(percent) => {
                let part = (u64::from(nodes) * u64::from(percent)).div_ceil(100);
                Some(u32::try_from(part).unwrap_or(UNLIMITED).min(UNLIMITED))
            }
            Value::Unreadable => None,
        }
    }

    /// Whether the budget is active at `at`; `None` when that cannot be told.
    fn is_active(&self, at: Timestamp) -> Option<bool> {
        match &self.window {
            Window::Always => Some(true),
            Window::Scheduled(schedule) => {
                Some(schedule.is_open(self.budget.duration.unwrap_or_default(), at))
            }
            Window::Unreadable(_) => None,
        }
    }
}

fn value(text: &str) -> Value {
    let digits = text.strip_suffix('%');
    let read = digits
        .unwrap_or(text)
        .parse::<u32>()
        .ok()
        .filter(|_| !text.starts_with('+'));
    match (digits, read) {
        (Some(_), Some(percent)) if percent <= 100 => Value::Percent(percent),
        (None, Some(count)) if count <= UNLIMITED => Value::Count(count),
        _ => Value::Unreadable,
    }
}

/// The smallest value of the budgets that bind `reason` at `at` (D-23); 0 where one cannot be read (D-24).
fn limit(rules: &[Rule<'_>], reason: DisruptionReason, at: Timestamp, nodes: u32) -> u32 {
    let mut least = UNLIMITED;
    for rule in rules {
        match (rule.is_active(at), rule.value(nodes)) {
            (Some(false), _) => {}
            (None, _) | (Some(true), None) => return 0,
            (Some(true), Some(value)) if rule.binds(reason) => least = least.min(value),
            (Some(true), Some(_)) => {}
        }
    }
    least
}

/// The windows whose opening or closing after `now` can change the limit: those of budgets tighter than what always
/// holds.
fn windows<'r>(
    rules: &'r [Rule<'_>],
    reason: DisruptionReason,
    now: Timestamp,
    nodes: u32,
) -> Vec<(&'r Schedule, Span)> {
    let mut always = UNLIMITED;
    let mut windows = Vec::new();
    for rule in rules {
        let value = match rule.value(nodes) {
            Some(value) if rule.binds(reason) => value,
            Some(_) => continue,
            None => 0,
        };
        let duration = rule.budget.duration.unwrap_or_default();
        match &rule.window {
            Window::Unreadable(_) => always = 0,
            Window::Always => always = always.min(value),
            Window::Scheduled(schedule) if schedule.next_change(duration, now).is_some() => {
                windows.push((value, schedule, duration));
            }
            Window::Scheduled(schedule) if schedule.is_open(duration, now) => {
                always = always.min(value);
            }
            Window::Scheduled(_) => {}
        }
    }
    let tight = windows.into_iter().filter(|(value, ..)| *value < always);
    tight
        .map(|(_, schedule, duration)| (schedule, duration))
        .collect()
}

/// The first moment after `now` at which a window opens or closes and `differs` says so. After [`CHANGES`] that make
/// no difference the last of them is given.
fn next_change(
    windows: &[(&Schedule, Span)],
    now: Timestamp,
    differs: impl Fn(Timestamp) -> bool,
) -> Option<Timestamp> {
    let after = |at| {
        let changes = windows
            .iter()
            .filter_map(|(schedule, duration)| schedule.next_change(*duration, at));
        changes.min()
    };
    let mut at = after(now)?;
    for _ in 0..CHANGES {
        if differs(at) {
            break;
        }
        at = after(at)?;
    }
    Some(at)
}

/// The nodes of each pool as budgets count them (D-27). `leaving` says which nodes are marked for deletion beyond what
/// the cluster shows, such as those that a queue has begun to disrupt. O(nodes log pools).
#[must_use]
pub fn counts(
    nodes: &[ExistingNode<'_>],
    mut leaving: impl FnMut(&str) -> bool,
) -> BTreeMap<Name, Counts> {
    let mut pools: BTreeMap<Name, Counts> = BTreeMap::new();
    for node in nodes {
        let (Some(pool), Some(claim), true) = (&node.pool, node.claim, node.initialized) else {
            continue;
        };
        if Condition::is_true(&claim.conditions, "InstanceTerminating") == Some(true) {
            continue;
        }
        // An absent condition is one that the input does not tell of.
        let ready = node
            .node
            .and_then(|n| Condition::is_true(&n.conditions, "Ready"))
            .unwrap_or(true);
        let counts = pools.entry(Name::clone(pool)).or_default();
        counts.nodes = counts.nodes.saturating_add(1);
        // One that HyperPod is about to replace or reboot counts as one that is not ready (H-45).
        if !ready || node.unhealthy || node.deleting || leaving(&node.name) {
            counts.disrupting = counts.disrupting.saturating_add(1);
        }
    }
    pools
}
