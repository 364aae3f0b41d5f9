//! Snapshots from bytes: a seed, then small edits, so that a fuzzer can walk from one snapshot to a near one.

use std::sync::Arc;

use super::{Size, random};
use crate::base::rng::Rng;
use crate::model::cluster::Snapshot;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{CPU, PODS};

/// The snapshot that `data` means: up to eight bytes of seed, then three bytes per edit (what, where, how much). Every
/// input means some snapshot. O(pods x nodes + edits).
///
/// ```
/// use tetrapod::shapes::random::{Size, from_bytes};
/// let plain = from_bytes(&[7], Size::default());
/// let edited = from_bytes(&[7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 99], Size::default());
/// assert_eq!(plain.pods, edited.pods);
/// assert_eq!(edited.node_pools[0].weight, 99);
/// ```
#[must_use]
pub fn from_bytes(data: &[u8], size: Size) -> Snapshot {
    let (head, edits) = data.split_at(data.len().min(8));
    let seed = head
        .iter()
        .rev()
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    let mut snapshot = random(&mut Rng::new(seed), size);
    for edit in edits.chunks_exact(3).take(64) {
        if let [what, at, value] = *edit {
            apply(&mut snapshot, what, usize::from(at), value);
        }
    }
    snapshot
}

/// The item at `at`, counted round and round.
fn around<T>(items: &mut [T], at: usize) -> Option<&mut T> {
    let at = at.checked_rem(items.len())?;
    items.get_mut(at)
}

fn remove_around<T>(items: &mut Vec<T>, at: usize) {
    if let Some(at) = at.checked_rem(items.len()) {
        items.remove(at);
    }
}

fn apply(snapshot: &mut Snapshot, what: u8, at: usize, value: u8) {
    let amount = i64::from(value);
    let mut types: Vec<_> = snapshot
        .instance_types
        .iter_mut()
        .flat_map(|class| &mut class.instance_types)
        .collect();
    match what % 12 {
        0 => remove_around(&mut snapshot.pods, at),
        1 => {
            if let Some(pod) = around(&mut snapshot.pods, at).filter(|pod| pod.is_pending())
                && let Some(main) = Arc::make_mut(&mut pod.spec).containers.first_mut()
            {
                main.requests.set(CPU, Quantity::from_milli(amount * 40));
            }
        }
        2 => {
            if let Some(pod) = around(&mut snapshot.pods, at).filter(|pod| pod.is_pending()) {
                Arc::make_mut(&mut pod.spec).priority = i32::from(value) - 128;
            }
        }
        3 => {
            if let Some(pool) = around(&mut snapshot.node_pools, at) {
                pool.weight = u32::from(value).min(100);
            }
        }
        4 => {
            if let Some(pool) = around(&mut snapshot.node_pools, at) {
                pool.limits.set(CPU, Quantity::from_units(amount));
            }
        }
        5 => {
            if let Some(pool) = around(&mut snapshot.node_pools, at) {
                pool.taints.clear();
            }
        }
        6 => {
            if let Some(entry) = around(&mut types, at)
                && let Some(offering) = around(&mut entry.offerings, usize::from(value))
            {
                offering.available = !offering.available;
            }
        }
        7 => {
            if let Some(entry) = around(&mut types, at)
                && let Some(offering) = entry.offerings.first_mut()
            {
                let cents = 10_000_000_000_000 * i128::from(value);
                offering.price = (value != 0).then(|| Price::from_femto(cents));
            }
        }
        8 => {
            if let Some(entry) = around(&mut types, at) {
                entry.capacity.set(PODS, Quantity::from_units(amount));
            }
        }
        9 => remove_around(&mut snapshot.daemon_sets, at),
        10 => remove_around(&mut snapshot.volume_claims, at),
        _ => {
            if let Some(node) = around(&mut snapshot.nodes, at) {
                node.unschedulable = !node.unschedulable;
            }
        }
    }
}
