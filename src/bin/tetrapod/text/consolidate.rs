//! Disruption commands as text: what goes, what comes, what it saves, and why the rest stays.

use std::collections::BTreeMap;

use tetrapod::explain::reason::Reason;
use tetrapod::plan::command::Command;
use tetrapod::plan::disruption::{Converged, Disruption};

use super::money::{hourly, monthly};
use super::reason::tree;
use crate::table::{Align, Table, counted};

/// Rows of each table unless all are asked for.
const ROWS: usize = 20;

/// The whole answer. `alternatives` says that only the first command would be carried out.
pub(crate) fn render(answer: &Disruption, alternatives: bool, all: bool) -> String {
    let rows = if all { usize::MAX } else { ROWS };
    let mut out = headline(answer, alternatives);
    if !answer.commands.is_empty() {
        out.push_str("\nCommands\n");
        out.push_str(&commands(&answer.commands, rows));
    }
    if !answer.stays.is_empty() {
        out.push_str("\nStays\n");
        out.push_str(&stays(&answer.stays, rows));
    }
    if let Some(at) = answer.next_look {
        out.push_str(&format!(
            "\nLook again at {at}: something that holds a node ends then.\n"
        ));
    }
    if let Some(converged) = &answer.converge {
        out.push_str(&converge(converged));
    }
    out
}

fn headline(answer: &Disruption, alternatives: bool) -> String {
    let saved = answer.price_before - answer.price_after;
    let nodes: usize = answer.commands.iter().map(|c| c.candidates.len()).sum();
    if answer.commands.is_empty() {
        return format!(
            "No node goes; {} $/h as it is.\n",
            hourly(answer.price_before)
        );
    }
    let which = if alternatives {
        "one per method, of which Karpenter carries out the first"
    } else {
        "all can be carried out"
    };
    format!(
        "{} for {} ({which}): {} -> {} $/h, saves {} $/h, {} $ a month.\n",
        counted(answer.commands.len(), "command", "commands"),
        counted(nodes, "node", "nodes"),
        hourly(answer.price_before),
        hourly(answer.price_after),
        hourly(saved),
        monthly(saved),
    )
}

fn commands(commands: &[Command], rows: usize) -> String {
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("nodes that go", Align::Left),
        ("replaced by", Align::Left),
        ("pods", Align::Right),
        ("waves", Align::Right),
        ("$/h before", Align::Right),
        ("after", Align::Right),
        ("saved", Align::Right),
    ]);
    for command in commands.iter().take(rows) {
        let nodes: Vec<&str> = command.candidates.iter().map(|c| c.node.as_ref()).collect();
        let mut bought: BTreeMap<&str, usize> = BTreeMap::new();
        for claim in &command.replacements {
            *bought.entry(&claim.cheapest.instance_type).or_insert(0) += 1;
        }
        let bought: Vec<String> = bought
            .into_iter()
            .map(|(kind, n)| {
                if n == 1 {
                    kind.to_owned()
                } else {
                    format!("{n} x {kind}")
                }
            })
            .collect();
        table.row([
            command.method.as_str().to_owned(),
            shortened(&nodes),
            if bought.is_empty() {
                "-".to_owned()
            } else {
                shortened(&bought.iter().map(String::as_str).collect::<Vec<_>>())
            },
            command.evictions.to_string(),
            command.waves.len().to_string(),
            hourly(command.price_before),
            hourly(command.price_after),
            hourly(command.price_before - command.price_after),
        ]);
    }
    let mut out = table.render();
    out.push_str(&more(commands.len(), rows));
    out
}

fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(left) if left > 0 => format!("{shown} and {left} more"),
        _ => shown,
    }
}

fn more(count: usize, rows: usize) -> String {
    match count.checked_sub(rows) {
        Some(left) if left > 0 => format!("  ... and {left} more (--all lists them)\n"),
        _ => String::new(),
    }
}

/// Nodes that stay, with the same reason together.
fn stays(stays: &[Reason], rows: usize) -> String {
    let mut groups: Vec<(&Reason, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for stay in stays {
        let key = (stay.message.as_str(), stay.parts.is_empty());
        let node = stay.subject.strip_prefix("Node ").unwrap_or(&stay.subject);
        if let Some(at) = known.get(&key).filter(|_| stay.parts.is_empty()) {
            groups[*at].1.push(node);
        } else {
            known.insert(key, groups.len());
            groups.push((stay, vec![node]));
        }
    }
    let mut out = String::new();
    for (reason, nodes) in groups.iter().take(rows) {
        out.push_str(&format!(
            "  {}: {} [{}]\n",
            shortened(nodes),
            reason.message,
            reason.code.as_str()
        ));
        out.push_str(&tree(&reason.parts, 2, 4));
    }
    out.push_str(&more(groups.len(), rows));
    out
}

fn converge(figures: &Converged) -> String {
    format!(
        "\nRepeated until {}: {}, {} -> {} nodes, {} -> {} $/h, {} moved, {} taken away.\n",
        if figures.settled {
            "no command is left"
        } else {
            "the bound on steps"
        },
        counted(figures.steps, "step", "steps"),
        figures.nodes_start,
        figures.nodes_end,
        hourly(figures.price_start),
        hourly(figures.price_end),
        counted(figures.pod_moves, "pod", "pods"),
        counted(figures.nodes_disrupted, "node", "nodes"),
    )
}
