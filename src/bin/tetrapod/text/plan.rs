//! A plan as text: what to scale, where workloads go, what stays pending.

use std::collections::{BTreeMap, BTreeSet};

use tetrapod::model::cluster::Snapshot;
use tetrapod::model::price::Price;
use tetrapod::plan::{Plan, PlannedClaim, Unschedulable};

use super::money::{gap_percent, hourly, hourly_or_unknown, monthly};
use super::reason::{nearest_miss, tree};
use super::{WIDTH, apart};
use crate::table::{Align, Table, counted, thousands, wrapped};
use crate::workload::Workloads;

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detail {
    /// Every row rather than the first few.
    pub(crate) all: bool,
    /// The scaling requests too.
    pub(crate) requests: bool,
}

impl Detail {
    fn rows(self, usual: usize) -> usize {
        if self.all { usize::MAX } else { usual }
    }
}

/// The whole plan.
pub(crate) fn render(snapshot: &Snapshot, plan: &Plan, detail: Detail) -> String {
    let workloads = Workloads::new(snapshot);
    let mut out = headline(plan);
    if !plan.new_node_claims.is_empty() {
        out.push_str("\nScale\n");
        out.push_str(&scale(plan));
    }
    if plan.totals.scheduled > 0 {
        out.push_str("\nWhere pods go\n");
        out.push_str(&destinations(plan, &workloads, detail));
    }
    out.push_str(&apart::sections(plan));
    if !plan.unschedulable.is_empty() {
        out.push_str("\nStays pending\n");
        out.push_str(&pending(plan, &workloads, detail));
    }
    if !plan.notes.is_empty() {
        out.push_str("\nNotes\n");
        out.push_str(&tree(&plan.notes, 1, detail.rows(12)));
    }
    if detail.requests {
        out.push_str(&requests(plan));
    }
    out
}

fn headline(plan: &Plan) -> String {
    let totals = &plan.totals;
    let existing: usize = plan.existing_nodes.iter().map(|e| e.pods.len()).sum();
    let bought: usize = plan.new_node_claims.iter().map(|c| c.pods.len()).sum();
    let total = totals.scheduled + totals.unschedulable;
    if total == 0 && plan.new_node_claims.is_empty() {
        return "No pod is pending; nothing to buy.\n".to_owned();
    }
    let verb = |count: usize, one: &str, many: &str| {
        if count == 1 {
            one.to_owned()
        } else {
            many.to_owned()
        }
    };
    let mut parts = Vec::new();
    if existing > 0 {
        parts.push(format!(
            "{} {} on nodes that exist",
            thousands(&existing.to_string()),
            verb(existing, "goes", "go")
        ));
    }
    if bought > 0 {
        let nodes = counted(plan.new_node_claims.len(), "new node", "new nodes");
        parts.push(format!(
            "{bought} {} on {nodes}",
            verb(bought, "goes", "go")
        ));
    }
    if totals.unschedulable > 0 {
        let stay = verb(totals.unschedulable, "stays", "stay");
        parts.push(format!(
            "{} {stay} pending",
            thousands(&totals.unschedulable.to_string())
        ));
    }
    let mut out = match total {
        0 => "No pod is pending; capacity buffers need room.\n".to_owned(),
        _ => format!(
            "{} pending: {}.\n",
            counted(total, "pod", "pods"),
            parts.join(", ")
        ),
    };
    if !plan.new_node_claims.is_empty() {
        out.push_str(&wrapped(&cost(plan), WIDTH, ""));
        out.push('\n');
    }
    if let Some(figures) = plan.preferences.filter(|figures| figures.weight_total > 0) {
        out.push_str(&format!(
            "Preferences met: {} of {} by weight; meeting more would cost more or was not found.\n",
            thousands(&figures.weight_met.to_string()),
            thousands(&figures.weight_total.to_string())
        ));
    }
    out
}

fn cost(plan: &Plan) -> String {
    let price = plan.totals.hourly_price;
    let mut text = format!(
        "The new nodes cost {} $/h, {} $ a month (730 h)",
        hourly(price),
        monthly(price)
    );
    match gap_percent(price, plan.lower_bound) {
        Some(gap) if gap < 0.05 => text.push_str("; no valid plan for these pods costs less."),
        Some(gap) => text.push_str(&format!(
            "; no valid plan for these pods costs less than {} $/h (gap {gap:.1} %).",
            hourly(plan.lower_bound)
        )),
        None => text.push('.'),
    }
    let unknown = plan.totals.unknown_price_nodes;
    if unknown > 0 {
        text.push_str(&format!(
            " Not in these figures: {} whose price is not publicly known.",
            counted(unknown, "new node", "new nodes")
        ));
    }
    text
}

/// Where a claim's node comes from: the instance group, or else the pool.
fn source(claim: &PlannedClaim) -> String {
    let group = claim
        .instance_group
        .as_ref()
        .or(claim.cheapest.instance_group.as_ref());
    group.unwrap_or(&claim.node_pool).to_string()
}

/// Nodes that are bought alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Buy {
    source: String,
    instance_type: String,
    zone: String,
    capacity_type: String,
    price: Option<Price>,
}

impl Buy {
    fn of(claim: &PlannedClaim) -> Self {
        Self {
            source: source(claim),
            instance_type: claim.cheapest.instance_type.to_string(),
            zone: claim.cheapest.zone.to_string(),
            capacity_type: claim.cheapest.capacity_type.to_string(),
            price: claim.cheapest.price,
        }
    }
}

fn scale(plan: &Plan) -> String {
    let mut buys: BTreeMap<Buy, u64> = BTreeMap::new();
    for claim in &plan.new_node_claims {
        *buys.entry(Buy::of(claim)).or_insert(0) += 1;
    }
    let mut rows: Vec<(Buy, u64)> = buys.into_iter().collect();
    // The dearest first: that is what people look at. The map's order settles ties.
    rows.sort_by_key(|(buy, count)| std::cmp::Reverse(buy.price.map(|p| p.times(*count))));
    let by_group = plan
        .new_node_claims
        .iter()
        .any(|claim| claim.instance_group.is_some() || claim.cheapest.instance_group.is_some());
    let mut table = Table::new(&[
        (if by_group { "GROUP" } else { "NODE POOL" }, Align::Left),
        ("TYPE", Align::Left),
        ("ZONE", Align::Left),
        ("CAPACITY", Align::Left),
        ("NODES", Align::Right),
        ("EACH $/H", Align::Right),
        ("TOTAL $/H", Align::Right),
    ]);
    for (buy, count) in &rows {
        table.row([
            buy.source.clone(),
            buy.instance_type.clone(),
            buy.zone.clone(),
            buy.capacity_type.clone(),
            format!("+{count}"),
            hourly_or_unknown(buy.price),
            hourly_or_unknown(buy.price.map(|p| p.times(*count))),
        ]);
    }
    if rows.len() > 1 {
        table.row([
            "total".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            format!("+{}", plan.new_node_claims.len()),
            String::new(),
            hourly(plan.totals.hourly_price),
        ]);
    }
    table.render()
}

/// What a workload's pods go on: nodes that exist, or nodes bought alike.
type Targets = BTreeMap<Option<(String, String, String)>, (usize, BTreeSet<String>)>;

fn destinations(plan: &Plan, workloads: &Workloads<'_>, detail: Detail) -> String {
    let mut all: BTreeMap<String, Targets> = BTreeMap::new();
    let mut add = |pod: &str, target: Option<(String, String, String)>, node: String| {
        let targets = all.entry(workloads.name(pod)).or_default();
        let entry = targets.entry(target).or_default();
        entry.0 += 1;
        entry.1.insert(node);
    };
    for existing in &plan.existing_nodes {
        for pod in &existing.pods {
            add(pod, None, existing.node.to_string());
        }
    }
    for (at, claim) in plan.new_node_claims.iter().enumerate() {
        let buy = Buy::of(claim);
        for pod in &claim.pods {
            let target = (
                buy.source.clone(),
                buy.instance_type.clone(),
                buy.zone.clone(),
            );
            add(pod, Some(target), at.to_string());
        }
    }
    let mut table = Table::new(&[
        ("WORKLOAD", Align::Left),
        ("PODS", Align::Right),
        ("ON", Align::Left),
    ]);
    let shown = detail.rows(25);
    for (workload, targets) in all.iter().take(shown) {
        for (at, (target, (pods, nodes))) in targets.iter().enumerate() {
            let name = if at == 0 {
                workload.clone()
            } else {
                String::new()
            };
            table.row([name, pods.to_string(), destination(target.as_ref(), nodes)]);
        }
    }
    let mut out = table.render();
    if all.len() > shown {
        let rest: usize = all
            .values()
            .skip(shown)
            .flat_map(|t| t.values())
            .map(|t| t.0)
            .sum();
        out.push_str(&format!(
            "  and {} with {}; --all lists them\n",
            counted(all.len() - shown, "workload", "workloads"),
            counted(rest, "pod", "pods")
        ));
    }
    out
}

fn destination(target: Option<&(String, String, String)>, nodes: &BTreeSet<String>) -> String {
    let Some((source, instance_type, zone)) = target else {
        let names: Vec<&str> = nodes.iter().take(3).map(String::as_str).collect();
        let more = nodes.len() - names.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        return format!("{}{more}", names.join(", "));
    };
    let new = if nodes.len() == 1 {
        "1 new node".to_owned()
    } else {
        format!("{} new nodes", nodes.len())
    };
    format!("{new}: {source}, {instance_type}, {zone}")
}

/// Pods that stay pending for the same reason.
struct Pending<'a> {
    first: &'a Unschedulable,
    workloads: BTreeMap<String, usize>,
    pods: usize,
}

fn pending(plan: &Plan, workloads: &Workloads<'_>, detail: Detail) -> String {
    let mut groups: BTreeMap<(&str, &str), Pending<'_>> = BTreeMap::new();
    for entry in &plan.unschedulable {
        let group = groups
            .entry((entry.code.as_ref(), entry.reason.as_ref()))
            .or_insert_with(|| Pending {
                first: entry,
                workloads: BTreeMap::new(),
                pods: 0,
            });
        group.pods += 1;
        *group
            .workloads
            .entry(workloads.name(&entry.pod))
            .or_insert(0) += 1;
    }
    let mut groups: Vec<Pending<'_>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.pods));
    let shown = detail.rows(10);
    let mut out = String::new();
    for group in groups.iter().take(shown) {
        out.push_str(&pending_group(group, detail));
    }
    if groups.len() > shown {
        let rest: usize = groups.iter().skip(shown).map(|group| group.pods).sum();
        out.push_str(&format!(
            "  and {} for {}; --all lists them\n",
            counted(rest, "pod", "pods"),
            counted(groups.len() - shown, "other reason", "other reasons")
        ));
    }
    out
}

fn pending_group(group: &Pending<'_>, detail: Detail) -> String {
    let names: Vec<String> = group
        .workloads
        .iter()
        .take(detail.rows(4))
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    let more = group.workloads.len() - names.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let mut out = format!(
        "  {} of {}{more} [{}]\n",
        counted(group.pods, "pod", "pods"),
        names.join(", "),
        group.first.code
    );
    let mut say = |text: &str| {
        out.push_str("    ");
        out.push_str(&wrapped(text, WIDTH - 4, "    "));
        out.push('\n');
    };
    say(&group.first.reason);
    if let Some(miss) = nearest_miss(&group.first.reasons) {
        say(&format!("nearest: {miss}"));
    }
    say(&format!(
        "more: tetrapod explain INPUT --pod {}",
        group.first.pod
    ));
    out
}

fn requests(plan: &Plan) -> String {
    if plan.scaling.is_empty() {
        return "\nNo BatchAddClusterNodes request: nothing to scale in an instance group.\n"
            .to_owned();
    }
    let mut out = String::from("\nBatchAddClusterNodes requests, in order\n");
    for body in &plan.scaling {
        if let Ok(json) = serde_json::to_string(body) {
            out.push_str(&format!(
                "  aws sagemaker batch-add-cluster-nodes --cli-input-json '{json}'\n"
            ));
        }
    }
    out
}
