//! Which colour means what, the same in every chart of a page.

use std::collections::BTreeMap;

use crate::model::resources::Name;
use crate::sim::world::result::SimResult;

/// Colours of the page's style sheet, the last of which stands for all the rest.
pub(super) const COLOURS: usize = 8;
/// The colour of the rest.
pub(super) const REST: usize = 8;

/// Names with their colours: the largest first, what comes after the last colour shares one.
#[derive(Debug, Clone, Default)]
pub(super) struct Palette {
    colours: BTreeMap<Name, usize>,
}

impl Palette {
    /// A palette for names with weights. Ties are broken by name.
    pub(super) fn new(weights: &BTreeMap<Name, f64>) -> Self {
        let mut order: Vec<(&Name, f64)> = weights.iter().map(|(name, w)| (name, *w)).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        // With one name too many the last colour would stand for one name only.
        let own = if order.len() <= COLOURS {
            COLOURS
        } else {
            COLOURS - 1
        };
        let colours = order
            .into_iter()
            .take(own)
            .enumerate()
            .map(|(at, (name, _))| (Name::clone(name), at))
            .collect();
        Self { colours }
    }

    /// The colour of `name`.
    pub(super) fn of(&self, name: &str) -> usize {
        self.colours.get(name).copied().unwrap_or(REST)
    }

    /// The names that have a colour of their own, by name.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.colours.iter().map(|(name, colour)| (name, *colour))
    }
}

/// The palettes of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Palettes {
    pub(super) workloads: Palette,
    pub(super) groups: Palette,
}

impl Palettes {
    /// Palettes for what occurs in `results`: workloads by their most replicas, groups by their most nodes.
    pub(super) fn new(results: &[SimResult]) -> Self {
        let mut workloads: BTreeMap<Name, f64> = BTreeMap::new();
        let mut groups: BTreeMap<Name, f64> = BTreeMap::new();
        let raise = |into: &mut BTreeMap<Name, f64>, name: &Name, by: f64| {
            let weight = into.entry(Name::clone(name)).or_default();
            *weight = weight.max(by);
        };
        for result in results {
            let series = &result.series;
            for (name, values) in series.replicas.iter().chain(&series.ready) {
                let most = values.iter().copied().max().unwrap_or(0);
                raise(&mut workloads, name, f64::from(most));
            }
            for (name, values) in &series.nodes {
                let most = values.iter().copied().max().unwrap_or(0);
                raise(&mut groups, name, f64::from(most));
            }
            for node in result.packings.iter().flat_map(|packing| &packing.nodes) {
                raise(&mut groups, &node.group, 0.0);
                for pod in &node.pods {
                    raise(&mut workloads, &pod.workload, 0.0);
                }
            }
        }
        Self {
            workloads: Palette::new(&workloads),
            groups: Palette::new(&groups),
        }
    }
}

/// `series` by name with at most as many rows as there are colours: what has none of its own is added up.
pub(super) fn grouped<T: Copy + Into<f64>>(
    series: &BTreeMap<Name, Vec<T>>,
    palette: &Palette,
) -> Vec<(String, usize, Vec<f64>)> {
    let mut rows: Vec<(String, usize, Vec<f64>)> = Vec::new();
    let mut rest: Vec<f64> = Vec::new();
    let mut others = 0;
    for (name, values) in series {
        let values = values.iter().map(|value| (*value).into());
        let colour = palette.of(name);
        if colour < REST {
            rows.push((name.to_string(), colour, values.collect()));
            continue;
        }
        others += 1;
        for (at, value) in values.enumerate() {
            match rest.get_mut(at) {
                Some(sum) => *sum += value,
                None => rest.push(value),
            }
        }
    }
    rows.sort_by_key(|(_, colour, _)| *colour);
    if others > 0 {
        rows.push((format!("{others} others"), REST, rest));
    }
    rows
}
