//! A lower bound from the values of a linear programme (M-7): what single nodes can hold, counted in whole pods.
//!
//! Give every pod a value >= 0 such that no node holds pods worth more than its price. Then the pods on new nodes are
//! worth at most what the plan costs, and all pods at most that and what existing nodes hold. The duals of the programme
//! over contents seen so far nearly are such values: for each option the most valuable content is bounded from above by
//! the [knapsack](super::pricing), and the values of the pods that it suits are scaled down by what it is
//! worth too much (Farley's bound, option by option), or down to what they take of the node's resources.

use super::bound::placed_alone;
use super::holds::apart;
use super::pricing::{Item, Knapsack};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::{ClassId, OptionId, Problem, RoomId, SetId, fit_count, fits};

/// A way to buy a node as the bound sees it.
struct Source {
    room: RoomId,
    price: f64,
    /// Which of the placed classes it suits, by position.
    suits: BitSet<ClassId>,
}

/// Partial contents kept while bounding an option, first and at most.
pub(super) type Widths = [usize; 2];

/// The bound is given up when it takes this many times its work even with the least width.
const OVERRUN: u64 = 4;
/// By how much the width grows while an option is bounded too loosely.
const WIDEN: usize = 4;
/// A content bounded by this much above the price is bounded well enough.
const CLOSE: f64 = 1.002;
/// More distinct options than this are not compared with each other.
const MOST_COMPARED: usize = 600;

/// A lower bound on the price of every valid plan that places all pods but `unplaced` of each class, from `values` of the
/// classes, whatever they are. Rules over domains, stocks and `minValues` are ignored: that only lowers it. At most about
/// `work` inner steps; returns the bound and the steps taken.
pub(super) fn dual_bound(
    problem: &Problem,
    unplaced: &[u32],
    values: &[f64],
    widths: Widths,
    work: u64,
) -> (f64, u64) {
    let placed: Vec<(ClassId, u32)> = placed_alone(problem, unplaced)
        .into_iter()
        .map(|(class, n)| (class, u32::try_from(n).unwrap_or(u32::MAX)))
        .collect();
    let mut worth: Vec<f64> = placed
        .iter()
        .map(|(class, _)| values.get(class.at()).copied().unwrap_or(0.0).max(0.0))
        .collect();
    let hosts = Hosts::new(problem, &placed);
    let most: Vec<u32> = placed
        .iter()
        .map(|(class, n)| hosts.most_per_node(problem, *class).min(*n))
        .collect();
    let mut knapsack = Knapsack::default();
    let mut caps: Vec<(u32, f64)> = Vec::new();
    for source in sources(problem, &placed) {
        if knapsack.work > work * OVERRUN {
            return (0.0, knapsack.work);
        }
        if source.price <= 0.0 {
            source.suits.iter().for_each(|at| worth[at.at()] = 0.0);
            continue;
        }
        knapsack.open(problem.room_of(source.room));
        for at in source.suits.iter() {
            let (class, _) = placed[at.at()];
            let key = u32::try_from(at.at()).unwrap_or(u32::MAX);
            let item = Item::new(key, worth[at.at()], most[at.at()]);
            knapsack.add(item, problem.demand_of(class));
        }
        let ratio = source.price / most_valuable(&mut knapsack, source.price, widths, work);
        if ratio >= 1.0 {
            continue;
        }
        // Either all values go down alike, or each down to what its pod's share of the node is worth at prices of the
        // resources that add up to the node's: what loses less.
        caps.clear();
        caps.extend(knapsack.shares_of(source.price));
        let count = |at: usize| f64::from(placed[at].1);
        let alike: f64 = source
            .suits
            .iter()
            .map(|at| count(at.at()) * worth[at.at()] * (1.0 - ratio))
            .sum();
        let capped: f64 = caps
            .iter()
            .map(|(at, cap)| count(*at as usize) * (worth[*at as usize] - cap).max(0.0))
            .sum();
        if capped < alike {
            for (at, cap) in &caps {
                worth[*at as usize] = worth[*at as usize].min(*cap);
            }
        } else {
            for at in source.suits.iter() {
                worth[at.at()] *= ratio;
            }
        }
    }
    let all: f64 = placed
        .iter()
        .zip(&worth)
        .map(|((_, n), worth)| f64::from(*n) * worth)
        .sum();
    (
        all - on_existing(problem, &placed, &worth, &mut knapsack),
        knapsack.work,
    )
}

/// An upper bound on the worth of any content, at least `price`.
fn most_valuable(knapsack: &mut Knapsack, price: f64, [first, last]: Widths, work: u64) -> f64 {
    let mut bound = knapsack.relax();
    let mut width = first;
    while bound > price * CLOSE {
        bound = bound.min(knapsack.search(price, width, 0).bound);
        if width >= last || knapsack.work > work {
            break;
        }
        width *= WIDEN;
    }
    bound.max(price)
}

/// What pods on existing nodes can be worth at most: as if all free room were one large node's.
fn on_existing(
    problem: &Problem,
    placed: &[(ClassId, u32)],
    worth: &[f64],
    knapsack: &mut Knapsack,
) -> f64 {
    if problem.nodes.is_empty() {
        return 0.0;
    }
    let mut room = vec![0i64; problem.dims];
    for node in problem.nodes.ids() {
        let free = problem.node_room_of(node);
        if free.iter().all(|amount| *amount >= 0) {
            room.iter_mut()
                .zip(free)
                .for_each(|(sum, free)| *sum = sum.saturating_add(*free));
        }
    }
    knapsack.open(&room);
    let mut unlimited = 0.0;
    for ((class, count), worth) in placed.iter().zip(worth) {
        let demand = problem.demand_of(*class);
        let hold = |node| u64::from(fit_count(demand, problem.node_room_of(node)));
        let nodes = &problem.node_sets[problem.classes[*class].any_node];
        let most = nodes.iter().map(hold).sum::<u64>().min(u64::from(*count));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        if demand.iter().all(|need| *need == 0) {
            unlimited += worth * f64::from(most);
        } else {
            knapsack.add(Item::new(0, *worth, most), demand);
        }
    }
    knapsack.relax() * (1.0 + 1e-9) + unlimited
}

/// The distinct options of the placed pods without those that another beats in price, room and pods.
fn sources(problem: &Problem, placed: &[(ClassId, u32)]) -> Vec<Source> {
    let mut suits = vec![BitSet::<ClassId>::new(placed.len()); problem.options.len()];
    for (at, (class, _)) in placed.iter().enumerate() {
        for option in problem.option_sets[problem.classes[*class].anywhere].iter() {
            suits[option.at()].insert(ClassId::new(at));
        }
    }
    let mut known: FastMap<(RoomId, BitSet<ClassId>), usize> = FastMap::default();
    let mut all: Vec<Source> = Vec::new();
    for (at, suits) in suits.into_iter().enumerate() {
        let row = &problem.options[OptionId::new(at)];
        if suits.is_empty() {
            continue;
        }
        let price = row.known_price;
        match known.get(&(row.room, suits.clone())) {
            Some(held) => all[*held].price = all[*held].price.min(price),
            None => {
                known.insert((row.room, suits.clone()), all.len());
                all.push(Source {
                    room: row.room,
                    price,
                    suits,
                });
            }
        }
    }
    all.sort_by(|a, b| a.price.total_cmp(&b.price));
    if all.len() > MOST_COMPARED {
        return all;
    }
    let mut kept: Vec<Source> = Vec::new();
    for source in all {
        let beaten = kept.iter().any(|better| {
            fits(problem.room_of(source.room), problem.room_of(better.room))
                && source.suits.is_subset(&better.suits)
        });
        if !beaten {
            kept.push(source);
        }
    }
    kept
}

/// How many pods of groups that are spread over host names there are, and over how many hosts at least.
///
/// A spread of `maxSkew` n lets a node hold n pods more than the emptiest host. The emptiest of the new hosts has at most
/// (waiting pods) / (new hosts).
struct Hosts {
    /// Waiting pods by group.
    pods: FastMap<u32, u64>,
    /// New hosts that count for pods with these options, at least.
    hosts: FastMap<SetId, u64>,
    /// Labels that a new node may or may not have leave open which hosts count.
    known: bool,
}

impl Hosts {
    fn new(problem: &Problem, placed: &[(ClassId, u32)]) -> Self {
        let mut pods: FastMap<u32, u64> = FastMap::default();
        for row in problem.classes.iter() {
            for share in &row.shares {
                let more = u64::from(share.weight) * u64::from(row.count);
                *pods.entry(share.group).or_default() += more;
            }
        }
        let mut hosts: FastMap<SetId, u64> = FastMap::default();
        for (class, _) in placed {
            let row = &problem.classes[*class];
            if !row.shares.is_empty() && !hosts.contains_key(&row.anywhere) {
                hosts.insert(row.anywhere, least_nodes(problem, placed, row.anywhere));
            }
        }
        let is_open = |pair: &crate::problem::Pair| problem.states.is_open(pair.state);
        Self {
            pods,
            hosts,
            known: !problem.pairs.iter().any(is_open),
        }
    }

    /// How many pods of `class` a new node holds at most in any valid plan, room apart.
    fn most_per_node(&self, problem: &Problem, class: ClassId) -> u32 {
        let row = &problem.classes[class];
        let excluded = row.excludes.as_ref();
        if excluded.is_some_and(|set| apart(problem, set, class)) {
            return 1;
        }
        let hosts = self.hosts.get(&row.anywhere).copied().unwrap_or(0);
        let mut most = u32::MAX;
        for share in row.shares.iter().filter(|share| share.weight > 0) {
            if let (Some(limit), true) = (share.limit, self.known && hosts > 0) {
                let pods = self.pods.get(&share.group).copied().unwrap_or(0);
                let emptiest = u32::try_from(pods / hosts).unwrap_or(u32::MAX);
                most = most.min(limit.saturating_add(emptiest) / share.weight);
            }
        }
        most
    }
}

/// How many new nodes of the options in `set` there are at least: the pods that fit nowhere else, by their most wanted
/// resource, less what existing nodes have free.
fn least_nodes(problem: &Problem, placed: &[(ClassId, u32)], set: SetId) -> u64 {
    let options = &problem.option_sets[set];
    let mut wanted = vec![0i128; problem.dims];
    for (class, count) in placed {
        let own = problem.classes[*class].anywhere;
        if own == set || problem.option_sets[own].is_subset(options) {
            for (sum, need) in wanted.iter_mut().zip(problem.demand_of(*class)) {
                *sum += i128::from(*need) * i128::from(*count);
            }
        }
    }
    for node in problem.nodes.ids() {
        for (sum, free) in wanted.iter_mut().zip(problem.node_room_of(node)) {
            *sum -= i128::from((*free).max(0));
        }
    }
    let mut largest = vec![0i64; problem.dims];
    for option in options.iter() {
        let room = problem.room_of(problem.options[option].room);
        largest
            .iter_mut()
            .zip(room)
            .for_each(|(most, have)| *most = (*most).max(*have));
    }
    let nodes = wanted
        .iter()
        .zip(&largest)
        .filter(|(_, largest)| **largest > 0)
        .map(|(wanted, largest)| wanted / i128::from(*largest));
    u64::try_from(nodes.max().unwrap_or(0).max(0)).unwrap_or(u64::MAX)
}
