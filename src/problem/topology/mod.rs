//! Spread, affinity and anti-affinity between pods, judged as kube-scheduler does (M-3).
//!
//! Rules over labels of nodes other than the host name depend only on how many pods go to each *domain* (zone, capacity
//! type, ...), not on which node. So they are settled before packing: [`assign`] deals the pods of each class out to
//! domains one by one, each step passing kube-scheduler's test against what stands there already; the class falls into
//! parts that are pinned to their domains, and the solver packs the parts freely. The order of dealing is a valid
//! order of binding as long as every pod that was dealt is placed; where some are left over, the solver settles the
//! rules once more.
//!
//! Rules over host names first narrow the nodes of classes by what runs there already; the rest is settled while packing: [`host`] turns them into classes that exclude each other on one node,
//! into limits on how many pods of a group one node holds, and into bundles of pods that must share a node.
//!
//! [`rules`] interns the rules and tells pods apart by them; [`domains`] numbers the values of their keys and counts what
//! runs already.

pub mod assign;
pub mod domains;
mod heed;
pub mod host;
mod narrow;
pub mod phases;
pub mod places;
pub mod rules;
pub mod tally;
