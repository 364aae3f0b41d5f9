//! Classes that the packing cannot tell apart, taken together.
//!
//! What pods mean to rules over domains, or who they are, matters before and after packing; while nodes are filled only
//! requests, places, priority and host rules count. So classes that agree in those are packed as one, and afterwards each
//! node's share is handed out to the classes again.

use super::Group;
use super::construct::Built;
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::problem::{Class, ClassId, HostShare, Problem, SetId, SignatureId};

/// What makes classes alike.
#[derive(PartialEq, Eq, Hash)]
struct Look<'p> {
    demand: &'p [i64],
    priority: i32,
    signature: SignatureId,
    sets: [SetId; 4],
    excludes: Option<&'p BitSet<ClassId>>,
    shares: &'p [HostShare],
}

impl<'p> Look<'p> {
    fn of(problem: &'p Problem, class: ClassId, row: &'p Class) -> Self {
        Self {
            demand: problem.demand_of(class),
            priority: row.priority,
            signature: row.signature,
            sets: [row.options, row.nodes, row.anywhere, row.any_node],
            excludes: row.excludes.as_ref(),
            shares: &row.shares,
        }
    }
}

/// Groups `kept` by what they look like, in order of the first of each group. Bundles, and the classes of their pods, stay
/// alone. O(classes x resources).
#[must_use]
pub fn alike(problem: &Problem, kept: &[ClassId]) -> Vec<Vec<ClassId>> {
    let mut bundled = BitSet::new(problem.classes.len());
    for class in kept {
        for (part, _) in &problem.classes[*class].bundle {
            bundled.insert(*part);
        }
    }
    let mut groups: Vec<Vec<ClassId>> = Vec::new();
    let mut by_look: FastMap<Look<'_>, usize> = FastMap::default();
    for class in kept.iter().copied() {
        let row = &problem.classes[class];
        if !row.bundle.is_empty() || bundled.contains(class) {
            groups.push(vec![class]);
            continue;
        }
        let at = *by_look
            .entry(Look::of(problem, class, row))
            .or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        groups[at].push(class);
    }
    groups
}

/// Gives the pods of a plan for `groups` of classes back to the classes, first come, first served; what waits comes back
/// with them. Nodes with equal content stay together as long as no class runs out. O(nodes x content).
#[must_use]
pub fn hand_out(problem: &Problem, groups: &[Vec<ClassId>], built: &Built) -> Built {
    let count = |class: ClassId| problem.classes[class].count;
    let mut hands: Vec<Hand> = groups
        .iter()
        .map(|classes| {
            let left = classes.first().map_or(0, |class| count(*class));
            let mut hand = Hand { at: 0, left };
            // Classes without pods (of gangs that are left out) have nothing to take.
            hand.advance(classes, &count);
            hand
        })
        .collect();
    let mut out: Vec<Group> = Vec::with_capacity(built.groups.len());
    for group in &built.groups {
        let mut times = group.times;
        while times > 0 {
            // As many nodes as the class at hand of each group has pods for, or one that takes from several.
            let whole = group
                .content
                .iter()
                .map(|(lot, n)| hands[lot.at()].left / n)
                .min()
                .unwrap_or(times)
                .min(times);
            let mut content = Vec::with_capacity(group.content.len());
            for (lot, n) in &group.content {
                let (hand, classes) = (&mut hands[lot.at()], &groups[lot.at()]);
                if whole > 0 {
                    content.push((classes[hand.at], *n));
                    hand.left -= n * whole;
                    hand.advance(classes, &count);
                } else {
                    let mut wanted = *n;
                    while wanted > 0 && hand.left > 0 {
                        let taken = wanted.min(hand.left);
                        content.push((classes[hand.at], taken));
                        hand.left -= taken;
                        wanted -= taken;
                        hand.advance(classes, &count);
                    }
                }
            }
            let whole = whole.max(1);
            out.push(Group {
                target: group.target,
                content,
                times: whole,
            });
            times -= whole;
        }
    }
    let mut remaining = vec![0; problem.classes.len()];
    for (hand, classes) in hands.iter().zip(groups) {
        for (at, class) in classes.iter().enumerate().skip(hand.at) {
            remaining[class.at()] = if at == hand.at {
                hand.left
            } else {
                count(*class)
            };
        }
    }
    Built {
        groups: out,
        remaining,
        stocks: built.stocks.clone(),
    }
}

/// Which class of a group is at hand, and how many of its pods are left.
struct Hand {
    at: usize,
    left: u32,
}

impl Hand {
    fn advance(&mut self, classes: &[ClassId], count: &impl Fn(ClassId) -> u32) {
        while self.left == 0 && self.at + 1 < classes.len() {
            self.at += 1;
            self.left = count(classes[self.at]);
        }
    }
}
