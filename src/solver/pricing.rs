//! The most valuable content of one node: an integer knapsack with several resources.
//!
//! First the fractional problem: its duals weigh the resources, and the weights make one surrogate resource of them. Under
//! it every partial content has an upper bound in one look-up (what the best fractional rest is worth). Then a search item
//! by item, in order of value per surrogate use, that keeps the most promising partial contents; what it drops
//! is remembered by its bound, so that what it returns is proven whether or not the search was complete.

use crate::problem::fits;

/// Room for error in sums of floats.
const EPSILON: f64 = 1e-9;
/// Pivots per fractional problem; whatever the weights are then, bounds hold.
const MOST_PIVOTS: u32 = 80;
/// With how many kept contents a new one is compared to see whether it is beaten in everything.
const RIVALS: usize = 24;

/// A kind of thing that may be put in.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Item {
    /// The caller's number for it.
    pub key: u32,
    /// What one is worth.
    pub worth: f64,
    /// How many there are at most.
    pub most: u32,
}

impl Item {
    /// An item.
    #[must_use]
    pub const fn new(key: u32, worth: f64, most: u32) -> Self {
        Self { key, worth, most }
    }
}

/// A step of the search: some number of one item, taken or left.
#[derive(Debug, Clone, Copy)]
struct Step {
    item: u32,
    times: u32,
    worth: f64,
    weight: f64,
}

/// A partial content.
#[derive(Debug, Clone, Copy)]
struct Partial {
    worth: f64,
    bound: f64,
    /// Where its last step is noted.
    trail: u32,
    /// Where its room stands in the buffer.
    room: u32,
}

/// A knapsack and the buffers to solve it; reused from one to the next.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Knapsack {
    dims: usize,
    room: Vec<i64>,
    items: Vec<Item>,
    demand: Vec<i64>,
    /// Shares of the room, `dims` wide, by item.
    shares: Vec<f64>,
    /// Weights of the resources: what all of the room in each is worth.
    weights: Vec<f64>,
    relaxed: f64,
    /// Inner steps taken.
    pub work: u64,
    simplex: Simplex,
    steps: Vec<Step>,
    /// Worth and weight of all steps before each.
    before: Vec<(f64, f64)>,
    partials: Vec<Partial>,
    next: Vec<Partial>,
    rooms: Vec<i64>,
    next_rooms: Vec<i64>,
    trail: Vec<(u32, u32)>,
}

#[derive(Debug, Default)]
struct Simplex {
    basis: Vec<usize>,
    inverse: Vec<f64>,
    x: Vec<f64>,
    upper: Vec<bool>,
    basic: Vec<bool>,
    direction: Vec<f64>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// No content is worth more than this, nor than the target that was given: proven.
    pub bound: f64,
    /// Contents by key with their worth, best first.
    pub contents: Vec<(f64, Vec<(u32, u32)>)>,
}

impl Knapsack {
    /// Starts a new knapsack with `room`.
    pub fn open(&mut self, room: &[i64]) {
        self.dims = room.len();
        self.room.clear();
        self.room.extend_from_slice(room);
        self.items.clear();
        self.demand.clear();
        self.shares.clear();
        self.relaxed = 0.0;
    }

    /// Adds a kind of item, each using `demand`. What fits not even once, or is worth nothing, is left out.
    #[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
    pub fn add(&mut self, item: Item, demand: &[i64]) {
        let most = crate::problem::fit_count(demand, &self.room).min(item.most);
        if most == 0 || item.worth <= 0.0 {
            return;
        }
        self.items.push(Item { most, ..item });
        self.demand.extend_from_slice(demand);
        let shares = demand.iter().zip(&self.room);
        self.shares.extend(shares.map(|(need, have)| {
            if *need > 0 {
                *need as f64 / *have as f64
            } else {
                0.0
            }
        }));
    }

    fn share(&self, item: usize) -> &[f64] {
        &self.shares[item * self.dims..][..self.dims]
    }

    fn weight(&self, item: usize) -> f64 {
        let shares = self.share(item).iter().zip(&self.weights);
        shares.map(|(share, weight)| share * weight).sum()
    }

    /// Solves the fractional problem; returns its value, which no content's worth exceeds.
    pub fn relax(&mut self) -> f64 {
        let mut simplex = std::mem::take(&mut self.simplex);
        simplex.start(self.dims, self.items.len());
        self.weights.clear();
        self.weights.resize(self.dims, 0.0);
        for _ in 0..MOST_PIVOTS {
            self.work += 1 + (self.items.len() * self.dims / 8) as u64;
            simplex.weigh(&self.items, &mut self.weights);
            if !simplex.step(self) {
                break;
            }
        }
        self.simplex = simplex;
        self.weights.iter_mut().for_each(|w| *w = w.max(0.0));
        let total: f64 = self.weights.iter().sum();
        let gains = self.items.iter().enumerate();
        let gain =
            gains.map(|(at, item)| f64::from(item.most) * (item.worth - self.weight(at)).max(0.0));
        self.relaxed = total + gain.sum::<f64>();
        self.relaxed
    }

    /// After [`relax`](Self::relax): by key, what one of each item is worth if the whole room is worth `price`, each
    /// resource in proportion to its weight. Items of no more than these values are worth at most `price` in any content.
    pub fn shares_of(&self, price: f64) -> impl Iterator<Item = (u32, f64)> + '_ {
        let total: f64 = self.weights.iter().sum();
        let scale = if total > 0.0 { price / total } else { 0.0 };
        let items = self.items.iter().enumerate();
        items.map(move |(at, item)| (item.key, self.weight(at) * scale))
    }

    /// After [`relax`](Self::relax): looks for contents worth more than `target`, keeping `width` partial contents, and
    /// returns up to `many` of them with a bound.
    pub fn search(&mut self, target: f64, width: usize, many: usize) -> Found {
        if self.relaxed <= target {
            return Found {
                bound: self.relaxed,
                contents: Vec::new(),
            };
        }
        self.lay_out(target);
        let dims = self.dims;
        let (mut best, mut dropped) = (0.0f64, 0.0f64);
        self.trail.clear();
        self.trail.push((u32::MAX, 0));
        self.rooms.clear();
        self.rooms.extend_from_slice(&self.room);
        self.partials.clear();
        self.partials.push(Partial {
            worth: 0.0,
            bound: self.relaxed,
            trail: 0,
            room: 0,
        });
        for at in 0..self.steps.len() {
            let step = self.steps[at];
            self.next.clear();
            let demand = &self.demand[step.item as usize * dims..][..dims];
            let times = i64::from(step.times);
            let mut any = false;
            for index in 0..self.partials.len() {
                let partial = self.partials[index];
                self.work += 1;
                let room = &self.rooms[partial.room as usize..][..dims];
                let slack = slack(room, &self.room, &self.weights);
                let left = partial.worth + self.rest(at + 1, slack);
                if left > target {
                    self.next.push(Partial {
                        bound: left.min(partial.bound),
                        ..partial
                    });
                }
                if !demand
                    .iter()
                    .zip(room)
                    .all(|(need, have)| need * times <= *have)
                {
                    continue;
                }
                let worth = partial.worth + step.worth;
                best = best.max(worth);
                let taken = worth + self.rest(at + 1, slack - step.weight);
                if taken > target {
                    any = true;
                    let start = self.rooms.len();
                    for dim in 0..dims {
                        let have = self.rooms[partial.room as usize + dim];
                        self.rooms
                            .push(have - self.demand[step.item as usize * dims + dim] * times);
                    }
                    self.trail
                        .push((partial.trail, u32::try_from(at).unwrap_or(u32::MAX)));
                    self.next.push(Partial {
                        worth,
                        bound: taken.min(partial.bound),
                        trail: u32::try_from(self.trail.len() - 1).unwrap_or(u32::MAX),
                        room: u32::try_from(start).unwrap_or(u32::MAX),
                    });
                }
            }
            if any || self.next.len() > width {
                dropped = dropped.max(self.select(width));
            } else {
                std::mem::swap(&mut self.partials, &mut self.next);
            }
            if self.partials.is_empty() {
                break;
            }
        }
        let mut kept = std::mem::take(&mut self.partials);
        kept.retain(|partial| partial.worth > target);
        kept.sort_by(|a, b| b.worth.total_cmp(&a.worth).then(a.trail.cmp(&b.trail)));
        kept.truncate(many);
        let contents = kept
            .iter()
            .map(|p| (p.worth, self.content(p.trail)))
            .collect();
        self.partials = kept;
        Found {
            bound: best.max(dropped).max(target).min(self.relaxed),
            contents,
        }
    }

    /// Puts the items that can be in a content worth more than `target` in order, and splits their numbers into steps of
    /// 1, 2, 4, ... so that every number is a sum of steps.
    fn lay_out(&mut self, target: f64) {
        let mut order: Vec<(f64, usize, u32)> = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            let weight = self.weight(at);
            let loss = weight - item.worth;
            // Each one costs `loss` against the fractional solution.
            let most = if loss > 0.0 {
                count(((self.relaxed - target) / loss) * (1.0 + EPSILON)).min(item.most)
            } else {
                item.most
            };
            if most > 0 {
                let efficiency = if weight > 0.0 {
                    item.worth / weight
                } else {
                    f64::INFINITY
                };
                order.push((efficiency, at, most));
            }
        }
        order.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| self.items[b.1].worth.total_cmp(&self.items[a.1].worth))
                .then(a.1.cmp(&b.1))
        });
        self.steps.clear();
        self.before.clear();
        self.before.push((0.0, 0.0));
        let (mut worth, mut weight) = (0.0, 0.0);
        for (_, at, most) in order {
            let (one_worth, one_weight) = (self.items[at].worth, self.weight(at));
            let mut left = most;
            let mut sizes = [0u32; 33];
            let mut used = 0;
            let mut size = 1;
            while left > 0 {
                sizes[used] = size.min(left);
                left -= sizes[used];
                used += 1;
                size = size.saturating_mul(2);
            }
            // Largest first: full nodes are found early.
            for times in sizes[..used].iter().rev().copied() {
                let step = Step {
                    item: u32::try_from(at).unwrap_or(u32::MAX),
                    times,
                    worth: one_worth * f64::from(times),
                    weight: one_weight * f64::from(times),
                };
                worth += step.worth;
                weight += step.weight;
                self.steps.push(step);
                self.before.push((worth, weight));
            }
        }
    }

    /// What steps from `from` on can add at most within `slack` of the surrogate resource: fractionally, in order.
    fn rest(&self, from: usize, slack: f64) -> f64 {
        let slack = slack.max(0.0);
        let (worth, weight) = self.before[from];
        let reach = weight + slack;
        let rest = &self.before[from..];
        // The first step that no longer fits whole.
        let whole = rest.partition_point(|(_, weight)| *weight <= reach) - 1;
        let (full_worth, full_weight) = rest[whole];
        let partly = match self.steps.get(from + whole) {
            Some(step) if step.weight > 0.0 => {
                step.worth * ((reach - full_weight) / step.weight).clamp(0.0, 1.0)
            }
            _ => 0.0,
        };
        (full_worth - worth + partly) * (1.0 + 1e-12)
    }

    /// Keeps the `width` most promising of `next`, without those that another beats in worth and room; returns the
    /// largest bound among those dropped for width.
    fn select(&mut self, width: usize) -> f64 {
        let dims = self.dims;
        self.next.sort_unstable_by(|a, b| {
            b.bound
                .total_cmp(&a.bound)
                .then_with(|| b.worth.total_cmp(&a.worth))
                .then(a.trail.cmp(&b.trail))
        });
        self.partials.clear();
        self.next_rooms.clear();
        let mut dropped = 0.0f64;
        for partial in &self.next {
            if self.partials.len() >= width {
                dropped = dropped.max(partial.bound);
                break;
            }
            let room = &self.rooms[partial.room as usize..][..dims];
            let beaten = self.partials.iter().take(RIVALS).any(|rival| {
                rival.worth >= partial.worth
                    && fits(room, &self.next_rooms[rival.room as usize..][..dims])
            });
            if !beaten {
                let start = u32::try_from(self.next_rooms.len()).unwrap_or(u32::MAX);
                self.next_rooms.extend_from_slice(room);
                self.partials.push(Partial {
                    room: start,
                    ..*partial
                });
            }
        }
        std::mem::swap(&mut self.rooms, &mut self.next_rooms);
        dropped
    }

    fn content(&self, trail: u32) -> Vec<(u32, u32)> {
        let mut content: Vec<(u32, u32)> = Vec::new();
        let mut at = trail;
        while let Some((before, step)) = self.trail.get(at as usize).copied()
            && before != u32::MAX
        {
            let step = self.steps[step as usize];
            let key = self.items[step.item as usize].key;
            match content.iter_mut().find(|(held, _)| *held == key) {
                Some((_, times)) => *times += step.times,
                None => content.push((key, step.times)),
            }
            at = before;
        }
        content.sort_unstable();
        content
    }
}

impl Simplex {
    fn start(&mut self, dims: usize, items: usize) {
        self.basis.clear();
        self.basis.extend(items..items + dims);
        self.inverse.clear();
        self.inverse.resize(dims * dims, 0.0);
        for dim in 0..dims {
            self.inverse[dim * dims + dim] = 1.0;
        }
        self.x.clear();
        self.x.resize(dims, 1.0);
        self.upper.clear();
        self.upper.resize(items, false);
        self.basic.clear();
        self.basic.resize(items + dims, false);
        self.basic[items..].fill(true);
        self.direction.clear();
        self.direction.resize(dims, 0.0);
    }

    /// The duals of the current basis.
    fn weigh(&self, items: &[Item], weights: &mut [f64]) {
        weights.fill(0.0);
        let dims = weights.len();
        for (row, variable) in self.basis.iter().enumerate() {
            if let Some(item) = items.get(*variable) {
                let inverse = &self.inverse[row * dims..][..dims];
                for (weight, own) in weights.iter_mut().zip(inverse) {
                    *weight += item.worth * own;
                }
            }
        }
    }

    /// One exchange; `false` at the optimum.
    fn step(&mut self, knapsack: &Knapsack) -> bool {
        let (dims, items) = (knapsack.dims, &knapsack.items);
        let mut best: Option<(f64, usize, f64)> = None;
        for (at, item) in items.iter().enumerate().filter(|(at, _)| !self.basic[*at]) {
            let gain = item.worth - knapsack.weight(at);
            let (gain, sign) = if self.upper[at] {
                (-gain, -1.0)
            } else {
                (gain, 1.0)
            };
            let all = gain * f64::from(item.most);
            if gain > EPSILON * item.worth && best.is_none_or(|(held, _, _)| all > held) {
                best = Some((all, at, sign));
            }
        }
        for (dim, weight) in knapsack.weights.iter().enumerate() {
            let variable = items.len() + dim;
            if !self.basic[variable]
                && *weight < -EPSILON
                && best.is_none_or(|(held, _, _)| -weight > held)
            {
                best = Some((-weight, variable, 1.0));
            }
        }
        let Some((_, entering, sign)) = best else {
            return false;
        };
        for (row, change) in self.direction.iter_mut().enumerate() {
            let inverse = &self.inverse[row * dims..][..dims];
            *change = match entering.checked_sub(items.len()) {
                Some(dim) => inverse[dim],
                None => {
                    let share = knapsack.share(entering).iter();
                    share.zip(inverse).map(|(s, i)| s * i).sum()
                }
            };
        }
        let most = |variable: usize| {
            items
                .get(variable)
                .map_or(f64::INFINITY, |i| f64::from(i.most))
        };
        let mut step = most(entering);
        let mut leaving: Option<(usize, bool)> = None;
        for (row, change) in self.direction.iter().enumerate() {
            let change = sign * change;
            let (reach, at_upper) = if change > EPSILON {
                (self.x[row].max(0.0) / change, false)
            } else if change < -EPSILON {
                (
                    (most(self.basis[row]) - self.x[row]).max(0.0) / -change,
                    true,
                )
            } else {
                continue;
            };
            if reach < step {
                step = reach;
                leaving = Some((row, at_upper));
            }
        }
        if !step.is_finite() {
            return false;
        }
        for (x, change) in self.x.iter_mut().zip(&self.direction) {
            *x -= sign * step * change;
        }
        let Some((row, at_upper)) = leaving else {
            self.upper[entering] = !self.upper[entering];
            return true;
        };
        let start = if sign > 0.0 { 0.0 } else { most(entering) };
        let old = self.basis[row];
        self.basic[old] = false;
        if let Some(upper) = self.upper.get_mut(old) {
            *upper = at_upper;
        }
        self.basic[entering] = true;
        self.basis[row] = entering;
        self.x[row] = start + sign * step;
        let pivot = self.direction[row];
        for at in 0..dims {
            self.inverse[row * dims + at] /= pivot;
        }
        for other in (0..dims).filter(|other| *other != row) {
            let factor = self.direction[other];
            for at in 0..dims {
                self.inverse[other * dims + at] -= factor * self.inverse[row * dims + at];
            }
        }
        true
    }
}

/// What `left` of the room is worth by the weights.
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
fn slack(left: &[i64], room: &[i64], weights: &[f64]) -> f64 {
    let rows = left.iter().zip(room).zip(weights);
    rows.filter(|((_, have), weight)| **have > 0 && **weight > 0.0)
        .map(|((left, have), weight)| *left as f64 / *have as f64 * weight)
        .sum()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, clamped"
)]
fn count(x: f64) -> u32 {
    x.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
#[path = "pricing_tests.rs"]
mod tests;
