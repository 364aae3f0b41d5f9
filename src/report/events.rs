//! The event list: bounded, with every kind represented.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::scale::moment;
use super::text::{count, escape};
use crate::sim::world::result::{SimEvent, SimResult};

/// Events listed at most.
const MOST: usize = 240;
/// Characters of a message at most.
const MOST_CHARS: usize = 400;

/// The events of `result`: all, or where there are too many as many of each kind as is fair, evenly over the run.
pub(super) fn render(result: &SimResult, long: bool) -> String {
    let mut out = String::new();
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &result.events {
        *totals.entry(&event.kind).or_default() += 1;
    }
    for (kind, left) in &result.events_left_out {
        let sum = totals.entry(kind).or_default();
        *sum = sum.saturating_add(*left);
    }
    let all = totals.values().fold(0_u64, |a, b| a.saturating_add(*b));
    let shown = chosen(&result.events, MOST);
    let _ = write!(
        out,
        "<section class=\"events\"><h3>Events</h3><p>{} of {}: {}</p>",
        count(shown.len() as u64),
        count(all),
        totals
            .iter()
            .map(|(kind, times)| format!("{}\u{a0}{}", count(*times), escape(kind)))
            .collect::<Vec<_>>()
            .join(", ")
    );
    if shown.is_empty() {
        out.push_str("<p class=\"none\">Nothing happened.</p></section>\n");
        return out;
    }
    out.push_str("<ol tabindex=\"0\" aria-label=\"Events\">");
    for event in shown {
        let after = event.time.since(result.start).as_millis() as f64 / 1_000.0;
        let mut message: String = event.message.chars().take(MOST_CHARS).collect();
        if message.len() < event.message.len() {
            message.push('\u{2026}');
        }
        let _ = write!(
            out,
            "<li><time datetime=\"{}\">{}</time><b>{}</b><code>{}</code><span>{}</span></li>",
            escape(&event.time.to_string()),
            escape(&moment(result.start, after, long)),
            escape(&event.kind),
            escape(&event.object),
            escape(&message)
        );
    }
    out.push_str("</ol></section>\n");
    out
}

/// At most `most` of `events` in their order. A kind with few events keeps them all; the others share what is left, and
/// of each the ones that stand evenly apart are taken. O(events log kinds).
fn chosen(events: &[SimEvent], most: usize) -> Vec<&SimEvent> {
    if events.len() <= most {
        return events.iter().collect();
    }
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        kinds.entry(&event.kind).or_default().push(at);
    }
    let mut kinds: Vec<Vec<usize>> = kinds.into_values().collect();
    kinds.sort_by_key(Vec::len);
    let mut taken: Vec<usize> = Vec::new();
    let count = kinds.len();
    for (done, places) in kinds.into_iter().enumerate() {
        let fair = (most - taken.len()) / (count - done);
        let keep = places.len().min(fair);
        taken.extend((0..keep).map(|number| places[number * places.len() / keep]));
    }
    taken.sort_unstable();
    taken.into_iter().map(|at| &events[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resources::Name;

    #[test]
    fn rare_kinds_are_kept_and_the_others_share_the_rest() {
        let events: Vec<SimEvent> = (0..1_000)
            .map(|at| SimEvent {
                kind: Name::from(match at {
                    500 | 700 => "LaunchFailed",
                    _ if at % 2 == 0 => "Scaled",
                    _ => "NodeReady",
                }),
                message: at.to_string(),
                ..SimEvent::default()
            })
            .collect();
        let list = chosen(&events, 100);
        let of = |kind: &str| list.iter().filter(|e| &*e.kind == kind).count();
        assert_eq!(list.len(), 100);
        assert_eq!(of("LaunchFailed"), 2);
        assert_eq!((of("Scaled"), of("NodeReady")), (49, 49));
        let order: Vec<usize> = list.iter().map(|e| e.message.parse().unwrap()).collect();
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(order[0] < 10 && order[99] > 970, "evenly over the run");
        assert_eq!(chosen(&events[..50], 100).len(), 50);
    }
}
