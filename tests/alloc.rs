//! What the solver allocates: nothing while nodes are filled, and per construction no more than its result.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tetrapod::problem::ClassId;
use tetrapod::scheduler::{Capacity, Compiled};
use tetrapod::shapes::{Params, Shape, generate};
use tetrapod::solver::candidates::Tiers;
use tetrapod::solver::construct::{Recipe, Workshop};
use tetrapod::solver::fill::{FillList, Node, Order};
use tetrapod::solver::values::{Measure, values};

struct Counting;

thread_local! {
    /// Allocations of this thread, so that tests that run beside do not count.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    // The thread's storage may be gone while it ends; what happens then is of no interest.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

#[expect(
    unsafe_code,
    reason = "counting allocations needs a global allocator; every call is passed on unchanged"
)]
// SAFETY: each method forwards its arguments to the system allocator and returns its answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with this layout, since `alloc` does nothing else.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| {}), 0);
    assert_eq!(
        allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))),
        1
    );
}

#[test]
fn filling_nodes_allocates_nothing_after_the_first_round() {
    for shape in [Shape::Gpu, Shape::Packed, Shape::Identical] {
        let snapshot = generate(shape, Params::new(600, 3).with_nodes(20));
        let capacity = Capacity::new(&snapshot);
        let compiled = Compiled::new(&snapshot, &capacity);
        let problem = compiled.problem();
        let tiers = Tiers::new(problem);
        let costs: Vec<_> = tiers.all().map(|c| (c.option, c.cost)).collect();
        let worth = values(problem, &costs, Measure::Fair);
        let remaining: Vec<u32> = problem.classes.iter().map(|class| class.count).collect();
        let mut list = FillList::default();
        let mut node = Node::new(problem);
        let mut round = || {
            for candidate in tiers.all() {
                let column = &tiers.columns[candidate.column];
                let suited = |class: &ClassId| column.contains(*class);
                list.rebuild(problem, problem.classes.ids().filter(suited));
                node.open(problem, candidate.option);
                node.fill(problem, &list, &remaining, &worth);
                node.open(problem, candidate.option);
                let full = problem.room_of(problem.options[candidate.option].room);
                node.fill_by_shape(problem, &list, &remaining, &worth, full);
            }
        };
        round();
        assert_eq!(allocations(&mut round), 0, "{shape}");
        assert!(node.work > 100, "{shape}: {} steps", node.work);
    }
}

#[test]
fn a_construction_allocates_for_its_nodes_and_not_for_its_steps() {
    for (shape, pods) in [
        (Shape::Gpu, 400),
        (Shape::Gpu, 4_000),
        (Shape::Identical, 100_000),
    ] {
        let snapshot = generate(shape, Params::new(pods, 5));
        let capacity = Capacity::new(&snapshot);
        let compiled = Compiled::new(&snapshot, &capacity);
        let problem = compiled.problem();
        let tiers = Tiers::new(problem);
        let costs: Vec<_> = tiers.all().map(|c| (c.option, c.cost)).collect();
        let worth = values(problem, &costs, Measure::Fair);
        let recipe = Recipe::new(&[Order::Value, Order::Density]);
        let mut shop = Workshop::new(problem, &tiers);
        let warm_up = shop.build(&worth, &worth, &recipe);
        let before = shop.node.work;
        let mut distinct = 0;
        let count =
            allocations(|| distinct = shop.build(&worth, &worth, &recipe).groups.len() as u64);
        assert_eq!(distinct, warm_up.groups.len() as u64, "{shape}");
        let steps = shop.node.work - before;
        // One content each, and the lists that hold them as they grow; a few vectors per construction besides.
        assert!(
            count <= 2 * distinct + 60,
            "{shape} {pods}: {count} for {distinct} nodes, {steps} steps"
        );
    }
}
