//! A small linear programme: cover needs with columns at the least cost.
//!
//! Minimise the cost of `x` such that the columns, `x` times each, give every row at least what it needs; `x >= 0`. The
//! primal simplex method with an explicit inverse of the basis: columns may be added and a solve goes on where the last
//! one ended. The dual simplex method takes over where needs have changed. Floats with `+ - * /` only and total
//! tie-breaks, so results are the same everywhere.

/// Differences below this count as none.
const EPSILON: f64 = 1e-9;
/// The least pivot, so that rounding is not blown up.
const LEAST_PIVOT: f64 = 1e-7;
/// After so many pivots in a row that change nothing, and as many as there are rows, the first improving variable enters
/// and the first leaves (Bland), which cannot go round in circles.
const PATIENCE: usize = 100;
/// Columns looked at before the best of them enters.
const CHUNK: usize = 400;
/// Residual at which the inverse is made anew.
const DRIFT: f64 = 1e-6;

/// How a solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed: done, or out of budget")]
pub enum End {
    /// The solution is optimal over the columns there are.
    Optimal,
    /// The budget ran out: the solution is what had been reached.
    OutOfWork,
}

/// A covering programme. Variables are the surpluses of the rows, then the columns in the order they were added.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Cover {
    rows: usize,
    need: Vec<f64>,
    cost: Vec<f64>,
    /// End of each column in `entries`.
    ends: Vec<usize>,
    entries: Vec<(u32, f64)>,
    /// Which variable is basic in each row of the inverse.
    basis: Vec<usize>,
    is_basic: Vec<bool>,
    /// Row-major inverse of the basis.
    inverse: Vec<f64>,
    /// Values of the basic variables.
    x: Vec<f64>,
    duals: Vec<f64>,
    /// Where the next look for an entering column starts.
    cursor: usize,
    /// Multiplications so far: the measure of work.
    pub flops: u64,
    column: Vec<f64>,
    touched: Vec<usize>,
    /// Variables that [`repair`](Self::repair) may bring in; all where it is empty.
    near: Vec<usize>,
}

impl Cover {
    /// A programme in which row `r` needs `need[r]`, with one column per row as a start: `singles[r]` is its cost and how
    /// much of the row, and of no other, it gives (both above 0).
    #[must_use]
    pub fn new(need: Vec<f64>, singles: &[(f64, f64)]) -> Self {
        let rows = need.len();
        debug_assert_eq!(rows, singles.len());
        let mut lp = Self {
            rows,
            x: vec![0.0; rows],
            duals: vec![0.0; rows],
            need,
            cost: Vec::new(),
            ends: Vec::new(),
            entries: Vec::new(),
            basis: Vec::new(),
            is_basic: vec![false; rows],
            inverse: vec![0.0; rows * rows],
            cursor: 0,
            flops: 0,
            column: vec![0.0; rows],
            touched: Vec::new(),
            near: Vec::new(),
        };
        for (row, (cost, amount)) in singles.iter().enumerate() {
            let column = lp.add(*cost, [(row, *amount)]);
            lp.basis.push(rows + column);
            lp.is_basic[rows + column] = true;
            lp.inverse[row * rows + row] = 1.0 / amount;
            lp.x[row] = lp.need[row] / amount;
            lp.duals[row] = cost / amount;
        }
        lp
    }

    /// Adds a column and returns its number.
    pub fn add(&mut self, cost: f64, entries: impl IntoIterator<Item = (usize, f64)>) -> usize {
        let known = entries.into_iter().filter(|(row, _)| *row < self.rows);
        self.entries
            .extend(known.map(|(row, amount)| (u32::try_from(row).unwrap_or(u32::MAX), amount)));
        self.ends.push(self.entries.len());
        self.cost.push(cost);
        self.is_basic.push(false);
        self.cost.len() - 1
    }

    /// How many columns there are.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.cost.len()
    }

    /// What a unit of each row is worth at the solution.
    #[must_use]
    pub fn duals(&self) -> &[f64] {
        &self.duals
    }

    /// Cost of the solution.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.solution()
            .map(|(column, x)| self.cost[column] * x)
            .sum()
    }

    /// Columns in use with how often, in the order of the basis.
    pub fn solution(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.basis
            .iter()
            .zip(&self.x)
            .filter(|(variable, _)| **variable >= self.rows)
            .map(|(variable, x)| (variable - self.rows, x.max(0.0)))
    }

    fn entries_of(&self, column: usize) -> &[(u32, f64)] {
        let start = match column {
            0 => 0,
            _ => self.ends[column - 1],
        };
        &self.entries[start..self.ends[column]]
    }

    fn cost_of(&self, variable: usize) -> f64 {
        match variable.checked_sub(self.rows) {
            Some(column) => self.cost[column],
            None => 0.0,
        }
    }

    /// What a column's content is worth at the duals.
    #[must_use]
    pub fn worth(&self, column: usize) -> f64 {
        let entries = self.entries_of(column).iter();
        entries.map(|(row, n)| self.duals[*row as usize] * n).sum()
    }

    fn reduced_cost(&self, variable: usize) -> f64 {
        match variable.checked_sub(self.rows) {
            Some(column) => self.cost[column] - self.worth(column),
            None => self.duals[variable],
        }
    }

    /// Goes on with the primal method until nothing improves or `budget` multiplications are spent.
    pub fn minimise(&mut self, budget: u64) -> End {
        let until = self.flops.saturating_add(budget);
        let mut still = 0;
        let mut checked = false;
        loop {
            if self.flops > until {
                return End::OutOfWork;
            }
            let bland = still > PATIENCE + self.rows;
            let Some(entering) = self.entering(bland) else {
                if !checked && self.drift() > DRIFT && self.refactor() {
                    checked = true;
                    continue;
                }
                return End::Optimal;
            };
            self.direction(entering);
            let Some(row) = self.leaving(bland) else {
                // No row limits it: only rounding can make a covering programme look unbounded.
                return End::Optimal;
            };
            let step = (self.x[row] / self.column[row]).max(0.0);
            still = if step > EPSILON { 0 } else { still + 1 };
            self.pivot(entering, row);
        }
    }

    /// The variable that improves most for its cost within the next chunk that has one; under `first`, the first of all.
    fn entering(&mut self, first: bool) -> Option<usize> {
        let variables = self.rows + self.cost.len();
        if first {
            self.flops += (self.entries.len() + self.rows) as u64;
            return (0..variables).find(|v| !self.is_basic[*v] && self.gain(*v) > EPSILON);
        }
        let mut seen = 0;
        while seen < variables {
            let mut best: Option<(f64, usize)> = None;
            let chunk = CHUNK.max(self.rows).min(variables - seen);
            let mut work = 0;
            for _ in 0..chunk {
                let variable = self.cursor % variables;
                self.cursor = variable + 1;
                if self.is_basic[variable] {
                    continue;
                }
                work += match variable.checked_sub(self.rows) {
                    Some(column) => self.entries_of(column).len(),
                    None => 1,
                };
                let gain = self.gain(variable);
                if gain > EPSILON && best.is_none_or(|(held, _)| gain > held) {
                    best = Some((gain, variable));
                }
            }
            self.flops += work as u64;
            seen += chunk;
            if let Some((_, variable)) = best {
                return Some(variable);
            }
        }
        None
    }

    /// By how much a unit of cost improves the solution; for a surplus, by how much a unit of the row does.
    fn gain(&self, variable: usize) -> f64 {
        let cost = match variable.checked_sub(self.rows) {
            Some(column) => self.cost[column].max(EPSILON),
            // The first columns are those of the singles, in the order of the rows.
            None => self.cost[variable].max(EPSILON),
        };
        -self.reduced_cost(variable) / cost
    }

    /// What one unit of `variable` takes from each basic variable, into `self.column`.
    fn direction(&mut self, variable: usize) {
        let rows = self.rows;
        let mut result = std::mem::take(&mut self.column);
        match variable.checked_sub(rows) {
            Some(column) => {
                result.fill(0.0);
                let entries = self.entries_of(column);
                for (row, value) in result.iter_mut().enumerate() {
                    let inverse = &self.inverse[row * rows..][..rows];
                    *value = entries
                        .iter()
                        .map(|(at, n)| inverse[*at as usize] * n)
                        .sum();
                }
                self.flops += (entries.len() * rows) as u64;
            }
            None => {
                for (row, value) in result.iter_mut().enumerate() {
                    *value = -self.inverse[row * rows + variable];
                }
            }
        }
        self.column = result;
    }

    /// The row whose basic variable reaches 0 first; of several the one with the largest pivot (under `first`, the
    /// first variable).
    fn leaving(&self, first: bool) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (row, change) in self.column.iter().enumerate() {
            if *change <= LEAST_PIVOT {
                continue;
            }
            let ratio = self.x[row].max(0.0) / change;
            let better = best.is_none_or(|(held, at)| {
                let tie = (ratio - held).abs() <= EPSILON;
                let preferred = if first {
                    self.basis[row] < self.basis[at]
                } else {
                    *change > self.column[at]
                };
                (tie && preferred) || (!tie && ratio < held)
            });
            if better {
                best = Some((ratio, row));
            }
        }
        best.map(|(_, row)| row)
    }

    /// Makes `entering` basic in `row`; `self.column` is its direction.
    fn pivot(&mut self, entering: usize, row: usize) {
        let rows = self.rows;
        let pivot = self.column[row];
        let reduced = self.reduced_cost(entering);
        let step = self.x[row] / pivot;
        self.touched.clear();
        for at in 0..rows {
            let value = &mut self.inverse[row * rows + at];
            if value.abs() > 1e-14 {
                *value /= pivot;
                self.touched.push(at);
            } else {
                *value = 0.0;
            }
        }
        let (before, rest) = self.inverse.split_at_mut(row * rows);
        let (pivot_row, after) = rest.split_at_mut(rows);
        let others = before.chunks_mut(rows).chain(after.chunks_mut(rows));
        let changes = self.column[..row].iter().chain(&self.column[row + 1..]);
        let sparse = self.touched.len() * 4 < rows;
        let mut updated = 0;
        for (other, change) in others.zip(changes) {
            if change.abs() <= 1e-14 {
                continue;
            }
            updated += 1;
            if sparse {
                for at in &self.touched {
                    other[*at] -= change * pivot_row[*at];
                }
            } else {
                for (value, own) in other.iter_mut().zip(pivot_row.iter()) {
                    *value -= change * own;
                }
            }
        }
        let width = if sparse { self.touched.len() } else { rows };
        self.flops += (updated * width + 4 * rows) as u64;
        for at in &self.touched {
            self.duals[*at] += reduced * pivot_row[*at];
        }
        for (value, change) in self.x.iter_mut().zip(&self.column) {
            *value -= step * change;
        }
        self.x[row] = step;
        self.is_basic[self.basis[row]] = false;
        self.is_basic[entering] = true;
        self.basis[row] = entering;
    }

    /// Changes what rows need. Call [`repair`](Self::repair) next.
    pub fn set_need(&mut self, need: Vec<f64>) {
        debug_assert_eq!(need.len(), self.rows);
        self.need = need;
        self.reset_x();
    }

    fn reset_x(&mut self) {
        let rows = self.rows;
        for row in 0..rows {
            let inverse = &self.inverse[row * rows..][..rows];
            self.x[row] = inverse.iter().zip(&self.need).map(|(i, n)| i * n).sum();
        }
        self.flops += (rows * rows) as u64;
    }

    /// From now on [`repair`](Self::repair) looks only at columns whose reduced cost is at most `share` of their cost: what
    /// costs more now will hardly be wanted later.
    pub fn narrow(&mut self, share: f64) {
        let near = |variable: &usize| match variable.checked_sub(self.rows) {
            Some(column) => self.reduced_cost(*variable) <= share * self.cost[column],
            None => true,
        };
        self.near = (0..self.rows + self.cost.len()).filter(near).collect();
    }

    /// The dual method, after needs have changed at an optimal solution: until every basic variable is at least 0, or
    /// `budget` multiplications are spent.
    pub fn repair(&mut self, budget: u64) -> End {
        let until = self.flops.saturating_add(budget);
        let rows = self.rows;
        loop {
            let lowest = (0..rows).min_by(|a, b| self.x[*a].total_cmp(&self.x[*b]));
            let Some(row) = lowest.filter(|row| self.x[*row] < -EPSILON) else {
                return End::Optimal;
            };
            if self.flops > until {
                return End::OutOfWork;
            }
            let mut best: Option<(f64, usize)> = None;
            let mut work = 0;
            let inverse = &self.inverse[row * rows..][..rows];
            let variables = if self.near.is_empty() {
                rows + self.cost.len()
            } else {
                self.near.len()
            };
            for at in 0..variables {
                let variable = self.near.get(at).copied().unwrap_or(at);
                if self.is_basic[variable] {
                    continue;
                }
                let change = match variable.checked_sub(rows) {
                    Some(column) => self
                        .entries_of(column)
                        .iter()
                        .map(|(at, n)| inverse[*at as usize] * n)
                        .sum(),
                    None => -inverse[variable],
                };
                work += 4;
                if change < -LEAST_PIVOT {
                    let ratio = self.reduced_cost(variable).max(0.0) / -change;
                    if best.is_none_or(|(held, _)| ratio < held) {
                        best = Some((ratio, variable));
                    }
                }
            }
            self.flops += work;
            let Some((_, entering)) = best else {
                return End::OutOfWork;
            };
            self.direction(entering);
            if self.column[row].abs() <= LEAST_PIVOT / 10.0 {
                return End::OutOfWork;
            }
            self.pivot(entering, row);
        }
    }

    /// The largest difference between what the basic columns give and what rows need, against the need.
    fn drift(&mut self) -> f64 {
        let mut given = vec![0.0; self.rows];
        for (variable, x) in self.basis.iter().zip(&self.x) {
            match variable.checked_sub(self.rows) {
                Some(column) => {
                    for (row, n) in self.entries_of(column) {
                        given[*row as usize] += n * x;
                    }
                }
                None => given[*variable] -= x,
            }
        }
        let needs = given.iter().zip(&self.need);
        needs.fold(0.0, |worst, (given, need)| {
            f64::max(worst, (given - need).abs() / (1.0 + need.abs()))
        })
    }

    /// Makes the inverse, the values and the duals anew from the basis; `false` if it looks singular, and nothing has
    /// changed then. O(rows^3).
    fn refactor(&mut self) -> bool {
        let rows = self.rows;
        let width = 2 * rows;
        let mut work = vec![0.0; rows * width];
        for (at, variable) in self.basis.iter().enumerate() {
            match variable.checked_sub(rows) {
                Some(column) => {
                    for (row, n) in self.entries_of(column) {
                        work[*row as usize * width + at] = *n;
                    }
                }
                None => work[variable * width + at] = -1.0,
            }
        }
        for row in 0..rows {
            work[row * width + rows + row] = 1.0;
        }
        for at in 0..rows {
            let size = |row: &usize| work[row * width + at].abs();
            let Some(best) = (at..rows).max_by(|a, b| size(a).total_cmp(&size(b)).then(b.cmp(a)))
            else {
                return false;
            };
            let pivot = work[best * width + at];
            if pivot.abs() < 1e-10 {
                return false;
            }
            for i in 0..width {
                work.swap(at * width + i, best * width + i);
            }
            work[at * width..][..width]
                .iter_mut()
                .for_each(|v| *v /= pivot);
            let own = work[at * width..][..width].to_vec();
            for row in (0..rows).filter(|row| *row != at) {
                let factor = work[row * width + at];
                if factor.abs() > 0.0 {
                    let other = &mut work[row * width..][..width];
                    other
                        .iter_mut()
                        .zip(&own)
                        .for_each(|(v, o)| *v -= factor * o);
                }
            }
        }
        self.flops += (rows * rows * rows) as u64;
        for row in 0..rows {
            self.inverse[row * rows..][..rows].copy_from_slice(&work[row * width + rows..][..rows]);
        }
        self.reset_x();
        self.duals.fill(0.0);
        for row in 0..rows {
            let cost = self.cost_of(self.basis[row]);
            let inverse = &self.inverse[row * rows..][..rows];
            if cost > 0.0 {
                self.duals
                    .iter_mut()
                    .zip(inverse)
                    .for_each(|(d, i)| *d += cost * i);
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "lp_tests.rs"]
mod tests;
