//! Third floor: what the scheduler sees of a snapshot.
//!
//! Objects as they stand in a cluster are not yet what a scheduler reasons with: a NodePool becomes a template with
//! derived labels, a Node and its NodeClaim become one node with the taints and resources that count at its stage of
//! life, a pod's selectors become alternatives of requirements. The compiled problem and the explanations both start
//! from these views, so that they cannot disagree about what was looked at. The checker in
//! [`verify`](mod@crate::verify) has its own reading on purpose.

pub mod attach;
pub mod buffers;
pub mod daemons;
pub mod gangs;
pub mod nodes;
pub mod overlay;
pub mod pods;
pub mod pools;
pub mod protection;
pub mod volumes;
