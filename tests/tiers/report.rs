//! Pages of simulated runs: self-contained, escaped, bounded, the same bytes for the same results.

#![cfg(feature = "report")]
use crate::runs::{busy_day, sweep, three_policies};
use tetrapod::report::{page, sweep_page};
use tetrapod::sim::world::result::{SimEvent, SimResult};

/// The ids of a page, in order.
fn ids(html: &str) -> Vec<&str> {
    html.split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let html = page(&three_policies());
    for wanted in [
        "http:", "https:", "//", "<script", "url(", "@import", " src=", "<iframe",
    ] {
        assert!(!html.contains(wanted), "{wanted}");
    }
    assert_eq!(html.matches("<link").count(), 1, "an empty icon only");
    assert!(html.contains("href=\"data:,\""));
}

#[test]
fn the_page_of_a_sweep_has_a_table_and_a_picture_for_each_trace() {
    let mut result = sweep();
    let html = sweep_page(&result);
    assert_eq!(html, sweep_page(&result));
    for at in 0..3 {
        assert!(ids(&html).contains(&&*format!("trace-{at}-pareto")));
    }
    assert_eq!(html.matches("<table").count(), 3);
    assert!(html.contains("80 runs: 5 policies"), "{html:.3000}");
    let beaten = html.matches("(not beaten)</span>").count();
    let front = result
        .cells
        .iter()
        .chain(&result.overall)
        .filter(|c| c.front);
    assert_eq!(beaten, front.count());
    for wanted in ["http:", "https:", "//", "<script", "url("] {
        assert!(!html.contains(wanted), "{wanted}");
    }
    let hostile = "</title><script>alert('x')</script>&";
    result.sweep = hostile.into();
    result.simulation = hostile.into();
    result.cells[0].policy = hostile.into();
    result.traces[0] = hostile.into();
    result
        .cells
        .iter_mut()
        .for_each(|c| c.trace = hostile.into());
    let html = sweep_page(&result);
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
}

#[test]
fn equal_results_give_equal_bytes() {
    assert_eq!(page(&three_policies()), page(&three_policies()));
    let text = serde_json::to_string(&busy_day("a", 1)).unwrap();
    let again: SimResult = serde_json::from_str(&text).unwrap();
    assert_eq!(page(&[again]), page(&[busy_day("a", 1)]));
}

#[test]
fn every_chart_is_there_once_and_told_in_words() {
    let html = page(&three_policies());
    let ids = ids(&html);
    for run in 0..3 {
        for chart in [
            "arrivals",
            "queue",
            "replicas",
            "nodes",
            "cost",
            "utilisation",
            "pending",
            "packing-0",
        ] {
            let id = format!("run-{run}-{chart}");
            assert_eq!(ids.iter().filter(|found| **found == id).count(), 1, "{id}");
        }
    }
    for chart in ["pareto", "cost", "nodes", "queue", "ready"] {
        assert!(ids.contains(&&*format!("compared-{chart}")), "{chart}");
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), ids.len(), "ids are unique");
    let pictures = html.matches("role=\"img\"").count();
    assert_eq!(html.matches("<desc ").count(), pictures);
    for reference in html.split("aria-labelledby=\"").skip(1) {
        for id in reference.split('"').next().unwrap().split(' ') {
            assert!(ids.contains(&id), "{id}");
        }
    }
}

#[test]
fn elements_are_closed_in_the_order_in_which_they_were_opened() {
    let html = page(&three_policies());
    let mut open: Vec<String> = Vec::new();
    for tag in html.split('<').skip(2) {
        let tag = tag.split('>').next().unwrap();
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap()
            .to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && !["meta", "link", "!doctype"].contains(&&*name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn names_cannot_leave_their_place() {
    let hostile = "</title><script>alert('x')</script><b onmouseover=\"y\">&";
    let mut result = busy_day(hostile, 1);
    result.simulation = hostile.into();
    result
        .series
        .replicas
        .insert(hostile.into(), vec![3; 1_440]);
    result.series.nodes.insert(hostile.into(), vec![3; 1_440]);
    result
        .totals
        .cost_by_group
        .insert(hostile.into(), "3".parse().unwrap());
    result.packings[0].why = hostile.into();
    result.packings[0].nodes[0].name = hostile.into();
    result.packings[0].nodes[0].group = hostile.into();
    result.packings[0].nodes[0].instance_type = hostile.into();
    result.packings[0].nodes[0].pods[0].workload = hostile.into();
    result.events[0].kind = hostile.into();
    result.events[0].object = hostile.into();
    result.events[0].message = hostile.to_owned();
    let html = page(&[result.clone(), result]);
    assert!(!html.contains("<script"));
    assert!(!html.contains("<b onmouseover"));
    assert!(html.contains("&lt;/title&gt;&lt;script&gt;"));
}

#[test]
fn odd_results_are_told_as_well() {
    let mut odd = busy_day("odd", 1);
    odd.series.time.truncate(3);
    odd.series.cost_rate = vec![f64::NAN, f64::INFINITY, -3.0, 7.0];
    odd.series.queue.clear();
    odd.totals.slo_attainment = f64::NAN;
    odd.packings[0].nodes[0].pods[0].share = f64::INFINITY;
    let mut none = SimResult::default();
    none.packings = vec![Default::default()];
    for results in [
        vec![],
        vec![SimResult::default()],
        vec![none.clone(), odd.clone()],
        vec![odd, none],
    ] {
        let html = page(&results);
        assert!(
            !html.contains("NaN") && !html.contains("inf"),
            "{}",
            results.len()
        );
        assert!(html.ends_with("</html>\n"));
    }
}

#[test]
fn a_page_is_bounded() {
    let mut long = busy_day("long", 1);
    let event = SimEvent::clone(&long.events[0]);
    long.events = vec![event; 200_000];
    let page_of = page(&[long]);
    assert!(page_of.matches("<li><time").count() <= 240);
    let all: Vec<SimResult> = (0..40).map(|seed| busy_day("p", seed)).collect();
    let html = page(&all);
    assert!(html.len() < 12 << 20, "{} bytes", html.len());
    assert!(html.contains("28 more runs"));
}
