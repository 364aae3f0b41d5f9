//! Classes in one order for all nodes, as bits.
//!
//! A class has one rank whatever is bought, so which classes a node may still take is an intersection of sets of ranks:
//! those that wait, those that suit the node, less those that what it holds keeps off. The next one is found a word at a
//! time.

use std::ops::Range;

use crate::base::bitset::BitSet;
use crate::base::index::Ix as _;
use crate::problem::{Class, ClassId, HostShare, Problem, fits};

const BITS: usize = u64::BITS as usize;

/// Stands for "none" where positions are kept.
const NONE: u32 = u32::MAX;

/// Which classes are kept off nodes together: those with equal shares once one of them finds its groups full, and those
/// that classes with equal `excludes` bar.
#[derive(Debug)]
pub(super) struct Alike {
    /// By class: which classes have the same shares.
    pub(super) sharing: Vec<u32>,
    /// By kind of shares: one of its classes.
    examples: Vec<ClassId>,
    /// By class: which classes have the same `excludes`; [`NONE`] for those without.
    repelling: Vec<u32>,
    repellers: usize,
}

impl Alike {
    pub(super) fn new(problem: &Problem) -> Self {
        let mut shares = crate::base::hash::FastMap::default();
        let mut excludes = crate::base::hash::FastMap::default();
        let number = |len: usize| u32::try_from(len).unwrap_or(NONE);
        let (mut sharing, mut repelling) = (Vec::new(), Vec::new());
        let mut examples: Vec<ClassId> = Vec::new();
        for (id, class) in problem.classes.enumerate() {
            let kind = *shares.entry(class.shares.as_slice()).or_insert_with(|| {
                examples.push(id);
                number(examples.len() - 1)
            });
            sharing.push(kind);
            repelling.push(class.excludes.as_ref().map_or(NONE, |set| {
                let next = number(excludes.len());
                *excludes.entry(set).or_insert(next)
            }));
        }
        Self {
            sharing,
            repelling,
            examples,
            repellers: excludes.len(),
        }
    }

    /// How many kinds of shares there are.
    pub(super) fn kinds(&self) -> usize {
        self.examples.len()
    }
}

/// The classes that wait, in fill order. Those next to each other that ask for the same are a *run*; each run knows what
/// the rest needs at least.
#[derive(Debug, Default)]
pub struct Ranking {
    classes: Vec<ClassId>,
    /// By class: its rank.
    rank_of: Vec<u32>,
    /// By rank: its run.
    run_of: Vec<u32>,
    /// Where each run ends.
    ends: Vec<usize>,
    /// Requests by run, `dims` wide.
    demand: Vec<i64>,
    /// Least request of each resource from this run on.
    least: Vec<i64>,
    dims: usize,
    words: usize,
    /// The ranks that wait.
    waiting: Vec<u64>,
    /// By column in use: the ranks that suit it.
    columns: Vec<u64>,
    /// By column: its position in `columns`.
    column_at: Vec<u32>,
    /// By kind of shares in use: its ranks.
    sharing: Vec<u64>,
    sharing_at: Vec<u32>,
    /// By kind of shares: the ranks that find no room beside one pod of it; empty until it is asked for.
    crowded: Vec<Vec<u64>>,
    /// By kind of `excludes`: the ranks it bars; empty until it is asked for.
    barred: Vec<Vec<u64>>,
    /// The ranks that the node at hand keeps off.
    off: Vec<u64>,
}

#[inline]
fn set(bits: &mut [u64], rank: usize) {
    bits[rank / BITS] |= 1 << (rank % BITS);
}

/// Whether one pod with the shares `held` leaves no room for one with the shares `asked`.
fn crowds_out(held: &[HostShare], asked: &[HostShare]) -> bool {
    asked.iter().any(|share| {
        let own = held.iter().find(|own| own.group == share.group);
        let (there, limit) = own.map_or((0, None), |own| (own.weight, own.limit));
        let limit = [limit, share.limit].into_iter().flatten().min();
        limit.is_some_and(|limit| there.saturating_add(share.weight) > limit)
    })
}

#[inline]
fn unite(bits: &mut [u64], more: &[u64]) {
    bits.iter_mut()
        .zip(more)
        .for_each(|(bits, more)| *bits |= more);
}

impl Ranking {
    /// Ranks `order`; `columns` are the sets of classes of which those that `used` marks will be asked for.
    /// O(classes x used columns).
    pub(super) fn rebuild(
        &mut self,
        problem: &Problem,
        alike: &Alike,
        order: impl Iterator<Item = ClassId>,
        columns: &[BitSet<ClassId>],
        used: &[bool],
    ) {
        self.classes.clear();
        self.classes.extend(order);
        self.words = self.classes.len().div_ceil(BITS);
        self.index_runs(problem);
        self.rank_of.clear();
        self.rank_of.resize(problem.classes.len(), NONE);
        self.waiting.clear();
        self.waiting.resize(self.words, 0);
        self.sharing.clear();
        self.sharing_at.clear();
        self.sharing_at.resize(alike.kinds(), NONE);
        self.crowded.resize(alike.kinds(), Vec::new());
        self.crowded.iter_mut().for_each(Vec::clear);
        for (rank, class) in self.classes.iter().enumerate() {
            self.rank_of[class.at()] = u32::try_from(rank).unwrap_or(NONE);
            set(&mut self.waiting, rank);
            if problem.classes[*class].shares.is_empty() {
                continue;
            }
            let at = &mut self.sharing_at[alike.sharing[class.at()] as usize];
            if *at == NONE {
                *at = u32::try_from(self.sharing.len()).unwrap_or(NONE);
                self.sharing.resize(self.sharing.len() + self.words, 0);
            }
            set(&mut self.sharing[*at as usize..], rank);
        }
        self.barred.resize(alike.repellers, Vec::new());
        self.barred.iter_mut().for_each(Vec::clear);
        self.columns.clear();
        self.column_at.clear();
        for (column, used) in columns.iter().zip(used) {
            let at = self.columns.len();
            self.column_at.push(u32::try_from(at).unwrap_or(NONE));
            if *used {
                self.columns.resize(at + self.words, 0);
                let suited = self.classes.iter().enumerate();
                suited
                    .filter(|(_, class)| column.contains(**class))
                    .for_each(|(rank, _)| set(&mut self.columns[at..], rank));
            }
        }
    }

    fn index_runs(&mut self, problem: &Problem) {
        let dims = problem.dims;
        self.dims = dims;
        self.ends.clear();
        self.demand.clear();
        self.run_of.clear();
        for (rank, class) in self.classes.iter().enumerate() {
            let own = problem.demand_of(*class);
            let last = self.demand.len().saturating_sub(dims);
            if rank > 0 && self.demand[last..] == *own {
                if let Some(end) = self.ends.last_mut() {
                    *end = rank + 1;
                }
            } else {
                self.ends.push(rank + 1);
                self.demand.extend_from_slice(own);
            }
            self.run_of
                .push(u32::try_from(self.ends.len() - 1).unwrap_or(NONE));
        }
        self.least.clear();
        self.least.extend_from_slice(&self.demand);
        for at in (dims..self.least.len()).rev() {
            self.least[at - dims] = self.least[at - dims].min(self.least[at]);
        }
    }

    /// No pod of `class` waits any longer.
    pub(in crate::solver) fn gone(&mut self, class: ClassId) {
        let rank = self
            .rank_of
            .get(class.at())
            .map_or(usize::MAX, |rank| *rank as usize);
        if let Some(word) = self.waiting.get_mut(rank / BITS) {
            *word &= !(1 << (rank % BITS));
        }
    }

    /// Starts with an empty node.
    pub(super) fn open(&mut self) {
        self.off.clear();
        self.off.resize(self.words, 0);
    }

    /// The node at hand has no room left in the groups of `class`.
    #[inline]
    pub(super) fn full(&mut self, alike: &Alike, class: ClassId) {
        let at = self.sharing_at[alike.sharing[class.at()] as usize];
        if let Some(ranks) = self.sharing.get(at as usize..) {
            unite(&mut self.off, ranks);
        }
    }

    /// The node at hand holds `class`, which bars others or leaves them no room in their groups.
    #[inline]
    pub(super) fn hold(&mut self, problem: &Problem, alike: &Alike, class: ClassId) {
        let row = &problem.classes[class];
        if !row.shares.is_empty() {
            self.crowd(problem, alike, row, alike.sharing[class.at()] as usize);
        }
        self.bar(alike, class, row);
    }

    /// Keeps off what finds no room in its groups beside one pod of `kind`, of which `row` is.
    fn crowd(&mut self, problem: &Problem, alike: &Alike, row: &Class, kind: usize) {
        let crowded = &mut self.crowded[kind];
        if crowded.is_empty() {
            crowded.resize(self.words, 0);
            for (example, at) in alike.examples.iter().zip(&self.sharing_at) {
                if *at != NONE && crowds_out(&row.shares, &problem.classes[*example].shares) {
                    unite(crowded, &self.sharing[*at as usize..]);
                }
            }
        }
        unite(&mut self.off, crowded);
    }

    #[inline]
    fn bar(&mut self, alike: &Alike, class: ClassId, row: &Class) {
        let Some(excludes) = &row.excludes else {
            return;
        };
        let barred = &mut self.barred[alike.repelling[class.at()] as usize];
        if barred.is_empty() {
            barred.resize(self.words, 0);
            for class in excludes.iter() {
                let rank = self.rank_of[class.at()];
                if rank != NONE {
                    set(barred, rank as usize);
                }
            }
        }
        unite(&mut self.off, barred);
    }

    /// The first rank from `from` on that waits, suits `column` and is not kept off.
    #[inline]
    pub(super) fn next(&self, column: usize, from: usize) -> Option<usize> {
        let suited = &self.columns[self.column_at[column] as usize..];
        let mut at = from / BITS;
        let mut mask = u64::MAX << (from % BITS);
        while at < self.words {
            let bits = self.waiting[at] & suited[at] & !self.off[at] & mask;
            if bits != 0 {
                return Some(at * BITS + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
            at += 1;
        }
        None
    }

    #[inline]
    pub(super) fn class(&self, rank: usize) -> ClassId {
        self.classes[rank]
    }

    /// The run of `rank` and where it ends.
    #[inline]
    pub(super) fn run(&self, rank: usize) -> (usize, usize) {
        let run = self.run_of[rank] as usize;
        (run, self.ends[run])
    }

    #[inline]
    pub(super) fn demand_of(&self, run: usize) -> &[i64] {
        &self.demand[self.row(run)]
    }

    /// Whether something of this run or a later one may fit `room`.
    #[inline]
    pub(super) fn rest_fits(&self, run: usize, room: &[i64]) -> bool {
        fits(&self.least[self.row(run)], room)
    }

    #[inline]
    fn row(&self, run: usize) -> Range<usize> {
        run * self.dims..(run + 1) * self.dims
    }
}
