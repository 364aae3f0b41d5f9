//! A picture of what is on which node: nodes are bars, pods are blocks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::palette::Palette;
use super::scale::moment;
use super::text::{count, escape, percent, plain};
use crate::base::time::Timestamp;
use crate::model::resources::Name;
use crate::sim::world::result::{PackedNode, PackedPod, Packing};

/// Bars beside each other; more nodes of a group go on in the next row.
const COLUMNS: usize = 20;
/// Height of a bar in pixels.
const BAR: f64 = 84.0;
/// Rows of a group at most.
const MOST_ROWS: usize = 8;
/// Blocks of a bar; where there are more pods, those of a workload are one block.
const MOST_BLOCKS: usize = 24;

/// The picture of `packing`, which is that of `why`. O(nodes + pods).
pub(super) fn render(
    packing: &Packing,
    why: &str,
    id: &str,
    start: Timestamp,
    long: bool,
    palette: &Palette,
) -> String {
    let mut out = String::new();
    let when = moment(start, packing.time, long);
    let mut groups: BTreeMap<&Name, Vec<&PackedNode>> = BTreeMap::new();
    for node in &packing.nodes {
        groups.entry(&node.group).or_default().push(node);
    }
    let pods: usize = packing.nodes.iter().map(|node| node.pods.len()).sum();
    let total = packing.nodes.len() as u64 + packing.nodes_left_out;
    let _ = write!(
        out,
        "<figure class=\"packing\" id=\"{id}\"><figcaption><h4>{} <small>{}</small></h4><p>{} nodes, {} pods{}</p></figcaption>",
        escape(&when),
        escape(why),
        count(total),
        count(pods as u64),
        if packing.nodes_left_out > 0 {
            " on those that are listed"
        } else {
            ""
        }
    );
    if packing.nodes.is_empty() {
        out.push_str("<p class=\"none\">No node at this moment.</p>");
    }
    for (at, (group, nodes)) in groups.iter().enumerate() {
        group_rows(&mut out, &format!("{id}-g{at}"), group, nodes, palette);
    }
    if packing.nodes_left_out > 0 {
        let _ = write!(
            out,
            "<p class=\"none\">{} more nodes are not shown.</p>",
            count(packing.nodes_left_out)
        );
    }
    out.push_str("</figure>\n");
    out
}

fn group_rows(out: &mut String, id: &str, group: &str, nodes: &[&PackedNode], palette: &Palette) {
    let mut types: BTreeMap<&Name, usize> = BTreeMap::new();
    for node in nodes {
        *types.entry(&node.instance_type).or_default() += 1;
    }
    let kinds: Vec<String> = types
        .iter()
        .map(|(name, count)| format!("{count} \u{d7} {}", escape(name)))
        .collect();
    let used: f64 = nodes.iter().map(|node| filled(node).min(1.0)).sum();
    let used = percent(used / nodes.len().max(1) as f64);
    let _ = write!(
        out,
        "<h5>{} <small>{}; {used} in use</small></h5>",
        escape(group),
        kinds.join(", ")
    );
    let shown = nodes.get(..MOST_ROWS * COLUMNS).unwrap_or(nodes);
    for (row, part) in shown.chunks(COLUMNS).enumerate() {
        let _ = write!(
            out,
            "<svg role=\"img\" aria-labelledby=\"{id}-{row}-t {id}-{row}-d\" width=\"100%\" height=\"{BAR}\" viewBox=\"0 0 {} 1000\" preserveAspectRatio=\"none\"><title id=\"{id}-{row}-t\">Nodes of {}</title><desc id=\"{id}-{row}-d\">{}</desc>",
            COLUMNS * 100,
            escape(group),
            escape(&described(part))
        );
        for (column, node) in part.iter().enumerate() {
            bar(out, column, node, palette);
        }
        out.push_str("</svg>");
    }
    if shown.len() < nodes.len() {
        let _ = write!(
            out,
            "<p class=\"none\">{} more nodes of this group are not drawn.</p>",
            nodes.len() - shown.len()
        );
    }
}

/// The sum of what the pods of a node hold.
fn filled(node: &PackedNode) -> f64 {
    node.pods.iter().map(share).sum()
}

fn share(pod: &PackedPod) -> f64 {
    if pod.share.is_finite() {
        pod.share.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn described(nodes: &[&PackedNode]) -> String {
    let parts: Vec<String> = nodes.iter().map(|node| told(node)).collect();
    parts.join("; ")
}

/// What is on a node, in words.
fn told(node: &PackedNode) -> String {
    let mut by_workload: BTreeMap<&Name, (usize, f64)> = BTreeMap::new();
    for pod in &node.pods {
        let entry = by_workload.entry(&pod.workload).or_default();
        entry.0 += 1;
        entry.1 += share(pod);
    }
    let pods: Vec<String> = by_workload
        .iter()
        .map(|(name, (count, share))| format!("{count} {name} ({})", percent(*share)))
        .collect();
    let what = if pods.is_empty() {
        "empty".to_owned()
    } else {
        pods.join(", ")
    };
    format!("{}: {what}", node.name)
}

/// A node as a bar of blocks. What pods hold beyond the whole node (each counts by the resource of which it takes most) is
/// scaled down.
fn bar(out: &mut String, column: usize, node: &PackedNode, palette: &Palette) {
    let x = column * 100 + 6;
    let gpus: f64 = node.pods.iter().map(|pod| pod.gpus).sum();
    let of_gpus = if node.gpus > 0.0 {
        format!("; {} of {} GPUs", plain(gpus), plain(node.gpus))
    } else {
        String::new()
    };
    let _ = write!(
        out,
        "<g><title>{} ({}){of_gpus}</title><rect class=\"free\" x=\"{x}\" width=\"88\" height=\"1000\"/>",
        escape(&told(node)),
        escape(&node.instance_type)
    );
    let scale = 1000.0 / filled(node).max(1.0);
    let mut foot = 1000.0;
    let mut block = |name: &str, share: f64| {
        let height = share * scale;
        foot -= height;
        if height >= 1.0 {
            let _ = write!(
                out,
                "<rect class=\"pod c{}\" x=\"{x}\" y=\"{foot:.0}\" width=\"88\" height=\"{height:.0}\"/>",
                palette.of(name)
            );
        }
    };
    if node.pods.len() <= MOST_BLOCKS {
        for pod in &node.pods {
            block(&pod.workload, share(pod));
        }
    } else {
        let mut sums: BTreeMap<&Name, f64> = BTreeMap::new();
        for pod in &node.pods {
            *sums.entry(&pod.workload).or_default() += share(pod);
        }
        for (name, sum) in sums {
            block(name, sum);
        }
    }
    out.push_str("</g>");
}
