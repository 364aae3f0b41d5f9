//! Classes in the order in which a node is filled.

use crate::base::index::Ix as _;
use crate::problem::{ClassId, Problem, fits};

/// Classes in fill order. Those next to each other that ask for the same are a *run*, so that what does not fit is passed
/// over at once; and each run knows what the rest of the list needs at least, so that a full node is noticed early.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FillList {
    classes: Vec<ClassId>,
    /// Where each run ends.
    ends: Vec<usize>,
    /// Requests by run, `dims` wide: what the inner loop reads.
    demand: Vec<i64>,
    /// Least request of each resource from this run to the end of the list.
    least: Vec<i64>,
    dims: usize,
    /// How many classes had run out, of all there are, when the list was made.
    gone: usize,
}

impl FillList {
    /// Makes the list of `classes`.
    pub fn rebuild(&mut self, problem: &Problem, classes: impl Iterator<Item = ClassId>) {
        self.classes.clear();
        self.classes.extend(classes);
        self.gone = 0;
        self.index(problem);
    }

    /// The classes in order.
    #[must_use]
    pub fn classes(&self) -> &[ClassId] {
        &self.classes
    }

    /// Drops the classes of which no pod waits, if `gone` of all classes, those that have run out since the lists were
    /// made, may be half of them.
    pub fn compact(&mut self, problem: &Problem, remaining: &[u32], gone: usize) {
        if (gone - self.gone) * 2 > self.classes.len() {
            self.classes.retain(|class| remaining[class.at()] > 0);
            self.gone = gone;
            self.index(problem);
        }
    }

    fn index(&mut self, problem: &Problem) {
        let dims = problem.dims;
        self.dims = dims;
        self.ends.clear();
        self.demand.clear();
        let mut last: Option<&[i64]> = None;
        for (at, class) in self.classes.iter().enumerate() {
            let own = problem.demand_of(*class);
            if last == Some(own) {
                if let Some(end) = self.ends.last_mut() {
                    *end = at + 1;
                }
            } else {
                self.ends.push(at + 1);
                self.demand.extend_from_slice(own);
                last = Some(own);
            }
        }
        self.least.clear();
        self.least.extend_from_slice(&self.demand);
        for at in (dims..self.least.len()).rev() {
            self.least[at - dims] = self.least[at - dims].min(self.least[at]);
        }
    }

    /// The runs.
    pub(super) fn runs(&self) -> std::ops::Range<usize> {
        0..self.ends.len()
    }

    pub(super) fn classes_of(&self, run: usize) -> &[ClassId] {
        let start = run.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.classes[start..self.ends[run]]
    }

    pub(super) fn demand_of(&self, run: usize) -> &[i64] {
        &self.demand[run * self.dims..][..self.dims]
    }

    /// Whether something of this run or a later one may fit `room`.
    pub(super) fn rest_fits(&self, run: usize, room: &[i64]) -> bool {
        fits(&self.least[run * self.dims..][..self.dims], room)
    }
}
