//! The programme against known solutions, and against its dual on random ones.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small numbers"
)]

use super::{Cover, End};
use crate::base::rng::Rng;

const PLENTY: u64 = 1 << 40;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

#[test]
fn the_classic_cutting_stock_relaxation() {
    // Rolls of 100; 97 of width 45, 610 of 36, 395 of 31, 211 of 14 (Gilmore and Gomory's running example): 452.25.
    let widths = [45, 36, 31, 14];
    let mut lp = Cover::new(
        vec![97.0, 610.0, 395.0, 211.0],
        &[(1.0, 2.0), (1.0, 2.0), (1.0, 3.0), (1.0, 7.0)],
    );
    for code in 0..(3 * 3 * 4 * 8) {
        let counts = [code % 3, code / 3 % 3, code / 9 % 4, code / 36];
        let width: i32 = counts.iter().zip(widths).map(|(n, w)| n * w).sum();
        if width <= 100 && width > 0 {
            let entries = counts.iter().enumerate().filter(|(_, n)| **n > 0);
            lp.add(1.0, entries.map(|(row, n)| (row, f64::from(*n))));
        }
    }
    assert_eq!(lp.minimise(PLENTY), End::Optimal);
    assert!(close(lp.value(), 452.25), "{}", lp.value());
}

#[test]
fn one_column_that_gives_everything_is_bought_as_often_as_the_largest_need_asks() {
    let mut lp = Cover::new(vec![3.0, 5.0], &[(1.0, 1.0), (1.0, 1.0)]);
    let both = lp.add(1.5, [(0, 1.0), (1, 1.0)]);
    assert_eq!(lp.minimise(PLENTY), End::Optimal);
    // 3 of both and 2 of the second alone: 4.5 + 2.
    assert!(close(lp.value(), 6.5), "{}", lp.value());
    assert!(
        lp.solution()
            .any(|(column, x)| column == both && close(x, 3.0))
    );
    let dear = lp.add(2.5, [(0, 1.0), (1, 1.0)]);
    assert_eq!(lp.minimise(PLENTY), End::Optimal);
    assert!(lp.solution().all(|(column, _)| column != dear));
}

type Column = Vec<(usize, f64)>;

/// A random programme with columns of a few rows each.
fn random(rng: &mut Rng) -> (Cover, Vec<f64>, Vec<Column>, Vec<f64>) {
    let rows = 1 + rng.below(24) as usize;
    let amount = |rng: &mut Rng| 1.0 + rng.below(5) as f64;
    let need: Vec<f64> = (0..rows).map(|_| 1.0 + rng.below(30) as f64).collect();
    let singles: Vec<(f64, f64)> = (0..rows)
        .map(|_| (0.5 + rng.below(100) as f64 / 20.0, amount(rng)))
        .collect();
    let mut columns: Vec<Column> = singles
        .iter()
        .enumerate()
        .map(|(row, (_, n))| vec![(row, *n)])
        .collect();
    let mut costs: Vec<f64> = singles.iter().map(|(cost, _)| *cost).collect();
    let mut lp = Cover::new(need.clone(), &singles);
    for _ in 0..rng.below(120) {
        let mut entries = Vec::new();
        for row in 0..rows {
            if rng.below(4) == 0 {
                entries.push((row, amount(rng)));
            }
        }
        if !entries.is_empty() {
            let cost = 0.5 + rng.below(100) as f64 / 20.0;
            lp.add(cost, entries.iter().copied());
            columns.push(entries);
            costs.push(cost);
        }
    }
    (lp, need, columns, costs)
}

/// Feasible, dual feasible, and of equal value: optimal (strong duality).
fn assert_optimal(lp: &Cover, need: &[f64], columns: &[Column], costs: &[f64], seed: u64) {
    let mut given = vec![0.0; need.len()];
    for (column, x) in lp.solution() {
        assert!(x >= 0.0);
        columns[column]
            .iter()
            .for_each(|(row, n)| given[*row] += n * x);
    }
    assert!(
        given
            .iter()
            .zip(need)
            .all(|(given, need)| *given >= need - 1e-6),
        "seed {seed}: needs are met"
    );
    assert!(lp.duals().iter().all(|dual| *dual >= -1e-7), "seed {seed}");
    for (column, cost) in columns.iter().zip(costs) {
        let worth: f64 = column.iter().map(|(row, n)| lp.duals()[*row] * n).sum();
        assert!(worth <= cost + 1e-6, "seed {seed}: {worth} for {cost}");
    }
    let dual: f64 = lp.duals().iter().zip(need).map(|(d, n)| d * n).sum();
    assert!(
        close(dual, lp.value()),
        "seed {seed}: {dual} and {}",
        lp.value()
    );
}

#[test]
fn random_programmes_end_where_primal_and_dual_meet() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (mut lp, need, columns, costs) = random(&mut rng);
        assert_eq!(lp.minimise(PLENTY), End::Optimal, "seed {seed}");
        assert_optimal(&lp, &need, &columns, &costs, seed);
    }
}

#[test]
fn changed_needs_are_repaired_to_an_optimum() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (mut lp, mut need, columns, costs) = random(&mut rng);
        assert_eq!(lp.minimise(PLENTY), End::Optimal);
        for _ in 0..5 {
            need.iter_mut()
                .for_each(|need| *need = rng.below(12) as f64);
            lp.set_need(need.clone());
            assert_eq!(lp.repair(PLENTY), End::Optimal, "seed {seed}");
            assert_optimal(&lp, &need, &columns, &costs, seed);
        }
    }
}

#[test]
fn equal_needs_that_tie_everywhere_do_not_go_round_in_circles() {
    // Every column covers three of thirty rows once: no step without ties.
    let mut rng = Rng::new(5);
    let mut lp = Cover::new(vec![1.0; 30], &[(1.0, 1.0); 30]);
    for _ in 0..2_000 {
        let at = rng.below(30) as usize;
        let entries = [at, (at + 1 + rng.below(9) as usize) % 30, (at + 15) % 30];
        lp.add(1.0, entries.map(|row| (row, 1.0)));
    }
    assert_eq!(lp.minimise(PLENTY), End::Optimal);
    assert!(close(lp.value(), 10.0), "{}", lp.value());
}

#[test]
fn a_budget_ends_the_work_with_what_there_is() {
    let mut rng = Rng::new(11);
    let (mut lp, need, columns, _) = random(&mut rng);
    let before = lp.value();
    assert_eq!(lp.minimise(0), End::OutOfWork);
    assert!(lp.value() <= before);
    let mut given = vec![0.0; need.len()];
    for (column, x) in lp.solution() {
        columns[column]
            .iter()
            .for_each(|(row, n)| given[*row] += n * x);
    }
    assert!(
        given
            .iter()
            .zip(&need)
            .all(|(given, need)| *given >= need - 1e-6)
    );
}
