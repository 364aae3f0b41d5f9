//! What a plan does besides placing single pods: gangs, capacity buffers, static pools.

use tetrapod::plan::Plan;
use tetrapod::plan::buffers::{BufferState, PlannedBuffer};
use tetrapod::plan::gangs::PlannedGang;
use tetrapod::plan::statics::StaticPool;

use super::WIDTH;
use super::money::hourly_or_unknown;
use super::reason::tree;
use crate::table::{counted, wrapped};

/// The sections that the plan has something for, each with its heading.
pub(super) fn sections(plan: &Plan) -> String {
    let mut out = String::new();
    let mut section = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("\n{heading}\n"));
            out.extend(lines);
        }
    };
    section("Gangs", plan.pod_groups.iter().map(gang).collect());
    section(
        "Capacity buffers",
        plan.buffers.iter().map(buffer).collect(),
    );
    section(
        "Static pools",
        plan.static_pools.iter().map(static_pool).collect(),
    );
    out
}

fn line(text: &str) -> String {
    format!("  {}\n", wrapped(text, WIDTH - 2, "    "))
}

fn gang(gang: &PlannedGang) -> String {
    let mut text = format!("{} {} (at least {}):", gang.kind, gang.name, gang.minimum);
    if gang.running > 0 {
        text.push_str(&format!(" {} run,", gang.running));
    }
    text.push_str(&match (gang.placed, gang.pending) {
        (0, pending) => format!(
            " none of {} placed",
            counted(pending as usize, "pod", "pods")
        ),
        (placed, 0) => format!(" {} placed", counted(placed as usize, "pod", "pods")),
        (placed, pending) => {
            format!(" {placed} placed, {pending} not needed for the minimum stay pending")
        }
    });
    for domain in &gang.domains {
        match &domain.value {
            Some(value) => text.push_str(&format!(", in {}={value}", domain.key)),
            None => text.push_str(&format!(", in several domains of {}", domain.key)),
        }
    }
    line(&text)
}

fn buffer(buffer: &PlannedBuffer) -> String {
    let state = match buffer.state {
        BufferState::FitsExistingCapacity => "fits existing nodes",
        BufferState::RequiresNewCapacity => "needs new nodes",
        BufferState::BufferEmpty => "is empty",
        BufferState::NotReadyForProvisioning => "is not ready",
        _ => "is in a state of its own",
    };
    let counts = format!(
        "room for {}: {} on nodes that exist, {} on new nodes, {} nowhere",
        counted(buffer.replicas, "pod", "pods"),
        buffer.on_existing,
        buffer.on_new,
        buffer.pending
    );
    let text = if buffer.replicas > 0 {
        format!("{} {state}; {counts}", buffer.name)
    } else {
        format!("{} {state}", buffer.name)
    };
    format!("{}{}", line(&text), tree(&buffer.reasons, 2, 4))
}

fn static_pool(pool: &StaticPool) -> String {
    let mut text = format!(
        "{}: {} of {} nodes",
        pool.node_pool, pool.running, pool.replicas
    );
    if pool.create > 0 {
        text.push_str(&format!("; create {}", pool.create));
        if let Some(cheapest) = &pool.cheapest {
            text.push_str(&format!(
                ", from {} $/h each ({} in {})",
                hourly_or_unknown(cheapest.price),
                cheapest.instance_type,
                cheapest.zone
            ));
        }
    }
    if pool.over_limit > 0 {
        text.push_str(&format!(
            "; {} more are over its limit of nodes",
            pool.over_limit
        ));
    }
    if !pool.remove.is_empty() {
        text.push_str(&format!("; remove {}", pool.remove.join(", ")));
    }
    line(&text)
}
