//! Filling one node.

mod list;
mod ranking;

pub use list::FillList;
pub use ranking::Ranking;

use ranking::Alike;

use super::Target;
use super::holds::{apart, distinct_values, holders, join, keeps_min_values};
use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem, StateId, fit_count, fits};

/// In which order a node is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: the orders there are")]
pub enum Order {
    /// Most valuable pod first.
    Value,
    /// Most value per share of this node first.
    Density,
    /// At each step the pod whose shape is most like the room that is left.
    Shape,
}

/// One node being filled. Reused: nothing is allocated once the buffers have grown.
#[derive(Debug)]
#[non_exhaustive]
pub struct Node {
    /// Room left.
    pub room: Vec<i64>,
    /// Pods by class.
    pub content: Vec<(ClassId, u32)>,
    /// Value of the content.
    pub value: f64,
    option: Option<OptionId>,
    state: StateId,
    excluded: BitSet<ClassId>,
    any_excluded: bool,
    /// Limited groups on the node: group, how many there are, how many may be.
    groups: Vec<(u32, u32, u32)>,
    alone: Vec<u32>,
    guarded: bool,
    /// Which classes are kept off together.
    alike: Alike,
    /// By kind of shares: the filling in which no room was found in its groups. They only get fuller.
    full: Vec<u64>,
    filling: u64,
    /// Inner steps taken.
    pub work: u64,
}

impl Node {
    /// An empty node for problems like `problem`.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        let alike = Alike::new(problem);
        Self {
            room: vec![0; problem.dims],
            content: Vec::new(),
            value: 0.0,
            option: None,
            state: StateId::new(0),
            excluded: BitSet::new(problem.classes.len()),
            any_excluded: false,
            groups: Vec::new(),
            alone: Vec::new(),
            guarded: false,
            full: vec![0; alike.kinds()],
            alike,
            filling: 0,
            work: 0,
        }
    }

    /// Starts a fresh node of `option`.
    pub fn open(&mut self, problem: &Problem, option: OptionId) {
        let row = &problem.options[option];
        self.reset(problem.room_of(row.room));
        self.option = Some(option);
        self.state = problem.pairs[row.pair].state;
        self.guarded = !problem.pools[row.pool].min_values.is_empty();
    }

    /// Starts with `room` left and `content` there already: an existing node, or a new one that takes more.
    pub fn resume(
        &mut self,
        problem: &Problem,
        target: Target,
        room: &[i64],
        content: &[(ClassId, u32)],
    ) {
        match target {
            Target::Option(option) => self.open(problem, option),
            Target::Node(node) => {
                self.reset(room);
                if !problem.standing.is_empty() {
                    let here = problem.standing.range((node, 0)..=(node, u32::MAX));
                    self.groups
                        .extend(here.map(|((_, group), count)| (*group, *count, u32::MAX)));
                }
            }
        }
        for (class, count) in content {
            self.note(problem, *class, *count);
            if let Some(option) = self.option
                && let Some(next) = join(problem, option, self.state, *class)
            {
                self.state = next;
            }
        }
        if let (true, Some(option), Some((first, _))) = (self.guarded, self.option, content.first())
        {
            self.alone = alone_values(problem, option, *first);
        }
        self.room.copy_from_slice(room);
        self.content.extend_from_slice(content);
    }

    fn reset(&mut self, room: &[i64]) {
        self.room.clear();
        self.room.extend_from_slice(room);
        self.content.clear();
        self.value = 0.0;
        self.option = None;
        self.state = StateId::new(0);
        if self.any_excluded {
            self.excluded.clear();
            self.any_excluded = false;
        }
        self.groups.clear();
        self.alone.clear();
        self.guarded = false;
        self.filling += 1;
    }

    /// Remembers what `count` pods of `class` on this node mean for others.
    fn note(&mut self, problem: &Problem, class: ClassId, count: u32) {
        let row = &problem.classes[class];
        if let Some(excludes) = &row.excludes {
            self.excluded.union_with(excludes);
            self.any_excluded = true;
        }
        for share in &row.shares {
            let added = share.weight.saturating_mul(count);
            let limit = share.limit.unwrap_or(u32::MAX);
            match self
                .groups
                .iter_mut()
                .find(|(group, _, _)| *group == share.group)
            {
                Some((_, held, most)) => {
                    *held = held.saturating_add(added);
                    *most = (*most).min(limit);
                }
                None => self.groups.push((share.group, added, limit)),
            }
        }
    }

    /// How many pods of `class` the limited groups let in, up to `most`.
    fn limited(&self, problem: &Problem, class: ClassId, most: u32) -> u32 {
        let mut count = most;
        for share in &problem.classes[class].shares {
            let held = self
                .groups
                .iter()
                .find(|(group, _, _)| *group == share.group);
            let (there, limit) = held.map_or((0, u32::MAX), |(_, there, limit)| (*there, *limit));
            let limit = limit.min(share.limit.unwrap_or(u32::MAX));
            match limit.saturating_sub(there).checked_div(share.weight) {
                Some(free) => count = count.min(free),
                None if there > limit => return 0,
                None => {}
            }
        }
        count
    }

    /// Adds up to `most` pods of `class`, each worth `value`; returns how many went in.
    pub fn add(&mut self, problem: &Problem, class: ClassId, most: u32, value: f64) -> u32 {
        let demand = problem.demand_of(class);
        let mut count = fit_up_to(demand, &self.room, most);
        if count == 0 {
            return 0;
        }
        if self.any_excluded && apart(problem, &self.excluded, class) {
            return 0;
        }
        if let Some(excludes) = &problem.classes[class].excludes
            && apart(problem, excludes, class)
        {
            count = 1;
        }
        count = self.limited(problem, class, count);
        if count == 0 {
            self.full[self.alike.sharing[class.at()] as usize] = self.filling;
            return 0;
        }
        let mut state = self.state;
        if let Some(option) = self.option {
            match join(problem, option, self.state, class) {
                Some(next) => state = next,
                None => return 0,
            }
            if self.guarded {
                count = self.guarded_count(problem, option, class, count);
                if count == 0 {
                    return 0;
                }
            }
        }
        self.state = state;
        for (left, need) in self.room.iter_mut().zip(demand) {
            *left -= need * i64::from(count);
        }
        match self.content.iter_mut().find(|(held, _)| *held == class) {
            Some((_, held)) => *held += count,
            None => self.content.push((class, count)),
        }
        self.value += value * f64::from(count);
        self.note(problem, class, count);
        count
    }

    /// The largest count up to `most` with which the pool's `minValues` still hold.
    fn guarded_count(
        &mut self,
        problem: &Problem,
        option: OptionId,
        class: ClassId,
        most: u32,
    ) -> u32 {
        let pool = problem.options[option].pool;
        if self.alone.is_empty() && self.content.is_empty() {
            self.alone = alone_values(problem, option, class);
        }
        let held = self.content.iter().position(|(c, _)| *c == class);
        let before = held.map_or(0, |at| self.content[at].1);
        let mut trial = self.content.clone();
        let at = held.unwrap_or_else(|| {
            trial.push((class, 0));
            trial.len() - 1
        });
        let mut keeps = |count: u32| {
            trial[at].1 = before + count;
            keeps_min_values(problem, pool, &trial, Some(&self.alone))
        };
        if keeps(most) {
            return most;
        }
        let (mut low, mut high) = (0, most);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if keeps(middle) {
                low = middle
            } else {
                high = middle
            }
        }
        low
    }

    /// Ranks the classes of `order` for [`fill_ranked`](Self::fill_ranked): `columns` are sets of classes, of which those
    /// that `used` marks will be asked for.
    pub fn rank(
        &self,
        problem: &Problem,
        ranking: &mut Ranking,
        order: impl Iterator<Item = ClassId>,
        columns: &[BitSet<ClassId>],
        used: &[bool],
    ) {
        ranking.rebuild(problem, &self.alike, order, columns, used);
    }

    /// Fills the node by rank with classes of `column`. What [`fill`](Self::fill) would do with a list of them.
    pub fn fill_ranked(
        &mut self,
        problem: &Problem,
        ranking: &mut Ranking,
        column: usize,
        remaining: &[u32],
        values: &[f64],
    ) {
        ranking.open();
        for (class, _) in &self.content {
            ranking.hold(problem, &self.alike, *class);
        }
        let mut from = 0;
        let mut grown = true;
        while let Some(rank) = ranking.next(column, from) {
            // A look for the next rank takes longer than a step through a list.
            self.work += 2;
            let (run, end) = ranking.run(rank);
            if std::mem::take(&mut grown) && !ranking.rest_fits(run, &self.room) {
                return;
            }
            if !fits(ranking.demand_of(run), &self.room) {
                from = end;
                continue;
            }
            self.work += 1;
            from = rank + 1;
            let class = ranking.class(rank);
            let (left, held) = (remaining[class.at()], self.held(class));
            if left > held && self.add(problem, class, left - held, values[class.at()]) > 0 {
                grown = true;
                ranking.hold(problem, &self.alike, class);
                if !fits(ranking.demand_of(run), &self.room) {
                    from = end;
                }
            } else if self.full[self.alike.sharing[class.at()] as usize] == self.filling {
                ranking.full(&self.alike, class);
            }
        }
    }

    /// Fills the node from `list` in its order.
    pub fn fill(&mut self, problem: &Problem, list: &FillList, remaining: &[u32], values: &[f64]) {
        let mut grown = true;
        for run in list.runs() {
            self.work += 1;
            if std::mem::take(&mut grown) && !list.rest_fits(run, &self.room) {
                return;
            }
            let demand = list.demand_of(run);
            if !fits(demand, &self.room) {
                continue;
            }
            for class in list.classes_of(run) {
                self.work += 1;
                let left = remaining[class.at()];
                if left == 0
                    || self.full[self.alike.sharing[class.at()] as usize] == self.filling
                    || (self.any_excluded && self.excluded.contains(*class))
                {
                    continue;
                }
                let held = self.held(*class);
                if left > held && self.add(problem, *class, left - held, values[class.at()]) > 0 {
                    grown = true;
                    if !fits(demand, &self.room) {
                        break;
                    }
                }
            }
        }
    }

    /// Fills the node by shape: at each step the class whose requests point most in the direction of the room that is
    /// left, weighed by value, as many as keep it the best choice.
    #[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
    pub fn fill_by_shape(
        &mut self,
        problem: &Problem,
        list: &FillList,
        remaining: &[u32],
        values: &[f64],
        full: &[i64],
    ) {
        for _ in 0..MAX_SHAPE_STEPS {
            let mut best: Option<(f64, ClassId)> = None;
            for run in list.runs() {
                self.work += 1;
                let demand = list.demand_of(run);
                if !fits(demand, &self.room) {
                    continue;
                }
                let (mut dot, mut size) = (0.0, 0.0);
                for ((need, left), whole) in demand.iter().zip(&self.room).zip(full) {
                    if *whole > 0 && *need > 0 {
                        let share = *need as f64 / *whole as f64;
                        dot += share * *left as f64 / *whole as f64;
                        size += share;
                    }
                }
                for class in list.classes_of(run) {
                    self.work += 1;
                    let left = remaining[class.at()];
                    if left == 0 || left <= self.held(*class) {
                        continue;
                    }
                    if self.any_excluded && apart(problem, &self.excluded, *class) {
                        continue;
                    }
                    let score = if size > 0.0 {
                        dot * (values[class.at()] / size).max(1e-12)
                    } else {
                        f64::INFINITY
                    };
                    if best.is_none_or(|(held, _)| score > held) {
                        best = Some((score, *class));
                    }
                }
            }
            let Some((_, class)) = best else { return };
            let most = (remaining[class.at()] - self.held(class)).min(1);
            if self.add(problem, class, most, values[class.at()]) == 0 {
                return;
            }
        }
    }

    fn held(&self, class: ClassId) -> u32 {
        self.content
            .iter()
            .find(|(held, _)| *held == class)
            .map_or(0, |(_, n)| *n)
    }
}

/// How many times `demand` fits `room`, up to `most`: without a division where one pod is asked about.
fn fit_up_to(demand: &[i64], room: &[i64], most: u32) -> u32 {
    if most == 1 {
        u32::from(fits(demand, room))
    } else {
        fit_count(demand, room).min(most)
    }
}

/// How many values each `minValues` of the option's pool keeps for one pod of `class` alone.
fn alone_values(problem: &Problem, option: OptionId, class: ClassId) -> Vec<u32> {
    let pool = problem.options[option].pool;
    distinct_values(problem, pool, &holders(problem, pool, &[(class, 1)]))
}

/// More pods than this are never put on one node one by one.
const MAX_SHAPE_STEPS: usize = 256;
