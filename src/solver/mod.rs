//! Fifth floor: the solver. Imports [`base`](crate::base), [`problem`](crate::problem) and plain values of the model:
//! dense ids, no names, no clock.
//!
//! How a plan is found:
//!
//! 1. [`reduce`] leaves out the pods that nothing can hold, so that they disturb nobody, and takes classes together that
//!    are [`alike`].
//! 2. [`values`] puts a price on every pod class: what a pod costs at least, bought alone or by its largest share.
//! 3. [`candidates`] drops the options that another one beats in everything.
//! 4. [`construct`] builds a whole plan from values: free room on [`existing`] nodes first, then new nodes, each seeded
//!    with the most expensive pod that waits, [filled](fill) in several orders, and bought as the option with the least price
//!    per value of what it then holds; a node that works is repeated as often as pods and stocks allow.
//! 5. [`search`] tries several values and fill orders within a budget (`budget`) and improves the best plan (`improve`): it raises the value of pods that ended on poor nodes and builds again,
//!    tries values that are off by chance, then repacks small groups of nodes; the best plan by the [objective](score)
//!    (M-1) wins.
//!    Between the two, a [linear programme](columns) over the contents of all nodes tried so far finds their best mix and,
//!    by its duals, better contents ([`pricing`]).
//!    Where pods are left over, others move out of their way (`make_room`).
//! 6. [`settle`] takes off what rules between pods forbid once some pods are left over.
//! 7. [`prefer`] meets preferences where that costs nothing (M-2).
//! 8. [`gangs`] sees to it that pods which are of use only together are placed together or not at all.
//! 9. [`bound`] proves a price below which no plan can be, from resources and from those duals.
//!
//! All choices are made by comparing numbers with total tie-breaks, and budgets count steps, so the same problem gives the
//! same plan everywhere. Floats choose what is tried; scores, which have none, choose what wins. `docs/DESIGN.md` tells
//! the whole story.

pub mod alike;
pub mod bound;
mod budget;
pub mod candidates;
pub mod columns;
pub mod construct;
mod dual;
pub mod existing;
pub mod fill;
pub mod gangs;
pub mod holds;
mod improve;
pub mod lp;
mod make_room;
mod mend;
mod mix;
pub mod pack;
pub mod pool;
pub mod prefer;
pub mod pricing;
pub mod reduce;
pub mod score;
pub mod search;
pub mod settle;
pub mod values;
pub mod whatif;

use crate::problem::{ClassId, NodeId, OptionId};

/// Where pods go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed: a node exists or is bought"
)]
pub enum Target {
    /// An existing node.
    Node(NodeId),
    /// A new node bought by this option.
    Option(OptionId),
}

/// Equal nodes with equal content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The node, or how it is bought.
    pub target: Target,
    /// Pods per node by class.
    pub content: Vec<(ClassId, u32)>,
    /// How many such nodes; 1 for an existing one.
    pub times: u32,
}

/// Pods of one class that no preference tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Lot {
    /// The class; for the pods of a bundle, their own.
    pub class: ClassId,
    /// A position in [`Preferences::kinds`](crate::problem::preferences::Preferences::kinds).
    pub kind: u32,
    /// How many.
    pub count: u32,
}

/// Some of the equal nodes of a group: those with the same kinds of pods.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// How many nodes.
    pub times: u32,
    /// The pods of each.
    pub lots: Vec<Lot>,
}

/// How far the preferences of the pods placed are met (M-2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Met {
    /// By group: its nodes by the kinds of their pods.
    pub shares: Vec<Vec<Share>>,
    /// Weight of all preferred terms of the pods placed.
    pub weight_total: u64,
    /// Weight of those that hold.
    pub weight_met: u64,
}

/// What the solver decided.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Outcome {
    /// Nodes with what they get.
    pub groups: Vec<Group>,
    /// Pods that stay pending, by class.
    pub unplaced: Vec<(ClassId, u32)>,
    /// A proven lower bound on the price of every plan that places the same pods (M-7).
    pub lower_bound: crate::model::price::Price,
    /// How good the plan is.
    pub score: score::Score,
    /// Inner steps taken: the deterministic measure of work.
    pub work: u64,
    /// Preferences; `None` where nothing is preferred, or it is ignored.
    pub met: Option<Met>,
    /// How gangs fared, in their order in the problem.
    pub gangs: Vec<gangs::Verdict>,
    /// Options that are left to classes of gangs that are kept in one domain.
    pub pinned: Vec<(ClassId, crate::base::bitset::BitSet<OptionId>)>,
}
