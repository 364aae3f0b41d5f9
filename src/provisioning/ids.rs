//! Identifiers of the machine's own things. Numbers are given out in order and never reused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $number:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub(crate) $number);

        impl $name {
            /// Its number.
            #[must_use]
            pub fn number(self) -> $number {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// An order: one claim of an accepted plan, until a node of it is initialized or its pods are handed back.
    OrderId, u64, "order-"
);
id!(
    /// A node: one launch, from the request to its end. An order has at most one at a time.
    NodeId, u64, "node-"
);
id!(
    /// A call of HyperPod's API, over all its repetitions.
    CallId, u64, "call-"
);
id!(
    /// A way to buy a node: an instance group with a market.
    OfferingId, u32, "offering-"
);
id!(
    /// A source of capacity: instance type, zone and capacity type. Groups that buy from the same one share its fate.
    MarketId, u32, "market-"
);
id!(
    /// An instance group.
    GroupId, u32, "group-"
);
id!(
    /// A NodePool.
    PoolId, u32, "pool-"
);

/// Gives out the numbers of one kind of thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Counter(u64);

impl Counter {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}
