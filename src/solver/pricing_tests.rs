//! The knapsack against trying everything.

use super::{Item, Knapsack};
use crate::base::rng::Rng;
use crate::problem::fits;

struct Case {
    room: Vec<i64>,
    items: Vec<(Item, Vec<i64>)>,
}

fn random(rng: &mut Rng) -> Case {
    let mut amount = |low: u64, wide: u64| i64::try_from(low + rng.below(wide)).unwrap();
    let dims = 1 + usize::try_from(amount(0, 3)).unwrap();
    let room = (0..dims).map(|_| amount(5, 16)).collect();
    let items = (0..1 + amount(0, 6))
        .map(|key| {
            let demand: Vec<i64> = (0..dims).map(|_| amount(0, 7)).collect();
            let worth = f64::from(u32::try_from(amount(1, 40)).unwrap()) / 8.0;
            let most = u32::try_from(amount(1, 5)).unwrap();
            (Item::new(u32::try_from(key).unwrap(), worth, most), demand)
        })
        .collect();
    Case { room, items }
}

fn load(knapsack: &mut Knapsack, case: &Case) {
    knapsack.open(&case.room);
    for (item, demand) in &case.items {
        knapsack.add(*item, demand);
    }
}

/// The best worth by trying every number of every item.
fn best(room: &[i64], items: &[(Item, Vec<i64>)]) -> f64 {
    let Some(((item, demand), rest)) = items.split_first() else {
        return 0.0;
    };
    let mut left = room.to_vec();
    let mut most = best(&left, rest);
    for times in 1..=item.most {
        if !fits(demand, &left) {
            break;
        }
        left.iter_mut()
            .zip(demand)
            .for_each(|(left, need)| *left -= need);
        most = most.max(item.worth * f64::from(times) + best(&left, rest));
    }
    most
}

#[test]
fn a_wide_search_finds_the_best_content_and_proves_it() {
    let mut knapsack = Knapsack::default();
    for seed in 0..600 {
        let case = random(&mut Rng::new(seed));
        load(&mut knapsack, &case);
        let best = best(&case.room, &case.items);
        let relaxed = knapsack.relax();
        assert!(
            relaxed >= best - 1e-9,
            "seed {seed}: {relaxed} below {best}"
        );
        let found = knapsack.search(0.0, 100_000, 3);
        assert!(
            (found.bound - best).abs() <= 1e-6,
            "seed {seed}: {} for {best}",
            found.bound
        );
        if best > 0.0 {
            assert!((found.contents[0].0 - best).abs() <= 1e-9, "seed {seed}");
        }
    }
}

#[test]
fn a_narrow_search_is_never_bounded_below_the_best_and_what_it_finds_fits() {
    let mut knapsack = Knapsack::default();
    for seed in 0..600 {
        let mut rng = Rng::new(seed);
        let case = random(&mut rng);
        load(&mut knapsack, &case);
        let best = best(&case.room, &case.items);
        let relaxed = knapsack.relax();
        for target in [0.0, best * 0.7, best, best * 1.1] {
            let width = 1 + usize::try_from(rng.below(4)).unwrap();
            let found = knapsack.search(target, width, 4);
            assert!(
                found.bound.max(target) >= best - 1e-9,
                "seed {seed}: {found:?} for {best}"
            );
            assert!(found.bound <= relaxed.max(target) + 1e-9);
            for (worth, content) in &found.contents {
                let mut left = case.room.clone();
                let mut sum = 0.0;
                for (key, times) in content {
                    let (item, demand) = &case.items[usize::try_from(*key).unwrap()];
                    assert!(*times <= item.most);
                    sum += item.worth * f64::from(*times);
                    for (left, need) in left.iter_mut().zip(demand) {
                        *left -= need * i64::from(*times);
                    }
                }
                assert!(left.iter().all(|left| *left >= 0), "seed {seed}");
                assert!(
                    (sum - worth).abs() <= 1e-9 && *worth > target,
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn things_without_worth_or_without_room_are_left_out() {
    let mut knapsack = Knapsack::default();
    knapsack.open(&[4, 0]);
    knapsack.add(Item::new(0, 0.0, 9), &[1, 0]);
    knapsack.add(Item::new(1, 5.0, 9), &[1, 1]);
    assert!(knapsack.relax().abs() < 1e-12);
    knapsack.add(Item::new(2, 1.0, 9), &[1, 0]);
    assert!((knapsack.relax() - 4.0).abs() < 1e-9);
    assert_eq!(knapsack.search(0.5, 10, 1).contents, [(4.0, vec![(2, 4)])]);
}
